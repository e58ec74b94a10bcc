"""``cloudstore mb`` and ``cloudstore rb``: buckets are made and removed."""

from __future__ import annotations

import click

from ...errors import BucketAlreadyExistsError, BucketNotEmptyError, CloudStoreError
from ..addresses import Remote
from ..parameters import BUCKET, dry_run_option, json_option, quiet_option
from ..records import action_record
from ..session import Session

__all__ = ["mb", "rb"]


@click.command()
@click.argument("addresses", metavar="ADDRESS...", type=BUCKET, nargs=-1, required=True)
@dry_run_option
@json_option
@quiet_option
@click.pass_obj
def mb(session: Session, addresses: tuple[Remote, ...]) -> None:
    """Make buckets."""
    for place in addresses:
        try:
            _make(session, place)
        except CloudStoreError as exc:
            session.fail(exc)


def _make(session: Session, place: Remote) -> None:
    store = session.store_of(place)
    if not session.dry_run:
        store.create_bucket(place.bucket)
    elif store.bucket_exists(place.bucket):
        raise BucketAlreadyExistsError(f"{place} is there already")
    session.report(action_record("make_bucket", None, place), f"make bucket {place}")


@click.command()
@click.argument("addresses", metavar="ADDRESS...", type=BUCKET, nargs=-1, required=True)
@click.option("--force", is_flag=True, help="Delete all that is in it first.")
@dry_run_option
@json_option
@quiet_option
@click.pass_obj
def rb(session: Session, addresses: tuple[Remote, ...], force: bool) -> None:
    """Remove buckets. One that holds objects is refused without --force."""
    for place in addresses:
        try:
            _remove(session, place, force)
        except CloudStoreError as exc:
            session.fail(exc)


def _remove(session: Session, place: Remote, force: bool) -> None:
    store = session.store_of(place)
    if not session.dry_run:
        store.delete_bucket(place.bucket, force=force)
    elif store.get_all_objects(place.bucket, max_keys=1) and not force:
        raise BucketNotEmptyError(f"{place} holds objects: --force deletes them, too")
    session.report(action_record("remove_bucket", None, place), f"remove bucket {place}")
