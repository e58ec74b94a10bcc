"""The contract on a real OpenStack Swift, by its native API: all of it on one face, some on the other
and wrapped.

Swift is slow. What is repeated is what faces and wrappers have most code of their own for.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from cloudstore import ObjectAlreadyExistsError, Store, UnsupportedError
from cloudstore.testing import ConformanceSuite, Harness
from cloudstore.testing.conformance import WEIRD_KEYS
from cloudstore.testing.conformance.account import Account
from cloudstore.testing.conformance.administration import AdministrationTests
from cloudstore.testing.conformance.checksums import ChecksumTests
from cloudstore.testing.conformance.conditions import ConditionTests
from cloudstore.testing.conformance.copies import CopyTests
from cloudstore.testing.conformance.metadata import MetadataTests
from cloudstore.testing.conformance.multipart import MultipartTests
from cloudstore.testing.conformance.presigning import PresigningTests, send
from cloudstore.testing.conformance.reading import ReadingTests
from cloudstore.testing.conformance.writers import WriterTests
from tests.conformance.embedded import FailoverHarness, PassThroughHarness
from tests.conformance.faces import OnAsyncio, OnThreads
from tests.servers.swift_server import Swift
from tests.swift.harness import SwiftHarness


@pytest.fixture(scope="session")
def harness(swift: Swift) -> SwiftHarness:
    return SwiftHarness(swift)


@pytest.fixture(scope="session")
def allowing(swift: Swift) -> SwiftHarness:
    return SwiftHarness(swift, conditional_writes=True)


@pytest.fixture(scope="session")
def passed_through(swift: Swift) -> Harness:
    return PassThroughHarness(SwiftHarness(swift))


@pytest.fixture(scope="session")
def failover(swift: Swift, second_swift: Swift) -> Harness:
    return FailoverHarness(SwiftHarness(swift), SwiftHarness(second_swift))


COUNTED_WITHIN = 20.0
"""Seconds until an account may take to know what is in its containers."""


class SwiftPresigning(PresigningTests):
    """What temporary URLs of Swift cannot say is refused."""

    def test_presigned_get_with_a_content_disposition(self, store: Store, bucket: str) -> None:
        """Swift adds the name once more, for other alphabets (RFC 6266)."""
        store.create_object(bucket, "k", b"data")
        disposition = 'attachment; filename="report.csv"'
        _, headers, body = send(store.presign(bucket, "k", content_disposition=disposition))
        assert body == b"data"
        assert headers["content-disposition"] == f"{disposition}; filename*=UTF-8''report.csv"
        _, headers, _ = send(store.presign(bucket, "k", content_disposition="inline"))
        assert headers["content-disposition"].startswith("inline")
        for other in ("attachment", "form-data", 'attachment; filename="a"; size=1'):
            with pytest.raises(UnsupportedError):
                store.presign(bucket, "k", content_disposition=other)

    @pytest.mark.parametrize("name", WEIRD_KEYS)
    def test_presigned_get_of_a_weird_key(
        self, store: Store, account: Account, bucket: str, name: str
    ) -> None:
        """The tempurl middleware takes a key of slashes for no key."""
        key = WEIRD_KEYS[name]
        if account.driver.key_rule.refusal(key) is not None:
            key = "plain"
        store.create_object(bucket, key, key)
        if not key.strip("/"):
            with pytest.raises(UnsupportedError):
                store.presign(bucket, key)
            return
        status, _, body = send(store.presign(bucket, key))
        assert (status, body) == (200, key.encode())

    def test_presigned_put_with_a_content_type(self, store: Store, bucket: str) -> None:
        with pytest.raises(UnsupportedError):
            store.presign(bucket, "k", "PUT", content_type="image/png")


class SwiftAdministration(AdministrationTests):
    """As far as a Swift of one process goes."""

    def test_website_is_set_and_ended(self, store: Store, bucket: str) -> None:
        """Swift looks for error pages by their status."""
        store.set_website(bucket, "index.html")
        store.set_website(bucket, "index.html", "404.html")
        with pytest.raises(UnsupportedError, match="404error"):
            store.set_website(bucket, "index.html", "error.html")
        store.set_website(bucket, None)
        store.set_website(bucket, None)

    def test_account_counts_what_is_stored(self, store: Store, account: Account, bucket: str) -> None:
        """Whoever creates a container again has it tell its counts: here nobody else does, while a
        cluster has its container-updater."""
        for number in range(3):
            store.create_object(bucket, f"k{number}", b"x" * 100)
        native: Any = account.driver.native
        end = time.monotonic() + COUNTED_WITHIN
        while True:
            native.put_container(bucket)
            found, whole = store.get_bucket(bucket), store.get_account()
            headers = native.head_account()
            if (whole.object_count or 0) >= 3 or time.monotonic() > end:
                break
        assert (found.object_count, found.size) == (3, 300)
        assert whole.bucket_count == int(headers["x-account-container-count"])
        assert whole.object_count == int(headers["x-account-object-count"]) >= 3
        assert whole.size == int(headers["x-account-bytes-used"]) >= 300


def race_to_create(stores: list[Store], bucket: str) -> int:
    """How many create one object that there is not; the others are told so."""

    def create(number: int) -> bool:
        try:
            stores[number].create_object(bucket, "k", str(number), if_absent=True)
        except ObjectAlreadyExistsError:
            return False
        return True

    with ThreadPoolExecutor(len(stores)) as pool:
        return sum(pool.map(create, range(len(stores))))


class SomeThemes(ConditionTests, CopyTests, MultipartTests, WriterTests):
    """What faces and wrappers have most code of their own for."""


class TestSwift(OnThreads, SwiftPresigning, SwiftAdministration, ConformanceSuite):
    pass


class TestSwiftOnAsyncio(OnAsyncio, SomeThemes, ReadingTests, MetadataTests, ChecksumTests):
    pass


class TestCreateOnlyWrites(OnThreads, ConditionTests):
    """Allowed by the configuration: they hold but for races, which Swift does not decide."""

    @pytest.fixture
    def harness(self, allowing: SwiftHarness) -> SwiftHarness:
        return allowing

    def test_create_only_race_has_exactly_one_winner(
        self, store: Store, account: Account, bucket: str
    ) -> None:
        wins = race_to_create([store] * 4, bucket)
        assert wins >= 1

    def test_create_only_race_through_two_views_has_exactly_one_winner(
        self, store: Store, account: Account, face: str, bucket: str
    ) -> None:
        with account.second_view(face) as other:
            assert race_to_create([store, other] * 2, bucket) >= 1


class TestSwiftUnderPassThrough(OnThreads, SomeThemes):
    @pytest.fixture
    def harness(self, passed_through: Harness) -> Harness:
        return passed_through


class TestSwiftUnderFailover(OnAsyncio, SomeThemes):
    @pytest.fixture
    def harness(self, failover: Harness) -> Harness:
        return failover
