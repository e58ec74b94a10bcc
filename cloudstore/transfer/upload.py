"""Writing objects of any size from any source, as flows over a driver.

One request where the data fits into one; else a multipart upload whose parts are sent side by side.
Memory is bounded by the parts under way. Each part is checksummed and retried alone; any failure
aborts the upload and leaves the old object.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator

from ..arguments import require
from ..bodies import BytesPayload, FilePayload, Payload
from ..driver import Driver, Flow, Gather, OpContext
from ..errors import CloudStoreError, InvalidArgumentError, TooLargeError
from ..model import CompleteOptions, Part, PutOptions, PutResult, UploadRef
from ..policy import TransferConfig
from ..sources import OneShot, Source
from ..writes import abort_upload, begin_upload, complete_upload, put
from .plan import Region, Regions, buffers_at_once, fixed_part_size, part_size_at
from .progress import Progress, Tally
from .window import Window

__all__ = ["Parts", "StreamedUpload", "goes_in_parts", "send_all", "slice_of", "upload"]

log = logging.getLogger("cloudstore")


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
        streamed = StreamedUpload(driver, ctx, bucket, key, options, transfer, progress)
        return (yield from _carry_stream(streamed, source.stream))
    if goes_in_parts(driver, payload.size, transfer):
        parts = Parts(driver, ctx, bucket, key, options, Tally(payload.size, progress))
        return (yield from _carry_regions(parts, payload, transfer)), payload.size
    if payload.size > driver.limits.max_put_size:
        raise TooLargeError(
            f"{payload.size} bytes; {driver.scheme} takes {driver.limits.max_put_size} at once"
        )
    _check_one_request(driver, options)
    result = yield from put(driver, ctx, bucket, key, payload, options)
    if progress is not None:
        progress(payload.size, payload.size)
    return result, payload.size


def goes_in_parts(driver: Driver, size: int, transfer: TransferConfig) -> bool:
    """Whether an object of known size is written by a multipart upload."""
    threshold = transfer.multipart_threshold or driver.limits.multipart_threshold
    return size > min(threshold, driver.limits.max_put_size) and driver.capabilities.multipart


def _check_one_request(driver: Driver, options: PutOptions) -> None:
    if options.if_absent:
        require(driver, "put_if_absent")
    if options.if_match is not None:
        require(driver, "put_if_match")


def _carry_regions(parts: Parts, payload: Payload, transfer: TransferConfig) -> Flow[PutResult]:
    """Sends what can be read anywhere, in parts of one size; any failure leaves no part behind."""
    size = fixed_part_size(payload.size, transfer, parts.limits)
    yield from parts.begin()
    try:
        cut = Regions(payload.size, size)
        yield Gather(send_all(parts, payload, cut), limit=transfer.max_concurrency)
        return (yield from parts.complete())
    except GeneratorExit:
        raise
    except BaseException:
        yield from parts.abort()
        raise


def send_all(parts: Parts, payload: Payload, cut: Iterable[Region]) -> Iterator[Flow[None]]:
    """The flows that send these parts of a payload."""
    for region in cut:
        yield parts.send(region.number, slice_of(payload, region))


def slice_of(payload: Payload, region: Region) -> Payload:
    """The payload of a part."""
    if isinstance(payload, FilePayload):
        return FilePayload(payload.fd, payload.offset + region.offset, region.size)
    return BytesPayload(memoryview(payload.read(region.offset, region.size)))


def _carry_stream(streamed: StreamedUpload, stream: OneShot) -> Flow[tuple[PutResult, int]]:
    try:
        while piece := (yield from stream.read(streamed.next_size)):
            yield from streamed.write(piece)
        result = yield from streamed.complete()
        return result, streamed.size
    except GeneratorExit:
        raise
    except BaseException:
        yield from streamed.abort()
        raise


class Parts:
    """A multipart upload whose parts may be sent side by side, in any order."""

    def __init__(
        self,
        driver: Driver,
        ctx: OpContext,
        bucket: str,
        key: str,
        options: PutOptions,
        tally: Tally,
    ) -> None:
        self._driver = driver
        self._ctx = ctx
        self._bucket = bucket
        self._key = key
        self._options = options
        self._sent: dict[int, Part] = {}
        self._ref: UploadRef | None = None
        self.limits = driver.limits
        self.tally = tally

    @property
    def is_begun(self) -> bool:
        """Whether there is an upload that must be completed or aborted."""
        return self._ref is not None

    def go_on(self, ref: UploadRef, sent: Iterable[Part]) -> None:
        """Takes up an upload that was begun, of which these parts are there."""
        self._check()
        self._ref = ref
        self._sent = {part.number: part for part in sent}
        if done := sum(part.size for part in self._sent.values()):
            self.tally.add(done)

    def begin(self) -> Flow[UploadRef]:
        """Begins the upload, after refusing what its completion could not honour."""
        self._check()
        ref = yield from begin_upload(self._driver, self._ctx, self._bucket, self._key, self._options)
        self._ref = ref
        return ref

    def _check(self) -> None:
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

    def send(self, number: int, payload: Payload) -> Flow[None]:
        """Sends one part."""
        assert self._ref is not None
        part = yield from self._driver.upload_part(self._ctx, self._ref, number, payload)
        self._sent[number] = part
        self.tally.add(payload.size)

    def complete(self) -> Flow[PutResult]:
        """Makes the object visible."""
        assert self._ref is not None
        parts = [self._sent[number] for number in sorted(self._sent)]
        conditions = CompleteOptions(self._options.if_absent, self._options.if_match)
        result = yield from complete_upload(self._driver, self._ctx, self._ref, parts, conditions)
        self._ref = None
        return result

    def abort(self) -> Flow[None]:
        """Forgets the parts. Never raises: what it cleans up after is the error that counts."""
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


class StreamedUpload:
    """An object written piece by piece: one request if it stays small, else multipart.

    While parts are on their way, also between its flows, the next one fills. Whoever uses it calls
    `complete`, or `abort` after any failure.

    Attributes:
        size: how many bytes were taken in.
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
    ) -> None:
        self._driver = driver
        self._ctx = ctx
        self._bucket = bucket
        self._key = key
        self._options = options
        self._transfer = transfer
        self._tally = Tally(None, progress)
        self._parts = Parts(driver, ctx, bucket, key, options, self._tally)
        self._buffer = bytearray()
        self._number = 1
        self._window = Window()
        self.size = 0

    @property
    def _part_size(self) -> int:
        return part_size_at(self._number, self._transfer, self._driver.limits)

    @property
    def next_size(self) -> int:
        """How many bytes until the buffer makes a part; of the next part where it does."""
        return self._part_size - len(self._buffer) or self._part_size

    def write(self, data: bytearray | memoryview) -> Flow[None]:
        """Takes in data; sends parts as they fill, never before it is sure that one is not all.

        A bytearray is the upload's from now on.
        """
        view = memoryview(data).cast("B")
        while len(view):
            room = self._part_size - len(self._buffer)
            if room <= 0:
                yield from self._flush()
                continue
            if not self._buffer and isinstance(data, bytearray) and len(view) == len(data) <= room:
                self._buffer = data  # not copied
            else:
                self._buffer += view[:room]
            self.size += min(room, len(view))
            view = view[room:]

    def _flush(self) -> Flow[None]:
        """Sends the buffer by the side, once there is room for another one."""
        limits = self._driver.limits
        if self._number > limits.max_parts or self.size > limits.max_object_size:
            raise TooLargeError(f"{self._driver.scheme} takes {limits.max_parts} parts")
        if not self._parts.is_begun:
            yield from self._parts.begin()
        payload, self._buffer = BytesPayload(self._buffer), bytearray()
        yield from self._window.start(self._parts.send(self._number, payload))
        del payload
        self._number += 1
        yield from self._window.wait(buffers_at_once(self._part_size, self._transfer) - 1)

    def complete(self) -> Flow[PutResult]:
        """Makes the object visible."""
        if not self._parts.is_begun:
            return (yield from self._put())
        if self._buffer:
            yield from self._flush()
        yield from self._window.wait(0)
        return (yield from self._parts.complete())

    def _put(self) -> Flow[PutResult]:
        _check_one_request(self._driver, self._options)
        payload = BytesPayload(self._buffer)
        result = yield from put(
            self._driver, self._ctx, self._bucket, self._key, payload, self._options
        )
        self._tally.total = payload.size
        self._tally.add(payload.size)
        return result

    def abort(self) -> Flow[None]:
        """Forgets the parts. Never raises: what it cleans up after is the error that counts."""
        self._buffer = bytearray()
        yield from self._window.end()
        yield from self._parts.abort()
