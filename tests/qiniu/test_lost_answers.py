"""Every request of every change meets each harm: what the caller is told is what is there.

Each change is run once to count its requests. Then, for each of them, its answer is lost, or the
connection reset, or 503 answered: with attempts left the change is done; without, it is done or raises,
and what says ``"not_applied"`` has changed nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cloudstore import CloudStoreError, RetryPolicy, Store
from cloudstore.testing.qiniu import FaultPlan, QiniuSimulator, ServerFault
from tests.qiniu.harness import LIMITS, config_of
from tests.qiniu.test_driver import QUICK

ONCE = RetryPolicy(attempts=1)
HARMS = {
    "lost": {"lose_answer": True},
    "reset": {"reset": True},
    "busy": {"status": 503},
}
Change = Callable[[Store, dict[str, Any]], Any]


def begun(store: Store, made: dict[str, Any]) -> None:
    upload = made["upload"] = store.create_multipart_upload("media", "big", metadata={"m": "1"})
    upload.upload_part(1, b"x" * 20_000)
    upload.upload_part(2, b"y")


CHANGES: dict[str, tuple[Change | None, Change]] = {
    "put": (None, lambda s, m: s.create_object("media", "k", b"new", metadata={"a": "9"})),
    "create": (None, lambda s, m: s.create_object("media", "new", b"new", if_absent=True)),
    "create_large": (
        None,
        lambda s, m: s.create_object("media", "new", iter([b"x" * 40_000]), if_absent=True),
    ),
    "copy": (None, lambda s, m: s.copy_object("media", "k", "media", "l")),
    "changed_copy": (
        None,
        lambda s, m: s.copy_object("media", "k", "media", "l", content_type="a/b", metadata={"z": "1"}),
    ),
    "creating_copy": (None, lambda s, m: s.copy_object("media", "k", "media", "l", if_absent=True)),
    "copy_onto_itself": (
        None,
        lambda s, m: s.copy_object("media", "k", "media", "k", content_type="text/css"),
    ),
    "move": (None, lambda s, m: s.move_object("media", "k", "media", "l")),
    "delete": (None, lambda s, m: s.delete_object("media", "k")),
    "delete_many": (None, lambda s, m: s.delete_objects("media", ["k", "other", "missing"])),
    "metadata": (None, lambda s, m: s.set_metadata("media", "k", {"a": None, "b": "2"})),
    "complete": (begun, lambda s, m: m["upload"].complete()),
    "complete_creating": (begun, lambda s, m: m["upload"].complete(if_absent=True)),
    "abort": (begun, lambda s, m: m["upload"].abort()),
    "create_bucket": (None, lambda s, m: s.create_bucket("second")),
    "delete_bucket": (
        lambda s, m: s.create_bucket("second"),
        lambda s, m: s.delete_bucket("second"),
    ),
    "open": (None, lambda s, m: s.set_acl("media", acl="public-read")),
}


@pytest.fixture(scope="module")
def shared() -> Iterator[QiniuSimulator]:
    with QiniuSimulator(faults=FaultPlan(), limits=LIMITS) as simulator:
        yield simulator


def state(qiniu: QiniuSimulator) -> dict[str, Any]:
    """Everything that is there, but for what makes two writes of the same differ."""
    found: dict[str, Any] = {}
    for bucket in qiniu.storage.buckets():
        found[bucket.name] = (bucket.private, uploads_in(qiniu, bucket.name))
        for key, held in bucket.objects.items():
            metadata = {n: v for n, v in held.metadata.items() if not n.startswith("cs")}
            found[f"{bucket.name}/{key}"] = (held.content.hash, held.mime, metadata, held.type)
    return found


def uploads_in(qiniu: QiniuSimulator, bucket: str) -> int:
    return sum(upload.bucket == bucket for upload in qiniu.storage._uploads.values())


def prepared(qiniu: QiniuSimulator, store: Store, name: str) -> dict[str, Any]:
    """The same beginning each time."""
    qiniu.faults.clear()
    for bucket in qiniu.storage.buckets():
        for key in list(bucket.objects):
            qiniu.storage.delete(bucket.name, key)
        qiniu.drop_bucket(bucket.name)
    store.create_bucket("media")
    store.create_object("media", "k", b"data", metadata={"a": "1"}, content_type="text/plain")
    store.create_object("media", "other", b"other")
    made: dict[str, Any] = {}
    before = CHANGES[name][0]
    if before is not None:
        before(store, made)
    return made


def requests_of(qiniu: QiniuSimulator) -> int:
    return qiniu.counts.total()


@pytest.mark.parametrize("harm", HARMS)
@pytest.mark.parametrize("name", CHANGES)
def test_change_is_done_or_says_what_is_known(shared: QiniuSimulator, name: str, harm: str) -> None:
    change = CHANGES[name][1]
    kept = LIMITS.min_part
    transfer: Any = {"part_size": kept, "multipart_threshold": 2 * kept}
    from cloudstore import TransferConfig

    settings = {"transfer": TransferConfig(**transfer)}
    with (
        Store(config_of(shared, retry=QUICK, **settings)) as patient,
        Store(config_of(shared, retry=ONCE, **settings)) as hasty,
    ):
        for store in (patient, hasty):
            small(store)
        made = prepared(shared, patient, name)
        begin = state(shared)
        sent = requests_of(shared)
        change(patient, made)
        done, steps = state(shared), requests_of(shared) - sent
        assert steps >= 1
        for store in (patient, hasty):
            for step in range(steps):
                made = prepared(shared, store, name)
                assert state(shared) == begin
                harmless = [ServerFault(times=1)] * step
                shared.faults.add(*harmless, ServerFault(times=1, **HARMS[harm]))  # type: ignore[arg-type]
                where = f"{harm} at request {step + 1} of {steps}"
                error = failure(change, store, made)
                if error is None:
                    assert state(shared) == but_for_an_orphan(done, name, harm, step), where
                else:
                    check_failure(error, begin, state(shared), where)
                    assert store is hasty, f"{where}: {error}"


def but_for_an_orphan(done: dict[str, Any], name: str, harm: str, step: int) -> dict[str, Any]:
    """An upload whose id was lost nobody can abort, and Qiniu lists none; it ends after seven days."""
    if (name, harm, step) != ("create_large", "lost", 0):
        return done
    private, uploads = done["media"]
    return {**done, "media": (private, uploads + 1)}


def failure(change: Change, store: Store, made: dict[str, Any]) -> CloudStoreError | None:
    try:
        change(store, made)
    except CloudStoreError as error:
        return error
    return None


def check_failure(error: CloudStoreError, begin: dict[str, Any], now: dict[str, Any], at: str) -> None:
    """What was not applied changed nothing, and nothing of the library's own was left behind."""
    assert not [key for key in now if ".cloudstore/" in key], at
    if error.outcome == "not_applied":
        assert now == begin, f"{at}: {error}"


def small(store: Store) -> None:
    """Parts as small as the simulator takes."""
    from dataclasses import replace

    driver: Any = store._driver
    driver.limits = replace(driver.limits, min_part_size=LIMITS.min_part)
