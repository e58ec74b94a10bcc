"""Keys are exact: every weird key goes through every verb unchanged, or is refused before any I/O."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ...errors import InvalidKeyError, ObjectNotFoundError
from ...store import Store
from .account import Account, RecordingDriver
from .base import ConformanceTests, keys_of, needs
from .weird_keys import NEIGHBOURS, RESERVED_KEYS, WEIRD_KEYS

__all__ = ["KeyTests"]

RANDOM_KEYS = 40
"""Examples of random keys per face."""

NO_KEYS: tuple[Any, ...] = ("", "\ud800", "a\udfffb", None, 7, b"k", ("k",))
"""What is a key of no vendor."""


def _verbs(store: Store, bucket: str, key: Any) -> list[Any]:
    """A call of every verb that takes a key."""
    return [
        lambda: store.create_object(bucket, key, b"x"),
        lambda: store.get_object(bucket, key),
        lambda: store.head_object(bucket, key),
        lambda: store.object_exists(bucket, key),
        lambda: store.delete_object(bucket, key),
        lambda: store.delete_object(bucket, key, missing_ok=False),
        lambda: store.delete_objects(bucket, ["a", key]),
        lambda: store.copy_object(bucket, key, bucket, "b"),
        lambda: store.copy_object(bucket, "a", bucket, key),
        lambda: store.move_object(bucket, key, bucket, "b"),
        lambda: store.get_metadata(bucket, key),
        lambda: store.set_metadata(bucket, key, {}),
        lambda: store.create_multipart_upload(bucket, key),
        lambda: store.open_writer(bucket, key).close(),
        lambda: store.get_object_to_file(bucket, key, "/nowhere"),
        lambda: store.presign(bucket, key),
        lambda: store.presign_post(bucket, key),
        lambda: store.get_tags(bucket, key),
        lambda: store.set_tags(bucket, key, {}),
        # None is the bucket's
        *([] if key is None else [lambda: store.get_acl(bucket, key)]),
        *([] if key is None else [lambda: store.set_acl(bucket, key, acl="private")]),
    ]


class KeyTests(ConformanceTests):
    """Keys."""

    def _refuses(self, account: Account, face: str, bucket: str, key: str) -> bool:
        """Whether the vendor's rule refuses the key; then every verb must, with nothing sent."""
        if account.driver.key_rule.refusal(key) is None:
            return False
        recorder = RecordingDriver(account.driver)
        with account.over(recorder, face) as store:
            for call in _verbs(store, bucket, key):
                with pytest.raises(InvalidKeyError) as caught:
                    call()
                assert repr(key) in str(caught.value), "the error does not name the key"
        assert recorder.calls == [], "something was sent for a key that is refused"
        return True

    @pytest.mark.parametrize("name", WEIRD_KEYS)
    def test_weird_key_is_held_exactly_or_refused(
        self, store: Store, account: Account, face: str, bucket: str, name: str
    ) -> None:
        key = WEIRD_KEYS[name]
        if self._refuses(account, face, bucket, key):
            return
        with pytest.raises(ObjectNotFoundError) as caught:
            store.get_object(bucket, key)
        assert caught.value.key == key
        assert repr(key) in str(caught.value), "the error does not name the key"
        made = store.create_object(bucket, key, key.encode("utf-8", "surrogatepass"))
        assert made.key == key
        found = store.get_object(bucket, key)
        assert found.key == key
        assert found.read() == key.encode()
        assert store.head_object(bucket, key).key == key
        assert store.object_exists(bucket, key) is True
        assert keys_of(store.get_all_objects(bucket)) == [key]
        assert keys_of(store.get_all_objects(bucket, prefix=key)) == [key]
        assert keys_of(store.iter_objects(bucket, key)) == [key]
        [entry] = store.get_all_objects(bucket)
        assert entry.read() == key.encode()
        store.delete_object(bucket, key)
        assert store.object_exists(bucket, key) is False
        assert store.get_all_objects(bucket) == []

    @needs("copy")
    @pytest.mark.parametrize("name", WEIRD_KEYS)
    def test_weird_key_is_copied_and_moved_exactly(
        self, store: Store, account: Account, bucket: str, name: str
    ) -> None:
        key = WEIRD_KEYS[name]
        if account.driver.key_rule.refusal(key) is not None:
            key = "plain"
        store.create_object(bucket, key, b"data")
        store.copy_object(bucket, key, bucket, "copy")
        assert store.get_object(bucket, "copy").read() == b"data"
        store.delete_object(bucket, key)
        store.move_object(bucket, "copy", bucket, key)
        assert keys_of(store.get_all_objects(bucket)) == [key]
        if store.capabilities.metadata:
            store.set_metadata(bucket, key, {"a": "1"})
            assert store.get_metadata(bucket, key) == {"a": "1"}
        assert store.get_object(bucket, key).read() == b"data"

    @needs("multipart")
    @pytest.mark.parametrize("name", WEIRD_KEYS)
    def test_weird_key_is_uploaded_in_parts_exactly(
        self, store: Store, account: Account, bucket: str, name: str
    ) -> None:
        key = WEIRD_KEYS[name]
        if account.driver.key_rule.refusal(key) is not None:
            key = "plain"
        upload = store.create_multipart_upload(bucket, key)
        upload.upload_part(1, b"data")
        if store.capabilities.list_uploads:
            assert [found.ref.key for found in store.list_multipart_uploads(bucket)] == [key]
            assert len(store.list_multipart_uploads(bucket, prefix=key)) == 1
        if store.capabilities.list_parts:
            assert [part.number for part in upload.list_parts()] == [1]
        assert store.get_all_objects(bucket) == []
        upload.complete()
        assert keys_of(store.get_all_objects(bucket)) == [key]
        assert store.get_object(bucket, key).read() == b"data"
        aborted = store.create_multipart_upload(bucket, key)
        aborted.upload_part(1, b"other")
        aborted.abort()
        assert store.get_object(bucket, key).read() == b"data"

    def test_weird_keys_live_side_by_side(self, store: Store, account: Account, bucket: str) -> None:
        keys = sorted(
            {key for key in WEIRD_KEYS.values() if account.driver.key_rule.refusal(key) is None}
        )
        for key in keys:
            store.create_object(bucket, key, key)
        assert sorted(keys_of(store.get_all_objects(bucket))) == keys
        wrong = [key for key in keys if store.get_object(bucket, key).read() != key.encode()]
        assert wrong == [], "these objects hold the bytes of another key"
        assert store.delete_objects(bucket, keys) == keys
        assert store.get_all_objects(bucket) == []

    @pytest.mark.parametrize("backwards", [False, True])
    def test_keys_that_a_path_would_confuse_are_different_objects(
        self, store: Store, account: Account, bucket: str, backwards: bool
    ) -> None:
        keys = [key for key in NEIGHBOURS if account.driver.key_rule.refusal(key) is None]
        for key in keys[::-1] if backwards else keys:
            store.create_object(bucket, key, f"of {key}")
        assert sorted(keys_of(store.get_all_objects(bucket))) == sorted(keys)
        for key in keys:
            assert store.get_object(bucket, key).text() == f"of {key}"
        for key in keys if backwards else keys[::-1]:
            store.delete_object(bucket, key)
            assert store.object_exists(bucket, key) is False
            keys_left = set(keys_of(store.get_all_objects(bucket)))
            assert key not in keys_left
            for other in keys_left:
                assert store.get_object(bucket, other).text() == f"of {other}"

    def test_key_over_the_limit_is_refused(
        self, recorded: Store, account: Account, recorder: RecordingDriver, bucket: str
    ) -> None:
        limit = account.driver.key_rule.max_bytes
        for key in ("k" * (limit + 1), "ä" * (limit // 2 + 1)):
            with pytest.raises(InvalidKeyError):
                recorded.create_object(bucket, key, b"x")
        assert recorder.calls == []

    @pytest.mark.parametrize("key", RESERVED_KEYS)
    def test_reserved_key_is_refused_before_any_io(
        self, recorded: Store, recorder: RecordingDriver, bucket: str, key: str
    ) -> None:
        for call in _verbs(recorded, bucket, key):
            with pytest.raises(InvalidKeyError, match="reserved"):
                call()
        assert recorder.calls == []

    @pytest.mark.parametrize("key", NO_KEYS, ids=ascii)
    def test_what_is_no_key_is_refused_before_any_io(
        self, recorded: Store, recorder: RecordingDriver, bucket: str, key: Any
    ) -> None:
        for call in _verbs(recorded, bucket, key):
            with pytest.raises(InvalidKeyError):
                call()
        assert recorder.calls == []

    @settings(
        max_examples=RANDOM_KEYS,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
    )
    @given(
        key=st.text(
            st.one_of(st.characters(codec="utf-8"), st.sampled_from("/.%\\ +\n~")),
            min_size=1,
            max_size=60,
        )
    )
    def test_random_key_is_held_exactly_or_refused(
        self, store: Store, account: Account, bucket: str, key: str
    ) -> None:
        if account.driver.key_rule.refusal(key) is not None:
            with pytest.raises(InvalidKeyError):
                store.create_object(bucket, key, key)
            return
        store.create_object(bucket, key, key)
        assert store.get_object(bucket, key).text() == key
        assert keys_of(store.get_all_objects(bucket)) == [key]
        store.delete_object(bucket, key)
        assert store.get_all_objects(bucket) == []
