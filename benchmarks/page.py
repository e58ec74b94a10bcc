"""The page of figures: docs/benchmarks.md, from what a run found.

    python -m benchmarks.page           renews its tables and docs/plots from docs/benchmarks.json
    python -m benchmarks.page --check   fails where a table is not what it would write

Only the text between two marks is touched. Plots need the group `bench`; everything else, the check
included, needs the package alone.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial

from benchmarks.clients import VENDORS
from benchmarks.found import Found
from benchmarks.measuring import ROOT
from benchmarks.results import Ratio
from benchmarks.show import as_markdown

__all__ = ["PAGE", "RESULTS", "render", "write"]

PAGE = ROOT / "docs" / "benchmarks.md"
RESULTS = ROOT / "docs" / "benchmarks.json"
PLOTS = ROOT / "docs" / "plots"

BEGIN = "<!-- {}, by benchmarks/page.py -->"
END = "<!-- end of what benchmarks/page.py wrote -->"

FIGURES = {
    "calls": "CPU time of a small call and of a listed page",
    "threads": "gets a second by the number of threads",
    "large": "speed and memory of large transfers",
}
"""The plots of a vendor, and what a reader hears who cannot see them."""


def run(found: Found) -> str:
    """On what and how it was measured."""
    machine, plan = found.machine, found.plan
    versions = ", ".join(f"{name} {version}" for name, version in found.packages.items())
    return (
        f"{machine['date']}: {machine['cores']} cores of {machine['processor']}, {machine['system']} "
        f"{machine['kernel']}, {machine['python']}; load {machine['load']} when it began; files in "
        f"`{machine['files']}`. {counted(plan['sittings'], 'sitting')}, each with "
        f"{counted(plan['rounds'], 'round')} of {plan['seconds']} s for calls, "
        f"{plan['thread_rounds']} of {plan['thread_seconds']} s for each number of threads, "
        f"{counted(plan['transfers'], 'large transfer')} each way; "
        f"{counted(round(plan['took'] / 60), 'minute')} in all.\n\n{versions}."
    )


def counted(number: float, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def bars(found: Found) -> str:
    """Every bar, and whether it is met."""
    rows = [["", "", "ratio", "bar", ""]]
    for table in found.tables:
        for line in table.lines:
            for ratio in line.ratios:
                if ratio.bound is not None:
                    rows.append([table.subject, f"{table.title}: {line.what}", *held(ratio)])
    return as_markdown(rows)


def held(ratio: Ratio) -> list[str]:
    if ratio.peer is None:
        return [ratio.shown_value(), ratio.shown_bound(), ratio.verdict]
    return [ratio.shown_value(), f"{ratio.shown_bound()} of {ratio.peer}", ratio.verdict]


def tables(subject: str, found: Found) -> str:
    """A vendor's plots and tables, with their notes."""
    blocks = []
    drawn: set[str] = set()
    for table in found.of(subject):
        if subject in VENDORS and table.part in FIGURES and table.part not in drawn:
            drawn.add(table.part)
            blocks.append(f"![{FIGURES[table.part]}](plots/{subject}-{table.part}.svg)")
        blocks += [as_markdown(table.rows()), *table.notes]
    return "\n\n".join(blocks)


BLOCKS: dict[str, Callable[[Found], str]] = {
    "the run": run,
    "the bars": bars,
    **{f"the tables of {name}": partial(tables, name) for name in (*VENDORS, "embedded")},
}


def render(found: Found, text: str) -> str:
    """A page with what was found between its marks."""
    for name, made in BLOCKS.items():
        begin = BEGIN.format(name)
        before, mark, rest = text.partition(begin)
        _, end, after = rest.partition(END)
        if not (mark and end):
            raise SystemExit(f"{PAGE} lacks the mark {begin!r} or the end of it")
        text = f"{before}{begin}\n\n{made(found)}\n\n{END}{after}"
    return text


def write() -> None:
    """Renews the page and its plots."""
    from benchmarks import plots

    found = Found.load(RESULTS)
    PAGE.write_text(render(found, PAGE.read_text("utf-8")), encoding="utf-8")
    plots.draw(found, PLOTS)


def main(arguments: list[str]) -> None:
    if arguments == ["--check"]:
        text = PAGE.read_text("utf-8")
        if render(Found.load(RESULTS), text) != text:
            raise SystemExit(f"out of date: {PAGE}; run python -m benchmarks.page")
    elif arguments:
        raise SystemExit(__doc__)
    else:
        write()


if __name__ == "__main__":
    main(sys.argv[1:])
