"""What the contract does not know of Qiniu: its traps and limits, its hosts, what a CDN hides."""

from __future__ import annotations

import json
import threading
import zlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudstore import (
    BucketNotEmptyError,
    ChecksumMismatchError,
    CloudStoreError,
    ConfigError,
    InvalidArgumentError,
    ObjectAlreadyExistsError,
    PreconditionFailedError,
    QiniuConfig,
    QuotaExceededError,
    RetryPolicy,
    Secret,
    Store,
    StoreFactory,
    TooLargeError,
    TransportError,
    UnexpectedResponseError,
    UnsupportedError,
)
from cloudstore.bodies import BytesPayload
from cloudstore.capabilities import Limits
from cloudstore.providers.qiniu_messages import FormPayload
from cloudstore.testing.qiniu import (
    FaultPlan,
    QiniuLimits,
    QiniuQuirks,
    QiniuSimulator,
    ServerFault,
)
from tests.qiniu.harness import config_of
from tests.s3.scripted import Asked, Say, ScriptedServer

MIB = 1024 * 1024
QUICK = RetryPolicy(attempts=3, base_delay=0.001)


@pytest.fixture
def own() -> Iterator[QiniuSimulator]:
    """A simulator whose faults and quotas are one test's."""
    with QiniuSimulator(faults=FaultPlan()) as simulator:
        yield simulator


@pytest.fixture
def store(own: QiniuSimulator) -> Iterator[Store]:
    with Store(config_of(own, retry=QUICK)) as ours:
        ours.create_bucket("media")
        yield ours


def kept(qiniu: QiniuSimulator, bucket: str = "media") -> list[str]:
    """Every key, the library's own too."""
    return [key.decode() for key in qiniu.storage.bucket(bucket).keys]


# --- writes that are to create --------------------------------------------------------------------


def test_same_bytes_again_do_not_count_as_created(store: Store) -> None:
    store.create_object("media", "k", b"same", metadata={"a": "1"})
    with pytest.raises(ObjectAlreadyExistsError) as caught:
        store.create_object("media", "k", b"same", metadata={"a": "2"}, if_absent=True)
    assert caught.value.outcome == "not_applied"
    assert store.get_metadata("media", "k") == {"a": "1"}


def test_same_bytes_in_parts_do_not_count_as_created(store: Store) -> None:
    first, second = (store.create_multipart_upload("media", "k", metadata={"a": n}) for n in "12")
    for upload in (first, second):
        upload.upload_part(1, b"same")
    first.complete(if_absent=True)
    with pytest.raises(ObjectAlreadyExistsError):
        second.complete(if_absent=True)
    assert store.get_metadata("media", "k") == {"a": "1"}


def test_same_bytes_do_not_count_as_copied(store: Store, own: QiniuSimulator) -> None:
    store.create_object("media", "k", b"same", metadata={"a": "1"})
    store.create_object("media", "l", b"same")
    with pytest.raises(ObjectAlreadyExistsError):
        store.copy_object("media", "l", "media", "k", if_absent=True)
    assert store.get_metadata("media", "k") == {"a": "1"}
    assert kept(own) == ["k", "l"], "the changed copy was left behind"


def test_of_many_who_create_the_same_one_did(store: Store) -> None:
    outcomes: list[bool] = []

    def create(index: int) -> None:
        try:
            store.create_object("media", "k", b"same", metadata={"by": str(index)}, if_absent=True)
            outcomes.append(True)
        except ObjectAlreadyExistsError:
            outcomes.append(False)

    threads = [threading.Thread(target=create, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == [False] * 7 + [True]


@pytest.mark.parametrize("size", [0, 10, 100_000])
def test_created_although_the_answer_was_lost(store: Store, own: QiniuSimulator, size: int) -> None:
    own.faults.add(ServerFault(method="POST", path="/", lose_answer=True, times=1))
    store.create_object("media", "k", b"x" * size, if_absent=True)
    assert store.head_object("media", "k").size == size
    assert own.faults.hits == 1


def test_changed_copy_although_the_answer_to_its_move_was_lost(
    store: Store, own: QiniuSimulator
) -> None:
    store.create_object("media", "k", b"data", metadata={"a": "1"})
    own.faults.add(ServerFault(method="POST", path="/move/", lose_answer=True, times=1))
    store.copy_object("media", "k", "media", "l", metadata={"b": "2"})
    assert store.get_metadata("media", "l") == {"b": "2"}
    assert kept(own) == ["k", "l"]


@pytest.mark.parametrize("step", ["/copy/", "/chgm/", "/chtype/", "/move/"])
def test_copy_that_fails_changes_nothing_and_leaves_nothing(
    store: Store, own: QiniuSimulator, step: str
) -> None:
    store.create_object("media", "k", b"data")
    store.create_object("media", "l", b"old")
    own.faults.add(ServerFault(method="POST", path=step, status=400))
    with pytest.raises(CloudStoreError) as caught:
        store.copy_object("media", "k", "media", "l", content_type="a/b", storage_class="ARCHIVE_IR")
    assert caught.value.outcome == "not_applied"
    assert store.get_object("media", "l").read() == b"old"
    assert kept(own) == ["k", "l"]


# --- what is stored beside the bytes --------------------------------------------------------------


def test_expiry_is_in_whole_days_and_never_rounded(store: Store) -> None:
    for seconds in (1.0, 3600.0, 86_401.0, 86_400.5):
        with pytest.raises(InvalidArgumentError, match="86400"):
            store.create_object("media", "k", b"", expires_in=seconds)
    assert store.object_exists("media", "k") is False
    for verb in ("put", "parts", "copy"):
        if verb == "put":
            store.create_object("media", "k", b"", expires_in=timedelta(days=3))
        elif verb == "parts":
            upload = store.create_multipart_upload("media", "k", expires_in=timedelta(days=3))
            upload.upload_part(1, b"x")
            upload.complete()
        else:
            store.copy_object("media", "k", "media", "k", expires_in=timedelta(days=3))
        found = store.head_object("media", "k")
        assert found.expires_at is not None, verb
        assert found.last_modified is not None
        assert timedelta(days=3) <= found.expires_at - found.last_modified < timedelta(days=4)
        store.create_object("media", "k", b"")
        assert store.head_object("media", "k").expires_at is None


def test_steps_of_two_drivers_are_both_kept() -> None:
    def both(first: int, second: int) -> int:
        return (Limits(expires_step=first) & Limits(expires_step=second)).expires_step

    assert [both(0, 0), both(0, 5), both(5, 0), both(4, 6)] == [0, 5, 5, 12]


def test_storage_classes_have_names(store: Store, own: QiniuSimulator) -> None:
    before = own.counts.total()
    with pytest.raises(InvalidArgumentError, match="ARCHIVE_IR"):
        store.create_object("media", "k", b"", storage_class="GLACIER")
    assert own.counts.total() == before, "something was sent"
    store.create_object("media", "k", b"", storage_class="ARCHIVE_IR")
    assert store.head_object("media", "k").storage_class == "ARCHIVE_IR"
    [listed] = store.get_all_objects("media")
    assert getattr(listed, "storage_class", None) == "ARCHIVE_IR"
    store.copy_object("media", "k", "media", "l", storage_class="STANDARD")
    assert store.head_object("media", "l").storage_class == "STANDARD"


@pytest.mark.parametrize("key", ["page.html", "photo.jpg", "k"])
def test_content_type_is_what_was_said_and_not_what_the_name_says(store: Store, key: str) -> None:
    for kind in ("application/octet-stream", "text/x-made-up; charset=utf-8"):
        store.create_object("media", key, b"<html>", content_type=kind)
        assert store.head_object("media", key).content_type == kind
        assert store.get_object("media", key).content_type == kind


def test_metadata_stands_in_letters_that_qiniu_allows(store: Store, own: QiniuSimulator) -> None:
    wanted = {
        "plain": "a b/c",
        "empty": "",
        "looks": "=u=eA==",
        "gone": "=x=",
        "wide": "日本",
        "two": "a  b",
    }
    store.create_object("media", "k", b"", metadata=wanted)
    stored = own.storage.find("media", "k").metadata
    allowed = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.+/-;=,_ ")
    assert all(set(value) <= allowed and value for value in stored.values())
    assert stored["plain"] == "a b/c"
    assert store.get_metadata("media", "k") == wanted
    assert store.get_object("media", "k").metadata == wanted


def test_removed_metadata_is_a_mark_that_nobody_sees(store: Store, own: QiniuSimulator) -> None:
    store.create_object("media", "k", b"data", metadata={"a": "1", "b": "2"})
    assert store.set_metadata("media", "k", {"a": None, "c": "3"}) == {"b": "2", "c": "3"}
    assert store.get_metadata("media", "k") == {"b": "2", "c": "3"}
    assert store.get_object("media", "k").metadata == {"b": "2", "c": "3"}
    assert own.storage.find("media", "k").metadata["a"] == "=x="
    assert store.set_metadata("media", "k", {"a": "4"}, replace=True) == {"a": "4"}
    assert store.get_metadata("media", "k") == {"a": "4"}
    store.copy_object("media", "k", "media", "l", metadata={"z": "9"})
    assert store.get_metadata("media", "l") == {"z": "9"}


def test_headers_that_others_stored_are_kept(store: Store, own: QiniuSimulator) -> None:
    store.create_object("media", "k", b"data", metadata={"a": "1"})
    headers = {
        "Cache-Control": "no-store",
        "Content-Disposition": "inline",
        "Content-Encoding": "x-own",
    }
    own.storage.change("media", "k", headers=headers)
    store.set_metadata("media", "k", {"a": "2"})
    store.copy_object("media", "k", "media", "plain")
    store.copy_object("media", "k", "media", "changed", metadata={"b": "3"})
    for key in ("k", "plain", "changed"):
        assert own.storage.find("media", key).headers == headers
        assert store.get_object("media", key).content_encoding == "x-own"
        about = store.head_object("media", key)
        assert (about.content_encoding, about.cache_control, about.content_disposition) == (None,) * 3


@pytest.mark.parametrize("name", ["content_encoding", "cache_control", "content_disposition"])
def test_headers_that_could_not_be_read_back_are_refused(
    store: Store, own: QiniuSimulator, name: str
) -> None:
    store.create_object("media", "k", b"data")
    before = own.counts.total()
    options: Any = {name: "x"}
    with pytest.raises(UnsupportedError):
        store.create_object("media", "l", b"data", **options)
    with pytest.raises(UnsupportedError):
        store.create_multipart_upload("media", "l", **options)
    with pytest.raises(UnsupportedError):
        store.copy_object("media", "k", "media", "l", **options)
    assert own.counts.total() == before, "something was sent"


def test_metadata_is_counted_as_it_is_sent(store: Store, own: QiniuSimulator) -> None:
    before = own.counts.total()
    with pytest.raises(TooLargeError):
        store.create_object("media", "k", b"", metadata={"a": "ä" * 400})
    assert own.counts.total() == before, "something was sent"


def test_change_of_metadata_is_of_the_object_that_was_looked_at(
    store: Store, own: QiniuSimulator
) -> None:
    etag = store.create_object("media", "k", b"data").etag
    assert etag is not None
    store.set_metadata("media", "k", {"a": "1"}, if_match=etag)
    with pytest.raises(PreconditionFailedError):
        store.set_metadata("media", "k", {"a": "2"}, if_match="another")
    own.faults.add(ServerFault(method="POST", path="/chgm/", status=608, times=1))
    with pytest.raises(PreconditionFailedError):
        store.set_metadata("media", "k", {"a": "2"}, if_match=etag)
    own.faults.add(ServerFault(method="POST", path="/chgm/", status=608, times=1))
    assert store.set_metadata("media", "k", {"a": "3"}) == {"a": "3"}


# --- reading --------------------------------------------------------------------------------------


def test_small_objects_are_verified_by_their_hash(store: Store) -> None:
    store.create_object("media", "k", b"data")
    found = store.get_object("media", "k")
    assert found.read() == b"data"
    assert found.verified_by == "sha1"
    checksums = store.head_object("media", "k").checksums
    assert {"sha1", "md5"} == set(checksums)


def test_parts_of_another_size_make_a_hash_that_proves_nothing(qiniu: QiniuSimulator) -> None:
    with Store(config_of(qiniu)) as store:
        store.create_bucket("odd-parts")
        upload = store.create_multipart_upload("odd-parts", "k")
        upload.upload_part(1, b"x" * MIB)
        upload.upload_part(2, b"y")
        upload.complete()
        found = store.get_object("odd-parts", "k")
        assert found.read() == b"x" * MIB + b"y"
        assert found.verified_by is None
        store.delete_bucket("odd-parts", force=True)


@pytest.mark.parametrize("ignores", [False, True])
@pytest.mark.parametrize("cached", [False, True])
def test_reads_pass_a_cache_by_unless_it_ignores_queries(ignores: bool, cached: bool) -> None:
    quirks = QiniuQuirks(cdn_seconds=600, cdn_ignores_query=ignores)
    with QiniuSimulator(quirks=quirks) as qiniu, Store(config_of(qiniu, cached_reads=cached)) as store:
        qiniu.create_bucket("media")
        store.create_object("media", "k", b"old")
        assert store.get_object("media", "k").read() == b"old"
        new = store.create_object("media", "k", b"new").etag
        read = store.get_object("media", "k").read()
        # With a cache allowed, addresses differ by the second that they are signed in.
        stale = ignores or (cached and read == b"old")
        assert read == (b"old" if stale else b"new")
        assert cached or ignores or read == b"new"
        assert store.head_object("media", "k").etag == new
        if stale:
            with pytest.raises(PreconditionFailedError):
                store.get_object("media", "k", if_match=new)
        else:
            assert store.get_object("media", "k", if_match=new).read() == b"new"


def test_conditions_hold_where_a_cache_ignores_them() -> None:
    def answer(asked: Asked) -> Say:
        return Say(200, b"data", {"etag": '"e"', "last-modified": "Wed, 21 Oct 2015 07:28:00 GMT"})

    with ScriptedServer(answer) as server, store_on(server) as store:
        with pytest.raises(PreconditionFailedError):
            store.get_object("media", "k", if_match="f")
        with pytest.raises(CloudStoreError) as caught:
            store.get_object("media", "k", if_none_match="e")
        assert caught.value.kind == "not_modified"
        assert store.get_object("media", "k", if_match="e").read() == b"data"


# --- buckets, domains, hosts ----------------------------------------------------------------------


def store_on(server: ScriptedServer, **options: Any) -> Store:
    given: dict[str, Any] = {
        "access_key": "a",
        "secret_key": Secret("very-secret"),
        "endpoint": server.url,
        "up": server.url,
        "rs": server.url,
        "rsf": server.url,
        "cdn": server.url,
        "domain": server.url,
        "retry": QUICK,
    }
    return Store(QiniuConfig(**(given | options)))


def test_new_bucket_is_private_and_a_full_one_stays(store: Store, own: QiniuSimulator) -> None:
    assert own.storage.bucket("media").private
    assert store.get_acl("media") == "private"
    store.create_object("media", "k", b"")
    with pytest.raises(BucketNotEmptyError):
        store.delete_bucket("media")
    assert own.counts["POST /drop"] == 0, "Qiniu might have deleted the objects"


def test_bucket_that_cannot_be_closed_is_not_left_open(store: Store, own: QiniuSimulator) -> None:
    own.faults.add(ServerFault(method="POST", path="/private", status=400))
    with pytest.raises(InvalidArgumentError):
        store.create_bucket("open-bucket")
    own.faults.clear()
    assert store.bucket_exists("open-bucket") is False


def test_bucket_is_closed_although_the_answer_to_its_making_was_lost(
    store: Store, own: QiniuSimulator
) -> None:
    own.faults.add(ServerFault(method="POST", path="/mkbucketv3", lose_answer=True, times=1))
    store.create_bucket("closed-bucket")
    assert own.storage.bucket("closed-bucket").private


def test_hosts_are_asked_for_once(store: Store, own: QiniuSimulator) -> None:
    for number in range(3):
        store.create_object("media", str(number), b"")
        store.get_object("media", str(number)).close()
    assert own.counts["GET /v4"] == 1
    assert own.counts["GET /v2"] == 1


def test_hosts_are_asked_for_again_when_their_time_is_up() -> None:
    asked_for: list[str] = []
    now = [1000.0]

    class Clock:
        now = staticmethod(lambda: now[0])
        monotonic = staticmethod(lambda: now[0])

    def answer(asked: Asked) -> Say:
        asked_for.append(asked.path)
        host = server.url.removeprefix("http://")
        hosts = {name: {"domains": [host]} for name in ("up", "rs", "rsf", "io_src")}
        said = {"hosts": [{"region": "z0", "ttl": 100, **hosts}]} if asked.path == "/v4/query" else {}
        return Say(200, json.dumps(said), {"x-reqid": "r", "etag": '"e"'})

    with ScriptedServer(answer) as server, store_on(server, up=None, rs=None, rsf=None) as store:
        store._operations._clock = Clock()
        for moment in (1000.0, 1099.0, 1101.0):
            now[0] = moment
            with pytest.raises(CloudStoreError):
                store.head_object("media", "k")
        assert asked_for.count("/v4/query") == 2
    assert "ak=a&bucket=media" in [asked.query for asked in server.asked if asked.path == "/v4/query"]


def test_source_domain_of_the_region_is_read_from_where_none_is_configured() -> None:
    def answer(asked: Asked) -> Say:
        host = server.url.removeprefix("http://")
        if asked.path == "/v4/query":
            hosts = {name: {"domains": ["nowhere.invalid"]} for name in ("up", "rs", "rsf")}
            said = {"hosts": [{"region": "z0", **hosts, "io_src": {"domains": [host]}}]}
            return Say(200, json.dumps(said), {"x-reqid": "r"})
        return Say(200, b"data", {"etag": '"e"', "x-reqid": "r"})

    with (
        ScriptedServer(answer) as server,
        store_on(server, up=None, rs=None, rsf=None, domain=None) as store,
    ):
        assert store.get_object("media", "k").read() == b"data"
        assert [asked.path for asked in server.asked] == ["/v4/query", "/k"]


def test_domain_of_each_bucket(own: QiniuSimulator) -> None:
    for name in ("one", "two", "more"):
        own.create_bucket(name)
    text = f"one=http://{own.domain('one')}, two={own.domain('two')}, http://{own.domain('more')}"
    with Store(config_of(own, domain=text)) as store:
        for name in ("one", "two", "more"):
            store.create_object(name, "k", name.encode())
            assert store.get_object(name, "k").read() == name.encode()
    assert own.counts["GET /v2"] == 0


def test_domain_that_stands_for_many_is_passed_over(store: Store, own: QiniuSimulator) -> None:
    store.create_object("media", "k", b"data")
    own.storage.bucket("media").domains.insert(0, ".wild.example")
    assert store.get_object("media", "k").read() == b"data"


def test_bucket_without_a_domain_says_what_to_do(store: Store, own: QiniuSimulator) -> None:
    store.create_object("media", "k", b"")
    own.storage.bucket("media").domains.clear()
    with pytest.raises(ConfigError, match=r"bind one, or give domain=.*30 days"):
        store.get_object("media", "k")
    with pytest.raises(ConfigError):
        store.presign("media", "k")
    assert store.head_object("media", "k").size == 0


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"hosts": []},
        {"hosts": [7]},
        {"hosts": [{"region": "z0"}]},
        {"hosts": [{"up": {"domains": []}, "rs": {}, "rsf": None}]},
        {"hosts": [{n: {"domains": ["a/b@c"]} for n in ("up", "rs", "rsf")}]},
        {"hosts": [{n: {"domains": [7]} for n in ("up", "rs", "rsf")}]},
        [],
    ],
    ids=json.dumps,
)
def test_region_that_makes_no_sense(said: Any) -> None:
    def answer(asked: Asked) -> Say:
        return Say(200, json.dumps(said), {"x-reqid": "r"})

    with ScriptedServer(answer) as server, store_on(server, up=None) as store:
        with pytest.raises(UnexpectedResponseError):
            store.head_object("media", "k")
        assert {asked.path for asked in server.asked} == {"/v4/query"}


@pytest.mark.parametrize(
    "options",
    [
        {"access_key": "a"},
        {"secret_key": "b"},
        {},
        {"access_key": "a", "secret_key": "b", "endpoint": "uc.example"},
        {"access_key": "a", "secret_key": "b", "up": "https://up.example/path"},
        {"access_key": "a", "secret_key": "b", "domain": "https://d.example/path"},
        {"access_key": "a", "secret_key": "b", "domain": "one=two=three"},
        {"access_key": "a", "secret_key": "b", "region": "z0/x"},
    ],
    ids=str,
)
def test_configuration_that_cannot_work(options: dict[str, str]) -> None:
    with pytest.raises(ConfigError):
        StoreFactory.create("qiniu", **options)  # type: ignore[arg-type]


def test_keys_come_from_the_environment(own: QiniuSimulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QINIU_ACCESS_KEY", own.access_key)
    monkeypatch.setenv("QINIU_SECRET_KEY", own.secret_key)
    for made in (
        StoreFactory.create(f"qiniu:?endpoint={own.api_url}"),
        Store(QiniuConfig(endpoint=own.api_url)),
    ):
        with made as store:
            assert store.get_all_buckets() == []


# --- access ---------------------------------------------------------------------------------------


def test_form_of_others_is_held_to_its_policy(store: Store) -> None:
    options = {"qiniu": {"insertOnly": 1, "fsizeMin": 2, "returnBody": '{"size":$(fsize)}'}}
    form = store.presign_post("media", "k", max_size=10, vendor_options=options)
    with pytest.raises(InvalidArgumentError, match="callbackUrl"):
        store.presign_post("media", "k", vendor_options={"qiniu": {"callbackURL": "x"}})
    with pytest.raises(InvalidArgumentError, match="presign_post"):
        store.create_object("media", "k", b"", vendor_options={"qiniu": {"insertOnly": 1}})
    with pytest.raises(InvalidArgumentError, match="presign_post"):
        store.get_object("media", "k", vendor_options={"qiniu": {"insertOnly": 1}})
    from cloudstore.testing.conformance.presigning import send_form

    assert send_form(form, b"x")[0] == 403
    assert send_form(form, b"x" * 11)[0] == 413
    status, _, body = send_form(form, b"x" * 5)
    assert (status, json.loads(body)) == (200, {"size": 5})
    assert send_form(form, b"y" * 5)[0] == 614
    store.presign_post("media", "k", vendor_options={"s3": {"whatever": "it is another vendor's"}})


@pytest.mark.parametrize("disposition", ["inline", 'attachment; filename="a b"', "attachment"])
def test_disposition_that_qiniu_cannot_say_is_refused(store: Store, disposition: str) -> None:
    with pytest.raises(UnsupportedError):
        store.presign("media", "k", content_disposition=disposition)


def test_cdn_is_told_in_batches_and_its_refusals_are_errors() -> None:
    limits = QiniuLimits(refresh_urls_a_day=50, prefetch_urls_a_day=30)
    quirks = QiniuQuirks(cdn_seconds=600, cdn_ignores_query=True)
    with QiniuSimulator(limits=limits, quirks=quirks) as qiniu, Store(config_of(qiniu)) as store:
        domain = qiniu.create_bucket("media")
        store.create_object("media", "k", b"old")
        store.get_object("media", "k").close()
        store.create_object("media", "k", b"new")
        assert store.get_object("media", "k").read() == b"old"
        url = f"http://{domain}/k"
        store.purge_cdn([url])
        assert store.get_object("media", "k").read() == b"new"
        store.purge_cdn([f"http://{domain}/{n}" for n in range(45)])
        assert qiniu.counts["POST /v2"] == 4
        store.prefetch_cdn([url])
        with pytest.raises(QuotaExceededError) as caught:
            store.purge_cdn([f"http://{domain}/{n}" for n in range(5)])
        assert (caught.value.code, caught.value.outcome) == ("400034", "not_applied")
        with pytest.raises(QuotaExceededError) as caught:
            store.prefetch_cdn([f"http://{domain}/{n}" for n in range(40)])
        assert caught.value.outcome == "unknown", "the first twenty were taken"
        with pytest.raises(InvalidArgumentError) as refused:
            store.purge_cdn(["http://another.example/k"])
        assert refused.value.code == "400032"


# --- forms ----------------------------------------------------------------------------------------


@given(st.binary(max_size=60), st.integers(0, 700), st.integers(0, 700), st.text(max_size=10))
def test_form_reads_the_same_in_pieces(data: bytes, offset: int, length: int, value: str) -> None:
    value = value.encode("utf-8", "ignore").decode()
    form = FormPayload("b", {"key": value}, "a/b", BytesPayload(data))
    form.sign("token-1")
    whole = form.read(0, form.size)
    assert whole.count(b"token-1") == 1
    assert len(whole) == form.size
    offset = min(offset, form.size)
    length = min(length, form.size - offset)
    assert form.read(offset, length) == whole[offset : offset + length]
    before = form.digest("crc32")
    form.sign("token-22")
    again = form.read(0, form.size)
    assert again == whole.replace(b"token-1", b"token-22")
    assert before == f"{zlib.crc32(whole):08x}"
    assert form.digest("crc32") == f"{zlib.crc32(again):08x}"


def test_file_is_not_read_into_memory(store: Store, tmp_path: Path) -> None:
    import tracemalloc

    source = tmp_path / "source"
    with source.open("wb") as out:
        for _ in range(24):
            out.write(b"x" * MIB)
    reads: list[int] = []

    class Watched(BytesPayload):
        def read(self, offset: int, length: int) -> bytes | memoryview:
            reads.append(length)
            return super().read(offset, length)

    form = FormPayload("b", {}, "a/b", Watched(b"x" * 4 * MIB))
    form.sign("t")
    for at in range(0, form.size, 256 * 1024):
        form.read(at, min(256 * 1024, form.size - at))
    assert max(reads) <= 256 * 1024
    tracemalloc.start()
    try:
        store.create_object_from_file("media", "k", source)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # The simulator, which is in this process, holds the form once as it comes and the file once.
    assert peak < 3 * 24 * MIB
    assert store.head_object("media", "k").size == 24 * MIB


def test_each_attempt_has_a_token_of_its_own() -> None:
    answers = [503, 200]
    now = iter(range(1_700_000_000, 1_700_100_000, 1000))

    def answer(asked: Asked) -> Say:
        return Say(answers.pop(0), json.dumps({"hash": "h"}), {"x-reqid": "r"})

    class Clock:
        now = staticmethod(lambda: float(next(now)))
        monotonic = staticmethod(lambda: 0.0)

    with ScriptedServer(answer) as server, store_on(server) as store:
        store._operations._clock = Clock()
        store.create_object("media", "k", b"data")
        first, second = (asked.body for asked in server.asked)
        assert len(first) == len(second)
        assert first != second
        assert first.endswith(second[-60:])


# --- reads that break off -------------------------------------------------------------------------


def test_read_goes_on_where_it_broke_off(store: Store, own: QiniuSimulator) -> None:
    data = bytes(range(256)) * 8000
    store.create_object("media", "k", data)
    own.faults.add(ServerFault(method="GET", path="/k", cut_after=700_000, times=2))
    found = store.get_object("media", "k")
    assert found.read() == data
    assert found.verified_by == "sha1"
    assert own.faults.hits == 2


def test_read_never_mixes_two_objects(store: Store, own: QiniuSimulator) -> None:
    store.create_object("media", "k", b"old" * 700_000)
    own.faults.add(ServerFault(method="GET", path="/k", cut_after=700_000, times=1))
    found = store.get_object("media", "k")
    store.create_object("media", "k", b"new" * 700_000)
    with pytest.raises(TransportError):
        found.read()


def test_bytes_that_are_not_those_of_the_hash_are_not_handed_out() -> None:
    etag = "Fh8xVqod2MQ1mocfI4S4KpRL6D98"  # of other bytes

    def answer(asked: Asked) -> Say:
        return Say(200, b"hello w0rld!", {"etag": f'"{etag}"', "x-reqid": "r"})

    with (
        ScriptedServer(answer) as server,
        store_on(server) as store,
        pytest.raises(ChecksumMismatchError),
    ):
        store.get_object("media", "k").read()
