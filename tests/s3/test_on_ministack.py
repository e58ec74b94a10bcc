"""The contract on ministack, with everything that AWS has."""

from __future__ import annotations

import pytest

from cloudstore.testing import ConformanceSuite
from tests.s3.harness import MinistackHarness
from tests.servers.ministack_server import Ministack


@pytest.fixture(scope="session")
def harness(ministack: Ministack) -> MinistackHarness:
    return MinistackHarness(ministack)


class TestMinistack(ConformanceSuite):
    pass
