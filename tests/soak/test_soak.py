"""The soak holds for a while, with a seed; and finds out each driver that is wrong on purpose."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from cloudstore import Timeouts

from .broken import BROKEN, LATE, Broken
from .faults import KINDS, FaultPlan
from .growth import MIB, Allowance
from .run import Options, Soak
from .vendors import S3, VENDORS, Swift, Through, Vendor

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


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.driver.__name__)
def test_a_broken_driver_is_found_out(s3: Vendor, broken: Broken) -> None:
    rate = 0.5 if broken.faults else 0.0
    report = Soak(s3, replace(HASTE, change=broken.driver, rate=rate, kinds=broken.faults)).run()
    print(report.violation)
    assert any(words in report.violation for words in broken.says), report.table()
    assert f"--seed {SEED}" in report.violation


def test_faults_follow_from_the_seed() -> None:
    plans = [FaultPlan("1", 0.5), FaultPlan("1", 0.5), FaultPlan("2", 0.5)]
    first, again, other = ([plan(number) for number in range(200)] for plan in plans)
    assert first == again != other
    assert plans[0].chosen.keys() == KINDS.keys()
