"""Who signs the requests of the ``s3`` driver.

Keys come from the configuration, else from the environment, else, on AWS, from the chain of boto3.
"""

from __future__ import annotations

import os

from ..config import Secret
from ..driver import ErrorInfo
from ..errors import AuthenticationError, ConfigError, ErrorKind
from ..wire.sigv4 import Signer
from .s3_boto3 import is_sdk_error, sdk_module
from .sdk_logs import quiet

__all__ = ["Keys", "chain_error", "configured_keys", "find_keys"]


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


def find_keys(region: str) -> Keys:
    """The keys that AWS's own tools would use. Blocks: it may read files and ask the machine's host.

    Args:
        region: where roles are assumed.

    Raises:
        AuthenticationError: there are none.
        MissingDependencyError
    """
    session = sdk_module("boto3.session")
    with quiet("botocore"):
        found = session.Session(region_name=region).get_credentials()
        if found is None:
            raise AuthenticationError("no credentials were found; give access_key and secret_key")
        frozen = found.get_frozen_credentials()
    expires = getattr(found, "_expiry_time", None)  # nothing public tells
    at = None if expires is None else expires.timestamp()
    return Keys(frozen.access_key, frozen.secret_key, frozen.token, at)


def chain_error(failure: Exception) -> ErrorInfo | None:
    """What the chain failed with. Its words are left to the cause: they may hold secrets."""
    if not is_sdk_error(failure):
        return None
    message = f"no credentials were found: {type(failure).__name__}"
    return ErrorInfo(ErrorKind.AUTHENTICATION, message)
