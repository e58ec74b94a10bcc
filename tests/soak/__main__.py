"""``make soak``.

    python -m tests.soak [VENDOR…] [--seconds 600] [--seed N] [--json FILE] …

Each vendor in turn. The status is 1 where something did not hold: what, and how to run it again, is
printed.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Sequence
from pathlib import Path

from .faults import KINDS
from .report import Report
from .run import Options, Soak
from .vendors import VENDORS


def parsed(words: Sequence[str] | None = None) -> tuple[list[str], Options, Path | None]:
    """The vendors, how they run, and where the figures go, of a command; None: of this process."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.soak", description="Mixed operations over connections that break."
    )
    usual = Options()
    parser.add_argument("vendors", nargs="*", help=f"of {', '.join(VENDORS)}; without any, all")
    parser.add_argument("--seconds", type=float, default=usual.seconds, help="for each vendor")
    parser.add_argument("--seed", type=int, help="what follows from chance; a new one each time")
    parser.add_argument("--threads", type=int, default=usual.threads)
    parser.add_argument("--tasks", type=int, default=usual.tasks)
    parser.add_argument("--pace", type=float, default=usual.pace, help="seconds between operations")
    parser.add_argument(
        "--rate", type=float, default=usual.rate, help="share of connections that break"
    )
    parser.add_argument("--kinds", nargs="*", default=list(KINDS), choices=list(KINDS), metavar="KIND")
    parser.add_argument("--json", type=Path, help="the figures go there, too")
    given = parser.parse_args(words)
    unknown = set(given.vendors) - set(VENDORS)
    if unknown:
        parser.error(f"no vendor {', '.join(sorted(unknown))}")
    if given.rate > 0 and not given.kinds:
        parser.error("--rate says that connections break, and --kinds in no way")
    seed = random.SystemRandom().randrange(1_000_000) if given.seed is None else given.seed
    options = Options(
        seconds=given.seconds,
        seed=seed,
        threads=given.threads,
        tasks=given.tasks,
        pace=given.pace,
        rate=given.rate,
        kinds=tuple(given.kinds),
    )
    return given.vendors or list(VENDORS), options, given.json


def main(words: Sequence[str] | None = None) -> int:
    """Runs what a command says; whatever happens, the seed and the figures so far are told."""
    names, options, figures = parsed(words)
    print(f"seed {options.seed}", flush=True)
    reports: list[Report] = []
    try:
        for name in names:
            vendor = VENDORS[name]()
            try:
                reports.append(Soak(vendor, options).run())
            finally:
                vendor.close()
            print(reports[-1].table(), flush=True)
    finally:
        if figures:
            told = [report.as_json() for report in reports]
            figures.write_text(json.dumps(told, indent=2) + "\n")
    return 1 if any(report.violation for report in reports) else 0


if __name__ == "__main__":
    sys.exit(main())
