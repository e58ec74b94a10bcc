"""The ``memory`` driver: buckets in this process, private to their store, gone with it.

Config: `MemoryConfig`. ``store.native`` is None: there is nothing underneath.
``vendor_options``: none. Keys: any, up to 1,024 bytes. Nothing is emulated; what is missing
(versions, storage classes, ACLs, …) is refused.
Presigned URLs are of a development server that `cloudstore.testing.DevelopmentServer` runs.
"""

from __future__ import annotations

import bisect
import hashlib
import os
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, ClassVar

from ..bodies import BytesBody, Payload
from ..capabilities import PORTABLE_BUCKET_NAMES, KeyRule
from ..config import Config, Secret
from ..development_urls import DEVELOPMENT_CAPABILITIES, sign_development_url
from ..driver import Call, Flow, GetResult, OpContext
from ..embedded import EMBEDDED_CAPABILITIES, EMBEDDED_LIMITS, EmbeddedDriver
from ..errors import (
    BucketAlreadyExistsError,
    BucketNotEmptyError,
    BucketNotFoundError,
    CloudStoreError,
    InvalidPartError,
    ObjectNotFoundError,
    UploadNotFoundError,
)
from ..fork import reset_in_child
from ..listing import make_page, page_token, token_position
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
    UploadInfo,
    UploadPage,
    UploadRef,
)
from ..preconditions import check_checksums, check_read, check_write

__all__ = ["MemoryConfig", "MemoryDriver"]

CAPABILITIES = replace(EMBEDDED_CAPABILITIES, expires_in=True, tags=True)


@dataclass(frozen=True, kw_only=True)
class MemoryConfig(Config):
    """A store in memory, empty, private to the store made from it.

    Attributes:
        public_url: where `cloudstore.testing.DevelopmentServer` will serve it, such as
            ``"http://127.0.0.1:8000"``; without it there are no presigned URLs.
        secret_key: signs them; made up where it is not given.
    """

    scheme: ClassVar[str] = "memory"
    is_private: ClassVar[bool] = True
    environment: ClassVar[tuple[str, ...]] = ()

    public_url: str | None = None
    secret_key: Secret | None = None

    def create_driver(self) -> MemoryDriver:
        """An empty memory."""
        return MemoryDriver(self)


@dataclass(slots=True)
class _Stored:
    """An object: its bytes, its head and its tags. Never changed, only replaced."""

    data: bytes
    info: ObjectInfo
    tags: Mapping[str, str]


@dataclass(slots=True)
class _Upload:
    ref: UploadRef
    started_at: datetime
    options: PutOptions
    parts: dict[int, tuple[Part, bytes]] = field(default_factory=dict)


@dataclass(slots=True)
class _Bucket:
    """Objects by key, and the keys in order.

    A write commits by one assignment to `objects`; `keys` may hold a key too many, never one too few,
    so that a fork in the middle of a write finds nothing broken.
    """

    info: BucketInfo
    objects: dict[str, _Stored] = field(default_factory=dict)
    keys: list[str] = field(default_factory=list)
    uploads: dict[str, _Upload] = field(default_factory=dict)


class MemoryDriver(EmbeddedDriver):
    """See the module. Every operation is one `Call` under one lock that is never held for long."""

    scheme: ClassVar[str] = "memory"

    def __init__(self, config: MemoryConfig) -> None:
        self.capabilities = CAPABILITIES
        if config.public_url is not None:
            self.capabilities = replace(CAPABILITIES, **DEVELOPMENT_CAPABILITIES)
        self.limits = EMBEDDED_LIMITS
        self.key_rule = KeyRule()
        self.bucket_name_rule = PORTABLE_BUCKET_NAMES
        self.endpoint = "memory:"
        self.vendor_options: Mapping[str, frozenset[str]] = MappingProxyType({"memory": frozenset()})
        self._public_url = config.public_url
        self.development_secret = config.secret_key or Secret(os.urandom(16).hex())
        self._buckets: dict[str, _Bucket] = {}
        self._lock = threading.Lock()
        reset_in_child(self)

    def after_fork_in_child(self) -> None:
        """Another thread may have held the lock."""
        self._lock = threading.Lock()

    # --- account ---

    @property
    def native(self) -> None:
        """There is nothing underneath."""
        return None

    def close(self) -> None:
        """Forgets everything."""
        self._buckets = {}

    # --- buckets ---

    def create_bucket(self, ctx: OpContext, bucket: str) -> Flow[BucketInfo]:
        """See `Driver`."""
        return self._do(ctx, self._create_bucket, ctx, bucket)

    def _create_bucket(self, ctx: OpContext, bucket: str) -> BucketInfo:
        if bucket in self._buckets:
            raise BucketAlreadyExistsError("there is a bucket of this name")
        info = BucketInfo(bucket, _now(ctx))
        self._buckets[bucket] = _Bucket(info)
        return replace(info)

    def delete_bucket(self, ctx: OpContext, bucket: str) -> Flow[None]:
        """See `Driver`."""
        return self._do(ctx, self._delete_bucket, ctx, bucket)

    def _delete_bucket(self, ctx: OpContext, bucket: str) -> None:
        held = self._bucket(bucket)
        if any(self._current(held, key, ctx) is not None for key in list(held.objects)):
            raise BucketNotEmptyError("the bucket holds objects")
        del self._buckets[bucket]

    def head_bucket(self, ctx: OpContext, bucket: str) -> Flow[BucketInfo]:
        """See `Driver`."""
        return self._do(ctx, lambda: replace(self._bucket(bucket).info))

    def list_buckets(self, ctx: OpContext) -> Flow[list[BucketInfo]]:
        """See `Driver`."""
        return self._do(ctx, lambda: [replace(b.info) for _, b in sorted(self._buckets.items())])

    # --- objects ---

    def put_object(
        self, ctx: OpContext, bucket: str, key: str, payload: Payload, options: PutOptions
    ) -> Flow[PutResult]:
        """See `Driver`."""

        def prepare() -> bytes:
            check_checksums(payload, dict(options.checksums))
            return bytes(payload.read(0, payload.size))

        data = yield Call(self, ctx, prepare, blocking=payload.blocks)
        result: PutResult = yield from self._do(ctx, self._write, ctx, bucket, key, data, options)
        return result

    def get_object(self, ctx: OpContext, bucket: str, key: str, options: GetOptions) -> Flow[GetResult]:
        """See `Driver`."""
        stored: _Stored = yield from self._do(ctx, self._read, ctx, bucket, key, options)
        start, end = options.range.resolve(len(stored.data))
        data = stored.data
        if start or end != len(data):
            data = data[start:end]
        return GetResult(_copy_info(stored.info), BytesBody(data), start, end)

    def head_object(
        self, ctx: OpContext, bucket: str, key: str, options: GetOptions
    ) -> Flow[ObjectInfo]:
        """See `Driver`."""
        stored: _Stored = yield from self._do(ctx, self._read, ctx, bucket, key, options)
        return _copy_info(stored.info)

    def _read(self, ctx: OpContext, bucket: str, key: str, options: GetOptions) -> _Stored:
        stored = self._current(self._bucket(bucket), key, ctx)
        if stored is None:
            raise ObjectNotFoundError("there is no such object")
        check_read(stored.info, options)
        return stored

    def delete_object(
        self, ctx: OpContext, bucket: str, key: str, options: DeleteOptions
    ) -> Flow[None]:
        """See `Driver`."""
        return self._do(ctx, self._delete, ctx, bucket, key, options.if_match)

    def _delete(self, ctx: OpContext, bucket: str, key: str, if_match: str | None) -> None:
        held = self._bucket(bucket)
        current = self._current(held, key, ctx)
        check_write(None if current is None else current.info.etag, if_absent=False, if_match=if_match)
        self._remove(held, key)

    def copy_object(
        self,
        ctx: OpContext,
        bucket: str,
        key: str,
        to_bucket: str,
        to_key: str,
        options: CopyOptions,
    ) -> Flow[PutResult]:
        """See `Driver`."""

        def copy() -> PutResult:
            stored = self._read(ctx, bucket, key, GetOptions(if_match=options.source_if_match))
            given = options.replace or stored.info.put_options()
            put = replace(
                given,
                tags=given.tags or stored.tags,
                if_absent=options.if_absent,
                if_match=options.if_match,
            )
            made = self._write(ctx, to_bucket, to_key, stored.data, put)
            if options.replace is None:
                target = self._bucket(to_bucket).objects[to_key]
                target.info.expires_at = stored.info.expires_at
            return made

        return self._do(ctx, copy)

    def list_page(self, ctx: OpContext, bucket: str, options: ListOptions) -> Flow[Page]:
        """See `Driver`."""

        def page() -> Page:
            held = self._bucket(bucket)

            def keys_from(position: str) -> Iterator[tuple[str, _Stored | None]]:
                for index in range(bisect.bisect_left(held.keys, position), len(held.keys)):
                    key = held.keys[index]
                    stored = self._current(held, key, ctx, forget=False)
                    if stored is not None:
                        yield key, stored

            return make_page(
                options, keys_from, lambda key, stored: _copy_info(stored.info) if stored else None
            )

        return self._do(ctx, page)

    def delete_objects(
        self, ctx: OpContext, bucket: str, keys: Sequence[str]
    ) -> Flow[dict[str, CloudStoreError]]:
        """See `Driver`."""

        def delete() -> dict[str, CloudStoreError]:
            held = self._bucket(bucket)
            for key in keys:
                self._remove(held, key)
            return {}

        return self._do(ctx, delete)

    def update_metadata(
        self,
        ctx: OpContext,
        bucket: str,
        key: str,
        metadata: Mapping[str, str],
        if_match: str | None,
    ) -> Flow[PutResult]:
        """See `Driver`. The ETag changes with the metadata."""

        def update() -> PutResult:
            stored = self._read(ctx, bucket, key, GetOptions(if_match=if_match))
            info = replace(
                stored.info, metadata=dict(metadata), etag=_etag(ctx), last_modified=_now(ctx)
            )
            self._bucket(bucket).objects[key] = replace(stored, info=info)
            return PutResult(info.etag, None, info.last_modified, dict(info.checksums))

        return self._do(ctx, update)

    # --- multipart ---

    def create_multipart(
        self, ctx: OpContext, bucket: str, key: str, options: PutOptions
    ) -> Flow[UploadRef]:
        """See `Driver`."""

        def create() -> UploadRef:
            held = self._bucket(bucket)
            ref = UploadRef(self.scheme, bucket, key, _etag(ctx))
            held.uploads[ref.upload_id] = _Upload(ref, _now(ctx), options)
            return ref

        return self._do(ctx, create)

    def upload_part(self, ctx: OpContext, ref: UploadRef, number: int, payload: Payload) -> Flow[Part]:
        """See `Driver`."""
        data = yield Call(
            self, ctx, lambda: bytes(payload.read(0, payload.size)), blocking=payload.blocks
        )
        part: Part = yield from self._do(ctx, self._keep_part, ref, number, data)
        return part

    def _keep_part(self, ref: UploadRef, number: int, data: bytes) -> Part:
        upload = self._upload(ref)
        md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
        part = Part(number, md5, len(data), {"md5": md5})
        upload.parts[number] = (part, data)
        return part

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

        def copy() -> Part:
            stored = self._read(ctx, bucket, key, GetOptions(if_match=source_if_match))
            start, end = range.resolve(len(stored.data))
            return self._keep_part(ref, number, stored.data[start:end])

        return self._do(ctx, copy)

    def complete_multipart(
        self, ctx: OpContext, ref: UploadRef, parts: Sequence[Part], options: CompleteOptions
    ) -> Flow[PutResult]:
        """See `Driver`."""

        def complete() -> PutResult:
            upload = self._upload(ref)
            pieces = []
            for part in parts:
                kept, data = upload.parts.get(part.number, (None, b""))
                if kept is None or kept.etag != part.etag:
                    raise InvalidPartError(f"part {part.number} is not there or is another one")
                pieces.append(data)
            put = replace(
                upload.options, if_absent=options.if_absent, if_match=options.if_match, checksums={}
            )
            result = self._write(ctx, ref.bucket, ref.key, b"".join(pieces), put)
            del self._bucket(ref.bucket).uploads[ref.upload_id]
            return result

        return self._do(ctx, complete)

    def abort_multipart(self, ctx: OpContext, ref: UploadRef) -> Flow[None]:
        """See `Driver`."""

        def abort() -> None:
            self._upload(ref)
            del self._buckets[ref.bucket].uploads[ref.upload_id]

        return self._do(ctx, abort)

    def list_parts(self, ctx: OpContext, ref: UploadRef, token: str | None) -> Flow[PartPage]:
        """See `Driver`."""

        def page() -> PartPage:
            held = self._upload(ref).parts
            first = 0 if token is None else int(token_position(token))
            numbers = sorted(n for n in held if n >= first)
            shown = [replace(held[n][0]) for n in numbers[: self.limits.page_size]]
            more = numbers[self.limits.page_size :]
            return PartPage(shown, page_token(str(more[0])) if more else None)

        return self._do(ctx, page)

    def list_uploads(
        self, ctx: OpContext, bucket: str, prefix: str, token: str | None
    ) -> Flow[UploadPage]:
        """See `Driver`."""

        def page() -> UploadPage:
            first = "" if token is None else token_position(token)
            found = sorted(
                (u.ref.key + "\0" + u.ref.upload_id, u)
                for u in self._bucket(bucket).uploads.values()
                if u.ref.key.startswith(prefix)
            )
            left = [(name, u) for name, u in found if name >= first]
            shown = [UploadInfo(u.ref, u.started_at) for _, u in left[: self.limits.page_size]]
            more = left[self.limits.page_size :]
            return UploadPage(shown, page_token(more[0][0]) if more else None)

        return self._do(ctx, page)

    def presign(
        self, ctx: OpContext, bucket: str, key: str, options: PresignOptions
    ) -> Flow[PresignedRequest]:
        """See `Driver`: a URL of the development server."""
        yield from ()
        if self._public_url is None:
            raise self._unsupported("presign: it needs MemoryConfig(public_url=…)")
        return sign_development_url(
            self._public_url, self.development_secret, bucket, key, options, ctx.clock.now()
        )

    def get_tags(self, ctx: OpContext, bucket: str, key: str) -> Flow[dict[str, str]]:
        """See `Driver`."""
        return self._do(ctx, lambda: dict(self._read(ctx, bucket, key, GetOptions()).tags))

    def set_tags(self, ctx: OpContext, bucket: str, key: str, tags: Mapping[str, str]) -> Flow[None]:
        """See `Driver`."""

        def change() -> None:
            stored = self._read(ctx, bucket, key, GetOptions())
            self._bucket(bucket).objects[key] = replace(stored, tags=dict(tags))

        return self._do(ctx, change)

    # --- underneath: called with the lock held ---

    def _do(self, ctx: OpContext, function: Callable[..., Any], *args: Any) -> Flow[Any]:
        result = yield Call(self, ctx, self._locked, function, args, blocking=False)
        return result

    def _locked(self, function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        with self._lock:
            return function(*args)

    def _bucket(self, name: str) -> _Bucket:
        try:
            return self._buckets[name]
        except KeyError:
            raise BucketNotFoundError("there is no such bucket") from None

    def _upload(self, ref: UploadRef) -> _Upload:
        upload = self._bucket(ref.bucket).uploads.get(ref.upload_id)
        if upload is None or upload.ref.key != ref.key:
            raise UploadNotFoundError("there is no such multipart upload")
        return upload

    def _current(
        self, held: _Bucket, key: str, ctx: OpContext, *, forget: bool = True
    ) -> _Stored | None:
        stored = held.objects.get(key)
        if stored is None:
            return None
        expires = stored.info.expires_at
        if expires is not None and ctx.clock.now() >= expires.timestamp():
            if forget:
                self._remove(held, key)
            return None
        return stored

    def _remove(self, held: _Bucket, key: str) -> None:
        if held.objects.pop(key, None) is not None:
            index = bisect.bisect_left(held.keys, key)
            del held.keys[index : bisect.bisect_right(held.keys, key)]

    def _write(
        self, ctx: OpContext, bucket: str, key: str, data: bytes, options: PutOptions
    ) -> PutResult:
        held = self._bucket(bucket)
        current = self._current(held, key, ctx)
        check_write(
            None if current is None else current.info.etag,
            if_absent=options.if_absent,
            if_match=options.if_match,
        )
        now = ctx.clock.now()
        info = ObjectInfo(
            key,
            len(data),
            _etag(ctx),
            datetime.fromtimestamp(now, UTC),
            options.content_type,
            options.content_encoding,
            options.cache_control,
            options.content_disposition,
            dict(options.metadata),
            {"crc32": f"{zlib.crc32(data):08x}"},
        )
        if options.expires_in is not None:
            info.expires_at = datetime.fromtimestamp(now + options.expires_in, UTC)
        index = bisect.bisect_left(held.keys, key)
        if index == len(held.keys) or held.keys[index] != key:
            held.keys.insert(index, key)
        held.objects[key] = _Stored(data, info, dict(options.tags))
        return PutResult(info.etag, None, info.last_modified, dict(info.checksums))


def _now(ctx: OpContext) -> datetime:
    return datetime.fromtimestamp(ctx.clock.now(), UTC)


def _etag(ctx: OpContext) -> str:
    return f"{ctx.random.getrandbits(128):032x}"


def _copy_info(info: ObjectInfo) -> ObjectInfo:
    """What leaves the driver is the reader's own."""
    return ObjectInfo(
        info.key,
        info.size,
        info.etag,
        info.last_modified,
        info.content_type,
        info.content_encoding,
        info.cache_control,
        info.content_disposition,
        info.metadata.copy(),
        info.checksums.copy(),
        None,
        None,
        info.expires_at,
    )
