"""Dates as vendors write them in headers and XML, and the pause that they ask for. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType

__all__ = ["http_date", "http_time", "iso_time", "retry_after"]

_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Mapping[str, str] = MappingProxyType({n: f"{i:02}" for i, n in enumerate(_NAMES, 1)})


def http_date(moment: datetime) -> str:
    """An aware moment as ``Wed, 21 Oct 2015 07:28:00 GMT`` (RFC 9110 §5.6.7), in English anywhere."""
    utc = moment.astimezone(UTC)
    day, month = _DAYS[utc.weekday()], _NAMES[utc.month - 1]
    return f"{day}, {utc.day:02} {month} {utc.year:04} {utc:%H:%M:%S} GMT"


def http_time(text: str | None) -> datetime | None:
    """``Wed, 21 Oct 2015 07:28:00 GMT``, taken apart by hand: `email` takes seven times as long."""
    if text is None:
        return None
    try:
        month = _MONTHS[text[8:11]]
        return datetime.fromisoformat(f"{text[12:16]}-{month}-{text[5:7]}T{text[17:25]}Z")
    except (ValueError, KeyError):
        return None


def iso_time(text: str | None) -> datetime | None:
    """``2009-10-12T17:50:30.000Z``; without a zone it is UTC."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The pause asked for, in seconds; a date counts from that of the answer (RFC 9110 §10.2.3)."""
    text = headers.get("retry-after")
    if text is None:
        return None
    if text.isascii() and text.isdigit():
        return float(text)
    until, sent = http_time(text), http_time(headers.get("date"))
    return None if until is None or sent is None else max(0.0, (until - sent).total_seconds())
