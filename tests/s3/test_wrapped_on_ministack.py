"""The contract on ministack under both wrappers: what a real server gives is not lost in them."""

from __future__ import annotations

import pytest

from cloudstore.testing import Harness
from tests.conformance.embedded import FailoverHarness, PassThroughHarness
from tests.conformance.faces import WITHOUT_KEYS, OnAsyncio, OnThreads
from tests.s3.harness import MinistackHarness
from tests.s3.test_on_ministack import MinistackTags
from tests.servers.ministack_server import Ministack


@pytest.fixture(scope="session")
def passed_through(ministack: Ministack) -> Harness:
    return PassThroughHarness(MinistackHarness(ministack))


@pytest.fixture(scope="session")
def failover(ministack: Ministack, second_ministack: Ministack) -> Harness:
    return FailoverHarness(MinistackHarness(ministack), MinistackHarness(second_ministack))


class TestMinistackUnderPassThrough(OnThreads, MinistackTags, *WITHOUT_KEYS):  # type: ignore[misc]
    @pytest.fixture
    def harness(self, passed_through: Harness) -> Harness:
        return passed_through


class TestMinistackUnderFailover(OnAsyncio, MinistackTags, *WITHOUT_KEYS):  # type: ignore[misc]
    @pytest.fixture
    def harness(self, failover: Harness) -> Harness:
        return failover
