"""Qiniu's own SDK does all that it can do with the simulator, region query and all."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import qiniu
import requests
from qiniu import Auth, BucketManager, CdnManager
from qiniu.http.default_client import qn_http_client
from qiniu.services.storage.upload_progress_recorder import UploadProgressRecorder
from qiniu.services.storage.uploaders import FormUploader, ResumeUploaderV1, ResumeUploaderV2

from cloudstore.testing.qiniu import QiniuClock, QiniuSimulator

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

BLOCK = 4 * 1024 * 1024
BIG = bytes(range(256)) * 4096 * 9 + b"the end"
DAY = 86400


class World:
    """The SDK, set up as a user of Qiniu sets it up, but for where Qiniu is."""

    def __init__(self, simulator: QiniuSimulator, folder: Path) -> None:
        qiniu.config.set_default(default_uc_host=simulator.api_url)
        self.simulator = simulator
        self.folder = folder
        self.auth = Auth(simulator.access_key, simulator.secret_key)
        self.buckets = BucketManager(self.auth)
        self.recorder = UploadProgressRecorder(str(folder))
        answer, _ = self.buckets.mkbucketv3("media", "z0")
        assert answer == {}

    def token(self, key: str | None = None, **policy: object) -> Any:
        return self.auth.upload_token("media", key, policy=policy)

    def url(self, key: str) -> str:
        domains, _ = self.buckets.bucket_domain("media")
        return f"http://{domains[0]}/{key}"

    def read(self, key: str) -> bytes:
        with requests.get(self.url(key), timeout=20) as response:
            assert response.status_code == 200
            return response.content


@pytest.fixture
def world(sdk_folder: Path) -> Iterator[World]:
    with QiniuSimulator(clock=QiniuClock()) as simulator:
        yield World(simulator, sdk_folder)
    qn_http_client.session.close()


def test_buckets(world: World) -> None:
    buckets = world.buckets
    assert buckets.mkbucketv3("media", "z0")[1].status_code == 614
    assert buckets.mkbucketv3("other", "z1")[0] == {}
    assert buckets.buckets()[0] == ["media", "other"]
    assert [one["tbl"] for one in buckets.list_bucket("z1")[0]] == ["other"]
    assert buckets.bucket_info("other")[0]["region"] == "z1"
    assert buckets.bucket_info("none")[1].status_code == 631
    assert buckets.change_bucket_permission("media", "1")[0] == {}
    assert buckets.bucket_info("media")[0]["private"] == 1


def test_form_uploads(world: World, tmp_path: Path) -> None:
    metadata = {"x-qn-meta-colour": "dark red"}
    answer, info = qiniu.put_data(
        world.token(), "a/b c+ü.txt", b"hello", mime_type="text/plain", metadata=metadata
    )
    assert answer == {"hash": "Fqr0xh3cxeii2r7eDztILNmuqUNN", "key": "a/b c+ü.txt"}, info
    about, _ = world.buckets.stat("media", "a/b c+ü.txt")
    assert (about["fsize"], about["mimeType"], about["type"]) == (5, "text/plain", 0)
    assert about["hash"] == answer["hash"]
    assert about["x-qn-meta"] == {"colour": "dark red"}
    assert about["md5"] == "5d41402abc4b2a76b9719d911017c592"

    assert qiniu.put_data(world.token(), None, b"unnamed")[0]["key"].startswith("F")
    empty = FormUploader("media").upload("empty", data=io.BytesIO(b""), up_token=world.token())
    assert empty[0]["key"] == "empty"
    assert world.buckets.stat("media", "empty")[0]["fsize"] == 0

    small = tmp_path / "small.css"
    small.write_bytes(b"p {}")
    assert qiniu.put_file_v2(world.token(), "s", str(small), mime_type="")[0]["key"] == "s"
    assert world.buckets.stat("media", "s")[0]["mimeType"] == "text/css"


def test_form_uploads_that_clash(world: World) -> None:
    qiniu.put_data(world.token(), "a", b"one")
    assert qiniu.put_data(world.token(), "a", b"two")[1].status_code == 614
    assert qiniu.put_data(world.token(), "a", b"one")[1].status_code == 200
    assert qiniu.put_data(world.token("a"), "a", b"two")[1].status_code == 200
    assert qiniu.put_data(world.token("a", insertOnly=1), "a", b"six")[1].status_code == 614
    assert world.read("a") == b"two"


def test_uploads_in_parts(world: World, tmp_path: Path) -> None:
    file = tmp_path / "big.bin"
    file.write_bytes(BIG)
    known = qiniu.etag(str(file))
    recorded = {"upload_progress_recorder": world.recorder}

    def check(done: tuple[Any, Any], key: str, of_blocks: bool) -> None:
        answer, info = done
        assert info.status_code == 200, info
        assert answer["key"] == key
        assert (answer["hash"] == known) == of_blocks
        assert world.read(key) == BIG

    check(qiniu.put_file_v2(world.token(), "file2", str(file), **recorded), "file2", True)
    other = qiniu.put_file_v2(world.token(), "file", str(file), part_size=BLOCK // 2, **recorded)
    check(other, "file", False)
    check(qiniu.put_file(world.token(), "file1", str(file), **recorded), "file1", True)
    size = len(BIG)
    done = qiniu.put_stream_v2(world.token(), "s2", io.BytesIO(BIG), "n", size, **recorded)
    check(done, "s2", True)
    check(qiniu.put_stream(world.token(), "s1", io.BytesIO(BIG), "n", size, **recorded), "s1", True)
    named = ResumeUploaderV2("media", part_size=BLOCK)
    done = named.upload(
        "named",
        file_path=str(file),
        mime_type="video/mp4",
        metadata={"x-qn-meta-a": "b"},
        up_token=world.token("named"),
        part_size=BLOCK,
    )
    check(done, "named", True)
    about, _ = world.buckets.stat("media", "named")
    assert (about["mimeType"], about["x-qn-meta"]) == ("video/mp4", {"a": "b"})
    older = ResumeUploaderV1("media")
    done = older.upload(
        "older",
        file_path=str(file),
        metadata={"x-qn-meta-a": "b"},
        up_token=world.token("older"),
    )
    check(done, "older", True)
    assert world.buckets.stat("media", "older")[0]["x-qn-meta"] == {"a": "b"}


def test_the_answer_of_a_policy(world: World) -> None:
    policy = {"returnBody": '{"k":$(key),"s":$(fsize),"x":$(x:a),"n":"$(fname)"}'}
    answer, _ = qiniu.put_data(
        world.token(**policy), "k", b"12345", params={"x:a": 'b"c'}, fname="f.txt"
    )
    assert answer == {"k": "k", "s": 5, "x": 'b"c', "n": "f.txt"}


def test_objects(world: World) -> None:
    buckets = world.buckets
    buckets.mkbucketv3("other", "z0")
    for key in ("a", "b/1", "b/2", "c"):
        qiniu.put_data(world.token(), key, key.encode())
    assert buckets.copy("media", "a", "other", "a")[0] == {}
    assert buckets.copy("media", "c", "other", "a")[1].status_code == 614
    assert buckets.copy("media", "c", "other", "a", force="true")[0] == {}
    assert buckets.move("media", "a", "media", "d")[0] == {}
    assert buckets.rename("media", "d", "e")[0] == {}
    assert buckets.stat("media", "a")[1].status_code == 612
    assert buckets.delete("media", "a")[1].status_code == 612
    assert buckets.change_mime("media", "e", "image/png")[0] == {}
    assert buckets.change_type("media", "e", 1)[0] == {}
    assert buckets.change_status("media", "e", 1, {"mime": "image/png"})[0] == {}
    about, _ = buckets.stat("media", "e")
    assert (about["mimeType"], about["type"], about["status"]) == ("image/png", 1, 1)
    assert buckets.set_object_lifecycle("media", "e", to_line_after_days=3)[0] == {}
    assert "transitionToIA" in buckets.stat("media", "e")[0]
    assert buckets.delete("media", "e")[0] == {}


def test_archives(world: World) -> None:
    buckets = world.buckets
    qiniu.put_data(world.token(fileType=2), "old", b"old")
    with requests.get(world.url("old"), timeout=20) as response:
        assert response.status_code == 403
    assert buckets.restore_ar("media", "old", 1)[0] == {}
    assert buckets.stat("media", "old")[0]["restoreStatus"] == 2
    assert world.read("old") == b"old"
    world.simulator.clock.advance(DAY + 1)
    assert "restoreStatus" not in buckets.stat("media", "old")[0]


def test_listings(world: World) -> None:
    keys = [f"{folder}/{at}" for folder in "abc" for at in range(3)]
    for key in keys:
        qiniu.put_data(world.token(), key, b"-")
    page, is_end, _ = world.buckets.list("media", limit=5)
    assert not is_end
    assert [item["key"] for item in page["items"]] == keys[:5]
    rest, is_end, _ = world.buckets.list("media", marker=page["marker"], limit=5)
    assert is_end
    assert [item["key"] for item in rest["items"]] == keys[5:]
    page, _, _ = world.buckets.list("media", delimiter="/")
    assert page["commonPrefixes"] == ["a/", "b/", "c/"]
    page, _, _ = world.buckets.list("media", prefix="b/")
    assert [item["key"] for item in page["items"]] == keys[3:6]


def test_batches(world: World) -> None:
    for key in "ab":
        qiniu.put_data(world.token(), key, key.encode())
    stats, info = world.buckets.batch(qiniu.build_batch_stat("media", ["a", "b"]))
    assert info.status_code == 200
    assert [one["data"]["fsize"] for one in stats] == [1, 1]
    copies = qiniu.build_batch_copy("media", {"a": "a2", "b": "b2"}, "media")
    assert [one["code"] for one in world.buckets.batch(copies)[0]] == [200, 200]
    moves = qiniu.build_batch_move("media", {"a2": "b2"}, "media", force="true")
    assert [one["code"] for one in world.buckets.batch(moves)[0]] == [200]
    _, info = world.buckets.batch(qiniu.build_batch_delete("media", ["a", "b", "none"]))
    assert info.status_code == 298
    assert [one["code"] for one in info.json()] == [200, 200, 612]


def test_expiry(world: World) -> None:
    qiniu.put_data(world.token(deleteAfterDays=1), "short", b"-")
    qiniu.put_data(world.token(), "longer", b"-")
    world.buckets.delete_after_days("media", "longer", 5)
    world.simulator.clock.advance(2 * DAY)
    assert world.buckets.stat("media", "short")[1].status_code == 612
    about, _ = world.buckets.stat("media", "longer")
    assert about["expiration"] % DAY == DAY - 8 * 3600
    world.simulator.clock.advance(4 * DAY)
    assert world.buckets.stat("media", "longer")[1].status_code == 612


def test_private_downloads(world: World) -> None:
    qiniu.put_data(world.token(), "ü 1", b"private")
    world.buckets.change_bucket_permission("media", "1")
    url = world.url("%C3%BC%201")
    with requests.get(url, timeout=20) as refused:
        assert refused.status_code == 401
    with requests.get(world.auth.private_download_url(url, 60), timeout=20) as response:
        assert response.content == b"private"


def test_the_cdn(world: World) -> None:
    cdn = CdnManager(world.auth)
    cdn.server = world.simulator.api_url
    qiniu.put_data(world.token(), "a", b"-")
    answer, _ = cdn.refresh_urls_and_dirs([world.url("a")], [world.url("b/")])
    assert (answer["code"], answer["urlSurplusDay"], answer["dirSurplusDay"]) == (200, 499, 9)
    answer, _ = cdn.prefetch_urls([world.url("a")])
    assert (answer["code"], answer["surplusDay"]) == (200, 99)


def test_the_region_is_asked_for_once_and_cached_where_the_test_says(world: World) -> None:
    qiniu.put_data(world.token(), "a", b"-")
    world.buckets.stat("media", "a")
    assert world.simulator.counts["management GET /v4"] == 1
    cached = (world.folder / "regions-cache.jsonl").read_text()
    assert world.simulator.upload_host in cached
