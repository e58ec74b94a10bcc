"""All of the contract, on every driver, on both faces: bare, under both wrappers, and of unlike pairs.

`make conformance` runs this: more than an hour of two cores. `make test` runs the same classes on fewer
faces and themes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from cloudstore.testing import ConformanceSuite, Harness
from cloudstore.testing.qiniu import QiniuSimulator
from tests.conformance.embedded import (
    FailoverHarness,
    LocalHarness,
    MemoryHarness,
    PassThroughHarness,
)
from tests.conformance.test_unlike_children import SecondReadsHarness
from tests.qiniu.harness import LIMITS, QiniuHarness
from tests.s3.harness import MinistackHarness
from tests.s3.harness import SwiftHarness as S3OnSwiftHarness
from tests.s3.test_on_ministack import MinistackTags
from tests.s3.test_on_swift import SwiftUploads
from tests.servers.ministack_server import Ministack
from tests.servers.swift_server import Swift
from tests.swift.harness import SwiftHarness
from tests.swift.test_on_swift import SwiftAdministration, SwiftPresigning

Make = Callable[[], Harness]


@pytest.fixture(scope="session")
def places(
    ministack: Ministack, second_ministack: Ministack, swift: Swift, second_swift: Swift
) -> Iterator[dict[str, Make]]:
    """Harnesses by the name of their driver and server; each call makes another."""
    with QiniuSimulator(limits=LIMITS) as first, QiniuSimulator(limits=LIMITS) as second:
        yield {
            "ministack": lambda: MinistackHarness(ministack),
            "second ministack": lambda: MinistackHarness(second_ministack),
            "s3 on swift": lambda: S3OnSwiftHarness(swift),
            "s3 on second swift": lambda: S3OnSwiftHarness(second_swift),
            "swift": lambda: SwiftHarness(swift),
            "second swift": lambda: SwiftHarness(second_swift),
            "qiniu": lambda: QiniuHarness(first),
            "second qiniu": lambda: QiniuHarness(second),
            "local": lambda: LocalHarness(quick=True),
            "second local": lambda: LocalHarness(quick=True),
            "memory": MemoryHarness,
            "second memory": MemoryHarness,
        }


def suite(name: str, make: Callable[[dict[str, Make]], Harness], *mixed: type) -> type:
    """A class of the whole suite on a harness made of `places`, with what `mixed` says otherwise."""

    @pytest.fixture(scope="session")  # type: ignore[misc]  # which the class below makes it
    @staticmethod
    def harness(places: dict[str, Make]) -> Iterator[Harness]:
        made = make(places)
        yield made
        made.close()

    return type(name, (*mixed, ConformanceSuite), {"harness": harness})


# What a server cannot do, by the mixture of tests that says so.
VENDORS: dict[str, tuple[type, ...]] = {
    "ministack": (MinistackTags,),
    "s3 on swift": (SwiftUploads,),
    "swift": (SwiftPresigning, SwiftAdministration),
    "qiniu": (),
    "local": (),
    "memory": (),
}
"""Failover does not administer, but for tags: of the rest it says that it cannot."""
SECOND = {
    "ministack": "second ministack",
    "s3 on swift": "s3 on second swift",
    "swift": "second swift",
    "qiniu": "second qiniu",
    "local": "second local",
    "memory": "second memory",
}


def _class_name(*words: str) -> str:
    return "Test" + "".join(part.capitalize() for word in words for part in word.split())


def _define() -> Iterator[type]:
    for place, mixed in VENDORS.items():
        second = SECOND[place]
        yield suite(_class_name(place), lambda p, x=place: p[x](), *mixed)  # type: ignore[misc]
        yield suite(
            _class_name(place, "under pass through"),
            lambda p, x=place: PassThroughHarness(p[x]()),  # type: ignore[misc]
            *mixed,
        )
        yield suite(
            _class_name(place, "under failover"),
            lambda p, x=place, y=second: FailoverHarness(p[x](), p[y]()),  # type: ignore[misc]
            *(kind for kind in mixed if kind is not SwiftAdministration),
        )
    pairs: list[tuple[str, str, type[FailoverHarness], tuple[type, ...]]] = [
        ("swift", "qiniu", FailoverHarness, (SwiftPresigning,)),
        ("ministack", "swift", SecondReadsHarness, ()),
        ("qiniu", "ministack", FailoverHarness, ()),
        ("swift", "local", SecondReadsHarness, (SwiftPresigning,)),
        ("local", "qiniu", FailoverHarness, ()),
        ("ministack", "local", SecondReadsHarness, ()),
        ("local", "memory", FailoverHarness, ()),
    ]
    for first, other, kind, mixed in pairs:
        yield suite(
            _class_name(first, "and", other),
            lambda p, x=first, y=other, k=kind: k(p[x](), p[y]()),  # type: ignore[misc]
            *mixed,
        )


globals().update({made.__name__: made for made in _define()})
