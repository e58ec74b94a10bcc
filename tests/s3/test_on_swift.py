"""The contract on OpenStack Swift's own S3 API, but for themes that ask nothing of the driver itself.

Swift is slow, so the most is on one face. The rest is proven on ministack, under wrappers as well, and
here by `make conformance`.
"""

from __future__ import annotations

import pytest

from cloudstore import Store, UploadNotFoundError
from cloudstore.testing import ConformanceSuite
from cloudstore.testing.conformance import ConformanceTests
from cloudstore.testing.conformance.account import Account
from cloudstore.testing.conformance.checksums import ChecksumTests
from cloudstore.testing.conformance.concurrency import ConcurrencyTests
from cloudstore.testing.conformance.conditions import ConditionTests
from cloudstore.testing.conformance.copies import CopyTests
from cloudstore.testing.conformance.handles import HandleTests
from cloudstore.testing.conformance.keys import KeyTests
from cloudstore.testing.conformance.lifecycle import LifecycleTests
from cloudstore.testing.conformance.multipart import MultipartTests
from cloudstore.testing.conformance.writers import WriterTests
from tests.conformance.faces import ENGINES, OnAsyncio, OnThreads
from tests.s3.harness import SwiftHarness
from tests.servers.swift_server import Swift


@pytest.fixture(scope="session")
def harness(swift: Swift) -> SwiftHarness:
    return SwiftHarness(swift)


THEMES: tuple[type[ConformanceTests], ...] = tuple(
    theme
    for theme in ConformanceSuite.__bases__
    if theme not in (KeyTests, HandleTests, ConcurrencyTests, LifecycleTests, *ENGINES)
)


class SwiftUploads(MultipartTests):
    def test_completed_upload_is_over(self, store: Store, account: Account, bucket: str) -> None:
        """Swift takes parts of a completed upload, and keeps them apart from the object."""
        upload = store.create_multipart_upload(bucket, "k")
        upload.upload_part(1, b"x")
        upload.complete()
        upload.upload_part(2, b"y")
        upload.complete(upload.parts[:1])
        with pytest.raises(UploadNotFoundError):
            upload.abort()
        assert store.get_object(bucket, "k").read() == b"x"
        if store.capabilities.list_uploads:
            assert store.list_multipart_uploads(bucket) == []


class TestSwift(OnThreads, SwiftUploads, *THEMES):  # type: ignore[misc]
    pass


class TestSwiftOnAsyncio(
    OnAsyncio, ConditionTests, CopyTests, SwiftUploads, WriterTests, ChecksumTests
):
    pass
