"""Several transfers at a time, by threads; an interrupt ends them all.

The library's own verbs for many objects are used where there is one. These threads are for what has
none: transfers between stores, and of single files that are named one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import chain
from threading import Event
from typing import TypeVar

from ..errors import CloudStoreError
from ..transfer.bulk import FATAL

__all__ = ["AT_ONCE", "CancelledError", "Outcome", "side_by_side"]

T = TypeVar("T")
R = TypeVar("R")
AT_ONCE = 8
Failure = CloudStoreError | OSError
Outcome = tuple[T, R | None, Failure | None]
"""An item, and what came of it: a result or an error."""


class CancelledError(Exception):
    """Somebody has pressed Ctrl-C."""


def side_by_side(
    work: Callable[[T, Event | None], R], items: Iterator[T], at_once: int = AT_ONCE
) -> Iterator[Outcome[T, R]]:
    """Does the work for each item; yields each as it ends. A single one is done in this thread.

    Args:
        work: is given an event: where it is set, it shall raise `CancelledError`.

    Raises:
        CloudStoreError: one that all others would have, too.
    """
    first, second = next(items, None), next(items, None)
    if first is None:
        return
    if second is None:
        yield _done(work, first)
        return
    stopped = Event()
    pool = ThreadPoolExecutor(at_once, thread_name_prefix="cloudstore-transfer")
    pending: dict[Future[R], T] = {}
    try:
        for item in chain([first, second], items):
            pending[pool.submit(work, item, stopped)] = item
            if len(pending) >= 2 * at_once:
                yield from _ended(pending)
        while pending:
            yield from _ended(pending)
    finally:
        stopped.set()
        pool.shutdown(cancel_futures=True)


def _done(work: Callable[[T, Event | None], R], item: T) -> Outcome[T, R]:
    try:
        return item, work(item, None), None
    except (CloudStoreError, OSError) as exc:
        return item, None, exc


def _ended(pending: dict[Future[R], T]) -> Iterator[Outcome[T, R]]:
    done, _ = wait(pending, return_when=FIRST_COMPLETED)
    for future in [future for future in pending if future in done]:  # in the order of their begin
        item = pending.pop(future)
        error = future.exception()
        if error is None:
            yield item, future.result(), None
        elif isinstance(error, Failure) and not isinstance(error, FATAL):
            yield item, None, error
        else:
            raise error
