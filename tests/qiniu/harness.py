"""How the conformance suite reaches the simulator of Qiniu."""

from __future__ import annotations

from dataclasses import replace

from cloudstore.config import Secret
from cloudstore.providers.qiniu import QiniuConfig, QiniuDriver
from cloudstore.testing import Harness
from cloudstore.testing.qiniu import QiniuLimits, QiniuSimulator
from tests.evidence import Place

SMALL_PART = 16 * 1024
LIMITS = QiniuLimits(min_part=SMALL_PART, buckets=10_000)
"""Smaller parts than Qiniu's, so that many are still quick; more buckets than at first."""


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
    shown_on = Place("qiniu", kind="simulator", server="our simulator")
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
