"""What handlers work with."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from codegen.generated import APIS
from handlers.core.answer_cache import AnswerCache, AnswersInMemory
from handlers.core.app_telemetry import AppTelemetry, Keeping, MapsAtHand, Tariff
from handlers.core.breakers import Breakers, Rule
from handlers.core.capture import Capture, Policies, Policy
from handlers.core.credentials import Book
from handlers.core.files import FileStore
from handlers.core.jobs import Jobs
from handlers.core.kv import KvStore
from handlers.core.latencies import Latencies
from handlers.core.open_streams import Streams
from handlers.core.patience import Patience
from handlers.core.regions import Regions, Signer
from handlers.core.registrations import Registrations
from handlers.core.retrieval.desk import Retrieval
from handlers.core.s3 import AccessKeys, Allowance, ObjectStore, StorageTariff
from handlers.core.sealing import Seal
from handlers.core.services import Route, Services
from providers.extraction.isolated import Isolated
from providers.extraction.tools import LIBREOFFICE
from providers.outbound import Outbound
from providers.parquet.arro3_reader import Arro3Reader
from server.app import PREFIXES
from server.config import ConfigError, Settings
from server.inspect import find_handler, operations
from server.openapi31.specification import Document
from server.random_ids import random_id
from server.readiness import Readiness
from server.secret_key import secret_key
from server.vendors import Vendors
from server.wiring.models import Models
from server.wiring.stores import Stores
from storage.blobs.address import CREDENTIALS, open_blobs
from storage.blobs.interface import Blobs
from storage.database import Database
from storage.repositories.capture_policies import CapturePolicies
from storage.repositories.captured import CapturedMessages
from storage.repositories.completions import ChatCompletions
from storage.repositories.containers import Containers
from storage.repositories.feedback import Feedback
from storage.repositories.history import History
from storage.repositories.kv import KvItems
from storage.repositories.models import RegisteredModels
from storage.repositories.open_streams import OpenStreams
from storage.repositories.projects import Projects
from storage.repositories.provider_credentials import ProviderCredentials
from storage.repositories.region_keys import RegionKeys
from storage.repositories.requests import Requests
from storage.repositories.responses import Responses
from storage.repositories.s3_keys import S3Keys
from storage.repositories.telemetry import Telemetry
from storage.repositories.traces import Traces
from storage.search import SearchIndex

ROOT_PREFIXES = {api.slug: api.root for api in APIS}
"""The server path of a document's own `servers`, where it has one: what `--root` mounts it under."""


def prefixes_of(settings: Settings) -> dict[str, str]:
    if settings.root:
        return {settings.root: ROOT_PREFIXES[settings.root]}
    return {api: PREFIXES[api] for api in settings.mounted_apis}


def build_services(settings: Settings, stores: Stores, documents: Mapping[str, Document], models: Models) -> Services:
    seal = Seal(partial(secret_key, settings))
    blobs = blob_store(settings)
    return Services(
        profile=settings.profile,
        version=app_version(),
        catalog=models.holder,
        inference=models.vendors,
        embeddings=models.vendors.embeddings,
        embedded=models.vendors.embedded,
        patience=Patience(settings.retries, settings.retry_budget_seconds),
        answer_cache=_answer_cache(settings),
        breakers=Breakers(Rule(settings.breaker_failures, rest_seconds=settings.breaker_rest_seconds)),
        latencies=Latencies(),
        registered_models=Registrations(RegisteredModels(stores.database), time.monotonic),
        containers=Containers(stores.database),
        completions=ChatCompletions(stores.database),
        traces=Traces(stores.database),
        responses=Responses(stores.database),
        history=History(stores.database),
        feedback=Feedback(stores.database),
        files=FileStore(stores.database, blobs, time.time, new_id),
        retrieval=_retrieval(settings, stores.database),
        kv=KvStore(KvItems(stores.database), stores.meters, time.time),
        objects=_objects(settings, stores, blobs),
        access_keys=AccessKeys(S3Keys(stores.database), seal, time.time),
        quota=stores.quota,
        ledger=stores.ledger,
        jobs=Jobs(stores.database, time.time, new_id),
        clock=time.time,
        random=random.random,
        new_id=new_id,
        ready=Readiness(stores.database).look,
        documents={api: document.content for api, document in documents.items()},
        routes={api: _routes(api) for api in documents},
        base_paths=prefixes_of(settings),
        addresses=Outbound(settings.allow_private_outbound),
        fetcher=models.vendors.fetcher,
        parquet=Arro3Reader(),
        credentials=Book(ProviderCredentials(stores.database), seal, models.vendors, time.time),
        regions=_regions(settings, stores, seal, models.vendors),
        traits=models.vendors.traits_of,
        sandbox=models.sandbox,
        tools=models.toolshed.tools,
        telemetry=Telemetry.on(stores.database),
        capture=_capture(settings, stores.database),
        app_telemetry=_app_telemetry(settings, stores.database, blobs),
        streams=Streams(OpenStreams(stores.database), stores.process_id, settings.max_streams, time.time),
    )


def _objects(settings: Settings, stores: Stores, blobs: Blobs) -> ObjectStore:
    tariff = StorageTariff(settings.storage_block_usd, settings.storage_free_bytes)
    allowance = Allowance(stores.database, tariff, time.time, new_id)
    return ObjectStore(stores.database, blobs, allowance, stores.meters, time.time, new_id)


def blob_store(settings: Settings) -> Blobs:
    """Raises `ConfigError`."""
    url = settings.blob_url.get_secret_value()
    names = {name for scheme in CREDENTIALS.values() for name in scheme}
    try:
        return open_blobs(url, settings.variables(names))
    except ValueError as error:
        raise ConfigError(f"blob_url: {error}") from None


def _retrieval(settings: Settings, database: Database) -> Retrieval:
    soffice = next((found for command in LIBREOFFICE.commands if (found := shutil.which(command))), None)
    extractor = Isolated(soffice=Path(soffice) if soffice else None)
    return Retrieval(SearchIndex(database), extractor, settings.data_dir / "reading")


def _capture(settings: Settings, database: Database) -> Capture:
    default = Policy(
        settings.capture,
        settings.capture_rate,
        settings.capture_days,
        settings.capture_redact,
        settings.capture_max_chars,
    )
    policies = Policies(CapturePolicies(database), Projects(database), default, time.monotonic)
    return Capture(policies, CapturedMessages(database), Requests(database), random.random)


def _app_telemetry(settings: Settings, database: Database, blobs: Blobs) -> AppTelemetry:
    megabytes = settings.app_telemetry_map_megabytes
    tariff = Tariff(settings.app_telemetry_units, settings.app_telemetry_unit_usd, megabytes)
    keeping = Keeping(settings.app_telemetry_days, settings.app_telemetry_map_days, settings.app_telemetry_rate)
    at_hand = MapsAtHand(settings.app_telemetry_cache_bytes)
    return AppTelemetry(database, blobs, at_hand, time.time, new_id, tariff, keeping)


def _answer_cache(settings: Settings) -> AnswerCache:
    kept = AnswersInMemory(settings.cache_bytes, settings.cache_seconds, time.monotonic)
    return AnswerCache(kept, settings.cache_by_default)


def _regions(settings: Settings, stores: Stores, seal: Seal, vendors: Vendors) -> Regions:
    lifetime = timedelta(days=settings.region_key_days)
    signer = Signer(RegionKeys(stores.database), seal, time.time, lifetime)
    return Regions(settings.region, vendors.region_of, signer, Requests(stores.database))


def _routes(api: str) -> list[Route]:
    return [
        Route(operation.method, operation.path, operation.operation_id, find_handler(operation) is not None)
        for operation in operations(api)
    ]


def new_id(noun: str) -> str:
    return f"{noun}-{random_id()}"


def app_version() -> str:
    try:
        return version("concordat")
    except PackageNotFoundError:  # run from a checkout that was not installed
        return "0.0.0"
