"""The models allow what can be, and nothing else."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cloudstore import TransportError

from .contents import Contents, Version, version_of
from .models import LATE_SECONDS, Answer, Counter, OwnedKey, Race, Register, ViolationError

FIRST, SECOND, THIRD = (Version("t1", serial, 10 * serial) for serial in (1, 2, 3))
QUICK = 0.01


def done(at: float, lost: int = 0) -> Answer:
    return Answer(at, at + QUICK, lost=lost)


def failed(at: float, outcome: str) -> Answer:
    error = TransportError("broken")
    error.outcome = "unknown" if outcome == "unknown" else "not_applied"
    return Answer(at, at + QUICK, error)


def violates(check: Callable[[], None], words: str) -> None:
    with pytest.raises(ViolationError, match=words):
        check()


@pytest.fixture
def key() -> OwnedKey:
    made = OwnedKey("k")
    made.wrote(done(0), {FIRST})
    return made


def test_what_was_acknowledged_is_there(key: OwnedKey) -> None:
    key.saw(FIRST, 1, "a read")
    violates(lambda: key.saw(None, 1, "a read"), "found nothing, where only t1.1.10 can be")
    key.wrote(done(2), {None})
    violates(lambda: key.saw(FIRST, 3, "a read"), "where only nothing can be")
    violates(lambda: key.saw_some(3, "a listing"), "where only nothing can be")


def test_what_was_not_applied_is_not_there(key: OwnedKey) -> None:
    key.wrote(failed(1, "not_applied"), {SECOND})
    violates(lambda: key.saw(SECOND, 2, "a read"), "where only t1.1.10 can be")
    assert key.is_certain


def test_what_is_unknown_may_be_there_and_may_come_late(key: OwnedKey) -> None:
    key.wrote(failed(1, "unknown"), {SECOND})
    assert key.possible == {FIRST, SECOND}
    key.wrote(done(2), {THIRD})
    key.saw(THIRD, 3, "a read")
    key.saw(SECOND, 4, "a read")
    violates(lambda: key.saw(FIRST, 5, "a read"), "where only")


def test_what_is_late_comes_only_for_a_while(key: OwnedKey) -> None:
    key.wrote(failed(1, "unknown"), {SECOND})
    after = 2 + LATE_SECONDS
    key.saw(FIRST, after, "a read")
    violates(lambda: key.saw(SECOND, after, "a read"), "where only t1.1.10 can be")


def test_an_attempt_that_was_lost_may_come_after_the_acknowledged_one(key: OwnedKey) -> None:
    key.wrote(done(1, lost=1), {SECOND})
    key.wrote(done(2), {THIRD})
    key.saw(SECOND, 3, "a read")


def test_a_copy_that_comes_late_copies_what_is_there_by_then(key: OwnedKey) -> None:
    target = OwnedKey("target")
    target.copied_from(failed(1, "unknown"), key)
    assert target.possible == {None, FIRST}
    key.wrote(done(2), {SECOND})
    assert target.possible == {None, FIRST, SECOND}
    key.wrote(done(3 + LATE_SECONDS), {THIRD})
    assert THIRD not in target.possible


def test_a_register_shows_nothing_old() -> None:
    register = Register("r")
    for at, version in enumerate((FIRST, SECOND)):
        register.begins(version, at)
        register.wrote(version, done(at))
    register.saw(SECOND, 2)
    violates(lambda: register.saw(FIRST, 2), "overwritten before")
    violates(lambda: register.saw(None, 2), "is lost")
    violates(lambda: register.saw(THIRD, 2), "nobody wrote")
    register.begins(THIRD, 2)
    register.saw(THIRD, 3)
    register.wrote(THIRD, failed(2, "not_applied"))
    violates(lambda: register.saw(THIRD, 3), "not applied")


def test_a_race_is_won_once() -> None:
    race = Race("r")
    for version in (FIRST, SECOND, THIRD):
        race.begins(version)
    race.ended(FIRST, done(0), exists=False)
    violates(lambda: race.ended(SECOND, done(0), exists=False), "created first")
    race.ended(THIRD, failed(0, "unknown"), exists=False)
    race.saw(FIRST)
    violates(lambda: race.saw(THIRD), "was created first")


def test_nobody_loses_a_race_that_nobody_runs() -> None:
    race = Race("r")
    race.begins(FIRST)
    violates(lambda: race.ended(FIRST, failed(0, "not_applied"), exists=True), "there is none")


def test_a_counter_loses_nothing_and_counts_nothing_twice() -> None:
    counter = Counter("c")
    for entry, answer in (("a", done(0)), ("b", failed(0, "unknown")), ("c", failed(0, "no"))):
        counter.begins(entry)
        counter.ended(entry, answer)
    counter.saw(["a"], 1)
    counter.saw(["a", "b"], 1)
    violates(lambda: counter.saw(["b"], 1), "lost")
    violates(lambda: counter.saw(["a", "a"], 1), "twice")
    violates(lambda: counter.saw(["a", "c"], 1), "not applied")


def test_contents_are_told_apart_by_each_byte() -> None:
    contents = Contents(1)
    version = Version("a7", 3, 5000, "é")
    data = bytes(contents.of(version))
    assert version_of(contents.metadata(version)) == version
    assert contents.difference(version, data) is None
    assert contents.difference(version, data[100:200], 100) is None
    other = data[:4000] + bytes(contents.of(Version("a7", 4, 5000)))[4000:]
    assert "byte 4000 of a7.3.5000" in str(contents.difference(version, other))
    assert "5001 bytes" in str(contents.difference(version, data + b"x"))
