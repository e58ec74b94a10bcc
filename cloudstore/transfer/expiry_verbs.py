"""The verb of `Store` and `AsyncStore` that deletes what is due, where the store stands in for the
vendor's expiry.

What is done to each object is in `expiry` and `many_objects`. No I/O of its own.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from ..model import ListOptions
from ..object import AsyncObject, Object
from .bulk import BULK_CONCURRENCY, BulkResult, Outcomes

if TYPE_CHECKING:
    from ..aio import AsyncStore
    from ..store import Store

__all__ = ["AsyncExpiryVerbs", "ExpiryVerbs"]

Seconds = float | timedelta | None
NOT_DELETED = "objects that were due could not be looked at or deleted"


class ExpiryVerbs:
    """The part of `Store` for objects that expire."""

    def expire_due(
        self,
        bucket: str,
        prefix: str = "",
        *,
        dry_run: bool = False,
        on_result: Callable[[BulkResult[Object]], None] | None = None,
        max_concurrency: int = BULK_CONCURRENCY,
        timeout: Seconds = None,
    ) -> int:
        """Deletes the objects whose time is up; returns how many.

        Each object is asked for by a request of its own, because listings do not tell when one
        expires. Where the vendor itself removes what expires nothing is sent, and none is counted.

        Args:
            dry_run: only finds and counts them.
            on_result: told each object that is due, or fails; what it raises stops the rest.
            max_concurrency: how many are under way at a time.
            timeout: for each, and for each page of the listing.

        Raises:
            BucketNotFoundError
            PartialFailureError: its `results` holds the keys that failed, and why.
            UnsupportedError: no object of this store expires.
        """
        from .many_objects import expired

        store, outcomes = cast("Store", self), Outcomes(NOT_DELETED)
        ctx = store._context("expire_due", bucket, None, timeout)
        if not store._run(ctx, store._operations.begin_expiring(ctx, bucket)):
            return 0
        twin = store._twin()
        for result in twin.iterate(
            lambda keys: expired(twin.store, bucket, keys, max_concurrency, timeout, dry_run=dry_run),
            _keys(store, bucket, prefix, timeout),
            max_concurrency,
        ):
            if _is_of_interest(result):
                outcomes.add(result)
                if on_result is not None:
                    on_result(result.map(lambda info: Object(self, bucket, info)))
        return outcomes.check()


class AsyncExpiryVerbs:
    """The part of `AsyncStore` for objects that expire."""

    async def expire_due(
        self,
        bucket: str,
        prefix: str = "",
        *,
        dry_run: bool = False,
        on_result: Callable[[BulkResult[AsyncObject]], None] | None = None,
        max_concurrency: int = BULK_CONCURRENCY,
        timeout: Seconds = None,
    ) -> int:
        """See `Store.expire_due`."""
        from .many_objects import expired

        store, outcomes = cast("AsyncStore", self), Outcomes(NOT_DELETED)
        ctx = store._context("expire_due", bucket, None, timeout)
        if not await store._run(ctx, store._operations.begin_expiring(ctx, bucket)):
            return 0
        async with aclosing(_keys_async(store, bucket, prefix, timeout)) as keys:
            results = expired(store, bucket, keys, max_concurrency, timeout, dry_run=dry_run)
            async with aclosing(results):
                async for result in results:
                    if _is_of_interest(result):
                        outcomes.add(result)
                        if on_result is not None:
                            on_result(result.map(lambda info: AsyncObject(self, bucket, info)))
        return outcomes.check()


def _is_of_interest(result: BulkResult[Any]) -> bool:
    """Whether an object was due, or nobody knows."""
    return result.value is not None or result.error is not None


def _keys(store: Store, bucket: str, prefix: str, timeout: Seconds) -> Iterator[str]:
    options = ListOptions(prefix, limit=store._driver.limits.page_size)
    while True:
        page = store._page(bucket, options, timeout)
        yield from (info.key for info in page.objects)
        if page.token is None:
            return
        options.token = page.token


async def _keys_async(
    store: AsyncStore, bucket: str, prefix: str, timeout: Seconds
) -> AsyncGenerator[str, None]:
    options = ListOptions(prefix, limit=store._driver.limits.page_size)
    while True:
        page = await store._page(bucket, options, timeout)
        for info in page.objects:
            yield info.key
        if page.token is None:
            return
        options.token = page.token
