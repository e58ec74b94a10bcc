"""cloudstore and other libraries side by side, in one run: the entry of `make bench`.

``python -m benchmarks --help`` lists what can be chosen. Before anything is measured, every client is
checked to do what it is measured for. A line with a bar says whether it is met; the run ends with
status 0 all the same, for it measures and does not test. What it found goes to a file of JSON; a whole
run renews docs/benchmarks.md as well, which benchmarks/page.py makes of that file.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from itertools import chain
from pathlib import Path

from benchmarks import embedded, page
from benchmarks.certificates import make_certificate
from benchmarks.checks import check
from benchmarks.clients import CLIENTS, RAW, SUBJECT, VENDORS
from benchmarks.contest import Plan
from benchmarks.found import Found
from benchmarks.measuring import ROOT, default_folder, folder, machine
from benchmarks.parts import PARTS, Book, Run
from benchmarks.processes import NullServer
from benchmarks.show import as_text
from cloudstore import __version__

FULL = Plan(
    sittings=3,
    rounds=5,
    seconds=0.1,
    thread_rounds=2,
    thread_seconds=0.25,
    transfers=2,
    starts=4,
)
QUICK = Plan(
    sittings=1,
    rounds=3,
    seconds=0.05,
    thread_rounds=1,
    thread_seconds=0.15,
    transfers=1,
    starts=3,
)

SUBJECTS = (*VENDORS, embedded.SUBJECT)
EVERY_CLIENT = tuple(dict.fromkeys(chain.from_iterable(CLIENTS.values())))
RESULTS = ROOT / "build" / "benchmarks.json"


class Session:
    """The servers of a run, and a folder for it."""

    def __init__(self, chosen: argparse.Namespace, plan: Plan) -> None:
        self.chosen = chosen
        self.plan = plan
        self.book = Book()
        self._stack = ExitStack()

    def __enter__(self) -> Session:
        self.place = self._stack.enter_context(folder(self.chosen.folder))
        certificate, ca_file = make_certificate(self.place)
        self.servers = {
            vendor: (
                self._stack.enter_context(NullServer(vendor)),
                self._stack.enter_context(NullServer(vendor, certificate, ca_file)),
            )
            for vendor in self.chosen.vendors
            if vendor in VENDORS
        }
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def names(self, vendor: str) -> list[str]:
        """The clients of a vendor that were asked for."""
        return [name for name in CLIENTS[vendor] if name in self.chosen.clients]

    def faults(self) -> list[str]:
        """What clients leave undone."""
        return [
            fault
            for vendor, servers in self.servers.items()
            for fault in check(self.names(vendor), *servers, self.place)
        ]

    def measure(self) -> None:
        """All parts, as often as is planned."""
        for sitting in range(self.plan.sittings):
            for what in self._sitting():
                say(f"sitting {sitting + 1} of {self.plan.sittings}: {what}")

    def _sitting(self) -> Iterator[str]:
        """What was measured, as it is done."""
        for vendor, servers in self.servers.items():
            run = Run(vendor, self.names(vendor), *servers, self.place, self.plan, self.book)
            for part in self.chosen.only:
                PARTS[part](run)
                yield f"{vendor}, {part}"
        if embedded.SUBJECT in self.chosen.vendors:
            embedded.measure(self.place, self.plan, self.book)
            yield embedded.SUBJECT


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {text}", file=sys.stderr, flush=True)


def packages(session: Session) -> dict[str, str]:
    """Versions of what was measured and of what it stands on."""
    names = chain.from_iterable(
        CLIENTS[vendor][name].packages for vendor in session.servers for name in session.names(vendor)
    )
    found = dict.fromkeys(names)
    if embedded.SUBJECT in session.chosen.vendors:
        found.update(dict.fromkeys(embedded.PACKAGES))
    versions = {name: importlib.metadata.version(name) for name in sorted(found)}
    return {SUBJECT: __version__, **versions}


def described_plan(plan: Plan, took: float) -> dict[str, float]:
    """For the record, with the seconds that all of it took."""
    described: dict[str, float] = asdict(plan)
    return {**described, "took": round(took)}


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measures cloudstore and other libraries side by side. A whole run (nothing "
        "chosen below but files and folders) renews docs/benchmarks.md.",
    )
    parser.add_argument(
        "--quick", action="store_true", help="some two minutes instead of ten, less exact"
    )
    parser.add_argument("--vendors", default=",".join(SUBJECTS), help="by default %(default)s")
    parser.add_argument("--clients", default=",".join(EVERY_CLIENT), help="by default %(default)s")
    parser.add_argument("--only", default=",".join(PARTS), help="parts; by default %(default)s")
    parser.add_argument("--check", action="store_true", help="check the clients and measure nothing")
    parser.add_argument(
        "--json", type=Path, default=RESULTS, help="the file of results; by default %(default)s"
    )
    parser.add_argument(
        "--folder", type=Path, default=default_folder(), help="of files; by default %(default)s"
    )
    chosen = parser.parse_args(arguments)
    chosen.whole = not chosen.quick
    for option, known in (("vendors", SUBJECTS), ("clients", EVERY_CLIENT), ("only", tuple(PARTS))):
        values = getattr(chosen, option).split(",")
        for value in values:
            if value not in known:
                parser.error(f"--{option}: there is no {value!r}; there are {', '.join(known)}")
        chosen.whole = chosen.whole and set(values) == set(known)
        setattr(chosen, option, values)
    return chosen


def main() -> None:
    chosen = options()
    plan = QUICK if chosen.quick else FULL
    described, began = machine(), time.perf_counter()
    with Session(chosen, plan) as session:
        say("checking that every client does its work")
        if faults := session.faults():
            more = f"--clients leaves clients out; there are {', '.join(EVERY_CLIENT)}"
            raise SystemExit("\n".join([*faults, more]))
        if chosen.check:
            return
        session.measure()
        tables = [
            table
            for draft in session.book.drafts()
            if (table := draft.table(SUBJECT, [RAW])).lines  # no client may have had that face
        ]
        found = Found(
            {**described, "files": str(chosen.folder)},
            packages(session),
            described_plan(plan, time.perf_counter() - began),
            tables,
        )
    for table in found.tables:
        print(f"\n{table.subject}: {as_text(table.rows())}", *table.notes, sep="\n")
    found.save(chosen.json)
    say(f"{found.plan['took']:.0f} s; the figures are in {chosen.json}")
    if chosen.whole:
        found.save(page.RESULTS)
        page.write()
        say(f"{page.PAGE} is renewed")


if __name__ == "__main__":
    main()
