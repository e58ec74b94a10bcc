"""A folder of many small files, brought up and kept alike: `sync_folder` beside rclone and awscli.

``python -m benchmarks.folders`` starts a Swift and an S3 server, and has each program bring the same
folder up into a bucket of its own, then again with nothing changed, then after some files were touched,
altered, deleted and added. What cloudstore counts is checked, and what each bucket holds. rclone is
looked for on the machine (it is a package of Debian), awscli too, or where ``--aws`` says. The figures
are those of one run, side by side; they are printed and written as JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cloudstore import Object, StoreFactory, SyncSummary
from tests.servers.ministack_server import Ministack
from tests.servers.swift_server import Swift

__all__ = ["main"]

FOLDERS = 200
SIZES = (100, 4000)
TUNED = 32
"""How much rclone and awscli have under way in their second settings; more is no faster here."""

Settings = Mapping[str, str]


@dataclass
class Changes:
    """What is done to the folder before the third run, and what that run must count."""

    touched: int
    altered: int
    deleted: int
    added: int


@dataclass
class Program:
    """One competitor, with one bucket.

    Attributes:
        run: brings the folder up; returns what it has counted, if it says so.
    """

    name: str
    vendor: str
    bucket: str
    run: Callable[[Path, str], SyncSummary | None]
    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


def make_folder(root: Path, count: int, chance: random.Random) -> None:
    """Files that were last changed an hour ago."""
    before = time.time() - 3600
    for number in range(count):
        folder = root / f"d{number % FOLDERS:03}"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"f{number:06}.bin"
        path.write_bytes(chance.randbytes(chance.randint(*SIZES)))
        os.utime(path, (before, before))


def change(root: Path, changes: Changes) -> None:
    """The same changes wherever they are made."""
    paths = sorted(root.rglob("*.bin"))
    todo = iter(paths)
    for _ in range(changes.touched):
        os.utime(next(todo))
    for _ in range(changes.altered):
        path = next(todo)
        path.write_bytes(path.read_bytes() + b"more")
    for _ in range(changes.deleted):
        next(todo).unlink()
    for number in range(changes.added):
        (root / f"new{number:05}.bin").write_bytes(b"new")


def ours(settings: Settings) -> Callable[[Path, str], SyncSummary]:
    """In a process of its own, as the others are: starting counts."""

    def run(folder: Path, bucket: str) -> SyncSummary:
        code = (
            "import json, sys; from dataclasses import asdict; from cloudstore import StoreFactory\n"
            "settings, folder, bucket = json.loads(sys.argv[1]), sys.argv[2], sys.argv[3]\n"
            "with StoreFactory.create(settings) as store:\n"
            "    done = store.sync_folder(bucket, folder, delete=True)\n"
            "print(json.dumps([done.total, done.uploaded, done.duplicate, done.deleted, done.failed]))"
        )
        command = [sys.executable, "-c", code, json.dumps(dict(settings)), str(folder), bucket]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        total, uploaded, duplicate, deleted, failed = json.loads(said)
        return SyncSummary(
            total=total, uploaded=uploaded, duplicate=duplicate, deleted=deleted, failed=failed
        )

    return run


def rclone(server: Swift, *options: str) -> Callable[[Path, str], None]:
    environment = {
        **os.environ,
        "RCLONE_CONFIG": os.devnull,
        "RCLONE_CONFIG_BENCH_TYPE": "swift",
        "RCLONE_CONFIG_BENCH_USER": server.access_key,
        "RCLONE_CONFIG_BENCH_KEY": server.secret_key,
        "RCLONE_CONFIG_BENCH_AUTH": f"{server.url}/auth/v1.0",
    }

    def run(folder: Path, bucket: str) -> None:
        command = ["rclone", "sync", str(folder), f"bench:{bucket}", "--quiet", *options]
        subprocess.run(command, check=True, env=environment, capture_output=True)

    return run


def awscli(
    program: str, server: Ministack, home: Path, concurrency: int | None
) -> Callable[[Path, str], None]:
    home.mkdir()
    settings = "" if concurrency is None else f"s3 =\n  max_concurrent_requests = {concurrency}\n"
    (home / "config").write_text(f"[default]\nregion = us-east-1\n{settings}")
    environment = {
        **os.environ,
        "AWS_CONFIG_FILE": str(home / "config"),
        "AWS_ACCESS_KEY_ID": server.access_key,
        "AWS_SECRET_ACCESS_KEY": server.secret_key,
        "AWS_EC2_METADATA_DISABLED": "true",
    }

    def run(folder: Path, bucket: str) -> None:
        target = f"s3://{bucket}"
        options = ["--endpoint-url", server.url, "--only-show-errors", "--delete"]
        subprocess.run(
            [program, "s3", "sync", str(folder), target, *options],
            check=True,
            env=environment,
            capture_output=True,
        )

    return run


@contextmanager
def measured(program: Program) -> Iterator[None]:
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    yield
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    program.seconds.append(time.perf_counter() - began)
    program.cpu.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def check(stores: Mapping[str, Settings], program: Program, folder: Path) -> None:
    """What is in the bucket is what is in the folder."""
    wanted = {p.relative_to(folder).as_posix(): p.stat().st_size for p in folder.rglob("*.bin")}
    with StoreFactory.create(stores[program.vendor]) as store:
        listed = store.iter_objects(program.bucket)
        found = {o.key: o.size for o in listed if isinstance(o, Object)}
    assert found == wanted, f"{program.name}: {len(found)} objects, {len(wanted)} files"


def compete(
    programs: list[Program], stores: Mapping[str, Settings], root: Path, count: int, changes: Changes
) -> None:
    """All of them, run by run, each with a folder of its own that is like the others'."""
    folders = {}
    for program in programs:
        folders[program.name] = root / program.bucket
        make_folder(folders[program.name], count, random.Random(1))
        with StoreFactory.create(stores[program.vendor]) as store:
            store.create_bucket(program.bucket)
    changed = changes.touched + changes.altered + changes.added
    left = count - changes.deleted + changes.added
    expected = [
        (count, count, 0, 0),
        (count, 0, count, 0),
        (left, changed, left - changed, changes.deleted),
    ]
    for number, counts in enumerate(expected):
        if number == 2:
            time.sleep(1.1)  # listings tell whole seconds
            for folder in folders.values():
                change(folder, changes)
        for program in programs[number:] + programs[:number]:  # each once begins
            with measured(program):
                said = program.run(folders[program.name], program.bucket)
            if said is not None:
                assert (said.total, said.uploaded, said.duplicate, said.deleted) == counts, said
                assert said.failed == 0
            check(stores, program, folders[program.name])
            print(
                f"{program.vendor:6} {program.name:28} run {number + 1}: "
                f"{program.seconds[-1]:8.2f} s  {program.cpu[-1]:8.2f} s of processor",
                flush=True,
            )


def on_swift(server: Swift, root: Path, files: int, changes: Changes) -> dict[str, object]:
    settings = {
        "provider": "swift",
        "auth_url": f"{server.url}/auth/v1.0",
        "user": server.access_key,
        "secret_key": server.secret_key,
    }
    # By the server's times, as cloudstore compares: else it asks for the head of each object.
    by_listing = ("--update", "--use-server-modtime", "--fast-list")
    tuned = (f"--transfers={TUNED}", f"--checkers={TUNED}", *by_listing)
    programs = [
        Program("cloudstore", "swift", "ours", ours(settings)),
        Program("rclone sync", "swift", "rclone", rclone(server)),
        Program(f"rclone sync, {TUNED} at once", "swift", "tuned", rclone(server, *tuned)),
    ]
    compete(programs, {"swift": settings}, root, files, changes)
    return {p.name: [p.seconds, p.cpu] for p in programs}


def on_s3(server: Ministack, aws: str, root: Path, files: int, changes: Changes) -> dict[str, object]:
    settings = {
        "provider": "s3",
        "endpoint": server.url,
        "region": "us-east-1",
        "access_key": server.access_key,
        "secret_key": server.secret_key,
    }
    usual, tuned = (awscli(aws, server, root / str(n), n) for n in (None, TUNED))
    programs = [
        Program("cloudstore", "s3", "ours-here", ours(settings)),
        Program("aws s3 sync", "s3", "aws-sync", usual),
        Program(f"aws s3 sync, {TUNED} at once", "s3", "aws-tuned", tuned),
    ]
    compete(programs, {"s3": settings}, root, files, changes)
    return {p.name: [p.seconds, p.cpu] for p in programs}


def main(arguments: list[str] | None = None) -> int:
    """See above."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.folders", description=__doc__)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--aws", default=shutil.which("aws"), help="the program awscli installs")
    parser.add_argument("--vendors", nargs="+", default=["swift", "s3"], choices=["swift", "s3"])
    parser.add_argument("--json", type=Path, default=Path("build/folders.json"))
    chosen = parser.parse_args(arguments)
    if "swift" in chosen.vendors and shutil.which("rclone") is None:
        parser.error("there is no rclone on this machine")
    if "s3" in chosen.vendors and chosen.aws is None:
        parser.error("there is no aws on this machine: pip install awscli, or --aws")
    few = max(1, chosen.files // 200)
    changes = Changes(few, few, few, few)
    found: dict[str, object] = {"files": chosen.files}
    with tempfile.TemporaryDirectory(prefix="cloudstore-folders-") as place:
        root = Path(place)
        if "swift" in chosen.vendors:
            with Swift() as server:
                found["swift"] = on_swift(server, root, chosen.files, changes)
        if "s3" in chosen.vendors:
            with Ministack() as stack:
                found["s3"] = on_s3(stack, chosen.aws, root, chosen.files, changes)
    chosen.json.parent.mkdir(parents=True, exist_ok=True)
    chosen.json.write_text(json.dumps(found, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
