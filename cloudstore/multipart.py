"""`MultipartUpload` and `AsyncMultipartUpload`: the low-level way to write a large object in parts."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from .errors import UploadNotFoundError
from .model import Part, PutResult, UploadRef

if TYPE_CHECKING:
    from .aio import AsyncStore
    from .sources import AsyncData, Data
    from .store import Store

__all__ = ["AsyncMultipartUpload", "MultipartUpload"]


class _UploadBase:
    """The reference, and the parts that are known to be there."""

    def __init__(self, ref: UploadRef, parts: Sequence[Part]) -> None:
        self.ref = ref
        self._parts = {part.number: part for part in parts}
        self._over = False

    @property
    def bucket(self) -> str:
        """The name of the bucket."""
        return self.ref.bucket

    @property
    def key(self) -> str:
        """The key of the object that it will make."""
        return self.ref.key

    @property
    def parts(self) -> list[Part]:
        """The parts uploaded through this handle, or found when it was resumed, by number."""
        return [self._parts[number] for number in sorted(self._parts)]

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.ref.bucket}/{self.ref.key} {self.ref.upload_id}>"


class MultipartUpload(_UploadBase):
    """A multipart upload under way. As a context manager it aborts on an exception.

    `ref` is what another process needs to go on: ``store.resume_multipart_upload(ref)``.
    """

    def __init__(self, store: Store, ref: UploadRef, parts: Sequence[Part] = ()) -> None:
        super().__init__(ref, parts)
        self._store = store

    def upload_part(self, number: int, data: Data, *, timeout: float | None = None) -> Part:
        """Uploads a part; the same number again replaces it. Threads may upload side by side.

        Args:
            number: from 1 on.

        Raises:
            UploadNotFoundError, InvalidArgumentError, TooLargeError
        """
        part: Part = self._call("upload_part", timeout, self.ref, number, data)
        self._parts[part.number] = part
        return part

    def list_parts(self, *, timeout: float | None = None) -> list[Part]:
        """The parts that the vendor has, by number."""
        parts: list[Part] = self._call("list_parts", timeout, self.ref)
        return parts

    def complete(
        self,
        parts: Sequence[Part] | None = None,
        *,
        if_absent: bool = False,
        if_match: str | None = None,
        timeout: float | None = None,
    ) -> PutResult:
        """Makes the object of the parts, by default of all that this handle knows.

        Raises:
            InvalidPartError: a part is missing, is another one, or is too small.
            UploadNotFoundError, ObjectAlreadyExistsError, PreconditionFailedError
        """
        result: PutResult = self._call(
            "complete_multipart",
            timeout,
            self.ref,
            self.parts if parts is None else parts,
            if_absent=if_absent,
            if_match=if_match,
        )
        self._over = True
        return result

    def abort(self, *, timeout: float | None = None) -> None:
        """Forgets the upload and its parts.

        Raises:
            UploadNotFoundError
        """
        self._over = True
        self._call("abort_multipart", timeout, self.ref)

    def _call(self, operation: str, timeout: float | None, *args: Any, **named: Any) -> Any:
        ctx = self._store._context(operation, self.bucket, self.key, timeout)
        flow = getattr(self._store._operations, operation)(ctx, *args, **named)
        return self._store._run(ctx, flow)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is not None and not self._over:
            with suppress(UploadNotFoundError):
                self.abort()


class AsyncMultipartUpload(_UploadBase):
    """`MultipartUpload` for `AsyncStore`."""

    def __init__(self, store: AsyncStore, ref: UploadRef, parts: Sequence[Part] = ()) -> None:
        super().__init__(ref, parts)
        self._store = store

    async def upload_part(self, number: int, data: AsyncData, *, timeout: float | None = None) -> Part:
        """See `MultipartUpload.upload_part`."""
        part: Part = await self._call("upload_part", timeout, self.ref, number, data)
        self._parts[part.number] = part
        return part

    async def list_parts(self, *, timeout: float | None = None) -> list[Part]:
        """See `MultipartUpload.list_parts`."""
        parts: list[Part] = await self._call("list_parts", timeout, self.ref)
        return parts

    async def complete(
        self,
        parts: Sequence[Part] | None = None,
        *,
        if_absent: bool = False,
        if_match: str | None = None,
        timeout: float | None = None,
    ) -> PutResult:
        """See `MultipartUpload.complete`."""
        result: PutResult = await self._call(
            "complete_multipart",
            timeout,
            self.ref,
            self.parts if parts is None else parts,
            if_absent=if_absent,
            if_match=if_match,
        )
        self._over = True
        return result

    async def abort(self, *, timeout: float | None = None) -> None:
        """See `MultipartUpload.abort`."""
        self._over = True
        await self._call("abort_multipart", timeout, self.ref)

    async def _call(self, operation: str, timeout: float | None, *args: Any, **named: Any) -> Any:
        ctx = self._store._context(operation, self.bucket, self.key, timeout)
        flow = getattr(self._store._operations, operation)(ctx, *args, **named)
        return await self._store._run(ctx, flow)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is not None and not self._over:
            with suppress(UploadNotFoundError):
                await self.abort()
