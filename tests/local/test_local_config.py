"""LocalConfig: URLs, roots that cannot be used, the key that signs."""

from __future__ import annotations

import os
import pickle
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cloudstore import (
    ConfigError,
    LocalConfig,
    Store,
    StoreFactory,
    UnsupportedError,
)
from cloudstore.config import Config
from cloudstore.factory import config_from


@pytest.mark.parametrize(
    ("url", "root", "fsync"),
    [
        ("file:///var/data", "/var/data", False),
        ("file:///var/data?fsync=true", "/var/data", True),
        ("file://localhost/var/data", "/var/data", False),
        ("file:/var/data", "/var/data", False),
        ("file:///var/my%20data%3F%23/%C3%A9", "/var/my data?#/é", False),
        ("file:///a%2Fb", "/a/b", False),
        ("file:///", "/", False),
    ],
)
def test_urls(url: str, root: str, fsync: bool) -> None:
    config = config_from(url)
    assert isinstance(config, LocalConfig)
    assert (config.root, config.fsync) == (root, fsync)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("file://host/var/data", "host"),
        ("file://var/data", "three slashes"),
        ("file:relative/data", "absolute"),
        ("file:", "absolute"),
        ("file://", "absolute"),
        ("file:///var/data#part", "%23"),
        ("file:///var/data?sync=true", "fsync"),
        ("file:///var/data?fsync=yes", "true or false"),
        ("file:///a%00b", "NUL|text"),
        ("file:///a?root=/b", "root"),
    ],
)
def test_urls_that_are_refused(url: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        config_from(url)
    assert caught.value.vendor == "file"


@pytest.mark.parametrize("root", ["", None, 7, b"/var/data", "a\0b"])
def test_roots_that_are_none(root: object) -> None:
    with pytest.raises(ConfigError, match="root"):
        LocalConfig(root)  # type: ignore[arg-type]


def test_a_path_or_text_a_mapping_or_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = LocalConfig(str(tmp_path))
    assert LocalConfig(tmp_path) == expected
    assert LocalConfig.from_mapping({"root": tmp_path}) == expected
    assert pickle.loads(pickle.dumps(expected)) == expected
    monkeypatch.setenv("FILE_ROOT", str(tmp_path))
    made: Config = config_from("file")
    assert made == expected
    monkeypatch.chdir(tmp_path)
    assert LocalConfig(".") == expected


def test_the_root_is_made_and_native(tmp_path: Path) -> None:
    root = tmp_path / "not/yet/there"
    with StoreFactory.create(root.as_uri()) as store:
        assert store.native == root
        assert root.is_dir()
        assert repr(store) == f"<Store: {root.as_uri()}>"


def make_file(root: Path) -> None:
    root.write_text("a file")


def make_below_file(root: Path) -> None:
    (root.parent / "file").write_text("a file")
    root.symlink_to(root.parent / "file/below")


def make_broken_inside(root: Path) -> None:
    root.mkdir()
    (root / ".cloudstore").write_text("a file")


@pytest.mark.parametrize("make", [make_file, make_below_file, make_broken_inside])
def test_a_root_that_is_no_directory(tmp_path: Path, make: Callable[[Path], None]) -> None:
    root = tmp_path / "root"
    make(root)
    before = len(os.listdir("/dev/fd"))
    with pytest.raises(ConfigError, match="cannot be used") as caught:
        Store(LocalConfig(root))
    assert caught.value.vendor == "file"
    assert str(root) in str(caught.value)
    assert len(os.listdir("/dev/fd")) == before


READ_ONLY = """
import sys
from cloudstore import LocalConfig, PermissionDeniedError, Store
try:
    Store(LocalConfig(sys.argv[1]))
except PermissionDeniedError as exc:
    print(exc.vendor, exc)
"""


@pytest.mark.parametrize("used_before", [False, True])
def test_a_root_that_cannot_be_written(tmp_path: Path, used_before: bool) -> None:
    """A read-only mount, in a namespace of its own: mode bits do not bind the superuser."""
    if used_before:
        Store(LocalConfig(tmp_path)).close()
    script = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && exec "$2" -c "$3" "$1"'
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, "sh", str(tmp_path), sys.executable, READ_ONLY],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )
    assert done.stdout.startswith("file the root "), done.stderr
    assert "cannot be used" in done.stdout


def test_presigned_urls_need_a_public_url(tmp_path: Path) -> None:
    with Store(LocalConfig(tmp_path)) as store, pytest.raises(UnsupportedError):
        store.presign("b", "k")
    assert not (tmp_path / ".cloudstore/signing-key").exists()


def test_all_stores_of_a_root_sign_with_one_key_that_others_cannot_read(tmp_path: Path) -> None:
    config = LocalConfig(tmp_path, public_url="http://127.0.0.1:8000")
    with Store(config) as one, Store(config) as other:
        secrets = {store._driver.development_secret.reveal() for store in (one, other)}  # type: ignore[attr-defined]
    kept = tmp_path / ".cloudstore/signing-key"
    assert secrets == {kept.read_text()}
    assert len(kept.read_text()) == 32
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    given = LocalConfig(tmp_path, public_url="http://127.0.0.1:8000", secret_key="given")  # type: ignore[arg-type]
    assert "given" not in repr(given)
    with Store(given) as store:
        assert store._driver.development_secret.reveal() == "given"  # type: ignore[attr-defined]
