"""The values of `Once`: kept with their lifetimes, shared by all operations of a store. No I/O."""

from __future__ import annotations

from typing import Any

from ..driver import OnceValue

__all__ = ["Cells"]


class Cells:
    """Values by owner and key.

    Each access is one operation on a dict, which threads may share; who makes a value, and who waits
    for it, is the runner's matter.
    """

    __slots__ = ("_cells",)

    def __init__(self) -> None:
        self._cells: dict[tuple[object, str], tuple[Any, float | None]] = {}

    def get(self, name: tuple[object, str], now: float, stale: object) -> tuple[bool, Any]:
        """Whether there is a value that is neither too old nor `stale`, and the value."""
        cell = self._cells.get(name)
        if cell is None:
            return False, None
        value, expires = cell
        if (expires is not None and now >= expires) or (stale is not None and value is stale):
            return False, None
        return True, value

    def put(self, name: tuple[object, str], made: OnceValue[Any], now: float) -> Any:
        """Keeps what was made; returns the value."""
        expires = None if made.lifetime is None else now + made.lifetime
        self._cells[name] = (made.value, expires)
        return made.value
