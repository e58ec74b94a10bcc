"""Errors: they say what they were about, pickle, and come before any I/O where that is possible."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any

import pytest

from ...capabilities import Capabilities
from ...driver import Flow, GetResult, OpContext
from ...errors import (
    BucketNotFoundError,
    CloudStoreError,
    DeadlineExceededError,
    InvalidArgumentError,
    NotFoundError,
    ObjectNotFoundError,
    RangeNotSatisfiableError,
    UnsupportedError,
    error_class,
)
from ...model import DeleteOptions, GetOptions, ObjectInfo
from ...pass_through import BorrowingDriver
from ...store import Store
from .account import Account, RecordingDriver
from .base import ConformanceTests, keys_of, needs

__all__ = ["ErrorTests"]

Call = Callable[[Store, str], Any]

FAILURES: Mapping[str, tuple[str, str, type[Exception], Call]] = MappingProxyType(
    {
        "get_object": (
            "get_object",
            "k/ä ?",
            FileNotFoundError,
            lambda s, b: s.get_object(b, "k/ä ?"),
        ),
        "head_object": (
            "head_object",
            "k/ä ?",
            FileNotFoundError,
            lambda s, b: s.head_object(b, "k/ä ?"),
        ),
        "delete_object": (
            "delete_object",
            "k/ä ?",
            FileNotFoundError,
            lambda s, b: s.delete_object(b, "k/ä ?", missing_ok=False),
        ),
        "get_object_range": (
            "get_object",
            "there",
            ValueError,
            lambda s, b: s.get_object(b, "there", start=99),
        ),
        "create_object_if_absent": (
            "create_object",
            "there",
            Exception,
            lambda s, b: s.create_object(b, "there", b"", if_absent=True),
        ),
        "create_object_bad_option": (
            "create_object",
            "k",
            ValueError,
            lambda s, b: s.create_object(b, "k", b"", content_type="a\nb"),
        ),
        "copy_object": (
            "copy_object",
            "missing",
            Exception,
            lambda s, b: s.copy_object(b, "missing", b, "copy"),
        ),
        "set_metadata": (
            "set_metadata",
            "missing",
            Exception,
            lambda s, b: s.set_metadata(b, "missing", {"a": "1"}),
        ),
        "open_writer": (
            "open_writer",
            "k",
            ValueError,
            lambda s, b: s.open_writer(b, "k", content_type="\n").close(),
        ),
        "read_after_deletion": ("get_object", "gone", FileNotFoundError, lambda s, b: _late(s, b)),
    }
)
"""Calls that fail: the operation and the key that the error must name, what it must also be."""


def _late(store: Store, bucket: str) -> None:
    store.create_object(bucket, "gone", b"x")
    head = store.head_object(bucket, "gone")
    store.delete_object(bucket, "gone")
    head.read()


OPTION_VERBS: Mapping[str, Call] = MappingProxyType(
    {
        "create_object": lambda s, b: s.create_object(b, "k", b"", **_TYPO),
        "create_object_from_file": lambda s, b: s.create_object_from_file(b, "k", __file__, **_TYPO),
        "open_writer": lambda s, b: s.open_writer(b, "k", **_TYPO).close(),
        "get_object": lambda s, b: s.get_object(b, "k", **_TYPO),
        "get_object_to_file": lambda s, b: s.get_object_to_file(b, "k", "/nowhere", **_TYPO),
        "head_object": lambda s, b: s.head_object(b, "k", **_TYPO),
    }
)
_TYPO: Any = {"contenttype": "a/b"}


class _Vague(BorrowingDriver):
    """Answers 404 without saying whether bucket or object is missing, as HEAD does."""

    def _vague(self, flow: Flow[Any]) -> Flow[Any]:
        try:
            return (yield from flow)
        except NotFoundError as exc:
            raise NotFoundError("404", status=404, request_id="r1") from exc

    def get_object(self, ctx: OpContext, bucket: str, key: str, options: GetOptions) -> Flow[GetResult]:
        return self._vague(self.inner.get_object(ctx, bucket, key, options))

    def head_object(
        self, ctx: OpContext, bucket: str, key: str, options: GetOptions
    ) -> Flow[ObjectInfo]:
        return self._vague(self.inner.head_object(ctx, bucket, key, options))

    def delete_object(
        self, ctx: OpContext, bucket: str, key: str, options: DeleteOptions
    ) -> Flow[None]:
        return self._vague(self._strict(ctx, bucket, key, options))

    def _strict(self, ctx: OpContext, bucket: str, key: str, options: DeleteOptions) -> Flow[None]:
        yield from self.inner.head_object(ctx, bucket, key, GetOptions())
        yield from self.inner.delete_object(ctx, bucket, key, options)


class ErrorTests(ConformanceTests):
    """Errors."""

    def _failure(self, store: Store, bucket: str, name: str) -> CloudStoreError:
        store.create_object(bucket, "there", b"x")
        with pytest.raises(CloudStoreError) as caught:
            FAILURES[name][3](store, bucket)
        return caught.value

    @pytest.mark.parametrize("name", FAILURES)
    def test_error_says_what_it_was_about(self, store: Store, bucket: str, name: str) -> None:
        operation, key, _, _ = FAILURES[name]
        error = self._failure(store, bucket, name)
        assert error.vendor, "no vendor"
        assert (error.operation, error.bucket, error.key) == (operation, bucket, key)
        assert error.outcome == "not_applied"
        assert error_class(error.kind) is type(error), "an error outside the tree"
        for word in (error.vendor, operation, bucket, key):
            assert word in str(error), f"{word!r} is not in the error's text"

    @pytest.mark.parametrize("name", FAILURES)
    def test_error_is_also_the_builtin_that_a_python_programmer_catches(
        self, store: Store, bucket: str, name: str
    ) -> None:
        error = self._failure(store, bucket, name)
        assert isinstance(error, FAILURES[name][2] | UnsupportedError)

    @pytest.mark.parametrize("name", FAILURES)
    def test_error_pickles(self, store: Store, bucket: str, name: str) -> None:
        error = self._failure(store, bucket, name)
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is type(error)
        assert str(again) == str(error)
        assert again.__dict__ == error.__dict__

    # --- what a 404 does not say ---

    def test_vague_404_of_an_object_is_told_from_one_of_a_bucket(
        self, account: Account, face: str, bucket: str
    ) -> None:
        missing = account.harness.bucket_name()
        with account.over(_Vague(account.driver), face) as store:
            for call in (
                lambda b: store.get_object(b, "k"),
                lambda b: store.head_object(b, "k"),
                lambda b: store.get_metadata(b, "k"),
                lambda b: store.delete_object(b, "k", missing_ok=False),
            ):
                with pytest.raises(ObjectNotFoundError) as caught:
                    call(bucket)
                assert caught.value.request_id == "r1"
                with pytest.raises(BucketNotFoundError):
                    call(missing)
            store.delete_object(bucket, "k")
            with pytest.raises(BucketNotFoundError):
                store.delete_object(missing, "k")

    def test_vague_404_is_no_matter_where_only_existence_is_asked(
        self, account: Account, face: str
    ) -> None:
        recorder = RecordingDriver(_Vague(account.driver))
        with account.over(recorder, face) as store:
            assert store.object_exists(account.harness.bucket_name(), "k") is False
        assert recorder.calls == ["head_object"], "the bucket was looked at"

    # --- what is refused before any I/O ---

    @pytest.mark.parametrize("verb", OPTION_VERBS)
    def test_unknown_option_is_refused_before_any_io(
        self, recorded: Store, recorder: RecordingDriver, bucket: str, verb: str
    ) -> None:
        with pytest.raises(InvalidArgumentError, match="contenttype"):
            OPTION_VERBS[verb](recorded, bucket)
        assert recorder.calls == []

    def test_vendor_options_of_other_vendors_pass_by(self, store: Store, bucket: str) -> None:
        options = {"no-such-vendor": {"anything": 1}}
        store.create_object(bucket, "k", b"data", vendor_options=options)
        assert store.get_object(bucket, "k", vendor_options=options).read() == b"data"

    def test_unknown_option_of_this_vendor_is_refused_before_any_io(
        self, recorded: Store, account: Account, recorder: RecordingDriver, bucket: str
    ) -> None:
        for scheme in account.driver.vendor_options:
            options = {scheme: {"no_such_option": 1}}
            with pytest.raises(InvalidArgumentError, match="no_such_option"):
                recorded.create_object(bucket, "k", b"", vendor_options=options)
            with pytest.raises(InvalidArgumentError, match="no_such_option"):
                recorded.get_object(bucket, "k", vendor_options=options)
        assert recorder.calls == []

    # --- time ---

    @pytest.mark.parametrize(
        "call",
        [
            lambda s, b, t: s.create_object(b, "new", b"x", timeout=t),
            lambda s, b, t: s.get_object(b, "k", timeout=t),
            lambda s, b, t: s.head_object(b, "k", timeout=t),
            lambda s, b, t: s.delete_object(b, "k", timeout=t),
            lambda s, b, t: s.get_all_objects(b, timeout=t),
            lambda s, b, t: list(s.iter_objects(b, timeout=t)),
            lambda s, b, t: s.bucket_exists(b, timeout=t),
        ],
        ids=["create", "get", "head", "delete", "list", "iterate", "bucket"],
    )
    def test_time_that_is_up_is_a_deadline_exceeded(self, store: Store, bucket: str, call: Any) -> None:
        store.create_object(bucket, "k", b"x")
        for up in (1e-9, timedelta(microseconds=1)):
            with pytest.raises(DeadlineExceededError) as caught:
                call(store, bucket, up)
            assert isinstance(caught.value, TimeoutError)
            assert caught.value.bucket == bucket
        assert keys_of(store.get_all_objects(bucket)) == ["k"]

    @pytest.mark.parametrize(
        "timeout", [0, -1, float("nan"), float("inf"), "5", True, timedelta()], ids=str
    )
    def test_impossible_timeout_is_refused_before_any_io(
        self, recorded: Store, recorder: RecordingDriver, bucket: str, timeout: Any
    ) -> None:
        with pytest.raises(InvalidArgumentError):
            recorded.get_object(bucket, "k", timeout=timeout)
        assert recorder.calls == []

    def test_enough_time_is_no_error(self, store: Store, bucket: str) -> None:
        store.create_object(bucket, "k", b"x", timeout=600)
        assert store.get_object(bucket, "k", timeout=timedelta(minutes=10)).read() == b"x"

    # --- kinds ---

    @needs("ranges")
    def test_range_error_is_a_value_error(self, store: Store, bucket: str) -> None:
        store.create_object(bucket, "k", b"x")
        with pytest.raises(ValueError, match=r".") as caught:
            store.get_object(bucket, "k", start=1)
        assert isinstance(caught.value, RangeNotSatisfiableError)

    def test_discovery_only_narrows_what_is_declared(self, account: Account) -> None:
        fresh = account.harness.make_driver()
        declared, limits = fresh.capabilities, fresh.limits
        with Store(fresh) as store:
            store.bucket_exists(account.harness.bucket_name())
            assert fresh.capabilities & declared == fresh.capabilities
            assert fresh.limits & limits == fresh.limits

    def test_driver_states_what_it_is(self, account: Account) -> None:
        driver = account.driver
        assert driver.scheme
        assert driver.scheme.isascii()
        assert isinstance(driver.capabilities, Capabilities)
        assert driver.limits.page_size >= 1
        assert driver.limits.delete_batch >= 1
        assert 1 <= driver.limits.min_part_size <= driver.limits.max_part_size
        assert driver.limits.max_parts >= 1
        assert driver.key_rule.refusal(".cloudstore/x") is not None, "the reserved prefix is open"
