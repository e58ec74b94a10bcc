"""That every client does what it is measured for: each call once, against what the server saw of it.

A benchmark of calls that fail, answer from a cache or leave the body unread would be a fast one.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.clients import CLIENTS, RAW
from benchmarks.parts import write_large
from benchmarks.processes import ClientError, ClientProcess, Counts, NullServer
from benchmarks.workload import LARGE_SIZE, LISTED_KEYS, SMALL_SIZE

__all__ = ["check", "check_calls", "missing"]

LEAST_ROW = 100
"""Bytes that a row of a listing has at least, with any vendor."""

LEAST = {
    "get": Counts(1, 0, SMALL_SIZE),
    "put": Counts(1, SMALL_SIZE, 0),
    "head": Counts(1, 0, 0),
    "page": Counts(1, 0, LISTED_KEYS * LEAST_ROW),
    "download": Counts(1, 0, LARGE_SIZE),
    "upload": Counts(1, LARGE_SIZE, 0),
}
"""What a server sees of each call, or more."""


def check(names: Sequence[str], server: NullServer, tls_server: NullServer, place: Path) -> list[str]:
    """What is wrong with the clients of a vendor, a sentence each."""
    contenders = CLIENTS[server.vendor]
    found = []
    for name in (*names, RAW):
        found += _check_blocking(name, server, place)
        if name != RAW:
            found += check_calls(
                name, "blocking", "calls", {}, tls_server, place, ("get", "put", "head")
            )
        if name != RAW and contenders[name].awaited:
            asked = {"tasks": 1}
            found += check_calls(name, "awaited", "tasks", asked, server, place, ("get", "put", "head"))
    return found


def _check_blocking(name: str, server: NullServer, place: Path) -> list[str]:
    source, target = place / "source", place / "target"
    write_large(source)
    found = check_calls(name, "blocking", "calls", {}, server, place, ("get", "put", "head", "page"))
    with ClientProcess(name, "blocking", server, place) as process:
        for what, path in (("download", target), ("upload", source)):
            before = server.counts()
            try:
                process.ask("transfer", what=what, path=str(path))
                if what == "download" and not process.ask("holds_large", path=str(path)):
                    found.append(f"{server.vendor}: {name}: {what}: the file is another")
            except ClientError as exc:
                found.append(f"{server.vendor}: {name}: {what}: {exc}")
            else:
                found += missing(name, what, server, before)
    target.unlink(missing_ok=True)
    return found


def check_calls(
    name: str,
    face: str,
    method: str,
    asked: dict[str, int],
    server: NullServer,
    place: Path,
    whats: Sequence[str],
) -> list[str]:
    """What is wrong with some calls of a client."""
    found = []
    with ClientProcess(name, face, server, place) as process:
        for what in whats:
            before = server.counts()
            try:
                process.ask(method, what=what, times=1, **asked)
            except ClientError as exc:
                found.append(f"{server.vendor}: {name}, {face}: {what}: {exc}")
            else:
                found += missing(name, what, server, before)
    return found


def missing(name: str, what: str, server: NullServer, before: Counts) -> list[str]:
    """What a server did not see of a call."""
    done, least = server.counts() - before, LEAST[what]
    if done.requests >= least.requests and done.received >= least.received and done.sent >= least.sent:
        return []
    return [f"{server.vendor}: {name}: {what}: the server saw {done}, not {least} or more"]
