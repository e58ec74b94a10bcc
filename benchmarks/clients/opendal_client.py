"""Apache OpenDAL, in Rust as well. Its certificates come from the environment (SSL_CERT_FILE)."""

from __future__ import annotations

import importlib
import shutil
from pathlib import Path
from typing import Any

from benchmarks.workload import BUCKET, LARGE, LISTED, SMALL

from .interface import ACCESS_KEY, COPY_SIZE, REGION, SECRET_KEY, AwaitedClient, BlockingClient, Server

__all__ = ["Awaited", "Blocking"]

opendal: Any = importlib.import_module("opendal")


def settings(server: Server) -> dict[str, str]:
    if server.vendor == "swift":
        return {
            "container": BUCKET,
            "endpoint": f"{server.url}/v1/AUTH_bench",
            "token": "AUTH_tk0123456789abcdef0123456789abcdef",
        }
    return {
        "bucket": BUCKET,
        "endpoint": server.url,
        "region": REGION,
        "access_key_id": ACCESS_KEY,
        "secret_access_key": SECRET_KEY,
        "disable_config_load": "true",
        "disable_ec2_metadata": "true",
    }


class Blocking(BlockingClient):
    def __init__(self, server: Server) -> None:
        self.operator = opendal.Operator(server.vendor, **settings(server))

    def get(self) -> int:
        return len(self.operator.read(SMALL))

    def put(self, data: bytes) -> int:
        self.operator.write(SMALL, data)
        return len(data)

    def head(self) -> int:
        return int(self.operator.stat(SMALL).content_length)

    def page(self) -> int:
        return sum(1 for _ in self.operator.list(LISTED))

    def download(self, path: Path) -> None:
        with self.operator.open(LARGE, "rb") as source, path.open("wb") as file:
            shutil.copyfileobj(source, file, COPY_SIZE)

    def upload(self, path: Path) -> None:
        with path.open("rb") as file, self.operator.open(LARGE, "wb") as target:
            shutil.copyfileobj(file, target, COPY_SIZE)


class Awaited(AwaitedClient):
    def __init__(self, server: Server) -> None:
        self.operator = opendal.AsyncOperator(server.vendor, **settings(server))

    async def get(self) -> int:
        return len(await self.operator.read(SMALL))

    async def put(self, data: bytes) -> int:
        await self.operator.write(SMALL, data)
        return len(data)

    async def head(self) -> int:
        return int((await self.operator.stat(SMALL)).content_length)

    async def close(self) -> None:
        """There is nothing to close."""
