"""A container whose objects are remembered: what a client needs that keeps notes beside its segments.

Small bodies are kept as they are; of others, size and hash only.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote_to_bytes

from .base import md5_of

__all__ = ["KEPT_BYTES", "Kept", "KeptContainer"]

KEPT_BYTES = 64 * 1024
"""Larger bodies are not kept."""

TYPE = re.compile(rb"\r\ncontent-type: *([^\r]*)", re.IGNORECASE)


@dataclass(frozen=True)
class Kept:
    """An object."""

    size: int
    etag: str
    content_type: str
    body: bytes


class KeptContainer:
    """Objects by their names."""

    def __init__(self) -> None:
        self._objects: dict[bytes, Kept] = {}

    def put(self, name: bytes, request: bytes, size: int, body: bytes) -> Kept:
        """What was written; ``body`` is empty where it was not kept."""
        found = TYPE.search(request)
        content_type = found[1].decode() if found else "application/octet-stream"
        etag = hashlib.md5(body).hexdigest() if body else md5_of(size)
        made = self._objects[unquote_to_bytes(name)] = Kept(size, etag, content_type, body)
        return made

    def get(self, name: bytes) -> Kept | None:
        return self._objects.get(unquote_to_bytes(name))

    def delete(self, name: bytes) -> None:
        self._objects.pop(unquote_to_bytes(name), None)

    def rows(self, query: bytes) -> list[dict[str, object]]:
        """Of a listing."""
        asked = parse_qs(query.decode())
        prefix, marker = (asked.get(name, [""])[0].encode() for name in ("prefix", "marker"))
        names = sorted(name for name in self._objects if name.startswith(prefix) and name > marker)
        return [
            {
                "bytes": self._objects[name].size,
                "hash": self._objects[name].etag,
                "name": name.decode(),
                "content_type": self._objects[name].content_type,
                "last_modified": "2026-01-02T03:04:05.123450",
            }
            for name in names
        ]
