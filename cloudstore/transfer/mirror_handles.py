"""The verbs of `Bucket` and `AsyncBucket` from one store to another.

The work is in `between_stores` and `mirror`; here it is begun.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, Unpack, overload

from ..errors import InvalidArgumentError
from ..handle import BucketHandle
from ..options import CopyOptions, HeaderOptions
from .bulk import BULK_CONCURRENCY
from .progress import Progress
from .sync_plan import Comparison, SyncRules, SyncSummary

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Executor

    from ..aio import AsyncStore
    from ..bucket import AsyncBucket, Bucket
    from ..model import PutResult
    from ..store import Store
    from .job import AsyncJob, Job, JobProgress
    from .mirror import Mirror, Place

__all__ = ["AsyncBucketMirrorVerbs", "BucketMirrorVerbs", "MirrorOptions"]

Seconds = float | timedelta | None


class MirrorOptions(HeaderOptions, total=False):
    """How one bucket is made like another, and what is stored beside each object instead of what is
    beside its source.

    Keys:
        compare: ``"size+mtime"``: alike are two of one size of which the target was written no
            earlier than the source; the listings are enough. ``"checksum"``: of one size and of one
            checksum that both vendors state; where they have none in common, they are not alike.
        overwrite_newer: whether a target that is newer than its source and not alike is overwritten,
            too; else it counts as older.
        delete: whether the target loses what the source has not.
        ignore: shell patterns of keys that take no part: see `FolderOptions`.
        dry_run: only finds out what would be done; `SyncSummary.actions` has it.
        progress: told a `JobProgress` after each object and each part.
        executor: whose workers copy, such as those of Dask; without it this process does. Both
            configurations go to the workers, with their secrets.
        max_concurrency: how many objects are under way at a time in this process.
        timeout: for each object.
    """

    compare: Comparison
    overwrite_newer: bool
    delete: bool
    ignore: Iterable[str]
    dry_run: bool
    progress: Callable[[JobProgress], None] | None
    executor: Executor | None
    max_concurrency: int
    timeout: float | timedelta | None


class BucketMirrorVerbs(BucketHandle):
    """The part of `Bucket` from one store to another."""

    _store: Store

    def copy_to(
        self,
        key: str,
        target: Bucket,
        to_key: str | None = None,
        *,
        progress: Progress | None = None,
        timeout: Seconds = None,
        **options: Unpack[CopyOptions],
    ) -> PutResult:
        """Copies an object into a bucket of any store: by the vendor where both stores have equal
        configurations, else as a stream, verified on both sides.

        A stream keeps content type, encoding, cache control, disposition, metadata and what is left
        of its time; tags and the storage class, which each vendor has its own of, are not taken over.
        What is large goes in parts, which end where the source's do if its vendor tells and the
        target's takes them.

        Args:
            to_key: without it the same.
            progress: called with (bytes written, bytes in all or None); not where the vendor copies.
            options: see `CopyOptions`.

        Raises:
            ObjectNotFoundError, BucketNotFoundError
            UnsupportedError: the target's vendor cannot hold what is beside the object, such as
                metadata.
            The errors of `Store.create_object` and `Object.read`.
        """
        from .between_stores import copy_between

        to_key = key if to_key is None else to_key
        twin = self._store._twin()
        with _guest(self._store, target._store) as (source, guest):
            work = copy_between(
                source,
                self.name,
                self._full(key),
                guest,
                target.name,
                target._full(to_key),
                options,
                timeout,
                progress,
            )
            return twin.loop.run(work)

    @overload
    def mirror_to(
        self,
        target: Bucket,
        *,
        background: Literal[False] = False,
        **options: Unpack[MirrorOptions],
    ) -> SyncSummary: ...
    @overload
    def mirror_to(
        self, target: Bucket, *, background: Literal[True], **options: Unpack[MirrorOptions]
    ) -> Job[SyncSummary]: ...
    def mirror_to(
        self, target: Bucket, *, background: bool = False, **options: Unpack[MirrorOptions]
    ) -> SyncSummary | Job[SyncSummary]:
        """Makes the keys of a bucket of any store like those of this one, by what differs.

        The keys are those under this handle's prefix, and go under the target's. Each object is copied
        as `copy_to` does. A mirror that was interrupted goes on with what is not there yet.

        Args:
            background: return a `Job` at once.

        Raises:
            PartialFailureError: some objects failed; `results` holds them by their keys behind the
                prefix, `summary` what was done.
            BucketNotFoundError, AuthenticationError, UnsupportedError, InvalidArgumentError
        """
        from .job import Job, result_of

        twin = self._store._twin()
        guest = twin.store if target._store is self._store else target._store._guest_on(twin)
        guests = () if guest is twin.store else (guest,)
        work = _mirror(_place(twin.store, self), _place(guest, target), guests, **options)
        job = Job(work, twin.loop)
        return job if background else result_of(job)


class AsyncBucketMirrorVerbs(BucketHandle):
    """The part of `AsyncBucket` from one store to another."""

    _store: AsyncStore

    async def copy_to(
        self,
        key: str,
        target: AsyncBucket,
        to_key: str | None = None,
        *,
        progress: Progress | None = None,
        timeout: Seconds = None,
        **options: Unpack[CopyOptions],
    ) -> PutResult:
        """See `Bucket.copy_to`."""
        from .between_stores import copy_between

        to_key = key if to_key is None else to_key
        return await copy_between(
            self._store,
            self.name,
            self._full(key),
            target._store,
            target.name,
            target._full(to_key),
            options,
            timeout,
            progress,
        )

    @overload
    async def mirror_to(
        self,
        target: AsyncBucket,
        *,
        background: Literal[False] = False,
        **options: Unpack[MirrorOptions],
    ) -> SyncSummary: ...
    @overload
    async def mirror_to(
        self, target: AsyncBucket, *, background: Literal[True], **options: Unpack[MirrorOptions]
    ) -> AsyncJob[SyncSummary]: ...
    async def mirror_to(
        self, target: AsyncBucket, *, background: bool = False, **options: Unpack[MirrorOptions]
    ) -> SyncSummary | AsyncJob[SyncSummary]:
        """See `Bucket.mirror_to`; in the background it is an `AsyncJob`."""
        from .job import AsyncJob

        places = _place(self._store, self), _place(target._store, target)
        work = _mirror(*places, (), **options)
        return AsyncJob(work) if background else await work.run()


@contextmanager
def _guest(source: Store, target: Store) -> Iterator[tuple[AsyncStore, AsyncStore]]:
    """Both stores on the loop of the first."""
    twin = source._twin()
    if target is source:
        yield twin.store, twin.store
        return
    guest = target._guest_on(twin)
    try:
        yield twin.store, guest
    finally:
        twin.loop.run(guest.close())


def _place(store: AsyncStore, bucket: BucketHandle) -> Place:
    from .mirror import Place

    return Place(store, bucket.name, bucket.prefix)


def _mirror(
    source: Place,
    target: Place,
    guests: tuple[AsyncStore, ...],
    *,
    compare: Comparison = "size+mtime",
    overwrite_newer: bool = False,
    delete: bool = False,
    ignore: Iterable[str] = (),
    dry_run: bool = False,
    progress: Callable[[JobProgress], None] | None = None,
    executor: Executor | None = None,
    max_concurrency: int = BULK_CONCURRENCY,
    timeout: Seconds = None,
    **options: Any,
) -> Mirror:
    from .mirror import Mirror

    if source == target:
        raise InvalidArgumentError("a bucket cannot be made like itself")
    rules = SyncRules(
        "across",
        ignore=ignore,
        include_hidden=True,
        compare=compare,
        overwrite_newer=overwrite_newer,
        delete=delete,
    )
    return Mirror(
        source,
        target,
        rules,
        executor=executor,
        dry_run=dry_run,
        concurrency=max_concurrency,
        timeout=timeout,
        on_progress=progress,
        options=options,
        guests=guests,
    )
