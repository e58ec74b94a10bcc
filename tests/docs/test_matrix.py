"""The matrix of capabilities says what a run has shown, of today's drivers on today's servers.

That the run still shows the same is checked at the end of each: tests/evidence.py.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from cloudstore import factory
from tests.evidence import FILE, Place, as_json, differences

SCRIPT = Path(__file__).resolve().parent.parent.parent / "docs" / "generate_matrix.py"
PACKAGES = {"ministack": "ministack", "OpenStack Swift": "swift"}
HERE = Place("memory")


@pytest.fixture
def matrix(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_matrix", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)  # where its dataclasses look for it
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def written() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(FILE.read_text(encoding="utf-8"))["shown"]
    return found


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


def test_every_built_in_driver_has_run(matrix: ModuleType) -> None:
    assert set(matrix.drivers()) == set(factory._BUILT_IN)


def test_what_was_shown_is_what_the_drivers_declare(matrix: ModuleType) -> None:
    for column in matrix.evidence()[1]:
        declared = column.driver.capabilities.names()
        passed = {name for name, found in column.shown.items() if "passed" in found}
        assert passed <= declared, f"{column.name} no longer declares {passed - declared}: make matrix"


def test_the_servers_are_those_of_today(written: list[dict[str, Any]]) -> None:
    for entry in written:
        if entry["kind"] == "server":
            assert entry["version"] == version(PACKAGES[entry["server"]]), "make matrix"


def test_presets_that_ran_on_nothing_say_so(matrix: ModuleType) -> None:
    page = matrix.page()
    assert "| `aws` | ministack " in page
    assert "| `wasabi` | nothing |" in page


# --- a run that shows something else fails ---


def test_a_run_may_show_less_but_nothing_else() -> None:
    shown = {HERE: Counter({("tags", "passed"): 3, ("cdn", "refused"): 1})}
    file = as_json(shown)
    assert json.loads(json.dumps(file)) == file
    assert differences(shown, file, whole=True) == []
    part = {HERE: Counter({("tags", "passed"): 1})}
    assert differences(part, file, whole=False) == []
    assert len(differences(part, file, whole=True)) == 1
    assert len(differences({}, file, whole=True)) == 1
    assert len(differences({HERE: Counter({("tags", "refused"): 1})}, file, whole=False)) == 1
    assert len(differences({Place("elsewhere"): Counter()}, file, whole=False)) == 1
