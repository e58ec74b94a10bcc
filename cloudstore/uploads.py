"""Writing objects of any size from any source, as flows over a driver.

One request where the data fits into one; else a multipart upload whose parts are sent one after the
other, bounded by one part in memory. A failure aborts the upload and leaves the old object. A write
whose answer was lost is settled by a write-id that travels in the object's metadata.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

from .arguments import check_metadata, require
from .bodies import BytesPayload, FilePayload, Payload
from .capabilities import Limits
from .driver import Driver, Flow, OpContext
from .errors import CloudStoreError, InvalidArgumentError, TooLargeError, UploadNotFoundError
from .model import CompleteOptions, GetOptions, Part, PutOptions, PutResult, UploadRef
from .policy import TransferConfig
from .sources import OneShot, Source

__all__ = ["Progress", "StreamedUpload", "part_size_at", "put", "upload"]

Progress = Callable[[int, int | None], None]
"""Told (bytes done, bytes in all or None) after each request; what it raises stops the upload."""

WRITE_ID = "cswriteid"
"""The internal metadata name that says which write made an object."""

PARTS_PER_SIZE = 1000
"""Of an object of unknown length: after so many parts, part size doubles. So 10,000 parts of 8 MiB
and up hold 8 TiB, and small objects still take little memory."""

log = logging.getLogger("cloudstore")


def part_size_at(number: int, transfer: TransferConfig, limits: Limits) -> int:
    """The bytes of part `number` (1-based) of an object of unknown length."""
    wanted = max(transfer.part_size, limits.min_part_size) << ((number - 1) // PARTS_PER_SIZE)
    return min(wanted, limits.max_part_size)


def fixed_part_size(size: int, transfer: TransferConfig, limits: Limits) -> int:
    """The bytes of each part but the last, of an object of known size."""
    least = -(-size // limits.max_parts)
    wanted = max(transfer.part_size, limits.min_part_size, least)
    if wanted > limits.max_part_size or size > limits.max_object_size:
        raise TooLargeError(f"{size} bytes are more than this vendor takes")
    return wanted


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
        info = yield from driver.head_object(ctx.for_cleanup(), bucket, key, GetOptions())
    except CloudStoreError:
        raise error from None
    if info.metadata.get(WRITE_ID) != write_id:
        raise error
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


def upload(
    driver: Driver,
    ctx: OpContext,
    bucket: str,
    key: str,
    source: Source,
    options: PutOptions,
    transfer: TransferConfig,
    progress: Progress | None,
) -> Flow[tuple[PutResult, int]]:
    """Writes an object from any source. Returns what was made, and how many bytes it has."""
    payload = source.payload
    if payload is None:
        assert source.stream is not None
        parts = StreamedUpload(driver, ctx, bucket, key, options, transfer, progress, None)
        return (yield from _carry(parts, _write_stream(parts, source.stream)))
    threshold = transfer.multipart_threshold or driver.limits.multipart_threshold
    limit = min(threshold, driver.limits.max_put_size)
    if payload.size <= limit or not driver.capabilities.multipart:
        if payload.size > driver.limits.max_put_size:
            raise TooLargeError(
                f"{payload.size} bytes; {driver.scheme} takes {driver.limits.max_put_size} at once"
            )
        _check_one_request(driver, options)
        result = yield from put(driver, ctx, bucket, key, payload, options)
        if progress is not None:
            progress(payload.size, payload.size)
        return result, payload.size
    size = fixed_part_size(payload.size, transfer, driver.limits)
    parts = StreamedUpload(driver, ctx, bucket, key, options, transfer, progress, payload.size)
    return (yield from _carry(parts, _send_regions(parts, payload, size)))


def _carry(parts: StreamedUpload, feed: Flow[None]) -> Flow[tuple[PutResult, int]]:
    """Runs what feeds an upload, and completes it; any failure leaves no part behind."""
    try:
        yield from feed
        result = yield from parts.complete()
        return result, parts.done
    except GeneratorExit:
        raise
    except BaseException:
        yield from parts.abort()
        raise


def _send_regions(parts: StreamedUpload, payload: Payload, size: int) -> Flow[None]:
    for offset in range(0, payload.size, size):
        yield from parts.send(_region(payload, offset, min(size, payload.size - offset)))


def _write_stream(parts: StreamedUpload, stream: OneShot) -> Flow[None]:
    while piece := (yield from stream.read(parts.next_size)):
        yield from parts.write(piece)


def _region(payload: Payload, offset: int, size: int) -> Payload:
    if isinstance(payload, FilePayload):
        return FilePayload(payload.fd, payload.offset + offset, size)
    return BytesPayload(memoryview(payload.read(offset, size)))


def _check_one_request(driver: Driver, options: PutOptions) -> None:
    if options.if_absent:
        require(driver, "put_if_absent")
    if options.if_match is not None:
        require(driver, "put_if_match")


class StreamedUpload:
    """An object written piece by piece: one request if it stays small, else multipart.

    Whoever uses it calls `complete`, or `abort` after any failure.
    """

    def __init__(
        self,
        driver: Driver,
        ctx: OpContext,
        bucket: str,
        key: str,
        options: PutOptions,
        transfer: TransferConfig,
        progress: Progress | None,
        total: int | None,
    ) -> None:
        self._driver = driver
        self._ctx = ctx
        self._bucket = bucket
        self._key = key
        self._options = options
        self._transfer = transfer
        self._progress = progress
        self._total = total
        self._buffer = bytearray()
        self._ref: UploadRef | None = None
        self._parts: list[Part] = []
        self.done = 0

    @property
    def next_size(self) -> int:
        """How many bytes until the buffer makes a part."""
        number = len(self._parts) + 1
        return max(1, part_size_at(number, self._transfer, self._driver.limits) - len(self._buffer))

    def write(self, data: bytes | bytearray | memoryview) -> Flow[None]:
        """Takes in data; sends parts as they fill, never before it is sure that one is not all."""
        view = memoryview(data).cast("B")
        while len(view):
            size = part_size_at(len(self._parts) + 1, self._transfer, self._driver.limits)
            if len(self._buffer) >= size:
                yield from self._flush()
                continue
            room = size - len(self._buffer)
            self._buffer += view[:room]
            view = view[room:]

    def _flush(self) -> Flow[None]:
        payload, self._buffer = BytesPayload(self._buffer), bytearray()
        yield from self.send(payload)

    def send(self, payload: Payload) -> Flow[None]:
        """Sends the next part."""
        if self._ref is None:
            yield from self._begin()
        assert self._ref is not None
        number = len(self._parts) + 1
        limits = self._driver.limits
        if number > limits.max_parts or self.done + payload.size > limits.max_object_size:
            raise TooLargeError(f"{self._driver.scheme} takes {limits.max_parts} parts")
        part = yield from self._driver.upload_part(self._ctx, self._ref, number, payload)
        self._parts.append(part)
        self.done += payload.size
        if self._progress is not None:
            self._progress(self.done, self._total)

    def _begin(self) -> Flow[None]:
        driver, options = self._driver, self._options
        require(driver, "multipart")
        if options.if_absent:
            require(driver, "complete_if_absent")
        if options.if_match is not None:
            require(driver, "complete_if_match")
        if options.checksums:
            # No vendor verifies a digest of the whole over parts: refused rather than dropped.
            raise InvalidArgumentError(
                "checksum= is verified for data that goes in one request; this goes in parts"
            )
        self._ref = yield from begin_upload(driver, self._ctx, self._bucket, self._key, options)

    def complete(self) -> Flow[PutResult]:
        """Makes the object visible."""
        if self._ref is None:
            _check_one_request(self._driver, self._options)
            payload = BytesPayload(self._buffer)
            result = yield from put(
                self._driver, self._ctx, self._bucket, self._key, payload, self._options
            )
            self.done = payload.size
            if self._progress is not None:
                self._progress(self.done, self.done)
            return result
        if self._buffer:
            yield from self._flush()
        conditions = CompleteOptions(self._options.if_absent, self._options.if_match)
        result = yield from complete_upload(self._driver, self._ctx, self._ref, self._parts, conditions)
        self._ref = None
        return result

    def abort(self) -> Flow[None]:
        """Forgets the parts. Never raises: what it cleans up after is the error that counts."""
        self._buffer = bytearray()
        ref, self._ref = self._ref, None
        if ref is None:
            return
        try:
            yield from abort_upload(self._driver, self._ctx.for_cleanup(), ref)
        except CloudStoreError as exc:
            log.warning(
                "the multipart upload %s of %s/%s could not be aborted, and is still listed: %s",
                ref.upload_id,
                ref.bucket,
                ref.key,
                exc,
            )
