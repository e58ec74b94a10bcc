"""``cloudstore cat``: objects to standard output."""

from __future__ import annotations

import click

from ...errors import CloudStoreError
from ..addresses import Pipe, Remote
from ..copying import planned
from ..parameters import OBJECT, no_glob_option
from ..progress import ProgressBar
from ..session import Session
from ..transfers import copy_one

__all__ = ["cat"]


@click.command()
@click.argument("addresses", metavar="ADDRESS...", type=OBJECT, nargs=-1, required=True)
@no_glob_option
@click.pass_obj
def cat(session: Session, addresses: tuple[Remote, ...]) -> None:
    """Write objects to standard output."""
    for transfer in planned(session, addresses, Pipe(), recursive=False):
        try:
            copy_one(session, transfer, ProgressBar("cat", shown=False))
            session.succeed(1)
        except CloudStoreError as exc:
            session.fail(exc)
