"""Origins, and the table of proxies."""

from __future__ import annotations

import pytest

from cloudstore.errors import ConfigError
from cloudstore.wire.endpoints import Endpoint, Proxy, authority_of, parse_origin, proxy_for

PLAIN = Endpoint("store.example", 80, False)
SAFE = Endpoint("store.example", 443, True)


@pytest.mark.parametrize(
    ("origin", "endpoint", "authority"),
    [
        ("http://h", Endpoint("h", 80, False), "h"),
        ("https://h", Endpoint("h", 443, True), "h"),
        ("https://h:443", Endpoint("h", 443, True), "h"),
        ("http://h:443", Endpoint("h", 443, False), "h:443"),
        ("http://B.Example:8080", Endpoint("b.example", 8080, False), "b.example:8080"),
        ("http://127.0.0.1:1", Endpoint("127.0.0.1", 1, False), "127.0.0.1:1"),
        ("https://[::1]:9", Endpoint("::1", 9, True), "[::1]:9"),
        ("http://[::1]", Endpoint("::1", 80, False), "[::1]"),
    ],
)
def test_origins(origin: str, endpoint: Endpoint, authority: str) -> None:
    assert parse_origin(origin) == endpoint
    assert authority_of(endpoint) == authority


def test_a_tunnel_names_the_port_always() -> None:
    assert authority_of(SAFE, always_port=True) == "store.example:443"
    assert authority_of(Endpoint("::1", 443, True), always_port=True) == "[::1]:443"


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "h",
        "h:80",
        "ftp://h",
        "http://",
        "http://:80",
        "http://h:port",
        "http://h:99999",
        "http://h:0",
        "http://[::1",
        "http://u:p@h",
        "http://u@h",
        "http://h/",
        "http://h/path",
        "http://h?q",
        "http://h#f",
        "http://bücher.example",
        "http://h h",
        "http://h\r\nx: y",
        "http://h\x7f",
    ],
)
def test_what_is_no_origin(origin: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_origin(origin)
    assert "u:p" not in str(caught.value)


@pytest.mark.parametrize(
    ("environment", "plain", "safe"),
    [
        ({}, None, None),
        ({"http_proxy": "http://p:1"}, "p:1", None),
        ({"HTTP_PROXY": "http://p:1"}, "p:1", None),
        ({"HTTP_PROXY": "http://p:1", "REQUEST_METHOD": "GET"}, None, None),
        ({"http_proxy": "http://p:1", "REQUEST_METHOD": "GET"}, "p:1", None),
        ({"https_proxy": "http://p:1"}, None, "p:1"),
        ({"HTTPS_PROXY": "p:1"}, None, "p:1"),
        ({"ALL_PROXY": "http://p"}, "p:80", "p:80"),
        ({"all_proxy": "http://p:1", "HTTPS_PROXY": "http://q:2"}, "p:1", "q:2"),
        ({"http_proxy": "http://low:1", "HTTP_PROXY": "http://up:1"}, "low:1", None),
        ({"all_proxy": "http://p:1", "no_proxy": "store.example"}, None, None),
        ({"all_proxy": "http://p:1", "NO_PROXY": "a, store.EXAMPLE ,b"}, None, None),
        ({"all_proxy": "http://p:1", "no_proxy": "example"}, None, None),
        ({"all_proxy": "http://p:1", "no_proxy": ".example"}, None, None),
        ({"all_proxy": "http://p:1", "no_proxy": "*"}, None, None),
        ({"all_proxy": "http://p:1", "no_proxy": "ore.example"}, "p:1", "p:1"),
        ({"all_proxy": "http://p:1", "no_proxy": "store.example.org"}, "p:1", "p:1"),
        ({"all_proxy": "http://p:1", "no_proxy": "store.example:443"}, "p:1", None),
        ({"all_proxy": "http://p:1", "no_proxy": ""}, "p:1", "p:1"),
        ({"all_proxy": "http://p:1", "no_proxy": ", ,"}, "p:1", "p:1"),
        ({"all_proxy": ""}, None, None),
    ],
)
def test_the_environment(
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
    plain: str | None,
    safe: str | None,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    for endpoint, expected in ((PLAIN, plain), (SAFE, safe)):
        proxy = proxy_for(endpoint, None)
        assert (None if proxy is None else f"{proxy.host}:{proxy.port}") == expected


def test_the_configuration_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://environment:1")
    monkeypatch.setenv("NO_PROXY", "*")
    assert proxy_for(PLAIN, "http://mine:2") == Proxy("mine", 2, None)
    assert proxy_for(PLAIN, "") is None


def test_who_we_are_at_a_proxy() -> None:
    proxy = proxy_for(PLAIN, "http://us%40er:p%3Ass@p:1")
    assert proxy == Proxy("p", 1, "Basic dXNAZXI6cDpzcw==")
    assert "Basic" not in repr(proxy)
    assert proxy_for(PLAIN, "http://user@p:1") == Proxy("p", 1, "Basic dXNlcjo=")


@pytest.mark.parametrize(
    "url", ["https://p:1", "socks5://p:1", "http://", "http://p:x", "http://us:secret@p:99999"]
)
def test_what_is_no_proxy(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        proxy_for(PLAIN, url)
    assert "secret" not in str(caught.value)
