"""Text of any kind in headers that hold plain ASCII only, as RFC 2047 words. Pure.

S3 itself shows metadata so that is not ASCII; other vendors keep the words as they are. What was
written plainly, or by somebody else as a word, is read as well.
"""

from __future__ import annotations

import base64
import binascii
import quopri
import re

__all__ = ["decode_words", "encode_words"]

_PLAIN = re.compile(r"(?! )(?:(?!  |=\?)[ -~])+(?<! )\Z")
"""Printable ASCII that no server trims, folds, or takes for a word; and not empty."""
_WORD = r"=\?([!->@-~]+)\?([BbQq])\?([!->@-~]*)\?="
"""No part of a word holds a question mark (RFC 2047 §2); were one let in, a long value could be read in
so many ways that it would take for ever to find that it is none."""
_WORDS = re.compile(rf"{_WORD}(?:\s+{_WORD})*\Z")
_ONE = re.compile(_WORD)


def encode_words(text: str) -> str:
    """The text as it can stand in a header: itself, or one word of base64."""
    if _PLAIN.match(text):
        return text
    return f"=?UTF-8?B?{base64.b64encode(text.encode()).decode('ascii')}?="


def decode_words(value: str) -> str:
    """What `encode_words` was given, of a header's value as Latin-1 (as HTTP engines decode it).

    A value that is no sequence of words, or a broken one, is the text itself; raw UTF-8 is taken
    for what it is.
    """
    if value.startswith("=?") and _WORDS.match(value):
        try:
            return "".join(_decode(*found.groups()) for found in _ONE.finditer(value))
        except (LookupError, ValueError):
            return value
    if value.isascii():
        return value
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return value


def _decode(charset: str, encoding: str, text: str) -> str:
    if encoding in "Bb":
        try:
            raw = base64.b64decode(text, validate=True)
        except binascii.Error as exc:
            raise ValueError("no base64") from exc
    else:
        raw = quopri.decodestring(text, header=True)
    # RFC 2231 §5: a language may follow the charset.
    return raw.decode(charset.partition("*")[0])
