"""A cloudstore driver that keeps buckets and objects in one SQLite file.

It is the worked example of "Writing a driver": complete, small, and held to the contract by the
conformance suite. It has no multipart uploads, so an object must fit into memory; what it lacks is
refused by the facade, because `CAPABILITIES` does not name it.

Config: `SqliteConfig`, or ``sqlite:///var/data/objects.db``. ``store.native`` is the path of the file.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, ClassVar
from urllib.parse import SplitResult, unquote

from cloudstore import (
    BucketAlreadyExistsError,
    BucketNotEmptyError,
    BucketNotFoundError,
    Capabilities,
    Config,
    ConfigError,
    ErrorKind,
    KeyRule,
    Limits,
    ObjectNotFoundError,
    Part,
    PutResult,
    UploadRef,
)
from cloudstore.bodies import BytesBody, Payload
from cloudstore.capabilities import BucketNameRule
from cloudstore.driver import (
    Call,
    Driver,
    ErrorInfo,
    Flow,
    GetResult,
    Once,
    OnceValue,
    OpContext,
    Request,
    Response,
)
from cloudstore.listing import make_page
from cloudstore.model import (
    BucketInfo,
    CompleteOptions,
    CopyOptions,
    DeleteOptions,
    GetOptions,
    ListOptions,
    ObjectInfo,
    Page,
    PartPage,
    PutOptions,
    UploadPage,
)
from cloudstore.preconditions import check_checksums, check_read, check_write

__all__ = ["SqliteConfig", "SqliteDriver"]

# Keys are BLOBs: they compare as UTF-8 bytes, and may hold NUL, which TEXT does not bear well.
SCHEMA = """
CREATE TABLE IF NOT EXISTS buckets (name TEXT PRIMARY KEY, created REAL NOT NULL);
CREATE TABLE IF NOT EXISTS objects (
    bucket TEXT NOT NULL REFERENCES buckets (name),
    key BLOB NOT NULL,
    etag TEXT NOT NULL,
    modified REAL NOT NULL,
    size INTEGER NOT NULL,
    crc32 TEXT NOT NULL,
    head TEXT NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (bucket, key)
);
"""
COLUMNS = "key, size, etag, modified, crc32, head"

LOCK_SECONDS = 10.0
"""How long SQLite itself waits for another writer before it says SQLITE_BUSY."""

MAX_BLOB_BYTES = 1_000_000_000
"""SQLITE_MAX_LENGTH as SQLite is built by default: https://www.sqlite.org/limits.html"""

CAPABILITIES = Capabilities(
    create_bucket=True,
    list_buckets=True,
    put_if_absent=True,
    put_if_match=True,
    copy=True,
    copy_if_absent=True,
    copy_if_match=True,
    copy_source_if_match=True,
    delete_if_match=True,
    content_encoding=True,
    cache_control=True,
    content_disposition=True,
    metadata=True,
    checksum_md5=True,
    checksum_crc32=True,
    checksum_sha1=True,
    checksum_sha256=True,
    ranges=True,
    conditional_reads=True,
    ordered_listing=True,
    start_after=True,
    any_delimiter=True,
)

BUCKET_NAMES = BucketNameRule(((r"[a-z0-9-]{1,63}", "a bucket's name has 1 to 63 of a-z, 0-9, '-'"),))


# SQLite's own locks do not survive a fork (https://www.sqlite.org/howtocorrupt.html, section 2.6), so a
# fork waits until no transaction of this process runs.
_TURN = threading.Lock()
os.register_at_fork(before=_TURN.acquire, after_in_parent=_TURN.release, after_in_child=_TURN.release)


@dataclass(frozen=True, kw_only=True)
class SqliteConfig(Config):
    """Objects in an SQLite file.

    Attributes:
        path: of the file; it is made where there is none.
    """

    scheme: ClassVar[str] = "sqlite"
    environment: ClassVar[tuple[str, ...]] = ("path",)

    path: str

    @classmethod
    def url_options(cls, url: SplitResult) -> dict[str, object]:
        """``sqlite:///absolute/path`` or ``sqlite:relative/path``."""
        if url.netloc or url.fragment or not url.path:
            raise ConfigError("a sqlite: URL is sqlite:///path/of/the/file", vendor=cls.scheme)
        return {"path": unquote(url.path)}

    def create_driver(self) -> SqliteDriver:
        """The driver; the file is opened by its first operation."""
        return SqliteDriver(self)


class SqliteDriver(Driver):
    """One `Call` an operation, one transaction a `Call`.

    A connection lives no longer than its transaction, so threads, event loops and forks share none.
    Within a process transactions take turns.
    """

    scheme: ClassVar[str] = "sqlite"

    def __init__(self, config: SqliteConfig) -> None:
        self.capabilities = CAPABILITIES
        # There are no parts; the default would have sources that are read once buffered by 5 MiB.
        self.limits = Limits(
            max_put_size=MAX_BLOB_BYTES, max_object_size=MAX_BLOB_BYTES, min_part_size=1
        )
        self.key_rule = KeyRule()
        self.bucket_name_rule = BUCKET_NAMES
        self.endpoint = f"sqlite:{config.path}"
        self.vendor_options: Mapping[str, frozenset[str]] = MappingProxyType({"sqlite": frozenset()})
        self._path = config.path

    # --- account ---

    def discover(self, ctx: OpContext) -> Flow[None]:
        """Makes the tables: once a store, however many operations begin at the same time."""
        yield Once(self, ctx, "schema", lambda: self._make_schema(ctx))

    def _make_schema(self, ctx: OpContext) -> Flow[OnceValue[bool]]:
        yield Call(self, ctx, self._run_schema, idempotent=True)
        return OnceValue(True)

    def _run_schema(self) -> None:
        with _TURN, closing(sqlite3.connect(self._path, timeout=LOCK_SECONDS)) as database:
            database.executescript(SCHEMA)

    def credentials(self, ctx: OpContext, rejected: object) -> Flow[object]:
        """None are needed: no `Request` is ever yielded."""
        yield from ()
        return None

    def authorize(self, request: Request, credentials: Any, now: float) -> Mapping[str, str]:
        """Nothing is signed."""
        return request.headers

    def classify(self, request: Request | Call, failure: Response | Exception) -> ErrorInfo | None:
        """SQLite's errors in the words of the tree. A transaction that failed was rolled back."""
        if not isinstance(failure, sqlite3.Error):
            return None
        code = getattr(failure, "sqlite_errorcode", None)
        name = getattr(failure, "sqlite_errorname", None)
        kind = {
            sqlite3.SQLITE_BUSY: ErrorKind.UNAVAILABLE,
            sqlite3.SQLITE_LOCKED: ErrorKind.UNAVAILABLE,
            sqlite3.SQLITE_FULL: ErrorKind.QUOTA_EXCEEDED,
            sqlite3.SQLITE_READONLY: ErrorKind.PERMISSION_DENIED,
            sqlite3.SQLITE_CANTOPEN: ErrorKind.PERMISSION_DENIED,
        }.get(code or 0, ErrorKind.UNEXPECTED_RESPONSE)
        return ErrorInfo(kind, str(failure), kind is ErrorKind.UNAVAILABLE, code=name)

    @property
    def native(self) -> str:
        """The path of the file."""
        return self._path

    def close(self) -> None:
        """Nothing is held."""

    @contextmanager
    def _transaction(self, *, writes: bool = False) -> Iterator[sqlite3.Connection]:
        with (
            _TURN,
            closing(
                sqlite3.connect(self._path, timeout=LOCK_SECONDS, isolation_level=None)
            ) as database,
        ):
            # IMMEDIATE: a reader that becomes a writer could find that somebody else was first.
            database.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
            yield database
            database.execute("COMMIT")

    # --- buckets ---

    def create_bucket(self, ctx: OpContext, bucket: str) -> Flow[BucketInfo]:
        """See `Driver`."""
        info: BucketInfo = yield Call(self, ctx, self._create_bucket, bucket, ctx.clock.now())
        return info

    def _create_bucket(self, bucket: str, now: float) -> BucketInfo:
        with self._transaction(writes=True) as database:
            try:
                database.execute("INSERT INTO buckets VALUES (?, ?)", (bucket, now))
            except sqlite3.IntegrityError:
                raise BucketAlreadyExistsError("there is a bucket of this name") from None
        return BucketInfo(bucket, _time(now))

    def delete_bucket(self, ctx: OpContext, bucket: str) -> Flow[None]:
        """See `Driver`."""
        yield Call(self, ctx, self._delete_bucket, bucket)

    def _delete_bucket(self, bucket: str) -> None:
        with self._transaction(writes=True) as database:
            _check_bucket(database, bucket)
            if database.execute("SELECT 1 FROM objects WHERE bucket = ?", (bucket,)).fetchone():
                raise BucketNotEmptyError("the bucket holds objects")
            database.execute("DELETE FROM buckets WHERE name = ?", (bucket,))

    def head_bucket(self, ctx: OpContext, bucket: str) -> Flow[BucketInfo]:
        """See `Driver`."""
        info: BucketInfo = yield Call(self, ctx, self._head_bucket, bucket, idempotent=True)
        return info

    def _head_bucket(self, bucket: str) -> BucketInfo:
        with self._transaction() as database:
            return _check_bucket(database, bucket)

    def list_buckets(self, ctx: OpContext) -> Flow[list[BucketInfo]]:
        """See `Driver`."""
        found: list[BucketInfo] = yield Call(self, ctx, self._list_buckets, idempotent=True)
        return found

    def _list_buckets(self) -> list[BucketInfo]:
        with self._transaction() as database:
            rows = database.execute("SELECT name, created FROM buckets ORDER BY name")
            return [BucketInfo(name, _time(created)) for name, created in rows]

    # --- objects ---

    def put_object(
        self, ctx: OpContext, bucket: str, key: str, payload: Payload, options: PutOptions
    ) -> Flow[PutResult]:
        """See `Driver`."""
        result: PutResult = yield Call(self, ctx, self._put, ctx, bucket, key, payload, options)
        return result

    def _put(
        self, ctx: OpContext, bucket: str, key: str, payload: Payload, options: PutOptions
    ) -> PutResult:
        check_checksums(payload, dict(options.checksums))
        data = bytes(payload.read(0, payload.size))
        with self._transaction(writes=True) as database:
            return _write(database, ctx, bucket, key, data, options)

    def get_object(self, ctx: OpContext, bucket: str, key: str, options: GetOptions) -> Flow[GetResult]:
        """See `Driver`."""
        result: GetResult = yield Call(self, ctx, self._get, bucket, key, options, idempotent=True)
        return result

    def _get(self, bucket: str, key: str, options: GetOptions) -> GetResult:
        with self._transaction() as database:
            info = _find(database, bucket, key)
            check_read(info, options)
            start, end = options.range.resolve(info.size)
            return GetResult(info, BytesBody(_read(database, bucket, key, start, end)), start, end)

    def head_object(
        self, ctx: OpContext, bucket: str, key: str, options: GetOptions
    ) -> Flow[ObjectInfo]:
        """See `Driver`."""
        info: ObjectInfo = yield Call(self, ctx, self._head, bucket, key, options, idempotent=True)
        return info

    def _head(self, bucket: str, key: str, options: GetOptions) -> ObjectInfo:
        with self._transaction() as database:
            info = _find(database, bucket, key)
            check_read(info, options)
            return info

    def delete_object(
        self, ctx: OpContext, bucket: str, key: str, options: DeleteOptions
    ) -> Flow[None]:
        """See `Driver`."""
        yield Call(self, ctx, self._delete, bucket, key, options)

    def _delete(self, bucket: str, key: str, options: DeleteOptions) -> None:
        with self._transaction(writes=True) as database:
            etag = _etag_of(database, bucket, key)
            check_write(etag, if_absent=False, if_match=options.if_match)
            database.execute("DELETE FROM objects WHERE bucket = ? AND key = ?", (bucket, _blob(key)))

    def copy_object(
        self,
        ctx: OpContext,
        bucket: str,
        key: str,
        to_bucket: str,
        to_key: str,
        options: CopyOptions,
    ) -> Flow[PutResult]:
        """See `Driver`."""
        result: PutResult = yield Call(
            self, ctx, self._copy, ctx, bucket, key, to_bucket, to_key, options
        )
        return result

    def _copy(
        self,
        ctx: OpContext,
        bucket: str,
        key: str,
        to_bucket: str,
        to_key: str,
        options: CopyOptions,
    ) -> PutResult:
        with self._transaction(writes=True) as database:
            info = _find(database, bucket, key)
            check_read(info, GetOptions(if_match=options.source_if_match))
            data = _read(database, bucket, key, 0, info.size)
            put = replace(
                options.replace or PutOptions(**{name: getattr(info, name) for name in HEAD}),
                if_absent=options.if_absent,
                if_match=options.if_match,
            )
            return _write(database, ctx, to_bucket, to_key, data, put)

    def list_page(self, ctx: OpContext, bucket: str, options: ListOptions) -> Flow[Page]:
        """See `Driver`."""
        page: Page = yield Call(self, ctx, self._list_page, bucket, options, idempotent=True)
        return page

    def _list_page(self, bucket: str, options: ListOptions) -> Page:
        with self._transaction() as database:
            _check_bucket(database, bucket)

            def keys_from(position: str) -> Iterator[tuple[str, ObjectInfo]]:
                rows = database.execute(
                    f"SELECT {COLUMNS} FROM objects WHERE bucket = ? AND key >= ? ORDER BY key",
                    (bucket, _blob(position)),
                )
                for row in rows:
                    info = _info(row)
                    yield info.key, info

            return make_page(options, keys_from, lambda key, info: info)

    # --- multipart: the capability is not there, so the facade never comes here ---

    def create_multipart(
        self, ctx: OpContext, bucket: str, key: str, options: PutOptions
    ) -> Flow[UploadRef]:
        """Unsupported."""
        raise self._unsupported("multipart")

    def upload_part(self, ctx: OpContext, ref: UploadRef, number: int, payload: Payload) -> Flow[Part]:
        """Unsupported."""
        raise self._unsupported("multipart")

    def complete_multipart(
        self, ctx: OpContext, ref: UploadRef, parts: Sequence[Part], options: CompleteOptions
    ) -> Flow[PutResult]:
        """Unsupported."""
        raise self._unsupported("multipart")

    def abort_multipart(self, ctx: OpContext, ref: UploadRef) -> Flow[None]:
        """Unsupported."""
        raise self._unsupported("multipart")

    def list_parts(self, ctx: OpContext, ref: UploadRef, token: str | None) -> Flow[PartPage]:
        """Unsupported."""
        raise self._unsupported("list_parts")

    def list_uploads(
        self, ctx: OpContext, bucket: str, prefix: str, token: str | None
    ) -> Flow[UploadPage]:
        """Unsupported."""
        raise self._unsupported("list_uploads")


# --- rows, within a transaction -------------------------------------------------------------------

HEAD = ("content_type", "content_encoding", "cache_control", "content_disposition", "metadata")
"""What of an object's head is kept as JSON: named alike in `ObjectInfo` and `PutOptions`."""


def _blob(key: str) -> bytes:
    # A position in a listing may be a lone surrogate, which only "surrogatepass" encodes.
    return key.encode("utf-8", "surrogatepass")


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _info(row: Sequence[Any]) -> ObjectInfo:
    key, size, etag, modified, crc32, head = row
    return ObjectInfo(
        key.decode(), size, etag, _time(modified), **json.loads(head), checksums={"crc32": crc32}
    )


def _check_bucket(database: sqlite3.Connection, bucket: str) -> BucketInfo:
    row = database.execute("SELECT created FROM buckets WHERE name = ?", (bucket,)).fetchone()
    if row is None:
        raise BucketNotFoundError("there is no such bucket")
    return BucketInfo(bucket, _time(row[0]))


def _find(database: sqlite3.Connection, bucket: str, key: str) -> ObjectInfo:
    row = database.execute(
        f"SELECT {COLUMNS} FROM objects WHERE bucket = ? AND key = ?", (bucket, _blob(key))
    ).fetchone()
    if row is None:
        _check_bucket(database, bucket)
        raise ObjectNotFoundError("there is no such object")
    return _info(row)


def _etag_of(database: sqlite3.Connection, bucket: str, key: str) -> str | None:
    """The ETag of the object that is there, or None."""
    _check_bucket(database, bucket)
    row = database.execute(
        "SELECT etag FROM objects WHERE bucket = ? AND key = ?", (bucket, _blob(key))
    ).fetchone()
    return None if row is None else str(row[0])


def _read(database: sqlite3.Connection, bucket: str, key: str, start: int, end: int) -> bytes:
    row = database.execute(
        "SELECT substr(data, ?, ?) FROM objects WHERE bucket = ? AND key = ?",
        (start + 1, end - start, bucket, _blob(key)),
    ).fetchone()
    return bytes(row[0] or b"")  # of an empty BLOB, substr makes NULL


def _write(
    database: sqlite3.Connection,
    ctx: OpContext,
    bucket: str,
    key: str,
    data: bytes,
    options: PutOptions,
) -> PutResult:
    etag = _etag_of(database, bucket, key)
    check_write(etag, if_absent=options.if_absent, if_match=options.if_match)
    # Time and chance come from the context, so that a simulation decides them.
    etag, now = f"{ctx.random.getrandbits(128):032x}", ctx.clock.now()
    crc32 = f"{zlib.crc32(data):08x}"
    head = json.dumps({name: getattr(options, name) for name in HEAD})
    database.execute(
        "INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (bucket, _blob(key), etag, now, len(data), crc32, head, data),
    )
    return PutResult(etag, None, _time(now), {"crc32": crc32})
