"""keystoneauth1 and python-swiftclient for the ``swift`` driver: where they connect to, and how.

Both are optional (extra ``cloudstore[swift]``) and slow to import, so they are imported when they are
used. What they send goes over sessions of requests that heed the configuration and nothing of the
environment but the proxies that the wire would take from there.
"""

from __future__ import annotations

import io
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from ..config import Config
from ..errors import ConfigError
from ..extras import modules_of
from ..wire.endpoints import Endpoint, authority_of, parse_origin, proxy_for
from ..wire.tls import SYSTEM

__all__ = ["identity_session", "is_sdk_error", "sdk_module", "storage_connection"]

MAX_ANSWER_BYTES = 4 * 1024 * 1024
"""Of an identity service: a catalogue of a thousand endpoints has a tenth of that."""
CHUNK_BYTES = 64 * 1024

sdk_module = modules_of("swift")


def is_sdk_error(failure: Exception) -> bool:
    """Whether an exception is one of theirs."""
    package = type(failure).__module__.partition(".")[0]
    return package in ("keystoneauth1", "swiftclient", "requests", "urllib3")


@contextmanager
def identity_session(config: Config, plugin: Any) -> Iterator[Any]:
    """A session of keystoneauth that asks once and follows nobody elsewhere."""
    requests = sdk_module("requests")
    with requests.Session() as session:
        yield _keystone(config, plugin, session)


def storage_connection(config: Config, plugin: Any, **options: Any) -> Any:
    """A ``swiftclient.Connection``.

    Args:
        plugin: renews the token; None: nobody does.
        options: of the connection.
    """
    base: Any = sdk_module("swiftclient.client").Connection

    class Connection(base):  # type: ignore[misc]
        """One that heeds the proxy and the certificates of the configuration."""

        def http_connection(self, url: str | None = None) -> Any:
            parsed, made = super().http_connection(url)
            _mount(made.request_session, config, made.url)
            made.requests_args["verify"] = _trusted(config)
            return parsed, made

    requests = sdk_module("requests")
    session = None if plugin is None else _keystone(config, plugin, requests.Session())
    return Connection(
        retries=0, starting_backoff=0, timeout=_timeout(config), session=session, **options
    )


def _keystone(config: Config, plugin: Any, session: Any) -> Any:
    _mount(session, config, plugin.auth_url, whole=True)
    base: Any = sdk_module("keystoneauth1.session").Session

    class Keystone(base):  # type: ignore[misc]
        def invalidate(self, auth: Any = None) -> bool:
            """There is another token to be had, also in the place of one that it did not fetch."""
            super().invalidate(auth)
            return True

    keystone = Keystone(
        auth=plugin, session=session, verify=_trusted(config), redirect=False, user_agent="cloudstore"
    )
    keystone.timeout = _timeout(config)  # its constructor wants one number
    return keystone


def _mount(session: Any, config: Config, url: str, *, whole: bool = False) -> None:
    """Has a session of requests go where the wire goes: no ``.netrc``, no certificates of the
    environment, no proxy but the wire's."""
    session.trust_env = False
    if whole:
        session.headers["Accept-Encoding"] = "identity"
    parts = urlsplit(url)
    adapter = _adapter(config, f"{parts.scheme}://{parts.netloc}", whole=whole)
    for scheme in ("http://", "https://"):
        session.mount(scheme, adapter)


def _timeout(config: Config) -> Any:
    """As requests takes it; with a bound for both together where the configuration has one."""
    timeouts = config.timeouts
    if timeouts.total is None:
        return timeouts.connect, timeouts.first_byte
    bounded = sdk_module("urllib3").Timeout
    return bounded(total=timeouts.total, connect=timeouts.connect, read=timeouts.first_byte)


def _trusted(config: Config) -> str | bool:
    """What the wire trusts, as requests takes it."""
    if config.verify and config.ca_file == SYSTEM:
        import ssl

        paths = ssl.get_default_verify_paths()
        found = paths.cafile or paths.capath
        if found is None:
            raise ConfigError("this machine has no certificates of its own", vendor="swift")
        return found
    return (config.ca_file or True) if config.verify else False


def _adapter(config: Config, origin: str, *, whole: bool = False) -> Any:
    """Transport for requests to an origin, by the proxy that the wire would take.

    Args:
        whole: reads an answer at once, within bounds.
    """
    base: Any = sdk_module("requests.adapters").HTTPAdapter
    proxy = proxy_for(parse_origin(origin), config.proxy)
    seconds = min(config.timeouts.first_byte, config.timeouts.total or math.inf)

    class Adapter(base):  # type: ignore[misc]
        def send(self, request: Any, stream: bool = False, **options: Any) -> Any:
            if proxy is not None:
                where = authority_of(Endpoint(proxy.host, proxy.port, False), always_port=True)
                options["proxies"] = dict.fromkeys(("http", "https"), f"http://{where}")
            answer = super().send(request, stream=stream or whole, **options)
            if whole:
                answer.raw = _read(answer, time.monotonic() + seconds)
            return answer

        def proxy_headers(self, url: str) -> dict[str, str]:
            if proxy is None or proxy.authorization is None:
                return {}
            return {"Proxy-Authorization": proxy.authorization}

    return Adapter(max_retries=0)


def _read(answer: Any, end: float) -> io.BytesIO:
    """The body of an answer, which is neither endless nor takes for ever."""
    failures = sdk_module("requests.exceptions")
    read = getattr(answer.raw, "read1", answer.raw.read)  # not before urllib3 2.1
    body = io.BytesIO()
    try:
        while chunk := read(CHUNK_BYTES, decode_content=False):
            body.write(chunk)
            if body.tell() > MAX_ANSWER_BYTES or time.monotonic() > end:
                raise failures.ConnectionError("the answer is too long")
    except sdk_module("urllib3.exceptions").HTTPError as exc:
        raise failures.ConnectionError(f"the answer broke off ({type(exc).__name__})") from exc
    finally:
        answer.raw.close()
    body.seek(0)
    return body
