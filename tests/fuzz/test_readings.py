"""The comparison of heads finds readers that are wrong, each in one point, as a rewrite may be."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

import pytest

from cloudstore.errors import TransportError
from cloudstore.wire.codec import Head, find_head_end, parse_head

from .heads import HEADS, METHODS, check_head
from .target import mutated

CASES = 30_000


def after(change: Callable[[bytes], bytes]) -> Callable[[bytes, str], Head]:
    """Reads what was made of the head."""
    return lambda raw, method: parse_head(change(raw), method)


def substituted(pattern: bytes, by: bytes) -> Callable[[bytes, str], Head]:
    return after(lambda raw: re.sub(pattern, by, raw, flags=re.IGNORECASE))


def refusing(pattern: bytes) -> Callable[[bytes, str], Head]:
    def parse(raw: bytes, method: str) -> Head:
        if re.search(pattern, raw, re.IGNORECASE):
            raise TransportError("refused")
        return parse_head(raw, method)

    return parse


def altered(alter: Callable[[bytes, Head], None]) -> Callable[[bytes, str], Head]:
    def parse(raw: bytes, method: str) -> Head:
        head = parse_head(raw, method)
        alter(raw, head)
        return head

    return parse


def keeps(raw: bytes, head: Head) -> None:
    head.keep_alive = head.keep_alive or b"keep-alive" in raw.lower()


def closes(raw: bytes, head: Head) -> None:
    head.keep_alive = head.keep_alive and b"close" not in raw.lower()


def latin(raw: bytes, head: Head) -> None:
    head.headers = {n: v.encode().decode("latin-1") for n, v in head.headers.items()}


def last_wins(raw: bytes, head: Head) -> None:
    head.headers = {n: v.rpartition(", ")[2] for n, v in head.headers.items()}


def unstripped(raw: bytes, head: Head) -> None:
    head.headers = {n: f"{v} " if b" \r\n" in raw else v for n, v in head.headers.items()}


def never_chunked(raw: bytes, head: Head) -> None:
    head.chunked = False


WRONG = {
    "lines_end_with_a_newline": substituted(rb"(?<!\r)\n", b"\r\n"),
    "lines_end_with_a_return": substituted(rb"\r(?!\n)", b"\r\n"),
    "folded_lines_are_joined": substituted(rb"\r\n[ \t]+", b" "),
    "blanks_before_a_colon": substituted(rb" :", b":"),
    "lengths_that_are_the_same": substituted(rb"(content-length: 5\r\n)+", rb"\1"),
    "lengths_in_a_list": substituted(rb"5, 5", b"5"),
    "lengths_below_zero": substituted(rb"length: -1", b"length: 1"),
    "lengths_beside_chunks": substituted(rb"content-length: \d+\r\n(?=transfer)", b""),
    "any_coding_before_chunks": substituted(rb"gzip, chunked", b"chunked"),
    "chunks_twice": substituted(rb"chunked, chunked", b"chunked"),
    "any_version": substituted(rb"http/1\.9|http/2\.0", b"HTTP/1.1"),
    "controls_in_values": substituted(rb"[\x0b\x7f]", b""),
    "lines_without_a_colon": substituted(rb"no colon\r\n", b""),
    "nameless_lines": substituted(rb"\r\n: no name", b""),
    "no_reason_refused": refusing(rb" 404\r\n"),
    "empty_values_refused": refusing(rb"a:\r\n"),
    "raw_bytes_refused": refusing(rb"\xe9"),
    "zeros_refused": refusing(rb"0005"),
    "kept_by_a_part_of_a_word": altered(keeps),
    "closed_by_a_part_of_a_word": altered(closes),
    "latin_1_only": altered(latin),
    "last_value_wins": altered(last_wins),
    "blanks_after_a_value": altered(unstripped),
    "chunks_not_seen": altered(never_chunked),
}


@pytest.mark.parametrize("name", list(WRONG))
def test_wrong_reader_is_found(name: str) -> None:
    for case in range(CASES):
        data = mutated(HEADS, random.Random(f"heads-{case}"))
        try:
            end = find_head_end(data)
            if end > 0:
                for method in METHODS:
                    check_head(data[:end], method, WRONG[name])
        except TransportError:
            continue
        except AssertionError:
            return
    pytest.fail("it passes for right")
