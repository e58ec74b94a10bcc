"""How long to wait, how often to try, how to cut large objects: the numbers users may set.

Frozen values, checked when they are made. Pure: no I/O.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

from .errors import ConfigError
from .records import FrozenRecord

__all__ = ["RetryPolicy", "Timeouts", "TransferConfig"]

MIB = 1024 * 1024


def _check(record: Any, *, least: float, none_allowed: tuple[str, ...] = ()) -> None:
    for f in fields(record):
        value = getattr(record, f.name)
        if value is None and f.name in none_allowed:
            continue
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not math.isfinite(value) or value < least:
            raise ConfigError(
                f"{type(record).__name__}.{f.name} must be a number of at least {least}, not {value!r}"
            )
        if str(f.type).startswith("int") and not isinstance(value, int):
            raise ConfigError(f"{type(record).__name__}.{f.name} must be a whole number")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False, eq=False)
class Timeouts(FrozenRecord):
    """How long to wait, in seconds.

    Attributes:
        connect: for a connection, TLS included.
        first_byte: for the head of an answer after the request is sent.
        stall: how long the rate may stay under `stall_bytes` a second before a transfer counts as
            dead; the time that the caller takes is not counted.
        total: for a whole operation, retries included; None is without end. ``timeout=`` of a verb
            wins over it.
    """

    connect: float = 10.0
    first_byte: float = 60.0
    stall: float = 30.0
    stall_bytes: int = 1024
    total: float | None = None

    def __post_init__(self) -> None:
        _check(self, least=0.001, none_allowed=("total",))


@dataclass(frozen=True, slots=True, kw_only=True, repr=False, eq=False)
class RetryPolicy(FrozenRecord):
    """When to try again. It is the only one: no SDK under us retries.

    A failed attempt is tried again when its error is retryable and it is sure that it was not
    applied, or the request is idempotent. The pause before attempt n+1 is a random time up to
    ``min(max_delay, base_delay · 2**(n-1))``, and never less than the vendor asked for.

    Attributes:
        attempts: how often a request is sent at most; 1 is never again.
        base_delay, max_delay: seconds.
        max_retry_after: a vendor that asks for a longer pause than these seconds gets no retry.
        budget: how many retries an endpoint may owe: each takes one, each first success gives back
            a tenth. It keeps many callers from multiplying the load on a service in trouble.
    """

    attempts: int = 4
    base_delay: float = 0.1
    max_delay: float = 10.0
    max_retry_after: float = 60.0
    budget: int = 100

    def __post_init__(self) -> None:
        _check(self, least=0)
        if self.attempts < 1:
            raise ConfigError("RetryPolicy.attempts must be at least 1")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False, eq=False)
class TransferConfig(FrozenRecord):
    """How large objects are cut, and how much of them is under way.

    Attributes:
        part_size: bytes of a part of a multipart upload, and of the buffer for a source that can be
            read only once. Fitted to the vendor's limits.
        multipart_threshold: an object of known size goes in one request up to this many bytes; None
            is where the vendor gains from parts, and its own limit always wins.
        max_concurrency: how many parts of one transfer are under way at a time. Times `part_size`, it
            is the memory that a transfer takes, whatever the object.
    """

    part_size: int = 8 * MIB
    multipart_threshold: int | None = None
    max_concurrency: int = 8

    def __post_init__(self) -> None:
        _check(self, least=1, none_allowed=("multipart_threshold",))
