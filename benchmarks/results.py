"""What a benchmark of clients found: figures, what they are held to, tables of them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.clients import CLIENTS, RAW, SUBJECT
from benchmarks.measuring import verdict

__all__ = ["FASTEST", "Bar", "Figures", "Line", "Table"]

FASTEST = "fastest"
"""Among the peers, the one with the highest figure."""

Values = Mapping[str, float]


@dataclass(frozen=True)
class Figures:
    """Of each client that was measured.

    Attributes:
        best: of its best round. Where the machine does something else as well this is what stays
            the same from run to run, and it is what counts.
        median: of its median round.
    """

    best: Values
    median: Values = field(default_factory=dict)


@dataclass(frozen=True)
class Bar:
    """A bound on the ratio of our figure to a peer's, or on our figure itself.

    Attributes:
        peer: None is for our figure itself.
    """

    peer: str | None
    bound: float
    at_least: bool = False

    def ratio(self, values: Values) -> float | None:
        """None where one of the two was not measured."""
        if SUBJECT not in values:
            return None
        if self.peer is None:
            return values[SUBJECT]
        peers = {name: value for name, value in values.items() if name not in (SUBJECT, RAW)}
        peer = max(peers.values(), default=None) if self.peer == FASTEST else peers.get(self.peer)
        return None if peer is None else values[SUBJECT] / peer

    def is_met(self, ratio: float) -> bool:
        return ratio >= self.bound if self.at_least else ratio <= self.bound

    def heading(self) -> list[str]:
        return ["bar"] if self.peer is None else [f"vs. {self.peer}", "medians"]

    def cells(self, figures: Figures) -> list[str]:
        """Ratio, bound and verdict; the ratio of the medians beside them."""
        ratio, median = self.ratio(figures.best), self.ratio(figures.median)
        bound = f"{'≥' if self.at_least else '≤'} {as_ratio(self.bound)}"
        if self.peer is None:
            return ["" if ratio is None else f"{bound} {verdict(self.is_met(ratio))}"]
        return [
            "" if ratio is None else f"{as_ratio(ratio)} ({bound}) {verdict(self.is_met(ratio))}",
            "" if median is None else as_ratio(median),
        ]

    def record(self, figures: Figures) -> dict[str, object]:
        ratio = self.ratio(figures.best)
        return {
            "peer": self.peer,
            "at_least" if self.at_least else "at_most": self.bound,
            "ratio": ratio,
            "ratio_of_medians": self.ratio(figures.median),
            "met": None if ratio is None else self.is_met(ratio),
        }


def as_ratio(value: float) -> str:
    if value < 0.2:
        return f"1/{1 / value:.1f}".removesuffix(".0")
    return f"{value:.2f}" if value < 10 else f"{value:.1f}".removesuffix(".0")


@dataclass(frozen=True)
class Line:
    """A row of a table."""

    what: str
    figures: Figures
    bars: Sequence[Bar] = ()


@dataclass
class Table:
    """A part of a run.

    Attributes:
        notes: what a reader must know, sentences.
    """

    title: str
    lines: list[Line] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def rows(self) -> list[list[str]]:
        """As text, the heading first; a client that no line has is left out."""
        names = [
            name for name in (*CLIENTS, RAW) if any(name in line.figures.best for line in self.lines)
        ]
        bars = {bar.peer: bar for line in self.lines for bar in line.bars}
        heading = [cell for bar in bars.values() for cell in bar.heading()]
        rows = [[self.title, *names, *heading]]
        for line in self.lines:
            row = [line.what]
            for name in names:
                row.append(f"{line.figures.best[name]:,.0f}" if name in line.figures.best else "–")
            held_to = {bar.peer: bar.cells(line.figures) for bar in line.bars}
            for peer, bar in bars.items():
                row += held_to.get(peer, [""] * len(bar.heading()))
            rows.append(row)
        return rows

    def record(self) -> dict[str, Any]:
        """For JSON."""
        lines = [
            {
                "what": line.what,
                "best": line.figures.best,
                "median": line.figures.median,
                "bars": [bar.record(line.figures) for bar in line.bars],
            }
            for line in self.lines
        ]
        return {"title": self.title, "lines": lines, "notes": self.notes}
