"""All that a run found, and the file that keeps it: a line of JSON for each table."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.results import Table

__all__ = ["Found"]


@dataclass(frozen=True)
class Found:
    """The figures of a run.

    Attributes:
        machine: what it ran on, and when.
        packages: versions.
        plan: how long what was measured; ``took`` is the seconds of all of it.
    """

    machine: Mapping[str, str | int | float]
    packages: Mapping[str, str]
    plan: Mapping[str, float]
    tables: Sequence[Table]

    def of(self, subject: str) -> list[Table]:
        """The tables of a vendor, or of what else was measured."""
        return [table for table in self.tables if table.subject == subject]

    def save(self, path: Path) -> None:
        """Into a file that a person can read as well."""
        head = {"machine": self.machine, "packages": self.packages, "plan": self.plan}
        begin = "".join(f"{json.dumps(key)}: {json.dumps(value)},\n" for key, value in head.items())
        tables = ",\n".join(json.dumps(table.record(), ensure_ascii=False) for table in self.tables)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'{{\n{begin}"tables": [\n{tables}\n]\n}}\n', encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Found:
        """What `save` wrote."""
        record = json.loads(path.read_text(encoding="utf-8"))
        tables = [Table.from_record(table) for table in record.pop("tables")]
        return cls(**record, tables=tables)
