"""The bytes of `local`'s files on their way out, and what the system's errors mean.

Reads files that are open; nothing else.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from ..bodies import COPY_CHUNK, Body
from ..driver import Call, Driver, ErrorInfo, Flow, OpContext
from ..errors import ErrorKind

__all__ = ["FileBody", "meaning_of", "pieces"]

_KINDS: Mapping[int, tuple[ErrorKind, bool]] = MappingProxyType(
    {
        errno.ENOSPC: (ErrorKind.QUOTA_EXCEEDED, False),
        errno.EDQUOT: (ErrorKind.QUOTA_EXCEEDED, False),
        errno.EFBIG: (ErrorKind.TOO_LARGE, False),
        errno.EACCES: (ErrorKind.PERMISSION_DENIED, False),
        errno.EPERM: (ErrorKind.PERMISSION_DENIED, False),
        errno.EROFS: (ErrorKind.PERMISSION_DENIED, False),
        errno.EBUSY: (ErrorKind.UNAVAILABLE, True),
        errno.EAGAIN: (ErrorKind.UNAVAILABLE, True),
        errno.EMFILE: (ErrorKind.UNAVAILABLE, True),
        errno.ENFILE: (ErrorKind.UNAVAILABLE, True),
        errno.ENOMEM: (ErrorKind.UNAVAILABLE, True),
        errno.ENOLCK: (ErrorKind.UNAVAILABLE, True),
    }
)
"""What the system's errors mean, and whether they may pass; all others are UNAVAILABLE for good."""


def meaning_of(failure: OSError) -> ErrorInfo:
    """What an error of the system means for the operation it ended."""
    # What fails after a switch is no OSError any more, so nothing was applied.
    number = failure.errno or 0
    kind, retryable = _KINDS.get(number, (ErrorKind.UNAVAILABLE, False))
    code = errno.errorcode.get(number)
    return ErrorInfo(kind, os.strerror(number) if code else "a disk error", retryable, code=code)


def pieces(fd: int, start: int, end: int) -> Iterator[bytes]:
    """The bytes of an open file from `start` to `end`, fewer where it ends before."""
    while start < end:
        piece = os.pread(fd, min(COPY_CHUNK, end - start), start)
        if not piece:
            return
        start += len(piece)
        yield piece


class FileBody(Body):
    """What is left of an open file; it is this body's own."""

    __slots__ = ("_ctx", "_driver", "_end", "_fd", "_position")

    def __init__(self, driver: Driver, ctx: OpContext, fd: int, start: int, end: int) -> None:
        self._driver = driver
        # The deadline was that of the request; the reads have their own.
        self._ctx = OpContext(
            ctx.operation, ctx.bucket, ctx.key, None, ctx.retry, ctx.observer, ctx.clock, ctx.random
        )
        self._fd = fd
        self._position = start
        self._end = end

    def readinto(self, buffer: memoryview) -> Flow[int]:
        """Reads by position."""
        count: int = yield Call(self._driver, self._ctx, self._fill, buffer, idempotent=True)
        return count

    def within(self, ctx: OpContext) -> None:
        """See `Body`."""
        self._ctx = ctx

    def _fill(self, buffer: memoryview) -> int:
        wanted = min(len(buffer), self._end - self._position)
        if wanted <= 0 or self._fd < 0:
            return 0
        count = os.preadv(self._fd, [buffer[:wanted]], self._position)
        self._position += count
        return count

    def close(self) -> None:
        """Closes the file."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def __del__(self) -> None:
        self.close()
