"""The ``qiniu`` driver: Qiniu Kodo's own interface, on our own wire.

Config: `QiniuConfig`. ``store.native`` is the SDK's BucketManager (extra ``cloudstore[qiniu]``).
``vendor_options``: those of `POLICY_OPTIONS`, for form uploads. Writes go as forms to the upload host;
listing, describing, copying and deleting to the management hosts; reads to a domain of the bucket. Keys
are sent byte-exact. Beside this file: `qiniu_account` (who signs, buckets, access, CDN), `qiniu_hosts`
(where to ask), `qiniu_messages` (what is sent and read), `qiniu_errors` (what failures mean).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, ClassVar

from ..bodies import BytesPayload, Payload
from ..capabilities import RESERVED_PREFIX, BucketNameRule, Capabilities, KeyRule, Limits
from ..config import Config, Secret
from ..driver import Call, Flow, GetResult, OpContext, Response
from ..errors import (
    BucketNotFoundError,
    ChecksumMismatchError,
    CloudStoreError,
    ErrorKind,
    ObjectAlreadyExistsError,
    ObjectNotFoundError,
    PreconditionFailedError,
    RangeNotSatisfiableError,
    UnexpectedResponseError,
)
from ..model import (
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
from ..wire.qiniu_signing import FORM_TYPE, encoded_entry, urlsafe
from ..wire.sigv4 import encode_path, encode_query
from ..writes import WRITE_ID
from . import qiniu_errors as errors
from . import qiniu_messages as messages
from .qiniu_account import JSON_TYPE, TOKEN_SECONDS, QiniuAccount
from .qiniu_errors import json_of
from .qiniu_messages import DAY_SECONDS, META, POLICY_OPTIONS, FormPayload

__all__ = ["QiniuConfig", "QiniuDriver"]

MIB = 1024 * 1024
GIB = 1024 * MIB
INLINE_HASH_BYTES = 128 * 1024
"""Up to this size hashing is not worth a thread: about 0.1 ms a checksum."""
UNKNOWN_TYPE = "application/octet-stream"
COPIES = f"{RESERVED_PREFIX}copies/"
"""Where a copy is changed before it is moved into its place."""

CAPABILITIES = Capabilities(
    create_bucket=True,
    list_buckets=True,
    put_if_absent=True,
    complete_if_absent=True,
    copy_if_absent=True,
    settles_writes=True,
    metadata=True,
    storage_class=True,
    expires_in=True,
    checksum_crc32=True,
    update_metadata=True,
    update_metadata_if_match=True,
    ranges=True,
    conditional_reads=True,
    copy=True,
    ordered_listing=True,
    delete_objects=True,
    multipart=True,
    list_parts=True,
    presign_get=True,
    presign_post=True,
    acl=True,
    cdn=True,
    cdn_prefetch=True,
)
"""No compare-and-swap, because uploads know no condition but that of creation; no headers but the
content type, because ``stat`` is not known to say the others
(https://developer.qiniu.com/kodo/1308/stat); no start in the middle of a listing, whose markers are
opaque."""

LIMITS = Limits(
    max_put_size=GIB,
    max_object_size=10_000 * GIB,
    min_part_size=MIB,
    max_part_size=GIB,
    max_parts=10_000,
    max_metadata_bytes=1024,
    metadata_name_chars="-_",
    page_size=1000,
    delete_batch=1000,
    max_presign_seconds=10 * 365 * DAY_SECONDS,
    expires_step=DAY_SECONDS,
)
"""Parts: https://developer.qiniu.com/kodo/6366/upload-part. Forms of more than 1 GB are advised against
(kodo/1272). Metadata: kodo/1252. Batches: kodo/1250. No limit is documented for the duration of a URL:
this one only keeps its deadline a number of ten digits."""
KEYS = KeyRule(max_bytes=750, forbidden=((r"\x00", "Qiniu refuses NUL in keys"),))
"""https://developer.qiniu.com/kodo/1206/put-policy, of ``scope``."""
BUCKET_NAMES = BucketNameRule(
    (
        (
            r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]",
            "a bucket's name has 3 to 63 of a-z, 0-9 and '-', the latter not at its ends",
        ),
    )
)
"""https://developer.qiniu.com/kodo/1382/mkbucketv3."""

_UPLOAD: Mapping[int, ErrorKind] = MappingProxyType({612: ErrorKind.UPLOAD_NOT_FOUND})
_COMPLETION: Mapping[int, ErrorKind] = MappingProxyType(
    {612: ErrorKind.UPLOAD_NOT_FOUND, 400: ErrorKind.INVALID_PART}
)


@dataclass(frozen=True, kw_only=True)
class QiniuConfig(Config):
    """Qiniu Kodo, or a private cloud of its kind.

    Attributes:
        access_key, secret_key: None is from the environment (``QINIU_ACCESS_KEY``,
            ``QINIU_SECRET_KEY``).
        region: where buckets are created, such as ``"z0"``; that of an older bucket is found out.
        domain: where objects are read: ``"https://files.example"`` for all buckets, or one a bucket:
            ``"photos=https://p.example, logs=https://l.example"``. None: the bucket's source domain,
            which no cache is before, else the first domain that is bound to it.
        endpoint: the host that is asked for all others (``uc``). Hosts that it names are asked by its
            scheme.
        up, rs, rsf: the hosts of uploads, of objects and of listings; None: as `endpoint` says.
        cdn: the host that refreshes the CDN.
        cached_reads: True lets a CDN answer from its cache, which may be old; False asks for an address
            that it has not seen.
    """

    scheme: ClassVar[str] = "qiniu"
    environment: ClassVar[tuple[str, ...]] = (
        "access_key",
        "secret_key",
        "region",
        "domain",
        "endpoint",
    )

    access_key: str | None = None
    secret_key: Secret | None = None
    region: str = "z0"
    domain: str | None = None
    endpoint: str = "https://uc.qiniuapi.com"
    up: str | None = None
    rs: str | None = None
    rsf: str | None = None
    cdn: str = "https://fusion.qiniuapi.com"
    cached_reads: bool = False

    def create_driver(self) -> QiniuDriver:
        """The driver of this account."""
        return QiniuDriver(self)


class QiniuDriver(QiniuAccount):
    """See the module. All writes are idempotent to the runtime: of a conditional one whose answer was
    lost, its write-id tells."""

    scheme: ClassVar[str] = "qiniu"

    def __init__(self, config: QiniuConfig) -> None:
        super().__init__(config)
        self._cached_reads = config.cached_reads
        self.capabilities, self.limits = CAPABILITIES, LIMITS
        self.key_rule, self.bucket_name_rule = KEYS, BUCKET_NAMES
        self.vendor_options = MappingProxyType({"qiniu": POLICY_OPTIONS})
        self.max_request_age = TOKEN_SECONDS

    # --- writing ---

    def put_object(
        self, ctx: OpContext, bucket: str, key: str, payload: Payload, options: PutOptions
    ) -> Flow[PutResult]:
        """See `Driver`."""
        messages.refuse_options(options.vendor_options)
        if options.if_absent:
            options = _marked(ctx, options)
        policy = messages.put_policy(bucket, key, options, if_absent=options.if_absent)
        metadata = messages.encode_metadata(options.metadata, self.limits.max_metadata_bytes)
        crc32 = options.checksums.get("crc32") or (yield from self._digest(ctx, payload, "crc32"))
        fields = {"key": key, "crc32": str(int(crc32, 16)), **metadata}
        boundary = f"{ctx.random.getrandbits(128):032x}"
        form = FormPayload(boundary, fields, options.content_type or UNKNOWN_TYPE, payload)
        hosts = yield from self._hosts(ctx, bucket)
        headers = {"content-type": form.content_type}
        answer: Response = yield self._request(
            ctx, "upload", "POST", hosts.up, "/", (), headers, form, policy=policy
        )
        etag = messages.text_of(json_of(answer, dict, only_read=False), "hash")
        if options.if_absent:
            yield from self._check_ours(ctx, bucket, key, options.metadata[WRITE_ID], etag)
        return PutResult(etag, checksums=messages.sha1_of(etag, payload.size))

    def _digest(self, ctx: OpContext, payload: Payload, algorithm: str) -> Flow[str]:
        """Of a file, or of much data, in a thread where that matters."""
        if payload.blocks or payload.size > INLINE_HASH_BYTES:
            digest: str = yield Call(None, ctx, payload.digest, algorithm)
            return digest
        return payload.digest(algorithm)

    def _check_ours(
        self, ctx: OpContext, bucket: str, key: str, write_id: str, etag: str | None
    ) -> Flow[None]:
        """After a write that was to create: whether it did. To the same bytes again Qiniu says yes, and
        leaves what is there."""
        try:
            info = yield from self.head_object(ctx, bucket, key, GetOptions())
        except ObjectNotFoundError:
            info = None
        except CloudStoreError as exc:
            exc.outcome = "unknown"
            raise
        if info is None or (info.metadata.get(WRITE_ID) != write_id and info.etag != etag):
            raise ObjectAlreadyExistsError(
                "somebody else changed the object meanwhile; whether this write created it before that "
                "cannot be told",
                outcome="unknown",
            )
        if info.metadata.get(WRITE_ID) != write_id:
            raise ObjectAlreadyExistsError("there is an object of the same bytes already")

    # --- reading ---

    def get_object(self, ctx: OpContext, bucket: str, key: str, options: GetOptions) -> Flow[GetResult]:
        """See `Driver`. What the conditions say is looked at here as well: a cache may ignore them."""
        messages.refuse_options(options.vendor_options)
        origin = yield from self._domain(ctx, bucket)
        query = [] if self._cached_reads else [("v", f"{ctx.random.getrandbits(64):016x}")]
        path, headers = f"/{encode_path(key)}", messages.read_headers(options)
        try:
            answer: Response = yield self._request(
                ctx, "download", "GET", origin, path, query, headers, buffered=False
            )
        except RangeNotSatisfiableError:
            if options.range.start >= 0:
                raise
            # Only of an empty object there is no suffix; by the contract it is then empty.
            return (yield from self._get_empty(ctx, bucket, key, options))
        try:
            found = messages.opened(key, options, answer)
            check_read(found.info, options)
        except BaseException as exc:
            if answer.body is not None:
                answer.body.close()
            errors.add_answer(exc, answer)
            raise
        return found

    def _get_empty(self, ctx: OpContext, bucket: str, key: str, options: GetOptions) -> Flow[GetResult]:
        whole = yield from self.get_object(ctx, bucket, key, replace(options, range=ByteRange()))
        if whole.end:
            whole.close()
            raise UnexpectedResponseError("the service found no suffix in an object that has one")
        return whole

    def head_object(
        self, ctx: OpContext, bucket: str, key: str, options: GetOptions
    ) -> Flow[ObjectInfo]:
        """See `Driver`. Not from the domain, but from where objects are kept account of: never old."""
        messages.refuse_options(options.vendor_options)
        said = yield from self._stat(ctx, bucket, key)
        info = messages.object_info(key, said)
        check_read(info, options)
        return info

    def _stat(self, ctx: OpContext, bucket: str, key: str) -> Flow[dict[str, Any]]:
        hosts = yield from self._hosts(ctx, bucket)
        answer = yield from self._manage(ctx, "GET", hosts.rs, f"/stat/{encoded_entry(bucket, key)}")
        return json_of(answer, dict, only_read=True)

    def list_page(self, ctx: OpContext, bucket: str, options: ListOptions) -> Flow[Page]:
        """See `Driver`."""
        hosts = yield from self._hosts(ctx, bucket)
        query = messages.list_query(bucket, options)
        answer = yield from self._manage(ctx, "GET", hosts.rsf, "/list", query)
        return messages.page_of(json_of(answer, dict, only_read=True), options)

    # --- changing ---

    def _change(self, ctx: OpContext, bucket: str, path: str, **options: Any) -> Flow[Response]:
        """The answer to an operation on objects of a bucket."""
        hosts = yield from self._hosts(ctx, bucket)
        return (yield from self._manage(ctx, "POST", hosts.rs, path, **options))

    def delete_object(
        self, ctx: OpContext, bucket: str, key: str, options: DeleteOptions
    ) -> Flow[None]:
        """See `Driver`."""
        messages.refuse_options(options.vendor_options)
        with suppress(ObjectNotFoundError):
            yield from self._change(ctx, bucket, f"/delete/{encoded_entry(bucket, key)}")

    def delete_objects(
        self, ctx: OpContext, bucket: str, keys: Sequence[str]
    ) -> Flow[dict[str, CloudStoreError]]:
        """See `Driver`."""
        operations = [("op", f"delete/{encoded_entry(bucket, key)}") for key in keys]
        payload = BytesPayload(encode_query(operations, in_order=True).encode())
        headers = {"content-type": FORM_TYPE}
        answer = yield from self._change(ctx, bucket, "/batch", headers=headers, payload=payload)
        items = json_of(answer, list, only_read=False)
        if len(items) != len(keys):
            raise UnexpectedResponseError("not every key of a batch has an answer", outcome="unknown")
        failed: dict[str, CloudStoreError] = {}
        for key, item in zip(keys, items, strict=True):
            error = errors.item_error(item)
            if isinstance(error, BucketNotFoundError):
                raise error
            if error is not None and not isinstance(error, ObjectNotFoundError):
                failed[key] = error
        return failed

    def update_metadata(
        self,
        ctx: OpContext,
        bucket: str,
        key: str,
        metadata: Mapping[str, str],
        if_match: str | None,
    ) -> Flow[PutResult]:
        """See `Driver`. Only of the very object that was looked at, by Qiniu's own condition."""
        said = yield from self._stat(ctx, bucket, key)
        info = messages.object_info(key, said)
        if if_match is not None and info.etag != if_match:
            raise PreconditionFailedError("the object has another ETag")
        most = self.limits.max_metadata_bytes
        changes = messages.changes_of(info.metadata, metadata, most)
        if changes:
            condition = urlsafe(f"hash={info.etag}&putTime={said.get('putTime')}".encode())
            path = f"/chgm/{encoded_entry(bucket, key)}{changes}/cond/{condition}"
            yield from self._change(ctx, bucket, path)
        return PutResult(info.etag, None, info.last_modified, info.checksums)

    def copy_object(
        self,
        ctx: OpContext,
        bucket: str,
        key: str,
        to_bucket: str,
        to_key: str,
        options: CopyOptions,
    ) -> Flow[PutResult]:
        """See `Driver`. A copy that shall differ from its source, or be known again, is made under a
        key of the library's own, changed there, and moved: nobody sees it half changed."""
        messages.refuse_options(options.vendor_options)
        if options.replace is not None or options.if_absent:
            return (yield from self._copy_changed(ctx, bucket, key, to_bucket, to_key, options))
        if (bucket, key) == (to_bucket, to_key):
            info = yield from self.head_object(ctx, bucket, key, GetOptions())
            return PutResult(info.etag, None, info.last_modified, info.checksums)
        places = f"{encoded_entry(bucket, key)}/{encoded_entry(to_bucket, to_key)}"
        yield from self._change(ctx, bucket, f"/copy/{places}/force/true")
        return PutResult()

    def _copy_changed(
        self,
        ctx: OpContext,
        bucket: str,
        key: str,
        to_bucket: str,
        to_key: str,
        options: CopyOptions,
    ) -> Flow[PutResult]:
        own = f"{COPIES}{ctx.random.getrandbits(128):032x}"
        place = encoded_entry(to_bucket, own)
        moving = False
        try:
            path = f"/copy/{encoded_entry(bucket, key)}/{place}/force/true"
            yield from self._change(ctx, bucket, path)
            info = yield from self.head_object(ctx, to_bucket, own, GetOptions())
            wanted = _marked(ctx, options.replace or info.put_options())
            for path in messages.copy_changes(place, info, wanted, self.limits.max_metadata_bytes):
                yield from self._change(ctx, to_bucket, path)
            moving = True
            force = "false" if options.if_absent else "true"
            path = f"/move/{place}/{encoded_entry(to_bucket, to_key)}/force/{force}"
            yield from self._move_own(ctx, to_bucket, path)
        except GeneratorExit:
            raise
        except BaseException as exc:
            if isinstance(exc, CloudStoreError) and not moving:
                exc.outcome = "not_applied"  # whatever happened, it happened elsewhere
            yield from self._forget(ctx.for_cleanup(), to_bucket, own)
            raise
        if options.if_absent:
            yield from self._check_ours(ctx, to_bucket, to_key, wanted.metadata[WRITE_ID], info.etag)
        return PutResult(info.etag, checksums=info.checksums)

    def _move_own(self, ctx: OpContext, bucket: str, path: str) -> Flow[None]:
        """Moves what only this operation knows of: if it is not there any more, it was moved, and the
        answer was lost."""
        try:
            yield from self._change(ctx, bucket, path)
        except ObjectNotFoundError as exc:
            if exc.outcome != "unknown":
                raise

    def _forget(self, ctx: OpContext, bucket: str, key: str) -> Flow[None]:
        """After a failure, which is what counts."""
        with suppress(CloudStoreError):
            yield from self.delete_object(ctx, bucket, key, DeleteOptions())

    # --- multipart ---

    def create_multipart(
        self, ctx: OpContext, bucket: str, key: str, options: PutOptions
    ) -> Flow[UploadRef]:
        """See `Driver`. What the object shall be, its completion says, so the reference holds it."""
        messages.refuse_options(options.vendor_options)
        options = _marked(ctx, options)
        policy = messages.put_policy(bucket, key, options, if_absent=False)
        state = {
            "content_type": options.content_type or UNKNOWN_TYPE,
            "metadata": messages.encode_metadata(options.metadata, self.limits.max_metadata_bytes),
            "policy": {name: value for name, value in policy.items() if name != "scope"},
        }
        ref = UploadRef(self.scheme, bucket, key, "", state)
        answer = yield from self._send(ctx, ref, "POST")
        upload_id = messages.text_of(json_of(answer, dict, only_read=False), "uploadId")
        return replace(ref, upload_id=upload_id)

    def _send(
        self,
        ctx: OpContext,
        ref: UploadRef,
        method: str,
        number: int | None = None,
        query: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        payload: Payload | None = None,
        *,
        kinds: Mapping[int, ErrorKind] = _UPLOAD,
        if_absent: bool = False,
    ) -> Flow[Response]:
        """The answer to a request about an upload, with a token of its own."""
        hosts = yield from self._hosts(ctx, ref.bucket)
        path = f"/buckets/{ref.bucket}/objects/{urlsafe(ref.key.encode())}/uploads"
        if ref.upload_id:
            path += f"/{encode_path(ref.upload_id)}"
        if number is not None:
            path += f"/{number}"
        policy = messages.upload_policy(ref, if_absent=if_absent)
        answer: Response = yield self._request(
            ctx, "upload", method, hosts.up, path, query, headers, payload, policy=policy, kinds=kinds
        )
        return answer

    def upload_part(self, ctx: OpContext, ref: UploadRef, number: int, payload: Payload) -> Flow[Part]:
        """See `Driver`."""
        md5 = yield from self._digest(ctx, payload, "md5")
        headers = {"content-type": UNKNOWN_TYPE, "content-md5": md5}
        answer = yield from self._send(ctx, ref, "PUT", number, (), headers, payload)
        said = json_of(answer, dict, only_read=False)
        if said.get("md5", md5) != md5:
            raise ChecksumMismatchError("the part that arrived has another MD5", outcome="unknown")
        return Part(number, messages.text_of(said, "etag"), payload.size, {"md5": md5})

    def complete_multipart(
        self, ctx: OpContext, ref: UploadRef, parts: Sequence[Part], options: CompleteOptions
    ) -> Flow[PutResult]:
        """See `Driver`."""
        content_type, metadata = messages.completion_head(ref)
        body = messages.completion(parts, content_type, metadata)
        headers = {"content-type": JSON_TYPE}
        answer = yield from self._send(
            ctx,
            ref,
            "POST",
            None,
            (),
            headers,
            body,
            kinds=_COMPLETION,
            if_absent=options.if_absent,
        )
        etag = messages.text_of(json_of(answer, dict, only_read=False), "hash")
        if options.if_absent:
            write_id = metadata.get(META + WRITE_ID, "")
            yield from self._check_ours(ctx, ref.bucket, ref.key, write_id, etag)
        return PutResult(etag)

    def abort_multipart(self, ctx: OpContext, ref: UploadRef) -> Flow[None]:
        """See `Driver`."""
        yield from self._send(ctx, ref, "DELETE")

    def list_parts(self, ctx: OpContext, ref: UploadRef, token: str | None) -> Flow[PartPage]:
        """See `Driver`."""
        answer = yield from self._send(ctx, ref, "GET", None, messages.parts_query(token))
        return messages.part_page(json_of(answer, dict, only_read=True))

    def list_uploads(
        self, ctx: OpContext, bucket: str, prefix: str, token: str | None
    ) -> Flow[UploadPage]:
        """Qiniu lists none; the facade does not ask."""
        raise self._unsupported("list_uploads")

    # --- access ---

    def presign(
        self, ctx: OpContext, bucket: str, key: str, options: PresignOptions
    ) -> Flow[PresignedRequest]:
        """See `Driver`."""
        seconds = math.ceil(options.expires_in)
        deadline = int(ctx.clock.now()) + seconds
        expires = datetime.fromtimestamp(deadline, UTC)
        if options.method == "POST":
            policy = messages.form_policy(bucket, key, options)
            hosts = yield from self._hosts(ctx, bucket)
            token = self._signer.upload_token({**policy, "deadline": deadline})
            return PresignedRequest("POST", f"{hosts.up}/", expires, {}, {"key": key, "token": token})
        messages.refuse_options(options.vendor_options)
        query = ""
        if options.content_disposition is not None:
            query = encode_query([("attname", messages.attachment_name(options.content_disposition))])
        origin = yield from self._domain(ctx, bucket)
        url = f"{origin}/{encode_path(key)}"
        signed = self._signer.download_query(url, query, deadline)
        return PresignedRequest(options.method, f"{url}?{signed}", expires)


def _marked(ctx: OpContext, options: PutOptions) -> PutOptions:
    """The same with a write-id, by which it is known who wrote an object, unless it has one."""
    if WRITE_ID in options.metadata:
        return options
    write_id = f"{ctx.random.getrandbits(128):032x}"
    return replace(options, metadata={**options.metadata, WRITE_ID: write_id})
