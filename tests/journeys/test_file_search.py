"""Models that look into vector stores before they answer, and what clients see of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import orjson
import pytest

from tests.contract.providers.fake_vendor import Reply, Seen, sse_reply
from tests.journeys.dialects import payloads
from tests.journeys.loopback_vendors import KEYS, LoopbackVendor, vendors
from tests.journeys.waiting import eventually
from tests.live import LiveServer, running

TEA = "Green tea is steeped at eighty degrees."
CHAT, IPOP = "/ipop/v1/chat/completions", "/ipop/v1/responses"
DEPRECATED = "/llama-stack-deprecated/v1/openai/v1/responses"
BOTH = pytest.mark.parametrize("path", [IPOP, DEPRECATED])


@dataclass
class Library:
    server: LiveServer
    vendor: LoopbackVendor
    client: httpx.Client
    store_id: str
    file_id: str

    @property
    def tool(self) -> dict[str, Any]:
        return {"type": "file_search", "vector_store_ids": [self.store_id]}

    def scripted(self, *turns: Callable[[Seen], dict[str, Any]]) -> None:
        """What the model says, turn by turn, whole or as a stream."""
        left, usage = list(turns), {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}

        def choose(seen: Seen) -> Reply:
            message = (left.pop(0) if len(left) > 1 else left[0])(seen)
            reason = "tool_calls" if message.get("tool_calls") else "stop"
            head = {"id": "chatcmpl-1", "created": 1, "model": "gpt-5.5"}
            if not seen.streamed:
                choice = {"index": 0, "message": message, "finish_reason": reason}
                body = {**head, "object": "chat.completion", "choices": [choice], "usage": usage}
                return Reply([orjson.dumps(body)])
            deltas = [{"role": "assistant"}, *pieces(message), {}]
            events = [
                {
                    **head,
                    "object": "chat.completion.chunk",
                    "choices": [{"index": 0, "delta": delta, "finish_reason": None if delta else reason}],
                }
                for delta in deltas
            ]
            events.append({**head, "object": "chat.completion.chunk", "choices": [], "usage": usage})
            return sse_reply([b"data: %b\n\n" % orjson.dumps(event) for event in events] + [b"data: [DONE]\n\n"])

        self.vendor.fake.choose = choose
        self.vendor.fake.seen.clear()


def pieces(message: dict[str, Any]) -> list[dict[str, Any]]:
    """A text goes in threes of characters, so that marks are cut."""
    if message.get("tool_calls"):
        return [{"tool_calls": [{**one, "index": n} for n, one in enumerate(message["tool_calls"])]}]
    text = message["content"]
    return [{"content": text[at : at + 3]} for at in range(0, len(text), 3)]


def searching(_: Seen, query: str = "How hot is tea?") -> dict[str, Any]:
    function = {"name": "file_search", "arguments": orjson.dumps({"queries": [query]}).decode()}
    call = {"id": "call_1", "type": "function", "function": function}
    return {"role": "assistant", "content": None, "tool_calls": [call]}


def citing(seen: Seen) -> dict[str, Any]:
    assert TEA in seen.body["messages"][-1]["content"]
    return {"role": "assistant", "content": "Eighty degrees【1】, no more【77】."}


CITED = "Eighty degrees, no more【77】."


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    with vendors() as served:
        settings = {"OPENAI_BASE_URL": served["openai"].fake.url + "/v1", "OPENAI_API_KEY": KEYS["openai"]}
        with running(tmp_path_factory.mktemp("file_search"), **settings) as server:
            with httpx.Client(base_url=server.url, headers=bearer(server.key), timeout=60) as client:
                yield filled(Library(server, served["openai"], client, "", ""))
            assert '"level":"error"' not in server.log_text()


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def filled(library: Library) -> Library:
    client, prefix = library.client, "/llama-stack-deprecated/v1/openai/v1"
    form: dict[str, Any] = {"files": {"file": ("tea.txt", TEA.encode())}, "data": {"purpose": "assistants"}}
    library.file_id = client.post(f"{prefix}/files", **form).json()["id"]
    made = client.post(f"{prefix}/vector_stores", json={"name": "drinks", "file_ids": [library.file_id]})
    library.store_id = made.json()["id"]
    path = f"{prefix}/vector_stores/{library.store_id}"
    eventually(lambda: client.get(path).json()["file_counts"]["completed"] == 1)
    return library


def ask(library: Library, path: str, **more: Any) -> Any:
    body = {"model": library.vendor.model, "input": "How hot is tea?", "tools": [library.tool], **more}
    answer = library.client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def events_of(library: Library, path: str, body: dict[str, Any]) -> list[Any]:
    with library.client.stream("POST", path, json={**body, "stream": True}) as stream:
        assert stream.status_code == 200, stream.read()
        return [orjson.loads(payload) for payload in payloads(stream.iter_lines()) if payload != "[DONE]"]


def citation(library: Library) -> dict[str, Any]:
    return {"type": "file_citation", "index": 14, "file_id": library.file_id, "filename": "tea.txt"}


@BOTH
def test_a_response_searches_and_cites(library: Library, path: str) -> None:
    library.scripted(searching, citing)
    response = ask(library, path, include=["file_search_call.results"])
    search, message = response["output"]
    assert (search["type"], search["status"], search["queries"]) == (
        "file_search_call",
        "completed",
        ["How hot is tea?"],
    )
    (found,) = search["results"]
    assert (found["file_id"], found["filename"], found["text"]) == (library.file_id, "tea.txt", TEA)
    assert message["content"][0]["text"] == CITED
    assert message["content"][0]["annotations"] == [citation(library)]
    first, second = (seen.body for seen in library.vendor.fake.seen)
    assert first["tools"][0]["function"]["name"] == "file_search"
    assert [one["role"] for one in second["messages"][-2:]] == ["assistant", "tool"]
    again = library.client.get(f"{path}/{response['id']}").json()
    assert again["output"] == response["output"]


def test_usage_and_cost_are_those_of_all_rounds(library: Library) -> None:
    library.scripted(searching, citing)
    assert ask(library, IPOP)["usage"]["total_tokens"] == 220
    body = {"model": library.vendor.model, "messages": [{"role": "user", "content": "Tea?"}], "tools": [library.tool]}
    library.scripted(citing_without_search)
    once = library.client.post(CHAT, json=body).json()
    library.scripted(searching, citing)
    twice = library.client.post(CHAT, json=body).json()
    assert twice["usage"]["total_tokens"] == 2 * once["usage"]["total_tokens"] == 220


def citing_without_search(_: Seen) -> dict[str, Any]:
    return {"role": "assistant", "content": "Hot."}


@BOTH
def test_a_streamed_response_tells_of_its_search(library: Library, path: str) -> None:
    library.scripted(searching, citing)
    body = {"model": library.vendor.model, "input": "How hot is tea?", "tools": [library.tool]}
    events = events_of(library, path, body)
    kinds = [event["type"] for event in events]
    texts = "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")
    assert texts == CITED
    added = [event["item"]["type"] for event in events if event["type"] == "response.output_item.added"]
    assert added == ["file_search_call", "message"]
    marks = [f"response.file_search_call.{name}" for name in ("in_progress", "searching", "completed")]
    cited = [event["annotation"] for event in events if event["type"] == "response.output_text.annotation.added"]
    if path == IPOP:
        assert [kind for kind in kinds if "file_search_call" in kind] == marks
        assert cited == [citation(library)]
    else:
        assert not [kind for kind in kinds if kind in marks] + cited
    last = events[-1]["response"]
    assert last["output"][1]["content"][0]["annotations"] == [citation(library)]
    assert "results" not in last["output"][0]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))


@pytest.mark.parametrize("is_streamed", [False, True])
def test_a_chat_searches_and_cites(library: Library, is_streamed: bool) -> None:
    library.scripted(searching, citing)
    body = {
        "model": library.vendor.model,
        "messages": [{"role": "user", "content": "How hot is tea?"}],
        "tools": [{"type": "file_search"}],
        "tool_resources": {"file_search": {"vector_store_ids": [library.store_id]}},
    }
    if not is_streamed:
        choice = library.client.post(CHAT, json=body).json()["choices"][0]
        message, reason = choice["message"], choice["finish_reason"]
    else:
        chunks = events_of(library, CHAT, body)
        assert len({chunk["id"] for chunk in chunks}) == 1
        deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
        message = {
            "content": "".join(delta.get("content") or "" for delta in deltas),
            "annotations": [one for delta in deltas for one in delta.get("annotations") or []],
        }
        assert not [delta for delta in deltas if "tool_calls" in delta or "file_search" in delta]
        reason = next(c["finish_reason"] for chunk in reversed(chunks) for c in chunk["choices"])
    assert (message["content"], message["annotations"], reason) == (CITED, [citation(library)], "stop")


def test_the_clients_own_calls_come_first(library: Library) -> None:
    def both(seen: Seen) -> dict[str, Any]:
        own = {"id": "call_2", "type": "function", "function": {"name": "look", "arguments": "{}"}}
        return {**searching(seen), "tool_calls": [*searching(seen)["tool_calls"], own]}

    library.scripted(both)
    function = {"type": "function", "name": "look", "parameters": {"type": "object", "properties": {}}}
    (call,) = ask(library, IPOP, tools=[library.tool, function])["output"]
    assert (call["type"], call["name"], call["call_id"]) == ("function_call", "look", "call_2")


def test_a_model_cannot_search_for_ever(library: Library) -> None:
    library.scripted(searching)
    output = ask(library, IPOP)["output"]
    assert [item["type"] for item in output] == ["file_search_call"] * 4
    assert len(library.vendor.fake.seen) == 5
    assert not library.vendor.fake.last.body.get("tools")


def test_searches_keep_to_filters_and_numbers(library: Library) -> None:
    filters = {"type": "eq", "key": "kind", "value": "cold"}
    library.scripted(searching, citing_without_search)
    tool = {**library.tool, "filters": filters, "max_num_results": 1, "ranking_options": {"score_threshold": 0.1}}
    search, _ = ask(library, DEPRECATED, tools=[tool], include=["file_search_call.results"])["output"]
    assert search["results"] == []


def test_a_response_in_the_background_searches_too(library: Library) -> None:
    for is_streamed in (False, True):
        library.scripted(searching, citing)
        body = {"model": library.vendor.model, "input": "Tea?", "tools": [library.tool], "background": True}
        if is_streamed:
            ended = events_of(library, IPOP, body)[-1]["response"]
        else:
            made = library.client.post(IPOP, json=body).json()
            ended = eventually(
                lambda made=made: library.client.get(f"{IPOP}/{made['id']}").json(),  # type: ignore[misc]
                lambda seen: seen["status"] not in ("queued", "in_progress"),
            )
        assert ended["status"] == "completed"
        search, message = ended["output"]
        assert search["type"] == "file_search_call"
        assert message["content"][0]["annotations"] == [citation(library)]
        assert ended["usage"]["output_tokens"] == 20


def test_an_answer_can_be_continued(library: Library) -> None:
    library.scripted(searching, citing)
    first = ask(library, IPOP)
    library.scripted(citing_without_search)
    ask(library, IPOP, previous_response_id=first["id"])
    roles = [message["role"] for message in library.vendor.fake.last.body["messages"]]
    assert roles == ["user", "assistant", "user"]
    ask(library, IPOP, input=[*first["output"], {"role": "user", "content": "And now?"}])


@pytest.mark.parametrize("path", [CHAT, IPOP, DEPRECATED])
def test_a_store_of_another_project_is_not_there(library: Library, path: str) -> None:
    said = {"messages": [{"role": "user", "content": "Tea?"}]} if path == CHAT else {"input": "Tea?"}
    body = {"model": library.vendor.model, "tools": [library.tool], **said}
    for more in ({}, {"stream": True}):
        other = library.client.post(path, json=body | more, headers=bearer(library.server.other_key))
        assert other.status_code == 404, other.text
    nowhere = library.client.post(path, json={**body, "tools": [{"type": "file_search", "vector_store_ids": []}]})
    assert nowhere.status_code == 400, nowhere.text
