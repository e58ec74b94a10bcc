"""The management hosts: buckets (uc), objects (rs), listings (rsf), the CDN's (fusion), regions.

All of them share a port: their paths differ. Every request but the region query is signed.
"""

from __future__ import annotations

from calendar import timegm
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from time import strptime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from ..loopback import Request, Response
from .answers import as_json, decoded, entry, fields, number
from .cdn import Cdn
from .settings import DAY, QiniuError, invalid
from .storage import (
    CST,
    DISABLED,
    ENABLED,
    MAX_TYPE,
    SERVED_HEADERS,
    STANDARD,
    Bucket,
    Storage,
    StoredObject,
)

if TYPE_CHECKING:
    from .simulator import QiniuSimulator

__all__ = ["Management"]

MAX_RESTORED_DAYS = 7
"""kodo/6380."""
LIFECYCLE = MappingProxyType(
    {
        "toIAAfterDays": "transitionToIA",
        "toArchiveIRAfterDays": "transitionToArchiveIR",
        "toArchiveAfterDays": "transitionToARCHIVE",
        "toDeepArchiveAfterDays": "transitionToDeepArchive",
    }
)
"""Their names in a path, and in an object's metadata (kodo/8062, kodo/1308)."""
FIGURES = ("space", "count")
TYPES = ("", "_line", "_archive", "_deep_archive", "_archive_ir", "_intelligent_tiering")
"""Of statistics, in the order of the types' numbers (kodo/3906)."""
STEPS = MappingProxyType({"5min": 300, "hour": 3600, "day": DAY})
CHANGE_BUCKETS = frozenset({"mkbucketv3", "drop", "private"})
"""Only by POST (kodo/1382, kodo/3946, and the page "drop bucket")."""


class Management:
    """Answers what comes to the management port."""

    def __init__(self, simulator: QiniuSimulator, storage: Storage, cdn: Cdn) -> None:
        self._simulator = simulator
        self._storage = storage
        self._cdn = cdn
        self._objects = Objects(storage)
        self._by_query: dict[str, Callable[[Mapping[str, str]], Response]] = {
            "/buckets": lambda query: as_json([bucket.name for bucket in storage.buckets()]),
            "/v3/buckets": self._list_buckets,
            "/v2/domains": lambda query: as_json(self._bucket(query, "tbl").domains),
            "/v2/bucketInfo": self._bucket_info,
            "/private": self._set_private,
            "/list": self._list,
            **{
                f"/v6/{name}{kind}": partial(self._statistics, name, at)
                for name in FIGURES
                for at, kind in enumerate(TYPES)
            },
        }

    def answer(self, request: Request) -> Response:
        """Raises `QiniuError`."""
        path = request.path
        if path == "/v4/query":
            return self._regions(fields(request.query))
        if request.method not in ("GET", "POST"):
            raise QiniuError(405, "method not allowed")
        self._simulator.signatures.check_management(request)
        words = path.removeprefix("/").split("/")
        if request.method != "POST" and words[0] in CHANGE_BUCKETS:
            raise QiniuError(405, "method not allowed")
        if path in self._by_query:
            return self._by_query[path](fields(_form(request)) | fields(request.query))
        if path.startswith("/v2/tune/"):
            return self._cdn.answer(path, bytes(request.body))
        if words[0] in CHANGE_BUCKETS:
            return self._change_buckets(words)
        if request.method != "POST" and words[0] != "stat":
            raise QiniuError(405, "method not allowed")
        if words == ["batch"]:
            return self._batch(_form(request))
        parts = fields(request.query).get("needparts") == "true"
        return as_json(self._objects.act(words, with_parts=parts))

    # --- regions and buckets ---

    def _regions(self, query: Mapping[str, str]) -> Response:
        """What the SDK asks first (`qiniu.http.regions_provider`); it is not signed."""
        if query.get("ak") != self._simulator.access_key:
            raise QiniuError(401, "bad token")
        bucket = self._bucket(query, "bucket")
        api = {"domains": [self._simulator.api_host]}
        upload = {"domains": [self._simulator.upload_host], "acc_domains": []}
        # `io_src` would be a domain to read from, past any CDN; not every region names one.
        services = dict.fromkeys(("io", "rs", "rsf", "uc", "api"), api)
        region = {"region": bucket.region, "ttl": DAY, "up": upload, "s3": {"domains": []}, **services}
        return as_json({"hosts": [region]})

    def _bucket(self, query: Mapping[str, str], name: str) -> Bucket:
        return self._storage.bucket(query.get(name, ""))

    def _list_buckets(self, query: Mapping[str, str]) -> Response:
        region = query.get("region")
        found = [b for b in self._storage.buckets() if region in (None, "", b.region)]
        return as_json([{"tbl": b.name, "zone": b.region, "region": b.region} for b in found])

    def _bucket_info(self, query: Mapping[str, str]) -> Response:
        bucket = self._bucket(query, "bucket")
        about = {"private": int(bucket.private), "zone": bucket.region, "region": bucket.region}
        rest = {"protected": 0, "max_age": 0, "no_index_page": 1, "versioning": False, "perm": 0}
        return as_json({**about, **rest})

    def _set_private(self, query: Mapping[str, str]) -> Response:
        bucket = self._bucket(query, "bucket")
        if query.get("private") not in ("0", "1"):
            raise invalid("private")
        bucket.private = query["private"] == "1"
        return as_json({})

    def _change_buckets(self, words: Sequence[str]) -> Response:
        match words:
            case ["mkbucketv3", name]:
                self._simulator.create_bucket(name)
            case ["mkbucketv3", name, "region", region]:
                self._simulator.create_bucket(name, region=region)
            case ["drop", name]:
                self._simulator.drop_bucket(name)
            case _:
                raise invalid("path")
        return as_json({})

    def _statistics(self, name: str, kind: int, query: Mapping[str, str]) -> Response:
        """How many objects, or bytes, there are now: the simulator keeps no history (kodo/3906)."""
        step = STEPS.get(query.get("g", ""))
        begin, end = (_chinese_time(query.get(at, "")) for at in ("begin", "end"))
        if step is None:
            raise invalid("g")
        buckets = [self._bucket(query, "bucket")] if "bucket" in query else self._storage.buckets()
        now = int(self._storage.clock.now())
        at = now - (now + CST) % step
        if not begin <= at < end:
            return as_json({"times": [], "datas": []})
        held = [held for bucket in buckets for held in self._storage.objects(bucket.name)]
        sizes = [one.content.size for one in held if one.type == kind]
        return as_json({"times": [at], "datas": [len(sizes) if name == "count" else sum(sizes)]})

    # --- listing and batches ---

    def _list(self, query: Mapping[str, str]) -> Response:
        most = self._storage.limits.page
        limit = number(query.get("limit") or str(most), "limit")
        if not 1 <= limit <= most:
            raise invalid("limit")
        page = self._storage.list_page(
            query.get("bucket", ""),
            query.get("prefix", ""),
            query.get("delimiter", ""),
            query.get("marker", ""),
            limit,
        )
        found: dict[str, Any] = {"items": [{"key": key, **_listed(held)} for key, held in page.items]}
        if page.prefixes:
            found["commonPrefixes"] = page.prefixes
        if page.marker is not None:
            found["marker"] = page.marker
        return as_json(found)

    def _batch(self, form: str) -> Response:
        """200 if all went well, else 298; each operation has its own code (kodo/1250)."""
        limit = self._storage.limits.batch_operations
        operations = [value for name, value in parse_qsl(form) if name == "op"]
        if not operations:
            raise invalid("op")
        if len(operations) > limit:
            raise QiniuError(400, f"more than {limit} operations")
        answers = [self._one_of_batch(operation) for operation in operations]
        complete = all(answer["code"] == 200 for answer in answers)
        return as_json(answers, 200 if complete else 298)

    def _one_of_batch(self, operation: str) -> dict[str, Any]:
        try:
            data = self._objects.act(operation.removeprefix("/").split("/"))
        except QiniuError as exc:
            return {"code": exc.status, "data": exc.body()}
        return {"code": 200, "data": data} if data else {"code": 200}


class Objects:
    """Operations on objects, by the words of their path: a request's, or one of a batch."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def act(self, words: Sequence[str], *, with_parts: bool = False) -> dict[str, Any]:
        """What it answers; raises `QiniuError`. An operation is one step for all others."""
        with self._storage.alone():
            return self._act(words, with_parts)

    def _act(self, words: Sequence[str], with_parts: bool) -> dict[str, Any]:
        match words:
            case ["stat", at]:
                return self._stat(*entry(at), with_parts)
            case ["delete", at]:
                self._storage.delete(*entry(at))
            case ["copy" | "move" as verb, source, target, *rest]:
                force = _force(rest)
                places = (*entry(source), *entry(target))
                self._storage.copy(*places, force=force, move=verb == "move")
            case ["chgm", at, *rest]:
                self._change_metadata(*entry(at), _pairs(rest))
            case ["chtype", at, "type", kind]:
                self._change_type(*entry(at), number(kind, "type"))
            case ["chstatus", at, "status", status, *rest]:
                self._change_status(*entry(at), number(status, "status"), _pairs(rest))
            case ["deleteAfterDays", at, days]:
                self._storage.expire_after(*entry(at), number(days, "days"))
            case ["lifecycle", at, *rest]:
                self._change_lifecycle(*entry(at), _pairs(rest))
            case ["restoreAr", at, "freezeAfterDays", days]:
                self._restore(*entry(at), number(days, "freezeAfterDays"))
            case _:
                raise QiniuError(404, "no such operation")
        return {}

    def _stat(self, bucket: str, key: str, with_parts: bool) -> dict[str, Any]:
        held = self._storage.find(bucket, key)
        status = held.restore_status(self._storage.clock.now())
        optional: dict[str, Any] = {
            "md5": held.md5,
            "expiration": held.expiration,
            "restoreStatus": status,
            "x-qn-meta": dict(held.metadata) or None,
            "parts": list(held.content.parts) if with_parts and held.content.parts else None,
            **held.transitions,
        }
        return _listed(held) | {name: value for name, value in optional.items() if value is not None}

    def _change_metadata(self, bucket: str, key: str, given: dict[str, str]) -> None:
        """`mime`, headers of downloads and metadata are changed as named, the rest stays; under a
        condition (kodo/1252)."""
        held = self._storage.find(bucket, key)
        _check_condition(held, given.pop("cond", None))
        if held.is_frozen(self._storage.clock.now()):
            raise QiniuError(403, "the object is archived and not restored")
        changes: dict[str, Any] = {}
        if (mime := given.pop("mime", None)) is not None:
            mime = decoded(mime)
            self._storage.check_mime(mime)
            changes["mime"] = mime or "application/octet-stream"
        headers = {
            SERVED_HEADERS[name]: decoded(given.pop(name)) for name in SERVED_HEADERS.keys() & given
        }
        if not all(headers.values()):
            raise invalid("an empty header of downloads")
        if headers:
            self._storage.check_headers(headers)
            changes["headers"] = {**held.headers, **headers}
        if not all(name.startswith("x-qn-meta-") for name in given):
            raise invalid("path")
        metadata = {name.removeprefix("x-qn-meta-"): decoded(value) for name, value in given.items()}
        if metadata:
            changes["metadata"] = {**held.metadata, **metadata}
            self._storage.check_metadata(changes["metadata"])
        self._storage.change(bucket, key, **changes)

    def _change_type(self, bucket: str, key: str, kind: int) -> None:
        held = self._storage.find(bucket, key)
        if kind > MAX_TYPE:
            raise invalid("type")
        if kind == held.type:
            raise QiniuError(400, "the object has this type already")
        if held.is_frozen(self._storage.clock.now()) and kind == STANDARD:
            raise QiniuError(403, "the object is archived and not restored")
        self._storage.change(bucket, key, type=kind, restored=None)

    def _change_status(self, bucket: str, key: str, status: int, given: dict[str, str]) -> None:
        held = self._storage.find(bucket, key)
        _check_condition(held, given.pop("cond", None))
        if given or status not in (ENABLED, DISABLED):
            raise invalid("status")
        if status == held.status:
            raise QiniuError(400, "already in this status")
        self._storage.change(bucket, key, status=status)

    def _change_lifecycle(self, bucket: str, key: str, given: dict[str, str]) -> None:
        """Days from now; -1 takes a rule away, 0 leaves it (`set_object_lifecycle` of the SDK)."""
        held = self._storage.find(bucket, key)
        _check_condition(held, given.pop("cond", None))
        delete_after = given.pop("deleteAfterDays", "0")
        transitions = dict(held.transitions)
        for name, days in given.items():
            if name not in LIFECYCLE:
                raise invalid(name)
            if days == "-1":
                transitions.pop(LIFECYCLE[name], None)
            elif count := number(days, name):
                transitions[LIFECYCLE[name]] = self._storage.midnight_after(count)
        if delete_after == "-1":
            self._storage.expire_after(bucket, key, 0)
        elif count := number(delete_after, "deleteAfterDays"):
            self._storage.expire_after(bucket, key, count)
        self._storage.change(bucket, key, transitions=transitions)

    def _restore(self, bucket: str, key: str, days: int) -> None:
        held = self._storage.find(bucket, key)
        now = self._storage.clock.now()
        if not 1 <= days <= MAX_RESTORED_DAYS:
            raise invalid("freezeAfterDays")
        if not held.is_frozen(now):
            raise QiniuError(400, "the object is not archived, or restored already")
        ready = now + self._storage.quirks.restore_seconds
        self._storage.change(bucket, key, restored=(ready, ready + days * DAY))


def _form(request: Request) -> str:
    """The body, if the request says that it is a form: nothing else is read as one (kodo/1250)."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip()
    if kind.lower() != "application/x-www-form-urlencoded":
        return ""
    try:
        return bytes(request.body).decode()
    except UnicodeDecodeError:
        raise invalid("form") from None


def _listed(held: StoredObject) -> dict[str, Any]:
    """What a listing shows of an object."""
    shown: dict[str, Any] = {
        "fsize": held.content.size,
        "hash": held.content.hash,
        "mimeType": held.mime,
        "putTime": held.put_time,
        "lastModify": held.modified,
        "type": held.type,
    }
    if held.end_user is not None:
        shown["endUser"] = held.end_user
    return shown | ({"status": held.status} if held.status else {})


def _chinese_time(text: str) -> int:
    """Such as 20060102150405 (kodo/3914)."""
    try:
        return timegm(strptime(text, "%Y%m%d%H%M%S")) - CST
    except ValueError:
        raise invalid("begin or end") from None


def _force(rest: Sequence[str]) -> bool:
    match rest:
        case [] | ["force", "false"]:
            return False
        case ["force", "true"]:
            return True
        case _:
            raise invalid("force")


def _pairs(rest: Sequence[str]) -> dict[str, str]:
    if len(rest) % 2:
        raise invalid("path")
    return dict(zip(rest[::2], rest[1::2], strict=True))


def _check_condition(held: StoredObject, condition: str | None) -> None:
    """608 if the object is not as the condition says (kodo/1252)."""
    if condition is None:
        return
    is_so = {
        "hash": held.content.hash,
        "mime": held.mime,
        "fsize": str(held.content.size),
        "putTime": str(held.put_time),
    }
    for pair in decoded(condition).split("&"):
        name, _, value = pair.partition("=")
        if name not in is_so:
            raise invalid("cond")
        if is_so[name] != value:
            raise QiniuError(608, "the content was modified")
