"""Suites on one face: a wrapper does not see by which it is used, and `make conformance` has both."""

from __future__ import annotations

import pytest

from cloudstore.testing import ConformanceSuite
from cloudstore.testing.conformance import ConformanceTests
from cloudstore.testing.conformance.handles import HandleTests
from cloudstore.testing.conformance.keys import KeyTests
from cloudstore.testing.conformance.presigning import PresigningTests

__all__ = ["WITHOUT_KEYS", "OnAsyncio", "OnThreads"]

WITHOUT_KEYS: tuple[type[ConformanceTests], ...] = tuple(
    theme
    for theme in ConformanceSuite.__bases__
    if theme not in (KeyTests, HandleTests, PresigningTests)
)
"""All themes but those of many cases that go through a wrapper as they are."""


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
