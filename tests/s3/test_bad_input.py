"""What the user of a store is told when something is wrong with what was configured, or in between.

One error of the right class, words that say what is wrong, where it happened, and no secret anywhere.
Keys, clocks and regions are judged by real servers; what they do not check is answered as AWS
documents it. How the wire behaves in each case is tested in tests/wire.
"""

from __future__ import annotations

import re
import ssl
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import trustme

from cloudstore import (
    AsyncStore,
    AuthenticationError,
    CloudStoreError,
    InvalidBucketNameError,
    InvalidKeyError,
    ObjectNotFoundError,
    PermissionDeniedError,
    RetryPolicy,
    S3Config,
    Secret,
    Store,
    Timeouts,
    TransportError,
    UnexpectedResponseError,
)
from cloudstore.config import Config
from cloudstore.driver import Driver, Request
from cloudstore.providers.s3 import S3Driver
from cloudstore.testing import LoopThread, blocking_store
from tests.s3.scripted import Asked, Say, ScriptedServer
from tests.s3.test_answers import error
from tests.servers.ministack_server import Ministack
from tests.servers.swift_server import Swift
from tests.wire.server import Peer, Scripted, keep_answering, ok, tunnel
from tests.wire.test_tls import server_context
from tests.wire.test_waiting import swallowed

BUCKET, KEY = "bad-input", "a/key"
SECRET, TOKEN, PASSWORD = "very-secret-key", "very-secret-token", "very-secret-password"
RETRY = RetryPolicy(attempts=3, base_delay=0.001)
ALWAYS: dict[str, Any] = {
    "access_key": "AKID",
    "secret_key": Secret(SECRET),
    "session_token": Secret(TOKEN),
    "region": "us-east-1",
    "preset": "generic",
    "retry": RETRY,
}
OpenStore = Callable[[Config | Driver], Store]

VERBS: Mapping[str, Callable[[Store], object]] = {
    "get_object": lambda store: store.get_object(BUCKET, KEY),
    "head_object": lambda store: store.head_object(BUCKET, KEY),
    "object_exists": lambda store: store.object_exists(BUCKET, KEY),
    "create_object": lambda store: store.create_object(BUCKET, KEY, b"data"),
    "delete_object": lambda store: store.delete_object(BUCKET, KEY),
    "get_bucket": lambda store: store.get_bucket(BUCKET),
    "get_all_objects": lambda store: store.get_all_objects(BUCKET),
    "get_all_buckets": lambda store: store.get_all_buckets(),
    "create_bucket": lambda store: store.create_bucket(BUCKET),
}
WRITES = {"create_object", "delete_object", "create_bucket"}
SIGNED = re.compile(r"[0-9a-f]{64}|AWS4-HMAC|Signature=|Credential=|Basic ")
"""Of an Authorization header, of a presigned URL, of a proxy's authorization."""


@pytest.fixture(params=["Store", "AsyncStore"])
def open_store(request: pytest.FixtureRequest) -> Iterator[OpenStore]:
    """Makes stores on one face or the other."""
    with ExitStack() as stack:
        loop = stack.enter_context(LoopThread()) if request.param == "AsyncStore" else None

        def make(subject: Config | Driver) -> Store:
            retry = RETRY if isinstance(subject, Driver) else None
            if loop is None:
                return stack.enter_context(Store(subject, retry=retry))
            store = blocking_store(AsyncStore(subject, retry=retry), loop)
            return stack.enter_context(store)

        yield make


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("authority") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


def told(error: BaseException) -> str:
    """Everything that an error, and what led to it, shows anybody."""
    texts = ["".join(traceback.format_exception(error))]
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        texts += [str(one), repr(one), repr(one.args), repr(vars(one))]
        waiting += [one.__cause__, one.__context__]
    return "\n".join(texts)


def refusal(store: Store, operation: str) -> CloudStoreError:
    """The error of a verb; it names what it was about, and tells no secret."""
    with pytest.raises(CloudStoreError) as caught:
        VERBS[operation](store)
    failure = caught.value
    about_object = "object" in operation and operation != "get_all_objects"
    assert (failure.vendor, failure.operation) == ("s3", operation)
    assert failure.bucket == (None if operation == "get_all_buckets" else BUCKET)
    assert failure.key == (KEY if about_object else None)
    text = told(failure)
    for secret in (SECRET, TOKEN, PASSWORD):
        assert secret not in text
    assert SIGNED.search(text) is None, text
    return failure


def check(
    store: Store,
    expected: type[CloudStoreError],
    words: str,
    *,
    code: str | None = None,
    status: int | None = None,
    attempts: int = 1,
    answered: bool = False,
    unknown: bool = False,
    verbs: Mapping[str, object] = VERBS,
) -> None:
    """Every verb fails with the same.

    Args:
        words: what the message says.
        answered: by the service itself, which has a name for the request.
        unknown: nobody knows whether a write was applied.
    """
    for operation in verbs:
        failure = refusal(store, operation)
        assert type(failure) is expected, told(failure)
        assert re.search(words, failure.message), failure.message
        assert (failure.code, failure.status, failure.attempts) == (code, status, attempts), operation
        assert (failure.request_id is not None) == answered
        assert failure.retryable == (attempts > 1)
        lost = unknown and operation in WRITES - {"create_bucket"}  # that looks first
        assert failure.outcome == ("unknown" if lost else "not_applied"), operation


# --- who asks -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def seeded(ministack: Ministack, swift: Swift) -> Iterator[Mapping[str, S3Config]]:
    """On both real servers, a bucket with an object."""
    configs = {
        "ministack": ministack.s3_config(retry=RETRY),
        "swift": swift.s3_config(retry=RETRY),
    }
    for config in configs.values():
        with Store(config) as store:
            store.create_bucket(BUCKET).create_object(KEY, b"data")
    yield configs
    for config in configs.values():
        with Store(config) as store:
            assert store.get_object(BUCKET, KEY).read() == b"data", "a refused write was applied"
            store.delete_bucket(BUCKET, force=True)


def changed(config: S3Config, **options: Any) -> S3Config:
    return S3Config(**{**vars(config), **options})


@pytest.mark.parametrize(
    ("server", "code", "words"),
    [
        ("ministack", "InvalidAccessKeyId", r"does not exist.*check access_key"),
        ("swift", "SignatureDoesNotMatch", r"signature.*check secret_key, and access_key"),
    ],
)
def test_unknown_access_key(
    seeded: Mapping[str, S3Config], open_store: OpenStore, server: str, code: str, words: str
) -> None:
    store = open_store(changed(seeded[server], access_key="AKIAUNKNOWN", secret_key=Secret(SECRET)))
    check(store, AuthenticationError, words, code=code, status=403, answered=True)


@pytest.mark.parametrize("server", ["ministack", "swift"])
def test_wrong_secret_key(seeded: Mapping[str, S3Config], open_store: OpenStore, server: str) -> None:
    store = open_store(changed(seeded[server], secret_key=Secret(SECRET)))
    words, code = r"signature.*check secret_key", "SignatureDoesNotMatch"
    check(store, AuthenticationError, words, code=code, status=403, answered=True)


def test_unknown_session_token(seeded: Mapping[str, S3Config], open_store: OpenStore) -> None:
    store = open_store(changed(seeded["ministack"], session_token=Secret(TOKEN)))
    words, code = r"token.*check session_token", "InvalidToken"
    check(store, AuthenticationError, words, code=code, status=400, answered=True)


def aws(code: str, message: str, **more: str) -> Callable[[Asked], Say]:
    """An answer as AWS gives it; to a HEAD without its body."""

    def answer(asked: Asked) -> Say:
        headers = {"x-amz-request-id": "R1", "content-type": "application/xml"}
        status = 403 if code != "ExpiredToken" else 400
        return Say(status, "" if asked.method == "HEAD" else error(code, message, **more), headers)

    return answer


def test_expired_session_token(open_store: OpenStore) -> None:
    """AWS says the token back."""
    answer = aws("ExpiredToken", "The provided token has expired.", **{"Token-0": TOKEN})
    with ScriptedServer(answer) as server:
        store = open_store(S3Config(**ALWAYS, endpoint=server.url))
        words, code = r"expired.*get new temporary credentials", "ExpiredToken"
        check(store, AuthenticationError, words, code=code, status=400, answered=True)


def test_signature_that_the_service_says_back(open_store: OpenStore) -> None:
    def answer(asked: Asked) -> Say:
        signature = asked.headers["authorization"].partition("Signature=")[2]
        more = {"SignatureProvided": signature, "StringToSign": f"AWS4-HMAC-SHA256 {signature}"}
        return aws("SignatureDoesNotMatch", "The signature does not match.", **more)(asked)

    with ScriptedServer(answer) as server:
        store = open_store(S3Config(**ALWAYS, endpoint=server.url))
        code = "SignatureDoesNotMatch"
        check(store, AuthenticationError, r"secret_key", code=code, status=403, answered=True)


class Late(S3Driver):
    """On a machine whose clock is an hour slow."""

    def authorize(self, request: Request, credentials: Any, now: float) -> Mapping[str, str]:
        return super().authorize(request, credentials, now - 3600)


@pytest.mark.parametrize("server", ["ministack", "swift"])
def test_clock_that_is_an_hour_off(
    seeded: Mapping[str, S3Config], open_store: OpenStore, server: str
) -> None:
    store = open_store(Late(seeded[server]))
    words, code = r"(?i)time.*check the clock of this machine", "RequestTimeTooSkewed"
    check(store, AuthenticationError, words, code=code, status=403, answered=True)


def test_head_that_is_denied_stays_denied(open_store: OpenStore) -> None:
    """It is asked why, and the reason is what the user gets; where there is none, that."""
    answers = {"HEAD": Say(403), "GET": Say(403, error("AccessDenied", "Access Denied"))}
    with ScriptedServer(lambda asked: answers[asked.method]) as server:
        store = open_store(S3Config(**ALWAYS, endpoint=server.url))
        for operation in ("head_object", "object_exists", "get_bucket"):
            failure = refusal(store, operation)
            assert type(failure) is PermissionDeniedError
            assert (failure.code, failure.message) == ("AccessDenied", "Access Denied")
        answers["GET"] = Say(200, b"x")
        failure = refusal(store, "head_object")
        assert type(failure) is PermissionDeniedError
        assert re.search(r"403.*HEAD does not say why", failure.message)


# --- where it goes --------------------------------------------------------------------------------


def test_no_network(open_store: OpenStore) -> None:
    with ScriptedServer([]) as server:
        url = server.url
    store = open_store(S3Config(**ALWAYS, endpoint=url))
    words = re.escape(f"no connection to {url.removeprefix('http://')}: Connection refused")
    check(store, TransportError, words, attempts=3)


def test_unreachable_address(open_store: OpenStore) -> None:
    with swallowed() as origin:
        config = S3Config(**ALWAYS, endpoint=origin, timeouts=Timeouts(connect=0.05))
        check(
            open_store(config), TransportError, r"no connection to 127\.0\.0\.1:\d+ in time", attempts=3
        )


def test_name_that_does_not_resolve(open_store: OpenStore) -> None:
    """Where the resolver itself cannot be reached, it is asked again; else there is no such name."""
    store = open_store(S3Config(**ALWAYS, endpoint="http://no-such-host.invalid"))
    for operation in VERBS:
        failure = refusal(store, operation)
        assert type(failure) is TransportError
        assert failure.message.startswith("no connection to no-such-host.invalid:80: ")
        assert failure.attempts == (3 if failure.retryable else 1)
        assert failure.outcome == "not_applied"


def test_name_that_cannot_be(open_store: OpenStore) -> None:
    store = open_store(S3Config(**ALWAYS, endpoint=f"http://{'x' * 64}.example"))
    check(store, TransportError, r"^x{64}\.example:80 is no name of a host$")


# --- TLS ------------------------------------------------------------------------------------------


def expired(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    now = datetime.now(UTC)
    past: dict[str, Any] = {"not_before": now - timedelta(days=2), "not_after": now - timedelta(days=1)}
    authority.issue_cert("127.0.0.1", **past).configure_cert(context)
    return context


@pytest.mark.parametrize(
    ("make_context", "trusts", "words"),
    [
        (server_context, False, r"is not trusted: unable to get local issuer"),
        (
            lambda authority: server_context(authority, "other.example"),
            True,
            r"is not trusted: .*mismatch",
        ),
        (expired, True, r"is not trusted: certificate has expired"),
    ],
    ids=["unknown_authority", "another_host", "expired"],
)
@pytest.mark.parametrize("proxied", [False, True], ids=["direct", "tunnel"])
def test_certificate_that_is_not_trusted(
    open_store: OpenStore,
    authority: trustme.CA,
    ca_file: str,
    make_context: Callable[[trustme.CA], ssl.SSLContext],
    trusts: bool,
    words: str,
    proxied: bool,
) -> None:
    with ExitStack() as stack:
        server = stack.enter_context(Scripted(keep_answering(), tls=make_context(authority)))
        options: dict[str, Any] = {"ca_file": ca_file} if trusts else {}
        if proxied:
            proxy = stack.enter_context(Scripted(tunnel(server.host, server.port)))
            options["proxy"] = with_password(proxy)
        store = open_store(S3Config(**ALWAYS, endpoint=server.origin, **options))
        check(store, TransportError, rf"the certificate of 127\.0\.0\.1:{server.port} {words}")
        assert server.seen == []


def test_tls_spoken_to_a_plain_port(seeded: Mapping[str, S3Config], open_store: OpenStore) -> None:
    for config in seeded.values():
        assert config.endpoint is not None
        endpoint = config.endpoint.replace("http:", "https:")
        store = open_store(S3Config(**ALWAYS, endpoint=endpoint))
        check(store, TransportError, r"speak no TLS: is it http:// there\?")


def test_plain_http_spoken_to_a_tls_port(open_store: OpenStore, authority: trustme.CA) -> None:
    with Scripted(keep_answering(), tls=server_context(authority)) as server:
        endpoint = server.origin.replace("https:", "http:")
        store = open_store(S3Config(**ALWAYS, endpoint=endpoint))
        words = r"closed before the answer; is it https:// there\?"
        check(store, TransportError, words, attempts=3, unknown=True)


def test_web_server_that_says_it_wants_tls(open_store: OpenStore) -> None:
    """As nginx and Go do."""
    page = "Client sent an HTTP request to an HTTPS server.\n"
    answer = ok(page.encode(), "Content-Type: text/plain; charset=utf-8", status="400 Bad Request")
    with Scripted(keep_answering(answer)) as server:
        store = open_store(S3Config(**ALWAYS, endpoint=server.origin))
        failure = refusal(store, "create_object")
        assert type(failure) is UnexpectedResponseError
        assert re.search(r"400 and text/plain: check the endpoint", failure.message)


# --- proxies --------------------------------------------------------------------------------------


def with_password(proxy: Scripted) -> str:
    return f"http://user:{PASSWORD}@127.0.0.1:{proxy.port}"


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("403 Forbidden", r"refused a tunnel to s3\.example:443 with 403$"),
        ("407 Proxy Authentication Required", r"407: it wants a user and a password$"),
    ],
)
def test_proxy_that_refuses_a_tunnel(open_store: OpenStore, status: str, words: str) -> None:
    with Scripted(keep_answering(ok(b"<html>no</html>", status=status))) as proxy:
        options: dict[str, Any] = {"endpoint": "https://s3.example", "proxy": with_password(proxy)}
        store = open_store(S3Config(**ALWAYS, **options))
        words = rf"^the proxy 127\.0\.0\.1:{proxy.port} .*{words}"
        check(store, TransportError, words, status=int(status[:3]))


@pytest.mark.parametrize(
    ("status", "expected", "words"),
    [
        ("403 Forbidden", UnexpectedResponseError, r"HTTP 403 and text/html.*a proxy, a firewall"),
        ("407 Proxy Authentication Required", TransportError, r"the proxy wants a user and a passw"),
    ],
)
def test_proxy_that_refuses_a_plain_request(
    open_store: OpenStore, status: str, expected: type[CloudStoreError], words: str
) -> None:
    page = ok(b"<html>no</html>", "Content-Type: text/html", status=status)

    def answer(peer: Peer) -> None:
        while (seen := peer.read()) is not None:
            peer.send(page if seen.method != "HEAD" else page.partition(b"<html>")[0])

    with Scripted(answer) as proxy:
        options: dict[str, Any] = {"endpoint": "http://s3.example", "proxy": with_password(proxy)}
        check(open_store(S3Config(**ALWAYS, **options)), expected, words, status=int(status[:3]))


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_proxy_that_is_not_there(open_store: OpenStore, scheme: str) -> None:
    with Scripted(keep_answering()) as proxy:
        options: dict[str, Any] = {"endpoint": f"{scheme}://s3.example", "proxy": with_password(proxy)}
    words = rf"no connection to the proxy 127\.0\.0\.1:{proxy.port}: Connection refused"
    check(open_store(S3Config(**ALWAYS, **options)), TransportError, words, attempts=3)


# --- regions --------------------------------------------------------------------------------------


def test_region_that_a_service_does_not_have(
    seeded: Mapping[str, S3Config], open_store: OpenStore
) -> None:
    store = open_store(changed(seeded["swift"], region="eu-west-3"))
    words, code = r"eu-west-3.*set region='us-east-1'", "AuthorizationHeaderMalformed"
    check(store, AuthenticationError, words, code=code, status=400, answered=True)


def test_bucket_of_aws_in_another_region_under_the_generic_preset(open_store: OpenStore) -> None:
    def answer(asked: Asked) -> Say:
        message = "The bucket you are attempting to access must be addressed by the given endpoint."
        headers = {"x-amz-request-id": "R1", "x-amz-bucket-region": "eu-central-1"}
        body = error("PermanentRedirect", message, Endpoint="s3.eu-central-1.amazonaws.com")
        return Say(301, "" if asked.method == "HEAD" else body, headers)

    with ScriptedServer(answer) as server:
        store = open_store(S3Config(**ALWAYS, endpoint=server.url))
        for operation in VERBS:
            failure = refusal(store, operation)
            assert type(failure) is UnexpectedResponseError
            assert failure.message.endswith("(set region='eu-central-1')")
            assert (failure.status, failure.request_id, failure.attempts) == (301, "R1", 1)


# --- what is no S3 --------------------------------------------------------------------------------

PAGE = "<!DOCTYPE html><html><head><title>Welcome</title></head><body><br></body></html>"
HTML = {"content-type": "text/html; charset=utf-8"}


def web_server(status: int, headers: Mapping[str, str] = HTML) -> Callable[[Asked], Say]:
    return lambda asked: Say(status, PAGE, headers)


@pytest.mark.parametrize("preset", ["generic", "aws"])
@pytest.mark.parametrize("status", [400, 403, 404])
def test_endpoint_that_is_a_web_server(open_store: OpenStore, status: int, preset: str) -> None:
    with ScriptedServer(web_server(status)) as server:
        store = open_store(S3Config(**{**ALWAYS, "preset": preset}, endpoint=server.url))
        words = (
            rf"^{server.url} does not answer as S3 does, but with HTTP {status} and text/html: check"
        )
        check(store, UnexpectedResponseError, words, status=status)


@pytest.mark.parametrize("preset", ["generic", "aws"])
def test_web_server_that_redirects(open_store: OpenStore, preset: str) -> None:
    """To TLS, most often. Of where to, no more is told than the host: the rest may be signed."""
    target = f"https://s3.example/bucket/key?X-Amz-Signature={'0' * 64}"
    with ScriptedServer(web_server(301, {**HTML, "location": target})) as server:
        store = open_store(S3Config(**{**ALWAYS, "preset": preset}, endpoint=server.url))
        for operation in ("create_object", "get_object", "get_all_objects", "get_all_buckets"):
            failure = refusal(store, operation)
            assert type(failure) is UnexpectedResponseError
            assert failure.message.endswith("(it redirects to https://s3.example)")


@pytest.mark.parametrize(
    "body", [PAGE, "<html/>", "<Error/>x", ""], ids=["page", "xhtml", "bad", "none"]
)
@pytest.mark.parametrize("headers", [HTML, {}], ids=["html", "untyped"])
def test_page_is_no_empty_list(open_store: OpenStore, body: str, headers: dict[str, str]) -> None:
    with ScriptedServer(lambda _: Say(200, body, headers)) as server:
        store = open_store(S3Config(**ALWAYS, endpoint=server.url))
        for operation in ("get_all_objects", "get_all_buckets"):
            failure = refusal(store, operation)
            assert type(failure) is UnexpectedResponseError
            assert failure.outcome == "not_applied"
            assert failure.status == 200


def test_portal_that_takes_everything_stores_nothing(open_store: OpenStore) -> None:
    with ScriptedServer(web_server(200)) as server:
        failure = refusal(open_store(S3Config(**ALWAYS, endpoint=server.url)), "create_object")
        assert type(failure) is UnexpectedResponseError
        assert (failure.status, failure.attempts, failure.outcome) == (200, 1, "unknown")


def test_page_of_a_balancer_is_tried_again(open_store: OpenStore) -> None:
    answers = [Say(503, PAGE, HTML), Say(200, b"data", {"content-type": "text/html", "etag": '"e"'})]
    with ScriptedServer(answers) as server:
        store = open_store(S3Config(**ALWAYS, endpoint=server.url))
        assert store.get_object(BUCKET, KEY).read() == b"data"


def test_page_may_be_an_object(open_store: OpenStore) -> None:
    with ScriptedServer(lambda asked: Say(200, PAGE, {**HTML, "etag": '"e"'})) as server:
        store = open_store(S3Config(**ALWAYS, endpoint=server.url))
        assert store.get_object(BUCKET, "index.html").text() == PAGE
        assert store.head_object(BUCKET, "index.html").etag == "e"


def test_missing_object_of_a_service_without_request_ids(open_store: OpenStore) -> None:
    answers = {"HEAD": Say(404, "", HTML), "GET": Say(404, error("NoSuchKey", "There is none."))}
    with ScriptedServer(lambda asked: answers[asked.method]) as server:
        store = open_store(S3Config(**ALWAYS, endpoint=server.url))
        with pytest.raises(ObjectNotFoundError, match="There is none"):
            store.head_object(BUCKET, KEY)
        assert store.object_exists(BUCKET, KEY) is False


# --- names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Bad", "a_b", "ab", "a" * 64, "-ab", "a..b", "127.0.0.1", "", "a/b"])
def test_bucket_that_cannot_be(
    seeded: Mapping[str, S3Config], open_store: OpenStore, name: str
) -> None:
    store = open_store(seeded["ministack"])
    for call in (store.create_bucket, store.get_bucket, store.get_all_objects):
        with pytest.raises(InvalidBucketNameError, match="a bucket's name") as caught:
            call(name)
        assert (caught.value.vendor, caught.value.bucket) == ("s3", name)


@pytest.mark.parametrize("key", ["", "a\0b", "k" * 1025, ".cloudstore/x", "\ud800"], ids=ascii)
def test_key_that_cannot_be(seeded: Mapping[str, S3Config], open_store: OpenStore, key: str) -> None:
    store = open_store(seeded["ministack"])
    with pytest.raises(InvalidKeyError) as caught:
        store.create_object(BUCKET, key, b"data")
    assert (caught.value.vendor, caught.value.bucket, caught.value.key) == ("s3", BUCKET, key)
    assert len(caught.value.message) > 20
