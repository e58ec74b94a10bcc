"""What was not signed, or was changed after it was, is refused. Published vectors come out right."""

from __future__ import annotations

import time
from collections.abc import Callable
from urllib.parse import quote

import pytest
from qiniu import Auth, QiniuMacAuth

from cloudstore.testing.loopback import Request
from cloudstore.testing.qiniu import QiniuClock, QiniuError, QiniuLimits, QiniuSimulator
from cloudstore.testing.qiniu.signatures import Signatures

from .client import BOUNDARY, Answer, Client, entry, form
from .conftest import MakeClient

HOUR = 3600


def flipped(text: str, at: int) -> str:
    """One digit of base64 turned into another."""
    return text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]


# --- management tokens ---


def stat(client: Client, headers: dict[str, str], target: str | None = None) -> Answer:
    target = target or f"/stat/{entry('bucket', 'a')}"
    return client.send(client.simulator.api_host, "GET", target, headers=headers)


@pytest.fixture
def held(make: MakeClient) -> Client:
    client = make()
    client.simulator.create_bucket("bucket")
    assert client.put("bucket", "a").status == 200
    return client


@pytest.fixture
def signed(held: Client) -> dict[str, str]:
    headers = held.signed("GET", f"/stat/{entry('bucket', 'a')}", date=time.time())
    assert stat(held, headers).status == 200
    return headers


def test_a_request_without_a_token(held: Client) -> None:
    assert stat(held, {}).status == 401


def test_another_scheme(held: Client, signed: dict[str, str]) -> None:
    token = signed["Authorization"].partition(" ")[2]
    assert stat(held, {**signed, "Authorization": f"Bearer {token}"}).status == 401


def test_a_wrong_secret(held: Client) -> None:
    mac = QiniuMacAuth(held.simulator.access_key, "wrong")
    target = f"/stat/{entry('bucket', 'a')}"
    token = mac.token_of_request("GET", held.simulator.api_host, held.simulator.api_url + target, "")
    assert stat(held, {"Authorization": f"Qiniu {token}"}).status == 401


def test_another_access_key(held: Client, signed: dict[str, str]) -> None:
    signature = signed["Authorization"].rpartition(":")[2]
    answer = stat(held, {**signed, "Authorization": f"Qiniu somebody:{signature}"})
    assert (answer.status, answer.error) == (401, "bad token")


@pytest.mark.parametrize("at", [-1, -2, -10, -28])
def test_one_digit_of_the_signature(held: Client, signed: dict[str, str], at: int) -> None:
    token = signed["Authorization"]
    assert stat(held, {**signed, "Authorization": flipped(token, len(token) + at)}).status == 401


def test_another_path(held: Client, signed: dict[str, str]) -> None:
    assert stat(held, signed, f"/stat/{entry('bucket', 'b')}").status == 401


def test_another_query(held: Client, signed: dict[str, str]) -> None:
    assert stat(held, signed, f"/stat/{entry('bucket', 'a')}?needparts=true").status == 401


def test_another_method(held: Client, signed: dict[str, str]) -> None:
    target = f"/stat/{entry('bucket', 'a')}"
    assert held.send(held.simulator.api_host, "POST", target, headers=signed).status == 401


def test_another_host(held: Client, signed: dict[str, str]) -> None:
    assert stat(held, {**signed, "Host": f"localhost:{held.simulator.port}"}).status == 401


def test_another_content_type(held: Client, signed: dict[str, str]) -> None:
    assert stat(held, {**signed, "Content-Type": "text/plain"}).status == 401


def test_another_date(held: Client, signed: dict[str, str]) -> None:
    date = signed["X-Qiniu-Date"]
    assert stat(held, {**signed, "X-Qiniu-Date": flipped(date, 3)}).status == 401


def test_a_qiniu_header_that_was_not_signed(held: Client, signed: dict[str, str]) -> None:
    assert stat(held, {**signed, "X-Qiniu-Extra": "1"}).status == 401


def test_a_qiniu_header_that_was_signed_and_is_missing(held: Client, signed: dict[str, str]) -> None:
    del signed["X-Qiniu-Date"]
    assert stat(held, signed).status == 401


def test_headers_that_nobody_signs_do_not_matter(held: Client, signed: dict[str, str]) -> None:
    assert stat(held, {**signed, "X-Other": "1", "User-Agent": "other"}).status == 200


def test_another_body(held: Client) -> None:
    body = f"op=stat/{entry('bucket', 'a')}".encode()
    headers = held.signed("POST", "/batch", body)
    assert held.send(held.simulator.api_host, "POST", "/batch", body, headers).status == 200
    other = f"op=delete/{entry('bucket', 'a')}".encode()
    assert held.send(held.simulator.api_host, "POST", "/batch", other, headers).status == 401


def test_a_body_that_is_no_text(held: Client) -> None:
    headers = held.signed("POST", "/batch", b"")
    assert held.send(held.simulator.api_host, "POST", "/batch", b"\xff", headers).status == 401


@pytest.mark.parametrize("skew", [-HOUR, HOUR])
def test_an_hour_of_skew(held: Client, skew: float) -> None:
    headers = held.signed("GET", f"/stat/{entry('bucket', 'a')}", date=time.time() + skew)
    answer = stat(held, headers)
    assert (answer.status, answer.error) == (403, "request time is too skewed")


def test_ten_minutes_of_skew_are_fine(held: Client) -> None:
    target = f"/stat/{entry('bucket', 'a')}"
    assert stat(held, held.signed("GET", target, date=time.time() - 600)).status == 200


def test_the_servers_clock_may_be_the_wrong_one(held: Client) -> None:
    target = f"/stat/{entry('bucket', 'a')}"
    held.simulator.clock.drift(HOUR)
    assert stat(held, held.signed("GET", target, date=time.time())).status == 403
    assert stat(held, held.signed("GET", target, date=time.time() + HOUR)).status == 200


def test_a_date_is_not_asked_for(held: Client) -> None:
    held.simulator.clock.drift(HOUR)
    assert stat(held, held.signed("GET", f"/stat/{entry('bucket', 'a')}")).status == 200


def test_a_date_that_is_none(held: Client) -> None:
    target = f"/stat/{entry('bucket', 'a')}"
    headers = {"X-Qiniu-Date": "yesterday"}
    token = held.mac.token_of_request(
        "GET",
        held.simulator.api_host,
        held.simulator.api_url + target,
        held.mac.qiniu_headers(headers),
    )
    assert stat(held, {**headers, "Authorization": f"Qiniu {token}"}).status == 400


# --- the older tokens of management ---


def qbox(client: Client, target: str, body: str | None = None, kind: str | None = None) -> str:
    return f"QBox {client.auth.token_of_request(client.simulator.api_url + target, body, kind)}"


def test_the_older_token(held: Client) -> None:
    target = f"/stat/{entry('bucket', 'a')}"
    token = qbox(held, target)
    assert stat(held, {"Authorization": token}).status == 200
    assert stat(held, {"Authorization": flipped(token, len(token) - 2)}).status == 401
    assert stat(held, {"Authorization": token}, f"/stat/{entry('bucket', 'b')}").status == 401
    assert stat(held, {"Authorization": token}, f"{target}?a=b").status == 401


def test_the_older_token_signs_the_body_of_a_form_only(held: Client) -> None:
    host = held.simulator.api_host
    body = f"op=stat/{entry('bucket', 'a')}"
    kind = "application/x-www-form-urlencoded"
    headers = {"Authorization": qbox(held, "/batch", body, kind), "Content-Type": kind}
    assert held.send(host, "POST", "/batch", body.encode(), headers).status == 200
    assert held.send(host, "POST", "/batch", body.encode() + b"&op=x", headers).status == 401
    target = "/v2/tune/refresh"
    headers = {"Authorization": qbox(held, target), "Content-Type": "application/json"}
    urls = f'{{"urls":["http://{held.simulator.domain("bucket")}/a"]}}'.encode()
    assert held.send(host, "POST", target, urls, headers).status == 200


# --- upload tokens ---


def upload(client: Client, token: str) -> Answer:
    return client.post({"token": token, "key": "new"}, b"data")


def test_no_upload_token(held: Client) -> None:
    answer = held.post({"key": "new"}, b"data")
    assert (answer.status, answer.error) == (401, "token not specified")
    assert held.send(held.simulator.upload_host, "POST", "/mkblk/4", b"data").status == 401


@pytest.mark.parametrize(
    "tampered",
    [
        lambda token: flipped(token, len(token) // 2),
        lambda token: flipped(token, token.index(":") + 5),
        lambda token: "somebody" + token[token.index(":") :],
        lambda token: token.rpartition(":")[0],
        lambda token: token + "=",
        lambda token: "a:b:c",
        lambda token: "ü",
    ],
)
def test_an_upload_token_that_was_changed(held: Client, tampered: Callable[[str], str]) -> None:
    token = held.token("bucket", "new")
    assert upload(held, token).status == 200
    answer = upload(held, tampered(token))
    assert (answer.status, answer.error) == (401, "bad token")


def test_an_upload_token_of_a_wrong_secret(held: Client) -> None:
    token = Auth(held.simulator.access_key, "wrong").upload_token("bucket", "new")
    assert upload(held, token).status == 401


def test_an_upload_token_that_has_expired(held: Client) -> None:
    token = held.auth.upload_token("bucket", "new", expires=-1)
    answer = upload(held, token)
    assert (answer.status, answer.error) == (401, "expired token")
    held.simulator.clock.drift(-HOUR)
    assert upload(held, token).status == 200


def test_an_upload_token_is_for_its_bucket_and_key(held: Client) -> None:
    held.simulator.create_bucket("other")
    assert held.post({"token": held.token("bucket", "new"), "key": "old"}, b"").status == 403
    assert held.parts("POST", "other", "new", token=held.token("bucket", "new")).status == 403
    assert held.parts("POST", "bucket", "old", token=held.token("bucket", "new")).status == 403


def test_a_form_says_nothing_that_was_not_meant(held: Client) -> None:
    body = form({"token": held.token("bucket", "new"), "key": "new"}, b"data")
    kind = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    host = held.simulator.upload_host
    assert held.send(host, "POST", "/", body[:-40], kind).status == 400
    assert held.send(host, "POST", "/", body, {"Content-Type": "text/plain"}).status == 400
    assert held.stat("bucket", "new").status == 612


# --- private downloads ---


@pytest.fixture
def private(held: Client) -> Client:
    held.simulator.create_bucket("private", private=True)
    assert held.put("private", "a b+ü/%41").status == 200
    return held


def read(client: Client, target: str) -> Answer:
    return client.send(client.simulator.domain("private"), "GET", target)


def test_a_private_url(private: Client) -> None:
    assert read(private, private.private("private", "a b+ü/%41")).body == b"data"
    assert read(private, private.private("private", "a b+ü/%41", "?attname=b")).body == b"data"


def test_a_private_bucket_without_a_token(private: Client) -> None:
    answer = private.get("private", "a b+ü/%41")
    assert (answer.status, answer.error) == (401, "download token not specified")


@pytest.mark.parametrize(
    "tampered",
    [
        lambda url: flipped(url, len(url) - 3),
        lambda url: flipped(url, url.index("token=") + 8),
        lambda url: url.replace("e=", "e=1"),
        lambda url: url.replace("a%20b", "a%20c"),
        lambda url: url.replace("?e=", "?attname=x&e="),
        lambda url: url.replace("%2F", "/"),
    ],
)
def test_a_private_url_that_was_changed(private: Client, tampered: Callable[[str], str]) -> None:
    url = private.private("private", "a b+ü/%41")
    assert tampered(url) != url
    assert read(private, tampered(url)).status == 401


def test_what_comes_behind_the_token_is_ignored(private: Client) -> None:
    url = private.private("private", "a b+ü/%41")
    answer = read(private, f"{url}&attname=x")
    assert answer.status == 200
    assert "attachment" not in answer.headers["Content-Disposition"]


def test_a_private_url_of_another_domain(private: Client) -> None:
    private.simulator.create_bucket("private2", private=True)
    assert private.put("private2", "a").status == 200
    assert private.put("private", "a").status == 200
    url = private.private("private", "a")
    domain = private.simulator.domain("private2")
    assert private.send(domain, "GET", url).status == 401


def test_a_private_url_of_a_wrong_secret(private: Client) -> None:
    path = f"/{quote('a b+ü/%41', safe='')}"
    url = Auth(private.simulator.access_key, "wrong").private_download_url(
        f"http://{private.simulator.domain('private')}{path}"
    )
    assert read(private, url[url.index(path) :]).status == 401


def test_a_private_url_that_has_expired(private: Client) -> None:
    url = private.private("private", "a b+ü/%41", expires=-1)
    answer = read(private, url)
    assert (answer.status, answer.error) == (401, "token out of date")
    url = private.private("private", "a b+ü/%41", expires=HOUR)
    private.simulator.clock.drift(2 * HOUR)
    assert read(private, url).status == 401


# --- published vectors ---


def vectors(now: float) -> Signatures:
    clock = QiniuClock(lambda: now)
    return Signatures("MY_ACCESS_KEY", "MY_SECRET_KEY", QiniuLimits(), clock)


def test_the_published_management_token() -> None:
    """developer.qiniu.com/kodo/1201: a move, signed the older way."""
    target = "/move/bmV3ZG9jczpmaW5kX21hbi50eHQ=/bmV3ZG9jczpmaW5kLm1hbi50eHQ="
    token = "QBox MY_ACCESS_KEY:FXsYh0wKHYPEsIAgdPD9OfjkeEM="
    request = Request(0, "POST", target, {"host": "rs.qiniu.com", "authorization": token}, b"")
    vectors(0).check_management(request)
    request.target += "a"
    with pytest.raises(QiniuError, match="401 bad token"):
        vectors(0).check_management(request)


POLICY = (
    '{"scope":"my-bucket:sunflower.jpg","deadline":1451491200,"returnBody":"{\\"name\\":$(fname),'
    '\\"size\\":$(fsize),\\"w\\":$(imageInfo.width),\\"h\\":$(imageInfo.height),\\"hash\\":$(etag)}"}'
)


def test_the_published_upload_token() -> None:
    """developer.qiniu.com/kodo/1208."""
    token = Auth("MY_ACCESS_KEY", "MY_SECRET_KEY").token_with_data(POLICY)
    assert token.startswith("MY_ACCESS_KEY:wQ4ofysef1R7IKnrziqtomqyDvI=:")
    assert vectors(1451491199).upload_policy(token)["scope"] == "my-bucket:sunflower.jpg"
    with pytest.raises(QiniuError, match="401 expired token"):
        vectors(1451491201).upload_policy(token)


def test_the_published_download_token() -> None:
    """developer.qiniu.com/kodo/1202."""
    target = "/resource/flower.jpg?e=1451491200&token=MY_ACCESS_KEY:438dd8pXocjYuF-6dTcKMtETB2g="
    host = {"host": "78re52.com1.z0.glb.clouddn.com"}
    request = Request(0, "GET", target, host, b"")
    vectors(1451491199).check_download(request)
    with pytest.raises(QiniuError, match="401 token out of date"):
        vectors(1451491201).check_download(request)


def test_what_callbacks_carry_is_what_the_sdk_accepts() -> None:
    with QiniuSimulator() as simulator:
        url = "http://127.0.0.1:1/called?a=b"
        token = simulator.signatures.callback_token(url, "a=b", "application/x-www-form-urlencoded")
        auth = Auth(simulator.access_key, simulator.secret_key)
        assert auth.verify_callback(token, url, "a=b")
        assert not auth.verify_callback(token, url, "a=c")
