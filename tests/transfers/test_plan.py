"""How a large object is shared out among requests, and how many are under way: pure decisions."""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudstore.driver import Flow
from cloudstore.testing.simulation import SimulatedClock
from cloudstore.transfer.plan import FIRST_STRETCH, LONGEST_STRETCH, Region, Regions, Stretches
from cloudstore.transfer.window import FULL_SPEED, Pace

PART = 8 * 1024 * 1024


def numbers(stretch: deque[Region]) -> list[int]:
    return [region.number for region in stretch]


@given(
    st.integers(0, 300),
    st.sets(st.integers(1, 300)),
    st.lists(st.tuples(st.integers(0, 7), st.integers(1, 8)), max_size=2000),
)
def test_every_missing_part_is_handed_out_once(
    count: int, there: set[int], steps: list[tuple[int, int]]
) -> None:
    stretches = Stretches(Regions(count * 10, 10), there)
    taken: list[deque[Region]] = []
    read: list[int] = []
    for reader, at_once in [*steps, *[(0, 1)] * 700]:
        if reader < len(taken) and taken[reader]:
            read.append(taken[reader].popleft().number)
            continue
        stretch = stretches.take(at_once)
        if not stretch:
            taken = [other for other in taken if other]
            continue
        assert numbers(stretch) == list(range(stretch[0].number, stretch[0].number + len(stretch)))
        assert len(stretch) <= FIRST_STRETCH
        taken = [stretch, *(other for other in taken if other)]
    assert sorted(read) == sorted(set(range(1, count + 1)) - there)


def test_stretches_grow_shorter_towards_the_end() -> None:
    stretches = Stretches(Regions(1000, 1), set())
    lengths = []
    while True:
        stretch = stretches.take(4)
        if not stretch:
            break
        lengths.append(len(stretch))
        stretch.clear()  # read
    assert lengths[:2] == [FIRST_STRETCH, LONGEST_STRETCH]
    assert lengths[1:] == sorted(lengths[1:], reverse=True)
    assert lengths[-1] == 1


def test_last_parts_of_the_longest_stretch_are_shared() -> None:
    stretches = Stretches(Regions(6, 1), set())
    first, second = stretches.take(1), stretches.take(1)
    assert numbers(first) == [1, 2, 3]
    assert numbers(second) == [4, 5, 6]
    third = stretches.take(1)
    assert numbers(first) == [1]
    assert numbers(third) == [2, 3]


def paced(pace: Pace, clock: SimulatedClock, speed: float) -> None:
    """One part, by itself so fast."""

    def part() -> Flow[None]:
        clock.advance_to(clock.monotonic() + PART / speed)
        return
        yield

    for _ in pace.timed(part(), PART):
        raise AssertionError("it waits for nothing")


@pytest.mark.parametrize(
    ("speed", "expected"),
    [(FULL_SPEED, [2, 2, 2]), (FULL_SPEED / 2.5, [3, 3, 3]), (FULL_SPEED / 100, [4, 8, 8])],
)
def test_as_many_parts_as_fill_the_processor(speed: float, expected: list[int]) -> None:
    clock = SimulatedClock()
    pace = Pace(clock, 2, 8)
    found = []
    for _ in expected:
        paced(pace, clock, speed)
        found.append(pace.most)
    assert found == expected


def test_never_more_than_may_be() -> None:
    clock = SimulatedClock()
    pace = Pace(clock, 2, 1)
    paced(pace, clock, 1000)
    assert pace.most == 1
