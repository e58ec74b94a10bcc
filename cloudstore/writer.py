"""Writing an object through a file-like face: it commits on close and aborts on an exception."""

from __future__ import annotations

import io
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from .driver import Flow
from .errors import StoreClosedError
from .model import PutResult
from .transfer.upload import StreamedUpload

__all__ = ["AsyncObjectWriter", "ObjectWriter"]


class ObjectWriter(io.RawIOBase):
    """What `Store.open_writer` returns: a binary file for writing, of any size.

    A part is sent while the next one is written, so that its error is raised by a later `write`, or by
    `close`.

    Leaving a ``with`` block normally, or `close`, makes the object visible; an exception in the
    block, or `abort`, leaves what was there. A writer that is dropped unclosed is aborted.

    Attributes:
        result: what was made, once closed.
    """

    def __init__(self, run: Callable[[Flow[Any]], Any], upload: StreamedUpload) -> None:
        super().__init__()
        self._run = run
        self._upload: StreamedUpload | None = upload
        self._written = 0
        self.result: PutResult | None = None

    def writable(self) -> bool:
        """Always."""
        return True

    def write(self, data: Any) -> int:
        """Takes in all of `data`."""
        if self._upload is None:
            raise StoreClosedError("this writer was closed")
        view = memoryview(data).cast("B")
        try:
            self._run(self._upload.write(view))
        except BaseException:
            self.abort()
            raise
        self._written += len(view)
        return len(view)

    def tell(self) -> int:
        """How many bytes were written."""
        return self._written

    def close(self) -> None:
        """Makes the object visible. A second time does nothing."""
        upload, self._upload = self._upload, None
        if upload is not None:
            try:
                self.result = self._run(upload.complete())
            except BaseException:
                self._run(upload.abort())
                raise
            finally:
                super().close()

    def abort(self) -> None:
        """Leaves what was there, and forgets what was written."""
        upload, self._upload = self._upload, None
        try:
            if upload is not None:
                self._run(upload.abort())
        finally:
            super().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()

    def __del__(self) -> None:
        # io.RawIOBase would close, which here would publish half an object.
        if getattr(self, "_upload", None) is not None:
            with suppress(StoreClosedError):
                self.abort()


class AsyncObjectWriter:
    """`ObjectWriter` for `AsyncStore`: used in ``async with``, its writes are awaited.

    Attributes:
        result: what was made, once closed.
    """

    def __init__(
        self,
        run: Callable[[Flow[Any]], Awaitable[Any]],
        opening: Callable[[], Awaitable[StreamedUpload]],
    ) -> None:
        self._run = run
        self._opening = opening
        self._upload: StreamedUpload | None = None
        self._written = 0
        self.closed = False
        self.result: PutResult | None = None

    async def write(self, data: bytes | bytearray | memoryview) -> int:
        """Takes in all of `data`."""
        upload = await self._opened()
        view = memoryview(data).cast("B")
        try:
            await self._run(upload.write(view))
        except BaseException:
            await self.abort()
            raise
        self._written += len(view)
        return len(view)

    async def _opened(self) -> StreamedUpload:
        if self.closed:
            raise StoreClosedError("this writer was closed")
        if self._upload is None:
            self._upload = await self._opening()
        return self._upload

    def tell(self) -> int:
        """How many bytes were written."""
        return self._written

    async def close(self) -> None:
        """Makes the object visible. A second time does nothing."""
        if self.closed:
            return
        upload = await self._opened()
        self.closed = True
        try:
            self.result = await self._run(upload.complete())
        except BaseException:
            await self._run(upload.abort())
            raise

    async def abort(self) -> None:
        """Leaves what was there, and forgets what was written."""
        self.closed = True
        upload, self._upload = self._upload, None
        if upload is not None:
            await self._run(upload.abort())

    async def __aenter__(self) -> Self:
        await self._opened()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            await self.close()
        else:
            await self.abort()
