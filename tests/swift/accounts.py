"""What the tests of accounts share: a configuration without a driver, a service of v2.0, a listener."""

from __future__ import annotations

import json
import logging
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

from cloudstore.driver import Driver, ErrorInfo
from cloudstore.errors import CloudStoreError
from cloudstore.providers.swift_account import AccountConfig, account_error, authenticate, settled
from tests.s3.scripted import Asked, Say

TENANT, TENANT_USER, TENANT_KEY = "tenant", "someone", "very-secret-key"
LOGGERS = (None, "keystoneauth", "requests", "swiftclient", "urllib3", "cloudstore")


@dataclass(frozen=True, kw_only=True)
class Account(AccountConfig):
    """Who signs in, and nothing else."""

    scheme: ClassVar[str] = "swift"

    def create_driver(self) -> Driver:
        raise NotImplementedError


def failure(config: AccountConfig) -> ErrorInfo:
    """What `authenticate` fails with."""
    try:
        authenticate(settled(config))
    except CloudStoreError as exc:
        return ErrorInfo(exc.kind, exc.message)
    except Exception as exc:
        found = account_error(exc)
        if found is None:
            raise
        return found
    raise AssertionError("it did not fail")


def tenant_token(*regions: str) -> dict[str, Any]:
    """As the Identity API v2.0 shows one."""
    endpoints = [
        {
            "region": region,
            "publicURL": f"http://{region}-public.example/v1/a",
            "internalURL": f"http://{region}-internal.example/v1/a",
        }
        for region in regions
    ]
    service = {"type": "object-store", "name": "swift", "endpoints": endpoints, "endpoints_links": []}
    token = {
        "id": f"very-secret-{uuid.uuid4().hex}",
        "issued_at": stamp(time.time()),
        "expires": stamp(time.time() + 3600),
        "tenant": {"id": "1", "name": TENANT, "enabled": True},
    }
    user = {"id": "2", "name": TENANT_USER, "username": TENANT_USER, "roles": [], "roles_links": []}
    access = {"token": token, "user": user, "serviceCatalog": [service] if regions else []}
    return {"access": access}


def stamp(seconds: float) -> str:
    """A time as Keystone writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def say_json(document: object, status: int = 200) -> Say:
    return Say(status, json.dumps(document), {"content-type": "application/json"})


def tenant_service(asked: Asked) -> Say:
    """``POST /v2.0/tokens`` for one user of one tenant."""
    if (asked.method, asked.path) != ("POST", "/v2.0/tokens"):
        return Say(404)
    auth = json.loads(asked.body)["auth"]
    given = {"username": TENANT_USER, "password": TENANT_KEY}
    known = auth.get("passwordCredentials") == given or auth.get("token") == {"id": "first-token"}
    if not known or auth.get("tenantName") != TENANT:
        return say_json({"error": {"code": 401, "title": "Unauthorized", "message": "no"}}, 401)
    return say_json(tenant_token("north", "south"))


class Overheard(logging.Handler):
    """Everything that was said, as text."""

    def __init__(self) -> None:
        super().__init__(level=0)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts += [f"{record.name}: {self.format(record)}", repr(record.args)]

    def hear(self, *things: object) -> None:
        for thing in things:
            self.texts += [repr(thing), str(thing)]

    def search(self, *secrets: str) -> None:
        """Fails where one of them was told."""
        for secret in secrets:
            for text in self.texts:
                assert secret not in text, f"told: {text}"


@contextmanager
def listening() -> Iterator[Overheard]:
    """To all loggers at their lowest level."""
    handler = Overheard()
    named: list[Any] = [logging.getLogger(name) for name in LOGGERS]
    levels = [logger.level for logger in named]
    logging.getLogger().addHandler(handler)
    for logger in named:
        logger.setLevel(1)
    try:
        yield handler
    finally:
        logging.getLogger().removeHandler(handler)
        for logger, level in zip(named, levels, strict=True):
            logger.setLevel(level)
