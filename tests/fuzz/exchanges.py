"""The real thing: a `Store` and an `AsyncStore` on real sockets, and a hostile server behind them.

Both must make the same of the same bytes. Slow, as it has sockets, a thread and a loop; most of what
goes wrong above the sockets is found by `answers`.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Any

from cloudstore import AsyncStore, Store
from cloudstore.errors import CloudStoreError
from cloudstore.policy import Timeouts
from cloudstore.testing.blocking_face import LoopThread, blocking_store

from . import operations
from .target import Target, dice_for

__all__ = ["EXCHANGES"]

PATIENT = Timeouts(connect=5.0, first_byte=5.0, stall=5.0)
HASTY = Timeouts(connect=5.0, first_byte=0.05, stall=0.05)
"""For a server that says no more and does not close: each wait takes this long."""
HANGING_SHARE = 0.03
CORK: int | None = getattr(socket, "TCP_CORK", None)


class _Server:
    """Sends each connection its answer, before it is asked; the last answer again and again.

    Connections stay open until the end of the case, so that no reset takes away what was sent.
    """

    def __init__(self, answers: list[bytes], *, hangs: bool) -> None:
        self._answers = answers
        self._hangs = hangs
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self._sockets.append(sock)
            if len(self._sockets) > operations.MAX_CONNECTIONS:
                self._listener.close()
                return
            answer = self._answers[min(len(self._sockets), len(self._answers)) - 1]
            with suppress(OSError):  # the client has gone
                if CORK is not None and not self._hangs:
                    # The end comes with the answer: whether it did would be another matter of chance.
                    sock.setsockopt(socket.IPPROTO_TCP, CORK, 1)
                sock.sendall(answer)
                if not self._hangs:
                    sock.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Closes everything.

        Raises:
            AssertionError: the client went on and on.
        """
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        for sock in self._sockets:
            sock.close()
        assert len(self._sockets) <= operations.MAX_CONNECTIONS, "it asks on and on"


def _on_threads(url: str, timeouts: Timeouts, letter: str) -> Any:
    with Store(operations.driver(url), retry=operations.RETRY, timeouts=timeouts) as store:
        return operations.ask(store, letter)


def _on_tasks(url: str, timeouts: Timeouts, letter: str) -> Any:
    with ExitStack() as stack:
        loop = stack.enter_context(LoopThread())
        store = AsyncStore(operations.driver(url), retry=operations.RETRY, timeouts=timeouts)
        with blocking_store(store, loop) as face:
            return operations.ask(face, letter)


def _outcome(
    engine: Callable[[str, Timeouts, str], Any], data: bytes
) -> tuple[Any, CloudStoreError | None]:
    letter, answers = operations.split_input(data)
    hangs = dice_for(data).random() < HANGING_SHARE
    server = _Server(answers, hangs=hangs)
    try:
        return repr(engine(server.url, HASTY if hangs else PATIENT, letter)), None
    except CloudStoreError as exc:
        return (type(exc), exc.code, exc.status), exc
    finally:
        server.close()


def _exchanges(data: bytes) -> None:
    mine, error = _outcome(_on_threads, data)
    other, _ = _outcome(_on_tasks, data)
    assert mine == other, f"threads: {mine}, tasks: {other}"
    if error is not None:
        raise error


EXCHANGES = Target(
    "exchanges", _exchanges, operations.SEEDS, operations.FRAGMENTS, 32 * 1024, cases=600
)
