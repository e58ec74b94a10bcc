"""Where large objects go: real servers, the simulator of Qiniu, a disk; as processes know them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from types import MappingProxyType

from tests.servers.ministack_server import Ministack
from tests.servers.qiniu_server import Qiniu
from tests.servers.swift_server import Swift

Settings = Mapping[str, str]
"""What `StoreFactory.create` takes."""


@contextmanager
def s3() -> Iterator[Settings]:
    with Ministack() as server:
        yield {
            "provider": "s3",
            "endpoint": server.url,
            "region": "us-east-1",
            "access_key": server.access_key,
            "secret_key": server.secret_key,
        }


@contextmanager
def swift() -> Iterator[Settings]:
    with Swift() as server:
        yield {
            "provider": "swift",
            "auth_url": f"{server.url}/auth/v1.0",
            "user": server.access_key,
            "secret_key": server.secret_key,
        }


@contextmanager
def qiniu() -> Iterator[Settings]:
    with Qiniu() as server:
        yield {
            "provider": "qiniu",
            "access_key": server.access_key,
            "secret_key": server.secret_key,
            "up": server.upload_url,
            **dict.fromkeys(("endpoint", "rs", "rsf", "cdn"), server.url),
        }


@contextmanager
def local() -> Iterator[Settings]:
    with tempfile.TemporaryDirectory(prefix="cloudstore-transfers-") as root:
        yield {"provider": "file", "root": root}


PLACES: Mapping[str, Callable[[], AbstractContextManager[Settings]]] = MappingProxyType(
    {"s3": s3, "swift": swift, "qiniu": qiniu, "file": local}
)
