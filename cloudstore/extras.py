"""Modules of vendors' SDKs, which extras install: imported at first use, and named where missing."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from .errors import MissingDependencyError

__all__ = ["modules_of"]


def modules_of(extra: str) -> Callable[[str], Any]:
    """What imports the modules of an extra, each by its name."""

    def sdk_module(name: str) -> Any:
        """A module of this vendor's SDK.

        Raises:
            MissingDependencyError: it is not installed.
        """
        try:
            return import_module(name)
        except ImportError as exc:
            raise MissingDependencyError(
                f"this needs {exc.name}; install it with: pip install 'cloudstore[{extra}]'",
                vendor=extra,
            ) from exc

    return sdk_module
