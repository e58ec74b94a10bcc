"""The development server, over real HTTP: `http.client` sends what an application would."""

from __future__ import annotations

import http.client
import logging
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from cloudstore import InvalidArgumentError, LocalConfig, MemoryConfig, PresignedRequest, Store
from cloudstore.errors import ObjectNotFoundError
from cloudstore.testing.server import DevelopmentServer

BODY = bytes(range(256)) * 1024
WEIRD_KEYS = [
    "a//b",
    "/a",
    "a/../b",
    "a/./b",
    "%2F",
    "%252e%252e",
    "with space+plus",
    "ключ/鍵/🔑",
    "q?x=1&y=2#z",
    "semi;colon",
    "tab\there",
]


@dataclass
class Served:
    """A store, its server, and one way to send a request to it."""

    store: Store
    server: DevelopmentServer
    connections: list[http.client.HTTPConnection] = field(default_factory=list)

    def connect(self) -> http.client.HTTPConnection:
        found = urlsplit(self.server.url)
        assert found.hostname is not None
        connection = http.client.HTTPConnection(found.hostname, found.port, timeout=20)
        self.connections.append(connection)
        return connection

    def send(
        self,
        method: str,
        url: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        connection: http.client.HTTPConnection | None = None,
    ) -> tuple[http.client.HTTPResponse, bytes]:
        connection = connection or self.connect()
        found = urlsplit(url)
        target = found.path + ("?" + found.query if found.query else "")
        connection.request(method, target, body, headers or {})
        response = connection.getresponse()
        return response, response.read()

    def go(
        self, request: PresignedRequest, body: bytes | None = None, **headers: str
    ) -> tuple[http.client.HTTPResponse, bytes]:
        return self.send(request.method, request.url, body, {**request.headers, **headers})


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


def serve(make: type[LocalConfig] | type[MemoryConfig], root: Path) -> Iterator[Served]:
    # Somebody else may take the port between our look and our bind: then look again.
    for attempt in range(5):
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        config = MemoryConfig(public_url=url)
        chosen = LocalConfig(root=str(root), public_url=url) if make is LocalConfig else config
        store = Store(chosen)
        try:
            server = DevelopmentServer(store, port=port)
            break
        except OSError:
            store.close()
            if attempt == 4:
                raise
    served = Served(store, server)
    with store, server:
        store.create_bucket("photos")
        yield served
        for connection in served.connections:
            connection.close()


@pytest.fixture(params=[MemoryConfig, LocalConfig], ids=["memory", "file"])
def served(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Served]:
    yield from serve(request.param, tmp_path / "root")


def form(request: PresignedRequest, file: bytes, **changed: str) -> tuple[bytes, dict[str, str]]:
    """A form upload as a browser encodes it, the file last, as a mail within a mail."""
    lines = []
    for name, value in {**request.fields, **changed}.items():
        lines.append(
            f'--bound\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        )
    head = (
        '--bound\r\nContent-Disposition: form-data; name="file"; filename="x.eml"\r\n'
        "Content-Type: message/rfc822\r\n\r\n"
    )
    lines += [head.encode(), file, b"\r\n--bound--\r\n"]
    return b"".join(lines), {"Content-Type": "multipart/form-data; boundary=bound"}


# --- GET ------------------------------------------------------------------------------------------


def test_a_presigned_get_sends_the_object_and_its_head(served: Served) -> None:
    made = served.store.create_object(
        "photos",
        "cat.png",
        BODY,
        content_type="image/png",
        cache_control="max-age=5",
        content_encoding="x-as-stored",
    )
    response, body = served.go(served.store.presign("photos", "cat.png"))
    assert (response.status, body) == (200, BODY)
    assert response.headers["Content-Type"] == "image/png"
    assert response.headers["Content-Length"] == str(len(BODY))
    assert response.headers["ETag"] == f'"{made.etag}"'
    assert response.headers["Cache-Control"] == "max-age=5"
    assert response.headers["Content-Encoding"] == "x-as-stored"
    assert response.headers["Content-Disposition"] is None


def test_the_signed_disposition_wins_over_the_stored_one(served: Served) -> None:
    served.store.create_object("photos", "k", b"x", content_disposition="inline")
    signed = served.store.presign("photos", "k", content_disposition='attachment; filename="a.txt"')
    assert served.go(signed)[0].headers["Content-Disposition"] == 'attachment; filename="a.txt"'
    plain = served.store.presign("photos", "k")
    assert served.go(plain)[0].headers["Content-Disposition"] == "inline"


@pytest.mark.parametrize("key", WEIRD_KEYS)
def test_keys_go_through_exactly(served: Served, key: str) -> None:
    put = served.store.presign("photos", key, "PUT")
    assert served.go(put, b"at " + key.encode())[0].status == 200
    assert [found.key for found in served.store.get_all_objects("photos")] == [key]
    assert served.go(served.store.presign("photos", key))[1] == b"at " + key.encode()


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=5-9", 5, 10),
        ("bytes=1000-", 1000, len(BODY)),
        ("bytes=-7", len(BODY) - 7, len(BODY)),
        (f"bytes=10-{len(BODY) * 2}", 10, len(BODY)),
    ],
)
def test_a_range_is_sent_as_partial_content(served: Served, asked: str, start: int, end: int) -> None:
    served.store.create_object("photos", "k", BODY)
    response, body = served.go(served.store.presign("photos", "k"), Range=asked)
    assert (response.status, body) == (206, BODY[start:end])
    assert response.headers["Content-Range"] == f"bytes {start}-{end - 1}/{len(BODY)}"
    assert response.headers["Content-Length"] == str(end - start)


LONG = "9" * 5000
"""More digits than Python makes a number of."""


@pytest.mark.parametrize(
    "asked",
    [
        "bytes=9-5",
        "bytes=0-1,3-4",
        "lines=1-2",
        "bytes=",
        "bytes=a-b",
        f"bytes={LONG}-",
        f"bytes=0-{LONG}",
        f"bytes=-{LONG}",
    ],
    ids=lambda asked: asked[:12],
)
def test_a_range_that_means_nothing_is_ignored(served: Served, asked: str) -> None:
    served.store.create_object("photos", "k", BODY)
    response, body = served.go(served.store.presign("photos", "k"), Range=asked)
    assert (response.status, body) == (200, BODY)


def test_a_range_after_the_end_cannot_be_satisfied(served: Served) -> None:
    served.store.create_object("photos", "k", b"12345")
    response, _ = served.go(served.store.presign("photos", "k"), Range="bytes=5-")
    assert (response.status, response.headers["Content-Range"]) == (416, "bytes */5")


def test_head_goes_by_a_url_for_get(served: Served) -> None:
    served.store.create_object("photos", "k", b"12345", content_type="text/x-five")
    url = served.store.presign("photos", "k").url
    response, body = served.send("HEAD", url)
    assert (response.status, body) == (200, b"")
    assert response.headers["Content-Length"] == "5"
    assert response.headers["Content-Type"] == "text/x-five"


def test_a_missing_object_is_404(served: Served) -> None:
    assert served.go(served.store.presign("photos", "gone"))[0].status == 404


# --- PUT and DELETE -------------------------------------------------------------------------------


def test_a_presigned_put_stores_the_body_and_type(served: Served) -> None:
    request = served.store.presign("photos", "k", "PUT", content_type="image/gif")
    response, _ = served.go(request, BODY)
    found = served.store.get_object("photos", "k")
    assert response.status == 200
    assert response.headers["ETag"] == f'"{found.etag}"'
    assert (found.read(), found.content_type) == (BODY, "image/gif")


def test_a_put_of_another_type_than_signed_is_refused(served: Served) -> None:
    request = served.store.presign("photos", "k", "PUT", content_type="image/gif")
    response, _ = served.send("PUT", request.url, b"x", {"Content-Type": "text/html"})
    assert response.status == 403
    assert not served.store.object_exists("photos", "k")


def test_a_presigned_delete_deletes(served: Served) -> None:
    served.store.create_object("photos", "k", b"x")
    assert served.go(served.store.presign("photos", "k", "DELETE"))[0].status == 204
    assert not served.store.object_exists("photos", "k")


def test_a_put_into_a_missing_bucket_is_404(served: Served) -> None:
    request = served.store.presign("elsewhere", "k", "PUT")
    assert served.go(request, b"x")[0].status == 404


def test_an_upload_that_breaks_off_stores_nothing(served: Served) -> None:
    request = served.store.presign("photos", "k", "PUT")
    found = urlsplit(request.url)
    assert found.hostname is not None
    with socket.create_connection((found.hostname, found.port or 0), timeout=20) as raw:
        target = f"{found.path}?{found.query}"
        raw.sendall(f"PUT {target} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf".encode())
        raw.shutdown(socket.SHUT_WR)
        assert raw.recv(100) == b""
    assert not served.store.object_exists("photos", "k")


def test_a_body_without_a_length_is_refused(served: Served) -> None:
    request = served.store.presign("photos", "k", "PUT")
    connection = served.connect()
    found = urlsplit(request.url)
    connection.request(
        "PUT", f"{found.path}?{found.query}", iter([b"a", b"b"]), {}, encode_chunked=True
    )
    assert connection.getresponse().status == 411
    assert not served.store.object_exists("photos", "k")


def test_a_body_that_is_too_large_is_refused(served: Served) -> None:
    request = served.store.presign("photos", "k", "PUT")
    found = urlsplit(request.url)
    connection = served.connect()
    connection.putrequest("PUT", f"{found.path}?{found.query}")
    connection.putheader("Content-Length", str(10**15))
    connection.endheaders()
    assert connection.getresponse().status == 413


# --- forms ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "file",
    [b"", b"plain", BODY, b"From: a\r\n\r\nmail\r\n", b"\r\n", b"ends\n", b"ends\r", b"--boun"],
)
def test_a_form_stores_the_files_bytes_exactly(served: Served, file: bytes) -> None:
    request = served.store.presign_post("photos", "in/ключ", content_type="image/png")
    body, headers = form(request, file)
    response, _ = served.send("POST", request.url, body, headers)
    assert response.status == 204
    found = served.store.get_object("photos", "in/ключ")
    assert (found.read(), found.content_type) == (file, "image/png")


@pytest.mark.parametrize("name", ["key", "Content-Type", "cs-signature", "cs-policy"])
def test_a_form_with_a_changed_field_is_refused(served: Served, name: str) -> None:
    request = served.store.presign_post("photos", "k", content_type="image/png")
    body, headers = form(request, b"x", **{name: "other"})
    assert served.send("POST", request.url, body, headers)[0].status == 403
    assert list(served.store.iter_objects("photos")) == []


def test_a_form_whose_file_is_too_large_is_refused(served: Served) -> None:
    request = served.store.presign_post("photos", "k", max_size=4)
    body, headers = form(request, b"12345")
    assert served.send("POST", request.url, body, headers)[0].status == 403
    body, headers = form(request, b"1234")
    assert served.send("POST", request.url, body, headers)[0].status == 204


def test_a_form_to_another_bucket_is_refused(served: Served) -> None:
    served.store.create_bucket("other")
    request = served.store.presign_post("photos", "k")
    body, headers = form(request, b"x")
    url = request.url.replace("/photos", "/other")
    assert served.send("POST", url, body, headers)[0].status == 403


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"x", "text/plain"),
        (b"x", "multipart/form-data"),
        (b"--bound\r\nno end", "multipart/form-data; boundary=bound"),
        (b"--bound--\r\n", "multipart/form-data; boundary=bound"),
        (
            b'--bound\r\nContent-Disposition: form-data; name="key"\r\n\r\n\xff\r\n--bound--\r\n',
            "multipart/form-data; boundary=bound",
        ),
    ],
)
def test_what_is_no_form_is_a_bad_request(served: Served, body: bytes, content_type: str) -> None:
    url = served.store.presign_post("photos", "k").url
    assert served.send("POST", url, body, {"Content-Type": content_type})[0].status == 400


# --- signatures -----------------------------------------------------------------------------------


def test_a_changed_url_is_refused(served: Served) -> None:
    served.store.create_object("photos", "k", b"x")
    served.store.create_object("photos", "k2", b"secret")
    url = served.store.presign("photos", "k").url
    last = "0" if url[-1] != "0" else "1"
    assert served.send("GET", url)[0].status == 200
    for changed in (url[:-1] + last, url.replace("/k?", "/k2?"), url.partition("?")[0]):
        response, body = served.send("GET", changed)
        assert response.status == 403
        assert b"secret" not in body
    assert served.send("DELETE", url)[0].status == 403
    assert served.send("PUT", url, b"y")[0].status == 403
    assert served.store.get_object("photos", "k").read() == b"x"


def test_an_expired_url_is_refused(served: Served) -> None:
    served.store.create_object("photos", "k", b"x")
    request = served.store.presign("photos", "k", expires_in=0.01)
    while time.time() < request.expires_at.timestamp():
        time.sleep(0.005)
    response, body = served.go(request)
    assert (response.status, body) == (403, b"the request has expired\n")


def test_another_stores_signature_is_refused(served: Served) -> None:
    with Store(MemoryConfig(public_url=served.server.url)) as other:
        served.store.create_object("photos", "k", b"x")
        assert served.go(other.presign("photos", "k"))[0].status == 403


# --- the server itself ----------------------------------------------------------------------------


def test_a_connection_serves_many_requests(served: Served) -> None:
    served.store.create_object("photos", "k", BODY)
    good = served.store.presign("photos", "k").url
    connection = served.connect()
    for _ in range(3):
        assert served.send("GET", good, connection=connection)[1] == BODY
        assert served.send("GET", good[:-1], connection=connection)[0].status == 403
        assert served.send("PUT", good, b"z" * 9, connection=connection)[0].status == 403


def test_closing_ends_its_threads_and_leaves_the_store() -> None:
    # The threads of other tests' servers are over: their fixtures closed them.
    before = set(threading.enumerate())
    store = Store(MemoryConfig(public_url="http://127.0.0.1:1"))
    server = DevelopmentServer(store)
    address = urlsplit(server.url)
    assert address.hostname is not None
    idle = socket.create_connection((address.hostname, address.port or 0), timeout=20)
    idle.sendall(b"GET /b/k HTTP/1.1\r\nHost: x\r\n\r\n")
    assert idle.recv(12) == b"HTTP/1.1 403"
    server.close()
    server.close()
    assert set(threading.enumerate()) <= before
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((address.hostname, address.port or 0), timeout=20)
    idle.close()
    store.create_bucket("still-open")
    store.close()


def test_it_listens_on_loopback_only() -> None:
    with Store(MemoryConfig(public_url="http://127.0.0.1:1")) as store:
        for host in ("0.0.0.0", "", "::", "localhost", "192.0.2.1"):
            with pytest.raises(InvalidArgumentError, match="loopback"):
                DevelopmentServer(store, host=host)


def test_a_taken_port_is_an_error_and_leaves_no_thread() -> None:
    before = set(threading.enumerate())
    with Store(MemoryConfig(public_url="http://127.0.0.1:1")) as store:
        with DevelopmentServer(store) as first:
            port = urlsplit(first.url).port
            assert port is not None
            with pytest.raises(OSError, match="in use"):
                DevelopmentServer(store, port=port)
        assert set(threading.enumerate()) <= before


def test_it_writes_nothing_and_logs_no_signature(
    served: Served, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    served.store.create_object("photos", "k", b"x")
    request = served.store.presign("photos", "k")
    assert served.go(request)[0].status == 200
    assert served.send("GET", request.url + "0")[0].status == 403
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")
    assert request.url.partition("cs-signature=")[2] not in caplog.text


def test_the_file_is_what_the_verbs_see(served: Served) -> None:
    request = served.store.presign("photos", "k", "PUT")
    served.go(request, b"first")
    served.store.delete_object("photos", "k")
    with pytest.raises(ObjectNotFoundError):
        served.store.get_object("photos", "k")
    assert served.go(served.store.presign("photos", "k"))[0].status == 404
