"""`AsyncStore`: the facade for asyncio.

The verbs of `Store`, awaited: the same flows, run by another runner. A test holds the two together.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from contextlib import aclosing
from datetime import timedelta
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Self, TypeVar, Unpack

from .bucket import AsyncBucket
from .capabilities import Capabilities
from .config import Config
from .driver import Driver, Flow, OpContext
from .errors import InvalidArgumentError, StoreClosedError
from .events import Observer
from .facade import (
    made_info,
    make_operations,
    network_settings,
    require_named,
    split_copy_options,
)
from .factory import config_from, config_from_profile
from .media_types import default_content_type, guess_content_type
from .model import (
    AccountInfo,
    CommonPrefix,
    LifecycleRule,
    ListOptions,
    Page,
    PresignedRequest,
    PutResult,
    UploadInfo,
    UploadRef,
)
from .multipart import AsyncMultipartUpload
from .object import AsyncObject, AsyncObjectOpening, ObjectList
from .options import CopyOptions, ReadOptions, VendorOptions, WriteOptions
from .policy import RetryPolicy, Timeouts, TransferConfig
from .runtime.tasks import AsyncRunner, AsyncTransport
from .sources import AsyncData
from .transfer.bulk_verbs import AsyncBulkVerbs
from .transfer.expiry_verbs import AsyncExpiryVerbs
from .transfer.folder_verbs import AsyncFolderVerbs
from .transfer.progress import Progress
from .writer import AsyncObjectWriter

__all__ = ["AsyncStore"]

T = TypeVar("T")
Seconds = float | timedelta | None


class AsyncStore(AsyncBulkVerbs, AsyncExpiryVerbs, AsyncFolderVerbs):
    """The verbs of `Store` for asyncio: the same arguments, results and errors, awaited.

    Any number of tasks may use one store, and several event loops, one after the other. It is an async
    context manager; after `close` every verb raises StoreClosedError. Functions that may block (files,
    SDKs) run in the loop's thread pool.

    Args:
        config: a Config, or a driver that was made by hand.
        observer: is told an `Event` when an operation starts, retries and ends.
        timeouts, retry, transfer, emulate_expiry: for a driver, which has none of its own; they win
            over a Config's.

    Raises:
        ConfigError, MissingDependencyError
    """

    def __init__(
        self,
        config: Config | Driver,
        *,
        observer: Observer | None = None,
        timeouts: Timeouts | None = None,
        retry: RetryPolicy | None = None,
        transfer: TransferConfig | None = None,
        emulate_expiry: bool | None = None,
    ) -> None:
        self._made_of = (config, timeouts)
        driver, self._operations = make_operations(
            config,
            observer,
            asynchronous=True,
            timeouts=timeouts,
            retry=retry,
            transfer=transfer,
            emulate_expiry=emulate_expiry,
        )
        self._driver = driver
        self._runner = AsyncRunner(lambda: _open_transport(config, timeouts))
        self._closed = False

    @classmethod
    def create(
        cls,
        provider: str | Mapping[str, object],
        access_key: str | None = None,
        secret_key: str | None = None,
        *,
        allow_secret_in_url: bool = False,
        **options: object,
    ) -> Self:
        """See `Store.create`."""
        return cls(
            config_from(
                provider, access_key, secret_key, allow_secret_in_url=allow_secret_in_url, **options
            )
        )

    @classmethod
    def from_profile(cls, name: str, path: str | PathLike[str] | None = None) -> Self:
        """See `Store.from_profile`."""
        return cls(config_from_profile(name, path))

    # --- buckets ---

    async def create_bucket(self, bucket: str, *, timeout: Seconds = None) -> AsyncBucket:
        """See `Store.create_bucket`."""
        ctx = self._context("create_bucket", bucket, None, timeout)
        return AsyncBucket(self, await self._run(ctx, self._operations.create_bucket(ctx, bucket)))

    async def delete_bucket(self, bucket: str, *, force: bool = False, timeout: Seconds = None) -> None:
        """See `Store.delete_bucket`."""
        ctx = self._context("delete_bucket", bucket, None, timeout)
        await self._run(ctx, self._operations.delete_bucket(ctx, bucket, force=force))

    async def bucket_exists(self, bucket: str, *, timeout: Seconds = None) -> bool:
        """See `Store.bucket_exists`."""
        ctx = self._context("bucket_exists", bucket, None, timeout)
        return await self._run(ctx, self._operations.bucket_exists(ctx, bucket))

    async def get_bucket(self, bucket: str, *, timeout: Seconds = None) -> AsyncBucket:
        """See `Store.get_bucket`."""
        ctx = self._context("get_bucket", bucket, None, timeout)
        return AsyncBucket(self, await self._run(ctx, self._operations.head_bucket(ctx, bucket)))

    async def get_all_buckets(self, *, timeout: Seconds = None) -> list[AsyncBucket]:
        """See `Store.get_all_buckets`."""
        ctx = self._context("get_all_buckets", None, None, timeout)
        found = await self._run(ctx, self._operations.list_buckets(ctx))
        return [AsyncBucket(self, info) for info in found]

    def bucket(self, name: str, prefix: str = "") -> AsyncBucket:
        """See `Store.bucket`."""
        return AsyncBucket.of_name(self, name, prefix)

    # --- writing ---

    async def create_object(
        self,
        bucket: str,
        key: str,
        data: AsyncData,
        *,
        progress: Progress | None = None,
        timeout: Seconds = None,
        **options: Unpack[WriteOptions],
    ) -> AsyncObject:
        """See `Store.create_object`."""
        ctx = self._context("create_object", bucket, key, timeout)
        if options.get("content_type") is None:
            options["content_type"] = default_content_type(data)
        flow = self._operations.create_object(ctx, bucket, key, data, options, progress)
        return AsyncObject(self, bucket, made_info(key, *await self._run(ctx, flow)))

    async def create_object_from_file(
        self,
        bucket: str,
        key: str,
        path: str | PathLike[str],
        *,
        progress: Progress | None = None,
        timeout: Seconds = None,
        resume: bool | str | PathLike[str] | UploadRef = False,
        **options: Unpack[WriteOptions],
    ) -> AsyncObject:
        """See `Store.create_object_from_file`."""
        if options.get("content_type") is None:
            options["content_type"] = guess_content_type(fspath(path))
        if resume is False:
            return await self.create_object(
                bucket, key, Path(path), progress=progress, timeout=timeout, **options
            )
        ctx = self._context("create_object", bucket, key, timeout)
        flow = self._operations.create_resumably(ctx, bucket, key, path, resume, options, progress)
        return AsyncObject(self, bucket, made_info(key, *await self._run(ctx, flow)))

    def open_writer(
        self,
        bucket: str,
        key: str,
        *,
        progress: Progress | None = None,
        timeout: Seconds = None,
        **options: Unpack[WriteOptions],
    ) -> AsyncObjectWriter:
        """See `Store.open_writer`."""
        ctx = self._context("open_writer", bucket, key, timeout)
        if options.get("content_type") is None:
            options["content_type"] = guess_content_type(key)
        return AsyncObjectWriter(
            lambda f: self._run_while_open(ctx, f),
            lambda: self._run(ctx, self._operations.open_upload(ctx, bucket, key, options, progress)),
        )

    # --- reading ---

    def get_object(
        self, bucket: str, key: str, *, timeout: Seconds = None, **options: Unpack[ReadOptions]
    ) -> AsyncObjectOpening:
        """See `Store.get_object`. Await it, or use it in ``async with``."""

        async def opening() -> AsyncObject:
            ctx = self._context("get_object", bucket, key, timeout)
            opened = await self._run(ctx, self._operations.get_object(ctx, bucket, key, options))
            return AsyncObject(self, bucket, opened.info, opened, timeout)

        return AsyncObjectOpening(opening)

    async def get_object_to_file(
        self,
        bucket: str,
        key: str,
        path: str | PathLike[str],
        *,
        progress: Progress | None = None,
        timeout: Seconds = None,
        resume: bool = False,
        **options: Unpack[ReadOptions],
    ) -> AsyncObject:
        """See `Store.get_object_to_file`."""
        ctx = self._context("get_object_to_file", bucket, key, timeout)
        flow = self._operations.download(ctx, bucket, key, path, options, progress, resume=resume)
        return AsyncObject(self, bucket, await self._run(ctx, flow))

    async def head_object(
        self,
        bucket: str,
        key: str,
        *,
        timeout: Seconds = None,
        **options: Unpack[ReadOptions],
    ) -> AsyncObject:
        """See `Store.head_object`."""
        ctx = self._context("head_object", bucket, key, timeout)
        info = await self._run(ctx, self._operations.head_object(ctx, bucket, key, options))
        return AsyncObject(self, bucket, info)

    async def object_exists(self, bucket: str, key: str, *, timeout: Seconds = None) -> bool:
        """See `Store.object_exists`."""
        ctx = self._context("object_exists", bucket, key, timeout)
        return await self._run(ctx, self._operations.object_exists(ctx, bucket, key))

    # --- deleting, copying ---

    async def delete_object(
        self,
        bucket: str,
        key: str,
        *,
        missing_ok: bool = True,
        if_match: str | None = None,
        version: str | None = None,
        timeout: Seconds = None,
    ) -> None:
        """See `Store.delete_object`."""
        ctx = self._context("delete_object", bucket, key, timeout)
        options = {"if_match": if_match, "version": version}
        await self._run(
            ctx,
            self._operations.delete_object(ctx, bucket, key, missing_ok=missing_ok, options=options),
        )

    async def delete_objects(
        self, bucket: str, keys: Iterable[str], *, timeout: Seconds = None
    ) -> list[str]:
        """See `Store.delete_objects`."""
        ctx = self._context("delete_objects", bucket, None, timeout)
        return await self._run(ctx, self._operations.delete_objects(ctx, bucket, keys))

    async def copy_object(
        self,
        bucket: str,
        key: str,
        to_bucket: str,
        to_key: str,
        *,
        timeout: Seconds = None,
        **options: Unpack[CopyOptions],
    ) -> PutResult:
        """See `Store.copy_object`."""
        ctx = self._context("copy_object", bucket, key, timeout)
        flow = self._operations.copy_object(
            ctx, bucket, key, to_bucket, to_key, *split_copy_options(options)
        )
        return await self._run(ctx, flow)

    async def move_object(
        self,
        bucket: str,
        key: str,
        to_bucket: str,
        to_key: str,
        *,
        timeout: Seconds = None,
        **options: Unpack[CopyOptions],
    ) -> PutResult:
        """See `Store.move_object`."""
        ctx = self._context("move_object", bucket, key, timeout)
        flow = self._operations.move_object(
            ctx, bucket, key, to_bucket, to_key, *split_copy_options(options)
        )
        return await self._run(ctx, flow)

    # --- listing ---

    async def get_all_objects(
        self,
        bucket: str,
        prefix: str = "",
        marker: str | None = None,
        delimiter: str = "",
        max_keys: int | None = None,
        *,
        start_after: str = "",
        timeout: Seconds = None,
    ) -> ObjectList:
        """See `Store.get_all_objects`."""
        ctx = self._context("get_all_objects", bucket, None, timeout)
        limit = self._driver.limits.page_size if max_keys is None else max_keys
        options = ListOptions(prefix, delimiter, start_after, marker, limit)
        prefixes: list[Any] = []
        objects: list[Any] = []
        while True:
            page = await self._run(ctx, self._operations.list_page(ctx, bucket, options))
            prefixes += [CommonPrefix(name, prefix) for name in page.prefixes]
            objects += [AsyncObject(self, bucket, info) for info in page.objects]
            if page.token is None or max_keys is not None:
                return ObjectList(prefixes + objects, page.token)
            options.token = page.token

    async def iter_objects(
        self,
        bucket: str,
        prefix: str = "",
        delimiter: str = "",
        *,
        start_after: str = "",
        max_concurrency: int = 1,
        timeout: Seconds = None,
    ) -> AsyncIterator[AsyncObject | CommonPrefix]:
        """See `Store.iter_objects`."""
        options = ListOptions(prefix, delimiter, start_after, None, self._driver.limits.page_size)
        async with aclosing(self._pages(bucket, options, max_concurrency, timeout)) as pages:
            async for page in pages:
                for name in page.prefixes:
                    yield CommonPrefix(name, prefix)
                for info in page.objects:
                    yield AsyncObject(self, bucket, info)

    async def _pages(
        self, bucket: str, options: ListOptions, concurrency: int, timeout: Seconds
    ) -> AsyncGenerator[Page, None]:
        def context() -> OpContext:
            return self._context("iter_objects", bucket, None, timeout)

        listing = self._operations.parallel_listing(context, bucket, options, concurrency)
        if listing is None:
            while True:
                page = await self._page(bucket, options, timeout)
                yield page
                if page.token is None:
                    return
                options.token = page.token
        try:
            while (following := await self._run(context(), listing.next_page())) is not None:
                yield following
        finally:
            await self._runner.run(listing.end())

    async def _page(self, bucket: str, options: ListOptions, timeout: Seconds) -> Page:
        ctx = self._context("iter_objects", bucket, None, timeout)
        return await self._run(ctx, self._operations.list_page(ctx, bucket, options))

    # --- multipart ---

    async def create_multipart_upload(
        self, bucket: str, key: str, *, timeout: Seconds = None, **options: Unpack[WriteOptions]
    ) -> AsyncMultipartUpload:
        """See `Store.create_multipart_upload`."""
        ctx = self._context("create_multipart_upload", bucket, key, timeout)
        if options.get("content_type") is None:
            options["content_type"] = guess_content_type(key)
        flow = self._operations.create_multipart(ctx, bucket, key, options)
        return AsyncMultipartUpload(self, await self._run(ctx, flow))

    async def resume_multipart_upload(
        self, ref: UploadRef, *, timeout: Seconds = None
    ) -> AsyncMultipartUpload:
        """See `Store.resume_multipart_upload`."""
        ctx = self._context("resume_multipart_upload", ref.bucket, ref.key, timeout)
        parts = await self._run(ctx, self._operations.resume_multipart(ctx, ref))
        return AsyncMultipartUpload(self, ref, parts)

    async def list_multipart_uploads(
        self, bucket: str, prefix: str = "", *, timeout: Seconds = None
    ) -> list[UploadInfo]:
        """See `Store.list_multipart_uploads`."""
        ctx = self._context("list_multipart_uploads", bucket, None, timeout)
        return await self._run(ctx, self._operations.list_uploads(ctx, bucket, prefix))

    async def abort_stale_uploads(
        self,
        bucket: str,
        older_than: timedelta,
        prefix: str = "",
        *,
        timeout: Seconds = None,
    ) -> list[UploadRef]:
        """See `Store.abort_stale_uploads`."""
        ctx = self._context("abort_stale_uploads", bucket, None, timeout)
        flow = self._operations.abort_stale_uploads(ctx, bucket, older_than, prefix)
        return await self._run(ctx, flow)

    # --- metadata, access ---

    async def get_metadata(self, bucket: str, key: str, *, timeout: Seconds = None) -> dict[str, str]:
        """See `Store.get_metadata`."""
        return (await self.head_object(bucket, key, timeout=timeout)).metadata

    async def set_metadata(
        self,
        bucket: str,
        key: str,
        metadata: Mapping[str, str | None],
        *,
        replace: bool = False,
        if_match: str | None = None,
        timeout: Seconds = None,
    ) -> dict[str, str]:
        """See `Store.set_metadata`."""
        ctx = self._context("set_metadata", bucket, key, timeout)
        flow = self._operations.set_metadata(
            ctx, bucket, key, metadata, replace_all=replace, if_match=if_match
        )
        return await self._run(ctx, flow)

    async def presign(
        self,
        bucket: str,
        key: str,
        method: str = "GET",
        *,
        expires_in: float | timedelta = 3600,
        content_type: str | None = None,
        content_disposition: str | None = None,
        timeout: Seconds = None,
    ) -> PresignedRequest:
        """See `Store.presign`."""
        ctx = self._context("presign", bucket, key, timeout)
        options = {
            "expires_in": expires_in,
            "content_type": content_type,
            "content_disposition": content_disposition,
        }
        if method == "POST":
            raise InvalidArgumentError("use presign_post for form uploads")
        return await self._run(ctx, self._operations.presign(ctx, bucket, key, method, options))

    async def presign_post(
        self,
        bucket: str,
        key: str,
        *,
        expires_in: float | timedelta = 3600,
        content_type: str | None = None,
        max_size: int | None = None,
        vendor_options: VendorOptions | None = None,
        timeout: Seconds = None,
    ) -> PresignedRequest:
        """See `Store.presign_post`."""
        ctx = self._context("presign_post", bucket, key, timeout)
        options = {
            "expires_in": expires_in,
            "content_type": content_type,
            "max_size": max_size,
            "vendor_options": vendor_options,
        }
        return await self._run(ctx, self._operations.presign(ctx, bucket, key, "POST", options))

    async def get_account(self, *, timeout: Seconds = None) -> AccountInfo:
        """See `Store.get_account`."""
        ctx = self._context("get_account", None, None, timeout)
        return await self._run(ctx, self._operations.get_account(ctx))

    async def set_account_metadata(
        self, metadata: Mapping[str, str | None], *, replace: bool = False, timeout: Seconds = None
    ) -> None:
        """See `Store.set_account_metadata`."""
        ctx = self._context("set_account_metadata", None, None, timeout)
        flow = self._operations.set_account_metadata(ctx, metadata, replace_all=replace)
        await self._run(ctx, flow)

    async def set_bucket_metadata(
        self,
        bucket: str,
        metadata: Mapping[str, str | None],
        *,
        replace: bool = False,
        timeout: Seconds = None,
    ) -> None:
        """See `Store.set_bucket_metadata`."""
        ctx = self._context("set_bucket_metadata", bucket, None, timeout)
        flow = self._operations.set_bucket_metadata(ctx, bucket, metadata, replace_all=replace)
        await self._run(ctx, flow)

    async def get_acl(self, bucket: str, key: str | None = None, *, timeout: Seconds = None) -> str:
        """See `Store.get_acl`."""
        ctx = self._context("get_acl", bucket, key, timeout)
        return await self._run(ctx, self._operations.get_acl(ctx, bucket, key))

    async def set_acl(
        self, bucket: str, key: str | None = None, *, acl: str, timeout: Seconds = None
    ) -> None:
        """See `Store.set_acl`."""
        ctx = self._context("set_acl", bucket, key, timeout)
        await self._run(ctx, self._operations.set_acl(ctx, bucket, key, acl))

    async def get_tags(self, bucket: str, key: str, *, timeout: Seconds = None) -> dict[str, str]:
        """See `Store.get_tags`."""
        ctx = self._context("get_tags", bucket, key, timeout)
        return await self._run(ctx, self._operations.get_tags(ctx, bucket, key))

    async def set_tags(
        self, bucket: str, key: str, tags: Mapping[str, str], *, timeout: Seconds = None
    ) -> None:
        """See `Store.set_tags`."""
        ctx = self._context("set_tags", bucket, key, timeout)
        await self._run(ctx, self._operations.set_tags(ctx, bucket, key, tags))

    async def set_website(
        self,
        bucket: str,
        index: str | None,
        error: str | None = None,
        *,
        timeout: Seconds = None,
    ) -> None:
        """See `Store.set_website`."""
        ctx = self._context("set_website", bucket, None, timeout)
        await self._run(ctx, self._operations.set_website(ctx, bucket, index, error))

    async def get_versioning(self, bucket: str, *, timeout: Seconds = None) -> bool:
        """See `Store.get_versioning`."""
        ctx = self._context("get_versioning", bucket, None, timeout)
        return await self._run(ctx, self._operations.get_versioning(ctx, bucket))

    async def set_versioning(self, bucket: str, enabled: bool, *, timeout: Seconds = None) -> None:
        """See `Store.set_versioning`."""
        ctx = self._context("set_versioning", bucket, None, timeout)
        await self._run(ctx, self._operations.set_versioning(ctx, bucket, enabled))

    async def get_lifecycle(self, bucket: str, *, timeout: Seconds = None) -> list[LifecycleRule]:
        """See `Store.get_lifecycle`."""
        ctx = self._context("get_lifecycle", bucket, None, timeout)
        return await self._run(ctx, self._operations.get_lifecycle(ctx, bucket))

    async def set_lifecycle(
        self, bucket: str, rules: Iterable[LifecycleRule], *, timeout: Seconds = None
    ) -> None:
        """See `Store.set_lifecycle`."""
        ctx = self._context("set_lifecycle", bucket, None, timeout)
        await self._run(ctx, self._operations.set_lifecycle(ctx, bucket, rules))

    async def purge_cdn(self, urls: Iterable[str], *, timeout: Seconds = None) -> None:
        """See `Store.purge_cdn`."""
        ctx = self._context("purge_cdn", None, None, timeout)
        await self._run(ctx, self._operations.purge_cdn(ctx, urls))

    async def prefetch_cdn(self, urls: Iterable[str], *, timeout: Seconds = None) -> None:
        """See `Store.prefetch_cdn`."""
        ctx = self._context("prefetch_cdn", None, None, timeout)
        await self._run(ctx, self._operations.prefetch_cdn(ctx, urls))

    # --- the rest ---

    @property
    def capabilities(self) -> Capabilities:
        """See `Store.capabilities`."""
        return self._driver.capabilities

    def require(self, *features: str) -> None:
        """See `Store.require`."""
        require_named(self._driver, features)

    @property
    def native(self) -> Any:
        """See `Store.native`."""
        self._check_open()
        return self._driver.native

    async def close(self) -> None:
        """See `Store.close`."""
        if not self._closed:
            self._closed = True
            await self._runner.close()
            self._driver.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<AsyncStore: {self._driver.endpoint or self._driver.scheme}>"

    def _check_open(self) -> None:
        if self._closed:
            raise StoreClosedError("this store was closed", vendor=self._driver.scheme)

    def _context(
        self, operation: str, bucket: str | None, key: str | None, timeout: Seconds
    ) -> OpContext:
        if self._closed:
            self._check_open()
        return self._operations.context(operation, bucket, key, timeout)

    async def _run_while_open(self, ctx: OpContext, flow: Flow[T]) -> T:
        """`_run` for what outlives the verb that made its context."""
        self._check_open()
        return await self._run(ctx, flow)

    async def _run(self, ctx: OpContext, flow: Flow[T]) -> T:
        return await self._runner.execute(ctx, self._driver.scheme, flow)


def _open_transport(config: Config | Driver, timeouts: Timeouts | None) -> AsyncTransport:
    from .wire.aio import AsyncioTransport  # not imported before a request is sent

    return AsyncioTransport(network_settings(config, timeouts))
