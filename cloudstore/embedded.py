"""What the embedded drivers share, whose vendor is this machine: `memory` and `local`. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .capabilities import Capabilities, Limits
from .driver import Call, Driver, ErrorInfo, Flow, OpContext, Request, Response

__all__ = ["EMBEDDED_CAPABILITIES", "EMBEDDED_LIMITS", "EmbeddedDriver"]

EMBEDDED_CAPABILITIES = Capabilities(
    create_bucket=True,
    list_buckets=True,
    put_if_absent=True,
    put_if_match=True,
    complete_if_absent=True,
    complete_if_match=True,
    copy_if_absent=True,
    copy_if_match=True,
    copy_source_if_match=True,
    delete_if_match=True,
    settles_writes=True,
    content_encoding=True,
    cache_control=True,
    content_disposition=True,
    metadata=True,
    checksum_md5=True,
    checksum_crc32=True,
    checksum_sha1=True,
    checksum_sha256=True,
    update_metadata=True,
    update_metadata_if_match=True,
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
)

_LARGEST = Limits().max_object_size
EMBEDDED_LIMITS = Limits(min_part_size=1, max_put_size=_LARGEST, multipart_threshold=_LARGEST)
"""One write takes anything, so nothing is gained by parts; keys and metadata are held to S3's sizes, so
that what works here works there."""


class EmbeddedDriver(Driver):
    """A driver made of `Call` alone: it sends no request, so it signs none."""

    def discover(self, ctx: OpContext) -> Flow[None]:
        """Nothing to ask."""
        yield from ()

    def credentials(self, ctx: OpContext, rejected: object) -> Flow[object]:
        """None are needed."""
        yield from ()
        return None

    def authorize(self, request: Request, credentials: Any, now: float) -> Mapping[str, str]:
        """No request is ever sent."""
        return request.headers

    def classify(self, request: Request | Call, failure: Response | Exception) -> ErrorInfo | None:
        """Only errors of the tree are raised."""
        return None
