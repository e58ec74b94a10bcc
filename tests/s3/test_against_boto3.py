"""boto3 as the oracle: the same call to the same recorder; botocore's signer on what we sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from importlib import import_module
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from cloudstore import Part, S3Config, Secret, Store, UploadRef
from tests.s3.scripted import Asked, Say, ScriptedServer

ACCESS_KEY, SECRET_KEY, REGION = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "eu-west-1"
KEYS = ("k", "a b/ä+%2F~", "a//b/../c/./d", "/lead", "all/*'()!@,;:=&$?#[]", "🌍\n")
UPLOAD = UploadRef("s3", "bucket", "k", "u/1+2=")

botocore_auth: Any = import_module("botocore.auth")
botocore_request: Any = import_module("botocore.awsrequest")
botocore_credentials: Any = import_module("botocore.credentials")
boto3_session: Any = import_module("boto3.session")


def answer(asked: Asked) -> Say:
    names = {name for name, _ in parse_qsl(asked.query, keep_blank_values=True)}
    etag = "<ETag>&quot;e&quot;</ETag>"
    if asked.method == "HEAD" and asked.target == "/bucket":
        return Say(404) if "new" in asked.target else Say()
    if asked.path == "/":
        return Say(body="<ListAllMyBucketsResult/>")
    if "list-type" in names:
        return Say(body="<ListBucketResult><EncodingType>url</EncodingType></ListBucketResult>")
    if asked.method == "POST" and "uploads" in names:
        return Say(body="<Result><UploadId>u</UploadId></Result>")
    if asked.method == "POST" and "delete" in names:
        return Say(body="<DeleteResult/>")
    if asked.method == "GET" and ("uploads" in names or "uploadId" in names):
        return Say(body="<Result/>")
    if asked.method == "POST" or "x-amz-copy-source" in asked.headers:
        return Say(body=f"<Result>{etag}</Result>")
    return Say(200, b"", {"etag": '"e"'})


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer(answer) as recorder:
        yield recorder


@pytest.fixture(scope="module")
def store(server: ScriptedServer) -> Iterator[Store]:
    config = S3Config(
        access_key=ACCESS_KEY,
        secret_key=Secret(SECRET_KEY),
        endpoint=server.url,
        region=REGION,
        preset="aws",
    )
    with Store(config) as ours:
        yield ours


@pytest.fixture(scope="module")
def client(server: ScriptedServer) -> Iterator[Any]:
    made = boto3_session.Session().client(
        "s3",
        endpoint_url=server.url,
        region_name=REGION,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        config=import_module("botocore.config").Config(
            signature_version="s3v4",
            s3={"addressing_style": "path"},
            retries={"total_max_attempts": 1},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )
    yield made
    made.close()


Ours = Callable[[Store], Any]
Theirs = Callable[[Any], Any]


def calls(key: str) -> Mapping[str, tuple[Ours, Theirs]]:
    at: dict[str, Any] = {"Bucket": "bucket", "Key": key}
    upload: dict[str, Any] = {**at, "UploadId": UPLOAD.upload_id}
    ref = UploadRef("s3", "bucket", key, UPLOAD.upload_id)
    parts = [{"ETag": '"p"', "PartNumber": 1}]

    def multipart(store: Store) -> Any:
        return store.resume_multipart_upload(ref)

    return {
        "put": (
            lambda s: s.create_object("bucket", key, b"data", metadata={"a": "1"}, tags={"t": "ä &="}),
            lambda c: c.put_object(
                **at,
                Body=b"data",
                Metadata={"a": "1"},
                Tagging="t=%C3%A4%20%26%3D",
                ContentType="application/octet-stream",
            ),
        ),
        "put_if_absent": (
            lambda s: s.create_object("bucket", key, b"", content_type="a/b", if_match="x"),
            lambda c: c.put_object(**at, Body=b"", ContentType="a/b", IfMatch='"x"'),
        ),
        "get": (lambda s: s.get_object("bucket", key), lambda c: c.get_object(**at)),
        "get_version": (
            lambda s: s.get_object("bucket", key, version="v+1/="),
            lambda c: c.get_object(**at, VersionId="v+1/="),
        ),
        "get_conditionally": (
            lambda s: s.get_object(
                "bucket",
                key,
                if_none_match="x",
                if_modified_since=datetime(2015, 10, 21, 7, 28, tzinfo=UTC),
            ),
            lambda c: c.get_object(
                **at, IfNoneMatch='"x"', IfModifiedSince=datetime(2015, 10, 21, 7, 28, tzinfo=UTC)
            ),
        ),
        "head": (lambda s: s.head_object("bucket", key), lambda c: c.head_object(**at)),
        "delete": (
            lambda s: s.delete_object("bucket", key, if_match="x"),
            lambda c: c.delete_object(**at, IfMatch='"x"'),
        ),
        "copy": (
            lambda s: s.copy_object("bucket", key, "bucket", "to/" + key),
            lambda c: c.copy_object(
                Bucket="bucket",
                Key="to/" + key,
                CopySource={"Bucket": "bucket", "Key": key},
                MetadataDirective="COPY",
            ),
        ),
        "create_upload": (
            lambda s: s.create_multipart_upload("bucket", key, content_type="a/b", tags={"t": "ä &="}),
            lambda c: c.create_multipart_upload(
                **at,
                ContentType="a/b",
                Tagging="t=%C3%A4%20%26%3D",
                ChecksumAlgorithm="CRC32",
                ChecksumType="FULL_OBJECT",
            ),
        ),
        "list_parts": (multipart, lambda c: c.list_parts(**upload)),
        "upload_part": (
            lambda s: multipart(s).upload_part(7, b"data"),
            lambda c: c.upload_part(**upload, PartNumber=7, Body=b"data"),
        ),
        "complete": (
            lambda s: multipart(s).complete([Part(1, "p", 4)]),
            lambda c: c.complete_multipart_upload(
                **upload, MultipartUpload={"Parts": parts}, ChecksumType="FULL_OBJECT"
            ),
        ),
        "abort": (lambda s: multipart(s).abort(), lambda c: c.abort_multipart_upload(**upload)),
        "list": (
            lambda s: s.get_all_objects("bucket", key, delimiter="/", max_keys=7),
            lambda c: c.list_objects_v2(Bucket="bucket", Prefix=key, Delimiter="/", MaxKeys=7),
        ),
        "list_after": (
            lambda s: s.get_all_objects("bucket", start_after=key, max_keys=1000),
            lambda c: c.list_objects_v2(Bucket="bucket", StartAfter=key, MaxKeys=1000),
        ),
        "list_uploads": (
            lambda s: s.list_multipart_uploads("bucket", prefix=key),
            lambda c: c.list_multipart_uploads(Bucket="bucket", Prefix=key, EncodingType="url"),
        ),
    }


ACCOUNT: Mapping[str, tuple[Ours, Theirs]] = MappingProxyType(
    {
        "list_buckets": (lambda s: s.get_all_buckets(), lambda c: c.list_buckets()),
        "head_bucket": (lambda s: s.bucket_exists("bucket"), lambda c: c.head_bucket(Bucket="bucket")),
        "delete_bucket": (
            lambda s: s.delete_bucket("bucket"),
            lambda c: c.delete_bucket(Bucket="bucket"),
        ),
        "delete_objects": (
            lambda s: s.delete_objects("bucket", ["a", "<ä>"]),
            lambda c: c.delete_objects(
                Bucket="bucket", Delete={"Objects": [{"Key": "a"}, {"Key": "<ä>"}], "Quiet": True}
            ),
        ),
    }
)

OWN = {"host", "connection", "accept-encoding", "user-agent", "expect", "authorization"}
OWN |= {"amz-sdk-invocation-id", "amz-sdk-request", "x-amz-date", "x-amz-content-sha256"}
OWN |= {"content-type", "content-md5", "content-length", "x-amz-meta-cswriteid"}
CHECKSUMS = ("x-amz-checksum", "x-amz-sdk-checksum")
"""Which checksums go along is our own decision, so are the content type of XML and our write-id."""


def last(server: ScriptedServer, call: Callable[[], Any]) -> Asked:
    call()
    return server.asked[-1]


def meaning(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that say what is asked for. `Tagging` is one whose encoding is free."""
    kept = {n: v for n, v in headers.items() if n not in OWN and not n.startswith(CHECKSUMS)}
    if "x-amz-copy-source" in kept:
        kept["x-amz-copy-source"] = kept["x-amz-copy-source"].lstrip("/")
    return kept


def pairs(query: str) -> list[tuple[str, str]]:
    """boto3 names the operation as well (``x-id``), and writes sub-resources without ``=``."""
    found = parse_qsl(query, keep_blank_values=True)
    return sorted(pair for pair in found if pair[0] != "x-id")


def same(server: ScriptedServer, store: Store, client: Any, ours: Ours, theirs: Theirs) -> None:
    sent = last(server, lambda: ours(store))
    expected = last(server, lambda: theirs(client))
    assert (sent.method, sent.path) == (expected.method, expected.path)
    assert pairs(sent.query) == pairs(expected.query)
    assert meaning(sent.headers) == meaning(expected.headers)
    check_signature(sent, server.url)


def check_signature(sent: Asked, url: str) -> None:
    """Signs what came by botocore, at the time that it was signed at, and compares."""
    listed = sent.headers["authorization"].split("SignedHeaders=")[1].split(",")[0].split(";")
    assert {"host", "x-amz-date", "x-amz-content-sha256"} <= set(listed)
    assert {n for n in sent.headers if n.startswith("x-amz-")} <= set(listed), "unsigned x-amz-*"
    request = botocore_request.AWSRequest(
        sent.method, url + sent.target, headers={name: sent.headers[name] for name in listed}
    )
    request.context["timestamp"] = sent.headers["x-amz-date"]
    credentials = botocore_credentials.Credentials(ACCESS_KEY, SECRET_KEY)
    signer = botocore_auth.S3SigV4Auth(credentials, "s3", REGION)
    text = signer.string_to_sign(request, signer.canonical_request(request))
    assert sent.headers["authorization"].endswith(f"Signature={signer.signature(text, request)}")


@pytest.mark.parametrize("key", KEYS, ids=ascii)
@pytest.mark.parametrize("name", calls("k"))
def test_request_is_that_of_boto3(
    server: ScriptedServer, store: Store, client: Any, name: str, key: str
) -> None:
    same(server, store, client, *calls(key)[name])


@pytest.mark.parametrize("name", ACCOUNT)
def test_request_about_buckets_is_that_of_boto3(
    server: ScriptedServer, store: Store, client: Any, name: str
) -> None:
    same(server, store, client, *ACCOUNT[name])


def test_range_is_that_of_boto3(server: ScriptedServer, store: Store, client: Any) -> None:
    def ranged(asked: Asked) -> Say:
        span = {"bytes=2-4": "bytes 2-4/9", "bytes=2-": "bytes 2-8/9", "bytes=-3": "bytes 6-8/9"}
        said = span[asked.headers["range"]]
        first, end = said.split()[1].split("/")[0].split("-")
        return Say(206, b"x" * (int(end) + 1 - int(first)), {"content-range": said, "etag": '"e"'})

    with ScriptedServer(ranged) as recorder:
        config = S3Config(access_key="a", secret_key=Secret("b"), endpoint=recorder.url)
        with Store(config) as ours:
            for options, span in (
                ({"start": 2, "end": 5}, "bytes=2-4"),
                ({"start": 2}, "bytes=2-"),
                ({"start": -3}, "bytes=-3"),
            ):
                ours.get_object("bucket", "k", **options).read()  # type: ignore[arg-type]
                client.get_object(Bucket="bucket", Key="k", Range=span)
                assert recorder.asked[-1].headers["range"] == server.asked[-1].headers["range"] == span


def test_bodies_are_those_of_boto3(server: ScriptedServer, store: Store, client: Any) -> None:
    ours, theirs = calls("k")["complete"]
    read = import_module("xml.etree.ElementTree").fromstring

    def shape(element: Any) -> Any:
        return (element.tag, element.text, sorted(shape(child) for child in element))

    sent = last(server, lambda: ours(store))
    assert shape(read(sent.body)) == shape(read(last(server, lambda: theirs(client)).body))
    ours, theirs = ACCOUNT["delete_objects"]
    sent = last(server, lambda: ours(store))
    assert shape(read(sent.body)) == shape(read(last(server, lambda: theirs(client)).body))


@pytest.mark.parametrize("key", KEYS, ids=ascii)
@pytest.mark.parametrize(
    ("method", "operation"), [("GET", "get_object"), ("PUT", "put_object"), ("DELETE", "delete_object")]
)
def test_presigned_url_is_that_of_boto3(
    server: ScriptedServer, store: Store, client: Any, key: str, method: Any, operation: str
) -> None:
    url = store.presign("bucket", key, method, expires_in=600).url
    wanted = client.generate_presigned_url(operation, {"Bucket": "bucket", "Key": key}, 600)
    assert url.partition("?")[0] == wanted.partition("?")[0]
    ours, theirs = (dict(parse_qsl(urlsplit(text).query)) for text in (url, wanted))
    assert {n: v for n, v in ours.items() if n not in ("X-Amz-Date", "X-Amz-Signature")} == {
        n: v for n, v in theirs.items() if n not in ("X-Amz-Date", "X-Amz-Signature", "x-id")
    }
    request = botocore_request.AWSRequest(method, url.partition("&X-Amz-Signature")[0])
    request.headers["host"] = urlsplit(url).netloc
    request.context["timestamp"] = ours["X-Amz-Date"]
    credentials = botocore_credentials.Credentials(ACCESS_KEY, SECRET_KEY)
    signer = botocore_auth.S3SigV4QueryAuth(credentials, "s3", REGION)
    text = signer.string_to_sign(request, signer.canonical_request(request))
    assert signer.signature(text, request) == ours["X-Amz-Signature"]
