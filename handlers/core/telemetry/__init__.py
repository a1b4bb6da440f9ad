"""Telemetry: clients log events, and look at traces, spans and metrics, their own requests among them.

log.py      one event, checked and written
look.py     traces, spans, trees
metrics.py  metrics by labels and steps of time
"""

from handlers.core.telemetry.log import Event, log_event
from handlers.core.telemetry.look import (
    Condition,
    LoggedTrace,
    Query,
    Span,
    TracePage,
    get_span,
    get_trace,
    list_traces,
    query_spans,
    span_tree,
)
from handlers.core.telemetry.metrics import Matcher, MetricQuery, Series, query_metric

__all__ = [
    "Condition",
    "Event",
    "LoggedTrace",
    "Matcher",
    "MetricQuery",
    "Query",
    "Series",
    "Span",
    "TracePage",
    "get_span",
    "get_trace",
    "list_traces",
    "log_event",
    "query_metric",
    "query_spans",
    "span_tree",
]
