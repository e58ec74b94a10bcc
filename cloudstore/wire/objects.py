"""What HTTP itself says of an object: its ETag, its head, the conditions of a read. Pure.

Vendors add to it: see their ``*_messages``. Ranges stand in `ranges`.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..model import GetOptions, ObjectInfo
from .dates import http_date, http_time

__all__ = ["described", "etag_of", "quoted", "read_conditions"]


def quoted(etag: str) -> str:
    """An ETag as conditions hold it: RFC 9110 §8.8.3."""
    return f'"{etag}"'


def etag_of(value: str | None) -> str | None:
    """An ETag without its quotes, and without the mark of a weak one; None for none."""
    return (value or "").removeprefix("W/").strip('"') or None


def read_conditions(options: GetOptions) -> dict[str, str]:
    """The conditions of a read: RFC 9110 §13.1."""
    headers: dict[str, str] = {}
    if options.if_match is not None:
        headers["if-match"] = quoted(options.if_match)
    if options.if_none_match is not None:
        headers["if-none-match"] = quoted(options.if_none_match)
    if options.if_modified_since is not None:
        headers["if-modified-since"] = http_date(options.if_modified_since)
    return headers


def described(key: str, headers: Mapping[str, str], size: int) -> ObjectInfo:
    """The head of an object, as far as HTTP goes; metadata and the like are the vendor's."""
    get = headers.get
    return ObjectInfo(
        key,
        size,
        etag_of(get("etag")),
        http_time(get("last-modified")),
        get("content-type"),
        get("content-encoding"),
        get("cache-control"),
        get("content-disposition"),
    )
