"""Metadata of any kind in headers of plain ASCII."""

from __future__ import annotations

import string
from email.header import decode_header, make_header

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudstore.wire.encoded_words import decode_words, encode_words

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=50)


@given(TEXT)
def test_text_comes_back(text: str) -> None:
    sent = encode_words(text)
    assert sent.isascii()
    assert sent == sent.strip() != ""
    assert "  " not in sent
    assert decode_words(sent) == text


@given(TEXT.filter(lambda text: encode_words(text) != text and text.strip() != ""))
def test_word_is_one_that_others_can_read(text: str) -> None:
    assert str(make_header(decode_header(encode_words(text)))) == text


@pytest.mark.parametrize("text", ["plain", "a b", "100%", "=?", "a=b?", string.punctuation])
def test_plain_text_is_sent_as_it_is(text: str) -> None:
    assert (encode_words(text) == text) is ("=?" not in text)
    assert decode_words(encode_words(text)) == text


@pytest.mark.parametrize("text", ["", " ", " a", "a ", "a  b", "ä", "=?UTF-8?B?YQ==?=", "=?utf-8?b?"])
def test_text_that_a_server_would_change_is_sent_as_a_word(text: str) -> None:
    sent = encode_words(text)
    assert sent.startswith("=?UTF-8?B?")
    assert decode_words(sent) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("=?UTF-8?Q?gr=C3=BC=C3=9Fe?=", "grüße"),
        ("=?utf-8?q?a_b?=", "a b"),
        ("=?ISO-8859-1?Q?gr=FC=DFe?=", "grüße"),
        ("=?UTF-8*de?B?w6Q=?=", "ä"),
        ("=?UTF-8?B?w6Q=?= =?UTF-8?Q?=C3=B6?=", "äö"),
        ("gr\u00c3\u00bc\u00c3\u009fe", "grüße"),  # raw UTF-8, as a header's Latin-1
        ("gr\u00fc\u00dfe", "grüße"),  # raw Latin-1
    ],
)
def test_what_others_wrote_is_read(value: str, text: str) -> None:
    assert decode_words(value) == text


@pytest.mark.parametrize(
    "value",
    [
        "=?utf-8?b?broken",
        "=?utf-8?x?YQ==?=",
        "=?utf-8?b?***?=",
        "=?no-such-charset?b?YQ==?=",
        "=?utf-8?b?/w==?=",
        "=?utf-8?b?YQ==?= and more",
        "before =?utf-8?b?YQ==?=",
        "=?utf-8?q?a?b?=",
        "=?a?q?b" * 5_000,
    ],
)
def test_what_is_no_word_is_left_alone(value: str) -> None:
    assert decode_words(value) == value
