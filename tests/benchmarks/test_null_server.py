"""The server of the benchmarks, and that our own client does there what it is measured for.

The other clients are not installed here: `python -m benchmarks --check` looks at them.
"""

from __future__ import annotations

from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest

from benchmarks import checks
from benchmarks.clients import RAW, SUBJECT, VENDORS
from benchmarks.processes import Counts, NullServer

CALLS = ("get", "put", "head", "page")


@pytest.fixture(scope="module", params=VENDORS)
def server(request: pytest.FixtureRequest) -> Iterator[NullServer]:
    with NullServer(request.param) as started:
        yield started


@pytest.mark.parametrize("name", [SUBJECT, RAW])
def test_each_call_reaches_the_server(name: str, server: NullServer, tmp_path: Path) -> None:
    assert checks.check_calls(name, "blocking", "calls", {}, server, tmp_path, CALLS) == []


def test_each_awaited_call_reaches_the_server(server: NullServer, tmp_path: Path) -> None:
    asked = {"tasks": 1}
    assert checks.check_calls(SUBJECT, "awaited", "tasks", asked, server, tmp_path, CALLS[:3]) == []


def test_a_call_that_did_not_happen_is_found(server: NullServer) -> None:
    [fault] = checks.missing("idle", "put", server, server.counts())
    assert "idle: put" in fault


def test_chunks_may_hold_what_looks_like_their_end(server: NullServer) -> None:
    connection = HTTPConnection("127.0.0.1", server.port)
    before = server.counts()
    for _ in range(2):
        parts = iter([b"400\r\n", b"x" * 1024, b"0\r\n\r\n", b"x-checksum:1\r\n\r\n"])
        connection.request("PUT", "/v1/AUTH_bench/bench/small", parts, encode_chunked=True)
        answer = connection.getresponse()
        answer.read()
        assert answer.status < 300
    connection.close()
    assert (server.counts() - before).requests == 2


def test_what_is_counted_is_what_was_exchanged(server: NullServer) -> None:
    before = server.counts()
    connection = HTTPConnection("127.0.0.1", server.port)
    connection.request("PUT", "/v1/AUTH_bench/bench/small", b"x" * 5000)
    connection.getresponse().read()
    connection.close()
    done = server.counts() - before
    assert (done.requests, done.received) == (1, 5000)
    assert done.sent > 0
    assert done - done == Counts(0, 0, 0)
