"""Sizes, durations and times as users write them, and as they are shown to them. Pure but for the clock
that an age is counted from."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import click

__all__ = ["human_size", "human_time", "parse_duration", "parse_moment", "parse_size"]

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_DURATION = re.compile(r"(?:(\d+)([smhdw]))+")


def human_size(size: float) -> str:
    """``"1.5 MiB"``."""
    for unit in _UNITS[:-1]:
        if size < 1024:
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} {_UNITS[-1]}"


def human_time(moment: datetime | None) -> str:
    """``"2026-05-24 09:52:16"`` of this machine's time zone; blanks where there is none."""
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S}" if moment is not None else " " * 19


def parse_size(text: str) -> int:
    """Bytes; K, M, G, … are powers of 1024.

    Raises:
        click.BadParameter
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGTPE]?)i?B?", text, re.IGNORECASE)
    if match is None:
        raise click.BadParameter(f"{text!r} is no size: write 500, 10K, 1.5M, 2GiB (K is 1024)")
    return int(float(match[1]) * 1024 ** "BKMGTPE".index(match[2].upper() or "B"))


def parse_duration(text: str) -> timedelta:
    """A length of time.

    Raises:
        click.BadParameter
    """
    seconds = _seconds(text)
    if seconds is None:
        raise click.BadParameter(f"{text!r} is no duration: write 90s, 15m, 12h, 7d, 2w or 1d12h")
    return timedelta(seconds=seconds)


def parse_moment(text: str) -> datetime:
    """A date, or how long ago.

    Raises:
        click.BadParameter
    """
    seconds = _seconds(text)
    try:
        if seconds is not None:
            return datetime.now(UTC) - timedelta(seconds=seconds)
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        raise click.BadParameter(
            f"{text!r} is no time: write an age (90s, 15m, 12h, 7d, 2w) or a date (2026-05-24, "
            "2026-05-24T09:52:16Z)"
        ) from None


def _seconds(text: str) -> int | None:
    if text.isdecimal() and text.isascii():
        return int(text)
    if not _DURATION.fullmatch(text):
        return None
    return sum(int(number) * _SECONDS[unit] for number, unit in re.findall(r"(\d+)([smhdw])", text))
