"""The plots of the page: SVG files, the same bytes for the same figures. They need matplotlib."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.found import Found
from benchmarks.results import Line, Table

__all__ = ["draw"]

STYLE = {
    "svg.hashsalt": "benchmarks",  # ids of elements are random otherwise
    "svg.fonttype": "none",  # text stays text: smaller, and it can be searched
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": "white",
}
METADATA = {"Date": None, "Creator": None}

OURS = "#c2410c"
"""The colour of the subject; the others share a few quiet ones."""
OTHERS = ("#1d4ed8", "#0e7490", "#4d7c0f", "#6d28d9", "#be185d", "#525252", "#92400e")
LIMIT = "#bbbbbb"
BAR_HEIGHT = 0.27
"""Inches of a figure for each bar."""


class Plotter:
    """Draws with one palette.

    Args:
        subject: the client that stands out.
        limit: the one that is none.
    """

    def __init__(self, folder: Path, subject: str, limit: str) -> None:
        self._folder = folder
        self._subject = subject
        self._limit = limit
        matplotlib: Any = importlib.import_module("matplotlib")
        matplotlib.use("svg")
        matplotlib.rcParams.update(STYLE)
        self._pyplot: Any = importlib.import_module("matplotlib.pyplot")

    def bars(self, name: str, panels: Mapping[str, Line]) -> None:
        """A panel of horizontal bars for each line. A thin mark shows where sittings differed."""
        height = 0.7 + BAR_HEIGHT * max(len(line.figures) for line in panels.values())
        figure, axes = self._pyplot.subplots(
            1, len(panels), figsize=(9.6, height), layout="constrained", squeeze=False
        )
        for panel, (title, line) in zip(axes[0], panels.items(), strict=True):
            self._bars(panel, title, line)
        self._save(figure, name)

    def _bars(self, panel: Any, title: str, line: Line) -> None:
        names = list(line.figures)[::-1]
        figures = [line.figures[name] for name in names]
        values = [figure.value for figure in figures]
        below = [figure.value - min(figure.sittings) for figure in figures]
        above = [max(figure.sittings) - figure.value for figure in figures]
        drawn = panel.barh(
            names,
            values,
            color=[self._colour(name, 0) if name != self._limit else LIMIT for name in names],
            xerr=[below, above],
            error_kw={"elinewidth": 0.8, "ecolor": "#333333"},
        )
        panel.bar_label(drawn, [figure.shown() for figure in figures], padding=4, fontsize=8)
        panel.set_title(title, loc="left")
        panel.set_xlim(0, max(map(float.__add__, values, above)) * 1.35 or 1)
        panel.xaxis.set_visible(False)
        panel.spines["bottom"].set_visible(False)
        panel.tick_params(axis="y", length=0)

    def curves(self, name: str, title: str, table: Table) -> None:
        """A curve for each client, over the lines of a table: its rows begin with a number."""
        figure, panel = self._pyplot.subplots(figsize=(7.2, 4.2), layout="constrained")
        names = list(dict.fromkeys(name for line in table.lines for name in line.figures))
        for number, client in enumerate(name for name in names if name != self._limit):
            self._curve(panel, table.lines, client, self._colour(client, number))
        if self._limit in names:
            self._curve(panel, table.lines, self._limit, LIMIT)
        ticks = [int(line.what.split()[0]) for line in table.lines]
        panel.set_xscale("log", base=2)
        panel.set_xticks(ticks, [str(tick) for tick in ticks])
        panel.set_yscale("log")
        panel.set_xlim(ticks[0], ticks[-1] * 1.6)
        panel.set_xlabel("threads")
        panel.set_title(title, loc="left")
        panel.grid(axis="y", which="major", linewidth=0.4, color="#dddddd")
        self._save(figure, name)

    def _curve(self, panel: Any, lines: Sequence[Line], client: str, colour: str) -> None:
        points = [
            (int(line.what.split()[0]), line.figures[client])
            for line in lines
            if client in line.figures
        ]
        counts = [count for count, _ in points]
        values = [figure.value for _, figure in points]
        width = 2.4 if client == self._subject else 1.2
        panel.plot(counts, values, color=colour, linewidth=width, marker="o", markersize=3)
        panel.fill_between(
            counts,
            [min(figure.sittings) for _, figure in points],
            [max(figure.sittings) for _, figure in points],
            color=colour,
            alpha=0.15,
            linewidth=0,
        )
        panel.annotate(
            client,
            (counts[-1], values[-1]),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            color=colour,
            fontsize=8,
        )

    def _colour(self, client: str, number: int) -> str:
        return OURS if client == self._subject else OTHERS[(number - 1) % len(OTHERS)]

    def _save(self, figure: Any, name: str) -> None:
        self._folder.mkdir(exist_ok=True)
        figure.savefig(self._folder / f"{name}.svg", metadata=METADATA)
        self._pyplot.close(figure)


def draw(found: Found, folder: Path, subject: str, limit: str) -> None:
    """All plots, a few of each vendor."""
    plotter = Plotter(folder, subject, limit)
    parts: dict[tuple[str, str], list[Table]] = {}
    for table in found.tables:
        parts.setdefault((table.subject, table.part), []).append(table)
    for (vendor, part), tables in parts.items():
        name = f"{vendor}-{part}"
        if part == "threads":
            plotter.curves(name, "gets of 1 KiB a second", tables[0])
        elif part == "large":
            plotter.bars(name, large_panels(tables))
        elif part == "calls" and len(tables) > 2:
            plotter.bars(name, call_panels(tables))


def call_panels(tables: Sequence[Table]) -> dict[str, Line]:
    """CPU of each call, and of a page."""
    cpu, _, page = tables
    panels = {f"{line.what}, CPU µs": line for line in cpu.lines}
    return {**panels, "page, CPU µs": page.lines[0]}


def large_panels(tables: Sequence[Table]) -> dict[str, Line]:
    """Speed and memory, down and up."""
    speed, _, growth = tables
    panels = {f"{line.what}, MB/s": line for line in speed.lines}
    return {**panels, **{f"{line.what}, MiB of memory": line for line in growth.lines}}
