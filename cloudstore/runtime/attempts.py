"""What every runner does the same way: attempts, retries, deadlines, errors, events.

This is the only place in the library that retries. It is written as a flow over one primitive effect,
`Attempt`, so that threads, asyncio and the simulation run the very same code. It does no I/O.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

from ..bodies import Body
from ..driver import Call, Driver, Effect, ErrorInfo, Flow, OpContext, Request, Response, Sleep
from ..errors import CloudStoreError, DeadlineExceededError, TransportError, error_class
from ..events import Event

__all__ = [
    "FIRST_ERROR_STATUS",
    "Attempt",
    "RetryBudgets",
    "check_deadline",
    "finish_error",
    "observed",
    "perform",
]

FIRST_ERROR_STATUS = 300
"""Redirects are not followed: what they say is read like an error."""
MAX_ERROR_BYTES = 256 * 1024
"""How long the body of an error may be; its code stands at the beginning."""
MAX_BUFFERED_BYTES = 64 * 1024 * 1024
"""How long an answer may be that is read whole; a listing of 1,000 keys has less than 4 MiB."""
BUFFER_BYTES = 64 * 1024

_READS = frozenset({"GET", "HEAD", "OPTIONS"})
BUDGET_REFUND = 0.1
"""What a success gives back to the retry budget; a retry takes 1."""


class Attempt(Effect):
    """Send a request once, with these headers, or call a function once. Only runners see it."""

    __slots__ = ("effect", "headers")

    def __init__(self, effect: Request | Call, headers: Mapping[str, str]) -> None:
        self.effect = effect
        self.headers = headers


class RetryBudgets:
    """How many retries each endpoint has left; shared by all operations of a store."""

    __slots__ = ("_left", "_lock")

    def __init__(self) -> None:
        self._left: dict[str, float] = {}
        self._lock = threading.Lock()

    def after_fork(self) -> None:
        """Replaces the lock, which another thread may have held."""
        self._lock = threading.Lock()

    def take(self, endpoint: str, capacity: int) -> bool:
        """Takes one retry, if there is one."""
        with self._lock:
            left = self._left.get(endpoint, float(capacity))
            if left < 1:
                return False
            self._left[endpoint] = left - 1
            return True

    def refund(self, endpoint: str, capacity: int) -> None:
        """Gives back for a success. Costs one look-up where nothing was taken."""
        if endpoint not in self._left:
            return
        with self._lock:
            left = self._left.get(endpoint, float(capacity)) + BUDGET_REFUND
            if left >= capacity:
                self._left.pop(endpoint, None)
            else:
                self._left[endpoint] = left


def check_deadline(ctx: OpContext) -> None:
    """Raises DeadlineExceededError where the operation's time is up."""
    if ctx.deadline is not None and ctx.clock.monotonic() >= ctx.deadline:
        raise DeadlineExceededError("the operation's time is up")


def perform(
    budgets: RetryBudgets,
    effect: Request | Call,
    failure: Exception | None = None,
    exchange: Callable[[Request, Mapping[str, str], Any], Response] | None = None,
    scope: object = None,
) -> Generator[Effect, Any, Any]:
    """Performs an effect in as many attempts as the policy allows.

    Args:
        failure: of a first attempt that the runner has made already (for a `Call`, which nearly
            always succeeds, runners do that without this flow).
        exchange: sends a request once, where the runner may block: that spares it an `Attempt`.
        scope: what `exchange` is told.
    """
    owner, ctx = effect.owner, effect.ctx
    attempt = 1
    maybe_applied = False
    rejected: object = None
    while True:
        info: ErrorInfo | None = None
        credentials: object = None
        if failure is None:
            try:
                if ctx.deadline is not None:
                    check_deadline(ctx)
                if isinstance(effect, Call):
                    result = yield Attempt(effect, {})
                    if owner is not None:
                        budgets.refund(owner.endpoint, ctx.retry.budget)
                    return result
                try:
                    credentials = yield from effect.owner.credentials(ctx, rejected)
                except CloudStoreError as exc:
                    exc.outcome = "unknown" if maybe_applied else "not_applied"
                    raise _NoCredentialsError(exc) from exc
                headers = effect.owner.authorize(effect, credentials, ctx.clock.now())
                answer: Response = (
                    (yield Attempt(effect, headers))
                    if exchange is None
                    else exchange(effect, headers, scope)
                )
                body = answer.body
                if body is not None and (effect.buffered or answer.status >= FIRST_ERROR_STATUS):
                    yield from _buffer(effect, answer, body)
            except _NoCredentialsError as exc:
                raise exc.error from exc.error.__cause__
            except Exception as exc:
                failure = exc
            else:
                info = effect.owner.classify(effect, answer)
                if info is None:
                    budgets.refund(effect.owner.endpoint, ctx.retry.budget)
                    return answer
                if answer.body is not None:
                    answer.body.close()
        error, retry_after = _as_error(effect, info, failure)
        maybe_applied = maybe_applied or error.outcome == "unknown"
        renew = info is not None and info.rejected_credentials and rejected is None
        rejected = credentials if renew else None
        delay = _pause(budgets, effect, error, retry_after, attempt, renew=renew)
        if delay is None:
            error.attempts = attempt
            if maybe_applied:
                error.outcome = "unknown"
            raise error from (failure if failure is not error else error.__cause__)
        if ctx.observer is not None:
            _tell_retry(ctx, owner, error, attempt, delay)
        if delay:
            yield Sleep(delay)
        failure = None
        attempt += 1


class _NoCredentialsError(Exception):
    """There is nothing to sign with: `error` says why.

    It is final: whatever the driver asked for them, it asked as often as the policy says.
    """

    def __init__(self, error: CloudStoreError) -> None:
        super().__init__(str(error))
        self.error = error


def _buffer(request: Request, response: Response, body: Body) -> Flow[None]:
    """Reads the body of an answer that is wanted whole, or belongs to an error.

    Of an error's body the beginning is enough: however long it is, its status counts.
    """
    is_error = response.status >= FIRST_ERROR_STATUS
    limit = MAX_ERROR_BYTES if is_error else MAX_BUFFERED_BYTES
    content = body.take()
    if content is None:
        pieces = bytearray()
        buffer = memoryview(bytearray(BUFFER_BYTES))
        while count := (yield from body.readinto(buffer)):
            pieces += buffer[:count]
            if len(pieces) > limit:
                body.close()
                if is_error:
                    break
                raise TransportError("the answer is too long", outcome="unknown")
        content = bytes(pieces)
    response.content, response.body = content, None


def _as_error(
    effect: Request | Call, info: ErrorInfo | None, failure: Exception | None
) -> tuple[CloudStoreError, float | None]:
    """The typed error of a failed attempt, and the pause that the vendor asks for."""
    if failure is not None:
        if isinstance(failure, CloudStoreError):
            if failure.vendor is None and effect.owner is not None:
                failure.vendor = effect.owner.scheme
            if _only_reads(effect):
                failure.outcome = "not_applied"
            return failure, None
        info = effect.owner.classify(effect, failure) if effect.owner is not None else None
        if info is None:
            raise failure
    assert info is not None
    assert effect.owner is not None
    error = error_class(info.kind)(
        info.message,
        vendor=effect.owner.scheme,
        status=info.status,
        code=info.code,
        request_id=info.request_id,
        retryable=info.retryable,
        outcome="not_applied" if _only_reads(effect) else info.outcome,
    )
    return error, info.retry_after


def _only_reads(effect: Request | Call) -> bool:
    return isinstance(effect, Request) and effect.method in _READS


def _pause(
    budgets: RetryBudgets,
    effect: Request | Call,
    error: CloudStoreError,
    retry_after: float | None,
    attempt: int,
    *,
    renew: bool,
) -> float | None:
    """Seconds until the next attempt, or None where there is none."""
    policy, ctx = effect.ctx.retry, effect.ctx
    if attempt >= policy.attempts:
        return None
    if renew:
        return 0.0
    if not error.retryable or not (
        error.outcome == "not_applied" or effect.idempotent or _only_reads(effect)
    ):
        return None
    if retry_after is not None and retry_after > policy.max_retry_after:
        return None
    ceiling = min(policy.max_delay, policy.base_delay * 2 ** (attempt - 1))
    delay = max(retry_after or 0.0, ctx.random.uniform(0, ceiling))
    if ctx.deadline is not None and ctx.clock.monotonic() + delay >= ctx.deadline:
        return None
    endpoint = effect.owner.endpoint if effect.owner is not None else ""
    return delay if budgets.take(endpoint, policy.budget) else None


def _tell_retry(
    ctx: OpContext, owner: Driver | None, error: CloudStoreError, attempt: int, delay: float
) -> None:
    assert ctx.observer is not None
    ctx.observer(
        Event(
            "retrying",
            owner.scheme if owner is not None else "",
            ctx.operation,
            ctx.bucket,
            ctx.key,
            attempt=attempt,
            delay=delay,
            error=error,
        )
    )


def finish_error(error: CloudStoreError, ctx: OpContext, vendor: str) -> None:
    """The one place where an error learns what it was about."""
    if error.vendor is None:
        error.vendor = vendor
    if error.operation is None:
        error.operation = ctx.operation
    if error.bucket is None:
        error.bucket = ctx.bucket
    if error.key is None:
        error.key = ctx.key


@contextmanager
def observed(ctx: OpContext, vendor: str) -> Iterator[None]:
    """Completes an operation's error and tells its observer how it went."""
    observer = ctx.observer
    began = ctx.clock.monotonic()

    def tell(name: Literal["started", "succeeded", "failed"], error: CloudStoreError | None) -> None:
        if observer is not None:
            elapsed = ctx.clock.monotonic() - began
            observer(Event(name, vendor, ctx.operation, ctx.bucket, ctx.key, elapsed, error=error))

    tell("started", None)
    try:
        yield
    except CloudStoreError as exc:
        finish_error(exc, ctx, vendor)
        tell("failed", exc)
        raise
    except BaseException:
        tell("failed", None)
        raise
    tell("succeeded", None)
