"""HTTP/1.1 heads and framing, sans-I/O. Nothing here touches a socket.

A request head is written with the raw path exactly as the driver gave it, and cannot be injected into.
A response head is cut out of the stream here and parsed by llhttp (`httptools`), which is given the
head only: it states no consumed offset, has no limit on a head, and takes things that are refused here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from httptools import HttpParserError, HttpResponseParser

from ..errors import InvalidArgumentError, TransportError

__all__ = ["ChunkedReader", "Head", "encode_head", "find_head_end", "parse_head"]

MAX_HEAD_BYTES = 64 * 1024
"""A longer head of a response is an attack or a mistake; no vendor sends a tenth of it."""
MAX_CHUNK_LINE_BYTES = 4 * 1024
"""The longest line of a chunk's size, extensions included, and the longest trailer."""
MAX_CHUNK_DIGITS = 16
MAX_LENGTH_DIGITS = 20
"""Of a length of 64 bits. Zeros before it are digits, and Python refuses to read thousands."""
NO_BODY = frozenset({204, 304})
"""Statuses that never have a body (RFC 9112 §6.3); 1xx are read past."""

MAX_TRAILER_BYTES = 64 * 1024
"""All trailers of a chunked body together; they are read past."""

_TARGET = re.compile(r"(?:http://[!-~]+)?/[!-~]*\Z")
_METHOD = re.compile(r"[A-Z]+\Z")
_NAMES = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+\Z")
_NOT_IN_VALUES = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")
"""What no header's value may hold: controls but the tab, and halves of characters."""
_CONTROLS = bytes([*range(9), *range(10, 32), 127])
_CHUNK_SIZE = re.compile(rb"[0-9A-Fa-f]{1,%d}\Z" % MAX_CHUNK_DIGITS)
_PROTOCOL = b"HTTP/1."


class Head:
    """A response's head, and how its body is delimited.

    Attributes:
        headers: names in lower case; the values of a repeated one are joined by ``", "``.
        length: of the body, or None where it is chunked or ends with the connection.
        chunked: whether the body is chunked.
        keep_alive: whether the connection may be used again once the body is read.
    """

    __slots__ = ("chunked", "headers", "keep_alive", "length", "status")

    def __init__(
        self,
        status: int,
        headers: Mapping[str, str],
        length: int | None,
        *,
        chunked: bool,
        keep_alive: bool,
    ) -> None:
        self.status = status
        self.headers = headers
        self.length = length
        self.chunked = chunked
        self.keep_alive = keep_alive


def encode_head(method: str, target: str, headers: Mapping[str, str], extra: str = "") -> bytes:
    """A request head. Characters beyond ASCII in values are sent as UTF-8.

    Args:
        target: path and query as they shall stand in the request line.
        headers: names in lower case.
        extra: lines of the engine's own, each with its end.

    Raises:
        InvalidArgumentError: something in it would not be a head, or would be more than one.
    """
    if not _METHOD.match(method) or not _TARGET.match(target):
        raise InvalidArgumentError("the request line holds a character that it cannot")
    # All names and values at once: looked at one by one they take three times as long.
    lines = [f"{method} {target} HTTP/1.1", *map(": ".join, headers.items()), extra + "\r\n"]
    try:
        head = "\r\n".join(lines).encode()
    except UnicodeEncodeError:
        raise _bad_header(headers) from None
    controls = len(head) - len(head.translate(None, _CONTROLS))
    if (
        controls != 2 * (len(headers) + 2 + extra.count("\n"))
        or (headers and not _NAMES.match("".join(headers)))
        or "" in headers
    ):
        raise _bad_header(headers)
    return head


def _bad_header(headers: Mapping[str, str]) -> InvalidArgumentError:
    """Which header it is; never its value."""
    bad = [n for n, v in headers.items() if not _NAMES.match(n) or _NOT_IN_VALUES.search(v)]
    return InvalidArgumentError(f"the header {''.join(bad[:1])!r} holds a character that it cannot")


def find_head_end(buffer: bytes, start: int = 0) -> int:
    """Where the body begins, or -1 where the head is not whole yet.

    Args:
        start: up to where an earlier call has looked.

    Raises:
        TransportError: the head is longer than it may be, or is no head.
    """
    end = buffer.find(b"\r\n\r\n", max(0, start - 3))
    if end > MAX_HEAD_BYTES or (end < 0 and len(buffer) > MAX_HEAD_BYTES):
        raise TransportError("the answer's head is too long", outcome="unknown")
    if end >= 0:
        return end + 4
    if not start and not buffer.startswith(_PROTOCOL[: len(buffer)]):
        # Said at once: the end of something that is no head may never come.
        raise TransportError("the answer is no HTTP/1 answer", outcome="unknown")
    return -1


class _Unheard:
    """Takes no callback of llhttp: it says whether a head is one; reading it here is twice as fast."""

    __slots__ = ()


def _read_headers(raw: bytes) -> dict[str, str]:
    """The headers of a head that llhttp has found to be well formed: whole lines, names of ASCII."""
    try:
        lines = str(raw, "utf-8").split("\r\n")
    except UnicodeDecodeError:
        lines = [_decode(line) for line in raw.split(b"\r\n")]
    headers: dict[str, str] = {}
    for line in lines[1:-2]:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip(" \t")
    return headers if len(headers) == len(lines) - 3 else _joined(lines[1:-2])


def _joined(lines: list[str]) -> dict[str, str]:
    """The same, where a name stands there more than once."""
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        name, value = name.lower(), value.strip(" \t")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _decode(line: bytes) -> str:
    """Vendors send raw UTF-8; what is none stays what it is, byte for byte."""
    try:
        return str(line, "utf-8")
    except UnicodeDecodeError:
        return str(line, "latin-1")


def parse_head(raw: bytes, method: str) -> Head:
    """Parses a head that `find_head_end` has cut out, of the answer to a request of `method`.

    Raises:
        TransportError: it is malformed, ambiguous, or of another protocol.
    """
    parser = HttpResponseParser(_Unheard())
    try:
        parser.feed_data(raw)
    except HttpParserError as exc:
        raise TransportError(f"the answer's head is malformed: {exc}", outcome="unknown") from exc
    except Exception as exc:  # llhttp raises HttpParserUpgrade, and others, for what is no answer
        raise TransportError("the answer is no HTTP answer", outcome="unknown") from exc
    status, version = parser.get_status_code(), parser.get_http_version()
    if version not in ("1.1", "1.0") or not raw.startswith(_PROTOCOL):
        raise TransportError(f"the answer speaks HTTP/{version}", outcome="unknown")
    if status < 100:
        raise TransportError(f"the answer's status is {status}", outcome="unknown")
    headers = _read_headers(raw)
    length = headers.get("content-length")
    if length is not None and len(length) > MAX_LENGTH_DIGITS:
        raise TransportError("the answer's length has too many digits", outcome="unknown")
    keep_alive = _keeps_alive(version, headers)
    if method == "HEAD" or status in NO_BODY or status < 200:
        return Head(status, headers, 0, chunked=False, keep_alive=keep_alive)
    coding = headers.get("transfer-encoding")
    if coding is not None:
        if coding.lower() != "chunked" or version == "1.0":
            raise TransportError("the answer has an unknown transfer coding", outcome="unknown")
        return Head(status, headers, None, chunked=True, keep_alive=keep_alive)
    if length is None:
        return Head(status, headers, None, chunked=False, keep_alive=False)
    return Head(status, headers, int(length), chunked=False, keep_alive=keep_alive)


def _keeps_alive(version: str, headers: Mapping[str, str]) -> bool:
    stated = headers.get("connection")
    if stated is None:
        return version == "1.1"
    options = [option.strip(" \t") for option in stated.lower().split(",")]
    return "close" not in options and (version == "1.1" or "keep-alive" in options)


class ChunkedReader:
    """Takes a chunked body apart, as it comes. Fed bytes, it gives data, and says when it is over.

    Attributes:
        done: the last chunk and its trailers were read.
        rest: what came after the body; it belongs to nobody, so the connection is not used again.
    """

    __slots__ = ("_left", "_line", "_state", "_trailers", "done", "rest")

    def __init__(self) -> None:
        self._state = "size"
        self._left = 0
        self._line = b""
        self._trailers = 0
        self.done = False
        self.rest = b""

    def feed(self, data: bytes) -> list[memoryview]:
        """The pieces of body in `data`.

        Raises:
            TransportError: this is no chunked body.
        """
        pieces: list[memoryview] = []
        view = memoryview(data)
        position, end = 0, len(data)
        while position < end and not self.done:
            if self._state == "data":
                piece = view[position : position + self._left]
                pieces.append(piece)
                position += len(piece)
                self._left -= len(piece)
                if not self._left:
                    self._state = "end"
            else:
                position = self._read_line(data, position)
        if self.done:
            self.rest = data[position:]
        return pieces

    def _read_line(self, data: bytes, position: int) -> int:
        """Takes in up to the end of a line; acts on a whole one."""
        end = data.find(b"\n", position, position + MAX_CHUNK_LINE_BYTES) + 1
        stop = end or min(len(data), position + MAX_CHUNK_LINE_BYTES)
        line = self._line + data[position:stop]
        if len(line) > MAX_CHUNK_LINE_BYTES or (not end and len(line) == MAX_CHUNK_LINE_BYTES):
            raise TransportError("a chunk's line is too long", outcome="unknown")
        if not end:
            self._line = line
            return stop
        self._line = b""
        if not line.endswith(b"\r\n"):
            raise TransportError("a chunk's line is malformed", outcome="unknown")
        self._act(line[:-2])
        return stop

    def _act(self, line: bytes) -> None:
        if self._state == "size":
            digits = line.partition(b";")[0].rstrip(b" \t")
            if not _CHUNK_SIZE.match(digits):
                raise TransportError("a chunk's size is malformed", outcome="unknown")
            self._left = int(digits, 16)
            self._state = "data" if self._left else "trailer"
        elif self._state == "end":
            if line:
                raise TransportError("a chunk does not end where it should", outcome="unknown")
            self._state = "size"
        elif line:
            self._trailers += len(line)
            if self._trailers > MAX_TRAILER_BYTES:
                raise TransportError("the trailers are too long", outcome="unknown")
        else:
            self.done = True
