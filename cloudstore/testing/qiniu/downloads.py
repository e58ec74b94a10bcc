"""The download domains: GET and HEAD of objects, private URLs, and the CDN's cache before them."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from email.utils import formatdate, parsedate_to_datetime
from types import MappingProxyType
from urllib.parse import quote, unquote

from ..loopback import Request, Response
from .answers import failed, fields
from .settings import QiniuClock, QiniuError, QiniuQuirks, invalid
from .signatures import Signatures
from .storage import DISABLED, TICKS, Bucket, Storage, StoredObject

__all__ = ["Downloads"]

RANGE = re.compile(r"bytes=(?:(\d{1,18})-(\d{0,18})|-(\d{1,18}))", re.ASCII)
TAG = re.compile(r'(?:W/)?"[^"]*"')
"""An entity tag (RFC 9110 §8.8.3)."""
CACHED = "public, max-age=31536000"
"""What Qiniu says of every object, unless the bucket says otherwise."""
MISSING_PAGE = "errno-404"
RESPONSE = MappingProxyType(
    {
        f"response-{name.lower()}": name
        for name in (
            "Content-Type",
            "Cache-Control",
            "Content-Disposition",
            "Content-Encoding",
            "Content-Language",
            "Expires",
        )
    }
)
"""Parameters of a signed URL, and what they set in an answer of 200 (kodo/1659)."""


class Downloads:
    """Answers what comes to a download domain."""

    def __init__(
        self, storage: Storage, signatures: Signatures, quirks: QiniuQuirks, clock: QiniuClock
    ) -> None:
        self._storage = storage
        self._signatures = signatures
        self._quirks = quirks
        self._clock = clock
        self._guard = threading.Lock()
        self._cached: dict[tuple[str, str, str], tuple[float, StoredObject]] = {}

    def answer(self, bucket: Bucket, request: Request) -> Response:
        """Raises `QiniuError`."""
        if request.method not in ("GET", "HEAD"):
            raise QiniuError(405, "method not allowed")
        is_signed = self._is_signed(bucket, request)
        try:
            key = unquote(request.path[1:], errors="strict")
        except UnicodeDecodeError:
            raise QiniuError(400, "the path is not UTF-8") from None
        try:
            held, was_cached = self._look(bucket.name, key, request.query)
        except QiniuError as exc:
            return self._missing(bucket.name, exc)
        if held.status == DISABLED:
            raise QiniuError(403, "the object is disabled")
        if held.is_frozen(self._clock.now()):
            raise QiniuError(403, "the object is archived and not restored")
        # What comes behind a token is ignored (kodo/1202).
        query = fields(request.query.partition("&token=")[0])
        if not all(value.isprintable() for value in query.values()):
            raise invalid("query")
        headers = _headers(held, key, query)
        headers["X-Qnm-Cache"] = "Hit" if was_cached else "Miss"
        response = _conditional(held, request.headers, headers)
        if response.status == 200 and is_signed:
            headers |= {RESPONSE[name]: query[name] for name in RESPONSE if name in query}
        return response

    def _is_signed(self, bucket: Bucket, request: Request) -> bool:
        """A private bucket insists on it; in another a token may be there, and right."""
        if bucket.private:
            self._signatures.check_download(request)
            return True
        if "&token=" not in request.query:
            return False
        try:
            self._signatures.check_download(request)
        except QiniuError:
            return False
        return True

    def _missing(self, bucket: str, error: QiniuError) -> Response:
        """A bucket may have a page of its own for what is not there (kodo/1659)."""
        try:
            page = self._storage.find(bucket, MISSING_PAGE)
        except QiniuError:
            raise error from None
        return Response(error.status, {"Content-Type": page.mime}, page.content.pieces)

    # --- the cache ---

    def _place(self, bucket: str, key: str, query: str) -> tuple[str, str, str]:
        return bucket, key, "" if self._quirks.cdn_ignores_query else query

    def _look(self, bucket: str, key: str, query: str) -> tuple[StoredObject, bool]:
        if self._quirks.cdn_seconds is None:
            return self._find(bucket, key), False
        with self._guard:
            until, cached = self._cached.get(self._place(bucket, key, query), (0.0, None))
        if cached is not None and self._clock.now() < until:
            return cached, True
        return self.fill(bucket, key, query), False

    def fill(self, bucket: str, key: str, query: str) -> StoredObject:
        """Fetches an object into the cache; what is not there is not cached."""
        found = self._find(bucket, key)
        if self._quirks.cdn_seconds is not None:
            until = self._clock.now() + self._quirks.cdn_seconds
            with self._guard:
                self._cached[self._place(bucket, key, query)] = (until, found)
        return found

    def drop(self, bucket: str, key: str, query: str, *, with_all_under: bool = False) -> None:
        """Forgets an object, or all whose keys begin so."""
        with self._guard:
            if not with_all_under:
                self._cached.pop(self._place(bucket, key, query), None)
                return
            for place in [p for p in self._cached if p[0] == bucket and p[1].startswith(key)]:
                del self._cached[place]

    def _find(self, bucket: str, key: str) -> StoredObject:
        try:
            return self._storage.find(bucket, key)
        except QiniuError as exc:
            raise QiniuError(404, "Document not found") from exc


def _headers(held: StoredObject, key: str, query: Mapping[str, str]) -> dict[str, str]:
    name = quote(query.get("attname") or key.rpartition("/")[2])
    kind = "attachment" if "attname" in query else "inline"
    disposition = f"{kind}; filename=\"{name}\"; filename*=utf-8''{name}"
    return {
        "Content-Type": held.mime,
        "ETag": f'"{held.content.hash}"',
        "Last-Modified": formatdate(held.put_time // TICKS, usegmt=True),
        "Accept-Ranges": "bytes",
        "Cache-Control": CACHED,
        "Content-Disposition": disposition,
        "Content-Transfer-Encoding": "binary",
        "Access-Control-Allow-Origin": "*",
        **held.headers,
        **({"Content-Disposition": disposition} if "attname" in query else {}),
        **{f"X-Qn-Meta-{name}": value for name, value in held.metadata.items()},
    }


def _conditional(held: StoredObject, asked: Mapping[str, str], headers: dict[str, str]) -> Response:
    """RFC 9110 §13.2.2, then the range."""
    etag = headers["ETag"]
    modified = held.put_time // TICKS
    if "if-match" in asked:
        if not _names(asked["if-match"], etag, strongly=True):
            raise QiniuError(412, "Precondition Failed")
    elif (since := _seconds(asked.get("if-unmodified-since"))) is not None and modified > since:
        raise QiniuError(412, "Precondition Failed")
    if "if-none-match" in asked:
        if _names(asked["if-none-match"], etag, strongly=False):
            return Response(304, headers)
    elif (since := _seconds(asked.get("if-modified-since"))) is not None and modified <= since:
        return Response(304, headers)
    # If-Range has one tag, which must be strong; a date may always be taken for an old one (§13.1.5).
    wanted = asked.get("range") if asked.get("if-range", etag) == etag else None
    return _ranged(held, wanted, headers)


def _ranged(held: StoredObject, wanted: str | None, headers: dict[str, str]) -> Response:
    size = held.content.size
    match = RANGE.fullmatch(wanted or "")
    if match is None or (match[2] and int(match[2]) < int(match[1])):
        return Response(200, headers, held.content.pieces)
    if match[3]:
        start, end = max(0, size - int(match[3])), size
    else:
        start, end = int(match[1]), min(size, int(match[2]) + 1 if match[2] else size)
    if start >= end:
        refused = failed(QiniuError(416, "Requested Range Not Satisfiable"))
        refused.headers = {**refused.headers, "Content-Range": f"bytes */{size}"}
        return refused
    headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    return Response(206, headers, held.content.slices(start, end))


def _names(header: str, etag: str, *, strongly: bool) -> bool:
    """Whether a condition names an ETag, by the comparison of RFC 9110 §8.8.3.2; ``*`` names any."""
    found = TAG.findall(header)
    return header == "*" or etag in (found if strongly else [tag.removeprefix("W/") for tag in found])


def _seconds(date: str | None) -> float | None:
    """A date that cannot be read is as if it were not there."""
    try:
        return None if date is None else parsedate_to_datetime(date).timestamp()
    except ValueError:
        return None
