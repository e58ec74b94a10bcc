"""Digests that the caller gives: verified by the vendor before anything is stored."""

from __future__ import annotations

from typing import Any

import pytest

from ...checksums import ALGORITHMS, new_hasher
from ...errors import ChecksumMismatchError, InvalidArgumentError, UnsupportedError
from ...store import Store
from .account import RecordingDriver
from .base import ConformanceTests, payload

__all__ = ["ChecksumTests"]


def digest_of(algorithm: str, data: bytes) -> str:
    """In lower-case hexadecimal."""
    hasher = new_hasher(algorithm)
    hasher.update(data)
    return hasher.hexdigest()


class ChecksumTests(ConformanceTests):
    """Digests of uploads."""

    @pytest.mark.parametrize("algorithm", ALGORITHMS)
    def test_right_checksum_is_taken(self, store: Store, bucket: str, algorithm: str) -> None:
        data = payload(1000)
        checksum = {algorithm: digest_of(algorithm, data)}
        if not getattr(store.capabilities, f"checksum_{algorithm}"):
            with pytest.raises(UnsupportedError):
                store.create_object(bucket, "k", data, checksum=checksum)
            return
        store.create_object(bucket, "k", data, checksum=checksum)
        store.create_object(bucket, "upper", data, checksum={algorithm: checksum[algorithm].upper()})
        store.create_object(bucket, "streamed", iter([data]), checksum=checksum)
        for key in ("k", "upper", "streamed"):
            assert store.get_object(bucket, key).read() == data

    @pytest.mark.parametrize("algorithm", ALGORITHMS)
    def test_wrong_checksum_stores_nothing(self, store: Store, bucket: str, algorithm: str) -> None:
        store.create_object(bucket, "k", b"old")
        checksum = {algorithm: digest_of(algorithm, b"other bytes")}
        has = getattr(store.capabilities, f"checksum_{algorithm}")
        error = ChecksumMismatchError if has else UnsupportedError
        with pytest.raises(error) as caught:
            store.create_object(bucket, "k", b"new", checksum=checksum)
        assert caught.value.outcome == "not_applied"
        with pytest.raises(error):
            store.create_object(bucket, "l", iter([b"new"]), checksum=checksum)
        assert store.get_object(bucket, "k").read() == b"old"
        assert store.object_exists(bucket, "l") is False

    @pytest.mark.parametrize(
        "checksum",
        [{"md5": "0"}, {"md5": "x" * 32}, {"md5": 7}, {"crc99": "0"}, {"sha256": "0" * 32}],
        ids=str,
    )
    def test_impossible_checksum_is_refused_before_any_io(
        self, recorded: Store, recorder: RecordingDriver, bucket: str, checksum: Any
    ) -> None:
        with pytest.raises(InvalidArgumentError):
            recorded.create_object(bucket, "k", b"x", checksum=checksum)
        assert recorder.calls == []

    def test_checksum_of_data_that_goes_in_parts_is_refused_and_not_dropped(
        self, recorded: Store, recorder: RecordingDriver, bucket: str, part_size: int
    ) -> None:
        known = [a for a in ALGORITHMS if getattr(recorded.capabilities, f"checksum_{a}")]
        algorithm = known[0] if known else "md5"
        data = payload(3 * part_size)
        checksum = {algorithm: digest_of(algorithm, data)}
        if not (known and recorded.capabilities.multipart):
            with pytest.raises(UnsupportedError):
                recorded.create_object(bucket, "k", iter([data]), checksum=checksum)
            return
        with pytest.raises(InvalidArgumentError):
            recorded.create_object(bucket, "k", data, checksum=checksum)
        assert recorder.calls == []
