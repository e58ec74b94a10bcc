"""What the simulator holds: buckets, objects, uploads in parts. Rules of Qiniu, no HTTP.

All of it is guarded by one lock, which callers may hold by `Storage.alone`. Refusals are `QiniuError`.
"""

from __future__ import annotations

import json
import random
import re
import secrets
import threading
from base64 import urlsafe_b64decode, urlsafe_b64encode
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from ..loopback import Buffer
from .answers import read_json
from .contents import Content
from .settings import DAY, QiniuClock, QiniuError, QiniuLimits, QiniuQuirks, invalid

__all__ = ["Bucket", "ListPage", "Part", "Storage", "StoredObject", "Upload"]

CST = 8 * 3600
"""Days begin at midnight in China (kodo/1206, deleteAfterDays)."""
TICKS = 10_000_000
"""`putTime` counts 100 ns."""
STANDARD, ARCHIVE, DEEP_ARCHIVE = 0, 2, 3
MAX_TYPE = 5
"""0 standard, 1 infrequent, 2 archive, 3 deep archive, 4 archive read at once, 5 tiered (kodo/1308)."""
ENABLED, DISABLED = 0, 1
RESTORING, RESTORED = 1, 2
BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]", re.ASCII)
"""kodo/1382."""
METADATA_NAME = re.compile(r"[A-Za-z0-9_!-]+", re.ASCII)
"""kodo/1252, and the ``!`` of the SDK's own ``!Last-Modified``."""


def no_object() -> QiniuError:
    """612."""
    return QiniuError(612, "no such file or directory")


def no_bucket() -> QiniuError:
    """631."""
    return QiniuError(631, "no such bucket")


def exists() -> QiniuError:
    """614."""
    return QiniuError(614, "file exists")


SERVED_HEADERS = MappingProxyType(
    {
        "cacheControl": "Cache-Control",
        "contentLanguage": "Content-Language",
        "contentDisposition": "Content-Disposition",
        "contentEncoding": "Content-Encoding",
        "expires": "Expires",
    }
)
"""What forms, completions and ``chgm`` say about downloads (kodo/1312, kodo/6368, kodo/1252)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredObject:
    """An object as it is now; a change makes another.

    Attributes:
        put_time, modified: in 100 ns since 1970.
        headers: that downloads have.
        expiration: when it is deleted, in seconds.
        restored: when an archived object can be read, and until when.
    """

    content: Content
    mime: str
    put_time: int
    modified: int
    type: int = STANDARD
    status: int = ENABLED
    metadata: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    md5: str | None = None
    end_user: str | None = None
    expiration: int | None = None
    transitions: Mapping[str, int] = field(default_factory=dict)
    restored: tuple[float, float] | None = None

    def restore_status(self, now: float) -> int | None:
        """1 while it is restored, 2 when it is; None when it is frozen, or was never archived."""
        if self.restored is None or now >= self.restored[1]:
            return None
        return RESTORING if now < self.restored[0] else RESTORED

    def is_frozen(self, now: float) -> bool:
        """Whether it must be restored before it can be read."""
        return self.type in (ARCHIVE, DEEP_ARCHIVE) and self.restore_status(now) != RESTORED


@dataclass(slots=True)
class Bucket:
    """One bucket.

    Attributes:
        keys: of `objects`, in UTF-8, sorted by bytes.
        late: what a listing still shows for a key that has changed, and until when.
    """

    name: str
    region: str
    created: float
    private: bool = False
    domains: list[str] = field(default_factory=list)
    objects: dict[str, StoredObject] = field(default_factory=dict)
    keys: list[bytes] = field(default_factory=list)
    late: dict[str, tuple[float, StoredObject | None]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Part:
    """One part of an upload."""

    number: int
    content: Content
    md5: str
    put_time: int


@dataclass(slots=True)
class Upload:
    """An upload in parts. A key of None is chosen on completion."""

    id: str
    bucket: str
    key: str | None
    expires: float
    parts: dict[int, Part] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ListPage:
    """A page of a listing; without a marker it is the last."""

    items: list[tuple[str, StoredObject]]
    prefixes: list[str]
    marker: str | None


class Storage:
    """See the module. All methods may be called from any thread."""

    def __init__(self, limits: QiniuLimits, quirks: QiniuQuirks, clock: QiniuClock) -> None:
        self.limits = limits
        self.quirks = quirks
        self.clock = clock
        self._guard = threading.RLock()
        self._buckets: dict[str, Bucket] = {}
        self._uploads: dict[str, Upload] = {}
        self._blocks: dict[str, tuple[float, int, tuple[Buffer, ...]]] = {}
        self._random = random.Random(quirks.seed)
        self._stored = 0
        self._last_put = 0
        self._next_expiration: float | None = None

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else sees or changes anything meanwhile: for acts that look before they change."""
        with self._guard:
            yield

    # --- buckets ---

    def create_bucket(self, name: str, region: str, private: bool) -> Bucket:
        """400 for a bad name, 614 if it is there, 630 if there are too many (kodo/1382)."""
        with self._guard:
            if BUCKET_NAME.fullmatch(name) is None:
                raise QiniuError(400, "invalid arguments")
            if name in self._buckets:
                raise QiniuError(614, "the bucket already exists and you own it.")
            if len(self._buckets) >= self.limits.buckets:
                raise QiniuError(630, "too many buckets")
            bucket = self._buckets[name] = Bucket(name, region, self.clock.now(), private)
            return bucket

    def drop_bucket(self, name: str) -> Bucket:
        """403 if it is not empty."""
        with self._guard:
            bucket = self.bucket(name)
            if bucket.objects:
                raise QiniuError(403, "drop non empty bucket is not allowed", "BucketNotEmpty")
            for upload in [u for u in self._uploads.values() if u.bucket == name]:
                self._forget_upload(upload)
            return self._buckets.pop(name)

    def bucket(self, name: str) -> Bucket:
        """631 if it is not there."""
        with self._guard:
            self._expire()
            found = self._buckets.get(name)
            if found is None:
                raise no_bucket()
            return found

    def buckets(self) -> list[Bucket]:
        """By name."""
        with self._guard:
            return [self._buckets[name] for name in sorted(self._buckets)]

    # --- objects ---

    def find(self, bucket: str, key: str) -> StoredObject:
        """612 if it is not there."""
        with self._guard:
            found = self.bucket(bucket).objects.get(key)
            if found is None:
                raise no_object()
            return found

    def objects(self, bucket: str) -> list[StoredObject]:
        """All of a bucket's."""
        with self._guard:
            return list(self.bucket(bucket).objects.values())

    def put(
        self,
        bucket: str,
        key: str,
        content: Content,
        *,
        overwrite: bool,
        same_is_fine: bool = True,
        days: int | None = None,
        ends: Upload | None = None,
        **made: Any,
    ) -> StoredObject:
        """Stores what was uploaded: 614 if `overwrite` is not allowed and something else is there.

        The same content at a key is no conflict, and changes nothing, unless `same_is_fine` is false
        (kodo/6323, insertOnly and forceInsertOnly). The upload that it `ends` goes with it: of two
        completions one wins, the other is 612.
        """
        self.check_key(key)
        with self._guard:
            held = self.bucket(bucket)
            old = held.objects.get(key)
            is_same = same_is_fine and old is not None and old.content.hash == content.hash
            if old is not None and not overwrite and not is_same:
                raise exists()
            if ends is not None:
                self.end_upload(ends)
            if old is not None and not overwrite:
                return old
            self._room(content.size)
            now = self._tick()
            new = StoredObject(
                content=content,
                put_time=now,
                modified=now,
                expiration=None if days is None else self.midnight_after(days),
                **made,
            )
            self._set(held, key, new)
            return new

    def change(self, bucket: str, key: str, **changes: Any) -> StoredObject:
        """Changes what is said about an object; its bytes and `putTime` stay."""
        with self._guard:
            held = self.bucket(bucket)
            old = self.find(bucket, key)
            new = replace(old, modified=self._tick(), **changes)
            self._set(held, key, new)
            return new

    def delete(self, bucket: str, key: str) -> None:
        """612 if it is not there."""
        with self._guard:
            self.find(bucket, key)
            self._set(self.bucket(bucket), key, None)

    def copy(
        self, bucket: str, key: str, to_bucket: str, to_key: str, *, force: bool, move: bool
    ) -> None:
        """612 without a source, 614 if the target is there and `force` is not given.

        A copy is put anew; something moved keeps its `putTime`.
        """
        self.check_key(to_key)
        with self._guard:
            source = self.find(bucket, key)
            target = self.bucket(to_bucket)
            if target.region != self.bucket(bucket).region:
                raise QiniuError(400, "buckets of two regions")
            if to_key in target.objects and not force:
                raise exists()
            if (bucket, key) == (to_bucket, to_key):
                return
            if move:
                self._set(self.bucket(bucket), key, None)
                self._set(target, to_key, source)
                return
            self._room(source.content.size)
            now = self._tick()
            self._set(target, to_key, replace(source, put_time=now, modified=now))

    def expire_after(self, bucket: str, key: str, days: int) -> None:
        """0 days: never (kodo/1732)."""
        with self._guard:
            expiration = self.midnight_after(days) if days else None
            self.change(bucket, key, expiration=expiration)

    def check_key(self, key: str) -> None:
        """400 if it is too long."""
        if len(key.encode()) > self.limits.key_bytes:
            raise invalid(f"key is longer than {self.limits.key_bytes} bytes")

    def check_mime(self, mime: str) -> None:
        """400 for a MIME type that kodo/1252 does not allow."""
        if len(mime.encode()) > self.limits.mime_bytes or "%" in mime or not mime.isprintable():
            raise invalid("mimeType")

    def check_metadata(self, metadata: Mapping[str, str]) -> None:
        """400 for a name or a size that kodo/1252 does not allow."""
        for name, value in metadata.items():
            if (
                METADATA_NAME.fullmatch(name) is None
                or len(name) > self.limits.metadata_name_bytes
                or not value.isprintable()
            ):
                raise invalid(f"x-qn-meta-{name}")
        size = sum(len(name) + len(value.encode()) for name, value in metadata.items())
        if size > self.limits.metadata_bytes:
            raise invalid(f"metadata of more than {self.limits.metadata_bytes} bytes")

    @staticmethod
    def check_headers(headers: Mapping[str, str]) -> None:
        """400 for what cannot stand in a header."""
        if not all(value.isprintable() for value in headers.values()):
            raise invalid("a header of downloads")

    # --- listing ---

    def list_page(self, bucket: str, prefix: str, delimiter: str, marker: str, limit: int) -> ListPage:
        """Keys by their bytes. A marker of something else is 640."""
        with self._guard:
            held = self.bucket(bucket)
            start, after_prefix, was_empty = _read_marker(marker)
            if self._comes_empty(was_empty):
                return ListPage([], [], _marker(start, after_prefix, True))
            keys, shown = self._listed(held)
            walk = _Walk(keys, prefix, delimiter, limit, self.quirks.repeated_prefixes)
            walk.skip(start, after_prefix)
            walk.run()
            items = [(key, shown.get(key) or held.objects[key]) for key in walk.keys]
            return ListPage(items, walk.prefixes, walk.marker)

    def _comes_empty(self, was_empty: bool) -> bool:
        chance = self.quirks.empty_pages
        return chance > 0 and not was_empty and self._random.random() < chance

    def _listed(self, bucket: Bucket) -> tuple[list[bytes], dict[str, StoredObject]]:
        """Sorted keys that a listing shows, and the old state of those that are late."""
        if not bucket.late:
            return bucket.keys, {}
        now = self.clock.now()
        bucket.late = {key: late for key, late in bucket.late.items() if late[0] > now}
        keys = {key for key in bucket.objects if key not in bucket.late}
        shown = {key: old for key, (_, old) in bucket.late.items() if old is not None}
        return sorted(key.encode() for key in keys | shown.keys()), shown

    # --- uploads in parts ---

    def start_upload(self, bucket: str, key: str | None) -> Upload:
        """A new upload, for `limits.upload_seconds`."""
        with self._guard:
            self.bucket(bucket)
            self._forget_expired()
            expires = self.clock.now() + self.limits.upload_seconds
            upload = Upload(secrets.token_hex(12), bucket, key, expires)
            self._uploads[upload.id] = upload
            return upload

    def upload(self, bucket: str, key: str | None, upload_id: str) -> Upload:
        """612 if it is unknown, done, given up, expired, or of another key."""
        with self._guard:
            self.bucket(bucket)
            found = self._uploads.get(upload_id)
            if found is not None and found.expires <= self.clock.now():
                self._forget_upload(found)
                found = None
            if found is None or (found.bucket, found.key) != (bucket, key):
                raise QiniuError(612, "no such uploadId")
            return found

    def add_part(self, upload: Upload, part: Part) -> None:
        """Replaces a part of the same number (kodo/6366)."""
        with self._guard:
            if upload.id not in self._uploads:
                raise QiniuError(612, "no such uploadId")
            old = upload.parts.get(part.number)
            self._room(part.content.size)
            self._stored += part.content.size - (0 if old is None else old.content.size)
            upload.parts[part.number] = part

    def end_upload(self, upload: Upload) -> None:
        """It is gone, with its parts. A second end is 612."""
        with self._guard:
            if upload.id not in self._uploads:
                raise QiniuError(612, "no such uploadId")
            self._forget_upload(upload)

    # --- blocks of version 1 ---

    def add_block(self, size: int, chunks: tuple[Buffer, ...]) -> str:
        """Keeps the beginning of a block of `size` bytes for a day, and says by which context."""
        with self._guard:
            self._forget_expired()
            held = sum(map(len, chunks))
            self._room(held)
            self._stored += held
            context = secrets.token_urlsafe(24)
            self._blocks[context] = (self.clock.now() + DAY, size, chunks)
            return context

    def block(self, context: str) -> tuple[int, tuple[Buffer, ...]]:
        """Its size and its chunks; 701 if it is unknown or expired."""
        with self._guard:
            expires, size, chunks = self._blocks.get(context, (0.0, 0, ()))
            if expires <= self.clock.now():
                self.forget_blocks([context])
                raise QiniuError(701, "the ctx is unknown or has expired")
            return size, chunks

    def forget_blocks(self, contexts: Sequence[str]) -> None:
        """Unknown ones are nothing to do."""
        with self._guard:
            for context in contexts:
                _, _, chunks = self._blocks.pop(context, (0.0, 0, ()))
                self._stored -= sum(map(len, chunks))

    # --- within ---

    def _set(self, bucket: Bucket, key: str, new: StoredObject | None) -> None:
        old = bucket.objects.get(key)
        if self.quirks.list_lag:
            now = self.clock.now()
            due, _ = bucket.late.get(key, (now, None))
            if due <= now:  # what is due no longer counts, though no listing has dropped it yet
                bucket.late[key] = (now + self._random.uniform(0, self.quirks.list_lag), old)
        encoded = key.encode()
        if old is not None:
            self._stored -= old.content.size
        if new is not None:
            self._stored += new.content.size
            bucket.objects[key] = new
            if old is None:
                insort(bucket.keys, encoded)
            if new.expiration is not None:
                soonest = self._next_expiration
                self._next_expiration = min(new.expiration, soonest or new.expiration)
        elif old is not None:
            del bucket.objects[key]
            del bucket.keys[bisect_left(bucket.keys, encoded)]

    def _forget_upload(self, upload: Upload) -> None:
        self._stored -= sum(part.content.size for part in upload.parts.values())
        del self._uploads[upload.id]

    def _forget_expired(self) -> None:
        """Uploads and blocks that nobody asked for again hold no memory for ever."""
        now = self.clock.now()
        for upload in [u for u in self._uploads.values() if u.expires <= now]:
            self._forget_upload(upload)
        self.forget_blocks([ctx for ctx, block in self._blocks.items() if block[0] <= now])

    def _room(self, size: int) -> None:
        if self._stored + size > self.limits.stored_bytes:
            raise QiniuError(599, f"the simulator holds at most {self.limits.stored_bytes} bytes")

    def _tick(self) -> int:
        self._last_put = max(int(self.clock.now() * TICKS), self._last_put + 1)
        return self._last_put

    def midnight_after(self, days: int) -> int:
        """The midnight in China that follows so many days from now (kodo/1206)."""
        due = int(self.clock.now()) + days * DAY
        return due + -(due + CST) % DAY

    def _expire(self) -> None:
        if self._next_expiration is None or self.clock.now() < self._next_expiration:
            return
        now = self.clock.now()
        self._next_expiration = None
        for bucket in self._buckets.values():
            dated = [(k, o.expiration) for k, o in bucket.objects.items() if o.expiration is not None]
            for key, expiration in dated:
                if expiration <= now:
                    self._set(bucket, key, None)
            ahead = [expiration for _, expiration in dated if expiration > now]
            self._next_expiration = min([*ahead, *filter(None, [self._next_expiration])], default=None)


class _Walk:
    """One page over sorted keys."""

    def __init__(
        self, keys: Sequence[bytes], prefix: str, delimiter: str, limit: int, counts_keys: bool
    ) -> None:
        self._counts_keys = counts_keys
        self._keys = keys
        self._prefix = prefix.encode()
        self._delimiter = delimiter.encode()
        self._limit = limit
        self._at = bisect_left(keys, self._prefix)
        self.keys: list[str] = []
        self.prefixes: list[str] = []
        self.marker: str | None = None

    def skip(self, start: str, after_prefix: bool) -> None:
        """Goes behind where the last page ended: a key, or all that begins with a common prefix."""
        if start:
            self._at = max(self._at, bisect_right(self._keys, start.encode()))
            if after_prefix:
                self._at = self._behind(start.encode())

    def run(self) -> None:
        last, last_is_prefix, counted = "", False, 0
        while (common := self._next()) is not None:
            if counted >= self._limit:
                self.marker = _marker(last, last_is_prefix, False)
                return
            counted += 1
            last_is_prefix = bool(common) and not self._counts_keys
            last = (common if last_is_prefix else self._keys[self._at]).decode()
            if not common:
                self.keys.append(last)
            elif not self.prefixes or self.prefixes[-1] != common.decode():
                self.prefixes.append(common.decode())
            self._at = self._behind(common) if last_is_prefix else self._at + 1

    def _next(self) -> bytes | None:
        """The common prefix of the key that comes now, empty if it has none; None at the end."""
        if self._at >= len(self._keys) or not self._keys[self._at].startswith(self._prefix):
            return None
        if not self._delimiter:
            return b""
        key = self._keys[self._at]
        found = key.find(self._delimiter, len(self._prefix))
        return b"" if found < 0 else key[: found + len(self._delimiter)]

    def _behind(self, prefix: bytes) -> int:
        """0xFF begins no character of UTF-8."""
        return bisect_left(self._keys, prefix + b"\xff", self._at)


def _marker(start: str, after_prefix: bool, was_empty: bool) -> str:
    fields = {"c": int(was_empty), "k": start} | ({"p": 1} if after_prefix else {})
    return urlsafe_b64encode(json.dumps(fields, separators=(",", ":")).encode()).decode()


def _read_marker(marker: str) -> tuple[str, bool, bool]:
    if not marker:
        return "", False, False
    try:
        fields = read_json(urlsafe_b64decode(marker.encode("ascii")))
        return str(fields["k"]), bool(fields.get("p")), bool(fields["c"])
    except (ValueError, KeyError, TypeError, AttributeError):
        raise QiniuError(640, "invalid marker") from None
