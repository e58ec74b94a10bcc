"""Time: what waits too long fails with a true outcome; what is merely slow does not."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from cloudstore.bodies import BytesPayload
from cloudstore.driver import Flow, Sleep
from cloudstore.errors import DeadlineExceededError, TransportError
from cloudstore.policy import Timeouts

from .conftest import MakeEngine, Serve
from .engines import ask, fetch
from .server import Peer, Scripted, ok

SHORT = 0.2
LONG = 30.0
"""So much longer that nobody takes the one for the other."""


@contextmanager
def sooner_than(seconds: float) -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds


def silent(peer: Peer) -> None:
    peer.read()
    peer.wait_for_end()


def test_an_answer_that_never_begins(make_engine: MakeEngine, serve: Serve) -> None:
    server = serve(silent)
    engine = make_engine(Timeouts(first_byte=SHORT))
    with sooner_than(LONG / 2), pytest.raises(TransportError, match=r"no answer for 0.2 sec") as caught:
        engine.run(ask(server.origin, "PUT", payload=BytesPayload(b"x")))
    assert (caught.value.outcome, caught.value.retryable) == ("unknown", True)
    server.wait_for(1)


def test_a_head_that_trickles(make_engine: MakeEngine, serve: Serve) -> None:
    """Each byte comes in time; the head as a whole does not."""
    stop = threading.Event()

    def script(peer: Peer) -> None:
        peer.read()
        peer.send(b"HTTP/1.1 200 OK\r\nX: ")
        while not stop.wait(SHORT / 10):
            peer.send(b"x")

    server = serve(script)
    try:
        with sooner_than(LONG / 2), pytest.raises(TransportError, match=r"no answer"):
            make_engine(Timeouts(first_byte=SHORT)).run(ask(server.origin))
    finally:
        stop.set()


def test_interim_answers_do_not_stop_the_clock(make_engine: MakeEngine, serve: Serve) -> None:
    stop = threading.Event()

    def script(peer: Peer) -> None:
        peer.read()
        while not stop.wait(SHORT / 4):
            peer.send(b"HTTP/1.1 102 Processing\r\n\r\n")

    server = serve(script)
    try:
        with sooner_than(LONG / 2), pytest.raises(TransportError, match=r"no answer"):
            make_engine(Timeouts(first_byte=SHORT)).run(ask(server.origin))
    finally:
        stop.set()


@pytest.mark.parametrize("buffered", [True, False])
def test_a_body_that_stalls(make_engine: MakeEngine, serve: Serve, buffered: bool) -> None:
    def script(peer: Peer) -> None:
        peer.read()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        peer.wait_for_end()

    server = serve(script)
    engine = make_engine(Timeouts(stall=SHORT))
    with sooner_than(LONG / 2), pytest.raises(TransportError, match=r"nothing came for 0.2 sec"):
        engine.run(ask(server.origin) if buffered else fetch(server.origin))
    server.wait_for(1)


def trickle(peer: Peer) -> None:
    """20 bytes a second, without end."""
    peer.read()
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while True:
        peer.send(b"x")
        threading.Event().wait(0.05)


def test_a_body_under_the_floor(make_engine: MakeEngine, serve: Serve) -> None:
    server = serve(trickle)
    engine = make_engine(Timeouts(stall=0.5, stall_bytes=1000))
    with sooner_than(LONG / 2), pytest.raises(TransportError, match=r"too slow") as caught:
        engine.run(fetch(server.origin))
    assert caught.value.retryable


def slow_but_steady(peer: Peer) -> None:
    """20 bytes, one every 50 ms."""
    peer.read()
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n")
    for _ in range(20):
        threading.Event().wait(0.05)
        peer.send(b"x")


def test_a_body_over_the_floor_may_take_its_time(make_engine: MakeEngine, serve: Serve) -> None:
    server = serve(slow_but_steady)
    engine = make_engine(Timeouts(stall=0.5, stall_bytes=1))
    assert engine.run(fetch(server.origin)).content == b"x" * 20


def test_an_answer_that_is_read_whole_may_be_slow(make_engine: MakeEngine, serve: Serve) -> None:
    """S3 keeps a completion alive by a space now and then."""
    server = serve(slow_but_steady)
    engine = make_engine(Timeouts(stall=0.5, stall_bytes=1000))
    assert engine.run(ask(server.origin)).content == b"x" * 20


def test_the_time_that_the_reader_takes_is_not_counted(make_engine: MakeEngine, serve: Serve) -> None:
    def script(peer: Peer) -> None:
        peer.read()
        peer.send(ok(b"x" * 10))

    def read_slowly(server: Scripted) -> Flow[int]:
        response = yield from ask(server.origin, buffered=False)
        assert response.body is not None
        total, buffer = 0, memoryview(bytearray(2))
        while count := (yield from response.body.readinto(buffer)):
            total += count
            yield Sleep(0.15)
        return total

    engine = make_engine(Timeouts(stall=0.3, stall_bytes=1000))
    assert engine.run(read_slowly(serve(script))) == 10


def test_an_upload_that_nobody_takes(make_engine: MakeEngine, serve: Serve) -> None:
    def script(peer: Peer) -> None:
        seen = peer.read_head()
        assert seen is not None
        peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        peer.server.ends.acquire(timeout=20)

    server = serve(script)
    engine = make_engine(Timeouts(stall=SHORT))
    try:
        with sooner_than(LONG / 2), pytest.raises(TransportError, match=r"nothing was taken") as caught:
            engine.run(ask(server.origin, "PUT", payload=BytesPayload(bytes(64 * 1024 * 1024))))
    finally:
        server.ends.release()
    assert (caught.value.outcome, caught.value.retryable) == ("not_applied", True)


def test_an_upload_under_the_floor(make_engine: MakeEngine, serve: Serve) -> None:
    stop = threading.Event()

    def script(peer: Peer) -> None:
        peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.read_head()
        peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        while not stop.wait(0.02):
            peer.sock.recv(2048)

    server = serve(script)
    engine = make_engine(Timeouts(stall=0.6, stall_bytes=2_000_000_000))
    try:
        with sooner_than(LONG / 2), pytest.raises(TransportError, match=r"too slow|nothing was taken"):
            engine.run(ask(server.origin, "PUT", payload=BytesPayload(bytes(64 * 1024 * 1024))))
    finally:
        stop.set()


@pytest.mark.parametrize("phase", ["head", "body", "upload", "continue"])
def test_the_deadline_of_the_operation(make_engine: MakeEngine, serve: Serve, phase: str) -> None:
    def script(peer: Peer) -> None:
        seen = peer.read_head()
        assert seen is not None
        if phase == "body":
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        if phase == "upload":
            peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            peer.server.ends.acquire(timeout=20)
        else:
            peer.wait_for_end()

    server = serve(script)
    payload = BytesPayload(bytes(64 * 1024 * 1024)) if phase in ("upload", "continue") else None
    engine = make_engine(Timeouts())
    began = time.monotonic()
    try:
        with pytest.raises(DeadlineExceededError) as caught:
            engine.run(ask(server.origin, "POST", payload=payload, timeout=0.4))
    finally:
        server.ends.release()
    assert 0.3 < time.monotonic() - began < LONG / 2
    # Half an upload is nothing; of a whole one nobody can tell.
    assert caught.value.outcome == ("unknown" if payload is None else "not_applied")


def test_a_deadline_that_has_passed_sends_nothing(make_engine: MakeEngine, serve: Serve) -> None:
    server = serve(silent)
    with pytest.raises(DeadlineExceededError) as caught:
        make_engine().run(ask(server.origin, "POST", timeout=-1.0))
    assert caught.value.outcome == "not_applied"
    assert server.connections == 0


@contextmanager
def swallowed() -> Iterator[str]:
    """The origin of a port whose queue of connections is full: another one is never answered."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        try:
            for sock in waiting:
                sock.setblocking(False)
                sock.connect_ex(address)
            yield f"http://127.0.0.1:{address[1]}"
        finally:
            for sock in waiting:
                sock.close()


@pytest.mark.parametrize("deadline", [None, SHORT])
def test_a_connection_that_is_never_made(make_engine: MakeEngine, deadline: float | None) -> None:
    engine = make_engine(Timeouts(connect=SHORT if deadline is None else LONG))
    expected = TransportError if deadline is None else DeadlineExceededError
    with (
        swallowed() as origin,
        sooner_than(LONG / 2),
        pytest.raises(expected) as caught,
    ):
        engine.run(ask(origin, "POST", timeout=deadline))
    assert caught.value.outcome == "not_applied"


def test_a_refused_connection(make_engine: MakeEngine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(TransportError, match=r"[Rr]efused") as caught:
        make_engine().run(ask(f"http://127.0.0.1:{port}", "POST", idempotent=False))
    assert (caught.value.outcome, caught.value.retryable) == ("not_applied", True)


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 64 + ".invalid", "a..b"])
def test_a_name_that_cannot_be_resolved(make_engine: MakeEngine, host: str) -> None:
    with pytest.raises(TransportError, match=r"no connection|no name") as caught:
        make_engine().run(ask(f"http://{host}", "POST"))
    assert caught.value.outcome == "not_applied"


def two_addresses(monkeypatch: pytest.MonkeyPatch, first: tuple[str, int]) -> None:
    """Gives the name two.example the address `first`, and then the right one."""
    real = socket.getaddrinfo

    def find(host: str, port: int, *args: object, **options: object) -> list[object]:
        if host != "two.example":
            return list(real(host, port))
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", a) for a in (first, ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", find)


def test_an_address_that_refuses_is_followed_by_the_next(
    make_engine: MakeEngine, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(lambda peer: peer.send(ok()) if peer.read() else None)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        closed = listener.getsockname()
    two_addresses(monkeypatch, closed)
    answer = make_engine().run(ask(f"http://two.example:{server.port}"))
    assert answer.content == b"hello"


def test_an_address_that_swallows_leaves_time_for_the_next(
    make_engine: MakeEngine, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(lambda peer: peer.send(ok()) if peer.read() else None)
    with swallowed() as origin:
        two_addresses(monkeypatch, ("127.0.0.1", int(origin.rpartition(":")[2])))
        answer = make_engine(Timeouts(connect=1.0)).run(ask(f"http://two.example:{server.port}"))
    assert answer.content == b"hello"
