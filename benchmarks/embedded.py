"""The embedded drivers side by side with obstore's local store, in this process.

``python -m benchmarks --vendors embedded`` measures this alone. Contenders take turns in short rounds,
so that whatever else the machine does falls on both. CPU is user and system time of the whole process,
threads included.
"""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from benchmarks.clients import SUBJECT as OURS
from benchmarks.contest import Plan
from benchmarks.measuring import Stopwatch
from benchmarks.parts import Book
from benchmarks.results import Bar
from benchmarks.workload import LISTED, LISTED_KEYS, SMALL_SIZE, content
from cloudstore import LocalConfig, MemoryConfig, Store

__all__ = ["PACKAGES", "SUBJECT", "measure"]

SUBJECT = "embedded"
PEER = "obstore"
PACKAGES = (PEER,)
DATA = content(SMALL_SIZE)


@dataclass(frozen=True)
class Line:
    """One thing that is measured: both functions do it once."""

    what: str
    ours: Callable[[], object]
    theirs: Callable[[], object]
    times: int
    bar: float | None


def measure(place: Path, plan: Plan, book: Book) -> None:
    """One sitting."""
    cpu = book.draft(SUBJECT, "calls", "CPU µs a call")
    wall = book.draft(SUBJECT, "calls", "wall µs a call, the same")
    obstore: Any = importlib.import_module("obstore")
    stores: Any = importlib.import_module("obstore.store")
    with tempfile.TemporaryDirectory(dir=place) as folder:
        theirs = Path(folder, "theirs")
        theirs.mkdir()
        with Store(MemoryConfig()) as memory, Store(LocalConfig(root=f"{folder}/ours")) as local:
            for line in lines(
                memory, local, obstore, stores.MemoryStore(), stores.LocalStore(str(theirs))
            ):
                timings = take_turns(line, plan.rounds)
                for draft, key in ((cpu, "cpu"), (wall, "wall")):
                    bars = [Bar(PEER, line.bar if key == "cpu" else None)]
                    found = {name: [each[key] for each in rounds] for name, rounds in timings.items()}
                    draft.add(line.what, found, bars)


def take_turns(line: Line, rounds: int) -> dict[str, list[dict[str, float]]]:
    """Who begins changes from round to round."""
    contenders = [(OURS, line.ours), (PEER, line.theirs)]
    found: dict[str, list[dict[str, float]]] = {OURS: [], PEER: []}
    for _, function in contenders:
        function()
    for _ in range(rounds):
        for name, function in contenders:
            with Stopwatch() as watch:
                for _ in range(line.times):
                    function()
            found[name].append(watch.timing(line.times))
        contenders.reverse()
    return found


def lines(memory: Store, local: Store, obstore: Any, their_memory: Any, theirs: Any) -> Iterator[Line]:
    """What is compared. Both sides hold the same keys."""
    for store in (memory, local):
        store.create_bucket("b")
        store.create_object("b", "k", DATA)
    for store in (their_memory, theirs):
        obstore.put(store, "b/k", DATA)
    fresh = count()
    yield Line(
        "head: memory",
        lambda: memory.head_object("b", "k"),
        lambda: obstore.head(their_memory, "b/k"),
        2000,
        None,
    )
    yield Line(
        "get 1 KiB: memory",
        lambda: memory.get_object("b", "k").read(),
        lambda: bytes(obstore.get(their_memory, "b/k").bytes()),
        2000,
        None,
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
    for number in range(LISTED_KEYS):
        for store in (memory, local):
            store.create_object("b", f"{LISTED}{number:05}", DATA)
        for theirs_too in (their_memory, theirs):
            obstore.put(theirs_too, f"b/{LISTED}{number:05}", DATA)
    assert len(local.get_all_objects("b", LISTED)) == LISTED_KEYS
    assert len(obstore.list(theirs, "b/listed").collect()) == LISTED_KEYS
    for name, store, other in (("memory", memory, their_memory), ("file", local, theirs)):
        yield Line(
            f"list {LISTED_KEYS:,} keys: {name}",
            lambda store=store: store.get_all_objects("b", LISTED),  # type: ignore[misc]
            lambda other=other: obstore.list(other, "b/listed").collect(),  # type: ignore[misc]
            3,
            None,
        )
