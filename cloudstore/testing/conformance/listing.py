"""Listing: prefixes, delimiters, order, pages; nothing lost and nothing twice."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ...driver import Flow, OpContext
from ...errors import InvalidArgumentError, UnsupportedError
from ...model import CommonPrefix, ListOptions, Page
from ...pass_through import BorrowingDriver
from ...store import Store
from .account import Account, RecordingDriver
from .base import ConformanceTests, keys_of, needs

__all__ = ["ListingTests"]

TREE = (
    "a",
    "a!",
    "a-b/c",
    "a/",
    "a/b",
    "a/b/c",
    "a/b/d",
    "a/c",
    "a0",
    "ab",
    "b/x/y",
    "c",
)
"""Keys whose characters sort before and after ``/``, a placeholder, and keys beside their "folders"."""

MAX_PAGES = 10_000


class _EmptyPages(BorrowingDriver):
    """Puts an empty page before every page, as vendors do that filter after they have read."""

    def list_page(self, ctx: OpContext, bucket: str, options: ListOptions) -> Flow[Page]:
        token = options.token
        if token is None or not token.startswith("full "):
            yield from ()
            return Page(token=f"full {token or ''}")
        asked = replace(options, token=token.removeprefix("full ") or None)
        return (yield from self.inner.list_page(ctx, bucket, asked))


def fill(store: Store, bucket: str, *keys: str) -> None:
    """Makes empty objects."""
    for key in keys:
        store.create_object(bucket, key, b"")


def pages(store: Store, bucket: str, limit: int, **options: Any) -> list[list[str]]:
    """The names on each page of a listing that is walked by its markers."""
    found: list[list[str]] = []
    marker = None
    for _ in range(MAX_PAGES):
        page = store.get_all_objects(bucket, marker=marker, max_keys=limit, **options)
        assert len(page) <= limit, "a page holds more than was asked for"
        assert page.is_truncated == (page.marker is not None)
        found.append(keys_of(page))
        if page.marker is None:
            return found
        marker = page.marker
        options.pop("start_after", None)
    pytest.fail("the listing does not end")


def flat(found: list[list[str]]) -> list[str]:
    """The names of all pages."""
    return [name for page in found for name in page]


class ListingTests(ConformanceTests):
    """Listing."""

    def test_empty_bucket(self, store: Store, bucket: str) -> None:
        found = store.get_all_objects(bucket)
        assert found == []
        assert found.marker is None
        assert found.is_truncated is False
        assert list(store.iter_objects(bucket)) == []
        assert store.get_all_objects(bucket, delimiter="/", max_keys=1) == []

    def test_everything_is_listed_once(self, store: Store, bucket: str) -> None:
        fill(store, bucket, *TREE)
        assert sorted(keys_of(store.get_all_objects(bucket))) == sorted(TREE)
        assert sorted(keys_of(store.iter_objects(bucket))) == sorted(TREE)

    def test_entry_describes_its_object(self, store: Store, bucket: str) -> None:
        store.create_object(bucket, "k", b"12345")
        [entry] = store.get_all_objects(bucket)
        assert (entry.key, entry.size, entry.bucket) == ("k", 5, bucket)
        assert entry.last_modified is None or entry.last_modified.tzinfo is not None
        assert entry.etag in (None, store.head_object(bucket, "k").etag)
        assert repr(entry) == "<Object: k>"

    # --- prefix ---

    @pytest.mark.parametrize(
        "prefix", ["a", "a/", "a/b", "a/b/", "a-", "b/x", "c", "nothing", "a/b/c/"]
    )
    def test_prefix_is_a_plain_string_prefix(self, store: Store, bucket: str, prefix: str) -> None:
        fill(store, bucket, *TREE)
        expected = sorted(key for key in TREE if key.startswith(prefix))
        assert sorted(keys_of(store.get_all_objects(bucket, prefix=prefix))) == expected
        assert sorted(keys_of(store.iter_objects(bucket, prefix))) == expected

    @pytest.mark.parametrize("prefix", ["%2F", "ä", "a b", "a+b", "a//", "🌍", "\u0301", "."])
    def test_prefix_of_unusual_characters(self, store: Store, bucket: str, prefix: str) -> None:
        fill(store, bucket, f"{prefix}x", f"x{prefix}", "/", "a", " ")
        assert keys_of(store.get_all_objects(bucket, prefix=prefix)) == [f"{prefix}x"]

    # --- delimiter ---

    def test_delimiter_rolls_keys_up(self, store: Store, bucket: str) -> None:
        fill(store, bucket, *TREE)
        found = store.get_all_objects(bucket, delimiter="/")
        assert found == [*found.prefixes, *found.objects], "common prefixes do not come first"
        assert keys_of(found.prefixes) == ["a-b/", "a/", "b/"]
        assert sorted(keys_of(found.objects)) == ["a", "a!", "a0", "ab", "c"]

    @pytest.mark.parametrize(
        ("prefix", "prefixes", "objects"),
        [
            ("a", ["a-b/", "a/"], ["a", "a!", "a0", "ab"]),
            ("a/", ["a/b/"], ["a/b", "a/c"]),
            ("a/b", ["a/b/"], ["a/b"]),
            ("a/b/", [], ["a/b/c", "a/b/d"]),
            ("b", ["b/"], []),
            ("b/", ["b/x/"], []),
            ("c/", [], []),
        ],
    )
    def test_prefix_with_delimiter(
        self, store: Store, bucket: str, prefix: str, prefixes: list[str], objects: list[str]
    ) -> None:
        fill(store, bucket, *TREE)
        found = store.get_all_objects(bucket, prefix=prefix, delimiter="/")
        assert keys_of(found.prefixes) == prefixes
        assert sorted(keys_of(found.objects)) == objects
        lazily = keys_of(store.iter_objects(bucket, prefix, "/"))
        assert sorted(lazily) == sorted(prefixes + objects)

    def test_common_prefix_shows_itself(self, store: Store, bucket: str) -> None:
        fill(store, bucket, "site/css/a", "site/.gitignore")
        prefix, entry = store.get_all_objects(bucket, prefix="site/", delimiter="/")
        assert isinstance(prefix, CommonPrefix)
        assert repr(prefix) == '<CommonPrefix: "site/css/">'
        assert prefix.short_name == "css/"
        assert entry.short_name == ".gitignore"

    def test_placeholder_is_dropped_where_its_folder_is_listed(self, store: Store, bucket: str) -> None:
        fill(store, bucket, "a/", "a/b", "a/c/", "a/c/d")
        assert keys_of(store.get_all_objects(bucket, "a/", delimiter="/")) == ["a/c/", "a/b"]
        assert keys_of(store.iter_objects(bucket, "a/", "/")) in (["a/c/", "a/b"], ["a/b", "a/c/"])
        assert keys_of(store.get_all_objects(bucket, "a/c/", delimiter="/")) == ["a/c/d"]

    def test_placeholder_is_kept_everywhere_else(self, store: Store, bucket: str) -> None:
        fill(store, bucket, "a/", "a/b")
        assert sorted(keys_of(store.get_all_objects(bucket, "a/"))) == ["a/", "a/b"]
        assert sorted(keys_of(store.get_all_objects(bucket))) == ["a/", "a/b"]
        assert keys_of(store.get_all_objects(bucket, "a", delimiter="/")) == ["a/"]
        [rolled] = store.get_all_objects(bucket, delimiter="/")
        assert isinstance(rolled, CommonPrefix)

    @needs("any_delimiter")
    def test_delimiter_of_other_characters(self, store: Store, bucket: str) -> None:
        fill(store, bucket, "a--b--c", "a--d", "a-e", "--", "x🌍y", "x🌍z")
        found = store.get_all_objects(bucket, delimiter="--")
        assert keys_of(found.prefixes) == ["--", "a--"]
        assert sorted(keys_of(found.objects)) == ["a-e", "x🌍y", "x🌍z"]
        assert keys_of(store.get_all_objects(bucket, "a--", delimiter="--")) == ["a--b--", "a--d"]
        assert keys_of(store.get_all_objects(bucket, "x", delimiter="🌍")) == ["x🌍"]

    # --- order ---

    @needs("ordered_listing")
    def test_keys_come_in_the_order_of_their_utf_8_bytes(self, store: Store, bucket: str) -> None:
        keys = ["A", "B", "Z", "_", "a", "a ", "a!", "a/", "a/b", "a0", "aa", "ä", "z", "é", "e\u0301"]
        keys += ["\uff5e", "\uffee", "\U00010000", "🌍", "\ud7ff", "\ue000", "~"]
        self._require_order(store)
        fill(store, bucket, *keys)
        expected = sorted(keys, key=str.encode)
        assert keys_of(store.get_all_objects(bucket)) == expected
        assert keys_of(store.iter_objects(bucket)) == expected
        assert flat(pages(store, bucket, 3)) == expected

    @needs("ordered_listing")
    def test_common_prefixes_come_in_order_within_a_page(self, store: Store, bucket: str) -> None:
        self._require_order(store)
        fill(store, bucket, "b/1", "a!/1", "a/1", "a0/1", "🌍/1", "\uff5e/1", "a")
        found = keys_of(store.get_all_objects(bucket, delimiter="/"))
        assert found == ["a!/", "a/", "a0/", "b/", "\uff5e/", "🌍/", "a"]

    @staticmethod
    def _require_order(store: Store) -> None:
        # The word gates no verb: without it there is nothing to hold the vendor to.
        store.require("ordered_listing")

    # --- pages ---

    @pytest.mark.parametrize("limit", [1, 2, 3, 5, 11, 12, 13])
    def test_pages_lose_nothing_and_show_nothing_twice(
        self, store: Store, bucket: str, limit: int
    ) -> None:
        fill(store, bucket, *TREE)
        assert sorted(flat(pages(store, bucket, limit))) == sorted(TREE)

    @pytest.mark.parametrize("limit", [1, 2, 3, 4, 7, 8, 9])
    def test_pages_with_delimiter(self, store: Store, bucket: str, limit: int) -> None:
        fill(store, bucket, *TREE)
        expected = ["a", "a!", "a-b/", "a/", "a0", "ab", "b/", "c"]
        assert sorted(flat(pages(store, bucket, limit, delimiter="/"))) == expected

    @pytest.mark.parametrize("limit", [1, 2, 3])
    def test_pages_with_prefix_and_delimiter(self, store: Store, bucket: str, limit: int) -> None:
        fill(store, bucket, *TREE)
        found = flat(pages(store, bucket, limit, prefix="a/", delimiter="/"))
        assert sorted(found) == ["a/b", "a/b/", "a/c"]

    def test_first_page_is_filled_and_says_that_there_is_more(self, store: Store, bucket: str) -> None:
        fill(store, bucket, "a", "b", "c")
        page = store.get_all_objects(bucket, max_keys=2)
        assert 1 <= len(page) <= 2
        assert page.is_truncated is True
        assert isinstance(page.marker, str)

    def test_listing_that_fills_its_page_exactly(self, store: Store, bucket: str) -> None:
        fill(store, bucket, "a", "b", "c", "d")
        for limit in (2, 4):
            assert flat(pages(store, bucket, limit)) == ["a", "b", "c", "d"]

    def test_page_may_be_empty_and_not_the_last(self, account: Account, face: str, bucket: str) -> None:
        with account.over(_EmptyPages(account.driver), face) as store:
            fill(store, bucket, *TREE)
            assert sorted(keys_of(store.get_all_objects(bucket))) == sorted(TREE)
            assert sorted(keys_of(store.iter_objects(bucket))) == sorted(TREE)
            assert sorted(flat(pages(store, bucket, 5))) == sorted(TREE)
            first = store.get_all_objects(bucket, max_keys=5)
            assert (list(first), first.is_truncated) == ([], True)
            store.delete_objects(bucket, list(TREE))

    def test_driver_lists_undropped(self, account: Account, bucket: str) -> None:
        fill(account.store(), bucket, "a/", "a/b", "a/c/d")
        page = account.perform(
            lambda ctx: account.driver.list_page(
                ctx, bucket, ListOptions(prefix="a/", delimiter="/", limit=10)
            )
        )
        assert sorted(info.key for info in page.objects) == ["a/", "a/b"]
        assert page.prefixes == ["a/c/"]

    def test_many_keys_by_marker(self, store: Store, account: Account) -> None:
        found = pages(store, account.large_bucket(), account.large_page)
        assert len(found) >= 3
        self._compare_large(account, flat(found))

    def test_many_keys_at_once(self, store: Store, account: Account) -> None:
        self._compare_large(account, keys_of(store.get_all_objects(account.large_bucket())))

    def test_many_keys_lazily(self, store: Store, account: Account) -> None:
        self._compare_large(account, keys_of(store.iter_objects(account.large_bucket())))

    def test_many_keys_side_by_side(self, store: Store, account: Account) -> None:
        found = store.iter_objects(account.large_bucket(), max_concurrency=4)
        self._compare_large(account, keys_of(found))

    @staticmethod
    def _compare_large(account: Account, found: list[str]) -> None:
        keys = account.large_keys
        assert len(found) == len(set(found)), "keys are listed twice"
        assert set(keys) - set(found) == set(), "keys are lost"
        assert sorted(found) == keys
        if account.driver.capabilities.ordered_listing:
            assert found == keys

    def test_many_keys_behind_one_common_prefix(self, store: Store, account: Account) -> None:
        found = store.get_all_objects(account.large_bucket(), delimiter="/")
        assert keys_of(found) == ["large/"]

    def test_limit_above_what_a_page_can_hold(self, store: Store, account: Account) -> None:
        size = account.driver.limits.page_size
        page = store.get_all_objects(account.large_bucket(), max_keys=10**9)
        assert 0 < len(page) <= size
        assert page.is_truncated == (len(page) < len(account.large_keys))

    def test_lazy_listing_asks_for_pages_as_they_are_needed(
        self, recorded: Store, recorder: RecordingDriver, account: Account
    ) -> None:
        name = account.large_bucket()
        recorder.calls.clear()
        entries = iter(recorded.iter_objects(name))
        assert recorder.calls == []
        next(entries)
        assert recorder.calls == ["list_page"]

    def test_deletion_between_pages_loses_nothing(self, store: Store, bucket: str) -> None:
        keys = [f"k{n}" for n in range(10)]
        fill(store, bucket, *keys)
        page = store.get_all_objects(bucket, max_keys=4)
        seen = keys_of(page)
        left = sorted(set(keys) - set(seen))
        for key in (seen[-1], left[0], left[2]):
            store.delete_object(bucket, key)
        rest: list[str] = []
        while page.marker is not None:
            page = store.get_all_objects(bucket, marker=page.marker, max_keys=4)
            rest += keys_of(page)
        assert set(rest) >= {left[1], *left[3:]}, "keys that were there all the time are lost"
        assert not set(rest) & set(seen), "keys are listed twice"

    def test_lazy_listing_while_its_entries_are_deleted(self, store: Store, bucket: str) -> None:
        keys = [f"k{n:02d}" for n in range(12)]
        fill(store, bucket, *keys)
        seen = []
        for entry in store.iter_objects(bucket):
            assert not isinstance(entry, CommonPrefix)
            store.delete_object(bucket, entry.key)
            seen.append(entry.key)
        assert sorted(seen) == keys
        assert store.get_all_objects(bucket) == []

    # --- start_after ---

    @needs("start_after")
    @pytest.mark.parametrize(
        ("start_after", "expected"),
        [
            ("", list(TREE)),
            ("a", list(TREE[1:])),
            ("a/", list(TREE[4:])),
            ("a/b", list(TREE[5:])),
            ("a/bb", ["a/c", "a0", "ab", "b/x/y", "c"]),
            ("b", ["b/x/y", "c"]),
            ("c", []),
            ("zzz", []),
        ],
    )
    def test_start_after_is_exclusive(
        self, store: Store, bucket: str, start_after: str, expected: list[str]
    ) -> None:
        fill(store, bucket, *TREE)
        if not store.capabilities.start_after:
            start_after = "a"
        assert sorted(keys_of(store.get_all_objects(bucket, start_after=start_after))) == expected
        assert sorted(keys_of(store.iter_objects(bucket, start_after=start_after))) == expected

    @needs("start_after")
    def test_start_after_with_pages(self, store: Store, bucket: str) -> None:
        fill(store, bucket, *TREE)
        assert flat(pages(store, bucket, 2, start_after="a/")) == list(TREE[4:])

    @needs("start_after")
    def test_start_after_outside_the_prefix(self, store: Store, bucket: str) -> None:
        fill(store, bucket, *TREE)
        found = store.get_all_objects(bucket, "a/b", start_after="A")
        assert keys_of(found) == ["a/b", "a/b/c", "a/b/d"]
        assert store.get_all_objects(bucket, "a/b", start_after="b") == []

    @needs("start_after")
    def test_start_after_inside_a_common_prefix_still_shows_it(self, store: Store, bucket: str) -> None:
        fill(store, bucket, *TREE)
        found = store.get_all_objects(bucket, delimiter="/", start_after="a/b")
        assert keys_of(found) == ["a/", "b/", "a0", "ab", "c"]

    @needs("start_after")
    def test_start_after_the_last_key_of_a_common_prefix_hides_it(
        self, store: Store, bucket: str
    ) -> None:
        fill(store, bucket, *TREE)
        found = store.get_all_objects(bucket, delimiter="/", start_after="a/c")
        assert keys_of(found) == ["b/", "a0", "ab", "c"]

    # --- what is refused ---

    @pytest.mark.parametrize("marker", ["no marker of ours !", "ä", "\0", "a/b"], ids=ascii)
    def test_marker_of_something_else_is_refused(self, store: Store, bucket: str, marker: str) -> None:
        fill(store, bucket, "a", "b")
        with pytest.raises(InvalidArgumentError):
            store.get_all_objects(bucket, marker=marker)

    @pytest.mark.parametrize("limit", [0, -1, True, 1.5, "7"])
    def test_impossible_limit_is_refused_before_any_io(
        self, recorded: Store, recorder: RecordingDriver, bucket: str, limit: Any
    ) -> None:
        with pytest.raises(InvalidArgumentError):
            recorded.get_all_objects(bucket, max_keys=limit)
        assert recorder.calls == []

    @pytest.mark.parametrize("name", ["prefix", "delimiter", "start_after", "marker"])
    @pytest.mark.parametrize("value", [7, b"x", "\ud800"], ids=ascii)
    def test_listing_option_that_is_no_text_is_refused_before_any_io(
        self, recorded: Store, recorder: RecordingDriver, bucket: str, name: str, value: Any
    ) -> None:
        options: Any = {name: value}
        with pytest.raises((InvalidArgumentError, UnsupportedError)):
            recorded.get_all_objects(bucket, **options)
        assert recorder.count("list_page") <= (name == "marker" and isinstance(value, str))
