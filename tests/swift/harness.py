"""How the conformance suite reaches a Swift by its native API."""

from __future__ import annotations

from dataclasses import replace

from cloudstore import Secret, SwiftConfig
from cloudstore.driver import Driver
from cloudstore.providers.swift import SwiftDriver
from cloudstore.testing import FailoverDriver, Harness
from tests.servers.swift_server import Swift

TEMP_URL_KEY = "the-key-of-temporary-urls"
SMALL_PART = 16 * 1024
"""Swift takes parts of any size; the suite wants a size below which it refuses."""
STAGGER = 5.0
"""Seconds until a read asks the second server: long, so that the first one answers also when busy."""


def config_of(server: Swift) -> SwiftConfig:
    """Its tester's account, by v1."""
    return SwiftConfig(
        auth_url=f"{server.url}/auth/v1.0", user=server.access_key, secret_key=Secret(server.secret_key)
    )


class SwiftHarness(Harness):
    """Drivers of one account."""

    etag_tells_metadata = False  # it is the MD5 of the bytes
    upload_time_step = 1.0

    def __init__(self, server: Swift, *, conditional_writes: bool = False) -> None:
        self.config = replace(config_of(server), conditional_writes=conditional_writes)
        self.secrets = (server.secret_key, TEMP_URL_KEY)
        self._keyed = False

    def make_driver(self) -> SwiftDriver:
        if not self._keyed:
            self._keyed = True
            native = self.config.create_driver().native
            native.post_account({"X-Account-Meta-Temp-URL-Key": TEMP_URL_KEY})
            native.close()
        driver = self.config.create_driver()
        driver.limits = replace(driver.limits, min_part_size=SMALL_PART)
        return driver

    def second_view(self, driver: object) -> SwiftDriver:
        return self.make_driver()


class SwiftFailoverHarness(Harness):
    """Two servers as one: each driver of the first harness with one of the second."""

    def __init__(self, first: SwiftHarness, second: SwiftHarness) -> None:
        self._both = (first, second)
        self.secrets = first.secrets + second.secrets

    def make_driver(self) -> Driver:
        first, second = (harness.make_driver() for harness in self._both)
        return FailoverDriver(first, second, STAGGER)

    def second_view(self, driver: Driver) -> Driver:
        return self.make_driver()
