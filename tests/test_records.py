"""Records are as what `dataclasses` would have made of them."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field, make_dataclass, replace
from typing import Any

import pytest

from cloudstore.records import FrozenRecord, Record


@dataclass(slots=True, repr=False, eq=False)
class Mutable(Record):
    a: int
    shown: str = field(default="x", compare=False)
    hidden: str = field(default="y", repr=False)


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Frozen(FrozenRecord):
    a: int
    shown: str = field(default="x", compare=False)
    hidden: str = field(default="y", repr=False)


FIELDS: list[tuple[str, Any, Any]] = [
    ("a", int, field()),
    ("shown", str, field(default="x", compare=False)),
    ("hidden", str, field(default="y", repr=False)),
]


@pytest.mark.parametrize("frozen", [False, True])
def test_like_generated(frozen: bool) -> None:
    ours = Frozen if frozen else Mutable
    theirs = make_dataclass(ours.__name__, FIELDS, frozen=frozen, slots=True)
    assert repr(ours(1)) == repr(theirs(1)) == f"{ours.__name__}(a=1, shown='x')"
    for other in ({"a": 1}, {"a": 2}, {"a": 1, "shown": "z"}, {"a": 1, "hidden": "z"}):
        assert (ours(1) == ours(**other)) == (theirs(1) == theirs(**other))
    assert ours(1) != theirs(1)
    assert ours(1) != 1
    assert pickle.loads(pickle.dumps(ours(3, "b"))) == ours(3)


def test_hashes() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        hash(Mutable(1))
    assert hash(Frozen(1)) == hash(Frozen(1, "z"))
    assert hash(Frozen(1)) != hash(replace(Frozen(1), a=2))
