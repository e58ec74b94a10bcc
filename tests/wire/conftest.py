from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cloudstore.policy import Timeouts
from cloudstore.wire.settings import NetworkSettings
from cloudstore.wire.tls import TlsSettings

from .engines import ENGINES, QUICK, Engine
from .server import Hook, Scripted

MakeEngine = Callable[..., Engine]
Serve = Callable[..., Scripted]


@pytest.fixture(params=list(ENGINES))
def make_engine(request: pytest.FixtureRequest) -> Iterator[MakeEngine]:
    """Makes an engine; at the end all are closed, and nothing may be left for the collector."""
    made: list[Engine] = []

    def make(timeouts: Timeouts = QUICK, tls: TlsSettings | None = None, **settings: Any) -> Engine:
        engine = ENGINES[request.param](
            NetworkSettings(timeouts=timeouts, tls=tls or TlsSettings(), **settings)
        )
        made.append(engine)
        return engine

    yield make
    for engine in made:
        engine.close()
    made.clear()
    gc.collect()  # a socket that was not closed warns here, and warnings are errors


@pytest.fixture
def engine(make_engine: MakeEngine) -> Engine:
    return make_engine()


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts scripted servers."""
    made: list[Scripted] = []

    def start(script: Hook, **options: Any) -> Scripted:
        made.append(Scripted(script, **options))
        return made[-1]

    yield start
    for server in made:
        server.close()
