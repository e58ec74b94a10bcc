"""S3's answers, as AWS gives them: path-style addressing, one bucket."""

from __future__ import annotations

import base64
import hashlib
import zlib
from urllib.parse import parse_qs

from benchmarks.workload import (
    BLOCK_SIZE,
    BUCKET,
    LARGE,
    LARGE_SIZE,
    LISTED,
    LISTED_KEYS,
    SMALL_SIZE,
    content,
)

from .base import MODIFIED, Answers, Large, answer, head, md5_of, range_of, split

__all__ = ["S3Answers"]

COMMON = (
    "x-amz-id-2: " + "0" * 76,
    "x-amz-request-id: 0123456789ABCDEF",
    "Server: AmazonS3",
)
LARGE_KEY = LARGE.encode()


class S3Answers(Answers):
    def __init__(self, url: str) -> None:
        small = content(SMALL_SIZE)
        block, large_crc32 = content(BLOCK_SIZE), 0
        for _ in range(LARGE_SIZE // BLOCK_SIZE):
            large_crc32 = zlib.crc32(block, large_crc32)
        self.small_head = object_head("200 OK", SMALL_SIZE, zlib.crc32(small))
        self.small = self.small_head + small
        self.large_head = object_head("200 OK", LARGE_SIZE, large_crc32)
        self.large = Large(self.large_head)
        self.written: dict[int | None, bytes] = {}
        self.deleted = head("204 No Content", 0, *COMMON)
        self.bucket = head("200 OK", 0, *COMMON, "x-amz-bucket-region: us-east-1")
        self.page = xml_answer("ListBucketResult", page())
        self.upload = xml_answer(
            "InitiateMultipartUploadResult",
            f"<Bucket>{BUCKET}</Bucket><Key>{LARGE}</Key><UploadId>0123456789abcdef</UploadId>",
        )
        self.completed = xml_answer(
            "CompleteMultipartUploadResult",
            f"<Location>{url}/{BUCKET}/{LARGE}</Location><Bucket>{BUCKET}</Bucket><Key>{LARGE}</Key>"
            "<ETag>&quot;0123456789abcdef0123456789abcdef-32&quot;</ETag>",
        )

    def get(self, target: bytes, request: bytes) -> bytes | Large:
        key = key_of(target)
        if not key:
            return self.page
        if key != LARGE_KEY:
            return self.small
        region = range_of(request)
        return self.large if region is None else Large(part_head(*region), *region)

    def head(self, target: bytes) -> bytes:
        key = key_of(target)
        if not key:
            return self.bucket
        return self.large_head if key == LARGE_KEY else self.small_head

    def delete(self, target: bytes) -> bytes:
        return self.deleted

    def write(self, method: bytes, target: bytes, size: int | None) -> bytes:
        if method == b"PUT":
            made = self.written.get(size)
            if made is None:
                made = self.written[size] = written(size)
            return made
        query = parse_qs(split(target)[1], keep_blank_values=True)
        return self.upload if b"uploads" in query else self.completed


def key_of(target: bytes) -> bytes:
    """What follows the bucket."""
    return split(target)[0][1:].partition(b"/")[2]


def written(size: int | None) -> bytes:
    """Without the size, the ETag is that of the small object."""
    etag = md5_of(SMALL_SIZE if size is None else size)
    return head(
        "200 OK",
        0,
        *COMMON,
        f'ETag: "{etag}"',
        "x-amz-server-side-encryption: AES256",
    )


def object_head(status: str, length: int, crc32: int | None, *fields: str) -> bytes:
    verified = []
    if crc32 is not None:
        checksum = base64.b64encode(crc32.to_bytes(4, "big")).decode()
        verified = [f"x-amz-checksum-crc32: {checksum}", "x-amz-checksum-type: FULL_OBJECT"]
    return head(
        status,
        length,
        *COMMON,
        f"Last-Modified: {MODIFIED}",
        'ETag: "0123456789abcdef0123456789abcdef"',
        "x-amz-server-side-encryption: AES256",
        *verified,
        "Accept-Ranges: bytes",
        "Content-Type: application/octet-stream",
        *fields,
    )


def part_head(start: int, end: int) -> bytes:
    """Of a range of the large object: as on AWS, without the checksum of the whole."""
    content_range = f"Content-Range: bytes {start}-{end - 1}/{LARGE_SIZE}"
    return object_head("206 Partial Content", end - start, None, content_range)


def xml_answer(name: str, inner: str) -> bytes:
    return answer(
        "200 OK",
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<{name} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{inner}</{name}>',
        *COMMON,
        "Content-Type: application/xml",
    )


def page() -> str:
    """The inside of a ListObjectsV2 answer, as AWS writes it today."""
    contents = "".join(
        f"<Contents><Key>{LISTED}{number:05}</Key><LastModified>2026-01-02T03:04:05.000Z</LastModified>"
        f"<ETag>&quot;{hashlib.md5(str(number).encode()).hexdigest()}&quot;</ETag>"
        "<ChecksumAlgorithm>CRC32</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType>"
        f"<Size>{SMALL_SIZE}</Size><StorageClass>STANDARD</StorageClass></Contents>"
        for number in range(LISTED_KEYS)
    )
    return (
        f"<Name>{BUCKET}</Name><Prefix>{LISTED}</Prefix><KeyCount>{LISTED_KEYS}</KeyCount>"
        f"<MaxKeys>{LISTED_KEYS}</MaxKeys><IsTruncated>false</IsTruncated>{contents}"
    )
