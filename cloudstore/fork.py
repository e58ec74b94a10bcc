"""What must be made anew in a forked child: locks that another thread may have held, thread pools.

`os.register_at_fork` keeps its callbacks for ever, so one callback is registered for the process and
looks after whatever is alive; the set below is therefore the one piece of state that a module holds.
"""

from __future__ import annotations

import os
import weakref
from typing import Protocol

__all__ = ["ForkAware", "reset_in_child"]


class ForkAware(Protocol):
    """Holds something that does not survive a fork."""

    def after_fork_in_child(self) -> None:
        """Replaces it. Runs in the child's only thread, before anything else does."""


_alive: weakref.WeakSet[ForkAware] = weakref.WeakSet()


def reset_in_child(owner: ForkAware) -> None:
    """Has `owner.after_fork_in_child` called in every child, for as long as `owner` lives."""
    _alive.add(owner)


def _reset_all() -> None:
    for owner in list(_alive):
        owner.after_fork_in_child()


os.register_at_fork(after_in_child=_reset_all)
