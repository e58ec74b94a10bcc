"""``cloudstore du``: how many objects, how many bytes."""

from __future__ import annotations

from collections.abc import Iterator

import click

from ...errors import CloudStoreError
from ...model import CommonPrefix
from ...object import Object
from ..addresses import Remote
from ..parameters import REMOTE, json_option, no_glob_option
from ..quantities import human_size
from ..selection import has_pattern, matching
from ..session import Session, printable

__all__ = ["du"]


@click.command()
@click.argument("addresses", metavar="ADDRESS...", type=REMOTE, nargs=-1, required=True)
@no_glob_option
@json_option
@click.pass_obj
def du(session: Session, addresses: tuple[Remote, ...]) -> None:
    """Count objects and their bytes.

    Of each bucket (PROFILE:), a bucket, a folder, or an object.
    """
    for place in addresses:
        try:
            for each in _places(session, place):
                _count(session, each)
        except CloudStoreError as exc:
            session.fail(exc)


def _places(session: Session, place: Remote) -> Iterator[Remote]:
    if not place.bucket:
        for bucket in session.store_of(place).get_all_buckets():
            yield Remote(place.profile, bucket.name)
    elif has_pattern(session, place):
        for entry in matching(session, place):
            yield place.with_key(entry.prefix if isinstance(entry, CommonPrefix) else entry.key)
    else:
        yield place


def _count(session: Session, place: Remote) -> None:
    objects = size = 0
    for found in _objects(session, place):
        objects += 1
        size += found.size
    record = {"type": "usage", "address": str(place), "objects": objects, "size": size}
    session.show(record, f"{human_size(size):>10}  {objects:>9} objects  {printable(str(place))}")
    session.succeed(1)


def _objects(session: Session, place: Remote) -> Iterator[Object]:
    """The object itself and all below: a prefix without a slash has names that only begin so, too."""
    for found in session.store_of(place).iter_objects(place.bucket, place.key):
        is_within = found.key == place.key or found.key.startswith(place.folder)  # type: ignore[union-attr]
        if isinstance(found, Object) and is_within:
            yield found
