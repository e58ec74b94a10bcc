from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers.ministack_server import Ministack
from tests.servers.swift_server import Swift


@pytest.fixture(scope="session")
def ministack() -> Iterator[Ministack]:
    with Ministack() as server:
        yield server


@pytest.fixture(scope="session")
def swift() -> Iterator[Swift]:
    with Swift() as server:
        yield server
