"""Put policies: where an upload may go, what it may be, and what is answered (kodo/1206).

No I/O; callbacks are sent by `callbacks`.
"""

from __future__ import annotations

import json
import mimetypes
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import gmtime
from typing import Any
from urllib.parse import quote_plus

from .contents import Content
from .settings import QiniuError
from .storage import CST, MAX_TYPE, STANDARD

__all__ = ["PutPolicy", "Uploaded"]

VARIABLE = re.compile(r'"?\$\(([^()]+)\)"?')
UNKNOWN = "application/octet-stream"
MAX_KEYS = 20
"""Of `keylimit`: the SDK's list of policy fields."""
MAX_DAYS = 36500
MAX_NUMBER = 2**63
TEXTS = (
    "callbackBody callbackBodyType callbackHost callbackUrl endUser mimeLimit returnBody returnUrl"
    " saveKey"
)
NUMBERS = (
    "deleteAfterDays detectMime fileType forceInsertOnly forceSaveKey fsizeLimit fsizeMin insertOnly"
    " isPrefixalScope"
)
"""Fields of a policy and their types (kodo/1206); switches are numbers or booleans."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Uploaded:
    """What came in.

    Attributes:
        key: that the client asked for.
        mime: that the client said.
        in_parts: by a resumable upload, of either version.
        variables: ``x:`` names and values.
        headers: that downloads shall have.
    """

    key: str | None
    content: Content
    name: str = ""
    mime: str = ""
    in_parts: bool = False
    md5: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


class PutPolicy:
    """A policy, out of a token that was verified. Fields that do not matter here are let through.

    Raises:
        QiniuError: 400, a field is of a wrong type.
    """

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self._fields = fields
        for name in TEXTS.split():
            self._check(name, isinstance(self.get(name, ""), str))
        self._check("returnUrl", self.get("returnUrl", "").isprintable())
        for name in NUMBERS.split():
            value = self.get(name, 0)
            self._check(name, isinstance(value, int) and abs(value) < MAX_NUMBER)
        keys = self.get("keylimit", [])
        self._check("keylimit", isinstance(keys, list) and len(keys) <= MAX_KEYS)
        self.bucket, colon, key = fields["scope"].partition(":")
        self._scoped_key = key if colon else None
        self._is_prefix = bool(fields.get("isPrefixalScope"))

    def _check(self, name: str, is_right: bool) -> None:
        if not is_right:
            raise QiniuError(400, f"invalid put policy: {name}")

    def get(self, name: str, default: Any = None) -> Any:
        """A field."""
        value = self._fields.get(name)
        return default if value is None else value

    @property
    def may_say_same(self) -> bool:
        """Whether the same content again is no conflict (kodo/6323)."""
        return not self.get("forceInsertOnly")

    def may_overwrite(self, in_parts: bool) -> bool:
        """One key may be written again; a bucket's scope only adds, but not in parts (kodo/6323)."""
        if self.get("insertOnly") or self.get("forceInsertOnly"):
            return False
        if self._scoped_key is None:
            return in_parts
        return not self._is_prefix

    def check_key(self, key: str) -> None:
        """403 if the token is not for it."""
        scoped = self._scoped_key
        fits = scoped is None or (key.startswith(scoped) if self._is_prefix else key == scoped)
        if not fits:
            raise QiniuError(403, "key doesn't match with scope")
        keys = self.get("keylimit")
        if keys is not None and key not in keys:
            raise QiniuError(403, "key is not in keylimit")

    def check_content(self, size: int, mime: str) -> None:
        """403 or 413."""
        if size < self.get("fsizeMin", 0):
            raise QiniuError(403, "file size is less than fsizeMin")
        if self.get("fsizeLimit") is not None and size > self.get("fsizeLimit"):
            raise QiniuError(413, "request entity too large")
        limit = self.get("mimeLimit", "")
        if limit and not _mime_allowed(limit, mime):
            raise QiniuError(403, "limited mimeType: this file type is forbidden to upload")

    def key_of(self, uploaded: Uploaded, now: float) -> str:
        """`saveKey` if it is forced, what the client says, `saveKey`, or the hash."""
        save = self.get("saveKey", "")
        if save and (uploaded.key is None or self.get("forceSaveKey")):
            facts = self._facts(uploaded, uploaded.key or "", "", now)
            return _filled(save, facts, str)
        return uploaded.content.hash if uploaded.key is None else uploaded.key

    def mime_of(self, uploaded: Uploaded, key: str) -> str:
        """By `detectMime`: what the client says always (-1), never (1), or if it says much (0)."""
        mode = self.get("detectMime", 0)
        if mode == -1:
            return uploaded.mime or UNKNOWN
        if mode == 0 and uploaded.mime not in ("", UNKNOWN):
            return uploaded.mime
        return _guessed(uploaded.name) or _guessed(key) or UNKNOWN

    def days(self) -> int | None:
        """Until it is deleted."""
        days = self.get("deleteAfterDays")
        self._check("deleteAfterDays", days is None or 0 <= days <= MAX_DAYS)
        return days or None

    def file_type(self) -> int:
        """The storage class."""
        kind: int = self.get("fileType", STANDARD)
        self._check("fileType", 0 <= kind <= MAX_TYPE)
        return kind

    def answer(self, uploaded: Uploaded, key: str, mime: str, now: float) -> bytes:
        """`returnBody`, or hash and key."""
        body = self.get("returnBody", "")
        if not body:
            return json.dumps({"hash": uploaded.content.hash, "key": key}, ensure_ascii=False).encode()
        return _filled_json(body, self._facts(uploaded, key, mime, now)).encode()

    def callback_body(self, uploaded: Uploaded, key: str, mime: str, now: float) -> tuple[str, str]:
        """What is sent to `callbackUrl`, and its type."""
        template = self.get("callbackBody", "")
        kind = self.get("callbackBodyType", "application/x-www-form-urlencoded")
        facts = self._facts(uploaded, key, mime, now)
        if kind == "application/json":
            return _filled_json(template, facts), kind
        return _filled(template, facts, lambda value: quote_plus(str(value), safe="")), kind

    def _facts(self, uploaded: Uploaded, key: str, mime: str, now: float) -> dict[str, Any]:
        """The magic variables, and the client's own (kodo/1235)."""
        stem, dot, extension = uploaded.name.rpartition(".")
        date = gmtime(now + CST)
        return {
            "bucket": self.bucket,
            "key": key,
            "etag": uploaded.content.hash,
            "fname": uploaded.name,
            "fprefix": stem if dot else uploaded.name,
            "ext": f".{extension}" if dot else "",
            "fsize": uploaded.content.size,
            "mimeType": mime,
            "endUser": self.get("endUser", ""),
            "uuid": str(uuid.uuid4()),
            "year": f"{date.tm_year:04}",
            "mon": f"{date.tm_mon:02}",
            "day": f"{date.tm_mday:02}",
            "hour": f"{date.tm_hour:02}",
            "min": f"{date.tm_min:02}",
            "sec": f"{date.tm_sec:02}",
            **uploaded.variables,
        }


def _filled(template: str, facts: Mapping[str, Any], shown: Callable[[Any], str]) -> str:
    def value(match: re.Match[str]) -> str:
        quoted = match[0].startswith('"'), match[0].endswith('"')
        return '"' * quoted[0] + shown(facts.get(match[1], "")) + '"' * quoted[1]

    return VARIABLE.sub(value, template)


def _filled_json(template: str, facts: Mapping[str, Any]) -> str:
    """A variable stands for a JSON value; within quotes of its own, for a text."""

    def value(match: re.Match[str]) -> str:
        found = facts.get(match[1])
        if match[0].startswith('"') and match[0].endswith('"'):
            found = "" if found is None else str(found)
            return json.dumps(found, ensure_ascii=False)
        opening, closing = '"' * match[0].startswith('"'), '"' * match[0].endswith('"')
        if opening or closing:
            return opening + json.dumps(str(found or ""), ensure_ascii=False)[1:-1] + closing
        return json.dumps(found, ensure_ascii=False)

    return VARIABLE.sub(value, template)


def _mime_allowed(limit: str, mime: str) -> bool:
    """``a/*;b/c``, or with ``!`` in front what is not allowed."""
    kind = mime.partition(";")[0].strip()
    is_denial = limit.startswith("!")
    patterns = [one.strip() for one in limit.removeprefix("!").split(";")]
    listed = any(
        kind == one or (one.endswith("/*") and kind.startswith(one[:-1])) or one == "*"
        for one in patterns
    )
    return listed != is_denial


def _guessed(name: str) -> str | None:
    return mimetypes.guess_type(name)[0]
