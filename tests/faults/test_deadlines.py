"""``timeout=`` holds whatever a server does not do, and the error's outcome is true."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cloudstore import (
    DeadlineExceededError,
    Object,
    RateLimitedError,
    RetryPolicy,
    Store,
    Timeouts,
    TransferConfig,
    TransportError,
)
from cloudstore.testing import Fault
from tests.faults.conftest import OVER_TLS, Perform
from tests.faults.stage import QUICK, Stage, within
from tests.faults.vendors import PART, Vendor
from tests.wire.server import Hook, Peer, Scripted, Seen, keep_answering, ok, wait_until
from tests.wire.test_waiting import swallowed

TIMEOUT = 0.5
MIB = 1024 * 1024
LARGE = random.Random(9).randbytes(16 * MIB)
"""More than the buffers on the way to a server take."""
AT_ONCE = TransferConfig(part_size=64 * MIB, multipart_threshold=64 * MIB)
OLD = b"what was there"
Call = Callable[[Store, Stage], object]


def put(store: Store, stage: Stage) -> object:
    return store.create_object(stage.bucket, stage.key, b"data", timeout=TIMEOUT)


def put_large(store: Store, stage: Stage) -> object:
    return store.create_object(stage.bucket, stage.key, LARGE, timeout=TIMEOUT)


def get(store: Store, stage: Stage) -> object:
    return store.get_object(stage.bucket, stage.key, timeout=TIMEOUT)


@contextmanager
def late(stage: Stage, operation: str, outcome: str, **facts: object) -> Iterator[None]:
    """The block ends by its deadline, and not later."""
    kind = DeadlineExceededError
    with within(TIMEOUT), stage.fails(kind, operation, outcome=outcome, status=None, **facts):
        yield


# --- before anything was asked for ----------------------------------------------------------------


@pytest.mark.parametrize("call", [get, put])
def test_connection_that_nobody_takes(stage: Stage, call: Call) -> None:
    operation = "get_object" if call is get else "create_object"
    with swallowed() as origin:
        store = stage.store(endpoint=origin.replace("http:", "https:") if stage.is_tls else origin)
        with late(stage, operation, "not_applied", attempts=1):
            call(store, stage)


@OVER_TLS
def test_handshake_that_is_not_answered(stage: Stage) -> None:
    with Scripted(lambda peer: peer.wait_for_end()) as silent:
        store = stage.store(endpoint=f"https://127.0.0.1:{silent.port}")
        with late(stage, "create_object", "not_applied", attempts=1):
            put(store, stage)
        silent.wait_for(1)


# --- while it is sent -----------------------------------------------------------------------------


def test_upload_that_nobody_takes(stage: Stage, direct: Store) -> None:
    direct.create_object(stage.bucket, stage.key, OLD)
    store = stage.store(transfer=AT_ONCE)
    stage.inject(Fault(stall_up_after=MIB, when=stage.vendor.begins["put"]))
    with late(stage, "create_object", "not_applied", attempts=1):
        put_large(store, stage)
    assert direct.get_object(stage.bucket, stage.key).read() == OLD


def test_service_that_does_not_say_continue(perform: Perform) -> None:
    def script(peer: Peer) -> None:
        peer.read_head()
        peer.wait_for_end()

    stage = perform(script)
    store = stage.store(transfer=AT_ONCE)
    with late(stage, "create_object", "not_applied", attempts=1):
        store.create_object(stage.bucket, stage.key, LARGE[:MIB], timeout=TIMEOUT)
    [sent] = stage.requests
    assert sent.headers["expect"] == "100-continue"
    assert sent.body == b""


def test_part_that_nobody_takes_leaves_nothing(stage: Stage, direct: Store) -> None:
    """Cleaning up has a time of its own, and comes by another connection."""
    direct.create_object(stage.bucket, stage.key, OLD)
    transfer = TransferConfig(part_size=8 * MIB, multipart_threshold=PART)
    store = stage.store(transfer=transfer)
    stage.inject(Fault(stall_up_after=MIB, when=stage.vendor.begins["part"]), times=1)
    with stage.fails(DeadlineExceededError, "create_object", attempts=1):
        put_large(store, stage)
    assert stage.vendor.leftovers(direct, stage.bucket, stage.key) == []
    assert direct.get_object(stage.bucket, stage.key).read() == OLD


# --- while the answer is awaited ------------------------------------------------------------------


def test_write_that_is_not_answered(stage: Stage, direct: Store) -> None:
    store = stage.store()
    stage.inject(Fault(stall_down_after=0, when=stage.vendor.begins["put"]))
    with late(stage, "create_object", "unknown", attempts=1):
        put(store, stage)
    wait_until(lambda: direct.object_exists(stage.bucket, stage.key))
    assert direct.get_object(stage.bucket, stage.key).read() == b"data"


def test_read_that_is_not_answered(stage: Stage) -> None:
    store = stage.store()
    stage.inject(Fault(stall_down_after=0))
    with late(stage, "get_object", "not_applied", attempts=1):
        get(store, stage)


def test_head_that_comes_only_in_part(stage: Stage, direct: Store) -> None:
    direct.create_object(stage.bucket, stage.key, b"data")
    store = stage.store()
    stage.inject(Fault(stall_down_after=20))
    with late(stage, "get_object", "not_applied", attempts=1):
        get(store, stage)


def test_listing_that_comes_only_in_part(perform: Perform) -> None:
    def script(peer: Peer) -> None:
        peer.read()
        peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n<List")
        peer.wait_for_end()

    stage = perform(script)
    store = stage.store()
    with late(stage, "get_all_objects", "not_applied", key=None, attempts=1):
        store.get_all_objects(stage.bucket, timeout=TIMEOUT)


def test_error_that_comes_only_in_part(perform: Perform) -> None:
    def script(peer: Peer) -> None:
        peer.read()
        peer.send(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 1000\r\n\r\n<Error>")
        peer.wait_for_end()

    stage = perform(script)
    store = stage.store()
    with late(stage, "create_object", "unknown", attempts=1):
        put(store, stage)


# --- over all attempts ----------------------------------------------------------------------------


def test_deadline_is_for_all_attempts(stage: Stage) -> None:
    """It passes while an answer is awaited, or would have while nothing is done."""
    timeouts = Timeouts(connect=5.0, first_byte=TIMEOUT / 4, stall=5.0)
    store = stage.store(RetryPolicy(attempts=50, base_delay=0.001), timeouts)
    stage.inject(Fault(stall_down_after=0, when=stage.vendor.begins["put"]))
    with within(TIMEOUT), pytest.raises((DeadlineExceededError, TransportError)) as caught:
        put(store, stage)
    assert caught.value.outcome == "unknown"
    assert 2 <= len(stage.of("put")) <= 5


def test_pauses_end_with_the_deadline(perform: Perform) -> None:
    stage = perform(keep_answering(ok(b"", status="429 Slow Down")))
    store = stage.store(RetryPolicy(attempts=1000, base_delay=0.05, max_delay=0.1))
    with within(TIMEOUT), pytest.raises((DeadlineExceededError, RateLimitedError)):
        put(store, stage)
    assert len(stage.requests) >= 2


def test_deadline_of_the_configuration(stage: Stage) -> None:
    store = stage.store(QUICK, Timeouts(total=TIMEOUT))
    stage.inject(Fault(stall_down_after=0))
    with late(stage, "get_object", "not_applied", attempts=1):
        store.get_object(stage.bucket, stage.key)


# --- while the body is read, after the object was opened ------------------------------------------


def trickles(vendor: Vendor, total: int, at_once: int, pause: float = 0.0) -> Hook:
    """Answers with a body of `total` bytes that comes in pieces, or stops after the first."""

    def script(peer: Peer) -> None:
        if peer.read() is None:
            return
        peer.send(ok(b"x" * total, *vendor.entity(b"x" * total))[:-total])
        peer.send(b"x" * at_once)
        for _ in range(total // at_once - 1):
            if not pause:
                break
            time.sleep(pause)
            peer.send(b"x" * at_once)
        peer.wait_for_end()

    return script


READS: dict[str, Callable[[Object], object]] = {
    "read": lambda opened: opened.read(),
    "iter_chunks": lambda opened: list(opened.iter_chunks(1000)),
    "readinto": lambda opened: [opened.readinto(bytearray(1000)) for _ in range(2)],
}


@pytest.mark.parametrize("read", READS)
def test_body_that_stops_coming(perform: Perform, vendor: Vendor, read: str) -> None:
    stage = perform(trickles(vendor, 100_000, 1000))
    opened = stage.store().get_object(stage.bucket, stage.key, timeout=TIMEOUT)
    with late(stage, "get_object", "not_applied"):
        READS[read](opened)
    opened.close()
    assert stage.asked() == ["GET"], "a read that is out of time does not go on elsewhere"


def test_body_that_comes_too_slowly_for_one_read(perform: Perform, vendor: Vendor) -> None:
    """Every piece is in time for a stall; the whole is not in time."""
    stage = perform(trickles(vendor, 100_000, 1000, pause=TIMEOUT / 6))
    opened = stage.store().get_object(stage.bucket, stage.key, timeout=TIMEOUT)
    with late(stage, "get_object", "not_applied"):
        opened.read()


def test_each_read_has_the_time_anew(perform: Perform, vendor: Vendor) -> None:
    stage = perform(trickles(vendor, 8_000, 1000, pause=TIMEOUT / 3))
    opened = stage.store().get_object(stage.bucket, stage.key, timeout=TIMEOUT)
    assert [len(chunk) for chunk in opened.iter_chunks(1000)] == [1000] * 8


def test_time_between_reads_does_not_count(perform: Perform, vendor: Vendor) -> None:
    stage = perform(trickles(vendor, 100_000, 100_000))
    opened = stage.store().get_object(stage.bucket, stage.key, timeout=TIMEOUT)
    assert opened.read(10) == b"x" * 10
    time.sleep(TIMEOUT * 1.5)
    assert opened.read() == b"x" * 99_990


def test_what_was_late_can_be_read_again(perform: Perform, vendor: Vendor) -> None:
    asked: list[Seen] = []

    def script(peer: Peer) -> None:
        while (seen := peer.read()) is not None:
            asked.append(seen)
            if len(asked) == 1:
                peer.send(ok(b"x" * 3000, *vendor.entity(b"x" * 3000))[:-2000])
                peer.wait_for_end()
                return
            span = "content-range: bytes 1000-2999/3000"
            lines = [*vendor.entity(b"x" * 3000), span]
            peer.send(ok(b"x" * 2000, *lines, status="206 Partial Content"))

    stage = perform(script)
    opened = stage.store().get_object(stage.bucket, stage.key, timeout=TIMEOUT)
    assert opened.read(1000) == b"x" * 1000
    with late(stage, "get_object", "not_applied"):
        opened.read(1)
    assert opened.read() == b"x" * 2000
    assert stage.requests[-1].headers["range"] == "bytes=1000-"


def test_download_to_a_file_is_in_time_as_a_whole(
    perform: Perform, vendor: Vendor, tmp_path: Path
) -> None:
    stage = perform(trickles(vendor, 100_000, 1000, pause=TIMEOUT / 6))
    target = tmp_path / "target"
    target.write_bytes(OLD)
    store = stage.store()
    with late(stage, "get_object_to_file", "not_applied"):
        store.get_object_to_file(stage.bucket, stage.key, target, timeout=TIMEOUT)
    assert [path.name for path in tmp_path.iterdir()] == ["target"]
    assert target.read_bytes() == OLD
