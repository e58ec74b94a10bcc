"""HMAC over a key that was hashed beforehand is HMAC."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from cloudstore.wire.mac import Mac

KEY_SIZES = (0, 1, 40, 63, 64, 65, 200)


@pytest.mark.parametrize("name", ["sha1", "sha256"])
@pytest.mark.parametrize("size", KEY_SIZES)
def test_it_is_what_the_standard_library_computes(name: str, size: int) -> None:
    key = bytes(range(size))
    mac = Mac(key, getattr(hashlib, name))
    for message in (b"", b"m", b"m" * 1000, b""):
        assert mac.digest(message) == hmac.digest(key, message, name)
        assert mac.hexdigest(message) == hmac.digest(key, message, name).hex()
