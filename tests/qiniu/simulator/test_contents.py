"""Qiniu's hash, by the SDK's own function and by what is published about parts."""

from __future__ import annotations

import io
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha1

import pytest
from qiniu.utils import etag_stream

from cloudstore.testing.qiniu.contents import BLOCK_BYTES, Content

DATA = bytes(range(251)) * (3 * BLOCK_BYTES // 251 + 1)
SIZES = [0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 2 * BLOCK_BYTES, 3 * BLOCK_BYTES]


@pytest.mark.parametrize("size", SIZES)
def test_the_hash_of_a_whole(size: int) -> None:
    data = DATA[:size]
    assert Content.of(data).hash == etag_stream(io.BytesIO(data))
    pieces = tuple(data[at : at + 1_000_003] for at in range(0, size, 1_000_003))
    assert Content.whole(pieces).hash == etag_stream(io.BytesIO(data))


@pytest.mark.parametrize("size", SIZES[1:])
def test_parts_of_4_mib_make_the_hash_of_the_whole(size: int) -> None:
    parts = [Content.of(DATA[at : min(at + BLOCK_BYTES, size)]) for at in range(0, size, BLOCK_BYTES)]
    made = Content.joined(parts)
    assert made.hash == etag_stream(io.BytesIO(DATA[:size]))
    assert made.size == size
    assert b"".join(made.slices(0, size)) == DATA[:size]


def test_parts_of_another_size_make_another_hash() -> None:
    """`EtagV2` of Qiniu's Java SDK: 0x9E, and the SHA-1 of the parts' own."""
    parts = [Content.of(DATA[:1000]), Content.of(DATA[1000 : BLOCK_BYTES + 2000])]
    of_parts = b"".join(urlsafe_b64decode(part.hash)[1:] for part in parts)
    expected = urlsafe_b64encode(b"\x9e" + sha1(of_parts).digest()).decode()
    assert Content.joined(parts).hash == expected
    assert expected != etag_stream(io.BytesIO(DATA[: BLOCK_BYTES + 2000]))


def test_slices_are_not_copies() -> None:
    made = Content.joined([Content.of(b"01234"), Content.of(b""), Content.of(b"56789")])
    for start in range(11):
        for end in range(start, 11):
            assert b"".join(made.slices(start, end)) == b"0123456789"[start:end]
    assert all(isinstance(one, memoryview) for one in made.slices(3, 7))
