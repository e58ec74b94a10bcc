"""Commands that write: cp, mv, rm, mb, rb, sync, abort; and that none does with --dry-run."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from cloudstore import Store

from .program import Program

LARGE = bytes(range(256)) * 4096


def keys(store: Store, bucket: str = "media") -> list[str]:
    return sorted(found.key for found in store.get_all_objects(bucket))


def everything(folder: Path) -> dict[str, str]:
    """All files there are, the stores' too, and what is in them."""
    files = (file for file in folder.rglob("*") if file.is_file())
    return {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


# --- cp ---


def test_cp_goes_up_and_down(cli: Program, dev: Store) -> None:
    cli.write("a.html", LARGE)
    assert cli("cp", "a.html", "dev:media/b.html").lines == ["copy a.html -> dev:media/b.html"]
    found = dev.get_object("media", "b.html")
    assert (found.read(), found.content_type) == (LARGE, "text/html")
    cli("cp", "dev:media/b.html", "new/c.html")
    assert cli.tree("new") == {"c.html": LARGE}
    [record] = cli("cp", "--json", "a.html", "dev:media").records
    assert record == {
        "action": "copy",
        "source": "a.html",
        "target": "dev:media/a.html",
        "size": len(LARGE),
        "dry_run": False,
    }


def test_cp_goes_through_pipes(cli: Program, dev: Store) -> None:
    assert cli("cp", "-", "dev:media/in.json", stdin=LARGE).out == "copy - -> dev:media/in.json\n"
    assert dev.head_object("media", "in.json").content_type == "application/json"
    dev.create_object("media", "text", "text")
    assert cli("cp", "dev:media/text", "-").out == "text"
    ran = cli("cp", "-", "dev:media/", stdin=b"x", expect=2)
    assert "whole key" in ran.err


def test_cp_takes_many_and_tells_each(cli: Program, dev: Store) -> None:
    cli.write("a")
    cli.write("b")
    ran = cli("cp", "a", "b", "dev:media/to/")
    assert sorted(ran.lines) == ["copy a -> dev:media/to/a", "copy b -> dev:media/to/b"]
    cli("cp", "dev:media/to/a", "dev:media/to/b", "here")
    assert sorted(cli.tree("here")) == ["a", "b"]
    assert cli("cp", "-q", "a", "dev:media").out == ""
    assert keys(dev) == ["a", "to/a", "to/b"]


def test_of_two_sources_of_one_name_none_is_lost(cli: Program, dev: Store) -> None:
    for name in ("a/x", "b/x", "a/d/x", "b/d/x"):
        cli.write(name, name)
    assert "target of another source" in cli("mv", "a/x", "b/x", "dev:media", expect=3).err
    assert cli.tree("b")["x"] == b"b/x"
    cli("mv", "-r", "a/d", "b/d", "dev:media", expect=3)
    assert cli.tree("b")["d/x"] == b"b/d/x"


def test_cp_of_a_pattern_to_a_pipe_is_in_order(cli: Program, dev: Store) -> None:
    texts = {f"t/{number:02}": f"{number}," * 2000 for number in range(30)}
    dev.create_objects("media", texts)
    assert cli("cp", "dev:media/t/*", "-").out == "".join(texts.values())


def test_cp_copies_folders_whole(cli: Program, dev: Store) -> None:
    tree = {"a": b"1", ".hidden": b"2", "d/e/f": b"3"}
    for path, data in tree.items():
        cli.write(f"site/{path}", data)
    [record] = cli("cp", "-r", "--json", "site", "dev:media/web").records
    assert (record["files"], record["size"], record["failed"]) == (3, 3, 0)
    assert keys(dev) == ["web/.hidden", "web/a", "web/d/e/f"]
    cli("cp", "-r", "dev:media/web/", "back")
    assert cli.tree("back") == tree
    cli.write("one")
    cli("cp", "-r", "site", "one", "dev:media/many")
    assert keys(dev)[:4] == ["many/one", "many/site/.hidden", "many/site/a", "many/site/d/e/f"]


def test_cp_within_a_store_and_between_stores_keeps_what_is_beside(
    cli: Program, dev: Store, other: Store
) -> None:
    dev.create_object(
        "media",
        "d/a",
        LARGE,
        content_type="text/css",
        content_encoding="gzip",
        cache_control="no-store",
        content_disposition="inline",
        metadata={"lang": "zh"},
    )
    cli("cp", "dev:media/d/a", "dev:media/d/b")
    cli("cp", "dev:media/d/a", "other:backup/one")
    assert cli("cp", "-r", "dev:media/d", "other:backup/all").out.endswith(": 2 files, 2.0 MiB\n")
    assert cli("cp", "-r", "dev:media/d", "dev:media/e").out.endswith(": 2 files, 2.0 MiB\n")
    for key in ("one", "all/a", "all/b"):
        found = other.get_object("backup", key)
        assert found.read() == LARGE
        assert (found.content_type, found.content_encoding) == ("text/css", "gzip")
        assert (found.cache_control, found.content_disposition) == ("no-store", "inline")
        assert found.metadata == {"lang": "zh"}
    assert keys(dev) == ["d/a", "d/b", "e/a", "e/b"]


def test_cp_knows_patterns(cli: Program, dev: Store) -> None:
    dev.create_objects("media", {"l/1/a.log": b"", "l/2/a.log": b"", "l/b.log": b"", "l/*.log": b"x"})
    cli("cp", "dev:media/l/**/a.log", "out")
    assert sorted(cli.tree("out")) == ["1/a.log", "2/a.log"]
    cli("cp", "-r", "dev:media/l/[12]", "out2")
    assert sorted(cli.tree("out2")) == ["1/a.log", "2/a.log"]
    cli("cp", "--no-glob", "dev:media/l/*.log", "star")
    assert cli.tree(".")["star"] == b"x"
    assert "nothing matches" in cli("cp", "dev:media/none*", "out", expect=1).err
    assert "only folders match" in cli("cp", "dev:media/*", "out", expect=1).err


def test_cp_lets_no_key_out_of_a_folder(cli: Program, dev: Store) -> None:
    dev.create_objects("media", {"d/../../evil": b"", "d/good": b""})
    ran = cli("cp", "-r", "dev:media/d", "deep/out", expect=3)
    assert cli.tree("deep") == {"out/good": b""}
    assert len(ran.err.splitlines()) == 1
    cli("cp", "dev:media/d/**", "deep/out2", expect=3)
    assert cli.tree("deep/out2") == {"good": b""}
    assert not (cli.folder / "evil").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["a", "b"], "one of both is in a store"),
        (["dev:media/a", "dev:media/a"], "source and target"),
        (["-r", "dev:media/a", "dev:media/a/b"], "is within"),
        (["-r", "-", "dev:media/a"], "no folder"),
        (["-r", "dev:media/a", "-"], "no folder"),
        (["--resume", "dev:media/a", "other:backup/a"], "--resume is for single files"),
        (["a", "dev:"], "names no bucket"),
        (["dev:", "a"], "names no bucket"),
        (["s3://media/a", "b"], "PROFILE:media/a"),
        (["a"], "TARGET"),
        (["--nope", "a", "dev:media"], "--nope"),
    ],
)
def test_cp_refuses_what_makes_no_sense(cli: Program, arguments: list[str], said: str) -> None:
    ran = cli.within("cp", *arguments, expect=2)
    assert said in ran.err
    assert ran.out == ""


# --- mv ---


def test_mv_deletes_the_source_after_success(cli: Program, dev: Store, other: Store) -> None:
    cli.write("a", b"1")
    assert cli("mv", "a", "dev:media/a").lines == ["move a -> dev:media/a"]
    assert not (cli.folder / "a").exists()
    cli("mv", "dev:media/a", "dev:media/b")
    cli("mv", "dev:media/b", "other:backup/c")
    assert (keys(dev), keys(other, "backup")) == ([], ["c"])
    [record] = cli("mv", "--json", "other:backup/c", "d").records
    assert (record["action"], record["size"]) == ("move", 1)
    assert cli.tree(".")["d"] == b"1"
    assert keys(other, "backup") == []


def test_mv_keeps_the_source_where_it_fails(cli: Program, dev: Store) -> None:
    cli.write("a", b"1")
    cli("mv", "a", "dev:none/a", expect=1)
    assert (cli.folder / "a").exists()
    dev.create_object("media", "b", b"2")
    cli.write("folder/x")
    cli("mv", "dev:media/b", "a/impossible", expect=1)
    cli("mv", "-r", "dev:media", "a/impossible", expect=1)
    assert keys(dev) == ["b"]


def test_mv_never_deletes_the_only_copy(cli: Program, dev: Store) -> None:
    with (cli.folder / "cloudstore.toml").open("a") as file:
        file.write('[again]\nprovider = "file"\nroot = "store"\n')
    dev.create_objects("media", {"d/a": b"1", "b": b"2"})
    assert "source and target" in cli("mv", "dev:media/b", "dev:media", expect=1).err
    assert "same object" in cli("mv", "dev:media/b", "again:media/b", expect=1).err
    assert "same folder" in cli("mv", "-r", "dev:media/d", "again:media/d", expect=1).err
    assert keys(dev) == ["b", "d/a"]
    cli("cp", "-r", "dev:media/d", "again:media/d/e")
    cli("cp", "store/media/b", "dev:media/b")
    cli("mv", "store/media/b", "dev:media/b", expect=1)
    assert keys(dev) == ["b", "d/a", "d/e/a"]


def test_mv_moves_folders(cli: Program, dev: Store, other: Store) -> None:
    for path in ("m/a", "m/.b", "m/d/c"):
        cli.write(path, path)
    assert "3 files" in cli("mv", "-r", "m", "dev:media/m").out
    assert not (cli.folder / "m").exists()
    cli("mv", "-r", "dev:media/m", "dev:media/n")
    assert keys(dev) == ["n/.b", "n/a", "n/d/c"]
    cli("mv", "-r", "dev:media/n", "other:backup/n")
    assert keys(dev) == []
    cli("mv", "-r", "other:backup/n", "back")
    assert cli.tree("back") == {"a": b"m/a", ".b": b"m/.b", "d/c": b"m/d/c"}
    assert keys(other, "backup") == []


def test_mv_keeps_what_could_not_be_copied(cli: Program, dev: Store) -> None:
    dev.create_objects("media", {"d/../evil": b"1", "d/good": b"2"})
    cli("mv", "-r", "dev:media/d", "out", expect=3)
    assert keys(dev) == ["d/../evil"]
    cli.write("m/good")
    (cli.folder / "m" / "broken").symlink_to("nowhere")
    (cli.folder / "m" / "link").symlink_to(cli.folder / "out")
    ran = cli("mv", "-r", "m", "dev:media/m", expect=3)
    assert "broken" in ran.err
    assert sorted(path.name for path in (cli.folder / "m").iterdir()) == ["broken", "link"]
    assert (cli.folder / "out" / "good").exists()


# --- rm, mb, rb ---


def test_rm_deletes_objects(cli: Program, dev: Store) -> None:
    dev.create_objects("media", dict.fromkeys(("a", "b", "d/1", "d/2", "d2", "*", "e", "e/1"), b""))
    assert cli("rm", "dev:media/a").lines == ["delete dev:media/a"]
    assert cli("rm", "--json", "dev:media/b").records == [
        {"action": "delete", "target": "dev:media/b", "dry_run": False}
    ]
    cli("rm", "--no-glob", "dev:media/*")
    cli("rm", "-r", "dev:media/d", "dev:media/e")
    assert keys(dev) == ["d2"]
    cli("rm", "dev:media/d?")
    assert keys(dev) == []
    assert "no such object" in cli("rm", "dev:media/a", expect=1).err


def test_rm_deletes_many(cli: Program, dev: Store) -> None:
    dev.create_objects("media", {f"{number:04}": b"" for number in range(1100)})
    assert len(cli("rm", "-r", "dev:media").lines) == 1100
    assert keys(dev) == []
    assert cli("rm", "-r", "dev:media").out == ""


def test_rm_of_a_folder_wants_to_be_told(cli: Program, dev: Store) -> None:
    dev.create_objects("media", {"d/1": b"", "d/2": b""})
    for address in ("dev:media", "dev:media/d/"):
        assert "--recursive" in cli("rm", address, expect=2).err
    cli("rm", "dev:media/d", expect=1)
    assert "only folders match" in cli("rm", "dev:media/*", expect=1).err
    assert len(keys(dev)) == 2
    cli("rm", "-r", "dev:media/*")
    assert keys(dev) == []


def test_mb_and_rb(cli: Program, dev: Store) -> None:
    assert cli("mb", "dev:new", "dev:new2").lines == ["make bucket dev:new", "make bucket dev:new2"]
    cli("mb", "dev:new", expect=1)
    [record] = cli("rb", "--json", "dev:new").records
    assert record == {"action": "remove_bucket", "target": "dev:new", "dry_run": False}
    dev.create_object("media", "a", b"")
    cli("rb", "dev:media", expect=1)
    cli("rb", "--force", "dev:media")
    assert [bucket.name for bucket in dev.get_all_buckets()] == ["new2"]
    assert cli("mb", "--json", "dev:x").records[0]["action"] == "make_bucket"


# --- sync ---


def test_sync_goes_both_ways(cli: Program, dev: Store) -> None:
    for path in ("s/a", "s/b/c", "s/.h", "s/x.tmp"):
        cli.write(path, path)
    ran = cli("sync", "s", "dev:media/s", "--ignore", "*.tmp")
    assert ran.out == "sync s -> dev:media/s: 2 uploaded, 2 ignored, 0 alike; 8 B sent\n"
    assert keys(dev) == ["s/a", "s/b/c"]
    [record] = cli("sync", "--json", "--include-hidden", "s", "dev:media/s").records
    assert (record["uploaded"], record["duplicate"]) == (2, 2)
    cli("sync", "dev:media/s", "t", "--include-hidden")
    assert cli.tree("t") == cli.tree("s")
    dev.delete_object("media", "s/a")
    cli("sync", "--delete", "--include-hidden", "dev:media/s", "t")
    assert sorted(cli.tree("t")) == [".h", "b/c", "x.tmp"]


def test_sync_compares_as_it_is_told(cli: Program, dev: Store) -> None:
    dev.create_object("media", "s/a", b"old!")
    cli.write("s/a", b"new!", age=3600)
    assert "1 alike" in cli("sync", "s", "dev:media/s").out
    assert "1 older" in cli("sync", "--checksum", "s", "dev:media/s").out
    assert "1 uploaded" in cli("sync", "--checksum", "--overwrite-newer", "s", "dev:media/s").out
    assert dev.get_object("media", "s/a").read() == b"new!"


def test_mirror_makes_buckets_alike(cli: Program, dev: Store, other: Store) -> None:
    dev.create_objects("media", {"s/a": b"1", "s/b/c": b"2", "s/x.tmp": b"3", "t": b"4"})
    other.create_object("backup", "m/surplus", b"5")
    ran = cli("mirror", "dev:media/s", "other:backup/m", "--ignore", "*.tmp")
    said = "mirror dev:media/s -> other:backup/m: 2 copied, 1 ignored, 0 alike; 2 B sent\n"
    assert ran.out == said
    assert [found.key for found in other.iter_objects("backup")] == ["m/a", "m/b/c", "m/surplus"]  # type: ignore[union-attr]
    [record] = cli("mirror", "--json", "--delete", "dev:media/s", "other:backup/m").records
    assert (record["action"], record["copied"], record["deleted"]) == ("mirror", 1, 1)
    cli.within("mirror", "dev:media/s", "folder", expect=2)
    cli.within("mirror", "dev:media", "dev:", expect=2)
    cli.within("mirror", "dev:media", "dev:media", expect=1)
    cli.within("mirror", "dev:media", "other:none", expect=1)


@pytest.mark.parametrize(
    "pair", [("a", "b"), ("dev:media/a", "dev:media/b"), ("a", "dev:"), ("-", "dev:media")]
)
def test_sync_is_between_here_and_a_store(cli: Program, pair: tuple[str, str]) -> None:
    cli.within("sync", *pair, expect=2)


# --- abort ---


def test_abort_aborts_the_old_ones(cli: Program, dev: Store) -> None:
    begun = dev.create_multipart_upload("media", "big")
    assert cli("abort", "dev:media").out == ""
    [record] = cli("abort", "--json", "--dry-run", "--older-than", "0s", "dev:media").records
    assert record["dry_run"] is True
    [record] = cli("abort", "--json", "--older-than", "0s", "dev:media").records
    assert (record["action"], record["upload_id"]) == ("abort", begun.ref.upload_id)
    assert dev.list_multipart_uploads("media") == []


# --- --dry-run ---


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["cp", "f/a", "dev:media/new"], ["would copy f/a -> dev:media/new"]),
        (["cp", "-r", "f", "dev:media/new"], ["would copy f/a -> dev:media/new/a"]),
        (["cp", "dev:media/a", "new/a"], ["would copy dev:media/a -> new/a"]),
        (["cp", "-r", "dev:media/d", "new"], ["would copy dev:media/d/1 -> new/1"]),
        (["cp", "-r", "dev:media/d", "other:backup"], ["would copy dev:media/d/1 -> other:backup/1"]),
        (["mv", "f/a", "dev:media/new"], ["would move f/a -> dev:media/new"]),
        (["mv", "-r", "f", "dev:media/new"], ["would move f/a -> dev:media/new/a"]),
        (["mv", "-r", "dev:media/d", "dev:media/e"], ["would move dev:media/d/1 -> dev:media/e/1"]),
        (["rm", "dev:media/a"], ["would delete dev:media/a"]),
        (["rm", "-r", "dev:media"], ["would delete dev:media/a", "would delete dev:media/d/1"]),
        (["mb", "dev:new"], ["would make bucket dev:new"]),
        (["rb", "--force", "dev:media"], ["would remove bucket dev:media"]),
        (
            ["sync", "--delete", "f", "dev:media/d"],
            [
                "would upload f/a -> dev:media/d/a (1 B)",
                "would delete dev:media/d/1",
                "would sync f -> dev:media/d: 1 uploaded, 1 deleted, 0 alike; 0 B sent",
            ],
        ),
        (
            ["mirror", "--delete", "dev:media/d", "other:backup/x"],
            [
                "would copy dev:media/d/1 -> other:backup/x/1 (1 B)",
                "would mirror dev:media/d -> other:backup/x: 1 copied, 0 alike; 0 B sent",
            ],
        ),
    ],
    ids=lambda value: " ".join(value) if " " not in value[0] else "",
)
def test_a_dry_run_says_what_would_be_done_and_changes_nothing(
    cli: Program, dev: Store, other: Store, arguments: list[str], said: list[str]
) -> None:
    dev.create_objects("media", {"a": b"1", "d/1": b"2"})
    cli.write("f/a")
    before = everything(cli.folder)
    assert cli.within(arguments[0], "--dry-run", *arguments[1:]).lines == said
    assert everything(cli.folder) == before


def test_a_dry_run_has_records(cli: Program, dev: Store) -> None:
    dev.create_object("media", "a", b"1")
    assert cli("rm", "-n", "--json", "dev:media/a").records == [
        {"action": "delete", "target": "dev:media/a", "dry_run": True}
    ]
    upload, whole = cli("sync", "-n", "--json", ".", "dev:media/d", "--ignore", "store*").records
    assert upload == {
        "action": "upload",
        "source": "./cloudstore.toml",
        "target": "dev:media/d/cloudstore.toml",
        "size": (cli.folder / "cloudstore.toml").stat().st_size,
        "dry_run": True,
    }
    assert (whole["action"], whole["uploaded"], whole["dry_run"]) == ("sync", 1, True)


def test_a_dry_run_fails_where_it_would_fail(cli: Program, dev: Store) -> None:
    cli.within("rm", "-n", "dev:media/none", expect=1)
    cli.within("mb", "-n", "dev:media", expect=1)
    cli.within("rb", "-n", "dev:none", expect=1)
    cli.within("cp", "-n", "-r", "dev:media/none", "x", expect=1)
    dev.create_object("media", "a", b"")
    cli.within("rb", "-n", "dev:media", expect=1)
