"""What users may hand over as data, and how it becomes the payloads of requests.

Bytes and regions of regular files are replayable: they become a `Payload` as they are. Everything
else (pipes, iterators, async iterators, file-like objects) can be read once: it becomes a `OneShot`
whose `read` is a flow, because the caller's code may block or be asynchronous.
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol, TypeAlias, runtime_checkable

from .bodies import BytesPayload, FilePayload, Payload
from .driver import Call, Flow, OpContext
from .errors import InvalidArgumentError

__all__ = ["AsyncData", "Data", "OneShot", "Source", "bytes_payload", "open_source"]


@runtime_checkable
class Readable(Protocol):
    """A binary file, or anything else with its `read`."""

    def read(self, size: int = -1, /) -> bytes:
        """Up to `size` bytes; ``b""`` at the end."""


NOTHING = memoryview(b"")
NOTHING_YET = "the file does not block and has nothing to read just now"

Data: TypeAlias = str | bytes | bytearray | memoryview | Path | Readable | Iterable[bytes]
"""What `Store.create_object` takes: text is sent as UTF-8."""
AsyncData: TypeAlias = Data | AsyncIterable[bytes]
"""What `AsyncStore.create_object` takes."""


class OneShot:
    """A source that can be read only once, piece by piece."""

    def __init__(self, ctx: OpContext, origin: Any, *, asynchronous: bool) -> None:
        self._ctx = ctx
        self._rest = NOTHING
        self._ended = False
        self._blocking = True
        self._file: io.RawIOBase | io.BufferedIOBase | None = None
        self._next: Any
        if isinstance(origin, io.RawIOBase | io.BufferedIOBase):
            self._file = origin
        elif isinstance(origin, AsyncIterable):
            if not asynchronous:
                raise InvalidArgumentError("an async iterator needs AsyncStore")
            self._next = _AsyncPieces(aiter(origin)).next
            self._blocking = False
        elif isinstance(origin, Readable):
            self._next = _Reads(origin).next
        else:
            self._next = _Pieces(iter(origin)).next

    def read(self, size: int) -> Flow[bytearray]:
        """Exactly `size` bytes, fewer only at the end. What the source raises is raised as it is."""
        if self._file is not None:
            return (yield from self._read_into(self._file, size))
        taken = bytearray()
        while len(taken) < size:
            if not self._rest:
                if self._ended:
                    break
                piece = yield Call(
                    None, self._ctx, self._next, size - len(taken), blocking=self._blocking
                )
                if piece is None:
                    self._ended = True
                    break
                self._rest = _as_buffer(piece)
                del piece  # which may be large, while the next one is waited for
            missing = size - len(taken)
            taken += self._rest[:missing]
            self._rest = self._rest[missing:] or NOTHING
        return taken

    def _read_into(self, file: io.RawIOBase | io.BufferedIOBase, size: int) -> Flow[bytearray]:
        """Without a copy of each piece beside what is taken."""
        taken, filled = bytearray(size), 0
        with memoryview(taken) as view:
            while filled < size and not self._ended:
                count = yield Call(None, self._ctx, file.readinto, view[filled:])
                if count is None:
                    raise InvalidArgumentError(NOTHING_YET)
                self._ended = not count
                filled += count
        return taken if filled == size else taken[:filled]


class _Reads:
    """Pieces of a file-like object; None is the end."""

    def __init__(self, file: Readable) -> None:
        self._file = file

    def next(self, size: int) -> object:
        piece = self._file.read(size)
        if piece is None:
            raise InvalidArgumentError(NOTHING_YET)
        return piece if len(piece) else None


class _Pieces:
    """Pieces of an iterator; None is the end."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces

    def next(self, size: int) -> object:
        return next(self._pieces, None)


class _AsyncPieces:
    """Pieces of an async iterator; None is the end."""

    def __init__(self, pieces: AsyncIterator[bytes]) -> None:
        self._pieces = pieces

    async def next(self, size: int) -> object:
        return await anext(self._pieces, None)


def _as_buffer(piece: object) -> memoryview:
    if isinstance(piece, bytes | bytearray | memoryview):
        return memoryview(piece).cast("B")
    hint = "; open files in binary mode" if isinstance(piece, str) else ""
    raise InvalidArgumentError(f"data comes in bytes, not {type(piece).__name__}{hint}")


class Source:
    """Data that a user handed over: either a payload, or a stream that can be read once.

    Attributes:
        payload: the whole, replayable; or None.
        stream: or None.
    """

    __slots__ = ("_close_fd", "payload", "stream")

    def __init__(
        self,
        payload: Payload | None = None,
        stream: OneShot | None = None,
        close_fd: int | None = None,
    ) -> None:
        self.payload = payload
        self.stream = stream
        self._close_fd = close_fd

    def close(self) -> None:
        """Closes a file that was opened here; files of the user stay open."""
        if self._close_fd is not None:
            fd, self._close_fd = self._close_fd, None
            os.close(fd)


def bytes_payload(data: object) -> BytesPayload | None:
    """The payload of data that is in memory, or None."""
    if isinstance(data, str):
        try:
            return BytesPayload(data.encode())
        except UnicodeEncodeError:
            raise InvalidArgumentError("this text has a lone surrogate; pass bytes") from None
    if isinstance(data, bytes | bytearray | memoryview):
        return BytesPayload(data)
    if isinstance(data, io.BytesIO):
        return BytesPayload(data.getbuffer()[data.tell() :])
    try:
        view = memoryview(data)  # type: ignore[arg-type]
    except TypeError:
        return None
    if not view.c_contiguous:
        raise InvalidArgumentError("a buffer must be contiguous")
    return BytesPayload(view)


def open_source(ctx: OpContext, data: Any, *, asynchronous: bool) -> Flow[Source]:
    """Turns what the user handed over into a `Source`.

    Raises:
        InvalidArgumentError: it is none of the things that are data.
        OSError: the file cannot be opened; as Python raises it.
    """
    payload = bytes_payload(data)
    if payload is not None:
        return Source(payload)
    if isinstance(data, os.PathLike):
        source: Source = yield Call(None, ctx, _open_path, data)
        return source
    region = _file_region(data)
    if region is not None:
        return Source(region)
    if isinstance(data, io.TextIOBase):
        raise InvalidArgumentError("open files in binary mode")
    if not isinstance(data, Readable | Iterable | AsyncIterable):
        raise InvalidArgumentError(
            "data is text, bytes, a buffer, a Path, a binary file or an iterator of bytes, "
            f"not {type(data).__name__}"
        )
    return Source(stream=OneShot(ctx, data, asynchronous=asynchronous))


def _open_path(path: os.PathLike[str]) -> Source:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        found = os.fstat(fd)
        if stat.S_ISDIR(found.st_mode):
            raise IsADirectoryError(21, "Is a directory", os.fspath(path))
        if not stat.S_ISREG(found.st_mode):
            raise InvalidArgumentError(f"{os.fspath(path)!r} is no regular file; open it yourself")
        if found.st_size == 0 and os.pread(fd, 1, 0):  # as in /proc
            raise InvalidArgumentError(f"{os.fspath(path)!r} does not know its size; open it yourself")
        return Source(FilePayload(fd, 0, found.st_size), close_fd=fd)
    except BaseException:
        os.close(fd)
        raise


def _file_region(data: Any) -> FilePayload | None:
    """The rest of an open regular file from where it stands, or None."""
    if not isinstance(data, io.RawIOBase | io.BufferedIOBase):
        return None
    try:
        fd = data.fileno()
        if not stat.S_ISREG(os.fstat(fd).st_mode) or not data.readable():
            return None
        if data.writable():
            data.flush()
        position = data.tell()
    except (OSError, ValueError):
        return None
    # A GzipFile has a fileno() too, of the compressed file: only plain files are read beneath.
    if not isinstance(data, io.FileIO | io.BufferedReader | io.BufferedRandom):
        return None
    raw = data if isinstance(data, io.FileIO) else data.raw
    if not isinstance(raw, io.FileIO):
        return None
    size = max(0, os.fstat(fd).st_size - position)
    if size == 0 and os.pread(fd, 1, position):  # as in /proc
        return None
    return FilePayload(fd, position, size)
