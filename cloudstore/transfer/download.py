"""Reading an object into a file, as flows: the file is replaced whole, verified, or not at all.

What is large comes by ranges side by side, all of the version that the first answer named. Memory is
bounded by one buffer for each. A whole object is checked against what the vendor states for it.
"""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable
from typing import Any

from ..checksums import Hasher, JoinedCrc32, new_hasher
from ..driver import Call, Driver, Flow, GetResult, OpContext
from ..errors import ChecksumMismatchError, InvalidArgumentError
from ..model import ObjectInfo
from ..policy import TransferConfig
from ..reading import VERIFY_WITH, ObjectReader
from .partial_file import PartialFile
from .plan import Region, Regions, Stretches
from .progress import Progress, Tally
from .window import Pace, Window

__all__ = ["download_to_file"]

BUFFER_SIZE = 1024 * 1024
"""Bytes that are received before they are written."""
AT_ONCE = 2
"""Parts, until their pace is known: one has come with the first answer."""
JOURNAL_FORMAT = 1


def download_to_file(
    driver: Driver,
    ctx: OpContext,
    bucket: str,
    key: str,
    opened: GetResult,
    path: str | os.PathLike[str],
    transfer: TransferConfig,
    progress: Progress | None,
    *,
    resume: bool,
) -> Flow[ObjectInfo]:
    """Writes a body to a temporary file beside `path` and renames it over `path`.

    Raises:
        OSError: the file cannot be written; as Python raises it.
    """
    try:
        target = os.fspath(path)
        if not isinstance(target, str) or os.path.isdir(target):
            raise InvalidArgumentError(f"{target!r} is no path of a file")
        download = _Download(driver, ctx, bucket, key, opened, transfer, progress)
        is_resumable = download.goes_in_parts and resume
        name = download.name if is_resumable else f"{ctx.random.getrandbits(48):012x}"
        file = PartialFile(target, name)
        try:
            if is_resumable:
                yield Call(None, ctx, file.resume, download.identity, download.parts)
            else:
                yield Call(None, ctx, file.open_new)
            yield from download.fill(file)
            yield Call(None, ctx, file.publish)
        except ChecksumMismatchError:
            file.discard()
            raise
        except BaseException:
            if not is_resumable:
                file.discard()
            raise
        finally:
            file.close()
        return opened.info
    finally:
        opened.close()


class _Download:
    """The bytes of one answer, and of the requests that take over from it, on their way to a file."""

    def __init__(
        self,
        driver: Driver,
        ctx: OpContext,
        bucket: str,
        key: str,
        opened: GetResult,
        transfer: TransferConfig,
        progress: Progress | None,
    ) -> None:
        self._driver = driver
        self._ctx = ctx
        self._bucket = bucket
        self._key = key
        self._opened = opened
        self._transfer = transfer
        self._size = opened.end - opened.start
        self._tally = Tally(self._size, progress)
        self.parts = Regions(self._size, transfer.part_size)

    @property
    def goes_in_parts(self) -> bool:
        """Whether it is large, and its version can be asked for again."""
        info = self._opened.info
        has_version = info.etag is not None or info.version is not None
        is_large = self._size > 2 * self._transfer.part_size
        return is_large and has_version and self._driver.capabilities.ranges

    @property
    def _where(self) -> list[str]:
        return [self._driver.scheme, self._driver.endpoint, self._bucket, self._key]

    @property
    def name(self) -> str:
        """The same for each download of this object."""
        return hashlib.sha256("\n".join(self._where).encode()).hexdigest()[:12]

    @property
    def identity(self) -> dict[str, Any]:
        """What must be equal for a download to go on."""
        info = self._opened.info
        return {
            "format": JOURNAL_FORMAT,
            "where": self._where,
            "what": [info.etag, info.version, info.size, self._opened.start, self._opened.end],
            "part_size": self._transfer.part_size,
        }

    def fill(self, file: PartialFile) -> Flow[None]:
        """Writes all bytes, and verifies them where the vendor states a checksum."""
        if self.goes_in_parts:
            yield from self._fill_in_parts(file)
        else:
            yield from self._fill_in_order(file)

    def _fill_in_order(self, file: PartialFile) -> Flow[None]:
        reader = ObjectReader(
            self._driver, lambda: self._ctx, self._bucket, self._key, self._opened.info, self._opened
        )
        try:
            region = Region(1, 0, self._size)
            yield from self._copy(file, reader, region, _buffer_for(self._size), None)
        finally:
            reader.close()

    def _fill_in_parts(self, file: PartialFile) -> Flow[None]:
        check = _Check(self._ctx, self._opened, self.parts, file)
        if file.noted:
            self._tally.add(sum(self.parts.numbered(number).size for number in file.noted))
        window, pace = Window(), Pace(self._ctx.clock, AT_ONCE, self._transfer.max_concurrency)
        streams = _Streams(self._reader_of, Stretches(self.parts, file.noted))
        try:
            while (stream := streams.next(pace.most)) or len(window):
                if stream is not None:
                    yield from window.start(self._fetch(file, check, stream, streams, pace))
                yield from window.wait(pace.most - 1 if stream else len(window) - 1)
                yield from check.advance()
            yield from check.finish()
        except GeneratorExit:
            raise
        except BaseException:
            yield from window.end()
            raise
        finally:
            streams.close()

    def _reader_of(self, stretch: deque[Region]) -> ObjectReader:
        """Reads parts by one request, the first ones by the answer that is there already."""
        opened, first, last = self._opened, stretch[0], stretch[-1]
        return ObjectReader.of_region(
            self._driver,
            self._ctx,
            self._bucket,
            self._key,
            opened.info,
            opened.start + first.offset,
            opened.start + last.offset + last.size,
            opened.body if first.number == 1 else None,
        )

    def _fetch(
        self, file: PartialFile, check: _Check, stream: _Stream, streams: _Streams, pace: Pace
    ) -> Flow[None]:
        """Reads the next part of a stream, which is free for the one after it then."""
        region = stream.current
        begin = 0 if file.has_journal or check.joins else None
        copied = self._copy(file, stream.reader, region, stream.buffer, begin)
        crc32 = (yield from pace.timed(copied, region.size)) or 0
        if file.has_journal:
            yield Call(None, self._ctx, file.note, region.number, crc32)
        check.note(region.number, crc32)
        streams.idle.append(stream)

    def _copy(
        self,
        file: PartialFile,
        reader: ObjectReader,
        region: Region,
        buffer: memoryview,
        crc32: int | None,
    ) -> Flow[int | None]:
        """Copies what a reader has next to the region's place; returns its CRC-32, if 0 was given."""
        done = 0
        while done < region.size:
            count = yield from _fill(reader, buffer[: region.size - done])
            at = region.offset + done
            crc32 = yield Call(None, self._ctx, file.write, buffer[:count], at, crc32)
            done += count
            self._tally.add(count)
        return crc32


def _buffer_for(size: int) -> memoryview:
    return memoryview(bytearray(min(BUFFER_SIZE, max(1, size))))


def _fill(reader: ObjectReader, buffer: memoryview) -> Flow[int]:
    """Fills all of `buffer`; a body that ends before is an error of the reader's."""
    filled = 0
    while filled < len(buffer):
        filled += yield from reader.readinto(buffer[filled:])
    return filled


class _Stream:
    """The parts that come by one request, in order.

    Attributes:
        parts: that are not begun yet.
        current: the one that was begun last.
    """

    def __init__(self, reader: ObjectReader, parts: deque[Region]) -> None:
        self.reader = reader
        self.parts = parts
        self.current = parts[0]
        self.buffer = _buffer_for(self.current.size)


class _Streams:
    """The streams of one download.

    Attributes:
        idle: those whose last part has come; added to from any thread.
    """

    def __init__(
        self, reader_of: Callable[[deque[Region]], ObjectReader], stretches: Stretches
    ) -> None:
        self._reader_of = reader_of
        self._stretches = stretches
        self._all: list[_Stream] = []
        self.idle: deque[_Stream] = deque()

    def next(self, at_once: int) -> _Stream | None:
        """A stream that is at its next part now, an idle one or a new one; None: no part is left."""
        stream = self._going_on() or self._new(at_once)
        if stream is not None:
            stream.current = stream.parts.popleft()  # from here on nobody else takes it
        return stream

    def _going_on(self) -> _Stream | None:
        while self.idle:
            stream = self.idle.popleft()
            if stream.parts:
                return stream
            stream.reader.close()
            self._all.remove(stream)
        return None

    def _new(self, at_once: int) -> _Stream | None:
        parts = self._stretches.take(at_once)
        if not parts:
            return None
        stream = _Stream(self._reader_of(parts), parts)
        self._all.append(stream)
        return stream

    def close(self) -> None:
        """Gives up all connections."""
        for stream in self._all:
            stream.reader.close()


class _Check:
    """The checksum of a whole object whose parts come in any order, where the vendor states one."""

    def __init__(self, ctx: OpContext, opened: GetResult, parts: Regions, file: PartialFile) -> None:
        self._ctx = ctx
        self._parts = parts
        self._file = file
        self._crc32s = dict(file.noted)
        self._next = 1
        self._algorithm = ""
        self._hasher: Hasher | None = None
        self._joined: JoinedCrc32 | None = None
        self._stated = opened.info.checksums
        if (opened.start, opened.end) == (0, opened.info.size):
            self._begin()

    def _begin(self) -> None:
        self._algorithm = next((name for name in VERIFY_WITH if name in self._stated), "")
        if self._algorithm == "crc32":
            self._joined = JoinedCrc32(self._parts.part_size)
        elif self._algorithm:
            self._hasher = new_hasher(self._algorithm)

    @property
    def joins(self) -> bool:
        """Whether it is made of the CRC-32 of each part."""
        return self._joined is not None

    def note(self, number: int, crc32: int) -> None:
        """A part is in the file."""
        self._crc32s[number] = crc32

    def advance(self) -> Flow[bool]:
        """Takes in the next part in order, if it is there: what is not joined is read once more."""
        crc32 = self._crc32s.pop(self._next, None)
        if crc32 is None:
            return False
        region = self._parts.numbered(self._next)
        self._next += 1
        if self._joined is not None:
            self._joined.add(crc32, region.size)
        elif self._hasher is not None:
            yield Call(None, self._ctx, self._hash, self._hasher, region)
        return True

    def _hash(self, hasher: Hasher, region: Region) -> None:
        for chunk in self._file.chunks(region):
            hasher.update(chunk)

    def finish(self) -> Flow[None]:
        """Takes in the rest, and compares.

        Raises:
            ChecksumMismatchError
        """
        while (yield from self.advance()):
            pass
        check = self._joined or self._hasher
        if check is not None and check.hexdigest() != self._stated[self._algorithm]:
            raise ChecksumMismatchError(
                f"the {self._algorithm} of what came is {check.hexdigest()}, "
                f"not {self._stated[self._algorithm]}"
            )
