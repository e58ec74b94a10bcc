"""Both engines behind one face: flows run on real connections by the real runners."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cloudstore import MemoryConfig, RetryPolicy
from cloudstore.bodies import Payload
from cloudstore.driver import Call, ErrorInfo, Flow, OpContext, Request, Response, SystemClock
from cloudstore.policy import Timeouts
from cloudstore.providers.memory import MemoryDriver
from cloudstore.runtime.tasks import AsyncRunner
from cloudstore.runtime.threads import SyncRunner
from cloudstore.wire.aio import AsyncioTransport
from cloudstore.wire.blocking import BlockingTransport
from cloudstore.wire.settings import NetworkSettings

ONCE = RetryPolicy(attempts=1)


class Owner(MemoryDriver):
    """Signs nothing and takes every answer for a success: what the wire says is what a test sees."""

    def __init__(self) -> None:
        super().__init__(MemoryConfig())

    def authorize(self, request: Request, credentials: Any, now: float) -> Mapping[str, str]:
        return request.headers

    def classify(self, request: Request | Call, failure: Response | Exception) -> ErrorInfo | None:
        return None


@dataclass
class Answer:
    """A response that was read to its end."""

    status: int
    headers: Mapping[str, str]
    content: bytes


def context(timeout: float | None = None, retry: RetryPolicy = ONCE) -> OpContext:
    clock = SystemClock()
    deadline = None if timeout is None else clock.monotonic() + timeout
    return OpContext("test", None, None, deadline, retry, None, clock, random.Random(1))


def ask(
    origin: str,
    method: str = "GET",
    path: str = "/",
    *,
    query: str = "",
    headers: Mapping[str, str] | None = None,
    payload: Payload | None = None,
    idempotent: bool = True,
    buffered: bool = True,
    timeout: float | None = None,
    retry: RetryPolicy = ONCE,
) -> Flow[Response]:
    """One request; the body is left open where it is not `buffered`."""
    response: Response = yield Request(
        Owner(),
        context(timeout, retry),
        method,
        origin,
        path,
        query,
        headers or {},
        payload,
        idempotent=idempotent,
        buffered=buffered,
    )
    return response


def fetch(origin: str, path: str = "/", size: int = 65536, **options: Any) -> Flow[Answer]:
    """One GET whose body is read from the connection, `size` bytes at a time."""
    response = yield from ask(origin, path=path, buffered=False, **options)
    content = bytearray()
    if response.body is not None:
        buffer = memoryview(bytearray(size))
        try:
            while count := (yield from response.body.readinto(buffer)):
                content += buffer[:count]
        finally:
            response.body.close()
    return Answer(response.status, response.headers, bytes(content))


class ThreadEngine:
    """`SyncRunner` over `BlockingTransport`."""

    name = "threads"

    def __init__(self, settings: NetworkSettings) -> None:
        self.runner = SyncRunner(lambda: BlockingTransport(settings))

    def run(self, flow: Flow[Any]) -> Any:
        return self.runner.run(flow)

    def side_by_side(self, flows: Sequence[Callable[[], Flow[Any]]], width: int) -> list[Any]:
        """Runs flows on `width` threads or tasks; results or exceptions, in order."""
        results: list[Any] = [None] * len(flows)
        waiting = iter(enumerate(flows))
        lock = threading.Lock()

        def work() -> None:
            while True:
                with lock:
                    item = next(waiting, None)
                if item is None:
                    return
                try:
                    results[item[0]] = self.runner.run(item[1]())
                except Exception as exc:
                    results[item[0]] = exc

        threads = [threading.Thread(target=work) for _ in range(width)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return results

    def close(self) -> None:
        self.runner.close()


class TaskEngine:
    """`AsyncRunner` over `AsyncioTransport`."""

    name = "tasks"

    def __init__(self, settings: NetworkSettings) -> None:
        self.runner = AsyncRunner(lambda: AsyncioTransport(settings))
        self.loop = asyncio.Runner()
        self._closed = False

    def run(self, flow: Flow[Any]) -> Any:
        return self.loop.run(self.runner.run(flow))

    def side_by_side(self, flows: Sequence[Callable[[], Flow[Any]]], width: int) -> list[Any]:
        """See `ThreadEngine`."""

        async def all_of_them() -> list[Any]:
            gate = asyncio.Semaphore(width)

            async def one(make: Callable[[], Flow[Any]]) -> Any:
                async with gate:
                    return await self.runner.run(make())

            return await asyncio.gather(*map(one, flows), return_exceptions=True)

        return self.loop.run(all_of_them())

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self.loop.run(self.runner.close())
            self.loop.close()


Engine = ThreadEngine | TaskEngine
ENGINES: Mapping[str, type[ThreadEngine] | type[TaskEngine]] = {
    "threads": ThreadEngine,
    "tasks": TaskEngine,
}

QUICK = Timeouts(connect=5.0, first_byte=5.0, stall=5.0)
"""Short enough that a test which hangs fails soon, long enough for a slow machine."""
