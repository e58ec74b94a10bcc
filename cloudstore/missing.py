"""Of an answer that does not tell: is it the bucket or the object that is missing? A flow; no I/O."""

from __future__ import annotations

from .driver import Driver, Flow, OpContext
from .errors import CloudStoreError, NotFoundError, ObjectNotFoundError

__all__ = ["which_is_missing"]


def which_is_missing(
    driver: Driver, ctx: OpContext, bucket: str, error: NotFoundError
) -> Flow[CloudStoreError]:
    """The error that says it, or why it cannot be told: the bucket is looked at only where `error`
    itself does not say it."""
    if type(error) is not NotFoundError:
        return error
    try:
        yield from driver.head_bucket(ctx, bucket)
    except CloudStoreError as exc:
        exc.outcome = error.outcome  # to look changed nothing
        return exc
    return ObjectNotFoundError(
        "there is no such object",
        status=error.status,
        code=error.code,
        request_id=error.request_id,
        outcome=error.outcome,
        attempts=error.attempts,
    )
