"""Traces, spans, messages and metrics: what clients log, and the server's own requests seen as spans.

log.py          writes what clients log, and forgets what has expired
attributes.py   conditions on attributes, as SQL
requests.py     requests as spans
spans.py        spans by id, by trace
traces.py       lists of traces
points.py       metrics, added up
"""

from storage.repositories.telemetry.attributes import Condition
from storage.repositories.telemetry.log import Message, Point, SpanEnd, SpanStart, TelemetryLog
from storage.repositories.telemetry.points import Points, Series, Window
from storage.repositories.telemetry.spans import Span, Spans
from storage.repositories.telemetry.traces import LoggedTrace, LoggedTraces, TracePage

__all__ = [
    "Condition",
    "LoggedTrace",
    "LoggedTraces",
    "Message",
    "Point",
    "Points",
    "Series",
    "Span",
    "SpanEnd",
    "SpanStart",
    "Spans",
    "TelemetryLog",
    "TracePage",
    "Window",
]
