"""A server that says what a test tells it to, and keeps what it was asked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self


@dataclass(frozen=True)
class Asked:
    """A request as it came: path and query raw, names of headers in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]


@dataclass(frozen=True)
class Say:
    """An answer."""

    status: int = 200
    body: bytes | str = b""
    headers: Mapping[str, str] = field(default_factory=dict)


class ScriptedServer:
    """Answers by a function of the request, or by a list of answers, one after the other."""

    def __init__(self, script: Callable[[Asked], Say] | list[Say]) -> None:
        self.asked: list[Asked] = []
        answers = None if callable(script) else iter(script)

        def answer(asked: Asked) -> Say:
            self.asked.append(asked)
            return script(asked) if callable(script) else next(answers or iter(()))

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # head and body go out one by one

            def handle_one_request(self) -> None:
                self.raw_requestline = self.rfile.readline(65536)
                if not self.raw_requestline:
                    self.close_connection = True
                    return
                # `self.path` is normalised; what came is the point here.
                method, target, _ = self.raw_requestline.decode("latin-1").split()
                if not self.parse_request():
                    return
                length = int(self.headers.get("content-length") or 0)
                headers = {name.lower(): value for name, value in self.headers.items()}
                said = answer(Asked(method, target, headers, self.rfile.read(length)))
                body = said.body.encode() if isinstance(said.body, str) else said.body
                self.send_response_only(said.status)
                for name, value in said.headers.items():
                    self.send_header(name, value)
                if not {"content-length", "Content-Length"} & set(said.headers):
                    self.send_header("content-length", str(len(body)))
                self.end_headers()
                if method != "HEAD":
                    self.wfile.write(body)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
