"""The contract of two unlike stores under failover: nothing of one child means anything to the other.

Conditions are decided by the first child. Reads are where the children can be mixed up, so each pair
reads in another way: from the first; begun on the first and gone on with on the second, bodies and
listings in their middle; from the second only. A driver does not see the face that it is used by: most
pairs run on one of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from cloudstore import TransportError, UnavailableError
from cloudstore.bodies import Body
from cloudstore.driver import Driver, Flow, GetResult, OpContext
from cloudstore.model import GetOptions, ListOptions, Page
from cloudstore.testing import ConformanceSuite, FailoverDriver, Harness, PassThroughDriver
from cloudstore.testing.conformance.concurrency import ConcurrencyTests
from cloudstore.testing.conformance.conditions import ConditionTests
from cloudstore.testing.conformance.copies import CopyTests
from cloudstore.testing.conformance.listing import ListingTests
from cloudstore.testing.conformance.metadata import MetadataTests
from cloudstore.testing.conformance.multipart import MultipartTests
from cloudstore.testing.conformance.reading import ReadingTests
from cloudstore.testing.conformance.writers import WriterTests
from cloudstore.testing.qiniu import QiniuSimulator
from tests.conformance.embedded import STAGGER, FailoverHarness, LocalHarness, MemoryHarness
from tests.conformance.faces import WITHOUT_KEYS, OnAsyncio, OnThreads
from tests.qiniu.harness import LIMITS, QiniuHarness
from tests.s3.harness import MinistackHarness
from tests.servers.ministack_server import Ministack
from tests.servers.swift_server import Swift
from tests.swift.harness import SwiftHarness

SHORT = 4
ALONE = tuple(theme for theme in WITHOUT_KEYS if theme is not ConcurrencyTests)


class BreakingBodies(PassThroughDriver):
    """Has the first half of each longer body.

    Short ones are whole: what counts up beside others reads them between the writes to both children.
    """

    def get_object(self, ctx: OpContext, bucket: str, key: str, options: GetOptions) -> Flow[GetResult]:
        opened = yield from super().get_object(ctx, bucket, key, options)
        size = opened.end - opened.start
        if size <= SHORT:
            return opened
        return GetResult(opened.info, HalfBody(opened.body, size // 2), opened.start, opened.end)


class BreakingDriver(BreakingBodies):
    """Has the first page of each listing, too."""

    def list_page(self, ctx: OpContext, bucket: str, options: ListOptions) -> Flow[Page]:
        if options.token is not None:
            raise UnavailableError("there are no more pages here")
        return (yield from super().list_page(ctx, bucket, options))


class HalfBody(Body):
    def __init__(self, inner: Body, size: int) -> None:
        self._inner = inner
        self._left = size

    def readinto(self, buffer: memoryview) -> Flow[int]:
        if not self._left:
            raise TransportError("the body broke off")
        count = yield from self._inner.readinto(buffer[: self._left])
        self._left -= count
        return count

    def within(self, ctx: OpContext) -> None:
        self._inner.within(ctx)

    def close(self) -> None:
        self._inner.close()


class BreakingHarness(FailoverHarness):
    """What the first child begins the second one ends: listings where both can tell a place in them."""

    def _join(self, first: Driver, second: Driver) -> Driver:
        both = first.capabilities & second.capabilities
        breaking = BreakingDriver if both.start_after and both.ordered_listing else BreakingBodies
        driver = FailoverDriver(breaking(first), second, STAGGER)
        self._children[driver] = (first, second)
        return driver


class SecondReads(FailoverDriver):
    """Asks the second child first."""

    def _race(self, flows: Sequence[Flow[Any]], discard: Any = None) -> Flow[Any]:
        return super()._race(flows[::-1], discard)


class SecondReadsHarness(FailoverHarness):
    """The second child answers."""

    def _join(self, first: Driver, second: Driver) -> Driver:
        driver = SecondReads(first, second, STAGGER)
        self._children[driver] = (first, second)
        return driver


class TestLocalAndMemory(OnThreads, ConformanceSuite):
    """Memory comes second: it is not shared with a forked child, which the contract has them be."""

    harness = FailoverHarness(LocalHarness(quick=True), MemoryHarness())


class TestLocalAndS3(OnThreads, *ALONE):  # type: ignore[misc]
    """All but readers beside writers: what breaks off then is not on the other child as it was."""

    @pytest.fixture(scope="session")
    @staticmethod
    def harness(ministack: Ministack) -> Iterator[Harness]:
        made = BreakingHarness(LocalHarness(quick=True), MinistackHarness(ministack))
        yield made
        made.close()


class TestLocalAndS3SideBySide(ConcurrencyTests):
    @pytest.fixture(scope="session")
    @staticmethod
    def harness(ministack: Ministack) -> Iterator[Harness]:
        made = FailoverHarness(LocalHarness(quick=True), MinistackHarness(ministack))
        yield made
        made.close()


class TestS3AndLocal(OnAsyncio, *WITHOUT_KEYS):  # type: ignore[misc]
    @pytest.fixture(scope="session")
    @staticmethod
    def harness(ministack: Ministack) -> Iterator[Harness]:
        made = SecondReadsHarness(MinistackHarness(ministack), LocalHarness(quick=True))
        yield made
        made.close()


@pytest.fixture(scope="session")
def qiniu() -> Iterator[QiniuSimulator]:
    with QiniuSimulator(limits=LIMITS) as simulator:
        yield simulator


class TestSwiftAndQiniu(
    OnAsyncio,
    ConditionTests,
    CopyTests,
    ListingTests,
    MetadataTests,
    MultipartTests,
    ReadingTests,
    WriterTests,
):
    """What goes over more than one request; the rest of the contract is in `make conformance`."""

    @pytest.fixture(scope="session")
    @staticmethod
    def harness(swift: Swift, qiniu: QiniuSimulator) -> Harness:
        return FailoverHarness(SwiftHarness(swift), QiniuHarness(qiniu))


class TestS3AndSwift(
    OnThreads, ConditionTests, CopyTests, MetadataTests, MultipartTests, ReadingTests, WriterTests
):
    """The same, but for listings."""

    @pytest.fixture(scope="session")
    @staticmethod
    def harness(ministack: Ministack, swift: Swift) -> Harness:
        return SecondReadsHarness(MinistackHarness(ministack), SwiftHarness(swift))


class TestQiniuAndS3(OnAsyncio, *ALONE):  # type: ignore[misc]
    @pytest.fixture(scope="session")
    @staticmethod
    def harness(qiniu: QiniuSimulator, ministack: Ministack) -> Harness:
        return BreakingHarness(QiniuHarness(qiniu), MinistackHarness(ministack))
