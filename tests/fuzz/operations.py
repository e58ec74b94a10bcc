"""What a client asks of a hostile server, and what must hold of whatever comes back.

An input is a letter, which says what is asked, and the answers, one a connection, with `NEXT` between
them; the last one is given again as long as the client asks.
"""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

from cloudstore import RetryPolicy, S3Config, Store, UploadRef
from cloudstore.config import Secret
from cloudstore.errors import CloudStoreError
from cloudstore.model import Part
from cloudstore.object import Object
from cloudstore.providers.s3 import S3Driver

__all__ = [
    "FRAGMENTS",
    "MAX_CONNECTIONS",
    "NEXT",
    "RETRY",
    "SEEDS",
    "ask",
    "check_error",
    "driver",
    "split_input",
]

NEXT = b"\n====\n"
WHOLE = b"<all>"
"""Stands for the length of an answer's body."""
SECRET = "a-very-secret-key"
MAX_CONNECTIONS = 60
"""More than any of the operations needs: who goes on asking is led on for ever."""
MAX_TEXT = 4000
"""Characters of an error: what a server says is cut."""
RETRY = RetryPolicy(attempts=2, base_delay=0.0, max_delay=0.0, max_retry_after=0.0)
BUCKET, KEY = "bucket", "a/b c"
LARGE = bytes(100 * 1024)
"""Is sent in pieces, with an ear for what the server says meanwhile."""
VERY_LARGE = bytes(1024 * 1024 + 1)
"""Waits for the server's word (100) before it is sent."""

Operation = Callable[[Store], Any]


def _read(store: Store, **options: Any) -> bytes:
    with store.get_object(BUCKET, KEY, **options) as found:
        _check_object(found)
        content = found.read()
        if not options:
            assert len(content) == found.size
    return content


def _read_in_pieces(store: Store) -> list[int]:
    with store.get_object(BUCKET, KEY) as found:
        pieces = list(found.iter_chunks(1000))
        assert sum(map(len, pieces)) == found.size
        assert all(len(piece) <= 1000 for piece in pieces)
        return [found.size]


def _head(store: Store) -> tuple[Any, ...]:
    found = store.head_object(BUCKET, KEY)
    _check_object(found)
    # Who writes back what was read must be able to.
    for value in found.metadata.values():
        assert isinstance(value, str)
    return found.size, found.etag, found.last_modified, found.metadata, found.checksums


def _list(store: Store) -> list[str]:
    found = store.get_all_objects(BUCKET, delimiter="/")
    for item in found:
        if isinstance(item, Object):
            _check_object(item)
    return [repr(item) for item in found]


def _list_page(store: Store) -> tuple[int, str | None]:
    page = store.get_all_objects(BUCKET, prefix="a", max_keys=10, start_after="a/b", delimiter="/")
    return len(page), page.marker


def _multipart(store: Store) -> Any:
    upload = store.create_multipart_upload(BUCKET, KEY, metadata={"a": "é"})
    upload.upload_part(1, b"x" * 100)
    return upload.complete()


def _parts(store: Store) -> list[int]:
    upload = store.resume_multipart_upload(UploadRef("s3", BUCKET, KEY, "id"))
    return [part.size for part in upload.list_parts()]


def _complete(store: Store) -> Any:
    upload = store.resume_multipart_upload(UploadRef("s3", BUCKET, KEY, "id"))
    return upload.complete([Part(1, "etag", 100)])


def _write(store: Store) -> Any:
    with store.open_writer(BUCKET, KEY) as writer:
        writer.write(b"x" * 100)
    return None


def _download(store: Store) -> int:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "file")
        try:
            store.get_object_to_file(BUCKET, KEY, path)
        except CloudStoreError:
            assert list(Path(folder).iterdir()) == [], "half of a file was left"
            raise
        return path.stat().st_size


OPERATIONS: Mapping[str, Operation] = MappingProxyType(
    {
        "g": _read,
        "r": lambda store: _read(store, start=2, end=7),
        "s": lambda store: _read(store, start=-3),
        "i": _read_in_pieces,
        "h": _head,
        "e": lambda store: store.object_exists(BUCKET, KEY),
        "m": lambda store: store.get_metadata(BUCKET, KEY),
        "M": lambda store: store.set_metadata(BUCKET, KEY, {"a": "b"}),
        "p": lambda store: store.create_object(BUCKET, KEY, b"hello"),
        "P": lambda store: store.create_object(BUCKET, KEY, b"hello", if_absent=True).etag,
        "z": lambda store: store.create_object(BUCKET, KEY, LARGE).etag,
        "Z": lambda store: store.create_object(BUCKET, KEY, VERY_LARGE).etag,
        "f": _download,
        "v": lambda store: store.move_object(BUCKET, KEY, BUCKET, "other"),
        "w": _write,
        "d": lambda store: store.delete_object(BUCKET, KEY),
        "D": lambda store: store.delete_objects(BUCKET, ["a", "b", "c"]),
        "l": _list,
        "L": _list_page,
        "c": lambda store: store.copy_object(BUCKET, KEY, BUCKET, "other"),
        "u": _multipart,
        "q": _parts,
        "C": _complete,
        "U": lambda store: list(store.list_multipart_uploads(BUCKET)),
        "A": lambda store: store.abort_stale_uploads(BUCKET, older_than=timedelta(days=1)),
        "b": lambda store: store.create_bucket(BUCKET),
        "B": lambda store: [bucket.name for bucket in store.get_all_buckets()],
        "x": lambda store: store.bucket_exists(BUCKET),
        "F": lambda store: store.delete_bucket(BUCKET, force=True),
    }
)


def _check_object(found: Object) -> None:
    assert isinstance(found.size, int)
    assert found.size >= 0
    assert found.etag is None or found.etag
    assert found.last_modified is None or found.last_modified.tzinfo is not None


def driver(endpoint: str, preset: str = "aws") -> S3Driver:
    """A driver of a hostile service."""
    return S3Config(
        access_key="AKID",
        secret_key=Secret(SECRET),
        endpoint=endpoint,
        region="us-east-1",
        preset=preset,
        addressing="path",
        conditional_writes=True,
    ).create_driver()


def split_input(data: bytes) -> tuple[str, list[bytes]]:
    """What is asked, and the answers."""
    letters = list(OPERATIONS)
    letter = chr(data[0]) if data else ""
    if letter not in OPERATIONS:
        letter = letters[data[0] % len(letters)] if data else letters[0]
    return letter, [_framed(answer) for answer in data[1:].split(NEXT)]


def _framed(answer: bytes) -> bytes:
    """An answer that says `WHOLE` has its true length, whatever was changed in its body."""
    before, found, after = answer.partition(WHOLE)
    if not found:
        return answer
    return before + b"%d" % len(after.partition(b"\r\n\r\n")[2]) + after


def ask(store: Store, letter: str) -> Any:
    """Does one operation; its result in a form that two engines can be compared by."""
    try:
        return OPERATIONS[letter](store)
    except CloudStoreError as exc:
        check_error(exc)
        raise


def check_error(error: CloudStoreError) -> None:
    """What holds of each error, whatever a server has said."""
    text = f"{error} {error!r}"
    assert SECRET not in text
    assert len(text) < MAX_TEXT, f"an error of {len(text)} characters"
    assert error.outcome in ("not_applied", "unknown")
    assert type(pickle.loads(pickle.dumps(error))) is type(error)


def http(
    status: str, body: bytes | str = b"", *headers: str, framing: str = "content-length: <all>"
) -> bytes:
    """An answer."""
    content = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status}", *headers]
    if framing:
        lines.append(framing)
    return "\r\n".join([*lines, "", ""]).encode() + content


def _input(letter: str, *answers: bytes) -> bytes:
    return letter.encode() + NEXT.join(answers)


def _each(letters: Iterable[str], *answers: bytes) -> list[bytes]:
    return [_input(letter, *answers) for letter in letters]


XMLNS = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
XML_HEADER = '<?xml version="1.0" encoding="UTF-8"?>\n'
_DATES = "last-modified: Wed, 21 Oct 2015 07:28:00 GMT"
_OBJECT = (
    'etag: "5eb63bbbe01eeed093cb22bb8f5acdc3"',
    _DATES,
    "x-amz-meta-a: =?UTF-8?B?w6k=?=",
    "x-amz-meta-b: =?iso-8859-1*de?Q?a=20b=E9?=",
    "x-amz-version-id: v1",
    "content-type: text/plain",
)
_CRC32 = "x-amz-checksum-crc32: DUoRhQ=="
OBJECT = http("200 OK", b"hello world", *_OBJECT, _CRC32, "x-amz-checksum-type: FULL_OBJECT")
BROKEN = http("200 OK", b"hello w", *_OBJECT, _CRC32, framing="content-length: 11")
PART = http("206 Partial Content", b"llo w", "content-range: bytes 2-6/11", *_OBJECT)
TAIL = http("206 Partial Content", b"rld", "content-range: bytes 8-10/11", *_OBJECT)
HEAD = http("200 OK", b"", *_OBJECT, _CRC32, framing="content-length: 11")
WRITTEN = http("200 OK", b"", *_OBJECT, _CRC32)
NOTHING = http("204 No Content", b"", framing="")


def error_answer(status: str, code: str, *headers: str) -> bytes:
    """An error as S3 says it."""
    fields = f"<Code>{code}</Code><Message>no &#0; such</Message><Region>eu-west-1</Region>"
    body = f"{XML_HEADER}<Error>{fields}<RequestId>r1</RequestId></Error>"
    return http(status, body, "x-amz-request-id: r1", *headers)


LISTED = (
    "<Contents><Key>a%2Fb+c</Key><LastModified>2009-10-12T17:50:30.000Z</LastModified>"
    "<ETag>&quot;e&quot;</ETag><Size>11</Size><StorageClass>STANDARD</StorageClass></Contents>"
    "<CommonPrefixes><Prefix>a/</Prefix></CommonPrefixes>"
)


def _page(inner: str, token: str = "") -> bytes:
    more = (
        f"<IsTruncated>true</IsTruncated><NextContinuationToken>{token}</NextContinuationToken>"
        if token
        else "<IsTruncated>false</IsTruncated>"
    )
    body = f"<ListBucketResult {XMLNS}><EncodingType>url</EncodingType>{more}{inner}</ListBucketResult>"
    return http("200 OK", XML_HEADER + body)


_UPLOAD = (
    "<Upload><Key>a</Key><UploadId>id</UploadId><Initiated>2009-10-12T17:50:30Z</Initiated></Upload>"
)
_PARTS = (
    "<Part><PartNumber>1</PartNumber><ETag>e</ETag><Size>5</Size>"
    "<ChecksumCRC32>DUoRhQ==</ChecksumCRC32></Part>"
)


def _chunked(body: str) -> bytes:
    half = len(body) // 2
    chunks = "".join(f"{len(part):x}\r\n{part}\r\n" for part in (body[:half], body[half:], ""))
    return http("200 OK", chunks, framing="transfer-encoding: chunked")


def _xml(name: str, inner: str) -> bytes:
    return http("200 OK", f"{XML_HEADER}<{name} {XMLNS}>{inner}</{name}>")


_COPIED = _xml(
    "CopyObjectResult", "<LastModified>2009-10-12T17:50:30.000Z</LastModified><ETag>e</ETag>"
)
_UPLOADS = _xml("ListMultipartUploadsResult", f"<EncodingType>url</EncodingType>{_UPLOAD}")
SEEDS = [
    *_each("gif", OBJECT),
    _input("v", HEAD, _COPIED, NOTHING),
    *_each("zZ", WRITTEN),
    *_each("zZ", b"HTTP/1.1 100 Continue\r\n\r\n" + WRITTEN),
    _input("Z", http("417 Expectation Failed"), WRITTEN),
    *_each("zZ", error_answer("403 Forbidden", "AccessDenied", "connection: close")),
    _input("g", BROKEN, http("206 Partial Content", b"orld", "content-range: bytes 7-10/11", *_OBJECT)),
    _input("g", http("200 OK", b"hello", framing="content-length: 999999999999999")),
    _input("g", b"HTTP/1.1 100 Continue\r\n\r\n" + OBJECT),
    _input("r", PART),
    _input("s", TAIL),
    _input("s", error_answer("416 Range", "InvalidRange"), http("200 OK", b"", *_OBJECT)),
    *_each("hem", HEAD),
    _input("M", HEAD, _COPIED),
    *_each("pPw", WRITTEN),
    _input("P", error_answer("500 Error", "InternalError"), error_answer("412 No", "x"), HEAD),
    *_each("dxb", NOTHING),
    _input("b", error_answer("404 No", "NoSuchBucket"), http("200 OK")),
    _input("D", _xml("DeleteResult", "<Error><Key>a</Key><Code>AccessDenied</Code></Error>")),
    _input("D", _xml("DeleteResult", "")),
    _input("l", _page(LISTED)),
    _input("l", _page(LISTED, "t1"), _page(LISTED, "t2"), _page("")),
    _input("L", _page(LISTED, "t1")),
    _input("l", _chunked(f"<ListBucketResult {XMLNS}>{LISTED}</ListBucketResult>")),
    _input("c", _COPIED),
    _input("c", http("200 OK", f"{XML_HEADER}<Error><Code>SlowDown</Code></Error>")),
    _input(
        "u",
        _xml("InitiateMultipartUploadResult", "<UploadId>id</UploadId>"),
        WRITTEN,
        _xml("CompleteMultipartUploadResult", "<ETag>e-1</ETag>"),
    ),
    *_each("qC", _xml("ListPartsResult", f"<IsTruncated>false</IsTruncated>{_PARTS}")),
    _input("C", _xml("CompleteMultipartUploadResult", "<ETag>e-1</ETag>")),
    _input("U", _UPLOADS),
    _input("A", _UPLOADS, NOTHING),
    _input("F", _page(LISTED), _xml("DeleteResult", ""), _UPLOADS, NOTHING, NOTHING),
    _input(
        "B",
        _xml(
            "ListAllMyBucketsResult",
            "<Buckets><Bucket><Name>b</Name><CreationDate>2009-10-12T17:50:30Z</CreationDate></Bucket>"
            "</Buckets>",
        ),
    ),
    *_each("glphB", error_answer("404 Not Found", "NoSuchBucket")),
    *_each("gd", error_answer("503 Slow", "SlowDown", "Retry-After: 0")),
    *_each("glp", error_answer("301 Moved", "PermanentRedirect", "x-amz-bucket-region: eu-west-1")),
    *_each("hl", error_answer("400 Bad", "AuthorizationHeaderMalformed")),
]
FRAGMENTS = [
    *(NEXT, b"\r\n", b"\n", b"\0", b"\r\n\r\n", b"<", b">", b"&", b'"', b"-", b"/", b"%", b"*"),
    b"true",
    *(b"&#0;", b"&#xD800;", b"&lol;", b"<!DOCTYPE x>", b"<![CDATA[", b"]]>", b"]]", b"\xff"),
    b"\xc3\xa9",
    *(letter.encode() for letter in OPERATIONS),
    b"0" * 5000,
    b"9" * 5000,
    b"A" * 5000,
    b"999999999999999",
    b"18446744073709551615",
    b"-1",
    b"content-length: 999999999999999\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n" * 40,
    b"transfer-encoding: chunked\r\n",
    b"FFFFFFFFFFFFFFFF\r\n",
    b"connection: close\r\n",
    b"retry-after: 99999999999\r\n",
    b"retry-after: Wed, 21 Oct 2015 07:28:00 GMT\r\ndate: Wed, 21 Oct 2015 07:28:00 GMT\r\n",
    b"x-amz-bucket-region: evil.example/\r\n",
    b"x-amz-checksum-type: COMPOSITE\r\n",
    b"content-range: bytes 0-0/1\r\n",
    b"x-amz-meta-c: =?utf-7?Q?+2AA-?=\r\n",
    b"2009-10-12",
    b"0000-00-00T00:00:00Z",
    b"0001-01-01T00:00:00+23:59",
    b"<Size>-1</Size>",
    b"<Key></Key>",
    b"<IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>",
    b"<IsTruncated>true</IsTruncated><NextPartNumberMarker>1</NextPartNumberMarker>",
    b"<IsTruncated>true</IsTruncated><NextKeyMarker>k</NextKeyMarker>",
    b"<ContinuationToken>t</ContinuationToken>",
    b"<Error><Code>SlowDown</Code></Error>",
    b'encoding="utf-16"',
]
