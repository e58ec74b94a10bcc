"""Objects that expire on vendors that remove none by themselves: a driver over a driver.

The moment is kept in the object's internal metadata. Who reads does not see what is due, and
`expire_due` deletes it. Time comes from the operation's clock. No I/O but by the driver below.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from .arguments import check_metadata
from .bodies import Payload
from .capabilities import Capabilities, Limits
from .driver import Call, Driver, Flow, GetResult, OpContext
from .errors import (
    NotFoundError,
    NotModifiedError,
    ObjectAlreadyExistsError,
    ObjectNotFoundError,
    PreconditionFailedError,
    RangeNotSatisfiableError,
)
from .model import (
    CompleteOptions,
    CopyOptions,
    DeleteOptions,
    GetOptions,
    ObjectInfo,
    Part,
    PutOptions,
    PutResult,
    UploadRef,
)
from .pass_through import PassThroughDriver

__all__ = ["EXPIRES_AT", "ExpiringDriver", "keep_expiry"]

EXPIRES_AT = "csexpiresat"
"""The internal metadata name of the moment: seconds since 1970, with three decimals."""

TAKING_ATTEMPTS = 3
"""How often a write that wants no object looks again at one that is due and changed meanwhile."""

REFUSED = (NotModifiedError, PreconditionFailedError, RangeNotSatisfiableError)
"""What a vendor says of an object without showing its metadata."""

IN_THE_WAY = "an object that has expired is in the way until expire_due deletes it"

_MD5 = re.compile(r"[0-9a-f]{32}", re.IGNORECASE)
_MD5_OF_PARTS = re.compile(r"[0-9a-f]{32}-[0-9]+", re.IGNORECASE)

_GET = GetOptions()


def keep_expiry(options: PutOptions, source: ObjectInfo, driver: Driver, ctx: OpContext) -> None:
    """Has what is written with `options` expire when `source` does.

    A vendor that counts in steps counts the whole ones that are left, and one at least.
    """
    stamp = source.metadata.get(EXPIRES_AT)
    if stamp is not None:
        options.metadata = {**options.metadata, EXPIRES_AT: stamp}
    elif source.expires_at is not None and driver.capabilities.expires_in:
        left = source.expires_at.timestamp() - ctx.clock.now()
        step = driver.limits.expires_step
        options.expires_in = max(1, left // step) * step if step else max(left, 0.001)


def _moment_of(info: ObjectInfo) -> float | None:
    """When an object is due, in seconds since 1970; None: never, or it does not say it as we do."""
    stamp = info.metadata.get(EXPIRES_AT)
    if stamp is None:
        return None
    try:
        moment = float(stamp)
        info.expires_at = datetime.fromtimestamp(moment, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return moment


class ExpiringDriver(PassThroughDriver):
    """Has objects expire where `inner` has none that do, but metadata; else it changes nothing.

    An object that is due does not exist for reads, nor as the source of a copy. It is in the way of a
    write that wants no object only where it cannot be replaced safely: see `_create`.
    """

    def __init__(self, inner: Driver) -> None:
        super().__init__(inner)
        self._capabilities = (inner.capabilities, inner.capabilities)
        self._limits = (inner.limits, inner.limits)

    @property
    def emulates(self) -> bool:
        """Whether it does what the vendor does not."""
        held = self.inner.capabilities
        return held.metadata and not held.expires_in

    @property
    def capabilities(self) -> Capabilities:  # type: ignore[override]
        """Those of `inner`, and ``expires_in``."""
        if not self.emulates:
            return self.inner.capabilities
        known, shown = self._capabilities
        if shown is known or known is not self.inner.capabilities:
            known = self.inner.capabilities  # discovery may have narrowed them
            shown = replace(known, expires_in=True)
            self._capabilities = known, shown
        return shown

    @property
    def limits(self) -> Limits:  # type: ignore[override]
        """Those of `inner`; any moment will do."""
        if not (self.emulates and self.inner.limits.expires_step):
            return self.inner.limits
        known, shown = self._limits
        if shown is known or known is not self.inner.limits:
            known = self.inner.limits
            shown = replace(known, expires_step=0)
            self._limits = known, shown
        return shown

    # --- reading ---

    def get_object(self, ctx: OpContext, bucket: str, key: str, options: GetOptions) -> Flow[GetResult]:
        """See `Driver`. What is due is not found."""
        if not self.emulates:
            return (yield from self.inner.get_object(ctx, bucket, key, options))
        try:
            found = yield from self.inner.get_object(ctx, bucket, key, options)
        except REFUSED:
            yield from self._look(ctx, bucket, key, options.version)
            raise
        if EXPIRES_AT in found.info.metadata and self._is_due(ctx, found.info):
            found.close()
            raise _expired()
        return found

    def head_object(
        self, ctx: OpContext, bucket: str, key: str, options: GetOptions
    ) -> Flow[ObjectInfo]:
        """See `Driver`. What is due is not found."""
        if not self.emulates:
            return (yield from self.inner.head_object(ctx, bucket, key, options))
        try:
            info = yield from self.inner.head_object(ctx, bucket, key, options)
        except REFUSED:
            yield from self._look(ctx, bucket, key, options.version)
            raise
        if EXPIRES_AT in info.metadata and self._is_due(ctx, info):
            raise _expired()
        return info

    def _look(self, ctx: OpContext, bucket: str, key: str, version: str | None = None) -> Flow[None]:
        """Raises ObjectNotFoundError of what is due: that counts more than a condition."""
        options = _GET if version is None else GetOptions(version=version)
        info = yield from self.inner.head_object(ctx, bucket, key, options)
        if self._is_due(ctx, info):
            raise _expired()

    def _is_due(self, ctx: OpContext, info: ObjectInfo) -> bool:
        moment = _moment_of(info)
        return moment is not None and ctx.clock.now() >= moment

    # --- writing ---

    def put_object(
        self, ctx: OpContext, bucket: str, key: str, payload: Payload, options: PutOptions
    ) -> Flow[PutResult]:
        """See `Driver`. The moment is counted from now on."""
        options = self._stamped(ctx, options)
        if not (options.if_absent and self.emulates):
            return (yield from self.inner.put_object(ctx, bucket, key, payload, options))

        def put(etag: str | None) -> Flow[PutResult]:
            own = replace(options, if_absent=etag is None, if_match=etag)
            return self.inner.put_object(ctx, bucket, key, payload, own)

        can_replace = self.inner.capabilities.put_if_match
        is_same = partial(_is_of_bytes, payload)
        return (yield from self._create(ctx, bucket, key, put, is_same if can_replace else None))

    def create_multipart(
        self, ctx: OpContext, bucket: str, key: str, options: PutOptions
    ) -> Flow[UploadRef]:
        """See `Driver`. The moment is counted from now on, and not from the completion."""
        return self.inner.create_multipart(ctx, bucket, key, self._stamped(ctx, options))

    def complete_multipart(
        self, ctx: OpContext, ref: UploadRef, parts: Sequence[Part], options: CompleteOptions
    ) -> Flow[PutResult]:
        """See `Driver`."""
        if not (options.if_absent and self.emulates):
            return (yield from self.inner.complete_multipart(ctx, ref, parts, options))

        def complete(etag: str | None) -> Flow[PutResult]:
            conditions = CompleteOptions(if_absent=etag is None, if_match=etag)
            return self.inner.complete_multipart(ctx, ref, parts, conditions)

        can_replace = self.inner.capabilities.complete_if_match
        is_same = partial(_is_of_parts, parts) if can_replace else None
        return (yield from self._create(ctx, ref.bucket, ref.key, complete, is_same))

    def copy_object(
        self,
        ctx: OpContext,
        bucket: str,
        key: str,
        to_bucket: str,
        to_key: str,
        options: CopyOptions,
    ) -> Flow[PutResult]:
        """See `Driver`. Whoever replaces the options of the source has looked at it; else it is looked
        at here, for a copy of what is due would be due as well, in the place of another object."""
        inner = self.inner
        if not self.emulates:
            return (yield from inner.copy_object(ctx, bucket, key, to_bucket, to_key, options))
        if options.replace is not None:
            options = replace(options, replace=self._stamped(ctx, options.replace))
            if not options.if_absent:
                return (yield from inner.copy_object(ctx, bucket, key, to_bucket, to_key, options))
        source = yield from self.head_object(ctx, bucket, key, _GET)
        if not options.if_absent:
            return (yield from inner.copy_object(ctx, bucket, key, to_bucket, to_key, options))

        def copy(etag: str | None) -> Flow[PutResult]:
            own = replace(options, if_absent=etag is None, if_match=etag)
            return inner.copy_object(ctx, bucket, key, to_bucket, to_key, own)

        is_same = partial(_is_copy_of, source) if inner.capabilities.copy_if_match else None
        return (yield from self._create(ctx, to_bucket, to_key, copy, is_same))

    def _stamped(self, ctx: OpContext, options: PutOptions) -> PutOptions:
        """The options with the moment among the metadata.

        Raises:
            TooLargeError: it is what is too much of them.
        """
        if options.expires_in is None or not self.emulates:
            return options
        moment = ctx.clock.now() + options.expires_in
        metadata = {**options.metadata, EXPIRES_AT: f"{moment:.3f}"}
        check_metadata(self.inner, metadata, internal=True)
        return replace(options, metadata=metadata, expires_in=None)

    def _create(
        self,
        ctx: OpContext,
        bucket: str,
        key: str,
        write: Callable[[str | None], Flow[PutResult]],
        is_same: Callable[[ObjectInfo], bool] | None,
    ) -> Flow[PutResult]:
        """A write that wants no object, in the place of one that is due, too.

        One that is due is replaced on condition of its ETag, so that of several writers one wins. That
        is safe only if the new object has another ETag: where ETags are hashes of bytes, a second
        writer of the same bytes would take the first one's object for what was due.

        Args:
            write: makes the object: where there is none, or in the place of the one of an ETag.
            is_same: whether the new object may get the ETag of the old one; it may read a file. None:
                the vendor has no such condition.
        """
        for _ in range(TAKING_ATTEMPTS):
            try:
                return (yield from write(None))
            except ObjectAlreadyExistsError as exc:
                refused = exc
            due = yield from self._due(ctx, bucket, key)
            if due is None:
                break
            if is_same is None or due.etag is None or (yield Call(None, ctx, is_same, due)):
                raise ObjectAlreadyExistsError(IN_THE_WAY) from refused
            try:
                return (yield from write(due.etag))
            except PreconditionFailedError as exc:
                refused = ObjectAlreadyExistsError(exc.message, outcome=exc.outcome)
                refused.__cause__ = exc
            if refused.outcome == "unknown":
                break  # it may be our own object that was met: whoever knows its write-id looks
        raise refused

    # --- what is due ---

    def expire(
        self, ctx: OpContext, bucket: str, key: str, *, dry_run: bool
    ) -> Flow[ObjectInfo | None]:
        """Deletes an object that is due, or only finds it; None: there is none, or it is not due.

        It is deleted only if it is still the same, where the vendor has such a condition.
        """
        info = yield from self._due(ctx, bucket, key)
        if info is None or dry_run:
            return info
        guard = info.etag if self.inner.capabilities.delete_if_match else None
        try:
            yield from self.inner.delete_object(ctx, bucket, key, DeleteOptions(if_match=guard))
        except (NotFoundError, PreconditionFailedError) as exc:
            # It is gone: by somebody else, or by an attempt of ours whose answer was lost.
            return info if exc.outcome == "unknown" else None
        return info

    def _due(self, ctx: OpContext, bucket: str, key: str) -> Flow[ObjectInfo | None]:
        """An object that is due; None: there is none, or it is not due."""
        try:
            info = yield from self.inner.head_object(ctx, bucket, key, _GET)
        except NotFoundError:
            return None
        return info if self._is_due(ctx, info) else None


def _expired() -> ObjectNotFoundError:
    return ObjectNotFoundError("the object has expired")


# Whether an object may get the ETag that another one has. Of the vendors whose ETags are no new ones
# with each write, all take the MD5 of the bytes, and of parts that of their MD5s and their number.


def _is_of_bytes(payload: Payload, old: ObjectInfo) -> bool:
    return old.size == payload.size and (old.etag or "").lower() == payload.digest("md5")


def _is_of_parts(parts: Sequence[Part], old: ObjectInfo) -> bool:
    same_size = old.size == sum(part.size for part in parts)
    return same_size and _MD5_OF_PARTS.fullmatch(old.etag or "") is not None


def _is_copy_of(source: ObjectInfo, old: ObjectInfo) -> bool:
    """A copy of what was written in parts gets the MD5 of all the bytes, which nobody knows."""
    if old.size != source.size or not _MD5.fullmatch(old.etag or ""):
        return False
    return old.etag == source.etag or _MD5_OF_PARTS.fullmatch(source.etag or "") is not None
