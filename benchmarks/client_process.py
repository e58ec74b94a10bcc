"""The process of one client: it does what standard input tells it, and answers with measurements.

``python -m benchmarks.client_process VENDOR CLIENT FACE HOST [CA-FILE]``, as benchmarks/processes.py
starts it. Both ways a line of JSON: in, the name of a method of `Measurements` and its arguments; out,
what it returned, or the text of an error. CPU is that of this process: the server's and the other
clients' are not in it.
"""

from __future__ import annotations

import json
import resource
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.clients import adapters
from benchmarks.clients.interface import Server
from benchmarks.measuring import Stopwatch
from benchmarks.workload import BLOCK_SIZE, LARGE_SIZE, LISTED_KEYS, SMALL_SIZE, content

DATA = content(SMALL_SIZE)
EXPECTED = {"get": SMALL_SIZE, "put": SMALL_SIZE, "head": SMALL_SIZE, "page": LISTED_KEYS}
"""What a call returns when it did all of its work."""

PATIENCE_SECONDS = 60
"""So long threads wait for one another; one that failed never comes."""

Timing = dict[str, float]


class Measurements:
    """What can be asked of one client.

    Timings are of one call: ``cpu`` and ``wall``, in microseconds.
    """

    def __init__(self, name: str, face: str, server: Server) -> None:
        self._adapters = adapters(name)
        self._server = server
        self._blocking: Any = self._adapters.Blocking(server) if face == "blocking" else None
        self._awaited: Any = None
        self._runner: Any = None

    def calls(self, what: str, times: int) -> Timing:
        """One call after the other."""
        call: Callable[[], int] = call_of(self._blocking, what)
        with Stopwatch() as watch:
            total = sum(call() for _ in range(times))
        check(what, times, total)
        return watch.timing(times)

    def threads(self, what: str, threads: int, seconds: float) -> Timing:
        """As many calls as they manage in a time; ``wall`` is between two of them, of any thread."""
        call: Callable[[], int] = call_of(self._blocking, what)
        counts = [(0, 0)] * threads
        ready, go = (threading.Barrier(threads + 1, timeout=PATIENCE_SECONDS) for _ in range(2))

        def work(number: int) -> None:
            call()  # connects
            times = total = 0
            ready.wait()
            go.wait()
            end = time.perf_counter() + seconds
            while time.perf_counter() < end:
                total += call()
                times += 1
            counts[number] = times, total

        workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
        for worker in workers:
            worker.start()
        ready.wait()
        with Stopwatch() as watch:  # before they go: this thread may be woken late
            go.wait()
            for worker in workers:
                worker.join()
        times, total = (sum(column) for column in zip(*counts, strict=True))
        check(what, times, total)
        return watch.timing(times)

    def tasks(self, what: str, times: int, tasks: int) -> Timing:
        """Calls of so many asyncio tasks at a time."""
        timing: Timing = self._loop().run(self._tasks(what, times, tasks))
        return timing

    async def _tasks(self, what: str, times: int, tasks: int) -> Timing:
        import asyncio

        if self._awaited is None:
            self._awaited = self._adapters.Awaited(self._server)
        call: Callable[[], Awaitable[int]] = call_of(self._awaited, what)
        each = max(1, times // tasks)

        async def work() -> int:
            return sum([await call() for _ in range(each)])

        with Stopwatch() as watch:
            total = sum(await asyncio.gather(*(work() for _ in range(tasks))))
        check(what, each * tasks, total)
        return watch.timing(each * tasks)

    def transfer(self, what: str, path: str) -> dict[str, float | None]:
        """A large transfer: seconds of CPU and wall; bytes of memory at its peak, and how many of them
        came with it."""
        if what == "download":
            Path(path).unlink(missing_ok=True)  # else a file of somebody else's would be as good
        before = forget_peak()
        with Stopwatch() as watch:
            getattr(self._blocking, what)(Path(path))
        peak = None if before is None else memory("VmHWM")
        growth = None if before is None or peak is None else peak - before
        size = Path(path).stat().st_size
        if size != LARGE_SIZE:
            raise ValueError(f"{what}: the file has {size} bytes")
        return {"cpu": watch.cpu, "wall": watch.wall, "peak": peak, "growth": growth}

    def holds_large(self, path: str) -> bool:
        """Whether a file is the large object, byte by byte."""
        block = content(BLOCK_SIZE)
        with Path(path).open("rb") as file:
            blocks = iter(partial(file.read, BLOCK_SIZE), b"")
            return [found == block for found in blocks] == [True] * (LARGE_SIZE // BLOCK_SIZE)

    def resident(self) -> int:
        """Bytes of memory once a call was made."""
        self.calls("get", 1)
        if Path("/proc/self/status").exists():
            return memory("VmRSS")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024

    def verifies(self) -> dict[str, str]:
        return {
            "download": self._blocking.verifies_downloads,
            "upload": self._blocking.verifies_uploads,
        }

    def close(self) -> None:
        if self._awaited is not None:
            self._runner.run(self._awaited.close())
        if self._runner is not None:
            self._runner.close()

    def _loop(self) -> Any:
        """The event loop. asyncio is not loaded where the blocking face is measured: memory counts."""
        if self._runner is None:
            import asyncio

            self._runner = asyncio.Runner()
        return self._runner


def call_of(client: Any, what: str) -> Callable[[], Any]:
    return partial(client.put, DATA) if what == "put" else getattr(client, what)


def check(what: str, times: int, total: int) -> None:
    """That calls did all of their work."""
    if total != times * EXPECTED[what]:
        raise ValueError(f"{times} times {what} returned {total}, not {EXPECTED[what]} each")


def memory(name: str) -> int:
    """A figure of /proc/self/status, in bytes."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith(name + ":"))
    return int(line.split()[1]) * 1024


def forget_peak() -> int | None:
    """Memory now; its peak is counted from here on. None where the system does not know."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # proc(5)
    except OSError:
        return None
    return memory("VmRSS")


def main() -> None:
    vendor, name, face, host, *ca_file = sys.argv[1:]
    measurements: Measurements | None = None
    for line in sys.stdin:
        method, arguments = json.loads(line)
        try:
            if measurements is None:
                measurements = Measurements(name, face, Server(vendor, host, *ca_file))
            answer = {"result": getattr(measurements, method)(**arguments)}
        except Exception as exc:  # reported: a client that fails is left out, and the run says so
            answer = {"error": f"{type(exc).__name__}: {exc}"}
        print(json.dumps(answer), flush=True)
    if measurements is not None:
        measurements.close()


if __name__ == "__main__":
    main()
