"""Reading an object's bytes, as flows: opening late, resuming, verifying.

A body that breaks off goes on with a range request pinned to the same version. Bytes read from the
first to the last are checked against what the vendor states, and the last ones are handed out only
once the check has passed.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Self

from .bodies import Body, BytesBody
from .checksums import Hasher, new_hasher
from .driver import Driver, Flow, GetResult, OpContext, Sleep
from .errors import (
    ChecksumMismatchError,
    DeadlineExceededError,
    InvalidArgumentError,
    NotFoundError,
    PreconditionFailedError,
    StoreClosedError,
    TransportError,
    UnsupportedError,
)
from .missing import which_is_missing
from .model import ByteRange, GetOptions, ObjectInfo

__all__ = ["VERIFY_WITH", "ObjectReader"]

VERIFY_WITH = ("crc32", "sha256", "sha1", "md5")
"""Which of several checksums is verified: the cheapest first."""

PIECE_BYTES = 1024 * 1024
"""So much memory is taken at a time: a stated size may be a lie, and what came fits."""

UNREAD_WARNING_BYTES = 64 * 1024
"""More than this left unread when an object is collected is worth a warning: a connection is lost."""


class ObjectReader:
    """Where a reader stands in an object.

    Positions are of the range that is read: 0 is its first byte.

    Args:
        context: makes the context of one read, which has a deadline of its own.
        info: what is known before the first read.
        opened: the answer to a GET whose body is unread; None opens at the first read.

    Attributes:
        verified_by: the checksum that all bytes, read in order, were found to have; or None.
    """

    __slots__ = (
        "_algorithm",
        "_body",
        "_body_at",
        "_bucket",
        "_closed",
        "_context",
        "_ctx",
        "_driver",
        "_end",
        "_hasher",
        "_key",
        "_pinned",
        "_position",
        "_start",
        "info",
        "verified_by",
    )

    def __init__(
        self,
        driver: Driver,
        context: Callable[[], OpContext],
        bucket: str,
        key: str,
        info: ObjectInfo,
        opened: GetResult | None,
    ) -> None:
        self._driver = driver
        self._context = context
        self._ctx: OpContext | None = None
        self._bucket = bucket
        self._key = key
        self.info = info
        self.verified_by: str | None = None
        self._closed = False
        self._position = 0
        self._body: Body | None = None
        self._hasher: Hasher | None = None
        self._algorithm: str | None = None
        self._pinned = False
        self._start = 0
        self._end = info.size
        if opened is not None:
            self._adopt(opened)

    @classmethod
    def of_region(
        cls,
        driver: Driver,
        ctx: OpContext,
        bucket: str,
        key: str,
        info: ObjectInfo,
        start: int,
        end: int,
        body: Body | None,
    ) -> Self:
        """A reader of the bytes ``[start, end)`` of this very version of an object.

        Args:
            body: has them next, and perhaps more; None asks for them at the first read.
        """
        reader = cls(driver, lambda: ctx, bucket, key, info, None)
        reader._start, reader._end, reader._pinned = start, end, True
        reader._body, reader._body_at = body, 0
        return reader

    def of_part(self, start: int, end: int) -> ObjectReader:
        """A reader of the bytes ``[start, end)`` of what this one reads, of the version that it found.
        The body that is open goes to the part that begins where it stands."""
        body: Body | None = None
        if self._body is not None and self._body_at == start:
            body, self._body = self._body, None
        part = ObjectReader.of_region(
            self._driver,
            self._context(),
            self._bucket,
            self._key,
            self.info,
            self._start + start,
            self._start + end,
            body,
        )
        part._hasher = None  # this one checks
        return part

    def _adopt(self, opened: GetResult) -> None:
        self.info = opened.info
        self._start, self._end = opened.start, opened.end
        self._body, self._body_at = opened.body, self._position
        self._pinned = True
        self._begin_check()

    def _begin_check(self) -> None:
        """Starts hashing where the body is the whole object."""
        stated = self.info.checksums
        if stated and self._start == 0 and self._end == self.info.size and self._position == 0:
            for algorithm in VERIFY_WITH:
                if algorithm in stated:
                    self._algorithm, self._hasher = algorithm, new_hasher(algorithm)
                    return

    @property
    def size(self) -> int:
        """How many bytes there are to read."""
        return self._end - self._start

    @property
    def position(self) -> int:
        """How many of them lie behind."""
        return self._position

    @property
    def _is_past_end(self) -> bool:
        """Whether nothing is left; an object that was never opened may have grown from nothing."""
        return self._position >= self.size and (self._pinned or self._position > 0)

    @property
    def is_pinned(self) -> bool:
        """Whether more of the version that was found can be asked for, and no other will come."""
        has_version = self.info.version is not None or (
            self.info.etag is not None and self._driver.capabilities.conditional_reads
        )
        return self._pinned and has_version and self._driver.capabilities.ranges

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def seek(self, position: int) -> None:
        """Goes to a position; the next read opens there. What is read then is not verified."""
        if position < 0:
            raise InvalidArgumentError(f"cannot seek to {position}, before the first byte")
        if self._closed:
            raise StoreClosedError("this object was closed")
        if position != self._position:
            self._position = position
            self._hasher = None

    def readinto(self, buffer: memoryview) -> Flow[int]:
        """Fills some of `buffer`; 0 is the end. The last bytes come only once all are verified."""
        if self._closed:
            raise StoreClosedError("this object was closed")
        if not len(buffer):
            return 0
        self._begin_read()
        return (yield from self._fill(buffer))

    def _begin_read(self) -> None:
        """Each read is an operation of its own, by whose deadline the body ends."""
        ctx = self._ctx = self._context()
        if self._body is not None:
            self._body.within(ctx)

    def _fill(self, buffer: memoryview) -> Flow[int]:
        failures = 0
        while True:
            if self._body is None or self._body_at != self._position:
                if self._is_past_end:
                    return 0
                yield from self._open()
            assert self._body is not None
            left = self.size - self._position
            if left <= 0:
                return 0
            try:
                count = yield from self._body.readinto(buffer[: min(len(buffer), left)])
                if count == 0:
                    raise TransportError(
                        f"the body ended {left} bytes early", outcome="not_applied", retryable=True
                    )
            except TransportError as exc:
                failures += 1
                yield from self._recover(exc, failures)
                continue
            except DeadlineExceededError as exc:
                self._drop_body()
                exc.outcome = "not_applied"
                raise
            self._take_in(buffer[:count])
            return count

    def open(self) -> Flow[None]:
        """Opens a body where it stands, unless one is open or nothing is left."""
        if self._closed:
            raise StoreClosedError("this object was closed")
        self._begin_read()
        is_open = self._body is not None and self._body_at == self._position
        if not is_open and not self._is_past_end:
            yield from self._open()

    def take_in(self, data: bytes) -> None:
        """Counts what was read by others, in order, and checks it as if this had read it.

        Raises:
            ChecksumMismatchError
        """
        if self._closed:
            raise StoreClosedError("this object was closed")
        self._drop_body()
        self._take_in(data)

    def read(self, size: int = -1) -> Flow[bytes]:
        """Up to `size` bytes, fewer only at the end; all that is left where `size` is negative."""
        yield from self.open()
        at_once = self.take_rest(size)
        if at_once is not None:
            return at_once
        left = max(0, self.size - self._position)
        if size < 0 or size >= left:
            size = left
        pieces: list[bytearray] = []
        while size:
            pieces.append(bytearray(min(size, PIECE_BYTES)))
            size -= len(pieces[-1])
            rest = memoryview(pieces[-1])
            while rest:
                rest = rest[(yield from self._fill(rest)) :]
        return b"".join(pieces)

    def take_rest(self, size: int = -1) -> bytes | None:
        """What `read` returns, where that is all and is in memory already; None: `read` must ask.

        Raises:
            ChecksumMismatchError
        """
        left = self._end - self._start - self._position
        if self._body is None or self._body_at != self._position or self._closed:
            return None
        if left <= 0 or 0 <= size < left:
            return None
        data = self._body.take()
        if data is None or len(data) < left:
            return None
        data = data[:left]  # of a part, the body may have more
        self._take_in(data)
        return data

    def _take_in(self, data: bytes | memoryview) -> None:
        """Counts what was read; checks the whole before the last of it is handed out."""
        self._position += len(data)
        self._body_at = self._position
        if self._hasher is not None:
            self._hasher.update(data)
        if self._position == self.size:
            self._finish()

    def _finish(self) -> None:
        hasher, self._hasher = self._hasher, None
        self._drop_body()
        if hasher is None or self._algorithm is None:
            return
        expected = self.info.checksums[self._algorithm]
        if hasher.hexdigest() != expected:
            self._closed = True
            raise ChecksumMismatchError(
                f"the {self._algorithm} of what came is {hasher.hexdigest()}, not {expected}"
            )
        self.verified_by = self._algorithm

    def _open(self) -> Flow[None]:
        """Opens a body at the position; once something was read, of the same version only."""
        self._drop_body()
        assert self._ctx is not None
        ctx, driver = self._ctx, self._driver
        options = GetOptions()
        if self._position or self._start:
            if not driver.capabilities.ranges:
                raise UnsupportedError(
                    f"{driver.scheme} has no ranges: cannot read from {self._position}"
                )
            at = self._start + self._position
            end = None if not self._pinned or self._end == self.info.size else self._end
            options.range = ByteRange(at, end)
        if self._pinned:
            options.version = self.info.version
            if driver.capabilities.conditional_reads and self.info.etag is not None:
                options.if_match = self.info.etag
        try:
            opened = yield from driver.get_object(ctx, self._bucket, self._key, options)
        except (PreconditionFailedError, NotFoundError) as exc:
            if not self._pinned:
                if isinstance(exc, NotFoundError):
                    found = yield from which_is_missing(driver, ctx, self._bucket, exc)
                    raise found from (None if found is exc else exc)
                raise
            raise TransportError("the object was replaced while it was being read") from exc
        opened.body.within(ctx)
        if not self._pinned:
            if self._position:
                self.info, self._end = opened.info, opened.info.size
                self._pinned = True
                self._body, self._body_at = opened.body, self._position
            else:
                self._adopt(opened)
            return
        if (opened.info.etag, opened.info.size) != (self.info.etag, self.info.size):
            opened.close()
            raise TransportError("the object was replaced while it was being read")
        self._body, self._body_at = opened.body, self._position
        if self._hasher is None:
            self._begin_check()

    def _recover(self, error: TransportError, failures: int) -> Flow[None]:
        """Gets ready to go on after a body broke off; raises `error` where that is hopeless."""
        self._drop_body()
        ctx = self._ctx
        assert ctx is not None
        error.attempts = failures
        error.outcome = "not_applied"
        if failures >= ctx.retry.attempts or not self._driver.capabilities.ranges:
            raise error
        if failures > 1:
            ceiling = min(ctx.retry.max_delay, ctx.retry.base_delay * 2 ** (failures - 2))
            yield Sleep(ctx.random.uniform(0, ceiling))

    def _drop_body(self) -> None:
        body, self._body = self._body, None
        if body is not None:
            body.close()

    def close(self) -> None:
        """Gives the body back; any number of times."""
        self._closed = True
        self._drop_body()

    def __del__(self) -> None:
        body = getattr(self, "_body", None)
        if body is None:
            return
        unread = self.size - self._position
        body.close()
        if unread > UNREAD_WARNING_BYTES and not isinstance(body, BytesBody):
            warnings.warn(
                f"object {self._key!r} was dropped with {unread} bytes unread; "
                "close it, or use it as a context manager",
                ResourceWarning,
                stacklevel=2,
            )
