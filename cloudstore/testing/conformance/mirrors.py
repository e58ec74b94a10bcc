"""From one store into another: one object, and whole buckets made alike."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ...bucket import Bucket
from ...config import Config
from ...errors import (
    BucketNotFoundError,
    InvalidArgumentError,
    ObjectAlreadyExistsError,
    ObjectNotFoundError,
    PartialFailureError,
    PreconditionFailedError,
    UnsupportedError,
)
from ...model import GetOptions
from ...providers.memory import MemoryConfig
from ...store import Store
from .account import Account, Narrowed, RecordingDriver
from .base import ConformanceTests, needs, payload
from .folders import counted

__all__ = ["MirrorTests"]

OTHER = "other-side"
MEMORY: Config = MemoryConfig()
OBJECTS = {"a": b"1", "d/b": b"", "d/c": payload(3000), "\N{SNOWMAN}": b"snow"}


def stored(store: Store, bucket: str) -> dict[str, bytes]:
    """All objects."""
    keys = [o.key for o in store.get_all_objects(bucket)]
    return {r.key: r.value.read() for r in store.get_objects(bucket, keys) if r.value}


def stated_part_size(account: Account, bucket: str) -> int | None:
    """What the driver says of the parts of an object."""
    options = GetOptions()
    info = account.perform(lambda ctx: account.driver.head_object(ctx, bucket, "k", options))
    return account.perform(lambda ctx: account.driver.part_size(ctx, bucket, "k", info))


def there_and_back(ours: Bucket, theirs: Bucket, data: bytes) -> None:
    """Copies an object into another store and back from there."""
    ours.create_object("k", data, content_type="text/css")
    ours.copy_to("k", theirs, "in memory")
    assert theirs.get_object("in memory").read() == data
    theirs.copy_to("in memory", ours, "back")
    back = ours.get_object("back")
    assert back.content_type == "text/css"
    assert back.read() == data


class MirrorTests(ConformanceTests):
    """From one store into another."""

    @pytest.fixture
    def other(self, account: Account, face: str) -> Iterator[Store]:
        """Another vendor's store, with a bucket."""
        with account.over(MEMORY.create_driver(), face) as made:
            made.create_bucket(OTHER)
            yield made

    def test_object_there_and_back(self, store: Store, other: Store, bucket: str) -> None:
        there_and_back(store.bucket(bucket), other.bucket(OTHER), payload(300))

    def test_large_object_there_and_back(
        self, store: Store, other: Store, bucket: str, part_size: int
    ) -> None:
        data = payload(5 * part_size + 3)
        there_and_back(store.bucket(bucket), other.bucket(OTHER), data)

    def test_parts_end_where_those_of_the_source_do(
        self,
        account: Account,
        store: Store,
        recorded: Store,
        bucket: str,
        other_bucket: str,
        part_size: int,
    ) -> None:
        """Where the vendor can tell; of another size than a copy would have by itself."""
        size = part_size * 3 // 2
        data = payload(3 * size + 5)
        if store.capabilities.multipart:
            upload = store.create_multipart_upload(bucket, "k")
            for number, start in enumerate(range(0, len(data), size), 1):
                upload.upload_part(number, data[start : start + size])
            upload.complete()
        else:
            store.create_object(bucket, "k", data)
        store.bucket(bucket).copy_to("k", recorded.bucket(other_bucket))
        assert recorded.get_object(other_bucket, "k").read() == data
        stated = [stated_part_size(account, name) for name in (bucket, other_bucket)]
        assert stated in ([size, size], [None, None])

    @needs("metadata")
    def test_what_is_beside_an_object(self, store: Store, other: Store, bucket: str) -> None:
        store.create_object(bucket, "k", b"x", metadata={"name": "größe"})
        store.bucket(bucket).copy_to("k", other.bucket(OTHER))
        assert other.get_metadata(OTHER, "k") == {"name": "größe"}
        store.bucket(bucket).copy_to("k", other.bucket(OTHER), metadata={"name": "other"})
        assert other.get_metadata(OTHER, "k") == {"name": "other"}

    def test_what_the_target_cannot_hold_is_refused(
        self, account: Account, other: Store, store: Store, bucket: str, face: str
    ) -> None:
        other.create_object(OTHER, "k", b"x", metadata={"a": "1"})
        poor = Narrowed(account.driver, "metadata")
        recorder = RecordingDriver(poor)
        with account.over(recorder, face) as target:
            with pytest.raises(UnsupportedError):
                other.bucket(OTHER).copy_to("k", target.bucket(bucket))
            with pytest.raises(PartialFailureError) as caught:
                other.bucket(OTHER).mirror_to(target.bucket(bucket))
        assert isinstance(caught.value.results["k"], UnsupportedError)
        assert recorder.count("put_object", "create_multipart") == 0
        assert not store.object_exists(bucket, "k")

    def test_conditions_of_a_copy(self, store: Store, other: Store, bucket: str) -> None:
        ours, theirs = store.bucket(bucket), other.bucket(OTHER)
        store.create_object(bucket, "k", b"ours")
        other.create_object(OTHER, "k", b"theirs")
        with pytest.raises(ObjectAlreadyExistsError):
            ours.copy_to("k", theirs, if_absent=True)
        with pytest.raises((PreconditionFailedError, UnsupportedError)):
            ours.copy_to("k", theirs, source_if_match="another")
        assert other.get_object(OTHER, "k").read() == b"theirs"
        with pytest.raises(ObjectNotFoundError):
            ours.copy_to("missing", theirs)
        with pytest.raises(BucketNotFoundError):
            ours.copy_to("k", other.bucket("no-such-bucket"))

    def test_mirror_there_and_back(self, store: Store, other: Store, bucket: str) -> None:
        ours, theirs = store.bucket(bucket), other.bucket(OTHER)
        store.create_objects(bucket, OBJECTS)
        assert counted(ours.mirror_to(theirs)) == {"total": 4, "copied": 4}
        assert stored(other, OTHER) == OBJECTS
        store.delete_objects(bucket, OBJECTS)
        summary = theirs.mirror_to(ours)
        assert counted(summary) == {"total": 4, "copied": 4}
        assert summary.bytes == sum(map(len, OBJECTS.values()))
        assert stored(store, bucket) == OBJECTS

    def test_second_mirror_copies_nothing(
        self,
        store: Store,
        other: Store,
        recorded: Store,
        recorder: RecordingDriver,
        bucket: str,
    ) -> None:
        other.create_objects(OTHER, OBJECTS)
        other.bucket(OTHER).mirror_to(store.bucket(bucket))
        recorder.calls.clear()
        summary = other.bucket(OTHER).mirror_to(recorded.bucket(bucket))
        # Written in one second, they are compared by checksums; none in common tells nothing.
        if store.head_object(bucket, "a").checksums:
            assert recorder.count("put_object", "create_multipart") == summary.copied
        assert summary.total == summary.copied + summary.duplicate == 4
        assert stored(store, bucket) == OBJECTS

    def test_what_is_only_there(self, store: Store, other: Store, bucket: str) -> None:
        other.create_objects(OTHER, OBJECTS)
        store.create_objects(bucket, {"surplus": b"x", "kept.tmp": b"x"})
        source, target = other.bucket(OTHER), store.bucket(bucket)
        dry = source.mirror_to(target, delete=True, ignore=["*.tmp"], dry_run=True)
        assert counted(dry) == {"total": 4, "copied": 4, "deleted": 1}
        assert sorted(a.path for a in dry.actions) == sorted([*OBJECTS, "surplus"])
        assert set(stored(store, bucket)) == {"surplus", "kept.tmp"}
        summary = source.mirror_to(target, delete=True, ignore=["*.tmp"])
        assert counted(summary) == {"total": 4, "copied": 4, "deleted": 1}
        assert stored(store, bucket) == {**OBJECTS, "kept.tmp": b"x"}

    def test_mirror_of_a_prefix(self, store: Store, other: Store, bucket: str) -> None:
        store.create_objects(bucket, OBJECTS)
        target = other.bucket(OTHER, prefix="copy/")
        store.bucket(bucket, prefix="d/").mirror_to(target)
        assert stored(other, OTHER) == {"copy/b": b"", "copy/c": OBJECTS["d/c"]}

    def test_within_one_account_the_vendor_copies(
        self,
        store: Store,
        recorded: Store,
        recorder: RecordingDriver,
        bucket: str,
        other_bucket: str,
    ) -> None:
        store.create_objects(bucket, OBJECTS)
        recorder.calls.clear()
        summary = recorded.bucket(bucket).mirror_to(recorded.bucket(other_bucket))
        assert counted(summary) == {"total": 4, "copied": 4}
        by_the_vendor = store.capabilities.copy
        assert recorder.count("copy_object") == (4 if by_the_vendor else 0)
        assert recorder.count("get_object") == (0 if by_the_vendor else 4)
        assert stored(store, other_bucket) == OBJECTS

    def test_what_cannot_be_made_alike(self, store: Store, other: Store, bucket: str) -> None:
        with pytest.raises(InvalidArgumentError):
            store.bucket(bucket).mirror_to(store.bucket(bucket))
        with pytest.raises(BucketNotFoundError):
            store.bucket(bucket).mirror_to(other.bucket("no-such-bucket"))
        with pytest.raises(BucketNotFoundError):
            other.bucket("no-such-bucket").mirror_to(store.bucket(bucket))
        with pytest.raises(InvalidArgumentError):
            store.bucket(bucket).mirror_to(other.bucket(OTHER), delet=True)  # type: ignore[call-overload]
