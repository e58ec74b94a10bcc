"""Writes the tables of what the drivers can do: docs/capabilities.md, README.md and README.zh.md.

They are made of ``docs/evidence.json``, which a run of the conformance suite has written: ``make
matrix`` runs it and then this. What is said of limits and names comes from the drivers.

    python docs/generate_matrix.py           rewrites all three
    python docs/generate_matrix.py --check   fails where one is not what it would write

Only the text between the two marks of the READMEs is touched.
"""

from __future__ import annotations

import ast
import inspect
import json
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

from cloudstore import (
    Capabilities,
    Config,
    Limits,
    LocalConfig,
    MemoryConfig,
    S3Config,
    Secret,
    SwiftConfig,
)
from cloudstore.driver import Driver
from cloudstore.providers.qiniu import QiniuConfig
from cloudstore.providers.s3_presets import PRESETS

ROOT = Path(__file__).resolve().parent.parent
EVIDENCE = ROOT / "docs" / "evidence.json"
PAGE = ROOT / "docs" / "capabilities.md"
READMES = (ROOT / "README.md", ROOT / "README.zh.md")
BEGIN = "<!-- the matrix, by docs/generate_matrix.py -->"
END = "<!-- end of the matrix -->"

PUBLIC_URL = "http://127.0.0.1:8642"

INTRODUCTION = """\
<!-- Written by docs/generate_matrix.py from docs/evidence.json: make matrix. -->
# Capabilities

What a driver can do is data: `store.capabilities` holds it, `store.require(...)` asks for it, and a
verb or option whose capability is missing raises `UnsupportedError` before anything is sent.

The tables say what a run of the conformance suite has shown on {date}, of each driver where it ran:

{places}

| | |
|---|---|
| yes | the tests of it passed there |
| simulated | they passed, on a simulator that is ours |
| declared | the driver has it, and it was not shown: the server there lacks it |
| – | missing: the tests of it passed by `UnsupportedError`, and nothing was sent |

A run of the tests that shows anything else fails."""

NOTE = (
    "Presigned requests of `file` and `memory` need `public_url` in their configuration. `swift` is a "
    "cluster with all middleware; what another lacks, it says itself."
)

PRESETS_NOTE = """\
No preset has been run against a hosted service by the tests: they start servers of their own, and hold
no account anywhere. `aws` ran on ministack, which says of itself that it does as AWS does. Those that
ran on nothing say what the service's documentation says, which stands beside each in
`cloudstore/providers/s3_presets.py`."""

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


MARKS = {"README.md": ("yes", "in part", "–"), "README.zh.md": ("有", "部分", "–")}
SHORT_ZH = (
    "只创建、比较并交换的写入",
    "复制与删除的同类条件",
    "写入时校验校验和",
    "范围读取、条件读取",
    "有序列表、任意分隔符",
    "可续传的分片上传",
    "用户元数据及原位修改",
    "到期自动删除的对象",
    "预签名 URL 与表单",
    "版本、标签、存储类型",
    "ACL、静态网站",
    "存储桶的版本控制与生命周期规则",
    "CDN",
)


@dataclass(frozen=True)
class Column:
    """A driver where it ran: an entry of the evidence.

    Attributes:
        shown: by capability, how often its tests ``passed``, or were ``refused``.
        driver: made as its configuration makes it, with all that can be switched on.
    """

    provider: str
    preset: str
    kind: str
    server: str
    version: str
    shown: Mapping[str, Mapping[str, int]]
    driver: Driver

    @property
    def name(self) -> str:
        """For the head of a table."""
        return f"`{self.provider}`" + (f" as `{self.preset}`" if self.preset else "")

    @property
    def where(self) -> str:
        """On what it ran."""
        if self.kind == "embedded":
            return "itself"
        return f"{self.server} {self.version}".strip()

    @property
    def sentence(self) -> str:
        """The same, for a list."""
        kinds = {
            "embedded": "in this process, which is the service itself",
            "server": f"on {self.where}, which others have written, on this machine",
            "simulator": f"on {self.where}, which is our own, and no proof of the service",
        }
        return f"- {self.name}: {kinds[self.kind]}"

    def mark(self, capability: str) -> str:
        """The cell of a capability."""
        if "passed" in self.shown.get(capability, ()):
            return "simulated" if self.kind == "simulator" else "yes"
        return "declared" if getattr(self.driver.capabilities, capability) else "–"


@cache
def evidence() -> tuple[str, tuple[Column, ...]]:
    """The day of the run, and what ran."""
    written = json.loads(EVIDENCE.read_text(encoding="utf-8"))
    columns = tuple(
        Column(
            **{name: entry[name] for name in ("provider", "preset", "kind", "server", "version")},
            shown=entry["capabilities"],
            driver=make_driver(entry["provider"], entry["preset"]),
        )
        for entry in written["shown"]
    )
    return written["date"], columns


@cache
def make_driver(provider: str, preset: str) -> Driver:
    """A built-in driver."""
    with tempfile.TemporaryDirectory() as folder:
        local = LocalConfig(root=folder, public_url=PUBLIC_URL)
        memory = MemoryConfig(public_url=PUBLIC_URL)
        endpoint = None if preset == "aws" else "https://127.0.0.1"
        s3 = S3Config(access_key="none", secret_key=Secret("none"), preset=preset, endpoint=endpoint)
        swift = SwiftConfig(
            auth_url="https://127.0.0.1/auth/v1.0", user="a:b", secret_key=Secret("none")
        )
        qiniu = QiniuConfig(access_key="none", secret_key=Secret("none"))
        made: tuple[Config, ...] = (local, memory, s3, swift, qiniu)
        configs = {config.scheme: config for config in made}
        driver = configs[provider].create_driver()
        driver.close()
    return driver


@cache
def drivers() -> dict[str, Driver]:
    """Every driver that ran, by its scheme: the first of its columns."""
    made: dict[str, Driver] = {}
    for column in evidence()[1]:
        made.setdefault(column.provider, column.driver)
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
    date, columns = evidence()
    texts, groups = described(Capabilities), headings()
    places = "\n".join(column.sentence for column in columns)
    lines = [INTRODUCTION.format(date=date, places=places)]
    head = [row("", *(column.name for column in columns), ""), row(*["---"] * (len(columns) + 2))]
    for name in Capabilities.all_names():
        if name in groups:
            lines += ["", f"## {groups[name].capitalize()}", "", *head]
        marks = (column.mark(name) for column in columns)
        lines.append(row(f"`{name}`", *marks, texts.get(name, "")))
    lines += ["", NOTE, "", "## Presets of `s3`", "", PRESETS_NOTE, "", *presets(columns)]
    made = drivers()
    lines += ["", "## Limits", "", *header(made)]
    texts = described(Limits)
    for field in fields(Limits):
        values = (shown(getattr(driver.limits, field.name)) for driver in made.values())
        lines.append(row(f"`{field.name}`", *values, texts.get(field.name, "")))
    return "\n".join([*lines, "", "## Names", "", *names(made), ""])


def presets(columns: tuple[Column, ...]) -> list[str]:
    """Which preset of S3 ran on what."""
    ran = {column.preset: column.where for column in columns if column.provider == "s3"}
    lines = [row("preset", "ran on", "its service"), row("---", "---", "---")]
    for name, preset in PRESETS.items():
        service = f"`{preset.endpoint}`" if preset.endpoint else "any"
        lines.append(row(f"`{name}`", ran.get(name, "nothing"), service))
    return lines


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


def short_form(readme: Path) -> str:
    """The table of a README: a few rows, each several capabilities."""
    _, columns = evidence()
    yes, part, no = MARKS[readme.name]
    chinese = readme.name == "README.zh.md"
    lines = [row("", *(column.name for column in columns)), row(*["---"] * (len(columns) + 1))]
    where = ["–" if column.kind == "embedded" else column.where for column in columns]
    if chinese:
        where = [place.replace("our simulator", "自带的模拟器") for place in where]
    lines.append(row("运行于" if chinese else "shown on", *where))
    for (words, names), translated in zip(SHORT, SHORT_ZH, strict=True):
        marks = []
        for column in columns:
            held = {"passed" in column.shown.get(name, ()) for name in names}
            marks.append({True: yes, False: no}[held.pop()] if len(held) == 1 else part)
        lines.append(row(translated if chinese else words, *marks))
    return "\n".join(lines)


def with_matrix(readme: Path) -> str:
    """A README with today's table in it."""
    before, begin, rest = readme.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f"{readme.name} lacks the marks {BEGIN!r} and {END!r}")
    return f"{before}{BEGIN}\n{short_form(readme)}\n{END}{after}"


def main(arguments: list[str]) -> None:
    """Writes the files, or says which is out of date."""
    wanted = {PAGE: page(), **{readme: with_matrix(readme) for readme in READMES}}
    if arguments == ["--check"]:
        stale = [str(path) for path, text in wanted.items() if path.read_text("utf-8") != text]
        if stale:
            raise SystemExit(f"out of date: {', '.join(stale)}; run docs/generate_matrix.py")
        return
    for path, text in wanted.items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
