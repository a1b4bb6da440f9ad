"""What one process counts at a moment, and how it goes to another process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import orjson

from server.metrics.counters import Labels
from server.metrics.families import FAMILIES, Family

Counted: TypeAlias = Mapping[Family, tuple[tuple[float, ...], Mapping[Labels, list[float]]]]
"""Histograms: the bounds, and the cells by their labels."""
Sampled: TypeAlias = Mapping[Family, Mapping[Labels, float]]
KNOWN = {family.name: family for family in FAMILIES}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`worker` is the process's number among those that share a port, None for one that has it for itself."""

    pid: int
    worker: int | None
    counted: Counted
    sampled: Sampled

    def dump(self) -> bytes:
        counted = [(family.name, bounds, list(cells.items())) for family, (bounds, cells) in self.counted.items()]
        sampled = [(family.name, list(values.items())) for family, values in self.sampled.items()]
        return orjson.dumps((self.pid, self.worker, counted, sampled))


def load(dumped: bytes) -> Snapshot:
    """Without what another version may count that this one does not know."""
    pid, worker, counted, sampled = orjson.loads(dumped)
    return Snapshot(
        pid,
        worker,
        {KNOWN[name]: (tuple(bounds), _labelled(cells)) for name, bounds, cells in counted if name in KNOWN},
        {KNOWN[name]: _labelled(values) for name, values in sampled if name in KNOWN},
    )


def _labelled(items: list[tuple[list[str], Any]]) -> dict[Labels, Any]:
    return {tuple(labels): value for labels, value in items}
