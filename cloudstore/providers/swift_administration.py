"""What is set on buckets and the account of the ``swift`` driver, and temporary URLs.

All of it is headers of containers and of the account, so it goes over our own wire, too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from ..config import Secret
from ..driver import Flow, Once, OnceValue, OpContext
from ..errors import BucketNotFoundError, ConfigError, ErrorKind, UnsupportedError
from ..model import AccountInfo, PresignedRequest, PresignOptions
from . import swift_messages as messages
from .swift_requests import SwiftRequests
from .swift_segments import container_of

__all__ = ["AdministeredSwift"]

TEMP_URL_KEY_SECONDS = 300.0
"""How long the account's key is kept. Whoever rotates it keeps the old one as the second."""
KEY_HEADERS = ("x-account-meta-temp-url-key", "x-account-meta-temp-url-key-2")


class _Key(NamedTuple):
    """Shows nothing of itself."""

    secret: Secret


class AdministeredSwift(SwiftRequests):
    """The half of the driver that administers."""

    _temp_url_key: Secret | None

    def get_account(self, ctx: OpContext) -> Flow[AccountInfo]:
        """See `Driver`. Containers of segments count as buckets."""
        answer = yield from self._send(ctx, "HEAD", "", missing=ErrorKind.NOT_FOUND)
        return messages.account_info(answer.headers)

    def update_account_metadata(self, ctx: OpContext, changes: Mapping[str, str | None]) -> Flow[None]:
        """See `Driver`."""
        limits = self._metadata_limits
        headers = messages.shared_metadata_headers(messages.ACCOUNT_META, changes, limits)
        if headers:
            yield from self._send(ctx, "POST", "", "", (), headers, missing=ErrorKind.NOT_FOUND)

    def update_bucket_metadata(
        self, ctx: OpContext, bucket: str, changes: Mapping[str, str | None]
    ) -> Flow[None]:
        """See `Driver`."""
        limits = self._metadata_limits
        headers = messages.shared_metadata_headers(messages.BUCKET_META, changes, limits)
        yield from self._send(ctx, "POST", bucket, "", (), headers)

    def get_acl(self, ctx: OpContext, bucket: str, key: str | None) -> Flow[str]:
        """See `Driver`."""
        answer = yield from self._send(ctx, "HEAD", bucket)
        return messages.canned_acl(answer.headers)

    def set_acl(self, ctx: OpContext, bucket: str, key: str | None, acl: str) -> Flow[None]:
        """See `Driver`. The segments of large objects are opened first, and closed last."""
        headers = messages.acl_headers(acl)
        readers = messages.segment_readers(headers["x-container-read"])
        if readers:
            yield from self._send(ctx, "HEAD", bucket)
            yield from self._open_segments(ctx, bucket, readers)
        yield from self._send(ctx, "POST", bucket, "", (), headers)
        if not readers:
            yield from self._open_segments(ctx, bucket, readers)

    def _open_segments(self, ctx: OpContext, bucket: str, readers: str) -> Flow[None]:
        try:
            headers = {"x-container-read": readers}
            yield from self._send(ctx, "POST", container_of(bucket), "", (), headers)
        except BucketNotFoundError:
            pass  # there are none yet; `LargeObjects` opens the container as it makes it

    def set_website(
        self, ctx: OpContext, bucket: str, index: str | None, error: str | None
    ) -> Flow[None]:
        """See `Driver`."""
        headers = messages.website_headers(index, error)
        yield from self._send(ctx, "POST", bucket, "", (), headers)

    def presign(
        self, ctx: OpContext, bucket: str, key: str, options: PresignOptions
    ) -> Flow[PresignedRequest]:
        """See `Driver`. A temporary URL, by the configured key or the account's own."""
        if not key.strip("/"):
            raise UnsupportedError("Swift takes no temporary URL for a key of slashes alone")
        origin, account = yield from self._account(ctx)
        secret = yield from self._signing_key(ctx)
        expires = int(ctx.clock.now()) + math.ceil(options.expires_in)
        path = f"{account}/{bucket}/{key}"
        query = messages.temp_url_query(secret.reveal(), options.method, path, expires, options)
        url = f"{origin}{account}{messages.path_of(bucket, key)}?{messages.query_of(query)}"
        return PresignedRequest(options.method, url, datetime.fromtimestamp(expires, UTC))

    def _signing_key(self, ctx: OpContext) -> Flow[Secret]:
        if self._temp_url_key is not None:
            return self._temp_url_key

        def ask() -> Flow[OnceValue[_Key]]:
            answer = yield from self._send(ctx, "HEAD", "", missing=ErrorKind.NOT_FOUND)
            there = (answer.headers.get(name) for name in KEY_HEADERS)
            found = next(filter(None, there), None)
            if found is None:
                raise ConfigError(
                    "nothing signs temporary URLs: set temp_url_key, which is the account's "
                    "X-Account-Meta-Temp-URL-Key (`swift post -m Temp-URL-Key:…` sets it)"
                )
            return OnceValue(_Key(Secret(found)), TEMP_URL_KEY_SECONDS)

        key: _Key = yield Once(self, ctx, "temporary URL key", ask)
        return key.secret
