"""What the simulator's parts share when they read requests and write answers."""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode
from binascii import Error as Base64Error
from typing import Any
from urllib.parse import parse_qsl

from ..loopback import Response
from .settings import QiniuError, invalid

__all__ = ["as_json", "decoded", "entry", "failed", "fields", "number", "read_json"]

URL_SAFE = re.compile(r"[A-Za-z0-9_-]*={0,2}")
"""RFC 4648 §5. The standard library skips what is of neither alphabet, and takes both."""


def as_json(value: Any, status: int = 200) -> Response:
    """A JSON answer."""
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    return Response(status, {"Content-Type": "application/json"}, body)


def failed(error: QiniuError) -> Response:
    """An error's answer."""
    return as_json(error.body(), error.status)


def decoded(text: str) -> str:
    """URL-safe base64 of UTF-8; 400 otherwise."""
    if URL_SAFE.fullmatch(text) is None:
        raise invalid("base64")
    try:
        return urlsafe_b64decode(text).decode()
    except (Base64Error, ValueError):
        raise invalid("base64") from None


def entry(text: str) -> tuple[str, str]:
    """Bucket and key of an EncodedEntryURI (kodo/1276). The key may have colons, and may be empty."""
    bucket, colon, key = decoded(text).partition(":")
    if not colon:
        raise invalid("an entry without a key")
    return bucket, key


def read_json(data: bytes | bytearray) -> Any:
    """JSON of real characters only.

    Raises:
        ValueError: it is none, or nested too deeply, or has half a surrogate pair, which could not be
            answered with.
    """
    try:
        value = json.loads(data)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if b"\\u" in data:
        json.dumps(value, ensure_ascii=False).encode()
    return value


def fields(text: str) -> dict[str, str]:
    """Of a query or a form; of what comes twice the last."""
    return dict(parse_qsl(text, keep_blank_values=True))


def number(text: str, what: str) -> int:
    """A decimal number that is not negative; 400 otherwise."""
    if not (text.isascii() and text.isdigit()) or len(text) > 18:
        raise invalid(what)
    return int(text)
