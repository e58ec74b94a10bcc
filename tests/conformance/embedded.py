"""Harnesses of the embedded drivers for the conformance suite, and of the same under wrappers."""

from __future__ import annotations

import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
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
from tests.evidence import Place
from tests.servers.process import quick_folder

PAGE = 100
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

    shown_on: Place | None = Place("memory")
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
    """Folders of a temporary folder, on a disk unless `quick` may have them in memory."""

    shown_on = Place("file")
    secrets = (SECRET,)

    def __init__(self, *, quick: bool = False) -> None:
        self._quick = quick
        self._folder: Path | None = None
        self._configs: dict[Driver, LocalConfig] = {}

    def make_driver(self) -> Driver:
        if self._folder is None:
            place = quick_folder() if self._quick else None
            self._folder = Path(tempfile.mkdtemp(prefix="cloudstore-conformance-", dir=place))
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


def few_to_a_page(driver: Driver) -> Driver:
    """The driver with small pages and batches: under a wrapper it counts that there are several."""
    driver.limits = replace(driver.limits, page_size=PAGE, delete_batch=PAGE)
    return driver


class PassThroughHarness(Harness):
    """Another harness's drivers under the wrapper that does nothing."""

    def __init__(self, inner: Harness) -> None:
        self._inner = inner
        self.reuses_buckets = inner.reuses_buckets
        self.secrets = inner.secrets
        self.completes_again = inner.completes_again
        self.etag_tells_metadata = inner.etag_tells_metadata
        self.etag_guards_metadata = inner.etag_guards_metadata
        self.counts_within = inner.counts_within
        self.tells_upload_times = inner.tells_upload_times
        self.upload_time_step = inner.upload_time_step
        self.form_fixes_type = inner.form_fixes_type
        self.unsigned_statuses = inner.unsigned_statuses

    def make_driver(self) -> Driver:
        return PassThroughDriver(few_to_a_page(self._inner.make_driver()))

    def second_view(self, driver: Driver) -> Driver | None:
        second = self._inner.second_view(cast(PassThroughDriver, driver).inner)
        return None if second is None else PassThroughDriver(second)

    def serving(self, driver: Driver) -> AbstractContextManager[object]:
        return self._inner.serving(cast(PassThroughDriver, driver).inner)

    def close(self) -> None:
        self._inner.close()


class FailoverHarness(Harness):
    """Drivers of two harnesses as one; a bucket and a key are whatever both can hold.

    Conditions and presigned requests are the first's. The harnesses may be of different vendors; the
    second is the first again where there is none.
    """

    def __init__(self, first: Harness, second: Harness | None = None) -> None:
        second = second or first
        self._harnesses = (first, second)
        self._children: dict[Driver, tuple[Driver, Driver]] = {}
        self.reuses_buckets = first.reuses_buckets or second.reuses_buckets
        self.secrets = tuple(dict.fromkeys(first.secrets + second.secrets))
        self.completes_again = first.completes_again and second.completes_again
        self.unsigned_statuses = first.unsigned_statuses
        self.form_fixes_type = first.form_fixes_type
        self.counts_within = max(first.counts_within, second.counts_within)
        self.etag_guards_metadata = first.etag_tells_metadata and first.etag_guards_metadata

    def make_driver(self) -> Driver:
        first, second = (few_to_a_page(harness.make_driver()) for harness in self._harnesses)
        return self._join(first, second)

    def _join(self, first: Driver, second: Driver) -> Driver:
        driver = FailoverDriver(first, second, STAGGER)
        self._children[driver] = (first, second)
        return driver

    def second_view(self, driver: Driver) -> Driver | None:
        views = [
            harness.second_view(child)
            for harness, child in zip(self._harnesses, self._children[driver], strict=True)
        ]
        return None if None in views else self._join(*(view for view in views if view is not None))

    def serving(self, driver: Driver) -> AbstractContextManager[object]:
        return self._harnesses[0].serving(self._children[driver][0])

    def close(self) -> None:
        for harness in dict.fromkeys(self._harnesses):
            harness.close()
