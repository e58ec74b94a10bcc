"""python-swiftclient as the oracle: the same call to the same recorder, compared as it came.

Where our request is another on purpose, the test says which and why.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from importlib import import_module
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

import pytest

from cloudstore import Part, Secret, Store, SwiftConfig, UploadRef
from cloudstore.providers.swift_segments import OPEN, segment_name
from tests.s3.scripted import Asked, Say, ScriptedServer

TOKEN, ACCOUNT, TEMP_URL_KEY = "AUTH_tk0123456789", "/v1/AUTH_test", "key-of-temp-urls"
KEYS = ("k", "a b/ä+%2F~", "a//b/c", "/lead", "all/*'()!@,;:=&$?#[]", "🌍\n")
DOTTED = ("a/../b", "./a", "a/./b/..")
UPLOAD_ID = "0123456789abcdef"
MD5 = hashlib.md5(b"data").hexdigest()
JSON = {"content-type": "application/json; charset=utf-8"}

client: Any = import_module("swiftclient.client")
utils: Any = import_module("swiftclient.utils")


def answer(asked: Asked) -> Say:
    """As a Swift whose buckets are there, without large objects, and with one upload under way."""
    names = {name for name, _ in parse_qsl(asked.query, keep_blank_values=True)}
    key = unquote(asked.path.removeprefix(f"{ACCOUNT}/bucket_segments/"))
    if asked.path == "/info":
        return Say(200, "{}", JSON)
    if asked.method == "HEAD" and asked.path == f"{ACCOUNT}/bucket_segments":
        return Say(404)
    if "bulk-delete" in names:
        counts = {"Number Deleted": 2, "Number Not Found": 0, "Errors": []}
        return Say(200, json.dumps({**counts, "Response Status": "200 OK"}), JSON)
    if "prefix" in names and asked.path == f"{ACCOUNT}/bucket_segments":
        prefix = dict(parse_qsl(asked.query))["prefix"]
        row = {"name": f"{prefix}00001-00000000", "hash": MD5, "bytes": 4}
        moment = {"last_modified": "2026-01-01T00:00:00.000000", "content_type": "a/b"}
        return Say(200, json.dumps([{**row, **moment}]), JSON)
    if "format" in names:
        return Say(200, "[]", JSON)
    if asked.method == "GET" and key.startswith(".cs/u/"):
        record = {"headers": {"content-type": "a/b"}, "expires_in": None}
        return Say(200, json.dumps(record), {"content-type": OPEN, "etag": "e"})
    if asked.method in ("PUT", "COPY"):
        return Say(201, b"", {"etag": MD5})
    if asked.method == "DELETE" or (asked.method == "HEAD" and asked.path.count("/") < 4):
        return Say(204)
    stamps = {"last-modified": "Thu, 01 Jan 2026 00:00:00 GMT", "x-timestamp": "1767225600.00000"}
    return Say(200, b"", {"etag": MD5, "content-type": "a/b", **stamps})


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer(answer) as recorder:
        yield recorder


@pytest.fixture(scope="module")
def store(server: ScriptedServer) -> Iterator[Store]:
    config = SwiftConfig(
        token=Secret(TOKEN),
        storage_url=server.url + ACCOUNT,
        temp_url_key=Secret(TEMP_URL_KEY),
        conditional_writes=True,
    )
    with Store(config) as ours:
        yield ours


@pytest.fixture(scope="module")
def connection(server: ScriptedServer) -> Iterator[Any]:
    made = client.Connection(preauthurl=server.url + ACCOUNT, preauthtoken=TOKEN, retries=0)
    yield made
    made.close()


Ours = Callable[[Store], Any]
Theirs = Callable[[Any], Any]


def calls(key: str) -> Mapping[str, tuple[Ours, Theirs]]:
    """What is asked about an object."""
    at = ("bucket", key)
    since = datetime(2015, 10, 21, 7, 28, tzinfo=UTC)
    ref = UploadRef("swift", "bucket", key, UPLOAD_ID)
    segment = f"bucket_segments/{segment_name(key, UPLOAD_ID, 1, 0)}"
    manifest = [{"path": f"/{segment}", "etag": MD5, "size_bytes": 4}]

    def put(c: Any, headers: Mapping[str, str], **options: Any) -> Any:
        given = {"content_length": 4, "etag": MD5, "content_type": "a/b", **options}
        return c.put_object(*at, io.BytesIO(b"data"), headers=dict(headers), **given)

    return {
        "put": (
            lambda s: s.create_object(
                *at, b"data", content_type="a/b", metadata={"a": "1", "b-c": "d"}
            ),
            lambda c: put(c, {"X-Object-Meta-A": "1", "X-Object-Meta-B-C": "d"}),
        ),
        "put_with_everything": (
            lambda s: s.create_object(
                *at,
                b"data",
                content_type="a/b",
                content_encoding="gzip",
                content_disposition="inline",
                cache_control="no-store",
                expires_in=60,
                if_absent=True,
            ),
            lambda c: put(
                c,
                {
                    "Content-Encoding": "gzip",
                    "Content-Disposition": "inline",
                    "Cache-Control": "no-store",
                    "X-Delete-After": "60",
                    "If-None-Match": "*",
                },
            ),
        ),
        "put_empty": (
            lambda s: s.create_object(*at, b"", content_type="a/b"),
            lambda c: c.put_object(
                *at, "", content_length=0, etag=hashlib.md5().hexdigest(), content_type="a/b"
            ),
        ),
        "get": (lambda s: s.get_object(*at), lambda c: c.get_object(*at)),
        "get_conditionally": (
            lambda s: s.get_object(*at, if_none_match="x", if_modified_since=since),
            lambda c: c.get_object(
                *at,
                headers={
                    "If-None-Match": '"x"',
                    "If-Modified-Since": "Wed, 21 Oct 2015 07:28:00 GMT",
                },
            ),
        ),
        "head": (lambda s: s.head_object(*at), lambda c: c.head_object(*at)),
        "delete": (lambda s: s.delete_object(*at), lambda c: c.delete_object(*at)),
        "set_metadata": (
            lambda s: s.set_metadata(*at, {"b": "c"}),
            lambda c: c.post_object(*at, {"X-Object-Meta-B": "c", "Content-Type": "a/b"}),
        ),
        "list": (
            lambda s: s.get_all_objects("bucket", key, delimiter="/", max_keys=7),
            lambda c: c.get_container("bucket", prefix=key, delimiter="/", limit=7),
        ),
        "list_after": (
            lambda s: s.get_all_objects("bucket", start_after=key, max_keys=1000),
            lambda c: c.get_container("bucket", marker=key, limit=1000),
        ),
        "upload_part": (
            lambda s: s.resume_multipart_upload(ref).upload_part(1, b"data"),
            lambda c: c.put_object(
                "bucket_segments",
                segment_name(key, UPLOAD_ID, 1, 0),
                io.BytesIO(b"data"),
                content_length=4,
                etag=MD5,
                content_type="application/octet-stream",
            ),
        ),
        "complete": (
            lambda s: s.resume_multipart_upload(ref).complete([Part(1, f"{MD5}-00000000", 4)]),
            lambda c: c.put_object(
                *at,
                json.dumps(manifest),
                content_type="a/b",
                query_string="multipart-manifest=put",
            ),
        ),
    }


ACCOUNT_CALLS: Mapping[str, tuple[Ours, Theirs]] = MappingProxyType(
    {
        "list_buckets": (lambda s: s.get_all_buckets(), lambda c: c.get_account(limit=10_000)),
        "get_account": (lambda s: s.get_account(), lambda c: c.head_account()),
        "set_account_metadata": (
            lambda s: s.set_account_metadata({"a": "1 2"}),
            lambda c: c.post_account({"X-Account-Meta-A": "1 2"}),
        ),
        "create_bucket": (
            lambda s: s.create_bucket("bucket"),
            lambda c: c.put_container("bucket"),
        ),
        "head_bucket": (lambda s: s.get_bucket("bucket"), lambda c: c.head_container("bucket")),
        "delete_bucket": (
            lambda s: s.delete_bucket("bucket"),
            lambda c: c.delete_container("bucket"),
        ),
        "set_bucket_metadata": (
            lambda s: s.set_bucket_metadata("bucket", {"a": "1"}),
            lambda c: c.post_container("bucket", {"X-Container-Meta-A": "1"}),
        ),
        "set_acl": (
            lambda s: s.set_acl("bucket", acl="public-read"),
            lambda c: c.post_container(
                "bucket", {"X-Container-Read": ".r:*,.rlistings", "X-Container-Write": ""}
            ),
        ),
        "set_website": (
            lambda s: s.set_website("bucket", "index.html", "404error.html"),
            lambda c: c.post_container(
                "bucket",
                {
                    "X-Container-Meta-Web-Index": "index.html",
                    "X-Container-Meta-Web-Error": "error.html",
                },
            ),
        ),
        "delete_objects": (
            lambda s: s.delete_objects("bucket", ["a", "ä /?"]),
            lambda c: c.post_account(
                {"Content-Type": "text/plain", "Accept": "application/json"},
                query_string="bulk-delete",
                data=b"/bucket/a\n/bucket/%C3%A4%20/%3F",
            ),
        ),
    }
)

OWN = frozenset({"host", "connection", "accept-encoding", "user-agent", "expect", "content-length"})
"""What every HTTP client says as it likes."""
OUR_METADATA = "x-object-meta-cs"
"""The id of a conditional write, by which we find out what became of it."""


def sent(server: ScriptedServer, call: Callable[[], Any], like: Asked | None = None) -> Asked:
    """What a call sent: its last request, or the first that goes where another went."""
    before = len(server.asked)
    call()
    made = server.asked[before:]
    if like is not None:
        found = [asked for asked in made if where(asked) == where(like)]
        return found[0] if found else made[-1]
    return made[-1]


def where(asked: Asked) -> tuple[str, str]:
    """Method and raw path; the name of a part ends with chance."""
    return asked.method, re.sub(r"/([0-9]{5})-[0-9a-f]{8}$", r"/\1-", asked.path)


def meaning(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that say what is asked for, the token among them."""
    return {n: v for n, v in headers.items() if n not in OWN and not n.startswith(OUR_METADATA)}


def pairs(query: str) -> list[tuple[str, str]]:
    return sorted(parse_qsl(query, keep_blank_values=True))


def same(
    server: ScriptedServer, store: Store, connection: Any, ours: Ours, theirs: Theirs
) -> tuple[Asked, Asked]:
    expected = sent(server, lambda: theirs(connection))
    got = sent(server, lambda: ours(store), expected)
    assert where(got) == where(expected)
    assert pairs(got.query) == pairs(expected.query)
    assert got.headers["x-auth-token"] == TOKEN
    return got, expected


@pytest.mark.parametrize("key", KEYS, ids=ascii)
@pytest.mark.parametrize("name", calls("k"))
def test_request_is_that_of_swiftclient(
    server: ScriptedServer, store: Store, connection: Any, name: str, key: str
) -> None:
    got, expected = same(server, store, connection, *calls(key)[name])
    assert meaning(got.headers) == meaning(expected.headers)
    if name == "complete":
        assert json.loads(got.body) == json.loads(expected.body)
    else:
        assert got.body == expected.body


@pytest.mark.parametrize("name", ACCOUNT_CALLS)
def test_request_about_buckets_is_that_of_swiftclient(
    server: ScriptedServer, store: Store, connection: Any, name: str
) -> None:
    got, expected = same(server, store, connection, *ACCOUNT_CALLS[name])
    assert meaning(got.headers) == meaning(expected.headers)
    assert got.body == expected.body


@pytest.mark.parametrize("key", DOTTED)
def test_dots_are_kept(server: ScriptedServer, store: Store, connection: Any, key: str) -> None:
    """Ours: swiftclient (requests, that is) asks for another object, whose name has no dots."""
    expected = sent(server, lambda: connection.head_object("bucket", key))
    assert expected.path != f"{ACCOUNT}/bucket/{key}"
    got = sent(server, lambda: store.head_object("bucket", key))
    assert got.path == f"{ACCOUNT}/bucket/{key}"


@pytest.mark.parametrize("key", KEYS, ids=ascii)
@pytest.mark.parametrize("fresh", [False, True])
def test_copy_is_the_other_half_of_swiftclient_s(
    server: ScriptedServer, store: Store, connection: Any, key: str, fresh: bool
) -> None:
    """Ours is a PUT with ``X-Copy-From``, theirs a COPY with ``Destination``: the same to Swift, which
    makes the one of the other; but whatever stands before it may know no COPY. With other metadata, the
    facade looks first, keeps the content type, and wants the source that it has seen."""
    metadata = {"metadata": {"b": "c"}} if fresh else {}
    headers = {"X-Object-Meta-B": "c", "Content-Type": "a/b", "If-Match": f'"{MD5}"'} if fresh else {}
    theirs = sent(
        server,
        lambda: connection.copy_object(
            "bucket", key, f"/to/{key}", headers=headers, fresh_metadata="true" if fresh else None
        ),
    )
    before = len(server.asked)
    store.copy_object("bucket", key, "to", key, **metadata)  # type: ignore[arg-type]
    [ours] = [asked for asked in server.asked[before:] if asked.method == "PUT"]
    assert theirs.method == "COPY"
    assert ours.path == ACCOUNT + theirs.headers["destination"]
    assert ACCOUNT + ours.headers["x-copy-from"] == theirs.path
    expected = {n: v for n, v in meaning(theirs.headers).items() if n != "destination"}
    got = {n: v for n, v in meaning(ours.headers).items() if n != "x-copy-from"}
    assert got == expected


def test_range_is_that_of_swiftclient(store: Store, connection: Any) -> None:
    def ranged(asked: Asked) -> Say:
        span = {"bytes=2-4": "bytes 2-4/9", "bytes=2-": "bytes 2-8/9", "bytes=-3": "bytes 6-8/9"}
        said = span[asked.headers["range"]] if "range" in asked.headers else ""
        if not said:
            return answer(asked)
        first, end = said.split()[1].split("/")[0].split("-")
        body = b"x" * (int(end) + 1 - int(first))
        return Say(206, body, {"content-range": said, "etag": MD5})

    with ScriptedServer(ranged) as recorder:
        place = recorder.url + ACCOUNT
        theirs = client.Connection(preauthurl=place, preauthtoken=TOKEN, retries=0)
        with Store(SwiftConfig(token=Secret(TOKEN), storage_url=place)) as ours:
            for options, span in (
                ({"start": 2, "end": 5}, "bytes=2-4"),
                ({"start": 2}, "bytes=2-"),
                ({"start": -3}, "bytes=-3"),
            ):
                read = sent(recorder, lambda o=options: ours.get_object("bucket", "k", **o).read())  # type: ignore[misc]
                like = sent(
                    recorder,
                    lambda r=span: theirs.get_object("bucket", "k", headers={"Range": r}),  # type: ignore[misc]
                )
                assert where(read) == where(like)
                assert meaning(read.headers) == meaning(like.headers)
        theirs.close()


def test_metadata_beyond_ascii_reads_the_same(
    server: ScriptedServer, store: Store, connection: Any
) -> None:
    """Ours is percent-encoded, so that every proxy lets it pass; theirs is raw. Each reads both."""
    ours = sent(server, lambda: store.create_object("bucket", "k", b"", metadata={"a": "ä 100%"}))
    theirs = sent(
        server,
        lambda: connection.put_object("bucket", "k", "", headers={"X-Object-Meta-A": "ä 100%25"}),
    )
    sent_ours, sent_theirs = (asked.headers["x-object-meta-a"] for asked in (ours, theirs))
    assert (sent_ours, sent_theirs) == ("%C3%A4 100%25", "ä 100%25".encode().decode("latin-1"))
    for value in (sent_ours, sent_theirs):
        headers = {"x-object-meta-a": value, "content-length": "0", "etag": MD5}
        with ScriptedServer(lambda asked, h=headers: Say(200, b"", h)) as stored:  # type: ignore[misc]
            place = stored.url + ACCOUNT
            with Store(SwiftConfig(token=Secret(TOKEN), storage_url=place)) as reader:
                assert reader.head_object("bucket", "k").metadata == {"a": "ä 100%"}
            other = client.Connection(preauthurl=place, preauthtoken=TOKEN, retries=0)
            assert other.head_object("bucket", "k")["x-object-meta-a"] == "ä 100%"
            other.close()


@pytest.mark.parametrize("key", KEYS, ids=ascii)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_temporary_url_is_that_of_swiftclient(
    server: ScriptedServer, store: Store, key: str, method: Any
) -> None:
    url = store.presign("bucket", key, method, expires_in=600).url
    raw, _, query = url.partition("?")
    given = dict(parse_qsl(query))
    path = f"{ACCOUNT}/bucket/{key}"
    expected = utils.generate_temp_url(
        path, int(given["temp_url_expires"]), TEMP_URL_KEY, method, absolute=True, digest="sha256"
    )
    assert raw == server.url + quote(path)
    assert query == expected.rpartition("?")[2]


@pytest.mark.parametrize("place", ["/v1/AUTH_test", "/swift/v1", "/object-store/v1.0/AUTH_a", "/v1"])
def test_features_are_asked_for_where_swiftclient_does(server: ScriptedServer, place: str) -> None:
    """Ceph's gateway, for one, has its Swift below ``/swift``."""
    theirs = client.Connection(preauthurl=server.url + place, preauthtoken=TOKEN, retries=0)
    with ScriptedServer(lambda asked: Say(200, "{}", JSON)) as other:
        expected = sent(other, lambda: theirs.get_capabilities(other.url + place))
        with Store(SwiftConfig(token=Secret(TOKEN), storage_url=other.url + place)) as store:
            sent(other, lambda: store.bucket_exists("bucket"))
        assert [where(asked) for asked in other.asked][1] == where(expected)
    theirs.close()
