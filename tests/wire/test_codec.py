"""Heads, line by line, and chunked bodies, byte by byte."""

from __future__ import annotations

from itertools import pairwise

import pytest

from cloudstore.errors import InvalidArgumentError, TransportError
from cloudstore.wire.codec import (
    MAX_CHUNK_LINE_BYTES,
    MAX_HEAD_BYTES,
    MAX_TRAILER_BYTES,
    ChunkedReader,
    Head,
    encode_head,
    find_head_end,
    parse_head,
)

OK = b"HTTP/1.1 200 OK\r\n"


def parse(raw: bytes, method: str = "GET") -> Head:
    return parse_head(raw, method)


# --- heads of requests ---


def test_a_request_head() -> None:
    head = encode_head("GET", "/a//../%2F?b", {"host": "h", "x-y": " two  spaces"}, "expect: x\r\n")
    assert head == b"GET /a//../%2F?b HTTP/1.1\r\nhost: h\r\nx-y:  two  spaces\r\nexpect: x\r\n\r\n"


def test_a_request_head_without_headers() -> None:
    assert encode_head("GET", "/", {}) == b"GET / HTTP/1.1\r\n\r\n"


@pytest.mark.parametrize("value", ["é", "☃ snow", "\x80", "𝄞", "a\tb", ""])
def test_values_are_sent_as_utf8(value: str) -> None:
    assert encode_head("GET", "/", {"a": value}) == b"GET / HTTP/1.1\r\na: %s\r\n\r\n" % value.encode()


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "/a b"),
        ("GET", "/a\r\nx: y"),
        ("GET", "/a\n"),
        ("GET", "/é"),
        ("GET", "/\x7f"),
        ("GET", ""),
        ("GET", "a"),
        ("GET", "https://h/a"),
        ("get", "/"),
        ("GET ", "/"),
        ("GET\r\nX", "/"),
        ("", "/"),
        ("GET\n", "/"),
    ],
)
def test_a_request_line_cannot_be_injected_into(method: str, target: str) -> None:
    with pytest.raises(InvalidArgumentError):
        encode_head(method, target, {})


def test_no_character_of_a_value_ends_a_line() -> None:
    for code in range(0x180):
        character = chr(code)
        try:
            head = encode_head("GET", "/", {"a": f"x{character}y"})
        except InvalidArgumentError:
            assert (code < 0x20 and character != "\t") or code == 0x7F
        else:
            assert head.count(b"\n") == head.count(b"\r") == 3
            assert b"\0" not in head


def test_no_character_of_a_name_ends_it() -> None:
    allowed = set()
    for code in range(0x180):
        try:
            encode_head("GET", "/", {f"x{chr(code)}y": "v"})
        except InvalidArgumentError:
            continue
        allowed.add(chr(code))
    assert allowed == set("abcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+.^_`|~-")


def test_characters_of_every_length_in_utf8_are_sent() -> None:
    value = "\x80ÿĀ߿ࠀ한\ud7ff\ue000\uffff😀"
    assert encode_head("GET", "/", {"x": value}) == f"GET / HTTP/1.1\r\nx: {value}\r\n\r\n".encode()


@pytest.mark.parametrize("half", [0xD800, 0xDBFF, 0xDC00, 0xDFFF])
def test_half_a_character_is_refused(half: int) -> None:
    with pytest.raises(InvalidArgumentError, match="'x'"):
        encode_head("GET", "/", {"y": "1", "x": chr(half)})


def test_the_error_does_not_repeat_the_value() -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        encode_head("GET", "/", {"authorization": "s3cret\n"})
    assert "s3cret" not in str(caught.value)
    assert "authorization" in str(caught.value)


# --- where a head ends ---


def test_the_end_is_found_whatever_was_looked_at_before() -> None:
    raw = OK + b"A: b\r\n\r\nbody"
    for start in range(len(raw) - 4):
        assert find_head_end(raw, start) == len(raw) - 4


def test_no_end_is_found_in_less_than_a_head() -> None:
    raw = OK + b"A: b\r\n\r\n"
    for length in range(1, len(raw)):
        assert find_head_end(raw[:length]) == -1


@pytest.mark.parametrize(
    "raw", [b"\r\nHTTP/1.1 ", b"GET / HTTP", b"HTTP/2", b"\x15\x03", b"<html>", b"h"]
)
def test_what_cannot_become_a_head_is_refused_at_once(raw: bytes) -> None:
    with pytest.raises(TransportError):
        find_head_end(raw)


def test_a_head_has_a_longest_length() -> None:
    filler = b"x" * MAX_HEAD_BYTES
    fits = OK + b"A: " + filler[: MAX_HEAD_BYTES - len(OK) - 3] + b"\r\n\r\n"
    assert find_head_end(fits) == len(fits)
    with pytest.raises(TransportError, match=r"too long"):
        find_head_end(OK + b"A: " + filler)
    with pytest.raises(TransportError, match=r"too long"):
        find_head_end(OK + b"A: " + filler + b"\r\n\r\n")


# --- heads of answers ---


def test_a_plain_answer() -> None:
    head = parse(OK + b'Content-Length: 3\r\nETag: "x"\r\nX-Amz-Id:\t spaced \t\r\n\r\n')
    assert (head.status, head.length, head.chunked, head.keep_alive) == (200, 3, False, True)
    assert head.headers == {"content-length": "3", "etag": '"x"', "x-amz-id": "spaced"}


def test_the_reason_may_be_missing_or_anything() -> None:
    assert parse(b"HTTP/1.1 404\r\nContent-Length: 0\r\n\r\n").status == 404
    assert parse(b"HTTP/1.1 404 \xe9\xff\r\nContent-Length: 0\r\n\r\n").status == 404


def test_values_of_one_name_are_joined() -> None:
    head = parse(OK + b"A: 1\r\nB: x\r\na: 2\r\nContent-Length: 0\r\n\r\n")
    assert (head.headers["a"], head.headers["b"]) == ("1, 2", "x")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"plain", "plain"),
        ("☃".encode(), "☃"),
        ("é".encode(), "é"),
        (b"\xe9", "é"),
        (b"caf\xe9 \xff", "café ÿ"),
        (b"", ""),
        (b"a, b", "a, b"),
    ],
)
def test_values_are_utf8_and_else_latin_1(value: bytes, text: str) -> None:
    head = parse(OK + b"X: " + value + b"\r\nContent-Length: 0\r\n\r\n")
    assert head.headers["x"] == text


@pytest.mark.parametrize(
    "raw",
    [
        # lengths
        OK + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\n",
        OK + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\n",
        OK + b"Content-Length: 3, 3\r\n\r\n",
        OK + b"Content-Length: +3\r\n\r\n",
        OK + b"Content-Length: -1\r\n\r\n",
        OK + b"Content-Length: 0x3\r\n\r\n",
        OK + b"Content-Length: 1_0\r\n\r\n",
        OK + b"Content-Length: 3.0\r\n\r\n",
        OK + b"Content-Length: \xb2\r\n\r\n",
        OK + b"Content-Length: 99999999999999999999999\r\n\r\n",
        OK + b"Content-Length: " + b"0" * 5000 + b"3\r\n\r\n",
        # codings
        OK + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
        OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n",
        OK + b"Transfer-Encoding: chunked, gzip\r\n\r\n",
        OK + b"Transfer-Encoding: xchunked\r\n\r\n",
        OK + b"Transfer-Encoding: identity\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        # lines
        b"HTTP/1.1 200 OK\nContent-Length: 3\n\r\n\r\n",
        OK + b"A: b\nContent-Length: 3\r\n\r\n",
        OK + b"A: b\rc\r\n\r\n",
        OK + b"A: b\0c\r\n\r\n",
        OK + b"A: b\r\n c\r\n\r\n",
        OK + b"A : b\r\n\r\n",
        OK + b": b\r\n\r\n",
        OK + b"A\r\n\r\n",
        OK + b"\xc3\xa9: b\r\n\r\n",
        # other protocols
        b"\r\n" + OK + b"\r\n",
        b"HTTP/2.0 200 OK\r\n\r\n",
        b"HTTP/1.9 200 OK\r\n\r\n",
        b"HTTP/0.9 200 OK\r\n\r\n",
        b"HTTP/1.1 99 OK\r\n\r\n",
        b"HTTP/1.1 000 OK\r\n\r\n",
        b"HTTP/1.1 099 OK\r\n\r\n",
        b"HTTP/1.1 1000 OK\r\n\r\n",
        b"HTTP/1.1 2x0 OK\r\n\r\n",
        b"ICY 200 OK\r\n\r\n",
        b"RTSP/1.0 200 OK\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"\r\n\r\n",
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_is_malformed_or_ambiguous_is_refused(raw: bytes, method: str) -> None:
    if method == "HEAD" and raw.startswith((OK + b"Transfer", b"HTTP/1.0")) and b"Length" not in raw:
        # There is no body, whatever the head says of its coding.
        assert parse(raw, method).length == 0
        return
    with pytest.raises(TransportError) as caught:
        parse(raw, method)
    assert caught.value.outcome == "unknown"


@pytest.mark.parametrize(
    ("status", "method"),
    [(200, "HEAD"), (404, "HEAD"), (204, "GET"), (304, "GET"), (100, "PUT"), (103, "GET")],
)
@pytest.mark.parametrize("framing", [b"Content-Length: 7\r\n", b"Transfer-Encoding: chunked\r\n", b""])
def test_answers_that_never_have_a_body(status: int, method: str, framing: bytes) -> None:
    head = parse(b"HTTP/1.1 %d X\r\n%s\r\n" % (status, framing), method)
    assert (head.length, head.chunked, head.keep_alive) == (0, False, True)


def test_an_answer_that_ends_with_its_connection() -> None:
    head = parse(OK + b"\r\n")
    assert (head.length, head.chunked, head.keep_alive) == (None, False, False)


@pytest.mark.parametrize("coding", [b"chunked", b"Chunked", b"CHUNKED"])
def test_a_chunked_answer(coding: bytes) -> None:
    head = parse(OK + b"Transfer-Encoding: " + coding + b"\r\n\r\n")
    assert (head.length, head.chunked, head.keep_alive) == (None, True, True)


@pytest.mark.parametrize(
    ("version", "connection", "keeps"),
    [
        (b"1.1", b"", True),
        (b"1.1", b"Connection: close\r\n", False),
        (b"1.1", b"Connection: CLOSE\r\n", False),
        (b"1.1", b"Connection: x, close\r\n", False),
        (b"1.1", b"Connection: x\r\nConnection: close\r\n", False),
        (b"1.1", b"Connection: keep-alive, close\r\n", False),
        (b"1.1", b"Connection: keep-alive\r\n", True),
        (b"1.0", b"", False),
        (b"1.0", b"Connection: keep-alive\r\n", True),
        (b"1.0", b"Connection: Keep-Alive\r\n", True),
        (b"1.0", b"Connection: x ,\tkeep-alive\r\n", True),
        (b"1.0", b"Connection: no-keep-alive, keep-alives\r\n", False),
        (b"1.1", b"Connection: x-close, closed\r\n", True),
        (b"1.1", b"Connection: ,x,close,\r\n", False),
    ],
)
def test_when_a_connection_is_kept(version: bytes, connection: bytes, keeps: bool) -> None:
    raw = b"HTTP/%s 200 OK\r\nContent-Length: 0\r\n%s\r\n" % (version, connection)
    assert parse(raw).keep_alive is keeps


def test_an_upgrade_that_nobody_asked_for_changes_nothing() -> None:
    head = parse(OK + b"Upgrade: h2c\r\nConnection: upgrade\r\nContent-Length: 1\r\n\r\n")
    assert (head.status, head.length) == (200, 1)


# --- chunked bodies ---


def feed(reader: ChunkedReader, *data: bytes) -> bytes:
    return b"".join(bytes(piece) for part in data for piece in reader.feed(part))


WHOLE = b'5\r\nhello\r\n1;a="b"\r\n \r\n005 \t\r\nworld\r\n0;x\r\nT: 1\r\nU: 2\r\n\r\n'


def test_a_chunked_body_may_be_cut_anywhere() -> None:
    for first in range(len(WHOLE) + 1):
        for second in range(first, len(WHOLE) + 1, 3):
            reader = ChunkedReader()
            cuts = [0, first, second, len(WHOLE)]
            assert feed(reader, *(WHOLE[a:b] for a, b in pairwise(cuts))) == b"hello world"
            assert reader.done
            assert reader.rest == b""


def test_a_chunked_body_that_is_cut_off_is_not_done() -> None:
    for length in range(len(WHOLE)):
        reader = ChunkedReader()
        assert b"hello world".startswith(feed(reader, WHOLE[:length]))
        assert not reader.done


def test_a_chunked_body_comes_byte_by_byte() -> None:
    reader = ChunkedReader()
    assert feed(reader, *(WHOLE[i : i + 1] for i in range(len(WHOLE)))) == b"hello world"
    assert reader.done


def test_what_comes_after_a_chunked_body_is_kept_apart() -> None:
    reader = ChunkedReader()
    assert feed(reader, WHOLE + b"HTTP/1.1") == b"hello world"
    assert reader.rest == b"HTTP/1.1"


def test_an_empty_chunked_body() -> None:
    reader = ChunkedReader()
    assert feed(reader, b"0\r\n\r\n") == b""
    assert reader.done


@pytest.mark.parametrize(
    "body",
    [
        b"\r\n",
        b"x\r\n",
        b"-1\r\n",
        b"+1\r\n",
        b"0x1\r\n",
        b" 1\r\n",
        b"1 1\r\n",
        b"1_0\r\n",
        b";a\r\n",
        b"5\nhello",
        b"5\r\nhello\n",
        b"5\r\nhelloX\r\n",
        b"5\r\nhello5\r\n",
        b"11111111111111111\r\n",
        b"FFFFFFFFFFFFFFFFF\r\n",
        b"1;" + b"x" * MAX_CHUNK_LINE_BYTES,
        b"0\r\nT" + b"x" * MAX_CHUNK_LINE_BYTES,
        b"0\r\n" + b"T: 123456789\r\n" * (MAX_TRAILER_BYTES // 11 + 1),
        b"0\r\nT: 1\n\r\n",
    ],
)
def test_what_is_no_chunked_body(body: bytes) -> None:
    with pytest.raises(TransportError):
        feed(ChunkedReader(), body)
    with pytest.raises(TransportError):
        feed(ChunkedReader(), *(body[i : i + 1] for i in range(len(body))))


def test_a_chunk_of_the_largest_size_takes_no_memory() -> None:
    reader = ChunkedReader()
    assert feed(reader, b"FFFFFFFFFFFFFFFF\r\nabc") == b"abc"
    assert not reader.done


def test_a_line_without_end_is_not_collected_for_ever() -> None:
    reader = ChunkedReader()
    endless = (b"1" for _ in range(10 * MAX_CHUNK_LINE_BYTES))
    with pytest.raises(TransportError, match=r"too long"):
        feed(reader, *endless)
