"""Profile files, ``cloudstore.toml``: reads them, and says by line and key what is wrong in them.

Loaded where a profile is asked for. It reads files and the environment.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .config import Text
from .errors import ConfigError

__all__ = ["Profile", "load_profile", "profile_names", "profile_paths"]


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
        return Text(os.environ[name])
    try:
        return Text(Path(name).read_text(encoding="utf-8").rstrip("\n"))
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
