"""The blocking face of an `AsyncStore` is used from threads as a `Store` is."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from cloudstore import AsyncStore, CommonPrefix, MemoryConfig, ObjectNotFoundError, Store
from cloudstore.testing import BlockingFace, LoopThread, blocking_store


@pytest.fixture
def loop() -> Iterator[LoopThread]:
    with LoopThread() as loop:
        yield loop


@pytest.fixture
def store(loop: LoopThread) -> Iterator[Store]:
    with blocking_store(AsyncStore(MemoryConfig()), loop) as store:
        store.create_bucket("bukaopu")
        yield store


def test_results_are_wrapped_in_turn(store: Store) -> None:
    bucket = store.bucket("bukaopu")
    upload = bucket.create_multipart_upload("large")
    upload.upload_part(1, b"data")
    upload.complete()
    found = bucket.get_object("large")
    assert found.read(2) == b"da"
    assert found.tell() == 2
    assert list(found.iter_chunks(1)) == [b"t", b"a"]
    with bucket.open_writer("written") as writer:
        writer.write(b"x")
    assert {type(entry) for entry in bucket.get_all_objects()} == {BlockingFace}
    [prefix] = store.get_all_objects("bukaopu", delimiter="a", prefix="l")
    assert isinstance(prefix, CommonPrefix)
    assert repr(store.get_bucket("bukaopu")).startswith("<Bucket: bukaopu")
    assert store.get_all_buckets() == [bucket]


def test_errors_come_through(store: Store) -> None:
    with pytest.raises(ObjectNotFoundError):
        store.get_object("bukaopu", "missing")
    with pytest.raises(AttributeError):
        _ = store.no_such_verb  # type: ignore[attr-defined]


def test_iteration_is_lazy_and_may_be_left(store: Store) -> None:
    for key in "abc":
        store.create_object("bukaopu", key, b"")
    entries = iter(store.iter_objects("bukaopu"))
    assert getattr(next(entries), "key", None) == "a"
    del entries


def test_many_threads_share_one_loop(store: Store) -> None:
    def work(index: int) -> None:
        store.create_object("bukaopu", f"k{index}", str(index))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.get_all_objects("bukaopu")) == 16


def test_what_is_no_context_manager_is_refused(store: Store, loop: LoopThread) -> None:
    with pytest.raises(TypeError), BlockingFace(object(), loop):
        pass


def test_loop_is_closed_once(loop: LoopThread) -> None:
    loop.close()
    loop.close()
