"""The examples of S3's own documentation, and botocore's signer on requests of ours."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import pytest

from cloudstore.wire.sigv4 import EMPTY_SHA256, Signer, encode_path, encode_query

ACCESS_KEY, SECRET_KEY = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
NOW = 1369353600.0
"""20130524T000000Z"""
HOST = {"host": "examplebucket.s3.amazonaws.com"}
TEXT = hashlib.sha256(b"Welcome to Amazon S3.").hexdigest()


# https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
@pytest.mark.parametrize(
    ("method", "key", "query", "headers", "digest", "signature"),
    [
        (
            "GET",
            "test.txt",
            "",
            {"range": "bytes=0-9"},
            EMPTY_SHA256,
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        ),
        (
            "PUT",
            "test$file.text",
            "",
            {"date": "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY"},
            TEXT,
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        ),
        (
            "GET",
            "",
            encode_query([("lifecycle", "")]),
            {},
            EMPTY_SHA256,
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
        ),
        (
            "GET",
            "",
            encode_query([("prefix", "J"), ("max-keys", "2")]),
            {},
            EMPTY_SHA256,
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        ),
    ],
    ids=["get_object", "put_object", "get_lifecycle", "list_objects"],
)
def test_documented_signature_in_headers(
    method: str, key: str, query: str, headers: Mapping[str, str], digest: str, signature: str
) -> None:
    signer = Signer(ACCESS_KEY, SECRET_KEY, "us-east-1")
    path = "/" + encode_path(key)
    signed = signer.sign_headers(method, path, query, {**HOST, **headers}, digest, NOW)
    assert signed["authorization"].endswith(f"Signature={signature}")
    assert f"Credential={ACCESS_KEY}/20130524/us-east-1/s3/aws4_request" in signed["authorization"]


def test_documented_signature_in_a_query() -> None:
    # https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
    signer = Signer(ACCESS_KEY, SECRET_KEY, "us-east-1")
    query = signer.sign_query("GET", "/test.txt", [], HOST, 86400, NOW)
    signature = "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    assert query.endswith(f"X-Amz-Signature={signature}")


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("a b", "a%20b"),
        ("a+b", "a%2Bb"),
        ("a%2Fb", "a%252Fb"),
        ("a//b/../c/.", "a//b/../c/."),
        ("ä/🌍", "%C3%A4/%F0%9F%8C%8D"),
        ("~-_.", "~-_."),
        ("\n\x7f*'()!", "%0A%7F%2A%27%28%29%21"),
    ],
)
def test_key_is_encoded_once_and_never_normalised(key: str, path: str) -> None:
    assert encode_path(key) == path


def test_query_is_sorted_after_it_is_encoded() -> None:
    assert encode_query([("b", "2"), ("a ", ""), ("a", "ä&"), ("a", "=")]) == (
        "a=%3D&a=%C3%A4%26&a%20=&b=2"
    )
