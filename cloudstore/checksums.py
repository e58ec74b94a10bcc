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

__all__ = [
    "ALGORITHMS",
    "Crc32",
    "Hasher",
    "JoinedCrc32",
    "check_digest",
    "digest_of",
    "new_hasher",
]

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


class JoinedCrc32:
    """The CRC-32 of pieces one after the other, from that of each; all but the last have one size.

    Of two pieces it is ``first · x**(8·size of the second) + second`` modulo the CRC's polynomial over
    GF(2): what as many zeros would do to the register. The initial and final complements cancel out.
    """

    __slots__ = ("_piece_size", "_shift", "_value")

    def __init__(self, piece_size: int) -> None:
        self._piece_size = piece_size
        self._shift = _power_of_x(8 * piece_size)
        self._value = 0

    def add(self, crc32: int, size: int) -> None:
        """The next piece."""
        shift = self._shift if size == self._piece_size else _power_of_x(8 * size)
        self._value = _times(shift, self._value) ^ crc32

    def hexdigest(self) -> str:
        """The digest so far, big-endian, in lower-case hexadecimal."""
        return f"{self._value:08x}"


_CRC32_POLYNOMIAL = 0xEDB88320
"""Of ISO 3309, reflected: the coefficient of ``x**31`` is the lowest bit."""
_ONE = 0x80000000


def _times(a: int, b: int) -> int:
    """The product of two polynomials modulo the CRC's."""
    product = 0
    for bit in range(31, -1, -1):
        if a >> bit & 1:
            product ^= b
        b = b >> 1 ^ (_CRC32_POLYNOMIAL if b & 1 else 0)
    return product


def _power_of_x(exponent: int) -> int:
    """``x**exponent`` modulo the CRC's polynomial."""
    power, square = _ONE, _ONE >> 1
    while exponent:
        if exponent & 1:
            power = _times(power, square)
        square = _times(square, square)
        exponent >>= 1
    return power


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
