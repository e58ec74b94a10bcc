"""The embedded drivers side by side with obstore's local store, in one run.

``make bench`` runs it. Contenders take turns in many short rounds, so that whatever else the machine
does falls on both; the median round counts. CPU is user and system time of the whole process, threads
included. Each line has a ratio, and says whether it meets its bar; the run ends with status 0 all the
same. ``--write`` puts the table into docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from benchmarks.measuring import (
    as_markdown,
    as_text,
    default_folder,
    folder,
    machine,
    measure,
    verdict,
    write_page,
)
from cloudstore import LocalConfig, MemoryConfig, Store, __version__

DATA = bytes(1024)
LISTED = 1000
ROUNDS = 15


@dataclass(frozen=True)
class Line:
    """One thing that is measured: both functions do it once."""

    what: str
    ours: Callable[[], object]
    theirs: Callable[[], object]
    times: int
    bar: float | None


@dataclass(frozen=True)
class Result:
    """Medians, in microseconds a call."""

    line: Line
    cpu: float
    their_cpu: float
    wall: float
    their_wall: float

    @property
    def ratio(self) -> float:
        return self.cpu / self.their_cpu

    @property
    def is_met(self) -> bool:
        return self.line.bar is None or self.ratio <= self.line.bar


def compare(line: Line) -> Result:
    """Lets both take turns; who begins changes from round to round."""
    ours, theirs = [], []
    for function in (line.ours, line.theirs):
        measure(function, max(1, line.times // 10))
    for turn in range(ROUNDS):
        if turn % 2:
            theirs.append(measure(line.theirs, line.times))
            ours.append(measure(line.ours, line.times))
        else:
            ours.append(measure(line.ours, line.times))
            theirs.append(measure(line.theirs, line.times))
    (cpu, wall), (their_cpu, their_wall) = (
        [statistics.median(values) for values in zip(*rounds, strict=True)] for rounds in (ours, theirs)
    )
    return Result(line, cpu, their_cpu, wall, their_wall)


def lines(memory: Store, local: Store, obstore: Any, theirs: Any) -> Iterator[Line]:
    """What is compared. Both sides hold the same keys."""
    for store in (memory, local):
        store.create_bucket("b")
        store.create_object("b", "k", DATA)
    obstore.put(theirs, "b/k", DATA)
    fresh = count()
    yield Line(
        "head: memory vs. obstore local",
        lambda: memory.head_object("b", "k"),
        lambda: obstore.head(theirs, "b/k"),
        2000,
        0.5,
    )
    yield Line(
        "head: file",
        lambda: local.head_object("b", "k"),
        lambda: obstore.head(theirs, "b/k"),
        1000,
        None,
    )
    yield Line(
        "get 1 KiB: file",
        lambda: local.get_object("b", "k").read(),
        lambda: bytes(obstore.get(theirs, "b/k").bytes()),
        500,
        2.0,
    )
    yield Line(
        "put 1 KiB, overwriting: file",
        lambda: local.create_object("b", "k", DATA),
        lambda: obstore.put(theirs, "b/k", DATA),
        200,
        2.0,
    )
    yield Line(
        "put 1 KiB, new keys: file",
        lambda: local.create_object("b", f"new/{next(fresh)}", DATA),
        lambda: obstore.put(theirs, f"b/new/{next(fresh)}", DATA),
        200,
        2.0,
    )
    for number in range(LISTED):
        for store in (memory, local):
            store.create_object("b", f"listed/{number:05}", DATA)
        obstore.put(theirs, f"b/listed/{number:05}", DATA)
    assert len(local.get_all_objects("b", "listed/")) == LISTED
    assert len(obstore.list(theirs, "b/listed").collect()) == LISTED
    for name, store in (("memory", memory), ("file", local)):
        yield Line(
            f"list {LISTED:,} keys: {name}" + (" vs. obstore local" if name == "memory" else ""),
            lambda store=store: store.get_all_objects("b", "listed/"),  # type: ignore[misc]
            lambda: obstore.list(theirs, "b/listed").collect(),
            3,
            None,
        )


def table(results: list[Result]) -> list[list[str]]:
    """Rows of text, the heading first."""
    rows = [["", "CPU µs", "obstore", "ratio", "bar", "", "wall µs", "obstore"]]
    for result in results:
        bar = result.line.bar
        rows.append(
            [
                result.line.what,
                f"{result.cpu:,.1f}",
                f"{result.their_cpu:,.1f}",
                f"{result.ratio:.2f}",
                "" if bar is None else f"≤ {bar}",
                "" if bar is None else verdict(result.is_met),
                f"{result.wall:,.1f}",
                f"{result.their_wall:,.1f}",
            ]
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description="Compares the embedded drivers with obstore.")
    parser.add_argument("--write", action="store_true", help="put the table into docs/benchmarks.md")
    parser.add_argument(
        "--folder", type=Path, default=default_folder(), help="measure here; by default %(default)s"
    )
    chosen = parser.parse_args()
    versions = f"cloudstore {__version__}, obstore {importlib.metadata.version('obstore')}"
    context = f"{versions}, {machine()}, files in {chosen.folder}"
    obstore: Any = importlib.import_module("obstore")
    stores: Any = importlib.import_module("obstore.store")
    with folder(chosen.folder) as place:
        (place / "theirs").mkdir()
        theirs = stores.LocalStore(str(place / "theirs"))
        with Store(MemoryConfig()) as memory, Store(LocalConfig(root=str(place / "ours"))) as local:
            results = [compare(line) for line in lines(memory, local, obstore, theirs)]
    rows = table(results)
    print(f"{context}\nmedian of {ROUNDS} rounds, a call\n\n{as_text(rows)}\n")
    if chosen.write:
        write_page("embedded", f"{context}:\n\n{as_markdown(rows)}")


if __name__ == "__main__":
    main()
