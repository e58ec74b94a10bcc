"""AWS Signature Version 4 for S3, as pure functions of their arguments.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html. For S3 the
canonical URI is the path as it is sent: encoded once, never normalised. Callers keep the query sorted
and encoded as the canonical query wants it, so what is sent is what is signed.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from collections.abc import Iterable, Mapping
from typing import NamedTuple
from urllib.parse import quote

from .mac import Mac

__all__ = ["EMPTY_SHA256", "UNSIGNED_PAYLOAD", "Signer", "encode_path", "encode_query"]

ALGORITHM = "AWS4-HMAC-SHA256"
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
"""Stands for the digest of a body that TLS, or another checksum, protects."""

_PLAIN = re.compile(r"[A-Za-z0-9/._~-]*\Z")
_SPACES = re.compile(" {2,}")


def encode_path(key: str) -> str:
    """A key as it stands in a path: UTF-8, everything but ``A-Za-z0-9-_.~/`` percent-encoded."""
    return key if _PLAIN.match(key) else quote(key, safe="/-_.~")


def encode_query(pairs: Iterable[tuple[str, str]], *, in_order: bool = False) -> str:
    """A query as it is sent and signed: encoded, sorted, with ``=`` also where there is no value.

    Args:
        in_order: the order is kept, where it is not SigV4 that signs.
    """
    encoded = [(quote(n, safe="-_.~"), quote(v, safe="-_.~")) for n, v in pairs]
    return "&".join([f"{n}={v}" for n, v in (encoded if in_order else sorted(encoded))])


class _Moment(NamedTuple):
    """What all signatures of one second share."""

    second: int
    timestamp: str
    scope: str
    mac: Mac


class Signer:
    """Signs for one access key, region and service. Derives its key once a day.

    Any number of threads may use it: what it remembers is replaced whole.
    """

    __slots__ = ("_access_key", "_moment", "_region", "_secret", "_service", "_token")

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
        self._moment = _Moment(-1, "", "", Mac(b"", hashlib.sha256))

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
        moment = self._at(now)
        signed = dict(headers)
        signed["x-amz-content-sha256"] = payload_sha256
        signed["x-amz-date"] = moment.timestamp
        if self._token is not None:
            signed["x-amz-security-token"] = self._token
        names = sorted(signed)
        listed = ";".join(names)
        canonical = f"{method}\n{path}\n{query}\n{_lines(names, signed)}\n{listed}\n{payload_sha256}"
        signed["authorization"] = (
            f"{ALGORITHM} Credential={self._access_key}/{moment.scope}, "
            f"SignedHeaders={listed}, Signature={_signature(moment, canonical)}"
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
        moment = self._at(now)
        names = sorted(headers)
        all_pairs = [
            *pairs,
            ("X-Amz-Algorithm", ALGORITHM),
            ("X-Amz-Credential", f"{self._access_key}/{moment.scope}"),
            ("X-Amz-Date", moment.timestamp),
            ("X-Amz-Expires", str(expires_in)),
            ("X-Amz-SignedHeaders", ";".join(names)),
        ]
        if self._token is not None:
            all_pairs.append(("X-Amz-Security-Token", self._token))
        query = encode_query(all_pairs)
        lines = _lines(names, headers)
        canonical = f"{method}\n{path}\n{query}\n{lines}\n{';'.join(names)}\n{UNSIGNED_PAYLOAD}"
        return f"{query}&X-Amz-Signature={_signature(moment, canonical)}"

    def sign_policy(self, policy_base64: str, now: float) -> dict[str, str]:
        """The form fields that sign a POST policy, which holds `policy_fields` as conditions."""
        return {"x-amz-signature": self._at(now).mac.hexdigest(policy_base64.encode())}

    def policy_fields(self, now: float) -> dict[str, str]:
        """The form fields that a POST policy must state as conditions."""
        moment = self._at(now)
        fields = {
            "x-amz-algorithm": ALGORITHM,
            "x-amz-credential": f"{self._access_key}/{moment.scope}",
            "x-amz-date": moment.timestamp,
        }
        if self._token is not None:
            fields["x-amz-security-token"] = self._token
        return fields

    def _at(self, now: float) -> _Moment:
        """What holds at this time; mostly that of the last signature."""
        second, known = int(now), self._moment
        if known.second == second:
            return known
        timestamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))
        scope = f"{timestamp[:8]}/{self._region}/{self._service}/aws4_request"
        mac = known.mac if known.scope == scope else Mac(self._key(timestamp[:8]), hashlib.sha256)
        moment = self._moment = _Moment(second, timestamp, scope, mac)
        return moment

    def _key(self, day: str) -> bytes:
        key = f"AWS4{self._secret}".encode()
        for part in (day, self._region, self._service, "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        return key


def _signature(moment: _Moment, canonical: str) -> str:
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = f"{ALGORITHM}\n{moment.timestamp}\n{moment.scope}\n{digest}"
    return moment.mac.hexdigest(to_sign.encode())


def _lines(names: list[str], headers: Mapping[str, str]) -> str:
    """The canonical headers: a value without outer space, inner runs of spaces as one."""
    lines = "".join([f"{name}:{headers[name]}\n" for name in names])
    if not (" \n" in lines or "  " in lines or ": " in lines or "\t" in lines):
        return lines  # as nearly always: looking for each of these costs next to nothing
    trimmed = ((name, _SPACES.sub(" ", headers[name].strip(" \t"))) for name in names)
    return "".join([f"{name}:{value}\n" for name, value in trimmed])
