"""The matrix of capabilities says what the drivers declare today."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from cloudstore import factory

SCRIPT = Path(__file__).resolve().parent.parent.parent / "docs" / "generate_matrix.py"


@pytest.fixture
def matrix() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_matrix", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_pages_are_current(matrix: ModuleType) -> None:
    matrix.main(["--check"])


def test_a_stale_page_is_found(
    matrix: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "capabilities.md"
    page.write_text(matrix.page().replace("| yes |", "| – |", 1), encoding="utf-8")
    monkeypatch.setattr(matrix, "PAGE", page)
    with pytest.raises(SystemExit, match=r"capabilities\.md"):
        matrix.main(["--check"])


def test_no_built_in_driver_is_missing(matrix: ModuleType) -> None:
    assert set(matrix.drivers()) == set(factory._BUILT_IN)
