"""The verbs of `Store` and `AsyncStore` for folders. The work is in `folder_sync`; here it is begun."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack, cast, overload

from ..options import HeaderOptions
from .bulk import BULK_CONCURRENCY
from .sync_plan import Comparison, Direction, SyncRules, SyncSummary

if TYPE_CHECKING:
    from ..aio import AsyncStore
    from ..twin import AsyncTwin
    from .folder_sync import FolderSync
    from .job import AsyncJob, Job, JobProgress

__all__ = [
    "AsyncFolderVerbs",
    "FolderOptions",
    "FolderVerbs",
    "SyncFolderOptions",
    "UploadFolderOptions",
]

Folder = str | PathLike[str]


class FolderOptions(TypedDict, total=False):
    """How a folder is gone through.

    Keys:
        ignore: shell patterns: without ``/`` for the name of any file or folder, with ``/`` for a
            path relative to the folder. What is in a folder that matches is not looked at.
        include_hidden: whether names that begin with a dot take part; else they count as ignored.
        dry_run: only finds out what would be done; `SyncSummary.actions` has it.
        progress: told a `JobProgress` after each file and each part, by the thread that does the work;
            what it raises stops the work.
        max_concurrency: how many files are under way at a time.
        timeout: for each request or file.
    """

    ignore: Iterable[str]
    include_hidden: bool
    dry_run: bool
    progress: Callable[[JobProgress], None] | None
    max_concurrency: int
    timeout: float | timedelta | None


class UploadFolderOptions(FolderOptions, HeaderOptions, total=False):
    """As `FolderOptions`, and what is stored beside each file."""


class SyncFolderOptions(UploadFolderOptions, total=False):
    """As `UploadFolderOptions`, and how the two sides are compared.

    Keys:
        direction: ``"up"`` makes the bucket like the folder, ``"down"`` the folder like the bucket.
        compare: ``"size+mtime"``: alike are two of one size of which the target was written no
            earlier than the source was changed; no request but the listing is needed. ``"checksum"``:
            of one size and one checksum that the vendor states; files are read, and where the
            listing has none, each object's head is asked for.
        overwrite_newer: whether a target that is newer than its source and not alike is overwritten,
            too; else it counts as older.
        delete: whether the target loses what the source has not. Never what is ignored, never a key
            that could not be a file, and nothing where part of the source could not be seen.
    """

    direction: Direction
    compare: Comparison
    overwrite_newer: bool
    delete: bool


class FolderVerbs:
    """The part of `Store` for folders."""

    _twin: Callable[[], AsyncTwin]

    @overload
    def upload_folder(
        self,
        bucket: str,
        folder: Folder,
        prefix: str = "",
        *,
        background: Literal[False] = False,
        **options: Unpack[UploadFolderOptions],
    ) -> SyncSummary: ...
    @overload
    def upload_folder(
        self,
        bucket: str,
        folder: Folder,
        prefix: str = "",
        *,
        background: Literal[True],
        **options: Unpack[UploadFolderOptions],
    ) -> Job[SyncSummary]: ...
    def upload_folder(
        self,
        bucket: str,
        folder: Folder,
        prefix: str = "",
        *,
        background: bool = False,
        **options: Unpack[UploadFolderOptions],
    ) -> SyncSummary | Job[SyncSummary]:
        """Writes all files of a folder, with those of its folders, as objects.

        Args:
            prefix: the folder in the bucket; ``"backup"`` is ``"backup/"``.
            background: return a `Job` at once.

        Raises:
            OSError: the folder cannot be read.
            PartialFailureError: some files failed; `results` holds them by their paths, `summary` what
                was done.
            BucketNotFoundError, AuthenticationError, UnsupportedError, InvalidArgumentError
        """
        return self._work_on(
            bucket, folder, prefix, background, direction="up", compare="none", **options
        )

    @overload
    def download_folder(
        self,
        bucket: str,
        folder: Folder,
        prefix: str = "",
        *,
        background: Literal[False] = False,
        **options: Unpack[FolderOptions],
    ) -> SyncSummary: ...
    @overload
    def download_folder(
        self,
        bucket: str,
        folder: Folder,
        prefix: str = "",
        *,
        background: Literal[True],
        **options: Unpack[FolderOptions],
    ) -> Job[SyncSummary]: ...
    def download_folder(
        self,
        bucket: str,
        folder: Folder,
        prefix: str = "",
        *,
        background: bool = False,
        **options: Unpack[FolderOptions],
    ) -> SyncSummary | Job[SyncSummary]:
        """Reads all objects under a prefix into a folder, each replaced whole and verified.

        A key that would lead out of the folder, or is not the path of a file below it, fails. A file's
        time of modification is then that of its object.

        Args:
            folder: made where it is missing.
            prefix, background: as in `upload_folder`.

        Raises:
            OSError: the folder cannot be made.
            The errors of `upload_folder`.
        """
        return self._work_on(
            bucket, folder, prefix, background, direction="down", compare="none", **options
        )

    @overload
    def sync_folder(
        self,
        bucket: str,
        folder: Folder,
        prefix: str = "",
        *,
        background: Literal[False] = False,
        **options: Unpack[SyncFolderOptions],
    ) -> SyncSummary: ...
    @overload
    def sync_folder(
        self,
        bucket: str,
        folder: Folder,
        prefix: str = "",
        *,
        background: Literal[True],
        **options: Unpack[SyncFolderOptions],
    ) -> Job[SyncSummary]: ...
    def sync_folder(
        self,
        bucket: str,
        folder: Folder,
        prefix: str = "",
        *,
        background: bool = False,
        **options: Unpack[SyncFolderOptions],
    ) -> SyncSummary | Job[SyncSummary]:
        """Makes the keys under a prefix like a folder, or the folder like them, by what differs.

        Args:
            folder: of a download it is made where it is missing.
            prefix, background: as in `upload_folder`.
            options: see `SyncFolderOptions`; without `direction`, up.

        Raises:
            The errors of `upload_folder` and `download_folder`.
        """
        return self._work_on(bucket, folder, prefix, background, **options)

    def _work_on(
        self, bucket: str, folder: Folder, prefix: str, background: bool, **options: Any
    ) -> SyncSummary | Job[SyncSummary]:
        from .job import Job, result_of

        twin = self._twin()
        job = Job(folder_work(twin.store, bucket, folder, prefix, **options), twin.loop)
        return job if background else result_of(job)


class AsyncFolderVerbs:
    """The part of `AsyncStore` for folders."""

    @overload
    async def upload_folder(
        self,
        bucket: str,
        folder: Folder,
        prefix: str = "",
        *,
        background: Literal[False] = False,
        **options: Unpack[UploadFolderOptions],
    ) -> SyncSummary: ...
    @overload
    async def upload_folder(
        self,
        bucket: str,
        folder: Folder,
        prefix: str = "",
        *,
        background: Literal[True],
        **options: Unpack[UploadFolderOptions],
    ) -> AsyncJob[SyncSummary]: ...
    async def upload_folder(
        self,
        bucket: str,
        folder: Folder,
        prefix: str = "",
        *,
        background: bool = False,
        **options: Unpack[UploadFolderOptions],
    ) -> SyncSummary | AsyncJob[SyncSummary]:
        """See `Store.upload_folder`; in the background it is an `AsyncJob`."""
        return await self._work_on(
            bucket, folder, prefix, background, direction="up", compare="none", **options
        )

    @overload
    async def download_folder(
        self,
        bucket: str,
        folder: Folder,
        prefix: str = "",
        *,
        background: Literal[False] = False,
        **options: Unpack[FolderOptions],
    ) -> SyncSummary: ...
    @overload
    async def download_folder(
        self,
        bucket: str,
        folder: Folder,
        prefix: str = "",
        *,
        background: Literal[True],
        **options: Unpack[FolderOptions],
    ) -> AsyncJob[SyncSummary]: ...
    async def download_folder(
        self,
        bucket: str,
        folder: Folder,
        prefix: str = "",
        *,
        background: bool = False,
        **options: Unpack[FolderOptions],
    ) -> SyncSummary | AsyncJob[SyncSummary]:
        """See `Store.download_folder`; in the background it is an `AsyncJob`."""
        return await self._work_on(
            bucket, folder, prefix, background, direction="down", compare="none", **options
        )

    @overload
    async def sync_folder(
        self,
        bucket: str,
        folder: Folder,
        prefix: str = "",
        *,
        background: Literal[False] = False,
        **options: Unpack[SyncFolderOptions],
    ) -> SyncSummary: ...
    @overload
    async def sync_folder(
        self,
        bucket: str,
        folder: Folder,
        prefix: str = "",
        *,
        background: Literal[True],
        **options: Unpack[SyncFolderOptions],
    ) -> AsyncJob[SyncSummary]: ...
    async def sync_folder(
        self,
        bucket: str,
        folder: Folder,
        prefix: str = "",
        *,
        background: bool = False,
        **options: Unpack[SyncFolderOptions],
    ) -> SyncSummary | AsyncJob[SyncSummary]:
        """See `Store.sync_folder`; in the background it is an `AsyncJob`."""
        return await self._work_on(bucket, folder, prefix, background, **options)

    async def _work_on(
        self, bucket: str, folder: Folder, prefix: str, background: bool, **options: Any
    ) -> SyncSummary | AsyncJob[SyncSummary]:
        from .job import AsyncJob

        work = folder_work(cast("AsyncStore", self), bucket, folder, prefix, **options)
        return AsyncJob(work) if background else await work.run()


def folder_work(
    store: AsyncStore,
    bucket: str,
    folder: Folder,
    prefix: str,
    *,
    direction: Direction = "up",
    compare: Comparison = "size+mtime",
    overwrite_newer: bool = False,
    delete: bool = False,
    ignore: Iterable[str] = (),
    include_hidden: bool = False,
    dry_run: bool = False,
    progress: Callable[[JobProgress], None] | None = None,
    max_concurrency: int = BULK_CONCURRENCY,
    timeout: float | timedelta | None = None,
    **options: Any,
) -> FolderSync:
    """The work of each of the verbs."""
    from .folder_sync import FolderSync

    rules = SyncRules(
        direction,
        ignore=ignore,
        include_hidden=include_hidden,
        compare=compare,
        overwrite_newer=overwrite_newer,
        delete=delete,
    )
    return FolderSync(
        store,
        bucket,
        folder,
        prefix,
        rules,
        dry_run=dry_run,
        concurrency=max_concurrency,
        timeout=timeout,
        on_progress=progress,
        options=options,
    )
