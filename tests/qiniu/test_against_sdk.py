"""Qiniu's SDK as the oracle: the same call to the same recorder at the same frozen time.

Where a request is another than the SDK's on purpose, the test says so by what it compares:

- ``/stat``, ``/buckets`` and ``/v2/domains`` are GETs, as the documents have it; the SDK posts them;
- queries of listings are sorted, and spaces are ``%20``;
- upload tokens say ``detectMime: -1``, so that the content type is kept as it was given;
- an empty form has its CRC32 as well;
- parts that the SDK names twice, or leaves empty (``fname``, ``customVars``), are left out.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from importlib import import_module
from io import BytesIO
from types import MappingProxyType, SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, quote

import pytest

from cloudstore import Part, QiniuConfig, Secret, Store, UploadRef
from cloudstore.testing.qiniu.forms import Form, read_form
from tests.s3.scripted import Asked, Say, ScriptedServer

ACCESS_KEY, SECRET_KEY = "abcdefghklmnopq", "1234567890"
NOW = 1_700_000_000.0
KEYS = ("k", "a b/ä+%2F~", "a//b/../c/./d", "/lead", "all/*'()!@,;:=&$?#[]", "🌍\n")
STATE = {"content_type": "a/b", "metadata": {"x-qn-meta-a": "1"}, "policy": {"detectMime": -1}}
STAT = {"fsize": 4, "hash": "Fh8xVqod2MQ1mocfI4S4KpRL6D98", "mimeType": "a/b", "putTime": 17, "type": 0}

sdk: Any = import_module("qiniu")
sdk_auth: Any = import_module("qiniu.auth")
sdk_region: Any = import_module("qiniu.http.region")
sdk_endpoint: Any = import_module("qiniu.http.endpoint")
sdk_forms: Any = import_module("qiniu.services.storage.uploaders")


def answer(asked: Asked) -> Say:
    said: object = {}
    head, _, rest = asked.path[1:].partition("/")
    if head == "stat":
        said = STAT
    elif head == "list":
        said = {"items": []}
    elif head == "batch":
        said = [{"code": 200}] * len(parse_qsl(asked.body.decode()))
    elif head == "buckets" and not rest:
        said = ["bucket"]
    elif asked.path == "/v2/domains":
        said = ["domain.example"]
    elif asked.path == "/v2/bucketInfo":
        said = {"private": 1, "region": "z0"}
    elif head == "v2":
        said = {"code": 200}
    elif rest.endswith("/uploads"):
        said = {"uploadId": "u", "expireAt": 2_000_000_000}
    elif asked.method == "GET" and "/uploads/" in rest:
        said = {"parts": [], "partNumberMarker": 0}
    elif asked.method in ("PUT", "POST"):
        said = {"hash": STAT["hash"], "etag": "e", "key": "k"}
    headers = {"x-reqid": "r", "content-type": "application/json", "etag": '"e"'}
    return Say(200, json.dumps(said), headers)


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer(answer) as recorder:
        yield recorder


class Frozen:
    """A clock for the dates; deadlines go on."""

    @staticmethod
    def now() -> float:
        return NOW

    @staticmethod
    def monotonic() -> float:
        return 0.0


@pytest.fixture(autouse=True)
def _frozen_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    moment = datetime.fromtimestamp(NOW, UTC)
    monkeypatch.setattr(sdk_auth, "time", SimpleNamespace(time=lambda: NOW))
    monkeypatch.setattr(sdk_auth, "datetime", SimpleNamespace(utcnow=lambda: moment))


@pytest.fixture(scope="module")
def store(server: ScriptedServer) -> Iterator[Store]:
    config = QiniuConfig(
        access_key=ACCESS_KEY,
        secret_key=Secret(SECRET_KEY),
        endpoint=server.url,
        up=server.url,
        rs=server.url,
        rsf=server.url,
        cdn=server.url,
        domain=server.url,
    )
    with Store(config) as ours:
        ours._operations._clock = Frozen()
        yield ours


class Sdk:
    """The SDK's objects, on the recorder."""

    def __init__(self, url: str) -> None:
        self.auth = sdk.Auth(ACCESS_KEY, SECRET_KEY)
        there = [sdk_endpoint.Endpoint.from_host(url)]
        services = dict.fromkeys(sdk_region.ServiceName, there)
        regions = [sdk_region.Region("z0", services=services)]
        self.buckets = sdk.BucketManager(self.auth, regions=regions, preferred_scheme="http")
        options = {"auth": self.auth, "regions": regions, "preferred_scheme": "http"}
        self.forms = sdk_forms.FormUploader("bucket", **options)
        self.parts = sdk_forms.ResumeUploaderV2("bucket", **options)
        self.cdn = sdk.CdnManager(self.auth)
        self.cdn.server = url


@pytest.fixture(scope="module")
def theirs(server: ScriptedServer) -> Sdk:
    return Sdk(server.url)


def last(server: ScriptedServer, call: Callable[[], Any]) -> Asked:
    call()
    return server.asked[-1]


Ours = Callable[[Store, str], Any]
Theirs = Callable[[Sdk, str], Any]

EXACT: Mapping[str, tuple[Ours, Theirs]] = MappingProxyType(
    {
        "delete": (
            lambda s, k: s.delete_object("bucket", k),
            lambda q, k: q.buckets.delete("bucket", k),
        ),
        "copy": (
            lambda s, k: s.copy_object("bucket", k, "other", "to/" + k),
            lambda q, k: q.buckets.copy("bucket", k, "other", "to/" + k, "true"),
        ),
        "batch_delete": (
            lambda s, k: s.delete_objects("bucket", [k, "second"]),
            lambda q, k: q.buckets.batch(sdk.build_batch_delete("bucket", [k, "second"])),
        ),
        "purge": (
            lambda s, k: s.purge_cdn([f"http://domain.example/{quote(k)}"]),
            lambda q, k: q.cdn.refresh_urls([f"http://domain.example/{quote(k)}"]),
        ),
        "prefetch": (
            lambda s, k: s.prefetch_cdn([f"http://domain.example/{quote(k)}"]),
            lambda q, k: q.cdn.prefetch_urls([f"http://domain.example/{quote(k)}"]),
        ),
        "head_bucket": (
            lambda s, k: s.get_bucket("bucket"),
            lambda q, k: q.buckets.bucket_info("bucket"),
        ),
        "set_acl": (
            lambda s, k: s.set_acl("bucket", acl="public-read"),
            lambda q, k: q.buckets.change_bucket_permission("bucket", "0"),
        ),
    }
)
"""Calls whose requests are the SDK's to the last byte that means something."""


def meant(asked: Asked) -> tuple[Any, ...]:
    names = ("host", "content-type", "x-qiniu-date", "authorization")
    return (asked.method, asked.target, {n: asked.headers.get(n) for n in names}, asked.body)


@pytest.mark.parametrize("key", KEYS, ids=ascii)
@pytest.mark.parametrize("name", EXACT)
def test_request_is_that_of_the_sdk(
    server: ScriptedServer, store: Store, theirs: Sdk, name: str, key: str
) -> None:
    ours, sdks = EXACT[name]
    sent = last(server, lambda: ours(store, key))
    assert meant(sent) == meant(last(server, lambda: sdks(theirs, key)))


def test_bucket_is_created_as_by_the_sdk_and_then_closed(
    server: ScriptedServer, store: Store, theirs: Sdk
) -> None:
    store.create_bucket("new-bucket")
    created, closed = server.asked[-2:]
    assert meant(created) == meant(last(server, lambda: theirs.buckets.mkbucketv3("new-bucket", "z0")))
    private = last(server, lambda: theirs.buckets.change_bucket_permission("new-bucket", "1"))
    assert meant(closed) == meant(private)


# --- what is another request on purpose -----------------------------------------------------------


def check_signed(asked: Asked, url: str) -> None:
    """By the SDK's signer, of what came."""
    mac = sdk_auth.QiniuMacAuth(ACCESS_KEY, SECRET_KEY)
    dated = mac.qiniu_headers({"X-Qiniu-Date": asked.headers["x-qiniu-date"]})
    kind = asked.headers["content-type"]
    token = mac.token_of_request(
        asked.method, asked.headers["host"], url + asked.target, dated, kind, asked.body
    )
    assert asked.headers["authorization"] == f"Qiniu {token}"


@pytest.mark.parametrize("key", KEYS, ids=ascii)
def test_stat_is_that_of_the_sdk_but_for_its_method(
    server: ScriptedServer, store: Store, theirs: Sdk, key: str
) -> None:
    sent = last(server, lambda: store.head_object("bucket", key))
    expected = last(server, lambda: theirs.buckets.stat("bucket", key))
    assert (sent.method, expected.method, sent.target) == ("GET", "POST", expected.target)
    check_signed(sent, server.url)


@pytest.mark.parametrize("key", KEYS, ids=ascii)
def test_listing_is_that_of_the_sdk_but_for_the_order_of_its_query(
    server: ScriptedServer, store: Store, theirs: Sdk, key: str
) -> None:
    sent = last(server, lambda: store.get_all_objects("bucket", key, delimiter="/", max_keys=7))
    expected = last(server, lambda: theirs.buckets.list("bucket", key, None, 7, "/"))
    assert (sent.method, sent.path) == (expected.method, expected.path)
    assert sorted(parse_qsl(sent.query)) == sorted(parse_qsl(expected.query))
    check_signed(sent, server.url)
    sent = last(server, lambda: store.get_all_buckets())
    expected = last(server, lambda: theirs.buckets.buckets())
    assert (sent.method, expected.method, sent.target) == ("GET", "POST", expected.target)
    check_signed(sent, server.url)


def test_domains_are_asked_for_as_by_the_sdk_but_for_the_method(
    server: ScriptedServer, theirs: Sdk
) -> None:
    expected = last(server, lambda: theirs.buckets.list_domains("bucket"))
    config = QiniuConfig(
        access_key=ACCESS_KEY,
        secret_key=Secret(SECRET_KEY),
        endpoint=server.url,
        up=server.url,
        rs=server.url,
        rsf=server.url,
    )
    with Store(config) as store:
        store._operations._clock = Frozen()
        sent = last(server, lambda: store.presign("bucket", "k"))
    assert (sent.method, expected.method, sent.target) == ("GET", "POST", expected.target)
    check_signed(sent, server.url)


def policy_of(token: str) -> dict[str, Any]:
    """What a token allows, once its signature is the SDK's."""
    access, _, encoded = token.split(":")
    text = urlsafe_b64decode(encoded)
    assert access == ACCESS_KEY
    assert token == sdk.Auth(ACCESS_KEY, SECRET_KEY).token_with_data(text)
    policy: dict[str, Any] = json.loads(text)
    return policy


def form_of(asked: Asked) -> Form:
    return read_form(asked.headers["content-type"], asked.body)


@pytest.mark.parametrize("key", KEYS, ids=ascii)
@pytest.mark.parametrize("data", [b"", b"data", b"\r\n--x\r\n" * 3000], ids=len)
def test_form_is_that_of_the_sdk(
    server: ScriptedServer, store: Store, theirs: Sdk, key: str, data: bytes
) -> None:
    policy = {"deleteAfterDays": 3, "fileType": 1}

    def ours() -> None:
        store.create_object(
            "bucket",
            key,
            data,
            content_type="text/css",
            metadata={"a": "1"},
            expires_in=timedelta(days=3),
            storage_class="STANDARD_IA",
        )

    def sdks() -> None:
        token = theirs.auth.upload_token("bucket", key, 3600, policy)
        theirs.forms.upload(
            key,
            data=BytesIO(data),
            up_token=token,
            mime_type="text/css",
            metadata={"x-qn-meta-a": "1"},
        )

    sent, expected = last(server, ours), last(server, sdks)
    assert (sent.method, sent.target) == (expected.method, expected.target)
    assert "authorization" not in sent.headers
    form, wanted = form_of(sent), form_of(expected)
    assert (form.file, form.name, form.mime) == (wanted.file, wanted.name, wanted.mime)
    assert form.file == data
    detected = {"detectMime": -1}
    allowed = policy_of(form.fields.pop("token"))
    assert allowed == {**policy_of(wanted.fields.pop("token")), **detected}
    if not data:
        assert form.fields.pop("crc32") == "0"
    assert form.fields == wanted.fields


@pytest.mark.parametrize("key", KEYS, ids=ascii)
def test_uploads_in_parts_are_those_of_the_sdk(
    server: ScriptedServer, store: Store, theirs: Sdk, key: str
) -> None:
    data = b"x" * 5000
    ref = UploadRef("qiniu", "bucket", key, "u", STATE)
    token = theirs.auth.upload_token("bucket", key, 3600)
    theirs.parts.upload(
        key,
        data=BytesIO(data),
        data_size=len(data),
        part_size=1024 * 1024,
        mime_type="a/b",
        metadata={"x-qn-meta-a": "1"},
        up_token=token,
    )
    begun, sent_part, completed = server.asked[-3:]
    upload = store.resume_multipart_upload(ref)

    def same(ours: Asked, wanted: Asked) -> None:
        assert (ours.method, ours.target) == (wanted.method, wanted.target)
        allowed = policy_of(ours.headers["authorization"].removeprefix("UpToken "))
        sdks = policy_of(wanted.headers["authorization"].removeprefix("UpToken "))
        assert {n: v for n, v in allowed.items() if n not in ("detectMime",)} == sdks
        assert allowed["detectMime"] == -1

    same(last(server, lambda: store.create_multipart_upload("bucket", key)), begun)
    ours = last(server, lambda: upload.upload_part(1, data))
    same(ours, sent_part)
    assert ours.body == sent_part.body == data
    for name in ("content-md5", "content-type"):
        assert ours.headers[name] == sent_part.headers[name]
    ours = last(server, lambda: upload.complete([Part(1, "e", len(data))]))
    same(ours, completed)
    assert ours.headers["content-type"] == completed.headers["content-type"]
    wanted = {n: v for n, v in json.loads(completed.body).items() if n not in ("fname", "customVars")}
    assert json.loads(ours.body) == wanted
    ours = last(server, lambda: upload.list_parts())
    assert (ours.method, ours.target) == ("GET", f"{completed.target}")


def test_changed_copy_is_made_of_calls_of_the_sdk(
    server: ScriptedServer, store: Store, theirs: Sdk
) -> None:
    server.asked.clear()
    store.copy_object(
        "bucket",
        "k",
        "other",
        "to",
        content_type="text/css",
        storage_class="ARCHIVE_IR",
        expires_in=timedelta(days=9),
    )
    copied, _, changed, typed, expiring, moved = server.asked[-6:]
    own = urlsafe_b64decode(copied.path.split("/")[3]).decode().removeprefix("other:")
    assert own.startswith(".cloudstore/")
    buckets = theirs.buckets
    assert meant(copied) == meant(
        last(server, lambda: buckets.copy("bucket", "k", "other", own, "true"))
    )
    mime = last(server, lambda: buckets.change_mime("other", own, "text/css"))
    assert changed.target.startswith(mime.target)
    assert changed.target.removeprefix(mime.target).startswith("/x-qn-meta-cswriteid/")
    check_signed(changed, server.url)
    assert meant(typed) == meant(last(server, lambda: buckets.change_type("other", own, 4)))
    assert meant(expiring) == meant(last(server, lambda: buckets.delete_after_days("other", own, 9)))
    assert meant(moved) == meant(
        last(server, lambda: buckets.move("other", own, "other", "to", "true"))
    )


@pytest.mark.parametrize("key", KEYS, ids=ascii)
def test_presigned_url_is_that_of_the_sdk(
    server: ScriptedServer, store: Store, theirs: Sdk, key: str
) -> None:
    url = f"{server.url}/{quote(key, safe='/-_.~')}"
    assert store.presign("bucket", key, expires_in=600).url == theirs.auth.private_download_url(
        url, 600
    )
    named = store.presign(
        "bucket", key, expires_in=600, content_disposition='attachment; filename="a.csv"'
    )
    assert named.url == theirs.auth.private_download_url(f"{url}?attname=a.csv", 600)


@pytest.mark.parametrize("key", KEYS, ids=ascii)
def test_form_for_others_has_the_token_of_the_sdk(
    server: ScriptedServer, store: Store, theirs: Sdk, key: str
) -> None:
    options = {"callbackUrl": "http://a.example", "callbackBody": "key=$(key)", "insertOnly": 1}
    form = store.presign_post(
        "bucket", key, max_size=10, expires_in=600, vendor_options={"qiniu": options}
    )
    token = theirs.auth.upload_token("bucket", key, 600, {"fsizeLimit": 10, **options})
    assert form.url == f"{server.url}/"
    assert policy_of(form.fields["token"]) == policy_of(token)
    assert form.fields == {"key": key, "token": form.fields["token"]}


@pytest.mark.parametrize("key", KEYS, ids=ascii)
def test_download_is_signed_as_by_the_sdk(
    server: ScriptedServer, store: Store, theirs: Sdk, key: str
) -> None:
    sent = last(server, lambda: store.get_object("bucket", key).close())
    base, _, rest = sent.target.partition("?v=")
    nonce = rest.partition("&")[0]
    assert base == f"/{quote(key, safe='/-_.~')}"
    assert server.url + sent.target == theirs.auth.private_download_url(f"{server.url}{base}?v={nonce}")
    assert "authorization" not in sent.headers
    assert "x-qiniu-date" not in sent.headers
