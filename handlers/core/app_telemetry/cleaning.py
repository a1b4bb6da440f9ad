"""The job that forgets which events were taken, and source maps that are of no use any more. The events themselves go
with the other spans (`handlers.core.maintenance`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from handlers.core.app_telemetry.store import AppTelemetry
from handlers.core.jobs import Definition, Run
from storage.repositories.app_events import AppEvents
from storage.repositories.source_maps import SourceMaps
from storage.tables.types import instant

AT_ONCE = 200
DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class AppTelemetryCleaning:
    app_telemetry: AppTelemetry

    @property
    def definition(self) -> Definition:
        return Definition("app_telemetry_cleaning", self.run, cron="47 * * * *")

    async def run(self, run: Run) -> dict[str, Any]:
        """How many of each were forgotten."""
        acts = {"app_events": self._events, "source_maps": self._maps}
        return {name: await run.step(name, act) for name, act in acts.items()}

    async def _events(self) -> int:
        rows, now, forgotten = AppEvents(self.app_telemetry.database), instant(self.app_telemetry.clock()), 0
        while some := await rows.purge(now, AT_ONCE):
            forgotten += some
        return forgotten

    async def _maps(self) -> int:
        store, forgotten = self.app_telemetry, 0
        now = store.clock()
        unused_since = instant(now - store.keeping.map_days * DAY_SECONDS)
        while some := await SourceMaps(store.database).purge(unused_since, instant(now), AT_ONCE):
            forgotten += some
        return forgotten
