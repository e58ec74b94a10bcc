"""Writers killed at random moments: no half object, no acknowledged write lost, nothing left behind.

Run it by hand for longer than the tests do::

    python tests/local/kill.py --kills 200

Two writers at a time work on keys of their own that are in each other's way on the disk. Before each
operation a writer says through a pipe what it is about to do, and after it that it is done. Once both
are killed, each object must be as the last acknowledged operation left it, or as the one under way
would have; then a new store writes once, and nothing may be left of the dead.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from cloudstore import LocalConfig, ObjectAlreadyExistsError, ObjectNotFoundError, Store

if __name__ == "__main__":
    from leftovers import leftovers  # type: ignore[import-not-found, unused-ignore]
else:
    from tests.local.leftovers import leftovers

BUCKET = "kill"
KEYS = (("a", "b/c", "d//e", "f/g/h", "up/X"), ("a/b", "b", "d/", "f/g", "up/x"))
"""Of each writer: what is natural for one key is in the shadow while a key of the other is there."""
LONGEST = 0.06
"""Seconds that writers live at most, from the first operation on."""

State = tuple[str, str] | None
"""What an object holds: what its text begins with, which says all of it, and its metadata; or None."""


def body_of(token: str) -> bytes:
    """A text that its own beginning determines: so a half one shows."""
    size = (10, 3000, 100_000)[sum(token.encode()) % 3]
    return (f"{token};" * (size // len(token) + 1)).encode()


def writer(root: str, number: int, seed: int, pipe: Connection) -> None:
    chance = random.Random(seed)
    store = Store(LocalConfig(root, fsync=True))
    for turn in range(10**9):
        key = chance.choice(KEYS[number])
        token = f"{seed}-{turn}"
        kind = chance.choices(KINDS, (8, 3, 3, 3, 2, 2))[0]
        pipe.send((kind, key, token))
        pipe.send(operate(store, kind, key, token))


KINDS = ("put", "delete", "metadata", "create", "multipart", "copy")


def operate(store: Store, kind: str, key: str, token: str) -> bool:
    """Does it; returns whether it was applied."""
    metadata = {"token": token}
    if kind == "put":
        store.create_object(BUCKET, key, body_of(token), metadata=metadata)
    elif kind == "delete":
        store.delete_object(BUCKET, key)
    elif kind == "metadata":
        try:
            store.set_metadata(BUCKET, key, metadata)
        except ObjectNotFoundError:
            return False
    elif kind == "create":
        try:
            store.create_object(BUCKET, key, body_of(token), metadata=metadata, if_absent=True)
        except ObjectAlreadyExistsError:
            return False
    elif kind == "multipart":
        data = body_of(token)
        upload = store.create_multipart_upload(BUCKET, key, metadata=metadata)
        upload.upload_part(1, data[:7])
        upload.upload_part(2, data[7:])
        upload.complete()
    else:
        store.copy_object(BUCKET, f"source/{token[-1]}", BUCKET, key)
    return True


def outcome(kind: str, token: str, before: State) -> State:
    """What an object is after an operation that was applied."""
    if kind == "delete":
        return None
    if kind == "metadata":
        return None if before is None else (before[0], token)
    if kind == "create" and before is not None:
        return before
    if kind == "copy":
        return (f"source{token[-1]}", f"source{token[-1]}")
    return (token, token)


class Killing:
    """What is known of the objects, and what was seen that may not be."""

    def __init__(self, root: Path, seed: int) -> None:
        self.root = root
        self.random = random.Random(seed)
        self.known: dict[str, State] = {key: None for keys in KEYS for key in keys}
        self.done: Counter[str] = Counter()
        self.bad: list[str] = []
        with Store(LocalConfig(root)) as store:
            store.create_bucket(BUCKET)
            for digit in "0123456789":
                token = f"source{digit}"
                store.create_object(
                    BUCKET, f"source/{digit}", body_of(token), metadata={"token": token}
                )

    def round(self) -> None:
        """Two writers live and die."""
        forks = multiprocessing.get_context("fork")
        pipes, processes = [], []
        for number in range(len(KEYS)):
            mine, theirs = forks.Pipe(duplex=False)
            seed = self.random.getrandbits(31)
            process = forks.Process(target=writer, args=(str(self.root), number, seed, theirs))
            process.start()
            theirs.close()
            pipes.append(mine)
            processes.append(process)
        for pipe in pipes:
            pipe.poll(60)  # until it works
        time.sleep(self.random.uniform(0, LONGEST))
        for process in processes:
            assert process.pid is not None
            os.kill(process.pid, signal.SIGKILL)
        for process in processes:
            process.join()
            self.done["kills"] += 1
        possible = {key: [state] for key, state in self.known.items()}
        for pipe in pipes:
            self.read(pipe, possible)
        self.check(possible)

    def read(self, pipe: Connection, possible: dict[str, list[State]]) -> None:
        """Takes in what a writer said before it died."""
        said = list(messages(pipe))
        for message, answer in zip(said[::2], [*said[1::2], None], strict=False):
            kind, key, token = message
            before = possible[key][0]
            if answer is None:
                possible[key] = [before, outcome(kind, token, before)]
                self.done[f"killed in {kind}"] += 1
                continue
            self.done[f"acknowledged {kind}"] += 1
            if answer:
                possible[key] = [outcome(kind, token, before)]
            if answer is False and (before is None) != (kind == "metadata"):
                self.bad.append(f"{kind} of {key!r} was refused, but it was {before}")

    def check(self, possible: dict[str, list[State]]) -> None:
        with Store(LocalConfig(self.root)) as store:
            for key, states in possible.items():
                now = self.look(store, key)
                if now not in states:
                    self.bad.append(f"{key!r} is {now}, not {' or '.join(map(str, states))}")
                self.known[key] = now
            for upload in store.list_multipart_uploads(BUCKET):
                store.resume_multipart_upload(upload.ref).abort()
                self.done["uploads found and aborted"] += 1
            store.create_object(BUCKET, "after", "x")
            self.bad += leftovers(self.root, store)
            listed = {entry.key for entry in store.get_all_objects(BUCKET)} - {"after"}
            there = {key for key, state in self.known.items() if state is not None}
            if {key for key in listed if not key.startswith("source/")} != there:
                self.bad.append(f"listed are {sorted(listed)}, there are {sorted(there)}")

    def look(self, store: Store, key: str) -> State:
        try:
            found = store.get_object(BUCKET, key)
        except ObjectNotFoundError:
            return None
        data = found.read()
        token = data.partition(b";")[0].decode()
        if data != body_of(token):
            self.bad.append(f"{key!r} holds half an object")
        return token, found.metadata.get("token", "")


def messages(pipe: Connection) -> Iterator[Any]:
    try:
        while pipe.poll(0):
            yield pipe.recv()
    except (EOFError, OSError):
        return


def kill(root: Path, kills: int, seed: int) -> tuple[Counter[str], list[str]]:
    """Kills so many writers; returns what was done, and what was seen that may not be."""
    killing = Killing(root, seed)
    while killing.done["kills"] < kills and not killing.bad:
        killing.round()
    return killing.done, killing.bad


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=None)
    arguments = parser.parse_args()
    seed = random.SystemRandom().getrandbits(31) if arguments.seed is None else arguments.seed
    root = Path(tempfile.mkdtemp(prefix="cloudstore-kill-"))
    try:
        done, bad = kill(root, arguments.kills, seed)
    finally:
        shutil.rmtree(root)
    for name, count in sorted(done.items()):
        print(f"{count:>7,}  {name}")
    print(f"seed {seed}, {len(bad)} violations")
    print(json.dumps(bad, indent=1) if bad else "", end="")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
