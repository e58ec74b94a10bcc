"""What both faces, `Store` and `AsyncStore`, do the same way around their verbs. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from .arguments import require
from .capabilities import Capabilities
from .config import Config
from .driver import Driver
from .errors import InvalidArgumentError
from .events import Observer
from .expiry import ExpiringDriver
from .model import ObjectInfo, PutOptions, PutResult
from .operations import Operations
from .options import CopyConditions, HeaderOptions
from .policy import RetryPolicy, Timeouts, TransferConfig

if TYPE_CHECKING:
    from .wire.settings import NetworkSettings

__all__ = [
    "made_info",
    "make_operations",
    "network_settings",
    "require_named",
    "split_copy_options",
]


def make_operations(
    config: Config | Driver,
    observer: Observer | None,
    *,
    asynchronous: bool,
    timeouts: Timeouts | None = None,
    retry: RetryPolicy | None = None,
    transfer: TransferConfig | None = None,
    emulate_expiry: bool | None = None,
) -> tuple[Driver, Operations]:
    """The driver of a config, and the verbs over it; what is given wins over the config."""
    if isinstance(config, Driver):
        driver = config
        timeouts = timeouts or Timeouts()
        retry = retry or RetryPolicy()
        transfer = transfer or TransferConfig()
    elif isinstance(config, Config):
        driver = config.create_driver()
        timeouts = timeouts or config.timeouts
        retry = retry or config.retry
        transfer = transfer or config.transfer
        emulate_expiry = config.emulate_expiry if emulate_expiry is None else emulate_expiry
    else:
        raise InvalidArgumentError(
            f"a store is made from a Config or a Driver, not {type(config).__name__}"
        )
    expiring = ExpiringDriver(driver) if emulate_expiry else None
    driver = expiring or driver
    return driver, Operations(
        driver,
        timeouts=timeouts,
        retry=retry,
        transfer=transfer,
        observer=observer,
        asynchronous=asynchronous,
        expiring=expiring,
    )


def network_settings(config: Config | Driver, timeouts: Timeouts | None) -> NetworkSettings:
    """How the wire of a store shall behave. Imported here: an embedded store has none."""
    from .wire.settings import NetworkSettings
    from .wire.tls import TlsSettings

    if isinstance(config, Driver):
        return NetworkSettings(timeouts=timeouts or Timeouts())
    return NetworkSettings(
        timeouts=timeouts or config.timeouts,
        tls=TlsSettings(config.verify, config.ca_file),
        proxy=config.proxy,
        max_connections=config.max_connections,
    )


def made_info(key: str, result: PutResult, options: PutOptions, size: int) -> ObjectInfo:
    """What is known of an object that was just written."""
    return ObjectInfo(
        key,
        size,
        result.etag,
        result.last_modified,
        options.content_type,
        options.content_encoding,
        options.cache_control,
        options.content_disposition,
        dict(options.metadata),
        result.checksums,
        result.version,
        options.storage_class,
    )


_CONDITIONS = frozenset(CopyConditions.__annotations__)
_CHANGES = frozenset(HeaderOptions.__annotations__)


def split_copy_options(options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The conditions of a copy, and what it changes."""
    conditions = {n: v for n, v in options.items() if n in _CONDITIONS}
    changes = {
        n: v for n, v in options.items() if n not in _CONDITIONS and not (v is None and n in _CHANGES)
    }
    return conditions, changes


def require_named(driver: Driver, features: Iterable[str]) -> None:
    """`arguments.require` for names that a user wrote."""
    names = Capabilities.all_names()
    for feature in features:
        if feature not in names:
            raise InvalidArgumentError(f"no capability {feature!r}; there are {', '.join(names)}")
    require(driver, *features)
