"""Whether a request was signed by who it says, found out with the signer of Qiniu's own SDK.

The package ``qiniu`` is imported when a simulator starts, not before. Nothing here computes a signature
of its own: what the SDK would have sent is compared with what came.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode
from calendar import timegm
from collections.abc import Mapping
from hmac import compare_digest
from time import strptime
from typing import Any

from ..loopback import Request
from .answers import read_json
from .settings import QiniuClock, QiniuError, QiniuLimits

__all__ = ["Signatures"]

FORM = "application/x-www-form-urlencoded"
DATE = "%Y%m%dT%H%M%SZ"


def bad_token() -> QiniuError:
    """401."""
    return QiniuError(401, "bad token")


class Signatures:
    """Of one account.

    Raises:
        ImportError: the package ``qiniu`` is missing; the extra ``cloudstore[testing]`` has it.
    """

    def __init__(
        self, access_key: str, secret_key: str, limits: QiniuLimits, clock: QiniuClock
    ) -> None:
        from qiniu import Auth, QiniuMacAuth
        from qiniu.utils import canonical_mime_header_key

        self._auth = Auth(access_key, secret_key)
        self._mac = QiniuMacAuth(access_key, secret_key)
        self._canonical = canonical_mime_header_key
        self._limits = limits
        self._clock = clock

    def check_management(self, request: Request) -> None:
        """A management token, ``Qiniu`` or the older ``QBox``; 401, or 403 if its date is skewed.

        The older one signs no host, no header, and a body only of a form.
        """
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        url = f"http://{request.headers.get('host', '')}{request.target}"
        content_type = request.headers.get("content-type")
        try:
            if scheme == "Qiniu":
                expected = self._mac.token_of_request(
                    request.method,
                    request.headers.get("host"),
                    url,
                    self._mac.qiniu_headers(self._qiniu_headers(request.headers)),
                    content_type,
                    bytes(request.body),
                )
            elif scheme == "QBox":
                body = bytes(request.body).decode()
                expected = self._auth.token_of_request(url, body, content_type)
            else:
                raise bad_token()
        except UnicodeDecodeError:
            raise bad_token() from None
        if not _same(expected, token):
            raise bad_token()
        if scheme == "Qiniu" and (date := request.headers.get("x-qiniu-date")) is not None:
            self._check_date(date)

    def _qiniu_headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        names = [name for name in headers if name.startswith("x-qiniu-")]
        return {self._canonical(name): headers[name] for name in names}

    def _check_date(self, date: str) -> None:
        try:
            signed = timegm(strptime(date, DATE))
        except ValueError:
            raise QiniuError(400, "invalid X-Qiniu-Date") from None
        if abs(self._clock.signed() - signed) > self._limits.skew_seconds:
            raise QiniuError(403, "request time is too skewed")

    def upload_policy(self, token: str | None) -> dict[str, Any]:
        """The policy that an upload token carries; 401 if it is none of this account's, or expired."""
        if not token:
            raise QiniuError(401, "token not specified")
        try:
            policy = urlsafe_b64decode(token.rpartition(":")[2])
            expected = self._auth.token_with_data(policy)
            fields = read_json(policy) if _same(expected, token) else None
        except ValueError:
            raise bad_token() from None
        if not isinstance(fields, dict) or not isinstance(fields.get("scope"), str):
            raise bad_token()
        deadline = fields.get("deadline")
        if not isinstance(deadline, int) or deadline < self._clock.signed():
            raise QiniuError(401, "expired token")
        return fields

    def check_download(self, request: Request) -> None:
        """The ``e`` and ``token`` of a private URL: the token signs all before it (kodo/1202)."""
        query, found, rest = request.query.partition("&token=")
        if not found:
            raise QiniuError(401, "download token not specified")
        url = f"http://{request.headers.get('host', '')}{request.path}?{query}"
        if not _same(self._auth.token(url), rest.partition("&")[0]):
            raise bad_token()
        deadline = query.rpartition("e=")[2]
        if not deadline.isdigit():
            raise bad_token()
        if int(deadline) < self._clock.signed():
            raise QiniuError(401, "token out of date")

    def callback_token(self, url: str, body: str, content_type: str) -> str:
        """The ``Authorization`` of a callback: `qiniu.Auth.verify_callback` checks it."""
        return f"QBox {self._auth.token_of_request(url, body, content_type)}"


def _same(expected: str, token: str) -> bool:
    return compare_digest(expected.encode(), token.encode("utf-8", "replace"))
