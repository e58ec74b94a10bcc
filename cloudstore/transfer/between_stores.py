"""One object from one store into another: by the vendor where both are one account, else as a stream.

A stream takes as much memory as the parts that are under way, whatever the object. What comes from the
source is verified before the target's object is made of its last bytes, and the target's vendor
verifies each part. Imports asyncio.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from ..config import Config
from ..facade import split_copy_options
from ..model import ObjectInfo, PutResult
from ..object import AsyncObject
from ..operations import visible_metadata

if TYPE_CHECKING:
    from ..aio import AsyncStore

__all__ = ["MemoryBudget", "are_one_account", "copy_between"]

CHUNK_SIZE = 1024 * 1024
MEMORY = 128 * 1024 * 1024
"""What objects on their way from store to store may take, all together, beside one that is alone."""


class MemoryBudget:
    """Lets objects on their way in as long as there is memory for them; a larger one goes alone."""

    def __init__(self) -> None:
        self._free = MEMORY
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def of(self, size: int) -> AsyncIterator[None]:
        """While it lasts, so many bytes are taken."""
        taken = min(size, MEMORY)
        async with self._changed:
            await self._changed.wait_for(lambda: self._free >= taken)
            self._free -= taken
        try:
            yield
        finally:
            async with self._changed:
                self._free += taken
                self._changed.notify_all()


def are_one_account(first: AsyncStore, second: AsyncStore) -> bool:
    """Whether a vendor can copy from one to the other, as far as their configurations tell."""
    if first._driver is second._driver:
        return True
    one, other = first._made_of[0], second._made_of[0]
    return isinstance(one, Config) and not one.is_private and one == other


async def copy_between(
    source: AsyncStore,
    bucket: str,
    key: str,
    target: AsyncStore,
    to_bucket: str,
    to_key: str,
    options: Mapping[str, Any],
    timeout: Any,
    progress: Callable[[int, int | None], None] | None,
) -> PutResult:
    """See `Bucket.copy_to`."""
    if are_one_account(source, target) and source.capabilities.copy:
        operations = source._operations
        ctx = source._context("copy_object", bucket, key, timeout)
        split = split_copy_options(options)
        flow = operations.copy_object(ctx, bucket, key, to_bucket, to_key, *split)
        return await source._run(ctx, flow)
    wanted = options.get("source_if_match")
    pinned = {} if wanted is None else {"if_match": wanted}
    ctx = source._context("get_object", bucket, key, timeout)
    opened = await source._run(ctx, source._operations.get_object(ctx, bucket, key, pinned))
    async with AsyncObject(source, bucket, opened.info, opened, timeout) as found:
        write = _write_options(opened.info, options, ctx.clock.now(), target)
        data: Any = _chunks(found)
        if not target._operations.goes_in_parts(opened.info.size):
            data = await found.read()
        ctx = target._context("create_object", to_bucket, to_key, timeout)
        made = target._operations.create_object(ctx, to_bucket, to_key, data, write, progress)
        return (await target._run(ctx, made))[0]


async def _chunks(found: AsyncObject) -> AsyncIterator[bytes]:
    async for chunk in found.iter_chunks(CHUNK_SIZE):
        yield chunk


def _write_options(
    info: ObjectInfo, options: Mapping[str, Any], now: float, target: AsyncStore
) -> dict[str, Any]:
    """What the source's head says, with what the caller says otherwise."""
    kept: dict[str, Any] = {
        "content_type": info.content_type,
        "content_encoding": info.content_encoding,
        "cache_control": info.cache_control,
        "content_disposition": info.content_disposition,
        "metadata": visible_metadata(info.metadata) or None,
    }
    if info.expires_at is not None:
        step = target._driver.limits.expires_step or 1
        left = max(0.0, info.expires_at.timestamp() - now)
        kept["expires_in"] = max(1, math.ceil(left / step)) * step
    return {**kept, **{name: v for name, v in options.items() if name != "source_if_match"}}
