"""What holds for every test: the same small world for all, and none that does not run.

Nothing of the developer's machine reaches a test (proxies, credentials, profiles, the home folder), and
a test that was skipped or expected to fail fails the run: whatever is in the suite must hold.

Real servers start when the first test asks for them, once in each process that runs tests.
"""

from __future__ import annotations

import gc
import os
import resource
import shutil
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.evidence import OPTION, EvidencePlugin
from tests.servers.ministack_server import Ministack
from tests.servers.swift_server import Swift

DESCRIPTORS = 4096
"""Open files that a test may need at a time: macOS gives a shell 256."""

FOREIGN = ("AWS_", "CLOUDSTORE_", "OS_", "ST_", "SWIFT_", "SWIFTCLIENT_", "XDG_")
"""How the names of variables begin that clients of storage read."""
HOME = pytest.StashKey[Path]()


@pytest.fixture(scope="session")
def ministack() -> Iterator[Ministack]:
    with Ministack() as server:
        yield server


@pytest.fixture(scope="session")
def second_ministack() -> Iterator[Ministack]:
    with Ministack() as server:
        yield server


@pytest.fixture(scope="session")
def swift() -> Iterator[Swift]:
    with Swift() as server:
        yield server


@pytest.fixture(scope="session")
def second_swift() -> Iterator[Swift]:
    with Swift() as server:
        yield server


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(OPTION, action="store_true", help="write docs/evidence.json: make matrix")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(EvidencePlugin(config))
    for name in list(os.environ):
        upper = name.upper()
        if upper.endswith("_PROXY") or upper.startswith(FOREIGN):
            del os.environ[name]
    home = Path(tempfile.mkdtemp(prefix="cloudstore-home-"))
    config.stash[HOME] = home
    os.environ["HOME"] = str(home)
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def pytest_collection_finish() -> None:
    """What was collected stays: no later collection of garbage need look through 33,000 tests."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure(config: pytest.Config) -> None:
    shutil.rmtree(config.stash[HOME], ignore_errors=True)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if report.skipped:
        _fail(report)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped or hasattr(report, "wasxfail"):
        _fail(report)
    return report


def _fail(report: pytest.TestReport | pytest.CollectReport) -> None:
    why = getattr(report, "wasxfail", None) or report.longrepr
    if hasattr(report, "wasxfail"):
        del report.wasxfail
    report.outcome = "failed"
    report.longrepr = f"no test of this suite is skipped or expected to fail: {why}"
