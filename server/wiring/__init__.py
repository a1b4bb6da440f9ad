"""Configuration made into a running product: the only place where services are constructed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from handlers.core import responses, rlm
from handlers.core.files_cleaning import FileCleaning
from handlers.core.jobs import Definition, Definitions
from handlers.core.keys import Tenancy, bootstrap
from handlers.core.kv_cleaning import KvCleaning
from handlers.core.maintenance import Maintenance
from handlers.core.retrieval import clearing, indexing, inserting
from handlers.core.services import Services
from server import first_start
from server.app import load_document
from server.attendance import Attendance
from server.binding.watch import OpenStreams
from server.config import Settings
from server.wiring.application import build_application
from server.wiring.models import open_models
from server.wiring.services import build_services, prefixes_of
from server.wiring.stores import Background, open_stores
from server.wiring.watching import watch_requests
from server.worker import Worker
from storage.repositories.workers import Workers

PRODUCT = (responses.DEFINITION, rlm.DEFINITION, indexing.DEFINITION, inserting.DEFINITION, *clearing.DEFINITIONS)
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
async def build(settings: Settings) -> AsyncIterator[Wired]:
    """Raises `ConfigError`, `storage.errors.StorageError` and `server.catalog.CatalogError`."""
    async with AsyncExitStack() as stack:
        stores = await open_stores(settings, stack)
        first = await bootstrap(Tenancy(stores.database), first_start.given(settings))
        models = await open_models(settings, stack)
        documents = {api: load_document(api, prefix) for api, prefix in prefixes_of(settings).items()}
        services = build_services(settings, stores, documents, models)
        stack.callback(services.capture.close)
        streams = OpenStreams()
        watching = watch_requests(settings, stores, services, models, streams)
        app = await build_application(settings, stores, documents, services, watching)
        background = [*stores.background, models.watcher.run, services.streams.run, watching.lag.run]
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
        worker = _worker(settings, services, definitions, stack)
        yield [*stores.background, models.watcher.run, *_working(worker, services, stack)]


def _worker(settings: Settings, services: Services, definitions: Iterable[Definition], stack: AsyncExitStack) -> Worker:
    files = services.files
    maintenance = Maintenance(files.database, files.blobs, services.clock, settings.capture_days)
    own = [maintenance.definition, FileCleaning(files).definition, KvCleaning(services.kv).definition]
    worker = Worker(services, Definitions([*own, *PRODUCT, *definitions]), settings.max_jobs)
    stack.push_async_callback(worker.close)
    return worker


def _working(worker: Worker, services: Services, stack: AsyncExitStack) -> list[Background]:
    """It works, and shows that it is there."""
    attendance = Attendance(Workers(services.jobs.database), worker.process_id, services.clock)
    stack.push_async_callback(attendance.leave)
    return [worker.run, attendance.run]
