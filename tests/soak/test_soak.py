"""The soak holds for a while, with a seed; and finds out each driver that is wrong on purpose."""

from __future__ import annotations

import json
import shlex
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cloudstore import Store, Timeouts

from .__main__ import main, parsed
from .broken import BROKEN, LATE, Broken
from .faults import KINDS, FaultPlan
from .growth import MIB, Allowance
from .run import Options, Soak, command
from .vendors import S3, VENDORS, Qiniu, Swift, Through, Vendor

SECONDS = 8.0
"""For each vendor; with the start, the end and the pauses that is 45 seconds in all."""
SEED = 20261120
WORKERS = {"swift": (4, 12)}
"""Threads and tasks, where a server is too slow for more within the time."""
IMPATIENT = Through(timeouts=Timeouts(connect=5.0, first_byte=2.5, stall=2.5))
"""With fewer workers Swift answers in time, and what stalls is given up sooner."""
HASTE = Options(
    seconds=2.0,
    seed=SEED,
    threads=4,
    tasks=12,
    pace=0.02,
    noise=LATE / 4,
    hurry=0.5,
    allowance=Allowance(resident=24 * MIB, connections=8, objects=400),
)


class HastySwift(Swift):
    through = IMPATIENT


class HastyS3(S3):
    through = Through(timeouts=Timeouts(connect=5.0, first_byte=1.0, stall=1.0))


@pytest.fixture(scope="module")
def s3() -> Iterator[Vendor]:
    vendor = HastyS3()
    yield vendor
    vendor.close()


@pytest.mark.parametrize("name", VENDORS)
def test_soak(name: str) -> None:
    vendor = HastySwift() if name == "swift" else VENDORS[name]()
    try:
        threads, tasks = WORKERS.get(name, (32, 200))
        pace = 0.2 if name in WORKERS else 1.5
        options = Options(seconds=SECONDS, seed=SEED, pace=pace, threads=threads, tasks=tasks)
        report = Soak(vendor, options).run()
    finally:
        vendor.close()
    print(report.table())
    assert report.violation == ""
    assert report.hits > 0
    assert report.checked["own keys"] >= report.threads + report.tasks
    assert json.loads(json.dumps(report.as_json()))["connections_faulted"] == report.hits


@pytest.mark.parametrize("broken", BROKEN[::2], ids=lambda broken: broken.driver.__name__)
def test_a_broken_driver_is_found_out(s3: Vendor, broken: Broken) -> None:
    """Every other one: `make conformance` has the rest (`whole.py`)."""
    find_out(s3, broken)


def find_out(s3: Vendor, broken: Broken) -> None:
    rate = 0.5 if broken.faults else 0.0
    report = Soak(s3, replace(HASTE, change=broken.driver, rate=rate, kinds=broken.faults)).run()
    print(report.violation)
    assert any(words in report.violation for words in broken.says), report.table()
    assert f"--seed {SEED}" in report.violation


class BreaksAtTheEnd(Qiniu):
    """Its server is gone before all is checked."""

    def leftovers(self, store: Store, bucket: str) -> list[str]:
        self._server.stop()
        return [found.key for found in store.get_all_objects(bucket)]


def test_what_fails_at_the_end_is_reported() -> None:
    vendor = BreaksAtTheEnd()
    try:
        report = Soak(vendor, replace(HASTE, seconds=0.5, rate=0.0)).run()
    finally:
        vendor.close()
    assert "found by the end: TransportError" in report.violation
    assert f"--seed {SEED}" in report.violation
    assert report.as_json()["seed"] == SEED


@pytest.mark.parametrize("kinds", [tuple(KINDS), ("answer cut", "503"), ()])
def test_the_command_that_runs_it_again(kinds: tuple[str, ...]) -> None:
    rate = 0.5 if kinds else 0.0
    options = Options(seconds=2.5, seed=7, threads=3, tasks=4, pace=0.02, rate=rate, kinds=kinds)
    words = shlex.split(command("qiniu", options))
    assert words[:3] == ["python", "-m", "tests.soak"]
    assert parsed(words[3:]) == (["qiniu"], options, None)


def test_connections_cannot_break_in_no_way(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parsed(["--rate", "0.1", "--kinds"])
    assert "--kinds" in capsys.readouterr().err


def test_the_seed_and_the_figures_are_told_where_no_run_can_begin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    figures = tmp_path / "figures.json"
    with pytest.raises(FileNotFoundError):
        main(["qiniu", "--seed", "7", "--json", str(figures)])
    assert "seed 7" in capsys.readouterr().out
    assert json.loads(figures.read_text()) == []


def test_faults_follow_from_the_seed() -> None:
    plans = [FaultPlan("1", 0.5), FaultPlan("1", 0.5), FaultPlan("2", 0.5)]
    first, again, other = ([plan(number) for number in range(200)] for plan in plans)
    assert first == again != other
    assert plans[0].chosen.keys() == KINDS.keys()
