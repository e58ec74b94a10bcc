"""A driver with the settings that the one under it lacks: ACLs, websites, versioning, lifecycle rules.

It keeps what is set and gives it back, and does nothing by it: no page is served, nothing expires,
nobody is let in. So an application that administers its buckets is tested on ``memory``, and the
conformance suite is proven where no embedded driver has these capabilities.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from ..capabilities import Capabilities
from ..driver import Call, Driver, Flow, OpContext
from ..errors import InvalidArgumentError
from ..model import GetOptions, LifecycleRule
from .pass_through import PassThroughDriver

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


class AdministeredDriver(PassThroughDriver):
    """See the module. Settings are private to this driver, and gone with it."""

    def __init__(self, inner: Driver) -> None:
        super().__init__(inner)
        self._settings: dict[str, _Settings] = {}

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
        )

    def delete_bucket(self, ctx: OpContext, bucket: str) -> Flow[None]:
        """Its settings go with it."""
        yield from self.inner.delete_bucket(ctx, bucket)
        self._settings.pop(bucket, None)

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
