"""How the conformance suite reaches a server that runs already."""

from __future__ import annotations

from dataclasses import replace

from cloudstore.capabilities import KeyRule
from cloudstore.driver import Call, Flow, OpContext
from cloudstore.providers.s3 import S3Config, S3Driver
from cloudstore.providers.s3_presets import NO_XML
from cloudstore.testing import Harness
from tests.evidence import on_package
from tests.servers.ministack_server import Ministack
from tests.servers.swift_server import Swift

SMALL_PART = 16 * 1024
"""Both servers take parts of any size."""
SMALL_PAGE = 250
"""Keys, where a thousand take long to write."""


class S3Harness(Harness):
    """Drivers of one account."""

    etag_tells_metadata = False  # it is the MD5 of the bytes

    def __init__(self, config: S3Config) -> None:
        self._config = config
        assert config.secret_key is not None
        self.secrets = (config.secret_key.reveal(),)

    def make_driver(self) -> S3Driver:
        """With parts smaller than S3 takes, so that many of them are still quick."""
        driver = self._create()
        driver.limits = replace(driver.limits, min_part_size=SMALL_PART)
        return driver

    def _create(self) -> S3Driver:
        return self._config.create_driver()

    def second_view(self, driver: object) -> S3Driver:
        return self.make_driver()


class OpensBuckets(S3Driver):
    """Has each bucket take ACLs before one is set: those of today refuse them."""

    def set_acl(self, ctx: OpContext, bucket: str, key: str | None, acl: str) -> Flow[None]:
        yield Call(None, ctx, self._open, bucket)
        yield from super().set_acl(ctx, bucket, key, acl)

    def _open(self, bucket: str) -> None:
        client = self.native
        ownership = {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}
        try:
            client.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=ownership)
            client.delete_public_access_block(Bucket=bucket)
        except client.exceptions.NoSuchBucket:
            pass  # which is for the driver to find


class MinistackHarness(S3Harness):
    """As AWS, in a region where creating a bucket again is an error; what ministack lacks is left out.

    It ignores conditions on copies, and lists uploads as plain XML.
    """

    completes_again = True
    shown_on = on_package("s3", "aws", "ministack", "ministack")

    def __init__(self, server: Ministack) -> None:
        super().__init__(server.s3_config(region="eu-west-1"))

    def _create(self) -> S3Driver:
        return OpensBuckets(self._config)

    def make_driver(self) -> S3Driver:
        driver = super().make_driver()
        driver.capabilities = replace(driver.capabilities, copy_if_absent=False, copy_if_match=False)
        driver.key_rule = KeyRule(forbidden=(NO_XML,))
        return driver


class SwiftHarness(S3Harness):
    """Swift's S3 interface."""

    upload_time_step = 1.0  # it rounds up (S3Timestamp)
    reuses_buckets = True
    shown_on = on_package("s3", "swift", "OpenStack Swift", "swift")
    unsigned_statuses = (400,)  # it takes that for a request of its own interface

    def __init__(self, server: Swift) -> None:
        super().__init__(server.s3_config())

    def make_driver(self) -> S3Driver:
        driver = super().make_driver()
        driver.limits = replace(driver.limits, page_size=SMALL_PAGE, delete_batch=SMALL_PAGE)
        return driver
