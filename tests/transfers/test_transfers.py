"""Memory that is bounded whatever the object, and transfers that go on after ``kill -9``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cloudstore import Store, StoreFactory, TransferConfig

from .places import PLACES, Settings
from .runs import BUCKET, Killed, down, interrupt, measure, up
from .worker import blocks

MIB = 1024 * 1024
SIZE = 64 * MIB
TRANSFER = {"part_size": 2 * MIB, "multipart_threshold": 2 * MIB, "max_concurrency": 4}
BOUND = 40 * MIB
"""The parts under way take 8 MiB; what else a process takes, and its allocator keeps, is much less than
the object."""
KILLS = 3
Move = Callable[[Store, Settings, dict[str, int], int, Path, int, int], Killed]


@pytest.fixture(scope="module", params=PLACES)
def settings(request: pytest.FixtureRequest) -> Iterator[Settings]:
    with PLACES[request.param]() as found:
        yield found


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    with StoreFactory.create(dict(settings), transfer=TransferConfig(**TRANSFER)) as made:
        if not made.bucket_exists(BUCKET):
            made.create_bucket(BUCKET)
        yield made


@pytest.mark.usefixtures("store")
def test_memory_is_bounded_by_parts_not_by_the_object(settings: Settings, tmp_path: Path) -> None:
    found = measure(settings, TRANSFER, SIZE, tmp_path)
    assert len(set(found["digests"])) == 1
    assert found["up"] < BOUND
    assert found["down"] < BOUND


def test_interrupted_upload_leaves_what_was_there(
    store: Store, settings: Settings, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    with source.open("wb") as file:
        file.writelines(blocks(SIZE))
    store.create_object(BUCKET, "interrupted", b"old")
    job = {"do": "up", "settings": dict(settings), "transfer": TRANSFER, "path": str(source)}
    told = interrupt({**job, "bucket": BUCKET, "key": "interrupted"})
    assert told.rstrip().endswith("KeyboardInterrupt")
    assert store.get_object(BUCKET, "interrupted").read() == b"old"
    if store.capabilities.list_uploads:
        assert store.list_multipart_uploads(BUCKET) == []


def test_interrupted_download_leaves_what_was_there(
    store: Store, settings: Settings, tmp_path: Path
) -> None:
    store.create_object(BUCKET, "interrupted", blocks(SIZE))
    target = tmp_path / "target"
    target.write_bytes(b"old")
    job = {"do": "down", "settings": dict(settings), "transfer": TRANSFER, "path": str(target)}
    told = interrupt({**job, "bucket": BUCKET, "key": "interrupted"})
    assert told.rstrip().endswith("KeyboardInterrupt")
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("move", [up, down])
def test_killed_transfer_goes_on(store: Store, settings: Settings, tmp_path: Path, move: Move) -> None:
    found = move(store, settings, TRANSFER, SIZE // 2, tmp_path, KILLS, 1)
    assert found.is_equal
    assert found.left == []
    assert found.kills <= KILLS
    assert found.sent_again <= found.kills * TRANSFER["max_concurrency"] * TRANSFER["part_size"]
