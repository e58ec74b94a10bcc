"""Where Qiniu's services and a bucket's domains are: as configured, or as its region says. Pure.

Source: ``uc /v4/query``, as the SDK reads it (``qiniu/http/regions_provider.py``); of ``io_src``, which
that passes over, Qiniu's Go SDK (``storage/bucket_get.go``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from ..errors import ConfigError, UnexpectedResponseError

__all__ = [
    "Hosts",
    "checked_origin",
    "domains_of",
    "hosts_of",
    "query_ttl",
    "with_scheme",
]

DEFAULT_TTL = 24 * 3600
"""Seconds that a region's hosts are good for where the answer does not say (the SDK's)."""
MAX_TTL = 7 * DEFAULT_TTL
MIN_TTL = 60
"""Seconds: whatever an answer says, it is asked again, and not all the time."""

_ORIGIN = re.compile(r"https?://[A-Za-z0-9._:\[\]-]+\Z")
_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}(?::[0-9]{1,5})?\Z")
"""Becomes a part of the origin that is asked next, so that nothing else may be in it."""


class Hosts(NamedTuple):
    """Origins of the services of a bucket's region, and the bucket's own source domain, or ""."""

    up: str
    rs: str
    rsf: str
    source: str


def checked_origin(name: str, text: str) -> str:
    """An origin without what needs not be said.

    Raises:
        ConfigError
    """
    origin = text.rstrip("/")
    if not _ORIGIN.match(origin):
        raise ConfigError(f"{name} is http(s)://host[:port], and nothing more", vendor="qiniu")
    return origin.removesuffix(":443" if origin.startswith("https") else ":80")


def with_scheme(scheme: str, host: str) -> str:
    """The origin of a host that came without a scheme.

    Raises:
        UnexpectedResponseError: it is no host.
    """
    if not _HOST.match(host):
        raise UnexpectedResponseError("the answer names a host that is none")
    return f"{scheme}://{host}"


def domains_of(text: str | None, scheme: str) -> Mapping[str, str]:
    """The download origins of buckets by their names; "" is for all others.

    Args:
        text: ``"https://files.example"`` for all buckets, or ``"photos=https://p.example, logs=…"``.

    Raises:
        ConfigError
    """
    found: dict[str, str] = {}
    for item in (text or "").split(","):
        bucket, equals, domain = item.strip().partition("=")
        if not equals:
            bucket, domain = "", bucket
        if not (bucket or domain):
            continue
        domain = domain.strip()
        origin = domain if "://" in domain else f"{scheme}://{domain}"
        found[bucket.strip()] = checked_origin("domain", origin)
    return MappingProxyType(found)


def hosts_of(said: Mapping[str, Any], scheme: str) -> Hosts:
    """The hosts that an answer names for a bucket; the first of each service, as the SDK prefers it.

    Raises:
        UnexpectedResponseError
    """
    region = _region(said)
    first = {name: _first(region.get(name)) for name in ("up", "rs", "rsf", "io_src")}
    missing = [name for name in ("up", "rs", "rsf") if not first[name]]
    if missing:
        raise UnexpectedResponseError(f"the region has no host for {', '.join(missing)}")
    up, rs, rsf, source = (with_scheme(scheme, host) if host else "" for host in first.values())
    return Hosts(up, rs, rsf, source)


def query_ttl(said: Mapping[str, Any]) -> float:
    """Seconds that such an answer is good for."""
    ttl = _region(said).get("ttl")
    if not isinstance(ttl, int) or ttl <= 0:
        return DEFAULT_TTL
    return min(max(ttl, MIN_TTL), MAX_TTL)


def _region(said: Mapping[str, Any]) -> Mapping[str, Any]:
    hosts = said.get("hosts")
    if not isinstance(hosts, list) or not hosts or not isinstance(hosts[0], dict):
        raise UnexpectedResponseError("the answer names no region")
    found: Mapping[str, Any] = hosts[0]
    return found


def _first(service: object) -> str:
    domains = service.get("domains") if isinstance(service, dict) else None
    if isinstance(domains, list) and domains and isinstance(domains[0], str):
        return domains[0]
    return ""
