"""What S3's failures mean: by their code, else by their status. Pure.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html, and what compatible
services add.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import urlsplit

from ..driver import ErrorInfo, Request, Response
from ..errors import CloudStoreError, ErrorKind, UnexpectedResponseError, error_class
from ..wire.dates import retry_after
from ..wire.xml import XmlNode, read_xml

__all__ = [
    "S3Request",
    "deletion_error",
    "error_fields",
    "is_unexplained",
    "judged",
    "named_region",
    "request_id",
    "result_of",
    "unnamed_region",
]

MAX_MESSAGE = 500
"""Characters of a vendor's message that an error keeps."""
PROXY_STATUS = 407
FIELDS = ("Code", "Message", "RequestId", "Region", "Condition")
REQUEST_IDS = (
    "x-amz-request-id",
    "x-obs-request-id",
    "x-cos-request-id",
    "x-bce-request-id",
    "x-reqid",
)

_K = ErrorKind
_ERROR = re.compile(rb"\s*(?:<\?xml[^>]*>\s*)?<Error[\s>]")
_CODES: Mapping[ErrorKind, str] = MappingProxyType(
    {
        _K.BUCKET_NOT_FOUND: "NoSuchBucket",
        _K.OBJECT_NOT_FOUND: "NoSuchKey NoSuchVersion",
        _K.UPLOAD_NOT_FOUND: "NoSuchUpload",
        _K.BUCKET_ALREADY_EXISTS: "BucketAlreadyExists BucketAlreadyOwnedByYou",
        _K.BUCKET_NOT_EMPTY: "BucketNotEmpty",
        _K.PRECONDITION_FAILED: "PreconditionFailed ConditionalRequestConflict",
        _K.NOT_MODIFIED: "NotModified",
        _K.RANGE_NOT_SATISFIABLE: "InvalidRange",
        _K.AUTHENTICATION: "InvalidAccessKeyId SignatureDoesNotMatch AuthorizationHeaderMalformed"
        " AuthorizationQueryParametersError ExpiredToken TokenRefreshRequired InvalidToken"
        " RequestTimeTooSkewed RequestExpired InvalidSecurity CredentialsNotSupported",
        _K.PERMISSION_DENIED: "AccessDenied AllAccessDisabled AccountProblem InvalidPayer",
        _K.QUOTA_EXCEEDED: "QuotaExceeded TooManyBuckets XMinioStorageFull InsufficientCapacity",
        _K.OBJECT_ARCHIVED: "InvalidObjectState",
        _K.INVALID_ARGUMENT: "InvalidArgument InvalidRequest InvalidTag InvalidStorageClass",
        _K.INVALID_KEY: "KeyTooLongError InvalidURI",
        _K.INVALID_BUCKET_NAME: "InvalidBucketName",
        _K.INVALID_PART: "InvalidPart InvalidPartOrder EntityTooSmall",
        _K.TOO_LARGE: "EntityTooLarge MetadataTooLarge MaxMessageLengthExceeded",
        _K.UNSUPPORTED: "NotImplemented",
        _K.CHECKSUM_MISMATCH: "BadDigest InvalidDigest XAmzContentSHA256Mismatch",
        _K.RATE_LIMITED: "SlowDown SlowDownRead SlowDownWrite Throttling ThrottlingException"
        " TooManyRequests RequestLimitExceeded RequestThrottled BandwidthLimitExceeded",
        _K.UNAVAILABLE: "InternalError ServiceUnavailable OperationAborted RequestTimeout",
    }
)
_KINDS: Mapping[str, ErrorKind] = MappingProxyType(
    {code: kind for kind, codes in _CODES.items() for code in codes.split()}
)
_STATUSES: Mapping[int, ErrorKind] = MappingProxyType(
    {
        304: _K.NOT_MODIFIED,
        401: _K.AUTHENTICATION,
        403: _K.PERMISSION_DENIED,
        PROXY_STATUS: _K.TRANSPORT,
        408: _K.UNAVAILABLE,
        412: _K.PRECONDITION_FAILED,
        413: _K.TOO_LARGE,
        416: _K.RANGE_NOT_SATISFIABLE,
        429: _K.RATE_LIMITED,
        501: _K.UNSUPPORTED,
    }
)
_RETRYABLE = frozenset({_K.RATE_LIMITED, _K.UNAVAILABLE})
_EXPIRED = frozenset({"ExpiredToken", "TokenRefreshRequired", "InvalidToken"})
_ELSEWHERE = frozenset({"AuthorizationHeaderMalformed", "IllegalLocationConstraintException"})
_PAGES = ("text/html", "text/plain")
"""What web servers, portals and firewalls answer with, and S3 does not."""
_UNEXPLAINED = frozenset({400, 403})
"""Statuses of refusals that only their bodies tell apart."""
_ADVICE: Mapping[str, str] = MappingProxyType(
    {
        "InvalidAccessKeyId": "check access_key",
        "SignatureDoesNotMatch": "check secret_key, and access_key",
        "RequestTimeTooSkewed": "check the clock of this machine",
        "ExpiredToken": "get new temporary credentials",
        "InvalidToken": "check session_token",
        "AuthorizationHeaderMalformed": "check region",
    }
)


class S3Request(Request):
    """A request to a service of S3's kind.

    Attributes:
        region: what it is signed for.
        missing: what a 404 means that does not say.
    """

    __slots__ = ("missing", "region")
    missing: ErrorKind
    region: str


def judged(request: S3Request, answer: Response, *, follows: bool) -> ErrorInfo | None:
    """What is wrong with an answer, if anything; one of 200 may be an error, once its body is read.

    Args:
        follows: redirects to another region are nothing wrong.
    """
    if answer.status < 300 and not answer.content:
        return None
    if not _is_foreign(answer):
        if answer.status < 300 and not _ERROR.match(answer.content):
            return None
        if follows and _moved_elsewhere(request, answer):
            return None
    return _error_info(request, answer)


def _is_foreign(answer: Response) -> bool:
    """Whether something that is no S3 service answered. Objects' contents are not asked about."""
    if not answer.content or request_id(answer) is not None or _ERROR.match(answer.content):
        return False
    return answer.headers.get("content-type", "").startswith(_PAGES)


def is_unexplained(error: CloudStoreError) -> bool:
    """Whether a HEAD failed for a reason that only a body would tell."""
    if error.status == 404:
        return error.request_id is None  # every service has one, a web server has not
    return error.code is None and error.status in _UNEXPLAINED


def _error_info(request: S3Request, answer: Response) -> ErrorInfo:
    """What an error means."""
    fields = error_fields(answer.content)
    code = fields.get("Code") or None
    kind = _kind(request, answer.status, code, fields)
    message = fields.get("Message", "")[:MAX_MESSAGE] or _words(request, answer.status)
    if answer.status != PROXY_STATUS and _is_foreign(answer):
        # That a service is busy, what stands before it may say.
        busy = kind in _RETRYABLE and answer.status >= 300
        kind = kind if busy else _K.UNEXPECTED_RESPONSE
        message = _foreign_words(request, answer)
    advice = _advice(request, answer, code)
    # A refusal was not applied; of a failure on the server's side nobody knows.
    failed = answer.status < 300 or (kind is _K.UNAVAILABLE and answer.status >= 500)
    return ErrorInfo(
        kind,
        f"{message} ({advice})" if advice else message,
        retryable=kind in _RETRYABLE or code == "ConditionalRequestConflict",
        retry_after=retry_after(answer.headers),
        outcome="unknown" if failed else "not_applied",
        status=answer.status,
        code=code,
        request_id=request_id(answer) or fields.get("RequestId") or None,
        rejected_credentials=code in _EXPIRED,
    )


def _words(request: Request, status: int) -> str:
    """For an answer that has none."""
    if status == PROXY_STATUS:
        return (
            "the proxy wants a user and a password (HTTP 407): proxy='http://user:password@host:port'"
        )
    if request.method == "HEAD" and status in _UNEXPLAINED:
        return f"refused (HTTP {status}); an answer to HEAD does not say why"
    return f"HTTP {status}"


def _foreign_words(request: Request, answer: Response) -> str:
    page = answer.headers["content-type"].partition(";")[0]
    return (
        f"{request.origin} does not answer as S3 does, but with HTTP {answer.status} and {page}: "
        "check the endpoint, and what stands before it (a proxy, a firewall)"
    )


def _advice(request: S3Request, answer: Response, code: str | None) -> str | None:
    """What the user can do about it."""
    if 300 < answer.status < 400 or code in _ELSEWHERE:
        region = named_region(answer)
        if region not in (None, request.region):
            return f"set region={region!r}"
        to = urlsplit(answer.headers.get("location", ""))
        if to.hostname is not None:
            # No more of it: a whole URL may be signed.
            return f"it redirects to {to.scheme}://{to.hostname}"
    return _ADVICE.get(code or "")


def unnamed_region(answer: Response) -> UnexpectedResponseError:
    """The error of a redirect that leads nowhere."""
    return UnexpectedResponseError(
        "the bucket is in another region, and the answer does not say which",
        status=answer.status,
        code=error_fields(answer.content).get("Code"),
        request_id=request_id(answer),
    )


def result_of(answer: Response, *, lossy: bool, only_read: bool = False) -> XmlNode:
    """The XML of a success: its root is a ``ListBucketResult``, ``DeleteResult``, and so on.

    Args:
        lossy: see `read_xml`.
        only_read: the request changed nothing.

    Raises:
        UnexpectedResponseError: it is something else, which must not pass for an empty list.
    """
    try:
        root = read_xml(answer.content, lossy=lossy)
        if not root.name.endswith("Result"):
            raise UnexpectedResponseError(f"this is no answer of S3, but <{root.name[:40]}>")
    except UnexpectedResponseError as exc:
        exc.status, exc.request_id = answer.status, request_id(answer)
        exc.outcome = "not_applied" if only_read else "unknown"
        raise
    return root


def error_fields(content: bytes) -> Mapping[str, str]:
    """The fields of an error's body; none where it is empty, or something else."""
    if not _ERROR.match(content):
        return {}
    try:
        root = read_xml(content, lossy=True)
    except CloudStoreError:
        return {}
    return {name: root.text(name) for name in FIELDS}


def _kind(request: S3Request, status: int, code: str | None, fields: Mapping[str, str]) -> ErrorKind:
    kind = _KINDS.get(code or "") or _STATUSES.get(status)
    if kind is None:
        if status == 404:
            return request.missing
        return _K.UNAVAILABLE if status >= 500 or status < 300 else _K.UNEXPECTED_RESPONSE
    if request.method in ("GET", "HEAD"):
        return kind
    headers = request.headers
    if kind is _K.PRECONDITION_FAILED and status == 412 and "if-none-match" in headers:
        of_source = fields.get("Condition", "").lower().startswith("x-amz-copy-source")
        return kind if of_source else _K.OBJECT_ALREADY_EXISTS
    if kind is _K.OBJECT_NOT_FOUND and "x-amz-copy-source" not in headers:
        if "if-match" in headers:
            return _K.PRECONDITION_FAILED
        if "uploadId=" in request.query:
            return _K.UPLOAD_NOT_FOUND
    return kind


def _moved_elsewhere(request: S3Request, answer: Response) -> bool:
    """Whether an error says that the bucket is in another region. A HEAD says so without a body."""
    if answer.status in (301, 307):
        return True
    if answer.status != 400:
        return False
    code = error_fields(answer.content).get("Code")
    return code in _ELSEWHERE if code else named_region(answer) not in (None, request.region)


def named_region(answer: Response) -> str | None:
    """The region that an answer says the bucket is in."""
    named = answer.headers.get("x-amz-bucket-region") or error_fields(answer.content).get("Region")
    return named or None


def request_id(answer: Response) -> str | None:
    """By which the vendor's support finds a request."""
    return next((answer.headers[name] for name in REQUEST_IDS if name in answer.headers), None)


def deletion_error(row: Mapping[str, str]) -> CloudStoreError | None:
    """Why one of many deletions failed; None: there was nothing to delete."""
    code = row.get("Code", "")
    kind = _KINDS.get(code, _K.UNEXPECTED_RESPONSE)
    if kind is _K.OBJECT_NOT_FOUND:
        return None
    message = row.get("Message", "")[:MAX_MESSAGE]
    return error_class(kind)(message, code=code, key=row.get("Key"), retryable=kind in _RETRYABLE)
