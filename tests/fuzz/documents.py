"""Single texts of a server: XML, and what headers and elements hold."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

from cloudstore.errors import CloudStoreError, UnexpectedResponseError
from cloudstore.listing import page_token, token_position
from cloudstore.wire.dates import http_date, http_time, iso_time, retry_after
from cloudstore.wire.encoded_words import decode_words, encode_words
from cloudstore.wire.xml import XmlNode, read_xml
from cloudstore.wire.xml_rows import read_rows

from .target import Target, dice_for

__all__ = ["ROWS", "TEXTS", "XML"]

XML_SEEDS = [
    b'<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
    b"<Name>b</Name><IsTruncated>false</IsTruncated><Contents><Key>a&amp;b&#x41;</Key><Size>1</Size>"
    b"</Contents><Contents><Key>c</Key></Contents></ListBucketResult>",
    b"<Error><Code>NoSuchKey</Code><Message>no</Message></Error>",
    b"<a><a><a>\xc3\xa9</a></a><b/></a>",
    '<?xml version="1.0" encoding="UTF-16"?><a>b</a>'.encode("utf-16"),
]
XML_FRAGMENTS = [
    *(b"<", b">", b"&", b"&#0;", b"&#x110000;", b"&#xD800;", b"&lol;", b"&amp;", b"]]>", b"<![CDATA["),
    *(b"\0", b"\xff", b"\xef\xbb\xbf", b"\xfe\xff", b"\xff\xfe", b"{x}", b"<?pi?>", b"<!-- -->"),
    b"</a>",
    b"<!DOCTYPE x [<!ENTITY a 'b'>]>",
    b"<a>" * 2000,
    b"<a/>" * 2000,
    b"a='b' ",
    b'encoding="utf-16"',
    b'encoding="utf-7"',
    b'encoding="cp037"',
    b'encoding="iso-8859-1"',
    b'encoding="no-such"',
    b"xmlns=''",
    b"xmlns:x='y' ",
]


def _same(mine: XmlNode, other: ElementTree.Element) -> None:
    """The two say the same of all children, by their local names."""

    def local(element: ElementTree.Element) -> str:
        return element.tag.rpartition("}")[2]

    space = other.tag.rpartition("}")[0]
    children = [child for child in other if child.tag.rpartition("}")[0] == space]
    assert mine.name == local(other)
    for name in {local(child) for child in children}:
        named = [child for child in children if local(child) == name]
        assert len(mine.all(name)) == len(mine.rows(name)) == len(named)
        assert mine.text(name) == (named[0].text or "")
        found = mine.find(name)
        assert found is not None
        assert found.name == name


def _xml(data: bytes) -> None:
    read_lossy = True
    try:
        read_xml(data, lossy=True)
    except UnexpectedResponseError:
        read_lossy = False
    root = read_xml(data)
    assert read_lossy, "what is read is read with replacements, too"
    # A server's word about the encoding, or a byte-order mark, hides nothing: it is UTF-8 to both.
    text = data.decode("utf-8")
    assert "<!" not in text
    _same(root, ElementTree.fromstring(text))


ROW_SEEDS = [
    *XML_SEEDS[:1],
    b"<L><Note>n</Note><C><Key>a</Key><Size>1</Size></C><C><Key>b</Key><Size>2</Size></C><P/></L>",
    b"<L>\n <C>\n <Key>a</Key><O><ID>1</ID></O></C>\n<C><Key>&quot;&#65;</Key></C></L>",
]
ROW_FRAGMENTS = [
    *XML_FRAGMENTS,
    *(b"<C>", b"</C>", b"<C/>", b"<C >", b"<Key>", b"</Key>", b"<Key/>", b"<Key x='y'>", b"&quot;"),
    b"\r\n",
    *(b"<C><Key>a</Key></C>", b"<C></C>", b"<C><Size>1</Size></C>", b"<C><Key>a</Key><Key>b</Key></C>"),
]


def _rows(data: bytes) -> None:
    """Rows read by their shape are those that the parser finds; where it finds fault, they do."""
    for name in ("C", "Contents"):
        fields = ("Key", "Size")
        try:
            whole = read_xml(data)
        except UnexpectedResponseError:
            try:
                read_rows(data, name, fields)
            except UnexpectedResponseError:
                continue
            raise AssertionError("rows of what is no XML") from None
        root, rows = read_rows(data, name, fields)
        assert rows == [tuple(map(row.get, fields)) for row in whole.rows(name)]
        assert root.name == whole.name
        assert root.text("Note") == whole.text("Note")
    read_xml(data)


TEXT_SEEDS = [
    b"=?UTF-8?B?w6k=?=",
    b"=?iso-8859-1*de?Q?a=20b=E9?= =?utf-8?q?_x?=",
    b"caf\xc3\xa9",
    b"\xe9",
    b"Wed, 21 Oct 2015 07:28:00 GMT",
    b"2009-10-12T17:50:30.000Z",
    b"2009-10-12T17:50:30+02:00",
    b"2009-10-12",
    b"120",
    b"YWJj",
]
TEXT_FRAGMENTS = [
    *(b"=?", b"?=", b"?B?", b"?Q?", b"=", b"_", b"*", b"\r\n", b" ", b"\t", b"=00", b"=FF", b"=0A"),
    *(b"utf-7", b"utf-16", b"utf-32", b"idna", b"punycode", b"unicode_escape", b"undefined", b"zlib"),
    *(b"raw_unicode_escape", b"cp037", b"hz", b"iso-2022-jp", b"mbcs", b"rot13", b"hex", b"utf-8-sig"),
    *(b"0000", b"9999", b"-", b"+", b":", b".", b"T", b"Z", b"W53", b"24:00", b"+23:59", b"-23:59:59"),
    *(b"9" * 400, b"0" * 5000, b"A" * 5000, b"\xc2\xb2", b"\xd9\xa3", b"\\ud800", b"+2AA-"),
    b"\xed\xa0\x80",
]


def _is_aware(moment: datetime | None) -> bool:
    return moment is None or moment.tzinfo is not None


def _texts(data: bytes) -> None:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    taken = 0
    # Metadata: what was read can be written, and what was written is read.
    value = decode_words(text)
    assert decode_words(encode_words(value)) == value
    assert len(value) <= len(text)
    assert decode_words(encode_words(text)) == text
    assert encode_words(text).isascii()
    taken += value != text
    # Dates.
    for read in (http_time, iso_time):
        moment = read(text)
        assert _is_aware(moment)
        taken += moment is not None
    when = datetime.fromtimestamp(dice_for(data).randrange(2**33), UTC)
    assert http_time(http_date(when)) == when
    assert iso_time(when.isoformat()) == when
    pause = retry_after({"retry-after": text, "date": http_date(when)})
    assert pause is None or (pause >= 0 and not math.isnan(pause))
    # Any date that was read can be compared and told.
    moment = iso_time(text)
    if moment is not None:
        assert (when - moment) != timedelta.max
    # Tokens.
    assert token_position(page_token(text)) == text
    try:
        token_position(text)
        taken += 1
    except CloudStoreError:
        pass
    if not taken:
        raise UnexpectedResponseError("nobody can read this")


XML = Target("xml", _xml, XML_SEEDS, XML_FRAGMENTS, cases=25_000)
ROWS = Target("rows", _rows, ROW_SEEDS, ROW_FRAGMENTS, cases=10_000)
TEXTS = Target("texts", _texts, TEXT_SEEDS, TEXT_FRAGMENTS, cases=25_000)
