"""The commands, a file each; what belongs together is in one. `COMMANDS` is all of them."""

from __future__ import annotations

import click

from .buckets import mb, rb
from .cat import cat
from .check import check
from .cp import cp
from .du import du
from .find import find
from .ls import ls
from .mirror import mirror
from .mv import mv
from .presign import presign
from .rm import rm
from .stat import stat
from .sync import sync
from .uploads import abort, uploads

__all__ = ["COMMANDS"]

COMMANDS: tuple[click.Command, ...] = (
    ls,
    cat,
    cp,
    mv,
    rm,
    mb,
    rb,
    stat,
    presign,
    sync,
    mirror,
    du,
    find,
    uploads,
    abort,
    check,
)
"""In the order of the help."""
