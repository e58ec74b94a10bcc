"""Connections and the pools they are kept in, on either engine.

A connection belongs to one exchange at a time. It goes back to its pool only when the answer was read
to its end and nothing was left over; else it is closed.
"""

from __future__ import annotations

import select
import socket
import ssl
import time
from abc import ABC, abstractmethod
from collections import deque
from contextlib import suppress

from ..driver import OpContext, Request
from ..errors import TransportError
from .endpoints import Endpoint, Proxy, authority_of, parse_origin, proxy_for

__all__ = ["READ_SIZE", "WOULD_BLOCK", "Connection", "Pool", "check_floor"]

READ_SIZE = 64 * 1024
CHECK_IDLE_SECONDS = 0.001
"""A connection that lay idle longer is looked at before it is used again. One that was used just now
would hardly show more, and each look lets go of the interpreter's lock: with eight busy threads it
costs a tenth to a quarter of the requests a second."""
MAX_IDLE_SECONDS = 120.0
"""Services and what stands before them close idle connections after 5 to 75 seconds."""
SLOW_ANSWER_SECONDS = 600.0
"""How long an answer that is read whole may stay under the floor. Source: S3's API reference,
CompleteMultipartUpload: single spaces come for minutes while the parts are put together."""
WOULD_BLOCK = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Pool:
    """What is known of one origin, and its idle connections. Any number of threads may use it.

    Attributes:
        is_open: False once the transport was closed: connections are not kept any more.
        foreign: this process is a fork of the one whose connections these are.
        expects: whether ``Expect: 100-continue`` is heeded, as far as is known.
        session: of TLS, to be resumed by the next connection.
    """

    __slots__ = (
        "authority",
        "endpoint",
        "expects",
        "foreign",
        "idle",
        "is_open",
        "max_idle",
        "origin",
        "proxy",
        "session",
    )

    def __init__(self, origin: str, proxy: str | None, max_idle: int) -> None:
        self.origin = origin
        self.endpoint: Endpoint = parse_origin(origin)
        self.authority = authority_of(self.endpoint)
        self.proxy: Proxy | None = proxy_for(self.endpoint, proxy)
        self.max_idle = max_idle
        self.idle: deque[Connection] = deque()
        self.is_open = True
        self.foreign = False
        self.expects = True
        self.session: ssl.SSLSession | None = None

    def take(self, *, check: bool) -> Connection | None:
        """An idle connection that seems to be alive, the one used last first.

        Args:
            check: look at it also where it was used just now.
        """
        while True:
            try:
                connection = self.idle.pop()
            except IndexError:
                return None
            if not check and time.monotonic() - connection.idle_since < CHECK_IDLE_SECONDS:
                return connection
            if connection.is_quiet():
                return connection
            connection.discard()

    def give(self, connection: Connection) -> None:
        """Keeps a connection; gives up one that nobody has wanted for long."""
        if len(self.idle) >= self.max_idle:
            connection.discard()
            return
        now = connection.idle_since = time.monotonic()
        if connection.session_due:
            connection.keep_session()
        self.idle.append(connection)
        if now - self.idle[0].idle_since > MAX_IDLE_SECONDS:
            with suppress(IndexError):  # another thread was quicker
                self.idle.popleft().discard()
        if not self.is_open:  # looked at last, so that a `close` meanwhile misses nothing
            self.close()

    def close(self) -> None:
        """Closes what lies idle; what is in use is closed when it comes back."""
        self.is_open = False
        while True:
            try:
                self.idle.popleft().discard()
            except IndexError:
                return

    def disown(self) -> None:
        """Forgets the connections of the process that this one is a fork of."""
        self.foreign = True
        self.close()


class Connection(ABC):
    """A socket to an endpoint; the `Stream` of the bodies that are read from it.

    Attributes:
        ahead: what has come and was not taken yet.
        ended: nothing more will come.
        idle_since: when it was put into the pool.
        deadline: the context whose deadline holds for the body, or None.
        session_due: it speaks TLS, and its session was not kept yet.
    """

    __slots__ = (
        "_floor",
        "_poll",
        "_received",
        "_slow_after",
        "_waited",
        "ahead",
        "deadline",
        "ended",
        "idle_since",
        "pool",
        "session_due",
        "sock",
        "tls",
    )

    def __init__(self, sock: socket.socket, pool: Pool) -> None:
        self.sock = sock
        self.pool = pool
        self.tls = self.session_due = False
        self.ahead = b""
        self.ended = False
        self.idle_since = 0.0
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)
        self.deadline: OpContext | None = None
        self._floor = 0
        self._slow_after = 0.0
        self._waited = 0.0
        self._received = 0

    # --- life ---

    def release(self, reusable: bool) -> None:
        """Gives it back after an exchange."""
        if reusable:
            self.pool.give(self)
        else:
            self.discard()

    @abstractmethod
    def discard(self) -> None:
        """Closes it, from its own thread or task; any number of times."""

    def close(self) -> None:
        """Wakes whoever waits on it, from any thread; the owner then discards it."""
        if not self.pool.foreign:
            with suppress(OSError):  # it may be closed already
                # Not SSLSocket's: that takes TLS away under a reader.
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)

    def hang_up(self) -> None:
        """Closes the socket, also for a forked child that holds a copy of it."""
        self.close()
        self.sock.close()

    def keep_session(self) -> None:
        """Has the next connection resume this one's TLS session, whose tickets came with an answer.

        Once a connection: Python copies a session by writing it out and reading it in, 120 µs.
        """
        self.session_due = False
        if isinstance(self.sock, ssl.SSLSocket):
            self.pool.session = self.sock.session

    # --- bytes that are there already ---

    @abstractmethod
    def receive_now(self, count: int) -> bytes:
        """Up to `count` bytes, without waiting. Raises one of `WOULD_BLOCK` where there are none."""

    def is_quiet(self) -> bool:
        """Whether nothing has come since the last answer: not the end, and nothing that the next
        request would take for its answer. Where all is well this is one cheap system call."""
        return not self.has_come() or not self.look()

    def has_come(self) -> bool:
        """Whether there is something to receive, or the end, without looking what it is."""
        unread = self.tls and isinstance(self.sock, ssl.SSLSocket) and self.sock.pending()
        return bool(unread or self._poll.poll(0))

    def receive_records(self, buffer: memoryview) -> int:
        """Of TLS, what else is there already: a read returns one record, which has at most 16 KiB
        (RFC 8446 §5.1), and what is done for each read costs more than to decrypt that."""
        filled = 0
        with suppress(OSError):  # the next read meets it, with nothing that came before it
            while filled < len(buffer) and self.has_come():
                count = self.sock.recv_into(buffer[filled:])
                if not count:
                    break
                filled += count
        return filled

    def look(self) -> bool:
        """Takes in what has come, without waiting; whether something has, or the end."""
        if self.ahead or self.ended:
            return True
        try:
            self.ahead = self.receive_now(READ_SIZE)
        except WOULD_BLOCK:
            return False
        except OSError:
            self.ended = True
        else:
            self.ended = not self.ahead
        return True

    def skip(self, count: int) -> bool:
        """See `WireStream`."""
        if self.pool.foreign:
            return False
        try:
            while count:
                taken = len(self.receive_now(count))
                if not taken:
                    return False
                count -= taken
        except OSError:  # the rest has not come yet, or never will
            return False
        return not self.look()

    # --- how fast ---

    def begin_body(self, request: Request, stall: float, floor: int) -> None:
        """Starts counting: of an answer that is read whole, the floor holds only after minutes."""
        self._floor = floor
        self._slow_after = SLOW_ANSWER_SECONDS if request.buffered else stall
        self._waited, self._received = 0.0, 0
        deadline = request.ctx.deadline
        # A body that is handed out open outlives the operation that opened it.
        self.deadline = request.ctx if request.buffered and deadline is not None else None

    def count(self, waited: float, received: int) -> None:
        """Counts what came in `waited` seconds; the time between reads is the caller's.

        Raises:
            TransportError: it stayed under the floor for too long.
        """
        self._waited += waited
        self._received += received
        if self._waited >= self._slow_after:
            check_floor(self._waited, self._received, self._floor)
            self._waited, self._received = 0.0, 0


def check_floor(seconds: float, count: int, floor: int) -> None:
    """Raises TransportError where `count` bytes are too few for so many seconds."""
    if count < floor * seconds:
        raise TransportError("the transfer was too slow", retryable=True, outcome="unknown")
