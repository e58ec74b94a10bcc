"""The conformance suite against every broken driver: run by `test_broken_drivers`, expected to fail."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from cloudstore.driver import Driver
from cloudstore.testing import BROKEN_DRIVERS, BrokenDriver, ConformanceSuite, Harness
from cloudstore.testing.broken import UnsignedServed


class BrokenHarness(Harness):
    def __init__(self, broken: BrokenDriver) -> None:
        self._broken = broken

    def make_driver(self) -> Driver:
        return self._broken.make()

    def serving(self, driver: Driver) -> AbstractContextManager[object]:
        return driver.serving() if isinstance(driver, UnsignedServed) else nullcontext()


def themes(broken: BrokenDriver) -> tuple[type, ...]:
    """The themes of the named tests: to collect the whole suite for every driver takes long."""
    found = {
        test: next(theme for theme in ConformanceSuite.__mro__ if test in vars(theme))
        for test in broken.caught_by
    }
    return tuple(dict.fromkeys(found.values()))


for _broken in BROKEN_DRIVERS:
    globals()[f"Test{_broken.name}"] = type(
        f"Test{_broken.name}", themes(_broken), {"harness": BrokenHarness(_broken)}
    )
