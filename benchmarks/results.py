"""What a run found: figures, ratios and what they are held to, as JSON and as tables. Pure.

A run goes through all of its parts several times, minutes apart; each time is a sitting, and in each
the clients take turns in rounds. The best round of a sitting is its figure: where the machine does
something else as well this is what stays the same. What differs from sitting to sitting is shown as a
range.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["FASTEST", "Bar", "Draft", "Figure", "Line", "Ratio", "Samples", "Table"]

FASTEST = "fastest"
"""Among the peers, the one with the highest figure."""

SAME = 0.08
"""Sittings that differ by no more of their figure are shown as one."""

SMALL_RATIO = 0.26
"""Below it a ratio is shown as a fraction."""

Samples = Mapping[str, Sequence[float]]
"""Of each client, a value for each round of a sitting."""


# --- what was found -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Figure:
    """Of one client.

    Attributes:
        sittings: the best round of each.
        median: of all rounds.
    """

    sittings: Sequence[float]
    median: float

    @property
    def value(self) -> float:
        """The middle one of the sittings."""
        return statistics.median(self.sittings)

    def shown(self) -> str:
        low, high = min(self.sittings), max(self.sittings)
        if high - low <= SAME * high or as_figure(low) == as_figure(high):
            return as_figure(self.value)
        return f"{as_figure(low)}–{as_figure(high)}"


@dataclass(frozen=True)
class Ratio:
    """Our figure to a peer's, and the bound it is held to.

    Attributes:
        peer: None is for our figure itself.
        bound: None where the ratio is held to nothing.
        at_least: the bound is the lowest that will do, else the highest.
        sittings: the ratio in each of them.
        medians: the ratio of the medians of all rounds.
    """

    peer: str | None
    bound: float | None
    at_least: bool
    sittings: Sequence[float]
    medians: float | None

    @property
    def value(self) -> float:
        return statistics.median(self.sittings)

    @property
    def met(self) -> int:
        """In how many sittings."""
        if self.bound is None:
            return 0
        bound = self.bound
        return sum(value >= bound if self.at_least else value <= bound for value in self.sittings)

    @property
    def verdict(self) -> str:
        if self.bound is None:
            return ""
        if self.met == len(self.sittings):
            return "met"
        return f"met {self.met} of {len(self.sittings)}" if self.met else "MISSED"

    def shown(self) -> str:
        """The ratio, its range and the bound, with the verdict."""
        text = "" if self.peer is None else self.shown_value() + " "
        return text if self.bound is None else f"{text}({self.shown_bound()}) {self.verdict}"

    def shown_value(self) -> str:
        small = self.value < SMALL_RATIO
        low, high = as_ratio(min(self.sittings), small), as_ratio(max(self.sittings), small)
        return low if low == high else f"{as_ratio(self.value, small)} [{low}–{high}]"

    def shown_bound(self) -> str:
        if self.bound is None:
            return ""
        small = self.bound < SMALL_RATIO
        return f"{'≥' if self.at_least else '≤'} {as_ratio(self.bound, small)}"


def as_figure(value: float) -> str:
    return f"{value:.1f}" if value < 10 else f"{value:,.0f}"


def as_ratio(value: float, small: bool) -> str:
    if small and value:
        return f"1/{1 / value:.1f}".removesuffix(".0")
    return f"{value:.2f}" if value < 10 else f"{value:.1f}".removesuffix(".0")


@dataclass(frozen=True)
class Line:
    """A row of a table: a figure of each client, and how ours compares."""

    what: str
    figures: Mapping[str, Figure]
    ratios: Sequence[Ratio] = ()


@dataclass(frozen=True)
class Table:
    """A part of a run.

    Attributes:
        subject: the vendor, or what else was measured.
        part: what a plot finds it by, with ``title``.
        notes: what a reader must know, sentences.
    """

    subject: str
    part: str
    title: str
    lines: Sequence[Line]
    notes: Sequence[str] = ()

    def rows(self) -> list[list[str]]:
        """As text, the heading first; a client that no line has is left out."""
        names = list(dict.fromkeys(name for line in self.lines for name in line.figures))
        peers = list(dict.fromkeys(ratio.peer for line in self.lines for ratio in line.ratios))
        headings = ["bar" if peer is None else f"vs. {peer}" for peer in peers]
        rows = [[self.title, *names, *headings]]
        for line in self.lines:
            figures = [line.figures[name].shown() if name in line.figures else "–" for name in names]
            shown = {ratio.peer: ratio.shown().strip() for ratio in line.ratios}
            rows.append([line.what, *figures, *(shown.get(peer, "") for peer in peers)])
        return rows

    def record(self) -> dict[str, Any]:
        """For JSON; verdicts are in it for whoever reads that."""
        made = asdict(self)
        for line, kept in zip(self.lines, made["lines"], strict=True):
            for ratio, entry in zip(line.ratios, kept["ratios"], strict=True):
                entry["verdict"] = ratio.verdict
        return made

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Table:
        """What `record` made."""
        lines = [
            Line(
                line["what"],
                {name: Figure(**figure) for name, figure in line["figures"].items()},
                [
                    Ratio(**{key: value for key, value in ratio.items() if key != "verdict"})
                    for ratio in line["ratios"]
                ],
            )
            for line in record["lines"]
        ]
        return cls(record["subject"], record["part"], record["title"], lines, record["notes"])


# --- while it is being found ----------------------------------------------------------------------


@dataclass(frozen=True)
class Bar:
    """What our figure is compared with, and the bound on the ratio.

    Attributes:
        peer: a client, `FASTEST`, or None for our figure itself.
        bound: None compares only.
    """

    peer: str | None
    bound: float | None = None
    at_least: bool = False

    def ratio(self, ours: float, peers: Mapping[str, float]) -> float | None:
        """None where the peer was not measured."""
        if self.peer is None:
            return ours
        peer = max(peers.values(), default=None) if self.peer == FASTEST else peers.get(self.peer)
        return ours / peer if peer else None


@dataclass
class Series:
    """A line in the making: the samples of each sitting so far."""

    best: Callable[[Iterable[float]], float]
    bars: Sequence[Bar]
    sittings: list[Samples] = field(default_factory=list)

    def figures(self) -> dict[str, Figure]:
        names = dict.fromkeys(name for samples in self.sittings for name in samples)
        found = {
            name: [samples[name] for samples in self.sittings if samples.get(name)] for name in names
        }
        return {
            name: Figure(
                [rounded(self.best(rounds)) for rounds in sittings],
                rounded(statistics.median(value for rounds in sittings for value in rounds)),
            )
            for name, sittings in found.items()
            if sittings
        }

    def ratios(self, ours: str, bystanders: Sequence[str]) -> list[Ratio]:
        found = []
        figures = self.figures()
        medians = {name: figure.median for name, figure in figures.items()}
        for bar in self.bars:
            sittings = []
            for samples in self.sittings:
                values = {name: self.best(rounds) for name, rounds in samples.items() if rounds}
                ratio = self._ratio(bar, values, ours, bystanders)
                if ratio is not None:
                    sittings.append(rounded(ratio))
            if sittings:
                median = self._ratio(bar, medians, ours, bystanders)
                kept = None if median is None else rounded(median)
                found.append(Ratio(bar.peer, bar.bound, bar.at_least, sittings, kept))
        return found

    def _ratio(
        self, bar: Bar, values: Mapping[str, float], ours: str, bystanders: Sequence[str]
    ) -> float | None:
        if ours not in values:
            return None
        peers = {name: value for name, value in values.items() if name not in (ours, *bystanders)}
        return bar.ratio(values[ours], peers)


def rounded(value: float) -> float:
    """Four digits: more would be noise, and grow the file."""
    return float(f"{value:.4g}")


@dataclass
class Draft:
    """A table in the making."""

    subject: str
    part: str
    title: str
    series: dict[str, Series] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(
        self,
        what: str,
        samples: Samples,
        bars: Sequence[Bar] = (),
        best: Callable[[Iterable[float]], float] = min,
    ) -> None:
        """A sitting's samples of a line."""
        self.series.setdefault(what, Series(best, bars)).sittings.append(samples)

    def note(self, *sentences: str) -> None:
        """Adds those that are not there yet."""
        self.notes += [each for each in dict.fromkeys(sentences) if each not in self.notes]

    def table(self, ours: str, bystanders: Sequence[str] = ()) -> Table:
        """What was found; ``bystanders`` are measured, but nobody's peers."""
        lines = [
            Line(what, figures, series.ratios(ours, bystanders))
            for what, series in self.series.items()
            if (figures := series.figures())
        ]
        return Table(self.subject, self.part, self.title, lines, self.notes)
