"""Bodies of answers: `body_of` and `ChunkedReader`, beside a reader that has all bytes at once.

However the bytes are cut, the same comes out: so much of a body, and whether that was all of it.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

from cloudstore.bodies import Body
from cloudstore.driver import OpContext, Recv
from cloudstore.errors import TransportError
from cloudstore.wire.codec import ChunkedReader, find_head_end, parse_head
from cloudstore.wire.framing import body_of

from .heads import FRAGMENTS as HEAD_FRAGMENTS
from .target import Target, dice_for

__all__ = ["BODIES", "CHUNKS"]

CUTS = 4
"""In how many ways an input is cut."""

_HEAD = b"HTTP/1.1 200 OK\r\n"
_CHUNKED = b"transfer-encoding: chunked\r\n\r\n"
_WHOLE = b"5\r\nhello\r\n6;a=b\r\n world\r\n0\r\nT: 1\r\n\r\n"
CHUNK_SEEDS = [
    _WHOLE,
    _WHOLE + b"HTTP/1.1 200 OK",
    b"0\r\n\r\n",
    b"00F \t;x\r\n" + b"x" * 15 + b"\r\n0;last\r\n\r\n",
    b"ffffffffffffffff\r\nabc",
]
CHUNK_FRAGMENTS = [
    *(b"\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b";", b"=", b'"', b"0", b"1", b"a", b"F", b"-"),
    *(b"+", b"0x"),
    *(b"0\r\n\r\n", b"5\r\nhello\r\n", b"0\r\n", b"T: 1\r\n", b"T: 1\r\n" * 2000, b"1;" + b"x" * 5000),
    *(b"FFFFFFFFFFFFFFFF\r\n", b"FFFFFFFFFFFFFFFFF\r\n", b"0" * 5000, b"x" * 100),
    b"7FFFFFFFFFFFFFFF\r\n",
]
BODY_SEEDS = [
    _HEAD + b"content-length: 11\r\n\r\nhello world",
    _HEAD + b"content-length: 11\r\n\r\nhello world and more",
    _HEAD + b"content-length: 0\r\n\r\n",
    _HEAD + b"content-length: 18446744073709551615\r\n\r\nabc",
    _HEAD + b"\r\nuntil the end",
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.0 200 OK\r\ncontent-length: 3\r\n\r\nabc",
    *(_HEAD + _CHUNKED + chunks for chunks in CHUNK_SEEDS),
]

_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;[^\n]*)?\r\n")
"""RFC 9112 §7.1, with blanks before an extension, as servers have sent them. What an extension holds is
not looked at, and a line is judged once it is whole."""
_TRAILER_LINE = re.compile(rb"[^\n]*\r\n")


@dataclass(frozen=True)
class _Result:
    content: bytes
    whole: bool


def _dechunked(data: bytes) -> tuple[_Result, bool]:
    """A chunked body, read from a string that holds all of it; and whether that is no such body."""
    content, at = b"", 0
    while found := _SIZE_LINE.match(data, at):
        size, at = int(found[1], 16), found.end()
        if not size:
            while found := _TRAILER_LINE.match(data, at):
                at = found.end()
                if found[0] == b"\r\n":
                    return _Result(content, True), False
            return _Result(content, False), b"\n" in data[at:]
        content += data[at : at + size]
        if b"\n" not in data[at + size :]:
            return _Result(content, False), False  # what stands there may go on
        if data[at + size : at + size + 2] != b"\r\n":
            return _Result(content, False), True
        at += size + 2
    return _Result(content, False), b"\n" in data[at:]


class _Feed:
    """Gives a body what a server sends, in pieces, then the end."""

    def __init__(self, data: bytes, dice: random.Random) -> None:
        self._data = memoryview(data)
        self._dice = dice
        self.deadline: OpContext | None = None
        self.released: list[bool] = []

    def close(self) -> None:
        raise AssertionError("a body never closes its connection itself")

    def skip(self, count: int) -> bool:
        return self._dice.random() < 0.5

    def give(self, buffer: memoryview) -> int:
        """What a connection does."""
        count = min(len(buffer), len(self._data), self._dice.choice((1, 2, 10, 3000)))
        buffer[:count] = self._data[:count]
        self._data = self._data[count:]
        return count

    def read(self, body: Body, buffer: memoryview) -> int:
        """What a runner does."""
        flow = body.readinto(buffer)
        try:
            effect = next(flow)
            while True:
                assert isinstance(effect, Recv)
                effect = flow.send(self.give(effect.buffer))
        except StopIteration as stop:
            count: int = stop.value
            return count


def _read_body(data: bytes, end: int, dice: random.Random) -> _Result:
    """The body of an answer; some of it comes with its head, which ends at `end`."""
    head = parse_head(data[:end], "GET")
    ahead = dice.choice((end, len(data), dice.randint(end, len(data))))
    feed = _Feed(data[ahead:], dice)
    content = b""
    try:
        body = body_of(head, feed, data[end:ahead], feed.released.append)
    except TransportError:
        return _Result(content, False)
    if body is None:
        assert len(feed.released) == 1
        return _Result(content, True)
    try:
        buffer = memoryview(bytearray(dice.choice((1, 7, 1000, 70_000))))
        while count := feed.read(body, buffer):
            assert 0 < count <= len(buffer)
            content += buffer[:count]
        return _Result(content, True)
    except TransportError:
        return _Result(content, False)
    finally:
        body.close()
        assert len(feed.released) == 1, "a connection is given back once"
        assert head.keep_alive or feed.released == [False]


def _bodies(data: bytes) -> None:
    end = find_head_end(data)
    if end < 0:
        raise TransportError("the head has no end")
    head, rest = parse_head(data[:end], "GET"), data[end:]
    if head.chunked:
        expected = _dechunked(rest)[0]
    elif head.length is None:
        expected = _Result(rest, True)
    else:
        expected = _Result(rest[: head.length], len(rest) >= head.length)
    dice = dice_for(data)
    for _ in range(CUTS):
        result = _read_body(data, end, dice)
        assert expected.content.startswith(result.content)
        assert result.whole == expected.whole or _too_long(rest)
        if result.whole:
            assert result.content == expected.content
    if not expected.whole:
        raise TransportError("the body is broken")


def _too_long(chunks: bytes) -> bool:
    """Whether lines may be refused for their length alone."""
    return len(chunks) > 4096


def _chunks(data: bytes) -> None:
    expected, malformed = _dechunked(data)
    dice = dice_for(data)
    failures = 0
    for _ in range(CUTS):
        reader, content, at = ChunkedReader(), b"", 0
        try:
            while at < len(data) and not reader.done:
                step = dice.choice((1, 2, 100, len(data)))
                piece = data[at : at + step]
                content += b"".join(map(bytes, reader.feed(piece)))
                at += len(piece)
        except TransportError:
            failures += 1
            assert malformed or _too_long(data), "refused, though it is a chunked body"
            assert expected.content.startswith(content)
            continue
        assert not malformed, "taken, though it is no chunked body"
        assert (content, reader.done) == (expected.content, expected.whole)
        if reader.done:
            assert data.endswith(reader.rest + data[at:])
    assert failures in (0, CUTS), "it depends on how it is cut"
    if not expected.whole:
        raise TransportError("the body is broken")


BODIES = Target("bodies", _bodies, BODY_SEEDS, [*HEAD_FRAGMENTS, *CHUNK_FRAGMENTS], cases=20_000)
CHUNKS = Target("chunks", _chunks, CHUNK_SEEDS, CHUNK_FRAGMENTS, cases=25_000)
