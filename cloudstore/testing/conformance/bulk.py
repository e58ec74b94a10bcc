"""Many objects at a time: written, read, copied and deleted, each with a result of its own."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from ...errors import (
    BucketNotFoundError,
    InvalidArgumentError,
    InvalidKeyError,
    LocalFileError,
    ObjectAlreadyExistsError,
    ObjectNotFoundError,
    PartialFailureError,
    UnsupportedError,
)
from ...options import WriteOptions
from ...sources import Data
from ...store import Store
from .account import RecordingDriver
from .base import ConformanceTests, needs, payload

__all__ = ["BulkTests"]

MISSING = "no-such-bucket-of-many"


class Stopped(Exception):
    """What ends the work in these tests."""


def contents(count: int) -> dict[str, bytes]:
    """So many objects, each another."""
    return {f"many/{number:03}": payload(40 + number, number) for number in range(count)}


class BulkTests(ConformanceTests):
    """Many objects at a time."""

    def test_many_objects(self, store: Store, bucket: str) -> None:
        wanted = contents(30)
        assert store.create_objects(bucket, wanted) == 30
        found = {}
        for result in store.get_objects(bucket, iter(wanted)):
            assert result.error is None
            assert result.value is not None
            assert result.value.key == result.key
            assert result.value.size == len(wanted[result.key])
            found[result.key] = result.value.read()
        assert found == wanted

    def test_options_of_all_and_of_one(self, store: Store, bucket: str) -> None:
        none: WriteOptions = {}
        objects: list[tuple[str, Data, WriteOptions]] = [
            ("a", b"1", none),
            ("b", "text", none),
            ("c", b"3", {"content_type": "text/css"}),
        ]
        assert store.create_objects(bucket, objects, cache_control=None) == 3
        types = [store.head_object(bucket, key).content_type for key in "abc"]
        assert types[1:] == ["text/plain; charset=utf-8", "text/css"]

    @needs("metadata")
    def test_metadata_of_many(self, store: Store, bucket: str) -> None:
        store.create_objects(bucket, contents(3), metadata={"of": "all"})
        assert {store.get_metadata(bucket, key)["of"] for key in contents(3)} == {"all"}

    def test_each_result_is_told_once(self, store: Store, bucket: str) -> None:
        told: list[str] = []
        store.create_objects(bucket, contents(20), on_result=lambda result: told.append(result.key))
        assert sorted(told) == sorted(contents(20))

    def test_key_that_fails_is_no_reason_to_stop(self, store: Store, bucket: str) -> None:
        objects = {**contents(5), "": b"no key", ".cloudstore/x": b"not yours"}
        with pytest.raises(PartialFailureError) as caught:
            store.create_objects(bucket, objects)
        assert set(caught.value.results) == {"", ".cloudstore/x"}
        assert all(isinstance(error, InvalidKeyError) for error in caught.value.results.values())
        assert caught.value.outcome == "unknown"
        assert {o.key for o in store.get_all_objects(bucket)} == set(contents(5))

    def test_bucket_that_is_missing(self, store: Store) -> None:
        with pytest.raises(PartialFailureError) as caught:
            store.create_objects(MISSING, contents(3))
        assert set(caught.value.results) == set(contents(3))
        for key, error in caught.value.results.items():
            assert isinstance(error, BucketNotFoundError)
            assert (error.operation, error.bucket, error.key) == ("create_object", MISSING, key)
        for result in store.get_objects(MISSING, ["k"]):
            assert isinstance(result.error, BucketNotFoundError)

    @needs("put_if_absent")
    def test_many_that_must_not_be_there(
        self, store: Store, recorded: Store, recorder: RecordingDriver, bucket: str
    ) -> None:
        wanted = contents(4)
        if not store.capabilities.put_if_absent:
            recorded.create_objects(bucket, wanted, if_absent=True)
        store.create_object(bucket, "many/002", b"there")
        with pytest.raises(PartialFailureError) as caught:
            store.create_objects(bucket, wanted, if_absent=True)
        assert set(caught.value.results) == {"many/002"}
        assert isinstance(caught.value.results["many/002"], ObjectAlreadyExistsError)
        assert store.get_object(bucket, "many/002").read() == b"there"

    def test_wrong_options_are_refused_before_anything_is_sent(
        self, recorded: Store, recorder: RecordingDriver, bucket: str
    ) -> None:
        recorded.bucket_exists(bucket)
        recorder.calls.clear()
        with pytest.raises((InvalidArgumentError, UnsupportedError)):
            recorded.create_objects(bucket, contents(3), metadata={"a b": "no name"})
        with pytest.raises((InvalidArgumentError, UnsupportedError)):
            list(recorded.get_objects(bucket, ["k"], start=5, end=2))
        with pytest.raises(InvalidArgumentError):
            recorded.create_objects(bucket, contents(3), max_concurrency=0)
        with pytest.raises(InvalidArgumentError):
            list(recorded.get_objects(bucket, "text"))
        assert recorder.calls == []

    def test_missing_objects(self, store: Store, bucket: str) -> None:
        store.create_object(bucket, "there", b"x")
        results = {r.key: r for r in store.get_objects(bucket, ["there", "missing"])}
        assert results["there"].error is None
        assert isinstance(results["missing"].error, ObjectNotFoundError)
        assert results["missing"].value is None

    @needs("ranges")
    def test_ranges_of_many(self, store: Store, bucket: str) -> None:
        store.create_objects(bucket, {"a": b"0123456789", "b": b"abcdefghij"})
        found = {
            r.key: r.value.read()
            for r in store.get_objects(bucket, ["a", "b"], start=2, end=5)
            if r.value
        }
        assert found == {"a": b"234", "b": b"cde"}

    @needs("copy")
    def test_many_copies(self, store: Store, bucket: str) -> None:
        wanted = contents(10)
        store.create_objects(bucket, wanted)
        copies = {key: f"copies/{key}" for key in wanted}
        assert store.copy_objects(bucket, copies, bucket) == 10
        found = store.get_objects(bucket, copies.values())
        assert {r.key: r.value.read() for r in found if r.value} == {
            copies[key]: data for key, data in wanted.items()
        }
        with pytest.raises(PartialFailureError) as caught:
            store.copy_objects(bucket, ["many/000", ("missing", "to")], bucket)
        assert {key: type(e) for key, e in caught.value.results.items()} == {
            "missing": ObjectNotFoundError
        }

    def test_endless_iterable_that_is_stopped(self, store: Store, bucket: str) -> None:
        asked: list[int] = []
        told: list[str] = []

        def endless() -> Iterator[tuple[str, bytes]]:
            for number in itertools.count():
                asked.append(number)
                yield f"endless/{number}", b"x"

        def stop(result: object) -> None:
            told.append("")
            if len(told) == 10:
                raise Stopped

        with pytest.raises(Stopped):
            store.create_objects(bucket, endless(), on_result=stop, max_concurrency=4)
        assert len(asked) < 100
        assert store.object_exists(bucket, "endless/0")

    def test_iterable_that_fails(self, store: Store, bucket: str) -> None:
        def broken() -> Iterator[tuple[str, bytes]]:
            yield "a", b"x"
            raise Stopped

        with pytest.raises(Stopped):
            store.create_objects(bucket, broken())
        with pytest.raises(InvalidArgumentError):
            store.create_objects(bucket, [("a", b"x"), ("b",)])  # type: ignore[list-item]

    def test_reading_is_given_up(self, store: Store, bucket: str) -> None:
        wanted = contents(30)
        store.create_objects(bucket, wanted)
        for result in store.get_objects(bucket, wanted, max_concurrency=2):
            assert result.error is None
            break
        assert sum(1 for _ in store.get_objects(bucket, wanted)) == 30

    def test_files_of_which_one_is_missing(self, store: Store, bucket: str, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"from a file")
        with pytest.raises(PartialFailureError) as caught:
            store.create_objects(bucket, {"a": tmp_path / "file", "b": tmp_path / "none"})
        assert isinstance(caught.value.results["b"], LocalFileError)
        assert isinstance(caught.value.results["b"].__cause__, FileNotFoundError)
        assert store.get_object(bucket, "a").read() == b"from a file"

    def test_nothing_at_all(self, store: Store, bucket: str) -> None:
        assert store.create_objects(bucket, {}) == 0
        assert list(store.get_objects(bucket, [])) == []

    def test_many_of_a_handle(self, store: Store, bucket: str) -> None:
        handle = store.bucket(bucket, prefix="own/")
        told: list[str] = []
        handle.create_objects({"a": b"1", "b": b"2"}, on_result=lambda r: told.append(r.key))
        assert sorted(told) == ["a", "b"]
        assert {o.key for o in store.get_all_objects(bucket)} == {"own/a", "own/b"}
        found = {r.key: r.value.read() for r in handle.get_objects(["a", "b"]) if r.value}
        assert found == {"a": b"1", "b": b"2"}

    @needs("copy")
    def test_copies_of_a_handle(self, store: Store, bucket: str) -> None:
        handle = store.bucket(bucket, prefix="own/")
        handle.create_object("a", b"1")
        assert handle.copy_objects({"a": "b"}) == 1
        assert store.get_object(bucket, "own/b").read() == b"1"
        assert handle.copy_objects(["a"], bucket) == 1
        assert store.get_object(bucket, "a").read() == b"1"

    def test_more_than_a_batch_is_deleted(self, store: Store, bucket: str) -> None:
        wanted = contents(25)
        store.create_objects(bucket, wanted)
        assert store.delete_objects(bucket, (key for key in wanted)) == list(wanted)
        assert store.get_all_objects(bucket) == []
