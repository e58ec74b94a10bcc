"""The object that a transfer writes: by one request, or by a multipart upload."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from ..arguments import require
from ..bodies import Payload
from ..driver import Driver, Flow, OpContext
from ..errors import CloudStoreError, InvalidArgumentError
from ..model import CompleteOptions, Part, PutOptions, PutResult, UploadRef
from ..policy import TransferConfig
from ..writes import abort_upload, begin_upload, complete_upload, put
from .progress import Tally

__all__ = ["Destination", "put_at_once"]

log = logging.getLogger("cloudstore")


def put_at_once(
    driver: Driver, ctx: OpContext, bucket: str, key: str, payload: Payload, options: PutOptions
) -> Flow[PutResult]:
    """Writes an object by one request, after refusing what that could not honour."""
    if options.if_absent:
        require(driver, "put_if_absent")
    if options.if_match is not None:
        require(driver, "put_if_match")
    return (yield from put(driver, ctx, bucket, key, payload, options))


class Destination:
    """An object to be; its parts may be sent side by side, in any order.

    Attributes:
        driver, ctx, options, transfer: of the write.
        tally: how much is there.
    """

    def __init__(
        self,
        driver: Driver,
        ctx: OpContext,
        bucket: str,
        key: str,
        options: PutOptions,
        transfer: TransferConfig,
        tally: Tally,
    ) -> None:
        self.driver = driver
        self.ctx = ctx
        self._bucket = bucket
        self._key = key
        self.options = options
        self.transfer = transfer
        self.tally = tally
        self._sent: dict[int, Part] = {}
        self._ref: UploadRef | None = None

    @property
    def is_begun(self) -> bool:
        """Whether there is an upload that must be completed or aborted."""
        return self._ref is not None

    def put(self, payload: Payload) -> Flow[PutResult]:
        """Writes it whole by one request."""
        result = yield from put_at_once(
            self.driver, self.ctx, self._bucket, self._key, payload, self.options
        )
        self.tally.total = payload.size
        self.tally.add(payload.size)
        return result

    def begin(self) -> Flow[UploadRef]:
        """Begins the upload, after refusing what its completion could not honour."""
        self._check()
        ref = yield from begin_upload(self.driver, self.ctx, self._bucket, self._key, self.options)
        self._ref = ref
        return ref

    def go_on(self, ref: UploadRef, sent: Iterable[Part]) -> None:
        """Takes up an upload that was begun, of which these parts are there."""
        self._check()
        self._ref = ref
        self._sent = {part.number: part for part in sent}
        if done := sum(part.size for part in self._sent.values()):
            self.tally.add(done)

    def _check(self) -> None:
        require(self.driver, "multipart")
        if self.options.if_absent:
            require(self.driver, "complete_if_absent")
        if self.options.if_match is not None:
            require(self.driver, "complete_if_match")
        if self.options.checksums:
            # No vendor verifies a digest of the whole over parts: refused rather than dropped.
            raise InvalidArgumentError(
                "checksum= is verified for data that goes in one request; this goes in parts"
            )

    def send(self, number: int, payload: Payload) -> Flow[None]:
        """Sends one part."""
        assert self._ref is not None
        payload.asks_first = False
        part = yield from self.driver.upload_part(self.ctx, self._ref, number, payload)
        self._sent[number] = part
        self.tally.add(payload.size)

    def complete(self) -> Flow[PutResult]:
        """Makes the object visible."""
        assert self._ref is not None
        parts = [self._sent[number] for number in sorted(self._sent)]
        conditions = CompleteOptions(self.options.if_absent, self.options.if_match)
        result = yield from complete_upload(self.driver, self.ctx, self._ref, parts, conditions)
        self._ref = None
        return result

    def abort(self) -> Flow[None]:
        """Forgets the parts. Never raises: what it cleans up after is the error that counts."""
        ref, self._ref = self._ref, None
        if ref is None:
            return
        try:
            yield from abort_upload(self.driver, self.ctx.for_cleanup(), ref)
        except CloudStoreError as exc:
            log.warning(
                "the multipart upload %s of %s/%s could not be aborted, and is still listed: %s",
                ref.upload_id,
                ref.bucket,
                ref.key,
                exc,
            )
