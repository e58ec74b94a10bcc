"""What can be fuzzed: a function of bytes, where to begin, and what such inputs are made of.

A target refuses an input by a `CloudStoreError`. Anything else that it raises is a finding: an
`AssertionError` of its own, or an error that is none of the tree.
"""

from __future__ import annotations

import random
import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

__all__ = ["Target", "dice_for", "mutated"]

_BOUNDARY = re.compile(rb"<|>|\r\n|: ")
"""Where an element, a line or a value begins or ends."""


@dataclass(frozen=True)
class Target:
    """See the module.

    Attributes:
        seeds: inputs to begin with.
        fragments: what is likely to mean something in an input.
        max_bytes: how long inputs may grow.
        cases: how many mutations the tests run; one to three seconds of them.
    """

    name: str
    run: Callable[[bytes], None]
    seeds: Sequence[bytes]
    fragments: Sequence[bytes]
    max_bytes: int = 16 * 1024
    cases: int = 2000


def dice_for(data: bytes) -> random.Random:
    """Chance that an input decides itself, so that it is a whole reproducer."""
    return random.Random(zlib.crc32(data))


def mutated(target: Target, dice: random.Random) -> bytes:
    """One of the seeds, changed in some places."""
    data = bytearray(dice.choice(target.seeds))
    for _ in range(dice.randint(0, 6)):
        at = dice.randint(0, len(data))
        match dice.randrange(8):
            case 0:
                data[at:at] = dice.choice(target.fragments)
            case 1:
                del data[at : at + dice.randint(1, 20)]
            case 2 if at < len(data):
                data[at] = dice.randrange(256)
            case 3:
                data[at : at + dice.randint(0, 10)] = dice.choice(target.fragments)
            case 4:
                data[at:at] = data[: dice.randint(0, 200)]
            case 5:
                data[at:at] = dice.randbytes(dice.randint(1, 10))
            case _:
                _move(data, dice)
    return bytes(data[: target.max_bytes])


def _move(data: bytearray, dice: random.Random) -> None:
    """Drops, doubles or moves what stands between two boundaries."""
    places = [found.start() for found in _BOUNDARY.finditer(data)]
    if len(places) < 2:
        return
    first = dice.randrange(len(places) - 1)
    start, end = places[first], places[min(first + dice.randint(1, 6), len(places) - 1)]
    span = bytes(data[start:end])
    if dice.random() < 0.6:
        del data[start:end]
    if dice.random() < 0.6:
        at = dice.choice(places)
        data[at:at] = span
