"""What the soak writes: bytes that follow from a seed and a serial number.

Each content is a window into one random block. At the same place, two windows hold other bytes: so what
is wrong, missing, stale, or of another object is seen by comparing, and comparing costs nearly nothing.
Pure: no I/O.
"""

from __future__ import annotations

import hashlib
import random
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

MIB = 1024 * 1024
LARGEST = 4 * MIB
BLOCK_BYTES = 3 * LARGEST
VERSION, DIGEST, NOTE = "soakversion", "soaksha256", "soaknote"
"""Names of metadata: which write an object is of, what it must hold, and what is changed in place.
Letters and digits only: every vendor takes those."""


@dataclass(frozen=True, slots=True)
class Version:
    """What one write wrote.

    Attributes:
        writer: the worker's name.
        serial: the number of the write, of that worker.
        size: bytes.
        note: what its metadata says beside.
    """

    writer: str
    serial: int
    size: int
    note: str = ""

    def __str__(self) -> str:
        note = f" {self.note!r}" if self.note else ""
        return f"{self.writer}.{self.serial}.{self.size}{note}"


class Contents:
    """The bytes of all versions of a run."""

    def __init__(self, seed: int) -> None:
        self._block = memoryview(random.Random(seed).randbytes(BLOCK_BYTES))

    def of(self, version: Version) -> memoryview:
        """The bytes of a version."""
        name = f"{version.writer}.{version.serial}".encode()
        start = zlib.crc32(name) % (BLOCK_BYTES - LARGEST)
        return self._block[start : start + version.size]

    def sha256(self, version: Version) -> str:
        """Their digest, in lower-case hexadecimal."""
        return hashlib.sha256(self.of(version)).hexdigest()

    def metadata(self, version: Version) -> dict[str, str]:
        """What is stored beside them."""
        told = f"{version.writer}.{version.serial}.{version.size}"
        return {VERSION: told, DIGEST: self.sha256(version), NOTE: version.note or "-"}

    def difference(self, version: Version, data: bytes, start: int = 0) -> str | None:
        """What is wrong with bytes that shall be those of a version, from `start` on; None: nothing."""
        wanted = self.of(version)[start : start + len(data)]
        if wanted == data:
            return None
        if len(wanted) < len(data):
            return f"{len(data)} bytes from {start} on, of {version}"
        at = next(place for place, byte in enumerate(data) if byte != wanted[place])
        found = bytes(self._block).find(data[at : at + 16])
        where = f"what stands there is at {found} of the block" if found >= 0 else "nobody wrote that"
        return f"byte {start + at} of {version} is another one: {where}"


def version_of(metadata: Mapping[str, str]) -> Version | None:
    """Which write an object's metadata names; None: none."""
    writer, _, rest = metadata.get(VERSION, "").partition(".")
    serial, _, size = rest.partition(".")
    if not (writer and serial.isdecimal() and size.isdecimal()):
        return None
    note = metadata.get(NOTE, "")
    return Version(writer, int(serial), int(size), "" if note == "-" else note)
