"""Two other readers of an answer's head: RFC 9112 taken literally, and llhttp with its own callbacks.

They share nothing with `cloudstore.wire.codec` but the form of the result, so that `parse_head` can be
written anew, for speed, and be held to both: what llhttp rejects is rejected, and what the RFC allows
and we do not refuse on purpose is accepted, with the same status, headers and framing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

__all__ = ["Reading", "by_llhttp", "by_the_rfc"]

MAX_LENGTH = 2**64 - 1
"""llhttp counts in 64 bits. More is no length."""
MAX_DIGITS = 20
"""Zeros before a length are legal; so many of them are refused on purpose."""

# RFC 9112 §4: status-line = HTTP-version SP status-code SP [ reason-phrase ]. Of the versions we speak
# 1.0 and 1.1. The second SP may be missing with the reason, which may be anything: nobody reads it.
_STATUS_LINE = re.compile(rb"HTTP/1\.(?P<minor>[01]) (?P<status>[1-9][0-9]{2})(?: [^\r\n]*)?")
# RFC 9112 §5: field-line = field-name ":" OWS field-value OWS, without the obsolete folding (§5.2);
# RFC 9110 §5.6.2 has the characters of a token, §5.5 those of a value.
_FIELD_LINE = re.compile(
    rb"(?P<name>[!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*(?P<value>[\t \x21-\x7e\x80-\xff]*?)[ \t]*"
)


@dataclass(frozen=True)
class Reading:
    """What a head says, as `cloudstore.wire.codec.Head` has it."""

    status: int
    headers: dict[str, str]
    length: int | None
    chunked: bool
    keep_alive: bool


def _text(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _joined(fields: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """RFC 9110 §5.3: the values of one name, in order, with commas between them."""
    headers: dict[str, list[str]] = {}
    for name, value in fields:
        headers.setdefault(name.decode("ascii").lower(), []).append(_text(value))
    return {name: ", ".join(values) for name, values in headers.items()}


def by_the_rfc(raw: bytes, method: str) -> Reading | None:
    """What a head says that follows the RFC; None: it does not, or we refuse it on purpose.

    Refused on purpose, because two readers could disagree: more than one length, even if they are the
    same (§6.3 leaves that open), a length beside a coding, any coding but ``chunked`` once, a coding in
    HTTP/1.0, and 101 to a request that asked for no other protocol.
    """
    lines = raw.split(b"\r\n")
    if len(lines) < 3 or lines[-2:] != [b"", b""] or b"" in lines[:-2]:
        return None
    start = _STATUS_LINE.fullmatch(lines[0])
    matches = [_FIELD_LINE.fullmatch(line) for line in lines[1:-2]]
    if start is None or None in matches:
        return None
    fields = [(found["name"], found["value"]) for found in matches if found is not None]
    lengths = [value for name, value in fields if name.lower() == b"content-length"]
    codings = [value for name, value in fields if name.lower() == b"transfer-encoding"]
    if b"" in codings:
        return None
    if len(lengths) > 1 or any(not re.fullmatch(rb"[0-9]+", value) for value in lengths):
        return None
    length = int(lengths[0]) if lengths and len(lengths[0]) <= MAX_DIGITS else None
    if lengths and (length is None or length > MAX_LENGTH or codings):
        return None
    status, minor = int(start["status"]), int(start["minor"])
    if status == 101:
        return None
    headers = _joined(fields)
    options = [option.strip(" \t").lower() for option in headers.get("connection", "").split(",")]
    # RFC 9112 §9.3: in this order.
    keep_alive = "close" not in options and (minor == 1 or "keep-alive" in options)
    reading = Reading(status, headers, length, False, keep_alive)
    # RFC 9112 §6.3: in this order.
    if method == "HEAD" or status < 200 or status in (204, 304):
        return replace(reading, length=0)
    if codings:
        if headers["transfer-encoding"].lower() != "chunked" or minor == 0:
            return None
        return replace(reading, chunked=True)
    return reading if lengths else replace(reading, keep_alive=False)


class _Callbacks:
    """What llhttp makes of what it is fed."""

    def __init__(self) -> None:
        self.fields: list[tuple[bytes, bytes]] = []
        self.body = b""
        self.complete = 0
        self.keep_alive = False
        self.parser = HttpResponseParser(self)

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name, value.strip(b" \t")))

    def on_headers_complete(self) -> None:
        self.keep_alive = self.parser.should_keep_alive()

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.complete += 1


def by_llhttp(raw: bytes) -> Reading | None:
    """What llhttp makes of a head, of the answer to a GET; None: it rejects it.

    It does not say how the body is delimited: bodies of each kind are tried.
    """
    reader = _Callbacks()
    try:
        reader.parser.feed_data(raw)
        length, chunked = _framing(raw, reader)
    except (HttpParserError, HttpParserUpgrade):
        return None
    headers = _joined(reader.fields)
    return Reading(reader.parser.get_status_code(), headers, length, chunked, reader.keep_alive)


def _framing(raw: bytes, reader: _Callbacks) -> tuple[int | None, bool]:
    if reader.complete:
        return 0, False
    if not reader.fields and not raw.endswith(b"\r\n\r\n"):
        raise HttpParserError("the head has no end")
    if _ends_after(raw, b"3\r\nabc\r\n0\r\n\r\n", b"abc"):
        return None, True
    # The last that is a number: more than one are rejected.
    stated = [value for name, value in reader.fields if name.lower() == b"content-length"]
    if not stated or not stated[-1].isdigit():
        return None, False
    length = int(stated[-1])
    if length <= 1000:
        assert _ends_after(raw, b"x" * length, b"x" * length)
        assert not _ends_after(raw, b"x" * (length - 1), b"x" * (length - 1))
    return length, False


def _ends_after(raw: bytes, sent: bytes, body: bytes) -> bool:
    """Whether llhttp takes `sent` for a whole message, whose body is `body`."""
    reader = _Callbacks()
    try:
        reader.parser.feed_data(raw)
        reader.parser.feed_data(sent)
    except HttpParserError:
        return False
    return reader.complete == 1 and reader.body == body
