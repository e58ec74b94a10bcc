"""Every capability both ways: declared, it works; missing, its verbs and options are refused unsent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

import pytest

from ...capabilities import Capabilities
from ...checksums import ALGORITHMS
from ...errors import (
    CloudStoreError,
    InvalidArgumentError,
    ObjectAlreadyExistsError,
    PreconditionFailedError,
    UnsupportedError,
)
from ...model import ByteRange, LifecycleRule
from ...store import Store
from .account import Account, Narrowed
from .base import ConformanceTests, keys_of, payload
from .checksums import digest_of
from .conditions import ONCE, LosesAnswers
from .metadata import all_headers

__all__ = ["CapabilityTests"]

Probe = Callable[["Scene"], Any]


class Scene:
    """What a probe needs: a store over a driver that can be narrowed, an object, an upload."""

    def __init__(self, store: Store, account: Account, bucket: str) -> None:
        self.store = store
        self.account = account
        self.bucket = bucket
        self.large = payload(3 * account.part_size)
        self.etag = store.create_object(bucket, "k", b"0123456789").etag
        self.etag = store.head_object(bucket, "k").etag
        self.upload: Any = None
        if store.capabilities.multipart:
            self.upload = store.create_multipart_upload(bucket, "upload")
            self.upload.upload_part(1, b"x")


def _writes(**options: Any) -> tuple[Probe, ...]:
    """Every verb that takes an option of a write."""
    return (
        lambda s: s.store.create_object(s.bucket, "new", b"x", **options),
        lambda s: s.store.create_object(s.bucket, "new", iter([b"x"]), **options),
        lambda s: s.store.open_writer(s.bucket, "new", **options).close(),
        lambda s: s.store.create_multipart_upload(s.bucket, "new", **options),
        lambda s: s.store.copy_object(s.bucket, "k", s.bucket, "new", **options),
    )


def _presigned(method: str) -> tuple[Probe, ...]:
    return (lambda s: s.store.presign(s.bucket, "k", method),)


REFUSED: Mapping[str, tuple[Probe, ...]] = MappingProxyType(
    {
        "create_bucket": (
            lambda s: s.store.create_bucket(s.account.harness.bucket_name()),
            lambda s: s.store.delete_bucket(s.bucket),
            lambda s: s.store.delete_bucket(s.bucket, force=True),
        ),
        "list_buckets": (lambda s: s.store.get_all_buckets(),),
        "put_if_absent": (
            lambda s: s.store.create_object(s.bucket, "new", b"x", if_absent=True),
            lambda s: s.store.create_object(s.bucket, "new", iter([b"x"]), if_absent=True),
        ),
        "put_if_match": (
            lambda s: s.store.create_object(s.bucket, "k", b"x", if_match=s.etag),
            lambda s: s.store.create_object(s.bucket, "k", iter([b"x"]), if_match=s.etag),
        ),
        "complete_if_absent": (
            lambda s: s.store.create_object(s.bucket, "new", s.large, if_absent=True),
            lambda s: s.store.create_object(s.bucket, "new", iter([s.large]), if_absent=True),
            lambda s: s.upload.complete(if_absent=True),
        ),
        "complete_if_match": (
            lambda s: s.store.create_object(s.bucket, "k", s.large, if_match=s.etag),
            lambda s: s.upload.complete(if_match="x"),
        ),
        "copy_if_absent": (
            lambda s: s.store.copy_object(s.bucket, "k", s.bucket, "new", if_absent=True),
        ),
        "copy_if_match": (
            lambda s: s.store.copy_object(s.bucket, "k", s.bucket, "k", if_match=s.etag),
        ),
        "copy_source_if_match": (
            lambda s: s.store.copy_object(s.bucket, "k", s.bucket, "new", source_if_match=s.etag),
        ),
        "delete_if_match": (lambda s: s.store.delete_object(s.bucket, "k", if_match=s.etag),),
        "content_encoding": _writes(content_encoding="gzip"),
        "cache_control": _writes(cache_control="no-store"),
        "content_disposition": _writes(content_disposition="inline"),
        "metadata": (
            *_writes(metadata={"a": "1"}),
            lambda s: s.store.set_metadata(s.bucket, "k", {"a": "1"}),
        ),
        "tags": (
            *_writes(tags={"a": "1"}),
            lambda s: s.store.get_tags(s.bucket, "k"),
            lambda s: s.store.set_tags(s.bucket, "k", {"a": "1"}),
            lambda s: s.store.set_tags(s.bucket, "k", {}),
        ),
        "storage_class": _writes(storage_class="STANDARD"),
        "expires_in": _writes(expires_in=3600),
        **{
            f"checksum_{name}": _writes(checksum={name: digest_of(name, b"x")})[:3]
            for name in ALGORITHMS
        },
        "update_metadata_if_match": (
            lambda s: s.store.set_metadata(s.bucket, "k", {"a": "1"}, if_match=s.etag),
        ),
        "ranges": (
            lambda s: s.store.get_object(s.bucket, "k", start=1),
            lambda s: s.store.get_object(s.bucket, "k", end=1),
            lambda s: s.store.get_object(s.bucket, "k", start=-1),
            lambda s: s.store.get_object_to_file(s.bucket, "k", "/nowhere", start=1),
        ),
        "conditional_reads": (
            lambda s: s.store.get_object(s.bucket, "k", if_match=s.etag),
            lambda s: s.store.get_object(s.bucket, "k", if_none_match=s.etag),
            lambda s: s.store.head_object(s.bucket, "k", if_modified_since=datetime.now(UTC)),
        ),
        "versions": (
            lambda s: s.store.get_object(s.bucket, "k", version="1"),
            lambda s: s.store.head_object(s.bucket, "k", version="1"),
            lambda s: s.store.delete_object(s.bucket, "k", version="1"),
        ),
        "copy": (
            lambda s: s.store.copy_object(s.bucket, "k", s.bucket, "new"),
            lambda s: s.store.move_object(s.bucket, "k", s.bucket, "new"),
        ),
        "start_after": (
            lambda s: s.store.get_all_objects(s.bucket, start_after="a"),
            lambda s: list(s.store.iter_objects(s.bucket, start_after="a")),
        ),
        "any_delimiter": (lambda s: s.store.get_all_objects(s.bucket, delimiter="--"),),
        "multipart": (
            lambda s: s.store.create_multipart_upload(s.bucket, "new"),
            lambda s: s.store.create_object(s.bucket, "new", iter([s.large])),
        ),
        "list_parts": (
            lambda s: s.upload.list_parts(),
            lambda s: s.store.resume_multipart_upload(s.upload.ref),
        ),
        "list_uploads": (
            lambda s: s.store.list_multipart_uploads(s.bucket),
            lambda s: s.store.abort_stale_uploads(s.bucket, timedelta(days=9999)),
        ),
        "presign_get": _presigned("GET"),
        "presign_put": _presigned("PUT"),
        "presign_delete": _presigned("DELETE"),
        "presign_post": (lambda s: s.store.presign_post(s.bucket, "k"),),
        "acl": (
            lambda s: s.store.get_acl(s.bucket),
            lambda s: s.store.set_acl(s.bucket, acl="private"),
        ),
        "object_acl": (
            lambda s: s.store.get_acl(s.bucket, "k"),
            lambda s: s.store.set_acl(s.bucket, "k", acl="private"),
        ),
        "website": (
            lambda s: s.store.set_website(s.bucket, "index.html"),
            lambda s: s.store.set_website(s.bucket, None),
        ),
        "versioning": (
            lambda s: s.store.get_versioning(s.bucket),
            lambda s: s.store.set_versioning(s.bucket, True),
        ),
        "lifecycle": (
            lambda s: s.store.get_lifecycle(s.bucket),
            lambda s: s.store.set_lifecycle(s.bucket, [LifecycleRule(expire_after_days=1)]),
            lambda s: s.store.set_lifecycle(s.bucket, []),
        ),
        "cdn": (lambda s: s.store.purge_cdn(["http://example.com/k"]),),
        "cdn_prefetch": (lambda s: s.store.prefetch_cdn(["http://example.com/k"]),),
        "account": (lambda s: s.store.get_account(),),
        "account_metadata": (lambda s: s.store.set_account_metadata({"a": "1"}),),
        "bucket_metadata": (lambda s: s.store.set_bucket_metadata(s.bucket, {"a": "1"}),),
    }
)
"""For each capability, the calls that must be refused without it."""

GATES_NOTHING = frozenset(
    {
        "ordered_listing",  # engines ask for it; see `listing`
        "settles_writes",  # see `conditions`
        "copy_part",  # engines use it; see `multipart`
        "delete_objects",  # without it keys are deleted one by one
        "update_metadata",  # without it an object is copied onto itself
    }
)
"""Capabilities that engines ask for, or that have a substitute: no verb is refused without them."""


def _conditional_put(s: Scene) -> None:
    s.store.create_object(s.bucket, "new", b"x", if_absent=True)
    with pytest.raises(ObjectAlreadyExistsError):
        s.store.create_object(s.bucket, "new", b"y", if_absent=True)


def _put_if_match(s: Scene) -> None:
    with pytest.raises(PreconditionFailedError):
        s.store.create_object(s.bucket, "k", b"x", if_match="another")
    s.store.create_object(s.bucket, "k", b"x", if_match=s.etag)


def _version(s: Scene) -> None:
    with pytest.raises(CloudStoreError):
        s.store.get_object(s.bucket, "k", version="no-such-version")


def _header(name: str) -> Probe:
    def probe(s: Scene) -> None:
        value = all_headers(s.store)[name]
        options: Any = {name: value}
        s.store.create_object(s.bucket, "new", b"x", **options)
        assert getattr(s.store.head_object(s.bucket, "new"), name) == value, f"{name} was dropped"

    return probe


def _expiry(s: Scene) -> None:
    step = s.account.driver.limits.expires_step
    if step:
        with pytest.raises(InvalidArgumentError):
            s.store.create_object(s.bucket, "new", b"x", expires_in=step + 0.5)
    soon = timedelta(seconds=step or 3600)
    s.store.create_object(s.bucket, "new", b"x", expires_in=soon)
    expires = s.store.head_object(s.bucket, "new").expires_at
    assert expires is not None, "expires_in was dropped"
    assert expires > datetime.now(UTC)


def _versioning(s: Scene) -> None:
    s.store.delete_object(s.bucket, "k")  # else it would become a version, and stay
    s.store.set_versioning(s.bucket, True)
    assert s.store.get_versioning(s.bucket)
    s.store.set_versioning(s.bucket, False)


def _tags(s: Scene) -> None:
    s.store.create_object(s.bucket, "new", b"x", tags={"a": "1"})
    assert s.store.get_tags(s.bucket, "new") == {"a": "1"}, "tags were dropped"


def _batch(s: Scene) -> None:
    assert s.store.delete_objects(s.bucket, ["k", "missing"]) == ["k", "missing"]
    assert s.store.get_all_objects(s.bucket) == []


def _order(s: Scene) -> None:
    for key in ("z", "ä", "a/", "a!"):
        s.store.create_object(s.bucket, key, b"")
    assert keys_of(s.store.get_all_objects(s.bucket)) == ["a!", "a/", "k", "z", "ä"]


def _settlement(s: Scene) -> None:
    with s.account.over(LosesAnswers(s.account.driver, settles=True), retry=ONCE) as losing:
        if losing.capabilities.put_if_match:
            losing.create_object(s.bucket, "k", b"settled", if_match=s.etag)
        elif losing.capabilities.put_if_absent:
            losing.create_object(s.bucket, "settled", b"settled", if_absent=True)
        else:
            losing.create_object(s.bucket, "settled", s.large)  # of a completion, every one is settled


def _copied_part(s: Scene) -> None:
    driver, ref = s.account.driver, s.upload.ref
    part = s.account.perform(
        lambda ctx: driver.copy_part(ctx, ref, 1, s.bucket, "k", ByteRange(2, 5), None)
    )
    s.upload.complete([part])
    assert s.store.get_object(s.bucket, "upload").read() == b"234"


def _works(*probes: Probe) -> Probe:
    def probe(s: Scene) -> None:
        for call in probes:
            call(s)

    return probe


WORKS: Mapping[str, Probe] = MappingProxyType(
    {
        **{name: _works(*probes) for name, probes in REFUSED.items()},
        # Those whose calls exclude one another, or say more than that nothing was raised.
        "create_bucket": lambda s: s.store.delete_bucket(
            s.store.create_bucket(s.account.harness.bucket_name()).name
        ),
        "put_if_absent": _conditional_put,
        "put_if_match": _put_if_match,
        "complete_if_absent": REFUSED["complete_if_absent"][0],
        "complete_if_match": REFUSED["complete_if_match"][0],
        "content_encoding": _header("content_encoding"),
        "cache_control": _header("cache_control"),
        "content_disposition": _header("content_disposition"),
        "metadata": REFUSED["metadata"][-1],
        "tags": _tags,
        "storage_class": REFUSED["storage_class"][0],
        "expires_in": _expiry,
        "ranges": lambda s: s.store.get_object(s.bucket, "k", start=1).close(),
        "conditional_reads": lambda s: s.store.get_object(s.bucket, "k", if_match=s.etag).close(),
        "versions": _version,
        "multipart": REFUSED["multipart"][1],
        "versioning": _versioning,
        "cdn": lambda s: s.store.purge_cdn([]),
        "cdn_prefetch": lambda s: s.store.prefetch_cdn([]),
        "ordered_listing": _order,
        "settles_writes": _settlement,
        **{f"checksum_{name}": REFUSED[f"checksum_{name}"][0] for name in ALGORITHMS},
        "copy_part": _copied_part,
        "delete_objects": _batch,
        "update_metadata": lambda s: s.store.set_metadata(s.bucket, "k", {"a": "1"}),
    }
)
"""For each capability, what must work where it is declared."""


def _updates_by_copy(store: Store) -> bool:
    """Whether a conditional change of metadata is a copy of the object onto itself."""
    return store.capabilities.copy_if_match and not store.capabilities.update_metadata


class CapabilityTests(ConformanceTests):
    """Capabilities."""

    def test_every_capability_is_tested(self) -> None:
        names = set(Capabilities.all_names())
        assert set(REFUSED) | GATES_NOTHING == names
        assert set(WORKS) == names

    @pytest.mark.parametrize("name", REFUSED)
    def test_without_the_capability_everything_is_refused_before_any_io(
        self, account: Account, face: str, bucket: str, name: str
    ) -> None:
        driver = Narrowed(account.driver)
        with account.over(driver, face) as store:
            scene = Scene(store, account, bucket)
            driver.take_away(name)
            if name == "update_metadata_if_match":
                driver.take_away("copy_if_match")
            driver.calls.clear()
            for number, call in enumerate(REFUSED[name]):
                if scene.upload is None and name.startswith(("complete", "list_parts")):
                    continue  # there is no upload to be asked about; `multipart` itself is refused
                with pytest.raises(UnsupportedError) as caught:
                    call(scene)
                assert driver.calls == [], f"call {number} sent something before it was refused"
                assert caught.value.vendor
                assert caught.value.operation
                assert caught.value.outcome == "not_applied"

    @pytest.mark.parametrize("name", WORKS)
    def test_declared_capability_works(
        self, store: Store, account: Account, bucket: str, name: str
    ) -> None:
        scene = Scene(store, account, bucket)
        if getattr(store.capabilities, name):
            WORKS[name](scene)
        elif name in REFUSED and not (
            (scene.upload is None and name.startswith(("complete", "list_parts")))
            or (name == "update_metadata_if_match" and _updates_by_copy(store))
        ):
            with pytest.raises(UnsupportedError):
                _works(*REFUSED[name])(scene)

    @pytest.mark.parametrize("name", Capabilities.all_names())
    def test_require_asks_for_a_capability(self, account: Account, face: str, name: str) -> None:
        store = account.store(face)
        if getattr(store.capabilities, name):
            store.require(name)
        with account.over(Narrowed(account.driver, name), face) as narrowed:
            with pytest.raises(UnsupportedError):
                narrowed.require(name)
            assert name not in narrowed.capabilities.names()

    def test_require_of_an_unknown_capability_is_refused(self, store: Store) -> None:
        with pytest.raises(InvalidArgumentError):
            store.require("no_such_capability")

    def test_without_batch_deletion_keys_are_deleted_one_by_one(
        self, account: Account, face: str, bucket: str
    ) -> None:
        driver = Narrowed(account.driver, "delete_objects")
        keys = [f"k{n}" for n in range(40)]
        with account.over(driver, face) as store:
            for key in keys[:20]:
                store.create_object(bucket, key, b"")
            store.create_object(bucket, "kept", b"")
            assert store.delete_objects(bucket, keys) == keys
            assert keys_of(store.get_all_objects(bucket)) == ["kept"]
            assert driver.count("delete_object") == len(keys)
            assert driver.count("delete_objects") == 0

    def test_without_metadata_in_place_the_object_is_copied_onto_itself(
        self, account: Account, face: str, bucket: str
    ) -> None:
        driver = Narrowed(account.driver, "update_metadata")
        with account.over(driver, face) as store:
            headers = all_headers(store)
            store.create_object(bucket, "k", b"data", **headers)
            if not (store.capabilities.copy and store.capabilities.metadata):
                with pytest.raises(UnsupportedError):
                    store.set_metadata(bucket, "k", {"a": "1"})
                return
            assert store.set_metadata(bucket, "k", {"a": "1"}) == {"a": "1"}
            assert driver.count("copy_object") == 1
            found = store.get_object(bucket, "k")
            assert found.read() == b"data"
            assert found.metadata == {"a": "1"}
            assert {name: getattr(found, name) for name in headers} == headers
            driver.take_away("copy")
            driver.calls.clear()
            with pytest.raises(UnsupportedError):
                store.set_metadata(bucket, "k", {"b": "2"})
            assert driver.calls == []

    def test_without_ranges_a_seek_is_refused(self, account: Account, face: str, bucket: str) -> None:
        with account.over(Narrowed(account.driver, "ranges"), face) as store:
            store.create_object(bucket, "k", b"0123456789")
            with store.get_object(bucket, "k") as found:
                found.seek(5)
                with pytest.raises(UnsupportedError):
                    found.read()

    def test_capabilities_are_those_of_the_driver(self, store: Store, account: Account) -> None:
        assert store.capabilities == account.driver.capabilities
