"""The contenders: a file each, all doing the same things, each as its documentation shows.

Adapters are imported in the process that measures them and nowhere else, so none pays for another's
modules, threads or memory. What they call is untyped or has types of its own making: all of it is Any.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

__all__ = ["CLIENTS", "RAW", "SUBJECT", "Contender", "adapters"]


@dataclass(frozen=True)
class Contender:
    """A client.

    Attributes:
        packages: what it consists of or stands on, for the header.
        awaited: whether it has a face for asyncio, besides the blocking one that all have.
    """

    packages: tuple[str, ...]
    awaited: bool = False


SUBJECT = "cloudstore"
"""What the others are compared with."""
RAW = "raw"
"""No client: the limit, in some of the tables."""

CLIENTS = {
    SUBJECT: Contender(("httptools",), awaited=True),
    "obstore": Contender(("obstore",), awaited=True),
    "opendal": Contender(("opendal",), awaited=True),
    "minio": Contender(("minio", "urllib3")),
    "boto3": Contender(("boto3", "botocore")),
    "s3fs": Contender(("s3fs", "aiobotocore", "aiohttp"), awaited=True),
}


def adapters(name: str) -> Any:
    """The module of a client, with `Blocking` and, where there is asyncio, `Awaited`."""
    return importlib.import_module(f"{__name__}.{name}_client")
