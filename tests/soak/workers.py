"""What a worker does: operations that follow from the seed, each judged by the models at once.

A worker owns some keys, whose content it knows exactly, and shares others. Which operation comes next,
on which key, with which sizes and options, follows from the seed, the worker's name and the operation's
number alone.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cloudstore import CloudStoreError, ErrorKind, ObjectNotFoundError, PartialFailureError
from cloudstore.capabilities import Capabilities
from cloudstore.errors import RangeNotSatisfiableError
from cloudstore.events import Event
from cloudstore.model import ByteRange

from .contents import NOTE, Contents, Version, version_of
from .faces import Face
from .models import Answer, Counter, OwnedKey, Race, Register, ViolationError, noted
from .report import Report

KIB = 1024
KEYS = 4
"""That a worker owns."""
LOOK_SECONDS = 0.3
"""How often a worker that idles looks whether the run is over."""
FIRST_WRITES = 2
"""A worker begins with so many, to have something to work with."""
GROUP = 12
"""Workers that share a race, a counter and a register."""
TIMEOUT = 30.0
CLEANUP = 30.0
"""What a verb may take beyond its deadline if it fails: docs/contract.md, "Errors, time"."""
PART = 64 * KIB
FAULT_KINDS = frozenset({ErrorKind.TRANSPORT, ErrorKind.UNAVAILABLE, ErrorKind.DEADLINE_EXCEEDED})
"""What connections that break may end in."""


class _OwnFailure(Exception):
    """A worker's own exception, which goes through the library unchanged."""


@dataclass(eq=False, slots=True)
class _Call:
    """A call under way, as the observer finds it.

    Attributes:
        lost: attempts whose answers were lost.
    """

    lost: int = 0


_RUNNING: ContextVar[_Call | None] = ContextVar("running", default=None)


@dataclass
class Shared:
    """What all workers of a run have in common."""

    seed: int
    bucket: str
    contents: Contents
    capabilities: Capabilities
    min_part: int
    folder: Path
    report: Report
    secrets: tuple[str, ...]
    pace: float
    largest: int
    noise: float
    hurry: float
    groups: int
    lag: Callable[[], float] = lambda: 0.0
    over: threading.Event = field(default_factory=threading.Event)
    paused: threading.Event = field(default_factory=threading.Event)
    lists_at_once: bool = True
    """Whether a listing shows what was written before it."""
    registers: dict[str, Register] = field(default_factory=dict)
    races: dict[str, Race] = field(default_factory=dict)
    counters: dict[str, Counter] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def register(self, name: str) -> Register:
        """The model of a key that is overwritten."""
        with self.lock:
            return self.registers.setdefault(name, Register(name))

    def race(self, name: str) -> Race:
        """The model of a key that is created once."""
        with self.lock:
            return self.races.setdefault(name, Race(name))

    def counter(self, name: str) -> Counter:
        """The model of a list that is added to."""
        with self.lock:
            return self.counters.setdefault(name, Counter(name))

    def observe(self, event: Event) -> None:
        """Counts the attempts that were lost, for the call they belong to."""
        if event.name != "retrying" or event.error is None:
            return
        self.report.retried(event.error)
        if event.error.outcome != "unknown":
            return
        call = _RUNNING.get()
        if call is not None:  # what is cancelled has none: its model expects the worst
            with self.lock:  # branches side by side have threads of their own
                call.lost += 1


class Worker:
    """See the module.

    Attributes:
        name: ``t3`` is a thread, ``a17`` a task.
        keys: all that it ever owned.
        done: how many operations it has done.
        resting: whether it does nothing just now, because the run is paused.
    """

    def __init__(self, name: str, number: int, face: Face, shared: Shared) -> None:
        self.name = name
        self.done = 0
        self.resting = False
        self._face, self._shared = face, shared
        self._store = face.store
        self._bucket = shared.bucket
        self._group = number % shared.groups
        self._prefix = f"own/{name}/"
        self._keys = [OwnedKey(f"{self._prefix}{place}") for place in range(KEYS)]
        self.keys = list(self._keys)
        self._serial = 0
        self._chance = random.Random()
        self._timeout = TIMEOUT
        self._operations = self._able()

    def _able(self) -> list[Callable[[], Awaitable[None]]]:
        """The operations that the vendor has, each as often as its weight."""
        able = self._shared.capabilities
        weights: dict[Callable[[], Awaitable[None]], int] = {
            self.put: 14,
            self.put_stream: 5,
            self.put_file: 3,
            self.write: 4,
            self.read: 14,
            self.read_streamed: 5,
            self.read_range: 8 * able.ranges,
            self.download: 2,
            self.head: 6,
            self.list_own: 3,
            self.delete: 5,
            self.delete_many: 3,
            self.copy: 4 * able.copy,
            self.move: 3 * able.copy,
            self.set_note: 4 * (able.metadata and (able.copy or able.update_metadata)),
            self.parts: 4 * able.multipart,
            self.create_only: 3 * able.put_if_absent,
            self.replace_matching: 3 * able.put_if_match,
            self.race: 4 * able.put_if_absent,
            self.count: 6 * able.put_if_match,
            self.write_register: 4,
            self.read_register: 6,
            self.cancelled: 2 * self._face.is_async,
        }
        return [operation for operation, weight in weights.items() for _ in range(weight)]

    async def run(self) -> None:
        """Works until the run is over."""
        shared = self._shared
        await self._idle(random.Random(f"{shared.seed}/{self.name}").uniform(0, shared.pace))
        while not shared.over.is_set():
            if shared.paused.is_set():
                self.resting = True
                await self._face.sleep(0.02)
                continue
            self.resting = False
            self._chance = random.Random(f"{shared.seed}/{self.name}/{self.done}")
            short = self._chance.random() < shared.hurry
            self._timeout = self._chance.uniform(0.2, 2.0) if short else TIMEOUT
            pause = self._chance.expovariate(1 / shared.pace) if shared.pace else 0.0
            operation = self._chance.choice(self._operations)
            await (operation if self.done >= FIRST_WRITES else self.put)()
            self.done += 1
            await self._idle(min(pause, 4 * shared.pace))
        self.resting = True

    async def _idle(self, seconds: float) -> None:
        """Lets time pass, until the run is paused or over."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if self._shared.over.is_set() or self._shared.paused.is_set():
                return
            await self._face.sleep(min(left, LOOK_SECONDS))

    # --- calls ----------------------------------------------------------------------------------------

    async def _call(
        self,
        verb: str,
        about: Any,
        work: Callable[[], Awaitable[Any]],
        *,
        detail: str = "",
        expected: Iterable[ErrorKind] = (),
        steps: int = 1,
        reads: bool = False,
    ) -> Answer:
        """Does something to a key; what ends in an error that nothing explains is a violation.

        Args:
            detail: is written into the key's history.
            steps: how many deadlines it has, one after the other.
            reads: it changes nothing.
        """
        shared = self._shared
        call = _Call()
        token = _RUNNING.set(call)
        answer = Answer(time.monotonic(), 0.0)
        try:
            answer.result = await work()
        except CloudStoreError as exc:
            answer.error = exc
        except (_OwnFailure, asyncio.CancelledError, ViolationError):
            raise
        except BaseException as exc:
            raise about.violation(f"{self._at(verb)} raised {exc!r}, which is not of the tree") from exc
        finally:
            answer.ended = time.monotonic()
            answer.lost = call.lost
            _RUNNING.reset(token)
        about.history.append(f"{self._at(verb)} {detail}: {answer}")
        shared.report.called(verb, answer)
        self._judge(verb, about, answer, frozenset(expected), steps, reads=reads)
        return answer

    def _judge(
        self,
        verb: str,
        about: Any,
        answer: Answer,
        expected: frozenset[ErrorKind],
        steps: int,
        *,
        reads: bool,
    ) -> None:
        error, at = answer.error, self._at(verb)
        allowed = steps * self._timeout + self._shared.noise + self._shared.lag()
        if error is not None and not reads:
            allowed += CLEANUP
        if answer.ended - answer.began > allowed:
            raise about.violation(
                f"{at} took {answer.ended - answer.began:.1f}s of {self._timeout:.1f}"
            )
        if error is None:
            return
        if error.kind not in FAULT_KINDS | expected:
            raise about.violation(f"{at} failed with what no fault explains: {error!r}")
        if reads and error.outcome != "not_applied":
            raise about.violation(f"{at} only reads, and may have been applied: {error!r}")
        if not error.vendor or not error.operation or error.bucket != self._bucket:
            raise about.violation(
                f"{at} failed with an error that does not say what it is about: {error!r}"
            )
        for secret in self._shared.secrets:
            if secret in repr(error) or secret in repr(vars(error)):
                raise about.violation(f"the error of {at} shows a secret")

    def _at(self, verb: str) -> str:
        return f"{self.name}#{self.done} {verb}"

    # --- what is written ------------------------------------------------------------------------------

    def _size(self) -> int:
        chance = self._chance
        low, high = chance.choices(
            (
                (0, 0),
                (1, 100),
                (100, 64 * KIB),
                (64 * KIB, 512 * KIB),
                (512 * KIB, self._shared.largest),
            ),
            (6, 20, 54, 16, 4),
        )[0]
        return chance.randint(low, high)

    def _version(self, size: int | None = None) -> Version:
        self._serial += 1
        note = self._chance.choice(("", "", "plain", "é 中 =?", " x  y"))
        return Version(self.name, self._serial, self._size() if size is None else size, note.strip())

    def _options(self, version: Version) -> dict[str, Any]:
        able = self._shared.capabilities
        options: dict[str, Any] = {
            "content_type": _content_type(version),
            "metadata": self._shared.contents.metadata(version),
            "timeout": self._timeout,
        }
        if able.cache_control:
            options["cache_control"] = f"max-age={version.serial}"
        return options

    def _bytes(self, version: Version) -> bytes:
        return bytes(self._shared.contents.of(version))

    def _pick(self) -> OwnedKey:
        return self._chance.choice(self._keys)

    def _replace_key(self, key: OwnedKey) -> None:
        """Lets a key alone from now on: what may come late to it could mix what is written later."""
        place = self._keys.index(key)
        self._keys[place] = OwnedKey(f"{self._prefix}{place}~{self.done}")
        self.keys.append(self._keys[place])

    async def _written(self, verb: str, work: Callable[[OwnedKey, Version], Awaitable[Any]]) -> None:
        key, version = self._pick(), self._version()
        answer = await self._call(verb, key, lambda: work(key, version), detail=str(version))
        self._count_uploads(key, answer)
        key.wrote(answer, {version})

    def _count_uploads(self, key: OwnedKey | Register, answer: Answer) -> None:
        """A beginning whose answer was lost leaves an unknown upload; so may an abort that failed."""
        key.lost_uploads += answer.lost + (answer.error is not None)

    async def put(self) -> None:
        """Bytes, in one request or several."""
        checked = self._chance.random() < 0.3 and self._shared.capabilities.checksum_md5

        async def work(key: OwnedKey, version: Version) -> Any:
            options = self._options(version)
            data = self._bytes(version)
            if checked and len(data) <= PART:
                options["checksum"] = {"md5": hashlib.md5(data).hexdigest()}
            return await self._store.create_object(self._bucket, key.name, data, **options)

        await self._written("put", work)

    async def put_stream(self) -> None:
        """From an iterator, which is read once."""
        piece = self._chance.choice((1000, 10_000, 100_000))

        async def work(key: OwnedKey, version: Version) -> Any:
            data = self._bytes(version)
            stream = self._face.stream(lambda: _pieces(data, piece))
            return await self._store.create_object(
                self._bucket, key.name, stream, **self._options(version)
            )

        await self._written("put stream", work)

    async def put_file(self) -> None:
        """From a file."""
        path = self._shared.folder / f"{self.name}.up"

        async def work(key: OwnedKey, version: Version) -> Any:
            path.write_bytes(self._shared.contents.of(version))
            return await self._store.create_object_from_file(
                self._bucket, key.name, path, **self._options(version)
            )

        try:
            await self._written("put file", work)
        finally:
            path.unlink(missing_ok=True)

    async def write(self) -> None:
        """By a writer, which is sometimes given up."""
        piece = self._chance.choice((100, 50_000, 200_000))
        fails = self._chance.random() < 0.3
        key, version = self._pick(), self._version()

        async def work() -> Any:
            writer = await self._face.open_writer(self._bucket, key.name, **self._options(version))
            try:
                for part in _pieces(self._bytes(version), piece):
                    await writer.write(part)
                if fails:
                    raise _OwnFailure
            except BaseException:
                await writer.abort()
                raise
            await writer.close()

        try:
            answer = await self._call("write", key, work, detail=str(version), steps=2)
        except _OwnFailure:
            key.history.append(f"{self._at('write')}: given up")
            key.lost_uploads += 1
            return
        self._count_uploads(key, answer)
        key.wrote(answer, {version})

    async def create_only(self) -> None:
        """A creation of an own key: whether it succeeds is known."""
        key, version = self._pick(), self._version()
        options = self._options(version) | {"if_absent": True}
        answer = await self._call(
            "create only",
            key,
            lambda: self._store.create_object(self._bucket, key.name, self._bytes(version), **options),
            detail=str(version),
            expected=(ErrorKind.OBJECT_ALREADY_EXISTS,),
        )
        self._count_uploads(key, answer)
        if answer.error is None and None not in key.possible:
            raise key.violation(f"{version} was created, where {key.expected} is")
        if _is(answer, ErrorKind.OBJECT_ALREADY_EXISTS) and not answer.is_unknown:
            key.saw_some(answer.began, self._at("create only"))
        key.wrote(answer, {version})

    async def replace_matching(self) -> None:
        """A compare-and-swap of an own key; sometimes with an ETag that nothing has."""
        key, version = self._pick(), self._version()
        wrong = self._chance.random() < 0.3
        found = await self._head(key)
        if found is None:
            return
        etag = "0123456789abcdef0123456789abcdef" if wrong else found.etag
        options = self._options(version) | {"if_match": etag}
        certain = key.is_certain
        answer = await self._call(
            "replace matching",
            key,
            lambda: self._store.create_object(self._bucket, key.name, self._bytes(version), **options),
            detail=f"{'nothing' if wrong else etag} by {version}",
            expected=(ErrorKind.PRECONDITION_FAILED, ErrorKind.OBJECT_NOT_FOUND),
        )
        self._count_uploads(key, answer)
        refused = _is(answer, ErrorKind.PRECONDITION_FAILED, ErrorKind.OBJECT_NOT_FOUND)
        if answer.error is None and wrong:
            raise key.violation("a write succeeded on a condition that cannot hold")
        if refused and not wrong and certain and not answer.is_unknown:
            raise key.violation(f"a condition that holds was refused: {answer.error!r}")
        key.wrote(answer, {version})

    # --- multipart by hand ----------------------------------------------------------------------------

    async def parts(self) -> None:
        """An upload in parts that come in any order, one of them twice; completed or aborted."""
        chance, key = self._chance, self._pick()
        size = max(PART, self._shared.min_part)
        count = chance.randint(1, 4)
        last = chance.randint(1, size)
        version = self._version((count - 1) * size + last)
        order = list(range(1, count + 1))
        chance.shuffle(order)
        again, completed = chance.choice(order), chance.random() < 0.7
        data = self._shared.contents.of(version)
        upload: Any = None

        def part(number: int) -> bytes:
            return bytes(data[(number - 1) * size : number * size])

        async def begin() -> Any:
            return await self._store.create_multipart_upload(
                self._bucket, key.name, **self._options(version)
            )

        async def send() -> None:
            await upload.upload_part(again, b"?" * size, timeout=self._timeout)
            for number in order:
                await upload.upload_part(number, part(number), timeout=self._timeout)
            if self._shared.capabilities.list_parts:
                listed = await upload.list_parts(timeout=self._timeout)
                found = [(p.number, p.size) for p in listed]
                wanted = [(number, len(part(number))) for number in range(1, count + 1)]
                if found != wanted:
                    raise key.violation(f"{self._at('parts')}: {found} are listed, not {wanted}")

        answer = await self._call("begin parts", key, begin, detail=str(version))
        self._count_uploads(key, answer)
        if answer.error is not None:
            return
        upload = answer.result
        answer = await self._call("send parts", key, send, steps=count + 2)
        if answer.error is None and completed:
            answer = await self._call(
                "complete parts",
                key,
                lambda: upload.complete(timeout=self._timeout),
                detail=str(version),
                expected=(ErrorKind.UPLOAD_NOT_FOUND,),
            )
            if _is(answer, ErrorKind.UPLOAD_NOT_FOUND) and not answer.is_unknown:
                raise key.violation("an upload is gone that nobody has ended")
            key.wrote(answer, {version})
            if answer.error is None:
                return
        await self._abort(key, upload, answer)

    async def _abort(self, key: OwnedKey, upload: Any, before: Answer) -> None:
        ended = await self._call(
            "abort parts",
            key,
            lambda: upload.abort(timeout=self._timeout),
            expected=(ErrorKind.UPLOAD_NOT_FOUND,),
        )
        gone = _is(ended, ErrorKind.UPLOAD_NOT_FOUND)
        if gone and not before.is_unknown and not ended.is_unknown:
            raise key.violation("an upload is gone that nobody has ended")
        if ended.error is not None and not gone:
            key.lost_uploads += 1
        if before.leaves_ghost and before.error is not None:
            key.lost_uploads += 1  # what comes late may make the vendor keep it

    # --- reading --------------------------------------------------------------------------------------

    async def read(self) -> None:
        """All of it at once."""
        await self._read(self._pick(), "read")

    async def read_streamed(self) -> None:
        """In pieces; sometimes it is left unread."""
        size = self._chance.choice((1000, 20_000, 300_000))
        left = self._chance.random() < 0.15
        await self._read(self._pick(), "read in pieces", size, left=left)

    async def read_range(self) -> None:
        """From somewhere to somewhere."""
        chance = self._chance
        start = chance.choice((0, chance.randrange(100), chance.randrange(200 * KIB)))
        end: int | None = start + chance.choice(
            (1, chance.randint(1, 100), chance.randint(1, 200 * KIB))
        )
        if chance.random() < 0.3:
            start, end = chance.choice(((start, None), (-chance.randint(1, 100 * KIB), None)))
        await self._read(self._pick(), "read range", start=start, end=end)

    async def _read(
        self, key: OwnedKey, verb: str, piece: int = 0, *, left: bool = False, **span: int | None
    ) -> None:
        wanted = ByteRange(span.get("start") or 0, span.get("end"))

        async def work() -> tuple[Any, bytes]:
            found = await self._store.get_object(self._bucket, key.name, timeout=self._timeout, **span)
            try:
                if not piece:
                    return found, await found.read()
                if left:
                    return found, await found.read(piece)
                return found, b"".join([some async for some in found.iter_chunks(piece)])
            finally:
                found.close()

        expected = {ErrorKind.OBJECT_NOT_FOUND, ErrorKind.RANGE_NOT_SATISFIABLE}
        answer = await self._call(
            verb, key, work, detail=str(span or ""), expected=expected, steps=2, reads=True
        )
        if self._missing(key, verb, answer):
            return
        if _is(answer, ErrorKind.RANGE_NOT_SATISFIABLE):
            if not any(_resolved(wanted, version.size) is None for version in key.versions):
                raise key.violation(f"{self._at(verb)}: there is no such range of {key.expected}")
            return
        if answer.error is not None:
            if not self._explained(key, answer.error):
                raise key.violation(f"{self._at(verb)}: {answer.error!r}")
            return
        found, data = answer.result
        self._shared.report.moved(len(data))
        version = self._seen(key, verb, found, answer.began)
        place = _resolved(wanted, version.size)
        if place is None:
            raise key.violation(
                f"{self._at(verb)}: {version} has no such range, and there was an answer"
            )
        start, end = place
        if len(data) != min(end - start, piece if left else end - start):
            raise key.violation(f"{self._at(verb)}: {len(data)} bytes of [{start}, {end}) of {version}")
        wrong = self._shared.contents.difference(version, data, start)
        if wrong is not None:
            raise key.violation(f"{self._at(verb)}: {wrong}")

    def _explained(self, key: OwnedKey, error: CloudStoreError) -> bool:
        """An object that is replaced while it is read is only where something may still come."""
        return "was replaced" not in error.message or not key.is_certain

    def _missing(self, key: OwnedKey, verb: str, answer: Answer) -> bool:
        """Takes in that there is no object."""
        if isinstance(answer.error, ObjectNotFoundError):
            key.saw(None, answer.began, self._at(verb))
            return True
        return False

    def _seen(self, key: OwnedKey, verb: str, found: Any, began: float) -> Version:
        """Takes in the head of an object; which version it is."""
        version = version_of(found.metadata)
        if version is None:
            raise key.violation(f"{self._at(verb)}: nobody wrote an object with {found.metadata}")
        key.saw(version, began, self._at(verb))
        told = (found.size, found.content_type, found.metadata)
        wanted = (version.size, _content_type(version), self._shared.contents.metadata(version))
        if told != wanted:
            raise key.violation(f"{self._at(verb)}: the head is {told}, not {wanted}")
        if (
            self._shared.capabilities.cache_control
            and found.cache_control != f"max-age={version.serial}"
        ):
            raise key.violation(f"{self._at(verb)}: cache_control is {found.cache_control!r}")
        return version

    async def download(self) -> None:
        """Into a file, which is whole or not there."""
        key, path = self._pick(), self._shared.folder / f"{self.name}.down"

        async def work() -> Any:
            return await self._store.get_object_to_file(
                self._bucket, key.name, path, timeout=self._timeout
            )

        answer = await self._call(
            "download", key, work, expected=(ErrorKind.OBJECT_NOT_FOUND,), reads=True
        )
        try:
            if answer.error is None:
                version = self._seen(key, "download", answer.result, answer.began)
                data = path.read_bytes()
                wrong = self._shared.contents.difference(version, data)
                if wrong is not None or len(data) != version.size:
                    raise key.violation(f"{self._at('download')}: {wrong or len(data)}")
            elif path.exists():
                raise key.violation(f"{self._at('download')} failed, and left a file")
            self._missing(key, "download", answer)
        finally:
            path.unlink(missing_ok=True)

    async def head(self) -> None:
        """The head alone."""
        await self._head(self._pick())

    async def _head(self, key: OwnedKey) -> Any:
        answer = await self._call(
            "head",
            key,
            lambda: self._store.head_object(self._bucket, key.name, timeout=self._timeout),
            expected=(ErrorKind.OBJECT_NOT_FOUND,),
            reads=True,
        )
        if answer.error is None:
            self._seen(key, "head", answer.result, answer.began)
        self._missing(key, "head", answer)
        return answer.result

    async def list_own(self) -> None:
        """All own keys, by small pages or in one list."""
        lazily = self._chance.random() < 0.5

        async def work() -> list[Any]:
            if lazily:
                listed = self._store.iter_objects(self._bucket, self._prefix, timeout=self._timeout)
                return [found async for found in listed]
            return list(
                await self._store.get_all_objects(self._bucket, self._prefix, timeout=self._timeout)
            )

        first = self._keys[0]
        answer = await self._call("list", first, work, reads=True, steps=2)
        if answer.error is not None:
            return
        sizes: dict[str, int] = {}
        for found in answer.result:
            if found.key in sizes:
                raise first.violation(f"{found.key} is listed twice")
            sizes[found.key] = found.size
        unknown = sizes.keys() - {key.name for key in self.keys}
        if unknown:
            raise first.violation(f"{sorted(unknown)} are listed, and nobody wrote them")
        if not self._shared.lists_at_once:
            return
        for key in self.keys:
            if key.name in sizes:
                key.saw_some(answer.began, self._at("list"), sizes[key.name])
            else:
                key.saw(None, answer.began, self._at("list"))

    # --- deleting, copying, metadata ------------------------------------------------------------------

    async def delete(self) -> None:
        """One object; sometimes it must be there."""
        key = self._pick()
        must = self._chance.random() < 0.3
        answer = await self._call(
            "delete",
            key,
            lambda: self._store.delete_object(
                self._bucket, key.name, missing_ok=not must, timeout=self._timeout
            ),
            expected=(ErrorKind.OBJECT_NOT_FOUND,) if must else (),
        )
        if isinstance(answer.error, ObjectNotFoundError) and not answer.is_unknown:
            key.saw(None, answer.began, self._at("delete"))
        if must and answer.error is None and not key.versions:
            raise key.violation("what was not there was deleted, where it had to be there")
        key.wrote(answer, {None})

    async def delete_many(self) -> None:
        """Several at once."""
        keys = self._chance.sample(self._keys, self._chance.randint(1, KEYS))
        answer = await self._call(
            "delete_objects",
            keys[0],
            lambda: self._store.delete_objects(
                self._bucket, [key.name for key in keys], timeout=self._timeout
            ),
            expected=(ErrorKind.PARTIAL_FAILURE,),
        )
        failed: Mapping[str, CloudStoreError] = {}
        if isinstance(answer.error, PartialFailureError):
            failed = answer.error.results
            strange = [e for e in failed.values() if e.kind not in FAULT_KINDS]
            if strange or not failed.keys() <= {key.name for key in keys}:
                raise keys[0].violation(f"a batch failed with what no fault explains: {failed!r}")
        for key in keys:
            error = failed.get(key.name) if failed else answer.error
            key.history.append(f"{self._at('delete of many')}: {answer}; this one: {error!r}")
            key.wrote(Answer(answer.began, answer.ended, error, answer.lost), {None})

    async def copy(self) -> None:
        """From one own key to another."""
        await self._copied("copy", self._store.copy_object)

    async def move(self) -> None:
        """From one own key to another."""
        await self._copied("move", self._store.move_object)

    async def _copied(self, verb: str, function: Any) -> None:
        source, target = self._chance.sample(self._keys, 2)
        certain, before = source.is_certain, source.versions
        answer = await self._call(
            verb,
            source,
            lambda: function(
                self._bucket, source.name, self._bucket, target.name, timeout=self._timeout
            ),
            detail=f"to {target.name}",
            expected=(ErrorKind.OBJECT_NOT_FOUND, ErrorKind.PRECONDITION_FAILED),
            steps=2,
        )
        target.history.append(f"{self._at(verb)} from {source.name}: {answer}")
        if answer.error is None and not before:
            raise source.violation(f"{self._at(verb)}: what was not there was copied")
        if isinstance(answer.error, ObjectNotFoundError) and not answer.is_unknown:
            source.saw(None, answer.began, self._at(verb))
        refused = _is(answer, ErrorKind.PRECONDITION_FAILED) and not answer.is_unknown
        if refused and certain:
            raise source.violation(f"{self._at(verb)}: the source did not change: {answer.error!r}")
        self._count_uploads(target, answer)
        target.copied_from(answer, source)
        if verb == "move":
            source.wrote(answer, {None})

    async def set_note(self) -> None:
        """Changes one name of the metadata, and nothing else."""
        key = self._pick()
        note = self._chance.choice(("one", "two", "ünï", "x" * 200))
        certain, before = key.is_certain, key.versions
        answer = await self._call(
            "set note",
            key,
            lambda: self._store.set_metadata(
                self._bucket, key.name, {NOTE: note}, timeout=self._timeout
            ),
            detail=repr(note),
            expected=(ErrorKind.OBJECT_NOT_FOUND, ErrorKind.PRECONDITION_FAILED),
            steps=2,
        )
        if isinstance(answer.error, ObjectNotFoundError) and not answer.is_unknown:
            key.saw(None, answer.began, self._at("set note"))
            return
        if _is(answer, ErrorKind.PRECONDITION_FAILED) and certain and not answer.is_unknown:
            raise key.violation("the metadata was refused, and the object did not change")
        if answer.error is None and not before:
            raise key.violation("metadata was set of what is not there")
        key.wrote(answer, {noted(version, note) for version in before})
        if answer.leaves_ghost and (answer.error is None or answer.is_unknown):
            self._replace_key(key)

    async def cancelled(self) -> None:
        """A task's write or read that is cancelled in the middle."""
        key, version = self._pick(), self._version()
        writes = self._chance.random() < 0.5
        after = self._chance.uniform(0.0, 0.3)

        async def work() -> Any:
            if not writes:
                found = await self._store.get_object(self._bucket, key.name)
                try:
                    await found.read()
                finally:
                    found.close()
                return
            await self._store.create_object(
                self._bucket, key.name, self._bytes(version), **self._options(version)
            )

        began = time.monotonic()
        task = asyncio.ensure_future(work())
        await asyncio.wait([task], timeout=after)
        task.cancel()
        answer = Answer(began, 0.0, lost=1)
        with suppress(asyncio.CancelledError):
            try:
                await task
            except CloudStoreError as exc:
                answer.error = exc
        answer.ended = time.monotonic()
        key.history.append(
            f"{self._at('cancelled')} {version if writes else 'read'} after {after:.2f}s"
        )
        if not writes:
            return
        if task.cancelled():
            answer.error = CloudStoreError("cancelled", outcome="unknown")
        key.wrote(answer, {version})
        self._count_uploads(key, answer)

    # --- shared keys ----------------------------------------------------------------------------------

    async def race(self) -> None:
        """Creates what others create, too."""
        race = self._shared.race(f"race/{self._group}/{self.done // 20}")
        version = self._version(self._chance.randint(0, 2000))
        options = self._options(version) | {"if_absent": True}
        race.begins(version)
        answer = await self._call(
            "race",
            race,
            lambda: self._store.create_object(self._bucket, race.name, self._bytes(version), **options),
            detail=str(version),
            expected=(ErrorKind.OBJECT_ALREADY_EXISTS,),
        )
        race.ended(version, answer, exists=_is(answer, ErrorKind.OBJECT_ALREADY_EXISTS))

    async def count(self) -> None:
        """Adds to a list, by compare-and-swap."""
        counter = self._shared.counter(f"count/{self._group}/{self.done // 60}")
        entry = f"{self.name}.{self.done}"

        async def load() -> tuple[str | None, list[str]]:
            try:
                found = await self._store.get_object(self._bucket, counter.name, timeout=self._timeout)
            except ObjectNotFoundError:
                return None, []
            try:
                return found.etag, (await found.read()).decode().split()
            finally:
                found.close()

        answer = await self._call("read counter", counter, load, reads=True, steps=2)
        if answer.error is not None:
            return
        etag, entries = answer.result
        counter.saw(entries, answer.began)
        options: dict[str, Any] = {"timeout": self._timeout}
        options |= {"if_absent": True} if etag is None else {"if_match": etag}
        counter.begins(entry)
        text = "\n".join([*entries, entry])
        answer = await self._call(
            "count",
            counter,
            lambda: self._store.create_object(self._bucket, counter.name, text, **options),
            detail=f"{entry} at {etag}",
            expected=(ErrorKind.PRECONDITION_FAILED, ErrorKind.OBJECT_ALREADY_EXISTS),
        )
        counter.ended(entry, answer)

    def _register(self) -> Register:
        return self._shared.register(f"shared/{self._chance.randrange(self._shared.groups)}")

    async def write_register(self) -> None:
        """Overwrites what all write."""
        register, version = self._register(), self._version(min(self._size(), 300 * KIB))
        register.begins(version, time.monotonic())
        answer = await self._call(
            "overwrite shared",
            register,
            lambda: self._store.create_object(
                self._bucket, register.name, self._bytes(version), **self._options(version)
            ),
            detail=str(version),
        )
        self._count_uploads(register, answer)
        register.wrote(version, answer)

    async def read_register(self) -> None:
        """Reads what all write: one of it, whole."""
        register = self._register()

        async def work() -> tuple[Any, bytes]:
            found = await self._store.get_object(self._bucket, register.name, timeout=self._timeout)
            try:
                return found, await found.read()
            finally:
                found.close()

        answer = await self._call(
            "read shared", register, work, expected=(ErrorKind.OBJECT_NOT_FOUND,), steps=2, reads=True
        )
        if isinstance(answer.error, ObjectNotFoundError):
            register.saw(None, answer.began)
        if answer.error is not None:
            return
        found, data = answer.result
        version = version_of(found.metadata)
        if version is None:
            raise register.violation(f"nobody wrote an object with {found.metadata}")
        register.saw(version, answer.began)
        wrong = self._shared.contents.difference(version, data)
        if wrong is not None or len(data) != version.size:
            raise register.violation(f"{self._at('read shared')}: {wrong or len(data)}")


def _pieces(data: bytes, size: int) -> Iterator[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


def _content_type(version: Version) -> str:
    return f"application/x-soak-{version.serial % 5}"


def _is(answer: Answer, *kinds: ErrorKind) -> bool:
    return answer.error is not None and answer.error.kind in kinds


def _resolved(span: ByteRange, size: int) -> tuple[int, int] | None:
    """The bytes of a range of an object; None: there are none."""
    try:
        return span.resolve(size)
    except RangeNotSatisfiableError:
        return None
