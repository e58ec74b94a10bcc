"""What is set on buckets and objects: ACLs, tags, websites, versioning, lifecycle rules."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from ...errors import InvalidArgumentError, NotFoundError, ObjectNotFoundError, UnsupportedError
from ...model import LifecycleRule
from ...store import Store
from .account import Account, RecordingDriver
from .base import ConformanceTests, needs
from .weird_keys import WEIRD_KEYS

__all__ = ["AdministrationTests"]

TAGS = {"a": "1", "project": "blue whale", "größe": "µ+-=._:/@"}
"""Letters of any alphabet, and what else AWS takes; other vendors take no less."""

EXPIRES = LifecycleRule(prefix="tmp/", expire_after_days=7)
RULES = {
    "objects": LifecycleRule(prefix="log/", expire_after_days=30),
    "everything": LifecycleRule(expire_after_days=365),
    "old_versions": LifecycleRule(prefix="a/", expire_versions_after_days=30),
    "uploads": LifecycleRule(prefix="b", abort_uploads_after_days=2),
    "all_at_once": LifecycleRule(
        prefix="c/", expire_after_days=90, expire_versions_after_days=10, abort_uploads_after_days=1
    ),
    "not_enabled": LifecycleRule(prefix="d/", expire_after_days=1, enabled=False),
}


def _rule(**values: Any) -> Any:
    return LifecycleRule(**values)


WRONG_RULES: dict[str, Any] = {
    "no_list": 7,
    "no_rule": [{"expire_after_days": 7}],
    "does_nothing": [_rule(prefix="a/")],
    "no_days": [_rule(expire_after_days=0)],
    "negative": [_rule(abort_uploads_after_days=-1)],
    "fraction": [_rule(expire_after_days=1.5)],
    "bool": [_rule(expire_versions_after_days=True)],
    "prefix_no_text": [_rule(prefix=None, expire_after_days=7)],
    "enabled_no_bool": [_rule(expire_after_days=7, enabled="no")],
    "same_name": [_rule(expire_after_days=7, name="n"), _rule(expire_after_days=8, name="n")],
    "of_another_vendor": [_rule(vendor_rule={"no-such-vendor": {"ID": "x"}})],
    "vendor_rule_no_mapping": [_rule(vendor_rule="x")],
}

BUCKET_METADATA = {"lang": "en", "city": "Zürich", "owner": ""}

OBJECT_SETTINGS: dict[str, tuple[str, Callable[[Store, str], Any]]] = {
    "get_tags": ("tags", lambda s, b: s.get_tags(b, "missing")),
    "set_tags": ("tags", lambda s, b: s.set_tags(b, "missing", {"a": "1"})),
    "remove_tags": ("tags", lambda s, b: s.set_tags(b, "missing", {})),
    "get_acl": ("object_acl", lambda s, b: s.get_acl(b, "missing")),
    "set_acl": ("object_acl", lambda s, b: s.set_acl(b, "missing", acl="private")),
}
"""Verbs on an object that is missing, with the capability that each needs."""


def _eventually(holds: Callable[[], bool], seconds: float) -> bool:
    until = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > until:
            return False
        time.sleep(0.1)
    return True


class AdministrationTests(ConformanceTests):
    """Settings of buckets and objects. What a missing bucket does to them is in `buckets`."""

    # --- access ---

    @needs("acl")
    def test_acl_of_a_bucket(self, store: Store, bucket: str) -> None:
        assert store.get_acl(bucket) == "private", "a new bucket is open to others"
        for acl in ("public-read", "private"):
            store.set_acl(bucket, acl=acl)
            assert store.get_acl(bucket) == acl

    @needs("object_acl")
    def test_acl_of_an_object(self, store: Store, bucket: str) -> None:
        for key in ("k", "other"):
            store.create_object(bucket, key, b"x")
        assert store.get_acl(bucket, "k") == "private", "a new object is open to others"
        store.set_acl(bucket, "k", acl="public-read")
        assert store.get_acl(bucket, "k") == "public-read"
        assert store.get_acl(bucket, "other") == "private", "another object was opened"
        assert store.get_acl(bucket) == "private", "the bucket was opened"
        store.set_acl(bucket, "k", acl="private")
        assert store.get_acl(bucket, "k") == "private"

    @pytest.mark.parametrize("acl", ["publik-read", "custom", "", None])
    def test_acl_that_there_is_not_is_refused(self, store: Store, bucket: str, acl: Any) -> None:
        has = store.capabilities.acl
        with pytest.raises(InvalidArgumentError if has else (InvalidArgumentError, UnsupportedError)):
            store.set_acl(bucket, acl=acl)
        if has:
            assert store.get_acl(bucket) == "private"

    # --- tags ---

    @needs("tags")
    def test_tags_are_replaced_whole(self, store: Store, bucket: str) -> None:
        store.create_object(bucket, "k", b"data")
        store.create_object(bucket, "other", b"")
        assert store.get_tags(bucket, "k") == {}
        store.set_tags(bucket, "k", TAGS)
        assert store.get_tags(bucket, "k") == TAGS
        store.set_tags(bucket, "k", {"b": ""})
        assert store.get_tags(bucket, "k") == {"b": ""}, "tags were merged"
        store.set_tags(bucket, "k", {})
        assert store.get_tags(bucket, "k") == {}
        assert store.get_tags(bucket, "other") == {}

    @needs("tags")
    def test_tags_come_with_a_write_and_go_with_the_next(self, store: Store, bucket: str) -> None:
        store.create_object(bucket, "k", b"data", tags=TAGS)
        assert store.get_tags(bucket, "k") == TAGS
        store.create_object(bucket, "k", b"data")
        assert store.get_tags(bucket, "k") == {}, "the tags of the object that was replaced"

    @needs("tags", "multipart")
    def test_tags_come_with_an_upload_in_parts(self, store: Store, bucket: str, part_size: int) -> None:
        store.create_object(bucket, "k", iter([b"x" * (2 * part_size + 1)]), tags=TAGS)
        assert store.get_tags(bucket, "k") == TAGS

    @needs("tags", "metadata")
    def test_tags_change_nothing_else(self, store: Store, bucket: str) -> None:
        store.create_object(bucket, "k", b"data", metadata={"a": "1"}, content_type="text/css")
        store.set_tags(bucket, "k", TAGS)
        found = store.get_object(bucket, "k")
        assert (found.read(), found.metadata, found.content_type) == (b"data", {"a": "1"}, "text/css")

    @needs("tags", "copy")
    def test_copy_keeps_tags_unless_it_is_given_others(self, store: Store, bucket: str) -> None:
        store.create_object(bucket, "k", b"data", tags=TAGS)
        store.copy_object(bucket, "k", bucket, "same")
        assert store.get_tags(bucket, "same") == TAGS
        store.copy_object(bucket, "k", bucket, "typed", content_type="text/css")
        assert store.get_tags(bucket, "typed") == TAGS
        store.copy_object(bucket, "k", bucket, "tagged", tags={"b": "2"})
        assert store.get_tags(bucket, "tagged") == {"b": "2"}

    @needs("tags", "metadata")
    def test_metadata_is_changed_without_losing_tags(self, store: Store, bucket: str) -> None:
        store.create_object(bucket, "k", b"data", tags=TAGS)
        store.set_metadata(bucket, "k", {"a": "1"})
        assert store.get_tags(bucket, "k") == TAGS

    @needs("tags")
    def test_tags_of_weird_keys(self, store: Store, account: Account, bucket: str) -> None:
        keys = [key for key in WEIRD_KEYS.values() if account.driver.key_rule.refusal(key) is None]
        for number, key in enumerate(keys):
            store.create_object(bucket, key, b"", tags={"number": str(number)})
        for number, key in enumerate(keys):
            assert store.get_tags(bucket, key) == {"number": str(number)}, f"{key!r} is another object"
            store.set_tags(bucket, key, {"changed": str(number)})
        for number, key in enumerate(keys):
            assert store.get_tags(bucket, key) == {"changed": str(number)}

    @pytest.mark.parametrize(
        "tags",
        [None, "a", {"": "1"}, {"a": None}, {7: "1"}, {"a": "x\ny"}, {"a": "\ud800"}],
        ids=ascii,
    )
    def test_wrong_tags_are_refused_before_any_io(
        self, recorded: Store, recorder: RecordingDriver, bucket: str, tags: Any
    ) -> None:
        wrong = InvalidArgumentError if recorded.capabilities.tags else UnsupportedError
        with pytest.raises(wrong):
            recorded.set_tags(bucket, "k", tags)
        if tags:
            with pytest.raises(wrong):
                recorded.create_object(bucket, "k", b"", tags=tags)
        assert recorder.calls == [], "something was sent"

    @needs("tags")
    def test_more_tags_than_the_limit_are_refused(
        self, store: Store, account: Account, bucket: str
    ) -> None:
        store.create_object(bucket, "k", b"")
        most = {f"t{n}": str(n) for n in range(account.driver.limits.max_tags)}
        store.set_tags(bucket, "k", most)
        assert store.get_tags(bucket, "k") == most
        with pytest.raises(InvalidArgumentError):
            store.set_tags(bucket, "k", {**most, "more": ""})
        assert store.get_tags(bucket, "k") == most

    @pytest.mark.parametrize("verb", OBJECT_SETTINGS)
    def test_setting_of_a_missing_object(self, store: Store, bucket: str, verb: str) -> None:
        feature, call = OBJECT_SETTINGS[verb]
        if not getattr(store.capabilities, feature):
            with pytest.raises(UnsupportedError):
                call(store, bucket)
            return
        with pytest.raises(ObjectNotFoundError) as caught:
            call(store, bucket)
        assert (caught.value.bucket, caught.value.key) == (bucket, "missing")

    # --- websites ---

    @needs("website")
    def test_website_is_set_and_ended(self, store: Store, bucket: str) -> None:
        store.set_website(bucket, "index.html")
        store.set_website(bucket, "index.html", "error.html")
        store.set_website(bucket, None)
        store.set_website(bucket, None)  # which is so already

    @pytest.mark.parametrize(
        ("index", "error"), [("", None), ("index.html", ""), (None, "e"), (7, None)]
    )
    def test_wrong_website_is_refused_before_any_io(
        self, recorded: Store, recorder: RecordingDriver, bucket: str, index: Any, error: Any
    ) -> None:
        with pytest.raises((InvalidArgumentError, UnsupportedError)):
            recorded.set_website(bucket, index, error)
        assert recorder.calls == [], "something was sent"

    # --- versioning ---

    @needs("versioning")
    def test_versioning_is_switched(self, store: Store, bucket: str) -> None:
        assert store.get_versioning(bucket) is False
        store.set_versioning(bucket, True)
        assert store.get_versioning(bucket) is True
        store.set_versioning(bucket, False)
        assert store.get_versioning(bucket) is False

    @needs("versioning")
    def test_versioning_by_a_handle(self, store: Store, bucket: str) -> None:
        handle = store.bucket(bucket, prefix="tenant/")
        handle.set_versioning(True)
        assert handle.get_versioning() is store.get_versioning(bucket) is True
        handle.set_versioning(False)
        assert handle.get_versioning() is False

    @needs("versioning", "versions")
    def test_versioning_keeps_what_is_overwritten(self, store: Store, bucket: str) -> None:
        store.set_versioning(bucket, True)
        made = [store.create_object(bucket, "k", data).version for data in (b"old", b"new")]
        try:
            read = [store.get_object(bucket, "k", version=version or "").read() for version in made]
            assert read == [b"old", b"new"]
            assert store.get_object(bucket, "k").read() == b"new"
        finally:
            for version in made:
                store.delete_object(bucket, "k", version=version)

    @pytest.mark.parametrize("enabled", ["yes", 1, None])
    def test_versioning_that_is_no_bool_is_refused_before_any_io(
        self, recorded: Store, recorder: RecordingDriver, bucket: str, enabled: Any
    ) -> None:
        with pytest.raises((InvalidArgumentError, UnsupportedError)):
            recorded.set_versioning(bucket, enabled)
        assert recorder.calls == [], "something was sent"

    # --- lifecycle ---

    @needs("lifecycle")
    def test_lifecycle_is_replaced_whole(self, store: Store, bucket: str) -> None:
        assert store.get_lifecycle(bucket) == []
        store.set_lifecycle(bucket, [EXPIRES])
        assert store.get_lifecycle(bucket) == [EXPIRES]
        other = LifecycleRule(prefix="log/", expire_after_days=30, name="logs")
        store.set_lifecycle(bucket, iter([other]))
        assert store.get_lifecycle(bucket) == [other], "rules were added, not replaced"
        assert store.get_lifecycle(bucket)[0].name == "logs"
        store.set_lifecycle(bucket, [*store.get_lifecycle(bucket), EXPIRES])
        assert store.get_lifecycle(bucket) == [other, EXPIRES]
        store.set_lifecycle(bucket, [])
        assert store.get_lifecycle(bucket) == []

    @needs("lifecycle")
    @pytest.mark.parametrize("name", RULES)
    def test_lifecycle_rule_comes_back_or_is_refused(
        self, store: Store, bucket: str, name: str
    ) -> None:
        store.set_lifecycle(bucket, [EXPIRES])
        try:
            store.set_lifecycle(bucket, [RULES[name]])
        except UnsupportedError:
            assert store.get_lifecycle(bucket) == [EXPIRES], "what was refused changed something"
        else:
            assert store.get_lifecycle(bucket) == [RULES[name]], "a part of the rule was dropped"

    @pytest.mark.parametrize("name", WRONG_RULES)
    def test_wrong_lifecycle_rule_is_refused_before_any_io(
        self, recorded: Store, recorder: RecordingDriver, bucket: str, name: str
    ) -> None:
        has = recorded.capabilities.lifecycle
        with pytest.raises(InvalidArgumentError if has else UnsupportedError):
            recorded.set_lifecycle(bucket, WRONG_RULES[name])
        assert recorder.calls == [], "something was sent"

    # --- metadata and counts of buckets and of the account ---

    @needs("bucket_metadata")
    def test_metadata_of_a_bucket_is_merged(self, store: Store, bucket: str) -> None:
        assert store.get_bucket(bucket).metadata == {}
        store.set_bucket_metadata(bucket, BUCKET_METADATA)
        assert store.get_bucket(bucket).metadata == BUCKET_METADATA
        store.set_bucket_metadata(bucket, {"Owner": "me", "city": None, "missing": None})
        assert store.get_bucket(bucket).metadata == {"lang": "en", "owner": "me"}
        store.set_bucket_metadata(bucket, {})
        assert store.get_bucket(bucket).metadata == {"lang": "en", "owner": "me"}
        store.bucket(bucket).set_bucket_metadata({"a": "1"}, replace=True)
        assert store.get_bucket(bucket).metadata == {"a": "1"}
        store.set_bucket_metadata(bucket, {}, replace=True)
        assert store.get_bucket(bucket).metadata == {}

    @needs("bucket_metadata", "acl")
    def test_metadata_of_a_bucket_changes_nothing_else(
        self, store: Store, bucket: str, other_bucket: str
    ) -> None:
        store.create_object(bucket, "k", b"x")
        store.set_acl(bucket, acl="public-read")
        store.set_bucket_metadata(bucket, BUCKET_METADATA)
        assert store.get_acl(bucket) == "public-read"
        store.set_acl(bucket, acl="private")
        assert store.get_bucket(bucket).metadata == BUCKET_METADATA
        assert store.get_bucket(other_bucket).metadata == {}
        assert store.get_object(bucket, "k").read() == b"x"

    @needs("account_metadata")
    def test_metadata_of_the_account_is_merged(self, store: Store) -> None:
        mine = f"conformance{uuid.uuid4().hex[:8]}"  # others may use the account meanwhile
        try:
            store.set_account_metadata({mine: "1", f"{mine}x": "Ärger"})
            held = store.get_account().metadata
            assert (held[mine], held[f"{mine}x"]) == ("1", "Ärger")
            store.set_account_metadata({f"{mine}x": None})
            held = store.get_account().metadata
            assert held[mine] == "1"
            assert f"{mine}x" not in held
        finally:
            store.set_account_metadata({mine: None, f"{mine}x": None})
        assert mine not in store.get_account().metadata

    @pytest.mark.parametrize(
        "metadata", [None, "a", {"": "1"}, {"a": 7}, {7: "1"}, {"a": "x\ny"}, {"csId": "1"}], ids=ascii
    )
    def test_wrong_metadata_of_buckets_is_refused_before_any_io(
        self, recorded: Store, recorder: RecordingDriver, bucket: str, metadata: Any
    ) -> None:
        has = recorded.capabilities
        with pytest.raises(InvalidArgumentError if has.bucket_metadata else UnsupportedError):
            recorded.set_bucket_metadata(bucket, metadata)
        with pytest.raises(InvalidArgumentError if has.account_metadata else UnsupportedError):
            recorded.set_account_metadata(metadata)
        assert recorder.calls == [], "something was sent"

    @needs("account")
    def test_account_counts_what_is_stored(self, store: Store, account: Account, bucket: str) -> None:
        for number in range(3):
            store.create_object(bucket, f"k{number}", b"x" * 100)

        def is_counted() -> bool:
            found, whole = store.get_bucket(bucket), store.get_account()
            objects, size = whole.object_count or 0, whole.size or 0
            return (
                found.object_count in (None, 3)
                and found.size in (None, 300)
                and (whole.bucket_count is None or whole.bucket_count > 0)
                and (whole.object_count is None or objects >= 3)
                and (whole.size is None or size >= 300)
            )

        counted = _eventually(is_counted, account.harness.counts_within)
        assert counted, (store.get_bucket(bucket), store.get_account())
        whole = store.get_account()
        assert {whole.bucket_count, whole.object_count, whole.size} != {None}, "nothing is said"

    # --- CDN ---

    @pytest.mark.parametrize(
        "urls", [None, "https://example.com/k", ["k"], [7], [b"https://example.com/k"]], ids=ascii
    )
    def test_wrong_urls_are_refused_before_any_io(
        self, recorded: Store, recorder: RecordingDriver, urls: Any
    ) -> None:
        has = recorded.capabilities
        with pytest.raises(InvalidArgumentError if has.cdn else UnsupportedError):
            recorded.purge_cdn(urls)
        with pytest.raises(InvalidArgumentError if has.cdn_prefetch else UnsupportedError):
            recorded.prefetch_cdn(urls)
        assert recorder.calls == [], "something was sent"

    # --- handles ---

    def test_handle_has_the_settings_of_its_bucket(self, store: Store, bucket: str) -> None:
        handle = store.bucket(bucket, prefix="tenant/")
        handle.create_object("k", b"x")
        if store.capabilities.tags:
            handle.set_tags("k", {"a": "1"})
            assert handle.get_tags("k") == store.get_tags(bucket, "tenant/k") == {"a": "1"}
            with pytest.raises(NotFoundError):
                handle.get_tags("tenant/k")
        if store.capabilities.lifecycle:
            handle.set_lifecycle([EXPIRES])
            assert handle.get_lifecycle() == store.get_lifecycle(bucket) == [EXPIRES]
        if store.capabilities.object_acl:
            handle.set_acl("k", acl="public-read")
            assert handle.get_acl("k") == store.get_acl(bucket, "tenant/k") == "public-read"
        if store.capabilities.website:
            handle.set_website("index.html")
            handle.set_website(None)
