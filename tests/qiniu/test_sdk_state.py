"""The SDK's own state stays as it was: settings, session, files. And `native` is the SDK's."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from cloudstore import MissingDependencyError, Store
from cloudstore.testing.qiniu import QiniuSimulator
from tests.qiniu.harness import config_of

WATCHED = """
import json, os, sys, tempfile
tempfile.gettempdir()  # tries a file, once a process
written = []
def watch(event, arguments):
    if event == "open":
        path, mode, flags = arguments
        writes = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if writes and isinstance(path, (str, bytes)) and os.fsdecode(path) != os.devnull:
            written.append(os.fsdecode(path))
    elif event in ("os.mkdir", "os.rename", "os.remove", "os.link", "os.symlink"):
        written.append(f"{event} {arguments[0]}")
sys.addaudithook(watch)

from cloudstore import QiniuConfig, Store
sdk_before = sorted(name for name in sys.modules if name.partition(".")[0] == "qiniu")
options = json.loads(sys.argv[1])
with Store(QiniuConfig(**options)) as store:
    store.create_bucket("watched")
    store.create_object("watched", "k", b"data", metadata={"a": "1"})
    store.get_object("watched", "k").read()
    store.create_object("watched", "large", iter([b"x" * 40_000]))
    store.copy_object("watched", "k", "watched", "l", metadata={"b": "2"})
    store.set_metadata("watched", "k", {"c": "3"})
    store.get_all_objects("watched")
    store.set_acl("watched", acl="public-read")
    store.presign("watched", "k")
    store.presign_post("watched", "k")
    store.purge_cdn([])
    unloaded = sorted(name for name in sys.modules if name.partition(".")[0] == "qiniu")
    import qiniu.config, qiniu.http
    settings = dict(qiniu.config._config), dict(qiniu.config._is_customized_default)
    session = qiniu.http.qn_http_client.session
    adapters = dict(session.adapters)
    native = store.native
    again = native is store.native
    asked, info = native.stat("watched", "k")
    same = (dict(qiniu.config._config), dict(qiniu.config._is_customized_default)) == settings
    store.delete_bucket("watched", force=True)
print(json.dumps({
    "written": written, "before": sdk_before, "unloaded": unloaded, "same": same, "again": again,
    "stat": asked, "status": info.status_code,
}))
"""


def test_nothing_is_written_and_no_setting_is_changed(qiniu: QiniuSimulator, tmp_path: Path) -> None:
    options = {
        "access_key": qiniu.access_key,
        "secret_key": qiniu.secret_key,
        "endpoint": qiniu.api_url,
        "rs": qiniu.api_url,
        "rsf": qiniu.api_url,
        "up": qiniu.upload_url,
    }
    import os

    root = Path(__file__).resolve().parent.parent.parent
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    environment = {**os.environ, "TMPDIR": str(scratch), "PYTHONPATH": str(root)}
    done = subprocess.run(
        [sys.executable, "-B", "-c", WATCHED, json.dumps(options)],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["written"] == []
    assert list(scratch.iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["scratch"]
    assert found["before"] == found["unloaded"] == [], "the SDK is loaded for `native` alone"
    assert found["same"], "a setting of the process was changed"
    assert found["again"]
    assert found["status"] == 200
    assert found["stat"]["fsize"] == 4


def test_native_is_the_sdks_and_signs_as_this_account(qiniu: QiniuSimulator) -> None:
    with Store(config_of(qiniu, rs=qiniu.api_url)) as store:
        native = store.native
        assert type(native) is import_module("qiniu").BucketManager
        names, info = native.buckets()
        assert info.ok()
        assert isinstance(names, list)
        assert native.auth.get_access_key() == qiniu.access_key
        assert qiniu.secret_key not in repr(vars(native)) + repr(store)


def test_sdk_that_is_missing_is_named(qiniu: QiniuSimulator, monkeypatch: pytest.MonkeyPatch) -> None:
    hidden: Any = None
    monkeypatch.setitem(sys.modules, "qiniu", hidden)
    with (
        Store(config_of(qiniu)) as store,
        pytest.raises(MissingDependencyError, match=r"cloudstore\[qiniu\]"),
    ):
        _ = store.native
