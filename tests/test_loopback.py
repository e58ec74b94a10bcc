"""The server under the simulators: HTTP as clients of any kind write it, and nothing left behind."""

from __future__ import annotations

import http.client
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from cloudstore.testing.loopback import LoopbackServer, Request, Response

MAX_BODY = 1024 * 1024


def echo(request: Request) -> Response:
    if request.path == "/pieces":
        return Response(200, {}, [b"a" * 100_000, memoryview(b"bc"), bytearray(b"d")])
    if request.path == "/break":
        return Response(200, {"X-A": "1\r\nX-Evil: 1"})
    if request.path == "/status":
        return Response(int(request.query), {}, b"body")
    told = f"{request.method} {request.target} {request.headers.get('x-a', '')} ".encode()
    return Response(200, {"X-Port": str(request.port)}, [told, request.body])


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    with LoopbackServer(echo, max_body=MAX_BODY) as found:
        yield found


@pytest.fixture
def port(server: LoopbackServer) -> int:
    return server.listen()


def exchange(port: int, *sent: bytes) -> bytes:
    """All that the server says to bytes, until it hangs up."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        for piece in sent:
            connection.sendall(piece)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while data := connection.recv(65536):
            answer += data
        return answer


def test_requests_follow_each_other_on_a_connection(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    for at in range(3):
        connection.request("PUT", f"/a?b={at}", b"x" * at, {"X-A": "1"})
        response = connection.getresponse()
        assert response.read() == f"PUT /a?b={at} 1 {'x' * at}".encode()
    connection.request("HEAD", "/pieces")
    response = connection.getresponse()
    assert response.read() == b""
    assert response.headers["Content-Length"] == "100003"
    connection.request("GET", "/pieces")
    assert connection.getresponse().read() == b"a" * 100_000 + b"bcd"
    connection.close()


def test_requests_in_one_piece_and_byte_by_byte(port: int) -> None:
    one = b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nX-A: 1\r\nX-A: 2\r\n\r\ndata"
    answers = exchange(port, one + one)
    assert answers.count(b"POST /a 1, 2 data") == 2
    single = exchange(port, *(one[at : at + 1] for at in range(len(one))))
    assert single.count(b"POST /a 1, 2 data") == 1


def test_large_bodies(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    for size in (MAX_BODY, MAX_BODY + 1):
        connection.request("PUT", "/", b"x" * size)
        response = connection.getresponse()
        body = response.read()
        assert response.status == (200 if size == MAX_BODY else 413)
        assert (len(body) > MAX_BODY) == (response.status == 200)
    connection.close()


def test_chunked_bodies(port: int) -> None:
    head = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    whole = exchange(port, head + b"4;x=y\r\ndata\r\n3\r\n123\r\n0\r\nTrailer: t\r\n\r\n")
    assert whole.endswith(b"POST /  data123")
    for wrong in (b"x\r\n", b"-5\r\n", b"+5\r\n", b"0x5\r\n", b"\r\n", b"f" * 16 + b"\r\n"):
        assert b" 400 " in exchange(port, head + wrong)
    for wrong in (b"4\r\ndata0\r\n\r\n", b"4\r\ndata\n\n0\r\n\r\n", b"3\r\ndata\r\n0\r\n\r\n"):
        assert exchange(port, head + wrong).startswith(b"HTTP/1.1 400 ")
    assert exchange(port, head + b"5\r\nda") == b""
    assert exchange(port, head) == b""
    assert b" 413 " in exchange(port, head + b"200000\r\n")


def test_a_client_that_expects_a_word_first(port: int) -> None:
    head = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"
    answer = exchange(port, head + b"data")
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 ")


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /\r\n\r\n",
        b"GET / HTTP/2\r\n\r\n",
        b"GET / a HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\n : x\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
    ],
)
def test_what_is_no_http(port: int, sent: bytes) -> None:
    assert exchange(port, sent).startswith(b"HTTP/1.1 400 ")


def test_a_head_without_end(port: int) -> None:
    assert b" 431 " in exchange(port, b"GET / HTTP/1.1\r\nX-A: " + b"a" * 70_000)


def test_statuses_that_vendors_invent(port: int) -> None:
    answer = exchange(port, b"GET /status?612 HTTP/1.1\r\nHost: h\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 612 status code 612\r\n")
    empty = exchange(port, b"GET /status?304 HTTP/1.1\r\nHost: h\r\n\r\n")
    assert empty.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    "line", [b"GET / HTTP/1.0\r\n\r\n", b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n"]
)
def test_a_connection_ends_where_the_client_says_so(port: int, line: bytes) -> None:
    answer = exchange(port, line + b"GET /again HTTP/1.1\r\n\r\n")
    assert b"Connection: close" in answer
    assert b"/again" not in answer


def test_a_header_breaks_no_line(port: int, caplog: pytest.LogCaptureFixture) -> None:
    assert exchange(port, b"GET /break HTTP/1.1\r\n\r\n") == b""
    assert "a connection of a simulator failed" in caplog.text


def test_a_client_that_goes_away(server: LoopbackServer, port: int) -> None:
    assert exchange(port, b"GET / HT") == b""
    assert exchange(port, b"PUT / HTTP/1.1\r\nContent-Length: 9\r\n\r\nhalf") == b""
    assert b"200" in exchange(port, b"GET / HTTP/1.1\r\n\r\n")


def test_ports_come_and_go(server: LoopbackServer, port: int) -> None:
    other = server.listen()
    assert f"X-Port: {other}".encode() in exchange(other, b"GET / HTTP/1.1\r\n\r\n")
    server.unlisten(other)
    server.unlisten(other)
    with pytest.raises(ConnectionRefusedError):
        exchange(other, b"")
    assert server.listen(other) == other
    assert b"200" in exchange(other, b"GET / HTTP/1.1\r\n\r\n")
    assert b"200" in exchange(port, b"GET / HTTP/1.1\r\n\r\n")


def test_nothing_is_left(server: LoopbackServer, port: int) -> None:
    before = set(threading.enumerate())
    with ExitStack() as idle:
        for _ in range(20):
            connection = socket.create_connection(("127.0.0.1", port), timeout=10)
            idle.enter_context(connection)
            connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert connection.recv(1000)
        serving = set(threading.enumerate()) - before
        assert len(serving) == 20
        server.close()
        server.close()
        assert serving.isdisjoint(threading.enumerate())
    with pytest.raises(ConnectionRefusedError):
        exchange(port, b"")


def test_a_closed_server_takes_no_port(server: LoopbackServer, port: int) -> None:
    server.close()
    with pytest.raises(OSError, match="the server is closed"):
        server.listen(port)
    with socket.create_server(("127.0.0.1", port)):
        pass  # nobody holds it


def test_ports_are_given_back_while_the_server_closes() -> None:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(30):
            server = LoopbackServer(echo, max_body=MAX_BODY)
            ports = [server.listen() for _ in range(40)]

            def give_back(server: LoopbackServer, ports: list[int]) -> None:
                for port in ports:
                    server.unlisten(port)

            giving = threading.Thread(target=give_back, args=(server, ports), daemon=True)
            giving.start()
            server.close()
            giving.join(10)
            assert not giving.is_alive()
    finally:
        sys.setswitchinterval(interval)
