"""One transfer in a process of its own: ``python -m tests.transfers.worker``, a job as JSON on stdin.

It prints a JSON value a line: how many bytes are done, each time it is told; at the end a record.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from cloudstore import Store, StoreFactory, TransferConfig

BLOCK = 1024 * 1024
SMALLEST_PART = 16 * 1024
"""The servers of the tests take such; the vendors do not."""


def blocks(size: int) -> Iterator[bytes]:
    """So many bytes, no two blocks the same."""
    body = bytes(range(256)) * (BLOCK // 256)
    for number in range(-(-size // BLOCK)):
        block = number.to_bytes(8, "big") + body[8:]
        yield block[: size - number * BLOCK]


def peak() -> int:
    """The most memory that this program has had, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():  # what getrusage says there begins with the process that it was forked from
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def say(value: Any) -> None:
    print(json.dumps(value), flush=True)


def tell_slowly(done: int, total: int | None) -> None:
    """So that whoever listens can do something before the end."""
    say(done)
    time.sleep(0.1)


def tell(done: int, total: int | None) -> None:
    say(done)


def piped(size: int) -> IO[bytes]:
    """A pipe through which the blocks come: it has no length."""
    reading, writing = os.pipe()

    def fill() -> None:
        with os.fdopen(writing, "wb") as file:
            for block in blocks(size):
                file.write(block)

    threading.Thread(target=fill, daemon=True).start()
    return os.fdopen(reading, "rb")


def through_a_pipe(store: Store, job: dict[str, Any]) -> None:
    """Up from a pipe, and down into a file and through memory; how much memory that took."""
    bucket, key, size = job["bucket"], job["key"], job["size"]
    store.create_object(bucket, "warm", b"x" * 1000)
    store.get_object(bucket, "warm").read()
    base = peak()
    sent, came, filed = hashlib.sha256(), hashlib.sha256(), hashlib.sha256()
    for block in blocks(size):
        sent.update(block)
    with piped(size) as pipe:
        store.create_object(bucket, key, pipe)
    up = peak()
    with store.get_object(bucket, key) as found:
        for chunk in found.iter_chunks(BLOCK):
            came.update(chunk)
    store.get_object_to_file(bucket, key, job["path"])
    with open(job["path"], "rb") as file:
        while chunk := file.read(BLOCK):
            filed.update(chunk)
    digests = [digest.hexdigest() for digest in (sent, came, filed)]
    say({"base": base, "up": up - base, "down": peak() - base, "digests": digests})


def main() -> None:
    """Does the job."""
    job = json.load(sys.stdin)
    store = StoreFactory.create(job["settings"], transfer=TransferConfig(**job["transfer"]))
    with store:
        store._driver.limits = replace(store._driver.limits, min_part_size=SMALLEST_PART)
        where = job["bucket"], job["key"], job["path"]
        resume = job.get("resume", True)
        progress = tell if resume else tell_slowly
        if job["do"] == "up":
            store.create_object_from_file(*where, resume=resume, progress=progress)
        elif job["do"] == "down":
            store.get_object_to_file(*where, resume=resume, progress=progress)
        else:
            through_a_pipe(store, job)


if __name__ == "__main__":
    main()
