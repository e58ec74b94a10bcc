"""Bytes of objects and Qiniu's hash of them, which is their ETag.

The hash is the SHA-1 of each 4 MiB block; more than one are hashed again. Parts of another size than
4 MiB make another hash. Source: `qiniu.utils.etag_stream`, and `EtagV2` of Qiniu's Java SDK and qshell.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha1

from ..loopback import Buffer

__all__ = ["BLOCK_BYTES", "Content"]

BLOCK_BYTES = 4 * 1024 * 1024
ONE_BLOCK, BLOCKS, PARTS = b"\x16", b"\x96", b"\x9e"
"""The first byte says what the hash was made of."""


@dataclass(frozen=True, slots=True)
class Content:
    """The bytes of an object: shared by its copies, never changed.

    Attributes:
        pieces: as they came; they are not joined.
        hash: as Qiniu shows it.
        parts: their sizes, if it came in parts.
    """

    pieces: tuple[Buffer, ...]
    size: int
    hash: str
    parts: tuple[int, ...] = ()

    @classmethod
    def of(cls, data: Buffer) -> Content:
        """Sent in one piece."""
        return cls.whole((data,))

    @classmethod
    def whole(cls, pieces: tuple[Buffer, ...]) -> Content:
        """Sent in pieces that do not matter."""
        return cls(pieces, sum(map(len, pieces)), _text(_whole_hash(pieces)))

    @classmethod
    def joined(cls, contents: Sequence[Content]) -> Content:
        """Parts that make an object; their bytes are not hashed again."""
        pieces = tuple(piece for content in contents for piece in content.pieces)
        sizes = tuple(content.size for content in contents)
        hashes = [urlsafe_b64decode(content.hash) for content in contents]
        if not _are_blocks(sizes):
            made = PARTS + sha1(b"".join(one[1:] for one in hashes)).digest()
        elif len(hashes) > 1:
            made = BLOCKS + sha1(b"".join(one[1:] for one in hashes)).digest()
        else:
            [made] = hashes
        return cls(pieces, sum(sizes), _text(made), sizes)

    def slices(self, start: int, end: int) -> list[memoryview]:
        """The bytes ``[start, end)``, in pieces that are not copied."""
        found = []
        at = 0
        for piece in self.pieces:
            first, last = max(start - at, 0), min(end - at, len(piece))
            if first < last:
                found.append(memoryview(piece)[first:last])
            at += len(piece)
        return found


def _are_blocks(sizes: Sequence[int]) -> bool:
    return all(size == BLOCK_BYTES for size in sizes[:-1]) and sizes[-1] <= BLOCK_BYTES


def _whole_hash(pieces: Sequence[Buffer]) -> bytes:
    digests = list(_block_digests(pieces)) or [sha1(b"").digest()]
    if len(digests) == 1:
        return ONE_BLOCK + digests[0]
    return BLOCKS + sha1(b"".join(digests)).digest()


def _block_digests(pieces: Sequence[Buffer]) -> Iterator[bytes]:
    hasher, room = sha1(), BLOCK_BYTES
    for piece in pieces:
        rest = memoryview(piece)
        while len(rest):
            taken = rest[:room]
            hasher.update(taken)
            room -= len(taken)
            rest = rest[len(taken) :]
            if not room:
                yield hasher.digest()
                hasher, room = sha1(), BLOCK_BYTES
    if room < BLOCK_BYTES:
        yield hasher.digest()


def _text(made: bytes) -> str:
    return urlsafe_b64encode(made).decode("ascii")
