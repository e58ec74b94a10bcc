"""Suites on one face: a wrapper does not see by which it is used, and `make conformance` has both."""

from __future__ import annotations

import pytest

from cloudstore.testing import ConformanceSuite
from cloudstore.testing.conformance import ConformanceTests
from cloudstore.testing.conformance.bulk import BulkTests
from cloudstore.testing.conformance.expiry import ExpiryTests
from cloudstore.testing.conformance.folders import FolderTests
from cloudstore.testing.conformance.handles import HandleTests
from cloudstore.testing.conformance.keys import KeyTests
from cloudstore.testing.conformance.mirrors import MirrorTests
from cloudstore.testing.conformance.presigning import PresigningTests

__all__ = ["ENGINES", "WITHOUT_KEYS", "OnAsyncio", "OnThreads"]

ENGINES: tuple[type[ConformanceTests], ...] = (BulkTests, FolderTests, MirrorTests, ExpiryTests)
"""What stands on the verbs of a store, and asks a driver for nothing that other themes do not."""

WITHOUT_KEYS: tuple[type[ConformanceTests], ...] = tuple(
    theme
    for theme in ConformanceSuite.__bases__
    if theme not in (KeyTests, HandleTests, PresigningTests, *ENGINES)
)
"""All themes but those of many cases that go through a wrapper as they are; `make conformance` has
them all."""


class OnThreads:
    """On `Store` only."""

    @pytest.fixture
    def face(self) -> str:
        return "Store"


class OnAsyncio:
    """On `AsyncStore` only."""

    @pytest.fixture
    def face(self) -> str:
        return "AsyncStore"
