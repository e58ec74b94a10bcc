"""One HTTP exchange, written once for both engines.

What is done on a connection, and what a failure means, is a coroutine over a few primitives: open,
send, receive, wait. On asyncio they wait; in a thread they block and never suspend, so that there the
whole coroutine runs in one step (`run_through`), which costs a tenth of a microsecond a primitive.
"""

from __future__ import annotations

import os
import socket
import ssl
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, Final, TypeAlias, TypeVar

from ..bodies import BytesBody, Payload
from ..driver import FlowCancelled, OpContext, Request, Response
from ..errors import (
    CloudStoreError,
    DeadlineExceededError,
    InvalidArgumentError,
    Outcome,
    TransportError,
)
from ..runtime.attempts import FIRST_ERROR_STATUS
from ..runtime.threads import Scope
from .codec import Head, encode_head, find_head_end, parse_head
from .connections import Connection, Pool, check_floor
from .endpoints import Proxy, authority_of
from .framing import body_of
from .settings import NetworkSettings
from .sockets import prepare

__all__ = [
    "Address",
    "BrokenError",
    "Exchanger",
    "TimeUpError",
    "run_through",
    "too_late",
    "until",
]

SEND_CHUNK = 256 * 1024
JOIN_BYTES = 64 * 1024
"""A payload up to this goes out in one system call with its head."""
EXPECT_BYTES = 1024 * 1024
"""From this size on the body waits for the server's word (``Expect: 100-continue``)."""
EXPECT_SECONDS = 1.0
"""RFC 9110 §10.1.1: a server that ignores the header gets the body after a while."""
MAX_INTERIM = 32
"""So many 1xx answers before the final one are a mistake; vendors send one."""
TIMER_SLACK = 0.01
"""Seconds by which a timer of the kernel may ring early: it counts in ticks."""
EXPECTATION_FAILED = 417
_READS = frozenset({"GET", "HEAD"})

T = TypeVar("T")
Address: TypeAlias = tuple[int, int, int, str, Any]
"""An item of what `socket.getaddrinfo` returns."""


class BrokenError(Exception):
    """The connection was reset, or closed while something was being sent."""


class TimeUpError(Exception):
    """A primitive waited for as long as it was allowed to."""


_LOST_IN_HANDSHAKE = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)
"""The connection broke; what else fails in a handshake fails again."""


class _SilentEndError(Exception):
    """The connection ended before anything of an answer came.

    Args:
        outcome: "not_applied" where the request was not sent to its end: nobody acts on half of one.
    """

    def __init__(self, outcome: Outcome = "unknown") -> None:
        super().__init__()
        self.outcome = outcome


def run_through(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine whose primitives block, so that it never suspends."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    coroutine.close()
    raise AssertionError("a primitive of the blocking engine suspended")


def until(ctx: OpContext, seconds: float, outcome: Outcome = "unknown") -> float:
    """At most `seconds`, and not past the deadline.

    Raises:
        DeadlineExceededError: it has passed.
    """
    if ctx.deadline is None:
        return seconds
    left = ctx.deadline - ctx.clock.monotonic()
    if left <= 0:
        raise DeadlineExceededError("the operation's time is up", outcome=outcome)
    return min(seconds, left)


def too_late(ctx: OpContext | None, message: str, outcome: Outcome = "unknown") -> CloudStoreError:
    """The error of a wait that `until` has limited."""
    deadline = None if ctx is None else ctx.deadline
    if ctx is not None and deadline is not None and ctx.clock.monotonic() >= deadline - TIMER_SLACK:
        return DeadlineExceededError("the operation's time is up", outcome=outcome)
    return TransportError(message, retryable=True, outcome=outcome)


class Exchanger(ABC):
    """Sends requests and reads the heads of answers, over the primitives of an engine.

    Primitives raise `TimeUpError` after the seconds they are given, `BrokenError` where the
    connection is no more, and OSError while connecting; nothing else.
    """

    def __init__(self, settings: NetworkSettings) -> None:
        self._timeouts: Final = settings.timeouts
        self._tls: Final = settings.tls
        self._proxy: Final = settings.proxy
        self._max_idle: Final = settings.max_connections
        self._context: ssl.SSLContext | None = None
        self._lock = threading.Lock()

    # --- primitives ---

    @abstractmethod
    async def _addresses(self, host: str, port: int) -> Sequence[Address]:
        """Looks the name up."""

    @abstractmethod
    def _make_connection(self, sock: socket.socket, pool: Pool) -> Connection:
        """Of a socket that is not connected yet."""

    @abstractmethod
    async def _open(self, connection: Connection, address: Any, seconds: float) -> None:
        """Connects."""

    @abstractmethod
    async def _start_tls(
        self, connection: Connection, context: ssl.SSLContext, host: str, seconds: float
    ) -> None:
        """Shakes hands; sets `sock` and `tls`."""

    @abstractmethod
    def _send_at_once(self, connection: Connection, data: bytes, seconds: float) -> memoryview | None:
        """Sends of a small piece what is taken without suspending; what is left, or None."""

    async def _send_rest(self, connection: Connection, data: memoryview, seconds: float) -> None:
        """Sends the rest; broken, too, where an answer comes that does not wait for it."""
        raise AssertionError("this engine sends all at once")

    @abstractmethod
    async def _send_some(self, connection: Connection, data: memoryview, seconds: float) -> int:
        """Sends what the connection takes; 0: it takes nothing, and something has come or may have."""

    @abstractmethod
    def _receive_at_once(self, connection: Connection, seconds: float) -> bytes | None:
        """What comes next, where that takes no suspending, else None. Nothing where the connection has
        ended, in whatever way."""

    async def _receive_later(self, connection: Connection, seconds: float) -> bytes:
        """The same, suspending."""
        raise AssertionError("this engine receives at once")

    @abstractmethod
    async def _hears(self, connection: Connection, seconds: float) -> bool:
        """Waits until `Connection.look` finds something; False where it does not."""

    @abstractmethod
    async def _read_payload(self, payload: Payload, offset: int, length: int) -> bytes | memoryview:
        """Reads a piece of a payload, which may block."""

    async def _send(self, connection: Connection, data: bytes, seconds: float) -> None:
        rest = self._send_at_once(connection, data, seconds)
        if rest is not None:
            await self._send_rest(connection, rest, seconds)

    async def _receive(self, connection: Connection, seconds: float) -> bytes:
        data = self._receive_at_once(connection, seconds)
        return await self._receive_later(connection, seconds) if data is None else data

    # --- one exchange ---

    def _make_pool(self, pools: dict[str, Pool], origin: str) -> Pool:
        return pools.setdefault(origin, Pool(origin, self._proxy, self._max_idle))

    async def _exchange(
        self, pools: dict[str, Pool], request: Request, headers: Mapping[str, str], scope: Scope | None
    ) -> Response:
        """Sends once. Sends again by itself only what surely did no harm the first time.

        Args:
            scope: whatever cancels; it is told what to wake.
        """
        pool = pools.get(request.origin) or self._make_pool(pools, request.origin)
        payload = request.payload
        size = 0 if payload is None else payload.size
        expects = size >= EXPECT_BYTES and pool.expects and payload is not None and payload.asks_first
        head = _request_head(request, headers, pool, size, expects=expects)
        response: Response | None = None
        # Of a write that died on a connection nobody can tell whether it was applied: it looks first.
        once = request.method not in _READS or not request.idempotent
        connection = pool.take(check=once)
        if connection is not None:
            try:
                response = await self._exchange_on(
                    connection, request, head, size, expects=expects, scope=scope
                )
            except _SilentEndError as exc:
                # The server closed it while it lay idle, or just after; nobody knows which. Whether a
                # write is sent again is for whoever counts the attempts, and what they may have done.
                if scope is not None and scope.cancelled:
                    raise FlowCancelled from None
                if once and exc.outcome == "unknown":
                    raise _closed_before_answer(exc.outcome) from None
        if response is None:
            connection = await self._connect(pool, request.ctx, scope)
            try:
                response = await self._exchange_on(
                    connection, request, head, size, expects=expects, scope=scope
                )
            except _SilentEndError as exc:
                # So a server of TLS takes plain HTTP.
                hint = "" if pool.endpoint.tls else "; is it https:// there?"
                raise _closed_before_answer(exc.outcome, hint) from None
        if response.status != EXPECTATION_FAILED or not expects:
            return response
        # RFC 9110 §10.1.1: the request is sent again without the expectation.
        if response.body is not None:
            response.body.close()
        pool.expects = False
        return await self._exchange(pools, request, headers, scope)

    async def _exchange_on(
        self,
        connection: Connection,
        request: Request,
        head: bytes,
        size: int,
        *,
        expects: bool,
        scope: Scope | None,
    ) -> Response:
        """Sends on a connection and reads the head of the answer.

        Raises:
            _SilentEndError: the connection ended before anything of an answer came.
        """
        ctx, timeouts = request.ctx, self._timeouts
        if scope is not None:
            scope.attach(connection.close)
        try:
            early = None
            whole = True
            try:
                payload = request.payload
                if payload is not None and 0 < size <= JOIN_BYTES and not payload.blocks:
                    head, size = b"".join((head, payload.read(0, size))), 0
                if size:
                    assert payload is not None
                    early = await self._send_all(connection, request, head, payload, expects=expects)
                else:
                    limit = timeouts.stall
                    if ctx.deadline is not None:
                        limit = until(ctx, limit, "not_applied")
                    rest = self._send_at_once(connection, head, limit)  # `_send`, spared a coroutine
                    if rest is not None:
                        await self._send_rest(connection, rest, limit)
            except BrokenError:
                # The server may have answered (403, 503) before it closed; its answer is worth more.
                whole = False
            except TimeUpError:
                message = f"nothing was taken for {timeouts.stall:g} seconds"
                raise too_late(ctx, message, "not_applied") from None
            try:
                answer = early or await self._read_head(connection, request)
            except _SilentEndError:
                raise _SilentEndError("unknown" if whole else "not_applied") from None
            if early is not None or not whole:
                answer.keep_alive = False
            return self._response(connection, request, answer)
        except BaseException:
            connection.discard()
            raise
        finally:
            if scope is not None:
                scope.detach(connection.close)

    def _response(self, connection: Connection, request: Request, head: Head) -> Response:
        if (
            head.length is None
            and not head.chunked
            and not request.buffered
            and head.status < FIRST_ERROR_STATUS
        ):
            # Nobody could tell a whole object from a half one.
            raise TransportError("the body has no length", outcome="unknown")
        rest, connection.ahead = connection.ahead, b""
        if head.length == len(rest):  # all of it came with the head
            connection.release(head.keep_alive)
            return Response(head.status, head.headers, BytesBody(rest) if rest else None)
        connection.begin_body(request, self._timeouts.stall, self._timeouts.stall_bytes)
        return Response(head.status, head.headers, body_of(head, connection, rest, connection.release))

    async def _read_head(
        self, connection: Connection, request: Request, *, interim: bool = False
    ) -> Head:
        """The final head, 1xx ones passed by; with `interim`, the next one. The rest is `ahead`."""
        looked = passed = 0
        seconds = self._timeouts.first_byte
        if request.ctx.deadline is not None:
            seconds = until(request.ctx, seconds)
        end: float | None = None
        while True:
            at = find_head_end(connection.ahead, looked) if connection.ahead else -1
            if at >= 0:
                raw, connection.ahead = connection.ahead[:at], connection.ahead[at:]
                head = parse_head(raw, request.method)
                if head.status >= 200 or interim:
                    return head
                looked, passed = 0, passed + 1
                if passed > MAX_INTERIM:
                    raise TransportError("only interim answers came", outcome="unknown")
                continue
            looked = len(connection.ahead)
            if looked or passed:
                # The whole head, interim ones included, has as long again as its first byte.
                end = end or time.monotonic() + self._timeouts.first_byte
                seconds = until(request.ctx, end - time.monotonic())
            try:
                if seconds <= 0:
                    raise TimeUpError
                data = b"" if connection.ended else self._receive_at_once(connection, seconds)
                if data is None:  # `_receive`, spared a coroutine
                    data = await self._receive_later(connection, seconds)
            except TimeUpError:
                waited = self._timeouts.first_byte
                raise too_late(request.ctx, f"no answer for {waited:g} seconds") from None
            if data:
                connection.ahead += data
            elif looked or passed:
                raise TransportError(
                    "the connection broke in the answer's head", retryable=True, outcome="unknown"
                )
            else:
                raise _SilentEndError

    # --- sending a body ---

    async def _send_all(
        self,
        connection: Connection,
        request: Request,
        head: bytes,
        payload: Payload,
        *,
        expects: bool,
    ) -> Head | None:
        """Sends head and body; the head of an answer that came before the end of that."""
        ctx, stall, size = request.ctx, self._timeouts.stall, payload.size
        if size <= JOIN_BYTES:
            body = await self._read_payload(payload, 0, size)
            await self._send(connection, b"".join((head, body)), until(ctx, stall, "not_applied"))
            return None
        await self._send(connection, head, until(ctx, stall, "not_applied"))
        if expects:
            early = await self._await_continue(connection, request)
            if early is not None:
                return early
        sent = waited = 0.0
        passed = 0
        for offset in range(0, size, SEND_CHUNK):
            chunk = memoryview(
                await self._read_payload(payload, offset, min(SEND_CHUNK, size - offset))
            )
            while chunk:
                if connection.look():
                    early = await self._read_early(connection, request)
                    if early is not None:
                        return early
                    passed += 1
                    if passed > MAX_INTERIM:
                        raise TransportError("only interim answers came", outcome="unknown")
                began = time.monotonic()
                count = await self._send_some(connection, chunk, until(ctx, stall, "not_applied"))
                waited += time.monotonic() - began
                sent += count
                chunk = chunk[count:]
                if waited >= stall:
                    check_floor(waited, int(sent), self._timeouts.stall_bytes)
                    sent = waited = 0.0
        return None

    async def _await_continue(self, connection: Connection, request: Request) -> Head | None:
        """Waits for the server's word; a final answer in its stead is the result."""
        if await self._hears(connection, until(request.ctx, EXPECT_SECONDS, "not_applied")):
            return await self._read_early(connection, request)
        connection.pool.expects = False
        return None

    async def _read_early(self, connection: Connection, request: Request) -> Head | None:
        """What the server said while it was being sent to, if that is its answer."""
        if connection.ended and not connection.ahead:
            raise BrokenError
        head = await self._read_head(connection, request, interim=True)
        return head if head.status >= 200 else None

    # --- connecting ---

    async def _connect(self, pool: Pool, ctx: OpContext, scope: Scope | None) -> Connection:
        to = pool.proxy or pool.endpoint
        host, port = to.host, to.port
        end = time.monotonic() + until(ctx, self._timeouts.connect, "not_applied")
        try:
            found = await self._addresses(host, port)
            for index, address in enumerate(found):
                # One address that swallows packets must not take the time of all others.
                share = _left(end) / (len(found) - index)
                try:
                    return await self._connect_to(pool, address, share, end, scope)
                except (CloudStoreError, ssl.SSLCertVerificationError):
                    raise  # another address would say the same
                except OSError:
                    if index == len(found) - 1 or (scope is not None and scope.cancelled):
                        raise
            raise TransportError("this host has no address", retryable=True)
        except Exception as exc:
            error = _connect_error(exc, pool, ctx)
            if error is None or error is exc:
                raise
            raise error from exc

    async def _connect_to(
        self, pool: Pool, address: Address, share: float, end: float, scope: Scope | None
    ) -> Connection:
        """Connects to one address, through the proxy's tunnel, and shakes hands."""
        endpoint, proxy = pool.endpoint, pool.proxy
        family, kind, protocol, _, place = address
        connection = self._make_connection(socket.socket(family, kind, protocol), pool)
        wake = connection.close
        if scope is not None:
            scope.attach(wake)
        try:
            await self._open(connection, place, share)
            prepare(connection.sock)
            if endpoint.tls:
                if proxy is not None:
                    await self._open_tunnel(connection, proxy, end)
                await self._start_tls(connection, self._tls_context(), endpoint.host, _left(end))
            return connection
        except BaseException:
            connection.discard()
            raise
        finally:
            if scope is not None:
                scope.detach(wake)

    async def _open_tunnel(self, connection: Connection, proxy: Proxy, end: float) -> None:
        """Asks a proxy for a tunnel (RFC 9110 §9.3.6)."""
        authority = authority_of(connection.pool.endpoint, always_port=True)
        lines = [f"CONNECT {authority} HTTP/1.1", f"host: {authority}"]
        if proxy.authorization is not None:
            lines.append(f"proxy-authorization: {proxy.authorization}")
        await self._send(connection, "\r\n".join([*lines, "", ""]).encode("latin-1"), _left(end))
        looked = 0
        while not connection.ahead or (at := find_head_end(connection.ahead, looked)) < 0:
            looked = len(connection.ahead)
            data = await self._receive(connection, _left(end))
            if not data:
                raise TransportError(f"{proxy} closed the connection", retryable=True)
            connection.ahead += data
        head = parse_head(connection.ahead[:at], "CONNECT")
        if not 200 <= head.status < 300:
            wants = ": it wants a user and a password" if head.status == 407 else ""
            raise TransportError(
                f"{proxy} refused a tunnel to {authority} with {head.status}{wants}",
                status=head.status,
                retryable=head.status >= 500,
            )
        if len(connection.ahead) > at:
            raise TransportError(f"{proxy} sent more than its answer")
        connection.ahead = b""

    def _tls_context(self) -> ssl.SSLContext:
        """Made once: reading the certificates takes 10 ms."""
        with self._lock:
            if self._context is None:
                self._context = self._tls.context()
            return self._context


def _left(end: float) -> float:
    left = end - time.monotonic()
    if left <= 0:
        raise TimeUpError
    return left


def _closed_before_answer(outcome: Outcome, hint: str = "") -> TransportError:
    return TransportError(
        f"the connection was closed before the answer{hint}", retryable=True, outcome=outcome
    )


def _request_head(
    request: Request, headers: Mapping[str, str], pool: Pool, size: int, *, expects: bool
) -> bytes:
    target = f"{request.path}?{request.query}" if request.query else request.path
    extra = ""
    if "host" not in headers:
        extra = f"host: {pool.authority}\r\n"
    if pool.proxy is not None and not pool.endpoint.tls:
        target = pool.origin + target
        if pool.proxy.authorization is not None:
            extra += f"proxy-authorization: {pool.proxy.authorization}\r\n"
    if "content-length" in headers:
        if headers["content-length"] != str(size):
            raise InvalidArgumentError("the content-length is not that of the payload")
    elif size or request.payload is not None or request.method in ("PUT", "POST"):
        extra += f"content-length: {size}\r\n"
    if "transfer-encoding" in headers:
        raise InvalidArgumentError("bodies of requests are sent by length")
    if expects:
        extra += "expect: 100-continue\r\n"
    return encode_head(request.method, target, headers, extra)


def _connect_error(error: BaseException, pool: Pool, ctx: OpContext) -> CloudStoreError | None:
    """What a failure to connect means; None: it is none of ours. Nothing was asked for yet."""
    server = authority_of(pool.endpoint, always_port=True)
    where = server if pool.proxy is None else str(pool.proxy)
    if isinstance(error, CloudStoreError):
        error.outcome = "not_applied"
        return error
    if isinstance(error, ssl.SSLCertVerificationError):
        return TransportError(f"the certificate of {server} is not trusted: {error.verify_message}")
    if isinstance(error, TimeUpError | TimeoutError):
        return too_late(ctx, f"no connection to {where} in time", "not_applied")
    if isinstance(error, BrokenError):
        return TransportError(f"the connection to {where} broke at once", retryable=True)
    if isinstance(error, ssl.SSLError) and not isinstance(error, _LOST_IN_HANDSHAKE):
        reason = (error.reason or str(error)).lower().replace("_", " ")
        plain = "; it seems to speak no TLS: is it http:// there?" if "version number" in reason else ""
        return TransportError(f"no connection to {server} by TLS: {reason}{plain}")
    if isinstance(error, OSError):
        reason = error.strerror or str(error)
        if error.errno and not isinstance(error, ssl.SSLError | socket.gaierror):
            reason = os.strerror(error.errno)  # asyncio has words of its own
        lasting = isinstance(error, socket.gaierror) and error.errno == socket.EAI_NONAME
        return TransportError(f"no connection to {where}: {reason}", retryable=not lasting)
    if isinstance(error, UnicodeError):
        return TransportError(f"{where} is no name of a host")
    return None
