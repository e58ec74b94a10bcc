"""One run of the program: the stores that it has opened, what it prints, what has failed.

Results go to standard output, a line each, for people or as JSON; errors and progress go to standard
error. Keys may hold any character, so that what a terminal would obey is shown escaped.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Mapping
from contextlib import nullcontext
from datetime import datetime
from typing import Any, Self

from ..errors import CloudStoreError, ConfigError
from ..factory import config_from_profile
from ..profiles import load_profile
from ..store import Store
from .addresses import Remote
from .progress import ProgressBar

__all__ = ["ClosedPipeError", "Session", "printable"]

ALL_DONE, FAILED, SOME_FAILED = 0, 1, 3


class ClosedPipeError(Exception):
    """Nobody reads what is printed any more."""


class Session:
    """See above. A context manager: it closes its stores.

    Attributes:
        as_json: print one JSON object a line.
        quiet: print errors only.
        dry_run: only say what would be done.
        no_glob: ``*`` and the like are characters of a key.
    """

    def __init__(self) -> None:
        self.as_json = False
        self.quiet = False
        self.dry_run = False
        self.no_glob = False
        self._lock = threading.Lock()
        self._stores: dict[str, Store] = {}
        self._bar: ProgressBar | None = None
        self._done = 0
        self._failed = 0

    # --- stores ---

    def store(self, profile: str) -> Store:
        """The store of a profile, opened once; any thread may ask.

        Raises:
            ConfigError: names the file, the line and the key.
        """
        with self._lock:
            if profile not in self._stores:
                self._stores[profile] = _opened(profile)
            return self._stores[profile]

    def store_of(self, place: Remote) -> Store:
        """The store that an address is in."""
        return self.store(place.profile)

    # --- what is printed ---

    def show(self, record: Mapping[str, Any], text: str) -> None:
        """Prints a result: the record as JSON, or the text."""
        line = json.dumps(record, default=_as_json) if self.as_json else text
        with self._without_bar():
            write_out(f"{line}\n".encode(sys.stdout.encoding, "backslashreplace"))

    def report(self, record: Mapping[str, Any], text: str) -> None:
        """Prints what was done (or would be), unless that is not wanted; counts it."""
        self._done += 1
        if self.as_json or not self.quiet or self.dry_run:
            self.show({**record, "dry_run": self.dry_run}, f"would {text}" if self.dry_run else text)

    def note(self, text: str) -> None:
        """Says something beside the results."""
        if not self.quiet:
            self._complain(text)

    def fail(self, error: Exception, what: object = None) -> None:
        """Says what failed, and goes on."""
        self._failed += 1
        said = message_of(error)
        self._complain(said if what is None else f"{printable(str(what))}: {said}")

    def succeed(self, count: int) -> None:
        """Counts what was done without a line of its own."""
        self._done += count

    @property
    def exit_code(self) -> int:
        """Of what has failed so far."""
        if not self._failed:
            return ALL_DONE
        return SOME_FAILED if self._done else FAILED

    def progress(self, label: str) -> ProgressBar:
        """A bar while something is transferred: on a terminal only, and not if quiet or dry."""
        self._bar = ProgressBar(
            label, shown=not self.quiet and not self.dry_run and sys.stderr.isatty()
        )
        return self._bar

    def _complain(self, text: str) -> None:
        with self._without_bar():
            print(f"cloudstore: {text}", file=sys.stderr, flush=True)

    def _without_bar(self) -> Any:
        return nullcontext() if self._bar is None else self._bar.hidden()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        for store in self._stores.values():
            store.close()


def write_out(data: bytes) -> None:
    """Writes to standard output at once.

    Raises:
        ClosedPipeError
    """
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        # What is buffered still would be written, and complained about, when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise ClosedPipeError from None


def printable(text: str) -> str:
    """The text with what is no character to be seen escaped, as Python does."""
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text
    )


def message_of(error: Exception) -> str:
    """An error in one line."""
    if isinstance(error, CloudStoreError):
        return printable(str(error))
    if isinstance(error, OSError) and error.strerror:
        return printable(f"{error.filename}: {error.strerror}" if error.filename else error.strerror)
    return printable(f"{type(error).__name__}: {error}")


def _opened(profile: str) -> Store:
    try:
        found = load_profile(profile)
    except ConfigError as exc:
        if "no profile" in exc.message:
            exc.message += f" (a local path with a colon is written ./{profile}:…)"
        raise
    config = config_from_profile(profile, found.path)
    try:
        return Store(config)
    except ConfigError as exc:
        raise found.explain(exc) from exc


def _as_json(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)
