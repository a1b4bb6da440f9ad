"""What a client of the January API sees of vector databases: registered, filled, asked, and gone."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.contract.providers.fake_vendor import Reply
from tests.journeys.loopback_vendors import vendors
from tests.journeys.speaking import speaking
from tests.live import LiveServer, running

PREFIX = "/llama-stack/v1"
EMBEDDER = "local/all-minilm-l6-v2"
RAG = f"{PREFIX}/tool-runtime/rag-tool"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with running(tmp_path_factory.mktemp("vector_dbs")) as live:
        yield live
        assert '"level":"error"' not in live.log_text()


def register(client: httpx.Client, name: str, **more: Any) -> httpx.Response:
    return client.post(f"{PREFIX}/vector-dbs", json={"vector_db_id": name, "embedding_model": EMBEDDER, **more})


def insert(client: httpx.Client, name: str, *chunks: dict[str, Any], **more: Any) -> httpx.Response:
    return client.post(f"{PREFIX}/vector-io/insert", json={"vector_db_id": name, "chunks": chunks, **more})


def query(client: httpx.Client, name: str, text: Any, **params: Any) -> Any:
    body = {"vector_db_id": name, "query": text, "params": params}
    answer = client.post(f"{PREFIX}/vector-io/query", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def teach(client: httpx.Client, name: str, *documents: dict[str, Any], size: int = 64) -> httpx.Response:
    body = {"vector_db_id": name, "documents": documents, "chunk_size_in_tokens": size}
    return client.post(f"{RAG}/insert", json=body)


def context(client: httpx.Client, names: list[str], text: Any, **config: Any) -> list[str]:
    body: dict[str, Any] = {"vector_db_ids": names, "content": text}
    if config:
        plain = {"query_generator_config": {"type": "default", "separator": " "}}
        body["query_config"] = {**plain, "max_tokens_in_context": 4096, "max_chunks": 5, **config}
    answer = client.post(f"{RAG}/query", json=body)
    assert answer.status_code == 200, answer.text
    return [item["text"] for item in answer.json().get("content", [])]


def document(name: str, content: Any, **more: Any) -> dict[str, Any]:
    return {"document_id": name, "content": content, "metadata": {}, **more}


def chunk(text: Any, **metadata: Any) -> dict[str, Any]:
    return {"content": text, "metadata": metadata}


def test_a_registered_database_has_what_was_left_out(client: httpx.Client) -> None:
    made = register(client, "plain").json()
    assert made == {
        "identifier": "plain",
        "provider_resource_id": "plain",
        "provider_id": "concordat",
        "type": "vector_db",
        "embedding_model": EMBEDDER,
        "embedding_dimension": 384,
    }
    named = register(client, "a/b", provider_id="faiss", provider_vector_db_id="deep").json()
    assert (named["provider_id"], named["provider_resource_id"]) == ("faiss", "deep")
    assert client.get(f"{PREFIX}/vector-dbs/a%2Fb").json() == named


def test_registering_again_is_no_fault_but_changing_is(client: httpx.Client) -> None:
    made = register(client, "again").json()
    assert register(client, "again").json() == made
    changed = register(client, "again", provider_id="faiss")
    assert changed.status_code == 400
    assert "another vector database again" in changed.text


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"embedding_model": "no/such"}, 404),
        ({"embedding_model": "simulator/chat"}, 400),
        ({"embedding_dimension": 512}, 400),
        ({"embedding_dimension": 0}, 400),
        ({"provider_id": "nul\0"}, 400),
    ],
)
def test_what_cannot_be_registered_is_refused(client: httpx.Client, more: dict[str, Any], status: int) -> None:
    assert register(client, "refused", **more).status_code == status
    assert client.get(f"{PREFIX}/vector-dbs/refused").json() is None


def test_chunks_come_back_as_they_were_put_in_with_their_scores(client: httpx.Client) -> None:
    register(client, "chunks")
    items = [{"type": "text", "text": "Penguins live"}, {"type": "text", "text": "in the Antarctic."}]
    mine = [chunk("Camels store fat in their humps.", document_id="camel", n=[1, None]), chunk(items, deep={"a": 1.5})]
    assert insert(client, "chunks", *mine).status_code == 200
    found = query(client, "chunks", "Where do penguins live?", max_chunks=2)
    assert found["chunks"] == [mine[1], mine[0]]
    assert 1 >= found["scores"][0] > found["scores"][1] >= 0
    assert query(client, "chunks", items, mode="vector", score_threshold=0.9)["chunks"] == [mine[1]]
    assert query(client, "chunks", "humps", mode="keyword")["chunks"] == [mine[0]]


def test_a_chunk_whose_time_is_over_is_gone(client: httpx.Client) -> None:
    register(client, "short")
    assert insert(client, "short", chunk("No time at all."), ttl_seconds=0).status_code == 400
    assert insert(client, "short", chunk("An hour."), ttl_seconds=3600).status_code == 200
    assert len(query(client, "short", "hour")["chunks"]) == 1


@pytest.mark.parametrize(
    "bad",
    [chunk(" "), chunk("nul\0"), chunk("text", nul="\0"), chunk({"type": "image", "image": {"data": "iVBORw0KGgo="}})],
)
def test_a_bad_chunk_keeps_out_its_company(client: httpx.Client, bad: dict[str, Any]) -> None:
    register(client, "company")
    assert insert(client, "company", chunk("A good one."), bad).status_code == 400
    assert query(client, "company", "good one")["chunks"] == []


def test_documents_are_read_from_texts_and_addresses(server: LiveServer, tmp_path_factory: Any) -> None:
    page = "<html><body><h1>Tea</h1><p>Green tea is steeped at eighty degrees.</p></body></html>"
    with vendors() as served, running(tmp_path_factory.mktemp("rag"), CONCORDAT_ALLOW_PRIVATE_OUTBOUND="true") as own:
        served["openai"].answers(Reply([page.encode()], content_type="text/html"))
        url = f"{served['openai'].fake.url}/tea.html"
        with speaking(own) as client:
            register(client, "drinks")
            inline = f"data:text/plain;base64,{b64encode(b'Espresso is brewed under nine bars of pressure.').decode()}"
            taught = teach(
                client,
                "drinks",
                document("tea", {"uri": url}),
                document("coffee", {"uri": inline}, metadata={"kind": "hot"}),
                document("milk", "<p>Milk is warmed to sixty.</p>", mime_type="text/html"),
            )
            assert taught.status_code == 200, taught.text
            texts = context(client, ["drinks"], "How hot must green tea be?")
            assert "Green tea is steeped" in texts[1]
            assert "Document: tea" in texts[1]
            assert "<p>" not in "".join(texts)
            best = query(client, "drinks", "espresso pressure")["chunks"][0]
            assert best["metadata"]["kind"] == "hot"
            assert best["metadata"]["document_id"] == "coffee"


@pytest.mark.parametrize(
    "content",
    [
        "",
        {"uri": "http://169.254.169.254/latest"},
        "http://127.0.0.1:1/page",
        {"uri": "file:///etc/passwd"},
        {"uri": "data:text/plain;base64,%%%"},
        {"uri": "data:application/pdf;base64,JVBERi0="},
        {"type": "image", "image": {"data": "iVBORw0KGgo="}},
    ],
)
def test_a_document_that_cannot_be_had_keeps_out_its_company(client: httpx.Client, content: Any) -> None:
    register(client, "unread")
    refused = teach(client, "unread", document("good", "A good one."), document("bad", content))
    assert refused.status_code == 400, refused.text
    assert "documents[1]" in refused.text
    assert context(client, ["unread"], "good one") == []


def test_a_document_takes_the_place_of_its_earlier_self(client: httpx.Client) -> None:
    register(client, "news")
    for text in ("The bridge is closed.", "The bridge is open again."):
        assert teach(client, "news", document("bridge", text)).status_code == 200
    (_, only, _) = context(client, ["news"], "Is the bridge closed?")
    assert "open again" in only


def test_a_context_holds_the_best_of_several_databases_as_far_as_there_is_room(client: httpx.Client) -> None:
    for name, text in (("north", "Reindeer eat lichen."), ("south", "Koalas eat eucalyptus leaves.")):
        register(client, name)
        teach(client, name, document(name, text))
    both = context(client, ["north", "south"], "What do koalas eat?", max_chunks=2)
    assert ["Koalas" in both[1], "Reindeer" in both[2], len(both)] == [True, True, 4]
    assert len(context(client, ["north", "south"], "What do koalas eat?", max_tokens_in_context=25)) == 3
    assert context(client, ["north", "south"], "What do koalas eat?", max_tokens_in_context=3) == []
    assert context(client, [], "What do koalas eat?") == []


def test_a_model_can_write_the_query(client: httpx.Client) -> None:
    register(client, "rewritten")
    teach(client, "rewritten", document("whales", "Whales breathe air."))
    generator = {"type": "llm", "model": "simulator/chat", "template": "Say it shortly: {{ messages[0].content }}"}
    texts = context(client, ["rewritten"], "How do whales breathe?", query_generator_config=generator)
    assert "Whales breathe air." in texts[1]
    missing = {**generator, "model": "no/such"}
    body = {
        "vector_db_ids": ["rewritten"],
        "content": "x",
        "query_config": {"query_generator_config": missing, "max_tokens_in_context": 9, "max_chunks": 1},
    }
    assert client.post(f"{RAG}/query", json=body).status_code == 404


def test_what_is_unregistered_is_gone(client: httpx.Client) -> None:
    register(client, "gone")
    insert(client, "gone", chunk("Something."))
    assert client.delete(f"{PREFIX}/vector-dbs/gone").status_code == 200
    assert client.get(f"{PREFIX}/vector-dbs/gone").json() is None
    assert client.delete(f"{PREFIX}/vector-dbs/gone").status_code == 404
    assert insert(client, "gone", chunk("More.")).status_code == 404
    register(client, "gone")
    assert query(client, "gone", "Something")["chunks"] == []


def test_another_project_sees_nothing_of_it(client: httpx.Client, other: httpx.Client) -> None:
    register(client, "secret")
    teach(client, "secret", document("plan", "The plan is secret."))
    assert other.get(f"{PREFIX}/vector-dbs/secret").json() is None
    assert other.get(f"{PREFIX}/vector-dbs").json() == {"data": []}
    asked = {"vector_db_id": "secret", "query": "plan"}
    refused = [
        other.delete(f"{PREFIX}/vector-dbs/secret"),
        other.post(f"{PREFIX}/vector-io/query", json=asked),
        insert(other, "secret", chunk("Hello.")),
        teach(other, "secret", document("plan", "Another.")),
        other.post(f"{RAG}/query", json={"vector_db_ids": ["secret"], "content": "plan"}),
    ]
    assert [answer.status_code for answer in refused] == [404] * 5
    assert len(query(client, "secret", "plan")["chunks"]) == 1
    register(other, "secret")
    assert query(other, "secret", "plan")["chunks"] == []
