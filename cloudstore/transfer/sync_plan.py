"""What is to be done so that a target becomes like a source: a folder and the keys under a prefix, or
the keys of two buckets. Pure: no I/O.

What belongs together has one path: a file's path relative to the folder, with ``/`` between its parts,
and the rest of an object's key behind the prefix. Both sides come in the order of their UTF-8 bytes and
are merged, so that a plan takes no memory for what is alike.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Literal

from ..errors import CloudStoreError, InvalidArgumentError
from ..records import FrozenRecord

__all__ = [
    "Act",
    "Comparison",
    "Direction",
    "SyncAction",
    "SyncEntry",
    "SyncRules",
    "SyncSummary",
    "act_of_unlike",
    "decide",
    "folder_prefix",
    "is_safe_path",
]

Direction = Literal["up", "down"]
COMPARISONS = ("size+mtime", "checksum", "none")
Comparison = Literal["size+mtime", "checksum", "none"]


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class SyncEntry(FrozenRecord):
    """A file or an object.

    Attributes:
        path: relative, with ``/``.
        size: in bytes.
        mtime: when it was last modified, seconds since 1970; None where a listing does not say.
        checksums: of an object, those that the listing states.
    """

    path: str
    size: int
    mtime: float | None
    checksums: Mapping[str, str] = field(default_factory=dict)


class Act(Enum):
    """What is done about one path."""

    UPLOAD = "upload"
    DOWNLOAD = "download"
    COPY = "copy"
    DELETE = "delete"
    """Of the target."""
    COMPARE = "compare"
    """Their checksums tell whether they are alike."""
    DUPLICATE = "duplicate"
    OLDER = "older"
    """The source is older than the target, which is left alone."""


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class SyncAction(FrozenRecord):
    """What is done, or in a dry run would be done, about one path.

    Attributes:
        act: what.
        path: relative to the folder and to the prefix.
        size: bytes of the source; of what is deleted.
        source, target: what there is of it on both sides.
    """

    act: Act
    path: str
    size: int
    source: SyncEntry | None = None
    target: SyncEntry | None = None


@dataclass(slots=True)
class SyncSummary:
    """What was done to make a target like its source, in numbers of files or objects.

    Attributes:
        total: of the source that were looked at; the sum of those below but `deleted`.
        uploaded, downloaded, copied: that were not alike.
        ignored: by `ignore` or because they are hidden; a folder that is ignored counts once.
        older: left alone because the target is newer.
        duplicate: alike already.
        failed: see `failures`.
        deleted: of the target, because the source has none.
        bytes: that were sent or received.
        failures: for each path that failed, its error.
        actions: of a dry run, what would be done; else empty.
    """

    total: int = 0
    uploaded: int = 0
    downloaded: int = 0
    copied: int = 0
    ignored: int = 0
    older: int = 0
    duplicate: int = 0
    failed: int = 0
    deleted: int = 0
    bytes: int = 0
    failures: dict[str, CloudStoreError] = field(default_factory=dict)
    actions: list[SyncAction] = field(default_factory=list)


_TRANSFERS: Mapping[str, Act] = MappingProxyType(
    {"up": Act.UPLOAD, "down": Act.DOWNLOAD, "across": Act.COPY}
)


class SyncRules:
    """Which paths take part, and when the two sides of one are alike.

    Args:
        direction: up and down between a folder and objects, across between objects.
        ignore: shell patterns. One without ``/`` is for the name of any file or folder, one with
            ``/`` for a whole relative path; a folder that matches is left out with all that is in it.
        include_hidden: whether names that begin with a dot take part.
        compare: see `decide`.
        overwrite_newer: whether a target that is newer and not alike is overwritten.
        delete: whether the target loses what the source has not.
    """

    def __init__(
        self,
        direction: Direction | Literal["across"],
        *,
        ignore: Iterable[str] = (),
        include_hidden: bool = False,
        compare: Comparison = "size+mtime",
        overwrite_newer: bool = False,
        delete: bool = False,
    ) -> None:
        if direction not in _TRANSFERS:
            raise InvalidArgumentError(f"direction is 'up' or 'down', not {direction!r}")
        if compare not in COMPARISONS:
            raise InvalidArgumentError(f"compare is 'size+mtime' or 'checksum', not {compare!r}")
        if isinstance(ignore, str):
            raise InvalidArgumentError("ignore is a list of patterns, not one text")
        patterns = list(ignore)
        self.transfer = _TRANSFERS[direction]
        self.compare = compare
        self.overwrite_newer = overwrite_newer
        self.delete = delete
        self._include_hidden = include_hidden
        self._name_patterns = [p for p in patterns if "/" not in p]
        self._path_patterns = [p.strip("/") for p in patterns if "/" in p]

    def ignores(self, path: str) -> bool:
        """Whether a file or folder is left out by its own name or path."""
        name = path.rpartition("/")[2]
        if not self._include_hidden and name.startswith("."):
            return True
        return any(fnmatchcase(name, p) for p in self._name_patterns) or any(
            fnmatchcase(path, p) for p in self._path_patterns
        )

    def ignores_any_of(self, path: str) -> bool:
        """Whether a file is left out, by itself or with a folder above it."""
        if not (self._name_patterns or self._path_patterns):
            return not self._include_hidden and (path.startswith(".") or "/." in path)
        parts = path.split("/")
        return any(self.ignores("/".join(parts[: n + 1])) for n in range(len(parts)))


def folder_prefix(prefix: str) -> str:
    """The prefix as that of a folder: ``"backup"`` never means ``"backup2/…"``."""
    return prefix if not prefix or prefix.endswith("/") else prefix + "/"


def is_safe_path(path: str) -> bool:
    """Whether a key can be a file below a folder: it leads nowhere else, and is that path exactly."""
    framed = f"/{path}/"
    return not ("//" in framed or "/./" in framed or "/../" in framed or "\x00" in path)


def decide(rules: SyncRules, source: SyncEntry | None, target: SyncEntry | None) -> SyncAction:
    """What to do about one path.

    By ``"size+mtime"`` the two are alike where they have one size and the target was written no
    earlier than the source was last modified. Listings tell whole seconds: in the same second the
    checksums decide, but for a download, which gives the file the time of its object. By
    ``"checksum"`` they are alike where they have one size and one checksum.
    """
    if source is None:
        assert target is not None
        return SyncAction(Act.DELETE, target.path, target.size, source, target)
    return SyncAction(_act(rules, source, target), source.path, source.size, source, target)


def _act(rules: SyncRules, source: SyncEntry, target: SyncEntry | None) -> Act:
    if target is None or rules.compare == "none":
        return rules.transfer
    if source.size != target.size:
        return act_of_unlike(rules, source, target)
    if rules.compare == "checksum":
        return Act.COMPARE
    age = _seconds_newer(source, target)
    if age < 0 or (age == 0 and rules.transfer is Act.DOWNLOAD):
        return Act.DUPLICATE
    return Act.COMPARE if age == 0 else rules.transfer


def act_of_unlike(rules: SyncRules, source: SyncEntry, target: SyncEntry) -> Act:
    """What to do about two that are not alike: a target that is newer does not give way."""
    gives_way = rules.overwrite_newer or _seconds_newer(source, target) >= 0
    return rules.transfer if gives_way else Act.OLDER


def _seconds_newer(source: SyncEntry, target: SyncEntry) -> int:
    """By how many whole seconds the source is newer; unknown times are of the same second."""
    if source.mtime is None or target.mtime is None:
        return 0
    return math.floor(source.mtime) - math.floor(target.mtime)
