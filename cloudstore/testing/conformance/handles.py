"""Bucket handles, with and without a prefix: a store inside a bucket, whose keys are relative."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from ...errors import BucketAlreadyExistsError, InvalidArgumentError, ObjectNotFoundError
from ...store import Store
from .account import Account
from .base import ConformanceTests, keys_of, needs

__all__ = ["HandleTests"]


class HandleTests(ConformanceTests):
    """Bucket handles."""

    def test_handle_is_the_store_without_its_first_argument(
        self, store: Store, bucket: str, tmp_path: Path
    ) -> None:
        handle = store.bucket(bucket)
        assert handle.create_object("k", b"data").key == "k"
        assert handle.get_object("k").read() == b"data"
        assert handle.head_object("k").size == 4
        assert handle.object_exists("k") is True
        assert keys_of(handle.get_all_objects()) == ["k"]
        assert keys_of(handle.iter_objects()) == ["k"]
        handle.get_object_to_file("k", tmp_path / "f")
        assert (tmp_path / "f").read_bytes() == b"data"
        handle.create_object_from_file("l", tmp_path / "f")
        assert store.get_object(bucket, "l").read() == b"data"
        handle.delete_object("k")
        assert handle.delete_objects(["l", "m"]) == ["l", "m"]
        assert store.get_all_objects(bucket) == []

    @needs("create_bucket")
    def test_handle_creates_and_deletes_its_bucket(self, store: Store, account: Account) -> None:
        name = account.harness.bucket_name()
        handle = store.bucket(name)
        assert handle.exists() is False
        assert handle.create().name == name
        try:
            assert handle.exists() is True
            with pytest.raises(BucketAlreadyExistsError):
                handle.create()
            handle.create_object("k", b"x")
            handle.delete(force=True)
            assert handle.exists() is False
        finally:
            account.drop_bucket(name)

    def test_handles_of_one_place_are_equal(self, store: Store, bucket: str) -> None:
        assert store.bucket(bucket, "a/") == store.bucket(bucket, "a/")
        assert hash(store.bucket(bucket, "a/")) == hash(store.bucket(bucket, "a/"))
        assert store.bucket(bucket) == store.get_bucket(bucket)
        assert store.bucket(bucket, "a/") != store.bucket(bucket, "b/")
        assert repr(store.bucket(bucket, "a/")) == f"<Bucket: {bucket} prefix 'a/'>"

    def test_keys_are_relative_to_the_prefix(self, store: Store, bucket: str) -> None:
        store.create_object(bucket, "outside", b"outside")
        handle = store.bucket(bucket, prefix="tenant7/")
        assert handle.create_object("a/k", b"data").key == "a/k"
        assert store.get_object(bucket, "tenant7/a/k").read() == b"data"
        for found in (handle.get_object("a/k"), handle.head_object("a/k")):
            assert found.key == "a/k"
            assert found.read() == b"data"
        with pytest.raises(ObjectNotFoundError):
            handle.get_object("outside")
        assert handle.object_exists("tenant7/a/k") is False
        handle.delete_object("outside")
        assert store.object_exists(bucket, "outside") is True
        handle.delete_object("a/k")
        assert store.object_exists(bucket, "tenant7/a/k") is False

    def test_listing_is_relative_to_the_prefix(self, store: Store, bucket: str) -> None:
        for key in ("t/a", "t/b/1", "t/b/2", "t", "tt/x", "z"):
            store.create_object(bucket, key, key)
        handle = store.bucket(bucket, "t/")
        assert sorted(keys_of(handle.get_all_objects())) == ["a", "b/1", "b/2"]
        assert sorted(keys_of(handle.iter_objects())) == ["a", "b/1", "b/2"]
        rolled = handle.get_all_objects(delimiter="/")
        assert keys_of(rolled) == ["b/", "a"]
        assert repr(rolled[0]) == '<CommonPrefix: "b/">'
        assert keys_of(handle.get_all_objects("b")) == ["b/1", "b/2"]
        [deeper] = handle.get_all_objects("b/", delimiter="/", max_keys=1)
        assert deeper.key == "b/1"
        assert deeper.read() == b"t/b/1", "an entry of a handle opens another object"

    def test_pages_of_a_handle(self, store: Store, bucket: str) -> None:
        keys = [f"{n}" for n in range(5)]
        for key in keys:
            store.create_object(bucket, f"t/{key}", b"")
        handle = store.bucket(bucket, "t/")
        page = handle.get_all_objects(max_keys=2)
        seen = keys_of(page)
        while page.marker is not None:
            page = handle.get_all_objects(max_keys=2, marker=page.marker)
            seen += keys_of(page)
        assert sorted(seen) == keys

    @needs("start_after")
    def test_start_after_of_a_handle_is_relative(self, store: Store, bucket: str) -> None:
        for key in ("a", "b", "c"):
            store.create_object(bucket, f"t/{key}", b"")
        handle = store.bucket(bucket, "t/")
        assert keys_of(handle.get_all_objects(start_after="a")) == ["b", "c"]
        assert keys_of(handle.iter_objects(start_after="b")) == ["c"]

    def test_nested_handles(self, store: Store, bucket: str) -> None:
        inner = store.bucket(bucket, "a/").bucket("b/")
        inner.create_object("k", b"x")
        assert inner.prefix == "a/b/"
        assert keys_of(store.get_all_objects(bucket)) == ["a/b/k"]

    def test_prefix_that_is_no_folder(self, store: Store, bucket: str) -> None:
        handle = store.bucket(bucket, "2026-")
        handle.create_object("01", b"x")
        assert keys_of(store.get_all_objects(bucket)) == ["2026-01"]
        assert keys_of(handle.get_all_objects()) == ["01"]

    @needs("copy")
    def test_copies_within_and_out_of_a_handle(
        self, store: Store, bucket: str, other_bucket: str
    ) -> None:
        handle = store.bucket(bucket, "t/")
        handle.create_object("k", b"data")
        handle.copy_object("k", "copy")
        assert store.get_object(bucket, "t/copy").read() == b"data"
        handle.copy_object("k", "t/full", to_bucket=other_bucket)
        assert store.get_object(other_bucket, "t/full").read() == b"data"
        handle.move_object("k", "moved")
        assert sorted(keys_of(handle.get_all_objects())) == ["copy", "moved"]

    def test_batch_deletion_of_a_handle(self, store: Store, bucket: str) -> None:
        handle = store.bucket(bucket, "t/")
        for key in ("a", "b"):
            handle.create_object(key, b"")
            store.create_object(bucket, key, b"")
        assert handle.delete_objects(iter(["a", "b", "c"])) == ["a", "b", "c"]
        assert keys_of(store.get_all_objects(bucket)) == ["a", "b"]
        with pytest.raises(InvalidArgumentError):
            handle.delete_objects("ab")

    @needs("metadata")
    def test_metadata_of_a_handle(self, store: Store, bucket: str) -> None:
        handle = store.bucket(bucket, "t/")
        handle.create_object("k", b"", metadata={"a": "1"})
        assert handle.set_metadata("k", {"b": "2"}) == {"a": "1", "b": "2"}
        assert handle.get_metadata("k") == {"a": "1", "b": "2"}

    @needs("multipart")
    def test_upload_of_a_handle(self, store: Store, bucket: str) -> None:
        handle = store.bucket(bucket, "t/")
        upload = handle.create_multipart_upload("k")
        upload.upload_part(1, b"data")
        if store.capabilities.list_uploads:
            store.create_multipart_upload(bucket, "outside")
            assert len(handle.list_multipart_uploads()) == 1
            assert handle.abort_stale_uploads(timedelta(hours=1)) == []
        upload.complete()
        assert store.get_object(bucket, "t/k").read() == b"data"

    def test_writer_of_a_handle(self, store: Store, bucket: str) -> None:
        with store.bucket(bucket, "t/").open_writer("k") as writer:
            writer.write(b"data")
        assert store.get_object(bucket, "t/k").read() == b"data"
