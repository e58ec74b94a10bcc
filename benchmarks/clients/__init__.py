"""The contenders: a file each, all doing the same things, each as its documentation shows.

Adapters are imported in the process that measures them and nowhere else, so none pays for another's
modules, threads or memory. What they call is untyped or has types of its own making: all of it is Any.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["CLIENTS", "RAW", "SUBJECT", "VENDORS", "Contender", "adapters"]


@dataclass(frozen=True)
class Contender:
    """A client of one vendor.

    Attributes:
        packages: what it consists of or stands on, for the header.
        module: what a program imports to use it.
        awaited: whether it has a face for asyncio, besides the blocking one that all have.
    """

    packages: tuple[str, ...]
    module: str
    awaited: bool = False


SUBJECT = "cloudstore"
"""What the others are compared with."""
RAW = "raw"
"""No client: the limit, in some of the tables."""

OPENDAL = Contender(("opendal",), "opendal", awaited=True)
LIBCLOUD = ("apache-libcloud", "requests", "urllib3")

CLIENTS: Mapping[str, Mapping[str, Contender]] = {
    "s3": {
        SUBJECT: Contender(("httptools",), "cloudstore.providers.s3", awaited=True),
        "obstore": Contender(("obstore",), "obstore", awaited=True),
        "opendal": OPENDAL,
        "minio": Contender(("minio", "urllib3"), "minio"),
        "boto3": Contender(("boto3", "botocore"), "boto3"),
        "libcloud": Contender(LIBCLOUD, "libcloud.storage.drivers.s3"),
        "s3fs": Contender(("s3fs", "aiobotocore", "aiohttp"), "s3fs", awaited=True),
    },
    "swift": {
        SUBJECT: Contender(("httptools",), "cloudstore.providers.swift", awaited=True),
        "opendal": OPENDAL,
        "swiftclient": Contender(("python-swiftclient", "requests", "urllib3"), "swiftclient"),
        "libcloud": Contender(LIBCLOUD, "libcloud.storage.drivers.cloudfiles"),
    },
    "qiniu": {
        SUBJECT: Contender(("httptools",), "cloudstore.providers.qiniu", awaited=True),
        "qiniu": Contender(("qiniu", "requests", "urllib3"), "qiniu"),
    },
}
"""Of each vendor, the clients that speak to it."""
VENDORS = tuple(CLIENTS)


def adapters(name: str) -> Any:
    """The module of a client, with `Blocking` and, where there is asyncio, `Awaited`."""
    return importlib.import_module(f"{__name__}.{name}_client")
