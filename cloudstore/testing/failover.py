"""A failover driver over two children: the proof that the driver interface is enough.

Reads race with a stagger and go on in mid-body on the other child; writes go to both, and conditions
are decided by the first. It is written only with the interface's own means (effects, contexts,
records), stays in the conformance suite, and is no redundancy to rely on: it keeps no journal and
repairs nothing.

Both children keep the same stamp in an object's metadata, and that stamp is the ETag which users see:
the children's own ETags differ. Nothing else of one child means anything to the other: they may be of
different vendors. docs/decisions/failover-driver.md says what that takes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, ClassVar, TypeVar

from ..bodies import Body, Payload
from ..capabilities import Capabilities, Limits
from ..driver import (
    AllFailedError,
    Call,
    Driver,
    ErrorInfo,
    Flow,
    Gather,
    GetResult,
    OpContext,
    Race,
    Request,
    Response,
)
from ..errors import (
    CloudStoreError,
    InvalidArgumentError,
    InvalidPartError,
    NotFoundError,
    ObjectNotFoundError,
    PreconditionFailedError,
    TransportError,
    UnavailableError,
)
from ..expiry import keep_expiry
from ..model import (
    BucketInfo,
    ByteRange,
    CompleteOptions,
    CopyOptions,
    DeleteOptions,
    GetOptions,
    ListOptions,
    ObjectInfo,
    Page,
    Part,
    PartPage,
    PresignedRequest,
    PresignOptions,
    PutOptions,
    PutResult,
    UploadPage,
    UploadRef,
)
from ..preconditions import check_read

__all__ = ["FailoverDriver"]

T = TypeVar("T")
STAMP = "csstamp"
"""The internal metadata name of the stamp."""
STAMP_BYTES = len(STAMP) + 32
_HEADERS = ("content_encoding", "cache_control", "content_disposition", "storage_class")
"""Of an object's head, what is a capability by its name."""


class FailoverDriver(Driver):
    """Two drivers as one. `stagger` is how many seconds a read waits before it asks the second."""

    scheme: ClassVar[str] = "failover"

    def __init__(self, first: Driver, second: Driver, stagger: float = 0.05) -> None:
        self._children = (first, second)
        self._stagger = stagger
        self.endpoint = f"failover({first.endpoint}, {second.endpoint})"
        self.vendor_options = {**first.vendor_options, **second.vendor_options}
        self.allowed_by = {**first.allowed_by, **second.allowed_by}
        self.max_request_age = None
        if first.max_request_age is not None and second.max_request_age is not None:
            self.max_request_age = max(first.max_request_age, second.max_request_age)
        self._narrow()

    def _narrow(self) -> None:
        """What both children can do, less what reaches only one of them."""
        first, second = self._children
        self.capabilities: Capabilities = replace(
            first.capabilities & second.capabilities,
            presign_put=False,
            presign_delete=False,
            presign_post=False,
            settles_writes=False,  # a write-id found on one child says nothing of the other
            list_uploads=False,  # the children's upload ids cannot be told to belong together
            versions=False,
            acl=False,
            object_acl=False,
            website=False,
            versioning=False,
            lifecycle=False,
            cdn=False,
            cdn_prefetch=False,
            account=False,
            account_metadata=False,
            bucket_metadata=False,
        )
        if first.scheme != second.scheme:  # in steps of their own: the later brings the object back
            self.capabilities = replace(self.capabilities, expires_in=False)
        limits = first.limits & second.limits
        self.limits: Limits = replace(
            limits, max_metadata_bytes=limits.max_metadata_bytes - STAMP_BYTES
        )
        self.key_rule = first.key_rule & second.key_rule
        self.bucket_name_rule = first.bucket_name_rule & second.bucket_name_rule

    def discover(self, ctx: OpContext) -> Flow[None]:
        """Both are asked."""
        for child in self._children:
            yield from child.discover(ctx)
        self._narrow()

    def credentials(self, ctx: OpContext, rejected: object) -> Flow[object]:
        """Requests are the children's; this driver signs none."""
        yield from ()
        return None

    def authorize(self, request: Request, credentials: Any, now: float) -> Mapping[str, str]:
        """Requests are the children's."""
        return request.headers

    def classify(self, request: Request | Call, failure: Response | Exception) -> ErrorInfo | None:
        """Requests are the children's."""
        return None

    @property
    def native(self) -> tuple[Any, Any]:
        """The children's."""
        return self._children[0].native, self._children[1].native

    def close(self) -> None:
        """Closes both."""
        for child in self._children:
            child.close()

    # --- reads: race, go on with the other ---

    def _race(self, flows: Sequence[Flow[Any]], discard: Any = None) -> Flow[Any]:
        try:
            return (yield Race(flows, self._stagger, discard))
        except AllFailedError as exc:
            # "There is none" by one child is worth more than "I cannot tell" by the other.
            told = [e for e in exc.errors if not isinstance(e, TransportError | UnavailableError)]
            raise (told or exc.errors)[0] from exc

    def get_object(self, ctx: OpContext, bucket: str, key: str, options: GetOptions) -> Flow[GetResult]:
        """See `Driver`."""
        plain = GetOptions(options.range, vendor_options=options.vendor_options)

        def read(index: int) -> Flow[tuple[int, GetResult]]:
            return index, (yield from self._children[index].get_object(ctx, bucket, key, plain))

        index, opened = yield from self._race([read(0), read(1)], discard=lambda late: late[1].close())
        self._make_common(index, opened.info)
        try:
            check_read(opened.info, options)
        except CloudStoreError:
            opened.close()
            raise

        other = self._children[1 - index]

        def open_other(ctx: OpContext, options: GetOptions) -> Flow[GetResult]:
            return other.get_object(ctx, bucket, key, options)

        if not other.capabilities.ranges:
            return GetResult(opened.info, opened.body, opened.start, opened.end)
        body = _FailoverBody(ctx, opened, open_other, 1 - index)
        return GetResult(opened.info, body, opened.start, opened.end)

    def head_object(
        self, ctx: OpContext, bucket: str, key: str, options: GetOptions
    ) -> Flow[ObjectInfo]:
        """See `Driver`."""

        def head(index: int) -> Flow[ObjectInfo]:
            child = self._children[index]
            info = yield from child.head_object(ctx, bucket, key, GetOptions())
            self._make_common(index, info)
            return info

        info: ObjectInfo = yield from self._race([head(0), head(1)])
        check_read(info, options)
        return info

    def part_size(self, ctx: OpContext, bucket: str, key: str, info: ObjectInfo) -> Flow[int | None]:
        """See `Driver`. By what a child itself says of the object, if that is the same one."""

        def ask(index: int) -> Flow[int | None]:
            child = self._children[index]
            own = yield from child.head_object(ctx, bucket, key, GetOptions())
            if _stamp_of(index, own) != info.etag:
                return None
            return (yield from child.part_size(ctx, bucket, key, own))

        found: int | None = yield from self._race([ask(0), ask(1)])
        return found

    def _make_common(self, index: int, info: ObjectInfo) -> None:
        """Leaves of what one child says what holds for both."""
        info.etag = _stamp_of(index, info)
        info.version = None
        if not self.capabilities.storage_class:
            info.storage_class = None

    def head_bucket(self, ctx: OpContext, bucket: str) -> Flow[BucketInfo]:
        """See `Driver`."""
        found: BucketInfo = yield from self._race(
            [child.head_bucket(ctx, bucket) for child in self._children]
        )
        return found

    def list_buckets(self, ctx: OpContext) -> Flow[list[BucketInfo]]:
        """See `Driver`."""
        found: list[BucketInfo] = yield from self._race(
            [child.list_buckets(ctx) for child in self._children]
        )
        return found

    def list_page(self, ctx: OpContext, bucket: str, options: ListOptions) -> Flow[Page]:
        """See `Driver`. A token says whose it is, and from where the other child can go on."""
        index, token, last = _read_token(options.token, options.start_after)
        asked = replace(options, token=token)
        if token is None:
            pages = [self._page(ctx, bucket, i, asked, last) for i in (0, 1)]
            page: Page = yield from self._race(pages)
            return page
        try:
            return (yield from self._page(ctx, bucket, index, asked, last))
        except (TransportError, UnavailableError):
            if not (self.capabilities.ordered_listing and self.capabilities.start_after):
                raise
            resumed = replace(options, token=None, start_after=last)
            return (yield from self._page(ctx, bucket, 1 - index, resumed, last))

    def _page(
        self, ctx: OpContext, bucket: str, index: int, options: ListOptions, last: str
    ) -> Flow[Page]:
        page = yield from self._children[index].list_page(ctx, bucket, options)
        for info in page.objects:
            self._make_common(index, info)
            info.etag = None  # a listing does not hold the stamp
        page.prefixes = [name for name in page.prefixes if name != last]
        if page.token is not None:
            seen = max([last, *(info.key for info in page.objects), *page.prefixes])
            page.token = json.dumps([index, page.token, seen])
        return page

    def get_tags(self, ctx: OpContext, bucket: str, key: str) -> Flow[dict[str, str]]:
        """See `Driver`."""
        found: dict[str, str] = yield from self._race(
            [child.get_tags(ctx, bucket, key) for child in self._children]
        )
        return found

    def presign(
        self, ctx: OpContext, bucket: str, key: str, options: PresignOptions
    ) -> Flow[PresignedRequest]:
        """See `Driver`. The first child's."""
        return self._children[0].presign(ctx, bucket, key, options)

    # --- writes: to both; conditions are decided by the first ---

    def _both(self, first: Flow[T], second: Flow[T]) -> Flow[tuple[T, T]]:
        results = yield Gather([first, second], fail_fast=False)
        errors = [result for result in results if isinstance(result, Exception)]
        if errors:
            raise _of_both(errors, applied=len(errors) < 2)
        return results[0], results[1]

    def _guarded(self, first: Flow[T], second: Flow[T]) -> Flow[T]:
        """The second only once the first's condition held."""
        result = yield from first
        try:
            yield from second
        except CloudStoreError as exc:
            exc.outcome = "unknown"
            raise
        return result

    def _native_etag(
        self, ctx: OpContext, bucket: str, key: str, if_match: str | None
    ) -> Flow[str | None]:
        """The first child's ETag of the object that users know by `if_match`."""
        if if_match is None:
            return None
        try:
            info = yield from self._children[0].head_object(ctx, bucket, key, GetOptions())
        except NotFoundError as exc:
            if type(exc) is NotFoundError:  # from a vendor that does not tell which it is
                yield from self._children[0].head_bucket(ctx, bucket)
            elif not isinstance(exc, ObjectNotFoundError):
                raise
            raise PreconditionFailedError("there is no object") from exc
        if _stamp_of(0, info) != if_match:
            raise PreconditionFailedError("the object has another ETag")
        return info.etag

    def create_bucket(self, ctx: OpContext, bucket: str) -> Flow[BucketInfo]:
        """See `Driver`."""
        first, second = (child.create_bucket(ctx, bucket) for child in self._children)
        info: BucketInfo = yield from self._guarded(first, second)
        return info

    def delete_bucket(self, ctx: OpContext, bucket: str) -> Flow[None]:
        """See `Driver`."""
        first, second = (child.delete_bucket(ctx, bucket) for child in self._children)
        yield from self._guarded(first, second)

    def put_object(
        self, ctx: OpContext, bucket: str, key: str, payload: Payload, options: PutOptions
    ) -> Flow[PutResult]:
        """See `Driver`."""
        stamp, stamped = _stamped(ctx, options)
        stamped.if_match = yield from self._native_etag(ctx, bucket, key, options.if_match)
        plain = replace(stamped, if_absent=False, if_match=None)
        first = self._children[0].put_object(ctx, bucket, key, payload, stamped)
        second = self._children[1].put_object(ctx, bucket, key, payload, plain)
        if options.is_conditional:
            result = yield from self._guarded(first, second)
        else:
            result, _ = yield from self._both(first, second)
        return _stamped_result(result, stamp)

    def delete_object(
        self, ctx: OpContext, bucket: str, key: str, options: DeleteOptions
    ) -> Flow[None]:
        """See `Driver`."""
        etag = yield from self._native_etag(ctx, bucket, key, options.if_match)
        first, second = (
            child.delete_object(ctx, bucket, key, replace(options, if_match=if_match))
            for child, if_match in zip(self._children, (etag, None), strict=True)
        )
        yield from self._guarded(first, second)

    def delete_objects(
        self, ctx: OpContext, bucket: str, keys: Sequence[str]
    ) -> Flow[dict[str, CloudStoreError]]:
        """See `Driver`."""
        first, second = yield from self._both(
            *(child.delete_objects(ctx, bucket, keys) for child in self._children)
        )
        return {**second, **first}

    def copy_object(
        self,
        ctx: OpContext,
        bucket: str,
        key: str,
        to_bucket: str,
        to_key: str,
        options: CopyOptions,
    ) -> Flow[PutResult]:
        """See `Driver`. Always a copy of the first child's version, with a stamp of its own."""
        info = yield from self._children[0].head_object(ctx, bucket, key, GetOptions())
        if options.source_if_match not in (None, _stamp_of(0, info)):
            raise PreconditionFailedError("the source has another ETag")
        stamp, put = _stamped(ctx, options.replace or self._common_head(ctx, info))
        etag = yield from self._native_etag(ctx, to_bucket, to_key, options.if_match)
        asked = CopyOptions(put, options.if_absent, etag, info.etag, options.vendor_options)
        plain = CopyOptions(put, vendor_options=options.vendor_options)
        first, second = (
            child.copy_object(ctx, bucket, key, to_bucket, to_key, how)
            for child, how in zip(self._children, (asked, plain), strict=True)
        )
        result = yield from self._guarded(first, second)
        return _stamped_result(result, stamp)

    def _common_head(self, ctx: OpContext, info: ObjectInfo) -> PutOptions:
        """The head of an object, as far as both children can hold it."""
        head = info.put_options()
        keep_expiry(head, info, self, ctx)
        lacking = [name for name in _HEADERS if not getattr(self.capabilities, name)]
        without: dict[str, Any] = dict.fromkeys(lacking)
        return replace(head, **without)

    def update_metadata(
        self,
        ctx: OpContext,
        bucket: str,
        key: str,
        metadata: Mapping[str, str],
        if_match: str | None,
    ) -> Flow[PutResult]:
        """See `Driver`."""
        etag = yield from self._native_etag(ctx, bucket, key, if_match)
        stamp = _new_stamp(ctx)
        stamped = {**metadata, STAMP: stamp}
        first, second = (
            child.update_metadata(ctx, bucket, key, stamped, match)
            for child, match in zip(self._children, (etag, None), strict=True)
        )
        result = yield from self._guarded(first, second)
        return _stamped_result(result, stamp)

    def set_tags(self, ctx: OpContext, bucket: str, key: str, tags: Mapping[str, str]) -> Flow[None]:
        """See `Driver`."""
        first, second = (child.set_tags(ctx, bucket, key, tags) for child in self._children)
        yield from self._guarded(first, second)

    # --- multipart: an upload on each child ---

    def create_multipart(
        self, ctx: OpContext, bucket: str, key: str, options: PutOptions
    ) -> Flow[UploadRef]:
        """See `Driver`."""
        stamp, stamped = _stamped(ctx, options)
        flows = [child.create_multipart(ctx, bucket, key, stamped) for child in self._children]
        refs = yield Gather(flows, fail_fast=False)
        errors = [ref for ref in refs if isinstance(ref, Exception)]
        if errors:
            yield from self._give_up(ctx, refs)
            raise _of_both(errors, applied=len(errors) < 2)
        state = {"stamp": stamp, "refs": [ref.to_json() for ref in refs]}
        return UploadRef(self.scheme, bucket, key, refs[0].upload_id, state)

    def _give_up(self, ctx: OpContext, refs: Sequence[UploadRef | Exception]) -> Flow[None]:
        """Leaves no upload on the one child on which it could begin."""
        for child, ref in zip(self._children, refs, strict=True):
            if isinstance(ref, UploadRef):
                with suppress(CloudStoreError):
                    yield from child.abort_multipart(ctx.for_cleanup(), ref)

    def upload_part(self, ctx: OpContext, ref: UploadRef, number: int, payload: Payload) -> Flow[Part]:
        """See `Driver`. The part's ETag holds both children's."""
        first, second = yield from self._both(
            *(c.upload_part(ctx, r, number, payload) for c, r in self._with_refs(ref))
        )
        return _joined(first, second)

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
        etag = yield from self._native_etag(ctx, bucket, key, source_if_match)
        first, second = yield from self._both(
            *(
                child.copy_part(ctx, child_ref, number, bucket, key, range, match)
                for (child, child_ref), match in zip(self._with_refs(ref), (etag, None), strict=True)
            )
        )
        return _joined(first, second)

    def complete_multipart(
        self, ctx: OpContext, ref: UploadRef, parts: Sequence[Part], options: CompleteOptions
    ) -> Flow[PutResult]:
        """See `Driver`."""
        split = [_split(part) for part in parts]
        etag = yield from self._native_etag(ctx, ref.bucket, ref.key, options.if_match)
        asked = CompleteOptions(options.if_absent, etag)
        first, second = (
            child.complete_multipart(ctx, child_ref, [pair[index] for pair in split], how)
            for index, ((child, child_ref), how) in enumerate(
                zip(self._with_refs(ref), (asked, CompleteOptions()), strict=True)
            )
        )
        result = yield from self._guarded(first, second)
        return _stamped_result(result, ref.state["stamp"])

    def abort_multipart(self, ctx: OpContext, ref: UploadRef) -> Flow[None]:
        """See `Driver`."""
        yield from self._both(*(c.abort_multipart(ctx, r) for c, r in self._with_refs(ref)))

    def list_parts(self, ctx: OpContext, ref: UploadRef, token: str | None) -> Flow[PartPage]:
        """See `Driver`. All parts that both children have, of the same size, in one page."""
        found: list[dict[int, Part]] = []
        for child, child_ref in self._with_refs(ref):
            parts: dict[int, Part] = {}
            page = yield from child.list_parts(ctx, child_ref, None)
            parts.update((part.number, part) for part in page.parts)
            while page.token is not None:
                page = yield from child.list_parts(ctx, child_ref, page.token)
                parts.update((part.number, part) for part in page.parts)
            found.append(parts)
        first, second = found
        both = sorted(first.keys() & second.keys())
        return PartPage([_joined(first[n], second[n]) for n in both if first[n].size == second[n].size])

    def list_uploads(
        self, ctx: OpContext, bucket: str, prefix: str, token: str | None
    ) -> Flow[UploadPage]:
        """See `Driver`: refused, see the capabilities."""
        raise self._unsupported("list_uploads")

    def _with_refs(self, ref: UploadRef) -> list[tuple[Driver, UploadRef]]:
        try:
            pairs = list(zip(self._children, map(UploadRef.from_json, ref.state["refs"]), strict=True))
        except (KeyError, TypeError, ValueError):
            raise InvalidArgumentError("this is no upload of a store over two others") from None
        if any(child_ref.vendor != child.scheme for child, child_ref in pairs):
            raise InvalidArgumentError("this upload is of a store over other children")
        return pairs


class _FailoverBody(Body):
    """Goes on with the same bytes of the other child where the first breaks off."""

    __slots__ = ("_body", "_ctx", "_index", "_open_other", "_opened", "_position")

    def __init__(self, ctx: OpContext, opened: GetResult, open_other: Any, other: int) -> None:
        self._ctx = ctx
        self._opened = opened
        self._body: Body = opened.body
        self._position = opened.start
        self._open_other = open_other
        self._index = other

    def readinto(self, buffer: memoryview) -> Flow[int]:
        """See `Body`."""
        try:
            count = yield from self._body.readinto(buffer)
            if count == 0 and self._position < self._opened.end:
                raise TransportError("the body ended early", retryable=True)
        except TransportError as exc:
            yield from self._switch(exc)
            count = yield from self._body.readinto(buffer)
        self._position += count
        return count

    def _switch(self, cause: TransportError) -> Flow[None]:
        self._body.close()
        if self._open_other is None or self._position >= self._opened.end:
            raise cause
        open_other, self._open_other = self._open_other, None
        options = GetOptions(ByteRange(self._position, self._opened.end))
        try:
            other: GetResult = yield from open_other(self._ctx, options)
        except CloudStoreError:
            raise cause from None
        same = _stamp_of(self._index, other.info) == self._opened.info.etag
        if not same or (other.start, other.end) != (self._position, self._opened.end):
            other.close()
            raise cause
        self._body = other.body
        self._body.within(self._ctx)

    def within(self, ctx: OpContext) -> None:
        """See `Body`."""
        self._ctx = ctx
        self._body.within(ctx)

    def take(self) -> bytes | None:
        """See `Body`."""
        data = self._body.take()
        if data is not None:
            self._position += len(data)
        return data

    def close(self) -> None:
        """See `Body`."""
        self._body.close()


def _of_both(errors: Sequence[Exception], *, applied: bool) -> Exception:
    """The error of a write to both: what it did is sure only if it surely did nothing to either."""
    first = errors[0]
    unsure = applied or any(getattr(error, "outcome", "unknown") == "unknown" for error in errors)
    if isinstance(first, CloudStoreError) and unsure:
        first.outcome = "unknown"
    return first


def _new_stamp(ctx: OpContext) -> str:
    return f"{ctx.random.getrandbits(128):032x}"


def _stamped(ctx: OpContext, options: PutOptions) -> tuple[str, PutOptions]:
    stamp = _new_stamp(ctx)
    return stamp, replace(options, metadata={**options.metadata, STAMP: stamp})


def _stamped_result(result: PutResult, stamp: str) -> PutResult:
    return replace(result, etag=stamp, version=None)


def _stamp_of(index: int, info: ObjectInfo) -> str:
    """What users take for the ETag; of an object that only one child knows, that child's."""
    return info.metadata.get(STAMP) or f"{index}:{info.etag}"


def _joined(first: Part, second: Part) -> Part:
    return replace(first, etag=json.dumps([first.etag, second.etag]))


def _split(part: Part) -> tuple[Part, Part]:
    match _parsed(part.etag):
        case [str(first), str(second)]:
            return replace(part, etag=first), replace(part, etag=second)
    raise InvalidPartError(f"part {part.number} has an ETag of something else")


def _read_token(token: str | None, start_after: str) -> tuple[int, str | None, str]:
    if token is None:
        return 0, None, start_after
    match _parsed(token):
        case [(0 | 1) as index, str(inner), str(last)]:
            return index, inner, last
    raise InvalidArgumentError("this marker is not one of this store's listings")


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return None
