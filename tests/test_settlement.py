"""A write whose answer is lost: our own write is a success, else the outcome is unknown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from cloudstore import (
    CloudStoreError,
    MemoryConfig,
    NotFoundError,
    ObjectAlreadyExistsError,
    ObjectNotFoundError,
    PreconditionFailedError,
    Store,
    TransportError,
)
from cloudstore.bodies import Payload
from cloudstore.driver import Driver, Flow, GetResult, OpContext
from cloudstore.model import (
    BucketInfo,
    CompleteOptions,
    CopyOptions,
    DeleteOptions,
    GetOptions,
    ObjectInfo,
    Part,
    PutOptions,
    PutResult,
    UploadRef,
)
from cloudstore.operations import Operations
from cloudstore.pass_through import PassThroughDriver
from cloudstore.policy import RetryPolicy, Timeouts, TransferConfig
from cloudstore.providers.memory import MemoryDriver
from cloudstore.runtime.threads import SyncRunner


class LosesAnswers(PassThroughDriver):
    """Applies writes and loses their answers; `error` is what the caller sees instead.

    Attributes:
        meddle: called after a write was applied, before its answer is lost.
        heads: how often the store looked.
    """

    def __init__(self, inner: Driver, error: CloudStoreError | None = None) -> None:
        super().__init__(inner)
        self.error = error or TransportError("the answer was lost", outcome="unknown")
        self.meddle: Any = None
        self.applies = True
        self.heads = 0
        self.aborted = 0

    def _lose(self, ctx: OpContext, flow: Flow[Any]) -> Flow[Any]:
        if self.applies:
            yield from flow
        if self.meddle is not None:
            yield from self.meddle(ctx)
        raise self.error

    def put_object(
        self, ctx: OpContext, bucket: str, key: str, payload: Payload, options: PutOptions
    ) -> Flow[PutResult]:
        return self._lose(ctx, self.inner.put_object(ctx, bucket, key, payload, options))

    def copy_object(
        self,
        ctx: OpContext,
        bucket: str,
        key: str,
        to_bucket: str,
        to_key: str,
        options: CopyOptions,
    ) -> Flow[PutResult]:
        return self._lose(ctx, self.inner.copy_object(ctx, bucket, key, to_bucket, to_key, options))

    def complete_multipart(
        self, ctx: OpContext, ref: UploadRef, parts: Sequence[Part], options: CompleteOptions
    ) -> Flow[PutResult]:
        return self._lose(ctx, self.inner.complete_multipart(ctx, ref, parts, options))

    def abort_multipart(self, ctx: OpContext, ref: UploadRef) -> Flow[None]:
        self.aborted += 1
        return self.inner.abort_multipart(ctx, ref)

    def head_object(
        self, ctx: OpContext, bucket: str, key: str, options: GetOptions
    ) -> Flow[ObjectInfo]:
        self.heads += 1
        return self.inner.head_object(ctx, bucket, key, options)


class Pair:
    """A store whose answers get lost, and another on the same data whose do not."""

    def __init__(self, error: CloudStoreError | None = None) -> None:
        memory = MemoryDriver(MemoryConfig())
        self.link = LosesAnswers(memory, error)
        self.lossy = Store(self.link)
        self.good = Store(memory)
        self.good.create_bucket("bucket")


@pytest.fixture
def pair() -> Pair:
    return Pair()


def put_of_somebody_else(pair: Pair) -> Any:
    """Between our write and our look, another writer replaces the object."""

    def meddle(ctx: OpContext) -> Flow[None]:
        yield from ()
        pair.good.create_object("bucket", "key", "theirs")

    return meddle


@pytest.mark.parametrize("condition", ["if_absent", "if_match"])
def test_our_own_conditional_write_is_a_success(pair: Pair, condition: str) -> None:
    options: dict[str, Any] = {"if_absent": True}
    if condition == "if_match":
        options = {"if_match": pair.good.create_object("bucket", "key", "old").etag}
    made = pair.lossy.create_object("bucket", "key", "ours", **options)
    found = pair.good.get_object("bucket", "key")
    assert found.read() == b"ours"
    assert made.etag == found.etag
    assert found.metadata == {}, "the write-id is not shown"


def test_a_write_that_was_not_applied_is_no_success(pair: Pair) -> None:
    pair.link.applies = False
    with pytest.raises(TransportError) as caught:
        pair.lossy.create_object("bucket", "key", "ours", if_absent=True)
    assert caught.value.outcome == "unknown"
    assert not pair.good.object_exists("bucket", "key")


def test_somebody_elses_object_is_no_success(pair: Pair) -> None:
    pair.link.meddle = put_of_somebody_else(pair)
    with pytest.raises(TransportError) as caught:
        pair.lossy.create_object("bucket", "key", "ours", if_absent=True)
    assert caught.value.outcome == "unknown"


@pytest.mark.parametrize(
    "error",
    [
        ObjectAlreadyExistsError("there is one", outcome="unknown", attempts=2),
        PreconditionFailedError("another ETag", outcome="unknown", attempts=2),
    ],
)
def test_a_second_attempt_that_finds_the_first_is_a_success(error: CloudStoreError) -> None:
    pair = Pair(error)
    made = pair.lossy.create_object("bucket", "key", "ours", if_absent=True)
    assert made.etag == pair.good.head_object("bucket", "key").etag


def test_a_refusal_of_the_first_attempt_is_not_looked_into() -> None:
    pair = Pair(ObjectAlreadyExistsError("there is one"))
    with pytest.raises(ObjectAlreadyExistsError):
        pair.lossy.create_object("bucket", "key", "ours", if_absent=True)
    assert pair.link.heads == 0


def test_an_unconditional_write_is_not_settled_but_told(pair: Pair) -> None:
    with pytest.raises(TransportError) as caught:
        pair.lossy.create_object("bucket", "key", "ours")
    assert (caught.value.outcome, pair.link.heads) == ("unknown", 0)


def test_a_conditional_copy_is_settled(pair: Pair) -> None:
    pair.good.create_object("bucket", "source", "data", metadata={"a": "1"}, content_type="x/y")
    pair.lossy.copy_object("bucket", "source", "bucket", "target", if_absent=True)
    found = pair.good.get_object("bucket", "target")
    assert (found.read(), found.metadata, found.content_type) == (b"data", {"a": "1"}, "x/y")


def test_a_completed_multipart_upload_is_settled() -> None:
    memory = MemoryDriver(MemoryConfig())
    link = LosesAnswers(memory)
    verbs = Operations(
        link,
        timeouts=Timeouts(),
        retry=RetryPolicy(),
        transfer=TransferConfig(part_size=4),
        observer=None,
    )
    runner = SyncRunner()
    good = Store(memory)
    good.create_bucket("bucket")
    ctx = verbs.context("create_object", "bucket", "key")
    pieces = iter([b"abcd", b"efgh", b"i"])
    runner.run(verbs.create_object(ctx, "bucket", "key", pieces, {}, None))
    assert good.get_object("bucket", "key").read() == b"abcdefghi"
    assert link.aborted == 0

    link.applies = False
    with pytest.raises(TransportError) as caught:
        runner.run(verbs.create_object(ctx, "bucket", "other", iter([b"abcd", b"e"]), {}, None))
    assert caught.value.outcome == "unknown"
    assert link.aborted == 1
    assert good.list_multipart_uploads("bucket") == []


class FindsNothingAgain(PassThroughDriver):
    """Does what it is told, loses the answer, and finds nothing at the second attempt."""

    def _again(self, flow: Flow[Any]) -> Flow[Any]:
        yield from flow
        raise NotFoundError("not found", status=404, outcome="unknown", attempts=2)

    def delete_object(
        self, ctx: OpContext, bucket: str, key: str, options: DeleteOptions
    ) -> Flow[None]:
        return self._again(self.inner.delete_object(ctx, bucket, key, options))

    def copy_object(
        self, ctx: OpContext, bucket: str, key: str, to_bucket: str, to_key: str, options: CopyOptions
    ) -> Flow[PutResult]:
        return self._again(self.inner.copy_object(ctx, bucket, key, to_bucket, to_key, options))


@pytest.fixture
def again() -> Iterator[Store]:
    with Store(FindsNothingAgain(MemoryConfig().create_driver())) as store:
        store.create_bucket("b")
        store.create_object("b", "k", b"data")
        yield store


def test_a_deletion_that_finds_what_it_did_itself_is_a_success(again: Store) -> None:
    again.delete_object("b", "k", missing_ok=False)
    assert not again.object_exists("b", "k")
    with pytest.raises(ObjectNotFoundError) as caught:
        again.delete_object("b", "k", missing_ok=False)
    assert caught.value.outcome == "not_applied"  # by the look before


def test_what_is_missing_after_a_lost_answer_may_have_been_there(again: Store) -> None:
    with pytest.raises(ObjectNotFoundError) as caught:
        again.copy_object("b", "k", "b", "other")
    assert (caught.value.outcome, caught.value.attempts) == ("unknown", 2)


class CannotLook(PassThroughDriver):
    """Finds nothing, does not say what is missing, and loses the answer when asked for the bucket."""

    def get_object(self, ctx: OpContext, bucket: str, key: str, options: GetOptions) -> Flow[GetResult]:
        yield from ()
        raise NotFoundError("not found", status=404)

    def head_bucket(self, ctx: OpContext, bucket: str) -> Flow[BucketInfo]:
        yield from ()
        raise TransportError("the answer was lost", outcome="unknown")  # where a POST asks


def test_a_look_that_fails_changed_nothing() -> None:
    store = Store(CannotLook(MemoryConfig().create_driver()))
    with store, pytest.raises(TransportError) as caught:
        store.get_object("b", "k")
    assert caught.value.outcome == "not_applied"
