"""Traces, spans, messages and metrics: what clients log, and the server's own requests seen as spans.

log.py          writes what clients log, and forgets what has expired
attributes.py   conditions on attributes, as SQL
requests.py     requests as spans
spans.py        spans by id, by trace
traces.py       lists of traces
whole.py        spans told all at once
points.py       metrics, added up
"""

from __future__ import annotations

from dataclasses import dataclass

from storage.database import Database
from storage.repositories.telemetry.attributes import Condition
from storage.repositories.telemetry.log import Message, Place, Point, SpanEnd, SpanStart, TelemetryLog
from storage.repositories.telemetry.points import TOKENS, Points, Series, TooManyPoints, Window
from storage.repositories.telemetry.spans import Span, Spans
from storage.repositories.telemetry.traces import LoggedTrace, LoggedTraces, TracePage
from storage.repositories.telemetry.whole import WholeSpan, put_spans

__all__ = [
    "TOKENS",
    "Condition",
    "LoggedTrace",
    "LoggedTraces",
    "Message",
    "Place",
    "Point",
    "Points",
    "Series",
    "Span",
    "SpanEnd",
    "SpanStart",
    "Spans",
    "Telemetry",
    "TelemetryLog",
    "TooManyPoints",
    "TracePage",
    "WholeSpan",
    "Window",
    "put_spans",
]


@dataclass(frozen=True, slots=True)
class Telemetry:
    """All of it, on one database."""

    log: TelemetryLog
    traces: LoggedTraces
    spans: Spans
    points: Points

    @classmethod
    def on(cls, database: Database) -> Telemetry:
        return cls(TelemetryLog(database), LoggedTraces(database), Spans(database), Points(database))
