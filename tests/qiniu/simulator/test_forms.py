"""Forms as clients of any kind write them."""

from __future__ import annotations

import pytest

from cloudstore.testing.qiniu import QiniuError
from cloudstore.testing.qiniu.forms import read_form

KIND = "multipart/form-data; boundary=b"


def part(disposition: str, value: bytes = b"", *more: str) -> bytes:
    head = "\r\n".join([f"Content-Disposition: form-data; {disposition}", *more])
    return b"--b\r\n" + head.encode() + b"\r\n\r\n" + value + b"\r\n"


FILE = part('name="file"; filename="f.txt"', b"data", "Content-Type: a/b")
END = b"--b--\r\n"


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ('name="file"; filename="a b.txt"', "a b.txt"),
        ("name=file; filename=plain", "plain"),
        ('filename="first"; name="file"', "first"),
        (r'name="file"; filename="q\"u\\o"', 'q"u\\o'),
        ('name="file"; filename="q%22u%0D%0A"', 'q"u\r\n'),
        ('name="file"; filename="ü"', "ü"),
        ("name=\"file\"; filename*=utf-8''%C3%BC%20x", "ü x"),
        ('name="file"; filename="u"; filename*=UTF-8\'\'%C3%BC', "ü"),
        ('name="file"', ""),
    ],
)
def test_names_of_files(disposition: str, name: str) -> None:
    assert read_form(KIND, part(disposition, b"data") + END).name == name


def test_fields_stand_anywhere() -> None:
    body = part('name="a"', b"1") + FILE + part("name=b", "ü".encode()) + part("nothing") + END
    found = read_form(KIND, body)
    assert (found.fields, found.file, found.mime) == ({"a": "1", "b": "ü"}, b"data", "a/b")


@pytest.mark.parametrize("kind", [KIND, 'multipart/form-data; charset=x; boundary="b"'])
@pytest.mark.parametrize("make", [bytes, bytearray])
def test_what_stands_around_a_form(kind: str, make: type[bytes] | type[bytearray]) -> None:
    body = make(b"preamble\r\n" + FILE + END + b"epilogue")
    found = read_form(kind, body)
    assert found.file == b"data"
    assert isinstance(found.file, bytes)


@pytest.mark.parametrize("data", [b"", b"\r\n", b"\r\n--", b"\r\n--bc\r\n", b"x--b\r\n", b"\r\n--b\n"])
def test_a_file_is_exact(data: bytes) -> None:
    assert read_form(KIND, part('name="file"', data) + END).file == data


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("text/plain", FILE + END),
        ("multipart/form-data", FILE + END),
        (KIND, b""),
        (KIND, b"no boundary"),
        (KIND, END),
        (KIND, FILE),
        (KIND, FILE[:30]),
        (KIND, part('name="a"', b"\xff") + FILE + END),
        (KIND, FILE.replace(b"f.txt", b"\xff") + END),
        (KIND, part('name="a"', b"1") + END),
    ],
)
def test_what_is_no_form(kind: str, body: bytes) -> None:
    with pytest.raises(QiniuError, match="400"):
        read_form(kind, body)
