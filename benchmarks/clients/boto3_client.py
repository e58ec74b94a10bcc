"""boto3, the SDK of AWS."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from benchmarks.workload import BUCKET, LARGE, LISTED, SMALL

from .interface import ACCESS_KEY, CONNECTIONS, REGION, SECRET_KEY, BlockingClient, Server

__all__ = ["Blocking"]

session: Any = importlib.import_module("boto3.session")
configuration: Any = importlib.import_module("botocore.config")


class Blocking(BlockingClient):
    verifies_downloads = "nothing: it asks for ranges, which carry no checksum"
    verifies_uploads = "CRC32 and SHA-256 of every request, checked by the server"

    def __init__(self, server: Server) -> None:
        if server.ca_file:
            self.verifies_uploads = "CRC32 of every request, checked by the server"
        self.client = session.Session().client(
            "s3",
            endpoint_url=server.url,
            region_name=REGION,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            verify=server.ca_file,
            config=configuration.Config(
                s3={"addressing_style": "path"}, max_pool_connections=CONNECTIONS
            ),
        )

    def get(self) -> int:
        return len(self.client.get_object(Bucket=BUCKET, Key=SMALL)["Body"].read())

    def put(self, data: bytes) -> int:
        self.client.put_object(Bucket=BUCKET, Key=SMALL, Body=data)
        return len(data)

    def head(self) -> int:
        return int(self.client.head_object(Bucket=BUCKET, Key=SMALL)["ContentLength"])

    def page(self) -> int:
        return len(self.client.list_objects_v2(Bucket=BUCKET, Prefix=LISTED)["Contents"])

    def download(self, path: Path) -> None:
        self.client.download_file(BUCKET, LARGE, str(path))

    def upload(self, path: Path) -> None:
        self.client.upload_file(str(path), BUCKET, LARGE)
