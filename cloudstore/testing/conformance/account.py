"""The stores that the conformance tests use: one driver, seen through both faces and through wrappers.

`RecordingDriver` tells which operations a driver was asked for, `Narrowed` takes capabilities away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import replace
from typing import Any, TypeVar

from ...aio import AsyncStore
from ...capabilities import Capabilities
from ...driver import Driver, Flow, OpContext
from ...errors import BucketNotFoundError
from ...pass_through import BorrowingDriver
from ...policy import RetryPolicy, TransferConfig
from ...store import Store
from ..blocking_face import LoopThread, blocking_store
from .harness import Harness

__all__ = ["FACES", "OPERATIONS", "Account", "Narrowed", "RecordingDriver"]

T = TypeVar("T")
FACES = ("Store", "AsyncStore")
SMALL_PART = 16 * 1024
"""Bytes of a part where the vendor has no minimum, so that "many parts" is still little data."""

LARGE_PAGE = 1000
"""Keys to a page of the large listing, where the driver takes as many."""
SEEDERS = 8

OPERATIONS = (
    "create_bucket",
    "delete_bucket",
    "head_bucket",
    "list_buckets",
    "put_object",
    "get_object",
    "head_object",
    "delete_object",
    "copy_object",
    "list_page",
    "create_multipart",
    "upload_part",
    "complete_multipart",
    "abort_multipart",
    "list_parts",
    "list_uploads",
    "part_size",
    "delete_objects",
    "update_metadata",
    "copy_part",
    "presign",
    "get_acl",
    "set_acl",
    "get_tags",
    "set_tags",
    "set_website",
    "get_versioning",
    "set_versioning",
    "get_lifecycle",
    "set_lifecycle",
    "purge_cdn",
    "prefetch_cdn",
    "get_account",
    "update_account_metadata",
    "update_bucket_metadata",
)
"""The methods of a driver that send something (`discover` may, once, and is no operation)."""


class RecordingDriver(BorrowingDriver):
    """Notes the names of the operations that it is asked for, in order, in `calls`."""

    def __init__(self, inner: Driver) -> None:
        super().__init__(inner)
        self.calls: list[str] = []

    def __getattribute__(self, name: str) -> Any:
        if name in OPERATIONS:
            object.__getattribute__(self, "calls").append(name)
        return object.__getattribute__(self, name)

    def count(self, *names: str) -> int:
        """How often one of these operations was asked for."""
        return sum(call in names for call in self.calls)


class Narrowed(RecordingDriver):
    """The same driver without some of its capabilities."""

    def __init__(self, inner: Driver, *without: str) -> None:
        super().__init__(inner)
        self._without = dict.fromkeys(without, False)

    def take_away(self, *names: str) -> None:
        """These too are missing from now on."""
        self._without |= dict.fromkeys(names, False)

    @property
    def capabilities(self) -> Capabilities:  # type: ignore[override]
        """Those of `inner`, less some."""
        return replace(self.inner.capabilities, **self._without)


class Account:
    """A driver of the harness, and stores over it; made once for a class of tests."""

    def __init__(self, harness: Harness) -> None:
        self.harness = harness
        self.driver = harness.make_driver()
        self.part_size = max(SMALL_PART, self.driver.limits.min_part_size)
        self.transfer = TransferConfig(part_size=self.part_size, multipart_threshold=2 * self.part_size)
        self.large_page = min(LARGE_PAGE, self.driver.limits.page_size)
        # More than two full pages, and the last one is neither full nor empty.
        self.large_keys = [f"large/{n:04d}" for n in range(self.large_page * 5 // 2 + 1)]
        self._loop: LoopThread | None = None
        self._stores: dict[str, Store] = {}
        self._large: str | None = None
        self._spare: list[str] = []
        self._served = False
        self._exit = ExitStack()

    @property
    def loop(self) -> LoopThread:
        """The event loop of every `AsyncStore` here."""
        if self._loop is None:
            self._loop = LoopThread()
        return self._loop

    def store(self, face: str = "Store") -> Store:
        """The store over the bare driver."""
        if face not in self._stores:
            self._stores[face] = self._make(self.driver, face, None)
        return self._stores[face]

    def _make(
        self, driver: Driver, face: str, retry: RetryPolicy | None, *, emulate_expiry: bool = False
    ) -> Store:
        retry = retry or self.harness.retry
        if face == "Store":
            return Store(driver, retry=retry, transfer=self.transfer, emulate_expiry=emulate_expiry)
        store = self.async_store(driver, retry, emulate_expiry=emulate_expiry)
        return blocking_store(store, self.loop)

    def async_store(
        self, driver: Driver, retry: RetryPolicy | None = None, *, emulate_expiry: bool = False
    ) -> AsyncStore:
        """An `AsyncStore` for tests with an event loop of their own; `driver` should borrow."""
        retry = retry or self.harness.retry
        return AsyncStore(driver, retry=retry, transfer=self.transfer, emulate_expiry=emulate_expiry)

    @contextmanager
    def over(
        self,
        driver: Driver,
        face: str = "Store",
        retry: RetryPolicy | None = None,
        *,
        emulate_expiry: bool = False,
    ) -> Iterator[Store]:
        """A store over another driver, closed in the end."""
        store = self._make(driver, face, retry, emulate_expiry=emulate_expiry)
        try:
            yield store
        finally:
            store.close()

    def second_view(self, face: str) -> AbstractContextManager[Store]:
        """A store on the same data: by another driver where there can be one."""
        second = self.harness.second_view(self.driver)
        return self.over(second or BorrowingDriver(self.driver), face)

    def perform(self, flow: Callable[[OpContext], Flow[T]]) -> T:
        """Runs a flow of the driver itself, below the facade."""
        store = self.store()
        ctx = store._context("conformance", None, None, None)
        return store._run(ctx, flow(ctx))

    def new_bucket(self) -> str:
        """An empty bucket."""
        if self._spare:
            return self._spare.pop()
        if not self.driver.capabilities.create_bucket:
            return self.harness.provide_bucket(self.driver)
        name = self.harness.bucket_name()
        self.store().create_bucket(name)
        return name

    def drop_bucket(self, name: str) -> None:
        """Empties a bucket, and deletes it where that is possible; one that is gone is no matter."""
        with suppress(BucketNotFoundError):
            if self.driver.capabilities.create_bucket:
                self.store().delete_bucket(name, force=True)
            else:
                self.store().delete_objects(name, [o.key for o in self.store().get_all_objects(name)])

    def give_back_bucket(self, name: str) -> None:
        """Empties a bucket for the next test, where the harness wants that; else as `drop_bucket`."""
        if not self.harness.reuses_buckets:
            self.drop_bucket(name)
            return
        operations = self.store()._operations
        with suppress(BucketNotFoundError):
            self.perform(lambda ctx: operations._empty(ctx, name))
            self._spare.append(name)

    def serve(self) -> None:
        """Has presigned URLs of the driver served from now on."""
        if not self._served:
            self._served = True
            self._exit.enter_context(self.harness.serving(self.driver))

    def close(self) -> None:
        """Closes the stores and the driver."""
        try:
            self._exit.close()
            self.drop_large_bucket()
            for name in self._spare:
                self.drop_bucket(name)
        finally:  # else what a failure leaves open is found in some other test
            for store in self._stores.values():
                store.close()
            self.driver.close()
            if self._loop is not None:
                self._loop.close()

    # --- the large listing, which is seeded once ---

    def large_bucket(self) -> str:
        """A bucket of `large_keys`, seeded at the first call; tests must not change it."""
        if self._large is None:
            name = self.new_bucket()
            store = self.store()
            with ThreadPoolExecutor(SEEDERS) as pool:
                list(pool.map(lambda key: store.create_object(name, key, b""), self.large_keys))
            self._large = name
        return self._large

    def drop_large_bucket(self) -> None:
        """Deletes it again."""
        name, self._large = self._large, None
        if name is not None:
            self.drop_bucket(name)
