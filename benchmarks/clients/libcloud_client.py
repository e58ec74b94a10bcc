"""Apache libcloud, on requests: its drivers of S3 and of OpenStack Swift.

A driver of it serves one thread, so each thread has one. It looks at the bucket before each look at an
object, and writes bytes to S3 in parts unless they are in a file.
"""

from __future__ import annotations

import importlib
import tempfile
import threading
from io import BytesIO
from pathlib import Path
from typing import Any

from benchmarks.workload import BUCKET, LARGE, LARGE_SIZE, LISTED, SMALL, SMALL_SIZE

from .interface import ACCESS_KEY, COPY_SIZE, REGION, SECRET_KEY, BlockingClient, Server

__all__ = ["Blocking"]

base: Any = importlib.import_module("libcloud.storage.base")


def open_s3(server: Server) -> Any:
    host, _, port = server.host.partition(":")
    driver: Any = importlib.import_module("libcloud.storage.drivers.s3").S3StorageDriver
    return driver(
        ACCESS_KEY,
        SECRET_KEY,
        secure=server.ca_file is not None,
        host=host,
        port=int(port),
        region=REGION,
    )


def open_swift(server: Server) -> Any:
    module: Any = importlib.import_module("libcloud.storage.drivers.cloudfiles")
    return module.OpenStackSwiftStorageDriver(
        f"bench:{ACCESS_KEY}",
        SECRET_KEY,
        secure=server.ca_file is not None,
        ex_force_base_url=f"{server.url}/v1/AUTH_bench",
        ex_force_auth_token="AUTH_tk0123456789abcdef0123456789abcdef",
    )


class Blocking(BlockingClient):
    verifies_uploads = "MD5 of the whole, against the answer"

    def __init__(self, server: Server) -> None:
        self.server = server
        self.local = threading.local()
        self.folder = tempfile.TemporaryDirectory()
        self.file = Path(self.folder.name, SMALL)

    @property
    def driver(self) -> Any:
        """This thread's."""
        try:
            return self.local.driver
        except AttributeError:
            made = open_swift(self.server) if self.server.vendor == "swift" else open_s3(self.server)
            self.local.driver = made
            return made

    @property
    def container(self) -> Any:
        return base.Container(BUCKET, {}, self.driver)

    def _object(self, name: str, size: int) -> Any:
        """As a listing gives it: without asking the server."""
        return base.Object(name, size, "", {}, {}, self.container, self.driver)

    def get(self) -> int:
        found = self.driver.download_object_as_stream(self._object(SMALL, SMALL_SIZE))
        return len(b"".join(found))

    def put(self, data: bytes) -> int:
        if self.server.vendor == "swift":
            self.driver.upload_object_via_stream(BytesIO(data), self.container, SMALL)
        else:
            self.file.write_bytes(data)
            self.driver.upload_object(str(self.file), self.container, SMALL)
        return len(data)

    def head(self) -> int:
        return int(self.driver.get_object(BUCKET, SMALL).size)

    def page(self) -> int:
        return len(self.driver.list_container_objects(self.container, prefix=LISTED))

    def download(self, path: Path) -> None:
        # Not `download_object`: it holds all of it, and writes it in small pieces.
        with path.open("wb") as file:
            large = self._object(LARGE, LARGE_SIZE)
            for chunk in self.driver.download_object_as_stream(large, COPY_SIZE):
                file.write(chunk)

    def upload(self, path: Path) -> None:
        self.driver.upload_object(str(path), self.container, LARGE)
