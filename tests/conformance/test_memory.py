"""The memory driver keeps the contract: bare, and under both wrappers."""

from __future__ import annotations

from cloudstore.driver import Driver
from cloudstore.testing import AdministeredDriver, ConformanceSuite
from cloudstore.testing.conformance.administration import AdministrationTests
from cloudstore.testing.conformance.buckets import BucketTests
from cloudstore.testing.conformance.capabilities import CapabilityTests
from tests.conformance.embedded import FailoverHarness, MemoryHarness, PassThroughHarness
from tests.conformance.faces import OnAsyncio, OnThreads


class TestMemory(ConformanceSuite):
    harness = MemoryHarness()


class TestMemoryUnderPassThrough(OnThreads, ConformanceSuite):
    harness = PassThroughHarness(MemoryHarness())


class TestMemoryUnderFailover(OnAsyncio, ConformanceSuite):
    harness = FailoverHarness(MemoryHarness())


class AdministeredHarness(MemoryHarness):
    """Memory with the settings that it lacks, by which nothing acts."""

    shown_on = None

    def make_driver(self) -> Driver:
        return AdministeredDriver(super().make_driver())


class TestMemoryAdministered(AdministrationTests, BucketTests, CapabilityTests):
    harness = AdministeredHarness()
