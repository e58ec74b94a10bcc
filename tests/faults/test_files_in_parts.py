"""Large objects on their way into a file: by ranges side by side, resumable, never mixed or half."""

from __future__ import annotations

import fcntl
import os
import random
import threading
from pathlib import Path

import pytest

from cloudstore import (
    ChecksumMismatchError,
    RetryPolicy,
    Store,
    TransferConfig,
    TransportError,
)
from cloudstore.testing import Fault
from tests.faults.stage import ATTEMPTS, Stage
from tests.faults.vendors import PART, Sent

COUNT = 9
DATA = random.Random(11).randbytes(COUNT * PART - 1000)
TRANSFER = TransferConfig(part_size=PART, multipart_threshold=64 * 1024 * 1024, max_concurrency=3)
ONE_BY_ONE = TransferConfig(part_size=PART, multipart_threshold=64 * 1024 * 1024, max_concurrency=1)
"""Stored by one request, so that the vendor states a checksum of the whole."""


@pytest.fixture
def stored(stage: Stage, direct: Store) -> Stage:
    direct.create_object(stage.bucket, stage.key, DATA)
    return stage


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """A file that is there; whatever is beside it at the end was meant to stay."""
    path = tmp_path / "file"
    path.write_bytes(b"old")
    return path


SECOND = f"range: bytes={4 * PART}-".encode()
"""By which the second request is known. That for the four parts before it asks for the whole object;
all later ones depend on who is quicker."""


def starts(requests: list[Sent]) -> list[int]:
    """Which bytes were asked for, by their first."""
    return sorted(int(r.headers.get("range", "bytes=0-")[6:].partition("-")[0]) for r in requests)


def names(target: Path) -> list[str]:
    return sorted(path.name for path in target.parent.iterdir())


def test_parts_are_of_one_version_and_several_come_by_one_request(
    stored: Stage, direct: Store, target: Path
) -> None:
    store = stored.store(transfer=TRANSFER)
    told: list[tuple[int, int | None]] = []
    found = store.get_object_to_file(
        stored.bucket, stored.key, target, progress=lambda done, total: told.append((done, total))
    )
    assert target.read_bytes() == DATA
    assert names(target) == ["file"]
    assert found.size == len(DATA)
    asked = starts(stored.of("get"))
    assert {0, 4 * PART} <= set(asked) <= {number * PART for number in range(COUNT)}
    assert len(asked) == len(set(asked)) < COUNT
    if stored.vendor.pinned is not None:
        etag = direct.head_object(stored.bucket, stored.key).etag
        pins = [r.headers[stored.vendor.pinned] for r in stored.of("get") if "range" in r.headers]
        assert {pin.strip('"') for pin in pins} == {etag}
    assert [done for done, _ in told] == sorted({done for done, _ in told})
    assert told[-1] == (len(DATA), len(DATA))


def test_part_that_breaks_off_goes_on_where_it_was(stored: Stage, target: Path) -> None:
    store = stored.store(transfer=TRANSFER)
    stored.inject(Fault(cut_down_after=PART // 2, cut="close", when=SECOND), times=1)
    store.get_object_to_file(stored.bucket, stored.key, target)
    assert target.read_bytes() == DATA
    (at,) = (start for start in starts(stored.of("get")) if start % PART)
    assert 4 * PART < at < 5 * PART


def test_part_that_never_comes_leaves_nothing(stored: Stage, target: Path) -> None:
    store = stored.store(transfer=TRANSFER)
    stored.inject(Fault(cut_down_after=0, when=b"range: bytes="))
    with stored.fails(TransportError, "get_object_to_file", attempts=ATTEMPTS):
        store.get_object_to_file(stored.bucket, stored.key, target)
    assert target.read_bytes() == b"old"
    assert names(target) == ["file"]


@pytest.mark.parametrize(
    ("when", "at"),
    [(None, PART // 2), (None, 3 * PART // 2), (SECOND, PART // 2)],
    ids=["first", "same-request", "other-request"],
)
def test_flipped_byte_of_a_part_replaces_nothing(
    stored: Stage, target: Path, when: bytes | None, at: int
) -> None:
    store = stored.store(transfer=TRANSFER)
    stored.inject(Fault(flip_down_at=at, when=when or stored.vendor.begins["get"]), times=1)
    with stored.fails(ChecksumMismatchError, "get_object_to_file"):
        store.get_object_to_file(stored.bucket, stored.key, target)
    assert target.read_bytes() == b"old"
    assert names(target) == ["file"]


def test_slow_stream_leaves_its_last_parts_to_others(stored: Stage, target: Path) -> None:
    store = stored.store(transfer=TRANSFER)
    stored.inject(Fault(rate=10 * PART, when=stored.vendor.begins["get"]), times=1)
    store.get_object_to_file(stored.bucket, stored.key, target)
    assert target.read_bytes() == DATA
    assert not {PART, 2 * PART, 3 * PART}.isdisjoint(starts(stored.of("get")))


def test_object_that_changes_between_parts_is_not_mixed(
    stored: Stage, direct: Store, target: Path
) -> None:
    store = stored.store(transfer=TRANSFER)
    changed = threading.Event()

    def change(done: int, total: int | None) -> None:
        if not changed.is_set():
            changed.set()
            direct.create_object(stored.bucket, stored.key, DATA[::-1])

    with pytest.raises(TransportError, match="replaced while"):
        store.get_object_to_file(stored.bucket, stored.key, target, progress=change)
    assert target.read_bytes() == b"old"
    assert names(target) == ["file"]


# --- resumed --------------------------------------------------------------------------------------


def break_off(stored: Stage, target: Path, number: int) -> list[str]:
    """Has a resumable download fail at a part; returns the names of what it leaves."""
    store = stored.store(RetryPolicy(attempts=1), transfer=ONE_BY_ONE)
    middle = (number - 1) * PART + PART // 2
    stored.inject(Fault(cut_down_after=middle, cut="close", when=stored.vendor.begins["get"]))
    with pytest.raises(TransportError):
        store.get_object_to_file(stored.bucket, stored.key, target, resume=True)
    stored.proxy.heal()
    stored.clear()
    assert target.read_bytes() == b"old"
    return [name for name in names(target) if name != "file"]


def test_resumed_download_asks_for_what_is_missing(stored: Stage, target: Path) -> None:
    left = break_off(stored, target, 6)
    assert [name.rpartition(".")[2] for name in left] == ["part", "journal"]
    told: list[int] = []
    store = stored.store(transfer=ONE_BY_ONE)
    store.get_object_to_file(
        stored.bucket, stored.key, target, resume=True, progress=lambda done, _: told.append(done)
    )
    assert target.read_bytes() == DATA
    assert names(target) == ["file"]
    assert told[0] == 5 * PART
    asked = [request for request in stored.of("get") if "range" in request.headers]
    assert starts(asked) == [5 * PART]


def test_part_that_is_not_what_the_journal_says_comes_again(stored: Stage, target: Path) -> None:
    left = break_off(stored, target, 6)
    part = next(target.parent / name for name in left if name.endswith(".part"))
    with part.open("r+b") as file:
        file.seek(2 * PART + 17)
        file.write(b"\x00\x01\x02")
    store = stored.store(transfer=ONE_BY_ONE)
    store.get_object_to_file(stored.bucket, stored.key, target, resume=True)
    assert target.read_bytes() == DATA
    asked = [request for request in stored.of("get") if "range" in request.headers]
    assert starts(asked) == [2 * PART, 5 * PART]


@pytest.mark.parametrize("torn", [b"", b"{", b"[6, ", b'[4, "x"]\n[true]\n[99999, 1]\n[-1, 2]\n\xff\n'])
def test_journal_that_is_torn_is_believed_as_far_as_it_is_true(
    stored: Stage, target: Path, torn: bytes
) -> None:
    left = break_off(stored, target, 4)
    journal = next(target.parent / name for name in left if name.endswith(".journal"))
    journal.write_bytes(journal.read_bytes() + torn if torn else b"")
    store = stored.store(transfer=TRANSFER)
    store.get_object_to_file(stored.bucket, stored.key, target, resume=True)
    assert target.read_bytes() == DATA
    assert names(target) == ["file"]


def test_object_that_has_changed_comes_anew(stored: Stage, direct: Store, target: Path) -> None:
    break_off(stored, target, 6)
    direct.create_object(stored.bucket, stored.key, DATA[::-1])
    store = stored.store(transfer=TRANSFER)
    store.get_object_to_file(stored.bucket, stored.key, target, resume=True)
    assert target.read_bytes() == DATA[::-1]
    assert names(target) == ["file"]


def test_resumed_bytes_that_are_wrong_are_not_kept(stored: Stage, target: Path) -> None:
    """Else each next try would end as this one."""
    store = stored.store(transfer=TRANSFER)
    stored.inject(Fault(flip_down_at=PART // 2, when=SECOND), times=1)
    with stored.fails(ChecksumMismatchError, "get_object_to_file"):
        store.get_object_to_file(stored.bucket, stored.key, target, resume=True)
    assert names(target) == ["file"]


def test_two_do_not_write_into_one_file(stored: Stage, target: Path) -> None:
    left = break_off(stored, target, 6)
    part = next(target.parent / name for name in left if name.endswith(".part"))
    store = stored.store(transfer=TRANSFER)
    with part.open("r+b") as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # as another one does
        with pytest.raises(BlockingIOError, match="under way"):
            store.get_object_to_file(stored.bucket, stored.key, target, resume=True)
    store.get_object_to_file(stored.bucket, stored.key, target, resume=True)
    assert target.read_bytes() == DATA
    assert names(target) == ["file"]


def test_small_object_is_not_worth_a_journal(stage: Stage, direct: Store, target: Path) -> None:
    direct.create_object(stage.bucket, stage.key, b"small")
    store = stage.store(RetryPolicy(attempts=1))
    stage.inject(Fault(cut_down_after=0))
    with pytest.raises(TransportError):
        store.get_object_to_file(stage.bucket, stage.key, target, resume=True)
    assert names(target) == ["file"]
    assert os.path.getsize(target) == 3
