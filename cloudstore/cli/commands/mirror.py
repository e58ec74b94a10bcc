"""``cloudstore mirror``: what is below one place becomes like what is below another, of any store."""

from __future__ import annotations

from typing import Any

import click

from ...errors import PartialFailureError
from ...transfer.sync_plan import SyncSummary
from ..addresses import Place, Remote
from ..parameters import PLACE, dry_run_option, json_option, quiet_option
from ..session import Session
from ..summaries import as_the_library_says, comparing_options, say_summary

__all__ = ["mirror"]


@click.command()
@click.argument("source", type=PLACE)
@click.argument("target", type=PLACE)
@comparing_options
@dry_run_option
@json_option
@quiet_option
@click.pass_obj
def mirror(session: Session, /, source: Place, target: Place, **options: Any) -> None:
    """Make what is below TARGET like what is below SOURCE, by what differs.

    Both are PROFILE:bucket or PROFILE:bucket/folder. Within one profile the vendor copies.
    """
    if not isinstance(source, Remote) or not isinstance(target, Remote):
        raise click.UsageError("both are in stores; with a folder here there is `cloudstore sync`")
    for place in (source, target):
        if not place.bucket:
            raise click.UsageError(f"{place} names no bucket: PROFILE:bucket/folder")
    summary = _mirror(session, source, target, **as_the_library_says(options))
    for path, error in summary.failures.items():
        session.fail(error, path)
    say_summary(session, source, target, summary)


def _mirror(session: Session, source: Remote, target: Remote, **options: Any) -> SyncSummary:
    ours = session.store_of(source).bucket(source.bucket, prefix=source.folder)
    theirs = session.store_of(target).bucket(target.bucket, prefix=target.folder)
    with session.progress("mirror") as bar:
        try:
            summary: SyncSummary = ours.mirror_to(
                theirs, dry_run=session.dry_run, progress=bar.job, **options
            )
        except PartialFailureError as exc:
            summary = exc.summary
    return summary
