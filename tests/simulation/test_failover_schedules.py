"""The failover driver under thousands of seeded schedules, with faults, cancellations and crashes.

Each client writes keys of its own and reads everybody's. What the run must show at its end: every
acknowledged write is on both children, nothing was applied that was not asked for or twice, every read
gave a value that was written, and nothing leaks: no flow, no body, no upload that was aborted.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from cloudstore import (
    CloudStoreError,
    MemoryConfig,
    NotFoundError,
    Part,
    PutResult,
    RetryPolicy,
    Timeouts,
    TransferConfig,
    UploadRef,
)
from cloudstore.bodies import Payload
from cloudstore.driver import Driver, Flow, FlowCancelled, OpContext, Sleep
from cloudstore.model import CompleteOptions, GetOptions, ListOptions, PutOptions
from cloudstore.operations import Operations
from cloudstore.pass_through import PassThroughDriver
from cloudstore.providers.memory import MemoryDriver
from cloudstore.reading import ObjectReader
from cloudstore.testing.failover import FailoverDriver
from cloudstore.testing.simulation import Simulation
from cloudstore.testing.unreliable import Faults, UnreliableDriver

SCHEDULES = 2000
PER_TEST = 100
CLIENTS = 4
STEPS = 6
BUCKET = "bucket"


class Ledger(PassThroughDriver):
    """Keeps what was written to a child, so that an effect applied twice is seen.

    Attributes:
        values: how often each value was put whole; clients never write the same value twice.
        completed: how often each multipart upload was completed.
    """

    def __init__(self, inner: Driver) -> None:
        super().__init__(inner)
        self.values: Counter[bytes] = Counter()
        self.completed: Counter[str] = Counter()

    def put_object(
        self, ctx: OpContext, bucket: str, key: str, payload: Payload, options: PutOptions
    ) -> Flow[PutResult]:
        result = yield from self.inner.put_object(ctx, bucket, key, payload, options)
        self.values[bytes(payload.read(0, payload.size))] += 1
        return result

    def complete_multipart(
        self, ctx: OpContext, ref: UploadRef, parts: Sequence[Part], options: CompleteOptions
    ) -> Flow[PutResult]:
        result = yield from self.inner.complete_multipart(ctx, ref, parts, options)
        self.completed[ref.upload_id] += 1
        return result


class Client:
    """Writes and reads, and keeps a record of what each of its keys may hold.

    Attributes:
        may_hold: per key, the values that it may have; None is "no object".
        acked: the keys whose last write was acknowledged: exactly one value, on both children.
        wrong: what must not have happened.
    """

    def __init__(self, name: str, verbs: Operations, simulation: Simulation, chance: random.Random):
        self.name = name
        self.verbs = verbs
        self.simulation = simulation
        self.chance = chance
        self.may_hold: dict[str, set[bytes | None]] = {f"{name}/{i}": {None} for i in range(2)}
        self.creations: list[str] = []
        self.wrong: list[str] = []
        self.done: Counter[str] = Counter()
        self.written = 0

    def live(self) -> Flow[None]:
        for _ in range(STEPS):
            key = self.chance.choice(list(self.may_hold))
            verb = self.chance.choice(
                [self.put, self.put, self.delete, self.read, self.stream, self.create]
            )
            yield from verb(key)
            self.done[verb.__name__] += 1
            yield Sleep(self.chance.randrange(5) * 0.025)

    def _value(self) -> bytes:
        self.written += 1
        return f"{self.name}:{self.written}:".encode() + b"x" * self.chance.randint(0, 40)

    def _write(self, key: str, value: bytes | None, flow: Flow[object]) -> Flow[None]:
        before = set(self.may_hold[key])
        # Until the flow has ended nobody knows: a cancellation leaves it at that.
        self.may_hold[key] = before | {value}
        try:
            yield from flow
        except CloudStoreError as exc:
            if exc.outcome == "not_applied":
                self.may_hold[key] = before
        else:
            self.may_hold[key] = {value}

    def put(self, key: str) -> Flow[None]:
        value = self._value()
        ctx = self.simulation.context("create_object", BUCKET, key)
        yield from self._write(key, value, self.verbs.create_object(ctx, BUCKET, key, value, {}, None))

    def stream(self, key: str) -> Flow[None]:
        value = self._value() + b"y" * 100
        pieces = [value[i : i + 7] for i in range(0, len(value), 7)]
        ctx = self.simulation.context("create_object", BUCKET, key)
        yield from self._write(
            key, value, self.verbs.create_object(ctx, BUCKET, key, iter(pieces), {}, None)
        )

    def delete(self, key: str) -> Flow[None]:
        ctx = self.simulation.context("delete_object", BUCKET, key)
        yield from self._write(
            key,
            None,
            self.verbs.delete_object(ctx, BUCKET, key, missing_ok=True, options={}),
        )

    def create(self, key: str) -> Flow[None]:
        """A key that everybody wants to create: who is told so is the only one."""
        ctx = self.simulation.context("create_object", BUCKET, "shared")
        data = self._value()
        try:
            yield from self.verbs.create_object(ctx, BUCKET, "shared", data, {"if_absent": True}, None)
        except CloudStoreError:
            return
        self.creations.append(self.name)

    def read(self, key: str) -> Flow[None]:
        possible = self.may_hold[key]
        ctx = self.simulation.context("get_object", BUCKET, key)
        try:
            opened = yield from self.verbs.get_object(ctx, BUCKET, key, {})
            reader = ObjectReader(self.verbs.driver, lambda: ctx, BUCKET, key, opened.info, opened)
            try:
                found: bytes | None = yield from reader.read()
            finally:
                reader.close()
        except NotFoundError:
            found = None
        except CloudStoreError:
            return
        if found not in possible:
            self.wrong.append(f"{key} read as {found!r}, may be {possible}")


class World:
    """One schedule."""

    def __init__(self, seed: int, failover: type[FailoverDriver] = FailoverDriver) -> None:
        self.chance = random.Random(seed * 7919 + 1)
        self.simulation = Simulation(seed)
        faults = Faults(
            latency=0.1,
            lost_request=self.chance.choice([0, 0.1, 0.3]),
            lost_answer=self.chance.choice([0, 0.1, 0.3]),
            broken_body=self.chance.choice([0, 0.2]),
        )
        self.disks = [MemoryDriver(MemoryConfig()) for _ in range(2)]
        self.ledgers = [Ledger(disk) for disk in self.disks]
        self.links = [UnreliableDriver(ledger, Faults()) for ledger in self.ledgers]
        first, second = self.links
        self.driver = failover(first, second, stagger=0.05)
        self.verbs = Operations(
            self.driver,
            timeouts=Timeouts(),
            retry=RetryPolicy(),
            transfer=TransferConfig(part_size=32),
            observer=None,
            clock=self.simulation.clock,
            chance=self.simulation.random,
        )
        ctx = self.simulation.context("create_bucket", BUCKET)
        self.simulation.run(self.verbs.create_bucket(ctx, BUCKET))
        for link in self.links:
            link.faults = faults
        self.clients = [
            Client(f"client{i}", self.verbs, self.simulation, self.chance) for i in range(CLIENTS)
        ]

    def play(self, *, cancel: bool = True, crash: bool = False) -> None:
        tasks = [self.simulation.spawn(c.live(), c.name) for c in self.clients]
        doomed = {task: self.chance.randint(1, 200) for task in tasks if self.chance.random() < 0.4}
        steps = 0
        while self.simulation.step():
            steps += 1
            for task, moment in doomed.items():
                if steps == moment and crash:
                    self.simulation.crash(task)
                elif steps == moment and cancel:
                    self.simulation.cancel(task)
        self.simulation.run_all()
        for task in tasks:
            if task.error is not None and not isinstance(task.error, FlowCancelled):
                raise task.error

    def objects(self, disk: MemoryDriver) -> dict[str, bytes]:
        """What a child holds, read without the network."""

        def everything() -> Flow[dict[str, bytes]]:
            held = {}
            ctx = self.simulation.context("check", BUCKET)
            page = yield from disk.list_page(ctx, BUCKET, ListOptions())
            for info in page.objects:
                opened = yield from disk.get_object(ctx, BUCKET, info.key, GetOptions())
                held[info.key] = opened.body.take() or b""
            return held

        return self.simulation.run(everything())

    def check(self) -> None:
        held = [self.objects(disk) for disk in self.disks]
        for client in self.clients:
            assert not client.wrong, client.wrong
            for key, possible in client.may_hold.items():
                found = [contents.get(key) for contents in held]
                for value in found:
                    assert value in possible, f"{key} holds {value!r}, may hold {possible}"
                if len(possible) == 1:
                    assert found[0] == found[1], f"{key} was acknowledged and is {found}"
        assert len([name for c in self.clients for name in c.creations]) <= 1
        for ledger in self.ledgers:
            twice = [value for value, count in ledger.values.items() if count > 1]
            assert not twice, f"{twice} was applied more than once"
            assert all(count == 1 for count in ledger.completed.values())
        assert self.simulation.leaks() == []
        assert all(task.done for task in self.simulation.tasks)
        assert self.open_bodies() == 0, "a body was left open"

    def open_bodies(self) -> int:
        return sum(link.open_bodies for link in self.links)


def play(seed: int, failover: type[FailoverDriver] = FailoverDriver) -> World:
    world = World(seed, failover)
    try:
        world.play()
        world.check()
    except Exception as exc:
        raise AssertionError(f"schedule {seed}: {exc}") from exc
    return world


@pytest.mark.parametrize("first", range(0, SCHEDULES, PER_TEST))
def test_no_lost_or_doubled_effect_and_no_leaked_flow(first: int) -> None:
    done: Counter[str] = Counter()
    for seed in range(first, first + PER_TEST):
        world = play(seed)
        for client in world.clients:
            done += client.done
    assert all(done[verb] > PER_TEST for verb in ("put", "stream", "delete", "read", "create")), done


def test_crashed_clients_lose_no_acknowledged_write_of_others() -> None:
    crashed = 0
    for seed in range(300):
        world = World(seed)
        world.play(crash=True)
        crashed += sum(task.crashed for task in world.simulation.tasks)
        for client in world.clients:
            assert not client.wrong, client.wrong
            for key, possible in client.may_hold.items():
                found = [world.objects(disk).get(key) for disk in world.disks]
                assert set(found) <= possible, f"schedule {seed}: {key} holds {found}"
                assert len(possible) > 1 or found[0] == found[1]
    assert crashed > 100


def test_a_seed_repeats_its_schedule() -> None:
    def trace(seed: int) -> list[tuple[str, int]]:
        world = World(seed)
        world.play()
        return [(task.name, task.steps) for task in world.simulation.tasks]

    assert trace(5) == trace(5)
    assert trace(5) != trace(6)


class ForgetsSecond(FailoverDriver):
    """Acknowledges a write that only the first child has."""

    def _both(self, first: Flow[Any], second: Flow[Any]) -> Flow[tuple[Any, Any]]:
        result = yield from first
        second.close()
        return result, result


class AppliesTwice(FailoverDriver):
    """Sends a write again that was acknowledged."""

    def put_object(
        self, ctx: OpContext, bucket: str, key: str, payload: Payload, options: PutOptions
    ) -> Flow[PutResult]:
        yield from super().put_object(ctx, bucket, key, payload, options)
        return (yield from super().put_object(ctx, bucket, key, payload, options))


class SaysNotApplied(FailoverDriver):
    """Calls a write not applied that one child has."""

    def _both(self, first: Flow[Any], second: Flow[Any]) -> Flow[tuple[Any, Any]]:
        try:
            return (yield from super()._both(first, second))
        except CloudStoreError as exc:
            exc.outcome = "not_applied"
            raise


class DropsLateBodies(FailoverDriver):
    """Leaves the body of a loser open."""

    def _race(self, flows: Sequence[Flow[Any]], discard: Any = None) -> Flow[Any]:
        return super()._race(flows, None)


@pytest.mark.parametrize("broken", [ForgetsSecond, AppliesTwice, SaysNotApplied, DropsLateBodies])
def test_the_schedules_catch_a_broken_driver(broken: type[FailoverDriver]) -> None:
    def play_all() -> None:
        for seed in range(5 * PER_TEST):
            play(seed, broken)

    with pytest.raises(AssertionError):
        play_all()
