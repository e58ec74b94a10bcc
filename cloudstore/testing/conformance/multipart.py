"""Multipart uploads that the caller drives: parts, order, completion, abortion, going on elsewhere."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ...capabilities import Limits
from ...errors import (
    InvalidArgumentError,
    InvalidPartError,
    ObjectAlreadyExistsError,
    PreconditionFailedError,
    TooLargeError,
    UploadNotFoundError,
)
from ...model import ByteRange, Part, UploadRef
from ...pass_through import BorrowingDriver
from ...store import Store
from .account import Account, RecordingDriver
from .base import ConformanceTests, needs, payload

__all__ = ["MultipartTests"]


class _SmallParts(BorrowingDriver):
    """Takes parts of ten bytes at most."""

    @property
    def limits(self) -> Limits:  # type: ignore[override]
        return replace(self.inner.limits, max_part_size=10)


class Interrupted(Exception):
    """What ends a block in these tests."""


class MultipartTests(ConformanceTests):
    """Multipart uploads."""

    @needs("multipart")
    def test_one_part(self, store: Store, bucket: str) -> None:
        upload = store.create_multipart_upload(bucket, "k")
        assert (upload.bucket, upload.key) == (bucket, "k")
        part = upload.upload_part(1, b"data")
        assert (part.number, part.size) == (1, 4)
        assert store.object_exists(bucket, "k") is False, "an upload is visible before it is complete"
        result = upload.complete()
        found = store.get_object(bucket, "k")
        assert found.read() == b"data"
        assert result.etag in (None, found.etag)

    @needs("multipart")
    def test_empty_part(self, store: Store, bucket: str) -> None:
        upload = store.create_multipart_upload(bucket, "k")
        upload.upload_part(1, b"")
        upload.complete()
        assert store.get_object(bucket, "k").read() == b""

    @needs("multipart")
    def test_many_parts_out_of_order(self, store: Store, bucket: str, part_size: int) -> None:
        parts = {n: payload(part_size, seed=n) for n in (3, 1, 4, 2)}
        parts[5] = payload(17, seed=5)
        upload = store.create_multipart_upload(bucket, "k")
        for number, data in parts.items():
            upload.upload_part(number, data)
        upload.complete()
        assert store.get_object(bucket, "k").read() == b"".join(parts[n] for n in sorted(parts))

    @needs("multipart")
    def test_part_numbers_with_gaps(self, store: Store, account: Account, bucket: str) -> None:
        last = min(account.driver.limits.max_parts, 10_000)
        small = account.driver.limits.min_part_size
        upload = store.create_multipart_upload(bucket, "k")
        for number in (last, 7, 100):
            upload.upload_part(number, payload(max(small, 10), seed=number))
        upload.complete()
        expected = b"".join(payload(max(small, 10), seed=n) for n in (7, 100, last))
        assert store.get_object(bucket, "k").read() == expected

    @needs("multipart")
    def test_parts_in_any_order_are_completed_by_their_numbers(
        self, store: Store, bucket: str, part_size: int
    ) -> None:
        upload = store.create_multipart_upload(bucket, "k")
        parts = [upload.upload_part(n, payload(part_size, seed=n)) for n in (1, 2, 3)]
        upload.complete(parts[::-1])
        expected = b"".join(payload(part_size, seed=n) for n in (1, 2, 3))
        assert store.get_object(bucket, "k").read() == expected

    @needs("multipart")
    def test_parts_from_many_threads(self, store: Store, bucket: str, part_size: int) -> None:
        upload = store.create_multipart_upload(bucket, "k")
        numbers = range(1, 9)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda n: upload.upload_part(n, payload(part_size, seed=n)), numbers))
        upload.complete()
        expected = b"".join(payload(part_size, seed=n) for n in numbers)
        assert store.get_object(bucket, "k").read() == expected

    @needs("multipart")
    def test_part_of_any_source(self, store: Store, bucket: str, part_size: int, tmp_path: Any) -> None:
        data = payload(part_size)
        (tmp_path / "part").write_bytes(data)
        upload = store.create_multipart_upload(bucket, "k")
        upload.upload_part(1, tmp_path / "part")
        upload.upload_part(2, iter([data[:5], data[5:]]))
        with (tmp_path / "part").open("rb") as file:
            upload.upload_part(3, file)
        upload.upload_part(4, "text")
        upload.complete()
        assert store.get_object(bucket, "k").read() == data * 3 + b"text"

    @needs("multipart")
    def test_part_that_is_uploaded_again_replaces_the_first(
        self, store: Store, bucket: str, part_size: int
    ) -> None:
        upload = store.create_multipart_upload(bucket, "k")
        upload.upload_part(1, payload(part_size, seed=1))
        upload.upload_part(2, payload(20, seed=2))
        upload.upload_part(1, payload(part_size, seed=3))
        upload.complete()
        assert store.get_object(bucket, "k").read() == payload(part_size, seed=3) + payload(20, seed=2)

    @needs("multipart")
    def test_options_of_an_upload_become_those_of_the_object(self, store: Store, bucket: str) -> None:
        options: Any = {"content_type": "image/png"}
        if store.capabilities.metadata:
            options["metadata"] = {"A": "ä"}
        upload = store.create_multipart_upload(bucket, "k.html", **options)
        upload.upload_part(1, b"x")
        upload.complete()
        found = store.head_object(bucket, "k.html")
        assert found.content_type == "image/png"
        assert found.metadata == ({"a": "ä"} if store.capabilities.metadata else {})

    @needs("multipart")
    def test_completion_replaces_the_old_object_whole(self, store: Store, bucket: str) -> None:
        metadata = {"old": "1"} if store.capabilities.metadata else None
        store.create_object(bucket, "k", b"old", metadata=metadata)
        upload = store.create_multipart_upload(bucket, "k")
        upload.upload_part(1, b"new")
        assert store.get_object(bucket, "k").read() == b"old"
        upload.complete()
        found = store.get_object(bucket, "k")
        assert found.read() == b"new"
        assert found.metadata == {}

    # --- what is refused ---

    @needs("multipart")
    def test_part_number_out_of_range_is_refused_before_any_io(
        self, recorded: Store, recorder: RecordingDriver, account: Account, bucket: str, store: Store
    ) -> None:
        upload = recorded.create_multipart_upload(bucket, "k")
        recorder.calls.clear()
        numbers: list[Any] = [0, -1, account.driver.limits.max_parts + 1, True, "1", 1.0]
        for number in numbers:
            with pytest.raises(InvalidArgumentError):
                upload.upload_part(number, b"x")
        assert recorder.calls == []
        upload.abort()

    @needs("multipart")
    def test_completion_without_parts_is_refused(self, store: Store, bucket: str) -> None:
        upload = store.create_multipart_upload(bucket, "k")
        with pytest.raises(InvalidPartError):
            upload.complete()
        with pytest.raises(InvalidPartError):
            upload.complete([])
        assert store.object_exists(bucket, "k") is False
        upload.abort()

    @needs("multipart")
    def test_completion_with_a_part_that_is_not_there_is_refused(
        self, store: Store, bucket: str, part_size: int
    ) -> None:
        upload = store.create_multipart_upload(bucket, "k")
        first = upload.upload_part(1, payload(part_size))
        with pytest.raises(InvalidPartError):
            upload.complete([first, Part(2, first.etag, 1)])
        assert store.object_exists(bucket, "k") is False
        upload.abort()

    @needs("multipart")
    def test_completion_with_a_wrong_etag_is_refused(
        self, store: Store, bucket: str, part_size: int
    ) -> None:
        upload = store.create_multipart_upload(bucket, "k")
        old = upload.upload_part(1, payload(part_size, seed=1))
        new = upload.upload_part(1, payload(part_size, seed=2))
        with pytest.raises(InvalidPartError):
            upload.complete([old])
        assert store.object_exists(bucket, "k") is False
        upload.complete([new])
        assert store.get_object(bucket, "k").read() == payload(part_size, seed=2)

    @needs("multipart")
    def test_completion_with_a_number_twice_is_refused(self, store: Store, bucket: str) -> None:
        upload = store.create_multipart_upload(bucket, "k")
        part = upload.upload_part(1, b"x")
        with pytest.raises(InvalidPartError):
            upload.complete([part, part])
        upload.complete()
        assert store.get_object(bucket, "k").read() == b"x"

    @needs("multipart")
    def test_middle_part_below_the_minimum_is_refused(
        self, store: Store, account: Account, bucket: str
    ) -> None:
        least = account.driver.limits.min_part_size
        upload = store.create_multipart_upload(bucket, "k")
        if least > 1:
            upload.upload_part(1, payload(least - 1))
            upload.upload_part(2, b"x")
            with pytest.raises(InvalidPartError):
                upload.complete()
            assert store.object_exists(bucket, "k") is False
        upload.upload_part(1, payload(least))
        upload.upload_part(2, b"x")
        upload.complete()
        assert store.head_object(bucket, "k").size == least + 1

    @needs("multipart")
    def test_part_above_the_maximum_is_refused(
        self, store: Store, account: Account, face: str, bucket: str
    ) -> None:
        if not store.capabilities.multipart:
            store.create_multipart_upload(bucket, "k")
        with account.over(_SmallParts(account.driver), face) as over:
            upload = over.create_multipart_upload(bucket, "k")
            for data in (b"x" * 11, iter([b"x" * 11])):
                with pytest.raises(TooLargeError):
                    upload.upload_part(1, data)
            upload.abort()

    @needs("multipart")
    def test_condition_or_checksum_is_not_dropped_where_an_upload_begins(
        self, recorded: Store, store: Store, recorder: RecordingDriver, bucket: str
    ) -> None:
        if not store.capabilities.multipart:
            store.create_multipart_upload(bucket, "k")
        options: list[Any] = [
            {"if_absent": True},
            {"if_match": "x"},
            {"checksum": {"md5": "0" * 32}},
            {"no_such_option": 1},
        ]
        for option in options:
            with pytest.raises(InvalidArgumentError):
                recorded.create_multipart_upload(bucket, "k", **option)
        assert recorder.calls == []

    # --- ends ---

    @needs("multipart")
    def test_completed_upload_is_over(self, store: Store, account: Account, bucket: str) -> None:
        upload = store.create_multipart_upload(bucket, "k")
        upload.upload_part(1, b"x")
        upload.complete()
        store.create_object(bucket, "k", b"newer")
        if account.harness.completes_again:
            with suppress(UploadNotFoundError):  # after a while, it is forgotten
                upload.complete()
        else:
            with pytest.raises(UploadNotFoundError):
                upload.complete()
        assert store.get_object(bucket, "k").read() == b"newer", "the second completion wrote again"
        for call in (
            lambda: upload.upload_part(2, b"y"),
            lambda: upload.abort(),
        ):
            with pytest.raises(UploadNotFoundError) as caught:
                call()
            assert (caught.value.bucket, caught.value.key) == (bucket, "k")
        assert store.get_object(bucket, "k").read() == b"newer"

    @needs("multipart")
    def test_aborted_upload_leaves_the_old_object(self, store: Store, bucket: str) -> None:
        store.create_object(bucket, "k", b"old")
        upload = store.create_multipart_upload(bucket, "k")
        upload.upload_part(1, b"new")
        upload.abort()
        assert store.get_object(bucket, "k").read() == b"old"
        for call in (
            lambda: upload.complete(),
            lambda: upload.upload_part(1, b"y"),
            lambda: upload.abort(),
        ):
            with pytest.raises(UploadNotFoundError):
                call()
        assert store.get_object(bucket, "k").read() == b"old"

    @needs("multipart", "list_uploads")
    def test_aborted_upload_is_not_listed(self, store: Store, bucket: str) -> None:
        upload = store.create_multipart_upload(bucket, "k")
        upload.upload_part(1, b"x")
        assert len(store.list_multipart_uploads(bucket)) == 1
        upload.abort()
        assert store.list_multipart_uploads(bucket) == []

    @needs("multipart")
    def test_two_uploads_of_one_key_do_not_touch_each_other(self, store: Store, bucket: str) -> None:
        first = store.create_multipart_upload(bucket, "k")
        second = store.create_multipart_upload(bucket, "k")
        assert first.ref != second.ref
        first.upload_part(1, b"first")
        second.upload_part(1, b"second")
        second.complete()
        assert store.get_object(bucket, "k").read() == b"second"
        first.complete()
        assert store.get_object(bucket, "k").read() == b"first"

    @needs("multipart")
    def test_block_that_fails_aborts_its_upload(self, store: Store, bucket: str) -> None:
        upload = store.create_multipart_upload(bucket, "k")
        with pytest.raises(Interrupted), upload:  # noqa: PT012 - the block is what is tested
            upload.upload_part(1, b"x")
            raise Interrupted
        with pytest.raises(UploadNotFoundError):
            upload.upload_part(2, b"y")
        assert store.object_exists(bucket, "k") is False

    @needs("multipart")
    def test_block_that_ends_leaves_its_upload_to_be_completed(self, store: Store, bucket: str) -> None:
        with store.create_multipart_upload(bucket, "k") as upload:
            upload.upload_part(1, b"x")
        upload.complete()
        assert store.get_object(bucket, "k").read() == b"x"

    @needs("multipart")
    def test_block_that_fails_after_its_end_raises_the_first_error(
        self, store: Store, bucket: str
    ) -> None:
        upload = store.create_multipart_upload(bucket, "k")
        with pytest.raises(Interrupted), upload:  # noqa: PT012 - the block is what is tested
            upload.upload_part(1, b"x")
            upload.complete()
            raise Interrupted
        assert store.get_object(bucket, "k").read() == b"x"

    # --- conditions ---

    @needs("multipart", "complete_if_absent")
    def test_completion_if_absent(self, store: Store, bucket: str) -> None:
        upload = store.create_multipart_upload(bucket, "k")
        upload.upload_part(1, b"late")
        store.create_object(bucket, "k", b"early")
        with pytest.raises(ObjectAlreadyExistsError):
            upload.complete(if_absent=True)
        assert store.get_object(bucket, "k").read() == b"early"
        store.delete_object(bucket, "k")
        again = store.create_multipart_upload(bucket, "k")
        again.upload_part(1, b"alone")
        again.complete(if_absent=True)
        assert store.get_object(bucket, "k").read() == b"alone"

    @needs("multipart", "complete_if_match")
    def test_completion_if_match(self, store: Store, bucket: str) -> None:
        store.create_object(bucket, "k", b"old")
        etag = store.head_object(bucket, "k").etag
        upload = store.create_multipart_upload(bucket, "k")
        upload.upload_part(1, b"new")
        with pytest.raises(PreconditionFailedError):
            upload.complete(if_match="another")
        assert store.get_object(bucket, "k").read() == b"old"
        again = store.create_multipart_upload(bucket, "k")
        again.upload_part(1, b"newer")
        again.complete(if_match=etag)
        assert store.get_object(bucket, "k").read() == b"newer"

    # --- going on elsewhere ---

    @needs("multipart", "list_parts")
    def test_upload_goes_on_in_another_store_by_its_reference(
        self, store: Store, account: Account, face: str, bucket: str, part_size: int
    ) -> None:
        upload = store.create_multipart_upload(bucket, "k")
        upload.upload_part(1, payload(part_size, seed=1))
        upload.upload_part(3, payload(9, seed=3))
        text = upload.ref.to_json()
        assert not any(secret in text for secret in account.harness.secrets)
        with account.second_view(face) as other:
            resumed = other.resume_multipart_upload(UploadRef.from_json(text))
            assert [part.number for part in resumed.parts] == [1, 3]
            assert [part.size for part in resumed.parts] == [part_size, 9]
            resumed.upload_part(2, payload(part_size, seed=2))
            resumed.complete()
        expected = payload(part_size, seed=1) + payload(part_size, seed=2) + payload(9, seed=3)
        assert store.get_object(bucket, "k").read() == expected

    @needs("multipart", "list_parts")
    def test_upload_that_is_over_cannot_be_resumed(self, store: Store, bucket: str) -> None:
        upload = store.create_multipart_upload(bucket, "k")
        upload.upload_part(1, b"x")
        upload.abort()
        with pytest.raises(UploadNotFoundError):
            store.resume_multipart_upload(upload.ref)

    @needs("multipart", "list_parts")
    def test_parts_are_listed_by_number(self, store: Store, bucket: str, part_size: int) -> None:
        upload = store.create_multipart_upload(bucket, "k")
        made = [upload.upload_part(n, payload(part_size, seed=n)) for n in (2, 10, 1)]
        made.append(upload.upload_part(2, payload(part_size, seed=9)))
        listed = upload.list_parts()
        assert [part.number for part in listed] == [1, 2, 10]
        assert [part.size for part in listed] == [part_size] * 3
        assert [part.etag for part in listed] == [made[2].etag, made[3].etag, made[1].etag]
        upload.abort()

    def test_reference_of_another_vendor_is_refused(
        self, recorded: Store, recorder: RecordingDriver, bucket: str
    ) -> None:
        with pytest.raises(InvalidArgumentError):
            recorded.resume_multipart_upload(UploadRef("another", bucket, "k", "id"))
        assert recorder.calls == []

    @pytest.mark.parametrize(
        "text", ["", "[]", "{}", '{"vendor": 1}', b"\xff", '{"vendor":"a","bucket":"b","key":"k"}']
    )
    def test_reference_that_is_none_is_refused(self, text: str | bytes) -> None:
        with pytest.raises(InvalidArgumentError):
            UploadRef.from_json(text)

    # --- uploads under way ---

    @needs("multipart", "list_uploads")
    def test_uploads_are_listed_by_key(self, store: Store, bucket: str) -> None:
        refs = [store.create_multipart_upload(bucket, key).ref for key in ("b", "a/1", "a/2", "a/1")]
        found = store.list_multipart_uploads(bucket)
        assert sorted(f.ref.key for f in found) == ["a/1", "a/1", "a/2", "b"]
        assert {f.ref.upload_id for f in found} == {ref.upload_id for ref in refs}
        assert all(f.started_at is None or f.started_at.tzinfo is not None for f in found)
        under = store.list_multipart_uploads(bucket, prefix="a/")
        assert sorted(f.ref.key for f in under) == ["a/1", "a/1", "a/2"]
        assert store.get_all_objects(bucket) == [], "an upload shows in the listing of objects"

    @needs("multipart", "list_uploads", "list_parts")
    def test_listed_upload_can_be_resumed_and_completed(self, store: Store, bucket: str) -> None:
        store.create_multipart_upload(bucket, "k").upload_part(1, b"x")
        [found] = store.list_multipart_uploads(bucket)
        store.resume_multipart_upload(found.ref).complete()
        assert store.get_object(bucket, "k").read() == b"x"
        assert store.list_multipart_uploads(bucket) == []

    @needs("multipart", "list_uploads")
    def test_stale_uploads_are_aborted(self, store: Store, account: Account, bucket: str) -> None:
        kept = store.create_multipart_upload(bucket, "b")
        stale = store.create_multipart_upload(bucket, "a/1")
        stale.upload_part(1, b"x")
        assert store.abort_stale_uploads(bucket, timedelta(hours=1)) == [], "these have just begun"
        [listed] = store.list_multipart_uploads(bucket, prefix="a/")
        if not account.harness.tells_upload_times:
            assert listed.started_at is None, "the harness says that nobody knows how old these are"
            assert store.abort_stale_uploads(bucket, timedelta(), prefix="a/") == []
            return
        assert listed.started_at is not None
        ahead = (listed.started_at - datetime.now(UTC)).total_seconds()
        assert ahead <= account.harness.upload_time_step, f"it will have begun in {ahead} seconds"
        time.sleep(max(0.0, ahead + 0.01))
        gone = store.abort_stale_uploads(bucket, timedelta(), prefix="a/")
        assert [ref.upload_id for ref in gone] == [stale.ref.upload_id]
        with pytest.raises(UploadNotFoundError):
            stale.upload_part(2, b"y")
        kept.upload_part(1, b"kept")
        kept.complete()

    @needs("list_uploads")
    @pytest.mark.parametrize("age", [timedelta(seconds=-1), 5, None], ids=str)
    def test_impossible_age_is_refused(self, store: Store, bucket: str, age: Any) -> None:
        if not store.capabilities.list_uploads:
            age = timedelta()
        with pytest.raises(InvalidArgumentError):
            store.abort_stale_uploads(bucket, age)

    # --- copied parts ---

    @needs("multipart", "copy_part")
    def test_part_is_copied_from_an_object(
        self, store: Store, account: Account, bucket: str, part_size: int
    ) -> None:
        store.require("copy_part")
        data = payload(2 * part_size)
        store.create_object(bucket, "source", data)
        upload = store.create_multipart_upload(bucket, "k")
        driver, ref = account.driver, upload.ref

        def copied(number: int, start: int) -> Part:
            span = ByteRange(start, start + part_size)
            return account.perform(
                lambda ctx: driver.copy_part(ctx, ref, number, bucket, "source", span, None)
            )

        upload.complete([copied(1, part_size), copied(2, 0)])
        assert store.get_object(bucket, "k").read() == data[part_size:] + data[:part_size]
