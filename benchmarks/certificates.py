"""A certificate for the null server."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

__all__ = ["make_certificate"]


def make_certificate(place: Path) -> tuple[Path, Path]:
    """A server's certificate with its key, and who vouches for it."""
    trustme: Any = importlib.import_module("trustme")
    authority = trustme.CA()
    certificate, ca_file = place / "server.pem", place / "ca.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(certificate)
    authority.cert_pem.write_to_path(ca_file)
    return certificate, ca_file
