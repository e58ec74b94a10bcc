"""How the conformance suite reaches the simulator of Qiniu."""

from __future__ import annotations

from dataclasses import replace

from cloudstore.config import Secret
from cloudstore.driver import Driver
from cloudstore.providers.qiniu import QiniuConfig, QiniuDriver
from cloudstore.testing import FailoverDriver, Harness
from cloudstore.testing.qiniu import QiniuLimits, QiniuSimulator

SMALL_PART = 16 * 1024
LIMITS = QiniuLimits(min_part=SMALL_PART, buckets=10_000)
"""Smaller parts than Qiniu's, so that many are still quick; more buckets than at first."""
STAGGER = 5.0
"""Seconds until a read asks the second simulator: long, so that the first answers also when busy."""


def config_of(qiniu: QiniuSimulator, **options: object) -> QiniuConfig:
    """The simulator's account."""
    given: dict[str, object] = {
        "access_key": qiniu.access_key,
        "secret_key": Secret(qiniu.secret_key),
        "endpoint": qiniu.api_url,
        "cdn": qiniu.api_url,
    }
    return QiniuConfig(**(given | options))  # type: ignore[arg-type]


class QiniuHarness(Harness):
    """Drivers of one account."""

    etag_tells_metadata = False  # it is the hash of the bytes
    form_fixes_type = False  # the file of a form has what type it says

    def __init__(self, qiniu: QiniuSimulator) -> None:
        self._config = config_of(qiniu)
        self.secrets = (qiniu.secret_key,)

    def make_driver(self) -> QiniuDriver:
        """With parts smaller than Qiniu takes."""
        driver = self._config.create_driver()
        driver.limits = replace(driver.limits, min_part_size=SMALL_PART)
        return driver

    def second_view(self, driver: object) -> QiniuDriver:
        return self.make_driver()


class QiniuFailoverHarness(Harness):
    """Two simulators as one: each driver of the first harness with one of the second.

    What guards a change of metadata is the children's ETag, which says nothing of metadata, while the
    wrapper's own does: so it declares no such guard.
    """

    form_fixes_type = False

    def __init__(self, first: QiniuHarness, second: QiniuHarness) -> None:
        self._both = (first, second)
        self.secrets = first.secrets + second.secrets

    def make_driver(self) -> Driver:
        first, second = (harness.make_driver() for harness in self._both)
        for child in (first, second):
            child.capabilities = replace(child.capabilities, update_metadata_if_match=False)
        return FailoverDriver(first, second, STAGGER)

    def second_view(self, driver: Driver) -> Driver:
        return self.make_driver()
