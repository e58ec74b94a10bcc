"""The worked example of "Writing a driver": installed, found by its name, and conformant."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudstore import Store, StoreFactory
from cloudstore.config import Config
from cloudstore.driver import Driver
from cloudstore.testing import ConformanceSuite, Harness
from tests.servers.process import quick_folder

EXAMPLE = Path(__file__).resolve().parent.parent.parent / "docs" / "examples" / "cloudstore-sqlite"


@pytest.fixture(autouse=True, scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The example's distribution, with its entry point, on the path and nowhere else."""
    target = tmp_path_factory.mktemp("site-packages")
    # Its build backend is installed with the tools of the tests: nothing is fetched.
    offline = ["--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check"]
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", *offline, "--target", str(target), str(EXAMPLE)],
        check=True,
    )
    sys.path.insert(0, str(target))
    yield
    sys.path.remove(str(target))
    sys.modules.pop("cloudstore_sqlite", None)


def test_the_factory_finds_it_by_its_name(tmp_path: Path) -> None:
    assert "sqlite" in StoreFactory.providers()
    with StoreFactory.create(f"sqlite://{tmp_path}/objects.db") as store:
        store.create_bucket("media")
        store.create_object("media", "k", "kept", metadata={"a": "ü"})
    with StoreFactory.create({"provider": "sqlite", "path": f"{tmp_path}/objects.db"}) as store:
        found = store.get_object("media", "k")
        assert (found.text(), found.metadata, found.verified_by) == ("kept", {"a": "ü"}, "crc32")
        assert store.native == f"{tmp_path}/objects.db"


def test_a_busy_file_is_an_error_of_the_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sqlite3
    from contextlib import closing

    import cloudstore_sqlite

    from cloudstore import RetryPolicy, UnavailableError

    monkeypatch.setattr(cloudstore_sqlite, "LOCK_SECONDS", 0.01)
    path = str(tmp_path / "objects.db")
    config = cloudstore_sqlite.SqliteConfig(path=path, retry=RetryPolicy(attempts=2, base_delay=0))
    with Store(config) as store, closing(sqlite3.connect(path, isolation_level=None)) as other:
        store.create_bucket("media")
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(UnavailableError) as caught:
            store.create_object("media", "k", b"x")
        assert (caught.value.code, caught.value.attempts) == ("SQLITE_BUSY", 2)
        other.execute("ROLLBACK")
        store.create_object("media", "k", b"x")


class SqliteHarness(Harness):
    """A file of its own for each driver."""

    def __init__(self) -> None:
        self._folders: list[tempfile.TemporaryDirectory[str]] = []
        self._configs: dict[int, Config] = {}

    def make_driver(self) -> Driver:
        from cloudstore_sqlite import SqliteConfig

        folder = tempfile.TemporaryDirectory(prefix="cloudstore-sqlite-", dir=quick_folder())
        self._folders.append(folder)
        config = SqliteConfig(path=f"{folder.name}/objects.db")
        driver = config.create_driver()
        self._configs[id(driver)] = config
        return driver

    def second_view(self, driver: Driver) -> Driver:
        return self._configs[id(driver)].create_driver()

    def close(self) -> None:
        while self._folders:
            self._folders.pop().cleanup()


class TestSqlite(ConformanceSuite):
    harness = SqliteHarness()
