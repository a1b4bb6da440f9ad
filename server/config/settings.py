"""The settings and their defaults."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, PrivateAttr, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from server.config.kinds import APIS, Api, Apis, Names, Seconds, SecretUrl, split_pairs
from server.config.sources import PREFIX, read_variable
from storage.blobs.address import check_address

VENDOR_SECRET = re.compile(r"_(API_KEY|ACCESS_KEY|ACCOUNT_KEY|SECRET_KEY|SECRET|TOKEN|PASSWORD)$")


@dataclass(frozen=True, slots=True)
class VendorAccess:
    """How a vendor is reached, where the environment says so."""

    key: SecretStr | None
    base_url: str | None


class Settings(BaseSettings):
    """Values only: building one by hand reads no environment and no file; `load` does."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="forbid", frozen=True, hide_input_in_errors=True, validate_default=True
    )

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8321, ge=0, le=65535, description="Port to listen on; 0 takes any free one.")
    root: Api | None = Field(
        None, description="Mount only this API, at its document's own server path (`/v1/...`), not under its name."
    )
    apis: Apis = Field(APIS, min_length=1, description="The APIs to mount, separated by commas.")
    profile: Literal["local", "production"] = Field(
        "local",
        description="What answers for a model whose vendor has no key: `local` the simulator, `production` nothing.",
    )
    mock: bool = Field(
        False, description="Answer every operation with what its document says it may, made up. Not in `production`."
    )
    mock_seed: int = Field(1, description="Made-up answers are the same for the same seed.")
    data_dir: Path = Field(Path("data"), description="Directory of the database, the blobs and the YAML files.")
    database_url: SecretUrl = Field(
        SecretUrl(""), description="`sqlite:///...` or `postgresql://...`; empty is SQLite in the data directory."
    )
    database_connections: int = Field(
        15,
        ge=2,
        description="Connections to Postgres at the same time in one process. The ledger has one more, background jobs "
        "eight.",
    )
    ledger_sync: Literal["always", "billed", "soon"] = Field(
        "soon",
        description="Which requests' rows are on the disk of SQLite before an answer ends, in case the power goes: "
        "all, those that cost money, or none: they are a tenth of a second later. The end of the process loses none.",
    )
    blob_url: SecretUrl = Field(
        SecretUrl(""), description="`file:///`, `s3://`, `gs://` or `az://...`; empty is files in the data directory."
    )
    catalog: Path | None = Field(
        None, description="The operator's model catalog; empty is `catalog.yaml` in the data directory, if there."
    )
    auth: bool = Field(True, description="Ask for API keys. Without, the server only listens on loopback.")
    bootstrap_keys: SecretStr | None = Field(
        None, description="First keys, as `project=key,project=key`; set, none are made and printed on first start."
    )
    bootstrap_admin_token: SecretStr | None = Field(None, description="First admin token.")
    secrets_key: SecretStr | None = Field(
        None,
        min_length=32,
        description="Encrypts stored provider keys and signing keys, 32 characters or more; "
        "empty is the file `secrets.key` in the data directory, made on first need.",
    )
    proxy_headers: bool = Field(False, description="Believe `X-Forwarded-*` headers of the trusted proxies.")
    trusted_proxies: Names = Field(("127.0.0.1",), description="Addresses or networks of proxies to believe.")
    cors_origins: Names = Field((), description="Origins that browsers may call from, or `*`; empty is off.")
    region: str = Field(
        "local", pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", description="Where this server stands, and what it attests."
    )
    region_key_days: int = Field(90, gt=0, description="Age at which a key that signs attestations is replaced.")
    allow_private_outbound: bool = Field(
        False, description="Let addresses that callers choose be on loopback and private networks, and plain http."
    )
    max_json_bytes: int = Field(32 * 2**20, gt=0, description="Largest JSON body.")
    max_upload_bytes: int = Field(2 * 2**30, gt=0, description="Largest file or multipart body.")
    body_idle_seconds: Seconds = Field(60.0, description="Silence in a request's body until it is given up, with 408.")
    storage_free_bytes: int = Field(10**12, ge=0, description="Object storage that a project has without buying any.")
    storage_block_usd: Decimal = Field(
        Decimal(0), ge=0, le=10**6, description="Price of a block of object storage: a terabyte for a month."
    )
    validate_responses: bool = Field(False, description="Hold every answer against its document. For tests.")
    connect_timeout_seconds: Seconds = Field(10.0, description="Vendors: to connect.")
    first_byte_timeout_seconds: Seconds = Field(300.0, description="Vendors: from the request to the first byte.")
    idle_timeout_seconds: Seconds = Field(120.0, description="Vendors: between two pieces of an answer.")
    max_concurrent: int = Field(256, gt=0, description="Calls at the same time to one deployment of a model.")
    max_queued: int = Field(1024, ge=0, description="Calls that wait for one deployment; more are refused.")
    max_concurrent_own_key: int = Field(64, gt=0, description="Calls at the same time with one key of a caller's own.")
    max_streams: int = Field(10_000, gt=0, description="Streamed answers at the same time in one process.")
    retries: int = Field(2, ge=0, description="Times that a vendor's call is tried again which failed in passing.")
    retry_budget_seconds: float = Field(
        5.0,
        ge=0,
        description="Time from a request's first call in which calls are tried again, `Retry-After` included.",
    )
    breaker_failures: int = Field(
        5, ge=0, description="Failures in a row after which a deployment is left alone for a while; 0 is never."
    )
    breaker_rest_seconds: Seconds = Field(10.0, description="How long it is left alone before it is tried again.")
    cache_by_default: bool = Field(False, description="Give kept answers to requests that do not say they want them.")
    cache_seconds: Seconds = Field(300.0, description="How long an answer is kept for requests that are the same.")
    cache_bytes: int = Field(64 * 2**20, ge=0, description="Memory for kept answers; 0 keeps none.")
    capture: Literal["off", "sampled", "all"] = Field("off", description="Which requests' content is kept by default.")
    capture_rate: float = Field(1.0, ge=0, le=1, description="Share of requests that is kept when it is `sampled`.")
    capture_days: int = Field(30, gt=0, description="Days that it is kept.")
    capture_redact: bool = Field(True, description="Take secrets and personal data out before it is kept.")
    capture_max_chars: int = Field(32_000, gt=0, description="Characters that are kept of each message.")
    app_telemetry_units: int = Field(
        1_000_000, ge=0, description="App Telemetry: units that a project has free each month."
    )
    app_telemetry_unit_usd: float | None = Field(
        None, ge=0, description="App Telemetry: price of a unit beyond them; empty refuses what is beyond."
    )
    app_telemetry_map_megabytes: int = Field(
        1_000, ge=0, description="App Telemetry: megabytes of source maps a month that count for no units."
    )
    app_telemetry_rate: float = Field(
        1.0, ge=0, le=1, description="App Telemetry: share of traces and sessions that is kept; errors all are."
    )
    app_telemetry_days: int = Field(30, gt=0, le=3650, description="App Telemetry: days that events are kept.")
    app_telemetry_map_days: int = Field(
        90, gt=0, le=3650, description="App Telemetry: days that a source map is kept which is not used."
    )
    app_telemetry_cache_bytes: int = Field(
        64 * 2**20, ge=0, description="App Telemetry: memory for source maps that were read."
    )
    workers: int = Field(1, ge=1, le=256, description="Server processes on this host that share the port.")
    worker: bool = Field(True, description="Do background jobs in the server. Without, `concordat worker` does them.")
    max_jobs: int = Field(32, gt=0, description="Background jobs at the same time in one process.")
    keep_alive_seconds: Seconds = Field(15.0, description="Silence on an event stream until a comment is sent.")
    shutdown_grace_seconds: float = Field(30.0, ge=0, description="Time that running requests get to finish.")
    metrics_token: SecretStr | None = Field(
        None,
        min_length=16,
        description="Opens `/-/metrics` and nothing else, for Prometheus; the admin token does, too.",
    )
    worker_metrics: str | None = Field(
        None,
        pattern=r"^([^\s/:]+|\[[0-9a-fA-F:.]+\]):\d{1,5}$",
        description="Where `concordat worker` shows its own `/-/metrics`, as `127.0.0.1:9464`; empty is nowhere.",
    )
    otlp_endpoint: str | None = Field(
        None,
        pattern=r"^https?://[^\s?#]+$",
        description="OTLP collector that gets traces and metrics, as `http://collector:4318`; empty is none.",
    )
    otlp_headers: SecretStr | None = Field(None, description="Headers for the collector, as `name=value,name=value`.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")
    log_format: Literal["auto", "console", "json"] = Field(
        "auto", description="`auto` is `console` on a terminal, else `json`."
    )
    access_log: bool = Field(False, description="One log line for each request.")

    _environ: Mapping[str, str] = PrivateAttr(default_factory=dict)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)

    @model_validator(mode="before")
    @classmethod
    def fill_from_data_dir(cls, values: dict[str, Any]) -> dict[str, Any]:
        folder = Path(values.get("data_dir") or "data").expanduser().absolute()
        filled = {"database_url": f"sqlite:///{folder}/concordat.db", "blob_url": f"file://{folder}/blobs"}
        given = {name: value for name, value in values.items() if value not in ("", None) or name not in filled}
        return {**filled, **given, "data_dir": folder}

    @field_validator("database_url")
    @classmethod
    def check_database_url(cls, url: SecretUrl) -> SecretUrl:
        if not re.match(r"(sqlite:///|postgres(ql)?://).", url.get_secret_value()):
            raise ValueError("must begin with sqlite:/// or postgresql://")
        if url.get_secret_value().endswith("///:memory:"):
            raise ValueError("an SQLite database needs a file")
        return url

    @field_validator("blob_url")
    @classmethod
    def check_blob_url(cls, url: SecretUrl) -> SecretUrl:
        check_address(url.get_secret_value())
        return url

    @field_validator("bootstrap_keys")
    @classmethod
    def check_bootstrap_keys(cls, keys: SecretStr | None) -> SecretStr | None:
        for pair in keys.get_secret_value().split(",") if keys else ():
            project, _, key = pair.strip().partition("=")
            if not re.fullmatch(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", project) or len(key) < 8:
                raise ValueError("must be project=key,project=key: lower-case slugs, keys of 8 characters or more")
        return keys

    @field_validator("otlp_headers")
    @classmethod
    def check_otlp_headers(cls, headers: SecretStr | None) -> SecretStr | None:
        for pair in split_pairs(headers):
            if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+=[\x20-\x7e]+", pair):
                raise ValueError("must be name=value,name=value")
        return headers

    @model_validator(mode="after")
    def check_together(self) -> Self:
        if not self.auth and not is_loopback(self.host):
            raise ValueError(f"without auth the server only listens on loopback, not on {self.host}")
        if self.mock and self.profile == "production":
            raise ValueError("mock answers are made up, which the production profile does not do: drop one of the two")
        if self.root and self.root not in self.apis:
            raise ValueError(f"root is {self.root}, which is not among apis")
        return self

    @property
    def catalog_file(self) -> Path:
        """Where the operator's catalog is looked for; it need not exist unless `catalog` names it."""
        return (self.catalog or self.data_dir / "catalog.yaml").expanduser()

    @property
    def mounted_apis(self) -> tuple[str, ...]:
        return (self.root,) if self.root else self.apis

    def bootstrap_pairs(self) -> tuple[tuple[str, SecretStr], ...]:
        """`(project, key)`, in the order given."""
        text = self.bootstrap_keys.get_secret_value() if self.bootstrap_keys else ""
        pairs = (pair.strip().partition("=") for pair in text.split(",") if pair.strip())
        return tuple((project, SecretStr(key)) for project, _, key in pairs)

    def otlp_header_values(self) -> dict[str, str]:
        return dict(pair.split("=", 1) for pair in split_pairs(self.otlp_headers))

    def vendor_access(self, vendor: str, key_env: str | None) -> VendorAccess:
        """The key in `key_env` (or in the file that `<key_env>_FILE` names) and `<VENDOR>_BASE_URL`.

        Raises `ConfigError` when the file cannot be read.
        """
        key = read_variable(self._environ, key_env) if key_env else None
        address = self._environ.get(f"{vendor.upper().replace('-', '_')}_BASE_URL", "").strip()
        return VendorAccess(key=SecretStr(key) if key else None, base_url=address.rstrip("/") or None)

    def variables(self, names: Iterable[str]) -> dict[str, str]:
        """Those of the names that are set, or whose `<name>_FILE` names a file. Raises `ConfigError`."""
        return {name: value for name in names if (value := read_variable(self._environ, name))}

    def secret_values(self) -> frozenset[str]:
        """Every secret in force, vendors' keys too, to be kept out of logs.

        Raises `ConfigError` when a secret's file cannot be read.
        """
        own = (getattr(self, name) for name in type(self).model_fields if is_secret(name))
        urls = (self.database_url, self.blob_url)
        values = {secret.get_secret_value() for secret in own if secret and secret not in urls}
        values |= {key.get_secret_value() for _, key in self.bootstrap_pairs()}
        values |= set(self.otlp_header_values().values())
        values |= {found[2] for url in urls if (found := re.search(r"://([^:/@]*):(\S*)@", url.get_secret_value()))}
        names = {name.removesuffix("_FILE") for name in self._environ}
        for name in names:
            if VENDOR_SECRET.search(name) and (value := read_variable(self._environ, name)):
                values.add(value)
        return frozenset(values)


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def is_secret(name: str) -> bool:
    return any(kind in str(Settings.model_fields[name].annotation) for kind in ("SecretStr", "SecretUrl"))
