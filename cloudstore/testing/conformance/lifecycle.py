"""A store's life: closing, forks, event loops, cancellation; and that it never tells a secret."""

from __future__ import annotations

import asyncio
import logging
import os
import select
import signal
import threading
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import pytest

from ...errors import CloudStoreError, StoreClosedError
from ...events import Event
from ...pass_through import BorrowingDriver
from ...store import Store
from .account import Account, RecordingDriver
from .base import ConformanceTests, keys_of, payload

__all__ = ["LifecycleTests"]

CHILD_SECONDS = 60
"""A forked child that takes longer hangs on something, and is killed."""
FORKS = 6


def in_child(work: Callable[[], str]) -> str:
    """What `work` returns in a forked child; "" where it died or hung."""
    read_end, write_end = os.pipe()
    with warnings.catch_warnings():
        # Python 3.12 and later warn that a fork beside threads may deadlock: that is what is tested.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        signal.alarm(CHILD_SECONDS)
        try:
            answer = work()
        except BaseException as exc:
            answer = f"failed: {exc!r}"
        finally:
            os.write(write_end, answer.encode())
            os._exit(0)
    os.close(write_end)
    told = b""
    with open(read_end, "rb", buffering=0) as pipe:
        while select.select([pipe], [], [], CHILD_SECONDS)[0] and (data := pipe.read(65536)):
            told += data
    os.waitpid(pid, 0)
    return told.decode()


CLOSED_VERBS: tuple[tuple[str, Callable[[Store, str], Any]], ...] = (
    ("create_bucket", lambda s, b: s.create_bucket(b)),
    ("delete_bucket", lambda s, b: s.delete_bucket(b)),
    ("bucket_exists", lambda s, b: s.bucket_exists(b)),
    ("get_bucket", lambda s, b: s.get_bucket(b)),
    ("get_all_buckets", lambda s, b: s.get_all_buckets()),
    ("create_object", lambda s, b: s.create_object(b, "k", b"")),
    ("open_writer", lambda s, b: s.open_writer(b, "k").close()),
    ("get_object", lambda s, b: s.get_object(b, "k")),
    ("get_object_to_file", lambda s, b: s.get_object_to_file(b, "k", "/nowhere")),
    ("head_object", lambda s, b: s.head_object(b, "k")),
    ("object_exists", lambda s, b: s.object_exists(b, "k")),
    ("delete_object", lambda s, b: s.delete_object(b, "k")),
    ("delete_objects", lambda s, b: s.delete_objects(b, ["k"])),
    ("copy_object", lambda s, b: s.copy_object(b, "k", b, "l")),
    ("move_object", lambda s, b: s.move_object(b, "k", b, "l")),
    ("get_all_objects", lambda s, b: s.get_all_objects(b)),
    ("iter_objects", lambda s, b: list(s.iter_objects(b))),
    ("create_multipart_upload", lambda s, b: s.create_multipart_upload(b, "k")),
    ("list_multipart_uploads", lambda s, b: s.list_multipart_uploads(b)),
    ("get_metadata", lambda s, b: s.get_metadata(b, "k")),
    ("set_metadata", lambda s, b: s.set_metadata(b, "k", {})),
    ("presign", lambda s, b: s.presign(b, "k")),
    ("presign_post", lambda s, b: s.presign_post(b, "k")),
    ("native", lambda s, b: s.native),
    ("a_handle", lambda s, b: s.bucket(b).exists()),
)


class LifecycleTests(ConformanceTests):
    """The life of a store."""

    # --- closing ---

    @pytest.mark.parametrize(("name", "call"), CLOSED_VERBS, ids=[v[0] for v in CLOSED_VERBS])
    def test_verb_of_a_closed_store_raises(
        self, account: Account, face: str, bucket: str, name: str, call: Any
    ) -> None:
        recorder = RecordingDriver(account.driver)
        with account.over(recorder, face) as store:
            store.bucket_exists(bucket)
        recorder.calls.clear()
        with pytest.raises(StoreClosedError) as caught:
            call(store, bucket)
        assert caught.value.vendor
        assert recorder.calls == []

    def test_store_can_be_closed_twice_and_is_a_context_manager(
        self, account: Account, face: str, bucket: str
    ) -> None:
        with account.over(BorrowingDriver(account.driver), face) as store:
            with store as entered:
                assert entered.bucket_exists(bucket) is True
            store.close()
            with pytest.raises(StoreClosedError):
                store.bucket_exists(bucket)

    def test_object_and_upload_of_a_closed_store_cannot_be_used(
        self, account: Account, face: str, bucket: str
    ) -> None:
        upload: Any = None
        with account.over(BorrowingDriver(account.driver), face) as store:
            store.create_object(bucket, "k", b"data")
            head = store.head_object(bucket, "k")
            if store.capabilities.multipart:
                upload = store.create_multipart_upload(bucket, "u")
        with pytest.raises(StoreClosedError):
            head.read()
        if upload is not None:
            with pytest.raises(StoreClosedError):
                upload.upload_part(1, b"x")

    def test_closing_closes_the_driver_of_the_store(self, account: Account, face: str) -> None:
        closed = []

        class Noticing(BorrowingDriver):
            def close(self) -> None:
                closed.append(True)

        with account.over(Noticing(account.driver), face) as store:
            store.close()
        assert closed == [True]

    def test_what_was_written_is_there_for_the_next_store(
        self, store: Store, account: Account, face: str, bucket: str
    ) -> None:
        metadata = {"a": "ä"} if store.capabilities.metadata else {}
        store.create_object(bucket, "a/k", b"data", content_type="a/b", metadata=metadata)
        with account.second_view(face) as other:
            found = other.get_object(bucket, "a/k")
            assert found.read() == b"data"
            assert (found.content_type, found.metadata) == ("a/b", metadata)
            assert keys_of(other.get_all_objects(bucket)) == ["a/k"]
            other.delete_object(bucket, "a/k")
        assert store.object_exists(bucket, "a/k") is False

    # --- events ---

    def test_observer_is_told_how_operations_end(self, account: Account, bucket: str) -> None:
        told: list[Event] = []
        with Store(BorrowingDriver(account.driver), observer=told.append) as store:
            store.create_object(bucket, "k", b"x")
            with pytest.raises(CloudStoreError):
                store.get_object(bucket, "missing")
        assert [(event.name, event.operation) for event in told] == [
            ("started", "create_object"),
            ("succeeded", "create_object"),
            ("started", "get_object"),
            ("failed", "get_object"),
        ]
        assert told[-1].error is not None
        assert told[-1].error.key == "missing"
        assert all(event.bucket == bucket and event.vendor for event in told)

    # --- forks ---

    def test_store_works_in_a_forked_child(self, account: Account, bucket: str) -> None:
        store = account.store("Store")
        store.create_object(bucket, "before", b"of the parent")

        def work() -> str:
            data = store.get_object(bucket, "before").read()
            store.create_object(bucket, "child", data + b", read by the child")
            return store.get_object(bucket, "child").text()

        assert in_child(work) == "of the parent, read by the child"
        assert store.get_object(bucket, "before").read() == b"of the parent"
        store.create_object(bucket, "after", b"still works")
        assert store.get_object(bucket, "after").read() == b"still works"

    def test_fork_beside_busy_threads_inherits_no_held_lock(
        self, account: Account, bucket: str
    ) -> None:
        store = account.store("Store")
        over = threading.Event()

        def busy(index: int) -> None:
            while not over.is_set():
                store.create_object(bucket, f"k{index}", b"x")
                store.delete_objects(bucket, [f"k{index}", "other"])

        threads = [threading.Thread(target=busy, args=(n,)) for n in range(3)]
        for thread in threads:
            thread.start()
        try:
            for turn in range(FORKS):

                def work(turn: int = turn) -> str:
                    store.create_object(bucket, f"child{turn}", b"data")
                    store.delete_objects(bucket, ["a", "b"])
                    return store.get_object(bucket, f"child{turn}").text()

                assert in_child(work) == "data", "the forked child hangs or fails"
        finally:
            over.set()
            for thread in threads:
                thread.join()

    def test_forked_children_write_different_write_ids(self, account: Account, bucket: str) -> None:
        store = account.store("Store")
        made = {
            in_child(lambda: str(store._operations.context("test").random.getrandbits(64)))
            for _ in range(3)
        }
        assert len(made) == 3, "forked children share their chance: write-ids would repeat"
        assert store.bucket_exists(bucket)

    # --- event loops ---

    def test_async_store_lives_through_event_loops(self, account: Account, bucket: str) -> None:
        store = account.async_store(BorrowingDriver(account.driver))

        async def write(key: str) -> None:
            await store.create_object(bucket, key, b"data of " + key.encode())
            await asyncio.gather(*(store.head_object(bucket, key) for _ in range(5)))

        async def read(*keys: str) -> list[bytes]:
            found = []
            for key in keys:
                async with store.get_object(bucket, key) as entry:
                    found.append(await entry.read())
            return found

        async def end() -> None:
            assert keys_of([entry async for entry in store.iter_objects(bucket)]) == ["a", "b"]
            await store.close()

        asyncio.run(write("a"))
        asyncio.run(write("b"))
        assert asyncio.run(read("a", "b")) == [b"data of a", b"data of b"]
        asyncio.run(end())
        with pytest.raises(StoreClosedError):
            asyncio.run(write("c"))

    def test_async_object_opens_by_await_and_by_async_with(self, account: Account, bucket: str) -> None:
        store = account.async_store(BorrowingDriver(account.driver))

        async def work() -> None:
            async with store:
                await store.create_object(bucket, "k", b"0123456789")
                found = await store.get_object(bucket, "k")
                assert await found.read(4) == b"0123"
                assert [chunk async for chunk in found.iter_chunks(4)] == [b"4567", b"89"]
                async with store.get_object(bucket, "k") as entry:
                    assert await entry.text() == "0123456789"
                assert entry.closed

        asyncio.run(work())

    def test_many_tasks_share_an_async_store(self, account: Account, bucket: str) -> None:
        store = account.async_store(BorrowingDriver(account.driver))

        async def one(index: int) -> bool:
            key, data = f"k{index}", payload(300, seed=index)
            await store.create_object(bucket, key, data)
            async with store.get_object(bucket, key) as found:
                return await found.read() == data

        async def work() -> list[bool]:
            async with store:
                return await asyncio.gather(*(one(n) for n in range(50)))

        assert asyncio.run(work()) == [True] * 50

    @pytest.mark.parametrize("parts", [0, 2], ids=["in_the_first_part", "after_two_parts"])
    def test_cancelled_upload_leaves_the_old_object_and_no_parts(
        self, account: Account, bucket: str, part_size: int, parts: int
    ) -> None:
        recorder = RecordingDriver(account.driver)
        store = account.async_store(recorder)
        account.store().create_object(bucket, "k", b"old")
        if not account.driver.capabilities.multipart:
            parts = 0

        async def work() -> None:
            stuck = asyncio.Event()

            async def pieces() -> AsyncIterator[bytes]:
                yield b"new"
                yield payload(parts * part_size)
                stuck.set()
                await asyncio.Event().wait()

            async with store:
                task = asyncio.create_task(store.create_object(bucket, "k", pieces()))
                await stuck.wait()
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                assert await (await store.get_object(bucket, "k")).read() == b"old"

        asyncio.run(work())
        assert recorder.count("create_multipart") == (parts > 0)
        assert recorder.count("abort_multipart") == recorder.count("create_multipart")
        if account.driver.capabilities.list_uploads:
            assert account.store().list_multipart_uploads(bucket) == []

    def test_cancelled_read_leaves_the_store_usable(self, account: Account, bucket: str) -> None:
        store = account.async_store(BorrowingDriver(account.driver))
        account.store().create_object(bucket, "k", payload(5000))

        async def work() -> None:
            async with store:
                task = asyncio.ensure_future(store.get_object_to_file(bucket, "k", os.devnull + "/x"))
                await asyncio.sleep(0)
                task.cancel()
                with suppress(asyncio.CancelledError, OSError):
                    await task
                assert await (await store.get_object(bucket, "k")).read() == payload(5000)

        asyncio.run(work())

    # --- secrets ---

    def test_no_secret_is_told(
        self, store: Store, account: Account, bucket: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        told = [repr(store), repr(store.bucket(bucket)), repr(account.driver), repr(account.harness)]
        made = store.create_object(bucket, "k", b"data")
        told += [repr(made), str(store.native)]
        for call in (
            lambda: store.get_object(bucket, "missing"),
            lambda: store.get_bucket(account.harness.bucket_name()),
            lambda: store.create_object(bucket, "k", b"", content_type="\n"),
        ):
            with pytest.raises(CloudStoreError) as caught:
                call()
            told += [str(caught.value), repr(caught.value), repr(caught.value.__dict__)]
        if store.capabilities.presign_get:
            request = store.presign(bucket, "k")
            told += [request.url, repr(request), repr(request.headers)]
            assert request.url.partition("?")[2] not in caplog.text, "a signed URL is in the log"
        if store.capabilities.multipart:
            upload = store.create_multipart_upload(bucket, "u")
            told += [repr(upload), upload.ref.to_json()]
            upload.abort()
        told.append(caplog.text)
        for secret in account.harness.secrets:
            leaks = [text for text in told if secret in text]
            assert leaks == [], "a secret is told"
