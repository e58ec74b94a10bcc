"""``python -m tests.transfers --size 1024 --kills 10``: memory and kills, objects of so many MiB."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from cloudstore import Store, StoreFactory

from .places import PLACES, Settings
from .runs import BUCKET, down, measure, up

MIB = 1024 * 1024
DEFAULTS: Mapping[str, int] = MappingProxyType({})
"""The library's own part size and concurrency."""


def report(place: str, settings: Settings, store: Store, size: int, kills: int, seed: int) -> None:
    """Prints what one place shows."""
    with tempfile.TemporaryDirectory(prefix="cloudstore-transfers-") as name:
        found = measure(settings, dict(DEFAULTS), size, Path(name))
    store.delete_object(BUCKET, "piped")  # servers keep it in memory
    equal = "equal" if len(set(found["digests"])) == 1 else "NOT EQUAL"
    took = ", ".join(f"{way} {found[way] / MIB:.0f} MiB" for way in ("up", "down"))
    base = f"{found['base'] / MIB:.0f} MiB"
    print(f"{place}: {size // MIB} MiB through a pipe, memory over {base}: {took}; {equal}")
    for move in (up, down):
        with tempfile.TemporaryDirectory(prefix="cloudstore-transfers-") as name:
            killed = move(store, settings, dict(DEFAULTS), size // 2, Path(name), kills, seed)
        store.delete_object(BUCKET, "killed")
        print(
            f"{place}: {size // 2 // MIB} MiB {move.__name__}, killed {killed.kills} times: "
            f"{killed.sent_again / MIB:.0f} MiB again, "
            f"{'equal' if killed.is_equal else 'NOT EQUAL'}, left: {killed.left or 'nothing'}"
        )


def main() -> None:
    """Runs it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("places", nargs="*", metavar=f"{{{','.join(PLACES)}}}")
    parser.add_argument("--size", type=int, default=1024, help="MiB")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    for place in options.places or PLACES:
        with PLACES[place]() as settings, StoreFactory.create(dict(settings)) as store:
            store.create_bucket(BUCKET)
            report(place, settings, store, options.size * MIB, options.kills, options.seed)


if __name__ == "__main__":
    main()
