"""What conditions on reads and writes mean, for drivers whose vendor is this process. Pure."""

from __future__ import annotations

from .bodies import Payload
from .errors import (
    ChecksumMismatchError,
    NotModifiedError,
    ObjectAlreadyExistsError,
    PreconditionFailedError,
)
from .model import GetOptions, ObjectInfo

__all__ = ["check_checksums", "check_read", "check_write"]


def check_read(info: ObjectInfo, options: GetOptions) -> None:
    """Checks a read as RFC 9110 §13.2.2 orders the conditions.

    Raises:
        PreconditionFailedError, NotModifiedError
    """
    if options.if_match is not None and options.if_match != info.etag:
        raise PreconditionFailedError("the object has another ETag")
    if options.if_none_match is not None:
        if options.if_none_match in (info.etag, "*"):
            raise NotModifiedError("the object still has this ETag")
    elif (
        options.if_modified_since is not None
        and info.last_modified is not None
        # HTTP dates have whole seconds: a date sent back must not look older than itself.
        and info.last_modified.replace(microsecond=0) <= options.if_modified_since
    ):
        raise NotModifiedError("the object has not been modified since")


def check_write(current_etag: str | None, *, if_absent: bool, if_match: str | None) -> None:
    """Checks a write against the object that is there; None: there is none.

    Raises:
        ObjectAlreadyExistsError, PreconditionFailedError
    """
    if if_absent and current_etag is not None:
        raise ObjectAlreadyExistsError("there is an object already")
    if if_match is not None and if_match != current_etag:
        raise PreconditionFailedError(
            "there is no object" if current_etag is None else "the object has another ETag"
        )


def check_checksums(payload: Payload, expected: dict[str, str]) -> None:
    """Compares the digests that a writer promised with those of the bytes.

    Raises:
        ChecksumMismatchError
    """
    for algorithm, digest in expected.items():
        actual = payload.digest(algorithm)
        if actual != digest:
            raise ChecksumMismatchError(f"the {algorithm} is {actual}, {digest} was promised")
