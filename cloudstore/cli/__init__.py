"""The command line: every verb for every vendor, at a prompt.

``main`` is the entry point. A command is a function in a file of `commands`; what they share is beside
it: addresses, patterns, output, progress, what fails. What is needed for it is the extra ``cli``; this
module is importable without.
"""

from __future__ import annotations

import sys
from typing import NoReturn

__all__ = ["main"]

INTERRUPTED = 130
"""As shells say of what SIGINT has ended."""


def main() -> NoReturn:
    """Runs the program on the process's arguments, and ends the process."""
    try:
        from .program import run

        code = run()
    except KeyboardInterrupt:
        code = INTERRUPTED
    except ModuleNotFoundError as exc:
        if exc.name != "click":
            raise
        sys.exit(
            "cloudstore: the command line needs click; install it with: pip install 'cloudstore[cli]'"
        )
    sys.exit(code)
