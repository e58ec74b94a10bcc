"""Links are never followed: nothing outside the root is read, written, listed or deleted."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudstore import (
    BucketAlreadyExistsError,
    BucketNotEmptyError,
    BucketNotFoundError,
    ConfigError,
    LocalConfig,
    ObjectNotFoundError,
    Store,
)


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    (folder / "sub").mkdir(parents=True)
    (folder / "secret").write_text("secret")
    (folder / "sub/deep").write_text("deep")
    return folder


@pytest.fixture
def store(tmp_path: Path, outside: Path) -> Iterator[Store]:
    """A bucket with links of every kind to what is outside."""
    before = snapshot(outside)
    with Store(LocalConfig(tmp_path / "root")) as store:
        store.create_bucket("b")
        bucket = tmp_path / "root/b"
        (bucket / "file").symlink_to(outside / "secret")
        (bucket / "folder").symlink_to(outside)
        (bucket / "relative").symlink_to("../../outside/secret")
        (bucket / "nowhere").symlink_to(outside / "not-there")
        (bucket / "real").mkdir()
        (bucket / "real/folder").symlink_to(outside / "sub")
        yield store
        assert snapshot(outside) == before


def snapshot(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    found = {}
    for path in folder.rglob("*"):
        data = path.read_bytes() if path.is_file() else b""
        found[str(path)] = (path.stat().st_ino, path.stat().st_mtime_ns, data)
    return found


LINKED = [
    "file",
    "folder",
    "relative",
    "nowhere",
    "folder/secret",
    "folder/sub/deep",
    "real/folder/deep",
]
NEW = ["folder/new", "real/folder/new", "nowhere/new", "file/new"]


@pytest.mark.parametrize("key", LINKED)
def test_what_a_link_leads_to_is_not_there(store: Store, key: str) -> None:
    assert not store.object_exists("b", key)
    with pytest.raises(ObjectNotFoundError):
        store.get_object("b", key)
    with pytest.raises(ObjectNotFoundError):
        store.copy_object("b", key, "b", "copy")
    with pytest.raises(ObjectNotFoundError):
        store.set_metadata("b", key, {"a": "1"})


@pytest.mark.parametrize("key", LINKED + NEW)
def test_a_write_goes_elsewhere_and_leaves_the_link(
    store: Store, tmp_path: Path, outside: Path, key: str
) -> None:
    links = {path: os.readlink(path) for path in (tmp_path / "root/b").rglob("*") if path.is_symlink()}
    store.create_object("b", key, "mine", metadata={"m": "1"})
    assert store.get_object("b", key).read() == b"mine"
    store.set_metadata("b", key, {"m": "2"})
    store.copy_object("b", key, "b", f"{key}-copy")
    assert [entry.key for entry in store.get_all_objects("b")] == [key, f"{key}-copy"]
    store.delete_object("b", key)
    store.delete_object("b", f"{key}-copy")
    assert store.get_all_objects("b") == []
    assert {path: os.readlink(path) for path in links} == links


@pytest.mark.parametrize("key", LINKED + NEW)
def test_deleting_what_is_not_there_leaves_the_link(store: Store, tmp_path: Path, key: str) -> None:
    store.delete_object("b", key)
    store.delete_objects("b", [key])
    assert sum(path.is_symlink() for path in (tmp_path / "root/b").rglob("*")) == 5


@pytest.mark.parametrize("delimiter", ["", "/"])
def test_listings_pass_links_by(store: Store, delimiter: str) -> None:
    assert store.get_all_objects("b", delimiter=delimiter) == []
    assert store.get_all_objects("b", "folder/", delimiter=delimiter) == []
    assert store.get_all_objects("b", "real/folder/", delimiter=delimiter) == []


def test_a_bucket_of_links_is_not_deleted(store: Store) -> None:
    with pytest.raises(BucketNotEmptyError):
        store.delete_bucket("b")
    with pytest.raises(BucketNotEmptyError):
        store.delete_bucket("b", force=True)


def test_a_link_is_no_bucket(store: Store, tmp_path: Path, outside: Path) -> None:
    (tmp_path / "root/linked").symlink_to(outside)
    assert [bucket.name for bucket in store.get_all_buckets()] == ["b"]
    for verb in (
        lambda: store.get_object("linked", "secret"),
        lambda: store.create_object("linked", "new", "x"),
        lambda: store.create_object("linked", "new//", "x"),
        lambda: store.create_object("linked", "new", b"x" * 100_000),
        lambda: store.delete_object("linked", "secret"),
        lambda: store.get_all_objects("linked"),
        lambda: store.create_multipart_upload("linked", "k"),
        lambda: store.delete_bucket("linked"),
    ):
        with pytest.raises(BucketNotFoundError):
            verb()
    with pytest.raises(BucketAlreadyExistsError):
        store.create_bucket("linked")


def test_the_driver_s_own_folders_are_no_links(tmp_path: Path, outside: Path) -> None:
    root = tmp_path / "linked-root"
    root.mkdir()
    (root / ".cloudstore").symlink_to(outside)
    with pytest.raises(ConfigError, match="cannot be used"):
        Store(LocalConfig(root))


def test_the_root_itself_may_be_a_link(tmp_path: Path, outside: Path) -> None:
    (tmp_path / "real-root").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real-root")
    with Store(LocalConfig(tmp_path / "link")) as store:
        store.create_bucket("b")
        store.create_object("b", "k", "x")
    assert (tmp_path / "real-root/b/k").read_text() == "x"
