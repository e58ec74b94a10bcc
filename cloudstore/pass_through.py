"""A driver that does nothing but hand on to another: the base of wrappers, and a test of them.

Every method and attribute of the driver interface is handed on by name, so that a new one cannot be
lost: a test compares this file with the interface. Subclass it to change one thing about a driver.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .bodies import Payload
from .capabilities import BucketNameRule, Capabilities, KeyRule, Limits
from .driver import Call, Driver, ErrorInfo, Flow, GetResult, OpContext, Request, Response
from .errors import CloudStoreError
from .model import (
    AccountInfo,
    BucketInfo,
    ByteRange,
    CompleteOptions,
    CopyOptions,
    DeleteOptions,
    GetOptions,
    LifecycleRule,
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

__all__ = ["BorrowingDriver", "PassThroughDriver"]


class PassThroughDriver(Driver):
    """Hands every call on to `inner`. What that declares is read each time: discovery may narrow it."""

    def __init__(self, inner: Driver) -> None:
        self.inner = inner

    # mypy wants plain attributes where the interface has them; here they follow `inner`.

    @property
    def scheme(self) -> str:  # type: ignore[override]
        """That of `inner`."""
        return self.inner.scheme

    @property
    def capabilities(self) -> Capabilities:  # type: ignore[override]
        """Those of `inner`."""
        return self.inner.capabilities

    @property
    def limits(self) -> Limits:  # type: ignore[override]
        """Those of `inner`."""
        return self.inner.limits

    @property
    def key_rule(self) -> KeyRule:  # type: ignore[override]
        """That of `inner`."""
        return self.inner.key_rule

    @property
    def bucket_name_rule(self) -> BucketNameRule:  # type: ignore[override]
        """That of `inner`."""
        return self.inner.bucket_name_rule

    @property
    def endpoint(self) -> str:  # type: ignore[override]
        """That of `inner`."""
        return self.inner.endpoint

    @property
    def vendor_options(self) -> Mapping[str, frozenset[str]]:  # type: ignore[override]
        """Those of `inner`."""
        return self.inner.vendor_options

    @property
    def allowed_by(self) -> Mapping[str, str]:  # type: ignore[override]
        """That of `inner`."""
        return self.inner.allowed_by

    @property
    def max_request_age(self) -> float | None:  # type: ignore[override]
        """That of `inner`."""
        return self.inner.max_request_age

    # --- account ---

    def discover(self, ctx: OpContext) -> Flow[None]:
        """Handed on."""
        return self.inner.discover(ctx)

    def credentials(self, ctx: OpContext, rejected: object) -> Flow[object]:
        """Handed on."""
        return self.inner.credentials(ctx, rejected)

    def authorize(self, request: Request, credentials: Any, now: float) -> Mapping[str, str]:
        """Handed on."""
        return self.inner.authorize(request, credentials, now)

    def classify(self, request: Request | Call, failure: Response | Exception) -> ErrorInfo | None:
        """Handed on."""
        return self.inner.classify(request, failure)

    @property
    def native(self) -> Any:
        """That of `inner`."""
        return self.inner.native

    def close(self) -> None:
        """Closes `inner`."""
        self.inner.close()

    # --- buckets ---

    def create_bucket(self, ctx: OpContext, bucket: str) -> Flow[BucketInfo]:
        """Handed on."""
        return self.inner.create_bucket(ctx, bucket)

    def delete_bucket(self, ctx: OpContext, bucket: str) -> Flow[None]:
        """Handed on."""
        return self.inner.delete_bucket(ctx, bucket)

    def head_bucket(self, ctx: OpContext, bucket: str) -> Flow[BucketInfo]:
        """Handed on."""
        return self.inner.head_bucket(ctx, bucket)

    def list_buckets(self, ctx: OpContext) -> Flow[list[BucketInfo]]:
        """Handed on."""
        return self.inner.list_buckets(ctx)

    # --- objects ---

    def put_object(
        self, ctx: OpContext, bucket: str, key: str, payload: Payload, options: PutOptions
    ) -> Flow[PutResult]:
        """Handed on."""
        return self.inner.put_object(ctx, bucket, key, payload, options)

    def get_object(self, ctx: OpContext, bucket: str, key: str, options: GetOptions) -> Flow[GetResult]:
        """Handed on."""
        return self.inner.get_object(ctx, bucket, key, options)

    def head_object(
        self, ctx: OpContext, bucket: str, key: str, options: GetOptions
    ) -> Flow[ObjectInfo]:
        """Handed on."""
        return self.inner.head_object(ctx, bucket, key, options)

    def delete_object(
        self, ctx: OpContext, bucket: str, key: str, options: DeleteOptions
    ) -> Flow[None]:
        """Handed on."""
        return self.inner.delete_object(ctx, bucket, key, options)

    def copy_object(
        self,
        ctx: OpContext,
        bucket: str,
        key: str,
        to_bucket: str,
        to_key: str,
        options: CopyOptions,
    ) -> Flow[PutResult]:
        """Handed on."""
        return self.inner.copy_object(ctx, bucket, key, to_bucket, to_key, options)

    def list_page(self, ctx: OpContext, bucket: str, options: ListOptions) -> Flow[Page]:
        """Handed on."""
        return self.inner.list_page(ctx, bucket, options)

    # --- multipart ---

    def create_multipart(
        self, ctx: OpContext, bucket: str, key: str, options: PutOptions
    ) -> Flow[UploadRef]:
        """Handed on."""
        return self.inner.create_multipart(ctx, bucket, key, options)

    def upload_part(self, ctx: OpContext, ref: UploadRef, number: int, payload: Payload) -> Flow[Part]:
        """Handed on."""
        return self.inner.upload_part(ctx, ref, number, payload)

    def complete_multipart(
        self, ctx: OpContext, ref: UploadRef, parts: Sequence[Part], options: CompleteOptions
    ) -> Flow[PutResult]:
        """Handed on."""
        return self.inner.complete_multipart(ctx, ref, parts, options)

    def abort_multipart(self, ctx: OpContext, ref: UploadRef) -> Flow[None]:
        """Handed on."""
        return self.inner.abort_multipart(ctx, ref)

    def list_parts(self, ctx: OpContext, ref: UploadRef, token: str | None) -> Flow[PartPage]:
        """Handed on."""
        return self.inner.list_parts(ctx, ref, token)

    def list_uploads(
        self, ctx: OpContext, bucket: str, prefix: str, token: str | None
    ) -> Flow[UploadPage]:
        """Handed on."""
        return self.inner.list_uploads(ctx, bucket, prefix, token)

    def part_size(self, ctx: OpContext, bucket: str, key: str, info: ObjectInfo) -> Flow[int | None]:
        """Handed on."""
        return self.inner.part_size(ctx, bucket, key, info)

    # --- optional ---

    def delete_objects(
        self, ctx: OpContext, bucket: str, keys: Sequence[str]
    ) -> Flow[dict[str, CloudStoreError]]:
        """Handed on."""
        return self.inner.delete_objects(ctx, bucket, keys)

    def update_metadata(
        self,
        ctx: OpContext,
        bucket: str,
        key: str,
        metadata: Mapping[str, str],
        if_match: str | None,
    ) -> Flow[PutResult]:
        """Handed on."""
        return self.inner.update_metadata(ctx, bucket, key, metadata, if_match)

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
        """Handed on."""
        return self.inner.copy_part(ctx, ref, number, bucket, key, range, source_if_match)

    def presign(
        self, ctx: OpContext, bucket: str, key: str, options: PresignOptions
    ) -> Flow[PresignedRequest]:
        """Handed on."""
        return self.inner.presign(ctx, bucket, key, options)

    def get_account(self, ctx: OpContext) -> Flow[AccountInfo]:
        """Handed on."""
        return self.inner.get_account(ctx)

    def update_account_metadata(self, ctx: OpContext, changes: Mapping[str, str | None]) -> Flow[None]:
        """Handed on."""
        return self.inner.update_account_metadata(ctx, changes)

    def update_bucket_metadata(
        self, ctx: OpContext, bucket: str, changes: Mapping[str, str | None]
    ) -> Flow[None]:
        """Handed on."""
        return self.inner.update_bucket_metadata(ctx, bucket, changes)

    def get_acl(self, ctx: OpContext, bucket: str, key: str | None) -> Flow[str]:
        """Handed on."""
        return self.inner.get_acl(ctx, bucket, key)

    def set_acl(self, ctx: OpContext, bucket: str, key: str | None, acl: str) -> Flow[None]:
        """Handed on."""
        return self.inner.set_acl(ctx, bucket, key, acl)

    def get_tags(self, ctx: OpContext, bucket: str, key: str) -> Flow[dict[str, str]]:
        """Handed on."""
        return self.inner.get_tags(ctx, bucket, key)

    def set_tags(self, ctx: OpContext, bucket: str, key: str, tags: Mapping[str, str]) -> Flow[None]:
        """Handed on."""
        return self.inner.set_tags(ctx, bucket, key, tags)

    def set_website(
        self, ctx: OpContext, bucket: str, index: str | None, error: str | None
    ) -> Flow[None]:
        """Handed on."""
        return self.inner.set_website(ctx, bucket, index, error)

    def get_versioning(self, ctx: OpContext, bucket: str) -> Flow[bool]:
        """Handed on."""
        return self.inner.get_versioning(ctx, bucket)

    def set_versioning(self, ctx: OpContext, bucket: str, enabled: bool) -> Flow[None]:
        """Handed on."""
        return self.inner.set_versioning(ctx, bucket, enabled)

    def get_lifecycle(self, ctx: OpContext, bucket: str) -> Flow[list[LifecycleRule]]:
        """Handed on."""
        return self.inner.get_lifecycle(ctx, bucket)

    def set_lifecycle(self, ctx: OpContext, bucket: str, rules: Sequence[LifecycleRule]) -> Flow[None]:
        """Handed on."""
        return self.inner.set_lifecycle(ctx, bucket, rules)

    def purge_cdn(self, ctx: OpContext, urls: Sequence[str]) -> Flow[None]:
        """Handed on."""
        return self.inner.purge_cdn(ctx, urls)

    def prefetch_cdn(self, ctx: OpContext, urls: Sequence[str]) -> Flow[None]:
        """Handed on."""
        return self.inner.prefetch_cdn(ctx, urls)


class BorrowingDriver(PassThroughDriver):
    """Does not close `inner`: for a store that is made over the driver of another store."""

    def close(self) -> None:
        """Leaves `inner` open."""
