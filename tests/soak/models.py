"""What must be there, as exactly as can be known by somebody whose answers get lost.

A write that was acknowledged is there. One whose error says ``not_applied`` is not. One whose
answer was lost may have been applied, may not, or may *yet* be: what stalls on the way to the
vendor comes when it moves again, after later writes, and no client can call it back. So a model
keeps each as a `Ghost` until `LATE_SECONDS` have passed: no longer can this run's proxies hold a
request, and its server work on it. The same goes for a write that was acknowledged after one of its
attempts had been lost.

The models see no network and know no clock but the times they are told. That of a key which one worker
owns needs no lock; the shared ones have theirs.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from cloudstore import CloudStoreError

from .contents import Version

STALL_SECONDS = 8.0
"""The longest that a proxy holds a request back."""
LATE_SECONDS = STALL_SECONDS + 12.0
"""How long after an answer was lost its request may still be applied, by a server that is busy."""
SLOW_SECONDS = 1.0
"""A request that took longer may have stalled."""
HISTORY = 40
"""Lines that are kept of each key."""
KEPT_WRITES = 300
"""That a register remembers, before it forgets those that were overwritten long ago."""

State = Version | None
"""What a key may hold; None: there is no object."""


class ViolationError(Exception):
    """What must not be.

    Attributes:
        what: a sentence.
        key: about which.
        history: what was done to it, the latest last.
    """

    def __init__(self, what: str, key: str = "", history: Iterable[str] = ()) -> None:
        super().__init__(what)
        self.what, self.key, self.history = what, key, list(history)


@dataclass(slots=True)
class Answer:
    """How a call went.

    Attributes:
        began, ended: on the monotonic clock.
        error: of the tree, or None.
        lost: attempts whose outcome was unknown and that were tried again.
        result: of a call that succeeded.
    """

    began: float
    ended: float
    error: CloudStoreError | None = None
    lost: int = 0
    result: Any = None

    @property
    def is_unknown(self) -> bool:
        """Whether it failed and may have been applied."""
        return self.error is not None and self.error.outcome == "unknown"

    @property
    def leaves_ghost(self) -> bool:
        """Whether a request of it may be applied after its end.

        A conditional write may be acknowledged by what settled it, after an attempt that nobody tells
        of: such a one took its time, because what ends at once is on its way no more.
        """
        return self.is_unknown or self.lost > 0 or self.ended - self.began > SLOW_SECONDS

    def __str__(self) -> str:
        lost = f", {self.lost} attempts lost" if self.lost else ""
        told = "done" if self.error is None else f"{self.error.kind} ({self.error.outcome})"
        return f"{told} after {self.ended - self.began:.2f}s{lost}"


@dataclass(slots=True)
class Ghost:
    """A write that may still be applied.

    Attributes:
        until: on the monotonic clock.
        states: one of which it leaves.
    """

    until: float
    states: frozenset[State]


def noted(version: Version, note: str) -> Version:
    """A version with another note."""
    return Version(version.writer, version.serial, version.size, note)


class OwnedKey:
    """A key that one worker alone writes.

    Attributes:
        history: what was done to it, the latest last.
        lost_uploads: how many multipart uploads may be left over: their beginning or end was lost.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.history: deque[str] = deque(maxlen=HISTORY)
        self.lost_uploads = 0
        self._current: set[State] = {None}
        self._ghosts: list[Ghost] = []
        self._followers: list[tuple[OwnedKey, float]] = []
        """Copies of this key that may come late, and until when."""

    @property
    def possible(self) -> set[State]:
        """All that may be there now."""
        return self._current.union(*(ghost.states for ghost in self._ghosts))

    @property
    def versions(self) -> set[Version]:
        """The objects that may be there now."""
        return {state for state in self.possible if state is not None}

    @property
    def is_certain(self) -> bool:
        """Whether only one thing can be there, and nothing is on its way."""
        return len(self._current) == 1 and not self._ghosts

    def wrote(self, answer: Answer, states: Iterable[State]) -> None:
        """A write ended that leaves one of `states`."""
        left = frozenset(states)
        if answer.error is None:
            self._settle(answer.began, set(left))
        elif not answer.is_unknown:
            return
        if answer.leaves_ghost:
            self._ghosts.append(Ghost(answer.ended + LATE_SECONDS, left))
        for follower, until in self._followers:
            if until >= answer.began and left - {None}:
                follower._ghosts.append(Ghost(until, left - {None}))

    def copied_from(self, answer: Answer, source: OwnedKey) -> None:
        """A copy ended. One that comes late copies what the source holds by then."""
        self.wrote(answer, source.versions)
        if answer.leaves_ghost and (answer.error is None or answer.is_unknown):
            source._followers.append((self, answer.ended + LATE_SECONDS))

    def saw(self, state: State, began: float, what: str) -> None:
        """A read that began then found `state`."""
        if state not in self.possible:
            raise self.violation(f"{what} found {_shown([state])}, where only {self.expected} can be")
        self._settle(began, {state})

    def saw_some(self, began: float, what: str, size: int | None = None) -> None:
        """An object of this size was there, nobody said which."""
        fitting: set[State] = {version for version in self.versions if size in (None, version.size)}
        if not fitting:
            raise self.violation(
                f"{what} found an object of {size} bytes, where only {self.expected} can be"
            )
        self._settle(began, fitting)

    @property
    def certainly_there(self) -> bool | None:
        """Whether there is an object; None: nobody can know."""
        there = {state is not None for state in self.possible}
        return there.pop() if len(there) == 1 else None

    @property
    def expected(self) -> str:
        """All that may be there, to be shown."""
        return _shown(self.possible)

    def violation(self, what: str) -> ViolationError:
        """With this key's history."""
        return ViolationError(what, self.name, self.history)

    def _settle(self, began: float, states: set[State]) -> None:
        """This was there after `began`; what was on its way until before is there no more."""
        self._ghosts = [ghost for ghost in self._ghosts if ghost.until >= began]
        self._followers = [(key, until) for key, until in self._followers if until >= began]
        self._current = states


def _shown(states: Iterable[State]) -> str:
    return " or ".join(sorted("nothing" if s is None else str(s) for s in states)) or "nothing"


class _Shared:
    """What the models of shared keys have in common; see `OwnedKey`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.history: deque[str] = deque(maxlen=HISTORY)
        self.lost_uploads = 0
        self._lock = threading.Lock()

    def violation(self, what: str) -> ViolationError:
        """With this key's history."""
        return ViolationError(what, self.name, self.history)


Fate = Literal["running", "acknowledged", "unknown", "refused"]


@dataclass(slots=True)
class _Write:
    began: float
    fate: Fate = "running"
    ended: float = float("inf")
    gone_by: float = float("inf")
    """After this it is not applied any more."""


class Register(_Shared):
    """A key that many overwrite: a reader finds what somebody wrote, and nothing out of date."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._writes: dict[Version, _Write] = {}

    def begins(self, version: Version, now: float) -> None:
        """A write is under way."""
        with self._lock:
            self._writes[version] = _Write(now)

    def wrote(self, version: Version, answer: Answer) -> None:
        """A write ended."""
        with self._lock:
            write = self._writes[version]
            write.ended = answer.ended
            late = LATE_SECONDS if answer.leaves_ghost else 0.0
            write.gone_by = answer.ended + late
            write.fate = (
                "unknown" if answer.is_unknown else "refused" if answer.error else "acknowledged"
            )
            if len(self._writes) > KEPT_WRITES:
                self._forget(answer.ended)

    def _forget(self, now: float) -> None:
        """What was overwritten long ago."""
        safe = [w.began for w in self._writes.values() if w.fate == "acknowledged"]
        newest = max((began for began in safe if began < now - 3 * LATE_SECONDS), default=0.0)
        self._writes = {v: w for v, w in self._writes.items() if w.gone_by >= newest}

    def saw(self, version: Version | None, began: float) -> None:
        """A read that began then found this."""
        with self._lock:
            overwritten = max(
                (
                    w.began
                    for w in self._writes.values()
                    if w.fate == "acknowledged" and w.ended < began
                ),
                default=None,
            )
            if version is None:
                if overwritten is not None:
                    raise self.violation("an acknowledged write is lost: there is nothing")
                return
            write = self._writes.get(version)
            if write is None:
                raise self.violation(f"there is {version}, which nobody wrote, or long ago")
            if write.fate == "refused":
                raise self.violation(f"there is {version}, whose error said that it was not applied")
            if overwritten is not None and write.gone_by < overwritten:
                raise self.violation(f"there is {version}, which was overwritten before the read began")


class Race(_Shared):
    """A key that many create, each only if it is not there: one succeeds."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._won: Version | None = None
        self._unknown: set[Version] = set()
        self._running: set[Version] = set()
        self._loser: Version | None = None

    def begins(self, version: Version) -> None:
        """A creation is under way."""
        with self._lock:
            self._running.add(version)

    def ended(self, version: Version, answer: Answer, *, exists: bool) -> None:
        """A creation ended; `exists`: by the error that there is an object."""
        with self._lock:
            self._running.discard(version)
            if answer.error is None:
                if self._won is not None:
                    raise self.violation(f"both {self._won} and {version} were created first")
                self._won = version
            elif answer.is_unknown:
                self._unknown.add(version)
            elif exists:
                self._loser = version
                if self._won is None and not (self._unknown or self._running):
                    raise self.violation(f"{version} was told of an object, and there is none")

    def saw(self, version: Version | None) -> None:
        """Once all is quiet, this is there."""
        with self._lock:
            if self._won is not None and version != self._won:
                raise self.violation(f"{self._won} was created first, and {version} is there")
            if self._won is None and version is not None and version not in self._unknown:
                raise self.violation(f"{version} is there, whose error said that it was not applied")
            if version is None and self._loser is not None:
                raise self.violation(f"{self._loser} was told of an object, and there is none")


@dataclass(slots=True)
class _Counted:
    acknowledged: dict[str, float] = field(default_factory=dict)
    """When it ended, by what was added."""
    unknown: set[str] = field(default_factory=set)
    running: set[str] = field(default_factory=set)


class Counter(_Shared):
    """A list to which many add, each by compare-and-swap: nothing added is lost, or there twice."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._counted = _Counted()

    def begins(self, entry: str) -> None:
        """Somebody adds this."""
        with self._lock:
            self._counted.running.add(entry)

    def ended(self, entry: str, answer: Answer) -> None:
        """How that went."""
        with self._lock:
            self._counted.running.discard(entry)
            if answer.error is None:
                self._counted.acknowledged[entry] = answer.ended
            elif answer.is_unknown:
                self._counted.unknown.add(entry)

    def saw(self, entries: list[str], began: float) -> None:
        """A read that began then found these."""
        with self._lock:
            counted = self._counted
            found = set(entries)
            if len(found) != len(entries):
                raise self.violation(f"what was added once is there twice: {entries}")
            lost = {e for e, ended in counted.acknowledged.items() if ended < began} - found
            if lost:
                raise self.violation(f"updates are lost: {sorted(lost)}")
            known = counted.acknowledged.keys() | counted.unknown | counted.running
            if found - known:
                raise self.violation(f"these said that they were not applied: {sorted(found - known)}")
