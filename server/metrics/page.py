"""The page of metrics in Prometheus' text format, written by its own library, which is imported on first need."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

import structlog

from handlers.core.breakers import Breakers
from server.binding.watch import OpenStreams
from server.metrics import families as f
from server.metrics.counters import Counters, Labels
from server.metrics.lag import Lag
from storage.errors import StorageError
from storage.repositories.jobs import Jobs
from storage.tables.types import instant

if TYPE_CHECKING:
    from prometheus_client import Metric

log = structlog.get_logger(__name__)

RECENT = timedelta(hours=1)

Cells = Mapping[Labels, list[float]]


class Exporting(Protocol):
    """Spans that went out, and that did not."""

    sent: int
    dropped: int


@dataclass(frozen=True, slots=True)
class Sources:
    """`loads` are the calls by provider that run and that wait; `backlog_rows` is the ledger's."""

    counters: Counters
    lag: Lag
    streams: OpenStreams
    breakers: Breakers
    jobs: Jobs
    loads: Callable[[], Mapping[str, tuple[int, int]]]
    backlog_rows: Callable[[], int]
    clock: Callable[[], float]
    exporting: Exporting | None = None


@dataclass(frozen=True, slots=True)
class Page:
    sources: Sources

    async def render(self) -> bytes:
        """Without the jobs, when the database does not answer."""
        counters = self.sources.counters
        histograms = {
            f.DURATION: counters.durations,
            f.FIRST_BYTE: counters.first_bytes,
            f.LOOP_LAG: self.sources.lag.seconds,
        }
        counted = {family: (one.bounds, one.copy()) for family, one in histograms.items()}
        sampled = {**self._sums(), **self._gauges(), **await self._jobs()}
        return await asyncio.to_thread(_write, counted, sampled)

    def _sums(self) -> dict[f.Family, Mapping[Labels, float]]:
        counters, exporting = self.sources.counters, self.sources.exporting
        sums = {f.TOKENS: counters.tokens.copy(), f.COST: counters.costs.copy(), f.REFUSED: counters.refusals.copy()}
        if exporting is not None:
            sums |= {f.OTLP_SENT: {(): exporting.sent}, f.OTLP_DROPPED: {(): exporting.dropped}}
        return sums

    def _gauges(self) -> dict[f.Family, Mapping[Labels, float]]:
        streams, calls = self.sources.streams, dict[Labels, float]()
        for provider, (running, waiting) in self.sources.loads().items():
            calls |= {(provider, "running"): running, (provider, "waiting"): waiting}
        breakers: dict[Labels, float] = {}
        for place, state in self.sources.breakers.not_closed().items():
            breakers[place.vendor, state] = breakers.get((place.vendor, state), 0) + 1
        return {
            f.IN_PROGRESS: {(): len(streams)},
            f.OPEN_STREAMS: {(): streams.count_streaming()},
            f.PROVIDER_CALLS: calls,
            f.BREAKERS: breakers,
            f.LEDGER_BACKLOG: {(): self.sources.backlog_rows()},
        }

    async def _jobs(self) -> dict[f.Family, Mapping[Labels, float]]:
        now = instant(self.sources.clock())
        try:
            found = await self.sources.jobs.count_by_state(now - RECENT)
            oldest = await self.sources.jobs.oldest_queued()
        except StorageError as error:
            log.warning("jobs_not_counted", reason=str(error))
            return {}
        age_seconds = max(0.0, (now - oldest).total_seconds()) if oldest else 0.0
        return {f.JOBS: {(state,): count for state, count in found.items()}, f.JOB_AGE: {(): age_seconds}}


def _write(
    counted: Mapping[f.Family, tuple[tuple[float, ...], Cells]], sampled: Mapping[f.Family, Mapping[Labels, float]]
) -> bytes:
    from prometheus_client import ProcessCollector, generate_latest
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

    made: list[Metric] = []
    for family, (bounds, cells) in counted.items():
        histogram = HistogramMetricFamily(family.name, family.help, labels=family.labels)
        for labels, cell in cells.items():
            histogram.add_metric(labels, _buckets(bounds, cell), cell[-1])
        made.append(histogram)
    requests = {labels: sum(cell[:-1]) for labels, cell in counted[f.DURATION][1].items()}
    for family, samples in {f.REQUESTS: requests, **sampled}.items():
        kind = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
        metric = kind(family.name, family.help, labels=family.labels)
        for labels, value in samples.items():
            metric.add_metric(labels, value)
        made.append(metric)
    return generate_latest(_Collected([*made, *ProcessCollector(registry=None).collect()]))


def _buckets(bounds: tuple[float, ...], cell: list[float]) -> list[tuple[str, float]]:
    """Prometheus counts what is up to each bound."""
    count, buckets = 0.0, []
    for bound, inside in zip((*map(str, bounds), "+Inf"), cell, strict=False):
        count += inside
        buckets.append((bound, count))
    return buckets


@dataclass(frozen=True, slots=True)
class _Collected:
    metrics: Iterable[Metric]

    def collect(self) -> Iterable[Metric]:
        return self.metrics
