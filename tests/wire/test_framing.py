"""Bodies without a network: which effects they yield, when they give their connection back, and how."""

from __future__ import annotations

import gc
from collections.abc import Sequence

import pytest

from cloudstore.bodies import Body, BytesBody
from cloudstore.driver import OpContext, Recv
from cloudstore.errors import TransportError
from cloudstore.wire.codec import parse_head
from cloudstore.wire.framing import SKIP_BYTES, body_of

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
CLOSING = b"HTTP/1.1 200 OK\r\n\r\n"


def length(count: int, *more: bytes) -> bytes:
    lines = [b"HTTP/1.1 200 OK", b"Content-Length: %d" % count, *more]
    return b"\r\n".join([*lines, b"", b""])


class Wire:
    """What comes over a connection, piece by piece; an exception is raised in its place."""

    def __init__(self, *pieces: bytes | Exception, skips: bool = False) -> None:
        self.pieces = list(pieces)
        self.released: list[bool] = []
        self.skipped: list[int] = []
        self.deadline: OpContext | None = None
        self._skips = skips

    def close(self) -> None:
        raise AssertionError("a body never closes its connection itself")

    def skip(self, count: int) -> bool:
        self.skipped.append(count)
        return self._skips

    def body(self, head: bytes, rest: bytes = b"", method: str = "GET") -> Body | None:
        return body_of(parse_head(head, method), self, rest, self.released.append)

    def fill(self, body: Body, size: int) -> bytes:
        """What one `readinto` gives."""
        buffer = memoryview(bytearray(size))
        flow = body.readinto(buffer)
        try:
            effect = next(flow)
            while True:
                assert isinstance(effect, Recv)
                assert effect.stream is self
                piece = self.pieces.pop(0) if self.pieces else b""
                if isinstance(piece, Exception):
                    effect = flow.throw(piece)
                    continue
                count = min(len(piece), len(effect.buffer))
                effect.buffer[:count] = piece[:count]
                if piece[count:]:
                    self.pieces.insert(0, piece[count:])
                effect = flow.send(count)
        except StopIteration as stop:
            return bytes(buffer[: stop.value])

    def read(self, body: Body, size: int = 64) -> bytes:
        content = b""
        while piece := self.fill(body, size):
            content += piece
        return content


def of(body: Body | None) -> Body:
    assert body is not None
    return body


@pytest.mark.parametrize(
    ("head", "method"),
    [(length(0), "GET"), (length(7), "HEAD"), (b"HTTP/1.1 204 X\r\n\r\n", "GET")],
)
def test_no_body_gives_the_connection_back_at_once(head: bytes, method: str) -> None:
    wire = Wire()
    assert wire.body(head, method=method) is None
    assert wire.released == [True]


def test_a_body_that_came_with_its_head() -> None:
    wire = Wire()
    body = of(wire.body(length(3), b"abc"))
    assert wire.released == [True]
    assert isinstance(body, BytesBody)
    assert body.take() == b"abc"


@pytest.mark.parametrize(
    ("head", "rest"),
    [
        (length(3), b"abcd"),
        (length(0), b"x"),
        (length(3, b"Connection: close"), b"abc"),
        (CHUNKED, b"3\r\nabc\r\n0\r\n\r\nx"),
    ],
)
def test_a_connection_with_more_on_it_or_at_its_end_is_not_good(head: bytes, rest: bytes) -> None:
    wire = Wire()
    body = wire.body(head, rest)
    assert wire.released == [False]
    assert body is None or body.take() == b"abc"


@pytest.mark.parametrize("size", [1, 2, 5, 100])
@pytest.mark.parametrize("rest", [b"", b"a", b"abcd"])
def test_a_body_of_known_length(size: int, rest: bytes) -> None:
    data = b"abcdefgh"[len(rest) :]
    wire = Wire(data[:2], data[2:])
    body = of(wire.body(length(8), rest))
    assert wire.released == []
    assert wire.read(body, size) == b"abcdefgh"
    assert wire.released == [True]
    body.close()
    assert wire.released == [True]
    assert wire.fill(body, 9) == b""


def test_a_body_never_asks_for_more_than_its_own_bytes() -> None:
    wire = Wire(b"abcdefgh", b"the next answer")
    body = of(wire.body(length(8)))
    assert wire.fill(body, 1000) == b"abcdefgh"
    assert wire.pieces == [b"the next answer"]


@pytest.mark.parametrize(
    ("head", "pieces"),
    [
        (length(8), [b"abc"]),
        (length(8), [b"abc", ConnectionResetError()]),
        (CHUNKED, [b"3\r\nabc\r\n"]),
        (CHUNKED, [b"3\r\nabc\r\n0\r\n"]),
        (CHUNKED, [b"3\r\nab"]),
        (CHUNKED, [b"3\r\nabc\r\n", ConnectionResetError()]),
        (CHUNKED, [b"3\r\nabcX"]),
    ],
)
def test_a_broken_body_fails_and_goes_on_failing(
    head: bytes, pieces: Sequence[bytes | Exception]
) -> None:
    wire = Wire(*pieces)
    body = of(wire.body(head))
    with pytest.raises((TransportError, ConnectionResetError)):
        wire.read(body)
    assert wire.released == [False]
    with pytest.raises(TransportError, match=r"closed"):
        wire.read(body)


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_a_chunked_body_over_several_reads(size: int) -> None:
    data = b"6\r\nabcdef\r\n2;x\r\ngh\r\n0\r\nT: 1\r\n\r\n"
    for cut in range(len(data)):
        wire = Wire(data[:cut], data[cut:]) if cut else Wire(data)
        body = of(wire.body(CHUNKED, b"3\r\n123\r\n"))
        assert wire.read(body, size) == b"123abcdefgh"
        assert wire.released == [True]


def test_a_chunked_body_with_bytes_after_it_spoils_the_connection() -> None:
    wire = Wire(b"3\r\nabc\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n")
    body = of(wire.body(CHUNKED))
    assert wire.read(body) == b"abc"
    assert wire.released == [False]


def test_many_tiny_chunks_cost_no_more_than_their_bytes() -> None:
    data = b"1\r\nx\r\n" * 50_000 + b"0\r\n\r\n"
    wire = Wire(*(data[i : i + 60_000] for i in range(0, len(data), 60_000)))
    assert wire.read(of(wire.body(CHUNKED)), 1000) == b"x" * 50_000


def test_a_body_that_ends_with_its_connection() -> None:
    wire = Wire(b"cd", b"e")
    body = of(wire.body(CLOSING, b"ab"))
    assert wire.read(body, 1) == b"abcde"
    assert wire.released == [False]
    assert wire.fill(body, 5) == b""


def test_such_a_body_that_was_reset_did_not_end() -> None:
    wire = Wire(b"cd", ConnectionResetError())
    body = of(wire.body(CLOSING, b"ab"))
    with pytest.raises(ConnectionResetError):
        wire.read(body)
    with pytest.raises(TransportError):
        wire.read(body)
    assert wire.released == [False]


@pytest.mark.parametrize(
    ("head", "skips", "good"),
    [
        (length(SKIP_BYTES + 2), True, True),
        (length(SKIP_BYTES + 2), False, False),
        (length(SKIP_BYTES + 2, b"Connection: close"), True, False),
    ],
)
def test_a_little_that_is_unread_is_skipped(head: bytes, skips: bool, good: bool) -> None:
    wire = Wire(skips=skips)
    of(wire.body(head, b"ab")).close()
    assert wire.skipped == [SKIP_BYTES]
    assert wire.released == [good]


@pytest.mark.parametrize("head", [length(SKIP_BYTES + 1), CHUNKED, CLOSING])
def test_what_is_unread_otherwise_costs_the_connection(head: bytes) -> None:
    wire = Wire(skips=True)
    body = of(wire.body(head))
    body.close()
    body.close()
    assert wire.skipped == []
    assert wire.released == [False]
    with pytest.raises(TransportError, match=r"closed"):
        wire.fill(body, 10)


def test_a_body_that_is_forgotten_gives_its_connection_up() -> None:
    wire = Wire()
    body: Body | None = wire.body(length(1_000_000))
    del body
    gc.collect()
    assert wire.released == [False]


@pytest.mark.parametrize("head", [length(8), CHUNKED, CLOSING])
def test_an_empty_buffer_is_no_end(head: bytes) -> None:
    wire = Wire(b"", b"3\r\nabc\r\n0\r\n\r\n" if head == CHUNKED else b"12345678")
    body = of(wire.body(head))
    if head != CHUNKED:
        assert wire.fill(body, 0) == b""
    else:
        wire.pieces.pop(0)
    assert wire.read(body) in (b"abc", b"12345678")


@pytest.mark.parametrize(
    ("start", "pattern"),
    [
        (b"", b"0"),
        (b"", b"\r\n"),
        (b"", b"1;"),
        (b"", b"x: y\r\n"),
        (b"1\r\nx", b" "),
        (b"0\r\n", b"x: y\r\n"),
        (b"0\r\n", b"x"),
    ],
)
def test_an_endless_stream_is_stopped(start: bytes, pattern: bytes) -> None:
    wire = Wire(start + pattern * (1_000_000 // len(pattern)))
    body = wire.body(CHUNKED)
    assert body is not None
    with pytest.raises(TransportError, match=r"too long|malformed|should"):
        list(iter(lambda: wire.fill(body, 1000), b""))
    assert wire.released == [False]
    [unread] = wire.pieces
    assert isinstance(unread, bytes)
    assert len(unread) > 800_000
