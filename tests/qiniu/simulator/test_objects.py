"""The management port: buckets, operations on objects, batches, listings with their quirks."""

from __future__ import annotations

import json
import sys
from base64 import urlsafe_b64encode
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from urllib.parse import quote

import pytest

from cloudstore.testing.qiniu import QiniuError, QiniuLimits, QiniuQuirks

from .client import FORM, Client, encoded, entry
from .conftest import MakeClient

DAY = 86400
KEYS = ["A", "a/1", "a/2", "a/3", "a0", "b", "c/1", "c/2/3", "é", "é/1", "\U0001f511"]


# --- buckets ---


@pytest.mark.parametrize("name", ["ab", "a" * 64, "Upper", "under_score", "-a1", "a1-", "a.b", "ü-ü"])
def test_names_of_buckets_are_checked(shared: Client, name: str) -> None:
    answer = shared.manage(f"/mkbucketv3/{quote(name)}")
    assert (answer.status, answer.error) == (400, "invalid arguments")


def test_there_are_so_many_buckets(make: MakeClient) -> None:
    client = make()
    found = [client.manage(f"/mkbucketv3/bucket-{at}").status for at in range(21)]
    assert found == [200] * 20 + [630]


def test_buckets_come_and_go(make: MakeClient) -> None:
    client = make()
    assert client.manage("/mkbucketv3/one/region/z2").status == 200
    assert client.manage("/mkbucketv3/one").status == 614
    [domain] = client.manage("/v2/domains?tbl=one", method="GET").json
    assert domain == client.simulator.domain("one")
    assert client.put("one", "a").status == 200
    refused = client.manage("/drop/one")
    assert (refused.status, refused.json["error_code"]) == (403, "BucketNotEmpty")
    assert client.manage(f"/delete/{entry('one', 'a')}").status == 200
    assert client.manage("/drop/one").status == 200
    assert client.manage("/drop/one").status == 631
    with pytest.raises(ConnectionRefusedError):
        Client(client.simulator).send(domain, "GET", "/a")
    with pytest.raises(QiniuError, match="631"):
        client.simulator.domain("one")
    assert client.manage("/buckets").json == []


def test_a_bucket_with_an_unfinished_upload_can_go(make: MakeClient) -> None:
    client = make(limits=QiniuLimits(stored_bytes=10))
    client.simulator.create_bucket("one")
    upload = client.parts("POST", "one", "a").json["uploadId"]
    assert client.parts("PUT", "one", "a", f"/{upload}/1", b"1234567890").status == 200
    assert client.manage("/drop/one").status == 200
    client.simulator.create_bucket("one")
    assert client.put("one", "a", b"1234567890").status == 200


def test_a_bucket_that_comes_while_it_goes_has_its_domain(make: MakeClient) -> None:
    client = make()

    def come() -> str:
        while True:
            with suppress(QiniuError):  # it is there still
                return client.simulator.create_bucket("one")

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(1) as pool:
            client.simulator.create_bucket("one")
            for _ in range(60):
                for number in range(2000):  # to go takes time
                    client.simulator.bind_domain("one", f"{number}.example.org")
                coming = pool.submit(come)
                assert client.manage("/drop/one").status == 200
                domain = coming.result()
                assert client.manage("/v2/domains?tbl=one").json == [domain]
                assert client.get("one", "a").status == 404
    finally:
        sys.setswitchinterval(interval)


@pytest.mark.parametrize("target", ["/mkbucketv3/two", "/drop/one", "/private?bucket=one&private=1"])
def test_buckets_are_changed_by_post_alone(make: MakeClient, target: str) -> None:
    client = make()
    client.simulator.create_bucket("one")
    assert client.manage(target, method="GET").status == 405
    assert [bucket["tbl"] for bucket in client.manage("/v3/buckets").json] == ["one"]
    assert client.manage("/v2/bucketInfo?bucket=one").json["private"] == 0
    assert client.manage(target).status == 200


@pytest.mark.parametrize("place", ["query", "form"])
def test_privacy(make: MakeClient, place: str) -> None:
    client = make()
    client.simulator.create_bucket("one")

    def switch(value: str) -> int:
        fields = f"bucket=one&private={value}"
        if place == "query":
            return client.manage(f"/private?{fields}").status
        return client.manage("/private", fields.encode()).status

    for value in ("1", "0"):
        assert switch(value) == 200
        info = client.manage("/v2/bucketInfo?bucket=one").json
        assert info["private"] == int(value)
    assert switch("2") == 400


def test_regions(make: MakeClient) -> None:
    client = make(region="z1")
    simulator = client.simulator
    simulator.create_bucket("one")
    simulator.create_bucket("two", region="as0")
    query = f"/v4/query?ak={simulator.access_key}&bucket="
    [host] = client.send(simulator.api_host, "GET", f"{query}two").json["hosts"]
    assert host["region"] == "as0"
    assert host["up"]["domains"] == [simulator.upload_host]
    assert host["rs"]["domains"] == [simulator.api_host]
    assert client.send(simulator.api_host, "GET", f"{query}none").status == 631
    assert client.send(simulator.api_host, "GET", "/v4/query?ak=x&bucket=one").status == 401
    assert [one["tbl"] for one in client.manage("/v3/buckets?region=z1").json] == ["one"]
    assert client.put("one", "a").status == 200
    across = f"/copy/{entry('one', 'a')}/{entry('two', 'a')}"
    assert client.manage(across).status == 400


def test_statistics(make: MakeClient) -> None:
    client = make()
    for name in ("one", "two"):
        client.simulator.create_bucket(name)
        client.put(name, "a", b"1234")
    client.put("one", "b", b"12")
    assert client.manage(f"/chtype/{entry('one', 'b')}/type/1").status == 200

    def figures(what: str, begin: str = "20200101000000", rest: str = "") -> list[int]:
        query = f"?begin={begin}&end=22000101000000&g=day{rest}"
        answer = client.manage(f"/v6/{what}{query}", method="GET").json
        assert [at % DAY for at in answer["times"]] == [16 * 3600] * len(answer["datas"])
        return [int(figure) for figure in answer["datas"]]

    assert (figures("count"), figures("space")) == ([2], [8])
    assert (figures("count_line"), figures("space_line")) == ([1], [2])
    assert figures("count", rest="&bucket=one") == [1]
    assert figures("count", begin="21990101000000") == []
    for wrong in ("begin=x&end=22000101000000&g=day", "begin=20200101000000&end=22000101000000&g=x"):
        assert client.manage(f"/v6/count?{wrong}", method="GET").status == 400
    missing = "?begin=20200101000000&end=22000101000000&g=day&bucket=none"
    assert client.manage(f"/v6/count{missing}", method="GET").status == 631


# --- objects ---


def test_what_is_not_there(shared: Client, bucket: str) -> None:
    missing = entry(bucket, "none")
    for path in (
        f"/stat/{missing}",
        f"/delete/{missing}",
        f"/copy/{missing}/{entry(bucket, 'a')}",
        f"/move/{missing}/{entry(bucket, 'a')}",
        f"/chgm/{missing}/mime/{encoded('a/b')}",
        f"/chtype/{missing}/type/1",
        f"/chstatus/{missing}/status/1",
        f"/deleteAfterDays/{missing}/1",
        f"/lifecycle/{missing}/toIAAfterDays/1",
        f"/restoreAr/{missing}/freezeAfterDays/1",
    ):
        answer = shared.manage(path)
        assert (answer.status, answer.error) == (612, "no such file or directory")
        nowhere = path.replace(missing, entry("no-such-bucket", "a"))
        answer = shared.manage(nowhere)
        assert (answer.status, answer.error) == (631, "no such bucket")


@pytest.mark.parametrize(
    "path",
    [
        "/stat/!",
        f"/stat/{encoded('bucket-without-key')}",
        f"/stat/{urlsafe_b64encode(bytes([255])).decode()}",
        "/copy/{0}/{0}/force/maybe",
        "/chtype/{0}/type/9",
        "/chtype/{0}/type/x",
        "/chstatus/{0}/status/2",
        "/chgm/{0}/colour/red",
        "/chgm/{0}/mime",
        "/lifecycle/{0}/never/1",
        "/restoreAr/{0}/freezeAfterDays/8",
        "/restoreAr/{0}/freezeAfterDays/1",
        "/mkbucketv3/a/b/c/d",
        "/list?bucket=none&limit=0",
        "/list?bucket=none&limit=1001",
        "/list?bucket=none&limit=x",
        "/batch",
    ],
)
def test_arguments_are_checked(shared: Client, bucket: str, path: str) -> None:
    assert shared.put(bucket, "a").status == 200
    assert shared.manage(path.format(entry(bucket, "a"))).status == 400


def test_methods_are_checked(shared: Client, bucket: str) -> None:
    assert shared.put(bucket, "a").status == 200
    assert shared.manage(f"/delete/{entry(bucket, 'a')}", method="GET").status == 405
    assert shared.manage(f"/stat/{entry(bucket, 'a')}", method="DELETE").status == 405
    assert shared.manage("/unknown/path").status == 404
    assert shared.stat(bucket, "a").status == 200


def test_copies(shared: Client, bucket: str) -> None:
    shared.put(bucket, "a", b"1", **{"x-qn-meta-m": "1"})
    shared.put(bucket, "b", b"2")
    first = shared.stat(bucket, "a").json
    there = f"/copy/{entry(bucket, 'a')}/{entry(bucket, 'c')}"
    assert shared.manage(there).status == 200
    copy = shared.stat(bucket, "c").json
    assert copy["putTime"] > first["putTime"]
    same = ("hash", "fsize", "mimeType", "x-qn-meta", "md5")
    assert [copy[name] for name in same] == [first[name] for name in same]
    for rest, status in (("", 614), ("/force/false", 614), ("/force/true", 200)):
        over = f"/copy/{entry(bucket, 'a')}/{entry(bucket, 'b')}{rest}"
        assert shared.manage(over).status == status
    assert shared.get(bucket, "b").body == b"1"
    assert shared.manage(f"/copy/{entry(bucket, 'a')}/{entry(bucket, 'k' * 751)}").status == 400
    onto = f"/copy/{entry(bucket, 'a')}/{entry(bucket, 'a')}/force/true"
    assert shared.manage(onto).status == 200


def test_moves(shared: Client, bucket: str) -> None:
    shared.put(bucket, "a", b"1")
    shared.put(bucket, "b", b"2")
    first = shared.stat(bucket, "a").json
    onto = f"/move/{entry(bucket, 'a')}/{entry(bucket, 'b')}"
    assert shared.manage(onto).status == 614
    assert shared.manage(f"{onto}/force/true").status == 200
    assert shared.stat(bucket, "a").status == 612
    assert shared.stat(bucket, "b").json == first
    itself = f"/move/{entry(bucket, 'b')}/{entry(bucket, 'b')}/force/true"
    assert shared.manage(itself).status == 200
    assert shared.get(bucket, "b").body == b"1"


def test_metadata_is_changed_by_name(shared: Client, bucket: str) -> None:
    shared.put(bucket, "a", b"1", **{"x-qn-meta-m": "1", "x-qn-meta-n": "2"})
    first = shared.stat(bucket, "a").json
    change = f"/chgm/{entry(bucket, 'a')}"
    mime = f"/mime/{encoded('text/x-own; charset=utf-8')}"
    assert shared.manage(f"{change}{mime}/x-qn-meta-m/{encoded('3')}").status == 200
    found = shared.stat(bucket, "a").json
    assert found["mimeType"] == "text/x-own; charset=utf-8"
    assert found["x-qn-meta"] == {"m": "3", "n": "2"}
    assert found["putTime"] == first["putTime"]
    assert found["lastModify"] > first["lastModify"]
    for wrong in (f"/mime/{encoded('a%0Ab')}", f"/mime/{encoded('m' * 201)}"):
        assert shared.manage(change + wrong).status == 400
    assert shared.manage(f"{change}/x-qn-meta-m/{encoded('v' * 1024)}").status == 400
    assert shared.stat(bucket, "a").json == found


def test_headers_of_downloads_are_changed_by_name(shared: Client, bucket: str) -> None:
    shared.put(bucket, "a", b"1", cacheControl="no-cache", contentLanguage="de")
    change = f"/chgm/{entry(bucket, 'a')}"
    given = {"cacheControl": "no-store", "contentDisposition": "inline", "contentEncoding": "x-own"}
    path = "".join(f"/{name}/{encoded(value)}" for name, value in given.items())
    assert shared.manage(f"{change}{path}/x-qn-meta-m/{encoded('1')}").status == 200
    assert shared.manage(f"/copy/{entry(bucket, 'a')}/{entry(bucket, 'b')}").status == 200
    for key in ("a", "b"):
        found = shared.get(bucket, key).headers
        assert (found["Cache-Control"], found["Content-Disposition"]) == ("no-store", "inline")
        assert (found["Content-Encoding"], found["Content-Language"]) == ("x-own", "de")
        assert found["X-Qn-Meta-m"] == "1"
        assert not given.keys() & shared.stat(bucket, key).json.keys()
    for wrong in ("", "a\r\nX-Evil: 1"):
        assert shared.manage(f"{change}/cacheControl/{encoded(wrong)}").status == 400
    assert shared.get(bucket, "a").headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("name", ["hash", "mime", "fsize", "putTime"])
def test_metadata_is_changed_on_conditions(shared: Client, bucket: str, name: str) -> None:
    shared.put(bucket, "a", b"data")
    about = shared.stat(bucket, "a").json
    right = str({**about, "mime": about["mimeType"]}[name])
    change = f"/chgm/{entry(bucket, 'a')}/mime/{encoded('a/b')}/cond/"
    assert shared.manage(change + encoded(f"fsize=4&{name}={right}0")).status == 608
    assert shared.stat(bucket, "a").json == about
    assert shared.manage(change + encoded("colour=red")).status == 400
    assert shared.manage(change + encoded(f"fsize=4&{name}={right}")).status == 200
    assert shared.stat(bucket, "a").json["mimeType"] == "a/b"


def test_disabled_objects(shared: Client, bucket: str) -> None:
    shared.put(bucket, "a")
    change = f"/chstatus/{entry(bucket, 'a')}/status"
    assert shared.manage(f"{change}/0").status == 400
    assert shared.manage(f"{change}/1/cond/{encoded('fsize=9')}").status == 608
    assert shared.manage(f"{change}/1").status == 200
    assert shared.stat(bucket, "a").json["status"] == 1
    assert shared.get(bucket, "a").status == 403
    assert shared.manage(f"{change}/0").status == 200
    assert "status" not in shared.stat(bucket, "a").json
    assert shared.get(bucket, "a").status == 200


def test_archived_objects(make: MakeClient) -> None:
    client = make(quirks=QiniuQuirks(restore_seconds=60))
    clock = client.simulator.clock
    client.simulator.create_bucket("bucket")
    client.put("bucket", "a")
    at = entry("bucket", "a")
    assert client.manage(f"/chtype/{at}/type/0").status == 400
    assert client.manage(f"/chtype/{at}/type/2").status == 200
    assert client.get("bucket", "a").status == 403
    assert client.manage(f"/chgm/{at}/mime/{encoded('a/b')}").status == 403
    assert client.manage(f"/chtype/{at}/type/0").status == 403
    assert client.manage(f"/restoreAr/{at}/freezeAfterDays/2").status == 200
    assert client.stat("bucket", "a").json["restoreStatus"] == 1
    assert client.get("bucket", "a").status == 403
    clock.advance(61)
    assert client.stat("bucket", "a").json["restoreStatus"] == 2
    assert client.get("bucket", "a").status == 200
    assert client.manage(f"/restoreAr/{at}/freezeAfterDays/2").status == 400
    clock.advance(2 * DAY)
    assert client.get("bucket", "a").status == 403
    assert client.manage(f"/restoreAr/{at}/freezeAfterDays/1").status == 200
    clock.advance(61)
    assert client.manage(f"/chtype/{at}/type/0").status == 200
    assert client.get("bucket", "a").status == 200


def test_objects_expire(make: MakeClient) -> None:
    client = make()
    client.simulator.create_bucket("bucket")
    for key, days in {"a": 1, "b": 3, "c": 1, "d": 0}.items():
        client.put("bucket", key)
        path = f"/deleteAfterDays/{entry('bucket', key)}/{days}"
        assert client.manage(path).status == 200
    assert client.manage(f"/deleteAfterDays/{entry('bucket', 'c')}/0").status == 200
    assert "expiration" not in client.stat("bucket", "c").json
    client.simulator.clock.advance(2 * DAY)
    assert [item["key"] for item in client.list("bucket").json["items"]] == ["b", "c", "d"]
    assert client.get("bucket", "a").status == 404
    client.simulator.clock.advance(2 * DAY)
    assert client.stat("bucket", "b").status == 612
    assert client.stat("bucket", "c").status == 200


def test_lifecycles(shared: Client, bucket: str) -> None:
    shared.put(bucket, "a")
    change = f"/lifecycle/{entry(bucket, 'a')}"
    assert shared.manage(f"{change}/toIAAfterDays/1/deleteAfterDays/9").status == 200
    found = shared.stat(bucket, "a").json
    assert found["expiration"] - found["transitionToIA"] == 8 * DAY
    assert shared.manage(f"{change}/toIAAfterDays/-1/deleteAfterDays/0").status == 200
    found = shared.stat(bucket, "a").json
    assert "transitionToIA" not in found
    assert "expiration" in found
    assert shared.manage(f"{change}/deleteAfterDays/-1").status == 200
    assert "expiration" not in shared.stat(bucket, "a").json


# --- batches ---


def test_a_batch_that_fails_in_part(shared: Client, bucket: str) -> None:
    shared.put(bucket, "a")
    answer = shared.batch(
        f"/stat/{entry(bucket, 'a')}",
        f"copy/{entry(bucket, 'a')}/{entry(bucket, 'b')}",
        f"copy/{entry(bucket, 'a')}/{entry(bucket, 'b')}",
        f"delete/{entry(bucket, 'none')}",
        f"delete/{entry('no-such-bucket', 'a')}",
        "fly/away",
    )
    assert answer.status == 298
    assert [one["code"] for one in answer.json] == [200, 200, 614, 612, 631, 404]
    assert answer.json[0]["data"] == shared.stat(bucket, "a").json
    assert answer.json[1] == {"code": 200}
    assert answer.json[3]["data"]["error"] == "no such file or directory"


def test_a_batch_that_goes_well(shared: Client, bucket: str) -> None:
    shared.put(bucket, "a")
    assert shared.batch(f"delete/{entry(bucket, 'a')}").status == 200


def test_a_batch_says_that_it_is_a_form(shared: Client, bucket: str) -> None:
    shared.put(bucket, "a")
    body = f"op={quote('delete/' + entry(bucket, 'a'))}".encode()
    for kind in ("text/plain", "application/json", "multipart/form-data; boundary=b"):
        assert shared.manage("/batch", body, kind=kind).status == 400
    assert shared.stat(bucket, "a").status == 200
    assert shared.manage("/batch", body, kind=f"{FORM}; charset=utf-8").status == 200
    assert shared.stat(bucket, "a").status == 612


def test_a_batch_has_its_limit(shared: Client, bucket: str) -> None:
    operation = f"delete/{entry(bucket, 'a')}"
    answer = shared.batch(*[operation] * 1000)
    assert (answer.status, len(answer.json)) == (298, 1000)
    assert shared.batch(*[operation] * 1001).status == 400


def test_a_batch_is_a_form(shared: Client, bucket: str) -> None:
    assert shared.manage("/batch", b"op=", kind=FORM).status == 400


# --- listings ---


@pytest.fixture
def full(make: MakeClient) -> Client:
    client = make()
    fill(client)
    return client


def fill(client: Client) -> None:
    client.simulator.create_bucket("bucket")
    for key in reversed(KEYS):
        assert client.put("bucket", key).status == 200


def walked(client: Client, **query: object) -> tuple[list[str], list[str], int]:
    """Keys, common prefixes, and how many pages they took."""
    keys: list[str] = []
    prefixes: list[str] = []
    pages = 0
    while True:
        page = client.list("bucket", **query).json
        pages += 1
        keys += [item["key"] for item in page["items"]]
        prefixes += page.get("commonPrefixes", [])
        if not page.get("marker"):
            return keys, prefixes, pages
        query["marker"] = page["marker"]


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 11, 1000])
def test_keys_are_listed_by_their_bytes(full: Client, limit: int) -> None:
    assert sorted(KEYS, key=str.encode) == KEYS
    assert walked(full, limit=limit) == (KEYS, [], -(-len(KEYS) // limit))


def test_what_a_listing_says(full: Client) -> None:
    [item] = full.list("bucket", prefix="b").json["items"]
    about = full.stat("bucket", "b").json
    assert item == {"key": "b"} | {name: value for name, value in about.items() if name != "md5"}
    assert full.list("no-such-bucket").status == 631


@pytest.mark.parametrize(
    ("prefix", "keys", "prefixes"),
    [
        ("", ["A", "a0", "b", "é", "\U0001f511"], ["a/", "c/", "é/"]),
        ("a", ["a0"], ["a/"]),
        ("a/", ["a/1", "a/2", "a/3"], []),
        ("c/", ["c/1"], ["c/2/"]),
        ("x", [], []),
    ],
)
def test_common_prefixes(full: Client, prefix: str, keys: list[str], prefixes: list[str]) -> None:
    assert walked(full, prefix=prefix, delimiter="/") == (keys, prefixes, 1)


def test_a_prefix_may_come_on_two_pages(full: Client) -> None:
    page = full.list("bucket", delimiter="/", limit=2).json
    assert [item["key"] for item in page["items"]] == ["A"]
    assert page["commonPrefixes"] == ["a/"]
    page = full.list("bucket", delimiter="/", limit=2, marker=page["marker"]).json
    assert (page["items"], page["commonPrefixes"]) == ([], ["a/"])


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8])
def test_prefixes_come_once_where_that_is_switched_off(make: MakeClient, limit: int) -> None:
    client = make(quirks=QiniuQuirks(repeated_prefixes=False))
    fill(client)
    keys, prefixes, pages = walked(client, delimiter="/", limit=limit)
    assert keys == ["A", "a0", "b", "é", "\U0001f511"]
    assert prefixes == ["a/", "c/", "é/"]
    assert pages == -(-8 // limit)


@pytest.mark.parametrize("marker", ["x", "é", encoded("{}"), encoded("[]"), encoded("no json")])
def test_markers_are_the_servers_own(full: Client, marker: str) -> None:
    assert full.list("bucket", marker=marker).status == 640


def test_a_marker_is_json_in_base64(full: Client) -> None:
    marker = encoded(json.dumps({"c": 0, "k": "b"}))
    assert walked(full, marker=marker)[0] == KEYS[KEYS.index("b") + 1 :]


def test_pages_may_be_empty(make: MakeClient) -> None:
    client = make(quirks=QiniuQuirks(empty_pages=0.5, seed=7))
    fill(client)
    keys, _, pages = walked(client, limit=2)
    assert keys == KEYS
    assert pages > -(-len(KEYS) // 2)
    always = make(quirks=QiniuQuirks(empty_pages=1.0))
    fill(always)
    first = always.list("bucket").json
    assert first["items"] == []
    assert first["marker"]
    assert walked(always, limit=2) == (KEYS, [], 12)


def test_listings_may_be_late(make: MakeClient) -> None:
    client = make(quirks=QiniuQuirks(list_lag=100.0, seed=1))
    clock = client.simulator.clock
    fill(client)
    early = walked(client)[0]
    assert set(early) < set(KEYS)
    clock.advance(100)
    assert walked(client)[0] == KEYS
    client.manage(f"/delete/{entry('bucket', 'b')}")
    client.put("bucket", "A", b"new")
    assert client.stat("bucket", "b").status == 612
    page = client.list("bucket").json["items"]
    assert [item["key"] for item in page] == KEYS
    assert page[0]["hash"] != client.stat("bucket", "A").json["hash"]
    clock.advance(100)
    page = client.list("bucket").json["items"]
    assert "b" not in [item["key"] for item in page]
    assert page[0]["hash"] == client.stat("bucket", "A").json["hash"]


def test_what_is_late_repeats_with_its_seed(make: MakeClient) -> None:
    def shown(seed: int) -> list[str]:
        client = make(quirks=QiniuQuirks(list_lag=100.0, seed=seed))
        fill(client)
        client.simulator.clock.advance(50)
        return walked(client)[0]

    assert shown(1) == shown(1) != shown(2)


def test_what_is_late_is_late_each_time(make: MakeClient) -> None:
    client = make(quirks=QiniuQuirks(list_lag=100.0, seed=1))
    client.simulator.create_bucket("bucket")
    client.put("bucket", "a")
    client.simulator.clock.advance(100)  # long known, though nobody has listed
    client.manage(f"/delete/{entry('bucket', 'a')}")
    assert [item["key"] for item in client.list("bucket").json["items"]] == ["a"]
    client.simulator.clock.advance(100)
    assert client.list("bucket").json["items"] == []


def test_base64_is_url_safe(shared: Client, bucket: str) -> None:
    assert shared.put(bucket, "a>>>").status == 200
    right = entry(bucket, "a>>>")
    usual = right.replace("-", "+")
    assert shared.manage(f"/stat/{right}", method="GET").status == 200
    for wrong in (
        usual,
        f"!!{right}",
        f"{right[:5]}*{right[5:]}",
        f"{right}a",
        f"{right[:8]}={right[8:]}",
    ):
        assert shared.manage(f"/stat/{wrong}", method="GET").status == 400
    assert usual != right


def test_metadata_that_two_change_at_a_time_keeps_both(make: MakeClient) -> None:
    client = make()
    client.simulator.create_bucket("bucket")
    client.put("bucket", "a")
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for n in range(60):
            at = entry("bucket", "a")
            paths = [f"/chgm/{at}/x-qn-meta-{side}{n}/{encoded('1')}" for side in "ab"]

            def change(path: str) -> int:
                own = Client(client.simulator)
                try:
                    return own.manage(path).status
                finally:
                    own.close()

            with ThreadPoolExecutor(2) as pool:
                assert list(pool.map(change, paths)) == [200, 200]
            kept = client.stat("bucket", "a").json["x-qn-meta"]
            assert {f"a{n}", f"b{n}"} <= set(kept)
    finally:
        sys.setswitchinterval(interval)
