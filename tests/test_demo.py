"""``make demo``: it runs twice, from a checkout and from a copy, and fits an 80-column terminal."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def run_demo(tree: Path, folder: Path) -> list[str]:
    done = subprocess.run(
        [sys.executable, tree / "demo" / "demo.py", folder],
        cwd=tree,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A small tree without git."""
    tree = tmp_path / "tree"
    for name in ("demo/demo.py", "README.md", "docs/index.md"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tree / name)
    (tree / "demo-data").mkdir()
    (tree / "demo-data" / "old").write_text("not ours")
    return tree


def test_it_runs_twice_on_this_tree(tmp_path: Path) -> None:
    first, second = (run_demo(ROOT, tmp_path / "data") for _ in range(2))
    stored = next(line for line in first if line.startswith("stored"))
    assert stored.split(", in ")[0] in "\n".join(second)
    text = "\n".join(first)
    assert "equal to the file" in text
    assert "verified by crc32" in text
    assert (tmp_path / "data" / "repository" / "cloudstore" / "store.py").is_file()


def test_it_runs_on_a_copy_without_git(copy: Path, tmp_path: Path) -> None:
    lines = run_demo(copy, tmp_path / "data")
    assert any(line.startswith("stored   3 files") for line in lines)


def test_it_fits_a_terminal(copy: Path) -> None:
    own = str(copy / "d")
    lines = [line.replace(own, "/home/me/cloudstore/demo-data") for line in run_demo(copy, Path(own))]
    assert [line for line in lines if len(line) > 80] == []
