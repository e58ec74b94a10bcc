"""Flows that run side by side, at most so many at a time, while the flow that starts them goes on."""

from __future__ import annotations

from ..driver import Branch, Flow, Join, Spawn

__all__ = ["Window"]


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
