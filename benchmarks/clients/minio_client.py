"""minio-py, on urllib3."""

from __future__ import annotations

import importlib
from io import BytesIO
from pathlib import Path
from typing import Any

from benchmarks.workload import BUCKET, LARGE, LISTED, SMALL

from .interface import ACCESS_KEY, CONNECTIONS, REGION, SECRET_KEY, BlockingClient, Server

__all__ = ["Blocking"]

minio: Any = importlib.import_module("minio")
urllib3: Any = importlib.import_module("urllib3")


class Blocking(BlockingClient):
    verifies_uploads = "SHA-256 of every request, checked by the server"

    def __init__(self, server: Server) -> None:
        if server.ca_file:
            self.verifies_uploads = "MD5 of every request, checked by the server"
        self.client = minio.Minio(
            server.host,
            access_key=ACCESS_KEY,
            secret_key=SECRET_KEY,
            secure=server.ca_file is not None,
            region=REGION,
            http_client=urllib3.PoolManager(maxsize=CONNECTIONS, ca_certs=server.ca_file),
        )

    def get(self) -> int:
        answer = self.client.get_object(BUCKET, SMALL)
        try:
            return len(answer.read())
        finally:
            answer.close()
            answer.release_conn()

    def put(self, data: bytes) -> int:
        self.client.put_object(BUCKET, SMALL, BytesIO(data), len(data))
        return len(data)

    def head(self) -> int:
        return int(self.client.stat_object(BUCKET, SMALL).size)

    def page(self) -> int:
        return sum(1 for _ in self.client.list_objects(BUCKET, prefix=LISTED, recursive=True))

    def download(self, path: Path) -> None:
        self.client.fget_object(BUCKET, LARGE, str(path))

    def upload(self, path: Path) -> None:
        self.client.fput_object(BUCKET, LARGE, str(path))
