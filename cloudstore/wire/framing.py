"""Bodies of answers: where they end, on either engine. No I/O but by `Recv` effects."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

from ..bodies import Body, BytesBody
from ..driver import Flow, OpContext, Recv
from ..errors import TransportError
from .codec import ChunkedReader, Head

__all__ = ["WireStream", "body_of"]

CHUNK_BUFFER = 64 * 1024
SKIP_BYTES = 64 * 1024
"""So little of a body that nobody reads is taken off the connection, if it is there already."""


class WireStream(Protocol):
    """A connection, as a body sees it.

    Attributes:
        deadline: the context whose deadline holds for what is received, or None.
    """

    deadline: OpContext | None

    def close(self) -> None:
        """Gives the connection up at once."""

    def skip(self, count: int) -> bool:
        """Takes `count` bytes off without waiting; whether they were there, and nothing after them."""


Release = Callable[[bool], None]
"""Gives a connection back; called once, with whether it is good for another exchange."""


def body_of(head: Head, stream: WireStream, rest: bytes, release: Release) -> Body | None:
    """The body of an answer; None where it has none.

    Args:
        rest: what came with the head.
        release: called when the body is read or closed.
    """
    if head.chunked:
        return _chunked_body(head, stream, rest, release)
    if head.length is None:
        return _ClosingBody(stream, rest, release)
    if len(rest) >= head.length:
        # More than was promised belongs to nobody: such a connection is not used again.
        release(head.keep_alive and len(rest) == head.length)
        return BytesBody(rest[: head.length]) if head.length else None
    return _LengthBody(head.length, stream, rest, release, keep_alive=head.keep_alive)


def _chunked_body(head: Head, stream: WireStream, rest: bytes, release: Release) -> Body:
    reader = ChunkedReader()
    pieces = reader.feed(rest)
    if not reader.done:
        return _ChunkedBody(reader, pieces, stream, release, keep_alive=head.keep_alive)
    release(head.keep_alive and not reader.rest)
    return BytesBody(b"".join(pieces))


class _WireBody(Body):
    """What the kinds of bodies share: a connection that is given back once."""

    __slots__ = ("_release", "_stream")

    def __init__(self, stream: WireStream, release: Release) -> None:
        self._stream = stream
        self._release: Release | None = release

    def _finish(self, *, reusable: bool) -> None:
        release, self._release = self._release, None
        if release is not None:
            release(reusable)

    def _receive(self, buffer: memoryview) -> Flow[int]:
        """Some bytes from the connection, which is given up where that fails."""
        if self._release is None:
            # Never the end: whoever reads on after a failure would take half for the whole.
            raise TransportError("the body was closed", outcome="unknown")
        try:
            count: int = yield Recv(self._stream, buffer)
        except BaseException:
            self._finish(reusable=False)
            raise
        return count

    def within(self, ctx: OpContext) -> None:
        """See `Body`."""
        if self._release is not None:
            self._stream.deadline = None if ctx.deadline is None else ctx

    def close(self) -> None:
        """Gives the connection up: what is unread on it would be taken for the next answer."""
        self._finish(reusable=False)

    def __del__(self) -> None:
        self.close()


class _LengthBody(_WireBody):
    """A body whose length was stated."""

    __slots__ = ("_keep_alive", "_left", "_rest")

    def __init__(
        self, length: int, stream: WireStream, rest: bytes, release: Release, *, keep_alive: bool
    ) -> None:
        super().__init__(stream, release)
        self._left = length
        self._rest = memoryview(rest)
        self._keep_alive = keep_alive

    def readinto(self, buffer: memoryview) -> Flow[int]:
        """See `Body`."""
        if not self._left:
            return 0
        wanted = buffer[: self._left]
        if self._rest and self._release is not None:
            count = min(len(wanted), len(self._rest))
            wanted[:count] = self._rest[:count]
            self._rest = self._rest[count:]
        else:
            count = yield from self._receive(wanted)
        if not count and len(wanted):
            self.close()
            raise TransportError(
                f"the body ended {self._left} bytes early", retryable=True, outcome="unknown"
            )
        self._left -= count
        if not self._left:
            self._finish(reusable=self._keep_alive)
        return count

    def close(self) -> None:
        """Gives the connection back if the little that is unread has come already, else up."""
        unread = self._left - len(self._rest)
        if self._release is not None and unread <= SKIP_BYTES:
            self._finish(reusable=self._stream.skip(unread) and self._keep_alive)
        self._finish(reusable=False)


class _ChunkedBody(_WireBody):
    """A chunked body."""

    __slots__ = ("_keep_alive", "_pieces", "_reader")

    def __init__(
        self,
        reader: ChunkedReader,
        pieces: list[memoryview],
        stream: WireStream,
        release: Release,
        *,
        keep_alive: bool,
    ) -> None:
        super().__init__(stream, release)
        self._keep_alive = keep_alive
        self._reader = reader
        self._pieces = deque(pieces)

    def readinto(self, buffer: memoryview) -> Flow[int]:
        """See `Body`."""
        while not self._pieces and not self._reader.done:
            data = bytearray(CHUNK_BUFFER)
            count = yield from self._receive(memoryview(data))
            if not count:
                self.close()
                raise TransportError("the chunked body ended early", retryable=True, outcome="unknown")
            try:
                self._pieces.extend(self._reader.feed(bytes(memoryview(data)[:count])))
            except TransportError:
                self.close()
                raise
        if self._reader.done:
            self._finish(reusable=self._keep_alive and not self._reader.rest)
        filled = 0
        while self._pieces and filled < len(buffer):
            piece = self._pieces.popleft()
            count = min(len(piece), len(buffer) - filled)
            buffer[filled : filled + count] = piece[:count]
            filled += count
            if count < len(piece):
                self._pieces.appendleft(piece[count:])
        return filled


class _ClosingBody(_WireBody):
    """A body that ends with its connection: nobody can tell whether it is whole."""

    __slots__ = ("_ended", "_rest")

    def __init__(self, stream: WireStream, rest: bytes, release: Release) -> None:
        super().__init__(stream, release)
        self._rest = memoryview(rest)
        self._ended = False

    def readinto(self, buffer: memoryview) -> Flow[int]:
        """See `Body`."""
        if self._ended:
            return 0
        if self._rest:
            count = min(len(buffer), len(self._rest))
            buffer[:count] = self._rest[:count]
            self._rest = self._rest[count:]
            return count
        count = yield from self._receive(buffer)
        if not count and len(buffer):
            self._ended = True
            self._finish(reusable=False)
        return count
