"""What a collector gets, read as the protocol's own messages, and what happens when it is away."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable
from typing import Any

import orjson
import pytest
from google.protobuf.json_format import Parse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from providers.trace_context import TraceContext
from server.otlp import Exporter
from server.otlp.exporter import Collector, Pace
from server.otlp.spans import Ended, span
from tests.contract.providers.fake_vendor import FakeVendor, Reply, json_reply
from tests.unit.core.conftest import Clock
from tests.unit.server.observing.records import STARTED, failed, record

TRACE = TraceContext("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")
HEX = ("traceId", "spanId", "parentSpanId")


@pytest.fixture
async def collector() -> AsyncIterator[FakeVendor]:
    async with FakeVendor().running() as fake:
        fake.reply = json_reply({})
        yield fake


Make = Callable[..., Exporter]


@pytest.fixture
async def make(collector: FakeVendor) -> AsyncIterator[Make]:
    made: list[Exporter] = []
    clock = Clock()

    async def sleep(seconds: float) -> None:
        clock.now += seconds

    def exporter(**pace: Any) -> Exporter:
        told = Collector(collector.url + "/", {"x-token": "secret"}, {"service.name": "concordat"})
        made.append(Exporter(told, lambda model: model == "openai/gpt-5.5", clock, Pace(**pace), sleep))
        return made[-1]

    yield exporter
    for one in made:
        await one.close()


def as_protobuf(body: Any, kind: Any) -> Any:
    """Ids are hexadecimal in OTLP's JSON, and base64 in every other of protobuf. Unknown fields are errors."""

    def turn(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: base64.b64encode(bytes.fromhex(v)).decode() if k in HEX else turn(v) for k, v in value.items()}
        return [turn(one) for one in value] if isinstance(value, list) else value

    return Parse(orjson.dumps(turn(body)), kind())


def spans_in(collector: FakeVendor) -> list[Any]:
    found = [as_protobuf(one.body, ExportTraceServiceRequest) for one in collector.seen if one.path == "/v1/traces"]
    return [span for message in found for part in message.resource_spans for s in part.scope_spans for span in s.spans]


def told(attributes: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}


async def test_a_chat_is_a_span_in_the_words_of_the_conventions(collector: FakeVendor, make: Make) -> None:
    exporter = make()
    exporter.ended(record(), TRACE)
    await exporter.send(tries=1)
    (found,) = spans_in(collector)
    assert collector.seen[0].headers["x-token"] == "secret"
    assert collector.seen[0].headers["content-type"] == "application/json"
    assert (found.trace_id.hex(), found.parent_span_id.hex()) == (TRACE.trace_id, TRACE.span_id)
    assert found.span_id.hex() == "0123456789abcdef"
    assert found.name == "chat openai/gpt-5.5"
    assert found.start_time_unix_nano == int(STARTED * 4) * 250_000_000
    assert found.end_time_unix_nano - found.start_time_unix_nano == 300_000_000
    assert found.status.code == 1
    attributes = told(found.attributes)
    reasons = attributes.pop("gen_ai.response.finish_reasons")
    assert [one.string_value for one in reasons.values] == ["stop"]
    assert attributes == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "openai/gpt-5.5",
        "gen_ai.response.model": "gpt-5.5-2026",
        "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.output_tokens": 4,
        "http.response.status_code": 200,
        "concordat.api": "maniac",
        "concordat.operation": "chat_completions_create",
        "concordat.project_id": "project-1",
        "concordat.request_id": "req_0123456789abcdef01234567",
        "concordat.cost_usd": 0.00025,
    }
    assert exporter.sent == 1


async def test_a_request_without_a_trace_is_its_own(collector: FakeVendor, make: Make) -> None:
    exporter = make()
    exporter.ended(record(model=None, provider=None, operation_id="models_list"), None)
    await exporter.send(tries=1)
    (found,) = spans_in(collector)
    assert found.trace_id.hex() == "000000000123456789abcdef01234567"
    assert found.parent_span_id == b""
    assert found.name == "models_list"
    assert not any(name.startswith("gen_ai") for name in told(found.attributes))


@pytest.mark.parametrize(
    ("fields", "operation", "provider"),
    [
        ({"operation_id": "embeddings_create"}, "embeddings", "openai"),
        ({"operation_id": "completions_create"}, "text_completion", "openai"),
        ({"operation_id": "responses_create", "provider": "mistral"}, "chat", "mistral_ai"),
    ],
)
def test_operations_and_providers_have_the_conventions_names(
    fields: dict[str, Any], operation: str, provider: str
) -> None:
    attributes = {
        one["key"]: one["value"].get("stringValue") for one in span(Ended(record(**fields), None))["attributes"]
    }
    assert (attributes["gen_ai.operation.name"], attributes["gen_ai.provider.name"]) == (operation, provider)


async def test_a_failure_says_what_it_was(collector: FakeVendor, make: Make) -> None:
    exporter = make()
    exporter.ended(failed(), None)
    await exporter.send(tries=1)
    (found,) = spans_in(collector)
    assert found.status.code == 2
    assert told(found.attributes)["error.type"] == "upstream_failed"


async def test_metrics_are_histograms_since_the_start(collector: FakeVendor, make: Make) -> None:
    exporter = make(metrics_seconds=0)
    exporter.ended(record(), None)
    exporter.ended(record(model="a-tenants/own"), None)
    await exporter.send(tries=1)
    exporter.ended(record(), None)
    await exporter.send(tries=1)
    last = as_protobuf(collector.last.body, ExportMetricsServiceRequest)
    assert collector.last.path == "/v1/metrics"
    (metrics,) = [scope.metrics for part in last.resource_metrics for scope in part.scope_metrics]
    by_name = {metric.name: metric for metric in metrics}
    assert by_name.keys() == {
        "gen_ai.client.operation.duration",
        "gen_ai.server.request.duration",
        "gen_ai.server.time_to_first_token",
        "gen_ai.server.time_per_output_token",
        "gen_ai.client.token.usage",
    }
    durations = by_name["gen_ai.client.operation.duration"].histogram
    assert durations.aggregation_temporality == 2
    counts = {told(point.attributes)["gen_ai.request.model"]: point for point in durations.data_points}
    assert {model: point.count for model, point in counts.items()} == {"openai/gpt-5.5": 2, "other": 1}
    point = counts["openai/gpt-5.5"]
    assert point.sum == pytest.approx(0.6)
    assert len(point.bucket_counts) == len(point.explicit_bounds) + 1
    assert sum(point.bucket_counts) == 2
    assert point.start_time_unix_nano <= point.time_unix_nano
    (later,) = [
        point
        for point in by_name["gen_ai.server.time_per_output_token"].histogram.data_points
        if told(point.attributes)["gen_ai.request.model"] == "openai/gpt-5.5"
    ]
    assert (later.count, later.sum) == (2, pytest.approx(2 * 0.28 / 3))
    tokens = {
        told(point.attributes)["gen_ai.token.type"]: point.sum
        for point in by_name["gen_ai.client.token.usage"].histogram.data_points
        if told(point.attributes)["gen_ai.request.model"] == "openai/gpt-5.5"
    }
    assert tokens == {"input": 20, "output": 8}


TRIES = [
    {"vendor": "azure", "model": "gpt-55", "at_us": 1_000, "took_us": 9_000, "fate": "failed", "error": "Unavailable"},
    {"vendor": "groq", "model": "gpt-55", "at_us": 1_500, "took_us": 9_500, "fate": "abandoned"},
    {"vendor": "openai", "model": "gpt-5.5", "at_us": 11_000, "took_us": 200_000, "fate": "answered"},
]


async def test_each_call_of_a_vendor_is_a_span_below(collector: FakeVendor, make: Make) -> None:
    exporter = make()
    exporter.ended(record(tries=TRIES), TRACE)
    exporter.ended(record(tries=TRIES[2:], request_id="req_ffffffffffffffffffffffff"), None)
    await exporter.send(tries=1)
    request, *calls = spans_in(collector)[:4]
    assert {one.trace_id.hex() for one in calls} == {TRACE.trace_id}
    assert {one.parent_span_id for one in calls} == {request.span_id}
    assert [one.status.code for one in calls] == [2, 0, 1]
    assert [one.start_time_unix_nano - request.start_time_unix_nano for one in calls] == [10**6, 15 * 10**5, 11 * 10**6]
    assert [one.end_time_unix_nano - one.start_time_unix_nano for one in calls] == [9 * 10**6, 95 * 10**5, 2 * 10**8]
    assert [told(one.attributes)["gen_ai.provider.name"] for one in calls] == ["azure.ai.openai", "groq", "openai"]
    assert told(calls[0].attributes)["error.type"] == "Unavailable"
    assert {one.kind for one in calls} == {3}
    assert len({one.span_id for one in spans_in(collector)}) == exporter.sent == 6


@pytest.mark.parametrize("fields", [{"streamed": False}, {"completion_tokens": 1}, {"state": "interrupted"}])
async def test_time_for_each_token_is_of_streams_that_came_to_their_end(
    collector: FakeVendor, make: Make, fields: dict[str, Any]
) -> None:
    exporter = make(metrics_seconds=0)
    exporter.ended(record(**fields), None)
    await exporter.send(tries=1)
    sent = as_protobuf(collector.last.body, ExportMetricsServiceRequest)
    names = [metric.name for part in sent.resource_metrics for scope in part.scope_metrics for metric in scope.metrics]
    assert "gen_ai.client.operation.duration" in names
    assert "gen_ai.server.time_per_output_token" not in names


async def test_spans_go_out_in_batches(collector: FakeVendor, make: Make) -> None:
    exporter = make(batch=2)
    for _ in range(5):
        exporter.ended(record(), None)
    await exporter.send(tries=1)
    assert len(collector.seen) == 3
    assert len(spans_in(collector)) == exporter.sent == 5


async def test_what_the_queue_cannot_hold_is_dropped_and_counted(collector: FakeVendor, make: Make) -> None:
    exporter = make(queued=3)
    for _ in range(5):
        exporter.ended(record(), None)
    await exporter.send(tries=1)
    assert (exporter.sent, exporter.dropped) == (3, 2)


@pytest.mark.parametrize("reply", [json_reply({}, 503), json_reply({}, 429), Reply(after="cut")])
async def test_a_collector_that_fails_in_passing_is_asked_again(
    collector: FakeVendor, make: Make, reply: Reply
) -> None:
    collector.first = [reply, reply]
    exporter = make()
    exporter.ended(record(), None)
    await exporter.send(tries=3)
    assert (exporter.sent, exporter.dropped, len(collector.seen)) == (1, 0, 3)


@pytest.mark.parametrize(("status", "asked"), [(400, 1), (503, 3)])
async def test_what_a_collector_does_not_take_is_dropped(
    collector: FakeVendor, make: Make, status: int, asked: int
) -> None:
    collector.reply = json_reply({}, status)
    exporter = make()
    exporter.ended(record(), None)
    await exporter.send(tries=3)
    assert (exporter.sent, exporter.dropped, len(collector.seen)) == (0, 1, asked)


async def test_closing_sends_what_is_left(collector: FakeVendor, make: Make) -> None:
    exporter = make()
    exporter.ended(record(), None)
    await exporter.close()
    assert [one.path for one in collector.seen] == ["/v1/traces", "/v1/metrics"]
