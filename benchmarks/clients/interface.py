"""What every adapter offers, and the settings that all of them share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "ACCESS_KEY",
    "CONNECTIONS",
    "COPY_SIZE",
    "REGION",
    "SECRET_KEY",
    "AwaitedClient",
    "BlockingClient",
    "Server",
]

REGION = "us-east-1"
ACCESS_KEY = "AKIDEXAMPLE"
SECRET_KEY = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
CONNECTIONS = 64
"""Kept open, where a client asks how many: more than any line needs."""
COPY_SIZE = 8 * 1024 * 1024
"""Bytes at a time, where a client has files but no call for a whole one."""


@dataclass(frozen=True)
class Server:
    """Where to send requests.

    Attributes:
        vendor: whose protocol it speaks.
        ca_file: what to trust under TLS.
    """

    vendor: str
    host: str
    ca_file: str | None = None

    @property
    def scheme(self) -> str:
        return "https" if self.ca_file else "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}"


class BlockingClient(ABC):
    """A client that waits. One object serves all threads."""

    verifies_downloads = "nothing"
    verifies_uploads = "nothing"

    @abstractmethod
    def __init__(self, server: Server) -> None: ...

    @abstractmethod
    def get(self) -> int:
        """Reads the small object into bytes; how many."""

    @abstractmethod
    def put(self, data: bytes) -> int:
        """Writes the small object; how many bytes."""

    @abstractmethod
    def head(self) -> int:
        """Asks for the small object's size."""

    @abstractmethod
    def page(self) -> int:
        """Lists a page; how many entries."""

    @abstractmethod
    def download(self, path: Path) -> None:
        """Reads the large object into a file."""

    @abstractmethod
    def upload(self, path: Path) -> None:
        """Writes a file to the large object."""


class AwaitedClient(ABC):
    """The same for asyncio. Made and used in one event loop."""

    @abstractmethod
    def __init__(self, server: Server) -> None: ...

    @abstractmethod
    async def get(self) -> int: ...

    @abstractmethod
    async def put(self, data: bytes) -> int: ...

    @abstractmethod
    async def head(self) -> int: ...

    @abstractmethod
    async def close(self) -> None: ...
