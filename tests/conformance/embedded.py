"""Harnesses of the embedded drivers for the conformance suite, and of the same under wrappers."""

from __future__ import annotations

import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import cast

from cloudstore import LocalConfig, MemoryConfig, Store
from cloudstore.driver import Driver
from cloudstore.testing import (
    BorrowingDriver,
    DevelopmentServer,
    FailoverDriver,
    Harness,
    PassThroughDriver,
)

SECRET = "conformance-secret-key"
STAGGER = 5.0
"""Seconds until a read asks the second child: long, so that the first answers on a busy machine too."""


def free_url() -> str:
    """An address that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


class Signing(BorrowingDriver):
    """Lends a driver to the development server, with the secret that it checks signatures by."""

    def __init__(self, inner: Driver) -> None:
        super().__init__(inner)
        self.development_secret = getattr(inner, "development_secret", None)


@contextmanager
def served(driver: Driver, url: str) -> Iterator[None]:
    """Serves the presigned URLs of an embedded driver at the address that it signs for."""
    port = int(url.rpartition(":")[2])
    with Store(Signing(driver)) as store, DevelopmentServer(store, port=port):
        yield


class MemoryHarness(Harness):
    """Memory."""

    secrets = (SECRET,)

    def __init__(self) -> None:
        self._urls: dict[Driver, str] = {}

    def make_driver(self) -> Driver:
        url = free_url()
        driver = MemoryConfig(public_url=url, secret_key=SECRET).create_driver()  # type: ignore[arg-type]
        self._urls[driver] = url
        return driver

    def serving(self, driver: Driver) -> AbstractContextManager[object]:
        return served(driver, self._urls[driver])


class LocalHarness(Harness):
    """Folders of a temporary folder."""

    secrets = (SECRET,)

    def __init__(self) -> None:
        self._folder: Path | None = None
        self._configs: dict[Driver, LocalConfig] = {}

    def make_driver(self) -> Driver:
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="cloudstore-conformance-"))
        root = str(self._folder / f"root{len(self._configs)}")
        config = LocalConfig(root, public_url=free_url(), secret_key=SECRET)  # type: ignore[arg-type]
        driver = config.create_driver()
        self._configs[driver] = config
        return driver

    def second_view(self, driver: Driver) -> Driver | None:
        return self._configs[driver].create_driver()

    def serving(self, driver: Driver) -> AbstractContextManager[object]:
        return served(driver, str(self._configs[driver].public_url))

    def close(self) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder)


class PassThroughHarness(Harness):
    """Another harness's drivers under the wrapper that does nothing."""

    def __init__(self, inner: Harness) -> None:
        self._inner = inner
        self.secrets = inner.secrets
        self.completes_again = inner.completes_again
        self.etag_tells_metadata = inner.etag_tells_metadata
        self.tells_upload_times = inner.tells_upload_times
        self.upload_time_step = inner.upload_time_step
        self.form_fixes_type = inner.form_fixes_type
        self.unsigned_statuses = inner.unsigned_statuses

    def make_driver(self) -> Driver:
        return PassThroughDriver(self._inner.make_driver())

    def second_view(self, driver: Driver) -> Driver | None:
        second = self._inner.second_view(cast(PassThroughDriver, driver).inner)
        return None if second is None else PassThroughDriver(second)

    def serving(self, driver: Driver) -> AbstractContextManager[object]:
        return self._inner.serving(cast(PassThroughDriver, driver).inner)

    def close(self) -> None:
        self._inner.close()


class FailoverHarness(Harness):
    """Two of another harness's drivers as one."""

    secrets = (SECRET,)

    def __init__(self, inner: Harness) -> None:
        self._inner = inner
        self._children: dict[Driver, tuple[Driver, Driver]] = {}

    def make_driver(self) -> Driver:
        children = (self._inner.make_driver(), self._inner.make_driver())
        driver = FailoverDriver(*children, STAGGER)
        self._children[driver] = children
        return driver

    def second_view(self, driver: Driver) -> Driver | None:
        first, second = (self._inner.second_view(child) for child in self._children[driver])
        return None if first is None or second is None else FailoverDriver(first, second, STAGGER)

    def serving(self, driver: Driver) -> AbstractContextManager[object]:
        return self._inner.serving(self._children[driver][0])

    def close(self) -> None:
        self._inner.close()
