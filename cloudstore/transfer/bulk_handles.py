"""The verbs for many objects of `Bucket` and `AsyncBucket`: the store's, under the handle's prefix."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar, Unpack

from ..handle import BucketHandle
from ..options import CopyOptions, ReadOptions, WriteOptions
from .bulk import BULK_CONCURRENCY, BulkResult, checked_keys, pairs

if TYPE_CHECKING:
    from ..aio import AsyncStore
    from ..model import PutResult
    from ..object import AsyncObject, Object
    from ..store import Store
    from .bulk_verbs import AsyncCopies, AsyncObjects, Copies, Objects

__all__ = ["AsyncBucketBulkVerbs", "BucketBulkVerbs"]

T = TypeVar("T")
V = TypeVar("V")
Seconds = float | timedelta | None
OnResult = Callable[[BulkResult[V]], None] | None


class _ManyKeys(BucketHandle):
    """What a prefix does to many keys."""

    def _each(self, items: Any, change: Callable[[Any], Any]) -> Any:
        """The items, changed as they are asked for."""
        if isinstance(items, AsyncIterable):
            return _changed(items, change)
        return (change(item) for item in items)

    def _full_object(self, item: Any) -> Any:
        return (self._full(item[0]), *item[1:]) if isinstance(item, tuple | list) and item else item

    def _full_copy(self, to_bucket: str | None) -> Callable[[Any], Any]:
        """Of a key or a pair, the pair: within this handle, or to the keys of another bucket."""

        def changed(item: Any) -> Any:
            key, to_key = item if isinstance(item, tuple | list) and len(item) == 2 else (item, item)
            return self._full(key), self._full(to_key) if to_bucket is None else to_key

        return changed

    def _own_result(self, result: BulkResult[V]) -> BulkResult[V]:
        found: Any = result.value
        if hasattr(found, "key"):
            found.key = found.key.removeprefix(self.prefix)
        return BulkResult(result.key.removeprefix(self.prefix), result.value, result.error)

    def _told(self, on_result: OnResult[V]) -> OnResult[V]:
        if on_result is None:
            return None
        return lambda result: on_result(self._own_result(result))


class BucketBulkVerbs(_ManyKeys):
    """The part of `Bucket` for many objects at a time."""

    _store: Store

    def create_objects(
        self,
        objects: Objects,
        *,
        on_result: OnResult[Object] = None,
        max_concurrency: int = BULK_CONCURRENCY,
        timeout: Seconds = None,
        **options: Unpack[WriteOptions],
    ) -> int:
        """See `Store.create_objects`. The keys of `PartialFailureError.results` are whole keys."""
        return self._store.create_objects(
            self.name,
            self._each(pairs(objects), self._full_object),
            on_result=self._told(on_result),
            max_concurrency=max_concurrency,
            timeout=timeout,
            **options,
        )

    def get_objects(
        self,
        keys: Iterable[str],
        *,
        max_concurrency: int = BULK_CONCURRENCY,
        timeout: Seconds = None,
        **options: Unpack[ReadOptions],
    ) -> Iterator[BulkResult[Object]]:
        """See `Store.get_objects`."""
        for result in self._store.get_objects(
            self.name,
            self._each(checked_keys(keys), self._full),
            max_concurrency=max_concurrency,
            timeout=timeout,
            **options,
        ):
            yield self._own_result(result)

    def copy_objects(
        self,
        keys: Copies,
        to_bucket: str | None = None,
        *,
        on_result: OnResult[PutResult] = None,
        max_concurrency: int = BULK_CONCURRENCY,
        timeout: Seconds = None,
        **options: Unpack[CopyOptions],
    ) -> int:
        """See `Store.copy_objects`; without `to_bucket` within this handle."""
        return self._store.copy_objects(
            self.name,
            self._each(pairs(keys), self._full_copy(to_bucket)),
            self.name if to_bucket is None else to_bucket,
            on_result=self._told(on_result),
            max_concurrency=max_concurrency,
            timeout=timeout,
            **options,
        )

    def expire_due(
        self,
        prefix: str = "",
        *,
        dry_run: bool = False,
        on_result: OnResult[Object] = None,
        max_concurrency: int = BULK_CONCURRENCY,
        timeout: Seconds = None,
    ) -> int:
        """See `Store.expire_due`. The keys of `PartialFailureError.results` are whole keys."""
        return self._store.expire_due(
            self.name,
            self._full(prefix),
            dry_run=dry_run,
            on_result=self._told(on_result),
            max_concurrency=max_concurrency,
            timeout=timeout,
        )


class AsyncBucketBulkVerbs(_ManyKeys):
    """The part of `AsyncBucket` for many objects at a time."""

    _store: AsyncStore

    async def create_objects(
        self,
        objects: AsyncObjects,
        *,
        on_result: OnResult[AsyncObject] = None,
        max_concurrency: int = BULK_CONCURRENCY,
        timeout: Seconds = None,
        **options: Unpack[WriteOptions],
    ) -> int:
        """See `Bucket.create_objects`."""
        return await self._store.create_objects(
            self.name,
            self._each(pairs(objects), self._full_object),
            on_result=self._told(on_result),
            max_concurrency=max_concurrency,
            timeout=timeout,
            **options,
        )

    async def get_objects(
        self,
        keys: Iterable[str] | AsyncIterable[str],
        *,
        max_concurrency: int = BULK_CONCURRENCY,
        timeout: Seconds = None,
        **options: Unpack[ReadOptions],
    ) -> AsyncIterator[BulkResult[AsyncObject]]:
        """See `Bucket.get_objects`."""
        async for result in self._store.get_objects(
            self.name,
            self._each(checked_keys(keys), self._full),
            max_concurrency=max_concurrency,
            timeout=timeout,
            **options,
        ):
            yield self._own_result(result)

    async def copy_objects(
        self,
        keys: AsyncCopies,
        to_bucket: str | None = None,
        *,
        on_result: OnResult[PutResult] = None,
        max_concurrency: int = BULK_CONCURRENCY,
        timeout: Seconds = None,
        **options: Unpack[CopyOptions],
    ) -> int:
        """See `Bucket.copy_objects`."""
        return await self._store.copy_objects(
            self.name,
            self._each(pairs(keys), self._full_copy(to_bucket)),
            self.name if to_bucket is None else to_bucket,
            on_result=self._told(on_result),
            max_concurrency=max_concurrency,
            timeout=timeout,
            **options,
        )

    async def expire_due(
        self,
        prefix: str = "",
        *,
        dry_run: bool = False,
        on_result: OnResult[AsyncObject] = None,
        max_concurrency: int = BULK_CONCURRENCY,
        timeout: Seconds = None,
    ) -> int:
        """See `Bucket.expire_due`."""
        return await self._store.expire_due(
            self.name,
            self._full(prefix),
            dry_run=dry_run,
            on_result=self._told(on_result),
            max_concurrency=max_concurrency,
            timeout=timeout,
        )


async def _changed(items: AsyncIterable[T], change: Callable[[T], T]) -> AsyncIterator[T]:
    async for item in items:
        yield change(item)
