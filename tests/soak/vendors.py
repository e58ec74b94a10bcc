"""The vendors of the soak: each starts its server, puts proxies before it, and makes configurations.

A new one is a subclass of `Vendor` with two methods, and a line in `VENDORS`.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, fields, replace
from importlib import import_module
from types import MappingProxyType
from typing import Any, ClassVar
from urllib.parse import urlsplit

from cloudstore import (
    Config,
    QiniuConfig,
    RetryPolicy,
    S3Config,
    Secret,
    Store,
    SwiftConfig,
    Timeouts,
    TransferConfig,
)
from cloudstore.driver import Driver
from cloudstore.providers.swift_segments import container_of
from cloudstore.testing import FaultProxy
from tests.servers.ministack_server import Ministack
from tests.servers.qiniu_server import Qiniu as QiniuServer
from tests.servers.swift_server import Swift as SwiftServer

from .contents import LARGEST

KIB = 1024
CONNECTIONS = 1
"""That a store keeps: so few that many requests make one of their own, and meet a new one's fault."""
LINGER_SECONDS = 2.0
"""ministack keeps a connection for long whose client has gone."""
PATIENCE = Timeouts(connect=5.0, first_byte=4.0, stall=4.0)
"""Less than a proxy stalls, more than a server takes that shares two cores."""
RETRY = RetryPolicy(base_delay=0.05, max_delay=1.0)
TRANSFER = TransferConfig(part_size=128 * KIB, multipart_threshold=256 * KIB)

SEGMENT = r"\.cs/s/(.+)/([0-9a-f]{16})/[^/]+"
"""A part of a large object of Swift: of which key, of which upload."""

Change = Callable[[Driver], Driver]


def unchanged(driver: Driver) -> Driver:
    """The driver as it is."""
    return driver


def changed(config: Config, change: Change) -> Config:
    """A configuration like this one whose drivers are changed."""

    class Changed(type(config)):  # type: ignore[misc]
        def create_driver(self) -> Driver:
            return change(super().create_driver())

    made: Config = Changed(**{f.name: getattr(config, f.name) for f in fields(config)})
    return made


@dataclass(frozen=True)
class Through:
    """What every configuration of the soak has."""

    timeouts: Timeouts = PATIENCE
    retry: RetryPolicy = RETRY
    transfer: TransferConfig = TRANSFER
    max_connections: int = CONNECTIONS

    def options(self) -> dict[str, Any]:
        """As arguments."""
        return {f.name: getattr(self, f.name) for f in fields(self)}


class Vendor(ABC):
    """A server, and proxies before it.

    Attributes:
        proxies: in the order of the hosts of the vendor.
        secrets: what no error may show.
        lists_at_once: whether a listing shows what was written before it.
        largest: bytes of an object.
        ease: how many times the pace is slower, for a server that is.
        replaces_cleanly: whether of two that replace an object at the same time, none leaves parts.
    """

    name: ClassVar[str]
    through: ClassVar[Through] = Through()
    lists_at_once: ClassVar[bool] = True
    replaces_cleanly: ClassVar[bool] = True
    largest: ClassVar[int] = LARGEST
    ease: ClassVar[float] = 1.0

    def __init__(self) -> None:
        self._stack = ExitStack()
        self.proxies: list[FaultProxy] = []
        self.secrets: tuple[str, ...] = ()
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise

    @abstractmethod
    def _start(self) -> None:
        """Starts the server, and the proxies by `_before`."""

    @abstractmethod
    def _config(self, *, direct: bool) -> Config:
        """How the server is reached, through the proxies or not."""

    def prepare(self, store: Store, bucket: str) -> None:
        """Does what must be done once the bucket is there, before anything else."""
        return

    def _fitted(self, driver: Driver) -> Driver:
        """A driver that knows what this server takes more than the vendor's would."""
        return driver

    def config(self, *, direct: bool = False, change: Change = unchanged) -> Config:
        """A configuration whose drivers are fitted, and then changed."""
        return changed(self._config(direct=direct), lambda driver: change(self._fitted(driver)))

    def leftovers(self, store: Store, bucket: str) -> list[str]:
        """The keys of the uploads that were begun and not ended, each as often as there is one."""
        if not store.capabilities.list_uploads:
            return []
        return [found.ref.key for found in store.list_multipart_uploads(bucket)]

    def orphans(self, store: Store, bucket: str) -> list[str]:
        """The keys of parts that belong to no object and no listed upload, where that can be seen."""
        return []

    def _before(self, url: str) -> str:
        """Puts a proxy before a server; returns its URL."""
        place = urlsplit(url)
        proxy = FaultProxy(place.hostname or "", place.port or 0, linger=LINGER_SECONDS)
        self.proxies.append(self._stack.enter_context(proxy))
        return proxy.url

    def close(self) -> None:
        """Ends everything."""
        self._stack.close()


class S3(Vendor):
    """ministack, as AWS."""

    name = "s3"

    def _start(self) -> None:
        self._server = self._stack.enter_context(Ministack())
        self._url = self._before(self._server.url)
        self.secrets = (self._server.secret_key,)

    def _config(self, *, direct: bool) -> Config:
        return S3Config(
            access_key=self._server.access_key,
            secret_key=Secret(self._server.secret_key),
            endpoint=self._server.url if direct else self._url,
            region="us-east-1",
            preset="aws",
            **self.through.options(),
        )

    def _fitted(self, driver: Driver) -> Driver:
        """ministack takes small parts, and ignores conditions on copies."""
        driver.limits = replace(driver.limits, min_part_size=16 * KIB)
        driver.capabilities = replace(driver.capabilities, copy_if_absent=False, copy_if_match=False)
        return driver


class Swift(Vendor):
    """OpenStack Swift, by its own interface.

    All its servers are one process here, which takes 50 to 150 ms for a request of a busy run, and
    seconds to copy more than 1 MiB.
    """

    name = "swift"
    largest = 1024 * KIB
    ease = 3.0
    through = Through(timeouts=Timeouts(connect=5.0, first_byte=7.0, stall=7.0))
    replaces_cleanly = False

    def _start(self) -> None:
        self._server = self._stack.enter_context(SwiftServer())
        self._url = self._before(self._server.url)
        self.secrets = (self._server.secret_key,)

    def _config(self, *, direct: bool) -> Config:
        return SwiftConfig(
            auth_url=f"{self._server.url if direct else self._url}/auth/v1.0",
            user=self._server.access_key,
            secret_key=Secret(self._server.secret_key),
            **self.through.options(),
        )

    def prepare(self, store: Store, bucket: str) -> None:
        """Makes an object in parts: a store that knows of none takes a minute to see the first."""
        with store.open_writer(bucket, "first") as writer:
            writer.write(bytes(2 * TRANSFER.part_size))
        store.delete_object(bucket, "first")

    def _fitted(self, driver: Driver) -> Driver:
        """Swift takes parts of any size."""
        driver.limits = replace(driver.limits, min_part_size=16 * KIB)
        return driver

    def orphans(self, store: Store, bucket: str) -> list[str]:
        """Segments that no manifest names, whose upload is not listed."""
        native = store.native
        listed = {found.ref.upload_id for found in store.list_multipart_uploads(bucket)}
        _, rows = native.get_container(container_of(bucket), full_listing=True)
        named = [re.fullmatch(SEGMENT, row["name"]) for row in rows]
        groups = {(found[1], found[2]) for found in named if found is not None}
        lost = []
        for key, upload_id in sorted(groups):
            if upload_id in listed:
                continue
            body = b""
            with suppress(import_module("swiftclient.exceptions").ClientException):  # no such object
                _, body = native.get_object(bucket, key, query_string="multipart-manifest=get")
            if f"/{upload_id}/".encode() not in body:
                lost.append(key)
        return lost


class Qiniu(Vendor):
    """The simulator of Qiniu; a proxy before each of its three hosts."""

    name = "qiniu"

    def _start(self) -> None:
        self._server = self._stack.enter_context(QiniuServer())
        self._url = self._before(self._server.url)
        self._upload_url = self._before(self._server.upload_url)
        self._domain: str | None = None
        self.secrets = (self._server.secret_key,)

    def prepare(self, store: Store, bucket: str) -> None:
        """The bucket's domain is known only now."""
        place = urlsplit(store.presign(bucket, "any").url)
        self._domain = self._before(f"{place.scheme}://{place.netloc}")

    def _config(self, *, direct: bool) -> Config:
        api = self._server.url if direct else self._url
        return QiniuConfig(
            access_key=self._server.access_key,
            secret_key=Secret(self._server.secret_key),
            endpoint=api,
            rs=api,
            rsf=api,
            cdn=api,
            up=self._server.upload_url if direct else self._upload_url,
            domain=None if direct else self._domain,
            **self.through.options(),
        )

    def _fitted(self, driver: Driver) -> Driver:
        """The simulator is told to take small parts."""
        driver.limits = replace(driver.limits, min_part_size=16 * KIB)
        return driver


VENDORS: Mapping[str, type[Vendor]] = MappingProxyType({made.name: made for made in (S3, Swift, Qiniu)})
