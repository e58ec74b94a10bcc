"""The screens of docs/cli.md are what the program shows."""

from __future__ import annotations

import re
import shlex

from .program import ROOT, Program

PAGE = ROOT / "docs" / "cli.md"
CHANGING = re.compile(
    r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+\+00:00)?|(?<=etag: {16}).+|(?<=crc32 = ).+|file://.*(?=/store)"
)
"""Times, ETags, checksums, and where the folder is."""


def screens() -> list[tuple[str, str]]:
    """Each command of the page, and what it shows; those that install are of another kind."""
    blocks = re.findall(r"```console\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)[1:]
    commands = re.split(r"^\$ ", "".join(blocks), flags=re.MULTILINE)[1:]
    return [(command, shown) for command, _, shown in (text.partition("\n") for text in commands)]


def profiles() -> str:
    [found] = re.findall(r"```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert isinstance(found, str)
    return found


def test_the_screens_are_what_is_shown(cli: Program) -> None:
    (cli.folder / "cloudstore.toml").write_text(profiles())
    (cli.folder / "wrong.toml").write_text('[dev]\nprovider = "file"\nrot = "store"\n')
    cli.write("site/index.html", "<h1>hi</h1>\n")
    cli.write("site/css/main.css", "body { }\n")
    cli.write("site/css/print.css", "p { }\n\n")
    for command, shown in screens():
        words = shlex.split(command)
        at = words.index("cloudstore")
        environment = dict(word.split("=") for word in words[:at])
        ran = cli.within(*words[at + 1 :], expect=None, **environment)
        lines = CHANGING.sub("…", shown).splitlines()
        errors = [line for line in lines if line.startswith("cloudstore: ")]
        results = [line for line in lines if line not in errors]
        assert CHANGING.sub("…", ran.out).splitlines() == results, command
        assert ran.err.splitlines() == errors, command
