"""One set of operations for both faces: a worker is a coroutine, also where it is a thread.

`Inline` gives a `Store`, and what it returns, methods that are awaited and never wait for a loop;
`run_inline` runs a coroutine of nothing else to its end, in the calling thread.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Iterator
from typing import Any, TypeVar

from cloudstore import Store
from cloudstore.multipart import MultipartUpload
from cloudstore.object import Object
from cloudstore.writer import ObjectWriter

T = TypeVar("T")
_WRAPPED = (Store, MultipartUpload, Object, ObjectWriter)


class Inline:
    """A blocking object of the library whose methods are awaited."""

    def __init__(self, subject: Any) -> None:
        self._subject = subject

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._subject, name)
        at_once = name == "close" and isinstance(self._subject, Object)  # as AsyncObject's
        if not callable(value) or at_once:
            return value
        if name in ("iter_objects", "iter_chunks"):
            return lambda *args, **named: _iterated(value(*args, **named))

        async def call(*args: Any, **named: Any) -> Any:
            result = value(*args, **named)
            return Inline(result) if isinstance(result, _WRAPPED) else result

        return call


async def _iterated(items: Iterable[T]) -> AsyncIterator[T]:
    for item in items:
        yield item


def run_inline(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that waits for nothing but inline calls."""
    try:
        work.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    raise AssertionError("an inline coroutine waited for a loop")


class Face:
    """How a worker reaches a store, sleeps, and hands over a stream.

    Attributes:
        store: `AsyncStore`, or a `Store` made `Inline`.
        is_async: whether the worker is a task.
    """

    def __init__(self, store: Any, *, is_async: bool) -> None:
        self.store = store if is_async else Inline(store)
        self.is_async = is_async

    async def sleep(self, seconds: float) -> None:
        """Lets the others work."""
        if self.is_async:
            await asyncio.sleep(seconds)
        else:
            time.sleep(seconds)

    def stream(self, pieces: Callable[[], Iterator[bytes]]) -> Any:
        """Data that can be read once."""
        return _iterated(pieces()) if self.is_async else pieces()

    async def open_writer(self, *args: Any, **named: Any) -> Any:
        """A writer of either face, open."""
        writer = self.store.open_writer(*args, **named)
        if isinstance(writer, Awaitable):
            return await writer
        await writer.__aenter__()
        return writer
