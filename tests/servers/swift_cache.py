"""In place of memcached: a dictionary in Swift's one process, where tokens are remembered."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any


class MemoryCache:
    """What Swift's middleware asks of a memcached client."""

    def __init__(self) -> None:
        self._values: dict[str, tuple[Any, float]] = {}

    def get(self, key: str, raise_on_error: bool = False) -> Any:
        value, expires = self._values.get(key, (None, 0.0))
        return None if expires and expires < time.time() else value

    def set(self, key: str, value: Any, time: float = 0, **options: Any) -> bool:
        self._values[key] = (value, _now() + time if time else 0.0)
        return True

    def incr(self, key: str, delta: int = 1, time: float = 0) -> int:
        value = max(0, int(self.get(key) or 0) + int(delta))
        self.set(key, value, time=time)
        return value

    def decr(self, key: str, delta: int = 1, time: float = 0) -> int:
        return self.incr(key, -delta, time)

    def delete(self, key: str, server_key: str | None = None) -> None:
        self._values.pop(key, None)

    def set_multi(
        self, mapping: Mapping[str, Any], server_key: str, time: float = 0, **options: Any
    ) -> None:
        for key, value in mapping.items():
            self.set(key, value, time=time)

    def get_multi(self, keys: Iterable[str], server_key: str) -> list[Any]:
        return [self.get(key) for key in keys]


def _now() -> float:
    return time.time()


def filter_factory(global_conf: Mapping[str, str], **local_conf: str) -> Callable[[Any], Any]:
    """A WSGI filter that gives every request the cache."""
    cache = MemoryCache()

    def factory(app: Any) -> Any:
        def middleware(environment: dict[str, Any], start: Any) -> Any:
            environment["swift.cache"] = cache
            return app(environment, start)

        return middleware

    return factory
