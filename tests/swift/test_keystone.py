"""Accounts of a real Keystone, and a real Swift that asks it about every token."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from cloudstore.config import Secret
from cloudstore.errors import ConfigError, ErrorKind
from cloudstore.providers.swift_account import Session, authenticate, connect, settled
from tests.servers.keystone_process import SHORT_SECONDS
from tests.servers.keystone_server import Keystone, Person
from tests.servers.swift_server import Swift
from tests.swift.accounts import Account, failure, listening


@pytest.fixture(scope="module")
def person(keystone: Keystone, keystone_swift: Swift) -> Person:
    return keystone.add_person("tester")


@pytest.fixture(scope="module")
def foreigner(keystone: Keystone, keystone_swift: Swift) -> Person:
    """Of the same name, in another domain."""
    return keystone.add_person("tester", domain="Elsewhere")


def of_person(keystone: Keystone, person: Person, **options: Any) -> Account:
    given: dict[str, Any] = {"user": person.name, "secret_key": Secret(person.password)}
    given |= {"project_name": person.project, "auth_url": keystone.url}
    return settled(Account(**(given | options)))


def works(config: Account, session: Session) -> bool:
    """Whether Swift takes a session."""
    given = settled(Account(token=Secret(session.token), storage_url=session.storage_url))
    connection = connect(given)
    try:
        return "x-account-object-count" in connection.head_account()
    except Exception as exc:
        if getattr(exc, "http_status", None) != 401:
            raise
        return False
    finally:
        connection.close()


def test_password_by_names(keystone: Keystone, keystone_swift: Swift, person: Person) -> None:
    before = time.time()
    config = of_person(keystone, person)
    session = authenticate(config)
    assert session.storage_url == f"{keystone_swift.url}/v1/AUTH_{person.project_id}"
    assert session.expires_at is not None
    assert before + 3500 < session.expires_at < time.time() + 3700
    assert works(config, session)


def test_password_by_ids(keystone: Keystone, person: Person) -> None:
    ids = {"user_id": person.id, "project_id": person.project_id}
    config = of_person(keystone, person, user=None, project_name=None, **ids)
    assert works(config, authenticate(config))


def test_versionless_url(keystone: Keystone, person: Person) -> None:
    config = of_person(keystone, person, auth_url=keystone.url.removesuffix("v3"))
    assert config.auth_version == "3"
    assert works(config, authenticate(config))


def test_names_hold_in_a_domain(keystone: Keystone, person: Person, foreigner: Person) -> None:
    by_name = {"user_domain_name": "Elsewhere", "project_domain_name": "Elsewhere"}
    by_id = {
        "user_domain_id": foreigner.domain_id,
        "project_domain_id": foreigner.domain_id,
    }
    for domain in (by_name, by_id):
        session = authenticate(of_person(keystone, foreigner, **domain))
        assert session.storage_url.endswith(foreigner.project_id)
    assert failure(of_person(keystone, foreigner)).kind is ErrorKind.AUTHENTICATION


def test_application_credentials(keystone: Keystone, person: Person) -> None:
    made = keystone.add_application_credential(person, "backup")
    by_id = {
        "application_credential_id": made.id,
        "application_credential_secret": Secret(made.secret),
    }
    config = settled(Account(auth_url=keystone.url, **by_id))  # type: ignore[arg-type]
    session = authenticate(config)
    assert session.storage_url.endswith(person.project_id)
    assert works(config, session)
    by_name = {**by_id, "application_credential_id": None, "application_credential_name": "backup"}
    for user in ({"user": person.name}, {"user_id": person.id}):
        config = settled(Account(auth_url=keystone.url, **by_name, **user))  # type: ignore[arg-type]
        assert authenticate(config).storage_url == session.storage_url
    wrong = replace(config, application_credential_secret=Secret("wrong"))
    assert failure(wrong).kind is ErrorKind.AUTHENTICATION


def test_token_for_another_token(keystone: Keystone, person: Person) -> None:
    first = authenticate(of_person(keystone, person))
    by_token = {"user": None, "secret_key": None, "token": Secret(first.token)}
    config = of_person(keystone, person, **by_token)
    second = authenticate(config)
    assert second.token != first.token
    assert second.expires_at == pytest.approx(first.expires_at, abs=2), "it lives no longer"
    assert works(config, second)
    keystone.revoke(first.token)
    assert failure(config).kind is ErrorKind.AUTHENTICATION


def test_trust(keystone: Keystone, person: Person, foreigner: Person) -> None:
    trust_id = keystone.add_trust(person, foreigner)
    config = of_person(
        keystone,
        foreigner,
        user_domain_id=foreigner.domain_id,
        project_name=None,
        trust_id=trust_id,
    )
    session = authenticate(config)
    assert session.storage_url.endswith(person.project_id), "of who trusts"
    assert works(config, session)


def test_wrong_password(keystone: Keystone, person: Person) -> None:
    found = failure(of_person(keystone, person, secret_key=Secret("wrong")))
    assert (found.kind, found.status, found.retryable) == (ErrorKind.AUTHENTICATION, 401, False)
    assert found.request_id is not None
    assert found.request_id.startswith("req-")


def test_another_project(keystone: Keystone, person: Person) -> None:
    assert failure(of_person(keystone, person, project_name="no")).kind is ErrorKind.AUTHENTICATION


def test_version_that_is_no_more(keystone: Keystone, person: Person) -> None:
    found = failure(of_person(keystone, person, auth_version="2"))
    assert (found.kind, found.status) == (ErrorKind.CONFIG, 404)


def test_region_and_interface(keystone: Keystone, keystone_swift: Swift, person: Person) -> None:
    config = of_person(keystone, person, region="RegionTwo", interface="internal")
    assert works(config, authenticate(config))
    with pytest.raises(ConfigError, match=r"'RegionThree'; there are RegionOne \(admin\).*RegionTwo"):
        authenticate(of_person(keystone, person, region="RegionThree"))


def test_without_a_project_there_is_no_catalogue(keystone: Keystone, person: Person) -> None:
    config = of_person(keystone, person, project_name=None)
    with pytest.raises(ConfigError, match="give a project_name"):
        authenticate(config)


def test_environment(keystone: Keystone, person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the file that OpenStack's dashboard offers sets it."""
    variables = {
        "OS_AUTH_URL": keystone.url,
        "OS_PROJECT_ID": person.project_id,
        "OS_PROJECT_NAME": person.project,
        "OS_USER_DOMAIN_NAME": person.domain,
        "OS_PROJECT_DOMAIN_ID": person.domain_id,
        "OS_USERNAME": person.name,
        "OS_PASSWORD": person.password,
        "OS_REGION_NAME": "RegionOne",
        "OS_INTERFACE": "public",
        "OS_IDENTITY_API_VERSION": "3",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    config = settled(Account())
    assert works(config, authenticate(config))


def test_what_is_revoked_is_renewed_once(keystone: Keystone, person: Person) -> None:
    config = of_person(keystone, person)
    session = authenticate(config)
    connection = connect(config, session)
    connection.head_account()
    keystone.revoke(session.token)
    assert not works(config, session)
    connection.head_account()
    assert connection.token != session.token
    assert connection.attempts == 2
    connection.close()


def test_what_has_expired_is_renewed(keystone: Keystone, person: Person) -> None:
    config = of_person(keystone, person, auth_url=keystone.short_url)
    session = authenticate(config)
    assert session.expires_at is not None
    assert session.expires_at <= time.time() + SHORT_SECONDS
    while time.time() <= session.expires_at + 1:
        time.sleep(0.05)
    assert not works(config, session)
    connection = connect(config, session)
    connection.head_account()
    assert connection.token != session.token
    connection.close()


def test_nothing_is_logged_of_secrets(keystone: Keystone, person: Person) -> None:
    made = keystone.add_application_credential(person, "overheard")
    secret = Secret(made.secret)
    with listening() as heard:
        config = of_person(keystone, person)
        session = authenticate(config)
        by_credential = settled(
            Account(
                auth_url=keystone.url,
                application_credential_id=made.id,
                application_credential_secret=secret,
            )
        )
        other = authenticate(by_credential)
        by_token = settled(
            Account(auth_url=keystone.url, token=Secret(session.token), project_id=person.project_id)
        )
        third = authenticate(by_token)
        heard.hear(config, session, by_credential, other, by_token, third)
        heard.hear(failure(of_person(keystone, person, secret_key=Secret("very-secret-and-wrong"))))
    heard.search(person.password, made.secret, "very-secret")
    heard.search(session.token, other.token, third.token)
