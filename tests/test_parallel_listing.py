"""Listing by ranges of keys side by side finds what listing page by page finds, in the same order."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudstore import (
    AsyncObject,
    AsyncStore,
    CommonPrefix,
    InvalidArgumentError,
    MemoryConfig,
    Object,
    Store,
    StoreClosedError,
    UnavailableError,
)
from cloudstore.driver import Driver, Flow, OpContext, Sleep
from cloudstore.model import ListOptions, Page
from cloudstore.pass_through import PassThroughDriver
from cloudstore.providers.memory import MemoryDriver
from cloudstore.transfer.key_ranges import KeyRanges

PAGE = 10
RANDOM = random.Random(7)
KEYS = {
    "numbers": [f"{n:06}" for n in range(700)],
    "hex": sorted(f"{RANDOM.getrandbits(64):016x}" for _ in range(700)),
    "dates": [
        f"logs/2026/{m:02}/{d:02}/{h:02}.gz" for m in (1, 2, 11) for d in range(1, 29) for h in range(8)
    ],
    "lengths": sorted("a" * n for n in range(1, 300)),
    "clusters": sorted([*(f"a{n:05}" for n in range(300)), *(f"z/{n:x}" for n in range(300)), "m"]),
    "unicode": sorted("".join(RANDOM.choices("aZ09-~ßé漢🙂", k=5)) for _ in range(500)),
    "first and last": ["\x01", *(f"k{n}" for n in range(100)), "\U0010ffff"],
    "few": ["a", "b"],
    "none": [],
}


class Counting(PassThroughDriver):
    """Notes how many pages are asked for, at all and at a time; may fail at one."""

    def __init__(self, inner: Driver) -> None:
        super().__init__(inner)
        self.pages = self.now = self.most = 0
        self.fails_at: int | None = None
        self._lock = threading.Lock()

    def list_page(self, ctx: OpContext, bucket: str, options: ListOptions) -> Flow[Page]:
        with self._lock:
            self.pages += 1
            self.now += 1
            self.most = max(self.most, self.now)
            fails = self.pages == self.fails_at
        try:
            yield Sleep(0.001)
            if fails:
                raise UnavailableError("not this page")
            return (yield from super().list_page(ctx, bucket, options))
        finally:
            with self._lock:
                self.now -= 1


@pytest.fixture
def driver() -> Counting:
    memory = MemoryDriver(MemoryConfig())
    memory.limits = replace(memory.limits, page_size=PAGE)
    return Counting(memory)


def keys_of(entries: Iterable[Object | CommonPrefix]) -> list[str]:
    return [entry.key for entry in entries if isinstance(entry, Object)]


def fill(store: Store, keys: list[str]) -> None:
    store.create_bucket("bucket")
    store.create_objects("bucket", dict.fromkeys(keys, b""))


@pytest.mark.parametrize("kind", KEYS)
def test_same_keys_in_the_same_order(driver: Counting, kind: str) -> None:
    keys = sorted(set(KEYS[kind]))
    with Store(driver) as store:
        fill(store, keys)
        for options in (
            {},
            {"prefix": "a"},
            {"start_after": "k5"},
            {"prefix": "logs/2026/", "start_after": "m"},
        ):
            driver.pages = 0
            one = [o.key for o in store.iter_objects("bucket", **options)]  # type: ignore[arg-type, union-attr]
            pages, driver.pages, driver.most = driver.pages, 0, 0
            many = [o.key for o in store.iter_objects("bucket", max_concurrency=4, **options)]  # type: ignore[arg-type, union-attr]
            assert many == one
            assert driver.most <= 4
            assert driver.pages <= 2 * pages + 12, "guesses are wrong too often"


@pytest.mark.parametrize("kind", ["numbers", "hex", "dates"])
def test_pages_are_asked_for_side_by_side(driver: Counting, kind: str) -> None:
    with Store(driver) as store:
        fill(store, sorted(set(KEYS[kind])))
        assert sum(1 for _ in store.iter_objects("bucket", max_concurrency=4)) == len(set(KEYS[kind]))
        assert driver.most == 4


def test_on_asyncio(driver: Counting) -> None:
    async def listed() -> list[str]:
        async with AsyncStore(driver) as store:
            await store.create_bucket("bucket")
            await store.create_objects("bucket", dict.fromkeys(KEYS["hex"], b""))
            found = store.iter_objects("bucket", max_concurrency=4)
            return [entry.key async for entry in found if isinstance(entry, AsyncObject)]

    assert asyncio.run(listed()) == sorted(KEYS["hex"])
    assert driver.most == 4


def test_memory_is_bounded_by_what_is_ahead(driver: Counting) -> None:
    with Store(driver) as store:
        fill(store, KEYS["numbers"])
        entries = store.iter_objects("bucket", max_concurrency=4)
        for _ in range(PAGE + 1):
            next(entries)
        assert driver.pages <= 1 + 4 * 4


def test_listing_that_is_given_up_leaves_nothing_under_way(driver: Counting) -> None:
    with Store(driver) as store:
        fill(store, KEYS["numbers"])
        entries = store.iter_objects("bucket", max_concurrency=4)
        for _ in range(PAGE * 3):
            next(entries)
        entries.close()  # type: ignore[attr-defined]
        assert driver.now == 0


def test_error_of_a_page_comes_when_it_is_wanted(driver: Counting) -> None:
    with Store(driver) as store:
        fill(store, KEYS["numbers"])
        driver.pages, driver.fails_at = 0, 9
        seen: list[str] = []

        def read() -> None:
            for entry in store.iter_objects("bucket", max_concurrency=4):
                seen.extend(keys_of([entry]))

        with pytest.raises(UnavailableError) as caught:
            read()
        assert seen == KEYS["numbers"][: len(seen)]
        assert (caught.value.operation, caught.value.bucket) == ("iter_objects", "bucket")
        assert driver.now == 0


def test_concurrency_must_be_a_number(driver: Counting) -> None:
    with Store(driver) as store:
        fill(store, ["a"])
        for wrong in (0, -1, True, 1.5):
            with pytest.raises(InvalidArgumentError):
                list(store.iter_objects("bucket", max_concurrency=wrong))  # type: ignore[arg-type]


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=9)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=9),
        min_size=2,
        unique=True,
    ),
    st.lists(st.integers(0, 1000), max_size=20),
)
def test_ends_of_ranges_rise_until_there_is_none(keys: list[str], counts: list[int]) -> None:
    keys.sort()
    cuts = KeyRanges("", keys, 40)
    before = keys[-1]
    for count in counts:
        end = cuts.next_end()
        if end is None:
            assert cuts.frontier is None
            return
        assert before < end == cuts.frontier
        assert before.encode() < end.encode()
        before = end
        cuts.measured(count)


def test_store_that_is_closed_meanwhile(driver: Counting) -> None:
    with Store(driver) as store:
        fill(store, KEYS["numbers"])
        entries = store.iter_objects("bucket", max_concurrency=4)
        next(entries)
    with pytest.raises(StoreClosedError):
        list(entries)
    assert driver.now == 0
