"""What Qiniu's failures mean: by their status, which is its code as well. Pure.

Source: https://developer.qiniu.com/kodo/3928/error-responses, and what the SDK retries
(``qiniu/http/response.py``). A body is JSON with ``error``, the words for a person.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from ..driver import ErrorInfo, Request, Response
from ..errors import CloudStoreError, ErrorKind, Outcome, UnexpectedResponseError, error_class
from ..wire.dates import retry_after
from .qiniu_messages import FormPayload

__all__ = ["QiniuRequest", "add_answer", "check_cdn", "item_error", "json_of", "judged", "request_id"]

MAX_MESSAGE = 500
"""Characters of a vendor's message that an error keeps."""
MAX_WORD = 200
"""Characters that an error keeps of a request's id."""
PROXY_STATUS = 407
CALLBACK_FAILED = 579
"""The object is stored, and who was to be told was not reached."""
OK = 200
FIRST_OWN = 570
"""From here on a status is Qiniu's own, and says more than its kind."""

_K = ErrorKind
_STATUSES: Mapping[int, ErrorKind] = MappingProxyType(
    {
        304: _K.NOT_MODIFIED,
        400: _K.INVALID_ARGUMENT,
        401: _K.AUTHENTICATION,
        403: _K.PERMISSION_DENIED,
        404: _K.NOT_FOUND,
        405: _K.UNSUPPORTED,
        406: _K.CHECKSUM_MISMATCH,
        PROXY_STATUS: _K.TRANSPORT,
        408: _K.UNAVAILABLE,
        412: _K.PRECONDITION_FAILED,
        413: _K.TOO_LARGE,
        416: _K.RANGE_NOT_SATISFIABLE,
        419: _K.PERMISSION_DENIED,
        429: _K.RATE_LIMITED,
        478: _K.UNAVAILABLE,
        501: _K.UNSUPPORTED,
        573: _K.RATE_LIMITED,
        CALLBACK_FAILED: _K.UNEXPECTED_RESPONSE,
        608: _K.PRECONDITION_FAILED,
        612: _K.OBJECT_NOT_FOUND,
        614: _K.OBJECT_ALREADY_EXISTS,
        630: _K.QUOTA_EXCEEDED,
        631: _K.BUCKET_NOT_FOUND,
        640: _K.INVALID_ARGUMENT,
        701: _K.UPLOAD_NOT_FOUND,
    }
)
_RETRYABLE = frozenset({_K.RATE_LIMITED, _K.UNAVAILABLE})
_ADVICE: Mapping[int, str] = MappingProxyType(
    {
        401: "check access_key and secret_key, and the clock of this machine",
        419: "the account is frozen; see the console",
        PROXY_STATUS: "the proxy wants a user and a password: proxy='http://user:password@host:port'",
    }
)
"""What to do, where the vendor's words do not say it."""
_WORDS: tuple[tuple[str, int, ErrorKind], ...] = (
    ("not empty", 0, _K.BUCKET_NOT_EMPTY),
    ("non empty bucket", 0, _K.BUCKET_NOT_EMPTY),
    ("md5", 400, _K.CHECKSUM_MISMATCH),
    ("crc32", 400, _K.CHECKSUM_MISMATCH),
    ("skewed", 403, _K.AUTHENTICATION),
    ("archive", 403, _K.OBJECT_ARCHIVED),
    ("frozen", 403, _K.OBJECT_ARCHIVED),
)
"""What words of a message mean where the status is this one; 0 is any."""
_CDN_KINDS: Mapping[int, ErrorKind] = MappingProxyType(
    dict.fromkeys((400033, 400034, 400035, 400038), _K.QUOTA_EXCEEDED)
)
"""Codes of the CDN by which the day's quota is used up; others begin with what their status is:
https://developer.qiniu.com/fusion/13367/fusion-api-cache-management."""
_PAGES = ("text/html", "text/plain")
"""What web servers, portals and firewalls answer with, and Qiniu's interfaces do not."""

J = TypeVar("J", dict[str, Any], list[Any])


class QiniuRequest(Request):
    """A request to one of Qiniu's hosts.

    Attributes:
        form: the body of a form upload, which holds the token.
        kinds: what a status means here where that is not what it means elsewhere.
        plan: how it is signed: ``"manage"``, ``"cdn"``, ``"upload"``, ``"download"`` or ``"none"``.
        policy: of an upload, what its token allows.
        unsigned_query: of a download, what stands before the token.
    """

    __slots__ = ("form", "kinds", "plan", "policy", "unsigned_query")
    form: FormPayload | None
    kinds: Mapping[int, ErrorKind]
    plan: str
    policy: Mapping[str, object]
    unsigned_query: str


def judged(request: QiniuRequest, answer: Response) -> ErrorInfo | None:
    """What is wrong with an answer, if anything."""
    status = answer.status
    foreign = _is_foreign(answer)
    if status < 300 and not foreign:
        return None
    words = "" if foreign else _message(answer.content)
    kind, code = _kind(status, words, request.kinds), str(status) if status >= FIRST_OWN else None
    if request.plan == "cdn" and not foreign:
        number = _cdn_code(answer.content)
        kind, code = _CDN_KINDS.get(number, kind), str(number) if number else code
    if foreign and status != PROXY_STATUS:
        # That the service is busy, what stands before it may say.
        kind = kind if kind in _RETRYABLE and status >= 300 else _K.UNEXPECTED_RESPONSE
        words = f"something that is not Qiniu answered at {request.origin}"
    advice, message = _ADVICE.get(status), words or f"HTTP {status}"
    return ErrorInfo(
        kind,
        f"{message} ({advice})" if advice else message,
        retryable=kind in _RETRYABLE,
        retry_after=retry_after(answer.headers),
        outcome=_outcome(kind, status),
        status=status,
        code=code,
        request_id=request_id(answer),
    )


def _kind(status: int, words: str, kinds: Mapping[int, ErrorKind]) -> ErrorKind:
    lower = words.lower()
    for word, where, kind in _WORDS:
        if word in lower and where in (0, status):
            return kind
    known = kinds.get(status) or _STATUSES.get(status)
    if known is not None:
        return known
    return _K.UNAVAILABLE if 500 <= status < 600 else _K.UNEXPECTED_RESPONSE


def _outcome(kind: ErrorKind, status: int) -> Outcome:
    """A refusal was not applied; of a failure on the server's side nobody knows, nor of a success that
    makes no sense."""
    failed = (kind is _K.UNAVAILABLE and status >= 500) or status < 300 or status == CALLBACK_FAILED
    return "unknown" if failed else "not_applied"


def _is_foreign(answer: Response) -> bool:
    """Whether something that is no service of Qiniu's answered."""
    if not answer.content or request_id(answer) is not None:
        return False
    return answer.headers.get("content-type", "").startswith(_PAGES)


def _message(content: bytes) -> str:
    try:
        said = json.loads(content)
    except (ValueError, RecursionError):
        return ""
    error = said.get("error") if isinstance(said, dict) else None
    return error[:MAX_MESSAGE] if isinstance(error, str) else ""


def request_id(answer: Response) -> str | None:
    """By which the vendor's support finds a request."""
    return answer.headers.get("x-reqid", "")[:MAX_WORD] or None


def add_answer(error: BaseException, answer: Response) -> None:
    """Has an error say which answer made no sense."""
    if isinstance(error, UnexpectedResponseError):
        error.status, error.request_id = answer.status, request_id(answer)


def json_of(answer: Response, kind: type[J], *, only_read: bool) -> J:
    """The JSON of an answer.

    Raises:
        UnexpectedResponseError: it is none, or of another form.
    """
    try:
        said = json.loads(answer.content)
    except (ValueError, RecursionError):
        said = None
    if isinstance(said, kind):
        return said
    raise UnexpectedResponseError(
        "the answer is not the JSON that it should be",
        status=answer.status,
        request_id=request_id(answer),
        outcome="not_applied" if only_read else "unknown",
    )


def item_error(item: object) -> CloudStoreError | None:
    """Why one of a batch failed; None: it did not."""
    code = item.get("code") if isinstance(item, dict) else None
    if not isinstance(item, dict) or not isinstance(code, int):
        return UnexpectedResponseError("the answer to one of a batch makes no sense", outcome="unknown")
    if code < 300:
        return None
    data = item.get("data")
    words = data.get("error") if isinstance(data, dict) else None
    message = words[:MAX_MESSAGE] if isinstance(words, str) else f"HTTP {code}"
    kind = _kind(code, message, {})
    return error_class(kind)(
        message,
        status=code,
        code=str(code) if code >= FIRST_OWN else None,
        retryable=kind in _RETRYABLE,
        outcome=_outcome(kind, code),
    )


def check_cdn(answer: Response) -> None:
    """Raises what the CDN refuses within a success: then its own ``code`` is another than 200."""
    said = json_of(answer, dict, only_read=False)
    code = _cdn_code(answer.content)
    if code == OK:
        return
    words = said.get("error")
    message = words[:MAX_MESSAGE] if isinstance(words, str) else "the CDN refuses"
    kind = _CDN_KINDS.get(code) or _STATUSES.get(code // 1000) or _K.UNEXPECTED_RESPONSE
    raise error_class(kind)(
        message, status=answer.status, code=str(code), request_id=request_id(answer)
    )


def _cdn_code(content: bytes) -> int:
    """What the CDN's answers say of themselves; 0 for none."""
    try:
        said = json.loads(content)
    except (ValueError, RecursionError):
        return 0
    code = said.get("code") if isinstance(said, dict) else None
    return code if isinstance(code, int) else 0
