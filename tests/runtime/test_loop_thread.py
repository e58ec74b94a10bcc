"""The event loop in a thread of its own, by which a `Store` has many connections at a time."""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from cloudstore import Event, LocalConfig, MemoryConfig, Store, StoreClosedError
from cloudstore.runtime.loop_thread import LoopThread


@pytest.fixture
def loop() -> Iterator[LoopThread]:
    with LoopThread() as made:
        yield made


async def doubled(items: AsyncIterator[int]) -> AsyncIterator[int]:
    async for item in items:
        yield item * 2


def test_results_of_all_items(loop: LoopThread) -> None:
    assert list(loop.iterate(doubled, range(1000), 8)) == [2 * n for n in range(1000)]


def test_items_are_asked_for_as_results_are_taken(loop: LoopThread) -> None:
    asked: list[int] = []

    def items() -> Iterator[int]:
        for n in range(1000):
            asked.append(n)
            yield n

    results = loop.iterate(doubled, items(), 8)
    for _ in range(100):
        next(results)
    assert len(asked) <= 108


def test_first_result_does_not_wait_for_the_last_item(loop: LoopThread) -> None:
    go_on = threading.Event()

    def items() -> Iterator[int]:
        yield 1
        time.sleep(0.05)  # longer than items lie before they are handed over
        yield 2
        assert go_on.wait(10), "the first result was not given while the third item was awaited"
        yield 3

    results = loop.iterate(doubled, items(), 100)
    assert next(results) == 2
    go_on.set()
    assert list(results) == [4, 6]


def test_work_is_cancelled_and_has_cleaned_up_when_the_iteration_ends(loop: LoopThread) -> None:
    cleaned = []

    async def work(items: AsyncIterator[int]) -> AsyncIterator[int]:
        try:
            async for item in items:
                yield item
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0.01)
            cleaned.append("yes")

    results = loop.iterate(work, iter([1, 2]), 8)
    assert next(results) == 1
    results.close()  # type: ignore[attr-defined]
    assert cleaned == ["yes"]


def test_error_of_the_work_comes_after_its_results(loop: LoopThread) -> None:
    async def work(items: AsyncIterator[int]) -> AsyncIterator[int]:
        async for item in items:
            if item == 3:
                raise ZeroDivisionError
            yield item

    results = loop.iterate(work, range(10), 20)
    assert [next(results), next(results), next(results)] == [0, 1, 2]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_context_variables_are_those_of_the_caller() -> None:
    name: contextvars.ContextVar[str] = contextvars.ContextVar("name")
    name.set("the caller's")
    seen: set[str] = set()

    def observer(event: Event) -> None:
        seen.add(name.get("nobody's"))

    with Store(MemoryConfig(), observer=observer) as store:
        store.create_bucket("bucket")
        store.create_objects("bucket", {"a": b"1", "b": b"2"})
    assert seen == {"the caller's"}


def test_store_works_on_many_objects_in_a_forked_child(tmp_path: Path) -> None:
    with Store(LocalConfig(root=tmp_path)) as store:
        store.create_bucket("bucket")
        store.create_objects("bucket", {"of the parent": b"1"})
        child = os.fork()
        if not child:
            status = 1
            try:
                status = 0 if store.create_objects("bucket", {"of the child": b"2"}) == 1 else 2
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
        store.create_objects("bucket", {"of the parent, too": b"3"})
        assert len(store.get_all_objects("bucket")) == 3


def loop_threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "cloudstore-loop"}


def test_closed_store_refuses_and_has_ended_its_thread() -> None:
    others = loop_threads()
    store = Store(MemoryConfig())
    store.create_bucket("bucket")
    store.create_objects("bucket", {"a": b"1"})
    (thread,) = loop_threads() - others
    store.close()
    assert not thread.is_alive()
    with pytest.raises(StoreClosedError):
        store.create_objects("bucket", {"a": b"1"})


def test_threads_of_one_store_share_its_loop() -> None:
    others = loop_threads()
    with Store(MemoryConfig()) as store:
        store.create_bucket("bucket")
        counts: list[int] = []

        def write(number: int) -> None:
            objects = ((f"{number}/{i}", b"x") for i in range(200))
            counts.append(store.create_objects("bucket", objects))

        threads = [threading.Thread(target=write, args=(n,)) for n in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert counts == [200] * 6
        assert len(loop_threads() - others) == 1
        assert len(store.get_all_objects("bucket")) == 1200
