"""Drivers that are wrong on purpose, and what the soak must say of each: proof that it can fail.

Each wraps a good driver and breaks one thing, as a driver or the library might. `BROKEN` lists them,
with those that prove the conformance suite and that a soak must find out, too.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from cloudstore import CloudStoreError, PutResult, TransportError
from cloudstore.bodies import BytesBody, BytesPayload, Payload
from cloudstore.driver import Flow, GetResult, OpContext, Sleep
from cloudstore.model import (
    ByteRange,
    CompleteOptions,
    CopyOptions,
    DeleteOptions,
    GetOptions,
    ListOptions,
    ObjectInfo,
    Page,
    Part,
    PutOptions,
    UploadRef,
)
from cloudstore.testing import PassThroughDriver
from cloudstore.testing.broken import (
    AbortDoesNothing,
    BatchDeleteStopsEarly,
    CopyLosesMetadata,
    CreateOnlyOverwrites,
    ErrorSwallowed,
    IfMatchIgnored,
)

from .growth import MIB

LATE = 4.0
"""Seconds by which a deadline is missed."""


class ResumeOffsetDropped(PassThroughDriver):
    """A read that goes on after a break begins anew."""

    def get_object(self, ctx: OpContext, bucket: str, key: str, options: GetOptions) -> Flow[GetResult]:
        """See the class."""
        if options.if_match is not None:
            options = replace(options, range=ByteRange(0, options.range.end))
        return self.inner.get_object(ctx, bucket, key, options)


class PartForgotten(PassThroughDriver):
    """A completion leaves out the last of several parts."""

    def complete_multipart(
        self, ctx: OpContext, ref: UploadRef, parts: Sequence[Part], options: CompleteOptions
    ) -> Flow[PutResult]:
        """See the class."""
        kept = parts[:-1] if len(parts) > 1 else parts
        return self.inner.complete_multipart(ctx, ref, kept, options)


class StaleReads(PassThroughDriver):
    """A whole read of a key gives what the first one gave."""

    _cached: dict[str, tuple[ObjectInfo, bytes]]

    def get_object(self, ctx: OpContext, bucket: str, key: str, options: GetOptions) -> Flow[GetResult]:
        """See the class."""
        self._cached = getattr(self, "_cached", {})
        if options != GetOptions():
            return (yield from self.inner.get_object(ctx, bucket, key, options))
        if key not in self._cached:
            opened = yield from self.inner.get_object(ctx, bucket, key, options)
            data = bytearray(opened.info.size)
            view = memoryview(data)
            while view and (count := (yield from opened.body.readinto(view))):
                view = view[count:]
            opened.body.close()
            self._cached[key] = (opened.info, bytes(data))
        info, kept = self._cached[key]
        return GetResult(info, BytesBody(kept), 0, len(kept))


class OneByteTurned(PassThroughDriver):
    """Of a write, the byte in the middle is another one, and its checksum fits."""

    def put_object(
        self, ctx: OpContext, bucket: str, key: str, payload: Payload, options: PutOptions
    ) -> Flow[PutResult]:
        """See the class."""
        data = bytearray(payload.read(0, payload.size))
        if data:
            data[len(data) // 2] ^= 1
        turned = replace(options, checksums={})
        return self.inner.put_object(ctx, bucket, key, BytesPayload(data), turned)


class FailureThatWasNone(PassThroughDriver):
    """A write is applied, and then said not to have been."""

    def put_object(
        self, ctx: OpContext, bucket: str, key: str, payload: Payload, options: PutOptions
    ) -> Flow[PutResult]:
        """See the class."""
        result = yield from self.inner.put_object(ctx, bucket, key, payload, options)
        if payload.size % 5 == 0:
            raise TransportError("the connection failed")
        return result


class SomeDeletionsForgotten(PassThroughDriver):
    """A deletion of a single key is done half the time."""

    def delete_object(
        self, ctx: OpContext, bucket: str, key: str, options: DeleteOptions
    ) -> Flow[None]:
        """See the class."""
        if key.endswith(("0", "2")):
            yield from ()
            return None
        return (yield from self.inner.delete_object(ctx, bucket, key, options))


class KeyMissingInListings(PassThroughDriver):
    """A page lacks its last object."""

    def list_page(self, ctx: OpContext, bucket: str, options: ListOptions) -> Flow[Page]:
        """See the class."""
        page = yield from self.inner.list_page(ctx, bucket, options)
        page.objects = page.objects[:-1]
        return page


class ErrorOfAnotherTree(PassThroughDriver):
    """A head that cannot be had raises what Python raises."""

    def head_object(
        self, ctx: OpContext, bucket: str, key: str, options: GetOptions
    ) -> Flow[ObjectInfo]:
        """See the class."""
        try:
            return (yield from self.inner.head_object(ctx, bucket, key, options))
        except CloudStoreError as exc:
            raise ValueError("no head") from exc


class DeadlineMissed(PassThroughDriver):
    """A head takes its time, whatever the deadline is."""

    def head_object(
        self, ctx: OpContext, bucket: str, key: str, options: GetOptions
    ) -> Flow[ObjectInfo]:
        """See the class."""
        yield Sleep(LATE)
        return (yield from self.inner.head_object(ctx, bucket, key, options))


class _Keeps(PassThroughDriver):
    """Base of those that never let go of something."""

    def __init__(self, inner: PassThroughDriver) -> None:
        super().__init__(inner)
        self.kept: list[object] = []


class ConnectionsKept(_Keeps):
    """Each read opens a body more than it reads."""

    def get_object(self, ctx: OpContext, bucket: str, key: str, options: GetOptions) -> Flow[GetResult]:
        """See the class."""
        if options.range.is_whole:
            opened = yield from self.inner.get_object(ctx, bucket, key, options)
            self.kept.append(opened)
        return (yield from self.inner.get_object(ctx, bucket, key, options))


class MemoryKept(_Keeps):
    """Each write keeps a megabyte."""

    def put_object(
        self, ctx: OpContext, bucket: str, key: str, payload: Payload, options: PutOptions
    ) -> Flow[PutResult]:
        """See the class."""
        self.kept.append(b"x" * MIB)
        return self.inner.put_object(ctx, bucket, key, payload, options)


class TaskKept(PassThroughDriver):
    """A task goes on when its store is closed."""

    _task: asyncio.Task[None] | None = None

    def head_object(
        self, ctx: OpContext, bucket: str, key: str, options: GetOptions
    ) -> Flow[ObjectInfo]:
        """See the class."""
        if self._task is None:
            with suppress(RuntimeError):  # a thread has no loop
                self._task = asyncio.get_running_loop().create_task(asyncio.sleep(3600))
        return self.inner.head_object(ctx, bucket, key, options)


class FilesKept(_Keeps):
    """Each change of the metadata leaves a temporary file."""

    def copy_object(
        self,
        ctx: OpContext,
        bucket: str,
        key: str,
        to_bucket: str,
        to_key: str,
        options: CopyOptions,
    ) -> Flow[PutResult]:
        """See the class."""
        descriptor, _ = tempfile.mkstemp()
        os.close(descriptor)
        return self.inner.copy_object(ctx, bucket, key, to_bucket, to_key, options)


@dataclass(frozen=True)
class Broken:
    """A driver, and what is said of it.

    Attributes:
        says: one of these stands in the violation.
        faults: without which it does no wrong.
    """

    driver: type[PassThroughDriver]
    says: tuple[str, ...]
    faults: tuple[str, ...] = ()


CUTS = ("answer cut", "request cut", "503")
OTHER_STATE = (
    "where only",
    "was created, where",
    "what is not there",
    "what was not there",
    "there is no such range",
)
"""An object is there that should not be, or not there that should be."""
OTHER_BYTES = ("is another one", "bytes of [", "ChecksumMismatchError", "the head is", "objects of")
SHARED = ("created first", "updates are lost", "overwritten before", "said that", "is lost")
BROKEN: tuple[Broken, ...] = (
    Broken(ResumeOffsetDropped, OTHER_BYTES, CUTS),
    Broken(ErrorSwallowed, OTHER_STATE + SHARED, CUTS),
    Broken(PartForgotten, OTHER_BYTES + OTHER_STATE),
    Broken(StaleReads, OTHER_STATE + SHARED),
    Broken(OneByteTurned, OTHER_BYTES + SHARED),
    Broken(FailureThatWasNone, OTHER_STATE + SHARED),
    Broken(CreateOnlyOverwrites, OTHER_STATE + SHARED),
    Broken(IfMatchIgnored, ("on a condition that cannot hold", *SHARED)),
    Broken(AbortDoesNothing, ("are left over",)),
    Broken(BatchDeleteStopsEarly, OTHER_STATE),
    Broken(SomeDeletionsForgotten, OTHER_STATE),
    Broken(CopyLosesMetadata, ("nobody wrote an object with", *OTHER_STATE)),
    Broken(KeyMissingInListings, ("list found nothing",)),
    Broken(ErrorOfAnotherTree, ("which is not of the tree",)),
    Broken(DeadlineMissed, (" took ",)),
    Broken(
        ConnectionsKept,
        (
            "connections grew",
            "objects of the library grew",
            "descriptors grew",
            "after both stores were closed there are",
        ),
    ),
    Broken(MemoryKept, ("memory grew",)),
    Broken(FilesKept, ("temporary files grew",)),
    Broken(TaskKept, ("after both stores were closed there are 1 tasks",)),
)
