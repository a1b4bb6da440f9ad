"""Configuration made into a running product: the only place where services are constructed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from handlers.core import datasets, responses, rlm
from handlers.core.app_telemetry import AppTelemetryCleaning
from handlers.core.batches import BatchWork, Endpoint
from handlers.core.files_cleaning import FileCleaning
from handlers.core.jobs import Definition, Definitions
from handlers.core.keys import Tenancy, bootstrap
from handlers.core.kv_cleaning import KvCleaning
from handlers.core.maintenance import Maintenance
from handlers.core.retrieval import clearing, indexing, inserting
from handlers.core.s3.metering import StorageMetering
from handlers.core.services import Services
from server import first_start
from server.app import PREFIXES, load_document, load_wording
from server.attendance import Attendance
from server.binding.desk import Desk
from server.binding.watch import OpenStreams
from server.config import Settings
from server.crew.mates import Mates
from server.crew.part import Part
from server.listener import Listener, listen
from server.operational import worker_app
from server.wiring.application import build_application
from server.wiring.models import open_models
from server.wiring.services import build_services, prefixes_of
from server.wiring.stores import Background, open_stores
from server.wiring.watching import ToldLedger, watch_requests
from server.worker import Worker
from storage.repositories.workers import Workers

PRODUCT = (
    responses.DEFINITION,
    rlm.DEFINITION,
    datasets.DEFINITION,
    indexing.DEFINITION,
    inserting.DEFINITION,
    *clearing.DEFINITIONS,
)
"""Jobs that handlers ask for."""


BATCH_ENDPOINTS = {
    name: Endpoint(operation_id, frozenset({path, f"/v1{path}", f"{PREFIXES['ipop']}{path}"}))
    for path, operation_id, names in (
        ("/chat/completions", "chat_completions_create", ("chat_completions", "/v1/chat/completions")),
        ("/embeddings", "embeddings_create", ("embeddings", "/v1/embeddings")),
    )
    for name in names
}
"""What IPOP's batches may ask for, by the names that its document has for it."""


@dataclass(frozen=True, slots=True)
class Wired:
    """`background` are to run as long as the server does; `first_start` is to be shown once."""

    app: Any
    services: Services
    streams: OpenStreams
    background: tuple[Background, ...]
    first_start: str | None = None


@asynccontextmanager
async def build(settings: Settings, part: Part | None = None) -> AsyncIterator[Wired]:
    """Raises `ConfigError`, `storage.errors.StorageError` and `server.catalog.CatalogError`."""
    async with AsyncExitStack() as stack:
        stores = await open_stores(settings, stack)
        first = await bootstrap(Tenancy(stores.database), first_start.given(settings))
        models = await open_models(settings, stack)
        documents = {api: load_document(api, prefix) for api, prefix in prefixes_of(settings).items()}
        services = build_services(settings, stores, documents, models)
        stack.callback(services.capture.close)
        streams = OpenStreams()
        mates = Mates(part.folder, part.number) if part else None
        watching = watch_requests(settings, stores, services, models, streams, mates=mates)
        services = replace(services, ledger=ToldLedger(stores.ledger, watching.observers))
        app = await build_application(settings, stores, documents, services, watching)
        background = [*stores.background, models.watcher.run, services.streams.run, watching.lag.run]
        if mates is not None:
            background.append(partial(mates.run, lambda: watching.page.snapshot().dump()))
        if watching.exporter is not None:
            stack.push_async_callback(watching.exporter.close)
            background.append(watching.exporter.run)
        if settings.worker:
            background += _working(_worker(settings, services, (), stack), services, stack)
        yield Wired(app, services, streams, tuple(background), first_start.greeting(first) if first else None)


@asynccontextmanager
async def build_worker(settings: Settings, definitions: Iterable[Definition] = ()) -> AsyncIterator[list[Background]]:
    """What is to be run in a process that does background jobs and serves nobody. `definitions` are of jobs beside the
    product's own. Raises as `build` does."""
    async with AsyncExitStack() as stack:
        stores = await open_stores(settings, stack)
        models = await open_models(settings, stack)
        services = build_services(settings, stores, {}, models)
        stack.callback(services.capture.close)
        watching = watch_requests(settings, stores, services, models, OpenStreams())
        services = replace(services, ledger=ToldLedger(stores.ledger, watching.observers))
        background = [*stores.background, models.watcher.run, watching.lag.run]
        if watching.exporter is not None:
            stack.push_async_callback(watching.exporter.close)
            background.append(watching.exporter.run)
        if settings.worker_metrics is not None:
            bound = stack.enter_context(listen(settings.worker_metrics))
            background.append(Listener(bound, worker_app(services.ready, watching.metrics)).run)
        worker = _worker(settings, services, definitions, stack)
        yield [*background, *_working(worker, services, stack)]


def _worker(settings: Settings, services: Services, definitions: Iterable[Definition], stack: AsyncExitStack) -> Worker:
    files = services.files
    maintenance = Maintenance(files.database, files.blobs, services.clock, settings.capture_days)
    cleaning = (FileCleaning(files), KvCleaning(services.kv), AppTelemetryCleaning(services.app_telemetry))
    own = [maintenance.definition, *(one.definition for one in cleaning), StorageMetering(services.objects).definition]
    worker = Worker(services, Definitions([*own, *_batches(services), *PRODUCT, *definitions]), settings.max_jobs)
    stack.push_async_callback(worker.close)
    return worker


def _working(worker: Worker, services: Services, stack: AsyncExitStack) -> list[Background]:
    """It works, and shows that it is there."""
    attendance = Attendance(Workers(services.jobs.database), worker.process_id, services.clock)
    stack.push_async_callback(attendance.leave)
    return [worker.run, attendance.run]


def _batches(services: Services) -> list[Definition]:
    desk = Desk("ipop", services, load_wording("ipop"), partial(load_document, "ipop", PREFIXES["ipop"]))
    work = BatchWork(desk, BATCH_ENDPOINTS)
    return [work.definition, work.cleaning]
