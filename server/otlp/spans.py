"""A request as a span in OTLP's JSON, and each call of a vendor for it as a span below.

Source: https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from providers.trace_context import TraceContext
from storage.ledger_record import Record
from storage.repositories.telemetry.requests import span_id_of, trace_id_of

Value: TypeAlias = str | int | float | bool | Sequence[str]

SERVER, CLIENT = 2, 3
UNSET, OK, ERROR = 0, 1, 2
FATES = {"answered": OK, "failed": ERROR, "abandoned": UNSET}
PROVIDERS = {
    "azure": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "gemini": "gcp.gemini",
    "google": "gcp.gemini",
    "mistral": "mistral_ai",
    "vertex": "gcp.vertex_ai",
    "xai": "x_ai",
}
"""Vendors whose name is another in the conventions."""
TEXT_COMPLETIONS = frozenset({"completions_create", "batch_completions_create"})


class Ended(NamedTuple):
    """A request that has ended, and where its client says it belongs."""

    record: Record
    trace: TraceContext | None

    @property
    def span_count(self) -> int:
        return 1 + len(self.record.tries or ())


def spans(ended: Ended) -> Iterator[dict[str, Any]]:
    yield span(ended)
    for number, one in enumerate(ended.record.tries or ()):
        yield _of_try(ended, number, one)


def span(ended: Ended) -> dict[str, Any]:
    record, trace = ended
    started_ns = int(record.started_at * 1_000_000) * 1000
    failed = record.state != "completed"
    made: dict[str, Any] = {
        "traceId": trace.trace_id if trace else trace_id_of(record.request_id),
        "spanId": span_id_of(record.request_id),
        "name": f"{operation(record)} {record.model}" if record.model else record.operation_id,
        "kind": SERVER,
        "startTimeUnixNano": str(started_ns),
        "endTimeUnixNano": str(started_ns + (record.duration_us or 0) * 1000),
        "attributes": attributes(_told(record)),
        "status": {"code": ERROR if failed else OK},
    }
    return made | ({"parentSpanId": trace.span_id} if trace else {})


def _of_try(ended: Ended, number: int, one: Mapping[str, Any]) -> dict[str, Any]:
    record, trace = ended
    began_us = int(record.started_at * 1_000_000) + one["at_us"]
    called = hashlib.sha256(f"{record.request_id} {number}".encode()).hexdigest()[:16]
    told: dict[str, Value | None] = {
        "gen_ai.operation.name": operation(record),
        "gen_ai.provider.name": PROVIDERS.get(one["vendor"], one["vendor"]),
        "gen_ai.request.model": one["model"],
        "error.type": one.get("error"),
        "concordat.request_id": record.request_id,
        "concordat.fate": one["fate"],
    }
    return {
        "traceId": trace.trace_id if trace else trace_id_of(record.request_id),
        "spanId": called,
        "parentSpanId": span_id_of(record.request_id),
        "name": f"{operation(record)} {one['model']}",
        "kind": CLIENT,
        "startTimeUnixNano": str(began_us * 1000),
        "endTimeUnixNano": str((began_us + one["took_us"]) * 1000),
        "attributes": attributes(told),
        "status": {"code": FATES[one["fate"]]},
    }


def of_model(record: Record) -> dict[str, Value | None]:
    """What tells one kind of call to a model from another."""
    return {
        "gen_ai.operation.name": operation(record),
        "gen_ai.provider.name": PROVIDERS.get(record.provider or "", record.provider),
        "gen_ai.request.model": record.model,
        "error.type": _error(record),
    }


def operation(record: Record) -> str:
    if "embeddings" in record.operation_id:
        return "embeddings"
    return "text_completion" if record.operation_id in TEXT_COMPLETIONS else "chat"


def attributes(told: Mapping[str, Value | None]) -> list[dict[str, Any]]:
    """Those that have a value."""
    return [{"key": name, "value": _value(value)} for name, value in told.items() if value is not None]


def _told(record: Record) -> dict[str, Value | None]:
    told: dict[str, Value | None] = {
        "concordat.api": record.api,
        "concordat.operation": record.operation_id,
        "concordat.project_id": record.project_id,
        "concordat.request_id": record.request_id,
        "http.response.status_code": record.http_status,
        "error.type": _error(record),
    }
    if record.model is None:
        return told
    return (
        told
        | of_model(record)
        | {
            "gen_ai.response.model": record.upstream_model,
            "gen_ai.response.finish_reasons": [record.finish_reason] if record.finish_reason else None,
            "gen_ai.usage.input_tokens": record.prompt_tokens,
            "gen_ai.usage.output_tokens": record.completion_tokens,
            "gen_ai.usage.cache_read.input_tokens": record.cached_tokens or None,
            "gen_ai.usage.cache_creation.input_tokens": record.cache_write_tokens or None,
            "concordat.cost_usd": record.cost_micros / 1e6,
        }
    )


def _error(record: Record) -> str | None:
    if record.state == "completed":
        return None
    return record.error_code or str(record.http_status)


def _value(value: Value) -> dict[str, Any]:
    """64-bit integers are text in OTLP's JSON."""
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, str):
        return {"stringValue": value}
    return {"arrayValue": {"values": [{"stringValue": one} for one in value]}}
