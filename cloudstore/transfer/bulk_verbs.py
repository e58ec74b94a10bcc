"""The verbs of `Store` and `AsyncStore` for many objects at a time.

What is done to each object is in `many_objects`, how so many are under way in `side_by_side`. A `Store`
has them done by its `AsyncTwin`. No I/O of its own; what needs asyncio is imported by the verbs.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import aclosing
from datetime import timedelta
from typing import TYPE_CHECKING, Unpack, cast

from ..object import AsyncObject, Object
from ..options import CopyOptions, ReadOptions, WriteOptions
from .bulk import BULK_CONCURRENCY, BulkResult, Outcomes, checked_keys, pairs

if TYPE_CHECKING:
    from ..aio import AsyncStore
    from ..model import PutResult
    from ..sources import AsyncData, Data
    from ..twin import AsyncTwin

__all__ = ["AsyncBulkVerbs", "BulkVerbs"]

Seconds = float | timedelta | None
Objects = Mapping[str, "Data"] | Iterable["tuple[str, Data] | tuple[str, Data, WriteOptions]"]
AsyncObjects = (
    Mapping[str, "AsyncData"]
    | Iterable["tuple[str, AsyncData] | tuple[str, AsyncData, WriteOptions]"]
    | AsyncIterable["tuple[str, AsyncData] | tuple[str, AsyncData, WriteOptions]"]
)
Copies = Mapping[str, str] | Iterable["str | tuple[str, str]"]
AsyncCopies = Copies | AsyncIterable["str | tuple[str, str]"]
NOT_WRITTEN = "objects could not be written"
NOT_COPIED = "objects could not be copied"


class BulkVerbs:
    """The part of `Store` for many objects at a time: many connections, driven by one thread."""

    _twin: Callable[[], AsyncTwin]

    def create_objects(
        self,
        bucket: str,
        objects: Objects,
        *,
        on_result: Callable[[BulkResult[Object]], None] | None = None,
        max_concurrency: int = BULK_CONCURRENCY,
        timeout: Seconds = None,
        **options: Unpack[WriteOptions],
    ) -> int:
        """Writes many objects, each whole or not at all; returns how many.

        Args:
            objects: a mapping of keys to data, or any iterable of ``(key, data)`` or ``(key, data,
                options)``; it is asked for more only as objects are written, so it may be endless. Data
                that can be read once only lie in memory by up to a part for each that is under way.
            on_result: told each object as it is written or fails, in that order; what it raises stops
                the rest.
            max_concurrency: how many are under way at a time.
            timeout: for each.
            options: for all of them; an object's own win.

        Raises:
            PartialFailureError: its `results` holds the keys that failed, and why.
            UnsupportedError, InvalidArgumentError: of `options`; nothing is written.
        """
        from .many_objects import written

        twin, outcomes = self._twin(), Outcomes(NOT_WRITTEN)
        for result in twin.iterate(
            lambda feed: written(twin.store, bucket, feed, max_concurrency, timeout, options),
            pairs(objects),
            max_concurrency,
        ):
            outcomes.add(result)
            if on_result is not None:
                on_result(result.map(lambda info: Object(self, bucket, info)))
        return outcomes.check()

    def get_objects(
        self,
        bucket: str,
        keys: Iterable[str],
        *,
        max_concurrency: int = BULK_CONCURRENCY,
        timeout: Seconds = None,
        **options: Unpack[ReadOptions],
    ) -> Iterator[BulkResult[Object]]:
        """Many objects, read whole into memory and verified, in the order in which they come.

        What fails for one key is in its result. Objects that are large or are not wanted whole are
        better read one by one.

        Args:
            keys: any iterable; it is asked for more only as results are taken.
            max_concurrency: how many are under way at a time; four times as many may lie in memory.
            timeout: for each.
            options: see `ReadOptions`.

        Raises:
            UnsupportedError, InvalidArgumentError: of `options`.
        """
        from .many_objects import read

        twin = self._twin()
        for result in twin.iterate(
            lambda feed: read(twin.store, bucket, feed, max_concurrency, timeout, options),
            checked_keys(keys),
            max_concurrency,
        ):
            yield result.map(lambda opened: Object(self, bucket, opened.info, opened, timeout))

    def copy_objects(
        self,
        bucket: str,
        keys: Copies,
        to_bucket: str,
        *,
        on_result: Callable[[BulkResult[PutResult]], None] | None = None,
        max_concurrency: int = BULK_CONCURRENCY,
        timeout: Seconds = None,
        **options: Unpack[CopyOptions],
    ) -> int:
        """Copies many objects on the vendor's side; returns how many.

        Args:
            keys: a mapping of keys to keys of `to_bucket`, or an iterable of keys that stay the same
                there or of ``(key, to_key)``.
            on_result, max_concurrency, timeout: as in `create_objects`.
            options: see `copy_object`.

        Raises:
            PartialFailureError: its `results` holds the keys that failed, and why.
            UnsupportedError, InvalidArgumentError: of `options`; nothing is copied.
        """
        from .many_objects import copied

        twin, outcomes = self._twin(), Outcomes(NOT_COPIED)
        for result in twin.iterate(
            lambda feed: copied(twin.store, bucket, feed, to_bucket, max_concurrency, timeout, options),
            pairs(keys),
            max_concurrency,
        ):
            outcomes.add(result)
            if on_result is not None:
                on_result(result)
        return outcomes.check()


class AsyncBulkVerbs:
    """The part of `AsyncStore` for many objects at a time."""

    @property
    def _all_verbs(self) -> AsyncStore:
        return cast("AsyncStore", self)

    async def create_objects(
        self,
        bucket: str,
        objects: AsyncObjects,
        *,
        on_result: Callable[[BulkResult[AsyncObject]], None] | None = None,
        max_concurrency: int = BULK_CONCURRENCY,
        timeout: Seconds = None,
        **options: Unpack[WriteOptions],
    ) -> int:
        """See `Store.create_objects`; `objects` may be asynchronous."""
        from .many_objects import written

        outcomes = Outcomes(NOT_WRITTEN)
        results = written(self._all_verbs, bucket, pairs(objects), max_concurrency, timeout, options)
        async with aclosing(results):
            async for result in results:
                outcomes.add(result)
                if on_result is not None:
                    on_result(result.map(lambda info: AsyncObject(self, bucket, info)))
        return outcomes.check()

    async def get_objects(
        self,
        bucket: str,
        keys: Iterable[str] | AsyncIterable[str],
        *,
        max_concurrency: int = BULK_CONCURRENCY,
        timeout: Seconds = None,
        **options: Unpack[ReadOptions],
    ) -> AsyncIterator[BulkResult[AsyncObject]]:
        """See `Store.get_objects`; `keys` may be asynchronous."""
        from .many_objects import read

        results = read(self._all_verbs, bucket, checked_keys(keys), max_concurrency, timeout, options)
        async with aclosing(results):
            async for result in results:
                yield result.map(lambda opened: AsyncObject(self, bucket, opened.info, opened, timeout))

    async def copy_objects(
        self,
        bucket: str,
        keys: AsyncCopies,
        to_bucket: str,
        *,
        on_result: Callable[[BulkResult[PutResult]], None] | None = None,
        max_concurrency: int = BULK_CONCURRENCY,
        timeout: Seconds = None,
        **options: Unpack[CopyOptions],
    ) -> int:
        """See `Store.copy_objects`; `keys` may be asynchronous."""
        from .many_objects import copied

        outcomes = Outcomes(NOT_COPIED)
        results = copied(
            self._all_verbs, bucket, pairs(keys), to_bucket, max_concurrency, timeout, options
        )
        async with aclosing(results):
            async for result in results:
                outcomes.add(result)
                if on_result is not None:
                    on_result(result)
        return outcomes.check()
