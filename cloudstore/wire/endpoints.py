"""Where a request goes: the parts of an origin, and whether a proxy stands before it. No I/O.

Proxies come from the configuration, else from the environment (``HTTP_PROXY``, ``HTTPS_PROXY``,
``ALL_PROXY``, ``NO_PROXY``, in either case), as curl and Python read it.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from ..errors import ConfigError

__all__ = ["Endpoint", "Proxy", "authority_of", "parse_origin", "proxy_for"]

DEFAULT_PORTS: Mapping[str, int] = {"http": 80, "https": 443}


class Endpoint(NamedTuple):
    """A server: what a pool of connections is for."""

    host: str
    port: int
    tls: bool


class Proxy(NamedTuple):
    """An HTTP proxy, and what authorises us there (a secret)."""

    host: str
    port: int
    authorization: str | None

    def __repr__(self) -> str:
        return f"Proxy({self.host}:{self.port})"

    def __str__(self) -> str:
        return f"the proxy {self.host}:{self.port}"


def parse_origin(origin: str) -> Endpoint:
    """The parts of ``scheme://host[:port]``.

    Raises:
        ConfigError: it is none.
    """
    try:
        parts = urlsplit(origin)
        port = parts.port
    except ValueError:
        raise ConfigError("this endpoint is no URL") from None
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
        raise ConfigError(f"an endpoint is http:// or https:// and a host, not {parts.scheme!r}://…")
    if "@" in parts.netloc or parts.path or parts.query or parts.fragment:
        raise ConfigError("an endpoint is no more than http:// or https://, a host and a port")
    if not origin.isascii() or not origin.isprintable() or " " in origin:
        raise ConfigError("an endpoint is written in ASCII; write xn--… for other names")
    if port == 0:
        raise ConfigError("an endpoint has a port")
    return Endpoint(parts.hostname, port or DEFAULT_PORTS[parts.scheme], parts.scheme == "https")


def authority_of(endpoint: Endpoint, *, always_port: bool = False) -> str:
    """Host and port as a request names them; the port of the scheme is left out."""
    host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
    default = DEFAULT_PORTS["https" if endpoint.tls else "http"]
    return host if endpoint.port == default and not always_port else f"{host}:{endpoint.port}"


def proxy_for(endpoint: Endpoint, configured: str | None) -> Proxy | None:
    """The proxy for an endpoint: the configured one ("" is none), else the environment's."""
    if configured is None:
        if _is_exempt(endpoint, _environment("no_proxy")):
            return None
        configured = _environment("https_proxy" if endpoint.tls else "http_proxy")
        configured = configured or _environment("all_proxy")
    return _parse_proxy(configured) if configured else None


def _environment(name: str) -> str:
    if name == "http_proxy":
        # Upper case is set by a request header in CGI programs (CVE-2016-5385).
        return os.environ.get(name) or (
            "" if "REQUEST_METHOD" in os.environ else os.environ.get(name.upper(), "")
        )
    return os.environ.get(name) or os.environ.get(name.upper(), "")


def _is_exempt(endpoint: Endpoint, exempt: str) -> bool:
    host = endpoint.host.lower()
    for entry in exempt.split(","):
        name = entry.strip().lower().lstrip(".")
        if name == "*":
            return True
        if name and (host == name or host.endswith(f".{name}") or f"{host}:{endpoint.port}" == name):
            return True
    return False


def _parse_proxy(url: str) -> Proxy:
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        port = parts.port
    except ValueError:
        raise ConfigError("this proxy is no URL") from None
    if parts.scheme != "http" or not parts.hostname:
        raise ConfigError(f"a proxy is http:// and a host, not {parts.scheme!r}://…")
    authorization = None
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = f"Basic {base64.b64encode(pair.encode()).decode()}"
    return Proxy(parts.hostname, port or 80, authorization)
