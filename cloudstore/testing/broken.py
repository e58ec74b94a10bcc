"""Drivers that are wrong on purpose, each with the conformance tests that must find it out.

They prove the suite: a fault that no test finds could sit in any driver. Each is the memory driver
(with the settings of `AdministeredDriver` where it is about those) with one thing broken, and names the
tests of `ConformanceSuite` that fail for it (others may, too).
"""

from __future__ import annotations

import threading
import zlib
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import quote, unquote

from ..bodies import BytesBody, BytesPayload, Payload
from ..capabilities import RESERVED_PREFIX, Capabilities, KeyRule
from ..driver import Driver, Flow, GetResult, OpContext, Sleep
from ..errors import (
    BucketNotFoundError,
    CloudStoreError,
    ObjectNotFoundError,
    PreconditionFailedError,
    UnavailableError,
)
from ..model import (
    AccountInfo,
    ByteRange,
    CompleteOptions,
    CopyOptions,
    DeleteOptions,
    GetOptions,
    LifecycleRule,
    ListOptions,
    ObjectInfo,
    Page,
    Part,
    PartPage,
    PresignedRequest,
    PresignOptions,
    PutOptions,
    PutResult,
    UploadInfo,
    UploadPage,
    UploadRef,
)
from ..pass_through import BorrowingDriver, PassThroughDriver
from ..providers.memory import MemoryConfig
from ..store import Store
from .administered import AdministeredDriver

__all__ = ["BROKEN_DRIVERS", "BrokenDriver"]


RACE_SECONDS = 0.1
"""How long the drivers that race hold their gap open."""
TAKEN_AT_ONCE = 100


class _Broken(PassThroughDriver):
    """Over a memory of its own, unless it is given another driver."""

    def __init__(self, inner: Driver | None = None) -> None:
        super().__init__(inner or MemoryConfig().create_driver())

    def _whole(self, ctx: OpContext, bucket: str, key: str) -> Flow[bytes]:
        """The bytes of an object."""
        opened = yield from self.inner.get_object(ctx, bucket, key, GetOptions())
        return opened.body.take() or b""


# --- reading --------------------------------------------------------------------------------------


class OffsetIgnored(_Broken):
    """A range without an end gives the whole object."""

    def get_object(self, ctx: OpContext, bucket: str, key: str, options: GetOptions) -> Flow[GetResult]:
        """See the class."""
        if options.range.end is None:
            options = replace(options, range=ByteRange())
        return self.inner.get_object(ctx, bucket, key, options)


class RangeEndIgnored(_Broken):
    """A range goes on to the end of the object."""

    def get_object(self, ctx: OpContext, bucket: str, key: str, options: GetOptions) -> Flow[GetResult]:
        """See the class."""
        options = replace(options, range=ByteRange(options.range.start))
        return self.inner.get_object(ctx, bucket, key, options)


class RangeEndInclusive(_Broken):
    """The end of a range is taken for its last byte, as HTTP writes it."""

    def get_object(self, ctx: OpContext, bucket: str, key: str, options: GetOptions) -> Flow[GetResult]:
        """See the class."""
        end = options.range.end
        if end is not None:
            options = replace(options, range=ByteRange(options.range.start, end + 1))
        return self.inner.get_object(ctx, bucket, key, options)


class SuffixIsAnOffset(_Broken):
    """A suffix longer than the object is an error, as where a vendor's 416 is passed on."""

    def get_object(self, ctx: OpContext, bucket: str, key: str, options: GetOptions) -> Flow[GetResult]:
        """See the class."""
        info = yield from self.inner.head_object(ctx, bucket, key, GetOptions())
        if options.range.start < -info.size:
            options = replace(options, range=ByteRange(info.size + 1))
        return (yield from self.inner.get_object(ctx, bucket, key, options))


class ConditionalReadsIgnored(_Broken):
    """Reads drop their conditions."""

    def get_object(self, ctx: OpContext, bucket: str, key: str, options: GetOptions) -> Flow[GetResult]:
        """See the class."""
        return self.inner.get_object(ctx, bucket, key, GetOptions(options.range))

    def head_object(
        self, ctx: OpContext, bucket: str, key: str, options: GetOptions
    ) -> Flow[ObjectInfo]:
        """See the class."""
        return self.inner.head_object(ctx, bucket, key, GetOptions())


class BodyTruncated(_Broken):
    """The last byte never comes, and the end is reported as if all were well."""

    def get_object(self, ctx: OpContext, bucket: str, key: str, options: GetOptions) -> Flow[GetResult]:
        """See the class."""
        opened = yield from self.inner.get_object(ctx, bucket, key, options)
        data = opened.body.take() or b""
        opened.info = replace(opened.info, size=max(0, opened.info.size - 1), checksums={})
        end = max(opened.start, opened.end - 1)
        return GetResult(opened.info, BytesBody(data[:-1]), opened.start, end)


class BodyCorrupted(_Broken):
    """A byte in the middle is another one, and the checksum is made of what is sent."""

    def get_object(self, ctx: OpContext, bucket: str, key: str, options: GetOptions) -> Flow[GetResult]:
        """See the class."""
        opened = yield from self.inner.get_object(ctx, bucket, key, options)
        data = bytearray(opened.body.take() or b"")
        if data:
            data[len(data) // 2] ^= 1
        opened.info.checksums = {"crc32": f"{zlib.crc32(data):08x}"}
        return GetResult(opened.info, BytesBody(bytes(data)), opened.start, opened.end)


class EtagQuoted(_Broken):
    """The ETag keeps the quotes that it has in HTTP."""

    def head_object(
        self, ctx: OpContext, bucket: str, key: str, options: GetOptions
    ) -> Flow[ObjectInfo]:
        """See the class."""
        info = yield from self.inner.head_object(ctx, bucket, key, options)
        info.etag = f'"{info.etag}"'
        return info


class NaiveTimes(_Broken):
    """Times have no zone."""

    def head_object(
        self, ctx: OpContext, bucket: str, key: str, options: GetOptions
    ) -> Flow[ObjectInfo]:
        """See the class."""
        info = yield from self.inner.head_object(ctx, bucket, key, options)
        if info.last_modified is not None:
            info.last_modified = info.last_modified.replace(tzinfo=None)
        return info


class WrongErrorClass(_Broken):
    """A missing object is reported as a service that is down."""

    def get_object(self, ctx: OpContext, bucket: str, key: str, options: GetOptions) -> Flow[GetResult]:
        """See the class."""
        try:
            return (yield from self.inner.get_object(ctx, bucket, key, options))
        except ObjectNotFoundError as exc:
            raise UnavailableError("the service is not available") from exc


class MissingBucketIsAMissingObject(_Broken):
    """A read in a missing bucket says that the object is missing."""

    def get_object(self, ctx: OpContext, bucket: str, key: str, options: GetOptions) -> Flow[GetResult]:
        """See the class."""
        try:
            return (yield from self.inner.get_object(ctx, bucket, key, options))
        except BucketNotFoundError as exc:
            raise ObjectNotFoundError("there is no such object") from exc


# --- writing --------------------------------------------------------------------------------------


class _ChangesPuts(_Broken):
    """Base of those that change the options of every write."""

    @abstractmethod
    def _changed(self, options: PutOptions) -> PutOptions:
        """What the vendor gets instead."""

    def put_object(
        self, ctx: OpContext, bucket: str, key: str, payload: Payload, options: PutOptions
    ) -> Flow[PutResult]:
        """See the class."""
        return self.inner.put_object(ctx, bucket, key, payload, self._changed(options))


class MetadataLost(_ChangesPuts):
    """User metadata is not stored."""

    def _changed(self, options: PutOptions) -> PutOptions:
        return replace(options, metadata={})


class MetadataCaseKept(_ChangesPuts):
    """Names of metadata come back as HTTP libraries write them."""

    def _changed(self, options: PutOptions) -> PutOptions:
        return replace(options, metadata={n.title(): v for n, v in options.metadata.items()})


class EmptyMetadataDropped(_ChangesPuts):
    """Metadata with an empty value is not stored."""

    def _changed(self, options: PutOptions) -> PutOptions:
        return replace(options, metadata={n: v for n, v in options.metadata.items() if v})


class CreateOnlyOverwrites(_ChangesPuts):
    """``if_absent`` is dropped."""

    def _changed(self, options: PutOptions) -> PutOptions:
        return replace(options, if_absent=False)


class IfMatchIgnored(_ChangesPuts):
    """``if_match`` is dropped."""

    def _changed(self, options: PutOptions) -> PutOptions:
        return replace(options, if_match=None)


class ChecksumNotVerified(_ChangesPuts):
    """The digests of an upload are not compared."""

    def _changed(self, options: PutOptions) -> PutOptions:
        return replace(options, checksums={})


class OptionSilentlyDropped(_ChangesPuts):
    """``content_encoding`` is declared, accepted, and not stored."""

    def _changed(self, options: PutOptions) -> PutOptions:
        return replace(options, content_encoding=None)


class CreateOnlyByLooking(_Broken):
    """``if_absent`` looks first and writes then: two writers may both find nothing."""

    def put_object(
        self, ctx: OpContext, bucket: str, key: str, payload: Payload, options: PutOptions
    ) -> Flow[PutResult]:
        """See the class."""
        if not options.if_absent:
            return (yield from self.inner.put_object(ctx, bucket, key, payload, options))
        try:
            yield from self.inner.head_object(ctx, bucket, key, GetOptions())
        except ObjectNotFoundError:
            yield Sleep(RACE_SECONDS)
            plain = replace(options, if_absent=False)
            return (yield from self.inner.put_object(ctx, bucket, key, payload, plain))
        return (yield from self.inner.put_object(ctx, bucket, key, payload, options))


class CompareAndSwapByLooking(_Broken):
    """``if_match`` looks first and writes then: two writers may both find what they expect."""

    def put_object(
        self, ctx: OpContext, bucket: str, key: str, payload: Payload, options: PutOptions
    ) -> Flow[PutResult]:
        """See the class."""
        if options.if_match is not None:
            looked = GetOptions(if_match=options.if_match)
            yield from self.inner.head_object(ctx, bucket, key, looked)
            yield Sleep(RACE_SECONDS)
            options = replace(options, if_match=None)
        return (yield from self.inner.put_object(ctx, bucket, key, payload, options))


class ErrorSwallowed(_Broken):
    """A write that failed is reported as a success."""

    def put_object(
        self, ctx: OpContext, bucket: str, key: str, payload: Payload, options: PutOptions
    ) -> Flow[PutResult]:
        """See the class."""
        try:
            return (yield from self.inner.put_object(ctx, bucket, key, payload, options))
        except CloudStoreError:
            return PutResult()


class NothingStored(_Broken):
    """Writes succeed and store nothing."""

    def put_object(
        self, ctx: OpContext, bucket: str, key: str, payload: Payload, options: PutOptions
    ) -> Flow[PutResult]:
        """See the class."""
        yield from self.inner.head_bucket(ctx, bucket)
        return PutResult("etag")


class HalfWritten(_Broken):
    """A large object shows, half-written, as soon as its first part is there."""

    def upload_part(self, ctx: OpContext, ref: UploadRef, number: int, payload: Payload) -> Flow[Part]:
        """See the class."""
        part = yield from self.inner.upload_part(ctx, ref, number, payload)
        yield from self.inner.put_object(ctx, ref.bucket, ref.key, payload, PutOptions())
        return part


class KeyNormalised(_Broken):
    """Double slashes in keys become one, as path libraries do."""

    @staticmethod
    def _path(key: str) -> str:
        while "//" in key:
            key = key.replace("//", "/")
        return key

    def put_object(
        self, ctx: OpContext, bucket: str, key: str, payload: Payload, options: PutOptions
    ) -> Flow[PutResult]:
        """See the class."""
        return self.inner.put_object(ctx, bucket, self._path(key), payload, options)

    def get_object(self, ctx: OpContext, bucket: str, key: str, options: GetOptions) -> Flow[GetResult]:
        """See the class."""
        opened = yield from self.inner.get_object(ctx, bucket, self._path(key), options)
        opened.info.key = key
        return opened


class SilentDeleteInMissingBucket(_Broken):
    """Deleting in a bucket that is not there is no error."""

    def delete_object(
        self, ctx: OpContext, bucket: str, key: str, options: DeleteOptions
    ) -> Flow[None]:
        """See the class."""
        try:
            yield from self.inner.delete_object(ctx, bucket, key, options)
        except BucketNotFoundError:
            return


class DeletionConditionIgnored(_Broken):
    """A deletion drops its condition."""

    def delete_object(
        self, ctx: OpContext, bucket: str, key: str, options: DeleteOptions
    ) -> Flow[None]:
        """See the class."""
        return self.inner.delete_object(ctx, bucket, key, replace(options, if_match=None))


class DeleteIsRecursive(_Broken):
    """Deleting a key deletes what lies below it, as a folder's."""

    def delete_object(
        self, ctx: OpContext, bucket: str, key: str, options: DeleteOptions
    ) -> Flow[None]:
        """See the class."""
        yield from self.inner.delete_object(ctx, bucket, key, options)
        below = yield from self.inner.list_page(ctx, bucket, ListOptions(f"{key}/"))
        yield from self.inner.delete_objects(ctx, bucket, [info.key for info in below.objects])


class BatchDeleteStopsEarly(_Broken):
    """A batch deletion forgets its last key and reports no failure."""

    def delete_objects(
        self, ctx: OpContext, bucket: str, keys: Sequence[str]
    ) -> Flow[dict[str, CloudStoreError]]:
        """See the class."""
        return self.inner.delete_objects(ctx, bucket, keys[:-1])


class BucketDeletedWithItsObjects(_Broken):
    """A bucket that holds objects is deleted all the same."""

    def delete_bucket(self, ctx: OpContext, bucket: str) -> Flow[None]:
        """See the class."""
        page = yield from self.inner.list_page(ctx, bucket, ListOptions())
        yield from self.inner.delete_objects(ctx, bucket, [info.key for info in page.objects])
        yield from self.inner.delete_bucket(ctx, bucket)


# --- copies, metadata -----------------------------------------------------------------------------


class CopyLosesMetadata(_Broken):
    """A copy has the bytes of its source and nothing else."""

    def copy_object(
        self,
        ctx: OpContext,
        bucket: str,
        key: str,
        to_bucket: str,
        to_key: str,
        options: CopyOptions,
    ) -> Flow[PutResult]:
        """See the class."""
        if options.replace is None:
            options = replace(options, replace=PutOptions())
        return self.inner.copy_object(ctx, bucket, key, to_bucket, to_key, options)


class CopyForgetsExpiry(_Broken):
    """A copy stays when its source has expired."""

    def copy_object(
        self,
        ctx: OpContext,
        bucket: str,
        key: str,
        to_bucket: str,
        to_key: str,
        options: CopyOptions,
    ) -> Flow[PutResult]:
        """See the class."""
        if options.replace is None:
            info = yield from self.inner.head_object(ctx, bucket, key, GetOptions())
            options = replace(options, replace=info.put_options())
        return (yield from self.inner.copy_object(ctx, bucket, key, to_bucket, to_key, options))


class ConditionalCopyIgnored(_Broken):
    """A copy drops its conditions."""

    def copy_object(
        self,
        ctx: OpContext,
        bucket: str,
        key: str,
        to_bucket: str,
        to_key: str,
        options: CopyOptions,
    ) -> Flow[PutResult]:
        """See the class."""
        plain = CopyOptions(options.replace)
        return self.inner.copy_object(ctx, bucket, key, to_bucket, to_key, plain)


class MetadataMergeUnguarded(_Broken):
    """Replacing metadata in place drops its condition: of two at a time, one is lost."""

    def update_metadata(
        self,
        ctx: OpContext,
        bucket: str,
        key: str,
        metadata: Mapping[str, str],
        if_match: str | None,
    ) -> Flow[PutResult]:
        """See the class."""
        yield Sleep(RACE_SECONDS)
        return (yield from self.inner.update_metadata(ctx, bucket, key, metadata, None))


class EtagOfTheBytesAlone(_Broken):
    """The ETag is a hash of the bytes, and yet is said to guard a change of the metadata."""

    def _etag(self, ctx: OpContext, bucket: str, key: str) -> Flow[str]:
        return f"{zlib.crc32((yield from self._whole(ctx, bucket, key))):08x}"

    def head_object(
        self, ctx: OpContext, bucket: str, key: str, options: GetOptions
    ) -> Flow[ObjectInfo]:
        """See the class."""
        info = yield from self.inner.head_object(ctx, bucket, key, GetOptions())
        info.etag = yield from self._etag(ctx, bucket, key)
        return info

    def update_metadata(
        self,
        ctx: OpContext,
        bucket: str,
        key: str,
        metadata: Mapping[str, str],
        if_match: str | None,
    ) -> Flow[PutResult]:
        """See the class."""
        if if_match is not None and if_match != (yield from self._etag(ctx, bucket, key)):
            raise PreconditionFailedError("the object is another one")
        return (yield from self.inner.update_metadata(ctx, bucket, key, metadata, None))


# --- listing --------------------------------------------------------------------------------------


class _ChangesPages(_Broken):
    """Base of those that change pages on their way."""

    @abstractmethod
    def _changed(self, options: ListOptions, page: Page) -> None:
        """Spoils the page."""

    def list_page(self, ctx: OpContext, bucket: str, options: ListOptions) -> Flow[Page]:
        """See the class."""
        page = yield from self.inner.list_page(ctx, bucket, options)
        self._changed(options, page)
        return page


class PageTokenDropped(_ChangesPages):
    """A listing ends with its first page."""

    def _changed(self, options: ListOptions, page: Page) -> None:
        page.token = None


class PageRepeatsItsBoundary(_Broken):
    """The last key of a page is the first of the next one, too."""

    def list_page(self, ctx: OpContext, bucket: str, options: ListOptions) -> Flow[Page]:
        """See the class."""
        token, last = None, ""
        if options.token is not None:
            token, _, last = options.token.partition(" ")
        page = yield from self.inner.list_page(ctx, bucket, replace(options, token=token))
        if last:
            page.objects.insert(0, ObjectInfo(last, 0))
            page.objects = page.objects[: options.limit]
        if page.token is not None and page.objects and options.limit > 1:
            page.token += f" {page.objects[-1].key}"
        return page


class PageLosesItsBoundary(_ChangesPages):
    """The last key of a full page is lost: the token is taken for the key to begin after."""

    def _changed(self, options: ListOptions, page: Page) -> None:
        if page.token is not None and page.objects:
            page.objects.pop()


class StartAfterInclusive(_Broken):
    """``start_after`` begins at its key."""

    def list_page(self, ctx: OpContext, bucket: str, options: ListOptions) -> Flow[Page]:
        """See the class."""
        start = options.start_after
        if start:
            options = replace(options, start_after=start[:-1] + chr(ord(start[-1]) - 1) + "\U0010ffff")
        return self.inner.list_page(ctx, bucket, options)


class ListingUnsorted(_ChangesPages):
    """Keys come in the order of the hashes of a dict."""

    def _changed(self, options: ListOptions, page: Page) -> None:
        page.objects.sort(key=lambda info: zlib.crc32(info.key.encode()))


class ListingInUtf16Order(_ChangesPages):
    """Keys come in the order of UTF-16, as Java and JavaScript compare text."""

    def _changed(self, options: ListOptions, page: Page) -> None:
        page.objects.sort(key=lambda info: info.key.encode("utf-16-be"))


class PrefixIsAFolder(_ChangesPages):
    """A prefix is taken for a folder: ``a`` finds ``a/b`` and not ``ab``."""

    def _changed(self, options: ListOptions, page: Page) -> None:
        folder = options.prefix.removesuffix("/") + "/"
        if options.prefix:
            page.objects = [info for info in page.objects if info.key.startswith(folder)]


class DelimiterIgnored(_Broken):
    """All keys are listed, with a delimiter too."""

    def list_page(self, ctx: OpContext, bucket: str, options: ListOptions) -> Flow[Page]:
        """See the class."""
        return self.inner.list_page(ctx, bucket, replace(options, delimiter=""))


class PrefixOnTwoPages(_Broken):
    """A common prefix comes once more on the page after the one it was on."""

    def list_page(self, ctx: OpContext, bucket: str, options: ListOptions) -> Flow[Page]:
        """See the class."""
        token, last = options.token, ""
        if token is not None:
            token, _, last = token.partition(" ")
        page = yield from self.inner.list_page(ctx, bucket, replace(options, token=token))
        has_room = len(page.objects) + len(page.prefixes) < options.limit
        if last and last not in page.prefixes and has_room:
            page.prefixes.insert(0, last)
        if page.token is not None and page.prefixes:
            page.token += f" {page.prefixes[-1]}"
        return page


class BadTokenIsTheBeginning(_Broken):
    """A token that makes no sense starts the listing anew."""

    def list_page(self, ctx: OpContext, bucket: str, options: ListOptions) -> Flow[Page]:
        """See the class."""
        try:
            return (yield from self.inner.list_page(ctx, bucket, options))
        except ValueError:
            return (yield from self.inner.list_page(ctx, bucket, replace(options, token=None)))


# --- multipart ------------------------------------------------------------------------------------


class AbortDoesNothing(_Broken):
    """An aborted upload stays."""

    def abort_multipart(self, ctx: OpContext, ref: UploadRef) -> Flow[None]:
        """See the class."""
        yield from self.inner.list_parts(ctx, ref, None)


class PartsInOrderOfArrival(_Broken):
    """An object is made of its parts in the order in which they came."""

    def __init__(self) -> None:
        super().__init__()
        self._arrived: dict[str, list[int]] = {}

    def upload_part(self, ctx: OpContext, ref: UploadRef, number: int, payload: Payload) -> Flow[Part]:
        """See the class."""
        self._arrived.setdefault(ref.upload_id, []).append(number)
        return self.inner.upload_part(ctx, ref, number, payload)

    def complete_multipart(
        self, ctx: OpContext, ref: UploadRef, parts: Sequence[Part], options: CompleteOptions
    ) -> Flow[PutResult]:
        """See the class."""
        order = self._arrived.get(ref.upload_id, [])
        came = sorted(parts, key=lambda p: order.index(p.number) if p.number in order else 0)
        return self.inner.complete_multipart(ctx, ref, came, options)


class PartEtagNotChecked(_Broken):
    """A completion takes whatever part has the number."""

    def complete_multipart(
        self, ctx: OpContext, ref: UploadRef, parts: Sequence[Part], options: CompleteOptions
    ) -> Flow[PutResult]:
        """See the class."""
        page = yield from self.inner.list_parts(ctx, ref, None)
        held = {part.number: part for part in page.parts}
        taken = [held.get(part.number, part) for part in parts]
        return (yield from self.inner.complete_multipart(ctx, ref, taken, options))


class MissingPartsSkipped(_Broken):
    """A completion leaves out the parts that are not there."""

    def complete_multipart(
        self, ctx: OpContext, ref: UploadRef, parts: Sequence[Part], options: CompleteOptions
    ) -> Flow[PutResult]:
        """See the class."""
        page = yield from self.inner.list_parts(ctx, ref, None)
        held = {part.number for part in page.parts}
        taken = [part for part in parts if part.number in held]
        return (yield from self.inner.complete_multipart(ctx, ref, taken, options))


class UploadOptionsLost(_Broken):
    """What is given where an upload begins does not reach the object."""

    def create_multipart(
        self, ctx: OpContext, bucket: str, key: str, options: PutOptions
    ) -> Flow[UploadRef]:
        """See the class."""
        return self.inner.create_multipart(ctx, bucket, key, PutOptions())


class CompletionConditionIgnored(_Broken):
    """A completion drops its conditions."""

    def complete_multipart(
        self, ctx: OpContext, ref: UploadRef, parts: Sequence[Part], options: CompleteOptions
    ) -> Flow[PutResult]:
        """See the class."""
        return self.inner.complete_multipart(ctx, ref, parts, CompleteOptions())


class UploadsForgotten(_Broken):
    """No upload is ever listed."""

    def list_uploads(
        self, ctx: OpContext, bucket: str, prefix: str, token: str | None
    ) -> Flow[UploadPage]:
        """See the class."""
        yield from self.inner.head_bucket(ctx, bucket)
        return UploadPage()


class CompletionRepeated(_Broken):
    """A completed upload can be completed again, and then replaces what was written since."""

    def __init__(self) -> None:
        super().__init__()
        self._completed: dict[str, bytes] = {}

    def complete_multipart(
        self, ctx: OpContext, ref: UploadRef, parts: Sequence[Part], options: CompleteOptions
    ) -> Flow[PutResult]:
        """See the class."""
        data = self._completed.get(ref.upload_id)
        if data is not None:
            payload = BytesPayload(data)
            return (yield from self.inner.put_object(ctx, ref.bucket, ref.key, payload, PutOptions()))
        result = yield from self.inner.complete_multipart(ctx, ref, parts, options)
        self._completed[ref.upload_id] = yield from self._whole(ctx, ref.bucket, ref.key)
        return result


class UploadTimesLost(_Broken):
    """Listed uploads do not say when they began, so that none is ever stale."""

    def list_uploads(
        self, ctx: OpContext, bucket: str, prefix: str, token: str | None
    ) -> Flow[UploadPage]:
        """See the class."""
        page = yield from self.inner.list_uploads(ctx, bucket, prefix, token)
        page.uploads = [UploadInfo(found.ref, None) for found in page.uploads]
        return page


class UploadTimesInAnotherZone(_Broken):
    """When an upload began is told as local time, two hours east, and taken for UTC."""

    def list_uploads(
        self, ctx: OpContext, bucket: str, prefix: str, token: str | None
    ) -> Flow[UploadPage]:
        """See the class."""
        page = yield from self.inner.list_uploads(ctx, bucket, prefix, token)
        for found in page.uploads:
            if found.started_at is not None:
                found.started_at += timedelta(hours=2)
        return page


class UploadsByBucketOnly(_Broken):
    """The prefix of a listing of uploads is dropped."""

    def list_uploads(
        self, ctx: OpContext, bucket: str, prefix: str, token: str | None
    ) -> Flow[UploadPage]:
        """See the class."""
        return self.inner.list_uploads(ctx, bucket, "", token)


class PartsOutOfOrder(_Broken):
    """Parts are listed from the last to the first."""

    def list_parts(self, ctx: OpContext, ref: UploadRef, token: str | None) -> Flow[PartPage]:
        """See the class."""
        page = yield from self.inner.list_parts(ctx, ref, token)
        page.parts.reverse()
        return page


class LargeObjectsTruncated(_Broken):
    """Parts lose their last byte."""

    def upload_part(self, ctx: OpContext, ref: UploadRef, number: int, payload: Payload) -> Flow[Part]:
        """See the class."""
        data = payload.read(0, max(0, payload.size - 1))
        return self.inner.upload_part(ctx, ref, number, BytesPayload(data))


# --- settings -------------------------------------------------------------------------------------


class PartSizeMadeUp(_Broken):
    """A size of parts is stated that they do not have."""

    def part_size(self, ctx: OpContext, bucket: str, key: str, info: ObjectInfo) -> Flow[int | None]:
        """See the class."""
        yield from ()
        return info.size // 2


class TagsMerged(_Broken):
    """New tags are added to the old ones."""

    def set_tags(self, ctx: OpContext, bucket: str, key: str, tags: Mapping[str, str]) -> Flow[None]:
        """See the class."""
        held = yield from self.inner.get_tags(ctx, bucket, key)
        yield from self.inner.set_tags(ctx, bucket, key, {**held, **tags})


class TagsOfAMissingObject(_Broken):
    """What is not there has no tags, and that is no error."""

    def get_tags(self, ctx: OpContext, bucket: str, key: str) -> Flow[dict[str, str]]:
        """See the class."""
        try:
            return (yield from self.inner.get_tags(ctx, bucket, key))
        except ObjectNotFoundError:
            return {}


class TagsOfWritesDropped(_ChangesPuts):
    """``tags=`` is taken, and forgotten."""

    def _changed(self, options: PutOptions) -> PutOptions:
        return replace(options, tags={})


class TagsLostByCopies(_Broken):
    """A copy has no tags but those that it is given."""

    def copy_object(
        self,
        ctx: OpContext,
        bucket: str,
        key: str,
        to_bucket: str,
        to_key: str,
        options: CopyOptions,
    ) -> Flow[PutResult]:
        """See the class."""
        result = yield from self.inner.copy_object(ctx, bucket, key, to_bucket, to_key, options)
        if options.replace is None or not options.replace.tags:
            yield from self.inner.set_tags(ctx, to_bucket, to_key, {})
        return result


class _BrokenSettings(AdministeredDriver):
    """Over a memory of its own, with the settings that memory lacks."""

    def __init__(self) -> None:
        super().__init__(MemoryConfig().create_driver())


class AclNotSet(_BrokenSettings):
    """Every ACL is taken, and none is set."""

    def set_acl(self, ctx: OpContext, bucket: str, key: str | None, acl: str) -> Flow[None]:
        """See the class."""
        yield from super().get_acl(ctx, bucket, key)


class AclOfTheBucketShown(_BrokenSettings):
    """An object's ACL is read from its bucket."""

    def get_acl(self, ctx: OpContext, bucket: str, key: str | None) -> Flow[str]:
        """See the class."""
        return super().get_acl(ctx, bucket, None)


class ObjectAclOpensTheBucket(_BrokenSettings):
    """An object's ACL is set on its bucket as well."""

    def set_acl(self, ctx: OpContext, bucket: str, key: str | None, acl: str) -> Flow[None]:
        """See the class."""
        yield from super().set_acl(ctx, bucket, key, acl)
        yield from super().set_acl(ctx, bucket, None, acl)


class WebsiteOfAMissingBucket(_BrokenSettings):
    """A website is set without a look whether there is a bucket."""

    def set_website(
        self, ctx: OpContext, bucket: str, index: str | None, error: str | None
    ) -> Flow[None]:
        """See the class."""
        yield from ()


class VersioningNeverEnds(_BrokenSettings):
    """Once switched on, versioning stays on."""

    def set_versioning(self, ctx: OpContext, bucket: str, enabled: bool) -> Flow[None]:
        """See the class."""
        was = yield from self.get_versioning(ctx, bucket)
        yield from super().set_versioning(ctx, bucket, was or enabled)


class VersioningNotShown(_BrokenSettings):
    """No bucket is ever said to keep versions."""

    def get_versioning(self, ctx: OpContext, bucket: str) -> Flow[bool]:
        """See the class."""
        yield from super().get_versioning(ctx, bucket)
        return False


class BucketMetadataReplaced(_BrokenSettings):
    """What a bucket had is gone when something is added."""

    def update_bucket_metadata(
        self, ctx: OpContext, bucket: str, changes: Mapping[str, str | None]
    ) -> Flow[None]:
        """See the class."""
        held = yield from self.head_bucket(ctx, bucket)
        yield from super().update_bucket_metadata(
            ctx, bucket, {**dict.fromkeys(held.metadata, None), **changes}
        )


class AccountMetadataNeverRemoved(_BrokenSettings):
    """A name whose value is None stays as it was."""

    def update_account_metadata(self, ctx: OpContext, changes: Mapping[str, str | None]) -> Flow[None]:
        """See the class."""
        kept = {name: value for name, value in changes.items() if value is not None}
        return super().update_account_metadata(ctx, kept)


class CountsBucketsOnly(_BrokenSettings):
    """An account is said to hold no objects."""

    def get_account(self, ctx: OpContext) -> Flow[AccountInfo]:
        """See the class."""
        return replace((yield from super().get_account(ctx)), object_count=0)


class LifecycleAdded(_BrokenSettings):
    """New rules are added to the old ones."""

    def set_lifecycle(self, ctx: OpContext, bucket: str, rules: Sequence[LifecycleRule]) -> Flow[None]:
        """See the class."""
        held = yield from self.get_lifecycle(ctx, bucket)
        yield from super().set_lifecycle(ctx, bucket, [*held, *rules])


class LifecycleActionDropped(_BrokenSettings):
    """What a rule does to uploads is dropped, as MinIO does."""

    def set_lifecycle(self, ctx: OpContext, bucket: str, rules: Sequence[LifecycleRule]) -> Flow[None]:
        """See the class."""
        kept = [replace(rule, abort_uploads_after_days=None) for rule in rules]
        return super().set_lifecycle(ctx, bucket, kept)


class DisabledRulesShownEnabled(_BrokenSettings):
    """Every rule is said to be enabled."""

    def get_lifecycle(self, ctx: OpContext, bucket: str) -> Flow[list[LifecycleRule]]:
        """See the class."""
        rules = yield from super().get_lifecycle(ctx, bucket)
        return [replace(rule, enabled=True) for rule in rules]


# --- what a driver says of itself -----------------------------------------------------------------


class DeclaredAndRefused(_Broken):
    """Metadata in place is declared, and refused when it is asked for."""

    def update_metadata(
        self,
        ctx: OpContext,
        bucket: str,
        key: str,
        metadata: Mapping[str, str],
        if_match: str | None,
    ) -> Flow[PutResult]:
        """See the class."""
        raise self._unsupported("update_metadata")


class DeclaredAndDropped(_Broken):
    """Versions are declared, and every version is the newest."""

    @property
    def capabilities(self) -> Capabilities:  # type: ignore[override]
        """See the class."""
        return replace(self.inner.capabilities, versions=True)

    def get_object(self, ctx: OpContext, bucket: str, key: str, options: GetOptions) -> Flow[GetResult]:
        """See the class."""
        return self.inner.get_object(ctx, bucket, key, replace(options, version=None))


class BatchLimitLies(_Broken):
    """A larger batch is declared than the driver takes, and the rest is forgotten."""

    def delete_objects(
        self, ctx: OpContext, bucket: str, keys: Sequence[str]
    ) -> Flow[dict[str, CloudStoreError]]:
        """See the class."""
        return self.inner.delete_objects(ctx, bucket, keys[:TAKEN_AT_ONCE])


class ReservedPrefixOpen(_Broken):
    """The key rule lets users write where the library keeps what is its own."""

    @property
    def key_rule(self) -> KeyRule:  # type: ignore[override]
        """See the class."""
        return _OpenRule()


class UnsignedServed(_Broken):
    """A wrong signature is refused, and none is not, as in a bucket that is public."""

    def __init__(self) -> None:
        super().__init__()
        self._url = ""

    @property
    def capabilities(self) -> Capabilities:  # type: ignore[override]
        """See the class."""
        return replace(self.inner.capabilities, presign_get=True)

    def presign(
        self, ctx: OpContext, bucket: str, key: str, options: PresignOptions
    ) -> Flow[PresignedRequest]:
        """See the class."""
        yield from ()
        expires = datetime.fromtimestamp(ctx.clock.now() + options.expires_in, UTC)
        target = f"/{bucket}/{quote(key)}"
        url = f"{self._url}{target}?{_signature(options.method, target)}"
        return PresignedRequest(options.method, url, expires)

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Serves the addresses."""
        with Store(BorrowingDriver(self.inner)) as store:

            class Handler(_OpenHandler):
                objects = store

            with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
                self._url = f"http://127.0.0.1:{server.server_address[1]}"
                thread = threading.Thread(target=server.serve_forever, args=(0.02,))
                thread.start()
                try:
                    yield
                finally:
                    server.shutdown()
                    thread.join()


def _signature(method: str, target: str) -> str:
    return f"signature={zlib.crc32(f'{method} {target}'.encode()):08x}"


class _OpenHandler(BaseHTTPRequestHandler):
    """Serves objects to whoever has no signature at all, too."""

    objects: ClassVar[Store]

    def do_GET(self) -> None:
        """Gives the bytes."""
        place = self._place()
        if place is not None:
            self._answer(200, self.objects.get_object(*place).read())

    def _place(self) -> tuple[str, str] | None:
        """The object that is asked for; None: it was refused."""
        target, _, query = self.path.partition("?")
        if query not in ("", _signature(self.command, target)):
            self._answer(403)
            return None
        bucket, _, key = target.lstrip("/").partition("/")
        return bucket, unquote(key)

    def _answer(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


class _OpenRule(KeyRule):
    def refusal(self, key: str) -> str | None:
        """See `ReservedPrefixOpen`."""
        return None if key.startswith(RESERVED_PREFIX) else super().refusal(key)


@dataclass(frozen=True)
class BrokenDriver:
    """A driver that is wrong on purpose.

    Attributes:
        driver: makes one; without arguments.
        caught_by: names of tests of `ConformanceSuite` that fail for it, each of them.
    """

    driver: type[PassThroughDriver]
    caught_by: tuple[str, ...]

    @property
    def name(self) -> str:
        """That of the class."""
        return self.driver.__name__

    def make(self) -> Driver:
        """A new one, over an empty memory."""
        make: Any = self.driver
        made: Driver = make()
        return made


BROKEN_DRIVERS = (
    BrokenDriver(OffsetIgnored, ("test_range",)),
    BrokenDriver(RangeEndIgnored, ("test_range",)),
    BrokenDriver(RangeEndInclusive, ("test_range",)),
    BrokenDriver(SuffixIsAnOffset, ("test_range",)),
    BrokenDriver(
        ConditionalReadsIgnored,
        ("test_read_if_match", "test_read_if_none_match", "test_read_if_modified_since"),
    ),
    BrokenDriver(BodyTruncated, ("test_source_of_a_few_bytes", "test_small_size")),
    BrokenDriver(BodyCorrupted, ("test_source_of_a_few_bytes", "test_bytes_of_every_value_come_back")),
    BrokenDriver(EtagQuoted, ("test_etag_is_unquoted_and_the_same_wherever_it_is_told",)),
    BrokenDriver(NaiveTimes, ("test_last_modified_is_aware_and_the_same_wherever_it_is_told",)),
    BrokenDriver(WrongErrorClass, ("test_missing_object_raises_object_not_found",)),
    BrokenDriver(
        MissingBucketIsAMissingObject, ("test_verb_on_a_missing_bucket_raises_bucket_not_found",)
    ),
    BrokenDriver(
        MetadataLost,
        ("test_metadata_value_comes_back", "test_what_is_due_is_gone_for_reads"),
    ),
    BrokenDriver(MetadataCaseKept, ("test_metadata_names_are_lower_case",)),
    BrokenDriver(EmptyMetadataDropped, ("test_metadata_value_comes_back",)),
    BrokenDriver(CreateOnlyOverwrites, ("test_create_only_writes_once",)),
    BrokenDriver(CreateOnlyByLooking, ("test_create_only_race_has_exactly_one_winner",)),
    BrokenDriver(IfMatchIgnored, ("test_write_if_match",)),
    BrokenDriver(CompareAndSwapByLooking, ("test_counter_by_compare_and_swap_is_exact",)),
    BrokenDriver(ChecksumNotVerified, ("test_wrong_checksum_stores_nothing",)),
    BrokenDriver(OptionSilentlyDropped, ("test_headers_come_back", "test_declared_capability_works")),
    BrokenDriver(ErrorSwallowed, ("test_verb_on_a_missing_bucket_raises_bucket_not_found",)),
    BrokenDriver(NothingStored, ("test_source_of_a_few_bytes",)),
    BrokenDriver(HalfWritten, ("test_source_that_raises_leaves_the_old_object_and_no_upload",)),
    BrokenDriver(
        KeyNormalised,
        (
            "test_weird_key_is_held_exactly_or_refused",
            "test_keys_that_a_path_would_confuse_are_different_objects",
        ),
    ),
    BrokenDriver(
        SilentDeleteInMissingBucket, ("test_verb_on_a_missing_bucket_raises_bucket_not_found",)
    ),
    BrokenDriver(
        DeletionConditionIgnored,
        ("test_delete_if_match", "test_what_was_written_meanwhile_is_not_deleted"),
    ),
    BrokenDriver(DeleteIsRecursive, ("test_deleted_object_is_gone",)),
    BrokenDriver(BatchDeleteStopsEarly, ("test_batch_deletion_takes_missing_keys_for_deleted",)),
    BrokenDriver(BatchLimitLies, ("test_batch_deletion_of_more_keys_than_one_request_takes",)),
    BrokenDriver(BucketDeletedWithItsObjects, ("test_bucket_with_objects_is_not_deleted",)),
    BrokenDriver(
        CopyLosesMetadata, ("test_copy_keeps_everything", "test_copies_and_metadata_keep_the_moment")
    ),
    BrokenDriver(CopyForgetsExpiry, ("test_vendor_s_own_moment_is_kept",)),
    BrokenDriver(
        ConditionalCopyIgnored,
        (
            "test_copy_if_absent",
            "test_copy_if_the_target_matches",
            "test_copy_if_the_source_matches",
        ),
    ),
    BrokenDriver(EtagOfTheBytesAlone, ("test_concurrent_merges_of_metadata_lose_nothing",)),
    BrokenDriver(MetadataMergeUnguarded, ("test_concurrent_merges_of_metadata_lose_nothing",)),
    BrokenDriver(PageTokenDropped, ("test_many_keys_by_marker", "test_many_keys_at_once")),
    BrokenDriver(
        PageRepeatsItsBoundary,
        ("test_many_keys_by_marker", "test_pages_lose_nothing_and_show_nothing_twice"),
    ),
    BrokenDriver(
        PageLosesItsBoundary,
        ("test_many_keys_by_marker", "test_pages_lose_nothing_and_show_nothing_twice"),
    ),
    BrokenDriver(StartAfterInclusive, ("test_start_after_is_exclusive",)),
    BrokenDriver(ListingUnsorted, ("test_keys_come_in_the_order_of_their_utf_8_bytes",)),
    BrokenDriver(ListingInUtf16Order, ("test_keys_come_in_the_order_of_their_utf_8_bytes",)),
    BrokenDriver(PrefixIsAFolder, ("test_prefix_is_a_plain_string_prefix",)),
    BrokenDriver(DelimiterIgnored, ("test_delimiter_rolls_keys_up",)),
    BrokenDriver(PrefixOnTwoPages, ("test_pages_with_delimiter",)),
    BrokenDriver(BadTokenIsTheBeginning, ("test_marker_of_something_else_is_refused",)),
    BrokenDriver(AbortDoesNothing, ("test_aborted_upload_leaves_the_old_object",)),
    BrokenDriver(PartsInOrderOfArrival, ("test_many_parts_out_of_order",)),
    BrokenDriver(PartEtagNotChecked, ("test_completion_with_a_wrong_etag_is_refused",)),
    BrokenDriver(MissingPartsSkipped, ("test_completion_with_a_part_that_is_not_there_is_refused",)),
    BrokenDriver(UploadOptionsLost, ("test_options_of_an_upload_become_those_of_the_object",)),
    BrokenDriver(CompletionConditionIgnored, ("test_completion_if_absent", "test_completion_if_match")),
    BrokenDriver(UploadsForgotten, ("test_uploads_are_listed_by_key",)),
    BrokenDriver(CompletionRepeated, ("test_completed_upload_is_over",)),
    BrokenDriver(UploadTimesLost, ("test_stale_uploads_are_aborted",)),
    BrokenDriver(UploadTimesInAnotherZone, ("test_stale_uploads_are_aborted",)),
    BrokenDriver(UnsignedServed, ("test_presigned_request_that_is_tampered_with_is_refused",)),
    BrokenDriver(UploadsByBucketOnly, ("test_uploads_are_listed_by_key",)),
    BrokenDriver(PartsOutOfOrder, ("test_parts_are_listed_by_number",)),
    BrokenDriver(LargeObjectsTruncated, ("test_source_larger_than_a_part",)),
    BrokenDriver(PartSizeMadeUp, ("test_parts_end_where_those_of_the_source_do",)),
    BrokenDriver(TagsMerged, ("test_tags_are_replaced_whole",)),
    BrokenDriver(TagsOfAMissingObject, ("test_setting_of_a_missing_object",)),
    BrokenDriver(
        TagsOfWritesDropped,
        ("test_tags_come_with_a_write_and_go_with_the_next", "test_declared_capability_works"),
    ),
    BrokenDriver(TagsLostByCopies, ("test_copy_keeps_tags_unless_it_is_given_others",)),
    BrokenDriver(AclNotSet, ("test_acl_of_a_bucket", "test_acl_that_there_is_not_is_refused")),
    BrokenDriver(AclOfTheBucketShown, ("test_acl_of_an_object",)),
    BrokenDriver(ObjectAclOpensTheBucket, ("test_acl_of_an_object",)),
    BrokenDriver(WebsiteOfAMissingBucket, ("test_verb_on_a_missing_bucket_raises_bucket_not_found",)),
    BrokenDriver(VersioningNeverEnds, ("test_versioning_is_switched",)),
    BrokenDriver(VersioningNotShown, ("test_versioning_is_switched",)),
    BrokenDriver(BucketMetadataReplaced, ("test_metadata_of_a_bucket_is_merged",)),
    BrokenDriver(AccountMetadataNeverRemoved, ("test_metadata_of_the_account_is_merged",)),
    BrokenDriver(CountsBucketsOnly, ("test_account_counts_what_is_stored",)),
    BrokenDriver(LifecycleAdded, ("test_lifecycle_is_replaced_whole",)),
    BrokenDriver(LifecycleActionDropped, ("test_lifecycle_rule_comes_back_or_is_refused",)),
    BrokenDriver(DisabledRulesShownEnabled, ("test_lifecycle_rule_comes_back_or_is_refused",)),
    BrokenDriver(DeclaredAndRefused, ("test_declared_capability_works",)),
    BrokenDriver(DeclaredAndDropped, ("test_declared_capability_works",)),
    BrokenDriver(ReservedPrefixOpen, ("test_reserved_key_is_refused_before_any_io",)),
)
"""Every driver here must be found out by each test that it names."""
