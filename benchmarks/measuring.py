"""What the benchmarks share: a stopwatch, the machine's description, a folder to measure in."""

from __future__ import annotations

import os
import platform
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

__all__ = ["ROOT", "Stopwatch", "cpu_seconds", "default_folder", "folder", "machine"]

ROOT = Path(__file__).resolve().parent.parent

MEMORY_FOLDER = Path("/dev/shm")
"""A tmpfs on Linux. What a disk's file system charges for a new file depends on what was deleted
lately: ext4 without a journal passes by such inodes one by one, which made both contenders' writes cost
anything between 80 and 1,000 µs in runs a minute apart."""


def cpu_seconds(*, children: bool = False) -> float:
    """User and system time of this process with its threads, or of its children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN if children else resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


class Stopwatch:
    """CPU and wall time of a block, in seconds."""

    def __enter__(self) -> Stopwatch:
        self.cpu, self.wall = cpu_seconds(), time.perf_counter()
        return self

    def __exit__(self, *exc: object) -> None:
        self.cpu, self.wall = cpu_seconds() - self.cpu, time.perf_counter() - self.wall

    def timing(self, times: int) -> dict[str, float]:
        """Of a call, when there were so many: microseconds."""
        return {"cpu": self.cpu / times * 1e6, "wall": self.wall / times * 1e6}


def machine() -> dict[str, str | int | float]:
    """What it runs on."""
    return {
        "processor": processor(),
        "cores": os.cpu_count() or 1,
        "system": platform.system(),
        "kernel": platform.release(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "commit": commit(),
        "date": datetime.now(UTC).isoformat(timespec="minutes"),
        "load": round(os.getloadavg()[0], 1),
    }


def commit() -> str:
    """Of what is measured; with a plus where it was changed since."""
    git = partial(subprocess.run, cwd=ROOT, capture_output=True, text=True, check=False)
    head = git(["git", "rev-parse", "--short=10", "HEAD"]).stdout.strip()
    changed = git(["git", "status", "--porcelain", "--untracked-files=no"]).stdout.strip()
    return (head or "unknown") + ("+" if changed else "")


def processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in text.splitlines() if "model name" in line]
    return names[0] if names else platform.machine()


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
