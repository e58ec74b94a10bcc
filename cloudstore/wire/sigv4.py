"""AWS Signature Version 4 for S3, as pure functions of their arguments.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html. For S3 the
canonical URI is the path as it is sent: encoded once, never normalised. Callers keep the query sorted
and encoded as the canonical query wants it, so what is sent is what is signed.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Iterable, Mapping
from urllib.parse import quote

__all__ = ["EMPTY_SHA256", "UNSIGNED_PAYLOAD", "Signer", "encode_path", "encode_query"]

ALGORITHM = "AWS4-HMAC-SHA256"
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
"""Stands for the digest of a body that TLS, or another checksum, protects."""


def encode_path(key: str) -> str:
    """A key as it stands in a path: UTF-8, everything but ``A-Za-z0-9-_.~/`` percent-encoded."""
    return quote(key, safe="/-_.~")


def encode_query(pairs: Iterable[tuple[str, str]]) -> str:
    """A query as it is sent and signed: encoded, sorted, with ``=`` also where there is no value."""
    return "&".join(
        f"{name}={value}"
        for name, value in sorted((quote(n, safe="-_.~"), quote(v, safe="-_.~")) for n, v in pairs)
    )


class Signer:
    """Signs for one access key, region and service. Derives its key once a day.

    Any number of threads may use it: what it remembers is replaced whole.
    """

    __slots__ = ("_access_key", "_day", "_moment", "_region", "_secret", "_service", "_token")

    def __init__(
        self,
        access_key: str,
        secret_key: str,
        region: str,
        *,
        session_token: str | None = None,
        service: str = "s3",
    ) -> None:
        self._access_key = access_key
        self._secret = secret_key
        self._region = region
        self._service = service
        self._token = session_token
        self._day: tuple[str, bytes] = ("", b"")
        self._moment: tuple[int, str] = (-1, "")

    def sign_headers(
        self,
        method: str,
        path: str,
        query: str,
        headers: Mapping[str, str],
        payload_sha256: str,
        now: float,
    ) -> dict[str, str]:
        """The headers to send: the given ones, the date, the payload's digest and the signature.

        All headers are signed; the given ones include ``host`` and have names in lower case.
        """
        timestamp = self._timestamp(now)
        signed = dict(headers)
        signed["x-amz-content-sha256"] = payload_sha256
        signed["x-amz-date"] = timestamp
        if self._token is not None:
            signed["x-amz-security-token"] = self._token
        names = sorted(signed)
        lines = "".join([f"{name}:{_trim(signed[name])}\n" for name in names])
        listed = ";".join(names)
        canonical = f"{method}\n{path}\n{query}\n{lines}\n{listed}\n{payload_sha256}"
        scope, signature = self._signature(timestamp, canonical)
        signed["authorization"] = (
            f"{ALGORITHM} Credential={self._access_key}/{scope}, "
            f"SignedHeaders={listed}, Signature={signature}"
        )
        return signed

    def sign_query(
        self,
        method: str,
        path: str,
        pairs: Iterable[tuple[str, str]],
        headers: Mapping[str, str],
        expires_in: int,
        now: float,
    ) -> str:
        """The query of a presigned URL; `headers`, with ``host``, must be sent as they are."""
        timestamp = self._timestamp(now)
        names = sorted(headers)
        scope = f"{timestamp[:8]}/{self._region}/{self._service}/aws4_request"
        all_pairs = [
            *pairs,
            ("X-Amz-Algorithm", ALGORITHM),
            ("X-Amz-Credential", f"{self._access_key}/{scope}"),
            ("X-Amz-Date", timestamp),
            ("X-Amz-Expires", str(expires_in)),
            ("X-Amz-SignedHeaders", ";".join(names)),
        ]
        if self._token is not None:
            all_pairs.append(("X-Amz-Security-Token", self._token))
        query = encode_query(all_pairs)
        lines = "".join([f"{name}:{_trim(headers[name])}\n" for name in names])
        canonical = f"{method}\n{path}\n{query}\n{lines}\n{';'.join(names)}\n{UNSIGNED_PAYLOAD}"
        _, signature = self._signature(timestamp, canonical)
        return f"{query}&X-Amz-Signature={signature}"

    def sign_policy(self, policy_base64: str, now: float) -> dict[str, str]:
        """The form fields that sign a POST policy, which holds `policy_fields` as conditions."""
        timestamp = self._timestamp(now)
        key = self._key(timestamp[:8])
        return {"x-amz-signature": hmac.digest(key, policy_base64.encode(), "sha256").hex()}

    def policy_fields(self, now: float) -> dict[str, str]:
        """The form fields that a POST policy must state as conditions."""
        timestamp = self._timestamp(now)
        scope = f"{timestamp[:8]}/{self._region}/{self._service}/aws4_request"
        fields = {
            "x-amz-algorithm": ALGORITHM,
            "x-amz-credential": f"{self._access_key}/{scope}",
            "x-amz-date": timestamp,
        }
        if self._token is not None:
            fields["x-amz-security-token"] = self._token
        return fields

    def _signature(self, timestamp: str, canonical: str) -> tuple[str, str]:
        scope = f"{timestamp[:8]}/{self._region}/{self._service}/aws4_request"
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        to_sign = f"{ALGORITHM}\n{timestamp}\n{scope}\n{digest}"
        return scope, hmac.digest(self._key(timestamp[:8]), to_sign.encode(), "sha256").hex()

    def _key(self, day: str) -> bytes:
        known, key = self._day
        if known != day:
            key = f"AWS4{self._secret}".encode()
            for part in (day, self._region, self._service, "aws4_request"):
                key = hmac.digest(key, part.encode(), "sha256")
            self._day = (day, key)
        return key

    def _timestamp(self, now: float) -> str:
        second = int(now)
        known, text = self._moment
        if known != second:
            text = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))
            self._moment = (second, text)
        return text


def _trim(value: str) -> str:
    """A header's value as it is signed: without outer space, inner runs of spaces as one."""
    return " ".join(value.split()) if "  " in value else value.strip()
