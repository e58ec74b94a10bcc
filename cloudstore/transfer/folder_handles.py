"""The verbs for folders of `Bucket` and `AsyncBucket`: the store's, under the handle's prefix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Unpack, overload

from ..handle import BucketHandle
from .folder_plan import FolderSummary
from .folder_verbs import Folder, FolderOptions, SyncFolderOptions, UploadFolderOptions

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
    ) -> FolderSummary: ...
    @overload
    def upload_folder(
        self,
        folder: Folder,
        prefix: str = "",
        *,
        background: Literal[True],
        **options: Unpack[UploadFolderOptions],
    ) -> Job[FolderSummary]: ...
    def upload_folder(
        self,
        folder: Folder,
        prefix: str = "",
        *,
        background: bool = False,
        **options: Unpack[UploadFolderOptions],
    ) -> FolderSummary | Job[FolderSummary]:
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
    ) -> FolderSummary: ...
    @overload
    def download_folder(
        self,
        folder: Folder,
        prefix: str = "",
        *,
        background: Literal[True],
        **options: Unpack[FolderOptions],
    ) -> Job[FolderSummary]: ...
    def download_folder(
        self,
        folder: Folder,
        prefix: str = "",
        *,
        background: bool = False,
        **options: Unpack[FolderOptions],
    ) -> FolderSummary | Job[FolderSummary]:
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
    ) -> FolderSummary: ...
    @overload
    def sync_folder(
        self,
        folder: Folder,
        prefix: str = "",
        *,
        background: Literal[True],
        **options: Unpack[SyncFolderOptions],
    ) -> Job[FolderSummary]: ...
    def sync_folder(
        self,
        folder: Folder,
        prefix: str = "",
        *,
        background: bool = False,
        **options: Unpack[SyncFolderOptions],
    ) -> FolderSummary | Job[FolderSummary]:
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
    ) -> FolderSummary: ...
    @overload
    async def upload_folder(
        self,
        folder: Folder,
        prefix: str = "",
        *,
        background: Literal[True],
        **options: Unpack[UploadFolderOptions],
    ) -> AsyncJob[FolderSummary]: ...
    async def upload_folder(
        self,
        folder: Folder,
        prefix: str = "",
        *,
        background: bool = False,
        **options: Unpack[UploadFolderOptions],
    ) -> FolderSummary | AsyncJob[FolderSummary]:
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
    ) -> FolderSummary: ...
    @overload
    async def download_folder(
        self,
        folder: Folder,
        prefix: str = "",
        *,
        background: Literal[True],
        **options: Unpack[FolderOptions],
    ) -> AsyncJob[FolderSummary]: ...
    async def download_folder(
        self,
        folder: Folder,
        prefix: str = "",
        *,
        background: bool = False,
        **options: Unpack[FolderOptions],
    ) -> FolderSummary | AsyncJob[FolderSummary]:
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
    ) -> FolderSummary: ...
    @overload
    async def sync_folder(
        self,
        folder: Folder,
        prefix: str = "",
        *,
        background: Literal[True],
        **options: Unpack[SyncFolderOptions],
    ) -> AsyncJob[FolderSummary]: ...
    async def sync_folder(
        self,
        folder: Folder,
        prefix: str = "",
        *,
        background: bool = False,
        **options: Unpack[SyncFolderOptions],
    ) -> FolderSummary | AsyncJob[FolderSummary]:
        """See `AsyncStore.sync_folder`; its prefix is behind the handle's."""
        full = self._full(prefix)
        return await self._store._work_on(self.name, folder, full, background, **options)
