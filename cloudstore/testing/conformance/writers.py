"""`open_writer`: an object written like a file; it commits on close and aborts on an exception."""

from __future__ import annotations

import gc

import pytest

from ...errors import CloudStoreError, ObjectAlreadyExistsError, StoreClosedError
from ...store import Store
from .account import Account, RecordingDriver
from .base import ConformanceTests, needs, payload

__all__ = ["WriterTests"]


class Interrupted(Exception):
    """What ends a block in these tests."""


class WriterTests(ConformanceTests):
    """Writers."""

    def test_small_object(self, recorded: Store, recorder: RecordingDriver, bucket: str) -> None:
        with recorded.open_writer(bucket, "k") as writer:
            assert writer.write(b"one ") == 4
            assert writer.write(bytearray(b"two ")) == 4
            assert writer.write(memoryview(b"three")) == 5
            assert writer.tell() == 13
            assert recorder.calls == [], "something was sent before the writer was closed"
        assert recorder.calls == ["put_object"]
        assert recorded.get_object(bucket, "k").read() == b"one two three"

    def test_empty_object(self, store: Store, bucket: str) -> None:
        with store.open_writer(bucket, "k"):
            pass
        assert store.get_object(bucket, "k").read() == b""

    @needs("multipart")
    def test_large_object(self, store: Store, bucket: str, part_size: int) -> None:
        data = payload(3 * part_size + 11)
        with store.open_writer(bucket, "k") as writer:
            for start in range(0, len(data), 5000):
                writer.write(data[start : start + 5000])
            assert store.object_exists(bucket, "k") is False
        found = store.get_object(bucket, "k")
        assert found.read() == data
        assert writer.result is not None
        assert writer.result.etag in (None, found.etag)

    @needs("multipart")
    def test_one_large_write(self, store: Store, bucket: str, part_size: int) -> None:
        data = payload(3 * part_size)
        with store.open_writer(bucket, "k") as writer:
            writer.write(data)
        assert store.get_object(bucket, "k").read() == data

    def test_options(self, store: Store, bucket: str) -> None:
        metadata = {"A": "1"} if store.capabilities.metadata else None
        with store.open_writer(bucket, "k", content_type="a/b", metadata=metadata) as writer:
            writer.write(b"x")
        found = store.head_object(bucket, "k")
        assert found.content_type == "a/b"
        assert found.metadata == ({"a": "1"} if metadata else {})

    @pytest.mark.parametrize("parts", [0, 3], ids=["small", "large"])
    def test_block_that_fails_leaves_the_old_object_and_no_upload(
        self,
        recorded: Store,
        recorder: RecordingDriver,
        bucket: str,
        part_size: int,
        parts: int,
    ) -> None:
        recorded.create_object(bucket, "k", b"old")
        writer = recorded.open_writer(bucket, "k")
        with pytest.raises(Interrupted), writer:  # noqa: PT012 - the block is what is tested
            writer.write(b"half")
            if recorded.capabilities.multipart:
                writer.write(payload(parts * part_size))
            raise Interrupted
        assert recorded.get_object(bucket, "k").read() == b"old"
        assert recorder.count("create_multipart") == recorder.count("abort_multipart")
        if recorded.capabilities.list_uploads:
            assert recorded.list_multipart_uploads(bucket) == []

    def test_aborted_writer_writes_nothing(self, store: Store, bucket: str) -> None:
        writer = store.open_writer(bucket, "k")
        writer.write(b"x")
        writer.abort()
        assert writer.closed
        with pytest.raises(StoreClosedError):
            writer.write(b"y")
        writer.close()
        assert store.object_exists(bucket, "k") is False

    def test_closed_writer_takes_nothing_more(self, store: Store, bucket: str) -> None:
        writer = store.open_writer(bucket, "k")
        writer.write(b"x")
        writer.close()
        writer.close()
        assert writer.closed
        with pytest.raises(StoreClosedError):
            writer.write(b"y")
        assert store.get_object(bucket, "k").read() == b"x"

    @needs("multipart")
    def test_writer_that_is_dropped_writes_nothing_and_leaves_nothing(
        self, store: Store, account: Account, bucket: str, part_size: int
    ) -> None:
        recorder = RecordingDriver(account.driver)
        with account.over(recorder, "Store") as over:  # an async writer cannot act when it is dropped
            writer = over.open_writer(bucket, "k")
            writer.write(payload(3 * part_size))
            del writer
            gc.collect()
            assert recorder.count("abort_multipart") == 1
        assert store.object_exists(bucket, "k") is False

    @needs("put_if_absent")
    def test_condition_of_a_writer(self, store: Store, bucket: str) -> None:
        store.create_object(bucket, "k", b"old")
        writer = store.open_writer(bucket, "k", if_absent=True)
        writer.write(b"new")
        with pytest.raises(ObjectAlreadyExistsError):
            writer.close()
        assert writer.closed
        assert store.get_object(bucket, "k").read() == b"old"

    def test_writer_of_a_closed_store_is_refused(self, account: Account, bucket: str) -> None:
        with account.over(RecordingDriver(account.driver), "Store") as over:
            writer = over.open_writer(bucket, "k")
            writer.write(b"x")
        with pytest.raises(StoreClosedError):
            writer.close()
        assert account.store().object_exists(bucket, "k") is False

    def test_text_is_no_data_of_a_writer(self, store: Store, bucket: str) -> None:
        writer = store.open_writer(bucket, "k")
        with pytest.raises((TypeError, CloudStoreError)):
            writer.write("text")
        writer.abort()
        assert store.object_exists(bucket, "k") is False
