"""Callbacks: what was uploaded is told to the application, whose answer the client gets (kodo/1206)."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

__all__ = ["CallbackError", "call_back"]

TIMEOUT_SECONDS = 5.0
MAX_ANSWER_BYTES = 1024 * 1024


class CallbackError(Exception):
    """The application did not answer as it should."""


def call_back(
    urls: Sequence[str], host: str | None, body: bytes, kind: str, tokens: Sequence[str]
) -> bytes:
    """POSTs to the first of `urls` that answers 200 with JSON, and gives back what it says.

    Raises:
        CallbackError: none did; the message is of the last.
    """
    failure = CallbackError("no callbackUrl")
    for url, token in zip(urls, tokens, strict=True):
        headers = {"Content-Type": kind, "Authorization": token, "User-Agent": "qiniu-callback/1.0"}
        if host:
            headers["Host"] = host
        try:
            return _posted(url, body, headers)
        except (OSError, HTTPException, ValueError) as exc:
            failure = CallbackError(f"{url}: {exc}")
        except CallbackError as exc:
            failure = exc
    raise failure


def _posted(url: str, body: bytes, headers: dict[str, str]) -> bytes:
    split = urlsplit(url)
    if split.scheme != "http" or not _is_loopback(split.hostname or ""):
        raise CallbackError(f"{url}: the simulator calls http URLs on this machine only")
    connection = HTTPConnection(split.hostname or "", split.port, timeout=TIMEOUT_SECONDS)
    try:
        target = (split.path or "/") + (f"?{split.query}" if split.query else "")
        connection.request("POST", target, body, headers)
        response = connection.getresponse()
        answer = response.read(MAX_ANSWER_BYTES)
        if response.status != 200:
            raise CallbackError(f"{url}: status {response.status}")
        if response.headers.get_content_type() != "application/json":
            raise CallbackError(f"{url}: the answer is no application/json")
        return answer
    finally:
        connection.close()


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
