"""A client of the simulator that sends what it is told to, signed by Qiniu's SDK."""

from __future__ import annotations

import http.client
import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from qiniu import Auth, QiniuMacAuth

from cloudstore.testing.qiniu import QiniuSimulator

FORM = "application/x-www-form-urlencoded"
BOUNDARY = "a-boundary"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> str:
        return str(self.json["error"])


def entry(bucket: str, key: str) -> str:
    return encoded(f"{bucket}:{key}")


def encoded(text: str) -> str:
    return urlsafe_b64encode(text.encode()).decode()


def form(fields: Mapping[str, str], data: bytes, name: str = "file", mime: str = "text/plain") -> bytes:
    head = "".join(
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{field}"\r\n\r\n{value}\r\n'
        for field, value in fields.items()
    )
    file = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
    kind = f"Content-Type: {mime}\r\n" if mime else ""
    return f"{head}{file}{kind}\r\n".encode() + data + f"\r\n--{BOUNDARY}--\r\n".encode()


class Client:
    """Keeps a connection to each host; `close` closes them."""

    def __init__(self, simulator: QiniuSimulator) -> None:
        self.simulator = simulator
        self.auth = Auth(simulator.access_key, simulator.secret_key)
        self.mac = QiniuMacAuth(simulator.access_key, simulator.secret_key)
        self._connections: dict[str, http.client.HTTPConnection] = {}

    def close(self) -> None:
        for connection in self._connections.values():
            connection.close()

    def send(
        self,
        host: str,
        method: str,
        target: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        connection = self._connections.setdefault(host, http.client.HTTPConnection(host, timeout=20))
        try:
            connection.request(method, target, body or None, dict(headers or {}))
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        except OSError:
            connection.close()
            raise

    # --- the management port ---

    def signed(
        self, method: str, target: str, body: bytes = b"", kind: str = FORM, date: float | None = None
    ) -> dict[str, str]:
        headers = {"Content-Type": kind}
        if date is not None:
            headers["X-Qiniu-Date"] = datetime.fromtimestamp(date, UTC).strftime("%Y%m%dT%H%M%SZ")
        token = self.mac.token_of_request(
            method,
            self.simulator.api_host,
            f"{self.simulator.api_url}{target}",
            self.mac.qiniu_headers(headers),
            kind,
            body,
        )
        return {**headers, "Authorization": f"Qiniu {token}"}

    def manage(self, target: str, body: bytes = b"", method: str = "POST", kind: str = FORM) -> Answer:
        headers = self.signed(method, target, body, kind)
        return self.send(self.simulator.api_host, method, target, body, headers)

    def stat(self, bucket: str, key: str) -> Answer:
        return self.manage(f"/stat/{entry(bucket, key)}", method="GET")

    def batch(self, *operations: str) -> Answer:
        return self.manage("/batch", "&".join(f"op={quote(op)}" for op in operations).encode())

    def list(self, bucket: str, **query: object) -> Answer:
        parameters = "".join(f"&{name}={quote(str(value))}" for name, value in query.items())
        return self.manage(f"/list?bucket={bucket}{parameters}", method="GET")

    # --- the upload port ---

    def token(self, bucket: str, key: str | None = None, **policy: Any) -> str:
        return str(self.auth.upload_token(bucket, key, policy=policy, strict_policy=False))

    def post(
        self,
        fields: Mapping[str, str],
        data: bytes,
        name: str = "file",
        mime: str = "text/plain",
    ) -> Answer:
        headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        body = form(fields, data, name, mime)
        return self.send(self.simulator.upload_host, "POST", "/", body, headers)

    def put(self, bucket: str, key: str, data: bytes = b"data", **fields: str) -> Answer:
        return self.post({"token": self.token(bucket, key), "key": key, **fields}, data)

    def parts(
        self,
        method: str,
        bucket: str,
        key: str | None,
        rest: str = "",
        body: bytes = b"",
        token: str | None = None,
        **headers: str,
    ) -> Answer:
        place = "~" if key is None else encoded(key)
        given = {"Authorization": f"UpToken {token or self.token(bucket, key)}", **headers}
        target = f"/buckets/{bucket}/objects/{place}/uploads{rest}"
        return self.send(self.simulator.upload_host, method, target, body, given)

    # --- the download domains ---

    def get(self, bucket: str, key: str, query: str = "", **headers: str) -> Answer:
        return self.fetch("GET", bucket, key, query, **headers)

    def fetch(self, method: str, bucket: str, key: str, query: str = "", **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        target = f"/{quote(key, safe='')}{query}"
        return self.send(self.simulator.domain(bucket), method, target, headers=named)

    def private(self, bucket: str, key: str, query: str = "", expires: int = 3600) -> str:
        """Path and query of a private URL."""
        domain = f"http://{self.simulator.domain(bucket)}"
        url = self.auth.private_download_url(f"{domain}/{quote(key, safe='')}{query}", expires)
        return str(url).removeprefix(domain)
