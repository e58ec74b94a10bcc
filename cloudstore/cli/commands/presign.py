"""``cloudstore presign``: URLs that work without keys."""

from __future__ import annotations

from datetime import timedelta

import click

from ..addresses import Remote
from ..parameters import OBJECT, json_option
from ..quantities import parse_duration
from ..session import Session

__all__ = ["presign"]


@click.command()
@click.argument("address", type=OBJECT)
@click.option(
    "--method",
    type=click.Choice(["GET", "PUT", "DELETE"], case_sensitive=False),
    default="GET",
    show_default=True,
    help="What the URL allows.",
)
@click.option(
    "--expires",
    type=parse_duration,
    metavar="DURATION",
    default="1h",
    show_default=True,
    help="For how long: 90s, 15m, 12h, 7d.",
)
@click.option("--content-type", help="Of an upload, which must then be of just this type.")
@json_option
@click.pass_obj
def presign(
    session: Session, address: Remote, method: str, expires: timedelta, content_type: str | None
) -> None:
    """Print a URL that works without keys.

    Anybody may use it until it expires: it is as good as a password. Headers that must be sent with
    it are told on standard error, and are in the JSON.
    """
    signed = session.store_of(address).presign(
        address.bucket, address.key, method.upper(), expires_in=expires, content_type=content_type
    )
    record = {
        "type": "presigned",
        "address": str(address),
        "method": signed.method,
        "url": signed.url,
        "headers": signed.headers,
        "expires_at": signed.expires_at,
    }
    session.show(record, signed.url)
    if not session.as_json:
        for name, value in signed.headers.items():
            session.note(f"to be sent with it: {name}: {value}")
