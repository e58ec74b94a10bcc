"""The contract on OpenStack Swift's own S3 API: all of it on one face, some on the other and wrapped.

Swift is slow. What is repeated is what faces and wrappers have most code of their own for; the rest
is proven on ministack: on both faces, and but for keys and presigning under both wrappers.
"""

from __future__ import annotations

import pytest

from cloudstore import Store, UploadNotFoundError
from cloudstore.testing import ConformanceSuite, Harness
from cloudstore.testing.conformance.account import Account
from cloudstore.testing.conformance.checksums import ChecksumTests
from cloudstore.testing.conformance.conditions import ConditionTests
from cloudstore.testing.conformance.copies import CopyTests
from cloudstore.testing.conformance.multipart import MultipartTests
from cloudstore.testing.conformance.writers import WriterTests
from tests.conformance.embedded import FailoverHarness, PassThroughHarness
from tests.s3.harness import SwiftHarness
from tests.servers.swift_server import Swift


@pytest.fixture(scope="session")
def harness(swift: Swift) -> SwiftHarness:
    return SwiftHarness(swift)


@pytest.fixture(scope="session")
def passed_through(swift: Swift) -> Harness:
    return PassThroughHarness(SwiftHarness(swift))


@pytest.fixture(scope="session")
def failover(swift: Swift, second_swift: Swift) -> Harness:
    return FailoverHarness(SwiftHarness(swift), SwiftHarness(second_swift))


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


class SomeThemes(ConditionTests, CopyTests, SwiftUploads):
    pass


class TestSwift(SwiftUploads, ConformanceSuite):
    @pytest.fixture
    def face(self) -> str:
        return "Store"


class TestSwiftOnAsyncio(SomeThemes, WriterTests, ChecksumTests):
    @pytest.fixture
    def face(self) -> str:
        return "AsyncStore"


class TestSwiftUnderPassThrough(SomeThemes):
    @pytest.fixture
    def face(self) -> str:
        return "Store"

    @pytest.fixture
    def harness(self, passed_through: Harness) -> Harness:
        return passed_through


class TestSwiftUnderFailover(SomeThemes):
    @pytest.fixture
    def face(self) -> str:
        return "AsyncStore"

    @pytest.fixture
    def harness(self, failover: Harness) -> Harness:
        return failover
