"""Pages of a listing: their tokens, and pages for drivers that hold their keys in order. Pure.

The order is that of UTF-8 bytes, which is the order of code points, so keys compare as `str`.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable
from typing import TypeVar

from .errors import InvalidArgumentError, UnexpectedResponseError
from .model import ListOptions, ObjectInfo, Page

__all__ = [
    "after_key",
    "after_prefix",
    "check_progress",
    "make_page",
    "page_token",
    "token_position",
]

T = TypeVar("T")
LAST_CODE_POINT = 0x10FFFF


def after_key(key: str) -> str:
    """The least string that is greater than `key`."""
    return key + "\0"


def after_prefix(prefix: str) -> str | None:
    """The least string that is greater than all that begin with `prefix`; None: there is none."""
    kept = prefix.rstrip(chr(LAST_CODE_POINT))
    return kept[:-1] + chr(ord(kept[-1]) + 1) if kept else None


def page_token(position: str) -> str:
    """The opaque form of a position."""
    # `after_prefix` may make a lone surrogate, which only "surrogatepass" encodes.
    return base64.urlsafe_b64encode(position.encode("utf-8", "surrogatepass")).decode("ascii")


def token_position(token: str) -> str:
    """What `page_token` was given.

    Raises:
        InvalidArgumentError: it is none of ours.
    """
    try:
        raw = base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True)
        return raw.decode("utf-8", "surrogatepass")
    except (binascii.Error, UnicodeError):
        raise InvalidArgumentError("this marker is not one of this store's listings") from None


def check_progress(asked: str | None, given: str | None) -> None:
    """Checks that the page after this one is another one: else whoever walks the pages never ends.

    Args:
        asked: the token that a page was asked for with.
        given: the one that came with it.

    Raises:
        UnexpectedResponseError
    """
    if given is not None and given == asked:
        raise UnexpectedResponseError("the listing goes round in a circle")


def make_page(
    options: ListOptions,
    keys_from: Callable[[str], Iterable[tuple[str, T]]],
    describe: Callable[[str, T], ObjectInfo | None],
) -> Page:
    """Makes one page.

    Args:
        keys_from: the keys that are at least a given string, in order, each with what `describe`
            needs; called again wherever a rolled-up prefix is skipped.
        describe: an entry as it shall be listed, or None where it has just gone.
    """
    page = Page()
    prefix = options.prefix
    position: str | None = prefix
    if options.token is not None:
        position = max(token_position(options.token), prefix)
    elif options.start_after:
        position = max(after_key(options.start_after), prefix)
    while position is not None:
        skip_to: str | None = None
        for key, item in keys_from(position):
            if not key.startswith(prefix):
                return page
            rolled = _rolled_up(key, prefix, options.delimiter)
            if len(page.objects) + len(page.prefixes) == options.limit:
                page.token = page_token(rolled or key)
                return page
            if rolled is not None:
                page.prefixes.append(rolled)
                skip_to = after_prefix(rolled)
                break
            info = describe(key, item)
            if info is not None:
                page.objects.append(info)
        position = skip_to
    return page


def _rolled_up(key: str, prefix: str, delimiter: str) -> str | None:
    if not delimiter:
        return None
    end = key.find(delimiter, len(prefix))
    return None if end < 0 else key[: end + len(delimiter)]
