"""No secret is told to whoever listens: loggers at DEBUG, warnings, observers, reprs, errors.

A broad scenario runs on a real server, on both faces, while everything that anybody may write into a
log is kept; then it is searched for keys, tokens, signatures, presigned URLs and passwords.
"""

from __future__ import annotations

import json
import logging
import pickle
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from cloudstore import AsyncStore, CloudStoreError, Event, RetryPolicy, S3Config, Secret, Store
from cloudstore.model import PresignedRequest
from cloudstore.providers.s3_account import find_keys
from cloudstore.testing import Fault, FaultProxy, LoopThread, blocking_store
from tests.s3.scripted import Asked, Say, ScriptedServer
from tests.s3.test_bad_input import SIGNED, told
from tests.servers.ministack_server import Ministack
from tests.servers.s3_server import REGION
from tests.wire.server import Scripted, keep_answering

LOGGERS = (None, "boto3", "botocore", "urllib3", "asyncio", "cloudstore", "s3transfer")
RETRY = RetryPolicy(attempts=3, base_delay=0.001)
PASSWORD = "very-secret-password"
OpenStore = Callable[[S3Config], Store]


class Overheard(logging.Handler):
    """Everything that was said, as text.

    Attributes:
        texts: records with their arguments and tracebacks, warnings, reprs, events, errors.
    """

    def __init__(self) -> None:
        super().__init__(level=0)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts += [self.format(record), repr(record.args)]

    def observe(self, event: Event) -> None:
        self.texts += [repr(event), str(event)]
        if event.error is not None:
            self.texts.append(told(event.error))

    def hear(self, *things: object) -> None:
        for thing in things:
            self.texts += [repr(thing), str(thing)]

    def search(self, *secrets: str) -> None:
        """Fails where one of them was told, or anything that is a signature."""
        assert self.texts
        for text in self.texts:
            for secret in secrets:
                assert secret not in text, f"{secret!r} is told"
            found = SIGNED.search(text)
            assert found is None, f"{found!r} is told in {text}"


@pytest.fixture
def overheard() -> Iterator[Overheard]:
    """Listens to all loggers at their lowest level, whatever levels they had, and to warnings."""
    handler = Overheard()
    named = [logging.getLogger(name) for name in LOGGERS]
    levels = [logger.level for logger in named]
    logging.getLogger().addHandler(handler)
    for logger in named:
        logger.setLevel(1)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield handler
            assert [str(warning.message) for warning in caught] == []
    finally:
        logging.getLogger().removeHandler(handler)
        for logger, level in zip(named, levels, strict=True):
            logger.setLevel(level)


@pytest.fixture(params=["Store", "AsyncStore"])
def open_store(request: pytest.FixtureRequest, overheard: Overheard) -> Iterator[OpenStore]:
    with ExitStack() as stack:
        loop = None
        if request.param == "AsyncStore":
            loop = stack.enter_context(LoopThread())

        def make(config: S3Config) -> Store:
            if loop is None:
                return stack.enter_context(Store(config, observer=overheard.observe))
            store = AsyncStore(config, observer=overheard.observe)
            return stack.enter_context(blocking_store(store, loop))

        yield make


def refused(call: Callable[[], object], overheard: Overheard) -> CloudStoreError:
    with pytest.raises(CloudStoreError) as caught:
        call()
    logging.getLogger("an.application").warning("it failed", exc_info=caught.value)
    overheard.texts.append(told(caught.value))
    overheard.hear(pickle.loads(pickle.dumps(caught.value)))
    return caught.value


def config_of(server: Ministack, **options: Any) -> S3Config:
    return server.s3_config(**{"retry": RETRY, **options})


@contextmanager
def bucket_of(store: Store, name: str) -> Iterator[str]:
    store.create_bucket(name)
    try:
        yield name
    finally:
        store.delete_bucket(name, force=True)


def test_everything_that_is_done(
    ministack: Ministack, open_store: OpenStore, overheard: Overheard, tmp_path: Path
) -> None:
    config = config_of(ministack)
    store = open_store(config)
    overheard.hear(config, store)
    secrets = [ministack.secret_key]
    with bucket_of(store, "overheard") as bucket:
        source = tmp_path / "source"
        source.write_bytes(bytes(range(256)) * 1024)
        made = store.create_object(bucket, "k", b"data", metadata={"a": "ä"}, content_type="text/plain")
        large = store.create_object_from_file(bucket, "large", source)
        with store.open_writer(bucket, "written") as writer:
            writer.write(b"x" * 1000)
        found = store.get_object(bucket, "k")
        assert found.read() == b"data"
        part = store.get_object(bucket, "large", start=10, end=20)
        assert part.read() == source.read_bytes()[10:20]
        overheard.hear(made, large, found, part, store.head_object(bucket, "k"), store.bucket(bucket))
        overheard.hear(*store.get_all_objects(bucket), *store.get_all_buckets())
        store.copy_object(bucket, "k", bucket, "l")
        store.set_metadata(bucket, "k", {"b": "c"})
        upload = store.create_multipart_upload(bucket, "upload")
        overheard.hear(upload, upload.ref, upload.ref.to_json())
        upload.upload_part(1, b"one part")
        overheard.hear(*upload.list_parts(), *store.list_multipart_uploads(bucket))
        upload.complete()
        store.delete_objects(bucket, ["l", "written"])
        for request in (
            store.presign(bucket, "k"),
            store.presign(bucket, "k", method="PUT", content_type="text/plain"),
            store.presign_post(bucket, "k"),
        ):
            secrets += secrets_of(request)
            overheard.hear(request)
        refused(lambda: store.get_object(bucket, "missing"), overheard)
        refused(lambda: store.get_object("no-such-bucket", "k"), overheard)
        refused(lambda: store.create_object(bucket, "k", b"", if_absent=True), overheard)
        refused(lambda: store.get_object(bucket, "k", start=100), overheard)
        refused(lambda: store.get_object(bucket, "k", timeout=1e-9), overheard)
        wrong = open_store(config_of(ministack, secret_key=Secret("very-secret-and-wrong")))
        refused(lambda: wrong.get_object(bucket, "k"), overheard)
        refused(lambda: wrong.head_object(bucket, "k"), overheard)
        token = Secret("very-secret-token")
        expired = open_store(config_of(ministack, session_token=token))
        refused(lambda: expired.create_object(bucket, "k", b"x"), overheard)
        overheard.hear(expired, wrong)
    overheard.search(*secrets, "very-secret")
    assert any("it failed" in text for text in overheard.texts)


def secrets_of(request: PresignedRequest) -> list[str]:
    """What of a presigned request gives access: the query of a URL, the fields of a form."""
    query = request.url.partition("?")[2]
    if query:
        return [request.url, query, query.partition("X-Amz-Signature=")[2]]
    return [request.fields["x-amz-signature"], request.fields["policy"]]


def test_what_breaks_and_is_tried_again(
    ministack: Ministack, open_store: OpenStore, overheard: Overheard
) -> None:
    port = int(ministack.url.rpartition(":")[2])
    with FaultProxy("127.0.0.1", port) as proxy:
        store = open_store(config_of(ministack, endpoint=proxy.url))
        with bucket_of(store, "overheard-faults") as bucket:
            proxy.inject(Fault(lose_answer=True), times=1)
            store.create_object(bucket, "k", b"data" * 10_000)
            proxy.inject(Fault(cut_down_after=20_000), times=1)
            assert store.get_object(bucket, "k").read() == b"data" * 10_000
            proxy.inject(Fault(refuse=True))
            refused(lambda: store.get_object(bucket, "k"), overheard)
            proxy.inject(Fault(answer=b"HTTP/1.1 garbage\r\n\r\n"))
            refused(lambda: store.create_object(bucket, "k", b"x"), overheard)
            proxy.heal()
    assert any("retrying" in text for text in overheard.texts)
    overheard.search(ministack.secret_key)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_password_of_a_proxy(open_store: OpenStore, overheard: Overheard, scheme: str) -> None:
    with Scripted(keep_answering(b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n")) as proxy:
        url = f"http://user:{PASSWORD}@127.0.0.1:{proxy.port}"
        config = S3Config(
            access_key="AKID",
            secret_key=Secret("very-secret"),
            endpoint=f"{scheme}://s3.example",
            proxy=url,
            retry=RETRY,
        )
        store = open_store(config)
        overheard.hear(config, store, config.create_driver(), config.create_driver().__dict__)
        refused(lambda: store.get_object("bucket", "k"), overheard)
        assert "proxy-authorization" in proxy.seen[0].headers
        overheard.hear(store.native)
    refused(lambda: store.get_object("bucket", "k"), overheard)
    overheard.search("very-secret", PASSWORD, url)


def test_making_a_native_client(
    ministack: Ministack, open_store: OpenStore, overheard: Overheard
) -> None:
    """What it logs once it is used is boto3's own matter, and the user's."""
    token = Secret("very-secret-token")
    store = open_store(
        config_of(ministack, session_token=token, proxy=f"http://u:{PASSWORD}@127.0.0.1")
    )
    overheard.hear(store.native, store.native.meta.config)
    assert any("botocore" in text for text in overheard.texts), "nothing was overheard"
    overheard.search(ministack.secret_key, "very-secret")


# --- the chain of boto3 ---------------------------------------------------------------------------

CREDENTIALS = {
    "Version": 1,
    "Code": "Success",
    "AccessKeyId": "AKID",
    "SecretAccessKey": "very-secret-key",
    "Token": "very-secret-token",
    "SessionToken": "very-secret-token",
    "Expiration": "2035-01-01T00:00:00Z",
}


def a_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ["[default]", "aws_access_key_id = AKID", "aws_secret_access_key = very-secret-key"]
    (folder / "credentials").write_text("\n".join([*lines, "aws_session_token = very-secret-token"]))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(folder / "credentials"))


def a_process(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = folder / "process"
    script.write_text(f"#!{sys.executable}\nprint({json.dumps(CREDENTIALS)!r})\n")
    script.chmod(0o700)
    (folder / "config").write_text(f"[default]\ncredential_process = {script} very-secret-argument\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(folder / "config"))


@pytest.fixture
def metadata_service() -> Iterator[ScriptedServer]:
    """Of a container, and of a machine of EC2."""

    def answer(asked: Asked) -> Say:
        if asked.method == "PUT":
            return Say(200, "very-secret-session")
        if asked.path.rstrip("/").endswith("security-credentials"):
            return Say(200, "role")
        return Say(200, json.dumps(CREDENTIALS), {"content-type": "application/json"})

    with ScriptedServer(answer) as server:
        yield server


@pytest.mark.parametrize("source", [a_file, a_process])
def test_credentials_of_files(
    source: Callable[[Path, pytest.MonkeyPatch], None],
    overheard: Overheard,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source(tmp_path, monkeypatch)
    keys = find_keys(REGION)
    assert keys.for_boto3()["aws_session_token"] == "very-secret-token"
    overheard.hear(keys, keys.signer("us-east-1"))
    overheard.search("very-secret")


@pytest.mark.parametrize("place", ["container", "machine"])
def test_credentials_of_a_metadata_service(
    place: str,
    overheard: Overheard,
    metadata_service: ScriptedServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if place == "container":
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{metadata_service.url}/creds")
        monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "very-secret-authorization")
    else:
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "false")
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", metadata_service.url)
    keys = find_keys(REGION)
    assert keys.for_boto3()["aws_secret_access_key"] == "very-secret-key"
    overheard.hear(keys)
    overheard.search("very-secret")


def test_credentials_of_an_assumed_role(
    ministack: Ministack,
    open_store: OpenStore,
    overheard: Overheard,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """botocore logs what it asks STS, and what that answers: keys, token and signature."""
    make_role(ministack)
    lines = [
        "[default]",
        f"region = {REGION}",
        "role_arn = arn:aws:iam::000000000000:role/overheard",
        "source_profile = source",
        "external_id = very-secret-external-id",
        "[profile source]",
        f"aws_access_key_id = {ministack.access_key}",
        f"aws_secret_access_key = {ministack.secret_key}",
    ]
    (tmp_path / "config").write_text("\n".join(lines))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", ministack.url)
    overheard.texts.clear()
    config = S3Config(endpoint=ministack.url, preset="aws", region=REGION, retry=RETRY)
    store = open_store(config)
    store.bucket_exists("overheard-role")
    keys = find_keys(REGION).for_boto3()
    assert keys["aws_session_token"]
    overheard.hear(store, config)
    token, secret = keys["aws_session_token"], keys["aws_secret_access_key"]
    overheard.search(ministack.secret_key, str(secret), str(token), "very-secret", "SecretAccessKey")
    # Others are heard as before.
    logging.getLogger("botocore.parsers").debug("of somebody else")
    assert any("of somebody else" in text for text in overheard.texts)


def make_role(server: Ministack) -> None:
    iam = (
        import_module("boto3.session")
        .Session()
        .client(
            "iam",
            endpoint_url=server.url,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
    )
    anybody = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    policy = {"Version": "2012-10-17", "Statement": [anybody]}
    try:
        if "overheard" not in {role["RoleName"] for role in iam.list_roles()["Roles"]}:
            iam.create_role(RoleName="overheard", AssumeRolePolicyDocument=json.dumps(policy))
    finally:
        iam.close()


def test_listening_finds_what_is_told(overheard: Overheard) -> None:
    """The search itself can fail."""
    logging.getLogger("botocore.auth").debug("Signature=%s", "0" * 64)
    with pytest.raises(AssertionError, match="is told"):
        overheard.search("very-secret")
    overheard.texts[:] = ["a very-secret key"]
    with pytest.raises(AssertionError, match="is told"):
        overheard.search("very-secret")
    overheard.texts[:] = ["nothing of it"]
    overheard.search("very-secret")
