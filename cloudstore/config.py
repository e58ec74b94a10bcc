"""Configurations: frozen, typed, strict about unknown names, silent about secrets.

`Config` is the base of one class per vendor. This module also reads profile files
(``cloudstore.toml``) and says by line and key what is wrong in them. It reads files and the
environment; it opens no connection and imports no SDK.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
import types
import typing
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Self, Union, get_args, get_origin
from urllib.parse import SplitResult, parse_qsl

from .driver import Driver
from .errors import ConfigError
from .policy import RetryPolicy, Timeouts, TransferConfig

__all__ = ["Config", "Profile", "Secret", "load_profile", "profile_names", "profile_paths"]


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
                values[name] = _coerce(known[name], value, textual or isinstance(value, _Text))
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


class _Text(str):
    """Text from the environment or a file, where the profile wants a number or a truth value."""


def _suggest(name: str, known: Iterable[str]) -> str:
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


# --- profile files --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Profile:
    """One table of a profile file.

    Attributes:
        path: of the file.
        options: as written, references to the environment and to files resolved.
    """

    name: str
    path: Path
    options: Mapping[str, object] = field(repr=False)

    def explain(self, error: ConfigError, *keys: str) -> ConfigError:
        """The same error with the file and the line that it is about.

        Args:
            keys: what it is about, where the error itself does not know.
        """
        where = _where(self.path, self.name, *(keys or getattr(error, "path", ())))
        return ConfigError(f"{where}: {error.message}", vendor=error.vendor)


def profile_paths() -> list[Path]:
    """Where a profile file is looked for, in order: the first that exists is used."""
    explicit = os.environ.get("CLOUDSTORE_CONFIG")
    if explicit:
        return [Path(explicit)]
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return [Path("cloudstore.toml"), Path(base) / "cloudstore" / "cloudstore.toml"]


def load_profile(name: str, path: str | os.PathLike[str] | None = None) -> Profile:
    """Reads a profile: a table of ``cloudstore.toml`` with a ``provider`` and its options.

    A value may be written ``{ env = "NAME" }`` or ``{ file = "/run/secrets/x" }`` to keep it out of
    the file.

    Raises:
        ConfigError: no such file or profile, or a mistake in it, with its line.
    """
    found = _profile_file(path)
    tables = _read_tables(found)
    table = tables.get(name)
    if not isinstance(table, dict):
        names = ", ".join(_profile_names(tables)) or "none"
        raise ConfigError(f"{found}: no profile {name!r}; there are: {names}")
    if "provider" not in table:
        raise ConfigError(f"{_where(found, name)}: the profile {name!r} needs a provider")
    if not isinstance(table["provider"], str):
        raise ConfigError(f"{_where(found, name, 'provider')}: option 'provider' must be text")
    options = {key: _resolve(found, name, key, value) for key, value in table.items()}
    return Profile(name, found, options)


def profile_names(path: str | os.PathLike[str] | None = None) -> list[str]:
    """The names of all profiles of the file that `load_profile` reads.

    Raises:
        ConfigError: no such file, or it is no TOML.
    """
    return _profile_names(_read_tables(_profile_file(path)))


def _profile_names(tables: Mapping[str, object]) -> list[str]:
    return sorted(name for name, table in tables.items() if isinstance(table, dict))


def _profile_file(path: str | os.PathLike[str] | None) -> Path:
    paths = [Path(path)] if path is not None else profile_paths()
    found = next((p for p in paths if p.exists()), None)
    if found is None:
        raise ConfigError(f"no profile file; looked for {', '.join(map(str, paths))}")
    return found


def _read_tables(path: Path) -> dict[str, object]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigError(f"{path}: cannot be read: {exc}") from exc
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise ConfigError(f"{path}:{_broken_line(text, exc)}: {exc}") from exc


def _resolve(path: Path, profile: str, key: str, value: object) -> object:
    """The value, read from the environment or a file where it says so."""
    if not isinstance(value, dict) or len(value) != 1 or not set(value) <= {"env", "file"}:
        return value
    [(kind, name)] = value.items()
    where = f"{_where(path, profile, key)}: {key!r}"
    if not isinstance(name, str):
        raise ConfigError(f"{where}: {kind} names one, in quotes")
    if kind == "env":
        if name not in os.environ:
            raise ConfigError(f"{where}: ${name} is not set")
        return _Text(os.environ[name])
    try:
        return _Text(Path(name).read_text(encoding="utf-8").rstrip("\n"))
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigError(f"{where}: cannot be read: {exc}") from exc


def _where(path: Path, *keys: str) -> str:
    """``file:line`` of where a key of a profile is defined, or the longest part of its path that is."""
    text = path.read_text(encoding="utf-8")
    depth = _depth(tomllib.loads(text), keys)
    if depth == 0:
        return str(path)
    return f"{path}:{_line_of(text, keys[:depth])}"


def _line_of(text: str, keys: tuple[str, ...]) -> int:
    """The line on which the statement begins that defines these keys, which are there.

    `tomllib` keeps no positions, and a search in the text would be fooled by texts of many lines. But
    a statement of TOML ends with its line, so the first lines of a file are TOML themselves unless
    they end within a statement: the one that brings the keys is between two beginnings that are.
    """
    begins = 1
    lines = text.split("\n")
    for number in range(1, len(lines)):
        try:
            found = tomllib.loads("\n".join(lines[:number]))
        except tomllib.TOMLDecodeError:
            continue
        if _depth(found, keys) == len(keys):
            return begins
        begins = number + 1
    return begins


def _depth(found: object, keys: tuple[str, ...]) -> int:
    """How many of the keys lead from table to table."""
    for depth, key in enumerate(keys):
        if not isinstance(found, dict) or key not in found:
            return depth
        found = found[key]
    return len(keys)


def _broken_line(text: str, error: tomllib.TOMLDecodeError) -> int:
    """The line that is no TOML; the parser says it in words only, before Python 3.14."""
    said = re.search(r"\(at line (\d+),", str(error))
    return int(said[1]) if said else text.rstrip("\n").count("\n") + 1
