"""The queue of what is to be sent, and the way to the collector: OTLP over HTTP, in JSON."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
import structlog

from providers.errors import ProviderError
from providers.http import HttpClient, Timeouts
from providers.trace_context import TraceContext
from server.otlp.meters import Meters
from server.otlp.spans import Ended, spans
from storage.ledger_record import Record

log = structlog.get_logger(__name__)

TIMEOUTS = Timeouts(connect_seconds=5.0, first_byte_seconds=10.0, idle_seconds=10.0)
AGAIN = frozenset({429, 502, 503, 504})
"""The statuses that OTLP has a client try again for."""


@dataclass(frozen=True, slots=True)
class Collector:
    """`endpoint` is without `/v1/traces`; `resource` tells who sends."""

    endpoint: str
    headers: Mapping[str, str]
    resource: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Pace:
    """`queued` requests at most wait, and `batch` go at once; `close_seconds` is how long closing waits for the
    collector."""

    queued: int = 8192
    batch: int = 512
    spans_seconds: float = 1.0
    metrics_seconds: float = 15.0
    tries: int = 4
    retry_seconds: float = 1.0
    close_seconds: float = 3.0


@dataclass(frozen=True, slots=True)
class Parcel:
    """What is under way; it stays until the collector has answered."""

    body: bytes
    spans: int


class Exporter:
    """An `Observer` of every request. Run `run` as long as the server does, and call `close` after it."""

    def __init__(
        self,
        collector: Collector,
        is_listed: Callable[[str], bool],
        clock: Callable[[], float] = time.time,
        pace: Pace = Pace(),
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self.sent = 0
        self.dropped = 0
        self._collector = collector
        self._clock = clock
        self._pace = pace
        self._sleep = sleep
        self._http = HttpClient(TIMEOUTS)
        self._queue: deque[Ended] = deque()
        self._parcel: Parcel | None = None
        self._meters = Meters(is_listed, clock())
        self._measured_at = clock()

    def ended(self, record: Record, trace: TraceContext | None) -> None:
        ended = Ended(record, trace)
        if len(self._queue) < self._pace.queued:
            self._queue.append(ended)
        else:
            self.dropped += ended.span_count

    def refused(self, api: str, status: int) -> None:
        """Nobody's requests are no spans."""

    async def run(self) -> None:
        while True:
            await self._sleep(self._pace.spans_seconds)
            await self.send(self._pace.tries)

    async def send(self, tries: int) -> None:
        """All that waits, and the metrics when it is time for them."""
        while self._parcel is not None or self._queue:
            if self._parcel is None:
                count = min(len(self._queue), self._pace.batch)
                self._parcel = await asyncio.to_thread(self._pack, [self._queue.popleft() for _ in range(count)])
            taken = await self._post("/v1/traces", self._parcel.body, tries)
            if taken:
                self.sent += self._parcel.spans
            else:
                self.dropped += self._parcel.spans
            self._parcel = None
        if self._clock() - self._measured_at >= self._pace.metrics_seconds:
            await self._send_metrics(tries)

    async def close(self) -> None:
        """Sends what is left, as far as the collector takes it at once."""
        try:
            async with asyncio.timeout(self._pace.close_seconds):
                await self.send(tries=1)
                await self._send_metrics(tries=1)
        except TimeoutError:
            log.warning("otlp_not_sent", spans=len(self._queue))
        await self._http.close()

    def _pack(self, batch: list[Ended]) -> Parcel:
        for ended in batch:
            self._meters.add(ended.record)
        made = [span for ended in batch for span in spans(ended)]
        scoped = {"scope": _SCOPE, "spans": made}
        body = orjson.dumps({"resourceSpans": [{"resource": self._resource(), "scopeSpans": [scoped]}]})
        return Parcel(body, len(made))

    async def _send_metrics(self, tries: int) -> None:
        now = self._measured_at = self._clock()
        metrics = self._meters.render(now)
        if metrics:
            scoped = {"scope": _SCOPE, "metrics": metrics}
            body = orjson.dumps({"resourceMetrics": [{"resource": self._resource(), "scopeMetrics": [scoped]}]})
            await self._post("/v1/metrics", body, tries)

    def _resource(self) -> dict[str, Any]:
        told = self._collector.resource.items()
        return {"attributes": [{"key": name, "value": {"stringValue": value}} for name, value in told]}

    async def _post(self, path: str, body: bytes, tries: int) -> bool:
        """Whether the collector took it."""
        url, reason = self._collector.endpoint.rstrip("/") + path, ""
        for number in range(tries):
            if number:
                await self._sleep(self._pace.retry_seconds * 2 ** (number - 1))
            try:
                answer = await self._http.post_json(url, self._collector.headers, body)
            except ProviderError as error:
                reason = str(error)
                continue
            if 200 <= answer.status < 300:
                return True
            reason = f"it answered {answer.status}"
            if answer.status not in AGAIN:
                break
        log.warning("otlp_not_sent", path=path, reason=reason)
        return False


_SCOPE = {"name": "concordat"}
