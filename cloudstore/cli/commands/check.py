"""``cloudstore check``: whether a profile works, and what is wrong where it does not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import click

from ...errors import CloudStoreError, ErrorKind
from ...profiles import load_profile
from ...store import Store
from ..addresses import Remote
from ..parameters import PROFILE_OR_BUCKET, json_option
from ..session import Session, message_of, printable

__all__ = ["check"]

_ADVICE: Mapping[ErrorKind, str] = MappingProxyType(
    {
        ErrorKind.CONFIG: "mend the profile; docs/guide/profiles.md says what it may hold",
        ErrorKind.MISSING_DEPENDENCY: "install the extra that is named",
        ErrorKind.AUTHENTICATION: "check access_key and secret_key, and that they are of this endpoint "
        "and region; then this machine's clock",
        ErrorKind.PERMISSION_DENIED: "the keys are good and may not do this: have it allowed, or name "
        "a bucket that they may use: cloudstore check PROFILE:bucket",
        ErrorKind.BUCKET_NOT_FOUND: "check its name, the region and the account; or make it: `mb`",
        ErrorKind.TRANSPORT: "check endpoint, network, proxy, and the certificate (ca_file, verify)",
        ErrorKind.DEADLINE_EXCEEDED: "nobody answers: check endpoint, network and proxy",
        ErrorKind.UNAVAILABLE: "the vendor cannot serve now: try again later",
        ErrorKind.RATE_LIMITED: "the vendor asks for a slower pace: try again later",
        ErrorKind.UNSUPPORTED: "name a bucket: cloudstore check PROFILE:bucket",
        ErrorKind.UNEXPECTED_RESPONSE: "what answers there is not this vendor: check the endpoint",
    }
)


@click.command()
@click.argument("address", metavar="PROFILE:[bucket]", type=PROFILE_OR_BUCKET)
@json_option
@click.pass_obj
def check(session: Session, address: Remote) -> None:
    """See whether a profile works.

    Signs in, looks at its buckets or at one, and says what the store can do. Nothing is written.
    Where something is wrong, it says what to do.
    """
    checks: list[tuple[str, Callable[[], str]]] = [
        ("profile", lambda: _profile(address)),
        ("store", lambda: repr(session.store_of(address))[8:-1]),
    ]
    if address.bucket:
        checks += [
            ("bucket", lambda: _look_at_bucket(session.store_of(address), address.bucket)),
            ("listing", lambda: _look_at_keys(session.store_of(address), address.bucket)),
        ]
    else:
        checks.append(("buckets", lambda: _look_at_buckets(session.store_of(address))))
    if all(_holds(session, name, work) for name, work in checks):
        _show_capabilities(session, session.store_of(address))


def _holds(session: Session, name: str, work: Callable[[], str]) -> bool:
    record: dict[str, Any] = {"type": "check", "check": name}
    try:
        found = work()
    except (CloudStoreError, OSError) as exc:
        advice = _ADVICE.get(exc.kind) if isinstance(exc, CloudStoreError) else None
        session.fail(exc)
        said = message_of(exc)
        text = f"wrong  {name}" + (f": {advice}" if advice else "")
        session.show({**record, "ok": False, "error": said, "advice": advice}, text)
        return False
    session.show({**record, "ok": True, "found": found}, f"ok     {name}: {printable(found)}")
    return True


def _profile(address: Remote) -> str:
    found = load_profile(address.profile)
    return f"{address.profile} of {found.path}, provider {found.options['provider']}"


def _look_at_buckets(store: Store) -> str:
    store.require("list_buckets")
    return f"signed in; {len(store.get_all_buckets())} buckets"


def _look_at_bucket(store: Store, name: str) -> str:
    found = store.get_bucket(name)
    return f"signed in; {found.name} is there" + (f", in {found.region}" if found.region else "")


def _look_at_keys(store: Store, name: str) -> str:
    found = store.get_all_objects(name, max_keys=1)
    return "it holds objects" if found else "it is empty"


def _show_capabilities(session: Session, store: Store) -> None:
    known = store.capabilities.all_names()
    has = [name for name in known if getattr(store.capabilities, name)]
    lacks = [name for name in known if name not in has]
    record = {"type": "capabilities", "supported": has, "unsupported": lacks}
    session.show(record, f"can    {', '.join(has)}\nlacks  {', '.join(lacks)}")
