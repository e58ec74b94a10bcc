"""What is stored beside the bytes: user metadata, headers, content types, our own names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ...bodies import BytesPayload
from ...errors import (
    InvalidArgumentError,
    ObjectNotFoundError,
    PreconditionFailedError,
    TooLargeError,
    UnsupportedError,
)
from ...model import GetOptions, PutOptions
from ...store import Store
from .account import Account, RecordingDriver
from .base import ConformanceTests, needs

__all__ = ["MetadataTests", "all_headers"]

VALUES = (
    "plain",
    "",
    " ",
    " spaces at both ends ",
    "two  spaces",
    "grüße",
    "世界 🌍",
    "e\u0301 is not \u00e9",
    "=?utf-8?q?looks_encoded?=",
    "=?UTF-8?B?Z3LDvMOfZQ==?=",
    "=?utf-8?b?broken",
    "%41%2F%C3%A4",
    "100%",
    "a+b&c=d;e,f",
    '"quoted"',
    "back\\slash",
    "utf-8''gr%C3%BC%C3%9Fe",
    "\u00a0no-break space\u00a0",
    "\u200bzero width\u200b",
    "\u202eright to left",
    "0",
    "None",
)
"""Values that some encoding somewhere spoils."""

CONTROL = [chr(code) for code in (*range(0x20), 0x7F)]


class MetadataTests(ConformanceTests):
    """Metadata and headers."""

    # --- user metadata ---

    @needs("metadata")
    @pytest.mark.parametrize("value", VALUES, ids=ascii)
    def test_metadata_value_comes_back(self, store: Store, bucket: str, value: str) -> None:
        store.create_object(bucket, "k", b"x", metadata={"name": value, "other": "1"})
        expected = {"name": value, "other": "1"}
        assert store.head_object(bucket, "k").metadata == expected
        assert store.get_object(bucket, "k").metadata == expected
        assert store.get_metadata(bucket, "k") == expected

    @needs("metadata")
    def test_metadata_names_are_lower_case(self, store: Store, bucket: str) -> None:
        store.create_object(bucket, "k", b"x", metadata={"MixedCase": "Value", "UPPER": "V"})
        assert store.get_metadata(bucket, "k") == {"mixedcase": "Value", "upper": "V"}

    @needs("metadata")
    def test_metadata_names_of_all_allowed_characters(
        self, store: Store, account: Account, bucket: str
    ) -> None:
        metadata = {
            "abcdefghijklmnopqrstuvwxyz0123456789": "letters and digits",
            "0": "a digit",
            "x-amz-meta-a": "as of S3",
            "content-type": "no header",
        }
        extra = account.driver.limits.metadata_name_chars
        metadata = {
            name: value
            for name, value in metadata.items()
            if all(c.isalnum() or c in extra for c in name)
        }
        metadata |= {f"a{char}b": char for char in extra}
        store.create_object(bucket, "k", b"x", content_type="image/png", metadata=metadata)
        found = store.head_object(bucket, "k")
        assert found.metadata == metadata
        assert found.content_type == "image/png"

    @needs("metadata")
    def test_metadata_of_a_large_object(self, store: Store, bucket: str, part_size: int) -> None:
        data = b"x" * (3 * part_size if store.capabilities.multipart else 1000)
        store.create_object(bucket, "k", data, content_type="image/png", metadata={"a": "ä"})
        found = store.head_object(bucket, "k")
        assert found.metadata == {"a": "ä"}
        assert found.content_type == "image/png"

    @needs("metadata")
    def test_metadata_names_that_differ_in_case_only_are_refused(
        self, recorded: Store, store: Store, recorder: RecordingDriver, bucket: str
    ) -> None:
        with pytest.raises(InvalidArgumentError):
            recorded.create_object(bucket, "k", b"x", metadata={"Name": "1", "name": "2"})
        with pytest.raises(InvalidArgumentError):
            recorded.set_metadata(bucket, "k", {"Name": "1", "name": "2"})
        with pytest.raises(InvalidArgumentError):
            recorded.set_metadata(bucket, "k", {"Name": "1", "name": None})
        assert recorder.calls == []
        store.create_object(bucket, "k", b"x", metadata={"a": "1"})

    @needs("metadata")
    @pytest.mark.parametrize("char", CONTROL, ids=ascii)
    def test_control_character_in_metadata_is_refused_before_any_io(
        self, recorded: Store, store: Store, recorder: RecordingDriver, bucket: str, char: str
    ) -> None:
        for metadata in ({"a": f"x{char}y"}, {"a": char}, {f"a{char}b": "x"}):
            with pytest.raises(InvalidArgumentError):
                recorded.create_object(bucket, "k", b"x", metadata=metadata)
            with pytest.raises(InvalidArgumentError):
                recorded.set_metadata(bucket, "k", metadata)
        assert recorder.calls == []
        store.create_object(bucket, "k", b"x", metadata={"a": "1"})

    @needs("metadata")
    @pytest.mark.parametrize(
        "metadata",
        [
            {"": "x"},
            {"a b": "x"},
            {"ä": "x"},
            {"a:b": "x"},
            {"a/b": "x"},
            {7: "x"},
            {"a": 7},
            {"a": b"x"},
        ],
        ids=ascii,
    )
    def test_impossible_metadata_is_refused_before_any_io(
        self, recorded: Store, store: Store, recorder: RecordingDriver, bucket: str, metadata: Any
    ) -> None:
        with pytest.raises(InvalidArgumentError):
            recorded.create_object(bucket, "k", b"x", metadata=metadata)
        with pytest.raises(InvalidArgumentError):
            recorded.create_object(bucket, "k", b"x", metadata={"a": "\ud800"})
        assert recorder.calls == []
        store.create_object(bucket, "k", b"x", metadata={"a": "1"})

    @needs("metadata")
    def test_metadata_up_to_the_limit_is_stored(
        self, store: Store, account: Account, bucket: str
    ) -> None:
        limit = min(account.driver.limits.max_metadata_bytes, 8192)
        metadata = {"name": "v" * (limit - len("name"))}
        store.create_object(bucket, "k", b"x", metadata=metadata)
        assert store.get_metadata(bucket, "k") == metadata

    @needs("metadata")
    def test_metadata_over_the_limit_is_refused_before_any_io(
        self, recorded: Store, store: Store, account: Account, recorder: RecordingDriver, bucket: str
    ) -> None:
        store.create_object(bucket, "k", b"x", metadata={"a": "1"})
        limit = account.driver.limits.max_metadata_bytes
        for metadata in ({"name": "v" * (limit - 3)}, {"name": "ä" * (limit // 2)}):
            with pytest.raises(TooLargeError):
                recorded.create_object(bucket, "k", b"x", metadata=metadata)
            with pytest.raises(TooLargeError):
                recorded.set_metadata(bucket, "k", metadata)
        assert recorder.calls == []

    # --- our own names ---

    @needs("metadata")
    @pytest.mark.parametrize("name", ["cswriteid", "csa", "CSFoo"])
    def test_reserved_metadata_name_is_refused_before_any_io(
        self, recorded: Store, store: Store, recorder: RecordingDriver, bucket: str, name: str
    ) -> None:
        with pytest.raises(InvalidArgumentError, match="reserved"):
            recorded.create_object(bucket, "k", b"x", metadata={name: "1"})
        with pytest.raises(InvalidArgumentError, match="reserved"):
            recorded.set_metadata(bucket, "k", {name: "1"})
        with pytest.raises(InvalidArgumentError, match="reserved"):
            recorded.set_metadata(bucket, "k", {name: None})
        assert recorder.calls == []
        store.create_object(bucket, "k", b"x", metadata={"cs1": "not reserved", "c": "nor this"})

    def _write_internal(self, account: Account, bucket: str, key: str, value: str) -> None:
        """An object with a name of ours and one of the user's, as the library itself writes it."""
        options = PutOptions(metadata={"csinner": value, "user": "1"}, content_type="image/png")
        account.perform(
            lambda ctx: account.driver.put_object(ctx, bucket, key, BytesPayload(b"data"), options)
        )

    def _internal(self, account: Account, bucket: str, key: str) -> str | None:
        info = account.perform(lambda ctx: account.driver.head_object(ctx, bucket, key, GetOptions()))
        return info.metadata.get("csinner")

    @needs("metadata")
    def test_internal_metadata_is_hidden(self, store: Store, account: Account, bucket: str) -> None:
        if not store.capabilities.metadata:
            store.create_object(bucket, "k", b"", metadata={"a": "1"})
        self._write_internal(account, bucket, "k", "ours")
        assert self._internal(account, bucket, "k") == "ours"
        assert store.get_metadata(bucket, "k") == {"user": "1"}
        assert store.get_object(bucket, "k").metadata == {"user": "1"}
        assert all("csinner" not in entry.metadata for entry in store.get_all_objects(bucket))

    @needs("metadata")
    def test_internal_metadata_is_kept_by_set_metadata(
        self, store: Store, account: Account, bucket: str
    ) -> None:
        if not store.capabilities.metadata:
            store.create_object(bucket, "k", b"", metadata={"a": "1"})
        self._write_internal(account, bucket, "k", "ours")
        assert store.set_metadata(bucket, "k", {"a": "b"}) == {"user": "1", "a": "b"}
        assert self._internal(account, bucket, "k") == "ours"
        assert store.set_metadata(bucket, "k", {"z": "y"}, replace=True) == {"z": "y"}
        assert self._internal(account, bucket, "k") == "ours"

    @needs("metadata")
    def test_internal_metadata_counts_in_the_limit(
        self, store: Store, account: Account, bucket: str
    ) -> None:
        if not store.capabilities.metadata:
            store.create_object(bucket, "k", b"", metadata={"a": "1"})
        self._write_internal(account, bucket, "k", "o" * 200)
        limit = account.driver.limits.max_metadata_bytes
        with pytest.raises(TooLargeError):
            store.set_metadata(bucket, "k", {"a": "v" * (limit - 100)}, replace=True)
        assert store.get_metadata(bucket, "k") == {"user": "1"}, "half of a change was made"

    @needs("metadata", "put_if_absent", "settles_writes")
    def test_write_id_counts_in_the_limit(
        self, recorded: Store, store: Store, account: Account, recorder: RecordingDriver, bucket: str
    ) -> None:
        if not store.capabilities.settles_writes:
            store.require("settles_writes")  # without a write-id there is no such limit
        limit = account.driver.limits.max_metadata_bytes
        with pytest.raises(TooLargeError):
            recorded.create_object(
                bucket, "k", b"x", metadata={"name": "v" * (limit - 4)}, if_absent=True
            )
        assert recorder.calls == [], "more metadata was sent than the vendor takes"

    @needs("metadata", "copy_if_absent")
    def test_internal_metadata_is_not_inherited_by_a_conditional_copy(
        self, store: Store, account: Account, bucket: str
    ) -> None:
        if not store.capabilities.metadata:
            store.create_object(bucket, "k", b"", metadata={"a": "1"})
        self._write_internal(account, bucket, "k", "ours")
        store.copy_object(bucket, "k", bucket, "copy", if_absent=True)
        assert store.get_metadata(bucket, "copy") == {"user": "1"}
        assert store.head_object(bucket, "copy").content_type == "image/png"
        if store.capabilities.settles_writes:
            assert self._internal(account, bucket, "copy") is None

    # --- set_metadata ---

    @needs("metadata")
    def test_set_metadata_merges(self, store: Store, bucket: str) -> None:
        store.create_object(bucket, "k", b"data", metadata={"a": "1", "b": "2", "c": "3"})
        result = store.set_metadata(bucket, "k", {"B": "zwei", "c": None, "d": "4", "never": None})
        assert result == {"a": "1", "b": "zwei", "d": "4"}
        assert store.get_metadata(bucket, "k") == result

    @needs("metadata")
    def test_set_metadata_replaces_where_it_is_told_to(self, store: Store, bucket: str) -> None:
        store.create_object(bucket, "k", b"data", metadata={"a": "1", "b": "2"})
        assert store.set_metadata(bucket, "k", {"c": "ä"}, replace=True) == {"c": "ä"}
        assert store.get_metadata(bucket, "k") == {"c": "ä"}
        assert store.set_metadata(bucket, "k", {}, replace=True) == {}
        assert store.get_metadata(bucket, "k") == {}

    @needs("metadata")
    def test_set_metadata_touches_nothing_else(self, store: Store, bucket: str) -> None:
        headers = all_headers(store)
        store.create_object(bucket, "k", b"data", metadata={"a": "1"}, **headers)
        store.set_metadata(bucket, "k", {"b": "2"})
        found = store.get_object(bucket, "k")
        assert found.read() == b"data"
        assert {name: getattr(found, name) for name in headers} == headers
        assert found.metadata == {"a": "1", "b": "2"}

    @needs("metadata")
    def test_set_metadata_of_a_missing_object_raises(self, store: Store, bucket: str) -> None:
        with pytest.raises(ObjectNotFoundError):
            store.set_metadata(bucket, "k", {"a": "1"})
        assert store.object_exists(bucket, "k") is False

    @needs("metadata")
    def test_set_metadata_if_match(self, store: Store, bucket: str) -> None:
        store.create_object(bucket, "k", b"data", metadata={"a": "1"})
        etag = store.head_object(bucket, "k").etag
        caps = store.capabilities
        if not (caps.update_metadata_if_match if caps.update_metadata else caps.copy_if_match):
            with pytest.raises(UnsupportedError):
                store.set_metadata(bucket, "k", {"a": "2"}, if_match=etag)
            return
        with pytest.raises(PreconditionFailedError):
            store.set_metadata(bucket, "k", {"a": "2"}, if_match="another")
        assert store.get_metadata(bucket, "k") == {"a": "1"}
        store.set_metadata(bucket, "k", {"a": "3"}, if_match=etag)
        assert store.get_metadata(bucket, "k") == {"a": "3"}

    # --- headers ---

    @pytest.mark.parametrize("large", [False, True], ids=["one_request", "multipart"])
    def test_headers_come_back(self, store: Store, bucket: str, part_size: int, large: bool) -> None:
        headers = all_headers(store)
        many = large and store.capabilities.multipart
        store.create_object(bucket, "k", b"x" * (3 * part_size if many else 5), **headers)
        for found in (store.head_object(bucket, "k"), store.get_object(bucket, "k")):
            assert {name: getattr(found, name) for name in headers} == headers
            found.close()

    @pytest.mark.parametrize("value", ["a\r\nb: c", "a\nb", "a\0b", "", "ä", 7], ids=ascii)
    @pytest.mark.parametrize(
        "name", ["content_type", "content_encoding", "cache_control", "content_disposition"]
    )
    def test_impossible_header_is_refused_before_any_io(
        self, recorded: Store, recorder: RecordingDriver, bucket: str, name: str, value: Any
    ) -> None:
        has = name == "content_type" or getattr(recorded.capabilities, name)
        options: Any = {name: value}
        with pytest.raises(InvalidArgumentError if has else UnsupportedError):
            recorded.create_object(bucket, "k", b"x", **options)
        assert recorder.calls == []

    def test_default_content_type_of_data(self, store: Store, bucket: str) -> None:
        store.create_object(bucket, "text.html", "text")
        store.create_object(bucket, "bytes.html", b"bytes")
        assert store.head_object(bucket, "text.html").content_type == "text/plain; charset=utf-8"
        assert store.head_object(bucket, "bytes.html").content_type == "application/octet-stream"

    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("page.html", "text/html"),
            ("picture.PNG", "image/png"),
            ("archive.tar.gz", "application/octet-stream"),
            ("no suffix", "application/octet-stream"),
        ],
    )
    def test_content_type_of_a_file_is_guessed_by_its_name(
        self, store: Store, bucket: str, tmp_path: Path, name: str, expected: str
    ) -> None:
        (tmp_path / name).write_bytes(b"x")
        store.create_object_from_file(bucket, "k", tmp_path / name)
        assert store.head_object(bucket, "k").content_type == expected
        store.create_object_from_file(bucket, "k", tmp_path / name, content_type="a/b")
        assert store.head_object(bucket, "k").content_type == "a/b"

    def test_content_type_of_a_writer_is_guessed_by_the_key(self, store: Store, bucket: str) -> None:
        with store.open_writer(bucket, "page.html") as writer:
            writer.write(b"x")
        assert store.head_object(bucket, "page.html").content_type == "text/html"


def all_headers(store: Store) -> dict[str, Any]:
    """Every header that the store can hold, with a value."""
    headers = {
        "content_type": "text/csv; charset=utf-8",
        "content_encoding": "gzip",
        "cache_control": "max-age=60, private",
        "content_disposition": 'attachment; filename="a b.csv"',
    }
    return {
        name: value
        for name, value in headers.items()
        if name == "content_type" or getattr(store.capabilities, name)
    }
