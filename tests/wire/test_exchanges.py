"""One exchange after another: what is sent, what is heard, which connections are used again."""

from __future__ import annotations

import os
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from cloudstore.bodies import BytesPayload, FilePayload
from cloudstore.driver import Call, Flow
from cloudstore.errors import (
    CloudStoreError,
    InvalidArgumentError,
    TransportError,
)
from cloudstore.policy import RetryPolicy
from cloudstore.wire.connections import CHECK_IDLE_SECONDS
from cloudstore.wire.sockets import prepare

from .conftest import MakeEngine, Serve
from .engines import QUICK, Engine, ask, context, fetch
from .server import Peer, keep_answering, ok, wait_until

MIB = 1024 * 1024
BIG = bytes(range(256)) * (8 * MIB // 256)
"""8 MiB: more than the buffers of both kernels on loopback take at once."""


def test_a_request_is_sent_as_it_was_given(engine: Engine, serve: Serve) -> None:
    server = serve(keep_answering())
    engine.run(
        ask(
            server.origin,
            "GET",
            "/b/a/../%2F//x",
            query="k=%20&z",
            headers={"host": "h.example", "x-a": "1  2", "x-b": "née ☃"},
        )
    )
    assert server.seen[0].lines == [
        "GET /b/a/../%2F//x?k=%20&z HTTP/1.1",
        "host: h.example",
        "x-a: 1  2",
        "x-b: née ☃",
    ]


def test_the_host_is_named_where_the_driver_does_not(engine: Engine, serve: Serve) -> None:
    server = serve(keep_answering())
    engine.run(ask(server.origin))
    assert server.seen[0].headers == {"host": f"127.0.0.1:{server.port}"}


@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_a_request_that_could_have_a_body_says_that_it_has_none(
    engine: Engine, serve: Serve, method: str
) -> None:
    server = serve(keep_answering())
    engine.run(ask(server.origin, method))
    assert server.seen[0].headers["content-length"] == "0"


def test_connections_are_kept_alive(engine: Engine, serve: Serve) -> None:
    server = serve(keep_answering())
    for _ in range(5):
        assert engine.run(fetch(server.origin)).content == b"hello"
    assert (server.connections, len(server.seen)) == (1, 5)


def chunked(*pieces: bytes, trailers: bytes = b"") -> bytes:
    body = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces)
    return (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body + b"0\r\n" + trailers + b"\r\n"
    )


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        ("GET", ok(b"")),
        ("GET", chunked(b"ab", b"c" * 100_000, trailers=b"x-t: 1\r\n")),
        ("GET", ok(b"x" * 300_000)),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"),
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n"),
        ("GET", b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + ok()),
        ("GET", b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\nx"),
        ("GET", ok(status="503 Slow Down")),
    ],
)
def test_a_connection_is_used_again_after(
    engine: Engine, serve: Serve, method: str, answer: bytes
) -> None:
    server = serve(keep_answering(answer))
    first = engine.run(ask(server.origin, method))
    second = engine.run(ask(server.origin, method))
    assert first.content == second.content
    assert server.connections == 1


@pytest.mark.parametrize(
    ("answer", "content"),
    [
        (ok(b"x", "Connection: close"), b"x"),
        (ok(b"x", "Connection: Foo, Close"), b"x"),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", b"x"),
        (ok(b"x") + b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison", b"x"),
        (chunked(b"x") + b"left over", b"x"),
        (b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nno", b""),
    ],
)
def test_a_connection_is_not_used_again_after(
    engine: Engine, serve: Serve, answer: bytes, content: bytes
) -> None:
    def script(peer: Peer) -> None:
        peer.read()
        peer.send(answer if peer.number == 1 else ok(b"second"))
        peer.wait_for_end()

    server = serve(script)
    assert engine.run(ask(server.origin)).content == content
    server.wait_for(1)
    assert engine.run(ask(server.origin)).content == b"second"
    assert server.connections == 2


@pytest.mark.parametrize("idempotent", [True, False])
def test_bytes_that_come_late_after_an_answer_are_never_the_next_answer(
    engine: Engine, serve: Serve, idempotent: bool
) -> None:
    poisoned = threading.Event()

    def script(peer: Peer) -> None:
        peer.read()
        peer.send(ok(b"first"))
        if peer.number == 1:
            peer.send(ok(b"poison"))
            poisoned.set()
            peer.wait_for_end()

    server = serve(script)
    assert engine.run(fetch(server.origin)).content == b"first"
    assert poisoned.wait(10)
    time.sleep(CHECK_IDLE_SECONDS)
    assert engine.run(ask(server.origin, idempotent=idempotent)).content == b"first"
    assert server.connections == 2


def test_a_large_body_that_is_not_read_gives_its_connection_up(engine: Engine, serve: Serve) -> None:
    def script(peer: Peer) -> None:
        peer.read()
        if peer.number == 1:
            peer.send(ok(BIG))
        else:
            peer.send(ok(b"second"))
        peer.wait_for_end()

    server = serve(script)

    def look_only() -> Flow[None]:
        response = yield from ask(server.origin, buffered=False)
        assert response.body is not None
        response.body.close()
        with pytest.raises(TransportError, match=r"closed"):
            yield from response.body.readinto(memoryview(bytearray(1 << 20)))

    engine.run(look_only())
    assert engine.run(fetch(server.origin)).content == b"second"
    assert server.connections == 2


@pytest.mark.parametrize(("more", "connections"), [(b"", 1), (b"HTTP/1.1 200 OK\r\n", 2)])
def test_a_small_body_that_is_not_read_gives_its_connection_back(
    engine: Engine, serve: Serve, more: bytes, connections: int
) -> None:
    """Unless there is more on it than the body."""
    sent = threading.Event()

    def script(peer: Peer) -> None:
        while peer.read() is not None:
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
            # Apart from its head, or there would be nothing left to skip.
            sent.wait(0.1)
            peer.send(b"hello" + (b"" if sent.is_set() else more))
            sent.set()

    server = serve(script)

    def look_only() -> Flow[int]:
        response = yield from ask(server.origin, buffered=False)
        assert sent.wait(10)
        # What was sent on loopback is there a moment later.
        wait_until(lambda: len(_peek(response.body)) >= len(b"hello" + more))
        assert response.body is not None
        response.body.close()
        return response.status

    assert engine.run(look_only()) == 200
    assert engine.run(fetch(server.origin)).content == b"hello"
    assert server.connections == connections


def _peek(body: Any) -> bytes:
    """What waits in the kernel for a body that is open."""
    try:
        seen: bytes = body._stream.sock.recv(64, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return b""
    return seen


# --- connections that died while they were idle ---


def hangs_up_when_idle(how: str) -> Any:
    """Answers once on each connection, then ends it: at once, or when the next request comes."""

    def script(peer: Peer) -> None:
        peer.read()
        peer.send(ok())
        if how == "at the next request":
            peer.read_head()
        if how == "reset":
            peer.reset()

    return script


@pytest.mark.parametrize("how", ["at once", "at the next request", "reset"])
def test_a_request_that_died_on_a_stale_connection_is_sent_again(
    engine: Engine, serve: Serve, how: str
) -> None:
    server = serve(hangs_up_when_idle(how))
    for _ in range(3):
        assert engine.run(fetch(server.origin)).content == b"hello"
    assert server.connections == 3


def test_an_upload_that_died_on_a_stale_connection_is_sent_again(engine: Engine, serve: Serve) -> None:
    server = serve(hangs_up_when_idle("reset"))
    retry = RetryPolicy(attempts=2, base_delay=0.0)  # the reset may come after our last look
    for _ in range(2):
        engine.run(ask(server.origin, "PUT", payload=BytesPayload(BIG[:100_000]), retry=retry))
    assert server.seen[-1].body == BIG[:100_000]


@pytest.mark.parametrize("idempotent", [True, False])
def test_a_write_goes_round_a_dead_connection(engine: Engine, serve: Serve, idempotent: bool) -> None:
    """However short a time it lay idle: sent twice, nobody could tell what the first one did."""
    server = serve(hangs_up_when_idle("at once"))
    engine.run(fetch(server.origin))
    wait_until(lambda: len(server._open) == 0)
    assert engine.run(ask(server.origin, "POST", idempotent=idempotent)).content == b"hello"
    assert server.connections == 2


@pytest.mark.parametrize("idempotent", [True, False])
def test_a_write_that_may_have_been_applied_is_not_sent_again(
    engine: Engine, serve: Serve, idempotent: bool
) -> None:
    """Not here: whether it may be is for whoever counts the attempts."""
    server = serve(hangs_up_when_idle("at the next request"))
    engine.run(fetch(server.origin))
    with pytest.raises(TransportError) as caught:
        engine.run(ask(server.origin, "POST", idempotent=idempotent))
    assert (caught.value.outcome, caught.value.retryable) == ("unknown", True)
    assert [seen.method for seen in server.seen] == ["GET", "POST"]


# --- bodies of requests ---


@pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, MIB - 1, MIB, len(BIG)])
@pytest.mark.parametrize("kind", ["bytes", "file"])
def test_payloads_arrive(engine: Engine, serve: Serve, tmp_path: Path, size: int, kind: str) -> None:
    def script(peer: Peer) -> None:
        while (seen := peer.read_head()) is not None:
            if "expect" in seen.headers:
                peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            peer.read_body(seen)
            peer.send(ok())

    server = serve(script)
    (tmp_path / "f").write_bytes(b"___" + BIG[:size])
    fd = os.open(tmp_path / "f", os.O_RDONLY)
    try:
        for _ in range(2):
            payload = BytesPayload(BIG[:size]) if kind == "bytes" else FilePayload(fd, 3, size)
            assert engine.run(ask(server.origin, "PUT", payload=payload)).content == b"hello"
    finally:
        os.close(fd)
    assert [seen.body == BIG[:size] for seen in server.seen] == [True, True]
    assert {seen.headers["content-length"] for seen in server.seen} == {str(size)}
    assert {seen.headers.get("expect") for seen in server.seen} == {
        "100-continue" if size >= MIB else None
    }
    assert server.connections == 1


def test_a_server_that_ignores_the_expectation_gets_the_body_and_is_not_asked_again(
    engine: Engine, serve: Serve
) -> None:
    server = serve(keep_answering())
    for _ in range(2):
        engine.run(ask(server.origin, "PUT", payload=BytesPayload(BIG)))
    assert [seen.body == BIG for seen in server.seen] == [True, True]
    assert [seen.headers.get("expect") for seen in server.seen] == ["100-continue", None]


def test_a_payload_that_need_not_ask_is_sent_at_once(engine: Engine, serve: Serve) -> None:
    server = serve(keep_answering())
    payload = BytesPayload(BIG)
    payload.asks_first = False
    assert engine.run(ask(server.origin, "PUT", payload=payload)).status == 200
    (seen,) = server.seen
    assert seen.body == BIG
    assert "expect" not in seen.headers


@pytest.mark.parametrize("kept", [False, True])
def test_a_server_that_refuses_the_expectation_is_asked_without(
    engine: Engine, serve: Serve, kept: bool
) -> None:
    def script(peer: Peer) -> None:
        while (seen := peer.read_head()) is not None:
            if "expect" in seen.headers:
                peer.send(ok(b"", status="417 Expectation Failed"))
                peer.wait_for_end()
                return
            peer.read_body(seen)
            peer.send(ok())

    server = serve(script)
    if kept:
        engine.run(ask(server.origin))
    assert engine.run(ask(server.origin, "PUT", payload=BytesPayload(BIG))).status == 200
    assert [len(seen.body) for seen in server.seen][-2:] == [0, len(BIG)]


def test_a_flood_of_interim_answers_to_an_upload_ends(engine: Engine, serve: Serve) -> None:
    def script(peer: Peer) -> None:
        peer.read_head()
        while True:
            peer.send(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100)

    payload = BytesPayload(bytes(64 * MIB))
    with pytest.raises(TransportError, match=r"interim"):
        engine.run(ask(serve(script).origin, "PUT", payload=payload))


@pytest.mark.parametrize("status", ["403 Forbidden", "503 Slow Down", "200 OK"])
def test_an_answer_in_the_place_of_continue_is_heard_and_nothing_is_sent(
    engine: Engine, serve: Serve, status: str
) -> None:
    after: list[bytes] = []

    def script(peer: Peer) -> None:
        peer.read_head()
        peer.send(ok(b"early", status=status))
        if peer.number == 1:
            after.append(peer.sock.recv(1))
            peer.server.ends.release()

    server = serve(script)
    response = engine.run(ask(server.origin, "PUT", payload=BytesPayload(BIG)))
    assert (response.status, response.content) == (int(status[:3]), b"early")
    server.wait_for(1)
    assert after == [b""]  # the connection was closed: its server may still wait for the body
    engine.run(ask(server.origin))
    assert server.connections == 2


@pytest.mark.parametrize("end", ["waits", "closes", "resets"])
def test_an_answer_while_the_body_is_sent_is_heard(engine: Engine, serve: Serve, end: str) -> None:
    def script(peer: Peer) -> None:
        seen = peer.read_head()
        assert seen is not None
        peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        peer.read_body(seen, 100_000)
        peer.send(ok(b"denied", status="403 Forbidden"))
        if end == "waits":
            peer.server.ends.acquire(timeout=20)
        if end == "resets":
            # The answer is on its way before the reset is.
            threading.Event().wait(0.05)
            peer.reset()

    server = serve(script)
    try:
        response = engine.run(ask(server.origin, "PUT", payload=BytesPayload(BIG)))
    finally:
        server.ends.release()
    assert (response.status, response.content) == (403, b"denied")
    assert len(server.seen[0].body) < len(BIG)


def test_a_payload_that_cannot_be_read_closes_the_connection(
    engine: Engine, serve: Serve, tmp_path: Path
) -> None:
    def script(peer: Peer) -> None:
        seen = peer.read_head()
        assert seen is not None
        if peer.number == 1:
            peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            peer.wait_for_end()
        else:
            peer.send(ok())

    server = serve(script)
    (tmp_path / "f").write_bytes(bytes(2 * MIB))
    fd = os.open(tmp_path / "f", os.O_RDONLY)
    try:
        with pytest.raises(InvalidArgumentError, match=r"shorter"):
            engine.run(ask(server.origin, "PUT", payload=FilePayload(fd, 0, 4 * MIB)))
    finally:
        os.close(fd)
    server.wait_for(1)
    assert engine.run(ask(server.origin)).status == 200
    assert server.connections == 2


@pytest.mark.parametrize(
    "headers",
    [
        {"content-length": "4"},
        {"content-length": "5, 5"},
        {"transfer-encoding": "chunked"},
        {"x": "a\r\ncontent-length: 0"},
        {"x": "a\nb"},
        {"x": "a\0b"},
        {"x": "\ud800"},
        {"x y": "a"},
        {"x:": "a"},
        {"": "a"},
        {"X-Upper": "a"},
        {"x\r\ny": "a"},
    ],
)
def test_a_head_that_would_be_another_is_not_sent(
    engine: Engine, serve: Serve, headers: dict[str, str]
) -> None:
    server = serve(keep_answering())
    with pytest.raises(InvalidArgumentError) as caught:
        engine.run(ask(server.origin, "PUT", headers=headers, payload=BytesPayload(b"hello")))
    assert caught.value.outcome == "not_applied"
    assert server.seen == []


def test_a_driver_may_state_the_true_length(engine: Engine, serve: Serve) -> None:
    server = serve(keep_answering())
    headers = {"content-length": "5"}
    engine.run(ask(server.origin, "PUT", headers=headers, payload=BytesPayload(b"hello")))
    assert [line for line in server.seen[0].lines if "length" in line] == ["content-length: 5"]
    assert server.seen[0].body == b"hello"


# --- servers that break off, or lie ---


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("after", ["", "HT", "HTTP/1.1 200 OK\r\nContent-Le"])
def test_a_connection_that_ends_before_the_answer(
    engine: Engine, serve: Serve, how: str, after: str
) -> None:
    def script(peer: Peer) -> None:
        peer.read()
        peer.send(after.encode())
        if how == "reset":
            peer.reset()

    server = serve(script)
    with pytest.raises(TransportError) as caught:
        engine.run(ask(server.origin, "PUT", payload=BytesPayload(b"x")))
    assert (caught.value.outcome, caught.value.retryable) == ("unknown", True)
    assert server.connections == 1


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 200_000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\n",
    ],
)
def test_a_body_that_breaks_off_never_just_ends(
    engine: Engine, serve: Serve, answer: bytes, how: str
) -> None:
    def script(peer: Peer) -> None:
        peer.read()
        peer.send(answer)
        if how == "reset":
            peer.reset()

    server = serve(script)
    with pytest.raises(TransportError) as caught:
        engine.run(fetch(server.origin))
    assert caught.value.retryable


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalfx\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\x15\x03\x01\x00\x02\x02\x50",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000,
        b"HTTP/1.1 100 Continue\r\n\r\n" * 1000,
    ],
)
def test_what_cannot_be_trusted_is_an_error_at_once(
    engine: Engine, serve: Serve, answer: bytes
) -> None:
    def script(peer: Peer) -> None:
        peer.read()
        peer.send(answer)
        peer.wait_for_end()

    server = serve(script)
    with pytest.raises(TransportError) as caught:
        engine.run(ask(server.origin, "PUT", payload=BytesPayload(b"x")))
    assert caught.value.outcome == "unknown"
    assert "seconds" not in caught.value.message
    server.wait_for(1)


def test_an_endless_row_of_interim_answers_ends(make_engine: MakeEngine, serve: Serve) -> None:
    def script(peer: Peer) -> None:
        peer.read()
        while True:
            peer.send(b"HTTP/1.1 102 Processing\r\n\r\n")

    with pytest.raises(TransportError, match=r"interim"):
        make_engine().run(ask(serve(script).origin))


def test_an_object_whose_end_nobody_could_tell_is_refused(engine: Engine, serve: Serve) -> None:
    def script(peer: Peer) -> None:
        peer.read()
        peer.send(b"HTTP/1.1 200 OK\r\n\r\nno end")

    server = serve(script)
    with pytest.raises(TransportError, match=r"length"):
        engine.run(fetch(server.origin))
    assert engine.run(ask(server.origin)).content == b"no end"


def test_an_error_whose_end_nobody_could_tell_is_read(engine: Engine, serve: Serve) -> None:
    def script(peer: Peer) -> None:
        peer.read()
        peer.send(b"HTTP/1.1 503 Slow Down\r\n\r\nlater")

    assert engine.run(ask(serve(script).origin, buffered=False)).content == b"later"


def test_redirects_cookies_and_codings_are_left_to_others(engine: Engine, serve: Serve) -> None:
    moved = ok(
        b"\x1f\x8b",
        "Location: http://127.0.0.1:1/",
        "Set-Cookie: a=b",
        "Content-Encoding: gzip",
        status="307 Temporary Redirect",
    )
    server = serve(keep_answering(moved))
    for _ in range(2):
        response = engine.run(ask(server.origin))
        assert (response.status, response.content) == (307, b"\x1f\x8b")
    assert "cookie" not in server.seen[1].headers


def test_a_head_may_come_byte_by_byte(engine: Engine, serve: Serve) -> None:
    def script(peer: Peer) -> None:
        while peer.read() is not None:
            for byte in ok(b"slow", "X-A: b"):
                peer.send(bytes([byte]))

    server = serve(script)
    for _ in range(2):
        answer = engine.run(fetch(server.origin))
        assert (answer.content, answer.headers["x-a"]) == (b"slow", "b")
    assert server.connections == 1


@pytest.mark.parametrize("size", [1, 1000, 65_536, 3 * MIB])
def test_bodies_arrive_whole_in_buffers_of_any_size(engine: Engine, serve: Serve, size: int) -> None:
    data = BIG[:500] if size == 1 else BIG
    server = serve(keep_answering(ok(data)))
    for _ in range(2):
        assert engine.run(fetch(server.origin, size=size)).content == data
    assert server.connections == 1


def test_a_reader_that_does_not_read_holds_the_server_back(engine: Engine, serve: Serve) -> None:
    """What is unread stays in the kernels' buffers, not in ours."""
    passed: list[int] = []
    huge = 64 * MIB

    def script(peer: Peer) -> None:
        peer.read()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % huge)
        peer.sock.settimeout(0.3)
        sent = 0
        try:
            while sent < huge:
                sent += peer.sock.send(bytes(65536))
        except TimeoutError:
            pass
        passed.append(sent)
        peer.server.ends.release()

    server = serve(script)

    def read_a_little() -> Flow[int]:
        response = yield from ask(server.origin, buffered=False)
        assert response.body is not None
        count = yield from response.body.readinto(memoryview(bytearray(10)))
        server.wait_for(1)
        response.body.close()
        return count

    assert 0 < engine.run(read_a_little()) <= 10
    assert passed[0] < huge / 2


def test_retries_reach_another_connection(make_engine: MakeEngine, serve: Serve) -> None:
    def script(peer: Peer) -> None:
        peer.read()
        if peer.number < 3:
            peer.reset()
            return
        peer.send(ok())

    server = serve(script)
    retry = RetryPolicy(attempts=4, base_delay=0.001)
    assert make_engine().run(ask(server.origin, retry=retry)).content == b"hello"
    assert server.connections == 3


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_whatever_interrupts_an_exchange_closes_its_connection(
    engine: Engine, serve: Serve, error: type[BaseException]
) -> None:
    class Interrupted(BytesPayload):
        def read(self, offset: int, length: int) -> bytes | memoryview:
            if offset:
                raise error
            return super().read(offset, length)

    def script(peer: Peer) -> None:
        seen = peer.read_head()
        if seen is not None and "expect" in seen.headers:
            peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            peer.wait_for_end()
        else:
            peer.send(ok())

    server = serve(script)

    def attempt() -> Flow[str]:
        try:
            yield from ask(server.origin, "PUT", payload=Interrupted(BIG))
        except BaseException as exc:
            return type(exc).__name__
        return "nothing"

    assert engine.run(attempt()) == error.__name__
    server.wait_for(1)
    assert engine.run(ask(server.origin)).status == 200
    assert server.connections == 2


def test_a_store_that_is_closed_keeps_no_connection(make_engine: MakeEngine, serve: Serve) -> None:
    together = threading.Barrier(3)

    def script(peer: Peer) -> None:
        peer.read()
        together.wait(10)
        peer.send(ok())
        peer.wait_for_end()

    server = serve(script)
    engine = make_engine()
    engine.side_by_side([lambda: fetch(server.origin)] * 3, 3)
    assert server.connections == 3
    engine.close()
    server.wait_for(3)


def test_a_body_that_is_open_when_its_store_is_closed_is_read_to_its_end(
    make_engine: MakeEngine, serve: Serve
) -> None:
    def script(peer: Peer) -> None:
        peer.read()
        peer.send(ok(BIG))
        peer.wait_for_end()

    server = serve(script)
    engine = make_engine()

    def read_past_the_end() -> Flow[int]:
        response = yield from ask(server.origin, buffered=False)
        assert response.body is not None
        yield Call(None, context(), engine.runner.close, blocking=False)
        total, buffer = 0, memoryview(bytearray(1 << 20))
        while count := (yield from response.body.readinto(buffer)):
            total += count
        return total

    # What was begun is finished, but its connection is not kept.
    assert engine.run(read_past_the_end()) == len(BIG)
    server.wait_for(1)


def test_a_few_idle_connections_are_kept_and_no_more(make_engine: MakeEngine, serve: Serve) -> None:
    together = threading.Barrier(6)

    def script(peer: Peer) -> None:
        while peer.read() is not None:
            if len(peer.server.seen) <= 6:
                together.wait(10)
            peer.send(ok())
        peer.server.ends.release()

    server = serve(script)
    engine = make_engine(QUICK, max_connections=2)
    engine.side_by_side([lambda: fetch(server.origin)] * 6, 6)
    assert server.connections == 6
    server.wait_for(4)
    engine.side_by_side([lambda: fetch(server.origin)] * 2, 1)
    assert server.connections == 6


def test_errors_are_of_the_tree_and_say_nothing_of_secrets(engine: Engine, serve: Serve) -> None:
    def script(peer: Peer) -> None:
        peer.read()

    server = serve(script)
    with pytest.raises(CloudStoreError) as caught:
        engine.run(ask(server.origin, headers={"authorization": "s3cret"}))
    assert "s3cret" not in repr(caught.value)


def test_an_answer_while_a_small_body_is_sent_is_heard(
    engine: Engine, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A socket with a tiny buffer, to a server that answers and does not read."""
    done = threading.Event()

    def script(peer: Peer) -> None:
        peer.read_head()
        peer.send(ok(b"denied", status="403 Forbidden"))
        done.wait(0.5)

    server = serve(script)

    def tiny(sock: socket.socket) -> None:
        prepare(sock)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2048)

    monkeypatch.setattr("cloudstore.wire.exchange.prepare", tiny)
    server._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    try:
        response = engine.run(ask(server.origin, "PUT", payload=BytesPayload(BIG[:65_536])))
    finally:
        done.set()
    assert (response.status, response.content) == (403, b"denied")
