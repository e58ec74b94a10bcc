"""The `AsyncStore` that a `Store` has for what needs many connections at a time.

It shares the store's driver and lives on an event loop in a thread of its own, made when it is first
asked for and anew after a fork. Not imported before: a store that is used for one object at a time
needs no asyncio.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import TypeVar

from .aio import AsyncStore
from .config import Config
from .driver import Driver
from .facade import network_settings
from .fork import reset_in_child
from .operations import Operations
from .policy import Timeouts
from .runtime.loop_thread import LoopThread
from .runtime.tasks import AsyncRunner
from .wire.aio import AsyncioTransport

__all__ = ["AsyncTwin"]

T = TypeVar("T")
R = TypeVar("R")
AHEAD = 4
"""Times the items that are under way: so many are handed over at most whose results were not taken.
With half of it the loop waits for the other thread now and then: a tenth fewer objects a second."""


class _SharingStore(AsyncStore):
    """An `AsyncStore` whose driver is another's."""

    def __init__(
        self, operations: Operations, config: Config | Driver, timeouts: Timeouts | None
    ) -> None:
        self._made_of = (config, timeouts)
        self._operations = copy.copy(operations)
        self._operations.asynchronous = True
        self._driver = operations.driver
        self._runner = AsyncRunner(lambda: AsyncioTransport(network_settings(config, timeouts)))
        self._closed = False

    async def close(self) -> None:
        """Closes its connections, not the driver."""
        self._closed = True
        await self._runner.close()


class AsyncTwin:
    """See above. Any number of threads may use it.

    Args:
        operations: of the store.
        config, timeouts: what the store was made of.

    Attributes:
        store: to be used on the loop only.
    """

    def __init__(
        self, operations: Operations, config: Config | Driver, timeouts: Timeouts | None
    ) -> None:
        self.store: AsyncStore = _SharingStore(operations, config, timeouts)
        self._lock = threading.Lock()
        self._loop: LoopThread | None = None
        reset_in_child(self)

    def after_fork_in_child(self) -> None:
        """The thread and its loop run in the parent."""
        self._lock = threading.Lock()
        self._loop = None

    @property
    def loop(self) -> LoopThread:
        """Where `store` lives."""
        with self._lock:
            if self._loop is None:
                self._loop = LoopThread()
            return self._loop

    def guest(
        self, operations: Operations, made_of: tuple[Config | Driver, Timeouts | None]
    ) -> AsyncStore:
        """The same for another store, on this loop; whoever asks for it closes it."""
        return _SharingStore(operations, *made_of)

    def iterate(
        self,
        work: Callable[[AsyncIterator[T]], AsyncIterator[R]],
        items: Iterable[T],
        concurrency: int,
    ) -> Iterator[R]:
        """What `work` makes of `items`; see `LoopThread.iterate`."""
        return self.loop.iterate(work, items, max(1, concurrency) * AHEAD)

    def close(self) -> None:
        """Gives up what goes on, closes connections and ends the thread."""
        with self._lock:
            loop, self._loop = self._loop, None
        if loop is not None:
            loop.cancel_all()
            loop.run(self.store.close())
            loop.close()
