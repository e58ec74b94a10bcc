"""What a Swift may answer that a real one does seldom: batches that fail in part, conditions that
contradict themselves, and nonsense."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cloudstore import (
    BucketNotFoundError,
    NotModifiedError,
    PartialFailureError,
    PreconditionFailedError,
    RetryPolicy,
    Secret,
    Store,
    SwiftConfig,
    UnavailableError,
    UnexpectedResponseError,
)
from tests.s3.scripted import Asked, Say, ScriptedServer

ACCOUNT = "/v1/AUTH_test"
JSON = {"content-type": "application/json", "x-trans-id": "tx-1"}
INFO: dict[str, Any] = {"swift": {"container_listing_limit": 1}, "slo": {}, "bulk_delete": {}}
PORTAL = Say(200, "<html>Log in</html>", {"content-type": "text/html"})

OpenStore = Callable[[Callable[[Asked], Say]], Store]


@pytest.fixture
def opened() -> Iterator[OpenStore]:
    """A store on a server that answers so; it has no large objects."""
    closing: list[Any] = []

    def make(answer: Callable[[Asked], Say]) -> Store:
        def say(asked: Asked) -> Say:
            if asked.path == "/info":
                return Say(200, json.dumps(INFO), JSON)
            if asked.path.endswith("_segments"):
                return Say(404, b"", {"x-trans-id": "tx-1"})
            return answer(asked)

        server = ScriptedServer(say)
        server.__enter__()
        config = SwiftConfig(token=Secret("t"), storage_url=server.url + ACCOUNT)
        store = Store(config, retry=RetryPolicy(attempts=1))
        closing.extend((server, store))
        return store

    yield make
    for one in reversed(closing):
        one.__exit__(None, None, None)


def bulk(deleted: int, missing: int, *errors: tuple[str, str]) -> Say:
    said = {"Number Deleted": deleted, "Number Not Found": missing, "Errors": errors}
    return Say(200, "   " + json.dumps({**said, "Response Status": "400 Bad Request"}), JSON)


def test_batch_that_fails_in_part(opened: OpenStore) -> None:
    store = opened(lambda asked: bulk(1, 0, ("b/%C3%A4%7E", "503 Service Unavailable"), ("b", "x")))
    with pytest.raises(PartialFailureError) as caught:
        store.delete_objects("b", ["k", "ä~"])
    [(key, error)] = caught.value.results.items()
    assert (key, type(error), error.retryable) == ("ä~", UnavailableError, True)
    assert (error.bucket, error.key, error.vendor) == ("b", "ä~", "swift")


def test_batch_that_ends_early(opened: OpenStore) -> None:
    store = opened(lambda asked: bulk(1, 0, ("b/k1", "409 Conflict")))
    with pytest.raises(UnavailableError, match="ended early") as caught:
        store.delete_objects("b", ["k1", "k2", "k3"])
    assert (caught.value.outcome, caught.value.request_id) == ("unknown", "tx-1")


def test_batch_in_a_missing_bucket(opened: OpenStore) -> None:
    missing = Say(404, b"", {"x-trans-id": "tx-1"})
    store = opened(lambda asked: bulk(0, 2) if asked.method == "POST" else missing)
    with pytest.raises(BucketNotFoundError):
        store.delete_objects("b", ["k1", "k2"])


@pytest.mark.parametrize(
    "said",
    [
        PORTAL,
        Say(200, "[]", JSON),
        Say(200, '{"Number Deleted": "2", "Number Not Found": null, "Errors": {}}', JSON),
        Say(200, '{"Number Deleted": 0, "Errors": [7, [], ["b/k"], [1, 2, 3]]}', JSON),
    ],
    ids=range(4),
)
def test_batch_that_answers_nonsense(opened: OpenStore, said: Say) -> None:
    with pytest.raises((UnexpectedResponseError, UnavailableError)) as caught:
        opened(lambda asked: said).delete_objects("b", ["k1", "k2"])
    assert caught.value.outcome == "unknown"


@pytest.mark.parametrize(
    "call",
    [
        lambda s: s.create_bucket("b"),
        lambda s: s.delete_bucket("b"),
        lambda s: s.create_object("b", "k", b"x"),
        lambda s: s.delete_object("b", "k"),
        lambda s: s.get_all_objects("b"),
        lambda s: s.get_all_buckets(),
    ],
    ids=["create_bucket", "delete_bucket", "create_object", "delete_object", "list", "buckets"],
)
def test_portal_is_no_swift(opened: OpenStore, call: Callable[[Store], object]) -> None:
    with pytest.raises(UnexpectedResponseError):
        call(opened(lambda asked: PORTAL))


def test_listing_that_goes_round_in_a_circle(opened: OpenStore) -> None:
    row = {"name": "k", "bytes": 1, "hash": "0" * 32}
    store = opened(lambda asked: Say(200, json.dumps([row]), JSON))
    with pytest.raises(UnexpectedResponseError, match="circle"):
        list(store.iter_objects("b"))


MINE, OTHER = "1" * 32, "2" * 32


def object_of(etag: str | None, status: int = 200) -> Say:
    headers = {"x-trans-id": "tx-1", **({} if etag is None else {"etag": etag})}
    return Say(status, b"data" if status == 200 else b"", headers)


@pytest.mark.parametrize(
    ("refused", "then", "is_read"),
    [(MINE, MINE, True), (None, MINE, True), (MINE, OTHER, False), (None, OTHER, False)],
)
def test_refused_condition_is_judged_by_the_etag_that_is_shown(
    opened: OpenStore, refused: str | None, then: str, is_read: bool
) -> None:
    """Also where the object is replaced between the two questions."""
    store = opened(
        lambda asked: object_of(refused, 412) if "if-match" in asked.headers else object_of(then)
    )
    for method in (store.get_object, store.head_object):
        if is_read:
            assert method("b", "k", if_match=MINE).etag == MINE
            continue
        with pytest.raises(PreconditionFailedError) as caught:
            method("b", "k", if_match=MINE)
        assert caught.value.request_id == "tx-1"


def test_refused_condition_is_asked_again_only_in_doubt(opened: OpenStore) -> None:
    seen: list[str] = []

    def say(asked: Asked) -> Say:
        seen.append(asked.method)
        return object_of(OTHER, 412 if "if-match" in asked.headers else 304)

    store = opened(say)
    for method in (store.get_object, store.head_object):
        with pytest.raises(PreconditionFailedError):
            method("b", "k", if_match=MINE)
        with pytest.raises(NotModifiedError):
            method("b", "k", if_none_match=OTHER)
    assert seen == ["GET", "GET", "HEAD", "HEAD"]


def test_body_of_another_etag_is_never_handed_out(opened: OpenStore) -> None:
    store = opened(lambda asked: object_of(OTHER))
    with pytest.raises(PreconditionFailedError):
        store.get_object("b", "k", if_match=MINE)
    with pytest.raises(NotModifiedError):
        store.get_object("b", "k", if_none_match=OTHER)
    assert store.get_object("b", "k", if_none_match=MINE).etag == OTHER
