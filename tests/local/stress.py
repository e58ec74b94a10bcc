"""Many processes on one root: nothing torn, nothing lost, nothing counted twice.

Run it by hand for longer than the tests do::

    python tests/local/stress.py --seconds 60 --processes 8

Half of the processes use a store that was opened before they were forked. Every process does all of it
at random: overwrites, deletes, metadata updates, reads, listings, counting by compare-and-swap, writes
that only one may win, and objects that move between the shadow and their natural place.
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import random
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from multiprocessing.queues import Queue
from pathlib import Path
from typing import Any

from cloudstore import (
    LocalConfig,
    NotFoundError,
    ObjectAlreadyExistsError,
    ObjectNotFoundError,
    PreconditionFailedError,
    Store,
)

if __name__ == "__main__":
    from leftovers import leftovers  # type: ignore[import-not-found, unused-ignore]
else:
    from tests.local.leftovers import leftovers

BUCKET = "stress"
PAIR_KEYS = (
    "a",
    "a/b",
    "a/b/c",
    "x",
    "x/",
    "../e",
    "p//q",
    "long" * 90,
    "Dir/UP",
    "dir/up",
    "ü/é",
    ".",
)
LARGE = 200_000
STAYING = tuple(f"stay/{n:02}" for n in range(20))
COUNTERS = ("counters/data", "counters/a/b", "counters//odd")
METADATA_COUNTER = "counters/metadata"


class Worker:
    """One process: what it did, and what it saw that may not be."""

    def __init__(self, store: Store, seed: int, moving: Any) -> None:
        self.store = store
        self.random = random.Random(seed)
        self.name = f"w{seed}"
        self.moving = moving
        self.done: Counter[str] = Counter()
        self.bad: list[str] = []
        self.once = 0

    def run(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        kinds: list[tuple[Callable[[], None], int]] = [
            (self.write_pair, 20),
            (self.read_pair, 30),
            (self.delete_pair, 8),
            (self.update_pair, 8),
            (self.count, 12),
            (self.count_in_metadata, 6),
            (self.write_once, 8),
            (self.overwrite_staying, 6),
            (self.read_staying, 8),
            (self.list_all, 3),
            (self.move, 3),
            (self.read_moving, 12),
        ]
        work, weights = [k for k, _ in kinds], [w for _, w in kinds]
        while time.monotonic() < end:
            [step] = self.random.choices(work, weights)
            try:
                step()
                self.done[step.__name__] += 1
            except Exception:
                self.bad.append(f"{step.__name__}: {traceback.format_exc(limit=-4)}")

    def content(self) -> bytes:
        size = self.random.choice((0, 40, 1000, 70_000, LARGE))
        return (f"{self.random.random()}-".encode() * (size // 15 + 1))[:size]

    def write_pair(self) -> None:
        data = self.content()
        metadata = {"h": hashlib.md5(data).hexdigest()}
        self.store.create_object(BUCKET, self.random.choice(PAIR_KEYS), data, metadata=metadata)

    def read_pair(self) -> None:
        key = self.random.choice(PAIR_KEYS)
        try:
            found = self.store.get_object(BUCKET, key)
        except ObjectNotFoundError:
            return
        data = found.read()
        if len(data) != found.size or hashlib.md5(data).hexdigest() != found.metadata.get("h"):
            self.bad.append(f"{key!r}: {len(data)} bytes do not fit {found.metadata} {found.etag}")

    def delete_pair(self) -> None:
        self.store.delete_object(BUCKET, self.random.choice(PAIR_KEYS))

    def update_pair(self) -> None:
        try:
            self.store.set_metadata(BUCKET, self.random.choice(PAIR_KEYS), {"by": self.name})
        except (ObjectNotFoundError, PreconditionFailedError):
            return

    def count(self) -> None:
        key = self.random.choice(COUNTERS)
        found = self.store.get_object(BUCKET, key)
        value = int(found.read())
        try:
            self.store.create_object(BUCKET, key, str(value + 1), if_match=found.etag)
        except PreconditionFailedError:
            return
        self.done[f"won {key}"] += 1

    def count_in_metadata(self) -> None:
        found = self.store.head_object(BUCKET, METADATA_COUNTER)
        changed = {"n": str(int(found.metadata["n"]) + 1)}
        try:
            self.store.set_metadata(BUCKET, METADATA_COUNTER, changed, if_match=found.etag)
        except PreconditionFailedError:
            return
        self.done[f"won {METADATA_COUNTER}"] += 1

    def write_once(self) -> None:
        key = f"once/{self.once // 10}/{self.once}"
        self.once += 1
        try:
            self.store.create_object(BUCKET, key, self.name, if_absent=True)
        except ObjectAlreadyExistsError:
            return
        self.done["won once"] += 1

    def overwrite_staying(self) -> None:
        self.store.create_object(BUCKET, self.random.choice(STAYING), self.name)

    def read_staying(self) -> None:
        self.store.get_object(BUCKET, self.random.choice(STAYING)).read()

    def list_all(self) -> None:
        step = self.random.choice((3, 50, 1000))
        prefix, delimiter = self.random.choice((("", ""), ("stay/", ""), ("", "/"), ("stay", "y/")))
        seen: list[str] = []
        marker = None
        while True:
            page = self.store.get_all_objects(BUCKET, prefix, marker, delimiter, step)
            names = [getattr(entry, "prefix", None) or entry.key for entry in page]
            seen += sorted(names)
            marker = page.marker
            if marker is None or len(seen) > 3000:
                break
        if seen != sorted(set(seen)):
            self.bad.append(f"a listing of {prefix!r} by {delimiter!r} is out of order or repeats")
        if prefix == "stay/" and not set(STAYING) <= set(seen):
            self.bad.append(f"a listing lacks {set(STAYING) - set(seen)}")

    def move(self) -> None:
        """An object that begins in the shadow and moves to its natural place; it is never absent."""
        with self.moving.get_lock():
            number = self.moving.value + 1
            self.store.create_object(BUCKET, f"move/{number}/below", "in the way")
            self.store.create_object(BUCKET, f"move/{number}", self.name)
            self.moving.value = number
        self.store.delete_object(BUCKET, f"move/{number}/below")
        self.store.create_object(BUCKET, f"move/{number}", self.name, metadata={"moved": "1"})

    def read_moving(self) -> None:
        number = self.moving.value
        if number:
            self.store.get_object(BUCKET, f"move/{number}").read()
            listed = self.store.get_all_objects(BUCKET, f"move/{number}")
            if f"move/{number}" not in [entry.key for entry in listed]:
                self.bad.append(f"move/{number} was not listed")


def work(
    root: str, inherited: Store | None, seed: int, seconds: float, moving: Any, answers: Queue[Any]
) -> None:
    worker = Worker(inherited or Store(LocalConfig(root)), seed, moving)
    worker.run(seconds)
    worker.store.close()
    answers.put((worker.done, worker.bad[:5], len(worker.bad)))


def stress(root: Path, seconds: float, processes: int) -> tuple[Counter[str], list[str]]:
    """Runs it; returns what was done, and what was seen that may not be."""
    forks = multiprocessing.get_context("fork")
    with Store(LocalConfig(root)) as store:
        store.create_bucket(BUCKET)
        for key in STAYING:
            store.create_object(BUCKET, key, "first")
        for key in COUNTERS:
            store.create_object(BUCKET, key, "0")
        store.create_object(BUCKET, METADATA_COUNTER, "", metadata={"n": "0"})
        moving, answers = forks.Value("q", 0), forks.Queue()
        workers = [
            forks.Process(
                target=work,
                args=(str(root), store if n % 2 else None, n, seconds, moving, answers),
            )
            for n in range(processes)
        ]
        for process in workers:
            process.start()
        done: Counter[str] = Counter()
        bad: list[str] = []
        for _ in workers:
            some, seen, count = answers.get(timeout=seconds + 120)
            done.update(some)
            bad += seen
            if count > len(seen):
                bad.append(f"and {count - len(seen)} more")
        for process in workers:
            process.join()
        bad += check_totals(store, done) + leftovers(root, store)
    return done, bad


def check_totals(store: Store, done: Counter[str]) -> list[str]:
    bad = []
    for key in COUNTERS:
        value = int(store.get_object(BUCKET, key).read())
        if value != done[f"won {key}"]:
            bad.append(f"{key} is {value}, {done[f'won {key}']} processes were told they had counted")
    value = int(store.get_metadata(BUCKET, METADATA_COUNTER)["n"])
    if value != done[f"won {METADATA_COUNTER}"]:
        bad.append(f"{METADATA_COUNTER} is {value}, {done[f'won {METADATA_COUNTER}']} were told")
    made = len(store.get_all_objects(BUCKET, "once/"))
    if made != done["won once"]:
        bad.append(f"{made} objects were made by create-only, {done['won once']} processes won")
    for key in PAIR_KEYS:
        try:
            found = store.get_object(BUCKET, key)
        except NotFoundError:
            continue
        if hashlib.md5(found.read()).hexdigest() != found.metadata["h"]:
            bad.append(f"in the end {key!r} does not fit its metadata")
    return bad


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--processes", type=int, default=8)
    arguments = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="cloudstore-stress-"))
    try:
        done, bad = stress(root, arguments.seconds, arguments.processes)
    finally:
        shutil.rmtree(root)
    for name, count in sorted(done.items()):
        print(f"{count:>9,}  {name}")
    total = sum(count for name, count in done.items() if not name.startswith("won"))
    print(f"{total:>9,}  operations in all, {len(bad)} violations")
    print(*bad, sep="\n")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
