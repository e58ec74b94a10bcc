"""The local driver keeps the contract: bare, and under both wrappers."""

from __future__ import annotations

from cloudstore.testing import ConformanceSuite
from tests.conformance.embedded import FailoverHarness, LocalHarness, PassThroughHarness
from tests.conformance.faces import OnAsyncio, OnThreads


class TestLocal(ConformanceSuite):
    harness = LocalHarness()


class TestLocalUnderPassThrough(OnThreads, ConformanceSuite):
    harness = PassThroughHarness(LocalHarness(quick=True))


class TestLocalUnderFailover(OnAsyncio, ConformanceSuite):
    harness = FailoverHarness(LocalHarness(quick=True))
