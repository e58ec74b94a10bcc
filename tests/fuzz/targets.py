"""All targets, by name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from .answers import ANSWERS
from .bodies import BODIES, CHUNKS
from .documents import ROWS, TEXTS, XML
from .exchanges import EXCHANGES
from .heads import HEADS
from .target import Target

__all__ = ["TARGETS", "found_inputs"]

_ALL = (HEADS, BODIES, CHUNKS, XML, ROWS, TEXTS, ANSWERS, EXCHANGES)
TARGETS: Mapping[str, Target] = MappingProxyType({target.name: target for target in _ALL})

_FOUND = Path(__file__).with_name("seeds")


def found_inputs(name: str) -> list[Path]:
    """What a fuzzer has found for a target in its time: ``seeds/<target>/<what it was>``."""
    return sorted((_FOUND / name).glob("*"))
