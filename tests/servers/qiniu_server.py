"""The simulator of Qiniu in a process of its own, so that what it holds is not the tests' memory."""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path

from cloudstore.testing.qiniu import QiniuLimits, QiniuSimulator

from .process import ServerProcess

ROOT = Path(__file__).parent.parent.parent
SMALL_PART = 16 * 1024
"""Smaller than Qiniu's, so that many parts are still quick."""


class Qiniu(ServerProcess):
    """The server: management, uploads, and a port for each bucket's downloads.

    Attributes:
        url: of the management hosts.
        upload_url: of the upload host.
        access_key, secret_key: of its one account.
    """

    def __init__(self) -> None:
        super().__init__()
        self.launch([sys.executable, "-m", "tests.servers.qiniu_server"], {"PYTHONPATH": str(ROOT)})
        if not self.wait_until_ready():
            raise AssertionError(f"the simulator does not start:\n{self.log.read_text()}")
        said = json.loads(self.log.read_text().splitlines()[0])
        self.url, self.upload_url = said["url"], said["upload_url"]
        self.access_key, self.secret_key = said["access_key"], said["secret_key"]

    def is_ready(self) -> bool:
        """It listens before it says where."""
        return self.log.read_text().endswith("}\n")


def main() -> None:
    """Serves until it is ended."""
    simulator = QiniuSimulator(limits=QiniuLimits(min_part=SMALL_PART, buckets=10_000))
    said = {
        "url": simulator.api_url,
        "upload_url": simulator.upload_url,
        "access_key": simulator.access_key,
        "secret_key": simulator.secret_key,
    }
    print(json.dumps(said), flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
