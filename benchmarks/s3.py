"""S3 clients side by side on a server that costs next to nothing, in one run.

``make bench`` runs it. Every client has a process of its own, and they take turns in many short rounds.
The best round of each counts: where other programs run as well, it is what stays the same from run to
run, while medians do not; the ratio of the medians stands beside. CPU is user and system time of the
client's process, threads included, the server's not. A line with a bar says whether it is met; the run
ends with status 0 all the same. ``--write`` puts the tables into docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

from benchmarks.clients import CLIENTS, RAW, SUBJECT
from benchmarks.contest import TASKS, Contest, Plan, figures
from benchmarks.measuring import (
    ROOT,
    as_markdown,
    as_text,
    cpu_seconds,
    default_folder,
    folder,
    machine,
    write_page,
)
from benchmarks.processes import ClientProcess, NullServer
from benchmarks.results import FASTEST, Bar, Figures, Line, Table
from benchmarks.workload import LARGE_SIZE
from cloudstore import __version__

FULL = Plan(rounds=15, seconds=0.12, thread_rounds=5, thread_seconds=0.5, transfers=5, starts=10)
QUICK = Plan(rounds=5, seconds=0.06, thread_rounds=2, thread_seconds=0.2, transfers=2, starts=3)

SMALL = ("get", "put", "head")
THREADS = (1, 2, 4, 8, 16)
MIB = 1024 * 1024

CALL_BARS = (Bar("obstore", 0.7), Bar("boto3", 1 / 12))
TASK_BARS = (Bar("obstore", 0.5),)
THREADS_OF_BARS = 8
THREAD_BARS = (Bar("obstore", 1, at_least=True), Bar("boto3", 12, at_least=True))
PAGE_BARS = (Bar("obstore", 1),)
LARGE_BARS = (Bar(FASTEST, 0.95, at_least=True),)
IMPORT_BARS = (Bar(None, 60),)
RESIDENT_BARS = (Bar(None, 30),)


@dataclass(frozen=True)
class Run:
    """What a part needs.

    Attributes:
        place: a folder for files, empty at first; also the clients' home.
    """

    names: Sequence[str]
    server: NullServer
    place: Path
    plan: Plan

    def contest(self, face: str = "blocking", raw: bool = False) -> Contest:
        names = [name for name in self.names if face == "blocking" or CLIENTS[name].awaited]
        return Contest([*names, RAW] if raw else names, face, self.server, self.place)


# --- the parts ------------------------------------------------------------------------------------


def calls(run: Run) -> Iterator[Table]:
    cpu, wall = Table("CPU µs a call, 1 KiB, one thread"), Table("wall µs a call, the same")
    with run.contest(raw=True) as contest:
        for what, timings in contest.calls(SMALL, run.plan).items():
            cpu.lines.append(Line(what, figures(timings, "cpu"), CALL_BARS))
            wall.lines.append(Line(what, figures(timings, "wall")))
        cpu.notes = contest.notes
    yield cpu
    yield wall


def tasks(run: Run) -> Iterator[Table]:
    cpu, wall = Table(f"CPU µs a call, 1 KiB, {TASKS} asyncio tasks"), Table("wall µs a call, the same")
    with run.contest("awaited") as contest:
        for what, timings in contest.tasks(SMALL, run.plan).items():
            cpu.lines.append(Line(what, figures(timings, "cpu"), TASK_BARS))
            wall.lines.append(Line(what, figures(timings, "wall")))
        cpu.notes = contest.notes
    yield cpu
    yield wall


def threads(run: Run) -> Iterator[Table]:
    rate, cpu = Table("gets of 1 KiB a second"), Table("CPU µs a get, the same")
    plan = run.plan
    questions = {
        number: {"what": "get", "threads": number, "seconds": plan.thread_seconds} for number in THREADS
    }
    with run.contest(raw=True) as contest:
        for number, timings in contest.rounds(plan.thread_rounds, "threads", questions).items():
            what = f"{number} thread{'s' if number > 1 else ''}"
            bars = THREAD_BARS if number == THREADS_OF_BARS else ()
            rates = figures(timings, "wall", lambda microseconds: 1e6 / microseconds, max)
            rate.lines.append(Line(what, rates, bars))
            cpu.lines.append(Line(what, figures(timings, "cpu")))
        rate.notes = contest.notes
    yield rate
    yield cpu


def page(run: Run) -> Iterator[Table]:
    table = Table("a listed page of 1,000 keys, µs")
    with run.contest() as contest:
        timings = contest.calls(["page"], run.plan)["page"]
        table.lines.append(Line("CPU", figures(timings, "cpu"), PAGE_BARS))
        table.lines.append(Line("wall", figures(timings, "wall")))
        table.notes = contest.notes
    yield table


def large(run: Run) -> Iterator[Table]:
    source, target = run.place / "source", run.place / "target"
    write_large(source)
    speed, cpu, growth = (
        Table("256 MiB, MB/s"),
        Table("CPU ms, the same"),
        Table("growth of memory at its peak, MiB, the same"),
    )
    questions = {
        what: {"what": what, "path": str(path)}
        for what, path in (("download", target), ("upload", source))
    }
    with run.contest(raw=True) as contest:
        for what, timings in contest.rounds(run.plan.transfers, "transfer", questions).items():
            rates = figures(timings, "wall", lambda seconds: LARGE_SIZE / seconds / 1e6, max)
            speed.lines.append(Line(what, rates, LARGE_BARS))
            cpu.lines.append(Line(what, figures(timings, "cpu", lambda seconds: seconds * 1e3)))
            grown = figures(timings, "growth", lambda size: size / MIB, max)
            growth.lines.append(Line(what, grown))
        checks = contest.rounds(1, "verifies", {"": {}})[""]
        speed.notes = contest.notes + [
            f"{name} verifies: down, {check['download']}; up, {check['upload']}."
            for name, [check] in checks.items()
            if name != RAW
        ]
    yield speed
    yield cpu
    yield growth


def write_large(path: Path) -> None:
    """Of as many bytes as the server's large object."""
    block = os.urandom(MIB)
    with path.open("wb") as file:
        for _ in range(LARGE_SIZE // MIB):
            file.write(block)


def start(run: Run) -> Iterator[Table]:
    table = Table("a process")
    imports = import_milliseconds(run.names, run.plan.starts)
    table.lines.append(Line("import, CPU ms", Figures(imports), IMPORT_BARS))
    resident = {}
    for name in (*run.names, RAW):
        with ClientProcess(name, "blocking", run.server, run.place) as process:
            resident[name] = process.ask("resident") / MIB
    table.lines.append(Line("resident after a get, MiB", Figures(resident), RESIDENT_BARS))
    table.notes = [
        f"The import is net of the interpreter, the median of {run.plan.starts}; what is resident "
        f"holds the interpreter and this benchmark's own modules, which are all that {RAW} has."
    ]
    yield table


def import_milliseconds(names: Sequence[str], starts: int) -> Mapping[str, float]:
    """CPU that importing a client adds to the start of the interpreter.

    With its byte code there, as pip leaves it; some machines are set not to write any.
    """
    code = {name: f"import {name}" for name in names}
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
    return {name: statistics.median(each) - statistics.median(bare) for name, each in measured.items()}


def tls(run: Run) -> Iterator[Table]:
    table = Table("over TLS, a get of 1 KiB, µs")
    certificate, ca_file = make_certificate(run.place)
    with (
        NullServer(certificate, ca_file) as server,
        replace(run, server=server).contest() as contest,
    ):
        timings = contest.calls(["get"], run.plan)["get"]
        table.lines.append(Line("CPU", figures(timings, "cpu"), CALL_BARS))
        table.lines.append(Line("wall", figures(timings, "wall")))
        table.notes = contest.notes
    yield table


def make_certificate(place: Path) -> tuple[Path, Path]:
    """A server's certificate with its key, and who vouches for it."""
    trustme: Any = importlib.import_module("trustme")
    authority = trustme.CA()
    certificate, ca_file = place / "server.pem", place / "ca.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(certificate)
    authority.cert_pem.write_to_path(ca_file)
    return certificate, ca_file


PARTS: Mapping[str, Callable[[Run], Iterator[Table]]] = {
    "calls": calls,
    "tasks": tasks,
    "threads": threads,
    "page": page,
    "large": large,
    "start": start,
    "tls": tls,
}


# --- the run --------------------------------------------------------------------------------------


def context(names: Sequence[str], plan: Plan, place: Path) -> list[str]:
    """What is measured, on what, and how."""
    packages = chain.from_iterable(CLIENTS[name].packages for name in names)
    versions = [f"{package} {importlib.metadata.version(package)}" for package in packages]
    return [
        ", ".join([f"{SUBJECT} {__version__}", *versions]),
        f"{machine()}, files in {place}",
        f"the best of {plan.rounds} rounds of {plan.seconds} s, of {plan.thread_rounds} of "
        f"{plan.thread_seconds} s for threads, of {plan.transfers} large transfers; the server is "
        f"benchmarks/null_server.py on loopback, its limit the column {RAW} (sockets alone)",
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
    for option, known in (("clients", CLIENTS), ("only", PARTS)):
        values = getattr(chosen, option).split(",")
        for value in values:
            if value not in known:
                parser.error(f"--{option}: there is no {value!r}; there are {', '.join(known)}")
        setattr(chosen, option, values)
    return chosen


def markdown(header: Sequence[str], tables: Sequence[Table]) -> str:
    """For the page: a heading, then tables with their notes."""
    blocks = ["; ".join(header) + "."]
    for table in tables:
        blocks += [as_markdown(table.rows()), *table.notes]
    return "\n\n".join(blocks)


def main() -> None:
    chosen = options()
    plan = QUICK if chosen.quick else FULL
    header = context(chosen.clients, plan, chosen.folder)
    print("\n".join(header), flush=True)
    tables = []
    with folder(chosen.folder) as place, NullServer() as server:
        run = Run(chosen.clients, server, place, plan)
        for name in chosen.only:
            for table in PARTS[name](run):
                tables.append(table)
                print(f"\n{as_text(table.rows())}", *table.notes, sep="\n", flush=True)
    if chosen.json:
        found = {"context": header, "tables": [table.record() for table in tables]}
        chosen.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    if chosen.write:
        write_page("s3", markdown(header, tables))


if __name__ == "__main__":
    main()
