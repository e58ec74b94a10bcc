"""Endpoints, addressing, presets, credentials: what is decided before anything is sent."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cloudstore import (
    AuthenticationError,
    ConfigError,
    MissingDependencyError,
    RetryPolicy,
    S3Config,
    Secret,
    Store,
    StoreFactory,
    UnsupportedError,
)
from cloudstore import factory as factories
from cloudstore.capabilities import Capabilities
from cloudstore.providers.s3_presets import CONDITIONS, PRESETS
from tests.s3.scripted import Asked, Say, ScriptedServer
from tests.s3.test_answers import error

ROOT = Path(__file__).resolve().parent.parent.parent
PATIENCE = 60.0
"""Seconds that temporary credentials live, and in which they must have been renewed."""
PROCESS = """#!{python}
with open("{count}", "a+") as file:
    file.write("x")
    file.seek(0)
    key = "KEY%d" % len(file.read())
print('{{"Version": 1, "AccessKeyId": "%s", "SecretAccessKey": "s", "SessionToken": "token",'
      ' "Expiration": "{expires}"}}' % key)
"""
KEYS: Any = {"access_key": "AKID", "secret_key": "very-secret"}


def url_of(bucket: str, key: str, **options: Any) -> str:
    """Where a request for an object would go."""
    with Store(S3Config(**KEYS, **options)) as store:
        return store.presign(bucket, key).url.partition("?")[0]


@pytest.mark.parametrize(
    ("options", "bucket", "url"),
    [
        ({}, "bucket", "https://bucket.s3.us-east-1.amazonaws.com/a%20b"),
        ({"region": "eu-west-1"}, "bucket", "https://bucket.s3.eu-west-1.amazonaws.com/a%20b"),
        ({}, "buc.ket", "https://s3.us-east-1.amazonaws.com/buc.ket/a%20b"),
        ({"addressing": "path"}, "bucket", "https://s3.us-east-1.amazonaws.com/bucket/a%20b"),
        ({"addressing": "virtual"}, "buc.ket", "https://buc.ket.s3.us-east-1.amazonaws.com/a%20b"),
        ({"endpoint": "https://s3.example:443"}, "bucket", "https://s3.example/bucket/a%20b"),
        ({"endpoint": "http://s3.example:80/"}, "bucket", "http://s3.example/bucket/a%20b"),
        ({"endpoint": "https://s3.example:9000"}, "bucket", "https://s3.example:9000/bucket/a%20b"),
        (
            {"endpoint": "https://s3.example", "addressing": "virtual"},
            "bucket",
            "https://bucket.s3.example/a%20b",
        ),
        (
            {"endpoint": "http://127.0.0.1:9000", "preset": "aws"},
            "b.c",
            "http://127.0.0.1:9000/b.c/a%20b",
        ),
        ({"endpoint": "http://[::1]:9000", "preset": "aws"}, "bcd", "http://[::1]:9000/bcd/a%20b"),
        (
            {"endpoint": "http://localhost:9000", "preset": "aws"},
            "bcd",
            "http://localhost:9000/bcd/a%20b",
        ),
        ({"endpoint": "http://s3.example", "preset": "aws"}, "b.c", "http://b.c.s3.example/a%20b"),
        ({"preset": "obs"}, "bucket", "https://bucket.obs.cn-north-4.myhuaweicloud.com/a%20b"),
        (
            {"preset": "wasabi", "region": "eu-1"},
            "bucket",
            "https://s3.eu-1.wasabisys.com/bucket/a%20b",
        ),
    ],
)
def test_address_of_an_object(options: dict[str, Any], bucket: str, url: str) -> None:
    assert url_of(bucket, "a b", **options) == url


@pytest.mark.parametrize(
    "options",
    [
        {"endpoint": "s3.example"},
        {"endpoint": "ftp://s3.example"},
        {"endpoint": "https://"},
        {"endpoint": "https://s3.example/path"},
        {"endpoint": "https://user:password@s3.example"},
        {"endpoint": "https://s3.example?x=y"},
        {"addressing": "both"},
        {"preset": "no-such"},
        {"preset": "minio"},
        {"preset": "generic"},
    ],
    ids=str,
)
def test_wrong_configuration_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        S3Config(**KEYS, **options).create_driver()
    assert "password" not in str(caught.value)


def test_secrets_are_not_shown_and_travel() -> None:
    config = S3Config(**KEYS, session_token=Secret("very-secret-token"))
    assert "very-secret" not in repr(config)
    assert "very-secret" not in repr(config.create_driver().__dict__)
    assert pickle.loads(pickle.dumps(config)) == config


# --- presets --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PRESETS)
def test_preset_makes_a_driver_with_what_it_declares(name: str) -> None:
    endpoint = None if PRESETS[name].endpoint else "https://s3.example"
    driver = S3Config(**KEYS, preset=name, endpoint=endpoint).create_driver()
    assert driver.capabilities == PRESETS[name].capabilities
    assert "{" not in driver.endpoint
    assert driver.key_rule.refusal("a\0b") is not None
    driver.close()


def test_unknown_endpoint_gets_what_is_safe() -> None:
    driver = S3Config(**KEYS, endpoint="https://s3.example").create_driver()
    has = driver.capabilities.names()
    assert not has & {*CONDITIONS, "versions", "tags", "checksum_crc32", "presign_post"}
    assert not has & {"acl", "object_acl", "website", "versioning", "lifecycle"}
    with Store(driver) as store:
        with pytest.raises(UnsupportedError, match=r"allow it by S3Config\(conditional_writes=True\)"):
            store.create_object("bucket", "k", b"", if_absent=True)
        with pytest.raises(UnsupportedError, match=r"^s3 has no tags \["):
            store.create_object("bucket", "k", b"", tags={"a": "b"})


SETTINGS: dict[str, Callable[[Capabilities], bool]] = {
    "ACLs of buckets and objects": lambda c: c.acl and c.object_acl,
    "ACLs of buckets only": lambda c: c.acl and not c.object_acl,
    "tags": lambda c: c.tags,
    "websites": lambda c: c.website,
    "versioning": lambda c: c.versioning,
    "lifecycle rules": lambda c: c.lifecycle,
}


@pytest.mark.parametrize("setting", SETTINGS)
def test_presets_have_the_settings_that_their_page_says(setting: str) -> None:
    page = (ROOT / "docs" / "s3.md").read_text(encoding="utf-8")
    [row] = [line for line in page.splitlines() if line.startswith(f"| {setting} |")]
    said = row.split("|")[2].split("(")[0].replace("`", "").split()
    has = [name for name, preset in PRESETS.items() if SETTINGS[setting](preset.capabilities)]
    assert sorted(said) == sorted(has)


@pytest.mark.parametrize("switch", [True, False])
@pytest.mark.parametrize("preset", ["generic", "aws"])
def test_conditional_writes_can_be_switched(preset: str, switch: bool) -> None:
    driver = S3Config(
        **KEYS, preset=preset, endpoint="https://s3.example", conditional_writes=switch
    ).create_driver()
    assert {getattr(driver.capabilities, name) for name in CONDITIONS} == {switch}
    assert driver.capabilities.names() - set(CONDITIONS) == (
        PRESETS[preset].capabilities.names() - set(CONDITIONS)
    )


def test_conditions_are_capabilities() -> None:
    assert set(CONDITIONS) <= set(Capabilities.all_names())


# --- the factory ----------------------------------------------------------------------------------


def test_ids_of_presets_are_presets() -> None:
    assert set(factories._PRESETS) <= set(PRESETS)
    assert set(factories._PRESETS) <= set(StoreFactory.providers())


def test_preset_is_a_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIO_ENDPOINT", "https://minio.example")
    config = factories.config_from("minio", "AKID", "very-secret")
    assert isinstance(config, S3Config)
    assert (config.preset, config.endpoint) == ("minio", "https://minio.example")
    config = factories.config_from({"provider": "r2", "endpoint": "https://r2.example", **KEYS})
    assert isinstance(config, S3Config)
    assert config.create_driver()._region == "auto"
    config = factories.config_from("s3:?region=eu-west-1&endpoint=https%3A%2F%2Fs3.example", **KEYS)
    assert isinstance(config, S3Config)
    assert (config.preset, config.region, config.endpoint) == (None, "eu-west-1", "https://s3.example")


@pytest.mark.parametrize("url", ["s3://bucket", "s3://bucket/key", "minio://host:9000"])
def test_url_of_a_bucket_is_no_store(url: str) -> None:
    with pytest.raises(ConfigError, match="names no bucket"):
        StoreFactory.create(url, "AKID", "very-secret")


# --- credentials ----------------------------------------------------------------------------------


def test_credentials_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ENVKEY")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "very-secret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    monkeypatch.setenv("AWS_REGION", "eu-north-1")
    with ScriptedServer(lambda _: Say()) as server:
        with Store(S3Config(endpoint=server.url, preset="aws")) as store:
            store.create_object("bucket", "k", b"x")
        [asked] = server.asked
        assert "Credential=ENVKEY/" in asked.headers["authorization"]
        assert "/eu-north-1/s3/" in asked.headers["authorization"]
        assert asked.headers["x-amz-security-token"] == "token"
        with Store(S3Config(**KEYS, endpoint=server.url)) as store:
            store.create_object("bucket", "k", b"x")
        assert "Credential=AKID/" in server.asked[1].headers["authorization"]
        assert "/us-east-1/s3/" in server.asked[1].headers["authorization"]
        assert "x-amz-security-token" not in server.asked[1].headers


@pytest.mark.parametrize("given", [{"access_key": "AKID"}, {"secret_key": "very-secret"}])
def test_half_of_the_credentials_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        S3Config(**given).create_driver()


def test_without_credentials_only_aws_has_a_chain() -> None:
    with pytest.raises(ConfigError):
        S3Config(endpoint="https://minio.example").create_driver()
    S3Config().create_driver().close()


def shared_credentials(folder: Path, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    path = folder / "credentials"
    path.write_text(f"[default]\naws_access_key_id = {key}\naws_secret_access_key = very-secret\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(path))


def test_chain_of_boto3_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared_credentials(tmp_path, monkeypatch, "FILEKEY")
    with ScriptedServer(lambda _: Say()) as server:
        with Store(S3Config(endpoint=server.url, preset="aws")) as store:
            store.create_object("bucket", "k", b"x")
            (tmp_path / "credentials").unlink()
            store.create_object("bucket", "l", b"x")
        assert all("Credential=FILEKEY/" in asked.headers["authorization"] for asked in server.asked)


def test_credentials_that_are_rejected_are_asked_for_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared_credentials(tmp_path, monkeypatch, "OLDKEY")

    def script(asked: Asked) -> Say:
        if "OLDKEY" in asked.headers["authorization"]:
            shared_credentials(tmp_path, monkeypatch, "NEWKEY")
            return Say(400, error("ExpiredToken"))
        return Say(200, b"data")

    with ScriptedServer(script) as server:
        with Store(S3Config(endpoint=server.url, preset="aws")) as store:
            assert store.get_object("bucket", "k").read() == b"data"
        assert len(server.asked) == 2


def test_credentials_that_a_head_rejects_are_asked_for_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer to HEAD has no body to say that they have expired."""
    shared_credentials(tmp_path, monkeypatch, "OLDKEY")

    def script(asked: Asked) -> Say:
        if "OLDKEY" in asked.headers["authorization"]:
            shared_credentials(tmp_path, monkeypatch, "NEWKEY")
            return Say(400, "" if asked.method == "HEAD" else error("ExpiredToken"))
        return Say(200, b"x", {"etag": '"e"'})

    with ScriptedServer(script) as server:
        with Store(S3Config(endpoint=server.url, preset="aws")) as store:
            assert store.head_object("bucket", "k").etag == "e"
        assert [asked.method for asked in server.asked] == ["HEAD", "GET", "GET", "HEAD"]


def test_given_credentials_that_are_rejected_are_not_tried_twice() -> None:
    with ScriptedServer(lambda _: Say(400, error("ExpiredToken"))) as server:
        with Store(S3Config(**KEYS, endpoint=server.url)) as store, pytest.raises(AuthenticationError):
            store.get_object("bucket", "k")
        assert len(server.asked) == 1


def test_temporary_credentials_are_renewed_before_they_expire(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    soon = (datetime.now(UTC) + timedelta(seconds=PATIENCE)).isoformat()
    count, script = tmp_path / "count", tmp_path / "process"
    script.write_text(PROCESS.format(python=sys.executable, count=count, expires=soon))
    script.chmod(0o700)
    (tmp_path / "config").write_text(f"[default]\ncredential_process = {script}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    with ScriptedServer(lambda _: Say()) as server:
        config = S3Config(endpoint=server.url, preset="aws")
        end = time.monotonic() + PATIENCE
        with Store(config) as store:
            store.create_object("bucket", "k", b"x")
            while key_of(server.asked[-1]) == key_of(server.asked[0]):
                assert time.monotonic() < end, "they were never renewed"
                store.create_object("bucket", "k", b"x")
        assert server.asked[0].headers["x-amz-security-token"] == "token"
        keys = [key_of(asked) for asked in server.asked]
        assert len(keys) > len(set(keys)), "they were asked for each time"


def key_of(asked: Asked) -> str:
    return asked.headers["authorization"].split("Credential=")[1].partition("/")[0]


def test_no_credentials_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedServer([]) as server:
        config = S3Config(endpoint=server.url, preset="aws", retry=RetryPolicy(attempts=1))
        with Store(config) as store, pytest.raises(AuthenticationError, match="access_key"):
            store.get_object("bucket", "k")
        assert server.asked == []


def test_missing_boto3_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3.session", None)
    with Store(S3Config()) as store, pytest.raises(MissingDependencyError, match=r"cloudstore\[s3\]"):
        store.get_object("bucket", "k")
    with Store(S3Config(**KEYS)) as store, pytest.raises(MissingDependencyError, match=r"\[s3\]"):
        _ = store.native


def test_native_is_a_client_of_the_same_account() -> None:
    bucket = "<Buckets><Bucket><Name>b</Name></Bucket></Buckets>"
    body = f"<ListAllMyBucketsResult>{bucket}</ListAllMyBucketsResult>"
    with ScriptedServer(lambda _: Say(body=body)) as server:
        with Store(S3Config(**KEYS, endpoint=server.url)) as store:
            assert store.native is store.native
            assert [b["Name"] for b in store.native.list_buckets()["Buckets"]] == ["b"]
        assert "Credential=AKID/" in server.asked[0].headers["authorization"]


def test_native_retries_nothing() -> None:
    with ScriptedServer(lambda _: Say(500, error("InternalError"))) as server:
        config = S3Config(**KEYS, endpoint=server.url)
        with Store(config) as store, pytest.raises(Exception, match="InternalError"):
            store.native.list_buckets()
        assert len(server.asked) == 1


def test_driver_needs_no_sdk() -> None:
    code = (
        "import sys; from cloudstore import S3Config; "
        "S3Config(access_key='a', secret_key='b').create_driver(); "
        "heavy = ('boto3', 'botocore', 'ssl', 'asyncio', 'email', 'http'); "
        "print([name for name in heavy if name in sys.modules])"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
