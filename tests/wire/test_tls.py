"""TLS on real sockets: whom we trust, and that everything else is as on plain ones."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from cloudstore.bodies import BytesPayload
from cloudstore.driver import Flow
from cloudstore.errors import ConfigError, TransportError
from cloudstore.policy import Timeouts
from cloudstore.wire.tls import SYSTEM, TlsSettings

from .conftest import MakeEngine, Serve
from .engines import QUICK, Engine, ask, fetch
from .server import Peer, keep_answering, ok, wait_until

BIG = bytes(range(256)) * 32768


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path) -> TlsSettings:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return TlsSettings(ca_file=str(path))


def server_context(
    authority: trustme.CA, *names: str, version: ssl.TLSVersion | None = None
) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*(names or ("127.0.0.1",))).configure_cert(context)
    if version is not None:
        context.minimum_version = context.maximum_version = version
    return context


VERSIONS = pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])


@VERSIONS
def test_a_trusted_server(
    make_engine: MakeEngine,
    serve: Serve,
    authority: trustme.CA,
    trusted: TlsSettings,
    version: ssl.TLSVersion,
) -> None:
    server = serve(keep_answering(ok(BIG)), tls=server_context(authority, version=version))
    engine = make_engine(tls=trusted)
    for size in (1000, 65536, 1 << 20):
        assert engine.run(fetch(server.origin, size=size)).content == BIG
    assert server.connections == 1


@VERSIONS
@pytest.mark.parametrize("continues", [True, False])
def test_uploads(
    make_engine: MakeEngine,
    serve: Serve,
    authority: trustme.CA,
    trusted: TlsSettings,
    version: ssl.TLSVersion,
    continues: bool,
) -> None:
    """The tickets that TLS 1.3 sends after its handshake are no answer to the upload."""

    def script(peer: Peer) -> None:
        while (seen := peer.read_head()) is not None:
            if continues and "expect" in seen.headers:
                peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            peer.read_body(seen)
            peer.send(ok())

    server = serve(script, tls=server_context(authority, version=version))
    engine = make_engine(tls=trusted)
    for size in (len(BIG), 100_000, len(BIG)):
        assert engine.run(ask(server.origin, "PUT", payload=BytesPayload(BIG[:size]))).status == 200
    assert [len(seen.body) for seen in server.seen] == [len(BIG), 100_000, len(BIG)]
    assert server.seen[0].body == server.seen[2].body == BIG
    assert server.connections == 1


@VERSIONS
def test_an_early_answer(
    make_engine: MakeEngine,
    serve: Serve,
    authority: trustme.CA,
    trusted: TlsSettings,
    version: ssl.TLSVersion,
) -> None:
    done = threading.Event()

    def script(peer: Peer) -> None:
        seen = peer.read_head()
        assert seen is not None
        peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        peer.read_body(seen, 100_000)
        peer.send(ok(b"denied", status="403 Forbidden"))
        done.wait(20)

    server = serve(script, tls=server_context(authority, version=version))
    try:
        payload = BytesPayload(bytes(64 * 1024 * 1024))
        response = make_engine(tls=trusted).run(ask(server.origin, "PUT", payload=payload))
    finally:
        done.set()
    assert (response.status, response.content) == (403, b"denied")


def test_an_unknown_authority(make_engine: MakeEngine, serve: Serve, authority: trustme.CA) -> None:
    server = serve(keep_answering(), tls=server_context(authority))
    with pytest.raises(TransportError, match=r"not trusted") as caught:
        make_engine().run(ask(server.origin, "POST"))
    assert (caught.value.outcome, caught.value.retryable) == ("not_applied", False)
    assert server.seen == []


def test_another_authority(make_engine: MakeEngine, serve: Serve, trusted: TlsSettings) -> None:
    server = serve(keep_answering(), tls=server_context(trustme.CA()))
    with pytest.raises(TransportError, match=r"not trusted"):
        make_engine(tls=trusted).run(ask(server.origin))


def test_a_certificate_for_another_host(
    make_engine: MakeEngine, serve: Serve, authority: trustme.CA, trusted: TlsSettings
) -> None:
    server = serve(keep_answering(), tls=server_context(authority, "other.example"))
    with pytest.raises(TransportError, match=r"not trusted.*mismatch") as caught:
        make_engine(tls=trusted).run(ask(server.origin))
    assert not caught.value.retryable
    assert server.seen == []


def test_trust_may_be_switched_off(
    make_engine: MakeEngine, serve: Serve, authority: trustme.CA
) -> None:
    server = serve(keep_answering(), tls=server_context(authority, "other.example"))
    engine = make_engine(tls=TlsSettings(verify=False))
    assert engine.run(ask(server.origin)).content == b"hello"


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_certificates_that_cannot_be_read(
    make_engine: MakeEngine,
    serve: Serve,
    authority: trustme.CA,
    tmp_path: Path,
    content: str | None,
) -> None:
    path = tmp_path / "bad.pem"
    if content is not None:
        path.write_text(content)
    server = serve(keep_answering(), tls=server_context(authority))
    with pytest.raises(ConfigError, match=r"bad\.pem"):
        make_engine(tls=TlsSettings(ca_file=str(path))).run(ask(server.origin))


def test_the_usual_authorities_are_trusted() -> None:
    context = TlsSettings().context()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert len(context.get_ca_certs()) > 50


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1:DeprecationWarning")
def test_old_protocols_are_refused(
    make_engine: MakeEngine, serve: Serve, authority: trustme.CA, trusted: TlsSettings
) -> None:
    context = server_context(authority, version=ssl.TLSVersion.TLSv1_1)
    context.set_ciphers("ALL:@SECLEVEL=0")
    server = serve(keep_answering(), tls=context)
    with pytest.raises(TransportError, match=r"no connection") as caught:
        make_engine(tls=trusted).run(ask(server.origin, "POST"))
    assert caught.value.outcome == "not_applied"


def test_a_server_that_speaks_no_tls(make_engine: MakeEngine, serve: Serve) -> None:
    def script(peer: Peer) -> None:
        peer.sock.recv(1000)
        peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    server = serve(script)
    with pytest.raises(TransportError) as caught:
        make_engine().run(ask(server.origin.replace("http:", "https:"), "POST"))
    assert caught.value.outcome == "not_applied"


def test_a_handshake_that_never_ends(make_engine: MakeEngine, serve: Serve) -> None:
    server = serve(lambda peer: peer.wait_for_end())
    engine = make_engine(Timeouts(connect=0.3))
    with pytest.raises(TransportError, match=r"in time") as caught:
        engine.run(ask(server.origin.replace("http:", "https:"), "POST"))
    assert caught.value.outcome == "not_applied"
    server.wait_for(1)


def test_what_the_machine_trusts(
    make_engine: MakeEngine,
    serve: Serve,
    authority: trustme.CA,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = serve(keep_answering(), tls=server_context(authority))
    path = tmp_path / "machine.pem"
    authority.cert_pem.write_to_path(str(path))
    with pytest.raises(TransportError, match="not trusted"):
        make_engine(tls=TlsSettings(ca_file=SYSTEM)).run(ask(server.origin))
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    assert make_engine(tls=TlsSettings(ca_file=SYSTEM)).run(ask(server.origin)).content == b"hello"
    with pytest.raises(TransportError, match="not trusted"):
        make_engine(tls=TlsSettings()).run(ask(server.origin))


@VERSIONS
def test_sessions_are_resumed(
    make_engine: MakeEngine,
    serve: Serve,
    authority: trustme.CA,
    trusted: TlsSettings,
    version: ssl.TLSVersion,
) -> None:
    resumed: list[bool | None] = []

    def script(peer: Peer) -> None:
        assert isinstance(peer.sock, ssl.SSLSocket)
        resumed.append(peer.sock.session_reused)
        peer.read()
        peer.send(ok())

    server = serve(script, tls=server_context(authority, version=version))
    engine = make_engine(tls=trusted)
    for count in range(3):
        assert engine.run(ask(server.origin)).content == b"hello"
        wait_until(lambda count=count: len(resumed) > count and not server._open)  # type: ignore[misc]
    assert resumed == [False, True, True]


@VERSIONS
@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_body_that_breaks_off(
    make_engine: MakeEngine,
    serve: Serve,
    authority: trustme.CA,
    trusted: TlsSettings,
    version: ssl.TLSVersion,
    how: str,
) -> None:
    def script(peer: Peer) -> None:
        peer.read()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 50_000)
        if how == "reset":
            peer.reset()

    server = serve(script, tls=server_context(authority, version=version))
    with pytest.raises(TransportError) as caught:
        make_engine(tls=trusted).run(fetch(server.origin))
    assert caught.value.retryable


def stalls(method: str, size: int) -> Callable[[str], Flow[object]]:
    def flow(origin: str) -> Flow[object]:
        return (yield from ask(origin, method, payload=BytesPayload(bytes(size)) if size else None))

    return flow


@pytest.mark.parametrize("size", [0, 10, 64 * 1024 * 1024])
def test_a_server_that_stalls(
    make_engine: MakeEngine,
    serve: Serve,
    authority: trustme.CA,
    trusted: TlsSettings,
    size: int,
) -> None:
    done = threading.Event()

    def script(peer: Peer) -> None:
        seen = peer.read_head()
        assert seen is not None
        if "expect" in seen.headers:
            peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        done.wait(20)

    server = serve(script, tls=server_context(authority))
    engine = make_engine(Timeouts(first_byte=0.3, stall=0.3), tls=trusted)
    try:
        with pytest.raises(TransportError, match=r"seconds"):
            engine.run(stalls("PUT", size)(server.origin))
    finally:
        done.set()


def test_a_stale_connection(
    make_engine: MakeEngine, serve: Serve, authority: trustme.CA, trusted: TlsSettings
) -> None:
    def script(peer: Peer) -> None:
        peer.read()
        peer.send(ok())

    server = serve(script, tls=server_context(authority))
    engine: Engine = make_engine(QUICK, tls=trusted)
    for _ in range(3):
        assert engine.run(fetch(server.origin)).content == b"hello"
    assert server.connections == 3
