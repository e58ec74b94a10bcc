"""Large objects of the ``swift`` driver: multipart uploads as static large objects.

An object in parts is a manifest (``slo`` middleware) that names segments in ``<bucket>_segments``.
Swift itself never removes a segment, and does not tell a writer what it has replaced. So:

1. An upload writes its record (open), its segments, the manifest, and the record again (complete).
2. Whoever has replaced or deleted an object looks afterwards which complete uploads of its key there
   are. Those that the object is not made of are removed: first their segments, then their record.
3. An abortion writes the record (aborting), looks whether the object is this upload, and removes
   segments and record.

So no object that was acknowledged lacks a segment, whenever a process ends. At worst segments are left
that no object names, with their record: the next write of the key removes them, and `list_uploads`
shows them, so that ``abort_stale_uploads`` does, too. Whatever meets at the same time has written
before it looks, so that one sees the other: of two writers the last one, or the loser itself, removes
what lost; an abortion that sees the object stops; a completion that sees the abortion takes it back.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from ..bodies import BytesPayload, Payload
from ..driver import Call, Flow, Gather, Once, OnceValue, OpContext, Response
from ..errors import (
    BucketNotEmptyError,
    BucketNotFoundError,
    CloudStoreError,
    ErrorKind,
    InvalidPartError,
    UnavailableError,
    UploadNotFoundError,
)
from ..listing import page_token, token_position
from ..model import (
    ByteRange,
    CompleteOptions,
    CopyOptions,
    GetOptions,
    ListOptions,
    ObjectInfo,
    Part,
    PartPage,
    PutOptions,
    PutResult,
    UploadInfo,
    UploadPage,
    UploadRef,
)
from ..wire.dates import iso_time
from . import swift_errors as errors
from . import swift_messages as messages
from . import swift_segments as segments
from .swift_requests import SwiftRequests
from .swift_segments import ABORTING, COMPLETE, OPEN, Record, Segment, container_of, record_name

__all__ = ["AT_ONCE", "LargeObjects"]

INLINE_HASH_BYTES = 128 * 1024
"""Up to this size hashing is not worth a thread: about 0.2 ms."""
NO_SEGMENTS_SECONDS = 60.0
"""How long a bucket is taken for one without large objects after it was seen to be one. If another
process makes the first one meanwhile, and this one replaces it, its segments are left until
``abort_stale_uploads``."""
SEGMENTS_SECONDS = 600.0
AT_ONCE = 16
ROUNDS = 3
"""How often an abortion looks for parts that came meanwhile."""
EXPIRY_MARGIN_SECONDS = 24 * 3600
"""So much later than their object its segments expire: whoever reads it then may go on."""

KEYS_SHOWN = 20
"""Of a batch, in a warning."""

NEWEST = {"x-newest": "true"}
"""Has a proxy ask all replicas, for what decides whether segments may go."""

log = logging.getLogger("cloudstore")


class LargeObjects(SwiftRequests):
    """The half of the driver that knows of segments."""

    # --- what a write replaces ---

    def _has_segments(self, ctx: OpContext, bucket: str) -> Flow[bool]:
        """Whether a bucket may hold objects in parts. Known for a while: small writes pay nothing."""
        if not self.capabilities.multipart:
            return False

        def look() -> Flow[OnceValue[bool]]:
            answer = yield from self._send(ctx, "HEAD", container_of(bucket), may_miss=True)
            if answer.status == 404:
                return OnceValue(False, NO_SEGMENTS_SECONDS)
            return OnceValue(True, SEGMENTS_SECONDS)

        found: bool = yield Once(self, ctx, f"segments of {bucket}", look)
        return found

    def _sweep(self, ctx: OpContext, bucket: str, keys: Sequence[str]) -> Flow[None]:
        """Removes the uploads of these keys that are complete, and no object is made of any more.

        It comes after a write that is done, so that its failure is none of the write's.
        """
        container = container_of(bucket)
        after, before = segments.records_between(keys)
        wanted = set(keys)
        try:
            while (yield from self._has_segments(ctx, bucket)):
                rows = yield from self._rows(ctx, container, segments.UPLOADS, after, before)
                ours = (segments.record_of(row["name"]) for row in rows if _is_complete(row))
                refs = [
                    UploadRef(self.scheme, bucket, *names)
                    for names in ours
                    if names is not None and names[0] in wanted
                ]
                yield Gather((self._remove_if_left(ctx, ref) for ref in refs), limit=AT_ONCE)
                if len(rows) < self.limits.page_size:
                    return
                after = rows[-1]["name"]
        except CloudStoreError as exc:
            named = ", ".join(f"{bucket}/{key}" for key in keys[:KEYS_SHOWN])
            if len(keys) > KEYS_SHOWN:
                named += f" and {len(keys) - KEYS_SHOWN} more"
            log.warning("segments of what was %s are left until they are aborted: %s", named, exc)

    def _remove_if_left(self, ctx: OpContext, ref: UploadRef) -> Flow[None]:
        if not (yield from self._is_live(ctx, ref)):
            yield from self._remove(ctx, ref)

    def _is_live(self, ctx: OpContext, ref: UploadRef) -> Flow[bool]:
        """Whether the object is made of this upload."""
        head = yield from self._send(ctx, "HEAD", ref.bucket, ref.key, (), NEWEST, may_miss=True)
        if not messages.is_manifest(head.headers):
            return False
        query = [("multipart-manifest", "get")]
        answer = yield from self._send(ctx, "GET", ref.bucket, ref.key, query, NEWEST, may_miss=True)
        if not messages.is_manifest(answer.headers):
            return False  # it was replaced just now, by something in one piece
        rows = errors.read_json(answer, list)
        return ref.upload_id in segments.uploads_in(rows, ref.bucket, ref.key)

    def _remove(self, ctx: OpContext, ref: UploadRef) -> Flow[None]:
        """Removes an upload's parts, also those that come meanwhile, and then its record."""
        container = container_of(ref.bucket)
        for _ in range(ROUNDS):
            held = yield from self._held(ctx, ref)
            if not held:
                break
            yield from self._delete_names(ctx, container, [s.name for s in held])
        else:
            raise UnavailableError("parts of this upload keep coming", retryable=True)
        yield from self._delete_name(ctx, container, record_name(ref.key, ref.upload_id))

    def _delete_names(self, ctx: OpContext, container: str, names: Iterable[str]) -> Flow[None]:
        """Deletes objects that may be gone already; raises the first failure."""
        wanted = list(names)
        if len(wanted) > 1 and self._has_bulk_delete:
            batch = self.limits.delete_batch
            for first in range(0, len(wanted), batch):
                some = wanted[first : first + batch]
                failed = yield from self._bulk_delete(ctx, container, some)
                for error in failed.values():
                    raise error
            return
        yield Gather((self._delete_name(ctx, container, name) for name in wanted), limit=AT_ONCE)

    def _delete_name(self, ctx: OpContext, container: str, name: str) -> Flow[None]:
        yield from self._send(ctx, "DELETE", container, name, may_miss=True)

    def _bulk_delete(
        self, ctx: OpContext, bucket: str, keys: Sequence[str]
    ) -> Flow[dict[str, CloudStoreError]]:
        """Deletes up to a batch; returns what failed. Missing ones are as they shall be.

        Raises:
            BucketNotFoundError
            UnavailableError: it gave up on the way.
        """
        names = {f"{bucket}/{key}": key for key in keys}
        headers = {"content-type": "text/plain", "accept": "application/json"}
        payload = messages.deletion_body(messages.path_of(bucket, key) for key in names.values())
        answer = yield from self._send(ctx, "POST", "", "", [("bulk-delete", "")], headers, payload)
        said = errors.read_json(answer, dict, only_read=False)
        rows = said.get("Errors")
        failed = {}
        for row in rows if isinstance(rows, list) else ():
            path, words = map(str, row) if isinstance(row, list) and len(row) == 2 else ("", "")
            key = names.get(unquote(path).removeprefix("/"))
            if key is not None:
                failed[key] = errors.deletion_error(words)
        counts = [said.get(name) for name in ("Number Deleted", "Number Not Found")]
        done = sum(count for count in counts if isinstance(count, int))
        if done + len(failed) < len(names):
            raise UnavailableError(
                f"the bulk delete ended early: {said.get('Response Status')} "
                f"{said.get('Response Body')}"[:500],
                request_id=errors.request_id(answer),
                outcome="unknown",
                retryable=True,
            )
        if counts[1]:
            try:
                yield from self._send(ctx, "HEAD", bucket)  # is it the bucket that is missing?
            except CloudStoreError as exc:
                exc.outcome = "unknown" if counts[0] else exc.outcome
                raise
        return failed

    def _drop_segments(self, ctx: OpContext, bucket: str) -> Flow[None]:
        """Removes what is ours beside a bucket that is gone, and its container where that is empty."""
        if not self.capabilities.multipart:
            return
        container = container_of(bucket)
        try:
            if not (yield from self._delete_container(ctx, container)):
                yield from self._delete_namespace(ctx, container)
                yield from self._delete_container(ctx, container)
        except CloudStoreError as exc:
            log.warning("segments of the former bucket %s are left: %s", bucket, exc)

    def _delete_container(self, ctx: OpContext, container: str) -> Flow[bool]:
        """Whether it is gone, or holds something still."""
        try:
            yield from self._send(ctx, "DELETE", container, may_miss=True)
        except BucketNotEmptyError:
            return False
        return True

    def _delete_namespace(self, ctx: OpContext, container: str) -> Flow[None]:
        marker = ""
        while True:
            rows = yield from self._rows(ctx, container, segments.NAMESPACE, marker)
            names = [row["name"] for row in rows]
            yield from self._delete_names(ctx, container, names)
            if len(rows) < self.limits.page_size:
                return
            marker = names[-1]

    def _rows(
        self, ctx: OpContext, container: str, prefix: str, after: str, before: str = ""
    ) -> Flow[list[dict[str, Any]]]:
        """A page of a listing, as it comes; of a container that is missing, none."""
        options = ListOptions(prefix, start_after=after, limit=self.limits.page_size)
        query = messages.list_query(options)
        if before:
            query.append(("end_marker", before))
        answer = yield from self._send(ctx, "GET", container, "", query, may_miss=True)
        if answer.status in (204, 404):
            return []
        rows: list[dict[str, Any]] = errors.read_json(answer, list)
        messages.page_of(rows, options.limit)  # checks them
        return rows

    # --- bodies ---

    def _md5(self, ctx: OpContext, payload: Payload) -> Flow[str]:
        if payload.blocks or payload.size > INLINE_HASH_BYTES:
            found: str = yield Call(None, ctx, payload.digest, "md5")
            return found
        return payload.digest("md5")

    def head_object(
        self, ctx: OpContext, bucket: str, key: str, options: GetOptions
    ) -> Flow[ObjectInfo]:
        """See `Driver`."""
        answer = yield from self._read(ctx, "HEAD", bucket, key, options)
        return messages.object_info(key, answer.headers, messages.stated_length(answer))

    def _read(
        self, ctx: OpContext, method: str, bucket: str, key: str, options: GetOptions
    ) -> Flow[Response]:
        """The answer to a GET or HEAD with conditions.

        An object in one piece that was copied of one in parts has kept the ETag of its source beside
        its own, and Swift compares conditions with that (``slo`` and ``copy`` middleware). So the ETag
        that an answer shows is what counts; `judged` lets an answer through that contradicts itself.
        """
        headers = messages.read_conditions(options)
        if not options.range.is_whole:
            headers["range"] = messages.range_header(options.range)
        buffered = method == "HEAD"
        answer = yield from self._send(ctx, method, bucket, key, (), headers, buffered=buffered)
        if answer.status in (304, 412):
            _close(answer)
            for name in ("if-match", "if-none-match"):
                headers.pop(name, None)
            answer = yield from self._send(ctx, method, bucket, key, (), headers, buffered=buffered)
        error = errors.unmet(options, answer)
        if error is not None:
            _close(answer)
            raise error
        return answer

    # --- multipart ---

    def create_multipart(
        self, ctx: OpContext, bucket: str, key: str, options: PutOptions
    ) -> Flow[UploadRef]:
        """See `Driver`."""
        headers = messages.head_headers(replace(options, expires_in=None), self._metadata_limits)
        return (yield from self._begin(ctx, bucket, key, Record(headers, options.expires_in)))

    def _begin(self, ctx: OpContext, bucket: str, key: str, record: Record) -> Flow[UploadRef]:
        head = yield from self._send(ctx, "HEAD", bucket)
        ref = UploadRef(self.scheme, bucket, key, f"{ctx.random.getrandbits(64):016x}")
        if not (yield from self._has_segments(ctx, bucket)):
            yield from self._make_container(ctx, bucket, head)
        try:
            yield from self._write_record(ctx, ref, OPEN, record)
        except BucketNotFoundError:  # somebody has removed it meanwhile
            yield from self._make_container(ctx, bucket, head)
            yield from self._write_record(ctx, ref, OPEN, record)
        return ref

    def _make_container(self, ctx: OpContext, bucket: str, head: Response) -> Flow[None]:
        """The bucket's container of segments: who may read the one may read the other."""
        readers = messages.segment_readers(head.headers.get("x-container-read", ""))
        headers = {"x-container-read": readers} if readers else {}
        yield from self._send(ctx, "PUT", container_of(bucket), "", (), headers)

        def known() -> Flow[OnceValue[bool]]:
            yield from ()
            return OnceValue(True, SEGMENTS_SECONDS)

        yield Once(self, ctx, f"segments of {bucket}", known, stale=False)

    def _write_record(self, ctx: OpContext, ref: UploadRef, state: str, record: Record) -> Flow[None]:
        payload = record.payload()
        headers = {"content-type": state, "etag": payload.digest("md5")}
        expires_at = record.expires_at(ctx.clock.now())
        if state == COMPLETE and expires_at is not None:
            headers["x-delete-at"] = str(expires_at + EXPIRY_MARGIN_SECONDS)
        name = record_name(ref.key, ref.upload_id)
        missing = ErrorKind.BUCKET_NOT_FOUND
        yield from self._send(
            ctx, "PUT", container_of(ref.bucket), name, (), headers, payload, missing=missing
        )

    def _read_record(self, ctx: OpContext, ref: UploadRef) -> Flow[tuple[str, Record]]:
        """How far an upload is, and what it shall be.

        Raises:
            UploadNotFoundError
        """
        name, missing = record_name(ref.key, ref.upload_id), ErrorKind.UPLOAD_NOT_FOUND
        answer = yield from self._send(
            ctx, "GET", container_of(ref.bucket), name, (), NEWEST, missing=missing
        )
        state = answer.headers.get("content-type", "").partition(";")[0]
        return state, segments.read_record(answer.content)

    def _open_record(self, ctx: OpContext, ref: UploadRef) -> Flow[Record]:
        """What an upload shall be that is under way.

        Raises:
            UploadNotFoundError
        """
        state, record = yield from self._read_record(ctx, ref)
        if state != OPEN:
            raise UploadNotFoundError("this upload is over")
        return record

    def upload_part(self, ctx: OpContext, ref: UploadRef, number: int, payload: Payload) -> Flow[Part]:
        """See `Driver`. Looks at the record afterwards: whoever aborts has changed it before looking
        for parts, so one of the two removes this one."""
        etag = yield from self._md5(ctx, payload)
        name, _ = yield from self._put_segment(ctx, ref, number, {"etag": etag}, payload)
        return Segment(number, name, etag, payload.size, "").part()

    def _put_segment(
        self,
        ctx: OpContext,
        ref: UploadRef,
        number: int,
        headers: Mapping[str, str],
        payload: Payload | None,
        missing: ErrorKind = ErrorKind.UPLOAD_NOT_FOUND,
    ) -> Flow[tuple[str, Response]]:
        container = container_of(ref.bucket)
        name = segments.segment_name(ref.key, ref.upload_id, number, ctx.random.getrandbits(32))
        sent = {"content-type": "application/octet-stream", **headers}
        answer = yield from self._send(ctx, "PUT", container, name, (), sent, payload, missing=missing)
        try:
            yield from self._open_record(ctx, ref)
        except UploadNotFoundError:
            yield from self._delete_name(ctx.for_cleanup(), container, name)
            raise
        except CloudStoreError as exc:
            exc.outcome = "unknown"  # the part is there
            raise
        return name, answer

    def copy_part(
        self,
        ctx: OpContext,
        ref: UploadRef,
        number: int,
        bucket: str,
        key: str,
        range: ByteRange,
        source_if_match: str | None,
    ) -> Flow[Part]:
        """See `Driver`."""
        info = yield from self.head_object(ctx, bucket, key, GetOptions(if_match=source_if_match))
        start, end = range.resolve(info.size)
        pinned = CopyOptions(source_if_match=info.etag)
        headers = {**messages.copy_source(bucket, key, pinned), "x-fresh-metadata": "true"}
        if end > start:
            headers["range"] = messages.range_header(ByteRange(start, end))
        name, answer = yield from self._put_segment(
            ctx, ref, number, headers, None, ErrorKind.NOT_FOUND
        )
        etag = messages.etag_of(answer.headers.get("etag")) or ""
        return Segment(number, name, etag, end - start, "").part()

    def _held(self, ctx: OpContext, ref: UploadRef) -> Flow[list[Segment]]:
        """All parts that there are of an upload."""
        found: list[Segment] = []
        container, prefix = container_of(ref.bucket), segments.group_prefix(ref.key, ref.upload_id)
        marker = ""
        while True:
            rows = yield from self._rows(ctx, container, prefix, marker)
            for row in rows:
                name = str(row["name"])
                number = segments.segment_of(name, ref.key, ref.upload_id)
                if number is not None:
                    size, written = int(str(row["bytes"])), str(row.get("last_modified"))
                    found.append(Segment(number, name, str(row.get("hash")), size, written))
            if len(rows) < self.limits.page_size:
                return found
            marker = str(rows[-1]["name"])

    def _unlisted(
        self, ctx: OpContext, ref: UploadRef, held: Sequence[Segment], parts: Sequence[Part]
    ) -> Flow[list[Segment]]:
        """Parts that are there, and that no listing shows yet: those lag behind what was written."""

        def look(name: str, number: int) -> Flow[Segment | None]:
            container = container_of(ref.bucket)
            answer = yield from self._send(ctx, "HEAD", container, name, (), NEWEST, may_miss=True)
            if answer.status == 404:
                return None
            etag = messages.etag_of(answer.headers.get("etag")) or ""
            written = messages.written_at(answer)
            return Segment(number, name, etag, messages.stated_length(answer), written)

        names = segments.unlisted(held, parts, ref.key, ref.upload_id)
        found = yield Gather((look(name, number) for name, number in names.items()), limit=AT_ONCE)
        return [segment for segment in found if segment is not None]

    def list_parts(self, ctx: OpContext, ref: UploadRef, token: str | None) -> Flow[PartPage]:
        """See `Driver`. One page holds them all."""
        yield from self._open_record(ctx, ref)
        held = yield from self._held(ctx, ref)
        return PartPage([segment.part() for segment in segments.newest(held).values()])

    def complete_multipart(
        self, ctx: OpContext, ref: UploadRef, parts: Sequence[Part], options: CompleteOptions
    ) -> Flow[PutResult]:
        """See `Driver`."""
        record = yield from self._open_record(ctx, ref)
        held = yield from self._held(ctx, ref)
        held += yield from self._unlisted(ctx, ref, held, parts)
        used = segments.chosen(held, parts)
        answer = yield from self._write_manifest(ctx, ref, record, used, options)
        yield from self._check_still_open(ctx, ref, record)
        yield from self._finish(ctx, ref, record, held, used)
        yield from self._sweep(ctx, ref.bucket, [ref.key])
        return messages.put_result(answer)

    def _write_manifest(
        self,
        ctx: OpContext,
        ref: UploadRef,
        record: Record,
        used: Sequence[Segment],
        options: CompleteOptions,
    ) -> Flow[Response]:
        headers = dict(record.headers)
        expires_at = record.expires_at(ctx.clock.now())
        if expires_at is not None:
            headers["x-delete-at"] = str(expires_at)
        if options.if_absent:
            headers["if-none-match"] = "*"
        whole = [s for s in used if s.size]  # a manifest names no empty segment
        query = [("multipart-manifest", "put")] if whole else []
        payload = segments.manifest(container_of(ref.bucket), whole) if whole else BytesPayload(b"")
        missing = ErrorKind.BUCKET_NOT_FOUND
        try:
            if expires_at is not None:
                at = expires_at + EXPIRY_MARGIN_SECONDS
                yield from self._expire(ctx, container_of(ref.bucket), whole, at)
            return (
                yield from self._send(
                    ctx, "PUT", ref.bucket, ref.key, query, headers, payload, missing=missing
                )
            )
        except InvalidPartError:
            if not (yield from self._is_open(ctx, ref)):
                raise UploadNotFoundError("this upload was aborted meanwhile") from None
            raise

    def _expire(self, ctx: OpContext, container: str, used: Sequence[Segment], at: int) -> Flow[None]:
        """Has segments go some time after their object, which Swift removes without them."""
        headers = {"x-delete-at": str(at)}
        missing = ErrorKind.INVALID_PART
        yield Gather(
            (self._send(ctx, "POST", container, s.name, (), headers, missing=missing) for s in used),
            limit=AT_ONCE,
        )

    def _is_open(self, ctx: OpContext, ref: UploadRef) -> Flow[bool]:
        try:
            yield from self._open_record(ctx, ref)
        except UploadNotFoundError:
            return False
        return True

    def _check_still_open(self, ctx: OpContext, ref: UploadRef, record: Record) -> Flow[None]:
        """Raises UploadNotFoundError where an abortion came between, and takes the manifest back."""
        try:
            state, _ = yield from self._read_record(ctx, ref)
        except UploadNotFoundError:
            state = ABORTING
        except CloudStoreError:
            state = OPEN  # nobody can tell; the object is there
        if state != ABORTING:
            return
        cleanup = ctx.for_cleanup()
        try:
            if (yield from self._is_live(cleanup, ref)):
                yield from self._delete_name(cleanup, ref.bucket, ref.key)
        except CloudStoreError as exc:
            log.warning("the upload %s of %s was aborted, and is visible: %s", *_about(ref), exc)
        raise UploadNotFoundError("this upload was aborted meanwhile")

    def _finish(
        self,
        ctx: OpContext,
        ref: UploadRef,
        record: Record,
        held: Sequence[Segment],
        used: Sequence[Segment],
    ) -> Flow[None]:
        """What is left to do for an object that is there: its failure is no failure of the object."""
        needed = {s.name for s in used if s.size}
        rest = [s.name for s in held if s.name not in needed]
        container = container_of(ref.bucket)
        try:
            if rest:
                yield from self._delete_names(ctx, container, rest)
            if needed:
                yield from self._write_record(ctx, ref, COMPLETE, record.expiry())
            else:
                yield from self._delete_name(ctx, container, record_name(ref.key, ref.upload_id))
        except CloudStoreError as exc:
            log.warning("the upload %s of %s is done, and still listed: %s", *_about(ref), exc)

    def abort_multipart(self, ctx: OpContext, ref: UploadRef) -> Flow[None]:
        """See `Driver`. What a completed upload has left behind goes as well."""
        state, record = yield from self._read_record(ctx, ref)
        if state == OPEN:
            yield from self._write_record(ctx, ref, ABORTING, record)
        if (yield from self._is_live(ctx, ref)):
            if state != COMPLETE:
                yield from self._write_record(ctx, ref, COMPLETE, record.expiry())
            raise UploadNotFoundError("this upload is complete")
        yield from self._remove(ctx, ref)

    def list_uploads(
        self, ctx: OpContext, bucket: str, prefix: str, token: str | None
    ) -> Flow[UploadPage]:
        """See `Driver`. Also what is left of completed uploads whose object was replaced: one look at
        each object in parts."""
        marker = "" if token is None else token_position(token)
        container, wanted = container_of(bucket), segments.uploads_prefix(prefix.partition("\0")[0])
        rows = yield from self._rows(ctx, container, wanted, marker)
        if not rows or not marker:
            yield from self._send(ctx, "HEAD", bucket)
        found: list[tuple[UploadInfo, str]] = []
        for row in rows:
            names = segments.record_of(str(row["name"]))
            if names is not None and names[0].startswith(prefix):
                ref = UploadRef(self.scheme, bucket, *names)
                began: datetime | None = iso_time(str(row.get("last_modified")))
                found.append((UploadInfo(ref, began), str(row.get("content_type"))))
        looks = (self._is_left(ctx, info.ref, state) for info, state in found)
        shown: list[bool] = yield Gather(looks, limit=AT_ONCE)
        page = UploadPage([info for (info, _), left in zip(found, shown, strict=True) if left])
        if len(rows) >= self.limits.page_size:
            page.token = page_token(str(rows[-1]["name"]))
        return page

    def _is_left(self, ctx: OpContext, ref: UploadRef, state: str) -> Flow[bool]:
        """Whether an upload is under way, or has left segments that no object has."""
        if state != COMPLETE:
            return True
        return not (yield from self._is_live(ctx, ref))


def _close(answer: Response) -> None:
    if answer.body is not None:
        answer.body.close()


def _is_complete(row: Mapping[str, Any]) -> bool:
    return str(row.get("content_type")) == COMPLETE


def _about(ref: UploadRef) -> tuple[str, str]:
    return ref.upload_id, f"{ref.bucket}/{ref.key}"
