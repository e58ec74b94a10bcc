from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers.keystone_server import Keystone
from tests.servers.swift_server import Swift


@pytest.fixture(scope="session")
def keystone() -> Iterator[Keystone]:
    with Keystone() as server:
        yield server


@pytest.fixture(scope="session")
def keystone_swift(keystone: Keystone) -> Iterator[Swift]:
    """A Swift that asks the Keystone about every token, and is in its catalogue."""
    with Swift(keystone) as server:
        keystone.add_storage(server.url)
        yield server
