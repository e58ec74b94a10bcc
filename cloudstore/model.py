"""The records that drivers and facades exchange. Pure data: no I/O, no clock.

Users meet them as attributes of `Object`, `Bucket` and `MultipartUpload`; whoever writes a driver
builds them. They are plain mutable slots, because a listing makes thousands of them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import Any, Self

from .errors import InvalidArgumentError, RangeNotSatisfiableError
from .records import FrozenRecord, Record

__all__ = [
    "AccountInfo",
    "BucketInfo",
    "ByteRange",
    "CommonPrefix",
    "CompleteOptions",
    "CopyOptions",
    "DeleteOptions",
    "GetOptions",
    "LifecycleRule",
    "ListOptions",
    "ObjectInfo",
    "Page",
    "Part",
    "PartPage",
    "PresignOptions",
    "PresignedRequest",
    "PutOptions",
    "PutResult",
    "UploadInfo",
    "UploadPage",
    "UploadRef",
]


@dataclass(slots=True, repr=False, eq=False)
class AccountInfo(Record):
    """An account as the vendor describes it. What the vendor counts may lag behind its listings.

    Attributes:
        bucket_count, object_count: how many there are, or None where the vendor does not say.
        size: bytes of all objects, or None where the vendor does not say.
        metadata: the account's own, names in lower case; what is secret in it is not shown.
    """

    bucket_count: int | None = None
    object_count: int | None = None
    size: int | None = None
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True, repr=False, eq=False)
class BucketInfo(Record):
    """A bucket as the vendor describes it. What the vendor counts may lag behind its listings.

    Attributes:
        name: the exact name.
        created_at: when it was created (aware), or None where the vendor does not say.
        region: where it is, or None where the vendor does not say.
        object_count: how many objects it holds, or None where the vendor does not say.
        size: bytes of all its objects, or None where the vendor does not say.
        metadata: the bucket's own, names in lower case.
    """

    name: str
    created_at: datetime | None = None
    region: str | None = None
    object_count: int | None = None
    size: int | None = None
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True, repr=False, eq=False)
class ObjectInfo(Record):
    """An object as the vendor describes it; its bytes come separately.

    Attributes:
        key: the exact key.
        size: in bytes, of the whole object, also when a range is read.
        etag: opaque, unquoted; None where the answer holds none.
        last_modified: aware; None where the answer holds none.
        content_type: as stored.
        metadata: user metadata, names in lower case, internal names included.
        checksums: only what the vendor states for the whole object: algorithm to lower-case hex.
        version: the vendor's version id, or None.
    """

    key: str
    size: int
    etag: str | None = None
    last_modified: datetime | None = None
    content_type: str | None = None
    content_encoding: str | None = None
    cache_control: str | None = None
    content_disposition: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    checksums: dict[str, str] = field(default_factory=dict)
    version: str | None = None
    storage_class: str | None = None
    expires_at: datetime | None = None

    def put_options(self) -> PutOptions:
        """The options that would write this object's head again, internal metadata included."""
        return PutOptions(
            content_type=self.content_type,
            content_encoding=self.content_encoding,
            cache_control=self.cache_control,
            content_disposition=self.content_disposition,
            metadata=dict(self.metadata),
            storage_class=self.storage_class,
        )


class CommonPrefix:
    """A "folder" of a listing with a delimiter: the keys that begin with this are rolled up.

    Attributes:
        prefix: up to and including the delimiter.
        parent: the prefix that was listed.
    """

    __slots__ = ("parent", "prefix")

    def __init__(self, prefix: str, parent: str = "") -> None:
        self.prefix = prefix
        self.parent = parent

    @property
    def short_name(self) -> str:
        """The prefix without that of the listing: ``"css/"`` of ``"site/css/"`` under ``"site/"``."""
        return self.prefix.removeprefix(self.parent)

    def __repr__(self) -> str:
        return f'<CommonPrefix: "{self.prefix}">'

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CommonPrefix) and other.prefix == self.prefix

    def __hash__(self) -> int:
        return hash((CommonPrefix, self.prefix))


@dataclass(slots=True, repr=False, eq=False)
class ByteRange(Record):
    """``[start, end)``; ``end`` None is to the end, a negative ``start`` is a suffix."""

    start: int = 0
    end: int | None = None

    @property
    def is_whole(self) -> bool:
        """Whether this asks for everything."""
        return self.start == 0 and self.end is None

    def resolve(self, size: int) -> tuple[int, int]:
        """The offsets in an object of `size` bytes.

        Raises:
            RangeNotSatisfiableError: the range begins at or after the end.
        """
        if self.start < 0:
            return max(0, size + self.start), size
        if self.start >= size and not self.is_whole:
            raise RangeNotSatisfiableError(
                f"the range begins at {self.start}, the object has {size} bytes"
            )
        return self.start, size if self.end is None else min(self.end, size)


@dataclass(slots=True, repr=False, eq=False)
class GetOptions(Record):
    """How to read an object. The facade has checked every value."""

    range: ByteRange = field(default_factory=ByteRange)
    if_match: str | None = None
    if_none_match: str | None = None
    if_modified_since: datetime | None = None
    version: str | None = None
    vendor_options: Mapping[str, Mapping[str, object]] = field(default_factory=dict)


@dataclass(slots=True, repr=False, eq=False)
class PutOptions(Record):
    """How to write an object, also by multipart. The facade has checked every value.

    Attributes:
        metadata: names in lower case, internal names included.
        expires_in: seconds until the object expires.
        checksums: digests of the body that the vendor must verify: algorithm to lower-case hex.
        vendor_options: per scheme, what only that vendor knows; a driver reads its own.
    """

    content_type: str | None = None
    content_encoding: str | None = None
    cache_control: str | None = None
    content_disposition: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    storage_class: str | None = None
    expires_in: float | None = None
    if_absent: bool = False
    if_match: str | None = None
    checksums: Mapping[str, str] = field(default_factory=dict)
    vendor_options: Mapping[str, Mapping[str, object]] = field(default_factory=dict)

    @property
    def is_conditional(self) -> bool:
        """Whether the write depends on what is there."""
        return self.if_absent or self.if_match is not None


@dataclass(slots=True, repr=False, eq=False)
class CopyOptions(Record):
    """How to copy an object on the vendor's side.

    Attributes:
        replace: None keeps content type, headers, metadata and expiry of the source; else these are
            the target's, whole.
        if_absent, if_match: conditions on the target.
        source_if_match: condition on the source.
    """

    replace: PutOptions | None = None
    if_absent: bool = False
    if_match: str | None = None
    source_if_match: str | None = None
    vendor_options: Mapping[str, Mapping[str, object]] = field(default_factory=dict)


@dataclass(slots=True, repr=False, eq=False)
class DeleteOptions(Record):
    """How to delete an object."""

    if_match: str | None = None
    version: str | None = None
    vendor_options: Mapping[str, Mapping[str, object]] = field(default_factory=dict)


@dataclass(slots=True, repr=False, eq=False)
class CompleteOptions(Record):
    """How to complete a multipart upload."""

    if_absent: bool = False
    if_match: str | None = None


@dataclass(slots=True, repr=False, eq=False)
class ListOptions(Record):
    """One page of a listing.

    Attributes:
        prefix: a plain string prefix; "" is everything.
        delimiter: "" lists all keys; else keys are rolled up to the first delimiter after the prefix.
        start_after: a key, exclusive; "" is from the beginning.
        token: what the page before returned; it wins over `start_after`.
        limit: the most entries, objects and prefixes together; at least 1.
    """

    prefix: str = ""
    delimiter: str = ""
    start_after: str = ""
    token: str | None = None
    limit: int = 1000


@dataclass(slots=True, repr=False, eq=False)
class Page(Record):
    """One page of a listing, undropped. It may be empty and not the last.

    Attributes:
        token: opaque; None on the last page.
    """

    objects: list[ObjectInfo] = field(default_factory=list)
    prefixes: list[str] = field(default_factory=list)
    token: str | None = None


@dataclass(slots=True, repr=False, eq=False)
class PutResult(Record):
    """What a write made."""

    etag: str | None = None
    version: str | None = None
    last_modified: datetime | None = None
    checksums: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True, repr=False, eq=False)
class Part(Record):
    """An uploaded part.

    Attributes:
        number: 1-based.
        etag: opaque; completing sends it back.
        size: in bytes.
        checksums: what the vendor states for the part.
    """

    number: int
    etag: str
    size: int
    checksums: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True, repr=False, eq=False)
class PartPage(Record):
    """Parts in the order of their numbers, and the token of the next page."""

    parts: list[Part] = field(default_factory=list)
    token: str | None = None


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class UploadRef(FrozenRecord):
    """Names a multipart upload, so that another process or host can go on with it.

    It holds no secret. `state` is whatever completes the upload: the driver's own, and the write-id by
    which a completion is known whose answer was lost.

    Attributes:
        vendor: the driver's scheme.
        upload_id: the vendor's, or made up by the driver.
    """

    vendor: str
    bucket: str
    key: str
    upload_id: str
    state: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        """As JSON text, for a file or a message."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """From what `to_json` made.

        Raises:
            InvalidArgumentError: the text is not such JSON.
        """
        try:
            values = json.loads(text)
            if not isinstance(values, dict) or not isinstance(values.get("state", {}), dict):
                raise TypeError("not an object")
            if set(values) != {f.name for f in fields(cls)}:
                raise TypeError("wrong names")
            if not all(isinstance(values[n], str) for n in ("vendor", "bucket", "key", "upload_id")):
                raise TypeError("wrong types")
        except (ValueError, TypeError) as exc:
            raise InvalidArgumentError(f"not a multipart upload's reference: {exc}") from exc
        return cls(**values)


@dataclass(slots=True, repr=False, eq=False)
class UploadInfo(Record):
    """A multipart upload that is under way.

    Attributes:
        started_at: aware; None where the vendor does not say.
    """

    ref: UploadRef
    started_at: datetime | None = None


@dataclass(slots=True, repr=False, eq=False)
class UploadPage(Record):
    """Multipart uploads under way, and the token of the next page."""

    uploads: list[UploadInfo] = field(default_factory=list)
    token: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False, eq=False)
class LifecycleRule(FrozenRecord):
    """What the vendor does by itself, some days later. Vendors look once a day or less often.

    Attributes:
        prefix: of the keys that it is about; "" is the whole bucket.
        expire_after_days: deletes objects, so many days after they were written. In a bucket with
            versions what is deleted so becomes an old version.
        expire_versions_after_days: deletes old versions, so many days after they were replaced.
        abort_uploads_after_days: aborts multipart uploads, so many days after they began.
        enabled: a rule that is not is kept, and does nothing.
        name: by which the vendor knows the rule; "" has it make one up. It is not compared.
        vendor_rule: a rule that the fields above cannot say, whole and as the vendor's SDK writes
            it, by scheme: ``{"s3": {"ID": …}}``. `Store.set_lifecycle` sends it back as it came.
    """

    prefix: str = ""
    expire_after_days: int | None = None
    expire_versions_after_days: int | None = None
    abort_uploads_after_days: int | None = None
    enabled: bool = True
    name: str = field(default="", compare=False)
    vendor_rule: Mapping[str, Mapping[str, Any]] | None = field(default=None, hash=False)

    def actions(self) -> dict[str, int]:
        """What it does, by the names of its fields: in how many days."""
        return {name: days for name in _ACTIONS if (days := getattr(self, name)) is not None}


_ACTIONS = ("expire_after_days", "expire_versions_after_days", "abort_uploads_after_days")


@dataclass(slots=True, repr=False, eq=False)
class PresignOptions(Record):
    """What a presigned request shall allow.

    Attributes:
        method: ``GET``, ``PUT`` or ``DELETE``; ``POST`` is a form upload.
        expires_in: seconds from now.
        content_type: the only type that an upload may then have.
        max_size: of a form upload, in bytes.
    """

    method: str = "GET"
    expires_in: float = 3600
    content_type: str | None = None
    content_disposition: str | None = None
    max_size: int | None = None
    vendor_options: Mapping[str, Mapping[str, object]] = field(default_factory=dict)


@dataclass(slots=True, repr=False, eq=False)
class PresignedRequest(Record):
    """A request that anybody may send until it expires. Its URL is as good as a password.

    Attributes:
        headers: must be sent as they are.
        fields: of a form upload, before the file.
        expires_at: aware.
    """

    method: str
    url: str
    expires_at: datetime
    headers: dict[str, str] = field(default_factory=dict)
    fields: dict[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        address = self.url.partition("?")[0]
        return f"<PresignedRequest: {self.method} {address}?… until {self.expires_at.isoformat()}>"
