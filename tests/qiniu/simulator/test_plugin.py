"""The pytest fixture, as an application gets it; and that it costs nothing where it is not used."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PLUGIN = "cloudstore.testing.pytest_plugin"
LIGHT = f"""
import sys
import pytest
before = set(sys.modules)
import {PLUGIN}
new = {{name.partition(".")[0] for name in set(sys.modules) - before}}
assert new <= {{"cloudstore", "__future__"}} | set(sys.stdlib_module_names), new
assert not any(name.startswith("cloudstore.testing.qiniu") for name in sys.modules)
"""
TESTS = """
import urllib.request
import qiniu


def test_one(qiniu_simulator):
    domain = qiniu_simulator.create_bucket("media")
    auth = qiniu.Auth(qiniu_simulator.access_key, qiniu_simulator.secret_key)
    assert auth.upload_token("media")
    assert qiniu_simulator.domain("media") == domain


def test_two_has_its_own(qiniu_simulator):
    assert qiniu_simulator.storage.buckets() == []
"""


def python(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=cwd, capture_output=True, text=True, timeout=120
    )


def test_the_package_names_the_plugin() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    # By the module's own name, pytest finds out that it is loaded already.
    assert project["entry-points"]["pytest11"] == {PLUGIN: PLUGIN}
    assert hasattr(import_module(PLUGIN), "qiniu_simulator")
    assert any(one.startswith("qiniu") for one in project["optional-dependencies"]["testing"])


def test_the_fixture(tmp_path: Path) -> None:
    (tmp_path / "test_application.py").write_text(TESTS)
    arguments = ["-m", "pytest", "-q", "-p", PLUGIN, "-p", "no:cacheprovider", str(tmp_path)]
    found = python("-W", "ignore", *arguments, "--rootdir", str(tmp_path), cwd=ROOT)
    assert found.returncode == 0, found.stdout + found.stderr
    assert "2 passed" in found.stdout


def test_importing_the_plugin_is_light() -> None:
    found = python("-c", LIGHT, cwd=ROOT)
    assert found.returncode == 0, found.stderr
