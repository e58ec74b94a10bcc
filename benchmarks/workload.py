"""What is on the server: names, sizes and bytes that it, the clients and their checks agree on."""

from __future__ import annotations

import hashlib

__all__ = [
    "BLOCK_SIZE",
    "BUCKET",
    "LARGE",
    "LARGE_SIZE",
    "LISTED",
    "LISTED_KEYS",
    "SMALL",
    "SMALL_SIZE",
    "content",
]

BUCKET = "bench"
SMALL = "small"
SMALL_SIZE = 1024
LARGE = "large"
LARGE_SIZE = 256 * 1024 * 1024
BLOCK_SIZE = 1024 * 1024
"""The large object repeats one block, so what a part of it hashes to depends on its size alone."""
LISTED = "listed/"
"""The prefix of what is listed."""
LISTED_KEYS = 1000


def content(size: int) -> bytes:
    """The first bytes of every object: at most a block of them."""
    return hashlib.shake_128(b"what every object begins with").digest(size)
