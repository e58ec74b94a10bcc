"""How `local` names things on a disk, and the few ways in which it touches them.

Names are pure functions. The rest opens directories one inside the other, relative to open ones, and
never follows a link: nothing that is done here leaves the directory it began in.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import stat
import unicodedata
import zlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from ..errors import TooLargeError
from ..media_types import guess_content_type
from ..model import ObjectInfo, PutOptions

__all__ = [
    "ABSENT",
    "BLOCKED",
    "CREATE",
    "FOLDER",
    "HEADERS",
    "LOCK",
    "MAX_DEPTH",
    "MODE",
    "READ",
    "Head",
    "Spot",
    "close_all",
    "descend",
    "describe",
    "encode",
    "etag",
    "find_head",
    "has_files",
    "head_of",
    "is_exact",
    "is_text",
    "list_folder",
    "look",
    "lstat",
    "make_etag",
    "make_folder",
    "modified",
    "natural_names",
    "pack_head",
    "prune",
    "read_all",
    "remove_tree",
    "shadow_key",
    "shadow_names",
    "spare_slot",
    "sync",
    "unlink_if_there",
    "write_all",
]

MAX_NAME_BYTES = 255
"""NAME_MAX of Linux and macOS."""
MAX_DEPTH = 64
"""Deeper keys go to the shadow: each directory on the way is an open file for a moment."""
SHADOW_CHUNK = 140
"""eCryptfs takes names of 143 bytes, the fewest of the file systems in use."""
READ_SIZE = 4096
"""How much of a small file is read at a time."""
SLOT_BYTES = 32 * 1024
"""A sidecar has two slots: the head of the current version is never written over."""
_SLOT_PREFIX = 16
"""CRC-32 and length of what follows, 8 hexadecimal digits each."""
MODE, FOLDER_MODE = 0o666, 0o777
"""Less the umask."""

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
"""O_NONBLOCK: a FIFO that somebody put there must not make us wait for its writer."""
CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
LOCK = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW

BLOCKED = frozenset(
    {
        errno.ENOTDIR,
        errno.EISDIR,
        errno.ELOOP,
        errno.ENOTEMPTY,
        errno.EEXIST,
        errno.ENAMETOOLONG,
        errno.EINVAL,
        errno.EILSEQ,
    }
)
"""Something else has the place, or this file system does not take such a name."""
ABSENT = BLOCKED | {errno.ENOENT, errno.ENXIO, errno.ENODEV, errno.EOPNOTSUPP}
"""There is no regular file; the last three are of sockets and devices."""

Head = Mapping[str, Any]
"""What a sidecar says: those of `HEADERS` that there are, ``metadata`` and ``checksums``."""
HEADERS = ("content_type", "content_encoding", "cache_control", "content_disposition")

encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
"""Compact JSON."""


# --- names: pure ----------------------------------------------------------------------------------


def natural_names(key: str) -> list[str] | None:
    """The path of a key below its bucket; None where no file can be called so."""
    names = key.split("/")
    if "" in names or "." in names or ".." in names or "\0" in key or len(names) > MAX_DEPTH:
        return None
    if len(key) * 4 > MAX_NAME_BYTES and any(len(n.encode()) > MAX_NAME_BYTES for n in names):
        return None
    return names


_KEPT = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789_-.")
_ESCAPES = tuple(chr(byte) if byte in _KEPT else f"%{byte:02x}" for byte in range(256))


def shadow_names(key: str) -> list[str]:
    """The path of a key below its bucket's shadow: it says the key exactly.

    Capitals are percent-encoded too, so that no file system takes two keys for one. Directories end
    in ``+`` and files in ``$``, so that no key is in another's way.
    """
    text = "".join([_ESCAPES[byte] for byte in key.encode()])
    last = (len(text) - 1) // SHADOW_CHUNK * SHADOW_CHUNK
    names = [f"{text[i : i + SHADOW_CHUNK]}+" for i in range(0, last, SHADOW_CHUNK)]
    names.append(f"{text[last:]}$")
    return names


def shadow_key(names: Sequence[str]) -> str | None:
    """The key of a path in the shadow; None: it is none that `shadow_names` makes."""
    try:
        key = unquote("".join(name[:-1] for name in names), errors="strict")
        return key if shadow_names(key) == list(names) else None
    except UnicodeError:
        return None


class Spot:
    """Where all that belongs to a key lies. Pure.

    Attributes:
        natural: the path below the bucket, or None (see `natural_names`).
        hashed: the name of the sidecar in ``meta``. One folder holds them all: ext4 keeps each folder
            in a place of its own, so that a new file costs 23 µs in one and 140 in one of 256.
    """

    __slots__ = ("bucket", "hashed", "key", "natural")

    def __init__(self, bucket: str, key: str) -> None:
        self.bucket = bucket
        self.key = key
        self.natural = natural_names(key)
        self.hashed = hashlib.sha256(f"{bucket}/{key}".encode()).hexdigest()[:32]

    @property
    def shadow(self) -> list[str]:
        """The path below ``shadow``."""
        return [self.bucket, *shadow_names(self.key)]

    @property
    def lock(self) -> str:
        """Which of 256 locks; the same for keys that a file system may take for one."""
        key = self.key
        if key.isascii():
            folded = key.lower()
        else:
            folded = unicodedata.normalize("NFD", unicodedata.normalize("NFD", key).casefold())
        return f"{zlib.crc32(f'{self.bucket}/{folded}'.encode()) & 0xFF:02x}"


def etag(found: os.stat_result) -> str:
    """Names one version of an object's data; no other version of the key has the same."""
    return f"{found.st_ino:x}-{found.st_mtime_ns:x}-{found.st_size:x}"


def make_etag(ino: int, mtime_ns: int, size: int) -> str:
    """What `etag` makes of a file like this."""
    return f"{ino:x}-{mtime_ns:x}-{size:x}"


def modified(found: os.stat_result) -> datetime:
    """When an object was written."""
    return datetime.fromtimestamp(found.st_mtime_ns / 1e9, UTC)


def is_text(name: str) -> bool:
    """Whether a file's name is UTF-8; Python shows other bytes as lone surrogates."""
    if name.isascii():
        return True
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


# --- heads: pure ----------------------------------------------------------------------------------


def head_of(source: PutOptions | ObjectInfo) -> dict[str, Any]:
    """The head that an object shall have, without checksums."""
    head: dict[str, Any] = {"metadata": dict(source.metadata)}
    for name in HEADERS:
        value = getattr(source, name)
        if value is not None:
            head[name] = value
    return head


def describe(key: str, found: os.stat_result, head: Head | None) -> ObjectInfo:
    """An object as it is; without a head, its content type is that of its name."""
    if head is None:
        return ObjectInfo(key, found.st_size, etag(found), modified(found), guess_content_type(key))
    get = head.get
    return ObjectInfo(
        key,
        found.st_size,
        etag(found),
        modified(found),
        get("content_type"),
        get("content_encoding"),
        get("cache_control"),
        get("content_disposition"),
        head["metadata"],
        head["checksums"],
    )


def pack_head(spot: Spot, version: str, head: Head) -> bytes:
    """A head as it lies in a slot of a sidecar: bound to a version of the data, with its own checksum.

    Raises:
        TooLargeError
    """
    text = encode({"version": version, "bucket": spot.bucket, "key": spot.key, **head}).encode()
    packed = b"%08x%08x%b" % (zlib.crc32(text), len(text), text)
    if len(packed) > SLOT_BYTES:
        raise TooLargeError(f"headers and metadata have {len(text)} bytes, {SLOT_BYTES} are the most")
    return packed


def find_head(fd: int, version: str = "") -> dict[str, Any] | None:
    """The head of a version (or of any) in an open sidecar; None: it holds none."""
    begins = b'{"version":"%b' % version.encode()
    for slot in (0, SLOT_BYTES):
        data = os.pread(fd, READ_SIZE, slot)
        if not data.startswith(begins, _SLOT_PREFIX):
            continue
        crc, end = int(data[:8], 16), _SLOT_PREFIX + int(data[8:_SLOT_PREFIX], 16)
        if end > len(data):
            data = os.pread(fd, end, slot)
        text = data[_SLOT_PREFIX:end]
        # Another process may just be writing it: then it is of another version in a moment.
        if zlib.crc32(text) == crc:
            head: dict[str, Any] = json.loads(text)
            if not version or head["version"] == version:
                return head
    return None


def spare_slot(fd: int, current: str) -> int:
    """Where in an open sidecar a head can be written: not in the slot of the current version."""
    begins = b'{"version":"%b"' % current.encode()
    data = os.pread(fd, _SLOT_PREFIX + len(begins), 0)
    return SLOT_BYTES if data.startswith(begins, _SLOT_PREFIX) else 0


# --- files ----------------------------------------------------------------------------------------


def write_all(fd: int, data: bytes | memoryview) -> None:
    """Writes all of it."""
    written = os.write(fd, data)
    while written < len(data):
        written += os.write(fd, memoryview(data)[written:])


def read_all(fd: int) -> bytes:
    """The rest of a small file."""
    data = piece = os.read(fd, READ_SIZE)
    while len(piece) == READ_SIZE:
        piece = os.read(fd, READ_SIZE)
        data += piece
    return data


def sync(fd: int) -> None:
    """Has the disk keep a file or a directory through power loss."""
    if hasattr(fcntl, "F_FULLFSYNC"):  # macOS: fsync leaves it in the drive's own memory
        fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
    else:
        os.fsync(fd)


def unlink_if_there(parent: int, name: str) -> bool:
    """Removes a file; False: there was none."""
    try:
        os.unlink(name, dir_fd=parent)
    except FileNotFoundError:
        return False
    return True


def make_folder(parent: int, name: str) -> None:
    """Makes a directory unless it is there."""
    with suppress(FileExistsError):
        os.mkdir(name, FOLDER_MODE, dir_fd=parent)


def list_folder(parent: int, name: str = ".") -> list[str]:
    """The names in a directory; none where it is gone."""
    # Opened anew, also where it is open: those who share an open one share how far it was read.
    try:
        fd = os.open(name, FOLDER, dir_fd=parent)
    except FileNotFoundError:
        return []
    try:
        return os.listdir(fd)
    finally:
        os.close(fd)


def close_all(fds: Iterable[int]) -> None:
    """Closes open files."""
    for fd in fds:
        os.close(fd)


def descend(top: int, names: Sequence[str], *, make: bool = False) -> list[int]:
    """Opens the directories on the way to the last name, one inside the other; the caller closes."""
    fds: list[int] = []
    at = top
    try:
        for name in names[:-1]:
            try:
                at = os.open(name, FOLDER, dir_fd=at)
            except FileNotFoundError:
                if not make:
                    raise
                make_folder(at, name)
                at = os.open(name, FOLDER, dir_fd=at)
            fds.append(at)
    except BaseException:
        close_all(fds)
        raise
    return fds


def prune(top: int, names: Sequence[str]) -> None:
    """Removes the directories on the way to the last name, as far up as they are empty."""
    fds: list[int] = []
    at = top
    try:
        with suppress(OSError):  # not there, not empty, or not ours
            for name in names[:-1]:
                at = os.open(name, FOLDER, dir_fd=at)
                fds.append(at)
        with suppress(OSError):
            for depth in reversed(range(len(fds))):
                os.rmdir(names[depth], dir_fd=fds[depth - 1] if depth else top)
    finally:
        close_all(fds)


def lstat(top: int, names: Sequence[str]) -> os.stat_result | None:
    """What is at a path, of whatever kind; None: nothing."""
    try:
        if len(names) == 1:
            return os.stat(names[0], dir_fd=top, follow_symlinks=False)
        fds = descend(top, names)
        try:
            return os.stat(names[-1], dir_fd=fds[-1], follow_symlinks=False)
        finally:
            close_all(fds)
    except OSError as exc:
        if exc.errno in ABSENT:
            return None
        raise


def look(top: int, names: Sequence[str], *, opened: bool) -> tuple[int, os.stat_result] | None:
    """The regular file at a path, open for reading if that is asked (else -1); None: there is none."""
    if not opened:
        found = lstat(top, names)
        return (-1, found) if found is not None and stat.S_ISREG(found.st_mode) else None
    try:
        fds = descend(top, names) if len(names) > 1 else []
        try:
            fd = os.open(names[-1], READ, dir_fd=fds[-1] if fds else top)
        finally:
            close_all(fds)
    except OSError as exc:
        if exc.errno in ABSENT:
            return None
        raise
    found = os.fstat(fd)
    if stat.S_ISREG(found.st_mode):
        return fd, found
    os.close(fd)
    return None


def is_exact(top: int, names: Sequence[str]) -> bool:
    """Whether a path is spelt just so on the disk; a file system may have taken another for it."""
    fds = descend(top, names)
    try:
        return all(name in list_folder(at) for at, name in zip((top, *fds), names, strict=True))
    finally:
        close_all(fds)


def has_files(fd: int) -> bool:
    """Whether there is anything but directories in a directory, or in those below it."""
    with os.scandir(fd) as entries:
        for entry in entries:
            if not entry.is_dir(follow_symlinks=False):
                return True
            try:
                inner = os.open(entry.name, FOLDER, dir_fd=fd)
            except FileNotFoundError:
                continue
            try:
                if has_files(inner):
                    return True
            finally:
                os.close(inner)
    return False


def remove_tree(parent: int, name: str, *, only_folders: bool = False) -> None:
    """Removes a directory and what is in it, if it is there; links are removed, not followed.

    Raises:
        OSError: ENOTEMPTY where there is more than folders and only those shall go.
    """
    try:
        fd = os.open(name, FOLDER, dir_fd=parent)
    except FileNotFoundError:
        return
    try:
        with os.scandir(fd) as entries:
            found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
        for inner, is_folder in found:
            if is_folder:
                remove_tree(fd, inner, only_folders=only_folders)
            elif not only_folders:
                unlink_if_there(fd, inner)
    finally:
        os.close(fd)
    with suppress(FileNotFoundError):
        os.rmdir(name, dir_fd=parent)
