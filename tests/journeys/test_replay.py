"""Asking again what was asked before, from wherever it was kept, and what is shown of its answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import orjson
import pytest

from tests.journeys.dialects import DEPRECATED, DIALECTS, IPOP, MANIAC, USER, Dialect
from tests.live import LiveServer, running

HISTORY = IPOP.prefix + "/request-history"
MODEL = "simulator/chat"
TOOLS = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}]


@pytest.fixture(scope="module")
def keeping(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server that keeps everything."""
    with running(tmp_path_factory.mktemp("keeping"), CONCORDAT_CAPTURE="all") as live:
        yield live
        assert '"level":"error"' not in live.log_text()


@pytest.fixture
def caller(keeping: LiveServer) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {keeping.key}"}
    with httpx.Client(base_url=keeping.url, headers=headers, timeout=60) as client:
        yield client


def ask(client: httpx.Client, path: str, body: dict[str, Any]) -> httpx.Response:
    answer = client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    return answer


def preview(client: httpx.Client, answer: httpx.Response) -> str | None:
    shown = client.get(f"{HISTORY}/{answer.headers['x-request-id']}").raise_for_status().json()
    found: str | None = shown.get("result_preview")
    return found


def replay(client: httpx.Client, answer: httpx.Response) -> httpx.Response:
    return client.post(f"{HISTORY}/{answer.headers['x-request-id']}/replay")


def message_of(replayed: httpx.Response) -> Any:
    assert replayed.status_code == 200, replayed.text
    return replayed.json()["choices"][0]["message"]


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.api)
def test_a_captured_chat_of_every_api_is_asked_again(caller: httpx.Client, dialect: Dialect) -> None:
    first = ask(caller, dialect.url, dialect.chat())
    text = dialect.text(first.json())
    assert preview(caller, first) == text[:500]
    assert message_of(replay(caller, first))["content"] == text


def test_a_captured_chat_is_asked_again_with_all_that_it_was_asked_with(caller: httpx.Client) -> None:
    said = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Look there."}]},
        {"role": "assistant", "content": None, "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
        ]},
        {"role": "tool", "tool_call_id": "call_1", "content": "a gate"},
    ]  # fmt: skip
    body = {"model": MODEL, "messages": said, "tools": TOOLS, "tool_choice": "required", "seed": 7, "max_tokens": 900}
    first = ask(caller, IPOP.url, body)
    assert first.json()["choices"][0]["finish_reason"] == "tool_calls"
    again = message_of(replay(caller, first))
    assert [call["function"] for call in again["tool_calls"]] == [
        call["function"] for call in first.json()["choices"][0]["message"]["tool_calls"]
    ]
    short = ask(caller, IPOP.url, {"model": MODEL, "messages": USER, "max_tokens": 3})
    assert replay(caller, short).json()["usage"] == short.json()["usage"]


def test_what_a_client_wished_of_the_way_holds_again(caller: httpx.Client) -> None:
    """A pin to a region is attested to, and only that."""
    (region,) = caller.get(IPOP.prefix + "/regions").json()["data"]
    for metadata, status in (({"require_region": region["region"]}, 200), ({}, 404)):
        again = replay(caller, ask(caller, IPOP.url, IPOP.chat(metadata=metadata)))
        path = f"{IPOP.prefix}/inference/{again.headers['x-request-id']}/attestation"
        assert caller.get(path).status_code == status


@pytest.mark.parametrize(
    "content",
    [
        "write to jo@example.org",
        [{"type": "text", "text": "Pay with 4111 1111 1111 1111."}],
    ],
    ids=["text", "parts"],
)
def test_a_redacted_chat_is_not_asked_again(caller: httpx.Client, content: Any) -> None:
    first = ask(caller, IPOP.url, IPOP.chat() | {"messages": [{"role": "user", "content": content}]})
    refused = replay(caller, first)
    assert (refused.status_code, refused.json()["error_type"]) == (400, "content_redacted")
    named = ask(caller, IPOP.url, IPOP.chat(user="jo@example.org"))
    assert replay(caller, named).json()["error_type"] == "content_redacted"


def test_a_chat_that_was_cut_is_not_asked_again(caller: httpx.Client) -> None:
    first = ask(caller, IPOP.url, IPOP.chat() | {"messages": [{"role": "user", "content": "word " * 10_000}]})
    refused = replay(caller, first)
    assert (refused.status_code, refused.json()["error_type"]) == (400, "content_incomplete")


def test_a_text_completion_is_not_asked_again_as_a_chat(caller: httpx.Client) -> None:
    path = DEPRECATED.prefix + "/v1/openai/v1/completions"
    refused = replay(caller, ask(caller, path, {"model": MODEL, "prompt": "Once"}))
    assert (refused.status_code, refused.json()["error_type"]) == (400, "not_a_chat")


@pytest.mark.parametrize("path", [IPOP.prefix + "/responses", DEPRECATED.prefix + "/v1/openai/v1/responses"])
def test_a_stored_response_is_asked_again_with_what_it_continues(client: httpx.Client, path: str) -> None:
    """On a server that captures nothing."""
    first = ask(client, path, {"model": MODEL, "input": "My name is Jo, jo@example.org."})
    told = {"input": "What is my name?", "instructions": "Be brief.", "max_output_tokens": 5, "temperature": 0.5}
    if path.startswith(DEPRECATED.prefix):
        del told["max_output_tokens"]
    second = ask(client, path, {"model": MODEL, "previous_response_id": first.json()["id"], **told})
    text = second.json()["output"][0]["content"][0]["text"]
    assert preview(client, second) == text[:500]
    again = replay(client, second)
    assert message_of(again)["content"] == text
    record = client.get(f"{HISTORY}/{second.headers['x-request-id']}").json()
    assert again.json()["usage"]["prompt_tokens"] == record["tokens_in"]
    gone = IPOP.prefix + f"/responses/{first.json()['id']}"
    assert client.delete(gone).status_code in (200, 204)
    assert replay(client, second).status_code == 404


def test_a_response_that_was_not_kept_is_not_asked_again(client: httpx.Client) -> None:
    first = ask(client, IPOP.prefix + "/responses", {"model": MODEL, "input": "Hello", "store": False})
    assert preview(client, first) is None
    refused = replay(client, first)
    assert (refused.status_code, refused.json()["error_type"]) == (400, "content_not_retained")


def test_the_export_tells_what_was_said_where_it_is_wanted(keeping: LiveServer, caller: httpx.Client) -> None:
    request_id = ask(caller, MANIAC.url, MANIAC.chat()).headers["x-request-id"]
    with httpx.Client(base_url=keeping.url, headers={"X-Admin-Token": keeping.admin_token}, timeout=60) as admin:
        stats = admin.get(IPOP.prefix + "/admin/inference/stats").json()
        assert stats["captured_messages"] >= 2
        assert stats["project_overrides"] == 0
        said = admin.get(f"{IPOP.prefix}/admin/inference/{request_id}/messages").json()["messages"]
        for events, messages in ((True, True), (False, True), (True, False), (False, False)):
            params = {"include_events": events, "include_messages": messages}
            exported = admin.get(IPOP.prefix + "/admin/inference/export", params=params)
            lines = [line for line in map(orjson.loads, exported.text.splitlines()) if line["request_id"] == request_id]
            told = [{"type": "inference_message", **message} for message in said] if messages else []
            assert [line for line in lines if line["type"] == "inference_message"] == told
            assert len(lines) - len(told) == (4 if events else 0)
