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
from cloudstore.testing.conformance.account import Account
from cloudstore.testing.conformance.administration import AdministrationTests
from cloudstore.testing.conformance.capabilities import CapabilityTests
from cloudstore.testing.conformance.multipart import MultipartTests
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


class ReusingHarness(MemoryHarness):
    shown_on = None
    reuses_buckets = True


@pytest.mark.parametrize("harness", [ReusingHarness(), MemoryHarness()], ids=["reused", "deleted"])
def test_bucket_is_given_back_empty_or_deleted(harness: Harness) -> None:
    account = Account(harness)
    store = account.store()
    name = account.new_bucket()
    store.create_object(name, "k", b"data")
    store.create_multipart_upload(name, "u").upload_part(1, b"x")
    account.give_back_bucket(name)
    assert store.bucket_exists(name) is harness.reuses_buckets
    assert (account.new_bucket() == name) is harness.reuses_buckets
    if harness.reuses_buckets:
        assert store.get_all_objects(name) == []
        assert store.list_multipart_uploads(name) == []
        account.give_back_bucket(name)
    account.close()


class TestBucketsUsedAgain(MultipartTests, AdministrationTests, CapabilityTests):
    harness = ReusingHarness()


class TestHarnessAsAFixture(WriterTests):
    """A harness may be a fixture, of any scope."""

    @pytest.fixture(scope="module")
    @staticmethod
    def harness() -> Iterator[Harness]:
        harness = MemoryHarness()
        yield harness
        harness.close()
