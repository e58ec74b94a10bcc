"""The contract on ministack under both wrappers: what a real server gives is not lost in them.

All themes but keys and presigning: both go through a wrapper as they are, and their many cases are
proven bare.
"""

from __future__ import annotations

import pytest

from cloudstore.testing import ConformanceSuite, Harness
from cloudstore.testing.conformance import ConformanceTests
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


class TestMinistackUnderPassThrough(MinistackTags, *THEMES):  # type: ignore[misc]
    @pytest.fixture
    def harness(self, passed_through: Harness) -> Harness:
        return passed_through


class TestMinistackUnderFailover(MinistackTags, *THEMES):  # type: ignore[misc]
    @pytest.fixture
    def harness(self, failover: Harness) -> Harness:
        return failover
