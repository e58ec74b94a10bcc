"""The README's program does on each driver what the README says, and its links lead on."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cloudstore import Store, StoreFactory
from cloudstore.testing.qiniu import QiniuSimulator
from tests.servers.ministack_server import Ministack
from tests.servers.s3_server import S3Server
from tests.servers.swift_server import Swift

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = [ROOT / name for name in ("README.md", "README.zh.md", "CONTRIBUTING.md")]


def between(begin: str, end: str) -> str:
    """The fenced block between two marks of the README."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    _, found, rest = text.partition(f"<!-- {begin} -->")
    block, ended, _ = rest.partition(f"<!-- {end} -->")
    assert found
    assert ended
    match = re.fullmatch(r"\s*```\w+\n(.*)```\s*", block, re.DOTALL)
    assert match is not None
    return match[1]


@pytest.fixture
def program() -> Callable[[Store], list[str]]:
    names: dict[str, Any] = {}
    exec(between("the program", "end of the program"), names)
    found: Callable[[Store], list[str]] = names["program"]
    return found


@contextmanager
def a_folder(folder: Path) -> Iterator[dict[str, str]]:
    yield {"provider": "file", "root": str(folder / "root")}


@contextmanager
def the_memory(folder: Path) -> Iterator[dict[str, str]]:
    yield {"provider": "memory"}


@contextmanager
def ministack(folder: Path) -> Iterator[dict[str, str]]:
    with Ministack() as server:
        yield s3_on(server)


@contextmanager
def swift(folder: Path) -> Iterator[dict[str, str]]:
    with Swift() as server:
        yield s3_on(server)


@contextmanager
def native_swift(folder: Path) -> Iterator[dict[str, str]]:
    with Swift() as server:
        yield {
            "provider": "swift",
            "auth_url": f"{server.url}/auth/v1.0",
            "user": server.access_key,
            "secret_key": server.secret_key,
        }


@contextmanager
def qiniu(folder: Path) -> Iterator[dict[str, str]]:
    with QiniuSimulator() as simulator:
        yield {
            "provider": "qiniu",
            "endpoint": simulator.api_url,
            "access_key": simulator.access_key,
            "secret_key": simulator.secret_key,
        }


def s3_on(server: S3Server) -> dict[str, str]:
    return {
        "provider": "s3",
        "preset": server.preset,
        "endpoint": server.url,
        "access_key": server.access_key,
        "secret_key": server.secret_key,
    }


@pytest.mark.parametrize("place", [a_folder, the_memory, ministack, swift, native_swift, qiniu])
def test_the_program_runs_unmodified(
    program: Callable[[Store], list[str]], place: Any, tmp_path: Path
) -> None:
    with place(tmp_path) as options:
        profile = tmp_path / "cloudstore.toml"
        lines = "".join(f'{name} = "{value}"\n' for name, value in options.items())
        profile.write_text(f"[prod]\n{lines}")
        with StoreFactory.from_profile("prod", profile) as store:
            returned = program(store)
    text = "".join(line if line.endswith("\n") else f"{line}\n" for line in returned)
    assert text == between("what it returns", "end of what it returns")


def test_the_program_is_short() -> None:
    body = between("the program", "end of the program").partition("def program")[2]
    assert len([line for line in body.splitlines() if line.strip()]) <= 35


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#:]+)[)#]", page.read_text(encoding="utf-8"))
    assert targets
    assert [target for target in targets if not (ROOT / target).is_file()] == []


def test_both_languages_lead_to_the_same_pages() -> None:
    english, chinese = (
        set(re.findall(r"\]\((docs/[^)]+)\)", page.read_text(encoding="utf-8"))) for page in PAGES[:2]
    )
    assert english == chinese | {"docs/guide/async.md", "docs/guide/profiles.md"}
