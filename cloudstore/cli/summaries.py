"""What ``sync`` and ``mirror`` share: how two sides are compared, and what is said of the summary."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any, TypeVar

import click

from ..transfer.sync_plan import Act, SyncAction, SyncSummary
from .addresses import Place, Remote
from .quantities import human_size
from .records import action_record
from .session import Session, printable
from .transfers import target_within

__all__ = ["as_the_library_says", "comparing_options", "say_summary"]

F = TypeVar("F", bound=Callable[..., Any])
COUNTED = tuple(f.name for f in fields(SyncSummary) if f.name not in ("failures", "actions"))
_OPTIONS = (
    click.option("--delete", is_flag=True, help="Delete of TARGET what SOURCE has not."),
    click.option("--checksum", is_flag=True, help="Compare checksums, not sizes and times."),
    click.option("--overwrite-newer", is_flag=True, help="Overwrite what is newer in TARGET, too."),
    click.option(
        "--ignore",
        metavar="PATTERN",
        multiple=True,
        help="Leave out names, or paths where it has a slash; may be given again.",
    ),
)


def comparing_options(command: F) -> F:
    """Adds the options."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def as_the_library_says(options: dict[str, Any]) -> dict[str, Any]:
    """The options by the names of the library's verbs."""
    compare = "checksum" if options.pop("checksum") else "size+mtime"
    return {**options, "compare": compare}


def _moved(source: Place, target: Place) -> str:
    if isinstance(source, Remote) and isinstance(target, Remote):
        return "copied"
    return "uploaded" if isinstance(target, Remote) else "downloaded"


def say_summary(session: Session, source: Place, target: Place, summary: SyncSummary) -> None:
    """Says what was done, or in a dry run would be."""
    for action in summary.actions:
        _say_action(session, source, target, action)
    counts = {name: getattr(summary, name) for name in COUNTED}
    changed = summary.uploaded + summary.downloaded + summary.copied
    done = [f"{changed} {_moved(source, target)}"]
    done += [
        f"{counts[name]} {name}" for name in ("deleted", "older", "ignored", "failed") if counts[name]
    ]
    text = f"{', '.join(done)}, {summary.duplicate} alike; {human_size(summary.bytes)} sent"
    verb = "mirror" if isinstance(source, Remote) and isinstance(target, Remote) else "sync"
    if changed or summary.deleted or summary.duplicate or not summary.failures:
        session.report(
            action_record(verb, source, target, **counts),
            printable(f"{verb} {source} -> {target}: {text}"),
        )


def _say_action(session: Session, source: Place, target: Place, action: SyncAction) -> None:
    to = _below(target, action.path)
    if action.act is Act.DELETE:
        record, text = action_record("delete", None, to, size=action.size), f"delete {to}"
    else:
        came = _below(source, action.path)
        record = action_record(action.act.value, came, to, size=action.size)
        text = f"{action.act.value} {came} -> {to} ({human_size(action.size)})"
    session.report(record, printable(text))


def _below(folder: Place, path: str) -> Place:
    return target_within(folder, path)
