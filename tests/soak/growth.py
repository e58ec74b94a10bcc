"""What a process holds: memory, descriptors, threads, tasks, connections, objects of the library.

Measured while nothing is under way, after a collection, so that what is found is what is kept.
"""

from __future__ import annotations

import ctypes
import gc
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

MIB = 1024 * 1024
M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8
"""Of glibc's malloc.h."""
OWN_BLOCK = 64 * 1024
ENOUGH = 5
"""Pauses that make a slope."""


@dataclass(frozen=True, slots=True)
class Held:
    """At one moment.

    Attributes:
        at: on the monotonic clock.
        resident: bytes of memory.
        descriptors, threads, tasks: how many are open, alive, not done.
        connections: that the proxies have to the servers.
        objects: of classes of the library.
        files: temporary ones.
    """

    at: float
    resident: int
    descriptors: int
    threads: int
    tasks: int
    connections: int
    objects: int
    files: int


@dataclass(frozen=True)
class Allowance:
    """How much more there may be at the end than after warming up.

    Attributes:
        resident: bytes. Allocators keep what large bodies took, and the models remember.
        slope: bytes a minute, by the line through all pauses; judged from `ENOUGH` of them on.
        threads: a store keeps as many as branches ever ran side by side, which may come late: up to
            `TransferConfig.max_concurrency` of each worker that has a thread.
        connections: idle ones of both stores and their descriptors come and go up to their limit.
        objects: of the library, such as connections and endpoints.
    """

    resident: int = 48 * MIB
    slope: int = 3 * MIB
    threads: int = 64
    connections: int = 24
    objects: int = 200


@dataclass
class Growth:
    """What was measured at each pause, the first after warming up."""

    allowance: Allowance = field(default_factory=Allowance)
    pauses: list[Held] = field(default_factory=list)
    after: Held | None = None
    """Once both stores are closed."""
    before: Held | None = None
    """Before they were made."""
    kinds: Counter[str] = field(default_factory=Counter)
    """Objects of the library that came between the first pause and the last, by class."""

    def slope(self) -> float:
        """Bytes of memory a minute, by least squares."""
        count = len(self.pauses)
        if count < 2:
            return 0.0
        at = [held.at for held in self.pauses]
        size = [held.resident for held in self.pauses]
        mean_at, mean_size = sum(at) / count, sum(size) / count
        over = sum((a - mean_at) ** 2 for a in at)
        if not over:
            return 0.0
        pairs = zip(at, size, strict=True)
        return 60 * sum((a - mean_at) * (s - mean_size) for a, s in pairs) / over

    def complaint(self) -> str | None:
        """What grew more than it may, or None."""
        if not self.pauses:
            return None
        first, last, allowed = self.pauses[0], self.pauses[-1], self.allowance
        grown = {
            "memory": (last.resident - first.resident, allowed.resident),
            "descriptors": (last.descriptors - first.descriptors, 2 * allowed.connections),
            "threads": (last.threads - first.threads, allowed.threads),
            "tasks": (last.tasks - first.tasks, 2 * allowed.connections),
            "connections": (last.connections - first.connections, allowed.connections),
            "objects of the library": (last.objects - first.objects, allowed.objects),
            "temporary files": (last.files - first.files, 0),
        }
        for name, (more, most) in grown.items():
            if more > most:
                return f"{name} grew by {more}, more than {most}: {self.kinds.most_common(5)}"
        if len(self.pauses) >= ENOUGH and self.slope() > allowed.slope:
            return f"memory grows by {self.slope() / MIB:.1f} MiB a minute"
        return self._not_given_back()

    def _not_given_back(self) -> str | None:
        if self.before is None or self.after is None:
            return None
        most = {"descriptors": 0, "threads": 0, "tasks": 0, "connections": 0, "files": 0}
        most["objects"] = self.allowance.objects  # what the workers still hold of their stores
        for name, more in most.items():
            before, after = getattr(self.before, name), getattr(self.after, name)
            if after > before + more:
                return f"after both stores were closed there are {after} {name}, before them {before}"
        # Warming up takes memory that stays: of code, of the models, of the allocator.
        warm, after = self.pauses[0].resident, self.after.resident
        if after > warm + self.allowance.resident:
            return f"after both stores were closed memory is {after}, once they were warm {warm}"
        return None

    def lines(self) -> list[str]:
        """For people."""
        if not self.pauses:
            return []
        first, last = self.pauses[0], self.pauses[-1]
        told = [
            f"memory {first.resident / MIB:.1f} to {last.resident / MIB:.1f} MiB over"
            f" {len(self.pauses)} pauses (allowed: {self.allowance.resident / MIB:.0f} more)"
        ]
        if len(self.pauses) >= ENOUGH:
            told[0] += (
                f"; {self.slope() / MIB:+.2f} MiB a minute (allowed: {self.allowance.slope / MIB:.0f})"
            )
        names = ("descriptors", "threads", "tasks", "connections", "objects", "files")
        pairs = [f"{name} {getattr(first, name)} to {getattr(last, name)}" for name in names]
        told.append(", ".join(pairs))
        if self.before is not None and self.after is not None:
            rest = [f"{n} {getattr(self.before, n)}/{getattr(self.after, n)}" for n in names]
            told.append("before the stores and after them: " + ", ".join(rest))
        return told

    def as_json(self) -> dict[str, Any]:
        """In plain values."""
        return {
            "pauses": [asdict(held) for held in self.pauses],
            "slope_per_minute": round(self.slope()),
            "allowance": asdict(self.allowance),
            "before": None if self.before is None else asdict(self.before),
            "after": None if self.after is None else asdict(self.after),
        }


def give_back_at_once() -> None:
    """Has glibc give free memory back, so that what is measured is held, and not kept for later.

    Left alone, it raises the size from which a block is given back by itself to that of the largest
    ones freed, and keeps a heap of small ones for every few threads: bodies of megabytes leave holes.
    """
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # another C library has no such function
            library = ctypes.CDLL(None)
            library.mallopt(M_MMAP_THRESHOLD, OWN_BLOCK)
            library.mallopt(M_ARENA_MAX, 1)


def resident_bytes() -> int:
    """Memory of this process."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    except OSError:  # not Linux
        told = subprocess.run(
            ["ps", "-o", "rss=", "-p", str(os.getpid())], capture_output=True, text=True, check=True
        )
        return int(told.stdout) * 1024


def library_objects() -> Counter[str]:
    """Objects that are alive, by class, of classes of the library; its tests' own are not counted."""
    counted: Counter[str] = Counter()
    for found in gc.get_objects():
        module = type(found).__module__
        if isinstance(module, str) and module.startswith("cloudstore.") and ".testing" not in module:
            counted[f"{module}.{type(found).__qualname__}"] += 1
    return counted


def measure(tasks: int, connections: int, folder: Path) -> Held:
    """All that can be seen from here."""
    gc.collect()
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # another C library has no such function
            ctypes.CDLL(None).malloc_trim(0)
    return Held(
        at=time.monotonic(),
        resident=resident_bytes(),
        descriptors=len(os.listdir("/dev/fd")),
        threads=threading.active_count(),
        tasks=tasks,
        connections=connections,
        objects=library_objects().total(),
        files=sum(1 for path in folder.rglob("*") if path.is_file()),
    )
