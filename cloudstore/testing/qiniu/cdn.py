"""The CDN's interface: refreshing and prefetching URLs, within quotas (fusion/13367)."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from ..loopback import Response
from .answers import as_json, read_json
from .downloads import Downloads
from .settings import DAY, QiniuClock, QiniuError, QiniuLimits, invalid
from .storage import CST

if TYPE_CHECKING:
    from .simulator import QiniuSimulator

__all__ = ["Cdn"]

NO_URLS, BAD_HOST, NO_PREFETCHES, NO_REFRESHES, NO_FOLDERS = 400031, 400032, 400033, 400034, 400035
"""Codes in the answer; fusion/13367, and of `BAD_HOST` the list of errors of Qiniu's Node SDK."""


class _Refused(Exception):
    def __init__(self, code: int, message: str, **more: Any) -> None:
        super().__init__(message)
        self.answer = {"code": code, "error": message, **more}


class Cdn:
    """Answers ``/v2/tune/``."""

    def __init__(
        self,
        simulator: QiniuSimulator,
        downloads: Downloads,
        limits: QiniuLimits,
        clock: QiniuClock,
    ) -> None:
        self._simulator = simulator
        self._downloads = downloads
        self._limits = limits
        self._clock = clock
        self._guard = threading.Lock()
        self._day = 0
        self._used = {"urls": 0, "dirs": 0, "prefetched": 0}

    def answer(self, path: str, body: bytes) -> Response:
        """An error is 400, with its own code in the answer."""
        try:
            asked = read_json(body or b"{}")
            urls, folders = (_texts(asked.get(name)) for name in ("urls", "dirs"))
        except (ValueError, AttributeError):
            raise invalid("JSON") from None
        try:
            if path == "/v2/tune/refresh":
                return as_json(self._refresh(urls, folders))
            if path == "/v2/tune/prefetch":
                return as_json(self._prefetch(urls))
        except _Refused as exc:
            return as_json(exc.answer, 400)
        raise QiniuError(404, "no such operation")

    def _refresh(self, urls: Sequence[str], folders: Sequence[str]) -> dict[str, Any]:
        limits = self._limits
        if not urls and not folders:
            raise _Refused(NO_URLS, "urls and dirs are empty")
        if len(urls) > limits.refresh_urls or len(folders) > limits.refresh_dirs:
            raise _Refused(NO_REFRESHES, "too many urls or dirs in one request")
        places = self._places(urls, "invalidUrls")
        under = self._places(folders, "invalidDirs")
        if any(not folder.endswith("/") for folder in folders):
            raise _Refused(BAD_HOST, "a dir ends with a slash", invalidDirs=list(folders))
        left, folders_left = self._spend(
            ("urls", len(urls), limits.refresh_urls_a_day, NO_REFRESHES),
            ("dirs", len(folders), limits.refresh_dirs_a_day, NO_FOLDERS),
        )
        for place in places:
            self._downloads.drop(*place)
        for place in under:
            self._downloads.drop(*place, with_all_under=True)
        return _done([*urls, *folders]) | {
            "invalidUrls": None,
            "invalidDirs": None,
            "urlQuotaDay": limits.refresh_urls_a_day,
            "urlSurplusDay": left,
            "dirQuotaDay": limits.refresh_dirs_a_day,
            "dirSurplusDay": folders_left,
        }

    def _prefetch(self, urls: Sequence[str]) -> dict[str, Any]:
        limits = self._limits
        if not urls:
            raise _Refused(NO_URLS, "urls are empty")
        if len(urls) > limits.prefetch_urls:
            raise _Refused(NO_PREFETCHES, "too many urls in one request")
        places = self._places(urls, "invalidUrls")
        [left] = self._spend(("prefetched", len(urls), limits.prefetch_urls_a_day, NO_PREFETCHES))
        for place in places:
            try:
                self._downloads.fill(*place)
            except QiniuError:
                continue
        quota = {"quotaDay": limits.prefetch_urls_a_day, "surplusDay": left}
        return _done(urls) | {"invalidUrls": None, **quota}

    def _places(self, urls: Sequence[str], name: str) -> list[tuple[str, str, str]]:
        found = []
        for url in urls:
            try:
                split = urlsplit(url)
            except ValueError:
                split = urlsplit("")
            bucket = self._simulator.bucket_of(split.netloc)
            if split.scheme not in ("http", "https") or bucket is None:
                raise _Refused(BAD_HOST, "invalid url or host", **{name: [url]})
            found.append((bucket, unquote(split.path[1:]), split.query))
        return found

    def _spend(self, *wanted: tuple[str, int, int, int]) -> list[int]:
        """Takes from quotas of the day, and says what is left: of all of them, or of none.

        Args:
            wanted: of which, how much, how large it is, and the code that says it is used up.

        Days begin at midnight in China.
        """
        with self._guard:
            today = int(self._clock.now() + CST) // DAY
            if today != self._day:
                self._day = today
                self._used = dict.fromkeys(self._used, 0)
            for what, count, quota, code in wanted:
                if self._used[what] + count > quota:
                    raise _Refused(code, "the quota of the day is used up")
            for what, count, _, _ in wanted:
                self._used[what] += count
            return [quota - self._used[what] for what, _, quota, _ in wanted]


def _texts(given: Any) -> list[str]:
    if not isinstance(given or [], list) or not all(isinstance(one, str) for one in given or []):
        raise invalid("urls or dirs")
    return given or []


def _done(urls: Sequence[str]) -> dict[str, Any]:
    tasks = {url: secrets.token_hex(12) for url in urls}
    return {"code": 200, "error": "success", "requestId": secrets.token_hex(12), "taskIds": tasks}
