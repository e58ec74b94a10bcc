"""What Swift's failures mean: by their status and by what was asked, for Swift has no codes. Pure.

Source: https://docs.openstack.org/api-ref/object-store/ and, for what it leaves out, the middleware of
Swift 2.38 (``swift/common/middleware``), whose answers these are.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from ..driver import ErrorInfo, Request, Response
from ..errors import (
    CloudStoreError,
    ErrorKind,
    NotModifiedError,
    PreconditionFailedError,
    UnexpectedResponseError,
    error_class,
)
from ..model import GetOptions
from ..wire.dates import retry_after
from .swift_messages import etag_of

__all__ = ["SwiftRequest", "deletion_error", "judged", "read_json", "request_id", "unmet"]

MAX_MESSAGE = 500
"""Characters of a vendor's message that an error keeps."""
MAX_WORD = 200
"""Characters that an error keeps of a request's id; Swift's have 34."""
PROXY_STATUS = 407
RATE_LIMIT_STATUS = 498
"""What the ratelimit middleware answers to a client that would have to wait too long."""
REQUEST_IDS = ("x-trans-id", "x-openstack-request-id")

_K = ErrorKind
_STATUSES: Mapping[int, ErrorKind] = MappingProxyType(
    {
        304: _K.NOT_MODIFIED,
        400: _K.INVALID_ARGUMENT,
        401: _K.AUTHENTICATION,
        403: _K.PERMISSION_DENIED,
        405: _K.UNSUPPORTED,
        PROXY_STATUS: _K.TRANSPORT,
        408: _K.UNAVAILABLE,
        412: _K.PRECONDITION_FAILED,
        413: _K.TOO_LARGE,
        416: _K.RANGE_NOT_SATISFIABLE,
        422: _K.CHECKSUM_MISMATCH,
        429: _K.RATE_LIMITED,
        RATE_LIMIT_STATUS: _K.RATE_LIMITED,
        501: _K.UNSUPPORTED,
        507: _K.QUOTA_EXCEEDED,
    }
)
_RETRYABLE = frozenset({_K.RATE_LIMITED, _K.UNAVAILABLE})
_SUCCESSES: Mapping[str, frozenset[int]] = MappingProxyType(
    {"PUT": frozenset({201, 202}), "DELETE": frozenset({204})}
)
"""What Swift answers to these where they worked; a portal, and whatever is no Swift, says 200."""
_PAGES = ("text/html", "text/plain")
_TAGS = re.compile(r"<h1>.*?</h1>|<[^>]*>", re.DOTALL)


class SwiftRequest(Request):
    """A request to a Swift.

    Attributes:
        missing: what a 404 means.
        conflict: what a 409 means; BUCKET_ALREADY_EXISTS: a 202 does, too.
        may_miss: a 404 is an answer like any other.
    """

    __slots__ = ("conflict", "may_miss", "missing")
    missing: ErrorKind
    conflict: ErrorKind
    may_miss: bool


def judged(request: SwiftRequest, answer: Response) -> ErrorInfo | None:
    """What is wrong with an answer, if anything."""
    if answer.status == 404 and request.may_miss and not _is_foreign(answer):
        return None
    if answer.status in (304, 412) and _contradicts_itself(request, answer):
        return None
    if answer.status < 300:
        if answer.status == 202 and request.conflict is _K.BUCKET_ALREADY_EXISTS:
            # A failure, so that it is known whether an attempt before this one has made it.
            return _info(answer, request.conflict, "there is a bucket of this name", "not_applied")
        expected = _SUCCESSES.get(request.method)
        if expected is None and (answer.body is None or not _is_page(answer)):
            return None
        if expected is not None and answer.status in expected:
            return None
        return _info(answer, _K.UNEXPECTED_RESPONSE, _foreign_words(request, answer), "unknown")
    kind = _kind(request, answer)
    message = _text(answer)
    if answer.status == PROXY_STATUS:
        message = (
            "the proxy wants a user and a password (HTTP 407): proxy='http://user:password@host:port'"
        )
    elif _is_foreign(answer) and kind not in _RETRYABLE:
        # That a service is busy, what stands before it may say.
        kind, message = _K.UNEXPECTED_RESPONSE, _foreign_words(request, answer)
    failed = kind is _K.UNAVAILABLE and answer.status >= 500
    info = _info(answer, kind, message, "unknown" if failed else "not_applied")
    info.rejected_credentials = answer.status == 401
    return info


def _contradicts_itself(request: SwiftRequest, answer: Response) -> bool:
    """Whether a condition of a read was judged by another ETag than the object's, or may have been."""
    if request.method not in ("GET", "HEAD") or _is_foreign(answer):
        return False
    asked, shown = request.headers, etag_of(answer.headers.get("etag"))
    if answer.status == 412:
        return "if-match" in asked and shown in (None, etag_of(asked["if-match"]))
    if "if-none-match" not in asked or "if-modified-since" in asked:
        return False
    return shown not in (None, etag_of(asked["if-none-match"]))


def unmet(options: GetOptions, answer: Response) -> CloudStoreError | None:
    """The condition of a read that the ETag of a success shows not to hold."""
    shown = etag_of(answer.headers.get("etag"))
    error: CloudStoreError
    if options.if_match is not None and shown not in (None, etag_of(options.if_match)):
        error = PreconditionFailedError("the object has another ETag")
    elif options.if_none_match is not None and shown == etag_of(options.if_none_match):
        error = NotModifiedError("the object has this ETag")
    else:
        return None
    error.request_id, error.outcome = request_id(answer), "not_applied"
    return error


def _kind(request: SwiftRequest, answer: Response) -> ErrorKind:
    status, headers = answer.status, request.headers
    if status == 404:
        return request.missing
    if status == 409:
        return request.conflict
    if status == 412 and not headers.keys() & {"if-none-match", "if-match"}:
        return _K.INVALID_ARGUMENT  # so it refuses names and numbers, too
    if status == 412 and request.method == "PUT" and "if-none-match" in headers:
        return _K.OBJECT_ALREADY_EXISTS
    if status == 413 and b"quota" in answer.content:
        return _K.QUOTA_EXCEEDED
    if status == 400 and "multipart-manifest=put" in request.query:
        return _K.INVALID_PART
    kind = _STATUSES.get(status)
    if kind is not None:
        return kind
    return _K.UNAVAILABLE if status >= 500 else _K.UNEXPECTED_RESPONSE


def _info(answer: Response, kind: ErrorKind, message: str, outcome: Any) -> ErrorInfo:
    return ErrorInfo(
        kind,
        message[:MAX_MESSAGE],
        retryable=kind in _RETRYABLE,
        retry_after=retry_after(answer.headers),
        outcome=outcome,
        status=answer.status,
        request_id=request_id(answer),
    )


def request_id(answer: Response) -> str | None:
    """By which the operators of a Swift find a request in their logs."""
    found = (answer.headers[name] for name in REQUEST_IDS if name in answer.headers)
    return next(found, "")[:MAX_WORD] or None


def _text(answer: Response) -> str:
    """The words of an answer: Swift sends a page of one heading and one paragraph, or plain text."""
    text = answer.content.decode("utf-8", "replace")
    if answer.headers.get("content-type", "").startswith("text/html"):
        text = html.unescape(_TAGS.sub(" ", text))
    return " ".join(text.split()) or f"HTTP {answer.status}"


def _is_foreign(answer: Response) -> bool:
    """Whether something answered that is no Swift."""
    if request_id(answer) is not None:
        return False
    return answer.headers.get("content-type", "").startswith(_PAGES)


def _is_page(answer: Response) -> bool:
    """Whether what came in an object's place is no object: it has no ETag, and no request's id."""
    return "etag" not in answer.headers and _is_foreign(answer)


def _foreign_words(request: Request, answer: Response) -> str:
    return (
        f"{request.origin} does not answer as Swift does, but with HTTP {answer.status}: check the "
        "storage URL, and what stands before it (a proxy, a firewall)"
    )


def read_json(answer: Response, kind: type, *, only_read: bool = True) -> Any:
    """The JSON of a success.

    Args:
        kind: list or dict, which it must be.

    Raises:
        UnexpectedResponseError: it is something else.
    """
    try:
        found = json.loads(answer.content)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, kind):
        raise UnexpectedResponseError(
            "the answer is not the JSON that was asked for",
            status=answer.status,
            request_id=request_id(answer),
            outcome="not_applied" if only_read else "unknown",
        )
    return found


def deletion_error(said: str) -> CloudStoreError:
    """Why one of many deletions failed, of words such as ``"409 Conflict"``."""
    number = said[:3]
    status = int(number) if number.isascii() and number.isdigit() else None
    kind = _STATUSES.get(status or 0, _K.UNEXPECTED_RESPONSE)
    if status == 409 or (status or 0) >= 500:
        kind = _K.UNAVAILABLE
    retryable = kind in _RETRYABLE
    outcome: Any = "unknown" if (status or 0) >= 500 else "not_applied"
    return error_class(kind)(said[:MAX_MESSAGE], status=status, retryable=retryable, outcome=outcome)
