"""Copies of objects in parts: ours, and those that other tools have made of them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from cloudstore import (
    NotModifiedError,
    ObjectNotFoundError,
    PreconditionFailedError,
    Store,
    SwiftConfig,
    TransferConfig,
    UnavailableError,
)
from cloudstore.driver import Flow, OpContext
from cloudstore.errors import CloudStoreError
from cloudstore.model import Part, UploadRef
from cloudstore.providers.swift import SwiftDriver
from cloudstore.providers.swift_segments import Source
from tests.servers.swift_server import Swift
from tests.swift.harness import config_of
from tests.swift.test_segments import LARGE, PART, left, make_store, segments

OTHER = LARGE[::-1]


@pytest.fixture(scope="module")
def store(swift: Swift) -> Iterator[Store]:
    with make_store(swift) as made:
        yield made


@pytest.fixture
def bucket(store: Store, request: pytest.FixtureRequest) -> Iterator[str]:
    name = f"c{abs(hash(request.node.nodeid)):x}"
    store.create_bucket(name)
    yield name
    store.delete_bucket(name, force=True)
    assert f"{name}_segments" not in [row["name"] for row in store.native.get_account()[1]]


def check_conditions(store: Store, bucket: str, key: str, data: bytes) -> None:
    """The object's own ETag is the one that counts, and no other."""
    etag = store.head_object(bucket, key).etag
    assert store.head_object(bucket, key, if_match=etag).etag == etag
    found = store.get_object(bucket, key, if_match=etag)
    assert (found.etag, found.read()) == (etag, data)
    assert store.get_object(bucket, key, start=3, end=17, if_match=etag).read() == data[3:17]
    assert store.get_object(bucket, key, if_none_match="0" * 32).read() == data
    for read in (store.get_object, store.head_object):
        with pytest.raises(NotModifiedError):
            read(bucket, key, if_none_match=etag)
        with pytest.raises(PreconditionFailedError):
            read(bucket, key, if_match="0" * 32)


def is_in_parts(store: Store, bucket: str, key: str) -> bool:
    return store.native.head_object(bucket, key).get("x-static-large-object") == "True"


def test_a_copy_is_known_by_its_own_etag(store: Store, bucket: str) -> None:
    store.create_object(bucket, "k", LARGE)
    store.copy_object(bucket, "k", bucket, "copy")
    store.copy_object(bucket, "copy", bucket, "again")
    for key in ("copy", "again"):
        assert is_in_parts(store, bucket, key)
        check_conditions(store, bucket, key, LARGE)
    etag = store.head_object(bucket, "copy").etag
    with pytest.raises(PreconditionFailedError):
        store.copy_object(bucket, "copy", bucket, "pinned", source_if_match="0" * 32)
    assert store.object_exists(bucket, "pinned") is False
    store.copy_object(bucket, "copy", bucket, "pinned", source_if_match=etag)
    store.move_object(bucket, "copy", bucket, "moved")
    assert store.get_object(bucket, "moved").read() == LARGE
    assert len(segments(store, bucket)) == 4 * 4


def test_a_copy_keeps_what_it_is_not_given(store: Store, bucket: str) -> None:
    options: dict[str, Any] = {
        "content_type": "image/png",
        "content_disposition": "inline",
        "cache_control": "no-store",
    }
    metadata = {"a": "ä", "long": "x" * 600, "none": ""}
    store.create_object(bucket, "k", LARGE, **options, metadata=metadata, expires_in=900)
    store.create_bucket(f"{bucket}2")
    store.copy_object(bucket, "k", f"{bucket}2", "copy")
    source, copy = store.head_object(bucket, "k"), store.head_object(f"{bucket}2", "copy")
    assert {name: getattr(copy, name) for name in options} == options
    assert (copy.metadata, copy.etag, copy.expires_at) == (metadata, source.etag, source.expires_at)
    assert copy.expires_at is not None
    for name in left(store, f"{bucket}2"):
        at = int(store.native.head_object(f"{bucket}2_segments", name)["x-delete-at"])
        assert 3600 < at - copy.expires_at.timestamp() < 2 * 24 * 3600
    assert len(left(store, f"{bucket}2")) == 5
    store.delete_bucket(f"{bucket}2", force=True)


def test_a_copy_replaces_what_it_is_given(store: Store, bucket: str) -> None:
    store.create_object(bucket, "k", LARGE, content_type="image/png", metadata={"a": "1"})
    store.copy_object(bucket, "k", bucket, "copy", metadata={"b": "2"}, expires_in=900)
    copy = store.head_object(bucket, "copy")
    assert (copy.content_type, copy.metadata) == ("image/png", {"b": "2"})
    assert copy.expires_at is not None


def test_a_copy_onto_itself_changes_only_its_head(store: Store, bucket: str) -> None:
    store.create_object(bucket, "k", LARGE, content_type="image/png")
    before, parts = store.head_object(bucket, "k"), segments(store, bucket)
    store.copy_object(bucket, "k", bucket, "k", metadata={"b": "2"}, source_if_match=before.etag)
    after = store.head_object(bucket, "k")
    assert (after.etag, after.content_type, after.metadata) == (before.etag, "image/png", {"b": "2"})
    check_conditions(store, bucket, "k", LARGE)
    assert len(segments(store, bucket)) == 4
    assert not set(segments(store, bucket)) & set(parts), "shared segments"


class Disturbed(SwiftDriver):
    """Something happens whenever the second part of a copy is about to be copied."""

    def __init__(self, config: SwiftConfig) -> None:
        super().__init__(config)
        self.limits = replace(self.limits, min_part_size=1)
        self.happens: Callable[[], object] = int

    def _copy_source(self, ctx: OpContext, ref: UploadRef, number: int, source: Source) -> Flow[Part]:
        if number == 2:
            self.happens()
        return (yield from super()._copy_source(ctx, ref, number, source))


@pytest.fixture
def disturbed(swift: Swift) -> Iterator[tuple[Store, Disturbed]]:
    driver = Disturbed(config_of(swift))
    transfer = TransferConfig(multipart_threshold=PART, part_size=PART)
    with Store(driver, transfer=transfer) as made:
        yield made, driver


@pytest.mark.parametrize("data", [OTHER, b"small"], ids=["large", "small"])
def test_a_source_that_is_replaced_is_copied_as_it_is_then(
    store: Store, disturbed: tuple[Store, Disturbed], bucket: str, data: bytes
) -> None:
    copying, driver = disturbed
    store.create_object(bucket, "k", LARGE, content_type="image/png")
    once = iter([lambda: store.create_object(bucket, "k", data, content_type="text/css")])
    driver.happens = lambda: next(once, int)()
    copying.copy_object(bucket, "k", bucket, "copy")
    found = store.get_object(bucket, "copy")
    assert (found.content_type, found.read()) == ("text/css", data)
    assert len(segments(store, bucket)) == (8 if data == OTHER else 0)
    assert store.list_multipart_uploads(bucket) == []


@pytest.mark.parametrize("case", ["pinned", "deleted", "never at rest"])
def test_a_source_that_is_lost_leaves_no_copy(
    store: Store, disturbed: tuple[Store, Disturbed], bucket: str, case: str
) -> None:
    copying, driver = disturbed
    etag = store.create_object(bucket, "k", LARGE).etag
    expected: type[CloudStoreError] = PreconditionFailedError
    options: dict[str, Any] = {}
    driver.happens = lambda: store.create_object(bucket, "k", OTHER)
    if case == "pinned":
        options = {"source_if_match": etag}
    elif case == "deleted":
        driver.happens = lambda: store.delete_object(bucket, "k")
        expected = ObjectNotFoundError
    else:
        expected = UnavailableError
    with pytest.raises(expected) as caught:
        copying.copy_object(bucket, "k", bucket, "copy", **options)
    assert caught.value.outcome == "not_applied"
    assert store.object_exists(bucket, "copy") is False
    assert len(segments(store, bucket)) == 4 * (case != "deleted")
    assert store.list_multipart_uploads(bucket) == []


def test_a_copy_that_fails_leaves_nothing(
    store: Store, disturbed: tuple[Store, Disturbed], bucket: str
) -> None:
    class Broken(Exception):
        pass

    def fail() -> None:
        raise Broken

    copying, driver = disturbed
    store.create_object(bucket, "k", LARGE)
    store.create_object(bucket, "copy", OTHER)
    driver.happens = fail
    with pytest.raises(Broken):
        copying.copy_object(bucket, "k", bucket, "copy")
    assert store.get_object(bucket, "copy").read() == OTHER
    assert len(segments(store, bucket)) == 8
    assert store.list_multipart_uploads(bucket) == []


# --- what other tools have made -------------------------------------------------------------------


@pytest.fixture
def foreign(store: Store, bucket: str) -> str:
    """The key of an object in one piece that still holds the ETag of the one in parts; that one's."""
    etag = store.create_object(bucket, "k", LARGE, metadata={"a": "1"}).etag
    store.native.copy_object(bucket, "k", f"/{bucket}/foreign")
    assert not is_in_parts(store, bucket, "foreign")
    assert store.native.head_object(bucket, "foreign", headers={"if-match": f'"{etag}"'}), "mended?"
    assert etag is not None
    return etag


def test_a_foreign_copy_is_known_by_its_own_etag(store: Store, bucket: str, foreign: str) -> None:
    check_conditions(store, bucket, "foreign", LARGE)
    for read in (store.get_object, store.head_object):
        with pytest.raises(PreconditionFailedError):
            read(bucket, "foreign", if_match=foreign)
        assert read(bucket, "foreign", if_none_match=foreign).etag != foreign


def test_a_foreign_copy_is_copied_and_moved(store: Store, bucket: str, foreign: str) -> None:
    etag = store.head_object(bucket, "foreign").etag
    with pytest.raises(PreconditionFailedError):
        store.copy_object(bucket, "foreign", bucket, "pinned", source_if_match=foreign)
    assert store.object_exists(bucket, "pinned") is False
    store.copy_object(bucket, "foreign", bucket, "plain")
    store.copy_object(bucket, "foreign", bucket, "changed", metadata={"b": "2"})
    store.copy_object(bucket, "foreign", bucket, "pinned", source_if_match=etag)
    store.move_object(bucket, "foreign", bucket, "moved")
    for key in ("plain", "changed", "pinned", "moved"):
        check_conditions(store, bucket, key, LARGE)
        expected = {"b": "2"} if key == "changed" else {"a": "1"}
        assert store.head_object(bucket, key).metadata == expected
    assert store.object_exists(bucket, "foreign") is False
    assert store.list_multipart_uploads(bucket) == []


@pytest.mark.parametrize("first", [True, False], ids=["segments unknown", "segments known"])
def test_copy_of_what_others_made_in_parts(
    store: Store, swift: Swift, bucket: str, first: bool
) -> None:
    """It may name ranges: its copy has one part. Without that knowledge it is a foreign copy."""
    native = store.native
    native.put_container(f"{bucket}_other")
    native.put_object(f"{bucket}_other", "s", LARGE)
    rows = [{"path": f"/{bucket}_other/s", "range": span} for span in ("0-4", "10-29")]
    if not first:
        store.create_multipart_upload(bucket, "any").abort()
    native.put_object(bucket, "k", json.dumps(rows), query_string="multipart-manifest=put")
    data = LARGE[:5] + LARGE[10:30]
    store.copy_object(bucket, "k", bucket, "copy")
    assert is_in_parts(store, bucket, "copy") is not first
    check_conditions(store, bucket, "copy", data)
    store.move_object(bucket, "copy", bucket, "moved")
    check_conditions(store, bucket, "moved", data)
    assert len(segments(store, bucket)) == 1
    native.delete_object(f"{bucket}_other", "s")
    native.delete_container(f"{bucket}_other")
    assert store.get_object(bucket, "moved").read() == data


def test_a_source_that_many_replace_is_never_copied_as_a_mixture(store: Store, bucket: str) -> None:
    texts = [text * 3 for text in ("one-------!", "two-------?", "three-----.")]

    def replace_it(text: str) -> None:
        for _ in range(3):
            store.create_object(bucket, "k", text.encode())

    store.create_object(bucket, "k", texts[0].encode())
    with ThreadPoolExecutor(len(texts)) as pool:
        writing = [pool.submit(replace_it, text) for text in texts]
        while not all(done.done() for done in writing):
            with contextlib.suppress(UnavailableError):
                store.copy_object(bucket, "k", bucket, "copy")
                assert store.get_object(bucket, "copy").read().decode() in texts
    for done in writing:
        done.result()
    store.copy_object(bucket, "k", bucket, "copy")
    assert store.get_object(bucket, "copy").read() == store.get_object(bucket, "k").read()
    assert store.list_multipart_uploads(bucket) == []
    assert len(segments(store, bucket)) == 8
