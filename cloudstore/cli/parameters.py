"""What commands have in common on the command line: the kinds of addresses, with their completion, and
the options that mean the same everywhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem

from ..errors import CloudStoreError
from .addresses import LocalPath, Pipe, Place, Remote, parse_address
from .completion import completed
from .session import Session

__all__ = [
    "BUCKET",
    "IN_BUCKET",
    "OBJECT",
    "PLACE",
    "PROFILE_OR_BUCKET",
    "REMOTE",
    "dry_run_option",
    "json_option",
    "no_glob_option",
    "quiet_option",
    "recursive_option",
]

F = TypeVar("F", bound=Callable[..., Any])
if TYPE_CHECKING:
    ParamType = click.ParamType[Place]
else:
    ParamType = click.ParamType  # which older releases of click do not have as a generic
COMPLETED_KEYS = 200
"""More than that nobody reads, and a completion must be quick."""


class _PlaceType(ParamType):
    """An address of any kind."""

    name = "address"
    _takes_files = True

    def convert(self, value: Any, param: Any, ctx: Any) -> Place:
        """See `click.ParamType`."""
        return value if isinstance(value, Remote | LocalPath | Pipe) else parse_address(value)

    def shell_complete(self, ctx: Any, param: Any, incomplete: str) -> list[CompletionItem]:
        """See `click.ParamType`."""
        try:
            found = completed(incomplete, COMPLETED_KEYS)
        except (CloudStoreError, OSError, click.UsageError):
            found = []  # no profile file, or nobody there: no reason to disturb the prompt
        items = [CompletionItem(text) for text in found]
        if self._takes_files and ":" not in incomplete.partition("/")[0]:
            items.append(CompletionItem(incomplete, type="file"))
        return items


class _RemoteType(_PlaceType):
    """An address in a store.

    Args:
        wanted: what it must name.
    """

    _takes_files = False

    def __init__(self, wanted: str) -> None:
        self._wanted = wanted

    def convert(self, value: Any, param: Any, ctx: Any) -> Place:
        """See `click.ParamType`; refuses what does not name enough, or too much."""
        place = super().convert(value, param, ctx)
        if not isinstance(place, Remote):
            self.fail(
                f"{value} is a local path; what is in a store is PROFILE:{self._wanted}", param, ctx
            )
        if self._wanted.startswith("bucket") and not place.bucket:
            self.fail(f"{value} names no bucket: PROFILE:{self._wanted}", param, ctx)
        if self._wanted == "bucket/key" and not place.key:
            self.fail(f"{value} names no key: PROFILE:{self._wanted}", param, ctx)
        if self._wanted in ("bucket", "[bucket]") and place.key:
            self.fail(f"{value} names a key, not a bucket: PROFILE:{self._wanted}", param, ctx)
        return place


PLACE = _PlaceType()
REMOTE = _RemoteType("[bucket[/key]]")
IN_BUCKET = _RemoteType("bucket[/key]")
OBJECT = _RemoteType("bucket/key")
BUCKET = _RemoteType("bucket")
PROFILE_OR_BUCKET = _RemoteType("[bucket]")


def _set_on_session(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    session = ctx.find_object(Session)
    if session is not None and param.name is not None:
        setattr(session, param.name, value)


def json_option(command: F) -> F:
    """``--json`` of what prints."""
    return _flag(command, "--json", "as_json", what="Print one JSON object a line.")


def quiet_option(command: F) -> F:
    """``--quiet`` of what does something."""
    return _flag(command, "--quiet", "-q", "quiet", what="Print errors only; show no progress.")


def dry_run_option(command: F) -> F:
    """``--dry-run`` of what writes."""
    return _flag(command, "--dry-run", "-n", "dry_run", what="Only say what would be done.")


def no_glob_option(command: F) -> F:
    """``--no-glob`` of what knows patterns."""
    return _flag(command, "--no-glob", "no_glob", what="Take *, ? and [ in a key as they are.")


def recursive_option(command: F) -> F:
    """``--recursive`` of what may go on below; it is an argument of the command."""
    return click.option("--recursive", "-r", is_flag=True, help="All keys or files below.")(command)


def _flag(command: F, *names: str, what: str) -> F:
    """A flag that is no argument of the command, but an attribute of its session."""
    option = click.option(*names, is_flag=True, expose_value=False, callback=_set_on_session, help=what)
    return option(command)
