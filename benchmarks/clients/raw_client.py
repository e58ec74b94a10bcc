"""Sockets and requests made beforehand: what server and kernel alone cost, the limit of all clients."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

from benchmarks.workload import BUCKET, LARGE, LARGE_SIZE, SMALL, SMALL_SIZE

from .interface import COPY_SIZE, BlockingClient, Server

__all__ = ["Blocking"]

# About as many bytes as a signed request has.
SIGNED = (
    "x-amz-content-sha256: " + "0" * 64 + "\r\n"
    "x-amz-date: 20260102T030405Z\r\n"
    "authorization: AWS4-HMAC-SHA256 " + "0" * 220 + "\r\n"
)


def request(method: str, host: str, key: str = SMALL, length: int | None = None) -> bytes:
    more = "" if length is None else f"content-length: {length}\r\n"
    return f"{method} /{BUCKET}/{key} HTTP/1.1\r\nhost: {host}\r\n{SIGNED}{more}\r\n".encode()


class Blocking(BlockingClient):
    def __init__(self, server: Server) -> None:
        name, _, port = server.host.partition(":")
        self.address = name, int(port)
        self.local = threading.local()
        self.get_request = request("GET", server.host)
        self.head_request = request("HEAD", server.host)
        self.put_request = request("PUT", server.host, length=SMALL_SIZE)
        self.download_request = request("GET", server.host, LARGE)
        self.upload_request = request("PUT", server.host, LARGE, LARGE_SIZE)

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
        return sock.recv(65536)

    def get(self) -> int:
        answer = self._exchange(self.get_request)
        return len(answer) - answer.index(b"\r\n\r\n") - 4

    def put(self, data: bytes) -> int:
        self._exchange(self.put_request + data)
        return len(data)

    def head(self) -> int:
        answer = self._exchange(self.head_request)
        start = answer.index(b"Content-Length: ") + 16
        return int(answer[start : answer.index(b"\r\n", start)])

    def page(self) -> int:
        raise NotImplementedError

    def download(self, path: Path) -> None:
        first = self._exchange(self.download_request)
        sock, buffer = self._socket(), memoryview(bytearray(COPY_SIZE))
        with path.open("wb") as file:
            left = LARGE_SIZE - file.write(first[first.index(b"\r\n\r\n") + 4 :])
            while left:
                left -= file.write(buffer[: sock.recv_into(buffer)])

    def upload(self, path: Path) -> None:
        sock = self._socket()
        sock.sendall(self.upload_request)
        with path.open("rb") as file:
            sock.sendfile(file)
        sock.recv(65536)
