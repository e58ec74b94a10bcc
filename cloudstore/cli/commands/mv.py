"""``cloudstore mv``: files and objects are moved; see `copying`."""

from __future__ import annotations

import click

from ..addresses import Pipe, Place
from ..copying import check_places, planned, transfer_all
from ..folders import move_folder
from ..parameters import (
    PLACE,
    dry_run_option,
    json_option,
    no_glob_option,
    quiet_option,
    recursive_option,
)
from ..session import Session
from ..transfers import move_one

__all__ = ["mv"]


@click.command()
@click.argument("sources", metavar="SOURCE...", type=PLACE, nargs=-1, required=True)
@click.argument("target", type=PLACE)
@recursive_option
@dry_run_option
@no_glob_option
@json_option
@quiet_option
@click.pass_obj
def mv(session: Session, sources: tuple[Place, ...], target: Place, recursive: bool) -> None:
    """Copy, then delete what was copied.

    A source is deleted after its own copy has succeeded, and only if it was not changed meanwhile.
    """
    if any(isinstance(place, Pipe) for place in (*sources, target)):
        raise click.UsageError("what goes through a pipe cannot be moved: use cp")
    check_places(sources, target, recursive=recursive, resume=False)
    transfers = planned(session, sources, target, recursive=recursive)
    transfer_all(session, transfers, "move", move_one, move_folder)
