"""What is the store's own and not a driver's: events, forks, closing, reprs."""

from __future__ import annotations

import logging
import os
import pickle
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cloudstore import (
    CloudStoreError,
    Event,
    InvalidArgumentError,
    InvalidBucketNameError,
    MemoryConfig,
    ObjectNotFoundError,
    PartialFailureError,
    ReplicationError,
    Store,
    StoreClosedError,
    StoreFactory,
    UnsupportedError,
)
from cloudstore import errors as errors_module
from cloudstore.errors import ErrorKind, error_class


def test_an_observer_is_told_how_each_operation_begins_and_ends() -> None:
    events: list[Event] = []
    with Store(MemoryConfig(), observer=events.append) as store:
        store.create_bucket("bucket")
        store.create_object("bucket", "key", "data")
        with pytest.raises(ObjectNotFoundError):
            store.get_object("bucket", "missing")
    told = [(e.name, e.operation, e.bucket, e.key) for e in events]
    assert told == [
        ("started", "create_bucket", "bucket", None),
        ("succeeded", "create_bucket", "bucket", None),
        ("started", "create_object", "bucket", "key"),
        ("succeeded", "create_object", "bucket", "key"),
        ("started", "get_object", "bucket", "missing"),
        ("failed", "get_object", "bucket", "missing"),
    ]
    failed = events[-1]
    assert failed.vendor == "memory"
    assert isinstance(failed.error, ObjectNotFoundError)
    assert failed.error.key == "missing"
    assert all(event.elapsed >= 0 for event in events)


def test_an_operation_that_the_caller_breaks_is_told_as_failed() -> None:
    events: list[Event] = []
    with Store(MemoryConfig(), observer=events.append) as store:
        store.create_bucket("bucket")

        def broken() -> Any:
            yield b"some"
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            store.create_object("bucket", "key", broken())
    assert (events[-1].name, events[-1].error) == ("failed", None)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_fork_in_the_middle_of_busy_threads_leaves_a_store_that_works() -> None:
    store = Store(MemoryConfig())
    store.create_bucket("bucket")
    stop = threading.Event()

    def work(number: int) -> None:
        count = 0
        while not stop.is_set():
            count += 1
            store.create_object("bucket", f"{number}/{count % 50}", b"x" * 100)
            store.get_all_objects("bucket", max_keys=10)
            store.delete_object("bucket", f"{number}/{(count + 25) % 50}")

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(20):
            pid = os.fork()
            if pid == 0:  # the child: only this thread is left
                status = 1
                try:
                    store.create_object("bucket", "from/child", "data")
                    found = store.get_object("bucket", "from/child").read()
                    keys = [o.key for o in store.get_all_objects("bucket")]
                    status = 0 if found == b"data" and len(keys) == len(set(keys)) else 2
                finally:
                    os._exit(status)
            assert os.waitpid(pid, 0)[1] == 0
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not store.object_exists("bucket", "from/child")


def test_every_verb_of_a_closed_store_says_so() -> None:
    store = Store(MemoryConfig())
    bucket = store.create_bucket("bucket")
    found = store.create_object("bucket", "key", "data")
    upload = store.create_multipart_upload("bucket", "key")
    store.close()
    store.close()
    calls: list[Any] = [
        lambda: store.get_object("bucket", "key"),
        lambda: store.create_object("bucket", "key", "data"),
        lambda: store.get_all_buckets(),
        lambda: next(store.iter_objects("bucket")),
        lambda: bucket.head_object("key"),
        lambda: found.read(),
        lambda: upload.upload_part(1, b"x"),
        lambda: store.native,
    ]
    for call in calls:
        with pytest.raises(StoreClosedError):
            call()


def test_a_store_is_made_from_a_config_or_a_driver_only() -> None:
    with pytest.raises(InvalidArgumentError, match="not dict"):
        Store({"provider": "memory"})  # type: ignore[arg-type]


def test_require_names_what_is_missing_and_refuses_names_there_are_not() -> None:
    store = Store(MemoryConfig())
    store.require("put_if_absent", "ranges")
    with pytest.raises(UnsupportedError, match="memory has no versions"):
        store.require("ranges", "versions")
    with pytest.raises(InvalidArgumentError, match="no capability 'put_if_absnt'"):
        store.require("put_if_absnt")


def test_reprs_are_short_and_tell() -> None:
    store = Store(MemoryConfig())
    bucket = store.create_bucket("bucket")
    assert repr(store) == "<Store: memory:>"
    assert repr(bucket).startswith("<Bucket: bucket created at 20")
    assert repr(bucket).endswith("Z>")
    assert repr(store.bucket("bucket")) == "<Bucket: bucket>"
    assert repr(store.bucket("bucket", "t/")) == "<Bucket: bucket prefix 't/'>"
    made = bucket.create_object("css/a.css", "x")
    assert (repr(made), made.short_name) == ("<Object: css/a.css>", "a.css")
    [prefix] = bucket.get_all_objects(delimiter="/")
    assert repr(prefix) == '<CommonPrefix: "css/">'


@pytest.mark.parametrize("kind", list(ErrorKind))
def test_every_kind_has_its_class_and_survives_pickling(kind: ErrorKind) -> None:
    cls = error_class(kind)
    assert cls.kind is kind
    error = cls("words", vendor="v", operation="o", bucket="b", key="k", status=1, attempts=3)
    error.outcome = "unknown"
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is cls
    assert str(again) == str(error)
    for part in ("words", "vendor='v'", "bucket='b'", "key='k'", "status=1", "attempts=3"):
        assert part in str(error)


def test_every_class_of_the_tree_is_public_and_has_a_kind() -> None:
    classes = {
        value
        for value in vars(errors_module).values()
        if isinstance(value, type) and issubclass(value, CloudStoreError)
    }
    assert {cls.__name__ for cls in classes} <= set(errors_module.__all__)
    assert {error_class(kind) for kind in ErrorKind} == classes - {CloudStoreError}


def test_errors_of_many_keep_their_parts_when_pickled() -> None:
    inner = ObjectNotFoundError("gone", key="a")
    many = pickle.loads(pickle.dumps(PartialFailureError("some", results={"a": inner})))
    assert str(many.results["a"]) == str(inner)
    replicas = pickle.loads(pickle.dumps(ReplicationError("no", outcomes={"x": inner, "y": None})))
    assert replicas.outcomes["y"] is None


def test_errors_are_the_builtins_that_python_programmers_catch(tmp_path: Any) -> None:
    store = Store(MemoryConfig())
    store.create_bucket("bucket")
    with pytest.raises(FileNotFoundError) as caught:
        store.get_object("bucket", "key")
    assert caught.value.errno == 2
    store.create_object("bucket", "key", "x")
    with pytest.raises(FileExistsError):
        store.create_object("bucket", "key", "x", if_absent=True)
    with pytest.raises(ValueError, match="bytes"):
        store.create_object("bucket", "", "x")
    with pytest.raises(TimeoutError):
        store.get_object("bucket", "key", timeout=1e-9)


def test_the_logger_is_quiet_unless_asked(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    store = Store(MemoryConfig(secret_key="s3cr3t"))  # type: ignore[arg-type]
    store.create_bucket("bucket")
    store.create_object("bucket", "key", "x")
    assert "s3cr3t" not in caplog.text + repr(store)


@pytest.mark.parametrize("name", ["", None])
def test_first_bucket_of_a_store_is_checked_too(name: Any, tmp_path: Path) -> None:
    calls: list[Callable[[Store], object]] = [
        lambda store: store.create_bucket(name),
        lambda store: store.create_object(name, "k", b"data"),
        lambda store: store.get_all_objects(name),
    ]
    for url in ("memory:", f"file://{tmp_path}"):
        for call in calls:
            with StoreFactory.create(url) as store, pytest.raises(InvalidBucketNameError):
                call(store)
