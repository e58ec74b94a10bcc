"""The checksums of the core: crc32, md5, sha1, sha256. Pure functions over buffers.

MD5 and SHA-1 are here because vendors verify them, not for security.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Protocol

from .errors import InvalidArgumentError

__all__ = ["ALGORITHMS", "Crc32", "Hasher", "check_digest", "digest_of", "new_hasher"]

ALGORITHMS: Mapping[str, int] = MappingProxyType({"crc32": 8, "md5": 32, "sha1": 40, "sha256": 64})
"""Each algorithm, and how many hexadecimal digits its digest has."""


class Hasher(Protocol):
    """What `hashlib` makes, as far as it is needed here."""

    def update(self, data: bytes | bytearray | memoryview, /) -> None:
        """Takes in more bytes."""

    def hexdigest(self) -> str:
        """The digest so far, in lower-case hexadecimal."""


class Crc32:
    """CRC-32 (ISO 3309, the one of zlib and of ``x-amz-checksum-crc32``) as a `Hasher`."""

    __slots__ = ("_value",)

    def __init__(self) -> None:
        self._value = 0

    def update(self, data: bytes | bytearray | memoryview, /) -> None:
        """Takes in more bytes."""
        self._value = zlib.crc32(data, self._value)

    def hexdigest(self) -> str:
        """The digest so far, big-endian, in lower-case hexadecimal."""
        return f"{self._value:08x}"


_MAKERS: Mapping[str, Callable[[], Hasher]] = MappingProxyType(
    {
        "crc32": Crc32,
        "md5": partial(hashlib.md5, usedforsecurity=False),
        "sha1": partial(hashlib.sha1, usedforsecurity=False),
        "sha256": hashlib.sha256,
    }
)


def new_hasher(algorithm: str) -> Hasher:
    """A fresh hasher of one of `ALGORITHMS`."""
    return _MAKERS[algorithm]()


def digest_of(algorithm: str, data: bytes | memoryview) -> str:
    """The digest of bytes in memory, in lower-case hexadecimal."""
    if algorithm == "crc32":
        return f"{zlib.crc32(data):08x}"
    hasher = _MAKERS[algorithm]()
    hasher.update(data)
    return hasher.hexdigest()


def check_digest(algorithm: str, digest: str) -> str:
    """The digest in lower case.

    Raises:
        InvalidArgumentError: no such algorithm, or this is no digest of it.
    """
    if algorithm not in ALGORITHMS:
        raise InvalidArgumentError(
            f"no checksum algorithm {algorithm!r}; there are {', '.join(ALGORITHMS)}"
        )
    lower = digest.lower() if isinstance(digest, str) else ""
    if len(lower) != ALGORITHMS[algorithm] or lower.strip("0123456789abcdef"):
        raise InvalidArgumentError(
            f"a {algorithm} is {ALGORITHMS[algorithm]} hexadecimal digits, not {digest!r}"
        )
    return lower
