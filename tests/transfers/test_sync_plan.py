"""What is planned so that two sides become alike: pure decisions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudstore import InvalidArgumentError
from cloudstore.transfer.sync_plan import (
    Act,
    SyncEntry,
    SyncRules,
    decide,
    folder_prefix,
    is_safe_path,
)

PARTS = st.lists(st.sampled_from(["", ".", "..", "a", ".b", "c.d", "\x00"]), min_size=1, max_size=4)


@given(PARTS)
def test_safe_paths_have_no_part_that_leads_elsewhere(parts: list[str]) -> None:
    safe = all(part not in ("", ".", "..", "\x00") for part in parts)
    assert is_safe_path("/".join(parts)) == safe


@given(st.lists(st.sampled_from(["a", ".b", "c.d", "x.tmp"]), min_size=1, max_size=4), st.booleans())
def test_what_is_in_an_ignored_folder_is_ignored(parts: list[str], include_hidden: bool) -> None:
    path = "/".join(parts)
    hidden = not include_hidden and any(part.startswith(".") for part in parts)
    rules = SyncRules("up", include_hidden=include_hidden)
    assert rules.ignores_any_of(path) == hidden
    rules = SyncRules("up", include_hidden=include_hidden, ignore=["*.tmp"])
    assert rules.ignores_any_of(path) == (hidden or "x.tmp" in parts)


@pytest.mark.parametrize(
    ("pattern", "path", "ignored"),
    [
        ("a/b*", "a/bc", True),
        ("a/b*", "a/bc/d", True),
        ("a/b*", "x/a/bc", False),
        ("/a", "a", True),
        ("a/", "a/b", True),
        ("[ab].txt", "c/b.txt", True),
        ("*.TXT", "b.txt", False),
    ],
)
def test_patterns(pattern: str, path: str, ignored: bool) -> None:
    assert SyncRules("up", ignore=[pattern]).ignores_any_of(path) is ignored


def entry(size: int, mtime: float | None) -> SyncEntry:
    return SyncEntry("a", size, mtime)


@pytest.mark.parametrize(
    ("direction", "source", "target", "act"),
    [
        ("up", entry(1, 100.9), entry(1, 101.0), Act.DUPLICATE),
        ("up", entry(1, 100.9), entry(1, 100.0), Act.COMPARE),
        ("up", entry(1, 101.0), entry(1, 100.9), Act.UPLOAD),
        ("up", entry(1, None), entry(1, 100.0), Act.COMPARE),
        ("up", entry(2, 100.0), entry(1, 101.0), Act.OLDER),
        ("up", entry(2, 101.0), entry(1, 101.9), Act.UPLOAD),
        ("down", entry(1, 100.0), entry(1, 100.9), Act.DUPLICATE),
        ("down", entry(1, 101.0), entry(1, 100.9), Act.DOWNLOAD),
        ("across", entry(1, 100.0), entry(1, 100.0), Act.COMPARE),
        ("across", entry(1, 100.0), None, Act.COPY),
        ("up", None, entry(7, 100.0), Act.DELETE),
    ],
)
def test_decisions_by_size_and_time(
    direction: str, source: SyncEntry | None, target: SyncEntry | None, act: Act
) -> None:
    action = decide(SyncRules(direction), source, target)  # type: ignore[arg-type]
    assert (action.act, action.path) == (act, "a")


def test_decisions_by_other_rules() -> None:
    newer, older = entry(1, 200.0), entry(2, 100.0)
    assert decide(SyncRules("up", compare="none"), newer, newer).act is Act.UPLOAD
    assert decide(SyncRules("up", compare="checksum"), newer, entry(1, 100.0)).act is Act.COMPARE
    assert decide(SyncRules("up", overwrite_newer=True), older, newer).act is Act.UPLOAD


def test_rules_are_checked() -> None:
    wrong: list[dict[str, object]] = [{"compare": "time"}, {"ignore": "*.tmp"}]
    for options in wrong:
        with pytest.raises(InvalidArgumentError):
            SyncRules("up", **options)  # type: ignore[arg-type]
    with pytest.raises(InvalidArgumentError):
        SyncRules("sideways")  # type: ignore[arg-type]
    assert [folder_prefix(p) for p in ("", "a", "a/", "a/b")] == ["", "a/", "a/", "a/b/"]
