"""A simulator for all of a module's tests, and one for those that set it up themselves.

Qiniu's SDK keeps settings and caches in its modules and in the folder for temporary files: each test
gets fresh ones.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import qiniu
from qiniu.http import regions_provider

from cloudstore.testing.qiniu import QiniuLimits, QiniuSimulator

from .client import Client

MakeClient = Callable[..., Client]


@pytest.fixture(scope="module")
def shared() -> Iterator[Client]:
    with QiniuSimulator(limits=QiniuLimits(buckets=1000)) as simulator:
        client = Client(simulator)
        yield client
        client.close()


@pytest.fixture(scope="module")
def numbers() -> Iterator[int]:
    return count(1)


@pytest.fixture
def bucket(shared: Client, numbers: Iterator[int]) -> str:
    """A bucket of the test's own."""
    name = f"bucket-{next(numbers)}"
    shared.simulator.create_bucket(name)
    return name


@pytest.fixture
def make() -> Iterator[MakeClient]:
    """Makes a simulator with the settings given, and a client of it."""
    with ExitStack() as ends:

        def made(**settings: Any) -> Client:
            client = Client(ends.enter_context(QiniuSimulator(**settings)))
            ends.callback(client.close)
            return client

        yield made


@pytest.fixture
def sdk_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the SDK's caches go; its settings are as they were afterwards."""
    folder = tmp_path / "sdk"
    folder.mkdir()
    cache = os.path.join(folder, "regions-cache.jsonl")
    scope = regions_provider._global_cache_scope._replace(memo_cache={}, persist_path=cache)
    monkeypatch.setattr(regions_provider, "_global_cache_scope", scope)
    monkeypatch.setattr(qiniu.config, "_config", dict(qiniu.config._config))
    customized = dict(qiniu.config._is_customized_default)
    monkeypatch.setattr(qiniu.config, "_is_customized_default", customized)
    return folder
