"""What S3's requests hold, and what its successes say. Pure: values in, values out.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from types import MappingProxyType
from urllib.parse import unquote_plus

from ..bodies import HASHED_AT_ONCE, BytesBody, BytesPayload, Payload
from ..capabilities import MIB, S3_MIN_PART_SIZE
from ..driver import GetResult, Response
from ..errors import InvalidArgumentError, TooLargeError, UnexpectedResponseError
from ..listing import page_token, token_position
from ..model import (
    BucketInfo,
    ByteRange,
    CompleteOptions,
    CopyOptions,
    ListOptions,
    ObjectInfo,
    Page,
    Part,
    PartPage,
    PresignOptions,
    PutOptions,
    PutResult,
    UploadInfo,
    UploadPage,
    UploadRef,
)
from ..preconditions import check_checksums
from ..wire.dates import iso_time
from ..wire.encoded_words import decode_words, encode_words
from ..wire.objects import described, etag_of, quoted
from ..wire.ranges import answered_range, range_header, stated_length
from ..wire.sigv4 import Signer, encode_path, encode_query
from ..wire.xml import XmlNode

__all__ = [
    "CHECKSUM",
    "LISTED",
    "OPTION_HEADERS",
    "base64_digest",
    "bucket_infos",
    "completion",
    "conditions",
    "copied_part",
    "copy_source",
    "deletion",
    "digest_headers",
    "first_part_query",
    "form_fields",
    "head_headers",
    "is_address",
    "is_plain_in_xml",
    "likely_part_size",
    "list_query",
    "location",
    "object_info",
    "opened",
    "page_of",
    "part_count",
    "part_page",
    "part_query",
    "part_size",
    "parts_query",
    "peek_options",
    "peeked_prefix",
    "put_result",
    "refuse_options",
    "required",
    "smallest_read",
    "start_token",
    "upload_page",
    "uploads_query",
    "version_query",
    "xml_payload",
    "xml_text",
]

META = "x-amz-meta-"
CHECKSUM = "x-amz-checksum-"
OPTION_HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "acl": "x-amz-acl",
        "sse": "x-amz-server-side-encryption",
        "sse_kms_key_id": "x-amz-server-side-encryption-aws-kms-key-id",
        "website_redirect_location": "x-amz-website-redirect-location",
    }
)
"""``vendor_options={"s3": {…}}`` of writes, and the headers that they become."""

_CHECKSUM_HEADERS = tuple((name, CHECKSUM + name) for name in ("crc32", "sha1", "sha256"))
LISTED = ("Key", "Size", "ETag", "LastModified", "StorageClass")
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_TRIMMED = re.compile(r"\s|.*\s\Z", re.DOTALL)
_PARTS = re.compile(r".*-([0-9]{1,5})\Z")
_LINE_ENDS = re.compile("[\t\n\r\x85\u2028]")

PARTIAL_CONTENT = 206

_CONTINUES, _STARTS = "c", "s"
"""What a token of ours begins with: the rest is the vendor's own, or a key to start after."""

Query = list[tuple[str, str]]


# --- requests -------------------------------------------------------------------------------------


def is_address(host: str) -> bool:
    """Whether no bucket's name can stand before this host."""
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name == "localhost"
    return True


def head_headers(options: PutOptions, max_metadata_bytes: int) -> dict[str, str]:
    """What is stored beside the bytes.

    Raises:
        TooLargeError: the metadata is too long once encoded, which is how the vendor counts it.
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
    if options.storage_class is not None:
        headers["x-amz-storage-class"] = options.storage_class
    if options.tags:
        headers["x-amz-tagging"] = encode_query(options.tags.items())
    size = 0
    for name, value in options.metadata.items():
        text = headers[META + name] = encode_words(value)
        size += len(name) + len(text)
    if size > max_metadata_bytes:
        raise TooLargeError(f"metadata has {size} bytes once encoded, s3 takes {max_metadata_bytes}")
    for name, setting in options.vendor_options.get("s3", {}).items():
        headers[OPTION_HEADERS[name]] = str(setting)
    return headers


def refuse_options(options: Mapping[str, Mapping[str, object]]) -> None:
    """Raises InvalidArgumentError: ours are all for writes, and this is none."""
    for name in options.get("s3", ()):
        raise InvalidArgumentError(f"the s3 option {name!r} is for writes")


def conditions(options: PutOptions | CopyOptions | CompleteOptions) -> dict[str, str]:
    """The conditions of a write."""
    if options.if_absent:
        return {"if-none-match": "*"}
    return {} if options.if_match is None else {"if-match": quoted(options.if_match)}


def smallest_read(
    key: str = "", query: Sequence[tuple[str, str]] = (), headers: Mapping[str, str] | None = None
) -> tuple[str, Sequence[tuple[str, str]], Mapping[str, str]]:
    """Key, query and headers of the GET that needs the same permission as a HEAD, and little else."""
    if key:
        return key, query, {"range": range_header(ByteRange(0, 1))}
    return key, [("list-type", "2"), ("max-keys", "1")], {}


def copy_source(bucket: str, key: str, if_match: str | None) -> dict[str, str]:
    """What a copy is made from."""
    headers = {"x-amz-copy-source": f"/{bucket}/{encode_path(key)}"}
    if if_match is not None:
        headers["x-amz-copy-source-if-match"] = quoted(if_match)
    return headers


def base64_digest(digest: str) -> str:
    """A digest in hexadecimal as headers hold it."""
    return binascii.b2a_base64(bytes.fromhex(digest), newline=False).decode("ascii")


def digest_headers(
    payload: Payload, promised: Mapping[str, str], *, crc32: bool, signed: bool = False
) -> dict[str, str]:
    """The checksums by which the vendor verifies a body; of one that is signed, finds the SHA-256, too.

    Of the algorithms that S3 added, a request may carry one; what else was promised is checked here,
    against the body that the one protects. Reads the payload.

    Raises:
        ChecksumMismatchError
    """
    if signed and crc32 and not promised and payload.size > HASHED_AT_ONCE:
        payload.hash_by("crc32", "sha256")  # reads it once
    elif signed:
        payload.digest("sha256")
    headers: dict[str, str] = {}
    rest = dict(promised)
    added = "crc32" if crc32 else None
    if promised:
        added = next((name for name in ("sha256", "sha1", "crc32") if name in rest), added)
    if added is not None:
        headers[CHECKSUM + added] = base64_digest(rest.pop(added, "") or payload.digest(added))
    if added is None or "md5" in rest:
        headers["content-md5"] = base64_digest(rest.pop("md5", "") or payload.digest("md5"))
    if rest:
        check_checksums(payload, rest)
    return headers


def version_query(version: str | None) -> Query:
    """The query of a read or deletion of a version."""
    return [] if version is None else [("versionId", version)]


def part_query(upload_id: str, number: int) -> Query:
    """The query of UploadPart."""
    return [("partNumber", str(number)), ("uploadId", upload_id)]


def first_part_query(version: str | None) -> Query:
    """The query of a HEAD that tells the size of an object's first part."""
    return [("partNumber", "1"), *version_query(version)]


def list_query(options: ListOptions) -> Query:
    """The query of ListObjectsV2."""
    query = [("list-type", "2"), ("encoding-type", "url"), ("max-keys", str(options.limit))]
    if options.prefix:
        query.append(("prefix", options.prefix))
    if options.delimiter:
        query.append(("delimiter", options.delimiter))
    token = "" if options.token is None else token_position(options.token)
    if token:
        name = {_CONTINUES: "continuation-token", _STARTS: "start-after"}.get(token[0])
        if name is None:
            raise InvalidArgumentError("this marker is not one of this store's listings")
        query.append((name, token[1:]))
    elif options.start_after:
        query.append(("start-after", options.start_after))
    return query


def peek_options(options: ListOptions) -> ListOptions | None:
    """How to find out whether the common prefix that `start_after` lies in has keys behind it."""
    rolled = None if options.token is not None else _rolled_up(options, options.start_after)
    return None if rolled is None else ListOptions(rolled, start_after=options.start_after, limit=1)


def start_token(start_after: str) -> str:
    """The token of the page that comes after such a look."""
    return page_token(_STARTS + start_after)


def peeked_prefix(options: ListOptions) -> str | None:
    """The common prefix that was shown, or not, by the page before this one."""
    token = "" if options.token is None else token_position(options.token)
    return _rolled_up(options, token[1:]) if token.startswith(_STARTS) else None


def _rolled_up(options: ListOptions, key: str) -> str | None:
    if not (options.delimiter and key.startswith(options.prefix)):
        return None
    end = key.find(options.delimiter, len(options.prefix))
    return None if end < 0 else key[: end + len(options.delimiter)]


def parts_query(upload_id: str, token: str | None) -> Query:
    """The query of ListParts."""
    query = [("uploadId", upload_id)]
    return query if token is None else [*query, ("part-number-marker", token_position(token))]


def uploads_query(prefix: str, token: str | None) -> Query:
    """The query of ListMultipartUploads; a token holds both of its markers."""
    query = [("uploads", ""), ("encoding-type", "url")]
    if prefix:
        query.append(("prefix", prefix))
    if token is not None:
        key_marker, id_marker = json.loads(token_position(token))
        query += [("key-marker", key_marker), ("upload-id-marker", id_marker)]
    return query


def xml_payload(name: str, inner: str) -> BytesPayload:
    """An XML body."""
    text = f'<{name} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{inner}</{name}>'
    return BytesPayload(text.encode())


def xml_text(text: str) -> str:
    """Text that an XML parser gives back exactly: line ends as references, or they become ``\\n``."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _LINE_ENDS.sub(lambda found: f"&#{ord(found[0])};", escaped)


def location(region: str) -> BytesPayload:
    """The body of CreateBucket."""
    where = f"<LocationConstraint>{xml_text(region)}</LocationConstraint>"
    return xml_payload("CreateBucketConfiguration", where)


def is_plain_in_xml(key: str) -> bool:
    """Whether XML can hold a key, and no service trims it."""
    return not (_NOT_IN_XML.search(key) or _TRIMMED.match(key))


def deletion(keys: Sequence[str]) -> BytesPayload:
    """The body of DeleteObjects."""
    objects = "".join([f"<Object><Key>{xml_text(key)}</Key></Object>" for key in keys])
    return xml_payload("Delete", f"<Quiet>true</Quiet>{objects}")


def completion(parts: Sequence[Part], *, checksums: bool) -> BytesPayload:
    """The body of CompleteMultipartUpload, with the parts' checksums where the service wants them."""
    lines = []
    for part in parts:
        crc32 = part.checksums.get("crc32") if checksums else None
        stated = f"<ChecksumCRC32>{base64_digest(crc32)}</ChecksumCRC32>" if crc32 else ""
        etag = f"<ETag>{xml_text(quoted(part.etag))}</ETag>"
        lines.append(f"<Part><PartNumber>{part.number}</PartNumber>{etag}{stated}</Part>")
    return xml_payload("CompleteMultipartUpload", "".join(lines))


def form_fields(
    signer: Signer, bucket: str, key: str, options: PresignOptions, now: float, expires: datetime
) -> dict[str, str]:
    """The fields of a form upload: sigv4-HTTPPOSTConstructPolicy."""
    if "${filename}" in key:
        raise InvalidArgumentError("in a form upload S3 replaces ${filename} by the file's name")
    fields = {"key": key, **signer.policy_fields(now)}
    if options.content_type is not None:
        fields["Content-Type"] = options.content_type
    stated: list[object] = [{"bucket": bucket}, *({name: text} for name, text in fields.items())]
    if options.max_size is not None:
        stated.append(["content-length-range", 0, options.max_size])
    until = expires.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    policy = json.dumps({"expiration": until, "conditions": stated})
    encoded = base64.b64encode(policy.encode()).decode("ascii")
    return {**fields, "policy": encoded, **signer.sign_policy(encoded, now)}


# --- answers --------------------------------------------------------------------------------------


def required(root: XmlNode, name: str) -> str:
    """A text that must be there.

    Raises:
        UnexpectedResponseError
    """
    text = root.text(name)
    if not text:
        raise UnexpectedResponseError(f"the answer has no {name}", outcome="unknown")
    return text


def _hex(value: str | None) -> str | None:
    """A checksum in hexadecimal; None for none, and for one of checksums (``…-4``)."""
    if not value or "-" in value:
        return None
    try:
        return binascii.a2b_base64(value, strict_mode=True).hex()
    except ValueError:
        return None


def _checksums(headers: Mapping[str, str]) -> dict[str, str]:
    """What is stated for the whole object; of a composite, nothing is."""
    if headers.get(f"{CHECKSUM}type", "FULL_OBJECT") != "FULL_OBJECT":
        return {}
    found: dict[str, str] = {}
    for algorithm, header in _CHECKSUM_HEADERS:
        digest = _hex(headers.get(header))
        if digest is not None:
            found[algorithm] = digest
    return found


def _part_checksums(value: str | None) -> dict[str, str]:
    crc32 = _hex(value)
    return {} if crc32 is None else {"crc32": crc32}


def put_result(answer: Response) -> PutResult:
    """What a PUT made."""
    headers = answer.headers
    result = PutResult(etag_of(headers.get("etag")))
    if "x-amz-" in "\n".join(headers):
        result.version = headers.get("x-amz-version-id")
        result.checksums = _checksums(headers)
    return result


def copied_part(root: XmlNode, number: int, size: int) -> Part:
    """What UploadPartCopy made."""
    etag = etag_of(required(root, "ETag")) or ""
    return Part(number, etag, size, _part_checksums(root.text("ChecksumCRC32")))


def opened(key: str, span: ByteRange, answer: Response) -> GetResult:
    """The answer to a GET, once it is sure that it holds what was asked for.

    Raises:
        RangeNotSatisfiableError, UnexpectedResponseError
    """
    start, end, size = answered_range(span, answer)
    info = object_info(key, answer.headers, size)
    return GetResult(info, answer.body or BytesBody(b""), start, end)


def object_info(key: str, headers: Mapping[str, str], size: int) -> ObjectInfo:
    """The head of an object."""
    info = described(key, headers, size)
    if "x-amz-" in "\n".join(headers):
        _add_extensions(info, headers)
    return info


def _add_extensions(info: ObjectInfo, headers: Mapping[str, str]) -> None:
    """What S3 adds to HTTP."""
    info.version = headers.get("x-amz-version-id")
    info.storage_class = headers.get("x-amz-storage-class")
    info.checksums = _checksums(headers)
    for name, value in headers.items():
        if name.startswith(META):
            info.metadata[name[len(META) :]] = decode_words(value)


def _decoder(root: XmlNode) -> Callable[[str], str]:
    """How names stand in a listing: as forms encode them where the service says so, else plain."""
    return _decode_key if root.text("EncodingType") == "url" else str


def _decode_key(text: str) -> str:
    # What is no UTF-8 was not written by us; it is shown, and cannot be addressed.
    return unquote_plus(text, errors="surrogateescape")


def _more(root: XmlNode) -> bool:
    return root.text("IsTruncated").lower() == "true"


def bucket_infos(root: XmlNode) -> list[BucketInfo]:
    """The buckets of a page of ListBuckets."""
    buckets = root.find("Buckets")
    if buckets is None:
        return []
    with _whole_rows():
        return [
            BucketInfo(row["Name"], iso_time(row.get("CreationDate")), row.get("BucketRegion"))
            for row in buckets.rows("Bucket")
        ]


@contextmanager
def _whole_rows() -> Iterator[None]:
    """Raises UnexpectedResponseError where a row lacks a field, or one is no number."""
    try:
        yield
    except (KeyError, ValueError) as exc:
        raise UnexpectedResponseError(f"the answer has a row that is not whole: {exc!r}") from exc


def _count(text: str) -> int:
    """A number of bytes, or of a part."""
    count = int(text)
    if count < 0:
        raise ValueError(text)
    return count


def page_of(root: XmlNode, rows: Iterable[tuple[str | None, ...]]) -> Page:
    """A page of ListObjectsV2, whose rows have the fields `LISTED`.

    Its token is in a form that no other text has.
    """
    decode = _decoder(root)
    page = Page()
    add = page.objects.append
    with _whole_rows():
        for key, size, etag, modified, storage_class in rows:
            if key is None or size is None:
                raise KeyError("Key" if key is None else "Size")
            if "%" in key or "+" in key:
                key = decode(key)
            info = ObjectInfo(key, int(size), etag_of(etag), iso_time(modified))
            if info.size < 0:  # `_count`, spared a call for each of a thousand rows
                raise ValueError(size)
            info.storage_class = storage_class
            add(info)
        page.prefixes = [decode(row["Prefix"]) for row in root.rows("CommonPrefixes")]
    if _more(root):
        page.token = page_token(_CONTINUES + required(root, "NextContinuationToken"))
    return page


def part_page(root: XmlNode) -> PartPage:
    """A page of ListParts."""
    page = PartPage()
    with _whole_rows():
        for row in root.rows("Part"):
            checksums = _part_checksums(row.get("ChecksumCRC32"))
            etag = etag_of(row["ETag"]) or ""
            page.parts.append(Part(_count(row["PartNumber"]), etag, _count(row["Size"]), checksums))
    if _more(root):
        page.token = page_token(required(root, "NextPartNumberMarker"))
    return page


def part_count(etag: str) -> int:
    """Of how many parts an object is, by its ETag: ``…-4``; 0 where it was written at once.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
    """
    found = _PARTS.match(etag)
    return 0 if found is None else int(found[1])


def part_size(answer: Response, size: int, count: int) -> int | None:
    """The size of all of `count` parts but the last, by the answer to a HEAD for the first one.

    Such an answer is a 206 of the part's length, with the number of parts (HeadObject, ``partNumber``
    and ``x-amz-mp-parts-count``). Some services answer of the whole instead: then it is the likely one.
    """
    if answer.status != PARTIAL_CONTENT:
        return likely_part_size(size, count)
    first = stated_length(answer)
    if first < 1 or answer.headers.get("x-amz-mp-parts-count", str(count)) != str(count):
        return None
    return first if -(-size // first) == count else None


def likely_part_size(size: int, count: int) -> int | None:
    """The one whole number of MiB, not under S3's minimum, that makes `count` parts of `size` bytes;
    None where there are several, or none. Clients cut at such."""
    least = -(-size // count)
    likely = max(S3_MIN_PART_SIZE, -(-least // MIB) * MIB)
    is_only_one = -(-size // likely) == count > -(-size // (likely + MIB))
    return likely if is_only_one else None


def upload_page(root: XmlNode, vendor: str, bucket: str) -> UploadPage:
    """A page of ListMultipartUploads."""
    decode = _decoder(root)
    page = UploadPage()
    with _whole_rows():
        for row in root.rows("Upload"):
            ref = UploadRef(vendor, bucket, decode(row["Key"]), row["UploadId"])
            page.uploads.append(UploadInfo(ref, iso_time(row.get("Initiated"))))
    if _more(root):
        markers = [decode(required(root, "NextKeyMarker")), root.text("NextUploadIdMarker")]
        page.token = page_token(json.dumps(markers))
    return page
