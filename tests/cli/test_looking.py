"""Commands that only look: ls, cat, stat, du, find, presign, uploads, check."""

from __future__ import annotations

from datetime import datetime

import pytest

from cloudstore import Store

from .program import SECRET, Program

OBJECT = ["type", "address", "bucket", "key", "size", "last_modified", "etag"]


@pytest.fixture(autouse=True)
def objects(dev: Store) -> None:
    dev.create_object("media", "a.txt", "text", metadata={"lang": "en"}, cache_control="no-store")
    dev.create_objects(
        "media", {"css/main.css": b"body {}", "css/x/y.css": b"", "cssx": b"12", "*": b"star"}
    )


def test_ls_lists_buckets_folders_and_objects(cli: Program) -> None:
    assert cli("ls", "dev:").lines == ["dev:media"]
    assert cli("ls", "dev:media").lines == ["css/", "*", "a.txt", "cssx"]
    assert cli("ls", "dev:media/css").lines == ["x/", "main.css"]
    assert cli("ls", "-r", "dev:media/css/").lines == ["main.css", "x/y.css"]
    assert cli("ls", "dev:media/a.txt").lines == ["a.txt"]
    sized = cli("ls", "-l", "dev:media/a.txt", "dev:").lines
    assert sized[0].split()[:2] == ["4", "B"]
    assert sized[1].endswith("  dev:media")


def test_ls_knows_patterns_and_keys_that_look_like_one(cli: Program) -> None:
    assert cli("ls", "dev:media/*.txt", "dev:media/**/*.css").lines == [
        "a.txt",
        "css/main.css",
        "css/x/y.css",
    ]
    assert cli("ls", "-r", "dev:media/c*").lines == ["css/main.css", "css/x/y.css", "cssx"]
    assert cli("ls", "--no-glob", "dev:media/*").lines == ["*"]


def test_ls_has_stable_records(cli: Program) -> None:
    prefix, *others = cli("ls", "--json", "dev:media").records
    assert prefix == {"type": "prefix", "address": "dev:media/css/", "bucket": "media", "key": "css/"}
    assert [list(record) for record in others] == [OBJECT] * 3
    assert (others[1]["address"], others[1]["size"]) == ("dev:media/a.txt", 4)
    assert datetime.fromisoformat(others[1]["last_modified"]).tzinfo is not None
    [bucket] = cli("ls", "--json", "dev:").records
    assert (bucket["type"], bucket["address"]) == ("bucket", "dev:media")


def test_a_terminal_obeys_no_key(cli: Program, dev: Store) -> None:
    dev.create_object("media", "evil/\x1b[31mred\n", b"")
    assert cli("ls", "dev:media/evil").lines == ["\\x1b[31mred\\n"]
    assert cli("ls", "--json", "dev:media/evil").records[0]["key"] == "evil/\x1b[31mred\n"


def test_cat_writes_bytes_one_after_the_other(cli: Program, dev: Store) -> None:
    dev.create_object("media", "raw", bytes(range(128)))
    assert cli("cat", "dev:media/a.txt", "dev:media/raw").out == "text" + bytes(range(128)).decode()
    assert cli("cat", "dev:media/css/*.css").out == "body {}"
    assert cli("cat", "--no-glob", "dev:media/*").out == "star"


def test_stat_shows_all(cli: Program) -> None:
    [record] = cli.within("stat", "--json", "dev:media/a.txt").records
    assert list(record)[:7] == OBJECT
    assert record["metadata"] == {"lang": "en"}
    assert (record["cache_control"], record["content_type"]) == (
        "no-store",
        "text/plain; charset=utf-8",
    )
    shown = cli.within("stat", "dev:media/a.txt").out
    assert "lang = en" in shown
    assert "4 (4 B)" in shown
    assert cli.within("stat", "--json", "dev:media").records[0]["type"] == "bucket"
    assert [r["key"] for r in cli.within("stat", "--json", "dev:media/css*").records] == ["cssx"]


def test_du_counts_what_is_within_and_not_what_begins_so(cli: Program) -> None:
    def counted(*addresses: str) -> list[tuple[str, int, int]]:
        records = cli.within("du", "--json", *addresses).records
        return [(r["address"], r["objects"], r["size"]) for r in records]

    assert counted("dev:") == [("dev:media", 5, 17)]
    assert counted("dev:media/css", "dev:media/a.txt") == [
        ("dev:media/css", 2, 7),
        ("dev:media/a.txt", 1, 4),
    ]
    assert counted("dev:media/c*") == [("dev:media/css/", 2, 7), ("dev:media/cssx", 1, 2)]
    assert "5 objects  dev:media" in cli.within("du", "dev:media").out


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (["--name", "*.css"], ["dev:media/css/main.css", "dev:media/css/x/y.css"]),
        (["--larger", "4"], ["dev:media/css/main.css"]),
        (["--smaller", "1", "--name", "y*"], ["dev:media/css/x/y.css"]),
        (["--newer", "1h", "--name", "a*"], ["dev:media/a.txt"]),
        (["--older", "1h"], []),
        (["--newer", "2099-01-01"], []),
    ],
)
def test_find_finds_by_name_size_and_age(cli: Program, options: list[str], found: list[str]) -> None:
    assert cli.within("find", "dev:media", *options).lines == found


def test_find_has_records(cli: Program) -> None:
    assert [list(record) for record in cli.within("find", "--json", "dev:media/css").records] == [
        OBJECT
    ] * 2


def test_presign_prints_a_url(cli: Program) -> None:
    profile = cli.folder / "cloudstore.toml"
    profile.write_text(
        '[dev]\nprovider = "file"\nroot = "store"\npublic_url = "http://127.0.0.1:1"\n'
        f'secret_key = "{SECRET}"\n'
    )
    assert cli.within("presign", "dev:media/a.txt").out.startswith("http://127.0.0.1:1/")
    [record] = cli.within(
        "presign", "--json", "--method", "put", "--expires", "15m", "dev:media/a.txt"
    ).records
    assert list(record) == ["type", "address", "method", "url", "headers", "expires_at"]
    assert record["method"] == "PUT"


def test_uploads_are_listed(cli: Program, dev: Store) -> None:
    begun = dev.create_multipart_upload("media", "big")
    [record] = cli.within("uploads", "--json", "dev:media").records
    assert list(record) == ["type", "address", "bucket", "key", "upload_id", "started_at"]
    assert record["upload_id"] == begun.ref.upload_id
    assert begun.ref.upload_id in cli.within("uploads", "dev:media/b").out
    assert cli.within("uploads", "dev:media/c").out == ""


def test_check_says_what_works(cli: Program) -> None:
    shown = cli.within("check", "dev:").out
    assert "ok     buckets: signed in; 1 buckets" in shown
    assert "put_if_absent" in shown
    records = cli.within("check", "--json", "dev:media").records
    assert [r.get("check") for r in records] == ["profile", "store", "bucket", "listing", None]
    assert all(record["ok"] for record in records[:-1])
    assert "copy" in records[-1]["supported"]
    assert "cdn" in records[-1]["unsupported"]


def test_check_says_what_is_wrong_and_what_to_do(cli: Program) -> None:
    ran = cli.within("check", "dev:none", expect=1)
    assert "wrong  bucket: check its name" in ran.out
    assert "no such bucket" in ran.err
    [*_, wrong] = cli.within("check", "--json", "dev:none", expect=1).records
    assert (wrong["check"], wrong["ok"]) == ("bucket", False)
    assert wrong["advice"]
