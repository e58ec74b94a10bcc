"""The verbs for folders of `Bucket` and `AsyncBucket`: the store's, under the handle's prefix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Unpack, overload

from ..handle import BucketHandle
from .folder_verbs import Folder, FolderOptions, SyncFolderOptions, UploadFolderOptions
from .sync_plan import SyncSummary

if TYPE_CHECKING:
    from ..aio import AsyncStore
    from ..store import Store
    from .job import AsyncJob, Job

__all__ = ["AsyncBucketFolderVerbs", "BucketFolderVerbs"]


class BucketFolderVerbs(BucketHandle):
    """The part of `Bucket` for folders."""

    _store: Store

    @overload
    def upload_folder(
        self,
        folder: Folder,
        prefix: str = "",
        *,
        background: Literal[False] = False,
        **options: Unpack[UploadFolderOptions],
    ) -> SyncSummary: ...
    @overload
    def upload_folder(
        self,
        folder: Folder,
        prefix: str = "",
        *,
        background: Literal[True],
        **options: Unpack[UploadFolderOptions],
    ) -> Job[SyncSummary]: ...
    def upload_folder(
        self,
        folder: Folder,
        prefix: str = "",
        *,
        background: bool = False,
        **options: Unpack[UploadFolderOptions],
    ) -> SyncSummary | Job[SyncSummary]:
        """See `Store.upload_folder`; its prefix is behind the handle's."""
        full = self._full(prefix)
        return self._store._work_on(
            self.name, folder, full, background, direction="up", compare="none", **options
        )

    @overload
    def download_folder(
        self,
        folder: Folder,
        prefix: str = "",
        *,
        background: Literal[False] = False,
        **options: Unpack[FolderOptions],
    ) -> SyncSummary: ...
    @overload
    def download_folder(
        self,
        folder: Folder,
        prefix: str = "",
        *,
        background: Literal[True],
        **options: Unpack[FolderOptions],
    ) -> Job[SyncSummary]: ...
    def download_folder(
        self,
        folder: Folder,
        prefix: str = "",
        *,
        background: bool = False,
        **options: Unpack[FolderOptions],
    ) -> SyncSummary | Job[SyncSummary]:
        """See `Store.download_folder`; its prefix is behind the handle's."""
        full = self._full(prefix)
        return self._store._work_on(
            self.name, folder, full, background, direction="down", compare="none", **options
        )

    @overload
    def sync_folder(
        self,
        folder: Folder,
        prefix: str = "",
        *,
        background: Literal[False] = False,
        **options: Unpack[SyncFolderOptions],
    ) -> SyncSummary: ...
    @overload
    def sync_folder(
        self,
        folder: Folder,
        prefix: str = "",
        *,
        background: Literal[True],
        **options: Unpack[SyncFolderOptions],
    ) -> Job[SyncSummary]: ...
    def sync_folder(
        self,
        folder: Folder,
        prefix: str = "",
        *,
        background: bool = False,
        **options: Unpack[SyncFolderOptions],
    ) -> SyncSummary | Job[SyncSummary]:
        """See `Store.sync_folder`; its prefix is behind the handle's."""
        full = self._full(prefix)
        return self._store._work_on(self.name, folder, full, background, **options)


class AsyncBucketFolderVerbs(BucketHandle):
    """The part of `AsyncBucket` for folders."""

    _store: AsyncStore

    @overload
    async def upload_folder(
        self,
        folder: Folder,
        prefix: str = "",
        *,
        background: Literal[False] = False,
        **options: Unpack[UploadFolderOptions],
    ) -> SyncSummary: ...
    @overload
    async def upload_folder(
        self,
        folder: Folder,
        prefix: str = "",
        *,
        background: Literal[True],
        **options: Unpack[UploadFolderOptions],
    ) -> AsyncJob[SyncSummary]: ...
    async def upload_folder(
        self,
        folder: Folder,
        prefix: str = "",
        *,
        background: bool = False,
        **options: Unpack[UploadFolderOptions],
    ) -> SyncSummary | AsyncJob[SyncSummary]:
        """See `AsyncStore.upload_folder`; its prefix is behind the handle's."""
        full = self._full(prefix)
        return await self._store._work_on(
            self.name, folder, full, background, direction="up", compare="none", **options
        )

    @overload
    async def download_folder(
        self,
        folder: Folder,
        prefix: str = "",
        *,
        background: Literal[False] = False,
        **options: Unpack[FolderOptions],
    ) -> SyncSummary: ...
    @overload
    async def download_folder(
        self,
        folder: Folder,
        prefix: str = "",
        *,
        background: Literal[True],
        **options: Unpack[FolderOptions],
    ) -> AsyncJob[SyncSummary]: ...
    async def download_folder(
        self,
        folder: Folder,
        prefix: str = "",
        *,
        background: bool = False,
        **options: Unpack[FolderOptions],
    ) -> SyncSummary | AsyncJob[SyncSummary]:
        """See `AsyncStore.download_folder`; its prefix is behind the handle's."""
        full = self._full(prefix)
        return await self._store._work_on(
            self.name, folder, full, background, direction="down", compare="none", **options
        )

    @overload
    async def sync_folder(
        self,
        folder: Folder,
        prefix: str = "",
        *,
        background: Literal[False] = False,
        **options: Unpack[SyncFolderOptions],
    ) -> SyncSummary: ...
    @overload
    async def sync_folder(
        self,
        folder: Folder,
        prefix: str = "",
        *,
        background: Literal[True],
        **options: Unpack[SyncFolderOptions],
    ) -> AsyncJob[SyncSummary]: ...
    async def sync_folder(
        self,
        folder: Folder,
        prefix: str = "",
        *,
        background: bool = False,
        **options: Unpack[SyncFolderOptions],
    ) -> SyncSummary | AsyncJob[SyncSummary]:
        """See `AsyncStore.sync_folder`; its prefix is behind the handle's."""
        full = self._full(prefix)
        return await self._store._work_on(self.name, folder, full, background, **options)
