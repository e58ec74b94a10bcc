"""A file that fills in any order, beside the one that it becomes at once when it is whole.

Where a download shall be resumable, a journal beside it names the object and the parts that are in the
file, each with its CRC-32: after a crash of the process, or of the machine, nothing that was noted is
believed before it was read again. Functions here block; flows call them by `Call`.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from ..bodies import COPY_CHUNK
from .locked_file import open_locked
from .plan import Region, Regions

__all__ = ["PartialFile"]

TAKEN = "another download of this object to this file is under way"
Identity = Mapping[str, Any]
"""What a download is of: JSON values. Another one begins anew."""


class PartialFile:
    """A file in the making, held by one process at a time.

    Args:
        target: the file that it becomes.
        name: of a new one, no other one's; of one to resume, the same at each try.

    Attributes:
        noted: of a resumed one, the parts that are there, by their numbers, and the CRC-32 of each.
    """

    def __init__(self, target: str, name: str) -> None:
        self._target = target
        self._path = f"{target}.{name}.part"
        self._fd = -1
        self._journal: int | None = None
        self.noted: dict[int, int] = {}

    def open_new(self) -> None:
        """Makes one that is not resumable.

        Raises:
            OSError: it cannot be made.
        """
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)

    def resume(self, identity: Identity, parts: Regions) -> None:
        """Goes on where another process ended, if that was about the same; else begins anew.

        Args:
            parts: what it is cut into.

        Raises:
            BlockingIOError: another process, or thread, is at it.
            OSError: it cannot be made.
        """
        self._fd = open_locked(self._path, TAKEN)
        self._read_journal(identity, parts)

    @property
    def has_journal(self) -> bool:
        """Whether parts are noted."""
        return self._journal is not None

    @property
    def _journal_path(self) -> str:
        return f"{self._path}.journal"

    def _read_journal(self, identity: Identity, parts: Regions) -> None:
        """Finds what is there; begins anew where the journal is about something else."""
        self._journal = os.open(self._journal_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        with open(self._journal, encoding="utf-8", errors="replace", closefd=False) as file:
            lines = file.read().splitlines()
        if lines and _json_of(lines[0]) == dict(identity):
            self.noted = {
                number: crc32
                for number, crc32 in _records(lines[1:])
                if 1 <= number <= len(parts) and self.crc32_of(parts.numbered(number)) == crc32
            }
        else:
            os.ftruncate(self._fd, 0)
        # Written anew: what was not found in the file, or torn, is not kept.
        os.ftruncate(self._journal, 0)
        os.lseek(self._journal, 0, os.SEEK_SET)
        self._append(json.dumps(dict(identity), sort_keys=True))
        for number, crc32 in self.noted.items():
            self.note(number, crc32)

    def note(self, number: int, crc32: int) -> None:
        """Says that a part is in the file."""
        self._append(json.dumps([number, crc32]))

    def _append(self, line: str) -> None:
        assert self._journal is not None
        os.write(self._journal, f"{line}\n".encode())

    def write(self, data: memoryview, offset: int, crc32: int | None) -> int | None:
        """Writes all of `data`; returns the CRC-32 that goes on from `crc32`, if there is one."""
        written = 0
        while written < len(data):
            written += os.pwrite(self._fd, data[written:], offset + written)
        return None if crc32 is None else zlib.crc32(data, crc32)

    def chunks(self, region: Region) -> Iterator[bytes]:
        """The bytes of a part, as far as the file has them."""
        for at in range(region.offset, region.offset + region.size, COPY_CHUNK):
            yield os.pread(self._fd, min(COPY_CHUNK, region.offset + region.size - at), at)

    def crc32_of(self, region: Region) -> int:
        """What is there, read again."""
        crc32 = 0
        for chunk in self.chunks(region):
            crc32 = zlib.crc32(chunk, crc32)
        return crc32

    def publish(self) -> None:
        """Becomes the target."""
        os.replace(self._path, self._target)
        self._remove_journal()

    def discard(self) -> None:
        """Is gone, with its journal."""
        with suppress(OSError):
            os.unlink(self._path)
        self._remove_journal()

    def _remove_journal(self) -> None:
        if self._journal is not None:
            with suppress(OSError):
                os.unlink(self._journal_path)

    def close(self) -> None:
        """Lets go of it; what is there stays."""
        journal, self._journal = self._journal, None
        if journal is not None:
            os.close(journal)
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


def _records(lines: list[str]) -> Iterator[tuple[int, int]]:
    for line in lines:
        match _json_of(line):
            case [int(number), int(crc32)]:
                yield number, crc32


def _json_of(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None
