"""Conditional reads and writes: create-only, compare-and-swap, and what they are under contention."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from ...bodies import Payload
from ...capabilities import Capabilities
from ...driver import Driver, Flow, OpContext
from ...errors import (
    CloudStoreError,
    InvalidArgumentError,
    NotModifiedError,
    ObjectAlreadyExistsError,
    ObjectNotFoundError,
    PreconditionFailedError,
    TransportError,
    UnsupportedError,
)
from ...model import CompleteOptions, CopyOptions, Part, PutOptions, PutResult, UploadRef
from ...pass_through import BorrowingDriver
from ...policy import RetryPolicy
from ...store import Store
from .account import Account, RecordingDriver
from .base import ConformanceTests, needs, payload

__all__ = ["ONCE", "ConditionTests", "LosesAnswers", "race"]

ONCE = RetryPolicy(attempts=1)
RACERS = 8
COUNTERS, INCREMENTS = 5, 10
PATIENCE = 60.0
"""Seconds after which a race that does not end is a failure."""


class LosesAnswers(BorrowingDriver):
    """Lets every write through and loses its answer. With `settles` False it says it cannot settle."""

    def __init__(self, inner: Driver, *, settles: bool) -> None:
        super().__init__(inner)
        self._settles = settles

    @property
    def capabilities(self) -> Capabilities:  # type: ignore[override]
        """Those of `inner`."""
        inner = self.inner.capabilities
        return replace(inner, settles_writes=inner.settles_writes and self._settles)

    def _lose(self, flow: Flow[PutResult]) -> Flow[PutResult]:
        yield from flow
        raise TransportError("the answer was lost", outcome="unknown")

    def put_object(
        self, ctx: OpContext, bucket: str, key: str, payload: Payload, options: PutOptions
    ) -> Flow[PutResult]:
        """See the class."""
        return self._lose(self.inner.put_object(ctx, bucket, key, payload, options))

    def copy_object(
        self,
        ctx: OpContext,
        bucket: str,
        key: str,
        to_bucket: str,
        to_key: str,
        options: CopyOptions,
    ) -> Flow[PutResult]:
        """See the class."""
        return self._lose(self.inner.copy_object(ctx, bucket, key, to_bucket, to_key, options))

    def complete_multipart(
        self, ctx: OpContext, ref: UploadRef, parts: Sequence[Part], options: CompleteOptions
    ) -> Flow[PutResult]:
        """See the class."""
        return self._lose(self.inner.complete_multipart(ctx, ref, parts, options))


def race(count: int, work: Callable[[int], Any]) -> list[Any]:
    """Runs `work` with 0, 1, … in threads that start together; the results, errors among them."""
    barrier = threading.Barrier(count)

    def run(index: int) -> Any:
        barrier.wait(PATIENCE)
        try:
            return work(index)
        except CloudStoreError as exc:
            return exc

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count), timeout=PATIENCE))


def _takes_large(store: Store, condition: str) -> bool:
    """Whether a large object can be written so: in parts, or at once where there are none."""
    way = "complete" if store.capabilities.multipart else "put"
    return bool(getattr(store.capabilities, f"{way}_{condition}"))


RACE_BYTES = 64_000
"""So much that a server which looks first, and then reads what it shall write, lets another one come
between; if one request takes it."""


class ConditionTests(ConformanceTests):
    """Conditions."""

    # --- reads ---

    @needs("conditional_reads")
    @pytest.mark.parametrize("verb", ["get_object", "head_object"])
    def test_read_if_match(self, store: Store, bucket: str, verb: str) -> None:
        store.create_object(bucket, "k", b"data")
        etag = store.head_object(bucket, "k").etag
        assert getattr(store, verb)(bucket, "k", if_match=etag).read() == b"data"
        with pytest.raises(PreconditionFailedError) as caught:
            getattr(store, verb)(bucket, "k", if_match="another")
        assert (caught.value.bucket, caught.value.key) == (bucket, "k")

    @needs("conditional_reads")
    @pytest.mark.parametrize("verb", ["get_object", "head_object"])
    def test_read_if_none_match(self, store: Store, bucket: str, verb: str) -> None:
        store.create_object(bucket, "k", b"data")
        etag = store.head_object(bucket, "k").etag
        with pytest.raises(NotModifiedError):
            getattr(store, verb)(bucket, "k", if_none_match=etag)
        store.create_object(bucket, "k", b"new data")
        assert getattr(store, verb)(bucket, "k", if_none_match=etag).read() == b"new data"

    @needs("conditional_reads")
    @pytest.mark.parametrize("verb", ["get_object", "head_object"])
    def test_read_if_modified_since(self, store: Store, bucket: str, verb: str) -> None:
        store.create_object(bucket, "k", b"data")
        modified = store.head_object(bucket, "k").last_modified
        assert modified is not None
        with pytest.raises(NotModifiedError):
            getattr(store, verb)(bucket, "k", if_modified_since=modified)
        with pytest.raises(NotModifiedError):
            getattr(store, verb)(bucket, "k", if_modified_since=modified + timedelta(seconds=1))
        earlier = modified - timedelta(hours=1)
        assert getattr(store, verb)(bucket, "k", if_modified_since=earlier).read() == b"data"

    @needs("conditional_reads")
    def test_conditional_read_of_a_missing_object_raises_object_not_found(
        self, store: Store, bucket: str
    ) -> None:
        with pytest.raises(ObjectNotFoundError):
            store.get_object(bucket, "k", if_match="x")
        with pytest.raises(ObjectNotFoundError):
            store.get_object(bucket, "k", if_none_match="x")

    @needs("conditional_reads", "ranges")
    def test_conditional_read_of_a_range(self, store: Store, bucket: str) -> None:
        store.create_object(bucket, "k", b"0123456789")
        etag = store.head_object(bucket, "k").etag
        if not store.capabilities.ranges:
            etag = None
        assert store.get_object(bucket, "k", start=2, end=4, if_match=etag).read() == b"23"
        with pytest.raises(PreconditionFailedError):
            store.get_object(bucket, "k", start=2, end=4, if_match="another")

    @pytest.mark.parametrize(
        "options",
        [
            {"if_match": ""},
            {"if_match": 7},
            {"if_match": "a\r\nb: c"},
            {"if_none_match": ""},
            {"if_modified_since": datetime(2020, 1, 1)},
            {"if_modified_since": 0},
        ],
        ids=str,
    )
    def test_impossible_condition_is_refused_before_any_io(
        self, recorded: Store, recorder: RecordingDriver, bucket: str, options: Any
    ) -> None:
        with pytest.raises(InvalidArgumentError):
            recorded.get_object(bucket, "k", **options)
        assert recorder.calls == []

    # --- create-only ---

    @needs("put_if_absent")
    def test_create_only_writes_once(self, store: Store, bucket: str) -> None:
        store.create_object(bucket, "k", b"first", if_absent=True)
        with pytest.raises(ObjectAlreadyExistsError) as caught:
            store.create_object(bucket, "k", b"second", if_absent=True)
        assert caught.value.outcome == "not_applied"
        assert (caught.value.bucket, caught.value.key) == (bucket, "k")
        assert store.get_object(bucket, "k").read() == b"first"
        store.delete_object(bucket, "k")
        store.create_object(bucket, "k", b"third", if_absent=True)
        assert store.get_object(bucket, "k").read() == b"third"

    @needs("put_if_absent")
    def test_create_only_beside_keys_above_and_below(self, store: Store, bucket: str) -> None:
        store.create_object(bucket, "a/b/c", b"", if_absent=True)
        store.create_object(bucket, "a", b"", if_absent=True)
        store.create_object(bucket, "a/b", b"", if_absent=True)
        store.create_object(bucket, "a/", b"", if_absent=True)
        assert len(store.get_all_objects(bucket)) == 4

    @needs("put_if_absent")
    def test_create_only_race_has_exactly_one_winner(
        self, store: Store, account: Account, bucket: str
    ) -> None:
        size = min(RACE_BYTES, account.transfer.multipart_threshold or RACE_BYTES) // 2

        def content(index: int) -> str:
            return f"{index} " * (size // 2)

        def create(index: int) -> int:
            store.create_object(bucket, "k", content(index), if_absent=True)
            return index

        if not store.capabilities.put_if_absent:
            create(0)
        results = race(RACERS, create)
        winners = [r for r in results if isinstance(r, int)]
        assert len(winners) == 1, f"{len(winners)} of {RACERS} created the same key: {results}"
        losers = {type(r) for r in results if not isinstance(r, int)}
        assert losers == {ObjectAlreadyExistsError}
        assert store.get_object(bucket, "k").text() == content(winners[0])

    @needs("put_if_absent")
    def test_create_only_race_through_two_views_has_exactly_one_winner(
        self, store: Store, account: Account, face: str, bucket: str
    ) -> None:
        if not store.capabilities.put_if_absent:
            store.create_object(bucket, "k", b"x", if_absent=True)
        with account.second_view(face) as other:
            results = race(
                RACERS,
                lambda n: (store, other)[n % 2].create_object(bucket, "k", str(n), if_absent=True),
            )
            winners = [n for n, r in enumerate(results) if not isinstance(r, CloudStoreError)]
            assert len(winners) == 1, f"{len(winners)} of {RACERS} created the same key: {results}"
            assert other.get_object(bucket, "k").text() == str(winners[0])

    @needs("put_if_match")
    def test_counter_through_two_views_is_exact(
        self, store: Store, account: Account, face: str, bucket: str
    ) -> None:
        store.create_object(bucket, "counter", b"0")
        with account.second_view(face) as other:
            views = (store, other)
            if not store.capabilities.put_if_match:
                self._increment(store, bucket)
            race(4, lambda n: [self._increment(views[n % 2], bucket) for _ in range(5)])
            assert int(other.get_object(bucket, "counter").read()) == 20

    def test_create_only_of_a_large_object(self, store: Store, bucket: str, part_size: int) -> None:
        data = payload(3 * part_size)
        if not _takes_large(store, "if_absent"):
            with pytest.raises(UnsupportedError):
                store.create_object(bucket, "k", data, if_absent=True)
            return
        store.create_object(bucket, "k", data, if_absent=True)
        with pytest.raises(ObjectAlreadyExistsError):
            store.create_object(bucket, "k", payload(3 * part_size, seed=1), if_absent=True)
        assert store.get_object(bucket, "k").read() == data
        assert store.head_object(bucket, "k").metadata == {}
        if store.capabilities.list_uploads:
            assert store.list_multipart_uploads(bucket) == [], "a refused upload was not aborted"

    # --- compare and swap ---

    @needs("put_if_match")
    def test_write_if_match(self, store: Store, bucket: str) -> None:
        store.create_object(bucket, "k", b"old")
        etag = store.head_object(bucket, "k").etag
        made = store.create_object(bucket, "k", b"new", if_match=etag)
        with pytest.raises(PreconditionFailedError) as caught:
            store.create_object(bucket, "k", b"stale", if_match=etag)
        assert caught.value.outcome == "not_applied"
        assert store.get_object(bucket, "k").read() == b"new"
        assert made.etag in (None, store.head_object(bucket, "k").etag)

    @needs("put_if_match")
    def test_write_if_match_where_there_is_no_object(self, store: Store, bucket: str) -> None:
        with pytest.raises(PreconditionFailedError):
            store.create_object(bucket, "k", b"new", if_match="0123456789abcdef")
        assert store.object_exists(bucket, "k") is False

    @needs("put_if_match")
    def test_counter_by_compare_and_swap_is_exact(self, store: Store, bucket: str) -> None:
        store.create_object(bucket, "counter", b"0")
        if not store.capabilities.put_if_match:
            self._increment(store, bucket)
        results = race(COUNTERS, lambda _: [self._increment(store, bucket) for _ in range(INCREMENTS)])
        seen = sorted(value for result in results for value in result)
        assert seen == list(range(1, COUNTERS * INCREMENTS + 1)), "increments were lost"
        assert int(store.get_object(bucket, "counter").read()) == COUNTERS * INCREMENTS

    @staticmethod
    def _increment(store: Store, bucket: str) -> int:
        """Adds one to the counter by compare-and-swap; what it then is."""
        for _ in range(COUNTERS * INCREMENTS * 20):
            found = store.get_object(bucket, "counter")
            value = int(found.read()) + 1
            try:
                store.create_object(bucket, "counter", str(value), if_match=found.etag)
            except PreconditionFailedError:
                continue
            return value
        raise AssertionError("no compare-and-swap ever succeeded")

    def test_large_write_if_match(self, store: Store, bucket: str, part_size: int) -> None:
        store.create_object(bucket, "k", b"old")
        etag = store.head_object(bucket, "k").etag
        if not _takes_large(store, "if_match"):
            with pytest.raises(UnsupportedError):
                store.create_object(bucket, "k", payload(3 * part_size), if_match=etag)
            return
        with pytest.raises(PreconditionFailedError):
            store.create_object(bucket, "k", payload(3 * part_size), if_match="another")
        assert store.get_object(bucket, "k").read() == b"old"
        store.create_object(bucket, "k", payload(3 * part_size), if_match=etag)
        assert store.get_object(bucket, "k").read() == payload(3 * part_size)
        if store.capabilities.list_uploads:
            assert store.list_multipart_uploads(bucket) == [], "a refused upload was not aborted"

    @needs("delete_if_match")
    def test_delete_if_match(self, store: Store, bucket: str) -> None:
        store.create_object(bucket, "k", b"data")
        etag = store.head_object(bucket, "k").etag
        with pytest.raises(PreconditionFailedError):
            store.delete_object(bucket, "k", if_match="another")
        assert store.get_object(bucket, "k").read() == b"data"
        store.delete_object(bucket, "k", if_match=etag)
        assert store.object_exists(bucket, "k") is False
        with pytest.raises(PreconditionFailedError):
            store.delete_object(bucket, "k", if_match=etag)

    def test_two_conditions_that_exclude_each_other_are_refused(
        self, recorded: Store, recorder: RecordingDriver, bucket: str
    ) -> None:
        with pytest.raises(InvalidArgumentError):
            recorded.create_object(bucket, "k", b"x", if_absent=True, if_match="x")
        assert recorder.calls == []

    # --- answers that are lost ---

    @needs("put_if_absent", "settles_writes")
    def test_conditional_write_whose_answer_was_lost_is_settled_by_its_write_id(
        self, store: Store, account: Account, face: str, bucket: str, part_size: int
    ) -> None:
        store.require("settles_writes")
        losing = LosesAnswers(account.driver, settles=True)
        with account.over(losing, face, ONCE) as over:
            over.create_object(bucket, "k", b"ours", if_absent=True)
            assert over.get_object(bucket, "k").read() == b"ours"
            assert over.head_object(bucket, "k").metadata == {}, "the write-id shows"
            if over.capabilities.put_if_match:
                etag = over.head_object(bucket, "k").etag
                over.create_object(bucket, "k", b"again", if_match=etag)
                assert over.get_object(bucket, "k").read() == b"again"
            if over.capabilities.multipart and over.capabilities.complete_if_absent:
                over.create_object(bucket, "large", payload(3 * part_size), if_absent=True)
                assert over.get_object(bucket, "large").read() == payload(3 * part_size)
            if over.capabilities.copy_if_absent:
                over.copy_object(bucket, "k", bucket, "copy", if_absent=True)
                assert over.object_exists(bucket, "copy")

    @needs("put_if_absent", "settles_writes")
    def test_lost_answer_of_a_write_that_lost_is_no_success(
        self, store: Store, account: Account, face: str, bucket: str
    ) -> None:
        store.require("settles_writes")
        store.create_object(bucket, "k", b"theirs")
        with account.over(LosesAnswers(account.driver, settles=True), face, ONCE) as over:
            with pytest.raises(ObjectAlreadyExistsError):
                over.create_object(bucket, "k", b"ours", if_absent=True)
            assert over.get_object(bucket, "k").read() == b"theirs"

    @needs("put_if_absent")
    def test_lost_answer_that_cannot_be_settled_is_an_unknown_outcome(
        self, store: Store, account: Account, face: str, bucket: str
    ) -> None:
        with account.over(LosesAnswers(account.driver, settles=False), face, ONCE) as over:
            with pytest.raises(TransportError) as caught:
                over.create_object(bucket, "k", b"ours", if_absent=True)
            assert caught.value.outcome == "unknown"
        assert store.object_exists(bucket, "k") is True

    def test_lost_answer_of_an_unconditional_write_is_an_unknown_outcome(
        self, account: Account, face: str, bucket: str
    ) -> None:
        losing = LosesAnswers(account.driver, settles=True)
        with account.over(losing, face, ONCE) as over, pytest.raises(TransportError) as caught:
            over.create_object(bucket, "k", b"ours")
        assert caught.value.outcome == "unknown"
