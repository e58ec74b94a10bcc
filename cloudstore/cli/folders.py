"""Copying and moving all that is below a folder: of this machine, or under a prefix."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Event

from ..errors import (
    InvalidArgumentError,
    InvalidKeyError,
    ObjectNotFoundError,
    PartialFailureError,
    PreconditionFailedError,
)
from ..object import Object
from ..transfer.folder_scan import FolderScan
from ..transfer.sync_plan import SyncEntry, SyncRules, SyncSummary
from .addresses import LocalPath, Place, Remote
from .progress import ProgressBar
from .quantities import human_size
from .records import action_record
from .session import Session, printable
from .side_by_side import side_by_side
from .transfers import Copied, Folder, Transfer, copy_one, object_stamp, target_within

__all__ = ["copy_folder", "move_folder"]

DELETED_AT_ONCE = 1000
Stamps = dict[str, object]
"""For each path below a folder what changes when it is changed."""


@dataclass
class _Done:
    """What was copied of a folder.

    Attributes:
        ignored: that cannot be copied, such as links to folders.
        failures: for each path that failed, its error.
    """

    files: int = 0
    bytes: int = 0
    ignored: int = 0
    failures: dict[str, Exception] = field(default_factory=dict)


def copy_folder(session: Session, folder: Folder, bar: ProgressBar) -> None:
    """Copies all that is below, and says how much, and what failed.

    Raises:
        CloudStoreError, OSError: of the folder itself.
    """
    if session.dry_run:
        _say_plan(session, "copy", folder)
    else:
        _tell(session, "copy", folder, _copy(session, folder, bar))


def move_folder(session: Session, folder: Folder, bar: ProgressBar) -> None:
    """As `copy_folder`; then deletes what was copied and was not changed meanwhile.

    Raises:
        CloudStoreError, OSError: of the folder itself.
    """
    if session.dry_run:
        _say_plan(session, "move", folder)
        return
    before = _stamps(session, folder.source, folder.target)
    _check_apart(session, folder, before)
    done = _copy(session, folder, bar)
    after = _stamps(session, folder.source, folder.target)
    copied = [path for path in before if path not in done.failures]
    same = [path for path in copied if after.get(path) == before[path]]
    for path in set(copied) - set(same):
        if path in after:
            done.failures[path] = PreconditionFailedError(
                "it was changed while it was moved; it is kept"
            )
    done.failures |= _delete(session, folder.source, same)
    done.files = len(before.keys() - done.failures.keys())
    _tell(session, "move", folder, done)


def _tell(session: Session, action: str, folder: Folder, done: _Done) -> None:
    for path, error in done.failures.items():
        session.fail(error, path)
    if done.ignored:
        session.note(f"{folder.source}: {done.ignored} are no files and were left out")
    if done.files or not done.failures:
        record = action_record(
            action,
            folder.source,
            folder.target,
            files=done.files,
            size=done.bytes,
            failed=len(done.failures),
        )
        source, target = printable(str(folder.source)), printable(str(folder.target))
        session.report(
            record, f"{action} {source} -> {target}: {done.files} files, {human_size(done.bytes)}"
        )


# --- copying ---


def _copy(session: Session, folder: Folder, bar: ProgressBar) -> _Done:
    source, target = folder.source, folder.target
    if isinstance(source, LocalPath) and isinstance(target, Remote):
        return _up(session, source, target, bar)
    if isinstance(source, Remote) and isinstance(target, LocalPath):
        return _down(session, source, target, bar)
    assert isinstance(source, Remote)
    assert isinstance(target, Remote)
    if source.profile == target.profile and session.store_of(source).capabilities.copy:
        return _within(session, source, target, bar)
    return _between(session, folder, bar)


def _up(session: Session, source: LocalPath, target: Remote, bar: ProgressBar) -> _Done:
    store = session.store_of(target)
    try:
        summary = store.upload_folder(
            target.bucket, source.path, target.folder, include_hidden=True, progress=bar.job
        )
    except PartialFailureError as exc:
        summary = exc.summary
    return _counted(summary)


def _down(session: Session, source: Remote, target: LocalPath, bar: ProgressBar) -> _Done:
    _require_something(session, source)
    store = session.store_of(source)
    try:
        summary = store.download_folder(
            source.bucket, target.path, source.folder, include_hidden=True, progress=bar.job
        )
    except PartialFailureError as exc:
        summary = exc.summary
    done = _counted(summary)
    done.ignored = 0  # they are folders' placeholders
    return done


def _counted(summary: SyncSummary) -> _Done:
    files = summary.uploaded + summary.downloaded
    return _Done(files, summary.bytes, summary.ignored, dict(summary.failures))


def _within(session: Session, source: Remote, target: Remote, bar: ProgressBar) -> _Done:
    """Copies on the vendor's side."""
    done = _Done()
    sizes: dict[str, int] = {}

    def pairs() -> Iterator[tuple[str, str]]:
        for found in _objects(session, source):
            sizes[found.key] = found.size
            yield found.key, target.folder + found.key.removeprefix(source.folder)

    def count(key: str, failed: bool) -> None:
        size = sizes.pop(key)
        if not failed:
            done.files += 1
            done.bytes += size
            bar.file_done()

    try:
        session.store_of(source).copy_objects(
            source.bucket,
            pairs(),
            target.bucket,
            on_result=lambda result: count(result.key, result.error is not None),
        )
    except PartialFailureError as exc:
        done.failures = {key.removeprefix(source.folder): error for key, error in exc.results.items()}
    return done


def _between(session: Session, folder: Folder, bar: ProgressBar) -> _Done:
    """Reads from one store and writes to the other."""
    done = _Done()

    def copy(transfer: Transfer, stopped: Event | None) -> Copied:
        return copy_one(session, transfer, bar, stopped)

    source, target = folder.source, folder.target
    assert isinstance(source, Remote)
    assert isinstance(target, Remote)
    transfers = _transfers(session, source, target)
    if source.bucket == target.bucket and target.folder.startswith(source.folder):
        # Two profiles may lead to one place: what is written must not be listed and copied again.
        transfers = iter(list(transfers))
    for transfer, copied, error in side_by_side(copy, transfers):
        if copied is not None:
            done.files += 1
            done.bytes += copied.size or 0
        elif error is not None and isinstance(transfer.source, Remote):
            done.failures[transfer.source.key.removeprefix(source.folder)] = error
    return done


def _objects(session: Session, source: Remote) -> Iterator[Object]:
    """All below.

    Raises:
        ObjectNotFoundError: there is nothing.
    """
    is_empty = True
    for found in session.store_of(source).iter_objects(source.bucket, source.folder):
        if isinstance(found, Object):
            is_empty = False
            yield found
    if is_empty and source.key:
        raise ObjectNotFoundError(f"there is nothing below {source.with_key(source.folder)}")


def _require_something(session: Session, source: Remote) -> None:
    for _ in _objects(session, source):
        return


def _transfers(session: Session, source: Remote, target: Place) -> Iterator[Transfer]:
    for found in _objects(session, source):
        name = found.key.removeprefix(source.folder)
        yield Transfer(source.with_key(found.key), target_within(target, name))


# --- what would be done ---


def _say_plan(session: Session, action: str, folder: Folder) -> None:
    for transfer, size in _plan(session, folder):
        record = action_record(action, transfer.source, transfer.target, size=size)
        source, target = printable(str(transfer.source)), printable(str(transfer.target))
        session.report(record, f"{action} {source} -> {target}")


def _plan(session: Session, folder: Folder) -> Iterator[tuple[Transfer, int]]:
    source, target = folder.source, folder.target
    if isinstance(source, LocalPath):
        for entry in _files(source):
            local = LocalPath(os.path.join(source.path, entry.path))
            yield Transfer(local, target_within(target, entry.path)), entry.size
        return
    assert isinstance(source, Remote)
    for found in _objects(session, source):
        name = found.key.removeprefix(source.folder)
        if isinstance(target, LocalPath) and found.key.endswith("/"):
            continue
        try:
            yield Transfer(source.with_key(found.key), target_within(target, name)), found.size
        except InvalidKeyError as exc:
            session.fail(exc)


# --- moving ---


def _check_apart(session: Session, folder: Folder, before: Stamps) -> None:
    """Two profiles may lead to one place, where the copies would be deleted with their sources."""
    source, target = folder.source, folder.target
    if not isinstance(source, Remote) or not isinstance(target, Remote):
        return
    if (source.bucket, source.folder) != (target.bucket, target.folder):
        return
    there = _stamps(session, target, target)
    if any(there.get(path) == stamp for path, stamp in before.items()):
        raise InvalidArgumentError(f"{source} and {target} are the same folder")


def _stamps(session: Session, source: Place, target: Place) -> Stamps:
    if isinstance(source, LocalPath):
        return {entry.path: (entry.size, entry.mtime) for entry in _files(source)}
    assert isinstance(source, Remote)
    with suppress(ObjectNotFoundError):
        return {
            found.key.removeprefix(source.folder): object_stamp(found)
            for found in _objects(session, source)
            # What stands for a folder becomes no file.
            if isinstance(target, Remote) or not found.key.endswith("/")
        }
    return {}


def _files(folder: LocalPath) -> Iterator[SyncEntry]:
    scan = FolderScan(folder.path, SyncRules("up", include_hidden=True))
    while entries := scan.some():
        yield from (entry for entry in entries if isinstance(entry, SyncEntry))


def _delete(session: Session, source: Place, paths: list[str]) -> dict[str, Exception]:
    if isinstance(source, LocalPath):
        return _delete_files(source, paths)
    assert isinstance(source, Remote)
    failed: dict[str, Exception] = {}
    for first in range(0, len(paths), DELETED_AT_ONCE):
        keys = [source.folder + path for path in paths[first : first + DELETED_AT_ONCE]]
        try:
            session.store_of(source).delete_objects(source.bucket, keys)
        except PartialFailureError as exc:
            failed |= {key.removeprefix(source.folder): error for key, error in exc.results.items()}
    return failed


def _delete_files(folder: LocalPath, paths: list[str]) -> dict[str, Exception]:
    failed: dict[str, Exception] = {}
    for path in paths:
        try:
            os.unlink(os.path.join(folder.path, path))
        except OSError as exc:
            failed[path] = exc
    for below, _, _ in os.walk(folder.path, topdown=False):
        with suppress(OSError):  # it is not empty
            os.rmdir(below)
    return failed
