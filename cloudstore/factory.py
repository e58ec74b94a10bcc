"""`StoreFactory`: makes a Config, and the store on it, from whatever the user has.

An id, a URL, a mapping, or a profile. Drivers are found by a lazy table and, for third parties, by
entry points of the group ``cloudstore.providers``; nothing of a vendor is imported before it is used.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from os import PathLike, fspath
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, parse_qsl, urlsplit

from .config import Config
from .errors import ConfigError, MissingDependencyError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from .store import Store

__all__ = ["StoreFactory", "config_from", "config_from_profile"]

ENTRY_POINTS = "cloudstore.providers"

_BUILT_IN: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "file": ("cloudstore.providers.local", "LocalConfig"),
        "memory": ("cloudstore.providers.memory", "MemoryConfig"),
        "qiniu": ("cloudstore.providers.qiniu", "QiniuConfig"),
        "s3": ("cloudstore.providers.s3", "S3Config"),
        "swift": ("cloudstore.providers.swift", "SwiftConfig"),
    }
)
"""Scheme to module and Config class, in the order of the alphabet."""

_PRESETS: Mapping[str, str] = MappingProxyType(
    dict.fromkeys(("aws", "b2", "ceph", "cos", "minio", "obs", "r2", "spaces", "wasabi"), "s3")
)
"""Ids that stand for a driver with the preset of that name: to its scheme.

Vendors with an API of their own (Swift, Qiniu, BOS, Upyun) keep their ids for it; their S3 endpoints
are ``"s3"`` with ``preset=``.
"""


class StoreFactory:
    """Makes stores.

    The vendor is a matter of its arguments, never of your code::

        StoreFactory.create("file:///var/data")
        StoreFactory.create({"provider": "memory"})
        StoreFactory.from_profile("prod")
    """

    @staticmethod
    def create(
        provider: str | Mapping[str, object],
        access_key: str | None = None,
        secret_key: str | None = None,
        *,
        allow_secret_in_url: bool = False,
        **options: object,
    ) -> Store:
        """Makes a store.

        Args:
            provider: an id (``"memory"``), a URL (``"file:///var/data"``), or a mapping with a
                ``provider`` and its options.
            access_key, secret_key: where the vendor has them.
            allow_secret_in_url: take a secret from the URL. URLs end up in logs: prefer a profile.
            options: fields of the vendor's Config; an unknown one is an error.

        What is not given here comes from the environment: ``<PROVIDER>_ACCESS_KEY`` and so on.

        Raises:
            ConfigError: unknown provider or option, bad value, or a secret in a URL.
            MissingDependencyError: names the extra to install.
        """
        from .store import Store

        config = config_from(
            provider, access_key, secret_key, allow_secret_in_url=allow_secret_in_url, **options
        )
        return Store(config)

    @staticmethod
    def from_profile(name: str, path: str | PathLike[str] | None = None) -> Store:
        """Makes a store from a profile of ``cloudstore.toml``.

        Args:
            path: the file; else ``$CLOUDSTORE_CONFIG``, ``./cloudstore.toml``, then
                ``~/.config/cloudstore/cloudstore.toml``.

        Raises:
            ConfigError: names the file, the line and the key.
        """
        from .store import Store

        return Store(config_from_profile(name, path))

    @staticmethod
    def providers() -> list[str]:
        """The ids that `create` knows, third parties' included."""
        return sorted({*_BUILT_IN, *_PRESETS, *(point.name for point in _entry_points())})


def config_from(
    provider: str | Mapping[str, object],
    access_key: str | None = None,
    secret_key: str | None = None,
    *,
    allow_secret_in_url: bool = False,
    **options: object,
) -> Config:
    """The Config that `StoreFactory.create` would use; same arguments, same errors."""
    if access_key is not None:
        options["access_key"] = access_key
    if secret_key is not None:
        options["secret_key"] = secret_key
    if isinstance(provider, Mapping):
        merged = {**provider, **options}
        name = merged.pop("provider", None)
        if not isinstance(name, str):
            raise ConfigError("a mapping needs a 'provider'")
        return _from_options(name, merged)
    if ":" in provider:
        return _from_url(provider, options, allow_secret_in_url)
    return _from_options(provider, options)


def config_from_profile(name: str, path: str | PathLike[str] | None = None) -> Config:
    """The Config that `StoreFactory.from_profile` would use; same arguments, same errors."""
    from .profiles import load_profile  # whose parser few need

    profile = load_profile(name, fspath(path) if path is not None else None)
    options = dict(profile.options)
    provider = str(options.pop("provider"))
    try:
        _config_class(provider)
    except ConfigError as exc:
        raise profile.explain(exc, "provider") from exc
    try:
        return _from_options(provider, options)
    except ConfigError as exc:
        raise profile.explain(exc) from exc


def _from_options(name: str, options: Mapping[str, object]) -> Config:
    cls = _config_class(name)
    return cls.from_mapping({**_defaults(name, cls), **options})


def _defaults(name: str, cls: type[Config]) -> dict[str, object]:
    """What the id itself says, and the environment under its name."""
    if name in _PRESETS:
        return {"preset": name, **cls.from_environment(name)}
    return cls.from_environment()


def _from_url(text: str, options: Mapping[str, object], allow_secret: bool) -> Config:
    try:
        url = urlsplit(text)
    except ValueError:
        raise ConfigError("this URL cannot be parsed") from None
    cls = _config_class(url.scheme)
    if not allow_secret and _holds_secret(url, cls):
        # The URL is not shown: it holds a secret.
        raise ConfigError(
            "this URL holds a secret; put it into a profile or the environment, "
            "or insist with allow_secret_in_url=True",
            vendor=cls.scheme,
        )
    defaults = _defaults(url.scheme, cls)
    return cls.from_mapping({**defaults, **cls.options_from_url(url), **options})


def _holds_secret(url: SplitResult, cls: type[Config]) -> bool:
    names = {name for name, _ in parse_qsl(url.query, keep_blank_values=True)}
    return url.password is not None or bool(names & cls.secret_names())


def _config_class(name: str) -> type[Config]:
    built_in = _BUILT_IN.get(_PRESETS.get(name, name))
    if built_in is not None:
        module, attribute = built_in
        try:
            found: type[Config] = getattr(importlib.import_module(module), attribute)
        except ImportError as exc:
            raise MissingDependencyError(
                f"{name} needs {exc.name}; install it with: pip install 'cloudstore[{name}]'",
                vendor=name,
            ) from exc
        return found
    points = [point for point in _entry_points() if point.name == name]
    if not points:
        raise ConfigError(f"no provider {name!r}; there are {', '.join(StoreFactory.providers())}")
    return _load(points[0])


def _entry_points() -> list[EntryPoint]:
    # Imported here: it costs as much as the rest of the library.
    from importlib.metadata import entry_points

    return list(entry_points(group=ENTRY_POINTS))


def _load(point: EntryPoint) -> type[Config]:
    package = point.dist.name if point.dist is not None else point.module
    try:
        found = point.load()
    except ImportError as exc:
        raise MissingDependencyError(
            f"the provider {point.name!r} of {package} needs {exc.name or exc}, which is not installed",
            vendor=point.name,
        ) from exc
    except AttributeError as exc:
        raise ConfigError(f"the provider {point.name!r} of {package} is broken: {exc}") from exc
    if not (isinstance(found, type) and issubclass(found, Config)):
        raise ConfigError(
            f"the provider {point.name!r} of {package} is broken: {point.value} is no Config class"
        )
    return found
