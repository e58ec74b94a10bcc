"""``cloudstore find``: objects by name, size and age."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase

import click

from ...object import Object
from ..addresses import Remote
from ..parameters import IN_BUCKET, json_option
from ..quantities import parse_moment, parse_size
from ..records import entry_record
from ..session import Session, printable

__all__ = ["find"]


@dataclass(frozen=True)
class _Wanted:
    """What is looked for; None is anything."""

    name: str | None
    larger: int | None
    smaller: int | None
    newer: datetime | None
    older: datetime | None

    def has(self, found: Object) -> bool:
        """Whether an object is among it. One whose time is not known is neither newer nor older."""
        modified = found.last_modified
        return (
            (self.name is None or fnmatchcase(found.short_name, self.name))
            and (self.larger is None or found.size > self.larger)
            and (self.smaller is None or found.size < self.smaller)
            and (self.newer is None or (modified is not None and modified > self.newer))
            and (self.older is None or (modified is not None and modified < self.older))
        )


@click.command()
@click.argument("address", type=IN_BUCKET)
@click.option("--name", metavar="GLOB", help="Whose last part matches.")
@click.option("--larger", type=parse_size, metavar="SIZE", help="Than so many bytes; 10K, 1.5M.")
@click.option("--smaller", type=parse_size, metavar="SIZE")
@click.option(
    "--newer", type=parse_moment, metavar="WHEN", help="Than so long ago (7d, 12h), or than a date."
)
@click.option("--older", type=parse_moment, metavar="WHEN")
@json_option
@click.pass_obj
def find(
    session: Session,
    address: Remote,
    name: str | None,
    larger: int | None,
    smaller: int | None,
    newer: datetime | None,
    older: datetime | None,
) -> None:
    """Find objects by name, size and age.

    Prints the addresses of those in a bucket or folder for which all of this holds.
    """
    wanted = _Wanted(name, larger, smaller, newer, older)
    for found in session.store_of(address).iter_objects(address.bucket, address.folder):
        if isinstance(found, Object) and wanted.has(found):
            session.show(entry_record(address, found), printable(str(address.with_key(found.key))))
