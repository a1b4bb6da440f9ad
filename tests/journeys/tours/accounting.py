"""What is told of requests afterwards: to the project that sent them, and to an operator."""

from __future__ import annotations

import base64

import orjson

from tests.journeys.dialects import USER
from tests.journeys.tours.tour import MODEL, Tour

ADMIN, HISTORY = "/admin/inference", "/request-history"


def tour_of_history(tour: Tour) -> None:
    request_id = asked(tour)
    assert tour.ask("request_history_list", "GET", HISTORY)[0]["request_id"] == request_id
    exported = tour.ask("request_history_export", "GET", f"{HISTORY}/export")
    assert exported[0]["request_id"] == request_id
    record = tour.ask("request_history_get", "GET", f"{HISTORY}/{request_id}")
    assert record["status"] == "completed"
    again = tour.ask("request_history_replay", "POST", f"{HISTORY}/{request_id}/replay")
    assert again["choices"][0]["message"]["content"]
    told = tour.ask("request_history_feedback_create", "POST", f"{HISTORY}/{request_id}/feedback", {"rating": 1})
    assert told["recorded"] is True
    (opinion,) = tour.oversee("admin_inference_feedback_get", "GET", f"{ADMIN}/{request_id}/feedback")["feedback"]
    assert opinion["rating"] == 1
    usage = tour.ask("usage_get", "GET", "/usage")
    assert usage["total_requests"] == tour.ask("usage_export", "GET", "/usage/export")["total_requests"] > 1
    meters = tour.ask("meter_events_list", "GET", "/account/meter-events")
    exported = tour.ask("meter_events_export", "GET", "/account/meter-events/export")
    assert meters["total_events"] == exported["total_events"] == len(exported["records"]) > 0
    assert tour.oversee("admin_coding_optimization_get", "GET", "/admin/coding-optimization")["total_requests"] > 0


def tour_of_capture(tour: Tour) -> None:
    own = "/projects/default/inference-policy"
    policy = tour.ask("inference_policies_get", "GET", own)
    assert tour.ask("inference_policies_update", "PUT", own, policy | {"retention_days": 9})["retention_days"] == 9
    changed = {"policy": policy | {"retention_days": 8}}
    put = tour.oversee("admin_inference_policies_update", "PUT", f"{ADMIN}/policy/default", changed)
    shown = tour.oversee("admin_inference_policies_list", "GET", f"{ADMIN}/policy")
    assert [one["policy"] for one in shown["project_overrides"]] == [put]
    request_id = asked(tour)
    said = tour.oversee("admin_inference_messages_list", "GET", f"{ADMIN}/{request_id}/messages")["messages"]
    assert [message["role"] for message in said] == ["user", "assistant"]
    hits = tour.oversee("admin_inference_search", "POST", f"{ADMIN}/search", {"q": "concord"})["hits"]
    assert request_id in [hit["request_id"] for hit in hits]
    events = tour.oversee("admin_inference_events_create", "POST", f"{ADMIN}/events", {"request_id": request_id})
    timeline = tour.oversee("admin_inference_timeline_get", "GET", f"{ADMIN}/{request_id}/timeline")
    assert timeline["events"] == events["events"][::-1] != []
    assert tour.oversee("admin_inference_stats_get", "GET", f"{ADMIN}/stats")["total_events"] > 0
    assert tour.oversee("admin_inference_streams_list", "GET", f"{ADMIN}/streams")["streams"] == []
    lines = tour.send("admin_inference_export", "GET", f"{ADMIN}/export", headers=tour.operator).text.splitlines()
    assert {orjson.loads(line)["type"] for line in lines} == {"inference_event", "inference_message"}


def tour_of_app_telemetry(tour: Tour) -> None:
    path, content = "/app-telemetry", b'{"version": 3, "sources": ["a.ts"], "names": [], "mappings": "AAAA"}'
    (plan,) = tour.ask("app_telemetry_plans_list", "GET", f"{path}/plans")["plans"]
    names = {"release": "1.0", "artifact_name": "~/a.js", "file_name": "a.js.map"}
    upload = {**names, "content_base64": base64.b64encode(content).decode()}
    stored = tour.ask("app_telemetry_source_maps_update", "PUT", f"{path}/source-maps", upload)
    assert stored["original_bytes"] == len(content)
    envelope = {"object": "app_telemetry.envelope", "events": [{"type": "log", "message": "Hello"}]}
    assert tour.ask("app_telemetry_envelopes_create", "POST", f"{path}/envelopes", envelope)["free_units"] == 1
    usage = tour.ask("app_telemetry_usage_get", "GET", f"{path}/usage")
    assert (usage["total_units"], usage["free_limit_units"]) == (1, plan["included_units"])


def asked(tour: Tour) -> str:
    """The id of an answered chat."""
    body = {"model": MODEL, "messages": USER}
    return tour.send("chat_completions_create", "POST", "/chat/completions", json=body).headers["x-request-id"]
