"""Writing objects of any size from any source, as flows over a driver.

One request where the data fits into one; else a multipart upload whose parts are sent side by side.
Memory is bounded by the parts under way. Each part is checksummed and retried alone; any failure
aborts the upload and leaves the old object.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..bodies import BytesPayload, FilePayload, Payload
from ..driver import Driver, Flow, OpContext
from ..errors import TooLargeError
from ..model import PutOptions, PutResult
from ..policy import TransferConfig
from ..sources import OneShot, Source
from .destination import Destination, put_at_once
from .plan import Region, Regions, buffers_at_once, fixed_part_size, part_size_at
from .progress import Progress, Tally
from .window import Window

__all__ = ["StreamedUpload", "goes_in_parts", "send_all", "slice_of", "upload"]


def upload(
    driver: Driver,
    ctx: OpContext,
    bucket: str,
    key: str,
    source: Source,
    options: PutOptions,
    transfer: TransferConfig,
    progress: Progress | None,
    cut: Regions | None = None,
) -> Flow[tuple[PutResult, int]]:
    """Writes an object from any source. Returns what was made, and how many bytes it has.

    Args:
        cut: of a stream whose length is known: where its parts end.
    """
    payload = source.payload
    if payload is not None and not goes_in_parts(driver, payload.size, transfer):
        if payload.size > driver.limits.max_put_size:
            raise TooLargeError(
                f"{payload.size} bytes; {driver.scheme} takes {driver.limits.max_put_size} at once"
            )
        result = yield from put_at_once(driver, ctx, bucket, key, payload, options)
        if progress is not None:
            progress(payload.size, payload.size)
        return result, payload.size
    known = cut if payload is None else payload
    tally = Tally(None if known is None else known.size, progress)
    destination = Destination(driver, ctx, bucket, key, options, transfer, tally)
    if payload is not None:
        return (yield from _carry_regions(destination, payload)), payload.size
    assert source.stream is not None
    return (yield from _carry_stream(StreamedUpload(destination, cut), source.stream))


def goes_in_parts(driver: Driver, size: int, transfer: TransferConfig) -> bool:
    """Whether an object of known size is written by a multipart upload."""
    threshold = transfer.multipart_threshold or driver.limits.multipart_threshold
    return size > min(threshold, driver.limits.max_put_size) and driver.capabilities.multipart


def _carry_regions(destination: Destination, payload: Payload) -> Flow[PutResult]:
    """Sends what can be read anywhere, in parts of one size; any failure leaves no part behind."""
    transfer, limits = destination.transfer, destination.driver.limits
    cut = Regions(payload.size, fixed_part_size(payload.size, transfer, limits))
    yield from destination.begin()
    window = Window()
    try:
        for part in send_all(destination, payload, cut):
            yield from window.start(part)
            yield from window.wait(transfer.max_concurrency - 1)
        yield from window.wait(0)
        return (yield from destination.complete())
    except GeneratorExit:
        raise
    except BaseException:
        yield from window.end()
        yield from destination.abort()
        raise


def send_all(destination: Destination, payload: Payload, cut: Iterable[Region]) -> Iterator[Flow[None]]:
    """The flows that send these parts of a payload."""
    for region in cut:
        yield destination.send(region.number, slice_of(payload, region))


def slice_of(payload: Payload, region: Region) -> Payload:
    """The payload of a part."""
    if isinstance(payload, FilePayload):
        return FilePayload(payload.fd, payload.offset + region.offset, region.size)
    return BytesPayload(memoryview(payload.read(region.offset, region.size)))


def _carry_stream(streamed: StreamedUpload, stream: OneShot) -> Flow[tuple[PutResult, int]]:
    try:
        while piece := (yield from stream.read(streamed.next_size)):
            yield from streamed.write(piece)
            del piece  # its part may be there before the next one is full
        result = yield from streamed.complete()
        return result, streamed.size
    except GeneratorExit:
        raise
    except BaseException:
        yield from streamed.abort()
        raise


class StreamedUpload:
    """An object written piece by piece: one request if it stays small, else multipart.

    While parts are on their way, also between its flows, the next one fills. Whoever uses it calls
    `complete`, or `abort` after any failure.

    Args:
        cut: where its parts end, if its length is known; else they grow as they become many.

    Attributes:
        size: how many bytes were taken in.
    """

    def __init__(self, destination: Destination, cut: Regions | None = None) -> None:
        self._destination = destination
        self._cut = cut
        self._transfer, self._limits = destination.transfer, destination.driver.limits
        self._window = Window()
        self._buffer = bytearray()
        self._number = 1
        self.size = 0

    @property
    def _part_size(self) -> int:
        if self._cut is not None:
            return self._cut.part_size
        return part_size_at(self._number, self._transfer, self._limits)

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
        more_comes = self._cut is not None and self.size < self._cut.size
        if more_comes and len(self._buffer) >= self._part_size:
            yield from self._flush()  # before the next one takes memory, too

    def _flush(self) -> Flow[None]:
        """Sends the buffer by the side, once there is room for another one."""
        if self._number > self._limits.max_parts or self.size > self._limits.max_object_size:
            scheme = self._destination.driver.scheme
            raise TooLargeError(f"{scheme} takes {self._limits.max_parts} parts")
        if not self._destination.is_begun:
            yield from self._destination.begin()
        payload, self._buffer = BytesPayload(self._buffer), bytearray()
        yield from self._window.start(self._destination.send(self._number, payload))
        del payload
        self._number += 1
        yield from self._window.wait(buffers_at_once(self._part_size, self._transfer) - 1)

    def complete(self) -> Flow[PutResult]:
        """Makes the object visible."""
        if not self._destination.is_begun:
            return (yield from self._destination.put(BytesPayload(self._buffer)))
        if self._buffer:
            yield from self._flush()
        yield from self._window.wait(0)
        return (yield from self._destination.complete())

    def abort(self) -> Flow[None]:
        """Forgets the parts. Never raises: what it cleans up after is the error that counts."""
        self._buffer = bytearray()
        yield from self._window.end()
        yield from self._destination.abort()
