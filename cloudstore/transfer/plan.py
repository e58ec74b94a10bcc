"""Where large objects are cut: pure arithmetic over sizes and a vendor's limits."""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Iterator
from typing import NamedTuple

from ..capabilities import Limits
from ..errors import TooLargeError
from ..policy import TransferConfig

__all__ = [
    "Region",
    "Regions",
    "Stretches",
    "buffers_at_once",
    "fixed_part_size",
    "kept_part_size",
    "part_size_at",
]

PARTS_PER_SIZE = 1000
"""Of an object of unknown length: after so many parts, part size doubles. So 10,000 parts of 8 MiB
and up hold 8 TiB, and small objects still take little memory."""


FIRST_STRETCH = 64
LONGEST_STRETCH = 8
"""Parts that are read by one request: a request costs a round trip, and what was read far ahead of
the rest waits for its checksum. The first one may be longer: it comes by an answer to the whole
object, and where that is dropped, what was on its way is lost."""


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


def kept_part_size(size: int, stated: int | None, transfer: TransferConfig, limits: Limits) -> int:
    """The bytes of each part but the last, of a copy of an object whose parts have `stated` bytes: as
    many where the vendor takes such parts and a transfer has the memory for one, else its own.

    Raises:
        TooLargeError: the vendor takes no object of this size.
    """
    own = fixed_part_size(size, transfer, limits)
    most = min(limits.max_part_size, transfer.max_concurrency * transfer.part_size)
    if stated is None or not limits.min_part_size <= stated <= most:
        return own
    return stated if -(-size // stated) <= limits.max_parts else own


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


class Stretches:
    """Parts that follow one another, to be read by one request each.

    Whoever reads takes the parts off a stretch from its front, while others may take from its end.

    Args:
        there: numbers of parts that are not needed.
    """

    def __init__(self, cut: Regions, there: Container[int]) -> None:
        self._missing = deque(region for region in cut if region.number not in there)
        self._longest = FIRST_STRETCH
        self._taken: list[deque[Region]] = []

    def take(self, at_once: int) -> deque[Region]:
        """Parts that nobody has taken, where so many stretches are read at a time; once all are taken,
        half of those that others have still before them; none at the end."""
        stretch = self._cut_off(at_once) if self._missing else self._share()
        self._taken = [other for other in (*self._taken, stretch) if other]
        return stretch

    def _cut_off(self, at_once: int) -> deque[Region]:
        """From the front, in pieces that grow shorter towards the end."""
        length = max(1, min(self._longest, len(self._missing) // at_once))
        self._longest = LONGEST_STRETCH
        stretch = deque([self._missing.popleft()])
        while self._missing and len(stretch) < length:
            if self._missing[0].number != stretch[-1].number + 1:
                break
            stretch.append(self._missing.popleft())
        return stretch

    def _share(self) -> deque[Region]:
        longest = max(self._taken, key=len, default=deque[Region]())
        stretch: deque[Region] = deque()
        for _ in range(-(-len(longest) // 2)):
            stretch.appendleft(longest.pop())
        return stretch


def buffers_at_once(part_size: int, transfer: TransferConfig) -> int:
    """How many buffers of `part_size` a transfer may fill: what it takes in all stays the same as
    parts grow, until a single one is larger than that."""
    return max(1, transfer.max_concurrency * transfer.part_size // part_size)
