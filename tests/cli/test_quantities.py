"""Sizes, durations and times as users write and read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click
import pytest

from cloudstore.cli.quantities import human_size, parse_duration, parse_moment, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("500", 500), ("10K", 10240), ("1.5M", 3 << 19), ("2GiB", 2 << 30), ("1kb", 1024)],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("15m", 900), ("12h", 43200), ("7d", 604800), ("1d12h", 129600)],
)
def test_durations(text: str, seconds: int) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


def test_moments() -> None:
    assert parse_moment("2026-05-24T09:52:16Z") == datetime(2026, 5, 24, 9, 52, 16, tzinfo=UTC)
    assert parse_moment("2026-05-24").tzinfo is not None
    assert timedelta(hours=1) < datetime.now(UTC) - parse_moment("2h") < timedelta(hours=3)


@pytest.mark.parametrize("parse", [parse_size, parse_duration, parse_moment])
@pytest.mark.parametrize("text", ["", "x", "-1", "1y", "10 apples"])
def test_nonsense_is_refused_with_the_right_form(parse: object, text: str) -> None:
    assert callable(parse)
    with pytest.raises(click.BadParameter, match="write"):
        parse(text)


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (3 << 20, "3.0 MiB"), (5 << 60, "5.0 EiB")],
)
def test_sizes_are_read_easily(size: int, text: str) -> None:
    assert human_size(size) == text
