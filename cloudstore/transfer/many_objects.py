"""Writing, reading and copying many objects: the verbs of `AsyncStore` for one, side by side.

Results come in the order in which the work ends. Needs asyncio; imported by who uses it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterable, Mapping
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from ..bodies import BytesBody
from ..driver import GetResult
from ..errors import CloudStoreError, InvalidArgumentError, LocalFileError
from ..facade import made_info, split_copy_options
from ..media_types import default_content_type
from ..model import ObjectInfo, PutResult
from ..object import AsyncObject
from .bulk import BulkResult
from .side_by_side import side_by_side

if TYPE_CHECKING:
    from ..aio import AsyncStore

__all__ = ["copied", "expired", "read", "written"]

V = TypeVar("V")
Items = Iterable[Any] | AsyncIterable[Any]
Seconds = Any


async def written(
    store: AsyncStore,
    bucket: str,
    objects: Items,
    concurrency: int,
    timeout: Seconds,
    options: Mapping[str, Any],
) -> AsyncGenerator[BulkResult[ObjectInfo], None]:
    """Writes ``(key, data)`` or ``(key, data, options)``, each whole or not at all."""
    operations = store._operations
    ctx = store._context("create_objects", bucket, None, timeout)
    await store._run(ctx, operations.check_many(ctx, bucket, lambda: operations.put_options(options)))

    async def write(key: str, data: Any, own: Mapping[str, Any]) -> ObjectInfo:
        ctx = store._context("create_object", bucket, key, timeout)
        wanted = {**options, **own}
        if wanted.get("content_type") is None:
            wanted["content_type"] = default_content_type(data)
        flow = operations.create_object(ctx, bucket, key, data, wanted, None)
        return made_info(key, *await store._run(ctx, flow))

    def begun(item: Any) -> Awaitable[BulkResult[ObjectInfo]]:
        if not isinstance(item, tuple | list) or len(item) not in (2, 3):
            raise InvalidArgumentError("create_objects takes (key, data) or (key, data, options)")
        key, data, own = item if len(item) == 3 else (*item, {})
        return _result(key, write(key, data, own))

    async with aclosing(side_by_side(begun, objects, concurrency)) as results:
        async for result in results:
            yield result


async def read(
    store: AsyncStore,
    bucket: str,
    keys: Items,
    concurrency: int,
    timeout: Seconds,
    options: Mapping[str, Any],
) -> AsyncGenerator[BulkResult[GetResult], None]:
    """Reads objects into memory, each whole and verified."""
    operations = store._operations
    ctx = store._context("get_objects", bucket, None, timeout)
    await store._run(ctx, operations.check_many(ctx, bucket, lambda: operations.get_options(options)))

    async def fetch(key: str) -> GetResult:
        ctx = store._context("get_object", bucket, key, timeout)
        opened = await store._run(ctx, operations.get_object(ctx, bucket, key, options))
        async with AsyncObject(store, bucket, opened.info, opened, timeout) as found:
            data = await found.read()
        return GetResult(opened.info, BytesBody(data), opened.start, opened.end)

    begun = partial(_of_key, fetch)
    async with aclosing(side_by_side(begun, keys, concurrency)) as results:
        async for result in results:
            yield result


async def copied(
    store: AsyncStore,
    bucket: str,
    keys: Items,
    to_bucket: str,
    concurrency: int,
    timeout: Seconds,
    options: Mapping[str, Any],
) -> AsyncGenerator[BulkResult[PutResult], None]:
    """Copies keys, or ``(key, to_key)``, on the vendor's side."""
    operations = store._operations
    conditions, changes = split_copy_options(options)
    ctx = store._context("copy_objects", bucket, None, timeout)
    check = partial(operations.copy_options, conditions, changes)
    await store._run(ctx, operations.check_many(ctx, to_bucket, check))

    async def copy(key: str, to_key: str) -> PutResult:
        ctx = store._context("copy_object", bucket, key, timeout)
        flow = operations.copy_object(ctx, bucket, key, to_bucket, to_key, conditions, changes)
        return await store._run(ctx, flow)

    def begun(item: Any) -> Awaitable[BulkResult[PutResult]]:
        key, to_key = item if isinstance(item, tuple | list) and len(item) == 2 else (item, item)
        return _result(key, copy(key, to_key))

    async with aclosing(side_by_side(begun, keys, concurrency)) as results:
        async for result in results:
            yield result


async def expired(
    store: AsyncStore,
    bucket: str,
    keys: Items,
    concurrency: int,
    timeout: Seconds,
    *,
    dry_run: bool,
) -> AsyncGenerator[BulkResult[ObjectInfo], None]:
    """Deletes of these objects those that are due. A result without value and error is of one that is
    not: whoever hands out the keys counts what is done with."""
    operations = store._operations

    async def expire(key: str) -> ObjectInfo | None:
        ctx = store._context("expire_due", bucket, key, timeout)
        flow = operations.expire_object(ctx, bucket, key, dry_run=dry_run)
        return await store._run(ctx, flow)

    def begun(key: str) -> Awaitable[BulkResult[ObjectInfo]]:
        return _result(key, expire(key))

    async with aclosing(side_by_side(begun, keys, concurrency)) as results:
        async for result in results:
            yield result


def _of_key(work: Callable[[str], Awaitable[V]], key: str) -> Awaitable[BulkResult[V]]:
    return _result(key, work(key))


async def _result(key: str, work: Awaitable[V | None]) -> BulkResult[V]:
    try:
        return BulkResult(key, await work)
    except CloudStoreError as exc:
        return BulkResult(key, None, exc)
    except OSError as exc:
        error = LocalFileError(str(exc), key=key)
        error.__cause__ = exc
        return BulkResult(key, None, error)
