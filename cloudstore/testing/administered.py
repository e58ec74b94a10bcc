"""A driver with the settings that the one under it lacks: ACLs, websites, metadata of buckets, more.

It keeps what is set and gives it back, and does nothing by it: no page is served, nothing expires,
nobody is let in, no CDN is asked (`cdn_calls` holds what it would be). So an application that
administers its buckets is tested on ``memory``, and the conformance suite is proven where no embedded
driver has these capabilities.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from ..capabilities import Capabilities
from ..driver import Call, Driver, Flow, OpContext
from ..errors import InvalidArgumentError
from ..model import AccountInfo, BucketInfo, GetOptions, LifecycleRule, ListOptions
from ..pass_through import PassThroughDriver

__all__ = ["AdministeredDriver"]

T = TypeVar("T")
ACLS = ("private", "public-read", "public-read-write", "authenticated-read")


@dataclass(slots=True)
class _Settings:
    """Of one bucket. An ACL is by key; None is the bucket's."""

    acls: dict[str | None, str] = field(default_factory=dict)
    website: tuple[str, str | None] | None = None
    versioning: bool = False
    lifecycle: list[LifecycleRule] = field(default_factory=list)
    metadata: dict[str, str] = field(default_factory=dict)


class AdministeredDriver(PassThroughDriver):
    """See the module. Settings are private to this driver, and gone with it.

    Attributes:
        cdn_calls: what the CDN was asked: ``("purge", url)`` or ``("prefetch", url)``.
    """

    def __init__(self, inner: Driver) -> None:
        super().__init__(inner)
        self._settings: dict[str, _Settings] = {}
        self._account_metadata: dict[str, str] = {}
        self.cdn_calls: list[tuple[str, str]] = []

    @property
    def capabilities(self) -> Capabilities:  # type: ignore[override]
        """Those of `inner`, and the settings."""
        return replace(
            self.inner.capabilities,
            acl=True,
            object_acl=True,
            website=True,
            versioning=True,
            lifecycle=True,
            account=True,
            account_metadata=True,
            bucket_metadata=True,
            cdn=True,
            cdn_prefetch=True,
        )

    def delete_bucket(self, ctx: OpContext, bucket: str) -> Flow[None]:
        """Its settings go with it."""
        yield from self.inner.delete_bucket(ctx, bucket)
        self._settings.pop(bucket, None)

    def head_bucket(self, ctx: OpContext, bucket: str) -> Flow[BucketInfo]:
        """See `Driver`. It counts by listing."""
        info = yield from self.inner.head_bucket(ctx, bucket)
        info = replace(info, object_count=0, size=0)
        options = ListOptions()
        while True:
            page = yield from self.inner.list_page(ctx, bucket, options)
            info.object_count = (info.object_count or 0) + len(page.objects)
            info.size = (info.size or 0) + sum(found.size for found in page.objects)
            if page.token is None:
                break
            options = replace(options, token=page.token)
        info.metadata = yield from self._of(ctx, bucket, None, lambda held: dict(held.metadata))
        return info

    def get_account(self, ctx: OpContext) -> Flow[AccountInfo]:
        """See `Driver`."""
        account = AccountInfo(0, 0, 0, dict(self._account_metadata))
        for bucket in (yield from self.inner.list_buckets(ctx)):
            info = yield from self.head_bucket(ctx, bucket.name)
            account.bucket_count = (account.bucket_count or 0) + 1
            account.object_count = (account.object_count or 0) + (info.object_count or 0)
            account.size = (account.size or 0) + (info.size or 0)
        return account

    def update_account_metadata(self, ctx: OpContext, changes: Mapping[str, str | None]) -> Flow[None]:
        """See `Driver`."""
        yield from ()
        _merge(self._account_metadata, changes)

    def update_bucket_metadata(
        self, ctx: OpContext, bucket: str, changes: Mapping[str, str | None]
    ) -> Flow[None]:
        """See `Driver`."""
        return self._of(ctx, bucket, None, lambda held: _merge(held.metadata, changes))

    def purge_cdn(self, ctx: OpContext, urls: Sequence[str]) -> Flow[None]:
        """See `Driver`."""
        yield from ()
        self.cdn_calls += [("purge", url) for url in urls]

    def prefetch_cdn(self, ctx: OpContext, urls: Sequence[str]) -> Flow[None]:
        """See `Driver`."""
        yield from ()
        self.cdn_calls += [("prefetch", url) for url in urls]

    def get_acl(self, ctx: OpContext, bucket: str, key: str | None) -> Flow[str]:
        """See `Driver`. Private, until it is set."""
        return self._of(ctx, bucket, key, lambda held: held.acls.get(key, "private"))

    def set_acl(self, ctx: OpContext, bucket: str, key: str | None, acl: str) -> Flow[None]:
        """See `Driver`."""
        if acl not in ACLS:
            raise InvalidArgumentError(f"no ACL {acl!r}; there are {', '.join(ACLS)}")
        return self._of(ctx, bucket, key, lambda held: held.acls.update({key: acl}))

    def set_website(
        self, ctx: OpContext, bucket: str, index: str | None, error: str | None
    ) -> Flow[None]:
        """See `Driver`."""
        website = None if index is None else (index, error)
        return self._of(ctx, bucket, None, lambda held: setattr(held, "website", website))

    def get_versioning(self, ctx: OpContext, bucket: str) -> Flow[bool]:
        """See `Driver`."""
        return self._of(ctx, bucket, None, lambda held: held.versioning)

    def set_versioning(self, ctx: OpContext, bucket: str, enabled: bool) -> Flow[None]:
        """See `Driver`."""
        return self._of(ctx, bucket, None, lambda held: setattr(held, "versioning", enabled))

    def get_lifecycle(self, ctx: OpContext, bucket: str) -> Flow[list[LifecycleRule]]:
        """See `Driver`."""
        return self._of(ctx, bucket, None, lambda held: list(held.lifecycle))

    def set_lifecycle(self, ctx: OpContext, bucket: str, rules: Sequence[LifecycleRule]) -> Flow[None]:
        """See `Driver`."""
        return self._of(ctx, bucket, None, lambda held: setattr(held, "lifecycle", list(rules)))

    def _of(
        self, ctx: OpContext, bucket: str, key: str | None, use: Callable[[_Settings], T]
    ) -> Flow[T]:
        """What `use` makes of a bucket's settings, if the bucket and the object are there."""
        if key is None:
            yield from self.inner.head_bucket(ctx, bucket)
        else:
            yield from self.inner.head_object(ctx, bucket, key, GetOptions())
        held = self._settings.setdefault(bucket, _Settings())
        used: T = yield Call(None, ctx, use, held, blocking=False)
        return used


def _merge(held: dict[str, str], changes: Mapping[str, str | None]) -> None:
    for name, value in changes.items():
        if value is None:
            held.pop(name, None)
        else:
            held[name] = value
