"""Makes the keys under a prefix like a folder, or a folder like them. See `sync_run`.

Files of the folder are read and written in threads.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any, TypeVar

from ..checksums import new_hasher
from ..errors import CloudStoreError, InvalidKeyError, ObjectNotFoundError, PartialFailureError
from ..media_types import guess_content_type
from ..model import ObjectInfo
from ..reading import VERIFY_WITH
from .folder_scan import FolderScan, Unreadable
from .sync_plan import Act, SyncAction, SyncEntry, SyncRules, act_of_unlike, folder_prefix, is_safe_path
from .sync_run import OnJobProgress, SyncRun, entry_of, listed

if TYPE_CHECKING:
    from ..aio import AsyncStore

__all__ = ["FolderSync"]

T = TypeVar("T")
SMALL_FILE = 1024 * 1024
"""A file of up to so many bytes is read at once, by one switch to a thread."""

LARGE_AT_ONCE = 4
"""How many of the others are under way: each may have several parts under way itself."""

HASHED_AT_ONCE = 1024 * 1024


class FolderSync(SyncRun):
    """One run.

    Args:
        folder: of a download it is made where it is missing.
        prefix: of the keys; a folder, whether or not it ends with a slash.
        options: of the objects that are written.
    """

    def __init__(
        self,
        store: AsyncStore,
        bucket: str,
        folder: str | os.PathLike[str],
        prefix: str,
        rules: SyncRules,
        *,
        dry_run: bool,
        concurrency: int,
        timeout: Any,
        on_progress: OnJobProgress | None,
        options: Mapping[str, Any],
    ) -> None:
        self._up = rules.transfer is Act.UPLOAD
        super().__init__(
            "upload_folder" if self._up else "download_folder",
            store,
            bucket,
            rules,
            dry_run=dry_run,
            concurrency=concurrency,
            timeout=timeout,
            on_progress=on_progress,
        )
        self._folder = os.fspath(folder)
        self._prefix = folder_prefix(prefix)
        self._options = dict(options)
        self._large = asyncio.Semaphore(LARGE_AT_ONCE)
        self._folders: set[str] = set()

    async def _begin(self) -> None:
        await self._refuse_wrong(self._store, self._bucket, self._options)
        if not self._up and not self._dry_run:
            await _in_thread(os.makedirs, self._folder, 0o777, True)

    def _sources(self) -> AsyncGenerator[SyncEntry, None]:
        return self._files() if self._up else self._objects()

    def _targets(self) -> AsyncGenerator[SyncEntry, None]:
        return self._objects() if self._up else self._files()

    async def _files(self) -> AsyncGenerator[SyncEntry, None]:
        try:
            scan = await _in_thread(FolderScan, self._folder, self._rules)
        except FileNotFoundError:
            if self._up or not self._dry_run:
                raise
            return
        while entries := await _in_thread(scan.some):
            for entry in entries:
                if isinstance(entry, SyncEntry):
                    yield entry
                elif isinstance(entry, Unreadable):
                    self._all_seen = False
                    self.summary.total += 1
                    self._fail(entry.path, entry.error)
                elif self._up:
                    self._ignore()

    async def _objects(self) -> AsyncGenerator[SyncEntry, None]:
        found = listed(self._store, self._bucket, self._prefix, self._timeout)
        async with aclosing(found):
            async for info in found:
                if (entry := self._taking_part(info)) is not None:
                    yield entry

    def _taking_part(self, info: ObjectInfo) -> SyncEntry | None:
        path = info.key.removeprefix(self._prefix)
        if not path:
            return None
        is_file = not path.endswith("/")
        if is_file and not is_safe_path(path):
            if not self._up:
                self.summary.total += 1
                self._fail(path, InvalidKeyError("this key is no path below a folder", key=info.key))
            return None
        if not is_file or self._rules.ignores_any_of(path):
            if not self._up:
                self._ignore()
            return None
        return entry_of(info, path)

    def _local(self, path: str) -> str:
        return os.path.join(self._folder, *path.split("/"))

    async def _transfer(self, action: SyncAction) -> None:
        key, local = self._prefix + action.path, self._local(action.path)
        transfer = self._upload if self._up else self._download
        if action.size <= SMALL_FILE:
            await transfer(key, local, action.size)
            return
        async with self._large:
            await transfer(key, local, action.size)

    async def _upload(self, key: str, local: str, size: int) -> None:
        options = self._options
        if options.get("content_type") is None:
            options = {**options, "content_type": guess_content_type(key)}
        if size <= SMALL_FILE:
            data = await _in_thread(_read, local)
            await self._store.create_object(self._bucket, key, data, timeout=self._timeout, **options)
            self._count(len(data))
            return
        await self._store.create_object_from_file(
            self._bucket, key, local, progress=self._each_part(), timeout=self._timeout, **options
        )

    async def _download(self, key: str, local: str, size: int) -> None:
        await self._make_folder(os.path.dirname(local))
        found = await self._store.get_object_to_file(
            self._bucket, key, local, progress=self._each_part(), timeout=self._timeout
        )
        modified = found.last_modified
        if modified is not None:
            await _in_thread(os.utime, local, (modified.timestamp(), modified.timestamp()))

    async def _make_folder(self, folder: str) -> None:
        """Makes it, and sees that no link has led out of the target."""
        if folder in self._folders:
            return
        await _in_thread(os.makedirs, folder, 0o777, True)
        real, root = await _in_thread(_real_paths, folder, self._folder)
        if os.path.commonpath([real, root]) != root:
            raise InvalidKeyError("a link leads out of the folder")
        self._folders.add(folder)

    async def _compared(self, action: SyncAction) -> Act:
        """Where no checksum is known the two are not alike."""
        assert action.source is not None
        assert action.target is not None
        found = action.target if self._up else action.source
        checksums = found.checksums
        if not checksums:
            try:
                head = await self._store.head_object(
                    self._bucket, self._prefix + action.path, timeout=self._timeout
                )
            except ObjectNotFoundError:
                if self._up:
                    return Act.UPLOAD
                raise
            checksums = head.checksums
        for algorithm in VERIFY_WITH:
            if algorithm in checksums:
                digest = await _in_thread(_digest, self._local(action.path), algorithm)
                if digest == checksums[algorithm]:
                    return Act.DUPLICATE
                break
        return act_of_unlike(self._rules, action.source, action.target)

    async def _delete(self, paths: list[str]) -> Mapping[str, CloudStoreError | OSError]:
        if not self._up:
            return await _in_thread(
                _removed, self._folder, [self._local(path) for path in paths], paths
            )
        keys = [self._prefix + path for path in paths]
        try:
            await self._store.delete_objects(self._bucket, keys, timeout=self._timeout)
        except PartialFailureError as exc:
            return {key.removeprefix(self._prefix): error for key, error in exc.results.items()}
        return {}


async def _in_thread(function: Callable[..., T], *args: Any) -> T:
    return await asyncio.get_running_loop().run_in_executor(None, function, *args)


def _read(path: str) -> bytes:
    with open(path, "rb", buffering=0) as file:
        return file.readall()


def _digest(path: str, algorithm: str) -> str:
    hasher = new_hasher(algorithm)
    with open(path, "rb", buffering=0) as file:
        while chunk := file.read(HASHED_AT_ONCE):
            hasher.update(chunk)
    return hasher.hexdigest()


def _real_paths(*paths: str) -> list[str]:
    return [os.path.realpath(path) for path in paths]


def _removed(root: str, files: list[str], names: list[str]) -> dict[str, OSError]:
    """Removes files, and the folders that are empty then; returns what could not be removed."""
    failed: dict[str, OSError] = {}
    for path, name in zip(files, names, strict=True):
        try:
            os.unlink(path)
        except FileNotFoundError:
            pass
        except OSError as exc:
            failed[name] = exc
            continue
        folder = os.path.dirname(path)
        with suppress(OSError):  # it is not empty
            while len(folder) > len(root):
                os.rmdir(folder)
                folder = os.path.dirname(folder)
    return failed
