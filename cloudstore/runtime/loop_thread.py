"""An event loop in a thread of its own: how a `Store` drives many connections at a time.

The caller's thread hands items over and takes results; all that is between happens in that one thread.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from concurrent.futures import Future
from typing import Any, Generic, Self, TypeVar

from ..errors import StoreClosedError

__all__ = ["LoopThread"]

T = TypeVar("T")
R = TypeVar("R")
POLL_SECONDS = 0.02
"""How long items and results may lie before they change threads: a switch for each of them would cost
more than many a request."""


class LoopThread:
    """An event loop in a thread. A context manager; `close` ends both."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="cloudstore-loop", daemon=True
        )
        self._thread.start()

    def start(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Has the loop run a coroutine, with the context variables of this thread."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def call(self, function: Callable[[], object]) -> None:
        """Has the loop call a function that does not block."""
        self._loop.call_soon_threadsafe(function)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs a coroutine on the loop and waits for it; an interrupted wait cancels it."""
        future = self.start(work)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def iterate(
        self,
        work: Callable[[AsyncIterator[T]], AsyncIterator[R]],
        items: Iterable[T],
        ahead: int,
    ) -> Iterator[R]:
        """What `work`, on the loop, makes of `items`, which this thread asks for.

        Args:
            ahead: so many items at most are handed over whose results were not taken yet.
        """
        feed, results = _Feed[T](self._loop), deque[R]()
        wake = threading.Event()

        async def follow() -> None:
            async for result in work(feed):
                results.append(result)
                if len(results) * 4 >= ahead:
                    wake.set()

        task = self.run(_started(follow(), wake.set))
        source, under_way = iter(items), 0
        try:
            while True:
                ended = task.done()
                while results:
                    under_way -= 1
                    yield results.popleft()
                if ended:
                    if task.cancelled():
                        raise StoreClosedError("this store was closed meanwhile")
                    task.result()
                    return
                if under_way * 2 <= ahead and not feed.is_complete:
                    under_way += feed.take_from(source, ahead - under_way)
                wake.wait(POLL_SECONDS)
                wake.clear()
        finally:
            if not task.done():
                self.run(_cancelled(task))

    def cancel_all(self) -> None:
        """Cancels what goes on on the loop, and waits until it has cleaned up."""
        self.run(_all_cancelled())

    def close(self) -> None:
        """Ends the loop: cancels what goes on there, and waits until it has cleaned up."""
        if self._loop.is_closed():
            return
        self.cancel_all()
        self.run(self._loop.shutdown_asyncgens())
        self.run(self._loop.shutdown_default_executor())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class _Feed(AsyncIterator[T], Generic[T]):
    """Items that another thread hands over, for any number of tasks.

    Attributes:
        is_complete: whether that thread has none left.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._items: deque[T] = deque()
        self._is_over = False
        self._waiting: list[asyncio.Future[None]] = []
        self.is_complete = False

    def take_from(self, source: Iterator[T], count: int) -> int:
        """In the other thread: hands over up to `count` items, fewer where they come slowly."""
        taken: list[T] = []
        until = time.monotonic() + POLL_SECONDS
        while len(taken) < count and time.monotonic() < until:
            try:
                taken.append(next(source))
            except StopIteration:
                self.is_complete = True
                break
        self._loop.call_soon_threadsafe(self._add, taken, self.is_complete)
        return len(taken)

    def _add(self, items: list[T], last: bool) -> None:
        self._items.extend(items)
        self._is_over = last
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)
        self._waiting.clear()

    async def __anext__(self) -> T:
        while not self._items:
            if self._is_over:
                raise StopAsyncIteration
            waiting = self._loop.create_future()
            self._waiting.append(waiting)
            await waiting
        return self._items.popleft()


async def _started(work: Coroutine[Any, Any, T], at_its_end: Callable[[], None]) -> asyncio.Task[T]:
    task = asyncio.create_task(work)
    task.add_done_callback(lambda ended: at_its_end())
    return task


async def _cancelled(task: asyncio.Task[Any]) -> None:
    """Returns when the task has cleaned up; its error is of no interest to who gave it up."""
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled():
        task.exception()


async def _all_cancelled() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
