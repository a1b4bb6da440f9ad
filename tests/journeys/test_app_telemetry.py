"""An app reports an error of its minified code, and its developer reads it in the source."""

from __future__ import annotations

import base64
import uuid
from typing import Any

import httpx
import orjson
import pytest

APP, SPANS = "/ipop/v1/app-telemetry", "/llama-stack/v1/telemetry"
MAP = {"version": 3, "sources": ["src/greet.ts"], "names": ["greet"], "mappings": "AACE,UAEFA"}


def upload(client: httpx.Client, of_release: str, content: bytes = orjson.dumps(MAP), **fields: Any) -> httpx.Response:
    names = {"release": of_release, "artifact_name": "~/js/app.min.js", "file_name": "app.min.js.map"}
    body = names | {"content_base64": base64.b64encode(content).decode()} | fields
    return client.put(f"{APP}/source-maps", json=body)


def send(client: httpx.Client, *events: dict[str, Any], **resource: Any) -> httpx.Response:
    envelope = {"object": "app_telemetry.envelope", "events": events, "resource": resource, "sdk": {"name": "web"}}
    return client.post(f"{APP}/envelopes", json=envelope)


def spans_of(client: httpx.Client, release: str) -> list[dict[str, Any]]:
    wanted = [{"key": "service.version", "op": "eq", "value": release}]
    body = {"attribute_filters": wanted, "attributes_to_return": []}
    found: list[dict[str, Any]] = (
        client.post("/llama-stack-deprecated/v1/telemetry/spans", json=body).raise_for_status().json()["data"]
    )
    return found


def test_an_error_of_minified_code_is_read_in_the_source(client: httpx.Client, other: httpx.Client) -> None:
    release = uuid.uuid4().hex
    stored = upload(client, release).raise_for_status().json()
    assert (stored["release"], stored["original_bytes"]) == (release, len(orjson.dumps(MAP)))
    before = client.get(f"{APP}/usage").json()
    stack = "Error: no\n    at a (https://cdn.example/js/app.min.js:1:1)\n    at https://cdn.example/js/app.min.js:1:11"
    error = {
        "type": "error",
        "event_id": uuid.uuid4().hex,
        "exception": {"type": "Error", "message": "no", "stack": stack},
    }
    taken = send(client, error, **{"service.version": release}).raise_for_status().json()
    again = send(client, error, **{"service.version": release}).raise_for_status().json()
    assert (taken["accepted_events"], taken["free_units"], again["free_units"]) == (1, 5, 0)
    (span,) = spans_of(client, release)
    assert span["attributes"]["exception.stacktrace"] == (
        "Error: no\n    at greet (src/greet.ts:2:3)\n    at src/greet.ts:4:1"
    )
    trace = client.get(f"{SPANS}/traces/{span['trace_id']}").raise_for_status().json()
    assert trace["root_span_id"] == span["span_id"]
    after = client.get(f"{APP}/usage").json()
    assert (after["total_units"], after["error_count"]) == (before["total_units"] + 5, before["error_count"] + 1)
    assert spans_of(other, release) == []
    assert other.get(f"{SPANS}/traces/{span['trace_id']}").status_code == 404


def test_a_map_is_of_use_to_its_own_project_alone(client: httpx.Client, other: httpx.Client) -> None:
    release = uuid.uuid4().hex
    upload(client, release).raise_for_status()
    error = {"type": "error", "exception": {"stack": "a@https://cdn.example/js/app.min.js:1:1"}}
    taken = send(other, error, release=release).raise_for_status().json()
    assert taken["warnings"] == [f"no source map of release {release} fits https://cdn.example/js/app.min.js"]
    before = other.get(f"{APP}/usage").json()["total_units"]
    send(client, error, release=release).raise_for_status()
    assert other.get(f"{APP}/usage").json()["total_units"] == before


def test_an_event_belongs_to_the_trace_of_the_request_that_it_made(client: httpx.Client) -> None:
    trace_id, span_id = uuid.uuid4().hex, uuid.uuid4().hex[:16]
    headers = {"traceparent": f"00-{trace_id}-{span_id}-01"}
    body = {"model": "simulator/chat", "messages": [{"role": "user", "content": "Hello"}]}
    client.post("/ipop/v1/chat/completions", json=body, headers=headers).raise_for_status()
    click = {"type": "span", "name": "click", "trace_id": trace_id, "span_id": span_id, "duration_ms": 50}
    send(client, click).raise_for_status()
    tree = client.get(f"{SPANS}/spans/{span_id}/tree").raise_for_status().json()["data"]
    assert {span["parent_span_id"] for span in tree.values() if span["span_id"] != span_id} == {span_id}
    assert len(tree) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"content_base64": "%%"},
        {"content_base64": base64.b64encode(b"{}").decode()},
        {"release": ""},
        {"artifact_name": "a\0b"},
        {"extra": 1},
    ],
)
def test_wrong_maps_are_refused(client: httpx.Client, change: dict[str, Any]) -> None:
    assert upload(client, "1.0", **change).status_code == 400


def test_wrong_envelopes_are_refused(client: httpx.Client, stranger: httpx.Client) -> None:
    envelope = {"object": "app_telemetry.envelope", "events": [{"type": "log"}]}
    changes: list[dict[str, Any]] = [{"object": "x"}, {"events": [{}]}, {"events": [{"type": "x"}]}]
    for change in (*changes, {"events": [{"type": "log"}] * 101}):
        assert client.post(f"{APP}/envelopes", json=envelope | change).status_code == 400
    assert client.get(f"{APP}/usage", params={"month": "May"}).status_code == 400
    assert stranger.post(f"{APP}/envelopes", json=envelope).status_code == 401
    assert stranger.get(f"{APP}/plans").status_code == 200
