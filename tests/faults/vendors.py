"""What the fault suites must know of a vendor: its server, its configuration, its requests.

Tests that are true of every vendor are written once, by these words. A server that is real (or our
simulator) is behind each; where a script answers in its place, the vendor's login is answered for it.
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from swiftclient.exceptions import ClientException

from cloudstore import S3Config, Secret, Store, SwiftConfig
from cloudstore.config import Config
from tests.servers.ministack_server import Ministack
from tests.servers.swift_server import Swift
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
            ``get``, ``head``, ``delete``, ``delete_many``, ``copy``, ``begin``, ``complete``,
            ``abort``, ``create_bucket``, ``delete_bucket``.
        verifies: the checksum that a download of a small object is verified by.
        refusal: status and code of an upload whose bytes are not those that were promised.
        pinned: the header of a resumed read that names the version.
        lost_beginnings: uploads that stay where the answer to the beginning of one is lost.
        secrets: what may be told to nobody.
    """

    name: ClassVar[str]
    begins: ClassVar[Mapping[str, bytes]]
    verifies: ClassVar[str]
    refusal: ClassVar[tuple[int, str | None]]
    pinned: ClassVar[str] = "if-match"
    lost_beginnings: ClassVar[int] = 1
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

    def does(self, sent: Sent, what: str) -> bool:
        """Whether a request is one of those that `begins` knows by this name."""
        lines = [f"{sent.method} {sent.target} ", *(f"{name}: " for name in sent.headers)]
        return self.begins[what] in "\r\n".join(lines).encode()

    def is_data(self, sent: Sent) -> bool:
        """Whether a request writes an object's bytes."""
        return self.does(sent, "put") or self.does(sent, "part")

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
        **dict.fromkeys(("put", "copy", "create_bucket"), b"PUT "),
        **dict.fromkeys(("delete", "abort", "delete_bucket"), b"DELETE "),
        "get": b"GET ",
        "head": b"HEAD ",
        "delete_many": b"POST ",
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


# --- Swift ----------------------------------------------------------------------------------------

INFO = {"swift": {"version": "2.38.3"}, "slo": {}, "bulk_delete": {}, "staticweb": {}}


class OpenStackSwift(Vendor):
    """Before a real Swift, with its TempAuth."""

    name = "swift"
    begins: ClassVar[Mapping[str, bytes]] = {
        "put": b"PUT /v1/AUTH_test/faults/",
        "part": b"PUT /v1/AUTH_test/faults_segments/.cs/s/",
        "get": b"GET ",
        "head": b"HEAD /v1/AUTH_test/faults/",
        **dict.fromkeys(("delete", "abort", "delete_bucket"), b"DELETE "),
        "delete_many": b"?bulk-delete",
        "copy": b"x-copy-from: ",
        "begin": b"PUT /v1/AUTH_test/faults_segments/.cs/u/",
        "complete": b"?multipart-manifest=put",
        "create_bucket": b"PUT ",
    }
    verifies = "md5"
    refusal = (422, None)
    lost_beginnings = 0

    def __init__(self, server: Swift) -> None:
        self.url = server.url
        self.user = server.access_key
        self.secrets = (server.secret_key, "AUTH_tk")

    def config(self, endpoint: str, **options: Any) -> SwiftConfig:
        given = {
            "auth_url": f"{endpoint}/auth/v1.0",
            "storage_url": f"{endpoint}/v1/AUTH_test",
            "user": self.user,
            "secret_key": Secret(self.secrets[0]),
        }
        return SwiftConfig(**{**given, **options})

    def is_preliminary(self, method: str, target: str) -> bool:
        return target.startswith(("/auth/", "/info")) or target.endswith("/warm-up")

    def prelude(self, seen: Seen) -> bytes | None:
        if seen.target.startswith("/auth/"):
            url = f"X-Storage-Url: http://{seen.headers['Host']}/v1/AUTH_test"
            return ok(b"", url, "X-Auth-Token: AUTH_tk1", "X-Trans-Id: tx1")
        if seen.target == "/info":
            return ok(json.dumps(INFO).encode(), "content-type: application/json")
        if seen.target.endswith("/warm-up"):
            return ok(b"", "X-Trans-Id: tx1", status="204 No Content")
        if seen.method == "HEAD" and seen.target.endswith("_segments"):
            return ok(b"", "X-Trans-Id: tx1", status="404 Not Found")
        return None

    def warm(self, store: Store, bucket: str) -> None:
        store.delete_object(bucket, "warm-up")

    def entity(self, data: bytes) -> list[str]:
        return [f"etag: {hashlib.md5(data).hexdigest()}", "x-trans-id: tx1"]

    def stored(self, data: bytes) -> bytes:
        return ok(b"", *self.entity(data), status="201 Created")

    def leftovers(self, direct: Store, bucket: str, key: str) -> list[str]:
        """As swiftclient lists the segments, less those of the object that is there."""
        native = direct.native
        try:
            _, rows = native.get_container(f"{bucket}_segments", full_listing=True)
        except ClientException as exc:
            assert exc.http_status == 404
            return []
        names = [row["name"] for row in rows]
        ours = {name.split(f"/{key}/", 1)[1][:16] for name in names if f"/{key}/" in name}
        return sorted(ours - self._live(native, bucket, key))

    def _live(self, native: Any, bucket: str, key: str) -> set[str]:
        try:
            head, body = native.get_object(bucket, key, query_string="multipart-manifest=get")
        except ClientException as exc:
            assert exc.http_status == 404
            return set()
        if "x-static-large-object" not in head:
            return set()
        return {row["name"].split(f"/{key}/", 1)[1][:16] for row in json.loads(body)}
