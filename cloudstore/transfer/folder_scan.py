"""The files of a folder, in the order of the UTF-8 bytes of their paths. Reads directories; blocks.

Links to files are followed. Links to folders are not: they may lead anywhere, and round in circles.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from .sync_plan import SyncEntry, SyncRules

__all__ = ["FolderScan", "Ignored", "Unreadable"]

AT_ONCE = 500
"""Entries that are looked at before others have their turn."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """A file or folder that takes no part."""

    path: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file or folder that cannot be looked at."""

    path: str
    error: OSError


class FolderScan:
    """Walks a folder, some entries at a time.

    Raises:
        OSError: it is no folder that can be read.
    """

    def __init__(self, folder: str, rules: SyncRules) -> None:
        self._rules = rules
        with os.scandir(folder):
            self._found = self._walk(folder, "")

    def some(self) -> list[SyncEntry | Ignored | Unreadable]:
        """The next entries; none at the end."""
        return list(islice(self._found, AT_ONCE))

    def _walk(self, folder: str, above: str) -> Iterator[SyncEntry | Ignored | Unreadable]:
        try:
            with os.scandir(folder) as entries:
                found = sorted(((_order(entry), entry) for entry in entries), key=lambda pair: pair[0])
        except OSError as exc:
            yield Unreadable(above.rstrip("/"), exc)
            return
        for _, entry in found:
            path = above + entry.name
            if self._rules.ignores(path):
                yield Ignored(path)
            elif entry.is_dir(follow_symlinks=False):
                yield from self._walk(entry.path, path + "/")
            else:
                yield _looked_at(entry, path)


def _order(entry: os.DirEntry[str]) -> bytes:
    """Where an entry stands: what is in a folder, by its whole path."""
    is_folder = entry.is_dir(follow_symlinks=False)
    return os.fsencode(entry.name) + (b"/" if is_folder else b"")


def _looked_at(entry: os.DirEntry[str], path: str) -> SyncEntry | Ignored | Unreadable:
    try:
        found = entry.stat()
    except OSError as exc:  # it has gone, or is a link to nothing
        return Unreadable(path, exc)
    if not stat.S_ISREG(found.st_mode):
        return Ignored(path)
    return SyncEntry(path, found.st_size, found.st_mtime)
