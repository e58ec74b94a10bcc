"""OpenStack Keystone (PyPI): who is who, with real tokens and a real catalogue."""

from __future__ import annotations

import http.client
import secrets
import sys
import time
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from .process import ServerProcess

READY = "ready "
REGIONS = ("RegionOne", "RegionTwo")
INTERFACES = ("public", "internal", "admin")
DOMAIN = "default"


@dataclass(frozen=True)
class Person:
    """A user, and a project of theirs, in one domain; the role is ``member``."""

    name: str
    id: str
    password: str
    project: str
    project_id: str
    domain: str
    domain_id: str


@dataclass(frozen=True)
class Credential:
    """An application credential."""

    id: str
    secret: str


class Keystone(ServerProcess):
    """The server, with an administrator and nobody else.

    Attributes:
        url: ``http://127.0.0.1:port/v3``.
        short_url: of the same service; tokens that it gives live for two seconds.
        password: of the user ``admin``, whose project is ``admin``.
    """

    def __init__(self) -> None:
        super().__init__()
        self.password = secrets.token_urlsafe(12)
        script = Path(__file__).with_name("keystone_process.py")
        self._ports: list[str] = []
        self.launch(
            [sys.executable, "-W", "ignore", script, self.folder], {"KEYSTONE_PASSWORD": self.password}
        )
        if not self.wait_until_ready():
            raise AssertionError(f"Keystone does not start:\n{self.log.read_text()}")
        self.url, self.short_url = (f"http://127.0.0.1:{port}/v3" for port in self._ports)
        self._session = self._sign_in()
        roles = self.call("GET", "/roles")["roles"]
        self._member = next(role["id"] for role in roles if role["name"] == "member")

    def is_ready(self) -> bool:
        """It binds its ports itself and then says which; so nobody can take them before."""
        said = [line for line in self.log.read_text().splitlines() if line.startswith(READY)]
        if not said:
            return False
        self._ports = said[0].removeprefix(READY).split()
        return all(answers(int(port)) for port in self._ports)

    def _sign_in(self, **who: str) -> Any:
        who = who or {
            "username": "admin",
            "password": self.password,
            "user_domain_id": DOMAIN,
            "project_name": "admin",
            "project_domain_id": DOMAIN,
        }
        plugin = import_module("keystoneauth1.identity.v3").Password(self.url, **who)
        return import_module("keystoneauth1.session").Session(plugin)

    def stop(self) -> None:
        """Ends the process, after what is connected to it."""
        session = getattr(self, "_session", None)
        if session is not None:
            session.session.close()
        super().stop()

    def call(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        """What the API answers to the administrator."""
        return self._ask(self._session, method, path, body, **options)

    def _ask(self, session: Any, method: str, path: str, body: Any, **options: Any) -> Any:
        answer = session.request(self.url + path, method, json=body, **options)
        return answer.json() if answer.content else None

    def _call_as(self, person: Person, method: str, path: str, body: Any) -> Any:
        session = self._sign_in(
            user_id=person.id, password=person.password, project_id=person.project_id
        )
        try:
            return self._ask(session, method, path, body)
        finally:
            session.close()

    def add_person(self, name: str, domain: str | None = None) -> Person:
        """A user with a project."""
        domain_id = DOMAIN
        if domain is not None:
            made = self.call("POST", "/domains", {"domain": {"name": domain}})
            domain_id = made["domain"]["id"]
        password = secrets.token_urlsafe(12)
        project = {"name": f"project of {name}", "domain_id": domain_id}
        project_id = self.call("POST", "/projects", {"project": project})["project"]["id"]
        user = {"name": name, "password": password, "domain_id": domain_id}
        user_id = self.call("POST", "/users", {"user": user})["user"]["id"]
        self.call("PUT", f"/projects/{project_id}/users/{user_id}/roles/{self._member}")
        return Person(
            name, user_id, password, project["name"], project_id, domain or "Default", domain_id
        )

    def add_storage(self, url: str) -> None:
        """Puts a Swift into the catalogue, at all interfaces of both regions."""
        made = self.call("POST", "/services", {"service": {"type": "object-store", "name": "swift"}})
        self.call("PUT", f"/regions/{REGIONS[1]}", {"region": {}})
        for region in REGIONS:
            for interface in INTERFACES:
                at = f"{url}/v1/AUTH_$(project_id)s"
                endpoint = {"service_id": made["service"]["id"], "interface": interface, "url": at}
                self.call("POST", "/endpoints", {"endpoint": {**endpoint, "region_id": region}})

    def add_application_credential(self, person: Person, name: str) -> Credential:
        """One for the person's project."""
        body = {"application_credential": {"name": name}}
        path = f"/users/{person.id}/application_credentials"
        made = self._call_as(person, "POST", path, body)["application_credential"]
        return Credential(made["id"], made["secret"])

    def add_trust(self, giver: Person, taker: Person) -> str:
        """Lets somebody act for somebody else; returns the trust's id."""
        trust = {
            "trustor_user_id": giver.id,
            "trustee_user_id": taker.id,
            "project_id": giver.project_id,
            "impersonation": False,
            "roles": [{"name": "member"}],
        }
        made: str = self._call_as(giver, "POST", "/OS-TRUST/trusts", {"trust": trust})["trust"]["id"]
        return made

    def revoke(self, token: str) -> None:
        """Makes a token worthless at once."""
        self.call("DELETE", "/auth/tokens", headers={"X-Subject-Token": token})

    def revoke_all(self, person: Person) -> None:
        """Makes all tokens of somebody worthless; who signs in now gets one that is good."""
        for enabled in (False, True):
            self.call("PATCH", f"/users/{person.id}", {"user": {"enabled": enabled}})
        # Keystone knows in which second a token was made, and takes those of this one for old.
        time.sleep(1.05)


def answers(port: int) -> bool:
    """Whether a Keystone does."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/v3")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
