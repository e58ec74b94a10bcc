"""How far a transfer is: counted by flows that run side by side, told to the user."""

from __future__ import annotations

import threading
from collections.abc import Callable

__all__ = ["Progress", "Tally"]

Progress = Callable[[int, int | None], None]
"""Told (bytes done, bytes in all or None) after each step, by one thread at a time but not always the
same; what it raises stops the transfer. A transfer that is resumed begins by telling what is there."""


class Tally:
    """How many bytes are done.

    Attributes:
        done: so many.
        total: of so many, or None.
    """

    def __init__(self, total: int | None, progress: Progress | None) -> None:
        self.done = 0
        self.total = total
        self._progress = progress
        self._lock = threading.Lock()

    def add(self, count: int) -> None:
        """Counts, and tells; what `progress` raises is raised."""
        with self._lock:
            self.done += count
            if self._progress is not None:
                self._progress(self.done, self.total)
