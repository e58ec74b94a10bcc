"""What a run of the benchmarks says: figures of several sittings, ratios, bars, and their file."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.found import Found
from benchmarks.results import FASTEST, Bar, Draft, Table


def drafted(*sittings: dict[str, list[float]], bars: list[Bar] | None = None) -> Table:
    draft = Draft("s3", "calls", "CPU µs a call")
    for samples in sittings:
        draft.add("get", samples, bars or [])
        draft.note("b sends 2 requests for one get.", "b sends 2 requests for one get.")
    return draft.table("a", ["raw"])


def test_the_best_round_of_a_sitting_counts() -> None:
    [line] = drafted({"a": [40, 30, 50]}).lines
    assert line.figures["a"].sittings == [30]
    assert line.figures["a"].median == 40


def test_sittings_that_differ_are_shown_as_a_range() -> None:
    rows = drafted({"a": [40], "b": [43]}, {"a": [41], "b": [85]}, {"a": [40], "b": [80]}).rows()
    assert rows == [["CPU µs a call", "a", "b"], ["get", "40", "43–85"]]


@pytest.mark.parametrize(
    ("peer", "verdict"),
    [([100.0, 100.0], "met"), ([100.0, 50.0], "met 1 of 2"), ([50.0, 50.0], "MISSED")],
)
def test_a_bar_is_met_in_every_sitting_or_in_some_or_in_none(peer: list[float], verdict: str) -> None:
    sittings = [{"a": [40.0], "b": [value]} for value in peer]
    [line] = drafted(*sittings, bars=[Bar("b", 0.5)]).lines
    assert [ratio.verdict for ratio in line.ratios] == [verdict]


def test_the_fastest_peer_is_neither_ours_nor_a_bystander() -> None:
    bar = Bar(FASTEST, 0.95, at_least=True)
    [line] = drafted({"a": [96], "b": [50], "c": [100], "raw": [900]}, bars=[bar]).lines
    assert [(ratio.value, ratio.verdict) for ratio in line.ratios] == [(0.96, "met")]


def test_without_a_bound_there_is_a_ratio_and_no_verdict() -> None:
    table = drafted({"a": [10], "b": [120]}, bars=[Bar("b"), Bar("absent", 1)])
    assert table.rows()[1] == ["get", "10", "120", "1/12"]


def test_our_own_figure_can_be_held_to_a_bar() -> None:
    rows = drafted({"a": [28], "b": [50]}, bars=[Bar(None, 30)]).rows()
    assert rows == [["CPU µs a call", "a", "b", "bar"], ["get", "28", "50", "(≤ 30) met"]]


def test_the_file_keeps_all_that_was_found(tmp_path: Path) -> None:
    table = drafted({"a": [40], "b": [43]}, {"a": [41], "b": [85]}, bars=[Bar("b", 0.7)])
    found = Found({"cores": 2}, {"a": "1.0"}, {"sittings": 2}, [table])
    found.save(tmp_path / "new" / "results.json")
    kept = Found.load(tmp_path / "new" / "results.json")
    assert kept == found
    assert kept.tables[0].notes == ["b sends 2 requests for one get."]
