"""Many threads, tasks, forks and loops on one store of a real server: right bytes, and nothing left.

Each body is made from its key, so that bytes of another request would be seen. Descriptors, threads and
memory are counted before and after. How the wire shares its connections is tested in tests/wire.
"""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import random
import threading
import tracemalloc
from collections import defaultdict
from collections.abc import Callable, Iterator
from multiprocessing import resource_tracker
from typing import Any

import pytest

from cloudstore import AsyncStore, ObjectNotFoundError, S3Config, Store, TransferConfig
from tests.s3.test_bad_input import ALWAYS
from tests.servers.ministack_server import Ministack
from tests.wire.server import Peer, Scripted, ok, wait_until
from tests.wire.test_sharing import descriptors, run_in_fork

THREADS = 64
TASKS = 500
IDLE = 8
"""Fewer than threads, so that connections are closed while others are opened."""
PART = 5 * 1024 * 1024
"""The least that AWS takes."""
ROUNDS, WARM = 6, 3
GROWTH_BYTES = 64 * 1024
"""Of some hundred operations a round: a body or a head that each of them keeps is far more."""
FORKS = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")


def body_of(key: str) -> bytes:
    """Bytes made from the key, of one of five lengths; the longer ones no other key has."""
    chance = random.Random(key)
    return chance.randbytes(chance.choice([0, 1, 900, 8_000, 70_000]))


@pytest.fixture
def config(ministack: Ministack) -> S3Config:
    return ministack.s3_config(max_connections=IDLE, transfer=TransferConfig(part_size=PART))


@pytest.fixture
def bucket(config: S3Config) -> Iterator[str]:
    name = f"concurrency-{random.SystemRandom().getrandbits(64):x}"
    with Store(config) as store:
        store.create_bucket(name)
        yield name
        store.delete_bucket(name, force=True)


@pytest.fixture
def nothing_left() -> Iterator[None]:
    """Descriptors and threads are what they were. To be used after what outlives the test."""
    resource_tracker.ensure_running()  # one for all spawned processes, which stays
    files, threads = descriptors(), threading.active_count()
    yield
    wait_until(lambda: threading.active_count() <= threads)
    assert descriptors() <= files


def mixed(store: Store, bucket: str, name: str, turns: int) -> None:
    """What a service does with an object; fails where anything is not its own."""
    for turn in range(turns):
        key = f"{name}/{turn}"
        body = body_of(key)
        store.create_object(bucket, key, body, metadata={"name": key})
        assert store.get_object(bucket, key).read() == body
        found = store.head_object(bucket, key)
        assert (found.key, found.size, found.metadata) == (key, len(body), {"name": key})
        listed = [repr(entry) for entry in store.iter_objects(bucket, prefix=f"{name}/")]
        assert listed == [f"<Object: {key}>"]
        store.delete_object(bucket, key)
        with pytest.raises(ObjectNotFoundError):
            store.get_object(bucket, key)


async def mixed_task(store: AsyncStore, bucket: str, name: str, turns: int = 1) -> None:
    """The same, in a task."""
    for turn in range(turns):
        key = f"{name}/{turn}"
        body = body_of(key)
        await store.create_object(bucket, key, body, metadata={"name": key})
        async with store.get_object(bucket, key) as entry:
            assert await entry.read() == body
        found = await store.head_object(bucket, key)
        assert (found.key, found.size, found.metadata) == (key, len(body), {"name": key})
        listed = [repr(entry) async for entry in store.iter_objects(bucket, prefix=f"{name}/")]
        assert listed == [f"<Object: {key}>"]
        await store.delete_object(bucket, key)


def in_threads(count: int, work: Callable[[int], object]) -> None:
    """Runs `work` in threads, all at once; raises the first failure."""
    failures: list[BaseException] = []
    together = threading.Barrier(count)

    def one(index: int) -> None:
        try:
            together.wait(60)
            work(index)
        except BaseException as exc:
            failures.append(exc)

    threads = [threading.Thread(target=one, args=(index,)) for index in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


# --- threads --------------------------------------------------------------------------------------


def test_many_threads_share_a_store(config: S3Config, bucket: str, nothing_left: None) -> None:
    before = descriptors()
    with Store(config) as store:
        in_threads(THREADS, lambda index: mixed(store, bucket, f"t{index}", 3))
        assert store.get_all_objects(bucket) == []
        assert descriptors() <= before + IDLE, "more connections are kept than were allowed"


def test_large_transfers_side_by_side(config: S3Config, bucket: str, nothing_left: None) -> None:
    bodies = [random.Random(index).randbytes(2 * PART + 1) for index in range(2)]

    def work(index: int) -> None:
        store.create_object(bucket, f"large{index}", iter([bodies[index]]))
        assert store.get_object(bucket, f"large{index}").read() == bodies[index]

    with Store(config) as store:
        in_threads(len(bodies), work)
        assert store.list_multipart_uploads(bucket) == []


@pytest.mark.parametrize("face", ["Store", "AsyncStore"])
def test_memory_does_not_grow(config: S3Config, bucket: str, nothing_left: None, face: str) -> None:
    sizes = []

    def measure() -> None:
        gc.collect()
        sizes.append(tracemalloc.get_traced_memory()[0])

    def in_rounds() -> None:
        with Store(config) as store:
            for _ in range(ROUNDS):
                in_threads(8, lambda index: mixed(store, bucket, f"m{index}", 2))
                measure()

    async def in_tasks() -> None:
        async with AsyncStore(config) as store:
            for _ in range(ROUNDS):
                await asyncio.gather(*(mixed_task(store, bucket, f"m{i}", 2) for i in range(8)))
                measure()

    tracemalloc.start()
    try:
        in_rounds() if face == "Store" else asyncio.run(in_tasks())
    finally:
        tracemalloc.stop()
    assert sizes[-1] - sizes[WARM - 1] < GROWTH_BYTES, sizes


# --- forks ----------------------------------------------------------------------------------------


@FORKS
def test_fork_in_the_middle_of_many_threads(config: S3Config, bucket: str, nothing_left: None) -> None:
    """The child uses the store at once; what the parent's threads are doing goes on."""
    with Store(config) as store:
        busy = threading.Semaphore(0)

        def work(index: int) -> None:
            if index == 0:
                for _ in range(THREADS - 1):
                    assert busy.acquire(timeout=60)  # each has connections, and is using them
                for child in range(3):
                    run_in_fork(lambda name=f"child{child}": mixed(store, bucket, name, 1))
                return
            mixed(store, bucket, f"p{index}", 1)
            busy.release()
            mixed(store, bucket, f"p{index}", 2)

        in_threads(THREADS, work)
        assert store.get_all_objects(bucket) == []


class ObjectServer:
    """Enough of S3 to keep objects, and to tell on which connection each request came.

    Attributes:
        connections: by the first segment of the key.
    """

    def __init__(self) -> None:
        self._objects: dict[str, bytes] = {}
        self.connections: defaultdict[str, set[int]] = defaultdict(set)

    def __call__(self, peer: Peer) -> None:
        while (seen := peer.read()) is not None:
            key = seen.target.removeprefix("/bucket/")
            self.connections[key.partition("/")[0]].add(peer.number)
            if seen.method == "PUT":
                self._objects[key] = seen.body
                peer.send(ok(b"", 'ETag: "e"'))
            elif key in self._objects:
                peer.send(ok(self._objects[key], 'ETag: "e"'))
            else:
                peer.send(ok(status="404 Not Found"))


@FORKS
def test_forked_child_shares_no_connection(nothing_left: None) -> None:
    objects = ObjectServer()
    with Scripted(objects) as server, Store(S3Config(**ALWAYS, endpoint=server.origin)) as store:

        def use(name: str, turns: int) -> None:
            for turn in range(turns):
                key = f"{name}/{turn}"
                store.create_object("bucket", key, body_of(key))
                assert store.get_object("bucket", key).read() == body_of(key)

        busy = threading.Semaphore(0)

        def work(index: int) -> None:
            if index == 0:
                for _ in range(15):
                    assert busy.acquire(timeout=60)
                for child in range(3):
                    run_in_fork(lambda name=f"child{child}": use(name, 20))
                return
            use("parent", 1)
            busy.release()
            use("parent", 100)

        in_threads(16, work)
        use("parent", 1)
        assert set(objects.connections) == {"parent", "child0", "child1", "child2"}
        used = list(objects.connections.values())
        assert sum(map(len, used)) == len(set().union(*used)), "a connection has two owners"
        assert all(len(objects.connections[f"child{n}"]) == 1 for n in range(3))
        assert len(objects.connections["parent"]) <= 15


def use_inherited(store: Store, bucket: str, name: str) -> None:
    mixed(store, bucket, name, 1)


def use_own(config: S3Config, bucket: str, name: str) -> None:
    with Store(config) as store:
        mixed(store, bucket, name, 1)


@FORKS
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_of_multiprocessing(
    config: S3Config, bucket: str, nothing_left: None, method: str
) -> None:
    """A forked worker may use the store that it finds; a spawned one gets the configuration."""
    context: Any = multiprocessing.get_context(method)
    with Store(config) as store:
        mixed(store, bucket, "before", 1)
        target, subject = (use_inherited, store) if method == "fork" else (use_own, config)
        workers = [
            context.Process(target=target, args=(subject, bucket, f"worker{n}")) for n in range(3)
        ]
        for worker in workers:
            worker.start()
        mixed(store, bucket, "meanwhile", 3)
        for worker in workers:
            worker.join(60)
        assert [worker.exitcode for worker in workers] == [0, 0, 0]
        for worker in workers:
            worker.close()
        mixed(store, bucket, "after", 1)
        assert store.get_all_objects(bucket) == []


# --- tasks ----------------------------------------------------------------------------------------


def test_many_tasks_share_a_store(config: S3Config, bucket: str, nothing_left: None) -> None:
    before = descriptors()

    async def work() -> int:
        async with AsyncStore(config) as store:
            await asyncio.gather(*(mixed_task(store, bucket, f"a{index}") for index in range(TASKS)))
            assert await store.get_all_objects(bucket) == []
            return descriptors()

    loops_own = 3  # a selector, and a pair of sockets that wakes it
    assert asyncio.run(work()) <= before + IDLE + loops_own


def test_loops_one_after_the_other(config: S3Config, bucket: str, nothing_left: None) -> None:
    store = AsyncStore(config)

    async def work(name: str) -> None:
        await asyncio.gather(*(mixed_task(store, bucket, f"{name}{index}") for index in range(10)))

    async def work_and_close(name: str) -> None:
        async with store:
            await work(name)

    asyncio.run(work("first"))
    asyncio.run(work("second"))
    asyncio.run(work_and_close("third"))


def test_cancelled_tasks_leave_nothing(config: S3Config, bucket: str, nothing_left: None) -> None:
    async def work() -> None:
        async with AsyncStore(config) as store:
            for delay in range(10):
                tasks = [asyncio.ensure_future(mixed_task(store, bucket, f"c{i}")) for i in range(10)]
                await asyncio.sleep(delay / 200)
                for task in tasks:
                    task.cancel()
                results = await asyncio.gather(*tasks, return_exceptions=True)
                assert {type(result) for result in results} <= {asyncio.CancelledError, type(None)}
            await mixed_task(store, bucket, "after")

    asyncio.run(work())
