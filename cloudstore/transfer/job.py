"""`Job` and `AsyncJob`: work on many objects that goes on by itself, seen and steered from outside."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from ..errors import JobCancelledError, StoreClosedError
from ..runtime.loop_thread import LoopThread

__all__ = ["AsyncJob", "Job", "JobProgress", "JobWork", "result_of"]

S_co = TypeVar("S_co", covariant=True)
S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class JobProgress:
    """How far a job is.

    Attributes:
        files_done, bytes_done: that are dealt with; bytes that were sent or received.
        files_total, bytes_total: that are known to be there to deal with.
        is_planned: whether the totals are final; until then they grow.
    """

    files_done: int
    files_total: int
    bytes_done: int
    bytes_total: int
    is_planned: bool


class JobWork(Protocol[S_co]):
    """What a job does."""

    @property
    def summary(self) -> S_co:
        """What was done so far."""

    @property
    def progress(self) -> JobProgress:
        """How far it is."""

    def run(self) -> Coroutine[Any, Any, S_co]:
        """Does it, once."""


class Job(Generic[S]):
    """Work that goes on in the background of a `Store`. Any thread may use it."""

    def __init__(self, work: JobWork[S], loop: LoopThread) -> None:
        self._work = work
        self._pid = os.getpid()
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._callbacks: list[Callable[[Job[S]], object]] | None = []
        self._loop = loop
        self._task = loop.run(_begun(work, self._end))

    @property
    def progress(self) -> JobProgress:
        """How far it is."""
        return self._work.progress

    @property
    def summary(self) -> S:
        """What was done so far; it goes on changing until the job has ended."""
        return self._work.summary

    @property
    def done(self) -> bool:
        """Whether it has ended, in whatever way."""
        return self._ended.is_set()

    def cancel(self) -> None:
        """Asks it to end: what is under way is given up, what is done stays. `result` waits for it."""
        if not self.done:
            self._check_process()
            self._loop.call(self._task.cancel)

    def result(self, timeout: float | None = None) -> S:
        """What was done, once all is.

        Args:
            timeout: seconds to wait.

        Raises:
            PartialFailureError: some of it failed; it has the `summary`, too.
            JobCancelledError: it was cancelled.
            TimeoutError: it goes on.
        """
        if not self.wait(timeout):
            raise TimeoutError("the job goes on")
        try:
            return self._task.result()
        except asyncio.CancelledError:
            raise JobCancelledError("the job was cancelled", outcome="unknown") from None

    def wait(self, timeout: float | None = None) -> bool:
        """Waits until it has ended, in whatever way; whether it has."""
        if not self.done:
            self._check_process()
        return self._ended.wait(timeout)

    def add_done_callback(self, callback: Callable[[Job[S]], object]) -> None:
        """Has `callback` called with this job when it ends, in the thread that does the work; at once
        where it has ended."""
        with self._lock:
            if self._callbacks is not None:
                self._callbacks.append(callback)
                return
        callback(self)

    def _end(self) -> None:
        with self._lock:
            callbacks, self._callbacks = self._callbacks or [], None
        self._ended.set()
        for callback in callbacks:
            callback(self)

    def _check_process(self) -> None:
        if self._pid != os.getpid():
            raise StoreClosedError("this was begun before the process forked, and goes on there")

    def __repr__(self) -> str:
        return f"<Job: {_state(self._task)}>"


class AsyncJob(Generic[S]):
    """Work that goes on in a task beside its caller's."""

    def __init__(self, work: JobWork[S]) -> None:
        self._work = work
        self._task = asyncio.create_task(work.run())

    @property
    def progress(self) -> JobProgress:
        """See `Job.progress`."""
        return self._work.progress

    @property
    def summary(self) -> S:
        """See `Job.summary`."""
        return self._work.summary

    @property
    def done(self) -> bool:
        """See `Job.done`."""
        return self._task.done()

    def cancel(self) -> None:
        """See `Job.cancel`."""
        self._task.cancel()

    async def result(self) -> S:
        """What was done, once all is; to give up waiting does not end the job.

        Raises:
            PartialFailureError: some of it failed; it has the `summary`, too.
            JobCancelledError: the job was cancelled.
        """
        await asyncio.wait([self._task])
        if self._task.cancelled():
            raise JobCancelledError("the job was cancelled", outcome="unknown")
        return self._task.result()

    def add_done_callback(self, callback: Callable[[AsyncJob[S]], object]) -> None:
        """Has `callback` called with this job when it ends."""
        self._task.add_done_callback(lambda task: callback(self))

    def __repr__(self) -> str:
        return f"<AsyncJob: {_state(self._task)}>"


def result_of(job: Job[S]) -> S:
    """The result of a job that nobody else knows of: a caller who is interrupted (Ctrl-C) ends it."""
    try:
        return job.result()
    finally:
        if not job.done:
            job.cancel()
            job.wait()


async def _begun(work: JobWork[S], at_its_end: Callable[[], None]) -> asyncio.Task[S]:
    task = asyncio.create_task(work.run())
    task.add_done_callback(lambda ended: at_its_end())
    return task


def _state(task: asyncio.Task[Any]) -> str:
    if not task.done():
        return "running"
    if task.cancelled():
        return "cancelled"
    return "failed" if task.exception() is not None else "done"
