"""What a store over two children must not take from one to the other, shown one by one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

import pytest

from cloudstore import (
    BucketNotFoundError,
    Capabilities,
    InvalidArgumentError,
    InvalidPartError,
    LocalConfig,
    MemoryConfig,
    Part,
    Store,
    TransportError,
    UnavailableError,
    UploadRef,
)
from cloudstore.bodies import Payload
from cloudstore.driver import Driver, Flow, OpContext
from cloudstore.model import GetOptions, ObjectInfo
from cloudstore.testing import BorrowingDriver, FailoverDriver, PassThroughDriver
from cloudstore.testing.conformance import Narrowed, RecordingDriver
from tests.conformance.test_unlike_children import BreakingDriver

BUCKET, KEY = "bucket", "k"


@pytest.fixture
def children() -> tuple[Driver, Driver]:
    """Two stores in memory, with a bucket each."""
    first, second = MemoryConfig().create_driver(), MemoryConfig().create_driver()
    for child in (first, second):
        with Store(BorrowingDriver(child)) as store:
            store.create_bucket(BUCKET)
    return first, second


@pytest.fixture
def stores() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.mark.parametrize("lacking", ["start_after", "ordered_listing"])
def test_a_listing_is_gone_on_with_only_where_its_place_can_be_told(
    children: tuple[Driver, Driver], stores: ExitStack, lacking: str
) -> None:
    first, second = children
    narrowed = Narrowed(second, lacking)
    store = stores.enter_context(Store(FailoverDriver(BreakingDriver(first), narrowed)))
    for key in "abc":
        store.create_object(BUCKET, key, b"")
    page = store.get_all_objects(BUCKET, max_keys=2)
    narrowed.calls.clear()
    with pytest.raises(UnavailableError):
        store.get_all_objects(BUCKET, max_keys=2, marker=page.marker)
    assert narrowed.calls == []


def test_a_body_is_gone_on_with_only_by_a_child_that_has_ranges(
    children: tuple[Driver, Driver], stores: ExitStack
) -> None:
    first, second = children
    narrowed = Narrowed(second, "ranges")
    store = stores.enter_context(Store(FailoverDriver(BreakingDriver(first), narrowed)))
    store.create_object(BUCKET, KEY, b"0123456789")
    narrowed.calls.clear()
    with pytest.raises(TransportError):
        store.get_object(BUCKET, KEY).read()
    assert narrowed.calls == []


@pytest.mark.parametrize(
    "marker", ["5", "[]", '["0", 1, 2]', '[2, "t", "k"]', "null", '"x"', "no json"]
)
def test_a_marker_of_something_else_is_refused(
    children: tuple[Driver, Driver], stores: ExitStack, marker: str
) -> None:
    store = stores.enter_context(Store(FailoverDriver(*children)))
    with pytest.raises(InvalidArgumentError):
        store.get_all_objects(BUCKET, marker=marker)


@pytest.mark.parametrize("etag", ["5", "12e4", "[1, 2]", '["a"]', "null", "no json"])
def test_a_part_of_something_else_is_refused(
    children: tuple[Driver, Driver], stores: ExitStack, etag: str
) -> None:
    store = stores.enter_context(Store(FailoverDriver(*children)))
    upload = store.create_multipart_upload(BUCKET, KEY)
    part = upload.upload_part(1, b"x")
    with pytest.raises(InvalidPartError):
        upload.complete([replace(part, etag=etag)])


def test_an_upload_is_gone_on_with_only_on_children_of_the_same_kind_and_order(
    children: tuple[Driver, Driver], stores: ExitStack, tmp_path: object
) -> None:
    local = LocalConfig(str(tmp_path)).create_driver()
    with Store(BorrowingDriver(local)) as store:
        store.create_bucket(BUCKET)
    one = stores.enter_context(Store(BorrowingDriver(FailoverDriver(children[0], local))))
    other = stores.enter_context(Store(FailoverDriver(local, children[0])))
    ref = one.create_multipart_upload(BUCKET, KEY).ref
    assert one.resume_multipart_upload(ref).list_parts() == []
    with pytest.raises(InvalidArgumentError, match="other children"):
        other.resume_multipart_upload(ref).upload_part(1, b"x")
    broken = replace(ref, state={**ref.state, "refs": [json.dumps({"not": "a reference"})]})
    with pytest.raises(InvalidArgumentError):
        one.resume_multipart_upload(broken).upload_part(1, b"x")


def test_an_upload_that_began_on_one_child_only_is_given_up(
    children: tuple[Driver, Driver], stores: ExitStack
) -> None:
    first, second = children
    with Store(BorrowingDriver(second)) as store:
        store.delete_bucket(BUCKET)
    pair = stores.enter_context(Store(FailoverDriver(BorrowingDriver(first), second)))
    with pytest.raises(BucketNotFoundError):
        pair.create_multipart_upload(BUCKET, KEY)
    assert stores.enter_context(Store(first)).list_multipart_uploads(BUCKET) == []


class LosesParts(PassThroughDriver):
    """Fails each second write of a part."""

    def __init__(self, inner: Driver) -> None:
        super().__init__(inner)
        self.written = 0

    def upload_part(self, ctx: OpContext, ref: UploadRef, number: int, payload: Payload) -> Flow[Part]:
        self.written += 1
        if self.written % 2 == 0:
            raise UnavailableError("no more parts")
        return (yield from super().upload_part(ctx, ref, number, payload))


def test_a_part_that_the_children_hold_unlike_is_not_listed(
    children: tuple[Driver, Driver], stores: ExitStack
) -> None:
    store = stores.enter_context(Store(FailoverDriver(children[0], LosesParts(children[1]))))
    upload = store.create_multipart_upload(BUCKET, KEY)
    upload.upload_part(1, b"as long")
    with pytest.raises(UnavailableError):
        upload.upload_part(1, b"or longer")
    assert upload.list_parts() == []


class Cold(PassThroughDriver):
    """Has storage classes and versions, and tells of each object that it is cold and the seventh."""

    @property
    def capabilities(self) -> Capabilities:  # type: ignore[override]
        return replace(self.inner.capabilities, storage_class=True, versions=True)

    def head_object(
        self, ctx: OpContext, bucket: str, key: str, options: GetOptions
    ) -> Flow[ObjectInfo]:
        info = yield from super().head_object(ctx, bucket, key, options)
        info.storage_class, info.version = "COLD", "7"
        return info


class NoClasses(RecordingDriver):
    """Fails where it is given what it has not declared, as a driver may."""

    def copy_object(self, ctx, bucket, key, to_bucket, to_key, options):  # type: ignore[no-untyped-def]
        assert options.replace.storage_class is None
        return (yield from super().copy_object(ctx, bucket, key, to_bucket, to_key, options))


def test_a_copy_takes_nothing_that_one_child_lacks(
    children: tuple[Driver, Driver], stores: ExitStack
) -> None:
    store = stores.enter_context(Store(FailoverDriver(Cold(children[0]), NoClasses(children[1]))))
    store.create_object(BUCKET, KEY, b"data", metadata={"a": "1"})
    store.copy_object(BUCKET, KEY, BUCKET, "copy")
    assert store.get_metadata(BUCKET, "copy") == {"a": "1"}


def test_what_no_verb_takes_is_not_told(children: tuple[Driver, Driver], stores: ExitStack) -> None:
    store = stores.enter_context(Store(FailoverDriver(Cold(children[0]), children[1])))
    store.create_object(BUCKET, KEY, b"data")
    found = store.head_object(BUCKET, KEY)
    assert (found.version, found.storage_class) == (None, None)


def test_unlike_children_let_nothing_expire(children: tuple[Driver, Driver], tmp_path: object) -> None:
    class Expiring(BorrowingDriver):
        @property
        def capabilities(self) -> Capabilities:  # type: ignore[override]
            return replace(self.inner.capabilities, expires_in=True)

    other = Expiring(LocalConfig(str(tmp_path)).create_driver())
    assert FailoverDriver(*children).capabilities.expires_in
    assert not FailoverDriver(children[0], other).capabilities.expires_in
