"""Buckets as hosts, over TLS and through the tunnel of a proxy, before a Swift that knows their domain.

The names exist nowhere. The proxy leads every tunnel to one port, where TLS is taken off; the signature
is over the host, so Swift finds bucket and signature wrong where the host is.
"""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trustme

from cloudstore import AsyncStore, Store
from cloudstore.testing import FaultProxy, LoopThread, blocking_store
from tests.servers.swift_server import Swift
from tests.wire.server import Scripted, tunnel
from tests.wire.test_tls import server_context

DOMAIN = "s3.test"
"""Swift's ``storage_domain``."""
PART = 5 * 1024 * 1024


class Road:
    """The way to Swift.

    Attributes:
        proxy: whose tunnels lead there.
        trusted: a context that trusts the authority of ``*.s3.test``.
    """

    def __init__(self, swift: Swift, folder: Path, stack: ExitStack) -> None:
        authority = trustme.CA()
        self.ca_file = str(folder / "ca.pem")
        authority.cert_pem.write_to_path(self.ca_file)
        server_side = server_context(authority, f"*.{DOMAIN}", DOMAIN)
        self.trusted = ssl.create_default_context(cafile=self.ca_file)
        place = urlsplit(swift.url)
        assert place.hostname
        assert place.port
        port = stack.enter_context(FaultProxy(place.hostname, place.port, tls=server_side)).port
        self.proxy = stack.enter_context(Scripted(tunnel("127.0.0.1", port)))

    @property
    def hosts(self) -> set[str]:
        """Those that tunnels were asked for."""
        return {seen.target for seen in self.proxy.seen}


@pytest.fixture
def road(swift: Swift, tmp_path: Path) -> Iterator[Road]:
    with ExitStack() as stack:
        yield Road(swift, tmp_path, stack)


@pytest.fixture(params=["Store", "AsyncStore"])
def store(request: pytest.FixtureRequest, swift: Swift, road: Road) -> Iterator[Store]:
    config = swift.s3_config(
        endpoint=f"https://{DOMAIN}",
        addressing="virtual",
        ca_file=road.ca_file,
        proxy=f"http://127.0.0.1:{road.proxy.port}",
    )
    with ExitStack() as stack:
        if request.param == "Store":
            yield stack.enter_context(Store(config))
        else:
            loop = stack.enter_context(LoopThread())
            yield stack.enter_context(blocking_store(AsyncStore(config), loop))


def test_every_operation(store: Store, road: Road) -> None:
    store.create_bucket("virtual")
    for key in ("a", "a/../b", "ü %2F+", "/"):
        store.create_object("virtual", key, key, metadata={"of": key})
        assert store.get_object("virtual", key).text() == key
        assert store.get_metadata("virtual", key) == {"of": key}
    store.copy_object("virtual", "a/../b", "virtual", "copy")
    with store.create_multipart_upload("virtual", "parts") as upload:
        upload.upload_part(1, b"x" * PART)
        upload.upload_part(2, b"y")
        upload.complete()
    assert store.get_object("virtual", "parts", start=-2).read() == b"xy"
    listed = [entry.key for entry in store.get_all_objects("virtual")]
    assert listed == sorted(["a", "a/../b", "ü %2F+", "/", "copy", "parts"], key=str.encode)
    assert [bucket.name for bucket in store.get_all_buckets()].count("virtual") == 1
    store.delete_objects("virtual", listed)
    store.delete_bucket("virtual")
    assert not store.bucket_exists("virtual")
    assert road.hosts == {f"virtual.{DOMAIN}:443", f"{DOMAIN}:443"}


def test_presigned_url(store: Store, road: Road) -> None:
    store.create_bucket("signed-host")
    store.create_object("signed-host", "a b", b"data")
    signed = store.presign("signed-host", "a b", method="GET", expires_in=60)
    assert urlsplit(signed.url).netloc == f"signed-host.{DOMAIN}"
    connection = http.client.HTTPSConnection("127.0.0.1", road.proxy.port, context=road.trusted)
    connection.set_tunnel(f"signed-host.{DOMAIN}", 443)
    try:
        connection.request("GET", signed.url.removeprefix(f"https://signed-host.{DOMAIN}"))
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (200, b"data")
    finally:
        connection.close()
    store.delete_bucket("signed-host", force=True)
