"""Checksums that are computed from those of pieces."""

from __future__ import annotations

import zlib

from hypothesis import given
from hypothesis import strategies as st

from cloudstore.checksums import JoinedCrc32


@given(st.binary(max_size=5000), st.integers(1, 700))
def test_crc32_of_pieces_is_that_of_the_whole(data: bytes, size: int) -> None:
    joined = JoinedCrc32(size)
    for at in range(0, len(data), size):
        piece = data[at : at + size]
        joined.add(zlib.crc32(piece), len(piece))
    assert joined.hexdigest() == f"{zlib.crc32(data):08x}"


def test_crc32_of_large_pieces() -> None:
    piece, rest = bytes(range(256)) * 4096, b"rest"
    joined = JoinedCrc32(len(piece))
    for data in (piece, piece, rest):
        joined.add(zlib.crc32(data), len(data))
    assert joined.hexdigest() == f"{zlib.crc32(piece + piece + rest):08x}"
