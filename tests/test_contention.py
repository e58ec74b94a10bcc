"""Verbs of two requests, between which another writer acts."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from cloudstore import (
    BucketNotEmptyError,
    MemoryConfig,
    ObjectAlreadyExistsError,
    PreconditionFailedError,
    Store,
    UnavailableError,
)
from cloudstore.driver import Flow, OpContext
from cloudstore.model import CopyOptions, PutResult
from cloudstore.providers.memory import MemoryDriver


class Contended(MemoryDriver):
    """A vendor with another writer, who may act just before a copy or a bucket's deletion arrives."""

    def __init__(self) -> None:
        super().__init__(MemoryConfig())
        self.copies = 0
        self.deletions = 0
        self.other_writer: Callable[[int], None] = lambda copies: None

    def copy_object(
        self,
        ctx: OpContext,
        bucket: str,
        key: str,
        to_bucket: str,
        to_key: str,
        options: CopyOptions,
    ) -> Flow[PutResult]:
        self.copies += 1
        self.other_writer(self.copies)
        return (yield from super().copy_object(ctx, bucket, key, to_bucket, to_key, options))

    def delete_bucket(self, ctx: OpContext, bucket: str) -> Flow[None]:
        self.deletions += 1
        self.other_writer(self.deletions)
        yield from super().delete_bucket(ctx, bucket)


def overwrite(store: Store, key: str) -> None:
    store.create_object("bucket", key, b"other")


@pytest.fixture
def vendor() -> Contended:
    return Contended()


@pytest.fixture
def store(vendor: Contended) -> Iterator[Store]:
    with Store(vendor) as made:
        made.create_bucket("bucket")
        made.create_object("bucket", "k", b"old", content_type="text/plain")
        yield made


def test_copy_is_of_the_newer_source(vendor: Contended, store: Store) -> None:
    def other_writer(copies: int) -> None:
        if copies == 1:
            store.create_object("bucket", "k", b"new", metadata={"by": "another"})

    vendor.other_writer = other_writer
    store.copy_object("bucket", "k", "bucket", "to", content_type="text/css")
    info = store.head_object("bucket", "to")
    assert store.get_object("bucket", "to").read() == b"new"
    assert (info.content_type, info.metadata) == ("text/css", {"by": "another"})
    assert vendor.copies == 2


def test_source_that_is_replaced_every_time(vendor: Contended, store: Store) -> None:
    def other_writer(copies: int) -> None:
        store.create_object("bucket", "k", b"%d" % copies)

    vendor.other_writer = other_writer
    with pytest.raises(UnavailableError, match="replaced again and again") as caught:
        store.copy_object("bucket", "k", "bucket", "to", content_type="text/css")
    assert caught.value.retryable
    assert not store.object_exists("bucket", "to")


def test_source_that_was_another_for_a_moment(vendor: Contended, store: Store) -> None:
    """Where ETags are hashes, one that is replaced and put back has its old ETag again."""

    def other_writer(copies: int) -> None:
        if copies == 1:
            raise PreconditionFailedError("the source has another ETag", outcome="not_applied")

    vendor.other_writer = other_writer
    store.copy_object("bucket", "k", "bucket", "to", content_type="text/css")
    assert vendor.copies == 2
    assert store.get_object("bucket", "to").read() == b"old"


def test_source_that_the_caller_has_named(vendor: Contended, store: Store) -> None:
    etag = store.head_object("bucket", "k").etag
    vendor.other_writer = lambda copies: overwrite(store, "k")
    with pytest.raises(PreconditionFailedError):
        store.copy_object("bucket", "k", "bucket", "to", content_type="a/b", source_if_match=etag)
    assert vendor.copies == 1
    assert not store.object_exists("bucket", "to")


def test_target_that_the_caller_has_named(vendor: Contended, store: Store) -> None:
    etag = store.create_object("bucket", "to", b"to").etag
    vendor.other_writer = lambda copies: overwrite(store, "to")
    with pytest.raises(PreconditionFailedError):
        store.copy_object("bucket", "k", "bucket", "to", content_type="a/b", if_match=etag)
    assert vendor.copies == 1
    assert store.get_object("bucket", "to").read() == b"other"


def test_target_that_must_not_be_there(vendor: Contended, store: Store) -> None:
    vendor.other_writer = lambda copies: overwrite(store, "to")
    with pytest.raises(ObjectAlreadyExistsError):
        store.copy_object("bucket", "k", "bucket", "to", content_type="a/b", if_absent=True)
    assert vendor.copies == 1
    assert store.get_object("bucket", "to").read() == b"other"


def test_what_comes_while_a_bucket_is_deleted_with_all_that_is_in_it(
    vendor: Contended, store: Store
) -> None:
    def other_writer(deletions: int) -> None:
        if deletions == 1:
            overwrite(store, "late")

    vendor.other_writer = other_writer
    store.delete_bucket("bucket", force=True)
    assert vendor.deletions == 2
    assert not store.bucket_exists("bucket")


def test_bucket_that_is_never_empty(vendor: Contended, store: Store) -> None:
    vendor.other_writer = lambda deletions: overwrite(store, "late")
    with pytest.raises(BucketNotEmptyError):
        store.delete_bucket("bucket", force=True)
    assert vendor.deletions == 3
