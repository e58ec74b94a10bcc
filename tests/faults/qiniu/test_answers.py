"""Answers of Qiniu's hosts that only a bad day brings, by a script or by the simulator's faults."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cloudstore import (
    AuthenticationError,
    ChecksumMismatchError,
    CloudStoreError,
    DeadlineExceededError,
    PartialFailureError,
    RateLimitedError,
    Store,
    TransferConfig,
    TransportError,
    UnavailableError,
    UnexpectedResponseError,
    UploadNotFoundError,
)
from cloudstore.testing import Fault
from cloudstore.testing.qiniu import FaultPlan, ServerFault
from tests.faults.conftest import Perform
from tests.faults.stage import ATTEMPTS, Stage, content, within
from tests.faults.vendors import PART, Qiniu, Vendor, qetag
from tests.wire.server import Hook, Peer, Seen, keep_answering, ok

ID, JSON = "x-reqid: R1", "content-type: application/json"
DATA = random.Random(8).randbytes(200_000)
HALF = len(DATA) // 2
IN_PARTS = TransferConfig(part_size=PART, multipart_threshold=PART)
BY_REGION = dict.fromkeys(("up", "rs", "rsf", "domain"))
TIMEOUT = 0.3


def answering(*answers: Callable[[Seen], bytes]) -> Hook:
    """Each answers one request, the last all that follow; after a cut one the connection ends."""
    left = list(answers)

    def script(peer: Peer) -> None:
        while (seen := peer.read()) is not None:
            answer = left.pop(0) if len(left) > 1 else left[0]
            peer.send(answer(seen))
            if answer is first_half:
                return

    return script


def first_half(seen: Seen) -> bytes:
    return ok(DATA, f'etag: "{qetag(DATA)}"', ID)[:-HALF]


def rest(
    data: bytes = DATA, status: str = "206 Partial Content", start: int = 0, size: int = len(DATA)
) -> Callable[[Seen], bytes]:
    """The second half of an object; `start` and `size` as the answer says them."""

    def answer(seen: Seen) -> bytes:
        at = int(seen.headers["range"].removeprefix("bytes=").rstrip("-"))
        span = f"content-range: bytes {start or at}-{size - 1}/{size}"
        return ok(data[at:], f'etag: "{qetag(data)}"', span, ID, status=status)

    return answer


def saying(status: str, body: bytes = b"", *headers: str) -> Callable[[Seen], bytes]:
    return lambda seen: ok(body, *headers, status=status)


# --- downloads ------------------------------------------------------------------------------------


def test_resumed_at_the_very_byte(perform: Perform) -> None:
    stage = perform(answering(first_half, rest()))
    found = stage.store().get_object(stage.bucket, stage.key)
    assert found.read() == DATA
    assert found.verified_by == "sha1"
    again = stage.of("get")[1]
    assert again.headers["range"] == f"bytes={len(DATA) - HALF}-"
    assert again.headers["if-match"] == f'"{qetag(DATA)}"'


@pytest.mark.parametrize(
    ("then", "kind"),
    [
        (rest(DATA[::-1]), TransportError),
        (saying("412 No", b"", ID), TransportError),
        (saying("404 No", b'{"error":"Document not found"}', ID, JSON), TransportError),
        (saying("401 No", b'{"error":"expired token"}', ID, JSON), AuthenticationError),
        (rest(start=5), UnexpectedResponseError),
        (rest(size=len(DATA) + 5), CloudStoreError),
        (rest(status="200 OK"), CloudStoreError),
        (
            saying("302 Found", b"<html>", "location: https://x.example/?token=t"),
            UnexpectedResponseError,
        ),
        (saying("200 OK", b"<html>", "content-type: text/html"), CloudStoreError),
    ],
    ids=["stale", "412", "gone", "token", "start", "size", "whole", "302", "page"],
)
def test_other_bytes_are_never_mixed_in(
    perform: Perform, then: Callable[[Seen], bytes], kind: type[CloudStoreError]
) -> None:
    stage = perform(answering(first_half, then))
    found = stage.store().get_object(stage.bucket, stage.key)
    first = found.read(1000)
    with pytest.raises(kind) as caught:
        found.read()
    assert first == DATA[:1000]
    assert caught.value.outcome == "not_applied"
    stage.check_no_secret(caught.value)
    assert "token=" not in str(caught.value)


@pytest.mark.parametrize(
    "answer",
    [
        saying("200 OK", b"<html>sign in</html>", "content-type: text/html"),
        saying("302 Found", b"", "location: https://portal.example/?token=t"),
        saying("403 Forbidden", b"<html>", "content-type: text/html"),
    ],
    ids=["page", "302", "403"],
)
def test_portal_before_the_domain_is_no_object(
    perform: Perform, answer: Callable[[Seen], bytes]
) -> None:
    stage = perform(answering(answer))
    with stage.fails(UnexpectedResponseError, "get_object", outcome="not_applied", attempts=1):
        stage.store().get_object(stage.bucket, stage.key).read()


def test_etag_of_other_bytes(perform: Perform) -> None:
    stage = perform(answering(lambda seen: ok(DATA, f'etag: "{qetag(b"other")}"', ID)))
    with stage.fails(ChecksumMismatchError, "get_object", outcome="not_applied"):
        stage.store().get_object(stage.bucket, stage.key).read()


# --- batches --------------------------------------------------------------------------------------


def test_each_of_a_batch_that_failed(perform: Perform) -> None:
    codes = [200, 612, 573, 599, 503, 401, 403]
    items = [{"code": code, "data": {"error": "words"}} for code in codes]
    stage = perform(keep_answering(ok(json.dumps(items).encode(), ID, JSON, status="298 Partial")))
    with stage.fails(PartialFailureError, "delete_objects", key=None, outcome="unknown") as caught:
        stage.store().delete_objects(stage.bucket, [str(code) for code in codes])
    assert isinstance(caught.value, PartialFailureError)
    told = {
        key: (error.retryable, error.outcome, error.key, error.operation)
        for key, error in caught.value.results.items()
    }
    assert told == {
        "573": (True, "not_applied", "573", "delete_objects"),
        "599": (True, "unknown", "599", "delete_objects"),
        "503": (True, "unknown", "503", "delete_objects"),
        "401": (False, "not_applied", "401", "delete_objects"),
        "403": (False, "not_applied", "403", "delete_objects"),
    }


# --- writes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind", "attempts", "outcome"),
    [
        (573, RateLimitedError, ATTEMPTS, "not_applied"),
        (579, CloudStoreError, 1, "unknown"),
        (599, UnavailableError, ATTEMPTS, "unknown"),
        (503, UnavailableError, ATTEMPTS, "unknown"),
    ],
)
def test_status_of_an_upload(
    perform: Perform, status: int, kind: type[CloudStoreError], attempts: int, outcome: str
) -> None:
    answer = ok(b'{"error":"words"}', ID, JSON, status=f"{status} Word")
    stage = perform(keep_answering(answer))
    with pytest.raises(kind) as caught:
        stage.store().create_object(stage.bucket, stage.key, b"data")
    error = caught.value
    assert (error.status, error.attempts, error.outcome) == (status, attempts, outcome)
    assert len(stage.of("put")) == attempts


def test_upload_that_is_gone(stage: Stage, direct: Store) -> None:
    store = stage.store()
    upload = store.create_multipart_upload(stage.bucket, stage.key)
    upload.upload_part(1, bytes(PART))
    direct.resume_multipart_upload(upload.ref).abort()
    with stage.fails(UploadNotFoundError, "upload_part", outcome="not_applied", attempts=1):
        upload.upload_part(2, bytes(PART))
    with stage.fails(UploadNotFoundError, "complete_multipart", outcome="not_applied", attempts=1):
        upload.complete()
    assert not direct.object_exists(stage.bucket, stage.key)


# --- listings -------------------------------------------------------------------------------------


def test_markers_that_go_round_end(perform: Perform) -> None:
    item = {"key": "a", "hash": qetag(b""), "fsize": 0, "putTime": 1}
    page = json.dumps({"items": [item], "marker": "again"}).encode()
    stage = perform(keep_answering(ok(page, ID, JSON)))
    with stage.fails(UnexpectedResponseError, "get_all_objects", key=None, outcome="not_applied"):
        stage.store().get_all_objects(stage.bucket)
    assert len(stage.requests) <= 3


def test_empty_pages_are_gone_over(perform: Perform) -> None:
    numbers = iter(range(5))

    def answer(seen: Seen) -> bytes:
        number = next(numbers)
        item = {"key": "a", "hash": qetag(b""), "fsize": 0, "putTime": 1}
        page: dict[str, Any] = {"items": [item]} if number == 4 else {"marker": f"m{number}"}
        return ok(json.dumps(page).encode(), ID, JSON)

    stage = perform(answering(answer))
    assert [found.key for found in stage.store().get_all_objects(stage.bucket)] == ["a"]


# --- regions --------------------------------------------------------------------------------------


@pytest.fixture
def faults(vendor: Vendor) -> Iterator[FaultPlan]:
    """What goes wrong in the simulator, until the test is over."""
    assert isinstance(vendor, Qiniu)
    plan = vendor.simulator.faults
    yield plan
    plan.clear()


def test_region_that_is_not_to_be_had(stage: Stage, direct: Store, faults: FaultPlan) -> None:
    """Nothing was written, and nothing of the failure is kept."""
    store = stage.store(config=BY_REGION)
    faults.add(ServerFault(status=503, path="/v4/query"))
    with stage.fails(UnavailableError, "create_object", outcome="not_applied", attempts=ATTEMPTS):
        store.create_object(stage.bucket, stage.key, b"data")
    assert not direct.object_exists(stage.bucket, stage.key)
    faults.clear()
    store.create_object(stage.bucket, stage.key, b"data")
    assert content(direct, stage) == b"data"


def test_region_that_comes_at_the_second_time(stage: Stage, direct: Store, faults: FaultPlan) -> None:
    faults.add(ServerFault(lose_answer=True, path="/v4/query", times=1))
    stage.store(config=BY_REGION).create_object(stage.bucket, stage.key, b"data")
    assert [sent.path for sent in stage.requests] == ["/v4/query", "/v4/query"]
    assert content(direct, stage) == b"data"


def test_region_that_does_not_come_in_time(stage: Stage) -> None:
    store = stage.store(config=BY_REGION)
    stage.inject(Fault(stall_down_after=0))
    began = time.monotonic()
    with within(TIMEOUT), stage.fails(DeadlineExceededError, "create_object", outcome="not_applied"):
        store.create_object(stage.bucket, stage.key, b"data", timeout=TIMEOUT)
    assert time.monotonic() - began >= TIMEOUT


def test_domain_that_is_not_to_be_had(stage: Stage, direct: Store, faults: FaultPlan) -> None:
    direct.create_object(stage.bucket, stage.key, b"data")
    store = stage.store(config=BY_REGION)
    faults.add(ServerFault(status=599, path="/v2/domains"))
    with stage.fails(UnavailableError, "get_object", outcome="not_applied", attempts=ATTEMPTS):
        store.get_object(stage.bucket, stage.key)
    faults.clear()
    assert store.get_object(stage.bucket, stage.key).read() == b"data"
