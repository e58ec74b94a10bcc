"""Reading an object in order while what comes next is on its way already, as flows.

Pieces behind the one that is read come by ranges side by side, all of one version of the object. They
are checked in order, as a reader that reads piece by piece does it: the last one is handed out only
once the whole is verified.
"""

from __future__ import annotations

from collections import deque

from ..driver import Branch, Flow, Join, Spawn
from ..reading import ObjectReader

__all__ = ["ReadAhead"]


class ReadAhead:
    """The rest of an object in pieces. Whoever uses it calls `end` in any case.

    Args:
        reader: stands where the pieces begin, and goes on behind them.
        size: bytes of a piece.
        ahead: how many pieces are on their way or lie in memory, beside the one that is read.
    """

    def __init__(self, reader: ObjectReader, size: int, ahead: int) -> None:
        self._reader = reader
        self._size = size
        self._ahead = ahead
        self._pieces: deque[tuple[Branch, ObjectReader]] = deque()
        self._asked_to: int | None = None

    def next_piece(self) -> Flow[bytes]:
        """The next piece; none of its bytes at the end. Errors as `ObjectReader.read`."""
        if self._asked_to is None:
            yield from self._begin()
        yield from self._ask()
        if not self._pieces:
            return (yield from self._reader.read(self._size))
        branch, part = self._pieces[0]
        while not branch.done:
            yield Join([branch])
        self._pieces.popleft()
        part.close()
        piece: bytes = branch.result()
        self._reader.take_in(piece)
        return piece

    def _begin(self) -> Flow[None]:
        """Has the reader open: where it stands, it reads by itself what others then go on behind."""
        yield from self._reader.open()
        self._asked_to = self._reader.position

    def _ask(self) -> Flow[None]:
        if not self._reader.is_pinned:
            return
        assert self._asked_to is not None
        while len(self._pieces) <= self._ahead and self._asked_to < self._reader.size:
            end = min(self._asked_to + self._size, self._reader.size)
            part = self._reader.of_part(self._asked_to, end)
            self._pieces.append(((yield Spawn(part.read())), part))
            self._asked_to = end

    def end(self) -> Flow[None]:
        """Gives up what is on its way."""
        for branch, _ in self._pieces:
            branch.cancel()
        while left := [branch for branch, _ in self._pieces if not branch.done]:
            yield Join(left)
        for _, part in self._pieces:
            part.close()
