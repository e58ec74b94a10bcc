"""What is to be done so that a folder and the keys under a prefix become alike. Pure: no I/O.

A folder's file and an object belong together where the file's path, relative to the folder and with
``/`` between its parts, is the rest of the object's key behind the prefix. Both sides come in the order
of their UTF-8 bytes and are merged, so that a plan takes no memory for what is alike.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from fnmatch import fnmatchcase
from typing import Literal

from ..errors import CloudStoreError, InvalidArgumentError

__all__ = [
    "Act",
    "Comparison",
    "Direction",
    "FolderAction",
    "FolderFile",
    "FolderObject",
    "FolderRules",
    "FolderSummary",
    "decide",
    "folder_prefix",
    "is_safe_path",
]

Direction = Literal["up", "down"]
Comparison = Literal["size+mtime", "checksum", "none"]


@dataclass(frozen=True, slots=True)
class FolderFile:
    """A file of the folder.

    Attributes:
        path: relative, with ``/``.
        size: in bytes.
        mtime: seconds since 1970.
    """

    path: str
    size: int
    mtime: float


@dataclass(frozen=True, slots=True)
class FolderObject:
    """An object under the prefix.

    Attributes:
        path: its key behind the prefix.
        size: in bytes.
        mtime: when it was last modified, seconds since 1970; None where the listing does not say.
        checksums: those that the listing states.
    """

    path: str
    size: int
    mtime: float | None
    checksums: Mapping[str, str]


class Act(Enum):
    """What is done about one path."""

    UPLOAD = "upload"
    DOWNLOAD = "download"
    DELETE = "delete"
    """Of the side that is made like the other."""
    COMPARE = "compare"
    """Their checksums tell whether they are alike."""
    DUPLICATE = "duplicate"
    OLDER = "older"
    """The source is older than the target, which is left alone."""
    IGNORE = "ignore"


@dataclass(frozen=True, slots=True)
class FolderAction:
    """What is done, or in a dry run would be done, about one path.

    Attributes:
        act: what.
        path: relative to the folder and to the prefix.
        size: bytes of the source; of what is deleted.
        file: the file, where there is one.
        found: the object, where there is one.
    """

    act: Act
    path: str
    size: int
    file: FolderFile | None = None
    found: FolderObject | None = None


@dataclass(slots=True)
class FolderSummary:
    """What became of a folder, in numbers.

    Attributes:
        total: files of the source that were looked at; the sum of those below but `deleted`.
        uploaded, downloaded: files.
        ignored: by `ignore` or because they are hidden; a folder that is ignored counts once.
        older: left alone because the target is newer.
        duplicate: alike already.
        failed: see `failures`.
        deleted: of the target, because the source has no such file.
        bytes: that were sent or received.
        failures: for each path that failed, its error.
        actions: of a dry run, what would be done; else empty.
    """

    total: int = 0
    uploaded: int = 0
    downloaded: int = 0
    ignored: int = 0
    older: int = 0
    duplicate: int = 0
    failed: int = 0
    deleted: int = 0
    bytes: int = 0
    failures: dict[str, CloudStoreError] = field(default_factory=dict)
    actions: list[FolderAction] = field(default_factory=list)


class FolderRules:
    """Which paths take part, and when the two sides of one are alike.

    Args:
        ignore: shell patterns. One without ``/`` is for the name of any file or folder, one with
            ``/`` for a whole relative path; a folder that matches is left out with all that is in it.
        include_hidden: whether names that begin with a dot take part.
        compare: see `decide`.
        overwrite_newer: whether a target that is newer and not alike is overwritten.
        delete: whether the target loses what the source has not.
    """

    def __init__(
        self,
        direction: Direction,
        *,
        ignore: Iterable[str] = (),
        include_hidden: bool = False,
        compare: Comparison = "size+mtime",
        overwrite_newer: bool = False,
        delete: bool = False,
    ) -> None:
        if direction not in ("up", "down"):
            raise InvalidArgumentError(f"direction is 'up' or 'down', not {direction!r}")
        if compare not in ("size+mtime", "checksum", "none"):
            raise InvalidArgumentError(f"compare is 'size+mtime' or 'checksum', not {compare!r}")
        if isinstance(ignore, str):
            raise InvalidArgumentError("ignore is a list of patterns, not one text")
        patterns = list(ignore)
        self.direction = direction
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
        parts = path.split("/")
        return any(self.ignores("/".join(parts[: n + 1])) for n in range(len(parts)))


def folder_prefix(prefix: str) -> str:
    """The prefix as that of a folder: ``"backup"`` never means ``"backup2/…"``."""
    return prefix if not prefix or prefix.endswith("/") else prefix + "/"


def is_safe_path(path: str) -> bool:
    """Whether a key can be a file below a folder: it leads nowhere else, and is that path exactly."""
    return "\x00" not in path and all(part not in ("", ".", "..") for part in path.split("/"))


def decide(rules: FolderRules, file: FolderFile | None, found: FolderObject | None) -> FolderAction:
    """What to do about one path.

    By ``"size+mtime"`` the two are alike where they have one size and the target was written no
    earlier than the source was last modified. Listings tell whole seconds: in the same second the
    checksums decide. By ``"checksum"`` they are alike where they have one size and one checksum.
    """
    up = rules.direction == "up"
    source, target = (file, found) if up else (found, file)
    if source is None:
        assert target is not None
        return FolderAction(Act.DELETE, target.path, target.size, file, found)
    transfer = Act.UPLOAD if up else Act.DOWNLOAD

    def action(act: Act) -> FolderAction:
        return FolderAction(act, source.path, source.size, file, found)

    if target is None or rules.compare == "none":
        return action(transfer)
    if source.size == target.size:
        if rules.compare == "checksum":
            return action(Act.COMPARE)
        age = _seconds_newer(source.mtime, target.mtime)
        if age < 0 or (age == 0 and not up):  # a download sets the time of the file to the object's
            return action(Act.DUPLICATE)
        return action(Act.COMPARE if age == 0 else transfer)
    return action(transfer if is_overwritten(rules, source.mtime, target.mtime) else Act.OLDER)


def is_overwritten(rules: FolderRules, source: float | None, target: float | None) -> bool:
    """Whether a target that is not alike gives way to a source, by the times of both."""
    return rules.overwrite_newer or _seconds_newer(source, target) >= 0


def _seconds_newer(source: float | None, target: float | None) -> int:
    """By how many whole seconds the source is newer; unknown times are of the same second."""
    if source is None or target is None:
        return 0
    return math.floor(source) - math.floor(target)
