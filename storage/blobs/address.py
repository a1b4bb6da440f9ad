"""Which blob store an address names: `file:///folder`, `s3://bucket/prefix`, `gs://bucket/prefix`,
`az://container/prefix`, with options behind `?`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from storage.blobs.interface import Blobs
from storage.blobs.local import LocalBlobs

OPTIONS = {
    "s3": {"endpoint", "region"},
    "gs": {"endpoint"},
    "az": {"endpoint", "account"},
    "file": set[str](),
}
CREDENTIALS = {
    "s3": {
        "AWS_ACCESS_KEY_ID": "access_key_id",
        "AWS_SECRET_ACCESS_KEY": "secret_access_key",
        "AWS_SESSION_TOKEN": "session_token",
        "AWS_REGION": "region",
    },
    "gs": {
        "GOOGLE_SERVICE_ACCOUNT_KEY": "service_account_key",
        "GOOGLE_APPLICATION_CREDENTIALS": "application_credentials",
    },
    "az": {
        "AZURE_STORAGE_ACCOUNT_NAME": "account_name",
        "AZURE_STORAGE_ACCOUNT_KEY": "account_key",
        "AZURE_STORAGE_SAS_TOKEN": "sas_key",
        "AZURE_CLIENT_ID": "client_id",
        "AZURE_CLIENT_SECRET": "client_secret",
        "AZURE_TENANT_ID": "tenant_id",
    },
}
"""Variables by which an operator says who we are; without any, the machine's own identity is looked for."""

SPELLINGS = {"account": "account_name"}
RETRIES = {"max_retries": 4, "retry_timeout": timedelta(seconds=30)}
CONNECT_TIMEOUT, SILENCE_TIMEOUT, REQUEST_TIMEOUT = "10s", "60s", "1h"
"""The last is for a whole object, read by a client that is slow."""


def check_address(url: str) -> None:
    """Raises `ValueError`, whose message is for the operator and repeats no secret."""
    parts = urlsplit(url)
    if parts.scheme not in OPTIONS:
        raise ValueError("must begin with file:///, s3://, gs:// or az://")
    if parts.scheme == "file":
        if parts.netloc or not parts.path.strip("/"):
            raise ValueError("must be file:/// and the path of a folder")
        return
    if not parts.hostname or parts.username or parts.password:
        raise ValueError(f"must be {parts.scheme}://, a bucket and no credentials: those have variables of their own")
    strangers = {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)} - OPTIONS[parts.scheme]
    if strangers:
        raise ValueError(f"has no option {sorted(strangers)[0]}, only {', '.join(sorted(OPTIONS[parts.scheme]))}")


def open_blobs(url: str, environ: Mapping[str, str]) -> Blobs:
    """Connects to nothing yet. `environ` holds the credentials of a bucket. Raises `ValueError`."""
    check_address(url)
    parts = urlsplit(url)
    if parts.scheme == "file":
        return LocalBlobs(Path(unquote(parts.path)))
    from storage.blobs.bucket import BucketBlobs

    return BucketBlobs(_store(parts.scheme, parts.netloc, unquote(parts.path).strip("/"), _options(url, environ)))


def _options(url: str, environ: Mapping[str, str]) -> dict[str, Any]:
    parts = urlsplit(url)
    known = {name: environ[variable] for variable, name in CREDENTIALS[parts.scheme].items() if environ.get(variable)}
    return known | {SPELLINGS.get(name, name): value for name, value in parse_qsl(parts.query)}


def _store(scheme: str, bucket: str, prefix: str, options: dict[str, Any]) -> Any:
    from obstore.exceptions import BaseError
    from obstore.store import AzureStore, GCSStore, S3Store

    client: dict[str, Any] = {
        "connect_timeout": CONNECT_TIMEOUT,
        "read_timeout": SILENCE_TIMEOUT,
        "timeout": REQUEST_TIMEOUT,
    }
    if options.get("endpoint", "").startswith("http://"):
        client["allow_http"] = True
    if scheme == "gs" and "endpoint" in options:
        options["base_url"] = options.pop("endpoint")
    kind: Any = {"s3": S3Store, "gs": GCSStore, "az": AzureStore}[scheme]
    try:
        return kind(bucket, prefix=prefix or None, client_options=client, retry_config=RETRIES, **options)
    except (BaseError, ValueError, OSError) as error:
        raise ValueError(f"the bucket's store cannot be set up: {type(error).__name__}") from None
