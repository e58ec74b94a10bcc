"""Who signs the requests of the ``swift`` driver: settings, the environment's words for them, sessions.

Three ways in: ``v1`` (TempAuth and its like: user and key in headers), Keystone's ``v2.0`` (users and
tenants) and ``v3`` (users and projects in domains, application credentials, trusts, tokens). They go
through the plugins of keystoneauth1, and python-swiftclient's for v1 (extra ``cloudstore[swift]``),
over a session of requests that goes where the wire goes: same certificates, proxy and timeouts; no
retries, no redirects, no ``.netrc``.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, ClassVar, TypeVar
from urllib.parse import urlsplit

from ..config import Config, Secret
from ..driver import ErrorInfo
from ..errors import AuthenticationError, ConfigError, ErrorKind, UnexpectedResponseError
from .sdk_logs import quiet
from .swift_sdk import identity_session, is_sdk_error, sdk_module, storage_connection

__all__ = [
    "AccountConfig",
    "Session",
    "account_error",
    "authenticate",
    "connect",
    "is_renewable",
    "settled",
]

SERVICE_TYPE = "object-store"
"""Of Swift in the catalogue: OpenStack's service types authority."""
DEFAULT_DOMAIN = "default"
"""The id of the domain that every Keystone has (`keystone-manage bootstrap`); keystoneclient assumes it
as well where no domain is given."""
LOGGERS = ("keystoneauth", "requests", "swiftclient", "urllib3")
"""Of all that we call here."""
NO_ANSWER = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What keystoneauth fails with where an answer is none of an identity service."""


@dataclass(frozen=True, kw_only=True)
class AccountConfig(Config):
    """What `authenticate` needs to know; `SwiftConfig` says the rest.

    Where nothing of who signs in is given, all of it comes from the environment; where neither
    `auth_url` nor `storage_url` is, so do they. It is read as swiftclient reads it: ``ST_AUTH``,
    ``ST_USER`` and ``ST_KEY``, else ``OS_AUTH_URL``, ``OS_USERNAME`` and so on.

    Attributes:
        auth_url: of the identity service, such as ``"https://keystone.example:5000/v3"``, or of v1,
            such as ``"https://swift.example/auth/v1.0"``.
        auth_version: ``"1"``, ``"2"`` or ``"3"``; None is what `auth_url` ends with, else ``"3"``
            where a project, a domain, or anything but a user and a key is given, else ``"1"``.
        user, user_id: the name (of v1: ``"account:user"``) or the id.
        secret_key: the password, or the key of v1.
        user_domain_name, user_domain_id: where the user's name holds; None is the domain whose id is
            ``default``. Of all that has an id and a name, the id wins.
        project_name, project_id: whose account it is; a tenant to v2.
        project_domain_name, project_domain_id: as the user's.
        application_credential_id, application_credential_name, application_credential_secret: in the
            place of the password; the project is theirs. A name needs the user as well.
        trust_id: in the place of a project.
        token: in the place of a password. With `storage_url` it is used as it is, and nobody is asked.
        region: which of the catalogue's endpoints; None is the first.
        interface: ``"public"``, ``"internal"`` or ``"admin"``: which network the endpoint is for.
        storage_url: of the account, in the place of the endpoint of the catalogue.
    """

    environment: ClassVar[tuple[str, ...]] = (
        "auth_url",
        "user",
        "secret_key",
        "project_name",
        "region",
        "storage_url",
    )

    auth_url: str | None = None
    auth_version: str | None = None
    user: str | None = None
    user_id: str | None = None
    secret_key: Secret | None = None
    user_domain_name: str | None = None
    user_domain_id: str | None = None
    project_name: str | None = None
    project_id: str | None = None
    project_domain_name: str | None = None
    project_domain_id: str | None = None
    application_credential_id: str | None = None
    application_credential_name: str | None = None
    application_credential_secret: Secret | None = None
    trust_id: str | None = None
    token: Secret | None = None
    region: str | None = None
    interface: str | None = None
    storage_url: str | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """What requests are made with.

    Attributes:
        token: goes into ``X-Auth-Token``. Not shown.
        storage_url: the account's, without a slash at its end.
        expires_at: seconds since 1970 by this machine's clock, or None: nobody said.
    """

    token: str = field(repr=False)
    storage_url: str
    expires_at: float | None = None


# --- settings -------------------------------------------------------------------------------------

_LOGIN = (
    "user",
    "user_id",
    "secret_key",
    "user_domain_name",
    "user_domain_id",
    "project_name",
    "project_id",
    "project_domain_name",
    "project_domain_id",
    "application_credential_id",
    "application_credential_name",
    "application_credential_secret",
    "trust_id",
    "token",
)
_PLACE = ("auth_url", "auth_version", "region", "interface", "storage_url")
_SECRETS = ("secret_key", "application_credential_secret", "token")
_SCOPE = ("project_name", "project_id", "project_domain_name", "project_domain_id", "trust_id")
_APPLICATION = (
    "application_credential_id",
    "application_credential_name",
    "application_credential_secret",
)
_VERSIONS: Mapping[str, str] = MappingProxyType(
    {"1": "1", "1.0": "1", "v1": "1", "v1.0": "1", "2": "2", "2.0": "2", "v2": "2", "v2.0": "2"}
    | {"3": "3", "3.0": "3", "v3": "3"}
)
_KNOWN_BY: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "1": frozenset({"user", "secret_key"}),
        "2": frozenset({"user", "user_id", "secret_key", "project_name", "project_id"})
        | {"trust_id", "token", "region", "interface"},
        "3": frozenset({*_LOGIN, "region", "interface"}),
    }
)
"""What each version of the protocol has a word for."""
_INTERFACES = ("public", "internal", "admin")

_ST: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "auth_url": ("ST_AUTH",),
        "auth_version": ("ST_AUTH_VERSION",),
        "user": ("ST_USER",),
        "secret_key": ("ST_KEY",),
    }
)
_OS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "auth_url": ("OS_AUTH_URL",),
        "auth_version": ("OS_AUTH_VERSION", "OS_IDENTITY_API_VERSION"),
        "user": ("OS_USERNAME",),
        "user_id": ("OS_USER_ID",),
        "secret_key": ("OS_PASSWORD",),
        "user_domain_name": ("OS_USER_DOMAIN_NAME",),
        "user_domain_id": ("OS_USER_DOMAIN_ID",),
        "project_name": ("OS_PROJECT_NAME", "OS_TENANT_NAME"),
        "project_id": ("OS_PROJECT_ID", "OS_TENANT_ID"),
        "project_domain_name": ("OS_PROJECT_DOMAIN_NAME",),
        "project_domain_id": ("OS_PROJECT_DOMAIN_ID",),
        "application_credential_id": ("OS_APPLICATION_CREDENTIAL_ID",),
        "application_credential_name": ("OS_APPLICATION_CREDENTIAL_NAME",),
        "application_credential_secret": ("OS_APPLICATION_CREDENTIAL_SECRET",),
        "trust_id": ("OS_TRUST_ID",),
        "token": ("OS_AUTH_TOKEN", "OS_TOKEN"),
        "region": ("OS_REGION_NAME",),
        "interface": ("OS_INTERFACE", "OS_ENDPOINT_TYPE"),
        "storage_url": ("OS_STORAGE_URL",),
    }
)
"""swiftclient/shell.py and, for the newer names, python-openstackclient."""

PROXY_REFUSES = "the proxy does not let us through to the identity service"

AnyConfig = TypeVar("AnyConfig", bound=AccountConfig)


def settled(config: AnyConfig) -> AnyConfig:
    """The configuration with what the environment adds, checked; `authenticate` wants it so.

    Raises:
        ConfigError: something is missing, or does not go together.
    """
    found = _from_environment(config)
    place, login = ({n: getattr(config, n) for n in names} for names in (_PLACE, _LOGIN))
    ours = not any(login.values())
    if not place["auth_url"] and not place["storage_url"]:
        place |= {name: place[name] or found.get(name) for name in _PLACE}
    if ours:
        login |= {name: found[name] for name in _LOGIN if name in found}
    version = _version(place, login)
    if ours:
        login = _one_way_in(login, version)
    # Of another protocol than this one, a variable of the environment means nothing.
    place = {n: v if getattr(config, n) or _knows(version, n) else None for n, v in place.items()}
    place["auth_version"], place["interface"] = version, _interface(place["interface"])
    _check(version, place, login)
    return replace(config, **place, **login)


def _knows(version: str, name: str) -> bool:
    return name in _KNOWN_BY[version] or name in ("auth_url", "auth_version", "storage_url")


def _from_environment(config: AccountConfig) -> dict[str, Any]:
    st = any(os.environ.get(name) for name in ("ST_AUTH", "ST_USER", "ST_KEY"))
    found: dict[str, Any] = {}
    for name, variables in (_ST if st else _OS).items():
        value = next(filter(None, map(os.environ.get, variables)), None)
        if value:
            found[name] = Secret(value) if name in _SECRETS else value
    return found


def _version(place: Mapping[str, Any], login: Mapping[str, Any]) -> str:
    given = place["auth_version"]
    if given:
        if given not in _VERSIONS:
            raise ConfigError("auth_version is '1', '2' or '3'", vendor="swift")
        return _VERSIONS[given]
    last = urlsplit(place["auth_url"] or "").path.rstrip("/").rpartition("/")[2]
    if last in _VERSIONS and last.startswith("v"):
        return _VERSIONS[last]
    return "3" if any(value for n, value in login.items() if n not in _KNOWN_BY["1"]) else "1"


def _one_way_in(login: Mapping[str, Any], version: str) -> dict[str, Any]:
    """Of what the environment holds, what goes together: people leave several ways in it."""
    kind = os.environ.get("OS_AUTH_TYPE", "").removeprefix(f"v{version}")
    if kind not in ("", "password", "token", "applicationcredential"):
        raise ConfigError(
            f"OS_AUTH_TYPE {kind!r} is none of password, token, v3applicationcredential", vendor="swift"
        )
    if not kind:
        kind = "password" if login["secret_key"] else "token"
        if login["application_credential_secret"]:
            kind = "applicationcredential"
    dropped: set[str] = set(login) - _KNOWN_BY[version]
    if kind == "applicationcredential":
        dropped |= {*_SCOPE, "secret_key", "token"}
        if login["application_credential_id"]:
            dropped |= set(_LOGIN) - set(_APPLICATION)
    else:
        dropped |= {*_APPLICATION, "token" if kind == "password" else "secret_key"}
        if kind == "token":
            dropped |= {"user", "user_id", "user_domain_name", "user_domain_id"}
    return {name: None if name in dropped else value for name, value in login.items()}


def _interface(given: str | None) -> str:
    name = (given or "public").removesuffix("URL")
    if name not in _INTERFACES:
        raise ConfigError(f"interface is one of {', '.join(_INTERFACES)}", vendor="swift")
    return name


def _check(version: str, place: Mapping[str, Any], login: Mapping[str, Any]) -> None:
    """Raises ConfigError for what cannot work, before anybody is asked."""
    for name in ("auth_url", "storage_url"):
        _check_url(name, place[name])
    if login["token"] and place["storage_url"]:
        version = "3"
    elif not place["auth_url"]:
        raise ConfigError("swift needs an auth_url, or a storage_url and a token", vendor="swift")
    given = {name for name, value in {**place, **login}.items() if value}
    if place["interface"] == "public":
        given.discard("interface")
    strange = sorted(name for name in given if not _knows(version, name))
    if strange:
        raise ConfigError(f"auth version {version} has no {', '.join(strange)}", vendor="swift")
    if len(given & set(_SECRETS)) != 1:
        ways = "secret_key, token" + (", application_credential_secret" if version == "3" else "")
        if version == "1":
            ways = "secret_key"
        raise ConfigError(f"swift needs one of {ways}", vendor="swift")
    application = "application_credential_secret" in given
    if not application and given & set(_APPLICATION):
        raise ConfigError("swift needs an application_credential_secret", vendor="swift")
    if application and given & set(_SCOPE):
        raise ConfigError("an application credential has a project of its own", vendor="swift")
    if "trust_id" in given and given & {"project_name", "project_id"}:
        raise ConfigError("a trust has a project of its own", vendor="swift")
    if application and not given & {"application_credential_id", "application_credential_name"}:
        raise ConfigError("swift needs an application_credential_id", vendor="swift")
    named = "secret_key" in given or (application and "application_credential_id" not in given)
    if named and not given & {"user", "user_id"}:
        raise ConfigError("swift needs a user", vendor="swift")
    if version == "2" and not given & {"project_name", "project_id"}:
        raise ConfigError("auth version 2 needs a project_name (its tenant)", vendor="swift")


def _check_url(name: str, url: str | None) -> None:
    if url is not None and not _is_url(url):
        raise ConfigError(f"{name} is http(s)://host[:port][/path], and nothing more", vendor="swift")


def _is_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return usable and re.search(r"[^!-~]|[?#\\]", url) is None and "@" not in parts.netloc


# --- sessions -------------------------------------------------------------------------------------


def is_renewable(config: AccountConfig) -> bool:
    """Whether `authenticate` may have another session to give after one was refused."""
    return not (config.token and config.storage_url)


def authenticate(config: AccountConfig) -> Session:
    """Asks for a token, once. Blocks.

    Args:
        config: `settled`.

    Raises:
        AuthenticationError: refused.
        ConfigError: the catalogue has no such endpoint.
        MissingDependencyError
        UnexpectedResponseError
        Exception: of keystoneauth1; `account_error` tells the meaning.
    """
    if not is_renewable(config):
        assert config.token is not None
        assert config.storage_url is not None
        return Session(_usable_token(config.token.reveal()), config.storage_url.rstrip("/"))
    plugin = _plugin(config)
    begun = time.time()
    with quiet(*LOGGERS), identity_session(config, plugin) as identity:
        try:
            access = _access(config, plugin, identity)
            token, lifetime = access.auth_token, _lifetime(access, begun)
            url = config.storage_url or _endpoint(config, access)
        except NO_ANSWER as exc:
            raise UnexpectedResponseError(
                "this is no answer of an identity service", vendor="swift"
            ) from exc
    if not _is_url(url):
        raise UnexpectedResponseError("the storage URL of the account is none", vendor="swift")
    expires = None if lifetime is None else begun + lifetime
    return Session(_usable_token(token), url.rstrip("/"), expires)


def _access(config: AccountConfig, plugin: Any, identity: Any) -> Any:
    try:
        return plugin.get_access(identity)
    except sdk_module("keystoneauth1.exceptions").NotFound as exc:
        if config.token is None:
            raise
        # So Keystone says it of a token that has expired or was revoked.
        raise AuthenticationError(
            "the identity service does not know this token", vendor="swift", status=404
        ) from exc


def connect(config: AccountConfig, session: Session | None = None) -> Any:
    """A ``swiftclient.Connection`` that makes each request once.

    It renews its token itself, once a call, where the configuration can.

    Args:
        config: `settled`.
        session: to begin with; else the first call authenticates.

    Raises:
        MissingDependencyError
    """
    if not is_renewable(config):
        session = authenticate(config)
    plugin = _plugin(config) if is_renewable(config) else None
    options = {
        "object_storage_url": config.storage_url,
        "service_type": SERVICE_TYPE,
        "endpoint_type": config.interface,
        "region_name": config.region,
    }
    return storage_connection(
        config,
        plugin,
        preauthurl=session and session.storage_url,
        preauthtoken=session and session.token,
        os_options={name: value for name, value in options.items() if value},
    )


def _usable_token(token: object) -> str:
    if not isinstance(token, str) or re.fullmatch(r"[!-~]+", token) is None:
        raise UnexpectedResponseError("the token is none that a header could hold", vendor="swift")
    return token


def _revealed(secret: Secret | None) -> str | None:
    return None if secret is None else secret.reveal()


def _plugin(config: AccountConfig) -> Any:
    """The plugin of keystoneauth for this way in. No I/O."""
    assert config.auth_url is not None
    if config.auth_version == "1":
        v1 = sdk_module("swiftclient.authv1")
        return v1.PasswordPlugin(config.auth_url, config.user, _revealed(config.secret_key))
    root = re.sub(r"/v[23](\.0)?$", "", config.auth_url.rstrip("/"))
    if config.auth_version == "2":
        return _tenant_plugin(config, f"{root}/v2.0")
    return _project_plugin(config, f"{root}/v3")


def _tenant_plugin(config: AccountConfig, url: str) -> Any:
    v2 = sdk_module("keystoneauth1.identity.v2")
    scope = {
        "tenant_id": config.project_id,
        "tenant_name": config.project_name,
        "trust_id": config.trust_id,
    }
    if config.token:
        return v2.Token(url, config.token.reveal(), **scope)
    return v2.Password(url, config.user, _revealed(config.secret_key), config.user_id, **scope)


def _project_plugin(config: AccountConfig, url: str) -> Any:
    v3 = sdk_module("keystoneauth1.identity.v3")
    user = {"user_id": config.user_id, "username": config.user}
    user |= _domain("user_domain", config.user, config.user_domain_id, config.user_domain_name)
    if config.application_credential_secret:
        if config.application_credential_id:
            user = {}
        return v3.ApplicationCredential(
            url,
            config.application_credential_secret.reveal(),
            config.application_credential_id,
            config.application_credential_name,
            **user,
        )
    scope = {
        "trust_id": config.trust_id,
        "project_id": config.project_id,
        "project_name": config.project_name,
        **_domain(
            "project_domain",
            config.project_name,
            config.project_domain_id,
            config.project_domain_name,
        ),
    }
    if config.token:
        return v3.Token(url, config.token.reveal(), **scope)
    return v3.Password(url, password=_revealed(config.secret_key), **user, **scope)


def _domain(what: str, name: str | None, id: str | None, domain: str | None) -> dict[str, Any]:
    """Names hold in a domain; ids need none."""
    if not name:
        return {}
    return {f"{what}_id": id or (None if domain else DEFAULT_DOMAIN), f"{what}_name": domain}


def _lifetime(access: Any, now: float) -> float | None:
    """Seconds; by the service's own clock, which may be another than ours, where it says both ends."""
    if access.expires is None:
        return None
    expires = float(access.expires.timestamp())
    try:
        return expires - float(access.issued.timestamp())
    except KeyError:  # services of v2.0 that are no Keystone
        return expires - now


def _endpoint(config: AccountConfig, access: Any) -> str:
    """Of the storage, from the catalogue."""
    if config.auth_version == "1":
        return str(access.service_catalog.storage_url)
    catalog = access.service_catalog
    found = catalog.get_endpoint_data_list(SERVICE_TYPE, config.interface, config.region)
    if found:
        return str(found[0].catalog_url)
    wanted = f"no {config.interface} endpoint of {SERVICE_TYPE}"
    if config.region:
        wanted += f" in region {config.region!r}"
    raise ConfigError(f"the catalogue has {wanted}; {_offer(catalog)}", vendor="swift")


def _offer(catalog: Any) -> str:
    """What there is instead."""
    there = catalog.get_endpoint_data_list(SERVICE_TYPE, None)
    if there:
        pairs = sorted(
            {f"{one.region_name} ({str(one.interface).removesuffix('URL')})" for one in there}
        )
        return f"there are {', '.join(pairs)}"
    types = sorted({str(service["type"]) for service in catalog.normalize_catalog()})
    if types:
        return f"there are only services of type {', '.join(types)}"
    return "it is empty: give a project_name"


# --- failures -------------------------------------------------------------------------------------


def account_error(failure: Exception) -> ErrorInfo | None:
    """What `authenticate` failed with; None: it is no exception of the SDK.

    Nothing was applied, whatever happened: at worst a token was made for nobody. The SDK's own words
    are left to the cause: they may hold what the service said of our secrets.
    """
    if not is_sdk_error(failure):
        return None
    name, answer = type(failure).__name__, getattr(failure, "response", None)
    status = getattr(answer, "status_code", None)
    if status is None or status < 300 or name == "MissingAuthMethods":
        return _unanswered(failure)
    kind, message, retryable = _meaning(status)
    wait = _seconds(answer) if retryable else None
    told = getattr(failure, "request_id", None)
    return ErrorInfo(
        kind, message, retryable=retryable, retry_after=wait, status=status, request_id=told
    )


def _unanswered(failure: Exception) -> ErrorInfo:
    """Of a failure that has no status."""
    name = type(failure).__name__
    if name == "SSLError":
        return ErrorInfo(ErrorKind.TRANSPORT, "no TLS connection to the identity service")
    if name in ("ConnectFailure", "ConnectTimeout", "UnknownConnectionError"):
        return _unconnected(failure)
    if name in ("AuthorizationFailure", "MissingAuthMethods"):
        return ErrorInfo(ErrorKind.AUTHENTICATION, f"the identity service wants more ({name})")
    return ErrorInfo(
        ErrorKind.UNEXPECTED_RESPONSE, f"this is no answer of an identity service ({name})"
    )


def _unconnected(failure: Exception) -> ErrorInfo:
    told = failure.__context__  # of requests; keystoneauth says no more than its words
    reason = getattr(next(iter(told.args), None), "reason", None) if told is not None else None
    if type(told).__name__ == "ProxyError":
        return ErrorInfo(ErrorKind.TRANSPORT, PROXY_REFUSES, retryable=True)
    if type(reason).__name__ == "NameResolutionError":
        return ErrorInfo(ErrorKind.TRANSPORT, "there is no host of the name in auth_url")
    message = f"no answer from the identity service ({type(failure).__name__})"
    return ErrorInfo(ErrorKind.TRANSPORT, message, retryable=True)


def _meaning(status: int) -> tuple[ErrorKind, str, bool]:
    """The kind, what it says, whether it may pass."""
    if status == 401:
        return ErrorKind.AUTHENTICATION, "the identity service refuses these credentials", False
    if status == 403:
        return ErrorKind.PERMISSION_DENIED, "the identity service forbids this", False
    if status == 400:
        return ErrorKind.CONFIG, "the identity service does not take these names and ids", False
    if status < 400:
        return ErrorKind.CONFIG, "auth_url leads elsewhere: give the URL that it leads to", False
    if status in (404, 405):
        return ErrorKind.CONFIG, "there is no identity service of this version at auth_url", False
    if status == 407:
        return ErrorKind.TRANSPORT, PROXY_REFUSES, False
    if status == 429:
        return ErrorKind.RATE_LIMITED, "the identity service wants fewer requests", True
    if status == 408 or status >= 500:
        return ErrorKind.UNAVAILABLE, "the identity service is out of order", status != 501
    return ErrorKind.UNEXPECTED_RESPONSE, "this is no answer of an identity service", False


def _seconds(response: Any) -> float | None:
    """Of ``Retry-After``, where it is a number."""
    value = str(response.headers.get("retry-after", ""))
    return float(value) if re.fullmatch(r"[0-9]{1,9}", value) else None
