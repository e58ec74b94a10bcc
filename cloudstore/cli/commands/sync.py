"""``cloudstore sync``: a folder here and one in a store become alike."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import click

from ...errors import PartialFailureError
from ...transfer.sync_plan import Act, SyncAction, SyncSummary
from ..addresses import LocalPath, Place, Remote
from ..parameters import PLACE, dry_run_option, json_option, quiet_option
from ..quantities import human_size
from ..records import action_record
from ..session import Session, printable
from ..transfers import target_within

__all__ = ["sync"]

COUNTED = tuple(f.name for f in fields(SyncSummary) if f.name not in ("failures", "actions"))


@click.command()
@click.argument("source", type=PLACE)
@click.argument("target", type=PLACE)
@click.option("--delete", is_flag=True, help="Delete of TARGET what SOURCE has not.")
@click.option("--checksum", is_flag=True, help="Compare checksums, not sizes and times.")
@click.option("--overwrite-newer", is_flag=True, help="Overwrite what is newer in TARGET, too.")
@click.option(
    "--ignore",
    metavar="PATTERN",
    multiple=True,
    help="Leave out names, or paths where it has a slash; may be given again.",
)
@click.option("--include-hidden", is_flag=True, help="Names that begin with a dot, too.")
@dry_run_option
@json_option
@quiet_option
@click.pass_obj
def sync(session: Session, /, source: Place, target: Place, **options: Any) -> None:
    """Make TARGET like SOURCE, by what differs.

    One is a folder of this machine, the other one is in a store. Only what differs is sent.
    """
    if isinstance(source, LocalPath) and isinstance(target, Remote):
        remote, local, direction = target, source, "up"
    elif isinstance(source, Remote) and isinstance(target, LocalPath):
        remote, local, direction = source, target, "down"
    else:
        raise click.UsageError("one of both is a local folder, the other one is PROFILE:bucket/folder")
    if not remote.bucket:
        raise click.UsageError(f"{remote} names no bucket: PROFILE:bucket/folder")
    summary = _sync(session, remote, local, direction=direction, **_as_the_library_says(options))
    for path, error in summary.failures.items():
        session.fail(error, path)
    _say(session, source, target, summary)


def _as_the_library_says(options: dict[str, Any]) -> dict[str, Any]:
    compare = "checksum" if options.pop("checksum") else "size+mtime"
    return {**options, "compare": compare}


def _sync(session: Session, remote: Remote, local: LocalPath, **options: Any) -> SyncSummary:
    with session.progress("sync") as bar:
        try:
            summary: SyncSummary = session.store_of(remote).sync_folder(
                remote.bucket,
                local.path,
                remote.folder,
                dry_run=session.dry_run,
                progress=bar.job,
                **options,
            )
        except PartialFailureError as exc:
            summary = exc.summary
    return summary


def _say(session: Session, source: Place, target: Place, summary: SyncSummary) -> None:
    for action in summary.actions:
        _say_action(session, source, target, action)
    counts = {name: getattr(summary, name) for name in COUNTED}
    changed = summary.uploaded + summary.downloaded
    done = [f"{changed} {'uploaded' if isinstance(target, Remote) else 'downloaded'}"]
    done += [
        f"{counts[name]} {name}" for name in ("deleted", "older", "ignored", "failed") if counts[name]
    ]
    text = f"{', '.join(done)}, {summary.duplicate} alike; {human_size(summary.bytes)} sent"
    if changed or summary.deleted or summary.duplicate or not summary.failures:
        session.report(
            action_record("sync", source, target, **counts), f"sync {source} -> {target}: {text}"
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
