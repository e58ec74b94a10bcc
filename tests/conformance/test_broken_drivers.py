"""The conformance suite finds faults: each broken driver fails the tests that it names."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

import pytest

from cloudstore.testing import BROKEN_DRIVERS, BrokenDriver, ConformanceSuite

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
SECONDS = 300
"""Longer than this the run hangs."""

Outcomes = Mapping[tuple[str, str], list[bool]]
"""For (broken driver, test): of each of its cases, whether it failed."""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    """One run of pytest, of the named tests only, for all broken drivers."""
    report = tmp_path_factory.mktemp("broken") / "report.xml"
    suites = HERE / "broken_suites.py"
    nodes = [f"{suites}::Test{b.name}::{test}" for b in BROKEN_DRIVERS for test in b.caught_by]
    options = ["-q", "--tb=no", "-p", "no:cacheprovider", "-p", "no:xdist", f"--junitxml={report}"]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *nodes],
        cwd=ROOT,
        timeout=SECONDS,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == pytest.ExitCode.TESTS_FAILED, run.stdout + run.stderr
    found: dict[tuple[str, str], list[bool]] = {}
    for case in ElementTree.parse(report).iter("testcase"):
        suite = case.attrib["classname"].rpartition(".Test")[2]
        test = case.attrib["name"].partition("[")[0]
        found.setdefault((suite, test), []).append(case.find("failure") is not None)
    return found


@pytest.mark.parametrize("broken", BROKEN_DRIVERS, ids=lambda broken: broken.name)
def test_broken_driver_is_caught(broken: BrokenDriver, outcomes: Outcomes) -> None:
    missed = [test for test in broken.caught_by if not any(outcomes[broken.name, test])]
    assert missed == [], f"{broken.name} ({broken.driver.__doc__}) passes {', '.join(missed)}"


def test_table_of_what_is_caught(outcomes: Outcomes, capsys: pytest.CaptureFixture[str]) -> None:
    width = max(len(broken.name) for broken in BROKEN_DRIVERS)
    with capsys.disabled():
        print(f"\n{'broken driver':{width}}  caught by")
        for broken in BROKEN_DRIVERS:
            for test in broken.caught_by:
                cases = outcomes[broken.name, test]
                print(f"{broken.name:{width}}  {test} ({sum(cases)} of {len(cases)} cases)")
    assert len(outcomes) == sum(len(broken.caught_by) for broken in BROKEN_DRIVERS)


def test_every_broken_driver_says_what_is_broken_and_is_named_once() -> None:
    assert all(broken.driver.__doc__ for broken in BROKEN_DRIVERS)
    assert len({broken.name for broken in BROKEN_DRIVERS}) == len(BROKEN_DRIVERS)
    tests = [test for broken in BROKEN_DRIVERS for test in broken.caught_by]
    assert [test for test in tests if not hasattr(ConformanceSuite, test)] == []
