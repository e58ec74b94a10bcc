"""The request is applied and its answer lost: what was to be is so, and nothing is left beside it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from cloudstore import (
    BucketAlreadyExistsError,
    BucketNotFoundError,
    RetryPolicy,
    Store,
    TransferConfig,
)
from cloudstore.testing import Fault, FaultProxy
from tests.servers.swift_server import Swift
from tests.swift.harness import config_of

PART = 10
LARGE = b"0123456789" * 3


@pytest.fixture(scope="module")
def proxy(swift: Swift) -> Iterator[FaultProxy]:
    parts = urlsplit(swift.url)
    assert parts.hostname is not None
    assert parts.port is not None
    with FaultProxy(parts.hostname, parts.port) as made:
        yield made


@pytest.fixture(scope="module")
def store(swift: Swift, proxy: FaultProxy) -> Iterator[Store]:
    config = replace(config_of(swift), storage_url=f"{proxy.url}/v1/AUTH_test", conditional_writes=True)
    driver = config.create_driver()
    driver.limits = replace(driver.limits, min_part_size=1)
    retry = RetryPolicy(base_delay=0.001, max_delay=0.01)
    with Store(
        driver, retry=retry, transfer=TransferConfig(multipart_threshold=PART, part_size=PART)
    ) as made:
        yield made


@pytest.fixture
def bucket(store: Store) -> Iterator[str]:
    name = f"b-{uuid.uuid4().hex[:12]}"
    store.create_bucket(name)
    yield name
    if store.bucket_exists(name):
        store.delete_bucket(name, force=True)


@contextmanager
def losing(proxy: FaultProxy, request: str) -> Iterator[None]:
    """Loses the answer to the next request whose line begins so."""
    before = proxy.counts.hits
    proxy.inject(Fault(lose_answer=True, when=request.encode()), times=1)
    yield
    assert proxy.counts.hits > before, "no answer was lost"


def left(store: Store, bucket: str) -> list[str]:
    return [row["name"] for row in store.native.get_container(f"{bucket}_segments")[1]]


def test_bucket_that_is_created(store: Store, proxy: FaultProxy) -> None:
    name = f"b-{uuid.uuid4().hex[:12]}"
    with losing(proxy, "PUT "):
        assert store.create_bucket(name).name == name
    with pytest.raises(BucketAlreadyExistsError):
        store.create_bucket(name)
    store.delete_bucket(name)


def test_bucket_that_is_deleted(store: Store, proxy: FaultProxy, bucket: str) -> None:
    store.create_multipart_upload(bucket, "k").upload_part(1, b"x")
    with losing(proxy, "DELETE "):
        store.delete_bucket(bucket)
    with pytest.raises(BucketNotFoundError):
        store.get_bucket(bucket)
    names = [row["name"] for row in store.native.get_account()[1]]
    assert f"{bucket}_segments" not in names, "the segments of the bucket are left"


@pytest.mark.parametrize("data", [b"small", LARGE], ids=["small", "large"])
def test_object_that_is_created(store: Store, proxy: FaultProxy, bucket: str, data: bytes) -> None:
    with losing(proxy, f"PUT /v1/AUTH_test/{bucket}/k"):
        store.create_object(bucket, "k", data, if_absent=True)
    assert store.get_object(bucket, "k").read() == data


@pytest.mark.parametrize(
    ("act", "method"),
    [
        (lambda s, b: s.delete_object(b, "k"), "DELETE "),
        (lambda s, b: s.delete_objects(b, ["k"]), "POST "),
        (lambda s, b: s.create_object(b, "k", b"small"), "PUT "),
        (lambda s, b: s.create_object(b, "k", b"small"), "GET "),
    ],
    ids=["delete", "delete_many", "overwrite", "sweep"],
)
def test_large_object_that_goes(
    store: Store, proxy: FaultProxy, bucket: str, act: Callable[[Store, str], None], method: str
) -> None:
    store.create_object(bucket, "k", LARGE)
    with losing(proxy, method):
        act(store, bucket)
    assert left(store, bucket) == []
