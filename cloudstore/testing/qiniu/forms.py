"""Form uploads taken apart (RFC 7578). The file is copied once, out of the request's body."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote

from .settings import QiniuError

__all__ = ["Form", "read_form"]

BOUNDARY = re.compile(r'multipart/form-data;.*boundary=(?:"([^"]{1,200})"|([^\s;"]{1,200}))', re.I)
PARAMETER = r'(?:^|[;\s]){name}=(?:"((?:[^"\\]|\\.)*)"|([^\s;]+))'
NAME, FILE_NAME = (re.compile(PARAMETER.format(name=name)) for name in ("name", "filename"))
EXTENDED_FILE_NAME = re.compile(r"[;\s]filename\*=utf-8''([^\s;]+)", re.I)


@dataclass(frozen=True, slots=True)
class Form:
    """A form upload.

    Attributes:
        fields: all but the file.
        file: the part named ``file``.
        name, mime: that the file's part says.
    """

    fields: dict[str, str]
    file: bytes
    name: str
    mime: str


def malformed() -> QiniuError:
    """400."""
    return QiniuError(400, "invalid multipart format")


def read_form(content_type: str, body: bytes | bytearray) -> Form:
    """400 if it is no form, or has no file."""
    match = BOUNDARY.match(content_type)
    if match is None:
        raise malformed()
    fields: dict[str, str] = {}
    file: tuple[bytes, str, str] | None = None
    for head, value in _parts(body, (match[1] or match[2]).encode()):
        headers = _headers(head)
        disposition = headers.get("content-disposition", "")
        name = _parameter(NAME, disposition)
        if name == "file":
            file = (value, _file_name(disposition), headers.get("content-type", ""))
        elif name is not None:
            try:
                fields[name] = value.decode()
            except UnicodeDecodeError:
                raise malformed() from None
    if file is None:
        raise QiniuError(400, "file is not specified in multipart")
    return Form(fields, *file)


def _parts(body: bytes | bytearray, boundary: bytes) -> Iterator[tuple[bytes, bytes]]:
    delimiter = b"--" + boundary
    if body.startswith(delimiter):
        at = len(delimiter)
    elif (at := body.find(b"\r\n" + delimiter)) >= 0:
        at += 2 + len(delimiter)
    else:
        raise malformed()
    with memoryview(body) as view:
        while body[at : at + 2] != b"--":
            # A part's head begins behind the boundary's line break, which an empty head shares.
            head_end = body.find(b"\r\n\r\n", at)
            end = _delimited(body, b"\r\n" + delimiter, head_end + 2)
            if head_end < 0 or end < 0:
                raise malformed()
            yield bytes(view[at:head_end]), bytes(view[head_end + 4 : end])
            at = end + 2 + len(delimiter)


def _delimited(body: bytes | bytearray, delimiter: bytes, start: int) -> int:
    """Where the delimiter is that ends a part: it stands alone in its line, but for ``--``."""
    while (at := body.find(delimiter, start)) >= 0:
        start = at + len(delimiter)
        if body[start : start + 2] in (b"\r\n", b"--"):
            break
    return at


def _headers(head: bytes) -> dict[str, str]:
    try:
        lines = head.decode().split("\r\n")
    except UnicodeDecodeError:
        raise malformed() from None
    pairs = (line.partition(":") for line in lines if line)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _parameter(pattern: re.Pattern[str], disposition: str) -> str | None:
    match = pattern.search(disposition)
    if match is None:
        return None
    quoted, plain = match.groups()
    if quoted is None:
        return str(plain)
    # Browsers and urllib3 write %22, %0D and %0A; others a backslash.
    plain = re.sub(r"\\(.)", r"\1", quoted)
    return plain.replace("%22", '"').replace("%0D", "\r").replace("%0A", "\n")


def _file_name(disposition: str) -> str:
    match = EXTENDED_FILE_NAME.search(disposition)
    if match is not None:
        return unquote(match[1])
    return _parameter(FILE_NAME, disposition) or ""
