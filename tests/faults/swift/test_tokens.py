"""Tokens that are refused in the middle of anything: renewed once for all, and never in a loop."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator

import pytest

from cloudstore import (
    AuthenticationError,
    DeadlineExceededError,
    RetryPolicy,
    Store,
    TransferConfig,
    TransportError,
    UnavailableError,
)
from cloudstore.testing import Fault
from tests.faults.conftest import MakeStage, Perform
from tests.faults.stage import ATTEMPTS, Stage, content, within
from tests.faults.swift.gate import Gate
from tests.faults.vendors import PART
from tests.s3.test_concurrency import in_threads
from tests.servers.swift_server import Swift
from tests.wire.server import Peer, ok

DATA = random.Random(3).randbytes(700_000)
CUT = 300_000
IN_PARTS = TransferConfig(part_size=PART, multipart_threshold=PART, max_concurrency=1)
SIDE_BY_SIDE = TransferConfig(part_size=PART, multipart_threshold=PART, max_concurrency=4)
AT_ONCE = TransferConfig(part_size=2**26, multipart_threshold=2**26)
MANY = 64
TIMEOUT = 0.3
NO = ok(b"", "x-trans-id: tx1", status="401 Unauthorized")


@pytest.fixture
def gate(swift: Swift) -> Iterator[Gate]:
    with Gate(swift) as made:
        yield made


@pytest.fixture
def stage(make_stage: MakeStage, gate: Gate) -> Stage:
    """Before the gate."""
    return make_stage(gate.url)


@pytest.fixture
def store(stage: Stage, gate: Gate) -> Store:
    """A store that has a token, which is good no more."""
    made = stage.store(transfer=IN_PARTS)
    gate.revoke()
    gate.logins = gate.refusals = 0
    return made


# --- renewed --------------------------------------------------------------------------------------


def list_all(store: Store, stage: Stage) -> object:
    return store.get_all_objects(stage.bucket, prefix=stage.key)


CALLS: dict[str, Callable[[Store, Stage], object]] = {
    "get": lambda store, stage: store.get_object(stage.bucket, stage.key).read(),
    "head": lambda store, stage: store.head_object(stage.bucket, stage.key),
    "put": lambda store, stage: store.create_object(stage.bucket, stage.key, b"new"),
    "parts": lambda store, stage: store.create_object(stage.bucket, stage.key, DATA),
    "delete": lambda store, stage: store.delete_object(stage.bucket, stage.key),
    "delete_many": lambda store, stage: store.delete_objects(stage.bucket, [stage.key]),
    "copy": lambda store, stage: store.copy_object(
        stage.bucket, stage.key, stage.bucket, f"{stage.key} copy"
    ),
    "metadata": lambda store, stage: store.set_metadata(stage.bucket, stage.key, {"a": "b"}),
    "list": list_all,
    "bucket": lambda store, stage: store.get_bucket(stage.bucket),
    "account": lambda store, stage: store.get_account(),
}


@pytest.mark.parametrize("call", CALLS)
def test_whatever_is_done_renews_once(
    stage: Stage, direct: Store, store: Store, gate: Gate, call: str
) -> None:
    direct.create_object(stage.bucket, stage.key, b"old")
    CALLS[call](store, stage)
    assert (gate.logins, gate.refusals) == (1, 1)
    assert stage.vendor.leftovers(direct, stage.bucket, stage.key) == []


def test_many_at_once_renew_once(stage: Stage, direct: Store, store: Store, gate: Gate) -> None:
    direct.create_object(stage.bucket, stage.key, b"data")

    def work(index: int) -> None:
        assert store.get_object(stage.bucket, stage.key).read() == b"data"

    in_threads(MANY, work)
    assert gate.logins == 1
    assert gate.refusals <= MANY


def test_download_goes_on_after_its_token_was_revoked(
    stage: Stage, direct: Store, store: Store, gate: Gate
) -> None:
    direct.create_object(stage.bucket, stage.key, DATA)
    store.head_object(stage.bucket, stage.key)
    stage.proxy.reset_connections()
    stage.clear()
    stage.inject(Fault(cut_down_after=CUT, cut="close"), times=1)
    found = store.get_object(stage.bucket, stage.key)
    first = found.read(1000)
    gate.revoke()
    assert first + found.read() == DATA
    assert found.verified_by == "md5"
    assert gate.logins == 2
    ranges = [sent.headers.get("range") for sent in stage.of("get")]
    assert ranges[0] is None
    assert ranges[1] == ranges[2] != None  # noqa: E711 - refused, and the same again


def test_parts_go_on_after_a_token_was_revoked(
    stage: Stage, direct: Store, store: Store, gate: Gate
) -> None:
    revoked: list[int] = []

    def revoke(done: int, total: int | None) -> None:
        if len(revoked) < 3:
            revoked.append(done)
            gate.revoke()

    store.create_object(stage.bucket, stage.key, DATA, progress=revoke)
    assert gate.logins == 4
    assert content(direct, stage) == DATA
    assert stage.vendor.leftovers(direct, stage.bucket, stage.key) == []


def test_parts_side_by_side_renew_a_token_once(stage: Stage, direct: Store, gate: Gate) -> None:
    store = stage.store(transfer=SIDE_BY_SIDE)
    gate.logins = gate.refusals = 0
    revoked: list[int] = []

    def revoke(done: int, total: int | None) -> None:
        if not revoked:
            revoked.append(done)
            gate.revoke()

    store.create_object(stage.bucket, stage.key, DATA, progress=revoke)
    assert gate.logins == 1
    assert content(direct, stage) == DATA
    assert stage.vendor.leftovers(direct, stage.bucket, stage.key) == []


def test_body_is_kept_back_from_who_refuses_the_token(perform: Perform) -> None:
    """Of 401 instead of "go on"; the body goes once, with the new token."""
    tokens: list[str] = []

    def script(peer: Peer) -> None:
        while (seen := peer.read_head()) is not None:
            tokens.append(seen.headers["x-auth-token"])
            assert seen.headers["expect"] == "100-continue"
            if len(tokens) == 1:
                peer.send(NO)
                continue
            peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            peer.read_body(seen)
            peer.send(stage.vendor.stored(body))

    body = bytes(4 * 1024 * 1024)
    stage = perform(script)
    stage.store(transfer=AT_ONCE).create_object(stage.bucket, stage.key, body)
    assert [len(sent.body) for sent in stage.of("put")] == [0, len(body)]
    assert sum(sent.target.startswith("/auth/") for sent in stage.everything) == 1


# --- not renewed ----------------------------------------------------------------------------------


@pytest.mark.parametrize("call", ["get", "put", "delete", "parts"])
def test_token_that_is_refused_again_is_an_error(
    stage: Stage, store: Store, gate: Gate, call: str
) -> None:
    gate.always = True
    operation = {"get": "get_object", "delete": "delete_object"}.get(call, "create_object")
    with stage.fails(
        AuthenticationError, operation, status=401, attempts=2, outcome="not_applied", retryable=False
    ):
        CALLS[call](store, stage)
    assert (gate.logins, gate.refusals) == (1, 2)


@pytest.mark.parametrize(
    ("status", "kind", "logins"),
    [
        (401, AuthenticationError, 1),
        (503, UnavailableError, ATTEMPTS),
        (500, UnavailableError, ATTEMPTS),
    ],
)
def test_renewal_that_fails(
    stage: Stage, direct: Store, store: Store, gate: Gate, status: int, kind: type, logins: int
) -> None:
    direct.create_object(stage.bucket, stage.key, b"old")
    gate.closed = status
    with stage.fails(kind, "create_object", outcome="not_applied"):
        CALLS["put"](store, stage)
    assert gate.logins == logins
    assert content(direct, stage) == b"old"
    gate.closed = None
    CALLS["put"](store, stage)
    assert content(direct, stage) == b"new"


def test_identity_service_that_is_gone(stage: Stage, direct: Store, store: Store, gate: Gate) -> None:
    """Only its answers break: what the storage says comes through."""
    direct.create_object(stage.bucket, stage.key, b"old")
    stage.inject(Fault(cut_down_after=0, when=b"/auth/v1.0"))
    with stage.fails(TransportError, "create_object", outcome="not_applied"):
        CALLS["put"](store, stage)
    assert content(direct, stage) == b"old"


def test_connection_that_is_reset_before_there_is_a_token(stage: Stage, direct: Store) -> None:
    """Also in the middle of a handshake."""
    direct.create_object(stage.bucket, stage.key, b"data")
    store = stage.cold_store()
    stage.inject(Fault(refuse=True), times=ATTEMPTS - 1)
    assert store.get_object(stage.bucket, stage.key).read() == b"data"
    assert stage.retries == ATTEMPTS - 1


# --- waiting for a token --------------------------------------------------------------------------


def test_signing_in_is_within_the_deadline(stage: Stage) -> None:
    store = stage.cold_store()
    stage.inject(Fault(stall_down_after=0, when=b"/auth/v1.0"))
    with within(TIMEOUT), stage.fails(DeadlineExceededError, "get_object", outcome="not_applied"):
        store.get_object(stage.bucket, stage.key, timeout=TIMEOUT)


def test_who_waits_longer_gets_the_token(stage: Stage, direct: Store) -> None:
    """The first gives up; the second does not inherit its deadline."""
    direct.create_object(stage.bucket, stage.key, b"data")
    store = stage.cold_store(RetryPolicy(attempts=1))
    stage.inject(Fault(stall_down_after=0, when=b"/auth/v1.0"), times=1)
    late: list[BaseException] = []

    def hasty() -> None:
        try:
            store.get_object(stage.bucket, stage.key, timeout=TIMEOUT)
        except DeadlineExceededError as exc:
            late.append(exc)

    thread = threading.Thread(target=hasty)
    thread.start()
    while not stage.everything:
        threading.Event().wait(0.005)
    assert store.get_object(stage.bucket, stage.key).read() == b"data"
    thread.join()
    assert len(late) == 1
