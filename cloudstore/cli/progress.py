"""Progress bars: bytes, files and rate, on standard error. Loads tqdm only where one is shown."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Self

from ..errors import MissingDependencyError

if TYPE_CHECKING:
    from ..transfer.job import JobProgress

__all__ = ["ProgressBar"]

COLUMNS, ROWS = 80, 24


class ProgressBar:
    """One bar for all that a command transfers; any thread may tell it. A context manager.

    Args:
        shown: else it does nothing.
    """

    def __init__(self, label: str, *, shown: bool) -> None:
        self._label = label
        self._shown = shown
        self._lock = threading.Lock()
        self._bar: Any = None
        self._files = 0

    def of_one(self) -> Callable[[int, int | None], None]:
        """What is told how far one of several transfers is: a `Progress`."""
        told = 0
        is_begun = False

        def progress(done: int, total: int | None) -> None:
            nonlocal told, is_begun
            with self._lock:
                if not is_begun and total is not None:
                    self._extend(total)
                is_begun = True
                self._advance(done - told)
                told = done

        return progress

    def file_done(self) -> None:
        """Counts one file."""
        with self._lock:
            self._files += 1
            self._show_files("1 file" if self._files == 1 else f"{self._files} files")

    def job(self, progress: JobProgress) -> None:
        """Shows how far a job is."""
        if self._bar is None:
            return
        with self._lock:
            self._bar.total = progress.bytes_total
            more = "" if progress.is_planned else "+"
            self._show_files(f"{progress.files_done}/{progress.files_total}{more} files")
            self._advance(progress.bytes_done - self._bar.n)

    def hidden(self) -> AbstractContextManager[None]:
        """While something else is printed."""
        if self._bar is None:
            return nullcontext()
        shown: AbstractContextManager[None] = self._bar.external_write_mode(file=sys.stderr)
        return shown

    def _extend(self, size: int) -> None:
        if self._bar is not None:
            self._bar.total = (self._bar.total or 0) + size

    def _advance(self, size: int) -> None:
        if self._bar is not None:
            self._bar.update(size)

    def _show_files(self, text: str) -> None:
        if self._bar is not None:
            self._bar.set_postfix_str(text, refresh=False)

    def __enter__(self) -> Self:
        if self._shown:
            try:
                from tqdm import tqdm
            except ImportError as exc:
                raise MissingDependencyError(
                    "progress needs tqdm; install it with: pip install 'cloudstore[cli]'"
                ) from exc
            tqdm.monitor_interval = 0  # its thread is for bars that are told nothing
            self._bar = tqdm(
                desc=self._label,
                unit="B",
                unit_scale=True,
                unit_divisor=1024,
                leave=False,
                file=sys.stderr,
                **_size_of_bar(),
            )
        return self

    def __exit__(self, *exc: object) -> None:
        bar, self._bar = self._bar, None
        if bar is not None:
            bar.refresh()
            bar.close()


def _size_of_bar() -> dict[str, Any]:
    """That of the terminal; one that does not know its own, as that of a script, would show none."""
    if os.get_terminal_size(sys.stderr.fileno()).columns:
        return {"dynamic_ncols": True}
    return {"ncols": COLUMNS, "nrows": ROWS}
