"""Lost answers of S3: write-ids, conditions, uploads whose id was never heard."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cloudstore import (
    PreconditionFailedError,
    Store,
    TransportError,
)
from cloudstore.testing import Fault
from tests.faults.stage import ATTEMPTS, Stage, content

LARGE = bytes(range(256)) * 1024 * 5
"""Goes in parts."""


def uploads_of(direct: Store, stage: Stage) -> list[str]:
    return stage.vendor.leftovers(direct, stage.bucket, stage.key)


def lose(stage: Stage, method: str, times: int | None = 1) -> None:
    """Answers to requests of this method are lost, of so many connections."""
    stage.clear()
    stage.inject(Fault(lose_answer=True, when=f"{method} ".encode()), times)


@pytest.fixture(params=["new", "kept"])
def store(request: pytest.FixtureRequest, stage: Stage) -> Store:
    """A store that knows no connection yet, or one that it has used a moment ago."""
    made = stage.store()
    if request.param == "kept":
        assert made.bucket_exists(stage.bucket)
    return made


# --- objects --------------------------------------------------------------------------------------


def test_creation_that_was_done_in_time_is_a_success(stage: Stage, direct: Store) -> None:
    """Only its answer is late: it is looked whether the object is ours."""
    stage.inject(Fault(stall_down_after=0), times=1)
    made = stage.store().create_object(stage.bucket, stage.key, b"ours", if_absent=True, timeout=0.3)
    assert stage.asked() == ["PUT", "HEAD"]
    assert made.etag == direct.head_object(stage.bucket, stage.key).etag


@pytest.mark.parametrize("times", [1, None], ids=["once", "always"])
def test_swap_is_known_by_its_write_id(
    stage: Stage, direct: Store, store: Store, times: int | None
) -> None:
    old = direct.create_object(stage.bucket, stage.key, b"old")
    lose(stage, "PUT", times)
    made = store.create_object(stage.bucket, stage.key, b"new", if_match=old.etag)
    assert made.etag == direct.head_object(stage.bucket, stage.key).etag
    assert content(direct, stage) == b"new"


def test_swap_that_does_not_hold_is_no_success(stage: Stage, direct: Store, store: Store) -> None:
    direct.create_object(stage.bucket, stage.key, b"another's")
    lose(stage, "PUT")
    with stage.fails(PreconditionFailedError, "create_object", outcome="unknown", status=412):
        store.create_object(stage.bucket, stage.key, b"ours", if_match="0" * 32)
    assert content(direct, stage) == b"another's"


def test_deletion_of_one_version_does_not_say_that_it_did_nothing(
    stage: Stage, direct: Store, store: Store
) -> None:
    """That the object is gone may be our doing or another's: nobody can tell."""
    old = direct.create_object(stage.bucket, stage.key, b"old")
    lose(stage, "DELETE")
    with stage.fails(PreconditionFailedError, "delete_object", outcome="unknown"):
        store.delete_object(stage.bucket, stage.key, if_match=old.etag)
    assert not direct.object_exists(stage.bucket, stage.key)


# --- multipart uploads ----------------------------------------------------------------------------


def test_beginning_of_an_upload_leaves_one_that_can_be_found(
    stage: Stage, direct: Store, store: Store
) -> None:
    """Nobody was told its id: it is listed, and goes with the stale ones."""
    lose(stage, "POST")
    upload = store.create_multipart_upload(stage.bucket, stage.key)
    assert len(uploads_of(direct, stage)) == 2
    upload.upload_part(1, b"data")
    upload.complete()
    [orphan] = uploads_of(direct, stage)
    assert orphan != upload.ref.upload_id
    gone = direct.abort_stale_uploads(stage.bucket, timedelta(), prefix=stage.key)
    assert [ref.upload_id for ref in gone] == [orphan]
    assert content(direct, stage) == b"data"


def test_beginning_that_is_never_answered_is_unknown(stage: Stage, store: Store, direct: Store) -> None:
    lose(stage, "POST", None)
    with stage.fails(TransportError, "create_object", outcome="unknown", attempts=ATTEMPTS):
        store.create_object(stage.bucket, stage.key, LARGE)
    assert not direct.object_exists(stage.bucket, stage.key)
    direct.abort_stale_uploads(stage.bucket, timedelta(), prefix=stage.key)


@pytest.mark.parametrize("times", [1, None], ids=["once", "always"])
def test_completion_by_hand(stage: Stage, direct: Store, store: Store, times: int | None) -> None:
    upload = store.create_multipart_upload(stage.bucket, stage.key)
    upload.upload_part(1, b"data")
    lose(stage, "POST", times)
    assert upload.complete().etag == direct.head_object(stage.bucket, stage.key).etag
    assert content(direct, stage) == b"data"
    assert direct.head_object(stage.bucket, stage.key).metadata == {}
