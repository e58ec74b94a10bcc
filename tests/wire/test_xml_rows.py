"""Rows read by their shape are the rows that a parser finds; what is malformed is so for both."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from cloudstore.errors import CloudStoreError, UnexpectedResponseError
from cloudstore.wire import xml_rows
from cloudstore.wire.xml import MAX_XML_BYTES, XmlNode, read_xml
from cloudstore.wire.xml_rows import MAX_ROW_CHARS, MAX_SHAPES, read_rows

FIELDS = ("Key", "Size", "ETag", "Class")
CASES = 6_000
DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>'
AWS = (
    f"{DECLARATION}\n"
    '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><Prefix/>'
    "<KeyCount>2</KeyCount><IsTruncated>true</IsTruncated>"
    "<C><Key>a</Key><ETag>&quot;1&quot;</ETag><Size>1</Size></C>"
    "<C><Key>b&amp;&#x63;</Key><ETag>&quot;2&quot;</ETag><Size>2</Size></C>"
    "<CommonPrefixes><Prefix>p/</Prefix></CommonPrefixes></ListBucketResult>"
).encode()

Found = tuple[list[tuple[str | None, ...]], str, list[str]]


def described(root: XmlNode, rows: list[tuple[str | None, ...]]) -> Found:
    return rows, root.text("Note"), [prefix.text("Name") for prefix in root.all("Prefix")]


def parsed(content: bytes) -> Found:
    root = read_xml(content)
    return described(root, [tuple(map(row.get, FIELDS)) for row in root.rows("C")])


def outcome(read: Callable[[bytes], Found], content: bytes) -> object:
    try:
        return read(content)
    except CloudStoreError as exc:
        return type(exc)


def by_shape(content: bytes) -> Found:
    return described(*read_rows(content, "C", FIELDS))


class Parsed:
    """How many bytes the parser was given."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sizes: list[int] = []

        def read(content: bytes) -> XmlNode:
            self.sizes.append(len(content))
            return read_xml(content)

        monkeypatch.setattr(xml_rows, "read_xml", read)


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> Parsed:
    return Parsed(monkeypatch)


def test_a_listing_as_services_write_it(given: Parsed) -> None:
    root, rows = read_rows(AWS, "C", FIELDS)
    assert rows == [("a", "1", '"1"', None), ("b&c", "2", '"2"', None)]
    assert root.text("IsTruncated") == "true"
    assert root.find("CommonPrefixes") is not None
    assert len(given.sizes) == 1
    assert given.sizes[0] < len(AWS) - 100, "the rows went to the parser"


@pytest.mark.parametrize(
    "rows",
    [
        "<C><Key>a</Key></C>\n  <C><Key>b</Key></C>\n",
        "<C>\n  <Key>a</Key>\n</C>\n<C>\n  <Key>b</Key>\n</C>",
        "<C><Key/><Size>1</Size></C><C><Key/><Size>2</Size></C>",
        "<C><Key>a</Key><Owner><ID>1</ID><Name>n</Name></Owner></C>" * 3,
        "<C><Other>1</Other><Other>2</Other></C><C><Other>3</Other><Other>4</Other></C>",
        "<C></C><C></C>",
        "".join(f"<C><Key>{i}</Key>{'<Class>x</Class>' * (i % 3 == 0)}</C>" for i in range(20)),
        "<C><Key>ü 한 😀</Key></C>",
        "<C><Key>a\tb\nc</Key></C>",
    ],
)
def test_rows_of_a_few_shapes_do_not_go_to_the_parser(given: Parsed, rows: str) -> None:
    content = f"{DECLARATION}<L><Note>n</Note>{rows}</L>".encode()
    assert by_shape(content) == parsed(content)
    assert given.sizes == [len(content) - len(rows.strip().encode())] or given.sizes == [
        len(f"{DECLARATION}<L><Note>n</Note></L>\n")
    ]


@pytest.mark.parametrize(
    "content",
    [
        b"<L><C><Key>a</Key></C><C/></L>",
        b"<L><C><Key>a</Key></C><C x='y'><Key>b</Key></C></L>",
        b"<L><C><Key>a</Key><Key>b</Key></C></L>",
        b"<L><C><Key>a<b/></Key></C></L>",
        b"<L><C>text<Key>a</Key></C></L>",
        b"<L><C><Key>a\r\nb</Key></C></L>",
        b"<L><O><C><Key>a</Key></C></O><C><Key>b</Key></C></L>",
        b"<p:L xmlns:p='u'><p:C><p:Key>a</p:Key></p:C></p:L>",
        b"<L xmlns:p='u' xmlns='u'><C><Key>a</Key></C><p:C><Key>b</Key></p:C></L>",
        b"<L><C><Key>a</Key></C><?x <C> ?></L>",
        b"\xef\xbb\xbf<L><C><Key>a</Key></C></L>",
        b'<?xml version="1.0" encoding="latin-1"?><L><C><Key>a</Key></C></L>',
        b"<L>" + b"".join(b"<C><Key>a</Key><N%d/></C>" % i for i in range(MAX_SHAPES + 1)) + b"</L>",
        b"<L><C><Key>" + b"a" * MAX_ROW_CHARS + b"</Key></C></L>",
        b"<L><Note>none</Note></L>",
        b"<L><C></C><C><Key>a</Key><C></C></C></L>",
    ],
)
def test_what_is_unusual_is_left_to_the_parser(given: Parsed, content: bytes) -> None:
    assert by_shape(content) == parsed(content)
    assert len(content) in given.sizes


@pytest.mark.parametrize(
    "inside",
    [
        "<C><Key>a</Key>",
        "<C><Key>a</C></Key>",
        "<C><Key>a]]>b</Key></C>",
        "<C><Key>&none;</Key></C>",
        "<C><Key>&#0;</Key></C>",
        "<C><Key>&#xD800;</Key></C>",
        "<C><Key>&#x110000;</Key></C>",
        "<C><Key>a & b</Key></C>",
        "<C><Key>a</Key><Other>&#0;</Other></C>",
        "<C><Key>\x01</Key></C>",
        "<C><Key>\uffff</Key></C>",
        "<O><C><Key>a</Key></C>",
        "<C><Key>a</Key></C></O>",
        "<C><Key>a</Key></C></L><L>",
        "<!-- --><C><Key>a</Key></C>",
    ],
)
def test_what_is_no_xml_is_an_error(inside: str) -> None:
    content = f"<L>{inside}</L>".encode()
    with pytest.raises(CloudStoreError):
        read_xml(content)
    with pytest.raises(CloudStoreError):
        read_rows(content, "C", FIELDS)


def test_a_listing_is_no_longer_than_other_xml() -> None:
    row = b"<C><Key>" + b"a" * 1000 + b"</Key></C>"
    content = b"<L>" + row * (MAX_XML_BYTES // len(row) + 1) + b"</L>"
    with pytest.raises(UnexpectedResponseError, match="too long"):
        read_xml(content)
    with pytest.raises(UnexpectedResponseError, match="too long"):
        read_rows(content, "C", FIELDS)


class Documents:
    """Listings of few rows, in which little, or much, is unusual."""

    TEXTS = (
        "", "&quot;x&quot;", "a&amp;quot;b", "&#65;", "&#0;", "&#x1F600;", "&bad;", "&", "ü", "\uffff",
        "]]>", ">", "\r\n", "\n", "\t", "\x01", "  ", "a b", "&lt;C&gt;", "&#10;", "&#x110000;",
        "&#xD800;",
    )  # fmt: skip
    CHILDREN = (
        ("Key", "Size", "ETag"),
        ("Key", "Class", "Class", "Size"),
        ("Key", "Owner", "Size"),
        ("Size", "Key"),
        (),
        ("Key", "Other", "ETag"),
    )

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._oddity = dice.choice((0.0, 0.0, 0.02, 0.2))

    def one(self) -> bytes:
        dice = self._dice
        kind = dice.choice(self.CHILDREN)
        rows = [
            self._row(self._odd(kind, *self.CHILDREN)) + self._space() for _ in range(dice.randrange(6))
        ]
        start = self._odd(DECLARATION, "", "<?xml version='1.0'?>\n", "\ufeff")
        root = self._odd("L", 'L xmlns="u:v"', "L xmlns:p='q'", "p:L")
        head = "".join(self._leaf(n) for n in dice.sample(("Note", "Name", "Max"), dice.randrange(3)))
        tail = "<Prefix><Name>p</Name></Prefix>" * dice.randrange(3)
        head += self._odd("", "<C/>", "<Prefix><Name>a</Name></Prefix>", "<Prefix><C>")
        tail += self._odd("", "<Note>z</Note>", "<C/>", "<p:C/>", "<?pi <C>?>", "</C>", "<!-- <C> -->")
        text = f"{start}<{root}>{head}{''.join(rows)}{tail}</{root.split()[0]}>"
        content = bytearray(text.encode())
        if dice.random() < self._oddity:
            content[dice.randrange(len(content))] = dice.randrange(256)
        return bytes(content)

    def _odd(self, usual: object, *unusual: object) -> Any:
        return self._dice.choice(unusual) if self._dice.random() < self._oddity else usual

    def _space(self) -> str:
        return str(self._odd("", "\n ", " ", "\r\n", "junk"))

    def _text(self) -> str:
        return str(self._odd(self._dice.choice("abc"), *self.TEXTS))

    def _leaf(self, name: str) -> str:
        text = f"<{name}>{self._text()}</{name}>"
        return str(self._odd(text, f"<{name}/>", f"<{name} a='1'>x</{name}>", f"<{name}>x"))

    def _row(self, children: tuple[str, ...]) -> str:
        inner = ""
        for name in children:
            inner += self._space()
            inner += f"<Owner><ID>{self._text()}</ID></Owner>" if name == "Owner" else self._leaf(name)
        begin = self._odd("<C>", "<C >", "<C a='b'>")
        return f"{begin}{inner}</C>"


def test_both_ways_find_the_same_or_fail_alike() -> None:
    dice = random.Random(20)
    read = 0
    for case in range(CASES):
        content = Documents(dice).one()
        expected = outcome(parsed, content)
        assert outcome(by_shape, content) == expected, f"case {case}: {content!r}"
        read += isinstance(expected, tuple)
    assert read > CASES / 2
