"""`AsyncStore` behind the verbs of `Store`, so that one set of tests proves both faces.

Every call runs as a coroutine on an event loop that lives in a thread of its own; the calling thread
waits. What a call returns is wrapped in turn: objects, buckets, uploads, writers, async iterators.
For tests: the hop to the loop costs about 100 µs a call.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Self, cast

from ..aio import AsyncStore
from ..bucket import AsyncBucket
from ..multipart import AsyncMultipartUpload
from ..object import AsyncObject, ObjectList
from ..runtime.loop_thread import LoopThread
from ..store import Store
from ..transfer.bulk import BulkResult
from ..transfer.job import AsyncJob
from ..writer import AsyncObjectWriter

__all__ = ["BlockingFace", "LoopThread", "blocking_store"]

_WRAPPED = (
    AsyncStore,
    AsyncBucket,
    AsyncMultipartUpload,
    AsyncObject,
    AsyncObjectWriter,
    AsyncJob,
)


class BlockingFace:
    """One of the async classes of the library, to be used from threads.

    Attributes and methods are those of the subject; what must be awaited is awaited on the loop. As a
    context manager it enters and leaves the subject.
    """

    def __init__(self, subject: Any, loop: LoopThread) -> None:
        self._subject = subject
        self._on = loop

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._subject, name)
        if not callable(value):
            return _shown(value, self._on)
        return self._blocking(value)

    def _blocking(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **named: Any) -> Any:
            args = tuple(a._subject if isinstance(a, BlockingFace) else a for a in args)

            async def on_loop() -> Any:
                result = function(*args, **named)
                return await result if inspect.isawaitable(result) else result

            return _shown(self._on.run(on_loop()), self._on)

        return call

    def __enter__(self) -> Self:
        enter = getattr(self._subject, "__aenter__", None)
        if enter is None:
            raise TypeError(f"{self._subject!r} is no context manager")
        self._blocking(enter)()
        return self

    def __exit__(self, *exc: object) -> None:
        self._blocking(self._subject.__aexit__)(*exc)

    def __repr__(self) -> str:
        return repr(self._subject)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BlockingFace) and bool(self._subject == other._subject)

    def __hash__(self) -> int:
        return hash(self._subject)


def blocking_store(store: AsyncStore, loop: LoopThread) -> Store:
    """An `AsyncStore` that can be used like a `Store` (all but `Object.open`)."""
    return cast(Store, BlockingFace(store, loop))


def _shown(value: Any, loop: LoopThread) -> Any:
    """A result as a caller in a thread can use it."""
    if isinstance(value, _WRAPPED):
        return BlockingFace(value, loop)
    if isinstance(value, ObjectList):
        return ObjectList([_shown(item, loop) for item in value], value.marker)
    if isinstance(value, list):
        return [_shown(item, loop) for item in value]
    if isinstance(value, BulkResult):
        return value.map(lambda found: _shown(found, loop))
    if isinstance(value, AsyncIterator):
        return _iterated(value, loop)
    return value


def _iterated(items: AsyncIterator[Any], loop: LoopThread) -> Iterator[Any]:
    end = object()

    async def following() -> Any:
        return await anext(items, end)

    while (item := loop.run(following())) is not end:
        yield _shown(item, loop)
