"""What comes of work on many objects: a result for each, an error for all where some failed. Pure."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from ..errors import (
    AuthenticationError,
    BucketNotFoundError,
    CloudStoreError,
    InvalidArgumentError,
    PartialFailureError,
    StoreClosedError,
)

__all__ = ["BULK_CONCURRENCY", "FATAL", "BulkResult", "Outcomes", "checked_keys", "pairs"]

T = TypeVar("T")
V = TypeVar("V")
W = TypeVar("W")

FATAL = (AuthenticationError, BucketNotFoundError, StoreClosedError)
"""Errors that every other item of the same work would have, too."""

BULK_CONCURRENCY = 64
"""How many small objects are under way at a time: as many as connections are kept (`Config`)."""


@dataclass(frozen=True, slots=True)
class BulkResult(Generic[V]):
    """What became of one of many.

    Attributes:
        key: which.
        value: what its verb returns for one; None where it failed.
        error: why it failed, or None.
    """

    key: str
    value: V | None
    error: CloudStoreError | None = None

    def map(self, change: Callable[[V], W]) -> BulkResult[W]:
        """The result with another value, if it has one."""
        value = None if self.value is None else change(self.value)
        return BulkResult(self.key, value, self.error)


class Outcomes:
    """Counts results; an error for all of them where some failed.

    Args:
        what: of the message: "objects could not be …".
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self.done = 0
        self.failed: dict[str, CloudStoreError] = {}

    def add(self, result: BulkResult[Any]) -> None:
        """Counts one."""
        if result.error is None:
            self.done += 1
        else:
            self.failed[result.key] = result.error

    def check(self) -> int:
        """How many are done.

        Raises:
            PartialFailureError: some failed.
        """
        if not self.failed:
            return self.done
        count = len(self.failed)
        untouched = all(error.outcome == "not_applied" for error in self.failed.values())
        raise PartialFailureError(
            f"{count} of {count + self.done} {self._what}",
            results=self.failed,
            outcome="not_applied" if untouched and not self.done else "unknown",
        )


def checked_keys(keys: Iterable[Any] | AsyncIterable[Any]) -> Any:
    """The keys as they are.

    Raises:
        InvalidArgumentError: text, of which every character would be a key.
    """
    if isinstance(keys, str):
        raise InvalidArgumentError("keys are a list or another iterable of keys, not one text")
    return keys


def pairs(items: Mapping[str, T] | Iterable[Any] | AsyncIterable[Any]) -> Any:
    """The pairs of a mapping, or the items as they are. Errors as `checked_keys`."""
    return items.items() if isinstance(items, Mapping) else checked_keys(items)
