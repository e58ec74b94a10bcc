"""``cloudstore uploads`` and ``cloudstore abort``: multipart uploads that nobody has completed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click

from ..addresses import Remote
from ..parameters import IN_BUCKET, dry_run_option, json_option, quiet_option
from ..quantities import human_time, parse_duration
from ..records import action_record, upload_record
from ..session import Session, printable

__all__ = ["abort", "uploads"]


@click.command()
@click.argument("address", type=IN_BUCKET)
@json_option
@click.pass_obj
def uploads(session: Session, address: Remote) -> None:
    """List multipart uploads under way.

    Of a bucket, or of the keys that begin so.
    """
    for upload in session.store_of(address).list_multipart_uploads(address.bucket, address.key):
        record = upload_record(address, upload)
        line = f"{human_time(upload.started_at)}  {upload.ref.upload_id}  {record['address']}"
        session.show(record, printable(line))


@click.command()
@click.argument("address", type=IN_BUCKET)
@click.option(
    "--older-than",
    type=parse_duration,
    metavar="DURATION",
    default="1d",
    show_default=True,
    help="That began longer ago: 12h, 7d, 0s.",
)
@dry_run_option
@json_option
@quiet_option
@click.pass_obj
def abort(session: Session, address: Remote, older_than: timedelta) -> None:
    """Abort old multipart uploads.

    Of a bucket, or of the keys that begin so. Parts that nobody comes back for cost money.
    """
    store = session.store_of(address)
    if session.dry_run:
        limit = datetime.now(UTC) - older_than
        found = store.list_multipart_uploads(address.bucket, address.key)
        refs = [each.ref for each in found if each.started_at is not None and each.started_at <= limit]
    else:
        refs = store.abort_stale_uploads(address.bucket, older_than, address.key)
    for ref in refs:
        place = address.with_key(ref.key)
        record = action_record("abort", None, place, upload_id=ref.upload_id)
        session.report(record, printable(f"abort {ref.upload_id} {place}"))
