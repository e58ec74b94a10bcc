"""The local driver keeps the contract: bare, and under both wrappers."""

from __future__ import annotations

from cloudstore.testing import ConformanceSuite
from tests.conformance.embedded import FailoverHarness, LocalHarness, PassThroughHarness


class TestLocal(ConformanceSuite):
    harness = LocalHarness()


class TestLocalUnderPassThrough(ConformanceSuite):
    harness = PassThroughHarness(LocalHarness(quick=True))


class TestLocalUnderFailover(ConformanceSuite):
    harness = FailoverHarness(LocalHarness(quick=True))
