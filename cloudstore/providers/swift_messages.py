"""What Swift's requests hold, and what its successes say. Pure: values in, values out.

Source: https://docs.openstack.org/api-ref/object-store/.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

from ..bodies import BytesBody, BytesPayload
from ..driver import GetResult, Response
from ..errors import InvalidArgumentError, TooLargeError, UnexpectedResponseError, UnsupportedError
from ..listing import page_token, token_position
from ..model import (
    AccountInfo,
    BucketInfo,
    ByteRange,
    CopyOptions,
    ListOptions,
    ObjectInfo,
    Page,
    PresignOptions,
    PutOptions,
    PutResult,
)
from ..wire.dates import http_time, iso_time
from ..wire.objects import described, etag_of, read_conditions
from ..wire.ranges import answered_range, range_header, stated_length

__all__ = [
    "ACCOUNT_META",
    "BUCKET_META",
    "MetadataLimits",
    "account_info",
    "acl_headers",
    "bucket_info",
    "bucket_infos",
    "canned_acl",
    "copy_source",
    "deletion_body",
    "etag_of",
    "head_headers",
    "is_manifest",
    "is_unlistable",
    "kept_headers",
    "list_query",
    "metadata_headers",
    "object_info",
    "opened",
    "page_of",
    "path_of",
    "peek_options",
    "put_result",
    "query_of",
    "range_header",
    "read_conditions",
    "segment_readers",
    "shared_metadata_headers",
    "stated_length",
    "temp_url_query",
    "website_headers",
    "written_at",
]

META = "x-object-meta-"
BUCKET_META = "x-container-meta-"
ACCOUNT_META = "x-account-meta-"
PUBLIC_READ = ".r:*,.rlistings"
"""Anybody may read objects, and list them."""
NOT_FOUND_PAGE = "404"
"""What the staticweb middleware puts before the configured name of the page for missing objects."""
HIDDEN = frozenset(
    {
        "temp-url-key",
        "temp-url-key-2",
        "web-index",
        "web-error",
        "web-listings",
        "web-listings-css",
        "web-listings-label",
        "web-directory-type",
        "quota-bytes",
        "quota-count",
        "access-control-allow-origin",
        "access-control-max-age",
        "access-control-expose-headers",
    }
)
"""Names under which Swift keeps secrets and settings among the metadata of accounts and containers."""
LAST_CODE_POINT = "\U0010ffff"
"""Swift looks for a prefix up to the next one, which this has not (503)."""
EMPTY = "=?UTF-8?Q??="
"""In the place of an empty value, by which Swift means "remove this": RFC 2047's word for nothing."""

_COUNT = re.compile(r"[0-9]{1,19}\Z")
_MD5 = re.compile(r"[0-9a-f]{32}\Z")
_PLAIN = re.compile(r"(?! )[ -$&-~]+(?<! )\Z")
"""Printable ASCII that no server trims, without ``%``; and not empty."""
_PLAIN_PATH = re.compile(r"[A-Za-z0-9_.~/-]*\Z")
_MORE = re.compile(r"cslong([1-9][0-9]?)-(.+)\Z")
_DISPOSITION = re.compile(r'(inline|attachment)(?:; *filename="([^"\\]*)")?\Z')
_KEPT = (
    "content-type",
    "content-encoding",
    "content-disposition",
    "content-language",
    "cache-control",
    "expires",
    "x-delete-at",
    "x-object-manifest",
    "x-robots-tag",
)
"""What a POST takes away unless it says it again: ``allowed_headers`` of object-server.conf."""

_SECOND = timedelta(seconds=1)
_PUBLIC = frozenset(PUBLIC_READ.split(","))

Query = Sequence[tuple[str, str]]


class MetadataLimits(NamedTuple):
    """What Swift takes, in bytes of headers and in number (swift.conf, constraints)."""

    name: int = 128
    value: int = 256
    names: int = 90
    overall: int = 4096


# --- requests -------------------------------------------------------------------------------------


def path_of(bucket: str, key: str = "") -> str:
    """A container, or an object, as it stands behind the storage URL."""
    name = quote(bucket, safe="-_.~")
    if not key:
        return f"/{name}"
    return f"/{name}/{key if _PLAIN_PATH.match(key) else quote(key, safe='/-_.~')}"


def query_of(pairs: Query) -> str:
    """A query as it is sent."""
    return "&".join(f"{name}={quote(value, safe='-_.~')}" if value else name for name, value in pairs)


def encode_text(text: str, *, spaces: bool = True) -> str:
    """Text as it can stand in a header, percent-encoded, which swiftclient decodes as well.

    Args:
        spaces: whether they may stay.
    """
    if not text:
        return EMPTY
    if text == EMPTY:
        return "%3D" + text[1:]
    if _PLAIN.match(text) and (spaces or " " not in text):
        return text
    safe = "".join(map(chr, range(0x21, 0x7F))).replace("%", "")
    encoded = quote(text, safe=safe + " " * spaces)
    stripped = encoded.strip(" ")
    if stripped == encoded:
        return encoded
    left = len(encoded) - len(encoded.lstrip(" "))
    right = len(encoded) - len(encoded.rstrip(" ")) if stripped else 0
    return "%20" * left + stripped + "%20" * right


def decode_text(value: str) -> str:
    """What `encode_text` was given, of a header's value as the wire has decoded it.

    As swiftclient reads it: percent-encoding, amid what others have sent as raw UTF-8.
    """
    if value == EMPTY:
        return ""
    if "%" not in value:
        return value
    try:
        return unquote(value, errors="strict")
    except UnicodeDecodeError:
        return value


def metadata_headers(metadata: Mapping[str, str], limits: MetadataLimits) -> dict[str, str]:
    """User metadata. A value that is longer than Swift takes goes on under names of ours.

    Raises:
        TooLargeError: it is more than Swift takes, once encoded.
    """
    headers: dict[str, str] = {}
    for name, value in metadata.items():
        text = encode_text(value)
        if len(text) > limits.value:
            text = encode_text(value, spaces=False)  # so that no piece has one at an end
        for number, start in enumerate(range(0, len(text), limits.value)):
            piece = text[start : start + limits.value]
            headers[f"{META}cslong{number}-{name}" if number else META + name] = piece
    _check_size(headers, META, limits)
    return headers


def _check_size(headers: Mapping[str, str], prefix: str, limits: MetadataLimits) -> None:
    names = [name[len(prefix) :] for name in headers]
    total = sum(map(len, names)) + sum(map(len, headers.values()))
    if total > limits.overall or len(names) > limits.names:
        raise TooLargeError(
            f"metadata has {len(names)} names and {total} bytes once encoded, swift takes "
            f"{limits.names} and {limits.overall}"
        )
    if max(map(len, names), default=0) > limits.name:
        raise TooLargeError(f"a name of metadata has at most {limits.name} bytes on swift")


def shared_metadata_headers(
    prefix: str, changes: Mapping[str, str | None], limits: MetadataLimits
) -> dict[str, str]:
    """Changes to the metadata of a container or of the account.

    Raises:
        InvalidArgumentError: a name is one of Swift's own settings.
        TooLargeError: a value is longer than Swift takes, once encoded.
    """
    headers: dict[str, str] = {}
    for name, value in changes.items():
        if name in HIDDEN:
            raise InvalidArgumentError(f"{name!r} is a setting of Swift's; see store.native")
        if value is None:
            headers[f"x-remove-{prefix.removeprefix('x-')}{name}"] = "x"
            continue
        text = encode_text(value)
        if len(text) > limits.value:
            raise TooLargeError(
                f"metadata {name!r} has {len(text)} bytes once encoded, swift takes {limits.value}"
            )
        headers[prefix + name] = text
    return headers


def head_headers(options: PutOptions, limits: MetadataLimits) -> dict[str, str]:
    """What is stored beside the bytes.

    Raises:
        TooLargeError: the metadata is too long once encoded.
    """
    headers: dict[str, str] = {}
    if options.content_type is not None:
        headers["content-type"] = options.content_type
    if options.content_encoding is not None:
        headers["content-encoding"] = options.content_encoding
    if options.cache_control is not None:
        headers["cache-control"] = options.cache_control
    if options.content_disposition is not None:
        headers["content-disposition"] = options.content_disposition
    if options.expires_in is not None:
        headers["x-delete-after"] = str(max(1, math.ceil(options.expires_in)))
    if options.metadata:
        headers |= metadata_headers(options.metadata, limits)
    return headers


def copy_source(bucket: str, key: str, options: CopyOptions) -> dict[str, str]:
    """What a copy is made from; conditions of such a PUT are on the source."""
    headers = {"x-copy-from": path_of(bucket, key)}
    if options.source_if_match is not None:
        headers["if-match"] = f'"{options.source_if_match}"'
    return headers


def kept_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """What a POST must say again, of the answer to a HEAD, so that it stays."""
    return {name: headers[name] for name in _KEPT if name in headers}


def list_query(options: ListOptions) -> list[tuple[str, str]]:
    """The query of a container's listing."""
    query = [("format", "json"), ("limit", str(options.limit))]
    if options.prefix:
        query.append(("prefix", options.prefix))
    if options.delimiter and "\0" not in options.delimiter:
        query.append(("delimiter", options.delimiter))
    marker = options.start_after if options.token is None else token_position(options.token)
    # Swift takes no NUL. No key has one, so the keys after the text before it are the same.
    marker = marker.partition("\0")[0]
    if marker:
        query.append(("marker", marker))
    return query


def is_unlistable(options: ListOptions) -> bool:
    """Whether no key of ours can begin so, and Swift would fail over it."""
    return "\0" in options.prefix or LAST_CODE_POINT in options.prefix


def peek_options(options: ListOptions) -> ListOptions | None:
    """How to find out whether a common prefix that is `start_after` itself has keys behind it: Swift
    takes such a marker for the prefix's own row, and leaves the row out."""
    if options.token is not None or not options.delimiter:
        return None
    rest = options.start_after.removeprefix(options.prefix)
    if rest == options.start_after and options.prefix:
        return None
    if rest.find(options.delimiter) != len(rest) - len(options.delimiter) or not rest:
        return None
    return ListOptions(options.start_after, start_after=options.start_after, limit=1)


def segment_readers(readers: str) -> str:
    """Who may read the segments of a bucket's large objects: its readers, but nobody may list them."""
    return ",".join(entry for entry in _entries(readers) if entry != ".rlistings")


def _entries(readers: str) -> list[str]:
    return [entry.strip() for entry in readers.split(",") if entry.strip()]


def canned_acl(headers: Mapping[str, str]) -> str:
    """The canned ACL that a container's headers amount to, else ``"custom"``."""
    if headers.get("x-container-write", "").strip():
        return "custom"
    readers = frozenset(_entries(headers.get("x-container-read", "")))
    return "private" if not readers else "public-read" if readers == _PUBLIC else "custom"


def acl_headers(acl: str) -> dict[str, str]:
    """A canned ACL as a container's headers.

    Raises:
        InvalidArgumentError: there is no such ACL.
    """
    if acl not in ("private", "public-read"):
        raise InvalidArgumentError(f"no ACL {acl!r}; there are private, public-read")
    readers = PUBLIC_READ if acl == "public-read" else ""
    return {"x-container-read": readers, "x-container-write": ""}


def website_headers(index: str | None, error: str | None) -> dict[str, str]:
    """A static website as a container's headers (``staticweb`` middleware).

    Raises:
        UnsupportedError: Swift would look for another page.
    """
    if index is None:
        return {"x-remove-container-meta-web-index": "x", "x-remove-container-meta-web-error": "x"}
    headers = {BUCKET_META + "web-index": index}
    if error is None:
        return {**headers, "x-remove-container-meta-web-error": "x"}
    if not error.startswith(NOT_FOUND_PAGE) or error == NOT_FOUND_PAGE:
        raise UnsupportedError(
            f"Swift puts the status before the name of an error page: {NOT_FOUND_PAGE}{error} is one"
        )
    return {**headers, BUCKET_META + "web-error": error.removeprefix(NOT_FOUND_PAGE)}


def deletion_body(paths: Iterable[str]) -> BytesPayload:
    """The body of a bulk delete: a path a line, percent-encoded."""
    return BytesPayload("\n".join(paths).encode())


def temp_url_query(
    key: str, method: str, path: str, expires: int, options: PresignOptions
) -> list[tuple[str, str]]:
    """The query that makes a URL good for everybody (``tempurl`` middleware), with SHA-256.

    Args:
        path: with the account's, not encoded.

    Raises:
        UnsupportedError: temporary URLs cannot say this.
    """
    if options.content_type is not None:
        raise UnsupportedError("a temporary URL of Swift cannot fix the content type of an upload")
    signed = f"{method}\n{expires}\n{path}"
    signature = hmac.new(key.encode(), signed.encode(), hashlib.sha256).hexdigest()
    query = [("temp_url_sig", signature), ("temp_url_expires", str(expires))]
    if options.content_disposition is not None:
        found = _DISPOSITION.match(options.content_disposition)
        if found is None:
            raise UnsupportedError(
                'a temporary URL of Swift knows inline and attachment, each with filename="…"'
            )
        if found[2]:
            query.append(("filename", found[2]))
        if found[1] == "inline":
            query.append(("inline", ""))
        elif not found[2]:
            raise UnsupportedError('an attachment of Swift\'s temporary URLs needs a filename="…"')
    return query


# --- answers --------------------------------------------------------------------------------------


def written_at(answer: Response) -> str:
    """When an object was written, in the words of a listing; later than all where nothing says it."""
    moment = _moment(answer.headers.get("x-timestamp", "")) or datetime.max.replace(tzinfo=UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f")


def put_result(answer: Response) -> PutResult:
    """What a PUT made."""
    etag = etag_of(answer.headers.get("etag"))
    return PutResult(etag, None, http_time(answer.headers.get("last-modified")))


def opened(key: str, span: ByteRange, answer: Response) -> GetResult:
    """The answer to a GET, once it is sure that it holds what was asked for.

    Raises:
        RangeNotSatisfiableError, UnexpectedResponseError
    """
    start, end, size = answered_range(span, answer)
    info = object_info(key, answer.headers, size)
    return GetResult(info, answer.body or BytesBody(b""), start, end)


def is_manifest(headers: Mapping[str, str]) -> bool:
    """Whether an object is a static large object."""
    return headers.get("x-static-large-object", "").lower() == "true"


def object_info(key: str, headers: Mapping[str, str], size: int) -> ObjectInfo:
    """The head of an object."""
    info = described(key, headers, size)
    in_parts = is_manifest(headers) or "x-object-manifest" in headers
    if not in_parts and info.etag is not None and _MD5.match(info.etag):
        info.checksums = {"md5": info.etag}
    if "x-delete-at" in headers:
        info.expires_at = _moment(headers["x-delete-at"])
    info.metadata = _metadata(headers)
    return info


def _moment(text: str) -> datetime | None:
    """Of seconds since 1970."""
    try:
        return datetime.fromtimestamp(float(text), UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _metadata(headers: Mapping[str, str]) -> dict[str, str]:
    """User metadata, long values made whole."""
    found: dict[str, str] = {}
    more: list[tuple[int, str, str]] = []
    for header, value in headers.items():
        if header.startswith(META):
            name = header[len(META) :]
            piece = _MORE.match(name)
            if piece is None:
                found[name] = value
            else:
                more.append((int(piece[1]), piece[2], value))
    for _, name, value in sorted(more):
        if name in found:
            found[name] += value
    return {name: decode_text(value) for name, value in found.items()}


def _count(headers: Mapping[str, str], name: str) -> int | None:
    text = headers.get(name, "")
    return int(text) if _COUNT.match(text) else None


def _shared_metadata(prefix: str, headers: Mapping[str, str]) -> dict[str, str]:
    found = {name[len(prefix) :]: value for name, value in headers.items() if name.startswith(prefix)}
    return {name: decode_text(value) for name, value in found.items() if name not in HIDDEN}


def bucket_info(bucket: str, headers: Mapping[str, str], region: str | None) -> BucketInfo:
    """A container, of the answer to a HEAD."""
    return BucketInfo(
        bucket,
        _moment(headers.get("x-timestamp", "")),
        region,
        _count(headers, "x-container-object-count"),
        _count(headers, "x-container-bytes-used"),
        _shared_metadata(BUCKET_META, headers),
    )


def account_info(headers: Mapping[str, str]) -> AccountInfo:
    """The account, of the answer to a HEAD."""
    return AccountInfo(
        _count(headers, "x-account-container-count"),
        _count(headers, "x-account-object-count"),
        _count(headers, "x-account-bytes-used"),
        _shared_metadata(ACCOUNT_META, headers),
    )


def bucket_infos(rows: Sequence[Any], region: str | None) -> list[BucketInfo]:
    """The containers of a page of an account's listing."""
    return [
        BucketInfo(_text(row, "name"), None, region, _size(row, "count"), _size(row, "bytes"))
        for row in rows
    ]


def page_of(rows: Sequence[Any], limit: int) -> Page:
    """A page of a container's listing."""
    page = Page()
    last = ""
    moments: dict[str, datetime | None] = {}
    for row in rows:
        if isinstance(row, dict) and "subdir" in row:
            last = _text(row, "subdir")
            page.prefixes.append(last)
            continue
        info = _listed(row, moments)
        last = info.key
        page.objects.append(info)
    if len(rows) >= limit:
        page.token = page_token(last)
    return page


def _listed(row: Any, moments: dict[str, datetime | None]) -> ObjectInfo:
    """An object of a listing, of which there are thousands: few calls.

    Args:
        moments: the times of this page that were read already; objects are often of one second.
    """
    try:
        name, size, get = row["name"], row["bytes"], row.get
    except (TypeError, KeyError):
        name, size, get = _text(row, "name"), _size(row, "bytes"), row.get  # raises
    if type(name) is not str or type(size) is not int or size < 0:
        raise UnexpectedResponseError("the answer has a row without 'name' or 'bytes'")
    text = get("last_modified")
    moment = None
    if type(text) is str:
        second = text[:20] if text[19:].strip(".0Z") else text[:19]  # with a fraction, or whole
        if second in moments:
            moment = moments[second]
        else:
            moment = moments[second] = _listed_time(text)
    etag = get("slo_etag") or get("hash")
    return ObjectInfo(name, size, etag_of(etag) if etag else None, moment, get("content_type"))


def _listed_time(text: str) -> datetime | None:
    """In whole seconds, rounded up as Swift does it in answers about one object."""
    whole, _, fraction = text.removesuffix("Z").partition(".")
    moment = iso_time(f"{whole}Z")  # to give a zone to a time that has none takes longer than all else
    return moment + _SECOND if moment is not None and fraction.strip("0") else moment


def _text(row: Any, name: str) -> str:
    value = row.get(name) if isinstance(row, dict) else None
    if not isinstance(value, str):
        raise UnexpectedResponseError(f"the answer has a row without {name!r}")
    return value


def _size(row: Any, name: str) -> int:
    value = row.get(name) if isinstance(row, dict) else None
    if not isinstance(value, int) or value < 0:
        raise UnexpectedResponseError(f"the answer has a row without {name!r}")
    return value
