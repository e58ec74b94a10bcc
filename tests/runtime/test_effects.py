"""What each effect means, the same on every runner."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

import pytest

from cloudstore import (
    DeadlineExceededError,
    MemoryConfig,
    StoreClosedError,
    TransportError,
    UnavailableError,
)
from cloudstore.driver import (
    AllFailedError,
    Branch,
    Call,
    Flow,
    FlowCancelled,
    Gather,
    Join,
    Once,
    OnceValue,
    Race,
    Sleep,
    Spawn,
)
from cloudstore.providers.memory import MemoryDriver
from cloudstore.runtime.tasks import AsyncRunner
from cloudstore.runtime.threads import SyncRunner

from .runners import real_context

OWNER = MemoryDriver(MemoryConfig())
TICK = 0.05
"""Long enough for a machine under load to order two pauses; only orders are asserted, never times."""


class Journal(list[str]):
    """What happened, in order."""

    def note(self, word: str) -> str:
        self.append(word)
        return word


def sleeper(journal: Journal, name: str, ticks: int, error: Exception | None = None) -> Flow[str]:
    """Ends after a pause; notes its beginning, its end or its cancellation."""
    journal.note(f"{name} begins")
    try:
        yield Sleep(ticks * TICK)
    except FlowCancelled:
        journal.note(f"{name} is cancelled")
        raise
    if error is not None:
        raise error
    journal.note(f"{name} ends")
    return name


def test_a_call_returns_what_the_function_returns_and_raises_what_it_raises(runner: Any) -> None:
    ctx = runner.context()

    def flow() -> Flow[list[object]]:
        first = yield Call(None, ctx, lambda a, b: a + b, 1, 2)
        try:
            yield Call(None, ctx, {}.__getitem__, "missing")
        except KeyError as exc:
            return [first, exc.args]
        return []

    assert runner.run(flow()) == [3, ("missing",)]


def test_a_call_that_does_not_block_runs_without_a_thread(runner: Any) -> None:
    import threading

    ctx = runner.context()

    def flow() -> Flow[int]:
        return (yield Call(None, ctx, threading.get_ident, blocking=False))

    assert runner.run(flow()) == threading.get_ident()


def test_what_is_no_effect_is_refused_inside_the_flow(runner: Any) -> None:
    def flow() -> Flow[str]:
        try:
            yield "nonsense"  # type: ignore[misc]
        except TypeError as exc:
            return str(exc)
        return ""

    assert "no effect" in runner.run(flow())


def test_gather_gives_results_in_order(runner: Any) -> None:
    journal = Journal()

    def flow() -> Flow[list[str]]:
        return (yield Gather([sleeper(journal, n, t) for n, t in (("a", 3), ("b", 1), ("c", 2))]))

    assert runner.run(flow()) == ["a", "b", "c"]
    assert {word for word in journal if word.endswith("ends")} == {"a ends", "b ends", "c ends"}


def test_gather_of_nothing_is_an_empty_list(runner: Any) -> None:
    def flow() -> Flow[list[str]]:
        return (yield Gather([]))

    assert runner.run(flow()) == []


def test_gather_keeps_its_limit_and_takes_flows_lazily(runner: Any) -> None:
    running = most = taken = 0
    taken_at_start: list[int] = []

    def one(number: int) -> Flow[int]:
        nonlocal running, most
        running += 1
        most = max(most, running)
        taken_at_start.append(taken - number)
        yield Sleep(TICK / 4)
        running -= 1
        return number

    def flows() -> Iterator[Flow[int]]:
        nonlocal taken
        for number in range(12):
            taken += 1
            yield one(number)

    def flow() -> Flow[list[int]]:
        return (yield Gather(flows(), limit=3))

    assert runner.run(flow()) == list(range(12))
    assert most == 3
    assert max(taken_at_start) <= 3


def test_gather_fails_fast_and_cancels_the_others(runner: Any) -> None:
    journal = Journal()

    def flow() -> Flow[str]:
        try:
            yield Gather(
                [
                    sleeper(journal, "a", 50),
                    sleeper(journal, "b", 1, UnavailableError("b failed")),
                ]
            )
        except UnavailableError as exc:
            journal.note("raised")
            return exc.message
        return ""

    assert runner.run(flow()) == "b failed"
    assert journal[-2:] == ["a is cancelled", "raised"]


def test_gather_without_fail_fast_puts_errors_among_the_results(runner: Any) -> None:
    journal = Journal()
    error = UnavailableError("b failed")

    def flow() -> Flow[list[object]]:
        return (
            yield Gather([sleeper(journal, "a", 2), sleeper(journal, "b", 1, error)], fail_fast=False)
        )

    assert runner.run(flow()) == ["a", error]


def test_gathers_nest(runner: Any) -> None:
    journal = Journal()

    def inner(name: str) -> Flow[list[str]]:
        return (yield Gather([sleeper(journal, f"{name}{i}", i) for i in range(3)]))

    def flow() -> Flow[list[list[str]]]:
        return (yield Gather([inner("x"), inner("y")]))

    assert runner.run(flow()) == [["x0", "x1", "x2"], ["y0", "y1", "y2"]]


def test_race_starts_one_after_the_other(runner: Any) -> None:
    journal = Journal()

    def flow() -> Flow[str]:
        return (yield Race([sleeper(journal, "a", 1), sleeper(journal, "b", 1)], stagger=50 * TICK))

    assert runner.run(flow()) == "a"
    assert journal == ["a begins", "a ends"]


def test_race_starts_the_next_at_once_when_all_that_run_have_failed(runner: Any) -> None:
    journal = Journal()

    def flow() -> Flow[str]:
        return (
            yield Race(
                [sleeper(journal, "a", 1, UnavailableError()), sleeper(journal, "b", 1)],
                stagger=10_000,
            )
        )

    assert runner.run(flow()) == "b"


def test_race_cancels_the_losers(runner: Any) -> None:
    journal = Journal()

    def flow() -> Flow[str]:
        return (yield Race([sleeper(journal, "a", 200), sleeper(journal, "b", 1)], stagger=TICK))

    assert runner.run(flow()) == "b"
    runner.close()
    assert "a is cancelled" in journal
    assert "a ends" not in journal


def test_race_raises_all_errors_where_none_succeeds(runner: Any) -> None:
    journal = Journal()
    errors = [UnavailableError("a"), TransportError("b")]

    def flow() -> Flow[list[Exception]]:
        try:
            yield Race([sleeper(journal, "x", 1, e) for e in errors], stagger=0)
        except AllFailedError as exc:
            return exc.errors
        return []

    assert runner.run(flow()) == errors


def test_race_discards_a_result_that_comes_too_late(runner: Any) -> None:
    discarded: list[str] = []

    def stubborn() -> Flow[str]:
        """Does not let itself be cancelled."""
        with suppress(FlowCancelled):
            yield Sleep(200 * TICK)
        return "late"

    def quick() -> Flow[str]:
        yield Sleep(TICK)
        return "first"

    def flow() -> Flow[str]:
        return (yield Race([stubborn(), quick()], stagger=0, discard=discarded.append))

    assert runner.run(flow()) == "first"
    runner.close()
    assert discarded == ["late"]


def test_cleaning_up_is_not_disturbed_by_the_cancellation(runner: Any) -> None:
    journal = Journal()
    ctx = runner.context()

    def tidy() -> Flow[None]:
        try:
            yield Sleep(500 * TICK)
        finally:
            yield Call(None, ctx, journal.note, "cleaning")
            yield Sleep(TICK / 4)
            yield Call(None, ctx, journal.note, "cleaned")

    def flow() -> Flow[str]:
        return (yield Race([tidy(), sleeper(journal, "b", 1)], stagger=0))

    assert runner.run(flow()) == "b"
    runner.close()
    assert journal[-2:] == ["cleaning", "cleaned"]


def test_once_is_made_by_one_and_shared(runner: Any) -> None:
    ctx = runner.context()
    made = 0

    def make() -> Flow[OnceValue[int]]:
        nonlocal made
        made += 1
        yield Sleep(TICK)
        return OnceValue(made)

    def use() -> Flow[int]:
        return (yield Once(OWNER, ctx, "token", make))

    def flow() -> Flow[list[int]]:
        return (yield Gather([use() for _ in range(8)]))

    assert runner.run(flow()) == [1] * 8
    assert runner.run(use()) == 1
    assert made == 1


def test_once_is_made_anew_when_it_is_stale_by_one_of_many(runner: Any) -> None:
    ctx = runner.context()
    made: list[object] = []

    def make() -> Flow[OnceValue[object]]:
        yield Sleep(TICK / 2)
        made.append(object())
        return OnceValue(made[-1])

    def use(stale: object = None) -> Flow[object]:
        return (yield Once(OWNER, ctx, "token", make, stale=stale))

    first = runner.run(use())

    def flow() -> Flow[list[object]]:
        return (yield Gather([use(first) for _ in range(8)]))

    second = runner.run(flow())
    assert len(made) == 2
    assert all(value is made[1] for value in second)
    assert runner.run(use(first)) is made[1]


def test_once_is_made_anew_after_its_lifetime(runner: Any) -> None:
    ctx = runner.context()
    made = 0

    def make() -> Flow[OnceValue[int]]:
        nonlocal made
        yield from ()
        made += 1
        return OnceValue(made, lifetime=TICK)

    def flow() -> Flow[list[int]]:
        first = yield Once(OWNER, ctx, "token", make)
        yield Sleep(3 * TICK)
        second = yield Once(OWNER, ctx, "token", make)
        return [first, second]

    assert runner.run(flow()) == [1, 2]


def test_an_error_of_once_goes_to_all_who_wait_and_is_not_kept(runner: Any) -> None:
    ctx = runner.context()
    made = 0

    def make() -> Flow[OnceValue[int]]:
        nonlocal made
        made += 1
        yield Sleep(3 * TICK)
        if made == 1:
            raise UnavailableError("no token")
        return OnceValue(made)

    def use() -> Flow[int]:
        return (yield Once(OWNER, ctx, "token", make))

    def flow() -> Flow[list[object]]:
        return (yield Gather([use() for _ in range(4)], fail_fast=False))

    results = runner.run(flow())
    assert [str(result) for result in results] == ["no token"] * 4
    assert len({id(result) for result in results}) == 4, "each has an error of its own"
    assert runner.run(use()) == 2


def test_an_error_of_once_says_of_each_who_waits_what_it_was_about(runner: Any) -> None:
    ctx = runner.context()

    def make() -> Flow[OnceValue[int]]:
        yield Sleep(3 * TICK)
        raise UnavailableError("no token")

    def use(key: str) -> Flow[str | None]:
        try:
            yield Once(OWNER, ctx, "token", make)
        except UnavailableError as exc:
            exc.key = exc.key or key  # as the end of an operation does
            yield Sleep(TICK)
            return exc.key
        return None

    def flow() -> Flow[list[str]]:
        return (yield Gather([use(key) for key in "abcd"]))

    assert runner.run(flow()) == ["a", "b", "c", "d"]


def test_when_the_maker_of_once_is_cancelled_another_makes_it(runner: Any) -> None:
    ctx = runner.context()
    made = 0

    def make() -> Flow[OnceValue[int]]:
        nonlocal made
        made += 1
        yield Sleep((200 if made == 1 else 1) * TICK)
        return OnceValue(made)

    def use() -> Flow[int]:
        return (yield Once(OWNER, ctx, "token", make))

    def waiter() -> Flow[int]:
        yield Sleep(2 * TICK)
        return (yield from use())

    def loser() -> Flow[object]:
        return (yield Race([use(), sleeper(Journal(), "winner", 6)], stagger=0))

    def flow() -> Flow[list[object]]:
        return (yield Gather([loser(), waiter()]))

    assert runner.run(flow()) == ["winner", 2]


def test_who_waits_for_once_has_its_own_deadline(runner: Any) -> None:
    patient = runner.context()

    def make() -> Flow[OnceValue[int]]:
        yield Sleep(10 * TICK)
        return OnceValue(1)

    def use(ctx: Any) -> Flow[int]:
        return (yield Once(OWNER, ctx, "token", make))

    def hasty() -> Flow[str]:
        yield Sleep(TICK)
        try:
            yield from use(runner.context(deadline=TICK))
        except DeadlineExceededError:
            return "too late"
        return "in time"

    def flow() -> Flow[list[object]]:
        return (yield Gather([use(patient), hasty()]))

    assert runner.run(flow()) == [1, "too late"]


def test_when_the_time_of_the_maker_of_once_is_up_another_makes_it(runner: Any) -> None:
    made = 0

    def make(ctx: Any) -> Callable[[], Flow[OnceValue[int]]]:
        def flow() -> Flow[OnceValue[int]]:
            nonlocal made
            made += 1
            yield Sleep(5 * TICK)
            yield Call(None, ctx, int)
            return OnceValue(made)

        return flow

    def use(ctx: Any) -> Flow[int]:
        return (yield Once(OWNER, ctx, "token", make(ctx)))

    def patient() -> Flow[int]:
        yield Sleep(TICK)
        return (yield from use(runner.context()))

    def flow() -> Flow[list[object]]:
        hasty = use(runner.context(deadline=3 * TICK))
        return (yield Gather([hasty, patient()], fail_fast=False))

    late, value = runner.run(flow())
    assert isinstance(late, DeadlineExceededError)
    assert value == 2


def test_a_deadline_that_has_passed_stops_the_next_call(runner: Any) -> None:
    called: list[int] = []

    def flow() -> Flow[None]:
        ctx = runner.context(deadline=-1)
        yield Call(None, ctx, called.append, 1)

    with pytest.raises(DeadlineExceededError):
        runner.run(flow())
    assert called == []


def test_an_interrupt_reaches_the_flow_so_that_it_cleans_up(runner: Any) -> None:
    ctx = runner.context()
    journal = Journal()

    def interrupt() -> None:
        raise KeyboardInterrupt

    def flow() -> Flow[None]:
        try:
            yield Call(None, ctx, interrupt, blocking=False)
        finally:
            yield Call(None, ctx, journal.note, "cleaned", blocking=False)

    with pytest.raises(KeyboardInterrupt):
        runner.run(flow())
    assert journal == ["cleaned"]


def test_a_spawned_flow_goes_on_by_the_side(runner: Any) -> None:
    journal = Journal()

    def flow() -> Flow[list[object]]:
        branch = yield Spawn(sleeper(journal, "a", 2))
        at_once = branch.done
        journal.note("spawned")
        yield Sleep(TICK)
        journal.note("meanwhile")
        yield Join([branch])
        return [at_once, branch.done, branch.result()]

    assert runner.run(flow()) == [False, True, "a"]
    assert journal.index("meanwhile") < journal.index("a ends")


def test_join_waits_for_the_first_of_several(runner: Any) -> None:
    journal = Journal()

    def flow() -> Flow[list[str]]:
        branches = []
        for name, ticks in (("a", 9), ("b", 1), ("c", 5)):
            branches.append((yield Spawn(sleeper(journal, name, ticks))))
        ended = []
        while branches:
            yield Join(branches)
            ended += [branch.result() for branch in branches if branch.done]
            branches = [branch for branch in branches if not branch.done]
        return ended

    assert runner.run(flow()) == ["b", "c", "a"]


def test_a_branch_raises_what_its_flow_raised_to_whoever_asks(runner: Any) -> None:
    journal = Journal()
    error = UnavailableError("a failed")

    def flow() -> Flow[object]:
        branch = yield Spawn(sleeper(journal, "a", 1, error))
        yield Join([branch])
        try:
            branch.result()
        except UnavailableError as exc:
            return exc
        return None

    assert runner.run(flow()) is error


def test_a_cancelled_branch_cleans_up_before_it_is_done(runner: Any) -> None:
    journal = Journal()

    def careful() -> Flow[None]:
        try:
            yield Sleep(100 * TICK)
        finally:
            yield Sleep(TICK)
            journal.note("cleaned up")

    def flow() -> Flow[str]:
        branch = yield Spawn(careful())
        yield Sleep(TICK)
        branch.cancel()
        yield Join([branch])
        journal.note("joined")
        try:
            branch.result()
        except FlowCancelled:
            return "cancelled"
        return ""

    assert runner.run(flow()) == "cancelled"
    assert journal == ["cleaned up", "joined"]


def test_a_flow_that_is_cancelled_while_it_joins_can_end_its_branches(runner: Any) -> None:
    journal = Journal()

    def joining() -> Flow[None]:
        branch: Branch = yield Spawn(sleeper(journal, "branch", 100))
        try:
            yield Join([branch])
        finally:
            branch.cancel()
            yield Join([branch])
            journal.note("ended")

    def failing() -> Flow[None]:
        yield Sleep(TICK)
        raise UnavailableError("no more")

    def flow() -> Flow[None]:
        yield Gather([joining(), failing()])

    with pytest.raises(UnavailableError):
        runner.run(flow())
    assert journal == ["branch begins", "branch is cancelled", "ended"]


def test_a_branch_outlives_the_flow_that_spawned_it() -> None:
    """On threads; on asyncio it does for as long as the loop."""
    runner = SyncRunner()
    journal = Journal()

    def spawning() -> Flow[Branch]:
        return (yield Spawn(sleeper(journal, "a", 1)))

    def joining(branch: Branch) -> Flow[Any]:
        yield Join([branch])
        return branch.result()

    branch = runner.run(spawning())
    assert runner.run(joining(branch)) == "a"
    runner.close()


def test_a_branch_is_not_waited_for_in_a_forked_child() -> None:
    runner = SyncRunner()
    gate = threading.Event()
    ctx = real_context(None, None)

    def spawning() -> Flow[Branch]:
        return (yield Spawn(waiting()))

    def waiting() -> Flow[None]:
        yield Call(None, ctx, gate.wait)

    def joining(branch: Branch) -> Flow[None]:
        yield Join([branch])

    branch = runner.run(spawning())
    child = os.fork()
    if child == 0:
        try:
            runner.run(joining(branch))
        except StoreClosedError:
            os._exit(7)
        finally:
            os._exit(1)
    gate.set()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    runner.run(joining(branch))
    runner.close()


def test_what_a_cancelled_flow_does_not_get_is_closed() -> None:
    """On asyncio, where a flow can be cancelled while a function runs in a thread."""
    began, goes_on, closed = threading.Event(), threading.Event(), threading.Event()
    ctx = real_context(None, None)

    class Opened:
        def close(self) -> None:
            closed.set()

    def slowly() -> Opened:
        began.set()
        goes_on.wait()
        return Opened()

    def flow() -> Flow[Opened]:
        return (yield Call(None, ctx, slowly))

    async def main() -> None:
        task = asyncio.create_task(AsyncRunner().run(flow()))
        await asyncio.to_thread(began.wait)
        task.cancel()
        await asyncio.sleep(0)
        goes_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert closed.is_set()


TRACE: ContextVar[str] = ContextVar("trace", default="none")


def test_flows_side_by_side_see_the_context_of_their_operation(runner: Any) -> None:
    def look() -> Flow[str]:
        yield Sleep(TICK / 10)
        return TRACE.get()

    def flow() -> Flow[list[str]]:
        gathered = yield Gather([look(), look()])
        raced = yield Race([look()], 0.0)
        branch: Branch = yield Spawn(look())
        yield Join([branch])
        return [*gathered, raced, branch.result()]

    before = TRACE.set("the operation")
    try:
        assert runner.run(flow()) == ["the operation"] * 4
    finally:
        TRACE.reset(before)
