"""boto3 for the ``s3`` driver: its clients, quiet calls to them, and what they fail with.

boto3 is optional (extra ``cloudstore[s3]``) and slow to import, so it is imported when it is used. Its
clients retry nothing, send checksums only where they must, and go where the wire goes: same keys,
region, addressing, certificates, proxy and timeouts.

At DEBUG botocore logs signatures and session tokens, and the keys in the answers that its credential
chain gets: not within our own calls (`sdk_logs`).
"""

from __future__ import annotations

import base64
import hashlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..config import Config
from ..driver import ErrorInfo
from ..errors import ErrorKind, Outcome
from ..extras import modules_of
from ..fork import reset_in_child
from ..wire.tls import SYSTEM
from . import s3_errors as errors
from .sdk_logs import quiet

__all__ = ["Ask", "Boto3", "is_sdk_error", "sdk_error", "sdk_module"]

sdk_module = modules_of("s3")


@dataclass(frozen=True, slots=True)
class Ask:
    """A call to a method of a client.

    Attributes:
        absent: the code of an error by which the service says that there is nothing: no failure.
    """

    method: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    absent: str = ""

    @property
    def outcome(self) -> Outcome:
        """What is known where its answer did not come."""
        return "not_applied" if self.method.startswith("get_") else "unknown"

    @property
    def missing(self) -> ErrorKind:
        """What a 404 means that does not say."""
        return ErrorKind.NOT_FOUND if "Key" in self.parameters else ErrorKind.BUCKET_NOT_FOUND


class Boto3:
    """The clients of one account, made when they are needed; for any number of threads.

    Args:
        endpoint: None has boto3 know AWS's own, of each region.
        virtual: whether the bucket is in the host's name, where its name allows that.
        md5: whether the service wants ``Content-MD5`` where AWS takes a CRC32 as well.
    """

    def __init__(
        self, config: Config, *, endpoint: str | None, region: str, virtual: bool, md5: bool
    ) -> None:
        self._config = config
        self._endpoint = endpoint
        self._region = region
        self._addressing = "virtual" if virtual else "path"
        self._md5 = md5
        self._lock = threading.Lock()
        self._native: Any = None
        self._own: tuple[object, Any] | None = None
        reset_in_child(self)

    def after_fork_in_child(self) -> None:
        """Another thread may have held the lock, and the connections are the parent's."""
        self._lock = threading.Lock()
        self._native = self._own = None

    def native(self, keys: Mapping[str, str | None]) -> Any:
        """The client that users get; without keys it asks boto3's chain."""
        with self._lock:
            if self._native is None:
                self._native = self._make(keys)
            return self._native

    def ask(self, ask: Ask, keys: Any) -> Mapping[str, Any]:
        """The answer to a call. Blocks.

        Args:
            keys: who asks: `s3_account.Keys`, the wire's own.

        Raises:
            MissingDependencyError, and what `sdk_error` tells the meaning of.
        """
        sdk_module("boto3.session")  # makes the loggers that are to be quiet
        with quiet("botocore"):
            client = self._client(keys)
            try:
                answer: Mapping[str, Any] = getattr(client, ask.method)(**ask.parameters)
            except client.exceptions.ClientError as exc:
                if ask.absent and exc.response["Error"]["Code"] == ask.absent:
                    return {}
                raise
            return answer

    def _client(self, keys: Any) -> Any:
        """Made anew when temporary keys were."""
        with self._lock:
            if self._own is None or self._own[0] is not keys:
                made = self._make(keys.for_boto3())
                if self._md5:
                    made.meta.events.register("before-call.s3", _send_md5)
                self._own = (keys, made)
            return self._own[1]

    def _make(self, keys: Mapping[str, str | None]) -> Any:
        session, settings = sdk_module("boto3.session"), sdk_module("botocore.config")
        config = self._config
        proxies = None  # of the environment
        if config.proxy is not None:
            proxies = {"http": config.proxy, "https": config.proxy} if config.proxy else {}
        return session.Session().client(
            "s3",
            endpoint_url=self._endpoint,
            region_name=self._region,
            verify=_trusted(config),
            config=settings.Config(
                signature_version="s3v4",
                s3={"addressing_style": self._addressing, "us_east_1_regional_endpoint": "regional"},
                connect_timeout=config.timeouts.connect,
                read_timeout=config.timeouts.first_byte,
                max_pool_connections=config.max_connections,
                proxies=proxies,
                retries={"mode": "standard", "total_max_attempts": 1},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                ignore_configured_endpoint_urls=True,
                use_fips_endpoint=False,
                use_dualstack_endpoint=False,
            ),
            **keys,
        )

    def close(self) -> None:
        """Closes all clients; any number of times."""
        with self._lock:
            clients = [self._native, self._own and self._own[1]]
            self._native = self._own = None
        for client in clients:
            if client is not None:
                client.close()


def _trusted(config: Config) -> str | bool:
    """What the wire trusts, as boto3 takes it: no folder, so of the system's only their file."""
    if config.verify and config.ca_file == SYSTEM:
        import ssl

        return ssl.get_default_verify_paths().cafile or True
    return (config.ca_file or True) if config.verify else False


def _send_md5(params: Any, **_: object) -> None:
    """Puts ``Content-MD5`` in the place of the checksum that botocore would add to a change."""
    if "request_algorithm" in params["context"].get("checksum", {}):
        del params["context"]["checksum"]
        digest = hashlib.md5(params["body"], usedforsecurity=False).digest()
        params["headers"]["Content-MD5"] = base64.b64encode(digest).decode("ascii")


# --- failures -------------------------------------------------------------------------------------


def is_sdk_error(failure: Exception) -> bool:
    """Whether an exception is one of botocore's."""
    return type(failure).__module__.partition(".")[0] == "botocore"


def sdk_error(ask: Ask, failure: Exception) -> ErrorInfo | None:
    """What a call failed with; None: it is none of botocore's."""
    if not is_sdk_error(failure):
        return None
    botocore = sdk_module("botocore.exceptions")
    if isinstance(failure, botocore.ClientError):
        return errors.sdk_error_info(failure.response, missing=ask.missing, outcome=ask.outcome)
    name = type(failure).__name__
    if isinstance(failure, botocore.ParamValidationError):
        return ErrorInfo(ErrorKind.INVALID_ARGUMENT, errors.shortened(str(failure)))
    if isinstance(failure, botocore.SSLError):
        return ErrorInfo(ErrorKind.TRANSPORT, f"no TLS connection to the service ({name})")
    if isinstance(failure, botocore.ConnectionError):
        message = f"no connection to the service ({name})"
        return ErrorInfo(ErrorKind.TRANSPORT, message, retryable=True)
    if isinstance(failure, botocore.HTTPClientError):
        message = f"the connection failed before the answer ({name})"
        return ErrorInfo(ErrorKind.TRANSPORT, message, retryable=True, outcome=ask.outcome)
    message = f"boto3 failed with {name}"
    return ErrorInfo(ErrorKind.UNEXPECTED_RESPONSE, message, outcome=ask.outcome)
