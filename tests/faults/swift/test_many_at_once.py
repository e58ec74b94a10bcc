"""Many threads and tasks, a fork, tokens that are taken back meanwhile: right bytes, nothing left."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Iterator

import pytest

from cloudstore import AsyncStore, Secret, Store, SwiftConfig
from cloudstore.testing.loopback import LoopbackServer, Request, Response
from tests.faults.swift.gate import Gate
from tests.s3.test_concurrency import FORKS, THREADS, in_threads, mixed, nothing_left  # noqa: F401
from tests.servers.swift_server import Swift
from tests.wire.test_sharing import run_in_fork

TASKS, ROUNDS = 500, 3
EVERY = 200
"""So many requests a token is good for: more than are on their way at a time."""
BUCKET = "many-at-once"


def config_of(url: str) -> SwiftConfig:
    """Of the tester, by v1."""
    key = Secret(Swift.secret_key)
    return SwiftConfig(auth_url=f"{url}/auth/v1.0", user=Swift.access_key, secret_key=key)


@pytest.fixture
def gate(swift: Swift) -> Iterator[Gate]:
    with Store(config_of(swift.url)) as direct:
        direct.create_bucket(BUCKET)
        with Gate(swift) as made:
            yield made
        assert direct.get_all_objects(BUCKET) == []
        direct.delete_bucket(BUCKET)


@FORKS
def test_threads_and_forks_with_tokens_that_end(
    gate: Gate,
    nothing_left: None,  # noqa: F811
) -> None:
    done = itertools.count(1)
    revoked: list[int] = []

    def work(index: int) -> None:
        if index == 0:
            run_in_fork(lambda: mixed(store, BUCKET, "child", 1))
            return
        mixed(store, BUCKET, f"t{index}", 1)
        if next(done) == THREADS // 2:  # once: who is slow could be refused twice, which is an error
            revoked.append(index)
            gate.revoke()

    with Store(config_of(gate.url)) as store:
        in_threads(THREADS, work)
    assert len(revoked) == 1
    assert gate.logins <= 2 * (1 + len(revoked)), "one for each token that ended, in parent and child"


class Account:
    """Enough of a Swift to serve objects that are made of their names, by tokens that end."""

    def __init__(self) -> None:
        self.logins = 0
        self._left = 0
        self._guard = threading.Lock()

    def __call__(self, request: Request) -> Response:
        with self._guard:
            if request.path.startswith("/auth/"):
                self.logins, self._left = self.logins + 1, EVERY * 5
                place = f"http://{request.headers['host']}/v1/AUTH_test"
                return Response(200, {"x-storage-url": place, "x-auth-token": f"AUTH_tk{self.logins}"})
            self._left -= 1
            if self._left < 0 or request.headers["x-auth-token"] != f"AUTH_tk{self.logins}":
                return Response(401, {"x-trans-id": "tx"})
        return Response(200, {"x-trans-id": "tx", "etag": "e"}, request.path.encode())


def test_tasks_with_tokens_that_end(nothing_left: None) -> None:  # noqa: F811
    account = Account()
    with LoopbackServer(account, max_body=1000) as server:
        url = f"http://127.0.0.1:{server.listen()}"

        async def one(store: AsyncStore, index: int) -> None:
            for turn in range(ROUNDS):
                async with store.get_object(BUCKET, f"{index}/{turn}") as found:
                    assert await found.read() == f"/v1/AUTH_test/{BUCKET}/{index}/{turn}".encode()

        async def work() -> None:
            async with AsyncStore(config_of(url)) as store:
                await asyncio.gather(*(one(store, index) for index in range(TASKS)))

        asyncio.run(work())
    wanted = -(-TASKS * ROUNDS // (EVERY * 5))
    assert wanted <= account.logins <= wanted + 1
