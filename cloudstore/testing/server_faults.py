"""Faults of a simulated service: which request meets which, by a list or by chance with a seed.

A `FaultPlan` is asked once a request and says what goes wrong with it, if anything. What the harm is, a
simulator's server carries out; nothing here touches the network or the clock.
"""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass

__all__ = ["FaultPlan", "ServerFault"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFault:
    """What goes wrong. With all at their defaults: nothing.

    Attributes:
        status: answered instead of doing what was asked.
        reset: the connection is reset, nothing is done.
        lose_answer: it is done, and the connection is reset instead of an answer.
        cut_after: it is done; so many bytes of the answer, head and body, are sent, then a reset.
        delay: seconds that the answer is late.
        rate: bytes a second of the answer.
        host, method, path: only requests to this of the simulator's hosts, with this method, with a
            path that begins so. None: any.
        probability: of each request that fits.
        times: at most so often. None: always.
    """

    status: int | None = None
    reset: bool = False
    lose_answer: bool = False
    cut_after: int | None = None
    delay: float = 0.0
    rate: float | None = None
    host: str | None = None
    method: str | None = None
    path: str | None = None
    probability: float = 1.0
    times: int | None = None

    def fits(self, host: str, method: str, path: str) -> bool:
        """Whether it is meant for such a request."""
        is_there = self.host in (None, host) and self.method in (None, method)
        return is_there and (self.path is None or path.startswith(self.path))


class FaultPlan:
    """The faults that lie ahead; used from any thread.

    Args:
        seed: of all its chance. The same requests in the same order meet the same faults.
    """

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)
        self._guard = threading.Lock()
        self._left: list[tuple[ServerFault, int | None]] = []
        self._hits = 0

    def add(self, *faults: ServerFault) -> None:
        """Puts faults at the end of the plan. The first that fits a request and comes up is met."""
        with self._guard:
            self._left += [(fault, fault.times) for fault in faults]

    def clear(self) -> None:
        """No more faults."""
        with self._guard:
            self._left.clear()

    @property
    def hits(self) -> int:
        """How many requests met a fault."""
        return self._hits

    def meet(self, host: str, method: str, path: str) -> ServerFault | None:
        """The fault that this request meets."""
        if not self._left:
            return None
        with self._guard:
            for place, (fault, left) in enumerate(self._left):
                if not fault.fits(host, method, path):
                    continue
                if fault.probability < 1 and self._random.random() >= fault.probability:
                    continue
                self._hits += 1
                if left is not None:
                    self._left[place] = (fault, left - 1)
                    if left <= 1:
                        del self._left[place]
                return fault
        return None
