"""What ``cp`` and ``mv`` share: which transfers their arguments mean, and how they are carried out."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from threading import Event

import click

from ..errors import CloudStoreError, InvalidArgumentError, InvalidKeyError, ObjectNotFoundError
from ..model import CommonPrefix
from .addresses import LocalPath, Pipe, Place, Remote
from .progress import ProgressBar
from .records import action_record
from .selection import has_pattern, literal_folder, matching
from .session import Session, printable
from .side_by_side import AT_ONCE, side_by_side
from .transfers import Copied, Folder, Transfer, target_within

__all__ = ["check_places", "planned", "transfer_all"]

Carry = Callable[[Session, Transfer, ProgressBar, Event | None], Copied]
CarryFolder = Callable[[Session, Folder, ProgressBar], object]


def check_places(sources: tuple[Place, ...], target: Place, *, recursive: bool, resume: bool) -> None:
    """Refuses what makes no sense.

    Raises:
        click.UsageError
    """
    for source in sources:
        _check_pair(source, target)
        if recursive and isinstance(source, Pipe):
            raise click.UsageError("standard input is no folder: leave --recursive away")
        if recursive and _is_below(source, target):
            raise click.UsageError(f"{target} is within {source}, which is copied")
        if resume and (recursive or {type(source), type(target)} != {LocalPath, Remote}):
            raise click.UsageError(
                "--resume is for single files, up or down; `cloudstore sync` goes on with folders"
            )
    if recursive and isinstance(target, Pipe):
        raise click.UsageError("standard output is no folder: leave --recursive away")


def _check_pair(source: Place, target: Place) -> None:
    if not isinstance(source, Remote) and not isinstance(target, Remote):
        raise click.UsageError("one of both is in a store: PROFILE:bucket/key")
    if isinstance(target, Remote) and not target.bucket:
        raise click.UsageError(f"{target} names no bucket: PROFILE:bucket/key")
    if isinstance(source, Remote) and not source.bucket:
        raise click.UsageError(f"{source} names no bucket: PROFILE:bucket/key")
    if isinstance(source, Pipe) and isinstance(target, Remote) and _is_folder(target):
        raise click.UsageError("what comes from standard input needs a whole key: PROFILE:bucket/key")
    if source == target:
        raise click.UsageError(f"{source} is source and target")


def _is_below(source: Place, target: Place) -> bool:
    return (
        isinstance(source, Remote)
        and isinstance(target, Remote)
        and (source.profile, source.bucket) == (target.profile, target.bucket)
        and target.folder.startswith(source.folder)
    )


def _is_folder(place: Place) -> bool:
    """Whether names go below this place."""
    if isinstance(place, Remote):
        return not place.key or place.key.endswith("/")
    return isinstance(place, LocalPath) and (place.path.endswith("/") or os.path.isdir(place.path))


def planned(
    session: Session,
    sources: tuple[Place, ...],
    target: Place,
    *,
    recursive: bool,
    resume: bool = False,
) -> Iterator[Transfer]:
    """What is copied where, one after the other; a source that is not there is a failure of its own."""
    is_many = len(sources) > 1
    taken: set[Place] = set()
    for source in sources:
        try:
            for transfer in _of_source(session, source, target, recursive, is_many, resume):
                said = _against(transfer, taken)
                if said is not None:
                    session.fail(InvalidArgumentError(said))
                    continue
                if is_many and not isinstance(target, Pipe):
                    taken.add(transfer.target)
                yield transfer
        except (CloudStoreError, OSError) as exc:
            session.fail(exc, source if is_many else None)


def _against(transfer: Transfer, taken: set[Place]) -> str | None:
    """What speaks against it: something would be lost."""
    if transfer.source == transfer.target:
        return f"{transfer.source} is source and target"
    if transfer.target in taken:
        return f"{transfer.target} is the target of another source, too"
    return None


def _of_source(
    session: Session, source: Place, target: Place, recursive: bool, is_many: bool, resume: bool
) -> Iterator[Transfer]:
    if isinstance(source, Remote) and has_pattern(session, source):
        yield from _of_pattern(session, source, target, recursive, resume)
    elif recursive and _is_local_file(source):
        yield Transfer(source, target_within(target, _name(source)), resume)
    elif recursive:
        yield Folder(source, target_within(target, _name(source)) if is_many else target)
    elif isinstance(source, LocalPath) and os.path.isdir(source.path):
        raise IsADirectoryError(
            errno.EISDIR, "is a folder: --recursive copies what is in it", source.path
        )
    elif isinstance(source, Remote) and _is_folder(source):
        raise ObjectNotFoundError(f"{source} is a folder: --recursive copies what is in it")
    elif not isinstance(target, Pipe) and (is_many or _is_folder(target)):
        yield Transfer(source, target_within(target, _name(source)), resume)
    else:
        yield Transfer(source, target, resume)


def _of_pattern(
    session: Session, source: Remote, target: Place, recursive: bool, resume: bool
) -> Iterator[Transfer]:
    above = literal_folder(source.key)
    found_one = False
    for found in matching(session, source):
        is_folder = isinstance(found, CommonPrefix)
        if is_folder and not recursive:
            continue
        found_one = True
        key = found.prefix if isinstance(found, CommonPrefix) else found.key
        try:
            to = _within(target, key.removeprefix(above).rstrip("/" if is_folder else ""))
        except InvalidKeyError as exc:
            session.fail(exc)
            continue
        kind = Folder if is_folder else Transfer
        yield kind(source.with_key(key), to, resume)
    if not found_one:
        raise ObjectNotFoundError(f"only folders match {source}: --recursive copies what is in them")


def _within(target: Place, name: str) -> Place:
    return target if isinstance(target, Pipe) else target_within(target, name)


def _is_local_file(place: Place) -> bool:
    return isinstance(place, LocalPath) and os.path.isfile(place.path)


def _name(place: Place) -> str:
    if isinstance(place, Remote):
        return place.name
    return os.path.basename(os.path.abspath(str(place)))


def transfer_all(
    session: Session,
    transfers: Iterator[Transfer],
    action: str,
    carry: Carry,
    carry_folder: CarryFolder,
    *,
    is_in_order: bool = False,
) -> None:
    """Carries out transfers, single ones several at a time; tells what was done and what failed.

    Args:
        action: the word for it.
        carry, carry_folder: do it for one.
        is_in_order: one after the other, as standard output needs it.
    """
    folders: list[Folder] = []
    with session.progress(action) as bar:
        singles = _without_folders(transfers, folders)
        if session.dry_run:
            for transfer in singles:
                _report(session, action, transfer, None)
        else:
            at_once = 1 if is_in_order else AT_ONCE
            done = side_by_side(
                lambda each, stopped: carry(session, each, bar, stopped), singles, at_once
            )
            for transfer, copied, error in done:
                if error is not None:
                    session.fail(error, transfer.source)
                elif copied is not None:
                    _report(session, action, transfer, copied.size)
        for folder in folders:
            try:
                carry_folder(session, folder, bar)
            except (CloudStoreError, OSError) as exc:
                session.fail(exc, folder.source)


def _without_folders(transfers: Iterator[Transfer], folders: list[Folder]) -> Iterator[Transfer]:
    for transfer in transfers:
        if isinstance(transfer, Folder):
            folders.append(transfer)
        else:
            yield transfer


def _report(session: Session, action: str, transfer: Transfer, size: int | None) -> None:
    if isinstance(transfer.target, Pipe) and not session.dry_run:
        session.succeed(1)  # standard output is the object's
        return
    record = action_record(action, transfer.source, transfer.target, size=size)
    source, target = printable(str(transfer.source)), printable(str(transfer.target))
    session.report(record, f"{action} {source} -> {target}")
