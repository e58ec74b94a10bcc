"""Parts keep their ends from one vendor to another, as ETags and manifests say."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from cloudstore import S3Config, Store, SwiftConfig, TransferConfig
from cloudstore.driver import Request
from cloudstore.model import GetOptions
from cloudstore.providers.s3 import S3Driver
from cloudstore.providers.swift import SwiftDriver
from tests.mirrors.buckets import bucket_of
from tests.servers.ministack_server import Ministack
from tests.servers.swift_server import Swift
from tests.swift.harness import config_of as swift_config_of

MIB = 1024 * 1024
SOURCE, TARGET = "boundaries-source", "boundaries-target"
OWN = TransferConfig(part_size=6 * MIB, multipart_threshold=8 * MIB)
"""Of a target: what it would cut at where nobody told it otherwise."""
DATA = b"".join(hashlib.sha256(b"%d" % n).digest() for n in range(32 * MIB // 32))


def etag_of(data: bytes, part: int) -> str:
    """Of an object in parts: the MD5 of the parts' MD5s, and how many there are."""
    digests = [hashlib.md5(data[n : n + part]).digest() for n in range(0, len(data), part)]
    return f"{hashlib.md5(b''.join(digests)).hexdigest()}-{len(digests)}"


@pytest.fixture(scope="module")
def s3(ministack: Ministack) -> Iterator[Store]:
    with bucket_of(ministack.s3_config(region="eu-west-1"), SOURCE) as store:
        yield store


@pytest.fixture(scope="module")
def other_s3(second_ministack: Ministack) -> Iterator[Store]:
    with bucket_of(second_ministack.s3_config(transfer=OWN), TARGET) as store:
        yield store


@pytest.fixture(scope="module")
def swift_store(swift: Swift) -> Iterator[Store]:
    with bucket_of(replace(swift_config_of(swift), transfer=OWN), SOURCE) as store:
        yield store


def written(store: Store, key: str, size: int, part: int) -> bytes:
    """An object in parts of this size."""
    data = DATA[:size]
    upload = store.create_multipart_upload(SOURCE, key)
    for number, start in enumerate(range(0, size, part), 1):
        upload.upload_part(number, data[start : start + part])
    upload.complete()
    return data


def copied(source: Store, key: str, target: Store, bucket: str = TARGET, **options: Any) -> str:
    """Copies it, compares the bytes, and returns the ETag of the copy."""
    source.bucket(SOURCE).copy_to(key, target.bucket(bucket), **options)
    found = target.get_object(bucket, key)
    assert found.read() == source.get_object(SOURCE, key).read()
    assert found.etag is not None
    return found.etag


def stated(store: Store, bucket: str, key: str) -> int | None:
    """What the driver says of an object."""
    ctx = store._context("tests", bucket, key, None)
    info = store._run(ctx, store._driver.head_object(ctx, bucket, key, GetOptions()))
    return store._run(ctx, store._driver.part_size(ctx, bucket, key, info))


def sizes_of_segments(store: Store, bucket: str, key: str) -> list[int]:
    """As Swift itself says them."""
    _, manifest = store.native.get_object(bucket, key, query_string="multipart-manifest=get")
    return [row["bytes"] for row in json.loads(manifest)]


# --- S3 ---


@pytest.mark.parametrize(("size", "part"), [(12 * MIB, 5 * MIB), (31 * MIB - 3, 5 * MIB)])
def test_a_copy_between_accounts_of_s3_has_the_same_etag(
    s3: Store, other_s3: Store, size: int, part: int
) -> None:
    """ministack ignores ``partNumber`` of HeadObject: only one whole number of MiB makes such parts."""
    data = written(s3, "k", size, part)
    assert copied(s3, "k", other_s3, if_absent=True) == etag_of(data, part)
    assert s3.head_object(SOURCE, "k").etag == etag_of(data, part)
    other_s3.delete_object(TARGET, "k")


def test_a_mirror_keeps_the_etag(s3: Store, other_s3: Store) -> None:
    data = written(s3, "m/k", 12 * MIB, 5 * MIB)
    summary = s3.bucket(SOURCE, prefix="m/").mirror_to(other_s3.bucket(TARGET, prefix="m/"))
    assert summary.copied == 1
    assert other_s3.head_object(TARGET, "m/k").etag == etag_of(data, 5 * MIB)


def test_what_a_service_does_not_say_and_several_sizes_make_is_not_guessed(
    s3: Store, other_s3: Store
) -> None:
    data = written(s3, "several", 13 * MIB, 7 * MIB)
    assert stated(s3, SOURCE, "several") is None
    assert copied(s3, "several", other_s3) == etag_of(data, 6 * MIB)


def test_an_object_of_one_part_is_cut_as_ever(s3: Store, other_s3: Store) -> None:
    data = written(s3, "one", 13 * MIB, 13 * MIB)
    assert s3.head_object(SOURCE, "one").etag == etag_of(data, 13 * MIB)
    assert stated(s3, SOURCE, "one") is None
    assert copied(s3, "one", other_s3) == etag_of(data, 6 * MIB)


def unlike(store: Store, key: str) -> bytes:
    """An object in parts of several sizes."""
    upload = store.create_multipart_upload(SOURCE, key)
    for number, (start, end) in enumerate(((0, 11), (11, 16), (16, 21)), 1):
        upload.upload_part(number, DATA[start * MIB : end * MIB])
    upload.complete()
    return DATA[: 21 * MIB]


def test_parts_of_several_sizes_are_not_kept(s3: Store, swift_store: Store, other_s3: Store) -> None:
    for source in (s3, swift_store):
        data = unlike(source, "unlike")
        assert stated(source, SOURCE, "unlike") is None
        assert copied(source, "unlike", other_s3) == etag_of(data, 6 * MIB)


def test_parts_that_the_service_states(swift: Swift, other_s3: Store) -> None:
    """Swift's S3 interface answers HeadObject with ``partNumber``; arithmetic could not tell."""
    with bucket_of(swift.s3_config(), SOURCE + "-s3") as source:
        upload = source.create_multipart_upload(SOURCE + "-s3", "k")
        upload.upload_part(1, DATA[: 7 * MIB])
        upload.upload_part(2, DATA[7 * MIB : 13 * MIB])
        upload.complete()
        assert stated(source, SOURCE + "-s3", "k") == 7 * MIB
        source.bucket(SOURCE + "-s3").copy_to("k", other_s3.bucket(TARGET), "stated")
        assert other_s3.head_object(TARGET, "stated").etag == etag_of(DATA[: 13 * MIB], 7 * MIB)


# --- Swift ---


def test_segments_of_swift_become_parts_of_s3(swift_store: Store, other_s3: Store) -> None:
    data = written(swift_store, "segments", 13 * MIB, 5 * MIB)
    assert copied(swift_store, "segments", other_s3) == etag_of(data, 5 * MIB)


def test_parts_of_s3_become_segments_of_swift(s3: Store, swift_store: Store) -> None:
    written(s3, "parts", 12 * MIB, 5 * MIB)
    copied(s3, "parts", swift_store, SOURCE)
    assert sizes_of_segments(swift_store, SOURCE, "parts") == [5 * MIB, 5 * MIB, 2 * MIB]


def test_what_other_tools_made_in_parts(swift_store: Store, other_s3: Store) -> None:
    """Segments in any container are kept, ranges of objects are not; nor are listed ones (DLO)."""
    native, container = swift_store.native, "boundaries-of-others"
    native.put_container(container)
    try:
        for number in range(3):
            native.put_object(container, f"s/{number}", DATA[number * 4 * MIB : (number + 1) * 4 * MIB])
        rows = [{"path": f"/{container}/s/{number}"} for number in range(3)]
        ranged = [*rows[:2], {**rows[2], "range": f"0-{MIB - 1}"}]
        for key, named in (("plain", rows), ("ranged", ranged)):
            native.put_object(SOURCE, key, json.dumps(named), query_string="multipart-manifest=put")
        native.put_object(SOURCE, "listed", b"", headers={"x-object-manifest": f"{container}/s/"})
        assert stated(swift_store, SOURCE, "plain") == 4 * MIB
        assert stated(swift_store, SOURCE, "ranged") is None
        assert stated(swift_store, SOURCE, "listed") is None
        for key, size in (("plain", 12), ("ranged", 9), ("listed", 12)):
            assert copied(swift_store, key, other_s3) == etag_of(DATA[: size * MIB], 6 * MIB)
    finally:
        for number in range(3):
            native.delete_object(container, f"s/{number}")
        native.delete_container(container)


# --- what it costs ---


class Sending:
    """Writes down what it sends."""

    sent: list[str]

    def authorize(self, request: Request, credentials: Any, now: float) -> Mapping[str, str]:
        self.sent.append(request.method)
        signed: Mapping[str, str] = super().authorize(request, credentials, now)  # type: ignore[misc]
        return signed


class SentByS3(Sending, S3Driver):
    """An S3 driver."""


class SentBySwift(Sending, SwiftDriver):
    """A Swift driver."""


def recording(config: S3Config | SwiftConfig) -> SentByS3 | SentBySwift:
    made = SentByS3(config) if isinstance(config, S3Config) else SentBySwift(config)
    made.sent = []
    return made


@pytest.mark.parametrize("vendor", ["s3", "swift"])
@pytest.mark.parametrize(
    ("size", "sent"),
    [(100, ["GET"]), (8 * MIB, ["GET"]), (12 * MIB, ["GET", "GET"])],
    ids=["tiny", "small", "large"],
)
def test_an_object_in_one_piece_is_not_asked_for_its_parts(
    ministack: Ministack, swift: Swift, other_s3: Store, vendor: str, size: int, sent: list[str]
) -> None:
    config = ministack.s3_config() if vendor == "s3" else swift_config_of(swift)
    name = f"costs-{vendor}-{size}"
    driver = recording(config)
    with Store(driver) as source:
        source.create_bucket(name)
        source.create_object(name, "k", DATA[:size])
        driver.sent.clear()
        source.bucket(name).copy_to("k", other_s3.bucket(TARGET), "cost")
        assert driver.sent == sent
        assert other_s3.get_object(TARGET, "cost").read() == DATA[:size]
        source.delete_bucket(name, force=True)


def test_an_object_in_parts_is_asked_once(ministack: Ministack, other_s3: Store) -> None:
    driver = recording(ministack.s3_config(region="eu-west-1"))
    with Store(driver) as source:
        source.create_bucket(SOURCE + "-asked")
        upload = source.create_multipart_upload(SOURCE + "-asked", "k")
        for number in (1, 2, 3):
            upload.upload_part(number, DATA[(number - 1) * 5 * MIB : min(number * 5, 12) * MIB])
        upload.complete()
        driver.sent.clear()
        source.bucket(SOURCE + "-asked").copy_to("k", other_s3.bucket(TARGET), "asked")
        assert driver.sent == ["GET", "HEAD", "GET", "GET"]
        source.delete_bucket(SOURCE + "-asked", force=True)
