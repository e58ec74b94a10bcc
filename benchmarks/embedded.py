"""The embedded drivers side by side with obstore's local store, in one run.

``make bench`` runs it. Contenders take turns in many short rounds, so that whatever else the machine
does falls on both; the median round counts. CPU is user and system time of the whole process, threads
included. Each line has a ratio, and the bar that the ratio (or the time) must meet; a missed bar ends
the run with status 1. ``--write`` puts the table into docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from cloudstore import LocalConfig, MemoryConfig, Store, __version__

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "benchmarks.md"
BEGIN = "<!-- the table, by benchmarks/embedded.py -->"
END = "<!-- end of the table -->"

DATA = bytes(1024)
LISTED = 1000
ROUNDS = 15
IMPORTS = 10
IMPORT_BAR_MS = 60.0


@dataclass(frozen=True)
class Line:
    """One thing that is measured: both functions do it once."""

    what: str
    ours: Callable[[], object]
    theirs: Callable[[], object]
    times: int
    bar: float | None


@dataclass(frozen=True)
class Result:
    """Medians, in microseconds a call."""

    line: Line
    cpu: float
    their_cpu: float
    wall: float
    their_wall: float

    @property
    def ratio(self) -> float:
        return self.cpu / self.their_cpu

    @property
    def is_met(self) -> bool:
        return self.line.bar is None or self.ratio <= self.line.bar


def cpu_seconds(who: int = resource.RUSAGE_SELF) -> float:
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


def measure(function: Callable[[], object], times: int) -> tuple[float, float]:
    """CPU and wall time of a call, in microseconds."""
    cpu, wall = cpu_seconds(), time.perf_counter()
    for _ in range(times):
        function()
    wall = time.perf_counter() - wall
    return (cpu_seconds() - cpu) / times * 1e6, wall / times * 1e6


def compare(line: Line) -> Result:
    """Lets both take turns; who begins changes from round to round."""
    ours, theirs = [], []
    for function in (line.ours, line.theirs):
        measure(function, max(1, line.times // 10))
    for turn in range(ROUNDS):
        if turn % 2:
            theirs.append(measure(line.theirs, line.times))
            ours.append(measure(line.ours, line.times))
        else:
            ours.append(measure(line.ours, line.times))
            theirs.append(measure(line.theirs, line.times))
    (cpu, wall), (their_cpu, their_wall) = (
        [statistics.median(values) for values in zip(*rounds, strict=True)] for rounds in (ours, theirs)
    )
    return Result(line, cpu, their_cpu, wall, their_wall)


def lines(memory: Store, local: Store, obstore: Any, theirs: Any) -> Iterator[Line]:
    """What is compared. Both sides hold the same keys."""
    for store in (memory, local):
        store.create_bucket("b")
        store.create_object("b", "k", DATA)
    obstore.put(theirs, "b/k", DATA)
    fresh = count()
    yield Line(
        "head: memory vs. obstore local",
        lambda: memory.head_object("b", "k"),
        lambda: obstore.head(theirs, "b/k"),
        2000,
        0.5,
    )
    yield Line(
        "head: file",
        lambda: local.head_object("b", "k"),
        lambda: obstore.head(theirs, "b/k"),
        1000,
        None,
    )
    yield Line(
        "get 1 KiB: file",
        lambda: local.get_object("b", "k").read(),
        lambda: bytes(obstore.get(theirs, "b/k").bytes()),
        500,
        2.0,
    )
    yield Line(
        "put 1 KiB, overwriting: file",
        lambda: local.create_object("b", "k", DATA),
        lambda: obstore.put(theirs, "b/k", DATA),
        200,
        2.0,
    )
    yield Line(
        "put 1 KiB, new keys: file",
        lambda: local.create_object("b", f"new/{next(fresh)}", DATA),
        lambda: obstore.put(theirs, f"b/new/{next(fresh)}", DATA),
        200,
        2.0,
    )
    for number in range(LISTED):
        for store in (memory, local):
            store.create_object("b", f"listed/{number:05}", DATA)
        obstore.put(theirs, f"b/listed/{number:05}", DATA)
    assert len(local.get_all_objects("b", "listed/")) == LISTED
    assert len(obstore.list(theirs, "b/listed").collect()) == LISTED
    for name, store in (("memory", memory), ("file", local)):
        yield Line(
            f"list {LISTED:,} keys: {name}" + (" vs. obstore local" if name == "memory" else ""),
            lambda store=store: store.get_all_objects("b", "listed/"),  # type: ignore[misc]
            lambda: obstore.list(theirs, "b/listed").collect(),
            3,
            None,
        )


def import_milliseconds() -> tuple[float, float]:
    """CPU and wall time that ``import cloudstore`` adds to the start of the interpreter.

    With its byte code there, as pip leaves it; some machines are set not to write any.
    """

    def run(code: str) -> tuple[float, float]:
        cpu, wall = cpu_seconds(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, env=environment)
        wall = time.perf_counter() - wall
        return (cpu_seconds(resource.RUSAGE_CHILDREN) - cpu) * 1e3, wall * 1e3

    with_it, without = [], []
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": cache}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        run("import cloudstore")  # writes the byte code
        for _ in range(IMPORTS):
            with_it.append(run("import cloudstore"))
            without.append(run("pass"))
    cpu, wall = (
        statistics.median(ours) - statistics.median(bare)
        for ours, bare in zip(zip(*with_it, strict=True), zip(*without, strict=True), strict=True)
    )
    return cpu, wall


def table(results: list[Result], imported: tuple[float, float]) -> list[list[str]]:
    """Rows of text, the heading first."""
    rows = [["", "CPU µs", "obstore", "ratio", "bar", "", "wall µs", "obstore"]]
    for result in results:
        bar = result.line.bar
        rows.append(
            [
                result.line.what,
                f"{result.cpu:,.1f}",
                f"{result.their_cpu:,.1f}",
                f"{result.ratio:.2f}",
                "" if bar is None else f"≤ {bar}",
                "" if bar is None else verdict(result.is_met),
                f"{result.wall:,.1f}",
                f"{result.their_wall:,.1f}",
            ]
        )
    limit, met = f"≤ {IMPORT_BAR_MS:.0f} ms", verdict(imported[0] <= IMPORT_BAR_MS)
    cpu, wall = (f"{value:.0f} ms" for value in imported)
    return [*rows, ["import cloudstore", cpu, "", "", limit, met, wall, ""]]


def verdict(is_met: bool) -> str:
    return "met" if is_met else "MISSED"


def as_text(rows: list[list[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )


def as_markdown(rows: list[list[str]]) -> str:
    rule = ["---"] + ["---:"] * (len(rows[0]) - 1)
    return "\n".join(f"| {' | '.join(row)} |" for row in [rows[0], rule, *rows[1:]])


def machine() -> str:
    """What it ran on, in a sentence."""
    return (
        f"cloudstore {__version__}, obstore {importlib.metadata.version('obstore')}, "
        f"Python {platform.python_version()}, {platform.system()} {platform.release()}, "
        f"{os.cpu_count()} CPUs of {processor()}, load {os.getloadavg()[0]:.1f}"
    )


def processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in text.splitlines() if "model name" in line]
    return names[0] if names else platform.machine()


def write_page(context: str, rows: list[list[str]]) -> None:
    before, begin, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f"{PAGE} lacks the marks {BEGIN!r} and {END!r}")
    text = f"{before}{BEGIN}\n{context}:\n\n{as_markdown(rows)}\n{END}{after}"
    PAGE.write_text(text, encoding="utf-8")


MEMORY_FOLDER = Path("/dev/shm")
"""A tmpfs on Linux. What a disk's file system charges for a new file depends on what was deleted
lately: ext4 without a journal passes by such inodes one by one, which made both contenders' writes cost
anything between 80 and 1,000 µs in runs a minute apart."""


def default_folder() -> Path:
    """Where to measure unless told: in memory if that is to be had, else below build/."""
    return MEMORY_FOLDER if os.access(MEMORY_FOLDER, os.W_OK) else ROOT / "build"


@contextmanager
def folder(parent: Path) -> Iterator[Path]:
    """An empty folder, gone at the end."""
    parent.mkdir(exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix="bench-", dir=parent))
    try:
        yield made
    finally:
        shutil.rmtree(made)


def main() -> int:
    parser = argparse.ArgumentParser(description="Compares the embedded drivers with obstore.")
    parser.add_argument("--write", action="store_true", help="put the table into docs/benchmarks.md")
    parser.add_argument(
        "--folder", type=Path, default=default_folder(), help="measure here; by default %(default)s"
    )
    chosen = parser.parse_args()
    context = f"{machine()}, files in {chosen.folder}"
    obstore: Any = importlib.import_module("obstore")
    stores: Any = importlib.import_module("obstore.store")
    with folder(chosen.folder) as place:
        (place / "theirs").mkdir()
        theirs = stores.LocalStore(str(place / "theirs"))
        with Store(MemoryConfig()) as memory, Store(LocalConfig(root=str(place / "ours"))) as local:
            results = [compare(line) for line in lines(memory, local, obstore, theirs)]
    imported = import_milliseconds()
    rows = table(results, imported)
    print(f"{context}\nmedian of {ROUNDS} rounds, a call\n\n{as_text(rows)}\n")
    if chosen.write:
        write_page(context, rows)
    return 0 if all(result.is_met for result in results) and imported[0] <= IMPORT_BAR_MS else 1


if __name__ == "__main__":
    sys.exit(main())
