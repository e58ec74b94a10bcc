"""The simulation: a third runner that plays the real flows through any interleaving.

Time is virtual, chance is seeded, and one effect is performed at a time, of a task that the seeded
scheduler picks. So a run is repeated exactly by its seed, thousands of schedules take seconds, and a
task can be cancelled or crash at every effect. `SimulatedTransport` is the network of such a run.
It touches neither the clock, nor threads, nor files.

>>> from cloudstore.driver import Sleep
>>> def flow():
...     yield Sleep(3600)
...     return "an hour later"
>>> Simulation(seed=1).run(flow())
'an hour later'
"""

from __future__ import annotations

import copy
import random
from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping
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
from ..policy import RetryPolicy
from ..runtime.attempts import Attempt, RetryBudgets, check_deadline, perform
from ..runtime.cells import Cells

__all__ = ["Deadlock", "SimulatedClock", "SimulatedTask", "SimulatedTransport", "Simulation"]

T = TypeVar("T")
EPOCH = 1_800_000_000.0
"""Where virtual time begins, in seconds since 1970."""
MAX_STEPS = 1_000_000
"""More effects than a run may take: a flow that never ends is a mistake that shall be seen."""


class Deadlock(AssertionError):
    """Tasks wait for each other, or a run does not end."""


class SimulatedClock:
    """Virtual time: it passes only when every task waits."""

    def __init__(self) -> None:
        self._now = 0.0

    def now(self) -> float:
        """Seconds since 1970."""
        return EPOCH + self._now

    def monotonic(self) -> float:
        """Seconds since the run began."""
        return self._now

    def advance_to(self, moment: float) -> None:
        """Lets time pass, never back."""
        self._now = max(self._now, moment)


class SimulatedTransport(Protocol):
    """The network of a simulation: it answers by flows, so that it may let time pass."""

    def exchange(self, request: Request, headers: Mapping[str, str]) -> Flow[Response]:
        """Sends once. Raises TransportError or DeadlineExceededError, with a true outcome."""

    def recv(self, effect: Recv) -> Flow[int]:
        """Fills some of the buffer."""


class SimulatedTask:
    """A flow under way.

    Attributes:
        name: for messages.
        parent: the task whose `Gather`, `Race` or `Spawn` began it, or None.
        done: whether it has ended, by `result` or by `error`, or has crashed.
        crashed: whether it was stopped dead; it then has neither.
        steps: how many effects it has had performed.
    """

    def __init__(self, name: str, flow: Flow[Any], parent: SimulatedTask | None) -> None:
        self.name = name
        self.parent = parent
        self.done = False
        self.crashed = False
        self.result: Any = None
        self.error: BaseException | None = None
        self.steps = 0
        self._stack: list[Generator[Effect, Any, Any]] = [flow]
        self._wait: _Wait | None = None
        self._cancelled = False
        self._owner: _Branches | None = None

    def _can_move(self, now: float) -> bool:
        if self._wait is None or self._wait.ready(now):
            return True
        return self._cancelled and self._wait.can_cancel()

    def value(self) -> Any:
        """What the flow returned; raises what it raised."""
        if not self.done or self.crashed:
            raise Deadlock(f"{self!r} has not ended")
        if self.error is not None:
            raise self.error
        return self.result

    def leaks(self) -> list[str]:
        """The names of its flows that were begun and have not ended."""
        return [
            f"{self.name}: {getattr(flow, '__qualname__', flow)}"
            for flow in self._stack
            if getattr(flow, "gi_frame", None) is not None
        ]

    def __repr__(self) -> str:
        state = "crashed" if self.crashed else "done" if self.done else f"at {self._wait!r}"
        return f"<SimulatedTask: {self.name} {state}>"


class Simulation:
    """Runs flows under a seed.

    Attributes:
        clock, random: give them to whatever the flows are made of.
        tasks: all that there were, branches of `Gather`, `Race` and `Spawn` included.
    """

    def __init__(self, seed: int, transport: SimulatedTransport | None = None) -> None:
        self.clock = SimulatedClock()
        self.random = random.Random(seed)
        self.tasks: list[SimulatedTask] = []
        self._transport = transport
        self._budgets = RetryBudgets()
        self._cells = Cells()
        self._flights: dict[tuple[object, str], _Flight] = {}
        self._live: list[SimulatedTask] = []
        self._steps = 0

    # --- what a test does ---

    def context(
        self,
        operation: str = "simulated",
        bucket: str | None = None,
        key: str | None = None,
        *,
        deadline: float | None = None,
        retry: RetryPolicy | None = None,
    ) -> OpContext:
        """A context whose time and chance are the simulation's."""
        return OpContext(
            operation, bucket, key, deadline, retry or RetryPolicy(), None, self.clock, self.random
        )

    def spawn(
        self, flow: Flow[Any], name: str = "task", parent: SimulatedTask | None = None
    ) -> SimulatedTask:
        """Makes a task of a flow; it moves when the simulation runs."""
        task = SimulatedTask(name, flow, parent)
        self.tasks.append(task)
        self._live.append(task)
        return task

    def run(self, flow: Flow[T], name: str = "main") -> T:
        """Runs a flow, and everything else, to the end; returns or raises what the flow does."""
        task = self.spawn(flow, name)
        self.run_all()
        result: T = task.value()
        return result

    def run_all(self) -> None:
        """Runs until every task has ended.

        Raises:
            Deadlock: tasks are left that wait for each other.
        """
        while self.step():
            pass
        if self._live:
            raise Deadlock(f"waiting for ever: {self._live}")

    def step(self) -> bool:
        """Performs one effect of one task, or lets time pass; False when nothing can move."""
        self._steps += 1
        if self._steps > MAX_STEPS:
            raise Deadlock(f"still running after {MAX_STEPS} effects: {self._live}")
        now = self.clock.monotonic()
        ready = [task for task in self._live if task._can_move(now)]
        if ready:
            self._advance(self.random.choice(ready))
            return True
        moments = [t._wait.wake_at for t in self._live if t._wait is not None]
        known = [moment for moment in moments if moment is not None]
        if known:
            self.clock.advance_to(min(known))
        return bool(known)

    def cancel(self, task: SimulatedTask) -> None:
        """Cancels a task: `FlowCancelled` is thrown where it waits."""
        if not task.done:
            task._cancelled = True

    def crash(self, task: SimulatedTask) -> None:
        """Stops a task and its branches dead: nothing of them is performed or cleaned up any more."""
        for branch in [t for t in self._live if t.parent is task]:
            self.crash(branch)
        if not task.done:
            task.done = task.crashed = True
            self._live.remove(task)

    def leaks(self) -> list[str]:
        """The flows that were begun and neither ended nor crashed: there should be none."""
        return [leak for task in self.tasks if not task.crashed for leak in task.leaks()]

    # --- one step of a task ---

    def _advance(self, task: SimulatedTask) -> None:
        """Performs what a task waits for, and runs it to its next effect."""
        wait = task._wait
        if task._cancelled and (wait is None or wait.begin_cancelling(self.random)):
            task._cancelled = False
            task._wait = None
            self._resume(task, None, FlowCancelled())
            return
        if wait is None:
            self._resume(task, None, None)
            return
        if not wait.ready(self.clock.monotonic()):
            return  # its branches are ending first
        task._wait = None
        task.steps += 1
        try:
            outcome = wait.finish()
        except BaseException as exc:
            self._resume(task, None, exc)
            return
        if isinstance(outcome, _Wait):
            task._wait = outcome
        elif isinstance(outcome, _Push):
            task._stack.append(outcome.flow)
            self._resume(task, None, None)
        else:
            self._resume(task, outcome, None)

    def _resume(self, task: SimulatedTask, value: Any, error: BaseException | None) -> None:
        """Runs a task's flows until one of them yields, or the last has ended."""
        while task._stack:
            flow = task._stack[-1]
            try:
                effect = flow.send(value) if error is None else flow.throw(error)
            except StopIteration as stop:
                value, error = stop.value, None
                task._stack.pop()
            except BaseException as exc:
                value, error = None, exc
                task._stack.pop()
            else:
                value = error = None
                if not isinstance(effect, Request):
                    task._wait = self._wait_for(task, effect)
                    return
                task._stack.append(perform(self._budgets, effect))
        task.done = True
        task.result, task.error = value, error
        self._live.remove(task)
        if task._owner is not None:
            task._owner.ended(task)

    def _wait_for(self, task: SimulatedTask, effect: Effect) -> _Wait:
        match effect:
            case Gather():
                return _Gathering(self, task, effect)
            case Race():
                return _Racing(self, task, effect)
            case Sleep():
                return _Pause(self.clock.monotonic() + effect.seconds)
            case Spawn():
                return _Spawning(self, task, effect)
            case Join():
                return _Joining(effect)
        return _Action(self, effect)

    # --- effects ---

    def perform(self, effect: Effect) -> Any:
        """What an effect results in: a value, a flow to push, or something to wait for."""
        match effect:
            case Call():
                return self._call(effect)
            case Attempt():
                if isinstance(effect.effect, Call):
                    return effect.effect.function(*effect.effect.args)
                return _Push(self._wire.exchange(effect.effect, effect.headers))
            case Recv():
                return _Push(self._wire.recv(effect))
            case Once():
                return self._once(effect)
        raise TypeError(f"a flow yielded {effect!r}, which is no effect")

    def _call(self, call: Call) -> Any:
        check_deadline(call.ctx)
        try:
            return call.function(*call.args)
        except Exception as exc:
            if call.owner is None:
                raise
            return _Push(perform(self._budgets, call, exc))

    @property
    def _wire(self) -> SimulatedTransport:
        if self._transport is None:
            raise TypeError("this driver sends requests, but the simulation has no transport")
        return self._transport

    def _once(self, effect: Once) -> Any:
        check_deadline(effect.ctx)
        name = (effect.owner, effect.key)
        found, value = self._cells.get(name, self.clock.monotonic(), effect.stale)
        if found:
            return value
        flight = self._flights.get(name)
        if flight is not None:
            return _Landing(self, effect, flight)
        flight = self._flights[name] = _Flight()
        return _Push(self._lead(name, effect, flight))

    def _lead(self, name: tuple[object, str], effect: Once, flight: _Flight) -> Flow[Any]:
        try:
            made = yield from effect.make()
            return self._cells.put(name, made, self.clock.monotonic())
        except DeadlineExceededError:
            raise  # its own deadline, not theirs who wait
        except CloudStoreError as exc:
            flight.error = copy.copy(exc)  # the leader's own learns what it was about
            raise
        finally:
            # A leader that was cancelled leaves no error: one of those who wait leads next.
            flight.landed = True
            del self._flights[name]


class _Push:
    """An effect that is performed by a flow, in the same task."""

    def __init__(self, flow: Flow[Any]) -> None:
        self.flow = flow


class _Flight:
    """One making of a `Once` value, waited for by others."""

    def __init__(self) -> None:
        self.landed = False
        self.error: CloudStoreError | None = None


class _Wait(ABC):
    """What a task waits for.

    Attributes:
        wake_at: when it is ready at the latest, or None.
    """

    wake_at: float | None = None

    @abstractmethod
    def ready(self, now: float) -> bool:
        """Whether the task can go on."""

    @abstractmethod
    def finish(self) -> Any:
        """Does it: a value, a `_Push`, or another thing to wait for."""

    def can_cancel(self) -> bool:
        """Whether a cancellation has something to do now."""
        return True

    def begin_cancelling(self, chance: random.Random) -> bool:
        """The task is cancelled: True throws at once; False is asked again once it can move."""
        return True

    def __repr__(self) -> str:
        return type(self).__name__


class _Pause(_Wait):
    def __init__(self, until: float) -> None:
        self.wake_at = until

    def ready(self, now: float) -> bool:
        assert self.wake_at is not None
        return now >= self.wake_at

    def finish(self) -> None:
        return None


class _Action(_Wait):
    """An effect that is performed in one step. A cancellation may come before it or after it."""

    def __init__(self, simulation: Simulation, effect: Effect) -> None:
        self._simulation = simulation
        self._effect = effect

    def ready(self, now: float) -> bool:
        return True

    def finish(self) -> Any:
        return self._simulation.perform(self._effect)

    def begin_cancelling(self, chance: random.Random) -> bool:
        if isinstance(self._effect, Call) and chance.random() < 0.5:
            # As with threads: the function runs to its end, and what it returns is lost.
            try:
                outcome = self._effect.function(*self._effect.args)
            except Exception:
                return True
            if hasattr(outcome, "close"):
                outcome.close()
        return True

    def __repr__(self) -> str:
        function = getattr(self._effect, "function", None)
        return f"{type(self._effect).__name__}({getattr(function, '__qualname__', '')})"


class _Landing(_Wait):
    def __init__(self, simulation: Simulation, effect: Once, flight: _Flight) -> None:
        self._simulation = simulation
        self._effect = effect
        self._flight = flight
        self.wake_at = effect.ctx.deadline

    def ready(self, now: float) -> bool:
        return self._flight.landed or (self.wake_at is not None and now >= self.wake_at)

    def finish(self) -> Any:
        if self._flight.error is not None:
            # A copy: each operation adds to its error what it was about.
            raise copy.copy(self._flight.error) from self._flight.error
        return self._simulation.perform(self._effect)


class _SpawnedBranch(Branch):
    """A task that goes on by the side."""

    __slots__ = ("_simulation", "_task")

    def __init__(self, simulation: Simulation, task: SimulatedTask) -> None:
        self._simulation = simulation
        self._task = task

    @property
    def done(self) -> bool:
        return self._task.done

    def result(self) -> Any:
        return self._task.value()

    def cancel(self) -> None:
        self._simulation.cancel(self._task)


class _Spawning(_Wait):
    def __init__(self, simulation: Simulation, task: SimulatedTask, effect: Spawn) -> None:
        self._simulation = simulation
        self._task = task
        self._effect = effect

    def ready(self, now: float) -> bool:
        return True

    def finish(self) -> Branch:
        number = sum(task.parent is self._task for task in self._simulation.tasks)
        name = f"{self._task.name}.{number}"
        return _SpawnedBranch(
            self._simulation, self._simulation.spawn(self._effect.flow, name, self._task)
        )


class _Joining(_Wait):
    def __init__(self, effect: Join) -> None:
        self._branches = effect.branches

    def ready(self, now: float) -> bool:
        return any(branch.done for branch in self._branches)

    def finish(self) -> None:
        return None


class _Branches(_Wait):
    """The tasks of a `Gather` or a `Race`."""

    def __init__(self, simulation: Simulation, task: SimulatedTask) -> None:
        self._simulation = simulation
        self._task = task
        self._branches: list[SimulatedTask] = []
        self._running = 0
        self._cancelling = False

    def _start(self, flow: Flow[Any]) -> None:
        name = f"{self._task.name}.{len(self._branches)}"
        branch = self._simulation.spawn(flow, name, self._task)
        branch._owner = self
        self._branches.append(branch)
        self._running += 1

    @abstractmethod
    def ended(self, branch: SimulatedTask) -> None:
        """A branch has ended."""

    def _cancel_all(self) -> None:
        for branch in self._branches:
            self._simulation.cancel(branch)

    def can_cancel(self) -> bool:
        return not self._cancelling or not self._running

    def begin_cancelling(self, chance: random.Random) -> bool:
        if not self._cancelling:
            self._cancelling = True
            self._cancel_all()
        return not self._running

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._branches})"


class _Gathering(_Branches):
    def __init__(self, simulation: Simulation, task: SimulatedTask, effect: Gather) -> None:
        super().__init__(simulation, task)
        self._effect = effect
        self._flows = iter(effect.flows)
        self._exhausted = False
        self._error: BaseException | None = None
        self._fill()

    def _fill(self) -> None:
        limit = self._effect.limit
        while not self._exhausted and (limit is None or self._running < limit):
            try:
                flow = next(self._flows, None)
            except BaseException as exc:
                flow, self._error = None, exc
                self._cancel_all()
            if flow is None:
                self._exhausted = True
            else:
                self._start(flow)

    def ended(self, branch: SimulatedTask) -> None:
        self._running -= 1
        error = branch.error
        if error is not None and (self._effect.fail_fast or not isinstance(error, Exception)):
            self._error = self._error or error
            self._cancel_all()
        if self._error is None and not self._cancelling:
            self._fill()

    def ready(self, now: float) -> bool:
        return not self._running and (self._exhausted or self._error is not None or self._cancelling)

    def finish(self) -> list[Any]:
        if self._error is not None:
            raise self._error
        return [b.result if b.error is None else b.error for b in self._branches]


class _Racing(_Branches):
    def __init__(self, simulation: Simulation, task: SimulatedTask, effect: Race) -> None:
        super().__init__(simulation, task)
        self._effect = effect
        self._flows = list(effect.flows)
        self._winner: SimulatedTask | None = None
        self._over = False
        self._start_next()

    def _start_next(self) -> None:
        self._start(self._flows[len(self._branches)])
        more = len(self._branches) < len(self._flows)
        now = self._simulation.clock.monotonic()
        self.wake_at = now + self._effect.stagger if more else None

    @property
    def _more(self) -> bool:
        return len(self._branches) < len(self._flows) and not self._cancelling

    def ended(self, branch: SimulatedTask) -> None:
        self._running -= 1
        if branch.error is not None:
            return
        if self._winner is None and not self._over:
            self._winner = branch
        elif self._effect.discard is not None:
            self._effect.discard(branch.result)

    def ready(self, now: float) -> bool:
        staggered = self.wake_at is not None and now >= self.wake_at
        return self._winner is not None or not self._running or (self._more and staggered)

    def finish(self) -> Any:
        if self._winner is None and self._more:
            self._start_next()
            return self
        self._over = True
        self._cancel_all()
        for flow in self._flows[len(self._branches) :]:
            flow.close()
        if self._winner is not None:
            return self._winner.result
        errors = [branch.error for branch in self._branches]
        for error in errors:
            if error is not None and not isinstance(error, Exception):
                raise error
        raise AllFailedError([error for error in errors if isinstance(error, Exception)])

    def begin_cancelling(self, chance: random.Random) -> bool:
        if super().begin_cancelling(chance):
            self._over = True
            for flow in self._flows[len(self._branches) :]:
                flow.close()
            if self._winner is not None and self._effect.discard is not None:
                self._effect.discard(self._winner.result)
            return True
        return False
