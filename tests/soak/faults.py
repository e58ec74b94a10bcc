"""Which connections break, and how: it follows from the seed and the number of the connection.

Bytes are not turned over: on a plain connection no client can tell a changed header from a true one.
The wire's and the drivers' own tests do that where a checksum must find it out.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable

from cloudstore.testing import Fault

from .models import STALL_SECONDS

SHORT_STALL = 0.5
"""A stall that ends before anybody gives up."""
EARLY = 48 * 1024
"""Within so many bytes what is cut or stalled breaks: whole small exchanges, or part of a large one."""


def _answer(status: str, body: bytes) -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: text/html\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"Connection: close\r\n\r\n" + body


def _changing(chance: random.Random) -> bytes | None:
    """Which requests: any, or those that change something."""
    return chance.choice((None, b"PUT /", b"POST /", b"DELETE /"))


KINDS: dict[str, Callable[[random.Random], Fault]] = {
    "refused": lambda chance: Fault(refuse=True),
    "late answers": lambda chance: Fault(latency=chance.uniform(0.05, 0.4)),
    "slow": lambda chance: Fault(rate=256 * 1024),
    "short stall": lambda chance: Fault(
        stall_down_after=chance.randrange(EARLY), stall_for=SHORT_STALL
    ),
    "answer stalls": lambda chance: Fault(
        stall_down_after=chance.choice((0, chance.randrange(EARLY))), stall_for=STALL_SECONDS
    ),
    "request stalls, comes late": lambda chance: Fault(
        stall_up_after=chance.choice((1, 100, chance.randrange(EARLY))),
        stall_for=STALL_SECONDS,
        when=_changing(chance),
    ),
    "answer cut": lambda chance: Fault(
        cut_down_after=chance.choice((1, chance.randrange(EARLY), chance.randrange(8 * EARLY))),
        cut=chance.choice(("reset", "close")),
    ),
    "request cut": lambda chance: Fault(
        cut_up_after=chance.choice((1, chance.randrange(EARLY), chance.randrange(8 * EARLY))),
        cut=chance.choice(("reset", "close")),
        when=_changing(chance),
    ),
    "answer lost": lambda chance: Fault(lose_answer=True, when=_changing(chance)),
    "500": lambda chance: Fault(answer=_answer("500 Internal Server Error", b"<h1>oops</h1>")),
    "503": lambda chance: Fault(answer=_answer("503 Service Unavailable", b"<h1>busy</h1>")),
}


class FaultPlan:
    """Chooses the faults of the connections of one proxy.

    Attributes:
        chosen: how many connections got each kind; a kind that waits for a request may never meet one.
    """

    def __init__(self, seed: str, rate: float, kinds: tuple[str, ...] = tuple(KINDS)) -> None:
        self._seed, self._rate, self._kinds = seed, rate, kinds
        self._lock = threading.Lock()
        self.chosen: Counter[str] = Counter()

    def __call__(self, number: int) -> Fault | None:
        """The fault of a connection."""
        chance = random.Random(f"{self._seed}/{number}")
        if chance.random() >= self._rate:
            return None
        kind = chance.choice(self._kinds)
        with self._lock:
            self.chosen[kind] += 1
        return KINDS[kind](chance)
