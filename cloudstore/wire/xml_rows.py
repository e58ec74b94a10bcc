"""Long lists in XML answers, read by the shape of their rows. Pure.

A service writes every row of a listing in the same way. So the first row is taken apart, its shape
becomes a regular expression, and that takes all rows like it apart at once, in a fifth of the time of
a parser that builds a tree. Whatever a parser might see differently is left to the parser (`xml`),
which also judges what is malformed: anything unusual anywhere is a reason to ask it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice, repeat
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

from .xml import MAX_XML_BYTES, XmlNode, read_xml

__all__ = ["read_rows"]

MAX_ROW_CHARS = 16 * 1024
"""A longer first row is left to the parser; one of S3 has 300 characters, and a key of up to 3 KiB."""
MAX_SHAPES = 4
"""A listing of more is left to the parser: making a pattern costs as much as reading 300 rows."""

_SPACES = " \t\r\n"
_SPACE = f"[{_SPACES}]*"
_TEXT = r"[^<>\x00-\x08\x0b-\x1f]*"
"""What every parser sees as it stands: no end of line that it would normalise, no end of a section."""
_PASSED_BY = r"[^<>&\x00-\x08\x0b-\x1f]*"
"""Text that nobody asked for; references in it are for the parser to judge."""
_NONCHARACTERS = re.compile("[\ufffe\uffff]")
"""What XML cannot hold, besides controls; text of UTF-8 has no surrogates."""
_NAME = r"[A-Za-z_][A-Za-z0-9_.-]*"
_BEFORE = re.compile(
    r'(?:<\?xml version="1\.0"(?: encoding="(?:UTF|utf)-8")?(?: standalone="(?:yes|no)")? ?\?>)?'
    rf'{_SPACE}<{_NAME}(?: xmlns="[^"<&]*")? ?>'
    rf"(?:{_SPACE}<({_NAME})>{_PASSED_BY}</\1>|{_SPACE}<{_NAME} ?/>)*{_SPACE}\Z"
)
"""What stands before the rows: the beginning of the root, and elements that hold text only."""
_TAG = re.compile(rf"<(?:(/)?({_NAME})|({_NAME}) ?/)>")
_ENTITY = re.compile(r"&(?:(amp|lt|gt|apos|quot)|#(\d{1,7})|#x([0-9a-fA-F]{1,6}));")
_ENTITIES: Mapping[str, str] = MappingProxyType(
    {"amp": "&", "lt": "<", "gt": ">", "apos": "'", "quot": '"'}
)
_NO_CHARACTER = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


_Row: TypeAlias = tuple[str | None, ...]


class _UnusualError(Exception):
    """A parser must judge."""


class _Shape(NamedTuple):
    """What rows look like: a pattern, and for each field that was asked for its group, from 1."""

    pattern: re.Pattern[str]
    groups: tuple[int | None, ...]


def read_rows(content: bytes, name: str, fields: Sequence[str]) -> tuple[XmlNode, list[_Row]]:
    """The root of an answer, and of its children of this name the texts of theirs.

    Args:
        fields: names of the children's children; the text of one that is missing is None.

    Returns:
        The root, where those children may be missing, and a tuple of the fields for each.

    Raises:
        UnexpectedResponseError: as `read_xml`.
    """
    try:
        if len(content) > MAX_XML_BYTES:
            raise _UnusualError
        text = str(content, "utf-8")
        start = text.index(f"<{name}>")
        if not _BEFORE.match(text[:start]) or (not text.isascii() and _NONCHARACTERS.search(text)):
            raise _UnusualError
        rows, after = _Reader(name, fields).read(text, start)
        if "<?" in after:
            raise _UnusualError
        root = read_xml((text[:start] + after).encode())
        if root.find(name) is not None:  # written in another way
            raise _UnusualError
    except (_UnusualError, ValueError):  # or no UTF-8, or no such child
        root = read_xml(content)
        rows = [tuple(map(row.get, fields)) for row in root.rows(name)]
    return root, rows


class _Reader:
    """Reads rows; remembers the shapes that it met."""

    def __init__(self, name: str, fields: Sequence[str]) -> None:
        self._end = f"</{name}>"
        self._fields = fields
        self._shapes: list[_Shape] = []

    def read(self, text: str, start: int) -> tuple[list[_Row], str]:
        """The rows of a text, the first of which begins at `start`, and what stands after the last."""
        shape = self._shape_at(text, start)
        parts = shape.pattern.split(text)
        step = shape.pattern.groups + 1
        between = parts[::step]
        columns = (_column(parts, group, step) for group in shape.groups)
        rows: list[_Row] = list(islice(zip(*columns, strict=False), len(between) - 1))
        between[0] = between[0][start:]
        last = between[-1]
        end = last.rfind(self._end) + len(self._end) if self._end in last else 0
        between[-1], after = last[:end], last[end:]
        if not "".join(between).strip(_SPACES):
            return rows, after
        mixed: list[_Row] = []
        for index, gap in enumerate(between):  # before, between and after the rows of this shape
            inner = gap.strip(_SPACES)
            if inner:
                others, rest = self.read(inner, 0)
                if rest:
                    raise _UnusualError
                mixed += others
            mixed += rows[index : index + 1]
        return mixed, after

    def _shape_at(self, text: str, start: int) -> _Shape:
        for shape in self._shapes:
            if shape.pattern.match(text, start):
                return shape
        end = text.find(self._end, start, start + MAX_ROW_CHARS)
        if end < 0 or len(self._shapes) == MAX_SHAPES:
            raise _UnusualError
        made = _shape_of(text[start : end + len(self._end)], self._fields)
        if not made.pattern.match(text, start):
            raise _UnusualError
        self._shapes.append(made)
        return made


def _shape_of(row: str, fields: Sequence[str]) -> _Shape:
    """The shape of a row: its tags as they stand with the space between them, and any text in them."""
    pattern: list[str] = []
    groups: list[str] = []
    opened: list[str] = []
    at, leaf = 0, ""  # the element that has just begun, while nothing but text is known of it
    for tag in _TAG.finditer(row):
        closing, name, empty = tag.groups()
        between, at = row[at : tag.start()], tag.end()
        is_field = len(opened) == 2 and leaf in fields
        if leaf and closing and len(opened) > 1:
            pattern.append(f"({_TEXT})" if is_field else _PASSED_BY)
        elif is_field or between.strip(_SPACES):  # not text alone, or text where none is expected
            raise _UnusualError
        else:
            pattern.append(re.escape(between))
        pattern.append(re.escape(tag[0]))
        if is_field:
            groups.append(leaf)
        elif empty and len(opened) == 1 and empty in fields:
            pattern.append("()")
            groups.append(empty)
        if closing and (not opened or opened.pop() != name):
            raise _UnusualError
        leaf = "" if closing or empty else name
        if leaf:
            opened.append(leaf)
    numbers = {name: number for number, name in enumerate(groups, 1)}
    if opened or at != len(row) or len(numbers) < len(groups):
        raise _UnusualError
    return _Shape(re.compile("".join(pattern)), tuple(map(numbers.get, fields)))


def _column(parts: list[str], group: int | None, step: int) -> Iterable[str | None]:
    """One field of all rows."""
    if group is None:
        return repeat(None)
    texts = parts[group::step]
    together = "\0".join(texts)
    if "&" not in together:
        return texts
    if "&quot;" in together:  # as ETags have them
        together = together.replace("&quot;", '"')
        texts = together.split("\0")
    return map(_decoded, texts) if "&" in together else texts


def _decoded(text: str) -> str:
    """Text without its entities and references."""
    if "&" not in text:
        return text
    decoded, count = _ENTITY.subn(_character, text)
    if count != text.count("&"):
        raise _UnusualError
    return decoded


def _character(found: re.Match[str]) -> str:
    name, decimal, hexadecimal = found.groups()
    if name:
        return _ENTITIES[name]
    character = chr(int(decimal) if decimal else int(hexadecimal, 16))  # ValueError: beyond Unicode
    if _NO_CHARACTER.match(character):
        raise _UnusualError
    return character
