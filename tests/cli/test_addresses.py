"""What an address means, and which are refused with the right form."""

from __future__ import annotations

import click
import pytest

from cloudstore.cli.addresses import LocalPath, Pipe, Remote, parse_address


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("prod:media/a/b", Remote("prod", "media", "a/b")),
        ("prod:media", Remote("prod", "media")),
        ("prod:media/", Remote("prod", "media")),
        ("prod:media//a", Remote("prod", "media", "/a")),
        ("prod:media/a:b//c/", Remote("prod", "media", "a:b//c/")),
        ("prod:", Remote("prod")),
        ("a/b:c", LocalPath("a/b:c")),
        ("./x:y", LocalPath("./x:y")),
        ("/x:y", LocalPath("/x:y")),
        ("x", LocalPath("x")),
        ("-", Pipe()),
    ],
)
def test_an_address_is_what_it_says(text: str, place: object) -> None:
    assert parse_address(text) == place


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("s3://media/a", "PROFILE:media/a"),
        ("swift://media", "PROFILE:media"),
        ("s3://", "PROFILE:bucket/key"),
        ("https://key:s3cr3t@host/media/a?s3cr3t", "PROFILE:host/media/a"),
        ("file:///var/data", "/var/data"),
        ("prod:/media/a", "prod:bucket/key"),
        ("", "not empty"),
    ],
)
def test_another_form_is_explained_and_never_guessed(text: str, right: str) -> None:
    with pytest.raises(click.UsageError) as caught:
        parse_address(text)
    assert right in caught.value.message
    assert "s3cr3t" not in caught.value.message


@pytest.mark.parametrize(
    ("key", "folder"), [("css", "css/"), ("css/", "css/"), ("", ""), ("a//", "a//")]
)
def test_a_folder_ends_with_one_slash_more(key: str, folder: str) -> None:
    assert Remote("prod", "media", key).folder == folder


def test_an_address_is_written_as_it_is_read() -> None:
    for text in ("prod:", "prod:media", "prod:media/a/b", "prod:media//a"):
        assert str(parse_address(text)) == text
