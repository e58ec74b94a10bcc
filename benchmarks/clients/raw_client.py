"""Sockets and requests made beforehand: what server and kernel alone cost, the limit of all clients."""

from __future__ import annotations

import re
import socket
import threading
from pathlib import Path

from benchmarks.workload import BUCKET, LARGE, LARGE_SIZE, LISTED, SMALL, SMALL_SIZE

from .interface import COPY_SIZE, BlockingClient, Server

__all__ = ["Blocking"]

SIGNED = {
    "s3": "x-amz-content-sha256: " + "0" * 64 + "\r\n"
    "x-amz-date: 20260102T030405Z\r\n"
    "authorization: AWS4-HMAC-SHA256 " + "0" * 220 + "\r\n",
    "swift": "x-auth-token: AUTH_tk0123456789abcdef0123456789abcdef\r\n",
    "qiniu": "authorization: Qiniu AKIDEXAMPLE:" + "0" * 28 + "\r\nx-qiniu-date: 20260102T030405Z\r\n",
}
"""About as many bytes as a signed request has."""

SIZE_FIELDS = {"s3": b"Content-Length: ", "swift": b"Content-Length: ", "qiniu": b'"fsize": '}
"""What comes before the size in an answer to a look at an object."""

ROWS = {"s3": b"<Key>", "swift": b'"name": ', "qiniu": b'"key": '}
"""What every row of a listing has once."""

READ_SIZE = 65536


class Requests:
    """The requests to a server."""

    def __init__(self, server: Server) -> None:
        self.server = server
        folder = {"s3": f"/{BUCKET}/", "swift": f"/v1/AUTH_bench/{BUCKET}/", "qiniu": "/"}[
            server.vendor
        ]
        self.get = self._made("GET", folder + SMALL)
        self.download = self._made("GET", folder + LARGE)
        listed = "/list" if server.vendor == "qiniu" else folder.removesuffix("/")
        self.page = self._made("GET", f"{listed}?prefix={LISTED}")
        if server.vendor == "qiniu":
            self.head = self._made("GET", "/stat/" + "0" * 16)
            self.put = self._made("POST", "/", SMALL_SIZE)
            upload = f"/buckets/{BUCKET}/objects/0000/uploads/0123456789abcdef01234567/1"
        else:
            self.head = self._made("HEAD", folder + SMALL)
            self.put = self._made("PUT", folder + SMALL, SMALL_SIZE)
            upload = folder + LARGE
        self.upload = self._made("PUT", upload, LARGE_SIZE)

    def _made(self, method: str, target: str, length: int | None = None) -> bytes:
        more = "" if length is None else f"content-length: {length}\r\n"
        signed = SIGNED[self.server.vendor]
        return f"{method} {target} HTTP/1.1\r\nhost: {self.server.host}\r\n{signed}{more}\r\n".encode()


class Blocking(BlockingClient):
    def __init__(self, server: Server) -> None:
        name, _, port = server.host.partition(":")
        self.address = name, int(port)
        self.local = threading.local()
        self.requests = Requests(server)
        self.size_field = SIZE_FIELDS[server.vendor]
        self.row = ROWS[server.vendor]

    def _socket(self) -> socket.socket:
        """This thread's connection."""
        try:
            sock: socket.socket = self.local.sock
        except AttributeError:
            sock = self.local.sock = socket.create_connection(self.address)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def _exchange(self, data: bytes) -> bytes:
        """The answer, which comes in one piece."""
        sock = self._socket()
        sock.sendall(data)
        return sock.recv(READ_SIZE)

    def get(self) -> int:
        answer = self._exchange(self.requests.get)
        return len(answer) - answer.index(b"\r\n\r\n") - 4

    def put(self, data: bytes) -> int:
        self._exchange(self.requests.put + data)
        return len(data)

    def head(self) -> int:
        answer = self._exchange(self.requests.head)
        _, _, after = answer.partition(self.size_field)
        return int(re.split(rb"[\r,]", after, maxsplit=1)[0])

    def page(self) -> int:
        sock = self._socket()
        answer = self._exchange(self.requests.page)
        head, _, body = answer.partition(b"\r\n\r\n")
        left = int(head.partition(b"Content-Length: ")[2]) - len(body)
        count, tail = 0, body
        while True:
            count += tail.count(self.row)
            if not left:
                return count
            more = sock.recv(READ_SIZE)
            left -= len(more)
            tail = tail[1 - len(self.row) :] + more

    def download(self, path: Path) -> None:
        first = self._exchange(self.requests.download)
        sock, buffer = self._socket(), memoryview(bytearray(COPY_SIZE))
        with path.open("wb") as file:
            left = LARGE_SIZE - file.write(first[first.index(b"\r\n\r\n") + 4 :])
            while left:
                left -= file.write(buffer[: sock.recv_into(buffer)])

    def upload(self, path: Path) -> None:
        sock = self._socket()
        sock.sendall(self.requests.upload)
        with path.open("rb") as file:
            sock.sendfile(file)
        sock.recv(READ_SIZE)
