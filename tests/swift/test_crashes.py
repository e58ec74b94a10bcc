"""A process may end before any request, and many may write at once: no object lacks a segment, and what
is left is found."""

from __future__ import annotations

import contextlib
import random
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from cloudstore import (
    CloudStoreError,
    ObjectNotFoundError,
    Store,
    SwiftConfig,
    TransferConfig,
    UnavailableError,
)
from cloudstore.driver import Request
from cloudstore.providers.swift import SwiftDriver
from tests.servers.swift_server import Swift
from tests.swift.harness import config_of

PART = 10
OLD, NEW = b"old " * 4, b"new " * 5
PARTS = {OLD: 2, NEW: 2, b"small": 0, None: 0}
WRITERS, WRITES = 4, 5


class Dies(BaseException):
    """The process ends."""


class Mortal(SwiftDriver):
    """Ends its process before the request of this number, and before all that come after."""

    def __init__(self, config: SwiftConfig) -> None:
        super().__init__(config)
        self.left = 10**9

    def authorize(self, request: Request, credentials: Any, now: float) -> Mapping[str, str]:
        self.left -= 1
        if self.left < 0:
            raise Dies
        return super().authorize(request, credentials, now)


def make_store(driver: SwiftDriver) -> Store:
    driver.limits = replace(driver.limits, min_part_size=1)
    return Store(driver, transfer=TransferConfig(multipart_threshold=PART, part_size=PART))


@pytest.fixture(scope="module")
def store(swift: Swift) -> Iterator[Store]:
    with make_store(config_of(swift).create_driver()) as made:
        yield made


@pytest.fixture
def bucket(store: Store) -> Iterator[str]:
    name = f"b-{uuid.uuid4().hex[:12]}"
    store.create_bucket(name)
    yield name
    store.delete_bucket(name, force=True)


def content(store: Store, bucket: str) -> bytes | None:
    if not store.object_exists(bucket, "k"):
        return None
    return store.get_object(bucket, "k").read()


def check_and_clean(store: Store, bucket: str) -> bytes | None:
    """Whatever happened: the object is whole; once stale uploads are aborted, nothing else is there."""
    found = content(store, bucket)
    store.abort_stale_uploads(bucket, timedelta())
    assert content(store, bucket) == found, "what was aborted was the object"
    names = [row["name"] for row in store.native.get_container(f"{bucket}_segments")[1]]
    assert len([name for name in names if name.startswith(".cs/s/")]) == PARTS[found]
    assert len([name for name in names if name.startswith(".cs/u/")]) == bool(PARTS[found])
    assert store.list_multipart_uploads(bucket) == []
    return found


def overwrite(store: Store, bucket: str) -> None:
    store.create_object(bucket, "k", NEW)


def overwrite_by_a_small_one(store: Store, bucket: str) -> None:
    store.create_object(bucket, "k", b"small")


def delete(store: Store, bucket: str) -> None:
    store.delete_objects(bucket, ["k"])


def copy_onto_itself(store: Store, bucket: str) -> None:
    store.copy_object(bucket, "k", bucket, "k", content_type="text/css")


@pytest.mark.parametrize(
    ("act", "outcomes"),
    [
        (overwrite, {OLD, NEW}),
        (overwrite_by_a_small_one, {OLD, b"small"}),
        (delete, {OLD, None}),
        (copy_onto_itself, {OLD}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_process_that_ends_anywhere(
    store: Store,
    swift: Swift,
    bucket: str,
    act: Callable[[Store, str], None],
    outcomes: set[bytes | None],
) -> None:
    seen: set[bytes | None] = set()
    found: bytes | None = None
    requests = 0
    while True:
        if found != OLD:
            store.create_object(bucket, "k", OLD)
        driver = Mortal(config_of(swift))
        with make_store(driver) as mortal:
            mortal.bucket_exists(bucket)
            driver.left = requests
            try:
                act(mortal, bucket)
            except Dies:
                died = True
            else:
                died = False
        found = check_and_clean(store, bucket)
        seen.add(found)
        if not died:
            break
        requests += 1
    assert seen == outcomes, "it never died between"
    assert requests > 3


def test_many_writers_of_one_key(store: Store, bucket: str) -> None:
    def write(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(WRITES):
            act = chance.choice([overwrite, overwrite, overwrite_by_a_small_one, delete])
            act(store, bucket)
            with contextlib.suppress(ObjectNotFoundError, UnavailableError):
                copy_onto_itself(store, bucket)

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(write, range(WRITERS)))
    assert store.list_multipart_uploads(bucket) == [], "the writers have left something"
    assert check_and_clean(store, bucket) in (NEW, b"small", None)


def test_abortion_and_completion_at_the_same_time(store: Store, bucket: str) -> None:
    """Either the object is there and whole, or the completion was refused."""
    for _ in range(6):
        upload = store.create_multipart_upload(bucket, "k")
        for number in range(2):
            upload.upload_part(number + 1, NEW[number * PART : number * PART + PART])
        again = store.resume_multipart_upload(upload.ref)

        def tried(call: Callable[[], object]) -> Exception | None:
            try:
                call()
            except CloudStoreError as exc:
                return exc
            return None

        with ThreadPoolExecutor(2) as pool:
            completed, aborted = pool.map(tried, (upload.complete, again.abort))
        found = check_and_clean(store, bucket)
        if completed is None:
            assert found == NEW
            assert aborted is not None
        else:
            assert found is None
        store.delete_object(bucket, "k")
