"""Heads of answers: `find_head_end` and `parse_head`, beside two other readers."""

from __future__ import annotations

from collections.abc import Callable

from cloudstore.errors import TransportError
from cloudstore.wire.codec import MAX_HEAD_BYTES, Head, find_head_end, parse_head

from .second_reading import Reading, by_llhttp, by_the_rfc
from .target import Target, dice_for

__all__ = ["FRAGMENTS", "HEADS", "METHODS", "check_head"]

Parse = Callable[[bytes, str], Head]
METHODS = ("GET", "PUT", "HEAD", "CONNECT")
"""Each kind of request whose answers are read differently by some rule or other."""

SEEDS = [
    b'HTTP/1.1 200 OK\r\nContent-Length: 11\r\nETag: "a"\r\nx-amz-meta-a: \xc3\xa9\r\n\r\n',
    b"HTTP/1.1 206 Partial Content\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\nConnection: close, x\r\n\r\n",
    b"HTTP/1.1 503 Slow Down\r\nRetry-After: 1\r\nA:\r\na: b \r\n\r\n",
    b"HTTP/1.1 404\r\nVia: \xe9\xff\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
]
FRAGMENTS = [
    *(b"\r\n", b"\n", b"\r", b"\0", b"\r\n\r\n", b" ", b"\t", b":", b",", b";", b"\x0b", b"\x7f"),
    b"\x80",
    *(b"HTTP/1.0 ", b"HTTP/1.1 ", b"HTTP/2.0 ", b"HTTP/1.9", b" 099 ", b" 204 ", b" 304 ", b" 1000 "),
    b"Content-Length: 5\r\n",
    b"Content-Length: 5\r\n" * 2,
    b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
    b": a\r\n",
    b"Content-Length:\r\n",
    b"content-length: 0005 \t\r\n",
    b"Content-Length: 18446744073709551615\r\n",
    b"Content-Length: 18446744073709551616\r\n",
    b"Content-Length: -1\r\n",
    b"Content-Length: 5, 5\r\n",
    b"Content-Length : 5\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: gzip\r\n",
    b"Transfer-Encoding: gzip, chunked\r\n",
    b"Transfer-Encoding: chunked, chunked\r\n",
    b"Transfer-Encoding:\r\n",
    b"Connection: close\r\n",
    b"Connection: keep-alive\r\n",
    b"Connection: x-close, not-keep-alive\r\n",
    b"Proxy-Connection: close\r\n",
    b"Upgrade: h2c\r\nConnection: upgrade\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"\r\n folded",
    b"x-\xc3\xa9: y\r\n",
    b": no name\r\n",
    b"no colon\r\n",
    b"\xff\xfe",
    b"\xc3\xa9",
    b"\xe2\x80\xa8",
    b"A" * 5000,
    b"x: y\r\n" * 500,
]


def _reading(head: Head) -> Reading:
    return Reading(head.status, dict(head.headers), head.length, head.chunked, head.keep_alive)


def _compare_framing(raw: bytes, method: str, reading: Reading, other: Reading) -> None:
    """Where the body ends, to us and to llhttp, as far as it is to be believed."""
    if method == "HEAD":
        return  # it does not know what was asked
    if reading.status < 200 or reading.status in (204, 304):
        return  # it reads chunks even there, against RFC 9112 §6.3
    if b"chunked\t" in raw.lower():
        return  # it takes no tab for the blank after a coding
    assert (reading.length, reading.chunked) == (other.length, other.chunked)
    # Nor has any RFC this one, which it takes for `Connection`.
    kept = other.keep_alive or not reading.keep_alive or "proxy-connection" in reading.headers
    assert kept, "kept, though llhttp would close it"


def check_head(raw: bytes, method: str, parse: Parse = parse_head) -> Head:
    """What `parse_head` says of a head, which is what the others say.

    Raises:
        TransportError: all of them refuse it.
    """
    strict, other = by_the_rfc(raw, method), by_llhttp(raw)
    try:
        head = parse(raw, method)
    except TransportError:
        assert strict is None, f"{method}: refused, though the RFC allows it: {strict}"
        raise
    assert other is not None, "accepted, though llhttp rejects it"
    assert strict is not None, "accepted, though the RFC does not allow it"
    reading = _reading(head)
    assert reading == strict, f"{reading} is not {strict}"
    assert reading.status == other.status
    assert reading.headers == other.headers
    _compare_framing(raw, method, reading, other)
    return head


def _heads(data: bytes) -> None:
    end = find_head_end(data)
    looked = dice_for(data).randrange(end if end > 0 else len(data) + 1)
    assert find_head_end(data[:looked]) == -1 or not looked
    assert find_head_end(data, looked) == end
    if end < 0:
        raise TransportError("the head has no end")
    assert end <= MAX_HEAD_BYTES + 4
    refused = None
    for method in METHODS:
        try:
            check_head(data[:end], method)
        except TransportError as exc:
            refused = exc
    if refused is not None:
        raise refused


HEADS = Target("heads", _heads, SEEDS, FRAGMENTS, cases=30_000)
