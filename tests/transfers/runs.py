"""Runs of workers: to their end, or until they are killed at random moments."""

from __future__ import annotations

import hashlib
import json
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from cloudstore import Store

from .places import Settings
from .worker import BLOCK, blocks

ROOT = Path(__file__).parent.parent.parent
BUCKET = "transfers"
LONGEST_WAIT = 300.0
"""Seconds that a worker may take at most."""


@dataclass
class Killed:
    """What became of one file, moved by processes that were killed.

    Attributes:
        kills: how many were.
        starts: how many bytes each process found there.
        sent_again: bytes that a process had said were done, and the next one did not find there.
        is_equal: whether the bytes are the same in the end.
        left: names, or keys, of what was left behind.
    """

    kills: int = 0
    starts: list[int] = field(default_factory=list)
    sent_again: int = 0
    is_equal: bool = False
    left: list[str] = field(default_factory=list)


def start(job: dict[str, Any], stderr: int | None = None) -> subprocess.Popen[str]:
    """A worker at its job."""
    worker = subprocess.Popen(
        [sys.executable, "-m", "tests.transfers.worker"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
    )
    assert worker.stdin is not None
    worker.stdin.write(json.dumps(job))
    worker.stdin.close()
    return worker


def said(worker: subprocess.Popen[str]) -> list[Any]:
    """All that an ended worker has printed; a last line may be torn."""
    assert worker.stdout is not None
    with worker.stdout:
        lines = worker.stdout.read().split("\n")
    return [json.loads(line) for line in lines[:-1]]


def measure(settings: Settings, transfer: dict[str, int], size: int, folder: Path) -> dict[str, Any]:
    """What a worker says of an object that came through a pipe."""
    job = {"do": "pipe", "settings": dict(settings), "transfer": transfer, "size": size}
    worker = start({**job, "bucket": BUCKET, "key": "piped", "path": str(folder / "piped")})
    answer = said(worker)
    assert worker.wait(LONGEST_WAIT) == 0
    found: dict[str, Any] = answer[-1]
    return found


def move(job: dict[str, Any], size: int, kills: int, chance: random.Random) -> Killed:
    """Has workers move one file, all but the last killed once they have begun to move bytes."""
    result = Killed()
    before = 0
    while True:
        worker = start(job)
        assert worker.stdout is not None
        first = worker.stdout.readline()
        if result.kills < kills:
            time.sleep(chance.uniform(0, 0.3))
            worker.kill()
        told = [json.loads(first)] if first.endswith("\n") else []
        told += said(worker)
        code = worker.wait(LONGEST_WAIT)
        if told:
            result.starts.append(told[0])
            if before < size:  # else the object may be there, and its upload gone
                result.sent_again += max(0, before - told[0])
            before = told[-1]
        if code == 0:
            return result
        assert code == -9, f"the worker failed with {code}"
        result.kills += 1


def interrupt(job: dict[str, Any]) -> str:
    """Presses Ctrl-C once the worker moves bytes; returns what it says of that."""
    worker = start({**job, "resume": False}, stderr=subprocess.PIPE)
    assert worker.stdout is not None
    assert worker.stderr is not None
    assert worker.stdout.readline()
    worker.send_signal(signal.SIGINT)
    said(worker)
    with worker.stderr:
        told = worker.stderr.read()
    assert worker.wait(LONGEST_WAIT) != 0
    return told


def digest(path: Path) -> str:
    found = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(BLOCK):
            found.update(chunk)
    return found.hexdigest()


def up(
    store: Store,
    settings: Settings,
    transfer: dict[str, int],
    size: int,
    folder: Path,
    kills: int,
    seed: int,
) -> Killed:
    """An upload whose processes are killed."""
    source = folder / "source"
    with source.open("wb") as file:
        file.writelines(blocks(size))
    job = {"do": "up", "settings": dict(settings), "transfer": transfer, "path": str(source)}
    result = move({**job, "bucket": BUCKET, "key": "killed"}, size, kills, random.Random(seed))
    store.get_object_to_file(BUCKET, "killed", folder / "back")
    result.is_equal = digest(folder / "back") == digest(source)
    (folder / "back").unlink()
    if store.capabilities.list_uploads:
        store.abort_stale_uploads(BUCKET, timedelta(0))
        result.left = [found.ref.key for found in store.list_multipart_uploads(BUCKET)]
    result.left += [path.name for path in folder.iterdir() if path != source]
    return result


def down(
    store: Store,
    settings: Settings,
    transfer: dict[str, int],
    size: int,
    folder: Path,
    kills: int,
    seed: int,
) -> Killed:
    """A download whose processes are killed."""
    store.create_object(BUCKET, "killed", blocks(size))
    target = folder / "target"
    job = {"do": "down", "settings": dict(settings), "transfer": transfer, "path": str(target)}
    result = move({**job, "bucket": BUCKET, "key": "killed"}, size, kills, random.Random(seed))
    expected = hashlib.sha256()
    for block in blocks(size):
        expected.update(block)
    result.is_equal = digest(target) == expected.hexdigest()
    result.left = [path.name for path in folder.iterdir() if path != target]
    return result
