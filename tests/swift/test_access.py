"""What others may do: temporary URLs, public buckets, websites; and what expires. By plain HTTP."""

from __future__ import annotations

import http.client
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import pytest

from cloudstore import ConfigError, Secret, Store, TransferConfig
from cloudstore.testing.conformance.presigning import send
from tests.servers.swift_server import Swift
from tests.swift.harness import TEMP_URL_KEY, config_of

PART = 10
LARGE = b"0123456789" * 3 + b"end"
PATIENCE = 20.0
"""Seconds until what shall happen in two is waited for."""


@pytest.fixture(scope="module")
def store(swift: Swift) -> Iterator[Store]:
    with make_store(swift) as made:
        yield made


def make_store(swift: Swift, **options: Any) -> Store:
    driver = replace(config_of(swift), **options).create_driver()
    driver.limits = replace(driver.limits, min_part_size=1)
    return Store(driver, transfer=TransferConfig(multipart_threshold=PART, part_size=PART))


@pytest.fixture
def bucket(store: Store) -> Iterator[str]:
    name = f"b-{uuid.uuid4().hex[:12]}"
    store.create_bucket(name)
    yield name
    store.delete_bucket(name, force=True)


def get(store: Store, path: str) -> tuple[int, bytes]:
    """What anybody gets who has no token."""
    url = store.native.get_auth()[0]
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=30)
    try:
        connection.request("GET", f"{parts.path}/{path}")
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def set_keys(store: Store, first: str, second: str) -> None:
    store.native.post_account(
        {"X-Account-Meta-Temp-URL-Key": first, "X-Account-Meta-Temp-URL-Key-2": second}
    )


# --- temporary URLs ---


def test_account_without_a_key_signs_nothing(store: Store, bucket: str) -> None:
    set_keys(store, "", "")
    with pytest.raises(ConfigError, match="temp_url_key"):
        store.presign(bucket, "k")


def test_rotated_key(store: Store, swift: Swift, bucket: str) -> None:
    """The first key is the second one afterwards: what either has signed is good."""
    store.create_object(bucket, "k", b"data")
    store.create_object(bucket, "large", LARGE)
    set_keys(store, TEMP_URL_KEY, "")
    old = [store.presign(bucket, key) for key in ("k", "large")]
    set_keys(store, "another", TEMP_URL_KEY)
    with make_store(swift) as other:
        new = [other.presign(bucket, key) for key in ("k", "large")]
    assert {request.url for request in old}.isdisjoint(request.url for request in new)
    for requests in (old, new):
        assert [send(request)[::2] for request in requests] == [(200, b"data"), (200, LARGE)]
    set_keys(store, "", "another")
    with make_store(swift) as third:
        assert send(third.presign(bucket, "k"))[::2] == (200, b"data"), "the second key signs as well"
    assert send(old[0])[0] == 401, "the key is taken away, and its URLs are good"


def test_configured_key_asks_nobody(store: Store, swift: Swift, bucket: str) -> None:
    store.create_object(bucket, "ä b", b"data")
    set_keys(store, "configured", "")
    with make_store(swift, temp_url_key=Secret("configured")) as other:
        assert send(other.presign(bucket, "ä b"))[::2] == (200, b"data")
        config = replace(config_of(swift), temp_url_key=Secret("configured"))
        assert "configured" not in repr(other) + repr(config)


def test_keys_are_not_among_the_metadata(store: Store, bucket: str) -> None:
    set_keys(store, "first", "second")
    store.native.post_container(bucket, {"X-Container-Meta-Temp-URL-Key": "third"})
    shown = {**store.get_account().metadata, **store.get_bucket(bucket).metadata}
    assert not {"first", "second", "third"} & set(shown.values())
    for name in ("temp-url-key", "Temp-URL-Key-2", "web-index", "quota-bytes"):
        with pytest.raises(ValueError, match="setting of Swift"):
            store.set_account_metadata({name: "x"})
        with pytest.raises(ValueError, match="setting of Swift"):
            store.set_bucket_metadata(bucket, {name: "x"})
    store.set_bucket_metadata(bucket, {}, replace=True)
    assert store.native.head_container(bucket)["x-container-meta-temp-url-key"] == "third"


# --- public buckets and websites ---


def test_public_bucket_is_read_by_anybody(store: Store, bucket: str) -> None:
    store.create_object(bucket, "k", b"data")
    store.create_object(bucket, "large", LARGE)
    assert get(store, f"{bucket}/k")[0] == 401
    store.set_acl(bucket, acl="public-read")
    assert get(store, f"{bucket}/k") == (200, b"data")
    assert get(store, f"{bucket}/large") == (200, LARGE)
    assert get(store, bucket) == (200, b"k\nlarge\n")
    assert get(store, f"{bucket}_segments")[0] == 401, "anybody may list segments"
    store.set_acl(bucket, acl="private")
    for name in ("k", "large"):
        assert get(store, f"{bucket}/{name}")[0] == 401


def test_large_object_in_a_bucket_that_was_public_before(store: Store, bucket: str) -> None:
    store.set_acl(bucket, acl="public-read")
    store.create_object(bucket, "large", LARGE)
    assert get(store, f"{bucket}/large") == (200, LARGE)


def test_acls_that_are_not_canned(store: Store, bucket: str) -> None:
    for headers in (
        {"X-Container-Read": "test:tester2"},
        {"X-Container-Read": ".r:*"},
        {"X-Container-Read": ".r:*,.rlistings", "X-Container-Write": "test:tester3"},
    ):
        store.native.post_container(bucket, headers)
        assert store.get_acl(bucket) == "custom"
    store.set_acl(bucket, acl="public-read")
    assert store.get_acl(bucket) == "public-read"


def test_website_is_served(store: Store, bucket: str) -> None:
    store.create_object(bucket, "index.html", b"home")
    store.create_object(bucket, "blog/index.html", b"blog")
    store.create_object(bucket, "404.html", b"lost")
    store.set_acl(bucket, acl="public-read")
    store.set_website(bucket, "index.html", "404.html")
    assert get(store, f"{bucket}/") == (200, b"home")
    assert get(store, f"{bucket}/blog/") == (200, b"blog")
    assert get(store, f"{bucket}/missing") == (404, b"lost")
    store.set_website(bucket, "index.html")
    assert get(store, f"{bucket}/missing")[1] != b"lost"
    store.set_website(bucket, None)
    assert get(store, f"{bucket}/")[1] != b"home"


# --- time ---


@pytest.mark.parametrize("data", [b"small", LARGE], ids=["small", "large"])
def test_object_is_gone_after_its_time(store: Store, bucket: str, data: bytes) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    store.create_object(bucket, "k", data, expires_in=2)
    expires = store.head_object(bucket, "k").expires_at
    assert expires is not None
    assert 2 <= (expires - before).total_seconds() < 2 + PATIENCE
    store.set_metadata(bucket, "k", {"a": "1"})
    assert store.head_object(bucket, "k").expires_at == expires, "metadata took the end away"
    end = time.monotonic() + PATIENCE
    while store.object_exists(bucket, "k") and time.monotonic() < end:
        time.sleep(0.1)
    assert store.object_exists(bucket, "k") is False
    assert datetime.now(UTC) >= expires


# --- the account ---


def test_counts_are_those_of_swiftclient(store: Store, bucket: str) -> None:
    for number in range(3):
        store.create_object(bucket, f"k{number}", b"x" * number)
    headers = store.native.head_container(bucket)
    found = store.get_bucket(bucket)
    assert (found.object_count, found.size) == (3, 3)
    assert found.object_count == int(headers["x-container-object-count"])
    assert found.size == int(headers["x-container-bytes-used"])
    [listed] = [one for one in store.get_all_buckets() if one.name == bucket]
    assert listed.name == bucket
