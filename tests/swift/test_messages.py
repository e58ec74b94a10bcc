"""What is sent and read, without a server: headers, queries, rows, names, and what failures mean."""

from __future__ import annotations

import hashlib
import json
import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudstore import (
    InvalidArgumentError,
    InvalidPartError,
    RetryPolicy,
    Secret,
    SwiftConfig,
    TooLargeError,
    UnexpectedResponseError,
    UnsupportedError,
)
from cloudstore.driver import OpContext, Response, SystemClock
from cloudstore.errors import ErrorKind
from cloudstore.model import ListOptions, Part, PresignOptions
from cloudstore.providers import swift_errors as errors
from cloudstore.providers import swift_messages as messages
from cloudstore.providers import swift_segments as segments
from cloudstore.providers.swift import SwiftDriver
from cloudstore.providers.swift_errors import SwiftRequest
from cloudstore.providers.swift_messages import MetadataLimits
from cloudstore.providers.swift_requests import BUCKET_NAMES, KEYS

TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=300)
KEY = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\U0010ffff"), min_size=1)


@pytest.fixture(scope="module")
def driver() -> SwiftDriver:
    config = SwiftConfig(auth_url="http://swift.test/auth/v1.0", user="a:b", secret_key=Secret("hush"))
    return config.create_driver()


def request(driver: SwiftDriver, method: str, **values: Any) -> SwiftRequest:
    ctx = OpContext("get", None, None, None, RetryPolicy(), None, SystemClock(), random.Random(1))
    made = SwiftRequest(driver, ctx, method, "http://swift.test", "/v1/AUTH_a/b/k")
    made.missing, made.conflict, made.may_miss = ErrorKind.NOT_FOUND, ErrorKind.UNAVAILABLE, False
    for name, value in values.items():
        setattr(made, name, value)
    return made


# --- metadata ---


@given(TEXT)
def test_any_text_of_metadata_comes_back(text: str) -> None:
    headers = messages.metadata_headers({"name": text}, MetadataLimits(overall=10**6, names=1000))
    assert all(value.isascii() and value == value.strip() for value in headers.values())
    assert all(0 < len(value) <= 256 for value in headers.values())
    assert messages.object_info("k", headers, 0).metadata == {"name": text}


@pytest.mark.parametrize(
    "text", ["=?UTF-8?Q??=", "%41", "100 %", "", " ", " a ", "%", "a  b", "\u00a0à"]
)
def test_texts_that_look_like_our_own(text: str) -> None:
    headers = messages.metadata_headers({"name": text}, MetadataLimits())
    assert messages.object_info("k", headers, 0).metadata == {"name": text}


def test_plain_text_stays_plain() -> None:
    headers = messages.metadata_headers({"name": "plain text; a=b"}, MetadataLimits())
    assert headers == {"x-object-meta-name": "plain text; a=b"}


def test_metadata_beyond_swift_s_limits_is_refused() -> None:
    messages.metadata_headers({"n" * 128: ""}, MetadataLimits())
    for metadata in ({"n" * 129: ""}, {f"n{i}": "" for i in range(91)}, {"name": "ä" * 700}):
        with pytest.raises(TooLargeError):
            messages.metadata_headers(metadata, MetadataLimits())


def test_metadata_of_containers() -> None:
    limits = MetadataLimits()
    made = messages.shared_metadata_headers("x-container-meta-", {"a": "ä", "b": None, "c": ""}, limits)
    assert made == {
        "x-container-meta-a": "%C3%A4",
        "x-remove-container-meta-b": "x",
        "x-container-meta-c": messages.EMPTY,
    }
    with pytest.raises(TooLargeError):
        messages.shared_metadata_headers("x-container-meta-", {"a": "ä" * 50}, limits)


# --- names ---


@given(KEY)
def test_names_of_parts_are_read_in_one_way(key: str) -> None:
    upload_id = "0123456789abcdef"
    name = segments.segment_name(key, upload_id, 7, 255)
    assert segments.segment_of(name, key, upload_id) == 7
    assert segments.segment_of(name, key, "0" * 16) is None
    assert segments.segment_of(name, key + "/" + upload_id, upload_id) is None
    assert segments.record_of(segments.record_name(key, upload_id)) == (key, upload_id)
    after, before = segments.records_between([key])
    assert after < segments.record_name(key, "0" * 16) < segments.record_name(key, "f" * 16) < before


def test_longest_key_leaves_room_for_the_names_of_its_parts() -> None:
    key = "k" * segments.LONGEST_KEY
    assert len(segments.segment_name(key, "0" * 16, 99999, 2**32 - 1)) == segments.MAX_NAME_BYTES
    assert KEYS.refusal(key) is None
    assert KEYS.refusal(key + "k") is not None


@pytest.mark.parametrize(
    ("name", "good"),
    [
        ("media", True),
        ("Media.2026~(a)", True),
        ("b" * 247, True),
        ("b" * 248, False),
        ("media_segments", False),
        ("_segments", False),
        ("a/b", False),
        (".", False),
        ("a\n", False),
    ],
)
def test_names_of_buckets(name: str, good: bool) -> None:
    assert (BUCKET_NAMES.refusal(name) is None) is good


def test_manifest_tells_which_uploads_it_is_made_of() -> None:
    ours = segments.segment_name("k", "0" * 16, 1, 1)
    rows: list[Any] = [
        {"name": f"/b_segments/{ours}"},
        {"name": "/b_segments/k/x"},
        {"data": "eA=="},
        7,
    ]
    assert segments.uploads_in(rows, "b", "k") == {"0" * 16}
    assert segments.uploads_in(rows, "b", "another") == set()
    assert segments.uploads_in(rows, "another", "k") == set()


def test_expiry_of_a_record() -> None:
    assert segments.Record({}, None).expires_at(50.5) is None
    assert segments.Record({"x-delete-at": "999"}, 10.0).expires_at(50.5) == 61
    copied = segments.Record({"x-delete-at": "999", "content-type": "a/b"}, None)
    assert copied.expires_at(50.5) == copied.expiry().expires_at(50.5) == 999
    assert copied.expiry().headers == {"x-delete-at": "999"}
    assert segments.Record({"x-delete-at": "soon"}, None).expires_at(50.5) is None


def test_sources_of_a_copy_are_segments_of_ours() -> None:
    rows = [
        {"name": f"/b_segments/.cs/s/k/0123456789abcdef/0000{n}-01234567", "hash": h, "bytes": 7}
        for n, h in ((1, "a" * 32), (2, "b" * 32))
    ]
    found = segments.sources(rows)
    assert found is not None
    assert [(s.bucket, s.etag, s.size) for s in found] == [
        ("b_segments", "a" * 32, 7),
        ("b_segments", "b" * 32, 7),
    ]
    assert segments.etag_of(found) == hashlib.md5(b"a" * 32 + b"b" * 32).hexdigest()
    others: list[Any] = [
        7,
        {},
        {**rows[1], "range": "0-3"},
        {**rows[1], "sub_slo": True},
        {**rows[1], "name": "/b_segments/k"},
        {**rows[1], "name": "/b/.cs/s/k/0123456789abcdef/00001-01234567"},
        {**rows[1], "hash": None},
        {**rows[1], "bytes": "7"},
    ]
    for other in others:
        assert segments.sources([rows[0], other]) is None
    assert segments.sources([]) is None


def test_size_of_the_segments_of_a_manifest() -> None:
    def rows(*sizes: Any) -> list[Any]:
        return [{"name": "/b/s", "bytes": size} for size in sizes]

    assert segments.part_size(rows(7, 7, 3), 17) == 7
    assert segments.part_size(rows(7, 7), 14) == 7
    nothing: list[tuple[list[Any], int]] = [
        (rows(7, 7, 3), 18),  # of another object
        (rows(7, 8, 3), 18),
        (rows(7, 7, 8), 22),
        (rows(7), 7),
        ([], 0),
        (rows(7, "7"), 14),
        ([*rows(7, 7), 7], 14),
        ([*rows(7), {**rows(7)[0], "range": "0-6"}], 14),
        ([*rows(7, 7), {"data": "AAAA"}], 17),
    ]
    for named, size in nothing:
        assert segments.part_size(named, size) is None


def test_newest_part_of_a_number_counts() -> None:
    name = segments.segment_name("k", "0" * 16, 1, 7)
    old = segments.Segment(1, name, "1" * 32, 5, "2026-01-01T00:00:00.000001")
    new = segments.Segment(1, name[:-1] + "8", "2" * 32, 5, "2026-01-01T00:00:00.000002")
    assert segments.chosen([new, old], [new.part()]) == [new]
    for part in (old.part(), replace(new.part(), number=2), Part(1, "2" * 32, 5)):
        with pytest.raises(InvalidPartError):
            segments.chosen([new, old], [part])


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b'{"headers": [], "expires_in": 1}', b'{"headers": {"a": 1}}', b"\xff"],
)
def test_record_that_is_none(content: bytes) -> None:
    with pytest.raises(UnexpectedResponseError):
        segments.read_record(content)


# --- listings ---


def test_marker_with_a_nul_is_cut() -> None:
    assert ("marker", "k") in messages.list_query(ListOptions(start_after="k\0z"))
    assert messages.is_unlistable(ListOptions(prefix="a\0"))
    assert messages.is_unlistable(ListOptions(prefix="a\U0010ffff"))


@pytest.mark.parametrize(
    ("start", "prefix", "peeked"),
    [
        ("a/", "", True),
        ("a/", "a", True),
        ("x/a/", "x/", True),
        ("a/b", "", False),
        ("a/b/", "", False),
        ("x/", "x/", False),
        ("a/", "b", False),
        ("", "", False),
    ],
)
def test_common_prefix_to_start_after(start: str, prefix: str, peeked: bool) -> None:
    options = ListOptions(prefix, "/", start)
    assert (messages.peek_options(options) is not None) is peeked
    assert messages.peek_options(ListOptions(prefix, "/", start, token="YQ==")) is None


@pytest.mark.parametrize(
    "row", [7, {}, {"name": "k"}, {"name": "k", "bytes": -1}, {"name": 1, "bytes": 1}, {"subdir": None}]
)
def test_row_that_is_not_whole(row: Any) -> None:
    with pytest.raises(UnexpectedResponseError):
        messages.page_of([row], 10)


def test_row_of_a_large_object_has_its_own_etag() -> None:
    row = {"name": "k", "bytes": 5, "hash": "0" * 32, "slo_etag": '"abc"', "content_type": "a/b"}
    [info] = messages.page_of([{**row, "last_modified": "2026-11-20T18:51:02.433650"}], 10).objects
    assert (info.etag, info.size, info.content_type) == ("abc", 5, "a/b")
    assert info.last_modified is not None
    assert info.last_modified.isoformat() == "2026-11-20T18:51:03+00:00"


# --- access ---


def test_temporary_url_cannot_say_everything() -> None:
    options = PresignOptions("PUT", content_type="image/png")
    with pytest.raises(UnsupportedError):
        messages.temp_url_query("key", "PUT", "/v1/a/b/k", 1, options)


def test_error_page_begins_with_its_status() -> None:
    assert messages.website_headers("i", "404.html")["x-container-meta-web-error"] == ".html"
    for page in ("404", "lost.html"):
        with pytest.raises(UnsupportedError):
            messages.website_headers("i", page)


def test_readers_of_segments_cannot_list_them() -> None:
    assert messages.segment_readers(".r:*, .rlistings ,test:x") == ".r:*,test:x"
    with pytest.raises(InvalidArgumentError):
        messages.acl_headers("authenticated-read")


# --- failures ---

TRANS_ID = {"x-trans-id": "tx1-2", "content-type": "text/html; charset=UTF-8"}
PAGE = b"<html><h1>Conflict</h1><p>There was a &quot;conflict&quot;.</p></html>"


@pytest.mark.parametrize(
    ("method", "status", "kind", "retryable", "outcome"),
    [
        ("GET", 304, "not_modified", False, "not_applied"),
        ("PUT", 400, "invalid_argument", False, "not_applied"),
        ("GET", 401, "authentication", False, "not_applied"),
        ("PUT", 403, "permission_denied", False, "not_applied"),
        ("GET", 404, "not_found", False, "not_applied"),
        ("PUT", 408, "unavailable", True, "not_applied"),
        ("PUT", 409, "unavailable", True, "not_applied"),
        ("PUT", 411, "unexpected_response", False, "not_applied"),
        ("GET", 412, "invalid_argument", False, "not_applied"),
        ("PUT", 413, "too_large", False, "not_applied"),
        ("GET", 416, "range_not_satisfiable", False, "not_applied"),
        ("PUT", 422, "checksum_mismatch", False, "not_applied"),
        ("PUT", 429, "rate_limited", True, "not_applied"),
        ("PUT", 498, "rate_limited", True, "not_applied"),
        ("PUT", 500, "unavailable", True, "unknown"),
        ("PUT", 503, "unavailable", True, "unknown"),
        ("PUT", 507, "quota_exceeded", False, "not_applied"),
        ("PUT", 200, "unexpected_response", False, "unknown"),
        ("DELETE", 200, "unexpected_response", False, "unknown"),
    ],
)
def test_statuses(
    driver: SwiftDriver, method: str, status: int, kind: str, retryable: bool, outcome: str
) -> None:
    answer = Response(status, {**TRANS_ID, "retry-after": "7"}, None, PAGE)
    info = driver.classify(request(driver, method), answer)
    assert info is not None
    assert (info.kind.value, info.retryable, info.outcome) == (kind, retryable, outcome)
    assert (info.status, info.request_id, info.retry_after) == (status, "tx1-2", 7.0)
    assert info.rejected_credentials is (status == 401)
    if status >= 300:
        assert info.message == 'There was a "conflict".'


def test_what_decides_beside_the_status(driver: SwiftDriver) -> None:
    def kind(answer: Response, method: str = "PUT", **values: Any) -> str:
        info = driver.classify(request(driver, method, **values), answer)
        assert info is not None
        return info.kind.value

    refused = Response(412, TRANS_ID)
    assert kind(refused, headers={"if-none-match": "*"}) == "object_already_exists"
    assert kind(refused, headers={"if-match": '"x"'}) == "precondition_failed"
    assert kind(Response(413, TRANS_ID, None, b"Upload exceeds quota.")) == "quota_exceeded"
    assert kind(Response(409, TRANS_ID), conflict=ErrorKind.BUCKET_NOT_EMPTY) == "bucket_not_empty"
    assert kind(Response(400, TRANS_ID), query="multipart-manifest=put") == "invalid_part"
    missing = Response(404, TRANS_ID)
    assert driver.classify(request(driver, "GET", may_miss=True), missing) is None
    page = Response(404, {"content-type": "text/html"}, None, b"<html>nginx</html>")
    assert kind(page, "GET", may_miss=True) == "unexpected_response"
    busy = Response(503, {"content-type": "text/html"}, None, b"<html>nginx</html>")
    assert kind(busy) == "unavailable"


def test_successes_are_none(driver: SwiftDriver) -> None:
    for method, status in (("PUT", 201), ("PUT", 202), ("DELETE", 204), ("GET", 206), ("POST", 202)):
        assert driver.classify(request(driver, method), Response(status, {})) is None


@pytest.mark.parametrize("content", [b"", b"[", b"{}", b"<html>", b"[" * 100_000])
def test_answer_that_is_not_the_list_asked_for(content: bytes) -> None:
    with pytest.raises(UnexpectedResponseError) as caught:
        errors.read_json(Response(200, {"x-trans-id": "tx"}, None, content), list)
    assert (caught.value.request_id, caught.value.outcome) == ("tx", "not_applied")


@pytest.mark.parametrize(
    ("said", "kind", "retryable"),
    [
        ("401 Unauthorized", "authentication", False),
        ("409 Conflict", "unavailable", True),
        ("503 Service Unavailable", "unavailable", True),
        ("²²² What", "unexpected_response", False),
        ("", "unexpected_response", False),
    ],
)
def test_failures_of_a_bulk_delete(said: str, kind: str, retryable: bool) -> None:
    error = errors.deletion_error(said)
    assert (error.kind.value, error.retryable) == (kind, retryable)


# --- what a cluster says of itself ---


def narrowed(info: Any) -> SwiftDriver:
    made = SwiftConfig(storage_url="http://swift.test/v1/AUTH_a", token=Secret("t")).create_driver()
    made._narrow(json.loads(json.dumps(info)))
    return made


def test_cluster_without_middleware() -> None:
    has = narrowed({"swift": {}}).capabilities
    assert not {"multipart", "list_uploads", "website", "presign_get"} & has.names()
    assert has.metadata
    assert has.acl


def test_limits_only_become_narrower() -> None:
    large = {"max_file_size": 10**15, "container_listing_limit": 10**9, "max_meta_value_length": 10**6}
    before = SwiftConfig(storage_url="http://s.test/v1/a", token=Secret("t")).create_driver().limits
    slo = {"max_manifest_segments": 10**6, "min_segment_size": 1}
    assert narrowed({"swift": large, "slo": slo, "bulk_delete": {}}).limits == before
    small = narrowed(
        {
            "swift": {"max_file_size": 1000, "container_listing_limit": 50, "max_meta_value_length": 9},
            "slo": {"max_manifest_segments": 5, "min_segment_size": 2**21},
            "bulk_delete": {"max_deletes_per_request": 3},
            "tempurl": {"methods": ["GET"], "allowed_digests": ["sha256"]},
        }
    )
    limits = small.limits
    assert (limits.max_put_size, limits.max_parts, limits.max_object_size) == (1000, 5, 5000)
    assert (limits.page_size, limits.delete_batch, limits.min_part_size) == (50, 3, 2**21)
    assert (small.capabilities.presign_get, small.capabilities.presign_put) == (True, False)
    assert small._metadata_limits.value == 9


@pytest.mark.parametrize(
    "info",
    [
        {"swift": []},
        {"swift": {"max_file_size": "x", "container_listing_limit": -1}, "slo": 7},
        {"tempurl": {"methods": 7, "allowed_digests": "sha256"}, "slo": {"min_segment_size": None}},
    ],
    ids=str,
)
def test_nonsense_is_not_believed(info: Any) -> None:
    before = SwiftConfig(storage_url="http://s.test/v1/a", token=Secret("t")).create_driver()
    assert narrowed(info).limits == before.limits
