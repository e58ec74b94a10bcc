"""What is in one vendor's bucket goes through all the others, and comes back the same."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from distributed import Client, LocalCluster

from cloudstore import (
    CloudStoreError,
    Config,
    InvalidKeyError,
    JobCancelledError,
    JobProgress,
    LocalConfig,
    PartialFailureError,
    Secret,
    Store,
    SyncSummary,
    TransferConfig,
)
from cloudstore.testing.qiniu import QiniuSimulator
from tests.mirrors.buckets import bucket_of
from tests.qiniu.harness import config_of as qiniu_config_of
from tests.servers.ministack_server import Ministack
from tests.servers.swift_server import Swift
from tests.swift.harness import config_of as swift_config_of

MIB = 1024 * 1024
TRANSFER = TransferConfig(part_size=5 * MIB, multipart_threshold=5 * MIB)
OBJECTS = {f"d{n % 7}/{n:03}": hashlib.sha256(b"%d" % n).digest() * (n % 50) for n in range(200)}
LARGE = b"".join(hashlib.sha256(b"%d" % n).digest() for n in range(12 * MIB // 32))


@pytest.fixture(scope="module")
def qiniu() -> Iterator[QiniuSimulator]:
    with QiniuSimulator() as simulator:
        yield simulator


@pytest.fixture
def configs(
    ministack: Ministack, swift: Swift, qiniu: QiniuSimulator, tmp_path: Path
) -> dict[str, Config]:
    return {
        "s3": replace(ministack.s3_config(region="eu-west-1"), transfer=TRANSFER),
        "swift": replace(swift_config_of(swift), transfer=TRANSFER),
        "qiniu": qiniu_config_of(qiniu, transfer=TRANSFER),
        "file": LocalConfig(root=tmp_path / "store", transfer=TRANSFER),
    }


def contents(store: Store, bucket: str) -> dict[str, bytes]:
    keys = [found.key for found in store.get_all_objects(bucket)]
    return {r.key: r.value.read() for r in store.get_objects(bucket, keys) if r.value}


def counts(summary: SyncSummary) -> tuple[int, int, int, int]:
    return summary.total, summary.copied, summary.duplicate, summary.failed


def test_round_through_all_vendors(configs: dict[str, Config]) -> None:
    order = ["s3", "swift", "qiniu", "file"]
    with (
        bucket_of(configs["s3"], "round") as first,
        bucket_of(configs["swift"], "round") as second,
        bucket_of(configs["qiniu"], "round") as third,
        bucket_of(configs["file"], "round") as fourth,
    ):
        stores = dict(zip(order, (first, second, third, fourth), strict=True))
        first.create_objects("round", OBJECTS, content_type="text/x-numbers", metadata={"n": "größe"})
        first.create_object("round", "large", LARGE, content_type="a/b")
        for source, target in pairwise(order):
            summary = stores[source].bucket("round").mirror_to(stores[target].bucket("round"))
            assert counts(summary) == (201, 201, 0, 0), (source, target)
        back = fourth.bucket("round").mirror_to(first.bucket("round", prefix="back/"))
        assert counts(back) == (201, 201, 0, 0)
        expected = {**OBJECTS, "large": LARGE}
        for store in stores.values():
            found = contents(store, "round")
            assert {k: v for k, v in found.items() if not k.startswith("back/")} == expected
        head = first.head_object("round", "back/d1/001")
        assert (head.content_type, head.metadata) == ("text/x-numbers", {"n": "größe"})
        assert first.head_object("round", "back/large").content_type == "a/b"
        assert first.get_object("round", "back/large").read() == LARGE


def test_mirror_that_was_interrupted_goes_on(configs: dict[str, Config]) -> None:
    with bucket_of(configs["s3"], "source") as source, bucket_of(configs["swift"], "target") as target:
        source.create_objects("source", OBJECTS)
        some = threading.Event()

        def progress(told: JobProgress) -> None:
            if told.files_done >= 50:
                some.set()

        job = source.bucket("source").mirror_to(
            target.bucket("target"), background=True, max_concurrency=2, progress=progress
        )
        assert some.wait(60)
        job.cancel()
        with pytest.raises(JobCancelledError):
            job.result()
        assert job.summary.copied >= 50
        summary = source.bucket("source").mirror_to(target.bucket("target"))
        assert summary.copied + summary.duplicate == 200
        assert contents(target, "target") == OBJECTS


@contextmanager
def dask() -> Iterator[Executor]:
    two_processes: dict[str, Any] = {"n_workers": 2, "threads_per_worker": 1, "processes": True}
    cluster: Any = LocalCluster(**two_processes, dashboard_address=None, host="127.0.0.1")  # type: ignore[no-untyped-call]
    with cluster, Client(cluster) as client, client.get_executor() as executor:  # type: ignore[no-untyped-call]
        yield executor


EXECUTORS: dict[str, Callable[[], AbstractContextManager[Executor]]] = {
    "threads": lambda: ThreadPoolExecutor(2),
    "processes": lambda: ProcessPoolExecutor(2, get_context("spawn")),
    "dask": dask,
}


@pytest.mark.parametrize("kind", EXECUTORS)
def test_workers_of_an_executor_copy(configs: dict[str, Config], kind: str) -> None:
    with (
        EXECUTORS[kind]() as executor,
        bucket_of(configs["s3"], "source") as source,
        bucket_of(configs["file"], "target") as target,
    ):
        source.create_objects("source", OBJECTS)
        source.create_object("source", "large", LARGE)
        ours, theirs = source.bucket("source"), target.bucket("target")
        assert ours.mirror_to(theirs, executor=executor, dry_run=True).copied == 201
        assert target.get_all_objects("target") == []
        summary = ours.mirror_to(theirs, executor=executor)
        assert counts(summary) == (201, 201, 0, 0)
        assert summary.bytes == sum(map(len, OBJECTS.values())) + len(LARGE)
        assert contents(target, "target") == {**OBJECTS, "large": LARGE}
        again = ours.mirror_to(theirs, executor=executor)
        assert again.total == again.copied + again.duplicate == 201


def test_what_fails_in_a_worker_is_told(configs: dict[str, Config]) -> None:
    long = "k" * 800  # Qiniu's keys have 750 bytes at most
    with (
        ProcessPoolExecutor(1, get_context("spawn")) as executor,
        bucket_of(configs["s3"], "source") as source,
        bucket_of(configs["qiniu"], "target") as target,
    ):
        source.create_objects("source", {"good": b"1", long: b"2"})
        with pytest.raises(PartialFailureError) as caught:
            source.bucket("source").mirror_to(target.bucket("target"), executor=executor)
        assert counts(caught.value.summary) == (2, 1, 0, 1)
        error = caught.value.results[long]
        assert isinstance(error, InvalidKeyError)
        assert (error.vendor, error.bucket, error.key) == ("qiniu", "target", long)
        assert contents(target, "target") == {"good": b"1"}


def test_wrong_key_ends_it_all(ministack: Ministack, configs: dict[str, Config]) -> None:
    wrong = replace(ministack.s3_config(region="eu-west-1"), secret_key=Secret("not-the-secret"))
    with Store(wrong) as source, bucket_of(configs["swift"], "target") as target:
        with pytest.raises(CloudStoreError) as caught:
            source.bucket("source").mirror_to(target.bucket("target"))
        assert "not-the-secret" not in str(caught.value)
