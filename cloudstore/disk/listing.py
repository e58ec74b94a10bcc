"""Pages of a listing of `local`: a lazy walk in the order of keys, over both places of objects.

Within a directory, names sort as keys do when those of directories end in ``/``; so nothing is read but
the directories that a page is about. Links and whatever is no regular file are skipped.
"""

from __future__ import annotations

import heapq
import os
from bisect import bisect_left
from collections.abc import Iterator
from operator import itemgetter
from typing import Self

from ..capabilities import RESERVED_PREFIX, KeyRule
from ..model import ListOptions, ObjectInfo
from .layout import ABSENT, FOLDER, MAX_DEPTH, Spot, etag, is_text, look, modified
from .tree import Tree

__all__ = ["Listing"]

IN_SHADOW = -1
"""In the place of the directory that holds a file."""


class Listing:
    """One page's look at a bucket: each directory is read once."""

    def __init__(self, tree: Tree, bucket: str, options: ListOptions, rule: KeyRule) -> None:
        self._tree = tree
        self._bucket = bucket
        self._prefix = options.prefix
        self._rolls_folders = options.delimiter == "/"
        self._max_bytes = rule.max_bytes
        self._folders: dict[str, list[str]] = {}
        self._bucket_fd = tree.open_bucket(bucket)
        # Before the natural files: an object that moves there meanwhile is seen in one of the places.
        self._shadow = sorted(k for k in tree.shadow_keys(bucket) if k.startswith(self._prefix))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        os.close(self._bucket_fd)

    def keys_from(self, position: str) -> Iterator[tuple[str, int]]:
        """The keys that are at least `position`, each with the open directory of its file."""
        natural = self._walk(self._bucket_fd, "", position)
        if not self._shadow:
            return natural
        first = bisect_left(self._shadow, position)
        shadow = ((key, IN_SHADOW) for key in self._shadow[first:])
        return _merged(natural, shadow)

    def _walk(self, fd: int, path: str, position: str) -> Iterator[tuple[str, int]]:
        names = self._names(fd, path)
        rest = position[len(path) :] if position.startswith(path) else ""
        first = bisect_left(names, rest)
        if first and names[first - 1][-1] == "/" and rest.startswith(names[first - 1]):
            first -= 1
        for index in range(first, len(names)):
            name = names[index]
            key = path + name
            if name[-1] != "/":
                yield key, fd
                continue
            within = key.startswith(self._prefix)
            if not within and not self._prefix.startswith(key):
                if key > self._prefix:
                    return
                continue
            try:
                inner = os.open(name[:-1], FOLDER, dir_fd=fd)
            except OSError as exc:
                if exc.errno in ABSENT:
                    continue
                raise
            try:
                if not (self._rolls_folders and within and self._prefix != key >= position):
                    yield from self._walk(inner, key, position)
                elif self._holds_object(inner, key):
                    yield key, fd  # it stands for all that is rolled up
            finally:
                os.close(inner)

    def _names(self, fd: int, path: str) -> list[str]:
        """The names in a directory that are keys or lead to some, in the order of keys."""
        known = self._folders.get(path)
        if known is not None:
            return known
        names = []
        with os.scandir(fd) as entries:
            for entry in entries:
                if entry.is_file(follow_symlinks=False):
                    name = entry.name
                elif entry.is_dir(follow_symlinks=False):
                    name = f"{entry.name}/"
                else:
                    continue
                if self._is_key(path, name):
                    names.append(name)
        names.sort()
        self._folders[path] = names
        return names

    def _is_key(self, path: str, name: str) -> bool:
        """Whether a name, or one below it, can be a key: others cannot be asked for."""
        if not is_text(name) or (not path and name == RESERVED_PREFIX):
            return False
        if name[-1] == "/" and path.count("/") >= MAX_DEPTH - 1:
            return False
        length = len(path) + len(name)
        return length * 4 <= self._max_bytes or len((path + name).encode()) <= self._max_bytes

    def _holds_object(self, fd: int, path: str) -> bool:
        """Whether there is any object below a directory; looks no further than the first."""
        folders = []
        with os.scandir(fd) as entries:
            for entry in entries:
                if entry.is_file(follow_symlinks=False) and self._is_key(path, entry.name):
                    return True
                if entry.is_dir(follow_symlinks=False) and self._is_key(path, f"{entry.name}/"):
                    folders.append(entry.name)
        for name in folders:
            try:
                inner = os.open(name, FOLDER, dir_fd=fd)
            except OSError as exc:
                if exc.errno in ABSENT:
                    continue
                raise
            try:
                if self._holds_object(inner, f"{path}{name}/"):
                    return True
            finally:
                os.close(inner)
        return False

    def describe(self, key: str, folder: int) -> ObjectInfo | None:
        """An object as a listing shows it; None: it has just gone."""
        if folder == IN_SHADOW:
            found = self._tree.stat(Spot(self._bucket, key))
        else:
            located = look(folder, [key[key.rfind("/") + 1 :]], opened=False)
            found = None if located is None else located[1]
        if found is None:
            return None
        return ObjectInfo(key, found.st_size, etag(found), modified(found))


def _merged(
    natural: Iterator[tuple[str, int]], shadow: Iterator[tuple[str, int]]
) -> Iterator[tuple[str, int]]:
    last = None
    for key, folder in heapq.merge(natural, shadow, key=itemgetter(0)):
        if key != last:
            yield key, folder
        last = key
