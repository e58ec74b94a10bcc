"""What both faces, `Store` and `AsyncStore`, do the same way around their verbs. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .arguments import require
from .capabilities import Capabilities
from .config import Config
from .driver import Driver
from .errors import InvalidArgumentError
from .events import Observer
from .model import ObjectInfo, PutOptions, PutResult
from .operations import Operations
from .options import CopyConditions
from .policy import RetryPolicy, Timeouts, TransferConfig

__all__ = ["made_info", "make_operations", "require_named", "split_copy_options"]


def make_operations(
    config: Config | Driver, observer: Observer | None, *, asynchronous: bool
) -> tuple[Driver, Operations]:
    """The driver of a config, and the verbs over it."""
    if isinstance(config, Driver):
        return config, Operations(
            config,
            timeouts=Timeouts(),
            retry=RetryPolicy(),
            transfer=TransferConfig(),
            observer=observer,
            asynchronous=asynchronous,
        )
    if not isinstance(config, Config):
        raise InvalidArgumentError(
            f"a store is made from a Config or a Driver, not {type(config).__name__}"
        )
    driver = config.create_driver()
    return driver, Operations(
        driver,
        timeouts=config.timeouts,
        retry=config.retry,
        transfer=config.transfer,
        observer=observer,
        asynchronous=asynchronous,
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


def split_copy_options(options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The conditions of a copy, and what it changes."""
    conditions = {n: v for n, v in options.items() if n in _CONDITIONS}
    changes = {n: v for n, v in options.items() if n not in _CONDITIONS and v is not None}
    return conditions, changes


def require_named(driver: Driver, features: Iterable[str]) -> None:
    """`arguments.require` for names that a user wrote."""
    names = Capabilities.all_names()
    for feature in features:
        if feature not in names:
            raise InvalidArgumentError(f"no capability {feature!r}; there are {', '.join(names)}")
    require(driver, *features)
