"""Large objects from and into files: in parts, gone on with where a call has ended."""

from __future__ import annotations

from pathlib import Path

import pytest

from ...model import UploadRef
from ...store import Store
from .account import RecordingDriver
from .base import ConformanceTests, needs, payload

__all__ = ["TransferTests"]


class Stopped(Exception):
    """What ends a transfer in these tests."""


def names(folder: Path) -> list[str]:
    """Of the files there are."""
    return sorted(path.name for path in folder.iterdir())


class TransferTests(ConformanceTests):
    """Transfers."""

    def test_large_object_into_a_file(
        self, store: Store, bucket: str, part_size: int, tmp_path: Path
    ) -> None:
        data = payload(5 * part_size + 3)
        store.create_object(bucket, "k", data)
        told: list[tuple[int, int | None]] = []
        store.get_object_to_file(
            bucket, "k", tmp_path / "file", progress=lambda done, total: told.append((done, total))
        )
        assert (tmp_path / "file").read_bytes() == data
        assert names(tmp_path) == ["file"]
        assert told[-1] == (len(data), len(data))
        assert [done for done, _ in told] == sorted({done for done, _ in told})

    @needs("ranges")
    def test_part_of_a_large_object_into_a_file(
        self, store: Store, bucket: str, part_size: int, tmp_path: Path
    ) -> None:
        data = payload(6 * part_size)
        store.create_object(bucket, "k", data)
        start, end = part_size + 5, 5 * part_size - 7
        store.get_object_to_file(bucket, "k", tmp_path / "file", start=start, end=end)
        assert (tmp_path / "file").read_bytes() == data[start:end]

    @needs("multipart", "list_parts")
    def test_upload_goes_on_where_it_was_stopped(
        self,
        store: Store,
        recorded: Store,
        recorder: RecordingDriver,
        bucket: str,
        part_size: int,
        tmp_path: Path,
    ) -> None:
        data = payload(4 * part_size + 7)
        (tmp_path / "source").write_bytes(data)

        def stop(done: int, total: int | None) -> None:
            raise Stopped

        with pytest.raises(Stopped):
            recorded.create_object_from_file(
                bucket, "k", tmp_path / "source", resume=True, progress=stop
            )
        assert store.object_exists(bucket, "k") is False
        assert recorder.count("create_multipart") == 1
        recorder.calls.clear()
        told: list[int] = []
        recorded.create_object_from_file(
            bucket,
            "k",
            tmp_path / "source",
            resume=True,
            progress=lambda done, total: told.append(done),
        )
        assert store.get_object(bucket, "k").read() == data
        assert recorder.count("create_multipart") == 0
        assert recorder.count("upload_part") < 5, "nothing of the first try was there"
        assert told[-1] == len(data)
        assert names(tmp_path) == ["source"]

    @needs("multipart", "list_parts")
    def test_changed_file_is_uploaded_anew(
        self, store: Store, bucket: str, part_size: int, tmp_path: Path
    ) -> None:
        source = tmp_path / "source"
        source.write_bytes(payload(4 * part_size, seed=1))

        def stop(done: int, total: int | None) -> None:
            raise Stopped

        with pytest.raises(Stopped):
            store.create_object_from_file(bucket, "k", source, resume=True, progress=stop)
        data = payload(4 * part_size + 1, seed=2)
        source.write_bytes(data)
        store.create_object_from_file(bucket, "k", source, resume=True)
        assert store.get_object(bucket, "k").read() == data
        assert names(tmp_path) == ["source"]
        if store.capabilities.list_uploads:
            assert store.list_multipart_uploads(bucket) == []

    @needs("multipart", "list_parts")
    def test_upload_goes_on_from_its_reference(
        self, store: Store, bucket: str, part_size: int, tmp_path: Path
    ) -> None:
        data = payload(3 * part_size + 1)
        (tmp_path / "source").write_bytes(data)
        begun = store.create_multipart_upload(bucket, "k")
        begun.upload_part(2, data[part_size : 2 * part_size])
        ref = UploadRef.from_json(begun.ref.to_json())
        told: list[int] = []
        store.create_object_from_file(
            bucket,
            "k",
            tmp_path / "source",
            resume=ref,
            progress=lambda done, total: told.append(done),
        )
        assert store.get_object(bucket, "k").read() == data
        assert told[0] == part_size

    @needs("ranges")
    def test_download_goes_on_where_it_was_stopped(
        self, store: Store, bucket: str, part_size: int, tmp_path: Path
    ) -> None:
        data = payload(5 * part_size + 3)
        store.create_object(bucket, "k", data)
        (tmp_path / "file").write_bytes(b"old")

        def stop(done: int, total: int | None) -> None:
            if done > 3 * part_size:
                raise Stopped

        with pytest.raises(Stopped):
            store.get_object_to_file(bucket, "k", tmp_path / "file", resume=True, progress=stop)
        assert (tmp_path / "file").read_bytes() == b"old"
        store.get_object_to_file(bucket, "k", tmp_path / "file", resume=True)
        assert (tmp_path / "file").read_bytes() == data
        assert names(tmp_path) == ["file"]
