"""The `qiniu` SDK, on requests. It has no call for reading: requests reads, as its documentation shows.

Each call looks at the answer's status, since the SDK raises nothing for an HTTP error.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from benchmarks.workload import BUCKET, LARGE, LISTED, LISTED_KEYS, SMALL

from .interface import ACCESS_KEY, CONNECTIONS, COPY_SIZE, SECRET_KEY, BlockingClient, Server

__all__ = ["Blocking"]

qiniu: Any = importlib.import_module("qiniu")
client: Any = importlib.import_module("qiniu.http.default_client")
region: Any = importlib.import_module("qiniu.http.region")
endpoint: Any = importlib.import_module("qiniu.http.endpoint")
requests: Any = importlib.import_module("requests")


class Blocking(BlockingClient):
    verifies_uploads = "MD5 of every part, checked by the server"

    def __init__(self, server: Server) -> None:
        scheme = server.scheme
        qiniu.config.set_default(connection_pool=CONNECTIONS, default_zone=qiniu.Zone(scheme=scheme))
        self.auth = qiniu.Auth(ACCESS_KEY, SECRET_KEY)
        hosts = [endpoint.Endpoint(server.host, default_scheme=scheme)]
        self.regions = [
            region.Region(region_id="z0", services=dict.fromkeys(region.ServiceName, hosts))
        ]
        self.manager = qiniu.BucketManager(self.auth, regions=self.regions, preferred_scheme=scheme)
        self.domain = server.url
        self.session = requests.Session()
        adapter = requests.adapters.HTTPAdapter(pool_maxsize=CONNECTIONS)
        self.session.mount(self.domain, adapter)
        # The SDK mounts a pool for "http://" anew before each request; a longer prefix stays.
        client.qn_http_client.session.mount(self.domain, adapter)
        if server.ca_file:
            self.session.verify = client.qn_http_client.session.verify = server.ca_file

    def _url(self, key: str) -> str:
        url: str = self.auth.private_download_url(f"{self.domain}/{key}", expires=3600)
        return url

    def get(self) -> int:
        found = self.session.get(self._url(SMALL))
        found.raise_for_status()
        return len(found.content)

    def put(self, data: bytes) -> int:
        token = self.auth.upload_token(BUCKET, SMALL)
        done(qiniu.put_data(token, SMALL, data, regions=self.regions))
        return len(data)

    def head(self) -> int:
        return int(done(self.manager.stat(BUCKET, SMALL))["fsize"])

    def page(self) -> int:
        found, _, info = self.manager.list(BUCKET, prefix=LISTED, limit=LISTED_KEYS)
        return len(done((found, info))["items"])

    def download(self, path: Path) -> None:
        with self.session.get(self._url(LARGE), stream=True) as found, path.open("wb") as file:
            found.raise_for_status()
            for chunk in found.iter_content(COPY_SIZE):
                file.write(chunk)

    def upload(self, path: Path) -> None:
        token = self.auth.upload_token(BUCKET, LARGE)
        found = qiniu.put_file_v2(
            token, LARGE, str(path), version="v2", bucket_name=BUCKET, regions=self.regions
        )
        done(found)


def done(found: tuple[Any, Any]) -> Any:
    """What was answered."""
    body, info = found
    if not info.ok() or body is None:
        raise OSError(f"status {info.status_code}: {info.error or info.exception}")
    return body
