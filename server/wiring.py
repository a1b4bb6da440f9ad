"""Configuration made into a running product: the only place where services are constructed."""

from __future__ import annotations

import os
import random
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from handlers.core import responses, rlm
from handlers.core.answer_cache import AnswerCache, AnswersInMemory
from handlers.core.breakers import Breakers, Rule
from handlers.core.catalog import CatalogHolder
from handlers.core.credentials import Book
from handlers.core.files import FileStore
from handlers.core.files_cleaning import FileCleaning
from handlers.core.idempotency import Idempotency
from handlers.core.jobs import Definition, Definitions, Jobs
from handlers.core.keys import KeyRing, Tenancy, bootstrap
from handlers.core.kv import KvStore
from handlers.core.kv_cleaning import KvCleaning
from handlers.core.latencies import Latencies
from handlers.core.maintenance import Maintenance
from handlers.core.meters import MeterBook
from handlers.core.patience import Patience
from handlers.core.quota import Quota
from handlers.core.regions import Regions, Signer
from handlers.core.registrations import Registrations
from handlers.core.retrieval import clearing, indexing
from handlers.core.retrieval.desk import Retrieval
from handlers.core.sealing import Seal
from handlers.core.services import Route, Services
from providers.extraction.isolated import Isolated
from providers.outbound import Outbound
from providers.sandbox.monty import Monty
from server import catalog, first_start
from server.app import PREFIXES, DialectApp, Gate, Mounts, load_document, load_wording
from server.auth.credentials import Authenticator
from server.binding.endpoint import Serving
from server.binding.idempotent import MAX_KEPT_BYTES
from server.binding.recorder import Recorder
from server.binding.watch import OpenStreams
from server.config import ConfigError, Settings
from server.docs_page import ShownApi, docs_app
from server.inspect import find_handler, operations
from server.openapi31.specification import Document
from server.openapi31.validation import Limits
from server.operational import operational_app
from server.readiness import Readiness
from server.secret_key import secret_key
from server.toolshed import Toolshed
from server.vendors import Vendors
from server.worker import Worker
from storage.blobs.address import CREDENTIALS, open_blobs
from storage.blobs.interface import Blobs
from storage.database import Database
from storage.errors import StorageUnavailable
from storage.ledger import Ledger
from storage.presence import Presence
from storage.repositories.completions import ChatCompletions
from storage.repositories.containers import Containers
from storage.repositories.kv import KvItems
from storage.repositories.kv_reads import KvReads
from storage.repositories.models import RegisteredModels
from storage.repositories.provider_credentials import ProviderCredentials
from storage.repositories.region_keys import RegionKeys
from storage.repositories.requests import Requests
from storage.repositories.responses import Responses
from storage.repositories.traces import Traces
from storage.search import SearchIndex

ROOT_PREFIXES = {"ipop": "/v1"}
"""The server path of a document's own `servers`, where it has one: what `--root` mounts it under."""

PRODUCT = (responses.DEFINITION, rlm.DEFINITION, indexing.DEFINITION, *clearing.DEFINITIONS)
"""Jobs that handlers ask for."""

Background = Callable[[], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class Wired:
    """`background` are to run as long as the server does; `first_start` is to be shown once."""

    app: Any
    services: Services
    streams: OpenStreams
    background: tuple[Background, ...]
    first_start: str | None = None


@dataclass(frozen=True, slots=True)
class Stores:
    """What stands on the database."""

    database: Database
    ledger: Ledger
    keys: KeyRing
    quota: Quota
    idempotency: Idempotency
    meters: MeterBook
    kv_reads: KvReads

    @property
    def background(self) -> tuple[Background, ...]:
        return (self.ledger.run, self.keys.run, self.quota.run, self.meters.run, self.kv_reads.run)


@asynccontextmanager
async def build(settings: Settings) -> AsyncIterator[Wired]:
    """Raises `ConfigError`, `storage.errors.StorageError` and `server.catalog.CatalogError`."""
    async with AsyncExitStack() as stack:
        stores = await _open_stores(settings, stack)
        first = await bootstrap(Tenancy(stores.database), first_start.given(settings))
        models = await _open_models(settings, stack)
        documents = {api: load_document(api, prefix) for api, prefix in _prefixes(settings).items()}
        services = _services(settings, stores, documents, models)
        streams = OpenStreams()
        app = await _application(settings, stores, documents, services, streams)
        background = [*stores.background, models.watcher.run]
        if settings.worker:
            background.append(_worker(settings, services, (), stack).run)
        yield Wired(app, services, streams, tuple(background), first_start.greeting(first) if first else None)


@asynccontextmanager
async def build_worker(settings: Settings, definitions: Iterable[Definition] = ()) -> AsyncIterator[list[Background]]:
    """What is to be run in a process that does background jobs and serves nobody. `definitions` are of jobs beside the
    product's own. Raises as `build` does."""
    async with AsyncExitStack() as stack:
        stores = await _open_stores(settings, stack)
        models = await _open_models(settings, stack)
        services = _services(settings, stores, {}, models)
        yield [*stores.background, models.watcher.run, _worker(settings, services, definitions, stack).run]


def _worker(settings: Settings, services: Services, definitions: Iterable[Definition], stack: AsyncExitStack) -> Worker:
    files = services.files
    maintenance = Maintenance(files.database, files.blobs, services.clock)
    own = [maintenance.definition, FileCleaning(files).definition, KvCleaning(services.kv).definition]
    worker = Worker(services, Definitions([*own, *PRODUCT, *definitions]), settings.max_jobs)
    stack.push_async_callback(worker.close)
    return worker


@dataclass(frozen=True, slots=True)
class _Models:
    holder: CatalogHolder
    vendors: Vendors
    watcher: catalog.CatalogWatcher
    sandbox: Monty
    toolshed: Toolshed


async def _open_models(settings: Settings, stack: AsyncExitStack) -> _Models:
    loaded = catalog.load(settings.catalog_file)
    vendors = Vendors(settings)
    stack.push_async_callback(vendors.close)
    sandbox, toolshed = Monty(), Toolshed(settings)
    stack.push_async_callback(sandbox.close)
    stack.push_async_callback(toolshed.close)
    vendors.replace(loaded.vendors)
    holder = CatalogHolder(loaded.catalog)

    async def apply(fresh: catalog.Loaded) -> None:
        vendors.replace(fresh.vendors)
        holder.current = fresh.catalog

    return _Models(holder, vendors, catalog.CatalogWatcher(settings.catalog_file, apply), sandbox, toolshed)


async def _open_stores(settings: Settings, stack: AsyncExitStack) -> Stores:
    database = Database.open(settings.database_url.get_secret_value())
    stack.push_async_callback(database.close)
    await database.ensure_current()
    presence = Presence(database)
    ledger = Ledger(database, presence)
    await ledger.open()
    stack.push_async_callback(ledger.close)
    keys, quota = KeyRing(database), Quota(database)
    stores = Stores(
        database,
        ledger,
        keys,
        quota,
        Idempotency(database, presence.process_id, MAX_KEPT_BYTES),
        MeterBook(database, time.time),
        KvReads(database),
    )
    stack.push_async_callback(_settle, stores)
    return stores


async def _settle(stores: Stores) -> None:
    """Writes down what is only remembered, as far as the database still answers."""
    with suppress(StorageUnavailable):
        await stores.keys.flush()
        await stores.quota.close()
        await stores.meters.flush()


def _prefixes(settings: Settings) -> dict[str, str]:
    if settings.root:
        return {settings.root: ROOT_PREFIXES.get(settings.root, "")}
    return {api: PREFIXES[api] for api in settings.mounted_apis}


def _services(settings: Settings, stores: Stores, documents: Mapping[str, Document], models: _Models) -> Services:
    seal = Seal(partial(secret_key, settings))
    blobs = _blobs(settings)
    return Services(
        profile=settings.profile,
        version=_version(),
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
        files=FileStore(stores.database, blobs, time.time, _new_id),
        retrieval=Retrieval(SearchIndex(stores.database), Isolated(), settings.data_dir / "reading"),
        kv=KvStore(KvItems(stores.database), stores.kv_reads, stores.meters, time.time),
        quota=stores.quota,
        ledger=stores.ledger,
        jobs=Jobs(stores.database, time.time, _new_id),
        clock=time.time,
        random=random.random,
        new_id=_new_id,
        ready=Readiness(stores.database).look,
        documents={api: document.content for api, document in documents.items()},
        routes={api: _routes(api) for api in documents},
        base_paths=_prefixes(settings),
        addresses=Outbound(settings.allow_private_outbound),
        fetcher=models.vendors.fetcher,
        credentials=Book(ProviderCredentials(stores.database), seal, models.vendors, time.time),
        regions=_regions(settings, stores, seal, models.vendors),
        traits=models.vendors.traits_of,
        sandbox=models.sandbox,
        tools=models.toolshed.tools,
    )


def _blobs(settings: Settings) -> Blobs:
    url = settings.blob_url.get_secret_value()
    names = {name for scheme in CREDENTIALS.values() for name in scheme}
    try:
        return open_blobs(url, settings.variables(names))
    except ValueError as error:
        raise ConfigError(f"blob_url: {error}") from None


def _answer_cache(settings: Settings) -> AnswerCache:
    kept = AnswersInMemory(settings.cache_bytes, settings.cache_seconds, time.monotonic)
    return AnswerCache(kept, settings.cache_by_default)


def _regions(settings: Settings, stores: Stores, seal: Seal, vendors: Vendors) -> Regions:
    lifetime = timedelta(days=settings.region_key_days)
    signer = Signer(RegionKeys(stores.database), seal, time.time, lifetime)
    return Regions(settings.region, vendors.region_of, signer, Requests(stores.database))


async def _application(
    settings: Settings,
    stores: Stores,
    documents: Mapping[str, Document],
    services: Services,
    streams: OpenStreams,
) -> Any:
    everybody = None if settings.auth else await stores.keys.member("default")
    gate = Gate(
        Authenticator(stores.keys, everybody, frozenset(settings.cors_origins)),
        Limits(settings.max_json_bytes, settings.max_upload_bytes, settings.body_idle_seconds),
        stores.idempotency,
    )
    prefixes = _prefixes(settings)
    apps = {}
    for api, document in documents.items():
        wording = load_wording(api)
        serving = Serving(
            api=api,
            services=services,
            wording=wording,
            recorder=Recorder(api, stores.ledger),
            streams=streams,
            keep_alive_seconds=settings.keep_alive_seconds,
            validate_responses=settings.validate_responses,
        )
        apps[prefixes[api]] = DialectApp(document, serving, gate)
    shown = [
        ShownApi(api, prefixes[api], [f"{r.method} {r.path}" for r in services.routes[api] if not r.bound])
        for api in documents
    ]
    rest = operational_app(services.ready, docs_app(shown))
    mounts = Mounts(apps, {prefixes[api]: document for api, document in documents.items()}, rest)
    return _with_cors(mounts, settings)


def _routes(api: str) -> list[Route]:
    return [
        Route(operation.method, operation.path, operation.operation_id, find_handler(operation) is not None)
        for operation in operations(api)
    ]


def _with_cors(app: Any, settings: Settings) -> Any:
    if not settings.cors_origins:
        return app
    from starlette.middleware.cors import CORSMiddleware

    return CORSMiddleware(
        app, settings.cors_origins, allow_methods=["*"], allow_headers=["*"], expose_headers=["x-request-id"]
    )


def _new_id(noun: str) -> str:
    return f"{noun}-{os.urandom(12).hex()}"


def _version() -> str:
    try:
        return version("concordat")
    except PackageNotFoundError:  # run from a checkout that was not installed
        return "0.0.0"
