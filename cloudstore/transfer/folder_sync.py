"""Makes the keys under a prefix like a folder, or a folder like them, by the plan of `folder_plan`.

Files of the folder are read and written in threads; requests go side by side on asyncio. One file that
fails is no reason to stop. What the source has not is deleted last, and only if all of the source was
seen.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any, TypeVar

from ..checksums import new_hasher
from ..errors import (
    AuthenticationError,
    BucketNotFoundError,
    CloudStoreError,
    InvalidKeyError,
    LocalFileError,
    ObjectNotFoundError,
    PartialFailureError,
    StoreClosedError,
)
from ..media_types import guess_content_type
from ..model import ListOptions, ObjectInfo, Page
from ..reading import VERIFY_WITH
from .folder_plan import (
    Act,
    FolderAction,
    FolderFile,
    FolderObject,
    FolderRules,
    FolderSummary,
    decide,
    folder_prefix,
    is_overwritten,
    is_safe_path,
)
from .folder_scan import FolderScan, Unreadable
from .job import JobProgress
from .side_by_side import side_by_side

if TYPE_CHECKING:
    from ..aio import AsyncStore

__all__ = ["FolderSync", "OnJobProgress"]

T = TypeVar("T")
OnJobProgress = Callable[[JobProgress], None]
SMALL_FILE = 1024 * 1024
"""A file of up to so many bytes is read at once, by one switch to a thread."""

LARGE_AT_ONCE = 4
"""How many of the others are under way: each may have several parts under way itself."""

DELETED_AT_ONCE = 1000
HASHED_AT_ONCE = 1024 * 1024
FATAL = (AuthenticationError, BucketNotFoundError, StoreClosedError)
"""Errors that every other file would have, too."""


class FolderSync:
    """One run. A `JobWork`.

    Args:
        folder: of a download it is made where it is missing.
        prefix: of the keys; a folder, whether or not it ends with a slash.
        dry_run: only finds out what would be done.
        on_progress: told after each file and each part.
        options: of the objects that are written.
    """

    def __init__(
        self,
        store: AsyncStore,
        bucket: str,
        folder: str | os.PathLike[str],
        prefix: str,
        rules: FolderRules,
        *,
        dry_run: bool,
        concurrency: int,
        timeout: Any,
        on_progress: OnJobProgress | None,
        options: Mapping[str, Any],
    ) -> None:
        self._store = store
        self._bucket = bucket
        self._folder = os.fspath(folder)
        self._prefix = folder_prefix(prefix)
        self._rules = rules
        self._up = rules.direction == "up"
        self._dry_run = dry_run
        self._concurrency = concurrency
        self._timeout = timeout
        self._on_progress = on_progress
        self._options = dict(options)
        self._large = asyncio.Semaphore(LARGE_AT_ONCE)
        self._folders: set[str] = set()
        self._surplus: list[FolderAction] = []
        self._all_seen = True
        self._is_planned = False
        self._bytes_total = 0
        self.summary = FolderSummary()

    @property
    def progress(self) -> JobProgress:
        """See `JobWork`."""
        done = self.summary
        files = (
            done.uploaded + done.downloaded + done.ignored + done.older + done.duplicate + done.failed
        )
        return JobProgress(files, done.total, done.bytes, self._bytes_total, self._is_planned)

    async def run(self) -> FolderSummary:
        """Does it.

        Raises:
            OSError: the folder cannot be read, or made.
            BucketNotFoundError, AuthenticationError, UnsupportedError, InvalidArgumentError
            PartialFailureError: it has the summary.
        """
        store, operations = self._store, self._store._operations
        operation = f"{'up' if self._up else 'down'}load_folder"
        ctx = store._context(operation, self._bucket, None, self._timeout)
        options = self._options if self._up else {}
        check = lambda: operations.put_options(options)  # noqa: E731 - named for its line's length
        await store._run(ctx, operations.check_many(ctx, self._bucket, check))
        if not self._up and not self._dry_run:
            await _in_thread(os.makedirs, self._folder, 0o777, True)
        async with (
            aclosing(self._plan()) as plan,
            aclosing(side_by_side(self._do, plan, self._concurrency)) as results,
        ):
            async for _ in results:
                self._tell()
        if self._rules.delete and self._all_seen:
            await self._delete_surplus()
        self._tell()
        return self._checked(operation)

    def _checked(self, operation: str) -> FolderSummary:
        summary = self.summary
        if summary.failures:
            raise PartialFailureError(
                f"{len(summary.failures)} of {summary.total} files failed",
                results=summary.failures,
                summary=summary,
                vendor=self._store._driver.scheme,
                operation=operation,
                bucket=self._bucket,
                outcome="unknown",
            )
        return summary

    def _tell(self) -> None:
        if self._on_progress is not None:
            self._on_progress(self.progress)

    def _fail(self, path: str, error: CloudStoreError | OSError) -> None:
        if not isinstance(error, CloudStoreError):
            found = LocalFileError(str(error), bucket=self._bucket, key=self._prefix + path)
            found.__cause__ = error
            error = found
        self.summary.failures[path] = error
        self.summary.failed += 1

    # --- the plan ---

    async def _plan(self) -> AsyncGenerator[FolderAction, None]:
        """What needs requests; all else is counted as it is passed."""
        lists_objects = not self._up or self._rules.compare != "none"
        objects = self._objects() if lists_objects else _none()
        async with aclosing(self._files()) as files, aclosing(objects):
            async for file, found in _merged(files, objects):
                action = decide(self._rules, file, found)
                if action.act is Act.DELETE:
                    if self._rules.delete:
                        self._surplus.append(action)
                    continue
                self.summary.total += 1
                if action.act is Act.DUPLICATE:
                    self.summary.duplicate += 1
                elif action.act is Act.OLDER:
                    self.summary.older += 1
                else:
                    self._bytes_total += action.size
                    yield action
        self._is_planned = True

    async def _files(self) -> AsyncGenerator[FolderFile, None]:
        try:
            scan = await _in_thread(FolderScan, self._folder, self._rules)
        except FileNotFoundError:
            if self._up or not self._dry_run:
                raise
            return
        while entries := await _in_thread(scan.some):
            for entry in entries:
                if isinstance(entry, FolderFile):
                    yield entry
                elif isinstance(entry, Unreadable):
                    self._all_seen = False
                    self.summary.total += 1
                    self._fail(entry.path, entry.error)
                elif self._up:
                    self._ignore()

    def _ignore(self) -> None:
        self.summary.total += 1
        self.summary.ignored += 1

    async def _objects(self) -> AsyncGenerator[FolderObject, None]:
        if self._store.capabilities.ordered_listing:
            async for page in self._pages():
                for info in page.objects:
                    if (found := self._taking_part(info)) is not None:
                        yield found
            return
        infos = [info async for page in self._pages() for info in page.objects]
        infos.sort(key=lambda info: info.key.encode())
        for info in infos:
            if (found := self._taking_part(info)) is not None:
                yield found

    async def _pages(self) -> AsyncIterator[Page]:
        """Each is asked for while the one before is used."""
        limit = self._store._driver.limits.page_size
        options = ListOptions(self._prefix, "", "", None, limit)
        asked = asyncio.create_task(self._store._page(self._bucket, options, self._timeout))
        try:
            while True:
                page = await asked
                if page.token is None:
                    yield page
                    return
                options = ListOptions(self._prefix, "", "", page.token, limit)
                asked = asyncio.create_task(self._store._page(self._bucket, options, self._timeout))
                yield page
        finally:
            asked.cancel()
            with suppress(asyncio.CancelledError, CloudStoreError):
                await asked

    def _taking_part(self, info: ObjectInfo) -> FolderObject | None:
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
        modified = None if info.last_modified is None else info.last_modified.timestamp()
        return FolderObject(path, info.size, modified, info.checksums)

    # --- one file ---

    async def _do(self, action: FolderAction) -> None:
        try:
            if action.act is Act.COMPARE:
                act = await self._compared(action)
                if act in (Act.DUPLICATE, Act.OLDER):
                    self._bytes_total -= action.size
                    self.summary.duplicate += act is Act.DUPLICATE
                    self.summary.older += act is Act.OLDER
                    return
            if self._dry_run:
                act = Act.UPLOAD if self._up else Act.DOWNLOAD
                self.summary.actions.append(
                    FolderAction(act, action.path, action.size, action.file, action.found)
                )
            elif self._up:
                await self._upload(action)
            else:
                await self._download(action)
            if self._up:
                self.summary.uploaded += 1
            else:
                self.summary.downloaded += 1
        except FATAL:
            raise
        except (CloudStoreError, OSError) as exc:
            self._fail(action.path, exc)

    def _local(self, path: str) -> str:
        return os.path.join(self._folder, *path.split("/"))

    async def _upload(self, action: FolderAction) -> None:
        key, local = self._prefix + action.path, self._local(action.path)
        options = self._options
        if options.get("content_type") is None:
            options = {**options, "content_type": guess_content_type(action.path)}
        if action.size <= SMALL_FILE:
            data = await _in_thread(_read, local)
            await self._store.create_object(self._bucket, key, data, timeout=self._timeout, **options)
            self._count(len(data))
            return
        async with self._large:
            await self._store.create_object_from_file(
                self._bucket, key, local, progress=self._each_part(), timeout=self._timeout, **options
            )

    async def _download(self, action: FolderAction) -> None:
        local = self._local(action.path)
        await self._make_folder(os.path.dirname(local))
        if action.size <= SMALL_FILE:
            await self._fetch(action, local)
            return
        async with self._large:
            await self._fetch(action, local)

    async def _fetch(self, action: FolderAction, local: str) -> None:
        found = await self._store.get_object_to_file(
            self._bucket,
            self._prefix + action.path,
            local,
            progress=self._each_part(),
            timeout=self._timeout,
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

    def _each_part(self) -> Callable[[int, int | None], None]:
        told = 0

        def progress(done: int, total: int | None) -> None:
            nonlocal told
            self._count(done - told)
            told = done

        return progress

    def _count(self, size: int) -> None:
        self.summary.bytes += size
        self._tell()

    async def _compared(self, action: FolderAction) -> Act:
        """Whether the two are alike by their checksums; where none is known they are not."""
        assert action.file is not None
        assert action.found is not None
        checksums: Mapping[str, str] = action.found.checksums
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
        times = action.file.mtime, action.found.mtime
        source, target = times if self._up else times[::-1]
        if is_overwritten(self._rules, source, target):
            return Act.UPLOAD if self._up else Act.DOWNLOAD
        return Act.OLDER

    # --- what the source has not ---

    async def _delete_surplus(self) -> None:
        if self._dry_run:
            self.summary.actions += self._surplus
            self.summary.deleted = len(self._surplus)
            return
        for first in range(0, len(self._surplus), DELETED_AT_ONCE):
            some = [action.path for action in self._surplus[first : first + DELETED_AT_ONCE]]
            failed = await (self._delete_objects(some) if self._up else self._delete_files(some))
            for path, error in failed.items():
                self._fail(path, error)
            self.summary.deleted += len(some) - len(failed)
            self._tell()

    async def _delete_objects(self, paths: list[str]) -> Mapping[str, CloudStoreError | OSError]:
        keys = [self._prefix + path for path in paths]
        try:
            await self._store.delete_objects(self._bucket, keys, timeout=self._timeout)
        except PartialFailureError as exc:
            return {key.removeprefix(self._prefix): error for key, error in exc.results.items()}
        return {}

    async def _delete_files(self, paths: list[str]) -> Mapping[str, CloudStoreError | OSError]:
        return await _in_thread(_removed, self._folder, [self._local(path) for path in paths], paths)


async def _merged(
    files: AsyncIterator[FolderFile], objects: AsyncIterator[FolderObject]
) -> AsyncIterator[tuple[FolderFile | None, FolderObject | None]]:
    """Both in the order of their paths, those of one path together."""
    file, found = await anext(files, None), await anext(objects, None)
    while file is not None or found is not None:
        order = _order(file, found)
        yield file if order <= 0 else None, found if order >= 0 else None
        if order <= 0:
            file = await anext(files, None)
        if order >= 0:
            found = await anext(objects, None)


def _order(file: FolderFile | None, found: FolderObject | None) -> int:
    """Which comes first: negative the file, positive the object."""
    if file is None or found is None:
        return 1 if file is None else -1
    if file.path == found.path:
        return 0
    return -1 if os.fsencode(file.path) < found.path.encode() else 1


async def _none() -> AsyncGenerator[FolderObject, None]:
    for _ in ():
        yield _


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
