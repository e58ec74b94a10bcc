"""What S3's failures mean: by their code, else by their status. Pure.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html, and what compatible
services add.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from ..driver import ErrorInfo, Request, Response
from ..errors import CloudStoreError, ErrorKind, UnexpectedResponseError, error_class
from ..wire.dates import retry_after
from ..wire.xml import XmlNode, read_xml

__all__ = [
    "S3Request",
    "add_answer",
    "deletion_error",
    "error_fields",
    "error_info",
    "is_error",
    "moved_elsewhere",
    "named_region",
    "read_answer",
    "request_id",
]

MAX_MESSAGE = 500
"""Characters of a vendor's message, or code, that an error keeps."""
FIELDS = ("Code", "Message", "RequestId", "Region", "Condition")
REQUEST_IDS = ("x-amz-request-id", "x-obs-request-id", "x-cos-request-id", "x-reqid")

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


class S3Request(Request):
    """A request to a service of S3's kind.

    Attributes:
        region: what it is signed for.
        missing: what a 404 means that does not say.
    """

    __slots__ = ("missing", "region")
    missing: ErrorKind
    region: str


def is_error(answer: Response) -> bool:
    """Whether an answer is an error; one of 200 may be, once its body is read."""
    return answer.status >= 300 or bool(answer.content and _ERROR.match(answer.content))


def error_info(request: S3Request, answer: Response) -> ErrorInfo:
    """What an error means."""
    fields = error_fields(answer.content)
    code = fields.get("Code", "")[:MAX_MESSAGE] or None
    kind = _kind(request, answer.status, code, fields)
    # A refusal was not applied; of a failure on the server's side nobody knows.
    failed = kind is _K.UNAVAILABLE and (answer.status >= 500 or answer.status < 300)
    return ErrorInfo(
        kind,
        (fields.get("Message") or f"HTTP {answer.status}")[:MAX_MESSAGE],
        retryable=kind in _RETRYABLE or code == "ConditionalRequestConflict",
        retry_after=retry_after(answer.headers),
        outcome="unknown" if failed else "not_applied",
        status=answer.status,
        code=code,
        request_id=request_id(answer) or fields.get("RequestId") or None,
        rejected_credentials=code in _EXPIRED,
    )


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


def moved_elsewhere(request: S3Request, answer: Response) -> bool:
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


def read_answer(answer: Response, *, lossy: bool = False, reads: bool = False) -> XmlNode:
    """The XML of an answer of success.

    Args:
        lossy: see `read_xml`.
        reads: the request changed nothing.

    Raises:
        UnexpectedResponseError: it is none. Of a change nobody knows then whether it was made.
    """
    try:
        return read_xml(answer.content, lossy=lossy)
    except UnexpectedResponseError as exc:
        if reads:
            exc.outcome = "not_applied"
        add_answer(exc, answer)
        raise


def add_answer(error: BaseException, answer: Response) -> None:
    """Has an error say which answer made no sense."""
    if isinstance(error, UnexpectedResponseError):
        error.status, error.request_id = answer.status, request_id(answer)


def deletion_error(row: Mapping[str, str]) -> CloudStoreError | None:
    """Why one of many deletions failed; None: there was nothing to delete."""
    code = row.get("Code", "")
    kind = _KINDS.get(code, _K.UNEXPECTED_RESPONSE)
    if kind is _K.OBJECT_NOT_FOUND:
        return None
    message = row.get("Message", "")[:MAX_MESSAGE]
    return error_class(kind)(message, code=code, key=row.get("Key"), retryable=kind in _RETRYABLE)
