"""One object from one store into another: by the vendor where both are one account, else as a stream.

A stream comes by ranges side by side and goes in parts side by side, which end where those of the
source do. It takes as much memory as what is under way, whatever the object. What comes from the source
is verified before the target's object is made of its last bytes, and the target's vendor verifies each
part. Imports asyncio.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any

from ..config import Config
from ..facade import split_copy_options
from ..model import ObjectInfo, PutResult
from ..object import AsyncObject
from ..operations import visible_metadata
from .plan import Regions

if TYPE_CHECKING:
    from ..aio import AsyncStore

__all__ = ["MemoryBudget", "are_one_account", "copy_between"]

MEMORY = 128 * 1024 * 1024
"""What objects on their way from store to store may take, all together, beside one that is alone. That
one takes 104 MiB with the usual `TransferConfig`: 64 for the target's parts, 32 for what is read ahead,
8 for a piece between them."""

READS_AT_ONCE = 4
"""Ranges of one object. Each of them is no larger than a part by the source's `TransferConfig`."""

LEAST_READ = 1024 * 1024
"""Bytes of a range where parts are so large, whatever the source's `TransferConfig` says: a request for
less costs more than it brings."""


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

        async def create(data: Any, cut: Regions | None = None) -> PutResult:
            ctx = target._context("create_object", to_bucket, to_key, timeout)
            made = target._operations.create_object(ctx, to_bucket, to_key, data, write, progress, cut)
            return (await target._run(ctx, made))[0]

        in_parts = _goes_as_stream(target, found.size)
        if not in_parts and not _may_go_in_parts(target, found.size, write):
            return await create(await found.read())
        stated = await _stated_part_size(source, bucket, opened.info, timeout)
        ctx = target._context("create_object", to_bucket, to_key, timeout)
        cut = await target._run(ctx, target._operations.cut_of_copy(ctx, found.size, stated))
        if not in_parts and not found.size > cut.part_size == stated:
            return await create(await found.read())
        async with aclosing(_pieces(found, cut.part_size, source)) as pieces:
            return await create(pieces, cut)


async def _stated_part_size(
    source: AsyncStore, bucket: str, info: ObjectInfo, timeout: Any
) -> int | None:
    ctx = source._context("get_object", bucket, info.key, timeout)
    return await source._run(ctx, source._operations.part_size(ctx, bucket, info.key, info))


def _goes_as_stream(target: AsyncStore, size: int) -> bool:
    """Whether it is not held whole; also where the target would take it whole, but the memory not."""
    in_parts = target._operations.goes_in_parts(size)
    return in_parts or (size > MEMORY and target.capabilities.multipart)


def _may_go_in_parts(target: AsyncStore, size: int, write: Mapping[str, Any]) -> bool:
    """Whether what would go in one request may as well keep the parts of its source."""
    can = target.capabilities
    if size <= target._driver.limits.min_part_size or not can.multipart:
        return False
    if write.get("if_absent") and not can.complete_if_absent:
        return False
    return write.get("if_match") is None or can.complete_if_match


def _pieces(found: AsyncObject, part_size: int, source: AsyncStore) -> AsyncGenerator[bytes, None]:
    """The bytes of an object in pieces, of which a whole number is a part."""
    transfer = source._operations.transfer
    most = max(transfer.part_size, LEAST_READ)
    size = math.ceil(part_size / math.ceil(part_size / most))
    ahead = min(READS_AT_ONCE, transfer.max_concurrency) - 1
    return found.iter_chunks(size, read_ahead=ahead)


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
