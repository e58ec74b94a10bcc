"""The memory driver keeps the contract: bare, and under both wrappers."""

from __future__ import annotations

from cloudstore.testing import ConformanceSuite
from tests.conformance.embedded import FailoverHarness, MemoryHarness, PassThroughHarness


class TestMemory(ConformanceSuite):
    harness = MemoryHarness()


class TestMemoryUnderPassThrough(ConformanceSuite):
    harness = PassThroughHarness(MemoryHarness())


class TestMemoryUnderFailover(ConformanceSuite):
    harness = FailoverHarness(MemoryHarness())
