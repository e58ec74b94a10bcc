"""Expiry by the store in the vendor's place: its switch, its moment, lost answers, many pages.

What every vendor must do is in the conformance suite.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cloudstore import (
    LocalConfig,
    MemoryConfig,
    PartialFailureError,
    RetryPolicy,
    Store,
    StoreFactory,
    TooLargeError,
    TransportError,
    UnsupportedError,
)
from cloudstore.driver import Driver, Flow, OpContext
from cloudstore.expiry import EXPIRES_AT, ExpiringDriver
from cloudstore.model import DeleteOptions, GetOptions, Page
from cloudstore.testing import DevelopmentServer
from cloudstore.testing.conformance.account import Narrowed
from cloudstore.testing.conformance.conditions import LosesAnswers
from cloudstore.testing.conformance.expiry import LATER, SOON, LaterClock
from cloudstore.transfer.bulk import BulkResult

PAGE = 10
ONCE = RetryPolicy(attempts=1)


class Plain(Narrowed):
    """Memory that removes nothing by itself."""

    def __init__(self) -> None:
        driver = MemoryConfig().create_driver()
        driver.limits = replace(driver.limits, page_size=PAGE)
        super().__init__(driver, "expires_in")


@pytest.fixture
def plain() -> Plain:
    return Plain()


@pytest.fixture
def clock() -> LaterClock:
    return LaterClock()


def standing_in(driver: Driver, clock: LaterClock, retry: RetryPolicy | None = None) -> Store:
    store = Store(driver, emulate_expiry=True, retry=retry)
    store._operations._clock = clock
    return store


@pytest.fixture
def store(plain: Plain, clock: LaterClock) -> Iterator[Store]:
    with standing_in(plain, clock) as store:
        store.create_bucket("b")
        yield store


# --- the switch ---


def test_the_switch_is_one_of_every_config(tmp_path: Path) -> None:
    (tmp_path / "cloudstore.toml").write_text(
        f'[p]\nprovider = "file"\nroot = "{tmp_path}/x"\nemulate_expiry = true\n'
    )
    makes: list[Callable[[], Store]] = [
        lambda: StoreFactory.create(f"file://{tmp_path}/x?emulate_expiry=true"),
        lambda: StoreFactory.create({"provider": "file", "root": tmp_path, "emulate_expiry": True}),
        lambda: StoreFactory.from_profile("p", tmp_path / "cloudstore.toml"),
        lambda: Store(LocalConfig(str(tmp_path), emulate_expiry=True)),
        lambda: Store(LocalConfig(str(tmp_path)), emulate_expiry=True),
        lambda: Store(LocalConfig(str(tmp_path)).create_driver(), emulate_expiry=True),
    ]
    for make in makes:
        with make() as store:
            store.require("expires_in")


def test_the_switch_of_a_store_wins_over_that_of_its_config(tmp_path: Path) -> None:
    config = LocalConfig(str(tmp_path), emulate_expiry=True)
    with Store(config, emulate_expiry=False) as store, pytest.raises(UnsupportedError):
        store.require("expires_in")


def test_without_the_switch_no_driver_stands_between() -> None:
    with StoreFactory.create("memory:") as store:
        assert not isinstance(store._driver, ExpiringDriver)


def test_steps_of_the_vendor_are_none_of_the_store() -> None:
    driver = MemoryConfig().create_driver()
    driver.limits = replace(driver.limits, expires_step=86_400)
    expiring = ExpiringDriver(Narrowed(driver, "expires_in"))
    assert expiring.limits.expires_step == 0
    assert ExpiringDriver(driver).limits.expires_step == 86_400


# --- the moment ---


def test_moment_counts_in_the_limit_of_metadata(store: Store, plain: Plain) -> None:
    limit = plain.limits.max_metadata_bytes
    much = {"a": "x" * (limit - 1)}
    store.create_object("b", "k", b"data", metadata=much)
    plain.calls.clear()
    for write in (store.create_object, store.create_multipart_upload):
        data = (b"data",) if write == store.create_object else ()
        with pytest.raises(TooLargeError):
            write("b", "k", *data, metadata=much, expires_in=SOON)
    assert plain.calls == []


def test_moment_is_counted_by_the_clock_of_the_operation(store: Store, clock: LaterClock) -> None:
    clock.ahead = LATER
    store.create_object("b", "k", b"data", expires_in=SOON)
    moment = store.head_object("b", "k").expires_at
    assert moment is not None
    left = moment.timestamp() - datetime.now(UTC).timestamp()
    assert LATER < left <= LATER + SOON + 1


@pytest.mark.parametrize("said", ["", "soon", "nan", "inf", "1e300"])
def test_moment_that_is_none_is_no_reason_to_hide_an_object(
    store: Store, plain: Plain, said: str
) -> None:
    store.create_object("b", "k", b"data")
    ctx = store._context("test", "b", "k", None)
    store._run(ctx, plain.update_metadata(ctx, "b", "k", {EXPIRES_AT: said}, None))
    found = store.get_object("b", "k")
    assert found.read() == b"data"
    assert found.expires_at is None
    assert store.expire_due("b") == 0


# --- in the place of what is due ---


def test_lost_answer_of_a_write_in_the_place_of_what_is_due(plain: Plain, clock: LaterClock) -> None:
    with standing_in(plain, clock) as store:
        store.create_bucket("b")
        store.create_object("b", "k", b"old", expires_in=SOON)
        clock.ahead = LATER
        with standing_in(LosesAnswers(plain, settles=True), clock, ONCE) as losing:
            losing.create_object("b", "k", b"new", if_absent=True)
        assert store.get_object("b", "k").read() == b"new"
        clock.ahead = 0
        store.create_object("b", "k", b"old", expires_in=SOON)
        clock.ahead = LATER
        losing_for_good = standing_in(LosesAnswers(plain, settles=False), clock, ONCE)
        with losing_for_good as losing, pytest.raises(TransportError) as caught:
            losing.create_object("b", "k", b"newer", if_absent=True)
        assert caught.value.outcome == "unknown"


class Loses(Narrowed):
    """Deletes, and then loses the answer; at the second attempt nothing is left to delete."""

    def delete_object(
        self, ctx: OpContext, bucket: str, key: str, options: DeleteOptions
    ) -> Flow[None]:
        yield from self.inner.delete_object(ctx, bucket, key, options)
        try:
            yield from self.inner.delete_object(ctx, bucket, key, options)
        except Exception as exc:
            exc.outcome = "unknown"  # type: ignore[attr-defined]  # as the runtime says then
            raise


def test_lost_answer_of_a_deletion(store: Store, plain: Plain, clock: LaterClock) -> None:
    store.create_object("b", "k", b"data", expires_in=SOON)
    clock.ahead = LATER
    with standing_in(Loses(plain), clock) as losing:
        assert losing.expire_due("b") == 1
    assert store.get_all_objects("b") == []


# --- many ---


class Watched(Narrowed):
    """Notes how many objects were asked for before each page."""

    def __init__(self, inner: Driver) -> None:
        super().__init__(inner)
        self.heads = 0
        self.at_pages: list[int] = []

    def list_page(self, ctx: OpContext, bucket: str, options: Any) -> Flow[Page]:
        self.at_pages.append(self.heads)
        return self.inner.list_page(ctx, bucket, options)

    def head_object(self, ctx: OpContext, bucket: str, key: str, options: GetOptions) -> Any:
        self.heads += 1
        return self.inner.head_object(ctx, bucket, key, options)


def test_pages_are_asked_for_as_objects_are_done_with(
    store: Store, plain: Plain, clock: LaterClock
) -> None:
    objects = {f"{number:04}": b"" for number in range(20 * PAGE + 1)}
    store.create_objects("b", objects, expires_in=SOON)
    clock.ahead = LATER
    watched = Watched(plain)
    with standing_in(watched, clock) as expiring:
        assert expiring.expire_due("b", max_concurrency=2) == len(objects)
    assert len(watched.at_pages) == 21
    assert watched.at_pages[-1] > 15 * PAGE, "the listing ran ahead"
    assert store.get_all_objects("b") == []


def test_what_on_result_raises_stops_the_rest(store: Store, clock: LaterClock) -> None:
    objects = {f"{number:04}": b"" for number in range(20 * PAGE)}
    store.create_objects("b", objects, expires_in=SOON)
    clock.ahead = LATER

    def stop(result: BulkResult[Any]) -> None:
        raise KeyError(result.key)

    with pytest.raises(KeyError):
        store.expire_due("b", on_result=stop, max_concurrency=2)
    assert len(store.get_all_objects("b")) > 10 * PAGE


def test_answer_that_does_not_come_is_told_for_its_key(
    store: Store, plain: Plain, clock: LaterClock
) -> None:
    store.create_object("b", "k", b"data", expires_in=SOON)

    class Silent(Narrowed):
        def head_object(self, ctx: OpContext, bucket: str, key: str, options: GetOptions) -> Any:
            raise TransportError("nothing came")

    with standing_in(Silent(plain), clock) as silent, pytest.raises(PartialFailureError) as caught:
        silent.expire_due("b")
    assert isinstance(caught.value.results["k"], TransportError)


def test_development_server_serves_a_store_that_stands_in(clock: LaterClock) -> None:
    with (
        standing_in(MemoryConfig().create_driver(), clock) as store,
        DevelopmentServer(store) as server,
    ):
        assert server.url.startswith("http://")


# --- from one store to another ---


def test_what_expires_goes_to_another_store(store: Store, tmp_path: Path) -> None:
    store.create_object("b", "k", b"data", expires_in=SOON)
    moment = store.head_object("b", "k").expires_at
    assert moment is not None
    with Store(LocalConfig(str(tmp_path), emulate_expiry=True)) as other:
        store.bucket("b").copy_to("k", other.create_bucket("b"))
        kept = other.head_object("b", "k").expires_at
        assert kept is not None
        assert abs((kept - moment).total_seconds()) < 2
    with Store(LocalConfig(str(tmp_path))) as other, pytest.raises(UnsupportedError):
        store.bucket("b").copy_to("k", other.bucket("b"))
