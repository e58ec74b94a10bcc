"""Answers of a Swift that a real one cannot be made to give."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from cloudstore import (
    CloudStoreError,
    PartialFailureError,
    QuotaExceededError,
    RateLimitedError,
    Store,
    UnavailableError,
    UnexpectedResponseError,
)
from tests.faults.conftest import Perform
from tests.faults.stage import ATTEMPTS, Stage
from tests.wire.server import Hook, Peer, Seen, keep_answering, ok

ID = "x-trans-id: tx1"
JSON = "content-type: application/json"
Read = Callable[[Store, Stage], object]


def answering(answer: Callable[[Seen], bytes]) -> Hook:
    def script(peer: Peer) -> None:
        while (seen := peer.read()) is not None:
            peer.send(answer(seen))

    return script


# --- statuses -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind", "attempts"),
    [
        (498, RateLimitedError, ATTEMPTS),
        (429, RateLimitedError, ATTEMPTS),
        (507, QuotaExceededError, 1),
        (413, CloudStoreError, 1),
    ],
)
def test_status(perform: Perform, status: int, kind: type[CloudStoreError], attempts: int) -> None:
    stage = perform(keep_answering(ok(b"", ID, status=f"{status} Word")))
    store = stage.store()
    with pytest.raises(kind) as caught:
        store.create_object(stage.bucket, stage.key, b"data")
    error = caught.value
    assert (error.status, error.attempts, error.outcome) == (status, attempts, "not_applied")
    assert error.request_id == "tx1"
    assert len(stage.of("put")) == attempts


# --- deleting many --------------------------------------------------------------------------------


def bulk(*failed: tuple[str, str], deleted: int, missing: int = 0, status: str = "200 OK") -> bytes:
    """As the bulk middleware answers: spaces keep the connection alive while it works."""
    said = {
        "Response Status": status,
        "Response Body": "",
        "Number Deleted": deleted,
        "Number Not Found": missing,
        "Errors": [list(pair) for pair in failed],
    }
    return b" " * 500 + b"\r\n\r\n" + json.dumps(said).encode()


def deletes(perform: Perform, body: bytes) -> tuple[Stage, Store]:
    def answer(seen: Seen) -> bytes:
        return ok(body if seen.method == "POST" else b"", ID, JSON)

    stage = perform(answering(answer))
    return stage, stage.store()


def test_errors_within_a_success_are_each_key_s_own(perform: Perform) -> None:
    failed = [("/faults/b", "401 Unauthorized"), ("faults/c%20d", "503 Service Unavailable")]
    stage, store = deletes(perform, bulk(*failed, deleted=1, status="400 Bad Request"))
    with stage.fails(PartialFailureError, "delete_objects", key=None, outcome="unknown") as caught:
        store.delete_objects(stage.bucket, ["a", "b", "c d"])
    assert isinstance(caught.value, PartialFailureError)
    results = caught.value.results
    assert set(results) == {"b", "c d"}
    assert [results[key].status for key in ("b", "c d")] == [401, 503]
    assert [results[key].outcome for key in ("b", "c d")] == ["not_applied", "unknown"]
    assert [results[key].retryable for key in ("b", "c d")] == [False, True]


def test_success_after_spaces(perform: Perform) -> None:
    stage, store = deletes(perform, bulk(deleted=1, missing=1))
    assert store.delete_objects(stage.bucket, ["a", "b"]) == ["a", "b"]


@pytest.mark.parametrize(
    "body",
    [
        bulk(deleted=1, status="502 Bad Gateway"),
        bulk(deleted=0, status="413 Request Entity Too Large"),
        b" " * 1000,
        b"{}",
        b"[]",
        b'{"Number Deleted": "2", "Errors": {}}',
        b'{"Number Deleted": 1, "Errors": [["faults/a"], 7, null, []]}',
        bulk(deleted=2)[:-20],
        b"<html>",
    ],
)
def test_answer_that_does_not_tell_of_all_is_no_success(perform: Perform, body: bytes) -> None:
    stage, store = deletes(perform, body)
    with pytest.raises(CloudStoreError) as caught:
        store.delete_objects(stage.bucket, ["a", "b"])
    assert caught.value.outcome == "unknown"
    assert type(caught.value) in (UnavailableError, UnexpectedResponseError, PartialFailureError)


# --- listings -------------------------------------------------------------------------------------

ROW = {"name": "a", "bytes": 1, "hash": "0" * 32, "last_modified": "2026-01-01T00:00:00.000000"}
GARBAGE: dict[str, bytes] = {
    "cut": json.dumps([ROW])[:-5].encode(),
    "page": b"<html>",
    "nothing": b"",
    "object": b"{}",
    "null": b"[null]",
    "number": b"[7]",
    "no name": b'[{"bytes": 1}]',
    "odd name": b'[{"name": 7, "bytes": 1}]',
    "odd size": b'[{"name": "a", "bytes": "many"}]',
    "negative": b'[{"name": "a", "bytes": -1}]',
    "odd prefix": b'[{"subdir": 7}]',
    "no text": bytes(range(128, 256)),
    "deep": b"[" * 100_000,
    "digits": b'[{"name": "a", "bytes": ' + b"9" * 10_000 + b"}]",
}


@pytest.mark.parametrize("body", GARBAGE.values(), ids=GARBAGE)
@pytest.mark.parametrize("verb", ["get_all_objects", "get_all_buckets"])
def test_listing_that_makes_no_sense(perform: Perform, verb: str, body: bytes) -> None:
    stage = perform(keep_answering(ok(body, ID, JSON)))
    store = stage.store()
    with pytest.raises(UnexpectedResponseError) as caught:
        store.get_all_objects(stage.bucket) if verb == "get_all_objects" else store.get_all_buckets()
    assert (caught.value.operation, caught.value.outcome) == (verb, "not_applied")
    assert len(str(caught.value)) < 2000


def test_listing_that_goes_round_ends(perform: Perform) -> None:
    rows = [{**ROW, "name": f"k{number:05}"} for number in range(10_000)]
    stage = perform(keep_answering(ok(json.dumps(rows).encode(), ID, JSON)))
    store = stage.store()
    with pytest.raises(UnexpectedResponseError, match="circle"):
        store.get_all_objects(stage.bucket)
    assert len(stage.of("get")) <= 3


@pytest.mark.parametrize("field", ["odd", "-1", "1.5", "", "1e9", "9" * 5000, "\u0663"])
def test_figures_that_are_none_are_left_out(perform: Perform, field: str) -> None:
    figures = ("object-count", "bytes-used", "container-count")
    names = [f"x-{place}-{name}" for place in ("container", "account") for name in figures]
    lines = [f"{name}: {field}" for name in (*names, "x-timestamp")]
    stage = perform(keep_answering(ok(b"", ID, *lines, status="204 No Content")))
    store = stage.store()
    found, account = store.get_bucket(stage.bucket), store.get_account()
    assert (found.object_count, found.size) == (None, None)
    assert (account.bucket_count, account.object_count, account.size) == (None, None, None)


# --- /info ----------------------------------------------------------------------------------------


def with_info(monkeypatch: pytest.MonkeyPatch, stage: Stage, answer: bytes) -> None:
    """The cluster says this of itself."""
    before = stage.vendor.prelude
    said = {"/info": answer}
    monkeypatch.setattr(stage.vendor, "prelude", lambda seen: said.get(seen.target) or before(seen))


ABSURD: list[Any] = [
    {"swift": {"max_file_size": -1, "container_listing_limit": 0, "max_meta_count": True}},
    {"swift": {"max_file_size": "5", "max_meta_value_length": None}, "slo": 7, "bulk_delete": []},
    {"swift": {"max_file_size": 10**30, "container_listing_limit": 10**30}, "slo": {}},
    {"swift": None, "tempurl": {"methods": 7, "allowed_digests": {}}},
    {"swift": {}, "slo": {"max_manifest_segments": 0, "min_segment_size": -5}},
]


@pytest.mark.parametrize("info", [*map(json.dumps, ABSURD), "[]", "", "<html>", "[" * 50_000])
def test_absurd_info_hinders_nothing(
    perform: Perform, monkeypatch: pytest.MonkeyPatch, info: str
) -> None:
    stage = perform(answering(lambda seen: stage.vendor.success(seen, b"data")))
    with_info(monkeypatch, stage, ok(info.encode(), JSON))
    store = stage.cold_store()
    assert store.get_object(stage.bucket, stage.key).read() == b"data"
    store.create_object(stage.bucket, stage.key, b"data")


@pytest.mark.parametrize("status", ["401 No", "403 No", "404 Not Found", "405 No", "412 No"])
def test_info_that_is_kept_to_itself_hinders_nothing(
    perform: Perform, monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    stage = perform(answering(lambda seen: stage.vendor.success(seen, b"data")))
    with_info(monkeypatch, stage, ok(b"", ID, status=status))
    assert stage.cold_store().get_object(stage.bucket, stage.key).read() == b"data"


def test_info_that_is_not_to_be_had_is_asked_for_again(
    perform: Perform, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = perform(answering(lambda seen: stage.vendor.success(seen, b"data")))
    with_info(monkeypatch, stage, ok(b"", ID, status="503 Service Unavailable"))
    store = stage.cold_store()
    with stage.fails(UnavailableError, "get_object", attempts=ATTEMPTS, outcome="not_applied"):
        store.get_object(stage.bucket, stage.key)
    with_info(monkeypatch, stage, ok(b"{}", JSON))
    assert store.get_object(stage.bucket, stage.key).read() == b"data"
