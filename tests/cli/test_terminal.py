"""Progress: on a terminal, and nowhere else."""

from __future__ import annotations

import pytest

from cloudstore import Store

from .program import Program

SIZE = 3_000_000


@pytest.fixture(autouse=True)
def files(cli: Program, dev: Store, other: Store) -> None:
    for name in ("f/a", "f/b"):
        cli.write(name, bytes(SIZE))
        dev.create_object("media", name, bytes(SIZE))


@pytest.mark.parametrize(
    ("command", "label"),
    [
        ("cp f/a dev:media/up", "copy: 100%"),
        ("cp -r f dev:media/up", "copy: 100%"),
        ("cp -r dev:media/f other:backup/f", "copy: 100%"),
        ("sync dev:media/f down", "sync: 100%"),
    ],
)
def test_a_terminal_shows_bytes_files_and_rate(cli: Program, command: str, label: str) -> None:
    shown = cli.on_terminal(*command.split())
    assert label in shown
    assert "2.86M/2.86M" in shown or "5.72M/5.72M" in shown
    assert "B/s" in shown
    assert " file" in shown


def test_quiet_and_dry_runs_show_none(cli: Program) -> None:
    assert cli.on_terminal("cp", "--quiet", "f/a", "dev:media/up") == ""
    assert cli.on_terminal("cp", "--dry-run", "f/a", "dev:media/up") == ""


def test_a_pipe_shows_none(cli: Program) -> None:
    assert cli("cp", "f/a", "dev:media/up").err == ""


def test_errors_are_lines_of_their_own_beside_a_bar(cli: Program) -> None:
    (cli.folder / "f" / "broken").symlink_to("nowhere")
    shown = cli.on_terminal("cp", "-r", "f", "dev:media/up", expect=3)
    [line] = [line for line in shown.replace("\r", "\n").splitlines() if "cloudstore: " in line]
    assert line.startswith("cloudstore: broken: ")
