"""Many processes on one root: side by side, forked, and killed."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from cloudstore import BucketNotEmptyError, BucketNotFoundError, LocalConfig, Store, StoreClosedError
from tests.local.kill import kill
from tests.local.leftovers import leftovers
from tests.local.stress import stress

FORKS = multiprocessing.get_context("fork")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(LocalConfig(tmp_path)) as store:
        store.create_bucket("b")
        yield store


def in_child(function: object, *args: object) -> int:
    """Runs a function in a forked child; returns its exit code."""
    process = FORKS.Process(target=function, args=args)  # type: ignore[arg-type]
    process.start()
    process.join(60)
    assert process.exitcode is not None, "the child hangs"
    return process.exitcode


def test_nothing_is_torn_lost_or_counted_twice(tmp_path: Path) -> None:
    done, bad = stress(tmp_path / "root", seconds=8, processes=4)
    assert bad == []
    assert all(done[name] for name in ("read_pair", "won once", "won counters/data", "read_moving"))


def test_killed_writers_leave_whole_objects_and_nothing_else(tmp_path: Path) -> None:
    done, bad = kill(tmp_path / "root", kills=20, seed=int.from_bytes(os.urandom(3)))
    assert bad == []
    assert done["kills"] == 20


def test_a_child_that_inherits_a_store_writes_beside_its_parent(store: Store, tmp_path: Path) -> None:
    store.create_object("b", "parent", "1")

    def child() -> None:
        store.create_object("b", "child", "2", metadata={"of": "child"})
        assert store.get_object("b", "parent").read() == b"1"

    assert in_child(child) == 0
    assert store.get_object("b", "child").read() == b"2"
    assert store.get_metadata("b", "child") == {"of": "child"}
    store.create_object("b", "parent", "3")
    assert len(list((tmp_path / ".cloudstore/tmp").iterdir())) <= 2  # the child did not close its store
    with Store(LocalConfig(tmp_path)) as other:
        other.create_object("b", "swept", "")
        assert len(list((tmp_path / ".cloudstore/tmp").iterdir())) == 2  # ours and that of `other`


def test_a_fork_in_the_middle_of_an_upload_harms_neither(store: Store, tmp_path: Path) -> None:
    children: list[int] = []

    def pieces() -> Iterator[bytes]:
        for number in range(3):
            if number == 1:
                children.append(in_child(lambda: store.create_object("b", "child", b"c" * 100)))
            yield bytes([number]) * 9_000_000

    store.create_object("b", "parent", pieces())
    assert children == [0]
    assert store.get_object("b", "parent").read() == b"".join(bytes([n]) * 9_000_000 for n in range(3))
    assert store.get_object("b", "child").read() == b"c" * 100
    with Store(LocalConfig(tmp_path)) as other:
        other.create_object("b", "after", "")
        store.close()
        assert leftovers(tmp_path, other) == []


def test_a_lock_that_a_fork_inherits_is_free_once_its_holder_is_killed(tmp_path: Path) -> None:
    """A thread of the parent writes all the time; the child must not keep what that thread holds."""

    def parent(pipe: Connection) -> None:
        store = Store(LocalConfig(tmp_path))
        store.create_bucket("b")
        thread = threading.Thread(target=overwrite, args=(store,), daemon=True)
        thread.start()
        for _ in range(20):
            time.sleep(0.002)
            if os.fork() == 0:
                time.sleep(60)
                os._exit(0)
        pipe.send("forked")
        time.sleep(60)

    def overwrite(store: Store) -> None:
        while True:
            store.create_object("b", "key", "x")

    mine, theirs = FORKS.Pipe(duplex=False)
    process = FORKS.Process(target=in_group, args=(parent, theirs))
    process.start()
    try:
        assert mine.recv() == "forked"
        process.kill()  # its children live on
        process.join()
        with Store(LocalConfig(tmp_path)) as store:
            done = threading.Event()

            def write() -> None:
                store.create_object("b", "key", "y")
                done.set()

            threading.Thread(target=write, daemon=True).start()
            assert done.wait(30), "a child of the dead keeps the lock"
            assert store.get_object("b", "key").read() == b"y"
    finally:
        os.killpg(process.pid or 0, signal.SIGKILL)
        mine.close()
        theirs.close()


def in_group(function: object, pipe: Connection) -> None:
    os.setpgid(0, 0)
    function(pipe)  # type: ignore[operator]


def test_a_bucket_deleted_by_another_process_is_missed_by_every_verb(
    store: Store, tmp_path: Path
) -> None:
    with Store(LocalConfig(tmp_path)) as other:
        other.delete_bucket("b")
    for verb in (
        lambda: store.create_object("b", "k", "x"),
        lambda: store.create_object("b", "k//", "x"),
        lambda: store.get_object("b", "k"),
        lambda: store.delete_object("b", "k"),
        lambda: store.get_all_objects("b"),
        lambda: store.create_multipart_upload("b", "k"),
        lambda: store.set_metadata("b", "k", {}),
    ):
        with pytest.raises(BucketNotFoundError):
            verb()
    assert leftovers(tmp_path, store) == []


@pytest.mark.parametrize("key", ["natural", "folder/natural", "shadow//"])
def test_no_write_is_lost_while_its_bucket_is_deleted_and_created(tmp_path: Path, key: str) -> None:
    """What was acknowledged is there, unless a deletion was acknowledged after it had begun."""

    seen: list[str] = []

    def flip() -> None:
        end = time.monotonic() + 30
        with Store(LocalConfig(tmp_path)) as store:
            tries = 0
            while (tries < 300 or not seen or not written) and time.monotonic() < end:
                tries += 1
                try:
                    store.delete_bucket("b")
                    seen.append("deleted")
                    store.create_bucket("b")
                except BucketNotEmptyError:
                    continue

    with Store(LocalConfig(tmp_path)) as store:
        store.create_bucket("b")
        written: list[str] = []
        thread = threading.Thread(target=flip)
        thread.start()
        lost = 0
        while thread.is_alive():
            try:
                store.create_object("b", key, "x")
            except BucketNotFoundError:
                continue
            written.append(key)
            # Not empty any more: from here on nobody can delete the bucket.
            try:
                store.get_object("b", key)
            except FileNotFoundError:
                lost += 1
            store.delete_object("b", key)
        thread.join()
        assert lost == 0
        assert written
        assert seen


def test_close_removes_the_temporary_folder_and_waits_for_nobody(tmp_path: Path) -> None:
    store = Store(LocalConfig(tmp_path))
    store.create_bucket("b")
    store.create_object("b", "k", b"x" * 100_000)
    found = store.get_object("b", "k")
    store.close()
    assert list((tmp_path / ".cloudstore/tmp").iterdir()) == []
    with pytest.raises(StoreClosedError):
        store.get_object("b", "k")
    with pytest.raises(StoreClosedError):
        found.read()
    found.close()


def test_no_file_stays_open(tmp_path: Path) -> None:
    gc.collect()
    before = len(os.listdir("/dev/fd"))
    for _ in range(3):
        with Store(LocalConfig(tmp_path)) as store:
            if not store.bucket_exists("b"):
                store.create_bucket("b")
            for key in ("k", "a/b/c", "x//"):
                store.create_object("b", key, b"x" * 100_000)
                store.get_object("b", key).read()
                store.get_object("b", key).close()
                store.set_metadata("b", key, {"a": "1"})
                store.copy_object("b", key, "b", "copy")
                store.get_all_objects("b", delimiter="/")
                for missing in ("none", "none/x", f"{key}/none"):
                    assert not store.object_exists("b", missing)
            upload = store.create_multipart_upload("b", "m")
            upload.upload_part(1, "x")
            upload.complete()
            during = len(os.listdir("/dev/fd"))
            for _ in range(5):
                store.get_object("b", "k").read()
                store.create_object("b", "k", "x")
            assert len(os.listdir("/dev/fd")) == during
    assert len(os.listdir("/dev/fd")) == before
