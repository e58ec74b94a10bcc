"""What S3's failures mean: by their code, else by their status. Pure.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html, and what compatible
services add.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from ..driver import ErrorInfo, Request, Response
from ..errors import CloudStoreError, ErrorKind, Outcome, UnexpectedResponseError, error_class
from ..wire.dates import retry_after
from ..wire.xml import XmlNode, read_xml
from ..wire.xml_rows import read_rows

__all__ = [
    "EXPIRED",
    "S3Request",
    "add_answer",
    "deletion_error",
    "error_fields",
    "is_unexplained",
    "judged",
    "named_region",
    "request_id",
    "result_of",
    "rows_of",
    "sdk_error_info",
    "shortened",
    "unnamed_region",
]

MAX_MESSAGE = 500
"""Characters of a vendor's message that an error keeps."""
MAX_WORD = 200
"""Characters that an error keeps of a code and a request's id; no vendor's are half as long."""
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
_REGION = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
"""It becomes a part of the host that is asked next, so that nothing else may be in it."""
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
        _K.INVALID_ARGUMENT: "InvalidArgument InvalidRequest InvalidTag InvalidStorageClass"
        " MalformedXML MalformedACLError",
        _K.INVALID_KEY: "KeyTooLongError InvalidURI",
        _K.INVALID_BUCKET_NAME: "InvalidBucketName",
        _K.INVALID_PART: "InvalidPart InvalidPartOrder EntityTooSmall",
        _K.TOO_LARGE: "EntityTooLarge MetadataTooLarge MaxMessageLengthExceeded",
        _K.UNSUPPORTED: "NotImplemented AccessControlListNotSupported",
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
EXPIRED = frozenset({"ExpiredToken", "TokenRefreshRequired", "InvalidToken"})
"""Codes by which temporary credentials are refused."""
_HINTS: Mapping[str, str] = MappingProxyType(
    {
        "AccessControlListNotSupported": "this bucket takes no ACLs, as every one made since April 2023"
        " unless its object ownership is changed; grant access by a bucket policy (see store.native)"
    }
)
"""What a code means, where the vendor's words do not say what to do."""
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
        if answer.body is None or not _is_page(answer):
            return None
        words = _foreign_words(request, answer)
        return _info(_K.UNEXPECTED_RESPONSE, None, answer, words)
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


def _is_page(answer: Response) -> bool:
    """Whether what came in an object's place is no object: it has no ETag, and no request's id."""
    if "etag" in answer.headers or request_id(answer) is not None:
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
    message = shortened(fields.get("Message") or _words(request, answer.status))
    if answer.status != PROXY_STATUS and _is_foreign(answer):
        # That a service is busy, what stands before it may say.
        busy = kind in _RETRYABLE and answer.status >= 300
        kind = kind if busy else _K.UNEXPECTED_RESPONSE
        message = _foreign_words(request, answer)
    advice = _advice(request, answer, code)
    info = _info(kind, code, answer, f"{message} ({advice})" if advice else message)
    info.request_id = info.request_id or fields.get("RequestId") or None
    info.rejected_credentials = code in EXPIRED
    return info


def sdk_error_info(said: Mapping[str, Any], *, missing: ErrorKind, outcome: Outcome) -> ErrorInfo:
    """What a service's error means that boto3 read.

    Args:
        said: the ``response`` of its ClientError.
        missing: what a 404 means that does not say.
        outcome: what is known where the failure is the service's own.
    """
    error, metadata = said.get("Error", {}), said.get("ResponseMetadata", {})
    answer = Response(metadata.get("HTTPStatusCode", 0), metadata.get("HTTPHeaders", {}))
    # Of an answer without a body, boto3 takes the status for the code.
    code = None if str(error.get("Code", "")).isdigit() else error.get("Code") or None
    kind = _plain_kind(code, answer.status, missing)
    if answer.status == 405 and missing is _K.BUCKET_NOT_FOUND:
        kind = _K.UNSUPPORTED  # so some services say that a bucket has no such setting
    info = _info(kind, code, answer, error.get("Message"))
    info.request_id = info.request_id or metadata.get("RequestId") or None
    if info.outcome == "unknown":
        info.outcome = outcome
    return info


def _info(kind: ErrorKind, code: str | None, answer: Response, message: str | None) -> ErrorInfo:
    # A refusal was not applied, whatever its status; of a failure on the server's side, and of a
    # success that makes no sense, nobody knows.
    failed = (kind is _K.UNAVAILABLE and answer.status >= 500) or (
        answer.status < 300 and kind in (_K.UNAVAILABLE, _K.UNEXPECTED_RESPONSE)
    )
    return ErrorInfo(
        kind,
        _HINTS.get(code or "") or shortened(message or f"HTTP {answer.status}"),
        retryable=kind in _RETRYABLE or code == "ConditionalRequestConflict",
        retry_after=retry_after(answer.headers),
        outcome="unknown" if failed else "not_applied",
        status=answer.status,
        code=code,
        request_id=request_id(answer),
    )


def shortened(message: str) -> str:
    """As much of a vendor's message as an error keeps."""
    return message[:MAX_MESSAGE]


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
        UnexpectedResponseError: it is something else, which must not pass for an empty list. Of a
            change nobody knows then whether it was made.
    """
    with _judging(answer, only_read=only_read):
        root = read_xml(answer.content, lossy=lossy)
        _check_root(root)
    return root


def rows_of(
    answer: Response, name: str, fields: Sequence[str]
) -> tuple[XmlNode, list[tuple[str | None, ...]]]:
    """The same of a listing, whose rows are many: see `read_rows`.

    Raises:
        UnexpectedResponseError
    """
    with _judging(answer, only_read=True):
        root, rows = read_rows(answer.content, name, fields)
        _check_root(root)
    return root, rows


@contextmanager
def _judging(answer: Response, *, only_read: bool) -> Iterator[None]:
    try:
        yield
    except UnexpectedResponseError as exc:
        exc.outcome = "not_applied" if only_read else "unknown"
        add_answer(exc, answer)
        raise


def _check_root(root: XmlNode) -> None:
    if not root.name.endswith("Result"):
        raise UnexpectedResponseError(f"this is no answer of S3, but <{root.name[:40]}>")


def error_fields(content: bytes) -> Mapping[str, str]:
    """The fields of an error's body; none where it is empty, or something else."""
    if not _ERROR.match(content):
        return {}
    try:
        root = read_xml(content, lossy=True)
    except CloudStoreError:
        return {}
    limits = ((name, MAX_MESSAGE if name == "Message" else MAX_WORD) for name in FIELDS)
    return {name: root.text(name)[:limit] for name, limit in limits}


def _kind(request: S3Request, status: int, code: str | None, fields: Mapping[str, str]) -> ErrorKind:
    kind = _plain_kind(code, status, request.missing)
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


def _plain_kind(code: str | None, status: int, missing: ErrorKind) -> ErrorKind:
    """What a code or a status means in itself, whatever was asked."""
    kind = _KINDS.get(code or "") or _STATUSES.get(status)
    if kind is not None:
        return kind
    if status == 404:
        return missing
    return _K.UNAVAILABLE if status >= 500 or status < 300 else _K.UNEXPECTED_RESPONSE


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
    return named if named and _REGION.match(named) else None


def request_id(answer: Response) -> str | None:
    """By which the vendor's support finds a request."""
    found = (answer.headers[name] for name in REQUEST_IDS if name in answer.headers)
    return next(found, "")[:MAX_WORD] or None


def add_answer(error: BaseException, answer: Response) -> None:
    """Has an error say which answer made no sense."""
    if isinstance(error, UnexpectedResponseError):
        error.status, error.request_id = answer.status, request_id(answer)


def deletion_error(row: Mapping[str, str]) -> CloudStoreError | None:
    """Why one of many deletions failed; None: there was nothing to delete."""
    code = row.get("Code", "")[:MAX_WORD]
    kind = _KINDS.get(code, _K.UNEXPECTED_RESPONSE)
    if kind is _K.OBJECT_NOT_FOUND:
        return None
    message = shortened(row.get("Message", ""))
    return error_class(kind)(message, code=code, key=row.get("Key"), retryable=kind in _RETRYABLE)
