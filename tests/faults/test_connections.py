"""Connections that are not to be had, that die, and which of them are used again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import pytest

from cloudstore import ObjectNotFoundError, Store, TransferConfig, TransportError
from cloudstore.testing import Fault
from tests.faults.conftest import OVER_TLS, Perform
from tests.faults.stage import ATTEMPTS, Stage
from tests.faults.vendors import PART
from tests.servers.process import free_port
from tests.wire.server import Peer, Scripted, ok

Cut = Literal["close", "reset"]
Call = Callable[[Store, Stage], object]


def get(store: Store, stage: Stage) -> object:
    return store.get_object(stage.bucket, stage.key).read()


def head(store: Store, stage: Stage) -> object:
    return store.head_object(stage.bucket, stage.key)


def put(store: Store, stage: Stage) -> object:
    return store.create_object(stage.bucket, stage.key, b"data")


def delete(store: Store, stage: Stage) -> object:
    store.delete_object(stage.bucket, stage.key)
    return None


CALLS = {get: "get_object", head: "head_object", put: "create_object", delete: "delete_object"}
EACH = pytest.mark.parametrize(("call", "operation"), CALLS.items(), ids=CALLS.values())


def fault_of(stage: Stage, what: str, **harm: Any) -> Fault:
    """Met by requests that do this."""
    return Fault(when=stage.vendor.begins[what], **harm)


def used(stage: Stage) -> list[int]:
    """On which connection each request came, numbered from 1."""
    numbers = [sent.connection for sent in stage.requests]
    order = list(dict.fromkeys(numbers))
    return [order.index(number) + 1 for number in numbers]


@pytest.fixture
def stored(stage: Stage, direct: Store) -> Stage:
    direct.create_object(stage.bucket, stage.key, b"data")
    return stage


# --- connecting -----------------------------------------------------------------------------------


@EACH
def test_nobody_listens(stage: Stage, call: Call, operation: str) -> None:
    """Nothing was asked for, so nothing was done."""
    place = f"127.0.0.1:{free_port()}"
    store = stage.store(endpoint=f"{'https' if stage.is_tls else 'http'}://{place}")
    with stage.fails(
        TransportError,
        operation,
        outcome="not_applied",
        attempts=ATTEMPTS,
        retryable=True,
        status=None,
    ) as caught:
        call(store, stage)
    assert caught.value.message == f"no connection to {place}: Connection refused"
    assert isinstance(caught.value, ConnectionError)


@EACH
def test_connection_that_is_reset_at_once(stored: Stage, call: Call, operation: str) -> None:
    store = stored.store()
    stored.inject(Fault(refuse=True), times=ATTEMPTS - 1)
    call(store, stored)
    assert stored.retries == ATTEMPTS - 1
    assert stored.connections == ATTEMPTS


@EACH
def test_connections_that_are_always_reset_at_once(
    stored: Stage, direct: Store, call: Call, operation: str
) -> None:
    store = stored.store()
    stored.inject(Fault(refuse=True))
    with stored.fails(TransportError, operation, attempts=ATTEMPTS, retryable=True):
        call(store, stored)
    assert stored.connections == ATTEMPTS
    assert direct.object_exists(stored.bucket, stored.key)


@OVER_TLS
@pytest.mark.parametrize("how", ["close", "reset", "words"])
def test_handshake_that_fails(stage: Stage, how: str) -> None:
    def script(peer: Peer) -> None:
        peer.sock.recv(100)
        if how == "words":
            peer.send(ok(b"this is no TLS"))
        if how == "reset":
            peer.reset()

    with Scripted(script) as server:
        store = stage.store(endpoint=f"https://127.0.0.1:{server.port}")
        again = how != "words"  # what speaks no TLS will speak none the next time
        attempts = ATTEMPTS if again else 1
        with stage.fails(
            TransportError, "create_object", outcome="not_applied", attempts=attempts, retryable=again
        ):
            put(store, stage)
        assert server.connections == attempts


@OVER_TLS
def test_server_that_is_not_trusted_is_told_nothing(stage: Stage) -> None:
    stage.trust_the_usual()
    with stage.fails(
        TransportError, "create_object", outcome="not_applied", attempts=1, retryable=False
    ) as caught:
        put(stage.cold_store(), stage)
    assert stage.vendor.not_trusted in caught.value.message
    assert stage.everything == []


# --- breaking before the answer -------------------------------------------------------------------


@EACH
@pytest.mark.parametrize("cut", ["close", "reset"])
@pytest.mark.parametrize("after", [0, 20], ids=["before_the_head", "in_the_head"])
def test_answer_that_breaks_off_is_asked_for_again(
    stored: Stage, call: Call, operation: str, cut: Cut, after: int
) -> None:
    store = stored.store()
    what = call.__name__
    stored.inject(fault_of(stored, what, cut_down_after=after, cut=cut), times=ATTEMPTS - 1)
    call(store, stored)
    assert len(stored.of(what)) == ATTEMPTS
    assert stored.retries == ATTEMPTS - 1
    assert len({sent.connection for sent in stored.of(what)}) == ATTEMPTS


@EACH
@pytest.mark.parametrize("cut", ["close", "reset"])
def test_answer_that_always_breaks_off(
    stored: Stage, direct: Store, call: Call, operation: str, cut: Cut
) -> None:
    store = stored.store()
    what = call.__name__
    stored.inject(fault_of(stored, what, cut_down_after=0, cut=cut))
    outcome = "unknown" if call in (put, delete) else "not_applied"
    with stored.fails(TransportError, operation, outcome=outcome, attempts=ATTEMPTS, retryable=True):
        call(store, stored)
    assert len(stored.of(what)) == ATTEMPTS
    assert direct.object_exists(stored.bucket, stored.key) == (call is not delete)


# --- using a connection again ---------------------------------------------------------------------


def test_connection_is_used_again_after_whatever_went_well(stored: Stage) -> None:
    # Swift sends no more than a segment a second of what has more than ten (slo middleware).
    transfer = TransferConfig(part_size=4 * PART, multipart_threshold=PART, max_concurrency=1)
    store = stored.store(transfer=transfer)
    for call in (get, head, put, delete):
        call(store, stored)
    with stored.fails(ObjectNotFoundError, "get_object"):
        get(store, stored)
    with stored.fails(ObjectNotFoundError, "head_object"):
        head(store, stored)
    store.create_object(stored.bucket, stored.key, bytes(2 * 1024 * 1024 - 1))
    store.get_object(stored.bucket, stored.key).read()
    store.get_all_objects(stored.bucket, prefix=stored.key)
    upload = store.create_multipart_upload(stored.bucket, stored.key)
    upload.upload_part(1, b"data")
    upload.complete()
    store.delete_objects(stored.bucket, [stored.key])
    assert len(stored.requests) > 12
    assert stored.connections <= 1 + stored.vendor.side_by_side


def test_connection_is_given_up_with_a_body_that_is_not_read(stored: Stage, direct: Store) -> None:
    direct.create_object(stored.bucket, stored.key, bytes(2 * 1024 * 1024))
    store = stored.store()
    store.get_object(stored.bucket, stored.key).close()
    get(store, stored)
    assert used(stored) == [1, 2]


@EACH
def test_connection_that_died_while_it_lay_idle_is_no_error(
    stored: Stage, call: Call, operation: str
) -> None:
    store = stored.store()
    store.create_object(stored.bucket, stored.key, b"data")
    stored.proxy.reset_connections()
    call(store, stored)
    assert stored.retries == 0
    assert list(dict.fromkeys(used(stored))) == [1, 2]


def test_connection_is_not_used_again_where_the_service_says_so(perform: Perform) -> None:
    def script(peer: Peer) -> None:
        peer.read()
        peer.send(ok(b"data", *stage.vendor.entity(b"data"), "connection: close"))
        peer.wait_for_end()

    stage = perform(script)
    store = stage.store()
    for _ in range(3):
        get(store, stage)
    assert used(stage) == [1, 2, 3]


def test_connection_is_not_used_again_after_an_answer_that_broke_off(stored: Stage) -> None:
    store = stored.store()
    stored.inject(Fault(cut_down_after=20, cut="close"), times=1)
    get(store, stored)
    get(store, stored)
    assert used(stored) == [1, 2, 2]


def test_words_between_answers_are_no_answer(perform: Perform) -> None:
    """Something comes that nobody has asked for: the connection it is on is given up."""

    def script(peer: Peer) -> None:
        while (seen := peer.read()) is not None:
            data = stage.vendor.stored(b"data")
            if seen.method == "GET":
                data = ok(b"data", *stage.vendor.entity(b"data"))
            peer.send(data + b"HTTP/1.1 200 OK\r\n")

    stage = perform(script)
    store = stage.store()
    for _ in range(2):
        assert get(store, stage) == b"data"
        put(store, stage)
    assert len({sent.connection for sent in stage.requests}) == 4
