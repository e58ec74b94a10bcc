"""Buckets: made, found, listed, deleted; and what a missing one does to every verb."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any

import pytest

from ...errors import (
    BucketAlreadyExistsError,
    BucketNotEmptyError,
    BucketNotFoundError,
    InvalidBucketNameError,
    UnsupportedError,
)
from ...model import LifecycleRule
from ...store import Store
from .account import Account, RecordingDriver
from .base import ConformanceTests, needs

__all__ = ["BucketTests"]

Verb = Callable[[Store, str], Any]

OBJECT_VERBS: Mapping[str, tuple[str, Verb]] = MappingProxyType(
    {
        "create_object": ("", lambda s, b: s.create_object(b, "k", b"x")),
        "create_large_object": (
            "multipart",
            lambda s, b: s.create_object(b, "k", iter([b"x" * 99999])),
        ),
        "get_object": ("", lambda s, b: s.get_object(b, "k")),
        "head_object": ("", lambda s, b: s.head_object(b, "k")),
        "get_metadata": ("", lambda s, b: s.get_metadata(b, "k")),
        "set_metadata": ("metadata", lambda s, b: s.set_metadata(b, "k", {"a": "b"})),
        "delete_object": ("", lambda s, b: s.delete_object(b, "k")),
        "delete_object_that_must_be_there": (
            "",
            lambda s, b: s.delete_object(b, "k", missing_ok=False),
        ),
        "delete_objects": ("", lambda s, b: s.delete_objects(b, ["k", "l"])),
        "copy_object": ("copy", lambda s, b: s.copy_object(b, "k", b, "l")),
        "move_object": ("copy", lambda s, b: s.move_object(b, "k", b, "l")),
        "get_all_objects": ("", lambda s, b: s.get_all_objects(b)),
        "iter_objects": ("", lambda s, b: list(s.iter_objects(b))),
        "create_multipart_upload": ("multipart", lambda s, b: s.create_multipart_upload(b, "k")),
        "list_multipart_uploads": ("list_uploads", lambda s, b: s.list_multipart_uploads(b)),
        "abort_stale_uploads": (
            "list_uploads",
            lambda s, b: s.abort_stale_uploads(b, timedelta()),
        ),
        "get_acl": ("acl", lambda s, b: s.get_acl(b)),
        "set_acl": ("acl", lambda s, b: s.set_acl(b, acl="private")),
        "get_acl_of_an_object": ("object_acl", lambda s, b: s.get_acl(b, "k")),
        "set_acl_of_an_object": ("object_acl", lambda s, b: s.set_acl(b, "k", acl="private")),
        "get_tags": ("tags", lambda s, b: s.get_tags(b, "k")),
        "set_tags": ("tags", lambda s, b: s.set_tags(b, "k", {"a": "1"})),
        "set_website": ("website", lambda s, b: s.set_website(b, "index.html")),
        "end_website": ("website", lambda s, b: s.set_website(b, None)),
        "set_bucket_metadata": (
            "bucket_metadata",
            lambda s, b: s.set_bucket_metadata(b, {"a": "1"}),
        ),
        "get_versioning": ("versioning", lambda s, b: s.get_versioning(b)),
        "set_versioning": ("versioning", lambda s, b: s.set_versioning(b, True)),
        "get_lifecycle": ("lifecycle", lambda s, b: s.get_lifecycle(b)),
        "set_lifecycle": (
            "lifecycle",
            lambda s, b: s.set_lifecycle(b, [LifecycleRule(expire_after_days=1)]),
        ),
        "end_lifecycle": ("lifecycle", lambda s, b: s.set_lifecycle(b, [])),
    }
)
"""Verbs on an object, a bucket's contents or its settings: the capability that each needs, a call."""

NO_NAMES = ("", ".", "..", "a/b", "a\\b", "a b", "a\nb", "a\0b", "ä", "x" * 300)
"""What no vendor takes as the name of a bucket."""


class BucketTests(ConformanceTests):
    """Buckets."""

    @needs("create_bucket")
    def test_created_bucket_is_there_and_empty(self, store: Store, account: Account) -> None:
        name = account.harness.bucket_name()
        made = store.create_bucket(name)
        try:
            assert made.name == name
            assert store.bucket_exists(name) is True
            assert store.get_all_objects(name) == []
            assert store.get_bucket(name).name == name
        finally:
            account.drop_bucket(name)

    @needs("create_bucket")
    def test_creation_time_of_bucket_is_aware_where_it_is_known(
        self, store: Store, account: Account
    ) -> None:
        name = account.harness.bucket_name()
        store.create_bucket(name)
        try:
            created = store.get_bucket(name).created_at
            assert created is None or created.tzinfo is not None, "a naive creation time"
        finally:
            account.drop_bucket(name)

    def test_missing_bucket_does_not_exist(self, store: Store, account: Account) -> None:
        name = account.harness.bucket_name()
        assert store.bucket_exists(name) is False
        with pytest.raises(BucketNotFoundError):
            store.get_bucket(name)

    @needs("create_bucket")
    def test_bucket_cannot_be_created_twice(self, store: Store, bucket: str) -> None:
        store.create_object(bucket, "k", b"kept")
        with pytest.raises(BucketAlreadyExistsError):
            store.create_bucket(bucket)
        assert store.get_object(bucket, "k").read() == b"kept", "the second creation emptied the bucket"

    @needs("create_bucket")
    def test_deleted_bucket_is_gone(self, store: Store, account: Account) -> None:
        name = account.harness.bucket_name()
        store.create_bucket(name)
        store.delete_bucket(name)
        assert store.bucket_exists(name) is False
        with pytest.raises(BucketNotFoundError):
            store.get_all_objects(name)

    @needs("create_bucket")
    def test_deleting_a_missing_bucket_raises(self, store: Store, account: Account) -> None:
        with pytest.raises(BucketNotFoundError):
            store.delete_bucket(account.harness.bucket_name())
        with pytest.raises(BucketNotFoundError):
            store.delete_bucket(account.harness.bucket_name(), force=True)

    @needs("create_bucket")
    def test_bucket_with_objects_is_not_deleted(self, store: Store, bucket: str) -> None:
        store.create_object(bucket, "a/b", b"kept")
        with pytest.raises(BucketNotEmptyError):
            store.delete_bucket(bucket)
        assert store.get_object(bucket, "a/b").read() == b"kept"
        store.delete_object(bucket, "a/b")
        store.delete_bucket(bucket)

    @needs("create_bucket")
    def test_forced_deletion_takes_objects_and_uploads_along(self, store: Store, bucket: str) -> None:
        for key in ("a", "a/", "a/b", "z"):
            store.create_object(bucket, key, b"x")
        if store.capabilities.list_uploads:
            store.create_multipart_upload(bucket, "begun").upload_part(1, b"x")
        store.delete_bucket(bucket, force=True)
        assert store.bucket_exists(bucket) is False
        store.create_bucket(bucket)
        assert store.get_all_objects(bucket) == [], "the new bucket of this name holds old objects"
        if store.capabilities.list_uploads:
            assert store.list_multipart_uploads(bucket) == []

    @needs("list_buckets")
    def test_all_buckets_are_listed_by_name(self, store: Store, bucket: str, other_bucket: str) -> None:
        names = [found.name for found in store.get_all_buckets()]
        assert {bucket, other_bucket} <= set(names)
        assert names == sorted(names), "buckets are not in the order of their names"
        assert len(names) == len(set(names)), "a bucket is listed twice"

    @pytest.mark.parametrize("name", NO_NAMES, ids=ascii)
    def test_impossible_bucket_name_is_refused_before_any_io(
        self, recorded: Store, recorder: RecordingDriver, name: str
    ) -> None:
        for call in (
            lambda: recorded.create_bucket(name),
            lambda: recorded.delete_bucket(name),
            lambda: recorded.bucket_exists(name),
            lambda: recorded.create_object(name, "k", b""),
            lambda: recorded.get_object(name, "k"),
            lambda: recorded.get_all_objects(name),
        ):
            with pytest.raises(InvalidBucketNameError):
                call()
        assert recorder.calls == [], "something was sent"

    def test_bucket_name_that_is_no_text_is_refused(self, store: Store) -> None:
        with pytest.raises(InvalidBucketNameError):
            store.bucket_exists(7)  # type: ignore[arg-type]

    @pytest.mark.parametrize("verb", OBJECT_VERBS)
    def test_verb_on_a_missing_bucket_raises_bucket_not_found(
        self, store: Store, account: Account, verb: str
    ) -> None:
        feature, call = OBJECT_VERBS[verb]
        name = account.harness.bucket_name()
        if feature and not getattr(store.capabilities, feature):
            with pytest.raises(UnsupportedError):
                call(store, name)
            return
        with pytest.raises(BucketNotFoundError) as caught:
            call(store, name)
        assert caught.value.bucket == name

    def test_missing_bucket_has_no_objects(self, store: Store, account: Account) -> None:
        assert store.object_exists(account.harness.bucket_name(), "k") is False

    def test_repr_of_bucket_says_its_name(self, store: Store, bucket: str) -> None:
        found = store.get_bucket(bucket)
        assert repr(found).startswith(f"<Bucket: {bucket}")
        assert repr(store.bucket(bucket)) == f"<Bucket: {bucket}>"
        if found.created_at is not None:
            stamp = found.created_at.strftime("%Y-%m-%dT%H:%M:%S")
            assert f"created at {stamp}." in repr(found)
