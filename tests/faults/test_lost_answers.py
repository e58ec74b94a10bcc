"""Requests that were served and whose answer never came: what the caller is told is what is there.

What only one vendor has (swaps, uploads that are listed) is tested with the vendor.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from cloudstore import (
    BucketNotFoundError,
    ObjectAlreadyExistsError,
    ObjectNotFoundError,
    Store,
    TransferConfig,
    TransportError,
)
from cloudstore.testing import Fault
from tests.faults.stage import ATTEMPTS, Stage, content
from tests.faults.vendors import PART
from tests.wire.server import wait_until

LARGE = bytes(range(256)) * (PART // 256) * 4 + b"the end"
IN_PARTS = TransferConfig(part_size=PART, multipart_threshold=PART)
EVERY_STEP = pytest.mark.parametrize("step", ["begin", "part", "complete"])


def lose(stage: Stage, what: str, times: int | None = 1) -> None:
    """Answers to such requests are lost, of so many connections."""
    stage.clear()
    stage.inject(Fault(lose_answer=True, when=stage.vendor.begins[what]), times)


@pytest.fixture(params=["new", "kept"])
def store(request: pytest.FixtureRequest, stage: Stage) -> Store:
    """A store that has no connection, or one that it has used a moment ago."""
    made = stage.store(transfer=IN_PARTS)
    if request.param == "kept":
        assert made.bucket_exists(stage.bucket)
    return made


# --- objects --------------------------------------------------------------------------------------


def test_overwriting_is_done_again(stage: Stage, direct: Store, store: Store) -> None:
    direct.create_object(stage.bucket, stage.key, b"old")
    lose(stage, "put")
    store.create_object(stage.bucket, stage.key, b"new")
    assert len(stage.of("put")) == 2
    assert content(direct, stage) == b"new"


def test_overwriting_that_is_never_answered_is_unknown(
    stage: Stage, direct: Store, store: Store
) -> None:
    lose(stage, "put", None)
    with stage.fails(
        TransportError, "create_object", outcome="unknown", attempts=ATTEMPTS, retryable=True
    ):
        store.create_object(stage.bucket, stage.key, b"new")
    assert content(direct, stage) == b"new"


def test_deletion_is_done_again(stage: Stage, direct: Store, store: Store) -> None:
    direct.create_object(stage.bucket, stage.key, b"old")
    lose(stage, "delete")
    store.delete_object(stage.bucket, stage.key)
    assert stage.retries == 1
    assert not direct.object_exists(stage.bucket, stage.key)


def test_deletion_that_is_never_answered_is_unknown(stage: Stage, direct: Store, store: Store) -> None:
    direct.create_object(stage.bucket, stage.key, b"old")
    lose(stage, "delete", None)
    with stage.fails(TransportError, "delete_object", outcome="unknown", attempts=ATTEMPTS):
        store.delete_object(stage.bucket, stage.key)
    assert not direct.object_exists(stage.bucket, stage.key)


def test_deletion_of_many_is_done_again(stage: Stage, direct: Store, store: Store) -> None:
    wanted = [f"{stage.key}/{number}" for number in range(3)]
    for key in wanted:
        direct.create_object(stage.bucket, key, b"old")
    lose(stage, "delete_many")
    assert store.delete_objects(stage.bucket, wanted) == wanted
    assert len(stage.of("delete_many")) == 2
    assert direct.get_all_objects(stage.bucket, prefix=f"{stage.key}/") == []


def test_copy_is_done_again(stage: Stage, direct: Store, store: Store) -> None:
    direct.create_object(stage.bucket, stage.key, b"data")
    lose(stage, "copy")
    store.copy_object(stage.bucket, stage.key, stage.bucket, f"{stage.key} copy")
    assert stage.retries == 1
    assert content(direct, stage, f"{stage.key} copy") == b"data"


def test_copy_that_is_never_answered_is_unknown(stage: Stage, direct: Store, store: Store) -> None:
    direct.create_object(stage.bucket, stage.key, b"data")
    lose(stage, "copy", None)
    with stage.fails(TransportError, "copy_object", outcome="unknown", attempts=ATTEMPTS):
        store.copy_object(stage.bucket, stage.key, stage.bucket, f"{stage.key} copy")
    assert content(direct, stage, f"{stage.key} copy") == b"data"


@pytest.mark.parametrize("step", ["copy", "delete"])
def test_move_is_done_again(stage: Stage, direct: Store, store: Store, step: str) -> None:
    direct.create_object(stage.bucket, stage.key, b"data")
    lose(stage, step)
    store.move_object(stage.bucket, stage.key, stage.bucket, f"{stage.key} moved")
    assert content(direct, stage, f"{stage.key} moved") == b"data"
    with pytest.raises(ObjectNotFoundError):
        content(direct, stage)


# --- in parts -------------------------------------------------------------------------------------


@EVERY_STEP
def test_large_object_is_there_whichever_answer_is_lost(
    stage: Stage, direct: Store, store: Store, step: str
) -> None:
    lose(stage, step)
    made = store.create_object(stage.bucket, stage.key, LARGE)
    assert content(direct, stage) == LARGE
    assert made.etag == direct.head_object(stage.bucket, stage.key).etag
    left = stage.vendor.leftovers(direct, stage.bucket, stage.key)
    assert len(left) == (stage.vendor.lost_beginnings if step == "begin" else 0)


@EVERY_STEP
def test_large_object_of_which_an_answer_never_comes(
    stage: Stage, direct: Store, store: Store, step: str
) -> None:
    """What is there afterwards is what was before, or the whole; the error does not say "nothing"."""
    direct.create_object(stage.bucket, stage.key, b"old")
    lose(stage, step, None)
    if step == "complete" and store.capabilities.settles_writes:
        store.create_object(stage.bucket, stage.key, LARGE)
        assert content(direct, stage) == LARGE
        return
    with stage.fails(TransportError, "create_object", outcome="unknown", attempts=ATTEMPTS):
        store.create_object(stage.bucket, stage.key, LARGE)
    assert content(direct, stage) == (LARGE if step == "complete" else b"old")


def test_part_is_sent_again(stage: Stage, direct: Store, store: Store) -> None:
    with store.create_multipart_upload(stage.bucket, stage.key) as upload:
        lose(stage, "part")
        part = upload.upload_part(1, b"data")
        assert len(stage.of("part")) == 2
        assert [found.etag for found in upload.list_parts()] == [part.etag]
        upload.complete()
    assert content(direct, stage) == b"data"


def test_abort_is_done_again(stage: Stage, direct: Store, store: Store) -> None:
    upload = store.create_multipart_upload(stage.bucket, stage.key)
    upload.upload_part(1, b"data")
    lose(stage, "abort")
    upload.abort()
    assert stage.retries == 1
    assert stage.vendor.leftovers(direct, stage.bucket, stage.key) == []


def test_abort_that_is_never_answered_is_unknown(stage: Stage, direct: Store, store: Store) -> None:
    upload = store.create_multipart_upload(stage.bucket, stage.key)
    upload.upload_part(1, b"data")
    lose(stage, "abort", None)
    with stage.fails(TransportError, "abort_multipart", outcome="unknown", attempts=ATTEMPTS):
        upload.abort()
    direct_abort(direct, stage)
    assert stage.vendor.leftovers(direct, stage.bucket, stage.key) == []


def direct_abort(direct: Store, stage: Stage) -> None:
    """Whatever is still listed goes with the stale ones."""
    if direct.capabilities.list_uploads:
        direct.abort_stale_uploads(stage.bucket, timedelta(), prefix=stage.key)


# --- conditions, and the write-ids that settle them ----------------------------------------------


@pytest.mark.parametrize("times", [1, None], ids=["once", "always"])
def test_creation_is_known_by_its_write_id(
    stage: Stage, direct: Store, store: Store, times: int | None
) -> None:
    lose(stage, "put", times)
    made = store.create_object(stage.bucket, stage.key, b"ours", if_absent=True)
    assert made.etag == direct.head_object(stage.bucket, stage.key).etag
    assert content(direct, stage) == b"ours"
    assert made.metadata == {}


@pytest.mark.parametrize("times", [1, None], ids=["once", "always"])
def test_creation_where_another_was_first_is_no_success(
    stage: Stage, direct: Store, store: Store, times: int | None
) -> None:
    direct.create_object(stage.bucket, stage.key, b"another's", if_absent=True)
    lose(stage, "put", times)
    kind = ObjectAlreadyExistsError if times else TransportError
    with stage.fails(kind, "create_object", outcome="unknown"):
        store.create_object(stage.bucket, stage.key, b"ours", if_absent=True)
    assert content(direct, stage) == b"another's"


def test_creation_that_cannot_be_looked_at_is_unknown(
    stage: Stage, direct: Store, store: Store
) -> None:
    stage.clear()
    stage.inject(Fault(lose_answer=True))
    with stage.fails(TransportError, "create_object", outcome="unknown", attempts=ATTEMPTS):
        store.create_object(stage.bucket, stage.key, b"ours", if_absent=True)
    assert content(direct, stage) == b"ours"


@pytest.mark.parametrize("times", [1, None], ids=["once", "always"])
@pytest.mark.parametrize("options", [{}, {"if_absent": True}], ids=["plain", "if_absent"])
def test_completion_is_known_by_its_write_id(
    stage: Stage, direct: Store, store: Store, times: int | None, options: dict[str, bool]
) -> None:
    def lose_the_last(done: int, total: int | None) -> None:
        if done == total:
            lose(stage, "complete", times)

    made = store.create_object(
        stage.bucket,
        stage.key,
        LARGE,
        progress=lose_the_last,
        **options,  # type: ignore[arg-type]
    )
    assert len(stage.of("complete")) >= (ATTEMPTS if times is None else 2)
    assert made.etag == direct.head_object(stage.bucket, stage.key).etag
    assert content(direct, stage) == LARGE
    assert stage.vendor.leftovers(direct, stage.bucket, stage.key) == []


def test_completion_by_hand_that_was_refused_is_no_success(
    stage: Stage, direct: Store, store: Store
) -> None:
    upload = store.create_multipart_upload(stage.bucket, stage.key)
    upload.upload_part(1, b"ours")
    direct.create_object(stage.bucket, stage.key, b"another's")
    lose(stage, "complete")
    with stage.fails(ObjectAlreadyExistsError, "complete_multipart", outcome="unknown"):
        upload.complete(if_absent=True)
    stage.proxy.heal()
    upload.abort()
    assert content(direct, stage) == b"another's"


# --- buckets --------------------------------------------------------------------------------------


@pytest.fixture
def new_bucket(stage: Stage, direct: Store) -> Iterator[str]:
    """A name that is nobody's; the stage's checks are then of it."""
    stage.bucket = f"faults-{stage.key.split()[1]}"
    yield stage.bucket
    if direct.bucket_exists(stage.bucket):
        direct.delete_bucket(stage.bucket)


def test_bucket_that_is_there_in_the_end_was_created(
    stage: Stage, direct: Store, store: Store, new_bucket: str
) -> None:
    lose(stage, "create_bucket")
    assert store.create_bucket(new_bucket).name == new_bucket
    assert stage.retries == 1
    assert direct.bucket_exists(new_bucket)


def test_bucket_that_is_gone_in_the_end_was_deleted(
    stage: Stage, direct: Store, store: Store, new_bucket: str
) -> None:
    direct.create_bucket(new_bucket)
    lose(stage, "delete_bucket")
    store.delete_bucket(new_bucket)
    assert stage.retries == 1
    assert not direct.bucket_exists(new_bucket)


SLOW_DOWN = b"HTTP/1.1 429 Slow Down\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


def test_missing_bucket_is_missing(stage: Stage, store: Store, new_bucket: str) -> None:
    """Also to whoever had to ask twice, where no answer was lost."""
    stage.proxy.reset_connections()
    # Or a request could still go out on the connection that is being reset.
    wait_until(lambda: stage.proxy.open_connections == 0)
    time.sleep(0.05)
    stage.inject(Fault(answer=SLOW_DOWN), times=1)
    with stage.fails(BucketNotFoundError, "delete_bucket", key=None, outcome="not_applied"):
        store.delete_bucket(new_bucket)
    assert stage.retries == 1


CALLS: dict[str, Callable[[Store, str], object]] = {
    "create_bucket": lambda store, bucket: store.create_bucket(bucket),
    "delete_bucket": lambda store, bucket: store.delete_bucket(bucket),
}


@pytest.mark.parametrize("operation", CALLS)
def test_bucket_of_which_nothing_was_heard_is_unknown(
    stage: Stage, direct: Store, store: Store, new_bucket: str, operation: str
) -> None:
    if operation == "delete_bucket":
        direct.create_bucket(new_bucket)
    lose(stage, operation, None)
    with stage.fails(TransportError, operation, key=None, outcome="unknown", attempts=ATTEMPTS):
        CALLS[operation](store, new_bucket)
    assert direct.bucket_exists(new_bucket) == (operation == "create_bucket")
