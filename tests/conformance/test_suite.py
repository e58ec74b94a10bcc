"""The conformance suite itself: nothing in it hides anything else, and every verb is asked for."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import cloudstore.testing.conformance as conformance
from cloudstore import Store
from cloudstore.testing import ConformanceSuite, Harness
from cloudstore.testing.conformance import ConformanceTests
from cloudstore.testing.conformance.writers import WriterTests
from tests.conformance.embedded import MemoryHarness

THEMES = [c for c in ConformanceSuite.__mro__ if c not in (ConformanceSuite, *ConformanceTests.__mro__)]


def test_no_theme_hides_a_name_of_another() -> None:
    counted = Counter(
        name
        for theme in THEMES
        for name in vars(theme)
        if not name.startswith("__") and name != "pytestmark"
    )
    assert [name for name, count in counted.items() if count > 1] == []
    assert not set(counted) & set(vars(ConformanceTests))


def test_every_theme_is_in_the_suite() -> None:
    folder = Path(conformance.__file__).parent
    files = {p.stem for p in folder.glob("*.py")} - {
        "__init__",
        "account",
        "base",
        "harness",
        "weird_keys",
    }
    assert {theme.__module__.rpartition(".")[2] for theme in THEMES} == files


def test_every_theme_is_described() -> None:
    for theme in THEMES:
        assert f"`{theme.__module__.rpartition('.')[2]}`" in (conformance.__doc__ or "")


@pytest.mark.parametrize(
    "verb", [name for name, _ in inspect.getmembers(Store, inspect.isfunction) if name[0] != "_"]
)
def test_every_verb_is_asked_for(verb: str) -> None:
    folder = Path(conformance.__file__).parent
    sources = "".join(path.read_text(encoding="utf-8") for path in folder.glob("*.py"))
    assert f".{verb}(" in sources


class TestHarnessAsAFixture(WriterTests):
    """A harness may be a fixture, of any scope."""

    @pytest.fixture(scope="module")
    @staticmethod
    def harness() -> Iterator[Harness]:
        harness = MemoryHarness()
        yield harness
        harness.close()
