"""The map of files leads to every file of the package, and to none that is not there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGE = ROOT / "cloudstore"


def test_the_map_is_complete() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = page.partition("## The map")[2].partition("\n## ")[0]
    first_cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    mapped = {name for cell in first_cells for name in re.findall(r"`([^`]+)`", cell)}
    folders = {f"{path.parent.name}/" for path in PACKAGE.glob("*/__init__.py")}
    assert mapped == folders | {path.name for path in PACKAGE.glob("*.py")}
