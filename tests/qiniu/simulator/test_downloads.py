"""The download domains and the CDN before them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from email.utils import formatdate

import pytest

from cloudstore.testing.qiniu import QiniuLimits, QiniuQuirks, QiniuSimulator

from .client import Answer, Client, entry
from .conftest import MakeClient

DATA = bytes(range(100))
DAY = 86400


@pytest.fixture
def held(shared: Client, bucket: str) -> str:
    assert shared.put(bucket, "a/b.txt", DATA, **{"x-qn-meta-m": "1"}).status == 200
    return bucket


def test_an_answer(shared: Client, held: str) -> None:
    about = shared.stat(held, "a/b.txt").json
    for method, body in (("GET", DATA), ("HEAD", b"")):
        answer = shared.fetch(method, held, "a/b.txt")
        assert (answer.status, answer.body) == (200, body)
        headers = answer.headers
        assert headers["Content-Length"] == "100"
        assert headers["Content-Type"] == "text/plain"
        assert headers["ETag"] == f'"{about["hash"]}"'
        assert headers["Last-Modified"] == formatdate(about["putTime"] // 10_000_000, usegmt=True)
        assert headers["Accept-Ranges"] == "bytes"
        assert headers["X-Qn-Meta-m"] == "1"
        assert "inline" in headers["Content-Disposition"]


def test_every_answer_has_its_number(shared: Client, held: str) -> None:
    answers = [
        shared.get(held, "a/b.txt"),
        shared.get(held, "none"),
        shared.stat(held, "none"),
        shared.put(held, "c"),
        shared.send(shared.simulator.upload_host, "GET", "/"),
    ]
    too_long = {"Content-Length": str(10**12)}
    answers.append(shared.send(shared.simulator.upload_host, "POST", "/", headers=too_long))
    assert answers[-1].status == 413
    assert answers[-1].error
    numbers = {answer.headers["X-Reqid"] for answer in answers}
    assert len(numbers) == 6
    assert all(answer.headers["X-Log"] for answer in answers)


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=10-19", 10, 20),
        ("bytes=90-", 90, 100),
        ("bytes=90-1000", 90, 100),
        ("bytes=-10", 90, 100),
        ("bytes=-1000", 0, 100),
    ],
)
def test_ranges(shared: Client, held: str, asked: str, start: int, end: int) -> None:
    answer = shared.get(held, "a/b.txt", Range=asked)
    assert (answer.status, answer.body) == (206, DATA[start:end])
    assert answer.headers["Content-Range"] == f"bytes {start}-{end - 1}/100"
    assert shared.fetch("HEAD", held, "a/b.txt", Range=asked).status == 206


@pytest.mark.parametrize("asked", ["bytes=5-1", "bytes=x", "chars=0-1", "bytes=0-1,3-4", "bytes=-"])
def test_ranges_that_are_none(shared: Client, held: str, asked: str) -> None:
    answer = shared.get(held, "a/b.txt", Range=asked)
    assert (answer.status, answer.body) == (200, DATA)


@pytest.mark.parametrize("asked", ["bytes=100-", "bytes=1000-2000", "bytes=-0"])
def test_ranges_that_nothing_can_satisfy(shared: Client, held: str, asked: str) -> None:
    answer = shared.get(held, "a/b.txt", Range=asked)
    assert (answer.status, answer.error) == (416, "Requested Range Not Satisfiable")
    assert answer.headers["Content-Range"] == "bytes */100"


def test_ranges_cross_parts(make: MakeClient) -> None:
    client = make(limits=QiniuLimits(min_part=1))
    client.simulator.create_bucket("bucket")
    upload = client.parts("POST", "bucket", "a").json["uploadId"]
    parts = []
    for at in range(1, 11):
        piece = DATA[at * 10 - 10 : at * 10]
        etag = client.parts("PUT", "bucket", "a", f"/{upload}/{at}", piece).json["etag"]
        parts.append({"partNumber": at, "etag": etag})
    body = json.dumps({"parts": parts}).encode()
    assert client.parts("POST", "bucket", "a", f"/{upload}", body).status == 200
    for start, end in ((0, 100), (5, 6), (9, 11), (15, 85), (99, 100)):
        asked = f"bytes={start}-{end - 1}"
        assert client.get("bucket", "a", Range=asked).body == DATA[start:end]


def test_conditions(shared: Client, held: str) -> None:
    etag = shared.get(held, "a/b.txt").headers["ETag"]
    put = shared.stat(held, "a/b.txt").json["putTime"] // 10_000_000
    earlier, later = formatdate(put - 60, usegmt=True), formatdate(put + 60, usegmt=True)

    def status(**headers: str) -> int:
        return shared.get(held, "a/b.txt", **headers).status

    assert status(If_None_Match=etag) == 304
    assert status(If_None_Match=f'"x", W/{etag}') == 304
    assert status(If_None_Match="*") == 304
    assert status(If_None_Match='"x"') == 200
    assert status(If_None_Match='"x"', If_Modified_Since=later) == 200
    assert status(If_Modified_Since=later) == 304
    assert status(If_Modified_Since=earlier) == 200
    assert status(If_Modified_Since="whenever") == 200
    assert status(If_Match=etag) == 200
    assert status(If_Match='"x"') == 412
    assert status(If_Unmodified_Since=earlier) == 412
    assert status(If_Unmodified_Since=later) == 200
    assert status(Range="bytes=0-1", If_Range=etag) == 206
    assert status(Range="bytes=0-1", If_Range='"x"') == 200


def test_tags_of_conditions_are_quoted_and_compared_as_rfc_9110_says(shared: Client, held: str) -> None:
    etag = shared.get(held, "a/b.txt").headers["ETag"]

    def status(**headers: str) -> int:
        return shared.get(held, "a/b.txt", **headers).status

    assert status(If_Match=etag.strip('"')) == 412
    assert status(If_Match=f"W/{etag}") == 412
    assert status(If_Match=f'"x", {etag}') == 200
    assert status(If_Match="*") == 200
    assert status(If_None_Match=etag.strip('"')) == 200
    for wrong in (etag.strip('"'), f"W/{etag}", "*"):
        assert status(Range="bytes=0-1", If_Range=wrong) == 200


def test_names_of_downloads(shared: Client, held: str) -> None:
    answer = shared.get(held, "a/b.txt", "?attname=%C3%BC.txt")
    assert answer.headers["Content-Disposition"].startswith("attachment;")
    assert "filename*=utf-8''%C3%BC.txt" in answer.headers["Content-Disposition"]


def test_headers_are_overridden_in_signed_urls_only(shared: Client, held: str) -> None:
    query = "?response-content-type=a%2Fb&response-cache-control=no-store"
    assert shared.get(held, "a/b.txt", query).headers["Content-Type"] == "text/plain"
    signed = shared.private(held, "a/b.txt", query)
    domain = shared.simulator.domain(held)
    headers = shared.send(domain, "GET", signed).headers
    assert (headers["Content-Type"], headers["Cache-Control"]) == ("a/b", "no-store")
    tampered = shared.send(domain, "GET", signed.replace("token=", "token=x"))
    assert (tampered.status, tampered.headers["Content-Type"]) == (200, "text/plain")
    smuggled = shared.private(held, "a/b.txt", "?response-content-type=a%0D%0AX-Evil:1")
    assert shared.send(domain, "GET", smuggled).status == 400
    part = shared.send(domain, "GET", signed, headers={"Range": "bytes=0-1"})
    assert (part.status, part.headers["Content-Type"]) == (206, "text/plain")


def test_what_is_not_there(shared: Client, held: str) -> None:
    answer = shared.get(held, "none")
    assert (answer.status, answer.error) == (404, "Document not found")
    assert shared.fetch("HEAD", held, "none").status == 404
    domain = shared.simulator.domain(held)
    assert shared.send(domain, "GET", "/%ff").status == 400
    assert shared.send(domain, "POST", "/a", b"data").status == 405


def test_a_page_for_what_is_not_there(shared: Client, held: str) -> None:
    shared.put(held, "errno-404", b"nothing here")
    answer = shared.get(held, "none")
    assert (answer.status, answer.body) == (404, b"nothing here")
    assert shared.get(held, "a/b.txt").status == 200


def test_a_bucket_has_more_domains(make: MakeClient) -> None:
    client = make()
    simulator = client.simulator
    for name in ("one", "two"):
        simulator.create_bucket(name)
        client.put(name, "a", name.encode())
    simulator.bind_domain("two", "cdn.example.org")
    host = {"Host": "cdn.example.org"}
    assert client.send(simulator.domain("one"), "GET", "/a", headers=host).body == b"two"
    assert client.send(simulator.domain("one"), "GET", "/a").body == b"one"
    assert client.manage("/v2/domains?tbl=two").json == [simulator.domain("two"), "cdn.example.org"]


# --- the CDN ---


def cached(make: MakeClient, ignores_query: bool = False, **limits: int) -> Client:
    quirks = QiniuQuirks(cdn_seconds=60, cdn_ignores_query=ignores_query)
    client = make(quirks=quirks, limits=QiniuLimits(**limits))
    client.simulator.create_bucket("bucket")
    return client


def url(client: Client, key: str) -> str:
    return f"http://{client.simulator.domain('bucket')}/{key}"


def tune(client: Client, verb: str, urls: Sequence[str] = (), dirs: Sequence[str] = ()) -> Answer:
    body = json.dumps({"urls": list(urls), "dirs": list(dirs)}).encode()
    return client.manage(f"/v2/tune/{verb}", body, kind="application/json")


def test_what_was_overwritten_stays_until_it_is_refreshed(make: MakeClient) -> None:
    client = cached(make)
    for key in ("a", "b/1", "b/2"):
        client.put("bucket", key, b"old")
        assert client.get("bucket", key).headers["X-Qnm-Cache"] == "Miss"
        client.put("bucket", key, b"new")
        again = client.get("bucket", key)
        assert (again.body, again.headers["X-Qnm-Cache"]) == (b"old", "Hit")
    assert client.stat("bucket", "a").json["hash"] not in client.get("bucket", "a").headers["ETag"]
    assert tune(client, "refresh", [url(client, "a")]).json["urlSurplusDay"] == 499
    assert client.get("bucket", "a").body == b"new"
    assert client.get("bucket", "b/1").body == b"old"
    assert tune(client, "refresh", dirs=[url(client, "b/")]).json["dirSurplusDay"] == 9
    assert client.get("bucket", "b/1").body == client.get("bucket", "b/2").body == b"new"


def test_what_was_deleted_stays_until_the_cache_lapses(make: MakeClient) -> None:
    client = cached(make)
    client.put("bucket", "a", b"old")
    client.get("bucket", "a")
    client.manage(f"/delete/{entry('bucket', 'a')}")
    assert client.get("bucket", "a").body == b"old"
    client.simulator.clock.advance(60)
    assert client.get("bucket", "a").status == 404
    client.put("bucket", "a", b"new")
    assert client.get("bucket", "a").body == b"new"


def test_a_new_bucket_has_no_cache_of_an_old_one(make: MakeClient) -> None:
    client = cached(make)
    client.put("bucket", "a", b"old")
    client.get("bucket", "a")
    client.manage(f"/delete/{entry('bucket', 'a')}")
    client.simulator.drop_bucket("bucket")
    client.simulator.create_bucket("bucket")
    assert client.get("bucket", "a").status == 404


@pytest.mark.parametrize("ignores_query", [False, True])
def test_addresses_with_queries(make: MakeClient, ignores_query: bool) -> None:
    client = cached(make, ignores_query)
    client.put("bucket", "a", b"old")
    client.get("bucket", "a")
    client.get("bucket", "a", "?v=1")
    client.put("bucket", "a", b"new")
    assert tune(client, "refresh", [url(client, "a?v=1")]).status == 200
    assert client.get("bucket", "a").body == (b"new" if ignores_query else b"old")
    assert client.get("bucket", "a", "?v=1").body == b"new"
    assert tune(client, "refresh", [url(client, "a")]).status == 200
    assert client.get("bucket", "a").body == b"new"


def test_prefetching_fills_the_cache(make: MakeClient) -> None:
    client = cached(make)
    client.put("bucket", "a", b"old")
    urls = [url(client, "a"), url(client, "none")]
    assert tune(client, "prefetch", urls).json["surplusDay"] == 98
    assert client.get("bucket", "a").headers["X-Qnm-Cache"] == "Hit"


def test_quotas(make: MakeClient) -> None:
    client = cached(make, refresh_urls_a_day=3, refresh_dirs_a_day=1, prefetch_urls_a_day=2)
    urls = [url(client, "a"), url(client, "b")]
    folder = [url(client, "c/")]
    assert tune(client, "refresh", urls, folder).status == 200
    refused = tune(client, "refresh", urls)
    assert (refused.status, refused.json["code"]) == (400, 400034)
    assert tune(client, "refresh", dirs=folder).json["code"] == 400035
    assert tune(client, "prefetch", urls).status == 200
    assert tune(client, "prefetch", urls[:1]).json["code"] == 400033
    # What is refused takes nothing from the other quota.
    assert tune(client, "refresh", urls[:1], folder).json["code"] == 400035
    assert tune(client, "refresh", urls[:1]).json["urlSurplusDay"] == 0
    client.simulator.clock.advance(DAY)
    assert tune(client, "refresh", urls, folder).json["urlSurplusDay"] == 1


def test_requests_to_the_cdn_are_checked(make: MakeClient) -> None:
    client = cached(make)
    assert tune(client, "refresh").json["code"] == 400031
    assert tune(client, "prefetch").json["code"] == 400031
    assert tune(client, "refresh", [url(client, "a")] * 21).status == 400
    assert tune(client, "prefetch", [url(client, "a")] * 21).status == 400
    for wrong in ("http://example.org/a", "a", f"ftp{url(client, 'a')[4:]}"):
        refused = tune(client, "refresh", [wrong])
        assert (refused.json["code"], refused.json["invalidUrls"]) == (400032, [wrong])
    assert tune(client, "refresh", dirs=[url(client, "a")]).json["code"] == 400032
    assert tune(client, "burn", [url(client, "a")]).status == 404
    assert client.manage("/v2/tune/refresh", b"{", kind="application/json").status == 400


# --- ports ---


def test_ports_can_be_chosen() -> None:
    with QiniuSimulator() as first:
        port, upload_port = first.port, first.upload_port
        with pytest.raises(OSError, match="in use"):
            QiniuSimulator(port=port)
        with pytest.raises(OSError, match="in use"):
            QiniuSimulator(upload_port=upload_port)
        with pytest.raises(OSError, match="in use"):
            first.create_bucket("bucket", port=port)
        first.create_bucket("bucket")
    with QiniuSimulator(port=port, upload_port=upload_port) as second:
        assert second.api_url == f"http://127.0.0.1:{port}"
        assert second.secret_key not in repr(second)
