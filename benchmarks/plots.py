"""The plots of the page: SVG files, the same bytes for the same figures. They need matplotlib."""

from __future__ import annotations

import importlib
import math
import re
from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

from benchmarks.clients import RAW, SUBJECT, VENDORS
from benchmarks.found import Found
from benchmarks.results import Line, Table

__all__ = ["draw"]

STYLE = {
    "svg.hashsalt": "benchmarks",  # ids of elements are random otherwise
    "svg.fonttype": "none",  # text stays text: smaller, and it can be searched
    "font.family": ["DejaVu Sans"],  # matplotlib brings it, so every machine lays text out alike
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": "white",
}
METADATA = {"Date": None, "Creator": None}

OURS = "#c2410c"
BARS_OF_OTHERS = "#7c8aa0"
CURVES_OF_OTHERS = ("#1d4ed8", "#0e7490", "#4d7c0f", "#6d28d9", "#be185d", "#525252", "#92400e")
LIMIT = "#c4c4c4"
BAR_HEIGHT = 0.27
"""Inches of a figure for each bar."""
NAME_GAP = 0.045
"""Between the names of two curves, of the height of their panel."""

NAME_ROOM = 1.5
"""How much further than its last point a panel of curves goes."""

COMMENT = re.compile(r" *<!--.*?-->\n")
LONG_NUMBER = re.compile(r"\d+\.\d{3,}")


class Plotter:
    """Draws into a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
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
            color=[self._colour(name, BARS_OF_OTHERS) for name in names],
            xerr=[below, above],
            error_kw={"elinewidth": 0.8, "ecolor": "#333333"},
        )
        panel.bar_label(drawn, [figure.shown() for figure in figures], padding=4, fontsize=8)
        panel.set_title(title, loc="left")
        panel.set_xlim(0, max(map(float.__add__, values, above)) * 1.35 or 1)
        panel.xaxis.set_visible(False)
        panel.spines["bottom"].set_visible(False)
        panel.tick_params(axis="y", length=0)

    def curves(self, name: str, table: Table) -> None:
        """A curve for each client, over the lines of a table: its rows begin with a number."""
        figure, panel = self._pyplot.subplots(figsize=(7.2, 4.2), layout="constrained")
        names = list(dict.fromkeys(name for line in table.lines for name in line.figures))
        ends = {}
        for number, client in enumerate(names):
            other = CURVES_OF_OTHERS[number % len(CURVES_OF_OTHERS)]
            ends[client] = self._curve(panel, table.lines, client, self._colour(client, other))
        ticks = [int(line.what.split()[0]) for line in table.lines]
        panel.set_xscale("log", base=2)
        panel.set_xticks(ticks, [str(tick) for tick in ticks])
        panel.set_yscale("log")
        panel.set_xlim(ticks[0], ticks[-1] * NAME_ROOM)
        panel.set_xlabel("threads")
        panel.set_title(table.title, loc="left")
        panel.grid(axis="y", which="major", linewidth=0.4, color="#dddddd")
        self._names(panel, ends)
        self._save(figure, name)

    def _names(self, panel: Any, ends: Mapping[str, tuple[float, str]]) -> None:
        """Of the curves, at their right ends, moved apart where they would cover one another."""
        low, high = (math.log10(limit) for limit in panel.get_ylim())
        last = -math.inf
        for client, (value, colour) in sorted(ends.items(), key=lambda end: end[1][0]):
            height = max((math.log10(value) - low) / (high - low), last + NAME_GAP)
            last = height
            panel.text(0.9, height, client, transform=panel.transAxes, va="center", color=colour)

    def _curve(self, panel: Any, lines: Sequence[Line], client: str, colour: str) -> tuple[float, str]:
        """Where it ends, and its colour."""
        points = [
            (int(line.what.split()[0]), line.figures[client])
            for line in lines
            if client in line.figures
        ]
        counts = [count for count, _ in points]
        values = [figure.value for _, figure in points]
        width = 2.4 if client == SUBJECT else 1.2
        panel.plot(counts, values, color=colour, linewidth=width, marker="o", markersize=3)
        panel.fill_between(
            counts,
            [min(figure.sittings) for _, figure in points],
            [max(figure.sittings) for _, figure in points],
            color=colour,
            alpha=0.15,
            linewidth=0,
        )
        return values[-1], colour

    @staticmethod
    def _colour(client: str, other: str) -> str:
        return {SUBJECT: OURS, RAW: LIMIT}.get(client, other)

    def _save(self, figure: Any, name: str) -> None:
        text = StringIO()
        figure.savefig(text, format="svg", metadata=METADATA)
        self._pyplot.close(figure)
        self._folder.mkdir(exist_ok=True)
        (self._folder / f"{name}.svg").write_text(shortened(text.getvalue()), encoding="utf-8")


def shortened(svg: str) -> str:
    """Without comments and digits that nobody sees."""
    return LONG_NUMBER.sub(lambda number: f"{float(number[0]):.2f}", COMMENT.sub("", svg))


def draw(found: Found, folder: Path) -> None:
    """All plots: a few of each vendor."""
    plotter = Plotter(folder)
    for vendor in VENDORS:
        tables = found.of(vendor)
        parts = {table.part: [each for each in tables if each.part == table.part] for table in tables}
        if "calls" in parts:
            plotter.bars(f"{vendor}-calls", call_panels(parts["calls"]))
        if "threads" in parts:
            plotter.curves(f"{vendor}-threads", parts["threads"][0])
        if "large" in parts:
            plotter.bars(f"{vendor}-large", large_panels(parts["large"]))


def call_panels(tables: Sequence[Table]) -> dict[str, Line]:
    """CPU of each call, and of a page."""
    cpu, _, page = tables
    panels = {f"{line.what}, CPU µs": line for line in cpu.lines}
    return {**panels, "page, CPU µs": page.lines[0]}


def large_panels(tables: Sequence[Table]) -> dict[str, Line]:
    """Speed, and memory where the system tells of its peak; down and up."""
    speed, _, *memory = tables
    panels = {f"{line.what}, MB/s": line for line in speed.lines}
    for growth in memory[1:]:
        panels.update({f"{line.what}, +MiB of memory": line for line in growth.lines})
    return panels
