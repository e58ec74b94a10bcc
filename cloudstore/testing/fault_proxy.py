"""A TCP proxy that breaks connections on purpose, for tests of clients and drivers.

It stands between a client and a server on this machine and relays bytes, until it is told to do harm:
refuse, delay, throttle, stall, cut either way, lose an answer, answer itself, flip a byte. It counts
what it saw. It listens on loopback, has one thread of its own, and may be told from any thread::

    with FaultProxy("127.0.0.1", server_port) as proxy:
        client = Client(proxy.url)
        proxy.inject(Fault(cut_down_after=1000), times=1)

On TLS it relays what is encrypted, unless it is given contexts to take TLS off and put it on again.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal, Self, TypeVar

__all__ = ["Choice", "Fault", "FaultCounts", "FaultProxy", "Tap"]

T = TypeVar("T")
Tap = Callable[[int, Literal["up", "down"], bytes], None]
"""Told the number of a connection, from 1, a way, and bytes: what a client sent, before any fault, and
what was passed on to it. It runs in the proxy's thread."""
PIECE_BYTES = 64 * 1024
BACKLOG = 128
"""Connections that wait to be accepted."""
SLICES_PER_SECOND = 50
"""A throttled stream moves in so many pieces a second."""
CLOSE_SECONDS = 10.0
HANDSHAKE_SECONDS = 5.0
POLL_SECONDS = 0.02
INTERIM = re.compile(rb"HTTP/1\.[01] 1(?!01)\d\d[ \r]")
"""How the head of an interim answer begins (RFC 9110 §15.2); 101 is the last of its connection."""
CONTINUE = b"HTTP/1.1 100 "


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What goes wrong. Bytes are counted on each connection from when the fault met it.

    "Down" is from the server to the client, "up" the other way. What is set together happens together.

    Attributes:
        refuse: a new connection is reset at once, an open one at its next byte.
        latency: seconds that each piece of an answer is late.
        rate: bytes a second, down.
        stall_down_after, stall_up_after: so many bytes pass, then nothing more moves that way.
        stall_for: seconds after which what is stalled moves again, also where the client has gone: its
            request then comes late. None is never.
        cut_down_after, cut_up_after: so many bytes pass, then both connections end as `cut` says.
        cut: ``"reset"`` (RST) or ``"close"`` (FIN).
        lose_answer: the request reaches the server; as soon as an answer comes, the client's connection
            is reset. Interim answers (1xx, such as to ``Expect: 100-continue``) pass.
        answer: sent to the client in the server's stead, after the head of its request; then the
            connection is closed, which the answer should say (``connection: close``), or the client
            may be quicker with its next request. An open connection is reset at its next byte.
        flip_down_at, flip_up_at: the byte of this number, from 0, comes with all its bits turned over.
        when: a connection meets the fault only once a piece of what the client sends has these bytes
            in it, such as ``b"PUT "``; not for `refuse` and `answer`.
    """

    refuse: bool = False
    latency: float = 0.0
    rate: float | None = None
    stall_down_after: int | None = None
    stall_up_after: int | None = None
    stall_for: float | None = None
    cut_down_after: int | None = None
    cut_up_after: int | None = None
    cut: Literal["reset", "close"] = "reset"
    lose_answer: bool = False
    answer: bytes | None = None
    flip_down_at: int | None = None
    flip_up_at: int | None = None
    when: bytes | None = None


Choice = Callable[[int], Fault | None]
"""Says which fault a new connection meets, by its number, from 1. It runs in the proxy's thread.

What it raises is logged by asyncio, and the connection is reset."""


@dataclass(slots=True)
class FaultCounts:
    """What a proxy saw.

    Attributes:
        connections: that clients made.
        hits: connections that met a fault.
        bytes_up, bytes_down: that were relayed.
    """

    connections: int = 0
    hits: int = 0
    bytes_up: int = 0
    bytes_down: int = 0


class FaultProxy:
    """Relays to ``host:port`` from when it is made until it is closed.

    Args:
        tls: takes TLS off what clients send.
        upstream_tls: puts TLS on what goes to the server.
        tap: is told what passes.
        linger: seconds after which a connection ends whose client sends no more; None: when the server
            ends it, which some never do.

    Attributes:
        counts: what it saw; grows while it is read.
        port: where it listens, on 127.0.0.1.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        tls: ssl.SSLContext | None = None,
        upstream_tls: ssl.SSLContext | None = None,
        tap: Tap | None = None,
        linger: float | None = None,
    ) -> None:
        self._upstream = (host, port)
        self._linger = linger
        self._tap = tap
        self._tls = tls
        self._upstream_tls = upstream_tls
        self._fault: Fault | None = None
        self._generation = 0
        self._left: int | None = None
        self._choice: Choice | None = None
        self._relays: set[_Relay] = set()
        self._closed = False
        self.counts = FaultCounts()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        self._loop = asyncio.SelectorEventLoop()
        self._loop.add_reader(self._listener, self._take_connection)
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault-proxy", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Its origin, such as ``"http://127.0.0.1:49152"``."""
        return f"{'http' if self._tls is None else 'https'}://127.0.0.1:{self.port}"

    @property
    def open_connections(self) -> int:
        """How many connections have clients that may send more."""
        return sum(not relay.client_ended for relay in list(self._relays))

    def afflict(self, choice: Choice | None) -> None:
        """From now on each new connection has the fault that `choice` says; None: has none of its own.

        A later `inject` or `heal` holds for these connections too.
        """

        async def set_choice() -> None:
            self._choice = choice

        self._call(set_choice())

    def inject(self, fault: Fault, times: int | None = None) -> None:
        """From now on connections, open and new, meet this fault in the place of any other.

        Args:
            times: how many of them do; None is all.
        """

        async def set_fault() -> None:
            self._fault, self._left = fault, times
            self._generation += 1
            for relay in self._relays:
                relay.reconsider()

        self._call(set_fault())

    def heal(self) -> None:
        """Relays faithfully again; what is stalled goes on."""

        async def clear_fault() -> None:
            self._fault = None
            self._generation += 1
            for relay in self._relays:
                relay.reconsider()

        self._call(clear_fault())

    def reset_connections(self) -> None:
        """Resets what is open now."""

        async def reset() -> None:
            for relay in list(self._relays):
                relay.end("reset")

        self._call(reset())

    def close(self) -> None:
        """Ends all connections and the thread; any number of times."""
        if not self._closed:
            self._closed = True
            self._call(self._shut_down())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<FaultProxy: {self.url} to {self._upstream[0]}:{self._upstream[1]}>"

    def _call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(CLOSE_SECONDS)

    async def _shut_down(self) -> None:
        self._loop.remove_reader(self._listener)
        self._listener.close()
        # A task of asyncio's that is cancelled in a TLS handshake would leave its socket open: it ends
        # with its client, or by the handshake's timeout.
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            for relay in list(self._relays):
                relay.end("reset")
                relay.task.cancel()
            await asyncio.wait(others, timeout=POLL_SECONDS)
        await asyncio.sleep(0)  # transports close their sockets in the loop's next round

    def _take_fault(self) -> Fault | None:
        """The fault, for one more connection."""
        if self._fault is None or self._left == 0:
            return None
        if self._left is not None:
            self._left -= 1
        self.counts.hits += 1
        return self._fault

    def _take_connection(self) -> None:
        # Not by asyncio's server: what that accepts in the round in which it is closed stays open.
        with suppress(OSError):  # the client has gone
            sock, _ = self._listener.accept()
            sock.setblocking(False)
            self._loop.create_task(self._admit(sock))

    async def _admit(self, sock: socket.socket) -> None:
        reader = asyncio.StreamReader(PIECE_BYTES)
        with suppress(OSError):  # no TLS, or not ours
            await self._loop.connect_accepted_socket(
                lambda: asyncio.StreamReaderProtocol(reader, self._accept),
                sock,
                ssl=self._tls,
                ssl_handshake_timeout=None if self._tls is None else HANDSHAKE_SECONDS,
            )

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._closed:
            writer.transport.abort()
            return
        self.counts.connections += 1
        relay = _Relay(self, reader, writer, self.counts.connections)
        if self._choice is not None:
            try:
                relay.expect(self._choice(self.counts.connections))
            except BaseException:
                relay.end("reset")  # nobody else would
                raise
        self._relays.add(relay)
        relay.task = self._loop.create_task(self._carry(relay))

    async def _carry(self, relay: _Relay) -> None:
        try:
            await relay.run(self._upstream, self._upstream_tls)
            await relay.flush()
        except (OSError, EOFError, asyncio.LimitOverrunError, asyncio.CancelledError):
            pass  # a proxy of broken connections sees such
        finally:
            relay.end("reset")  # what is closed already stays so
            self._relays.discard(relay)


class _Relay:
    """One client's connection and the one to the server that belongs to it.

    Attributes:
        client_ended: whether the client will send no more.
        task: in which it runs.
    """

    task: asyncio.Task[None]

    def __init__(
        self,
        proxy: FaultProxy,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        number: int,
    ) -> None:
        self._proxy = proxy
        self._number = number
        self._client = reader, writer
        self._writers = [writer]
        self._changed = asyncio.Event()
        self._fault: Fault | None = None
        self._own: Fault | None = None
        self.client_ended = False
        self._seen = 0
        self._up = self._down = 0
        self._withheld = b""

    def expect(self, own: Fault | None) -> None:
        """Has it meet a fault of its own, instead of what the proxy has for all."""
        if own is not None:
            self._own, self._seen = own, self._proxy._generation

    def reconsider(self) -> None:
        """The proxy's fault has changed."""
        self._changed.set()

    def end(self, how: Literal["reset", "close"]) -> None:
        """Ends both connections."""
        for writer in self._writers:
            if how == "reset":
                with suppress(OSError, AttributeError):  # closed already; TLS then has no socket
                    sock = writer.get_extra_info("socket")
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
            else:
                writer.close()

    async def flush(self) -> None:
        """Waits until what is closed is closed: a client may take its time to read the rest."""
        for writer in self._writers:
            await writer.wait_closed()

    def _current(self, sent: bytes = b"") -> Fault | None:
        """The fault that holds for this connection; counting begins anew with each."""
        if self._proxy._generation != self._seen:
            waiting = self._proxy._fault
            if waiting is not None and waiting.when is not None and waiting.when not in sent:
                return None
            self._seen = self._proxy._generation
            self._fault, self._own = self._proxy._take_fault(), None
            self._up = self._down = 0
        elif self._own is not None and (self._own.when is None or self._own.when in sent):
            self._fault, self._own = self._own, None
            self._proxy.counts.hits += 1
            self._up = self._down = 0
        return self._fault

    async def run(self, upstream: tuple[str, int], tls: ssl.SSLContext | None) -> None:
        fault = self._current()
        if fault is not None and fault.refuse:
            self.end("reset")
            return
        reader, writer = self._client
        if fault is not None and fault.answer is not None:
            await self._answer(fault.answer)
            return
        host, port = upstream
        server_reader, server_writer = await asyncio.open_connection(
            host, port, ssl=tls, limit=PIECE_BYTES
        )
        self._writers.append(server_writer)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._pump(reader, server_writer, down=False))
            group.create_task(self._pump(server_reader, writer, down=True))
        self.end("close")

    async def _answer(self, answer: bytes) -> None:
        reader, writer = self._client
        self._tell("up", await reader.readuntil(b"\r\n\r\n"))
        self._tell("down", answer)
        writer.write(answer)
        await writer.drain()
        writer.write_eof() if writer.can_write_eof() else writer.close()
        while data := await reader.read(PIECE_BYTES):  # else what is unread resets the connection
            self._tell("up", data)
        writer.close()

    def _tell(self, way: Literal["up", "down"], data: bytes) -> None:
        if self._proxy._tap is not None:
            self._proxy._tap(self._number, way, data)

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, down: bool
    ) -> None:
        try:
            while data := await reader.read(PIECE_BYTES):
                if not down:
                    self._tell("up", data)
                while data:
                    data = await self._relay(data, writer, down=down)
            if not down:
                self.client_ended = True
                if self._proxy._linger is not None:
                    asyncio.get_running_loop().call_later(self._proxy._linger, self.end, "close")
            if writer.can_write_eof():
                writer.write_eof()
            elif not writer.is_closing():
                self.end("close")  # TLS has no half of a connection
        except OSError:
            self.end("reset")

    async def _relay(self, data: bytes, writer: asyncio.StreamWriter, *, down: bool) -> bytes:
        """Passes on what may pass of a piece; returns the rest."""
        generation = self._proxy._generation
        fault = self._current(b"" if down else data)
        if down:
            data, self._withheld = self._withheld + data, b""
        if fault is None:
            await self._write(data, writer, down=down)
            return b""
        if fault.refuse or fault.answer is not None:
            self.end("reset")
            return b""
        if down and fault.lose_answer:
            return await self._lose(data, writer)
        passed = self._down if down else self._up
        cut_after = fault.cut_down_after if down else fault.cut_up_after
        stall_after = fault.stall_down_after if down else fault.stall_up_after
        limits = [limit - passed for limit in (cut_after, stall_after) if limit is not None]
        piece = data[: max(0, min(limits, default=len(data)))]
        piece = self._flip(piece, fault.flip_down_at if down else fault.flip_up_at, passed)
        if down:
            piece = await self._slow(piece, fault)
        if piece:
            await self._write(piece, writer, down=down)
        rest = data[len(piece) :]
        passed += len(piece)
        if cut_after is not None and passed >= cut_after:
            self.end(fault.cut)
            return b""
        if rest and stall_after is not None and passed >= stall_after:
            await self._stall(fault, generation)
        return rest

    async def _lose(self, data: bytes, writer: asyncio.StreamWriter) -> bytes:
        """Passes on the head of an interim answer, and returns what follows it; else all ends here."""
        if INTERIM.match(data + CONTINUE[len(data) :]) is None:  # of a beginning, what it may become
            self.end("reset")
            return b""
        head, end, rest = data.partition(b"\r\n\r\n")
        if end:
            await self._write(head + end, writer, down=True)
        else:
            self._withheld = data  # until the rest of the head is there
        return rest

    async def _stall(self, fault: Fault, generation: int) -> None:
        """Waits until the proxy has another fault than in that generation, or this one is over."""
        if self._proxy._generation != generation:
            return  # it changed while a piece was written
        self._changed.clear()
        try:
            async with asyncio.timeout(fault.stall_for):
                await self._changed.wait()
        except TimeoutError:
            if self._fault is fault:
                self._fault = None

    def _flip(self, piece: bytes, at: int | None, passed: int) -> bytes:
        if at is None or not passed <= at < passed + len(piece):
            return piece
        flipped = bytearray(piece)
        flipped[at - passed] ^= 0xFF
        return bytes(flipped)

    async def _slow(self, piece: bytes, fault: Fault) -> bytes:
        if fault.latency:
            await asyncio.sleep(fault.latency)
        if fault.rate is not None and piece:
            piece = piece[: max(1, int(fault.rate / SLICES_PER_SECOND))]
            await asyncio.sleep(len(piece) / fault.rate)
        return piece

    async def _write(self, piece: bytes, writer: asyncio.StreamWriter, *, down: bool) -> None:
        if down:
            self._down += len(piece)
            self._proxy.counts.bytes_down += len(piece)
            self._tell("down", piece)
        else:
            self._up += len(piece)
            self._proxy.counts.bytes_up += len(piece)
        if writer.is_closing():
            raise ConnectionResetError
        writer.write(piece)
        await writer.drain()
