"""The upload host: forms, policies, callbacks, parts, blocks, and their limits."""

from __future__ import annotations

import hashlib
import http.client
import json
import zlib
from base64 import b64decode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl, unquote

import pytest
from qiniu import Auth

from cloudstore.testing.qiniu import QiniuError, QiniuLimits
from cloudstore.testing.qiniu.contents import Content
from cloudstore.testing.qiniu.storage import Part

from .client import Answer, Client, encoded
from .conftest import MakeClient

MIB = 1024 * 1024
DAY = 86400
SMALL_PARTS = QiniuLimits(min_part=8, max_part=64, max_parts=20, form_bytes=200, key_bytes=30)


# --- forms ---


def test_exactly_what_was_sent_is_stored(shared: Client, bucket: str) -> None:
    for key, data in {
        "empty": b"",
        "binary": bytes(range(256)),
        "like a form": b"\r\n--a-boundary of another\r\n--a-boundar\r\n\r\n",
        "ends": b"data\r\n",
    }.items():
        assert shared.put(bucket, key, data).status == 200
        assert shared.get(bucket, key).body == data


@pytest.mark.parametrize("key", ["", "/", "a//b", "../a", "%41", "a?b#c", "ключ/鍵/🔑", "a:b", " "])
def test_keys_are_exact(shared: Client, bucket: str, key: str) -> None:
    answer = shared.put(bucket, key)
    assert answer.json["key"] == key
    assert shared.stat(bucket, key).status == 200
    assert shared.get(bucket, key).body == b"data"
    assert [item["key"] for item in shared.list(bucket).json["items"]] == [key]


def test_the_crc_is_checked(shared: Client, bucket: str) -> None:
    assert shared.put(bucket, "a", b"data", crc32=str(zlib.crc32(b"data"))).status == 200
    assert shared.put(bucket, "b", b"data", crc32=str(zlib.crc32(b"other"))).status == 406
    assert shared.put(bucket, "b", b"data", crc32="-").status == 400
    assert shared.stat(bucket, "b").status == 612


def test_metadata_and_headers_of_downloads(shared: Client, bucket: str) -> None:
    given = {"x-qn-meta-a": "1", "x-qn-meta-b-c": "ü", "cacheControl": "no-cache"}
    assert shared.put(bucket, "a", b"data", **given, contentEncoding="x-own").status == 200
    found = shared.get(bucket, "a").headers
    assert found["X-Qn-Meta-a"] == "1"
    assert found["X-Qn-Meta-b-c"].encode("latin-1").decode() == "ü"
    assert (found["Cache-Control"], found["Content-Encoding"]) == ("no-cache", "x-own")
    assert shared.stat(bucket, "a").json["x-qn-meta"] == {"a": "1", "b-c": "ü"}


@pytest.mark.parametrize("name", ["a b", "", "n" * 51, "ü"])
def test_names_of_metadata_are_checked(shared: Client, bucket: str, name: str) -> None:
    assert shared.put(bucket, "a", b"data", **{f"x-qn-meta-{name}": "1"}).status == 400


def test_the_size_of_metadata_is_checked(shared: Client, bucket: str) -> None:
    assert shared.put(bucket, "a", b"data", **{"x-qn-meta-a": "1" * 1023}).status == 200
    assert shared.put(bucket, "b", b"data", **{"x-qn-meta-a": "1" * 1024}).status == 400


def test_headers_cannot_be_smuggled_in(shared: Client, bucket: str) -> None:
    assert shared.put(bucket, "a", cacheControl="a\r\nX-Evil: 1").status == 400
    smuggled = {"x-qn-meta-a": "1\r\nX-Evil: 1"}
    assert shared.put(bucket, "a", b"data", **smuggled).status == 400
    upload = shared.parts("POST", bucket, "a").json["uploadId"]
    etag = shared.parts("PUT", bucket, "a", f"/{upload}/1", b"data").json["etag"]
    parts = [{"partNumber": 1, "etag": etag}]
    body = json.dumps({"parts": parts, "mimeType": "a/b\r\nX-Evil: 1"}).encode()
    assert shared.parts("POST", bucket, "a", f"/{upload}", body).status == 400
    assert shared.stat(bucket, "a").status == 612


def test_limits_of_a_form(make: MakeClient) -> None:
    client = make(limits=SMALL_PARTS)
    client.simulator.create_bucket("bucket")
    assert client.put("bucket", "k" * 30, b"d" * 200).status == 200
    assert client.put("bucket", "k" * 31).status == 400
    assert client.put("bucket", "ü" * 16).status == 400
    assert client.put("bucket", "k", b"d" * 201).status == 413


def test_keys_of_750_bytes(shared: Client, bucket: str) -> None:
    assert shared.put(bucket, "k" * 750).status == 200
    assert shared.put(bucket, "k" * 751).status == 400


def test_memory_is_bounded(make: MakeClient) -> None:
    client = make(limits=QiniuLimits(stored_bytes=10))
    client.simulator.create_bucket("bucket")
    assert client.put("bucket", "a", b"123456").status == 200
    assert client.put("bucket", "b", b"123456").status == 599
    assert client.put("bucket", "a", b"12").status == 200
    assert client.put("bucket", "b", b"123456").status == 200


def test_no_file_and_no_bucket(shared: Client, bucket: str) -> None:
    assert shared.put("no-such-bucket", "a").status == 631
    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    host = shared.simulator.upload_host
    assert shared.send(host, "POST", "/", b"--x--\r\n", kind).status == 400
    assert shared.send(host, "GET", "/").status == 404


# --- policies ---


def by_policy(
    client: Client, bucket: str, key: str | None, data: bytes = b"data", **policy: Any
) -> Answer:
    fields = {} if key is None else {"key": key}
    return client.post({"token": client.token(bucket, **policy), **fields}, data, "name.tar.gz")


def test_a_buckets_scope_only_adds(shared: Client, bucket: str) -> None:
    assert by_policy(shared, bucket, "a", b"1").status == 200
    assert by_policy(shared, bucket, "a", b"2").status == 614
    assert by_policy(shared, bucket, "a", b"1").status == 200
    assert shared.get(bucket, "a").body == b"1"


def test_a_keys_scope_overwrites(shared: Client, bucket: str) -> None:
    assert shared.put(bucket, "a", b"1").status == 200
    assert shared.put(bucket, "a", b"2").status == 200
    assert shared.get(bucket, "a").body == b"2"
    assert shared.post({"token": shared.token(bucket, "a"), "key": "b"}, b"").status == 403
    assert shared.post({"token": shared.token(bucket, "a")}, b"").status == 403


def test_insert_only(shared: Client, bucket: str) -> None:
    def put(data: bytes, **policy: Any) -> int:
        token = shared.token(bucket, "a", **policy)
        return shared.post({"token": token, "key": "a"}, data).status

    assert put(b"1", insertOnly=1) == 200
    first = shared.stat(bucket, "a").json
    assert put(b"2", insertOnly=1) == 614
    assert put(b"1", insertOnly=1) == 200
    assert shared.stat(bucket, "a").json == first
    assert put(b"1", forceInsertOnly=True) == 614
    assert put(b"2") == 200


def test_of_many_that_insert_at_once_one_wins(shared: Client, bucket: str) -> None:
    token = shared.token(bucket, "a", insertOnly=1)

    def put(at: int) -> tuple[int, bytes]:
        client, data = Client(shared.simulator), str(at).encode()
        try:
            return client.post({"token": token, "key": "a"}, data).status, data
        finally:
            client.close()

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(put, range(24)))
    [won] = [data for status, data in found if status == 200]
    assert {status for status, _ in found} == {200, 614}
    assert shared.get(bucket, "a").body == won


def test_a_prefixs_scope(shared: Client, bucket: str) -> None:
    def put(key: str, data: bytes = b"data") -> int:
        token = shared.token(bucket, "in/", isPrefixalScope=1)
        return shared.post({"token": token, "key": key}, data).status

    assert put("in/a") == 200
    assert put("in/a", b"other") == 614
    assert put("out/a") == 403


def test_sizes_by_policy(shared: Client, bucket: str) -> None:
    limits: dict[str, Any] = {"fsizeMin": 2, "fsizeLimit": 4}
    found = [by_policy(shared, bucket, None, b"d" * n, **limits).status for n in (1, 2, 4, 5)]
    assert found == [403, 200, 200, 413]


@pytest.mark.parametrize(
    ("limit", "allowed"),
    [
        ("text/*", True),
        ("image/*;text/plain", True),
        ("image/*", False),
        ("!image/*", True),
        ("!text/plain;image/*", False),
    ],
)
def test_types_by_policy(shared: Client, bucket: str, limit: str, allowed: bool) -> None:
    assert by_policy(shared, bucket, "a", mimeLimit=limit).status == (200 if allowed else 403)


@pytest.mark.parametrize(
    ("mode", "said", "found"),
    [
        (0, "image/x-own", "image/x-own"),
        (0, "application/octet-stream", "text/css"),
        (0, "", "text/css"),
        (1, "image/x-own", "text/css"),
        (-1, "application/octet-stream", "application/octet-stream"),
        (-1, "", "application/octet-stream"),
    ],
)
def test_types_are_detected(shared: Client, bucket: str, mode: int, said: str, found: str) -> None:
    token = shared.token(bucket, detectMime=mode)
    assert shared.post({"token": token, "key": "a"}, b"", "a.css", said).status == 200
    assert shared.stat(bucket, "a").json["mimeType"] == found
    token = shared.token(bucket, detectMime=mode)
    assert shared.post({"token": token, "key": "b.css"}, b"", "a", said).status == 200
    assert shared.stat(bucket, "b.css").json["mimeType"] == found


def test_the_key_by_policy(shared: Client, bucket: str) -> None:
    save: dict[str, Any] = {"saveKey": "saved/$(fprefix)-$(fsize)$(ext)"}
    assert by_policy(shared, bucket, None, **save).json["key"] == "saved/name.tar-4.gz"
    assert by_policy(shared, bucket, "own", **save).json["key"] == "own"
    forced = by_policy(shared, bucket, "own", forceSaveKey=True, **save)
    assert forced.json["key"] == "saved/name.tar-4.gz"
    hashed = by_policy(shared, bucket, None)
    assert hashed.json["key"] == hashed.json["hash"]
    assert by_policy(shared, bucket, "a", keylimit=["a", "b"]).status == 200
    assert by_policy(shared, bucket, "c", keylimit=["a", "b"]).status == 403


def test_the_rest_by_policy(shared: Client, bucket: str) -> None:
    policy: dict[str, Any] = {"fileType": 1, "deleteAfterDays": 3, "endUser": "ann"}
    assert by_policy(shared, bucket, "a", **policy).status == 200
    found = shared.stat(bucket, "a").json
    assert (found["type"], found["endUser"]) == (1, "ann")
    days = found["expiration"] / DAY - found["putTime"] / 10_000_000 / DAY
    assert 3 <= days <= 4
    assert by_policy(shared, bucket, "b", fileType=9).status == 400
    assert by_policy(shared, bucket, "b", returnUrl="a\nb").status == 400
    assert by_policy(shared, bucket, "b", deleteAfterDays=-1).status == 400


def test_a_form_is_redirected(shared: Client, bucket: str) -> None:
    answer = by_policy(shared, bucket, "a", returnUrl="http://example.org/?x=1")
    assert answer.status == 303
    url, _, result = answer.headers["Location"].partition("&upload_ret=")
    assert url == "http://example.org/?x=1"
    assert json.loads(b64decode(unquote(result)))["key"] == "a"


def test_magic_variables(shared: Client, bucket: str) -> None:
    body = (
        '{"k": $(key), "b": "$(bucket)", "n": "is $(fname)", "s": $(fsize), "m": $(mimeType),'
        ' "u": $(endUser), "x": $(x:own), "none": $(imageInfo.width), "year": $(year)}'
    )
    token = shared.token(bucket, returnBody=body, endUser='a"b')
    answer = shared.post({"token": token, "key": "ü", "x:own": "1&2"}, b"data", "f.txt").json
    assert len(answer.pop("year")) == 4
    assert answer == {
        "k": "ü",
        "b": bucket,
        "n": "is f.txt",
        "s": 4,
        "m": "text/plain",
        "u": 'a"b',
        "x": "1&2",
        "none": None,
    }


# --- callbacks ---


class Application:
    """A server that callbacks go to."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, str], str]] = []
        self.answer = (200, "application/json", b'{"accepted":true}')
        application = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                application.calls.append((self.path, dict(self.headers), body))
                status, kind, answer = application.answer
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/called?from=qiniu"
        self.thread = Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def application() -> Iterator[Application]:
    found = Application()
    yield found
    found.close()


def test_a_callback(shared: Client, bucket: str, application: Application) -> None:
    policy: dict[str, Any] = {
        "callbackUrl": application.url,
        "callbackBody": "k=$(key)&h=$(etag)&x=$(x:own)",
        "callbackHost": "app.example.org",
    }
    token = shared.token(bucket, **policy)
    answer = shared.post({"token": token, "key": "a&ü", "x:own": "1 2"}, b"data")
    assert (answer.status, answer.json) == (200, {"accepted": True})
    [(path, headers, body)] = application.calls
    assert path == "/called?from=qiniu"
    assert headers["Host"] == "app.example.org"
    about = shared.stat(bucket, "a&ü").json
    assert dict(parse_qsl(body)) == {"k": "a&ü", "h": about["hash"], "x": "1 2"}
    auth: Auth = shared.auth
    assert auth.verify_callback(headers["Authorization"], application.url, body)
    assert not auth.verify_callback(headers["Authorization"], application.url, body + "&")


def test_a_callback_of_json(shared: Client, bucket: str, application: Application) -> None:
    policy: dict[str, Any] = {
        "callbackUrl": f"http://127.0.0.1:1/nobody;{application.url}",
        "callbackBody": '{"k":$(key),"s":$(fsize)}',
        "callbackBodyType": "application/json",
    }
    assert by_policy(shared, bucket, 'a"', **policy).json == {"accepted": True}
    [(_, headers, body)] = application.calls
    assert json.loads(body) == {"k": 'a"', "s": 4}
    kind = "application/json"
    auth: Auth = shared.auth
    assert auth.verify_callback(headers["Authorization"], application.url, body, kind)


@pytest.mark.parametrize(
    "answer", [(500, "application/json", b"{}"), (200, "text/html", b"{}"), (404, "text/plain", b"")]
)
def test_a_callback_that_fails(
    shared: Client, bucket: str, application: Application, answer: tuple[int, str, bytes]
) -> None:
    application.answer = answer
    policy: dict[str, Any] = {"callbackUrl": application.url, "callbackBody": "k=$(key)"}
    found = by_policy(shared, bucket, "a", **policy)
    assert found.status == 579
    assert found.json["callback_body"] == "k=a"
    assert shared.stat(bucket, "a").status == 200


@pytest.mark.parametrize("url", ["http://192.0.2.1/", "https://127.0.0.1/", "http://example.org/"])
def test_callbacks_stay_on_this_machine(shared: Client, bucket: str, url: str) -> None:
    found = by_policy(shared, bucket, "a", callbackUrl=url, callbackBody="k=$(key)")
    assert found.status == 579
    assert "on this machine only" in found.error


def test_a_callback_needs_a_body(shared: Client, bucket: str) -> None:
    assert by_policy(shared, bucket, "a", callbackUrl="http://127.0.0.1:1/").status == 400
    assert shared.stat(bucket, "a").status == 612


# --- parts ---


@pytest.fixture
def small(make: MakeClient) -> Client:
    client = make(limits=SMALL_PARTS)
    client.simulator.create_bucket("bucket")
    return client


def put_part(client: Client, upload: str, at: int, data: bytes, **headers: str) -> Answer:
    return client.parts("PUT", "bucket", "a", f"/{upload}/{at}", data, **headers)


def begun(client: Client, *parts: bytes, key: str | None = "a") -> tuple[str, list[dict[str, object]]]:
    upload = client.parts("POST", "bucket", key).json["uploadId"]
    named = []
    for at, data in enumerate(parts, 1):
        answer = client.parts("PUT", "bucket", key, f"/{upload}/{at}", data)
        assert answer.json["md5"] == hashlib.md5(data).hexdigest()
        named.append({"partNumber": at, "etag": answer.json["etag"]})
    return upload, named


def complete(
    client: Client,
    upload: str,
    parts: object,
    token: str | None = None,
    key: str | None = "a",
    **rest: object,
) -> Answer:
    body = json.dumps({"parts": parts, **rest}).encode()
    return client.parts("POST", "bucket", key, f"/{upload}", body, token=token)


def test_parts_make_an_object(small: Client) -> None:
    upload, parts = begun(small, b"11111111", b"22222222", b"3")
    answer = complete(
        small,
        upload,
        parts,
        fname="a.css",
        metadata={"x-qn-meta-m": "1"},
        mimeType="application/octet-stream",
        cacheControl="no-cache",
    )
    assert answer.json["key"] == "a"
    found = small.get("bucket", "a")
    assert found.body == b"11111111222222223"
    assert (found.headers["Cache-Control"], found.headers["X-Qn-Meta-m"]) == ("no-cache", "1")
    about = small.stat("bucket", "a").json
    assert about["mimeType"] == "text/css"
    assert about["fsize"] == 17
    assert "md5" not in about
    assert complete(small, upload, parts).status == 612
    with_parts = small.manage(f"/stat/{encoded('bucket:a')}?needparts=true", method="GET").json
    assert with_parts["parts"] == [8, 8, 1]


def test_parts_may_have_gaps_and_be_replaced(small: Client) -> None:
    upload, parts = begun(small, b"11111111", b"22222222", b"33333333")
    again = put_part(small, upload, 1, b"1111111A").json["etag"]
    assert complete(small, upload, [parts[0], parts[2]]).status == 400
    chosen = [{"partNumber": 1, "etag": again}, parts[2]]
    assert complete(small, upload, chosen).status == 200
    assert small.get("bucket", "a").body == b"1111111A33333333"


@pytest.mark.parametrize(
    "wrong",
    [
        lambda parts: [],
        lambda parts: parts[::-1],
        lambda parts: [parts[0], parts[0]],
        lambda parts: [*parts, {"partNumber": 9, "etag": "x"}],
        lambda parts: [{**parts[0], "etag": parts[1]["etag"]}, parts[1]],
        lambda parts: [{"partNumber": 1}],
        lambda parts: [{**parts[0], "partNumber": "1"}],
        lambda parts: [{**parts[0], "partNumber": 1.0}],
        lambda parts: [{**parts[0], "partNumber": True}],
        lambda parts: [{**parts[0], "partNumber": float("inf")}],
        lambda parts: "parts",
        lambda parts: None,
    ],
)
def test_completions_are_checked(small: Client, wrong: Callable[[Any], Any]) -> None:
    upload, parts = begun(small, b"11111111", b"22222222")
    assert complete(small, upload, wrong(parts)).status == 400
    assert small.stat("bucket", "a").status == 612
    assert complete(small, upload, parts).status == 200


@pytest.mark.parametrize("value", [5, None, True, ["a"]])
@pytest.mark.parametrize("name", ["metadata", "customVars"])
def test_values_of_a_completion_are_texts(small: Client, name: str, value: object) -> None:
    upload, parts = begun(small, b"11111111")
    body = json.dumps({"parts": parts, name: {"x-qn-meta-a": value}}).encode()
    assert small.parts("POST", "bucket", "a", f"/{upload}", body).status == 400
    assert complete(small, upload, parts).status == 200


def test_a_completion_that_is_nested_too_deeply(small: Client) -> None:
    upload, parts = begun(small, b"11111111")
    body = b'{"parts":' + b"[" * 100_000
    assert small.parts("POST", "bucket", "a", f"/{upload}", body).status == 400
    assert complete(small, upload, parts).status == 200


def test_a_part_that_is_too_small_is_found_on_completion(small: Client) -> None:
    upload, parts = begun(small, b"1234567", b"1")
    assert complete(small, upload, parts).status == 400
    assert complete(small, upload, parts[:1]).status == 200


def test_limits_of_parts(small: Client) -> None:
    upload, _ = begun(small)
    found = [put_part(small, upload, at, b"12345678").status for at in (0, 1, 20, 21)]
    assert found == [400, 200, 200, 400]
    assert put_part(small, upload, 1, b"d" * 64).status == 200
    assert put_part(small, upload, 1, b"d" * 65).status == 413
    assert small.parts("PUT", "bucket", "a", f"/{upload}/x", b"").status == 400


def test_the_md5_of_a_part_is_checked(small: Client) -> None:
    upload, _ = begun(small)
    right = hashlib.md5(b"data").hexdigest()
    assert put_part(small, upload, 1, b"data", **{"Content-MD5": right}).status == 200
    assert put_part(small, upload, 1, b"date", **{"Content-MD5": right}).status == 400


def test_parts_are_listed(small: Client) -> None:
    upload, _ = begun(small, *[b"12345678"] * 5)
    found = small.parts("GET", "bucket", "a", f"/{upload}").json
    assert [part["partNumber"] for part in found["parts"]] == [1, 2, 3, 4, 5]
    assert {part["size"] for part in found["parts"]} == {8}
    assert (found["uploadId"], found["partNumberMarker"]) == (upload, 0)
    assert found["expireAt"] - found["parts"][0]["putTime"] == pytest.approx(7 * DAY, abs=5)
    page = small.parts("GET", "bucket", "a", f"/{upload}?max-parts=2&part-number-marker=1").json
    assert [part["partNumber"] for part in page["parts"]] == [2, 3]
    assert page["partNumberMarker"] == 3
    assert small.parts("GET", "bucket", "a", f"/{upload}?max-parts=1001").status == 400


def test_an_upload_is_given_up(small: Client) -> None:
    upload, parts = begun(small, b"12345678")
    assert small.parts("DELETE", "bucket", "a", f"/{upload}").status == 200
    for answer in (
        small.parts("DELETE", "bucket", "a", f"/{upload}"),
        small.parts("GET", "bucket", "a", f"/{upload}"),
        put_part(small, upload, 1, b"data"),
        complete(small, upload, parts),
        complete(small, "unknown", parts),
    ):
        assert (answer.status, answer.error) == (612, "no such uploadId")


def test_of_two_completions_one_wins(small: Client) -> None:
    upload, parts = begun(small, b"12345678")
    with ThreadPoolExecutor(8) as pool:

        def finish(at: int) -> int:
            client = Client(small.simulator)
            try:
                return complete(client, upload, parts).status
            finally:
                client.close()

        found = sorted(pool.map(finish, range(8)))
    assert found == [200] + [612] * 7


def test_what_comes_while_an_upload_ends(small: Client) -> None:
    storage = small.simulator.storage
    upload = storage.start_upload("bucket", "a")
    storage.end_upload(upload)
    with pytest.raises(QiniuError, match="612"):
        storage.end_upload(upload)
    with pytest.raises(QiniuError, match="612"):
        storage.add_part(upload, Part(1, Content.of(b""), "", 0))


def test_an_upload_is_of_its_key(small: Client) -> None:
    upload, _ = begun(small, b"12345678")
    assert small.parts("GET", "bucket", "b", f"/{upload}").status == 612
    assert small.parts("PATCH", "bucket", "a", f"/{upload}").status == 405


def test_an_upload_expires(small: Client) -> None:
    upload, parts = begun(small, b"12345678")
    small.simulator.clock.advance(7 * DAY - 10)
    assert small.parts("GET", "bucket", "a", f"/{upload}").status == 200
    small.simulator.clock.advance(20)
    assert complete(small, upload, parts).status == 612


def test_parts_without_a_key(small: Client) -> None:
    upload, parts = begun(small, b"12345678", key=None)
    answer = complete(small, upload, parts, key=None)
    assert answer.json["key"] == answer.json["hash"]


def test_parts_overwrite_but_where_the_policy_forbids_it(small: Client) -> None:
    assert small.put("bucket", "a", b"old").status == 200
    upload, parts = begun(small, b"new")
    token = small.token("bucket", "a", insertOnly=1)
    assert complete(small, upload, parts, token).status == 614
    assert small.get("bucket", "a").body == b"old"
    assert complete(small, upload, parts, small.token("bucket")).status == 200
    assert small.get("bucket", "a").body == b"new"


def test_expired_uploads_hold_no_memory(make: MakeClient) -> None:
    client = make(limits=QiniuLimits(stored_bytes=20, min_part=1))
    client.simulator.create_bucket("bucket")
    upload, _ = begun(client, b"1234567890")
    assert post(client, "/mkblk/10", b"1234567890").status == 200
    client.simulator.clock.advance(7 * DAY)
    assert put_part(client, upload, 1, b"1234567890").status == 612
    upload, parts = begun(client, b"1234567890", b"1234567890")
    assert complete(client, upload, parts).status == 200


def test_parts_count_in_what_is_stored(make: MakeClient) -> None:
    client = make(limits=QiniuLimits(stored_bytes=20, min_part=1))
    client.simulator.create_bucket("bucket")
    upload, _ = begun(client, b"1234567890", b"12345")
    assert put_part(client, upload, 3, b"1234567890").status == 599
    assert client.parts("DELETE", "bucket", "a", f"/{upload}").status == 200
    upload, parts = begun(client, b"1234567890", b"1234567890")
    assert complete(client, upload, parts).status == 200


# --- blocks ---


def post(client: Client, target: str, body: bytes, key: str = "a") -> Answer:
    headers = {"Authorization": f"UpToken {client.token('bucket', key)}"}
    return client.send(client.simulator.upload_host, "POST", target, body, headers)


def test_blocks_come_in_chunks(small: Client) -> None:
    first = post(small, "/mkblk/8", b"1234").json
    assert (first["offset"], first["crc32"]) == (4, zlib.crc32(b"1234"))
    assert post(small, f"/bput/{first['ctx']}/3", b"5678").status == 701
    second = post(small, f"/bput/{first['ctx']}/4", b"5678").json
    assert second["offset"] == 8
    assert post(small, f"/bput/{first['ctx']}/4", b"5678").status == 701
    assert post(small, f"/bput/{second['ctx']}/8", b"9").status == 701
    context = second["ctx"].encode()
    assert post(small, f"/mkfile/9/key/{encoded('a')}", context).status == 400
    assert post(small, f"/mkfile/8/key/{encoded('a')}", context).json["key"] == "a"
    assert post(small, f"/mkfile/8/key/{encoded('a')}", context).status == 701
    assert small.get("bucket", "a").body == b"12345678"


def test_blocks_are_checked(small: Client) -> None:
    assert post(small, f"/mkblk/{4 * MIB + 1}", b"").status == 400
    assert post(small, "/mkblk/1", b"12").status == 400
    assert post(small, "/mkfile/1", b"unknown").status == 701
    assert post(small, "/mkfile/0/key", b"").status == 400
    empty = post(small, f"/mkfile/0/key/{encoded('a')}", b"")
    assert (empty.status, small.get("bucket", "a").body) == (200, b"")
    context = post(small, "/mkblk/4", b"1234").json["ctx"]
    small.simulator.clock.advance(DAY + 1)
    assert post(small, f"/mkfile/4/key/{encoded('a')}", context.encode()).status == 701


def test_blocks_of_a_file_are_whole_and_of_4_mib(make: MakeClient) -> None:
    client = make()
    client.simulator.create_bucket("bucket")

    def block(size: int, data: bytes) -> str:
        return str(post(client, f"/mkblk/{size}", data).json["ctx"])

    def file(size: int, *contexts: str) -> Answer:
        return post(client, f"/mkfile/{size}/key/{encoded('a')}", ",".join(contexts).encode())

    full, last, half = block(4 * MIB, bytes(4 * MIB)), block(3, b"end"), block(4, b"123")
    assert file(3, half).status == 400
    assert file(4 * MIB + 3, last, full).status == 400
    assert client.stat("bucket", "a").status == 612
    assert file(4 * MIB + 3, full, last).status == 200
    assert client.get("bucket", "a").body == bytes(4 * MIB) + b"end"


@pytest.mark.parametrize("target", ["/", "/mkblk/4", "/bput/ctx/0", "/mkfile/0/key/YQ==", "part"])
def test_data_says_how_long_it_is(small: Client, target: str) -> None:
    method, chunked = "POST", {"Transfer-Encoding": "chunked"}
    if target == "part":
        upload, _ = begun(small)
        method, target = "PUT", f"/buckets/bucket/objects/{encoded('a')}/uploads/{upload}/1"

    def send(**headers: str) -> int:
        connection = http.client.HTTPConnection(small.simulator.upload_host, timeout=20)
        connection.putrequest(method, target)
        token = small.token("bucket", "a")
        for name, value in {"Authorization": f"UpToken {token}", **headers}.items():
            connection.putheader(name, value)
        connection.endheaders(b"0\r\n\r\n" if headers == chunked else None)
        try:
            return connection.getresponse().status
        finally:
            connection.close()

    assert send() == 411
    assert send(**chunked) not in (411, 500)
    assert send(**{"Content-Length": "0"}) not in (411, 500)
