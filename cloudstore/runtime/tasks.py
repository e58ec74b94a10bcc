"""The runner for asyncio: a flow runs in the caller's task; flows side by side have tasks of their own.

A `Call` that may block goes to the loop's thread pool. A thread cannot be stopped, so a task that is
cancelled meanwhile waits for it and then lets the flow clean up: nothing is torn down under a running
function. One runner may serve several event loops, one after the other or side by side.
"""

from __future__ import annotations

import asyncio
import copy
import inspect
from collections.abc import Callable, Mapping
from contextlib import suppress
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
from ..errors import CloudStoreError, DeadlineExceededError
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

__all__ = ["AsyncRunner", "AsyncTransport"]

T = TypeVar("T")


class AsyncTransport(Protocol):
    """Moves the bytes of requests on asyncio."""

    async def exchange(self, request: Request, headers: Mapping[str, str]) -> Response:
        """Sends once. Raises TransportError or DeadlineExceededError, with a true outcome."""

    async def recv(self, effect: Recv) -> int:
        """Fills some of the buffer."""

    async def close(self) -> None:
        """Closes all connections."""


class AsyncRunner:
    """Performs flows for an `AsyncStore`.

    Args:
        open_transport: makes what moves the bytes of requests, at the first one; None: there are none.
    """

    def __init__(self, open_transport: Callable[[], AsyncTransport] | None = None) -> None:
        self._open_transport = open_transport
        self._transport: AsyncTransport | None = None
        self._budgets = RetryBudgets()
        self._cells = Cells()
        self._flights: dict[tuple[object, object, str], asyncio.Future[None]] = {}
        self._losers: set[asyncio.Task[Any]] = set()
        self._spawned: set[asyncio.Task[Any]] = set()
        reset_in_child(self)

    def after_fork_in_child(self) -> None:
        """The parent's loop and its tasks do not run here."""
        self._flights = {}
        self._losers = set()
        self._spawned = set()
        self._budgets.after_fork()

    async def close(self) -> None:
        """Waits for the branches of this loop to end, and closes connections."""
        loop = asyncio.get_running_loop()
        side_by_side = self._losers | self._spawned
        ending = [task for task in side_by_side if task.get_loop() is loop]
        await asyncio.gather(*ending, return_exceptions=True)
        if self._transport is not None:
            await self._transport.close()

    async def execute(self, ctx: OpContext, vendor: str, flow: Flow[T]) -> T:
        """Runs the flow of an operation: completes its errors, tells the observer."""
        if ctx.observer is None:
            try:
                return await self.run(flow)
            except CloudStoreError as exc:
                finish_error(exc, ctx, vendor)
                raise
        with observed(ctx, vendor):
            return await self.run(flow)

    async def run(self, flow: Flow[T], *, keeps_result: bool = False) -> T:
        """Runs a flow to its end. Raises what it raises.

        Args:
            keeps_result: a flow that was cancelled and has a result all the same returns it, so that
                whoever cancelled can discard it.
        """
        value: Any = None
        error: BaseException | None = None
        cancelled: asyncio.CancelledError | None = None
        while True:
            try:
                effect = flow.send(value) if error is None else flow.throw(error)
            except StopIteration as stop:
                if cancelled is not None and not keeps_result:
                    raise cancelled from None
                result: T = stop.value
                return result
            except FlowCancelled:
                if cancelled is not None:
                    raise cancelled from None
                raise
            error = None
            try:
                if type(effect) is Call:
                    if effect.ctx.deadline is not None:
                        check_deadline(effect.ctx)
                    try:
                        value = await _call(effect)
                    except Exception as exc:
                        if effect.owner is None:
                            raise
                        value = await self.run(perform(self._budgets, effect, exc))
                elif isinstance(effect, Request):
                    value = await self.run(perform(self._budgets, effect))
                elif type(effect) is Attempt and isinstance(effect.effect, Request):
                    value = await self._wire.exchange(effect.effect, effect.headers)
                else:
                    value = await self._perform(effect)
            except asyncio.CancelledError as exc:
                cancelled = exc
                error = FlowCancelled()
            except BaseException as exc:
                error = exc

    async def _perform(self, effect: Effect) -> Any:
        match effect:
            case Attempt():
                assert isinstance(effect.effect, Call)
                return await _call(effect.effect)
            case Recv():
                return await self._wire.recv(effect)
            case Sleep():
                await asyncio.sleep(effect.seconds)
                return None
            case Once():
                return await self._once(effect)
            case Gather():
                return await self._gather(effect)
            case Race():
                return await self._race(effect)
            case Spawn():
                return self._spawn(effect.flow)
            case Join():
                await _join(effect)
                return None
        raise TypeError(f"a flow yielded {effect!r}, which is no effect")

    @property
    def _wire(self) -> AsyncTransport:
        if self._transport is None:
            if self._open_transport is None:
                raise TypeError(
                    "this driver sends requests, but its store was made without a transport"
                )
            self._transport = self._open_transport()
        return self._transport

    async def _once(self, effect: Once) -> Any:
        loop = asyncio.get_running_loop()
        name, flight_name = (effect.owner, effect.key), (loop, effect.owner, effect.key)
        while True:
            found, value = self._cells.get(name, effect.ctx.clock.monotonic(), effect.stale)
            if found:
                return value
            flight = self._flights.get(flight_name)
            if flight is None:
                break
            left = None
            if effect.ctx.deadline is not None:
                left = effect.ctx.deadline - effect.ctx.clock.monotonic()
            try:
                async with asyncio.timeout(left):
                    await asyncio.shield(flight)
            except CloudStoreError as exc:
                # A copy: each operation adds to its error what it was about.
                raise copy.copy(exc) from exc
            except TimeoutError:
                raise DeadlineExceededError("the operation's time is up") from None
        flight = self._flights[flight_name] = loop.create_future()
        try:
            made = await self.run(effect.make())
            return self._cells.put(name, made, effect.ctx.clock.monotonic())
        except DeadlineExceededError:
            raise  # its own deadline, not theirs who wait
        except CloudStoreError as exc:
            flight.set_exception(copy.copy(exc))  # the leader's own learns what it was about
            flight.exception()  # whoever waits is told; nobody waiting is no reason to warn
            raise
        finally:
            # A leader that was cancelled leaves no error: one of those who wait leads next.
            del self._flights[flight_name]
            if not flight.done():
                flight.set_result(None)

    def _spawn(self, flow: Flow[Any]) -> Branch:
        task = asyncio.create_task(self.run(flow))
        self._spawned.add(task)  # asyncio itself would forget it, running
        task.add_done_callback(self._ended)
        return _SpawnedBranch(task)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._spawned.discard(task)
        _error_of(task)

    async def _gather(self, effect: Gather) -> list[Any]:
        flows = iter(effect.flows)
        tasks: list[asyncio.Task[Any]] = []
        running: set[asyncio.Task[Any]] = set()
        try:
            for flow in flows:
                tasks.append(asyncio.create_task(self.run(flow)))
                running.add(tasks[-1])
                while effect.limit is not None and len(running) >= effect.limit:
                    running = await _settle_some(running, effect)
            while running:
                running = await _settle_some(running, effect)
        except BaseException:
            for task in tasks:
                task.cancel()
            await _wait_for(tasks)
            raise
        return [task.exception() or task.result() for task in tasks]

    async def _race(self, effect: Race) -> Any:
        loop = asyncio.get_running_loop()
        flows = list(effect.flows)
        tasks: list[asyncio.Task[Any]] = []
        running: set[asyncio.Task[Any]] = set()
        next_start = 0.0
        try:
            while running or len(tasks) < len(flows):
                now = loop.time()
                if len(tasks) < len(flows) and (not running or now >= next_start):
                    tasks.append(loop.create_task(self.run(flows[len(tasks)], keeps_result=True)))
                    running.add(tasks[-1])
                    next_start = now + effect.stagger
                done, running = await asyncio.wait(
                    running,
                    timeout=max(0.0, next_start - now) if len(tasks) < len(flows) else None,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                for task in tasks:
                    if task in done and _error_of(task) is None:
                        self._dismiss([t for t in tasks if t is not task], effect.discard)
                        return task.result()
        except BaseException:
            self._dismiss(tasks, effect.discard)
            await _wait_for(tasks)
            raise
        finally:
            for flow in flows[len(tasks) :]:
                flow.close()
        errors = [error for task in tasks if (error := _error_of(task)) is not None]
        for error in errors:
            if not isinstance(error, Exception):
                raise error
        raise AllFailedError([error for error in errors if isinstance(error, Exception)])

    def _dismiss(self, tasks: list[asyncio.Task[Any]], discard: Callable[[Any], None] | None) -> None:
        """Cancels branches that are not wanted; a result that comes all the same is discarded."""

        def ended(task: asyncio.Task[Any]) -> None:
            self._losers.discard(task)
            if _error_of(task) is None and discard is not None:
                discard(task.result())

        for task in tasks:
            self._losers.add(task)
            task.cancel()
            task.add_done_callback(ended)


class _SpawnedBranch(Branch):
    """A flow in a task of its own."""

    __slots__ = ("task",)

    def __init__(self, task: asyncio.Task[Any]) -> None:
        self.task = task

    @property
    def done(self) -> bool:
        return self.task.done()

    def result(self) -> Any:
        if self.task.cancelled():
            raise FlowCancelled
        return self.task.result()

    def cancel(self) -> None:
        self.task.cancel()


async def _join(effect: Join) -> None:
    tasks = [branch.task for branch in effect.branches if isinstance(branch, _SpawnedBranch)]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)


async def _call(call: Call) -> Any:
    if not call.blocking:
        result = call.function(*call.args)
        return await result if inspect.isawaitable(result) else result
    future = asyncio.get_running_loop().run_in_executor(None, _do, [call])
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        while not future.done():
            try:
                await asyncio.wait([future])
            except asyncio.CancelledError:
                continue
        if not future.cancelled() and future.exception() is None:
            _close(future.result())
        raise


def _close(result: Any) -> None:
    """Gives back what a function has opened for a flow that does not get it any more."""
    close = getattr(result, "close", None)
    if close is not None:
        close()


def _do(work: list[Call]) -> Any:
    """Does the one piece of work, and lets go of it before its result is known.

    A thread of the pool holds its arguments a moment longer than that: a caller who then closes a
    BytesIO would find that its bytes are still in use.
    """
    call = work.pop()
    return call.function(*call.args)


async def _settle_some(running: set[asyncio.Task[Any]], effect: Gather) -> set[asyncio.Task[Any]]:
    """Waits for some tasks to end; returns those that still run; raises what shall be raised."""
    done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        error = task.exception()
        if error is not None and (effect.fail_fast or not isinstance(error, Exception)):
            raise error
    return running


def _error_of(task: asyncio.Task[Any]) -> BaseException | None:
    return asyncio.CancelledError() if task.cancelled() else task.exception()


async def _wait_for(tasks: list[asyncio.Task[Any]]) -> None:
    """Waits until all have ended, also where this task is cancelled once more meanwhile."""
    pending = [task for task in tasks if not task.done()]
    while pending:
        # What runs is ending already, and the first cancellation is on its way up.
        with suppress(asyncio.CancelledError):
            await asyncio.wait(pending)
        pending = [task for task in pending if not task.done()]
    for task in tasks:
        _error_of(task)
