"""What an engine is told: how long to wait, whom to trust, through whom to go. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..policy import Timeouts
from .tls import TlsSettings

__all__ = ["NetworkSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSettings:
    """The same for both engines.

    Attributes:
        proxy: URL of an HTTP proxy; None takes it from the environment, "" uses none.
        max_connections: how many idle connections are kept to one endpoint.
    """

    timeouts: Timeouts = field(default_factory=Timeouts)
    tls: TlsSettings = field(default_factory=TlsSettings)
    proxy: str | None = field(default=None, repr=False)
    max_connections: int = 64
