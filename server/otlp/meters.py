"""Calls to models as histograms in OTLP's JSON, counted since the server started.

Source: https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-metrics/
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from server.metrics.counters import OTHER, Histograms
from server.otlp.spans import attributes, of_model
from storage.ledger_record import Record

CUMULATIVE = 2
DURATIONS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
TOKENS = tuple(float(4**power) for power in range(14))
FIRST_TOKEN = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
LATER_TOKENS = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)
TOKEN_TYPE = "gen_ai.token.type"  # noqa: S105  no secret


@dataclass(frozen=True, slots=True)
class Meter:
    name: str
    unit: str
    values: Histograms


class Meters:
    """`is_listed` says whether a model is the operator's: the others are counted as one."""

    def __init__(self, is_listed: Callable[[str], bool], started_at: float) -> None:
        self._is_listed = is_listed
        self._started_at = started_at
        self._durations = Histograms(DURATIONS)
        self._server_durations = Histograms(DURATIONS)
        self._first_tokens = Histograms(FIRST_TOKEN)
        self._later_tokens = Histograms(LATER_TOKENS)
        self._tokens = Histograms(TOKENS)
        self._all = (
            Meter("gen_ai.client.operation.duration", "s", self._durations),
            Meter("gen_ai.server.request.duration", "s", self._server_durations),
            Meter("gen_ai.server.time_to_first_token", "s", self._first_tokens),
            Meter("gen_ai.server.time_per_output_token", "s", self._later_tokens),
            Meter("gen_ai.client.token.usage", "{token}", self._tokens),
        )

    def add(self, record: Record) -> None:
        """Of requests that no model answered nothing is counted."""
        if record.model is None:
            return
        told = of_model(record)
        if not self._is_listed(record.model):
            told["gen_ai.request.model"] = OTHER
        labels = tuple(f"{name}={value}" for name, value in told.items() if value is not None)
        seconds = (record.duration_us or 0) / 1e6
        self._durations.add(labels, seconds)
        self._server_durations.add(labels, seconds)
        if record.streamed and record.first_byte_us is not None:
            self._first_tokens.add(labels, record.first_byte_us / 1e6)
            if record.state == "completed" and record.completion_tokens > 1:
                later_seconds = max(0.0, seconds - record.first_byte_us / 1e6)
                self._later_tokens.add(labels, later_seconds / (record.completion_tokens - 1))
        self._tokens.add((*labels, f"{TOKEN_TYPE}=input"), record.prompt_tokens)
        self._tokens.add((*labels, f"{TOKEN_TYPE}=output"), record.completion_tokens)

    def render(self, now: float) -> list[dict[str, Any]]:
        """OTLP's `metrics`; none when nothing was counted."""
        rendered = [(meter, self._points(meter.values, now)) for meter in self._all]
        return [
            {
                "name": meter.name,
                "unit": meter.unit,
                "histogram": {"aggregationTemporality": CUMULATIVE, "dataPoints": points},
            }
            for meter, points in rendered
            if points
        ]

    def _points(self, values: Histograms, now: float) -> list[dict[str, Any]]:
        return [
            {
                "attributes": attributes(dict(label.split("=", 1) for label in labels)),
                "startTimeUnixNano": _nanoseconds(self._started_at),
                "timeUnixNano": _nanoseconds(now),
                "count": str(int(sum(cell[:-1]))),
                "sum": cell[-1],
                "bucketCounts": [str(int(count)) for count in cell[:-1]],
                "explicitBounds": list(values.bounds),
            }
            for labels, cell in values.copy().items()
        ]


def _nanoseconds(seconds: float) -> str:
    return str(int(seconds * 1_000_000) * 1000)
