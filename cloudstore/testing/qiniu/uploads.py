"""The upload host: forms, parts (version 2), blocks (version 1), and what ends each of them."""

from __future__ import annotations

from base64 import b64encode
from binascii import crc32
from collections.abc import Iterable, Mapping, Sequence
from hashlib import md5
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ..loopback import Buffer, Request, Response
from .answers import as_json, decoded, fields, number, read_json
from .callbacks import CallbackError, call_back
from .contents import BLOCK_BYTES, Content
from .forms import read_form
from .policies import PutPolicy, Uploaded
from .settings import DAY, QiniuError, invalid
from .storage import SERVED_HEADERS, Part, Storage, Upload

if TYPE_CHECKING:
    from .simulator import QiniuSimulator

__all__ = ["Uploads"]

META = "x-qn-meta-"
MAX_LISTED_PARTS = 1000
"""kodo/6858."""
CARRY_DATA = frozenset({"", "mkblk", "bput", "mkfile"})
"""First words of POSTs that must say how long they are, as PUTs must (kodo/1312, kodo/1286, kodo/6366,
whose ``Content-Length`` is required)."""


class Uploads:
    """Answers what comes to the upload port."""

    def __init__(self, simulator: QiniuSimulator, storage: Storage) -> None:
        self._simulator = simulator
        self._storage = storage

    def answer(self, request: Request) -> Response:
        """Raises `QiniuError`."""
        words = request.path.split("/")[1:]
        if request.method == "PUT" or (request.method == "POST" and words[0] in CARRY_DATA):
            _check_length(request)
        match request.method, words:
            case "POST", [""]:
                return self._form(request)
            case method, ["buckets", bucket, "objects", encoded, "uploads", *rest]:
                key = None if encoded == "~" else decoded(encoded)
                policy = self._policy(request)
                self._check_target(policy, bucket, key)
                return self._in_parts(method, policy, key, rest, request)
            case "POST", ["mkblk", size]:
                return self._make_block(request, number(size, "size"))
            case "POST", ["bput", context, offset]:
                return self._add_to_block(request, context, number(offset, "offset"))
            case "POST", ["mkfile", size, *rest]:
                return self._make_file(request, number(size, "size"), rest)
        raise QiniuError(404, "no such operation")

    def _policy(self, request: Request) -> PutPolicy:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme != "UpToken":
            raise QiniuError(401, "token not specified")
        return PutPolicy(self._simulator.signatures.upload_policy(token))

    def _check_target(self, policy: PutPolicy, bucket: str, key: str | None) -> None:
        if bucket != policy.bucket:
            raise QiniuError(403, "bucket doesn't match with scope")
        if key is not None:
            self._storage.check_key(key)
            if not policy.get("forceSaveKey"):
                policy.check_key(key)

    # --- forms (kodo/1312) ---

    def _form(self, request: Request) -> Response:
        form = read_form(request.headers.get("content-type", ""), request.body)
        given = form.fields
        policy = PutPolicy(self._simulator.signatures.upload_policy(given.get("token")))
        if len(form.file) > self._storage.limits.form_bytes:
            raise QiniuError(413, "request entity too large")
        if (check := given.get("crc32")) is not None and number(check, "crc32") != crc32(form.file):
            raise QiniuError(406, "crc32 of the data doesn't match")
        return self._finish(
            policy,
            Uploaded(
                key=given.get("key"),
                content=Content.of(form.file),
                name=given.get("fileName") or form.name,
                mime=form.mime,
                md5=md5(form.file).hexdigest(),
                variables={name: value for name, value in given.items() if name.startswith("x:")},
                metadata=_metadata(given),
                headers=_headers(given),
            ),
        )

    # --- version 2: parts (kodo/6364) ---

    def _in_parts(
        self, method: str, policy: PutPolicy, key: str | None, rest: Sequence[str], request: Request
    ) -> Response:
        if method == "POST" and not rest:
            upload = self._storage.start_upload(policy.bucket, key)
            return as_json({"uploadId": upload.id, "expireAt": int(upload.expires)})
        if not rest or len(rest) > 2:
            raise QiniuError(404, "no such operation")
        upload = self._storage.upload(policy.bucket, key, rest[0])
        match method, rest[1:]:
            case "PUT", [at]:
                return self._put_part(upload, number(at, "partNumber"), request)
            case "GET", []:
                return self._list_parts(upload, fields(request.query))
            case "POST", []:
                return self._complete(policy, upload, request.body)
            case "DELETE", []:
                self._storage.end_upload(upload)
                return as_json({})
        raise QiniuError(405, "method not allowed")

    def _put_part(self, upload: Upload, at: int, request: Request) -> Response:
        limits = self._storage.limits
        if not 1 <= at <= limits.max_parts:
            raise invalid("partNumber")
        if len(request.body) > limits.max_part:
            raise QiniuError(413, "part is too large")
        digest = md5(request.body).hexdigest()
        if (said := request.headers.get("content-md5")) is not None and said.lower() != digest:
            raise QiniuError(400, "content md5 doesn't match")
        content = Content.of(request.body)
        put_time = int(self._storage.clock.now())
        self._storage.add_part(upload, Part(at, content, digest, put_time))
        return as_json({"etag": content.hash, "md5": digest})

    def _list_parts(self, upload: Upload, query: Mapping[str, str]) -> Response:
        limit = number(query.get("max-parts") or str(MAX_LISTED_PARTS), "max-parts")
        after = number(query.get("part-number-marker") or "0", "part-number-marker")
        if not 1 <= limit <= MAX_LISTED_PARTS:
            raise invalid("max-parts")
        left = [upload.parts[at] for at in sorted(upload.parts) if at > after]
        shown = [
            {
                "partNumber": part.number,
                "etag": part.content.hash,
                "size": part.content.size,
                "putTime": part.put_time,
            }
            for part in left[:limit]
        ]
        return as_json(
            {
                "uploadId": upload.id,
                "expireAt": int(upload.expires),
                "partNumberMarker": left[limit - 1].number if len(left) > limit else 0,
                "parts": shown,
            }
        )

    def _complete(self, policy: PutPolicy, upload: Upload, body: bytes | bytearray) -> Response:
        """Numbers ascend, and may have gaps; all parts but the last have `limits.min_part`."""
        asked, named = _completion(body)
        numbers = [at for at, _ in named]
        if not named or numbers != sorted(set(numbers)):
            raise QiniuError(400, "parts are missing or not in ascending order")
        parts = [upload.parts.get(at) for at in numbers]
        found = [part for part in parts if part is not None]
        if [part.content.hash for part in found] != [etag for _, etag in named]:
            raise QiniuError(400, "invalid part: number or etag doesn't match")
        if any(part.content.size < self._storage.limits.min_part for part in found[:-1]):
            raise QiniuError(400, "a part that is not the last is too small")
        return self._finish(
            policy,
            Uploaded(
                key=upload.key,
                content=Content.joined([part.content for part in found]),
                name=asked.get("fname", ""),
                mime=asked.get("mimeType", ""),
                in_parts=True,
                variables=asked.get("customVars", {}),
                metadata=_metadata(asked.get("metadata", {})),
                headers=_headers(asked),
            ),
            upload,
        )

    # --- version 1: blocks of 4 MiB, in chunks (kodo/1286) ---

    def _make_block(self, request: Request, size: int) -> Response:
        self._policy(request)
        if not 0 < size <= BLOCK_BYTES or len(request.body) > size:
            raise invalid("size of a block")
        return self._block((request.body,), size)

    def _add_to_block(self, request: Request, context: str, offset: int) -> Response:
        self._policy(request)
        size, chunks = self._storage.block(context)
        held = sum(map(len, chunks))
        if offset != held or held + len(request.body) > size:
            raise QiniuError(701, "the offset doesn't match")
        self._storage.forget_blocks([context])
        return self._block((*chunks, request.body), size)

    def _block(self, chunks: tuple[Buffer, ...], size: int) -> Response:
        context = self._storage.add_block(size, chunks)
        return as_json(
            {
                "ctx": context,
                "checksum": Content.of(chunks[-1]).hash,
                "crc32": crc32(chunks[-1]),
                "offset": sum(map(len, chunks)),
                "host": self._simulator.upload_url,
                "expired_at": int(self._storage.clock.now()) + DAY,
            }
        )

    def _make_file(self, request: Request, size: int, rest: Sequence[str]) -> Response:
        policy = self._policy(request)
        if len(rest) % 2:
            raise invalid("path")
        said = {name: decoded(value) for name, value in zip(rest[::2], rest[1::2], strict=True)}
        contexts = bytes(request.body).decode("ascii", "replace").split(",") if request.body else []
        blocks = [self._storage.block(context) for context in contexts]
        _check_blocks(blocks)
        chunks = [chunk for _, block in blocks for chunk in block]
        if sum(map(len, chunks)) != size:
            raise QiniuError(400, "the size doesn't match")
        done = self._finish(
            policy,
            Uploaded(
                key=said.get("key"),
                content=Content.whole(tuple(chunks)),
                name=said.get("fname", ""),
                mime=said.get("mimeType", ""),
                in_parts=True,
                variables={name: value for name, value in said.items() if name.startswith("x:")},
                metadata=_metadata(said),
            ),
        )
        self._storage.forget_blocks(contexts)
        return done

    # --- the end of an upload ---

    def _finish(self, policy: PutPolicy, uploaded: Uploaded, upload: Upload | None = None) -> Response:
        now = self._storage.clock.now()
        self._storage.bucket(policy.bucket)
        key = policy.key_of(uploaded, now)
        policy.check_key(key)
        mime = policy.mime_of(uploaded, key)
        policy.check_content(uploaded.content.size, mime)
        if policy.get("callbackUrl") and not policy.get("callbackBody"):
            raise invalid("callbackBody")
        self._storage.check_mime(mime)
        self._storage.check_metadata(uploaded.metadata)
        self._storage.check_headers(uploaded.headers)
        self._storage.put(
            policy.bucket,
            key,
            uploaded.content,
            overwrite=policy.may_overwrite(uploaded.in_parts),
            same_is_fine=policy.may_say_same,
            days=policy.days(),
            ends=upload,
            mime=mime,
            type=policy.file_type(),
            md5=uploaded.md5,
            metadata=dict(uploaded.metadata),
            headers=dict(uploaded.headers),
            end_user=policy.get("endUser") or None,
        )
        return self._answered(policy, uploaded, key, mime, now)

    def _answered(
        self, policy: PutPolicy, uploaded: Uploaded, key: str, mime: str, now: float
    ) -> Response:
        json_type = {"Content-Type": "application/json"}
        if policy.get("callbackUrl"):
            return self._called_back(policy, uploaded, key, mime, now)
        body = policy.answer(uploaded, key, mime, now)
        if url := policy.get("returnUrl"):
            joint = "&" if "?" in url else "?"
            result = quote(b64encode(body).decode(), safe="")
            return Response(303, {"Location": f"{url}{joint}upload_ret={result}"})
        return Response(200, json_type, body)

    def _called_back(
        self, policy: PutPolicy, uploaded: Uploaded, key: str, mime: str, now: float
    ) -> Response:
        """579 if the application does not take it; the object is there all the same."""
        urls = [url.strip() for url in policy.get("callbackUrl").split(";")]
        text, kind = policy.callback_body(uploaded, key, mime, now)
        tokens = [self._simulator.signatures.callback_token(url, text, kind) for url in urls]
        try:
            answer = call_back(urls, policy.get("callbackHost"), text.encode(), kind, tokens)
        except CallbackError as exc:
            said: dict[str, Any] = {"error": str(exc), "hash": uploaded.content.hash, "key": key}
            sent = {"callback_url": urls[0], "callback_bodyType": kind, "callback_body": text}
            return as_json(said | sent, 579)
        return Response(200, {"Content-Type": "application/json"}, answer)


def _check_length(request: Request) -> None:
    """411 for a body of unknown length; a chunked one says its length on the way (RFC 9112 §6.3)."""
    if not request.headers.keys() & {"content-length", "transfer-encoding"}:
        raise QiniuError(411, "Length Required")


def _check_blocks(blocks: Sequence[tuple[int, Sequence[Buffer]]]) -> None:
    """400 unless each block is whole, and each but the last has 4 MiB (kodo/1286)."""
    if any(sum(map(len, chunks)) != size for size, chunks in blocks):
        raise QiniuError(400, "a block is not whole")
    if any(size != BLOCK_BYTES for size, _ in blocks[:-1]):
        raise QiniuError(400, "a block that is not the last is too small")


def _completion(body: bytes | bytearray) -> tuple[dict[str, Any], list[tuple[int, str]]]:
    """The fields of a completion, and its parts' numbers and ETags; 400 unless all have the types of
    kodo/6368."""
    try:
        asked = {name: value for name, value in read_json(body).items() if value is not None}
        named = [(part["partNumber"], part["etag"]) for part in asked["parts"]]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise invalid("JSON") from None
    texts = [asked.get(name, "") for name in ("fname", "mimeType", *SERVED_HEADERS)]
    pairs = [asked.get(name, {}) for name in ("customVars", "metadata")]
    # A boolean is an int to Python, and none in JSON.
    are_parts = all(type(at) is int and isinstance(etag, str) for at, etag in named)
    if not are_parts or not _are_texts(texts) or not all(isinstance(one, dict) for one in pairs):
        raise invalid("JSON")
    if not all(_are_texts(one.values()) for one in pairs):
        raise invalid("JSON")
    return asked, named


def _are_texts(values: Iterable[object]) -> bool:
    return all(isinstance(value, str) for value in values)


def _metadata(given: Mapping[str, str]) -> dict[str, str]:
    return {name[len(META) :]: value for name, value in given.items() if name.lower().startswith(META)}


def _headers(given: Mapping[str, Any]) -> dict[str, str]:
    found = {header: given.get(name) for name, header in SERVED_HEADERS.items()}
    return {header: str(value) for header, value in found.items() if value}
