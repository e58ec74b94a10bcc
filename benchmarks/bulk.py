"""Many small objects: `create_objects` and `get_objects` beside other libraries' asyncio faces.

``python -m benchmarks.bulk`` has each write and read the same number of objects of 1 KiB, 64 at a time:
the others by 64 tasks, which share the work, because they have no verb for many objects. They take
turns on one server, and the best of several rounds counts; the bar is the fastest peer's objects a
second.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.clients import CLIENTS, SUBJECT, adapters
from benchmarks.clients.cloudstore_client import CONFIGS
from benchmarks.clients.interface import Server
from benchmarks.measuring import Stopwatch, machine
from benchmarks.processes import NullServer
from benchmarks.workload import BUCKET, SMALL, SMALL_SIZE
from cloudstore import Store

__all__ = ["main"]

AT_ONCE = 64
DATA = b"x" * SMALL_SIZE
Work = Callable[[int], None]


def ours(server: Server) -> dict[str, Work]:
    store = Store(CONFIGS[server.vendor](server))

    def put(count: int) -> None:
        pairs = ((SMALL, DATA) for _ in range(count))
        assert store.create_objects(BUCKET, pairs, max_concurrency=AT_ONCE) == count

    def get(count: int) -> None:
        results = store.get_objects(BUCKET, (SMALL for _ in range(count)), max_concurrency=AT_ONCE)
        assert sum(len(r.value.read()) for r in results if r.value) == count * SMALL_SIZE

    return {"put": put, "get": get}


def theirs(name: str, server: Server) -> dict[str, Work]:
    def by_tasks(what: str) -> Work:
        async def all_of_them(count: int) -> None:
            client = adapters(name).Awaited(server)
            left = iter(range(count))

            async def work() -> int:
                size = 0
                for _ in left:
                    size += await (client.put(DATA) if what == "put" else client.get())
                return size

            sizes = await asyncio.gather(*(work() for _ in range(AT_ONCE)))
            assert sum(sizes) == count * SMALL_SIZE
            await client.close()

        return lambda count: asyncio.run(all_of_them(count))

    return {what: by_tasks(what) for what in ("put", "get")}


def compete(vendor: str, count: int, rounds: int) -> dict[str, dict[str, list[float]]]:
    """For each act and client, objects a second and CPU microseconds an object."""
    found: dict[str, dict[str, list[float]]] = {"put": {}, "get": {}}
    with NullServer(vendor) as process:
        server = Server(vendor, process.host)
        names = [name for name, client in CLIENTS[vendor].items() if client.awaited]
        clients = {n: ours(server) if n == SUBJECT else theirs(n, server) for n in names}
        for _ in range(rounds):
            for what, figures in found.items():
                for name, work in clients.items():
                    with Stopwatch() as watch:
                        work[what](count)
                    rate, cpu = figures.get(name, [0.0, float("inf")])
                    figures[name] = [
                        max(rate, count / watch.wall),
                        min(cpu, watch.cpu / count * 1e6),
                    ]
                names = names[1:] + names[:1]
                clients = {name: clients[name] for name in names}
    return found


def show(vendor: str, found: dict[str, dict[str, list[float]]]) -> None:
    for what, figures in found.items():
        fastest = max(rate for name, (rate, _) in figures.items() if name != SUBJECT)
        for name, (rate, cpu) in sorted(figures.items(), key=lambda item: -item[1][0]):
            ratio = f"{rate / fastest:5.2f} of the fastest peer" if name == SUBJECT else ""
            print(f"{vendor:6} {what:4} {name:12} {rate:8.0f}/s {cpu:7.0f} µs of CPU {ratio}")


def main(arguments: Sequence[str] | None = None) -> int:
    """See above."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bulk", description=__doc__)
    parser.add_argument("--objects", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--vendors", nargs="+", default=["s3", "swift"], choices=["s3", "swift"])
    parser.add_argument("--json", type=Path, default=Path("build/bulk.json"))
    chosen = parser.parse_args(arguments)
    found: dict[str, Any] = {"machine": machine()}
    for vendor in chosen.vendors:
        found[vendor] = compete(vendor, chosen.objects, chosen.rounds)
        show(vendor, found[vendor])
    chosen.json.parent.mkdir(parents=True, exist_ok=True)
    chosen.json.write_text(json.dumps(found, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
