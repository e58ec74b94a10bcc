"""Reading: ranges, reading piece by piece, verification, files; what happens to a body that breaks."""

from __future__ import annotations

import gc
import io
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ...bodies import Body, BytesBody
from ...capabilities import Capabilities
from ...checksums import ALGORITHMS, new_hasher
from ...driver import Driver, Flow, GetResult, OpContext
from ...errors import (
    ChecksumMismatchError,
    InvalidArgumentError,
    ObjectNotFoundError,
    RangeNotSatisfiableError,
    StoreClosedError,
    TransportError,
)
from ...model import GetOptions
from ...pass_through import BorrowingDriver
from ...policy import RetryPolicy
from ...reading import UNREAD_WARNING_BYTES
from ...store import Store
from .account import Account, Narrowed, RecordingDriver
from .base import ConformanceTests, needs, payload

__all__ = ["ReadingTests"]

DATA = b"0123456789"
AT_ONCE = RetryPolicy(base_delay=0, max_delay=0)

RANGES: tuple[tuple[int | None, int | None, bytes], ...] = (
    (None, None, DATA),
    (0, None, DATA),
    (1, None, DATA[1:]),
    (9, None, b"9"),
    (0, 1, b"0"),
    (0, 9, DATA[:9]),
    (0, 10, DATA),
    (0, 11, DATA),
    (None, 4, b"0123"),
    (3, 7, b"3456"),
    (3, 4, b"3"),
    (9, 10, b"9"),
    (9, 10**15, b"9"),
    (5, 99, b"56789"),
    (-1, None, b"9"),
    (-4, None, b"6789"),
    (-10, None, DATA),
    (-99, None, DATA),
)
"""(start, end, the bytes) of an object of ten."""


class _Altered(Body):
    """A body whose bytes go through a function before the reader has them."""

    def __init__(self, inner: Body, alter: Callable[[memoryview], int]) -> None:
        self._inner = inner
        self._alter = alter

    def readinto(self, buffer: memoryview) -> Flow[int]:
        count = yield from self._inner.readinto(buffer)
        return self._alter(buffer[:count])

    def close(self) -> None:
        self._inner.close()


class _Corrupting(BorrowingDriver):
    """Changes the last byte of every body that it opens."""

    def get_object(self, ctx: OpContext, bucket: str, key: str, options: GetOptions) -> Flow[GetResult]:
        result: GetResult = yield from self.inner.get_object(ctx, bucket, key, options)
        left = result.end - result.start

        def alter(data: memoryview) -> int:
            nonlocal left
            left -= len(data)
            if data and not left:
                data[-1] ^= 1
            return len(data)

        return GetResult(result.info, _Altered(result.body, alter), result.start, result.end)


class _Breaking(RecordingDriver):
    """Breaks off the body of the first GET after `after` bytes; then lets `meanwhile` happen."""

    def __init__(self, inner: Driver, after: int, meanwhile: Callable[[], object]) -> None:
        super().__init__(inner)
        self._after = after
        self._meanwhile = meanwhile
        self._broken = False

    def get_object(self, ctx: OpContext, bucket: str, key: str, options: GetOptions) -> Flow[GetResult]:
        result: GetResult = yield from self.inner.get_object(ctx, bucket, key, options)
        if self._broken:
            return result
        left = self._after

        def alter(data: memoryview) -> int:
            nonlocal left
            if left == 0:
                self._broken = True
                self._meanwhile()
                raise TransportError("the connection broke", retryable=True)
            count = min(left, len(data))
            left -= count
            return count

        return GetResult(result.info, _Altered(result.body, alter), result.start, result.end)


class _Opened(BorrowingDriver):
    """Keeps the bodies that it opens."""

    def __init__(self, inner: Driver) -> None:
        super().__init__(inner)
        self.kinds: list[type[Body]] = []

    def get_object(self, ctx: OpContext, bucket: str, key: str, options: GetOptions) -> Flow[GetResult]:
        result: GetResult = yield from self.inner.get_object(ctx, bucket, key, options)
        self.kinds.append(type(result.body))
        return result


class ReadingTests(ConformanceTests):
    """Reading."""

    # --- ranges ---

    @needs("ranges")
    @pytest.mark.parametrize(("start", "end", "expected"), RANGES)
    def test_range(
        self, store: Store, bucket: str, start: int | None, end: int | None, expected: bytes
    ) -> None:
        if not store.capabilities.ranges:
            start, end = 1, 2  # whole objects are read by every driver
        store.create_object(bucket, "k", DATA)
        found = store.get_object(bucket, "k", start=start, end=end)
        assert found.read() == expected
        assert found.size == len(DATA), "the size of an object that is read in part is the whole's"
        assert found.read() == b"", "there is something after the range"

    @needs("ranges")
    @pytest.mark.parametrize("start", [10, 11, 10**15])
    def test_range_from_the_end_on_is_not_satisfiable(
        self, store: Store, bucket: str, start: int
    ) -> None:
        store.create_object(bucket, "k", DATA)
        with pytest.raises(RangeNotSatisfiableError) as caught:
            store.get_object(bucket, "k", start=start)
        assert caught.value.key == "k"
        with pytest.raises(RangeNotSatisfiableError):
            store.get_object(bucket, "k", start=start, end=start + 5)

    @pytest.mark.parametrize(
        ("start", "end"), [(5, 5), (5, 4), (0, 0), (None, 0), (3, -1), (-3, 2), (-3, -1), (True, None)]
    )
    def test_empty_or_reversed_range_is_refused_before_any_io(
        self,
        recorded: Store,
        recorder: RecordingDriver,
        bucket: str,
        start: int | None,
        end: int | None,
    ) -> None:
        with pytest.raises(InvalidArgumentError):
            recorded.get_object(bucket, "k", start=start, end=end)
        with pytest.raises(InvalidArgumentError):
            recorded.get_object(bucket, "k", start=1.5)  # type: ignore[arg-type]
        assert recorder.calls == []

    def test_empty_object_reads_whole_as_nothing(self, store: Store, bucket: str) -> None:
        store.create_object(bucket, "k", b"")
        assert store.get_object(bucket, "k").read() == b""
        assert store.get_object(bucket, "k", start=0).read() == b""
        assert store.head_object(bucket, "k").read() == b""

    @needs("ranges")
    def test_empty_object_reads_by_suffix_as_nothing(self, store: Store, bucket: str) -> None:
        store.create_object(bucket, "k", b"")
        assert store.get_object(bucket, "k", start=-5).read() == b""

    @needs("ranges")
    @pytest.mark.parametrize(("start", "end"), [(0, 5), (1, None), (1, 5)])
    def test_empty_object_has_no_other_range(
        self, store: Store, bucket: str, start: int, end: int | None
    ) -> None:
        store.create_object(bucket, "k", b"")
        with pytest.raises(RangeNotSatisfiableError):
            store.get_object(bucket, "k", start=start, end=end)

    @needs("ranges")
    def test_range_of_a_missing_object_raises_object_not_found(self, store: Store, bucket: str) -> None:
        with pytest.raises(ObjectNotFoundError):
            store.get_object(bucket, "k", start=1, end=2)

    @needs("ranges")
    def test_range_across_parts(self, store: Store, bucket: str, part_size: int) -> None:
        data = payload(3 * part_size + 5)
        store.create_object(bucket, "k", data)
        for start, end in (
            (part_size - 3, part_size + 3),
            (5, 2 * part_size + 7),
            (-part_size - 9, None),
        ):
            found = store.get_object(bucket, "k", start=start, end=end)
            assert found.read() == data[start:end], f"the range [{start}, {end}) is wrong"

    # --- piece by piece ---

    def test_one_read_is_one_request(
        self, recorded: Store, recorder: RecordingDriver, bucket: str
    ) -> None:
        recorded.create_object(bucket, "k", DATA)
        recorder.calls.clear()
        assert recorded.get_object(bucket, "k").read() == DATA
        assert recorder.calls == ["get_object"]

    def test_missing_object_is_told_before_the_first_read(self, store: Store, bucket: str) -> None:
        with pytest.raises(ObjectNotFoundError):
            store.get_object(bucket, "k")

    def test_read_a_few_bytes_at_a_time(self, store: Store, bucket: str) -> None:
        store.create_object(bucket, "k", DATA)
        with store.get_object(bucket, "k") as found:
            assert found.tell() == 0
            assert found.read(3) == b"012"
            assert found.tell() == 3
            assert found.read(0) == b""
            assert found.read(4) == b"3456"
            assert found.read(99) == b"789"
            assert found.read(1) == b""
            assert found.read() == b""
            assert found.tell() == 10

    def test_rest_after_a_first_read(self, store: Store, bucket: str) -> None:
        store.create_object(bucket, "k", DATA)
        with store.get_object(bucket, "k") as found:
            assert found.read(3) == b"012"
            assert found.read() == DATA[3:]

    def test_readinto(self, store: Store, bucket: str) -> None:
        data = payload(5000)
        store.create_object(bucket, "k", data)
        buffer = bytearray(700)
        got = bytearray()
        with store.get_object(bucket, "k") as found:
            assert found.readinto(bytearray()) == 0
            while count := found.readinto(buffer):
                got += buffer[:count]
        assert got == data

    @pytest.mark.parametrize("size", [1, 7, 999, 1000, 1001])
    def test_iter_chunks(self, store: Store, bucket: str, size: int) -> None:
        data = payload(1000)
        store.create_object(bucket, "k", data)
        chunks = list(store.get_object(bucket, "k").iter_chunks(size))
        assert b"".join(chunks) == data
        assert [len(chunk) for chunk in chunks[:-1]] == [size] * (len(chunks) - 1)

    @pytest.mark.parametrize("size", [7, 250, 1000, 1001])
    def test_chunks_that_are_read_ahead(self, store: Store, bucket: str, size: int) -> None:
        data = payload(1000)
        store.create_object(bucket, "k", data)
        for found in (store.get_object(bucket, "k"), store.head_object(bucket, "k")):
            chunks = list(found.iter_chunks(size, read_ahead=3))
            assert b"".join(chunks) == data
            assert [len(chunk) for chunk in chunks[:-1]] == [size] * (len(chunks) - 1)
            stated = found.checksums
            assert found.verified_by in ({*stated} if stated else {None})
            assert found.read() == b""

    def test_reading_ahead_of_a_part_that_is_left(self, store: Store, bucket: str) -> None:
        data = payload(1000)
        store.create_object(bucket, "k", data)
        found = store.get_object(bucket, "k")
        assert found.read(100) == data[:100]
        pieces = found.iter_chunks(50, read_ahead=2)
        assert [next(pieces), next(pieces)] == [data[100:150], data[150:200]]
        pieces.close()  # type: ignore[attr-defined]
        assert found.tell() == 200
        assert found.read(10) == data[200:210]
        found.close()

    @needs("ranges")
    def test_reading_a_range_ahead(self, store: Store, bucket: str) -> None:
        data = payload(1000)
        store.create_object(bucket, "k", data)
        found = store.get_object(bucket, "k", start=100, end=905)
        assert b"".join(found.iter_chunks(100, read_ahead=4)) == data[100:905]

    def test_object_that_is_replaced_while_it_is_read_ahead(self, store: Store, bucket: str) -> None:
        data = payload(5000)
        store.create_object(bucket, "k", data)
        with store.get_object(bucket, "k") as found:
            pieces = found.iter_chunks(1000, read_ahead=1)
            first = next(pieces)
            store.create_object(bucket, "k", payload(5000, seed=9))
            try:
                rest = b"".join(pieces)
            except TransportError:
                rest = b""
            assert data.startswith(first + rest), "bytes of two objects"

    @pytest.mark.parametrize("size", [0, -1, True, "7"])
    def test_chunk_without_a_size_is_refused(self, store: Store, bucket: str, size: Any) -> None:
        store.create_object(bucket, "k", DATA)
        with store.get_object(bucket, "k") as found, pytest.raises(InvalidArgumentError):
            list(found.iter_chunks(size))

    def test_text_of_another_encoding(self, store: Store, bucket: str) -> None:
        store.create_object(bucket, "k", "grüße".encode("latin-1"))
        assert store.get_object(bucket, "k").text("latin-1") == "grüße"
        with pytest.raises(UnicodeDecodeError):
            store.get_object(bucket, "k").text()

    @needs("ranges")
    def test_seek_and_tell(self, store: Store, bucket: str) -> None:
        store.create_object(bucket, "k", DATA)
        with store.get_object(bucket, "k") as found:
            assert found.seek(4) == 4
            assert found.read(2) == b"45"
            assert found.seek(-3, io.SEEK_END) == 7
            assert found.read() == b"789"
            assert found.seek(0) == 0
            assert found.read(1) == b"0"
            assert found.seek(2, io.SEEK_CUR) == 3
            assert found.tell() == 3
            assert found.read(1) == b"3"
            assert found.seek(99) == 99
            assert found.read() == b""

    @needs("ranges")
    def test_seek_within_a_range(self, store: Store, bucket: str) -> None:
        store.create_object(bucket, "k", DATA)
        with store.get_object(bucket, "k", start=2, end=8) as found:
            assert found.read(2) == b"23"
            assert found.seek(1) == 1
            assert found.read(2) == b"34"
            assert found.seek(-1, io.SEEK_END) == 5
            assert found.read() == b"7"

    def test_seek_before_the_first_byte_is_refused(self, store: Store, bucket: str) -> None:
        store.create_object(bucket, "k", DATA)
        with store.get_object(bucket, "k") as found:
            with pytest.raises(InvalidArgumentError):
                found.seek(-1)
            with pytest.raises(InvalidArgumentError):
                found.seek(0, 3)

    def test_object_of_head_and_of_a_listing_opens_at_the_first_read(
        self, recorded: Store, recorder: RecordingDriver, bucket: str
    ) -> None:
        recorded.create_object(bucket, "k", DATA)
        recorder.calls.clear()
        head = recorded.head_object(bucket, "k")
        assert recorder.calls == ["head_object"]
        assert head.read() == DATA
        assert recorder.calls == ["head_object", "get_object"]
        recorder.calls.clear()
        [entry] = recorded.get_all_objects(bucket)
        assert entry.read(4) == b"0123"
        assert entry.read() == b"456789"
        assert recorder.calls == ["list_page", "get_object"], "reading on opened another body"

    def test_closed_object_cannot_be_read(self, store: Store, bucket: str) -> None:
        store.create_object(bucket, "k", DATA)
        found = store.get_object(bucket, "k")
        states = [found.closed]
        found.close()
        found.close()
        states.append(found.closed)
        assert states == [False, True]
        with pytest.raises(StoreClosedError):
            found.read()
        with pytest.raises(StoreClosedError):
            found.readinto(bytearray(1))

    def test_object_is_a_context_manager(self, store: Store, bucket: str) -> None:
        store.create_object(bucket, "k", DATA)
        with store.get_object(bucket, "k") as found:
            assert found.read(1) == b"0"
        assert found.closed is True

    def test_buffered_file_over_an_object(self, account: Account, bucket: str) -> None:
        store = account.store("Store")  # AsyncStore has no blocking files
        store.create_object(bucket, "k", b"one\ntwo\nthree")
        found = store.get_object(bucket, "k")
        with found.open() as file:
            assert file.readable()
            assert file.seekable()
            assert file.readline() == b"one\n"
            assert file.peek(1)[:1] == b"t"
            assert list(file) == [b"two\n", b"three"]
            if store.capabilities.ranges:
                file.seek(4)
                assert file.read() == b"two\nthree"
        assert found.closed, "closing the file leaves the object open"

    def test_text_wrapper_over_an_object(self, account: Account, bucket: str) -> None:
        store = account.store("Store")
        store.create_object(bucket, "k", "grüße\n世界")
        with io.TextIOWrapper(store.get_object(bucket, "k").open(), encoding="utf-8") as file:
            assert file.read() == "grüße\n世界"

    def test_unread_body_warns_where_it_is_large_and_holds_a_connection(
        self, account: Account, face: str, bucket: str
    ) -> None:
        opened = _Opened(account.driver)
        with account.over(opened, face) as store:
            for size in (UNREAD_WARNING_BYTES + 1, 10):
                store.create_object(bucket, "k", payload(size))
                with warnings.catch_warnings(record=True) as caught:
                    warnings.simplefilter("always", ResourceWarning)
                    store.get_object(bucket, "k")
                    gc.collect()
                wanted = size > UNREAD_WARNING_BYTES and not issubclass(opened.kinds[-1], BytesBody)
                told = [w for w in caught if "unread" in str(w.message)]
                assert len(told) == wanted, f"{len(told)} warnings for {size} unread bytes"

    # --- raw bodies ---

    @needs("content_encoding")
    def test_encoded_body_comes_as_it_was_stored(self, store: Store, bucket: str) -> None:
        data = b"\x1f\x8b\x08 not even gzip"
        store.create_object(bucket, "k", data, content_encoding="gzip")
        found = store.get_object(bucket, "k")
        assert found.content_encoding == "gzip"
        assert found.size == len(data)
        assert found.read() == data

    # --- verification ---

    def test_verified_by_names_what_was_verified(self, store: Store, bucket: str) -> None:
        data = payload(5000)
        store.create_object(bucket, "k", data)
        found = store.get_object(bucket, "k")
        assert found.verified_by is None, "nothing has been read yet"
        stated = set(found.checksums)
        assert found.read() == data
        assert (found.verified_by in stated) if stated else (found.verified_by is None)

    @needs("ranges")
    def test_range_is_not_called_verified(self, store: Store, bucket: str) -> None:
        store.create_object(bucket, "k", DATA)
        found = store.get_object(bucket, "k", start=1, end=5)
        found.read()
        assert found.verified_by is None

    def test_stated_checksums_are_those_of_the_bytes(self, store: Store, bucket: str) -> None:
        data = payload(5000)
        store.create_object(bucket, "k", data)
        for algorithm, digest in store.get_object(bucket, "k").checksums.items():
            if algorithm in ALGORITHMS:
                hasher = new_hasher(algorithm)
                hasher.update(data)
                assert digest == hasher.hexdigest(), f"{algorithm} is stated wrongly"

    def test_corrupted_body_is_found_out_where_the_vendor_states_a_checksum(
        self, account: Account, face: str, bucket: str, tmp_path: Path
    ) -> None:
        data = payload(70_000)
        with account.over(_Corrupting(account.driver), face) as store:
            store.create_object(bucket, "k", data)
            if not store.head_object(bucket, "k").checksums:
                with store.get_object(bucket, "k") as found:
                    found.read()
                    assert found.verified_by is None
                return
            with pytest.raises(ChecksumMismatchError) as caught:
                store.get_object(bucket, "k").read()
            assert caught.value.key == "k"
            pieces = bytearray()
            with pytest.raises(ChecksumMismatchError):  # noqa: PT012 - the loop is what raises
                for chunk in store.get_object(bucket, "k").iter_chunks(1000):
                    pieces += chunk
            assert len(pieces) <= len(data) - 1, "the last chunk was handed out unverified"
            assert data.startswith(pieces)
            target = tmp_path / "target"
            target.write_bytes(b"old")
            with pytest.raises(ChecksumMismatchError):
                store.get_object_to_file(bucket, "k", target)
            assert target.read_bytes() == b"old", "a file was replaced by unverified data"
            assert list(tmp_path.iterdir()) == [target], "a temporary file is left"

    @needs("ranges")
    @pytest.mark.parametrize("after", [0, 1, 500, 9_999])
    def test_body_that_breaks_off_goes_on_where_it_stopped(
        self, store: Store, account: Account, face: str, bucket: str, after: int
    ) -> None:
        if not store.capabilities.ranges:
            store.get_object(bucket, "k", start=1)
        data = payload(10_000)
        breaking = _Breaking(account.driver, after, lambda: None)
        with account.over(breaking, face, AT_ONCE) as over:
            over.create_object(bucket, "k", data)
            found = over.get_object(bucket, "k")
            assert found.read() == data
            assert (found.verified_by in found.checksums) if found.checksums else True
            assert breaking.count("get_object") == 2

    @needs("ranges")
    def test_body_that_breaks_off_is_not_mixed_with_another_object(
        self, store: Store, account: Account, face: str, bucket: str
    ) -> None:
        if not store.capabilities.ranges:
            store.get_object(bucket, "k", start=1)
        replacing = account.store("Store")

        def replace_it() -> None:
            replacing.create_object(bucket, "k", payload(10_000, seed=7))

        with account.over(_Breaking(account.driver, 500, replace_it), face, AT_ONCE) as over:
            over.create_object(bucket, "k", payload(10_000))
            with pytest.raises(TransportError):
                over.get_object(bucket, "k").read()

    def test_body_that_breaks_off_without_ranges_is_an_error(
        self, account: Account, face: str, bucket: str
    ) -> None:
        class Breaking(_Breaking, Narrowed):
            @property
            def capabilities(self) -> Capabilities:  # type: ignore[override]
                return Narrowed(self.inner, "ranges").capabilities

        with account.over(Breaking(account.driver, 10, lambda: None), face, AT_ONCE) as over:
            over.create_object(bucket, "k", payload(1000))
            with pytest.raises(TransportError) as caught:
                over.get_object(bucket, "k").read()
            assert caught.value.outcome == "not_applied"

    # --- files ---

    def test_get_object_to_file(
        self, store: Store, bucket: str, tmp_path: Path, part_size: int
    ) -> None:
        data = payload(part_size + 3)
        store.create_object(bucket, "k", data)
        target = tmp_path / "target"
        told: list[tuple[int, int | None]] = []
        made = store.get_object_to_file(
            bucket, "k", target, progress=lambda done, total: told.append((done, total))
        )
        assert target.read_bytes() == data
        assert made.key == "k"
        assert made.size == len(data)
        assert told[-1] == (len(data), len(data))
        store.create_object(bucket, "k", b"")
        store.get_object_to_file(bucket, "k", str(target))
        assert target.read_bytes() == b"", "the old file was not replaced"
        assert list(tmp_path.iterdir()) == [target], "a temporary file is left"

    def test_file_is_kept_where_the_object_cannot_be_read(
        self, store: Store, bucket: str, tmp_path: Path
    ) -> None:
        target = tmp_path / "target"
        target.write_bytes(b"old")
        with pytest.raises(ObjectNotFoundError):
            store.get_object_to_file(bucket, "missing", target)
        assert target.read_bytes() == b"old"
        assert list(tmp_path.iterdir()) == [target]

    def test_file_is_kept_where_progress_raises(
        self, store: Store, bucket: str, tmp_path: Path
    ) -> None:
        store.create_object(bucket, "k", DATA)
        target = tmp_path / "target"
        target.write_bytes(b"old")

        def progress(done: int, total: int | None) -> None:
            raise KeyError("stop")

        with pytest.raises(KeyError):
            store.get_object_to_file(bucket, "k", target, progress=progress)
        assert target.read_bytes() == b"old"
        assert list(tmp_path.iterdir()) == [target]

    def test_file_where_none_can_be_written_raises_what_python_raises(
        self, store: Store, bucket: str, tmp_path: Path
    ) -> None:
        store.create_object(bucket, "k", DATA)
        with pytest.raises(FileNotFoundError):
            store.get_object_to_file(bucket, "k", tmp_path / "no folder" / "target")
        with pytest.raises(InvalidArgumentError):
            store.get_object_to_file(bucket, "k", tmp_path)

    @needs("ranges")
    def test_range_to_a_file(self, store: Store, bucket: str, tmp_path: Path) -> None:
        store.create_object(bucket, "k", DATA)
        store.get_object_to_file(bucket, "k", tmp_path / "f", start=2, end=5)
        assert (tmp_path / "f").read_bytes() == b"234"
