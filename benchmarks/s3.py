"""S3 clients side by side on a server that costs next to nothing, in one run.

``make bench`` runs it. Every client has a process of its own; they take turns in many short rounds, so that
whatever else the machine does falls on all, and the median round counts. CPU is user and system time of the
client's process, threads included, the server's not. A line with a bar has a ratio, and says whether it is
met; the run ends with status 0 all the same. ``--write`` puts the tables into docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cloudstore import __version__

from benchmarks.clients import CLIENTS, RAW, SUBJECT
from benchmarks.measuring import (
    ROOT,
    as_markdown,
    as_text,
    cpu_seconds,
    default_folder,
    folder,
    machine,
    verdict,
    write_page,
)
from benchmarks.processes import ClientError, ClientProcess, NullServer

FASTEST = "the fastest peer"
LARGE_SIZE = 256 * 1024 * 1024
MIB = 1024 * 1024
TASKS = 64
THREADS = (1, 2, 4, 8, 16)
SMALL = ("get", "put", "head")
WARM_UP = 20


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


FULL = Plan(rounds=11, seconds=0.2, thread_rounds=5, thread_seconds=0.5, transfers=5, starts=10)
QUICK = Plan(rounds=3, seconds=0.1, thread_rounds=1, thread_seconds=0.3, transfers=1, starts=3)


@dataclass(frozen=True)
class Bar:
    """A bound on the ratio of cloudstore's figure to a peer's."""

    peer: str
    factor: float
    at_least: bool = False

    def judge(self, values: Mapping[str, float]) -> tuple[float, bool] | None:
        """The ratio, and whether it is within the bound; None where the peer was not measured."""
        others = [values[name] for name in values if name not in (SUBJECT, RAW)]
        peer = max(others, default=None) if self.peer == FASTEST else values.get(self.peer)
        if peer is None or SUBJECT not in values:
            return None
        ratio = values[SUBJECT] / peer
        return ratio, ratio >= self.factor if self.at_least else ratio <= self.factor

    def cell(self, values: Mapping[str, float]) -> str:
        judged = self.judge(values)
        if judged is None:
            return ""
        sign = "≥" if self.at_least else "≤"
        return f"{as_ratio(judged[0])} {sign} {as_ratio(self.factor)} {verdict(judged[1])}"


@dataclass(frozen=True)
class Limit:
    """A bound on cloudstore's figure itself."""

    most: float

    def cell(self, value: float) -> str:
        return f"≤ {self.most:,.0f} {verdict(value <= self.most)}"


@dataclass(frozen=True)
class Line:
    """A row of a table: a figure for each client, and what it is held to."""

    what: str
    values: Mapping[str, float]
    bars: Sequence[Bar] = ()
    limit: Limit | None = None
    digits: int = 0


@dataclass
class Table:
    """A part of the run."""

    title: str
    lines: list[Line] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def rows(self) -> list[list[str]]:
        """As text; a client that no line has is left out."""
        names = [name for name in (*CLIENTS, RAW) if any(name in line.values for line in self.lines)]
        peers = list(dict.fromkeys(bar.peer for line in self.lines for bar in line.bars))
        limited = ["bar"] if any(line.limit for line in self.lines) else []
        rows = [[self.title, *names, *(f"vs. {peer}" for peer in peers), *limited]]
        for line in self.lines:
            figures = [
                f"{line.values[name]:,.{line.digits}f}" if name in line.values else "–" for name in names
            ]
            bars = {bar.peer: bar.cell(line.values) for bar in line.bars}
            rows.append([line.what, *figures, *(bars.get(peer, "") for peer in peers)])
            if limited:
                has = line.limit and SUBJECT in line.values
                rows[-1].append(line.limit.cell(line.values[SUBJECT]) if line.limit and has else "")
        return rows

    def record(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "title": self.title,
            "lines": [
                {
                    "what": line.what,
                    "values": line.values,
                    "bars": [record(bar, line.values) for bar in line.bars],
                    "limit": line.limit and line.limit.most,
                }
                for line in self.lines
            ],
            "notes": self.notes,
        }


def record(bar: Bar, values: Mapping[str, float]) -> dict[str, object]:
    judged = bar.judge(values)
    ratio, is_met = judged or (None, None)
    bound = {"at_least" if bar.at_least else "at_most": bar.factor}
    return {"peer": bar.peer, "ratio": ratio, "met": is_met, **bound}


def as_ratio(value: float) -> str:
    return f"1/{1 / value:.1f}".removesuffix(".0") if value < 0.2 else f"{value:.2f}"


# --- taking turns ---------------------------------------------------------------------------------

Timing = dict[str, Any]


class Contest:
    """The clients' processes on one server."""

    def __init__(self, names: Sequence[str], face: str, server: NullServer, home: Path) -> None:
        self._server = server
        self._stack = ExitStack()
        self._processes = {
            name: self._stack.enter_context(ClientProcess(name, face, server, home)) for name in names
        }
        self.notes: list[str] = []

    def __enter__(self) -> Contest:
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def calls(self, what: str, plan: Plan) -> dict[str, Timing]:
        """Calls one after the other, as many as fit into a round."""

        def ask(name: str, times: int) -> Timing:
            return self._ask(name, "calls", what=what, times=times)

        return self._calibrated(ask, what, plan, WARM_UP)

    def tasks(self, what: str, plan: Plan) -> dict[str, Timing]:
        """Calls of many tasks."""

        def ask(name: str, times: int) -> Timing:
            return self._ask(name, "tasks", what=what, times=times, tasks=TASKS)

        return self._calibrated(ask, what, plan, TASKS)

    def threads(self, what: str, threads: int, plan: Plan) -> dict[str, Timing]:
        def ask(name: str) -> Timing:
            return self._ask(name, "threads", what=what, threads=threads, seconds=plan.thread_seconds)

        return self.rounds(ask, plan.thread_rounds)

    def rounds(self, ask: Callable[[str], Timing], count: int) -> dict[str, Timing]:
        """Medians of so many rounds. Who begins changes from round to round."""
        measured: dict[str, list[Timing]] = {name: [] for name in self._processes}
        for turn in range(count):
            names = list(measured)
            start = turn % max(1, len(names))
            for name in names[start:] + names[:start]:
                try:
                    measured[name].append(ask(name))
                except ClientError as exc:
                    self._leave_out(name, exc)
                    del measured[name]
        return {name: medians(timings) for name, timings in measured.items()}

    def _calibrated(
        self, ask: Callable[[str, int], Timing], what: str, plan: Plan, first: int
    ) -> dict[str, Timing]:
        times = {}
        for name in list(self._processes):
            try:
                ask(name, first)  # connects, compiles, fills caches
                before = self._server.requests()
                wall = ask(name, first)["wall"]
            except ClientError as exc:
                self._leave_out(name, exc)
                continue
            sent = self._server.requests() - before
            if sent != first:
                self.notes.append(f"{name} sends {sent / first:.3g} requests for a {what}")
            times[name] = max(first, int(plan.seconds * 1e6 / wall))
        return self.rounds(lambda name: ask(name, times[name]), plan.rounds)

    def _ask(self, name: str, method: str, **arguments: object) -> Timing:
        answer: Timing = self._processes[name].ask(method, **arguments)
        return answer

    def _leave_out(self, name: str, error: ClientError) -> None:
        self.notes.append(f"{name} is left out: {error}")
        del self._processes[name]


def medians(timings: Sequence[Timing]) -> Timing:
    return {
        key: statistics.median(timing[key] for timing in timings)
        for key in timings[0]
        if timings[0][key] is not None
    }


# --- the parts ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Run:
    """What a part needs."""

    names: Sequence[str]
    server: NullServer
    place: Path
    plan: Plan

    def contest(self, *, awaited: bool = False, raw: bool = False) -> Contest:
        names = [name for name in self.names if CLIENTS[name].awaited or not awaited]
        face = "awaited" if awaited else "blocking"
        return Contest([*names, RAW] if raw else names, face, self.server, self.place)


def of(key: str, timings: Mapping[str, Timing]) -> dict[str, float]:
    return {name: timing[key] for name, timing in timings.items() if key in timing}


def calls(run: Run) -> Iterator[Table]:
    bars = (Bar("obstore", 0.7), Bar("boto3", 1 / 12))
    cpu, wall = Table("CPU µs a call, 1 KiB, one thread"), Table("wall µs a call, the same")
    with run.contest(raw=True) as contest:
        for what in SMALL:
            timings = contest.calls(what, run.plan)
            cpu.lines.append(Line(what, of("cpu", timings), bars))
            wall.lines.append(Line(what, of("wall", timings)))
        cpu.notes = contest.notes
    yield cpu
    yield wall


def tasks(run: Run) -> Iterator[Table]:
    cpu, wall = (
        Table(f"CPU µs a call, 1 KiB, {TASKS} tasks of asyncio"),
        Table("wall µs a call, the same"),
    )
    with run.contest(awaited=True) as contest:
        for what in SMALL:
            timings = contest.tasks(what, run.plan)
            cpu.lines.append(Line(what, of("cpu", timings), (Bar("obstore", 0.5),)))
            wall.lines.append(Line(what, of("wall", timings)))
        cpu.notes = contest.notes
    yield cpu
    yield wall


def threads(run: Run) -> Iterator[Table]:
    rates, cpu = Table("gets of 1 KiB a second"), Table("CPU µs a get, the same")
    bars = (Bar("obstore", 1.0, at_least=True), Bar("boto3", 12.0, at_least=True))
    with run.contest(raw=True) as contest:
        for number in THREADS:
            timings = contest.threads("get", number, run.plan)
            what = f"{number} thread{'s' if number > 1 else ''}"
            rate = {name: 1e6 / wall for name, wall in of("wall", timings).items()}
            rates.lines.append(Line(what, rate, bars if number == 8 else ()))
            cpu.lines.append(Line(what, of("cpu", timings)))
        rates.notes = contest.notes
    yield rates
    yield cpu


PARTS: Mapping[str, Callable[[Run], Iterator[Table]]] = {
    "calls": calls,
    "tasks": tasks,
    "threads": threads,
}


# --- the run --------------------------------------------------------------------------------------


def context(names: Sequence[str], plan: Plan) -> list[str]:
    """What is measured, and on what."""
    packages = dict.fromkeys(package for name in names for package in CLIENTS[name].packages)
    versions = [f"{package} {importlib.metadata.version(package)}" for package in packages]
    return [
        ", ".join([f"cloudstore {__version__}", *versions]),
        machine(),
        f"null server in Python on loopback; medians of {plan.rounds} rounds of {plan.seconds} s, "
        f"threads {plan.thread_rounds} of {plan.thread_seconds} s",
    ]


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Compares S3 clients.")
    parser.add_argument("--quick", action="store_true", help="a minute instead of several, less exact")
    parser.add_argument("--clients", default=",".join(CLIENTS), help="by default %(default)s")
    parser.add_argument("--only", default=",".join(PARTS), help="parts; by default %(default)s")
    parser.add_argument("--json", type=Path, help="write the figures into this file")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/benchmarks.md")
    parser.add_argument(
        "--folder", type=Path, default=default_folder(), help="of files; by default %(default)s"
    )
    chosen = parser.parse_args()
    for name, known in (("clients", CLIENTS), ("only", PARTS)):
        values = getattr(chosen, name).split(",")
        unknown = [value for value in values if value not in known]
        if unknown:
            parser.error(f"--{name}: there is no {unknown[0]!r}; there are {', '.join(known)}")
        setattr(chosen, name, values)
    return chosen


def main() -> None:
    chosen = options()
    plan = QUICK if chosen.quick else FULL
    header = context(chosen.clients, plan)
    print("\n".join(header), flush=True)
    tables = []
    with folder(chosen.folder) as place, NullServer() as server:
        run = Run(chosen.clients, server, place, plan)
        for name in chosen.only:
            for table in PARTS[name](run):
                tables.append(table)
                print(f"\n{as_text(table.rows())}", *table.notes, sep="\n", flush=True)
    if chosen.json:
        record = {"context": header, "tables": [table.record() for table in tables]}
        chosen.json.write_text(json.dumps(record, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
