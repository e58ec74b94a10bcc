"""No segment is left behind, whatever becomes of a large object; seen by swiftclient, not by us."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from cloudstore import (
    CloudStoreError,
    InvalidPartError,
    Store,
    SwiftConfig,
    TransferConfig,
    UploadNotFoundError,
)
from cloudstore.driver import Flow, OpContext, Request
from cloudstore.model import Part
from cloudstore.providers.swift import SwiftDriver
from cloudstore.providers.swift_segments import LONGEST_KEY, SEGMENTS
from tests.servers.swift_server import Swift
from tests.swift.harness import config_of

PART = 10
LARGE = b"0123456789" * 3 + b"end"


@pytest.fixture(scope="module")
def store(swift: Swift) -> Iterator[Store]:
    with make_store(swift) as made:
        yield made


def make_store(swift: Swift) -> Store:
    """With small parts, so that everything above `PART` is in parts."""
    transfer = TransferConfig(multipart_threshold=PART, part_size=PART)
    driver = config_of(swift).create_driver()
    driver.limits = replace(driver.limits, min_part_size=1)
    return Store(driver, transfer=transfer)


@pytest.fixture
def bucket(store: Store, request: pytest.FixtureRequest) -> Iterator[str]:
    name = f"b{abs(hash(request.node.nodeid)):x}"
    store.create_bucket(name)
    yield name
    store.delete_bucket(name, force=True)
    assert f"{name}_segments" not in [row["name"] for row in store.native.get_account()[1]]


def left(store: Store, bucket: str) -> list[str]:
    """What stands beside a bucket."""
    return [row["name"] for row in store.native.get_container(f"{bucket}_segments")[1]]


def segments(store: Store, bucket: str) -> list[str]:
    return [name for name in left(store, bucket) if name.startswith(".cs/s/")]


def put_small(store: Store, bucket: str) -> None:
    store.create_object(bucket, "k", b"small")


def put_large(store: Store, bucket: str) -> None:
    store.create_object(bucket, "k", LARGE[::-1])


def copy_onto(store: Store, bucket: str) -> None:
    store.create_object(bucket, "source", b"small")
    store.copy_object(bucket, "source", bucket, "k")


def copy_large_onto(store: Store, bucket: str) -> None:
    store.create_object(bucket, "source", LARGE[::-1])
    store.move_object(bucket, "source", bucket, "k")


def copy_onto_itself(store: Store, bucket: str) -> None:
    store.copy_object(bucket, "k", bucket, "k", content_type="text/css")


def delete(store: Store, bucket: str) -> None:
    store.delete_object(bucket, "k")


def delete_many(store: Store, bucket: str) -> None:
    store.create_object(bucket, "k/b", LARGE)
    store.delete_objects(bucket, ["k/b", "missing", "k", "k"])


def move_away(store: Store, bucket: str) -> None:
    store.move_object(bucket, "k", bucket, "elsewhere")
    assert store.get_object(bucket, "elsewhere").read() == LARGE


ENDS: list[tuple[Callable[[Store, str], None], int]] = [
    (put_small, 0),
    (put_large, 4),
    (copy_onto, 0),
    (copy_large_onto, 4),
    (copy_onto_itself, 4),
    (delete, 0),
    (delete_many, 0),
    (move_away, 4),
]
"""What ends an object in parts, and how many segments there are then."""


@pytest.mark.parametrize(("end", "remain"), ENDS, ids=lambda value: getattr(value, "__name__", ""))
def test_no_segment_outlives_its_object(
    store: Store, bucket: str, end: Callable[[Store, str], None], remain: int
) -> None:
    store.create_object(bucket, "k", LARGE)
    assert len(segments(store, bucket)) == 4
    end(store, bucket)
    assert len(segments(store, bucket)) == remain
    assert len(left(store, bucket)) == remain + bool(remain), "a record is left"
    assert store.list_multipart_uploads(bucket) == []


def test_a_copy_shares_no_segment(store: Store, bucket: str) -> None:
    store.create_object(bucket, "k", LARGE, content_type="image/png", metadata={"a": "ä"})
    store.copy_object(bucket, "k", bucket, "copy")
    store.delete_object(bucket, "k")
    found = store.get_object(bucket, "copy")
    assert (found.read(), found.content_type, found.metadata) == (LARGE, "image/png", {"a": "ä"})
    assert len(segments(store, bucket)) == 4
    store.delete_object(bucket, "copy")
    assert left(store, bucket) == []


def test_metadata_of_a_large_object_is_changed_in_place(store: Store, bucket: str) -> None:
    store.create_object(
        bucket, "k", LARGE, content_type="image/png", content_disposition="inline", expires_in=999
    )
    before = store.head_object(bucket, "k")
    store.set_metadata(bucket, "k", {"a": "1"})
    after = store.head_object(bucket, "k")
    assert after.metadata == {"a": "1"}
    assert (after.content_type, after.content_disposition) == ("image/png", "inline")
    assert (after.etag, after.size, after.expires_at) == (before.etag, len(LARGE), before.expires_at)
    [listed] = store.get_all_objects(bucket)
    assert (listed.size, listed.etag) == (len(LARGE), before.etag)
    assert store.get_object(bucket, "k").read() == LARGE


def test_segments_expire_later_than_their_object(store: Store, bucket: str) -> None:
    store.create_object(bucket, "k", LARGE, expires_in=600)
    expires = store.head_object(bucket, "k").expires_at
    assert expires is not None
    for name in left(store, bucket):
        at = int(store.native.head_object(f"{bucket}_segments", name)["x-delete-at"])
        assert 3600 < at - expires.timestamp() < 2 * 24 * 3600
    assert len(left(store, bucket)) == 5


def test_aborted_upload_leaves_nothing(store: Store, bucket: str) -> None:
    upload = store.create_multipart_upload(bucket, "k")
    for number in (1, 2, 2, 3):
        upload.upload_part(number, b"x" * number)
    assert len(segments(store, bucket)) == 4
    upload.abort()
    assert left(store, bucket) == []
    with pytest.raises(UploadNotFoundError):
        upload.upload_part(4, b"late")
    assert left(store, bucket) == [], "a part that came too late is left"


def test_source_that_fails_leaves_nothing(store: Store, bucket: str) -> None:
    class Broken(Exception):
        pass

    def source() -> Iterator[bytes]:
        yield LARGE
        raise Broken

    with pytest.raises(Broken):
        store.create_object(bucket, "k", source())
    assert left(store, bucket) == []


def test_parts_that_are_not_of_the_object_go_with_its_completion(store: Store, bucket: str) -> None:
    upload = store.create_multipart_upload(bucket, "k")
    first = upload.upload_part(1, b"one")
    upload.upload_part(2, b"two")
    upload.upload_part(3, b"")
    upload.upload_part(2, b"two again")
    upload.complete([first, *[p for p in upload.list_parts() if p.number == 3]])
    assert store.get_object(bucket, "k").read() == b"one"
    assert len(segments(store, bucket)) == 1


def test_refused_completion_keeps_upload_and_old_object(store: Store, bucket: str) -> None:
    store.create_object(bucket, "k", LARGE)
    upload = store.create_multipart_upload(bucket, "k")
    part = upload.upload_part(1, b"new")
    for wrong in (Part(2, part.etag, 3), Part(1, "0" * 32, 3)):
        with pytest.raises(InvalidPartError):
            upload.complete([wrong])
    assert store.get_object(bucket, "k").read() == LARGE
    upload.complete([part])
    assert store.get_object(bucket, "k").read() == b"new"
    assert len(segments(store, bucket)) == 1


class LateListings(SwiftDriver):
    """Of a cluster whose listings of segments show nothing yet."""

    def _rows(
        self, ctx: OpContext, container: str, prefix: str, after: str, before: str = ""
    ) -> Flow[list[dict[str, Any]]]:
        rows = yield from super()._rows(ctx, container, prefix, after, before)
        return [] if prefix.startswith(SEGMENTS) else rows


def test_parts_are_found_that_no_listing_shows_yet(swift: Swift, store: Store, bucket: str) -> None:
    driver = LateListings(config_of(swift))
    driver.limits = replace(driver.limits, min_part_size=1)
    with Store(driver) as late:
        upload = late.create_multipart_upload(bucket, "k")
        parts = [upload.upload_part(n, text) for n, text in ((1, b"one"), (2, b"two"), (3, b""))]
        assert upload.list_parts() == []
        for wrong in (Part(1, f"{parts[0].etag[:-1]}x", 3), Part(4, parts[0].etag, 3)):
            with pytest.raises(InvalidPartError):
                upload.complete([wrong])
        said = [*parts[:2], replace(parts[2], size=7)]
        upload.complete(said)  # an empty part is no segment, whatever the caller says
    assert store.get_object(bucket, "k").read() == b"onetwo"


@pytest.mark.parametrize("by", ["next_write", "abort_stale_uploads", "delete_bucket"])
def test_what_other_tools_leave_is_found(store: Store, bucket: str, by: str) -> None:
    """Whoever deletes a manifest by another tool, or ends in the middle, leaves segments."""
    store.create_object(bucket, "k", LARGE)
    store.create_object(bucket, "live", LARGE)
    store.native.delete_object(bucket, "k")
    [found] = store.list_multipart_uploads(bucket)
    assert found.ref.key == "k"
    if by == "next_write":
        store.create_object(bucket, "k", b"again")
    elif by == "abort_stale_uploads":
        gone = store.abort_stale_uploads(bucket, timedelta())
        assert [ref.key for ref in gone] == ["k"]
    else:
        return  # the fixture looks
    assert len(segments(store, bucket)) == 4
    assert store.get_object(bucket, "live").read() == LARGE
    assert store.list_multipart_uploads(bucket) == []


def test_a_completed_upload_cannot_be_aborted_away(store: Store, swift: Swift, bucket: str) -> None:
    """Also not where its end was never written down: a process that ended just then."""
    upload = store.create_multipart_upload(bucket, "k")
    upload.upload_part(1, b"data")
    record = next(name for name in left(store, bucket) if name.startswith(".cs/u/"))
    native = store.native
    headers, content = native.get_object(f"{bucket}_segments", record)
    upload.complete()
    native.put_object(f"{bucket}_segments", record, content, content_type=headers["content-type"])
    assert [found.ref.key for found in store.list_multipart_uploads(bucket)] == ["k"]
    assert store.abort_stale_uploads(bucket, timedelta()) == []
    assert store.get_object(bucket, "k").read() == b"data"
    assert store.list_multipart_uploads(bucket) == []
    with pytest.raises(UploadNotFoundError):
        upload.abort()
    assert store.get_object(bucket, "k").read() == b"data"


def test_keys_that_begin_alike_do_not_touch_each_other(store: Store, bucket: str) -> None:
    keys = ["k", "k/", "k/k", "k-", "k/0123456789abcdef/00001-01234567", "k" * LONGEST_KEY]
    for key in keys:
        store.create_object(bucket, key, key[-5:].encode() + LARGE)
    for key in keys:
        assert store.get_object(bucket, key).read() == key[-5:].encode() + LARGE
        store.delete_object(bucket, key)
        for other in keys[keys.index(key) + 1 :]:
            assert store.get_object(bucket, other).read() == other[-5:].encode() + LARGE
    assert left(store, bucket) == []


def test_containers_of_segments_are_no_buckets(store: Store, bucket: str) -> None:
    store.create_object(bucket, "k", LARGE)
    assert f"{bucket}_segments" not in [found.name for found in store.get_all_buckets()]
    with pytest.raises(CloudStoreError, match="segments"):
        store.get_all_objects(f"{bucket}_segments")


def test_another_process_learns_of_large_objects(store: Store, swift: Swift, bucket: str) -> None:
    """It has seen that there are none; what it then leaves, for a minute, the next write finds."""
    with make_store(swift) as other:
        other.create_object(bucket, "k", b"small")
        store.create_object(bucket, "k", LARGE)
        other.create_object(bucket, "k", b"again")
        assert len(segments(store, bucket)) == 4
        assert [found.ref.key for found in other.list_multipart_uploads(bucket)] == ["k"]
        store.create_object(bucket, "k", b"more")
        assert left(store, bucket) == []


class Recording(SwiftDriver):
    """Writes down what it sends."""

    def __init__(self, config: SwiftConfig) -> None:
        super().__init__(config)
        self.sent: list[str] = []

    def authorize(self, request: Request, credentials: Any, now: float) -> Mapping[str, str]:
        self.sent.append(request.method)
        return super().authorize(request, credentials, now)


def test_a_small_write_costs_one_request(store: Store, swift: Swift, bucket: str) -> None:
    """And in a bucket that has large objects two, with what it needs to find that it replaced none;
    a copy one more, which finds that its source is none."""
    driver = Recording(config_of(swift))
    with Store(driver) as recorded:
        recorded.create_object(bucket, "first", b"")
        driver.sent.clear()
        recorded.create_object(bucket, "k", b"small")
        recorded.copy_object(bucket, "k", bucket, "copy")
        recorded.delete_object(bucket, "k")
        assert driver.sent == ["PUT", "PUT", "DELETE"]
        recorded.create_multipart_upload(bucket, "large").abort()
        driver.sent.clear()
        recorded.create_object(bucket, "k", b"small")
        recorded.copy_object(bucket, "k", bucket, "copy")
        recorded.delete_object(bucket, "k")
        assert driver.sent == ["PUT", "GET", "HEAD", "PUT", "GET", "DELETE", "GET"]
