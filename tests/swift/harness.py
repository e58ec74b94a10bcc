"""How the conformance suite reaches a Swift by its native API."""

from __future__ import annotations

from dataclasses import replace

from cloudstore import Secret, SwiftConfig
from cloudstore.providers.swift import SwiftDriver
from cloudstore.testing import Harness
from tests.evidence import Place, on_package
from tests.servers.swift_server import Swift

TEMP_URL_KEY = "the-key-of-temporary-urls"
SMALL_PART = 16 * 1024
"""Swift takes parts of any size; the suite wants a size below which it refuses."""

SMALL_PAGE = 250
"""And so many keys that a page of 10,000 would take long to fill."""


def config_of(server: Swift) -> SwiftConfig:
    """Its tester's account, by v1."""
    return SwiftConfig(
        auth_url=f"{server.url}/auth/v1.0", user=server.access_key, secret_key=Secret(server.secret_key)
    )


class SwiftHarness(Harness):
    """Drivers of one account."""

    etag_tells_metadata = False  # it is the MD5 of the bytes
    reuses_buckets = True
    shown_on: Place | None = on_package("swift", "", "OpenStack Swift", "swift")
    upload_time_step = 1.0

    def __init__(self, server: Swift, *, conditional_writes: bool = False) -> None:
        self.config = replace(config_of(server), conditional_writes=conditional_writes)
        if conditional_writes:
            self.shown_on = None  # not what the driver declares by itself
        self.secrets = (server.secret_key, TEMP_URL_KEY)
        self._keyed = False

    def make_driver(self) -> SwiftDriver:
        if not self._keyed:
            self._keyed = True
            native = self.config.create_driver().native
            native.post_account({"X-Account-Meta-Temp-URL-Key": TEMP_URL_KEY})
            native.close()
        driver = self.config.create_driver()
        driver.limits = replace(
            driver.limits, min_part_size=SMALL_PART, page_size=SMALL_PAGE, delete_batch=SMALL_PAGE
        )
        return driver

    def second_view(self, driver: object) -> SwiftDriver:
        return self.make_driver()
