"""`Store`: the facade for threads.

Every verb makes an operation's context and runs the flow of the same name in `operations`. Nothing
else happens here; `aio` is the same for asyncio, and a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing
from datetime import timedelta
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack

from .bucket import Bucket
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
from .multipart import MultipartUpload
from .object import Object, ObjectList
from .options import CopyOptions, ReadOptions, VendorOptions, WriteOptions
from .policy import RetryPolicy, Timeouts, TransferConfig
from .runtime.threads import SyncRunner, SyncTransport
from .sources import Data
from .transfer.bulk_verbs import BulkVerbs
from .transfer.expiry_verbs import ExpiryVerbs
from .transfer.folder_verbs import FolderVerbs
from .transfer.progress import Progress
from .writer import ObjectWriter

if TYPE_CHECKING:
    from .aio import AsyncStore
    from .twin import AsyncTwin

__all__ = ["Store"]

T = TypeVar("T")
Seconds = float | timedelta | None


class Store(BulkVerbs, ExpiryVerbs, FolderVerbs):
    """One vendor's objects, behind verbs that are the same for every vendor.

    Any number of threads may use one store. It is a context manager; after `close` every verb raises
    StoreClosedError. Every verb takes ``timeout=``: seconds, or a timedelta, for all of it.

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
        driver, self._operations = make_operations(
            config,
            observer,
            asynchronous=False,
            timeouts=timeouts,
            retry=retry,
            transfer=transfer,
            emulate_expiry=emulate_expiry,
        )
        self._driver = driver
        self._runner = SyncRunner(lambda: _open_transport(config, timeouts))
        self._closed = False
        self._made_of = (config, timeouts)
        self._twins: list[AsyncTwin] = []

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
        """See `StoreFactory.create`."""
        return cls(
            config_from(
                provider, access_key, secret_key, allow_secret_in_url=allow_secret_in_url, **options
            )
        )

    @classmethod
    def from_profile(cls, name: str, path: str | PathLike[str] | None = None) -> Self:
        """See `StoreFactory.from_profile`."""
        return cls(config_from_profile(name, path))

    # --- buckets ---

    def create_bucket(self, bucket: str, *, timeout: Seconds = None) -> Bucket:
        """Creates a bucket.

        Raises:
            BucketAlreadyExistsError: it is there already, whoever owns it.
            InvalidBucketNameError
        """
        ctx = self._context("create_bucket", bucket, None, timeout)
        return Bucket(self, self._run(ctx, self._operations.create_bucket(ctx, bucket)))

    def delete_bucket(self, bucket: str, *, force: bool = False, timeout: Seconds = None) -> None:
        """Deletes a bucket.

        Args:
            force: delete its objects and abort its multipart uploads first. Old versions stay, and
                with them the bucket.

        Raises:
            BucketNotFoundError, BucketNotEmptyError
        """
        ctx = self._context("delete_bucket", bucket, None, timeout)
        self._run(ctx, self._operations.delete_bucket(ctx, bucket, force=force))

    def bucket_exists(self, bucket: str, *, timeout: Seconds = None) -> bool:
        """Whether there is such a bucket."""
        ctx = self._context("bucket_exists", bucket, None, timeout)
        return self._run(ctx, self._operations.bucket_exists(ctx, bucket))

    def get_bucket(self, bucket: str, *, timeout: Seconds = None) -> Bucket:
        """A bucket that is there, with what the vendor says of it.

        Raises:
            BucketNotFoundError
        """
        ctx = self._context("get_bucket", bucket, None, timeout)
        return Bucket(self, self._run(ctx, self._operations.head_bucket(ctx, bucket)))

    def get_all_buckets(self, *, timeout: Seconds = None) -> list[Bucket]:
        """All buckets, by name."""
        ctx = self._context("get_all_buckets", None, None, timeout)
        found = self._run(ctx, self._operations.list_buckets(ctx))
        return [Bucket(self, info) for info in found]

    def bucket(self, name: str, prefix: str = "") -> Bucket:
        """A handle with the same verbs, without their first argument. Sends nothing.

        Args:
            prefix: every key of the handle is under it, and is given and returned without it.
        """
        return Bucket.of_name(self, name, prefix)

    # --- writing ---

    def create_object(
        self,
        bucket: str,
        key: str,
        data: Data,
        *,
        progress: Progress | None = None,
        timeout: Seconds = None,
        **options: Unpack[WriteOptions],
    ) -> Object:
        """Writes an object, whole or not at all.

        Args:
            data: text (as UTF-8), bytes, a buffer, a Path, a binary file, or an iterator of bytes.
            progress: called with (bytes done, bytes in all or None).
            options: see `WriteOptions`.

        Raises:
            BucketNotFoundError, InvalidKeyError, TooLargeError, UnsupportedError
            ObjectAlreadyExistsError: ``if_absent`` and there is one.
            PreconditionFailedError: ``if_match`` does not hold.
            ChecksumMismatchError: the bytes are not those of ``checksum``.
        """
        ctx = self._context("create_object", bucket, key, timeout)
        if options.get("content_type") is None:
            options["content_type"] = default_content_type(data)
        flow = self._operations.create_object(ctx, bucket, key, data, options, progress)
        return Object(self, bucket, made_info(key, *self._run(ctx, flow)))

    def create_object_from_file(
        self,
        bucket: str,
        key: str,
        path: str | PathLike[str],
        *,
        progress: Progress | None = None,
        timeout: Seconds = None,
        resume: bool | str | PathLike[str] | UploadRef = False,
        **options: Unpack[WriteOptions],
    ) -> Object:
        """Writes an object from a file; its content type is guessed by the file's name.

        Args:
            resume: the parts of a large file stay where the call fails or the process ends, and the
                next such call sends the rest only, if the file and the options are the same still. True
                keeps which upload it is in ``PATH.….upload``, a path in that file; an `UploadRef` is
                an upload that was begun anywhere: parts that are not what this file has, by the
                checksums that the vendor lists, are sent again. What is never resumed,
                `abort_stale_uploads` removes.

        Raises:
            OSError: the file cannot be read; BlockingIOError: with `resume`, another call or process
                is at it.
            InvalidArgumentError: with `resume`, the file was changed while it was being sent.
            The errors of `create_object`.
        """
        if options.get("content_type") is None:
            options["content_type"] = guess_content_type(fspath(path))
        if resume is False:
            return self.create_object(
                bucket, key, Path(path), progress=progress, timeout=timeout, **options
            )
        ctx = self._context("create_object", bucket, key, timeout)
        flow = self._operations.create_resumably(ctx, bucket, key, path, resume, options, progress)
        return Object(self, bucket, made_info(key, *self._run(ctx, flow)))

    def open_writer(
        self,
        bucket: str,
        key: str,
        *,
        progress: Progress | None = None,
        timeout: Seconds = None,
        **options: Unpack[WriteOptions],
    ) -> ObjectWriter:
        """A binary file that becomes an object when it is closed, and nothing on an exception.

        Raises:
            The errors of `create_object`.
        """
        ctx = self._context("open_writer", bucket, key, timeout)
        if options.get("content_type") is None:
            options["content_type"] = guess_content_type(key)
        flow = self._operations.open_upload(ctx, bucket, key, options, progress)
        return ObjectWriter(lambda f: self._run_while_open(ctx, f), self._run(ctx, flow))

    # --- reading ---

    def get_object(
        self, bucket: str, key: str, *, timeout: Seconds = None, **options: Unpack[ReadOptions]
    ) -> Object:
        """Opens an object: its one GET is sent, its head is there, its body is unread.

        Args:
            options: see `ReadOptions`.

        Raises:
            ObjectNotFoundError, BucketNotFoundError
            RangeNotSatisfiableError, PreconditionFailedError, NotModifiedError
        """
        ctx = self._context("get_object", bucket, key, timeout)
        opened = self._run(ctx, self._operations.get_object(ctx, bucket, key, options))
        return Object(self, bucket, opened.info, opened, timeout)

    def get_object_to_file(
        self,
        bucket: str,
        key: str,
        path: str | PathLike[str],
        *,
        progress: Progress | None = None,
        timeout: Seconds = None,
        resume: bool = False,
        **options: Unpack[ReadOptions],
    ) -> Object:
        """Reads an object into a file, which is replaced whole and verified, or not at all.

        What is large comes in parts side by side, all of one version of the object.

        Args:
            resume: what came of a large object stays where the call fails or the process ends, as
                ``PATH.….part`` and ``PATH.….part.journal``; the next such call asks for the rest only,
                if the object is the same still.

        Raises:
            OSError: the file cannot be written; BlockingIOError: with `resume`, another call or
                process is at it.
            The errors of `get_object` and `Object.read`.
        """
        ctx = self._context("get_object_to_file", bucket, key, timeout)
        flow = self._operations.download(ctx, bucket, key, path, options, progress, resume=resume)
        return Object(self, bucket, self._run(ctx, flow))

    def head_object(
        self,
        bucket: str,
        key: str,
        *,
        timeout: Seconds = None,
        **options: Unpack[ReadOptions],
    ) -> Object:
        """An object's head; its bytes come at the first read, by another request.

        Raises:
            ObjectNotFoundError, BucketNotFoundError, PreconditionFailedError, NotModifiedError
        """
        ctx = self._context("head_object", bucket, key, timeout)
        info = self._run(ctx, self._operations.head_object(ctx, bucket, key, options))
        return Object(self, bucket, info)

    def object_exists(self, bucket: str, key: str, *, timeout: Seconds = None) -> bool:
        """Whether there is such an object. One request: a missing bucket has no objects."""
        ctx = self._context("object_exists", bucket, key, timeout)
        return self._run(ctx, self._operations.object_exists(ctx, bucket, key))

    # --- deleting, copying ---

    def delete_object(
        self,
        bucket: str,
        key: str,
        *,
        missing_ok: bool = True,
        if_match: str | None = None,
        version: str | None = None,
        timeout: Seconds = None,
    ) -> None:
        """Deletes an object; one that is missing is no error, a missing bucket is.

        Args:
            missing_ok: False asks for ObjectNotFoundError (by a look before the deletion).
            if_match: only the object with this ETag.

        Raises:
            BucketNotFoundError, PreconditionFailedError
        """
        ctx = self._context("delete_object", bucket, key, timeout)
        options = {"if_match": if_match, "version": version}
        self._run(
            ctx,
            self._operations.delete_object(ctx, bucket, key, missing_ok=missing_ok, options=options),
        )

    def delete_objects(self, bucket: str, keys: Iterable[str], *, timeout: Seconds = None) -> list[str]:
        """Deletes many objects, by batches where the vendor has them; returns the keys.

        Raises:
            BucketNotFoundError
            PartialFailureError: its `results` holds the keys that are still there, and why.
        """
        ctx = self._context("delete_objects", bucket, None, timeout)
        return self._run(ctx, self._operations.delete_objects(ctx, bucket, keys))

    def copy_object(
        self,
        bucket: str,
        key: str,
        to_bucket: str,
        to_key: str,
        *,
        timeout: Seconds = None,
        **options: Unpack[CopyOptions],
    ) -> PutResult:
        """Copies an object on the vendor's side; what is not given stays as in the source.

        Raises:
            ObjectNotFoundError, BucketNotFoundError, UnsupportedError
            ObjectAlreadyExistsError, PreconditionFailedError
            UnavailableError: also where the source was replaced again and again meanwhile.
        """
        ctx = self._context("copy_object", bucket, key, timeout)
        flow = self._operations.copy_object(
            ctx, bucket, key, to_bucket, to_key, *split_copy_options(options)
        )
        return self._run(ctx, flow)

    def move_object(
        self,
        bucket: str,
        key: str,
        to_bucket: str,
        to_key: str,
        *,
        timeout: Seconds = None,
        **options: Unpack[CopyOptions],
    ) -> PutResult:
        """Copies an object, then deletes the source if it is still the same.

        Raises:
            PreconditionFailedError: the source changed meanwhile: both objects are there.
            The errors of `copy_object`.
        """
        ctx = self._context("move_object", bucket, key, timeout)
        flow = self._operations.move_object(
            ctx, bucket, key, to_bucket, to_key, *split_copy_options(options)
        )
        return self._run(ctx, flow)

    # --- listing ---

    def get_all_objects(
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
        """A list of everything: common prefixes first, then objects.

        Args:
            prefix: a plain string prefix.
            delimiter: rolls keys up into common prefixes, like folders.
            max_keys: asks one page of at most so many entries (a vendor may give fewer), which has
                a `marker` where there is more.
            marker: that of the page before; opaque.
            start_after: a key, exclusive.

        Raises:
            BucketNotFoundError
        """
        ctx = self._context("get_all_objects", bucket, None, timeout)
        limit = self._driver.limits.page_size if max_keys is None else max_keys
        options = ListOptions(prefix, delimiter, start_after, marker, limit)
        prefixes: list[Any] = []
        objects: list[Any] = []
        while True:
            page = self._run(ctx, self._operations.list_page(ctx, bucket, options))
            prefixes += [CommonPrefix(name, prefix) for name in page.prefixes]
            objects += [Object(self, bucket, info) for info in page.objects]
            if page.token is None or max_keys is not None:
                return ObjectList(prefixes + objects, page.token)
            options.token = page.token

    def iter_objects(
        self,
        bucket: str,
        prefix: str = "",
        delimiter: str = "",
        *,
        start_after: str = "",
        max_concurrency: int = 1,
        timeout: Seconds = None,
    ) -> Iterator[Object | CommonPrefix]:
        """The same, lazily and for any number of keys; a page at a time is in memory.

        Args:
            max_concurrency: how many pages are asked for at a time, by guesses where the keys behind
                those that were seen lie; some pages more are in memory then. The order stays. One at
                a time all the same with a delimiter, and where the vendor's order tells nothing.
            timeout: for each page.
        """
        options = ListOptions(prefix, delimiter, start_after, None, self._driver.limits.page_size)
        with closing(self._pages(bucket, options, max_concurrency, timeout)) as pages:
            for page in pages:
                for name in page.prefixes:
                    yield CommonPrefix(name, prefix)
                for info in page.objects:
                    yield Object(self, bucket, info)

    def _pages(
        self, bucket: str, options: ListOptions, concurrency: int, timeout: Seconds
    ) -> Generator[Page, None, None]:
        def context() -> OpContext:
            return self._context("iter_objects", bucket, None, timeout)

        listing = self._operations.parallel_listing(context, bucket, options, concurrency)
        if listing is None:
            while True:
                page = self._page(bucket, options, timeout)
                yield page
                if page.token is None:
                    return
                options.token = page.token
        try:
            while (following := self._run(context(), listing.next_page())) is not None:
                yield following
        finally:
            self._runner.run(listing.end())

    def _page(self, bucket: str, options: ListOptions, timeout: Seconds) -> Page:
        ctx = self._context("iter_objects", bucket, None, timeout)
        return self._run(ctx, self._operations.list_page(ctx, bucket, options))

    # --- multipart ---

    def create_multipart_upload(
        self, bucket: str, key: str, *, timeout: Seconds = None, **options: Unpack[WriteOptions]
    ) -> MultipartUpload:
        """Begins a multipart upload that you drive yourself; `create_object` does it for you.

        Conditions are given to `MultipartUpload.complete`.
        """
        ctx = self._context("create_multipart_upload", bucket, key, timeout)
        if options.get("content_type") is None:
            options["content_type"] = guess_content_type(key)
        flow = self._operations.create_multipart(ctx, bucket, key, options)
        return MultipartUpload(self, self._run(ctx, flow))

    def resume_multipart_upload(self, ref: UploadRef, *, timeout: Seconds = None) -> MultipartUpload:
        """Goes on with an upload, from another process or host; finds the parts that are there.

        Raises:
            UploadNotFoundError: it was completed or aborted.
        """
        ctx = self._context("resume_multipart_upload", ref.bucket, ref.key, timeout)
        parts = self._run(ctx, self._operations.resume_multipart(ctx, ref))
        return MultipartUpload(self, ref, parts)

    def list_multipart_uploads(
        self, bucket: str, prefix: str = "", *, timeout: Seconds = None
    ) -> list[UploadInfo]:
        """The uploads under way, by key."""
        ctx = self._context("list_multipart_uploads", bucket, None, timeout)
        return self._run(ctx, self._operations.list_uploads(ctx, bucket, prefix))

    def abort_stale_uploads(
        self,
        bucket: str,
        older_than: timedelta,
        prefix: str = "",
        *,
        timeout: Seconds = None,
    ) -> list[UploadRef]:
        """Aborts the uploads that began longer ago than `older_than`; returns them."""
        ctx = self._context("abort_stale_uploads", bucket, None, timeout)
        flow = self._operations.abort_stale_uploads(ctx, bucket, older_than, prefix)
        return self._run(ctx, flow)

    # --- metadata, access ---

    def get_metadata(self, bucket: str, key: str, *, timeout: Seconds = None) -> dict[str, str]:
        """An object's user metadata, names in lower case."""
        return self.head_object(bucket, key, timeout=timeout).metadata

    def set_metadata(
        self,
        bucket: str,
        key: str,
        metadata: Mapping[str, str | None],
        *,
        replace: bool = False,
        if_match: str | None = None,
        timeout: Seconds = None,
    ) -> dict[str, str]:
        """Merges into an object's user metadata; returns it as it then is.

        Args:
            metadata: a value of None removes the name.
            replace: put `metadata` in the place of everything that is there.
            if_match: only if the object has this ETag.

        Raises:
            ObjectNotFoundError, PreconditionFailedError, TooLargeError
        """
        ctx = self._context("set_metadata", bucket, key, timeout)
        flow = self._operations.set_metadata(
            ctx, bucket, key, metadata, replace_all=replace, if_match=if_match
        )
        return self._run(ctx, flow)

    def presign(
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
        """A request that somebody without credentials may send until it expires.

        Args:
            method: ``"GET"``, ``"PUT"`` or ``"DELETE"``.
            content_type: of an upload; the sender must then send just this.
            content_disposition: that a download shall have.

        Raises:
            UnsupportedError, InvalidArgumentError
        """
        ctx = self._context("presign", bucket, key, timeout)
        options = {
            "expires_in": expires_in,
            "content_type": content_type,
            "content_disposition": content_disposition,
        }
        if method == "POST":
            raise InvalidArgumentError("use presign_post for form uploads")
        return self._run(ctx, self._operations.presign(ctx, bucket, key, method, options))

    def presign_post(
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
        """A form upload that a browser may send: its `fields` go before the file.

        Args:
            max_size: in bytes.
            vendor_options: per vendor, what only that vendor knows.

        Raises:
            UnsupportedError, InvalidArgumentError
        """
        ctx = self._context("presign_post", bucket, key, timeout)
        options = {
            "expires_in": expires_in,
            "content_type": content_type,
            "max_size": max_size,
            "vendor_options": vendor_options,
        }
        return self._run(ctx, self._operations.presign(ctx, bucket, key, "POST", options))

    def get_account(self, *, timeout: Seconds = None) -> AccountInfo:
        """The account: how many buckets and objects, how many bytes, and its own metadata.

        Raises:
            UnsupportedError
        """
        ctx = self._context("get_account", None, None, timeout)
        return self._run(ctx, self._operations.get_account(ctx))

    def set_account_metadata(
        self, metadata: Mapping[str, str | None], *, replace: bool = False, timeout: Seconds = None
    ) -> None:
        """Merges into the metadata of the account.

        Args:
            metadata: a value of None removes the name.
            replace: put `metadata` in the place of everything that is there.

        Raises:
            InvalidArgumentError, TooLargeError, UnsupportedError
        """
        ctx = self._context("set_account_metadata", None, None, timeout)
        flow = self._operations.set_account_metadata(ctx, metadata, replace_all=replace)
        self._run(ctx, flow)

    def set_bucket_metadata(
        self,
        bucket: str,
        metadata: Mapping[str, str | None],
        *,
        replace: bool = False,
        timeout: Seconds = None,
    ) -> None:
        """Merges into the metadata of a bucket, which `get_bucket` shows.

        Args:
            metadata: a value of None removes the name.
            replace: put `metadata` in the place of everything that is there.

        Raises:
            BucketNotFoundError, InvalidArgumentError, TooLargeError, UnsupportedError
        """
        ctx = self._context("set_bucket_metadata", bucket, None, timeout)
        flow = self._operations.set_bucket_metadata(ctx, bucket, metadata, replace_all=replace)
        self._run(ctx, flow)

    def get_acl(self, bucket: str, key: str | None = None, *, timeout: Seconds = None) -> str:
        """The canned ACL of a bucket or an object, where the vendor has ACLs.

        It is ``"custom"`` where what is granted is that of no canned one. What a bucket's policy
        allows, an ACL does not say.

        Raises:
            ObjectNotFoundError, BucketNotFoundError, UnsupportedError
        """
        ctx = self._context("get_acl", bucket, key, timeout)
        return self._run(ctx, self._operations.get_acl(ctx, bucket, key))

    def set_acl(
        self, bucket: str, key: str | None = None, *, acl: str, timeout: Seconds = None
    ) -> None:
        """Sets a canned ACL of a bucket or an object: ``"private"``, ``"public-read"``, …

        Raises:
            ObjectNotFoundError, BucketNotFoundError
            InvalidArgumentError: the vendor has no ACL of this name.
            UnsupportedError: also where this bucket takes none.
        """
        ctx = self._context("set_acl", bucket, key, timeout)
        self._run(ctx, self._operations.set_acl(ctx, bucket, key, acl))

    def get_tags(self, bucket: str, key: str, *, timeout: Seconds = None) -> dict[str, str]:
        """An object's tags, where the vendor has tags.

        Raises:
            ObjectNotFoundError, BucketNotFoundError, UnsupportedError
        """
        ctx = self._context("get_tags", bucket, key, timeout)
        return self._run(ctx, self._operations.get_tags(ctx, bucket, key))

    def set_tags(
        self, bucket: str, key: str, tags: Mapping[str, str], *, timeout: Seconds = None
    ) -> None:
        """Puts tags in the place of all that an object has; none removes them.

        Raises:
            ObjectNotFoundError, BucketNotFoundError, InvalidArgumentError, UnsupportedError
        """
        ctx = self._context("set_tags", bucket, key, timeout)
        self._run(ctx, self._operations.set_tags(ctx, bucket, key, tags))

    def set_website(
        self,
        bucket: str,
        index: str | None,
        error: str | None = None,
        *,
        timeout: Seconds = None,
    ) -> None:
        """Serves a bucket as a static website; an `index` of None stops that.

        Args:
            index: what a folder shows: ``"index.html"``.
            error: the key of the page that is shown where there is nothing.

        Raises:
            BucketNotFoundError, InvalidArgumentError, UnsupportedError
        """
        ctx = self._context("set_website", bucket, None, timeout)
        self._run(ctx, self._operations.set_website(ctx, bucket, index, error))

    def get_versioning(self, bucket: str, *, timeout: Seconds = None) -> bool:
        """Whether a bucket keeps what is overwritten and deleted.

        Raises:
            BucketNotFoundError, UnsupportedError
        """
        ctx = self._context("get_versioning", bucket, None, timeout)
        return self._run(ctx, self._operations.get_versioning(ctx, bucket))

    def set_versioning(self, bucket: str, enabled: bool, *, timeout: Seconds = None) -> None:
        """Has a bucket keep it from now on, or no longer; the versions that are there stay.

        A bucket that holds versions is not empty: `delete_bucket` refuses it, also with ``force``.

        Raises:
            BucketNotFoundError, UnsupportedError
        """
        ctx = self._context("set_versioning", bucket, None, timeout)
        self._run(ctx, self._operations.set_versioning(ctx, bucket, enabled))

    def get_lifecycle(self, bucket: str, *, timeout: Seconds = None) -> list[LifecycleRule]:
        """What the vendor does to a bucket's objects by itself, all of it.

        A rule that `LifecycleRule` has no words for comes whole in its ``vendor_rule``.

        Raises:
            BucketNotFoundError, UnsupportedError
        """
        ctx = self._context("get_lifecycle", bucket, None, timeout)
        return self._run(ctx, self._operations.get_lifecycle(ctx, bucket))

    def set_lifecycle(
        self, bucket: str, rules: Iterable[LifecycleRule], *, timeout: Seconds = None
    ) -> None:
        """Puts `rules` in the place of all that a bucket has; none removes them.

        To add one, set what `get_lifecycle` gave and the new one.

        Raises:
            BucketNotFoundError, InvalidArgumentError
            UnsupportedError: also where the vendor cannot do what one of them says.
        """
        ctx = self._context("set_lifecycle", bucket, None, timeout)
        self._run(ctx, self._operations.set_lifecycle(ctx, bucket, rules))

    def purge_cdn(self, urls: Iterable[str], *, timeout: Seconds = None) -> None:
        """Asks the vendor's CDN to forget URLs. It does so some time later, and a few times a day.

        Raises:
            InvalidArgumentError, UnsupportedError
            QuotaExceededError: of this day nothing is left.
        """
        ctx = self._context("purge_cdn", None, None, timeout)
        self._run(ctx, self._operations.purge_cdn(ctx, urls))

    def prefetch_cdn(self, urls: Iterable[str], *, timeout: Seconds = None) -> None:
        """Asks the vendor's CDN to fetch URLs before anybody asks for them; errors as `purge_cdn`."""
        ctx = self._context("prefetch_cdn", None, None, timeout)
        self._run(ctx, self._operations.prefetch_cdn(ctx, urls))

    # --- the rest ---

    @property
    def capabilities(self) -> Capabilities:
        """What this store can do."""
        return self._driver.capabilities

    def require(self, *features: str) -> None:
        """Raises UnsupportedError unless the store has all of these capabilities.

        Raises:
            UnsupportedError
            InvalidArgumentError: there is no capability of this name.
        """
        require_named(self._driver, features)

    @property
    def native(self) -> Any:
        """The vendor's own SDK client; what it is, is documented per vendor."""
        self._check_open()
        return self._driver.native

    def close(self) -> None:
        """Closes connections; any number of times."""
        if not self._closed:
            self._closed = True
            for twin in self._twins:
                twin.close()
            self._runner.close()
            self._driver.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Store: {self._driver.endpoint or self._driver.scheme}>"

    def _check_open(self) -> None:
        if self._closed:
            raise StoreClosedError("this store was closed", vendor=self._driver.scheme)

    def _context(
        self, operation: str, bucket: str | None, key: str | None, timeout: Seconds
    ) -> OpContext:
        if self._closed:
            self._check_open()
        return self._operations.context(operation, bucket, key, timeout)

    def _run_while_open(self, ctx: OpContext, flow: Flow[T]) -> T:
        """`_run` for what outlives the verb that made its context."""
        self._check_open()
        return self._run(ctx, flow)

    def _run(self, ctx: OpContext, flow: Flow[T]) -> T:
        return self._runner.execute(ctx, self._driver.scheme, flow)

    def _guest_on(self, twin: AsyncTwin) -> AsyncStore:
        """This store's like on another's loop."""
        self._check_open()
        return twin.guest(self._operations, self._made_of)

    def _twin(self) -> AsyncTwin:
        from .twin import AsyncTwin  # a store that is used for one object at a time needs no asyncio

        self._check_open()
        if not self._twins:
            # Another thread may do so, too: the first is everybody's, and a second has no thread yet.
            self._twins.append(AsyncTwin(self._operations, *self._made_of))
        return self._twins[0]


def _open_transport(config: Config | Driver, timeouts: Timeouts | None) -> SyncTransport:
    from .wire.blocking import BlockingTransport  # not imported before a request is sent

    return BlockingTransport(network_settings(config, timeouts))
