"""Clients taking turns on one server, in short rounds: what else the machine does falls on all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.processes import ClientError, ClientProcess, DelayLine, NullServer
from benchmarks.results import Samples

__all__ = ["Contest", "Plan", "Timings", "samples"]

WARM_UP = 10

Label = TypeVar("Label")
Arguments = Mapping[str, object]
Timing = Mapping[str, float | None]
Timings = Mapping[str, Sequence[Timing]]
"""Of each client, what it answered in each round."""


@dataclass(frozen=True)
class Plan:
    """How long to measure.

    Attributes:
        sittings: how often all of the following is done.
        rounds, seconds: of each client, for calls and tasks; a round lasts about so long.
        thread_rounds, thread_seconds: for each number of threads.
        transfers: large ones, in each direction.
        starts: of the interpreter.
    """

    sittings: int
    rounds: int
    seconds: float
    thread_rounds: int
    thread_seconds: float
    transfers: int
    starts: int


class Contest:
    """The clients' processes, all with the same face.

    Attributes:
        notes: who was left out and why; who sends more requests than one a call.
    """

    def __init__(
        self, names: Sequence[str], face: str, server: NullServer | DelayLine, home: Path
    ) -> None:
        self.notes: list[str] = []
        self._server = server
        self._stack = ExitStack()
        self._processes = {
            name: self._stack.enter_context(ClientProcess(name, face, server, home)) for name in names
        }

    def __enter__(self) -> Contest:
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def calls(self, whats: Sequence[str], plan: Plan) -> Mapping[str, Timings]:
        """One call after the other, of each kind."""
        return self._calibrated("calls", whats, {}, WARM_UP, 1, plan)

    def tasks(self, whats: Sequence[str], tasks: int, plan: Plan) -> Mapping[str, Timings]:
        """Calls of so many tasks of asyncio."""
        return self._calibrated("tasks", whats, {"tasks": tasks}, max(tasks, WARM_UP), tasks, plan)

    def rounds(
        self, count: int, method: str, questions: Mapping[Label, Arguments]
    ) -> Mapping[Label, Timings]:
        """The same questions to all, so many times."""
        return self._take_turns(
            {label: self._asking(method, arguments) for label, arguments in questions.items()}, count
        )

    def _calibrated(
        self,
        method: str,
        whats: Sequence[str],
        arguments: Arguments,
        first: int,
        least: int,
        plan: Plan,
    ) -> Mapping[str, Timings]:
        """As many calls in a round as fit into its time, for each client, but at least so many."""
        times: dict[tuple[str, str], int] = {}
        for what, name in product(whats, list(self._processes)):
            if name not in self._processes:
                continue
            ask = self._asking(method, {**arguments, "what": what, "times": first})
            try:
                ask(name)  # connects, fills caches
                before = self._server.counts()
                wall = ask(name)["wall"]
            except ClientError as exc:
                self._leave_out(name, exc)
                continue
            sent = (self._server.counts() - before).requests / first
            if sent != 1:
                self.notes.append(f"{name} sends {sent:.3g} requests for one {what}.")
            times[what, name] = max(least, int(plan.seconds * 1e6 / (wall or 1)))

        def asking(what: str) -> Callable[[str], Timing]:
            return lambda name: self._asking(
                method, {**arguments, "what": what, "times": times[what, name]}
            )(name)

        return self._take_turns({what: asking(what) for what in whats}, plan.rounds)

    def _take_turns(
        self, asks: Mapping[Label, Callable[[str], Timing]], count: int
    ) -> Mapping[Label, Timings]:
        """All questions in each round, so that each is spread over the whole time.

        Who begins changes from round to round.
        """
        timings: dict[Label, dict[str, list[Timing]]] = {label: {} for label in asks}
        for turn, (label, ask) in product(range(count), asks.items()):
            names = list(self._processes)
            for number in range(len(names)):
                name = names[(turn + number) % len(names)]
                try:
                    timings[label].setdefault(name, []).append(ask(name))
                except ClientError as exc:
                    self._leave_out(name, exc)
        return {
            label: {name: each[name] for name in self._processes} for label, each in timings.items()
        }

    def _asking(self, method: str, arguments: Arguments) -> Callable[[str], Timing]:
        return lambda name: self._ask(name, method, arguments)

    def _ask(self, name: str, method: str, arguments: Arguments) -> Timing:
        answer: Timing = self._processes[name].ask(method, **arguments)
        return answer

    def _leave_out(self, name: str, error: ClientError) -> None:
        self.notes.append(f"{name} is left out: {error}.")
        del self._processes[name]


def samples(timings: Timings, key: str, convert: Callable[[float], float] = float) -> Samples:
    """One thing of what was answered in each round; what nobody knows is left out."""
    values: dict[str, list[float]] = {}
    for name, answers in timings.items():
        known: list[Any] = [answer[key] for answer in answers if answer[key] is not None]
        if known:
            values[name] = [convert(value) for value in known]
    return values
