"""What is on the server: names and sizes that it, the clients and their checks agree on."""

from __future__ import annotations

__all__ = [
    "BUCKET",
    "LARGE",
    "LARGE_SIZE",
    "LISTED",
    "LISTED_KEYS",
    "SMALL",
    "SMALL_SIZE",
]

BUCKET = "bench"
SMALL = "small"
SMALL_SIZE = 1024
LARGE = "large"
LARGE_SIZE = 256 * 1024 * 1024
LISTED = "listed/"
"""The prefix of what is listed."""
LISTED_KEYS = 1000
