"""Makes the keys of one bucket like those of another, of any store. See `sync_run`.

Objects are copied by this process, or by the workers of a `concurrent.futures.Executor`, which are told
in batches what to copy and make stores of their own from the configurations.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..config import Config
from ..errors import CloudStoreError, InvalidArgumentError, ObjectNotFoundError, PartialFailureError
from ..reading import VERIFY_WITH
from .between_stores import MemoryBudget, copy_between
from .bulk import FATAL
from .side_by_side import side_by_side
from .sync_plan import Act, SyncAction, SyncEntry, SyncRules, SyncSummary, act_of_unlike
from .sync_run import OnJobProgress, SyncRun, entry_of, listed

if TYPE_CHECKING:
    from ..aio import AsyncStore

__all__ = ["CopyBatch", "Mirror", "Place", "copy_batch"]

BATCH_OBJECTS = 500
BATCH_BYTES = 256 * 1024 * 1024
"""What a worker is told to copy at a time."""

BATCHES_AT_ONCE = 32
"""How many batches wait for the workers of an executor."""

WORKER_CONCURRENCY = 32


@dataclass(frozen=True, slots=True)
class Place:
    """One side of a mirror: the keys of a bucket under a prefix."""

    store: AsyncStore
    bucket: str
    prefix: str


class Mirror(SyncRun):
    """One run.

    Args:
        executor: who copies; None is this process.
        options: of the objects that are written.
        guests: stores that were made for this run, and end with it.
    """

    def __init__(
        self,
        source: Place,
        target: Place,
        rules: SyncRules,
        *,
        executor: Executor | None,
        dry_run: bool,
        concurrency: int,
        timeout: Any,
        on_progress: OnJobProgress | None,
        options: Mapping[str, Any],
        guests: tuple[AsyncStore, ...] = (),
    ) -> None:
        super().__init__(
            "mirror",
            source.store,
            source.bucket,
            rules,
            dry_run=dry_run,
            concurrency=concurrency,
            timeout=timeout,
            on_progress=on_progress,
        )
        self._source = source
        self._target = target
        self._executor = executor
        self._configs = None if executor is None else _configs(source, target)
        self._options = dict(options)
        self._guests = guests
        self._memory = MemoryBudget()

    async def run(self) -> SyncSummary:
        """See `SyncRun.run`."""
        try:
            return await super().run()
        finally:
            for store in self._guests:
                await store.close()

    async def _begin(self) -> None:
        store, bucket = self._target.store, self._target.bucket
        await self._refuse_wrong(store, bucket, self._options)
        await store.get_bucket(bucket, timeout=self._timeout)

    def _sources(self) -> AsyncGenerator[SyncEntry, None]:
        return self._entries(self._source, counts=True)

    def _targets(self) -> AsyncGenerator[SyncEntry, None]:
        return self._entries(self._target, counts=False)

    async def _entries(self, place: Place, *, counts: bool) -> AsyncGenerator[SyncEntry, None]:
        found = listed(place.store, place.bucket, place.prefix, self._timeout)
        async with aclosing(found):
            async for info in found:
                path = info.key.removeprefix(place.prefix)
                if not self._rules.ignores_any_of(path):
                    yield entry_of(info, path)
                elif counts:
                    self._ignore()

    async def _transfer(self, action: SyncAction) -> None:
        source, target = self._source, self._target
        async with self._memory.of(action.size):
            await copy_between(
                source.store,
                source.bucket,
                source.prefix + action.path,
                target.store,
                target.bucket,
                target.prefix + action.path,
                self._options,
                self._timeout,
                self._each_part(),
            )

    async def _compared(self, action: SyncAction) -> Act:
        """Where both state no checksum of one algorithm they are not alike."""
        assert action.source is not None
        assert action.target is not None
        try:
            target = await self._checksums(self._target, action.target)
        except ObjectNotFoundError:
            return Act.COPY
        source = await self._checksums(self._source, action.source)
        for algorithm in VERIFY_WITH:
            if algorithm in source and algorithm in target:
                if source[algorithm] == target[algorithm]:
                    return Act.DUPLICATE
                break
        return act_of_unlike(self._rules, action.source, action.target)

    async def _checksums(self, place: Place, entry: SyncEntry) -> Mapping[str, str]:
        if entry.checksums:
            return entry.checksums
        key = place.prefix + entry.path
        return (await place.store.head_object(place.bucket, key, timeout=self._timeout)).checksums

    async def _delete(self, paths: list[str]) -> Mapping[str, CloudStoreError | OSError]:
        target = self._target
        keys = [target.prefix + path for path in paths]
        try:
            await target.store.delete_objects(target.bucket, keys, timeout=self._timeout)
        except PartialFailureError as exc:
            return {key.removeprefix(target.prefix): error for key, error in exc.results.items()}
        return {}

    # --- by an executor ---

    def _done(self, plan: AsyncIterator[SyncAction]) -> AsyncGenerator[Any, None]:
        if self._executor is None:
            return super()._done(plan)
        return side_by_side(self._have_copied, self._batches(plan), BATCHES_AT_ONCE)

    async def _batches(self, plan: AsyncIterator[SyncAction]) -> AsyncGenerator[list[SyncAction], None]:
        batch: list[SyncAction] = []
        size = 0
        async with aclosing(side_by_side(self._resolved, plan, self._concurrency)) as resolved:
            async for action in resolved:
                if action is None:
                    continue
                batch.append(action)
                size += action.size
                if len(batch) == BATCH_OBJECTS or size >= BATCH_BYTES:
                    yield batch
                    batch, size = [], 0
        if batch:
            yield batch

    async def _resolved(self, action: SyncAction) -> SyncAction | None:
        return action if await self._is_to_transfer(action) else None

    async def _have_copied(self, actions: list[SyncAction]) -> None:
        assert self._executor is not None
        assert self._configs is not None
        source, target = self._source, self._target
        batch = CopyBatch(
            *self._configs,
            source.bucket,
            source.prefix,
            target.bucket,
            target.prefix,
            [(action.path, action.size) for action in actions],
            self._options,
            self._timeout,
        )
        errors = await asyncio.wrap_future(self._executor.submit(copy_batch, batch))
        for action in actions:
            error = errors.get(action.path)
            if error is None:
                self._count_transferred()
                self.summary.bytes += action.size
            else:
                self._fail(action.path, error)


@dataclass(frozen=True, slots=True)
class CopyBatch:
    """What a worker is told. It pickles with the secrets of both configurations and shows none."""

    source: Config
    target: Config
    bucket: str
    prefix: str
    to_bucket: str
    to_prefix: str
    objects: list[tuple[str, int]]
    options: Mapping[str, Any] = field(default_factory=dict)
    timeout: Any = None


def copy_batch(batch: CopyBatch) -> dict[str, CloudStoreError]:
    """Copies a batch in a worker; returns what failed, by its path.

    Raises:
        AuthenticationError, BucketNotFoundError: all of it would fail.
    """
    return asyncio.run(_copy_batch(batch))


async def _copy_batch(batch: CopyBatch) -> dict[str, CloudStoreError]:
    from ..aio import AsyncStore

    failed: dict[str, CloudStoreError] = {}
    memory = MemoryBudget()
    async with AsyncStore(batch.source) as source, AsyncStore(batch.target) as target:

        async def copy(item: tuple[str, int]) -> None:
            path, size = item
            where = (source, batch.bucket, batch.prefix + path)
            to = (target, batch.to_bucket, batch.to_prefix + path)
            try:
                async with memory.of(size):
                    await copy_between(*where, *to, batch.options, batch.timeout, None)
            except FATAL:
                raise
            except CloudStoreError as exc:
                failed[path] = exc

        async with aclosing(side_by_side(copy, batch.objects, WORKER_CONCURRENCY)) as results:
            async for _ in results:
                pass
    return failed


def _configs(source: Place, target: Place) -> tuple[Config, Config]:
    """What the workers make their stores from."""

    def each() -> Iterator[Config]:
        for place in (source, target):
            config = place.store._made_of[0]
            if not isinstance(config, Config) or config.is_private:
                raise InvalidArgumentError(
                    "an executor's workers make stores from configurations: these are stores made of "
                    "a driver, or private to this process"
                )
            yield config

    first, second = each()
    return first, second
