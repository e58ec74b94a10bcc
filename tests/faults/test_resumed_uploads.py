"""Uploads of files that go on where another call has ended: only what is missing is sent again."""

from __future__ import annotations

import fcntl
import json
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudstore import (
    InvalidArgumentError,
    ObjectAlreadyExistsError,
    RetryPolicy,
    Store,
    TransferConfig,
    TransportError,
    UploadRef,
)
from cloudstore.testing import Fault
from tests.faults.stage import Stage, content
from tests.faults.vendors import PART

COUNT = 7
DATA = random.Random(13).randbytes(COUNT * PART - 1000)
TRANSFER = TransferConfig(part_size=PART, multipart_threshold=PART, max_concurrency=3)
ONE_BY_ONE = TransferConfig(part_size=PART, multipart_threshold=PART, max_concurrency=1)
OLD = b"old"
THERE = 3
"""So many parts are sent before an upload breaks off."""


@pytest.fixture
def stored(stage: Stage, direct: Store) -> Iterator[Stage]:
    """There is an object already; and there are no uploads at the end."""
    direct.create_object(stage.bucket, stage.key, OLD)
    yield stage
    assert stage.vendor.leftovers(direct, stage.bucket, stage.key) == []


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(DATA)
    return path


def names(source: Path) -> list[str]:
    return sorted(path.name for path in source.parent.iterdir())


def break_off(stored: Stage, source: Path, resume: bool | Path = True) -> None:
    """Has a resumable upload fail when some parts are there."""

    def fail(done: int, total: int | None) -> None:
        if done >= THERE * PART:
            stored.proxy.reset_connections()
            stored.inject(Fault(refuse=True))

    store = stored.store(RetryPolicy(attempts=1), transfer=ONE_BY_ONE)
    with pytest.raises(TransportError):
        store.create_object_from_file(stored.bucket, stored.key, source, resume=resume, progress=fail)
    stored.proxy.heal()
    stored.clear()


def upload(stored: Stage, source: Path, resume: bool | Path | UploadRef = True) -> list[int]:
    """Uploads to the end; returns how much was said to be done."""
    told: list[int] = []
    stored.store(transfer=TRANSFER).create_object_from_file(
        stored.bucket, stored.key, source, resume=resume, progress=lambda done, _: told.append(done)
    )
    return told


def test_what_is_there_is_not_sent_again(stored: Stage, direct: Store, source: Path) -> None:
    break_off(stored, source)
    assert content(direct, stored) == OLD
    state = next(name for name in names(source) if name != "source")
    assert state.endswith(".upload")
    assert not any(secret in (source.parent / state).read_text() for secret in stored.vendor.secrets)
    told = upload(stored, source)
    assert content(direct, stored) == DATA
    assert told[0] == THERE * PART
    assert told[-1] == len(DATA)
    assert len(stored.of("part")) == COUNT - THERE
    assert names(source) == ["source"]


def test_state_is_kept_where_the_user_says(
    stored: Stage, direct: Store, source: Path, tmp_path: Path
) -> None:
    place = tmp_path / "elsewhere"
    place.mkdir()
    break_off(stored, source, place / "state")
    assert [path.name for path in place.iterdir()] == ["state"]
    assert upload(stored, source, place / "state")[0] == THERE * PART
    assert content(direct, stored) == DATA
    assert list(place.iterdir()) == []


@pytest.mark.parametrize("change", ["bytes", "time", "size"])
def test_changed_file_is_sent_anew(stored: Stage, direct: Store, source: Path, change: str) -> None:
    break_off(stored, source)
    expected = {"bytes": DATA[::-1], "time": DATA, "size": DATA + b"more"}[change]
    source.write_bytes(expected)
    os.utime(source, ns=(1, 1))
    assert upload(stored, source)[0] <= PART
    assert content(direct, stored) == expected
    assert len(stored.of("part")) == COUNT
    assert names(source) == ["source"]


def test_changed_options_begin_anew(stored: Stage, direct: Store, source: Path) -> None:
    break_off(stored, source)
    store = stored.store(transfer=TRANSFER)
    store.create_object_from_file(stored.bucket, stored.key, source, resume=True, metadata={"a": "b"})
    assert len(stored.of("part")) == COUNT
    assert direct.head_object(stored.bucket, stored.key).metadata == {"a": "b"}


def test_file_that_changes_meanwhile_is_not_stored(stored: Stage, direct: Store, source: Path) -> None:
    def change(done: int, total: int | None) -> None:
        os.utime(source, ns=(done, done))

    store = stored.store(transfer=TRANSFER)
    with stored.fails(InvalidArgumentError, "create_object") as caught:
        store.create_object_from_file(stored.bucket, stored.key, source, resume=True, progress=change)
    assert "changed" in caught.value.message
    assert content(direct, stored) == OLD
    assert names(source) == ["source"]


def test_upload_that_somebody_has_aborted_begins_anew(
    stored: Stage, direct: Store, source: Path
) -> None:
    break_off(stored, source)
    state = source.parent / next(name for name in names(source) if name != "source")
    ref = UploadRef.from_json(json.dumps(json.loads(state.read_text())["ref"]))
    direct.resume_multipart_upload(ref).abort()
    upload(stored, source)
    assert content(direct, stored) == DATA
    assert len(stored.of("part")) == COUNT


def test_upload_that_was_completed_is_known(stored: Stage, direct: Store, source: Path) -> None:
    """The process ended between the completion and the removal of its state file."""
    break_off(stored, source)
    state = source.parent / next(name for name in names(source) if name != "source")
    kept = state.read_bytes()
    upload(stored, source)
    stored.clear()
    state.write_bytes(kept)
    upload(stored, source)
    assert content(direct, stored) == DATA
    settles = direct._driver.capabilities.settles_writes
    assert len(stored.of("part")) == (0 if settles else COUNT)
    assert names(source) == ["source"]


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"ref": {}}', b"\xff\x00", b'{"ref": 1}'])
def test_state_that_cannot_be_read_begins_anew(
    stored: Stage, direct: Store, source: Path, tmp_path: Path, text: bytes
) -> None:
    (tmp_path / "state").write_bytes(text)
    upload(stored, source, tmp_path / "state")
    assert content(direct, stored) == DATA
    assert names(source) == ["source"]


def test_state_of_another_object_is_refused(stored: Stage, source: Path, tmp_path: Path) -> None:
    """Its upload may be of another account, and is not this one's to abort."""
    break_off(stored, source, tmp_path / "state")
    store = stored.store(transfer=TRANSFER)
    with pytest.raises(InvalidArgumentError, match="another object"):
        store.create_object_from_file(
            stored.bucket, f"{stored.key} other", source, resume=tmp_path / "state"
        )
    assert stored.requests == []
    assert upload(stored, source, tmp_path / "state")[0] == THERE * PART


def test_two_do_not_upload_one_file_at_once(stored: Stage, source: Path, tmp_path: Path) -> None:
    with (tmp_path / "state").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(BlockingIOError, match="under way"):
            upload(stored, source, tmp_path / "state")
    assert stored.of("begin") == []


def test_condition_that_does_not_hold_is_not_tried_for_ever(
    stored: Stage, direct: Store, source: Path
) -> None:
    store = stored.store(transfer=TRANSFER)
    with stored.fails(ObjectAlreadyExistsError, "create_object"):
        store.create_object_from_file(stored.bucket, stored.key, source, resume=True, if_absent=True)
    assert content(direct, stored) == OLD
    assert names(source) == ["source"]


def test_small_file_goes_at_once(stored: Stage, direct: Store, source: Path) -> None:
    source.write_bytes(b"small")
    assert upload(stored, source) == [5]
    assert content(direct, stored) == b"small"
    assert names(source) == ["source"]


# --- by a reference -------------------------------------------------------------------------------


def begin_elsewhere(stored: Stage, direct: Store, *bodies: bytes) -> UploadRef:
    """Another host's upload, of which some parts are there; as it comes over in a message."""
    direct._driver.limits = stored.store()._driver.limits
    begun = direct.create_multipart_upload(stored.bucket, stored.key)
    for index, body in enumerate(bodies):
        begun.upload_part(index + 1, body)
    stored.clear()
    return UploadRef.from_json(begun.ref.to_json())


def test_reference_is_gone_on_with(stored: Stage, direct: Store, source: Path) -> None:
    ref = begin_elsewhere(stored, direct, DATA[:PART], DATA[PART : 2 * PART])
    assert upload(stored, source, ref)[0] == 2 * PART
    assert content(direct, stored) == DATA
    assert len(stored.of("part")) == COUNT - 2


def test_parts_of_another_size_are_gone_on_with(stored: Stage, direct: Store, source: Path) -> None:
    ref = begin_elsewhere(stored, direct, DATA[: 2 * PART])
    assert upload(stored, source, ref)[0] == 2 * PART
    assert content(direct, stored) == DATA
    assert len(stored.of("part")) == 3


def test_part_that_is_not_the_file_s_is_sent_again(stored: Stage, direct: Store, source: Path) -> None:
    ref = begin_elsewhere(stored, direct, DATA[:PART], bytes(PART))
    listed = direct.resume_multipart_upload(ref).list_parts()
    assert listed[1].checksums  # each of these vendors lists one
    upload(stored, source, ref)
    assert content(direct, stored) == DATA
    assert len(stored.of("part")) == COUNT - 1


def test_reference_of_something_else_is_refused(stored: Stage, source: Path) -> None:
    store = stored.store(transfer=TRANSFER)
    for ref in (
        UploadRef("nobody", stored.bucket, stored.key, "x"),
        UploadRef(stored.vendor.name, stored.bucket, "another", "x"),
    ):
        with pytest.raises(InvalidArgumentError):
            store.create_object_from_file(stored.bucket, stored.key, source, resume=ref)
    assert stored.requests == []
