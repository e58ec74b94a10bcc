"""What a run of the conformance suite has shown: which capability, of which provider, on which server.

Each process that runs tests notes it with its reports; the one that reads the reports adds it up, and
compares it with ``docs/evidence.json``, from which the matrix of the documentation is made. A run that
has shown something else fails. ``make matrix`` writes the file instead.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Generator, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

FILE = Path(__file__).parent.parent / "docs" / "evidence.json"
OPTION = "--write-evidence"
PROPERTY = "shown"
"""Under which a report carries what its test has shown."""


@dataclass(frozen=True)
class Place:
    """Where the bare driver of a harness ran; wrappers are not counted.

    Attributes:
        provider: the scheme.
        preset: of `S3Config`; else "".
        kind: ``embedded``; ``server``, which others have written; ``simulator``, which we have.
        server: what it calls itself; "" where there is none.
        version: of that.
    """

    provider: str
    preset: str = ""
    kind: str = "embedded"
    server: str = ""
    version: str = ""


def on_package(provider: str, preset: str, server: str, package: str) -> Place:
    """A server that pip has installed."""
    return Place(provider, preset, "server", server, version(package))


Shown = dict[Place, Counter[tuple[str, str]]]
"""How often a test passed, by the capability and ``passed`` or ``refused``."""


def shown_by(item: pytest.Item) -> tuple[Place, list[tuple[str, str]]] | None:
    """What a test that has passed has shown."""
    account: Any = getattr(item, "funcargs", {}).get("account")
    place = getattr(getattr(account, "harness", None), "shown_on", None)
    if place is None:
        return None
    return place, list(_outcomes(item, account.driver.capabilities))


def _outcomes(item: pytest.Item, capabilities: object) -> Iterator[tuple[str, str]]:
    from cloudstore.testing.conformance.capabilities import REFUSED

    names = capabilities_of(item)
    missing = [name for name in names if not getattr(capabilities, name)]
    for name in missing or names:
        if not missing:
            yield name, "passed"
        elif name in REFUSED:  # others are no options, so nothing can be refused
            yield name, "refused"


def capabilities_of(item: pytest.Item) -> tuple[str, ...]:
    """Those that a test of the suite is about."""
    if getattr(item, "originalname", "") == "test_declared_capability_works":
        return (item.callspec.params["name"],)  # type: ignore[attr-defined]
    names: tuple[str, ...] = getattr(getattr(item, "function", None), "needs", ())
    return names


def _may_be_bare(item: pytest.Item) -> bool:
    """Whether the harness has a place; one that is a fixture has, or not, once a test has run.

    Classes with a fixture of their own run under a wrapper: the bare one is their module's.
    """
    harness = getattr(getattr(item, "cls", None), "harness", None)
    return harness is None or getattr(harness, "shown_on", None) is not None


def as_json(shown: Shown) -> list[dict[str, Any]]:
    """The file's entries, in a fixed order."""
    entries = []
    for place in sorted(shown, key=lambda place: tuple(asdict(place).values())):
        counts = shown[place]
        found: dict[str, dict[str, int]] = {}
        for name, outcome in sorted(counts):
            found.setdefault(name, {})[outcome] = counts[name, outcome]
        entries.append({**asdict(place), "capabilities": found})
    return entries


def as_text(evidence: object) -> str:
    """The file, a line to a capability."""
    text = json.dumps(evidence, indent=1)
    return re.sub(r'\{\s+"(\w+)": (\d+)\s+\}', r'{"\1": \2}', text) + "\n"


def differences(shown: Shown, written: list[dict[str, Any]], *, whole: bool) -> list[str]:
    """Where a run and the file disagree; the file may say more than a run of some tests has shown."""
    old = {Place(**{k: v for k, v in e.items() if k != "capabilities"}): e for e in written}
    said = []
    for place in sorted(shown, key=str):
        if place not in old:
            said.append(f"{place} is not in the file")
            continue
        known = {(n, o) for n, found in old[place]["capabilities"].items() for o in found}
        said += [f"{place}: {n} is {o}" for n, o in sorted(set(shown[place]) - known)]
        if whole:
            said += [f"{place}: {n} is no longer {o}" for n, o in sorted(known - set(shown[place]))]
    if whole:
        said += [f"{place} did not run" for place in old if place not in shown]
    return said


class EvidencePlugin:
    """Notes, adds up, and compares or writes."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._writes = bool(config.getoption(OPTION))
        self._shown: Shown = {}
        self._said: list[str] = []

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """A run that writes needs no other tests."""
        if self._writes:
            chosen = [bool(capabilities_of(item)) and _may_be_bare(item) for item in items]
            dropped = [item for item, kept in zip(items, chosen, strict=True) if not kept]
            self._config.hook.pytest_deselected(items=dropped)
            items[:] = [item for item, kept in zip(items, chosen, strict=True) if kept]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if report.when == "call" and report.passed and (found := shown_by(item)):
            place, outcomes = found
            if outcomes:
                report.user_properties.append((PROPERTY, [asdict(place), outcomes]))
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "call":
            return
        for name, value in report.user_properties:
            if name == PROPERTY and isinstance(value, list | tuple):
                counter = self._shown.setdefault(Place(**value[0]), Counter())
                counter.update((capability, outcome) for capability, outcome in value[1])

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        is_worker = hasattr(self._config, "workerinput")
        if is_worker or self._config.option.collectonly or exitstatus != pytest.ExitCode.OK:
            return
        if self._writes:
            evidence = {"date": f"{datetime.now(UTC):%Y-%m-%d}", "shown": as_json(self._shown)}
            FILE.write_text(as_text(evidence), encoding="utf-8")
            return
        written = json.loads(FILE.read_text(encoding="utf-8"))["shown"]
        self._said = differences(self._shown, written, whole=self._is_whole())
        if self._said:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _is_whole(self) -> bool:
        options = self._config.option
        chosen = options.keyword or options.markexpr or getattr(options, "lf", False)
        return self._config.args_source is pytest.Config.ArgsSource.TESTPATHS and not chosen

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for line in self._said:
            terminalreporter.write_line(f"docs/evidence.json: {line}", red=True)
        if self._said:
            terminalreporter.write_line("This run has shown something else: make matrix", red=True)
