"""A driver that can do next to nothing keeps the contract too: all else is refused, nothing skipped."""

from __future__ import annotations

from cloudstore import Capabilities, MemoryConfig, Store
from cloudstore.driver import Driver
from cloudstore.testing import BorrowingDriver, ConformanceSuite, Harness, PassThroughDriver


class LeastDriver(PassThroughDriver):
    """Whole objects and listings; buckets are made elsewhere."""

    @property
    def capabilities(self) -> Capabilities:  # type: ignore[override]
        return Capabilities()


class LeastHarness(Harness):
    def make_driver(self) -> Driver:
        return LeastDriver(MemoryConfig().create_driver())

    def provide_bucket(self, driver: Driver) -> str:
        name = self.bucket_name()
        assert isinstance(driver, LeastDriver)
        with Store(BorrowingDriver(driver.inner)) as store:
            store.create_bucket(name)
        return name


class TestLeast(ConformanceSuite):
    harness = LeastHarness()
