"""Patterns in keys: ``*``, ``?`` and ``[..]`` within a part between slashes, ``**`` for any parts.

A pattern is resolved part by part, by listings with a delimiter, so that what cannot match is not
listed; only ``**`` asks for everything below.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

from ..model import CommonPrefix
from ..object import Object
from ..store import Store

__all__ = ["expand", "is_pattern", "key_matches"]

_SPECIAL = re.compile(r"[*?\[]")


def is_pattern(key: str) -> bool:
    """Whether a key has characters that stand for others."""
    return _SPECIAL.search(key) is not None


def key_matches(pattern: str, key: str) -> bool:
    """Whether a whole key matches."""
    return _parts_match(pattern.split("/"), key.split("/"))


def expand(store: Store, bucket: str, pattern: str) -> Iterator[Object | CommonPrefix]:
    """The objects and folders that match, each once. With a slash at its end only folders do."""
    wants_folders = pattern.endswith("/")
    for found in _expand(store, bucket, "", pattern.rstrip("/").split("/")):
        if not wants_folders or isinstance(found, CommonPrefix):
            yield found


def _expand(
    store: Store, bucket: str, folder: str, parts: Sequence[str]
) -> Iterator[Object | CommonPrefix]:
    """What matches below a folder that is known to match."""
    literal = 0
    while literal < len(parts) and not is_pattern(parts[literal]):
        literal += 1
    folder += "".join(f"{part}/" for part in parts[: min(literal, len(parts) - 1)])
    parts = parts[min(literal, len(parts) - 1) :]
    if parts[0] == "**":
        yield from _below(store, bucket, folder, parts)
        return
    beginning = _SPECIAL.split(parts[0], maxsplit=1)[0]
    for found in store.iter_objects(bucket, folder + beginning, "/"):
        name = found.prefix if isinstance(found, CommonPrefix) else found.key
        if not fnmatchcase(name.removeprefix(folder).removesuffix("/"), parts[0]):
            continue
        if len(parts) == 1:
            if isinstance(found, CommonPrefix) or not name.endswith("/"):
                yield found
        elif isinstance(found, CommonPrefix):
            yield from _expand(store, bucket, name, parts[1:])


def _below(store: Store, bucket: str, folder: str, parts: Sequence[str]) -> Iterator[Object]:
    for found in store.iter_objects(bucket, folder):
        if isinstance(found, Object) and _parts_match(parts, found.key[len(folder) :].split("/")):
            yield found


def _parts_match(patterns: Sequence[str], parts: Sequence[str]) -> bool:
    """Whether parts match, in time that does not explode with the number of ``**``."""
    reached = {0}  # how many parts may be behind us
    for number, pattern in enumerate(patterns):
        if pattern == "**":
            is_last = number == len(patterns) - 1
            first = (
                min(reached, default=len(parts) + 1) + is_last
            )  # at the end it stands for one or more
            reached = set(range(first, len(parts) + 1))
        else:
            reached = {at + 1 for at in reached if at < len(parts) and fnmatchcase(parts[at], pattern)}
    return len(parts) in reached
