"""Where large objects are cut: pure arithmetic over sizes and a vendor's limits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ..capabilities import Limits
from ..errors import TooLargeError
from ..policy import TransferConfig

__all__ = ["Region", "buffers_at_once", "fixed_part_size", "part_size_at", "regions"]

PARTS_PER_SIZE = 1000
"""Of an object of unknown length: after so many parts, part size doubles. So 10,000 parts of 8 MiB
and up hold 8 TiB, and small objects still take little memory."""


class Region(NamedTuple):
    """A part and where it lies: `number` is 1-based, the rest is in bytes."""

    number: int
    offset: int
    size: int


def part_size_at(number: int, transfer: TransferConfig, limits: Limits) -> int:
    """The bytes of part `number` (1-based) of an object of unknown length."""
    wanted = max(transfer.part_size, limits.min_part_size) << ((number - 1) // PARTS_PER_SIZE)
    return min(wanted, limits.max_part_size)


def fixed_part_size(size: int, transfer: TransferConfig, limits: Limits) -> int:
    """The bytes of each part but the last, of an object of known size.

    Raises:
        TooLargeError: the vendor takes no object of this size.
    """
    least = -(-size // limits.max_parts)
    wanted = max(transfer.part_size, limits.min_part_size, least)
    if wanted > limits.max_part_size or size > limits.max_object_size:
        raise TooLargeError(f"{size} bytes are more than this vendor takes")
    return wanted


def regions(size: int, part_size: int) -> Iterator[Region]:
    """The parts of `size` bytes, in order."""
    for index, offset in enumerate(range(0, size, part_size)):
        yield Region(index + 1, offset, min(part_size, size - offset))


def buffers_at_once(part_size: int, transfer: TransferConfig) -> int:
    """How many buffers of `part_size` a transfer may fill: what it takes in all stays the same as
    parts grow, until a single one is larger than that."""
    return max(1, transfer.max_concurrency * transfer.part_size // part_size)
