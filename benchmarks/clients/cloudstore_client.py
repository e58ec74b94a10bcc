"""cloudstore: checksums on what is written and read, as by default with these vendors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from benchmarks.workload import BUCKET, LARGE, LISTED, SMALL
from cloudstore import AsyncStore, Config, Secret, Store

from .interface import ACCESS_KEY, REGION, SECRET_KEY, AwaitedClient, BlockingClient, Server

__all__ = ["Awaited", "Blocking"]


def s3_config(server: Server) -> Config:
    from cloudstore.providers.s3 import S3Config

    return S3Config(
        access_key=ACCESS_KEY,
        secret_key=Secret(SECRET_KEY),
        endpoint=server.url,
        region=REGION,
        preset="aws",
        ca_file=server.ca_file,
    )


def swift_config(server: Server) -> Config:
    from cloudstore.providers.swift import SwiftConfig

    return SwiftConfig(
        auth_url=f"{server.url}/auth/v1.0",
        user=f"bench:{ACCESS_KEY}",
        secret_key=Secret(SECRET_KEY),
        ca_file=server.ca_file,
    )


def qiniu_config(server: Server) -> Config:
    from cloudstore.providers.qiniu import QiniuConfig

    return QiniuConfig(
        access_key=ACCESS_KEY,
        secret_key=Secret(SECRET_KEY),
        endpoint=server.url,
        domain=server.url,
        ca_file=server.ca_file,
    )


CONFIGS: dict[str, Callable[[Server], Config]] = {
    "s3": s3_config,
    "swift": swift_config,
    "qiniu": qiniu_config,
}
"""A vendor's configuration is imported where it is measured: memory counts."""

VERIFIES = {
    "s3": (
        "CRC32 of the whole, before the file appears",
        "CRC32 and SHA-256 of every request, CRC32 of the whole, checked by the server",
    ),
    "swift": (
        "MD5 of the whole, before the file appears",
        "MD5 of every segment, checked by the server",
    ),
    "qiniu": (
        "nothing: the hash of an object in parts is not one of its bytes",
        "MD5 of every part, checked by the server",
    ),
}
"""Of large transfers, down and up."""


def config(server: Server) -> Config:
    return CONFIGS[server.vendor](server)


class Blocking(BlockingClient):
    def __init__(self, server: Server) -> None:
        self.store = Store(config(server))
        self.verifies_downloads, self.verifies_uploads = VERIFIES[server.vendor]
        if server.ca_file:  # nobody changes what TLS carries, so that requests sign no payload
            self.verifies_uploads = self.verifies_uploads.replace(" and SHA-256", "")

    def get(self) -> int:
        return len(self.store.get_object(BUCKET, SMALL).read())

    def put(self, data: bytes) -> int:
        self.store.create_object(BUCKET, SMALL, data)
        return len(data)

    def head(self) -> int:
        return self.store.head_object(BUCKET, SMALL).size

    def page(self) -> int:
        return len(self.store.get_all_objects(BUCKET, LISTED))

    def download(self, path: Path) -> None:
        self.store.get_object_to_file(BUCKET, LARGE, path)

    def upload(self, path: Path) -> None:
        self.store.create_object_from_file(BUCKET, LARGE, path)


class Awaited(AwaitedClient):
    def __init__(self, server: Server) -> None:
        self.store = AsyncStore(config(server))

    async def get(self) -> int:
        return len(await (await self.store.get_object(BUCKET, SMALL)).read())

    async def put(self, data: bytes) -> int:
        await self.store.create_object(BUCKET, SMALL, data)
        return len(data)

    async def head(self) -> int:
        return (await self.store.head_object(BUCKET, SMALL)).size

    async def close(self) -> None:
        await self.store.close()
