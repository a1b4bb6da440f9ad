"""Vector stores over HTTP: two APIs over the same stores, with the embedded model and the true readers of documents."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.journeys.waiting import eventually

IPOP = "/ipop/v1/vector_stores"
LLAMA = "/llama-stack-deprecated/v1/openai/v1/vector_stores"
APIS = pytest.mark.parametrize("api", [IPOP, LLAMA], ids=["ipop", "llama_stack_deprecated"])
CATS = "# Cats\n\nA cat sleeps for most of the day and hunts mice at dusk.\n"
VALVES = "Part number VX-1042-B: the brass valve closes at nine bar.\n"


def upload(client: httpx.Client, content: str | bytes, filename: str = "a.txt") -> str:
    files = {"file": (filename, content)}
    answer = client.post("/ipop/v1/files", data={"purpose": "assistants"}, files=files).raise_for_status()
    return str(answer.json()["id"])


def create(client: httpx.Client, api: str, **fields: Any) -> dict[str, Any]:
    made: dict[str, Any] = client.post(api, json={"name": "mine", **fields}).raise_for_status().json()
    return made


def attach(client: httpx.Client, url: str, file_id: str, **fields: Any) -> dict[str, Any]:
    made: dict[str, Any] = client.post(f"{url}/files", json={"file_id": file_id, **fields}).raise_for_status().json()
    return made


def ended(client: httpx.Client, url: str) -> dict[str, Any]:
    """What stands at `url` once it is not in progress any more."""

    def look() -> dict[str, Any]:
        found: dict[str, Any] = client.get(url).raise_for_status().json()
        return found

    return eventually(look, lambda seen: seen["status"] != "in_progress")


def search(client: httpx.Client, url: str, query: Any, **fields: Any) -> list[dict[str, Any]]:
    answer = client.post(f"{url}/search", json={"query": query, **fields})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


@APIS
def test_a_file_is_found_by_meaning_and_by_words_in_either_api(client: httpx.Client, api: str) -> None:
    store = create(client, api, metadata={"a": "b"})
    url = f"{api}/{store['id']}"
    assert (store["status"], store["metadata"], store["usage_bytes"]) == ("completed", {"a": "b"}, 0)
    for filename, content in (("cats.md", CATS), ("valves.txt", VALVES)):
        made = attach(client, url, upload(client, content, filename), attributes={"kind": filename})
        assert ended(client, f"{url}/files/{made['id']}")["status"] == "completed"
    for shown in (IPOP, LLAMA):
        at = f"{shown}/{store['id']}"
        assert client.get(at).json()["file_counts"]["completed"] == 2
        assert [hit["filename"] for hit in search(client, at, "when do felines rest?", max_num_results=1)] == [
            "cats.md"
        ]
        hits = search(client, at, "VX-1042-B", search_mode="hybrid", ranking_options={"score_threshold": 0.9})
        assert [hit["filename"] for hit in hits] == ["valves.txt"]
        assert "brass valve" in hits[0]["content"][0]["text"]
        only = {"type": "ne", "key": "kind", "value": "cats.md"}
        assert [hit["filename"] for hit in search(client, at, ["cat", "mice"], filters=only)] == ["valves.txt"]
    assert client.get(f"{IPOP}/{store['id']}").json()["usage_bytes"] > 2 * 384 * 4


def test_a_citation_names_the_page_sheet_and_offsets(client: httpx.Client) -> None:
    url = f"{IPOP}/{create(client, IPOP)['id']}"
    made = attach(client, url, upload(client, "name,price\nvalve,12\n", "prices.csv"))
    assert ended(client, f"{url}/files/{made['file_id']}")["indexed_at"]
    (hit,) = search(client, url, "valve")
    assert set(hit["citation"]) == {"start", "stop", "page", "slide", "sheet"}
    assert hit["citation"]["stop"] - hit["citation"]["start"] == len(hit["content"][0]["text"])


@APIS
def test_a_file_that_cannot_be_read_fails_alone_with_the_reason(client: httpx.Client, api: str) -> None:
    url = f"{api}/{create(client, api)['id']}"
    bad = attach(client, url, upload(client, b"%PDF-1.7\nnonsense", "a.pdf"))
    good = attach(client, url, upload(client, CATS))
    failed = ended(client, f"{url}/files/{bad['id']}")
    assert (failed["status"], "corrupt" in str(failed["last_error"])) == ("failed", True)
    assert ended(client, f"{url}/files/{good['id']}")["status"] == "completed"
    assert client.get(url).json()["status"] == "completed"


def test_a_batch_counts_its_files(client: httpx.Client) -> None:
    store = create(client, LLAMA, file_ids=[upload(client, VALVES)])
    url = f"{LLAMA}/{store['id']}"
    assert store["file_counts"]["total"] == 1
    static = {"type": "static", "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 20}}
    news: dict[str, Any] = {
        "file_ids": [upload(client, CATS * 20), upload(client, b"\x00\x01\x02", "a.bin")],
        "attributes": {"n": 1},
    }
    batch = client.post(f"{url}/file_batches", json={**news, "chunking_strategy": static}).raise_for_status().json()
    at = f"{url}/file_batches/{batch['id']}"
    done = ended(client, at)
    assert (done["status"], done["file_counts"]["completed"], done["file_counts"]["failed"]) == ("completed", 1, 1)
    listed = client.get(f"{at}/files", params={"filter": "completed"}).json()
    assert [(file["id"], file["chunking_strategy"]) for file in listed["data"]] == [(news["file_ids"][0], static)]
    content = client.get(f"{url}/files/{news['file_ids'][0]}/content").json()
    assert (content["attributes"], len(content["content"]) > 2) == ({"n": 1}, True)
    changed = client.post(f"{url}/files/{news['file_ids'][0]}", json={"attributes": {"n": 2}}).json()
    assert changed["attributes"] == {"n": 2}
    assert {hit["attributes"].get("n") for hit in search(client, url, "cat", filters={"n": 2})} == {2}
    assert client.post(f"{at}/cancel").json()["status"] == "cancelled"
    assert client.get(f"{url}/file_batches/vsfb-unknown").status_code == 404


@APIS
def test_stores_are_changed_paged_and_deleted(client: httpx.Client, api: str) -> None:
    made = [create(client, api)["id"] for _ in range(3)][::-1]
    page = client.get(api, params={"limit": 2}).json()
    assert ([store["id"] for store in page["data"]], page["has_more"], page["last_id"]) == (made[:2], True, made[1])
    assert [store["id"] for store in client.get(api, params={"limit": 1, "after": made[1]}).json()["data"]] == made[2:]
    changed = client.post(f"{api}/{made[0]}", json={"name": "yours", "metadata": {"b": 1}}).json()
    assert (changed["name"], changed["metadata"]) == ("yours", {"b": 1})
    file = attach(client, f"{api}/{made[0]}", upload(client, CATS))
    ended(client, f"{api}/{made[0]}/files/{file['id']}")
    assert client.get(f"{api}/{made[0]}/files", params={"after": file["id"]}).json()["data"] == []
    gone = client.delete(f"{api}/{made[0]}/files/{file['id']}")
    assert gone.status_code == (204 if api == IPOP else 200)
    assert client.get(f"{api}/{made[0]}/files/{file['id']}").status_code == 404
    assert search(client, f"{api}/{made[0]}", "cat") == []
    assert client.delete(f"{api}/{made[0]}").json()["deleted"]
    assert client.get(f"{api}/{made[0]}").status_code == 404
    assert client.delete(f"{api}/{made[0]}").status_code == 404
    assert client.get(api, params={"after": "vs-unknown"}).status_code == 404


def test_a_store_lasts_as_long_as_it_was_asked_to(client: httpx.Client) -> None:
    store = create(client, LLAMA, expires_after={"anchor": "last_active_at", "days": 7})
    assert store["expires_at"] - store["created_at"] == 7 * 86_400
    shown = client.post(f"{IPOP}/{store['id']}", json={"expires_at": None}).json()
    assert shown["expires_at"] is None
    client.post(f"{IPOP}/{store['id']}", json={"expires_at": "2001-01-01T00:00:00Z"}).raise_for_status()
    assert client.get(f"{LLAMA}/{store['id']}").status_code == 404


def test_a_reindexed_store_finds_the_same(client: httpx.Client) -> None:
    url = f"{IPOP}/{create(client, IPOP, embedding_model='terminaili/embed-balanced')['id']}"
    file = attach(client, url, upload(client, CATS))
    before = ended(client, f"{url}/files/{file['id']}")["indexed_at"]
    assert client.post(f"{url}/reindex").json()["status"] == "in_progress"
    assert ended(client, f"{url}/files/{file['id']}")["indexed_at"] > before
    assert len(search(client, url, "cat")) == 1


@APIS
@pytest.mark.parametrize(
    "wish",
    [
        {"query": ""},
        {"query": "a", "max_num_results": 51},
        {"query": "a", "search_mode": "psychic"},
        {"query": "a", "filters": {"type": "like", "key": "a", "value": 1}},
        {"query": "a", "filters": {"type": "in", "key": "a", "value": 1}},
        {"query": "a", "ranking_options": {"ranker": "astrology"}},
    ],
    ids=["empty", "many", "mode", "filter", "list", "ranker"],
)
def test_wrong_searches_are_refused(client: httpx.Client, api: str, wish: dict[str, Any]) -> None:
    store = client.get(api, params={"limit": 1}).json()["data"] or [create(client, api)]
    answer = client.post(f"{api}/{store[0]['id']}/search", json=wish)
    assert answer.status_code == 400, answer.text


@APIS
def test_another_project_sees_nothing(client: httpx.Client, other: httpx.Client, api: str) -> None:
    url = f"{api}/{create(client, api)['id']}"
    file_id = upload(client, CATS)
    attach(client, url, file_id)
    paths = ["", f"/files/{file_id}"] + ([f"/files/{file_id}/content"] if api == LLAMA else [])
    assert [other.get(url + path).status_code for path in paths] == [404] * len(paths)
    assert [other.delete(url + path).status_code for path in paths[:2]] == [404, 404]
    writes: dict[str, Any] = {"": {"name": "x"}, "/search": {"query": "x"}, "/files": {"file_id": file_id}}
    assert [other.post(url + path, json=body).status_code for path, body in writes.items()] == [404] * 3
    assert other.get(f"{url}/files").status_code == 404
    if api == IPOP:
        assert other.post(f"{url}/reindex").status_code == 404
    else:
        assert other.post(f"{url}/file_batches", json={"file_ids": [file_id]}).status_code == 404
        assert other.post(f"{url}/files/{file_id}", json={"attributes": {}}).status_code == 404
    theirs = f"{api}/{create(other, api)['id']}"
    assert other.post(f"{theirs}/files", json={"file_id": file_id}).status_code == 404
    assert url.rsplit("/", 1)[1] not in other.get(api).text
