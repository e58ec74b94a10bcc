"""Of an answer that does not tell: is it the bucket or the object that is missing? A flow; no I/O."""

from __future__ import annotations

from .driver import Driver, Flow, OpContext
from .errors import BucketNotFoundError, NotFoundError, ObjectNotFoundError

__all__ = ["which_is_missing"]


def which_is_missing(
    driver: Driver, ctx: OpContext, bucket: str, error: NotFoundError
) -> Flow[NotFoundError]:
    """The error that says it: `error` itself where it does, else the bucket is looked at."""
    if type(error) is not NotFoundError:
        return error
    try:
        yield from driver.head_bucket(ctx, bucket)
    except BucketNotFoundError as exc:
        return exc
    return ObjectNotFoundError(
        "there is no such object",
        status=error.status,
        code=error.code,
        request_id=error.request_id,
    )
