"""The settings in force, from the command line, the environment and the YAML file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import EnvSettingsSource, YamlConfigSettingsSource

from server.config.settings import Settings, is_secret
from server.config.sources import PREFIX, ConfigError, read_variable, variable

NOT_SETTINGS = frozenset(PREFIX + name for name in ("CONFIG", "FUZZ_EXAMPLES", "FUZZ_SEED", "TEST_DATABASE_URL"))
"""Names with our prefix that are read, but are no settings: where the YAML file is, and a database for the tests."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """`origins` says of each setting where it comes from; `warnings` are for the operator's log."""

    settings: Settings
    origins: Mapping[str, str]
    warnings: tuple[str, ...] = ()


def load(given: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None) -> Loaded:
    """`given` are settings from the command line (None is not given). Raises `ConfigError`."""
    surroundings = dict(os.environ if environ is None else environ)
    layers = _gather({name: value for name, value in (given or {}).items() if value is not None}, surroundings)
    try:
        settings = Settings(**{**layers.in_file, **layers.in_environment, **layers.given})
    except ValidationError as error:
        raise ConfigError("\n".join(_explain(fault, layers) for fault in error.errors())) from None
    settings._environ = surroundings
    if settings.catalog and not settings.catalog_file.is_file():
        raise ConfigError(f"catalog ({layers.origin('catalog')}): there is no file {settings.catalog_file}")
    origins = {name: layers.origin(name) for name in Settings.model_fields}
    return Loaded(settings, origins, tuple(_strangers(surroundings)))


def describe(loaded: Loaded) -> list[tuple[str, str, str]]:
    """`(setting, value, origin)` of every setting, secrets masked."""
    return [(name, show(getattr(loaded.settings, name)), loaded.origins[name]) for name in Settings.model_fields]


def show(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


class _Environment(EnvSettingsSource):
    """Variables that were handed in, not the process's."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = {name.lower(): value for name, value in variables.items()}
        super().__init__(Settings)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return dict(self._variables)


@dataclass(frozen=True, slots=True)
class _Layers:
    """The places a setting can come from, the first first."""

    given: Mapping[str, Any]
    in_environment: Mapping[str, Any]
    in_file: Mapping[str, Any]
    file: Path | None

    def origin(self, name: str) -> str:
        if name in self.given:
            return "command line"
        if name in self.in_environment:
            return variable(name)
        return str(self.file) if name in self.in_file else "default"


def _gather(given: Mapping[str, Any], environ: Mapping[str, str]) -> _Layers:
    variables = {}
    for name in Settings.model_fields:
        value = read_variable(environ, variable(name)) if is_secret(name) else environ.get(variable(name), "").strip()
        if value:
            variables[variable(name)] = value
    in_environment = _Environment(variables)()
    folder = given.get("data_dir") or in_environment.get("data_dir") or "data"
    file = _find_file(environ.get(f"{PREFIX}CONFIG", "").strip(), Path(folder))
    return _Layers(given, in_environment, _read_yaml(file), file)


def _find_file(named: str, data_dir: Path) -> Path | None:
    if named and not Path(named).is_file():
        raise ConfigError(f"{PREFIX}CONFIG: there is no file {named}")
    file = Path(named) if named else data_dir.expanduser() / "concordat.yaml"
    return file if file.is_file() else None


def _read_yaml(path: Path | None) -> dict[str, Any]:
    """Blank values count as not given. Raises `ConfigError`."""
    if path is None:
        return {}
    import yaml

    try:
        values = YamlConfigSettingsSource(Settings, yaml_file=path)()
    except (OSError, ValueError, TypeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: not a YAML file of settings: {' '.join(str(error).split())}") from None
    return {name: value for name, value in values.items() if value is not None}


def _explain(fault: Any, layers: _Layers) -> str:
    name = str(fault["loc"][0]) if fault["loc"] else ""
    message = str(fault["msg"]).removeprefix("Value error, ")
    if fault["type"] == "extra_forbidden":
        return f"{layers.origin(name)}: there is no setting {name!r}"
    return f"{name} ({layers.origin(name)}): {message}" if name else message


def _strangers(environ: Mapping[str, str]) -> list[str]:
    known = NOT_SETTINGS | {variable(name) for name in Settings.model_fields}
    known |= {f"{variable(name)}_FILE" for name in Settings.model_fields if is_secret(name)}
    return [f"{name} is no setting" for name in sorted(environ) if name.startswith(PREFIX) and name not in known]
