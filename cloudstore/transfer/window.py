"""Flows that run side by side, at most so many at a time, while the flow that starts them goes on."""

from __future__ import annotations

import math
from typing import TypeVar

from ..driver import Branch, Clock, Flow, Join, Spawn

__all__ = ["Pace", "Window"]

T = TypeVar("T")
FULL_SPEED = 750e6
"""Bytes a second of all parts that are under way: there it is the processor that is busy, and more
parts would only take it from each other (docs/decisions/parts-at-once.md)."""


class Window:
    """What one transfer has under way. Whoever uses it calls `end` after any failure."""

    def __init__(self) -> None:
        self._under_way: list[Branch] = []

    def __len__(self) -> int:
        return len(self._under_way)

    def start(self, flow: Flow[None]) -> Flow[None]:
        """Starts a flow, whatever else runs."""
        self._under_way.append((yield Spawn(flow)))

    def wait(self, most: int) -> Flow[None]:
        """Waits until at most `most` are under way; raises what one of them raised."""
        while True:
            for branch in self._under_way:
                if branch.done:
                    branch.result()
            self._under_way = [branch for branch in self._under_way if not branch.done]
            if len(self._under_way) <= most:
                return
            yield Join(self._under_way)

    def end(self) -> Flow[None]:
        """Cancels what is under way, and waits for it; what it raises is not asked for."""
        for branch in self._under_way:
            branch.cancel()
        while self._under_way:
            yield Join(self._under_way)
            self._under_way = [branch for branch in self._under_way if not branch.done]


class Pace:
    """How many parts are worth being under way: few on a quick line, all that may be on a slow one.

    Args:
        begin: how many before anything was seen.
        limit: how many may be.

    Attributes:
        most: so many, by what was seen so far.
    """

    def __init__(self, clock: Clock, begin: int, limit: int) -> None:
        self._clock = clock
        self._limit = limit
        self.most = min(begin, limit)

    def timed(self, flow: Flow[T], size: int) -> Flow[T]:
        """The flow of one part, of so many bytes, by which the pace is found."""
        began = self._clock.monotonic()
        result = yield from flow
        wanted = FULL_SPEED * (self._clock.monotonic() - began) / size
        if wanted > self.most:
            self.most = min(self._limit, 2 * self.most, math.ceil(wanted))
        return result
