"""The ``local`` driver: objects as files under a root directory, safe for many processes of one host.

Config: `LocalConfig`, or ``file:///var/data``. ``store.native`` is the root as a `pathlib.Path`.
``vendor_options``: none. Keys: any, up to 1,024 bytes. Nothing is emulated; what is missing (tags,
expiry, versions, storage classes, ACLs, …) is refused. Linux and macOS.

An object lies at ``<root>/<bucket>/<key>`` wherever a file can be called so, and a file that somebody
places there is an object. All else is under ``<root>/.cloudstore``: `disk.tree` says what, and why no
reader ever sees half a write.
Presigned URLs are of a development server that `cloudstore.testing.DevelopmentServer` runs.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar
from urllib.parse import SplitResult, parse_qs, unquote_to_bytes

from ..bodies import Body, BytesBody, Payload
from ..capabilities import PORTABLE_BUCKET_NAMES, KeyRule
from ..config import Config, Secret
from ..development_urls import DEVELOPMENT_CAPABILITIES, sign_development_url
from ..disk.files import FileBody, meaning_of, pieces
from ..disk.layout import LOCK, Head, Spot, describe, etag, head_of, modified, read_all, write_all
from ..disk.listing import Listing
from ..disk.tree import Found, Tree
from ..disk.uploads import Uploads
from ..driver import Call, ErrorInfo, Flow, GetResult, OpContext, Request, Response
from ..embedded import EMBEDDED_CAPABILITIES, EMBEDDED_LIMITS, EmbeddedDriver
from ..errors import (
    BucketNotFoundError,
    CloudStoreError,
    ConfigError,
    ErrorKind,
    error_class,
)
from ..fork import reset_in_child
from ..listing import make_page, page_token, token_position
from ..model import (
    BucketInfo,
    ByteRange,
    CompleteOptions,
    CopyOptions,
    DeleteOptions,
    GetOptions,
    ListOptions,
    ObjectInfo,
    Page,
    Part,
    PartPage,
    PresignedRequest,
    PresignOptions,
    PutOptions,
    PutResult,
    UploadPage,
    UploadRef,
)
from ..preconditions import check_read

__all__ = ["LocalConfig", "LocalDriver"]

READ_AT_ONCE = 64 * 1024
"""Bodies up to this size are read with the head: one call in all."""

_SECRET_BYTES = 16


@dataclass(frozen=True)
class LocalConfig(Config):
    """A store in a directory.

    Attributes:
        root: the directory; made if it is not there, with its parents.
        fsync: what was written survives power loss once the call returns.
        public_url: where `cloudstore.testing.DevelopmentServer` will serve it, such as
            ``"http://127.0.0.1:8000"``; without it there are no presigned URLs.
        secret_key: signs them; where it is not given, one is made up and kept in the root.
    """

    scheme: ClassVar[str] = "file"
    environment: ClassVar[tuple[str, ...]] = ("root",)

    root: str | os.PathLike[str]
    _: KW_ONLY
    fsync: bool = False
    public_url: str | None = None
    secret_key: Secret | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        root = os.fspath(self.root) if isinstance(self.root, str | os.PathLike) else ""
        if not isinstance(root, str) or not root or "\0" in root:
            raise ConfigError("root is the path of a directory, as text", vendor=self.scheme)
        object.__setattr__(self, "root", os.path.abspath(root))

    @classmethod
    def url_options(cls, url: SplitResult) -> dict[str, object]:
        """The root is the path; see `Config`."""
        if url.netloc not in ("", "localhost"):
            raise ConfigError(
                "a file: URL names no host but localhost: file:///var/data has three slashes",
                vendor=cls.scheme,
            )
        if not url.path.startswith("/"):
            raise ConfigError("a file: URL has an absolute path: file:///var/data", vendor=cls.scheme)
        if "root" in parse_qs(url.query, keep_blank_values=True):
            raise ConfigError("the root in a file: URL is its path", vendor=cls.scheme)
        if url.fragment:
            raise ConfigError("a '#' in a file: URL is written %23", vendor=cls.scheme)
        return {"root": os.fsdecode(unquote_to_bytes(url.path))}

    def create_driver(self) -> LocalDriver:
        """Opens the root."""
        return LocalDriver(self)


class LocalDriver(EmbeddedDriver):
    """See the module. Every operation is one `Call` that does all its I/O."""

    scheme: ClassVar[str] = "file"

    def __init__(self, config: LocalConfig) -> None:
        self.capabilities = EMBEDDED_CAPABILITIES
        if config.public_url is not None:
            self.capabilities = replace(EMBEDDED_CAPABILITIES, **DEVELOPMENT_CAPABILITIES)
        self.limits = EMBEDDED_LIMITS
        self.key_rule = KeyRule()
        self.bucket_name_rule = PORTABLE_BUCKET_NAMES
        self._root = Path(config.root)
        self.endpoint = self._root.as_uri()
        self.vendor_options: Mapping[str, frozenset[str]] = MappingProxyType({"file": frozenset()})
        self._public_url = config.public_url
        try:
            self._tree = Tree(str(self._root), fsync=config.fsync)
            self.development_secret = config.secret_key or self._secret()
        except OSError as exc:
            raise self._unusable(exc) from exc
        self._uploads = Uploads(self._tree, self.scheme)
        reset_in_child(self)

    def _unusable(self, failure: OSError) -> CloudStoreError:
        meaning = meaning_of(failure)
        text = f"the root {str(self._root)!r} cannot be used: {meaning.message}"
        if meaning.kind is ErrorKind.UNAVAILABLE:
            return ConfigError(text, vendor=self.scheme)
        return error_class(meaning.kind)(text, vendor=self.scheme, code=meaning.code)

    def _secret(self) -> Secret:
        """The key that all processes on this root sign with; random where nothing is signed."""
        if self._public_url is None:
            return Secret(os.urandom(_SECRET_BYTES).hex())
        fd = os.open("signing-key", LOCK, 0o600, dir_fd=self._tree.internal)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            text = read_all(fd)
            if not text:
                text = os.urandom(_SECRET_BYTES).hex().encode()
                write_all(fd, text)
            return Secret(text.decode("ascii"))
        finally:
            os.close(fd)

    def after_fork_in_child(self) -> None:
        """Locks are the parent's."""
        self._tree.after_fork_in_child()

    # --- account ---

    def classify(self, request: Request | Call, failure: Response | Exception) -> ErrorInfo | None:
        """What an error of the system means."""
        return meaning_of(failure) if isinstance(failure, OSError) else None

    @property
    def native(self) -> Path:
        """The root."""
        return self._root

    def close(self) -> None:
        """Removes this process's temporary folder, once the last call has ended."""
        self._tree.close()

    def _do(self, ctx: OpContext, function: Callable[..., Any], *args: Any) -> Flow[Any]:
        result = yield Call(self, ctx, self._tree.run, function, *args)
        return result

    # --- buckets ---

    def create_bucket(self, ctx: OpContext, bucket: str) -> Flow[BucketInfo]:
        """See `Driver`."""
        return self._do(ctx, self._create_bucket, ctx, bucket)

    def _create_bucket(self, ctx: OpContext, bucket: str) -> BucketInfo:
        self._tree.own(ctx)
        created = self._tree.create_bucket(
            bucket, ctx.clock.now(), lambda name: self._uploads.forget(ctx, name)
        )
        return BucketInfo(bucket, created)

    def delete_bucket(self, ctx: OpContext, bucket: str) -> Flow[None]:
        """See `Driver`."""
        return self._do(ctx, self._delete_bucket, ctx, bucket)

    def _delete_bucket(self, ctx: OpContext, bucket: str) -> None:
        self._tree.own(ctx)
        self._tree.delete_bucket(bucket, lambda name: self._uploads.forget(ctx, name))

    def head_bucket(self, ctx: OpContext, bucket: str) -> Flow[BucketInfo]:
        """See `Driver`."""
        return self._do(ctx, self._head_bucket, bucket)

    def _head_bucket(self, bucket: str) -> BucketInfo:
        found = self._tree.check_bucket(bucket)
        return BucketInfo(bucket, self._tree.created_at(bucket, found))

    def list_buckets(self, ctx: OpContext) -> Flow[list[BucketInfo]]:
        """See `Driver`: directories of other names than buckets have are left alone."""
        return self._do(ctx, self._list_buckets)

    def _list_buckets(self) -> list[BucketInfo]:
        found = []
        for name in self._tree.bucket_names():
            if self.bucket_name_rule.refusal(name) is None:
                try:
                    found.append(self._head_bucket(name))
                except BucketNotFoundError:
                    continue
        return found

    # --- objects ---

    def put_object(
        self, ctx: OpContext, bucket: str, key: str, payload: Payload, options: PutOptions
    ) -> Flow[PutResult]:
        """See `Driver`."""
        return self._do(ctx, self._put, ctx, bucket, key, payload, options)

    def _put(
        self, ctx: OpContext, bucket: str, key: str, payload: Payload, options: PutOptions
    ) -> PutResult:
        if payload.size > READ_AT_ONCE:
            self._tree.check_bucket(bucket)  # before much is written for nothing
        spot = Spot(bucket, key)
        with self._tree.temp(ctx, spot) as temp:
            head = head_of(options)
            head["checksums"] = temp.fill(payload.chunks(), "crc32", options.checksums)
            made = self._tree.publish(
                ctx, spot, temp, head, if_absent=options.if_absent, if_match=options.if_match
            )
        return _result(made, head)

    def get_object(self, ctx: OpContext, bucket: str, key: str, options: GetOptions) -> Flow[GetResult]:
        """See `Driver`."""
        return self._do(ctx, self._get, ctx, bucket, key, options)

    def _get(self, ctx: OpContext, bucket: str, key: str, options: GetOptions) -> GetResult:
        found = self._tree.find(Spot(bucket, key), opened=True)
        body: Body | None = None
        try:
            info = describe(key, found.stat, found.head)
            check_read(info, options)
            start, end = options.range.resolve(info.size)
            if end - start > READ_AT_ONCE:
                body = FileBody(self, ctx, found.fd, start, end)
                return GetResult(info, body, start, end)
            return GetResult(info, BytesBody(os.pread(found.fd, end - start, start)), start, end)
        finally:
            if body is None:
                os.close(found.fd)

    def head_object(
        self, ctx: OpContext, bucket: str, key: str, options: GetOptions
    ) -> Flow[ObjectInfo]:
        """See `Driver`."""
        return self._do(ctx, self._head, bucket, key, options)

    def _head(self, bucket: str, key: str, options: GetOptions) -> ObjectInfo:
        found = self._tree.find(Spot(bucket, key), opened=False)
        info = describe(key, found.stat, found.head)
        check_read(info, options)
        return info

    def delete_object(
        self, ctx: OpContext, bucket: str, key: str, options: DeleteOptions
    ) -> Flow[None]:
        """See `Driver`."""
        return self._do(ctx, self._tree.delete, Spot(bucket, key), options.if_match)

    def copy_object(
        self,
        ctx: OpContext,
        bucket: str,
        key: str,
        to_bucket: str,
        to_key: str,
        options: CopyOptions,
    ) -> Flow[PutResult]:
        """See `Driver`."""
        return self._do(ctx, self._copy, ctx, bucket, key, to_bucket, to_key, options)

    def _copy(
        self,
        ctx: OpContext,
        bucket: str,
        key: str,
        to_bucket: str,
        to_key: str,
        options: CopyOptions,
    ) -> PutResult:
        tree = self._tree
        tree.check_bucket(to_bucket)
        source = tree.find(Spot(bucket, key), opened=True)
        try:
            info = describe(key, source.stat, source.head)
            check_read(info, GetOptions(if_match=options.source_if_match))
            head = head_of(options.replace or info)
            spot = Spot(to_bucket, to_key)
            if_match = options.if_match
            if if_match is None and (to_bucket, to_key) == (bucket, key):
                # Else a writer could come between this look at the source and its replacement.
                if_match = options.source_if_match
            with tree.temp(ctx, spot) as temp:
                chunks = pieces(source.fd, 0, info.size)
                head["checksums"] = temp.fill(chunks, "crc32", info.checksums)
                temp.check_size(info.size)
                made = tree.publish(
                    ctx,
                    spot,
                    temp,
                    head,
                    if_absent=options.if_absent,
                    if_match=if_match,
                )
        finally:
            os.close(source.fd)
        return _result(made, head)

    def list_page(self, ctx: OpContext, bucket: str, options: ListOptions) -> Flow[Page]:
        """See `Driver`."""
        return self._do(ctx, self._list_page, bucket, options)

    def _list_page(self, bucket: str, options: ListOptions) -> Page:
        with Listing(self._tree, bucket, options, self.key_rule) as listing:
            return make_page(options, listing.keys_from, listing.describe)

    def delete_objects(
        self, ctx: OpContext, bucket: str, keys: Sequence[str]
    ) -> Flow[dict[str, CloudStoreError]]:
        """See `Driver`."""
        return self._do(ctx, self._delete_objects, bucket, keys)

    def _delete_objects(self, bucket: str, keys: Sequence[str]) -> dict[str, CloudStoreError]:
        self._tree.check_bucket(bucket)
        failed: dict[str, CloudStoreError] = {}
        for key in keys:
            try:
                self._tree.delete(Spot(bucket, key), None)
            except BucketNotFoundError:
                raise
            except CloudStoreError as exc:
                failed[key] = exc
            except OSError as exc:
                meaning = meaning_of(exc)
                failed[key] = error_class(meaning.kind)(
                    meaning.message, vendor=self.scheme, key=key, code=meaning.code
                )
        return failed

    def update_metadata(
        self,
        ctx: OpContext,
        bucket: str,
        key: str,
        metadata: Mapping[str, str],
        if_match: str | None,
    ) -> Flow[PutResult]:
        """See `Driver`. The ETag changes with the metadata."""

        def change(found: Found) -> Head:
            info = describe(key, found.stat, found.head)
            return {**head_of(info), "metadata": dict(metadata), "checksums": info.checksums}

        def update() -> PutResult:
            return _result(*self._tree.rewrite_head(ctx, Spot(bucket, key), if_match, change))

        return self._do(ctx, update)

    # --- multipart ---

    def create_multipart(
        self, ctx: OpContext, bucket: str, key: str, options: PutOptions
    ) -> Flow[UploadRef]:
        """See `Driver`. Checksums that are promised here are verified when it is completed."""
        return self._do(ctx, self._uploads.create, ctx, bucket, key, options)

    def upload_part(self, ctx: OpContext, ref: UploadRef, number: int, payload: Payload) -> Flow[Part]:
        """See `Driver`."""

        def keep() -> Part:
            return self._uploads.keep_part(ctx, ref, number, payload.chunks(), payload.size)

        return self._do(ctx, keep)

    def copy_part(
        self,
        ctx: OpContext,
        ref: UploadRef,
        number: int,
        bucket: str,
        key: str,
        range: ByteRange,
        source_if_match: str | None,
    ) -> Flow[Part]:
        """See `Driver`."""

        def copy() -> Part:
            source = self._tree.find(Spot(bucket, key), opened=True)
            try:
                info = describe(key, source.stat, source.head)
                check_read(info, GetOptions(if_match=source_if_match))
                start, end = range.resolve(info.size)
                chunks = pieces(source.fd, start, end)
                return self._uploads.keep_part(ctx, ref, number, chunks, end - start)
            finally:
                os.close(source.fd)

        return self._do(ctx, copy)

    def complete_multipart(
        self, ctx: OpContext, ref: UploadRef, parts: Sequence[Part], options: CompleteOptions
    ) -> Flow[PutResult]:
        """See `Driver`."""

        def complete() -> PutResult:
            return _result(*self._uploads.complete(ctx, ref, parts, options))

        return self._do(ctx, complete)

    def abort_multipart(self, ctx: OpContext, ref: UploadRef) -> Flow[None]:
        """See `Driver`."""
        return self._do(ctx, self._uploads.abort, ctx, ref)

    def list_parts(self, ctx: OpContext, ref: UploadRef, token: str | None) -> Flow[PartPage]:
        """See `Driver`."""

        def page() -> PartPage:
            first = 0 if token is None else int(token_position(token))
            parts = [part for part in self._uploads.parts(ref) if part.number >= first]
            shown, more = parts[: self.limits.page_size], parts[self.limits.page_size :]
            return PartPage(shown, page_token(str(more[0].number)) if more else None)

        return self._do(ctx, page)

    def list_uploads(
        self, ctx: OpContext, bucket: str, prefix: str, token: str | None
    ) -> Flow[UploadPage]:
        """See `Driver`."""

        def page() -> UploadPage:
            first = "" if token is None else token_position(token)
            found = [
                (f"{info.ref.key}\0{info.ref.upload_id}", info)
                for info in self._uploads.list(bucket, prefix)
            ]
            left = [(name, info) for name, info in found if name >= first]
            shown, more = left[: self.limits.page_size], left[self.limits.page_size :]
            return UploadPage([info for _, info in shown], page_token(more[0][0]) if more else None)

        return self._do(ctx, page)

    def presign(
        self, ctx: OpContext, bucket: str, key: str, options: PresignOptions
    ) -> Flow[PresignedRequest]:
        """See `Driver`: a URL of the development server."""
        yield from ()
        if self._public_url is None:
            raise self._unsupported("presign: it needs LocalConfig(public_url=…)")
        return sign_development_url(
            self._public_url, self.development_secret, bucket, key, options, ctx.clock.now()
        )


def _result(made: os.stat_result, head: Head) -> PutResult:
    return PutResult(etag(made), None, modified(made), head["checksums"])
