"""Where objects lie on the disk, and what files placed or edited by hand are."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloudstore import (
    BucketNotEmptyError,
    ChecksumMismatchError,
    InvalidArgumentError,
    LocalConfig,
    ObjectNotFoundError,
    PreconditionFailedError,
    Store,
    UploadNotFoundError,
    UploadRef,
)
from cloudstore.bodies import FilePayload
from cloudstore.disk.layout import MAX_DEPTH, natural_names, shadow_key, shadow_names
from cloudstore.model import PutOptions
from tests.local.leftovers import leftovers


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


@pytest.fixture
def store(root: Path) -> Iterator[Store]:
    with Store(LocalConfig(root)) as store:
        store.create_bucket("b")
        yield store


def keys(store: Store, prefix: str = "", delimiter: str = "") -> list[str]:
    listed = store.get_all_objects("b", prefix, delimiter=delimiter)
    return [getattr(entry, "prefix", None) or entry.key for entry in listed]


def tree(folder: Path) -> dict[str, bytes | None]:
    """Everything below a folder: files with their bytes, links with where they point."""
    found: dict[str, bytes | None] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = os.fsencode(os.readlink(path))
        else:
            found[name] = path.read_bytes() if path.is_file() else None
    return found


# --- names ----------------------------------------------------------------------------------------

KEYS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60),
    st.text(st.sampled_from("aA./%+$é\0 ~\\\n"), min_size=1, max_size=30),
    st.text(st.sampled_from("ab/"), min_size=200, max_size=1000),
).filter(lambda key: len(key.encode()) <= 1024 and not key.startswith(".cloudstore/"))


@given(KEYS)
def test_names_in_the_shadow_say_the_key_and_are_safe_anywhere(key: str) -> None:
    names = shadow_names(key)
    assert shadow_key(names) == key
    assert names[-1].endswith("$")
    assert all(name.endswith("+") for name in names[:-1])
    for name in names:
        assert len(name) <= 143
        assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789_-.%+$")


@given(KEYS, KEYS)
def test_no_two_keys_share_a_place_in_the_shadow(first: str, second: str) -> None:
    one, other = shadow_names(first), shadow_names(second)
    assert (one == other) == (first == second)
    # A file of one is never a folder of the other.
    assert one[-1] not in other[:-1]


@given(KEYS)
def test_natural_names_are_the_key_and_stay_below(key: str) -> None:
    names = natural_names(key)
    if names is not None:
        assert "/".join(names) == key
        assert not {"", ".", ".."} & set(names)


@pytest.mark.parametrize(
    "names", [["%61$"], ["A$"], ["a+"], ["a"], ["%4$"], ["a+", "b$"], ["%ff$"], ["%c3%a9$", "x$"]]
)
def test_foreign_files_in_the_shadow_are_no_keys(names: list[str]) -> None:
    assert shadow_key(names) is None


# --- places ---------------------------------------------------------------------------------------


def test_an_object_is_a_file_at_its_natural_path(store: Store, root: Path) -> None:
    store.create_object("b", "css/site.css", "x")
    assert (root / "b/css/site.css").read_bytes() == b"x"


@pytest.mark.parametrize("order", [("a", "a/b"), ("a/b", "a")])
def test_a_key_beside_one_that_is_a_folder_of_it(
    store: Store, root: Path, order: tuple[str, str]
) -> None:
    for key in order:
        store.create_object("b", key, key, metadata={"k": key})
    assert (root / "b" / order[0]).is_file()
    assert len(list((root / ".cloudstore/shadow/b").glob("**/*$"))) == 1
    assert keys(store) == ["a", "a/b"]
    assert keys(store, delimiter="/") == ["a/", "a"]
    for key in order:
        found = store.get_object("b", key)
        assert (found.read(), found.metadata) == (key.encode(), {"k": key})
    # Once the natural place is free, the next write goes there and nothing stays in the shadow.
    store.delete_object("b", order[0])
    assert keys(store) == [order[1]]
    store.create_object("b", order[1], "again")
    assert (root / "b" / order[1]).read_bytes() == b"again"
    assert list((root / ".cloudstore/shadow").iterdir()) == []
    assert leftovers(root, store) == []


def test_a_chain_of_keys_within_keys(store: Store, root: Path) -> None:
    chain = ["a", "a/", "a/b", "a/b/", "a/b/c", "a//", "a/b/c/d"]
    for key in chain:
        store.create_object("b", key, key)
    assert keys(store) == sorted(chain)
    for key in chain:
        assert store.get_object("b", key).read() == key.encode()
    for key in chain:
        store.delete_object("b", key)
        assert not store.object_exists("b", key)
    assert tree(root / "b") == {}
    assert leftovers(root, store) == []


def test_empty_folders_go_with_the_last_object_but_not_the_bucket(store: Store, root: Path) -> None:
    store.create_object("b", "x/y/z", "1")
    store.create_object("b", "x/other", "2")
    store.delete_object("b", "x/y/z")
    assert tree(root / "b") == {"x": None, "x/other": b"2"}
    store.delete_object("b", "x/other")
    assert tree(root / "b") == {}
    assert store.bucket_exists("b")


@pytest.mark.parametrize(
    "key",
    ["n" * 255, "n" * 256, "é" * 127, "é" * 128, "d/" * (MAX_DEPTH - 1) + "x", "d/" * MAX_DEPTH + "x"],
)
def test_names_too_long_or_deep_for_files(store: Store, root: Path, key: str) -> None:
    store.create_object("b", key, "x", metadata={"m": "1"})
    assert store.get_object("b", key).read() == b"x"
    assert store.get_metadata("b", key) == {"m": "1"}
    assert keys(store) == [key]
    is_natural = len(max(key.split("/")).encode()) <= 255 and key.count("/") < MAX_DEPTH
    assert tree(root / "b").get(key) == (b"x" if is_natural else None)
    store.delete_object("b", key)
    assert (tree(root / "b"), leftovers(root, store)) == ({}, [])


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(KEYS, st.binary(max_size=20), min_size=1, max_size=6))
def test_any_keys_side_by_side_and_nothing_else_touched(
    store: Store, root: Path, objects: dict[str, bytes]
) -> None:
    sibling = root.parent / "sibling"
    sibling.mkdir(exist_ok=True)
    (sibling / "a").write_bytes(b"not ours")
    (root / "Not.a.bucket").mkdir(exist_ok=True)
    (root / "Not.a.bucket/a").write_bytes(b"not ours")
    outside = {path: tree(path) for path in (sibling, root / "Not.a.bucket")}
    for key, data in objects.items():
        store.create_object("b", key, data, metadata={"data": data.hex()})
    assert keys(store) == sorted(objects)
    for key, data in objects.items():
        found = store.get_object("b", key)
        assert (found.read(), found.metadata) == (data, {"data": data.hex()})
    for key in objects:
        store.delete_object("b", key)
        assert not store.object_exists("b", key)
    assert keys(store) == []
    assert tree(root / "b") == {}
    assert {path: tree(path) for path in outside} == outside
    assert sorted(path.name for path in root.parent.iterdir()) == ["root", "sibling"]
    assert leftovers(root, store) == []


def test_folders_of_other_names_are_no_buckets(store: Store, root: Path) -> None:
    (root / "Photos").mkdir()
    (root / "lost+found").mkdir()
    (root / "a-file").write_text("x")
    (root / "a-link").symlink_to(root / "b")
    assert [bucket.name for bucket in store.get_all_buckets()] == ["b"]
    assert not store.bucket_exists("a-file")
    assert not store.bucket_exists("a-link")


# --- by hand --------------------------------------------------------------------------------------


def test_a_file_placed_by_hand_is_an_object(store: Store, root: Path) -> None:
    (root / "b/img").mkdir()
    (root / "b/img/logo.png").write_bytes(b"png")
    found = store.get_object("b", "img/logo.png")
    assert (found.read(), found.metadata, found.content_type) == (b"png", {}, "image/png")
    assert found.checksums == {}
    assert keys(store) == ["img/logo.png"]
    [listed] = store.get_all_objects("b")
    assert (listed.etag, listed.size) == (found.etag, 3)
    store.set_metadata("b", "img/logo.png", {"now": "mine"})
    found = store.get_object("b", "img/logo.png")
    assert (found.read(), found.metadata, found.content_type) == (b"png", {"now": "mine"}, "image/png")
    store.delete_object("b", "img/logo.png")
    assert tree(root / "b") == {}
    assert leftovers(root, store) == []


def test_a_bucket_made_by_hand_is_a_bucket(store: Store, root: Path) -> None:
    (root / "hand").mkdir()
    assert store.get_bucket("hand").created_at is None
    store.create_object("hand", "x//", "1")
    store.delete_object("hand", "x//")
    store.delete_bucket("hand")
    assert not (root / "hand").exists()


@pytest.mark.parametrize("replaced", [False, True])
def test_an_edit_by_hand_sheds_metadata_and_etag(store: Store, root: Path, replaced: bool) -> None:
    made = store.create_object("b", "k", "one", metadata={"of": "one"})
    if replaced:
        (root / "edit").write_text("two")
        (root / "edit").rename(root / "b/k")
    else:
        (root / "b/k").write_text("two")
    found = store.get_object("b", "k")
    assert (found.read(), found.metadata, found.checksums) == (b"two", {}, {})
    assert found.etag != made.etag
    with pytest.raises(PreconditionFailedError):
        store.create_object("b", "k", "x", if_match=made.etag)
    store.create_object("b", "k", "three", metadata={"of": "three"}, if_match=found.etag)
    assert store.get_metadata("b", "k") == {"of": "three"}
    assert leftovers(root, store) == []


def test_what_a_bucket_removed_by_hand_had_does_not_come_back(store: Store, root: Path) -> None:
    store.create_object("b", "shadow//", "old")
    upload = store.create_multipart_upload("b", "k")
    (root / "b").rmdir()
    store.create_bucket("b")
    assert keys(store) == []
    assert store.list_multipart_uploads("b") == []
    with pytest.raises(UploadNotFoundError):
        upload.upload_part(1, "x")


def test_a_bucket_with_what_is_no_object_is_not_deleted(store: Store, root: Path) -> None:
    (root / "b/deep/er").mkdir(parents=True)
    os.mkfifo(root / "b/deep/er/pipe")
    assert keys(store) == []
    with pytest.raises(BucketNotEmptyError):
        store.delete_bucket("b")
    (root / "b/deep/er/pipe").unlink()
    store.delete_bucket("b")
    assert not (root / "b").exists()


@pytest.mark.parametrize("key", ["pipe", "pipe/x", "folder"])
def test_a_pipe_or_a_folder_in_the_place_of_an_object(store: Store, root: Path, key: str) -> None:
    os.mkfifo(root / "b/pipe")
    (root / "b/folder").mkdir()
    with pytest.raises(ObjectNotFoundError):
        store.get_object("b", key)
    store.delete_object("b", key)
    store.create_object("b", key, "x")
    assert store.get_object("b", key).read() == b"x"
    assert keys(store) == [key]
    store.delete_object("b", key)
    assert sorted(tree(root / "b")) == ["folder", "pipe"]


def test_names_that_are_no_text_or_no_keys_are_not_listed(store: Store, root: Path) -> None:
    os.mkdir(os.fsencode(root) + b"/b/\xff")
    (root / "b/.cloudstore").mkdir()
    (root / "b/.cloudstore/x").write_text("reserved")
    deep = root / "b" / Path(*["d"] * MAX_DEPTH)
    deep.mkdir(parents=True)
    (deep / "too-deep").write_text("x")
    (root / "b/good").write_text("x")
    assert keys(store) == ["good"]
    assert keys(store, delimiter="/") == ["good"]


# --- writes ---------------------------------------------------------------------------------------


def test_versions_of_a_key_never_share_an_etag(store: Store, root: Path) -> None:
    """Inodes come again at once, and the clock may stand still: times must differ all the same."""
    seen = set()
    for turn in range(300):
        if turn % 3 == 0:
            store.delete_object("b", "k")
        if turn % 5 == 0 and store.object_exists("b", "k"):
            store.set_metadata("b", "k", {"turn": str(turn)})
            seen.add(store.head_object("b", "k").etag)
        etag = store.create_object("b", "k", "same").etag
        assert etag not in seen
        seen.add(etag)


def test_a_version_later_than_the_clock_is_still_replaced_by_a_later_one(
    store: Store, root: Path
) -> None:
    store.create_object("b", "k", "1")
    far = 4_000_000_000_000_000_000
    os.utime(root / "b/k", ns=(far, far))
    first = store.head_object("b", "k")
    second = store.create_object("b", "k", "2", if_match=first.etag)
    assert (root / "b/k").stat().st_mtime_ns > far
    assert store.head_object("b", "k").etag == second.etag != first.etag


def test_a_source_that_shrinks_leaves_the_old_object_and_nothing_else(
    store: Store, root: Path, tmp_path: Path
) -> None:
    store.create_object("b", "k", "old", metadata={"m": "old"})
    source = tmp_path / "source"
    source.write_bytes(b"x" * 3_000_000)
    driver = store._driver
    with source.open("rb") as file:
        payload = FilePayload(file.fileno(), 0, 3_000_000)
        os.truncate(source, 2_000_000)
        ctx = store._operations.context("create_object", "b", "k")
        with pytest.raises(InvalidArgumentError, match="shorter"):
            store._run(ctx, driver.put_object(ctx, "b", "k", payload, PutOptions()))
        with pytest.raises(InvalidArgumentError, match="shorter"):
            store._run(ctx, driver.put_object(ctx, "b", "new", payload, PutOptions()))
    assert store.get_object("b", "k").read() == b"old"
    assert not store.object_exists("b", "new")
    assert leftovers(root, store) == []


def test_a_broken_promise_leaves_nothing(store: Store, root: Path) -> None:
    with pytest.raises(ChecksumMismatchError):
        store.create_object("b", "k", "x", checksum={"md5": "0" * 32})
    assert keys(store) == []
    assert leftovers(root, store) == []


@pytest.mark.parametrize("upload_id", ["../../b", "..", "", "a/b", "x" * 32, "0" * 32, "A" * 32, "\0"])
def test_an_upload_id_leads_nowhere_else(store: Store, root: Path, upload_id: str) -> None:
    (root / "manifest.json").write_text('{"bucket":"b","key":"k","checksums":{},"metadata":{}}')
    before = tree(root)
    with pytest.raises(UploadNotFoundError):
        store.resume_multipart_upload(UploadRef("file", "b", "k", upload_id))
    assert tree(root) == before


def test_a_part_damaged_on_the_disk_is_noticed(store: Store, root: Path) -> None:
    upload = store.create_multipart_upload("b", "k")
    upload.upload_part(1, "12345")
    [part] = (root / ".cloudstore/uploads").glob("*/00001.*")
    part.write_bytes(b"123")
    with pytest.raises(InvalidArgumentError, match="damaged"):
        upload.complete()
    assert not store.object_exists("b", "k")
    upload.abort()
    assert leftovers(root, store) == []


def test_damage_of_an_objects_bytes_is_noticed_by_its_reader(store: Store, root: Path) -> None:
    store.create_object("b", "k", b"x" * 100)
    times = (root / "b/k").stat()
    (root / "b/k").write_bytes(b"x" * 99 + b"y")
    os.utime(root / "b/k", ns=(times.st_atime_ns, times.st_mtime_ns))
    with pytest.raises(ChecksumMismatchError):
        store.get_object("b", "k").read()
    with pytest.raises(ChecksumMismatchError):
        store.copy_object("b", "k", "b", "copy")
    assert not store.object_exists("b", "copy")


def test_a_sidecar_that_power_loss_has_torn_is_none(store: Store, root: Path) -> None:
    store.create_object("b", "k", "data", metadata={"m": "1"})
    [sidecar] = (root / ".cloudstore/meta").iterdir()
    whole = sidecar.read_bytes()
    for torn in (whole[:-1], b"", bytes(len(whole)), whole[:40] + b"?" + whole[41:]):
        sidecar.write_bytes(torn)
        found = store.get_object("b", "k")
        assert (found.read(), found.metadata) == (b"data", {})
    store.create_object("b", "k", "data", metadata={"m": "2"})
    assert store.get_metadata("b", "k") == {"m": "2"}


def test_a_root_that_seems_to_fold_case_is_looked_at_closely_and_works(tmp_path: Path) -> None:
    (tmp_path / ".CLOUDSTORE").mkdir()
    with Store(LocalConfig(tmp_path)) as store:
        store.create_bucket("b")
        for key in ("Foo", "foo", "a/B", "a/b", "x//"):
            store.create_object("b", key, key, metadata={"k": "1"})
            store.create_object("b", key, key, metadata={"k": key})
        (tmp_path / "b/a/hand").write_text("placed")
        assert store.get_object("b", "a/hand").read() == b"placed"
        assert keys(store) == sorted(["Foo", "foo", "a/B", "a/b", "x//", "a/hand"])
        for key in ("Foo", "foo", "a/B", "a/b", "x//"):
            assert store.get_metadata("b", key) == {"k": key}
            store.delete_object("b", key)
        assert keys(store) == ["a/hand"]
