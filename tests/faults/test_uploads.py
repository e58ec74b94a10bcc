"""Uploads that break off, stall, are corrupted or refused: nothing half-written is ever visible."""

from __future__ import annotations

import logging
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Literal

import pytest

from cloudstore import (
    ChecksumMismatchError,
    PermissionDeniedError,
    RateLimitedError,
    RetryPolicy,
    Store,
    TransferConfig,
    TransportError,
)
from cloudstore.testing import Fault
from tests.faults.conftest import Perform
from tests.faults.stage import ATTEMPTS, IMPATIENT, Stage, content
from tests.faults.vendors import PART, Vendor
from tests.wire.server import PATIENCE, Peer, Seen, ok

Cut = Literal["close", "reset"]
MIB = 1024 * 1024
OLD = b"what was there"


@dataclass(frozen=True)
class Kind:
    """A way to write an object.

    Attributes:
        size: of the data.
        broken_at: bytes that a client has sent when it is in the middle of a body.
        fits_buffers: whether a body may be on its way, or lost, as a whole: then nobody can tell.
        in_parts: whether it is written in several requests.
    """

    size: int
    broken_at: int
    fits_buffers: bool
    in_parts: bool
    transfer: TransferConfig


AT_ONCE = TransferConfig(part_size=64 * MIB, multipart_threshold=64 * MIB)
IN_PARTS = TransferConfig(part_size=PART, multipart_threshold=PART)
KINDS = {
    "small": Kind(30_000, 10_000, True, False, AT_ONCE),
    "medium": Kind(700_000, 200_000, True, False, AT_ONCE),
    "large": Kind(16 * MIB, 2 * MIB, False, False, AT_ONCE),
    "parts": Kind(5 * PART, 20_000, True, True, IN_PARTS),
}
ALL = random.Random(7).randbytes(16 * MIB)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]


@pytest.fixture
def stored(stage: Stage, direct: Store) -> Iterator[Stage]:
    """There is an object already; and there are no uploads at the end."""
    direct.create_object(stage.bucket, stage.key, OLD)
    yield stage
    assert stage.vendor.leftovers(direct, stage.bucket, stage.key) == []


def was_kept(stage: Stage) -> bool:
    """Whether something came over the connection of the first data before it."""
    first = next(sent for sent in stage.requests if stage.vendor.is_data(sent))
    return next(s for s in stage.requests if s.connection == first.connection) is not first


def data_of(stage: Stage, kind: Kind) -> bytes:
    """By which the requests are known that write an object's bytes."""
    return stage.vendor.begins["part" if kind.in_parts else "put"]


# --- broken off -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("where", "cut"), [("head", "reset"), ("body", "reset"), ("body", "close")])
def test_upload_that_breaks_off_is_sent_again(
    stored: Stage, direct: Store, kind: Kind, where: str, cut: Cut
) -> None:
    after = 10 if where == "head" else kind.broken_at
    store = stored.store(transfer=kind.transfer)
    stored.inject(Fault(cut_up_after=after, cut=cut, when=data_of(stored, kind)), times=1)
    made = store.create_object(stored.bucket, stored.key, ALL[: kind.size])
    # What was not sent to its end, on a connection that was kept, the wire sends again by itself.
    assert stored.retries == 1 or was_kept(stored)
    sent = stored.of("part" if kind.in_parts else "put")
    assert len(sent) == (5 if kind.in_parts else 1) + 1
    assert content(direct, stored) == ALL[: kind.size]
    assert made.etag == direct.head_object(stored.bucket, stored.key).etag


def test_upload_that_always_breaks_off_leaves_what_was_there(
    stored: Stage, direct: Store, kind: Kind
) -> None:
    store = stored.store(transfer=kind.transfer)
    stored.inject(Fault(cut_up_after=kind.broken_at, when=data_of(stored, kind)))
    with stored.fails(
        TransportError, "create_object", attempts=ATTEMPTS, retryable=True, status=None
    ) as caught:
        store.create_object(stored.bucket, stored.key, ALL[: kind.size])
    sent = stored.of("part" if kind.in_parts else "put")
    of_each = Counter(request.target for request in sent)
    # Of parts that are sent side by side, any may find a connection that was kept.
    assert ATTEMPTS <= max(of_each.values()) <= ATTEMPTS + (kind.in_parts or was_kept(stored))
    if not kind.fits_buffers:
        assert caught.value.outcome == "not_applied"
        assert not any(request.is_whole for request in sent)
    assert content(direct, stored) == OLD


def test_file_is_sent_again_from_its_beginning(stored: Stage, direct: Store, tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(ALL[: 3 * MIB])
    store = stored.store(transfer=AT_ONCE)
    stored.inject(Fault(cut_up_after=MIB, when=stored.vendor.begins["put"]), times=1)
    store.create_object_from_file(stored.bucket, stored.key, path)
    assert content(direct, stored) == ALL[: 3 * MIB]


def test_source_that_is_read_once_is_sent_again(stored: Stage, direct: Store) -> None:
    pieces = (ALL[at : at + 1000] for at in range(0, 5 * PART, 1000))
    store = stored.store()
    stored.inject(Fault(cut_up_after=10_000, when=stored.vendor.begins["part"]), times=1)
    store.create_object(stored.bucket, stored.key, pieces)
    assert content(direct, stored) == ALL[: 5 * PART + 1000 - 5 * PART % 1000]


def test_writer_that_breaks_off_publishes_nothing(stored: Stage, direct: Store) -> None:
    writer = stored.store().open_writer(stored.bucket, stored.key)
    writer.write(ALL[: 2 * PART])
    stored.inject(Fault(cut_up_after=10_000, when=stored.vendor.begins["part"]))
    with stored.fails(TransportError, "open_writer", attempts=ATTEMPTS):
        writer.write(ALL[: 2 * PART])
        writer.close()  # at the latest: parts are sent while the next is written
    assert writer.closed
    assert content(direct, stored) == OLD


def test_source_that_fails_leaves_what_was_there(stored: Stage, direct: Store) -> None:
    def pieces() -> Iterator[bytes]:
        yield ALL[: 3 * PART]
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        stored.store().create_object(stored.bucket, stored.key, pieces())
    assert content(direct, stored) == OLD


def test_part_that_breaks_off_by_hand(stored: Stage, direct: Store) -> None:
    """The parts that are there stay, and the upload goes on."""
    with stored.store().create_multipart_upload(stored.bucket, stored.key) as upload:
        upload.upload_part(1, ALL[:PART])
        stored.inject(Fault(cut_up_after=10_000, when=stored.vendor.begins["part"]))
        with stored.fails(TransportError, "upload_part", attempts=ATTEMPTS):
            upload.upload_part(2, ALL[PART : 2 * PART])
        stored.proxy.heal()
        assert [part.number for part in upload.list_parts()] == [1]
        upload.upload_part(2, ALL[PART : 2 * PART])
        upload.complete()
    assert content(direct, stored) == ALL[: 2 * PART]


def test_abort_that_cannot_get_through_is_told(
    stage: Stage, direct: Store, caplog: pytest.LogCaptureFixture
) -> None:
    """The error is that of the upload; the log says what is left, and it is listed."""
    direct.create_object(stage.bucket, stage.key, OLD)
    store = stage.store(transfer=IN_PARTS)

    def cut_the_wire(done: int, total: int | None) -> None:
        stage.inject(Fault(cut_up_after=0))

    with (
        caplog.at_level(logging.WARNING, "cloudstore"),
        stage.fails(TransportError, "create_object", attempts=ATTEMPTS),
    ):
        store.create_object(stage.bucket, stage.key, ALL[: 5 * PART], progress=cut_the_wire)
    [record] = [record for record in caplog.records if record.name == "cloudstore"]
    assert "could not be aborted" in record.getMessage()
    assert stage.key in record.getMessage()
    assert not [secret for secret in stage.vendor.secrets if secret in record.getMessage()]
    assert len(stage.vendor.leftovers(direct, stage.bucket, stage.key)) == 1
    assert content(direct, stage) == OLD
    if direct.capabilities.list_uploads:
        assert len(direct.abort_stale_uploads(stage.bucket, timedelta(), prefix=stage.key)) == 1


# --- stalled --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [KINDS["small"], KINDS["parts"]], ids=["small", "parts"])
def test_answer_that_does_not_come_is_asked_for_again(stored: Stage, direct: Store, kind: Kind) -> None:
    store = stored.store(timeouts=IMPATIENT, transfer=kind.transfer)
    stored.inject(Fault(stall_down_after=0, when=data_of(stored, kind)), times=1)
    store.create_object(stored.bucket, stored.key, ALL[: kind.size])
    assert stored.retries == 1
    assert content(direct, stored) == ALL[: kind.size]


def test_answer_that_never_comes_is_unknown(stored: Stage, direct: Store) -> None:
    """And so it is: the write has been done, although it was never confirmed."""
    store = stored.store(RetryPolicy(attempts=2, base_delay=0.001), IMPATIENT)
    stored.inject(Fault(stall_down_after=0, when=stored.vendor.begins["put"]))
    with stored.fails(TransportError, "create_object", outcome="unknown", attempts=2) as caught:
        store.create_object(stored.bucket, stored.key, ALL[:1000])
    assert "no answer for 0.5 seconds" in caught.value.message
    assert content(direct, stored) == ALL[:1000]


def test_upload_that_nobody_takes(stored: Stage, direct: Store) -> None:
    kind = KINDS["large"]
    store = stored.store(RetryPolicy(attempts=2, base_delay=0.001), IMPATIENT, kind.transfer)
    stored.inject(Fault(stall_up_after=MIB, when=stored.vendor.begins["put"]))
    with stored.fails(TransportError, "create_object", outcome="not_applied", attempts=2) as caught:
        store.create_object(stored.bucket, stored.key, ALL[: kind.size])
    assert "nothing was taken for 0.5 seconds" in caught.value.message
    assert content(direct, stored) == OLD


# --- corrupted ------------------------------------------------------------------------------------


def test_flipped_byte_is_refused_by_the_service(stored: Stage, direct: Store, kind: Kind) -> None:
    """It verifies what it was promised before it stores anything."""
    store = stored.store(transfer=kind.transfer)
    stored.inject(Fault(flip_up_at=kind.broken_at, when=data_of(stored, kind)), times=1)
    with stored.fails(
        ChecksumMismatchError,
        "create_object",
        outcome="not_applied",
        attempts=1,
    ) as caught:
        store.create_object(stored.bucket, stored.key, ALL[: kind.size])
    assert caught.value.status in stored.vendor.refusals
    assert caught.value.request_id
    assert stored.proxy.counts.hits == 1
    assert content(direct, stored) == OLD


# --- refused before the end -----------------------------------------------------------------------

FORBIDDEN = ok(
    b"<Error><Code>AccessDenied</Code></Error>",
    *("x-amz-request-id: R1", "x-trans-id: R1", "x-reqid: R1"),
    status="403 No",
)


def test_parts_of_an_upload_that_was_begun_do_not_ask_first(stored: Stage) -> None:
    mib = 1024 * 1024
    large = TransferConfig(part_size=5 * mib, multipart_threshold=5 * mib)
    stored.store(transfer=large).create_object(stored.bucket, stored.key, bytes(11 * mib))
    parts = [sent for sent in stored.requests if stored.vendor.does(sent, "part")]
    assert sorted(sent.length for sent in parts) == [mib, 5 * mib, 5 * mib]
    assert not any("expect" in sent.headers for sent in parts)


SLOW_DOWN = ok(b"<Error><Code>SlowDown</Code></Error>", "connection: close", status="429 Slow")
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
Meet = Callable[[Peer, Seen], None]


def is_put(seen: Seen) -> bool:
    return seen.method in ("PUT", "POST")


def instead_of_continue(peer: Peer, seen: Seen) -> None:
    assert seen.headers["expect"] == "100-continue"


def after_continue(peer: Peer, seen: Seen) -> None:
    assert seen.headers["expect"] == "100-continue"
    peer.send(CONTINUE)
    peer.read_body(seen, MIB)


def without_continue(peer: Peer, seen: Seen) -> None:
    """The service does not know the expectation: the body comes without."""
    if "expect" in seen.headers:
        peer.send(ok(b"", status="417 Expectation Failed"))
        peer.wait_for_end()
        raise ConnectionResetError
    peer.read_body(seen, MIB)


MEETS = pytest.mark.parametrize("meet", [instead_of_continue, after_continue, without_continue])


def refusing(meet: Meet, over: threading.Event, lines: list[str]) -> Callable[[Peer], None]:
    """Refuses before the body has come, and then reads nothing until it is over; else goes well."""

    def script(peer: Peer) -> None:
        while (seen := peer.read_head()) is not None:
            if not is_put(seen):
                peer.send(ok(b"data", *lines))
                continue
            meet(peer, seen)
            peer.send(FORBIDDEN)
            over.wait(PATIENCE)
            return

    return script


@MEETS
def test_refusal_before_the_end_is_heard(perform: Perform, vendor: Vendor, meet: Meet) -> None:
    """What is left is not sent, and the connection, on which it is owed, is not used again."""
    over = threading.Event()
    stage = perform(refusing(meet, over, vendor.entity(b"data")))
    store = stage.store(transfer=AT_ONCE)
    try:
        with stage.fails(
            PermissionDeniedError,
            "create_object",
            status=403,
            request_id="R1",
            outcome="not_applied",
            attempts=1,
        ):
            store.create_object(stage.bucket, stage.key, ALL + ALL)
        assert store.get_object(stage.bucket, stage.key).read() == b"data"
    finally:
        over.set()
    *_, put, get = stage.requests
    assert vendor.does(put, "put")
    assert get.method == "GET"
    assert put.connection != get.connection
    assert not put.is_whole
    if meet is instead_of_continue:
        assert put.body == b""


@MEETS
def test_refusal_that_passes_is_tried_again(perform: Perform, vendor: Vendor, meet: Meet) -> None:
    refused = False
    size = 4 * MIB

    def script(peer: Peer) -> None:
        nonlocal refused
        while (seen := peer.read_head()) is not None:
            if "expect" in seen.headers and meet is without_continue:
                meet(peer, seen)
            if refused:
                peer.send(CONTINUE)
                peer.read_body(seen)
                peer.send(vendor.stored(ALL[:size]))
                continue
            meet(peer, seen)
            refused = True
            peer.send(SLOW_DOWN)
            peer.wait_for_end()
            return

    stage = perform(script)
    stage.store(transfer=AT_ONCE).create_object(stage.bucket, stage.key, ALL[:size])
    assert stage.retries == 1
    assert ALL[:size] in stage.requests[-1].body


def test_refusal_of_a_part_aborts(stored: Stage, direct: Store) -> None:
    kind = KINDS["parts"]
    store = stored.store(transfer=replace(kind.transfer, max_concurrency=1))

    def refuse(done: int, total: int | None) -> None:
        stored.proxy.reset_connections()
        stored.inject(Fault(answer=SLOW_DOWN), times=ATTEMPTS)

    with stored.fails(RateLimitedError, "create_object", attempts=ATTEMPTS, outcome="not_applied"):
        store.create_object(stored.bucket, stored.key, ALL[: kind.size], progress=refuse)
    assert content(direct, stored) == OLD
