"""How the program ends: exit codes, a line for each error, interrupts, pipes that close.

And how light it starts.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cloudstore import Store
from tests.servers.ministack_server import Ministack

from .program import ROOT, Program, s3_profile

HEAVY = "asyncio ssl http boto3 botocore qiniu swiftclient keystoneauth1 httptools certifi tqdm pytest"


def test_0_is_all_done(cli: Program, dev: Store) -> None:
    ran = cli("ls", "dev:")
    assert (ran.code, ran.err) == (0, "")
    assert cli("--version").out.startswith("cloudstore, version ")


def test_1_is_a_failure_in_one_line(cli: Program, dev: Store) -> None:
    for arguments, said in (
        (["cat", "dev:media/none"], "there is no such object"),
        (["ls", "dev:none"], "there is no such bucket"),
        (["ls", "dev:media/none"], "there is no object or folder dev:media/none"),
        (["ls", "nobody:x"], "no profile 'nobody'; there are: dev, other (a local path with a colon"),
        (["cp", "absent", "dev:media"], "absent: No such file or directory"),
        (["cp", ".", "dev:media"], "--recursive"),
        (["presign", "dev:media/x"], "file has no presign_get"),
    ):
        ran = cli.within(*arguments, expect=1)
        assert said in ran.err
        assert ran.err.startswith("cloudstore: ")
        assert len(ran.err.splitlines()) == 1
        assert ran.out == ""
    cli("cat", "dev:media/none", expect=1)


def test_2_is_wrong_usage(cli: Program) -> None:
    for arguments in (
        ["nonsense"],
        ["ls"],
        ["ls", "./here"],
        ["ls", "--nonsense", "dev:"],
        ["find", "dev:media", "--larger", "huge"],
        ["presign", "dev:media"],
        ["mb", "dev:media/key"],
        ["mv", "-", "dev:media/x"],
    ):
        ran = cli.within(*arguments, expect=2)
        assert "Error: " in ran.err
        assert ran.out == ""
    cli("nonsense", expect=2)


def test_3_is_some_of_many(cli: Program, dev: Store) -> None:
    dev.create_objects("media", {"a": b"1", "b": b"2"})
    ran = cli("cat", "dev:media/a", "dev:media/none", "dev:media/b", "dev:media/none2", expect=3)
    assert ran.out == "12"
    assert len(ran.err.splitlines()) == 2
    cli.write("f/good")
    (cli.folder / "f" / "broken").symlink_to("nowhere")
    for command in (["cp", "-r", "f", "dev:media/f"], ["sync", "f", "dev:media/f2"]):
        ran = cli(*command, expect=3)
        assert ran.err.startswith("cloudstore: broken: ")
    ran = cli("rm", "dev:media/a", "dev:media/none", expect=3)
    assert ran.lines == ["delete dev:media/a"]


def test_all_of_many_that_fail_are_a_failure(cli: Program, dev: Store) -> None:
    ran = cli("cat", "dev:media/none", "dev:media/none2", expect=1)
    assert len(ran.err.splitlines()) == 2


def test_a_closed_pipe_ends_it_quietly(cli: Program, dev: Store) -> None:
    dev.create_object("media", "big", bytes(4_000_000))
    # More than a pipe holds, whatever is said of each.
    dev.create_objects("media", {f"{number:05}-{'x' * 100}": b"" for number in range(2500)})
    for arguments in ("cat dev:media/big", "ls -r dev:media", "find --json dev:media"):
        pipe = f"{sys.executable} -m cloudstore {arguments} | head -c 1 >/dev/null"
        done = subprocess.run(
            ["bash", "-c", f"{pipe}; echo ${{PIPESTATUS[0]}}"],
            cwd=cli.folder,
            env=cli.environment,
            capture_output=True,
            check=False,
        )
        assert (done.stdout, done.stderr) == (b"141\n", b""), arguments


def wait_for_parts(store: Store, bucket: str) -> None:
    until = time.monotonic() + 30
    while not store.list_multipart_uploads(bucket):
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.mark.parametrize("command", ["cp big s3:interrupts/up", "cp -r folder s3:interrupts/folder"])
def test_130_is_an_interrupt_that_leaves_nothing(
    tmp_path: Path, ministack: Ministack, command: str
) -> None:
    cli = Program(tmp_path, s3_profile(ministack, part_size=5 << 20), (ministack.secret_key,))
    for name in ("big", "folder/big"):
        cli.write(name, bytes(150_000_000))
    with Store(ministack.s3_config()) as store:
        if not store.bucket_exists("interrupts"):
            store.create_bucket("interrupts")
        process = subprocess.Popen(
            [*cli.command, *command.split()],
            cwd=cli.folder,
            env=cli.environment,
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        wait_for_parts(store, "interrupts")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out, err.strip()) == (130, b"", b"")
        assert store.list_multipart_uploads("interrupts") == []
        assert store.get_all_objects("interrupts") == []


def test_an_interrupted_upload_is_resumed(tmp_path: Path, ministack: Ministack) -> None:
    cli = Program(tmp_path, s3_profile(ministack, part_size=5 << 20), (ministack.secret_key,))
    cli.write("big", bytes(150_000_000))
    with Store(ministack.s3_config()) as store:
        store.create_bucket("resumed")
        process = subprocess.Popen(
            [*cli.command, "cp", "--resume", "big", "s3:resumed/big"],
            cwd=cli.folder,
            env=cli.environment,
        )
        wait_for_parts(store, "resumed")
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        [left] = store.list_multipart_uploads("resumed")
        cli("cp", "--resume", "big", "s3:resumed/big")
        assert store.head_object("resumed", "big").size == 150_000_000
        assert store.list_multipart_uploads("resumed") == []
        assert left.ref.key == "big"
        store.delete_bucket("resumed", force=True)


def test_without_the_extra_it_names_it(tmp_path: Path) -> None:
    code = "import sys; sys.modules['click'] = None; from cloudstore.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "cloudstore: the command line needs click; install it with: pip install 'cloudstore[cli]'"
    ]


def test_it_starts_light(cli: Program) -> None:
    code = (
        "import sys, atexit\n"
        f"heavy = set('{HEAVY}'.split())\n"
        "atexit.register(lambda: print('heavy:', sorted(heavy & set(sys.modules))))\n"
        "sys.argv = ['cloudstore', '--help']\n"
        "from cloudstore.cli import main\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=cli.environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "heavy: []"
