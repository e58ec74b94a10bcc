"""Where a copy from one store to another is cut, how it is read, and what it takes of memory.

Stores in memory, whose drivers note what they are asked for. `test_boundaries` has the real servers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from cloudstore import (
    ChecksumMismatchError,
    CloudStoreError,
    MemoryConfig,
    ObjectAlreadyExistsError,
    Store,
    TooLargeError,
    TransferConfig,
    TransportError,
    UnavailableError,
)
from cloudstore.bodies import BytesPayload, Payload
from cloudstore.capabilities import Limits
from cloudstore.driver import Driver, Flow, GetResult, OpContext, Sleep
from cloudstore.model import GetOptions, ObjectInfo, Part, PutOptions, UploadRef
from cloudstore.pass_through import PassThroughDriver
from cloudstore.testing import FailoverDriver
from cloudstore.testing.conformance import RecordingDriver
from cloudstore.testing.conformance.account import Narrowed
from cloudstore.transfer.between_stores import MEMORY

BUCKET = "bucket"
PART = 100
TRANSFER = TransferConfig(part_size=PART, multipart_threshold=200, max_concurrency=8)
READS = 4


def pattern(size: int) -> bytes:
    return b"".join(hashlib.sha256(b"%d" % n).digest() for n in range(size // 32 + 1))[:size]


@dataclass
class Noted:
    """What went through both drivers of a copy.

    Attributes:
        stated: what the source says of its parts.
        ranges: that were asked of the source.
        sizes: of the target's parts, by their numbers.
        most: bytes that were asked for and not yet stored, at most at a time.
    """

    stated: int | CloudStoreError | None = None
    ranges: list[tuple[int, int | None]] = field(default_factory=list)
    sizes: dict[int, int] = field(default_factory=dict)
    asked: int = 0
    stored: int = 0
    most: int = 0


class Source(PassThroughDriver):
    """States a size of its parts."""

    def __init__(self, inner: Driver, noted: Noted) -> None:
        super().__init__(inner)
        self.noted = noted
        self.checksums: dict[str, str] | None = None

    def part_size(self, ctx: OpContext, bucket: str, key: str, info: ObjectInfo) -> Flow[int | None]:
        yield from ()
        if isinstance(self.noted.stated, CloudStoreError):
            raise self.noted.stated
        return self.noted.stated

    def get_object(self, ctx: OpContext, bucket: str, key: str, options: GetOptions) -> Flow[GetResult]:
        noted, span = self.noted, options.range
        noted.ranges.append((span.start, span.end))
        opened = yield from super().get_object(ctx, bucket, key, options)
        if not span.is_whole:
            noted.asked += opened.end - opened.start
            noted.most = max(noted.most, noted.asked - noted.stored)
        if self.checksums is not None:
            opened.info.checksums = self.checksums
        return opened


class Target(PassThroughDriver):
    """Slow, and with limits that a test sets."""

    def __init__(self, inner: Driver, noted: Noted) -> None:
        super().__init__(inner)
        self.noted = noted
        self.limited: dict[str, Any] = {}
        self.meanwhile: Any = None

    @property
    def limits(self) -> Limits:  # type: ignore[override]
        return replace(self.inner.limits, **self.limited)

    def upload_part(self, ctx: OpContext, ref: UploadRef, number: int, payload: Payload) -> Flow[Part]:
        if self.meanwhile is not None:
            meanwhile, self.meanwhile = self.meanwhile, None
            yield from meanwhile(ctx)
        yield Sleep(0.005)
        self.noted.sizes[number] = payload.size
        part = yield from super().upload_part(ctx, ref, number, payload)
        self.noted.stored += payload.size
        return part


@dataclass
class Sides:
    """A store to copy from and one to copy to."""

    noted: Noted
    ours: Source
    theirs: Target
    source: Store
    target: Store

    def copy(self, **options: Any) -> None:
        self.source.bucket(BUCKET).copy_to("k", self.target.bucket(BUCKET), **options)

    def sizes(self) -> list[int]:
        return [self.noted.sizes[number] for number in sorted(self.noted.sizes)]


@pytest.fixture
def sides() -> Iterator[Sides]:
    noted = Noted()
    ours = Source(MemoryConfig().create_driver(), noted)
    theirs = Target(MemoryConfig().create_driver(), noted)
    with Store(ours, transfer=TRANSFER) as source, Store(theirs, transfer=TRANSFER) as target:
        source.create_bucket(BUCKET)
        target.create_bucket(BUCKET)
        yield Sides(noted, ours, theirs, source, target)


def filled(sides: Sides, size: int) -> bytes:
    data = pattern(size)
    sides.source.create_object(BUCKET, "k", data)
    sides.noted.sizes.clear()
    return data


# --- where it is cut ---


@pytest.mark.parametrize("stated", [70, 100, 130, 800])
def test_parts_of_a_copy_are_those_of_its_source(sides: Sides, stated: int) -> None:
    data = filled(sides, 3 * stated + 7)
    sides.noted.stated = stated
    sides.copy()
    assert sides.target.get_object(BUCKET, "k").read() == data
    assert sides.sizes() == [stated] * 3 + [7]


def test_parts_do_not_grow_as_they_become_many(sides: Sides) -> None:
    """As those of a stream do whose length nobody knows, after a thousand."""
    data = filled(sides, 2100 * 20 + 1)
    sides.noted.stated = 20
    sides.copy()
    assert sides.target.get_object(BUCKET, "k").read() == data
    assert sides.sizes() == [20] * 2100 + [1]


@pytest.mark.parametrize(
    ("stated", "limits"),
    [
        (None, {}),
        (UnavailableError("nobody can tell"), {}),
        (99, {"min_part_size": 100}),
        (101, {"max_part_size": 100}),
        (10, {"max_parts": 100}),
        (801, {}),  # more than what parts under way may take together
    ],
    ids=["unknown", "failing", "too small", "too large", "too many", "too much memory"],
)
def test_a_source_that_cannot_be_followed_is_cut_as_ever(
    sides: Sides, stated: int | CloudStoreError | None, limits: dict[str, int]
) -> None:
    data = filled(sides, 1650)
    sides.noted.stated = stated
    sides.theirs.limited = limits
    sides.copy()
    assert sides.target.get_object(BUCKET, "k").read() == data
    assert sides.sizes() == [PART] * 16 + [50]


def test_more_than_the_target_takes_is_refused_before_anything_is_sent(sides: Sides) -> None:
    filled(sides, 1650)
    sides.theirs.limited = {"max_parts": 10, "max_part_size": PART}
    with pytest.raises(TooLargeError) as caught:
        sides.copy()
    assert (caught.value.bucket, caught.value.key) == (BUCKET, "k")
    assert sides.noted.sizes == {}
    assert sides.target.list_multipart_uploads(BUCKET) == []


@pytest.mark.parametrize(
    ("stated", "options", "sizes"),
    [
        (70, {}, [70, 70, 10]),
        (70, {"if_absent": True}, [70, 70, 10]),
        (None, {}, []),
        (150, {}, []),  # in one piece
        (20, {}, []),  # parts that the target does not take
    ],
)
def test_what_would_go_in_one_request_keeps_its_parts_all_the_same(
    sides: Sides, stated: int | None, options: dict[str, Any], sizes: list[int]
) -> None:
    data = filled(sides, 150)
    sides.noted.stated = stated
    sides.theirs.limited = {"min_part_size": 50}
    sides.copy(**options)
    assert sides.target.get_object(BUCKET, "k").read() == data
    assert sides.sizes() == sizes


def test_a_condition_that_only_one_request_can_hold_counts_for_more_than_parts() -> None:
    noted = Noted(70)
    completes = RecordingDriver(MemoryConfig().create_driver())
    theirs = Narrowed(completes, "complete_if_absent")
    with Store(Source(MemoryConfig().create_driver(), noted)) as source, Store(theirs) as target:
        source.create_bucket(BUCKET)
        target.create_bucket(BUCKET)
        source.create_object(BUCKET, "k", pattern(150))
        source.bucket(BUCKET).copy_to("k", target.bucket(BUCKET), if_absent=True)
    assert (completes.count("put_object"), completes.count("upload_part")) == (1, 0)


def test_progress_knows_the_whole(sides: Sides) -> None:
    filled(sides, 450)
    told: list[tuple[int, int | None]] = []
    sides.copy(progress=lambda *step: told.append(step))
    assert told[-1] == (450, 450)
    assert {total for _, total in told} == {450}


@pytest.mark.parametrize("size", [0, 1, 200])
def test_a_small_object_is_one_request_on_each_side(size: int) -> None:
    ours, theirs = (RecordingDriver(MemoryConfig().create_driver()) for _ in range(2))
    with Store(ours, transfer=TRANSFER) as source, Store(theirs, transfer=TRANSFER) as target:
        source.create_bucket(BUCKET)
        target.create_bucket(BUCKET)
        source.create_object(BUCKET, "k", pattern(size))
        ours.calls.clear()
        theirs.calls.clear()
        source.bucket(BUCKET).copy_to("k", target.bucket(BUCKET))
        assert [call for call in ours.calls if call != "part_size"] == ["get_object"]
        assert theirs.calls == ["put_object"]


# --- how it is read ---


@pytest.mark.parametrize(("stated", "concurrency"), [(PART, 8), (40, 8), (PART, 2), (PART, 1)])
def test_what_is_under_way_is_bounded(stated: int, concurrency: int) -> None:
    """By the parts of the target's transfer, and a few pieces that are read ahead."""
    noted = Noted(stated)
    transfer = replace(TRANSFER, max_concurrency=concurrency)
    ours = Source(MemoryConfig().create_driver(), noted)
    theirs = Target(MemoryConfig().create_driver(), noted)
    with Store(ours, transfer=transfer) as source, Store(theirs, transfer=transfer) as target:
        source.create_bucket(BUCKET)
        target.create_bucket(BUCKET)
        data = pattern(60 * stated)
        source.create_object(BUCKET, "k", data)
        source.bucket(BUCKET).copy_to("k", target.bucket(BUCKET))
        assert target.get_object(BUCKET, "k").read() == data
    first, *others = noted.ranges
    assert first == (0, None)
    if concurrency == 1:
        assert others == []  # one after the other, by one request
    else:
        assert others == [
            (n, n + stated if n < 59 * stated else None) for n in range(stated, 60 * stated, stated)
        ]
    ahead = min(READS, concurrency)
    assert noted.most <= concurrency * PART + (ahead + 1) * stated


def test_what_is_more_than_the_memory_for_copies_is_not_held_whole() -> None:
    """Also by a target that takes anything by one request."""
    theirs = RecordingDriver(MemoryConfig().create_driver())
    with Store(MemoryConfig()) as source, Store(theirs) as target:
        source.create_bucket(BUCKET)
        target.create_bucket(BUCKET)
        for size, parts in ((MEMORY, 0), (MEMORY + 1, 17)):
            source.create_object(BUCKET, "k", bytes(size))
            theirs.calls.clear()
            source.bucket(BUCKET).copy_to("k", target.bucket(BUCKET))
            assert theirs.count("upload_part") == parts
            assert target.head_object(BUCKET, "k").size == size


def test_a_source_without_versions_is_read_in_order(sides: Sides) -> None:
    data = filled(sides, 1000)
    unversioned = RecordingDriver(Unversioned(sides.ours.inner))
    with Store(unversioned, transfer=TRANSFER) as source:
        source.bucket(BUCKET).copy_to("k", sides.target.bucket(BUCKET))
    assert unversioned.count("get_object") == 1
    assert sides.target.get_object(BUCKET, "k").read() == data


class Unversioned(PassThroughDriver):
    """Has no ETags, and closes nothing."""

    def get_object(self, ctx: OpContext, bucket: str, key: str, options: GetOptions) -> Flow[GetResult]:
        opened = yield from super().get_object(ctx, bucket, key, options)
        opened.info.etag = opened.info.version = None
        return opened


# --- where it fails ---


def nothing_is_left(sides: Sides) -> bool:
    there = sides.target.object_exists(BUCKET, "k")
    return not there and sides.target.list_multipart_uploads(BUCKET) == []


def test_nothing_is_made_of_bytes_that_are_not_what_was_stored(sides: Sides) -> None:
    filled(sides, 1000)
    sides.ours.checksums = {"crc32": "00000000"}
    with pytest.raises(ChecksumMismatchError):
        sides.copy()
    assert nothing_is_left(sides)


def test_nothing_is_made_of_two_objects(sides: Sides) -> None:
    filled(sides, 3000)

    def replaced(ctx: OpContext) -> Flow[None]:
        payload = BytesPayload(bytes(3000))
        yield from sides.ours.put_object(ctx, BUCKET, "k", payload, PutOptions())

    sides.theirs.meanwhile = replaced
    with pytest.raises(TransportError, match="replaced"):
        sides.copy()
    assert nothing_is_left(sides)


def test_conditions_hold_for_a_copy_in_parts(sides: Sides) -> None:
    data = filled(sides, 1000)
    sides.noted.stated = 300
    sides.copy(if_absent=True)
    with pytest.raises(ObjectAlreadyExistsError):
        sides.copy(if_absent=True)
    assert sides.target.get_object(BUCKET, "k").read() == data
    assert sides.target.list_multipart_uploads(BUCKET) == []


def test_a_failing_target_ends_what_is_read_ahead(sides: Sides) -> None:
    filled(sides, 3000)

    def fails(ctx: OpContext) -> Flow[None]:
        yield from ()
        raise UnavailableError("no more")

    sides.theirs.meanwhile = fails
    with pytest.raises(UnavailableError):
        sides.copy()
    assert nothing_is_left(sides)
    sides.copy()  # and nothing of it is in the way


# --- over two children ---


def test_a_store_over_two_says_what_a_child_says() -> None:
    noted = Noted(stated=70)
    first, second = (Source(MemoryConfig().create_driver(), noted) for _ in range(2))
    theirs = Target(MemoryConfig().create_driver(), noted)
    with ExitStack() as stack:
        source = stack.enter_context(Store(FailoverDriver(first, second), transfer=TRANSFER))
        target = stack.enter_context(Store(theirs, transfer=TRANSFER))
        source.create_bucket(BUCKET)
        target.create_bucket(BUCKET)
        data = pattern(300)
        source.create_object(BUCKET, "k", data)
        noted.sizes.clear()
        source.bucket(BUCKET).copy_to("k", target.bucket(BUCKET))
        assert target.get_object(BUCKET, "k").read() == data
        assert noted.sizes == {1: 70, 2: 70, 3: 70, 4: 70, 5: 20}
        info = source._driver.head_object
        ctx = source._context("conformance", BUCKET, "k", None)
        found = source._run(ctx, info(ctx, BUCKET, "k", GetOptions()))
        other = replace(found, etag="of another object")
        assert source._run(ctx, source._driver.part_size(ctx, BUCKET, "k", found)) == 70
        assert source._run(ctx, source._driver.part_size(ctx, BUCKET, "k", other)) is None
