"""What the null server asks for, and what all vendors' answers are made of."""

from __future__ import annotations

import hashlib
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from email.utils import formatdate
from functools import cache

from benchmarks.workload import BLOCK_SIZE, LARGE_SIZE, content

__all__ = [
    "MODIFIED",
    "Answers",
    "Large",
    "answer",
    "head",
    "md5_of",
    "range_of",
    "sha1_of",
    "split",
]

MODIFIED = "Fri, 02 Jan 2026 03:04:05 GMT"
RANGE = re.compile(rb"\r\nrange: *bytes=(\d*)-(\d*)", re.IGNORECASE)


@dataclass(frozen=True)
class Large:
    """A head and the region of the large object that follows it."""

    head: bytes
    start: int = 0
    end: int = LARGE_SIZE


class Answers(ABC):
    """One vendor's.

    Args:
        url: of this server, where answers name it.

    Attributes:
        kept: what the targets begin with whose small bodies are wanted.
    """

    kept: tuple[bytes, ...] = ()

    @abstractmethod
    def __init__(self, url: str) -> None: ...

    @abstractmethod
    def get(self, target: bytes, request: bytes) -> bytes | Large:
        """To a GET. ``request`` holds its head."""

    @abstractmethod
    def head(self, target: bytes) -> bytes:
        """To a HEAD."""

    @abstractmethod
    def delete(self, target: bytes) -> bytes:
        """To a DELETE."""

    @abstractmethod
    def write(self, method: bytes, target: bytes, size: int | None) -> bytes:
        """To anything else, with a body of so many bytes; None where it came in chunks."""

    def keep(self, method: bytes, target: bytes, request: bytes, size: int, body: bytes) -> bytes:
        """To the same where ``kept`` wants it; ``body`` is empty where it was too large."""
        return self.write(method, target, size)


def head(status: str, length: int, *fields: str) -> bytes:
    """With the fields that every server sends; a 204 states no length."""
    lines = [
        f"HTTP/1.1 {status}",
        f"Date: {formatdate(usegmt=True)}",
        *fields,
        *([] if status.startswith("204") else [f"Content-Length: {length}"]),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def answer(status: str, body: str, *fields: str) -> bytes:
    encoded = body.encode()
    return head(status, len(encoded), *fields) + encoded


def split(target: bytes) -> tuple[bytes, bytes]:
    """Path and query."""
    path, _, query = target.partition(b"?")
    return path, query


def range_of(request: bytes) -> tuple[int, int] | None:
    """Start and end of what is asked for, the latter exclusive."""
    found = RANGE.search(request)
    if not found:
        return None
    first, last = found.groups()
    if not first:
        return LARGE_SIZE - int(last), LARGE_SIZE
    return int(first), min(int(last) + 1, LARGE_SIZE) if last else LARGE_SIZE


@cache
def md5_of(size: int) -> str:
    """Of so many bytes of the large object, from the start of any block."""
    return _hashed("md5", size).hex()


@cache
def sha1_of(size: int) -> bytes:
    return _hashed("sha1", size)


def _hashed(name: str, size: int) -> bytes:
    hasher, block = hashlib.new(name), content(BLOCK_SIZE)
    for _ in range(size // BLOCK_SIZE):
        hasher.update(block)
    hasher.update(block[: size % BLOCK_SIZE])
    return hasher.digest()
