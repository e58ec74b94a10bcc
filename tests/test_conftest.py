"""The rules of the suite itself: a skipped test fails the run, the machine does not reach a test."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).with_name("conftest.py")

SKIPPING = {
    "by_call": "import pytest\ndef test_x(): pytest.skip('later')\n",
    "by_mark": "import pytest\n@pytest.mark.skip\ndef test_x(): pass\n",
    "by_condition": "import pytest\n@pytest.mark.skipif(True, reason='never')\ndef test_x(): pass\n",
    "by_import": "import pytest\npytest.importorskip('nothing_of_the_kind')\ndef test_x(): pass\n",
    "by_fixture": (
        "import pytest\n@pytest.fixture\ndef f(): pytest.skip('later')\ndef test_x(f): pass\n"
    ),
    "expected_failure": "import pytest\n@pytest.mark.xfail\ndef test_x(): assert False\n",
    "unexpected_success": "import pytest\n@pytest.mark.xfail(strict=False)\ndef test_x(): pass\n",
    "by_unittest": (
        "import unittest\nclass T(unittest.TestCase):\n    def test_x(self): self.skipTest('later')\n"
    ),
}


def run_suite(folder: Path, text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    shutil.copy(CONFTEST, folder)
    (folder / "test_sample.py").write_text(text)
    (folder / "pytest.ini").write_text("[pytest]\n")
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments, str(folder)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(CONFTEST.parent.parent)},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("how", SKIPPING)
def test_a_test_that_does_not_run_fails_the_run(how: str, tmp_path: Path) -> None:
    done = run_suite(tmp_path, SKIPPING[how])
    assert done.returncode in (1, 2), done.stdout
    assert "no test of this suite is skipped" in done.stdout
    assert "1 failed" in done.stdout or "1 error" in done.stdout


def test_it_fails_in_parallel_as_well(tmp_path: Path) -> None:
    done = run_suite(tmp_path, SKIPPING["by_import"], "-n", "2")
    assert done.returncode != 0, done.stdout


def test_a_test_that_runs_passes(tmp_path: Path) -> None:
    done = run_suite(tmp_path, "def test_x(): pass\n")
    assert (done.returncode, "1 passed" in done.stdout) == (0, True), done.stdout


def test_the_machine_does_not_reach_a_test() -> None:
    assert not [name for name in os.environ if name.upper().endswith("_PROXY")]
    assert not [name for name in os.environ if name.startswith(("CLOUDSTORE_", "XDG_"))]
    assert [name for name in os.environ if name.startswith("AWS_")] == ["AWS_EC2_METADATA_DISABLED"]
    assert Path.home().name.startswith("cloudstore-home-")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert soft == resource.RLIM_INFINITY or soft >= min(4096, hard if hard > 0 else 4096)
