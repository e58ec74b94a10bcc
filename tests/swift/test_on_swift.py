"""The contract on a real OpenStack Swift, by its native API."""

from __future__ import annotations

import pytest

from cloudstore.testing import ConformanceSuite
from tests.servers.swift_server import Swift
from tests.swift.harness import SwiftHarness


@pytest.fixture(scope="session")
def harness(swift: Swift) -> SwiftHarness:
    return SwiftHarness(swift)


class TestSwift(ConformanceSuite):
    pass
