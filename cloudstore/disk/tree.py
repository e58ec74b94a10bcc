"""An opened root of `local`: finding and switching objects, locks, and what a crash leaves behind.

What lies under ``<root>/.cloudstore``:

=========== ========================================================================================
`buckets`   a lock for each bucket: exclusive to create and delete it, shared by those who put
            something outside its directory; it also says when the bucket was created
`lock`      256 locks for keys, by hash; each says what its last holder still had to tidy up
`meta`      a sidecar for each key: two slots for heads, each bound to one version of the data
`shadow`    objects whose natural place ``<root>/<bucket>/<key>`` is impossible or taken
`tmp`       a folder for each process that writes, whose lock says that the process is alive
`uploads`   multipart uploads (see `uploads`)
=========== ========================================================================================

A version is a file's inode, time and size. A write fills a file in `tmp`; then, holding the key's lock,
it gives the file a time that the key never had, writes the head of this version into the slot that the
current one does not use, and renames the file into its place: that is the switch. A change of metadata
is switched by a new time alone. Whoever finds a file without a head of its version looks whether it was
replaced meanwhile; if not, it was placed or edited by hand and has none. So readers need no lock, and
always see data and metadata of one write. Locks are `flock`s: all processes must be of one host.
"""

from __future__ import annotations

import errno
import fcntl
import itertools
import json
import os
import stat
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any, NamedTuple, Self, TypeVar

from ..checksums import new_hasher
from ..driver import OpContext
from ..errors import (
    BucketAlreadyExistsError,
    BucketNotEmptyError,
    BucketNotFoundError,
    ChecksumMismatchError,
    ObjectNotFoundError,
    StoreClosedError,
    UnavailableError,
)
from ..preconditions import check_write
from .layout import (
    ABSENT,
    BLOCKED,
    CREATE,
    FOLDER,
    LOCK,
    MODE,
    READ,
    Head,
    Spot,
    close_all,
    descend,
    encode,
    etag,
    find_head,
    has_files,
    is_exact,
    list_folder,
    look,
    lstat,
    make_etag,
    make_folder,
    pack_head,
    prune,
    read_all,
    remove_tree,
    shadow_key,
    spare_slot,
    sync,
    unlink_if_there,
    write_all,
)

__all__ = ["Found", "Own", "Temp", "Tree"]

T = TypeVar("T")

INTERNAL_FOLDER = ".cloudstore"
ATTEMPTS = 1000
"""How often something is begun anew because another process was quicker."""
NOTE_SIZE_BYTES = 4
"""The length of a lock's note, before the note; 0 is none."""

GRANULARITIES = (1, 100, 1_000, 10_000, 1_000_000, 10_000_000, 1_000_000_000, 2_000_000_000)
"""In what steps of nanoseconds file systems keep times: 1 ext4, 100 NTFS, 10**9 HFS+, 2*10**9 FAT."""
TIME_PROBE = 1_000_000_001_987_654_321
"""A time that no two of them round to the same."""


class Found(NamedTuple):
    """An object as it was found.

    Attributes:
        fd: open for reading, or -1.
        head: what its sidecar says; None: it was placed or edited by hand.
    """

    fd: int
    stat: os.stat_result
    head: Head | None


class Temp:
    """A file that is being written; after an error it is removed if it is still there."""

    __slots__ = ("fd", "folder", "name")

    def __init__(self, folder: int, name: str) -> None:
        self.folder = folder
        self.name = name
        self.fd = os.open(name, CREATE, MODE, dir_fd=folder)

    def fill(
        self, chunks: Iterable[bytes | memoryview], algorithm: str, promised: Mapping[str, str]
    ) -> dict[str, str]:
        """Writes all chunks; returns their digests: by `algorithm`, and those that were promised.

        Raises:
            ChecksumMismatchError: a promise is broken.
        """
        first = new_hasher(algorithm)
        others = {name: new_hasher(name) for name in promised if name != algorithm} if promised else {}
        for chunk in chunks:
            first.update(chunk)
            for hasher in others.values():
                hasher.update(chunk)
            write_all(self.fd, chunk)
        digests = {algorithm: first.hexdigest()}
        for name, hasher in others.items():
            digests[name] = hasher.hexdigest()
        for name, digest in promised.items():
            if digests[name] != digest:
                raise ChecksumMismatchError(f"the {name} is {digests[name]}, {digest} was promised")
        return digests

    def check_size(self, size: int) -> None:
        """Raises UnavailableError where the source, a file, became shorter meanwhile."""
        if os.fstat(self.fd).st_size != size:
            raise UnavailableError("a file became shorter while it was being copied", retryable=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        os.close(self.fd)
        if exc[0] is not None:
            unlink_if_there(self.folder, self.name)


class Own:
    """This process's folder in ``tmp``, locked for as long as the process lives.

    Attributes:
        numbers: names for files in it.
        granularity: in what steps the file system keeps times, in nanoseconds.
    """

    __slots__ = ("folder", "granularity", "lock", "name", "numbers")

    def __init__(self, name: str, folder: int, lock: int) -> None:
        self.name = name
        self.folder = folder
        self.lock = lock
        self.numbers = itertools.count()
        os.utime(lock, ns=(TIME_PROBE, TIME_PROBE))
        kept = os.fstat(lock).st_mtime_ns
        self.granularity = next(
            (g for g in GRANULARITIES if TIME_PROBE - TIME_PROBE % g == kept), GRANULARITIES[-1]
        )

    def close(self) -> None:
        """Closes it; the lock is free once no forked child has it open."""
        os.close(self.folder)
        os.close(self.lock)


class Tree:
    """An opened root. Any number of threads may use it, each call through `run`.

    Args:
        root: made if it is not there, with its parents.
        fsync: what was written survives power loss once the call returns.

    Raises:
        OSError: as the system says it.
    """

    def __init__(self, root: str, *, fsync: bool) -> None:
        os.makedirs(root, exist_ok=True)
        self.fsync = fsync
        self._gate = threading.Lock()
        self._beginning = threading.Lock()
        self._running = 0
        self._closed = False
        self._released = False
        self._own: Own | None = None
        self._last_stamp = 0
        self._held: set[int] = set()
        self._fds: list[int] = []
        try:
            self.root = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
            self._fds.append(self.root)
            if not os.access(root, os.R_OK | os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            self.internal = self._folder(self.root, INTERNAL_FOLDER)
            self._buckets = self._folder(self.internal, "buckets")
            self._locks = self._folder(self.internal, "lock")
            self._meta = self._folder(self.internal, "meta")
            self.shadow = self._folder(self.internal, "shadow")
            self._tmp = self._folder(self.internal, "tmp")
            self.uploads = self._folder(self.internal, "uploads")
            self._folds = lstat(self.root, [INTERNAL_FOLDER.upper()]) is not None
            self.sync_after(self.internal, self.root)
        except BaseException:
            close_all(self._fds)
            raise

    def _folder(self, parent: int, name: str) -> int:
        make_folder(parent, name)
        self._fds.append(os.open(name, FOLDER, dir_fd=parent))
        return self._fds[-1]

    # --- life ---

    def run(self, function: Callable[..., T], *args: Any) -> T:
        """Calls a function that uses the tree; closing waits for it.

        Raises:
            StoreClosedError
        """
        with self._gate:
            if self._closed:
                raise StoreClosedError("this store was closed")
            self._running += 1
        try:
            return function(*args)
        finally:
            with self._gate:
                self._running -= 1
            self._release_if_closed()

    def close(self) -> None:
        """Gives up everything once the last call has ended; any number of times."""
        self._closed = True
        self._release_if_closed()

    def _release_if_closed(self) -> None:
        if not self._closed:
            return
        with self._gate:
            if self._running or self._released:
                return
            self._released = True
        own, self._own = self._own, None
        if own is not None:
            with suppress(OSError):  # what is left is found dead by the next process
                remove_tree(self._tmp, own.name)
            own.close()
        close_all(self._fds)

    def after_fork_in_child(self) -> None:
        """The child gives up what is the parent's: its folder, and locks that its threads hold.

        It closes and never unlocks: a lock belongs to all who have the file open.
        """
        self._gate = threading.Lock()
        self._beginning = threading.Lock()
        self._running = 0
        own, self._own = self._own, None
        if own is not None:
            own.close()
        held, self._held = self._held, set()
        close_all(held)

    # --- locks ---

    def lock(self, folder: int, name: str, how: int, flags: int = LOCK) -> int:
        """Opens a file and locks it; `unlock` gives it back."""
        fd = os.open(name, flags, MODE, dir_fd=folder)
        self._held.add(fd)
        try:
            fcntl.flock(fd, how)
        except BaseException:
            self.unlock(fd)
            raise
        return fd

    def unlock(self, fd: int) -> None:
        """Unlocks even where a forked child still has the same file open."""
        with suppress(OSError):
            fcntl.flock(fd, fcntl.LOCK_UN)
        self._held.discard(fd)
        os.close(fd)

    @contextmanager
    def using(self, bucket: str) -> Iterator[int]:
        """Keeps a bucket from being deleted meanwhile; gives its directory.

        Raises:
            BucketNotFoundError
        """
        try:
            lock = self.lock(self._buckets, bucket, fcntl.LOCK_SH, LOCK & ~os.O_CREAT)
        except FileNotFoundError:  # a bucket that was made by hand, or none
            self.check_bucket(bucket)
            lock = self.lock(self._buckets, bucket, fcntl.LOCK_SH)
        try:
            fd = self.open_bucket(bucket)
            try:
                yield fd
            finally:
                os.close(fd)
        finally:
            self.unlock(lock)

    @contextmanager
    def _writing(self, spot: Spot) -> Iterator[tuple[int, int]]:
        """Holds a key's lock; gives the bucket's directory and the lock.

        Raises:
            BucketNotFoundError
        """
        bucket_fd = self.open_bucket(spot.bucket)
        try:
            lock = self.lock(self._locks, spot.lock, fcntl.LOCK_EX)
            try:
                if os.pread(lock, NOTE_SIZE_BYTES, 0).strip(b"\0"):
                    with suppress(OSError):  # another user's, perhaps; it is no part of this write
                        self._finish(lock)
                yield bucket_fd, lock
            finally:
                self.unlock(lock)
        finally:
            os.close(bucket_fd)

    def _intend(self, lock: int, spot: Spot) -> None:
        """Notes that a key may need tidying up, for whoever comes after a crash."""
        note = encode((spot.bucket, spot.key)).encode()
        with suppress(OSError):  # a full disk must not keep anybody from deleting
            os.pwrite(lock, len(note).to_bytes(NOTE_SIZE_BYTES, "big") + note, 0)

    def _done(self, lock: int) -> None:
        os.pwrite(lock, bytes(NOTE_SIZE_BYTES), 0)

    def _finish(self, lock: int) -> None:
        """Does what the last holder of a key's lock did not come to."""
        size = int.from_bytes(os.pread(lock, NOTE_SIZE_BYTES, 0), "big")
        if not size:
            return
        # A note torn by power loss names garbage that then stays; it harms nobody.
        with suppress(ValueError, TypeError):
            self._tidy(Spot(*json.loads(os.pread(lock, size, NOTE_SIZE_BYTES))))
        self._done(lock)

    def _tidy(self, spot: Spot) -> None:
        """Removes a head of no version that is there, a shadow behind a natural file, empty folders."""
        natural = shadow = None
        with suppress(BucketNotFoundError):
            bucket_fd = self.open_bucket(spot.bucket)
            try:
                natural, shadow, _ = self._standing(bucket_fd, spot)
                if natural is None:
                    prune(bucket_fd, spot.natural or ())
            finally:
                os.close(bucket_fd)
        if natural is not None and shadow is not None:
            self._remove(self.shadow, spot.shadow)
        elif shadow is None:
            prune(self.shadow, spot.shadow)
        current = natural or shadow
        if current is None or self._head(spot, current) is None:
            unlink_if_there(self._meta, spot.hashed)

    # --- buckets ---

    def check_bucket(self, bucket: str) -> os.stat_result:
        """Describes a bucket's directory.

        Raises:
            BucketNotFoundError
        """
        found = lstat(self.root, [bucket])
        is_there = found is not None and stat.S_ISDIR(found.st_mode)
        if found is None or not is_there or (self._folds and not is_exact(self.root, [bucket])):
            raise BucketNotFoundError("there is no such bucket")
        return found

    def bucket_names(self) -> list[str]:
        """The names in the root: some are of buckets."""
        return sorted(list_folder(self.root))

    def open_bucket(self, bucket: str) -> int:
        """Opens a bucket's directory.

        Raises:
            BucketNotFoundError
        """
        if self._folds:
            self.check_bucket(bucket)
        try:
            return os.open(bucket, FOLDER, dir_fd=self.root)
        except OSError as exc:
            if exc.errno in ABSENT:
                raise BucketNotFoundError("there is no such bucket") from None
            raise

    def created_at(self, bucket: str, found: os.stat_result) -> datetime | None:
        """When a bucket was created; None where that was by hand."""
        try:
            fd = os.open(bucket, READ, dir_fd=self._buckets)
        except FileNotFoundError:
            return None
        try:
            note = read_all(fd).split()
        finally:
            os.close(fd)
        if len(note) != 2 or note[0] != b"%d" % found.st_ino:
            return None
        return datetime.fromtimestamp(float(note[1]), UTC)

    def create_bucket(self, bucket: str, now: float, forget_uploads: Callable[[str], None]) -> datetime:
        """Makes a bucket, free of what one that was removed by hand left behind.

        Raises:
            BucketAlreadyExistsError
        """
        lock = self.lock(self._buckets, bucket, fcntl.LOCK_EX)
        try:
            if lstat(self.root, [bucket]) is not None:
                raise BucketAlreadyExistsError("there is a bucket, or a file, of this name")
            forget_uploads(bucket)
            remove_tree(self.shadow, bucket)
            os.mkdir(bucket, dir_fd=self.root)
            try:
                ino = self.check_bucket(bucket).st_ino
                os.ftruncate(lock, 0)
                os.pwrite(lock, f"{ino} {now!r}".encode(), 0)
            except BaseException:
                os.rmdir(bucket, dir_fd=self.root)
                raise
            self.sync_after(lock, self._buckets, self.root)
            return datetime.fromtimestamp(now, UTC)
        finally:
            self.unlock(lock)

    def delete_bucket(self, bucket: str, forget_uploads: Callable[[str], None]) -> None:
        """Removes a bucket without objects.

        Raises:
            BucketNotFoundError, BucketNotEmptyError
        """
        self._check_empty(bucket)  # first without the lock, for which writers have to stop
        lock = self.lock(self._buckets, bucket, fcntl.LOCK_EX)
        try:
            self._check_empty(bucket)
            try:
                remove_tree(self.root, bucket, only_folders=True)
            except OSError as exc:
                if exc.errno in (errno.ENOTEMPTY, errno.EEXIST):
                    raise BucketNotEmptyError("somebody has just placed a file there") from exc
                raise
            # The bucket is gone; of what is left by a failure, the next of its name is freed.
            with suppress(OSError):
                forget_uploads(bucket)
                remove_tree(self.shadow, bucket)
                os.ftruncate(lock, 0)
            self.sync_after(self.root)
        finally:
            self.unlock(lock)

    def _check_empty(self, bucket: str) -> None:
        fd = self.open_bucket(bucket)
        try:
            is_empty = not has_files(fd) and not any(self.shadow_keys(bucket))
        except PermissionError:
            is_empty = False
        finally:
            os.close(fd)
        if not is_empty:
            raise BucketNotEmptyError("the bucket holds objects, or files placed by hand")

    # --- finding ---

    def _is_ours(self, bucket_fd: int, spot: Spot, found: os.stat_result) -> bool:
        """Whether a natural file is of this key, and not of one that the file system takes for it."""
        if not self._folds:
            return True
        return self._head(spot, found) is not None or is_exact(bucket_fd, spot.natural or ())

    def _natural(
        self, bucket_fd: int, spot: Spot, *, opened: bool
    ) -> tuple[int, os.stat_result] | None:
        if spot.natural is None:
            return None
        located = look(bucket_fd, spot.natural, opened=opened)
        if located is not None and not self._is_ours(bucket_fd, spot, located[1]):
            if opened:
                os.close(located[0])
            return None
        return located

    def _locate(self, spot: Spot, *, opened: bool) -> tuple[int, os.stat_result] | None:
        bucket_fd = self.open_bucket(spot.bucket)
        try:
            located = self._natural(bucket_fd, spot, opened=opened)
            if located is None:
                located = look(self.shadow, spot.shadow, opened=opened)
            if located is None:
                # It may have moved from the shadow to its natural place between the two looks; the
                # other way it goes only by being deleted.
                located = self._natural(bucket_fd, spot, opened=opened)
            return located
        finally:
            os.close(bucket_fd)

    def stat(self, spot: Spot) -> os.stat_result | None:
        """The file of an object; None: there is no object.

        Raises:
            BucketNotFoundError
        """
        located = self._locate(spot, opened=False)
        return None if located is None else located[1]

    def find(self, spot: Spot, *, opened: bool) -> Found:
        """An object: its data, open if that is asked, and the head of just these data.

        Raises:
            BucketNotFoundError, ObjectNotFoundError
        """
        for _ in range(ATTEMPTS):
            located = self._locate(spot, opened=opened)
            if located is None:
                raise ObjectNotFoundError("there is no such object")
            fd, found = located
            is_done = False
            try:
                head = self._head(spot, found)
                if head is None:
                    now = self.stat(spot)
                    is_done = now is not None and etag(now) == etag(found)
                else:
                    is_done = True
                if is_done:
                    return Found(fd, found, head)
            finally:
                if opened and not is_done:
                    os.close(fd)
        raise UnavailableError("the object is being replaced all the time", retryable=True)

    def _head(self, spot: Spot, found: os.stat_result) -> Head | None:
        """The head of a version; None: it has none."""
        try:
            fd = os.open(spot.hashed, READ, dir_fd=self._meta)
        except FileNotFoundError:
            return None
        try:
            return find_head(fd, etag(found))
        finally:
            os.close(fd)

    def shadow_keys(self, bucket: str) -> Iterator[str]:
        """All keys in a bucket's shadow, in no order."""
        pending: list[tuple[str, ...]] = [()]
        while pending:
            path = pending.pop()
            try:
                fds = descend(self.shadow, (bucket, *path, ""))
            except FileNotFoundError:
                continue
            try:
                names = os.listdir(fds[-1])
            finally:
                close_all(fds)
            for name in names:
                if name.endswith("+"):
                    pending.append((*path, name))
                    continue
                key = shadow_key((*path, name))
                if key is not None:
                    yield key

    # --- writing ---

    def temp(self, ctx: OpContext, spot: Spot) -> Temp:
        """A new file for an object; its name leads to the sidecar, should this process die."""
        own = self.own(ctx)
        name = f"{spot.lock}.{spot.hashed}.{next(own.numbers)}"
        return Temp(own.folder, name)

    def own(self, ctx: OpContext) -> Own:
        """This process's folder for temporary files. Never called first while a lock is held."""
        own = self._own
        if own is None:
            with self._beginning:
                own = self._own
                if own is None:
                    self._sweep_dead()
                    own = self._own = self._begin(ctx)
        return own

    def _begin(self, ctx: OpContext) -> Own:
        for _ in range(ATTEMPTS):
            name = f"{ctx.random.getrandbits(128):032x}"
            fds: list[int] = []
            try:
                os.mkdir(name, dir_fd=self._tmp)
                fds.append(os.open(name, FOLDER, dir_fd=self._tmp))
                fds.append(os.open("lock", LOCK, MODE, dir_fd=fds[0]))
                fcntl.flock(fds[1], fcntl.LOCK_EX | fcntl.LOCK_NB)
                there = os.stat(f"{name}/lock", dir_fd=self._tmp, follow_symlinks=False)
                if os.path.samestat(there, os.fstat(fds[1])):
                    return Own(name, fds[0], fds[1])
            except (FileExistsError, FileNotFoundError, BlockingIOError):
                pass  # until its lock is held, a sweeper may take the folder for a dead one's
            except BaseException:
                close_all(fds)
                with suppress(OSError):
                    remove_tree(self._tmp, name)
                raise
            close_all(fds)
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))

    def _sweep_dead(self) -> None:
        """Removes what processes that died have left, and does what they had still to do."""
        for name in list_folder(self._tmp):
            # What this user may not remove stays; that must keep nobody from writing.
            with suppress(OSError):
                lock = self.lock(self._tmp, f"{name}/lock", fcntl.LOCK_EX | fcntl.LOCK_NB)
                try:
                    self._sweep(name)
                finally:
                    self.unlock(lock)
        for name in list_folder(self._locks):
            with suppress(OSError):  # whoever has it locked has finished it already
                lock = self.lock(self._locks, name, fcntl.LOCK_EX | fcntl.LOCK_NB)
                try:
                    self._finish(lock)
                finally:
                    self.unlock(lock)

    def _sweep(self, name: str) -> None:
        for entry in list_folder(self._tmp, name):
            shard, _, rest = entry.partition(".")
            if rest:
                lock = self.lock(self._locks, shard, fcntl.LOCK_EX)
                try:
                    self._sweep_sidecar(rest.partition(".")[0])
                finally:
                    self.unlock(lock)
        remove_tree(self._tmp, name)

    def _sweep_sidecar(self, name: str) -> None:
        """Removes the sidecar of an object that was never made. The key's lock is held."""
        try:
            fd = os.open(name, READ, dir_fd=self._meta)
        except FileNotFoundError:
            return
        try:
            head = find_head(fd)
        finally:
            os.close(fd)
        if head is None:
            unlink_if_there(self._meta, name)
        else:
            self._tidy(Spot(head["bucket"], head["key"]))

    def _stamp(self, ctx: OpContext, before: os.stat_result | None) -> int:
        """A time that the key never had: now, or just after the version before.

        A version that was deleted left no time to compare with. So this process gives each time once;
        should two threads get the same one, then their files are there together, and differ.
        """
        step = self.own(ctx).granularity
        last = self._last_stamp if step == 1 else 0
        if before is not None and before.st_mtime_ns > last:
            last = before.st_mtime_ns
        now = int(ctx.clock.now() * 1e9)
        self._last_stamp = stamp = max(now - now % step, last - last % step + step)
        return stamp

    def _standing(
        self, bucket_fd: int, spot: Spot
    ) -> tuple[os.stat_result | None, os.stat_result | None, bool]:
        """A key's natural file, its file in the shadow, and whether its natural place is usable."""
        natural = None
        is_usable = spot.natural is not None
        if spot.natural is not None:
            natural = lstat(bucket_fd, spot.natural)
            if natural is not None and not (
                stat.S_ISREG(natural.st_mode) and self._is_ours(bucket_fd, spot, natural)
            ):
                natural, is_usable = None, False
        return natural, lstat(self.shadow, spot.shadow), is_usable

    def publish(
        self,
        ctx: OpContext,
        spot: Spot,
        temp: Temp,
        head: Head,
        *,
        if_absent: bool,
        if_match: str | None,
    ) -> os.stat_result:
        """Makes a filled file the object, with its head.

        Raises:
            BucketNotFoundError, ObjectAlreadyExistsError, PreconditionFailedError
            UnavailableError: with an unknown outcome: done, but power loss may undo it.
        """
        if self.fsync:
            sync(temp.fd)  # the bulk of it before the lock is held
        with self._writing(spot) as (bucket_fd, lock):
            natural, shadow, is_usable = self._standing(bucket_fd, spot)
            current = natural or shadow
            current_etag = None if current is None else etag(current)
            check_write(current_etag, if_absent=if_absent, if_match=if_match)
            stamp = self._stamp(ctx, current)
            os.utime(temp.fd, ns=(stamp, stamp))
            if self.fsync:
                sync(temp.fd)
            made = os.fstat(temp.fd)
            packed = pack_head(spot, etag(made), head)
            try:
                self._write_sidecar(spot, current_etag or "", packed)
                if shadow is not None and is_usable:
                    self._intend(lock, spot)
                is_natural = is_usable and self._place(
                    bucket_fd, spot.natural or (), bucket_fd, spot, temp
                )
                if not is_natural:
                    self._place_in_shadow(bucket_fd, spot, temp)
            except BaseException:
                with suppress(OSError):
                    self._tidy(spot)
                raise
            if shadow is not None and is_usable:
                with suppress(OSError):  # the switch is done; what fails here, the next one does
                    self._finish(lock)
            return made

    def _write_sidecar(self, spot: Spot, current: str, packed: bytes) -> None:
        """Writes a head beside that of the current version."""
        fd = os.open(spot.hashed, LOCK, MODE, dir_fd=self._meta)
        try:
            if current:
                os.lseek(fd, spare_slot(fd, current), os.SEEK_SET)
            write_all(fd, packed)
            if self.fsync:
                sync(fd)
        finally:
            os.close(fd)
        if self.fsync:
            sync(self._meta)

    def _place_in_shadow(self, bucket_fd: int, spot: Spot, temp: Temp) -> None:
        # Here the bucket's own directory does not tell that the bucket is no more.
        with self.using(spot.bucket):
            self._check_same(bucket_fd, spot.bucket)
            if not self._place(self.shadow, spot.shadow, bucket_fd, spot, temp):
                raise OSError(errno.EEXIST, os.strerror(errno.EEXIST))

    def _check_same(self, bucket_fd: int, bucket: str) -> None:
        if not os.path.samestat(self.check_bucket(bucket), os.fstat(bucket_fd)):
            raise UnavailableError("the bucket was deleted and created just now", retryable=True)

    def _place(self, top: int, names: Sequence[str], bucket_fd: int, spot: Spot, temp: Temp) -> bool:
        """Renames a file to its path, making directories; False: something else is in the way."""
        for _ in range(ATTEMPTS):
            try:
                fds = descend(top, names, make=True) if len(names) > 1 else []
                try:
                    at = fds[-1] if fds else top
                    os.rename(temp.name, names[-1], src_dir_fd=temp.folder, dst_dir_fd=at)
                    if self.fsync:
                        # Those that were there too: whoever made them may not have come to it yet.
                        self.sync_after(*reversed(fds), top, self.root)
                    return True
                finally:
                    close_all(fds)
            except FileNotFoundError:
                # The bucket was deleted; or whoever deleted an object removed an empty directory.
                self._check_same(bucket_fd, spot.bucket)
            except OSError as exc:
                if exc.errno in BLOCKED:
                    return False
                raise
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))

    def sync_after(self, *fds: int) -> None:
        """Syncs what a switch changed, where that is configured.

        Raises:
            UnavailableError: with an unknown outcome.
        """
        if not self.fsync:
            return
        try:
            for fd in fds:
                sync(fd)
        except OSError as exc:
            raise UnavailableError(
                f"done, but the disk may not keep it: {exc.strerror}", outcome="unknown"
            ) from exc

    def _remove(self, top: int, names: Sequence[str]) -> None:
        """Removes a file, and the directories that are empty then."""
        try:
            fds = descend(top, names)
        except FileNotFoundError:
            return
        try:
            at = fds[-1] if fds else top
            unlink_if_there(at, names[-1])
            self.sync_after(at)
        finally:
            close_all(fds)
        prune(top, names)

    def delete(self, spot: Spot, if_match: str | None) -> None:
        """Removes an object; a missing one is no error.

        Raises:
            BucketNotFoundError, PreconditionFailedError
        """
        with self._writing(spot) as (bucket_fd, lock):
            natural, shadow, _ = self._standing(bucket_fd, spot)
            current = natural or shadow
            current_etag = None if current is None else etag(current)
            check_write(current_etag, if_absent=False, if_match=if_match)
            if current is not None:
                self._intend(lock, spot)
            if shadow is not None:
                # First: it must not come to light once the natural file is gone.
                self._remove(self.shadow, spot.shadow)
            if natural is not None:
                self._remove(bucket_fd, spot.natural or ())
            with suppress(OSError):  # the object is gone; what fails here, the next one does
                unlink_if_there(self._meta, spot.hashed)
                if current is not None:
                    self._done(lock)

    def rewrite_head(
        self,
        ctx: OpContext,
        spot: Spot,
        if_match: str | None,
        change: Callable[[Found], Head],
    ) -> tuple[os.stat_result, Head]:
        """Gives an object another head; the new time of its file is the switch.

        Raises:
            BucketNotFoundError, ObjectNotFoundError, PreconditionFailedError
        """
        self.own(ctx)
        with self._writing(spot) as (_, lock):
            old = self.find(spot, opened=True)
            try:
                version = etag(old.stat)
                check_write(version, if_absent=False, if_match=if_match)
                head = change(old)
                stamp = self._stamp(ctx, old.stat)
                new = make_etag(old.stat.st_ino, stamp, old.stat.st_size)
                packed = pack_head(spot, new, head)
                if old.head is None:
                    self._intend(lock, spot)
                try:
                    self._write_sidecar(spot, version, packed)
                    os.utime(old.fd, ns=(stamp, stamp))
                    self.sync_after(old.fd)
                finally:
                    if old.head is None:
                        with suppress(OSError):
                            self._finish(lock)
                return os.fstat(old.fd), head
            finally:
                os.close(old.fd)
