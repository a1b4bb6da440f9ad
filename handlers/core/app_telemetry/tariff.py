from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

EVENT_UNITS: Mapping[str, int] = {"error": 5, "event": 1, "log": 1, "page_view": 1, "session": 1, "span": 1}
"""What an event of each type counts for."""
MAP_UNITS = 10
"""What a megabyte of source maps counts for, beyond those that are free."""
MEGABYTE = 10**6


@dataclass(frozen=True, slots=True)
class Tariff:
    """Units that a project has free each month in UTC, and the price of the others; without a price there are no
    others. Megabytes are of compressed source maps that are uploaded in a month."""

    free_units: int = 1_000_000
    unit_usd: float | None = None
    free_map_megabytes: int = 1_000

    def allows(self, month_units: int) -> bool:
        return self.unit_usd is not None or month_units <= self.free_units

    def billed(self, month_units: int) -> int:
        """Of a month's units, those beyond the free ones."""
        return max(0, month_units - self.free_units)

    def cost_usd(self, billed_units: int) -> float:
        return billed_units * (self.unit_usd or 0.0)

    def map_units(self, month_bytes: int) -> int:
        """Of all the maps of a month; a megabyte that has begun counts."""
        beyond = max(0, month_bytes - self.free_map_megabytes * MEGABYTE)
        return -(-beyond // MEGABYTE) * MAP_UNITS
