"""`Harness`: what the conformance suite must be told about a vendor. Everything else it finds out."""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, nullcontext
from typing import ClassVar

from ...driver import Driver
from ...policy import RetryPolicy

__all__ = ["Harness"]


class Harness(ABC):
    """Makes drivers for the suite. Nothing may happen before the first call: pytest builds it early.

    The attributes from `completes_again` on are what vendors differ in and no capability says: a
    driver is held to the strict form unless its harness says otherwise.

    Attributes:
        retry: the policy of the stores under test.
        reuses_buckets: whether a bucket that a test has only written to is emptied and given to the
            next, where making buckets is slow. Those with other settings are always deleted.
        secrets: texts that no repr, log record or error may hold: keys, tokens, passwords.
        completes_again: whether a completed upload may be completed once more, without effect, as S3
            allows for the sake of clients that lost the answer. Else that raises UploadNotFoundError.
        etag_tells_metadata: whether another ETag comes with other metadata. Where it is the hash of the
            bytes, nothing guards a merge of metadata that is a copy.
        etag_guards_metadata: whether a condition on the ETag guards such a merge; where the former is
            False, it does not. A wrapper may have ETags that tell, and decide by others that do not.
        tells_upload_times: whether listed uploads say when they began.
        upload_time_step: seconds that the vendor's clock may be ahead, its rounding included, where it
            says so.
        form_fixes_type: whether a presigned form can say which content type its file will have. Where
            the file says it, asking for one is refused.
        counts_within: seconds until what the vendor counts (objects, bytes) agrees with its listings.
        unsigned_statuses: what a presigned URL gets whose query was taken away.
    """

    retry: ClassVar[RetryPolicy] = RetryPolicy()
    reuses_buckets: bool = False
    secrets: tuple[str, ...] = ()
    completes_again: bool = False
    etag_tells_metadata: bool = True
    etag_guards_metadata: bool = True
    tells_upload_times: bool = True
    upload_time_step: float = 0.0
    form_fixes_type: bool = True
    counts_within: float = 0.0
    unsigned_statuses: tuple[int, ...] = (401, 403)

    @abstractmethod
    def make_driver(self) -> Driver:
        """A new driver. Where the vendor allows it, of an empty account of its own.

        The suite makes buckets of unique names and deletes them, so a shared account does no harm.
        """

    def second_view(self, driver: Driver) -> Driver | None:
        """Another driver on the data of `driver`, as another process has; None: there can be none."""
        return None

    def bucket_name(self) -> str:
        """A name that no bucket has."""
        return f"conformance-{uuid.uuid4().hex[:20]}"

    def provide_bucket(self, driver: Driver) -> str:
        """An empty bucket, for a vendor whose API creates none (``create_bucket`` is False)."""
        raise TypeError("a vendor that cannot create buckets needs Harness.provide_bucket")

    def serving(self, driver: Driver) -> AbstractContextManager[object]:
        """While this is entered, presigned URLs of `driver` work. A real vendor's always do."""
        return nullcontext()

    def close(self) -> None:  # noqa: B027 - most harnesses start nothing
        """Ends what the harness started. Drivers are closed by the suite."""
