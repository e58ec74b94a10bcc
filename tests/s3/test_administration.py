"""What goes through boto3: read back by boto3 itself, and over answers that no server at hand gives."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import trustme

from cloudstore import (
    AsyncStore,
    AuthenticationError,
    BucketNotFoundError,
    CloudStoreError,
    DeadlineExceededError,
    InvalidArgumentError,
    LifecycleRule,
    MissingDependencyError,
    ObjectNotFoundError,
    PermissionDeniedError,
    RateLimitedError,
    RetryPolicy,
    S3Config,
    Secret,
    Store,
    Timeouts,
    TransportError,
    UnavailableError,
    UnexpectedResponseError,
    UnsupportedError,
)
from cloudstore.providers.s3_administration import canned_acl, lifecycle_rule
from cloudstore.providers.sdk_logs import quiet
from tests.s3.harness import OpensBuckets
from tests.s3.scripted import Asked, Say, ScriptedServer
from tests.s3.test_answers import error
from tests.s3.test_config import key_of, shared_credentials, url_of
from tests.servers.ministack_server import Ministack
from tests.wire.server import Peer, Scripted, keep_answering, ok
from tests.wire.test_sharing import run_in_fork
from tests.wire.test_tls import server_context

KEYS: Any = {"access_key": "AKID", "secret_key": "very-secret"}
QUICK = RetryPolicy(attempts=3, base_delay=0.001)
FOREVER = 60.0
"""Longer than any of these tests may take."""
VERSIONED = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"

Verb = Callable[[Store], Any]
EXPIRES = LifecycleRule(prefix="tmp/", expire_after_days=7)
VERBS: dict[str, Verb] = {
    "get_acl": lambda s: s.get_acl("bucket"),
    "set_acl": lambda s: s.set_acl("bucket", acl="private"),
    "get_object_acl": lambda s: s.get_acl("bucket", "k"),
    "set_object_acl": lambda s: s.set_acl("bucket", "k", acl="private"),
    "get_tags": lambda s: s.get_tags("bucket", "k"),
    "set_tags": lambda s: s.set_tags("bucket", "k", {"a": "1"}),
    "remove_tags": lambda s: s.set_tags("bucket", "k", {}),
    "set_website": lambda s: s.set_website("bucket", "index.html"),
    "end_website": lambda s: s.set_website("bucket", None),
    "get_versioning": lambda s: s.get_versioning("bucket"),
    "set_versioning": lambda s: s.set_versioning("bucket", True),
    "get_lifecycle": lambda s: s.get_lifecycle("bucket"),
    "set_lifecycle": lambda s: s.set_lifecycle("bucket", [EXPIRES]),
    "end_lifecycle": lambda s: s.set_lifecycle("bucket", []),
}
CHANGES = ("set_acl", "set_object_acl", "set_tags", "set_website", "set_versioning", "set_lifecycle")


def store_at(url: str, preset: str = "aws", **options: Any) -> Store:
    return Store(S3Config(**{**KEYS, "retry": QUICK, **options}, endpoint=url, preset=preset))


# --- read back by boto3 ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def store(ministack: Ministack) -> Iterator[Store]:
    with Store(OpensBuckets(ministack.s3_config(region="eu-west-1"))) as made:
        made.create_bucket("settings")
        yield made


@pytest.fixture
def bucket(store: Store) -> Iterator[str]:
    store.create_object("settings", "k", b"data")
    yield "settings"
    store.delete_bucket("settings", force=True)
    store.create_bucket("settings")


def test_website_as_boto3_sees_it(store: Store, bucket: str) -> None:
    store.set_website(bucket, "index.html", "error.html")
    seen = store.native.get_bucket_website(Bucket=bucket)
    assert seen["IndexDocument"] == {"Suffix": "index.html"}
    assert seen["ErrorDocument"] == {"Key": "error.html"}
    store.set_website(bucket, "home.html")
    seen = store.native.get_bucket_website(Bucket=bucket)
    assert seen["IndexDocument"] == {"Suffix": "home.html"}
    assert "ErrorDocument" not in seen
    store.set_website(bucket, None)
    with pytest.raises(store.native.exceptions.ClientError, match="NoSuchWebsiteConfiguration"):
        store.native.get_bucket_website(Bucket=bucket)


def test_versioning_and_tags_as_boto3_sees_them(store: Store, bucket: str) -> None:
    store.set_tags(bucket, "k", {"a": "1", "b": "ü"})
    seen = store.native.get_object_tagging(Bucket=bucket, Key="k")["TagSet"]
    assert seen == [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "ü"}]
    store.delete_object(bucket, "k")
    store.set_versioning(bucket, True)
    assert store.native.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    store.set_versioning(bucket, False)
    assert store.native.get_bucket_versioning(Bucket=bucket)["Status"] == "Suspended"


def test_acls_as_boto3_sees_them(store: Store, bucket: str) -> None:
    store.set_acl(bucket, acl="public-read-write")
    seen = store.native.get_bucket_acl(Bucket=bucket)["Grants"]
    everybody = [g["Permission"] for g in seen if g["Grantee"].get("URI", "").endswith("/AllUsers")]
    assert sorted(everybody) == ["READ", "WRITE"]
    store.set_acl(bucket, "k", acl="public-read")
    seen = store.native.get_object_acl(Bucket=bucket, Key="k")["Grants"]
    everybody = [g["Permission"] for g in seen if g["Grantee"].get("URI", "").endswith("/AllUsers")]
    assert everybody == ["READ"]


@pytest.mark.parametrize("acl", ["private", "public-read", "public-read-write", "authenticated-read"])
@pytest.mark.parametrize("key", [None, "k"])
def test_canned_acl_is_told_from_its_grants(
    store: Store, bucket: str, key: str | None, acl: str
) -> None:
    store.set_acl(bucket, key, acl=acl)
    assert store.get_acl(bucket, key) == acl


def test_grants_that_are_no_canned_acl_are_custom(store: Store, bucket: str) -> None:
    store.set_acl(bucket, acl="private")  # opens the bucket
    native = store.native
    owner = native.get_bucket_acl(Bucket=bucket)["Owner"]["ID"]
    everybody = 'uri="http://acs.amazonaws.com/groups/global/AllUsers"'
    native.put_bucket_acl(Bucket=bucket, GrantFullControl=f"id={owner}", GrantReadACP=everybody)
    assert store.get_acl(bucket) == "custom"


def test_owner_without_full_control_is_custom() -> None:
    grant = {"Grantee": {"ID": "me"}, "Permission": "READ"}
    assert canned_acl({"Owner": {"ID": "me"}, "Grants": [grant]}) == "custom"
    assert canned_acl({"Grants": []}) == "custom"


def test_bucket_of_today_takes_no_acl(ministack: Ministack, store: Store) -> None:
    with Store(ministack.s3_config()) as today:
        today.create_bucket("of-today")
        with pytest.raises(UnsupportedError, match="bucket policy") as caught:
            today.set_acl("of-today", acl="private")
        assert caught.value.code == "AccessControlListNotSupported"
        assert caught.value.request_id
        with pytest.raises(PermissionDeniedError, match="Block Public Access"):
            today.set_acl("of-today", acl="public-read")
        assert today.get_acl("of-today") == "private"
        today.delete_bucket("of-today")


def test_lifecycle_as_boto3_sees_it(store: Store, bucket: str) -> None:
    rule = LifecycleRule(
        prefix="a/",
        expire_after_days=1,
        expire_versions_after_days=2,
        abort_uploads_after_days=3,
        enabled=False,
        name="all",
    )
    store.set_lifecycle(bucket, [rule])
    [seen] = store.native.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert seen == {
        "ID": "all",
        "Filter": {"Prefix": "a/"},
        "Status": "Disabled",
        "Expiration": {"Days": 1},
        "NoncurrentVersionExpiration": {"NoncurrentDays": 2},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 3},
    }


UNSPEAKABLE: list[dict[str, Any]] = [
    {"Filter": {"Prefix": "a/"}, "Transitions": [{"Days": 30, "StorageClass": "GLACIER"}]},
    {"Filter": {"Prefix": ""}, "Expiration": {"ExpiredObjectDeleteMarker": True}},
    {"Filter": {"Tag": {"Key": "a", "Value": "1"}}, "Expiration": {"Days": 1}},
    {"Filter": {"ObjectSizeGreaterThan": 7}, "Expiration": {"Days": 1}},
    {
        "Filter": {"Prefix": ""},
        "NoncurrentVersionExpiration": {"NoncurrentDays": 1, "NewerNoncurrentVersions": 3},
    },
]


def test_rules_that_there_are_no_words_for_survive(store: Store, bucket: str) -> None:
    said = [{"ID": f"r{n}", "Status": "Enabled", **rule} for n, rule in enumerate(UNSPEAKABLE)]
    native = store.native
    native.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": said})
    found = store.get_lifecycle(bucket)
    assert [rule.vendor_rule for rule in found] == [{"s3": rule} for rule in said]
    assert [rule.name for rule in found] == ["r0", "r1", "r2", "r3", "r4"]
    store.set_lifecycle(bucket, [*found, EXPIRES])
    seen = native.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert seen[:-1] == said, "a rule of somebody else was changed"
    assert store.get_lifecycle(bucket)[-1] == EXPIRES


def test_rule_in_its_old_form_is_understood() -> None:
    said = {"ID": "x", "Prefix": "a/", "Status": "Enabled", "Expiration": {"Days": 1}}
    assert lifecycle_rule(said) == LifecycleRule(prefix="a/", expire_after_days=1)
    dated = {**said, "Expiration": {"Date": datetime(2030, 1, 1, tzinfo=UTC)}}
    assert lifecycle_rule(dated) == LifecycleRule(vendor_rule={"s3": dated})
    everything = {"Filter": {}, "Status": "Enabled", "Expiration": {"Days": 1}}
    assert lifecycle_rule(everything) == LifecycleRule(expire_after_days=1)


def test_rule_with_both_kinds_of_words_is_refused(store: Store, bucket: str) -> None:
    both = LifecycleRule(expire_after_days=1, vendor_rule={"s3": {"ID": "x"}})
    with pytest.raises(InvalidArgumentError, match="whole"):
        store.set_lifecycle(bucket, [both])


def test_rule_that_boto3_does_not_know_is_refused(store: Store, bucket: str) -> None:
    wrong = LifecycleRule(vendor_rule={"s3": {"Colour": "blue", "Status": "Enabled"}})
    with pytest.raises(InvalidArgumentError, match="Colour"):
        store.set_lifecycle(bucket, [wrong])
    assert store.get_lifecycle(bucket) == []


def test_many_threads_ask_at_once(ministack: Ministack, store: Store, bucket: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: store.get_tags(bucket, "k"), range(64)))
    assert found == [{}] * 64


# --- what is asked --------------------------------------------------------------------------------


@pytest.mark.parametrize(("preset", "md5"), [("aws", False), ("ceph", True)])
def test_changes_carry_the_checksum_that_the_service_takes(preset: str, md5: bool) -> None:
    with ScriptedServer(lambda _: Say()) as server, store_at(server.url, preset) as store:
        changes = [name for name in CHANGES if name != "set_website" or store.capabilities.website]
        for name in changes:
            VERBS[name](store)
    assert len(server.asked) == len(changes)
    for asked in server.asked:
        added = [header for header in asked.headers if header.startswith("x-amz-checksum-")]
        digest = base64.b64encode(hashlib.md5(asked.body).digest()).decode()
        if md5:
            assert (asked.headers.get("content-md5"), added) == (digest, [])
        else:
            assert (asked.headers.get("content-md5"), added) == (None, ["x-amz-checksum-crc32"])
        assert asked.headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKID/")


def test_what_a_service_would_drop_is_refused_unsent() -> None:
    rule = LifecycleRule(expire_after_days=1, abort_uploads_after_days=1)
    with ScriptedServer([]) as server:
        for preset in ("minio", "generic"):
            with store_at(server.url, preset) as store, pytest.raises(UnsupportedError):
                store.set_lifecycle("bucket", [rule])


@pytest.mark.parametrize(
    ("options", "bucket"),
    [
        ({}, "bucket"),
        ({"region": "eu-west-1"}, "bucket"),
        ({}, "buc.ket"),
        ({"addressing": "path"}, "bucket"),
        ({"endpoint": "https://s3.example:9000"}, "bucket"),
        ({"endpoint": "https://s3.example", "addressing": "virtual"}, "bucket"),
        ({"endpoint": "http://127.0.0.1:9000", "preset": "aws"}, "bucket"),
        ({"preset": "obs"}, "bucket"),
        ({"preset": "wasabi", "region": "eu-1"}, "bucket"),
    ],
    ids=str,
)
def test_boto3_asks_where_the_wire_asks(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], bucket: str
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "https://elsewhere.example")
    monkeypatch.setenv("AWS_USE_FIPS_ENDPOINT", "true")
    asked: list[Any] = []

    def answer(request: Any, **_: Any) -> None:
        asked.append(request)
        raise ZeroDivisionError  # before anything is sent

    with Store(S3Config(**KEYS, **options)) as store:
        store.native.meta.events.register("before-send.s3", answer)
        with pytest.raises(ZeroDivisionError):
            store.native.get_object_acl(Bucket=bucket, Key="a//../b c")
    assert asked[0].url == url_of(bucket, "a//../b c", **options) + "?acl"
    region = options.get("region") or {"obs": "cn-north-4"}.get(options.get("preset", ""), "us-east-1")
    assert f"/{region}/s3/".encode() in asked[0].headers["Authorization"]


def test_bucket_in_another_region_is_found() -> None:
    def script(asked: Asked) -> Say:
        if "/us-east-1/" in asked.headers["authorization"]:
            moved = error("PermanentRedirect", Endpoint="elsewhere")
            return Say(301, moved, {"x-amz-bucket-region": "eu-north-1"})
        return Say(body=VERSIONED)

    with ScriptedServer(script) as server, store_at(server.url) as store:
        assert store.get_versioning("bucket") is True
        assert len(server.asked) == 2
        assert store.get_versioning("bucket") is True
        assert len(server.asked) == 3, "the region was not remembered"


class MovedBody:
    """As urllib3 gives a body."""

    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        yield error("PermanentRedirect").encode()


def test_redirect_on_aws_goes_to_the_other_regions_host() -> None:
    asked: list[str] = []

    def answer(request: Any, **_: Any) -> Any:
        asked.append(request.url)
        if len(asked) == 2:
            raise ZeroDivisionError  # before anything is sent
        moved = {"x-amz-bucket-region": "eu-north-1"}
        return import_module("botocore.awsrequest").AWSResponse(request.url, 301, moved, MovedBody())

    with Store(S3Config(**KEYS)) as store:
        store.native.meta.events.register("before-send.s3", answer)
        with pytest.raises(ZeroDivisionError):
            store.native.get_bucket_acl(Bucket="bucket")
    assert asked == [
        "https://bucket.s3.us-east-1.amazonaws.com/?acl",
        "https://bucket.s3.eu-north-1.amazonaws.com/?acl",
    ]


def test_proxy_is_that_of_the_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with ScriptedServer(lambda _: Say(body=VERSIONED)) as server:
        with store_at("http://s3.example", "minio", proxy=server.url) as store:
            assert store.get_versioning("bucket") is True
        with store_at(server.url, "minio", proxy="") as store:
            assert store.get_versioning("bucket") is True
        targets = [asked.target for asked in server.asked]
        assert targets == ["http://s3.example/bucket?versioning", "/bucket?versioning"]
        with store_at("http://s3.example", "minio") as store, pytest.raises(TransportError):
            store.get_versioning("bucket")


# --- credentials ----------------------------------------------------------------------------------


def test_session_token_is_sent() -> None:
    with ScriptedServer(lambda _: Say(body=VERSIONED)) as server:
        with store_at(server.url, session_token=Secret("token")) as store:
            assert store.get_versioning("bucket") is True
        assert server.asked[0].headers["x-amz-security-token"] == "token"


def test_keys_are_those_of_the_wire_and_renewed_with_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared_credentials(tmp_path, monkeypatch, "OLDKEY")
    refused = {"OLDKEY": False}

    def script(asked: Asked) -> Say:
        if key_of(asked) == "OLDKEY" and refused["OLDKEY"]:
            return Say(400, error("ExpiredToken"))
        return Say(200, VERSIONED if "versioning" in asked.query else "")

    with ScriptedServer(script) as server:
        with Store(S3Config(endpoint=server.url, preset="aws")) as store:
            store.create_object("bucket", "k", b"x")
            shared_credentials(tmp_path, monkeypatch, "NEWKEY")
            assert store.get_versioning("bucket") is True  # with what the wire has found
            refused["OLDKEY"] = True
            assert store.get_versioning("bucket") is True  # found anew
            store.create_object("bucket", "k", b"x")  # for the wire, too
        keys = [key_of(asked) for asked in server.asked]
        assert keys == ["OLDKEY", "OLDKEY", "OLDKEY", "NEWKEY", "NEWKEY"]


def test_given_keys_that_are_refused_are_not_tried_twice() -> None:
    with ScriptedServer(lambda _: Say(400, error("ExpiredToken"))) as server:
        with store_at(server.url) as store, pytest.raises(AuthenticationError):
            store.get_versioning("bucket")
        assert len(server.asked) == 1


def test_missing_boto3_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3.session", None)
    for verb in VERBS.values():
        with (
            store_at("http://127.0.0.1:9") as store,
            pytest.raises(MissingDependencyError, match=r"\[s3\]"),
        ):
            verb(store)


# --- failures -------------------------------------------------------------------------------------


ERRORS: list[tuple[int, str, type[CloudStoreError]]] = [
    (404, "NoSuchBucket", BucketNotFoundError),
    (403, "AccessDenied", PermissionDeniedError),
    (403, "InvalidAccessKeyId", AuthenticationError),
    (400, "MalformedXML", InvalidArgumentError),
    (400, "InvalidTag", InvalidArgumentError),
    (400, "AccessControlListNotSupported", UnsupportedError),
    (405, "MethodNotAllowed", UnsupportedError),
    (501, "NotImplemented", UnsupportedError),
    (409, "InvalidBucketState", UnexpectedResponseError),
]


def test_errors_of_the_service() -> None:
    said = [
        Say(status, error(code, "no way"), {"x-amz-request-id": "R1"}) for status, code, _ in ERRORS
    ]
    with ScriptedServer(said) as server, store_at(server.url) as store:
        for status, code, expected in ERRORS:
            with pytest.raises(expected) as caught:
                store.set_website("bucket", "index.html")
            found = caught.value
            assert type(found) is expected
            assert (found.status, found.code, found.request_id) == (status, code, "R1")
            assert (found.operation, found.bucket, found.vendor) == ("set_website", "bucket", "s3")
            assert found.outcome == "not_applied"
        assert len(server.asked) == len(ERRORS), "something was tried again"


def test_error_without_a_body() -> None:
    def script(asked: Asked) -> Say:
        return Say(404, headers={"x-amz-request-id": "R1"}) if "tagging" in asked.query else Say()

    with ScriptedServer(script) as server, store_at(server.url) as store:
        with pytest.raises(ObjectNotFoundError) as caught:
            store.get_tags("bucket", "k")
        assert [asked.method for asked in server.asked] == ["GET", "HEAD"], (
            "the bucket was not looked at"
        )
    assert (caught.value.code, caught.value.status, caught.value.request_id) == (None, 404, "R1")


def test_nothing_set_is_no_error() -> None:
    def script(asked: Asked) -> Say:
        tags = "tagging" in asked.query
        return Say(404, error("NoSuchTagSet" if tags else "NoSuchLifecycleConfiguration"))

    with ScriptedServer(script) as server, store_at(server.url) as store:
        assert store.get_tags("bucket", "k") == {}
        assert store.get_lifecycle("bucket") == []


@pytest.mark.parametrize(
    ("status", "code", "expected", "lost"),
    [
        (503, "SlowDown", RateLimitedError, "not_applied"),
        (500, "InternalError", UnavailableError, "unknown"),
    ],
)
def test_only_our_own_policy_retries(
    status: int, code: str, expected: type[CloudStoreError], lost: str
) -> None:
    with ScriptedServer(lambda _: Say(status, error(code))) as server, store_at(server.url) as store:
        for number, name in enumerate(VERBS, 1):
            with pytest.raises(expected) as caught:
                VERBS[name](store)
            assert len(server.asked) == number * QUICK.attempts
            assert caught.value.attempts == QUICK.attempts
            assert caught.value.outcome == ("not_applied" if name.startswith("get_") else lost)


def test_retry_that_succeeds() -> None:
    script = [Say(503, error("SlowDown")), Say(body=VERSIONED)]
    with ScriptedServer(script) as server, store_at(server.url) as store:
        assert store.get_versioning("bucket") is True


def stalls(peer: Peer) -> None:
    """Hears a request and never answers."""
    peer.read()
    peer.wait_for_end()


def test_answer_that_does_not_come() -> None:
    timeouts = Timeouts(first_byte=0.1)
    with Scripted(stalls) as server, store_at(server.origin, timeouts=timeouts) as store:
        with pytest.raises(TransportError) as caught:
            store.set_versioning("bucket", True)
        assert caught.value.outcome == "unknown"
        with pytest.raises(TransportError) as caught:
            store.get_versioning("bucket")
        assert (caught.value.outcome, caught.value.attempts) == ("not_applied", QUICK.attempts)
    assert len(server.seen) == 2 * QUICK.attempts


def test_connection_that_breaks_and_one_that_is_refused() -> None:
    def breaks(peer: Peer) -> None:
        peer.read()
        peer.reset()

    with Scripted(breaks) as server, store_at(server.origin) as store:
        with pytest.raises(TransportError) as caught:
            store.set_website("bucket", None)
        assert (caught.value.outcome, caught.value.attempts) == ("unknown", QUICK.attempts)
        nobody = server.origin
    with store_at(nobody) as store, pytest.raises(TransportError) as caught:
        store.set_website("bucket", None)
    assert (caught.value.outcome, caught.value.attempts) == ("not_applied", QUICK.attempts)


def test_deadline_ends_the_wait() -> None:
    with Scripted(stalls) as server:
        store = store_at(server.origin, timeouts=Timeouts(first_byte=FOREVER, total=0.2))
        for name, outcome in (("get_versioning", "not_applied"), ("set_versioning", "unknown")):
            began = time.monotonic()
            with pytest.raises(DeadlineExceededError) as caught:
                VERBS[name](store)
            assert time.monotonic() - began < FOREVER / 2, "it waited for boto3"
            assert (caught.value.operation, caught.value.outcome) == (name, outcome)
    store.close()  # waits for the calls, which the server has now ended


def test_deadline_ends_the_wait_of_a_task() -> None:
    async def work(server: Scripted) -> None:
        timeouts = Timeouts(first_byte=FOREVER)
        config = S3Config(**KEYS, endpoint=server.origin, preset="aws", timeouts=timeouts)
        async with AsyncStore(config) as store:
            with pytest.raises(DeadlineExceededError):
                await store.get_lifecycle("bucket", timeout=0.2)
            await asyncio.to_thread(server.close)

    began = time.monotonic()
    with Scripted(stalls) as server:
        asyncio.run(work(server))
    assert time.monotonic() - began < FOREVER / 2, "it waited for boto3"


def test_deadline_that_is_kept_changes_nothing() -> None:
    with ScriptedServer(lambda _: Say(body=VERSIONED)) as server, store_at(server.url) as store:
        began = time.monotonic()
        assert store.get_versioning("bucket", timeout=FOREVER) is True
        assert time.monotonic() - began < FOREVER / 2
    with ScriptedServer(lambda _: Say(403, error("AccessDenied"))) as server:
        with store_at(server.url) as store, pytest.raises(PermissionDeniedError):
            store.get_versioning("bucket", timeout=FOREVER)
        assert time.monotonic() - began < FOREVER / 2, "an error waited for the deadline"


@pytest.mark.parametrize("trusted", ["file", "system", None])
def test_certificates(tmp_path: Path, trusted: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = trustme.CA()
    ca_file = str(tmp_path / "ca.pem")
    if trusted == "system":
        monkeypatch.setenv("SSL_CERT_FILE", ca_file)
        ca_file = "system"
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with Scripted(keep_answering(ok(VERSIONED.encode())), tls=server_context(authority)) as server:
        if trusted:
            with store_at(server.origin, ca_file=ca_file) as store:
                assert store.get_versioning("bucket") is True
        else:
            with store_at(server.origin) as store, pytest.raises(TransportError, match="TLS") as caught:
                store.get_versioning("bucket")
            assert caught.value.attempts == 1


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_child_of_a_fork_has_connections_of_its_own() -> None:
    with Scripted(keep_answering(ok(VERSIONED.encode()))) as server:
        with store_at(server.origin) as store:
            assert store.get_versioning("bucket") is True

            def ask() -> None:
                assert store.get_versioning("bucket") is True

            run_in_fork(ask)
            assert store.get_versioning("bucket") is True
        assert server.connections == 2


# --- secrets --------------------------------------------------------------------------------------


TOKEN, SECRET = "token-that-is-secret", "key-that-is-secret"
ROLE = f"""<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>
<Credentials><AccessKeyId>TEMPORARY</AccessKeyId><SecretAccessKey>{SECRET}</SecretAccessKey>
<SessionToken>{TOKEN}</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>
</AssumeRoleResult></AssumeRoleResponse>"""


def test_nothing_secret_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    keys: Any = {"secret_key": Secret(SECRET), "session_token": Secret(TOKEN)}
    with ScriptedServer(lambda _: Say()) as server, store_at(server.url, **keys) as store:
        for verb in VERBS.values():
            verb(store)
        assert len(server.asked) == len(VERBS)
        signatures = [
            asked.headers["authorization"].partition("Signature=")[2] for asked in server.asked
        ]
        for secret in (SECRET, TOKEN, *signatures):
            assert secret not in caplog.text
        # What a user asks boto3 is the user's: logged as ever, after our calls as before them.
        store.native.list_buckets()
    assert TOKEN in caplog.text, "boto3 does not log what this test looks for"


def test_nothing_secret_is_logged_by_the_chain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    shared_credentials(tmp_path, monkeypatch, "SOURCE")
    (tmp_path / "config").write_text(
        "[profile assumed]\nrole_arn = arn:aws:iam::123456789012:role/x\nsource_profile = default\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_PROFILE", "assumed")
    with ScriptedServer(lambda asked: Say(body=ROLE if asked.method == "POST" else "")) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", server.url)
        with Store(S3Config(endpoint=server.url, preset="aws")) as store:
            store.create_object("bucket", "k", b"x")
            assert store.get_tags("bucket", "k") == {}
            assert [key_of(asked) for asked in server.asked] == ["SOURCE", "TEMPORARY", "TEMPORARY"]
            assert SECRET not in caplog.text
            assert TOKEN not in caplog.text
            store.native.list_buckets()
        assert SECRET in caplog.text, "boto3 does not log what this test looks for"


def test_other_threads_log_as_before(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with quiet("botocore"):
        other = threading.Thread(target=logging.getLogger("botocore.auth").debug, args=("theirs",))
        other.start()
        other.join()
        logging.getLogger("botocore.auth").debug("ours")
        logging.getLogger("botocore.auth").warning("a warning")
    assert [record.message for record in caplog.records] == ["theirs", "a warning"]
