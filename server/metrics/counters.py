"""Counts as requests end: on the event loop alone, so that nothing needs a lock."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from typing import TypeAlias

from handlers.core.catalog import CatalogHolder
from providers.trace_context import TraceContext
from storage.ledger_record import Record

Labels: TypeAlias = tuple[str, ...]

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
OTHER = "other"
"""The model of requests that name one which the operator's catalog does not have: projects register their own."""


class Histograms:
    """One for each set of labels. A cell holds the counts between the bounds, the last beyond all, and the sum."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self._cells: dict[Labels, list[float]] = {}

    def add(self, labels: Labels, value: float) -> None:
        cell = self._cells.get(labels)
        if cell is None:
            cell = self._cells[labels] = [0] * (len(self.bounds) + 2)
        cell[bisect_left(self.bounds, value)] += 1
        cell[-1] += value

    def copy(self) -> dict[Labels, list[float]]:
        return {labels: cell.copy() for labels, cell in self._cells.items()}


class Sums:
    def __init__(self) -> None:
        self._sums: dict[Labels, float] = {}

    def add(self, labels: Labels, value: float) -> None:
        self._sums[labels] = self._sums.get(labels, 0) + value

    def copy(self) -> Mapping[Labels, float]:
        return self._sums.copy()


class Counters:
    """An `Observer` of every request."""

    def __init__(self, catalog: CatalogHolder) -> None:
        self._catalog = catalog
        self.durations = Histograms(SECONDS)
        self.first_bytes = Histograms(SECONDS)
        self.tokens = Sums()
        self.costs = Sums()
        self.refusals = Sums()

    def ended(self, record: Record, trace: TraceContext | None) -> None:
        model, provider = record.model or "", record.provider or ""
        if model and model not in self._catalog.current.models:
            model = OTHER
        status = str(record.http_status)
        labels = (record.api, record.operation_id, model, provider, status)
        self.durations.add(labels, (record.duration_us or 0) / 1e6)
        if model:
            self._count_model(record, model, provider)

    def refused(self, api: str, status: int) -> None:
        self.refusals.add((api, str(status)), 1)

    def _count_model(self, record: Record, model: str, provider: str) -> None:
        if record.first_byte_us is not None:
            self.first_bytes.add((record.api, model, provider), record.first_byte_us / 1e6)
        add = self.tokens.add
        add((model, provider, "prompt"), record.prompt_tokens)
        add((model, provider, "completion"), record.completion_tokens)
        if record.cached_tokens:
            add((model, provider, "cached"), record.cached_tokens)
        if record.cache_write_tokens:
            add((model, provider, "cache_write"), record.cache_write_tokens)
        if record.reasoning_tokens:
            add((model, provider, "reasoning"), record.reasoning_tokens)
        if record.cost_micros:
            self.costs.add((model, provider), record.cost_micros / 1e6)
