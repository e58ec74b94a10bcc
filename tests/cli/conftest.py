from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudstore import Store, StoreFactory

from .program import Program

PROFILES = """
[dev]
provider = "file"
root = "store"

[other]
provider = "file"
root = "store2"
"""


@pytest.fixture
def cli(tmp_path: Path) -> Program:
    return Program(tmp_path, PROFILES)


@pytest.fixture
def dev(cli: Program) -> Iterator[Store]:
    """The store of the profile `dev`, with a bucket `media`."""
    with StoreFactory.create("file", root=str(cli.folder / "store")) as store:
        store.create_bucket("media")
        yield store


@pytest.fixture
def other(cli: Program) -> Iterator[Store]:
    """The store of the profile `other`, with a bucket `backup`."""
    with StoreFactory.create("file", root=str(cli.folder / "store2")) as store:
        store.create_bucket("backup")
        yield store
