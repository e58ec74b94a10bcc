"""The fault proxy does what it is told, and no more; and the wire sees each fault for what it is."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme

from cloudstore.bodies import BytesPayload
from cloudstore.errors import TransportError
from cloudstore.policy import RetryPolicy, Timeouts
from cloudstore.testing.fault_proxy import Fault, FaultCounts, FaultProxy
from cloudstore.wire.tls import TlsSettings

from .conftest import MakeEngine, Serve
from .engines import ask, fetch
from .server import Peer, keep_answering, ok, wait_until
from .test_tls import server_context

BODY = bytes(range(256)) * 1024
PUT: dict[str, Any] = {"method": "PUT", "payload": BytesPayload(b"x" * 100_000)}
LARGE_PUT: dict[str, Any] = {"method": "PUT", "payload": BytesPayload(bytes(32 << 20))}
"""More than the buffers between a client and a server hold."""


@pytest.fixture
def proxy(serve: Serve) -> Iterator[FaultProxy]:
    server = serve(keep_answering(ok(BODY)))
    with FaultProxy("127.0.0.1", server.port) as made:
        made.server = server  # type: ignore[attr-defined]
        yield made


def seen_by(proxy: FaultProxy) -> int:
    return len(proxy.server.seen)  # type: ignore[attr-defined]


@contextmanager
def client(proxy: FaultProxy) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", proxy.port)) as sock:
        sock.settimeout(20)
        yield sock


def read_all(sock: socket.socket) -> tuple[bytes, str]:
    """What comes, and how it ends."""
    data = b""
    while True:
        try:
            piece = sock.recv(65536)
        except ConnectionResetError:
            return data, "reset"
        if not piece:
            return data, "close"
        data += piece


GET = b"GET / HTTP/1.1\r\n\r\n"
ANSWER = ok(BODY)


def test_it_relays_and_counts(proxy: FaultProxy) -> None:
    with client(proxy) as sock:
        for _ in range(2):
            sock.sendall(GET)
            data = b""
            while len(data) < len(ANSWER):
                data += sock.recv(65536)
            assert data == ANSWER
        sock.shutdown(socket.SHUT_WR)
        assert read_all(sock) == (b"", "close")
    assert proxy.counts == FaultCounts(1, 0, 2 * len(GET), 2 * len(ANSWER))
    assert repr(proxy).startswith(f"<FaultProxy: http://127.0.0.1:{proxy.port} to 127.0.0.1:")


def test_refuse(proxy: FaultProxy) -> None:
    proxy.inject(Fault(refuse=True), times=1)
    with client(proxy) as sock:
        assert read_all(sock) == (b"", "reset")
    with client(proxy) as sock:
        sock.sendall(GET)
        assert sock.recv(1) == b"H"
    assert (proxy.counts.connections, proxy.counts.hits) == (2, 1)


@pytest.mark.parametrize("how", ["reset", "close"])
@pytest.mark.parametrize("after", [0, 1, 1000, len(ANSWER) - 1])
def test_cut_down(proxy: FaultProxy, how: Any, after: int) -> None:
    proxy.inject(Fault(cut_down_after=after, cut=how))
    with client(proxy) as sock:
        sock.sendall(GET)
        data, end = read_all(sock)
    assert end == how
    # A reset may overtake what was sent before it.
    assert data == ANSWER[:after] if how == "close" else ANSWER[:after].startswith(data)
    assert proxy.counts.bytes_down == after


@pytest.mark.parametrize("how", ["reset", "close"])
def test_cut_up(proxy: FaultProxy, how: Any) -> None:
    proxy.inject(Fault(cut_up_after=5, cut=how))
    with client(proxy) as sock:
        sock.sendall(GET)
        assert read_all(sock) == (b"", how)
    assert proxy.counts.bytes_up == 5
    assert seen_by(proxy) == 0


def test_lose_answer(proxy: FaultProxy) -> None:
    proxy.inject(Fault(lose_answer=True))
    with client(proxy) as sock:
        sock.sendall(GET)
        assert read_all(sock) == (b"", "reset")
    assert seen_by(proxy) == 1
    assert proxy.counts.bytes_down == 0


@pytest.mark.parametrize("size", [1, 12, 20, 1000])
@pytest.mark.parametrize("interim", [b"", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"])
def test_lose_answer_after_an_interim_one(serve: Serve, interim: bytes, size: int) -> None:
    heads = b"HTTP/1.1 100 Continue\r\n\r\n" + interim

    def script(peer: Peer) -> None:
        peer.read()
        whole = heads + ok(b"a")
        for at in range(0, len(whole), size):
            peer.send(whole[at : at + size])
            time.sleep(0.001)
        peer.wait_for_end()

    server = serve(script)
    with FaultProxy("127.0.0.1", server.port) as proxy:
        proxy.inject(Fault(lose_answer=True))
        with client(proxy) as sock:
            sock.sendall(GET)
            data, end = read_all(sock)
        assert end == "reset"
        # A reset may overtake what was sent before it.
        assert heads.startswith(data)
        assert proxy.counts.bytes_down == len(heads)


def test_answer_resets_a_connection_that_is_open(proxy: FaultProxy) -> None:
    with client(proxy) as sock:
        sock.sendall(GET)
        data = b""
        while len(data) < len(ANSWER):
            data += sock.recv(65536)
        proxy.inject(Fault(answer=b"canned"))
        sock.sendall(GET)
        assert read_all(sock) == (b"", "reset")
    assert seen_by(proxy) == 1


def test_answer(proxy: FaultProxy) -> None:
    proxy.inject(Fault(answer=b"HTTP/1.1 503 Slow Down\r\n\r\n"), times=1)
    with client(proxy) as sock:
        sock.sendall(GET)
        assert sock.recv(65536) == b"HTTP/1.1 503 Slow Down\r\n\r\n"
        assert read_all(sock) == (b"", "close")
    assert seen_by(proxy) == 0


def test_flip(proxy: FaultProxy) -> None:
    at = len(ANSWER) - 7
    proxy.inject(Fault(flip_down_at=at, cut_down_after=len(ANSWER), cut="close"))
    with client(proxy) as sock:
        sock.sendall(GET)
        data, _ = read_all(sock)
    assert [i for i, (a, b) in enumerate(zip(data, ANSWER, strict=True)) if a != b] == [at]
    assert data[at] == ANSWER[at] ^ 0xFF


def test_flip_of_what_is_sent(proxy: FaultProxy) -> None:
    proxy.inject(Fault(flip_up_at=5))
    with client(proxy) as sock:
        sock.sendall(bytes(byte ^ 0xFF if at == 5 else byte for at, byte in enumerate(GET)))
        assert sock.recv(1) == b"H"
    assert proxy.server.seen[0].raw == GET  # type: ignore[attr-defined]


def test_a_fault_that_waits_for_a_request(proxy: FaultProxy) -> None:
    proxy.inject(Fault(lose_answer=True, when=b"PUT "), times=1)
    with client(proxy) as sock:
        sock.sendall(GET)
        data = b""
        while len(data) < len(ANSWER):
            data += sock.recv(65536)
        assert proxy.counts.hits == 0
        sock.sendall(GET.replace(b"GET", b"PUT"))
        assert read_all(sock) == (b"", "reset")
    assert (seen_by(proxy), proxy.counts.hits) == (2, 1)


def test_the_tap_is_told_what_passes(serve: Serve) -> None:
    told: list[tuple[int, str, bytes]] = []
    server = serve(keep_answering(ok(b"a")))
    tap = FaultProxy("127.0.0.1", server.port, tap=lambda *passed: told.append(passed))
    with tap as proxy:
        for fault in (None, Fault(lose_answer=True), Fault(answer=b"canned")):
            if fault is not None:
                proxy.inject(fault, times=1)
            with client(proxy) as sock:
                sock.sendall(GET)
                sock.shutdown(socket.SHUT_WR)
                read_all(sock)
    assert told == [
        (1, "up", GET),
        (1, "down", ok(b"a")),
        (2, "up", GET),
        (3, "up", GET),
        (3, "down", b"canned"),
    ]


@pytest.mark.parametrize("way", ["up", "down"])
def test_stall_and_heal(proxy: FaultProxy, way: str) -> None:
    proxy.inject(Fault(stall_up_after=3) if way == "up" else Fault(stall_down_after=3))
    with client(proxy) as sock:
        sock.sendall(GET)
        if way == "down":
            assert sock.recv(65536) == ANSWER[:3]
        sock.settimeout(0.2)
        with pytest.raises(TimeoutError):
            sock.recv(1)
        assert seen_by(proxy) == (1 if way == "down" else 0)
        proxy.heal()
        sock.settimeout(20)
        rest = ANSWER if way == "up" else ANSWER[3:]
        data = b""
        while len(data) < len(rest):
            data += sock.recv(65536)
        assert data == rest


def test_fault_that_is_healed_while_it_is_looked_at(proxy: FaultProxy) -> None:
    proxy.inject(Fault(latency=0.4, stall_down_after=10))
    with client(proxy) as sock:
        sock.sendall(GET)
        time.sleep(0.2)  # the answer is being held back, and not stalled yet
        proxy.heal()
        data = b""
        while len(data) < len(ANSWER):
            data += sock.recv(65536)
        assert data == ANSWER


def test_a_stall_that_ends_has_the_request_come_late(proxy: FaultProxy) -> None:
    proxy.inject(Fault(stall_up_after=3, stall_for=0.3))
    began = time.monotonic()
    with client(proxy) as sock:
        sock.sendall(GET)
    wait_until(lambda: seen_by(proxy) == 1)  # and nobody waits for the answer any more
    assert time.monotonic() - began >= 0.3
    wait_until(lambda: proxy.open_connections == 0)


def test_a_server_that_never_ends_a_connection(serve: Serve) -> None:
    over = threading.Event()

    def silent(peer: Peer) -> None:
        over.wait(20)

    server = serve(silent)
    with FaultProxy("127.0.0.1", server.port, linger=0.05) as proxy, client(proxy) as sock:
        wait_until(lambda: proxy.open_connections == 1)
        sock.shutdown(socket.SHUT_WR)
        assert read_all(sock) == (b"", "close")
        wait_until(lambda: proxy.open_connections == 0)
        over.set()


def test_connections_have_faults_of_their_own(proxy: FaultProxy) -> None:
    second = Fault(lose_answer=True, when=b"GET ")
    proxy.heal()  # what was before is no matter
    proxy.afflict(lambda number: second if number == 2 else None)
    for expected in (ANSWER, b"", ANSWER):
        with client(proxy) as sock:
            sock.sendall(GET)
            sock.shutdown(socket.SHUT_WR)
            assert read_all(sock)[0] == expected
    assert proxy.counts.hits == 1
    proxy.afflict(lambda number: Fault(refuse=True))
    with client(proxy) as sock:
        assert read_all(sock) == (b"", "reset")
    proxy.afflict(None)
    with client(proxy) as sock:
        sock.sendall(GET)
        sock.shutdown(socket.SHUT_WR)
        assert read_all(sock)[0] == ANSWER


def test_a_choice_that_fails_resets_its_connection(
    proxy: FaultProxy, caplog: pytest.LogCaptureFixture
) -> None:
    def choice(number: int) -> Fault | None:
        if number == 1:
            raise ValueError("no such kind")
        return None

    proxy.afflict(choice)
    with client(proxy) as sock:
        assert read_all(sock) == (b"", "reset")
    assert "no such kind" in caplog.text
    with client(proxy) as sock:
        sock.sendall(GET)
        sock.shutdown(socket.SHUT_WR)
        assert read_all(sock)[0] == ANSWER
    wait_until(lambda: proxy.open_connections == 0)


def test_latency_and_rate(proxy: FaultProxy) -> None:
    def seconds(fault: Fault | None) -> float:
        if fault is not None:
            proxy.inject(fault)
        with client(proxy) as sock:
            sock.sendall(GET)
            sock.shutdown(socket.SHUT_WR)
            began = time.monotonic()
            assert read_all(sock) == (ANSWER, "close")
            return time.monotonic() - began

    at_once = seconds(None)
    assert seconds(Fault(latency=0.2)) > at_once
    assert seconds(Fault(latency=0.2)) >= 0.2
    assert seconds(Fault(rate=1_000_000)) >= len(ANSWER) / 1_000_000


def test_a_fault_meets_open_connections_and_counts_anew(proxy: FaultProxy) -> None:
    with client(proxy) as sock:
        sock.sendall(GET)
        data = b""
        while len(data) < len(ANSWER):
            data += sock.recv(65536)
        fault = Fault(cut_down_after=10, cut="close")
        proxy.inject(fault)
        sock.sendall(GET)
        assert read_all(sock) == (ANSWER[:10], "close")
        proxy.inject(fault, times=0)
    with client(proxy) as sock:
        sock.sendall(GET)
        sock.shutdown(socket.SHUT_WR)
        assert read_all(sock)[0] == ANSWER
    assert proxy.counts.hits == 1


def test_reset_connections(proxy: FaultProxy) -> None:
    with client(proxy) as one, client(proxy) as two:
        for sock in (one, two):
            sock.sendall(GET)
            assert sock.recv(1) == b"H"
        proxy.reset_connections()
        for sock in (one, two):
            assert read_all(sock)[1] == "reset"


def test_a_server_that_is_not_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with FaultProxy("127.0.0.1", port) as proxy, client(proxy) as sock:
        assert read_all(sock) == (b"", "reset")


def test_close_ends_everything(serve: Serve) -> None:
    server = serve(lambda peer: peer.wait_for_end())
    before = threading.active_count()
    proxy = FaultProxy("127.0.0.1", server.port)
    with client(proxy) as sock:
        sock.sendall(b"x")
        wait_until(lambda: server.connections == 1)
        proxy.close()
        proxy.close()
        assert read_all(sock) == (b"", "reset")
    server.wait_for(1)
    wait_until(lambda: threading.active_count() <= before)
    with pytest.raises(ConnectionRefusedError), client(proxy):
        pass


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_what_connects_while_it_is_closed_is_closed_too(serve: Serve, tls: bool) -> None:
    server = serve(lambda peer: peer.wait_for_end())
    context = server_context(trustme.CA()) if tls else None
    proxy = FaultProxy("127.0.0.1", server.port, tls=context)
    busy, go_on = threading.Event(), threading.Event()
    proxy._loop.call_soon_threadsafe(busy.set)
    proxy._loop.call_soon_threadsafe(go_on.wait, 20)
    assert busy.wait(20)
    with ExitStack() as stack:
        sockets = [stack.enter_context(client(proxy)) for _ in range(3)]
        closing = threading.Thread(target=proxy.close)
        closing.start()
        wait_until(lambda: proxy._closed)
        go_on.set()
        closing.join(20)
        assert [read_all(sock)[0] for sock in sockets] == [b""] * 3


# --- the engines through it ---


@pytest.mark.parametrize(
    ("fault", "arguments", "outcome", "reached"),
    [
        (Fault(cut_up_after=50), PUT, "either", 0),
        (Fault(cut_up_after=50_000, cut="close"), PUT, "either", 1),
        (Fault(cut_up_after=50_000), LARGE_PUT, "not_applied", 1),
        (Fault(cut_up_after=50_000, cut="close"), LARGE_PUT, "not_applied", 1),
        (Fault(stall_up_after=50_000), LARGE_PUT, "not_applied", 1),
        (Fault(lose_answer=True), PUT, "unknown", 1),
        (Fault(cut_down_after=10), PUT, "unknown", 1),
        (Fault(cut_down_after=1000), PUT, "unknown", 1),
        (Fault(cut_down_after=10, cut="close"), PUT, "unknown", 1),
        (Fault(stall_up_after=50), PUT, "unknown", 0),
        (Fault(stall_down_after=0), PUT, "unknown", 1),
        (Fault(stall_down_after=5_000), PUT, "unknown", 1),
        (Fault(flip_down_at=0), PUT, "unknown", 1),
        (Fault(cut_down_after=1000), {}, "not_applied", 1),
    ],
)
def test_what_the_wire_makes_of_a_fault(
    make_engine: MakeEngine,
    proxy: FaultProxy,
    fault: Fault,
    arguments: dict[str, Any],
    outcome: str,
    reached: int,
) -> None:
    engine = make_engine(Timeouts(first_byte=0.5, stall=0.5))
    proxy.inject(fault)
    with pytest.raises(TransportError) as caught:
        engine.run(ask(proxy.url, **arguments))
    # Whether the last of a small request had left when the connection broke is chance.
    assert outcome in (caught.value.outcome, "either")
    wait_until(lambda: seen_by(proxy) >= reached)
    assert seen_by(proxy) == reached
    assert proxy.counts.hits == 1
    proxy.heal()
    assert engine.run(ask(proxy.url)).content == BODY


def test_a_connection_that_is_refused_at_once(make_engine: MakeEngine, proxy: FaultProxy) -> None:
    """The reset comes while the connection is set up, or while the request is sent."""
    proxy.inject(Fault(refuse=True))
    with pytest.raises(TransportError) as caught:
        make_engine().run(ask(proxy.url, **PUT))
    assert caught.value.retryable
    assert (seen_by(proxy), proxy.counts.hits) == (0, 1)


def test_retries_get_through(make_engine: MakeEngine, proxy: FaultProxy) -> None:
    proxy.inject(Fault(lose_answer=True), times=2)
    retry = RetryPolicy(attempts=3, base_delay=0.001)
    assert make_engine().run(ask(proxy.url, retry=retry, **PUT)).content == BODY
    assert (proxy.counts.hits, seen_by(proxy)) == (2, 3)


def test_tls_passes_through(make_engine: MakeEngine, serve: Serve, tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    server = serve(keep_answering(ok(BODY)), tls=server_context(authority))
    engine = make_engine(tls=TlsSettings(ca_file=str(tmp_path / "ca.pem")))
    with FaultProxy("127.0.0.1", server.port) as proxy:
        origin = proxy.url.replace("http:", "https:")
        assert engine.run(fetch(origin)).content == BODY
        proxy.inject(Fault(flip_down_at=100_000), times=1)
        with pytest.raises(TransportError):
            engine.run(fetch(origin))
        assert engine.run(fetch(origin)).content == BODY


def test_tls_is_taken_off_and_put_on(make_engine: MakeEngine, serve: Serve, tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    server = serve(keep_answering(ok(BODY)), tls=server_context(authority))
    trusting = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    engine = make_engine(tls=TlsSettings(ca_file=str(tmp_path / "ca.pem")))
    with FaultProxy(
        "127.0.0.1", server.port, tls=server_context(authority), upstream_tls=trusting
    ) as proxy:
        assert engine.run(fetch(proxy.url)).content == BODY
        proxy.inject(Fault(flip_down_at=len(ANSWER) - 1), times=1)
        flipped = engine.run(fetch(proxy.url)).content
        assert flipped[:-1] + bytes([flipped[-1] ^ 0xFF]) == BODY
        assert flipped != BODY
        proxy.heal()
        proxy.inject(Fault(answer=ok(b"canned")), times=1)
        assert engine.run(fetch(proxy.url)).content in (b"canned", BODY)


def test_a_peer_that_says_nothing_is_no_hindrance(serve: Serve) -> None:
    def script(peer: Peer) -> None:
        peer.wait_for_end()

    server = serve(script)
    with FaultProxy("127.0.0.1", server.port) as proxy, client(proxy):
        wait_until(lambda: proxy.counts.connections == 1)
