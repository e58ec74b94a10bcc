"""An S3 server that does as little as it can, so that what is measured is the client.

``python -m benchmarks.null_server`` prints its port and serves until its standard input ends. One
thread takes turns on non-blocking sockets; answers are made before the first request. It speaks
path-style addressing with one bucket, checks nothing and keeps nothing: what is written is read and
forgotten, and any key but one is a small object. Heads look like those of AWS, checksums included, so
that a client verifies what it would verify there. Standard library only.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import os
import re
import selectors
import socket
import ssl
import sys
import zlib
from collections.abc import Callable
from email.utils import formatdate
from urllib.parse import parse_qs

from benchmarks.workload import BUCKET, LARGE, LARGE_SIZE, LISTED, LISTED_KEYS, SMALL_SIZE

LARGE_KEY = LARGE.encode()
REQUESTS_PATH = b"/requests"
"""Answers how many other requests there were."""

BLOCK_SIZE = 4 * 1024 * 1024
"""Large objects repeat one block. About what a socket on loopback takes at once."""
RECEIVE_SIZE = 1024 * 1024
HEAD_LIMIT = 64 * 1024

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
EXPECT = re.compile(rb"\r\nexpect: *100-continue", re.IGNORECASE)
RANGE = re.compile(rb"\r\nrange: *bytes=(\d*)-(\d*)", re.IGNORECASE)
LAST_CHUNK = b"0\r\n"


def head(status: str, length: int, *fields: str) -> bytes:
    """A head as AWS sends it; a 204 states no length."""
    lines = [
        f"HTTP/1.1 {status}",
        "x-amz-id-2: " + "0" * 76,
        "x-amz-request-id: 0123456789ABCDEF",
        f"Date: {formatdate(usegmt=True)}",
        *fields,
        "Server: AmazonS3",
        *([] if status.startswith("204") else [f"Content-Length: {length}"]),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def xml_answer(name: str, inner: str) -> bytes:
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<{name} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{inner}</{name}>'
    ).encode()
    return head("200 OK", len(body), "Content-Type: application/xml") + body


def page() -> str:
    """The inside of a ListObjectsV2 answer, as AWS writes it today."""
    contents = "".join(
        f"<Contents><Key>{LISTED}{number:05}</Key><LastModified>2026-01-02T03:04:05.000Z</LastModified>"
        f"<ETag>&quot;{hashlib.md5(str(number).encode()).hexdigest()}&quot;</ETag>"
        "<ChecksumAlgorithm>CRC32</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType>"
        f"<Size>{SMALL_SIZE}</Size><StorageClass>STANDARD</StorageClass></Contents>"
        for number in range(LISTED_KEYS)
    )
    return (
        f"<Name>{BUCKET}</Name><Prefix>{LISTED}</Prefix><KeyCount>{LISTED_KEYS}</KeyCount>"
        f"<MaxKeys>{LISTED_KEYS}</MaxKeys><IsTruncated>false</IsTruncated>{contents}"
    )


class Answers:
    """Every answer, made once."""

    def __init__(self) -> None:
        small = os.urandom(SMALL_SIZE)
        self.block = memoryview(os.urandom(BLOCK_SIZE) * 2)
        large_crc32 = 0
        for _ in range(LARGE_SIZE // BLOCK_SIZE):
            large_crc32 = zlib.crc32(self.block[:BLOCK_SIZE], large_crc32)
        self.small_head = self._object_head("200 OK", SMALL_SIZE, zlib.crc32(small))
        self.small = self.small_head + small
        self.large_head = self._object_head("200 OK", LARGE_SIZE, large_crc32)
        self.written = head("200 OK", 0, f'ETag: "{hashlib.md5(small).hexdigest()}"')
        self.deleted = head("204 No Content", 0)
        self.bucket = head("200 OK", 0, "x-amz-bucket-region: us-east-1")
        self.page = xml_answer("ListBucketResult", page())
        self.upload = xml_answer(
            "InitiateMultipartUploadResult",
            f"<Bucket>{BUCKET}</Bucket><Key>{LARGE}</Key><UploadId>0123456789abcdef</UploadId>",
        )
        self.completed = xml_answer(
            "CompleteMultipartUploadResult",
            f"<Location>http://127.0.0.1/{BUCKET}/{LARGE}</Location><Bucket>{BUCKET}</Bucket><Key>{LARGE}</Key>"
            "<ETag>&quot;0123456789abcdef0123456789abcdef-32&quot;</ETag>",
        )

    def _object_head(self, status: str, length: int, crc32: int | None, *fields: str) -> bytes:
        verified = []
        if crc32 is not None:
            checksum = base64.b64encode(crc32.to_bytes(4, "big")).decode()
            verified = [f"x-amz-checksum-crc32: {checksum}", "x-amz-checksum-type: FULL_OBJECT"]
        return head(
            status,
            length,
            "Last-Modified: Fri, 02 Jan 2026 03:04:05 GMT",
            'ETag: "0123456789abcdef0123456789abcdef"',
            "x-amz-server-side-encryption: AES256",
            *verified,
            "Accept-Ranges: bytes",
            "Content-Type: application/octet-stream",
            *fields,
        )

    def part_head(self, start: int, end: int) -> bytes:
        """Of a range of a large object: as on AWS, without the checksum of the whole."""
        content_range = f"Content-Range: bytes {start}-{end - 1}/{LARGE_SIZE}"
        return self._object_head("206 Partial Content", end - start, None, content_range)


class Connection:
    """One client's connection: a request is read, then answered, then the next is read."""

    def __init__(self, sock: socket.socket, server: Server) -> None:
        self.sock = sock
        self.server = server
        self.pending = b""  # the beginning of a head
        self.body_left = 0
        self.chunks: bytes | None = None  # the end of a body in chunks, as far as it is there
        self.reply = b""  # sent once the body is in
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
        if not self.body_left:
            self._send(self.reply)

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
            self._head(target)
        elif method == b"DELETE":
            self._send(self.server.answers.deleted)
        else:
            self._write(method, target, data[: end + 2], data[end + 4 :])

    def _get(self, target: bytes, request: bytes) -> None:
        answers = self.server.answers
        if target == REQUESTS_PATH:
            self._send(self.server.count())
            return
        key = key_of(target)
        if not key:
            self._send(answers.page)
        elif key != LARGE_KEY:
            self._send(answers.small)
        else:
            found = RANGE.search(request)
            start, end = range_of(found) if found else (0, LARGE_SIZE)
            self.large = start, end
            self._send(answers.part_head(start, end) if found else answers.large_head)

    def _head(self, target: bytes) -> None:
        answers = self.server.answers
        key = key_of(target)
        if not key:
            self._send(answers.bucket)
        else:
            self._send(answers.large_head if key == LARGE_KEY else answers.small_head)

    def _write(self, method: bytes, target: bytes, request: bytes, body: bytes) -> None:
        self.reply = self._reply(method, target)
        if EXPECT.search(request) and not body:
            self.sock.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        if CHUNKED.search(request):
            self.chunks = b""
            self._take_chunks(body)
            return
        length = LENGTH.search(request)
        self.body_left = (int(length[1]) if length else 0) - len(body)
        if not self.body_left:
            self._send(self.reply)

    def _reply(self, method: bytes, target: bytes) -> bytes:
        answers = self.server.answers
        if method == b"PUT":
            return answers.written
        query = parse_qs(target.partition(b"?")[2], keep_blank_values=True)
        return answers.upload if b"uploads" in query else answers.completed

    def _take_chunks(self, data: bytes) -> None:
        """Chunks end with the last one and an empty line, possibly after trailers."""
        self.chunks = ((self.chunks or b"") + data)[-HEAD_LIMIT:]
        if self.chunks.endswith(b"\r\n\r\n") and (LAST_CHUNK in self.chunks):
            self.chunks = None
            self._send(self.reply)

    def _send(self, data: bytes) -> None:
        self.server.requests += 1
        sent = self.sock.send(data)
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
        count = min(BLOCK_SIZE, end - start)
        self.unsent = self.server.answers.block[offset : offset + count]
        self.large = (start + count, end) if start + count < end else None
        return True


def key_of(target: bytes) -> bytes:
    """What follows the bucket, without the query."""
    return target.partition(b"?")[0][1:].partition(b"/")[2]


def range_of(found: re.Match[bytes]) -> tuple[int, int]:
    """Start and end, the latter exclusive."""
    first, last = found.groups()
    if not first:
        return LARGE_SIZE - int(last), LARGE_SIZE
    return int(first), min(int(last) + 1, LARGE_SIZE) if last else LARGE_SIZE


class Server:
    """Takes turns on all connections."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.answers = Answers()
        self.requests = 0
        self.sink = memoryview(bytearray(RECEIVE_SIZE))
        self._tls = tls
        self._selector = selectors.DefaultSelector()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port: int = self._listener.getsockname()[1]
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)

    def serve(self, stop: int) -> None:
        """Until the file descriptor ``stop`` can be read."""
        self._selector.register(stop, selectors.EVENT_READ, sys.exit)
        while True:
            for key, _ in self._selector.select():
                react: Callable[[], None] = key.data
                react()

    def count(self) -> bytes:
        body = str(self.requests).encode()
        self.requests -= 1  # this one does not count
        return head("200 OK", len(body)) + body

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
    parser = argparse.ArgumentParser(description="Serves S3 requests as cheaply as it can.")
    parser.add_argument("--certificate", help="a file with a certificate and its key: TLS")
    chosen = parser.parse_args()
    tls = None
    if chosen.certificate:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(chosen.certificate)
    server = Server(tls)
    print(server.port, flush=True)
    server.serve(sys.stdin.fileno())


if __name__ == "__main__":
    main()
