"""What stands in headers and XML: dates, and documents that try to be something else."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from cloudstore.errors import UnexpectedResponseError
from cloudstore.wire.dates import iso_time
from cloudstore.wire.xml import MAX_XML_BYTES, read_xml

ENTITIES = '<!DOCTYPE a [<!ENTITY b "grown">]><a><b>&b;</b></a>'


@pytest.mark.parametrize("text", ["2009-10-12T17:50:30.000Z", "2009-10-12T17:50:30", "20091012T175030"])
def test_a_time_without_a_zone_is_utc(text: str) -> None:
    assert iso_time(text) == datetime(2009, 10, 12, 17, 50, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "content",
    [
        ENTITIES.encode(),
        ENTITIES.encode("utf-16"),
        ENTITIES.encode("utf-16-le"),
        b"<?xml version='1.0' encoding='cp037'?>" + ENTITIES.encode("cp037"),
        b"<?xml version='1.0' encoding='utf-7'?>" + ENTITIES.encode("utf-7"),
    ],
)
def test_no_encoding_hides_a_declaration(content: bytes) -> None:
    with pytest.raises(UnexpectedResponseError):
        read_xml(content)


def test_an_answer_is_utf8_whatever_it_says() -> None:
    content = "<?xml version='1.0' encoding='iso-8859-1'?><a><b>é</b></a>".encode()
    assert read_xml(content).text("b") == "é"


def test_no_document_is_read_that_would_take_much_memory() -> None:
    rest = MAX_XML_BYTES - len(b"<a></a>")
    assert read_xml(b"<a>%s</a>" % (b" " * rest)).name == "a"
    with pytest.raises(UnexpectedResponseError, match="too long"):
        read_xml(b"<a>%s</a>" % (b" " * (rest + 1)))
