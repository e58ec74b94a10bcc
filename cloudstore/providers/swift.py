"""The ``swift`` driver: OpenStack Swift by its native API, on our own wire.

Config: `SwiftConfig`; who signs in, and how, stands in `swift_account`. ``store.native`` is a
``swiftclient.Connection`` (extra ``cloudstore[swift]``, which also fetches the tokens). Keys are sent
byte-exact, percent-encoded once; metadata percent-encoded, which swiftclient decodes. Beside this file:
`swift_requests` (tokens, ``/info``), `swift_large` and `swift_segments` (multipart uploads, and what is
left of them), `swift_copies`, `swift_administration` (settings, temporary URLs), `swift_messages` (what
is sent and read), `swift_errors` (what failures mean).
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, ClassVar
from urllib.parse import urlsplit

from ..bodies import Payload
from ..config import Secret
from ..driver import Flow, Gather, GetResult, OpContext
from ..errors import (
    BucketNotFoundError,
    CloudStoreError,
    ErrorKind,
    NotFoundError,
    UnexpectedResponseError,
)
from ..fork import reset_in_child
from ..listing import page_token
from ..model import (
    BucketInfo,
    DeleteOptions,
    GetOptions,
    ListOptions,
    Page,
    PutOptions,
    PutResult,
)
from . import swift_errors as errors
from . import swift_messages as messages
from .swift_account import AccountConfig, connect, settled
from .swift_administration import AdministeredSwift
from .swift_copies import Copies
from .swift_large import AT_ONCE
from .swift_requests import BUCKET_NAMES, CAPABILITIES, KEYS, LIMITS
from .swift_segments import SUFFIX

__all__ = ["SwiftConfig", "SwiftDriver"]

CONDITIONS = ("put_if_absent", "complete_if_absent")
"""What `SwiftConfig.conditional_writes` switches. Swift's object server looks when a PUT begins, and
not again when it ends (``swift/obj/server.py``)."""
ALLOWED_BY: Mapping[str, str] = MappingProxyType(
    dict.fromkeys(CONDITIONS, "SwiftConfig(conditional_writes=True)")
)
ACCOUNT_PAGE = 10_000
"""``account_listing_limit`` of swift.conf."""


@dataclass(frozen=True, kw_only=True)
class SwiftConfig(AccountConfig):
    """An account of an OpenStack Swift.

    Attributes:
        temp_url_key: signs presigned URLs; None is the account's own, which its owner may read
            (``X-Account-Meta-Temp-URL-Key``, else the second one).
        conditional_writes: True allows ``if_absent=True``. Swift honours it where the object is there
            already; of writers at the same time several may win.
    """

    scheme: ClassVar[str] = "swift"

    temp_url_key: Secret | None = None
    conditional_writes: bool = False

    def create_driver(self) -> SwiftDriver:
        """The driver of this account."""
        return SwiftDriver(self)


class SwiftDriver(Copies, AdministeredSwift):
    """See the module. All writes are idempotent to the runtime: of a conditional one whose answer was
    lost, the facade finds out by its write-id."""

    scheme: ClassVar[str] = "swift"

    def __init__(self, config: SwiftConfig) -> None:
        self._config = settled(config)
        self._temp_url_key = config.temp_url_key
        allowed = dict.fromkeys(CONDITIONS, config.conditional_writes)
        self.capabilities, self.limits = replace(CAPABILITIES, **allowed), LIMITS
        self.allowed_by = ALLOWED_BY
        self.key_rule, self.bucket_name_rule = KEYS, BUCKET_NAMES
        self.vendor_options = MappingProxyType({"swift": frozenset[str]()})
        named = urlsplit(self._config.storage_url or self._config.auth_url or "")
        self.endpoint = f"{named.scheme}://{named.netloc}"
        self._native: Any = None
        self._lock = threading.Lock()
        reset_in_child(self)

    def after_fork_in_child(self) -> None:
        """Another thread may have held the lock, and the connection is the parent's."""
        self._lock = threading.Lock()
        self._native = None

    @property
    def native(self) -> Any:
        """A ``swiftclient.Connection`` of this account, without retries. It is for one thread.

        Raises:
            MissingDependencyError: python-swiftclient is not installed.
        """
        with self._lock:
            if self._native is None:
                self._native = connect(self._config)
            return self._native

    def close(self) -> None:
        """Closes the native connection."""
        with self._lock:
            native, self._native = self._native, None
        if native is not None:
            native.close()

    # --- buckets ---

    def create_bucket(self, ctx: OpContext, bucket: str) -> Flow[BucketInfo]:
        """See `Driver`. Swift takes an existing container for a success, and says so (202)."""
        exists = ErrorKind.BUCKET_ALREADY_EXISTS
        yield from self._send(ctx, "PUT", bucket, missing=ErrorKind.NOT_FOUND, conflict=exists)
        return BucketInfo(bucket, None, self._config.region)

    def delete_bucket(self, ctx: OpContext, bucket: str) -> Flow[None]:
        """See `Driver`. Uploads under way go with it."""
        try:
            yield from self._send(ctx, "DELETE", bucket)
        except BucketNotFoundError as exc:
            if exc.outcome == "unknown":  # an attempt of ours, whose answer was lost, deleted it
                yield from self._drop_segments(ctx, bucket)
            raise
        yield from self._drop_segments(ctx, bucket)

    def head_bucket(self, ctx: OpContext, bucket: str) -> Flow[BucketInfo]:
        """See `Driver`. Of a large object its size counts the manifest only."""
        answer = yield from self._send(ctx, "HEAD", bucket)
        return messages.bucket_info(bucket, answer.headers, self._config.region)

    def list_buckets(self, ctx: OpContext) -> Flow[list[BucketInfo]]:
        """See `Driver`. Containers of segments are not shown."""
        found: list[BucketInfo] = []
        marker = ""
        while True:
            query = [("format", "json"), ("limit", str(ACCOUNT_PAGE))]
            if marker:
                query.append(("marker", marker))
            answer = yield from self._send(ctx, "GET", "", "", query, missing=ErrorKind.NOT_FOUND)
            rows = [] if answer.status == 204 else errors.read_json(answer, list)
            page = messages.bucket_infos(rows, self._config.region)
            found += [info for info in page if not info.name.endswith(SUFFIX)]
            if len(page) < ACCOUNT_PAGE:
                return sorted(found, key=lambda info: info.name)
            if page[-1].name == marker:
                raise UnexpectedResponseError("the listing goes round in a circle")
            marker = page[-1].name

    # --- objects ---

    def put_object(
        self, ctx: OpContext, bucket: str, key: str, payload: Payload, options: PutOptions
    ) -> Flow[PutResult]:
        """See `Driver`."""
        headers = messages.head_headers(options, self._metadata_limits)
        if options.if_absent:
            headers["if-none-match"] = "*"
        headers["etag"] = options.checksums.get("md5") or (yield from self._md5(ctx, payload))
        missing = ErrorKind.BUCKET_NOT_FOUND
        answer = yield from self._send(ctx, "PUT", bucket, key, (), headers, payload, missing=missing)
        if not options.if_absent:
            yield from self._sweep(ctx, bucket, [key])
        result = messages.put_result(answer)
        result.checksums = {"md5": headers["etag"]}
        return result

    def get_object(self, ctx: OpContext, bucket: str, key: str, options: GetOptions) -> Flow[GetResult]:
        """See `Driver`."""
        answer = yield from self._read(ctx, "GET", bucket, key, options)
        try:
            return messages.opened(key, options.range, answer)
        except BaseException as exc:
            if answer.body is not None:
                answer.body.close()
            if isinstance(exc, UnexpectedResponseError):
                exc.status, exc.request_id = answer.status, errors.request_id(answer)
            raise

    def delete_object(
        self, ctx: OpContext, bucket: str, key: str, options: DeleteOptions
    ) -> Flow[None]:
        """See `Driver`."""
        try:
            yield from self._send(ctx, "DELETE", bucket, key)
        except NotFoundError:  # gone it is, perhaps by an attempt of ours whose answer was lost
            yield from self._sweep(ctx, bucket, [key])
            raise
        yield from self._sweep(ctx, bucket, [key])

    def delete_objects(
        self, ctx: OpContext, bucket: str, keys: Sequence[str]
    ) -> Flow[dict[str, CloudStoreError]]:
        """See `Driver`."""
        wanted = list(dict.fromkeys(keys))
        if not self._has_bulk_delete:
            return (yield from self._delete_singly(ctx, bucket, wanted))
        failed = yield from self._bulk_delete(ctx, bucket, wanted)
        yield from self._sweep(ctx, bucket, wanted)
        return failed

    def _delete_singly(
        self, ctx: OpContext, bucket: str, keys: Sequence[str]
    ) -> Flow[dict[str, CloudStoreError]]:
        singly = (self.delete_object(ctx, bucket, key, DeleteOptions()) for key in keys)
        results = yield Gather(singly, limit=AT_ONCE, fail_fast=False)
        failed: dict[str, CloudStoreError] = {}
        missing = False
        for key, result in zip(keys, results, strict=True):
            if isinstance(result, NotFoundError):
                missing = True
            elif isinstance(result, CloudStoreError):
                failed[key] = result
            elif isinstance(result, Exception):
                raise result
        if missing:
            yield from self._send(ctx, "HEAD", bucket)
        return failed

    def update_metadata(
        self,
        ctx: OpContext,
        bucket: str,
        key: str,
        metadata: Mapping[str, str],
        if_match: str | None,
    ) -> Flow[PutResult]:
        """See `Driver`. A POST takes away what it does not say, so all is read before."""
        head = yield from self._send(ctx, "HEAD", bucket, key)
        headers = messages.kept_headers(head.headers)
        headers |= messages.metadata_headers(metadata, self._metadata_limits)
        yield from self._send(ctx, "POST", bucket, key, (), headers)
        return PutResult(messages.etag_of(head.headers.get("etag")))

    def list_page(self, ctx: OpContext, bucket: str, options: ListOptions) -> Flow[Page]:
        """See `Driver`. A common prefix that is `start_after` itself is a page of its own."""
        if messages.is_unlistable(options):
            yield from self._send(ctx, "HEAD", bucket)
            return Page()
        peek = messages.peek_options(options)
        asked = peek or options
        query = messages.list_query(asked)
        answer = yield from self._send(ctx, "GET", bucket, "", query)
        rows = [] if answer.status == 204 else errors.read_json(answer, list)
        page = messages.page_of(rows, asked.limit)
        if peek is not None:
            shown = [peek.prefix] if page.objects else []
            return Page([], shown, page_token(peek.prefix))
        return page
