"""The three runners behind one face, so that each test of an effect runs on all of them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from cloudstore import RetryPolicy
from cloudstore.driver import Flow, OpContext, Recv, Request, Response, SystemClock
from cloudstore.runtime.tasks import AsyncRunner
from cloudstore.runtime.threads import Scope, SyncRunner
from cloudstore.testing.simulation import Simulation

Answer = Callable[[Request, Mapping[str, str]], Response]


class Runner(Protocol):
    """What the tests need."""

    def context(self, deadline: float | None = None, retry: RetryPolicy | None = None) -> OpContext:
        """A context; `deadline` in seconds from now."""

    def run(self, flow: Flow[Any]) -> Any:
        """Runs a flow to its end."""

    def close(self) -> None:
        """Waits for what was cancelled."""


class Network:
    """Answers requests by a function of the test; counts them.

    Attributes:
        seen: the headers of each request that was sent.
        closed: whether its connections were closed.
    """

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.seen: list[Mapping[str, str]] = []
        self.closed = False

    def answer(self, request: Request, headers: Mapping[str, str]) -> Response:
        self.seen.append(headers)
        return self._answer(request, headers)


def fill(effect: Recv) -> int:
    count: int = effect.stream.fill(effect.buffer)  # type: ignore[attr-defined]
    return count


class ThreadTransport:
    def __init__(self, network: Network) -> None:
        self._network = network

    def exchange(self, request: Request, headers: Mapping[str, str], scope: Scope | None) -> Response:
        return self._network.answer(request, headers)

    def recv(self, effect: Recv) -> int:
        return fill(effect)

    def close(self) -> None:
        self._network.closed = True


class TaskTransport:
    def __init__(self, network: Network) -> None:
        self._network = network

    async def exchange(self, request: Request, headers: Mapping[str, str]) -> Response:
        await asyncio.sleep(0)
        return self._network.answer(request, headers)

    async def recv(self, effect: Recv) -> int:
        return fill(effect)

    async def close(self) -> None:
        self._network.closed = True


class FlowTransport:
    def __init__(self, network: Network) -> None:
        self._network = network

    def exchange(self, request: Request, headers: Mapping[str, str]) -> Flow[Response]:
        yield from ()
        return self._network.answer(request, headers)

    def recv(self, effect: Recv) -> Flow[int]:
        yield from ()
        return fill(effect)


class Threads:
    def __init__(self, network: Network | None = None) -> None:
        self._runner = SyncRunner((lambda: ThreadTransport(network)) if network else None)

    def context(self, deadline: float | None = None, retry: RetryPolicy | None = None) -> OpContext:
        return real_context(deadline, retry)

    def run(self, flow: Flow[Any]) -> Any:
        return self._runner.run(flow)

    def close(self) -> None:
        self._runner.close()


class Tasks:
    def __init__(self, network: Network | None = None) -> None:
        self._runner = AsyncRunner((lambda: TaskTransport(network)) if network else None)
        self._loop = asyncio.Runner()
        self._closed = False

    def context(self, deadline: float | None = None, retry: RetryPolicy | None = None) -> OpContext:
        return real_context(deadline, retry)

    def run(self, flow: Flow[Any]) -> Any:
        return self._loop.run(self._runner.run(flow))

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._loop.run(self._runner.close())
            self._loop.close()


class Simulated:
    def __init__(self, network: Network | None = None) -> None:
        self._simulation = Simulation(seed=1, transport=FlowTransport(network) if network else None)

    def context(self, deadline: float | None = None, retry: RetryPolicy | None = None) -> OpContext:
        if deadline is not None:
            deadline += self._simulation.clock.monotonic()
        return self._simulation.context(deadline=deadline, retry=retry)

    def run(self, flow: Flow[Any]) -> Any:
        return self._simulation.run(flow)

    def close(self) -> None:
        assert self._simulation.leaks() == []


def real_context(deadline: float | None, retry: RetryPolicy | None) -> OpContext:
    clock = SystemClock()
    if deadline is not None:
        deadline += clock.monotonic()
    return OpContext(
        "test", None, None, deadline, retry or RetryPolicy(), None, clock, random.Random(1)
    )


RUNNERS: dict[str, Callable[..., Any]] = {
    "threads": Threads,
    "tasks": Tasks,
    "simulated": Simulated,
}
