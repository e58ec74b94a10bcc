"""OpenStack Swift (PyPI): its native API and, on the same port, S3's by its ``s3api``."""

from __future__ import annotations

import http.client
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .s3_server import S3Server

if TYPE_CHECKING:
    from .keystone_server import Keystone

READY = "ready "


class Swift(S3Server):
    """The server: proxy, account, container and object server in one process.

    Args:
        keystone: who says who is who, in the place of TempAuth; there is no S3 then.
        token_seconds: how long TempAuth's tokens live.

    Attributes:
        url: of both APIs.
        access_key, secret_key: for S3; the native API calls them user and key.
    """

    preset = "swift"
    access_key, secret_key = "test:tester", "key-of-the-tester"

    def __init__(self, keystone: Keystone | None = None, *, token_seconds: int = 86400) -> None:
        super().__init__()
        environment = {"SWIFT_TOKEN_LIFE": str(token_seconds)}
        if keystone is not None:
            environment["SWIFT_KEYSTONE"] = keystone.url
            environment["SWIFT_KEYSTONE_PASSWORD"] = keystone.password
        script = Path(__file__).with_name("swift_process.py")
        self._port = 0
        self.launch([sys.executable, "-W", "ignore", script, self.folder], environment)
        if not self.wait_until_ready():
            raise AssertionError(f"Swift does not start:\n{self.log.read_text()}")
        self.url = f"http://127.0.0.1:{self._port}"

    def is_ready(self) -> bool:
        """It binds its ports itself and then says which; so nobody can take them before."""
        said = [line for line in self.log.read_text().splitlines() if line.startswith(READY)]
        if not said:
            return False
        self._port = int(said[0].removeprefix(READY))
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=5)
        try:
            connection.request("GET", "/healthcheck")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()
