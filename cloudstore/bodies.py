"""The bytes of one request and of one answer.

`Payload` is what goes up: always replayable, so that it can be hashed before it is sent, retried,
and signed again. `Body` is what comes down: pulled by the reader, so that back-pressure is natural;
its `readinto` is a flow (see `driver`). This module may read files that it is given; nothing else.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING

from .checksums import digest_of, new_hasher
from .errors import InvalidArgumentError

if TYPE_CHECKING:
    from .driver import Flow, OpContext

__all__ = ["Body", "BytesBody", "BytesPayload", "FilePayload", "Payload"]

COPY_CHUNK = 1024 * 1024
"""How many bytes are read at a time where a file is copied."""

HASHED_AT_ONCE = 256 * 1024
"""And where it is hashed: so much stays in the cache of a core."""


class Payload(ABC):
    """The bytes of one request, readable any number of times.

    Attributes:
        size: how many bytes there are.
        asks_first: whether the server should be asked before much is sent (``Expect: 100-continue``),
            which costs a round trip. Not where it has just agreed to what this is a part of.
    """

    __slots__ = ("_digests", "asks_first", "size")

    def __init__(self, size: int) -> None:
        self.size = size
        self.asks_first = True
        self._digests: dict[str, str] | None = None

    @abstractmethod
    def read(self, offset: int, length: int) -> bytes | memoryview:
        """Exactly `length` bytes from `offset` on. Blocks where it reads a file.

        Raises:
            InvalidArgumentError: the file became shorter while it was being read.
        """

    @property
    @abstractmethod
    def blocks(self) -> bool:
        """Whether `read` may block."""

    def chunks(self, length: int = COPY_CHUNK) -> Iterator[bytes | memoryview]:
        """All bytes in pieces of at most `length`."""
        for offset in range(0, self.size, length):
            yield self.read(offset, min(length, self.size - offset))

    def digest(self, algorithm: str) -> str:
        """The checksum in lower-case hexadecimal, computed once."""
        if self._digests is None:
            self._digests = {}
        known = self._digests.get(algorithm)
        if known is None:
            if self.size > HASHED_AT_ONCE:
                self.hash_by(algorithm)
                return self._digests[algorithm]
            known = self._digests[algorithm] = digest_of(algorithm, self.read(0, self.size))
        return known

    def hash_by(self, *algorithms: str) -> None:
        """Computes several checksums while the bytes are read once, piece by piece, so that what one
        has read the next one finds in the processor's cache."""
        if self._digests is None:
            self._digests = {}
        missing = [name for name in algorithms if name not in self._digests]
        hashers = [new_hasher(name) for name in missing]
        for chunk in self.chunks(HASHED_AT_ONCE):
            for hasher in hashers:
                hasher.update(chunk)
        self._digests.update(zip(missing, (hasher.hexdigest() for hasher in hashers), strict=True))


class BytesPayload(Payload):
    """Bytes in memory; a buffer is not copied, so its owner must leave it alone meanwhile."""

    __slots__ = ("data",)

    def __init__(self, data: bytes | bytearray | memoryview) -> None:
        self.data = data if type(data) is bytes else memoryview(data).cast("B")
        super().__init__(len(self.data))

    def read(self, offset: int, length: int) -> bytes | memoryview:
        """A slice; whole, it is the very buffer."""
        if length == self.size:
            return self.data
        return memoryview(self.data)[offset : offset + length]

    @property
    def blocks(self) -> bool:
        """Never."""
        return False


class FilePayload(Payload):
    """A region of an open regular file, read by position: the file's own offset stays where it is."""

    __slots__ = ("fd", "offset")

    def __init__(self, fd: int, offset: int, size: int) -> None:
        super().__init__(size)
        self.fd = fd
        self.offset = offset

    def read(self, offset: int, length: int) -> bytes | memoryview:
        """Reads from the file, also where the system gives less than asked at a time."""
        data = os.pread(self.fd, length, self.offset + offset)
        if len(data) == length:
            return data
        pieces = [data]
        missing = length - len(data)
        while missing and pieces[-1]:
            pieces.append(os.pread(self.fd, missing, self.offset + offset + length - missing))
            missing -= len(pieces[-1])
        if missing:
            raise InvalidArgumentError("the file became shorter while it was being uploaded")
        return b"".join(pieces)

    @property
    def blocks(self) -> bool:
        """Always: a disk may be slow."""
        return True


class Body(ABC):
    """The bytes of one answer, not yet read.

    A body belongs to one reader at a time. Whoever does not read it to its end closes it.
    """

    __slots__ = ("__weakref__",)

    @abstractmethod
    def readinto(self, buffer: memoryview) -> Flow[int]:
        """A flow that fills some of `buffer` and returns how much; 0 is the end.

        Raises:
            TransportError: the body broke off, or is shorter than was promised.
        """

    @abstractmethod
    def close(self) -> None:
        """Gives everything back at once, without waiting; any number of times."""

    def take(self) -> bytes | None:
        """All that is left, where it is in memory already; else None. It then counts as read."""
        return None

    def within(self, ctx: OpContext) -> None:  # noqa: B027 - what needs no waiting has no use for it
        """The reads to come belong to this operation: they end by its deadline.

        Until this is called they have none: a body outlives the operation that opened it. A body
        over another one passes this on.
        """


class BytesBody(Body):
    """A body that is in memory already."""

    __slots__ = ("_data", "_position")

    def __init__(self, data: bytes | memoryview) -> None:
        self._data = data
        self._position = 0

    def readinto(self, buffer: memoryview) -> Flow[int]:
        """Copies; no effect is needed."""
        yield from ()
        start = self._position
        count = min(len(buffer), len(self._data) - start)
        buffer[:count] = self._data[start : start + count]
        self._position = start + count
        return count

    def take(self) -> bytes | None:
        """The rest."""
        start, self._position = self._position, len(self._data)
        return bytes(self._data[start:] if start else self._data)

    def close(self) -> None:
        """Forgets the bytes."""
        self._data = b""
        self._position = 0
