"""Addresses: what users write to name a file here or something in a store. Pure: no I/O.

``PROFILE:bucket/key`` is in a store, whatever its vendor; what has no ``PROFILE:`` is a local path. A
local path whose first part has a colon is written ``./a:b``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import click

__all__ = ["LocalPath", "Pipe", "Place", "Remote", "parse_address"]

_PROFILE = re.compile(r"([^/:]+):(.*)", re.DOTALL)


@dataclass(frozen=True)
class Remote:
    """A place in a store.

    Attributes:
        profile: of the profile file.
        bucket: "" is all of them.
        key: exact; "" is the whole bucket.
    """

    profile: str
    bucket: str = ""
    key: str = ""

    def __str__(self) -> str:
        if not self.bucket:
            return f"{self.profile}:"
        return (
            f"{self.profile}:{self.bucket}/{self.key}" if self.key else f"{self.profile}:{self.bucket}"
        )

    @property
    def folder(self) -> str:
        """The prefix of all keys below: of ``css`` and of ``css/`` it is ``css/``; of a bucket ""."""
        return self.key if not self.key or self.key.endswith("/") else f"{self.key}/"

    @property
    def name(self) -> str:
        """The last part of the key, or the bucket."""
        return self.key.rstrip("/").rpartition("/")[2] or self.bucket

    def with_key(self, key: str) -> Remote:
        """Another key of the same bucket."""
        return Remote(self.profile, self.bucket, key)


@dataclass(frozen=True)
class LocalPath:
    """A file or folder of this machine."""

    path: str

    def __str__(self) -> str:
        return self.path


@dataclass(frozen=True)
class Pipe:
    """Standard input or output, written ``-``."""

    def __str__(self) -> str:
        return "-"


Place = Remote | LocalPath | Pipe


def parse_address(text: str) -> Place:
    """What an address means.

    Raises:
        click.UsageError: it is a URL, or names no bucket where it has a key.
    """
    if text == "-":
        return Pipe()
    match = _PROFILE.fullmatch(text)
    if match is None:
        if not text:
            raise click.UsageError("an address is not empty")
        return LocalPath(text)
    profile, rest = match.groups()
    if rest.startswith("//"):
        raise click.UsageError(_about_url(profile, rest))
    bucket, _, key = rest.partition("/")
    if not bucket and rest:
        raise click.UsageError(
            f"{text!r} names no bucket: write {profile}:bucket/key, "
            f"or ./{text} where a local path is meant"
        )
    return Remote(profile, bucket, key)


def _about_url(scheme: str, rest: str) -> str:
    place = rest.lstrip("/").partition("?")[0].rpartition("@")[2]  # what is before @ may be a secret
    if scheme == "file":
        return (
            f"file:// URLs are no addresses here: a local path is written as it is ({rest[2:]}), "
            'a folder that is a store is named by a profile (provider = "file"): PROFILE:bucket/key'
        )
    return (
        f"{scheme}:// URLs are no addresses here, because they do not say which account is meant: "
        f'name a profile of cloudstore.toml (provider = "{scheme}"), and write PROFILE:'
        f"{place or 'bucket/key'}"
    )
