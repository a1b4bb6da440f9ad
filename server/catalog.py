"""The model catalog: `catalog.yaml` beside this module with the operator's file laid over it.

An entry of the operator's file overrides the fields it names of the entry with the same `id` (models) or `name`
(vendors), adds a new one, or removes one by `enabled: false`. The file is watched, so a change needs no restart.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import structlog
from pydantic import TypeAdapter, ValidationError

from handlers.core.catalog import Catalog, Deployment, Model, Price, fold
from providers.vendor import GrammarStyle
from server.config import ConfigError, Settings

if TYPE_CHECKING:
    from pydantic import SecretStr

BUILT_IN = Path(__file__).with_name("catalog.yaml")
ALWAYS = frozenset({"simulator/chat", "local/all-minilm-l6-v2"})
"""Models that every catalog holds."""

VendorKind = Literal["openai_compatible", "anthropic", "simulator", "local"]
Entry = dict[str, Any]
Parsed = TypeVar("Parsed")
log = structlog.get_logger(__name__)


class CatalogError(Exception):
    """The message names the file, the entry and the fault."""


@dataclass(frozen=True, slots=True)
class VendorRow:
    """A vendor as the file describes it. `key_env` names the variable of its key; `headers` go with every call.

    One that `must_be_named` is in production only called when the environment has its address: else any project could
    reach what happens to listen there. `region` is where it answers, if the operator knows. `internal` is whether it
    stands in the operator's own network, None for as its address says; `retains_data` whether it keeps what it is sent,
    None for as one does that is not internal. `grammar` is how it is told a grammar to write by.
    """

    name: str
    kind: VendorKind
    base_url: str | None = None
    key_env: str | None = None
    key_optional: bool = False
    must_be_named: bool = False
    region: str | None = None
    internal: bool | None = None
    retains_data: bool | None = None
    grammar: GrammarStyle | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def embedded(self) -> bool:
        return self.kind in ("simulator", "local")


ADAPTERS: Mapping[type, TypeAdapter[Any]] = {kind: TypeAdapter(kind) for kind in (VendorRow, Model, Deployment, Price)}


@dataclass(frozen=True, slots=True)
class Vendor:
    """A vendor that can be used: where it is, and its key where it needs one."""

    row: VendorRow
    base_url: str | None
    key: SecretStr | None


@dataclass(frozen=True, slots=True)
class Loaded:
    catalog: Catalog
    vendors: Mapping[str, VendorRow]


def load(operators_file: Path | None = None) -> Loaded:
    """The catalog in force; an operator's file that does not exist is an empty one. Raises `CatalogError`."""
    vendors, models = _read(BUILT_IN)
    if operators_file is not None and operators_file.is_file():
        more_vendors, more_models = _read(operators_file)
        vendors, models = _lay_over(vendors, more_vendors), _lay_over(models, more_models)
    for lost in ALWAYS.difference(name for name, entry in models.items() if entry.get("enabled", True)):
        raise CatalogError(f"{operators_file}: {lost} cannot be removed")
    source = str(operators_file or BUILT_IN)
    rows = [_parse_vendor(entry, source) for entry in vendors.values() if entry.pop("enabled", True)]
    table = {row.name: row for row in rows}
    parsed = [_parse_model(entry, table, source) for entry in models.values() if entry.pop("enabled", True)]
    _refuse_lookalikes(parsed, source)
    return Loaded(Catalog(parsed), MappingProxyType(table))


def usable(rows: Mapping[str, VendorRow], settings: Settings) -> Mapping[str, Vendor]:
    """The vendors that can be called: embedded, with a key, or with an address that needs none.

    Raises `ConfigError` when a key's file cannot be read.
    """
    vendors = {}
    for row in rows.values():
        access = settings.vendor_access(row.name, row.key_env)
        vendor = Vendor(row, access.base_url or row.base_url, access.key)
        named = access.base_url or settings.profile == "local" or not row.must_be_named
        is_open = row.key_optional and named
        if row.embedded or (vendor.base_url and (vendor.key or is_open)):
            vendors[row.name] = vendor
    return vendors


@dataclass(slots=True)
class CatalogWatcher:
    """Looks at the operator's file once in a while and hands `apply` what it says when it has changed.

    A file that is no catalog changes nothing and is logged, and so is an `apply` that raises `CatalogError` or
    `ConfigError`.
    """

    path: Path
    apply: Callable[[Loaded], Awaitable[None]]
    interval_seconds: float = 1.0
    _seen: tuple[int, int, int] | None = field(init=False)

    def __post_init__(self) -> None:
        self._seen = _stamp(self.path)

    async def run(self) -> None:
        """Never returns; for the server's task group."""
        while True:
            await asyncio.sleep(self.interval_seconds)
            await self.look()

    async def look(self) -> None:
        stamp = await asyncio.to_thread(_stamp, self.path)
        if stamp == self._seen:
            return
        self._seen = stamp
        try:
            loaded = await asyncio.to_thread(load, self.path)
            await self.apply(loaded)
        except (CatalogError, ConfigError) as error:
            log.error("catalog.kept", reason=str(error))
        else:
            log.info("catalog.reloaded", path=str(self.path), models=len(loaded.catalog.models))


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _read(path: Path) -> tuple[dict[str, Entry], dict[str, Entry]]:
    """Vendors by name and models by id, unparsed."""
    import yaml

    try:
        content = yaml.load(path.read_bytes(), _yaml_loader()) or {}  # noqa: S506  a safe loader
    except (OSError, UnicodeDecodeError, ValueError, yaml.YAMLError) as error:
        raise CatalogError(f"{path}: cannot be read: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict) or content.keys() - {"vendors", "models"}:
        raise CatalogError(f"{path}: must be a mapping of `vendors` and `models`")
    return _index(content.get("vendors"), "name", path), _index(content.get("models"), "id", path)


def _yaml_loader() -> Any:
    """The C parser where PyYAML has it: it reads the catalog ten times faster."""
    import yaml

    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _index(entries: Any, key: str, path: Path) -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    if not isinstance(entries or [], list):
        raise CatalogError(f"{path}: `vendors` and `models` are lists")
    for number, entry in enumerate(entries or [], 1):
        name = entry.get(key) if isinstance(entry, dict) else None
        if not isinstance(name, str) or not name:
            raise CatalogError(f"{path}: entry {number} has no `{key}`")
        if name in found:
            raise CatalogError(f"{path}: {name} is there twice")
        if not isinstance(entry.get("enabled", True), bool):
            raise CatalogError(f"{path}: {name}: enabled: must be true or false")
        found[name] = entry
    return found


def _lay_over(lower: Mapping[str, Entry], upper: Mapping[str, Entry]) -> dict[str, Entry]:
    return {**lower, **{name: {**lower.get(name, {}), **entry} for name, entry in upper.items()}}


def _parse_vendor(entry: Entry, source: str) -> VendorRow:
    row = _build(VendorRow, entry, f"{source}: vendor {entry['name']}")
    if row.embedded:
        return row
    if not (row.base_url or "").startswith(("http://", "https://")):
        raise CatalogError(f"{source}: vendor {row.name}: base_url: must be an http or https address")
    key_env = row.key_env or f"{row.name.upper().replace('-', '_')}_API_KEY"
    return dataclasses.replace(row, key_env=key_env, base_url=(row.base_url or "").rstrip("/"))


def _parse_model(entry: Entry, vendors: Mapping[str, VendorRow], source: str) -> Model:
    where = f"{source}: model {entry['id']}"
    deployments = _build_all(Deployment, entry.get("deployments"), f"{where}: deployments")
    if not deployments:
        raise CatalogError(f"{where}: needs a deployment")
    first = deployments[0].vendor
    prices = _build_all(Price, entry.get("prices"), f"{where}: prices", vendor=first)
    model = _build(
        Model,
        {
            "display_name": entry["id"],
            "owned_by": first,
            "kind": "chat",
            **entry,
            "created": _unix_seconds(entry.get("created", 0)),
            "deployments": deployments,
            "prices": prices,
        },
        where,
    )
    for unknown in {deployment.vendor for deployment in deployments} - vendors.keys():
        raise CatalogError(f"{where}: there is no vendor {unknown}")
    if fault := _contradiction(model):
        raise CatalogError(f"{where}: {fault}")
    return model


def _contradiction(model: Model) -> str | None:
    if model.kind == "embedding" and not model.embedding_dimensions:
        return "an embedding model needs embedding_dimensions"
    if (model.kind == "embedding") is ("chat" in model.capabilities):
        return "capability `chat` belongs to kind `chat`, and only to it"
    if any((price.context_band == "long") is (price.threshold_tokens is None) for price in model.prices):
        return "a `long` price card needs threshold_tokens, and only it"
    return None


def _unix_seconds(value: object) -> object:
    """YAML reads `2026-05-04` as a date; it stands for its first second in UTC."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return int(datetime(value.year, value.month, value.day, tzinfo=UTC).timestamp())
    return value


def _build_all(kind: type[Parsed], entries: Any, where: str, **usual: Any) -> tuple[Parsed, ...]:
    """`usual` are values for fields that an entry leaves out."""
    found = [] if entries is None else entries
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise CatalogError(f"{where}: must be a list of mappings")
    return tuple(_build(kind, {**usual, **entry}, where) for entry in found)


def _build(kind: type[Parsed], values: Mapping[str, Any], where: str) -> Parsed:
    known = {f.name for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    for unknown in values.keys() - known:
        raise CatalogError(f"{where}: there is no field {unknown}")
    try:
        built: Parsed = ADAPTERS[kind].validate_python(values)
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(str(part) for part in fault["loc"] if part != kind.__name__)
        raise CatalogError(f"{where}: {place}: {fault['msg']}") from None
    return built


def _refuse_lookalikes(models: Iterable[Model], source: str) -> None:
    seen: dict[str, str] = {}
    for model in models:
        other = seen.setdefault(fold(model.id), model.id)
        if other != model.id:
            raise CatalogError(f"{source}: {model.id} and {other} are one id, as `/` and `:` are the same")
