"""What a test can set about the simulator: limits, quirks, the clock. And its one error.

No I/O but the clock's reading of the machine's time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["QiniuClock", "QiniuError", "QiniuLimits", "QiniuQuirks", "invalid"]

MIB = 1024 * 1024
DAY = 86400


@dataclass(frozen=True, slots=True, kw_only=True)
class QiniuLimits:
    """Qiniu's own limits, by its documents; a test may set smaller ones.

    Attributes:
        key_bytes: of a key in UTF-8 (kodo/1206, scope).
        batch_operations: in one batch (kodo/1250).
        page: entries of a listing (kodo/1284).
        buckets: of an account (kodo/1382: 20 unless more are asked for).
        min_part, max_part: bytes of a part; the smallest is looked at on completion, not for the last
            part (kodo/6366, kodo/6368).
        max_parts: highest number of a part (kodo/6366).
        upload_seconds: until an upload in parts expires (kodo/6858: 7 days).
        form_bytes: of a form upload's file: 1 GB, by the console's help; not in the API's documents.
        metadata_bytes: of an object's metadata, names and values (kodo/1252).
        metadata_name_bytes: of one name after ``x-qn-meta-`` (kodo/1252).
        mime_bytes: of a MIME type (kodo/1252).
        skew_seconds: that ``X-Qiniu-Date`` may be off (kodo/3928: 15 minutes).
        refresh_urls_a_day, refresh_dirs_a_day, prefetch_urls_a_day: CDN quotas (fusion/13367; of
            folders it says 11, an answer that it shows elsewhere 10).
        refresh_urls, refresh_dirs, prefetch_urls: in one request (fusion/13367).
        stored_bytes: what the simulator holds at most; beyond it uploads get 599. Not Qiniu's.
    """

    key_bytes: int = 750
    batch_operations: int = 1000
    page: int = 1000
    buckets: int = 20
    min_part: int = MIB
    max_part: int = 1024 * MIB
    max_parts: int = 10_000
    upload_seconds: int = 7 * DAY
    form_bytes: int = 1024 * MIB
    metadata_bytes: int = 1024
    metadata_name_bytes: int = 50
    mime_bytes: int = 200
    skew_seconds: int = 15 * 60
    refresh_urls_a_day: int = 500
    refresh_dirs_a_day: int = 10
    prefetch_urls_a_day: int = 100
    refresh_urls: int = 20
    refresh_dirs: int = 5
    prefetch_urls: int = 20
    stored_bytes: int = 2048 * MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class QiniuQuirks:
    """What Qiniu does now and then, mostly off until it is switched on. All chance comes from `seed`.

    Attributes:
        list_lag: a listing shows a change up to so many seconds late.
        empty_pages: the probability that a page comes without items, and with a marker.
        repeated_prefixes: the limit of a listing counts the keys under a common prefix, so that a page
            has fewer entries, and the next may name its last prefix again; so it is in kodo/1698. On
            until it is switched off.
        cdn_seconds: so long the download domain goes on serving what it served before, until it is
            told to refresh. None: it always looks.
        cdn_ignores_query: addresses that differ in their queries are one to the CDN; else each is
            served and refreshed by itself (fusion/kb/1325).
        restore_seconds: how long an archived object takes to be restored.
        seed: of `list_lag` and `empty_pages`.
    """

    list_lag: float = 0.0
    empty_pages: float = 0.0
    repeated_prefixes: bool = True
    cdn_seconds: float | None = None
    cdn_ignores_query: bool = False
    restore_seconds: float = 0.0
    seed: int = 0


class QiniuError(Exception):
    """A refusal: answered with `status` and ``{"error": message}``."""

    def __init__(self, status: int, message: str, code: str | None = None) -> None:
        super().__init__(f"{status} {message}")
        self.status = status
        self.message = message
        self.code = code

    def body(self) -> dict[str, str]:
        """The JSON that says so. ``error_code`` comes where it was seen to come."""
        return {"error": self.message} | ({} if self.code is None else {"error_code": self.code})


def invalid(what: str) -> QiniuError:
    """400: an argument is not what it should be."""
    return QiniuError(400, f"invalid argument: {what}")


class QiniuClock:
    """The simulator's time. A test moves it instead of waiting.

    `advance` makes what is stored older: objects and uploads expire, caches lapse, quotas are new.
    Clients, whose clocks stay where they are, keep on agreeing with the server about what is signed.
    `drift` sets the server's clock apart from the clients': deadlines of tokens pass, dates are skewed.

    Args:
        base: seconds since 1970, such as `time.time`.
    """

    def __init__(self, base: Callable[[], float] = time.time) -> None:
        self._base = base
        self._guard = threading.Lock()
        self._advanced = 0.0
        self._drifted = 0.0

    def now(self) -> float:
        """By which what is stored ages."""
        return self._base() + self._advanced

    def signed(self) -> float:
        """By which tokens, URLs and signed dates are judged."""
        return self._base() + self._drifted

    def advance(self, seconds: float) -> None:
        """Lets so much time pass for what is stored."""
        with self._guard:
            self._advanced += seconds

    def drift(self, seconds: float) -> None:
        """Sets the server's clock so far ahead of the clients', or behind. It does not add up."""
        with self._guard:
            self._drifted = seconds
