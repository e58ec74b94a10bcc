"""The wire for asyncio: sockets that never block, pooled per endpoint and running loop.

A connection watches its socket itself (``loop.add_reader``) instead of through a transport of asyncio:
bytes go from the kernel straight into the buffer of whoever reads, nothing is read that nobody asked
for (so what is unread stays in the kernel, which holds the server back), one registration serves all
exchanges of a connection, and a connection whose loop is dead is just closed. What an exchange is, is
written in `exchange`.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from ..bodies import Payload
from ..driver import Recv, Request, Response
from ..errors import TransportError
from ..fork import reset_in_child
from .connections import READ_SIZE, WOULD_BLOCK, Connection, Pool
from .exchange import (
    Address,
    BrokenError,
    Exchanger,
    TimeUpError,
    too_late,
    until,
)
from .settings import NetworkSettings

__all__ = ["AsyncioTransport"]

GREEDY_BYTES = 1024 * 1024
"""After so many bytes that were there without waiting, other tasks have their turn."""


class _Connection(Connection):
    """A socket that never blocks, and the one task that waits for it."""

    __slots__ = ("_loop", "_take", "_timer", "_until", "_waiter", "_watching", "greedy")

    def __init__(self, sock: socket.socket, pool: Pool, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(sock, pool)
        sock.setblocking(False)
        self.greedy = 0
        self._loop = loop
        self._waiter: asyncio.Future[Any] | None = None
        self._take: Callable[[], Any] | None = None
        self._watching = False
        self._timer: asyncio.TimerHandle | None = None
        self._until = 0.0

    # --- waiting ---

    async def wait(self, seconds: float, take: Callable[[], Any] | None) -> Any:
        """Waits until something comes.

        Args:
            take: gets it off the socket, at once; its result is the result. None: just waits.

        Raises:
            TimeUpError
            OSError: `take` raised it.
        """
        loop = self._loop
        self._take = take
        waiter = self._waiter = loop.create_future()
        if not self._watching:
            self._watching = True
            loop.add_reader(self.sock, self._on_readable)
        end = self._until = loop.time() + seconds
        timer = self._timer
        if timer is None or timer.when() > end:
            # One that rings too early is wound up again: cheaper than one per wait.
            if timer is not None:
                timer.cancel()
            self._timer = loop.call_at(end, self._on_timer)
        try:
            return await waiter
        finally:
            self._waiter = None

    async def wait_to_send(self, seconds: float) -> None:
        """Waits until the socket takes something, or something comes."""
        self._loop.add_writer(self.sock, self._on_writable)
        try:
            await self.wait(seconds, None)
        finally:
            self._loop.remove_writer(self.sock)

    def _on_readable(self) -> None:
        waiter = self._waiter
        if waiter is None or waiter.done():
            # Nobody wants it now, or it is the end of an idle connection.
            self.unwatch()
            return
        if self._take is None:
            self.unwatch()
            waiter.set_result(None)
            return
        try:
            taken = self._take()
        except WOULD_BLOCK:
            return
        except OSError as exc:
            waiter.set_exception(exc)
        else:
            waiter.set_result(taken)

    def _on_writable(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _on_timer(self) -> None:
        self._timer = None
        waiter = self._waiter
        if waiter is None or waiter.done():
            return
        if self._loop.time() < self._until:
            self._timer = self._loop.call_at(self._until, self._on_timer)
        else:
            waiter.set_exception(TimeUpError())

    def unwatch(self) -> None:
        """Leaves what comes in the kernel."""
        if self._watching:
            self._watching = False
            self._loop.remove_reader(self.sock)

    # --- life ---

    def discard(self) -> None:
        """See `Connection`. A body may be collected in any thread, and after its loop's end."""
        loop = self._loop
        if self.pool.foreign or loop.is_closed() or _running_loop() is loop:
            self._close_now()
            return
        try:
            loop.call_soon_threadsafe(self._close_now)
        except RuntimeError:  # closed meanwhile
            self._close_now()

    def _close_now(self) -> None:
        if self.sock.fileno() < 0:
            return
        if not self.pool.foreign and not self._loop.is_closed():
            if self._timer is not None:
                self._timer.cancel()
            self.unwatch()
        # In a forked child the loop's selector is shared with the parent: it is left alone.
        self.hang_up()

    # --- bytes ---

    def receive_now(self, count: int) -> bytes:
        """See `Connection`."""
        return self.sock.recv(count)

    def receive(self) -> bytes:
        """What has come."""
        return self.sock.recv(READ_SIZE)


class AsyncioTransport(Exchanger):
    """Sends requests and reads answers for an `AsyncRunner`, on any number of loops."""

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__(settings)
        self._pools: dict[asyncio.AbstractEventLoop, dict[str, Pool]] = {}
        reset_in_child(self)

    def after_fork_in_child(self) -> None:
        """Loops and connections are the parent's; closing our copies does not end them."""
        self._lock = threading.Lock()
        loops, self._pools = self._pools, {}
        for pools in loops.values():
            for pool in pools.values():
                pool.disown()

    async def close(self) -> None:
        """Closes the connections of this loop, of dead ones, and, a little later, of others."""
        here = asyncio.get_running_loop()
        loops, self._pools = self._pools, {}
        for loop, pools in loops.items():
            for pool in pools.values():
                if loop is here or loop.is_closed():
                    pool.close()
                    continue
                with suppress(RuntimeError):  # closed meanwhile
                    loop.call_soon_threadsafe(pool.close)

    async def exchange(self, request: Request, headers: Mapping[str, str]) -> Response:
        """See `AsyncTransport`."""
        loop = asyncio.get_running_loop()
        pools = self._pools.get(loop)
        if pools is None:
            self._forget_dead_loops()
            pools = self._pools.setdefault(loop, {})
        return await self._exchange(pools, request, headers, None)

    def _forget_dead_loops(self) -> None:
        for loop in [loop for loop in list(self._pools) if loop.is_closed()]:
            for pool in self._pools.pop(loop, {}).values():
                pool.close()

    async def recv(self, effect: Recv) -> int:
        """See `AsyncTransport`. A transfer that stays too slow for too long is dead."""
        connection, buffer = effect.stream, effect.buffer
        assert isinstance(connection, _Connection)
        count: int
        try:
            if connection.pool.foreign:
                raise ConnectionError("the connection is that of the parent process")
            count = connection.sock.recv_into(buffer)
            waited = 0.0
        except WOULD_BLOCK:
            count, waited = await self._wait_for_body(connection, buffer)
        except OSError as exc:
            raise TransportError("the connection broke", retryable=True, outcome="unknown") from exc
        if connection.tls and count:
            count += connection.receive_records(buffer[count:])
        connection.count(waited, count)
        connection.greedy = 0 if waited else connection.greedy + count
        if connection.greedy > GREEDY_BYTES:
            connection.greedy = 0
            await asyncio.sleep(0)
        return count

    async def _wait_for_body(self, connection: _Connection, buffer: memoryview) -> tuple[int, float]:
        seconds = self._timeouts.stall
        if connection.deadline is not None:
            seconds = until(connection.deadline, seconds)
        sock, clock = connection.sock, asyncio.get_running_loop().time
        began = clock()
        try:
            count: int = await connection.wait(seconds, lambda: sock.recv_into(buffer))
        except TimeUpError:
            raise too_late(connection.deadline, f"nothing came for {seconds:g} seconds") from None
        except OSError as exc:
            raise TransportError("the connection broke", retryable=True, outcome="unknown") from exc
        return count, clock() - began

    # --- primitives ---

    async def _addresses(self, host: str, port: int) -> Sequence[Address]:
        loop = asyncio.get_running_loop()
        return await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)

    def _make_connection(self, sock: socket.socket, pool: Pool) -> _Connection:
        return _Connection(sock, pool, asyncio.get_running_loop())

    async def _open(self, connection: Connection, address: Any, seconds: float) -> None:
        async with asyncio.timeout(seconds):
            await asyncio.get_running_loop().sock_connect(connection.sock, address)

    async def _start_tls(
        self, connection: Connection, context: ssl.SSLContext, host: str, seconds: float
    ) -> None:
        assert isinstance(connection, _Connection)
        connection.unwatch()
        sock = connection.sock = context.wrap_socket(
            connection.sock,
            server_hostname=host,
            do_handshake_on_connect=False,
            session=connection.pool.session,
        )
        connection.tls = connection.session_due = True
        async with asyncio.timeout(seconds):
            while True:
                try:
                    sock.do_handshake()
                    return
                except ssl.SSLWantReadError:
                    await connection.wait(seconds, None)
                except ssl.SSLWantWriteError:
                    await connection.wait_to_send(seconds)

    def _send_at_once(self, connection: Connection, data: bytes, seconds: float) -> memoryview | None:
        try:
            count = connection.sock.send(data)
        except WOULD_BLOCK:
            count = 0
        except OSError as exc:
            raise BrokenError from exc
        return memoryview(data)[count:] if count < len(data) else None

    async def _send_rest(self, connection: Connection, data: memoryview, seconds: float) -> None:
        view = data
        while True:
            try:
                view = view[connection.sock.send(view) :]
            except WOULD_BLOCK:
                assert isinstance(connection, _Connection)
                if connection.look():
                    raise BrokenError from None  # an answer that does not wait for the rest
                await connection.wait_to_send(seconds)
            except OSError as exc:
                raise BrokenError from exc
            if not view:
                return

    async def _send_some(self, connection: Connection, data: memoryview, seconds: float) -> int:
        assert isinstance(connection, _Connection)
        try:
            return connection.sock.send(data)
        except WOULD_BLOCK:
            await connection.wait_to_send(seconds)
            return 0
        except OSError as exc:
            raise BrokenError from exc

    def _receive_at_once(self, connection: Connection, seconds: float) -> bytes | None:
        if not connection.tls:
            return None  # an answer does not come so fast
        try:
            # What is decrypted already does not show on the socket.
            return connection.sock.recv(READ_SIZE)
        except WOULD_BLOCK:
            return None
        except OSError:
            return b""

    async def _receive_later(self, connection: Connection, seconds: float) -> bytes:
        assert isinstance(connection, _Connection)
        try:
            data: bytes = await connection.wait(seconds, connection.receive)
        except OSError:
            return b""
        return data

    async def _hears(self, connection: Connection, seconds: float) -> bool:
        assert isinstance(connection, _Connection)
        end = asyncio.get_running_loop().time() + seconds
        while not connection.look():
            try:
                await connection.wait(end - asyncio.get_running_loop().time(), None)
            except TimeUpError:
                return connection.look()
        return True

    async def _read_payload(self, payload: Payload, offset: int, length: int) -> bytes | memoryview:
        if not payload.blocks:
            return payload.read(offset, length)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(None, payload.read, offset, length)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
