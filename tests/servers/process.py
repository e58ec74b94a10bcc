"""A real server in a process of its own, on 127.0.0.1, for as long as a test session."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

START_SECONDS = 60.0
"""How long a server may take to answer, on a machine that is busy with other things."""
STOP_SECONDS = 10.0
POLL_SECONDS = 0.05
MEMORY = Path("/dev/shm")
ENOUGH = 1024 * 1024 * 1024
"""Bytes. Containers often have 64 MiB there."""


def free_port() -> int:
    """A port that was free just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def quick_folder() -> Path | None:
    """Memory that is mounted as a folder, where there is enough of it; None is the usual place.

    What a server of the tests has stored need not outlive it, and a disk takes its time.
    """
    is_quick = MEMORY.is_dir() and os.access(MEMORY, os.W_OK)
    return MEMORY if is_quick and shutil.disk_usage(MEMORY).free >= ENOUGH else None


class ServerProcess(ABC):
    """Starts a server, waits until it is ready, and ends it with all it has written.

    A subclass says how it is started and when it is ready.
    """

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="cloudstore-server-", dir=quick_folder()))
        self.log = self.folder / "log"
        self._process: subprocess.Popen[bytes] | None = None

    def launch(self, command: Sequence[str | Path], environment: Mapping[str, str]) -> None:
        """Starts the process; nothing of the developer's environment reaches it but the path."""
        clean = {"PATH": os.environ.get("PATH", ""), "HOME": str(self.folder), **environment}
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [str(part) for part in command],
                cwd=self.folder,
                env=clean,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    @abstractmethod
    def is_ready(self) -> bool:
        """Whether it answers."""

    def wait_until_ready(self) -> bool:
        """Waits. False: the process has ended instead."""
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            assert self._process is not None
            if self._process.poll() is not None:
                return False
            if self.is_ready():
                return True
            time.sleep(POLL_SECONDS)
        raise AssertionError(f"{type(self).__name__} does not answer:\n{self.log.read_text()}")

    def stop(self) -> None:
        """Ends the process and removes its folder."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
