"""Configuration made into a running product: the only place where services are constructed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from handlers.core import datasets, responses, rlm
from handlers.core.app_telemetry import AppTelemetryCleaning
from handlers.core.batches import BatchWork
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
from server.inspect import operations
from server.listener import Listener, listen
from server.openapi31.specification import Document
from server.operational import worker_app
from server.wiring.application import build_application
from server.wiring.models import open_models
from server.wiring.services import build_services, prefixes_of
from server.wiring.stores import Background, Stores, open_stores
from server.wiring.watching import ToldLedger, Watching, watch_requests
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
        documents = {api: load_document(api, prefix) for api, prefix in prefixes_of(settings).items()}
        mates = Mates(part.folder, part.number) if part else None
        core = await _assemble(settings, documents, stack, mates)
        first = await bootstrap(Tenancy(core.stores.database), first_start.given(settings))
        app = await build_application(settings, core.stores, documents, core.services, core.watching)
        background = [*core.background, core.services.streams.run]
        if mates is not None:
            background.append(partial(mates.run, lambda: core.watching.page.snapshot().dump()))
        if settings.worker:
            background += _working(_worker(settings, core.services, (), stack), core.services, stack)
        greeting = first_start.greeting(first) if first else None
        yield Wired(app, core.services, core.watching.streams, tuple(background), greeting)


@asynccontextmanager
async def build_worker(settings: Settings, definitions: Iterable[Definition] = ()) -> AsyncIterator[list[Background]]:
    """What is to be run in a process that does background jobs and serves nobody. `definitions` are of jobs beside the
    product's own. Raises as `build` does."""
    async with AsyncExitStack() as stack:
        core = await _assemble(settings, {}, stack)
        background = list(core.background)
        if settings.worker_metrics is not None:
            bound = stack.enter_context(listen(settings.worker_metrics))
            background.append(Listener(bound, worker_app(core.services.ready, core.watching.metrics)).run)
        worker = _worker(settings, core.services, definitions, stack)
        yield [*background, *_working(worker, core.services, stack)]


@dataclass(frozen=True, slots=True)
class _Core:
    """What every process has, whether it serves or works."""

    stores: Stores
    services: Services
    watching: Watching
    background: tuple[Background, ...]


async def _assemble(
    settings: Settings, documents: Mapping[str, Document], stack: AsyncExitStack, mates: Mates | None = None
) -> _Core:
    stores = await open_stores(settings, stack)
    models = await open_models(settings, stack)
    services = build_services(settings, stores, documents, models)
    stack.callback(services.capture.close)
    watching = watch_requests(settings, stores, services, models, mates)
    services = replace(services, ledger=ToldLedger(stores.ledger, watching.observers))
    background = [*stores.background, models.watcher.run, watching.lag.run]
    if watching.exporter is not None:
        stack.push_async_callback(watching.exporter.close)
        background.append(watching.exporter.run)
    return _Core(stores, services, watching, tuple(background))


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
    """None where another document than the one we know has no batches."""
    if "ipop" not in PREFIXES or "batches_create" not in {one.operation_id for one in operations("ipop")}:
        return []
    from handlers.ipop.batches import endpoints

    desk = Desk("ipop", services, load_wording("ipop"), partial(load_document, "ipop", PREFIXES["ipop"]))
    work = BatchWork(desk, endpoints(PREFIXES["ipop"]))
    return [work.definition, work.cleaning]
