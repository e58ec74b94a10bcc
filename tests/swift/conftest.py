from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers.swift_server import Swift


@pytest.fixture(scope="session")
def swift() -> Iterator[Swift]:
    with Swift() as server:
        yield server
