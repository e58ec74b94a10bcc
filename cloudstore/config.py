"""Configurations: frozen, typed, strict about unknown names, silent about secrets.

`Config` is the base of one class per vendor. This module reads the environment; it opens no connection
and imports no SDK.
"""

from __future__ import annotations

import os
import re
import types
import typing
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from types import MappingProxyType
from typing import Any, ClassVar, Self, Union, get_args, get_origin
from urllib.parse import SplitResult, parse_qsl

from .driver import Driver
from .errors import ConfigError
from .policy import RetryPolicy, Timeouts, TransferConfig

__all__ = ["Config", "Secret", "Text"]


_PASSWORD = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#@]*:[^/?#]*@")
"""A URL with a user's password in it (RFC 3986 §3.2.1)."""


class Secret:
    """A string that shows itself only when asked: never in a repr, a log or an error."""

    __slots__ = ("_value",)

    def __init__(self, value: str | Secret) -> None:
        self._value: str = value._value if isinstance(value, Secret) else value

    def reveal(self) -> str:
        """The secret itself."""
        return self._value

    def __repr__(self) -> str:
        return "Secret('***')"

    def __str__(self) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


@dataclass(frozen=True, kw_only=True)
class Config(ABC):
    """What a store needs to know. One subclass a vendor; `create_driver` makes its driver.

    A configuration pickles with its secrets, because workers need them, and never shows one.

    Attributes:
        timeouts, retry, transfer: see `Timeouts`, `RetryPolicy`, `TransferConfig`.
        ca_file: a file of certificates to trust instead of certifi's; ``"system"``: those that the
            machine trusts (``SSL_CERT_FILE`` and ``SSL_CERT_DIR`` are heeded).
        verify: False switches the verification of TLS certificates off.
        proxy: URL of an HTTP proxy; None takes it from the environment, "" uses none. Not shown: it may
            hold a password.
        max_connections: how many connections are kept open to one endpoint.
        emulate_expiry: whether ``expires_in`` is taken where the vendor removes nothing by itself: what
            is due is hidden from reads, and `Store.expire_due` deletes it.
    """

    scheme: ClassVar[str]
    """The vendor's name: in a mapping's ``provider``, in ``vendor_options``, in errors."""
    environment: ClassVar[tuple[str, ...]] = (
        "access_key",
        "secret_key",
        "session_token",
        "endpoint",
        "region",
    )
    """The fields that the factory fills from ``<SCHEME>_<FIELD>`` where they are not given."""
    is_private: ClassVar[bool] = False
    """Whether each driver has data of its own: another of an equal configuration does not see them."""

    timeouts: Timeouts = field(default_factory=Timeouts)
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    transfer: TransferConfig = field(default_factory=TransferConfig)
    ca_file: str | None = None
    verify: bool = True
    proxy: str | None = field(default=None, repr=False)
    max_connections: int = 64
    emulate_expiry: bool = False

    def __post_init__(self) -> None:
        for f in fields(self):
            value = getattr(self, f.name)
            if "Secret" in str(f.type) and isinstance(value, str):
                object.__setattr__(self, f.name, Secret(value))
            elif f.repr and isinstance(value, str) and _PASSWORD.match(value):
                raise _OptionError(
                    f"option {f.name!r} is a URL with a secret, and would be shown",
                    self.scheme,
                    (f.name,),
                )
        if self.max_connections < 1:
            raise _OptionError(
                "option 'max_connections' must be at least 1", self.scheme, ("max_connections",)
            )

    @abstractmethod
    def create_driver(self) -> Driver:
        """Makes the driver.

        Raises:
            ConfigError: something is missing or wrong.
            MissingDependencyError: the vendor's extra is not installed.
        """

    @classmethod
    def from_mapping(cls, options: Mapping[str, object]) -> Self:
        """From plain values, as a profile file or a settings module holds them.

        Raises:
            ConfigError: an unknown name, a missing one, or a value of the wrong type.
        """
        values = cls._coerced(options, textual=False)
        missing = [
            f.name
            for f in fields(cls)
            if f.name not in values and f.default is MISSING and f.default_factory is MISSING
        ]
        if missing:
            raise ConfigError(f"{cls.scheme} needs {', '.join(missing)}", vendor=cls.scheme)
        return cls(**values)

    @classmethod
    def options_from_url(cls, url: SplitResult) -> dict[str, object]:
        """The options that a URL holds; its query holds them by their names.

        Raises:
            ConfigError: the URL does not fit this vendor.
        """
        query = dict(parse_qsl(url.query, keep_blank_values=True))
        return {**cls._coerced(query, textual=True), **cls.url_options(url)}

    @classmethod
    def url_options(cls, url: SplitResult) -> dict[str, object]:
        """What the URL itself says, query aside: for a vendor whose URLs hold more to override.

        Raises:
            ConfigError: the URL does not fit this vendor.
        """
        if url.netloc or url.path.strip("/") or url.fragment:
            raise ConfigError(f"a {cls.scheme}: URL holds options in its query only", vendor=cls.scheme)
        return {}

    @classmethod
    def secret_names(cls) -> frozenset[str]:
        """The names of the options that are secret."""
        return frozenset(f.name for f in fields(cls) if "Secret" in str(f.type))

    @classmethod
    def from_environment(cls, prefix: str | None = None) -> dict[str, object]:
        """The options that the environment holds, under the scheme or another prefix."""
        found = {}
        for name in cls.environment:
            value = os.environ.get(f"{prefix or cls.scheme}_{name}".upper())
            if value:
                found[name] = value
        return cls._coerced(found, textual=True)

    @classmethod
    def _coerced(cls, options: Mapping[str, object], *, textual: bool) -> dict[str, Any]:
        hints = typing.get_type_hints(cls)
        known = {f.name: hints[f.name] for f in fields(cls)}
        values = {}
        for name, value in options.items():
            if name not in known:
                raise _OptionError(f"no option {name!r}{_suggest(name, known)}", cls.scheme, (name,))
            try:
                values[name] = _coerce(known[name], value, textual or isinstance(value, Text))
            except _OptionError as exc:
                path = (name, *exc.path)
                raise _OptionError(
                    f"option {'.'.join(path)!r}: {exc.message}", cls.scheme, path
                ) from None
            except (TypeError, ValueError) as exc:
                # The value is not shown: it may be a secret in the wrong place.
                raise _OptionError(f"option {name!r} {exc}", cls.scheme, (name,)) from None
        return values


class _OptionError(ConfigError):
    """A ConfigError that knows which option it is about, so that a profile can name the line."""

    def __init__(
        self, message: str = "", vendor: str | None = None, path: tuple[str, ...] = ()
    ) -> None:
        super().__init__(message, vendor=vendor)
        self.path = path


class Text(str):
    """Text from the environment or a file, where the profile wants a number or a truth value."""


def _suggest(name: str, known: Iterable[str]) -> str:
    import difflib  # not worth its time where all names are right

    close = difflib.get_close_matches(name, list(known), 1)
    return f"; did you mean {close[0]!r}?" if close else f"; there are {', '.join(sorted(known))}"


def _coerce(kind: Any, value: object, textual: bool) -> object:
    """The value as the field's type; TypeError or ValueError says what it must be."""
    if get_origin(kind) in (Union, types.UnionType):
        if value is None:
            return None
        kind = next(arg for arg in get_args(kind) if arg is not type(None))
    if isinstance(value, kind) and not (kind in (int, float) and isinstance(value, bool)):
        return value
    if isinstance(value, str):
        if kind is Secret:
            return Secret(str(value))
        if textual and kind in _FROM_TEXT:
            return _FROM_TEXT[kind](value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, os.PathLike) and kind is str:
        return os.fspath(value)
    if kind in _TABLES and isinstance(value, Mapping):
        return _table(kind, value)
    raise TypeError(f"must be {_WORDS.get(kind, 'a table')}, not {type(value).__name__}")


def _truth(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError("must be true or false")
    return text.lower() == "true"


def _number(kind: type[int] | type[float]) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            return kind(text)
        except ValueError:
            raise ValueError(f"must be {_WORDS[kind]}") from None

    return parse


_WORDS: Mapping[object, str] = MappingProxyType(
    {
        str: "text",
        bool: "true or false",
        int: "a whole number",
        float: "a number",
        Secret: "text",
    }
)
_FROM_TEXT: Mapping[object, Callable[[str], object]] = MappingProxyType(
    {bool: _truth, int: _number(int), float: _number(float)}
)
_TABLES = (Timeouts, RetryPolicy, TransferConfig)


def _table(kind: Any, table: Mapping[str, object]) -> object:
    """A record of settings from a table, one key at a time so that an error names it."""
    names = [f.name for f in fields(kind)]
    for name, value in table.items():
        if name not in names:
            raise _OptionError(f"there is none{_suggest(name, names)}", None, (name,))
        try:
            kind(**{name: value})
        except ConfigError as exc:
            raise _OptionError(exc.message, None, (name,)) from None
    return kind(**table)
