"""The one exception tree. Pure data: no imports from the rest of the package, no I/O.

Every failure that the library reports is a `CloudStoreError`. The leaves also inherit the
builtin that a Python programmer would catch (`FileNotFoundError`, `TimeoutError`, …)::

    CloudStoreError
    ├── NotFoundError (FileNotFoundError)
    │   ├── BucketNotFoundError · ObjectNotFoundError · UploadNotFoundError
    ├── AlreadyExistsError (FileExistsError)
    │   ├── BucketAlreadyExistsError · ObjectAlreadyExistsError
    ├── BucketNotEmptyError · PreconditionFailedError · NotModifiedError
    ├── RangeNotSatisfiableError (ValueError)
    ├── AuthenticationError · PermissionDeniedError (PermissionError)
    ├── QuotaExceededError · ObjectArchivedError
    ├── InvalidArgumentError (ValueError)
    │   ├── InvalidKeyError · InvalidBucketNameError · InvalidPartError
    ├── ConfigError · MissingDependencyError · StoreClosedError · UnsupportedError
    ├── ChecksumMismatchError · TooLargeError · PartialFailureError
    ├── RateLimitedError · UnavailableError
    ├── TransportError (ConnectionError) · DeadlineExceededError (TimeoutError)
    └── ReplicationError · UnexpectedResponseError
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any, ClassVar, Literal

__all__ = [
    "AlreadyExistsError",
    "AuthenticationError",
    "BucketAlreadyExistsError",
    "BucketNotEmptyError",
    "BucketNotFoundError",
    "ChecksumMismatchError",
    "CloudStoreError",
    "ConfigError",
    "DeadlineExceededError",
    "ErrorKind",
    "InvalidArgumentError",
    "InvalidBucketNameError",
    "InvalidKeyError",
    "InvalidPartError",
    "JobCancelledError",
    "LocalFileError",
    "MissingDependencyError",
    "NotFoundError",
    "NotModifiedError",
    "ObjectAlreadyExistsError",
    "ObjectArchivedError",
    "ObjectNotFoundError",
    "Outcome",
    "PartialFailureError",
    "PermissionDeniedError",
    "PreconditionFailedError",
    "QuotaExceededError",
    "RangeNotSatisfiableError",
    "RateLimitedError",
    "ReplicationError",
    "StoreClosedError",
    "TooLargeError",
    "TransportError",
    "UnavailableError",
    "UnexpectedResponseError",
    "UnsupportedError",
    "UploadNotFoundError",
    "error_class",
]

Outcome = Literal["not_applied", "unknown"]
"""What a failed operation did: surely nothing, or nobody can tell."""


class ErrorKind(StrEnum):
    """What went wrong, as one word that is the same for every vendor."""

    NOT_FOUND = "not_found"
    BUCKET_NOT_FOUND = "bucket_not_found"
    OBJECT_NOT_FOUND = "object_not_found"
    UPLOAD_NOT_FOUND = "upload_not_found"
    ALREADY_EXISTS = "already_exists"
    BUCKET_ALREADY_EXISTS = "bucket_already_exists"
    OBJECT_ALREADY_EXISTS = "object_already_exists"
    BUCKET_NOT_EMPTY = "bucket_not_empty"
    PRECONDITION_FAILED = "precondition_failed"
    NOT_MODIFIED = "not_modified"
    RANGE_NOT_SATISFIABLE = "range_not_satisfiable"
    AUTHENTICATION = "authentication"
    PERMISSION_DENIED = "permission_denied"
    QUOTA_EXCEEDED = "quota_exceeded"
    OBJECT_ARCHIVED = "object_archived"
    INVALID_ARGUMENT = "invalid_argument"
    INVALID_KEY = "invalid_key"
    INVALID_BUCKET_NAME = "invalid_bucket_name"
    INVALID_PART = "invalid_part"
    CONFIG = "config"
    MISSING_DEPENDENCY = "missing_dependency"
    STORE_CLOSED = "store_closed"
    UNSUPPORTED = "unsupported"
    CHECKSUM_MISMATCH = "checksum_mismatch"
    TOO_LARGE = "too_large"
    PARTIAL_FAILURE = "partial_failure"
    RATE_LIMITED = "rate_limited"
    UNAVAILABLE = "unavailable"
    TRANSPORT = "transport"
    DEADLINE_EXCEEDED = "deadline_exceeded"
    REPLICATION = "replication"
    UNEXPECTED_RESPONSE = "unexpected_response"
    LOCAL_FILE = "local_file"
    CANCELLED = "cancelled"


class CloudStoreError(Exception):
    """Base of every error of the library.

    Attributes:
        kind: what went wrong, the same word for every vendor.
        message: one sentence for a person; never contains a secret.
        vendor: the driver's scheme (``"s3"``, ``"file"``, …), or None before a driver is known.
        operation: the verb that the caller used, such as ``"get_object"``.
        bucket, key: what the operation was about, where it was about one.
        status, code, request_id: the vendor's own words, where it gave an answer.
        retryable: whether the same call may work a little later.
        outcome: ``"not_applied"`` or ``"unknown"``.
        attempts: how often the request was sent.
    """

    kind: ClassVar[ErrorKind] = ErrorKind.UNEXPECTED_RESPONSE
    _errno: ClassVar[int | None] = None

    def __init__(
        self,
        message: str = "",
        *,
        vendor: str | None = None,
        operation: str | None = None,
        bucket: str | None = None,
        key: str | None = None,
        status: int | None = None,
        code: str | None = None,
        request_id: str | None = None,
        retryable: bool = False,
        outcome: Outcome = "not_applied",
        attempts: int = 1,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.vendor = vendor
        self.operation = operation
        self.bucket = bucket
        self.key = key
        self.status = status
        self.code = code
        self.request_id = request_id
        self.retryable = retryable
        self.outcome: Outcome = outcome
        self.attempts = attempts
        if self._errno is not None:
            # Of OSError, which the classes that have an _errno inherit as well.
            setattr(self, "errno", self._errno)  # noqa: B010 - typed there, not here

    _FIELDS: ClassVar[tuple[str, ...]] = (
        "vendor",
        "operation",
        "bucket",
        "key",
        "status",
        "code",
        "request_id",
    )

    def __str__(self) -> str:
        named = [
            f"{name}={value!r}" if isinstance(value, str) else f"{name}={value}"
            for name in self._FIELDS
            if (value := getattr(self, name)) is not None
        ]
        if self.attempts > 1:
            named.append(f"attempts={self.attempts}")
        if self.outcome == "unknown":
            named.append("outcome='unknown'")
        text = self.message or self.kind.value.replace("_", " ")
        return f"{text} [{' '.join(named)}]" if named else text

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions pickle by calling cls(*args), which would lose the keyword-only fields.
        return (_rebuild, (type(self), self.message), dict(self.__dict__))


def _rebuild(cls: type[CloudStoreError], message: str) -> CloudStoreError:
    return cls(message)


class NotFoundError(CloudStoreError, FileNotFoundError):
    """Something does not exist, and the vendor did not say what."""

    kind = ErrorKind.NOT_FOUND
    _errno = errno.ENOENT


class BucketNotFoundError(NotFoundError):
    """The bucket does not exist."""

    kind = ErrorKind.BUCKET_NOT_FOUND


class ObjectNotFoundError(NotFoundError):
    """The object does not exist."""

    kind = ErrorKind.OBJECT_NOT_FOUND


class UploadNotFoundError(NotFoundError):
    """The multipart upload does not exist: never begun, completed, or aborted."""

    kind = ErrorKind.UPLOAD_NOT_FOUND


class AlreadyExistsError(CloudStoreError, FileExistsError):
    """Something is there already."""

    kind = ErrorKind.ALREADY_EXISTS
    _errno = errno.EEXIST


class BucketAlreadyExistsError(AlreadyExistsError):
    """The bucket is there already, yours or another account's."""

    kind = ErrorKind.BUCKET_ALREADY_EXISTS


class ObjectAlreadyExistsError(AlreadyExistsError):
    """A write with ``if_absent=True`` found an object."""

    kind = ErrorKind.OBJECT_ALREADY_EXISTS


class BucketNotEmptyError(CloudStoreError):
    """The bucket still holds objects."""

    kind = ErrorKind.BUCKET_NOT_EMPTY


class PreconditionFailedError(CloudStoreError):
    """``if_match`` or another condition did not hold; nothing was changed."""

    kind = ErrorKind.PRECONDITION_FAILED


class NotModifiedError(CloudStoreError):
    """A read with ``if_none_match`` or ``if_modified_since`` found nothing new."""

    kind = ErrorKind.NOT_MODIFIED


class RangeNotSatisfiableError(CloudStoreError, ValueError):
    """The range begins at or after the end of the object."""

    kind = ErrorKind.RANGE_NOT_SATISFIABLE


class AuthenticationError(CloudStoreError):
    """The vendor does not accept the credentials or the signature."""

    kind = ErrorKind.AUTHENTICATION


class PermissionDeniedError(CloudStoreError, PermissionError):
    """The credentials are good and do not allow this."""

    kind = ErrorKind.PERMISSION_DENIED
    _errno = errno.EACCES


class QuotaExceededError(CloudStoreError):
    """A quota is used up, or the disk is full."""

    kind = ErrorKind.QUOTA_EXCEEDED


class ObjectArchivedError(CloudStoreError):
    """The object must be restored from its archive before it can be read."""

    kind = ErrorKind.OBJECT_ARCHIVED


class InvalidArgumentError(CloudStoreError, ValueError):
    """An argument is wrong; found before anything was sent."""

    kind = ErrorKind.INVALID_ARGUMENT


class InvalidKeyError(InvalidArgumentError):
    """The vendor cannot hold this key exactly, or it is reserved."""

    kind = ErrorKind.INVALID_KEY


class InvalidBucketNameError(InvalidArgumentError):
    """The vendor cannot hold a bucket of this name."""

    kind = ErrorKind.INVALID_BUCKET_NAME


class InvalidPartError(InvalidArgumentError):
    """A part of a multipart upload is missing, changed, too small or out of order."""

    kind = ErrorKind.INVALID_PART


class ConfigError(CloudStoreError):
    """The configuration is wrong: unknown provider or option, bad value, unreadable file."""

    kind = ErrorKind.CONFIG


class MissingDependencyError(CloudStoreError):
    """A package is not installed; the message names the extra that brings it."""

    kind = ErrorKind.MISSING_DEPENDENCY


class StoreClosedError(CloudStoreError):
    """The store, or the object read from it, was closed."""

    kind = ErrorKind.STORE_CLOSED


class UnsupportedError(CloudStoreError):
    """The vendor cannot do this; found before anything was sent."""

    kind = ErrorKind.UNSUPPORTED


class ChecksumMismatchError(CloudStoreError):
    """The bytes are not the bytes that were promised."""

    kind = ErrorKind.CHECKSUM_MISMATCH


class TooLargeError(CloudStoreError):
    """The object, part or metadata is larger than the vendor takes."""

    kind = ErrorKind.TOO_LARGE


class PartialFailureError(CloudStoreError):
    """Some of many failed.

    Attributes:
        results: for each failed key, its error.
        summary: of work on a folder or a whole bucket, what was done; else None.
    """

    kind = ErrorKind.PARTIAL_FAILURE

    def __init__(
        self,
        message: str = "",
        *,
        results: Mapping[str, CloudStoreError] = MappingProxyType({}),
        summary: Any = None,
        **context: Any,
    ) -> None:
        super().__init__(message, **context)
        self.results: dict[str, CloudStoreError] = dict(results)
        self.summary = summary


class RateLimitedError(CloudStoreError):
    """The vendor asks for a slower pace."""

    kind = ErrorKind.RATE_LIMITED


class UnavailableError(CloudStoreError):
    """The vendor answered that it cannot serve now."""

    kind = ErrorKind.UNAVAILABLE


class TransportError(CloudStoreError, ConnectionError):
    """The connection failed, or what came over it cannot be trusted."""

    kind = ErrorKind.TRANSPORT


class DeadlineExceededError(CloudStoreError, TimeoutError):
    """A deadline passed."""

    kind = ErrorKind.DEADLINE_EXCEEDED
    _errno = errno.ETIMEDOUT


class ReplicationError(CloudStoreError):
    """A replicated write did not reach its guarantee.

    Attributes:
        outcomes: for each replica, its error, or None where it was applied.
    """

    kind = ErrorKind.REPLICATION

    def __init__(
        self,
        message: str = "",
        *,
        outcomes: Mapping[str, CloudStoreError | None] = MappingProxyType({}),
        **context: Any,
    ) -> None:
        super().__init__(message, **context)
        self.outcomes: dict[str, CloudStoreError | None] = dict(outcomes)


class UnexpectedResponseError(CloudStoreError):
    """The vendor's answer makes no sense to us; its status and code are kept."""

    kind = ErrorKind.UNEXPECTED_RESPONSE


class LocalFileError(CloudStoreError):
    """One of many local files could not be read or written; its `__cause__` is Python's OSError.

    Where a verb is about one file, that OSError itself is raised.
    """

    kind = ErrorKind.LOCAL_FILE


class JobCancelledError(CloudStoreError):
    """A job was cancelled before its end; what it had done stays done."""

    kind = ErrorKind.CANCELLED


_BY_KIND: Mapping[ErrorKind, type[CloudStoreError]] = MappingProxyType(
    {
        cls.kind: cls
        for cls in (
            NotFoundError,
            BucketNotFoundError,
            ObjectNotFoundError,
            UploadNotFoundError,
            AlreadyExistsError,
            BucketAlreadyExistsError,
            ObjectAlreadyExistsError,
            BucketNotEmptyError,
            PreconditionFailedError,
            NotModifiedError,
            RangeNotSatisfiableError,
            AuthenticationError,
            PermissionDeniedError,
            QuotaExceededError,
            ObjectArchivedError,
            InvalidArgumentError,
            InvalidKeyError,
            InvalidBucketNameError,
            InvalidPartError,
            ConfigError,
            MissingDependencyError,
            StoreClosedError,
            UnsupportedError,
            ChecksumMismatchError,
            TooLargeError,
            PartialFailureError,
            RateLimitedError,
            UnavailableError,
            TransportError,
            DeadlineExceededError,
            ReplicationError,
            UnexpectedResponseError,
            LocalFileError,
            JobCancelledError,
        )
    }
)


def error_class(kind: ErrorKind) -> type[CloudStoreError]:
    """The exception class of a kind."""
    return _BY_KIND[kind]
