"""Every step of every operation fails once, and every process dies once at each of its steps.

Python announces each call of the system to audit hooks; one that raises makes the call fail, one that
ends the process is a crash there. Hooks stay for ever, so all of it happens in forked children.
"""

from __future__ import annotations

import errno
import multiprocessing
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cloudstore import (
    BucketNotFoundError,
    LocalConfig,
    NotFoundError,
    Store,
    UnavailableError,
)
from tests.local.leftovers import empty_folders, leftovers

FORKS = multiprocessing.get_context("fork")
CRASHED = 77
DONE = 78
MOST_STEPS = 400
BIG = b"x" * 70_000

State = dict[str, tuple[bytes, dict[str, str]]] | None
"""All objects, with their metadata; None where there is no bucket."""


def put(store: Store) -> None:
    store.create_object("b", "k", "new", metadata={"m": "new"})


def put_folder(store: Store) -> None:
    store.create_object("b", "x/y/z", BIG, metadata={"m": "new"})


def put_shadow(store: Store) -> None:
    store.create_object("b", "k//", "new", metadata={"m": "new"})


def delete(store: Store) -> None:
    store.delete_object("b", "k")


def delete_shadow(store: Store) -> None:
    store.delete_object("b", "k//")


def delete_folder(store: Store) -> None:
    store.delete_object("b", "x/y/z")


def update(store: Store) -> None:
    store.set_metadata("b", "k", {"m": "new"})


def copy(store: Store) -> None:
    store.copy_object("b", "k", "b", "copy", metadata={"m": "new"})


def multipart(store: Store) -> None:
    upload = store.create_multipart_upload("b", "k", metadata={"m": "new"})
    upload.upload_part(1, "ne")
    upload.upload_part(1, "n")
    upload.upload_part(2, "ew")
    upload.complete()


def abort(store: Store) -> None:
    upload = store.create_multipart_upload("b", "k")
    upload.upload_part(1, "x")
    upload.abort()


def remove_bucket(store: Store) -> None:
    store.delete_bucket("b")


def nothing(store: Store) -> None:
    pass


def old(store: Store) -> None:
    store.create_object("b", "k", "old", metadata={"m": "old"})


def old_twice(store: Store) -> None:
    store.create_object("b", "k", "older", metadata={"m": "older"})
    old(store)


def old_shadow(store: Store) -> None:
    store.create_object("b", "k//", "old", metadata={"m": "old"})


def old_folder(store: Store) -> None:
    store.create_object("b", "x/y/z", "old", metadata={"m": "old"})
    store.create_object("b", "x/other", "other")


def old_in_the_way(store: Store) -> None:
    """An object in the shadow whose natural place has become free."""
    store.create_object("b", "k/below", "in the way")
    old(store)
    store.delete_object("b", "k/below")


def old_by_hand(store: Store) -> None:
    (store.native / "b/k").write_text("old")


def old_upload(store: Store) -> None:
    store.create_multipart_upload("b", "k").upload_part(1, "x")


CASES = [
    (nothing, put),
    (old, put),
    (old_twice, put),
    (old_by_hand, put),
    (old_in_the_way, put),
    (nothing, put_folder),
    (old_folder, put_folder),
    (nothing, put_shadow),
    (old_shadow, put_shadow),
    (old, delete),
    (old_by_hand, delete),
    (old_in_the_way, delete),
    (old_shadow, delete_shadow),
    (old_folder, delete_folder),
    (old, update),
    (old_twice, update),
    (old_by_hand, update),
    (old_in_the_way, update),
    (old, copy),
    (nothing, multipart),
    (old, multipart),
    (old, abort),
    (nothing, remove_bucket),
    (old_upload, remove_bucket),
]
NAMES = [f"{before.__name__}-{operation.__name__}" for before, operation in CASES]


class Steps:
    """Counts the calls of the system that this process makes; at one of them, something happens."""

    def __init__(self, at: int, happen: Callable[[], None]) -> None:
        self.left = at
        self.happen = happen
        self.on = False
        sys.addaudithook(self.hook)

    def hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.on and (event == "open" or event.startswith(("os.", "fcntl."))):
            self.left -= 1
            if self.left == 0:
                self.on = False
                self.happen()


def state(root: Path) -> State:
    with Store(LocalConfig(root)) as store:
        try:
            return {
                entry.key: (
                    store.get_object("b", entry.key).read(),
                    store.get_metadata("b", entry.key),
                )
                for entry in store.get_all_objects("b")
            }
        except BucketNotFoundError:
            return None


def prepare(root: Path, before: Callable[[Store], None]) -> None:
    shutil.rmtree(root, ignore_errors=True)
    with Store(LocalConfig(root)) as store:
        store.create_bucket("b")
        before(store)


def check_tidy(root: Path) -> None:
    """A new store writes once; then there is nothing that belongs to nothing."""
    with Store(LocalConfig(root)) as store:
        if not store.bucket_exists("b"):
            store.create_bucket("b")
        for found in store.list_multipart_uploads("b"):
            store.resume_multipart_upload(found.ref).abort()
        store.create_object("b", "after", "x")
        assert leftovers(root, store) == []


def before_and_after(
    root: Path, before: Callable[[Store], None], operation: Callable[[Store], None]
) -> tuple[State, State]:
    prepare(root, before)
    first = state(root)
    with Store(LocalConfig(root)) as store:
        operation(store)
    return first, state(root)


def run(function: Callable[[], None]) -> int:
    process = FORKS.Process(target=function)
    process.start()
    process.join(60)
    assert process.exitcode is not None, "the child hangs"
    return process.exitcode


@pytest.mark.parametrize(("before", "operation"), CASES, ids=NAMES)
def test_a_crash_at_any_step_leaves_the_old_or_the_new(
    tmp_path: Path,
    before: Callable[[Store], None],
    operation: Callable[[Store], None],
) -> None:
    root = tmp_path / "root"
    possible = before_and_after(root, before, operation)

    for step in range(1, MOST_STEPS):
        prepare(root, before)

        def child(step: int = step) -> None:
            steps = Steps(step, lambda: os._exit(CRASHED))
            store = Store(LocalConfig(root))
            steps.on = True
            operation(store)
            steps.on = False
            os._exit(DONE)

        code = run(child)
        found = state(root)
        assert found in possible, f"after a crash at step {step}"
        check_tidy(root)
        assert empty_folders(root) == []
        if code == DONE:
            assert found == possible[1]
            return
        assert code == CRASHED
    raise AssertionError("the operation never ends")


@pytest.mark.parametrize(("before", "operation"), CASES, ids=NAMES)
def test_a_failure_at_any_step_is_told_truly_and_leaves_nothing(
    tmp_path: Path, before: Callable[[Store], None], operation: Callable[[Store], None]
) -> None:
    root = tmp_path / "root"
    possible = before_and_after(root, before, operation)

    def fail() -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    def child() -> None:
        steps = Steps(0, fail)
        for step in range(1, MOST_STEPS):
            prepare(root, before)
            store = Store(LocalConfig(root))
            opened = len(os.listdir("/dev/fd"))
            steps.left, steps.on, outcome = step, True, "applied"
            try:
                operation(store)
            except UnavailableError as exc:
                outcome = exc.outcome
            was_reached, steps.on = steps.left <= 0, False
            own = 2 if list((root / ".cloudstore/tmp").iterdir()) else 0
            assert len(os.listdir("/dev/fd")) <= opened + own, f"step {step} leaks open files"
            found = state(root)
            if outcome == "not_applied" and operation is not multipart:
                assert found == possible[0], f"step {step} was applied"
            if outcome == "applied":
                assert found == possible[1], f"step {step} was not applied"
            assert found in possible, f"step {step}"
            store.close()
            assert list((root / ".cloudstore/tmp").iterdir()) == []
            check_tidy(root)
            if not was_reached:
                os._exit(DONE)

    assert run(child) == DONE


def test_an_object_that_moves_between_two_looks_is_never_absent(tmp_path: Path) -> None:
    """From the shadow to its natural place, just when a reader has looked there in vain."""

    def child() -> None:
        with Store(LocalConfig(tmp_path)) as store, Store(LocalConfig(tmp_path)) as other:
            store.create_bucket("b")
            moved: list[bool] = []

            def hook(event: str, arguments: tuple[Any, ...]) -> None:
                if moved or event != "open":
                    return
                looked = arguments[0] == "k"
                if looked or waiting:
                    waiting.append(arguments[0])
                if len(waiting) == 2:  # the natural place was looked at, the shadow is next
                    moved.append(True)
                    other.create_object("b", "k", "moved")

            waiting: list[str] = []
            old_in_the_way(store)
            sys.addaudithook(hook)
            assert store.get_object("b", "k").read() == b"moved"
            assert moved == [True]
            assert (tmp_path / "b/k").read_text() == "moved"
        os._exit(DONE)

    assert run(child) == DONE


def test_an_object_replaced_between_data_and_head_is_read_anew(tmp_path: Path) -> None:
    def child() -> None:
        with Store(LocalConfig(tmp_path)) as store, Store(LocalConfig(tmp_path)) as other:
            store.create_bucket("b")
            old(store)
            replaced: list[str] = []

            def hook(event: str, arguments: tuple[Any, ...]) -> None:
                path = str(arguments[0]) if event == "open" else ""
                if not replaced and len(path) == 32:  # the sidecar is opened, the data are open
                    replaced.append(path)
                    for turn in ("newer", "newest"):
                        other.create_object("b", "k", turn, metadata={"m": turn})

            sys.addaudithook(hook)
            found = store.get_object("b", "k")
            assert (found.read(), found.metadata) == (b"newest", {"m": "newest"})
            assert replaced
            replaced.clear()
            head = store.head_object("b", "k")
            assert head.metadata == {"m": "newest"}
        os._exit(DONE)

    assert run(child) == DONE


def test_what_was_deleted_between_data_and_head_is_not_found(tmp_path: Path) -> None:
    def child() -> None:
        with Store(LocalConfig(tmp_path)) as store, Store(LocalConfig(tmp_path)) as other:
            store.create_bucket("b")
            old(store)
            deleted: list[str] = []

            def hook(event: str, arguments: tuple[Any, ...]) -> None:
                path = str(arguments[0]) if event == "open" else ""
                if not deleted and len(path) == 32:
                    deleted.append(path)
                    other.delete_object("b", "k")

            sys.addaudithook(hook)
            with pytest.raises(NotFoundError):
                store.get_object("b", "k")
            assert deleted
        os._exit(DONE)

    assert run(child) == DONE
