"""What the fault suites must know of a vendor: its server, its configuration, its requests.

Tests that are true of every vendor are written once, by these words. A server that is real (or our
simulator) is behind each; where a script answers in its place, the vendor's login is answered for it.
"""

from __future__ import annotations

import hashlib
import io
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, ClassVar

from cloudstore import QiniuConfig, S3Config, Secret, Store, SwiftConfig
from cloudstore.config import Config
from cloudstore.testing.loopback import LoopbackServer, Request, Response
from cloudstore.testing.qiniu import QiniuLimits, QiniuSimulator
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
        refusals: the statuses of an upload whose bytes are not those that were promised.
        pinned: the header of a resumed read that names the version.
        lost_beginnings: uploads that stay where the answer to the beginning of one is lost.
        not_trusted: words about a server whose certificate is of an unknown authority.
        side_by_side: connections beyond the first that an operation on one object may take.
        secrets: what may be told to nobody.
    """

    name: ClassVar[str]
    begins: ClassVar[Mapping[str, bytes]]
    verifies: ClassVar[str]
    refusals: ClassVar[frozenset[int]]
    pinned: ClassVar[str] = "if-match"
    lost_beginnings: ClassVar[int] = 1
    not_trusted: ClassVar[str] = "not trusted"
    side_by_side: ClassVar[int] = 0
    url: str
    secrets: tuple[str, ...]

    @abstractmethod
    def config(self, endpoint: str, login: str | None = None, **options: Any) -> Config:
        """Of an account of the server, as it is reached by `endpoint`; who signs in goes to `login`."""

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
        lines = [f"{sent.method} {sent.target} ", *map(": ".join, sent.headers.items())]
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
    refusals = frozenset({400})

    def __init__(self, server: Ministack) -> None:
        self.url = server.url
        self.secrets = (server.secret_key,)
        self.access_key = server.access_key

    def config(self, endpoint: str, login: str | None = None, **options: Any) -> S3Config:
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
    refusals = frozenset({422})
    lost_beginnings = 0
    not_trusted = "no TLS connection"
    side_by_side = 1  # looks at what is left of large objects

    def __init__(self, server: Swift) -> None:
        self.url = server.url
        self.user = server.access_key
        self.secrets = (server.secret_key, "AUTH_tk")

    def config(self, endpoint: str, login: str | None = None, **options: Any) -> SwiftConfig:
        given = {
            "auth_url": f"{login or endpoint}/auth/v1.0",
            "storage_url": f"{endpoint}/v1/AUTH_test",
            "user": self.user,
            "secret_key": Secret(self.secrets[0]),
            "conditional_writes": True,
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
        except import_module("swiftclient").ClientException:
            return []  # no object had parts
        names = [row["name"] for row in rows]
        ours = {name.split(f"/{key}/", 1)[1][:16] for name in names if f"/{key}/" in name}
        return sorted(ours - self._live(native, bucket, key))

    def _live(self, native: Any, bucket: str, key: str) -> set[str]:
        try:
            head, body = native.get_object(bucket, key, query_string="multipart-manifest=get")
        except import_module("swiftclient").ClientException:
            return set()  # there is no object
        if "x-static-large-object" not in head:
            return set()
        return {row["name"].split(f"/{key}/", 1)[1][:16] for row in json.loads(body)}


# --- Qiniu ----------------------------------------------------------------------------------------

MANAGEMENT = frozenset(
    {"stat", "delete", "copy", "move", "batch", "list", "chgm", "mkbucketv3", "drop"}
)
MANAGEMENT |= {"v2", "v4", "private", "buckets"}


class Qiniu(Vendor):
    """Before the simulator, all of whose hosts are brought behind one port: only so can they be behind
    one fault proxy. What goes where is told by the path."""

    name = "qiniu"
    begins: ClassVar[Mapping[str, bytes]] = {
        "put": b"POST / ",
        "part": b"PUT /buckets/",
        "get": b"GET /key",
        "head": b"GET /stat/",
        "delete": b"POST /delete/",
        "delete_many": b"POST /batch",
        "copy": b"POST /copy/",
        "begin": b"/uploads ",
        "complete": b"content-type: application/json",
        "abort": b"DELETE /buckets/",
        "create_bucket": b"POST /mkbucketv3/",
        "delete_bucket": b"POST /drop/",
    }
    verifies = "sha1"
    refusals = frozenset({406, 400})

    @staticmethod
    def make_simulator() -> QiniuSimulator:
        """With parts smaller than Qiniu takes."""
        return QiniuSimulator(limits=QiniuLimits(min_part=PART, buckets=10_000))

    def __init__(self, simulator: QiniuSimulator, front: LoopbackServer) -> None:
        self.simulator = simulator
        self.url = f"http://127.0.0.1:{front.listen()}"
        self.access_key = simulator.access_key
        self.secrets = (simulator.secret_key,)

    @classmethod
    def front(cls, simulator: QiniuSimulator) -> LoopbackServer:
        """What brings the hosts behind one port."""

        def answer(request: Request) -> Response:
            first = request.path[1:].partition("/")[0]
            request.port = simulator.port
            if request.path == "/" or request.path.startswith("/buckets/"):
                request.port = simulator.upload_port
            elif first not in MANAGEMENT:
                request.port = int(simulator.domain(BUCKET).rpartition(":")[2])
            return simulator._handle(request)

        return LoopbackServer(answer, max_body=64 * 1024 * 1024)

    def config(self, endpoint: str, login: str | None = None, **options: Any) -> QiniuConfig:
        hosts = dict.fromkeys(("endpoint", "up", "rs", "rsf", "cdn", "domain"), endpoint)
        keys = {"access_key": self.access_key, "secret_key": Secret(self.secrets[0])}
        return QiniuConfig(**{**keys, **hosts, **options})

    def entity(self, data: bytes) -> list[str]:
        return [f'etag: "{qetag(data)}"', "x-reqid: R1"]

    def stored(self, data: bytes) -> bytes:
        body = json.dumps({"hash": qetag(data), "key": "k"}).encode()
        return ok(body, "x-reqid: R1", "content-type: application/json")

    def success(self, seen: Seen, data: bytes) -> bytes:
        if seen.method == "GET":
            return ok(data, *self.entity(data))
        return self.stored(data)

    def leftovers(self, direct: Store, bucket: str, key: str) -> list[str]:
        found = self.simulator.storage._uploads
        return sorted(name for name, upload in found.items() if upload.key == key)


def qetag(data: bytes) -> str:
    """As the SDK makes it, of at most 4 MiB."""
    made: str = import_module("qiniu.utils").etag_stream(io.BytesIO(data))
    return made
