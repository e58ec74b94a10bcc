"""The same commands against servers: S3 and the simulator of Qiniu; no secret is printed."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudstore.testing.qiniu import QiniuSimulator
from tests.servers.ministack_server import Ministack

from .program import Program, s3_profile


@pytest.fixture(scope="module")
def qiniu() -> Iterator[QiniuSimulator]:
    with QiniuSimulator() as simulator:
        yield simulator


@pytest.fixture(params=["s3", "qiniu"])
def vendor(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture
def cli(tmp_path: Path, ministack: Ministack, qiniu: QiniuSimulator) -> Program:
    profiles = (
        f'{s3_profile(ministack)}\n[qiniu]\nprovider = "qiniu"\nendpoint = "{qiniu.api_url}"\n'
        f'access_key = "{qiniu.access_key}"\nsecret_key = "{qiniu.secret_key}"\n'
        '[dev]\nprovider = "file"\nroot = "store"\n'
    )
    return Program(tmp_path, profiles, (ministack.secret_key, qiniu.secret_key))


def test_a_vendor_is_a_profile(cli: Program, vendor: str) -> None:
    bucket = f"{vendor}:cli-{vendor}"
    cli("mb", bucket)
    assert "signed in" in cli("check", bucket).out
    for path in ("site/a.txt", "site/b/c.txt"):
        cli.write(path, path)
    cli("cp", "-r", "site", f"{bucket}/site")
    cli("cp", f"{bucket}/site/a.txt", f"{bucket}/copy.txt")
    cli("cp", f"{bucket}/copy.txt", "back.txt")
    assert cli("cat", f"{bucket}/site/**").out == "site/a.txtsite/b/c.txt"
    assert cli.tree(".")["back.txt"] == b"site/a.txt"
    cli.write("site/d", b"new")
    assert "1 uploaded" in cli("sync", "site", f"{bucket}/site").out
    assert "3 downloaded" in cli("sync", f"{bucket}/site", "down").out
    assert cli.tree("down") == cli.tree("site")
    url = cli("presign", "--expires", "5m", f"{bucket}/copy.txt").out.strip()
    with urllib.request.urlopen(url) as answer:
        assert answer.read() == b"site/a.txt"
    assert len(cli("rm", "-r", f"{bucket}/site").lines) == 3
    cli("rm", f"{bucket}/copy.txt")
    assert cli("ls", bucket).out == ""
    cli("rb", bucket)


def test_from_vendor_to_vendor(cli: Program) -> None:
    cli("mb", "s3:cli-from", "qiniu:cli-to")
    cli.write("large", bytes(range(256)) * 40_000)
    cli("cp", "large", "s3:cli-from/d/large")
    cli("cp", "-r", "s3:cli-from/d", "qiniu:cli-to/d")
    assert "1 copied" in cli("mirror", "s3:cli-from", "qiniu:cli-to/mirror").out
    cli("rm", "-r", "qiniu:cli-to/mirror")
    cli("mv", "qiniu:cli-to/d/large", "again")
    assert cli.tree(".")["again"] == cli.tree(".")["large"]
    assert cli("ls", "-r", "qiniu:cli-to").out == ""
    cli("rb", "--force", "s3:cli-from", "qiniu:cli-to")


def test_a_wrong_key_is_explained(cli: Program, vendor: str) -> None:
    profile = cli.folder / "cloudstore.toml"
    lines = profile.read_text().splitlines()
    wrong = ['secret_key = "not-the-one"' if line.startswith("secret_key") else line for line in lines]
    profile.write_text("\n".join(wrong))
    ran = cli("check", f"{vendor}:", expect=1)
    assert "check access_key and secret_key" in ran.out
    assert "not-the-one" not in ran.out + ran.err
    cli("ls", f"{vendor}:", expect=1)


def test_nobody_there_is_explained(cli: Program) -> None:
    (cli.folder / "cloudstore.toml").write_text(
        '[s3]\nprovider = "s3"\nendpoint = "http://127.0.0.1:1"\nregion = "x"\n'
        'access_key = "a"\nsecret_key = "b"\nretry = { attempts = 1 }\n'
    )
    assert "check endpoint, network, proxy" in cli("check", "s3:", expect=1).out


def test_a_large_file_goes_on_where_it_was_cut(cli: Program) -> None:
    cli("mb", "dev:media")
    cli.write("large", bytes(range(256)) * 40_000)
    cli("cp", "--resume", "large", "dev:media/large")
    cli("cp", "--resume", "dev:media/large", "back")
    assert cli.tree(".")["back"] == cli.tree(".")["large"]
