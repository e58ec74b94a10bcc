"""Copying one thing from one place to another: up, down, within a store, between stores."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from threading import Event
from typing import TYPE_CHECKING

import click

from ..errors import (
    CloudStoreError,
    InvalidArgumentError,
    InvalidKeyError,
    ObjectNotFoundError,
    PreconditionFailedError,
)
from ..media_types import guess_content_type
from ..object import Object
from ..transfer.sync_plan import is_safe_path
from .addresses import LocalPath, Place, Remote
from .session import Session, write_out
from .side_by_side import CancelledError

if TYPE_CHECKING:
    from .progress import ProgressBar

__all__ = ["Copied", "Folder", "Transfer", "copy_one", "move_one", "object_stamp", "target_within"]

CHUNK = 1024 * 1024
Tell = Callable[[int, int | None], None]


@dataclass(frozen=True)
class Transfer:
    """From where to where.

    Attributes:
        resume: go on with what an earlier run has left.
    """

    source: Place
    target: Place
    resume: bool = False


class Folder(Transfer):
    """A transfer of all that is below."""


@dataclass(frozen=True)
class Copied:
    """What was copied: by this its source is known to be the same still.

    Attributes:
        stamp: of the source: an ETag, or the size and time of a file.
        size: in bytes; None of a pipe.
    """

    stamp: object
    size: int | None


def target_within(folder: Place, relative: str) -> Place:
    """The place of a name below a folder.

    Raises:
        InvalidKeyError: the name would lead elsewhere.
    """
    if isinstance(folder, Remote):
        return folder.with_key(folder.folder + relative)
    if not is_safe_path(relative):
        raise InvalidKeyError("this key is no path below a folder", key=relative)
    return LocalPath(os.path.join(str(folder), *relative.split("/")))


def copy_one(
    session: Session, transfer: Transfer, bar: ProgressBar, stopped: Event | None = None
) -> Copied:
    """Copies; what was at the target stays until it is replaced whole.

    Args:
        stopped: where it is set, the transfer is given up.

    Raises:
        CloudStoreError, OSError, CancelledError
    """
    told = bar.of_one()

    def tell(done: int, total: int | None) -> None:
        if stopped is not None and stopped.is_set():
            raise CancelledError
        told(done, total)

    copied = _copy(session, transfer, tell)
    bar.file_done()
    return copied


def _copy(session: Session, transfer: Transfer, tell: Tell) -> Copied:
    source, target = transfer.source, transfer.target
    if isinstance(source, Remote):
        if isinstance(target, Remote):
            return _across(session, source, target, tell)
        if isinstance(target, LocalPath):
            return _down(session, source, target, transfer.resume, tell)
        return _out(session, source, tell)
    if not isinstance(target, Remote):
        raise click.UsageError("one of both is in a store: PROFILE:bucket/key")
    if isinstance(source, LocalPath):
        return _up(session, source, target, transfer.resume, tell)
    return _in(session, target, tell)


def _up(session: Session, source: LocalPath, target: Remote, resume: bool, tell: Tell) -> Copied:
    stamp = _file_stamp(source.path)
    tell(0, stamp[0])
    made = session.store_of(target).create_object_from_file(
        target.bucket, target.key, source.path, progress=tell, resume=resume
    )
    return Copied(stamp, made.size)


def _down(session: Session, source: Remote, target: LocalPath, resume: bool, tell: Tell) -> Copied:
    os.makedirs(os.path.dirname(target.path) or ".", exist_ok=True)
    found = session.store_of(source).get_object_to_file(
        source.bucket, source.key, target.path, progress=tell, resume=resume
    )
    return Copied(found.etag, found.size)


def _in(session: Session, target: Remote, tell: Tell) -> Copied:
    made = session.store_of(target).create_object(
        target.bucket,
        target.key,
        sys.stdin.buffer,
        content_type=guess_content_type(target.key),
        progress=tell,
    )
    return Copied(None, made.size)


def _out(session: Session, source: Remote, tell: Tell) -> Copied:
    with session.store_of(source).get_object(source.bucket, source.key) as found:
        for chunk in _chunks(found, tell):
            write_out(chunk)
        return Copied(found.etag, found.size)


def _across(session: Session, source: Remote, target: Remote, tell: Tell) -> Copied:
    """By the vendor, or as a stream; a source that changes after the look is not deleted by a move."""
    store, other = session.store_of(source), session.store_of(target)
    found = store.head_object(source.bucket, source.key)
    tell(0, found.size)
    store.bucket(source.bucket).copy_to(
        source.key, other.bucket(target.bucket), target.key, progress=tell
    )
    tell(found.size, found.size)
    return Copied(found.etag, found.size)


def _chunks(found: Object, tell: Tell) -> Iterator[bytes]:
    done = 0
    tell(0, found.size)
    for chunk in found.iter_chunks(CHUNK):
        yield chunk
        done += len(chunk)
        tell(done, found.size)


def move_one(
    session: Session, transfer: Transfer, bar: ProgressBar, stopped: Event | None = None
) -> Copied:
    """Copies, then deletes the source if it is the same still.

    Raises:
        PreconditionFailedError: the source was changed meanwhile; it is kept.
        InvalidArgumentError: source and target are the same object.
        The errors of `copy_one`.
    """
    _check_apart(session, transfer)
    copied = copy_one(session, transfer, bar, stopped)
    source = transfer.source
    if isinstance(source, LocalPath):
        if _file_stamp(source.path) != copied.stamp:
            raise _kept(source)
        os.unlink(source.path)
    elif isinstance(source, Remote):
        _delete_if_same(session, source, copied)
    return copied


def _check_apart(session: Session, transfer: Transfer) -> None:
    """Two profiles may lead to one place, where the copy would be deleted with its source."""
    source, target = transfer.source, transfer.target
    if not isinstance(source, Remote) or not isinstance(target, Remote):
        return
    if (source.bucket, source.key) != (target.bucket, target.key):
        return
    with suppress(ObjectNotFoundError):
        heads = [session.store_of(p).head_object(p.bucket, p.key) for p in (source, target)]
        if object_stamp(heads[0]) == object_stamp(heads[1]):
            raise InvalidArgumentError(f"{source} and {target} are the same object")


def object_stamp(found: Object) -> tuple[object, ...]:
    """What changes with an object."""
    return found.etag, found.size, found.last_modified


def _delete_if_same(session: Session, source: Remote, copied: Copied) -> None:
    store = session.store_of(source)
    etag = copied.stamp if isinstance(copied.stamp, str) else None
    if store.capabilities.delete_if_match and etag is not None:
        store.delete_object(source.bucket, source.key, if_match=etag)
        return
    if store.head_object(source.bucket, source.key).etag != etag:
        raise _kept(source)
    store.delete_object(source.bucket, source.key)


def _file_stamp(path: str) -> tuple[int, int, int]:
    """What changes with a file: its size, its time, its inode."""
    found = os.stat(path)
    return found.st_size, found.st_mtime_ns, found.st_ino


def _kept(source: Place) -> CloudStoreError:
    return PreconditionFailedError(f"{source} was changed while it was moved; it is kept")
