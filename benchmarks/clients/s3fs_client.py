"""s3fs, on aiobotocore; its caches are off, so that every call asks the server."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from benchmarks.workload import BUCKET, LARGE, LISTED, SMALL

from .interface import (
    ACCESS_KEY,
    CONNECTIONS,
    REGION,
    SECRET_KEY,
    AwaitedClient,
    BlockingClient,
    Server,
)

__all__ = ["Awaited", "Blocking"]

s3fs: Any = importlib.import_module("s3fs")


def open_filesystem(server: Server, asynchronous: bool) -> Any:
    return s3fs.S3FileSystem(
        key=ACCESS_KEY,
        secret=SECRET_KEY,
        endpoint_url=server.url,
        client_kwargs={"region_name": REGION, "verify": server.ca_file},
        config_kwargs={"s3": {"addressing_style": "path"}, "max_pool_connections": CONNECTIONS},
        use_listings_cache=False,
        skip_instance_cache=True,
        asynchronous=asynchronous,
    )


class Blocking(BlockingClient):
    verifies_uploads = "CRC32 and SHA-256 of every request, checked by the server"

    def __init__(self, server: Server) -> None:
        if server.ca_file:
            self.verifies_uploads = "CRC32 of every request, checked by the server"
        self.filesystem = open_filesystem(server, asynchronous=False)

    def get(self) -> int:
        return len(self.filesystem.cat_file(f"{BUCKET}/{SMALL}", max_concurrency=1))

    def put(self, data: bytes) -> int:
        self.filesystem.pipe_file(f"{BUCKET}/{SMALL}", data)
        return len(data)

    def head(self) -> int:
        return int(self.filesystem.info(f"{BUCKET}/{SMALL}")["size"])

    def page(self) -> int:
        return len(self.filesystem.ls(f"{BUCKET}/{LISTED}", detail=True))

    def download(self, path: Path) -> None:
        self.filesystem.get_file(f"{BUCKET}/{LARGE}", str(path))

    def upload(self, path: Path) -> None:
        self.filesystem.put_file(str(path), f"{BUCKET}/{LARGE}")


class Awaited(AwaitedClient):
    def __init__(self, server: Server) -> None:
        self.filesystem = open_filesystem(server, asynchronous=True)

    async def get(self) -> int:
        return len(await self.filesystem._cat_file(f"{BUCKET}/{SMALL}", max_concurrency=1))

    async def put(self, data: bytes) -> int:
        await self.filesystem._pipe_file(f"{BUCKET}/{SMALL}", data)
        return len(data)

    async def head(self) -> int:
        return int((await self.filesystem._info(f"{BUCKET}/{SMALL}"))["size"])

    async def close(self) -> None:
        await (await self.filesystem.set_session()).close()
