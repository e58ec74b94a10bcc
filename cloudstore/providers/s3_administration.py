"""The control plane of the ``s3`` driver: ACLs, tags, websites, versioning, lifecycle, through boto3.

Each operation is one call of a boto3 client in a `Call`, with the keys of the wire; the runtime retries
it, and this file bounds it by the operation's deadline. How services differ is in `s3_presets`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from ..driver import Call, Driver, Flow, OpContext, Race, Sleep
from ..errors import (
    AuthenticationError,
    DeadlineExceededError,
    InvalidArgumentError,
    UnsupportedError,
)
from ..model import LifecycleRule
from . import s3_errors as errors
from .s3_account import Keys
from .s3_boto3 import Ask, Boto3
from .s3_presets import Preset

__all__ = ["AdministeredS3", "canned_acl", "lifecycle_rule"]

COMMON_ACLS = ("private", "public-read", "public-read-write", "authenticated-read")
BUCKET_ACLS = (*COMMON_ACLS, "log-delivery-write")
OBJECT_ACLS = (
    *COMMON_ACLS,
    "aws-exec-read",
    "bucket-owner-read",
    "bucket-owner-full-control",
)
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html#canned-acl"""

_GROUPS = "http://acs.amazonaws.com/groups"
_ALL = f"{_GROUPS}/global/AllUsers"
_ACL_OF_GRANTS: Mapping[frozenset[tuple[str, str]], str] = MappingProxyType(
    {
        frozenset(): "private",
        frozenset({(_ALL, "READ")}): "public-read",
        frozenset({(_ALL, "READ"), (_ALL, "WRITE")}): "public-read-write",
        frozenset({(f"{_GROUPS}/global/AuthenticatedUsers", "READ")}): "authenticated-read",
        frozenset(
            {(f"{_GROUPS}/s3/LogDelivery", "WRITE"), (f"{_GROUPS}/s3/LogDelivery", "READ_ACP")}
        ): "log-delivery-write",
    }
)
"""What others than the owner are granted. Those that name another account look like any grant to it."""
CUSTOM_ACL = "custom"


class AdministeredS3(Driver):
    """The half of the driver that asks boto3."""

    _boto3: Boto3
    _keys: Keys | None
    _preset: Preset

    @abstractmethod
    def credentials(self, ctx: OpContext, rejected: object) -> Flow[Keys]:
        """See `Driver`."""

    @property
    def native(self) -> Any:
        """A boto3 client of this account, without retries.

        Raises:
            MissingDependencyError: boto3 is not installed.
        """
        return self._boto3.native(self._keys.for_boto3() if self._keys else {})

    def close(self) -> None:
        """Closes boto3's clients."""
        self._boto3.close()

    # --- operations ---

    def get_acl(self, ctx: OpContext, bucket: str, key: str | None) -> Flow[str]:
        """See `Driver`."""
        if key is None:
            answer = yield from self._administer(ctx, Ask("get_bucket_acl", {"Bucket": bucket}))
        else:
            where = {"Bucket": bucket, "Key": key}
            answer = yield from self._administer(ctx, Ask("get_object_acl", where))
        return canned_acl(answer)

    def set_acl(self, ctx: OpContext, bucket: str, key: str | None, acl: str) -> Flow[None]:
        """See `Driver`."""
        known = BUCKET_ACLS if key is None else OBJECT_ACLS
        if acl not in known:
            raise InvalidArgumentError(f"no ACL {acl!r}; there are {', '.join(known)}")
        what: dict[str, str] = {"Bucket": bucket, "ACL": acl}
        if key is None:
            yield from self._administer(ctx, Ask("put_bucket_acl", what))
        else:
            yield from self._administer(ctx, Ask("put_object_acl", {**what, "Key": key}))

    def get_tags(self, ctx: OpContext, bucket: str, key: str) -> Flow[dict[str, str]]:
        """See `Driver`."""
        where = {"Bucket": bucket, "Key": key}
        answer = yield from self._administer(ctx, Ask("get_object_tagging", where, "NoSuchTagSet"))
        return {tag["Key"]: tag["Value"] for tag in answer.get("TagSet", ())}

    def set_tags(self, ctx: OpContext, bucket: str, key: str, tags: Mapping[str, str]) -> Flow[None]:
        """See `Driver`."""
        where: dict[str, Any] = {"Bucket": bucket, "Key": key}
        if tags:
            pairs = [{"Key": name, "Value": value} for name, value in tags.items()]
            yield from self._administer(
                ctx, Ask("put_object_tagging", {**where, "Tagging": {"TagSet": pairs}})
            )
        else:
            yield from self._administer(ctx, Ask("delete_object_tagging", where))

    def set_website(
        self, ctx: OpContext, bucket: str, index: str | None, error: str | None
    ) -> Flow[None]:
        """See `Driver`."""
        if index is None:
            yield from self._administer(ctx, Ask("delete_bucket_website", {"Bucket": bucket}))
            return
        website: dict[str, object] = {"IndexDocument": {"Suffix": index}}
        if error is not None:
            website["ErrorDocument"] = {"Key": error}
        what = {"Bucket": bucket, "WebsiteConfiguration": website}
        yield from self._administer(ctx, Ask("put_bucket_website", what))

    def get_versioning(self, ctx: OpContext, bucket: str) -> Flow[bool]:
        """See `Driver`."""
        answer = yield from self._administer(ctx, Ask("get_bucket_versioning", {"Bucket": bucket}))
        return answer.get("Status") == "Enabled"

    def set_versioning(self, ctx: OpContext, bucket: str, enabled: bool) -> Flow[None]:
        """See `Driver`."""
        status = {"Status": "Enabled" if enabled else "Suspended"}
        what = {"Bucket": bucket, "VersioningConfiguration": status}
        yield from self._administer(ctx, Ask("put_bucket_versioning", what))

    def get_lifecycle(self, ctx: OpContext, bucket: str) -> Flow[list[LifecycleRule]]:
        """See `Driver`."""
        method = "get_bucket_lifecycle_configuration"
        ask = Ask(method, {"Bucket": bucket}, "NoSuchLifecycleConfiguration")
        answer = yield from self._administer(ctx, ask)
        return [lifecycle_rule(rule) for rule in answer.get("Rules", ())]

    def set_lifecycle(self, ctx: OpContext, bucket: str, rules: Sequence[LifecycleRule]) -> Flow[None]:
        """See `Driver`."""
        for rule in rules:
            for action in rule.actions():
                if action in self._preset.ignored_actions:
                    raise UnsupportedError(f"this service ignores {action} of lifecycle rules")
        if not rules:
            yield from self._administer(ctx, Ask("delete_bucket_lifecycle", {"Bucket": bucket}))
            return
        said = {"Rules": [_said(rule) for rule in rules]}
        what = {"Bucket": bucket, "LifecycleConfiguration": said}
        yield from self._administer(ctx, Ask("put_bucket_lifecycle_configuration", what))

    # --- asking ---

    def _administer(self, ctx: OpContext, ask: Ask) -> Flow[Mapping[str, Any]]:
        """The answer to a call; asked again with other keys where temporary ones have expired."""
        keys = yield from self.credentials(ctx, None)
        try:
            return (yield from self._in_time(ctx, ask, keys))
        except AuthenticationError as exc:
            if self._keys is not None or exc.code not in errors.EXPIRED:
                raise
        keys = yield from self.credentials(ctx, keys)
        return (yield from self._in_time(ctx, ask, keys))

    def _in_time(self, ctx: OpContext, ask: Ask, keys: Keys) -> Flow[Mapping[str, Any]]:
        """The answer, if it comes before the deadline. boto3 cannot be stopped: a call that is too
        late goes on in its thread until its own timeouts, and nobody waits for it but `close`."""
        call = Call(self, ctx, self._boto3.ask, ask, keys, idempotent=True)
        if ctx.deadline is None:
            answer: Mapping[str, Any] = yield call
            return answer

        def answered() -> Flow[Any]:
            try:
                return (yield call)
            except Exception as exc:
                return exc  # an error ends the race, too

        def too_late(seconds: float) -> Flow[Exception]:
            yield Sleep(seconds)
            return DeadlineExceededError("the operation's time is up", outcome=ask.outcome)

        left = max(0.0, ctx.deadline - ctx.clock.monotonic())
        first: Any = yield Race([answered(), too_late(left)], 0.0)
        if isinstance(first, Exception):
            raise first
        answer = first
        return answer


# --- what boto3 says, and what it is told ---------------------------------------------------------


def canned_acl(answer: Mapping[str, Any]) -> str:
    """The canned ACL whose grants these are, else ``"custom"``."""
    owner = answer.get("Owner", {}).get("ID")
    grants = set()
    for grant in answer.get("Grants", ()):
        grantee = grant.get("Grantee", {})
        grants.add((grantee.get("URI") or grantee.get("ID"), grant.get("Permission")))
    others = frozenset(grants - {(owner, "FULL_CONTROL")})
    if owner is None or len(others) == len(grants):
        return CUSTOM_ACL
    return _ACL_OF_GRANTS.get(others, CUSTOM_ACL)


def lifecycle_rule(said: Mapping[str, Any]) -> LifecycleRule:
    """The rule that boto3 gives; whole, where the record would not say all of it again."""
    plain = {name: value for name, value in said.items() if name != "Prefix"}
    if "Filter" not in plain:
        plain["Filter"] = {"Prefix": said.get("Prefix", "")}  # as rules were written until 2016
    plain["Filter"] = plain["Filter"] or {"Prefix": ""}
    name = plain.get("ID", "")
    rule = LifecycleRule(
        prefix=plain["Filter"].get("Prefix", ""),
        expire_after_days=plain.get("Expiration", {}).get("Days"),
        expire_versions_after_days=plain.get("NoncurrentVersionExpiration", {}).get("NoncurrentDays"),
        abort_uploads_after_days=plain.get("AbortIncompleteMultipartUpload", {}).get(
            "DaysAfterInitiation"
        ),
        enabled=plain.get("Status") == "Enabled",
        name=name,
    )
    if _said(rule) == plain:
        return rule
    return LifecycleRule(name=name, vendor_rule={"s3": dict(said)})


def _said(rule: LifecycleRule) -> Mapping[str, Any]:
    """A rule as boto3 takes it."""
    if rule.vendor_rule is not None:
        return rule.vendor_rule["s3"]
    said: dict[str, Any] = {
        "Filter": {"Prefix": rule.prefix},
        "Status": "Enabled" if rule.enabled else "Disabled",
    }
    if rule.name:
        said["ID"] = rule.name
    if rule.expire_after_days is not None:
        said["Expiration"] = {"Days": rule.expire_after_days}
    if rule.expire_versions_after_days is not None:
        said["NoncurrentVersionExpiration"] = {"NoncurrentDays": rule.expire_versions_after_days}
    if rule.abort_uploads_after_days is not None:
        days = {"DaysAfterInitiation": rule.abort_uploads_after_days}
        said["AbortIncompleteMultipartUpload"] = days
    return said
