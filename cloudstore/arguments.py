"""Checks what users pass, before anything is sent. Pure.

Here an option becomes a field of an options record, or an error that says what to do: the drivers
behind may take everything for granted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, TypeVar

from .capabilities import is_internal_metadata
from .checksums import check_digest
from .driver import Driver
from .errors import (
    InvalidArgumentError,
    InvalidBucketNameError,
    InvalidKeyError,
    TooLargeError,
    UnsupportedError,
)
from .model import (
    ByteRange,
    CopyOptions,
    DeleteOptions,
    GetOptions,
    LifecycleRule,
    PresignOptions,
    PutOptions,
)

__all__ = [
    "VendorOptions",
    "cdn_urls",
    "check_bucket",
    "check_key",
    "check_metadata",
    "check_tags",
    "check_vendor_options",
    "check_website",
    "checked",
    "copy_options",
    "delete_options",
    "get_options",
    "header_value",
    "lifecycle_rules",
    "lower_names",
    "make_range",
    "metadata_changes",
    "presign_options",
    "put_options",
    "require",
    "seconds",
]

VendorOptions = Mapping[str, Mapping[str, object]]
"""Options that only one vendor knows, by its scheme: ``{"s3": {"sse": "AES256"}}``."""

EMULATION = "emulate_expiry=True"
"""The setting of `Config`, and of a store over a driver, by which objects expire all the same."""

_CONTROL = frozenset(map(chr, (*range(0x20), 0x7F)))
_METADATA_NAME_CHARS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")


R = TypeVar("R")


def checked(check: Callable[..., R], driver: Driver, options: Mapping[str, Any]) -> R:
    """The options as `check` (`put_options` and its sisters) makes them a record.

    Raises:
        InvalidArgumentError: an option has a name that `check` does not know.
    """
    known: Mapping[str, object] = check.__kwdefaults__ or {}
    for name in options:
        if name not in known:
            raise InvalidArgumentError(f"no option {name!r}; there are {', '.join(known)}")
    return check(driver, **options)


def require(driver: Driver, *features: str) -> None:
    """Raises UnsupportedError unless the driver has all of these capabilities."""
    for feature in features:
        if not getattr(driver.capabilities, feature):
            raise UnsupportedError(f"{driver.scheme} has no {feature}{_way_to_it(driver, feature)}")


def _way_to_it(driver: Driver, feature: str) -> str:
    how = driver.allowed_by.get(feature)
    if how is not None:
        return f"; where the service does, allow it by {how}"
    if feature == "expires_in" and driver.capabilities.metadata:
        return f"; the store can stand in for it, by {EMULATION}"
    return ""


def check_bucket(driver: Driver, bucket: object) -> None:
    """Raises InvalidBucketNameError."""
    if not isinstance(bucket, str):
        raise InvalidBucketNameError(f"a bucket's name is text, not {type(bucket).__name__}")
    why = driver.bucket_name_rule.refusal(bucket)
    if why is not None:
        raise InvalidBucketNameError(why)


def check_key(driver: Driver, key: object) -> None:
    """Raises InvalidKeyError."""
    if not isinstance(key, str):
        raise InvalidKeyError(f"a key is text, not {type(key).__name__}")
    why = driver.key_rule.refusal(key)
    if why is not None:
        raise InvalidKeyError(why, key=key)


def seconds(name: str, value: float | timedelta) -> float:
    """A positive time in seconds."""
    number = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise InvalidArgumentError(f"{name} is in seconds or a timedelta, not {value!r}")
    if not math.isfinite(number) or number <= 0:
        raise InvalidArgumentError(f"{name} must be more than 0 seconds, not {number}")
    return float(number)


def header_value(name: str, value: object) -> str:
    """Text that can stand in a header."""
    if not isinstance(value, str):
        raise InvalidArgumentError(f"{name} is text, not {type(value).__name__}")
    if not _CONTROL.isdisjoint(value):
        raise InvalidArgumentError(f"{name} holds a control character")
    if not value or not value.isascii():
        raise InvalidArgumentError(f"{name} must be ASCII text, and not empty")
    return value


def _etag(name: str, value: object) -> str:
    if not isinstance(value, str) or not value or not _CONTROL.isdisjoint(value):
        raise InvalidArgumentError(f"{name} is the ETag of an object, not {value!r}")
    return value


def check_metadata(driver: Driver, metadata: Mapping[str, str], *, internal: bool = False) -> None:
    """Checks names, values and the size of metadata whose names are in lower case.

    Args:
        internal: whether our own names may be among them.

    Raises:
        InvalidArgumentError, TooLargeError
    """
    allowed = _METADATA_NAME_CHARS.union(driver.limits.metadata_name_chars)
    total = 0
    for name, value in metadata.items():
        if not name or not allowed.issuperset(name):
            extra = driver.limits.metadata_name_chars
            raise InvalidArgumentError(
                f"metadata name {name!r}: {driver.scheme} takes a-z, 0-9"
                + (f" and {' '.join(extra)}" if extra else "")
            )
        if is_internal_metadata(name) and not internal:
            raise InvalidArgumentError(f"metadata name {name!r}: names like cs… are reserved")
        if not isinstance(value, str):
            raise InvalidArgumentError(f"metadata {name!r} is text, not {type(value).__name__}")
        if not _CONTROL.isdisjoint(value):
            raise InvalidArgumentError(f"metadata {name!r} holds a control character")
        try:
            total += len(name) + len(value.encode())
        except UnicodeEncodeError:
            raise InvalidArgumentError(f"metadata {name!r} has a lone surrogate") from None
    if total > driver.limits.max_metadata_bytes:
        raise TooLargeError(
            f"metadata has {total} bytes, {driver.scheme} takes {driver.limits.max_metadata_bytes}"
        )


def check_tags(driver: Driver, tags: object) -> dict[str, str]:
    """The tags of an object. How long and of which characters they may be, the vendor says.

    Raises:
        InvalidArgumentError
    """
    if not isinstance(tags, Mapping):
        raise InvalidArgumentError(f"tags are a mapping of text to text, not {tags!r}")
    for text in (part for pair in tags.items() for part in pair):
        _check_text("a tag", text)
    if "" in tags:
        raise InvalidArgumentError("a tag has a name")
    if len(tags) > driver.limits.max_tags:
        raise InvalidArgumentError(f"an object has at most {driver.limits.max_tags} tags")
    return dict(tags)


def _check_text(what: str, text: object) -> None:
    """Text that any vendor's request can hold."""
    if not isinstance(text, str):
        raise InvalidArgumentError(f"{what} is text, not {text!r}")
    if not _CONTROL.isdisjoint(text):
        raise InvalidArgumentError(f"{what} holds a control character: {text!r}")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidArgumentError(f"{what} has a lone surrogate: {text!r}") from None


def check_website(index: object, error: object) -> None:
    """Checks what a website shows first, and where there is nothing.

    Raises:
        InvalidArgumentError
    """
    if index is None and error is not None:
        raise InvalidArgumentError("a page for errors needs an index too")
    for name, key in (("index", index), ("error", error)):
        if key is not None:
            _check_text(name, key)
            if not key:
                raise InvalidArgumentError(f"{name} is the key of a page, and not empty")


def lifecycle_rules(driver: Driver, rules: object) -> list[LifecycleRule]:
    """All lifecycle rules of a bucket.

    Raises:
        InvalidArgumentError
    """
    if not isinstance(rules, Iterable):
        raise InvalidArgumentError(f"rules are a list of LifecycleRule, not {rules!r}")
    checked = list(rules)
    for rule in checked:
        if not isinstance(rule, LifecycleRule):
            raise InvalidArgumentError(f"a lifecycle rule is a LifecycleRule, not {rule!r}")
        _check_text("prefix", rule.prefix)
        _check_text("name", rule.name)
        if rule.vendor_rule is not None:
            _check_vendor_rule(driver, rule)
        else:
            _check_actions(rule)
    names = [rule.name for rule in checked if rule.name]
    if len(set(names)) != len(names):
        raise InvalidArgumentError("two lifecycle rules have one name")
    return checked


def _check_actions(rule: LifecycleRule) -> None:
    actions = rule.actions()
    if not actions:
        raise InvalidArgumentError("a lifecycle rule does something: expire_after_days=…")
    for name, days in actions.items():
        if isinstance(days, bool) or not isinstance(days, int) or days < 1:
            raise InvalidArgumentError(f"{name} is a number of days, at least 1, not {days!r}")
    if not isinstance(rule.enabled, bool):
        raise InvalidArgumentError(f"enabled is True or False, not {rule.enabled!r}")


def _check_vendor_rule(driver: Driver, rule: LifecycleRule) -> None:
    """Another vendor's would become a rule that does nothing."""
    if not isinstance(rule.vendor_rule, Mapping) or set(rule.vendor_rule) != {driver.scheme}:
        raise InvalidArgumentError(f"this lifecycle rule is none of {driver.scheme}'s")
    if rule != LifecycleRule(vendor_rule=rule.vendor_rule):
        raise InvalidArgumentError("a vendor_rule is whole: it takes no prefix, no days and no enabled")


def metadata_changes(
    driver: Driver, metadata: Mapping[str, str | None]
) -> tuple[dict[str, str], set[str]]:
    """What to set and which names to remove, of user metadata that is merged; names in lower case.

    Raises:
        InvalidArgumentError, TooLargeError
    """
    if not isinstance(metadata, Mapping):
        raise InvalidArgumentError(f"metadata is a mapping, not {type(metadata).__name__}")
    wanted = lower_names(metadata)
    changes = {name: value for name, value in wanted.items() if value is not None}
    removed = wanted.keys() - changes.keys()
    # An empty value stands for the removal: it is the name that is checked.
    check_metadata(driver, {**dict.fromkeys(removed, ""), **changes})
    return changes, removed


def cdn_urls(urls: Iterable[str]) -> list[str]:
    """What a CDN is asked about.

    Raises:
        InvalidArgumentError
    """
    if isinstance(urls, str) or not isinstance(urls, Iterable):
        raise InvalidArgumentError("urls is a list of URLs")
    given = list(urls)
    for url in given:
        if not isinstance(url, str) or not url.startswith(("http://", "https://")):
            raise InvalidArgumentError(f"not an http(s) URL: {url!r}")
    return given


V = TypeVar("V", str, str | None)


def lower_names(metadata: Mapping[str, V]) -> dict[str, V]:
    """The metadata with its names in lower case; two that then coincide are an error."""
    lowered: dict[str, V] = {}
    for name, value in metadata.items():
        if not isinstance(name, str):
            raise InvalidArgumentError(f"a metadata name is text, not {type(name).__name__}")
        if name.lower() in lowered:
            raise InvalidArgumentError(f"metadata name {name!r} stands there twice")
        lowered[name.lower()] = value
    return lowered


def check_vendor_options(driver: Driver, options: VendorOptions | None) -> VendorOptions:
    """Options of other vendors pass by; an unknown one of this vendor is an error."""
    for scheme, named in (options or {}).items():
        known = driver.vendor_options.get(scheme)
        if known is None:
            continue
        for name in named:
            if name not in known:
                has = ", ".join(sorted(known)) or "none"
                raise InvalidArgumentError(f"{scheme} has no vendor option {name!r}; it has: {has}")
    return options or {}


def put_options(
    driver: Driver,
    *,
    content_type: str | None = None,
    content_encoding: str | None = None,
    cache_control: str | None = None,
    content_disposition: str | None = None,
    metadata: Mapping[str, str] | None = None,
    tags: Mapping[str, str] | None = None,
    storage_class: str | None = None,
    expires_in: float | timedelta | None = None,
    if_absent: bool = False,
    if_match: str | None = None,
    checksum: Mapping[str, str] | None = None,
    vendor_options: VendorOptions | None = None,
) -> PutOptions:
    """Checks the options of a write.

    Raises:
        InvalidArgumentError, TooLargeError, UnsupportedError
    """
    options = PutOptions()
    if content_type is not None:
        options.content_type = header_value("content_type", content_type)
    if content_encoding is not None:
        require(driver, "content_encoding")
        options.content_encoding = header_value("content_encoding", content_encoding)
    if cache_control is not None:
        require(driver, "cache_control")
        options.cache_control = header_value("cache_control", cache_control)
    if content_disposition is not None:
        require(driver, "content_disposition")
        options.content_disposition = header_value("content_disposition", content_disposition)
    if metadata:
        require(driver, "metadata")
        options.metadata = lower_names(metadata)
        check_metadata(driver, options.metadata)
    if tags:
        require(driver, "tags")
        options.tags = check_tags(driver, tags)
    if storage_class is not None:
        require(driver, "storage_class")
        options.storage_class = header_value("storage_class", storage_class)
    if expires_in is not None:
        require(driver, "expires_in")
        options.expires_in = seconds("expires_in", expires_in)
        step = driver.limits.expires_step
        if step and options.expires_in % step:
            raise InvalidArgumentError(
                f"expires_in: {driver.scheme} counts in steps of {step} seconds, and rounds nothing"
            )
    if if_absent and if_match is not None:
        raise InvalidArgumentError("if_absent and if_match exclude each other")
    if if_absent:
        options.if_absent = True
    if if_match is not None:
        options.if_match = _etag("if_match", if_match)
    if checksum:
        options.checksums = {name: check_digest(name, value) for name, value in checksum.items()}
        require(driver, *(f"checksum_{name}" for name in checksum))
    if vendor_options:
        options.vendor_options = check_vendor_options(driver, vendor_options)
    return options


def make_range(start: int | None, end: int | None) -> ByteRange:
    """``[start, end)`` as a user gives it.

    Raises:
        InvalidArgumentError: `end` does not lie after `start`, or they are no whole numbers.
    """
    for name, value in (("start", start), ("end", end)):
        if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
            raise InvalidArgumentError(f"{name} is a whole number, not {value!r}")
    first = start or 0
    if end is not None:
        if first < 0:
            raise InvalidArgumentError("a negative start is a suffix, which has no end")
        if end <= first:
            raise InvalidArgumentError(f"the range [{first}, {end}) is empty")
    return ByteRange(first, end)


def get_options(
    driver: Driver,
    *,
    start: int | None = None,
    end: int | None = None,
    if_match: str | None = None,
    if_none_match: str | None = None,
    if_modified_since: datetime | None = None,
    version: str | None = None,
    vendor_options: VendorOptions | None = None,
) -> GetOptions:
    """Checks the options of a read.

    Raises:
        InvalidArgumentError, UnsupportedError
    """
    options = GetOptions(make_range(start, end))
    if not options.range.is_whole:
        require(driver, "ranges")
    if if_match is not None:
        options.if_match = _etag("if_match", if_match)
    if if_none_match is not None:
        options.if_none_match = _etag("if_none_match", if_none_match)
    if if_modified_since is not None:
        if not isinstance(if_modified_since, datetime) or if_modified_since.tzinfo is None:
            raise InvalidArgumentError("if_modified_since is a datetime with a time zone")
        options.if_modified_since = if_modified_since
    if not (if_match is None and if_none_match is None and if_modified_since is None):
        require(driver, "conditional_reads")
    if version is not None:
        require(driver, "versions")
        options.version = version
    if vendor_options:
        options.vendor_options = check_vendor_options(driver, vendor_options)
    return options


def delete_options(
    driver: Driver,
    *,
    if_match: str | None = None,
    version: str | None = None,
    vendor_options: VendorOptions | None = None,
) -> DeleteOptions:
    """Checks the options of a delete.

    Raises:
        InvalidArgumentError, UnsupportedError
    """
    options = DeleteOptions()
    if if_match is not None:
        require(driver, "delete_if_match")
        options.if_match = _etag("if_match", if_match)
    if version is not None:
        require(driver, "versions")
        options.version = version
    if vendor_options:
        options.vendor_options = check_vendor_options(driver, vendor_options)
    return options


def copy_options(
    driver: Driver,
    *,
    if_absent: bool = False,
    if_match: str | None = None,
    source_if_match: str | None = None,
    vendor_options: VendorOptions | None = None,
) -> CopyOptions:
    """Checks the conditions of a copy.

    Raises:
        InvalidArgumentError, UnsupportedError
    """
    require(driver, "copy")
    options = CopyOptions()
    if if_absent and if_match is not None:
        raise InvalidArgumentError("if_absent and if_match exclude each other")
    if if_absent:
        require(driver, "copy_if_absent")
        options.if_absent = True
    if if_match is not None:
        require(driver, "copy_if_match")
        options.if_match = _etag("if_match", if_match)
    if source_if_match is not None:
        require(driver, "copy_source_if_match")
        options.source_if_match = _etag("source_if_match", source_if_match)
    if vendor_options:
        options.vendor_options = check_vendor_options(driver, vendor_options)
    return options


def presign_options(
    driver: Driver,
    *,
    method: str = "GET",
    expires_in: float | timedelta = 3600,
    content_type: str | None = None,
    content_disposition: str | None = None,
    max_size: int | None = None,
    vendor_options: VendorOptions | None = None,
) -> PresignOptions:
    """Checks what shall be presigned.

    Raises:
        InvalidArgumentError, UnsupportedError
    """
    feature = {"GET": "presign_get", "PUT": "presign_put", "DELETE": "presign_delete"}.get(
        method, "presign_post" if method == "POST" else None
    )
    if feature is None:
        raise InvalidArgumentError(f"method is GET, PUT or DELETE, not {method!r}")
    require(driver, feature)
    options = PresignOptions(method, seconds("expires_in", expires_in))
    if options.expires_in > driver.limits.max_presign_seconds:
        raise InvalidArgumentError(
            f"{driver.scheme} presigns for at most {driver.limits.max_presign_seconds} seconds"
        )
    if content_type is not None:
        if method not in ("PUT", "POST"):
            raise InvalidArgumentError("content_type is for uploads")
        options.content_type = header_value("content_type", content_type)
    if content_disposition is not None:
        if method != "GET":
            raise InvalidArgumentError("content_disposition is for downloads")
        options.content_disposition = header_value("content_disposition", content_disposition)
    if max_size is not None:
        if isinstance(max_size, bool) or not isinstance(max_size, int) or max_size < 1:
            raise InvalidArgumentError(f"max_size is a number of bytes, not {max_size!r}")
        options.max_size = max_size
    if vendor_options:
        options.vendor_options = check_vendor_options(driver, vendor_options)
    return options
