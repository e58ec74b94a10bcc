"""The verbs of `Store` and `AsyncStore`, written once as flows.

Each verb checks its names and options, refuses what the vendor lacks, runs the driver's flow, and adds
what no single request can do: looking which of bucket and object is missing, settling, merging
metadata, walking pages. No I/O: the faces run these flows.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, TypeVar

from . import arguments
from .arguments import check_bucket, check_key, require
from .bodies import BytesPayload
from .capabilities import RESERVED_PREFIX, is_internal_metadata
from .driver import Clock, Driver, Flow, Gather, GetResult, OpContext, SystemClock
from .errors import (
    BucketAlreadyExistsError,
    BucketNotEmptyError,
    BucketNotFoundError,
    CloudStoreError,
    InvalidArgumentError,
    InvalidPartError,
    NotFoundError,
    ObjectNotFoundError,
    Outcome,
    PartialFailureError,
    PreconditionFailedError,
    TooLargeError,
    UnavailableError,
    UploadNotFoundError,
)
from .events import Observer
from .expiry import ExpiringDriver, keep_expiry
from .listing import check_progress
from .missing import which_is_missing
from .model import (
    AccountInfo,
    BucketInfo,
    CompleteOptions,
    CopyOptions,
    DeleteOptions,
    GetOptions,
    LifecycleRule,
    ListOptions,
    ObjectInfo,
    Page,
    Part,
    PresignedRequest,
    PresignOptions,
    PutOptions,
    PutResult,
    UploadInfo,
    UploadRef,
)
from .options import HeaderOptions
from .policy import RetryPolicy, Timeouts, TransferConfig
from .sources import open_source
from .transfer.destination import Destination
from .transfer.download import download_to_file
from .transfer.parallel_listing import ParallelListing
from .transfer.plan import Regions, kept_part_size
from .transfer.progress import Progress, Tally
from .transfer.resumable import upload_resumably
from .transfer.upload import StreamedUpload, goes_in_parts, upload
from .writes import abort_upload, all_parts, begin_upload, complete_upload, settle, with_new_write_id

__all__ = ["Operations", "visible_metadata"]

T = TypeVar("T")
DELETES_AT_ONCE = 16
"""How many objects are deleted side by side where the vendor has no batch delete."""

BATCHES_AT_ONCE = 4
"""How many batches of deletions are under way at a time."""

EMPTYING_ATTEMPTS = 3
"""How often a bucket is emptied that is to be deleted with all that is in it."""

METADATA_ATTEMPTS = 10
"""How often a merge of metadata starts anew because the object changed meanwhile."""

SOURCE_ATTEMPTS = 5
"""How often a copy reads its source anew because it was replaced meanwhile."""


class Operations:
    """A driver, and the verbs over it.

    Attributes:
        driver: which.
        asynchronous: whether async iterators may be data.

    Args:
        expiring: `driver`, where it stands in for the vendor's expiry.
    """

    def __init__(
        self,
        driver: Driver,
        *,
        timeouts: Timeouts,
        retry: RetryPolicy,
        transfer: TransferConfig,
        observer: Observer | None,
        clock: Clock | None = None,
        chance: random.Random | None = None,
        asynchronous: bool = False,
        expiring: ExpiringDriver | None = None,
    ) -> None:
        self.driver = driver
        self._expiring = expiring
        self._timeout = timeouts.total
        self._retry = retry
        self._transfer = transfer
        self._observer = observer
        self._clock = clock or SystemClock()
        # Not seeded: a forked child must not repeat the parent's write-ids.
        self._random = chance or random.SystemRandom()
        self.asynchronous = asynchronous
        self._discovered = False
        self._good_bucket: object = self  # no bucket yet, and equal to no name

    def context(
        self,
        operation: str,
        bucket: str | None = None,
        key: str | None = None,
        timeout: float | timedelta | None = None,
    ) -> OpContext:
        """The context of one operation; `timeout` wins over the configured one."""
        deadline = None
        if timeout is not None or self._timeout is not None:
            total = self._timeout if timeout is None else arguments.seconds("timeout", timeout)
            deadline = None if total is None else self._clock.monotonic() + total
        return OpContext(
            operation,
            bucket,
            key,
            deadline,
            self._retry,
            self._observer,
            self._clock,
            self._random,
        )

    @property
    def transfer(self) -> TransferConfig:
        """How large objects are cut, and how much of them is under way."""
        return self._transfer

    @property
    def is_observed(self) -> bool:
        """Whether somebody is told of every operation."""
        return self._observer is not None

    # --- checks ---

    def _check_bucket(self, bucket: str) -> None:
        if bucket != self._good_bucket:
            check_bucket(self.driver, bucket)
            self._good_bucket = bucket

    def _check(self, bucket: str, key: str) -> None:
        if bucket != self._good_bucket:
            check_bucket(self.driver, bucket)
            self._good_bucket = bucket
        check_key(self.driver, key)

    def _ready(self, ctx: OpContext) -> Flow[None]:
        """Lets the driver ask what its vendor can do, once."""
        if not self._discovered:
            yield from self.driver.discover(ctx)
            self._discovered = True

    def _which_is_missing(self, ctx: OpContext, bucket: str, error: NotFoundError) -> Flow[None]:
        """Of an answer that does not tell, finds whether the bucket or the object is missing."""
        found = yield from which_is_missing(self.driver, ctx, bucket, error)
        raise found from (None if found is error else error)

    def check_many(self, ctx: OpContext, bucket: str, check: Callable[[], object]) -> Flow[None]:
        """Refuses what would be refused for each of many objects, before the first."""
        self._check_bucket(bucket)
        yield from self._ready(ctx)
        check()

    # --- buckets ---

    def create_bucket(self, ctx: OpContext, bucket: str) -> Flow[BucketInfo]:
        """See `Store`."""
        self._check_bucket(bucket)
        yield from self._ready(ctx)
        require(self.driver, "create_bucket")
        try:
            return (yield from self.driver.create_bucket(ctx, bucket))
        except BucketAlreadyExistsError as exc:
            if exc.outcome != "unknown":
                raise
            # An answer was lost: it is ours if we may enter it, and then it was made just now.
            try:
                return (yield from self.driver.head_bucket(ctx.for_cleanup(), bucket))
            except CloudStoreError:
                raise exc from None

    def delete_bucket(self, ctx: OpContext, bucket: str, *, force: bool) -> Flow[None]:
        """See `Store`."""
        self._check_bucket(bucket)
        yield from self._ready(ctx)
        require(self.driver, "create_bucket")
        try:
            if force:
                yield from self._delete_with_all(ctx, bucket)
            else:
                yield from self.driver.delete_bucket(ctx, bucket)
        except BucketNotFoundError as exc:
            if exc.outcome != "unknown":
                raise
            # An answer was lost: it is gone, as it was to be.
        except CloudStoreError as exc:
            if force:
                exc.outcome = "unknown"  # some of what was in it may be gone
            raise

    def _delete_with_all(self, ctx: OpContext, bucket: str) -> Flow[None]:
        """Empties the bucket and deletes it; again where something has come in between, such as what
        was still under way when its writer gave up."""
        for attempt in range(1, EMPTYING_ATTEMPTS + 1):
            yield from self._empty(ctx, bucket)
            try:
                yield from self.driver.delete_bucket(ctx, bucket)
            except BucketNotEmptyError:
                if attempt == EMPTYING_ATTEMPTS:
                    raise
            else:
                return

    def _empty(self, ctx: OpContext, bucket: str) -> Flow[None]:
        options = ListOptions(limit=self.driver.limits.page_size)
        while True:
            page = yield from self.driver.list_page(ctx, bucket, options)
            check_progress(options.token, page.token)
            failed = yield from self._delete_keys(ctx, bucket, [o.key for o in page.objects])
            if failed:
                raise PartialFailureError(f"{len(failed)} objects could not be deleted", results=failed)
            if page.token is None:
                break
            options = replace(options, token=page.token)
        if self.driver.capabilities.list_uploads:
            for found in (yield from self._uploads(ctx, bucket, "")):
                yield from self._abort_if_there(ctx, found.ref)

    def head_bucket(self, ctx: OpContext, bucket: str) -> Flow[BucketInfo]:
        """See `Store.get_bucket`."""
        self._check_bucket(bucket)
        yield from self._ready(ctx)
        return (yield from self.driver.head_bucket(ctx, bucket))

    def bucket_exists(self, ctx: OpContext, bucket: str) -> Flow[bool]:
        """See `Store`."""
        try:
            yield from self.head_bucket(ctx, bucket)
        except BucketNotFoundError:
            return False
        return True

    def list_buckets(self, ctx: OpContext) -> Flow[list[BucketInfo]]:
        """See `Store.get_all_buckets`."""
        yield from self._ready(ctx)
        require(self.driver, "list_buckets")
        return (yield from self.driver.list_buckets(ctx))

    # --- reading ---

    def get_object(
        self, ctx: OpContext, bucket: str, key: str, options: Mapping[str, Any]
    ) -> Flow[GetResult]:
        """See `Store`."""
        self._check(bucket, key)
        if not self._discovered:
            yield from self._ready(ctx)
        checked = self.get_options(options) if options else _PLAIN_GET
        try:
            return (yield from self.driver.get_object(ctx, bucket, key, checked))
        except NotFoundError as exc:
            yield from self._which_is_missing(ctx, bucket, exc)
            raise

    def part_size(self, ctx: OpContext, bucket: str, key: str, info: ObjectInfo) -> Flow[int | None]:
        """See `Driver`; None where that fails, for nothing but the ends of parts depends on it."""
        try:
            return (yield from self.driver.part_size(ctx, bucket, key, info))
        except CloudStoreError:
            return None

    def get_options(self, options: Mapping[str, Any]) -> GetOptions:
        """The options of a read, checked.

        Raises:
            InvalidArgumentError, UnsupportedError
        """
        return arguments.checked(arguments.get_options, self.driver, options)

    def download(
        self,
        ctx: OpContext,
        bucket: str,
        key: str,
        path: str | os.PathLike[str],
        options: Mapping[str, Any],
        progress: Progress | None,
        *,
        resume: bool,
    ) -> Flow[ObjectInfo]:
        """See `Store.get_object_to_file`."""
        if resume:
            yield from self._ready(ctx)
            require(self.driver, "ranges")
        opened = yield from self.get_object(ctx, bucket, key, options)
        return (
            yield from download_to_file(
                self.driver, ctx, bucket, key, opened, path, self._transfer, progress, resume=resume
            )
        )

    def head_object(
        self, ctx: OpContext, bucket: str, key: str, options: Mapping[str, Any]
    ) -> Flow[ObjectInfo]:
        """See `Store`."""
        self._check(bucket, key)
        if not self._discovered:
            yield from self._ready(ctx)
        checked = self.get_options(options) if options else _PLAIN_GET
        try:
            return (yield from self.driver.head_object(ctx, bucket, key, checked))
        except NotFoundError as exc:
            yield from self._which_is_missing(ctx, bucket, exc)
            raise

    def object_exists(self, ctx: OpContext, bucket: str, key: str) -> Flow[bool]:
        """See `Store`. Does not look whether it is the bucket that is missing."""
        self._check(bucket, key)
        if not self._discovered:
            yield from self._ready(ctx)
        try:
            yield from self.driver.head_object(ctx, bucket, key, _PLAIN_GET)
        except NotFoundError:
            return False
        return True

    # --- writing ---

    def create_object(
        self,
        ctx: OpContext,
        bucket: str,
        key: str,
        data: Any,
        options: Mapping[str, Any],
        progress: Progress | None,
        cut: Regions | None = None,
    ) -> Flow[tuple[PutResult, PutOptions, int]]:
        """See `Store`. Returns what was made, with which options, and how large it is.

        Args:
            cut: see `upload`.
        """
        self._check(bucket, key)
        if not self._discovered:
            yield from self._ready(ctx)
        checked = self.put_options(options)
        source = yield from open_source(ctx, data, asynchronous=self.asynchronous)
        try:
            result, size = yield from upload(
                self.driver, ctx, bucket, key, source, checked, self._transfer, progress, cut
            )
        finally:
            source.close()
        return result, checked, size

    def goes_in_parts(self, size: int) -> bool:
        """Whether an object of this size is written by a multipart upload."""
        return goes_in_parts(self.driver, size, self._transfer)

    def cut_of_copy(self, ctx: OpContext, size: int, stated: int | None) -> Flow[Regions]:
        """Where a copy in parts is cut, of an object whose parts have `stated` bytes.

        Raises:
            TooLargeError
        """
        yield from self._ready(ctx)
        part_size = kept_part_size(size, stated, self._transfer, self.driver.limits)
        return Regions(size, part_size)

    def create_resumably(
        self,
        ctx: OpContext,
        bucket: str,
        key: str,
        path: str | os.PathLike[str],
        resume: str | os.PathLike[str] | UploadRef | Literal[True],
        options: Mapping[str, Any],
        progress: Progress | None,
    ) -> Flow[tuple[PutResult, PutOptions, int]]:
        """See `Store.create_object_from_file`; returns what `create_object` does."""
        self._check(bucket, key)
        if isinstance(resume, UploadRef):
            self._check_upload(resume)
            if (resume.bucket, resume.key) != (bucket, key):
                raise InvalidArgumentError(f"this upload is of {resume.bucket}/{resume.key}")
        yield from self._ready(ctx)
        require(self.driver, "multipart")
        require(self.driver, "list_parts")
        checked = self.put_options(options)
        source = yield from open_source(ctx, Path(path), asynchronous=self.asynchronous)
        try:
            result, size = yield from upload_resumably(
                self.driver, ctx, bucket, key, path, source, resume, checked, self._transfer, progress
            )
        finally:
            source.close()
        return result, checked, size

    def open_upload(
        self,
        ctx: OpContext,
        bucket: str,
        key: str,
        options: Mapping[str, Any],
        progress: Progress | None,
    ) -> Flow[StreamedUpload]:
        """See `Store.open_writer`."""
        self._check(bucket, key)
        yield from self._ready(ctx)
        checked = self.put_options(options)
        tally = Tally(None, progress)
        return StreamedUpload(
            Destination(self.driver, ctx, bucket, key, checked, self._transfer, tally)
        )

    def put_options(self, options: Mapping[str, Any]) -> PutOptions:
        """The options of a write, checked.

        Raises:
            InvalidArgumentError, UnsupportedError
        """
        checked = arguments.checked(arguments.put_options, self.driver, options)
        capabilities = self.driver.capabilities
        # Refused here where neither way of writing could honour it; else where the way is known.
        if checked.if_absent and not capabilities.complete_if_absent:
            require(self.driver, "put_if_absent")
        if checked.if_match is not None and not capabilities.complete_if_match:
            require(self.driver, "put_if_match")
        return checked

    def delete_object(
        self,
        ctx: OpContext,
        bucket: str,
        key: str,
        *,
        missing_ok: bool,
        options: Mapping[str, Any],
    ) -> Flow[None]:
        """See `Store`."""
        self._check(bucket, key)
        if not self._discovered:
            yield from self._ready(ctx)
        checked = arguments.checked(arguments.delete_options, self.driver, options)
        try:
            if not missing_ok:
                yield from self.driver.head_object(
                    ctx, bucket, key, GetOptions(version=checked.version)
                )
            yield from self.driver.delete_object(ctx, bucket, key, checked)
        except NotFoundError as exc:
            try:
                yield from self._which_is_missing(ctx, bucket, exc)
            except ObjectNotFoundError:
                # After a lost answer it is gone by this very deletion: the look before has seen it.
                if not missing_ok and exc.outcome != "unknown":
                    raise

    def delete_objects(self, ctx: OpContext, bucket: str, keys: Iterable[str]) -> Flow[list[str]]:
        """See `Store`."""
        self._check_bucket(bucket)
        wanted = list(keys)
        if isinstance(keys, str):
            raise InvalidArgumentError("keys are a list or another iterable of keys")
        for key in wanted:
            check_key(self.driver, key)
        yield from self._ready(ctx)
        failed = yield from self._delete_keys(ctx, bucket, wanted)
        if failed:
            raise PartialFailureError(
                f"{len(failed)} of {len(wanted)} objects could not be deleted",
                results=failed,
                outcome=_outcome_of_many(failed, wanted),
            )
        return wanted

    def _delete_keys(
        self, ctx: OpContext, bucket: str, keys: Sequence[str]
    ) -> Flow[dict[str, CloudStoreError]]:
        failed: dict[str, CloudStoreError] = {}
        if self.driver.capabilities.delete_objects:
            size = self.driver.limits.delete_batch
            batches = [keys[first : first + size] for first in range(0, len(keys), size)]
            try:
                if len(batches) == 1:
                    failed.update((yield from self.driver.delete_objects(ctx, bucket, batches[0])))
                elif batches:
                    flows = (self.driver.delete_objects(ctx, bucket, batch) for batch in batches)
                    for some in (yield Gather(flows, limit=BATCHES_AT_ONCE)):
                        failed.update(some)
            except CloudStoreError as exc:
                if len(batches) > 1:
                    exc.outcome = "unknown"  # other batches are gone
                raise
            self._complete_all(ctx, bucket, failed)
            return failed
        deletes = (self.delete_object(ctx, bucket, key, missing_ok=True, options={}) for key in keys)
        results = yield Gather(deletes, limit=DELETES_AT_ONCE, fail_fast=False)
        for key, result in zip(keys, results, strict=True):
            if isinstance(result, BucketNotFoundError):
                raise result
            if isinstance(result, CloudStoreError):
                failed[key] = result
            elif isinstance(result, Exception):
                raise result
        self._complete_all(ctx, bucket, failed)
        return failed

    def _complete_all(self, ctx: OpContext, bucket: str, failed: Mapping[str, CloudStoreError]) -> None:
        """Has the error of each key say what it was about, as the error of an operation does."""
        for key, error in failed.items():
            error.vendor = error.vendor or self.driver.scheme
            error.operation, error.bucket, error.key = ctx.operation, bucket, key

    def begin_expiring(self, ctx: OpContext, bucket: str) -> Flow[bool]:
        """Whether `Store.expire_due` has anything to do: else the vendor does it.

        Raises:
            UnsupportedError: neither does.
        """
        self._check_bucket(bucket)
        yield from self._ready(ctx)
        require(self.driver, "expires_in")
        return self._expiring is not None and self._expiring.emulates

    def expire_object(
        self, ctx: OpContext, bucket: str, key: str, *, dry_run: bool
    ) -> Flow[ObjectInfo | None]:
        """See `Store.expire_due`, of one object: what was deleted, or would be."""
        assert self._expiring is not None
        return (yield from self._expiring.expire(ctx, bucket, key, dry_run=dry_run))

    # --- copying ---

    def copy_object(
        self,
        ctx: OpContext,
        bucket: str,
        key: str,
        to_bucket: str,
        to_key: str,
        conditions: Mapping[str, Any],
        changes: Mapping[str, Any],
    ) -> Flow[PutResult]:
        """See `Store`."""
        self._check(bucket, key)
        self._check(to_bucket, to_key)
        if not self._discovered:
            yield from self._ready(ctx)
        options, changed = self.copy_options(conditions, changes)
        conditional = options.if_absent or options.if_match is not None
        try:
            if changed is None and not (conditional and self.driver.capabilities.settles_writes):
                return (
                    yield from self.driver.copy_object(ctx, bucket, key, to_bucket, to_key, options)
                )
            return (
                yield from self._copy_changed(
                    ctx, bucket, key, to_bucket, to_key, options, changed, changes
                )
            )
        except NotFoundError as exc:
            yield from self._which_is_missing(ctx, bucket, exc)
            raise

    def _copy_changed(
        self,
        ctx: OpContext,
        bucket: str,
        key: str,
        to_bucket: str,
        to_key: str,
        options: CopyOptions,
        changed: PutOptions | None,
        changes: Mapping[str, Any],
    ) -> Flow[PutResult]:
        """A copy whose options stand on those of its source. A source that is replaced meanwhile
        is read again, unless the caller has said which one it must be.

        Raises:
            UnavailableError: it was replaced again and again.
        """
        wanted, pins = options.source_if_match, self.driver.capabilities.copy_source_if_match
        names_target = options.if_absent or options.if_match is not None
        refused: PreconditionFailedError | None = None
        for _ in range(SOURCE_ATTEMPTS):
            info = yield from self.driver.head_object(ctx, bucket, key, GetOptions(if_match=wanted))
            if refused is not None and names_target and info.etag == options.source_if_match:
                raise refused  # for what it found at the target, not at the source
            if pins:
                options.source_if_match = info.etag
            merged = _merged(info, changed, changes)
            if "expires_in" not in changes:
                keep_expiry(merged, info, self.driver, ctx)
            write_id, options.replace = with_new_write_id(self.driver, ctx, merged)
            try:
                return (
                    yield from self.driver.copy_object(ctx, bucket, key, to_bucket, to_key, options)
                )
            except NotFoundError:
                raise
            except CloudStoreError as exc:
                again = pins and wanted is None and exc.outcome == "not_applied"
                if not (again and isinstance(exc, PreconditionFailedError)):
                    return (yield from settle(self.driver, ctx, to_bucket, to_key, write_id, exc))
                refused = exc
        raise UnavailableError("the source is replaced again and again", retryable=True) from refused

    def copy_options(
        self, conditions: Mapping[str, Any], changes: Mapping[str, Any]
    ) -> tuple[CopyOptions, PutOptions | None]:
        """The conditions of a copy and what it changes, checked.

        Raises:
            InvalidArgumentError, UnsupportedError
        """
        for name in changes:
            if name not in _CHANGEABLE:
                raise InvalidArgumentError(f"a copy has no option {name!r}")
        options = arguments.checked(arguments.copy_options, self.driver, conditions)
        if not changes:
            return options, None
        return options, arguments.checked(arguments.put_options, self.driver, changes)

    def move_object(
        self,
        ctx: OpContext,
        bucket: str,
        key: str,
        to_bucket: str,
        to_key: str,
        conditions: Mapping[str, Any],
        changes: Mapping[str, Any],
    ) -> Flow[PutResult]:
        """See `Store`: the source goes only once the copy is there, and only if it is the same."""
        if (bucket, key) == (to_bucket, to_key):
            raise InvalidArgumentError("an object cannot be moved onto itself")
        self._check(bucket, key)
        self._check(to_bucket, to_key)
        yield from self._ready(ctx)
        self.copy_options(conditions, changes)  # refuses before anything is sent
        capabilities = self.driver.capabilities
        pinned = dict(conditions)
        etag = pinned.get("source_if_match")
        if etag is None and (capabilities.copy_source_if_match or capabilities.delete_if_match):
            etag = (yield from self.head_object(ctx, bucket, key, {})).etag
            if capabilities.copy_source_if_match:
                pinned["source_if_match"] = etag
        result = yield from self.copy_object(ctx, bucket, key, to_bucket, to_key, pinned, changes)
        guard = etag if capabilities.delete_if_match else None
        try:
            yield from self.driver.delete_object(ctx, bucket, key, DeleteOptions(if_match=guard))
        except CloudStoreError as exc:
            if isinstance(exc, NotFoundError) and not isinstance(exc, BucketNotFoundError):
                return result  # gone it is, perhaps by an attempt of ours whose answer was lost
            answer_lost = exc.outcome == "unknown" and isinstance(exc, PreconditionFailedError)
            exc.outcome = "unknown"  # the copy is there
            if not answer_lost or (yield from self.object_exists(ctx.for_cleanup(), bucket, key)):
                raise
        return result

    # --- metadata ---

    def set_metadata(
        self,
        ctx: OpContext,
        bucket: str,
        key: str,
        metadata: Mapping[str, str | None],
        *,
        replace_all: bool,
        if_match: str | None,
    ) -> Flow[dict[str, str]]:
        """See `Store`."""
        self._check(bucket, key)
        yield from self._ready(ctx)
        driver = self.driver
        require(driver, "metadata")
        changes, removed = arguments.metadata_changes(driver, metadata)
        if not driver.capabilities.update_metadata:
            require(driver, "copy")
        if if_match is not None:
            arguments.put_options(driver, if_match=if_match)  # checks its form
            feature = "update_metadata" if driver.capabilities.update_metadata else "copy"
            require(driver, f"{feature}_if_match")
        attempts = 0
        while True:
            attempts += 1
            info = yield from self.head_object(ctx, bucket, key, {})
            if if_match is not None and info.etag != if_match:
                raise PreconditionFailedError("the object has another ETag")
            kept = {
                name: value
                for name, value in info.metadata.items()
                if is_internal_metadata(name) or not (replace_all or name in removed)
            }
            merged = {**kept, **changes}
            arguments.check_metadata(driver, merged, internal=True)
            try:
                yield from self._replace_metadata(ctx, bucket, key, info, merged)
            except PreconditionFailedError:
                # Somebody else changed the object between our reading and our writing.
                if if_match is not None or attempts == METADATA_ATTEMPTS:
                    raise
                continue
            return visible_metadata(merged)

    def _replace_metadata(
        self,
        ctx: OpContext,
        bucket: str,
        key: str,
        info: ObjectInfo,
        metadata: dict[str, str],
    ) -> Flow[PutResult]:
        driver, capabilities = self.driver, self.driver.capabilities
        if capabilities.update_metadata:
            guard = info.etag if capabilities.update_metadata_if_match else None
            return (yield from driver.update_metadata(ctx, bucket, key, metadata, guard))
        kept = replace(info.put_options(), metadata=metadata)
        keep_expiry(kept, info, driver, ctx)
        options = CopyOptions(replace=kept)
        if capabilities.copy_if_match:
            options.if_match = info.etag
        if capabilities.copy_source_if_match:
            options.source_if_match = info.etag
        return (yield from driver.copy_object(ctx, bucket, key, bucket, key, options))

    # --- listing ---

    def list_page(self, ctx: OpContext, bucket: str, options: ListOptions) -> Flow[Page]:
        """One page, without what is ours and the placeholder of a folder that is listed itself."""
        self._check_bucket(bucket)
        if not self._discovered:
            yield from self._ready(ctx)
        self._check_listing(options)
        page = yield from self.driver.list_page(ctx, bucket, options)
        check_progress(options.token, page.token)
        if options.delimiter and options.prefix.endswith(options.delimiter):
            page.objects = [o for o in page.objects if o.key != options.prefix]
        prefix = options.prefix
        if RESERVED_PREFIX.startswith(prefix) or prefix.startswith(RESERVED_PREFIX):
            page.objects = [o for o in page.objects if not o.key.startswith(RESERVED_PREFIX)]
            page.prefixes = [p for p in page.prefixes if not p.startswith(RESERVED_PREFIX)]
        return page

    def parallel_listing(
        self, make_context: Callable[[], OpContext], bucket: str, options: ListOptions, concurrency: int
    ) -> ParallelListing | None:
        """A listing by ranges of keys side by side; None where the vendor's order allows none."""
        if isinstance(concurrency, bool) or not isinstance(concurrency, int) or concurrency < 1:
            raise InvalidArgumentError(f"max_concurrency is at least 1, not {concurrency!r}")
        capabilities = self.driver.capabilities
        in_order = capabilities.ordered_listing and capabilities.start_after
        if concurrency == 1 or options.delimiter or not in_order:
            return None
        return ParallelListing(
            lambda some: self.list_page(make_context(), bucket, some), options, concurrency
        )

    def _check_listing(self, options: ListOptions) -> None:
        capabilities = self.driver.capabilities
        for name in ("prefix", "delimiter", "start_after"):
            value = getattr(options, name)
            if not isinstance(value, str):
                raise InvalidArgumentError(f"{name} is text, not {type(value).__name__}")
            try:
                value.encode()
            except UnicodeEncodeError:
                raise InvalidArgumentError(f"{name} has a lone surrogate") from None
        if options.token is not None and not isinstance(options.token, str):
            raise InvalidArgumentError(f"marker is text, not {type(options.token).__name__}")
        if options.delimiter not in ("", "/") and not capabilities.any_delimiter:
            require(self.driver, "any_delimiter")
        if options.start_after:
            require(self.driver, "start_after")
        if isinstance(options.limit, bool) or not isinstance(options.limit, int):
            raise InvalidArgumentError(f"max_keys is a whole number, not {options.limit!r}")
        if options.limit < 1:
            raise InvalidArgumentError("max_keys must be at least 1")
        if options.limit > self.driver.limits.page_size:
            options.limit = self.driver.limits.page_size

    # --- multipart ---

    def create_multipart(
        self, ctx: OpContext, bucket: str, key: str, options: Mapping[str, Any]
    ) -> Flow[UploadRef]:
        """See `Store.create_multipart_upload`."""
        self._check(bucket, key)
        yield from self._ready(ctx)
        require(self.driver, "multipart")
        for name in ("if_absent", "if_match", "checksum"):
            if options.get(name):
                raise InvalidArgumentError(
                    f"{name}= is not for the beginning of a multipart upload; "
                    "conditions are given to its completion"
                )
        checked = arguments.checked(arguments.put_options, self.driver, options)
        return (yield from begin_upload(self.driver, ctx, bucket, key, checked))

    def resume_multipart(self, ctx: OpContext, ref: UploadRef) -> Flow[list[Part]]:
        """See `Store.resume_multipart_upload`: the parts that are there."""
        self._check_upload(ref)
        yield from self._ready(ctx)
        return (yield from self.list_parts(ctx, ref))

    def _check_upload(self, ref: UploadRef) -> None:
        if ref.vendor != self.driver.scheme:
            raise InvalidArgumentError(
                f"this upload is of {ref.vendor!r}, the store is {self.driver.scheme!r}"
            )
        self._check(ref.bucket, ref.key)

    def upload_part(self, ctx: OpContext, ref: UploadRef, number: int, data: Any) -> Flow[Part]:
        """See `MultipartUpload`."""
        limits = self.driver.limits
        if isinstance(number, bool) or not isinstance(number, int):
            raise InvalidArgumentError(f"a part's number is a whole number, not {number!r}")
        if not 1 <= number <= limits.max_parts:
            raise InvalidArgumentError(f"a part's number is 1 to {limits.max_parts}, not {number}")
        source = yield from open_source(ctx, data, asynchronous=self.asynchronous)
        try:
            payload = source.payload
            if payload is None:
                assert source.stream is not None
                data = yield from source.stream.read(limits.max_part_size + 1)
                payload = BytesPayload(data)
            if payload.size > limits.max_part_size:
                raise TooLargeError(f"a part has at most {limits.max_part_size} bytes")
            return (yield from self.driver.upload_part(ctx, ref, number, payload))
        finally:
            source.close()

    def list_parts(self, ctx: OpContext, ref: UploadRef) -> Flow[list[Part]]:
        """See `MultipartUpload`."""
        require(self.driver, "list_parts")
        return (yield from all_parts(self.driver, ctx, ref))

    def complete_multipart(
        self,
        ctx: OpContext,
        ref: UploadRef,
        parts: Sequence[Part],
        *,
        if_absent: bool,
        if_match: str | None,
    ) -> Flow[PutResult]:
        """See `MultipartUpload`."""
        arguments.put_options(self.driver, if_absent=if_absent, if_match=if_match)
        if if_absent:
            require(self.driver, "complete_if_absent")
        if if_match is not None:
            require(self.driver, "complete_if_match")
        if not parts:
            raise InvalidPartError("an upload is completed with at least one part")
        ordered = sorted(parts, key=lambda part: part.number)
        if len({part.number for part in ordered}) != len(ordered):
            raise InvalidPartError("a part's number stands there twice")
        for part in ordered[:-1]:
            if part.size < self.driver.limits.min_part_size:
                raise InvalidPartError(
                    f"part {part.number} has {part.size} bytes; all but the last need "
                    f"{self.driver.limits.min_part_size}"
                )
        conditions = CompleteOptions(if_absent, if_match)
        return (yield from complete_upload(self.driver, ctx, ref, ordered, conditions))

    def abort_multipart(self, ctx: OpContext, ref: UploadRef) -> Flow[None]:
        """See `MultipartUpload`."""
        yield from abort_upload(self.driver, ctx, ref)

    def list_uploads(self, ctx: OpContext, bucket: str, prefix: str) -> Flow[list[UploadInfo]]:
        """See `Store.list_multipart_uploads`."""
        self._check_bucket(bucket)
        yield from self._ready(ctx)
        require(self.driver, "list_uploads")
        return (yield from self._uploads(ctx, bucket, prefix))

    def _uploads(self, ctx: OpContext, bucket: str, prefix: str) -> Flow[list[UploadInfo]]:
        found: list[UploadInfo] = []
        token = None
        while True:
            page = yield from self.driver.list_uploads(ctx, bucket, prefix, token)
            check_progress(token, page.token)
            found += page.uploads
            token = page.token
            if token is None:
                return found

    def abort_stale_uploads(
        self, ctx: OpContext, bucket: str, older_than: timedelta, prefix: str
    ) -> Flow[list[UploadRef]]:
        """See `Store`."""
        if not isinstance(older_than, timedelta) or older_than < timedelta():
            raise InvalidArgumentError("older_than is a timedelta, and not negative")
        limit = ctx.clock.now() - older_than.total_seconds()
        aborted = []
        for found in (yield from self.list_uploads(ctx, bucket, prefix)):
            if found.started_at is None or found.started_at.timestamp() > limit:
                continue
            if (yield from self._abort_if_there(ctx, found.ref)):
                aborted.append(found.ref)
        return aborted

    def _abort_if_there(self, ctx: OpContext, ref: UploadRef) -> Flow[bool]:
        try:
            yield from abort_upload(self.driver, ctx, ref)
        except UploadNotFoundError:
            return False
        return True

    # --- access ---

    def presign(
        self, ctx: OpContext, bucket: str, key: str, method: str, options: Mapping[str, Any]
    ) -> Flow[PresignedRequest]:
        """See `Store.presign` and `Store.presign_post`."""
        self._check(bucket, key)
        yield from self._ready(ctx)
        checked: PresignOptions = arguments.checked(
            arguments.presign_options, self.driver, {**options, "method": method}
        )
        return (yield from self.driver.presign(ctx, bucket, key, checked))

    def get_acl(self, ctx: OpContext, bucket: str, key: str | None) -> Flow[str]:
        """See `Store`."""
        yield from self._gated(ctx, bucket, key, "acl" if key is None else "object_acl")
        return (yield from self._found(ctx, bucket, self.driver.get_acl(ctx, bucket, key)))

    def set_acl(self, ctx: OpContext, bucket: str, key: str | None, acl: str) -> Flow[None]:
        """See `Store`."""
        arguments.header_value("acl", acl)
        yield from self._gated(ctx, bucket, key, "acl" if key is None else "object_acl")
        yield from self._found(ctx, bucket, self.driver.set_acl(ctx, bucket, key, acl))

    def get_tags(self, ctx: OpContext, bucket: str, key: str) -> Flow[dict[str, str]]:
        """See `Store`."""
        self._check(bucket, key)
        yield from self._gated(ctx, bucket, key, "tags")
        return (yield from self._found(ctx, bucket, self.driver.get_tags(ctx, bucket, key)))

    def set_tags(self, ctx: OpContext, bucket: str, key: str, tags: Mapping[str, str]) -> Flow[None]:
        """See `Store`."""
        self._check(bucket, key)
        yield from self._gated(ctx, bucket, key, "tags")
        checked = arguments.check_tags(self.driver, tags)
        yield from self._found(ctx, bucket, self.driver.set_tags(ctx, bucket, key, checked))

    def set_website(
        self, ctx: OpContext, bucket: str, index: str | None, error: str | None
    ) -> Flow[None]:
        """See `Store`."""
        arguments.check_website(index, error)
        yield from self._gated(ctx, bucket, None, "website")
        yield from self.driver.set_website(ctx, bucket, index, error)

    def get_versioning(self, ctx: OpContext, bucket: str) -> Flow[bool]:
        """See `Store`."""
        yield from self._gated(ctx, bucket, None, "versioning")
        return (yield from self.driver.get_versioning(ctx, bucket))

    def set_versioning(self, ctx: OpContext, bucket: str, enabled: bool) -> Flow[None]:
        """See `Store`."""
        if not isinstance(enabled, bool):
            raise InvalidArgumentError(f"enabled is True or False, not {enabled!r}")
        yield from self._gated(ctx, bucket, None, "versioning")
        yield from self.driver.set_versioning(ctx, bucket, enabled)

    def get_lifecycle(self, ctx: OpContext, bucket: str) -> Flow[list[LifecycleRule]]:
        """See `Store`."""
        yield from self._gated(ctx, bucket, None, "lifecycle")
        return (yield from self.driver.get_lifecycle(ctx, bucket))

    def set_lifecycle(self, ctx: OpContext, bucket: str, rules: Iterable[LifecycleRule]) -> Flow[None]:
        """See `Store`."""
        yield from self._gated(ctx, bucket, None, "lifecycle")
        checked = arguments.lifecycle_rules(self.driver, rules)
        yield from self.driver.set_lifecycle(ctx, bucket, checked)

    def purge_cdn(self, ctx: OpContext, urls: Iterable[str]) -> Flow[None]:
        """See `Store`."""
        yield from self._ready(ctx)
        require(self.driver, "cdn")
        if given := arguments.cdn_urls(urls):
            yield from self.driver.purge_cdn(ctx, given)

    def prefetch_cdn(self, ctx: OpContext, urls: Iterable[str]) -> Flow[None]:
        """See `Store`."""
        yield from self._ready(ctx)
        require(self.driver, "cdn_prefetch")
        if given := arguments.cdn_urls(urls):
            yield from self.driver.prefetch_cdn(ctx, given)

    def get_account(self, ctx: OpContext) -> Flow[AccountInfo]:
        """See `Store`."""
        yield from self._ready(ctx)
        require(self.driver, "account")
        return (yield from self.driver.get_account(ctx))

    def set_account_metadata(
        self, ctx: OpContext, metadata: Mapping[str, str | None], *, replace_all: bool
    ) -> Flow[None]:
        """See `Store`."""
        yield from self._ready(ctx)
        require(self.driver, "account_metadata")
        changes, removed = arguments.metadata_changes(self.driver, metadata)
        if replace_all:
            held = yield from self.driver.get_account(ctx)
            removed |= held.metadata.keys() - changes.keys()
        if changes or removed:
            yield from self.driver.update_account_metadata(
                ctx, {**changes, **dict.fromkeys(removed, None)}
            )

    def set_bucket_metadata(
        self, ctx: OpContext, bucket: str, metadata: Mapping[str, str | None], *, replace_all: bool
    ) -> Flow[None]:
        """See `Store`."""
        yield from self._gated(ctx, bucket, None, "bucket_metadata")
        changes, removed = arguments.metadata_changes(self.driver, metadata)
        if replace_all:
            held = yield from self.driver.head_bucket(ctx, bucket)
            removed |= held.metadata.keys() - changes.keys()
        yield from self.driver.update_bucket_metadata(
            ctx, bucket, {**changes, **dict.fromkeys(removed, None)}
        )

    def _found(self, ctx: OpContext, bucket: str, flow: Flow[T]) -> Flow[T]:
        """A flow about an object, which may not tell that it is the bucket that is missing."""
        try:
            return (yield from flow)
        except NotFoundError as exc:
            yield from self._which_is_missing(ctx, bucket, exc)
            raise

    def _gated(self, ctx: OpContext, bucket: str, key: str | None, feature: str) -> Flow[None]:
        self._check_bucket(bucket)
        if key is not None:
            check_key(self.driver, key)
        yield from self._ready(ctx)
        require(self.driver, feature)


_PLAIN_GET = GetOptions()
_CHANGEABLE = frozenset(HeaderOptions.__annotations__)


def visible_metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    """The metadata without the names that are ours."""
    return {name: value for name, value in metadata.items() if not is_internal_metadata(name)}


def _outcome_of_many(failed: Mapping[str, CloudStoreError], wanted: Sequence[str]) -> Outcome:
    """Nothing was done only where nothing was done to any."""
    untouched = all(error.outcome == "not_applied" for error in failed.values())
    return "not_applied" if untouched and len(failed) == len(set(wanted)) else "unknown"


def _merged(info: ObjectInfo, changed: PutOptions | None, changes: Mapping[str, Any]) -> PutOptions:
    """The head of a copy: the source's, with what the caller changes; without our names."""
    merged = replace(info.put_options(), metadata=visible_metadata(info.metadata))
    if changed is not None:
        for name in changes:
            setattr(merged, name, getattr(changed, name))
    return merged
