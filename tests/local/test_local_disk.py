"""A disk that is full: the old objects stay, nothing is left of what failed, and deleting helps.

The disk is a tmpfs of one MiB, mounted in a namespace of its own: this needs the superuser, or a
system that lets users have namespaces.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from cloudstore import LocalConfig, QuotaExceededError, Store
from tests.local.leftovers import leftovers

SIZE = 1024 * 1024
SCRIPT = 'mount -t tmpfs -o size="$1" tmpfs "$2" && exec "$3" -m tests.local.test_local_disk "$2"'


def on_small_disk(mount_point: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Runs this module's `main` where `mount_point` is a small disk."""
    mount_point.mkdir()
    size = ",".join([str(SIZE), *options])
    return subprocess.run(
        ["unshare", "-m", "sh", "-c", SCRIPT, "sh", size, str(mount_point), sys.executable],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )


@pytest.mark.parametrize("options", [(), ("nr_inodes=60",)])
def test_a_full_disk(tmp_path: Path, options: tuple[str, ...]) -> None:
    done = on_small_disk(tmp_path / "disk", *options)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["full", "intact", "tidy", "deleted", "written"]


def main(root: Path) -> None:
    """Fills the disk and says how far it came."""
    with Store(LocalConfig(root)) as store:
        store.create_bucket("b")
        old = b"old" * 10_000
        for key in ("k", "shadow//"):
            store.create_object("b", key, old, metadata={"m": "old"})
        store.create_object("b", "to-delete", b"x" * 200_000)
        before = {key: store.head_object("b", key).etag for key in ("k", "shadow//", "to-delete")}
        uploads = store.create_multipart_upload("b", "k")
        fill(store)
        print("full")
        for key in ("k", "shadow//", "new", "new/er"):
            expect_full(partial(store.create_object, "b", key, b"n" * SIZE))
        expect_full(lambda: uploads.upload_part(1, b"p" * SIZE))
        for key, etag in before.items():
            assert store.head_object("b", key).etag == etag
        for key in ("k", "shadow//"):
            found = store.get_object("b", key)
            assert (found.read(), found.metadata) == (old, {"m": "old"})
        assert not store.object_exists("b", "new")
        print("intact")
        uploads.abort()
        assert leftovers(root, store) == []
        print("tidy")
        store.delete_object("b", "to-delete")
        store.delete_objects("b", [entry.key for entry in store.get_all_objects("b", "fill")])
        print("deleted")
        store.create_object("b", "k", b"new" * 10_000, metadata={"m": "new"})
        assert store.get_object("b", "k").metadata == {"m": "new"}
        assert leftovers(root, store) == []
        print("written")


def fill(store: Store) -> None:
    """Writes small objects until nothing more fits, so that each step of a write fails once."""
    for size in (50_000, 4_000, 1):
        for number in range(10_000):
            try:
                store.create_object("b", f"fill/{size}/{number}", b"x" * size)
            except QuotaExceededError:
                break
        else:
            raise AssertionError("the disk never fills up")


def expect_full(call: Callable[[], object]) -> None:
    with pytest.raises(QuotaExceededError) as caught:
        call()
    error = caught.value
    assert (error.code, error.outcome, error.retryable) == ("ENOSPC", "not_applied", False)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
