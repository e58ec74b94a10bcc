"""Objects: what goes in comes out, from every kind of source and of every size; deletions."""

from __future__ import annotations

import array
import io
import os
import pickle
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from ...bodies import Payload
from ...driver import Driver, Flow, OpContext
from ...errors import (
    CloudStoreError,
    InvalidArgumentError,
    ObjectNotFoundError,
    PartialFailureError,
    PermissionDeniedError,
    UnavailableError,
    UnsupportedError,
)
from ...model import DeleteOptions, Part, UploadRef
from ...pass_through import BorrowingDriver
from ...store import Store
from .account import Account, RecordingDriver
from .base import ConformanceTests, needs, payload

__all__ = ["ObjectTests"]


class _DeniesDeletion(BorrowingDriver):
    """Does not delete keys that hold the word "denied"."""

    def delete_object(
        self, ctx: OpContext, bucket: str, key: str, options: DeleteOptions
    ) -> Flow[None]:
        if "denied" in key:
            raise PermissionDeniedError("no")
        return self.inner.delete_object(ctx, bucket, key, options)

    def delete_objects(
        self, ctx: OpContext, bucket: str, keys: Sequence[str]
    ) -> Flow[dict[str, CloudStoreError]]:
        allowed = [key for key in keys if "denied" not in key]
        failed = yield from self.inner.delete_objects(ctx, bucket, allowed)
        denied = {key: PermissionDeniedError("no") for key in keys if "denied" in key}
        return {**failed, **denied}


class _FailsOnParts(RecordingDriver):
    """Fails on a part; with `aborts` False, on the abortion after it as well."""

    def __init__(self, inner: Driver, *, number: int, aborts: bool) -> None:
        super().__init__(inner)
        self._number = number
        self._aborts = aborts

    def upload_part(self, ctx: OpContext, ref: UploadRef, number: int, payload: Payload) -> Flow[Part]:
        if number == self._number:
            raise PermissionDeniedError("no such part")
        return self.inner.upload_part(ctx, ref, number, payload)

    def abort_multipart(self, ctx: OpContext, ref: UploadRef) -> Flow[None]:
        if not self._aborts:
            raise UnavailableError("no abortion")
        return self.inner.abort_multipart(ctx, ref)


class SourceFailed(Exception):
    """What a source raises in these tests."""


class _Reader:
    """The least that counts as a file."""

    def __init__(self, data: bytes) -> None:
        self._file = io.BytesIO(data)

    def read(self, size: int = -1, /) -> bytes:
        return self._file.read(min(size, 1000) if size >= 0 else size)


def _pieces(data: bytes) -> Iterator[Any]:
    """Pieces of different sizes and kinds, an empty one among them."""
    yield b""
    yield data[:1]
    yield bytearray(data[1:100])
    yield memoryview(data)[100:]


def _mid_file(data: bytes, folder: Path) -> Any:
    path = folder / "mid"
    path.write_bytes(b"skipped" + data)
    file = path.open("rb")
    file.read(7)
    return file


def _pipe(data: bytes) -> Any:
    read_end, write_end = os.pipe()

    def feed() -> None:
        with open(write_end, "wb") as pipe:
            pipe.write(data)

    threading.Thread(target=feed, daemon=True).start()
    return open(read_end, "rb")


def _path(data: bytes, folder: Path) -> Path:
    path = folder / "source"
    path.write_bytes(data)
    return path


def _mid_bytes_io(data: bytes) -> io.BytesIO:
    file = io.BytesIO(b"skipped" + data)
    file.seek(7)
    return file


SOURCES: Mapping[str, Callable[[bytes, Path], Any]] = MappingProxyType(
    {
        "bytes": lambda data, _: data,
        "bytearray": lambda data, _: bytearray(data),
        "memoryview": lambda data, _: memoryview(data),
        "memoryview_of_a_slice": lambda data, _: memoryview(b"x" + data + b"x")[1:-1],
        "array": lambda data, _: array.array("B", data),
        "path": _path,
        "file": lambda data, folder: _path(data, folder).open("rb"),
        "unbuffered_file": lambda data, folder: _path(data, folder).open("rb", buffering=0),
        "file_from_its_position": _mid_file,
        "bytes_io": lambda data, _: io.BytesIO(data),
        "bytes_io_from_its_position": lambda data, _: _mid_bytes_io(data),
        "pipe": lambda data, _: _pipe(data),
        "reader": lambda data, _: _Reader(data),
        "list_of_bytes": lambda data, _: [data[:10], data[10:]],
        "iterator": lambda data, _: iter([data]),
        "generator": lambda data, _: _pieces(data),
    }
)
"""Every kind of data that `create_object` takes, but text and async iterators."""


ONE_SHOT = frozenset({"pipe", "reader", "list_of_bytes", "iterator", "generator"})
"""Those that can be read only once: more than a part of them needs multipart uploads."""


def _closed(source: Any) -> None:
    if hasattr(source, "close"):
        source.close()


class ObjectTests(ConformanceTests):
    """Writing, reading back, deleting."""

    # --- sources ---

    @pytest.mark.parametrize("kind", SOURCES)
    def test_source_of_a_few_bytes(self, store: Store, bucket: str, tmp_path: Path, kind: str) -> None:
        data = payload(1000)
        source = SOURCES[kind](data, tmp_path)
        try:
            made = store.create_object(bucket, "k", source)
        finally:
            _closed(source)
        assert made.size == len(data)
        assert store.get_object(bucket, "k").read() == data

    @pytest.mark.parametrize("kind", SOURCES)
    def test_source_larger_than_a_part(
        self, store: Store, bucket: str, tmp_path: Path, part_size: int, kind: str
    ) -> None:
        data = payload(3 * part_size + 17)
        source = SOURCES[kind](data, tmp_path)
        try:
            if kind in ONE_SHOT and not store.capabilities.multipart:
                with pytest.raises(UnsupportedError):
                    store.create_object(bucket, "k", source)
                return
            made = store.create_object(bucket, "k", source)
        finally:
            _closed(source)
        assert made.size == len(data)
        assert store.get_object(bucket, "k").read() == data

    def test_text_is_stored_as_utf_8(self, store: Store, bucket: str) -> None:
        store.create_object(bucket, "k", "grüße, 世界 🌍")
        found = store.get_object(bucket, "k")
        assert found.read() == "grüße, 世界 🌍".encode()
        assert store.get_object(bucket, "k").text() == "grüße, 世界 🌍"

    def test_lone_surrogate_in_text_is_refused(self, store: Store, bucket: str) -> None:
        with pytest.raises(InvalidArgumentError):
            store.create_object(bucket, "k", "\ud800")
        assert store.object_exists(bucket, "k") is False

    def test_user_file_stays_open(self, store: Store, bucket: str, tmp_path: Path) -> None:
        with _path(b"data", tmp_path).open("rb") as file:
            store.create_object(bucket, "k", file)
            assert not file.closed

    def test_file_open_for_update_is_stored_with_what_was_just_written(
        self, store: Store, bucket: str, tmp_path: Path
    ) -> None:
        with (tmp_path / "f").open("w+b") as file:
            file.write(b"written")
            file.seek(0)
            store.create_object(bucket, "k", file)
        assert store.get_object(bucket, "k").read() == b"written"

    def test_from_file(self, store: Store, bucket: str, tmp_path: Path) -> None:
        data = payload(5000)
        store.create_object_from_file(bucket, "k", _path(data, tmp_path))
        store.create_object_from_file(bucket, "l", str(_path(data, tmp_path)))
        assert store.get_object(bucket, "k").read() == data
        assert store.get_object(bucket, "l").read() == data

    def test_file_that_is_not_there_raises_what_python_raises(
        self, recorded: Store, recorder: RecordingDriver, bucket: str, tmp_path: Path
    ) -> None:
        with pytest.raises(FileNotFoundError):
            recorded.create_object_from_file(bucket, "k", tmp_path / "missing")
        with pytest.raises(IsADirectoryError):
            recorded.create_object_from_file(bucket, "k", tmp_path)
        assert recorder.calls == []

    @pytest.mark.parametrize("kind", ["text_file", "string_io", "iterator_of_text", "number", "none"])
    def test_what_is_no_data_is_refused(
        self, store: Store, bucket: str, tmp_path: Path, kind: str
    ) -> None:
        store.create_object(bucket, "k", b"old")
        text = tmp_path / "text"
        text.write_text("text")
        source: Any
        with text.open(encoding="utf-8") as file:
            source = {
                "text_file": file,
                "string_io": io.StringIO("text"),
                "iterator_of_text": iter(["text"]),
                "number": 7,
                "none": None,
            }[kind]
            with pytest.raises(InvalidArgumentError):
                store.create_object(bucket, "k", source)
        assert store.get_object(bucket, "k").read() == b"old"

    def test_async_iterator_is_a_source_of_async_store_only(
        self, store: Store, bucket: str, face: str, part_size: int
    ) -> None:
        data = payload(part_size // 2)

        async def pieces() -> AsyncIterator[bytes]:
            yield data[:7]
            yield data[7:]

        source: Any = pieces()
        if face == "AsyncStore":
            store.create_object(bucket, "k", source)
            assert store.get_object(bucket, "k").read() == data
        else:
            with pytest.raises(InvalidArgumentError, match="AsyncStore"):
                store.create_object(bucket, "k", source)

    @needs("multipart")
    def test_large_async_iterator(self, store: Store, bucket: str, face: str, part_size: int) -> None:
        data = payload(4 * part_size + 1)

        async def pieces() -> AsyncIterator[bytes]:
            for start in range(0, len(data), 1 + part_size // 2):
                yield data[start : start + 1 + part_size // 2]

        source: Any = pieces() if face == "AsyncStore" else iter([data])
        store.create_object(bucket, "k", source)
        assert store.get_object(bucket, "k").read() == data

    # --- sources that fail ---

    @pytest.mark.parametrize("parts", [0, 3], ids=["in_the_first_part", "after_three_parts"])
    def test_source_that_raises_leaves_the_old_object_and_no_upload(
        self,
        recorded: Store,
        recorder: RecordingDriver,
        bucket: str,
        part_size: int,
        parts: int,
    ) -> None:
        recorded.create_object(bucket, "k", b"old")

        def pieces() -> Iterator[bytes]:
            yield b"new"
            if recorded.capabilities.multipart:
                yield payload(parts * part_size)
            raise SourceFailed

        with pytest.raises(SourceFailed):
            recorded.create_object(bucket, "k", pieces())
        assert recorded.get_object(bucket, "k").read() == b"old", "half an object is visible"
        assert recorder.count("create_multipart") == recorder.count("abort_multipart"), "not aborted"
        if recorded.capabilities.list_uploads:
            assert recorded.list_multipart_uploads(bucket) == [], "parts are left behind"

    def test_source_that_raises_makes_no_object(self, store: Store, bucket: str) -> None:
        def pieces() -> Iterator[bytes]:
            yield b"half"
            raise SourceFailed

        with pytest.raises(SourceFailed):
            store.create_object(bucket, "k", pieces())
        assert store.object_exists(bucket, "k") is False
        assert store.get_all_objects(bucket) == []

    @pytest.mark.parametrize("aborts", [True, False], ids=["aborts", "cannot_abort"])
    def test_part_that_fails_is_the_error_and_leaves_the_old_object(
        self, account: Account, face: str, bucket: str, part_size: int, aborts: bool
    ) -> None:
        driver = _FailsOnParts(account.driver, number=2, aborts=aborts)
        with account.over(driver, face) as store:
            store.create_object(bucket, "k", b"old")
            if not store.capabilities.multipart:
                return
            for data in (payload(3 * part_size), iter([payload(3 * part_size)])):
                with pytest.raises(PermissionDeniedError, match="no such part"):
                    store.create_object(bucket, "k", data)
            assert store.get_object(bucket, "k").read() == b"old"
            assert driver.count("create_multipart") == driver.count("abort_multipart") == 2
            if aborts and store.capabilities.list_uploads:
                assert store.list_multipart_uploads(bucket) == []

    def test_progress_that_raises_stops_the_upload(
        self, recorded: Store, recorder: RecordingDriver, bucket: str, part_size: int
    ) -> None:
        if not recorded.capabilities.multipart:
            part_size = 100  # one request; then the object is there when progress is told

        def progress(done: int, total: int | None) -> None:
            raise SourceFailed

        with pytest.raises(SourceFailed):
            recorded.create_object(bucket, "k", payload(3 * part_size), progress=progress)
        assert recorder.count("create_multipart") == recorder.count("abort_multipart")
        if recorded.capabilities.multipart:
            assert recorded.object_exists(bucket, "k") is False
        if recorded.capabilities.list_uploads:
            assert recorded.list_multipart_uploads(bucket) == []

    # --- sizes ---

    @pytest.mark.parametrize("by", ["bytes", "iterator", "path"])
    @pytest.mark.parametrize("size", [0, 1, 2, 1023, 1024, 4097])
    def test_small_size(self, store: Store, bucket: str, tmp_path: Path, size: int, by: str) -> None:
        self._round_trip(store, bucket, payload(size, seed=size), tmp_path, by)

    @pytest.mark.parametrize("by", ["bytes", "iterator", "path"])
    @pytest.mark.parametrize("parts", [1, 2, 3])
    @pytest.mark.parametrize("more", [-1, 0, 1])
    def test_size_around_a_multiple_of_a_part(
        self,
        store: Store,
        bucket: str,
        tmp_path: Path,
        part_size: int,
        parts: int,
        more: int,
        by: str,
    ) -> None:
        data = payload(parts * part_size + more)
        if by in ONE_SHOT and len(data) > part_size and not store.capabilities.multipart:
            with pytest.raises(UnsupportedError):
                store.create_object(bucket, "k", iter([data]))
            return
        self._round_trip(store, bucket, data, tmp_path, by)

    def _round_trip(self, store: Store, bucket: str, data: bytes, folder: Path, by: str) -> None:
        store.create_object(bucket, "k", SOURCES[by](data, folder))
        found = store.get_object(bucket, "k")
        assert found.size == len(data)
        assert found.read() == data
        assert store.head_object(bucket, "k").size == len(data)
        assert [entry.size for entry in store.get_all_objects(bucket)] == [len(data)]

    def test_multipart_begins_above_the_threshold(
        self, recorded: Store, recorder: RecordingDriver, bucket: str, part_size: int
    ) -> None:
        recorded.create_object(bucket, "k", payload(2 * part_size))
        assert recorder.calls == ["put_object"]
        recorder.calls.clear()
        recorded.create_object(bucket, "k", payload(2 * part_size + 1))
        if recorded.capabilities.multipart:
            expected = ["create_multipart", *["upload_part"] * 3, "complete_multipart"]
            assert recorder.calls == expected
        else:
            assert recorder.calls == ["put_object"]

    def test_stream_within_the_first_part_is_one_request(
        self, recorded: Store, recorder: RecordingDriver, bucket: str, part_size: int
    ) -> None:
        recorded.create_object(bucket, "k", iter([payload(part_size)]))
        assert recorder.calls == ["put_object"]

    def test_bytes_of_every_value_come_back(self, store: Store, bucket: str) -> None:
        data = bytes(range(256)) * 3 + b"\r\n\r\n--boundary\r\n\x00\xff"
        store.create_object(bucket, "k", data)
        assert store.get_object(bucket, "k").read() == data

    def test_progress_tells_how_much_is_done(self, store: Store, bucket: str, part_size: int) -> None:
        told: list[tuple[int, int | None]] = []
        size = 3 * part_size if store.capabilities.multipart else 1000
        store.create_object(
            bucket, "k", payload(size), progress=lambda done, total: told.append((done, total))
        )
        assert told, "nobody was told"
        assert told[-1] == (size, size)
        assert [done for done, _ in told] == sorted(done for done, _ in told)
        assert all(total == size for _, total in told)

    # --- overwriting, what comes back ---

    def test_overwriting_replaces_everything(self, store: Store, bucket: str) -> None:
        metadata = {"a": "1"} if store.capabilities.metadata else None
        store.create_object(bucket, "k", b"old and long", content_type="image/png", metadata=metadata)
        before = store.head_object(bucket, "k")
        store.create_object(bucket, "k", b"new")
        after = store.get_object(bucket, "k")
        assert after.read() == b"new"
        assert after.size == 3
        assert after.content_type == "application/octet-stream"
        assert after.metadata == {}, "metadata of the old object is left"
        assert after.etag != before.etag, "another object has the same ETag"
        assert len(store.get_all_objects(bucket)) == 1

    def test_etag_is_unquoted_and_the_same_wherever_it_is_told(self, store: Store, bucket: str) -> None:
        made = store.create_object(bucket, "k", b"data")
        etag = store.head_object(bucket, "k").etag
        assert etag, "HEAD tells no ETag"
        assert '"' not in etag, f"the ETag {etag!r} has quotes"
        assert not etag.startswith("W/")
        assert store.get_object(bucket, "k").etag == etag
        assert made.etag in (None, etag)
        assert [entry.etag in (None, etag) for entry in store.get_all_objects(bucket)] == [True]

    def test_last_modified_is_aware_and_the_same_wherever_it_is_told(
        self, store: Store, bucket: str
    ) -> None:
        store.create_object(bucket, "k", b"data")
        told = store.head_object(bucket, "k").last_modified
        assert told is not None
        assert told.tzinfo is not None, "a naive datetime"
        again = store.get_object(bucket, "k").last_modified
        assert again is not None
        assert abs((again - told).total_seconds()) < 1, "HEAD and GET tell different times"

    def test_created_object_can_be_read_at_once(self, store: Store, bucket: str) -> None:
        assert store.create_object(bucket, "k", b"data").read() == b"data"

    def test_repr_of_object_says_its_key(self, store: Store, bucket: str) -> None:
        store.create_object(bucket, "a/.gitignore", b"")
        assert repr(store.get_object(bucket, "a/.gitignore")) == "<Object: a/.gitignore>"
        assert store.head_object(bucket, "a/.gitignore").short_name == ".gitignore"

    # --- existence, deletion ---

    def test_object_exists(self, store: Store, bucket: str) -> None:
        assert store.object_exists(bucket, "a/b") is False
        store.create_object(bucket, "a/b", b"")
        assert store.object_exists(bucket, "a/b") is True
        assert store.object_exists(bucket, "a") is False, "a prefix counts as an object"
        assert store.object_exists(bucket, "a/") is False

    def test_object_exists_sends_one_request_and_does_not_look_at_the_bucket(
        self, recorded: Store, recorder: RecordingDriver, account: Account
    ) -> None:
        assert recorded.object_exists(account.harness.bucket_name(), "k") is False
        assert recorder.calls == ["head_object"]

    @pytest.mark.parametrize("verb", ["get_object", "head_object", "get_metadata"])
    def test_missing_object_raises_object_not_found(self, store: Store, bucket: str, verb: str) -> None:
        store.create_object(bucket, "missing/child", b"")
        with pytest.raises(ObjectNotFoundError) as caught:
            getattr(store, verb)(bucket, "missing")
        assert caught.value.key == "missing"
        assert caught.value.bucket == bucket

    def test_deleted_object_is_gone(self, store: Store, bucket: str) -> None:
        store.create_object(bucket, "a", b"x")
        store.create_object(bucket, "a/b", b"x")
        store.delete_object(bucket, "a")
        assert store.object_exists(bucket, "a") is False
        with pytest.raises(ObjectNotFoundError):
            store.get_object(bucket, "a")
        assert store.object_exists(bucket, "a/b"), "deleting a key deleted another below it"

    def test_deleting_is_idempotent(self, store: Store, bucket: str) -> None:
        store.create_object(bucket, "k", b"x")
        store.delete_object(bucket, "k")
        store.delete_object(bucket, "k")
        store.delete_object(bucket, "never there")

    def test_deleting_what_must_be_there_raises_where_it_is_not(
        self, store: Store, bucket: str
    ) -> None:
        with pytest.raises(ObjectNotFoundError):
            store.delete_object(bucket, "k", missing_ok=False)
        store.create_object(bucket, "k", b"x")
        store.delete_object(bucket, "k", missing_ok=False)
        assert store.object_exists(bucket, "k") is False

    def test_batch_deletion_takes_missing_keys_for_deleted(self, store: Store, bucket: str) -> None:
        for key in ("a", "b", "c"):
            store.create_object(bucket, key, b"x")
        wanted = ["a", "missing", "c"]
        assert store.delete_objects(bucket, wanted) == wanted
        assert wanted == ["a", "missing", "c"], "the caller's list was changed"
        assert [entry.key for entry in store.get_all_objects(bucket)] == ["b"]

    def test_batch_deletion_tells_which_keys_failed_and_deletes_the_others(
        self, account: Account, face: str, bucket: str
    ) -> None:
        with account.over(_DeniesDeletion(account.driver), face) as store:
            for key in ("a", "denied 1", "b", "denied 2", "c"):
                store.create_object(bucket, key, b"")
            with pytest.raises(PartialFailureError) as caught:
                store.delete_objects(bucket, ["a", "denied 1", "missing", "b", "denied 2"])
            error = caught.value
            assert set(error.results) == {"denied 1", "denied 2"}
            assert {type(e) for e in error.results.values()} == {PermissionDeniedError}
            assert set(pickle.loads(pickle.dumps(error)).results) == set(error.results)
            left = {entry.key for entry in store.get_all_objects(bucket)}
            assert left == {"denied 1", "denied 2", "c"}
            if store.capabilities.create_bucket:
                with pytest.raises(PartialFailureError):
                    store.delete_bucket(bucket, force=True)

    def test_batch_deletion_of_nothing(self, store: Store, bucket: str) -> None:
        store.create_object(bucket, "a", b"x")
        assert store.delete_objects(bucket, []) == []
        assert store.object_exists(bucket, "a")

    def test_batch_deletion_reads_an_iterator_once(self, store: Store, bucket: str) -> None:
        for key in ("a", "b"):
            store.create_object(bucket, key, b"x")
        assert store.delete_objects(bucket, (key for key in ("a", "b"))) == ["a", "b"]
        assert store.get_all_objects(bucket) == []

    def test_batch_deletion_of_one_string_is_refused(
        self, recorded: Store, recorder: RecordingDriver, bucket: str
    ) -> None:
        with pytest.raises(InvalidArgumentError):
            recorded.delete_objects(bucket, "abc")
        assert recorder.calls == [], "the letters of a text were taken for keys"

    def test_batch_deletion_of_more_keys_than_one_request_takes(
        self, store: Store, account: Account, bucket: str
    ) -> None:
        there = [f"there/{n}" for n in range(20)]
        for key in there:
            store.create_object(bucket, key, b"")
        store.create_object(bucket, "kept", b"")
        batches = store.capabilities.delete_objects
        many = account.driver.limits.delete_batch + 1 if batches else 40
        wanted = [f"missing/{n}" for n in range(many - len(there))] + there
        assert store.delete_objects(bucket, wanted) == wanted
        assert [entry.key for entry in store.get_all_objects(bucket)] == ["kept"]

    def test_batch_deletion_with_a_bad_key_deletes_nothing(
        self, recorded: Store, recorder: RecordingDriver, bucket: str
    ) -> None:
        recorded.create_object(bucket, "a", b"")
        recorder.calls.clear()
        with pytest.raises(InvalidArgumentError):
            recorded.delete_objects(bucket, ["a", ""])
        assert recorder.calls == []
        assert recorded.object_exists(bucket, "a")
