"""Presigned URLs of the embedded drivers, for development and tests.

`memory` and `local` sign a URL of a server that `cloudstore.testing.DevelopmentServer` runs; this
module makes the signatures and checks them. Pure: no I/O.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from urllib.parse import quote, urlencode

from .config import Secret
from .errors import PermissionDeniedError
from .model import PresignedRequest, PresignOptions

__all__ = [
    "DEVELOPMENT_CAPABILITIES",
    "check_development_form",
    "check_development_url",
    "sign_development_url",
]

DEVELOPMENT_CAPABILITIES: Mapping[str, bool] = MappingProxyType(
    {"presign_get": True, "presign_put": True, "presign_delete": True, "presign_post": True}
)
"""What a driver gains that signs development URLs."""


def sign_development_url(
    base: str, secret: Secret, bucket: str, key: str, options: PresignOptions, now: float
) -> PresignedRequest:
    """Signs a request to the development server at `base`."""
    expires = now + options.expires_in
    expires_at = datetime.fromtimestamp(expires, UTC)
    claims = {
        "method": options.method,
        "bucket": bucket,
        "key": key,
        "expires": expires,
        "content_type": options.content_type,
        "content_disposition": options.content_disposition,
        "max_size": options.max_size,
    }
    policy, signature = _seal(secret, claims)
    root = f"{base.rstrip('/')}/{quote(bucket, safe='')}"
    if options.method == "POST":
        fields = {"key": key, "cs-policy": policy, "cs-signature": signature}
        if options.content_type is not None:
            fields["Content-Type"] = options.content_type
        return PresignedRequest("POST", root, expires_at, fields=fields)
    query = urlencode({"cs-policy": policy, "cs-signature": signature})
    headers = {}
    if options.method == "PUT" and options.content_type is not None:
        headers["Content-Type"] = options.content_type
    url = f"{root}/{quote(key, safe='')}?{query}"
    return PresignedRequest(options.method, url, expires_at, headers=headers)


def check_development_url(
    secret: Secret,
    method: str,
    bucket: str,
    key: str,
    query: Mapping[str, str],
    content_type: str | None,
    now: float,
) -> Mapping[str, object]:
    """The claims of a request that was signed and has not expired.

    Raises:
        PermissionDeniedError: it was not signed so, or has expired.
    """
    claims = _open(secret, query.get("cs-policy", ""), query.get("cs-signature", ""), now)
    if (claims["method"], claims["bucket"], claims["key"]) != (method, bucket, key):
        raise PermissionDeniedError("the signature is for another request")
    if method == "PUT" and claims["content_type"] not in (None, content_type):
        raise PermissionDeniedError("the signature is for another content type")
    return claims


def check_development_form(
    secret: Secret, bucket: str, fields: Mapping[str, str], size: int, now: float
) -> Mapping[str, object]:
    """The claims of a form upload that was signed and has not expired.

    Raises:
        PermissionDeniedError: it was not signed so, has expired, or the file is too large.
    """
    claims = _open(secret, fields.get("cs-policy", ""), fields.get("cs-signature", ""), now)
    if (claims["method"], claims["bucket"], claims["key"]) != ("POST", bucket, fields.get("key")):
        raise PermissionDeniedError("the signature is for another request")
    if claims["content_type"] not in (None, fields.get("Content-Type")):
        raise PermissionDeniedError("the signature is for another content type")
    limit = claims["max_size"]
    if isinstance(limit, int) and size > limit:
        raise PermissionDeniedError(f"the file is larger than {limit} bytes")
    return claims


def _seal(secret: Secret, claims: Mapping[str, object]) -> tuple[str, str]:
    policy = base64.urlsafe_b64encode(json.dumps(claims, sort_keys=True).encode()).decode()
    return policy, _signature(secret, policy)


def _signature(secret: Secret, policy: str) -> str:
    return hmac.new(secret.reveal().encode(), policy.encode(), hashlib.sha256).hexdigest()


def _open(secret: Secret, policy: str, signature: str, now: float) -> Mapping[str, object]:
    if not hmac.compare_digest(_signature(secret, policy).encode(), signature.encode()):
        raise PermissionDeniedError("the signature is wrong")
    try:
        claims: dict[str, object] = json.loads(base64.urlsafe_b64decode(policy))
        expires = claims["expires"]
    except (binascii.Error, ValueError, KeyError):
        raise PermissionDeniedError("the signature is wrong") from None
    if not isinstance(expires, int | float) or now >= expires:
        raise PermissionDeniedError("the request has expired")
    return claims
