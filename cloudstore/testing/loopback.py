"""A small HTTP/1.1 server on 127.0.0.1, for simulators of vendors: many ports, one handler.

It reads a request whole, hands it to the handler, and delivers the answer: in full, late, slowly, cut
off, or not at all. One thread accepts on all ports, and each connection has a thread of its own, kept
alive. It is for tests: bodies are in memory, and it never listens on anything but loopback.
"""

from __future__ import annotations

import errno
import logging
import re
import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, Self

__all__ = ["Buffer", "Delivery", "LoopbackServer", "Request", "Response"]

Buffer = bytes | bytearray | memoryview

HOST = "127.0.0.1"
MAX_HEAD_BYTES = 64 * 1024
"""A request head, or a line of a chunked body, that is longer is refused."""
READ_BYTES = 64 * 1024
JOINED_BYTES = 64 * 1024
"""An answer up to this size leaves in one piece; the parts of a larger one are not copied."""
MAX_LENGTH_DIGITS = 18
"""Longer numbers are not even converted."""
BACKLOG = 128
LINGER_SECONDS = 2.0
LINGER_BYTES = 1024 * 1024
"""For how long, and how much, a refused client may go on sending: else it would see a reset, and never
the answer."""
SLICES_PER_SECOND = 50
"""A slow answer moves in so many pieces a second."""

HEX = re.compile(rb"[0-9A-Fa-f]{1,15}")

log = logging.getLogger("cloudstore")


@dataclass(slots=True)
class Request:
    """What a client sent.

    Attributes:
        port: which of the server's ports it came to.
        target: path and query, as sent.
        headers: by lower-case name; the values of a name that came twice are joined by ``", "``.
        body: whole.
    """

    port: int
    method: str
    target: str
    headers: dict[str, str]
    body: bytes | bytearray

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        """What follows the first ``?``."""
        return self.target.partition("?")[2]


@dataclass(frozen=True, slots=True)
class Delivery:
    """How an answer goes out.

    Attributes:
        delay: seconds before its first byte.
        rate: bytes a second.
        cut_after: so many bytes of it, head and body, are sent, then the connection is reset.
    """

    delay: float = 0.0
    rate: float | None = None
    cut_after: int | None = None


AT_ONCE = Delivery()


@dataclass(slots=True)
class Response:
    """What the client gets. The server adds Date, Content-Length and Connection."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Buffer | Sequence[Buffer] = b""
    delivery: Delivery = AT_ONCE

    def buffers(self) -> Sequence[Buffer]:
        """The body, in pieces."""
        return [self.body] if isinstance(self.body, Buffer) else self.body


class _Malformed(Exception):
    """A request that cannot be read on: answered with a status, and the connection ends."""

    def __init__(self, status: int) -> None:
        super().__init__(str(status))
        self.status = status


class LoopbackServer:
    """Serves until it is closed. A context manager.

    Args:
        handler: answers a request; called in the thread of its connection.
        max_body: a longer body is refused with 413.
        refusal: the answer, of this status, to what is no request that the handler could get.
    """

    def __init__(
        self,
        handler: Callable[[Request], Response],
        *,
        max_body: int,
        refusal: Callable[[int], Response] = Response,
    ) -> None:
        self.handler = handler
        self.max_body = max_body
        self.refusal = refusal
        self.closing = threading.Event()
        self._guard = threading.Lock()
        self._connections: dict[socket.socket, threading.Thread] = {}
        self._listeners: dict[int, socket.socket] = {}
        self._retired: list[tuple[socket.socket, threading.Event]] = []
        self._selector = selectors.DefaultSelector()
        self._waker, self._woken = socket.socketpair()
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._accept, name="loopback-accept", daemon=True)
        self._thread.start()

    def listen(self, port: int = 0) -> int:
        """Takes a port, 0 for a free one, and says which.

        Raises:
            OSError: it is taken, or the server is closed.
        """
        listener = socket.create_server((HOST, port), backlog=BACKLOG)
        listener.setblocking(False)
        taken: int = listener.getsockname()[1]
        with self._guard:
            if self.closing.is_set():
                listener.close()
                raise OSError(errno.ESHUTDOWN, "the server is closed")
            self._listeners[taken] = listener
        self._wake()
        return taken

    def unlisten(self, port: int) -> None:
        """Gives a port back; connections that came by it go on. Unknown ports are nothing to do."""
        with self._guard:
            listener = self._listeners.pop(port, None)
            if listener is None:
                return
            gone = threading.Event()
            self._retired.append((listener, gone))
        self._wake()
        gone.wait()  # the accepting thread lets go of all that is retired, also as it ends

    def close(self) -> None:
        """Stops listening and ends all connections; any number of times."""
        with self._guard:
            if self.closing.is_set():
                return
            self.closing.set()
        self._wake()
        self._thread.join()
        with self._guard:
            connections = dict(self._connections)
        for connection in connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in connections.values():
            thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # --- the accepting thread ---

    def _wake(self) -> None:
        with suppress(OSError):
            self._waker.send(b"!")

    def _accept(self) -> None:
        try:
            while not self.closing.is_set():
                self._follow()
                for key, _ in self._selector.select():
                    if key.fileobj is self._woken:
                        self._woken.recv(READ_BYTES)
                    else:
                        self._take(key.fileobj, key.data)
        finally:
            with self._guard:
                listeners = list(self._listeners.values())
                self._listeners.clear()
            self._follow()  # from here on nothing is retired: there are no listeners left
            self._selector.close()
            for one in (*listeners, self._waker, self._woken):
                one.close()

    def _follow(self) -> None:
        """Registers new listeners and lets go of retired ones: only this thread uses the selector."""
        with self._guard:
            retired, self._retired = self._retired, []
            wanted = dict(self._listeners)
        registered = self._selector.get_map()
        for listener, gone in retired:
            if listener.fileno() in registered:
                self._selector.unregister(listener)
            listener.close()
            gone.set()
        for port, listener in wanted.items():
            if listener.fileno() not in registered:
                self._selector.register(listener, selectors.EVENT_READ, port)

    def _take(self, listener: Any, port: int) -> None:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        connection.setblocking(True)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        thread = threading.Thread(
            target=self._serve, args=(connection, port), name="loopback", daemon=True
        )
        with self._guard:
            self._connections[connection] = thread
        thread.start()

    def _serve(self, connection: socket.socket, port: int) -> None:
        try:
            with suppress(OSError):
                _Connection(self, connection, port).serve()
        except Exception:
            log.exception("a connection of a simulator failed")
        finally:
            with self._guard:
                self._connections.pop(connection, None)
            connection.close()


class _Connection:
    """One connection, in its thread."""

    def __init__(self, server: LoopbackServer, connection: socket.socket, port: int) -> None:
        self._server = server
        self._socket = connection
        self._port = port
        self._buffer = bytearray()

    def serve(self) -> None:
        while not self._server.closing.is_set():
            try:
                request = self._read_request()
            except _Malformed as exc:
                self._deliver(self._server.refusal(exc.status), head_only=False, last=True)
                self._linger()
                return
            if request is None:
                return
            last = request.headers.get("connection", "").lower() == "close"
            response = self._server.handler(request)
            if not self._deliver(response, head_only=request.method == "HEAD", last=last) or last:
                return

    # --- reading ---

    def _read_request(self) -> Request | None:
        head = self._read_until(b"\r\n\r\n")
        if head is None:
            return None
        first, *lines = head.decode("latin-1").split("\r\n")
        words = first.split(" ")
        if len(words) != 3 or words[2] not in ("HTTP/1.1", "HTTP/1.0"):
            raise _Malformed(HTTPStatus.BAD_REQUEST)
        headers: dict[str, str] = {}
        for line in lines:
            name, colon, value = line.partition(":")
            if not colon or not name or name != name.strip():
                raise _Malformed(HTTPStatus.BAD_REQUEST)
            name, value = name.lower(), value.strip(" \t")
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        if words[2] == "HTTP/1.0":
            headers["connection"] = "close"
        return Request(self._port, words[0], words[1], headers, self._read_body(headers))

    def _read_body(self, headers: Mapping[str, str]) -> bytes | bytearray:
        length = headers.get("content-length")
        coding = headers.get("transfer-encoding")
        if length is None and coding is None:
            return b""
        if coding is not None:
            if coding.lower() != "chunked" or length is not None:
                raise _Malformed(HTTPStatus.BAD_REQUEST)
            self._go_on(headers)
            return self._read_chunks()
        assert length is not None
        if not (length.isascii() and length.isdigit()):
            raise _Malformed(HTTPStatus.BAD_REQUEST)
        if len(length) > MAX_LENGTH_DIGITS or int(length) > self._server.max_body:
            raise _Malformed(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        self._go_on(headers)
        return self._read_exactly(int(length))

    def _go_on(self, headers: Mapping[str, str]) -> None:
        if headers.get("expect", "").lower() == "100-continue":
            self._socket.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _read_chunks(self) -> bytearray:
        body = bytearray()
        while True:
            line = self._read_until(b"\r\n")
            if line is None:
                raise ConnectionError("the client went away in the middle of its body")
            digits = line.partition(b";")[0].rstrip(b" \t")
            if HEX.fullmatch(digits) is None:
                raise _Malformed(HTTPStatus.BAD_REQUEST)
            size = int(digits, 16)
            if len(body) + size > self._server.max_body:
                raise _Malformed(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            if size == 0:
                while self._read_until(b"\r\n"):
                    pass
                return body
            body += self._read_exactly(size)
            if self._read_exactly(2) != b"\r\n":  # RFC 9112 §7.1
                raise _Malformed(HTTPStatus.BAD_REQUEST)

    def _read_until(self, end: bytes) -> bytes | None:
        """What comes before `end`; None if the client went away before it began."""
        looked = 0
        while (at := self._buffer.find(end, looked)) < 0:
            looked = max(0, len(self._buffer) - len(end) + 1)
            if len(self._buffer) > MAX_HEAD_BYTES:
                raise _Malformed(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
            data = self._socket.recv(READ_BYTES)
            if not data:
                return None
            self._buffer += data
        found = bytes(self._buffer[:at])
        del self._buffer[: at + len(end)]
        return found

    def _read_exactly(self, size: int) -> bytes | bytearray:
        have = min(size, len(self._buffer))
        if have == size:
            body = bytes(self._buffer[:size])
            del self._buffer[:size]
            return body
        whole = bytearray(size)
        whole[:have] = self._buffer[:have]
        self._buffer.clear()
        with memoryview(whole) as rest:
            while have < size:
                read = self._socket.recv_into(rest[have:])
                if not read:
                    raise ConnectionError("the client went away in the middle of its body")
                have += read
        return whole

    # --- answering ---

    def _deliver(self, response: Response, *, head_only: bool, last: bool) -> bool:
        """Whether the connection can go on."""
        pieces = response.buffers()
        size = sum(map(len, pieces))
        if head_only or response.status in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED):
            pieces = ()
        length = None if response.status == HTTPStatus.NO_CONTENT else size
        head = _head(response, length, last)
        if response.delivery is not AT_ONCE:
            return self._deliver_badly([head, *pieces], response.delivery)
        if size <= JOINED_BYTES:
            self._socket.sendall(b"".join([head, *pieces]))
        else:
            self._socket.sendall(head)
            for piece in pieces:
                self._socket.sendall(piece)
        return True

    def _deliver_badly(self, pieces: Sequence[Buffer], delivery: Delivery) -> bool:
        if delivery.delay and self._server.closing.wait(delivery.delay):
            return False
        whole = memoryview(b"".join(pieces))
        if delivery.cut_after is not None:
            whole = whole[: delivery.cut_after]
        step = len(whole)
        if delivery.rate is not None:
            step = int(delivery.rate / SLICES_PER_SECOND)
        step = max(1, step)
        for at in range(0, len(whole), step):
            self._socket.sendall(whole[at : at + step])
            if delivery.rate is not None and self._server.closing.wait(1 / SLICES_PER_SECOND):
                return False
        if delivery.cut_after is None:
            return True
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False

    def _linger(self) -> None:
        self._socket.shutdown(socket.SHUT_WR)
        self._socket.settimeout(LINGER_SECONDS)
        left = LINGER_BYTES
        while left > 0 and (data := self._socket.recv(READ_BYTES)):
            left -= len(data)


def _head(response: Response, length: int | None, last: bool) -> bytes:
    lines = [
        f"HTTP/1.1 {response.status} {_phrase(response.status)}",
        f"Date: {_date(int(time.time()))}",
    ]
    for name, value in response.headers.items():
        if "\n" in value or "\r" in value:
            raise ValueError(f"the header {name} has a line break")
        lines.append(f"{name}: {value}")
    if length is not None:
        lines.append(f"Content-Length: {length}")
    if last:
        lines.append("Connection: close")
    lines.append("\r\n")
    return "\r\n".join(lines).encode("utf-8")


def _date(second: int) -> str:
    return formatdate(second, usegmt=True)


def _phrase(status: int) -> str:
    """Vendors invent statuses."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return f"status code {status}"
