"""Many threads, many tasks, several loops, forks, cancelled branches: one transport, no leaks."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cloudstore.bodies import BytesPayload
from cloudstore.driver import Flow, Gather, Race, Sleep
from cloudstore.errors import TransportError
from cloudstore.policy import Timeouts
from cloudstore.runtime.tasks import AsyncRunner
from cloudstore.wire.aio import AsyncioTransport
from cloudstore.wire.settings import NetworkSettings

from .conftest import MakeEngine, Serve
from .engines import QUICK, Engine, TaskEngine, ThreadEngine, ask, fetch
from .server import Peer, ok, wait_until
from .test_waiting import sooner_than, swallowed


def own_answers(peer: Peer) -> None:
    """Every request gets its own target back, padded to lengths that differ."""
    while (seen := peer.read()) is not None:
        body = seen.target.encode() + b"." * (len(seen.target) * 7919 % 100_000)
        peer.send(ok(body))


def check(path: str, content: bytes) -> None:
    assert content.startswith(path.encode() + b".") or content == path.encode()
    assert content.strip(b".") == path.encode()


@pytest.mark.parametrize("width", [8, 64])
def test_many_at_a_time_get_their_own_answers(engine: Engine, serve: Serve, width: int) -> None:
    server = serve(own_answers)
    paths = [f"/{i}x" for i in range(500)]
    answers = engine.side_by_side([partial(fetch, server.origin, path) for path in paths], width)
    for path, answer in zip(paths, answers, strict=True):
        check(path, answer.content)
    assert server.connections <= width
    assert sorted(seen.target for seen in server.seen) == sorted(paths)


def test_five_hundred_tasks_at_once(serve: Serve) -> None:
    server = serve(own_answers)
    engine = TaskEngine(NetworkSettings(timeouts=QUICK))
    try:
        paths = [f"/{i}" for i in range(500)]
        makes = [partial(fetch, server.origin, path) for path in paths]
        for path, answer in zip(paths, engine.side_by_side(makes, 500), strict=True):
            check(path, answer.content)
        assert server.connections <= 500
    finally:
        engine.close()


def descriptors() -> int:
    gc.collect()
    return len(os.listdir("/dev/fd" if not Path("/proc/self/fd").exists() else "/proc/self/fd"))


def breaks_in_every_way(peer: Peer) -> None:
    while (seen := peer.read()) is not None:
        kind = int(seen.target[1:]) % 8
        if kind == 0:
            peer.reset()
            return
        if kind == 1:
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 500000\r\n\r\n" + b"x" * 100_000)
            return
        if kind == 2:
            peer.send(b"garbage\r\n\r\n")
            return
        if kind == 3:
            return
        peer.send(ok(b"x" * 200_000, "Connection: close" if kind == 4 else "X: y"))
        if kind == 4:
            return


def test_nothing_is_left_open_whatever_breaks(make_engine: MakeEngine, serve: Serve) -> None:
    server = serve(breaks_in_every_way)
    engine = make_engine(Timeouts(), max_connections=1)
    engine.side_by_side([lambda: fetch(server.origin, "/5")] * 8, 8)
    wait_until(lambda: len(server._open) <= 1)
    before = descriptors()
    results = engine.side_by_side(
        [partial(fetch, server.origin, f"/{i}", idempotent=False) for i in range(64)],
        8,
    )
    assert sum(isinstance(r, TransportError) for r in results) >= 64 * 4 // 8
    wait_until(lambda: len(server._open) <= 1)
    assert descriptors() <= before


# --- branches that are not wanted any more ---


def mute_on(path: str) -> Any:
    def script(peer: Peer) -> None:
        while (seen := peer.read_head()) is not None:
            if seen.target == path + "body":
                peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
            if seen.target.startswith(path):
                peer.wait_for_end()
                return
            peer.read_body(seen)
            peer.send(ok())

    return script


@pytest.mark.parametrize("where", ["head", "body", "upload"])
def test_the_loser_of_a_race_closes_its_connection(
    make_engine: MakeEngine, serve: Serve, where: str
) -> None:
    server = serve(mute_on("/slow"))
    engine = make_engine(Timeouts())

    def loser() -> Flow[Any]:
        if where == "upload":
            payload = BytesPayload(bytes(64 * 1024 * 1024))
            return (yield from ask(server.origin, "PUT", "/slow", payload=payload))
        return (yield from fetch(server.origin, f"/slow{where}"))

    def winner() -> Flow[Any]:
        while not any(seen.target.startswith("/slow") for seen in server.seen):
            yield Sleep(0.01)
        return (yield from fetch(server.origin, "/quick"))

    def race() -> Flow[Any]:
        return (yield Race([loser(), winner()], stagger=0.0))

    engine.run(fetch(server.origin, "/first"))
    assert engine.run(race()).content == b"hello"
    if engine.name == "tasks":
        engine.run(pause())
    server.wait_for(1)
    assert engine.run(fetch(server.origin, "/again")).content == b"hello"
    # The loser's is gone, and nobody sent its request a second time.
    assert len([seen for seen in server.seen if seen.target.startswith("/slow")]) == 1


def pause() -> Flow[None]:
    yield Sleep(0.05)


def test_a_branch_that_is_connecting_is_cancelled_at_once(
    make_engine: MakeEngine, serve: Serve
) -> None:
    server = serve(own_answers)
    engine = make_engine(Timeouts(connect=60.0))

    def failing() -> Flow[Any]:
        yield Sleep(0.2)
        raise RuntimeError("the others are not wanted any more")

    with swallowed() as origin:

        def both() -> Flow[Any]:
            return (yield Gather([fetch(origin), failing()]))

        # `Gather` waits for its branches to end: the connecting one must.
        with sooner_than(30), pytest.raises(RuntimeError, match=r"not wanted"):
            engine.run(both())
    assert engine.run(fetch(server.origin, "/x")).content.startswith(b"/x")


def test_a_cancelled_task_closes_its_connection(serve: Serve) -> None:
    server = serve(mute_on("/slow"))
    transport = AsyncioTransport(NetworkSettings(timeouts=QUICK))
    runner = AsyncRunner(lambda: transport)

    async def main() -> None:
        for path in ("/slowhead", "/slowbody"):
            await runner.run(fetch(server.origin, "/x"))
            task = asyncio.create_task(runner.run(fetch(server.origin, path)))
            while not any(seen.target == path for seen in server.seen):
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.05)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.to_thread(server.wait_for, 1)
        await runner.run(fetch(server.origin, "/x"))
        await runner.close()

    asyncio.run(main())
    assert server.connections == 3


# --- loops ---


def test_loops_one_after_the_other(serve: Serve) -> None:
    """The connections of a loop that is over are closed without a word by the next one."""
    server = serve(own_answers)
    runner = AsyncRunner(lambda: AsyncioTransport(NetworkSettings(timeouts=QUICK)))

    async def use() -> None:
        for path in ("/1", "/2"):
            check(path, (await runner.run(fetch(server.origin, path))).content)

    async def use_and_close() -> None:
        await use()
        await runner.close()

    asyncio.run(use())
    asyncio.run(use())
    wait_until(lambda: len(server._open) == 1)
    asyncio.run(use_and_close())
    assert server.connections == 3
    gc.collect()
    wait_until(lambda: len(server._open) == 0)


def test_loops_side_by_side(serve: Serve) -> None:
    server = serve(own_answers)
    runner = AsyncRunner(lambda: AsyncioTransport(NetworkSettings(timeouts=QUICK)))
    failures: list[BaseException] = []
    together = threading.Barrier(4)

    async def use(name: str) -> None:
        await asyncio.to_thread(together.wait, 10)
        for i in range(25):
            path = f"/{name}{i}"
            check(path, (await runner.run(fetch(server.origin, path))).content)
        await asyncio.to_thread(together.wait, 10)

    def work(name: str) -> None:
        try:
            asyncio.run(use(name))
        except BaseException as exc:
            failures.append(exc)

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert server.connections == 4
    asyncio.run(runner.close())
    wait_until(lambda: len(server._open) == 0)


def test_a_body_that_outlives_its_loop_is_closed_without_a_word(serve: Serve) -> None:
    def script(peer: Peer) -> None:
        peer.read()
        peer.send(ok(bytes(1_000_000)))
        peer.wait_for_end()

    server = serve(script)
    runner = AsyncRunner(lambda: AsyncioTransport(NetworkSettings(timeouts=QUICK)))
    response = asyncio.run(runner.run(ask(server.origin, buffered=False)))
    assert response.body is not None
    response.body.close()
    server.wait_for(1)


def test_a_body_that_another_thread_drops_is_closed(serve: Serve) -> None:
    def script(peer: Peer) -> None:
        peer.read()
        peer.send(ok(bytes(1_000_000)))
        peer.wait_for_end()

    server = serve(script)
    runner = AsyncRunner(lambda: AsyncioTransport(NetworkSettings(timeouts=QUICK)))

    async def main() -> None:
        response = await runner.run(ask(server.origin, buffered=False))
        assert response.body is not None
        await asyncio.to_thread(response.body.close)
        await asyncio.to_thread(server.wait_for, 1)
        await runner.close()

    asyncio.run(main())


def test_other_tasks_have_their_turn_while_a_body_is_always_there(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = 60_000
    monkeypatch.setattr("cloudstore.wire.aio.GREEDY_BYTES", size // 12)

    def script(peer: Peer) -> None:
        peer.read()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        go.wait(10)
        peer.send(bytes(size))
        peer.wait_for_end()

    go = threading.Event()
    server = serve(script)
    runner = AsyncRunner(lambda: AsyncioTransport(NetworkSettings(timeouts=QUICK)))

    def arrived(body: Any) -> bool:
        with suppress(BlockingIOError):
            return len(body._stream.sock.recv(size, socket.MSG_PEEK | socket.MSG_DONTWAIT)) == size
        return False

    async def main() -> int:
        turns = 0

        async def others() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        def read(body: Any) -> Flow[None]:
            buffer = memoryview(bytearray(1000))
            while (yield from body.readinto(buffer)):
                pass

        response = await runner.run(ask(server.origin, buffered=False))
        go.set()
        await asyncio.to_thread(wait_until, lambda: arrived(response.body))
        task = asyncio.create_task(others())
        await runner.run(read(response.body))
        task.cancel()
        await runner.close()
        return turns

    # All of it lies in the kernel: nothing makes the reader wait but its own fairness.
    assert asyncio.run(main()) >= 5


# --- forks ---


@pytest.fixture
def thread_engine() -> Iterator[ThreadEngine]:
    engine = ThreadEngine(NetworkSettings(timeouts=QUICK))
    yield engine
    engine.close()


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_fork_has_its_own_connections(serve: Serve, thread_engine: ThreadEngine) -> None:
    server = serve(own_answers)
    thread_engine.run(fetch(server.origin, "/parent"))

    def in_child() -> None:
        for _ in range(3):
            check("/child", thread_engine.run(fetch(server.origin, "/child")).content)
        thread_engine.close()

    run_in_fork(in_child)
    for _ in range(3):
        check("/parent", thread_engine.run(fetch(server.origin, "/parent")).content)
    assert server.connections == 2


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_body_that_is_being_read_stays_the_parents(serve: Serve, thread_engine: ThreadEngine) -> None:
    size = 5_000_000

    def script(peer: Peer) -> None:
        while peer.read() is not None:
            peer.send(ok(b"x" * size))

    server = serve(script)

    def read_around_a_fork() -> Flow[int]:
        body = (yield from ask(server.origin, buffered=False)).body
        assert body is not None
        buffer = memoryview(bytearray(65536))
        total = yield from body.readinto(buffer)

        def in_child() -> None:
            with pytest.raises(TransportError, match=r"broke"):
                thread_engine.run(body.readinto(buffer))
            body.close()

        run_in_fork(in_child)
        while count := (yield from body.readinto(buffer)):
            total += count
        return total

    assert thread_engine.run(read_around_a_fork()) == size
    assert thread_engine.run(fetch(server.origin)).content == b"x" * size
    assert server.connections == 1


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_fork_starts_a_loop_of_its_own(serve: Serve) -> None:
    server = serve(own_answers)
    runner = AsyncRunner(lambda: AsyncioTransport(NetworkSettings(timeouts=QUICK)))

    async def use(path: str) -> None:
        check(path, (await runner.run(fetch(server.origin, path))).content)

    async def in_parent() -> None:
        await use("/parent")
        await asyncio.to_thread(run_in_fork, lambda: asyncio.run(in_child()))
        await use("/parent")
        await runner.close()

    async def in_child() -> None:
        await use("/child")
        await runner.close()

    asyncio.run(in_parent())
    assert server.connections == 2


def run_in_fork(work: Any) -> None:
    """Runs `work` in a fork; fails where it does."""
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            work()
            status = 0
        except BaseException as exc:
            theirs.sendall(repr(exc).encode()[:4000])
        finally:
            os._exit(status)
    theirs.close()
    _, status = os.waitpid(pid, 0)
    said = ours.recv(4096)
    ours.close()
    assert (os.waitstatus_to_exitcode(status), said) == (0, b"")
