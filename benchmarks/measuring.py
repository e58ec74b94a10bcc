"""What the benchmarks share: CPU time, the machine's description, tables, the page that keeps them."""

from __future__ import annotations

import os
import platform
import resource
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

__all__ = [
    "ROOT",
    "as_markdown",
    "as_text",
    "cpu_seconds",
    "default_folder",
    "folder",
    "machine",
    "measure",
    "verdict",
    "write_page",
]

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "benchmarks.md"

MEMORY_FOLDER = Path("/dev/shm")
"""A tmpfs on Linux. What a disk's file system charges for a new file depends on what was deleted
lately: ext4 without a journal passes by such inodes one by one, which made both contenders' writes cost
anything between 80 and 1,000 µs in runs a minute apart."""


def cpu_seconds(*, children: bool = False) -> float:
    """User and system time of this process with its threads, or of its children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN if children else resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def measure(function: Callable[[], object], times: int) -> tuple[float, float]:
    """CPU and wall time of a call, in microseconds."""
    cpu, wall = cpu_seconds(), time.perf_counter()
    for _ in range(times):
        function()
    wall = time.perf_counter() - wall
    return (cpu_seconds() - cpu) / times * 1e6, wall / times * 1e6


def verdict(is_met: bool) -> str:
    return "met" if is_met else "MISSED"


def as_text(rows: Sequence[Sequence[str]]) -> str:
    """A table for a terminal. The first row is the heading."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )


def as_markdown(rows: Sequence[Sequence[str]]) -> str:
    rule = ["---"] + ["---:"] * (len(rows[0]) - 1)
    return "\n".join(f"| {' | '.join(row)} |" for row in [rows[0], rule, *rows[1:]])


def machine() -> str:
    """What it runs on, in a line."""
    return (
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


def write_page(module: str, text: str) -> None:
    """Puts a text into docs/benchmarks.md, between the marks that name the file which makes it."""
    begin = f"<!-- the table, by benchmarks/{module}.py -->"
    before, found, rest = PAGE.read_text(encoding="utf-8").partition(begin)
    _, end, after = rest.partition("<!-- end of the table -->")
    if not (found and end):
        raise SystemExit(f"{PAGE} lacks the mark {begin!r} or the end of its table")
    PAGE.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")


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
