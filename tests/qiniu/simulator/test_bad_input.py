"""Whatever comes, signed or not, is answered, and never by the simulator's own failure."""

from __future__ import annotations

import json
import logging
import random
from collections import Counter
from typing import Any

import pytest

from cloudstore.testing.qiniu import QiniuLimits

from .client import FORM, Answer, Client, encoded, entry
from .conftest import MakeClient

ROUNDS = 250
"""Of each kind, for a seed."""
VERBS = [
    "stat",
    "delete",
    "copy",
    "move",
    "chgm",
    "chtype",
    "chstatus",
    "deleteAfterDays",
    "lifecycle",
    "restoreAr",
    "batch",
    "list",
    "private",
    "v2",
    "v3",
    "v4",
    "v6",
    "mkbucketv3",
    "drop",
    "buckets",
    "fetch",
]
WORDS = [
    *[
        "a",
        "~",
        "-1",
        "0",
        "1",
        "7",
        "99999999999999999999",
        "%C3%BC",
        "%ff",
        "%00",
        "..",
        "YQ==",
        "=",
        "true",
        "mime",
        "cond",
        "status",
        "type",
    ],
    *["force", "x-qn-meta-a", "freezeAfterDays", "toIAAfterDays", "deleteAfterDays"],
    "",
    entry("bucket", "a"),
    entry("none", "a"),
    entry("bucket", "k" * 800),
    encoded("bucket"),
    encoded("hash=x"),
    encoded("\0"),
]
PATHS = [
    "/list",
    "/private",
    "/v2/domains",
    "/v2/bucketInfo",
    "/v3/buckets",
    "/v6/count",
    "/v4/query",
    "/v2/tune/refresh",
    "/v2/tune/prefetch",
    "/batch",
]
QUERIES = [
    "",
    "bucket=bucket",
    "tbl=bucket",
    "bucket=bucket&private=%ff",
    "bucket=bucket&prefix=%ff&delimiter=%00",
    "bucket=bucket&limit=99999999999999999999",
    f"bucket=bucket&marker={encoded(json.dumps({'c': 0, 'k': 5}))}",
    f"bucket=bucket&marker={encoded(json.dumps({'c': [], 'k': chr(0xD800)}))}",
    "g=day&begin=20200101000000&end=99999999999999",
]
BODIES = [
    b"",
    b"{",
    b"[]",
    b"null",
    b'{"urls":5}',
    b'{"urls":[5]}',
    b'{"dirs":{"a":1}}',
    b'{"urls":["http://[::1"]}',
    b'{"urls":["\\ud800"]}',
    b"op=",
    b"op=/",
    b"op=stat&op=%ff",
]
VALUES: list[Any] = [
    *(None, True, -1, 0, 1.5, 10**30, "", "a", "\n", "\ud800", "$(key)", [], {}, [1], {"a": 1}, [None]),
    [{"partNumber": 1, "etag": "x"}],
    [{"partNumber": "1", "etag": 1}],
]
POLICY = [
    "insertOnly",
    "forceInsertOnly",
    "isPrefixalScope",
    "fsizeMin",
    "fsizeLimit",
    "mimeLimit",
    "detectMime",
    "saveKey",
    "scope",
    "forceSaveKey",
    "returnBody",
    "returnUrl",
    "callbackUrl",
    "callbackBody",
    "callbackHost",
    "callbackBodyType",
    "endUser",
    "deleteAfterDays",
    "fileType",
    "keylimit",
    "deadline",
]
DATES = ["Thu", "Mon, 99 Foo 0000 00:00:00 GMT", "Thu, 01 Jan 99999 00:00:00 GMT"]
HEADERS = ["Range", "If-Match", "If-None-Match", "If-Modified-Since", "If-Range"]


class Chaos:
    def __init__(self, client: Client, seed: int) -> None:
        self.client = client
        self.random = random.Random(seed)

    def manage(self) -> Answer:
        pick = self.random.choice
        words = [pick(VERBS), *(pick(WORDS) for _ in range(self.random.randrange(6)))]
        target = (
            f"{pick(PATHS)}?{pick(QUERIES)}" if self.random.random() < 0.5 else "/" + "/".join(words)
        )
        kind = pick([FORM, "application/json", "text/plain"])
        return self.client.manage(target, pick(BODIES), pick(["GET", "POST", "POST", "PUT"]), kind)

    def form(self) -> Answer:
        pick = self.random.choice
        policy = {name: pick(VALUES) for name in self.random.sample(POLICY, self.random.randrange(4))}
        fields = {"token": self.client.token("bucket", pick([None, "a", ""]), **policy)}
        if pick([True, False]):
            fields["key"] = pick(["a", "", "ü", "$(key)", "k" * 800])
        if pick([True, False]):
            name = pick(["crc32", "x:a", "x-qn-meta-a", "fileName", "cacheControl", "accept"])
            fields[name] = pick(["1", "", "ü", "-1", "\n"])
        return self.client.post(fields, pick([b"", b"x"]), pick(["f", "a.b"]), pick(["", "a/b", "%"]))

    def parts(self) -> Answer:
        pick, parts = self.random.choice, self.client.parts
        upload = parts("POST", "bucket", "a").json["uploadId"]
        etag = parts("PUT", "bucket", "a", f"/{upload}/1", b"data").json["etag"]
        said: dict[str, Any] = {"parts": pick([[{"partNumber": 1, "etag": etag}], pick(VALUES)])}
        for name in ("fname", "mimeType", "metadata", "customVars", "cacheControl"):
            if pick([True, False, False]):
                said[name] = pick(VALUES)
        body = pick([json.dumps(said), json.dumps(said), json.dumps(pick(VALUES)), "{"]).encode()
        rest = pick(
            [f"/{upload}", f"/{upload}", f"/{upload}/{pick(['1', '0', 'x', ''])}", "/x", "/a/b/c"]
        )
        return parts(pick(["POST", "POST", "GET", "PUT", "DELETE"]), "bucket", "a", rest, body)

    def blocks(self) -> Answer:
        pick = self.random.choice
        words = [pick(["mkblk", "bput", "mkfile", "other"]), pick(WORDS), pick(WORDS), pick(WORDS)]
        target = "/" + "/".join(words[: self.random.randrange(1, 5)])
        headers = {"Authorization": f"UpToken {self.client.token('bucket', pick([None, 'a']))}"}
        host = self.client.simulator.upload_host
        return self.client.send(host, "POST", target, pick([b"", b"a", b"\xff"]), headers)

    def download(self) -> Answer:
        pick = self.random.choice
        target = pick(["/a", "/", "/%ff", "/%", "/a?attname=%ff", "/a?e=1&token=x", "/a?&token="])
        value = pick(["", "*", "bytes=", "bytes=-", "bytes=0-0", '"', *DATES])
        host = self.client.simulator.domain("bucket")
        return self.client.send(host, pick(["GET", "HEAD"]), target, headers={pick(HEADERS): value})


@pytest.mark.parametrize("kind", ["manage", "form", "parts", "blocks", "download"])
@pytest.mark.parametrize("seed", [1, 2])
def test_everything_is_answered(
    make: MakeClient, kind: str, seed: int, caplog: pytest.LogCaptureFixture
) -> None:
    client = make(limits=QiniuLimits(min_part=1, buckets=1000))
    chaos = Chaos(client, seed)
    seen: Counter[int] = Counter()
    with caplog.at_level(logging.ERROR):
        for _ in range(ROUNDS):
            if not any(bucket.name == "bucket" for bucket in client.simulator.storage.buckets()):
                client.simulator.create_bucket("bucket")
                client.put("bucket", "a")
            seen[getattr(chaos, kind)().status] += 1
    assert not caplog.records
    assert seen[500] == 0
    assert len(seen) > 2
