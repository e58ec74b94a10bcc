"""Clients taking turns on one server, in short rounds: what else the machine does falls on all."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.processes import ClientError, ClientProcess, NullServer
from benchmarks.results import Figures

__all__ = ["TASKS", "Contest", "Plan", "Timings", "figures"]

TASKS = 64
WARM_UP = 10

Timing = Mapping[str, float | None]
Timings = Mapping[str, Sequence[Timing]]
"""Of each client, what it answered in each round."""


@dataclass(frozen=True)
class Plan:
    """How long to measure.

    Attributes:
        rounds, seconds: of each client, for calls and tasks; a round lasts about so long.
        thread_rounds, thread_seconds: for each number of threads.
        transfers: large ones, in each direction.
        starts: of the interpreter.
    """

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

    def __init__(self, names: Sequence[str], face: str, server: NullServer, home: Path) -> None:
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

    def calls(self, what: str, plan: Plan) -> Timings:
        """One call after the other."""
        return self._calibrated("calls", {"what": what}, WARM_UP, 1, plan)

    def tasks(self, what: str, plan: Plan) -> Timings:
        """Calls of many tasks of asyncio."""
        return self._calibrated("tasks", {"what": what, "tasks": TASKS}, TASKS, TASKS, plan)

    def rounds(self, count: int, method: str, **arguments: object) -> Timings:
        """The same question to all, so many times."""
        return self._take_turns(lambda name: self._ask(name, method, arguments), count)

    def _calibrated(
        self, method: str, arguments: dict[str, object], first: int, least: int, plan: Plan
    ) -> Timings:
        """As many calls in a round as fit into its time, for each client, but at least so many."""
        times = {}
        for name in list(self._processes):
            try:
                self._ask(name, method, {**arguments, "times": first})  # connects, fills caches
                before = self._server.requests()
                wall = self._ask(name, method, {**arguments, "times": first})["wall"]
            except ClientError as exc:
                self._leave_out(name, exc)
                continue
            sent = (self._server.requests() - before) / first
            if sent != 1:
                self.notes.append(f"{name} sends {sent:.3g} requests for one {arguments['what']}.")
            times[name] = max(least, int(plan.seconds * 1e6 / (wall or 1)))
        return self._take_turns(
            lambda name: self._ask(name, method, {**arguments, "times": times[name]}), plan.rounds
        )

    def _take_turns(self, ask: Callable[[str], Timing], count: int) -> Timings:
        """Who begins changes from round to round."""
        timings: dict[str, list[Timing]] = {name: [] for name in self._processes}
        for turn in range(count):
            names = list(timings)
            for number in range(len(names)):
                name = names[(turn + number) % len(names)]
                try:
                    timings[name].append(ask(name))
                except ClientError as exc:
                    self._leave_out(name, exc)
                    del timings[name]
        return timings

    def _ask(self, name: str, method: str, arguments: Mapping[str, object]) -> Timing:
        answer: Timing = self._processes[name].ask(method, **arguments)
        return answer

    def _leave_out(self, name: str, error: ClientError) -> None:
        self.notes.append(f"{name} is left out: {error}.")
        del self._processes[name]


def figures(
    timings: Timings,
    key: str,
    convert: Callable[[float], float] = float,
    best: Callable[[Sequence[float]], float] = min,
) -> Figures:
    """What one thing was in the best and in the median round; what nobody knows is left out."""
    values: dict[str, list[float]] = {}
    for name, answers in timings.items():
        known: list[Any] = [answer[key] for answer in answers if answer[key] is not None]
        if known:
            values[name] = [convert(value) for value in known]
    return Figures(
        {name: best(each) for name, each in values.items()},
        {name: statistics.median(each) for name, each in values.items()},
    )
