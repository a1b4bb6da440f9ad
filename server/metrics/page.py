"""The page of metrics, and where its numbers come from."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

import structlog

from handlers.core.breakers import Breakers
from server.binding.watch import OpenStreams
from server.metrics import families as f
from server.metrics.counters import Counters, Labels
from server.metrics.lag import Lag
from server.metrics.snapshot import Snapshot, load
from server.metrics.text import write
from storage.errors import StorageError
from storage.repositories.jobs import Jobs
from storage.tables.types import instant

log = structlog.get_logger(__name__)

RECENT = timedelta(hours=1)


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


class Mates(Protocol):
    """`server.crew.mates.Mates`: the processes that share this one's port."""

    @property
    def number(self) -> int: ...

    async def ask(self) -> Sequence[bytes]: ...


@dataclass(frozen=True, slots=True)
class Page:
    sources: Sources
    mates: Mates | None = None

    async def render(self) -> bytes:
        """Of all processes that share the port. Without the jobs, when the database does not answer."""
        others = [load(one) for one in await self.mates.ask()] if self.mates else []
        workers: dict[Labels, float] = {(): 1 + len(others)}
        common = {f.WORKERS: workers, **await self._jobs()}
        snapshots = sorted([self.snapshot(), *others], key=lambda one: one.worker or 0)
        return await asyncio.to_thread(write, snapshots, common)

    def snapshot(self) -> Snapshot:
        counters = self.sources.counters
        histograms = {
            f.DURATION: counters.durations,
            f.FIRST_BYTE: counters.first_bytes,
            f.LOOP_LAG: self.sources.lag.seconds,
        }
        counted = {family: (one.bounds, one.copy()) for family, one in histograms.items()}
        number = self.mates.number if self.mates else None
        return Snapshot(os.getpid(), number, counted, {**self._sums(), **self._gauges()})

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
