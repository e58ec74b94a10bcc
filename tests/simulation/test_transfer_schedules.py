"""Transfers under many schedules: cancelled at any moment, or with a part that fails.

Whatever the order, an object or a file is the old one or the new one, and nothing is left beside it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudstore import CloudStoreError, MemoryConfig, TransferConfig, UnavailableError
from cloudstore.bodies import BytesPayload, Payload
from cloudstore.driver import Driver, Flow, FlowCancelled, OpContext, Sleep
from cloudstore.model import GetOptions, ObjectInfo, Part, PutOptions, PutResult, UploadRef
from cloudstore.pass_through import PassThroughDriver
from cloudstore.providers.memory import MemoryDriver
from cloudstore.sources import OneShot, Source
from cloudstore.testing.simulation import SimulatedTask, Simulation
from cloudstore.transfer.download import download_to_file
from cloudstore.transfer.upload import upload

BUCKET, KEY = "bucket", "key"
OLD, NEW = b"old", bytes(range(100))
TRANSFER = TransferConfig(part_size=7, multipart_threshold=20, max_concurrency=3)
SEEDS = range(150)
LONGEST = 200
"""More effects than a transfer takes, so that some are not cut off."""


class Slow(PassThroughDriver):
    """Parts take their time, each another, and one may fail."""

    def __init__(self, inner: Driver, failing: int | None) -> None:
        super().__init__(inner)
        self._failing = failing
        self.is_beginning = False

    def create_multipart(
        self, ctx: OpContext, bucket: str, key: str, options: PutOptions
    ) -> Flow[UploadRef]:
        self.is_beginning = True
        ref = yield from super().create_multipart(ctx, bucket, key, options)
        self.is_beginning = False
        return ref

    def upload_part(self, ctx: OpContext, ref: UploadRef, number: int, payload: Payload) -> Flow[Part]:
        yield Sleep(ctx.random.random())
        if number == self._failing:
            raise UnavailableError("this part never works", outcome="not_applied")
        return (yield from super().upload_part(ctx, ref, number, payload))


def pieces() -> Iterator[bytes]:
    """Of other sizes than parts have."""
    for start in range(0, len(NEW), 9):
        yield NEW[start : start + 9]


def writing(driver: Driver, ctx: OpContext, *, streamed: bool) -> Flow[tuple[PutResult, int]]:
    source = (
        Source(stream=OneShot(ctx, pieces(), asynchronous=False))
        if streamed
        else Source(BytesPayload(NEW))
    )
    return upload(driver, ctx, BUCKET, KEY, source, PutOptions(), TRANSFER, None)


def reading(driver: Driver, ctx: OpContext, path: Path) -> Flow[ObjectInfo]:
    opened = yield from driver.get_object(ctx, BUCKET, KEY, GetOptions())
    return (
        yield from download_to_file(
            driver, ctx, BUCKET, KEY, opened, path, TRANSFER, None, resume=False
        )
    )


def stored(simulation: Simulation, driver: Driver) -> bytes:
    ctx = simulation.context()

    def read() -> Flow[bytes]:
        opened = yield from driver.get_object(ctx, BUCKET, KEY, GetOptions())
        data = opened.body.take()
        assert data is not None
        return data

    return simulation.run(read())


def begin(seed: int, content: bytes) -> tuple[Simulation, MemoryDriver]:
    simulation, driver = Simulation(seed), MemoryDriver(MemoryConfig())
    ctx = simulation.context()
    simulation.run(driver.create_bucket(ctx, BUCKET))
    simulation.run(driver.put_object(ctx, BUCKET, KEY, BytesPayload(content), PutOptions()))
    return simulation, driver


def cut_off(simulation: Simulation, task: SimulatedTask, seed: int) -> bool:
    """Runs a task for some effects, and cancels it; whether that came before its end."""
    for _ in range(random.Random(seed).randrange(LONGEST)):
        simulation.step()
    was_done = task.done
    simulation.cancel(task)
    simulation.run_all()
    return not was_done


def uploads_left(simulation: Simulation, driver: Driver) -> int:
    ctx = simulation.context()
    return len(simulation.run(driver.list_uploads(ctx, BUCKET, "", None)).uploads)


@pytest.mark.parametrize("streamed", [True, False])
def test_cancelled_upload_leaves_the_old_object_or_the_new(streamed: bool) -> None:
    ends = set()
    for seed in SEEDS:
        simulation, driver = begin(seed, OLD)
        slow = Slow(driver, None)
        task = simulation.spawn(writing(slow, simulation.context(), streamed=streamed))
        ends.add(cut_off(simulation, task, seed))
        is_new = task.error is None
        assert is_new or isinstance(task.error, FlowCancelled)
        assert stored(simulation, driver) in ((NEW,) if is_new else (OLD, NEW)), f"seed {seed}"
        # Of an upload that is cancelled while it begins, nobody has learnt the name.
        assert uploads_left(simulation, driver) <= slow.is_beginning, f"seed {seed}"
        assert simulation.leaks() == []
    assert ends == {True, False}


@pytest.mark.parametrize("streamed", [True, False])
def test_part_that_fails_ends_all_the_others(streamed: bool) -> None:
    for seed in SEEDS:
        simulation, driver = begin(seed, OLD)
        failing = 1 + seed % 15
        flow = writing(Slow(driver, failing), simulation.context(), streamed=streamed)
        with pytest.raises(CloudStoreError, match="never works"):
            simulation.run(flow)
        assert stored(simulation, driver) == OLD
        assert uploads_left(simulation, driver) == 0
        assert simulation.leaks() == []


def test_cancelled_download_leaves_the_old_file_or_the_new(tmp_path: Path) -> None:
    ends = set()
    for seed in SEEDS:
        simulation, driver = begin(seed, NEW)
        folder = tmp_path / str(seed)
        folder.mkdir()
        (folder / "file").write_bytes(OLD)
        task = simulation.spawn(reading(driver, simulation.context(), folder / "file"))
        ends.add(cut_off(simulation, task, seed))
        is_new = task.error is None
        assert (folder / "file").read_bytes() in ((NEW,) if is_new else (OLD, NEW))
        assert [path.name for path in folder.iterdir()] == ["file"], f"seed {seed}"
        assert simulation.leaks() == []
    assert ends == {True, False}
