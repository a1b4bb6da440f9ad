"""Where the values of settings come from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

PREFIX = "CONCORDAT_"


class ConfigError(Exception):
    """A setting is wrong. The message is for the operator: one line for each fault, no secret in it."""


def variable(name: str) -> str:
    return PREFIX + name.upper()


def read_variable(environ: Mapping[str, str], name: str) -> str | None:
    """A secret's value from `name`, or from the file that `<name>_FILE` names; blank is None. Raises `ConfigError`."""
    value, path = environ.get(name, "").strip(), environ.get(f"{name}_FILE", "").strip()
    if value and path:
        raise ConfigError(f"{name} and {name}_FILE are both set: keep one")
    if path:
        try:
            value = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{name}_FILE: {path} cannot be read: {type(error).__name__}") from None
    return value or None
