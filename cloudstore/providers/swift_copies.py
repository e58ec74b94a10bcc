"""Copies of the ``swift`` driver: of objects in one piece by one request, of those in parts by parts.
How large those are, for copies that go elsewhere.

Swift itself would put an object in parts together into one piece, of 5 GiB at most, and leave the
ETag of its source beside it, with which conditions on the copy are compared from then on. So the
copy of an object in parts is an upload like any other (`swift_large`), whose parts Swift copies. No
I/O of its own.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from ..driver import Flow, Gather, OpContext, Response
from ..errors import (
    CloudStoreError,
    ErrorKind,
    NotFoundError,
    PermissionDeniedError,
    PreconditionFailedError,
    TooLargeError,
    UnavailableError,
)
from ..model import CompleteOptions, CopyOptions, ObjectInfo, Part, PutResult, UploadRef
from . import swift_errors as errors
from . import swift_messages as messages
from . import swift_segments as segments
from .swift_large import AT_ONCE, NEWEST, ROUNDS, LargeObjects
from .swift_segments import Record, Segment, Source

__all__ = ["Copies"]

log = logging.getLogger("cloudstore")


class _ReplacedError(Exception):
    """The source is another than when the copy began."""


class Copies(LargeObjects):
    """The part of the driver that copies."""

    def copy_object(
        self,
        ctx: OpContext,
        bucket: str,
        key: str,
        to_bucket: str,
        to_key: str,
        options: CopyOptions,
    ) -> Flow[PutResult]:
        """See `Driver`. A copy shares no segment with its source.

        Raises:
            UnavailableError: the source was replaced again and again meanwhile.
        """
        target = UploadRef(self.scheme, to_bucket, to_key, "")
        if (yield from self._may_have_parts(ctx, bucket)):
            copied = yield from self._copy_in_parts(ctx, bucket, key, target, options, None)
            if copied is not None:
                return copied
        try:
            return (yield from self._copy_at_once(ctx, bucket, key, target, options))
        except (PreconditionFailedError, TooLargeError) as exc:
            if not self.capabilities.multipart:
                raise
            copied = yield from self._copy_in_parts(ctx, bucket, key, target, options, exc)
            if copied is None:
                raise
            return copied

    def _may_have_parts(self, ctx: OpContext, bucket: str) -> Flow[bool]:
        try:
            return (yield from self._has_segments(ctx, bucket))
        except PermissionDeniedError:  # who may read a bucket need not see what stands beside it
            return True

    def _copy_at_once(
        self, ctx: OpContext, bucket: str, key: str, target: UploadRef, options: CopyOptions
    ) -> Flow[PutResult]:
        headers = messages.copy_source(bucket, key, options)
        if options.replace is not None:
            headers["x-fresh-metadata"] = "true"
            headers |= messages.head_headers(options.replace, self._metadata_limits)
        try:
            answer = yield from self._send(ctx, "PUT", target.bucket, target.key, (), headers)
        except NotFoundError:
            yield from self._send(ctx, "HEAD", target.bucket)  # or is it the target's bucket?
            raise
        yield from self._sweep(ctx, target.bucket, [target.key])
        return messages.put_result(answer)

    def part_size(self, ctx: OpContext, bucket: str, key: str, info: ObjectInfo) -> Flow[int | None]:
        """See `Driver`. Of a static large object, by its manifest."""
        if "md5" in info.checksums:  # which is stated of objects in one piece
            return None
        query = [("multipart-manifest", "get")]
        answer = yield from self._send(ctx, "GET", bucket, key, query)
        if not messages.is_manifest(answer.headers):
            return None
        return segments.part_size(errors.read_json(answer, list), info.size)

    # --- in parts ---

    def _copy_in_parts(
        self,
        ctx: OpContext,
        bucket: str,
        key: str,
        target: UploadRef,
        options: CopyOptions,
        refused: CloudStoreError | None,
    ) -> Flow[PutResult | None]:
        """Copies what is no matter of one request; None where it is one. It begins anew where the
        source is replaced meanwhile, so that a copy is never made of two objects.

        Args:
            refused: why a copy at once was.
        """
        for _ in range(ROUNDS):
            head = yield from self._send(ctx, "HEAD", bucket, key, (), NEWEST)
            try:
                sources = yield from self._sources(ctx, bucket, key, head, options, refused)
                if sources is None:
                    return None
                record = self._record_of(key, head, options)
                ref = yield from self._begin(ctx, target.bucket, target.key, record)
                return (yield from self._carry(ctx, ref, sources))
            except _ReplacedError:
                continue
        raise UnavailableError("the source is replaced again and again", retryable=True)

    def _sources(
        self,
        ctx: OpContext,
        bucket: str,
        key: str,
        head: Response,
        options: CopyOptions,
        refused: CloudStoreError | None,
    ) -> Flow[list[Source] | None]:
        """What to make the parts of the copy of.

        Raises:
            PreconditionFailedError, _ReplacedError
        """
        etag = messages.etag_of(head.headers.get("etag"))
        wanted = options.source_if_match
        is_manifest = messages.is_manifest(head.headers)
        if wanted is not None and etag != wanted:
            if refused is not None:
                return None
            raise PreconditionFailedError(
                "the source has another ETag", request_id=errors.request_id(head)
            )
        if not is_manifest and not isinstance(refused, PreconditionFailedError):
            return None
        size = messages.stated_length(head)
        if not is_manifest:
            # Another tool has copied it of an object in parts: of its own ETag no condition can be
            # made, so the bytes are looked at before they become an object.
            return [Source(bucket, key, etag, size)]
        query = [("multipart-manifest", "get")]
        answer = yield from self._send(ctx, "GET", bucket, key, query, NEWEST, may_miss=True)
        if not messages.is_manifest(answer.headers):
            raise _ReplacedError
        found = segments.sources(errors.read_json(answer, list))
        if found is None:
            return [Source(bucket, key, None, size, if_match=etag)]
        if segments.etag_of(found) != etag:
            raise _ReplacedError
        return found

    def _record_of(self, key: str, head: Response, options: CopyOptions) -> Record:
        """What the copy shall be."""
        kept = messages.kept_headers(head.headers)
        limits = self._metadata_limits
        if options.replace is None:
            metadata = messages.object_info(key, head.headers, 0).metadata
            return Record({**kept, **messages.metadata_headers(metadata, limits)}, None)
        headers = messages.head_headers(replace(options.replace, expires_in=None), limits)
        if "content-type" in kept:
            headers.setdefault("content-type", kept["content-type"])  # as in a copy at once
        return Record(headers, options.replace.expires_in)

    def _carry(self, ctx: OpContext, ref: UploadRef, sources: Sequence[Source]) -> Flow[PutResult]:
        """Copies the parts and completes the upload; any failure leaves none of them behind."""
        try:
            copies = (self._copy_source(ctx, ref, n, s) for n, s in enumerate(sources, 1))
            parts: list[Part] = yield Gather(copies, limit=AT_ONCE)
            return (yield from self.complete_multipart(ctx, ref, parts, CompleteOptions()))
        except GeneratorExit:
            raise
        except BaseException:
            yield from self._forget(ctx.for_cleanup(), ref)
            raise

    def _copy_source(self, ctx: OpContext, ref: UploadRef, number: int, source: Source) -> Flow[Part]:
        pinned = CopyOptions(source_if_match=source.if_match)
        headers = messages.copy_source(source.bucket, source.name, pinned)
        headers["x-fresh-metadata"] = "true"
        try:
            name, answer = yield from self._put_segment(
                ctx, ref, number, headers, None, ErrorKind.NOT_FOUND
            )
        except PreconditionFailedError as exc:
            raise _ReplacedError from exc
        except NotFoundError as exc:
            if exc.kind is not ErrorKind.NOT_FOUND:
                raise
            raise _ReplacedError from exc
        etag = messages.etag_of(answer.headers.get("etag")) or ""
        if source.etag not in (None, etag):
            raise _ReplacedError
        return Segment(number, name, etag, source.size, "").part()

    def _forget(self, ctx: OpContext, ref: UploadRef) -> Flow[None]:
        """Never raises: what it cleans up after is the error that counts."""
        try:
            yield from self.abort_multipart(ctx, ref)
        except NotFoundError:
            return  # gone, or the copy is there after all
        except CloudStoreError as exc:
            name = f"{ref.bucket}/{ref.key}"
            log.warning("segments of a copy to %s are left until they are aborted: %s", name, exc)
