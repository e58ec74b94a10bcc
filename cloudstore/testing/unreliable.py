"""A network between an engine and a driver, for simulations: latency, loss, lost answers.

Each operation travels there and back. On the way there it may be lost: nothing is applied. On the way
back its answer may be lost: it was applied, and the caller cannot know. Bodies may break off. All is
decided by the operation's own chance, so that a seed repeats it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from ..bodies import Body, Payload
from ..driver import Driver, Flow, GetResult, OpContext, Sleep
from ..errors import CloudStoreError, TransportError
from ..model import (
    CompleteOptions,
    CopyOptions,
    DeleteOptions,
    GetOptions,
    ListOptions,
    ObjectInfo,
    Page,
    Part,
    PutOptions,
    PutResult,
    UploadRef,
)
from ..pass_through import PassThroughDriver

__all__ = ["Faults", "UnreliableDriver"]

T = TypeVar("T")
LATENCY_STEPS = 4


@dataclass(frozen=True, kw_only=True)
class Faults:
    """How bad the network is: each a probability, except the latency.

    Attributes:
        latency: seconds that one way takes at most.
        lost_request: it never arrives.
        lost_answer: it is applied, the answer never comes.
        broken_body: a body ends early, at a read.
    """

    latency: float = 0.1
    lost_request: float = 0.0
    lost_answer: float = 0.0
    broken_body: float = 0.0

    def delay(self, ctx: OpContext) -> float:
        """One way's time: one of few values, so that arrivals at the same moment are common."""
        return ctx.random.randrange(LATENCY_STEPS + 1) * self.latency / LATENCY_STEPS


class UnreliableDriver(PassThroughDriver):
    """Puts `faults` before a driver. Objects, listings and uploads travel; bucket verbs do not.

    Attributes:
        faults: may be changed while it is used.
        sent, applied: how many operations were sent, and how many arrived, by name.
        open_bodies: how many bodies are open: 0 when nothing leaks.
    """

    def __init__(self, inner: Driver, faults: Faults) -> None:
        super().__init__(inner)
        self.faults = faults
        self.sent: dict[str, int] = {}
        self.applied: dict[str, int] = {}
        self.open_bodies = 0

    def _travel(self, ctx: OpContext, name: str, flow: Flow[T], *, writes: bool) -> Flow[T]:
        self.sent[name] = self.sent.get(name, 0) + 1
        yield Sleep(self.faults.delay(ctx))
        if ctx.random.random() < self.faults.lost_request:
            raise TransportError("the request was lost", retryable=True)
        self.applied[name] = self.applied.get(name, 0) + 1
        result = yield from flow
        kept = False
        try:
            yield Sleep(self.faults.delay(ctx))
            if ctx.random.random() < self.faults.lost_answer:
                raise TransportError(
                    "the answer was lost",
                    retryable=True,
                    outcome="unknown" if writes else "not_applied",
                )
            kept = True
        finally:
            if not kept and isinstance(result, GetResult):
                result.close()
        return result

    def put_object(
        self, ctx: OpContext, bucket: str, key: str, payload: Payload, options: PutOptions
    ) -> Flow[PutResult]:
        """Travels."""
        flow = self.inner.put_object(ctx, bucket, key, payload, options)
        return self._travel(ctx, "put_object", flow, writes=True)

    def get_object(self, ctx: OpContext, bucket: str, key: str, options: GetOptions) -> Flow[GetResult]:
        """Travels; its body may break off."""
        flow = self.inner.get_object(ctx, bucket, key, options)
        opened = yield from self._travel(ctx, "get_object", flow, writes=False)
        self.open_bodies += 1
        opened.body = _UnreliableBody(self, ctx, opened.body)
        return opened

    def head_object(
        self, ctx: OpContext, bucket: str, key: str, options: GetOptions
    ) -> Flow[ObjectInfo]:
        """Travels."""
        flow = self.inner.head_object(ctx, bucket, key, options)
        return self._travel(ctx, "head_object", flow, writes=False)

    def delete_object(
        self, ctx: OpContext, bucket: str, key: str, options: DeleteOptions
    ) -> Flow[None]:
        """Travels."""
        flow = self.inner.delete_object(ctx, bucket, key, options)
        return self._travel(ctx, "delete_object", flow, writes=True)

    def delete_objects(
        self, ctx: OpContext, bucket: str, keys: Sequence[str]
    ) -> Flow[dict[str, CloudStoreError]]:
        """Travels."""
        flow = self.inner.delete_objects(ctx, bucket, keys)
        return self._travel(ctx, "delete_objects", flow, writes=True)

    def copy_object(
        self,
        ctx: OpContext,
        bucket: str,
        key: str,
        to_bucket: str,
        to_key: str,
        options: CopyOptions,
    ) -> Flow[PutResult]:
        """Travels."""
        flow = self.inner.copy_object(ctx, bucket, key, to_bucket, to_key, options)
        return self._travel(ctx, "copy_object", flow, writes=True)

    def list_page(self, ctx: OpContext, bucket: str, options: ListOptions) -> Flow[Page]:
        """Travels."""
        flow = self.inner.list_page(ctx, bucket, options)
        return self._travel(ctx, "list_page", flow, writes=False)

    def update_metadata(
        self,
        ctx: OpContext,
        bucket: str,
        key: str,
        metadata: Mapping[str, str],
        if_match: str | None,
    ) -> Flow[PutResult]:
        """Travels."""
        flow = self.inner.update_metadata(ctx, bucket, key, metadata, if_match)
        return self._travel(ctx, "update_metadata", flow, writes=True)

    def get_tags(self, ctx: OpContext, bucket: str, key: str) -> Flow[dict[str, str]]:
        """Travels."""
        flow = self.inner.get_tags(ctx, bucket, key)
        return self._travel(ctx, "get_tags", flow, writes=False)

    def set_tags(self, ctx: OpContext, bucket: str, key: str, tags: Mapping[str, str]) -> Flow[None]:
        """Travels."""
        flow = self.inner.set_tags(ctx, bucket, key, tags)
        return self._travel(ctx, "set_tags", flow, writes=True)

    def create_multipart(
        self, ctx: OpContext, bucket: str, key: str, options: PutOptions
    ) -> Flow[UploadRef]:
        """Travels."""
        flow = self.inner.create_multipart(ctx, bucket, key, options)
        return self._travel(ctx, "create_multipart", flow, writes=True)

    def upload_part(self, ctx: OpContext, ref: UploadRef, number: int, payload: Payload) -> Flow[Part]:
        """Travels."""
        flow = self.inner.upload_part(ctx, ref, number, payload)
        return self._travel(ctx, "upload_part", flow, writes=True)

    def complete_multipart(
        self, ctx: OpContext, ref: UploadRef, parts: Sequence[Part], options: CompleteOptions
    ) -> Flow[PutResult]:
        """Travels."""
        flow = self.inner.complete_multipart(ctx, ref, parts, options)
        return self._travel(ctx, "complete_multipart", flow, writes=True)

    def abort_multipart(self, ctx: OpContext, ref: UploadRef) -> Flow[None]:
        """Travels."""
        flow = self.inner.abort_multipart(ctx, ref)
        return self._travel(ctx, "abort_multipart", flow, writes=True)


class _UnreliableBody(Body):
    """A body that arrives in small pieces and may break off between them."""

    __slots__ = ("_body", "_closed", "_ctx", "_link")

    def __init__(self, link: UnreliableDriver, ctx: OpContext, body: Body) -> None:
        self._link = link
        self._ctx = ctx
        self._body = body
        self._closed = False

    def readinto(self, buffer: memoryview) -> Flow[int]:
        """Some bytes, later."""
        ctx = self._ctx
        yield Sleep(self._link.faults.delay(ctx))
        if ctx.random.random() < self._link.faults.broken_body:
            raise TransportError("the body broke off", retryable=True)
        some = ctx.random.randint(1, len(buffer)) if len(buffer) else 0
        return (yield from self._body.readinto(buffer[:some]))

    def within(self, ctx: OpContext) -> None:
        """Passes it on."""
        self._body.within(ctx)

    def close(self) -> None:
        """Counts."""
        if not self._closed:
            self._closed = True
            self._link.open_bodies -= 1
        self._body.close()
