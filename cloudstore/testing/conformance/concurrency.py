"""Many threads on one store: nothing is lost, torn or mixed up."""

from __future__ import annotations

import threading
from typing import Any

from ...errors import BucketAlreadyExistsError
from ...store import Store
from .account import Account, Narrowed
from .base import ConformanceTests, keys_of, needs, payload
from .conditions import race

__all__ = ["ConcurrencyTests"]

THREADS = 16
ROUNDS = 4
OVERWRITES = 40
MERGERS = 3
"""So few that none can lose as often as `set_metadata` starts anew."""


class ConcurrencyTests(ConformanceTests):
    """Concurrency."""

    def test_many_threads_share_a_store(self, store: Store, bucket: str) -> None:
        def work(index: int) -> list[str]:
            wrong = []
            for turn in range(ROUNDS):
                key, data = f"{index}/{turn}", payload(500 + index, seed=turn)
                store.create_object(bucket, key, data)
                if store.get_object(bucket, key).read() != data:
                    wrong.append(key)
                if keys_of(store.iter_objects(bucket, f"{index}/")) != [
                    f"{index}/{n}" for n in range(turn + 1)
                ]:
                    wrong.append(f"listing of {key}")
            store.delete_object(bucket, f"{index}/0")
            return wrong

        assert race(THREADS, work) == [[]] * THREADS
        expected = {f"{i}/{t}" for i in range(THREADS) for t in range(1, ROUNDS)}
        assert set(keys_of(store.get_all_objects(bucket))) == expected

    def test_readers_see_the_old_object_or_the_new_one(self, store: Store, bucket: str) -> None:
        with_metadata = store.capabilities.metadata
        versions = {letter: letter.encode() * (3000 + 17 * n) for n, letter in enumerate("abc")}

        def write(letter: str) -> None:
            options: Any = {"metadata": {"of": letter}} if with_metadata else {}
            store.create_object(bucket, "k", versions[letter], **options)

        write("a")
        over = threading.Event()

        def work(index: int) -> list[str]:
            if index == 0:
                try:
                    for turn in range(OVERWRITES):
                        write("abc"[turn % 3])
                finally:
                    over.set()
                return []
            torn = []
            while not over.is_set():
                found = store.get_object(bucket, "k")
                data = found.read()
                letter = data[:1].decode()
                whole = data == versions.get(letter) and found.size == len(data)
                if not whole or (with_metadata and found.metadata != {"of": letter}):
                    torn.append(f"{len(data)} bytes of {letter!r} with {found.metadata}")
            return torn

        assert race(4, work) == [[]] * 4

    def test_readers_see_no_half_of_a_large_object(
        self, store: Store, bucket: str, part_size: int
    ) -> None:
        versions = [payload(3 * part_size, seed=1), payload(4 * part_size, seed=2)]
        store.create_object(bucket, "k", versions[0])
        over = threading.Event()

        def work(index: int) -> int:
            if index == 0:
                try:
                    for turn in range(6):
                        store.create_object(bucket, "k", versions[turn % 2])
                finally:
                    over.set()
                return 0
            torn = 0
            while not over.is_set():
                torn += store.get_object(bucket, "k").read() not in versions
            return torn

        assert race(3, work) == [0, 0, 0]

    @needs("metadata")
    def test_concurrent_merges_of_metadata_lose_nothing(
        self, store: Store, account: Account, bucket: str
    ) -> None:
        store.create_object(bucket, "k", b"data", metadata={"first": "0"})
        capabilities = store.capabilities
        if capabilities.update_metadata:
            guarded = capabilities.update_metadata_if_match
        else:
            guarded = capabilities.copy_if_match or capabilities.copy_source_if_match
        etag = store.head_object(bucket, "k").etag
        assert store.set_metadata(bucket, "k", {"only": "1"}) == {"first": "0", "only": "1"}
        assert store.get_metadata(bucket, "k") == {"first": "0", "only": "1"}
        if not guarded:
            return
        changed = store.head_object(bucket, "k").etag != etag
        assert changed == account.harness.etag_tells_metadata
        if not (changed and account.harness.etag_guards_metadata):
            return  # it cannot guard what stands beside the bytes

        _merge_side_by_side(store, bucket, {"first": "0", "only": "1"})

    @needs("metadata", "copy_source_if_match")
    def test_concurrent_merges_guarded_by_their_source_lose_nothing(
        self, store: Store, account: Account, face: str, bucket: str
    ) -> None:
        """Where there is no other condition, it is on the source of a copy onto itself."""
        store.create_object(bucket, "k", b"data", metadata={"first": "0"})
        if not store.capabilities.copy_source_if_match:
            store.copy_object(bucket, "k", bucket, "k", source_if_match="etag")
        harness = account.harness
        if not (harness.etag_tells_metadata and harness.etag_guards_metadata):
            return
        with account.over(Narrowed(account.driver, "update_metadata", "copy_if_match"), face) as over:
            _merge_side_by_side(over, bucket, {"first": "0"})

    @needs("create_bucket")
    def test_bucket_is_created_by_exactly_one(self, store: Store, account: Account) -> None:
        name = account.harness.bucket_name()
        try:
            if not store.capabilities.create_bucket:
                store.create_bucket(name)
            results = race(4, lambda _: store.create_bucket(name))
            losers = [r for r in results if isinstance(r, BucketAlreadyExistsError)]
            assert len(losers) == 3, f"not exactly one created the bucket: {results}"
        finally:
            account.drop_bucket(name)

    def test_deletion_by_many_is_no_error(self, store: Store, bucket: str) -> None:
        store.create_object(bucket, "a/b/k", b"x")
        assert race(8, lambda _: store.delete_object(bucket, "a/b/k")) == [None] * 8
        assert store.get_all_objects(bucket) == []

    def test_neighbours_are_created_and_deleted_side_by_side(self, store: Store, bucket: str) -> None:
        def work(index: int) -> str:
            key = "a/b/" + "c/" * (index % 3) + str(index)
            for _ in range(ROUNDS):
                store.create_object(bucket, key, key)
                assert store.get_object(bucket, key).text() == key
                store.delete_object(bucket, key)
            return "done"

        assert race(8, work) == ["done"] * 8
        assert store.get_all_objects(bucket) == []

    def test_listing_beside_writes_shows_what_is_there_all_the_time(
        self, store: Store, bucket: str
    ) -> None:
        steady = [f"steady/{n}" for n in range(20)]
        for key in steady:
            store.create_object(bucket, key, b"")
        over = threading.Event()

        def work(index: int) -> int:
            if index == 0:
                try:
                    for turn in range(OVERWRITES):
                        store.create_object(bucket, f"steady/1{turn % 7}x", b"")
                        store.delete_object(bucket, f"steady/1{(turn + 3) % 7}x")
                finally:
                    over.set()
                return 0
            bad = 0
            while not over.is_set():
                found = keys_of(store.get_all_objects(bucket))
                bad += not set(steady) <= set(found) or len(found) != len(set(found))
            return bad

        assert race(3, work) == [0, 0, 0]

    @needs("multipart")
    def test_uploads_of_one_key_race_to_one_whole_object(
        self, store: Store, bucket: str, part_size: int
    ) -> None:
        versions = [payload(3 * part_size, seed=n) for n in range(4)]
        if not store.capabilities.multipart:
            store.create_multipart_upload(bucket, "k")
        race(4, lambda n: store.create_object(bucket, "k", versions[n]))
        assert store.get_object(bucket, "k").read() in versions
        if store.capabilities.list_uploads:
            assert store.list_multipart_uploads(bucket) == []


def _merge_side_by_side(store: Store, bucket: str, before: dict[str, str]) -> None:
    """Each adds names of its own to the metadata of the object ``k``."""

    def work(index: int) -> int:
        for turn in range(MERGERS):
            store.set_metadata(bucket, "k", {f"of-{index}-{turn}": "1"})
        return index

    assert race(MERGERS, work) == list(range(MERGERS))
    expected = {f"of-{i}-{t}": "1" for i in range(MERGERS) for t in range(MERGERS)}
    assert store.get_metadata(bucket, "k") == {**before, **expected}
    assert store.get_object(bucket, "k").read() == b"data"
