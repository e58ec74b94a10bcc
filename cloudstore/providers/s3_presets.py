"""What services that speak S3's protocol have and lack, as data. Pure: no I/O, no logic.

A service that is not here gets ``generic``: only what every one of them has. What a server ignores
silently (conditions, checksums, versions) is not declared for it: an option that is dropped is worse
than one that is refused. Sources are named by each preset.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from ..capabilities import BucketNameRule, Capabilities, KeyRule, Limits
from ..errors import ConfigError

__all__ = ["ALLOWED_BY", "BUCKET_NAMES", "CONDITIONS", "NO_XML", "PRESETS", "Preset", "chosen"]

BUCKET_NAMES = BucketNameRule(
    (
        (
            r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]",
            "a bucket's name has 3 to 63 of a-z, 0-9, '.' and '-', the latter two not at its ends",
        ),
        (r"(?!.*\.\.).*", "a bucket's name has no two dots side by side"),
        (r"(?!\d+\.\d+\.\d+\.\d+\Z).*", "a bucket's name is no IP address"),
    )
)
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html"""

NO_NUL = (r"\x00", "S3 services disagree about NUL in keys")
NO_XML = (
    r"[\x00-\x08\x0b-\x1f\ufffe\uffff]",
    "this service may list keys as plain XML, which cannot hold this character",
)
NO_SWIFT = (r"[\n\U0010ffff]", "Swift cannot list this character")
SWIFT_UPLOAD_BYTES = 49
"""What Swift's s3api adds to a key for the id of a multipart upload."""

SAFE = Capabilities(
    create_bucket=True,
    list_buckets=True,
    settles_writes=True,
    content_encoding=True,
    cache_control=True,
    content_disposition=True,
    metadata=True,
    checksum_md5=True,
    ranges=True,
    conditional_reads=True,
    copy=True,
    copy_source_if_match=True,
    ordered_listing=True,
    start_after=True,
    any_delimiter=True,
    delete_objects=True,
    multipart=True,
    copy_part=True,
    list_parts=True,
    list_uploads=True,
    presign_get=True,
    presign_put=True,
    presign_delete=True,
)
"""What every service that speaks the protocol has."""

CONDITIONS: Mapping[str, bool] = MappingProxyType(
    {
        "put_if_absent": True,
        "put_if_match": True,
        "complete_if_absent": True,
        "complete_if_match": True,
    }
)
"""What `S3Config.conditional_writes` switches."""
ALLOWED_BY: Mapping[str, str] = MappingProxyType(
    dict.fromkeys(CONDITIONS, "S3Config(conditional_writes=True)")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """How a service that speaks the protocol differs.

    Attributes:
        endpoint: with ``{region}`` in it; "" must be given by the user.
        region: signed with where the user gives none.
        capabilities: all that it has.
        crc32: it verifies, keeps and returns ``x-amz-checksum-crc32``, of multipart uploads too;
            else uploads carry ``Content-MD5``.
        virtual: it wants the bucket in the host's name.
        redirects: it answers for buckets of another region by naming that region.
        location: it wants to be told the region of a new bucket.
        ignored_actions: of a `LifecycleRule`, what it drops without a word, or may.
        key_rule, limits: see `Driver`.
    """

    endpoint: str = ""
    region: str = "us-east-1"
    capabilities: Capabilities = SAFE
    crc32: bool = False
    virtual: bool = False
    redirects: bool = False
    location: bool = False
    ignored_actions: frozenset[str] = frozenset()
    key_rule: KeyRule = field(default_factory=lambda: KeyRule(forbidden=(NO_NUL,)))
    limits: Limits = field(default_factory=Limits)


_OLD_VERSIONS = frozenset({"expire_versions_after_days"})

_FULL = replace(SAFE, **CONDITIONS, versions=True, tags=True, storage_class=True, presign_post=True)

PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        # https://docs.aws.amazon.com/AmazonS3/latest/API/ ; conditions on copies and deletions:
        # https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-requests.html
        "aws": Preset(
            endpoint="https://s3.{region}.amazonaws.com",
            capabilities=replace(
                _FULL,
                copy_if_absent=True,
                copy_if_match=True,
                delete_if_match=True,
                acl=True,
                object_acl=True,
                website=True,
                versioning=True,
                lifecycle=True,
                checksum_crc32=True,
                checksum_sha1=True,
                checksum_sha256=True,
            ),
            crc32=True,
            virtual=True,
            redirects=True,
            location=True,
        ),
        # https://min.io/docs/minio/linux/developers/s3-compatible-api.html ; it ignores conditions on
        # deletions. No ACLs, no websites; it drops rules that abort uploads (minio/minio#19115).
        "minio": Preset(
            capabilities=replace(
                _FULL,
                checksum_crc32=True,
                checksum_sha1=True,
                checksum_sha256=True,
                versioning=True,
                lifecycle=True,
            ),
            crc32=True,
            ignored_actions=frozenset({"abort_uploads_after_days"}),
        ),
        # https://docs.ceph.com/en/latest/radosgw/s3/ ; conditions on writes came late (Squid): ask for
        # them with conditional_writes=True. Websites only where the gateway is told to serve them.
        "ceph": Preset(
            capabilities=replace(
                SAFE,
                versions=True,
                tags=True,
                storage_class=True,
                presign_post=True,
                acl=True,
                object_acl=True,
                versioning=True,
                lifecycle=True,
            )
        ),
        # https://developers.cloudflare.com/r2/api/s3/api/ ; no versions, tags, ACLs or form uploads.
        "r2": Preset(
            region="auto",
            capabilities=replace(SAFE, **CONDITIONS, storage_class=True, lifecycle=True),
            ignored_actions=_OLD_VERSIONS,
        ),
        # https://www.backblaze.com/docs/cloud-storage-s3-compatible-api ; no conditions, tags or forms;
        # ACLs private and public-read, of buckets only.
        "b2": Preset(
            endpoint="https://s3.{region}.backblazeb2.com",
            region="us-west-004",
            capabilities=replace(SAFE, versions=True, acl=True),
        ),
        # https://docs.wasabi.com/docs/wasabi-s3-api-reference
        "wasabi": Preset(
            endpoint="https://s3.{region}.wasabisys.com",
            capabilities=replace(SAFE, versions=True, presign_post=True),
        ),
        # https://docs.digitalocean.com/reference/api/spaces-api/ ; lifecycle rules expire objects and
        # abort uploads, and nothing else.
        "spaces": Preset(
            endpoint="https://{region}.digitaloceanspaces.com",
            region="nyc3",
            capabilities=replace(
                SAFE, versions=True, acl=True, object_acl=True, versioning=True, lifecycle=True
            ),
            ignored_actions=_OLD_VERSIONS,
        ),
        # https://docs.openstack.org/swift/latest/s3_compat.html ; conditions on writes are not atomic.
        # Parts are objects KEY/ID/NUMBER of another bucket, found by a pattern that stops at a line's
        # end; their manifest has 1,000 parts at most; a value of metadata has 256 bytes; prefixes are
        # searched for up to the next character, of which the last one has none. Objects have ACLs only
        # where s3_acl is on; websites and lifecycle rules are not part of its s3api.
        "swift": Preset(
            capabilities=replace(SAFE, versions=True, acl=True, versioning=True),
            key_rule=KeyRule(1024 - SWIFT_UPLOAD_BYTES, (NO_XML, NO_SWIFT)),
            limits=Limits(max_parts=1000, max_metadata_bytes=256),
        ),
        # https://support.huaweicloud.com/api-obs/
        "obs": Preset(
            endpoint="https://obs.{region}.myhuaweicloud.com",
            region="cn-north-4",
            capabilities=replace(SAFE, versions=True, storage_class=True, presign_post=True),
            virtual=True,
            location=True,
        ),
        # https://cloud.tencent.com/document/product/436/37421 ; bucket names end in the account's id.
        "cos": Preset(
            endpoint="https://cos.{region}.myqcloud.com",
            region="ap-guangzhou",
            capabilities=replace(SAFE, versions=True, storage_class=True),
            virtual=True,
            key_rule=KeyRule(850, (NO_NUL,)),
            limits=Limits(metadata_name_chars="-"),
        ),
        # https://help.upyun.com/knowledge-base/aws-s3-compatible/ ; no operations on buckets.
        "upyun": Preset(
            endpoint="https://s3.api.upyun.com",
            capabilities=replace(
                SAFE,
                create_bucket=False,
                list_buckets=False,
                settles_writes=False,
                delete_objects=False,
            ),
            key_rule=KeyRule(750, (NO_XML,)),
        ),
        # https://developer.qiniu.com/kodo/4086/aws-s3-compatible
        "qiniu": Preset(
            endpoint="https://s3.{region}.qiniucs.com",
            region="cn-east-1",
            capabilities=replace(SAFE, storage_class=True),
            key_rule=KeyRule(750, (NO_XML,)),
        ),
        # https://cloud.baidu.com/doc/BOS/s/Fjwvyrpgp
        "bos": Preset(
            endpoint="https://s3.{region}.bcebos.com",
            region="bj",
            capabilities=replace(SAFE, storage_class=True),
            key_rule=KeyRule(forbidden=(NO_XML,)),
        ),
        "generic": Preset(key_rule=KeyRule(forbidden=(NO_XML,))),
    }
)


def chosen(name: str | None, endpoint: str | None) -> tuple[str, Preset, str, str, str]:
    """The preset of a configuration: its name, itself, then the endpoint, its scheme and its host; in
    the latter ``{region}`` still stands.

    Raises:
        ConfigError
    """
    name = name or ("generic" if endpoint else "aws")
    preset = PRESETS.get(name)
    if preset is None:
        raise ConfigError(f"no preset {name!r}; there are {', '.join(PRESETS)}", vendor="s3")
    pattern = (endpoint or preset.endpoint).rstrip("/")
    if not pattern:
        raise ConfigError(f"the preset {name!r} needs an endpoint", vendor="s3")
    scheme, _, host = pattern.partition("://")
    if scheme not in ("http", "https") or not host or re.search(r"[/?#@\s]", host):
        raise ConfigError("an endpoint is http(s)://host[:port], and nothing more", vendor="s3")
    return name, preset, pattern, scheme, host
