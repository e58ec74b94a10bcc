"""Objects that expire: by the vendor, or by the store in its place; what is due, and its deletion.

Nobody waits: the store has a clock that is put forward. Where the vendor itself has objects that
expire, that is taken from it, so that every vendor is tested in both ways.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ...bodies import Body
from ...driver import Driver, Flow, GetResult, OpContext
from ...errors import (
    ObjectAlreadyExistsError,
    ObjectNotFoundError,
    PartialFailureError,
    UnavailableError,
    UnsupportedError,
)
from ...expiry import EXPIRES_AT
from ...model import DeleteOptions, GetOptions, ObjectInfo
from ...pass_through import BorrowingDriver
from ...store import Store
from .account import Account, Narrowed, RecordingDriver
from .base import ConformanceTests, needs, payload
from .conditions import race

__all__ = ["ExpiryTests"]

SOON = 30
"""Seconds until what these tests write is due."""
LATER = 60.0
"""Seconds by which the clock is put forward: no vendor finds a signature too old for that."""
ROUNDING = timedelta(seconds=2)
"""By which a moment may differ that was counted anew from what was left."""
TAKERS = 4


class LaterClock:
    """The machine's clocks, of which the one for dates can be put forward.

    Attributes:
        ahead: by how many seconds.
    """

    def __init__(self) -> None:
        self.ahead = 0.0

    def now(self) -> float:
        """See `Clock`."""
        return time.time() + self.ahead

    monotonic = staticmethod(time.monotonic)


class WithoutExpiry(Narrowed):
    """A driver whose vendor removes nothing by itself. Notes whether bodies are left open.

    Attributes:
        open_bodies: how many.
    """

    def __init__(self, inner: Driver) -> None:
        super().__init__(inner, "expires_in")
        self.open_bodies = 0

    def get_object(self, ctx: OpContext, bucket: str, key: str, options: GetOptions) -> Flow[GetResult]:
        """See `Driver`."""
        found = yield from self.inner.get_object(ctx, bucket, key, options)
        self.open_bodies += 1
        found.body = _Counted(found.body, self)
        return found


class _Counted(Body):
    """Tells its driver when it is closed."""

    def __init__(self, inner: Body, driver: WithoutExpiry) -> None:
        self._inner = inner
        self._driver: WithoutExpiry | None = driver

    def readinto(self, buffer: memoryview) -> Flow[int]:
        return self._inner.readinto(buffer)

    def within(self, ctx: OpContext) -> None:
        self._inner.within(ctx)

    def close(self) -> None:
        driver, self._driver = self._driver, None
        if driver is not None:
            driver.open_bodies -= 1
        self._inner.close()


class _ReplacesMeanwhile(BorrowingDriver):
    """Has an object replaced after each look at it."""

    def __init__(self, inner: Driver, other: Store) -> None:
        super().__init__(inner)
        self._other = other

    def head_object(
        self, ctx: OpContext, bucket: str, key: str, options: GetOptions
    ) -> Flow[ObjectInfo]:
        info = yield from self.inner.head_object(ctx, bucket, key, options)
        self._other.create_object(bucket, key, b"written meanwhile")
        return info


class _DeletesNothing(BorrowingDriver):
    """Fails to delete some."""

    def delete_object(
        self, ctx: OpContext, bucket: str, key: str, options: DeleteOptions
    ) -> Flow[None]:
        if key.startswith("stuck"):
            raise UnavailableError("not now", retryable=False)
        return (yield from self.inner.delete_object(ctx, bucket, key, options))


def is_soon(moment: datetime | None) -> bool:
    """Whether it is that of an object which was written just now."""
    if moment is None:
        return False
    return abs(moment - datetime.now(UTC) - timedelta(seconds=SOON)) < timedelta(seconds=SOON / 2)


class ExpiryTests(ConformanceTests):
    """Objects that expire."""

    @pytest.fixture
    def later(self) -> LaterClock:
        """The clock of `expiring`."""
        return LaterClock()

    @pytest.fixture
    def plain(self, account: Account) -> WithoutExpiry:
        """The driver below `expiring`."""
        return WithoutExpiry(account.driver)

    @pytest.fixture
    def expiring(
        self, account: Account, face: str, plain: WithoutExpiry, later: LaterClock
    ) -> Iterator[Store]:
        """A store that stands in for a vendor which removes nothing by itself."""
        with _standing_in(account, plain, face, later) as store:
            yield store

    # --- by the store ---

    @needs("metadata")
    def test_what_is_due_is_gone_for_reads(
        self,
        store: Store,
        expiring: Store,
        plain: WithoutExpiry,
        later: LaterClock,
        bucket: str,
        tmp_path: Path,
    ) -> None:
        expiring.create_object(bucket, "k", b"data", expires_in=SOON, metadata={"a": "1"})
        found = expiring.head_object(bucket, "k")
        assert is_soon(found.expires_at)
        assert found.metadata == {"a": "1"}
        plain.calls.clear()
        with expiring.get_object(bucket, "k") as opened:
            assert opened.read() == b"data"
            assert opened.expires_at == found.expires_at
        assert plain.calls == ["get_object"], "the moment must cost no request"

        later.ahead = LATER
        for read in (expiring.get_object, expiring.head_object, expiring.get_metadata):
            plain.calls.clear()
            with pytest.raises(ObjectNotFoundError) as caught:
                read(bucket, "k")
            assert (caught.value.bucket, caught.value.key) == (bucket, "k")
            assert len(plain.calls) == 1
        assert not expiring.object_exists(bucket, "k")
        with pytest.raises(ObjectNotFoundError):
            expiring.get_object_to_file(bucket, "k", tmp_path / "file")
        assert list(tmp_path.iterdir()) == []
        [result] = expiring.get_objects(bucket, ["k"])
        assert isinstance(result.error, ObjectNotFoundError)
        with pytest.raises(ObjectNotFoundError):
            found.read()
        assert plain.open_bodies == 0
        assert [o.key for o in expiring.get_all_objects(bucket)] == ["k"]
        expiring.create_object(bucket, "k", b"for ever")
        assert expiring.get_object(bucket, "k").expires_at is None

    @needs("metadata", "conditional_reads")
    def test_what_is_due_is_gone_whatever_the_condition(
        self, store: Store, expiring: Store, later: LaterClock, bucket: str
    ) -> None:
        expiring.create_object(bucket, "k", b"data", expires_in=SOON)
        etag = expiring.head_object(bucket, "k").etag
        later.ahead = LATER
        for options in ({"if_none_match": etag}, {"if_match": "another"}):
            with pytest.raises(ObjectNotFoundError):
                expiring.get_object(bucket, "k", **options)
            with pytest.raises(ObjectNotFoundError):
                expiring.head_object(bucket, "k", **options)

    @needs("metadata", "multipart")
    def test_every_way_of_writing(
        self, store: Store, expiring: Store, bucket: str, part_size: int, tmp_path: Path
    ) -> None:
        large = payload(2 * part_size + 1)
        expiring.create_object(bucket, "large", iter([large]), expires_in=timedelta(seconds=SOON))
        with expiring.open_writer(bucket, "writer", expires_in=SOON) as file:
            file.write(b"data")
        upload = expiring.create_multipart_upload(bucket, "upload", expires_in=SOON)
        upload.complete([upload.upload_part(1, b"data")])
        expiring.create_objects(bucket, {"one of many": b"data"}, expires_in=SOON)
        (tmp_path / "file").write_bytes(b"data")
        expiring.upload_folder(bucket, tmp_path, "folder", expires_in=SOON)
        for key in ("large", "writer", "upload", "one of many", "folder/file"):
            assert is_soon(expiring.head_object(bucket, key).expires_at), key
        assert expiring.get_object(bucket, "large").read() == large

    @needs("metadata", "copy")
    def test_copies_and_metadata_keep_the_moment(
        self, store: Store, expiring: Store, bucket: str
    ) -> None:
        expiring.create_object(bucket, "k", b"data", expires_in=SOON, metadata={"a": "1"})
        moment = expiring.head_object(bucket, "k").expires_at
        expiring.set_metadata(bucket, "k", {"b": "2"})
        assert expiring.head_object(bucket, "k").expires_at == moment
        expiring.set_metadata(bucket, "k", {"c": "3"}, replace=True)
        assert expiring.head_object(bucket, "k").expires_at == moment
        expiring.copy_object(bucket, "k", bucket, "copied")
        expiring.copy_object(bucket, "k", bucket, "changed", metadata={"d": "4"})
        expiring.move_object(bucket, "copied", bucket, "moved")
        for key, metadata in (("moved", {"c": "3"}), ("changed", {"d": "4"})):
            found = expiring.head_object(bucket, key)
            assert found.expires_at == moment, key
            assert found.metadata == metadata
        expiring.copy_object(bucket, "k", bucket, "longer", expires_in=3 * SOON)
        longer = expiring.head_object(bucket, "longer").expires_at
        assert longer is not None
        assert moment is not None
        assert longer - moment > timedelta(seconds=SOON)

    @needs("metadata", "copy")
    def test_what_is_due_is_no_source(
        self, store: Store, expiring: Store, later: LaterClock, bucket: str
    ) -> None:
        expiring.create_object(bucket, "k", b"data", expires_in=SOON)
        expiring.create_object(bucket, "target", b"kept")
        later.ahead = LATER
        for copy in (expiring.copy_object, expiring.move_object):
            with pytest.raises(ObjectNotFoundError):
                copy(bucket, "k", bucket, "target")
            with pytest.raises(ObjectNotFoundError):
                copy(bucket, "k", bucket, "target", content_type="text/css")
        assert expiring.get_object(bucket, "target").read() == b"kept"
        with pytest.raises(ObjectNotFoundError):
            expiring.set_metadata(bucket, "k", {"a": "1"})

    @needs("metadata", "put_if_absent")
    def test_what_is_due_gives_way_to_one_writer(
        self, store: Store, expiring: Store, later: LaterClock, bucket: str
    ) -> None:
        expiring.create_object(bucket, "lease", b"held by A", expires_in=SOON)
        with pytest.raises(ObjectAlreadyExistsError):
            expiring.create_object(bucket, "lease", b"held by B", if_absent=True)
        later.ahead = LATER
        if not store.capabilities.put_if_match:
            with pytest.raises(ObjectAlreadyExistsError, match="expire_due"):
                expiring.create_object(bucket, "lease", b"held by B", if_absent=True)
            return

        def take(number: int) -> Any:
            return expiring.create_object(
                bucket, "lease", b"held by %d" % number, if_absent=True, expires_in=SOON
            )

        taken = race(TAKERS, take)
        winners = [n for n, made in enumerate(taken) if not isinstance(made, Exception)]
        others = [made for made in taken if isinstance(made, Exception)]
        assert all(isinstance(error, ObjectAlreadyExistsError) for error in others), others
        assert len(winners) == 1
        assert expiring.get_object(bucket, "lease").read() == b"held by %d" % winners[0]

    @needs("metadata", "multipart", "complete_if_absent")
    def test_what_is_due_gives_way_to_an_upload_in_parts(
        self, store: Store, expiring: Store, later: LaterClock, bucket: str, part_size: int
    ) -> None:
        large = payload(2 * part_size + 1)
        expiring.create_object(bucket, "k", b"small", expires_in=SOON)
        later.ahead = LATER
        if not store.capabilities.complete_if_match:
            with pytest.raises(ObjectAlreadyExistsError, match="expire_due"):
                expiring.create_object(bucket, "k", iter([large]), if_absent=True)
            return
        expiring.create_object(bucket, "k", iter([large]), if_absent=True)
        assert expiring.get_object(bucket, "k").read() == large

    @needs("metadata", "copy_if_absent")
    def test_what_is_due_gives_way_to_a_copy(
        self, store: Store, expiring: Store, later: LaterClock, bucket: str
    ) -> None:
        expiring.create_object(bucket, "source", b"data")
        expiring.create_object(bucket, "k", b"small", expires_in=SOON)
        with pytest.raises(ObjectAlreadyExistsError):
            expiring.copy_object(bucket, "source", bucket, "k", if_absent=True)
        later.ahead = LATER
        if not store.capabilities.copy_if_match:
            with pytest.raises(ObjectAlreadyExistsError, match="expire_due"):
                expiring.copy_object(bucket, "source", bucket, "k", if_absent=True)
            return
        expiring.copy_object(bucket, "source", bucket, "k", if_absent=True)
        assert expiring.get_object(bucket, "k").read() == b"data"

    @needs("metadata")
    def test_what_is_due_is_deleted(
        self, store: Store, expiring: Store, later: LaterClock, bucket: str
    ) -> None:
        due = {f"due/{n}": b"data" for n in range(3)}
        expiring.create_objects(bucket, due, expires_in=SOON)
        expiring.create_object(bucket, "elsewhere", b"data", expires_in=SOON)
        expiring.create_object(bucket, "due/later", b"data", expires_in=10 * SOON)
        expiring.create_object(bucket, "due/never", b"data")
        assert expiring.expire_due(bucket) == 0
        later.ahead = LATER
        told: list[str] = []
        assert expiring.expire_due(bucket, "due/", dry_run=True) == 3
        assert expiring.bucket(bucket, "due/").expire_due(on_result=lambda r: told.append(r.key)) == 3
        assert sorted(told) == ["0", "1", "2"]
        assert expiring.expire_due(bucket, "due/") == 0
        left = {o.key for o in expiring.get_all_objects(bucket)}
        assert left == {"due/later", "due/never", "elsewhere"}

    @needs("metadata")
    def test_what_is_due_and_cannot_be_deleted(
        self, store: Store, account: Account, face: str, bucket: str
    ) -> None:
        later = LaterClock()
        driver = WithoutExpiry(_DeletesNothing(account.driver))
        with _standing_in(account, driver, face, later) as expiring:
            expiring.create_objects(bucket, {"stuck": b"", "other": b""}, expires_in=SOON)
            later.ahead = LATER
            told: list[str] = []
            with pytest.raises(PartialFailureError) as caught:
                expiring.expire_due(bucket, on_result=lambda r: told.append(r.key))
            assert set(caught.value.results) == {"stuck"}
            error = caught.value.results["stuck"]
            assert isinstance(error, UnavailableError)
            assert (error.operation, error.bucket, error.key) == ("expire_due", bucket, "stuck")
            assert sorted(told) == ["other", "stuck"]
            assert [o.key for o in expiring.get_all_objects(bucket)] == ["stuck"]

    @needs("metadata", "delete_if_match")
    def test_what_was_written_meanwhile_is_not_deleted(
        self, store: Store, account: Account, face: str, bucket: str
    ) -> None:
        later = LaterClock()
        other = account.store()
        if not store.capabilities.delete_if_match:
            other.delete_object(bucket, "k", if_match="any")
        driver = WithoutExpiry(_ReplacesMeanwhile(account.driver, other))
        with _standing_in(account, driver, face, later) as expiring:
            expiring.create_object(bucket, "k", b"data", expires_in=SOON)
            later.ahead = LATER
            assert expiring.expire_due(bucket) == 0
        assert other.get_object(bucket, "k").read() == b"written meanwhile"

    # --- by the vendor ---

    @needs("expires_in")
    def test_vendor_s_own_expiry_is_left_to_the_vendor(
        self, store: Store, account: Account, face: str, recorder: RecordingDriver, bucket: str
    ) -> None:
        soon = account.driver.limits.expires_step or SOON
        with account.over(recorder, face, emulate_expiry=True) as standing_in:
            for mine in (store, standing_in):
                mine.create_object(bucket, "k", b"data", expires_in=soon)
                assert mine.head_object(bucket, "k").expires_at is not None
                names = account.perform(
                    lambda ctx: account.driver.head_object(ctx, bucket, "k", GetOptions())
                ).metadata
                assert EXPIRES_AT not in names
                recorder.calls.clear()
                assert mine.expire_due(bucket) == 0
                assert mine.expire_due(bucket, dry_run=True) == 0
                assert recorder.calls == []

    @needs("expires_in", "copy")
    def test_vendor_s_own_moment_is_kept(self, store: Store, account: Account, bucket: str) -> None:
        step = account.driver.limits.expires_step
        store.create_object(bucket, "k", b"data", expires_in=3 * step or 100 * SOON)
        moment = store.head_object(bucket, "k").expires_at
        assert moment is not None
        store.copy_object(bucket, "k", bucket, "copied")
        keys = ["copied"]
        if store.capabilities.metadata:
            store.copy_object(bucket, "k", bucket, "changed", metadata={"a": "1"})
            store.set_metadata(bucket, "k", {"b": "2"})
            keys += ["changed", "k"]
        for key in keys:
            kept = store.head_object(bucket, key).expires_at
            assert kept is not None, key
            assert abs(kept - moment) <= ROUNDING, key

    # --- by neither ---

    def test_without_both_everything_is_refused_before_any_io(
        self, account: Account, face: str, bucket: str
    ) -> None:
        driver = Narrowed(account.driver, "expires_in")
        for emulate in (False, True):
            with account.over(driver, face, emulate_expiry=emulate) as store:
                store.bucket_exists(bucket)
                if emulate:
                    driver.take_away("metadata")
                driver.calls.clear()
                with pytest.raises(UnsupportedError) as refused:
                    store.create_object(bucket, "k", b"data", expires_in=SOON)
                with pytest.raises(UnsupportedError):
                    store.expire_due(bucket)
                with pytest.raises(UnsupportedError):
                    store.require("expires_in")
                assert driver.calls == []
                helps = driver.capabilities.metadata
                assert ("emulate_expiry=True" in str(refused.value)) is helps


@contextmanager
def _standing_in(account: Account, driver: Driver, face: str, clock: LaterClock) -> Iterator[Store]:
    with account.over(driver, face, emulate_expiry=True) as store:
        store._operations._clock = clock
        yield store
