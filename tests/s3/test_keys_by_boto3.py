"""Keys that our driver writes are there, byte for byte, when boto3 lists them; others were refused."""

from __future__ import annotations

import pytest

from cloudstore import InvalidKeyError, Store
from cloudstore.testing.conformance.weird_keys import NEIGHBOURS, WEIRD_KEYS
from tests.s3.harness import MinistackHarness, S3Harness, SwiftHarness
from tests.servers.ministack_server import Ministack
from tests.servers.swift_server import Swift


@pytest.fixture(params=["ministack", "swift"])
def harness(request: pytest.FixtureRequest) -> S3Harness:
    """Each server; only the one that is asked for starts."""
    if request.param == "ministack":
        ministack: Ministack = request.getfixturevalue("ministack")
        return MinistackHarness(ministack)
    swift: Swift = request.getfixturevalue("swift")
    return SwiftHarness(swift)


def test_boto3_lists_exactly_the_keys_that_were_written(harness: S3Harness) -> None:
    with Store(harness.make_driver()) as store:
        bucket = store.create_bucket(harness.bucket_name())
        written: dict[str, int] = {}
        refused = set()
        for size, key in enumerate({*WEIRD_KEYS.values(), *NEIGHBOURS}):
            try:
                bucket.create_object(key, b"x" * size)
                written[key] = size
            except InvalidKeyError:
                refused.add(key)
        listing = store.native.get_paginator("list_objects_v2").paginate(Bucket=bucket.name)
        listed = {row["Key"]: row["Size"] for page in listing for row in page.get("Contents", ())}
        assert listed == written
        assert len(written) > 4 * len(refused)
