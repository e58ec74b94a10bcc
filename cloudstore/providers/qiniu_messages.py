"""What Qiniu's requests hold, and what its successes say. Pure: values in, values out.

Source: https://developer.qiniu.com/kodo/1731/api-overview and the SDK (``qiniu/services/storage``).
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from ..bodies import BytesBody, BytesPayload, Payload
from ..driver import GetResult, Response
from ..errors import InvalidArgumentError, TooLargeError, UnexpectedResponseError, UnsupportedError
from ..listing import page_token, token_position
from ..model import (
    GetOptions,
    ListOptions,
    ObjectInfo,
    Page,
    Part,
    PartPage,
    PresignOptions,
    PutOptions,
    UploadRef,
)
from ..wire.dates import http_time
from ..wire.objects import read_conditions
from ..wire.qiniu_signing import urlsafe
from ..wire.ranges import answered_range, range_header

__all__ = [
    "DAY_SECONDS",
    "META",
    "POLICY_OPTIONS",
    "STORAGE_CLASSES",
    "FormPayload",
    "attachment_name",
    "cdn_body",
    "changes_of",
    "completion",
    "completion_head",
    "copy_changes",
    "encode_metadata",
    "form_policy",
    "list_query",
    "object_info",
    "opened",
    "page_of",
    "part_page",
    "parts_query",
    "put_policy",
    "read_headers",
    "refuse_options",
    "sha1_of",
    "text_of",
    "type_of",
    "upload_policy",
]

META = "x-qn-meta-"
DAY_SECONDS = 24 * 3600
"""``deleteAfterDays`` counts in these."""
STORAGE_CLASSES: tuple[str, ...] = (
    "STANDARD",
    "STANDARD_IA",
    "ARCHIVE",
    "DEEP_ARCHIVE",
    "ARCHIVE_IR",
    "INTELLIGENT_TIERING",
)
"""What ``type`` counts (https://developer.qiniu.com/kodo/3956/kodo-category), by names of ours."""
POLICY_OPTIONS = frozenset(
    {
        "callbackBody",
        "callbackBodyType",
        "callbackHost",
        "callbackUrl",
        "deleteAfterDays",
        "detectMime",
        "endUser",
        "fileType",
        "fsizeMin",
        "insertOnly",
        "mimeLimit",
        "persistentNotifyUrl",
        "persistentOps",
        "persistentPipeline",
        "returnBody",
        "returnUrl",
        "trafficLimit",
    }
)
"""``vendor_options={"qiniu": {…}}`` of form uploads: https://developer.qiniu.com/kodo/1206/put-policy."""
SHA1_BYTES = 4 * 1024 * 1024
"""Up to this size the hash of an object holds its SHA-1: https://developer.qiniu.com/kodo/1231/appendix."""
SHA1_MARK = b"\x16"
TICKS_PER_SECOND = 10_000_000
"""``putTime`` counts 100 ns."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PLAIN = re.compile(r"[A-Za-z0-9.+/;,_-](?:(?!  )[A-Za-z0-9.+/;=,_ -])*(?<! )\Z")
"""What metadata may hold (https://developer.qiniu.com/kodo/1252/chgm), and not what marks ours."""
_ENCODED, _REMOVED = "=u=", "=x="
_KEPT_POLICY = ("detectMime", "deleteAfterDays", "fileType")
_MD5 = re.compile(r"[0-9a-f]{32}\Z")
_ATTACHMENT = re.compile(r'attachment; filename="([A-Za-z0-9._~-]+)"\Z')


# --- metadata -------------------------------------------------------------------------------------


def encode_metadata(metadata: Mapping[str, str], max_bytes: int) -> dict[str, str]:
    """The metadata as Qiniu takes it, by names with their prefix.

    Raises:
        TooLargeError: it is too long once encoded, which is how the vendor counts it.
    """
    encoded = {META + name: _encode(value) for name, value in metadata.items()}
    size = sum(len(name) - len(META) + len(value) for name, value in encoded.items())
    if size > max_bytes:
        raise TooLargeError(f"metadata has {size} bytes once encoded, qiniu takes {max_bytes}")
    return encoded


def _encode(value: str) -> str:
    """Itself where every letter is allowed, else a mark and Base64 for URLs."""
    return value if _PLAIN.match(value) else _ENCODED + urlsafe(value.encode())


def _decode(value: str) -> str:
    """What `_encode` was given; what somebody else wrote is the text itself."""
    if not value.startswith(_ENCODED):
        return value
    try:
        raw = base64.b64decode(value[len(_ENCODED) :].encode("ascii"), altchars=b"-_", validate=True)
        return raw.decode()
    except (binascii.Error, UnicodeError):
        return value


def _metadata(values: Mapping[str, str]) -> dict[str, str]:
    """By names in lower case, without what was removed."""
    return {name.lower(): _decode(value) for name, value in values.items() if value != _REMOVED}


def changes_of(current: Mapping[str, str], wanted: Mapping[str, str], max_bytes: int) -> str:
    """The path of a change of metadata, which Qiniu merges by name.

    A name cannot be removed, so its value becomes a mark that reads as no value.

    Args:
        current, wanted: as users see them, in lower case.

    Returns:
        ``/x-qn-meta-…/…``, "" where there is nothing to change.
    """
    values = encode_metadata(wanted, max_bytes)
    for name in sorted(current.keys() - wanted.keys()):
        values[META + name] = _REMOVED
    kept = {META + name for name, value in wanted.items() if current.get(name) == value}
    changed = (pair for pair in values.items() if pair[0] not in kept)
    return "".join([f"/{name}/{urlsafe(value.encode())}" for name, value in changed])


def copy_changes(place: str, copy: ObjectInfo, wanted: PutOptions, max_bytes: int) -> list[str]:
    """The paths of what makes of a copy what it shall be, one after the other.

    Args:
        place: the copy's encoded entry.
        copy: what it is.
    """
    changes = changes_of(copy.metadata, wanted.metadata, max_bytes)
    mime = wanted.content_type
    if mime is not None and mime != copy.content_type:
        changes = f"/mime/{urlsafe(mime.encode())}{changes}"
    paths = [f"/chgm/{place}{changes}"] if changes else []
    if wanted.storage_class is not None and wanted.storage_class != copy.storage_class:
        paths.append(f"/chtype/{place}/type/{type_of(wanted.storage_class)}")
    if wanted.expires_in is not None:
        paths.append(f"/deleteAfterDays/{place}/{int(wanted.expires_in) // DAY_SECONDS}")
    return paths


# --- uploads --------------------------------------------------------------------------------------


def put_policy(bucket: str, key: str, options: PutOptions, *, if_absent: bool) -> dict[str, object]:
    """What the token of a write allows. The object has the content type of the request, undetected.

    Raises:
        InvalidArgumentError: no such storage class.
    """
    policy: dict[str, object] = {"scope": f"{bucket}:{key}", "detectMime": -1}
    if if_absent:
        policy["insertOnly"] = 1
    if options.expires_in is not None:
        policy["deleteAfterDays"] = int(options.expires_in) // DAY_SECONDS
    if options.storage_class is not None:
        policy["fileType"] = type_of(options.storage_class)
    return policy


def type_of(storage_class: str) -> int:
    """The number of a storage class.

    Raises:
        InvalidArgumentError: there is none of this name.
    """
    if storage_class not in STORAGE_CLASSES:
        known = ", ".join(STORAGE_CLASSES)
        raise InvalidArgumentError(f"no storage class {storage_class!r}; there are {known}")
    return STORAGE_CLASSES.index(storage_class)


def refuse_options(options: Mapping[str, Mapping[str, object]]) -> None:
    """Raises InvalidArgumentError: ours are all for form uploads, and this is none."""
    for name in options.get("qiniu", ()):
        raise InvalidArgumentError(f"the qiniu option {name!r} is for form uploads (presign_post)")


def form_policy(bucket: str, key: str, options: PresignOptions) -> dict[str, object]:
    """What the token of a form upload by somebody else allows.

    Raises:
        UnsupportedError: a content type is asked for, which no policy can fix.
    """
    if options.content_type is not None:
        raise UnsupportedError(
            "qiniu takes the content type that the form's file has; to limit what is detected in its "
            "content, use vendor_options={'qiniu': {'mimeLimit': …}}"
        )
    policy: dict[str, object] = {"scope": f"{bucket}:{key}"}
    if options.max_size is not None:
        policy["fsizeLimit"] = options.max_size
    return {**policy, **options.vendor_options.get("qiniu", {})}


class FormPayload(Payload):
    """A form with one file, as RFC 7578 writes it: the fields in memory, the file where it is.

    The token is put in for each attempt, because it is what signs a form upload.

    Args:
        boundary: what nothing in the form holds.
        fields: names to texts; names are plain.
        content_type: of the file.
    """

    __slots__ = ("_boundary", "_fields", "_file", "_head", "_tail")

    def __init__(
        self, boundary: str, fields: Mapping[str, str], content_type: str, file: Payload
    ) -> None:
        super().__init__(0)
        self._boundary = boundary
        self._file = file
        opening = (
            f'--{boundary}\r\ncontent-disposition: form-data; name="file"; filename="file_name"\r\n'
            f"content-type: {content_type}\r\n\r\n"
        )
        lines = [_field(boundary, name, text) for name, text in fields.items()]
        self._fields = "".join([*lines, opening]).encode()
        self._tail = f"\r\n--{boundary}--\r\n".encode()
        self._head = b""

    @property
    def content_type(self) -> str:
        """Of the form."""
        return f"multipart/form-data; boundary={self._boundary}"

    def sign(self, token: str) -> None:
        """Puts a token in, in the place of any before it."""
        self._digests = None
        self._head = _field(self._boundary, "token", token).encode() + self._fields
        self.size = len(self._head) + self._file.size + len(self._tail)

    @property
    def blocks(self) -> bool:
        """Where the file does."""
        return self._file.blocks

    def read(self, offset: int, length: int) -> bytes:
        """From head, file and tail, whatever of them lies there."""
        end = offset + length
        before, inner = len(self._head), self._file.size
        pieces: list[bytes | memoryview] = [self._head[offset:end]]
        first, last = max(offset - before, 0), min(end - before, inner)
        if first < last:
            pieces.append(self._file.read(first, last - first))
        if end > before + inner:
            pieces.append(self._tail[max(offset - before - inner, 0) : end - before - inner])
        return b"".join(pieces)


def _field(boundary: str, name: str, text: str) -> str:
    return f'--{boundary}\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'


def completion(parts: Sequence[Part], content_type: str, metadata: Mapping[str, str]) -> BytesPayload:
    """The body of a completion: https://developer.qiniu.com/kodo/6368/complete-multipart-upload."""
    said: dict[str, object] = {
        "parts": [{"partNumber": part.number, "etag": part.etag} for part in parts],
        "mimeType": content_type,
    }
    if metadata:
        said["metadata"] = dict(metadata)
    return BytesPayload(json.dumps(said, separators=(",", ":")).encode())


def part_page(said: Mapping[str, Any]) -> PartPage:
    """A page of the parts that are there; 0 ends them."""
    page = PartPage()
    for row in _rows(said, "parts"):
        size = _count(row, "size")
        etag = text_of(row, "etag")
        page.parts.append(Part(_count(row, "partNumber"), etag, size, sha1_of(etag, size)))
    marker = said.get("partNumberMarker") or 0
    if not isinstance(marker, int) or marker < 0:
        raise UnexpectedResponseError("the marker of the next parts is no number")
    page.token = page_token(str(marker)) if marker else None
    return page


def parts_query(token: str | None) -> list[tuple[str, str]]:
    """The query of a page of parts: https://developer.qiniu.com/kodo/6858/listparts.

    Raises:
        InvalidArgumentError: the token is none of ours.
    """
    if token is None:
        return []
    marker = token_position(token)
    if not (marker.isascii() and marker.isdigit()):
        raise InvalidArgumentError("this marker is not one of this upload's parts")
    return [("part-number-marker", marker)]


def upload_policy(ref: UploadRef, *, if_absent: bool) -> dict[str, object]:
    """What the token of a request about an upload allows."""
    kept = ref.state.get("policy")
    policy: dict[str, object] = {"scope": f"{ref.bucket}:{ref.key}"}
    if isinstance(kept, Mapping):
        policy |= {name: kept[name] for name in _KEPT_POLICY if name in kept}
    return {**policy, "insertOnly": 1} if if_absent else policy


def completion_head(ref: UploadRef) -> tuple[str, dict[str, str]]:
    """Content type and metadata that an upload began with.

    Raises:
        InvalidArgumentError: the reference was not made by this driver.
    """
    content_type, metadata = ref.state.get("content_type"), ref.state.get("metadata")
    if not isinstance(content_type, str) or not isinstance(metadata, Mapping):
        raise InvalidArgumentError("this upload's reference does not say what its object shall be")
    return content_type, {str(name): str(value) for name, value in metadata.items()}


# --- reading --------------------------------------------------------------------------------------


def read_headers(options: GetOptions) -> dict[str, str]:
    """The conditions and the range of a GET."""
    headers = read_conditions(options)
    if not options.range.is_whole:
        headers["range"] = range_header(options.range)
    return headers


def sha1_of(etag: str | None, size: int) -> dict[str, str]:
    """The SHA-1 that the hash of a small object holds; nothing of another one."""
    if etag is None or size > SHA1_BYTES:
        return {}
    try:
        # Per row of a listing: b64decode does the same in six times the time.
        raw = binascii.a2b_base64(etag.replace("-", "+").replace("_", "/"), strict_mode=True)
    except ValueError:
        return {}
    return {"sha1": raw[1:].hex()} if len(raw) == 21 and raw[:1] == SHA1_MARK else {}


def opened(key: str, options: GetOptions, answer: Response) -> GetResult:
    """The answer to a GET from a domain, once it is sure that it holds what was asked for.

    Raises:
        RangeNotSatisfiableError, UnexpectedResponseError
    """
    start, end, size = answered_range(options.range, answer)
    get = answer.headers.get
    # A CDN that compresses marks the hash so (``downloaders.go`` of Qiniu's Go SDK).
    etag = (get("etag") or "").removeprefix("W/").strip('"').removesuffix(".gz")
    if not etag:
        raise UnexpectedResponseError(
            "the domain answered without an ETag, which Qiniu never does: check the domain, and what "
            "stands before it (a proxy, a portal)"
        )
    info = ObjectInfo(key, size, etag, http_time(get("last-modified")), get("content-type"))
    info.content_encoding = get("content-encoding")
    info.metadata = _metadata(
        {name[len(META) :]: _utf8(value) for name, value in answer.headers.items() if name[:10] == META}
    )
    info.checksums = sha1_of(etag, size)
    return GetResult(info, answer.body or BytesBody(b""), start, end)


def _utf8(value: str) -> str:
    """A header as it was meant: engines decode it as Latin-1."""
    if value.isascii():
        return value
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return value


def object_info(key: str, said: Mapping[str, Any]) -> ObjectInfo:
    """What ``/stat`` and listings say of an object."""
    size = _count(said, "fsize")
    etag = text_of(said, "hash")
    info = ObjectInfo(key, size, etag, _put_time(said.get("putTime")), said.get("mimeType") or None)
    info.checksums = sha1_of(etag, size)
    md5 = said.get("md5")
    if isinstance(md5, str) and _MD5.match(md5):
        info.checksums["md5"] = md5
    metadata = said.get("x-qn-meta")
    if isinstance(metadata, dict):
        info.metadata = _metadata({str(name): str(value) for name, value in metadata.items()})
    number = said.get("type", 0)
    if isinstance(number, int) and 0 <= number < len(STORAGE_CLASSES):
        info.storage_class = STORAGE_CLASSES[number]
    expires = said.get("expiration")
    if isinstance(expires, int) and 0 < expires < 2**33:
        info.expires_at = datetime.fromtimestamp(expires, UTC)
    return info


def _put_time(ticks: object) -> datetime | None:
    if not isinstance(ticks, int) or not 0 < ticks < 2**33 * TICKS_PER_SECOND:
        return None
    seconds, rest = divmod(ticks, TICKS_PER_SECOND)
    return _EPOCH + timedelta(0, seconds, rest // 10)


# --- listing --------------------------------------------------------------------------------------


def list_query(bucket: str, options: ListOptions) -> list[tuple[str, str]]:
    """The query of a page: https://developer.qiniu.com/kodo/1284/list."""
    query = [("bucket", bucket), ("limit", str(options.limit))]
    if options.prefix:
        query.append(("prefix", options.prefix))
    if options.delimiter:
        query.append(("delimiter", options.delimiter))
    if options.token is not None:
        query.append(("marker", _position(options.token)[0]))
    return query


def _position(token: str) -> tuple[str, str]:
    """The vendor's marker, and the last common prefix that was shown."""
    try:
        marker, shown = json.loads(token_position(token))
    except (ValueError, TypeError) as exc:
        raise InvalidArgumentError("this marker is not one of this store's listings") from exc
    if not isinstance(marker, str) or not isinstance(shown, str):
        raise InvalidArgumentError("this marker is not one of this store's listings")
    return marker, shown


def page_of(said: Mapping[str, Any], options: ListOptions) -> Page:
    """A page. A common prefix whose keys lie on both sides of a page's end is shown once."""
    page = Page()
    for row in _rows(said, "items"):
        page.objects.append(object_info(text_of(row, "key", empty=True), row))
    prefixes = said.get("commonPrefixes") or []
    if not isinstance(prefixes, list) or not all(isinstance(prefix, str) for prefix in prefixes):
        raise UnexpectedResponseError("the common prefixes of a page are no texts")
    shown = "" if options.token is None else _position(options.token)[1]
    page.prefixes = [prefix for prefix in prefixes if prefix != shown]
    marker = said.get("marker") or ""
    if not isinstance(marker, str):
        raise UnexpectedResponseError("the marker of the next page is no text")
    if marker:
        page.token = page_token(json.dumps([marker, page.prefixes[-1] if page.prefixes else shown]))
    return page


# --- fields ---------------------------------------------------------------------------------------


def _rows(said: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    rows = said.get(name) or []
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise UnexpectedResponseError(f"the answer's {name} are no list of records")
    return rows


def text_of(said: Mapping[str, Any], name: str, *, empty: bool = False) -> str:
    """A text that must be there.

    Raises:
        UnexpectedResponseError
    """
    text = said.get(name)
    if isinstance(text, str) and (text or empty):
        return text
    raise UnexpectedResponseError(f"the answer has no {name}", outcome="unknown")


def _count(said: Mapping[str, Any], name: str) -> int:
    """A number of bytes, or of a part; where it is left out it is none."""
    count = said.get(name, 0)
    if isinstance(count, int) and not isinstance(count, bool) and count >= 0:
        return count
    raise UnexpectedResponseError(f"the answer's {name} is no number")


# --- the rest -------------------------------------------------------------------------------------


def cdn_body(urls: Sequence[str]) -> bytes:
    """What is refreshed, or fetched beforehand: ``qiniu/services/cdn/manager.py``."""
    return json.dumps({"urls": list(urls)}).encode()


def attachment_name(disposition: str) -> str:
    """The file's name that a download shall have, which is all of a disposition that Qiniu can say.

    Raises:
        UnsupportedError: it says something else.
    """
    found = _ATTACHMENT.match(disposition)
    if found is None:
        raise UnsupportedError(
            "of dispositions qiniu has 'attachment; filename=…' only, the name in quotes, and in it "
            "a-z, 0-9, '.', '_', '~' and '-'"
        )
    return found[1]
