"""Which objects the address of a command means: one key, or all that match its pattern."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from ..errors import ObjectNotFoundError
from ..model import CommonPrefix
from ..object import Object
from .addresses import Remote
from .patterns import expand, is_pattern
from .session import Session

__all__ = ["has_pattern", "literal_folder", "matching"]


def has_pattern(session: Session, place: Remote) -> bool:
    """Whether the key of an address stands for others."""
    return not session.no_glob and is_pattern(place.key)


def matching(session: Session, place: Remote) -> Iterator[Object | CommonPrefix]:
    """The objects and folders that match the pattern of an address.

    Raises:
        ObjectNotFoundError: none does.
    """
    found = expand(session.store_of(place), place.bucket, place.key)
    first = next(found, None)
    if first is None:
        raise ObjectNotFoundError(f"nothing matches {place}")
    return chain([first], found)


def literal_folder(pattern: str) -> str:
    """The folder in front of the first part that stands for others: what names are relative to."""
    parts = pattern.split("/")[:-1]
    literal = 0
    while literal < len(parts) and not is_pattern(parts[literal]):
        literal += 1
    return "".join(f"{part}/" for part in parts[:literal])
