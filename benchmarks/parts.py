"""What is measured of the clients of a vendor, part by part, and the bars that ours is held to.

Every client has a process of its own, and so has the server. Clients take turns in short rounds. CPU is
user and system time of the client's process, threads included, the server's not.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median

from benchmarks.clients import CLIENTS, RAW, SUBJECT
from benchmarks.contest import Contest, Plan, samples
from benchmarks.measuring import ROOT, cpu_seconds
from benchmarks.processes import ClientProcess, DelayLine, NullServer
from benchmarks.results import FASTEST, Bar, Draft, Samples
from benchmarks.workload import BLOCK_SIZE, LARGE_SIZE, content

__all__ = ["PARTS", "Book", "Run", "write_large"]

CALLS = ("get", "put", "head")
PAGE = "page"
TASKS = (1, 64)
THREADS = (1, 2, 4, 8, 16)
MIB = 1024 * 1024
ROUND_TRIP = 20
"""Milliseconds: of a line within a country."""


# --- what ours is held to -------------------------------------------------------------------------


@dataclass(frozen=True)
class Bars:
    """Of one vendor.

    Attributes:
        calls: CPU of a small call, of one thread, plain and over TLS.
        tasks, threads: by how many; what is not there is compared with the same peers only.
        resident: MiB.
    """

    calls: Sequence[Bar]
    page: Sequence[Bar]
    tasks: Mapping[int, Sequence[Bar]] = field(default_factory=dict)
    task_peers: Sequence[Bar] = ()
    threads: Mapping[int, Sequence[Bar]] = field(default_factory=dict)
    resident: float | None = None


def unheld(bars: Sequence[Bar]) -> list[Bar]:
    """The same comparisons, without bounds."""
    return [Bar(bar.peer) for bar in bars]


BARS: Mapping[str, Bars] = {
    "s3": Bars(
        calls=(Bar("obstore", 0.7), Bar("boto3", 1 / 12)),
        page=(Bar("obstore", 1), Bar("boto3")),
        tasks={64: (Bar("obstore", 0.5),)},
        task_peers=(Bar("obstore"),),
        threads={8: (Bar("obstore", 1, at_least=True), Bar("boto3", 12, at_least=True))},
        resident=30,
    ),
    "swift": Bars(
        calls=(Bar("opendal"), Bar("swiftclient", 1 / 4), Bar("libcloud")),
        page=(Bar("opendal"), Bar("swiftclient", 1 / 4), Bar("libcloud")),
        task_peers=(Bar("opendal"),),
    ),
    "qiniu": Bars(calls=(Bar("qiniu", 1 / 4),), page=(Bar("qiniu", 1 / 4),)),
}
LARGE_BARS = (Bar(FASTEST, 0.95, at_least=True),)
IMPORT_BARS = (Bar(None, 60),)


# --- a run ----------------------------------------------------------------------------------------


class Book:
    """The tables in the making, in the order in which they were begun."""

    def __init__(self) -> None:
        self._drafts: dict[tuple[str, str, str], Draft] = {}

    def draft(self, subject: str, part: str, title: str) -> Draft:
        return self._drafts.setdefault((subject, part, title), Draft(subject, part, title))

    def drafts(self) -> list[Draft]:
        """By subject."""
        subjects = list(dict.fromkeys(draft.subject for draft in self._drafts.values()))
        return sorted(self._drafts.values(), key=lambda draft: subjects.index(draft.subject))


@dataclass(frozen=True)
class Run:
    """What a part needs.

    Attributes:
        place: a folder for files; also the clients' home.
    """

    vendor: str
    names: Sequence[str]
    server: NullServer | DelayLine
    tls_server: NullServer
    place: Path
    plan: Plan
    book: Book

    @property
    def bars(self) -> Bars:
        return BARS[self.vendor]

    def contest(self, face: str = "blocking", raw: bool = False) -> Contest:
        clients = CLIENTS[self.vendor]
        names = [name for name in self.names if face == "blocking" or clients[name].awaited]
        return Contest([*names, RAW] if raw else names, face, self.server, self.place)

    def draft(self, part: str, title: str) -> Draft:
        return self.book.draft(self.vendor, part, title)


def calls(run: Run) -> None:
    cpu = run.draft("calls", "CPU µs a call, 1 KiB, one thread")
    wall = run.draft("calls", "wall µs a call, the same")
    page = run.draft("calls", "a listed page of 1,000 keys, µs")
    with run.contest(raw=True) as contest:
        timings = contest.calls((*CALLS, PAGE), run.plan)
        for what in CALLS:
            cpu.add(what, samples(timings[what], "cpu"), run.bars.calls)
            wall.add(what, samples(timings[what], "wall"), unheld(run.bars.calls))
        page.add("CPU", samples(timings[PAGE], "cpu"), run.bars.page)
        page.add("wall", samples(timings[PAGE], "wall"), unheld(run.bars.page))
        cpu.note(*contest.notes)


def tasks(run: Run) -> None:
    with run.contest("awaited") as contest:
        for number in TASKS:
            words = "one asyncio task" if number == 1 else f"{number} asyncio tasks"
            cpu = run.draft("tasks", f"CPU µs a call, 1 KiB, {words}")
            rate = run.draft("tasks", f"calls a second, 1 KiB, {words}")
            bars = run.bars.tasks.get(number, run.bars.task_peers)
            for what, timings in contest.tasks(CALLS, number, run.plan).items():
                cpu.add(what, samples(timings, "cpu"), bars)
                rate.add(what, rates(samples(timings, "wall")), unheld(bars), max)
            cpu.note(*contest.notes)


def threads(run: Run) -> None:
    rate = run.draft("threads", "gets of 1 KiB a second")
    cpu = run.draft("threads", "CPU µs a get, the same")
    plan = run.plan
    questions = {
        number: {"what": "get", "threads": number, "seconds": plan.thread_seconds} for number in THREADS
    }
    with run.contest(raw=True) as contest:
        for number, timings in contest.rounds(plan.thread_rounds, "threads", questions).items():
            what = f"{number} thread{'s' if number > 1 else ''}"
            bars = run.bars.threads.get(number, unheld(run.bars.calls))
            rate.add(what, rates(samples(timings, "wall")), bars, max)
            cpu.add(what, samples(timings, "cpu"), unheld(run.bars.calls))
        rate.note(*contest.notes)


def rates(microseconds: Samples) -> Samples:
    """Calls a second."""
    return {name: [1e6 / value for value in values] for name, values in microseconds.items()}


def large(run: Run) -> None:
    _large(run, "large", "256 MiB")


def far(run: Run) -> None:
    words = f"256 MiB over a line of {ROUND_TRIP} ms there and back"
    with DelayLine(run.vendor, ROUND_TRIP / 2) as line:
        _large(replace(run, server=line), "far", words)


def _large(run: Run, part: str, what_moves: str) -> None:
    source, target = run.place / "source", run.place / "target"
    write_large(source)
    speed = run.draft(part, f"{what_moves}, MB/s")
    cpu = run.draft(part, "CPU ms, the same")
    peak = run.draft(part, "memory of the process at its peak, MiB, the same")
    growth = run.draft(part, "by which it grew, MiB, the same")
    for what, path in (("download", target), ("upload", source)):
        question = {what: {"what": what, "path": str(path)}}
        # In processes of their own: what one direction keeps of its memory hides what the other takes.
        with run.contest(raw=run.server.ca_file is None) as contest:
            timings = contest.rounds(run.plan.transfers, "transfer", question)[what]
            checks, notes = contest.rounds(1, "verifies", {"": {}})[""], contest.notes
        speeds = samples(timings, "wall", lambda seconds: LARGE_SIZE / seconds / 1e6)
        speed.add(what, speeds, (*LARGE_BARS, *unheld(run.bars.calls)), max)
        cpu.add(what, samples(timings, "cpu", lambda s: s * 1e3), unheld(run.bars.calls))
        for draft, key in ((peak, "peak"), (growth, "growth")):
            draft.add(what, samples(timings, key, lambda size: size / MIB), (), max)
    verifying = ((name, check) for name, [check] in checks.items() if name != RAW)
    speed.note(
        *notes, *(f"{n} verifies: down, {c['download']}; up, {c['upload']}." for n, c in verifying)
    )


def write_large(path: Path) -> None:
    """The large object, as a file; once."""
    if path.exists():
        return
    block = content(BLOCK_SIZE)
    with path.open("wb") as file:
        for _ in range(LARGE_SIZE // BLOCK_SIZE):
            file.write(block)


def start(run: Run) -> None:
    draft = run.draft("start", "a process")
    modules = {name: CLIENTS[run.vendor][name].module for name in run.names}
    alone = import_milliseconds({SUBJECT: SUBJECT}, run.plan.starts)
    draft.add("import of the package, CPU ms", alone, IMPORT_BARS, median)
    draft.add(
        "import with the vendor's part, CPU ms",
        import_milliseconds(modules, run.plan.starts),
        (),
        median,
    )
    resident = {}
    for name in (*run.names, RAW):
        with ClientProcess(name, "blocking", run.server, run.place) as process:
            resident[name] = [process.ask("resident") / MIB]
    draft.add("resident after a get, MiB", resident, (Bar(None, run.bars.resident),))
    draft.note(
        "The import is net of the interpreter, the median; what is resident holds the interpreter and "
        f"this benchmark's own modules, which are all that {RAW} has."
    )


def import_milliseconds(modules: Mapping[str, str], starts: int) -> Samples:
    """CPU that importing a client adds to the start of the interpreter.

    With its byte code there, as pip leaves it; some machines are set not to write any.
    """
    code = {name: f"import {module}" for name, module in modules.items()}
    measured: dict[str, list[float]] = {name: [] for name in code}
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": cache}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)

        def run(code: str) -> float:
            before = cpu_seconds(children=True)
            subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, env=environment)
            return (cpu_seconds(children=True) - before) * 1e3

        for statement in code.values():
            run(statement)  # writes the byte code
        bare = []
        for _ in range(starts):
            bare.append(run("pass"))
            for name, statement in code.items():
                measured[name].append(run(statement))
    return {name: [value - median(bare) for value in each] for name, each in measured.items()}


def tls(run: Run) -> None:
    cpu = run.draft("tls", "CPU µs a call over TLS, 1 KiB")
    wall = run.draft("tls", "wall µs a call, the same")
    with replace(run, server=run.tls_server).contest() as contest:
        for what, timings in contest.calls(CALLS, run.plan).items():
            cpu.add(what, samples(timings, "cpu"), run.bars.calls)
            wall.add(what, samples(timings, "wall"), unheld(run.bars.calls))
        cpu.note(*contest.notes)
    _large(replace(run, server=run.tls_server), "tls", "256 MiB over TLS")


PARTS: Mapping[str, Callable[[Run], None]] = {
    "calls": calls,
    "tasks": tasks,
    "threads": threads,
    "large": large,
    "far": far,
    "start": start,
    "tls": tls,
}
