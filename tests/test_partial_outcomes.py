"""Verbs of several steps that fail half-way do not say that nothing was done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from cloudstore import (
    CloudStoreError,
    MemoryConfig,
    PartialFailureError,
    PermissionDeniedError,
    Store,
)
from cloudstore.driver import Flow, OpContext
from cloudstore.model import DeleteOptions
from cloudstore.providers.memory import MemoryDriver


class Refusing(MemoryDriver):
    """Refuses to delete the keys that begin with "kept", one by one or by a batch that has one."""

    def __init__(self, *, batches: bool) -> None:
        super().__init__(MemoryConfig())
        self.capabilities = replace(self.capabilities, delete_objects=batches)
        self.limits = replace(self.limits, delete_batch=2)

    def delete_object(
        self, ctx: OpContext, bucket: str, key: str, options: DeleteOptions
    ) -> Flow[None]:
        if key.startswith("kept"):
            raise PermissionDeniedError("it is kept")
        yield from super().delete_object(ctx, bucket, key, options)

    def delete_objects(
        self, ctx: OpContext, bucket: str, keys: Sequence[str]
    ) -> Flow[dict[str, CloudStoreError]]:
        for key in keys:
            yield from self.delete_object(ctx, bucket, key, DeleteOptions())
        return {}


@pytest.fixture(params=[True, False], ids=["batches", "singly"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    with Store(Refusing(batches=request.param)) as made:
        made.create_bucket("bucket")
        for key in ("a", "b", "kept 1", "kept 2"):
            made.create_object("bucket", key, b"x")
        yield made


def test_deletion_of_many_of_which_some_are_gone(store: Store) -> None:
    with pytest.raises((PartialFailureError, PermissionDeniedError)) as caught:
        store.delete_objects("bucket", ["a", "b", "kept 1"])
    assert caught.value.outcome == "unknown"
    assert not store.object_exists("bucket", "a")


@pytest.mark.parametrize("store", [False], ids=["singly"], indirect=True)
def test_error_of_each_key_says_what_it_was_about(store: Store) -> None:
    with pytest.raises(PartialFailureError) as caught:
        store.delete_objects("bucket", ["a", "kept 1", "kept 2"])
    assert {
        key: (error.vendor, error.operation, error.bucket, error.key)
        for key, error in caught.value.results.items()
    } == {key: ("memory", "delete_objects", "bucket", key) for key in ("kept 1", "kept 2")}


def test_deletion_of_many_of_which_none_is_gone(store: Store) -> None:
    with pytest.raises((PartialFailureError, PermissionDeniedError)) as caught:
        store.delete_objects("bucket", ["kept 1", "kept 2"])
    assert caught.value.outcome == "not_applied"


def test_deletion_of_a_bucket_with_all_that_is_in_it(store: Store) -> None:
    with pytest.raises((PartialFailureError, PermissionDeniedError)) as caught:
        store.delete_bucket("bucket", force=True)
    assert caught.value.outcome == "unknown"
    assert not store.object_exists("bucket", "a")


def test_move_that_cannot_delete_its_source(store: Store) -> None:
    with pytest.raises(PermissionDeniedError) as caught:
        store.move_object("bucket", "kept 1", "bucket", "moved")
    assert caught.value.outcome == "unknown"
    assert store.object_exists("bucket", "moved")
