"""``cloudstore stat``: all that a vendor says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import click

from ...errors import CloudStoreError
from ...model import CommonPrefix
from ..addresses import Remote
from ..parameters import IN_BUCKET, json_option, no_glob_option
from ..quantities import human_size
from ..records import bucket_record, stat_record
from ..selection import has_pattern, matching
from ..session import Session, printable

__all__ = ["stat"]


@click.command()
@click.argument("addresses", metavar="ADDRESS...", type=IN_BUCKET, nargs=-1, required=True)
@no_glob_option
@json_option
@click.pass_obj
def stat(session: Session, addresses: tuple[Remote, ...]) -> None:
    """Show all about objects and buckets."""
    is_first = True
    for place in addresses:
        try:
            for record in _records(session, place):
                session.show(record, ("" if is_first else "\n") + _lines(record))
                session.succeed(1)
                is_first = False
        except CloudStoreError as exc:
            session.fail(exc)


def _records(session: Session, place: Remote) -> Iterator[dict[str, Any]]:
    store = session.store_of(place)
    if not place.key:
        yield bucket_record(place, store.get_bucket(place.bucket))
    elif has_pattern(session, place):
        for entry in matching(session, place):
            if not isinstance(entry, CommonPrefix):
                yield stat_record(place, store.head_object(place.bucket, entry.key))
    else:
        yield stat_record(place, store.head_object(place.bucket, place.key))


def _lines(record: Mapping[str, Any]) -> str:
    shown = {
        name: value for name, value in record.items() if value not in (None, {}) and name != "type"
    }
    return "\n".join(
        f"{name + ':':<21}{line}" for name, value in shown.items() for line in _texts(name, value)
    )


def _texts(name: str, value: Any) -> list[str]:
    if isinstance(value, Mapping):
        return [printable(f"{key} = {text}") for key, text in value.items()]
    if isinstance(value, datetime):
        return [value.isoformat()]
    if name == "size":
        return [f"{value} ({human_size(value)})"]
    return [printable(str(value))]
