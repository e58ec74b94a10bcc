"""The ``s3`` driver: AWS S3 and whatever speaks its protocol, on our own wire.

Config: `S3Config`; its ``preset`` says how a compatible service differs. ``store.native`` is a boto3
client (extra ``cloudstore[s3]``). ``vendor_options``: those of `OPTION_HEADERS`, for writes. Keys are
sent byte-exact, percent-encoded once; metadata that is not plain ASCII as RFC 2047 words, as S3 itself
shows it. Beside this file: `s3_presets` (how services differ), `s3_messages` (what is sent and read),
`s3_errors` (what failures mean), `s3_account` (who signs), `s3_administration` (what goes by boto3).
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple
from urllib.parse import SplitResult

from ..bodies import Payload
from ..config import Config, Secret
from ..driver import (
    Call,
    ErrorInfo,
    Flow,
    Gather,
    GetResult,
    Once,
    OnceValue,
    OpContext,
    Request,
    Response,
)
from ..errors import (
    BucketAlreadyExistsError,
    CloudStoreError,
    ConfigError,
    ErrorKind,
    NotFoundError,
    RangeNotSatisfiableError,
    UnexpectedResponseError,
)
from ..listing import check_progress
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
from ..wire.dates import iso_time
from ..wire.objects import etag_of, quoted, read_conditions
from ..wire.ranges import range_header, stated_length
from ..wire.sigv4 import EMPTY_SHA256, UNSIGNED_PAYLOAD, encode_path, encode_query
from ..wire.xml import XmlNode
from . import s3_account as account
from . import s3_errors as errors
from . import s3_messages as messages
from .s3_account import Keys
from .s3_administration import AdministeredS3
from .s3_boto3 import Ask, Boto3, sdk_error
from .s3_errors import S3Request
from .s3_messages import CHECKSUM, OPTION_HEADERS
from .s3_presets import ALLOWED_BY, BUCKET_NAMES, CONDITIONS, PRESETS, chosen

__all__ = ["S3Config", "S3Driver"]

MAX_REQUEST_AGE_SECONDS = 15 * 60
"""How long a signature is accepted (RequestTimeTooSkewed): sig-v4-authenticating-requests."""
CREDENTIALS_MARGIN_SECONDS = 5 * 60
"""So long before they expire, temporary credentials are fetched anew."""
INLINE_HASH_BYTES = 128 * 1024
"""Up to this size hashing is not worth a thread: about 0.1 ms a checksum."""
DELETES_AT_ONCE = 16
LOCATION_FREE_REGION = "us-east-1"
"""The one region that CreateBucket must not name."""


@dataclass(frozen=True, kw_only=True)
class S3Config(Config):
    """AWS S3, or a service that speaks its protocol.

    Attributes:
        access_key, secret_key, session_token: None is from the environment (``AWS_ACCESS_KEY_ID``
            and so on), on AWS then from boto3's chain, refreshed before it expires.
        endpoint: of a compatible service, such as ``"https://minio.example:9000"``.
        region: signed with; on AWS a bucket's own is found out.
        addressing: ``"path"``, ``"virtual"``, or ``"auto"``: as the preset wants it, and path where a
            host's name could not work (addresses; dots in the bucket's name under TLS).
        preset: one of `PRESETS`; None is ``"aws"`` without an endpoint, else ``"generic"``.
        conditional_writes: True where you know that the service honours ``If-None-Match`` and
            ``If-Match`` on writes; None is what the preset says.
    """

    scheme: ClassVar[str] = "s3"

    access_key: str | None = None
    secret_key: Secret | None = None
    session_token: Secret | None = None
    endpoint: str | None = None
    region: str | None = None
    addressing: str = "auto"
    preset: str | None = None
    conditional_writes: bool | None = None

    @classmethod
    def url_options(cls, url: SplitResult) -> dict[str, object]:
        """See `Config`."""
        if url.netloc or url.path.strip("/"):
            raise ConfigError(
                "an s3: URL names no bucket and no host; write s3:?region=… or s3:?endpoint=https://…",
                vendor="s3",
            )
        return super().url_options(url)

    def create_driver(self) -> S3Driver:
        """The driver of this account."""
        return S3Driver(self)


class _Place(NamedTuple):
    """Where a bucket is; `base` is what stands in the path before ``/key``."""

    region: str
    host: str
    base: str


class S3Driver(AdministeredS3):
    """See the module. All writes are idempotent to the runtime: of a conditional one whose answer was
    lost, the facade finds out by its write-id."""

    scheme: ClassVar[str] = "s3"

    def __init__(self, config: S3Config) -> None:
        name, preset, pattern, scheme, host = chosen(config.preset, config.endpoint)
        if config.addressing not in ("auto", "path", "virtual"):
            raise ConfigError("addressing is 'auto', 'path' or 'virtual'", vendor="s3")
        self._config, self._preset, self._scheme = config, preset, scheme
        self._host = host.removesuffix(":443" if scheme == "https" else ":80")
        self._virtual = preset.virtual and not messages.is_address(self._host)
        region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
        self._region = config.region or (region if name == "aws" else None) or preset.region
        self._keys = account.configured_keys(
            config.access_key, config.secret_key, config.session_token, chain=name == "aws"
        )
        self._last_place = ("", self._place("", self._region))
        self.endpoint = pattern.replace("{region}", self._region)
        self._boto3 = Boto3(
            config,
            endpoint=None if pattern == PRESETS["aws"].endpoint else self.endpoint,
            region=self._region,
            virtual=self._is_virtual("any"),
            md5=not preset.crc32,
        )
        self.capabilities = preset.capabilities
        if config.conditional_writes is not None:
            switched = dict.fromkeys(CONDITIONS, config.conditional_writes)
            self.capabilities = replace(preset.capabilities, **switched)
        self.limits, self.key_rule = preset.limits, preset.key_rule
        self.bucket_name_rule, self.allowed_by = BUCKET_NAMES, ALLOWED_BY
        self.vendor_options = MappingProxyType({"s3": frozenset(OPTION_HEADERS)})
        self.max_request_age = MAX_REQUEST_AGE_SECONDS

    # --- account ---

    def discover(self, ctx: OpContext) -> Flow[None]:
        """The preset says it all."""
        yield from ()

    def credentials(self, ctx: OpContext, rejected: object) -> Flow[Keys]:
        """The configured keys, else those of boto3's chain, kept until shortly before they expire."""
        if self._keys is not None:
            return self._keys

        def find() -> Flow[OnceValue[Keys]]:
            found: Keys = yield Call(self, ctx, account.find_keys, self._region, idempotent=True)
            if found.expires_at is None:
                return OnceValue(found)
            left = found.expires_at - ctx.clock.now() - CREDENTIALS_MARGIN_SECONDS
            return OnceValue(found, max(left, 1.0))

        keys: Keys = yield Once(self, ctx, "credentials", find, stale=rejected)
        return keys

    def authorize(self, request: Request, credentials: Keys, now: float) -> Mapping[str, str]:
        """SigV4 in headers. Without TLS the payload is signed; with it, a checksum protects it."""
        assert isinstance(request, S3Request)
        payload = request.payload
        digest = EMPTY_SHA256
        if payload is not None and payload.size:
            signed = self._scheme == "http" or request.method == "POST"
            digest = payload.digest("sha256") if signed else UNSIGNED_PAYLOAD
        return credentials.signer(request.region).sign_headers(
            request.method, request.path, request.query, request.headers, digest, now
        )

    def classify(self, request: Request | Call, failure: Response | Exception) -> ErrorInfo | None:
        """By the code, else by the status; a redirect is left to the flow, which knows where to go."""
        if isinstance(failure, Exception):
            asked = request.args[0] if isinstance(request, Call) and request.args else None
            if isinstance(asked, Ask):
                return sdk_error(asked, failure)
            return account.chain_error(failure)
        assert isinstance(request, S3Request)
        info = errors.judged(request, failure, follows=self._preset.redirects)
        if info is not None and self._keys is not None:
            info.rejected_credentials = False  # there are no others to ask for
        return info

    # --- requests ---

    def _is_virtual(self, bucket: str) -> bool:
        if self._config.addressing != "auto":
            return self._config.addressing == "virtual"
        # A certificate for *.host does not hold for names with more dots.
        return self._virtual and not ("." in bucket and self._scheme == "https")

    def _place(self, bucket: str, region: str) -> _Place:
        """Where a bucket of this region is; "" is the account."""
        host = self._host.replace("{region}", region)
        if not bucket:
            return _Place(region, host, "")
        if self._is_virtual(bucket):
            return _Place(region, f"{bucket}.{host}", "")
        return _Place(region, host, f"/{bucket}")

    def _where(self, ctx: OpContext, bucket: str) -> Flow[_Place]:
        """Where a bucket is, as far as is known."""
        # Of the last bucket without asking the cell, which keeps them all; `_moved` renews both.
        known = self._last_place
        if known[0] == bucket:
            return known[1]
        place = self._place(bucket, self._region)

        def begin() -> Flow[OnceValue[_Place]]:
            yield from ()
            return OnceValue(place)

        if bucket and self._preset.redirects:
            place = yield Once(self, ctx, f"place of {bucket}", begin)
        self._last_place = (bucket, place)
        return place

    def _moved(self, ctx: OpContext, bucket: str, place: _Place, answer: Response) -> Flow[_Place]:
        """Where a bucket really is, after an answer that it is not at `place`."""

        def find() -> Flow[OnceValue[_Place]]:
            region = errors.named_region(answer)
            if region in (None, place.region):
                anywhere = self._place(bucket, LOCATION_FREE_REGION)
                region = errors.named_region((yield self._request(ctx, "HEAD", anywhere)))
            if region is None or region == place.region:
                raise errors.unnamed_region(answer)
            return OnceValue(self._place(bucket, region))

        found: _Place = yield Once(self, ctx, f"place of {bucket}", find, stale=place)
        self._last_place = (bucket, found)
        return found

    def _request(
        self,
        ctx: OpContext,
        method: str,
        place: _Place,
        key: str = "",
        query: Iterable[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        payload: Payload | None = None,
        *,
        buffered: bool = True,
    ) -> S3Request:
        """A request to an object; without a key, to a bucket, or to the account."""
        sent = {"host": place.host}
        if headers:
            sent.update(headers)
        request = S3Request(
            self,
            ctx,
            method,
            f"{self._scheme}://{place.host}",
            f"{place.base}/{encode_path(key)}" if key else place.base or "/",
            encode_query(query) if query else "",
            sent,
            payload,
            buffered=buffered,
        )
        request.region = place.region
        request.missing = ErrorKind.NOT_FOUND if key else ErrorKind.BUCKET_NOT_FOUND
        return request

    def _send(
        self, ctx: OpContext, method: str, bucket: str, *args: Any, **options: Any
    ) -> Flow[Response]:
        """The answer to a `_request`, asked again in the bucket's own region where that is another."""
        place = yield from self._where(ctx, bucket)
        answer: Response = yield self._request(ctx, method, place, *args, **options)
        if answer.status >= 300:  # of failures, `classify` lets only redirects through
            place = yield from self._moved(ctx, bucket, place, answer)
            answer = yield self._request(ctx, method, place, *args, **options)
            if answer.status >= 300:
                raise UnexpectedResponseError("redirected in a circle", status=answer.status)
        return answer

    def _ask(self, ctx: OpContext, method: str, bucket: str, key: str, *args: Any) -> Flow[XmlNode]:
        """The XML of the answer to a `_send`. One about an object only echoes its key."""
        answer = yield from self._send(ctx, method, bucket, key, *args)
        return errors.result_of(answer, lossy=bool(key), only_read=method == "GET")

    def _look(self, ctx: OpContext, bucket: str, *args: Any) -> Flow[Response]:
        """The answer to a HEAD. Where that is refused, a GET finds out why, for it has a body."""
        try:
            return (yield from self._send(ctx, "HEAD", bucket, *args))
        except CloudStoreError as exc:
            if not errors.is_unexplained(exc):
                raise
        yield from self._send(ctx, "GET", bucket, *messages.smallest_read(*args))
        # It is allowed: by credentials that are new, perhaps.
        return (yield from self._send(ctx, "HEAD", bucket, *args))

    def _add_digests(
        self,
        ctx: OpContext,
        headers: dict[str, str],
        payload: Payload,
        promised: Mapping[str, str],
    ) -> Flow[None]:
        """The checksums by which the vendor verifies a body."""

        if payload.blocks or payload.size > INLINE_HASH_BYTES:
            yield Call(None, ctx, self._hash, headers, payload, promised)
        else:
            self._hash(headers, payload, promised)

    def _hash(self, headers: dict[str, str], payload: Payload, promised: Mapping[str, str]) -> None:
        # What is signed as well, because `authorize` must not wait for a file.
        signed = self._scheme == "http"
        headers |= messages.digest_headers(payload, promised, crc32=self._preset.crc32, signed=signed)

    # --- buckets ---

    def create_bucket(self, ctx: OpContext, bucket: str) -> Flow[BucketInfo]:
        """See `Driver`. Looks first, because some services, and AWS in us-east-1, answer 200 to the
        bucket's owner; of two owners who look at the same time, both are then told so."""
        try:
            yield from self._send(ctx, "HEAD", bucket)
        except CloudStoreError as exc:  # why it was refused, the answer to PUT says
            if not (errors.is_unexplained(exc) or isinstance(exc, NotFoundError)):
                raise
        else:
            raise BucketAlreadyExistsError("there is a bucket of this name")
        payload = None
        if self._preset.location and self._region != LOCATION_FREE_REGION:
            payload = messages.location(self._region)
        place = self._place(bucket, self._region)
        yield self._request(ctx, "PUT", place, payload=payload)
        return BucketInfo(bucket, None, self._region)

    def delete_bucket(self, ctx: OpContext, bucket: str) -> Flow[None]:
        """See `Driver`."""
        yield from self._send(ctx, "DELETE", bucket)

    def head_bucket(self, ctx: OpContext, bucket: str) -> Flow[BucketInfo]:
        """See `Driver`."""
        answer = yield from self._look(ctx, bucket)
        return BucketInfo(bucket, None, answer.headers.get("x-amz-bucket-region"))

    def list_buckets(self, ctx: OpContext) -> Flow[list[BucketInfo]]:
        """See `Driver`."""
        found: list[BucketInfo] = []
        query: list[tuple[str, str]] = []
        while True:
            root = yield from self._ask(ctx, "GET", "", "", query)
            found += messages.bucket_infos(root)
            token = root.text("ContinuationToken")
            if not token:
                return sorted(found, key=lambda info: info.name)
            check_progress(query[0][1] if query else None, token)
            query = [("continuation-token", token)]

    # --- objects ---

    def put_object(
        self, ctx: OpContext, bucket: str, key: str, payload: Payload, options: PutOptions
    ) -> Flow[PutResult]:
        """See `Driver`."""
        headers = messages.head_headers(options, self.limits.max_metadata_bytes)
        headers |= messages.conditions(options)
        yield from self._add_digests(ctx, headers, payload, options.checksums)
        answer = yield from self._send(ctx, "PUT", bucket, key, (), headers, payload)
        return messages.put_result(answer)

    def get_object(self, ctx: OpContext, bucket: str, key: str, options: GetOptions) -> Flow[GetResult]:
        """See `Driver`."""
        query, headers = self._read_request(options)
        span = options.range
        if not span.is_whole:
            headers["range"] = range_header(span)
        try:
            answer = yield from self._send(ctx, "GET", bucket, key, query, headers, buffered=False)
        except RangeNotSatisfiableError:
            if span.start >= 0:
                raise
            # Only of an empty object there is no suffix; by the contract it is then empty.
            return (yield from self._get_empty(ctx, bucket, key, options))
        try:
            return messages.opened(key, span, answer)
        except BaseException as exc:
            if answer.body is not None:
                answer.body.close()
            errors.add_answer(exc, answer)
            raise

    def _get_empty(self, ctx: OpContext, bucket: str, key: str, options: GetOptions) -> Flow[GetResult]:
        whole = yield from self.get_object(ctx, bucket, key, replace(options, range=ByteRange()))
        if whole.end:
            whole.close()
            raise UnexpectedResponseError("the service found no suffix in an object that has one")
        return whole

    def head_object(
        self, ctx: OpContext, bucket: str, key: str, options: GetOptions
    ) -> Flow[ObjectInfo]:
        """See `Driver`."""
        query, headers = self._read_request(options)
        answer = yield from self._look(ctx, bucket, key, query, headers)
        return messages.object_info(key, answer.headers, stated_length(answer))

    def _read_request(self, options: GetOptions) -> tuple[list[tuple[str, str]], dict[str, str]]:
        """The query and the headers of a GET or HEAD."""
        messages.refuse_options(options.vendor_options)
        headers = read_conditions(options)
        if self._preset.crc32 and options.range.is_whole:
            headers[f"{CHECKSUM}mode"] = "ENABLED"
        return messages.version_query(options.version), headers

    def delete_object(
        self, ctx: OpContext, bucket: str, key: str, options: DeleteOptions
    ) -> Flow[None]:
        """See `Driver`."""
        messages.refuse_options(options.vendor_options)
        headers = {} if options.if_match is None else {"if-match": quoted(options.if_match)}
        yield from self._send(
            ctx, "DELETE", bucket, key, messages.version_query(options.version), headers
        )

    def copy_object(
        self,
        ctx: OpContext,
        bucket: str,
        key: str,
        to_bucket: str,
        to_key: str,
        options: CopyOptions,
    ) -> Flow[PutResult]:
        """See `Driver`. S3 copies an object onto itself only if something is given anew: so it is."""
        if options.replace is None and (bucket, key) == (to_bucket, to_key):
            condition = GetOptions(if_match=options.source_if_match)
            info = yield from self.head_object(ctx, bucket, key, condition)
            options = replace(options, replace=info.put_options(), source_if_match=info.etag)
        put = replace(options.replace or PutOptions(), vendor_options=options.vendor_options)
        headers = messages.head_headers(put, self.limits.max_metadata_bytes)
        headers |= messages.conditions(options)
        headers |= messages.copy_source(bucket, key, options.source_if_match)
        headers["x-amz-metadata-directive"] = "COPY" if options.replace is None else "REPLACE"
        if put.tags:
            headers["x-amz-tagging-directive"] = "REPLACE"
        answer = yield from self._send(ctx, "PUT", to_bucket, to_key, (), headers)
        root = errors.result_of(answer, lossy=True)
        etag, modified = etag_of(root.text("ETag")), iso_time(root.text("LastModified"))
        return PutResult(etag, answer.headers.get("x-amz-version-id"), modified)

    def list_page(self, ctx: OpContext, bucket: str, options: ListOptions) -> Flow[Page]:
        """See `Driver`. A common prefix that `start_after` lies in is a page of its own, because some
        services hide it."""
        peek = messages.peek_options(options)
        query = messages.list_query(peek or options)
        answer = yield from self._send(ctx, "GET", bucket, "", query)
        page = messages.page_of(*errors.rows_of(answer, "Contents", messages.LISTED))
        if peek is not None:
            shown = [peek.prefix] if page.objects else []
            return Page([], shown, messages.start_token(options.start_after))
        hidden = messages.peeked_prefix(options)
        if hidden is not None:
            page.prefixes = [prefix for prefix in page.prefixes if prefix != hidden]
        return page

    def delete_objects(
        self, ctx: OpContext, bucket: str, keys: Sequence[str]
    ) -> Flow[dict[str, CloudStoreError]]:
        """See `Driver`. Keys that XML would not carry unchanged are deleted one by one."""
        plain = [key for key in keys if messages.is_plain_in_xml(key)]
        odd = [key for key in keys if not messages.is_plain_in_xml(key)]
        failed: dict[str, CloudStoreError] = {}
        if plain:
            payload = messages.deletion(plain)
            headers = {"content-type": "application/xml"}
            yield from self._add_digests(ctx, headers, payload, {})
            root = yield from self._ask(ctx, "POST", bucket, "", [("delete", "")], headers, payload)
            for row in root.rows("Error"):
                error = errors.deletion_error(row)
                if error is not None:
                    error.vendor, error.bucket = self.scheme, bucket
                    failed[row.get("Key", "")] = error
        if odd:
            singly = (self.delete_object(ctx, bucket, key, DeleteOptions()) for key in odd)
            results = yield Gather(singly, limit=DELETES_AT_ONCE, fail_fast=False)
            for key, result in zip(odd, results, strict=True):
                if isinstance(result, CloudStoreError):
                    failed[key] = result
        return failed

    # --- multipart ---

    def create_multipart(
        self, ctx: OpContext, bucket: str, key: str, options: PutOptions
    ) -> Flow[UploadRef]:
        """See `Driver`."""
        headers = messages.head_headers(options, self.limits.max_metadata_bytes)
        if self._preset.crc32:
            headers |= {f"{CHECKSUM}algorithm": "CRC32", f"{CHECKSUM}type": "FULL_OBJECT"}
        root = yield from self._ask(ctx, "POST", bucket, key, [("uploads", "")], headers)
        return UploadRef(self.scheme, bucket, key, messages.required(root, "UploadId"))

    def upload_part(self, ctx: OpContext, ref: UploadRef, number: int, payload: Payload) -> Flow[Part]:
        """See `Driver`."""
        headers: dict[str, str] = {}
        yield from self._add_digests(ctx, headers, payload, {})
        query = messages.part_query(ref.upload_id, number)
        answer = yield from self._send(ctx, "PUT", ref.bucket, ref.key, query, headers, payload)
        checksums = {"crc32": payload.digest("crc32")} if self._preset.crc32 else {}
        etag = etag_of(answer.headers.get("etag")) or ""
        return Part(number, etag, payload.size, checksums)

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
        start, end = range.start, range.end
        if end is None:
            condition = GetOptions(if_match=source_if_match)
            info = yield from self.head_object(ctx, bucket, key, condition)
            start, end = range.resolve(info.size)
            source_if_match = info.etag
        headers = messages.copy_source(bucket, key, source_if_match)
        if not range.is_whole:
            headers["x-amz-copy-source-range"] = range_header(ByteRange(start, end))
        query = messages.part_query(ref.upload_id, number)
        root = yield from self._ask(ctx, "PUT", ref.bucket, ref.key, query, headers)
        return messages.copied_part(root, number, end - start)

    def complete_multipart(
        self, ctx: OpContext, ref: UploadRef, parts: Sequence[Part], options: CompleteOptions
    ) -> Flow[PutResult]:
        """See `Driver`."""
        headers = {"content-type": "application/xml", **messages.conditions(options)}
        if self._preset.crc32:
            headers[f"{CHECKSUM}type"] = "FULL_OBJECT"
        payload = messages.completion(parts, checksums=self._preset.crc32)
        query = [("uploadId", ref.upload_id)]
        answer = yield from self._send(ctx, "POST", ref.bucket, ref.key, query, headers, payload)
        root = errors.result_of(answer, lossy=True) if answer.content else None
        etag = etag_of(root.text("ETag")) if root is not None else None
        if etag is not None:
            return PutResult(etag, answer.headers.get("x-amz-version-id"))
        try:  # some services do not say
            info = yield from self.head_object(ctx, ref.bucket, ref.key, GetOptions())
        except CloudStoreError:
            return PutResult()  # it is there all the same
        return PutResult(info.etag, info.version, info.last_modified, info.checksums)

    def abort_multipart(self, ctx: OpContext, ref: UploadRef) -> Flow[None]:
        """See `Driver`."""
        yield from self._send(ctx, "DELETE", ref.bucket, ref.key, [("uploadId", ref.upload_id)])

    def list_parts(self, ctx: OpContext, ref: UploadRef, token: str | None) -> Flow[PartPage]:
        """See `Driver`."""
        query = messages.parts_query(ref.upload_id, token)
        return messages.part_page((yield from self._ask(ctx, "GET", ref.bucket, ref.key, query)))

    def list_uploads(
        self, ctx: OpContext, bucket: str, prefix: str, token: str | None
    ) -> Flow[UploadPage]:
        """See `Driver`."""
        query = messages.uploads_query(prefix, token)
        root = yield from self._ask(ctx, "GET", bucket, "", query)
        return messages.upload_page(root, self.scheme, bucket)

    def part_size(self, ctx: OpContext, bucket: str, key: str, info: ObjectInfo) -> Flow[int | None]:
        """See `Driver`. The service says it, or else arithmetic: see `s3_messages`."""
        if info.etag is None or (count := messages.part_count(info.etag)) < 2:
            return None
        query = messages.first_part_query(info.version)
        headers = {"if-match": quoted(info.etag)}
        try:
            answer = yield from self._send(ctx, "HEAD", bucket, key, query, headers)
        except CloudStoreError:  # whoever copies reads it next, and learns why
            return messages.likely_part_size(info.size, count)
        return messages.part_size(answer, info.size, count)

    # --- access ---

    def presign(
        self, ctx: OpContext, bucket: str, key: str, options: PresignOptions
    ) -> Flow[PresignedRequest]:
        """See `Driver`. It is for the configured region, or the one that the bucket was found in."""
        messages.refuse_options(options.vendor_options)
        keys = yield from self.credentials(ctx, None)
        place = yield from self._where(ctx, bucket)
        now, seconds = ctx.clock.now(), math.ceil(options.expires_in)
        expires = datetime.fromtimestamp(int(now) + seconds, UTC)
        origin, signer = f"{self._scheme}://{place.host}", keys.signer(place.region)
        if options.method == "POST":
            fields = messages.form_fields(signer, bucket, key, options, now, expires)
            return PresignedRequest("POST", f"{origin}{place.base or '/'}", expires, {}, fields)
        path = f"{place.base}/{encode_path(key)}"
        headers = {} if options.content_type is None else {"content-type": options.content_type}
        shown = options.content_disposition
        pairs = [] if shown is None else [("response-content-disposition", shown)]
        signed = {"host": place.host, **headers}
        query = signer.sign_query(options.method, path, pairs, signed, seconds, now)
        return PresignedRequest(options.method, f"{origin}{path}?{query}", expires, headers)
