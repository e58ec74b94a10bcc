"""What nobody is told, and what is never touched: secrets in logs, files of the user, the network.

Everything that gives access is read from what passed the proxy, so that nothing is forgotten.
"""

from __future__ import annotations

import logging
import re
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from cloudstore import CloudStoreError, Store, TransferConfig
from cloudstore.testing import Fault
from tests.faults.stage import Stage
from tests.faults.vendors import PART
from tests.s3.test_bad_input import told

LOGGERS = (
    *("cloudstore", "asyncio", "requests", "urllib3", "urllib3.connectionpool", "qiniu"),
    *("keystoneauth", "keystoneauth.session", "swiftclient", "boto3", "botocore"),
)
IN_PARTS = TransferConfig(part_size=PART, multipart_threshold=PART)
LARGE = bytes(range(256)) * (PART // 128)
SDK_CACHE = Path("/tmp/qn-py-sdk")
"""Where Qiniu's SDK keeps what it has looked up."""
Call = Callable[[Store, Stage], object]


class Ear(logging.Handler):
    """Keeps what is said, with arguments and tracebacks."""

    def __init__(self) -> None:
        super().__init__(level=0)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts += [self.format(record), repr(record.args)]


@pytest.fixture
def ear() -> Iterator[Ear]:
    handler = Ear()
    named = [logging.getLogger(name) for name in (None, *LOGGERS)]
    levels = [logger.level for logger in named]
    logging.getLogger().addHandler(handler)
    for logger in named:
        logger.setLevel(1)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield handler
    logging.getLogger().removeHandler(handler)
    for logger, level in zip(named, levels, strict=True):
        logger.setLevel(level)
    assert [str(warning.message) for warning in caught] == []


def given_away(stage: Stage) -> set[str]:
    """What of the requests that passed would let others in."""
    found: set[str] = set()
    for sent in stage.everything:
        for name in ("x-auth-token", "authorization"):
            value = next((v for k, v in sent.headers.items() if k.lower() == name), "")
            found |= {value, value.rpartition("=")[2] or value, value.partition(" ")[2] or value}
        query = parse_qs(sent.target.partition("?")[2])
        found |= {text for name in ("token", "X-Amz-Signature") for text in query.get(name, [])}
        form = re.search(rb'name="token"\r\n\r\n([^\r]+)', bytes(sent.body))
        found |= {form[1].decode()} if form else set()
    return {text for text in found if len(text) > 6}


def work(store: Store, stage: Stage, folder: Path) -> None:
    """What a service does with a bucket."""
    bucket, key = stage.bucket, stage.key
    store.create_object(bucket, key, b"data", metadata={"a": "b"})
    assert store.get_object(bucket, key).read() == b"data"
    store.get_object_to_file(bucket, key, folder / "file")
    store.create_object(bucket, f"{key} large", LARGE)
    store.copy_object(bucket, key, bucket, f"{key} copy")
    store.get_all_objects(bucket, prefix=key)
    store.get_bucket(bucket)
    store.delete_objects(bucket, [f"{key} copy", f"{key} large"])
    store.presign(bucket, key) if stage.vendor.name != "swift" else None  # needs a key of its own


FAILURES: tuple[Call, ...] = (
    lambda store, stage: store.get_object(stage.bucket, f"{stage.key} missing"),
    lambda store, stage: store.get_object(stage.bucket, stage.key, start=100),
    lambda store, stage: store.get_bucket("no-such-bucket-of-ours"),
    lambda store, stage: store.get_object(stage.bucket, stage.key, timeout=1e-9),
)
HARMS = (
    Fault(refuse=True),
    Fault(cut_down_after=0),
    Fault(answer=b"HTTP/1.1 garbage\r\n\r\n"),
    Fault(answer=b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n"),
    Fault(answer=b"HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n"),
)


def test_nobody_is_told_what_gives_access(stage: Stage, ear: Ear, tmp_path: Path) -> None:
    store = stage.cold_store(transfer=IN_PARTS)
    ear.texts += [repr(store), str(store)]
    work(store, stage, tmp_path)
    errors: list[CloudStoreError] = []
    for call in FAILURES:
        with pytest.raises(CloudStoreError) as caught:
            call(store, stage)
        errors.append(caught.value)
    for harm in HARMS:
        for made in (store, stage.cold_store(transfer=IN_PARTS)):
            stage.proxy.reset_connections()
            stage.inject(harm)
            with pytest.raises(CloudStoreError) as caught:
                made.create_object(stage.bucket, stage.key, b"data")
            errors.append(caught.value)
            stage.proxy.heal()
    for error in errors:
        logging.getLogger("an.application").warning("it failed", exc_info=error)
    ear.texts += [*map(told, errors), *map(repr, stage.events), *map(str, stage.events)]
    assert any("it failed" in text for text in ear.texts)
    secrets = given_away(stage)
    assert secrets
    # A key may also be a word: it stands in no path.
    words = re.compile(
        "|".join(rf"(?<![\w./]){re.escape(key)}(?![\w./])" for key in stage.vendor.secrets)
    )
    for text in ear.texts:
        assert words.search(text) is None, f"told: {text}"
        for secret in secrets:
            assert secret not in text, f"told: {text}"


def test_no_file_is_written(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = [tmp_path / name for name in ("home", "temporary", "here")]
    for folder in folders:
        folder.mkdir()
    monkeypatch.setenv("HOME", str(folders[0]))
    monkeypatch.setenv("TMPDIR", str(folders[1]))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.chdir(folders[2])
    before = SDK_CACHE.exists() and sorted(SDK_CACHE.iterdir())
    target = tmp_path / "target"
    target.mkdir()
    store = stage.cold_store(transfer=IN_PARTS)
    work(store, stage, target)
    assert store.native is not None
    for call in FAILURES:
        with pytest.raises(CloudStoreError):
            call(store, stage)
    assert [list(folder.iterdir()) for folder in folders] == [[], [], []]
    assert [path.name for path in target.iterdir()] == ["file"]
    assert (SDK_CACHE.exists() and sorted(SDK_CACHE.iterdir())) == before


# --- bad input sends nothing ----------------------------------------------------------------------

BAD: dict[str, Call] = {
    "bucket": lambda store, stage: store.get_object("a/b", "k"),
    "no bucket": lambda store, stage: store.create_bucket(""),
    "no key": lambda store, stage: store.create_object(stage.bucket, "", b""),
    "NUL": lambda store, stage: store.create_object(stage.bucket, "a\0b", b""),
    "long key": lambda store, stage: store.get_object(stage.bucket, "k" * 1025),
    "reserved key": lambda store, stage: store.get_object(stage.bucket, ".cloudstore/x"),
    "no Unicode": lambda store, stage: store.delete_object(stage.bucket, "\ud800"),
    "one of many": lambda store, stage: store.delete_objects(stage.bucket, ["a", ""]),
    "metadata name": lambda store, stage: store.create_object(
        stage.bucket, "k", b"", metadata={"a b": "c"}
    ),
    "metadata line": lambda store, stage: store.create_object(
        stage.bucket, "k", b"", metadata={"a": "b\r\nx-auth-token: c"}
    ),
    "much metadata": lambda store, stage: store.create_object(
        stage.bucket, "k", b"", metadata={"a": "b" * 10_000}
    ),
    "type line": lambda store, stage: store.create_object(
        stage.bucket, "k", b"", content_type="a/b\r\nx: y"
    ),
    "range": lambda store, stage: store.get_object(stage.bucket, "k", start=5, end=3),
    "data": lambda store, stage: store.create_object(stage.bucket, "k", 7),  # type: ignore[arg-type]
    "checksum": lambda store, stage: store.create_object(
        stage.bucket, "k", b"", checksum={"md5": "no digest"}
    ),
    "option": lambda store, stage: store.create_object(
        stage.bucket, "k", b"", vendor_options={stage.vendor.name: {"no_such": "x"}}
    ),
    "expiry": lambda store, stage: store.create_object(stage.bucket, "k", b"", expires_in=-1),
    "onto itself": lambda store, stage: store.move_object(stage.bucket, "k", stage.bucket, "k"),
    "copy's key": lambda store, stage: store.copy_object(stage.bucket, "k", stage.bucket, ""),
    "timeout": lambda store, stage: store.get_object(stage.bucket, "k", timeout=-1),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_sends_nothing(stage: Stage, name: str) -> None:
    store = stage.store()
    before = stage.proxy.counts.connections
    with pytest.raises((CloudStoreError, TypeError, ValueError)) as caught:
        BAD[name](store, stage)
    assert getattr(caught.value, "outcome", "not_applied") == "not_applied"
    assert stage.proxy.counts.connections == before
    assert stage.everything == []
