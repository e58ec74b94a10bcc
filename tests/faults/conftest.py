from __future__ import annotations

import itertools
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from cloudstore import Store
from cloudstore.testing.blocking_face import LoopThread
from tests.faults.stage import Stage
from tests.faults.vendors import BUCKET, S3, OpenStackSwift, Qiniu, Vendor
from tests.wire.server import Hook, Scripted
from tests.wire.test_tls import server_context

MakeStage = Callable[[str], Stage]
Perform = Callable[[Hook], Stage]


@dataclass(frozen=True)
class Scene:
    """One of the ways in which a test runs."""

    vendor: str
    face: str
    connections: str

    def __str__(self) -> str:
        return f"{self.vendor}-{self.face}-{self.connections}"


WIRE = [("threads", "plain"), ("threads", "tls"), ("tasks", "plain"), ("tasks", "tls")]
"""Faces and connections: all with S3, which shows what is the wire's; a pair with the others."""
PLAIN = [("threads", "plain"), ("tasks", "plain")]
"""The simulator judges signed URLs by their scheme."""
PAIR = [("threads", "plain"), ("tasks", "tls")]
SCENES = [
    *(Scene("s3", *way) for way in WIRE),
    *(Scene("swift", *way) for way in PAIR),
    *(Scene("qiniu", *way) for way in PLAIN),
]
OVER_TLS = pytest.mark.parametrize(
    "scene", [scene for scene in SCENES if scene.connections == "tls"], indirect=True, ids=str
)


@pytest.fixture(params=SCENES, ids=str)
def scene(request: pytest.FixtureRequest) -> Scene:
    found: Scene = request.param
    return found


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
def keys() -> Iterator[str]:
    return (f"key {number}" for number in itertools.count())


class Vendors:
    """The vendors that were asked for, with their servers, and stores that reach those directly."""

    def __init__(self, request: pytest.FixtureRequest, stack: ExitStack) -> None:
        self._request, self._stack = request, stack
        self._made: dict[str, tuple[Vendor, Store]] = {}

    def get(self, name: str) -> tuple[Vendor, Store]:
        if name not in self._made:
            vendor = MAKERS[name](self._request, self._stack)
            store = self._stack.enter_context(Store(vendor.config(vendor.url)))
            store.create_bucket(BUCKET)
            self._made[name] = vendor, store
        return self._made[name]


def make_qiniu(request: pytest.FixtureRequest, stack: ExitStack) -> Vendor:
    simulator = stack.enter_context(Qiniu.make_simulator())
    return Qiniu(simulator, stack.enter_context(Qiniu.front(simulator)))


MAKERS: Mapping[str, Callable[[pytest.FixtureRequest, ExitStack], Vendor]] = {
    "s3": lambda request, stack: S3(request.getfixturevalue("ministack")),
    "swift": lambda request, stack: OpenStackSwift(request.getfixturevalue("swift")),
    "qiniu": make_qiniu,
}


@pytest.fixture(scope="session")
def vendors(request: pytest.FixtureRequest) -> Iterator[Vendors]:
    with ExitStack() as stack:
        yield Vendors(request, stack)


@pytest.fixture
def vendor(scene: Scene, vendors: Vendors) -> Vendor:
    return vendors.get(scene.vendor)[0]


@pytest.fixture
def direct(scene: Scene, vendors: Vendors) -> Store:
    """The server without a proxy: what is really there."""
    return vendors.get(scene.vendor)[1]


@pytest.fixture
def make_stage(
    scene: Scene,
    vendor: Vendor,
    ca_file: tuple[str, ssl.SSLContext],
    loop: LoopThread,
    keys: Iterator[str],
) -> Iterator[MakeStage]:
    """Makes stages before servers, by their URLs."""
    made: list[Stage] = []
    path, context = ca_file

    def make(upstream: str) -> Stage:
        tls = context if scene.connections == "tls" else None
        made.append(Stage(vendor, upstream, scene.face, loop, next(keys), tls, path))
        return made[-1]

    yield make
    for stage in made:
        stage.close()


@pytest.fixture
def stage(make_stage: MakeStage, vendor: Vendor) -> Stage:
    """Before the vendor's server."""
    return make_stage(vendor.url)


@pytest.fixture
def perform(make_stage: MakeStage, vendor: Vendor) -> Iterator[Perform]:
    """Makes a stage before a server that does what a script says; logins go well."""
    made: list[Scripted] = []

    def start(script: Hook) -> Stage:
        made.append(Scripted(lambda peer: script(vendor.polite(peer))))
        return make_stage(made[-1].origin)

    yield start
    for server in made:
        server.close()
