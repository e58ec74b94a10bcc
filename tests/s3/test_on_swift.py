"""The contract on OpenStack Swift's own S3 API."""

from __future__ import annotations

import pytest

from cloudstore import Store, UploadNotFoundError
from cloudstore.testing import ConformanceSuite
from cloudstore.testing.conformance.account import Account
from tests.s3.harness import SwiftHarness
from tests.servers.swift_server import Swift


@pytest.fixture(scope="session")
def harness(swift: Swift) -> SwiftHarness:
    return SwiftHarness(swift)


class TestSwift(ConformanceSuite):
    @pytest.fixture(params=["Store"])
    def face(self, request: pytest.FixtureRequest) -> str:
        """One face: Swift is slow, and what the other adds is proven on ministack."""
        return str(request.param)

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
        assert store.list_multipart_uploads(bucket) == []
