"""Completion: what click is asked by the shells, and what a real bash makes of it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from cloudstore import Store

from .program import Program

ASK = """
source <(_CLOUDSTORE_COMPLETE=bash_source cloudstore)
COMP_LINE=$1 COMP_POINT=${#1}
_cloudstore_completion cloudstore
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(autouse=True)
def objects(dev: Store) -> None:
    dev.create_objects("media", {"css/a": b"", "cat": b"", "x:y/z": b""})


def completed(cli: Program, words: str, shell: str = "bash") -> list[str]:
    ran = cli.within(
        _CLOUDSTORE_COMPLETE=f"{shell}_complete",
        COMP_WORDS=words,
        # fish gives the word itself
        COMP_CWORD=words.split(" ")[-1] if shell == "fish" else str(len(words.split(" ")) - 1),
    )
    return [line for line in ran.lines if line]


def test_commands_options_profiles_buckets_and_keys(cli: Program) -> None:
    assert completed(cli, "cloudstore st") == ["plain,stat"]
    assert completed(cli, "cloudstore rm --re") == ["plain,--recursive"]
    assert completed(cli, "cloudstore ls ") == ["plain,dev:", "plain,other:"]
    assert completed(cli, "cloudstore ls dev:") == ["plain,dev:media/"]
    assert completed(cli, "cloudstore ls dev:media/c") == [
        "plain,dev:media/css/",
        "plain,dev:media/cat",
    ]
    assert completed(cli, "cloudstore cp d") == ["plain,dev:", "file,d"]


def test_other_shells(cli: Program) -> None:
    assert completed(cli, "cloudstore ls de", "zsh") == ["plain", "dev:", "_"]
    assert completed(cli, "cloudstore ls de", "fish") == ["plain,dev:"]
    for shell in ("bash", "zsh", "fish"):
        assert "_cloudstore_completion" in cli(_CLOUDSTORE_COMPLETE=f"{shell}_source").out


def test_nothing_disturbs_the_prompt(cli: Program) -> None:
    assert completed(cli, "cloudstore ls dev:none/x") == []
    assert completed(cli, "cloudstore ls s3://x") == []
    (cli.folder / "cloudstore.toml").write_text("[[broken")
    assert completed(cli, "cloudstore ls d") == []


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("cloudstore ls o", ["other:"]),
        # bash replaces what is behind the last colon
        ("cloudstore ls dev:me", ["media/"]),
        ("cloudstore ls dev:media/c", ["media/css/", "media/cat"]),
        ("cloudstore ls dev:media/x:", ["y/"]),
        ("cloudstore cp cloud", ["cloudstore.toml"]),
        ("cloudstore cp -r d", ["dev:"]),
    ],
)
def test_bash_completes_across_colons(cli: Program, line: str, words: list[str]) -> None:
    program = cli.folder / "bin" / "cloudstore"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m cloudstore "$@"\n')
    program.chmod(0o755)
    # `compopt` is of a completion that readline has asked for.
    done = subprocess.run(
        ["bash", "-c", f"compopt() {{ :; }}{ASK}", "bash", line],
        cwd=cli.folder,
        env={**cli.environment, "PATH": f"{program.parent}:{cli.environment['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout.splitlines(), done.stderr) == (words, "")
