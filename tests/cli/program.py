"""Runs the program as a user does: a process, in a folder, with a profile file."""

from __future__ import annotations

import io
import json
import os
import pty
import select
import subprocess
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cloudstore.cli.program import run
from tests.servers.s3_server import S3Server

ROOT = Path(__file__).resolve().parent.parent.parent
SECRET = "s3cr3t-do-not-show"
SECONDS = 60


@dataclass(frozen=True)
class Ran:
    """What a run left."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def records(self) -> list[dict[str, Any]]:
        """What `--json` printed."""
        return [json.loads(line) for line in self.lines]


class Program:
    """The program in a folder; `profiles` is what its profile file holds."""

    def __init__(self, folder: Path, profiles: str, secrets: tuple[str, ...] = (SECRET,)) -> None:
        self.folder = folder
        self._secrets = secrets
        (folder / "cloudstore.toml").write_text(profiles)
        self.environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100"}

    @property
    def command(self) -> list[str]:
        return [sys.executable, "-m", "cloudstore"]

    def __call__(
        self, *arguments: str | Path, stdin: bytes = b"", expect: int | None = 0, **environment: str
    ) -> Ran:
        """Runs it; no secret may be in what it prints, and no traceback."""
        done = subprocess.run(
            [*self.command, *map(str, arguments)],
            cwd=self.folder,
            env={**self.environment, **environment},
            input=stdin,
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
        return self._checked(done.returncode, done.stdout, done.stderr, expect)

    def within(self, *arguments: str, expect: int | None = 0, **environment: str) -> Ran:
        """The same in this process, for many small cases: a start costs a quarter of a second."""
        held = io.BytesIO(), io.BytesIO()
        out, err = (io.TextIOWrapper(stream, encoding="utf-8", write_through=True) for stream in held)
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            patch.chdir(self.folder)
            for name, value in environment.items():
                patch.setenv(name, value)
            try:
                code = run(arguments)
            except SystemExit as exc:
                code = int(exc.code or 0)
        return self._checked(code, held[0].getvalue(), held[1].getvalue(), expect)

    def _checked(self, code: int, out: bytes, err: bytes, expect: int | None) -> Ran:
        ran = Ran(code, out.decode(errors="surrogateescape"), err.decode())
        for text in (ran.out, ran.err):
            assert "Traceback" not in text
            assert not [secret for secret in self._secrets if secret in text]
        assert expect is None or ran.code == expect, ran
        return ran

    def on_terminal(self, *arguments: str | Path, expect: int = 0) -> str:
        """Runs it with standard error on a terminal; returns what that showed."""
        reader, terminal = pty.openpty()
        process = subprocess.Popen(
            [*self.command, *map(str, arguments)],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=terminal,
        )
        os.close(terminal)
        try:
            shown = _read_all(reader)
            assert process.wait(SECONDS) == expect, shown
        finally:
            process.kill()
            process.wait()
            os.close(reader)
        return shown.decode()

    def write(self, path: str, data: bytes | str = b"x", age: float = 3600) -> Path:
        """A file in the folder that was last changed so many seconds ago."""
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data if isinstance(data, bytes) else data.encode())
        os.utime(file, (time.time() - age, time.time() - age))
        return file

    def tree(self, path: str) -> dict[str, bytes]:
        """The files below a folder."""
        top = self.folder / path
        files = (file for file in top.rglob("*") if file.is_file())
        return {file.relative_to(top).as_posix(): file.read_bytes() for file in files}


def s3_profile(server: S3Server, part_size: int = 8 << 20) -> str:
    """A profile `s3` for a server that speaks it; what is larger than a part goes in parts."""
    return (
        f'[s3]\nprovider = "s3"\npreset = "{server.preset}"\nendpoint = "{server.url}"\n'
        f'region = "{server.region}"\naccess_key = "{server.access_key}"\n'
        f'secret_key = "{server.secret_key}"\n'
        f"transfer = {{ part_size = {part_size}, multipart_threshold = {part_size} }}\n"
    )


def _read_all(reader: int) -> bytes:
    shown = b""
    while select.select([reader], [], [], SECONDS)[0]:
        try:
            some = os.read(reader, 65536)
        except OSError:  # Linux's word for the end of a terminal
            break
        if not some:
            break
        shown += some
    return shown
