"""Patterns in keys: what matches, and that nothing is listed that cannot."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cloudstore import CommonPrefix, MemoryConfig, Store
from cloudstore.cli.patterns import expand, is_pattern, key_matches

KEYS = [
    "a.txt",
    "b.txt",
    "logs/",
    "logs/1.log",
    "logs/2.log",
    "logs/old/1.log",
    "logs/old/x/9.log",
    "x[1]",
]


@pytest.fixture
def store() -> Iterator[Store]:
    with Store(MemoryConfig()) as made:
        made.create_bucket("media")
        made.create_objects("media", dict.fromkeys(KEYS, b""))
        yield made


def found(store: Store, pattern: str) -> list[str]:
    entries = expand(store, "media", pattern)
    return [entry.prefix if isinstance(entry, CommonPrefix) else entry.key for entry in entries]


@pytest.mark.parametrize(
    ("pattern", "matching"),
    [
        ("*.txt", ["a.txt", "b.txt"]),
        ("?.txt", ["a.txt", "b.txt"]),
        ("[b-z].txt", ["b.txt"]),
        ("[!b].txt", ["a.txt"]),
        ("*", ["logs/", "a.txt", "b.txt", "x[1]"]),
        ("*/", ["logs/"]),
        ("logs/*", ["logs/old/", "logs/1.log", "logs/2.log"]),
        ("logs/[12].log", ["logs/1.log", "logs/2.log"]),
        ("*/1.log", ["logs/1.log"]),
        ("*/*/1.log", ["logs/old/1.log"]),
        ("**/1.log", ["logs/1.log", "logs/old/1.log"]),
        ("logs/**/*.log", ["logs/1.log", "logs/2.log", "logs/old/1.log", "logs/old/x/9.log"]),
        ("logs/old/**", ["logs/old/1.log", "logs/old/x/9.log"]),
        ("**/old/**", ["logs/old/1.log", "logs/old/x/9.log"]),
        ("*.none", []),
        ("none/*", []),
        ("x[[]1[]]", ["x[1]"]),
    ],
)
def test_a_pattern_finds_what_matches_and_no_more(
    store: Store, pattern: str, matching: list[str]
) -> None:
    assert sorted(found(store, pattern)) == sorted(matching)


@pytest.mark.parametrize(
    ("pattern", "key", "does"),
    [
        ("a/**", "a", False),
        ("a/**", "a/b", True),
        ("a/**/b", "a/b", True),
        ("a/**/b", "a/x/y/b", True),
        ("a/**/b", "a/x/y/c", False),
        ("a*b", "a/b", False),
        ("**", "a/b/c", True),
        ("a//*", "a//b", True),
        ("a/*", "a//b", False),
    ],
)
def test_stars_and_slashes(pattern: str, key: str, does: bool) -> None:
    assert key_matches(pattern, key) is does


def test_many_stars_take_no_time() -> None:
    assert not key_matches("**/a/" * 30 + "b", "a/" * 200 + "c")


def test_what_is_a_pattern() -> None:
    assert [key for key in ("a", "a*", "a?", "[a]", "{a}", "a]") if is_pattern(key)] == [
        "a*",
        "a?",
        "[a]",
    ]
