"""Who is told of every request: metrics and traces."""

from __future__ import annotations

import os
import socket
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from handlers.core.services import Ledger, Services
from server.auth.credentials import Overseer
from server.binding.recorder import Observer
from server.binding.watch import OpenStreams
from server.config import Settings
from server.metrics.counters import Counters
from server.metrics.lag import Lag
from server.metrics.page import Mates, Page, Sources
from server.operational import Metrics
from server.wiring.models import Models
from server.wiring.services import app_version
from server.wiring.stores import Stores
from storage.ledger_record import Record
from storage.repositories.jobs import Jobs as JobRows

if TYPE_CHECKING:
    from server.otlp import Exporter

REMEMBERED = 10_000
"""Of how many records it is known that they were told."""


@dataclass(frozen=True, slots=True)
class Watching:
    """Those who are told of every request, and what is shown of them."""

    streams: OpenStreams
    counters: Counters
    lag: Lag
    page: Page
    metrics: Metrics
    exporter: Exporter | None

    @property
    def observers(self) -> tuple[Observer, ...]:
        return (self.counters,) if self.exporter is None else (self.counters, self.exporter)


def watch_requests(
    settings: Settings, stores: Stores, services: Services, models: Models, mates: Mates | None
) -> Watching:
    streams, counters, lag, exporter = OpenStreams(), Counters(models.holder), Lag(), _exporter(settings, models)
    sources = Sources(
        counters=counters,
        lag=lag,
        streams=streams,
        breakers=services.breakers,
        jobs=JobRows(stores.database),
        loads=models.vendors.loads,
        backlog_rows=lambda: stores.ledger.backlog_rows,
        clock=time.time,
        exporting=exporter,
    )
    token = settings.metrics_token.get_secret_value() if settings.metrics_token else None
    page = Page(sources, mates)
    metrics = Metrics(page.render, Overseer(stores.keys, token).admits)
    return Watching(streams, counters, lag, page, metrics, exporter)


@dataclass(frozen=True, slots=True)
class ToldLedger:
    """The ledger of those whose records are not the one of a request that is being answered: observers are told of
    them, too, once each, though a step of a job that is done again hands them in again."""

    ledger: Ledger
    observers: tuple[Observer, ...]
    _told: dict[str, None] = field(default_factory=dict, init=False, repr=False)

    async def start(self, record: Record) -> None:
        await self.ledger.start(record)

    async def finish(self, record: Record) -> None:
        await self.ledger.finish(record)
        self._tell(record)

    def post(self, record: Record) -> None:
        self.ledger.post(record)
        if record.state != "started":
            self._tell(record)

    def _tell(self, record: Record) -> None:
        if record.request_id in self._told:
            return
        if len(self._told) >= REMEMBERED:
            del self._told[next(iter(self._told))]
        self._told[record.request_id] = None
        for observer in self.observers:
            observer.ended(record, None)


def _exporter(settings: Settings, models: Models) -> Exporter | None:
    if settings.otlp_endpoint is None:
        return None
    from server.otlp import Exporter
    from server.otlp.exporter import Collector

    instance = f"{socket.gethostname()}:{os.getpid()}"
    resource = {"service.name": "concordat", "service.version": app_version(), "service.instance.id": instance}
    collector = Collector(settings.otlp_endpoint, settings.otlp_header_values(), resource)
    return Exporter(collector, lambda model: model in models.holder.current.models)
