"""Keeps what SDKs say at DEBUG of secrets to themselves, during our own calls only.

The loggers are the process's, so neither their levels nor their handlers are touched: a filter is put
on them that drops DEBUG records made within our calls, and nothing else.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["quiet"]

_QUIET: ContextVar[bool] = ContextVar("cloudstore_quiet", default=False)


class _NoSecrets(logging.Filter):
    """Drops the DEBUG records of whoever is `quiet`."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno > logging.DEBUG or not _QUIET.get()


_NO_SECRETS = _NoSecrets()


@contextmanager
def quiet(*packages: str) -> Iterator[None]:
    """While this is entered, they log nothing at DEBUG in this thread. They must be imported.

    Args:
        packages: the first parts of their loggers' names.
    """
    # A logger's filter does not see what its children log, so each of them has it.
    for name, logger in list(logging.root.manager.loggerDict.items()):
        if name.partition(".")[0] in packages and isinstance(logger, logging.Logger):
            logger.addFilter(_NO_SECRETS)  # a second time does nothing
    before = _QUIET.set(True)
    try:
        yield
    finally:
        _QUIET.reset(before)
