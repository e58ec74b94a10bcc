"""Content types: what objects get where the user says nothing. Pure.

The table of Python itself is used, never the machine's, so that every host stores the same.
"""

from __future__ import annotations

import mimetypes
from typing import Any

__all__ = [
    "DEFAULT_CONTENT_TYPE",
    "TEXT_CONTENT_TYPE",
    "default_content_type",
    "guess_content_type",
]

DEFAULT_CONTENT_TYPE = "application/octet-stream"
TEXT_CONTENT_TYPE = "text/plain; charset=utf-8"


def default_content_type(data: Any) -> str:
    """Of an object made from this data: text is text, all else is bytes."""
    return TEXT_CONTENT_TYPE if isinstance(data, str) else DEFAULT_CONTENT_TYPE


def guess_content_type(name: object) -> str:
    """Of a file of this name, by its suffix; a compressed file is bytes."""
    if not isinstance(name, str):  # a key that its check will refuse
        return DEFAULT_CONTENT_TYPE
    guessed, encoding = mimetypes.MimeTypes().guess_type(name)
    return guessed if guessed is not None and encoding is None else DEFAULT_CONTENT_TYPE
