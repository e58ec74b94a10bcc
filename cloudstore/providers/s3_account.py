"""Who signs the requests of the ``s3`` driver, and ``store.native``.

Keys come from the configuration, else from the environment, else, on AWS, from the chain of boto3.
boto3 is optional (extra ``cloudstore[s3]``) and slow to import, so it is imported when it is used.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import import_module
from typing import Any

from ..config import Config, Secret
from ..driver import ErrorInfo
from ..errors import AuthenticationError, ConfigError, ErrorKind, MissingDependencyError
from ..wire.sigv4 import Signer

__all__ = ["Keys", "boto3_client", "chain_error", "configured_keys", "find_keys"]


_ASKING: ContextVar[bool] = ContextVar("cloudstore_asks_the_chain", default=False)
_TELLS_SECRETS = ("boto3", "botocore", "urllib3")


class Keys:
    """An access key, and its signers, one a region. Shows nothing of itself.

    Attributes:
        expires_at: seconds since 1970, or None.
    """

    __slots__ = ("_access_key", "_secret_key", "_session_token", "_signers", "expires_at")

    def __init__(
        self,
        access_key: str,
        secret_key: str,
        session_token: str | None,
        expires_at: float | None = None,
    ) -> None:
        self._access_key = access_key
        self._secret_key = secret_key
        self._session_token = session_token
        self._signers: dict[str, Signer] = {}
        self.expires_at = expires_at

    def signer(self, region: str) -> Signer:
        """Signs for a region."""
        signer = self._signers.get(region)
        if signer is None:
            made = Signer(self._access_key, self._secret_key, region, session_token=self._session_token)
            signer = self._signers.setdefault(region, made)
        return signer

    def for_boto3(self) -> dict[str, str | None]:
        """As a boto3 client takes them."""
        return {
            "aws_access_key_id": self._access_key,
            "aws_secret_access_key": self._secret_key,
            "aws_session_token": self._session_token,
        }


def configured_keys(
    access: str | None, secret: Secret | None, token: Secret | None, *, chain: bool
) -> Keys | None:
    """The given keys, else those of the environment; None: the chain shall find them.

    Raises:
        ConfigError: there are none, or half of them.
    """
    secret_key = secret.reveal() if secret else None
    session_token = token.reveal() if token else None
    if access is None and secret_key is None:
        access = os.environ.get("AWS_ACCESS_KEY_ID")
        secret_key = os.environ.get("AWS_SECRET_ACCESS_KEY")
        session_token = session_token or os.environ.get("AWS_SESSION_TOKEN")
    if access and secret_key:
        return Keys(access, secret_key, session_token or None)
    if access or secret_key or not chain:
        raise ConfigError("s3 needs access_key and secret_key", vendor="s3")
    return None


def _module(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as exc:
        raise MissingDependencyError(
            f"this needs {exc.name}; install it with: pip install 'cloudstore[s3]'", vendor="s3"
        ) from exc


def _is_heard(record: logging.LogRecord) -> bool:
    return record.levelno > logging.DEBUG or not _ASKING.get()


@contextmanager
def _no_debugging() -> Iterator[None]:
    """Meanwhile, what boto3 logs at DEBUG in this thread is dropped: STS's answers hold the keys.

    The filter stays at the loggers, and lets pass what anybody else does.
    """
    for name, logger in list(logging.root.manager.loggerDict.items()):
        if name.startswith(_TELLS_SECRETS) and isinstance(logger, logging.Logger):
            logger.addFilter(_is_heard)
    token = _ASKING.set(True)
    try:
        yield
    finally:
        _ASKING.reset(token)


def find_keys() -> Keys:
    """The keys that AWS's own tools would use. Blocks: it may read files and ask the machine's host.

    Raises:
        AuthenticationError: there are none.
        MissingDependencyError
    """
    session = _module("boto3.session")
    with _no_debugging():
        found = session.Session().get_credentials()
        if found is None:
            raise AuthenticationError("no credentials were found; give access_key and secret_key")
        frozen = found.get_frozen_credentials()
    expires = getattr(found, "_expiry_time", None)  # nothing public tells
    at = None if expires is None else expires.timestamp()
    return Keys(frozen.access_key, frozen.secret_key, frozen.token, at)


def chain_error(failure: Exception) -> ErrorInfo | None:
    """What the chain failed with. Its words are left to the cause: they may hold secrets."""
    if type(failure).__module__.partition(".")[0] != "botocore":
        return None
    message = f"no credentials were found: {type(failure).__name__}"
    return ErrorInfo(ErrorKind.AUTHENTICATION, message)


def boto3_client(
    config: Config, keys: Keys | None, *, endpoint: str, region: str, addressing: str
) -> Any:
    """A client of the same account that retries nothing; without keys it asks the chain itself."""
    session, settings = _module("boto3.session"), _module("botocore.config")
    return session.Session().client(
        "s3",
        endpoint_url=endpoint,
        region_name=region,
        verify=config.ca_file or config.verify,
        config=settings.Config(
            signature_version="s3v4",
            s3={"addressing_style": addressing},
            connect_timeout=config.timeouts.connect,
            read_timeout=config.timeouts.first_byte,
            max_pool_connections=config.max_connections,
            proxies={"http": config.proxy, "https": config.proxy} if config.proxy else None,
            retries={"mode": "standard", "total_max_attempts": 1},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
        **(keys.for_boto3() if keys else {}),
    )
