"""One run of the soak: workers over connections that break, pauses to measure, and a reckoning.

The workers' own failures, and what the end shows, become the report's `violation`, with all that is
needed to run it again.
"""

from __future__ import annotations

import asyncio
import faulthandler
import hashlib
import logging
import math
import re
import shlex
import shutil
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

from cloudstore import AsyncStore, ObjectNotFoundError, Store
from cloudstore.object import Object
from cloudstore.testing import LoopThread

from .contents import DIGEST, Contents, version_of
from .faces import Face, run_inline
from .faults import KINDS, FaultPlan
from .growth import Allowance, Growth, Held, give_back_at_once, library_objects, measure
from .models import OwnedKey, Race, Register, State, ViolationError
from .report import Report
from .vendors import Change, Vendor, unchanged
from .workers import CLEANUP, GROUP, TIMEOUT, Shared, Worker

PAUSE_SECONDS = 60.0
"""Between two measurements."""
END_SECONDS = 4 * TIMEOUT + CLEANUP
"""A worker that has not ended its operation by then hangs."""
QUIET_SECONDS = 3.0
"""How long connections may take to end, once nobody wants them."""
SETTLE_SECONDS = 0.5
"""What a server may still take for requests whose connections have ended."""
READERS = 4
KEY = re.compile(r"(own/[at]\d+/\d(~\d+)?|shared/\d+)")
"""How the soak's keys look in a warning."""
TICK = 0.05

_numbers = count(1)


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a run is.

    Attributes:
        seconds: how long the workers work.
        pace: seconds between two operations of a worker, on average.
        rate: the share of connections that get a fault.
        kinds: of faults.
        hurry: the share of operations whose deadline is short.
        noise: seconds that a machine that is busy adds to a deadline, beside what is measured.
        change: what is done to the drivers of the stores under test.
    """

    seconds: float = 600.0
    seed: int = 1
    threads: int = 32
    tasks: int = 200
    pace: float = 2.0
    rate: float = 0.05
    kinds: tuple[str, ...] = tuple(KINDS)
    noise: float = 5.0
    hurry: float = 0.08
    allowance: Allowance = field(default_factory=Allowance)
    change: Change = unchanged


def command(vendor: str, options: Options) -> str:
    """What runs it again, in a shell; what only tests can set is left out."""
    words = ["python", "-m", "tests.soak", vendor]
    words += ["--seed", str(options.seed), "--seconds", f"{options.seconds:g}"]
    words += ["--threads", str(options.threads), "--tasks", str(options.tasks)]
    words += ["--pace", str(options.pace), "--rate", str(options.rate), "--kinds", *options.kinds]
    return shlex.join(words)


class Soak:
    """A run against a vendor whose server and proxies are up."""

    def __init__(self, vendor: Vendor, options: Options) -> None:
        self._vendor, self._options = vendor, options
        self._folder = Path(tempfile.mkdtemp(prefix="cloudstore-soak-"))
        self._report = Report(vendor.name, options.seed, options.threads, options.tasks)
        self._growth = Growth(options.allowance)
        self._plans: list[FaultPlan] = []
        self._workers: list[Worker] = []
        self._lock = threading.Lock()
        self._warnings = _Warnings()
        self._lag = 0.0
        self._left_open = 0
        direct = vendor.config(direct=True)
        driver = direct.create_driver()
        self._shared = Shared(
            seed=options.seed,
            bucket=f"soak-{options.seed}-{next(_numbers)}",
            contents=Contents(options.seed),
            capabilities=driver.capabilities,
            min_part=driver.limits.min_part_size,
            folder=self._folder,
            report=self._report,
            secrets=vendor.secrets,
            pace=options.pace * vendor.ease,
            largest=vendor.largest,
            noise=options.noise,
            hurry=options.hurry,
            groups=max(1, math.ceil((options.threads + options.tasks) / GROUP)),
            lag=lambda: self._lag,
            lists_at_once=vendor.lists_at_once,
        )
        driver.close()
        self._direct = Store(direct)

    def run(self) -> Report:
        """Does it all; the report says whether it held."""
        began = time.monotonic()
        give_back_at_once()
        log = logging.getLogger("cloudstore")
        log.addHandler(self._warnings)
        usual, tempfile.tempdir = tempfile.tempdir, str(self._folder)
        try:
            self._direct.create_bucket(self._shared.bucket)
            self._vendor.prepare(self._direct, self._shared.bucket)
            self._work()
            if not self._report.violation:
                self._check_all()
                complaint = self._growth.complaint()
                if complaint:
                    raise ViolationError(complaint)
        except Exception as exc:  # also what is no violation: the report says it, and the seed
            self._violated("the end", exc)
        finally:
            log.removeHandler(self._warnings)
            tempfile.tempdir = usual
            self._direct.close()
            shutil.rmtree(self._folder, ignore_errors=True)
            self._report.seconds = time.monotonic() - began
            self._report.lag = self._lag
        return self._report

    # --- the workers ----------------------------------------------------------------------------------

    def _work(self) -> None:
        options, shared, vendor = self._options, self._shared, self._vendor
        before = [proxy.counts for proxy in vendor.proxies]
        start = [(c.connections, c.hits, c.bytes_up, c.bytes_down) for c in before]
        for number, proxy in enumerate(vendor.proxies):
            plan = FaultPlan(f"{options.seed}/{number}", options.rate, options.kinds)
            self._plans.append(plan)
            proxy.afflict(plan)
        self._growth.before = self._measure(0)
        config = vendor.config(change=options.change)
        with LoopThread() as loop:
            store = Store(config, observer=shared.observe)
            astore = AsyncStore(config, observer=shared.observe)
            faces = (Face(store, is_async=False), Face(astore, is_async=True))
            try:
                self._with_stores(loop, *faces)
            finally:
                shared.over.set()
                store.close()
                loop.run(astore.close())
            self._wait_for(lambda: not loop.run(_count_tasks()), QUIET_SECONDS)
            tasks = loop.run(_count_tasks())
        self._end_connections()
        self._growth.after = replace(self._measure(tasks), connections=self._left_open)
        for proxy, (connections, hits, up, down) in zip(vendor.proxies, start, strict=True):
            self._report.connections += proxy.counts.connections - connections
            self._report.hits += proxy.counts.hits - hits
            self._report.bytes_up += proxy.counts.bytes_up - up
            self._report.bytes_down += proxy.counts.bytes_down - down
        for plan in self._plans:
            self._report.faults += plan.chosen
        self._report.growth = self._growth

    def _with_stores(self, loop: LoopThread, face: Face, aface: Face) -> None:
        threads, tasks = self._options.threads, self._options.tasks
        for number in range(threads):
            self._workers.append(Worker(f"t{number}", number, face, self._shared))
        for number in range(tasks):
            self._workers.append(Worker(f"a{number}", threads + number, aface, self._shared))
        running = [
            threading.Thread(target=self._thread, args=(worker,), name=worker.name, daemon=True)
            for worker in self._workers[:threads]
        ]
        everyone = threading.Thread(
            target=lambda: loop.run(self._tasks(self._workers[threads:])), daemon=True
        )
        for thread in (*running, everyone):
            thread.start()
        try:
            self._watch(loop)
        finally:
            self._shared.over.set()
            end = time.monotonic() + END_SECONDS
            for thread in (*running, everyone):
                thread.join(max(0.0, end - time.monotonic()))
            if any(thread.is_alive() for thread in (*running, everyone)):
                self._hangs()

    def _thread(self, worker: Worker) -> None:
        try:
            run_inline(worker.run())
        except BaseException as exc:
            self._violated(worker.name, exc)

    async def _tasks(self, workers: list[Worker]) -> None:
        async def work(worker: Worker) -> None:
            try:
                await worker.run()
            except BaseException as exc:
                self._violated(worker.name, exc)

        ticking = asyncio.ensure_future(self._tick())
        await asyncio.gather(*(work(worker) for worker in workers))
        ticking.cancel()

    async def _tick(self) -> None:
        """Measures how long the loop lets a task wait that has nothing to wait for."""
        while True:
            began = time.monotonic()
            await asyncio.sleep(TICK)
            self._lag = max(self._lag, time.monotonic() - began - TICK)

    def _watch(self, loop: LoopThread) -> None:
        """Pauses the workers when it is time; returns when the run is over."""
        options = self._options
        warm = min(20.0, 0.4 * options.seconds)
        pauses = max(1, round((options.seconds - warm) / PAUSE_SECONDS))
        step = (options.seconds - warm) / pauses
        kinds: Counter[str] = Counter()
        for number in range(pauses + 1):
            due = time.monotonic() + (step if number else warm)
            while time.monotonic() < due and not self._shared.over.is_set():
                time.sleep(TICK)
            if self._shared.over.is_set() or not self._pause():
                return
            connections = self._connections()
            self._end_lingering()
            held = self._measure(loop.run(_count_tasks()))
            self._growth.pauses.append(replace(held, connections=connections))
            if not number:
                kinds = library_objects()
            self._growth.kinds = library_objects() - kinds
            self._shared.paused.clear()

    def _pause(self) -> bool:
        """Has all workers rest, and what is on its way arrive; False: the run failed meanwhile."""
        self._shared.paused.set()
        end = time.monotonic() + END_SECONDS
        while not all(worker.resting for worker in self._workers):
            if self._shared.over.is_set():
                return False
            if time.monotonic() > end:
                self._hangs()
                return False
            time.sleep(TICK)
        for proxy in self._vendor.proxies:
            proxy.heal()
        self._wait_for(lambda: self._connections() <= self._kept(), 2.0)
        return True

    def _kept(self) -> int:
        """Idle connections that both stores may keep."""
        return 2 * len(self._vendor.proxies) * self._vendor.through.max_connections

    def _hangs(self) -> None:
        busy = [worker.name for worker in self._workers if not worker.resting]
        faulthandler.dump_traceback(file=sys.stderr)
        self._violated("the run", ViolationError(f"these workers do not end: {', '.join(busy)}"))

    def _violated(self, who: str, error: BaseException) -> None:
        """Ends the run. The first violation counts."""
        with self._lock:
            self._shared.over.set()
            if self._report.violation:
                return
            told = error.what if isinstance(error, ViolationError) else f"{error!r}"
            lines = [f"VIOLATION, {self._vendor.name}, found by {who}: {told}"]
            if not isinstance(error, ViolationError):
                lines += [line.rstrip() for line in traceback.format_exception(error)]
            elif error.key:
                lines += [f"  what was done to {error.key}:", *(f"    {h}" for h in error.history)]
            lines.append(f"  run it again: {command(self._vendor.name, self._options)}")
            self._report.violation = "\n".join(lines)

    # --- measuring ------------------------------------------------------------------------------------

    def _connections(self) -> int:
        return sum(proxy.open_connections for proxy in self._vendor.proxies)

    def _measure(self, tasks: int) -> Held:
        return measure(tasks, self._connections(), self._folder)

    def _wait_for(self, true: Callable[[], bool], seconds: float) -> bool:
        end = time.monotonic() + seconds
        while not true():
            if time.monotonic() > end:
                return False
            time.sleep(TICK)
        return True

    def _end_connections(self) -> None:
        """Lets what stalls arrive, and has every connection end by itself."""
        for proxy in self._vendor.proxies:
            proxy.afflict(None)
            proxy.heal()
        self._wait_for(lambda: not self._connections(), QUIET_SECONDS)
        time.sleep(SETTLE_SECONDS)
        self._left_open = self._connections()
        self._end_lingering()

    def _end_lingering(self) -> None:
        """Has the proxies hold no descriptors, which would count as this process's."""
        for proxy in self._vendor.proxies:
            proxy.reset_connections()
        self._wait_for(lambda: not self._connections(), QUIET_SECONDS)

    # --- the end --------------------------------------------------------------------------------------

    def _check_all(self) -> None:
        """Everything is read back, without the proxies, and compared with what the models know."""
        shared = self._shared
        owned = {key.name: key for worker in self._workers for key in worker.keys}
        listed = {found.key for found in self._direct.get_all_objects(shared.bucket)}
        known = owned.keys() | shared.registers.keys() | shared.races.keys() | shared.counters.keys()
        if listed - known:
            raise ViolationError(f"{sorted(listed - known)} are there, and nobody wrote them")
        with ThreadPoolExecutor(READERS) as readers:
            for key in readers.map(self._check_owned, owned.values()):
                if (key.certainly_there, key.name in listed) in ((True, False), (False, True)):
                    raise key.violation(f"listed: {key.name in listed}, there: {key.expected}")
            for name, register in shared.registers.items():
                register.saw(self._whole(name, register), time.monotonic())
            for name, race in shared.races.items():
                race.saw(self._whole(name, race))
            for name, counter in shared.counters.items():
                found = self._get(name)
                counter.saw([] if found is None else found[1].decode().split(), time.monotonic())
        self._report.checked = {
            "own keys": len(owned),
            "shared": len(shared.registers),
            "races": len(shared.races),
            "counters": len(shared.counters),
            "objects listed": len(listed),
        }
        self._check_leftovers(owned)

    def _check_owned(self, key: OwnedKey) -> OwnedKey:
        began = time.monotonic()
        key.saw(self._whole(key.name, key), began, "the end")
        return key

    def _get(self, name: str) -> tuple[Object, bytes] | None:
        try:
            with self._direct.get_object(self._shared.bucket, name) as found:
                return found, found.read()
        except ObjectNotFoundError:
            return None

    def _whole(self, name: str, model: OwnedKey | Register | Race) -> State:
        """The version that is there, every byte of it compared; None: nothing."""
        got = self._get(name)
        if got is None:
            return None
        found, data = got
        version = version_of(found.metadata)
        if version is None:
            raise model.violation(f"nobody wrote an object with {found.metadata}")
        wrong = self._shared.contents.difference(version, data)
        told = (len(data), hashlib.sha256(data).hexdigest(), found.metadata)
        wanted = self._shared.contents.metadata(version)
        if wrong or told != (version.size, wanted[DIGEST], wanted):
            raise model.violation(f"the end found {version} with {wrong or told}")
        return version

    def _check_leftovers(self, owned: Mapping[str, OwnedKey]) -> None:
        """No upload is left but those whose beginning or end was lost."""
        vendor, store, bucket = self._vendor, self._direct, self._shared.bucket
        left, orphans = vendor.leftovers(store, bucket), vendor.orphans(store, bucket)
        allowed = Counter({name: key.lost_uploads for name, key in owned.items()})
        for name, register in self._shared.registers.items():
            allowed[name] = register.lost_uploads if vendor.replaces_cleanly else 10**9
        for name, times in Counter(left + orphans).items():
            if times > allowed[name] + self._warnings.about[name]:
                history = owned[name].history if name in owned else []
                raise ViolationError(
                    f"{times} uploads of {name} are left over, {orphans.count(name)} of them not even"
                    f" listed; lost answers and warnings explain {allowed[name]}"
                    f" and {self._warnings.about[name]}",
                    name,
                    history,
                )
        shared = sum(name in self._shared.registers for name in left)
        self._report.leftovers = {
            "uploads of own keys": len(left) - shared,
            "of shared keys": shared,
            "parts that are not listed": len(orphans),
            "warnings of the library": self._warnings.about.total(),
        }


class _Warnings(logging.Handler):
    """Counts what the library says that it could not clean up, by the key.

    Attributes:
        about: how many warnings there were.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.about: Counter[str] = Counter()

    def emit(self, record: logging.LogRecord) -> None:
        """Takes in one."""
        self.about.update(found[0] for found in KEY.finditer(record.getMessage()))


async def _count_tasks() -> int:
    """But for the one that counts."""
    return len(asyncio.all_tasks()) - 1
