"""What the driver makes of failures, and of answers that no healthy Qiniu gives."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from cloudstore import (
    AuthenticationError,
    BucketAlreadyExistsError,
    BucketNotEmptyError,
    BucketNotFoundError,
    ChecksumMismatchError,
    CloudStoreError,
    InvalidArgumentError,
    InvalidPartError,
    NotFoundError,
    ObjectAlreadyExistsError,
    ObjectArchivedError,
    ObjectNotFoundError,
    Part,
    PartialFailureError,
    PermissionDeniedError,
    PreconditionFailedError,
    QuotaExceededError,
    RateLimitedError,
    Store,
    TooLargeError,
    TransportError,
    UnavailableError,
    UnexpectedResponseError,
    UnsupportedError,
    UploadNotFoundError,
    UploadRef,
)
from tests.qiniu.test_driver import store_on
from tests.s3.scripted import Asked, Say, ScriptedServer

STATE = {"content_type": "a/b", "metadata": {}, "policy": {}}
REF = UploadRef("qiniu", "media", "k", "u", STATE)
REQID = {"x-reqid": "r-1"}


def upload(store: Store) -> Any:
    return store.resume_multipart_upload(REF)


def head(store: Store) -> Any:
    return store.head_object("media", "k")


def put(store: Store) -> Any:
    return store.create_object("media", "k", b"data")


FAILURES: tuple[tuple[Callable[[Store], Any], int, str, type[CloudStoreError], str], ...] = (
    (head, 400, "bad request", InvalidArgumentError, "not_applied"),
    (head, 401, "bad token", AuthenticationError, "not_applied"),
    (put, 401, "expired token", AuthenticationError, "not_applied"),
    (head, 403, "request time is too skewed", AuthenticationError, "not_applied"),
    (head, 403, "forbidden", PermissionDeniedError, "not_applied"),
    (put, 405, "method not allowed", UnsupportedError, "not_applied"),
    (put, 406, "crc32 not match", ChecksumMismatchError, "not_applied"),
    (put, 413, "request entity too large", TooLargeError, "not_applied"),
    (put, 419, "account is frozen", PermissionDeniedError, "not_applied"),
    (put, 429, "slow down", RateLimitedError, "not_applied"),
    (put, 573, "slow down", RateLimitedError, "not_applied"),
    (put, 500, "", UnavailableError, "unknown"),
    (head, 500, "", UnavailableError, "not_applied"),
    (put, 502, "", UnavailableError, "unknown"),
    (put, 504, "", UnavailableError, "unknown"),
    (put, 579, "callback failed", UnexpectedResponseError, "unknown"),
    (put, 599, "server failed", UnavailableError, "unknown"),
    (put, 608, "content modified", PreconditionFailedError, "not_applied"),
    (head, 612, "no such file or directory", ObjectNotFoundError, "not_applied"),
    (put, 614, "file exists", ObjectAlreadyExistsError, "not_applied"),
    (lambda s: s.create_bucket("new-one"), 614, "exists", BucketAlreadyExistsError, "not_applied"),
    (lambda s: s.create_bucket("new-one"), 630, "too many", QuotaExceededError, "not_applied"),
    (head, 631, "no such bucket", BucketNotFoundError, "not_applied"),
    (lambda s: s.get_bucket("media"), 612, "no such bucket", BucketNotFoundError, "not_applied"),
    (lambda s: s.get_all_objects("media"), 640, "bad marker", InvalidArgumentError, "not_applied"),
    (lambda s: upload(s).upload_part(1, b"x"), 612, "", UploadNotFoundError, "not_applied"),
    (lambda s: upload(s).upload_part(1, b"x"), 701, "", UploadNotFoundError, "not_applied"),
    (
        lambda s: upload(s).upload_part(1, b"x"),
        400,
        "md5 mismatch",
        ChecksumMismatchError,
        "not_applied",
    ),
    (
        lambda s: upload(s).complete([Part(1, "e", 1)]),
        400,
        "bad part",
        InvalidPartError,
        "not_applied",
    ),
    (lambda s: upload(s).abort(), 612, "", UploadNotFoundError, "not_applied"),
    (
        lambda s: s.get_object("media", "k"),
        403,
        "the object is archived",
        ObjectArchivedError,
        "not_applied",
    ),
    (head, 407, "", TransportError, "not_applied"),
    (head, 700, "what is this", UnexpectedResponseError, "not_applied"),
)


@pytest.mark.parametrize("case", FAILURES, ids=lambda case: f"{case[1]}-{case[3].__name__}")
def test_status_is_an_error_of_the_tree(case: Any) -> None:
    call, status, words, expected, outcome = case

    def answer(asked: Asked) -> Say:
        listing = asked.method == "GET" and "/uploads/" in asked.path
        if listing:
            return Say(200, '{"parts": []}', REQID)
        said = {"error": words} if words else {}
        return Say(status, json.dumps(said), {**REQID, "content-type": "application/json"})

    with (
        ScriptedServer(answer) as server,
        store_on(server) as store,
        pytest.raises(expected) as caught,
    ):
        call(store)
    error = caught.value
    assert (error.status, error.request_id, error.vendor) == (status, "r-1", "qiniu")
    assert error.outcome == outcome
    assert words in str(error)
    assert error.code == (str(status) if status >= 570 else None)
    again = error.retryable
    assert error.attempts == (3 if again else 1)
    assert again == isinstance(error, UnavailableError | RateLimitedError)
    assert pickle.loads(pickle.dumps(error)).__dict__ == error.__dict__


def test_full_bucket_is_known_by_its_words() -> None:
    def answer(asked: Asked) -> Say:
        if asked.path == "/list":
            return Say(200, "{}", REQID)
        return Say(403, '{"error": "drop non empty bucket is not allowed"}', REQID)

    with (
        ScriptedServer(answer) as server,
        store_on(server) as store,
        pytest.raises(BucketNotEmptyError),
    ):
        store.delete_bucket("media")


def test_each_of_a_batch_has_its_own_error() -> None:
    items = [
        {"code": 200},
        {"code": 612, "data": {"error": "no such file"}},
        {"code": 403, "data": {"error": "no"}},
        {"code": 599, "data": {}},
        {"code": "x"},
        7,
    ]

    def answer(asked: Asked) -> Say:
        return Say(298, json.dumps(items), REQID)

    with ScriptedServer(answer) as server, store_on(server) as store:
        with pytest.raises(PartialFailureError) as caught:
            store.delete_objects("media", list("abcdef"))
        found = {key: (type(e), e.status, e.outcome) for key, e in caught.value.results.items()}
        assert found == {
            "c": (PermissionDeniedError, 403, "not_applied"),
            "d": (UnavailableError, 599, "unknown"),
            "e": (UnexpectedResponseError, None, "unknown"),
            "f": (UnexpectedResponseError, None, "unknown"),
        }
        with pytest.raises(UnexpectedResponseError, match="not every key"):
            store.delete_objects("media", list("abc"))
        items[:] = [{"code": 631, "data": {"error": "no such bucket"}}] * 3
        with pytest.raises(BucketNotFoundError):
            store.delete_objects("media", list("abc"))


@pytest.mark.parametrize("status", [200, 403, 404, 503])
def test_something_else_than_qiniu_answers(status: int) -> None:
    page = Say(status, "<html>portal</html>", {"content-type": "text/html; charset=utf-8"})
    with ScriptedServer(lambda asked: page) as server, store_on(server) as store:
        with pytest.raises(CloudStoreError, match="not Qiniu") as caught:
            store.head_object("media", "k")
        assert server.url in str(caught.value)
        kind = UnavailableError if status == 503 else UnexpectedResponseError
        assert type(caught.value) is kind
        with pytest.raises(CloudStoreError):
            put(store)


OPERATIONS: dict[str, Callable[[Store], Any]] = {
    "head": head,
    "put": put,
    "put_if_absent": lambda s: s.create_object("media", "k", b"x", if_absent=True),
    "list": lambda s: s.get_all_objects("media", max_keys=10),
    "buckets": lambda s: s.get_all_buckets(),
    "bucket": lambda s: s.get_bucket("media"),
    "acl": lambda s: s.get_acl("media"),
    "batch": lambda s: s.delete_objects("media", ["a"]),
    "metadata": lambda s: s.set_metadata("media", "k", {"a": "1"}),
    "begin": lambda s: s.create_multipart_upload("media", "k"),
    "parts": upload,
    "purge": lambda s: s.purge_cdn(["http://a.example/"]),
}
NONSENSE: tuple[object, ...] = (
    None,
    7,
    "text",
    [],
    [7],
    [{"code": None}],
    {},
    {"fsize": -1, "hash": "h"},
    {"fsize": "1", "hash": "h"},
    {"fsize": 1, "hash": 7},
    {"hash": None, "uploadId": 7},
    {"items": 7},
    {"items": [7]},
    {"items": [{"key": 7}]},
    {"items": [{"key": "k", "fsize": True, "hash": "h"}]},
    {"items": [], "marker": 7},
    {"items": [], "commonPrefixes": [7]},
    {"parts": 7},
    {"parts": [{"partNumber": "1"}]},
    {"parts": [], "partNumberMarker": "1"},
    {"private": 7},
    {"code": "200"},
)
GARBAGE: tuple[bytes, ...] = (b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"a": NaN}')


@pytest.mark.parametrize("name", OPERATIONS)
def test_nonsense_is_an_error_of_the_tree_or_harmless(name: str) -> None:
    bodies = [json.dumps(value).encode() for value in NONSENSE] + list(GARBAGE)
    now = [b""]
    with ScriptedServer(lambda asked: Say(200, now[0], REQID)) as server, store_on(server) as store:
        refused = []
        for body in bodies:
            now[0] = body
            try:
                OPERATIONS[name](store)
            except CloudStoreError as error:
                refused.append(error)
        kinds = (UnexpectedResponseError, NotFoundError, PartialFailureError)
        assert [error for error in refused if not isinstance(error, kinds)] == []
        assert len(refused) >= len(bodies) // 3


def test_fields_that_may_be_missing_or_odd_are_left_out() -> None:
    odd = {
        "fsize": 3,
        "hash": "h",
        "mimeType": "",
        "putTime": "soon",
        "type": 99,
        "expiration": -1,
        "md5": "no digest",
        "x-qn-meta": {"A": "1", "b": 7, "c": "=u=%%", "d": "=u=/w=="},
    }
    answer = Say(200, json.dumps(odd), REQID)
    with ScriptedServer(lambda asked: answer) as server, store_on(server) as store:
        found = store.head_object("media", "k")
    assert (found.size, found.etag, found.content_type, found.last_modified) == (3, "h", None, None)
    assert (found.storage_class, found.expires_at, found.checksums) == (None, None, {})
    assert found.metadata == {"a": "1", "b": "7", "c": "=u=%%", "d": "=u=/w=="}


def test_common_prefix_on_both_sides_of_a_pages_end_is_shown_once() -> None:
    pages = [
        {"items": [], "commonPrefixes": ["a/", "b/"], "marker": "m1"},
        {"items": None, "commonPrefixes": ["b/"], "marker": "m2"},
        {"items": [], "marker": "m3"},
        {"items": [{"key": "z", "hash": "h"}], "commonPrefixes": ["b/", "c/"]},
    ]

    def answer(asked: Asked) -> Say:
        return Say(200, json.dumps(pages[len(server.asked) - 1]), REQID)

    with ScriptedServer(answer) as server, store_on(server) as store:
        found = store.get_all_objects("media", delimiter="/")
        assert [str(getattr(entry, "prefix", None) or entry.key) for entry in found] == [
            "a/",
            "b/",
            "c/",
            "z",
        ]
        assert [asked.query.partition("marker=")[2] for asked in server.asked] == [
            f"{''.join(m)}" for m in ("", "m1", "m2", "m3")
        ]


def test_listing_that_goes_round_ends() -> None:
    page = json.dumps({"items": [], "marker": "m"})
    with ScriptedServer(lambda asked: Say(200, page, REQID)) as server, store_on(server) as store:
        with pytest.raises(UnexpectedResponseError, match="circle"):
            store.get_all_objects("media")
        with pytest.raises(InvalidArgumentError):
            store.get_all_objects("media", marker="bm90IG91cnM=", max_keys=5)


def test_part_that_arrived_otherwise_is_an_error() -> None:
    said = json.dumps({"etag": "e", "md5": "0" * 32})

    def answer(asked: Asked) -> Say:
        return Say(200, '{"parts": []}' if asked.method == "GET" else said, REQID)

    with (
        ScriptedServer(answer) as server,
        store_on(server) as store,
        pytest.raises(ChecksumMismatchError),
    ):
        upload(store).upload_part(1, b"data")


def test_reference_that_was_not_made_here_is_refused() -> None:
    ref = UploadRef("qiniu", "media", "k", "u", {})
    answer = Say(200, '{"parts": []}', REQID)
    with (
        ScriptedServer(lambda asked: answer) as server,
        store_on(server) as store,
        pytest.raises(InvalidArgumentError),
    ):
        store.resume_multipart_upload(ref).complete([Part(1, "e", 1)])


def test_missing_object_in_a_domain_is_looked_up() -> None:
    def answer(asked: Asked) -> Say:
        if asked.path == "/v2/bucketInfo":
            return Say(631, '{"error": "no such bucket"}', REQID)
        return Say(404, '{"error": "Document not found"}', REQID)

    with (
        ScriptedServer(answer) as server,
        store_on(server) as store,
        pytest.raises(BucketNotFoundError),
    ):
        store.get_object("media", "k")


def test_compressed_hash_is_the_objects_own() -> None:
    said = Say(200, b"data", {"etag": 'W/"Fh8x.gz"', "x-qn-meta-A": "=u=w6Q=", **REQID})
    with ScriptedServer(lambda asked: said) as server, store_on(server) as store:
        found = store.get_object("media", "k")
        assert (found.etag, found.metadata) == ("Fh8x", {"a": "ä"})
