"""What a vendor can do, as data that is checked before any I/O.

A driver states three things, fixed when it is built: `Capabilities` (which features), `Limits`
(how much) and two rules, `KeyRule` and `BucketNameRule` (which names). The facade refuses by them
before a byte is sent; engines over several drivers intersect them with ``&``. Pure: no I/O.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

from .records import FrozenRecord

__all__ = [
    "PORTABLE_BUCKET_NAMES",
    "RESERVED_PREFIX",
    "BucketNameRule",
    "Capabilities",
    "KeyRule",
    "Limits",
    "is_internal_metadata",
]

RESERVED_PREFIX = ".cloudstore/"
"""No user's key begins with this, on any vendor: what the library itself stores goes here."""


def is_internal_metadata(name: str) -> bool:
    """Whether a metadata name is ours: ``cs`` and a letter (write-ids, replication stamps).

    Such names have letters and digits only, because Azure allows no ``-`` and COS no ``_``.
    """
    return name.startswith("cs") and name[2:3].isalpha()


@dataclass(frozen=True, slots=True, kw_only=True, repr=False, eq=False)
class Capabilities(FrozenRecord):
    """Which features a driver has. Everything is False unless the driver says otherwise.

    Each field is either a word for ``store.require(...)`` and gates one option or verb, or tells
    engines how the vendor behaves (`ordered_listing`, `settles_writes`).
    """

    # buckets
    create_bucket: bool = False
    """Buckets can be created and deleted through the API."""
    list_buckets: bool = False
    account: bool = False
    """``get_account``."""
    account_metadata: bool = False
    """``set_account_metadata``; ``get_account`` shows it."""
    bucket_metadata: bool = False
    """``set_bucket_metadata``; ``get_bucket`` shows it."""
    website: bool = False
    """``set_website``."""
    versioning: bool = False
    """``get_versioning`` and ``set_versioning``; reading what is kept so is ``versions``."""
    lifecycle: bool = False
    """``get_lifecycle`` and ``set_lifecycle``."""

    # writes
    put_if_absent: bool = False
    """``create_object(if_absent=True)`` is atomic."""
    put_if_match: bool = False
    """``create_object(if_match=etag)`` is atomic."""
    complete_if_absent: bool = False
    """A multipart upload can be completed with ``if_absent=True``."""
    complete_if_match: bool = False
    copy_if_absent: bool = False
    copy_if_match: bool = False
    """``copy_object(if_match=etag)``: the condition is on the target."""
    copy_source_if_match: bool = False
    """``copy_object(source_if_match=etag)``: the condition is on the source."""
    delete_if_match: bool = False
    settles_writes: bool = False
    """A lost answer can be settled by reading back the write-id kept in the object's metadata."""
    content_encoding: bool = False
    cache_control: bool = False
    content_disposition: bool = False
    metadata: bool = False
    tags: bool = False
    """``tags=`` on writes, ``get_tags`` and ``set_tags``."""
    storage_class: bool = False
    expires_in: bool = False
    """The vendor itself removes an object after its time."""
    checksum_md5: bool = False
    """The vendor verifies an MD5 that comes with the upload; the same for the next three."""
    checksum_crc32: bool = False
    checksum_sha1: bool = False
    checksum_sha256: bool = False
    update_metadata: bool = False
    """Metadata is replaced in place by one request, without a copy."""
    update_metadata_if_match: bool = False

    # reads
    ranges: bool = False
    conditional_reads: bool = False
    """``if_match``, ``if_none_match`` and ``if_modified_since`` on reads."""
    versions: bool = False
    """``version=`` on reads and deletes."""

    # copies
    copy: bool = False
    """The vendor copies on its side, between its buckets too."""

    # listing
    ordered_listing: bool = False
    """Keys come in the order of their UTF-8 bytes."""
    start_after: bool = False
    any_delimiter: bool = False
    """A delimiter may be any string, not only ``/``."""

    # many at once
    delete_objects: bool = False
    """One request deletes many objects."""

    # multipart
    multipart: bool = False
    copy_part: bool = False
    """A part can be copied from an object on the vendor's side."""
    list_parts: bool = False
    list_uploads: bool = False

    # access
    presign_get: bool = False
    presign_put: bool = False
    presign_delete: bool = False
    presign_post: bool = False
    acl: bool = False
    """``get_acl`` and ``set_acl`` of buckets."""
    object_acl: bool = False
    """The same of objects."""
    cdn: bool = False
    """``purge_cdn``."""
    cdn_prefetch: bool = False
    """``prefetch_cdn``."""

    def __and__(self, other: Capabilities) -> Capabilities:
        """What both can do."""
        return Capabilities(
            **{f.name: getattr(self, f.name) and getattr(other, f.name) for f in fields(self)}
        )

    def names(self) -> frozenset[str]:
        """The names of all features that are there."""
        return frozenset(f.name for f in fields(self) if getattr(self, f.name))

    @classmethod
    def all_names(cls) -> tuple[str, ...]:
        """Every feature there is, in the order of this page."""
        return tuple(f.name for f in fields(cls))


KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB
TIB = 1024 * GIB

# S3's, because most vendors copied them and users know them:
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
S3_MIN_PART_SIZE = 5 * MIB
S3_MAX_PART_SIZE = 5 * GIB
S3_MAX_PARTS = 10_000
S3_MAX_KEY_BYTES = 1024
S3_MAX_METADATA_BYTES = 2 * KIB
S3_PAGE_SIZE = 1000
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html
S3_MAX_TAGS = 10


@dataclass(frozen=True, slots=True, kw_only=True, repr=False, eq=False)
class Limits(FrozenRecord):
    """How much a driver takes. Sizes are in bytes, counts are counts, times are seconds."""

    max_put_size: int = S3_MAX_PART_SIZE
    """The largest object that one request can write."""
    max_object_size: int = 50 * TIB
    multipart_threshold: int = 64 * MIB
    """From which size on several requests are better than one; users may set their own."""
    min_part_size: int = S3_MIN_PART_SIZE
    """The smallest part of a multipart upload, except the last."""
    max_part_size: int = S3_MAX_PART_SIZE
    max_parts: int = S3_MAX_PARTS
    max_metadata_bytes: int = S3_MAX_METADATA_BYTES
    """Names and values of user metadata together, in UTF-8, ours included."""
    metadata_name_chars: str = "-_."
    """What a metadata name may hold besides ``a-z`` and ``0-9``."""
    page_size: int = S3_PAGE_SIZE
    """The most keys of one listing request."""
    delete_batch: int = S3_PAGE_SIZE
    """The most keys of one batch delete."""
    max_presign_seconds: int = 7 * 24 * 3600
    max_tags: int = S3_MAX_TAGS
    """The most tags of one object."""
    expires_step: int = 0
    """Seconds of which `expires_in` must be a multiple; 0 takes any."""

    _SMALLEST_WINS = (
        "max_put_size",
        "max_object_size",
        "multipart_threshold",
        "max_part_size",
        "max_parts",
        "max_metadata_bytes",
        "page_size",
        "delete_batch",
        "max_presign_seconds",
        "max_tags",
    )

    def __and__(self, other: Limits) -> Limits:
        """The limits that satisfy both."""
        narrowed: dict[str, Any] = {
            name: min(getattr(self, name), getattr(other, name)) for name in self._SMALLEST_WINS
        }
        return Limits(
            **narrowed,
            min_part_size=max(self.min_part_size, other.min_part_size),
            expires_step=math.lcm(self.expires_step or 1, other.expires_step or 1)
            if self.expires_step or other.expires_step
            else 0,
            metadata_name_chars="".join(
                c for c in self.metadata_name_chars if c in other.metadata_name_chars
            ),
        )


@dataclass(frozen=True)
class KeyRule:
    """Which keys a vendor can hold exactly.

    Attributes:
        max_bytes: the longest key, in UTF-8 bytes.
        forbidden: regular expressions, one per reason: a key in which one is found is refused,
            and the error says the reason.
    """

    max_bytes: int = S3_MAX_KEY_BYTES
    forbidden: tuple[tuple[str, str], ...] = ()

    @cached_property
    def _patterns(self) -> tuple[tuple[re.Pattern[str], str], ...]:
        return tuple((re.compile(pattern, re.DOTALL), why) for pattern, why in self.forbidden)

    def refusal(self, key: str) -> str | None:
        """Why this key cannot be held, or None where it can."""
        size = len(key)
        if not key.isascii():
            try:
                size = len(key.encode())
            except UnicodeEncodeError:
                return "a key must be valid Unicode (it has a lone surrogate)"
        if not 0 < size <= self.max_bytes:
            return f"a key has 1 to {self.max_bytes} bytes, this one has {size}"
        if key.startswith(RESERVED_PREFIX):
            return f"keys under {RESERVED_PREFIX!r} are reserved"
        for pattern, why in self._patterns:
            if pattern.search(key):
                return why
        return None

    def __and__(self, other: KeyRule) -> KeyRule:
        """The keys that both can hold."""
        return KeyRule(
            min(self.max_bytes, other.max_bytes),
            self.forbidden + tuple(rule for rule in other.forbidden if rule not in self.forbidden),
        )


@dataclass(frozen=True)
class BucketNameRule:
    """Which bucket names a vendor takes: a regular expression for the whole name, and its words.

    Attributes:
        patterns: (regular expression, what it asks for in words); all must match the whole name.
    """

    patterns: tuple[tuple[str, str], ...]

    @cached_property
    def _compiled(self) -> tuple[tuple[re.Pattern[str], str], ...]:
        return tuple((re.compile(pattern), why) for pattern, why in self.patterns)

    def refusal(self, name: str) -> str | None:
        """Why no bucket can have this name, or None where one can."""
        for pattern, why in self._compiled:
            if not pattern.fullmatch(name):
                return why
        return None

    def __and__(self, other: BucketNameRule) -> BucketNameRule:
        """The names that both take."""
        return BucketNameRule(
            self.patterns + tuple(rule for rule in other.patterns if rule not in self.patterns)
        )


PORTABLE_BUCKET_NAMES = BucketNameRule(
    (
        (
            r"[a-z0-9][a-z0-9._-]{0,254}",
            "a bucket's name has 1 to 255 of a-z, 0-9, '.', '_' and '-', "
            "and begins with a letter or digit",
        ),
    )
)
"""Names that are also folder names everywhere, so that `memory` and `file` take the same."""
