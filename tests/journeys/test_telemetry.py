"""What a client of telemetry sees of a server that runs, and what the server tells its operator."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.journeys.dialects import DIALECTS, Dialect
from tests.journeys.loopback_vendors import LoopbackVendor, vendors
from tests.journeys.waiting import eventually
from tests.live import LiveServer, running

each = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.api)

JANUARY, OCTOBER = "/llama-stack/v1/telemetry", "/llama-stack-deprecated/v1/telemetry"
STATE = "rojo=00f067aa0ba902b7"


def new_trace() -> tuple[str, str, str]:
    """A trace's id, a span's, and the header that names both."""
    trace_id, span_id = uuid.uuid4().hex, uuid.uuid4().hex[:16]
    return trace_id, span_id, f"00-{trace_id}-{span_id}-01"


def log_span(client: httpx.Client, trace_id: str, span_id: str, **attributes: Any) -> None:
    at = datetime.now(UTC)
    common = {"type": "structured_log", "trace_id": trace_id, "span_id": span_id}
    payloads = ({"type": "span_start", "name": "work"}, {"type": "span_end", "status": "ok"})
    for payload, moment in zip(payloads, (at - timedelta(minutes=1), at), strict=True):
        event = {**common, "timestamp": moment.isoformat(), "attributes": attributes, "payload": payload}
        answer = client.post(f"{JANUARY}/events", json={"event": event, "ttl_seconds": 3600})
        assert answer.status_code == 200, answer.text


def spans_by_both(client: httpx.Client, key: str, value: str) -> list[dict[str, Any]]:
    query = {"attribute_filters": f"{{'key': '{key}', 'op': 'eq', 'value': '{value}'}}", "attributes_to_return": key}
    got = client.get(f"{JANUARY}/spans", params=query)
    body = {"attribute_filters": [{"key": key, "op": "eq", "value": value}], "attributes_to_return": [key]}
    posted = client.post(f"{OCTOBER}/spans", json=body)
    assert got.status_code == posted.status_code == 200, got.text
    assert got.json() == posted.json()
    found: list[dict[str, Any]] = got.json()["data"]
    return found


@each
def test_a_client_finds_its_own_chat_below_its_own_span(client: httpx.Client, dialect: Dialect) -> None:
    trace_id, span_id, parent = new_trace()
    session = uuid.uuid4().hex
    answer = client.post(dialect.url, json=dialect.chat(), headers={"traceparent": parent})
    assert answer.status_code == 200
    log_span(client, trace_id, span_id, session_id=session)
    trace = client.get(f"{JANUARY}/traces/{trace_id}").json()
    assert trace["root_span_id"] == span_id
    tree = client.get(f"{JANUARY}/spans/{span_id}/tree").json()["data"]
    assert client.post(f"{OCTOBER}/spans/{span_id}/tree", json={}).json()["data"] == tree
    root, chat = tree.values()
    assert (root["span_id"], root["attributes"]) == (span_id, {"session_id": session})
    assert chat["parent_span_id"] == span_id
    told = chat["attributes"]
    assert (told["api"], told["model"], told["provider"]) == (dialect.api, "simulator/chat", "simulator")
    assert told["total_tokens"] == told["prompt_tokens"] + told["completion_tokens"] > 0
    assert [span["span_id"] for span in spans_by_both(client, "session_id", session)] == [span_id]
    one = client.get(f"{JANUARY}/traces/{trace_id}/spans/{chat['span_id']}").json()
    assert one == {name: value for name, value in chat.items() if name != "status"}
    maniac = client.get(f"/maniac/v1/traces/{trace_id}").json()
    assert (maniac["request_count"], maniac["spans"][0]["span_id"]) == (1, span_id)


def test_traces_are_found_in_order(client: httpx.Client) -> None:
    tag, traces = uuid.uuid4().hex, [new_trace()[:2] for _ in range(3)]
    for trace_id, span_id in traces:
        log_span(client, trace_id, span_id, tag=tag)
    ids = [trace_id for trace_id, _ in traces]
    wanted = {"attribute_filters": f'{{"key": "tag", "op": "eq", "value": "{tag}"}}'}
    found = client.get(f"{JANUARY}/traces", params={**wanted, "order_by": "-start_time", "limit": 2}).json()["data"]
    assert [trace["trace_id"] for trace in found] == ids[:0:-1]
    body = {"attribute_filters": [{"key": "tag", "op": "eq", "value": tag}], "offset": 1}
    found = client.post(f"{OCTOBER}/traces", json=body).json()["data"]
    assert [trace["trace_id"] for trace in found] == ids[1:]


def test_another_project_sees_nothing(client: httpx.Client, other: httpx.Client) -> None:
    trace_id, span_id, parent = new_trace()
    chat = DIALECTS[0]
    assert client.post(chat.url, json=chat.chat(), headers={"traceparent": parent}).status_code == 200
    log_span(client, trace_id, span_id, session_id=trace_id)
    for prefix in (JANUARY, OCTOBER):
        assert other.get(f"{prefix}/traces/{trace_id}").status_code == 404
        assert other.get(f"{prefix}/traces/{trace_id}/spans/{span_id}").status_code == 404
    assert other.get(f"{JANUARY}/spans/{span_id}/tree").status_code == 404
    assert other.post(f"{OCTOBER}/spans/{span_id}/tree", json={}).status_code == 404
    assert spans_by_both(other, "session_id", trace_id) == []
    log_span(other, trace_id, span_id, session_id="theirs")
    tree = other.get(f"{JANUARY}/spans/{span_id}/tree").json()["data"]
    assert {name: span["attributes"] for name, span in tree.items()} == {span_id: {"session_id": "theirs"}}
    assert len(client.get(f"{JANUARY}/spans/{span_id}/tree").json()["data"]) == 2


def test_tokens_are_a_metric_by_model(client: httpx.Client, other: httpx.Client) -> None:
    chat = DIALECTS[0]
    usage = client.post(chat.url, json=chat.chat()).json()["usage"]
    matchers = [{"name": "model_id", "value": "simulator/.*", "operator": "=~"}]
    body = {"start_time": 0, "query_type": "instant", "label_matchers": matchers}

    def total(who: httpx.Client, name: str) -> float:
        found = who.post(f"{OCTOBER}/metrics/{name}", json=body)
        assert found.status_code == 200, found.text
        return sum((float(point["value"]) for one in found.json()["data"] for point in one["values"]), 0.0)

    before = total(client, "prompt_tokens"), total(other, "prompt_tokens")
    client.post(chat.url, json=chat.chat())
    assert (total(client, "prompt_tokens"), total(other, "prompt_tokens")) == (
        before[0] + usage["prompt_tokens"],
        before[1],
    )
    backtracking = {**body, "label_matchers": [{"name": "model_id", "value": r"(a+)\1", "operator": "=~"}]}
    assert client.post(f"{OCTOBER}/metrics/prompt_tokens", json=backtracking).status_code == 400


def test_metrics_are_for_the_operator(server: LiveServer, client: httpx.Client, stranger: httpx.Client) -> None:
    chat = DIALECTS[0]
    client.post(chat.url, json=chat.chat())
    stranger.post(chat.url, json=chat.chat())
    for who in (client, stranger):
        refused = who.get("/-/metrics")
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
    shown = stranger.get("/metrics", headers={"Authorization": f"Bearer {server.admin_token}"})
    assert shown.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    families = {family.name: family for family in text_string_to_metric_families(shown.text)}
    counted = [
        sample.value
        for sample in families["concordat_requests"].samples
        if sample.labels["operation"] == "chat_completions_create"
        and sample.labels | {"model": "simulator/chat", "status": "200", "api": "maniac"} == sample.labels
    ]
    assert sum(counted) >= 1
    refusals = [sample.labels["status"] for sample in families["concordat_requests_refused"].samples]
    assert "401" in refusals
    for secret in (server.key, server.other_key, server.admin_token):
        assert secret not in shown.text


@pytest.fixture(scope="module")
def vendor() -> Iterator[dict[str, LoopbackVendor]]:
    with vendors() as found:
        yield found


@pytest.fixture(scope="module")
def watched(vendor: dict[str, LoopbackVendor], tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server that asks one vendor, and tells the other, which is a collector here."""
    settings = {
        "CONCORDAT_PROFILE": "production",
        "OPENAI_API_KEY": vendor["openai"].key,
        "OPENAI_BASE_URL": vendor["openai"].fake.url,
        "CONCORDAT_OTLP_ENDPOINT": vendor["anthropic"].fake.url,
        "CONCORDAT_OTLP_HEADERS": "x-token=secret-of-the-collector",
        "CONCORDAT_METRICS_TOKEN": "the-token-of-prometheus",
    }
    with running(tmp_path_factory.mktemp("watched"), **settings) as live:
        yield live


def test_traces_go_on_to_vendors_and_to_the_collector(watched: LiveServer, vendor: dict[str, LoopbackVendor]) -> None:
    openai, collector, chat = vendor["openai"], vendor["anthropic"].fake, DIALECTS[0]
    openai.says()
    trace_id, span_id, parent = new_trace()
    headers = {"Authorization": f"Bearer {watched.key}", "traceparent": parent, "tracestate": STATE}
    with httpx.Client(base_url=watched.url, headers=headers, timeout=60) as client:
        assert client.post(chat.url, json=chat.chat(openai.model)).status_code == 200
    _, passed_trace, passed_span, flags = openai.fake.last.headers["traceparent"].split("-")
    assert (passed_trace, flags, openai.fake.last.headers["tracestate"]) == (trace_id, "01", STATE)
    assert passed_span != span_id

    def exported() -> list[Any]:
        bodies = [one.body for one in collector.seen if one.path == "/v1/traces"]
        spans = [
            s for body in bodies for r in body["resourceSpans"] for scope in r["scopeSpans"] for s in scope["spans"]
        ]
        return [span for span in spans if span["traceId"] == trace_id]

    both = eventually(exported, lambda found: len(found) >= 2)
    span, asked = sorted(both, key=lambda one: one["parentSpanId"] != span_id)
    assert asked["parentSpanId"] == span["spanId"]
    assert (span["spanId"], span["parentSpanId"], span["name"]) == (passed_span, span_id, f"chat {openai.model}")
    assert collector.last.headers["x-token"] == "secret-of-the-collector"
    assert "concord" not in str(span).replace("concordat", "")


def test_the_metrics_token_opens_metrics_alone(watched: LiveServer) -> None:
    headers = {"Authorization": "Bearer the-token-of-prometheus"}
    with httpx.Client(base_url=watched.url, headers=headers, timeout=60) as client:
        page = client.get("/-/metrics")
        assert "concordat_otlp_spans_sent_total" in page.text
        assert client.get(f"{JANUARY}/traces").status_code == 401
        assert client.get("/maniac/v1/models").status_code == 401


def test_a_collector_that_is_away_holds_nobody_up(tmp_path: Path) -> None:
    with running(tmp_path, CONCORDAT_OTLP_ENDPOINT="http://127.0.0.1:9") as live:
        headers = {"Authorization": f"Bearer {live.key}"}
        with httpx.Client(base_url=live.url, headers=headers, timeout=60) as client:
            for dialect in DIALECTS:
                assert client.post(dialect.url, json=dialect.chat()).status_code == 200
        assert live.stop() == 0
