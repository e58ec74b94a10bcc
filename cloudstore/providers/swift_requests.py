"""What every request of the ``swift`` driver goes through: token, storage URL, what failures mean.

Also what a Swift says of itself: its ``/info`` narrows limits and capabilities. A base of the driver's
other halves; no I/O of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from ..bodies import Payload
from ..capabilities import GIB, MIB, BucketNameRule, Capabilities, KeyRule, Limits
from ..driver import Call, Driver, ErrorInfo, Flow, Once, OnceValue, OpContext, Request, Response
from ..errors import CloudStoreError, DeadlineExceededError, ErrorKind, TransportError
from . import swift_errors as errors
from . import swift_messages as messages
from .swift_account import AccountConfig, Session, account_error, authenticate, is_renewable
from .swift_errors import SwiftRequest
from .swift_messages import MetadataLimits
from .swift_segments import LONGEST_KEY, SUFFIX

__all__ = ["BUCKET_NAMES", "CAPABILITIES", "KEYS", "LIMITS", "SwiftRequests"]

TOKEN_MARGIN_SECONDS = 30.0
"""So long before it expires, a token whose end is known is fetched anew; of short ones, a tenth."""
LEAST_SECONDS = 0.001
"""What `Timeouts` takes at least."""
MAX_BUCKET_BYTES = 256
"""``max_container_name_length`` of swift.conf."""
MAX_PUT_BYTES = 5 * GIB
"""``max_file_size`` of swift.conf is two bytes more."""
MAX_SEGMENTS = 1000
"""``max_manifest_segments`` of the slo middleware."""
MIN_PART_BYTES = MIB
"""Swift takes one byte, but reads smaller segments at one a second after the tenth
(``rate_limit_under_size`` of the slo middleware)."""
PAGE_SIZE = 10_000
"""``container_listing_limit`` of swift.conf."""
DELETES = 1000
"""Of one batch: the bulk middleware takes 10,000, and gives up after 1,000 failures."""
MAX_METADATA_BYTES = 2048
"""Before encoding. Swift takes 4,096 once encoded, in values of 256: see `swift_messages`."""
MAX_PRESIGN_SECONDS = 10 * 365 * 24 * 3600
"""Swift has no limit."""

_VERSION = re.compile(r"/v[0-9]+(\.[0-9]+)?(/.*)?\Z")

CAPABILITIES = Capabilities(
    create_bucket=True,
    list_buckets=True,
    account=True,
    account_metadata=True,
    bucket_metadata=True,
    website=True,
    copy_source_if_match=True,
    settles_writes=True,
    content_encoding=True,
    cache_control=True,
    content_disposition=True,
    metadata=True,
    expires_in=True,
    checksum_md5=True,
    update_metadata=True,
    ranges=True,
    conditional_reads=True,
    copy=True,
    ordered_listing=True,
    start_after=True,
    any_delimiter=True,
    delete_objects=True,
    multipart=True,
    copy_part=True,
    list_parts=True,
    list_uploads=True,
    presign_get=True,
    presign_put=True,
    presign_delete=True,
    acl=True,
)
LIMITS = Limits(
    max_put_size=MAX_PUT_BYTES,
    max_object_size=MAX_PUT_BYTES * MAX_SEGMENTS,
    min_part_size=MIN_PART_BYTES,
    max_part_size=MAX_PUT_BYTES,
    max_parts=MAX_SEGMENTS,
    max_metadata_bytes=MAX_METADATA_BYTES,
    metadata_name_chars="-.",
    page_size=PAGE_SIZE,
    delete_batch=DELETES,
    max_presign_seconds=MAX_PRESIGN_SECONDS,
)
KEYS = KeyRule(
    LONGEST_KEY,
    (
        ("\0", "swift takes no key with a NUL"),
        ("\U0010ffff", "swift cannot list a key with U+10FFFF"),
    ),
)
BUCKET_NAMES = BucketNameRule(
    (
        (
            rf"(?!\.{{1,2}}\Z)[!-.0-\[\]-~]{{1,{MAX_BUCKET_BYTES - len(SUFFIX)}}}",
            f"a bucket's name has 1 to {MAX_BUCKET_BYTES - len(SUFFIX)} printable ASCII characters, "
            "without space, '/' and '\\'",
        ),
        (rf".*(?<!{SUFFIX})", f"names that end in {SUFFIX!r} are of buckets for segments"),
    )
)


class SwiftRequests(Driver):
    """Sends requests to one account."""

    _config: AccountConfig
    _place: tuple[str, str] | None = None
    """Origin and path of the account, once it is known."""
    _metadata_limits = MetadataLimits()
    _has_bulk_delete = True

    # --- account ---

    def discover(self, ctx: OpContext) -> Flow[None]:
        """Reads ``/info``. A cluster that keeps it to itself is taken for one with all middleware."""

        def ask() -> Flow[OnceValue[Mapping[str, Any]]]:
            origin, path = yield from self._account(ctx)
            request = self._make(ctx, "GET", origin, _info_path(path), missing=ErrorKind.NOT_FOUND)
            try:
                answer: Response = yield request
                return OnceValue(errors.read_json(answer, dict))
            except CloudStoreError as exc:
                if exc.retryable or exc.kind in (ErrorKind.TRANSPORT, ErrorKind.DEADLINE_EXCEEDED):
                    raise
                return OnceValue({})

        info: Mapping[str, Any] = yield Once(self, ctx, "info", ask)
        if info:
            self._narrow(info)

    def _narrow(self, info: Mapping[str, Any]) -> None:
        """Takes in what a cluster says of itself."""
        core = _table(info, "swift")
        slo, bulk, tempurl = (_table(info, n) for n in ("slo", "bulk_delete", "tempurl"))
        has = self.capabilities
        methods = tempurl.get("methods") if isinstance(tempurl.get("methods"), list) else ()
        digests = tempurl.get("allowed_digests", ["sha256"])
        signs = "tempurl" in info and isinstance(digests, list) and "sha256" in digests
        without = {
            **dict.fromkeys(
                ("multipart", "copy_part", "list_parts", "list_uploads", "complete_if_absent"),
                "slo" in info,
            ),
            "website": "staticweb" in info,
            **{
                f"presign_{method.lower()}": signs and method in (methods or ())
                for method in ("GET", "PUT", "DELETE")
            },
        }
        self.capabilities = replace(
            has, **{name: getattr(has, name) and there for name, there in without.items()}
        )
        self._has_bulk_delete = "bulk_delete" in info
        limits = self.limits
        largest = _least(core, "max_file_size", limits.max_put_size)
        parts = _least(slo, "max_manifest_segments", limits.max_parts)
        least_part = slo.get("min_segment_size")
        self.limits = replace(
            limits,
            max_put_size=largest,
            max_part_size=min(largest, limits.max_part_size),
            max_parts=parts,
            max_object_size=min(limits.max_object_size, largest * parts),
            min_part_size=max(limits.min_part_size, least_part if type(least_part) is int else 1),
            page_size=_least(core, "container_listing_limit", limits.page_size),
            delete_batch=_least(bulk, "max_deletes_per_request", limits.delete_batch),
        )
        held = MetadataLimits()
        self._metadata_limits = MetadataLimits(
            _least(core, "max_meta_name_length", held.name),
            _least(core, "max_meta_value_length", held.value),
            _least(core, "max_meta_count", held.names),
            _least(core, "max_meta_overall_size", held.overall),
        )

    def credentials(self, ctx: OpContext, rejected: object) -> Flow[Session]:
        """A session, kept until shortly before it ends, or until it is refused."""

        def sign_in() -> Flow[OnceValue[Session]]:
            try:
                made: Session = yield Call(self, ctx, self._sign_in, ctx, idempotent=True)
            except TransportError as exc:
                if ctx.deadline is None or ctx.clock.monotonic() < ctx.deadline:
                    raise
                raise DeadlineExceededError(
                    "the operation's time was up while it signed in", attempts=exc.attempts
                ) from exc
            self._place = _place_of(made)  # a renewed token may come with another
            # Asked early, a service of v1 gives the same token again (`tempauth` middleware).
            if made.expires_at is None or self._config.auth_version == "1":
                return OnceValue(made)
            left = max(0.0, made.expires_at - ctx.clock.now())
            return OnceValue(made, left - min(TOKEN_MARGIN_SECONDS, left / 10))

        session: Session = yield Once(self, ctx, "session", sign_in, stale=rejected)
        return session

    def _sign_in(self, ctx: OpContext) -> Session:
        """Asks for a session, within the time that the operation has. Blocks."""
        if ctx.deadline is None:
            return authenticate(self._config)
        left = max(LEAST_SECONDS, ctx.deadline - ctx.clock.monotonic())
        return authenticate(replace(self._config, timeouts=replace(self._config.timeouts, total=left)))

    def authorize(self, request: Request, credentials: Session, now: float) -> Mapping[str, str]:
        """The token."""
        return {**request.headers, "x-auth-token": credentials.token}

    def classify(self, request: Request | Call, failure: Response | Exception) -> ErrorInfo | None:
        """By the status."""
        if isinstance(failure, Exception):
            return account_error(failure)
        assert isinstance(request, SwiftRequest)
        info = errors.judged(request, failure)
        if info is not None and not is_renewable(self._config):
            info.rejected_credentials = False  # there is no other to ask for
        return info

    # --- requests ---

    def _account(self, ctx: OpContext) -> Flow[tuple[str, str]]:
        """Origin and path of the account's storage URL, which comes with the token."""
        if self._place is None:
            session = yield from self.credentials(ctx, None)
            self._place = _place_of(session)
        return self._place

    def _make(
        self,
        ctx: OpContext,
        method: str,
        origin: str,
        path: str,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        payload: Payload | None = None,
        *,
        missing: ErrorKind,
        buffered: bool = True,
    ) -> SwiftRequest:
        request = SwiftRequest(
            self, ctx, method, origin, path, query, headers, payload, buffered=buffered
        )
        request.missing, request.may_miss = missing, False
        request.conflict = ErrorKind.UNAVAILABLE  # of two writes of an object at the same time
        return request

    def _send(
        self,
        ctx: OpContext,
        method: str,
        bucket: str,
        key: str = "",
        query: messages.Query = (),
        headers: Mapping[str, str] | None = None,
        payload: Payload | None = None,
        *,
        missing: ErrorKind | None = None,
        may_miss: bool = False,
        conflict: ErrorKind = ErrorKind.BUCKET_NOT_EMPTY,
        buffered: bool = True,
    ) -> Flow[Response]:
        """The answer about an object; without a key, about a container; without that, the account.

        Args:
            missing: what a 404 means; None is a container, or of an object either.
            may_miss: it is an answer like any other.
            conflict: what a 409 about a container means.
        """
        place = self._place or (yield from self._account(ctx))
        if missing is None:
            missing = ErrorKind.NOT_FOUND if key else ErrorKind.BUCKET_NOT_FOUND
        request = self._make(
            ctx,
            method,
            place[0],
            place[1] + messages.path_of(bucket, key) if bucket else place[1],
            messages.query_of(query),
            headers,
            payload,
            missing=missing,
            buffered=buffered,
        )
        request.may_miss = may_miss
        if not key:
            request.conflict = conflict
        answer: Response = yield request
        return answer


def _place_of(session: Session) -> tuple[str, str]:
    """Origin and path."""
    parts = urlsplit(session.storage_url)
    return f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")


def _info_path(account: str) -> str:
    """Where a cluster tells of itself: beside the version in the account's path, which may stand below
    other names (Ceph's has ``/swift/v1``). As swiftclient looks for it."""
    return _VERSION.sub("", account) + "/info"


def _table(info: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = info.get(name)
    return found if isinstance(found, dict) else {}


def _least(table: Mapping[str, Any], name: str, most: int) -> int:
    """A limit of the cluster's, where it is less."""
    stated = table.get(name)
    return min(stated, most) if type(stated) is int and stated > 0 else most
