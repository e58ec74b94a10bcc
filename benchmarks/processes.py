"""The processes of a benchmark over the network: the null server, and one for each client and face.

So nobody pays for another's work, and one client works at a time. All of them end with this process:
they stop when their standard input ends.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from ssl import create_default_context
from types import TracebackType
from typing import Any, Self

from benchmarks.measuring import ROOT

__all__ = ["ClientError", "ClientProcess", "Counts", "NullServer"]


FOREIGN = (
    "AWS_",
    "CLOUDSTORE_",
    "CURL_",
    "LIBCLOUD_",
    "OS_",
    "QINIU_",
    "REQUESTS_",
    "SSL_",
    "ST_",
    "XDG_",
)
"""Beginnings of the names of variables that clients would listen to."""


class ClientError(Exception):
    """What a client said when it failed."""


@dataclass(frozen=True)
class Counts:
    """What a server did.

    Attributes:
        received: bytes of bodies.
        sent: bytes of answers.
    """

    requests: int
    received: int
    sent: int

    def __sub__(self, before: Counts) -> Counts:
        return Counts(
            self.requests - before.requests, self.received - before.received, self.sent - before.sent
        )


class _Process:
    """A module of this folder, running."""

    def __init__(self, *arguments: str, environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.communicate()

    def _read(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise ClientError(f"its process ended with status {self._process.wait()}")
        return line

    def _write(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()


class NullServer(_Process):
    """A vendor's server, and what it has had to do."""

    def __init__(
        self,
        vendor: str,
        certificate: Path | None = None,
        ca_file: Path | None = None,
        public: str | None = None,
    ) -> None:
        more = ["--certificate", str(certificate)] if certificate else []
        more += ["--public", public] if public else []
        super().__init__(
            "benchmarks.null_server", "--vendor", vendor, *more, environment=dict(os.environ)
        )
        self.vendor = vendor
        self.ca_file = ca_file
        self.port = int(self._read())

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def counts(self) -> Counts:
        """Until now."""
        if self.ca_file:
            context = create_default_context(cafile=str(self.ca_file))
            connection: HTTPConnection = HTTPSConnection("127.0.0.1", self.port, context=context)
        else:
            connection = HTTPConnection("127.0.0.1", self.port)
        connection.request("GET", "/counts")
        counts = Counts(**json.loads(connection.getresponse().read()))
        connection.close()
        return counts


class DelayLine(_Process):
    """A server, farther away. Its answers name the line where they name the server."""

    def __init__(self, vendor: str, milliseconds: float) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        self.host = f"127.0.0.1:{port}"
        self._server = NullServer(vendor, public=f"http://{self.host}")
        arguments = ("--to", str(self._server.port), "--port", str(port))
        delay = ("--milliseconds", str(milliseconds))
        super().__init__("benchmarks.delay_line", *arguments, *delay, environment=dict(os.environ))
        self.vendor = vendor
        self.ca_file = None
        self._read()  # it listens

    def __exit__(self, *exc: Any) -> None:
        super().__exit__(*exc)
        self._server.__exit__(*exc)

    def counts(self) -> Counts:
        """Of the server, until now."""
        return self._server.counts()


class ClientProcess(_Process):
    """One client: see benchmarks/client_process.py for what can be asked."""

    def __init__(self, name: str, face: str, server: NullServer | DelayLine, home: Path) -> None:
        trusted = [str(server.ca_file)] if server.ca_file else []
        super().__init__(
            "benchmarks.client_process",
            server.vendor,
            name,
            face,
            server.host,
            *trusted,
            environment=clean_environment(home, trusted),
        )

    def ask(self, method: str, **arguments: object) -> Any:
        """The result.

        Raises:
            ClientError: it failed.
        """
        self._write(json.dumps([method, arguments]))
        answer = json.loads(self._read())
        if "error" in answer:
            raise ClientError(answer["error"])
        return answer["result"]


def clean_environment(home: Path, trusted: list[str]) -> dict[str, str]:
    """Without proxies, credentials and profiles of the machine's owner.

    Clients that take no file of certificates find it in SSL_CERT_FILE, if anywhere.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.upper().endswith("_PROXY") and not name.startswith(FOREIGN)
    }
    kept.update({"HOME": str(home), "AWS_EC2_METADATA_DISABLED": "true"})
    return {**kept, "SSL_CERT_FILE": trusted[0]} if trusted else kept
