"""What an observer is told while operations run. Costs one comparison when nobody listens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from .errors import CloudStoreError
from .records import FrozenRecord

__all__ = ["Event", "Observer"]


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Event(FrozenRecord):
    """One thing that happened to an operation.

    Attributes:
        name: ``started``, then any number of ``retrying``, then ``succeeded`` or ``failed``.
        operation: the verb, such as ``"get_object"``.
        elapsed: seconds since the operation began.
        attempt: for ``retrying``, the attempt that failed, from 1.
        delay: for ``retrying``, the seconds until the next attempt.
        error: for ``retrying`` and ``failed``.
    """

    name: Literal["started", "retrying", "succeeded", "failed"]
    vendor: str
    operation: str
    bucket: str | None
    key: str | None
    elapsed: float = 0.0
    attempt: int = 1
    delay: float = 0.0
    error: CloudStoreError | None = None


Observer: TypeAlias = Callable[[Event], None]
"""Called in the thread or task of the operation; it must not block and must not raise."""
