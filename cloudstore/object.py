"""`Object` and `AsyncObject`: an object's head as attributes, and its bytes to read.

Both are thin faces of `reading.ObjectReader`. No I/O but by running its flows.
"""

from __future__ import annotations

import io
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator, Iterator
from datetime import datetime
from functools import partial
from typing import Any, Self, TypeVar

from .driver import Flow, GetResult, OpContext
from .errors import CloudStoreError, InvalidArgumentError
from .model import CommonPrefix, ObjectInfo
from .operations import Operations, visible_metadata
from .reading import ObjectReader
from .runtime.attempts import finish_error
from .transfer.read_ahead import ReadAhead

__all__ = ["AsyncObject", "AsyncObjectOpening", "Object", "ObjectList"]

T = TypeVar("T")
CHUNK_SIZE = 256 * 1024
"""The default size of the pieces of `iter_chunks`."""


class _ObjectBase:
    """The attributes that both faces share."""

    __slots__ = ("_bucket", "_face", "_info", "_reader", "_timeout", "key")

    def __init__(
        self,
        face: Any,
        bucket: str,
        info: ObjectInfo,
        opened: GetResult | None = None,
        timeout: Any = None,
        key: str | None = None,
    ) -> None:
        self._face = face
        self._bucket = bucket
        self._info = info
        self._timeout = timeout
        self._reader: ObjectReader | None = None
        self.key = info.key if key is None else key
        if opened is not None:
            self._reader = self._make_reader(opened)

    def _make_reader(self, opened: GetResult | None) -> ObjectReader:
        operations: Operations = self._face._operations
        # Not `self._context`: in a cycle, an unread body would keep its connection until a collection.
        context = partial(operations.context, "get_object", self._bucket, self._info.key, self._timeout)
        return ObjectReader(
            operations.driver,
            context,
            self._bucket,
            self._info.key,
            self._info,
            opened,
        )

    def _context(self) -> OpContext:
        operations: Operations = self._face._operations
        return operations.context("get_object", self._bucket, self._info.key, self._timeout)

    def _reading(self) -> ObjectReader:
        self._face._check_open()
        reader = self._reader
        if reader is None:
            reader = self._reader = self._make_reader(None)
        return reader

    def _read_at_once(self, size: int) -> bytes | None:
        """What a read returns that has nothing to wait for, without the cost of a flow; else None."""
        if self._face._operations.is_observed:
            return None
        try:
            return self._reading().take_rest(size)
        except CloudStoreError as exc:
            finish_error(exc, self._context(), self._face._driver.scheme)
            raise

    def _close(self) -> None:
        if self._reader is None:
            self._reader = self._make_reader(None)
        self._reader.close()

    @property
    def _head(self) -> ObjectInfo:
        return self._info if self._reader is None else self._reader.info

    @property
    def bucket(self) -> str:
        """The name of its bucket."""
        return self._bucket

    @property
    def size(self) -> int:
        """Bytes of the whole object, also where a range is read."""
        return self._head.size

    @property
    def etag(self) -> str | None:
        """Opaque and unquoted; None where the vendor did not say. Never a hash to rely on."""
        return self._head.etag

    @property
    def last_modified(self) -> datetime | None:
        """Aware; None where the vendor did not say."""
        return self._head.last_modified

    @property
    def content_type(self) -> str | None:
        """As stored; None in a listing."""
        return self._head.content_type

    @property
    def content_encoding(self) -> str | None:
        """As stored; the bytes come as they were stored, never decoded."""
        return self._head.content_encoding

    @property
    def cache_control(self) -> str | None:
        """As stored."""
        return self._head.cache_control

    @property
    def content_disposition(self) -> str | None:
        """As stored."""
        return self._head.content_disposition

    @property
    def metadata(self) -> dict[str, str]:
        """User metadata, names in lower case; empty in a listing."""
        return visible_metadata(self._head.metadata)

    @property
    def checksums(self) -> dict[str, str]:
        """What the vendor states for the whole object: algorithm to lower-case hexadecimal."""
        return dict(self._head.checksums)

    @property
    def version(self) -> str | None:
        """The vendor's version id."""
        return self._head.version

    @property
    def storage_class(self) -> str | None:
        """The vendor's word, or None."""
        return self._head.storage_class

    @property
    def expires_at(self) -> datetime | None:
        """When it expires; None: never, or in a listing."""
        return self._head.expires_at

    @property
    def short_name(self) -> str:
        """The part of the key after the last ``/``."""
        return self.key.rstrip("/").rpartition("/")[2]

    @property
    def verified_by(self) -> str | None:
        """The checksum that all its bytes, read in order, were found to have; None before."""
        return None if self._reader is None else self._reader.verified_by

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._reader is not None and self._reader.closed

    def tell(self) -> int:
        """The position of the next byte that is read, 0 at the beginning of the range."""
        return 0 if self._reader is None else self._reader.position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Goes to another position; the next read opens there.

        Raises:
            InvalidArgumentError: the position is before the first byte.
        """
        reader = self._reading()
        if whence not in (io.SEEK_SET, io.SEEK_CUR, io.SEEK_END):
            raise InvalidArgumentError(f"whence is 0, 1 or 2, not {whence!r}")
        base = (0, reader.position, reader.size)[whence]
        reader.seek(base + offset)
        return base + offset

    def __repr__(self) -> str:
        return f"<{type(self).__name__.removeprefix('Async')}: {self.key}>"


class Object(_ObjectBase):
    """An object: its head as attributes, its bytes to read. A context manager.

    From `Store.get_object` its one GET is sent already and the body is unread; from listings and
    `head_object` it opens at the first read. An object belongs to one thread at a time.
    """

    __slots__ = ()

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes, fewer only at the end; everything that is left without `size`.

        Raises:
            ChecksumMismatchError: what came is not what was stored; nothing is handed out.
            TransportError: the body broke off and could not be resumed.
        """
        data = self._read_at_once(size)
        return self._run(self._reading().read(size)) if data is None else data

    def readinto(self, buffer: Any) -> int:
        """Fills some of a writable buffer; 0 is the end. Errors as `read`."""
        return self._run(self._reading().readinto(memoryview(buffer).cast("B")))

    def iter_chunks(self, size: int = CHUNK_SIZE, *, read_ahead: int = 0) -> Iterator[bytes]:
        """The rest in pieces of `size` bytes; the last, which may be shorter, comes verified.

        Args:
            read_ahead: so many pieces more are asked for while one is used, by ranges side by side, and
                lie in memory; for pieces of a mebibyte and more. Where the vendor cannot say which
                version a range is of, they come one after the other all the same.
        """
        _check_chunk(size, read_ahead)
        if not read_ahead:
            while chunk := self.read(size):
                yield chunk
            return
        pieces = ReadAhead(self._reading(), size, read_ahead)
        try:
            while chunk := self._run(pieces.next_piece()):
                yield chunk
                del chunk  # it is not in memory beside those that are read ahead
        finally:
            self._face._runner.run(pieces.end())

    def text(self, encoding: str = "utf-8") -> str:
        """The rest as text."""
        return self.read().decode(encoding)

    def open(self, buffer_size: int = CHUNK_SIZE) -> io.BufferedReader:
        """A buffered binary file over this object, for code that wants one; closing it closes both."""
        return io.BufferedReader(_RawObject(self), buffer_size)

    def close(self) -> None:
        """Gives its connection back; any number of times."""
        self._close()

    def _run(self, flow: Flow[T]) -> T:
        result: T = self._face._run(self._context(), flow)
        return result

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class _RawObject(io.RawIOBase):
    """What `io.BufferedReader` reads from."""

    def __init__(self, source: Object) -> None:
        self._source = source

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._source.readinto(buffer)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._source.seek(offset, whence)

    def tell(self) -> int:
        return self._source.tell()

    def close(self) -> None:
        if not self.closed:
            self._source.close()
        super().close()


class AsyncObject(_ObjectBase):
    """`Object` for `AsyncStore`: the same attributes, its reads are awaited.

    It belongs to one task at a time.
    """

    __slots__ = ()

    async def read(self, size: int = -1) -> bytes:
        """See `Object.read`."""
        data = self._read_at_once(size)
        return await self._run(self._reading().read(size)) if data is None else data

    async def readinto(self, buffer: Any) -> int:
        """See `Object.readinto`."""
        return await self._run(self._reading().readinto(memoryview(buffer).cast("B")))

    async def iter_chunks(
        self, size: int = CHUNK_SIZE, *, read_ahead: int = 0
    ) -> AsyncGenerator[bytes, None]:
        """See `Object.iter_chunks`."""
        _check_chunk(size, read_ahead)
        if not read_ahead:
            while chunk := await self.read(size):
                yield chunk
            return
        pieces = ReadAhead(self._reading(), size, read_ahead)
        try:
            while chunk := await self._run(pieces.next_piece()):
                yield chunk
                del chunk
        finally:
            await self._face._runner.run(pieces.end())

    async def text(self, encoding: str = "utf-8") -> str:
        """See `Object.text`."""
        return (await self.read()).decode(encoding)

    def close(self) -> None:
        """Gives its connection back; any number of times. Needs no await."""
        self._close()

    async def _run(self, flow: Flow[T]) -> T:
        result: T = await self._face._run(self._context(), flow)
        return result

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.close()


class AsyncObjectOpening(Awaitable[AsyncObject]):
    """What `AsyncStore.get_object` returns: await it, or use it in ``async with``."""

    __slots__ = ("_object", "_open")

    def __init__(self, opening: Callable[[], Coroutine[Any, Any, AsyncObject]]) -> None:
        self._open = opening
        self._object: AsyncObject | None = None

    def __await__(self) -> Generator[Any, Any, AsyncObject]:
        return self._open().__await__()

    async def __aenter__(self) -> AsyncObject:
        self._object = await self._open()
        return self._object

    async def __aexit__(self, *exc: object) -> None:
        if self._object is not None:
            self._object.close()


class ObjectList(list[Any]):
    """A listing: common prefixes first, then objects.

    Attributes:
        marker: opaque; the next page begins there. None on the last page.
        is_truncated: whether there is a next page.
    """

    def __init__(self, items: list[Any], marker: str | None = None) -> None:
        super().__init__(items)
        self.marker = marker

    @property
    def is_truncated(self) -> bool:
        """Whether there is a next page."""
        return self.marker is not None

    @property
    def prefixes(self) -> list[CommonPrefix]:
        """The common prefixes."""
        return [item for item in self if isinstance(item, CommonPrefix)]

    @property
    def objects(self) -> list[Any]:
        """The objects."""
        return [item for item in self if not isinstance(item, CommonPrefix)]


def _check_chunk(size: int, read_ahead: int) -> None:
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise InvalidArgumentError(f"a chunk has at least 1 byte, not {size!r}")
    if isinstance(read_ahead, bool) or not isinstance(read_ahead, int) or read_ahead < 0:
        raise InvalidArgumentError(f"read_ahead is a number of chunks, not {read_ahead!r}")
