"""Uploads of files that go on where another call, process or host has ended, as flows over a driver.

What is there, the vendor says by its list of parts; which upload it is, a state file or the user. Only
what is missing, or is not what the file has, is sent.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Sequence
from dataclasses import fields
from typing import Any, Literal

from ..bodies import FilePayload
from ..checksums import ALGORITHMS
from ..driver import Call, Driver, Flow, Gather, OpContext
from ..errors import (
    CloudStoreError,
    InvalidArgumentError,
    InvalidPartError,
    NotFoundError,
    ObjectAlreadyExistsError,
    PreconditionFailedError,
    UploadNotFoundError,
)
from ..model import Part, PutOptions, PutResult, UploadRef
from ..policy import TransferConfig
from ..sources import Source
from ..writes import WRITE_ID, abort_upload, all_parts, made_by
from .destination import Destination
from .plan import Regions, fixed_part_size
from .progress import Progress, Tally
from .upload import goes_in_parts, send_all, slice_of, upload
from .upload_state import UploadState

__all__ = ["upload_resumably"]

STATE_FORMAT = 1

log = logging.getLogger("cloudstore")


def upload_resumably(
    driver: Driver,
    ctx: OpContext,
    bucket: str,
    key: str,
    path: str | os.PathLike[str],
    source: Source,
    resume: str | os.PathLike[str] | UploadRef | Literal[True],
    options: PutOptions,
    transfer: TransferConfig,
    progress: Progress | None,
) -> Flow[tuple[PutResult, int]]:
    """Writes an object from a file; returns what was made, and how many bytes it has.

    Raises:
        BlockingIOError: another process is at it.
        InvalidArgumentError: the file was changed meanwhile; nothing of it was kept.
    """
    payload = source.payload
    assert isinstance(payload, FilePayload)
    is_known = isinstance(resume, UploadRef)
    if not is_known and not goes_in_parts(driver, payload.size, transfer):
        return (yield from upload(driver, ctx, bucket, key, source, options, transfer, progress))
    tally = Tally(payload.size, progress)
    destination = Destination(driver, ctx, bucket, key, options, transfer, tally)
    resumable = _Resumable(destination, payload)
    if isinstance(resume, UploadRef):
        return (yield from resumable.go_on_with(resume)), payload.size
    where = [driver.scheme, driver.endpoint, bucket, key]
    name = hashlib.sha256("\n".join(where).encode()).hexdigest()[:12]
    state_path = f"{os.fspath(path)}.{name}.upload" if resume is True else os.fspath(resume)
    state: UploadState = yield Call(None, ctx, UploadState.open, state_path)
    try:
        return (yield from resumable.go_on_by(state, where)), payload.size
    finally:
        state.close()


class _Resumable:
    """One upload of a file."""

    def __init__(self, destination: Destination, payload: FilePayload) -> None:
        self._destination = destination
        self._driver, self._ctx = destination.driver, destination.ctx
        self._payload = payload
        self._source = _source_of(payload)
        size = fixed_part_size(payload.size, destination.transfer, destination.driver.limits)
        self._cut = Regions(payload.size, size)

    # --- by a state file ---

    def go_on_by(self, state: UploadState, where: Sequence[str]) -> Flow[PutResult]:
        """Takes up what the state file names, or begins anew, and then says so there."""
        identity = {
            "format": STATE_FORMAT,
            "where": list(where),
            "source": self._source,
            "part_size": self._cut.part_size,
            "options": _digest_of(self._destination.options),
        }
        sent = None
        remembered = yield Call(None, self._ctx, state.read, identity)
        if remembered is not None and not remembered.is_here:
            raise InvalidArgumentError("this state file is of an upload to another object")
        if remembered is not None and not remembered.is_same:
            yield from self._forget(remembered.ref)
        elif remembered is not None:
            sent = yield from self._sent(remembered.ref)
            if sent is None:
                made = yield from self._completed(remembered.ref)
                if made is not None:
                    yield Call(None, self._ctx, state.remove)
                    return made
        if sent is None:
            ref = yield from self._destination.begin()
            try:
                yield Call(None, self._ctx, state.write, identity, ref)
            except BaseException:
                yield from self._destination.abort()
                raise
        else:
            self._destination.go_on(remembered.ref, sent)
        return (yield from self._finish(sent or (), state))

    def _forget(self, ref: UploadRef) -> Flow[None]:
        """Gives up what was begun of another file, or with other options."""
        try:
            yield from abort_upload(self._driver, self._ctx, ref)
        except CloudStoreError as exc:
            log.warning("the multipart upload %s could not be aborted: %s", ref.upload_id, exc)

    def _sent(self, ref: UploadRef) -> Flow[list[Part] | None]:
        """The parts that are there as they shall be; None: there is no such upload any more."""
        try:
            found = yield from all_parts(self._driver, self._ctx, ref)
        except UploadNotFoundError:
            return None
        return [part for part in found if self._fits(part)]

    def _fits(self, part: Part) -> bool:
        numbers = range(1, len(self._cut) + 1)
        return part.number in numbers and part.size == self._cut.numbered(part.number).size

    def _completed(self, ref: UploadRef) -> Flow[PutResult | None]:
        """The object, where the process ended after this upload had become it."""
        if WRITE_ID not in ref.state:
            return None
        try:
            return (
                yield from made_by(self._driver, self._ctx, ref.bucket, ref.key, ref.state[WRITE_ID])
            )
        except NotFoundError:
            return None

    # --- by a reference ---

    def go_on_with(self, ref: UploadRef) -> Flow[PutResult]:
        """Takes up an upload that the user names: parts that the file does not have are sent again."""
        found = yield from all_parts(self._driver, self._ctx, ref)
        self._cut = Regions(self._payload.size, self._part_size_of(found))
        same = []
        for part in found:
            if self._fits(part) and (yield Call(None, self._ctx, self._has, part)):
                same.append(part)
        self._destination.go_on(ref, same)
        return (yield from self._finish(same, None))

    def _part_size_of(self, found: Sequence[Part]) -> int:
        """The size by which the parts were cut: that of the largest, if it can be."""
        largest = max((part.size for part in found), default=0)
        limits = self._driver.limits
        can_be = limits.min_part_size <= largest <= limits.max_part_size
        if can_be and -(-self._payload.size // largest) <= limits.max_parts:
            return largest
        return self._cut.part_size

    def _has(self, part: Part) -> bool:
        """Whether the file has these bytes, as far as the vendor says what they are."""
        payload = slice_of(self._payload, self._cut.numbered(part.number))
        stated = {name: value for name, value in part.checksums.items() if name in ALGORITHMS}
        return all(payload.digest(name) == value for name, value in stated.items())

    # --- both ---

    def _finish(self, sent: Sequence[Part], state: UploadState | None) -> Flow[PutResult]:
        """Sends what is missing, and completes; what cannot become right is given up."""
        there = {part.number for part in sent}
        missing = (region for region in self._cut if region.number not in there)
        try:
            flows = send_all(self._destination, self._payload, missing)
            yield Gather(flows, limit=self._destination.transfer.max_concurrency)
            if _source_of(self._payload) != self._source:
                raise InvalidArgumentError("the file was changed while it was being uploaded")
            result = yield from self._destination.complete()
        except (
            InvalidArgumentError,
            InvalidPartError,
            ObjectAlreadyExistsError,
            PreconditionFailedError,
            UploadNotFoundError,
        ):
            yield from self._destination.abort()
            if state is not None:
                yield Call(None, self._ctx, state.remove)
            raise
        if state is not None:
            yield Call(None, self._ctx, state.remove)
        return result


def _source_of(payload: FilePayload) -> dict[str, int]:
    """By which a changed file is known."""
    found = os.fstat(payload.fd)
    return {"size": found.st_size, "mtime_ns": found.st_mtime_ns, "inode": found.st_ino}


def _digest_of(options: PutOptions) -> str:
    """Of everything that the object shall be besides its bytes; metadata need not be told again."""
    values: dict[str, Any] = {f.name: getattr(options, f.name) for f in fields(options)}
    text = json.dumps(values, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
