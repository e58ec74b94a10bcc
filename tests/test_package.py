"""The package as users get it: built, installed, imported; its public names, its sizes, its imports."""

from __future__ import annotations

import ast
import importlib
import inspect
import io
import os
import pkgutil
import subprocess
import sys
import tarfile
import tokenize
import tomllib
import venv
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import cloudstore

ROOT = Path(__file__).resolve().parent.parent
FACADE_LINES = 700
DRIVER_LINES = 500

ROUND_TRIP = """
import sys
from cloudstore import StoreFactory, __version__
assert sys.prefix != sys.base_prefix and __import__("cloudstore").__file__.startswith(sys.prefix)
with StoreFactory.create("file", root=sys.argv[1]) as store:
    store.create_bucket("media")
    store.create_object("media", "a/b", "round trip")
with StoreFactory.create("file", root=sys.argv[1]) as store:
    print(store.get_object("media", "a/b").text(), __version__)
"""


def run(*command: str | Path, cwd: Path | None = None) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{command} failed:\n{done.stdout}{done.stderr}"
    return done.stdout


# --- the distributions ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Built:
    """What `python -m build` makes, and the wheel made of the sdist alone."""

    wheel: Path
    sdist: Path
    wheel_of_sdist: Path


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    made = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir"]
    # `build` makes the wheel of the sdist unless both are named.
    run(*build, made, "--sdist", "--wheel", ROOT)
    [wheel], [sdist] = made.glob("*.whl"), made.glob("*.tar.gz")
    unpacked = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(sdist) as archive:
        archive.extractall(unpacked, filter="data")
    [tree] = unpacked.iterdir()
    run(*build, unpacked / "dist", "--wheel", tree)
    [wheel_of_sdist] = (unpacked / "dist").glob("*.whl")
    return Built(wheel, sdist, wheel_of_sdist)


@pytest.mark.parametrize("of", ["wheel", "wheel_of_sdist"])
def test_it_installs_and_runs_without_anything_else(built: Built, of: str, tmp_path: Path) -> None:
    place = tmp_path / "venv"
    venv.create(place, with_pip=False, symlinks=True)
    python = place / "bin" / "python"
    pip: list[str | Path] = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        python,
        "--disable-pip-version-check",
    ]
    run(*pip, "install", "--quiet", "--no-index", "--no-deps", getattr(built, of))
    root = tmp_path / "root"
    root.mkdir()
    printed = run(python, "-c", ROUND_TRIP, root, cwd=tmp_path)
    assert printed.split() == ["round", "trip", cloudstore.__version__]
    program = subprocess.run(
        [place / "bin" / "cloudstore"], capture_output=True, text=True, check=False
    )
    assert program.returncode == 1
    assert program.stderr.endswith("install it with: pip install 'cloudstore[cli]'\n")


def test_the_wheel_holds_the_package_and_nothing_else(built: Built) -> None:
    with zipfile.ZipFile(built.wheel) as archive:
        names = archive.namelist()
        [metadata] = [name for name in names if name.endswith(".dist-info/METADATA")]
        text = archive.read(metadata).decode()
    top = {name.partition("/")[0] for name in names}
    assert top == {"cloudstore", metadata.partition("/")[0]}
    assert "cloudstore/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    needed = {
        line for line in text.splitlines() if line.startswith("Requires-Dist") and ";" not in line
    }
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert needed == {f"Requires-Dist: {name}" for name in project["dependencies"]}
    sources = {path.relative_to(ROOT).as_posix() for path in (ROOT / "cloudstore").rglob("*.py")}
    assert {name for name in names if name.endswith(".py")} == sources


def test_the_sdist_holds_what_is_needed_to_test_it(built: Built) -> None:
    with tarfile.open(built.sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert names >= {
        "Makefile",
        "LICENSE",
        "README.md",
        "pyproject.toml",
        "setup.cfg",
        "docs/conf.py",
        "tests/test_package.py",
    }


def test_both_wheels_hold_the_same(built: Built) -> None:
    def held(wheel: Path) -> set[str]:
        with zipfile.ZipFile(wheel) as archive:
            return set(archive.namelist())

    assert held(built.wheel) == held(built.wheel_of_sdist)


# --- names ----------------------------------------------------------------------------------------


MODULES = ["cloudstore", *(m.name for m in pkgutil.walk_packages(cloudstore.__path__, "cloudstore."))]


def test_public_names_are_sorted_unique_and_there() -> None:
    assert list(cloudstore.__all__) == sorted(set(cloudstore.__all__), key=_as_ruff_sorts)
    for name in cloudstore.__all__:
        assert getattr(cloudstore, name) is not None
    assert set(cloudstore.__all__) <= set(dir(cloudstore))
    with pytest.raises(AttributeError, match="no attribute 'Stroe'"):
        _ = cloudstore.Stroe


def _as_ruff_sorts(name: str) -> tuple[bool, str]:
    """Constants before classes."""
    return (not name.isupper(), name)


@pytest.mark.parametrize("name", MODULES)
def test_every_module_says_what_it_is_for(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__doc__
    assert len(module.__doc__.strip()) > 20


@pytest.mark.parametrize("name", MODULES)
def test_every_public_name_is_documented(name: str) -> None:
    module = importlib.import_module(name)
    missing = []
    for public in getattr(module, "__all__", ()):
        found = getattr(module, public)
        if inspect.isfunction(found) and not inspect.getdoc(found):
            missing.append(public)
        if inspect.isclass(found) and found.__module__.startswith("cloudstore"):
            missing += [f"{public}.{member}" for member in _undocumented(found)]
    assert missing == []


def _undocumented(cls: type) -> Iterator[str]:
    if not cls.__doc__:
        yield "__doc__"
    for name, member in vars(cls).items():
        # The name of a test of the conformance suite is its sentence.
        if name.startswith(("_", "test_")) or not inspect.isroutine(_function(member)):
            continue
        # An override of a method of the standard library may leave its words to that.
        if not inspect.getdoc(getattr(cls, name)):
            yield name


def _function(member: object) -> object:
    if isinstance(member, property):
        return member.fget
    if isinstance(member, staticmethod | classmethod):
        return member.__func__
    return member


# --- imports --------------------------------------------------------------------------------------


def test_importing_is_light() -> None:
    heavy = ["asyncio", "ssl", "socket", "http", "email", "pytest", "hypothesis", "importlib.metadata"]
    sdks = ["boto3", "oss2", "qiniu", "baidubce", "swiftclient", "httptools", "certifi", "urllib3"]
    code = f"import cloudstore, sys; print([n for n in {heavy + sdks} if n in sys.modules])"
    assert run(sys.executable, "-c", code, cwd=ROOT).strip() == "[]"


def test_the_async_face_is_loaded_when_it_is_used() -> None:
    code = "import cloudstore, sys; cloudstore.AsyncStore; print('asyncio' in sys.modules)"
    assert run(sys.executable, "-c", code, cwd=ROOT).strip() == "True"


def test_the_embedded_stores_load_no_network() -> None:
    code = (
        "import sys; from cloudstore import StoreFactory; s = StoreFactory.create('memory:'); "
        "s.create_bucket('b'); s.create_object('b', 'k', 'x'); "
        "print([n for n in ('asyncio', 'ssl', 'socket', 'http') if n in sys.modules])"
    )
    assert run(sys.executable, "-c", code, cwd=ROOT).strip() == "[]"


# --- sizes ----------------------------------------------------------------------------------------


def code_lines(path: Path) -> int:
    """Lines with code on them: no docstrings, no comments, no blank lines."""
    source = path.read_text(encoding="utf-8")
    held: set[int] = set()
    ignored = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in ignored | {tokenize.ENDMARKER}:
            held.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        if (
            isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        ):
            assert node.end_lineno is not None
            held -= set(range(node.lineno, node.end_lineno + 1))
    return len(held)


def test_code_lines_are_counted_without_words(tmp_path: Path) -> None:
    path = tmp_path / "sample.py"
    path.write_text(
        '"""Doc\nstring."""\n\n# why\nx = """a\nb"""\n\n\ndef f():\n    """Doc."""\n    return x\n'
    )
    assert code_lines(path) == 4


def test_the_facade_stays_small() -> None:
    for name in ("store.py", "aio.py"):
        assert code_lines(ROOT / "cloudstore" / name) <= FACADE_LINES


@pytest.mark.parametrize(
    "path", sorted((ROOT / "cloudstore" / "providers").glob("*.py")), ids=lambda path: path.stem
)
def test_a_driver_stays_small(path: Path) -> None:
    assert code_lines(path) <= DRIVER_LINES
