"""Qiniu's three kinds of signature, as pure functions of their arguments.

Management requests, upload tokens and download URLs, all by HMAC-SHA1 with the secret key. Sources:
https://developer.qiniu.com/kodo/1201/access-token, https://developer.qiniu.com/kodo/1208/upload-token,
https://developer.qiniu.com/kodo/1202/download-token, and the SDK's ``qiniu/auth.py``, which the tests
compare this with.
"""

from __future__ import annotations

import hashlib
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Mapping

from .mac import Mac

__all__ = ["FORM_TYPE", "Signer", "encoded_entry", "urlsafe"]

FORM_TYPE = "application/x-www-form-urlencoded"
"""What management requests say their body is, also where they have none (as the SDK does)."""
UNSIGNED_TYPE = "application/octet-stream"
"""A body of this type is not signed."""

_COMPACT = json.JSONEncoder(separators=(",", ":")).encode


def urlsafe(data: bytes) -> str:
    """Base64 for URLs, padded: https://developer.qiniu.com/kodo/1231/appendix."""
    return urlsafe_b64encode(data).decode("ascii")


def encoded_entry(bucket: str, key: str) -> str:
    """An object in a path: https://developer.qiniu.com/kodo/1276/data-format."""
    return urlsafe(f"{bucket}:{key}".encode())


class Signer:
    """Signs with one pair of keys; shows neither. Any number of threads may use it.

    Attributes:
        access_key: names the account; it stands in URLs and is no secret.
    """

    __slots__ = ("_mac", "_moment", "access_key")

    def __init__(self, access_key: str, secret_key: str) -> None:
        self.access_key = access_key
        self._mac = Mac(secret_key.encode(), hashlib.sha1)
        self._moment = (-1, "")  # the last second, written out; replaced whole

    def __repr__(self) -> str:
        return "<Signer>"

    def sign(self, data: bytes) -> str:
        """``access key:signature`` of some bytes."""
        return f"{self.access_key}:{urlsafe(self._mac.digest(data))}"

    def manage(
        self,
        method: str,
        host: str,
        target: str,
        content_type: str,
        body: bytes,
        now: float,
    ) -> dict[str, str]:
        """The headers that authorize a management request.

        Args:
            target: path and query, raw, as they are sent.
        """
        date = self._date(int(now))
        head = (
            f"{method} {target}\nHost: {host}\nContent-Type: {content_type}\nX-Qiniu-Date: {date}\n\n"
        )
        signed = head.encode() + (b"" if content_type == UNSIGNED_TYPE else body)
        return {"x-qiniu-date": date, "authorization": f"Qiniu {self.sign(signed)}"}

    def _date(self, second: int) -> str:
        known, date = self._moment
        if known != second:
            date = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))
            self._moment = second, date
        return date

    def manage_by_path(self, target: str) -> dict[str, str]:
        """The older form (``QBox``), which the CDN's interface wants: it signs the path alone."""
        signed = f"{target}\n"
        return {"authorization": f"QBox {self.sign(signed.encode())}"}

    def upload_token(self, policy: Mapping[str, object]) -> str:
        """A token that allows what `policy` says until its ``deadline``."""
        encoded = urlsafe(_COMPACT(dict(policy)).encode())
        return f"{self.sign(encoded.encode())}:{encoded}"

    def download_query(self, url: str, query: str, deadline: int) -> str:
        """The query of a URL that may be read until `deadline` (seconds since 1970).

        Args:
            url: without its query.
        """
        dated = f"{query}&e={deadline}" if query else f"e={deadline}"
        return f"{dated}&token={self.sign(f'{url}?{dated}'.encode())}"
