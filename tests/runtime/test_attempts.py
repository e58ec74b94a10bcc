"""Signing per attempt, retries, budgets, deadlines: exact counts, the same on every runner."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from cloudstore import (
    AuthenticationError,
    CloudStoreError,
    DeadlineExceededError,
    ErrorKind,
    Event,
    MemoryConfig,
    NotFoundError,
    PermissionDeniedError,
    RateLimitedError,
    RetryPolicy,
    TransportError,
    UnavailableError,
)
from cloudstore.bodies import Body
from cloudstore.driver import (
    Call,
    ErrorInfo,
    Flow,
    Once,
    OnceValue,
    OpContext,
    Request,
    Response,
    Sleep,
)
from cloudstore.providers.memory import MemoryDriver

from .runners import Network

QUICK = RetryPolicy(attempts=4, base_delay=0.001, max_delay=0.002)


class Vendor(MemoryDriver):
    """Speaks a protocol whose statuses mean themselves; its credentials are tokens made once."""

    scheme = "vendor"

    def __init__(self) -> None:
        super().__init__(MemoryConfig())
        self.endpoint = "https://vendor.example"
        self.logins = 0

    def login(self) -> Flow[OnceValue[list[str]]]:
        yield from ()
        self.logins += 1
        return OnceValue([f"token{self.logins}"])

    def credentials(self, ctx: OpContext, rejected: object) -> Flow[object]:
        return (yield Once(self, ctx, "token", self.login, stale=rejected))

    def authorize(self, request: Request, credentials: Any, now: float) -> Mapping[str, str]:
        return {**request.headers, "authorization": f"{credentials[0]}", "date": repr(now)}

    def classify(self, request: Request | Call, failure: Response | Exception) -> ErrorInfo | None:
        if isinstance(failure, OSError):
            return ErrorInfo(ErrorKind.TRANSPORT, "lost", retryable=True, outcome="unknown")
        if isinstance(failure, Exception):
            return None
        if failure.status < 400:
            return None
        kinds = {
            401: (ErrorKind.AUTHENTICATION, False),
            403: (ErrorKind.PERMISSION_DENIED, False),
            404: (ErrorKind.NOT_FOUND, False),
            429: (ErrorKind.RATE_LIMITED, True),
        }
        kind, retryable = kinds.get(failure.status, (ErrorKind.UNAVAILABLE, True))
        after = failure.headers.get("retry-after")
        return ErrorInfo(
            kind,
            f"status {failure.status}",
            retryable,
            float(after) if after else None,
            outcome="unknown" if failure.status == 500 else "not_applied",
            status=failure.status,
            code="Code",
            request_id="id-1",
            rejected_credentials=failure.status == 401,
        )


def scripted(*answers: int | Exception) -> Callable[[Request, Mapping[str, str]], Response]:
    """Answers in turn, the last one for ever."""
    left = list(answers)

    def answer(request: Request, headers: Mapping[str, str]) -> Response:
        next_one = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(next_one, Exception):
            raise next_one
        return Response(next_one, {}, None, b"body")

    return answer


def send(
    vendor: Vendor, ctx: OpContext, method: str = "GET", *, idempotent: bool = True
) -> Flow[Response]:
    return (yield Request(vendor, ctx, method, vendor.endpoint, "/a/../b", idempotent=idempotent))


def lost(outcome: Any = "unknown") -> TransportError:
    return TransportError("reset", retryable=True, outcome=outcome)


def test_each_attempt_is_signed_anew(make_runner: Any) -> None:
    network = Network(scripted(503, 503, 200))
    runner = make_runner(network)
    vendor = Vendor()
    response = runner.run(send(vendor, runner.context(retry=QUICK)))
    assert response.content == b"body"
    assert len(network.seen) == 3
    assert len({headers["date"] for headers in network.seen}) == 3
    assert vendor.logins == 1


def test_no_more_attempts_than_the_policy_says_and_the_error_tells(make_runner: Any) -> None:
    network = Network(scripted(503))
    runner = make_runner(network)
    with pytest.raises(UnavailableError) as caught:
        runner.run(send(Vendor(), runner.context(retry=QUICK)))
    error = caught.value
    assert len(network.seen) == 4
    assert (error.attempts, error.status, error.code) == (4, 503, "Code")
    assert (error.request_id, error.vendor, error.retryable) == ("id-1", "vendor", True)


def test_attempts_1_means_never_again(make_runner: Any) -> None:
    network = Network(scripted(503))
    runner = make_runner(network)
    with pytest.raises(UnavailableError):
        runner.run(send(Vendor(), runner.context(retry=RetryPolicy(attempts=1))))
    assert len(network.seen) == 1


@pytest.mark.parametrize(("status", "error"), [(404, NotFoundError), (403, PermissionDeniedError)])
def test_what_is_not_retryable_is_not_retried(
    make_runner: Any, status: int, error: type[CloudStoreError]
) -> None:
    network = Network(scripted(status))
    runner = make_runner(network)
    with pytest.raises(error):
        runner.run(send(Vendor(), runner.context(retry=QUICK)))
    assert len(network.seen) == 1


@pytest.mark.parametrize(
    ("answer", "idempotent", "sent"),
    [
        (lost("unknown"), True, 4),
        (lost("unknown"), False, 1),
        (lost("not_applied"), False, 4),
        (500, False, 1),
        (503, False, 4),
    ],
)
def test_a_write_is_sent_again_only_where_that_is_safe(
    make_runner: Any, answer: int | Exception, idempotent: bool, sent: int
) -> None:
    network = Network(scripted(answer))
    runner = make_runner(network)
    with pytest.raises(CloudStoreError) as caught:
        runner.run(send(Vendor(), runner.context(retry=QUICK), "PUT", idempotent=idempotent))
    assert len(network.seen) == sent == caught.value.attempts


def test_the_outcome_stays_unknown_once_an_attempt_may_have_been_applied(make_runner: Any) -> None:
    network = Network(scripted(lost("unknown"), 403))
    runner = make_runner(network)
    with pytest.raises(PermissionDeniedError) as caught:
        runner.run(send(Vendor(), runner.context(retry=QUICK), "PUT"))
    assert caught.value.outcome == "unknown"
    assert caught.value.attempts == 2


@pytest.mark.parametrize("answer", [lost("unknown"), 500])
def test_a_read_applies_nothing(make_runner: Any, answer: int | Exception) -> None:
    runner = make_runner(Network(scripted(answer)))
    with pytest.raises(CloudStoreError) as caught:
        runner.run(send(Vendor(), runner.context(retry=QUICK)))
    assert caught.value.outcome == "not_applied"


def test_rejected_credentials_are_renewed_once(make_runner: Any) -> None:
    network = Network(scripted(401, 200))
    runner = make_runner(network)
    vendor = Vendor()
    runner.run(send(vendor, runner.context(retry=QUICK)))
    assert [headers["authorization"] for headers in network.seen] == ["token1", "token2"]

    network = Network(scripted(401))
    runner = make_runner(network)
    vendor = Vendor()
    with pytest.raises(AuthenticationError):
        runner.run(send(vendor, runner.context(retry=QUICK)))
    assert len(network.seen) == 2
    assert vendor.logins == 2


def test_credentials_that_are_not_to_be_had_are_asked_for_once(make_runner: Any) -> None:
    """Who refuses a renewal is not asked again with what was refused; the error says what failed."""

    class Closed(Vendor):
        def login(self) -> Flow[OnceValue[list[str]]]:
            if self.logins:
                self.logins += 1
                raise UnavailableError("no token today", retryable=True, outcome="unknown")
            return (yield from super().login())

    network = Network(scripted(401))
    vendor = Closed()
    runner = make_runner(network)
    with pytest.raises(UnavailableError, match="no token today") as caught:
        runner.run(send(vendor, runner.context(retry=QUICK), "PUT"))
    assert caught.value.outcome == "not_applied"
    assert (len(network.seen), vendor.logins) == (1, 2)

    network = Network(scripted(lost(), 401))
    runner = make_runner(network)
    with pytest.raises(UnavailableError) as caught:
        runner.run(send(Closed(), runner.context(retry=QUICK), "PUT"))
    assert caught.value.outcome == "unknown", "the first attempt may have worked"


def test_retry_after_is_honoured_and_a_long_one_is_no_retry(make_runner: Any) -> None:
    pauses: list[float] = []

    def answer(request: Request, headers: Mapping[str, str]) -> Response:
        return Response(429, {"retry-after": "0.01"}) if not pauses else Response(200, {})

    def told(event: Event) -> None:
        pauses.append(event.delay)

    runner = make_runner(Network(answer))
    ctx = runner.context(retry=QUICK)
    ctx.observer = told
    runner.run(send(Vendor(), ctx))
    assert pauses == [0.01]

    network = Network(lambda request, headers: Response(429, {"retry-after": "3600"}))
    runner = make_runner(network)
    with pytest.raises(RateLimitedError):
        runner.run(send(Vendor(), runner.context(retry=QUICK)))
    assert len(network.seen) == 1


def test_pauses_grow_are_jittered_and_bounded(make_runner: Any) -> None:
    events: list[Event] = []
    runner = make_runner(Network(scripted(503)))
    ctx = runner.context(retry=RetryPolicy(attempts=7, base_delay=0.001, max_delay=0.004))
    ctx.observer = events.append
    with pytest.raises(UnavailableError):
        runner.run(send(Vendor(), ctx))
    assert [event.attempt for event in events] == [1, 2, 3, 4, 5, 6]
    ceilings = [0.001, 0.002, 0.004, 0.004, 0.004, 0.004]
    assert all(0 <= e.delay <= c for e, c in zip(events, ceilings, strict=True))
    assert len({event.delay for event in events}) > 1


def test_the_budget_of_an_endpoint_bounds_the_retries_of_all_its_operations(
    make_runner: Any,
) -> None:
    network = Network(scripted(503))
    runner = make_runner(network)
    policy = RetryPolicy(attempts=4, base_delay=0, budget=5)
    vendor = Vendor()
    for _ in range(10):
        with pytest.raises(UnavailableError):
            runner.run(send(vendor, runner.context(retry=policy)))
    assert len(network.seen) == 10 + 5


def test_successes_fill_the_budget_again(make_runner: Any) -> None:
    answers = [503, 200] * 40
    network = Network(lambda request, headers: Response(answers.pop(0), {}))
    runner = make_runner(network)
    policy = RetryPolicy(attempts=2, base_delay=0, budget=2)
    vendor = Vendor()
    failures = 0
    for _ in range(20):
        try:
            runner.run(send(vendor, runner.context(retry=policy)))
        except UnavailableError:
            failures += 1
    assert 0 < failures < 20


class Endless(Body):
    """Never comes to its end."""

    def __init__(self) -> None:
        self.is_closed = False

    def readinto(self, buffer: memoryview) -> Flow[int]:
        yield from ()
        return len(buffer)

    def close(self) -> None:
        self.is_closed = True


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_error_whose_body_is_endless_is_told_by_its_status(make_runner: Any, method: str) -> None:
    body = Endless()
    runner = make_runner(Network(lambda request, headers: Response(403, {}, body)))
    with pytest.raises(PermissionDeniedError) as caught:
        runner.run(send(Vendor(), runner.context(), method))
    assert (caught.value.status, caught.value.request_id) == (403, "id-1")
    assert body.is_closed


def test_deadline_that_passes_between_attempts_does_not_undo_the_first(make_runner: Any) -> None:
    network = Network(scripted(lost()))
    runner = make_runner(network)
    ctx = runner.context(deadline=100, retry=QUICK)

    def pass_the_deadline(event: Event) -> None:
        ctx.deadline = 0.0

    ctx.observer = pass_the_deadline
    with pytest.raises(DeadlineExceededError) as caught:
        runner.run(send(Vendor(), ctx, "PUT"))
    assert caught.value.outcome == "unknown"
    assert len(network.seen) == 1


def test_no_retry_begins_after_the_deadline(make_runner: Any) -> None:
    network = Network(scripted(503))
    runner = make_runner(network)
    slow = RetryPolicy(attempts=4, base_delay=1000, max_delay=1000)
    with pytest.raises(UnavailableError):
        runner.run(send(Vendor(), runner.context(deadline=0.5, retry=slow)))
    assert len(network.seen) == 1
    with pytest.raises(DeadlineExceededError):
        runner.run(send(Vendor(), runner.context(deadline=-1)))
    assert len(network.seen) == 1


def test_a_call_is_classified_and_retried_by_the_same_policy(make_runner: Any) -> None:
    runner = make_runner()
    vendor = Vendor()
    calls = 0

    def flaky() -> str:
        nonlocal calls
        calls += 1
        if calls < 3:
            raise OSError("reset")
        return "done"

    def flow(*, idempotent: bool) -> Flow[str]:
        ctx = runner.context(retry=QUICK)
        return (yield Call(vendor, ctx, flaky, idempotent=idempotent))

    assert runner.run(flow(idempotent=True)) == "done"
    assert calls == 3
    calls = 0
    with pytest.raises(TransportError) as caught:
        runner.run(flow(idempotent=False))
    assert calls == 1
    assert isinstance(caught.value.__cause__, OSError)
    assert (caught.value.outcome, caught.value.vendor) == ("unknown", "vendor")


def test_what_the_owner_does_not_know_is_raised_unchanged(make_runner: Any) -> None:
    runner = make_runner()

    def broken() -> None:
        raise ZeroDivisionError("a mistake in a driver")

    def flow() -> Flow[None]:
        yield Call(Vendor(), runner.context(retry=QUICK), broken, idempotent=True)

    with pytest.raises(ZeroDivisionError):
        runner.run(flow())


def test_a_driver_over_drivers_keeps_the_owner_of_each_request(make_runner: Any) -> None:
    network = Network(scripted(404))
    runner = make_runner(network)
    first, second = Vendor(), Vendor()
    second.scheme = "other"  # type: ignore[misc]

    def flow() -> Flow[list[str | None]]:
        vendors = []
        for owner in (first, second):
            try:
                yield from send(owner, runner.context())
            except NotFoundError as exc:
                vendors.append(exc.vendor)
            yield Sleep(0)
        return vendors

    assert runner.run(flow()) == ["vendor", "other"]


def test_a_store_without_a_network_says_so(make_runner: Any) -> None:
    runner = make_runner()
    with pytest.raises(TypeError, match="transport"):
        runner.run(send(Vendor(), runner.context(retry=QUICK)))
