"""One write of an object, as flows over a driver: settled where its answer was lost.

A conditional write, and a completion, carry a write-id in the object's metadata. Whoever does not
hear whether it was done looks for that id.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from .arguments import check_metadata
from .bodies import Payload
from .driver import Driver, Flow, OpContext
from .errors import CloudStoreError, UploadNotFoundError
from .listing import check_progress
from .model import CompleteOptions, GetOptions, Part, PutOptions, PutResult, UploadRef

__all__ = [
    "WRITE_ID",
    "abort_upload",
    "all_parts",
    "begin_upload",
    "complete_upload",
    "made_by",
    "put",
    "settle",
    "with_new_write_id",
]

WRITE_ID = "cswriteid"
"""The internal metadata name that says which write made an object."""


def put(
    driver: Driver, ctx: OpContext, bucket: str, key: str, payload: Payload, options: PutOptions
) -> Flow[PutResult]:
    """Writes an object by one request; settles a conditional write whose answer was lost."""
    if not (options.is_conditional and _settles(driver)):
        return (yield from driver.put_object(ctx, bucket, key, payload, options))
    write_id, options = _with_write_id(driver, ctx, options)
    try:
        return (yield from driver.put_object(ctx, bucket, key, payload, options))
    except CloudStoreError as exc:
        return (yield from settle(driver, ctx, bucket, key, write_id, exc))


def settle(
    driver: Driver, ctx: OpContext, bucket: str, key: str, write_id: str, error: CloudStoreError
) -> Flow[PutResult]:
    """The result of a write that failed with `error`, if it is there all the same; else raises it."""
    if error.outcome != "unknown":
        raise error
    try:
        made = yield from made_by(driver, ctx.for_cleanup(), bucket, key, write_id)
    except CloudStoreError:
        raise error from None
    if made is None:
        raise error
    return made


def made_by(
    driver: Driver, ctx: OpContext, bucket: str, key: str, write_id: str
) -> Flow[PutResult | None]:
    """What the write of this id has made; None where the object is another one's.

    Raises:
        NotFoundError: there is no object.
    """
    info = yield from driver.head_object(ctx, bucket, key, GetOptions())
    if info.metadata.get(WRITE_ID) != write_id:
        return None
    return PutResult(info.etag, info.version, info.last_modified, info.checksums)


def _settles(driver: Driver) -> bool:
    return driver.capabilities.settles_writes and driver.capabilities.metadata


def _with_write_id(driver: Driver, ctx: OpContext, options: PutOptions) -> tuple[str, PutOptions]:
    write_id = f"{ctx.random.getrandbits(128):032x}"
    metadata = {**options.metadata, WRITE_ID: write_id}
    check_metadata(driver, metadata, internal=True)  # ours counts, and may be what is too much
    return write_id, replace(options, metadata=metadata)


def with_new_write_id(driver: Driver, ctx: OpContext, options: PutOptions) -> tuple[str, PutOptions]:
    """Options that carry a fresh write-id where the vendor can hold one; the id is "" where not."""
    return _with_write_id(driver, ctx, options) if _settles(driver) else ("", options)


def begin_upload(
    driver: Driver, ctx: OpContext, bucket: str, key: str, options: PutOptions
) -> Flow[UploadRef]:
    """Begins a multipart upload; its reference carries the write-id that settles its completion."""
    write_id, carried = with_new_write_id(driver, ctx, options)
    ref = yield from driver.create_multipart(
        ctx, bucket, key, replace(carried, if_absent=False, if_match=None)
    )
    return replace(ref, state={**ref.state, WRITE_ID: write_id}) if write_id else ref


def complete_upload(
    driver: Driver, ctx: OpContext, ref: UploadRef, parts: Sequence[Part], conditions: CompleteOptions
) -> Flow[PutResult]:
    """Makes the object of its parts; settles a completion whose answer was lost."""
    try:
        return (yield from driver.complete_multipart(ctx, ref, parts, conditions))
    except CloudStoreError as exc:
        write_id = ref.state.get(WRITE_ID)
        if write_id is None:
            raise
        return (yield from settle(driver, ctx, ref.bucket, ref.key, write_id, exc))


def abort_upload(driver: Driver, ctx: OpContext, ref: UploadRef) -> Flow[None]:
    """Forgets an upload; if an answer was lost, that it is gone is what was to be."""
    try:
        yield from driver.abort_multipart(ctx, ref)
    except UploadNotFoundError as exc:
        if exc.outcome != "unknown":
            raise


def all_parts(driver: Driver, ctx: OpContext, ref: UploadRef) -> Flow[list[Part]]:
    """The parts that are there, by their numbers.

    Raises:
        UploadNotFoundError
    """
    parts: list[Part] = []
    token = None
    while True:
        page = yield from driver.list_parts(ctx, ref, token)
        check_progress(token, page.token)
        parts += page.parts
        token = page.token
        if token is None:
            return parts
