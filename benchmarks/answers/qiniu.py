"""Qiniu Kodo's answers. One server is every host of theirs: uc, up, rs, rsf and the download domain.

Paths and fields are those that the SDK (`qiniu`) asks for and reads, and of
https://developer.qiniu.com/kodo. What has none of those paths is an object of the download domain. No
account was at hand: its heads have about as many fields as a CDN sends, and were compared with none.
"""

from __future__ import annotations

import base64
import hashlib
import json
from urllib.parse import urlsplit

from benchmarks.workload import (
    BUCKET,
    LARGE,
    LARGE_SIZE,
    LISTED,
    LISTED_KEYS,
    SMALL,
    SMALL_SIZE,
    content,
)

from .base import MODIFIED, Answers, Large, answer, head, md5_of, range_of, sha1_of, split

__all__ = ["QiniuAnswers"]

COMMON = ("Server: openresty", "X-Reqid: 0123456789abcdef", "X-Log: X-Log")
LARGE_KEY = LARGE.encode()
HASH_BLOCK = 4 * 1024 * 1024
PUT_TIME = 17673230450000000
"""In units of 100 ns."""


class QiniuAnswers(Answers):
    def __init__(self, url: str) -> None:
        small = content(SMALL_SIZE)
        self.small_head = object_head("200 OK", SMALL_SIZE)
        self.small = self.small_head + small
        self.large_head = object_head("200 OK", LARGE_SIZE)
        self.large = Large(self.large_head)
        self.parts: dict[int | None, bytes] = {}
        self.stat = json_answer(
            {
                "fsize": SMALL_SIZE,
                "hash": hash_of(SMALL_SIZE),
                "md5": md5_of(SMALL_SIZE),
                "mimeType": "application/octet-stream",
                "putTime": PUT_TIME,
                "type": 0,
                "status": 0,
            }
        )
        self.stored = json_answer({"hash": hash_of(SMALL_SIZE), "key": SMALL})
        self.completed = json_answer({"hash": hash_of(LARGE_SIZE), "key": LARGE})
        self.upload = json_answer({"uploadId": "0123456789abcdef01234567", "expireAt": 4102444800})
        self.done = json_answer({})
        self.page = json_answer({"items": page()})
        self.answers = {
            b"/v2/query": json_answer(legacy_hosts(url)),
            b"/v4/query": json_answer(hosts(url)),
            b"/v2/domains": json_answer([urlsplit(url).netloc]),
            b"/v3/domains": json_answer([{"domain": urlsplit(url).netloc, "tbl": BUCKET}]),
            b"/v2/bucketInfo": json_answer({"region": "z0", "private": 1, "source": ""}),
            b"/buckets": json_answer([BUCKET]),
            b"/list": self.page,
        }

    def get(self, target: bytes, request: bytes) -> bytes | Large:
        path, _ = split(target)
        if path == b"/" + LARGE_KEY:
            region = range_of(request)
            return self.large if region is None else Large(part_head(*region), *region)
        return self._administrative(path) or self.small

    def _administrative(self, path: bytes) -> bytes | None:
        return self.stat if path.startswith(b"/stat/") else self.answers.get(path)

    def head(self, target: bytes) -> bytes:
        return self.large_head if split(target)[0] == b"/" + LARGE_KEY else self.small_head

    def delete(self, target: bytes) -> bytes:
        return self.done

    def write(self, method: bytes, target: bytes, size: int | None) -> bytes:
        path, _ = split(target)
        if path == b"/":
            return self.stored
        if method == b"PUT":
            made = self.parts.get(size)
            if made is None:
                made = self.parts[size] = part(SMALL_SIZE if size is None else size)
            return made
        if b"/uploads" in path:
            return self.upload if path.endswith(b"/uploads") else self.completed
        return self._administrative(path) or self.done


def json_answer(body: object) -> bytes:
    return answer("200 OK", json.dumps(body), "Content-Type: application/json", *COMMON)


def object_head(status: str, length: int, *fields: str) -> bytes:
    etag = hash_of(LARGE_SIZE if length != SMALL_SIZE else SMALL_SIZE)
    return head(
        status,
        length,
        "Content-Type: application/octet-stream",
        f'ETag: "{etag}"',
        f"Last-Modified: {MODIFIED}",
        "Accept-Ranges: bytes",
        "Access-Control-Allow-Origin: *",
        "Access-Control-Max-Age: 2592000",
        "Cache-Control: public, max-age=31536000",
        "Content-Transfer-Encoding: binary",
        "X-Qnm-Cache: Hit",
        "X-M-Log: QNM:xs1;QNM3",
        "X-M-Reqid: 0123456789abcdef",
        *COMMON,
        *fields,
    )


def part_head(start: int, end: int) -> bytes:
    content_range = f"Content-Range: bytes {start}-{end - 1}/{LARGE_SIZE}"
    return object_head("206 Partial Content", end - start, content_range)


def part(size: int) -> bytes:
    return json_answer({"etag": hash_of(size), "md5": md5_of(size)})


def hash_of(size: int) -> str:
    """Their ETag: 0x16 and the SHA-1 of up to 4 MiB, else 0x96 and the SHA-1 of the blocks' SHA-1s.

    Source: qiniu.utils.etag_stream.
    """
    blocks = [sha1_of(HASH_BLOCK)] * (size // HASH_BLOCK)
    if size % HASH_BLOCK or not blocks:
        blocks.append(sha1_of(size % HASH_BLOCK))
    if len(blocks) == 1:
        return base64.urlsafe_b64encode(b"\x16" + blocks[0]).decode()
    return base64.urlsafe_b64encode(b"\x96" + hashlib.sha1(b"".join(blocks)).digest()).decode()


def hosts(url: str) -> object:
    """Of a bucket, as version 4 of the query tells them."""
    host = {"domains": [urlsplit(url).netloc]}
    services = dict.fromkeys(("up", "io", "io_src", "rs", "rsf", "uc", "api"), host)
    return {"hosts": [{"region": "z0", "ttl": 86400, **services, "s3": {"region_alias": "cn-east-1"}}]}


def legacy_hosts(url: str) -> object:
    """The same of version 2."""
    host = urlsplit(url).netloc
    return {
        "ttl": 86400,
        "io": {"src": {"main": [host]}},
        "up": {"acc": {"main": [host]}, "src": {"main": [host]}},
        "rs": {"acc": {"main": [host]}},
        "rsf": {"acc": {"main": [host]}},
        "uc": {"acc": {"main": [host]}},
    }


def page() -> list[dict[str, object]]:
    return [
        {
            "key": f"{LISTED}{number:05}",
            "hash": hash_of(SMALL_SIZE),
            "fsize": SMALL_SIZE,
            "mimeType": "application/octet-stream",
            "putTime": PUT_TIME + number,
            "type": 0,
            "status": 0,
            "md5": hashlib.md5(str(number).encode()).hexdigest(),
        }
        for number in range(LISTED_KEYS)
    ]
