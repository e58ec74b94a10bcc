"""Listing a bucket by ranges of keys side by side, in order and in bounded memory, as flows.

The first page tells how densely keys lie; from there on several ranges are listed ahead of the reader,
each by a few pages. Only for vendors that list in the order of UTF-8 bytes and can begin behind a key.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace

from ..driver import Branch, Flow, Join, Spawn
from ..model import ListOptions, Page
from .key_ranges import KeyRanges

__all__ = ["ParallelListing"]

PAGES_A_RANGE = 4
"""Of the last page of a range, what is behind its end was listed for nothing."""

PAGES_AHEAD = 4
"""So many pages of a range lie in memory at most."""


class _Range:
    """The keys behind one key, up to another."""

    def __init__(self, options: ListOptions, end: str | None) -> None:
        self.options = options
        self.end = end
        self.pages: deque[Page] = deque()
        self.asked: Branch | None = None
        self.is_listed = False
        self.count = 0

    def take(self, page: Page) -> None:
        """Takes in the next page, without what is behind the end."""
        end, listed = self.end, len(page.objects)
        if end is not None:
            page.objects = [info for info in page.objects if info.key <= end]
        self.count += len(page.objects)
        self.is_listed = page.token is None or len(page.objects) < listed
        self.options = replace(self.options, start_after="", token=page.token)
        self.pages.append(page)


class ParallelListing:
    """One listing. Whoever uses it calls `end` in any case.

    Args:
        list_page: asks for one page.
        options: of the first page; no delimiter.
        concurrency: how many pages are asked for at a time.
    """

    def __init__(
        self, list_page: Callable[[ListOptions], Flow[Page]], options: ListOptions, concurrency: int
    ) -> None:
        self._list_page = list_page
        self._first: ListOptions | None = options
        self._options = options
        self._concurrency = concurrency
        self._cuts: KeyRanges | None = None
        self._ranges: deque[_Range] = deque()

    def next_page(self) -> Flow[Page | None]:
        """The next page, in order; None behind the last. Raises what asking for it has raised."""
        if self._first is not None:
            return (yield from self._first_page(self._first))
        while True:
            yield from self._ask()
            if not self._ranges:
                return None
            current = self._ranges[0]
            if current.pages:
                return current.pages.popleft()
            if current.is_listed:
                self._ranges.popleft()
                if self._cuts is not None:
                    self._cuts.measured(current.count)
                continue
            assert current.asked is not None
            yield Join([current.asked])
            self._collect()

    def _first_page(self, options: ListOptions) -> Flow[Page]:
        self._first = None
        page = yield from self._list_page(options)
        if page.token is None:
            return page
        keys = [info.key for info in page.objects]
        if len(keys) < 2:  # all of it was hidden: what lies behind cannot be guessed
            rest = _Range(replace(options, start_after="", token=page.token), None)
            self._ranges.append(rest)
            return page
        self._cuts = KeyRanges(options.prefix, keys, PAGES_A_RANGE * options.limit)
        return page

    def _ask(self) -> Flow[None]:
        """Has as many pages asked for as may be, those first that are wanted first."""
        self._collect()
        self._cut()
        under_way = sum(found.asked is not None for found in self._ranges)
        for found in self._ranges:
            if under_way >= self._concurrency:
                return
            if found.asked is None and not found.is_listed and len(found.pages) < PAGES_AHEAD:
                found.asked = yield Spawn(self._list_page(found.options))
                under_way += 1

    def _cut(self) -> None:
        while (
            self._cuts is not None
            and self._cuts.frontier is not None
            and len(self._ranges) < self._concurrency
        ):
            start = self._cuts.frontier
            end = self._cuts.next_end()
            options = replace(self._options, start_after=start, token=None)
            self._ranges.append(_Range(options, end))

    def _collect(self) -> None:
        """Takes what has come. An error stays where it is until its page is wanted."""
        for position, found in enumerate(self._ranges):
            if found.asked is None or not found.asked.done:
                continue
            try:
                page = found.asked.result()
            except Exception:
                if position == 0:
                    raise
                continue
            found.asked = None
            found.take(page)

    def end(self) -> Flow[None]:
        """Gives up what is under way."""
        asked = [found.asked for found in self._ranges if found.asked is not None]
        for branch in asked:
            branch.cancel()
        while asked := [branch for branch in asked if not branch.done]:
            yield Join(asked)
