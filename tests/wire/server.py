"""Servers whose every byte a test decides, for both engines: real sockets, one thread a connection."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self

__all__ = [
    "PATIENCE",
    "Hook",
    "Peer",
    "Scripted",
    "Seen",
    "keep_answering",
    "ok",
    "tunnel",
    "wait_until",
]

PATIENCE = 20.0
"""Seconds after which a script that waits for its client gives up: longer than any test waits."""


@dataclass
class Seen:
    """A request as it came."""

    method: str
    target: str
    headers: dict[str, str]
    raw: bytes
    body: bytes = b""
    lines: list[str] = field(default_factory=list)


def ok(body: bytes = b"hello", *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


class Peer:
    """The server's end of a connection."""

    def __init__(self, sock: socket.socket, server: Scripted, number: int) -> None:
        self.sock = sock
        self.server = server
        self.number = number
        self._buffer = b""

    def read_head(self) -> Seen | None:
        """The next request's head; None at the end of the connection."""
        while b"\r\n\r\n" not in self._buffer:
            data = self.sock.recv(65536)
            if not data:
                return None
            self._buffer += data
        raw, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        lines = raw.decode().split("\r\n")
        method, target, _ = lines[0].split(" ")
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(": ")
            headers[name] = value
        seen = Seen(method, target, headers, raw + b"\r\n\r\n", lines=lines)
        self.server.seen.append(seen)
        return seen

    def read_body(self, seen: Seen, limit: int | None = None) -> bytes:
        """The body, or its first `limit` bytes."""
        length = int(seen.headers.get("content-length", "0"))
        wanted = length if limit is None else min(limit, length)
        while len(self._buffer) < wanted:
            data = self.sock.recv(1 << 20)
            if not data:
                break
            self._buffer += data
        seen.body, self._buffer = self._buffer[:wanted], self._buffer[wanted:]
        return seen.body

    def read(self) -> Seen | None:
        seen = self.read_head()
        if seen is not None:
            self.read_body(seen)
        return seen

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def reset(self) -> None:
        """Ends the connection with a RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def wait_for_end(self) -> None:
        """Returns once the client has closed."""
        with suppress(OSError):
            while self.sock.recv(65536):
                pass
        self.server.ends.release()


Hook = Callable[[Peer], None]


class Scripted:
    """Runs `script` for each connection, in a thread; closes it afterwards.

    Attributes:
        seen: the requests that came, in order.
        connections: how many were made.
        ends: released when a `Peer.wait_for_end` returns.
    """

    def __init__(
        self, script: Hook, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
    ) -> None:
        self._script = script
        self._tls = tls
        self.seen: list[Seen] = []
        self.connections = 0
        self.ends = threading.Semaphore(0)
        self.failures: list[BaseException] = []
        self._threads: list[threading.Thread] = []
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server((host, 0), backlog=512)
        self.host = host
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    @property
    def origin(self) -> str:
        return f"{'http' if self._tls is None else 'https'}://{self.host}:{self.port}"

    def _listen(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self.connections += 1
                self._open.add(sock)
            thread = threading.Thread(target=self._serve, args=(sock, self.connections))
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket, number: int) -> None:
        plain = sock
        try:
            sock.settimeout(PATIENCE)
            if self._tls is not None:
                sock = self._tls.wrap_socket(sock, server_side=True)
                with self._lock:
                    self._open.add(sock)
            self._script(Peer(sock, self, number))
        except OSError:
            pass  # the client went away, which is what many tests are about
        except BaseException as exc:
            self.failures.append(exc)
        finally:
            with self._lock:
                self._open -= {sock, plain}
            sock.close()
            plain.close()

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        with self._lock:
            for sock in self._open:
                with suppress(OSError):
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive(), "a script hangs"
        assert self.failures == []

    def wait_for(self, count: int) -> None:
        """Waits until the client has ended so many connections (`Peer.wait_for_end`)."""
        for _ in range(count):
            assert self.ends.acquire(timeout=PATIENCE), "the client did not end its connection"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def keep_answering(answer: bytes = b"") -> Hook:
    """Answers every request of a connection."""

    def script(peer: Peer) -> None:
        while peer.read() is not None:
            peer.send(answer or ok())

    return script


ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"


def tunnel(host: str, port: int) -> Hook:
    """Does what a proxy does: connects, to one server whatever it is asked for, and relays."""

    def relay(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        for sock in (source, sink):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def script(peer: Peer) -> None:
        assert peer.read_head() is not None
        peer.send(ESTABLISHED)
        with socket.create_connection((host, port)) as upstream:
            thread = threading.Thread(target=relay, args=(upstream, peer.sock))
            thread.start()
            relay(peer.sock, upstream)
            thread.join()

    return script


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "what was waited for did not happen"
        time.sleep(0.005)
