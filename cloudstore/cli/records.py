"""How things are printed: their fields in JSON, which stay as they are, and their lines for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..bucket import Bucket
from ..model import CommonPrefix, UploadInfo
from ..object import Object
from .addresses import Place, Remote
from .quantities import human_size, human_time
from .session import printable

__all__ = [
    "action_record",
    "bucket_record",
    "entry_line",
    "entry_record",
    "stat_record",
    "upload_record",
]


def bucket_record(place: Remote, bucket: Bucket) -> dict[str, Any]:
    """A bucket, with what the vendor says of it."""
    return {
        "type": "bucket",
        "address": f"{place.profile}:{bucket.name}",
        "bucket": bucket.name,
        "created_at": bucket.created_at,
        "region": bucket.region,
        "objects": bucket.object_count,
        "size": bucket.size,
        "metadata": dict(bucket.metadata),
    }


def entry_record(place: Remote, entry: Object | CommonPrefix) -> dict[str, Any]:
    """An entry of a listing."""
    if isinstance(entry, CommonPrefix):
        address = str(place.with_key(entry.prefix))
        return {"type": "prefix", "address": address, "bucket": place.bucket, "key": entry.prefix}
    return {
        "type": "object",
        "address": str(place.with_key(entry.key)),
        "bucket": place.bucket,
        "key": entry.key,
        "size": entry.size,
        "last_modified": entry.last_modified,
        "etag": entry.etag,
    }


def entry_line(entry: Object | CommonPrefix, name: str, *, is_long: bool) -> str:
    """An entry of a listing for people."""
    if not is_long:
        return printable(name)
    if isinstance(entry, CommonPrefix):
        return f"{'':>10}  {'':19}  {printable(name)}"
    return f"{human_size(entry.size):>10}  {human_time(entry.last_modified)}  {printable(name)}"


def stat_record(place: Remote, found: Object) -> dict[str, Any]:
    """All attributes of an object."""
    return {
        **entry_record(place, found),
        "content_type": found.content_type,
        "content_encoding": found.content_encoding,
        "cache_control": found.cache_control,
        "content_disposition": found.content_disposition,
        "metadata": found.metadata,
        "checksums": found.checksums,
        "version": found.version,
        "storage_class": found.storage_class,
        "expires_at": found.expires_at,
    }


def upload_record(place: Remote, upload: UploadInfo) -> dict[str, Any]:
    """A multipart upload under way."""
    return {
        "type": "upload",
        "address": str(place.with_key(upload.ref.key)),
        "bucket": place.bucket,
        "key": upload.ref.key,
        "upload_id": upload.ref.upload_id,
        "started_at": upload.started_at,
    }


def action_record(
    action: str, source: Place | None, target: Place | None, **more: Any
) -> Mapping[str, Any]:
    """What was done, or would be."""
    places = {"source": source, "target": target}
    return {"action": action, **{name: str(p) for name, p in places.items() if p is not None}, **more}
