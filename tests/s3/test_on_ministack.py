"""The contract on ministack, with everything that AWS has."""

from __future__ import annotations

import pytest

from cloudstore import Store
from cloudstore.testing import ConformanceSuite
from cloudstore.testing.conformance.administration import AdministrationTests
from tests.s3.harness import MinistackHarness
from tests.servers.ministack_server import Ministack


@pytest.fixture(scope="session")
def harness(ministack: Ministack) -> MinistackHarness:
    return MinistackHarness(ministack)


class MinistackTags(AdministrationTests):
    """What ministack does to tags, and S3 does not."""

    def test_tags_come_with_a_write_and_go_with_the_next(self, store: Store, bucket: str) -> None:
        """ministack leaves an object that is replaced its tags, which S3 does not."""
        store.create_object(bucket, "k", b"data", tags={"a": "1"})
        assert store.get_tags(bucket, "k") == {"a": "1"}
        store.create_object(bucket, "k", b"data", tags={"b": "2"})
        assert store.get_tags(bucket, "k") == {"b": "2"}

    def test_tags_come_with_an_upload_in_parts(self, store: Store, bucket: str, part_size: int) -> None:
        """ministack drops the tags of an upload; that they are sent is compared with boto3."""
        data = b"x" * (2 * part_size + 1)
        store.create_object(bucket, "k", iter([data]), tags={"a": "1"})
        assert store.get_object(bucket, "k").read() == data


class TestMinistack(MinistackTags, ConformanceSuite):
    pass
