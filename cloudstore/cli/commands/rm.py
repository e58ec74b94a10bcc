"""``cloudstore rm``: objects are deleted, many by batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

import click

from ...errors import CloudStoreError, ObjectNotFoundError, PartialFailureError
from ...model import CommonPrefix
from ...object import Object
from ..addresses import Remote
from ..parameters import (
    IN_BUCKET,
    dry_run_option,
    json_option,
    no_glob_option,
    quiet_option,
    recursive_option,
)
from ..records import action_record
from ..selection import has_pattern, matching
from ..session import Session, printable

__all__ = ["rm"]

AT_ONCE = 1000


@click.command()
@click.argument("addresses", metavar="ADDRESS...", type=IN_BUCKET, nargs=-1, required=True)
@recursive_option
@dry_run_option
@no_glob_option
@json_option
@quiet_option
@click.pass_obj
def rm(session: Session, addresses: tuple[Remote, ...], recursive: bool) -> None:
    """Delete objects.

    With --recursive all that is below a folder or in a bucket. A folder is what ends with a slash:
    `media:pics` with --recursive is `media:pics/`, and never `media:pics2`. An object that is not
    there is a failure.
    """
    for place in addresses:
        if not recursive and place.folder == place.key:
            raise click.UsageError(f"{place} is a folder: --recursive deletes what is in it")
    for place in addresses:
        try:
            _remove(session, place, recursive)
        except CloudStoreError as exc:
            session.fail(exc)


def _remove(session: Session, place: Remote, recursive: bool) -> None:
    if has_pattern(session, place):
        _remove_all(session, place, _matching_keys(session, place, recursive))
    elif recursive:
        _remove_all(session, place, _keys_below(session, place))
    else:
        store = session.store_of(place)
        if not session.dry_run:
            store.delete_object(place.bucket, place.key, missing_ok=False)
        elif not store.object_exists(place.bucket, place.key):
            raise ObjectNotFoundError(f"there is no {place}")
        _report(session, place)


def _matching_keys(session: Session, place: Remote, recursive: bool) -> Iterator[str]:
    found_one = False
    for entry in matching(session, place):
        if isinstance(entry, Object):
            found_one = True
            yield entry.key
        elif recursive:
            found_one = True
            yield from _keys_below(session, place.with_key(entry.prefix))
    if not found_one:
        raise ObjectNotFoundError(f"only folders match {place}: --recursive deletes what is in them")


def _keys_below(session: Session, place: Remote) -> Iterator[str]:
    """All below the folder, and the object of its own name."""
    store = session.store_of(place)
    is_empty = True
    if place.key != place.folder and store.object_exists(place.bucket, place.key):
        is_empty = False
        yield place.key
    for found in store.iter_objects(place.bucket, place.folder):
        assert not isinstance(found, CommonPrefix)
        is_empty = False
        yield found.key
    if is_empty and place.key:
        raise ObjectNotFoundError(f"there is nothing at or below {place}")


def _remove_all(session: Session, place: Remote, keys: Iterator[str]) -> None:
    while some := list(islice(keys, AT_ONCE)):
        failed = {} if session.dry_run else _delete(session, place, some)
        for key in some:
            if key in failed:
                session.fail(failed[key], place.with_key(key))
            else:
                _report(session, place.with_key(key))


def _delete(session: Session, place: Remote, keys: Iterable[str]) -> dict[str, CloudStoreError]:
    try:
        session.store_of(place).delete_objects(place.bucket, keys)
    except PartialFailureError as exc:
        return exc.results
    return {}


def _report(session: Session, place: Remote) -> None:
    session.report(action_record("delete", None, place), f"delete {printable(str(place))}")
