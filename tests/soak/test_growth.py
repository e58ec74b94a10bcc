"""What is held once both stores are closed is compared with what was before, each within its bound."""

from __future__ import annotations

from dataclasses import replace

import pytest

from .growth import MIB, Allowance, Growth, Held

ALLOWED = Allowance()
HELD = Held(
    at=0.0,
    resident=100 * MIB,
    descriptors=10,
    threads=2,
    tasks=0,
    connections=0,
    objects=100,
    files=0,
)


def complaint(**more: int) -> str | None:
    """Where after the end there is so much more than before, and than at all pauses."""
    after = replace(HELD, **{name: getattr(HELD, name) + value for name, value in more.items()})
    return Growth(pauses=[HELD, HELD], before=HELD, after=after).complaint()


@pytest.mark.parametrize("name", ["descriptors", "threads", "tasks", "connections", "files"])
def test_nothing_more_is_open_than_before(name: str) -> None:
    assert complaint(**{name: 0}) is None
    assert f"{name}, before them" in str(complaint(**{name: 1}))


@pytest.mark.parametrize(
    ("name", "most", "words"),
    [
        ("objects", ALLOWED.objects, "objects, before them 100"),
        ("resident", ALLOWED.resident, "closed memory is"),
    ],
)
def test_what_stays_is_bounded(name: str, most: int, words: str) -> None:
    assert complaint(**{name: most}) is None
    assert words in str(complaint(**{name: most + 1}))
