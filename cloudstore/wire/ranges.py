"""Ranges of bytes as HTTP writes them: RFC 9110 §14. Pure."""

from __future__ import annotations

import re

from ..driver import Response
from ..errors import UnexpectedResponseError
from ..model import ByteRange

__all__ = ["answered_range", "range_header", "stated_length"]

_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,19})-([0-9]{1,19})/([0-9]{1,19})\Z")


def range_header(span: ByteRange) -> str:
    """A range as RFC 9110 §14.1.2 writes it: with its last byte."""
    if span.start < 0:
        return f"bytes={span.start}"
    return f"bytes={span.start}-" if span.end is None else f"bytes={span.start}-{span.end - 1}"


def stated_length(answer: Response) -> int:
    """How long an object is.

    Raises:
        UnexpectedResponseError: the answer does not say.
    """
    try:
        length = int(answer.headers["content-length"])
    except (KeyError, ValueError):
        length = -1
    if length < 0:
        raise UnexpectedResponseError("the answer does not say how long the object is")
    return length


def answered_range(span: ByteRange, answer: Response) -> tuple[int, int, int]:
    """Which bytes the answer to a GET holds, and how many the whole object has: start, end, size.

    Raises:
        RangeNotSatisfiableError, UnexpectedResponseError: they are not those that were asked for.
    """
    if answer.status == 206:
        found = _CONTENT_RANGE.match(answer.headers.get("content-range", ""))
        if found is not None:
            start, end, size = int(found[1]), int(found[2]) + 1, int(found[3])
        elif span.start < 0 and stated_length(answer) == 0:
            start = end = size = 0  # of nothing no range can be written, yet it was answered
        else:
            raise UnexpectedResponseError("a part of the object came, and not which")
    else:
        start, size = 0, stated_length(answer)
        end = size
    if (start, end) != span.resolve(size):
        raise UnexpectedResponseError(f"the bytes {start} to {end} came, which were not asked for")
    return start, end, size
