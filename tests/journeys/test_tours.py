"""A tour of each API: every operation that has a handler is asked for once, in an order in which a client would.

What each does is shown at length by the other journeys. Here nothing is left out: a tour that misses an operation
fails, and so does one that believes to ask for an operation and asks for another.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import httpx
import orjson
import pytest

from server.inspect import find_handler, operations
from server.openapi31.routing import Router
from tests.contract.providers.fake_vendor import json_reply
from tests.journeys.dialects import DEPRECATED, IPOP, LLAMA, MANIAC, USER, Dialect, payloads
from tests.journeys.loopback_vendors import vendors
from tests.journeys.waiting import eventually
from tests.live import ADMIN_TOKEN, LiveServer, running

MODEL, EMBEDDER = "simulator/chat", "local/all-minilm-l6-v2"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """It takes a vendor on loopback for OpenAI, and has no key for it. Answers are held against their documents."""
    with vendors() as served:
        served["openai"].answers(json_reply({"object": "list", "data": []}))
        settings = {"OPENAI_BASE_URL": served["openai"].fake.url + "/v1"}
        with running(tmp_path_factory.mktemp("tours"), **settings) as live:
            yield live
            assert '"level":"error"' not in live.log_text()


class Tour:
    def __init__(self, dialect: Dialect, client: httpx.Client) -> None:
        self.seen: set[str] = set()
        self._dialect = dialect
        self.client = client
        self._router = Router(operations(dialect.api))

    def ask(self, operation_id: str, method: str, path: str, body: Any = None, **params: Any) -> Any:
        """What the operation answers; `path` is as in its document."""
        found, _ = self._router.find(method, path)
        assert found.operation_id == operation_id
        answer = self.client.request(method, self._dialect.prefix + path, json=body, params=params)
        assert answer.status_code in (200, 201), f"{operation_id}: {answer.status_code} {answer.text}"
        self.seen.add(operation_id)
        return answer.json() if answer.content else None

    def finish(self) -> None:
        bound = {row.operation_id for row in operations(self._dialect.api) if find_handler(row) is not None}
        assert bound - self.seen == set(), "operations that have no place in this tour"


@pytest.fixture
def client(server: LiveServer) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {server.key}"}
    with httpx.Client(base_url=server.url, headers=headers, timeout=30) as client:
        yield client


def text_of(answer: Any) -> str:
    text: str = answer["choices"][0]["message"]["content"]
    return text


def test_maniac(client: httpx.Client) -> None:
    tour = Tour(MANIAC, client)
    chats, containers = "/v1/chat/completions", "/v1/containers"
    tour.ask("healthz_get", "GET", "/healthz")
    made = tour.ask("containers_create", "POST", containers, {"label": "guide", "initial_model": MODEL})
    tour.ask("containers_update", "PATCH", f"{containers}/guide", {"default_system_prompt": "Be a guide."})
    shown = tour.ask("containers_retrieve", "GET", f"{containers}/guide")
    assert (shown["id"], shown["default_system_prompt"]) == (made["id"], "Be a guide.")
    attached = tour.ask(
        "containers_models_add", "POST", "/v1/models", {"container": "guide", "model": "openai/gpt-5.5", "slug": "big"}
    )
    assert attached["container_id"] == made["id"]
    listed = tour.ask("models_list", "GET", "/v1/models", container="guide")
    assert {model["slug"] for model in listed["data"]} == {"big", MODEL}
    assert [c["label"] for c in tour.ask("containers_list", "GET", containers)["data"]] == ["guide"]
    body = {"model": "maniac:guide", "messages": USER, "trace": {"id": "tour"}}
    chat = tour.ask("chat_completions_create", "POST", chats, body)
    stored = tour.ask("chat_completions_retrieve", "GET", f"{chats}/{chat['id']}")
    assert text_of(stored) == text_of(chat)
    answered = {"input": {"messages": USER}, "output": {"id": "elsewhere", "choices": []}}
    done = tour.ask(
        "chat_completions_register", "POST", f"{chats}/register", {"container": "guide", "items": [answered]}
    )
    assert done["summary"]["inserted"] == 1
    page = tour.ask("chat_completions_list", "GET", chats, container="guide")
    assert [one["id"] for one in page["data"]] == ["elsewhere", chat["id"]]
    assert [trace["id"] for trace in tour.ask("traces_list", "GET", "/v1/traces")["data"]] == ["tour"]
    assert tour.ask("traces_retrieve", "GET", "/v1/traces/tour")["request_count"] == 1
    assert tour.ask("containers_delete", "DELETE", f"{containers}/guide")["deleted"] is True
    tour.finish()


def test_ipop(client: httpx.Client) -> None:
    tour = Tour(IPOP, client)
    assert tour.ask("ready_get", "GET", "/ready")
    assert tour.ask("status_get", "GET", "/status")
    assert tour.ask("openapi_get", "GET", "/openapi.json")["openapi"].startswith("3.1")
    tour_of_models(tour)
    tour_of_regions(tour)
    tour_of_responses(tour)
    tour_of_credentials(tour)
    tour_of_configurations(tour)
    tour_of_boxes(tour)
    tour_of_app_telemetry(tour)
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


def tour_of_boxes(tour: Tour) -> None:
    path = "/projects/default/box"
    body = {"filename": "hours.txt", "content_base64": base64.b64encode(b"The museum opens at nine.").decode()}
    made = tour.ask("box_documents_create", "POST", f"{path}/documents", body)["document"]
    one = f"{path}/documents/{made['id']}"

    def look() -> bool:
        return bool(tour.ask("box_documents_get", "GET", one)["document"]["status"] == "indexed")

    eventually(look)
    assert made["id"] in [document["id"] for document in tour.ask("box_get", "GET", path)["documents"]]
    answer = tour.ask("box_query", "POST", f"{path}/query", {"question": "When does it open?"})
    chunk = answer["retrieved_chunks"][0]
    shown = tour.ask("box_documents_chunks_get", "GET", f"{one}/chunks/{chunk['id']}")
    assert shown["chunk"]["text"] == chunk["text"]
    source = tour.client.get(f"{IPOP.prefix}{one}/source")
    assert source.content == b"The museum opens at nine."
    tour.seen.add("box_documents_source_get")
    tour.ask("box_documents_reindex", "POST", f"{one}/reindex")
    eventually(look)
    assert tour.ask("box_documents_delete", "DELETE", one)["status"] == "deleted"
    tour.client.headers["X-Admin-Token"] = ADMIN_TOKEN
    assert tour.ask("admin_box_health_get", "GET", "/admin/box/health")["fresh_worker_count"] == 1
    assert tour.ask("admin_box_readiness_get", "GET", "/admin/box/readiness")["ready"] is True
    del tour.client.headers["X-Admin-Token"]


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


def test_llama_stack(client: httpx.Client) -> None:
    tour = Tour(LLAMA, client)
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
    tour_of_vector_dbs(tour)
    tour.finish()


def tour_of_vector_dbs(tour: Tour) -> None:
    made = {"vector_db_id": "tour/guides", "embedding_model": EMBEDDER}
    shown = tour.ask("vector_dbs_register", "POST", "/v1/vector-dbs", made)
    assert tour.ask("vector_dbs_get", "GET", "/v1/vector-dbs/tour/guides") == shown
    assert shown in tour.ask("vector_dbs_list", "GET", "/v1/vector-dbs")["data"]
    chunk = {"content": "The museum opens at nine.", "metadata": {"document_id": "hours"}}
    inserted = {"vector_db_id": "tour/guides", "chunks": [chunk]}
    tour.ask("vector_chunks_insert", "POST", "/v1/vector-io/insert", inserted)
    asked = {"vector_db_id": "tour/guides", "query": "When does it open?"}
    assert tour.ask("vector_chunks_query", "POST", "/v1/vector-io/query", asked)["chunks"] == [chunk]
    document = {"document_id": "fees", "content": "Entry is free on Sundays.", "metadata": {}}
    inserted = {"vector_db_id": "tour/guides", "documents": [document], "chunk_size_in_tokens": 128}
    tour.ask("rag_documents_insert", "POST", "/v1/tool-runtime/rag-tool/insert", inserted)
    asked = {"vector_db_ids": ["tour/guides"], "content": "What does entry cost?"}
    context = tour.ask("rag_context_query", "POST", "/v1/tool-runtime/rag-tool/query", asked)["content"]
    assert any("free on Sundays" in item["text"] for item in context)
    tour.ask("vector_dbs_unregister", "DELETE", "/v1/vector-dbs/tour/guides")


def test_llama_stack_deprecated(client: httpx.Client) -> None:
    tour = Tour(DEPRECATED, client)
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
    tour.finish()
