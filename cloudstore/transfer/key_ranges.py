"""Where to cut the keys of a bucket, of which only some were seen, into ranges of about equal numbers.

Keys are read as numbers whose digits are the characters seen so far; what lies behind the last key is
guessed from how densely the last ones lay. A wrong guess costs a request, never a key: ranges are cut
at texts in the order of UTF-8 bytes, which is that of code points. Pure: no I/O.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

__all__ = ["KeyRanges"]

DIGITS_BEHIND = 8
"""So many characters behind what the keys of a page have in common are looked at."""

MOST_SHRINKING = 1 / 4
MOST_GROWTH = 8.0
"""By how much a range is smaller or larger than the one that was measured before it."""


class KeyRanges:
    """Cuts what lies behind the keys of a first page.

    Args:
        prefix: of all keys.
        keys: of the page, in order; at least two.
        wanted: how many keys a range should have.

    Attributes:
        frontier: the last range that was cut ends here; None: nothing is left.
    """

    def __init__(self, prefix: str, keys: Sequence[str], wanted: int) -> None:
        self._prefix = prefix
        self._wanted = wanted
        first, last = keys[0][len(prefix) :], keys[-1][len(prefix) :]
        common = next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), 0)
        self._length = common + DIGITS_BEHIND
        seen = {char for key in keys for char in key[len(prefix) : len(prefix) + self._length]}
        self._alphabet = sorted(seen)
        self._base = len(self._alphabet) + 1  # and what is behind the end of a short key
        span = self._number(last) - self._number(first)
        self._width = max(1, span * wanted // len(keys))
        self.frontier: str | None = keys[-1]

    def next_end(self) -> str | None:
        """Cuts a range from the frontier; returns the last key that it may have, None for no end."""
        assert self.frontier is not None
        number = self._number(self.frontier[len(self._prefix) :]) + self._width
        text = self._text(number)
        end = None if text is None else self._prefix + text
        if end is not None and end <= self.frontier:
            end = None  # characters that were not seen: no range can be told from the rest
        self.frontier = end
        return end

    def measured(self, count: int) -> None:
        """A range of the present width had so many keys: makes the next ones fit."""
        factor = self._wanted / max(count, 1)
        factor = min(max(factor, MOST_SHRINKING), MOST_GROWTH)
        self._width = max(1, int(self._width * factor))

    def _number(self, rest: str) -> int:
        number = 0
        for place in range(self._length):
            number *= self._base
            if place < len(rest):
                number += bisect_right(self._alphabet, rest[place])
        return number

    def _text(self, number: int) -> str | None:
        """The key of a number, or None where it is beyond all of this length."""
        digits: list[int] = []
        for _ in range(self._length):
            number, digit = divmod(number, self._base)
            digits.append(digit)
        if number:
            return None
        chars: list[str] = []
        for digit in reversed(digits):
            if not digit:
                break
            chars.append(self._alphabet[digit - 1])
        return "".join(chars)
