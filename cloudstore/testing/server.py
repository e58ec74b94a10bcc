"""A development server: presigned URLs of the embedded drivers, served over HTTP on this machine.

`memory` and `file` sign URLs (see `development_urls`) that no vendor serves. `DevelopmentServer` does,
so that an application which hands out presigned URLs runs, and is tested, without a cloud. It reads
and writes through the verbs of the `Store` it is given, and listens on loopback only: it is no server
for production.
"""

from __future__ import annotations

import ipaddress
import logging
import re
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from email.parser import BytesHeaderParser
from email.utils import format_datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType
from typing import Any, Self, cast
from urllib.parse import parse_qsl, unquote

from ..config import Secret
from ..development_urls import check_development_form, check_development_url
from ..driver import Driver
from ..errors import (
    CloudStoreError,
    InvalidArgumentError,
    NotFoundError,
    PermissionDeniedError,
    RangeNotSatisfiableError,
    TooLargeError,
)
from ..object import Object
from ..pass_through import PassThroughDriver
from ..store import Store

__all__ = ["DevelopmentServer"]

MAX_BODY_BYTES = 256 * 1024 * 1024
"""The largest body that is taken, because it is held in memory; a larger one is answered by 413."""

MAX_LENGTH_DIGITS = 18
"""Longer numbers are not even converted."""

IDLE_SECONDS = 30
"""A connection on which nothing moves for so long is closed."""

LINGER_SECONDS = 2.0
LINGER_BYTES = 1024 * 1024
"""For how long, and how much, a refused client may go on sending: a connection that is closed while it
sends is reset, and it would never see the answer."""

POLL_SECONDS = 0.02
"""How often the listening thread looks whether it shall stop: this long `close` may wait for it."""

CHUNK_BYTES = 256 * 1024
"""How much of an object is in memory while it is sent."""

_STATUS: Mapping[type[CloudStoreError], HTTPStatus] = MappingProxyType(
    {
        PermissionDeniedError: HTTPStatus.FORBIDDEN,
        NotFoundError: HTTPStatus.NOT_FOUND,
        RangeNotSatisfiableError: HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
        TooLargeError: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        InvalidArgumentError: HTTPStatus.BAD_REQUEST,
    }
)

log = logging.getLogger("cloudstore")


class DevelopmentServer:
    """Serves the presigned URLs of a store of an embedded driver, until it is closed.

    `url` is what ``public_url`` of the store's configuration must say. A store is configured before it
    can be served, so give the port in both places::

        store = Store(MemoryConfig(public_url="http://127.0.0.1:8642"))
        with DevelopmentServer(store, port=8642):
            ...

    It answers GET (with ``Range``), HEAD by a URL signed for GET, PUT, DELETE, and form uploads by
    POST; what was not signed so, or has expired, gets 403. The store is not closed with the server.

    Args:
        store: of a driver that signs development URLs.
        host: an IPv4 loopback address.
        port: 0 takes a free one.

    Raises:
        InvalidArgumentError: the store's driver signs no such URLs, or `host` is not loopback.
        OSError: the port is taken.
    """

    def __init__(self, store: Store, host: str = "127.0.0.1", port: int = 0) -> None:
        secret = _secret_of(store._driver)
        if not isinstance(secret, Secret):
            raise InvalidArgumentError(f"{store._driver.scheme} signs no development URLs")
        if not _is_loopback(host):
            raise InvalidArgumentError(f"a development server listens on loopback only, not {host!r}")
        self._server = _Server((host, port), store, secret)
        self._closed = False
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(POLL_SECONDS,), name="cloudstore-development"
        )
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it listens, such as ``"http://127.0.0.1:8642"``."""
        host, port = cast(tuple[str, int], self._server.server_address[:2])
        return f"http://{host}:{port}"

    def close(self) -> None:
        """Stops listening and ends its threads, after the answers they are at; any number of times."""
        if not self._closed:
            self._closed = True
            self._server.shutdown()
            self._thread.join()
            self._server.hang_up()
            self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<DevelopmentServer: {self.url}>"


def _secret_of(driver: Driver) -> object:
    """What a driver signs with, or the one below it."""
    secret: object = getattr(driver, "development_secret", None)
    if secret is None and isinstance(driver, PassThroughDriver):
        return _secret_of(driver.inner)
    return secret


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.IPv4Address(host).is_loopback
    except ValueError:
        return False


class _Server(ThreadingHTTPServer):
    """One thread a connection; `server_close` waits for them all."""

    daemon_threads = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], store: Store, secret: Secret) -> None:
        self.store = store
        self.secret = secret
        self._connections: set[Any] = set()
        self._guard = threading.Lock()
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Binds without `HTTPServer`'s look-up of the host's name, which may take seconds."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = cast(tuple[str, int], self.server_address[:2])

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._guard:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._guard:
            self._connections.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """Lets every connection see its end: one that is idle stops waiting for a request."""
        with self._guard:
            for connection in self._connections:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RD)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Called while an exception is handled: a client that went away is not worth a word."""
        level = logging.DEBUG if isinstance(sys.exception(), OSError) else logging.ERROR
        log.log(level, "a connection of the development server failed", exc_info=True)


class _Refused(Exception):
    """A request that is answered by a status alone."""

    def __init__(self, status: HTTPStatus, why: str) -> None:
        super().__init__(why)
        self.status = status
        self.why = why


class _Handler(BaseHTTPRequestHandler):
    """One connection. Each ``do_`` method answers one request."""

    protocol_version = "HTTP/1.1"
    timeout = IDLE_SECONDS
    disable_nagle_algorithm = True
    _is_refused_early = False
    server: _Server

    def do_GET(self) -> None:
        self._answer(self._get)

    def do_HEAD(self) -> None:
        self._answer(self._head)

    def do_PUT(self) -> None:
        self._answer(self._put)

    def do_DELETE(self) -> None:
        self._answer(self._delete)

    def do_POST(self) -> None:
        self._answer(self._post)

    def finish(self) -> None:
        with suppress(OSError):
            if self.close_connection and self._is_refused_early:
                self._linger()
        super().finish()

    def _linger(self) -> None:
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_WR)
        self.connection.settimeout(LINGER_SECONDS)
        left = LINGER_BYTES
        while left > 0 and (data := self.rfile.read1(CHUNK_BYTES)):
            left -= len(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing: a request line holds a signature."""

    def _answer(self, verb: Any) -> None:
        self._begun = False
        try:
            # Always read, even to be refused: else a client that is still sending sees a reset.
            verb(self._read_body())
        except _Refused as exc:
            self._refuse(exc.status, exc.why)
        except CloudStoreError as exc:
            if self._begun:
                # Too late for a status: the client sees that the body is short.
                self.close_connection = True
                return
            found = next((s for kind, s in _STATUS.items() if isinstance(exc, kind)), None)
            self._refuse(found or HTTPStatus.INTERNAL_SERVER_ERROR, exc.message)

    def _refuse(self, status: HTTPStatus, why: str, **headers: str) -> None:
        text = f"{why or status.phrase}\n".encode()
        self._start(status, {"Content-Type": "text/plain; charset=utf-8", **headers}, len(text))
        if self.command != "HEAD":
            self.wfile.write(text)

    def _start(self, status: HTTPStatus, headers: Mapping[str, str | None], length: int | None) -> None:
        self._begun = True
        self.send_response(status)
        for name, value in headers.items():
            if value is not None:
                self.send_header(name, value)
        if length is not None:
            self.send_header("Content-Length", str(length))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()

    # --- what was asked ---

    def _target(self) -> tuple[str, str, dict[str, str]]:
        """Bucket, key and query: each decoded once, nothing of it normalised."""
        path, _, query = self.path.partition("?")
        bucket, _, key = path.removeprefix("/").partition("/")
        try:
            names = unquote(bucket, errors="strict"), unquote(key, errors="strict")
        except UnicodeDecodeError:
            raise _Refused(HTTPStatus.BAD_REQUEST, "the path is not UTF-8") from None
        return *names, dict(parse_qsl(query, keep_blank_values=True))

    def _allowed(self, method: str) -> tuple[str, str, Mapping[str, object]]:
        bucket, key, query = self._target()
        claims = check_development_url(
            self.server.secret,
            method,
            bucket,
            key,
            query,
            self.headers.get("Content-Type"),
            time.time(),
        )
        return bucket, key, claims

    def _read_body(self) -> bytes:
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers:
            raise self._refused_early(HTTPStatus.LENGTH_REQUIRED, "send a Content-Length")
        if not (length.isascii() and length.isdigit()):
            raise self._refused_early(HTTPStatus.BAD_REQUEST, "the Content-Length is no number")
        if len(length) > MAX_LENGTH_DIGITS or int(length) > MAX_BODY_BYTES:
            raise self._refused_early(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"more than {MAX_BODY_BYTES} bytes"
            )
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            raise ConnectionError("the client went away in the middle of its body")
        return body

    def _refused_early(self, status: HTTPStatus, why: str) -> _Refused:
        """A refusal with the body unread: there can be no further request on this connection."""
        self.close_connection = self._is_refused_early = True
        return _Refused(status, why)

    # --- the verbs ---

    def _get(self, body: bytes) -> None:
        bucket, key, claims = self._allowed("GET")
        asked = _asked_range(self.headers.get("Range"))
        try:
            found = self.server.store.get_object(bucket, key, start=asked[0], end=asked[1])
        except RangeNotSatisfiableError as exc:
            size = self.server.store.head_object(bucket, key).size
            headers = {"Content-Range": f"bytes */{size}"}
            self._refuse(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, exc.message, **headers)
            return
        with found:
            start, end = _sent_range(found.size, *asked)
            headers_of = _headers(found, claims)
            status = HTTPStatus.OK
            if end - start < found.size:
                status = HTTPStatus.PARTIAL_CONTENT
                headers_of["Content-Range"] = f"bytes {start}-{end - 1}/{found.size}"
            self._start(status, headers_of, end - start)
            for chunk in found.iter_chunks(CHUNK_BYTES):
                self.wfile.write(chunk)

    def _head(self, body: bytes) -> None:
        bucket, key, claims = self._allowed("GET")
        found = self.server.store.head_object(bucket, key)
        self._start(HTTPStatus.OK, _headers(found, claims), found.size)

    def _put(self, body: bytes) -> None:
        bucket, key, _ = self._allowed("PUT")
        made = self.server.store.create_object(
            bucket, key, body, content_type=self.headers.get("Content-Type")
        )
        self._start(HTTPStatus.OK, {"ETag": _quoted(made.etag)}, 0)

    def _delete(self, body: bytes) -> None:
        bucket, key, _ = self._allowed("DELETE")
        self.server.store.delete_object(bucket, key)
        self._start(HTTPStatus.NO_CONTENT, {}, None)

    def _post(self, body: bytes) -> None:
        bucket, _, _ = self._target()
        fields, file = _form(self.headers.get("Content-Type", ""), body)
        check_development_form(self.server.secret, bucket, fields, len(file), time.time())
        made = self.server.store.create_object(
            bucket, fields["key"], file, content_type=fields.get("Content-Type")
        )
        self._start(HTTPStatus.NO_CONTENT, {"ETag": _quoted(made.etag)}, None)


def _headers(found: Object, claims: Mapping[str, object]) -> dict[str, str | None]:
    disposition = claims["content_disposition"] or found.content_disposition
    modified = found.last_modified
    return {
        "Content-Type": found.content_type,
        "Content-Encoding": found.content_encoding,
        "Content-Disposition": None if disposition is None else str(disposition),
        "Cache-Control": found.cache_control,
        "ETag": _quoted(found.etag),
        "Last-Modified": None if modified is None else format_datetime(modified, usegmt=True),
        "Accept-Ranges": "bytes",
    }


def _quoted(etag: str | None) -> str | None:
    return None if etag is None else f'"{etag}"'


_DIGITS = rf"(\d{{1,{MAX_LENGTH_DIGITS}}})"
_RANGE = re.compile(f"bytes=(?:{_DIGITS}-{_DIGITS}?|-{_DIGITS})", re.ASCII)


def _asked_range(header: str | None) -> tuple[int | None, int | None]:
    """``[start, end)`` of a Range header; one of several ranges, or a wrong one, asks for everything.

    RFC 9110 §14.2 lets a server ignore the field.
    """
    match = _RANGE.fullmatch(header or "")
    if match is None:
        return None, None
    first, last, suffix = match.groups()
    if suffix is not None:
        return (-int(suffix), None) if int(suffix) else (None, None)
    if not last:
        return int(first), None
    return (int(first), int(last) + 1) if int(last) >= int(first) else (None, None)


def _sent_range(size: int, start: int | None, end: int | None) -> tuple[int, int]:
    """Which bytes the store sends for what was asked."""
    first = start or 0
    if first < 0:
        first = max(0, size + first)
    return first, size if end is None else min(end, size)


# --- forms (RFC 7578) -----------------------------------------------------------------------------


def _form(content_type: str, body: bytes) -> tuple[dict[str, str], bytes]:
    """The fields of a form upload that stand before its file, and the file's bytes, exact."""
    header = BytesHeaderParser().parsebytes(b"Content-Type: " + content_type.encode("latin-1"))
    boundary = header.get_boundary()
    if header.get_content_type() != "multipart/form-data" or boundary is None:
        raise _Refused(HTTPStatus.BAD_REQUEST, "a form upload is multipart/form-data")
    fields: dict[str, str] = {}
    for name, value in _parts(body, boundary.encode()):
        if name == "file":
            return fields, value
        try:
            fields[name] = value.decode()
        except UnicodeDecodeError:
            raise _Refused(HTTPStatus.BAD_REQUEST, f"the field {name!r} is not UTF-8") from None
    raise _Refused(HTTPStatus.BAD_REQUEST, "the form has no field 'file'")


def _parts(body: bytes, boundary: bytes) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of each part. The split is ours: `email` would parse a file that is a mail."""
    pieces = (b"\r\n" + body).split(b"\r\n--" + boundary)
    for piece in pieces[1:]:
        if piece.startswith(b"--"):
            return
        head, found, value = piece.partition(b"\r\n\r\n")
        if not found:
            break
        headers = BytesHeaderParser().parsebytes(head.lstrip(b" \t").removeprefix(b"\r\n"))
        name = headers.get_param("name", header="content-disposition")
        if not isinstance(name, str):
            break
        yield name, value
    raise _Refused(HTTPStatus.BAD_REQUEST, "the form is broken off or malformed")
