"""The runner for threads: a flow runs in the caller's thread; flows side by side borrow others.

A simple operation costs no thread hand-over. Cancellation is cooperative: a branch that is no longer
wanted gets `FlowCancelled` at its next effect, and what it waits for meanwhile (a pause, a connection)
is woken or closed.
"""

from __future__ import annotations

import copy
import os
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from typing import Any, Protocol, TypeVar

from ..driver import (
    AllFailedError,
    Branch,
    Call,
    Effect,
    Flow,
    FlowCancelled,
    Gather,
    Join,
    Once,
    OpContext,
    Race,
    Recv,
    Request,
    Response,
    Sleep,
    Spawn,
)
from ..errors import CloudStoreError, DeadlineExceededError, StoreClosedError
from ..fork import reset_in_child
from .attempts import (
    Attempt,
    RetryBudgets,
    check_deadline,
    finish_error,
    observed,
    perform,
)
from .cells import Cells

__all__ = ["Scope", "SyncRunner", "SyncTransport"]

T = TypeVar("T")
MAX_THREADS = 10_000
"""More than branches ever wait at once, so that nested ones cannot starve; idle threads are reused."""


class Scope:
    """The part of an operation that is cancelled as one: a branch of a `Gather` or a `Race`."""

    __slots__ = ("_event", "_lock", "_wakers", "cancelled")

    def __init__(self) -> None:
        self.cancelled = False
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._wakers: list[Callable[[], None]] = []

    def cancel(self) -> None:
        """Wakes whatever waits in this scope; its flow gets `FlowCancelled`."""
        with self._lock:
            self.cancelled = True
            wakers, self._wakers = self._wakers, []
        self._event.set()
        for wake in wakers:
            wake()

    def attach(self, wake: Callable[[], None]) -> None:
        """Has `wake` called on cancellation: at once where that has happened already."""
        with self._lock:
            if not self.cancelled:
                self._wakers.append(wake)
                return
        wake()

    def detach(self, wake: Callable[[], None]) -> None:
        """Takes back an `attach`."""
        with self._lock:
            if wake in self._wakers:
                self._wakers.remove(wake)

    def wait(self, seconds: float) -> None:
        """Sleeps until then, or until cancelled."""
        self._event.wait(seconds)


class SyncTransport(Protocol):
    """Moves the bytes of requests, blocking."""

    def exchange(self, request: Request, headers: Mapping[str, str], scope: Scope | None) -> Response:
        """Sends once. Raises TransportError or DeadlineExceededError, with a true outcome."""

    def recv(self, effect: Recv) -> int:
        """Fills some of the buffer."""

    def close(self) -> None:
        """Closes all connections."""


class SyncRunner:
    """Performs flows for a `Store`. Any number of threads may use it.

    Args:
        open_transport: makes what moves the bytes of requests, at the first one; None: there are none.
    """

    def __init__(self, open_transport: Callable[[], SyncTransport] | None = None) -> None:
        self._open_transport = open_transport
        self._transport: SyncTransport | None = None
        self._budgets = RetryBudgets()
        self._cells = Cells()
        self._flights: dict[tuple[object, str], _Flight] = {}
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        reset_in_child(self)

    def after_fork_in_child(self) -> None:
        """Threads and whoever led a flight are gone, locks may be held by them."""
        self._lock = threading.Lock()
        self._flights = {}
        self._pool = None
        self._budgets.after_fork()

    def close(self) -> None:
        """Waits for cancelled branches to end, and closes connections."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=True)
        if self._transport is not None:
            self._transport.close()

    def execute(self, ctx: OpContext, vendor: str, flow: Flow[T]) -> T:
        """Runs the flow of an operation: completes its errors, tells the observer."""
        if ctx.observer is None:
            try:
                return self.run(flow)
            except CloudStoreError as exc:
                finish_error(exc, ctx, vendor)
                raise
        with observed(ctx, vendor):
            return self.run(flow)

    def run(self, flow: Flow[T], scope: Scope | None = None) -> T:
        """Runs a flow to its end. Raises what it raises."""
        value: Any = None
        error: BaseException | None = None
        while True:
            try:
                effect = flow.send(value) if error is None else flow.throw(error)
            except StopIteration as stop:
                result: T = stop.value
                return result
            error = None
            try:
                if scope is not None and scope.cancelled:
                    raise FlowCancelled
                if type(effect) is Call:
                    if effect.ctx.deadline is not None:
                        check_deadline(effect.ctx)
                    try:
                        value = effect.function(*effect.args)
                    except Exception as exc:
                        if effect.owner is None:
                            raise
                        value = self.run(perform(self._budgets, effect, exc), scope)
                elif isinstance(effect, Request):
                    attempts = perform(self._budgets, effect, None, self._wire.exchange, scope)
                    value = self.run(attempts, scope)
                else:
                    value = self._perform(effect, scope)
            except BaseException as exc:
                error = exc
                if isinstance(exc, FlowCancelled):
                    scope = None  # thrown once: the flow's cleaning up is not disturbed

    def _perform(self, effect: Effect, scope: Scope | None) -> Any:
        match effect:
            case Attempt():  # of a call: those of requests `perform` makes itself
                assert isinstance(effect.effect, Call)
                return effect.effect.function(*effect.effect.args)
            case Recv():
                return self._recv(effect, scope)
            case Sleep():
                if scope is None:
                    time.sleep(effect.seconds)
                else:
                    scope.wait(effect.seconds)
                    if scope.cancelled:
                        raise FlowCancelled
                return None
            case Once():
                return self._once(effect, scope)
            case Gather():
                return _Gathering(self, effect, scope).result()
            case Race():
                return _Racing(self, effect, scope).result()
            case Spawn():
                return _SpawnedBranch(self, effect.flow)
            case Join():
                return _join(effect, scope)
        raise TypeError(f"a flow yielded {effect!r}, which is no effect")

    def _recv(self, effect: Recv, scope: Scope | None) -> int:
        if scope is None:
            return self._wire.recv(effect)
        scope.attach(effect.stream.close)
        try:
            return self._wire.recv(effect)
        finally:
            scope.detach(effect.stream.close)

    @property
    def _wire(self) -> SyncTransport:
        transport = self._transport
        if transport is not None:
            return transport
        if self._open_transport is None:
            raise TypeError("this driver sends requests, but its store was made without a transport")
        with self._lock:
            if self._transport is None:
                self._transport = self._open_transport()
            return self._transport

    def _once(self, effect: Once, scope: Scope | None) -> Any:
        name = (effect.owner, effect.key)
        while True:
            found, value = self._cells.get(name, effect.ctx.clock.monotonic(), effect.stale)
            if found:
                return value
            with self._lock:
                flight = self._flights.get(name)
                leads = flight is None
                if flight is None:
                    flight = self._flights[name] = _Flight()
            if leads:
                return self._lead(name, effect, flight, scope)
            flight.wait(effect.ctx, scope)
            if flight.error is not None:
                # A copy: each operation adds to its error what it was about.
                raise copy.copy(flight.error) from flight.error

    def _lead(
        self, name: tuple[object, str], effect: Once, flight: _Flight, scope: Scope | None
    ) -> Any:
        try:
            made = self.run(effect.make(), scope)
            return self._cells.put(name, made, effect.ctx.clock.monotonic())
        except DeadlineExceededError:
            raise  # its own deadline, not theirs who wait
        except CloudStoreError as exc:
            flight.error = copy.copy(exc)  # the leader's own learns what it was about
            raise
        finally:
            # A leader that was cancelled leaves no error: one of those who wait leads next.
            with self._lock:
                self._flights.pop(name, None)
            flight.landed.set()

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """Runs `work` in another thread, which sees the context variables of this one.

        An observer finds there what the operation belongs to, such as a trace.
        """
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(MAX_THREADS, thread_name_prefix="cloudstore")
            return self._pool.submit(copy_context().run, work)


class _Flight:
    """One making of a `Once` value, waited for by others."""

    __slots__ = ("error", "landed")

    def __init__(self) -> None:
        self.landed = threading.Event()
        self.error: CloudStoreError | None = None

    def wait(self, ctx: OpContext, scope: Scope | None) -> None:
        if scope is not None:
            scope.attach(self.landed.set)
        try:
            left = None if ctx.deadline is None else ctx.deadline - ctx.clock.monotonic()
            self.landed.wait(left)
        finally:
            if scope is not None:
                scope.detach(self.landed.set)
        if scope is not None and scope.cancelled:
            raise FlowCancelled
        check_deadline(ctx)


class _SpawnedBranch(Branch):
    """A flow in a thread of its own."""

    __slots__ = ("_scope", "ending", "pid")

    def __init__(self, runner: SyncRunner, flow: Flow[Any]) -> None:
        self._scope = Scope()
        self.pid = os.getpid()
        self.ending = runner.submit(lambda: runner.run(flow, self._scope))

    @property
    def done(self) -> bool:
        return self.ending.done()

    def result(self) -> Any:
        return self.ending.result()

    def cancel(self) -> None:
        self._scope.cancel()


def _join(effect: Join, scope: Scope | None) -> None:
    waited_for: list[Future[Any]] = []
    for branch in effect.branches:
        assert isinstance(branch, _SpawnedBranch)
        if branch.pid != os.getpid():
            raise StoreClosedError("this was begun before the process forked, and goes on there")
        waited_for.append(branch.ending)
    if scope is None:
        wait(waited_for, return_when=FIRST_COMPLETED)
        return
    cancelled: Future[Any] = Future()

    def wake() -> None:
        cancelled.set_result(None)

    scope.attach(wake)
    try:
        wait([*waited_for, cancelled], return_when=FIRST_COMPLETED)
    finally:
        scope.detach(wake)
    if scope.cancelled:
        raise FlowCancelled


class _Branches(ABC):
    """Flows that run in other threads while the thread of the operation waits for them."""

    def __init__(self, runner: SyncRunner, parent: Scope | None) -> None:
        self._runner = runner
        self._parent = parent
        self._changed = threading.Condition()
        self._scopes: dict[int, Scope] = {}
        self._running = 0
        self._started = 0

    def _start(self, flow: Flow[Any]) -> None:
        index, self._started = self._started, self._started + 1
        scope = self._scopes[index] = Scope()
        if self._parent is not None:
            self._parent.attach(scope.cancel)
        self._running += 1

        def work() -> None:
            try:
                value = self._runner.run(flow, scope)
            except BaseException as exc:
                self._end(index, scope, None, exc)
            else:
                self._end(index, scope, value, None)

        self._runner.submit(work)

    def _end(self, index: int, scope: Scope, value: Any, error: BaseException | None) -> None:
        if self._parent is not None:
            self._parent.detach(scope.cancel)
        with self._changed:
            self._running -= 1
            self._scopes.pop(index, None)
            wanted = self._ended(index, value, error)
            self._changed.notify_all()
        if not wanted:
            self._discard(value)

    @abstractmethod
    def _ended(self, index: int, value: Any, error: BaseException | None) -> bool:
        """Notes how a branch ended; whether its result is wanted."""

    def _discard(self, value: Any) -> None:  # noqa: B027 - a gathering wants every result
        """Drops a result that is not wanted."""

    def _cancel_all(self) -> None:
        with self._changed:
            scopes = list(self._scopes.values())
        for scope in scopes:
            scope.cancel()


class _Gathering(_Branches):
    def __init__(self, runner: SyncRunner, effect: Gather, parent: Scope | None) -> None:
        super().__init__(runner, parent)
        self._effect = effect
        self._results: dict[int, Any] = {}
        self._error: BaseException | None = None

    def result(self) -> list[Any]:
        limit = self._effect.limit or MAX_THREADS
        flows: Iterator[Flow[Any]] = iter(self._effect.flows)
        try:
            while self._error is None:
                with self._changed:
                    while self._running >= limit and self._error is None:
                        self._changed.wait()
                flow = next(flows, None) if self._error is None else None
                if flow is None:
                    break
                with self._changed:
                    self._start(flow)
            self._wait_for_all()
        except BaseException:
            self._cancel_all()
            self._wait_for_all()
            raise
        if self._error is not None:
            raise self._error
        return [self._results[i] for i in range(self._started)]

    def _wait_for_all(self) -> None:
        with self._changed:
            while self._running:
                if self._error is not None:
                    for scope in list(self._scopes.values()):
                        scope.cancel()
                self._changed.wait()

    def _ended(self, index: int, value: Any, error: BaseException | None) -> bool:
        if error is None:
            self._results[index] = value
        elif isinstance(error, Exception) and not self._effect.fail_fast:
            self._results[index] = error
        elif self._error is None:
            self._error = error
        return True


class _Racing(_Branches):
    def __init__(self, runner: SyncRunner, effect: Race, parent: Scope | None) -> None:
        super().__init__(runner, parent)
        self._effect = effect
        self._errors: dict[int, BaseException] = {}
        self._won = False
        self._over = False
        self._value: Any = None

    def result(self) -> Any:
        flows = list(self._effect.flows)
        try:
            with self._changed:
                next_start = 0.0
                while not self._won:
                    now = time.monotonic()
                    if self._started < len(flows) and (not self._running or now >= next_start):
                        self._start(flows[self._started])
                        next_start = now + self._effect.stagger
                    elif not self._running:
                        break
                    else:
                        waiting = self._started < len(flows)
                        self._changed.wait(next_start - now if waiting else None)
                self._over = True
        except BaseException:
            with self._changed:
                self._over = True
            raise
        finally:
            self._cancel_all()
            for flow in flows[self._started :]:
                flow.close()
        if self._won:
            return self._value
        return _raise_all([self._errors[i] for i in range(len(flows))])

    def _ended(self, index: int, value: Any, error: BaseException | None) -> bool:
        if error is not None:
            self._errors[index] = error
            return True
        if self._won or self._over:
            return False
        self._won, self._value = True, value
        return True

    def _discard(self, value: Any) -> None:
        if self._effect.discard is not None:
            self._effect.discard(value)


def _raise_all(errors: list[BaseException]) -> Any:
    """Of branches that all failed: a cancellation or an interrupt goes first."""
    for error in errors:
        if not isinstance(error, Exception):
            raise error
    raise AllFailedError([e for e in errors if isinstance(e, Exception)])
