"""What the themes of the conformance suite share: fixtures, and how a missing capability is tested.

A test that needs a capability is marked with `needs`: on a driver that has it the test must pass; on
one that has not, it must end in UnsupportedError. Nothing is skipped.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, TypeVar

import pytest

from ...errors import UnsupportedError
from ...store import Store
from .account import FACES, Account, RecordingDriver
from .harness import Harness

__all__ = ["ConformanceTests", "needs", "payload"]

ADMINISTERING = ("administration", "capabilities")
"""The themes whose tests change settings of a bucket, which no emptying takes back."""
F = TypeVar("F", bound=Callable[..., Any])
_PATTERN = bytes(range(251))  # 251 is prime: a part or a page that is swapped does not look the same


def payload(size: int, seed: int = 0) -> bytes:
    """`size` bytes in which every position of a block looks different."""
    start = seed % len(_PATTERN)
    repeated = _PATTERN * ((size + start) // len(_PATTERN) + 1)
    return repeated[start : start + size]


def needs(*features: str) -> Callable[[F], F]:
    """Marks a test of these capabilities. Where one is missing, it must end in UnsupportedError."""

    def decorate(test: F) -> F:
        @functools.wraps(test)
        def run(self: Any, **fixtures: Any) -> None:
            store: Store = fixtures["store"]
            missing = [name for name in features if not getattr(store.capabilities, name)]
            if not missing:
                test(self, **fixtures)
                return
            try:
                test(self, **fixtures)
            except UnsupportedError:
                return
            pytest.fail(f"the driver declares no {', '.join(missing)}, yet nothing was refused")

        run.__dict__["needs"] = features
        return run  # type: ignore[return-value]

    return decorate


class ConformanceTests:
    """Base of the themes. A subclass that pytest collects gives it a harness."""

    harness: ClassVar[Any] = None
    """A `Harness`; or override it by a pytest fixture of this name that gives one."""
    _accounts: ClassVar[dict[int, Account]]

    @classmethod
    def setup_class(cls) -> None:
        """Nothing is made before it is needed."""
        cls._accounts = {}

    @classmethod
    def teardown_class(cls) -> None:
        """Closes what was made for the class."""
        accounts, cls._accounts = cls._accounts, {}
        for account in accounts.values():
            account.close()
        if isinstance(cls.harness, Harness):
            cls.harness.close()

    @pytest.fixture
    def account(self, request: pytest.FixtureRequest) -> Account:
        """The driver of the harness and its stores, the same for all tests of the class."""
        harness = self.harness
        if not isinstance(harness, Harness):
            harness = request.getfixturevalue("harness")
        if id(harness) not in self._accounts:
            self._accounts[id(harness)] = Account(harness)
        return self._accounts[id(harness)]

    @pytest.fixture(params=FACES)
    def face(self, request: pytest.FixtureRequest) -> str:
        """Each test runs on `Store` and on `AsyncStore`."""
        return str(request.param)

    @pytest.fixture
    def store(self, account: Account, face: str) -> Store:
        """The store under test. On the second face it is an `AsyncStore` behind the same verbs."""
        return account.store(face)

    @pytest.fixture
    def recorder(self, account: Account) -> RecordingDriver:
        """Notes what `recorded` asks the driver for."""
        return RecordingDriver(account.driver)

    @pytest.fixture
    def recorded(self, account: Account, recorder: RecordingDriver, face: str) -> Iterator[Store]:
        """A store over the same driver whose operations are noted by `recorder`."""
        with account.over(recorder, face) as store:
            store.bucket_exists("discovers")  # a driver may ask its vendor what it can do, once
            recorder.calls.clear()
            yield store

    @pytest.fixture
    def bucket(self, account: Account, request: pytest.FixtureRequest) -> Iterator[str]:
        """An empty bucket, gone or empty again after the test."""
        yield from _lent(account, request)

    @pytest.fixture
    def other_bucket(self, account: Account, request: pytest.FixtureRequest) -> Iterator[str]:
        """A second one."""
        yield from _lent(account, request)

    @pytest.fixture
    def part_size(self, account: Account) -> int:
        """Bytes of a part in these tests; an object of more than two parts goes by multipart."""
        return account.part_size


def _lent(account: Account, request: pytest.FixtureRequest) -> Iterator[str]:
    name = account.new_bucket()
    yield name
    package, _, theme = request.function.__module__.rpartition(".")
    if package == __package__ and theme not in ADMINISTERING:
        account.give_back_bucket(name)
    else:
        account.drop_bucket(name)


def keys_of(entries: Any) -> list[str]:
    """The keys and prefixes of a listing, as they came."""
    return [entry.prefix if hasattr(entry, "prefix") else entry.key for entry in entries]
