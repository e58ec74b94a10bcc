"""Writes docs/capabilities.md, and the short form in README.md, from what the drivers declare.

    python docs/generate_matrix.py           rewrites both
    python docs/generate_matrix.py --check   fails where one is not what it would write

Only the text between the two marks of README.md is touched.
"""

from __future__ import annotations

import ast
import inspect
import sys
import tempfile
from dataclasses import fields
from functools import cache
from pathlib import Path

from cloudstore import Capabilities, Limits, LocalConfig, MemoryConfig, S3Config, Secret, SwiftConfig
from cloudstore.driver import Driver

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "capabilities.md"
README = ROOT / "README.md"
BEGIN = "<!-- the matrix, by docs/generate_matrix.py -->"
END = "<!-- end of the matrix -->"

PUBLIC_URL = "http://127.0.0.1:8642"

INTRODUCTION = """\
<!-- Written by docs/generate_matrix.py. Change the drivers, then run it. -->
# Capabilities

What a driver can do is data: `store.capabilities` holds it, `store.require(...)` asks for it, and a
verb or option whose capability is missing raises `UnsupportedError` before anything is sent. The
conformance suite tests each of them both ways."""

NOTE = (
    "Presigned requests of `file` and `memory` need `public_url` in their configuration. The column "
    "`s3` is AWS; presets of other services have less where they lack it. `swift` is a cluster with "
    "all middleware; what another lacks, it says itself."
)

SHORT: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("create-only and compare-and-swap writes", ("put_if_absent", "put_if_match")),
    ("the same for copies and deletions", ("copy_if_absent", "copy_if_match", "delete_if_match")),
    ("checksums verified on writing", ("checksum_crc32", "checksum_md5", "checksum_sha256")),
    ("ranges, conditional reads", ("ranges", "conditional_reads")),
    ("ordered listings, any delimiter", ("ordered_listing", "start_after", "any_delimiter")),
    ("multipart uploads, resumable", ("multipart", "list_parts", "list_uploads")),
    ("user metadata, changed in place", ("metadata", "update_metadata")),
    ("objects that expire", ("expires_in",)),
    ("presigned URLs and forms", ("presign_get", "presign_put", "presign_post")),
    ("versions, tags, storage classes", ("versions", "tags", "storage_class")),
    ("ACLs, websites", ("acl", "object_acl", "website")),
    ("versioning and lifecycle rules of buckets", ("versioning", "lifecycle")),
    ("CDN", ("cdn",)),
)


@cache
def drivers() -> dict[str, Driver]:
    """Every built-in driver by its scheme, with all that its configuration can switch on."""
    memory = MemoryConfig(public_url=PUBLIC_URL)
    with tempfile.TemporaryDirectory() as folder:
        local = LocalConfig(root=folder, public_url=PUBLIC_URL)
        aws = S3Config(access_key="none", secret_key=Secret("none"))
        swift = SwiftConfig(storage_url="https://none.test/v1/none", token=Secret("none"))
        made: dict[str, Driver] = {
            config.scheme: config.create_driver() for config in (local, memory, aws, swift)
        }
        for driver in made.values():
            driver.close()
    return made


def described(cls: type) -> dict[str, str]:
    """The sentence below each field of a class, where there is one."""
    [definition] = ast.parse(inspect.getsource(cls)).body
    assert isinstance(definition, ast.ClassDef)
    texts: dict[str, str] = {}
    name = ""
    for statement in definition.body:
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            name = statement.target.id
        elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant) and name:
            texts[name] = " ".join(str(statement.value.value).split()).replace("``", "`")
    return texts


def headings() -> dict[str, str]:
    """The comment before each group of capabilities, by the group's first field."""
    found: dict[str, str] = {}
    comment = ""
    for line in inspect.getsource(Capabilities).splitlines():
        text = line.strip()
        if text.startswith("# "):
            comment = text[2:]
        elif comment and ":" in text:
            found[text.partition(":")[0]] = comment
            comment = ""
    return found


def row(*cells: str) -> str:
    """A row of a Markdown table."""
    return f"| {' | '.join(cells)} |"


def page() -> str:
    """The whole of docs/capabilities.md."""
    made = drivers()
    texts, groups = described(Capabilities), headings()
    lines = [INTRODUCTION]
    for name in Capabilities.all_names():
        if name in groups:
            lines += ["", f"## {groups[name].capitalize()}", "", *header(made)]
        marks = ("yes" if getattr(driver.capabilities, name) else "–" for driver in made.values())
        lines.append(row(f"`{name}`", *marks, texts.get(name, "")))
    lines += ["", NOTE, "", "## Limits", "", *header(made)]
    texts = described(Limits)
    for field in fields(Limits):
        values = (shown(getattr(driver.limits, field.name)) for driver in made.values())
        lines.append(row(f"`{field.name}`", *values, texts.get(field.name, "")))
    return "\n".join([*lines, "", "## Names", "", *names(made), ""])


def header(made: dict[str, Driver]) -> list[str]:
    """The first two rows of a table with a column a driver."""
    return [row("", *(f"`{scheme}`" for scheme in made), ""), row(*["---"] * (len(made) + 2))]


def names(made: dict[str, Driver]) -> list[str]:
    """Which keys and bucket names each driver takes."""
    lines = []
    for scheme, driver in made.items():
        lines.append(f"- `{scheme}`: a key has 1 to {driver.key_rule.max_bytes} bytes of UTF-8")
        for _, why in (*driver.key_rule.forbidden, *driver.bucket_name_rule.patterns):
            lines.append(f"  - {why}")
    return lines


def shown(value: object) -> str:
    """A limit for a person."""
    if isinstance(value, str):
        return f"`{value}`"
    assert isinstance(value, int)
    for unit, size in (("TiB", 2**40), ("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if value >= size and value % size == 0:
            return f"{value // size} {unit}"
    return f"{value:,}"


def short_form() -> str:
    """The table of the README: a few rows, each several capabilities."""
    made = drivers()
    lines = [row("", *(f"`{scheme}:`" for scheme in made)), row(*["---"] * (len(made) + 1))]
    for words, names in SHORT:
        marks = []
        for driver in made.values():
            held = {bool(getattr(driver.capabilities, name)) for name in names}
            marks.append({True: "yes", False: "–"}[held.pop()] if len(held) == 1 else "in part")
        lines.append(row(words, *marks))
    return "\n".join(lines)


def readme() -> str:
    """README.md with today's table in it."""
    before, begin, rest = README.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f"README.md lacks the marks {BEGIN!r} and {END!r}")
    return f"{before}{BEGIN}\n{short_form()}\n{END}{after}"


def main(arguments: list[str]) -> None:
    """Writes both files, or says which is out of date."""
    wanted = {PAGE: page(), README: readme()}
    if arguments == ["--check"]:
        stale = [str(path) for path, text in wanted.items() if path.read_text("utf-8") != text]
        if stale:
            raise SystemExit(f"out of date: {', '.join(stale)}; run docs/generate_matrix.py")
        return
    for path, text in wanted.items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
