"""``cloudstore sync``: a folder here and one in a store become alike."""

from __future__ import annotations

from typing import Any

import click

from ...errors import PartialFailureError
from ...transfer.sync_plan import SyncSummary
from ..addresses import LocalPath, Place, Remote
from ..parameters import PLACE, dry_run_option, json_option, quiet_option
from ..session import Session
from ..summaries import as_the_library_says, comparing_options, say_summary

__all__ = ["sync"]


@click.command()
@click.argument("source", type=PLACE)
@click.argument("target", type=PLACE)
@comparing_options
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
        raise click.UsageError(
            "one of both is a local folder, the other one is PROFILE:bucket/folder; between two "
            "stores there is `cloudstore mirror`"
        )
    if not remote.bucket:
        raise click.UsageError(f"{remote} names no bucket: PROFILE:bucket/folder")
    summary = _sync(session, remote, local, direction=direction, **as_the_library_says(options))
    for path, error in summary.failures.items():
        session.fail(error, path)
    say_summary(session, source, target, summary)


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
