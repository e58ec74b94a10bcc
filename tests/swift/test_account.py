"""Who signs in to Swift: settings, v1 on a real Swift, v2.0, and services that answer nonsense."""

from __future__ import annotations

import json
import logging
import os
import pickle
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trustme

from cloudstore.config import Secret
from cloudstore.driver import ErrorInfo
from cloudstore.errors import ConfigError, ErrorKind, MissingDependencyError
from cloudstore.policy import Timeouts
from cloudstore.providers.sdk_logs import quiet
from cloudstore.providers.swift_account import (
    LOGGERS,
    Session,
    account_error,
    authenticate,
    connect,
    is_renewable,
    settled,
)
from tests.s3.scripted import Asked, Say, ScriptedServer
from tests.servers.process import free_port
from tests.servers.swift_server import Swift
from tests.swift.accounts import (
    TENANT,
    TENANT_KEY,
    TENANT_USER,
    Account,
    failure,
    listening,
    say_json,
    stamp,
    tenant_service,
    tenant_token,
)
from tests.wire.server import Peer, Scripted, keep_answering, tunnel

DAY_SECONDS = 86400
V1_ANSWER = {"x-storage-url": "http://swift.example/v1/AUTH_a", "x-auth-token": "t"}
ANSWER = b"HTTP/1.1 200 OK\r\nX-Storage-Url: http://swift.example/v1/a\r\nX-Auth-Token: t\r\n"
ANSWER += b"Content-Length: 0\r\n\r\n"


@pytest.fixture(scope="module")
def tenants() -> Iterator[ScriptedServer]:
    with ScriptedServer(tenant_service) as server:
        yield server


def of_swift(server: Swift, **options: Any) -> Account:
    given: dict[str, Any] = {"user": server.access_key, "secret_key": Secret(server.secret_key)}
    return settled(Account(**({"auth_url": f"{server.url}/auth/v1.0", **given} | options)))


def of_tenant(server: ScriptedServer, **options: Any) -> Account:
    given: dict[str, Any] = {"user": TENANT_USER, "secret_key": Secret(TENANT_KEY)}
    given |= {"project_name": TENANT, "auth_url": f"{server.url}/v2.0"}
    return settled(Account(**(given | options)))


def of_v1(url: str, **options: Any) -> Account:
    given: dict[str, Any] = {"user": "a:b", "secret_key": Secret("very-secret-key")}
    return settled(Account(auth_url=url, auth_version="1", **(given | options)))


# --- settings -------------------------------------------------------------------------------------

PERSON: Mapping[str, Any] = {"user": "u", "secret_key": "k"}


@pytest.mark.parametrize(
    ("options", "version"),
    [
        ({"auth_url": "http://h/auth/v1.0", **PERSON}, "1"),
        ({"auth_url": "http://h/auth", **PERSON}, "1"),
        ({"auth_url": "http://h/identity", "project_name": "p", **PERSON}, "3"),
        ({"auth_url": "http://h/v3/", **PERSON}, "3"),
        ({"auth_url": "http://h:5000/v2.0", "project_id": "p", **PERSON}, "2"),
        ({"auth_url": "http://h", "token": "t", "project_id": "p"}, "3"),
        ({"auth_url": "http://h", "auth_version": "2.0", "project_id": "p", **PERSON}, "2"),
    ],
)
def test_version_is_the_url_s_or_follows_from_what_is_given(
    options: dict[str, Any], version: str
) -> None:
    assert settled(Account(**options)).auth_version == version


URL = {"auth_url": "http://h/v3"}
REFUSED: Mapping[str, tuple[dict[str, Any], str]] = {
    "nothing": ({}, "auth_url"),
    "no_secret": ({**URL, "user": "u"}, "needs one of secret_key, token"),
    "no_user": ({**URL, "secret_key": "k"}, "needs a user"),
    "two_ways_in": ({**URL, **PERSON, "token": "t"}, "needs one of"),
    "half_a_credential": ({**URL, "application_credential_id": "i", **PERSON}, "_secret"),
    "nameless_credential": ({**URL, "application_credential_secret": "s"}, "_id"),
    "named_credential_of_nobody": (
        {**URL, "application_credential_secret": "s", "application_credential_name": "n"},
        "needs a user",
    ),
    "project_of_a_credential": (
        {
            **URL,
            "application_credential_id": "i",
            "application_credential_secret": "s",
            "project_id": "p",
        },
        "project of its own",
    ),
    "project_of_a_trust": ({**URL, **PERSON, "trust_id": "t", "project_id": "p"}, "of its own"),
    "version": ({**URL, **PERSON, "auth_version": "4"}, "auth_version"),
    "interface": ({**URL, **PERSON, "interface": "private"}, "public, internal, admin"),
    "region_of_v1": ({"auth_url": "http://h/v1.0", **PERSON, "region": "r"}, "1 has no region"),
    "domain_of_v2": (
        {"auth_url": "http://h/v2.0", **PERSON, "project_id": "p", "user_domain_name": "d"},
        "2 has no user_domain_name",
    ),
    "no_tenant": ({"auth_url": "http://h/v2.0", **PERSON}, "project_name"),
    "no_url": ({"auth_url": "h/v3", **PERSON}, "auth_url is http"),
    "query": ({"auth_url": "http://h/v3?a=b", **PERSON}, "auth_url is http"),
    "line_break": ({"auth_url": "http://h/v3\r\nx: y", **PERSON}, "auth_url is http"),
    "user_in_url": ({"auth_url": "http://u@h/v3", **PERSON}, "auth_url is http"),
    "bad_port": ({"auth_url": "http://h:x/v3", **PERSON}, "auth_url is http"),
    "storage_url": ({**URL, **PERSON, "storage_url": "ftp://h"}, "storage_url is http"),
    "token_of_v1": ({"auth_url": "http://h/v1.0", "token": "t"}, "1 has no token"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_go_together_is_refused(name: str) -> None:
    options, words = REFUSED[name]
    with pytest.raises(ConfigError, match=words):
        settled(Account(**options))


OS = {
    "OS_AUTH_URL": "http://os.example:5000",
    "OS_USERNAME": "os-user",
    "OS_PASSWORD": "os-password",
    "OS_PROJECT_NAME": "os-project",
    "OS_USER_DOMAIN_NAME": "os-domain",
    "OS_PROJECT_DOMAIN_ID": "os-domain-id",
    "OS_REGION_NAME": "os-region",
    "OS_INTERFACE": "internal",
    "OS_IDENTITY_API_VERSION": "3",
}
ST = {"ST_AUTH": "http://st.example/auth/v1.0", "ST_USER": "a:st", "ST_KEY": "st-key"}
CREDENTIAL = {"OS_APPLICATION_CREDENTIAL_ID": "os-id", "OS_APPLICATION_CREDENTIAL_SECRET": "os-secret"}


def set_all(monkeypatch: pytest.MonkeyPatch, *variables: Mapping[str, str]) -> None:
    for some in variables:
        for name, value in some.items():
            monkeypatch.setenv(name, value)


def revealed(secret: Secret | None) -> str | None:
    return None if secret is None else secret.reveal()


def test_environment_of_openstack(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, OS)
    found = settled(Account())
    assert (found.auth_url, found.auth_version) == ("http://os.example:5000", "3")
    assert (found.user, revealed(found.secret_key)) == ("os-user", "os-password")
    assert (found.user_domain_name, found.project_domain_id) == ("os-domain", "os-domain-id")
    assert (found.project_name, found.region, found.interface) == (
        "os-project",
        "os-region",
        "internal",
    )


def test_environment_of_swift(monkeypatch: pytest.MonkeyPatch) -> None:
    """As to swiftclient, it goes before OpenStack's."""
    set_all(monkeypatch, OS, ST)
    found = settled(Account())
    assert (found.auth_url, found.auth_version) == ("http://st.example/auth/v1.0", "1")
    assert (found.user, revealed(found.secret_key)) == ("a:st", "st-key")
    assert (found.project_name, found.region) == (None, None)


def test_application_credential_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, OS, CREDENTIAL)
    found = settled(Account())
    assert found.application_credential_id == "os-id"
    assert revealed(found.application_credential_secret) == "os-secret"
    assert (found.user, found.secret_key, found.project_name) == (None, None, None)
    monkeypatch.setenv("OS_AUTH_TYPE", "v3password")
    found = settled(Account())
    assert (found.user, found.application_credential_id) == ("os-user", None)
    monkeypatch.setenv("OS_AUTH_TYPE", "v3oidcpassword")
    with pytest.raises(ConfigError, match="OS_AUTH_TYPE"):
        settled(Account())


def test_token_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OS_AUTH_TOKEN", "os-token")
    monkeypatch.setenv("OS_STORAGE_URL", "http://os.example/v1/AUTH_x/")
    found = settled(Account())
    assert not is_renewable(found)
    assert authenticate(found) == Session("os-token", "http://os.example/v1/AUTH_x")
    set_all(monkeypatch, OS)
    assert settled(Account()).token is None, "a password is better: it can be used again"
    monkeypatch.setenv("OS_AUTH_TYPE", "token")
    assert settled(Account()).user is None


def test_who_signs_in_comes_from_one_place(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, OS)
    found = settled(Account(user="mine", secret_key=Secret("own")))
    assert (found.user, revealed(found.secret_key)) == ("mine", "own")
    assert (found.project_name, found.user_domain_name) == (None, None)
    assert (found.auth_url, found.region) == ("http://os.example:5000", "os-region")
    with pytest.raises(ConfigError, match="needs one of"):
        settled(Account(user="mine"))


def test_where_it_is_comes_from_one_place(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, OS, {"OS_STORAGE_URL": "http://os.example/v1/AUTH_x"})
    found = settled(Account(auth_url="http://mine.example/v3"))
    assert (found.auth_url, found.storage_url, found.region) == ("http://mine.example/v3", None, None)
    assert found.user == "os-user"
    assert settled(Account(region="mine")).region == "mine"
    assert settled(Account(region="mine")).storage_url == "http://os.example/v1/AUTH_x"


def test_secrets_are_not_shown(tenants: ScriptedServer) -> None:
    config = of_tenant(tenants)
    session = authenticate(config)
    assert TENANT_KEY not in f"{config!r}{config}"
    assert session.token.startswith("very-secret-")
    assert "very-secret" not in f"{session!r}{session}"
    copy = pickle.loads(pickle.dumps((config, session)))
    assert copy == (config, session)


# --- v1 -------------------------------------------------------------------------------------------


def test_v1_on_a_real_swift(swift: Swift) -> None:
    before = time.time()
    session = authenticate(of_swift(swift))
    assert session.storage_url == f"{swift.url}/v1/AUTH_test"
    assert session.expires_at is not None
    assert before < session.expires_at <= time.time() + DAY_SECONDS
    assert "x-account-object-count" in connect(of_swift(swift), session).head_account()


def test_v1_refuses_a_wrong_key(swift: Swift) -> None:
    found = failure(of_swift(swift, secret_key=Secret("very-secret-and-wrong")))
    assert (found.kind, found.status, found.retryable) == (ErrorKind.AUTHENTICATION, 401, False)
    assert found.request_id is not None
    assert found.request_id.startswith("tx")


def test_storage_url_overrides(swift: Swift) -> None:
    config = of_swift(swift, storage_url=f"{swift.url}/v1/AUTH_test2/")
    assert authenticate(config).storage_url == f"{swift.url}/v1/AUTH_test2"


def test_connection_renews_a_refused_token_once(swift: Swift) -> None:
    config = of_swift(swift)
    connection = connect(config, Session("refused", f"{swift.url}/v1/AUTH_test"))
    assert "x-account-object-count" in connection.head_account()
    assert connection.token == authenticate(config).token, "TempAuth gives the same one again"
    connection.close()


def test_connection_of_a_given_token_does_not(swift: Swift) -> None:
    config = settled(Account(token=Secret("refused"), storage_url=f"{swift.url}/v1/AUTH_test"))
    with pytest.raises(Exception, match="401"):
        connect(config).head_account()


def test_connection_tries_once() -> None:
    with ScriptedServer(lambda asked: Say(503)) as server:
        connection = connect(of_v1(server.url), Session("t", f"{server.url}/v1/a"))
        with pytest.raises(Exception, match="503"):
            connection.head_account()
        connection.close()
    assert len(server.asked) == 1


def test_connection_authenticates_where_there_is_no_session(swift: Swift) -> None:
    assert "x-account-object-count" in connect(of_swift(swift)).head_account()


# --- v2.0 -----------------------------------------------------------------------------------------


def test_v2_says_what_its_api_has(tenants: ScriptedServer) -> None:
    session = authenticate(of_tenant(tenants))
    asked = tenants.asked[-1]
    assert json.loads(asked.body) == {
        "auth": {
            "passwordCredentials": {"username": TENANT_USER, "password": TENANT_KEY},
            "tenantName": TENANT,
        }
    }
    assert session.storage_url == "http://north-public.example/v1/a"
    assert session.expires_at is not None
    assert asked.headers["user-agent"].startswith("cloudstore ")


def test_v2_by_the_root_s_url_and_by_a_token(tenants: ScriptedServer) -> None:
    by_token = of_tenant(
        tenants,
        auth_url=tenants.url,
        auth_version="2",
        user=None,
        secret_key=None,
        token=Secret("first-token"),
    )
    assert authenticate(by_token).token.startswith("very-secret-")
    assert tenants.asked[-1].path == "/v2.0/tokens"


def test_region_and_interface_choose(tenants: ScriptedServer) -> None:
    south = of_tenant(tenants, region="south", interface="internal")
    assert authenticate(south).storage_url == "http://south-internal.example/v1/a"


def test_another_region_is_refused_with_what_there_is(tenants: ScriptedServer) -> None:
    with pytest.raises(ConfigError, match=r"'west'; there are north \(internal\), .*south \(public\)"):
        authenticate(of_tenant(tenants, region="west"))
    with pytest.raises(ConfigError, match="no admin endpoint of object-store; there are north"):
        authenticate(of_tenant(tenants, interface="admin"))


def test_v2_refuses(tenants: ScriptedServer) -> None:
    assert failure(of_tenant(tenants, project_name="other")).kind is ErrorKind.AUTHENTICATION


def test_a_catalogue_without_storage_says_what_it_has() -> None:
    token = tenant_token()
    with ScriptedServer(lambda asked: say_json(token)) as server:
        with pytest.raises(ConfigError, match="it is empty"):
            authenticate(of_tenant(server))
        endpoint = {"region": "north", "publicURL": "http://nova.example"}
        service = {"type": "compute", "name": "nova", "endpoints": [endpoint]}
        token["access"]["serviceCatalog"] = [service]
        with pytest.raises(ConfigError, match="only services of type compute"):
            authenticate(of_tenant(server))


def test_lifetime_is_by_the_service_s_own_clock() -> None:
    """An hour ahead of ours, it gives tokens that live for ten minutes."""
    answer, now = tenant_token("north"), time.time()
    token = answer["access"]["token"]
    token["issued_at"], token["expires"] = stamp(now + 3600), stamp(now + 4200)
    with ScriptedServer(lambda asked: say_json(answer)) as server:
        expires = authenticate(of_tenant(server)).expires_at
        assert expires is not None
        assert now + 600 <= expires <= time.time() + 600
        del token["issued_at"]
        expires = authenticate(of_tenant(server)).expires_at
        assert expires == pytest.approx(now + 4200, abs=1)


# --- failures -------------------------------------------------------------------------------------

SAID: Mapping[str, tuple[Say, ErrorInfo]] = {
    "bad_request": (Say(400), ErrorInfo(ErrorKind.CONFIG, status=400)),
    "forbidden": (Say(403), ErrorInfo(ErrorKind.PERMISSION_DENIED, status=403)),
    "not_found": (Say(404), ErrorInfo(ErrorKind.CONFIG, status=404)),
    "proxy": (Say(407), ErrorInfo(ErrorKind.TRANSPORT, status=407)),
    "too_slow": (Say(408), ErrorInfo(ErrorKind.UNAVAILABLE, retryable=True, status=408)),
    "odd": (Say(418), ErrorInfo(ErrorKind.UNEXPECTED_RESPONSE, status=418)),
    "too_many": (
        Say(429, b"", {"retry-after": "7"}),
        ErrorInfo(ErrorKind.RATE_LIMITED, retryable=True, retry_after=7.0, status=429),
    ),
    "broken": (Say(500), ErrorInfo(ErrorKind.UNAVAILABLE, retryable=True, status=500)),
    "unknown": (Say(501), ErrorInfo(ErrorKind.UNAVAILABLE, status=501)),
    "away": (
        Say(503, b"", {"retry-after": "Fri, 31 Dec 1999 23:59:59 GMT"}),
        ErrorInfo(ErrorKind.UNAVAILABLE, retryable=True, status=503),
    ),
    "elsewhere": (
        Say(307, b"", {"location": "http://127.0.0.1:1/"}),
        ErrorInfo(ErrorKind.CONFIG, status=307),
    ),
    "page": (Say(200, b"<html>welcome</html>"), ErrorInfo(ErrorKind.UNEXPECTED_RESPONSE)),
}


@pytest.mark.parametrize("version", ["1", "2", "3"])
@pytest.mark.parametrize("name", SAID)
def test_what_an_answer_means(name: str, version: str) -> None:
    said, meant = SAID[name]
    with ScriptedServer(lambda asked: said) as server:
        config = of_v1(server.url) if version == "1" else of_tenant(server, auth_version=version)
        found = failure(replace(config, auth_url=server.url))
    assert len(server.asked) == 1
    assert found.message
    assert replace(found, message="") == meant


JSON = {"content-type": "application/json", "x-subject-token": "t"}
NONSENSE: Mapping[str, Say] = {
    "list": Say(200, b"[]", JSON),
    "number": Say(200, b"7", JSON),
    "null": Say(200, b"null", JSON),
    "deep": Say(200, b'{"token": ' + b"[" * 100_000, JSON),
    "empty_token": Say(200, b'{"token": {}, "access": {}}', JSON),
    "token_of_text": Say(200, b'{"token": "x", "access": "x"}', JSON),
    "no_subject": Say(200, b'{"token": {"catalog": []}}', {"content-type": "application/json"}),
    "odd_catalogue": Say(200, b'{"token": {"catalog": [7]}}', JSON),
    "not_utf8": Say(200, b'{"token": "\xff\xfe"}', JSON),
}


@pytest.mark.parametrize("version", ["2", "3"])
@pytest.mark.parametrize("name", NONSENSE)
def test_nonsense_is_an_unexpected_response(name: str, version: str) -> None:
    with ScriptedServer(lambda asked: NONSENSE[name]) as server:
        config = of_tenant(server, auth_url=server.url, auth_version=version)
        assert failure(config).kind is ErrorKind.UNEXPECTED_RESPONSE


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-storage-url": "http://h/v1/a"},
        {**V1_ANSWER, "x-storage-url": "gopher://h"},
        {**V1_ANSWER, "x-storage-url": "http://h/a b"},
        {**V1_ANSWER, "x-auth-token": "a b"},
        {**V1_ANSWER, "x-auth-token-expires": "1e999"},
    ],
)
def test_nonsense_of_v1_is_an_unexpected_response(headers: dict[str, str]) -> None:
    with ScriptedServer(lambda asked: Say(200, b"", headers)) as server:
        assert failure(of_v1(server.url)).kind is ErrorKind.UNEXPECTED_RESPONSE


def test_nobody_there() -> None:
    found = failure(of_v1(f"http://127.0.0.1:{free_port()}"))
    assert (found.kind, found.retryable) == (ErrorKind.TRANSPORT, True)


def test_no_such_host() -> None:
    found = failure(of_v1("http://no-such-host.invalid/auth/v1.0", proxy=""))
    assert (found.kind, found.retryable) == (ErrorKind.TRANSPORT, False)
    assert "no host" in found.message


def test_a_proxy_that_refuses() -> None:
    with Scripted(keep_answering(b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n")) as proxy:
        for scheme in ("http", "https"):
            found = failure(of_v1(f"{scheme}://h.invalid", proxy=proxy.origin))
            assert found.kind is ErrorKind.TRANSPORT
            assert "proxy" in found.message
        assert len(proxy.seen) == 2


def stall(peer: Peer) -> None:
    peer.read()
    peer.wait_for_end()


def drip(peer: Peer) -> None:
    peer.read()
    peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        peer.send(b"x")
        time.sleep(0.02)


def pour(peer: Peer) -> None:
    peer.read()
    peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        peer.send(b"x" * 65536)


def cut(peer: Peer) -> None:
    peer.read()
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nx")


def garbage(peer: Peer) -> None:
    peer.read()
    peer.send(b"SSH-2.0-OpenSSH\r\n")


LONG = 3600.0


@pytest.mark.parametrize(
    ("script", "seconds"),
    [(stall, 0.2), (drip, 0.2), (pour, LONG), (cut, LONG), (garbage, LONG), (Peer.reset, LONG)],
)
def test_a_service_that_does_not_answer_well(script: Any, seconds: float) -> None:
    with Scripted(script) as server:
        config = of_v1(server.origin, timeouts=Timeouts(connect=5, first_byte=seconds))
        found = failure(config)
        assert server.connections == 1
    assert (found.kind, found.retryable) == (ErrorKind.TRANSPORT, True)


def test_other_exceptions_are_not_explained() -> None:
    assert account_error(KeyError("a")) is None


# --- where it connects ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


def test_certificates(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, file = tmp_path / "ca.pem", tmp_path / "other.pem"
    authority.cert_pem.write_to_path(str(ours))
    trustme.CA().cert_pem.write_to_path(str(file))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(ours))
    with Scripted(keep_answering(ANSWER), tls=server_tls(authority)) as server:
        session = authenticate(of_v1(server.origin, ca_file=str(ours)))
        assert session.storage_url == "http://swift.example/v1/a"
        for ca_file in (None, str(file)):
            found = failure(of_v1(server.origin, ca_file=ca_file))
            assert (found.kind, found.retryable) == (ErrorKind.TRANSPORT, False)
            assert "TLS" in found.message
        monkeypatch.setenv("SSL_CERT_FILE", str(ours))
        authenticate(of_v1(server.origin, ca_file="system"))
        native = connect(of_v1(server.origin, ca_file=str(ours)), Session("t", server.origin))
        assert native.head_account()["x-auth-token"] == "t"
        native.close()
        native = connect(of_v1(server.origin, ca_file=str(file)), Session("t", server.origin))
        with pytest.raises(Exception, match="certificate verify failed"):
            native.head_account()
        native.close()


def test_certificates_of_nobody(
    authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    with pytest.raises(ConfigError, match="no certificates"):
        authenticate(of_v1("https://127.0.0.1:1", ca_file="system"))


def test_verification_switched_off(authority: trustme.CA) -> None:
    with (
        Scripted(keep_answering(ANSWER), tls=server_tls(authority)) as server,
        pytest.warns(Warning, match="Unverified HTTPS"),
    ):
        authenticate(of_v1(server.origin, verify=False))


@pytest.mark.parametrize("tls", [False, True])
def test_proxy(
    authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tls: bool
) -> None:
    ca_file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    with Scripted(keep_answering(ANSWER), tls=server_tls(authority) if tls else None) as server:
        script = tunnel("127.0.0.1", server.port) if tls else keep_answering(ANSWER)
        with Scripted(script) as proxy:
            url = f"http://us%C3%A9r:pass@127.0.0.1:{proxy.port}"
            config = of_v1(server.origin, ca_file=str(ca_file), proxy=url)
            authenticate(config)
            # base64 of "usér:pass" in UTF-8
            expected = "Basic dXPDqXI6cGFzcw=="
            seen = {n.lower(): value for n, value in proxy.seen[0].headers.items()}
            assert seen["proxy-authorization"] == expected
            connection = connect(config, Session("t", server.origin))
            connection.head_account()
            connection.close()
            assert len(proxy.seen) == 2
            monkeypatch.setenv("https_proxy" if tls else "http_proxy", url)
            authenticate(replace(config, proxy=None))
            assert len(proxy.seen) == 3
            authenticate(replace(config, proxy=""))
            connection = connect(replace(config, proxy=""), Session("t", server.origin))
            connection.head_account()
            connection.close()
            monkeypatch.setenv("no_proxy", "127.0.0.1")
            authenticate(replace(config, proxy=None))
            assert len(proxy.seen) == 3


def test_netrc_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login very password secret\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    with ScriptedServer(lambda asked: Say(200, b"", V1_ANSWER)) as server:
        authenticate(of_v1(server.url))
    assert "authorization" not in server.asked[0].headers
    assert "cookie" not in server.asked[0].headers


# --- what is left behind --------------------------------------------------------------------------


def test_nothing_is_logged_of_secrets(swift: Swift, tenants: ScriptedServer) -> None:
    with listening() as heard:
        sessions = []
        for config in (of_swift(swift), of_tenant(tenants)):
            sessions.append(authenticate(config))
            heard.hear(config, sessions[-1])
            wrong = replace(config, secret_key=Secret("very-secret-and-wrong"))
            heard.hear(failure(wrong))
        logging.getLogger("urllib3.connectionpool").debug("somebody else's")
        with quiet(*LOGGERS):
            logging.getLogger("urllib3.connectionpool").debug("ours")
            logging.getLogger("urllib3.connectionpool").warning("a warning")
    heard.search(*(session.token for session in sessions), swift.secret_key, "very-secret")
    told = [text for text in heard.texts if "connectionpool" in text]
    assert told == [
        "urllib3.connectionpool: somebody else's",
        "urllib3.connectionpool: a warning",
    ]


def test_other_threads_may_log_meanwhile() -> None:
    """A call of ours takes the word of nobody else."""
    begun, said = threading.Event(), threading.Event()

    def answer(asked: Asked) -> Say:
        begun.set()
        assert said.wait(20)
        return Say(200, b"", V1_ANSWER)

    with ScriptedServer(answer) as server, listening() as heard:
        thread = threading.Thread(target=authenticate, args=(of_v1(server.url),))
        thread.start()
        assert begun.wait(20)
        logging.getLogger("urllib3.connectionpool").debug("somebody else's")
        said.set()
        thread.join()
    assert "urllib3.connectionpool: somebody else's" in heard.texts


ALONE = """
import os, sys
from tests.swift.test_account import of_v1, authenticate, connect, Session
url = sys.argv[1]
session = authenticate(of_v1(url))
connection = connect(of_v1(url), Session("t", url))
connection.head_account()
pid = os.fork()
if pid == 0:
    os._exit(0 if authenticate(of_v1(url)) == session else 1)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
print("done")
"""


def test_no_file_is_written_and_a_fork_signs_in(tmp_path: Path) -> None:
    places = {name: str(tmp_path / name) for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME")}
    for place in places.values():
        os.mkdir(place)
    environment = {**os.environ, **places, "PYTHONDONTWRITEBYTECODE": "1"}
    root = Path(__file__).parents[2]
    with ScriptedServer(lambda asked: Say(200, b"", V1_ANSWER)) as server:
        done = subprocess.run(
            [sys.executable, "-c", ALONE, server.url],
            env={**environment, "PYTHONPATH": str(root)},
            cwd=places["HOME"],
            capture_output=True,
            text=True,
        )
    assert done.stdout == "done\n", done.stderr
    assert len(server.asked) == 3
    assert [list(Path(place).iterdir()) for place in places.values()] == [[], [], []]


def test_a_missing_sdk_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("swiftclient.authv1", "keystoneauth1.identity.v3"):
        monkeypatch.setitem(sys.modules, name, None)
    person = Account(auth_url="http://h/v3", user="u", secret_key=Secret("k"))
    for config in (of_v1("http://h"), settled(person)):
        with pytest.raises(MissingDependencyError, match=r"cloudstore\[swift\]"):
            authenticate(config)
