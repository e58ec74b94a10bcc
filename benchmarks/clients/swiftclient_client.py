"""python-swiftclient, on requests. A connection of it serves one thread, so each thread has one."""

from __future__ import annotations

import importlib
import threading
from io import BytesIO
from pathlib import Path
from typing import Any

from benchmarks.workload import BUCKET, LARGE, LARGE_SIZE, LISTED, LISTED_KEYS, SMALL

from .interface import ACCESS_KEY, COPY_SIZE, SECRET_KEY, BlockingClient, Server

__all__ = ["Blocking"]

swiftclient: Any = importlib.import_module("swiftclient")


class Blocking(BlockingClient):
    def __init__(self, server: Server) -> None:
        self.server = server
        self.local = threading.local()

    @property
    def connection(self) -> Any:
        """This thread's."""
        try:
            return self.local.connection
        except AttributeError:
            self.local.connection = swiftclient.Connection(
                authurl=f"{self.server.url}/auth/v1.0",
                user=f"bench:{ACCESS_KEY}",
                key=SECRET_KEY,
                auth_version="1",
                cacert=self.server.ca_file,
            )
            return self.local.connection

    def get(self) -> int:
        _, body = self.connection.get_object(BUCKET, SMALL)
        return len(body)

    def put(self, data: bytes) -> int:
        self.connection.put_object(BUCKET, SMALL, BytesIO(data), content_length=len(data))
        return len(data)

    def head(self) -> int:
        return int(self.connection.head_object(BUCKET, SMALL)["content-length"])

    def page(self) -> int:
        _, rows = self.connection.get_container(BUCKET, prefix=LISTED, limit=LISTED_KEYS)
        return len(rows)

    def download(self, path: Path) -> None:
        _, chunks = self.connection.get_object(BUCKET, LARGE, resp_chunk_size=COPY_SIZE)
        with path.open("wb") as file:
            for chunk in chunks:
                file.write(chunk)

    def upload(self, path: Path) -> None:
        with path.open("rb") as file:
            self.connection.put_object(BUCKET, LARGE, file, content_length=LARGE_SIZE)
