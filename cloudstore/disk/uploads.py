"""Multipart uploads of `local`: folders under ``<root>/.cloudstore/uploads``, named by upload id.

A folder holds ``manifest.json`` (what is uploaded, and how; it is the upload's lock too) and the
parts, whose names say everything: ``<number>.<which upload of it>.<size>.<md5>``. A folder appears
and vanishes by one rename, from and to this process's own folder in ``tmp``.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any, NamedTuple

from ..driver import OpContext
from ..errors import InvalidPartError, UploadNotFoundError
from ..model import CompleteOptions, Part, PutOptions, UploadInfo, UploadRef
from .files import pieces
from .layout import (
    CREATE,
    FOLDER,
    HEADERS,
    LOCK,
    MODE,
    READ,
    Head,
    Spot,
    encode,
    head_of,
    list_folder,
    read_all,
    remove_tree,
    sync,
    write_all,
)
from .tree import Temp, Tree

__all__ = ["Uploads"]

MANIFEST = "manifest.json"
UPLOAD_ID = re.compile(r"[0-9a-f]{32}")
PART_NAME = re.compile(r"(\d{5})\.(\d+)\.(\d+)\.([0-9a-f]{32})")


class _Kept(NamedTuple):
    """A part that is there; of a number uploaded twice, the later has the higher `turn`."""

    turn: int
    name: str
    part: Part


class Uploads:
    """The uploads of a tree; errors of the system are raised as they are."""

    def __init__(self, tree: Tree, scheme: str) -> None:
        self._tree = tree
        self._scheme = scheme

    def create(self, ctx: OpContext, bucket: str, key: str, options: PutOptions) -> UploadRef:
        """Begins an upload.

        Raises:
            BucketNotFoundError
        """
        tree = self._tree
        own = tree.own(ctx)
        ref = UploadRef(self._scheme, bucket, key, f"{ctx.random.getrandbits(128):032x}")
        manifest = {
            "bucket": bucket,
            "key": key,
            "started_at": ctx.clock.now(),
            "checksums": dict(options.checksums),
            **head_of(options),
        }
        made = str(next(own.numbers))
        with tree.using(bucket):
            os.mkdir(made, dir_fd=own.folder)
            try:
                self._write_manifest(own.folder, made, encode(manifest).encode())
                os.rename(made, ref.upload_id, src_dir_fd=own.folder, dst_dir_fd=tree.uploads)
            except BaseException:
                remove_tree(own.folder, made)
                raise
            tree.sync_after(tree.uploads)
        return ref

    def _write_manifest(self, parent: int, name: str, text: bytes) -> None:
        folder = os.open(name, FOLDER, dir_fd=parent)
        try:
            fd = os.open(MANIFEST, CREATE, MODE, dir_fd=folder)
            try:
                write_all(fd, text)
                if self._tree.fsync:
                    sync(fd)
                    sync(folder)
            finally:
                os.close(fd)
        finally:
            os.close(folder)

    def _manifest(self, upload_id: str) -> dict[str, Any] | None:
        try:
            fd = os.open(f"{upload_id}/{MANIFEST}", READ, dir_fd=self._tree.uploads)
        except (FileNotFoundError, NotADirectoryError):
            return None
        try:
            manifest: dict[str, Any] = json.loads(read_all(fd))
        except ValueError:  # torn by power loss, where nothing was synced
            return None
        finally:
            os.close(fd)
        return manifest

    def check(self, ref: UploadRef) -> dict[str, Any]:
        """The manifest of an upload.

        Raises:
            UploadNotFoundError, BucketNotFoundError
        """
        manifest = None
        if UPLOAD_ID.fullmatch(ref.upload_id):
            manifest = self._manifest(ref.upload_id)
        if manifest is None or (manifest["bucket"], manifest["key"]) != (ref.bucket, ref.key):
            self._tree.check_bucket(ref.bucket)
            raise UploadNotFoundError("there is no such multipart upload")
        return manifest

    @contextmanager
    def _changing(self, ref: UploadRef) -> Iterator[int]:
        """Holds an upload's lock; gives its folder.

        Raises:
            UploadNotFoundError, BucketNotFoundError
        """
        tree = self._tree
        self.check(ref)
        path = f"{ref.upload_id}/{MANIFEST}"
        try:
            lock = tree.lock(tree.uploads, path, fcntl.LOCK_EX, LOCK & ~os.O_CREAT)
        except FileNotFoundError:
            raise UploadNotFoundError("there is no such multipart upload") from None
        try:
            self.check(ref)  # whoever held the lock may have ended the upload
            folder = os.open(ref.upload_id, FOLDER, dir_fd=tree.uploads)
            try:
                yield folder
            finally:
                os.close(folder)
        finally:
            tree.unlock(lock)

    def _parts(self, upload_id: str) -> dict[int, _Kept]:
        found: dict[int, _Kept] = {}
        for name in list_folder(self._tree.uploads, upload_id):
            match = PART_NAME.fullmatch(name)
            if match is not None:
                number, turn, size = int(match[1]), int(match[2]), int(match[3])
                kept = _Kept(turn, name, Part(number, match[4], size, {"md5": match[4]}))
                if number not in found or found[number].turn < turn:
                    found[number] = kept
        return found

    def keep_part(
        self,
        ctx: OpContext,
        ref: UploadRef,
        number: int,
        chunks: Iterable[bytes | memoryview],
        size: int,
    ) -> Part:
        """Keeps a part of `size` bytes, in the place of what its number was before.

        Raises:
            UploadNotFoundError, BucketNotFoundError
            UnavailableError: there were fewer bytes.
        """
        tree = self._tree
        self.check(ref)
        own = tree.own(ctx)
        with Temp(own.folder, str(next(own.numbers))) as temp:
            md5 = temp.fill(chunks, "md5", {})["md5"]
            temp.check_size(size)
            if tree.fsync:
                sync(temp.fd)
            with self._changing(ref) as folder:
                before = self._parts(ref.upload_id).get(number)
                turn = 0 if before is None else before.turn + 1
                name = f"{number:05}.{turn}.{size}.{md5}"
                os.rename(temp.name, name, src_dir_fd=temp.folder, dst_dir_fd=folder)
                tree.sync_after(folder)
                if before is not None:
                    with suppress(OSError):  # the later one counts
                        os.unlink(before.name, dir_fd=folder)
        return Part(number, md5, size, {"md5": md5})

    def complete(
        self, ctx: OpContext, ref: UploadRef, parts: Sequence[Part], options: CompleteOptions
    ) -> tuple[os.stat_result, Head]:
        """Makes the object of the parts; a crash leaves the upload as it was.

        Raises:
            UploadNotFoundError, BucketNotFoundError, InvalidPartError, ChecksumMismatchError
            ObjectAlreadyExistsError, PreconditionFailedError
        """
        tree = self._tree
        tree.own(ctx)
        with self._changing(ref) as folder:
            manifest = self.check(ref)
            found = self._parts(ref.upload_id)
            chosen = []
            for part in parts:
                kept = found.get(part.number)
                if kept is None or kept.part.etag != part.etag:
                    raise InvalidPartError(f"part {part.number} is not there or is another one")
                chosen.append(kept)
            spot = Spot(ref.bucket, ref.key)
            with tree.temp(ctx, spot) as temp:
                checksums = temp.fill(_contents(folder, chosen), "crc32", manifest["checksums"])
                head = {name: manifest[name] for name in HEADERS if name in manifest}
                head |= {"metadata": manifest["metadata"], "checksums": checksums}
                made = tree.publish(
                    ctx,
                    spot,
                    temp,
                    head,
                    if_absent=options.if_absent,
                    if_match=options.if_match,
                )
            with suppress(OSError):  # the object is made; what is left can be aborted
                self._discard(ctx, ref.upload_id)
        return made, head

    def abort(self, ctx: OpContext, ref: UploadRef) -> None:
        """Forgets an upload.

        Raises:
            UploadNotFoundError, BucketNotFoundError
        """
        self._tree.own(ctx)
        with self._changing(ref):
            self._discard(ctx, ref.upload_id)

    def _discard(self, ctx: OpContext, upload_id: str) -> None:
        tree = self._tree
        own = tree.own(ctx)
        gone = str(next(own.numbers))
        os.rename(upload_id, gone, src_dir_fd=tree.uploads, dst_dir_fd=own.folder)
        tree.sync_after(tree.uploads)
        with suppress(OSError):  # what is left is in the temporary folder
            remove_tree(own.folder, gone)

    def forget(self, ctx: OpContext, bucket: str) -> None:
        """Forgets all uploads of a bucket, which is locked against new ones."""
        for upload_id in list_folder(self._tree.uploads):
            manifest = self._manifest(upload_id)
            if manifest is not None and manifest["bucket"] == bucket:
                with suppress(FileNotFoundError):  # it was just completed or aborted
                    self._discard(ctx, upload_id)

    def parts(self, ref: UploadRef) -> list[Part]:
        """The parts, by number.

        Raises:
            UploadNotFoundError, BucketNotFoundError
        """
        self.check(ref)
        return [kept.part for _, kept in sorted(self._parts(ref.upload_id).items())]

    def list(self, bucket: str, prefix: str) -> list[UploadInfo]:
        """The uploads of a bucket whose keys have a prefix, by key, then by id.

        Raises:
            BucketNotFoundError
        """
        self._tree.check_bucket(bucket)
        found = []
        for upload_id in list_folder(self._tree.uploads):
            manifest = self._manifest(upload_id)
            if manifest is None or manifest["bucket"] != bucket:
                continue
            if manifest["key"].startswith(prefix):
                ref = UploadRef(self._scheme, bucket, manifest["key"], upload_id)
                found.append(UploadInfo(ref, datetime.fromtimestamp(manifest["started_at"], UTC)))
        found.sort(key=lambda info: (info.ref.key, info.ref.upload_id))
        return found


def _contents(folder: int, chosen: Iterable[_Kept]) -> Iterator[bytes]:
    for kept in chosen:
        fd = os.open(kept.name, READ, dir_fd=folder)
        try:
            if os.fstat(fd).st_size != kept.part.size:
                raise InvalidPartError(f"part {kept.part.number} was damaged on the disk")
            yield from pieces(fd, 0, kept.part.size)
        finally:
            os.close(fd)
