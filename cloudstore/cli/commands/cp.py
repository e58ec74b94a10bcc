"""``cloudstore cp``: files and objects are copied; see `copying`."""

from __future__ import annotations

import sys

import click

from ..addresses import Pipe, Place
from ..copying import check_places, planned, transfer_all
from ..folders import copy_folder
from ..parameters import (
    PLACE,
    dry_run_option,
    json_option,
    no_glob_option,
    quiet_option,
    recursive_option,
)
from ..session import Session
from ..transfers import copy_one

__all__ = ["cp"]


@click.command()
@click.argument("sources", metavar="SOURCE...", type=PLACE, nargs=-1, required=True)
@click.argument("target", type=PLACE)
@recursive_option
@click.option("--resume", is_flag=True, help="Go on with a large file that was interrupted.")
@dry_run_option
@no_glob_option
@json_option
@quiet_option
@click.pass_obj
def cp(
    session: Session, sources: tuple[Place, ...], target: Place, recursive: bool, resume: bool
) -> None:
    """Copy files and objects.

    Up, down, within a store, and between stores; one of both is in a store.

    A target that ends with a slash, a bucket, and a folder that is there take names below them. With
    --recursive the files below SOURCE become files below TARGET. `-` is standard input or output.
    """
    if isinstance(target, Pipe) and sys.stdout.isatty():
        session.quiet = True  # a bar would be written into what is shown
    check_places(sources, target, recursive=recursive, resume=resume)
    transfers = planned(session, sources, target, recursive=recursive, resume=resume)
    is_in_order = isinstance(target, Pipe)
    transfer_all(session, transfers, "copy", copy_one, copy_folder, is_in_order=is_in_order)
