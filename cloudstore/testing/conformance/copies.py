"""Copies and moves on the vendor's side."""

from __future__ import annotations

from typing import Any

import pytest

from ...errors import (
    InvalidArgumentError,
    NotModifiedError,
    ObjectAlreadyExistsError,
    ObjectNotFoundError,
    PreconditionFailedError,
)
from ...store import Store
from .account import RecordingDriver
from .base import ConformanceTests, needs, payload
from .metadata import all_headers

__all__ = ["CopyTests"]


class CopyTests(ConformanceTests):
    """Copies and moves."""

    def _source(self, store: Store, bucket: str, key: str = "source") -> dict[str, Any]:
        """An object with everything that it can have; returns what that is."""
        options = all_headers(store)
        if store.capabilities.metadata:
            options["metadata"] = {"a": "1", "b": "ä"}
        store.create_object(bucket, key, b"data", **options)
        return options

    @staticmethod
    def _has(store: Store, bucket: str, key: str, options: dict[str, Any]) -> None:
        found = store.get_object(bucket, key)
        assert found.read() == b"data"
        assert {name: getattr(found, name) for name in options} == options

    @needs("copy")
    def test_copy_keeps_everything(self, store: Store, bucket: str) -> None:
        options = self._source(store, bucket)
        result = store.copy_object(bucket, "source", bucket, "copy")
        self._has(store, bucket, "copy", options)
        self._has(store, bucket, "source", options)
        assert result.etag in (None, store.head_object(bucket, "copy").etag)

    @needs("copy")
    def test_copy_to_another_bucket(self, store: Store, bucket: str, other_bucket: str) -> None:
        options = self._source(store, bucket)
        store.copy_object(bucket, "source", other_bucket, "a/copy")
        self._has(store, other_bucket, "a/copy", options)
        assert store.object_exists(bucket, "a/copy") is False

    @needs("copy")
    def test_copy_overwrites(self, store: Store, bucket: str) -> None:
        options = self._source(store, bucket)
        store.create_object(bucket, "copy", b"old and longer")
        store.copy_object(bucket, "source", bucket, "copy")
        self._has(store, bucket, "copy", options)

    @needs("copy")
    def test_copy_does_not_follow_its_source(self, store: Store, bucket: str) -> None:
        options = self._source(store, bucket)
        store.copy_object(bucket, "source", bucket, "copy")
        store.create_object(bucket, "source", b"changed")
        self._has(store, bucket, "copy", options)
        store.delete_object(bucket, "source")
        self._has(store, bucket, "copy", options)

    @needs("copy", "metadata")
    def test_copy_replaces_what_is_given_and_keeps_the_rest(self, store: Store, bucket: str) -> None:
        options = self._source(store, bucket)
        store.copy_object(
            bucket, "source", bucket, "copy", metadata={"New": "1"}, content_type="image/png"
        )
        self._has(
            store, bucket, "copy", {**options, "metadata": {"new": "1"}, "content_type": "image/png"}
        )
        self._has(store, bucket, "source", options)

    @needs("copy", "metadata")
    def test_copy_onto_itself_changes_its_metadata(self, store: Store, bucket: str) -> None:
        options = self._source(store, bucket)
        store.copy_object(bucket, "source", bucket, "source", metadata={"new": "1"})
        self._has(store, bucket, "source", {**options, "metadata": {"new": "1"}})

    @needs("copy")
    def test_copy_of_a_large_object(self, store: Store, bucket: str, part_size: int) -> None:
        data = payload(3 * part_size if store.capabilities.multipart else 5000)
        store.create_object(bucket, "source", data)
        store.copy_object(bucket, "source", bucket, "copy")
        assert store.get_object(bucket, "copy").read() == data

    @needs("copy", "conditional_reads", "ranges")
    def test_copy_of_a_large_object_is_known_by_its_etag(
        self, store: Store, bucket: str, part_size: int
    ) -> None:
        data = payload(3 * part_size if store.capabilities.multipart else 5000)
        store.create_object(bucket, "source", data)
        store.copy_object(bucket, "source", bucket, "copy")
        store.copy_object(bucket, "copy", bucket, "again")
        for key in ("copy", "again"):
            etag = store.head_object(bucket, key).etag
            assert store.get_object(bucket, key, if_match=etag).read() == data
            assert store.head_object(bucket, key, if_match=etag).size == len(data)
            span = store.get_object(bucket, key, start=7, end=107, if_match=etag)
            assert span.read() == data[7:107]
            with pytest.raises(NotModifiedError):
                store.get_object(bucket, key, if_none_match=etag)
            with pytest.raises(PreconditionFailedError):
                store.get_object(bucket, key, if_match="another")
        etag = store.head_object(bucket, "copy").etag
        pinned: dict[str, Any] = (
            {"source_if_match": etag} if store.capabilities.copy_source_if_match else {}
        )
        store.copy_object(bucket, "copy", bucket, "pinned", **pinned)
        store.move_object(bucket, "copy", bucket, "moved")
        assert store.get_object(bucket, "pinned").read() == data
        assert store.get_object(bucket, "moved").read() == data
        assert store.object_exists(bucket, "copy") is False

    @needs("copy")
    def test_copy_of_a_missing_object_raises_and_makes_nothing(self, store: Store, bucket: str) -> None:
        store.create_object(bucket, "kept", b"old")
        with pytest.raises(ObjectNotFoundError):
            store.copy_object(bucket, "missing", bucket, "kept")
        assert store.get_object(bucket, "kept").read() == b"old"
        with pytest.raises(ObjectNotFoundError):
            store.copy_object(bucket, "missing", bucket, "copy", content_type="image/png")
        assert store.object_exists(bucket, "copy") is False

    @needs("copy_if_absent")
    def test_copy_if_absent(self, store: Store, bucket: str) -> None:
        options = self._source(store, bucket)
        store.copy_object(bucket, "source", bucket, "copy", if_absent=True)
        self._has(store, bucket, "copy", options)
        store.create_object(bucket, "old", b"old")
        with pytest.raises(ObjectAlreadyExistsError):
            store.copy_object(bucket, "source", bucket, "old", if_absent=True)
        assert store.get_object(bucket, "old").read() == b"old"

    @needs("copy_if_match")
    def test_copy_if_the_target_matches(self, store: Store, bucket: str) -> None:
        options = self._source(store, bucket)
        store.create_object(bucket, "copy", b"old")
        etag = store.head_object(bucket, "copy").etag
        with pytest.raises(PreconditionFailedError):
            store.copy_object(bucket, "source", bucket, "copy", if_match="another")
        assert store.get_object(bucket, "copy").read() == b"old"
        with pytest.raises(PreconditionFailedError):
            store.copy_object(bucket, "source", bucket, "missing", if_match=etag)
        store.copy_object(bucket, "source", bucket, "copy", if_match=etag)
        self._has(store, bucket, "copy", options)

    @needs("copy_source_if_match")
    def test_copy_if_the_source_matches(self, store: Store, bucket: str) -> None:
        options = self._source(store, bucket)
        etag = store.head_object(bucket, "source").etag
        with pytest.raises(PreconditionFailedError):
            store.copy_object(bucket, "source", bucket, "copy", source_if_match="another")
        assert store.object_exists(bucket, "copy") is False
        store.copy_object(bucket, "source", bucket, "copy", source_if_match=etag)
        self._has(store, bucket, "copy", options)

    @needs("copy")
    def test_copy_with_impossible_options_is_refused_before_any_io(
        self, recorded: Store, store: Store, recorder: RecordingDriver, bucket: str
    ) -> None:
        if not store.capabilities.copy:
            store.copy_object(bucket, "a", bucket, "b")
        calls: list[dict[str, Any]] = [
            {"no_such_option": 1},
            {"no_such_option": None},
            {"checksum": {"md5": "0" * 32}},
            {"content_type": "a\nb"},
        ]
        for options in calls:
            with pytest.raises(InvalidArgumentError):
                recorded.copy_object(bucket, "a", bucket, "b", **options)
            with pytest.raises(InvalidArgumentError):
                recorded.move_object(bucket, "a", bucket, "b", **options)
        with pytest.raises(InvalidArgumentError):
            recorded.copy_object(bucket, "", bucket, "b")
        with pytest.raises(InvalidArgumentError):
            recorded.copy_object(bucket, "a", bucket, "")
        assert recorder.calls == []

    # --- moves ---

    @needs("copy")
    def test_move(self, store: Store, bucket: str, other_bucket: str) -> None:
        options = self._source(store, bucket)
        store.move_object(bucket, "source", bucket, "moved")
        self._has(store, bucket, "moved", options)
        assert store.object_exists(bucket, "source") is False
        store.move_object(bucket, "moved", other_bucket, "moved", content_type="image/png")
        self._has(store, other_bucket, "moved", {**options, "content_type": "image/png"})
        assert store.get_all_objects(bucket) == []

    @needs("copy")
    def test_move_onto_itself_is_refused_and_loses_nothing(self, store: Store, bucket: str) -> None:
        options = self._source(store, bucket)
        if not store.capabilities.copy:
            store.move_object(bucket, "source", bucket, "other")
        with pytest.raises(InvalidArgumentError):
            store.move_object(bucket, "source", bucket, "source")
        self._has(store, bucket, "source", options)

    @needs("copy")
    def test_move_of_a_missing_object_raises(self, store: Store, bucket: str) -> None:
        store.create_object(bucket, "kept", b"old")
        with pytest.raises(ObjectNotFoundError):
            store.move_object(bucket, "missing", bucket, "kept")
        assert store.get_object(bucket, "kept").read() == b"old"

    @needs("copy_if_absent")
    def test_move_that_is_refused_keeps_both(self, store: Store, bucket: str) -> None:
        options = self._source(store, bucket)
        store.create_object(bucket, "old", b"old")
        with pytest.raises(ObjectAlreadyExistsError):
            store.move_object(bucket, "source", bucket, "old", if_absent=True)
        self._has(store, bucket, "source", options)
        assert store.get_object(bucket, "old").read() == b"old"
