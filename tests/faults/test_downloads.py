"""Downloads that break off, stall, or bring other bytes than were stored."""

from __future__ import annotations

import random
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest

from cloudstore import (
    ChecksumMismatchError,
    ObjectNotFoundError,
    RetryPolicy,
    Store,
    TransferConfig,
    TransportError,
    UnexpectedResponseError,
)
from cloudstore.testing import Fault
from tests.faults.conftest import Perform
from tests.faults.stage import ATTEMPTS, IMPATIENT, Stage
from tests.wire.server import Peer, keep_answering, ok

DATA = random.Random(5).randbytes(700_000)
"""More than the proxy relays at a time, less than a loopback's buffers hold."""
CUT = 300_000
AT_ONCE = TransferConfig(part_size=len(DATA))
"""A file comes by one request; how parts come, test_files_in_parts.py shows."""
Cut = Literal["close", "reset"]
Read = Callable[[Store, Stage, Path], bytes]


def whole(store: Store, stage: Stage, folder: Path) -> bytes:
    return store.get_object(stage.bucket, stage.key).read()


def chunks(store: Store, stage: Stage, folder: Path) -> bytes:
    return b"".join(store.get_object(stage.bucket, stage.key).iter_chunks(10_000))


def buffers(store: Store, stage: Stage, folder: Path) -> bytes:
    """As little at a time as comes."""
    found = store.get_object(stage.bucket, stage.key)
    data, buffer = bytearray(), bytearray(100_000)
    while count := found.readinto(buffer):
        data += buffer[:count]
    return bytes(data)


def to_file(store: Store, stage: Stage, folder: Path) -> bytes:
    store.get_object_to_file(stage.bucket, stage.key, folder / "file")
    return (folder / "file").read_bytes()


READS = pytest.mark.parametrize("read", [whole, chunks, buffers, to_file])


def bodies(stage: Stage) -> list[bytes]:
    """What came of each answer's body, a connection each."""
    return [bytes(down).partition(b"\r\n\r\n")[2] for down in stage.record.down.values()]


def start_of(range_header: str) -> int:
    match = re.fullmatch(r"bytes=(\d+)-", range_header)
    assert match is not None
    return int(match[1])


@pytest.fixture
def stored(stage: Stage, direct: Store) -> Stage:
    direct.create_object(stage.bucket, stage.key, DATA)
    return stage


# --- going on where it broke off ------------------------------------------------------------------


@READS
def test_goes_on_at_the_very_byte(stored: Stage, direct: Store, tmp_path: Path, read: Read) -> None:
    """All that was sent before a connection is closed arrives: none of it is fetched again."""
    store = stored.store(transfer=AT_ONCE)
    stored.inject(Fault(cut_down_after=CUT, cut="close"), times=1)
    assert read(store, stored, tmp_path) == DATA
    first, second = stored.requests
    assert "range" not in first.headers
    came, rest = bodies(stored)
    assert start_of(second.headers["range"]) == len(came)
    if stored.vendor.pinned is not None:
        etag = direct.head_object(stored.bucket, stored.key).etag
        assert second.headers[stored.vendor.pinned].strip('"') == etag
    assert came + rest == DATA


@READS
def test_goes_on_after_a_reset(stored: Stage, tmp_path: Path, read: Read) -> None:
    """What was on its way may be lost with the connection; nothing else is fetched again."""
    store = stored.store(transfer=AT_ONCE)
    stored.inject(Fault(cut_down_after=CUT, cut="reset"), times=1)
    assert read(store, stored, tmp_path) == DATA
    came, rest = bodies(stored)
    at = start_of(stored.requests[1].headers["range"])
    assert at <= len(came)
    assert rest == DATA[at:]


def test_goes_on_as_often_as_something_comes(stored: Stage) -> None:
    """More often than attempts: each that brings bytes is a new beginning."""
    store = stored.store(RetryPolicy(attempts=2, base_delay=0.001))
    stored.inject(Fault(cut_down_after=CUT // 3, cut="close"))
    found = store.get_object(stored.bucket, stored.key)
    assert found.read() == DATA
    assert found.verified_by == stored.vendor.verifies
    starts = [start_of(sent.headers["range"]) for sent in stored.requests[1:]]
    assert len(starts) >= 7
    assert starts == sorted(set(starts))
    assert b"".join(bodies(stored)) == DATA


def test_range_goes_on_within_itself(stored: Stage) -> None:
    store = stored.store()
    stored.inject(Fault(cut_down_after=CUT, cut="close"), times=1)
    found = store.get_object(stored.bucket, stored.key, start=1000, end=600_000)
    assert found.read() == DATA[1000:600_000]
    came, rest = bodies(stored)
    assert stored.requests[0].headers["range"] == "bytes=1000-599999"
    assert stored.requests[1].headers["range"] == f"bytes={1000 + len(came)}-599999"
    assert came + rest == DATA[1000:600_000]


def test_nothing_is_asked_for_twice_where_only_the_end_is_missing(stored: Stage) -> None:
    """The last byte of the body is lost, with the connection."""
    store = stored.store()
    with store.get_object(stored.bucket, stored.key) as found:
        found.read()
    [answer] = stored.record.down.values()
    stored.clear()
    stored.proxy.reset_connections()
    stored.inject(Fault(cut_down_after=len(answer) - 1, cut="close"), times=1)
    assert store.get_object(stored.bucket, stored.key).read() == DATA
    assert stored.requests[-1].headers["range"] == f"bytes={len(DATA) - 1}-"


def test_stalled_download_goes_on(stored: Stage) -> None:
    store = stored.store(timeouts=IMPATIENT)
    stored.inject(Fault(stall_down_after=CUT), times=1)
    assert store.get_object(stored.bucket, stored.key).read() == DATA
    came, rest = bodies(stored)
    assert start_of(stored.requests[1].headers["range"]) == len(came)
    assert came + rest == DATA


def test_slow_reader_is_no_stall(stored: Stage) -> None:
    """The time that the caller takes is not counted."""
    found = stored.store(timeouts=IMPATIENT).get_object(stored.bucket, stored.key)
    first = found.read(1000)
    threading.Event().wait(2 * IMPATIENT.stall)
    assert first + found.read() == DATA
    assert len(stored.requests) == 1


@READS
@pytest.mark.parametrize("cut", ["close", "reset"])
def test_gives_up_in_the_end(stored: Stage, tmp_path: Path, read: Read, cut: Cut) -> None:
    (tmp_path / "file").write_bytes(b"old")

    store = stored.store()
    stored.inject(Fault(cut_down_after=100, cut=cut))  # not even a head
    operation = "get_object_to_file" if read is to_file else "get_object"
    with stored.fails(
        TransportError, operation, outcome="not_applied", attempts=ATTEMPTS, retryable=True
    ):
        read(store, stored, tmp_path)
    assert len(stored.requests) == ATTEMPTS
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_bytes() == b"old"


def test_gives_up_in_the_middle(stored: Stage) -> None:
    """A body that broke off, and then nothing more is to be had of the object."""
    store = stored.store()
    stored.inject(Fault(stall_down_after=CUT))
    found = store.get_object(stored.bucket, stored.key)
    found.read(1000)
    stored.inject(Fault(cut_down_after=0))
    with stored.fails(TransportError, "get_object", outcome="not_applied", attempts=ATTEMPTS):
        found.read()
    assert len(stored.requests) == 1 + ATTEMPTS


def test_gives_up_in_the_middle_of_a_file(stored: Stage, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"old")
    told: list[int] = []

    def break_off(done: int, total: int | None) -> None:
        told.append(done)
        stored.inject(Fault(cut_down_after=0))

    store = stored.store()
    stored.inject(Fault(stall_down_after=CUT))
    with stored.fails(TransportError, "get_object_to_file", outcome="not_applied", attempts=ATTEMPTS):
        store.get_object_to_file(stored.bucket, stored.key, tmp_path / "file", progress=break_off)
    assert told
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_bytes() == b"old"


# --- an object that changes -----------------------------------------------------------------------


@pytest.mark.parametrize("change", ["replaced", "deleted"])
def test_object_that_changes_is_never_mixed(stored: Stage, direct: Store, change: str) -> None:
    """Another of the same size is another all the same."""
    store = stored.store()
    stored.inject(Fault(cut_down_after=CUT, cut="close"), times=1)
    found = store.get_object(stored.bucket, stored.key)
    first = found.read(1000)
    if change == "replaced":
        direct.create_object(stored.bucket, stored.key, DATA[::-1])
    else:
        direct.delete_object(stored.bucket, stored.key)
    with stored.fails(TransportError, "get_object", outcome="not_applied", retryable=False) as caught:
        found.read()
    assert "replaced while it was being read" in caught.value.message
    assert first == DATA[:1000]
    assert DATA.startswith(bodies(stored)[0])


def test_object_that_is_gone_before_it_is_read(stored: Stage, direct: Store) -> None:
    head = stored.store().head_object(stored.bucket, stored.key)
    direct.delete_object(stored.bucket, stored.key)
    with stored.fails(ObjectNotFoundError, "get_object", status=404):
        head.read()


def test_file_is_not_made_of_two_versions(stored: Stage, direct: Store, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"old")
    replaced = False

    def progress(done: int, total: int | None) -> None:
        nonlocal replaced
        if not replaced:
            replaced = True
            direct.create_object(stored.bucket, stored.key, DATA[::-1])

    store = stored.store()
    stored.inject(Fault(cut_down_after=CUT, cut="close"), times=1)
    with stored.fails(TransportError, "get_object_to_file", outcome="not_applied"):
        store.get_object_to_file(stored.bucket, stored.key, tmp_path / "file", progress=progress)
    assert replaced
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_bytes() == b"old"


# --- other bytes than were stored -----------------------------------------------------------------

FLIPPED = pytest.mark.parametrize("at", [1_500, len(DATA) // 2, len(DATA) + 100])
"""Near the beginning of the body, in its middle, and near its end: heads have about 500 bytes."""


@FLIPPED
def test_flipped_byte_is_found_before_anything_is_handed_out(stored: Stage, at: int) -> None:
    store = stored.store()
    stored.inject(Fault(flip_down_at=at), times=1)
    found = store.get_object(stored.bucket, stored.key)
    with stored.fails(ChecksumMismatchError, "get_object", outcome="not_applied", retryable=False):
        found.read()
    assert found.verified_by is None
    assert found.closed


@FLIPPED
def test_stream_with_a_flipped_byte_raises_in_the_place_of_its_end(stored: Stage, at: int) -> None:
    store = stored.store()
    stored.inject(Fault(flip_down_at=at), times=1)
    pieces = store.get_object(stored.bucket, stored.key).iter_chunks(64 * 1024)
    taken = 0
    with stored.fails(ChecksumMismatchError, "get_object"):
        for piece in pieces:
            taken += len(piece)
    assert taken < len(DATA)


@FLIPPED
def test_file_with_a_flipped_byte_replaces_nothing(stored: Stage, tmp_path: Path, at: int) -> None:
    (tmp_path / "file").write_bytes(b"old")
    store = stored.store(transfer=AT_ONCE)
    stored.inject(Fault(flip_down_at=at), times=1)
    with stored.fails(ChecksumMismatchError, "get_object_to_file"):
        store.get_object_to_file(stored.bucket, stored.key, tmp_path / "file")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_bytes() == b"old"


def test_flipped_byte_of_a_part_that_was_resumed(stored: Stage) -> None:
    """What came before the break and what came after are verified together."""
    store = stored.store()
    stored.inject(Fault(cut_down_after=CUT, cut="close", flip_down_at=1_500), times=1)
    found = store.get_object(stored.bucket, stored.key)
    with stored.fails(ChecksumMismatchError, "get_object"):
        found.read()
    assert len(stored.requests) == 2


# --- answers that are too short, or too long ------------------------------------------------------


@pytest.mark.parametrize("missing", [1, 1000])
def test_body_shorter_than_its_length_is_not_the_object(perform: Perform, missing: int) -> None:
    data = DATA[:5000]

    def script(peer: Peer) -> None:
        seen = peer.read()
        if seen is None:
            return
        start = start_of(seen.headers["range"]) if "range" in seen.headers else 0
        span = f"content-range: bytes {start}-{len(data) - 1}/{len(data)}"
        status = "206 Partial Content" if start else "200 OK"
        peer.send(ok(data[start:], *stage.vendor.entity(data), span, status=status)[:-missing])

    stage = perform(script)
    with stage.fails(TransportError, "get_object", outcome="not_applied", attempts=ATTEMPTS) as caught:
        stage.store().get_object(stage.bucket, stage.key).read()
    assert f"ended {missing} bytes early" in caught.value.message
    assert len(stage.requests) == ATTEMPTS


def test_more_than_was_promised_is_not_read(perform: Perform) -> None:
    """What is too much belongs to nobody: neither to this answer nor to the next one."""

    def script(peer: Peer) -> None:
        while peer.read() is not None:
            lines = stage.vendor.entity(b"data")
            peer.send(ok(b"data", *lines) + ok(b"evil", *lines))

    stage = perform(script)
    store = stage.store()
    for _ in range(3):
        assert store.get_object(stage.bucket, stage.key).read() == b"data"
    assert len({sent.connection for sent in stage.requests}) == len(stage.requests) == 3


@pytest.mark.parametrize("kind", ["text/html", "text/plain; charset=utf-8"])
def test_page_of_a_portal_is_no_object(perform: Perform, kind: str) -> None:
    stage = perform(keep_answering(ok(b"<html>sign in</html>", f"content-type: {kind}")))
    store = stage.store()
    with stage.fails(
        UnexpectedResponseError, "get_object", outcome="not_applied", status=200, attempts=1
    ):
        store.get_object(stage.bucket, stage.key).read()


def test_body_without_a_length_is_refused(perform: Perform) -> None:
    """Nobody could tell a half of it from the whole."""

    def script(peer: Peer) -> None:
        peer.read()
        lines = ["HTTP/1.1 200 OK", *stage.vendor.entity(b"data"), "", "data"]
        peer.send("\r\n".join(lines).encode())

    stage = perform(script)
    with stage.fails(TransportError, "get_object", outcome="not_applied"):
        stage.store().get_object(stage.bucket, stage.key)
