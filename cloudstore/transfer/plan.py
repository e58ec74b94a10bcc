"""Where large objects are cut: pure arithmetic over sizes and a vendor's limits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ..capabilities import Limits
from ..errors import TooLargeError
from ..policy import TransferConfig

__all__ = ["Region", "Regions", "buffers_at_once", "fixed_part_size", "part_size_at"]

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


class Regions:
    """The parts of `size` bytes, in order; all but the last have `part_size` bytes."""

    def __init__(self, size: int, part_size: int) -> None:
        self.size = size
        self.part_size = part_size

    def __len__(self) -> int:
        return -(-self.size // self.part_size)

    def __iter__(self) -> Iterator[Region]:
        return (self.numbered(number) for number in range(1, len(self) + 1))

    def numbered(self, number: int) -> Region:
        """The part of this number."""
        offset = (number - 1) * self.part_size
        return Region(number, offset, min(self.part_size, self.size - offset))


def buffers_at_once(part_size: int, transfer: TransferConfig) -> int:
    """How many buffers of `part_size` a transfer may fill: what it takes in all stays the same as
    parts grow, until a single one is larger than that."""
    return max(1, transfer.max_concurrency * transfer.part_size // part_size)
