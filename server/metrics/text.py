"""Prometheus' text format, written by its own library, which is imported on first need."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from server.metrics import families as f
from server.metrics.counters import Labels
from server.metrics.snapshot import Sampled, Snapshot

if TYPE_CHECKING:
    from prometheus_client import Metric


def write(snapshots: Sequence[Snapshot], common: Sampled) -> bytes:
    """Each process's own with its number as a label, where it has one; `common` is of all of them together."""
    from prometheus_client import generate_latest

    page = _Page()
    for one in snapshots:
        for family, (bounds, cells) in one.counted.items():
            histogram = page.family(family, one.worker)
            for labels, cell in cells.items():
                histogram.add_metric(_numbered(labels, one.worker), _buckets(bounds, cell), cell[-1])
        for family, samples in {f.REQUESTS: _requests(one), **one.sampled}.items():
            page.add(family, samples, one.worker)
    for family, samples in common.items():
        page.add(family, samples, None)
    return generate_latest(_Collected([*page.made.values(), *_of_processes(snapshots)]))


class _Page:
    """The metrics by their family, in the order in which they came."""

    def __init__(self) -> None:
        self.made: dict[f.Family, Any] = {}

    def family(self, family: f.Family, worker: int | None) -> Any:
        from prometheus_client import core

        kinds = {
            "counter": core.CounterMetricFamily,
            "gauge": core.GaugeMetricFamily,
            "histogram": core.HistogramMetricFamily,
        }
        if family not in self.made:
            names = family.labels if worker is None else (*family.labels, "worker")
            self.made[family] = kinds[family.kind](family.name, family.help, labels=names)
        return self.made[family]

    def add(self, family: f.Family, samples: Mapping[Labels, float], worker: int | None) -> None:
        metric = self.family(family, worker)
        for labels, value in samples.items():
            metric.add_metric(_numbered(labels, worker), value)


def _requests(one: Snapshot) -> dict[Labels, float]:
    return {labels: sum(cell[:-1]) for labels, cell in one.counted[f.DURATION][1].items()}


def _numbered(labels: Labels, worker: int | None) -> Labels:
    return labels if worker is None else (*labels, str(worker))


def _buckets(bounds: tuple[float, ...], cell: list[float]) -> list[tuple[str, float]]:
    """Prometheus counts what is up to each bound."""
    count, buckets = 0.0, []
    for bound, inside in zip((*map(str, bounds), "+Inf"), cell, strict=False):
        count += inside
        buckets.append((bound, count))
    return buckets


def _of_processes(snapshots: Sequence[Snapshot]) -> Iterable[Metric]:
    """Memory, CPU and the like, as the system has them of each."""
    from prometheus_client import ProcessCollector

    found: dict[str, Metric] = {}
    for one in snapshots:
        for metric in ProcessCollector(pid=lambda pid=one.pid: pid, registry=None).collect():  # type: ignore[misc]
            worker = {} if one.worker is None else {"worker": str(one.worker)}
            samples = [sample._replace(labels={**sample.labels, **worker}) for sample in metric.samples]
            known = found.setdefault(metric.name, metric)
            known.samples = [*([] if known is metric else known.samples), *samples]
    return found.values()


@dataclass(frozen=True, slots=True)
class _Collected:
    metrics: Iterable[Metric]

    def collect(self) -> Iterable[Metric]:
        return self.metrics
