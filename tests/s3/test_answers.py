"""What the driver makes of answers that no healthy server gives, or that only some do."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from cloudstore import (
    BucketNotFoundError,
    ChecksumMismatchError,
    CloudStoreError,
    CommonPrefix,
    InvalidArgumentError,
    InvalidKeyError,
    Object,
    ObjectAlreadyExistsError,
    ObjectNotFoundError,
    PartialFailureError,
    PermissionDeniedError,
    PreconditionFailedError,
    RateLimitedError,
    RetryPolicy,
    S3Config,
    Store,
    TooLargeError,
    TransferConfig,
    UnavailableError,
    UnexpectedResponseError,
    UploadRef,
)
from cloudstore.model import ObjectInfo
from tests.s3.scripted import Asked, Say, ScriptedServer

XMLNS = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
QUICK = RetryPolicy(attempts=3, base_delay=0.001)
CREATED = (
    f"<InitiateMultipartUploadResult {XMLNS}><UploadId>u1</UploadId></InitiateMultipartUploadResult>"
)


COMPLETED = f"<CompleteMultipartUploadResult {XMLNS}><ETag>{{}}</ETag></CompleteMultipartUploadResult>"


def store_on(server: ScriptedServer, preset: str = "aws", **options: Any) -> Store:
    config = S3Config(
        access_key="AKID",
        secret_key="very-secret",  # type: ignore[arg-type]  # plain text is made a Secret
        endpoint=server.url,
        preset=preset,
        region="us-east-1",
        retry=QUICK,
        **options,
    )
    return Store(config)


def error(code: str, message: str = "words", **more: str) -> str:
    fields = "".join(f"<{name}>{value}</{name}>" for name, value in more.items())
    return f"{DECLARATION}<Error><Code>{code}</Code><Message>{message}</Message>{fields}</Error>"


# --- 200 with an error ----------------------------------------------------------------------------


def test_copy_that_fails_after_its_status_was_sent_is_tried_again() -> None:
    done = f"<CopyObjectResult {XMLNS}><ETag>&quot;e2&quot;</ETag></CopyObjectResult>"
    script = [Say(body=error("InternalError")), Say(body=error("SlowDown")), Say(body=done)]
    with ScriptedServer(script) as server, store_on(server) as store:
        assert store.copy_object("bucket", "k", "bucket", "l").etag == "e2"
        assert len(server.asked) == 3


@pytest.mark.parametrize("space", ["", "\n   \n", DECLARATION + "   \n"])
def test_completion_that_fails_after_its_status_was_sent_is_an_error(space: str) -> None:
    body = space + error("InternalError").removeprefix(DECLARATION)

    def script(asked: Asked) -> Say:
        if asked.query.startswith("uploads"):
            return Say(body=CREATED)
        return Say(body=body) if asked.method == "POST" else Say(404)

    with ScriptedServer(script) as server, store_on(server) as store:
        upload = store.create_multipart_upload("bucket", "k")
        part = _part()
        with pytest.raises(UnavailableError) as caught:
            upload.complete([part])
        assert caught.value.outcome == "unknown"
        assert caught.value.attempts == QUICK.attempts
        assert sum(asked.method == "POST" for asked in server.asked) == 1 + QUICK.attempts


def _part() -> Any:
    from cloudstore import Part

    return Part(1, "p1", 4, {"crc32": "0" * 8})


def test_completion_without_an_etag_asks_the_object() -> None:
    def script(asked: Asked) -> Say:
        if asked.query.startswith("uploads"):
            return Say(body=CREATED)
        if asked.method == "HEAD":
            return Say(headers={"etag": '"e1-1"', "content-length": "4"})
        return Say(body=COMPLETED.format(""))

    with ScriptedServer(script) as server, store_on(server) as store:
        result = store.create_multipart_upload("bucket", "k").complete([_part()])
        assert result.etag == "e1-1"


def test_completion_without_an_etag_is_a_success_even_if_the_object_cannot_be_asked() -> None:
    def script(asked: Asked) -> Say:
        if asked.query.startswith("uploads"):
            return Say(body=CREATED)
        return Say(403) if asked.method == "HEAD" else Say()

    with ScriptedServer(script) as server, store_on(server) as store:
        assert store.create_multipart_upload("bucket", "k").complete([_part()]).etag is None


# --- what failures mean ---------------------------------------------------------------------------


def put(s: Store) -> Any:
    return s.create_object("bucket", "k", b"x")


def get(s: Store) -> Any:
    return s.get_object("bucket", "k")


def absent(s: Store) -> Any:
    return s.create_object("bucket", "k", b"x", if_absent=True)


def match(s: Store) -> Any:
    return s.create_object("bucket", "k", b"x", if_match="e")


def delete(s: Store) -> Any:
    return s.delete_object("bucket", "k", if_match="e")


FAILURES = [
    (get, 404, error("NoSuchBucket"), "bucket_not_found", "not_applied", 1),
    (get, 404, error("NoSuchKey"), "object_not_found", "not_applied", 1),
    (get, 404, error("NoSuchVersion"), "object_not_found", "not_applied", 1),
    (get, 403, error("InvalidObjectState"), "object_archived", "not_applied", 1),
    (get, 403, error("AccessDenied"), "permission_denied", "not_applied", 1),
    (get, 403, error("SignatureDoesNotMatch"), "authentication", "not_applied", 1),
    (get, 403, error("RequestTimeTooSkewed"), "authentication", "not_applied", 1),
    (get, 400, error("ExpiredToken"), "authentication", "not_applied", 1),
    (get, 401, "", "authentication", "not_applied", 1),
    (get, 403, "<html>", "permission_denied", "not_applied", 1),
    (get, 416, error("InvalidRange"), "range_not_satisfiable", "not_applied", 1),
    (get, 412, "", "precondition_failed", "not_applied", 1),
    (get, 304, "", "not_modified", "not_applied", 1),
    (get, 418, "", "unexpected_response", "not_applied", 1),
    (get, 400, error("Nobody knows"), "unexpected_response", "not_applied", 1),
    (get, 500, error("InternalError"), "unavailable", "not_applied", 3),
    (get, 502, "<html>", "unavailable", "not_applied", 3),
    (put, 500, error("InternalError"), "unavailable", "unknown", 3),
    (put, 503, "", "unavailable", "unknown", 3),
    (put, 504, "", "unavailable", "unknown", 3),
    (put, 503, error("SlowDown"), "rate_limited", "not_applied", 3),
    (put, 429, "", "rate_limited", "not_applied", 3),
    (put, 400, error("RequestTimeout"), "unavailable", "not_applied", 3),
    (put, 501, error("NotImplemented"), "unsupported", "not_applied", 1),
    (put, 400, error("BadDigest"), "checksum_mismatch", "not_applied", 1),
    (put, 400, error("XAmzContentSHA256Mismatch"), "checksum_mismatch", "not_applied", 1),
    (put, 400, error("EntityTooLarge"), "too_large", "not_applied", 1),
    (put, 400, error("MetadataTooLarge"), "too_large", "not_applied", 1),
    (put, 400, error("KeyTooLongError"), "invalid_key", "not_applied", 1),
    (put, 403, error("QuotaExceeded"), "quota_exceeded", "not_applied", 1),
    (put, 404, error("NoSuchBucket"), "bucket_not_found", "not_applied", 1),
    (absent, 412, error("PreconditionFailed"), "object_already_exists", "not_applied", 1),
    (absent, 412, "", "object_already_exists", "not_applied", 1),
    (absent, 409, error("ConditionalRequestConflict"), "precondition_failed", "not_applied", 3),
    (match, 412, error("PreconditionFailed"), "precondition_failed", "not_applied", 1),
    (match, 404, error("NoSuchKey"), "precondition_failed", "not_applied", 1),
    (delete, 412, error("PreconditionFailed"), "precondition_failed", "not_applied", 1),
    (delete, 404, error("NoSuchKey"), "precondition_failed", "not_applied", 1),
]


@pytest.mark.parametrize(("call", "status", "body", "kind", "outcome", "attempts"), FAILURES)
def test_failure_means(
    call: Callable[[Store], Any], status: int, body: str, kind: str, outcome: str, attempts: int
) -> None:
    def script(asked: Asked) -> Say:
        if asked.method == "HEAD":  # the facade looks whether a lost write is there
            return Say(404)
        return Say(status, body, {"x-amz-request-id": "R1"})

    with ScriptedServer(script) as server, store_on(server) as store:
        with pytest.raises(CloudStoreError) as caught:
            call(store)
        found = caught.value
        assert (found.kind, found.outcome, found.attempts) == (kind, outcome, attempts)
        assert (found.status, found.request_id, found.vendor) == (status, "R1", "s3")
        assert found.code == (None if "<Code>" not in body else body.split("Code>")[1][:-2])
        assert sum(asked.method != "HEAD" for asked in server.asked) == attempts


def test_conflict_of_conditional_writes_is_tried_again() -> None:
    script = [Say(409, error("ConditionalRequestConflict")), Say(412, error("PreconditionFailed"))]
    with ScriptedServer(script) as server, store_on(server) as store:
        with pytest.raises(ObjectAlreadyExistsError):
            absent(store)
        assert len(server.asked) == 2


def test_condition_on_the_source_of_a_copy_is_told_from_that_on_its_target() -> None:
    of_source = error("PreconditionFailed", Condition="x-amz-copy-source-If-Match")
    head = Say(headers={"etag": '"e"', "content-length": "1"})
    with (
        ScriptedServer([head, Say(412, of_source), head]) as server,  # is it another one since?
        store_on(server) as store,
        pytest.raises(PreconditionFailedError),
    ):
        store.copy_object("bucket", "k", "bucket", "l", if_absent=True)
    with (
        ScriptedServer([head, Say(412, error("PreconditionFailed"))]) as server,
        store_on(server) as store,
        pytest.raises(ObjectAlreadyExistsError),
    ):
        store.copy_object("bucket", "k", "bucket", "l", if_absent=True)


@pytest.mark.parametrize(
    ("headers", "limit"),
    [
        ({"retry-after": "120"}, 120),
        (
            {
                "retry-after": "Wed, 21 Oct 2015 07:30:00 GMT",
                "date": "Wed, 21 Oct 2015 07:28:00 GMT",
            },
            120,
        ),
    ],
    ids=["seconds", "date"],
)
def test_pause_longer_than_we_wait_ends_the_retries(headers: dict[str, str], limit: int) -> None:
    assert limit > QUICK.max_retry_after
    with ScriptedServer(lambda _: Say(503, error("SlowDown"), headers)) as server:
        with store_on(server) as store, pytest.raises(RateLimitedError):
            put(store)
        assert len(server.asked) == 1


def test_message_and_code_come_from_the_answer_and_no_secret_with_them() -> None:
    body = error("AccessDenied", "Not for you", RequestId="R2", HostId="H")
    with ScriptedServer([Say(403, body)]) as server, store_on(server) as store:
        with pytest.raises(PermissionDeniedError) as caught:
            get(store)
        assert str(caught.value).startswith("Not for you [")
        assert caught.value.request_id == "R2"
        assert "very-secret" not in repr(caught.value)


def test_missing_bucket_is_told_from_a_missing_object_where_the_answer_does_not() -> None:
    missing = Say(404, headers={"x-amz-request-id": "R1"})
    with ScriptedServer(lambda _: missing) as server, store_on(server) as store:
        with pytest.raises(BucketNotFoundError):
            store.head_object("bucket", "k")
        assert [asked.path for asked in server.asked] == ["/bucket/k", "/bucket"]
    with (
        ScriptedServer([missing, Say(200)]) as server,
        store_on(server) as store,
        pytest.raises(ObjectNotFoundError),
    ):
        store.head_object("bucket", "k")


# --- bodies that are not what was asked for -------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (200, {}),
        (206, {}),
        (206, {"content-range": "bytes 0-3/8"}),
        (206, {"content-range": "bytes 2-6/8"}),
        (206, {"content-range": "bytes */8"}),
    ],
)
def test_other_range_than_asked_for_is_refused(status: int, headers: dict[str, str]) -> None:
    with (
        ScriptedServer(lambda _: Say(status, b"abcd", headers)) as server,
        store_on(server) as store,
        pytest.raises(UnexpectedResponseError),
    ):
        store.get_object("bucket", "k", start=2, end=4)


def test_range_that_a_server_answers_with_the_whole_is_taken_where_it_is_the_whole() -> None:
    with ScriptedServer(lambda _: Say(200, b"abcd")) as server, store_on(server) as store:
        assert store.get_object("bucket", "k", start=0, end=99).read() == b"abcd"


@pytest.mark.parametrize("answer", [Say(416), Say(206, b"", {"content-range": "bytes 0--1/0"})])
def test_suffix_of_an_empty_object_is_empty(answer: Say) -> None:
    def script(asked: Asked) -> Say:
        return answer if "range" in asked.headers else Say()

    with ScriptedServer(script) as server, store_on(server) as store:
        assert store.get_object("bucket", "k", start=-5).read() == b""


@pytest.mark.parametrize(
    ("stated", "verified_by"),
    [
        ({"x-amz-checksum-crc32": "7YLNEQ=="}, "crc32"),
        ({"x-amz-checksum-crc32": "7YLNEQ==", "x-amz-checksum-type": "FULL_OBJECT"}, "crc32"),
        ({"x-amz-checksum-crc32": "AAAAAA==", "x-amz-checksum-type": "COMPOSITE"}, None),
        ({"x-amz-checksum-crc32": "AAAAAA==-2"}, None),
        ({"x-amz-checksum-sha256": "iNQmb9TmM40TuEX88omSCLy5kTVDIPhxBw=="}, None),
        ({}, None),
    ],
)
def test_checksum_of_the_whole_object_is_verified(
    stated: dict[str, str], verified_by: str | None
) -> None:
    if "x-amz-checksum-sha256" in stated:
        stated = {"x-amz-checksum-sha256": "no base64"}
    with ScriptedServer([Say(200, b"abcd", stated)]) as server, store_on(server) as store:
        found = store.get_object("bucket", "k")
        assert found.read() == b"abcd"
        assert found.verified_by == verified_by
        assert server.asked[0].headers["x-amz-checksum-mode"] == "ENABLED"


def test_bytes_that_are_not_those_of_the_checksum_are_not_handed_out() -> None:
    stated = {"x-amz-checksum-crc32": "AAAAAA=="}
    with (
        ScriptedServer([Say(200, b"abcd", stated)]) as server,
        store_on(server) as store,
        pytest.raises(ChecksumMismatchError),
    ):
        store.get_object("bucket", "k").read()


def test_service_without_checksums_is_not_asked_for_them() -> None:
    with ScriptedServer(lambda _: Say(200, b"abcd")) as server, store_on(server, "generic") as store:
        store.create_object("bucket", "k", b"abcd")
        assert store.get_object("bucket", "k").verified_by is None
        put, get = server.asked
        assert not [name for name in (*put.headers, *get.headers) if "checksum" in name]
        assert put.headers["content-md5"] == "4vxxTEcn7pOV8yTNLn8zHw=="


# --- listings -------------------------------------------------------------------------------------


def keys_of(entries: Iterable[Object | CommonPrefix]) -> list[str]:
    return [entry.key for entry in entries if isinstance(entry, Object)]


def listing(*keys: str, encoding: str = "<EncodingType>url</EncodingType>", more: str = "") -> str:
    rows = "".join(
        f"<Contents><Key>{key}</Key><Size>1</Size><ETag>&quot;e&quot;</ETag></Contents>" for key in keys
    )
    return f"{DECLARATION}<ListBucketResult {XMLNS}>{encoding}{rows}{more}</ListBucketResult>"


def test_keys_are_decoded_exactly() -> None:
    encoded = (
        "a+b",
        "a%20b",
        "a%2Bb",
        "a%252Fb",
        "%01%0D%0A%7F",
        "%C3%A4",
        "%F0%9F%8C%8D",
        "a%EF%BF%BF",
    )
    keys = ["a b", "a b", "a+b", "a%2Fb", "\x01\r\n\x7f", "ä", "🌍", "a\uffff"]
    with ScriptedServer([Say(body=listing(*encoded))]) as server, store_on(server) as store:
        assert keys_of(store.get_all_objects("bucket")) == keys
        assert "encoding-type=url" in server.asked[0].query


def test_keys_of_a_service_that_does_not_encode_are_taken_as_they_are() -> None:
    body = listing("a+b", "a%20b", "&lt;&amp;", encoding="")
    with ScriptedServer([Say(body=body)]) as server, store_on(server) as store:
        assert keys_of(store.get_all_objects("bucket")) == ["a+b", "a%20b", "<&"]


def test_key_that_is_no_text_is_shown_and_cannot_be_addressed() -> None:
    with ScriptedServer([Say(body=listing("a%FF"))]) as server, store_on(server) as store:
        [key] = keys_of(store.get_all_objects("bucket"))
        with pytest.raises(InvalidKeyError):
            store.get_object("bucket", key)


def test_token_goes_back_as_it_came() -> None:
    token = "1/ä+ %&=="
    stated = token.replace("&", "&amp;")
    more = f"<NextContinuationToken>{stated}</NextContinuationToken><IsTruncated>true</IsTruncated>"
    script = [Say(body=listing("a", more=more)), Say(body=listing("b"))]
    with ScriptedServer(script) as server, store_on(server) as store:
        assert keys_of(store.iter_objects("bucket")) == ["a", "b"]
        assert "continuation-token=1%2F%C3%A4%2B%20%25%26%3D%3D" in server.asked[1].query


def test_truncated_listing_without_a_token_is_no_end() -> None:
    body = listing("a", more="<IsTruncated>true</IsTruncated>")
    with (
        ScriptedServer([Say(body=body)]) as server,
        store_on(server) as store,
        pytest.raises(UnexpectedResponseError),
    ):
        store.get_all_objects("bucket")


def test_listing_with_declarations_is_refused() -> None:
    body = '<!DOCTYPE x [<!ENTITY a "aaaa">]><ListBucketResult><Name>&a;</Name></ListBucketResult>'
    with (
        ScriptedServer([Say(body=body)]) as server,
        store_on(server) as store,
        pytest.raises(UnexpectedResponseError),
    ):
        store.get_all_objects("bucket")


def test_answer_that_echoes_a_key_which_xml_cannot_hold_is_read() -> None:
    for echoed in ("a\x07b", "a&#x7;b", "a&#7;b", "a\uffff"):
        body = CREATED.replace("<UploadId>", f"<Key>{echoed}</Key><UploadId>")
        with ScriptedServer([Say(body=body)]) as server, store_on(server) as store:
            assert store.create_multipart_upload("bucket", "a\x07b").ref.upload_id == "u1"


def test_buckets_come_in_pages() -> None:
    first = "<Bucket><Name>b</Name><CreationDate>2012-05-24T09:52:16.000Z</CreationDate></Bucket>"
    second = "<Bucket><Name>a</Name></Bucket>"
    whole = "<ListAllMyBucketsResult><Buckets>{}</Buckets>{}</ListAllMyBucketsResult>"
    token = "<ContinuationToken>t</ContinuationToken>"
    script = [Say(body=whole.format(first, token)), Say(body=whole.format(second, ""))]
    with ScriptedServer(script) as server, store_on(server) as store:
        assert [repr(bucket) for bucket in store.get_all_buckets()] == [
            "<Bucket: a>",
            "<Bucket: b created at 2012-05-24T09:52:16.000Z>",
        ]
        assert server.asked[1].query == "continuation-token=t"


def _endless(name: str, inner: str, more: str) -> str:
    return f"<{name} {XMLNS}><IsTruncated>true</IsTruncated>{more}{inner}</{name}>"


OBJECT = "<Contents><Key>a</Key><Size>1</Size></Contents>"
UPLOAD = UploadRef("s3", "bucket", "k", "u1")
CIRCLES: list[tuple[Callable[[Store], Any], str]] = [
    (
        lambda s: s.get_all_objects("bucket"),
        _endless("ListResult", OBJECT, "<NextContinuationToken>t</NextContinuationToken>"),
    ),
    (
        lambda s: list(s.iter_objects("bucket")),
        _endless("ListResult", "", "<NextContinuationToken>t</NextContinuationToken>"),
    ),
    (
        lambda s: s.resume_multipart_upload(UPLOAD),
        _endless("ListResult", "", "<NextPartNumberMarker>7</NextPartNumberMarker>"),
    ),
    (
        lambda s: s.list_multipart_uploads("bucket"),
        _endless("ListResult", "", "<NextKeyMarker>k</NextKeyMarker>"),
    ),
    (
        lambda s: s.get_all_buckets(),
        _endless("ListResult", "", "<ContinuationToken>t</ContinuationToken>"),
    ),
]


@pytest.mark.parametrize(("call", "body"), CIRCLES)
def test_listing_that_goes_round_in_a_circle_ends(call: Callable[[Store], Any], body: str) -> None:
    with ScriptedServer(lambda asked: Say(body=body)) as server, store_on(server) as store:
        with pytest.raises(UnexpectedResponseError, match="circle"):
            call(store)
        assert len(server.asked) == 2


def _rows(inner: str) -> str:
    return f"<ListResult {XMLNS}><IsTruncated>false</IsTruncated>{inner}</ListResult>"


INCOMPLETE: list[tuple[Callable[[Store], Any], str]] = [
    (lambda s: s.get_all_objects("bucket"), "<Contents><Key>a</Key></Contents>"),
    (lambda s: s.get_all_objects("bucket"), "<Contents><Size>1</Size></Contents>"),
    (lambda s: s.get_all_objects("bucket"), "<Contents><Key>a</Key><Size>x</Size></Contents>"),
    (lambda s: s.get_all_objects("bucket"), "<Contents><Key>a</Key><Size>-1</Size></Contents>"),
    (
        lambda s: s.get_all_objects("bucket"),
        f"<Contents><Key>a</Key><Size>{'9' * 5000}</Size></Contents>",
    ),
    (lambda s: s.get_all_objects("bucket"), "<CommonPrefixes/>"),
    (lambda s: s.resume_multipart_upload(UPLOAD), "<Part><PartNumber>1</PartNumber></Part>"),
    (
        lambda s: s.resume_multipart_upload(UPLOAD),
        "<Part><PartNumber>x</PartNumber><Size>1</Size><ETag>e</ETag></Part>",
    ),
    (lambda s: s.list_multipart_uploads("bucket"), "<Upload><Key>a</Key></Upload>"),
    (lambda s: s.get_all_buckets(), "<Buckets><Bucket/></Buckets>"),
]


@pytest.mark.parametrize(("call", "inner"), INCOMPLETE)
def test_listing_whose_rows_are_not_whole_is_refused(call: Callable[[Store], Any], inner: str) -> None:
    with (
        ScriptedServer([Say(body=_rows(inner))]) as server,
        store_on(server) as store,
        pytest.raises(UnexpectedResponseError),
    ):
        call(store)


def test_range_of_so_many_digits_is_refused() -> None:
    say = Say(206, b"abc", {"content-range": f"bytes 0-2/{'9' * 5000}"})
    with (
        ScriptedServer([say]) as server,
        store_on(server) as store,
        pytest.raises(UnexpectedResponseError),
    ):
        store.get_object("bucket", "k", end=3)


@pytest.mark.parametrize("size", [10**15, 2**63, 2**64 - 1])
def test_size_that_no_memory_has_is_not_believed(size: int) -> None:
    say = Say(200, b"abc", {"content-length": str(size), "connection": "close"})
    with (
        ScriptedServer(lambda asked: say) as server,
        store_on(server) as store,
        pytest.raises(CloudStoreError),
    ):
        store.get_object("bucket", "k").read()


def test_error_keeps_little_of_what_a_server_says() -> None:
    long = "x" * 10_000
    say = Say(400, error(long, long, RequestId=long), {"x-amz-request-id": long})
    with ScriptedServer([say]) as server, store_on(server) as store:
        with pytest.raises(CloudStoreError) as caught:
            store.get_object("bucket", "k")
        assert caught.value.status == 400
        assert len(repr(caught.value)) < 2000


# --- batches --------------------------------------------------------------------------------------


def test_keys_that_xml_would_change_are_deleted_one_by_one() -> None:
    def script(asked: Asked) -> Say:
        return Say(body=f"<DeleteResult {XMLNS}/>") if asked.method == "POST" else Say(204)

    keys = ["plain", "<&>", "a\r\nb", "a\x01b", " outer", "trailing\n"]
    with ScriptedServer(script) as server, store_on(server) as store:
        assert store.delete_objects("bucket", keys) == keys
        [batch] = [asked for asked in server.asked if asked.method == "POST"]
        assert batch.body.count(b"<Object>") == 3
        for text in (b"<Key>plain</Key>", b"<Key>&lt;&amp;&gt;</Key>", b"<Key>a&#13;&#10;b</Key>"):
            assert text in batch.body
        singly = sorted(asked.path for asked in server.asked if asked.method == "DELETE")
        assert singly == ["/bucket/%20outer", "/bucket/a%01b", "/bucket/trailing%0A"]


@pytest.mark.parametrize(
    ("preset", "header"), [("aws", "x-amz-checksum-crc32"), ("ceph", "content-md5")]
)
def test_batch_carries_a_checksum(preset: str, header: str) -> None:
    with ScriptedServer([Say(body="<DeleteResult/>")]) as server, store_on(server, preset) as store:
        store.delete_objects("bucket", ["a"])
        assert header in server.asked[0].headers


def test_batch_tells_which_keys_failed_and_why() -> None:
    rows = (
        "<Error><Key>a</Key><Code>AccessDenied</Code><Message>no</Message></Error>"
        "<Error><Key>b</Key><Code>NoSuchKey</Code></Error>"
        "<Error><Key>c</Key><Code>InternalError</Code></Error>"
    )
    body = f"<DeleteResult {XMLNS}>{rows}</DeleteResult>"
    with ScriptedServer([Say(body=body)]) as server, store_on(server) as store:
        with pytest.raises(PartialFailureError) as caught:
            store.delete_objects("bucket", ["a", "b", "c"])
        kinds = {key: error.kind for key, error in caught.value.results.items()}
        assert kinds == {"a": "permission_denied", "c": "unavailable"}


# --- what is not sent -----------------------------------------------------------------------------


def test_metadata_that_is_too_long_once_encoded_is_refused() -> None:
    with ScriptedServer([]) as server, store_on(server) as store:
        with pytest.raises(TooLargeError):
            store.create_object("bucket", "k", b"x", metadata={"a": "ä" * 1000})
        assert server.asked == []


def test_option_for_writes_is_not_dropped_from_a_read() -> None:
    options = {"s3": {"acl": "public-read"}}
    with ScriptedServer(lambda _: Say()) as server, store_on(server) as store:
        with pytest.raises(InvalidArgumentError):
            store.get_object("bucket", "k", vendor_options=options)
        assert server.asked == []
        store.create_object("bucket", "k", b"x", vendor_options=options)
        assert server.asked[0].headers["x-amz-acl"] == "public-read"


def test_form_for_a_key_that_the_service_would_change_is_refused() -> None:
    with (
        ScriptedServer([]) as server,
        store_on(server) as store,
        pytest.raises(InvalidArgumentError, match="filename"),
    ):
        store.presign_post("bucket", "a/${filename}")


def test_parts_carry_checksums_and_their_completion_too() -> None:
    def script(asked: Asked) -> Say:
        if asked.query.startswith("uploads"):
            return Say(body=CREATED)
        if asked.method == "PUT":
            return Say(headers={"etag": '"p"'})
        return Say(body=COMPLETED.format("&quot;e-2&quot;"))

    data = b"x" * (6 * 1024 * 1024)
    transfer = TransferConfig(part_size=5 * 1024 * 1024, multipart_threshold=1, max_concurrency=1)
    with ScriptedServer(script) as server, store_on(server, transfer=transfer) as store:
        assert store.create_object("bucket", "k", data).etag == "e-2"
        begun, first, second, done = server.asked
        assert begun.headers["x-amz-checksum-algorithm"] == "CRC32"
        assert begun.headers["x-amz-checksum-type"] == "FULL_OBJECT"
        for number, part in enumerate((first, second), 1):
            stated = part.headers["x-amz-checksum-crc32"]
            line = (
                f'<Part><PartNumber>{number}</PartNumber><ETag>"p"</ETag>'
                f"<ChecksumCRC32>{stated}</ChecksumCRC32></Part>"
            )
            assert line.encode() in done.body


# --- the size of parts ---

MIB = 1024 * 1024
FIRST = "?partNumber=1"


def part_size(answer: Say, size: int, etag: str = "e-4", version: str | None = None) -> Any:
    """What the driver makes of one answer to the HEAD of a part, and what was asked."""
    with ScriptedServer(lambda asked: answer) as server, store_on(server) as store:
        ctx = store._context("tests", "b", "k", None)
        info = ObjectInfo("k", size, etag, version=version)
        return store._run(ctx, store._driver.part_size(ctx, "b", "k", info)), server.asked


def of_a_part(length: int, count: str | None = None, status: int = 206) -> Say:
    counted = {} if count is None else {"x-amz-mp-parts-count": count}
    return Say(status, headers={"content-length": str(length), **counted})


@pytest.mark.parametrize(
    ("answer", "size", "expected"),
    [
        (of_a_part(70, "4"), 270, 70),
        (of_a_part(70), 280, 70),
        (of_a_part(70, "5"), 270, None),  # of another object
        (of_a_part(70, "four"), 270, None),
        (of_a_part(60, "4"), 270, None),  # the others are of another size
        (of_a_part(270, "4"), 270, None),
        (of_a_part(0, "4"), 270, None),
        (of_a_part(99 * MIB, status=200), 99 * MIB, None),  # 25 to 32 MiB would do
        (of_a_part(20 * MIB, status=200), 20 * MIB, None),  # 5 and 6 MiB would do
        (of_a_part(18 * MIB, status=200), 18 * MIB, 5 * MIB),
        (of_a_part(10 * MIB, status=200), 10 * MIB, None),  # no part is so small
        (Say(400), 18 * MIB, 5 * MIB),
        (Say(416), 18 * MIB, 5 * MIB),
        (Say(501), 18 * MIB, 5 * MIB),
        (Say(403), 99 * MIB, None),
    ],
)
def test_size_of_parts_is_what_the_service_states_or_what_alone_is_likely(
    answer: Say, size: int, expected: int | None
) -> None:
    found, asked = part_size(answer, size)
    assert found == expected
    [head] = asked
    assert (head.method, head.target, head.headers["if-match"]) == ("HEAD", "/b/k" + FIRST, '"e-4"')


def test_size_of_parts_is_asked_of_the_version_that_is_read() -> None:
    _, [head] = part_size(of_a_part(70, "4"), 270, version="v1")
    assert head.query == "partNumber=1&versionId=v1"


@pytest.mark.parametrize("etag", ["e", "e-1", "e-0", "e-N", "e-", "e-123456"])
def test_object_in_one_piece_is_not_asked_for_its_parts(etag: str) -> None:
    assert part_size(of_a_part(70), 270, etag) == (None, [])
