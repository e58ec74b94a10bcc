"""The contract on ministack under both wrappers: what a real server gives is not lost in them.

All themes but keys and presigning: both go through a wrapper as they are, and their many cases are
proven bare.
"""

from __future__ import annotations

import pytest

from cloudstore import Store
from cloudstore.testing import ConformanceSuite, Harness
from cloudstore.testing.conformance import ConformanceTests
from cloudstore.testing.conformance.account import Account
from cloudstore.testing.conformance.keys import KeyTests
from cloudstore.testing.conformance.presigning import PresigningTests
from tests.conformance.embedded import FailoverHarness, PassThroughHarness
from tests.s3.harness import MinistackHarness
from tests.s3.test_on_ministack import MinistackTags
from tests.servers.ministack_server import Ministack

THEMES: tuple[type[ConformanceTests], ...] = tuple(
    theme for theme in ConformanceSuite.__bases__ if theme not in (KeyTests, PresigningTests)
)


@pytest.fixture(scope="session")
def passed_through(ministack: Ministack) -> Harness:
    return PassThroughHarness(MinistackHarness(ministack))


@pytest.fixture(scope="session")
def failover(ministack: Ministack, second_ministack: Ministack) -> Harness:
    return FailoverHarness(MinistackHarness(ministack), MinistackHarness(second_ministack))


class FirstIsS3(ConformanceTests):
    """For stores under failover whose first child is S3."""

    def test_concurrent_merges_of_metadata_lose_nothing(
        self, store: Store, account: Account, bucket: str
    ) -> None:
        """S3's ETag is of the bytes alone, so it guards no merge; one after the other they are kept."""
        store.create_object(bucket, "k", b"data", metadata={"first": "0"})
        for turn in range(3):
            store.set_metadata(bucket, "k", {f"of-{turn}": "1"})
        assert store.get_metadata(bucket, "k") == {"first": "0", **{f"of-{n}": "1" for n in range(3)}}
        assert store.get_object(bucket, "k").read() == b"data"

    def test_concurrent_merges_guarded_by_their_source_lose_nothing(
        self, store: Store, account: Account, face: str, bucket: str
    ) -> None:
        """The same: another source would have to have other bytes."""
        self.test_concurrent_merges_of_metadata_lose_nothing(store, account, bucket)


class TestMinistackUnderPassThrough(MinistackTags, *THEMES):  # type: ignore[misc]
    @pytest.fixture
    def harness(self, passed_through: Harness) -> Harness:
        return passed_through


class TestMinistackUnderFailover(FirstIsS3, MinistackTags, *THEMES):  # type: ignore[misc]
    @pytest.fixture
    def harness(self, failover: Harness) -> Harness:
        return failover
