from __future__ import annotations

from typing import Any

from codegen.generated.llama_stack_deprecated.routes import (
    MetricsQueryBody,
    MetricsQueryParams,
    SpansExportBody,
    SpansGetParams,
    SpansQueryBody,
    SpansTreeGetBody,
    SpansTreeGetParams,
    TracesGetParams,
    TracesQueryBody,
)
from handlers.core import datasets, telemetry
from handlers.core.call import Call
from handlers.core.telemetry import Matcher, MetricQuery, Series
from handlers.wire.llama import telemetry as wire


async def traces_query(body: TracesQueryBody, call: Call) -> dict[str, Any]:
    return wire.render_traces(await telemetry.list_traces(wire.read_page(body.data), call))


async def traces_get(params: TracesGetParams, call: Call) -> dict[str, Any]:
    return wire.render_trace(await telemetry.get_trace(params.trace_id, call))


async def spans_get(params: SpansGetParams, call: Call) -> dict[str, Any]:
    return wire.render_span(await telemetry.get_span(params.trace_id, params.span_id, call))


async def spans_tree_get(params: SpansTreeGetParams, body: SpansTreeGetBody, call: Call) -> dict[str, Any]:
    return wire.render_tree(await telemetry.span_tree(params.span_id, wire.read_query(body.data), call))


async def spans_export(body: SpansExportBody, call: Call) -> None:
    data: dict[str, Any] = body.data
    await datasets.save_spans(wire.read_export(data), data["dataset_id"], call)


async def spans_query(body: SpansQueryBody, call: Call) -> dict[str, Any]:
    return wire.render_spans(await telemetry.query_spans(wire.read_query(body.data), call))


async def metrics_query(params: MetricsQueryParams, body: MetricsQueryBody, call: Call) -> dict[str, Any]:
    data: dict[str, Any] = body.data
    query = MetricQuery(
        name=params.metric_name,
        start=int(data["start_time"]),
        end=None if data.get("end_time") is None else int(data["end_time"]),
        kind=data["query_type"],
        granularity=data.get("granularity"),
        matchers=[Matcher(one["name"], one["operator"], one["value"]) for one in data.get("label_matchers") or ()],
    )
    return {"data": [_render(query.name, series) for series in await telemetry.query_metric(query, call)]}


def _render(name: str, series: Series) -> dict[str, Any]:
    return {
        "metric": name,
        "labels": [{"name": label, "value": value} for label, value in series.labels.items()],
        "values": [{"timestamp": at, "value": value, "unit": series.unit} for at, value in series.sums.items()],
    }
