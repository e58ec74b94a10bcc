"""Every example of the documentation runs, and every verb has one.

A page is one test: its Python blocks share their names and run in their order, in an empty folder.
"""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest
from sybil import Document
from sybil.parsers.markdown import PythonCodeBlockParser

from cloudstore import AsyncStore, Store

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = sorted([ROOT / "README.md", ROOT / "README.zh.md", *(ROOT / "docs").rglob("*.md")])


def examples(page: Path) -> Document:
    return Document.parse(str(page), PythonCodeBlockParser())


def with_examples() -> list[Path]:
    return [page for page in PAGES if list(examples(page).examples())]


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", with_examples(), ids=name)
def test_the_examples_of_a_page_run(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for example in examples(page).examples():
        example.evaluate()


def test_examples_are_found_where_they_are() -> None:
    found = {name(page) for page in with_examples()}
    guide = {name(page) for page in (ROOT / "docs" / "guide").glob("*.md")}
    assert found >= {"README.md", "docs/index.md", *guide} - {"docs/guide/index.md"}


def used_names(asynchronous: bool) -> set[str]:
    """The attributes that examples use: of pages on asyncio, or of the others."""
    used: set[str] = set()
    for page in with_examples():
        for example in examples(page).examples():
            tree = ast.parse(str(example.parsed))
            on_loop = any(isinstance(node, ast.Await | ast.AsyncWith) for node in ast.walk(tree))
            if on_loop == asynchronous:
                used |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    return used


def verbs(face: type) -> set[str]:
    return {attribute for attribute, _ in inspect.getmembers(face) if not attribute.startswith("_")}


def test_every_verb_of_store_has_an_example() -> None:
    assert verbs(Store) - used_names(asynchronous=False) == set()


def test_every_verb_of_async_store_has_an_example() -> None:
    # What is the same without an await, or is a setting, is shown once.
    shown_once = {
        "capabilities",
        "close",
        "from_profile",
        "get_acl",
        "get_lifecycle",
        "get_tags",
        "get_versioning",
        "native",
        "presign",
        "presign_post",
        "get_account",
        "prefetch_cdn",
        "purge_cdn",
        "set_account_metadata",
        "set_bucket_metadata",
        "require",
        "set_acl",
        "set_lifecycle",
        "set_tags",
        "set_versioning",
        "set_website",
    }
    assert verbs(AsyncStore) - used_names(asynchronous=True) == shown_once
