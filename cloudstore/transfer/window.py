"""Flows that run side by side, at most so many at a time, while the flow that starts them goes on."""

from __future__ import annotations

from typing import TypeVar

from ..driver import Branch, Flow, Join, OpContext, Spawn

__all__ = ["Pace", "Window"]

T = TypeVar("T")
QUICK_AT_ONCE = 4
"""So many are under way where each is quick: more would only take the processor from each other
(docs/decisions/parts-at-once.md)."""

SLOW_SECONDS = 0.1
"""A part that takes longer waits for the line and not for the processor."""


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

    Attributes:
        most: so many, by what was seen so far.
    """

    def __init__(self, ctx: OpContext, most: int) -> None:
        self._clock = ctx.clock
        self._limit = most
        self.most = min(most, QUICK_AT_ONCE)

    def timed(self, flow: Flow[T]) -> Flow[T]:
        """The flow of one part, by which the pace is found."""
        began = self._clock.monotonic()
        result = yield from flow
        if self._clock.monotonic() - began > SLOW_SECONDS:
            self.most = self._limit
        return result
