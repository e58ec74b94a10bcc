"""No secret is told to whoever listens: loggers at DEBUG, warnings, observers, reprs, errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from cloudstore import AsyncStore, QiniuConfig, Secret, Store
from cloudstore.testing import LoopThread, blocking_store
from cloudstore.testing.qiniu import FaultPlan, QiniuSimulator, ServerFault
from tests.qiniu.harness import config_of
from tests.qiniu.test_driver import QUICK
from tests.s3.test_logs import Overheard, overheard, refused  # noqa: F401 - a fixture

OpenStore = Callable[[QiniuConfig], Store]


@pytest.fixture
def own() -> Iterator[QiniuSimulator]:
    with QiniuSimulator(faults=FaultPlan()) as simulator:
        yield simulator


@pytest.fixture(params=["Store", "AsyncStore"])
def open_store(
    request: pytest.FixtureRequest,
    overheard: Overheard,  # noqa: F811
) -> Iterator[OpenStore]:
    with ExitStack() as stack:
        loop = stack.enter_context(LoopThread()) if request.param == "AsyncStore" else None

        def make(config: QiniuConfig) -> Store:
            if loop is None:
                return stack.enter_context(Store(config, observer=overheard.observe))
            store = AsyncStore(config, observer=overheard.observe)
            return stack.enter_context(blocking_store(store, loop))

        yield make


def test_everything_that_is_done(
    own: QiniuSimulator,
    open_store: OpenStore,
    overheard: Overheard,  # noqa: F811
    tmp_path: Path,
) -> None:
    config = config_of(own, retry=QUICK)
    store = open_store(config)
    driver = config.create_driver()
    overheard.hear(config, store, driver, driver.__dict__, driver._signer, driver.native.auth)
    store.create_bucket("overheard")
    source = tmp_path / "source"
    source.write_bytes(bytes(range(256)) * 1024)
    made = store.create_object("overheard", "k", b"data", metadata={"a": "ä"})
    large = store.create_object_from_file("overheard", "large", source)
    found = store.get_object("overheard", "k")
    assert found.read() == b"data"
    overheard.hear(made, large, found, store.head_object("overheard", "k"))
    overheard.hear(*store.get_all_objects("overheard"), *store.get_all_buckets())
    store.copy_object("overheard", "k", "overheard", "l", content_type="a/b")
    store.set_metadata("overheard", "k", {"b": "c"})
    upload = store.create_multipart_upload("overheard", "upload")
    overheard.hear(upload, upload.ref, upload.ref.to_json())
    upload.upload_part(1, b"one part")
    overheard.hear(*upload.list_parts())
    upload.complete()
    shared = store.presign("overheard", "k")
    form = store.presign_post("overheard", "k")
    overheard.hear(shared, form)
    token = parse_qs(urlsplit(shared.url).query)["token"][0]
    for fault in (
        ServerFault(method="POST", path="/", lose_answer=True, times=1),
        ServerFault(method="GET", path="/k", cut_after=300, times=1),
        ServerFault(method="GET", path="/stat", status=503, times=1),
    ):
        own.faults.add(fault)
    store.create_object("overheard", "again", b"data" * 10_000)
    assert store.get_object("overheard", "k").read() == b"data"
    refused(lambda: store.get_object("overheard", "missing"), overheard)
    refused(lambda: store.get_object("no-such-bucket", "k"), overheard)
    refused(lambda: store.create_object("overheard", "k", b"", if_absent=True), overheard)
    refused(lambda: store.get_object("overheard", "k", start=100), overheard)
    refused(lambda: store.get_object("overheard", "k", timeout=1e-9), overheard)
    own.faults.add(ServerFault(reset=True))
    refused(lambda: store.create_object("overheard", "k", b"data"), overheard)
    refused(lambda: store.get_object("overheard", "k"), overheard)
    refused(lambda: store.head_object("overheard", "k"), overheard)
    own.faults.clear()
    wrong = open_store(config_of(own, secret_key=Secret("very-secret-and-wrong")))
    refused(lambda: wrong.get_object("overheard", "k"), overheard)
    refused(lambda: wrong.create_object("overheard", "k", b""), overheard)
    overheard.hear(wrong)
    store.delete_bucket("overheard", force=True)
    assert any("it failed" in text for text in overheard.texts)
    signatures = [token, token.partition(":")[2], form.fields["token"]]
    overheard.search(own.secret_key, "very-secret", *signatures)
    for mark in ("UpToken ", "Qiniu " + own.access_key, "QBox ", "&token=", f"{own.access_key}:"):
        assert not [text for text in overheard.texts if mark in text], f"{mark!r} is told"
