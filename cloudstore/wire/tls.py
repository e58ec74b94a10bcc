"""What a connection trusts. Imports `ssl` only when a context is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import ConfigError

if TYPE_CHECKING:
    import ssl

__all__ = ["SYSTEM", "TlsSettings"]

SYSTEM = "system"
"""In the place of a file's name: what the machine trusts. A file of that name is ``./system``."""


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """How servers prove who they are.

    Attributes:
        verify: False trusts anybody.
        ca_file: trusts these certificates only; `SYSTEM`: those that OpenSSL finds on this machine,
            or in ``SSL_CERT_FILE`` and ``SSL_CERT_DIR``; None: certifi's.
    """

    verify: bool = True
    ca_file: str | None = None

    def context(self) -> ssl.SSLContext:
        """A context of TLS 1.2 or later.

        Raises:
            ConfigError: the file of certificates cannot be read.
        """
        import ssl

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            return context
        if self.ca_file == SYSTEM:
            context.load_default_certs(ssl.Purpose.SERVER_AUTH)
            return context
        try:
            context.load_verify_locations(self.ca_file or _certifi_file())
        except (OSError, ssl.SSLError) as exc:
            raise ConfigError(f"the certificates of {self.ca_file!r} cannot be read: {exc}") from exc
        return context


def _certifi_file() -> str:
    import certifi

    return certifi.where()
