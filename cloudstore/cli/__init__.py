"""The command line: every verb for every vendor, at a prompt.

``main`` is the entry point. A command is a function in a file of `commands`; what they share is beside
it: addresses, patterns, output, progress, what fails. What is needed for it is the extra ``cli``; this
module is importable without.
"""

from __future__ import annotations

import sys
from typing import NoReturn

__all__ = ["main"]


def main() -> NoReturn:
    """Runs the program on the process's arguments, and ends the process."""
    try:
        from .program import run
    except ModuleNotFoundError as exc:
        if exc.name != "click":
            raise
        sys.exit(
            "cloudstore: the command line needs click; install it with: pip install 'cloudstore[cli]'"
        )
    sys.exit(run())
