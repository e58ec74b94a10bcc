"""Hostile servers, seeded: whatever comes, there is a result or an error of the tree, soon."""

from __future__ import annotations

import random
import time
import tracemalloc
from collections.abc import Callable
from contextlib import suppress

import pytest
from httptools import HttpResponseParser

from cloudstore.bodies import Body
from cloudstore.driver import OpContext, Recv
from cloudstore.errors import CloudStoreError, TransportError
from cloudstore.wire.codec import MAX_HEAD_BYTES, ChunkedReader, find_head_end, parse_head
from cloudstore.wire.framing import body_of
from cloudstore.wire.xml import XmlNode, read_xml

SECONDS = 3.0
"""How long each of the fuzzers below runs; a failure names its seed."""
MAX_CASE_SECONDS = 5.0
"""No input of these sizes takes a hundredth of it, on any machine."""
ALLOWED_BYTES = 4 * 1024 * 1024
"""Memory that a case may need: some copies of the largest input."""

HEADS = [
    b'HTTP/1.1 200 OK\r\nContent-Length: 11\r\nETag: "a"\r\nx-amz-meta-a: \xc3\xa9\r\n\r\nhello world',
    b"HTTP/1.1 206 Partial Content\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5\r\nhello\r\n6;a=b\r\n world\r\n0\r\n\r\n",
    b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\nabc",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
    b"HTTP/1.1 503 Slow Down\r\nConnection: close\r\nRetry-After: 1\r\n\r\nuntil the end",
]
FRAGMENTS = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b"\r\n\r\n",
    b" ",
    b"\t",
    b":",
    b",",
    b";",
    b"Content-Length: 5\r\n",
    b"Content-Length: 18446744073709551616\r\n",
    b"Content-Length: -1\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: gzip\r\n",
    b"Connection: close\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/2.0",
    b"FFFFFFFFFFFFFFFF\r\n",
    b"0\r\n",
    b"\xff\xfe",
    b"\xc3\xa9",
    b"A" * 5000,
    b"x: y\r\n" * 500,
]
XML = [
    b'<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
    b"<Name>b</Name><IsTruncated>false</IsTruncated><Contents><Key>a&amp;b&#x41;</Key><Size>1</Size>"
    b"</Contents><Contents><Key>c</Key></Contents></ListBucketResult>",
    b"<Error><Code>NoSuchKey</Code><Message>no</Message></Error>",
]
XML_FRAGMENTS = [
    b"<",
    b">",
    b"&",
    b"&#0;",
    b"&#x110000;",
    b"&lol;",
    b"<!DOCTYPE x [<!ENTITY a 'b'>]>",
    b"<![CDATA[",
    b"]]>",
    b"<a>" * 2000,
    b"</a>",
    b'encoding="utf-16"',
    b'encoding="no-such"',
    b"\0",
    b"\xff",
    b"\xef\xbb\xbf",
    b"xmlns=''",
    b"{x}",
    b"<?pi?>",
    b"<!-- -->",
]


def mutated(seeds: list[bytes], fragments: list[bytes], dice: random.Random) -> bytes:
    data = bytearray(dice.choice(seeds))
    for _ in range(dice.randint(0, 6)):
        at = dice.randint(0, len(data))
        match dice.randrange(6):
            case 0:
                data[at:at] = dice.choice(fragments)
            case 1:
                del data[at : at + dice.randint(1, 20)]
            case 2 if at < len(data):
                data[at] = dice.randrange(256)
            case 3:
                data[at : at + dice.randint(0, 10)] = dice.choice(fragments)
            case 4:
                data[at:at] = data[: dice.randint(0, 200)]
            case _:
                data[at:at] = dice.randbytes(dice.randint(1, 10))
    return bytes(data)


class Feed:
    """Gives a body what a server sends, in pieces, then the end."""

    def __init__(self, data: bytes, dice: random.Random) -> None:
        self._data = memoryview(data)
        self._dice = dice
        self.released: list[bool] = []
        self.deadline: OpContext | None = None

    def close(self) -> None:
        raise AssertionError("a body never closes its connection itself")

    def skip(self, count: int) -> bool:
        return self._dice.random() < 0.5

    @property
    def left(self) -> int:
        return len(self._data)

    def give(self, buffer: memoryview) -> int:
        count = min(len(buffer), len(self._data), self._dice.randint(1, 3000))
        buffer[:count] = self._data[:count]
        self._data = self._data[count:]
        return count

    def read(self, body: Body, buffer: memoryview) -> int:
        flow = body.readinto(buffer)
        try:
            effect = next(flow)
            while True:
                assert isinstance(effect, Recv)
                effect = flow.send(self.give(effect.buffer))
        except StopIteration as stop:
            count: int = stop.value
            return count


def exchange(data: bytes, dice: random.Random) -> None:
    """Does with an answer what an engine does."""
    method = dice.choice(["GET", "HEAD", "PUT"])
    ahead, position, looked, interim = b"", 0, 0, 0
    while True:
        at = find_head_end(ahead, looked) if ahead else -1
        if at >= 0:
            assert at <= MAX_HEAD_BYTES + 4
            head = parse_head(ahead[:at], method)
            ahead = ahead[at:]
            assert 100 <= head.status <= 999
            assert all(not set(v) & set("\r\n\0") for v in head.headers.values())
            if head.status >= 200:
                break
            looked, interim = 0, interim + 1
            continue
        looked = len(ahead)
        step = dice.choice([1, 10, 65536])
        if position >= len(data):
            raise TransportError("the connection ended")
        ahead += data[position : position + step]
        position += step
    feed = Feed(data[position:], dice)
    body = body_of(head, feed, ahead, feed.released.append)
    if body is None:
        assert len(feed.released) == 1
        return
    total = 0
    try:
        buffer = memoryview(bytearray(dice.choice([1, 7, 1000, 70_000])))
        while count := feed.read(body, buffer):
            assert 0 < count <= len(buffer)
            total += count
            if dice.random() < 0.01:
                break
        else:
            assert head.length is None or total == head.length
    finally:
        body.close()
        assert len(feed.released) == 1


def chunks(data: bytes, dice: random.Random) -> None:
    body = data.partition(b"\r\n\r\n")[2] * dice.choice([1, 1, 50])
    whole, split = ChunkedReader(), ChunkedReader()
    at_once = b"".join(map(bytes, whole.feed(body)))
    pieces: list[bytes] = []
    position = 0
    while position < len(body) and not split.done:
        step = dice.choice([1, 2, 100])
        pieces += map(bytes, split.feed(body[position : position + step]))
        position += step
    # However it is cut, it is the same body.
    assert b"".join(pieces) == at_once
    assert split.done == whole.done


def walk(node: XmlNode, depth: int = 3) -> int:
    count = len(node.name) + len(node.text("Key")) + len(node.rows("Contents"))
    if depth:
        for name in ("Contents", "a", "Error"):
            count += sum(walk(child, depth - 1) for child in node.all(name)[:5])
    return count


def documents(data: bytes, dice: random.Random) -> None:
    walk(read_xml(data))


FUZZERS: dict[str, tuple[Callable[[bytes, random.Random], None], list[bytes], list[bytes]]] = {
    "exchange": (exchange, HEADS, FRAGMENTS),
    "chunks": (chunks, [HEADS[1]], FRAGMENTS),
    "xml": (documents, XML, XML_FRAGMENTS),
}


@pytest.mark.parametrize("name", list(FUZZERS))
@pytest.mark.parametrize("seed", [1, 2])
def test_hostile_bytes(name: str, seed: int) -> None:
    run, seeds, fragments = FUZZERS[name]
    results = {"result": 0, "error": 0}
    end, case = time.monotonic() + SECONDS, 0
    while time.monotonic() < end:
        case += 1
        which = f"{name}-{seed}-{case}"
        dice = random.Random(which)
        data = mutated(seeds, fragments, dice)
        began = time.monotonic()
        try:
            run(data, dice)
            results["result"] += 1
        except CloudStoreError:
            results["error"] += 1
        except Exception as exc:
            raise AssertionError(f"case {which}: {exc!r} from {data!r}") from exc
        assert time.monotonic() - began < MAX_CASE_SECONDS, which
    # Both happen, or the fuzzer tests nothing.
    assert min(results.values()) > 10, results


@pytest.mark.parametrize("name", list(FUZZERS))
def test_hostile_bytes_take_little_memory(name: str) -> None:
    run, seeds, fragments = FUZZERS[name]
    tracemalloc.start()
    try:
        for case in range(150):
            dice = random.Random(f"memory-{name}-{case}")
            data = mutated(seeds, fragments, dice)
            with suppress(CloudStoreError):
                run(data, dice)
            assert tracemalloc.get_traced_memory()[1] < ALLOWED_BYTES, f"memory-{name}-{case}"
    finally:
        tracemalloc.stop()


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
    head = parse_head(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "GET")
    endless = Feed(start + pattern * (1_000_000 // len(pattern)), random.Random(1))
    body = body_of(head, endless, b"", endless.released.append)
    assert body is not None
    buffer = memoryview(bytearray(1000))
    with pytest.raises(TransportError, match=r"too long|malformed|should"):
        sum(iter(lambda: endless.read(body, buffer), 0))
    assert endless.released == [False]
    assert endless.left > 800_000


class Collector:
    """What llhttp itself makes of the headers."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}

    def on_header(self, name: bytes, value: bytes) -> None:
        try:
            text = value.decode()
        except UnicodeDecodeError:
            text = value.decode("latin-1")
        key, text = name.decode("ascii").lower(), text.strip(" \t")
        self.headers[key] = f"{self.headers[key]}, {text}" if key in self.headers else text


def test_headers_are_read_as_llhttp_reads_them() -> None:
    agreed = 0
    for case in range(20_000):
        data = mutated(HEADS, FRAGMENTS, random.Random(f"headers-{case}"))
        raw = data[: data.find(b"\r\n\r\n") + 4]
        try:
            head = parse_head(raw, "GET")
        except TransportError:
            continue
        collector = Collector()
        HttpResponseParser(collector).feed_data(raw)
        assert head.headers == collector.headers, f"headers-{case}"
        agreed += 1
    assert agreed > 1000
