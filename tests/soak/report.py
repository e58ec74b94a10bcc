"""What happened in a run: counts, latencies, growth; as a table and as JSON. No I/O."""

from __future__ import annotations

import math
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from cloudstore import CloudStoreError

from .growth import Growth
from .models import Answer

STEPS_PER_DOUBLING = 8
"""Latencies are kept by their size, to 9 %: a run of any length takes no memory for them."""


class Latencies:
    """How long calls took."""

    def __init__(self) -> None:
        self._steps: Counter[int] = Counter()

    def add(self, seconds: float) -> None:
        """One more."""
        self._steps[round(STEPS_PER_DOUBLING * math.log2(max(seconds, 1e-6)))] += 1

    def quantile(self, share: float) -> float:
        """In seconds."""
        left = share * self._steps.total()
        for step in sorted(self._steps):
            left -= self._steps[step]
            if left <= 0:
                return float(2 ** (step / STEPS_PER_DOUBLING))
        return 0.0


@dataclass
class Report:
    """Counts of one run. Threads and tasks may tell it at the same time.

    Attributes:
        calls: by what was done.
        errors: by kind and outcome.
        retries: by the kind of the error that was tried again.
        faults: connections that got a fault, by its kind.
        growth: of the process, once the run is over.
        leftovers: what was left behind, and why that is allowed.
        violation: what must not be and was; "" if nothing.
    """

    vendor: str
    seed: int
    threads: int
    tasks: int
    seconds: float = 0.0
    calls: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    retries: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    latencies: dict[str, Latencies] = field(default_factory=dict)
    connections: int = 0
    hits: int = 0
    bytes_up: int = 0
    bytes_down: int = 0
    bytes_read: int = 0
    lag: float = 0.0
    checked: dict[str, int] = field(default_factory=dict)
    leftovers: dict[str, int] = field(default_factory=dict)
    growth: Growth | None = None
    violation: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def called(self, verb: str, answer: Answer) -> None:
        """A call ended."""
        with self._lock:
            self.calls[verb] += 1
            self.latencies.setdefault(verb, Latencies()).add(answer.ended - answer.began)
            if answer.error is not None:
                self.errors[f"{answer.error.kind} ({answer.error.outcome})"] += 1

    def retried(self, error: CloudStoreError) -> None:
        """A request is sent once more."""
        with self._lock:
            self.retries[f"{error.kind} ({error.outcome})"] += 1

    def moved(self, count: int) -> None:
        """So many bytes were read and found right."""
        with self._lock:
            self.bytes_read += count

    def as_json(self) -> dict[str, Any]:
        """All of it, in plain values."""
        return {
            "vendor": self.vendor,
            "seed": self.seed,
            "threads": self.threads,
            "tasks": self.tasks,
            "seconds": round(self.seconds, 1),
            "operations": dict(self.calls),
            "errors": dict(self.errors),
            "retries": dict(self.retries),
            "faults": dict(self.faults),
            "connections": self.connections,
            "connections_faulted": self.hits,
            "bytes_up": self.bytes_up,
            "bytes_down": self.bytes_down,
            "bytes_verified": self.bytes_read,
            "latency": {
                verb: {"p50": found.quantile(0.5), "p99": found.quantile(0.99)}
                for verb, found in self.latencies.items()
            },
            "longest_lag": round(self.lag, 3),
            "checked": self.checked,
            "leftovers": self.leftovers,
            "growth": None if self.growth is None else self.growth.as_json(),
            "violation": self.violation,
        }

    def table(self) -> str:
        """For people."""
        total = self.calls.total()
        share = self.hits / self.connections if self.connections else 0.0
        lines = [
            f"{self.vendor}: {total} calls in {self.seconds:.0f} s by {self.threads} threads and"
            f" {self.tasks} tasks, seed {self.seed}",
            "",
            f"  {'call':20} {'times':>7} {'p50 ms':>8} {'p99 ms':>8}",
        ]
        for verb, count in sorted(self.calls.items()):
            found = self.latencies[verb]
            p50, p99 = 1000 * found.quantile(0.5), 1000 * found.quantile(0.99)
            lines.append(f"  {verb:20} {count:7} {p50:8.1f} {p99:8.1f}")
        lines += [
            "",
            f"  connections {self.connections}, of which {self.hits} broke ({100 * share:.1f} %);"
            f" {self.bytes_up / 1e6:.0f} MB up, {self.bytes_down / 1e6:.0f} MB down,"
            f" {self.bytes_read / 1e6:.0f} MB compared",
            f"  faults: {_listed(self.faults)}",
            f"  retries: {self.retries.total()}: {_listed(self.retries)}",
            f"  errors: {self.errors.total()}: {_listed(self.errors)}",
            f"  at the end: {_listed(self.checked)}",
            f"  left over, and explained: {_listed(self.leftovers)}",
        ]
        if self.growth is not None:
            lines += [f"  {line}" for line in self.growth.lines()]
        lines.append(f"  longest wait for the processor: {self.lag:.2f} s")
        if self.violation:
            lines += ["", self.violation]
        return "\n".join(lines)


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items())) or "none"
