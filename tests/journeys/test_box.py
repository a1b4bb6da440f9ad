"""What a client sees of a Project Box: documents go in, are indexed, and questions are answered from them."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.contract.providers.fake_vendor import Reply
from tests.journeys.loopback_vendors import KEYS, vendors
from tests.journeys.speaking import speaking
from tests.journeys.waiting import eventually
from tests.live import LiveServer, running

BOX = "/ipop/v1/projects/default/box"
TEA = "Green tea is steeped at eighty degrees for two minutes."


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with running(tmp_path_factory.mktemp("box")) as live:
        yield live
        assert '"level":"error"' not in live.log_text()


def upload(client: httpx.Client, name: str, content: bytes | str, **more: str) -> httpx.Response:
    content = content.encode() if isinstance(content, str) else content
    body = {"filename": name, "content_base64": b64encode(content).decode(), **more}
    return client.post(f"{BOX}/documents", json=body)


def indexed(client: httpx.Client, name: str, content: str) -> Any:
    """The document, once it is."""
    made = upload(client, name, content)
    assert made.status_code == 200, made.text
    return ended(client, made.json()["document"]["id"])


def ended(client: httpx.Client, document_id: str) -> Any:
    def look() -> Any:
        document = client.get(f"{BOX}/documents/{document_id}").json()["document"]
        return document if document["status"] in ("indexed", "failed") else None

    return eventually(look)


def ask(client: httpx.Client, question: str, **more: Any) -> Any:
    answer = client.post(f"{BOX}/query", json={"question": question, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_box_without_documents_is_empty_and_knows_nothing(client: httpx.Client) -> None:
    summary = client.get(BOX).json()
    assert (summary["documents"], summary["usage"]["document_count"]) == ([], 0)
    assert summary["worker_status"] == {"configured": True, "state": "fresh", "fresh": True}
    answer = ask(client, "What is tea?")
    assert (answer["citations"], answer["retrieved_chunks"]) == ([], [])
    assert answer["usage"]["total_tokens"] == 0


def test_a_document_is_indexed_and_given_back(client: httpx.Client) -> None:
    document = indexed(client, "tea.txt", TEA)
    assert document["status"] == "indexed"
    assert document["source_hash"] == hashlib.sha256(TEA.encode()).hexdigest()
    assert (document["mime_type"], document["chunk_count"]) == ("text/plain", 1)
    assert client.get(f"{BOX}/documents/{document['id']}/source").content == TEA.encode()
    (job,) = client.get(f"{BOX}/documents/{document['id']}").json()["jobs"]
    assert (job["status"], job["attempts"], job["document_id"]) == ("succeeded", 1, document["id"])
    again = upload(client, "copy.txt", TEA).json()
    assert (again["duplicate"], again["document"]["id"]) == (True, document["id"])
    usage = client.get(BOX).json()["usage"]
    assert usage["extracted_bytes"] >= len(TEA)
    assert usage["embedding_tokens"] > 0


def test_an_answer_cites_the_chunks_it_names(server: LiveServer, tmp_path_factory: pytest.TempPathFactory) -> None:
    with vendors() as served:
        said = b'"Two minutes [2], says the book [9]; see [2, 1]."'
        whole = served["openai"].wire["text"][0]
        text = openai_text(whole)
        served["openai"].answers(Reply([whole.replace(text, said)]))
        settings = {"OPENAI_BASE_URL": served["openai"].fake.url + "/v1", "OPENAI_API_KEY": KEYS["openai"]}
        with running(tmp_path_factory.mktemp("cited"), **settings) as own, speaking(own) as client:
            indexed(client, "tea.txt", TEA)
            indexed(client, "coffee.txt", "Coffee is brewed at ninety-five degrees for four minutes.")
            answer = ask(client, "How long is tea steeped?", model=served["openai"].model, top_k=2)
            chunks = answer["retrieved_chunks"]
            assert [chunk["document_name"] for chunk in chunks] == ["tea.txt", "coffee.txt"]
            assert [cited["chunk_id"] for cited in answer["citations"]] == [chunks[1]["id"], chunks[0]["id"]]
            assert answer["usage"]["total_tokens"] > answer["usage"]["prompt_tokens"] > 0
            prompt = served["openai"].fake.last.body["messages"][-1]["content"]
            assert "[1] tea.txt" in prompt
            assert TEA in prompt
            shown = client.get(f"{BOX}/documents/{chunks[0]['document_id']}/chunks/{chunks[0]['id']}").json()
            assert shown["chunk"] == chunks[0]
            summary = client.get(BOX).json()
            assert summary["recent_queries"][0]["answer"] == answer["answer"]
            assert summary["usage"]["query_count"] == 1
            assert summary["usage"]["query_tokens"] == answer["usage"]["total_tokens"]


def openai_text(whole: bytes) -> bytes:
    import orjson

    return orjson.dumps(orjson.loads(whole)["choices"][0]["message"]["content"])


def test_a_bad_document_fails_alone_and_says_why(client: httpx.Client) -> None:
    broken = upload(client, "broken.pdf", b"%PDF-1.4 and nothing else").json()["document"]
    failed = ended(client, broken["id"])
    assert failed["status"] == "failed"
    assert failed["error"]
    again = client.post(f"{BOX}/documents/{broken['id']}/reindex").json()
    assert again["status"] in ("queued", "indexing")
    assert ended(client, broken["id"])["status"] == "failed"
    assert indexed(client, "good.txt", "All is well with this one.")["status"] == "indexed"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"filename": "", "content_base64": "aGk="}, 400),
        ({"filename": "a.txt", "content_base64": ""}, 400),
        ({"filename": "a.txt", "content_base64": "%%"}, 400),
        ({"filename": "a.txt", "content_base64": "aGk=", "mime_type": "no\r\ntype"}, 400),
        ({"filename": "a\0.txt", "content_base64": "aGk="}, 400),
        ({"filename": "a.txt", "content_base64": b64encode(bytes(20 * 2**20 + 1)).decode()}, 413),
    ],
)
def test_what_is_no_document_is_refused(client: httpx.Client, body: dict[str, str], status: int) -> None:
    assert client.post(f"{BOX}/documents", json=body).status_code == status


def test_a_deleted_document_is_not_found_any_more(client: httpx.Client) -> None:
    document = indexed(client, "lions.txt", "Lions sleep for twenty hours a day.")
    (chunk,) = [one for one in ask(client, "Do lions sleep?")["retrieved_chunks"] if "Lions" in one["text"]]
    gone = client.delete(f"{BOX}/documents/{document['id']}").json()
    assert gone["status"] == "deleted"
    left = ask(client, "Do lions sleep?")["retrieved_chunks"]
    assert chunk["id"] not in [one["id"] for one in left]
    for path in ("", "/source", f"/chunks/{chunk['id']}"):
        assert client.get(f"{BOX}/documents/{document['id']}{path}").status_code == 404
    assert client.post(f"{BOX}/documents/{document['id']}/reindex").status_code == 404


def test_another_project_sees_nothing_of_it(client: httpx.Client, other: httpx.Client) -> None:
    document = indexed(client, "plan.txt", "The plan is secret.")
    chunk = ask(client, "What is the plan?")["retrieved_chunks"][0]
    theirs = "/ipop/v1/projects/other/box"
    for base in (BOX, theirs):
        path = f"{base}/documents/{document['id']}"
        refused = [
            other.get(path),
            other.get(f"{path}/source"),
            other.get(f"{path}/chunks/{chunk['id']}"),
            other.post(f"{path}/reindex"),
            other.delete(path),
        ]
        assert [answer.status_code for answer in refused] == [404] * 5
    assert other.get(BOX).status_code == 404
    assert other.post(f"{BOX}/query", json={"question": "plan"}).status_code == 404
    assert upload(other, "mine.txt", "Mine.").status_code == 404
    assert other.get(theirs).json()["documents"] == []
    assert client.get(f"{BOX}/documents/{document['id']}").status_code == 200


def test_the_operator_sees_workers_and_their_tools(server: LiveServer, client: httpx.Client) -> None:
    headers = {"X-Admin-Token": server.admin_token}

    def look() -> Any:
        found = client.get("/ipop/v1/admin/box/readiness", headers=headers).json()
        tools = found["tools"]["fresh_worker_tools"]
        return found if tools and "yet" not in tools[0]["pdftotext"].get("error", "") else None

    readiness = eventually(look)
    assert readiness["ready"] is True
    (worker,) = readiness["workers"]["workers"]
    assert worker["tools"] == readiness["tools"]["fresh_worker_tools"][0]
    for name in ("libreoffice", "pdftotext"):
        is_there = worker["tools"][name]["available"]
        assert readiness["tools"][f"{name}_available"] is is_there
        assert (f"{name}_missing" in [alert["code"] for alert in readiness["alerts"]]) is not is_there
    before = client.get("/ipop/v1/admin/box/health", headers=headers).json()
    indexed(client, "counted.txt", "One more.")
    health = client.get("/ipop/v1/admin/box/health", headers=headers).json()
    assert health["indexed_documents"] == before["indexed_documents"] + 1
    assert (health["fresh_worker_count"], health["queued_jobs"]) == (1, 0)
    assert client.get("/ipop/v1/admin/box/health").status_code == 401
