"""obstore: Rust's object_store."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from benchmarks.workload import BUCKET, LARGE, LISTED, SMALL

from .interface import ACCESS_KEY, REGION, SECRET_KEY, AwaitedClient, BlockingClient, Server

__all__ = ["Awaited", "Blocking"]

obstore: Any = importlib.import_module("obstore")
stores: Any = importlib.import_module("obstore.store")


def open_store(server: Server) -> Any:
    options: dict[str, object] = {"allow_http": True}
    if server.ca_file:
        options["root_certificate"] = Path(server.ca_file).read_bytes()
    return stores.S3Store(
        BUCKET,
        endpoint=server.url,
        region=REGION,
        access_key_id=ACCESS_KEY,
        secret_access_key=SECRET_KEY,
        client_options=options,
    )


class Blocking(BlockingClient):
    verifies_uploads = "SHA-256 of every request, checked by the server"

    def __init__(self, server: Server) -> None:
        self.store = open_store(server)

    def get(self) -> int:
        return len(bytes(obstore.get(self.store, SMALL).bytes()))

    def put(self, data: bytes) -> int:
        obstore.put(self.store, SMALL, data)
        return len(data)

    def head(self) -> int:
        return int(obstore.head(self.store, SMALL)["size"])

    def page(self) -> int:
        return len(obstore.list(self.store, LISTED).collect())

    def download(self, path: Path) -> None:
        with path.open("wb") as file:
            for chunk in obstore.get(self.store, LARGE).stream():
                file.write(chunk)

    def upload(self, path: Path) -> None:
        obstore.put(self.store, LARGE, path)


class Awaited(AwaitedClient):
    def __init__(self, server: Server) -> None:
        self.store = open_store(server)

    async def get(self) -> int:
        found = await obstore.get_async(self.store, SMALL)
        return len(bytes(await found.bytes_async()))

    async def put(self, data: bytes) -> int:
        await obstore.put_async(self.store, SMALL, data)
        return len(data)

    async def head(self) -> int:
        return int((await obstore.head_async(self.store, SMALL))["size"])

    async def close(self) -> None:
        """There is nothing to close."""
