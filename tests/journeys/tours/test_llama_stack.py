from __future__ import annotations

from collections.abc import Callable

from tests.journeys.dialects import DEPRECATED, LLAMA, USER, Dialect
from tests.journeys.tours.datasets import spans_with, tour_of_january_datasets, tour_of_october_datasets
from tests.journeys.tours.documents import tour_of_vector_dbs
from tests.journeys.tours.files import tour_of_files
from tests.journeys.tours.stores import tour_of_october_stores
from tests.journeys.tours.tour import EMBEDDER, MODEL, Tour, text_of

TELEMETRY = "/v1/telemetry"


def test_llama_stack(begin: Callable[[Dialect], Tour]) -> None:
    tour = begin(LLAMA)
    assert tour.ask("health_get", "GET", "/v1/health") == {"status": "OK"}
    assert tour.ask("version_get", "GET", "/v1/version")["version"]
    providers = tour.ask("providers_list", "GET", "/v1/inspect/providers")["data"]
    assert {"simulator", "local"} <= {provider["provider_id"] for provider in providers}
    routes = tour.ask("routes_list", "GET", "/v1/inspect/routes")["data"]
    assert "/v1/inference/chat-completion" in [route["route"] for route in routes]
    alias = {"model_id": "tour/alias", "provider_id": "simulator", "provider_model_id": "chat"}
    assert tour.ask("models_register", "POST", "/v1/models", alias)["identifier"] == "tour/alias"
    assert tour.ask("models_get", "GET", "/v1/models/tour/alias")["provider_id"] == "simulator"
    assert "tour/alias" in [model["identifier"] for model in tour.ask("models_list", "GET", "/v1/models")["data"]]
    inference, batch = "/v1/inference", "/v1/batch-inference"
    chat = tour.ask(
        "chat_completions_create", "POST", f"{inference}/chat-completion", {"model_id": "tour/alias", "messages": USER}
    )
    chats = {"model": "tour/alias", "messages_batch": [USER, USER]}
    both = tour.ask("batch_chat_completions_create", "POST", f"{batch}/chat-completion", chats)["batch"]
    assert both == [chat] * 2
    text = tour.ask("completions_create", "POST", f"{inference}/completion", {"model_id": MODEL, "content": "Once"})
    texts = {"model": MODEL, "content_batch": ["Once", "Twice"]}
    once, twice = tour.ask("batch_completions_create", "POST", f"{batch}/completion", texts)["batch"]
    assert once["content"] == text["content"] != twice["content"]
    vectors = tour.ask(
        "embeddings_create", "POST", f"{inference}/embeddings", {"model_id": EMBEDDER, "contents": ["a"]}
    )
    assert len(vectors["embeddings"][0]) == 384
    tour.ask("models_unregister", "DELETE", "/v1/models/tour/alias")
    assert tour.ask("models_get", "GET", "/v1/models/tour/alias") is None
    tour_of_january_telemetry(tour)
    tour_of_january_datasets(tour, spans_with("guide", "tour"))
    tour_of_vector_dbs(tour)
    tour.finish()


def test_llama_stack_deprecated(begin: Callable[[Dialect], Tour]) -> None:
    tour = begin(DEPRECATED)
    openai = "/v1/openai/v1"
    native = tour.ask("llama_models_list", "GET", "/v1/models")["data"]
    listed = tour.ask("models_list", "GET", f"{openai}/models")["data"]
    assert {model["identifier"] for model in native} == {model["id"] for model in listed}
    chats, body = f"{openai}/chat/completions", {"model": MODEL, "messages": USER}
    chat = tour.ask("chat_completions_create", "POST", chats, body)
    stored = tour.ask("chat_completions_get", "GET", f"{chats}/{chat['id']}")
    assert (text_of(stored), stored["input_messages"]) == (text_of(chat), USER)
    assert chat["id"] in [one["id"] for one in tour.ask("chat_completions_list", "GET", chats)["data"]]
    text = tour.ask("completions_create", "POST", f"{openai}/completions", {"model": MODEL, "prompt": "Once"})
    assert text["choices"][0]["text"]
    vectors = tour.ask("embeddings_create", "POST", f"{openai}/embeddings", {"model": EMBEDDER, "input": "a"})
    assert len(vectors["data"][0]["embedding"]) == 384
    made = tour.ask("responses_create", "POST", f"{openai}/responses", {"model": MODEL, "input": "Hello"})
    path = f"{openai}/responses/{made['id']}"
    assert tour.ask("responses_get", "GET", path)["output"] == made["output"]
    assert made["id"] in [one["id"] for one in tour.ask("responses_list", "GET", f"{openai}/responses")["data"]]
    assert tour.ask("responses_input_items_list", "GET", f"{path}/input_items")["data"][0]["role"] == "user"
    assert tour.ask("responses_delete", "DELETE", path)["deleted"] is True
    tour_of_files(tour, f"{openai}/files", get="files_get", content_get="files_content_get")
    tour_of_october_stores(tour)
    tour_of_october_telemetry(tour)
    tour_of_october_datasets(tour, spans_with("model", MODEL))
    tour.finish()


TRACE, SPAN = "5a" * 16, "5b" * 8


def tour_of_january_telemetry(tour: Tour) -> None:
    for payload in ({"type": "span_start", "name": "walk"}, {"type": "span_end", "status": "ok"}):
        event = {"type": "structured_log", "trace_id": TRACE, "span_id": SPAN, "timestamp": "2026-01-31T12:00:00Z"}
        body = {"event": event | {"attributes": {"guide": "tour"}, "payload": payload}, "ttl_seconds": 10**9}
        tour.ask("telemetry_events_log", "POST", f"{TELEMETRY}/events", body)
    assert tour.ask("traces_get", "GET", f"{TELEMETRY}/traces/{TRACE}")["root_span_id"] == SPAN
    assert tour.ask("spans_get", "GET", f"{TELEMETRY}/traces/{TRACE}/spans/{SPAN}")["name"] == "walk"
    assert list(tour.ask("spans_tree_get", "GET", f"{TELEMETRY}/spans/{SPAN}/tree")["data"]) == [SPAN]
    guided = {"attribute_filters": '{"key": "guide", "op": "eq", "value": "tour"}'}
    (trace,) = tour.ask("traces_query", "GET", f"{TELEMETRY}/traces", **guided)["data"]
    (span,) = tour.ask("spans_query", "GET", f"{TELEMETRY}/spans", **guided, attributes_to_return="guide")["data"]
    assert (trace["trace_id"], span["span_id"]) == (TRACE, SPAN)


def tour_of_october_telemetry(tour: Tour) -> None:
    """Where a request is a trace of its own."""
    traces = tour.ask("traces_query", "POST", f"{TELEMETRY}/traces", {"limit": 1})["data"]
    trace_id, span_id = traces[0]["trace_id"], traces[0]["root_span_id"]
    assert tour.ask("traces_get", "GET", f"{TELEMETRY}/traces/{trace_id}") == traces[0]
    assert tour.ask("spans_get", "GET", f"{TELEMETRY}/traces/{trace_id}/spans/{span_id}")["trace_id"] == trace_id
    assert span_id in tour.ask("spans_tree_get", "POST", f"{TELEMETRY}/spans/{span_id}/tree", {})["data"]
    answered = {"attribute_filters": [{"key": "model", "op": "eq", "value": MODEL}], "attributes_to_return": ["model"]}
    assert tour.ask("spans_query", "POST", f"{TELEMETRY}/spans", answered)["data"]
    metric = {"start_time": 0, "query_type": "instant"}
    assert tour.ask("metrics_query", "POST", f"{TELEMETRY}/metrics/prompt_tokens", metric)["data"]
