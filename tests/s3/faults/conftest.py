from __future__ import annotations

import itertools
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import trustme

from cloudstore import Store
from cloudstore.testing.blocking_face import LoopThread
from tests.s3.faults.stage import REGION, Stage
from tests.s3.scripted import Asked, Say, ScriptedServer
from tests.servers.ministack_server import Ministack
from tests.wire.server import Hook, Scripted
from tests.wire.test_tls import server_context

BUCKET = "faults"
MakeStage = Callable[[str], Stage]
Answer = Callable[[Callable[[Asked], Say] | list[Say]], Stage]
Perform = Callable[[Hook], Stage]


@pytest.fixture(scope="session")
def ca_file(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ssl.SSLContext]:
    """An authority's file, and what a server needs that it has certified."""
    authority = trustme.CA()
    path: Path = tmp_path_factory.mktemp("authority") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path), server_context(authority)


@pytest.fixture(scope="session")
def loop() -> Iterator[LoopThread]:
    with LoopThread() as made:
        yield made


@pytest.fixture(scope="session")
def direct(ministack: Ministack) -> Iterator[Store]:
    """The server without a proxy: what is really there."""
    with Store(ministack.s3_config(region=REGION)) as store:
        store.create_bucket(BUCKET)
        yield store


@pytest.fixture(scope="session")
def keys() -> Iterator[str]:
    return (f"key {number}" for number in itertools.count())


@pytest.fixture(params=["plain", "tls"])
def connections(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    return kind


@pytest.fixture(params=["threads", "tasks"])
def make_stage(
    request: pytest.FixtureRequest,
    connections: str,
    ca_file: tuple[str, ssl.SSLContext],
    loop: LoopThread,
    keys: Iterator[str],
    ministack: Ministack,
) -> Iterator[MakeStage]:
    """Makes stages before servers, by their URLs."""
    made: list[Stage] = []
    path, context = ca_file

    def make(upstream: str) -> Stage:
        account = ministack.access_key, ministack.secret_key
        tls = context if connections == "tls" else None
        made.append(Stage(upstream, request.param, loop, account, BUCKET, next(keys), tls, path))
        return made[-1]

    yield make
    for stage in made:
        stage.close()


@pytest.fixture
def stage(make_stage: MakeStage, ministack: Ministack, direct: Store) -> Stage:
    """Before ministack."""
    return make_stage(ministack.url)


@pytest.fixture
def answer(make_stage: MakeStage) -> Iterator[Answer]:
    """Makes a stage before a server that answers by a script."""
    with ExitStack() as servers:
        yield lambda script: make_stage(servers.enter_context(ScriptedServer(script)).url)


@pytest.fixture
def perform(make_stage: MakeStage) -> Iterator[Perform]:
    """Makes a stage before a server that does what a script says."""
    made: list[Scripted] = []

    def start(script: Hook) -> Stage:
        made.append(Scripted(script))
        return make_stage(made[-1].origin)

    yield start
    for server in made:
        server.close()
