"""Where the parts of large objects are, and how a multipart upload is written down. Pure.

Everything of ours stands in ``<bucket>_segments`` under ``.cs/``, where no other tool writes:

``.cs/u/<key>/<upload id>``
    the record of an upload: what the object shall be, and as its content type, how far it is.
``.cs/s/<key>/<upload id>/<number>-<chance>``
    a part. Uploaded again it gets another name, so no part of an object is ever overwritten.

Neither id nor number hold a slash, so a name is read from its end in one way only, whatever the key.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ..bodies import BytesPayload
from ..errors import InvalidPartError, UnexpectedResponseError
from ..model import Part

__all__ = [
    "ABORTING",
    "COMPLETE",
    "LONGEST_KEY",
    "NAMESPACE",
    "OPEN",
    "SEGMENTS",
    "SUFFIX",
    "Record",
    "Segment",
    "Source",
    "chosen",
    "container_of",
    "etag_of",
    "group_prefix",
    "manifest",
    "newest",
    "part_size",
    "read_record",
    "record_name",
    "record_of",
    "records_between",
    "segment_name",
    "segment_of",
    "sources",
    "unlisted",
    "uploads_in",
    "uploads_prefix",
]

SUFFIX = "_segments"
"""As `swift upload` names them."""
NAMESPACE = ".cs/"
UPLOADS = ".cs/u/"
SEGMENTS = ".cs/s/"
ID_DIGITS, NUMBER_DIGITS, CHANCE_DIGITS = 16, 5, 8
AFTER_IDS = "/g"
"""Behind all ids, which are hexadecimal."""
MAX_NAME_BYTES = 1024
"""``max_object_name_length`` of swift.conf."""
LONGEST_KEY = MAX_NAME_BYTES - len(SEGMENTS) - ID_DIGITS - NUMBER_DIGITS - CHANCE_DIGITS - 3
"""In bytes: the name of each part holds the key."""

OPEN = "application/x-cloudstore-upload"
ABORTING = "application/x-cloudstore-aborted-upload"
COMPLETE = "application/x-cloudstore-completed-upload"
"""Content types of records: how far an upload is. A container's listing shows them."""

EXPIRY = "x-delete-at"

_RECORD = re.compile(rf"{re.escape(UPLOADS)}(.+)/([0-9a-f]{{{ID_DIGITS}}})\Z", re.DOTALL)
_SEGMENT = re.compile(
    rf"{re.escape(SEGMENTS)}(.+)/([0-9a-f]{{{ID_DIGITS}}})/"
    rf"([0-9]{{{NUMBER_DIGITS}}})-[0-9a-f]{{{CHANCE_DIGITS}}}\Z",
    re.DOTALL,
)
_PATH = re.compile(rf"/([^/]+{SUFFIX})/({re.escape(SEGMENTS)}.+)\Z", re.DOTALL)
_SECONDS = re.compile(r"[0-9]{1,15}\Z")
_PART_ETAG = re.compile(rf"([0-9a-f]{{32}})-([0-9a-f]{{{CHANCE_DIGITS}}})\Z")


class Record(NamedTuple):
    """What an upload shall become.

    Attributes:
        headers: of the object; ``x-delete-at`` among them is a copy's, which expires as its source.
        expires_in: seconds, from its completion on, or None.
    """

    headers: Mapping[str, str]
    expires_in: float | None

    def expires_at(self, now: float) -> int | None:
        """When the object expires that is completed now, in seconds since 1970."""
        if self.expires_in is not None:
            return math.ceil(now + max(1.0, self.expires_in))
        stated = self.headers.get(EXPIRY, "")
        return int(stated) if _SECONDS.match(stated) else None

    def expiry(self) -> Record:
        """What is kept of it once its object is there."""
        kept = {name: value for name, value in self.headers.items() if name == EXPIRY}
        return Record(kept, self.expires_in)

    def payload(self) -> BytesPayload:
        """As it is stored."""
        return BytesPayload(json.dumps(self._asdict()).encode())


class Source(NamedTuple):
    """What a part of a copy is copied from.

    Attributes:
        etag: what the copied bytes must have, their MD5; None is unknown.
        if_match: the condition by which Swift itself sees to that, or None.
    """

    bucket: str
    name: str
    etag: str | None
    size: int
    if_match: str | None = None


class Segment(NamedTuple):
    """A part as it is stored.

    Attributes:
        etag: Swift's, the MD5 of its bytes.
        written: when, as a listing says it.
    """

    number: int
    name: str
    etag: str
    size: int
    written: str

    def part(self) -> Part:
        """As users see it. Its ETag says under which name it is: listings of containers lag behind."""
        etag = f"{self.etag}-{self.name[-CHANCE_DIGITS:]}"
        return Part(self.number, etag, self.size, {"md5": self.etag})


def read_record(content: bytes) -> Record:
    """What `Record.payload` made.

    Raises:
        UnexpectedResponseError
    """
    try:
        found = json.loads(content)
        headers, expires_in = found["headers"], found["expires_in"]
        if not all(isinstance(text, str) for pair in headers.items() for text in pair):
            raise TypeError("no headers")
        return Record(headers, None if expires_in is None else float(expires_in))
    except (ValueError, TypeError, KeyError, AttributeError) as exc:
        raise UnexpectedResponseError("the record of this upload is not one of ours") from exc


def container_of(bucket: str) -> str:
    """Where the parts of a bucket's objects are."""
    return bucket + SUFFIX


def uploads_prefix(prefix: str) -> str:
    """Where the records of keys with this prefix are."""
    return UPLOADS + prefix


def record_name(key: str, upload_id: str) -> str:
    """Of an upload's record."""
    return f"{UPLOADS}{key}/{upload_id}"


def record_of(name: str) -> tuple[str, str] | None:
    """Key and upload id of a record's name."""
    found = _RECORD.match(name)
    return None if found is None else (found[1], found[2])


def group_prefix(key: str, upload_id: str = "") -> str:
    """What the names of an upload's parts begin with; without an id, those of a key."""
    return f"{SEGMENTS}{key}/{upload_id}/" if upload_id else f"{SEGMENTS}{key}/"


def segment_name(key: str, upload_id: str, number: int, chance: int) -> str:
    """Of a part; `chance` makes it another each time."""
    return f"{group_prefix(key, upload_id)}{number:0{NUMBER_DIGITS}}-{chance:0{CHANCE_DIGITS}x}"


def segment_of(name: str, key: str, upload_id: str) -> int | None:
    """The number of a part of this very upload."""
    found = _SEGMENT.match(name)
    return int(found[3]) if found is not None and (found[1], found[2]) == (key, upload_id) else None


def newest(segments: Iterable[Segment]) -> dict[int, Segment]:
    """Of each number the part that was written last."""
    return {s.number: s for s in sorted(segments, key=lambda s: (s.number, s.written, s.name))}


def unlisted(
    held: Iterable[Segment], parts: Iterable[Part], key: str, upload_id: str
) -> dict[str, int]:
    """The names under which parts are that no listing shows yet, and their numbers."""
    listed = {segment.name for segment in held}
    said = ((part, _PART_ETAG.match(part.etag)) for part in parts)
    names = {
        segment_name(key, upload_id, part.number, int(found[2], 16)): part.number
        for part, found in said
        if found is not None
    }
    return {name: number for name, number in names.items() if name not in listed}


def chosen(held: Iterable[Segment], parts: Iterable[Part]) -> list[Segment]:
    """The segments of these parts.

    Raises:
        InvalidPartError: a part is not there, or is another.
    """
    current = newest(held)
    found = []
    for part in parts:
        segment = current.get(part.number)
        if segment is None or segment.part().etag != part.etag:
            raise InvalidPartError(f"part {part.number} is not there, or is another")
        found.append(segment)
    return found


def manifest(container: str, segments: Iterable[Segment]) -> BytesPayload:
    """The body of a manifest. Swift compares each ETag and size with what is there."""
    rows = [{"path": f"/{container}/{s.name}", "etag": s.etag, "size_bytes": s.size} for s in segments]
    return BytesPayload(json.dumps(rows).encode())


def uploads_in(rows: Sequence[Any], bucket: str, key: str) -> set[str]:
    """The ids of the uploads of this object whose segments a manifest names."""
    found = set()
    start = f"/{container_of(bucket)}/"
    for row in rows:
        path = row.get("name") if isinstance(row, dict) else None
        if isinstance(path, str) and path.startswith(start):
            parts = _SEGMENT.match(path[len(start) :])
            if parts is not None and parts[1] == key:
                found.add(parts[2])
    return found


def sources(rows: Sequence[Any]) -> list[Source] | None:
    """The segments that a manifest names, where this driver has made them all: their names are never
    used again. None where another tool has made it, which may name ranges, or manifests."""
    found = []
    for row in rows:
        if not isinstance(row, dict) or row.keys() & {"range", "sub_slo"}:
            return None
        path, etag, size = row.get("name"), row.get("hash"), row.get("bytes")
        named = _PATH.match(path) if isinstance(path, str) else None
        if named is None or not _SEGMENT.match(named[2]):
            return None
        if not isinstance(etag, str) or not isinstance(size, int):
            return None
        found.append(Source(named[1], named[2], etag, size))
    return found or None


def part_size(rows: Sequence[Any], size: int) -> int | None:
    """The size of all segments but the last that a manifest of `size` bytes names; None where they are
    of several sizes, or ranges of objects, whose length a manifest leaves to be found out."""
    sizes = [row.get("bytes") for row in rows if isinstance(row, dict) and "range" not in row]
    whole = [count for count in sizes if isinstance(count, int)]
    if len(whole) != len(rows) or len(whole) < 2 or sum(whole) != size:
        return None
    first, last = whole[0], whole[-1]
    return first if last <= first and set(whole[:-1]) == {first} else None


def etag_of(parts: Iterable[Source]) -> str:
    """The ETag of the object that is made of these, as Swift makes it (``slo`` middleware)."""
    return hashlib.md5("".join(s.etag or "" for s in parts).encode(), usedforsecurity=False).hexdigest()


def records_between(keys: Iterable[str]) -> tuple[str, str]:
    """Where the records of these keys are: after the one name, and before the other."""
    names = [UPLOADS + key for key in keys]
    return min(names), max(name + AFTER_IDS for name in names)
