"""A server that does as little as it can, so that what is measured is the client.

``python -m benchmarks.null_server --vendor swift`` prints its port and serves until its standard input
ends. One thread takes turns on non-blocking sockets; what it says stands in benchmarks/answers, made
before the first request. It checks nothing and keeps nothing but what a client must read back: what is
written is read and forgotten.
Standard library only.
"""

from __future__ import annotations

import argparse
import json
import re
import selectors
import socket
import ssl
import sys
from collections.abc import Callable

from benchmarks.answers import ANSWERS, Answers, Large
from benchmarks.answers.base import answer
from benchmarks.answers.kept import KEPT_BYTES
from benchmarks.workload import BLOCK_SIZE, content

COUNTS_PATH = b"/counts"
"""Answers what the others did: requests, and bytes of their bodies and of the answers."""

SEND_SIZE = 4 * BLOCK_SIZE
"""About what a socket on loopback takes at once."""
RECEIVE_SIZE = 1024 * 1024
HEAD_LIMIT = 64 * 1024

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
EXPECT = re.compile(rb"\r\nexpect: *100-continue", re.IGNORECASE)
LAST_CHUNK = b"0\r\n"


class Connection:
    """One client's connection: a request is read, then answered, then the next is read."""

    def __init__(self, sock: socket.socket, server: Server) -> None:
        self.sock = sock
        self.server = server
        self.pending = b""  # the beginning of a head
        self.body_left = 0
        self.chunks: bytes | None = None  # of a body in chunks, what is not counted off yet
        self.chunk_left = 0
        self.writing: tuple[bytes, bytes, int | None] = b"", b"", 0  # method, target and size
        self.kept_head: bytes | None = None  # of a write that is to be kept
        self.kept: bytearray | None = None  # of its body, as far as it is there
        self.unsent: memoryview | None = None
        self.large: tuple[int, int] | None = None  # what of the large object is still to be sent

    def on_readable(self) -> None:
        if self.body_left:
            self._receive_body()
            return
        data = self.sock.recv(HEAD_LIMIT)
        if not data:
            self.server.drop(self)
        elif self.chunks is not None:
            self._take_chunks(data)
        else:
            self._take(self.pending + data)

    def _receive_body(self) -> None:
        sink = self.server.sink
        count = self.sock.recv_into(sink, min(self.body_left, len(sink)))
        if not count:
            self.server.drop(self)
            return
        self.body_left -= count
        self.server.received += count
        if self.kept is not None:
            self.kept += sink[:count]
        if not self.body_left:
            self._send(self._reply())

    def _reply(self) -> bytes:
        """To the write whose body is in."""
        method, target, size = self.writing
        if self.kept_head is None:
            return self.server.answers.write(method, target, size)
        body, request = bytes(self.kept or b""), self.kept_head
        self.kept = self.kept_head = None
        return self.server.answers.keep(method, target, request, size or 0, body)

    def _take(self, data: bytes) -> None:
        end = data.find(b"\r\n\r\n")
        if end < 0:
            self.pending = data
            return
        self.pending = b""
        method, target, _ = data.split(b" ", 2)
        if method == b"GET":
            self._get(target, data)
        elif method == b"HEAD":
            self._send(self.server.answers.head(target))
        elif method == b"DELETE":
            self._send(self.server.answers.delete(target))
        else:
            self._write(method, target, data[: end + 2], data[end + 4 :])

    def _get(self, target: bytes, request: bytes) -> None:
        if target == COUNTS_PATH:
            self._send(self.server.counts())
            return
        found = self.server.answers.get(target, request)
        if isinstance(found, Large):
            self.large = found.start, found.end
            self._send(found.head)
        else:
            self._send(found)

    def _write(self, method: bytes, target: bytes, request: bytes, body: bytes) -> None:
        found = LENGTH.search(request)
        length = int(found[1]) if found else 0
        chunked = CHUNKED.search(request)
        self.writing = method, target, None if chunked else length
        if EXPECT.search(request) and not body:
            self.sock.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        if chunked:
            self.chunks = b""
            self._take_chunks(body)
            return
        if target.startswith(self.server.answers.kept):
            self.kept_head = request
            self.kept = bytearray(body) if length <= KEPT_BYTES else None
        self.server.received += len(body)
        self.body_left = length - len(body)
        if not self.body_left:
            self._send(self._reply())

    def _take_chunks(self, data: bytes) -> None:
        """What chunks hold may look like the end of them, so they are counted off."""
        assert self.chunks is not None
        self.server.received += len(data)
        data = self.chunks + data
        while data:
            if self.chunk_left:
                skipped = min(self.chunk_left, len(data))
                self.chunk_left -= skipped
                data = data[skipped:]
                continue
            if data.startswith(LAST_CHUNK):
                if data.endswith(b"\r\n\r\n"):  # possibly after trailers
                    self.chunks = None
                    self._send(self._reply())
                    return
                break
            size, found, rest = data.partition(b"\r\n")
            if not found:
                break
            self.chunk_left = int(size.partition(b";")[0], 16) + len(found)
            data = rest
        self.chunks = data

    def _send(self, data: bytes) -> None:
        self.server.requests += 1
        sent = self.sock.send(data)
        self.server.sent += len(data)
        if sent < len(data) or self.large:
            self.unsent = memoryview(data)[sent:]
            self.on_writable()

    def on_writable(self) -> None:
        """Sends on, until all is sent or the socket takes no more."""
        try:
            while self._fill():
                assert self.unsent is not None
                self.unsent = self.unsent[self.sock.send(self.unsent) :]
        except (BlockingIOError, ssl.SSLWantWriteError):
            self.server.watch(self, selectors.EVENT_WRITE)
        else:
            self.server.watch(self, selectors.EVENT_READ)

    def _fill(self) -> bool:
        """True while there is something to send."""
        if self.unsent:
            return True
        if self.large is None:
            self.unsent = None
            return False
        start, end = self.large
        offset = start % BLOCK_SIZE
        count = min(SEND_SIZE, end - start)
        self.server.sent += count
        self.unsent = self.server.block[offset : offset + count]
        self.large = (start + count, end) if start + count < end else None
        return True


class Server:
    """Takes turns on all connections."""

    def __init__(
        self, kind: type[Answers], tls: ssl.SSLContext | None = None, public: str | None = None
    ) -> None:
        self.requests = self.received = self.sent = 0
        self.block = memoryview(content(BLOCK_SIZE) * (SEND_SIZE // BLOCK_SIZE + 1))
        self.sink = memoryview(bytearray(RECEIVE_SIZE))
        self._tls = tls
        self._selector = selectors.DefaultSelector()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port: int = self._listener.getsockname()[1]
        self.answers = kind(public or f"{'https' if tls else 'http'}://127.0.0.1:{self.port}")
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)

    def serve(self, stop: int) -> None:
        """Until the file descriptor ``stop`` can be read."""
        self._selector.register(stop, selectors.EVENT_READ, sys.exit)
        while True:
            for key, _ in self._selector.select():
                react: Callable[[], None] = key.data
                react()

    def counts(self) -> bytes:
        counts = {"requests": self.requests, "received": self.received, "sent": self.sent}
        made = answer("200 OK", json.dumps(counts))
        self.requests -= 1  # this one does not count
        self.sent -= len(made)
        return made

    def watch(self, connection: Connection, event: int) -> None:
        react = connection.on_readable if event == selectors.EVENT_READ else connection.on_writable
        self._selector.modify(connection.sock, event, self._guarded(connection, react))

    def drop(self, connection: Connection) -> None:
        self._selector.unregister(connection.sock)
        connection.sock.close()

    def _accept(self) -> None:
        sock, _ = self._listener.accept()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._tls:
            try:
                sock = self._tls.wrap_socket(sock, server_side=True)
            except OSError:  # a client that does not trust the certificate: it says so itself
                sock.close()
                return
        sock.setblocking(False)
        connection = Connection(sock, self)
        self._selector.register(
            sock, selectors.EVENT_READ, self._guarded(connection, connection.on_readable)
        )

    def _guarded(self, connection: Connection, react: Callable[[], None]) -> Callable[[], None]:
        def guarded() -> None:
            try:
                react()
            except (BlockingIOError, ssl.SSLWantReadError):
                pass
            except OSError:  # the client has gone
                self.drop(connection)

        return guarded


def main() -> None:
    parser = argparse.ArgumentParser(description="Serves requests as cheaply as it can.")
    parser.add_argument("--vendor", choices=list(ANSWERS), default="s3")
    parser.add_argument("--certificate", help="a file with a certificate and its key: TLS")
    parser.add_argument("--public", help="its URL where answers name it, if not its own")
    chosen = parser.parse_args()
    tls = None
    if chosen.certificate:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(chosen.certificate)
    server = Server(ANSWERS[chosen.vendor], tls, chosen.public)
    print(server.port, flush=True)
    server.serve(sys.stdin.fileno())


if __name__ == "__main__":
    main()
