"""Stores and their tokens: made once, renewed once, and told to nobody; on both faces."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from cloudstore import AsyncStore, CloudStoreError, RetryPolicy, Secret, Store, SwiftConfig
from cloudstore.errors import AuthenticationError, ConfigError, TransportError
from cloudstore.testing import LoopThread, blocking_store
from tests.s3.scripted import Asked, Say, ScriptedServer
from tests.servers.keystone_process import SHORT_SECONDS
from tests.servers.keystone_server import Keystone, Person
from tests.servers.process import free_port
from tests.servers.swift_server import Swift
from tests.swift.accounts import listening

MIB = 1024 * 1024
RETRY = RetryPolicy(attempts=3, base_delay=0.001, max_delay=0.002)
OpenStore = Callable[[SwiftConfig], Store]


@pytest.fixture(params=["Store", "AsyncStore"])
def open_store(request: pytest.FixtureRequest) -> Iterator[OpenStore]:
    with ExitStack() as stack:
        loop = stack.enter_context(LoopThread()) if request.param == "AsyncStore" else None

        def make(config: SwiftConfig) -> Store:
            if loop is None:
                return stack.enter_context(Store(config))
            return stack.enter_context(blocking_store(AsyncStore(config), loop))

        yield make


@pytest.fixture(scope="module")
def person(keystone: Keystone, keystone_swift: Swift) -> Person:
    return keystone.add_person("owner")


def of_person(keystone: Keystone, person: Person, **options: object) -> SwiftConfig:
    given: dict[str, object] = {
        "auth_url": keystone.url,
        "user": person.name,
        "secret_key": person.password,
        "project_name": person.project,
        "retry": RETRY,
    }
    return SwiftConfig.from_mapping({**given, **options})


class Tokens:
    """A service of v1 and its storage, which takes the token that it gave last, if any."""

    def __init__(self, *, takes: bool = True, pause: float = 0.0) -> None:
        self.given = 0
        self.account = "a"
        self.takes = takes
        self._pause = pause
        self.server = ScriptedServer(self._answer)

    def _answer(self, asked: Asked) -> Say:
        if asked.path == "/auth/v1.0":
            time.sleep(self._pause)
            self.given += 1
            token = f"very-secret-{self.given}"
            place = f"{self.server.url}/v1/{self.account}"
            return Say(200, b"", {"x-storage-url": place, "x-auth-token": token})
        if asked.path == "/info":
            return Say(200, b"{}", {"content-type": "application/json"})
        current = asked.headers.get("x-auth-token") == f"very-secret-{self.given}"
        current = current and f"{asked.path}/".startswith(f"/v1/{self.account}/")
        return Say(204 if current and self.takes else 401)

    def config(self) -> SwiftConfig:
        return SwiftConfig(
            auth_url=f"{self.server.url}/auth/v1.0", user="u", secret_key=Secret("k"), retry=RETRY
        )


def test_one_authentication_for_all_who_begin_at_once(open_store: OpenStore) -> None:
    tokens = Tokens(pause=0.05)
    with tokens.server:
        store = open_store(tokens.config())
        together = threading.Barrier(8)

        def ask() -> bool:
            together.wait(20)
            return store.bucket_exists("bucket")

        with ThreadPoolExecutor(8) as pool:
            assert all(future.result() for future in [pool.submit(ask) for _ in range(8)])
        assert tokens.given == 1


def test_a_refused_token_is_renewed_once_for_all(open_store: OpenStore) -> None:
    tokens = Tokens(pause=0.05)
    with tokens.server:
        store = open_store(tokens.config())
        assert store.bucket_exists("bucket")
        tokens.given += 1  # the one that is out is no good any more
        with ThreadPoolExecutor(8) as pool:
            found = [pool.submit(store.bucket_exists, "bucket") for _ in range(8)]
            assert all(future.result() for future in found)
        assert tokens.given == 3


def test_an_account_that_has_moved_is_found_with_the_next_token(open_store: OpenStore) -> None:
    tokens = Tokens()
    with tokens.server:
        store = open_store(tokens.config())
        assert store.bucket_exists("bucket")
        tokens.account = "b"
        with pytest.raises(AuthenticationError):
            store.bucket_exists("bucket")  # it was on its way to the old place
        assert store.bucket_exists("bucket")


def test_a_token_that_is_always_refused_is_an_error(open_store: OpenStore) -> None:
    tokens = Tokens(takes=False)
    with tokens.server:
        store = open_store(tokens.config())
        with pytest.raises(AuthenticationError) as caught:
            store.bucket_exists("bucket")
        assert (caught.value.status, caught.value.outcome) == (401, "not_applied")
        assert 2 <= tokens.given <= RETRY.attempts


def test_a_child_goes_on_with_the_session() -> None:
    tokens = Tokens()
    with tokens.server, Store(tokens.config()) as store:
        assert store.bucket_exists("bucket")
        pid = os.fork()
        if pid == 0:
            found = False
            try:
                found = store.bucket_exists("bucket")
            finally:
                os._exit(0 if found else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert store.bucket_exists("bucket")
        assert tokens.given == 1


def test_a_child_signs_in_itself() -> None:
    tokens = Tokens()
    with tokens.server, Store(tokens.config()) as store:
        pid = os.fork()
        if pid == 0:
            found = False
            try:
                found = store.bucket_exists("bucket")
            finally:
                os._exit(0 if found else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert tokens.given == 1
        assert store.bucket_exists("bucket")
        assert tokens.given == 2


def test_a_child_has_a_native_connection_of_its_own() -> None:
    tokens = Tokens()
    with tokens.server, Store(tokens.config()) as store:
        native = store.native
        native.head_account()
        pid = os.fork()
        if pid == 0:
            found = False
            try:
                store.native.head_account()
                found = store.native is not native
            finally:
                os._exit(0 if found else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert store.native is native
        native.head_account()


# --- on a real Keystone ---------------------------------------------------------------------------


def test_objects_of_a_project(keystone: Keystone, person: Person, open_store: OpenStore) -> None:
    store = open_store(of_person(keystone, person, region="RegionTwo"))
    store.create_bucket("project")
    store.create_object("project", "k", b"data", metadata={"a": "ä"})
    found = store.get_object("project", "k")
    assert (found.read(), found.metadata) == (b"data", {"a": "ä"})
    upload = store.create_multipart_upload("project", "large")
    upload.upload_part(1, b"x" * MIB)
    upload.upload_part(2, b"y")
    upload.complete()
    assert store.get_object("project", "large").read() == b"x" * MIB + b"y"
    assert [o.key for o in store.get_all_objects("project")] == ["k", "large"]
    store.delete_bucket("project", force=True)


def test_errors_name_what_is_wrong(keystone: Keystone, person: Person, open_store: OpenStore) -> None:
    wrong = open_store(of_person(keystone, person, secret_key="very-secret-and-wrong"))
    with pytest.raises(AuthenticationError) as refused:
        wrong.create_object("bucket", "k", b"")
    error = refused.value
    assert (error.vendor, error.operation, error.status) == ("swift", "create_object", 401)
    assert (error.outcome, error.attempts) == ("not_applied", 1)
    nowhere = open_store(of_person(keystone, person, region="nowhere"))
    with pytest.raises(ConfigError, match="there are RegionOne"):
        nowhere.get_object("bucket", "k")
    alone = f"http://127.0.0.1:{free_port()}/v3"
    with pytest.raises(TransportError) as unreachable:
        open_store(of_person(keystone, person, auth_url=alone)).create_object("bucket", "k", b"")
    assert unreachable.value.outcome == "not_applied"
    assert unreachable.value.attempts == RETRY.attempts
    assert unreachable.value.operation == "create_object"


def test_a_revoked_token_is_renewed(keystone: Keystone, person: Person, open_store: OpenStore) -> None:
    store = open_store(of_person(keystone, person))
    store.create_bucket("revoked")
    keystone.revoke_all(person)
    assert store.bucket_exists("revoked")
    store.delete_bucket("revoked")


def test_an_expired_token_is_renewed(keystone: Keystone, person: Person, open_store: OpenStore) -> None:
    store = open_store(of_person(keystone, person, auth_url=keystone.short_url))
    store.create_bucket("expired")
    end = time.monotonic() + 1.5 * SHORT_SECONDS
    while time.monotonic() < end:
        assert store.bucket_exists("expired")
        time.sleep(0.2)
    store.delete_bucket("expired")


def test_nothing_is_told_of_tokens(keystone: Keystone, person: Person, open_store: OpenStore) -> None:
    with listening() as heard:
        tokens = Tokens()
        with tokens.server:
            store = open_store(tokens.config())
            assert store.bucket_exists("bucket")
            tokens.given += 1
            assert store.bucket_exists("bucket")
            tokens.takes = False
            with pytest.raises(CloudStoreError) as refused:
                store.bucket_exists("bucket")
            heard.hear(store, refused.value, refused.value.__dict__)
        wrong = of_person(keystone, person, secret_key="very-secret-and-wrong")
        with pytest.raises(CloudStoreError) as refused:
            open_store(wrong).bucket_exists("bucket")
        heard.hear(wrong, refused.value)
        assert open_store(of_person(keystone, person)).bucket_exists("none") is False
    heard.search("very-secret", person.password)
    assert heard.texts
