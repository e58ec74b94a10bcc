"""Reading an object into a file, as a flow: the file is replaced whole, verified, or not at all."""

from __future__ import annotations

import os
from contextlib import suppress

from ..driver import Call, Driver, Flow, GetResult, OpContext
from ..errors import InvalidArgumentError
from ..model import ObjectInfo
from ..reading import ObjectReader
from .upload import Progress

__all__ = ["download_to_file"]

BUFFER_SIZE = 1024 * 1024


def download_to_file(
    driver: Driver,
    ctx: OpContext,
    bucket: str,
    key: str,
    opened: GetResult,
    path: str | os.PathLike[str],
    progress: Progress | None,
) -> Flow[ObjectInfo]:
    """Writes a body to a temporary file beside `path` and renames it over `path`.

    Raises:
        OSError: the file cannot be written; as Python raises it.
    """
    reader = ObjectReader(driver, lambda: ctx, bucket, key, opened.info, opened)
    try:
        target = os.fspath(path)
        if not isinstance(target, str) or os.path.isdir(target):
            raise InvalidArgumentError(f"{target!r} is no path of a file")
        part = f"{target}.{ctx.random.getrandbits(48):012x}.part"
        fd = yield Call(None, ctx, os.open, part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            yield from _fill(ctx, reader, fd, progress)
            yield Call(None, ctx, os.replace, part, target)
        except BaseException:
            with suppress(OSError):
                os.unlink(part)
            raise
        finally:
            os.close(fd)
        return reader.info
    finally:
        reader.close()


def _fill(ctx: OpContext, reader: ObjectReader, fd: int, progress: Progress | None) -> Flow[None]:
    buffer = memoryview(bytearray(min(BUFFER_SIZE, max(1, reader.size))))
    while count := (yield from reader.readinto(buffer)):
        yield Call(None, ctx, _write_all, fd, buffer[:count])
        if progress is not None:
            progress(reader.position, reader.size)


def _write_all(fd: int, data: memoryview) -> None:
    while data:
        data = data[os.write(fd, data) :]
