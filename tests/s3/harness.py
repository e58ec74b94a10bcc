"""How the conformance suite reaches a server that runs already."""

from __future__ import annotations

from dataclasses import replace

from cloudstore.capabilities import KeyRule
from cloudstore.config import Secret
from cloudstore.driver import Driver
from cloudstore.providers.s3 import S3Config, S3Driver
from cloudstore.providers.s3_presets import NO_XML
from cloudstore.testing import FailoverDriver, Harness
from tests.servers.ministack_server import Ministack
from tests.servers.swift_server import Swift

SMALL_PART = 16 * 1024
"""Both servers take parts of any size."""
STAGGER = 5.0
"""Seconds until a read asks the second server: long, so that the first one answers also when busy."""


class S3Harness(Harness):
    """Drivers of one account."""

    def __init__(self, server: Ministack | Swift, preset: str, region: str) -> None:
        self._config = S3Config(
            access_key=server.access_key,
            secret_key=Secret(server.secret_key),
            endpoint=server.url,
            region=region,
            preset=preset,
        )
        self.secrets = (server.secret_key,)

    def make_driver(self) -> S3Driver:
        """With parts smaller than S3 takes, so that many of them are still quick."""
        driver = self._config.create_driver()
        driver.limits = replace(driver.limits, min_part_size=SMALL_PART)
        return driver

    def second_view(self, driver: object) -> S3Driver:
        return self.make_driver()


class MinistackHarness(S3Harness):
    """As AWS, in a region where creating a bucket again is an error; what ministack lacks is left out.

    It ignores conditions on copies, and lists uploads as plain XML.
    """

    def __init__(self, server: Ministack) -> None:
        super().__init__(server, "aws", "eu-west-1")

    def make_driver(self) -> S3Driver:
        driver = super().make_driver()
        driver.capabilities = replace(driver.capabilities, copy_if_absent=False, copy_if_match=False)
        driver.key_rule = KeyRule(forbidden=(NO_XML,))
        return driver


class S3FailoverHarness(Harness):
    """Two servers as one: each driver of the first harness with one of the second."""

    def __init__(self, first: S3Harness, second: S3Harness) -> None:
        self._both = (first, second)
        self.secrets = first.secrets + second.secrets

    def make_driver(self) -> Driver:
        first, second = (harness.make_driver() for harness in self._both)
        return FailoverDriver(first, second, STAGGER)

    def second_view(self, driver: Driver) -> Driver:
        return self.make_driver()
