"""`Bucket` and `AsyncBucket`: handles with the store's verbs, without their first argument.

A handle with a prefix is a store of its own inside a bucket: its keys are given and returned without
the prefix. No logic lives here; every verb calls the store's.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from datetime import timedelta
from os import PathLike
from typing import TYPE_CHECKING, TypeVar, Unpack

from .model import (
    CommonPrefix,
    LifecycleRule,
    PresignedRequest,
    PutResult,
    UploadInfo,
    UploadRef,
)
from .object import AsyncObject, AsyncObjectOpening, Object, ObjectList
from .options import CopyOptions, ReadOptions, VendorOptions, WriteOptions
from .transfer.bulk_handles import AsyncBucketBulkVerbs, BucketBulkVerbs
from .transfer.folder_handles import AsyncBucketFolderVerbs, BucketFolderVerbs
from .transfer.mirror_handles import AsyncBucketMirrorVerbs, BucketMirrorVerbs
from .transfer.progress import Progress

if TYPE_CHECKING:
    from .aio import AsyncStore
    from .multipart import AsyncMultipartUpload, MultipartUpload
    from .sources import AsyncData, Data
    from .store import Store
    from .writer import AsyncObjectWriter, ObjectWriter

__all__ = ["AsyncBucket", "Bucket"]

O = TypeVar("O", Object, AsyncObject)  # noqa: E741 - as in the names of the classes
Seconds = float | timedelta | None


class Bucket(BucketBulkVerbs, BucketFolderVerbs, BucketMirrorVerbs):
    """A bucket of a `Store`: the store's verbs without their first argument.

    Two of them are equal when they are the same place of the same store.

    Attributes:
        prefix: every key of the handle is under it, and is given and returned without it.
    """

    _store: Store

    def create(self, *, timeout: Seconds = None) -> Bucket:
        """See `Store.create_bucket`."""
        return self._store.create_bucket(self.name, timeout=timeout)

    def delete(self, *, force: bool = False, timeout: Seconds = None) -> None:
        """See `Store.delete_bucket`. Deletes the bucket, whatever the prefix."""
        self._store.delete_bucket(self.name, force=force, timeout=timeout)

    def exists(self, *, timeout: Seconds = None) -> bool:
        """See `Store.bucket_exists`."""
        return self._store.bucket_exists(self.name, timeout=timeout)

    def bucket(self, prefix: str) -> Bucket:
        """A handle further down: its prefix is put behind this one's."""
        return self._store.bucket(self.name, self.prefix + prefix)

    def create_object(
        self,
        key: str,
        data: Data,
        *,
        progress: Progress | None = None,
        timeout: Seconds = None,
        **options: Unpack[WriteOptions],
    ) -> Object:
        """See `Store.create_object`."""
        return self._own(
            self._store.create_object(
                self.name, self._full(key), data, progress=progress, timeout=timeout, **options
            )
        )

    def create_object_from_file(
        self,
        key: str,
        path: str | PathLike[str],
        *,
        progress: Progress | None = None,
        timeout: Seconds = None,
        resume: bool | str | PathLike[str] | UploadRef = False,
        **options: Unpack[WriteOptions],
    ) -> Object:
        """See `Store.create_object_from_file`."""
        full = self._full(key)
        return self._own(
            self._store.create_object_from_file(
                self.name, full, path, progress=progress, timeout=timeout, resume=resume, **options
            )
        )

    def open_writer(
        self,
        key: str,
        *,
        progress: Progress | None = None,
        timeout: Seconds = None,
        **options: Unpack[WriteOptions],
    ) -> ObjectWriter:
        """See `Store.open_writer`."""
        return self._store.open_writer(
            self.name, self._full(key), progress=progress, timeout=timeout, **options
        )

    def get_object(
        self, key: str, *, timeout: Seconds = None, **options: Unpack[ReadOptions]
    ) -> Object:
        """See `Store.get_object`."""
        return self._own(self._store.get_object(self.name, self._full(key), timeout=timeout, **options))

    def get_object_to_file(
        self,
        key: str,
        path: str | PathLike[str],
        *,
        progress: Progress | None = None,
        timeout: Seconds = None,
        resume: bool = False,
        **options: Unpack[ReadOptions],
    ) -> Object:
        """See `Store.get_object_to_file`."""
        full = self._full(key)
        return self._own(
            self._store.get_object_to_file(
                self.name, full, path, progress=progress, timeout=timeout, resume=resume, **options
            )
        )

    def head_object(
        self, key: str, *, timeout: Seconds = None, **options: Unpack[ReadOptions]
    ) -> Object:
        """See `Store.head_object`."""
        return self._own(
            self._store.head_object(self.name, self._full(key), timeout=timeout, **options)
        )

    def object_exists(self, key: str, *, timeout: Seconds = None) -> bool:
        """See `Store.object_exists`."""
        return self._store.object_exists(self.name, self._full(key), timeout=timeout)

    def delete_object(
        self,
        key: str,
        *,
        missing_ok: bool = True,
        if_match: str | None = None,
        version: str | None = None,
        timeout: Seconds = None,
    ) -> None:
        """See `Store.delete_object`."""
        self._store.delete_object(
            self.name,
            self._full(key),
            missing_ok=missing_ok,
            if_match=if_match,
            version=version,
            timeout=timeout,
        )

    def delete_objects(self, keys: Iterable[str], *, timeout: Seconds = None) -> list[str]:
        """See `Store.delete_objects`."""
        wanted = keys if isinstance(keys, str) else [self._full(key) for key in keys]
        gone = self._store.delete_objects(self.name, wanted, timeout=timeout)
        return [key.removeprefix(self.prefix) for key in gone]

    def copy_object(
        self,
        key: str,
        to_key: str,
        to_bucket: str | None = None,
        *,
        timeout: Seconds = None,
        **options: Unpack[CopyOptions],
    ) -> PutResult:
        """See `Store.copy_object`; without `to_bucket` within this handle."""
        return self._store.copy_object(
            self.name, self._full(key), *self._target(to_key, to_bucket), timeout=timeout, **options
        )

    def move_object(
        self,
        key: str,
        to_key: str,
        to_bucket: str | None = None,
        *,
        timeout: Seconds = None,
        **options: Unpack[CopyOptions],
    ) -> PutResult:
        """See `Store.move_object`; without `to_bucket` within this handle."""
        return self._store.move_object(
            self.name, self._full(key), *self._target(to_key, to_bucket), timeout=timeout, **options
        )

    def get_all_objects(
        self,
        prefix: str = "",
        marker: str | None = None,
        delimiter: str = "",
        max_keys: int | None = None,
        *,
        start_after: str = "",
        timeout: Seconds = None,
    ) -> ObjectList:
        """See `Store.get_all_objects`."""
        return self._own_list(
            self._store.get_all_objects(
                self.name,
                self._full(prefix),
                marker,
                delimiter,
                max_keys,
                start_after=self._full(start_after) if start_after else "",
                timeout=timeout,
            )
        )

    def iter_objects(
        self,
        prefix: str = "",
        delimiter: str = "",
        *,
        start_after: str = "",
        max_concurrency: int = 1,
        timeout: Seconds = None,
    ) -> Iterator[Object | CommonPrefix]:
        """See `Store.iter_objects`."""
        for entry in self._store.iter_objects(
            self.name,
            self._full(prefix),
            delimiter,
            start_after=self._full(start_after) if start_after else "",
            max_concurrency=max_concurrency,
            timeout=timeout,
        ):
            yield self._own_entry(entry)

    def create_multipart_upload(
        self, key: str, *, timeout: Seconds = None, **options: Unpack[WriteOptions]
    ) -> MultipartUpload:
        """See `Store.create_multipart_upload`. Its `key` is the whole key."""
        return self._store.create_multipart_upload(
            self.name, self._full(key), timeout=timeout, **options
        )

    def list_multipart_uploads(self, prefix: str = "", *, timeout: Seconds = None) -> list[UploadInfo]:
        """See `Store.list_multipart_uploads`. Their keys are whole keys."""
        return self._store.list_multipart_uploads(self.name, self._full(prefix), timeout=timeout)

    def abort_stale_uploads(
        self, older_than: timedelta, prefix: str = "", *, timeout: Seconds = None
    ) -> list[UploadRef]:
        """See `Store.abort_stale_uploads`."""
        return self._store.abort_stale_uploads(
            self.name, older_than, self._full(prefix), timeout=timeout
        )

    def get_metadata(self, key: str, *, timeout: Seconds = None) -> dict[str, str]:
        """See `Store.get_metadata`."""
        return self._store.get_metadata(self.name, self._full(key), timeout=timeout)

    def set_metadata(
        self,
        key: str,
        metadata: Mapping[str, str | None],
        *,
        replace: bool = False,
        if_match: str | None = None,
        timeout: Seconds = None,
    ) -> dict[str, str]:
        """See `Store.set_metadata`."""
        return self._store.set_metadata(
            self.name,
            self._full(key),
            metadata,
            replace=replace,
            if_match=if_match,
            timeout=timeout,
        )

    def presign(
        self,
        key: str,
        method: str = "GET",
        *,
        expires_in: float | timedelta = 3600,
        content_type: str | None = None,
        content_disposition: str | None = None,
        timeout: Seconds = None,
    ) -> PresignedRequest:
        """See `Store.presign`."""
        return self._store.presign(
            self.name,
            self._full(key),
            method,
            expires_in=expires_in,
            content_type=content_type,
            content_disposition=content_disposition,
            timeout=timeout,
        )

    def presign_post(
        self,
        key: str,
        *,
        expires_in: float | timedelta = 3600,
        content_type: str | None = None,
        max_size: int | None = None,
        vendor_options: VendorOptions | None = None,
        timeout: Seconds = None,
    ) -> PresignedRequest:
        """See `Store.presign_post`."""
        return self._store.presign_post(
            self.name,
            self._full(key),
            expires_in=expires_in,
            content_type=content_type,
            max_size=max_size,
            vendor_options=vendor_options,
            timeout=timeout,
        )

    def set_bucket_metadata(
        self, metadata: Mapping[str, str | None], *, replace: bool = False, timeout: Seconds = None
    ) -> None:
        """See `Store.set_bucket_metadata`."""
        self._store.set_bucket_metadata(self.name, metadata, replace=replace, timeout=timeout)

    def get_acl(self, key: str | None = None, *, timeout: Seconds = None) -> str:
        """See `Store.get_acl`; without a key, of the bucket."""
        return self._store.get_acl(self.name, None if key is None else self._full(key), timeout=timeout)

    def set_acl(self, key: str | None = None, *, acl: str, timeout: Seconds = None) -> None:
        """See `Store.set_acl`; without a key, of the bucket."""
        self._store.set_acl(
            self.name, None if key is None else self._full(key), acl=acl, timeout=timeout
        )

    def get_tags(self, key: str, *, timeout: Seconds = None) -> dict[str, str]:
        """See `Store.get_tags`."""
        return self._store.get_tags(self.name, self._full(key), timeout=timeout)

    def set_tags(self, key: str, tags: Mapping[str, str], *, timeout: Seconds = None) -> None:
        """See `Store.set_tags`."""
        self._store.set_tags(self.name, self._full(key), tags, timeout=timeout)

    def get_versioning(self, *, timeout: Seconds = None) -> bool:
        """See `Store.get_versioning`."""
        return self._store.get_versioning(self.name, timeout=timeout)

    def set_versioning(self, enabled: bool, *, timeout: Seconds = None) -> None:
        """See `Store.set_versioning`."""
        self._store.set_versioning(self.name, enabled, timeout=timeout)

    def get_lifecycle(self, *, timeout: Seconds = None) -> list[LifecycleRule]:
        """See `Store.get_lifecycle`: of the whole bucket, whatever the handle's prefix is."""
        return self._store.get_lifecycle(self.name, timeout=timeout)

    def set_lifecycle(self, rules: Iterable[LifecycleRule], *, timeout: Seconds = None) -> None:
        """See `Store.set_lifecycle`: of the whole bucket, whatever the handle's prefix is."""
        self._store.set_lifecycle(self.name, rules, timeout=timeout)

    def set_website(
        self, index: str | None, error: str | None = None, *, timeout: Seconds = None
    ) -> None:
        """See `Store.set_website`."""
        self._store.set_website(self.name, index, error, timeout=timeout)


class AsyncBucket(AsyncBucketBulkVerbs, AsyncBucketFolderVerbs, AsyncBucketMirrorVerbs):
    """`Bucket` for `AsyncStore`: the same verbs, awaited."""

    _store: AsyncStore

    async def create(self, *, timeout: Seconds = None) -> AsyncBucket:
        """See `Store.create_bucket`."""
        return await self._store.create_bucket(self.name, timeout=timeout)

    async def delete(self, *, force: bool = False, timeout: Seconds = None) -> None:
        """See `Store.delete_bucket`. Deletes the bucket, whatever the prefix."""
        await self._store.delete_bucket(self.name, force=force, timeout=timeout)

    async def exists(self, *, timeout: Seconds = None) -> bool:
        """See `Store.bucket_exists`."""
        return await self._store.bucket_exists(self.name, timeout=timeout)

    def bucket(self, prefix: str) -> AsyncBucket:
        """A handle further down: its prefix is put behind this one's."""
        return self._store.bucket(self.name, self.prefix + prefix)

    async def create_object(
        self,
        key: str,
        data: AsyncData,
        *,
        progress: Progress | None = None,
        timeout: Seconds = None,
        **options: Unpack[WriteOptions],
    ) -> AsyncObject:
        """See `Store.create_object`."""
        return self._own(
            await self._store.create_object(
                self.name, self._full(key), data, progress=progress, timeout=timeout, **options
            )
        )

    async def create_object_from_file(
        self,
        key: str,
        path: str | PathLike[str],
        *,
        progress: Progress | None = None,
        timeout: Seconds = None,
        resume: bool | str | PathLike[str] | UploadRef = False,
        **options: Unpack[WriteOptions],
    ) -> AsyncObject:
        """See `Store.create_object_from_file`."""
        full = self._full(key)
        return self._own(
            await self._store.create_object_from_file(
                self.name, full, path, progress=progress, timeout=timeout, resume=resume, **options
            )
        )

    def open_writer(
        self,
        key: str,
        *,
        progress: Progress | None = None,
        timeout: Seconds = None,
        **options: Unpack[WriteOptions],
    ) -> AsyncObjectWriter:
        """See `Store.open_writer`."""
        return self._store.open_writer(
            self.name, self._full(key), progress=progress, timeout=timeout, **options
        )

    def get_object(
        self, key: str, *, timeout: Seconds = None, **options: Unpack[ReadOptions]
    ) -> AsyncObjectOpening:
        """See `Store.get_object`. Await it, or use it in ``async with``."""

        async def opening() -> AsyncObject:
            return self._own(
                await self._store.get_object(self.name, self._full(key), timeout=timeout, **options)
            )

        return AsyncObjectOpening(opening)

    async def get_object_to_file(
        self,
        key: str,
        path: str | PathLike[str],
        *,
        progress: Progress | None = None,
        timeout: Seconds = None,
        resume: bool = False,
        **options: Unpack[ReadOptions],
    ) -> AsyncObject:
        """See `Store.get_object_to_file`."""
        full = self._full(key)
        return self._own(
            await self._store.get_object_to_file(
                self.name, full, path, progress=progress, timeout=timeout, resume=resume, **options
            )
        )

    async def head_object(
        self, key: str, *, timeout: Seconds = None, **options: Unpack[ReadOptions]
    ) -> AsyncObject:
        """See `Store.head_object`."""
        return self._own(
            await self._store.head_object(self.name, self._full(key), timeout=timeout, **options)
        )

    async def object_exists(self, key: str, *, timeout: Seconds = None) -> bool:
        """See `Store.object_exists`."""
        return await self._store.object_exists(self.name, self._full(key), timeout=timeout)

    async def delete_object(
        self,
        key: str,
        *,
        missing_ok: bool = True,
        if_match: str | None = None,
        version: str | None = None,
        timeout: Seconds = None,
    ) -> None:
        """See `Store.delete_object`."""
        await self._store.delete_object(
            self.name,
            self._full(key),
            missing_ok=missing_ok,
            if_match=if_match,
            version=version,
            timeout=timeout,
        )

    async def delete_objects(self, keys: Iterable[str], *, timeout: Seconds = None) -> list[str]:
        """See `Store.delete_objects`."""
        wanted = keys if isinstance(keys, str) else [self._full(key) for key in keys]
        gone = await self._store.delete_objects(self.name, wanted, timeout=timeout)
        return [key.removeprefix(self.prefix) for key in gone]

    async def copy_object(
        self,
        key: str,
        to_key: str,
        to_bucket: str | None = None,
        *,
        timeout: Seconds = None,
        **options: Unpack[CopyOptions],
    ) -> PutResult:
        """See `Store.copy_object`; without `to_bucket` within this handle."""
        return await self._store.copy_object(
            self.name, self._full(key), *self._target(to_key, to_bucket), timeout=timeout, **options
        )

    async def move_object(
        self,
        key: str,
        to_key: str,
        to_bucket: str | None = None,
        *,
        timeout: Seconds = None,
        **options: Unpack[CopyOptions],
    ) -> PutResult:
        """See `Store.move_object`; without `to_bucket` within this handle."""
        return await self._store.move_object(
            self.name, self._full(key), *self._target(to_key, to_bucket), timeout=timeout, **options
        )

    async def get_all_objects(
        self,
        prefix: str = "",
        marker: str | None = None,
        delimiter: str = "",
        max_keys: int | None = None,
        *,
        start_after: str = "",
        timeout: Seconds = None,
    ) -> ObjectList:
        """See `Store.get_all_objects`."""
        return self._own_list(
            await self._store.get_all_objects(
                self.name,
                self._full(prefix),
                marker,
                delimiter,
                max_keys,
                start_after=self._full(start_after) if start_after else "",
                timeout=timeout,
            )
        )

    async def iter_objects(
        self,
        prefix: str = "",
        delimiter: str = "",
        *,
        start_after: str = "",
        max_concurrency: int = 1,
        timeout: Seconds = None,
    ) -> AsyncIterator[AsyncObject | CommonPrefix]:
        """See `Store.iter_objects`."""
        async for entry in self._store.iter_objects(
            self.name,
            self._full(prefix),
            delimiter,
            start_after=self._full(start_after) if start_after else "",
            max_concurrency=max_concurrency,
            timeout=timeout,
        ):
            yield self._own_entry(entry)

    async def create_multipart_upload(
        self, key: str, *, timeout: Seconds = None, **options: Unpack[WriteOptions]
    ) -> AsyncMultipartUpload:
        """See `Store.create_multipart_upload`. Its `key` is the whole key."""
        return await self._store.create_multipart_upload(
            self.name, self._full(key), timeout=timeout, **options
        )

    async def list_multipart_uploads(
        self, prefix: str = "", *, timeout: Seconds = None
    ) -> list[UploadInfo]:
        """See `Store.list_multipart_uploads`. Their keys are whole keys."""
        return await self._store.list_multipart_uploads(self.name, self._full(prefix), timeout=timeout)

    async def abort_stale_uploads(
        self, older_than: timedelta, prefix: str = "", *, timeout: Seconds = None
    ) -> list[UploadRef]:
        """See `Store.abort_stale_uploads`."""
        return await self._store.abort_stale_uploads(
            self.name, older_than, self._full(prefix), timeout=timeout
        )

    async def get_metadata(self, key: str, *, timeout: Seconds = None) -> dict[str, str]:
        """See `Store.get_metadata`."""
        return await self._store.get_metadata(self.name, self._full(key), timeout=timeout)

    async def set_metadata(
        self,
        key: str,
        metadata: Mapping[str, str | None],
        *,
        replace: bool = False,
        if_match: str | None = None,
        timeout: Seconds = None,
    ) -> dict[str, str]:
        """See `Store.set_metadata`."""
        return await self._store.set_metadata(
            self.name,
            self._full(key),
            metadata,
            replace=replace,
            if_match=if_match,
            timeout=timeout,
        )

    async def presign(
        self,
        key: str,
        method: str = "GET",
        *,
        expires_in: float | timedelta = 3600,
        content_type: str | None = None,
        content_disposition: str | None = None,
        timeout: Seconds = None,
    ) -> PresignedRequest:
        """See `Store.presign`."""
        return await self._store.presign(
            self.name,
            self._full(key),
            method,
            expires_in=expires_in,
            content_type=content_type,
            content_disposition=content_disposition,
            timeout=timeout,
        )

    async def presign_post(
        self,
        key: str,
        *,
        expires_in: float | timedelta = 3600,
        content_type: str | None = None,
        max_size: int | None = None,
        vendor_options: VendorOptions | None = None,
        timeout: Seconds = None,
    ) -> PresignedRequest:
        """See `Store.presign_post`."""
        return await self._store.presign_post(
            self.name,
            self._full(key),
            expires_in=expires_in,
            content_type=content_type,
            max_size=max_size,
            vendor_options=vendor_options,
            timeout=timeout,
        )

    async def set_bucket_metadata(
        self, metadata: Mapping[str, str | None], *, replace: bool = False, timeout: Seconds = None
    ) -> None:
        """See `Store.set_bucket_metadata`."""
        await self._store.set_bucket_metadata(self.name, metadata, replace=replace, timeout=timeout)

    async def get_acl(self, key: str | None = None, *, timeout: Seconds = None) -> str:
        """See `Store.get_acl`; without a key, of the bucket."""
        return await self._store.get_acl(
            self.name, None if key is None else self._full(key), timeout=timeout
        )

    async def set_acl(self, key: str | None = None, *, acl: str, timeout: Seconds = None) -> None:
        """See `Store.set_acl`; without a key, of the bucket."""
        await self._store.set_acl(
            self.name, None if key is None else self._full(key), acl=acl, timeout=timeout
        )

    async def get_tags(self, key: str, *, timeout: Seconds = None) -> dict[str, str]:
        """See `Store.get_tags`."""
        return await self._store.get_tags(self.name, self._full(key), timeout=timeout)

    async def set_tags(self, key: str, tags: Mapping[str, str], *, timeout: Seconds = None) -> None:
        """See `Store.set_tags`."""
        await self._store.set_tags(self.name, self._full(key), tags, timeout=timeout)

    async def get_versioning(self, *, timeout: Seconds = None) -> bool:
        """See `Store.get_versioning`."""
        return await self._store.get_versioning(self.name, timeout=timeout)

    async def set_versioning(self, enabled: bool, *, timeout: Seconds = None) -> None:
        """See `Store.set_versioning`."""
        await self._store.set_versioning(self.name, enabled, timeout=timeout)

    async def get_lifecycle(self, *, timeout: Seconds = None) -> list[LifecycleRule]:
        """See `Store.get_lifecycle`: of the whole bucket, whatever the handle's prefix is."""
        return await self._store.get_lifecycle(self.name, timeout=timeout)

    async def set_lifecycle(self, rules: Iterable[LifecycleRule], *, timeout: Seconds = None) -> None:
        """See `Store.set_lifecycle`: of the whole bucket, whatever the handle's prefix is."""
        await self._store.set_lifecycle(self.name, rules, timeout=timeout)

    async def set_website(
        self, index: str | None, error: str | None = None, *, timeout: Seconds = None
    ) -> None:
        """See `Store.set_website`."""
        await self._store.set_website(self.name, index, error, timeout=timeout)
