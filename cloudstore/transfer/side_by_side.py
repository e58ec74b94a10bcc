"""The same work on each of many items, by a crew of tasks on asyncio.

Memory is bounded by how many are under way, whatever the number of items.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from typing import Generic, TypeVar

from ..errors import InvalidArgumentError

__all__ = ["side_by_side"]

T = TypeVar("T")
R = TypeVar("R")


async def side_by_side(
    work: Callable[[T], Awaitable[R]],
    items: Iterable[T] | AsyncIterable[T],
    concurrency: int,
) -> AsyncGenerator[R, None]:
    """What `work` makes of each item, in the order in which that ends.

    Raises:
        InvalidArgumentError: of `concurrency`.
        What `work` or the iteration of `items` raises; the rest is cancelled then.
    """
    if isinstance(concurrency, bool) or not isinstance(concurrency, int) or concurrency < 1:
        raise InvalidArgumentError(f"max_concurrency is at least 1, not {concurrency!r}")
    crew = _Crew(work, items, concurrency)
    try:
        async for result in crew.results():
            yield result
    finally:
        await crew.dismiss()


class _Crew(Generic[T, R]):
    """Tasks that share the items among them."""

    def __init__(
        self,
        work: Callable[[T], Awaitable[R]],
        items: Iterable[T] | AsyncIterable[T],
        size: int,
    ) -> None:
        self._work = work
        self._size = size
        self._next = _next_of_async(items) if isinstance(items, AsyncIterable) else _next_of(items)
        self._results: deque[R] = deque()
        self._arrived = asyncio.Event()
        self._room = asyncio.Event()
        self._error: BaseException | None = None
        self._tasks = {asyncio.create_task(self._follow()) for _ in range(size)}
        self._busy = size

    async def _follow(self) -> None:
        try:
            while (item := await self._next()) is not None:
                result = await self._work(item[0])
                while len(self._results) >= self._size:
                    self._room.clear()
                    await self._room.wait()
                self._results.append(result)
                self._arrived.set()
                await asyncio.sleep(0)  # work that never waits would keep the loop to itself
        except Exception as exc:
            self._error = self._error or exc
        finally:
            self._busy -= 1
            self._arrived.set()

    async def results(self) -> AsyncIterator[R]:
        while self._error is None:
            while self._results:
                result = self._results.popleft()
                self._room.set()
                yield result
            if not self._busy:
                break
            self._arrived.clear()
            await self._arrived.wait()
        if self._error is not None:
            raise self._error

    async def dismiss(self) -> None:
        """Cancels whoever still works, and waits until all have cleaned up."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _next_of(items: Iterable[T]) -> Callable[[], Awaitable[tuple[T] | None]]:
    source = iter(items)

    async def following() -> tuple[T] | None:
        for item in source:
            return (item,)
        return None

    return following


def _next_of_async(items: AsyncIterable[T]) -> Callable[[], Awaitable[tuple[T] | None]]:
    source, one_at_a_time = aiter(items), asyncio.Lock()

    async def following() -> tuple[T] | None:
        async with one_at_a_time:
            async for item in source:
                return (item,)
            return None

    return following
