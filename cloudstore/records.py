"""What data classes share that have nothing of their own to say about it: a text and equality.

`dataclasses` writes and compiles both for each class, a quarter of a millisecond each time; with two
dozen classes that is a tenth of the time in which `cloudstore` is imported.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

__all__ = ["FrozenRecord", "Record"]


class Record:
    """Base of a data class made with ``repr=False, eq=False``: as if `dataclasses` had written both."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        if other.__class__ is not self.__class__:
            return NotImplemented
        this: Any = self
        names = (field.name for field in fields(this) if field.compare)
        return all(getattr(self, name) == getattr(other, name) for name in names)

    def __repr__(self) -> str:
        this: Any = self
        shown = (f"{f.name}={getattr(self, f.name)!r}" for f in fields(this) if f.repr)
        return f"{self.__class__.__qualname__}({', '.join(shown)})"


class FrozenRecord(Record):
    """The same for one that is frozen, and so has a hash."""

    __slots__ = ()

    def __hash__(self) -> int:
        this: Any = self
        return hash(tuple(getattr(self, field.name) for field in fields(this) if field.compare))
