"""A gate before a real Swift that hands out tokens of its own, and takes them back when it is told to.

TempAuth has no way to revoke a token, and a Keystone takes its time; here a test says when.
"""

from __future__ import annotations

import http.client
import threading
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from cloudstore.testing.loopback import LoopbackServer, Request, Response
from tests.servers.swift_server import Swift

MAX_BODY = 64 * 1024 * 1024


class Gate:
    """See the module.

    Attributes:
        url: in the place of the server's.
        logins: how many tokens were given.
        refusals: how many requests came with a token that is good no more.
        closed: status with which logins are answered, or None.
        always: every token is refused.
    """

    def __init__(self, server: Swift) -> None:
        self._server = server
        self._place = urlsplit(server.url).netloc
        self._guard = threading.Lock()
        self._good: set[str] = set()
        self.logins = self.refusals = 0
        self.closed: int | None = None
        self.always = False
        self._token = self._real_token()
        self._front = LoopbackServer(self._answer, max_body=MAX_BODY)
        self.url = f"http://127.0.0.1:{self._front.listen()}"

    def revoke(self) -> None:
        """The tokens that are out are refused from now on."""
        with self._guard:
            self._good.clear()

    def _real_token(self) -> str:
        who = {"X-Auth-User": self._server.access_key, "X-Auth-Key": self._server.secret_key}
        answer = self._forward("GET", "/auth/v1.0", who, b"")
        return answer.headers["x-auth-token"]

    def _forward(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Response:
        connection = http.client.HTTPConnection(self._place, timeout=30)
        try:
            connection.request(method, target, body, headers)
            found = connection.getresponse()
            data = found.read()
            # Of a repeated field none is lost that matters here.
            sent = {name.lower(): value for name, value in found.getheaders()}
            for name in ("date", "connection", "transfer-encoding"):
                sent.pop(name, None)
            length = sent.pop("content-length", "0")
            if method == "HEAD":
                data = bytes(int(length))  # of which the front tells only the length
            return Response(found.status, sent, data)
        finally:
            connection.close()

    def _answer(self, request: Request) -> Response:
        if request.path.startswith("/auth/"):
            return self._log_in(request)
        token = request.headers.get("x-auth-token", "")
        with self._guard:
            if self.always or token not in self._good:
                self.refusals += 1
                return Response(
                    401, {"x-trans-id": "tx401", "content-type": "text/html"}, b"<h1>No</h1>"
                )
        headers = {**request.headers, "x-auth-token": self._token}
        headers.pop("expect", None)
        return self._forward(request.method, request.target, headers, bytes(request.body))

    def _log_in(self, request: Request) -> Response:
        with self._guard:
            self.logins += 1
            if self.closed is not None:
                return Response(self.closed, {"x-trans-id": "tx"}, b"")
            token = f"AUTH_tk-gate-{self.logins}"
            self._good.add(token)
            place = f"http://{request.headers['host']}/v1/AUTH_test"
            return Response(200, {"x-storage-url": place, "x-auth-token": token}, b"")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._front.close()
