from __future__ import annotations

from collections.abc import Callable

import orjson

from tests.journeys.dialects import IPOP, USER, Dialect, payloads
from tests.journeys.tours.accounting import tour_of_app_telemetry, tour_of_capture, tour_of_history
from tests.journeys.tours.documents import tour_of_boxes
from tests.journeys.tours.files import tour_of_files
from tests.journeys.tours.stores import tour_of_batches, tour_of_storage, tour_of_vector_stores
from tests.journeys.tours.tour import EMBEDDER, MODEL, Tour


def test_ipop(begin: Callable[[Dialect], Tour]) -> None:
    tour = begin(IPOP)
    assert tour.ask("ready_get", "GET", "/ready")
    assert tour.ask("status_get", "GET", "/status")
    assert tour.ask("openapi_get", "GET", "/openapi.json")["openapi"].startswith("3.1")
    tour_of_models(tour)
    tour_of_regions(tour)
    tour_of_responses(tour)
    tour_of_credentials(tour)
    tour_of_configurations(tour)
    tour_of_files(tour, "/files", get="files_get", content_get="files_content_get")
    tour_of_vector_stores(tour)
    tour_of_storage(tour)
    tour_of_batches(tour)
    tour_of_kv(tour)
    tour_of_history(tour)
    tour_of_capture(tour)
    tour_of_app_telemetry(tour)
    tour_of_boxes(tour)
    tour.finish()


def tour_of_models(tour: Tour) -> None:
    listed = tour.ask("models_list", "GET", "/models")
    assert {MODEL, EMBEDDER} <= {model["id"] for model in listed["data"]}
    assert tour.ask("models_get", "GET", f"/models/{MODEL}")["id"] == MODEL
    found = tour.ask("model_recommendations_create", "POST", "/model-recommendations", {"task": "coding"})
    assert found["recommendations"]
    estimate = tour.ask("estimates_create", "POST", "/estimate", {"model": MODEL, "messages": USER})
    assert estimate["estimated_prompt_tokens"] > 0
    embedded = tour.ask("embeddings_create", "POST", "/embeddings", {"model": EMBEDDER, "input": "Hello"})
    assert len(embedded["data"][0]["embedding"]) == 384


def tour_of_regions(tour: Tour) -> None:
    (region,) = tour.ask("regions_list", "GET", "/regions")["data"]
    body = {"model": MODEL, "messages": USER, "metadata": {"require_region": region["region"]}}
    chat = tour.ask("chat_completions_create", "POST", "/chat/completions", body)
    request_id = chat["ipop"]["request_id"]
    envelope = tour.ask("attestations_get", "GET", f"/inference/{request_id}/attestation")
    keys = tour.ask("region_keys_list", "GET", "/regions/keys")
    assert envelope["signer_kid"] in [key["kid"] for key in keys["data"]]


def tour_of_responses(tour: Tour) -> None:
    body = {"model": MODEL, "input": "Hello"}
    counted = tour.ask("responses_input_tokens_count", "POST", "/responses/input_tokens", body)
    made = tour.ask("responses_create", "POST", "/responses", body)
    assert made["usage"]["input_tokens"] == counted["input_tokens"]
    path = f"/responses/{made['id']}"
    assert tour.ask("responses_get", "GET", path)["output"] == made["output"]
    items = tour.ask("responses_input_items_list", "GET", f"{path}/input_items")
    assert items["data"][0]["content"][0]["text"] == "Hello"
    tour.ask("responses_delete", "DELETE", path)
    running = {"model": "simulator/slow-100ms", "input": "word " * 100, "stream": True}
    with tour.client.stream("POST", f"{IPOP.prefix}/responses", json=running) as stream:
        response_id = orjson.loads(next(payloads(stream.iter_lines())))["response"]["id"]
        cancelled = tour.ask("responses_cancel", "POST", f"/responses/{response_id}/cancel")
    assert cancelled["status"] == "cancelled"


def tour_of_credentials(tour: Tour) -> None:
    path = "/account/provider-credentials"
    key = {"provider": "openai", "label": "ours", "api_key": "sk-brought-on-a-tour-0123"}
    made = tour.ask("provider_credentials_create", "POST", path, key)
    assert [one["id"] for one in tour.ask("provider_credentials_list", "GET", path)] == [made["id"]]
    assert tour.ask("provider_credentials_test", "POST", f"{path}/{made['id']}/test")["ok"] is True
    changed = tour.ask("provider_credentials_update", "PATCH", f"{path}/{made['id']}", {"enabled": False})
    assert changed["health"] == "disabled"
    tour.ask("provider_credentials_delete", "DELETE", f"{path}/{made['id']}")


def tour_of_configurations(tour: Tour) -> None:
    told = tour.ask("agent_capabilities_get", "GET", "/agent-capabilities")
    assert {entry["client"] for entry in told["client_configs"]} == {"opencode", "hermes"}
    for name in ("opencode", "hermes"):
        config = tour.ask(f"{name}_config_get", "GET", f"/client-config/{name}")
        mark = config["validation"]["fingerprint"]
        path = f"/client-config/{name}/freshness"
        assert tour.ask(f"{name}_config_freshness_get", "GET", path, fingerprint=mark)["fresh"] is True


def tour_of_kv(tour: Tour) -> None:
    put = tour.ask("kv_items_put", "PUT", "/kv/items", {"key": "tour/place", "value": {"at": "the gate"}})
    assert tour.ask("kv_items_get", "GET", "/kv/items/tour%2Fplace")["value"] == {"at": "the gate"}
    listed = tour.ask("kv_items_list", "GET", "/kv/items", prefix="tour/")["data"]
    assert [(item["key"], item["version"]) for item in listed] == [("tour/place", put["version"])]
    assert tour.ask("kv_get", "GET", "/kv")
    assert tour.ask("kv_items_delete", "DELETE", "/kv/items/tour%2Fplace")["key"] == "tour/place"
