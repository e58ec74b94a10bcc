"""The examples of Qiniu's own documentation, and the SDK's signer on the same input by chance."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from importlib import import_module
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudstore.wire.qiniu_signing import FORM_TYPE, Signer, encoded_entry, urlsafe

ACCESS_KEY, SECRET_KEY = "MY_ACCESS_KEY", "MY_SECRET_KEY"
SIGNER = Signer(ACCESS_KEY, SECRET_KEY)
NOW = datetime(2006, 1, 2, 15, 4, 5, tzinfo=UTC).timestamp()

sdk_auth: Any = import_module("qiniu.auth")
sdk_utils: Any = import_module("qiniu.utils")

TEXT = st.text(st.characters(codec="utf-8"), max_size=40)
KEYS = st.text("abcdefABCDEF0123456789_-", min_size=1, max_size=40)


def test_management_token_of_the_documentation() -> None:
    """https://developer.qiniu.com/kodo/1201/access-token, of the older form."""
    path = "/move/bmV3ZG9jczpmaW5kX21hbi50eHQ=/bmV3ZG9jczpmaW5kLm1hbi50eHQ="
    signed = SIGNER.manage_by_path(path)["authorization"]
    assert signed == f"QBox {ACCESS_KEY}:FXsYh0wKHYPEsIAgdPD9OfjkeEM="


def test_upload_token_of_the_documentation() -> None:
    """https://developer.qiniu.com/kodo/1208/upload-token."""
    policy = {
        "scope": "my-bucket:sunflower.jpg",
        "deadline": 1451491200,
        "returnBody": '{"name":$(fname),"size":$(fsize),"w":$(imageInfo.width),"h":$(imageInfo.height),'
        '"hash":$(etag)}',
    }
    access, code, encoded = SIGNER.upload_token(policy).split(":")
    assert (access, code) == (ACCESS_KEY, "wQ4ofysef1R7IKnrziqtomqyDvI=")
    assert encoded.startswith(
        "eyJzY29wZSI6Im15LWJ1Y2tldDpzdW5mbG93ZXIuanBnIiwiZGVhZGxpbmUiOjE0NTE0OTEyMDAs"
    )


def test_download_url_of_the_documentation() -> None:
    """https://developer.qiniu.com/kodo/1202/download-token; older copies of it have another."""
    query = SIGNER.download_query(
        "http://78re52.com1.z0.glb.clouddn.com/resource/flower.jpg", "", 1451491200
    )
    assert query == f"e=1451491200&token={ACCESS_KEY}:438dd8pXocjYuF-6dTcKMtETB2g="


def test_nothing_is_shown() -> None:
    assert SECRET_KEY not in repr(SIGNER)
    assert SECRET_KEY not in str(vars(type(SIGNER)))


@settings(max_examples=200, deadline=None)
@given(
    KEYS,
    KEYS,
    st.sampled_from(["GET", "POST"]),
    TEXT,
    TEXT,
    st.sampled_from([FORM_TYPE, "application/json", "application/octet-stream"]),
    st.binary(max_size=50),
    st.integers(0, 2**33),
)
def test_management_is_signed_as_by_the_sdk(
    access: str, secret: str, method: str, path: str, query: str, kind: str, body: bytes, now: int
) -> None:
    target = f"/{quote(path)}" + (f"?q={quote(query, safe='')}" if query else "")
    ours = Signer(access, secret).manage(method, "rs-z0.qiniuapi.com", target, kind, body, now)
    try:
        text = body.decode()
    except UnicodeDecodeError:
        text, body = "", b""
        ours = Signer(access, secret).manage(method, "rs-z0.qiniuapi.com", target, kind, body, now)
    mac = sdk_auth.QiniuMacAuth(access, secret)
    dated = mac.qiniu_headers({"X-Qiniu-Date": ours["x-qiniu-date"]})
    url = f"https://rs-z0.qiniuapi.com{target}"
    theirs = mac.token_of_request(method, None, url, dated, kind, text)
    assert ours["authorization"] == f"Qiniu {theirs}"
    assert ours["x-qiniu-date"] == datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")


@settings(max_examples=200, deadline=None)
@given(KEYS, KEYS, TEXT.filter(bool), TEXT, st.integers(0, 2**33))
def test_tokens_are_those_of_the_sdk(
    access: str, secret: str, bucket: str, key: str, deadline: int
) -> None:
    ours, theirs = Signer(access, secret), sdk_auth.Auth(access, secret)
    policy = {"scope": f"{bucket}:{key}", "deadline": deadline, "insertOnly": 1}
    text = json.dumps(policy, separators=(",", ":"))
    assert ours.upload_token(policy) == theirs.token_with_data(text)
    url = f"http://domain.example/{quote(key)}"
    signed = theirs.token(f"{url}?a=1&e={deadline}")
    assert ours.download_query(url, "a=1", deadline) == f"a=1&e={deadline}&token={signed}"
    assert encoded_entry(bucket, key) == sdk_utils.entry(bucket, key)
    assert urlsafe(key.encode()) == sdk_utils.urlsafe_base64_encode(key)
    path = f"/v2/tune/{quote(key)}"
    assert ours.manage_by_path(path)["authorization"] == (
        f"QBox {theirs.token_of_request(f'http://h{path}')}"
    )


@pytest.mark.parametrize("size", [0, 1, 4 * 1024 * 1024, 4 * 1024 * 1024 + 1])
def test_sha1_of_a_hash_is_there_for_one_block_only(size: int, tmp_path: Any) -> None:
    import hashlib

    from cloudstore.providers.qiniu_messages import sha1_of

    data = b"x" * size
    (tmp_path / "data").write_bytes(data)
    etag = sdk_utils.etag(str(tmp_path / "data"))
    wanted = {"sha1": hashlib.sha1(data).hexdigest()} if size <= 4 * 1024 * 1024 else {}
    assert sha1_of(etag, size) == wanted
    assert sha1_of(etag, 4 * 1024 * 1024 + 1) == {}
    assert sha1_of("no hash", size) == sha1_of(None, size) == sha1_of("é", size) == {}
