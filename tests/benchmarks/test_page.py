"""The page of benchmarks says what the file of figures says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks import page
from benchmarks.found import Found


def test_the_page_is_current() -> None:
    page.main(["--check"])


def test_a_stale_page_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stale = tmp_path / "benchmarks.md"
    stale.write_text(page.PAGE.read_text("utf-8").replace("| cloudstore |", "| other |"), "utf-8")
    monkeypatch.setattr(page, "PAGE", stale)
    with pytest.raises(SystemExit, match=r"benchmarks\.md"):
        page.main(["--check"])


def test_a_page_without_a_mark_is_refused() -> None:
    with pytest.raises(SystemExit, match="lacks the mark"):
        page.render(Found.load(page.RESULTS), "# Benchmarks\n")


def test_every_plot_is_there() -> None:
    named = re.findall(r"\]\((plots/[^)]+)\)", page.PAGE.read_text("utf-8"))
    assert len(named) == len(set(named)) > 0
    for name in named:
        assert (page.PAGE.parent / name).read_text("utf-8").startswith("<?xml")
