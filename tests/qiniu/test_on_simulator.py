"""The contract on the simulator of Qiniu: bare on both faces, and under both wrappers on one each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cloudstore.testing import ConformanceSuite, Harness
from cloudstore.testing.qiniu import QiniuSimulator
from tests.conformance.embedded import FailoverHarness, PassThroughHarness
from tests.conformance.faces import WITHOUT_KEYS, OnAsyncio, OnThreads
from tests.qiniu.harness import LIMITS, QiniuHarness


@pytest.fixture(scope="session")
def harness(qiniu: QiniuSimulator) -> QiniuHarness:
    return QiniuHarness(qiniu)


@pytest.fixture(scope="session")
def passed_through(qiniu: QiniuSimulator) -> Harness:
    return PassThroughHarness(QiniuHarness(qiniu))


@pytest.fixture(scope="session")
def failover(qiniu: QiniuSimulator) -> Iterator[Harness]:
    with QiniuSimulator(limits=LIMITS) as second:
        yield FailoverHarness(QiniuHarness(qiniu), QiniuHarness(second))


class TestQiniu(ConformanceSuite):
    pass


class TestQiniuUnderPassThrough(OnThreads, *WITHOUT_KEYS):  # type: ignore[misc]
    @pytest.fixture
    def harness(self, passed_through: Harness) -> Harness:
        return passed_through


class TestQiniuUnderFailover(OnAsyncio, *WITHOUT_KEYS):  # type: ignore[misc]
    @pytest.fixture
    def harness(self, failover: Harness) -> Harness:
        return failover
