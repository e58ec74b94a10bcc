"""The keyword options of the verbs, as types. The same names on every verb and every vendor."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TypedDict

__all__ = ["CopyConditions", "HeaderOptions", "ReadOptions", "VendorOptions", "WriteOptions"]

VendorOptions = Mapping[str, Mapping[str, object]]


class HeaderOptions(TypedDict, total=False):
    """What is stored beside the bytes.

    Keys:
        content_type: such as ``"image/png"``; else guessed for files, ``text/plain`` for text.
        content_encoding, cache_control, content_disposition: stored as they are.
        metadata: names are case-insensitive; any Unicode value without control characters.
        tags, storage_class: where the vendor has them.
        expires_in: seconds, or a timedelta, after which the vendor removes the object, or the store
            hides it (``emulate_expiry``).
    """

    content_type: str | None
    content_encoding: str | None
    cache_control: str | None
    content_disposition: str | None
    metadata: Mapping[str, str] | None
    tags: Mapping[str, str] | None
    storage_class: str | None
    expires_in: float | timedelta | None


class WriteOptions(HeaderOptions, total=False):
    """How an object is written.

    Keys:
        if_absent: only where there is no object of this key.
        if_match: only where the object there has this ETag.
        checksum: digests that the vendor verifies before it stores anything:
            ``{"md5": "5d41402abc4b2a76b9719d911017c592"}``, lower-case hexadecimal.
        vendor_options: what only one vendor knows, by scheme; other vendors' are ignored.
    """

    if_absent: bool
    if_match: str | None
    checksum: Mapping[str, str] | None
    vendor_options: VendorOptions | None


class ReadOptions(TypedDict, total=False):
    """How an object is read.

    Keys:
        start, end: the bytes ``[start, end)``; a negative start is a suffix.
        if_match, if_none_match: only the object with, or not with, this ETag.
        if_modified_since: an aware datetime.
        version: of a versioned bucket.
        vendor_options: what only one vendor knows, by scheme.
    """

    start: int | None
    end: int | None
    if_match: str | None
    if_none_match: str | None
    if_modified_since: datetime | None
    version: str | None
    vendor_options: VendorOptions | None


class CopyConditions(TypedDict, total=False):
    """When a copy is made.

    Keys:
        if_absent, if_match: on the target.
        source_if_match: on the source.
    """

    if_absent: bool
    if_match: str | None
    source_if_match: str | None
    vendor_options: VendorOptions | None


class CopyOptions(CopyConditions, HeaderOptions, total=False):
    """A copy keeps everything of its source but what is given here."""
