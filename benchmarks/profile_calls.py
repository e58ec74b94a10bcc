"""Where the CPU time of cloudstore's calls goes: samples of a running process, by file and by function.

``python -m benchmarks.profile_calls [get|put|head|page] [--vendor swift] [--tls]``. A timer of CPU time
interrupts the calls, and the function that runs counts, with what C code did for it (a system call, a
hash). Figures are microseconds of a call. A profiler that times every function would mostly find its
own cost.
"""

from __future__ import annotations

import argparse
import signal
import tempfile
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

from benchmarks.certificates import make_certificate
from benchmarks.client_process import call_of
from benchmarks.clients import SUBJECT, VENDORS, adapters
from benchmarks.clients.interface import Server
from benchmarks.measuring import ROOT, cpu_seconds
from benchmarks.processes import NullServer
from benchmarks.show import as_text

INTERVAL_SECONDS = 0.001
"""The kernel's tick makes 4 ms of it on many machines."""
FUNCTIONS = 30
CALLS = 50


class Sampler:
    """Counts where the process is."""

    def __init__(self) -> None:
        self.files: Counter[str] = Counter()
        self.functions: Counter[str] = Counter()

    def take(self, number: int, frame: FrameType | None) -> None:
        if frame is None:
            return
        self.functions[f"{name_of(frame)} {frame.f_code.co_qualname}"] += 1
        while frame.f_back is not None and not is_ours(frame):
            frame = frame.f_back  # the standard library works for the file of ours that called it
        self.files[name_of(frame) if is_ours(frame) else "(the loop of calls)"] += 1


def is_ours(frame: FrameType) -> bool:
    return Path(frame.f_code.co_filename).is_relative_to(ROOT / "cloudstore")


def name_of(frame: FrameType) -> str:
    path = Path(frame.f_code.co_filename)
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else path.name


def shares(counts: Iterable[tuple[str, int]], total: int, cost: float) -> str:
    return as_text([[place, f"{count / total * cost:.1f}"] for place, count in counts])


def main() -> None:
    parser = argparse.ArgumentParser(description="Where the CPU time of a call goes.")
    parser.add_argument("what", nargs="?", default="get", choices=("get", "put", "head", "page"))
    parser.add_argument("--vendor", default="s3", choices=VENDORS)
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--seconds", type=float, default=20, help="of CPU; by default %(default)s")
    chosen = parser.parse_args()
    sampler, calls = Sampler(), 0
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        files = make_certificate(folder) if chosen.tls else ()
        server = stack.enter_context(NullServer(chosen.vendor, *files))
        trusted = [str(server.ca_file)] if server.ca_file else []
        call = call_of(
            adapters(SUBJECT).Blocking(Server(chosen.vendor, server.host, *trusted)), chosen.what
        )
        call()
        signal.signal(signal.SIGPROF, sampler.take)
        signal.setitimer(signal.ITIMER_PROF, INTERVAL_SECONDS, INTERVAL_SECONDS)
        start = cpu_seconds()
        while cpu_seconds() - start < chosen.seconds:
            for _ in range(CALLS):
                call()
            calls += CALLS
        signal.setitimer(signal.ITIMER_PROF, 0)
        cost = (cpu_seconds() - start) / calls * 1e6
    total = sampler.files.total()
    print(f"{chosen.what}: {cost:.1f} µs of CPU a call, {calls:,} calls, {total:,} samples\n")
    print(shares(sampler.files.most_common(), total, cost), end="\n\n")
    print(shares(sampler.functions.most_common(FUNCTIONS), total, cost))


if __name__ == "__main__":
    main()
