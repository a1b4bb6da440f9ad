from __future__ import annotations

from dataclasses import asdict
from typing import Any

from codegen.generated.llama_stack.routes import (
    SpansExportBody,
    SpansGetParams,
    SpansQueryParams,
    SpansTreeGetParams,
    TelemetryEventsLogBody,
    TracesGetParams,
    TracesQueryParams,
)
from handlers.core import datasets, telemetry
from handlers.core.call import Call
from handlers.wire.llama import telemetry as wire


async def telemetry_events_log(body: TelemetryEventsLogBody, call: Call) -> None:
    await telemetry.log_event(wire.read_event(body.data), call)


async def traces_query(params: TracesQueryParams, call: Call) -> dict[str, Any]:
    return wire.render_traces(await telemetry.list_traces(wire.read_page(asdict(params)), call))


async def traces_get(params: TracesGetParams, call: Call) -> dict[str, Any]:
    return wire.render_trace(await telemetry.get_trace(params.trace_id, call))


async def spans_get(params: SpansGetParams, call: Call) -> dict[str, Any]:
    return wire.render_span(await telemetry.get_span(params.trace_id, params.span_id, call))


async def spans_tree_get(params: SpansTreeGetParams, call: Call) -> dict[str, Any]:
    return wire.render_tree(await telemetry.span_tree(params.span_id, wire.read_query(asdict(params)), call))


async def spans_export(body: SpansExportBody, call: Call) -> None:
    data: dict[str, Any] = body.data
    await datasets.save_spans(wire.read_export(data), data["dataset_id"], call)


async def spans_query(params: SpansQueryParams, call: Call) -> dict[str, Any]:
    return wire.render_spans(await telemetry.query_spans(wire.read_query(asdict(params)), call))
