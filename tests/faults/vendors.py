"""What the fault suites must know of a vendor: its server, its configuration, its requests.

Tests that are true of every vendor are written once, by these words. A server that is real (or our
simulator) is behind each; where a script answers in its place, the vendor's login is answered for it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from cloudstore import S3Config, Secret, Store
from cloudstore.config import Config
from tests.servers.ministack_server import Ministack
from tests.wire.server import Peer, Seen, ok

BUCKET = "faults"
PART = 64 * 1024
"""The servers take parts smaller than the vendors do, so that an upload of several is still quick."""


@dataclass
class Sent:
    """A request as the proxy saw it.

    Attributes:
        connection: by its number, from 1.
        body: as much of the body as came.
    """

    connection: int
    method: str
    target: str
    headers: dict[str, str]
    body: bytearray = field(default_factory=bytearray)

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def length(self) -> int:
        return int(self.headers.get("content-length", "0"))

    @property
    def is_whole(self) -> bool:
        return len(self.body) == self.length


class Vendor(ABC):
    """One vendor and its server.

    Attributes:
        name: the driver's scheme.
        url: of the server.
        begins: by what is done, bytes by which the head of such a request is known: ``put``, ``part``,
            ``delete``, ``delete_many``, ``copy``, ``begin``, ``complete``, ``abort``,
            ``create_bucket``, ``delete_bucket``.
        puts: what is in the heads of requests that write an object's bytes, and in no others.
        lost_beginnings: uploads that stay where the answer to the beginning of one is lost.
        verifies: the checksum that a download of a small object is verified by.
        refusal: status and code of an upload whose bytes are not those that were promised.
        around_parts: how many requests an object in parts takes besides those of the parts.
        pinned: the header of a resumed read that names the version, where the vendor knows one.
        secrets: what may be told to nobody.
    """

    name: ClassVar[str]
    begins: ClassVar[Mapping[str, bytes]]
    puts: ClassVar[bytes] = b"PUT "
    lost_beginnings: ClassVar[int] = 1
    verifies: ClassVar[str]
    refusal: ClassVar[tuple[int, str | None]]
    pinned: ClassVar[str | None] = "if-match"
    around_parts: ClassVar[int] = 2
    url: str
    secrets: tuple[str, ...]

    @abstractmethod
    def config(self, endpoint: str, **options: Any) -> Config:
        """Of an account of the server, as it is reached by `endpoint`."""

    def is_preliminary(self, method: str, target: str) -> bool:
        """Whether a request only prepares others: a login, a question what the service can do."""
        return False

    def prelude(self, seen: Seen) -> bytes | None:
        """What a scripted server answers to a request that only prepares others; None: it is none."""
        return None

    @abstractmethod
    def entity(self, data: bytes) -> list[str]:
        """The header lines of an answer that brings an object with these bytes."""

    @abstractmethod
    def stored(self, data: bytes) -> bytes:
        """The answer to a write that went well."""

    def success(self, seen: Seen, data: bytes) -> bytes:
        """What goes well: a read of these bytes, or a write or a deletion of whatever."""
        if seen.method == "GET":
            return ok(data, *self.entity(data))
        return self.stored(data) if seen.method == "PUT" else ok(b"", status="204 No Content")

    def is_put(self, sent: Sent) -> bool:
        """Whether a request writes an object's bytes."""
        return f"{sent.method} {sent.target}".encode().startswith(self.puts)

    @abstractmethod
    def leftovers(self, direct: Store, bucket: str, key: str) -> list[str]:
        """What uploads that are under way, or were given up, have left of a key."""

    def warm(self, store: Store, bucket: str) -> None:
        """Has a store ask what it asks but once. Without anything to ask, nothing happens."""
        return

    def polite(self, peer: Peer) -> Peer:
        """The same end of a connection; what only prepares other requests is answered already."""
        return Polite(peer, self)


class Polite(Peer):
    """See `Vendor.polite`."""

    def __init__(self, peer: Peer, vendor: Vendor) -> None:
        super().__init__(peer.sock, peer.server, peer.number)
        self._vendor = vendor

    def read_head(self) -> Seen | None:
        """The next head that is for the script."""
        while (seen := super().read_head()) is not None:
            answer = self._vendor.prelude(seen)
            if answer is None:
                return seen
            self.read_body(seen)
            self.send(answer)
        return None


# --- S3 -------------------------------------------------------------------------------------------

REGION = "eu-west-1"
"""One in which AWS says so when a bucket is created that is there."""


class S3(Vendor):
    """Before ministack."""

    name = "s3"
    begins: ClassVar[Mapping[str, bytes]] = {
        **dict.fromkeys(("put", "part", "copy", "create_bucket"), b"PUT "),
        **dict.fromkeys(("begin", "complete", "delete_many"), b"POST "),
        **dict.fromkeys(("delete", "abort", "delete_bucket"), b"DELETE "),
        "begin": b"?uploads",
        "complete": b"?uploadId=",
        "part": b"partNumber=",
    }
    verifies = "crc32"
    refusal = (400, "BadDigest")

    def __init__(self, server: Ministack) -> None:
        self.url = server.url
        self.secrets = (server.secret_key,)
        self.access_key = server.access_key

    def config(self, endpoint: str, **options: Any) -> S3Config:
        keys = {"access_key": self.access_key, "secret_key": Secret(self.secrets[0])}
        return S3Config(**{**keys, "endpoint": endpoint, "preset": "aws", "region": REGION, **options})

    def entity(self, data: bytes) -> list[str]:
        return ['etag: "e"']

    def stored(self, data: bytes) -> bytes:
        return ok(b"", 'etag: "e"')

    def leftovers(self, direct: Store, bucket: str, key: str) -> list[str]:
        found = direct.list_multipart_uploads(bucket, prefix=key)
        return [upload.ref.upload_id for upload in found]
