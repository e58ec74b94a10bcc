"""HTTP proxies: plain requests in absolute form, TLS through a tunnel, and refusals."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
import trustme

from cloudstore.bodies import BytesPayload
from cloudstore.errors import DeadlineExceededError, TransportError
from cloudstore.policy import Timeouts
from cloudstore.wire.tls import TlsSettings

from .conftest import MakeEngine, Serve
from .engines import ask, fetch
from .server import Peer, keep_answering, ok, tunnel
from .test_tls import server_context


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path) -> TlsSettings:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return TlsSettings(ca_file=str(path))


def test_a_plain_request_goes_to_the_proxy_in_absolute_form(
    make_engine: MakeEngine, serve: Serve
) -> None:
    proxy = serve(keep_answering())
    engine = make_engine(proxy=f"http://user:pass@127.0.0.1:{proxy.port}")
    for _ in range(2):
        engine.run(ask("http://store.example:8080", "GET", "/b/a//../x", query="q=1"))
    assert proxy.seen[1].lines == [
        "GET http://store.example:8080/b/a//../x?q=1 HTTP/1.1",
        "host: store.example:8080",
        "proxy-authorization: Basic dXNlcjpwYXNz",
    ]
    assert proxy.connections == 1


def test_connections_through_a_proxy_belong_to_one_origin(
    make_engine: MakeEngine, serve: Serve
) -> None:
    proxy = serve(keep_answering())
    engine = make_engine(proxy=f"http://127.0.0.1:{proxy.port}")
    for host in ("a.example", "b.example", "a.example"):
        engine.run(ask(f"http://{host}"))
    assert proxy.connections == 2


def test_the_proxy_of_the_environment(
    make_engine: MakeEngine, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy, server = serve(keep_answering(ok(b"proxy"))), serve(keep_answering(ok(b"server")))
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
    assert make_engine().run(ask(server.origin)).content == b"proxy"
    assert make_engine(proxy="").run(ask(server.origin)).content == b"server"
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert make_engine().run(ask(server.origin)).content == b"server"


def test_tls_goes_through_a_tunnel(
    make_engine: MakeEngine, serve: Serve, authority: trustme.CA, trusted: TlsSettings
) -> None:
    server = serve(keep_answering(ok(b"x" * 300_000)), tls=server_context(authority))
    proxy = serve(tunnel(server.host, server.port))
    engine = make_engine(proxy=f"http://user:pass@127.0.0.1:{proxy.port}", tls=trusted)
    for _ in range(2):
        assert engine.run(fetch(server.origin)).content == b"x" * 300_000
    authority_named = f"127.0.0.1:{server.port}"
    assert [seen.lines for seen in proxy.seen] == [
        [
            f"CONNECT {authority_named} HTTP/1.1",
            f"host: {authority_named}",
            "proxy-authorization: Basic dXNlcjpwYXNz",
        ]
    ]
    assert server.seen[0].lines[0] == "GET / HTTP/1.1"
    assert "proxy-authorization" not in server.seen[0].headers
    assert (proxy.connections, server.connections) == (1, 1)


def test_the_proxy_does_not_vouch_for_the_server(
    make_engine: MakeEngine, serve: Serve, trusted: TlsSettings
) -> None:
    server = serve(keep_answering(), tls=server_context(trustme.CA()))
    proxy = serve(tunnel(server.host, server.port))
    with pytest.raises(TransportError, match=r"not trusted"):
        make_engine(proxy=f"http://127.0.0.1:{proxy.port}", tls=trusted).run(ask(server.origin))


@pytest.mark.parametrize(
    ("answer", "message", "retryable"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n", "407", False),
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", "502", True),
        (b"HTTP/1.1 302 Found\r\nLocation: x\r\n\r\n", "302", False),
        (b"HTTP/1.1 200 OK\r\n\r\nearly bytes", "more than", False),
        (b"nonsense\r\n\r\n", "malformed", False),
        (b"HTTP/1.1 200", "closed", True),
        (b"", "closed", True),
    ],
)
def test_a_tunnel_that_is_refused(
    make_engine: MakeEngine, serve: Serve, answer: bytes, message: str, retryable: bool
) -> None:
    def script(peer: Peer) -> None:
        peer.read_head()
        peer.send(answer)

    proxy = serve(script)
    engine = make_engine(proxy=f"http://user:s3cret@127.0.0.1:{proxy.port}")
    with pytest.raises(TransportError, match=message) as caught:
        engine.run(ask("https://store.example", "POST", payload=BytesPayload(b"x")))
    assert (caught.value.outcome, caught.value.retryable) == ("not_applied", retryable)
    assert "s3cret" not in str(caught.value)
    assert proxy.connections == 1


@pytest.mark.parametrize("timeout", [None, 0.3])
def test_a_proxy_that_says_nothing(
    make_engine: MakeEngine, serve: Serve, timeout: float | None
) -> None:
    proxy = serve(lambda peer: peer.wait_for_end())
    engine = make_engine(
        Timeouts(connect=0.3 if timeout is None else 30), proxy=f"http://127.0.0.1:{proxy.port}"
    )
    with pytest.raises(TransportError if timeout is None else DeadlineExceededError) as caught:
        engine.run(ask("https://store.example", "POST", timeout=timeout))
    assert caught.value.outcome == "not_applied"
    proxy.wait_for(1)


def test_a_proxy_that_is_not_there(make_engine: MakeEngine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(TransportError, match=rf"127.0.0.1:{port}") as caught:
        make_engine(proxy=f"http://127.0.0.1:{port}").run(ask("http://store.example"))
    assert caught.value.outcome == "not_applied"
