"""``cloudstore ls``: what buckets and folders hold."""

from __future__ import annotations

from collections.abc import Iterable

import click

from ...errors import ObjectNotFoundError
from ...model import CommonPrefix
from ...object import Object
from ..addresses import Remote
from ..parameters import REMOTE, json_option, no_glob_option, recursive_option
from ..quantities import human_time
from ..records import bucket_record, entry_line, entry_record
from ..selection import has_pattern, literal_folder, matching
from ..session import Session

__all__ = ["ls"]

Entries = Iterable[Object | CommonPrefix]


@click.command()
@click.argument("addresses", metavar="ADDRESS...", type=REMOTE, nargs=-1, required=True)
@click.option("--long", "-l", "is_long", is_flag=True, help="Sizes and times, too.")
@recursive_option
@no_glob_option
@json_option
@click.pass_obj
def ls(session: Session, addresses: tuple[Remote, ...], is_long: bool, recursive: bool) -> None:
    """List buckets, folders and objects.

    PROFILE: lists buckets.
    """
    for place in addresses:
        try:
            _list(session, place, is_long, recursive)
        except ObjectNotFoundError as exc:
            session.fail(exc)


def _list(session: Session, place: Remote, is_long: bool, recursive: bool) -> None:
    if not place.bucket:
        _list_buckets(session, place, is_long)
    elif has_pattern(session, place):
        for entry in matching(session, place):
            if recursive and isinstance(entry, CommonPrefix):
                below = session.store_of(place).iter_objects(place.bucket, entry.prefix)
                _show(session, place, below, literal_folder(place.key), is_long)
            else:
                _show(session, place, [entry], literal_folder(place.key), is_long)
    else:
        _list_folder(session, place, is_long, recursive)


def _list_buckets(session: Session, place: Remote, is_long: bool) -> None:
    for bucket in session.store_of(place).get_all_buckets():
        when = f"{human_time(bucket.created_at)}  " if is_long else ""
        session.show(bucket_record(place, bucket), f"{when}{place.profile}:{bucket.name}")
        session.succeed(1)


def _list_folder(session: Session, place: Remote, is_long: bool, recursive: bool) -> None:
    """What is in the folder; and the object of that name, for both may be there."""
    store = session.store_of(place)
    found = False
    if place.key and not place.key.endswith("/") and store.object_exists(place.bucket, place.key):
        one = store.head_object(place.bucket, place.key)
        _show(session, place, [one], place.key[: -len(place.name)], is_long)
        found = True
    for entry in store.iter_objects(place.bucket, place.folder, "" if recursive else "/"):
        found = True
        _show(session, place, [entry], place.folder, is_long)
    if place.key and not found:
        raise ObjectNotFoundError(f"there is no object or folder {place}")
    session.succeed(1)


def _show(session: Session, place: Remote, entries: Entries, above: str, is_long: bool) -> None:
    for entry in entries:
        key = entry.prefix if isinstance(entry, CommonPrefix) else entry.key
        name = key.removeprefix(above) or "./"  # an object that stands for the folder itself
        session.show(entry_record(place, entry), entry_line(entry, name, is_long=is_long))
        session.succeed(1)
