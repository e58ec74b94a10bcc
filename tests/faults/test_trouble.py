"""A service in trouble: how often and when it is asked again, and what the caller is told.

What a vendor's own codes and bodies mean is tested with the vendor.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from cloudstore import CloudStoreError, RateLimitedError, RetryPolicy, Store, UnavailableError
from tests.faults.conftest import Perform
from tests.faults.stage import ATTEMPTS, Stage, within
from tests.wire.server import Peer, keep_answering, ok

Call = Callable[[Store, Stage], object]
ID = ("x-amz-request-id: R1", "x-trans-id: R1", "x-reqid: R1")
OUT_OF_ORDER = "503 Service Unavailable"
TOO_MANY = "429 Too Many Requests"


def get(store: Store, stage: Stage) -> object:
    return store.get_object(stage.bucket, stage.key).read()


def put(store: Store, stage: Stage) -> object:
    return store.create_object(stage.bucket, stage.key, b"data")


def delete(store: Store, stage: Stage) -> object:
    store.delete_object(stage.bucket, stage.key)
    return None


OPERATIONS = {get: "get_object", put: "create_object", delete: "delete_object"}
EACH = pytest.mark.parametrize(("call", "operation"), OPERATIONS.items(), ids=OPERATIONS.values())


def saying(status: str, *headers: str) -> bytes:
    return ok(b"", *ID, *headers, status=status)


@EACH
@pytest.mark.parametrize(
    ("status", "kind", "outcome"),
    [
        ("500 Internal Error", UnavailableError, "unknown"),
        ("502 Bad Gateway", UnavailableError, "unknown"),
        (OUT_OF_ORDER, UnavailableError, "unknown"),
        ("504 Gateway Timeout", UnavailableError, "unknown"),
        (TOO_MANY, RateLimitedError, "not_applied"),
    ],
)
def test_trouble_of_the_service(
    perform: Perform,
    call: Call,
    operation: str,
    status: str,
    kind: type[CloudStoreError],
    outcome: str,
) -> None:
    """Asked again as often as the policy says, over the same connection, and told in full."""
    stage = perform(keep_answering(saying(status)))
    store = stage.store()
    with stage.fails(
        kind,
        operation,
        outcome="not_applied" if call is get else outcome,
        attempts=ATTEMPTS,
        status=int(status[:3]),
        request_id="R1",
        retryable=True,
    ):
        call(store, stage)
    assert len(stage.requests) == ATTEMPTS
    assert stage.connections == 1


@EACH
def test_trouble_that_passes(perform: Perform, call: Call, operation: str) -> None:
    answers = iter([saying("500 Internal Error"), saying(TOO_MANY)])

    def script(peer: Peer) -> None:
        while (seen := peer.read()) is not None:
            peer.send(next(answers, None) or stage.vendor.success(seen, b"data"))

    stage = perform(script)
    call(stage.store(), stage)
    assert (len(stage.requests), stage.retries) == (3, 2)


# --- pauses ---------------------------------------------------------------------------------------


def test_pause_that_the_service_asks_for(perform: Perform) -> None:
    came: list[float] = []

    def script(peer: Peer) -> None:
        while (seen := peer.read()) is not None:
            came.append(time.monotonic())
            busy = saying(OUT_OF_ORDER, "retry-after: 1")
            peer.send(busy if len(came) == 1 else stage.vendor.success(seen, b"data"))

    stage = perform(script)
    put(stage.store(), stage)
    assert came[1] - came[0] >= 1.0
    [event] = [event for event in stage.events if event.name == "retrying"]
    assert event.delay is not None
    assert event.delay >= 1.0


@pytest.mark.parametrize("status", [TOO_MANY, "500 Internal Error", OUT_OF_ORDER])
def test_pause_that_is_too_long(perform: Perform, status: str) -> None:
    stage = perform(keep_answering(saying(status, "retry-after: 5")))
    kind = RateLimitedError if status == TOO_MANY else UnavailableError
    store = stage.store(RetryPolicy(attempts=3, base_delay=0.001, max_retry_after=4.9))
    with (
        within(1.0),
        stage.fails(kind, "create_object", attempts=1, status=int(status[:3]), request_id="R1"),
    ):
        put(store, stage)
    assert len(stage.requests) == 1


def test_pause_that_would_pass_the_deadline(perform: Perform) -> None:
    """The error that there is says more than a deadline that passes while nothing is done."""
    stage = perform(keep_answering(saying(TOO_MANY, "retry-after: 2")))
    store = stage.store()
    with within(1.0), stage.fails(RateLimitedError, "create_object", attempts=1):
        store.create_object(stage.bucket, stage.key, b"data", timeout=1.0)


# --- the budget -----------------------------------------------------------------------------------


def test_budget_of_an_endpoint_runs_dry(perform: Perform) -> None:
    healthy = False

    def script(peer: Peer) -> None:
        while (seen := peer.read()) is not None:
            peer.send(stage.vendor.success(seen, b"data") if healthy else saying(TOO_MANY))

    stage = perform(script)
    store = stage.store(RetryPolicy(attempts=5, base_delay=0.0, budget=6))

    def attempts() -> int:
        before = len(stage.requests)
        with pytest.raises(RateLimitedError) as caught:
            put(store, stage)
        assert caught.value.attempts == len(stage.requests) - before
        return caught.value.attempts

    assert [attempts() for _ in range(4)] == [5, 3, 1, 1]
    healthy = True
    for _ in range(11):  # a tenth of a retry each; one more, as tenths do not add up exactly
        put(store, stage)
    healthy = False
    assert [attempts() for _ in range(2)] == [2, 1]
