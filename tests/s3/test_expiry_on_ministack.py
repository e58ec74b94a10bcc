"""What is due where an ETag is the hash of the bytes: the same bytes again are told from others."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from cloudstore import ObjectAlreadyExistsError, Store, TransferConfig
from cloudstore.testing.conformance.expiry import LATER, SOON, LaterClock
from tests.s3.harness import SMALL_PART, MinistackHarness
from tests.servers.ministack_server import Ministack

LARGE = bytes(2 * SMALL_PART + 1)


@pytest.fixture
def bucket() -> str:
    return f"expiry-{uuid.uuid4().hex[:20]}"


@pytest.fixture
def clock() -> LaterClock:
    return LaterClock()


@pytest.fixture
def store(ministack: Ministack, clock: LaterClock, bucket: str) -> Iterator[Store]:
    harness = MinistackHarness(ministack)
    parts = TransferConfig(part_size=SMALL_PART, multipart_threshold=2 * SMALL_PART)
    with Store(harness.make_driver(), transfer=parts, emulate_expiry=True) as store:
        store._operations._clock = clock
        store.create_bucket(bucket)
        yield store
        store.delete_bucket(bucket, force=True)


def test_same_bytes_do_not_take_the_place(store: Store, bucket: str, clock: LaterClock) -> None:
    """Else a second writer of these bytes would take the first one's object for what was due."""
    store.create_object(bucket, "k", b"locked", expires_in=SOON)
    clock.ahead = LATER
    with pytest.raises(ObjectAlreadyExistsError, match="expire_due"):
        store.create_object(bucket, "k", b"locked", if_absent=True)
    store.create_object(bucket, "k", b"LOCKED", if_absent=True)
    assert store.get_object(bucket, "k").read() == b"LOCKED"


def test_same_size_in_parts_does_not_take_the_place(
    store: Store, bucket: str, clock: LaterClock
) -> None:
    store.create_object(bucket, "k", LARGE, expires_in=SOON)
    clock.ahead = LATER
    with pytest.raises(ObjectAlreadyExistsError, match="expire_due"):
        store.create_object(bucket, "k", b"x" * len(LARGE), if_absent=True)
    assert store.list_multipart_uploads(bucket) == []
    store.create_object(bucket, "k", LARGE + b"x", if_absent=True)
    assert store.get_object(bucket, "k").size == len(LARGE) + 1


def test_conditions_are_sent(store: Store, bucket: str, clock: LaterClock) -> None:
    store.create_object(bucket, "k", b"data", expires_in=SOON)
    clock.ahead = LATER
    assert store.capabilities.delete_if_match
    assert store.expire_due(bucket) == 1
    assert not store.object_exists(bucket, "k")
