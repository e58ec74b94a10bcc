"""A whole `Store`, and the real exchange, with connections that hold a hostile server's bytes.

No socket is used, so that thousands of exchanges fit into a second; the pieces in which bytes come,
and how a connection ends, are drawn from the input itself. With sockets: `exchanges`.
"""

from __future__ import annotations

import random
import socket
from collections.abc import Mapping, Sequence
from typing import Any

from cloudstore import Store
from cloudstore.bodies import Payload
from cloudstore.driver import Recv, Request, Response
from cloudstore.errors import TransportError
from cloudstore.runtime.threads import Scope, SyncRunner
from cloudstore.wire.connections import Connection, Pool
from cloudstore.wire.exchange import Address, Exchanger, TimeUpError, run_through
from cloudstore.wire.settings import NetworkSettings

from . import operations
from .target import Target, dice_for

__all__ = ["ANSWERS"]

PIECES = (1, 7, 100, 5000, 65536)


class _Connection(Connection):
    """A connection on which everything has come that ever will."""

    def __init__(self, sock: socket.socket, pool: Pool, data: bytes, dice: random.Random) -> None:
        super().__init__(sock, pool)
        self._data = data
        self._piece = dice.choice(PIECES)
        self.hangs = dice.random() < 0.1

    def discard(self) -> None:
        self.sock.close()

    def wake(self) -> bool:
        return True

    def rest(self) -> None:
        pass

    def receive_now(self, count: int) -> bytes:
        count = min(count, self._piece)
        taken, self._data = self._data[:count], self._data[count:]
        if not taken and self.hangs:
            raise BlockingIOError
        return taken


class _Transport(Exchanger):
    """Gives each connection its answer, the last one again and again."""

    def __init__(self, answers: Sequence[bytes], dice: random.Random) -> None:
        super().__init__(NetworkSettings(proxy=""))
        self._answers = answers
        self._dice = dice
        self._pools: dict[str, Pool] = {}
        self.connections = 0

    def exchange(self, request: Request, headers: Mapping[str, str], scope: Scope | None) -> Response:
        return run_through(self._exchange(self._pools, request, headers, scope))

    def recv(self, effect: Recv) -> int:
        connection = effect.stream
        assert isinstance(connection, _Connection)
        try:
            data = connection.receive_now(len(effect.buffer))
        except BlockingIOError:
            raise TransportError("nothing came", retryable=True, outcome="unknown") from None
        effect.buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        for pool in self._pools.values():
            pool.close()

    async def _addresses(self, host: str, port: int) -> Sequence[Address]:
        assert host == "127.0.0.1", f"{host} is asked, which a server has named"
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (host, port))]

    def _make_connection(self, sock: socket.socket, pool: Pool) -> _Connection:
        self.connections += 1
        assert self.connections <= operations.MAX_CONNECTIONS, "it asks on and on"
        answer = self._answers[min(self.connections, len(self._answers)) - 1]
        return _Connection(sock, pool, answer, self._dice)

    async def _open(self, connection: Connection, address: Any, seconds: float) -> None:
        pass

    async def _start_tls(self, *args: Any) -> None:
        raise AssertionError("there is no TLS here")

    def _send_at_once(self, connection: Connection, data: bytes, seconds: float) -> None:
        pass

    async def _send_some(self, connection: Connection, data: memoryview, seconds: float) -> int:
        return len(data)

    def _receive_at_once(self, connection: Connection, seconds: float) -> bytes:
        try:
            return connection.receive_now(65536)
        except BlockingIOError:
            raise TimeUpError from None

    async def _hears(self, connection: Connection, seconds: float) -> bool:
        return connection.look()

    async def _read_payload(self, payload: Payload, offset: int, length: int) -> bytes | memoryview:
        return payload.read(offset, length)


def _answers(data: bytes) -> None:
    letter, answers = operations.split_input(data)
    dice = dice_for(data)
    driver = operations.driver("http://127.0.0.1", dice.choice(("aws", "generic")))
    with Store(driver, retry=operations.RETRY) as store:
        # The one seam below a Store: whoever opens its connections.
        store._runner = SyncRunner(lambda: _Transport(answers, dice))
        operations.ask(store, letter)


ANSWERS = Target("answers", _answers, operations.SEEDS, operations.FRAGMENTS, 32 * 1024, cases=6000)
