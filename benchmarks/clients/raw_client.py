"""A socket and three requests made beforehand: what the server and the kernel alone cost, the limit."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

from benchmarks.workload import BUCKET, SMALL

from .interface import BlockingClient, Server

__all__ = ["Blocking"]

# About as many bytes as a signed request has.
SIGNED = (
    "x-amz-content-sha256: " + "0" * 64 + "\r\n"
    "x-amz-date: 20260102T030405Z\r\n"
    "authorization: AWS4-HMAC-SHA256 " + "0" * 220 + "\r\n"
)


def request(method: str, host: str, length: str = "") -> bytes:
    return f"{method} /{BUCKET}/{SMALL} HTTP/1.1\r\nhost: {host}\r\n{SIGNED}{length}\r\n".encode()


class Blocking(BlockingClient):
    def __init__(self, server: Server) -> None:
        name, _, port = server.host.partition(":")
        self.address = name, int(port)
        self.local = threading.local()
        self.get_request = request("GET", server.host)
        self.head_request = request("HEAD", server.host)
        self.put_request = request("PUT", server.host, "content-length: 1024\r\n")

    def _exchange(self, data: bytes) -> bytes:
        try:
            sock: socket.socket = self.local.sock
        except AttributeError:
            sock = self.local.sock = socket.create_connection(self.address)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
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
        raise NotImplementedError

    def upload(self, path: Path) -> None:
        raise NotImplementedError
