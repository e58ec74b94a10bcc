"""Presigned requests, sent over real HTTP by somebody who has no credentials."""

from __future__ import annotations

import http.client
import time
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest

from ...errors import InvalidArgumentError, UnsupportedError
from ...model import PresignedRequest
from ...store import Store
from .account import Account, RecordingDriver
from .base import ConformanceTests, needs
from .weird_keys import WEIRD_KEYS

__all__ = ["PresigningTests"]

REFUSED = (401, 403)
"""What a vendor answers to a signature that is wrong or has expired (Swift: 401, others: 403)."""
PATIENCE = 60.0
"""Seconds in which a request that lives for one second must have expired."""


def send(
    request: PresignedRequest,
    body: bytes | None = None,
    *,
    method: str | None = None,
    url: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> tuple[int, Mapping[str, str], bytes]:
    """Sends a presigned request as it is, or with something changed: status, headers, body."""
    parts = urlsplit(url or request.url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=PATIENCE)
    try:
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        sent = dict(request.headers if headers is None else headers)
        connection.request(method or request.method, target, body, sent)
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def send_form(
    request: PresignedRequest, data: bytes, **changed: str
) -> tuple[int, Mapping[str, str], bytes]:
    """Sends a form upload as a browser does: the fields, then the file."""
    boundary = uuid.uuid4().hex
    lines = b""
    for name, value in {**request.fields, **changed}.items():
        lines += (
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        ).encode()
    lines += (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    ).encode()
    body = lines + data + f"\r\n--{boundary}--\r\n".encode()
    headers = {**request.headers, "Content-Type": f"multipart/form-data; boundary={boundary}"}
    return send(request, body, headers=headers)


class PresigningTests(ConformanceTests):
    """Presigned requests."""

    @pytest.fixture(autouse=True)
    def _served(self, account: Account, request: pytest.FixtureRequest) -> None:
        if "presign" in request.node.name:
            account.serve()

    @needs("presign_get")
    def test_presigned_get(self, store: Store, bucket: str) -> None:
        store.create_object(bucket, "a b/ä.txt", b"data", content_type="text/csv")
        request = store.presign(bucket, "a b/ä.txt")
        assert request.method == "GET"
        status, headers, body = send(request)
        assert (status, body) == (200, b"data")
        assert headers["content-type"] == "text/csv"

    @needs("presign_get")
    def test_presigned_get_of_a_missing_object(self, store: Store, bucket: str) -> None:
        status, _, _ = send(store.presign(bucket, "missing"))
        assert status == 404

    @needs("presign_get")
    def test_presigned_get_with_a_content_disposition(self, store: Store, bucket: str) -> None:
        store.create_object(bucket, "k", b"data")
        disposition = 'attachment; filename="report.csv"'
        status, headers, _ = send(store.presign(bucket, "k", content_disposition=disposition))
        assert status == 200
        shown = headers["content-disposition"]
        # RFC 6266 §4.3: the same name once more, in a form for names that are not ASCII.
        assert shown in (disposition, f"{disposition}; filename*=utf-8''report.csv")

    @needs("presign_get")
    @pytest.mark.parametrize("name", WEIRD_KEYS)
    def test_presigned_get_of_a_weird_key(
        self, store: Store, account: Account, bucket: str, name: str
    ) -> None:
        key = WEIRD_KEYS[name]
        if account.driver.key_rule.refusal(key) is not None:
            key = "plain"
        store.create_object(bucket, key, key)
        status, _, body = send(store.presign(bucket, key))
        assert (status, body) == (200, key.encode())

    @needs("presign_put")
    def test_presigned_put(self, store: Store, bucket: str) -> None:
        request = store.presign(bucket, "a/ä", "PUT")
        assert request.method == "PUT"
        status, _, _ = send(request, b"data")
        assert 200 <= status < 300
        assert store.get_object(bucket, "a/ä").read() == b"data"

    @needs("presign_put")
    def test_presigned_put_with_a_content_type(self, store: Store, bucket: str) -> None:
        request = store.presign(bucket, "k", "PUT", content_type="image/png")
        assert {k.lower(): v for k, v in request.headers.items()}["content-type"] == "image/png"
        status, _, _ = send(request, b"data", headers={**request.headers, "Content-Type": "text/html"})
        assert status in REFUSED, "another content type than the signed one was taken"
        assert store.object_exists(bucket, "k") is False
        status, _, _ = send(request, b"data")
        assert 200 <= status < 300
        assert store.head_object(bucket, "k").content_type == "image/png"

    @needs("presign_delete")
    def test_presigned_delete(self, store: Store, bucket: str) -> None:
        store.create_object(bucket, "k", b"data")
        status, _, _ = send(store.presign(bucket, "k", "DELETE"))
        assert 200 <= status < 300
        assert store.object_exists(bucket, "k") is False

    @needs("presign_post")
    def test_presigned_post(self, store: Store, account: Account, bucket: str) -> None:
        request = store.presign_post(bucket, "a/ä", **self._typed(account))
        assert request.method == "POST"
        status, _, _ = send_form(request, b"da\r\nta\r\n")
        assert 200 <= status < 400
        found = store.get_object(bucket, "a/ä")
        assert found.read() == b"da\r\nta\r\n"
        fixed = account.harness.form_fixes_type
        assert found.content_type == ("image/png" if fixed else "application/octet-stream")

    @staticmethod
    def _typed(account: Account) -> dict[str, Any]:
        return {"content_type": "image/png"} if account.harness.form_fixes_type else {}

    @needs("presign_post")
    def test_presigned_post_fixes_the_content_type_or_refuses_to(
        self, store: Store, account: Account, bucket: str
    ) -> None:
        assert store.presign_post(bucket, "k").fields
        if not account.harness.form_fixes_type:
            with pytest.raises(UnsupportedError):
                store.presign_post(bucket, "k", content_type="image/png")
            return
        request = store.presign_post(bucket, "k", content_type="image/png")
        assert send_form(request, b"x", **{"Content-Type": "text/html"})[0] >= 400
        assert store.get_all_objects(bucket) == []

    @needs("presign_post")
    def test_presigned_post_that_is_changed_or_too_large_is_refused(
        self, store: Store, account: Account, bucket: str
    ) -> None:
        request = store.presign_post(bucket, "k", max_size=10, **self._typed(account))
        assert send_form(request, b"x" * 11)[0] >= 400, "the file is larger than was signed"
        assert send_form(request, b"x", key="other")[0] >= 400, "another key was taken"
        assert store.get_all_objects(bucket) == []
        assert send_form(request, b"x" * 10)[0] < 400

    @needs("presign_get")
    def test_presigned_request_expires(self, store: Store, bucket: str) -> None:
        store.create_object(bucket, "k", b"data")
        request = store.presign(bucket, "k", expires_in=timedelta(seconds=1))
        end = time.monotonic() + PATIENCE
        status = 200
        while status == 200 and time.monotonic() < end:
            status = send(request)[0]
            time.sleep(0.05)
        assert status in REFUSED

    @needs("presign_put")
    def test_presigned_upload_expires(self, store: Store, bucket: str) -> None:
        request = store.presign(bucket, "k", "PUT", expires_in=1)
        end = time.monotonic() + PATIENCE
        while datetime.now(UTC) <= request.expires_at and time.monotonic() < end:
            time.sleep(0.05)
        assert send(request, b"data")[0] in REFUSED
        assert store.object_exists(bucket, "k") is False

    @needs("presign_get")
    def test_presigned_request_is_for_its_method_only(self, store: Store, bucket: str) -> None:
        store.create_object(bucket, "k", b"data")
        request = store.presign(bucket, "k")
        assert send(request, b"other", method="PUT")[0] in (*REFUSED, 405)
        assert send(request, method="DELETE")[0] in (*REFUSED, 405)
        if store.capabilities.presign_put:
            assert send(store.presign(bucket, "k", "PUT"), method="GET", headers={})[0] in REFUSED
        assert store.get_object(bucket, "k").read() == b"data"

    @needs("presign_get")
    def test_presigned_request_that_is_tampered_with_is_refused(
        self, store: Store, account: Account, bucket: str
    ) -> None:
        store.create_object(bucket, "k", b"data")
        store.create_object(bucket, "l", b"secret")
        request = store.presign(bucket, "k")
        address, _, query = request.url.partition("?")
        last = "0" if query[-1] != "0" else "1"
        assert send(request, url=f"{address}?{query[:-1]}{last}")[0] in REFUSED
        assert send(request, url=f"{address[:-1]}l?{query}")[0] in REFUSED
        status, _, body = send(request, url=address)
        assert status in account.harness.unsigned_statuses
        assert b"data" not in body

    @needs("presign_get")
    def test_presigned_request_tells_when_it_expires_and_hides_its_signature(
        self, store: Store, account: Account, bucket: str
    ) -> None:
        before = datetime.now(UTC)
        request = store.presign(bucket, "k", expires_in=600)
        assert request.expires_at.tzinfo is not None
        assert timedelta(0) < request.expires_at - before < timedelta(seconds=660)
        query = request.url.partition("?")[2]
        assert query
        assert query not in repr(request)
        assert not any(secret in request.url for secret in account.harness.secrets)

    @needs("presign_get")
    def test_presigned_request_of_a_handle(self, store: Store, bucket: str) -> None:
        store.create_object(bucket, "t/k", b"data")
        assert send(store.bucket(bucket, "t/").presign("k"))[2] == b"data"

    @pytest.mark.parametrize(
        "options",
        [
            {"method": "PATCH"},
            {"method": "get"},
            {"method": "POST"},
            {"expires_in": 0},
            {"expires_in": -1},
            {"expires_in": float("nan")},
            {"expires_in": "60"},
            {"expires_in": timedelta(days=4000)},
            {"content_type": "text/plain"},
            {"method": "PUT", "content_disposition": "inline"},
            {"method": "PUT", "content_type": "a\nb"},
        ],
        ids=str,
    )
    def test_impossible_presigning_is_refused(
        self, recorded: Store, recorder: RecordingDriver, bucket: str, options: Any
    ) -> None:
        with pytest.raises((InvalidArgumentError, UnsupportedError)):
            recorded.presign(bucket, "k", **options)
        assert recorder.calls == []
