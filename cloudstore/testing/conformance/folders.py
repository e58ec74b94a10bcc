"""Folders: uploaded, downloaded, made alike in both directions, and what is left alone."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from ...errors import (
    BucketNotFoundError,
    InvalidArgumentError,
    InvalidKeyError,
    JobCancelledError,
    PartialFailureError,
)
from ...store import Store
from ...transfer.job import JobProgress
from .account import RecordingDriver
from .base import ConformanceTests, payload

__all__ = ["FolderTests"]

HOUR = 3600
TREE = {
    "a.txt": b"text",
    "a/b.css": b"css",
    "a/deep/er/c": payload(3000),
    "empty": b"",
    "z \N{SNOWMAN} ü": b"unicode",
}
COUNTERS = (
    "total",
    "uploaded",
    "downloaded",
    "copied",
    "ignored",
    "older",
    "duplicate",
    "failed",
    "deleted",
)


def make_tree(root: Path, tree: Mapping[str, bytes]) -> Path:
    """Files that were last changed an hour ago."""
    for path, data in tree.items():
        write(root / path, data)
    return root


def write(path: Path, data: bytes, age: float = HOUR) -> None:
    """A file that was last changed so many seconds ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    os.utime(path, (time.time() - age, time.time() - age))


def read_tree(root: Path) -> dict[str, bytes]:
    """All files below a folder."""
    files = (path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def counted(summary: object) -> dict[str, int]:
    """The counters that are not 0."""
    return {name: n for name in COUNTERS if (n := getattr(summary, name))}


def stored(store: Store, bucket: str, prefix: str = "") -> dict[str, bytes]:
    """All objects."""
    keys = [o.key for o in store.get_all_objects(bucket, prefix)]
    return {r.key: r.value.read() for r in store.get_objects(bucket, keys) if r.value}


class FolderTests(ConformanceTests):
    """Folders."""

    def test_folder_is_uploaded(self, store: Store, bucket: str, tmp_path: Path) -> None:
        make_tree(tmp_path, TREE)
        summary = store.upload_folder(bucket, tmp_path, "backup")
        assert counted(summary) == {"total": 5, "uploaded": 5}
        assert summary.bytes == sum(map(len, TREE.values()))
        assert stored(store, bucket) == {f"backup/{path}": data for path, data in TREE.items()}
        assert store.head_object(bucket, "backup/a/b.css").content_type == "text/css"

    def test_large_file_of_a_folder(
        self, store: Store, bucket: str, part_size: int, tmp_path: Path
    ) -> None:
        data = payload(max(4 * part_size, 1024 * 1024) + 5)
        make_tree(tmp_path / "up", {"large": data})
        assert counted(store.upload_folder(bucket, tmp_path / "up")) == {"total": 1, "uploaded": 1}
        summary = store.download_folder(bucket, tmp_path / "down")
        assert counted(summary) == {"total": 1, "downloaded": 1}
        assert summary.bytes == len(data)
        assert read_tree(tmp_path / "down") == {"large": data}

    def test_ignored_and_hidden_files(self, store: Store, bucket: str, tmp_path: Path) -> None:
        extra = {".hidden": b"", ".git/config": b"", "a/x.tmp": b"", "build/1": b"", "build/2": b""}
        make_tree(tmp_path, {**TREE, **extra})
        ignore = ["*.tmp", "build"]
        summary = store.upload_folder(bucket, tmp_path, ignore=ignore)
        assert counted(summary) == {"total": 9, "uploaded": 5, "ignored": 4}
        assert set(stored(store, bucket)) == set(TREE)
        summary = store.upload_folder(bucket, tmp_path, ignore=["a/d*"], include_hidden=True)
        assert counted(summary) == {"total": 10, "uploaded": 9, "ignored": 1}

    def test_second_time_nothing_is_sent(
        self, store: Store, recorded: Store, recorder: RecordingDriver, bucket: str, tmp_path: Path
    ) -> None:
        make_tree(tmp_path, TREE)
        assert counted(store.sync_folder(bucket, tmp_path)) == {"total": 5, "uploaded": 5}
        recorder.calls.clear()
        assert counted(recorded.sync_folder(bucket, tmp_path)) == {"total": 5, "duplicate": 5}
        assert recorder.count("put_object", "head_object", "create_multipart", "get_object") == 0

    def test_what_differs_is_sent(self, store: Store, bucket: str, tmp_path: Path) -> None:
        make_tree(tmp_path, TREE)
        store.sync_folder(bucket, tmp_path, "p")
        write(tmp_path / "a.txt", b"more text", age=-HOUR)
        write(tmp_path / "a/b.css", b"CSS", age=-HOUR)
        write(tmp_path / "new", b"new")
        (tmp_path / "empty").unlink()
        summary = store.sync_folder(bucket, tmp_path, "p")
        assert counted(summary) == {"total": 5, "uploaded": 3, "duplicate": 2}
        assert store.object_exists(bucket, "p/empty")
        summary = store.sync_folder(bucket, tmp_path, "p/", delete=True)
        assert summary.deleted == 1
        assert stored(store, bucket, "p/") == {f"p/{k}": d for k, d in read_tree(tmp_path).items()}

    def test_what_is_not_its_own_is_not_deleted(
        self, store: Store, bucket: str, tmp_path: Path
    ) -> None:
        make_tree(tmp_path, {"a": b"1"})
        kept = ["p2/x", "q", "p/.hidden", "p/x.tmp", "p/skipped/x"]
        with suppress(InvalidKeyError):
            store.create_object(bucket, "p//", b"no file")
            kept.append("p//")
        store.create_objects(bucket, dict.fromkeys([*kept, "p/surplus", "p/d/surplus"], b"x"))
        ignore = ["*.tmp", "skipped"]
        summary = store.sync_folder(bucket, tmp_path, "p", delete=True, ignore=ignore)
        assert counted(summary) == {"total": 1, "uploaded": 1, "deleted": 2}
        assert set(stored(store, bucket)) == {*kept, "p/a"}

    def test_nothing_is_deleted_where_not_all_was_seen(
        self, store: Store, bucket: str, tmp_path: Path
    ) -> None:
        make_tree(tmp_path, {"a": b"1"})
        (tmp_path / "link to nothing").symlink_to(tmp_path / "nothing")
        store.create_object(bucket, "surplus", b"x")
        with pytest.raises(PartialFailureError) as caught:
            store.sync_folder(bucket, tmp_path, delete=True)
        assert counted(caught.value.summary) == {"total": 2, "uploaded": 1, "failed": 1}
        assert set(caught.value.results) == {"link to nothing"}
        assert set(stored(store, bucket)) == {"a", "surplus"}

    def test_newer_object_is_left_alone(self, store: Store, bucket: str, tmp_path: Path) -> None:
        make_tree(tmp_path, {"a": b"older"})
        store.create_object(bucket, "a", b"newer than the file")
        assert counted(store.sync_folder(bucket, tmp_path)) == {"total": 1, "older": 1}
        assert stored(store, bucket)["a"] == b"newer than the file"
        summary = store.sync_folder(bucket, tmp_path, overwrite_newer=True)
        assert counted(summary) == {"total": 1, "uploaded": 1}
        assert stored(store, bucket)["a"] == b"older"

    def test_files_are_compared_by_checksums(self, store: Store, bucket: str, tmp_path: Path) -> None:
        make_tree(tmp_path, TREE)
        store.sync_folder(bucket, tmp_path)
        states = bool(store.head_object(bucket, "a.txt").checksums)
        os.utime(tmp_path / "a.txt", (time.time() + HOUR, time.time() + HOUR))
        write(tmp_path / "a/b.css", b"CSS", age=-HOUR)
        summary = store.sync_folder(bucket, tmp_path, compare="checksum")
        if states:
            assert counted(summary) == {"total": 5, "uploaded": 1, "duplicate": 4}
        else:  # what is not known to be alike is sent, if it is not older
            assert counted(summary)["uploaded"] == 2
        assert stored(store, bucket)["a/b.css"] == b"CSS"

    def test_folder_is_downloaded(self, store: Store, bucket: str, tmp_path: Path) -> None:
        store.create_objects(bucket, {f"p/{path}": data for path, data in TREE.items()})
        store.create_object(bucket, "p2", b"not of it")
        summary = store.download_folder(bucket, tmp_path / "made", "p")
        assert counted(summary) == {"total": 5, "downloaded": 5}
        assert read_tree(tmp_path / "made") == TREE
        modified = store.head_object(bucket, "p/a.txt").last_modified
        assert modified is not None
        assert (tmp_path / "made/a.txt").stat().st_mtime == pytest.approx(modified.timestamp(), abs=1)

    def test_second_time_nothing_is_received(
        self, store: Store, recorded: Store, recorder: RecordingDriver, bucket: str, tmp_path: Path
    ) -> None:
        store.create_objects(bucket, TREE)
        store.sync_folder(bucket, tmp_path, direction="down")
        recorder.calls.clear()
        summary = recorded.sync_folder(bucket, tmp_path, direction="down")
        assert counted(summary) == {"total": 5, "duplicate": 5}
        assert recorder.count("get_object", "head_object") == 0

    def test_files_that_no_object_has(self, store: Store, bucket: str, tmp_path: Path) -> None:
        store.create_objects(bucket, {"kept": b"1", "changed": b"2"})
        make_tree(tmp_path, {"gone/deep/x": b"", ".hidden": b"", "x.tmp": b"", "changed": b"before"})
        summary = store.sync_folder(bucket, tmp_path, direction="down", delete=True, ignore=["*.tmp"])
        assert counted(summary) == {"total": 2, "downloaded": 2, "deleted": 1}
        assert read_tree(tmp_path) == {"kept": b"1", "changed": b"2", ".hidden": b"", "x.tmp": b""}
        assert not (tmp_path / "gone").exists()

    def test_keys_that_lead_out_of_the_folder_fail(
        self, store: Store, bucket: str, tmp_path: Path
    ) -> None:
        out = []
        for key in ("../out", "a/../../out", "/out", "a//b", "./x"):
            with suppress(InvalidKeyError):
                store.create_object(bucket, f"p/{key}", b"out")
                out.append(key)
        store.create_object(bucket, "p/good", b"good")
        folder = tmp_path / "one" / "two"
        if out:
            with pytest.raises(PartialFailureError) as caught:
                store.download_folder(bucket, folder, "p/")
            assert set(caught.value.results) == set(out)
            assert all(isinstance(e, InvalidKeyError) for e in caught.value.results.values())
            assert caught.value.summary.failed == len(out)
        else:
            store.download_folder(bucket, folder, "p/")
        assert read_tree(tmp_path) == {"one/two/good": b"good"}

    def test_link_that_leads_out_of_the_folder(self, store: Store, bucket: str, tmp_path: Path) -> None:
        store.create_objects(bucket, {"link/x": b"1", "good": b"2"})
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "folder").mkdir()
        (tmp_path / "folder" / "link").symlink_to(tmp_path / "elsewhere")
        with pytest.raises(PartialFailureError) as caught:
            store.download_folder(bucket, tmp_path / "folder")
        assert set(caught.value.results) == {"link/x"}
        assert list((tmp_path / "elsewhere").iterdir()) == []
        assert (tmp_path / "folder/good").read_bytes() == b"2"

    def test_file_that_fails_is_no_reason_to_stop(
        self, store: Store, bucket: str, tmp_path: Path
    ) -> None:
        store.create_objects(bucket, {"a": b"1", "b": b"2"})
        (tmp_path / "a" / "folder").mkdir(parents=True)
        with pytest.raises(PartialFailureError) as caught:
            store.download_folder(bucket, tmp_path)
        assert set(caught.value.results) == {"a"}
        assert counted(caught.value.summary) == {"total": 2, "downloaded": 1, "failed": 1}
        assert (tmp_path / "b").read_bytes() == b"2"

    def test_dry_run_changes_nothing(self, store: Store, bucket: str, tmp_path: Path) -> None:
        make_tree(tmp_path, TREE)
        store.create_object(bucket, "surplus", b"x")
        summary = store.sync_folder(bucket, tmp_path, delete=True, dry_run=True)
        assert counted(summary) == {"total": 5, "uploaded": 5, "deleted": 1}
        acts = {action.path: action.act.value for action in summary.actions}
        assert acts == {**dict.fromkeys(TREE, "upload"), "surplus": "delete"}
        assert set(stored(store, bucket)) == {"surplus"}
        down = store.sync_folder(bucket, tmp_path, direction="down", delete=True, dry_run=True)
        assert counted(down) == {"total": 1, "downloaded": 1, "deleted": 5}
        assert read_tree(tmp_path) == TREE

    def test_what_is_not_there(self, store: Store, bucket: str, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            store.upload_folder(bucket, tmp_path / "none")
        write(tmp_path / "file", b"")
        with pytest.raises(NotADirectoryError):
            store.sync_folder(bucket, tmp_path / "file", delete=True)
        with pytest.raises(BucketNotFoundError):
            store.upload_folder("no-such-bucket-of-a-folder", tmp_path)
        with pytest.raises(BucketNotFoundError):
            store.download_folder("no-such-bucket-of-a-folder", tmp_path)

    def test_wrong_options_are_refused(self, store: Store, bucket: str, tmp_path: Path) -> None:
        wrong: list[dict[str, Any]] = [
            {"direction": "left"},
            {"compare": "time"},
            {"ignore": "*.tmp"},
            {"delet": True},
        ]
        for options in wrong:
            with pytest.raises(InvalidArgumentError):
                store.sync_folder(bucket, tmp_path, **options)

    def test_folder_of_a_handle(self, store: Store, bucket: str, tmp_path: Path) -> None:
        make_tree(tmp_path, {"x": b"1"})
        store.bucket(bucket, prefix="own/").upload_folder(tmp_path, "p")
        assert stored(store, bucket) == {"own/p/x": b"1"}
        store.bucket(bucket, prefix="own/").download_folder(tmp_path / "down")
        assert read_tree(tmp_path / "down") == {"p/x": b"1"}

    def test_job_in_the_background(self, store: Store, bucket: str, tmp_path: Path) -> None:
        make_tree(tmp_path, TREE)
        ended = threading.Event()
        told: list[JobProgress] = []
        job = store.upload_folder(bucket, tmp_path, background=True, progress=told.append)
        job.add_done_callback(lambda job: ended.set())
        summary = job.result()
        assert ended.wait(10)
        assert job.done
        assert counted(summary) == {"total": 5, "uploaded": 5}
        size = sum(map(len, TREE.values()))
        assert (job.progress.files_done, job.progress.bytes_done) == (5, size)
        assert job.progress.is_planned
        assert told[-1] == job.progress
        assert [p.files_done for p in told] == sorted(p.files_done for p in told)

    def test_job_that_is_cancelled(self, store: Store, bucket: str, tmp_path: Path) -> None:
        make_tree(tmp_path, {f"{n:03}": payload(100) for n in range(200)})
        some, go_on = threading.Event(), threading.Event()

        def progress(told: object) -> None:
            some.set()
            assert go_on.wait(10)

        job = store.upload_folder(
            bucket, tmp_path, background=True, max_concurrency=2, progress=progress
        )
        assert some.wait(10)
        threading.Timer(0.1, go_on.set).start()
        job.cancel()
        with pytest.raises(JobCancelledError):
            job.result()
        assert job.done
        assert job.summary.uploaded < 200
        assert len(stored(store, bucket)) < 200

    def test_progress_that_fails_stops_the_work(
        self, store: Store, bucket: str, tmp_path: Path
    ) -> None:
        class Stopped(Exception):
            pass

        def progress(told: object) -> None:
            raise Stopped

        make_tree(tmp_path, TREE)
        with pytest.raises(Stopped):
            store.upload_folder(bucket, tmp_path, progress=progress)
