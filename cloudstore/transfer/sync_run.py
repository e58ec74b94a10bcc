"""Makes a target like its source, by the plan of `sync_plan`: what `FolderSync` and `Mirror` share.

Requests go side by side on asyncio. One path that fails is no reason to stop. What the source has not
is deleted last, and only if all of the source was seen.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping
from contextlib import aclosing, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from ..errors import (
    CloudStoreError,
    LocalFileError,
    PartialFailureError,
)
from ..model import ListOptions, ObjectInfo, Page
from .bulk import FATAL
from .job import JobProgress
from .side_by_side import side_by_side
from .sync_plan import Act, SyncAction, SyncEntry, SyncRules, SyncSummary, decide

if TYPE_CHECKING:
    from ..aio import AsyncStore

__all__ = ["OnJobProgress", "SyncRun", "entry_of", "listed"]

OnJobProgress = Callable[[JobProgress], None]
DELETED_AT_ONCE = 1000


class SyncRun(ABC):
    """One run. A `JobWork`.

    Args:
        operation: the verb.
        store, bucket: what errors name.
        dry_run: only finds out what would be done.
        on_progress: told after each path and each part.
    """

    def __init__(
        self,
        operation: str,
        store: AsyncStore,
        bucket: str,
        rules: SyncRules,
        *,
        dry_run: bool,
        concurrency: int,
        timeout: Any,
        on_progress: OnJobProgress | None,
    ) -> None:
        self._operation = operation
        self._store = store
        self._bucket = bucket
        self._rules = rules
        self._dry_run = dry_run
        self._concurrency = concurrency
        self._timeout = timeout
        self._on_progress = on_progress
        self._surplus: list[SyncAction] = []
        self._all_seen = True
        self._is_planned = False
        self._bytes_total = 0
        self.summary = SyncSummary()

    @property
    def progress(self) -> JobProgress:
        """See `JobWork`."""
        done = self.summary
        moved = done.uploaded + done.downloaded + done.copied
        kept = done.ignored + done.older + done.duplicate
        files_done = moved + kept + done.failed
        return JobProgress(files_done, done.total, done.bytes, self._bytes_total, self._is_planned)

    async def run(self) -> SyncSummary:
        """Does it.

        Raises:
            OSError: of a folder that cannot be read, or made.
            BucketNotFoundError, AuthenticationError, UnsupportedError, InvalidArgumentError
            PartialFailureError: it has the summary.
        """
        await self._begin()
        async with aclosing(self._plan()) as plan, aclosing(self._done(plan)) as results:
            async for _ in results:
                self._tell()
        if self._rules.delete and self._all_seen:
            await self._delete_surplus()
        self._tell()
        return self._checked()

    @abstractmethod
    async def _begin(self) -> None:
        """Refuses what would be refused for each path, and prepares the target."""

    async def _refuse_wrong(self, store: AsyncStore, bucket: str, options: Mapping[str, Any]) -> None:
        """Refuses options that no object there could have."""
        operations = store._operations
        ctx = store._context(self._operation, bucket, None, self._timeout)
        check = partial(operations.put_options, options)
        await store._run(ctx, operations.check_many(ctx, bucket, check))

    @abstractmethod
    def _sources(self) -> AsyncGenerator[SyncEntry, None]:
        """What the source has, in the order of its paths; counts what it leaves out."""

    @abstractmethod
    def _targets(self) -> AsyncGenerator[SyncEntry, None]:
        """What the target has, in the order of its paths, without what is not its own."""

    @abstractmethod
    async def _transfer(self, action: SyncAction) -> None:
        """Brings one path over."""

    @abstractmethod
    async def _compared(self, action: SyncAction) -> Act:
        """What to do about a path by the checksums of both sides."""

    @abstractmethod
    async def _delete(self, paths: list[str]) -> Mapping[str, CloudStoreError | OSError]:
        """Deletes of the target; returns what could not be deleted."""

    def _done(self, plan: AsyncIterator[SyncAction]) -> AsyncGenerator[Any, None]:
        """Does what is planned, side by side."""
        return side_by_side(self._do, plan, self._concurrency)

    def _checked(self) -> SyncSummary:
        summary = self.summary
        if summary.failures:
            raise PartialFailureError(
                f"{len(summary.failures)} of {summary.total} failed",
                results=summary.failures,
                summary=summary,
                vendor=self._store._driver.scheme,
                operation=self._operation,
                bucket=self._bucket,
                outcome="unknown",
            )
        return summary

    def _tell(self) -> None:
        if self._on_progress is not None:
            self._on_progress(self.progress)

    def _count(self, size: int) -> None:
        self.summary.bytes += size
        self._tell()

    def _each_part(self) -> Callable[[int, int | None], None]:
        """Counts the bytes of one path as they are told."""
        told = 0

        def progress(done: int, total: int | None) -> None:
            nonlocal told
            self._count(done - told)
            told = done

        return progress

    def _fail(self, path: str, error: CloudStoreError | OSError) -> None:
        if not isinstance(error, CloudStoreError):
            found = LocalFileError(str(error), operation=self._operation, bucket=self._bucket)
            found.__cause__ = error
            error = found
        self.summary.failures[path] = error
        self.summary.failed += 1

    def _ignore(self) -> None:
        self.summary.total += 1
        self.summary.ignored += 1

    async def _plan(self) -> AsyncGenerator[SyncAction, None]:
        """What needs requests; all else is counted as it is passed."""
        summary, nothing = self.summary, self._rules.compare == "none"
        targets = _none() if nothing else self._targets()
        async with aclosing(self._sources()) as sources, aclosing(targets):
            async for source, target in _merged(sources, targets):
                action = decide(self._rules, source, target)
                if action.act is Act.DELETE:
                    if self._rules.delete:
                        self._surplus.append(action)
                    continue
                summary.total += 1
                if action.act in (Act.DUPLICATE, Act.OLDER):
                    self._leave(action.act)
                    continue
                self._bytes_total += action.size
                yield action
        self._is_planned = True

    def _leave(self, act: Act) -> None:
        self.summary.duplicate += act is Act.DUPLICATE
        self.summary.older += act is Act.OLDER

    async def _do(self, action: SyncAction) -> None:
        if not await self._is_to_transfer(action):
            return
        try:
            await self._transfer(action)
            self._count_transferred()
        except FATAL:
            raise
        except (CloudStoreError, OSError) as exc:
            self._fail(action.path, exc)

    async def _is_to_transfer(self, action: SyncAction) -> bool:
        """Whether that is still to do; compares what listings could not tell."""
        try:
            act = await self._compared(action) if action.act is Act.COMPARE else action.act
        except FATAL:
            raise
        except (CloudStoreError, OSError) as exc:
            self._fail(action.path, exc)
            return False
        if act in (Act.DUPLICATE, Act.OLDER):
            self._bytes_total -= action.size
            self._leave(act)
            return False
        if self._dry_run:
            self.summary.actions.append(
                SyncAction(act, action.path, action.size, action.source, action.target)
            )
            self._count_transferred()
        return not self._dry_run

    def _count_transferred(self) -> None:
        self.summary.uploaded += self._rules.transfer is Act.UPLOAD
        self.summary.downloaded += self._rules.transfer is Act.DOWNLOAD
        self.summary.copied += self._rules.transfer is Act.COPY

    async def _delete_surplus(self) -> None:
        if self._dry_run:
            self.summary.actions += self._surplus
            self.summary.deleted = len(self._surplus)
            return
        for first in range(0, len(self._surplus), DELETED_AT_ONCE):
            some = [action.path for action in self._surplus[first : first + DELETED_AT_ONCE]]
            failed = await self._delete(some)
            for path, error in failed.items():
                self._fail(path, error)
            self.summary.deleted += len(some) - len(failed)
            self._tell()


async def listed(
    store: AsyncStore, bucket: str, prefix: str, timeout: Any
) -> AsyncGenerator[ObjectInfo, None]:
    """All objects under a prefix, in the order of the UTF-8 bytes of their keys."""
    async with aclosing(_pages(store, bucket, prefix, timeout)) as pages:
        if store.capabilities.ordered_listing:
            async for page in pages:
                for info in page.objects:
                    yield info
            return
        infos = [info async for page in pages for info in page.objects]
    infos.sort(key=lambda info: info.key.encode())
    for info in infos:
        yield info


async def _pages(
    store: AsyncStore, bucket: str, prefix: str, timeout: Any
) -> AsyncGenerator[Page, None]:
    """Each is asked for while the one before is used."""
    limit = store._driver.limits.page_size

    def ask(token: str | None) -> asyncio.Task[Page]:
        options = ListOptions(prefix, "", "", token, limit)
        return asyncio.create_task(store._page(bucket, options, timeout))

    asked = ask(None)
    try:
        while True:
            page = await asked
            if page.token is not None:
                asked = ask(page.token)
            yield page
            if page.token is None:
                return
    finally:
        asked.cancel()
        with suppress(asyncio.CancelledError, CloudStoreError):
            await asked


def entry_of(info: ObjectInfo, path: str) -> SyncEntry:
    """An object of a listing as one side of a path."""
    modified = None if info.last_modified is None else info.last_modified.timestamp()
    return SyncEntry(path, info.size, modified, info.checksums)


async def _merged(
    sources: AsyncIterator[SyncEntry], targets: AsyncIterator[SyncEntry]
) -> AsyncIterator[tuple[SyncEntry | None, SyncEntry | None]]:
    """Both in the order of their paths, those of one path together."""
    source, target = await anext(sources, None), await anext(targets, None)
    while source is not None or target is not None:
        order = _order(source, target)
        yield source if order <= 0 else None, target if order >= 0 else None
        if order <= 0:
            source = await anext(sources, None)
        if order >= 0:
            target = await anext(targets, None)


def _order(source: SyncEntry | None, target: SyncEntry | None) -> int:
    """Which comes first: negative the source, positive the target."""
    if source is None or target is None:
        return 1 if source is None else -1
    if source.path == target.path:
        return 0
    # As `os.fsencode` does: the name of a file may be no UTF-8.
    first, second = (e.path.encode("utf-8", "surrogateescape") for e in (source, target))
    return -1 if first < second else 1


async def _none() -> AsyncGenerator[SyncEntry, None]:
    nothing: Iterable[SyncEntry] = ()
    for entry in nothing:
        yield entry
