"""What the handles `Bucket` and `AsyncBucket` share: which bucket, which prefix, and what that does to
keys. No I/O."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Self, TypeVar

from .model import BucketInfo, CommonPrefix
from .object import AsyncObject, Object, ObjectList

__all__ = ["BucketHandle"]

O = TypeVar("O", Object, AsyncObject)  # noqa: E741 - as in the names of the classes


class BucketHandle:
    """The name, the prefix, and what they do to keys."""

    def __init__(self, store: Any, info: BucketInfo, prefix: str = "") -> None:
        self._store = store
        self._info = info
        self.prefix = prefix

    @classmethod
    def of_name(cls, store: Any, name: str, prefix: str) -> Self:
        """A handle for a bucket of which only the name is known."""
        return cls(store, BucketInfo(name), prefix)

    @property
    def name(self) -> str:
        """The bucket's name."""
        return self._info.name

    @property
    def created_at(self) -> datetime | None:
        """When it was created, where the vendor said."""
        return self._info.created_at

    @property
    def region(self) -> str | None:
        """Where it is, where the vendor said."""
        return self._info.region

    @property
    def object_count(self) -> int | None:
        """How many objects it held, where the vendor said."""
        return self._info.object_count

    @property
    def size(self) -> int | None:
        """Bytes of all its objects, where the vendor said."""
        return self._info.size

    @property
    def metadata(self) -> dict[str, str]:
        """The bucket's own metadata, where the vendor said."""
        return self._info.metadata

    def __repr__(self) -> str:
        if self.prefix:
            return f"<Bucket: {self.name} prefix {self.prefix!r}>"
        if self.created_at is None:
            return f"<Bucket: {self.name}>"
        created = self.created_at.strftime("%Y-%m-%dT%H:%M:%S")
        return f"<Bucket: {self.name} created at {created}.{self.created_at.microsecond // 1000:03d}Z>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BucketHandle) and (other._store, other.name, other.prefix) == (
            self._store,
            self.name,
            self.prefix,
        )

    def __hash__(self) -> int:
        return hash((self._store, self.name, self.prefix))

    def _full(self, key: str) -> str:
        """The key in the bucket. What is no text goes through, to be refused by the store."""
        return self.prefix + key if isinstance(key, str) else key

    def _own(self, found: O) -> O:
        """The object under the key that it has here."""
        found.key = found.key.removeprefix(self.prefix)
        return found

    def _own_entry(self, entry: Any) -> Any:
        if isinstance(entry, CommonPrefix):
            return CommonPrefix(
                entry.prefix.removeprefix(self.prefix), entry.parent.removeprefix(self.prefix)
            )
        return self._own(entry)

    def _own_list(self, found: ObjectList) -> ObjectList:
        return ObjectList([self._own_entry(entry) for entry in found], found.marker)

    def _target(self, to_key: str, to_bucket: str | None) -> tuple[str, str]:
        """Where a copy goes: within this handle, or to a key of another bucket."""
        return (self.name, self._full(to_key)) if to_bucket is None else (to_bucket, to_key)
