"""The contract on OpenStack Swift's own S3 API."""

from __future__ import annotations

import pytest

from cloudstore import Store, UploadNotFoundError
from cloudstore.testing import ConformanceSuite
from tests.s3.harness import S3Harness
from tests.servers.swift_server import Swift


@pytest.fixture(scope="session")
def harness(swift: Swift) -> S3Harness:
    return S3Harness(swift, "swift", "us-east-1")


class TestSwift(ConformanceSuite):
    @pytest.fixture(params=["Store"])
    def face(self, request: pytest.FixtureRequest) -> str:
        """One face: Swift is slow, and what the other adds is proven on ministack."""
        return str(request.param)

    def test_completed_upload_is_over(self, store: Store, bucket: str) -> None:
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
