"""OpenStack Swift's answers: authentication of version 1, its native API with JSON listings, /info.

Fields of heads, listings and /info are those of a Swift 2.38.3, with which they were compared.
"""

from __future__ import annotations

import hashlib
import json

from benchmarks.workload import BUCKET, LARGE, LARGE_SIZE, LISTED, LISTED_KEYS, SMALL_SIZE, content

from .base import MODIFIED, Answers, Large, answer, head, md5_of, range_of, split
from .kept import Kept, KeptContainer

__all__ = ["SwiftAnswers"]

TRANSACTION = "tx0123456789abcdef01234-0069573a55"
COMMON = (f"X-Trans-Id: {TRANSACTION}", f"X-Openstack-Request-Id: {TRANSACTION}")
TIMESTAMP = "X-Timestamp: 1767323045.00000"
JSON = "Content-Type: application/json; charset=utf-8"
HTML = "Content-Type: text/html; charset=UTF-8"

AUTH_PATH = b"/auth/v1.0"
ACCOUNT = "/v1/AUTH_bench"
SEGMENTS = f"{ACCOUNT}/{BUCKET}_segments".encode()
BULK_DELETE = f"{ACCOUNT}?bulk-delete".encode()
LARGE_KEY = LARGE.encode()

INFO = {
    "swift": {
        "version": "2.38.3",
        "max_file_size": 5368709122,
        "max_object_name_length": 1024,
        "max_container_name_length": 256,
        "max_meta_count": 90,
        "max_meta_name_length": 128,
        "max_meta_value_length": 256,
        "max_meta_overall_size": 4096,
        "max_header_size": 8192,
        "container_listing_limit": 10000,
        "account_listing_limit": 10000,
        "strict_cors_mode": True,
        "allow_account_management": False,
        "policies": [{"name": "Policy-0", "aliases": "Policy-0", "default": True}],
    },
    "slo": {
        "max_manifest_segments": 1000,
        "max_manifest_size": 8388608,
        "min_segment_size": 1,
        "yield_frequency": 10,
        "allow_async_delete": True,
    },
    "bulk_delete": {"max_deletes_per_request": 10000, "max_failed_deletes": 1000},
    "tempurl": {
        "methods": ["GET", "HEAD", "PUT", "POST", "DELETE"],
        "allowed_digests": ["sha1", "sha256", "sha512"],
        "incoming_allow_headers": [],
        "incoming_remove_headers": ["x-timestamp", "x-open-expired"],
        "outgoing_allow_headers": ["x-object-meta-public-*"],
        "outgoing_remove_headers": ["x-object-meta-*"],
    },
    "formpost": {"allowed_digests": ["sha1", "sha256", "sha512"]},
    "staticweb": {},
    "tempauth": {"account_acls": True},
}


class SwiftAnswers(Answers):
    """One container is the benchmark's. Beside it is one for segments, which remembers what was written
    there; a look at the container itself finds none, as beside a container without large objects."""

    kept = (SEGMENTS, BULK_DELETE)

    def __init__(self, url: str) -> None:
        self.segments = KeptContainer()
        small = content(SMALL_SIZE)
        self.small_head = object_head("200 OK", SMALL_SIZE, md5_of(SMALL_SIZE))
        self.small = self.small_head + small
        self.large_head = object_head("200 OK", LARGE_SIZE, md5_of(LARGE_SIZE))
        self.large = Large(self.large_head)
        self.written: dict[int | None, bytes] = {}
        self.token = head(
            "200 OK",
            0,
            HTML,
            f"X-Storage-Url: {url}{ACCOUNT}",
            "X-Auth-Token: AUTH_tk0123456789abcdef0123456789abcdef",
            "X-Storage-Token: AUTH_tk0123456789abcdef0123456789abcdef",
            "X-Auth-Token-Expires: 86399",
            *COMMON,
        )
        self.info = answer("200 OK", json.dumps(INFO), "Content-Type: application/json; charset=UTF-8")
        self.page = listing(page())
        self.no_page = listing([])
        self.container = head(
            "204 No Content",
            0,
            "Content-Type: text/plain; charset=utf-8",
            f"X-Container-Object-Count: {LISTED_KEYS}",
            f"X-Container-Bytes-Used: {LISTED_KEYS * SMALL_SIZE}",
            TIMESTAMP,
            f"Last-Modified: {MODIFIED}",
            "Accept-Ranges: bytes",
            "X-Storage-Policy: Policy-0",
            "Vary: Accept",
            *COMMON,
        )
        self.missing = head("404 Not Found", 0, HTML, *COMMON)
        self.done = head("204 No Content", 0, HTML, *COMMON)
        self.created = head("201 Created", 0, HTML, *COMMON)
        self.accepted = head("202 Accepted", 0, HTML, *COMMON)
        self.joined = head("201 Created", 0, HTML, 'Etag: "0123456789abcdef0123456789abcdef"', *COMMON)

    def get(self, target: bytes, request: bytes) -> bytes | Large:
        path, query = split(target)
        if path.startswith(SEGMENTS):
            return self._segment(path, query)
        key = key_of(path)
        if not key:
            return self._without_key(path, query)
        if key != LARGE_KEY:
            return self.small
        region = range_of(request)
        return self.large if region is None else Large(part_head(*region), *region)

    def _without_key(self, path: bytes, query: bytes) -> bytes:
        if path == AUTH_PATH:
            return self.token
        if path == b"/info":
            return self.info
        has_marker = any(
            name.startswith(b"marker=") and name != b"marker=" for name in query.split(b"&")
        )
        return self.no_page if has_marker else self.page

    def _segment(self, path: bytes, query: bytes) -> bytes:
        if not (name := key_of(path)):
            return listing(self.segments.rows(query))
        found = self.segments.get(name)
        return self.missing if found is None else kept_head("200 OK", found, found.size) + found.body

    def head(self, target: bytes) -> bytes:
        if target.startswith(SEGMENTS):
            return self.missing
        key = key_of(split(target)[0])
        if not key:
            return self.container
        return self.large_head if key == LARGE_KEY else self.small_head

    def delete(self, target: bytes) -> bytes:
        if target.startswith(SEGMENTS):
            self.segments.delete(key_of(split(target)[0]))
        return self.done

    def keep(self, method: bytes, target: bytes, request: bytes, size: int, body: bytes) -> bytes:
        if method == b"POST" and target.startswith(BULK_DELETE):
            return self._delete_all(body)
        name = key_of(split(target)[0])
        if method != b"PUT" or not name:
            return self.write(method, target, size)
        return kept_head("201 Created", self.segments.put(name, request, size, body), 0)

    def write(self, method: bytes, target: bytes, size: int | None) -> bytes:
        path, query = split(target)
        if method != b"PUT":
            return self.accepted
        if not key_of(path):
            return self.created
        if b"multipart-manifest=put" in query:
            return self.joined
        made = self.written.get(size)
        if made is None:
            made = self.written[size] = written(size)
        return made

    def _delete_all(self, body: bytes) -> bytes:
        """Of the bulk middleware: a line of the body for each object."""
        paths = body.split()
        for path in paths:
            self.segments.delete(path.lstrip(b"/").partition(b"/")[2])
        said = {
            "Number Deleted": len(paths),
            "Number Not Found": 0,
            "Errors": [],
            "Response Status": "200 OK",
            "Response Body": "",
        }
        return answer("200 OK", json.dumps(said), "Content-Type: application/json", *COMMON)


def key_of(path: bytes) -> bytes:
    """What follows account and container."""
    return path.split(b"/", 4)[4] if path.count(b"/") >= 4 else b""


def object_head(status: str, length: int, etag: str, *fields: str) -> bytes:
    return head(
        status,
        length,
        "Content-Type: application/octet-stream",
        f"Etag: {etag}",
        f"Last-Modified: {MODIFIED}",
        TIMESTAMP,
        "Accept-Ranges: bytes",
        *COMMON,
        *fields,
    )


def kept_head(status: str, found: Kept, length: int) -> bytes:
    return head(
        status,
        length,
        f"Content-Type: {found.content_type}",
        f"Etag: {found.etag}",
        f"Last-Modified: {MODIFIED}",
        TIMESTAMP,
        *COMMON,
    )


def part_head(start: int, end: int) -> bytes:
    content_range = f"Content-Range: bytes {start}-{end - 1}/{LARGE_SIZE}"
    return object_head("206 Partial Content", end - start, md5_of(LARGE_SIZE), content_range)


def written(size: int | None) -> bytes:
    """Without the size, the ETag is that of the small object."""
    etag = md5_of(SMALL_SIZE if size is None else size)
    return head("201 Created", 0, HTML, f"Etag: {etag}", f"Last-Modified: {MODIFIED}", *COMMON)


def listing(rows: list[dict[str, object]]) -> bytes:
    return answer(
        "200 OK",
        json.dumps(rows),
        JSON,
        f"X-Container-Object-Count: {LISTED_KEYS}",
        f"X-Container-Bytes-Used: {LISTED_KEYS * SMALL_SIZE}",
        TIMESTAMP,
        f"Last-Modified: {MODIFIED}",
        "Accept-Ranges: bytes",
        "X-Storage-Policy: Policy-0",
        *COMMON,
    )


def page() -> list[dict[str, object]]:
    return [
        {
            "bytes": SMALL_SIZE,
            "hash": hashlib.md5(str(number).encode()).hexdigest(),
            "name": f"{LISTED}{number:05}",
            "content_type": "application/octet-stream",
            "last_modified": "2026-01-02T03:04:05.123450",
        }
        for number in range(LISTED_KEYS)
    ]
