"""A store that reaches a server through a fault proxy, with what passed the proxy written down.

The same tests run for every vendor, on both faces, over plain and TLS connections: the proxy takes TLS
off, so that the server is the same, and what is written down can be read.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Literal
from urllib.parse import urlsplit

import pytest

from cloudstore import (
    AsyncStore,
    CloudStoreError,
    RetryPolicy,
    Store,
    Timeouts,
    TransferConfig,
)
from cloudstore.events import Event
from cloudstore.testing import Fault, FaultProxy
from cloudstore.testing.blocking_face import LoopThread, blocking_store
from tests.faults.vendors import BUCKET, PART, Sent, Vendor

ATTEMPTS = 3
QUICK = RetryPolicy(attempts=ATTEMPTS, base_delay=0.001)
ONCE = RetryPolicy(attempts=1)
PATIENT = Timeouts(connect=10.0, first_byte=10.0, stall=10.0)
"""Nothing takes so long but what hangs, also on a busy machine."""
IMPATIENT = Timeouts(connect=5.0, first_byte=0.5, stall=0.5)
TRANSFER = TransferConfig(part_size=PART, multipart_threshold=1024 * 1024)
NOISE_SECONDS = 0.5
"""What a test takes longer where four processes want each core; whatever hangs takes 10 seconds."""

TELLTALE = ("Signature=", "authorization", "x-auth-token", "UpToken")
"""Of headers and URLs that give access."""

Way = Literal["up", "down"]


class Record:
    """What passed a proxy: requests, and the bytes of answers by connection."""

    def __init__(self) -> None:
        self.requests: list[Sent] = []
        self.down: dict[int, bytearray] = {}
        self._heads: dict[int, bytearray] = {}
        self._open: dict[int, Sent] = {}

    def tap(self, connection: int, way: Way, data: bytes) -> None:
        if way == "down":
            self.down.setdefault(connection, bytearray()).extend(data)
            return
        while data:
            sent = self._open.get(connection)
            if sent is None or sent.is_whole:
                data = self._take_head(connection, data)
            else:
                missing = sent.length - len(sent.body)
                sent.body += data[:missing]
                data = data[missing:]

    def _take_head(self, connection: int, data: bytes) -> bytes:
        """Adds to the head that is coming in; returns what is not of it."""
        came = self._heads.setdefault(connection, bytearray())
        came += data
        head, end, rest = bytes(came).partition(b"\r\n\r\n")
        if not end:
            return b""
        came.clear()
        line, *fields = head.decode().split("\r\n")
        method, target, _ = line.split(" ")
        headers = dict(field.split(": ", 1) for field in fields)
        self._open[connection] = sent = Sent(connection, method, target, headers)
        self.requests.append(sent)
        return rest


class Stage:
    """See the module.

    Attributes:
        vendor: whose server it is.
        proxy: on the way to the server.
        record: what passed it since `clear`.
        events: what the observer of the store was told.
        bucket, key: to work with; the key is the test's own.
    """

    def __init__(
        self,
        vendor: Vendor,
        upstream: str,
        face: str,
        loop: LoopThread,
        key: str,
        tls: ssl.SSLContext | None,
        ca_file: str,
    ) -> None:
        self.vendor, self.bucket, self.key = vendor, BUCKET, key
        self.record = Record()
        self.events: list[Event] = []
        self._face, self._loop = face, loop
        self._tls = tls is not None
        self._ca_file: str | None = ca_file
        self._stores: list[Store] = []
        self._lock = threading.Lock()
        self._connections = 0
        place = urlsplit(upstream)
        self.proxy = FaultProxy(place.hostname or "", place.port or 0, tls=tls, tap=self._tap)

    def _tap(self, connection: int, way: Way, data: bytes) -> None:
        with self._lock:
            self.record.tap(connection, way, data)

    @property
    def is_tls(self) -> bool:
        return self._tls

    def store(
        self,
        retry: RetryPolicy = QUICK,
        timeouts: Timeouts = PATIENT,
        transfer: TransferConfig = TRANSFER,
        endpoint: str | None = None,
        *,
        config: Mapping[str, Any] = MappingProxyType({}),
    ) -> Store:
        """Another store, that knows no connection yet and has asked what it asks but once.

        Closed with the stage. Faults that are injected before are met by those questions.
        """
        made = self.cold_store(retry, timeouts, transfer, endpoint, config=config)
        if endpoint is None:
            self.vendor.warm(made, self.bucket)
            if self.connections:
                self.proxy.reset_connections()
                self.clear()
        return made

    def cold_store(
        self,
        retry: RetryPolicy = QUICK,
        timeouts: Timeouts = PATIENT,
        transfer: TransferConfig = TRANSFER,
        endpoint: str | None = None,
        *,
        config: Mapping[str, Any] = MappingProxyType({}),
    ) -> Store:
        """A store that has asked nothing yet."""
        options = {"ca_file": self._ca_file, "retry": retry, "timeouts": timeouts, "transfer": transfer}
        place = endpoint or self.proxy.url
        subject = self.vendor.config(place, self.proxy.url, **(options | dict(config)))
        made: Store
        if self._face == "threads":
            made = Store(subject, observer=self.events.append)
            driver = made._driver
        else:
            astore = AsyncStore(subject, observer=self.events.append)
            made, driver = blocking_store(astore, self._loop), astore._driver
        driver.limits = replace(driver.limits, min_part_size=PART)
        self._stores.append(made)
        return made

    def inject(self, fault: Fault, times: int | None = None) -> None:
        self.proxy.inject(fault, times)

    def clear(self) -> None:
        """Forgets what has passed; a connection that is open is met again."""
        with self._lock:
            self.record.requests.clear()
            self.record.down.clear()
        self._connections = self.proxy.counts.connections
        self.events.clear()

    def trust_the_usual(self) -> None:
        """Stores made from now on do not know the authority of the proxy."""
        self._ca_file = None

    @property
    def everything(self) -> list[Sent]:
        """All requests that came, those that only prepare others as well."""
        with self._lock:
            return list(self.record.requests)

    @property
    def requests(self) -> list[Sent]:
        """The requests that came for the sake of an operation."""
        sent = self.everything
        return [one for one in sent if not self.vendor.is_preliminary(one.method, one.target)]

    @property
    def connections(self) -> int:
        """How many came."""
        return self.proxy.counts.connections - self._connections

    def of(self, what: str) -> list[Sent]:
        """The requests that do this, of `Vendor.begins`."""
        return [sent for sent in self.requests if self.vendor.does(sent, what)]

    def asked(self) -> list[str]:
        """The methods of the requests that came."""
        return [sent.method for sent in self.requests]

    @property
    def retries(self) -> int:
        return sum(event.name == "retrying" for event in self.events)

    def close(self) -> None:
        self.proxy.close()
        for store in self._stores:
            store.close()

    # --- checks -----------------------------------------------------------------------------------

    @contextmanager
    def fails(
        self, kind: type[CloudStoreError], operation: str, **facts: Any
    ) -> Iterator[pytest.ExceptionInfo[CloudStoreError]]:
        """The block raises `kind`, complete and without a secret, with these attributes."""
        with pytest.raises(kind) as caught:
            yield caught
        error = caught.value
        assert type(error) is kind
        assert (error.vendor, error.operation, error.bucket) == (
            self.vendor.name,
            operation,
            self.bucket,
        )
        assert error.key == facts.pop("key", self.key)
        assert {name: getattr(error, name) for name in facts} == facts
        self.check_no_secret(error)

    def check_no_secret(self, error: BaseException | None) -> None:
        """Nothing in an error, nor in what caused it, is what only we may know."""
        while error is not None:
            for shown in (str(error), repr(error), repr(vars(error))):
                for secret in (*self.vendor.secrets, *TELLTALE):
                    assert secret.lower() not in shown.lower()
            error = error.__cause__ or error.__context__


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """The block takes at most so long, and what a busy machine adds."""
    began = time.monotonic()
    yield
    took = time.monotonic() - began
    assert took < seconds + max(0.1 * seconds, NOISE_SECONDS), f"{took:.2f} seconds, not {seconds}"


def content(direct: Store, stage: Stage, key: str | None = None) -> bytes:
    """What a server really holds."""
    return direct.get_object(stage.bucket, key or stage.key).read()
