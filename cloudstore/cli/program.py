"""The program: its commands, and what its end means. 0: all is done; 1: it failed; 2: it was called
wrongly; 3: some of many failed; 130: Ctrl-C; 141: nobody reads what it prints."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import click

from .. import __version__
from ..errors import CloudStoreError
from . import INTERRUPTED
from .commands import COMMANDS
from .session import ClosedPipeError, Session

__all__ = ["program", "run"]

CLOSED_PIPE = 141
"""As shells say of what SIGPIPE has ended."""


class _Program(click.Group):
    """A group whose commands are listed in the order in which they were added."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """See `click.Group`."""
        return list(self.commands)


@click.group(
    cls=_Program,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="PROFILE:bucket/key is in the store of a profile of cloudstore.toml; anything else is a "
    "path of this machine, ./a:b too. Keys may have patterns, in quotes: 'media:photos/**/*.jpg'.",
)
@click.version_option(__version__, prog_name="cloudstore")
def program() -> None:
    """Every object store, by one set of commands."""


for _command in COMMANDS:
    program.add_command(_command)


def run(arguments: Sequence[str] | None = None) -> int:
    """Runs a command line; returns the exit code."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    session = Session()
    try:
        with session:
            ended: Any = program.main(
                args=arguments, prog_name="cloudstore", standalone_mode=False, obj=session
            )
        return ended if isinstance(ended, int) and ended else session.exit_code
    except click.ClickException as exc:
        exc.show()
        return exc.exit_code
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except ClosedPipeError:
        return CLOSED_PIPE
    except Exception as exc:  # the last line: no traceback reaches a user
        if not isinstance(exc, CloudStoreError | OSError):
            session.note("this is a mistake of the program:")
        session.fail(exc)
        return session.exit_code
