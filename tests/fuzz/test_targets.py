"""Hostile servers, seeded: whatever they send, there is a result or an error of the tree, soon.

The same targets, guided by coverage and for as long as one likes: ``make fuzz``.
"""

from __future__ import annotations

import random

import pytest

from .bounds import check, check_memory
from .target import Target, mutated
from .targets import TARGETS, found_inputs

MEMORY_CASES = 100


@pytest.fixture(params=list(TARGETS))
def target(request: pytest.FixtureRequest) -> Target:
    return TARGETS[request.param]


def test_seeds_and_what_was_found(target: Target) -> None:
    for seed in target.seeds:
        check(target, seed)
    for path in found_inputs(target.name):
        check_memory(target, path.read_bytes())


def test_seeded_mutations(target: Target) -> None:
    taken = 0
    for case in range(target.cases):
        taken += check(target, mutated(target, random.Random(f"{target.name}-{case}")))
    # Both happen, or the target tests nothing.
    assert target.cases / 50 < taken < target.cases * 49 / 50


def test_mutations_take_little_memory(target: Target) -> None:
    for case in range(MEMORY_CASES):
        check_memory(target, mutated(target, random.Random(f"{target.name}-memory-{case}")))
