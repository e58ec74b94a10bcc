"""The wire for threads: blocking sockets, pooled per endpoint.

On plain sockets the kernel keeps the timeouts (``SO_RCVTIMEO``), which costs no system call per read;
on TLS Python does. While a large body is sent the socket does not block, so that an answer that comes
meanwhile is heard. What an exchange is, is written in `exchange`.
"""

from __future__ import annotations

import math
import select
import socket
import ssl
import struct
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from ..bodies import Payload
from ..driver import FlowCancelled, Recv, Request, Response
from ..errors import CloudStoreError, TransportError
from ..fork import reset_in_child
from ..runtime.threads import Scope
from .connections import READ_SIZE, WOULD_BLOCK, Connection, Pool
from .exchange import (
    Address,
    BrokenError,
    Exchanger,
    TimeUpError,
    run_through,
    too_late,
    until,
)
from .settings import NetworkSettings

__all__ = ["BlockingTransport"]


class _Connection(Connection):
    """A socket that blocks, for as long as it was last told."""

    __slots__ = ("_receive_limit", "_send_limit")

    def __init__(self, sock: socket.socket, pool: Pool) -> None:
        super().__init__(sock, pool)
        self._receive_limit = self._send_limit = -1.0

    def limit_receive(self, seconds: float) -> None:
        """How long the next reads may wait."""
        if seconds == self._receive_limit:
            return
        self._receive_limit = seconds
        if self.tls:
            self._send_limit = seconds
            self.sock.settimeout(seconds)
        else:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _timeval(seconds))

    def limit_send(self, seconds: float) -> None:
        """How long the next writes may wait."""
        if seconds == self._send_limit:
            return
        self._send_limit = seconds
        if self.tls:
            self._receive_limit = seconds
            self.sock.settimeout(seconds)
        else:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _timeval(seconds))

    def receive_now(self, count: int) -> bytes:
        """See `Connection`."""
        if not self.tls:
            return self.sock.recv(count, socket.MSG_DONTWAIT)
        self.stop_waiting()
        return self.sock.recv(count)

    def send_now(self, data: memoryview) -> int:
        """Sends what is taken without waiting. Raises one of `WOULD_BLOCK` where nothing is."""
        if not self.tls:
            return self.sock.send(data, socket.MSG_DONTWAIT)
        self.stop_waiting()
        return self.sock.send(data)

    def stop_waiting(self) -> None:
        """Has TLS not block until the next limit is set."""
        if self._receive_limit != 0.0:
            self._receive_limit = self._send_limit = 0.0
            self.sock.settimeout(0.0)

    def poll(self, events: int, seconds: float) -> bool:
        """Waits for the socket itself."""
        poller = select.poll()
        poller.register(self.sock, events)
        return bool(poller.poll(math.ceil(seconds * 1000)))

    def discard(self) -> None:
        """See `Connection`."""
        self.hang_up()


class BlockingTransport(Exchanger):
    """Sends requests and reads answers for a `SyncRunner`. Any number of threads may use it."""

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__(settings)
        self._pools: dict[str, Pool] = {}
        reset_in_child(self)

    def after_fork_in_child(self) -> None:
        """The connections are the parent's; closing our copies of them does not end them."""
        self._lock = threading.Lock()
        pools, self._pools = self._pools, {}
        for pool in pools.values():
            pool.disown()

    def close(self) -> None:
        """Closes the connections that lie idle, and the others as they are given back."""
        pools, self._pools = self._pools, {}
        for pool in pools.values():
            pool.close()

    def exchange(self, request: Request, headers: Mapping[str, str], scope: Scope | None) -> Response:
        """See `SyncTransport`."""
        if scope is None:
            return run_through(self._exchange(self._pools, request, headers, None))
        try:
            return run_through(self._exchange(self._pools, request, headers, scope))
        except CloudStoreError:
            if scope.cancelled:
                raise FlowCancelled from None
            raise

    def recv(self, effect: Recv) -> int:
        """See `SyncTransport`. A transfer that stays too slow for too long is dead."""
        connection = effect.stream
        assert isinstance(connection, _Connection)
        seconds = self._timeouts.stall
        if connection.deadline is not None:
            seconds = until(connection.deadline, seconds)
        connection.limit_receive(seconds)
        began = time.monotonic()
        try:
            if connection.pool.foreign:
                raise ConnectionError("the connection is that of the parent process")
            count = connection.sock.recv_into(effect.buffer)
            if connection.tls and count:
                count += connection.receive_records(effect.buffer[count:])
        except (*WOULD_BLOCK, TimeoutError):
            raise too_late(connection.deadline, f"nothing came for {seconds:g} seconds") from None
        except OSError as exc:
            raise TransportError("the connection broke", retryable=True, outcome="unknown") from exc
        connection.count(time.monotonic() - began, count)
        return count

    # --- primitives ---

    async def _addresses(self, host: str, port: int) -> Sequence[Address]:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)

    def _make_connection(self, sock: socket.socket, pool: Pool) -> _Connection:
        return _Connection(sock, pool)

    async def _open(self, connection: Connection, address: Any, seconds: float) -> None:
        connection.sock.settimeout(seconds)
        connection.sock.connect(address)
        connection.sock.settimeout(None)

    async def _start_tls(
        self, connection: Connection, context: ssl.SSLContext, host: str, seconds: float
    ) -> None:
        connection.sock.settimeout(seconds)
        connection.sock = context.wrap_socket(
            connection.sock,
            server_hostname=host,
            do_handshake_on_connect=False,
            session=connection.pool.session,
        )
        connection.sock.do_handshake()
        connection.tls = connection.session_due = True

    def _send_at_once(self, connection: Connection, data: bytes, seconds: float) -> None:
        assert isinstance(connection, _Connection)
        connection.limit_send(seconds)
        try:
            connection.sock.sendall(data)
        except (*WOULD_BLOCK, TimeoutError):
            raise TimeUpError from None
        except OSError as exc:
            raise BrokenError from exc

    async def _send_some(self, connection: Connection, data: memoryview, seconds: float) -> int:
        assert isinstance(connection, _Connection)
        try:
            return connection.send_now(data)
        except WOULD_BLOCK:
            pass
        except OSError as exc:
            raise BrokenError from exc
        if not connection.poll(select.POLLIN | select.POLLOUT, seconds):
            raise TimeUpError
        return 0

    def _receive_at_once(self, connection: Connection, seconds: float) -> bytes:
        assert isinstance(connection, _Connection)
        connection.limit_receive(seconds)
        try:
            return connection.sock.recv(READ_SIZE)
        except (*WOULD_BLOCK, TimeoutError):
            raise TimeUpError from None
        except OSError:
            return b""

    async def _hears(self, connection: Connection, seconds: float) -> bool:
        assert isinstance(connection, _Connection)
        end = time.monotonic() + seconds
        while not connection.look():
            left = end - time.monotonic()
            if left <= 0 or not connection.poll(select.POLLIN, left):
                return connection.look()
        return True

    async def _read_payload(self, payload: Payload, offset: int, length: int) -> bytes | memoryview:
        return payload.read(offset, length)


def _timeval(seconds: float) -> bytes:
    whole = int(seconds)
    return struct.pack("ll", whole, max(1, int((seconds - whole) * 1_000_000)))
